"""The times of a check's lines, compared with what its observations say of the clock.

A clock may be set, and set back, and a machine may sleep, so a time alone proves nothing. But each observation has two
clocks. If two in a row agree that nobody has set the time, what the first check wrote between them cannot be of another
day. What others wrote in between, and an observation itself, may be: somebody may have set the clock for a while.
"""

from __future__ import annotations

from collections.abc import Iterator

from wakeman.core.log.events import Event, Looked
from wakeman.core.log.hash_chain import Divergence

AGREE_S = 2.0
"""Seconds by which two observations' clocks may have drifted apart while nobody set the time."""
ASTRAY_S = 3600.0
"""Seconds by which a line may be outside the observations around it: a process may have waited for the log."""


class Clocks:
    """One pass over the times, in constant memory: the last observation, and its check's extremes since."""

    def __init__(self) -> None:
        self._look: Event | None = None
        self._first: Event | None = None
        self._last: Event | None = None

    def take(self, event: Event) -> Iterator[Divergence]:
        """Compare one line's time; yield what no clock explains."""
        if isinstance(event.data, Looked):
            before, first, last = self._look, self._first, self._last
            self._look, self._first, self._last = event, None, None
            if before is not None and first is not None and last is not None and _agree(before, event):
                if (before.at - first.at).total_seconds() > ASTRAY_S:
                    yield _misdated(first, f"after line {before.seq}, of {before.at:%Y-%m-%d %H:%M}")
                if (last.at - event.at).total_seconds() > ASTRAY_S:
                    yield _misdated(last, f"before line {event.seq}, of {event.at:%Y-%m-%d %H:%M}")
        elif self._look is not None and event.by == self._look.by:
            self._first = event if self._first is None or event.at < self._first.at else self._first
            self._last = event if self._last is None or event.at > self._last.at else self._last


def _agree(one: Event, other: Event) -> bool:
    """Return whether nobody has set the time between two observations; False after a restart."""
    before, after = one.data, other.data
    if not isinstance(before, Looked) or not isinstance(after, Looked) or before.boot != after.boot:
        return False
    return abs((other.at - one.at).total_seconds() - (after.mono - before.mono)) <= AGREE_S


def _misdated(event: Event, expected: str) -> Divergence:
    return Divergence(event.seq, "time", f"{event.at:%Y-%m-%d %H:%M:%S}", expected)
