"""Whether an output may be the work of another deployment's worker: two that were begun at the same moment, or whose
directories became one by a link, are not seen by `up`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from msgspec import Struct

from wakeman.core.model import Deployment, FileFingerprint, UnitState, WorkerState
from wakeman.core.plan.conflicts import claimed
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.neighbours import neighbours, with_whole_paths
from wakeman.engine.workspace import OutputLocation
from wakeman.ports import World

RIVAL_CHARS_SHOWN = 200
"""Characters of another deployment's worker that a reason repeats."""


class _Writer(Struct, frozen=True):
    """A worker of another deployment, and the files that it has counted as its own."""

    name: str
    worker: WorkerState
    counted: frozenset[tuple[int, int, int]]


class Rivals:
    """Asked of the outputs that are judged at one look.

    Cost: a stat or two for each deployment that the registry knows; the log of each that was at work since this one
    began, and the real path of its outputs of the same name.
    """

    def __init__(self, world: World, d: Deployment) -> None:
        self._world, self._d = world, d
        self._others: list[tuple[str, Deployment]] | None = None

    def faults(self, state: UnitState, place: OutputLocation, marks: Sequence[FileFingerprint]) -> dict[str, str]:
        """Return, by the unit's own paths, which outputs another worker may have written while it was at work.

        Boundary: not what a hook of this unit's own worker has reported.
        """
        judged = {mark.path: mark for mark in marks if not self._surely_own(state, mark)}
        if not judged or not self._deployments():
            return {}
        whole = {path: place.outputs[path] for path in judged}
        real = self._world.files.resolve(whole.values())
        found = {}
        for path, mark in judged.items():
            writer = next((w for w in self._writers(real[whole[path]]) if _may_have_written(w, mark)), None)
            if writer is not None:
                who = sanitise(writer.name, RIVAL_CHARS_SHOWN)
                found[path] = f"may be the work of {who}, which writes there, too, and was at work"
        return found

    def _surely_own(self, state: UnitState, mark: FileFingerprint) -> bool:
        wrote = state.wrote.get(mark.path)
        return wrote is not None and not wrote.inferred and wrote.mark == mark and wrote.last == state.worker

    def _deployments(self) -> list[tuple[str, Deployment]]:
        if self._others is None:
            own = self._world.files.resolve([self._d.host.directory])[self._d.host.directory]
            near = neighbours(self._world, lambda above, name: f"{above}/{name}" == own, self._d.started)
            self._others = [(name, d) for _, name, d in near if any(w.attempt for w in d.workers.values())]
        return self._others

    def _writers(self, path: str) -> Iterator[_Writer]:
        """Yield the workers of other deployments that write to a real path."""
        for name, d in self._deployments():
            for state in d.units.values():
                if self._writes(d, state, path):
                    judged = state.verdict.marks if state.verdict is not None else ()
                    worker = d.workers[state.worker]
                    yield _Writer(f"{name}/{worker.name}", worker, frozenset(map(_same_file, judged)))

    def _writes(self, d: Deployment, state: UnitState, path: str) -> bool:
        unit = with_whole_paths(d, state.unit, d.name)
        named = [each for each in unit.outputs if posixpath.basename(each) == posixpath.basename(path)]
        claims = [claimed(pattern) for pattern in unit.writes]
        real = self._world.files.resolve([*named, *claims]) if named or claims else {}
        return any(real[each] == path for each in named) or any(
            layout.relative_within(path, real[each]) is not None for each in claims
        )


def _may_have_written(writer: _Writer, mark: FileFingerprint) -> bool:
    """Return whether a worker is at work now, or has counted this very file as its own."""
    return writer.worker.live or _same_file(mark) in writer.counted


def _same_file(mark: FileFingerprint) -> tuple[int, int, int]:
    return mark.size, mark.mtime_ns, mark.inode
