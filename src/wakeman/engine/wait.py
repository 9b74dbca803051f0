"""Waits for a deployment without observing it: polls the log, to which other processes' checks write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast

from msgspec import Struct

from wakeman.core.errors import BusyError
from wakeman.core.model import Deployment
from wakeman.core.policy.notice import asking
from wakeman.engine import alarm, layout
from wakeman.engine.check import check
from wakeman.engine.live import require

if TYPE_CHECKING:
    from wakeman.ports import World

Until = Literal["done", "change", "attention"]

WAIT_POLL_S = 0.1
"""Seconds between two polls of the log's size."""
CLOSED_POLL_S = 0.01
"""Seconds between two of them once it is closed: its last check ends within a moment."""
ALARM_TEND_S = 60.0
"""Seconds between two tests for a pending alarm, while the log is unchanged."""
DISARM_LINGER_S = 15.0
"""Seconds that the closing check has to deliver its notices and to remove the alarm."""


class Waited(Struct, frozen=True):
    """How a wait ended: the deployment, and whether the condition was reached."""

    deployment: Deployment
    came: bool


def wait(
    world: World,
    name: str,
    until: Until,
    pause: Callable[[float], None],
    *,
    timeout: float | None = None,
    push: float | None = None,
    seen: Callable[[Deployment], None] | None = None,
    tends: bool = True,
) -> Waited:
    """Return when the deployment is closed and tidied, has changed, needs a person, or the time is over.

    Shape: `pause` lets that many seconds pass; `seen` gets the deployment each time that it was read. Without `push` a
    check is run only if no alarm is pending; with it, every `push` seconds; unless it `tends`, never.
    Boundary: `change` is a worker's state, a unit done or reopened, a row or an outcome, not every observation.
    Raises: as `check`.
    """
    clock = world.clock
    start = tended = clock.mono()
    d = world.logs.read(name)
    if tends and d.outcome == "open":
        require(world, name, d)
        d = _tended(world, name, push=push)
    first, mark_seen = _change_key(d), cast("object", None)  # no mark yet: first read what was written since
    closed: float | None = None
    if seen is not None:
        seen(d)
    while not _came(d, until, first):
        now = clock.mono()
        if d.outcome != "open":
            closed = now if closed is None else closed
            if now - closed >= DISARM_LINGER_S:
                break
        if timeout is not None and now - start >= timeout:
            return Waited(d, came=False)
        if tends and now - tended >= (ALARM_TEND_S if push is None else push):
            tended = now
            d = _tended(world, name, push=push)
        poll = WAIT_POLL_S if closed is None else CLOSED_POLL_S
        pause(poll if timeout is None else min(poll, max(0.0, start + timeout - now)))
        mark = _mark(world, d)
        if mark != mark_seen:
            mark_seen, d = mark, world.logs.read(name)
            if seen is not None:
                seen(d)
    return Waited(d, came=True)


def _came(d: Deployment, until: Until, first: object) -> bool:
    if d.outcome != "open":
        return d.alarm is None  # removed last: whoever comes next finds nothing in progress
    return (until == "change" and _change_key(d) != first) or (until == "attention" and asking(d))


def _change_key(d: Deployment) -> object:
    workers = [(worker.name, worker.state, worker.reason, worker.attempt) for worker in d.workers.values()]
    units = [name for name, unit in d.units.items() if unit.done]
    return workers, units, d.outcome, d.row, d.held, d.paused_at


def _mark(world: World, d: Deployment) -> object:
    return world.files.marks([layout.inside(d.host, "events.jsonl")])


def _tended(world: World, name: str, *, push: float | None) -> Deployment:
    """Read the log; before that, run a check if no other process would."""
    d = world.logs.read(name)
    if d.outcome == "open" and (push is not None or alarm.is_unattended(world, d)):
        try:
            return check(world, name)
        except BusyError:
            return world.logs.read(name)  # another check is running, and was asked to observe again
    return d
