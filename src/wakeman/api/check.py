"""The verbs that continue a deployment: check, wait, resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta, Struct

from wakeman.api.answer import Answer, Value, items
from wakeman.api.codes import code
from wakeman.api.names import named
from wakeman.api.status import Status, after, describe
from wakeman.core.model import Deployment, Outcome
from wakeman.engine import check as engine
from wakeman.ports import World

if TYPE_CHECKING:
    from wakeman.engine.start import resume as resuming
    from wakeman.engine.wait import Until

STOPPED_WAITING_STATUS = 4
"""Exit code of a wait that timed out."""


class ResumedDeployment(Value, frozen=True, kw_only=True):
    """One resumed deployment; workers by name."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    outcome: Annotated[Outcome, Meta(description="Its state now.")]
    adopted: Annotated[
        tuple[str, ...], Meta(description="Found alive although the log had no outcome of their launch.")
    ]
    alive: Annotated[tuple[str, ...], Meta(description="Alive all along.")]
    launched: Annotated[tuple[str, ...], Meta(description="Started for the missing units of their share.")]
    ended: Annotated[tuple[str, ...], Meta(description="Had ended meanwhile.")]
    pending: Annotated[int, Meta(description="Number of workers that are not launched yet.")]


class FailedDeployment(Value, frozen=True, kw_only=True):
    """One deployment that could not be resumed; it stops no other."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    error: Annotated[str, Meta(description="Where, what was found, what was expected.")]


class Resumed(Value, frozen=True, kw_only=True):
    """Outcome of resuming one deployment after a crash."""

    parts: ClassVar[tuple[type[Value], ...]] = (ResumedDeployment, FailedDeployment)

    resumed: Annotated[
        tuple[Any, ...],  # msgspec makes no schema for a union of structs, so it is given here
        Meta(
            description="Each deployment, oldest first.",
            extra_json_schema=items(ResumedDeployment, FailedDeployment),
        ),
    ]

    @property
    def deployments(self) -> tuple[str, ...]:
        """Return the names of all deployments."""
        return tuple(each.deployment for each in self.resumed)


def check(world: World, name: str, head: str = "") -> Answer[Status]:
    """Run one check; the exit code is the deployment's state. `name` is exact."""
    d = engine.check(world, name, head)
    if d.plan.wake.answerable:
        from wakeman.engine.elsewhere import take_answers

        d = take_answers(world, d)
    return after(world, d, code(d))


def wait(
    world: World,
    name: str,
    until: Until,
    pause: Callable[[float], None],
    timeout: float | None = None,
    seen: Callable[[Deployment], None] | None = None,
    *,
    tends: bool = True,
) -> Answer[Status]:
    """Wait for a deployment; the exit code is its state, or that of a timeout. Without `tends`, nothing is written."""
    from wakeman.engine.wait import wait as engine_wait

    waited = engine_wait(world, named(world, name), until, pause, timeout=timeout, seen=seen, tends=tends)
    return after(world, waited.deployment, code(waited.deployment) if waited.came else STOPPED_WAITING_STATUS)


class Resumption(Struct, frozen=True):
    """Result of `resume`. `statuses` are those of resumed deployments, `hints` those of the others."""

    answer: Answer[Resumed]
    statuses: Mapping[str, Status]
    hints: Mapping[str, str]


def resume(world: World, name: str | None = None) -> Resumption:
    """Resume one deployment, or every open one, after a crash or a restart. Raises: the error of one that is named."""
    from wakeman.engine.start.resume import openings
    from wakeman.engine.start.resume import resume as engine_resume

    names = [named(world, name)] if name else openings(world)
    found = list(engine_resume(world, names))
    faults = {each.name: each.error for each in found if each.error is not None}
    if name and faults:
        raise faults[names[0]]
    return Resumption(
        answer=Answer(
            Resumed(resumed=tuple(_resume_result(each) for each in found)),
            tuple(f"wakeman wait {each}" for each in names),
            ok=not faults,
            code=max((fault.code for fault in faults.values()), default=0),
        ),
        statuses={e.name: describe(world, e.deployment, e.deployment.looked_at) for e in found if e.deployment},
        hints={each: fault.hint for each, fault in faults.items()},
    )


def _resume_result(each: resuming.ResumeResult) -> ResumedDeployment | FailedDeployment:
    if each.deployment is None:
        return FailedDeployment(deployment=each.name, error=str(each.error))
    return ResumedDeployment(
        deployment=each.name,
        outcome=each.deployment.outcome,
        adopted=each.adopted,
        alive=each.alive,
        launched=each.launched,
        ended=each.ended,
        pending=each.pending,
    )
