"""What a process that looks again and again knows of the look before: of whom nothing can have changed since.

A check is a process of its own and knows nothing of the one before; a rehearsal makes all of its checks itself, on a
disk that can tell what was touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.model import Deployment, Observation, WorkerState
from wakeman.engine import layout
from wakeman.engine.live import clock_of
from wakeman.engine.workspace import workspace
from wakeman.ports.executor import OVER

if TYPE_CHECKING:
    from wakeman.core.model import FileFingerprint, Verdict
    from wakeman.engine.observe.judgement import Waiting
    from wakeman.ports import Listing, SessionInfo, World


class Touched(Struct, frozen=True):
    """What is left to look at.

    Shape: nothing changes of the `unchanged` workers; of those in `partly` these units may have, and no others.
    """

    unchanged: AbstractSet[str] = frozenset()
    partly: Mapping[str, AbstractSet[str]] = {}


class Marks:
    """Marks of outputs as one text, which stands for them wherever they are listed."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Collection[str]) -> None:
        self._texts = texts

    def __bool__(self) -> bool:
        """Return whether any of the outputs is there."""
        return any(text != "None" for text in self._texts)

    def __repr__(self) -> str:
        """Return what a list of the marks has between its brackets."""
        return ", ".join(self._texts)


class MarkTexts(Struct):
    """The mark of each output of a worker as text, by its path, taken while it had so many units."""

    units: int
    texts: dict[str, str]


class Recall:
    """Asked once a look, which then leaves out the workers, and of others the units, that it names.

    Boundary: only workers with outputs in place, and whose client says nothing that would have to be read.
    """

    def __init__(self) -> None:
        self._units: dict[str, str | tuple[str, ...]] = {}  # by the path of an output or input, below the root
        self._known = 0
        self._texts_of: dict[str, MarkTexts] = {}  # by worker
        self._partly: Mapping[str, AbstractSet[str]] = {}
        self.waiting: set[str] = set()  # units that are to be judged again although nothing changes

    def touched(self, world: World, d: Deployment, live: Collection[WorkerState], listing: Listing) -> Touched:
        """Return of whom, among those that the last look saw running or queued, something may show now.

        Cost: what was touched, and a glance at each worker.
        """
        self._partly = {}
        paths = world.files.touched()
        reads = bool(world.harness(d.plan.workers.harness).reads)
        if paths is None or reads or d.plan.workers.workspace != "in place" or clock_of(world, d).boot() != d.boot:
            return Touched()
        stirred, units = self._owners(world, d, paths)
        for name in self.waiting:
            units.setdefault(d.units[name].worker, set()).add(name)
        there, mono = (
            {seen.session_id: seen for seen in listing.seen if seen.phase not in OVER},
            clock_of(world, d).mono(),
        )
        unchanged = set()
        for name in self._texts_of.keys() - {worker.name for worker in live}:
            del self._texts_of[name]
        for worker in live:
            name, seen = worker.name, there.get(worker.session_id)
            if name not in stirred and name not in units and seen is not None and _waits_on(worker, seen):
                unchanged.add(name)
            elif name in stirred or seen is None or not _runs_on(worker):
                self._texts_of.pop(name, None)
            elif name not in units and mono - worker.life_mono < d.plan.stuck.after:
                unchanged.add(name)
        self._partly = {name: some for name, some in units.items() if self._holds(d.workers[name])}
        return Touched(unchanged, self._partly)

    def _holds(self, worker: WorkerState) -> bool:
        """Return whether all outputs of a worker were looked at while it was at work as now."""
        kept = self._texts_of.get(worker.name)
        return kept is not None and kept.units == len(worker.units)

    def signs(self, d: Deployment, worker: WorkerState, marks: Mapping[str, FileFingerprint]) -> list[Marks]:
        """Return the marks of a worker's outputs; `marks` has those of the units that were to be looked at.

        Cost: the text of each is made once, and all are joined at each look at one of them.
        """
        name = worker.name
        if name in self._partly:
            texts = self._texts_of[name].texts
            texts.update(_texts(d, worker, self._partly[name], marks))
            return [Marks(texts.values())]
        found = list(_texts(d, worker, worker.units, marks))
        kept = MarkTexts(len(worker.units), dict(found))
        if len(kept.texts) == len(found):  # otherwise two units have one output
            self._texts_of[name] = kept
        return [Marks([text for _, text in found])] if found else []

    def keep(self, verdicts: Iterable[Verdict], waiting: Iterable[Waiting]) -> None:
        """Keep what the next look must not leave out: units that wait to be examined, or share a file with another."""
        self.waiting = {verdict.unit for verdict in verdicts if verdict.shared} | {one.unit.name for one in waiting}

    def _owners(
        self, world: World, d: Deployment, touched: Iterable[str]
    ) -> tuple[AbstractSet[str], dict[str, set[str]]]:
        """Return who has files of an attempt among some, and, by worker, the units with an output or input there."""
        if self._known != len(d.units):
            self._known = len(d.units)
            self._units = self._by_path(world, d)
        attempts, root = layout.inside(d.host, "attempts/"), layout.absolute(d.host, "")
        found: set[str] = set()
        units: dict[str, set[str]] = {}
        for path in touched:
            for name in _several(self._units.get(path.removeprefix(root), ())):
                units.setdefault(d.units[name].worker, set()).add(name)
            if path.startswith(attempts):
                found.add(path[len(attempts) :].partition("/")[0].rpartition(".")[0])
        return found, units

    def _by_path(self, world: World, d: Deployment) -> dict[str, str | tuple[str, ...]]:
        """Return whose each path is. Shape: the key is the unit's own path where that is the real one, as most are."""
        found: dict[str, str | tuple[str, ...]] = {}
        root = layout.absolute(d.host, "")
        for name, state in d.units.items():
            for path in (*state.unit.outputs, *([state.unit.input] if state.unit.input else [])):
                whole = layout.absolute(d.host, path)
                real = world.files.resolve([whole])[whole]
                key = path if real == f"{root}{path}" else real.removeprefix(root)
                found[key] = (*_several(found[key]), name) if key in found else name
        return found


def _several(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _texts(
    d: Deployment, worker: WorkerState, units: Iterable[str], marks: Mapping[str, FileFingerprint]
) -> Iterator[tuple[str, str]]:
    space = workspace(d, worker)
    for name in units:
        for path in d.units[name].unit.outputs:
            yield path, repr(marks.get(space.output(path)))


def _waits_on(worker: WorkerState, seen: SessionInfo) -> bool:
    """Return whether a worker was queued when it was seen last, and is for the same reason."""
    known = worker.observation
    return (
        known is not None
        and seen.phase == "queued"
        and (known.attempt, known.session, known.why) == (worker.attempt, "queued", seen.why)
    )


def _runs_on(worker: WorkerState) -> bool:
    """Return whether a worker was seen at work."""
    seen: Observation | None = worker.observation
    return (
        seen is not None
        and worker.state == "running"
        and (seen.attempt, seen.session, seen.activity) == (worker.attempt, "running", "unknown")
        and not (worker.prompt or worker.review or seen.processes)
    )
