"""Side sessions, found by the attempt id in their environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wakeman.core.model import Deployment, Validator
from wakeman.core.policy.side_sessions import owner, sweep_rule

if TYPE_CHECKING:
    from wakeman.ports import SessionInfo, World


def found(world: World, d: Deployment, seen: Iterable[SessionInfo]) -> tuple[Validator, ...]:
    """List the live side sessions that match the plan's patterns, including those of unknown owners.

    Boundary: without those of other deployments. Cost: nothing without `cleanup.sweep`; one read for each session of
    its patterns.
    """
    known = {each.session_id: each.worker for each in d.validators}
    return tuple(
        Validator(
            session=one.session,
            session_id=one.session_id,
            created=datetime.fromtimestamp(int(one.created), UTC),
            worker=owner(d, sign) or known.get(one.session_id, ""),
        )
        for one, sign in strangers(world, d, seen)
    )


def strangers(world: World, d: Deployment, seen: Iterable[SessionInfo]) -> Iterator[tuple[SessionInfo, str]]:
    """Yield the live sessions of the plan's patterns that are neither a worker's own nor another deployment's.

    Shape: each with the mark of the attempt that started it, or else the session's own; "" for neither.
    """
    own = {key for worker in d.workers.values() for key in (worker.session_id, worker.session_mark)} - {""}
    for one in seen:
        if one.over or own & {one.session_id, one.mark} or sweep_rule(d.plan, one.session) is None:
            continue
        sign = world.machine.mark_of(one.pid) or one.mark
        if not sign or sign.startswith(f"{d.name}/"):
            yield one, sign
