"""A plan run in memory: the real engine, real rows and log lines, simulated workers, a clock that jumps."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from wakeman.api.answer import Answer, Value
from wakeman.api.needs import Time
from wakeman.api.status import UnitCounts, WorkerStatus, describe
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Event, Launched, kind, stamp
from wakeman.core.log.summary import summary
from wakeman.core.model import Outcome, Plan, Repository, Share
from wakeman.core.plan.template import nearest
from wakeman.core.policy.outbox import HOUR_S
from wakeman.core.queueing import QueueModel, QueueUse, Spread
from wakeman.engine.check import check
from wakeman.engine.observe.recall import Recall
from wakeman.engine.start import deploy
from wakeman.engine.start.prepare import PreparedPlan
from wakeman.ports import World

DAY_S = 86400.0
"""Seconds that a rehearsal goes on at most."""
COURSE_S_MAX = 366 * DAY_S
"""Seconds that one on a queue goes on at most: longer than any `limits.give_up` that it takes."""
QUEUED_EXECUTOR = "slurm"
"""Executor whose way a queue is rehearsed: it may have sessions wait, and their end on a node starts no check."""
UNTOLD = ("planned", "listed", "enrolled", "armed", "looked", "effected", "disarmed")
"""Types that a timeline omits unless all are requested."""


class RehearsalWorld(Protocol):
    """A memory world with simulated workers."""

    def world(self, by: str = ...) -> World:
        """Return the world as a process called by `by` sees it."""

    def run(self, check: Callable[[World, str], object], until: Callable[[], bool], seconds: float = ...) -> None:
        """Run events in order until `until` is true, or the time is over."""

    def queue_use(self) -> QueueUse:
        """Return what was used of the queue until now."""

    def let_go(self) -> None:
        """Let go of the deployments; the lines of logs stay."""


class RehearsalFactory(Protocol):
    """Makes the memory world for a plan."""

    def __call__(
        self,
        plan: Plan,
        root: str,
        shares: Sequence[Share],
        repository: Repository | None,
        *,
        unit: Spread,
        early: Mapping[str, int],
        hang: Sequence[str],
        seed: int = ...,
        queue: QueueModel | None = ...,
    ) -> RehearsalWorld:
        """Let each unit take as long as drawn; workers in `early` end after some units, those in `hang` never end. With
        a `queue`, they are its jobs."""


class Cast(Struct, frozen=True, kw_only=True):
    """How workers act: how long a unit takes, who ends after so many units, who hangs. `seed`: of what is drawn."""

    unit: Spread = Spread(60.0)
    early: Mapping[str, int] = {}
    hang: Sequence[str] = ()
    seed: int = 1


class Scene(Value, frozen=True, kw_only=True):
    """One event of the timeline."""

    at: Annotated[Time, Meta(description="When, RFC 3339 in UTC.")]
    type: Annotated[str, Meta(description="Type of the event.")]
    worker: Annotated[str | None, Meta(description="Worker that it is about; null for the deployment.")]
    says: Annotated[str, Meta(description="The event in a few words.")]


class Rehearsed(Value, frozen=True, kw_only=True):
    """The expected course of a plan."""

    deployment: Annotated[str, Meta(description="Name of the plan.")]
    outcome: Annotated[Outcome, Meta(description="Its outcome.")]
    units: Annotated[UnitCounts, Meta(description="Its units.")]
    workers: Annotated[tuple[WorkerStatus, ...], Meta(description="Its workers, at the end.")]
    started: Annotated[Time | None, Meta(description="When it would start, RFC 3339 in UTC.")]
    ended: Annotated[Time | None, Meta(description="When it would be closed, RFC 3339 in UTC.")]
    timeline: Annotated[tuple[Scene, ...], Meta(description="What would happen, in order.")]


class Rehearsal(Struct, frozen=True):
    """Result of a rehearsal, and the events of its timeline."""

    answer: Answer[Rehearsed]
    events: Sequence[Event]


class QueueCourse(Value, frozen=True, kw_only=True):
    """The expected course of a plan on one queue."""

    nodes: Annotated[int, Meta(description="Nodes that are asked for.")]
    slots: Annotated[int, Meta(description="Workers that run on a node at a time.")]
    outcome: Annotated[Outcome, Meta(description="Outcome of the deployment.")]
    done: Annotated[int, Meta(description="Units that are done.")]
    total: Annotated[int, Meta(description="Units of the plan.")]
    seconds: Annotated[float, Meta(description="Time from `up` until it is closed.")]
    node_hours: Annotated[float, Meta(description="Hours of nodes with a worker, however many slots are in use.")]
    slot_hours: Annotated[float, Meta(description="Hours of workers, those of lost attempts included.")]
    attempts: Annotated[int, Meta(description="Attempts that ran.")]
    lost: Annotated[int, Meta(description="Attempts that were lost, as their node failed.")]
    timed_out: Annotated[int, Meta(description="Attempts that met the time limit of a job.")]
    waited: Annotated[float, Meta(description="Seconds that an attempt was queued, on average.")]


class RehearsedQueues(Value, frozen=True, kw_only=True):
    """What a plan comes to on queues of different sizes."""

    deployment: Annotated[str, Meta(description="Name of the plan.")]
    seed: Annotated[int, Meta(description="Seed of all that is drawn.")]
    give_up: Annotated[float, Meta(description="Seconds after which it ends as partial.")]
    courses: Annotated[tuple[QueueCourse, ...], Meta(description="One for each number of nodes and slots, in order.")]


def rehearse(prepared: PreparedPlan, staging: RehearsalFactory, file: str, cast: Cast, *, every: bool) -> Rehearsal:
    """Rehearse a plan from `up` to its end; nothing outside memory is touched. Raises: UsageError."""
    _require_known(prepared, file, cast)
    stage, name = _begun_in_memory(prepared, staging, cast, None)
    del prepared  # the log has all of it
    _play_on(stage, name, DAY_S)
    world = stage.world()
    status = describe(world, world.logs.read(name), None)
    stage.let_go()  # the answer needs as much once more
    events = [event for event in world.logs.events(name) if every or kind(event.data) not in UNTOLD]
    data = Rehearsed(
        deployment=status.deployment,
        outcome=status.outcome,
        units=status.units,
        workers=status.workers,
        started=status.started,
        ended=status.ended,
        timeline=tuple(
            Scene(at=stamp(each.at), type=kind(each.data), worker=each.worker, says=summary(each.data))
            for each in events
        ),
    )
    return Rehearsal(Answer(data, (f"wakeman up {file}",)), events)


def rehearse_queues(
    prepared: PreparedPlan,
    staging: RehearsalFactory,
    file: str,
    cast: Cast,
    queues: Iterable[QueueModel],
    *,
    give_up: float | None = None,
) -> Answer[RehearsedQueues]:
    """Rehearse a plan once on each queue, as jobs of Slurm; nothing outside memory is touched. Raises: UsageError.

    Shape: `give_up` counts instead of the plan's. Cost: for each queue that of one rehearsal, which grows with units
    and with how often is looked: docs/benchmarks.md has it for 100,000 units.
    """
    _require_known(prepared, file, cast)
    plan, replace = prepared.plan, msgspec.structs.replace
    limits = plan.limits if give_up is None else replace(plan.limits, give_up=give_up)
    plan = replace(plan, workers=replace(plan.workers, executor=QUEUED_EXECUTOR), limits=limits)
    prepared = msgspec.structs.replace(prepared, plan=plan, at_once=plan.workers.at_once)
    courses = tuple(_course(prepared, staging, cast, queue) for queue in queues)
    data = RehearsedQueues(deployment=plan.name, seed=cast.seed, give_up=plan.limits.give_up, courses=courses)
    return Answer(data, (f"wakeman up {file}",))


def measured_units(world: World, name: str) -> tuple[float, ...]:
    """Return how long units took in a deployment, by its log, in the order of their workers.

    Shape: the time from one output to the next of an attempt; of an attempt that made one alone, the time since its
    launch, with what it waited in a queue. Units: seconds. Raises: UnknownNameError.
    """
    launches: dict[str, list[float]] = {}
    for event in world.logs.events(name):
        if event.worker and isinstance(event.data, Launched):
            launches.setdefault(event.worker, []).append(event.at.timestamp())
    made: dict[tuple[str, float], list[float]] = {}
    for state in world.logs.read(name).units.values():
        marks = state.verdict.marks if state.done and state.verdict is not None else ()
        at = max((mark.mtime_ns / 1e9 for mark in marks), default=0.0)
        begun = max((launch for launch in launches.get(state.worker, ()) if launch <= at), default=None)
        if begun is not None:
            made.setdefault((state.worker, begun), []).append(at)
    found: list[float] = []
    for (_, begun), times in made.items():
        ends = sorted(times)
        found += [later - before for before, later in pairwise(ends)] if len(ends) > 1 else [ends[0] - begun]
    return tuple(round(time, 3) for time in found)


def _course(prepared: PreparedPlan, staging: RehearsalFactory, cast: Cast, queue: QueueModel) -> QueueCourse:
    """Rehearse a plan on one queue."""
    stage, name = _begun_in_memory(prepared, staging, cast, queue)
    _play_on(stage, name, COURSE_S_MAX)
    use, d = stage.queue_use(), stage.world().logs.read(name)
    ended = d.ended or stage.world().clock.now()
    course = QueueCourse(
        nodes=queue.nodes,
        slots=queue.slots,
        outcome=d.outcome,
        done=sum(unit.done for unit in d.units.values()),
        total=len(d.units),
        seconds=round((ended - d.started).total_seconds(), 1) if d.started else 0.0,
        node_hours=round(use.node_time / HOUR_S, 3),
        slot_hours=round(use.slot_time / HOUR_S, 3),
        attempts=use.begun,
        lost=use.lost,
        timed_out=use.timed_out,
        waited=round(use.waited / use.begun, 1) if use.begun else 0.0,
    )
    stage.let_go()
    return course


def _require_known(prepared: PreparedPlan, file: str, cast: Cast) -> None:
    names = [share.name for share in prepared.shares]
    for name in (*cast.early, *cast.hang):
        if name not in names:
            raise UsageError(f"no worker {name!r} in this plan{nearest(name, names)}", f"wakeman plan {file}")


def _begun_in_memory(
    prepared: PreparedPlan, staging: RehearsalFactory, cast: Cast, queue: QueueModel | None
) -> tuple[RehearsalWorld, str]:
    """Begin a plan's deployment in memory; return its world and its name."""
    plan, root = prepared.plan, prepared.root
    stage = staging(
        plan,
        root,
        prepared.shares,
        prepared.repository,
        unit=cast.unit,
        early=cast.early,
        hang=cast.hang,
        seed=cast.seed,
        queue=queue,
    )
    world = stage.world("up:0")
    host = world.host(plan, root, posixpath.join(world.state, plan.name))
    return stage, deploy.up(world, msgspec.structs.replace(prepared, host=host, faults=())).name


def _play_on(stage: RehearsalWorld, name: str, seconds: float) -> None:
    """Have a deployment run until it is closed, or the time is over."""
    world, recall = stage.world(), Recall()
    stage.run(
        lambda world, head: check(world, name, head, recall), lambda: world.logs.read(name).outcome != "open", seconds
    )
