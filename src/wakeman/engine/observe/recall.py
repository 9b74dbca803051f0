"""What a process that looks again and again knows of the look before: of whom nothing can have changed since.

A check is a process of its own and knows nothing of the one before; a rehearsal makes all of its checks itself, on a
disk that can tell what was touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from wakeman.core.model import Deployment, Observation, WorkerState
from wakeman.engine import layout

if TYPE_CHECKING:
    from wakeman.core.model import Verdict
    from wakeman.engine.observe.judgement import Waiting
    from wakeman.ports import Listing, World


class Recall:
    """Asked once a look, which then leaves out the workers that it names.

    Boundary: only workers with outputs in place, and whose client says nothing that would have to be read.
    """

    def __init__(self) -> None:
        self._units: dict[str, tuple[str, ...]] = {}  # by the path of an output or input
        self._known = 0
        self.waiting: set[str] = set()  # workers with a unit that is to be judged again although nothing changes

    def unchanged(self, world: World, d: Deployment, live: Iterable[WorkerState], listing: Listing) -> AbstractSet[str]:
        """Return the workers that the last look saw running and that show the same now. Cost: what was touched."""
        touched = world.files.touched()
        if touched is None or d.plan.workers.workspace != "in place" or world.clock.boot() != d.boot:
            return set()
        if world.harness(d.plan.workers.harness).reads:
            return set()
        stirred = self._owners(world, d, touched) | self.waiting
        there, mono = {seen.session_id for seen in listing.seen}, world.clock.mono()
        return {
            worker.name
            for worker in live
            if worker.name not in stirred and worker.session_id in there and _runs_on(d, worker, mono)
        }

    def keep(self, d: Deployment, verdicts: Iterable[Verdict], waiting: Iterable[Waiting]) -> None:
        """Keep whom the next look must not leave out: whose units wait to be examined, or share a file with another."""
        again = {verdict.unit for verdict in verdicts if verdict.shared} | {one.unit.name for one in waiting}
        self.waiting = {d.units[name].worker for name in again}

    def _owners(self, world: World, d: Deployment, touched: Iterable[str]) -> set[str]:
        """Return whose outputs, inputs, or files of an attempt, are among some."""
        if self._known != len(d.units):
            self._known = len(d.units)
            self._units = self._by_path(world, d)
        attempts = layout.inside(d.host, "attempts/")
        found: set[str] = set()
        for path in touched:
            if path in self._units:
                found.update(d.units[name].worker for name in self._units[path])
            elif path.startswith(attempts):
                found.add(path[len(attempts) :].partition("/")[0].rpartition(".")[0])
        return found

    def _by_path(self, world: World, d: Deployment) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name, state in d.units.items():
            paths = [*state.unit.outputs, *([state.unit.input] if state.unit.input else [])]
            for real in world.files.resolve(layout.absolute(d.host, path) for path in paths).values():
                found[real] = (*found.get(real, ()), name)
        return found


def _runs_on(d: Deployment, worker: WorkerState, mono: float) -> bool:
    """Return whether a worker was seen at work, and time alone makes no difference yet."""
    seen: Observation | None = worker.observation
    return (
        seen is not None
        and worker.state == "running"
        and (seen.attempt, seen.session, seen.activity) == (worker.attempt, "running", "unknown")
        and not (worker.prompt or worker.review or seen.processes)
        and mono - worker.life_mono < d.plan.stuck.after
    )
