"""A plan run in memory: the real engine, real rows and log lines, simulated workers, a clock that jumps."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from wakeman.api.answer import Answer, Value
from wakeman.api.needs import Time
from wakeman.api.status import UnitCounts, WorkerStatus, describe
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Event, kind, stamp
from wakeman.core.log.summary import summary
from wakeman.core.model import Outcome, Plan, Repository, Share
from wakeman.core.plan.template import nearest
from wakeman.engine.check import check
from wakeman.engine.observe.recall import Recall
from wakeman.engine.start import deploy
from wakeman.engine.start.prepare import PreparedPlan
from wakeman.ports import World

UNTOLD = ("planned", "listed", "enrolled", "armed", "looked", "effected", "disarmed")
"""Types that a timeline omits unless all are requested."""


class RehearsalWorld(Protocol):
    """A memory world with simulated workers."""

    def world(self, by: str = ...) -> World:
        """Return the world as a process called by `by` sees it."""

    def run(self, check: Callable[[World, str], object], until: Callable[[], bool]) -> None:
        """Run events in order until `until` is true."""

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
        seconds: float,
        early: Mapping[str, int],
        hang: Sequence[str],
    ) -> RehearsalWorld:
        """Let each unit take so many seconds; workers in `early` end after some units, those in `hang` never end."""


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


def rehearse(
    prepared: PreparedPlan,
    staging: RehearsalFactory,
    file: str,
    *,
    seconds: float,
    early: Mapping[str, int],
    hang: Sequence[str],
    every: bool,
) -> Rehearsal:
    """Rehearse a plan from `up` to its end; nothing outside memory is touched. Raises: UsageError."""
    names = [share.name for share in prepared.shares]
    for name in (*early, *hang):
        if name not in names:
            raise UsageError(f"no worker {name!r} in this plan{nearest(name, names)}", f"wakeman plan {file}")
    plan, root, repository = prepared.plan, prepared.root, prepared.repository
    stage = staging(plan, root, prepared.shares, repository, seconds=seconds, early=early, hang=hang)
    world = stage.world("up:0")
    host = world.host(plan, root, posixpath.join(world.state, plan.name))
    name = deploy.up(world, msgspec.structs.replace(prepared, host=host, faults=())).name
    del prepared, plan  # the log has all of it
    recall = Recall()
    stage.run(lambda world, head: check(world, name, head, recall), lambda: world.logs.read(name).outcome != "open")
    status = describe(stage.world(), world.logs.read(name), None)
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
