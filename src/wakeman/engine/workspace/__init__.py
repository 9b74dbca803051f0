"""Where a worker works: one protocol, and one file for each kind of workspace that answers it.

Paths are those of the plan as they come in, and absolute ones as they go out. What decisions ask of a workspace is
in `core/policy/staging.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import Literal, Protocol

from msgspec import Struct

from wakeman.core.model import Deployment, FileFingerprint, Unit, UnitState, Verdict, WorkerState, WorkspaceKind
from wakeman.ports import Start, Task, World


class OutputLocation(Struct, frozen=True, gc=False):
    """Where files of a unit lie that are judged together, and what holds there.

    Shape: `outputs` and `targets` are keyed by the unit's own paths. `empty` says when there is a verdict on no files
    at all. Of what is `staged`, `root` is the directory that it must not leave by a link, `targets` are where it goes
    once it passes, if files may have been created there by others.
    """

    outputs: Mapping[str, str]
    input: str | None
    cwd: str  # where a verify command runs
    first_output: str  # as the worker sees it
    known: Verdict | None  # the last verdict on it
    staged: bool = False
    root: str = ""
    targets: Mapping[str, str] = {}
    empty: Literal["always", "over", "never"] = "always"


class Promoted(Struct, frozen=True):
    """What became of one unit: the marks that count from now on, or `why` it cannot be promoted as it was judged."""

    marks: tuple[FileFingerprint, ...] = ()
    why: str = ""


class Workspace(Protocol):
    """The workspace of a worker's present attempt."""

    def home(self) -> str:
        """Return the directory that the worker's relative paths begin at."""
        ...

    def root(self) -> str:
        """Return the directory that holds everything the attempt makes; "" where outputs are made in place."""
        ...

    def source(self, path: str) -> str:
        """Return where the worker finds a path of the plan, and where others look for it."""
        ...

    def output(self, path: str) -> str:
        """Return where the attempt writes an output."""
        ...

    def for_worker(self, unit: Unit) -> Unit:
        """Return a unit with the paths that the worker is told."""
        ...

    def places(self, state: UnitState) -> Sequence[OutputLocation]:
        """Return where files of a unit are judged; what is staged comes last."""
        ...

    def prepare(self, world: World, task: Task, start: Start) -> None:
        """Make what the attempt needs before it is launched. Repeatable: yes."""
        ...

    def batch(self, seq: int) -> Hashable:
        """Return what promotions have in common that are made in one go, by the seq of their intents."""
        ...

    def promote(self, world: World, seqs: Sequence[int]) -> dict[int, Promoted]:
        """Promote what a batch of open intents speaks of.

        Repeatable: yes; what was promoted before a crash is found to be so. Raises: WakemanError; nothing is settled.
        """
        ...


def workspace(d: Deployment, worker: WorkerState) -> Workspace:
    """Return a worker's workspace, by its own plan."""
    return _kind(d.plan_of(worker).workers.workspace)(d, worker)


@cache
def _kind(kind: WorkspaceKind) -> Callable[[Deployment, WorkerState], Workspace]:
    """Load the one kind that is needed: a check that has nothing to do loads no other."""
    match kind:
        case "in place":
            from wakeman.engine.workspace.in_place import InPlace

            return InPlace
        case "staged":
            from wakeman.engine.workspace.staged import Staged

            return Staged
        case "worktree":
            from wakeman.engine.workspace.worktree import Worktree

            return Worktree
