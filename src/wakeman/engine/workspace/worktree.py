"""A git work tree per worker, whose files are committed on the worker's branch once they pass."""

from __future__ import annotations

import posixpath
from collections.abc import Hashable, Mapping, Sequence
from shlex import join, quote
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.model import Deployment, FileFingerprint, OpenIntent, Repository, Unit, UnitState, WorkerState
from wakeman.core.names import branch
from wakeman.core.plan.template import render
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.workspace import OutputLocation, Promoted

if TYPE_CHECKING:
    from wakeman.ports import Start, Task, World


class Worktree(Struct, frozen=True, gc=False):
    """The work tree of a worker, the same for all attempts. Paths outside the repository stay as they are."""

    d: Deployment
    worker: WorkerState

    @property
    def repository(self) -> Repository:
        """Return the tree's repository."""
        found = self.d.host.repository
        assert found is not None  # noqa: S101 - `up` has found it, or refused the plan
        return found

    def home(self) -> str:
        """Return the path of the plan's directory in the tree."""
        return posixpath.join(self.root(), self.repository.prefix).rstrip("/")

    def root(self) -> str:
        """Return the tree's top."""
        return layout.tree(self.d.host, self.worker)

    def source(self, path: str) -> str:
        """Return the path's counterpart in the tree."""
        whole = posixpath.normpath(layout.absolute(self.d.host, path))
        inside = layout.relative_within(whole, self.repository.top)
        return whole if inside is None else posixpath.join(self.root(), inside).rstrip("/")

    def output(self, path: str) -> str:
        """Return the path's counterpart in the tree."""
        return self.source(path)

    def for_worker(self, unit: Unit) -> Unit:
        """Return the unit with its absolute paths in the tree; relative ones stay, as they begin there anyway."""
        outputs = tuple(map(self._path_for_worker, unit.outputs))
        source = None if unit.input is None else self._path_for_worker(unit.input)
        return msgspec.structs.replace(unit, outputs=outputs, input=source)

    def _path_for_worker(self, path: str) -> str:
        return self.source(path) if path.startswith("/") else path

    def places(self, state: UnitState) -> tuple[OutputLocation]:
        """Return the paths of a unit's files in the tree.

        Boundary: after its worker has ended, missing files are a verdict, too.
        """
        unit = state.unit
        tree = OutputLocation(
            outputs={path: self.source(path) for path in unit.outputs},
            input=None if unit.input is None else self.source(unit.input),
            cwd=self.home(),
            first_output=self._path_for_worker(unit.outputs[0]) if unit.outputs else "",
            known=state.staged,
            staged=True,
            root=self.root(),
            empty="over",
        )
        return (tree,)

    def prepare(self, world: World, task: Task, start: Start) -> None:
        """Make the tree. If it is incomplete, the worker's session first runs a script that fills it.

        Shape: a checkout and dependencies may take minutes.
        """
        ready = layout.planted(self.d.host, self.worker)
        fill = world.git().plant(self.repository, self.root(), branch(self.d.name, self.worker.name))
        if not world.files.marks([ready]):
            setup = [join(render(word, task.names) for word in command) for command in self.d.plan.workers.setup]
            steps = ["set -e", join(fill), f"cd {quote(self.home())}", *setup, f": >{quote(ready)}"]
            script = "".join(f"{step}\n" for step in steps)
            world.files.write(posixpath.join(task.place, "setup"), script.encode("utf-8", "surrogateescape"))
        world.files.make(start.cwd)

    def batch(self, seq: int) -> Hashable:
        """Return the attempt: its units are one commit."""
        promotion = self.d.intents[seq]
        return promotion.worker, promotion.attempt

    def promote(self, world: World, seqs: Sequence[int]) -> dict[int, Promoted]:
        """Commit the units of a batch, except those with a file that changed since it was judged."""
        promotions = {seq: self.d.intents[seq] for seq in seqs}
        results = {seq: self._judged(world, promotion) for seq, promotion in promotions.items()}
        taken = [promotions[seq] for seq, result in results.items() if not result.why]
        refused = self._commit(world, taken) if taken else {}
        return {seq: refused.get(promotions[seq].target, result) for seq, result in results.items()}

    def _judged(self, world: World, promotion: OpenIntent) -> Promoted:
        """Compare a unit's files with what was judged."""
        places = {self.source(file.path): file for file in promotion.files}
        now = world.files.marks(places)
        for place, file in places.items():
            if not _is_as_judged(now, place, file.mark):
                return Promoted(why=f"{file.path}: not as it was judged any more")
        return Promoted(marks=tuple(file.mark for file in promotion.files))

    def _commit(self, world: World, promotions: Sequence[OpenIntent]) -> dict[str, Promoted]:
        """Commit units to the branch in one commit; return those that are not accepted.

        Boundary: without `workers.commit`, only what the worker has committed itself counts.
        """
        d, on = self.d, branch(self.d.name, self.worker.name)
        paths = {each.target: [self._inside(file.path) for file in each.files] for each in promotions}
        claims = [self._inside(claim) for each in promotions for claim in d.units[each.target].unit.writes]
        kept = world.git().keep(
            self.repository,
            self.root(),
            on,
            [path for each in paths.values() for path in each],
            claims,
            self.worker.name,
            self._message(list(paths)) if d.plan.workers.commit else "",
        )
        refused = {}
        for unit, each in paths.items():
            same = [path for path in each if path in kept.unchanged]
            loose = [path for path in each if path in kept.loose]
            if same and d.plan.verify.fresh == "changed":
                refused[unit] = Promoted(why=f"{same[0]}: as in the base commit, expected it to be changed")
            elif loose:
                refused[unit] = Promoted(why=f"{loose[0]}: passes, and is not committed on {on}")
        return refused

    def _inside(self, path: str) -> str:
        place = self.source(path)
        return layout.relative_within(place, self.root()) or place

    def _message(self, units: Sequence[str]) -> str:
        lines = "\n".join(f"- {sanitise(unit, 200)}" for unit in units)
        count = f"{len(units)} unit{'' if len(units) == 1 else 's'}"
        return f"{self.d.name}: {count} by {self.worker.name}\n\n{lines}\n"


def _is_as_judged(now: Mapping[str, FileFingerprint], place: str, judged: FileFingerprint) -> bool:
    return place in now and msgspec.structs.replace(now[place], path=judged.path) == judged
