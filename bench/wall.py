"""A fan-out into the limits of a service, in the simulated world: how many are refused, and how long all takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from bench.figures import Figure, figure
from tests.simulation.staged import StagedWall

from wakeman.core.log.events import Event, Exited, Intended

WORKERS = 108
SHARE_S = 900.0
ALLOWED = 34
SEATS = 12
EVERYBODY = 10_000


class Way(NamedTuple):
    """How many are launched: by the window, or at most so many at once."""

    says: str
    adapt: bool
    at_once: int | None


WAYS = (
    Way("all at once", False, None),
    Way("`at_once` 16", False, 16),
    Way("`at_once` 12", False, 12),
    Way("`at_once` 8", False, 8),
    Way("`limits.adapt`", True, None),
)


def wall() -> Iterator[Figure]:
    """108 workers of 15 minutes in the simulated world. A usage limit ends all that are at work once 34 have begun, and
    resets in an hour; or the service serves twelve at a time and refuses others. Time and refusals are the simulated
    service's."""
    for way in WAYS:
        yield from _measured(way, "a usage limit after 34", EVERYBODY, ALLOWED)
    for way in WAYS:
        yield from _measured(way, "twelve at a time", SEATS, None)


def _measured(way: Way, wall_of: str, seats: int, allowed: int | None) -> Iterator[Figure]:
    night = StagedWall(seats, workers=WORKERS, seconds=SHARE_S, allowed=allowed, adapt=way.adapt, at_once=way.at_once)
    d = night.whole()
    if d.outcome != "complete" or d.started is None or d.ended is None:
        raise RuntimeError(f"{wall_of}, {way.says}: {d.outcome}: {d.why}")
    hours = (d.ended - d.started).total_seconds() / 3600
    what = f"{wall_of}, {way.says}"
    yield figure(f"{what}: units per hour", "units", [WORKERS / hours])
    yield figure(f"{what}: workers refused", "refusals", [night.service.refused])
    if allowed is not None:
        yield figure(f"{what}: launches while a limit was known", "launches", [_in_vain(night.rules.events)])


def _in_vain(events: list[Event]) -> int:
    """Count the launches that were begun while the log had a usage limit that lasts."""
    until: datetime | None = None
    count = 0
    for event in events:
        if isinstance(event.data, Exited) and event.data.ended_by == "limit" and not event.data.fault:
            until = event.data.until
        if isinstance(event.data, Intended) and event.data.action == "launch" and until is not None:
            count += event.at < until
    return count
