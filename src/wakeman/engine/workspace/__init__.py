"""Where a worker works: one protocol, and one file for each kind of workspace. Arguments are paths of the plan, results
are absolute paths. What decisions need to know of a workspace is in `core/policy/staging.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from wakeman.core.model import Deployment, FileFingerprint, Unit, UnitState, Verdict, WorkerState, WorkspaceKind

if TYPE_CHECKING:
    from wakeman.ports import Start, Task, World


class OutputLocation(Struct, frozen=True, gc=False):
    """Location of a unit's files that are judged together.

    Shape: `outputs` and `targets` are keyed by the unit's own paths. `empty` says when a verdict is given although no
    file exists. If `staged`, `root` is the directory that files must not leave by a link, and `targets` are the final
    paths, if others may have created files there.
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
    """Result for one unit: the fingerprints that count from now on, or `why` it cannot be promoted as judged."""

    marks: tuple[FileFingerprint, ...] = ()
    why: str = ""


class Workspace(Protocol):
    """The workspace of a worker's present attempt."""

    def home(self) -> str:
        """Return the directory to which the worker's paths are relative."""
        ...

    def root(self) -> str:
        """Return the directory of everything the attempt makes; "" if outputs are made in place."""
        ...

    def source(self, path: str) -> str:
        """Return where a path of the plan is, for the worker and for others."""
        ...

    def output(self, path: str) -> str:
        """Return where the attempt writes an output."""
        ...

    def for_worker(self, unit: Unit) -> Unit:
        """Return a unit with the paths that its worker uses."""
        ...

    def places(self, state: UnitState) -> Sequence[OutputLocation]:
        """Return where files of a unit are judged, staged ones last."""
        ...

    def prepare(self, world: World, task: Task, start: Start) -> None:
        """Prepare the workspace before the launch. Repeatable: yes."""
        ...

    def batch(self, seq: int) -> Hashable:
        """Return the key by which promotions are batched, by the seq of their intents."""
        ...

    def promote(self, world: World, seqs: Sequence[int]) -> dict[int, Promoted]:
        """Promote the outputs of a batch of open intents.

        Repeatable: yes; what was promoted before a crash is recognised. Raises: WakemanError, after which all intents
        stay open.
        """
        ...


def workspace(d: Deployment, worker: WorkerState) -> Workspace:
    """Return a worker's workspace, by its own plan."""
    return _kind(d.plan_of(worker).workers.workspace)(d, worker)


@cache
def _kind(kind: WorkspaceKind) -> Callable[[Deployment, WorkerState], Workspace]:
    """Load only the kind that is needed, to keep a check fast."""
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
