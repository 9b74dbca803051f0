"""A clock that is moved manually."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wakeman.core.model import SHARED_BOOT

DAWN = datetime(2026, 1, 5, 21, 36, tzinfo=UTC)
"""Default time at which a rehearsal begins."""


@dataclass
class MemoryClock:
    """A clock that moves only by `advance`."""

    at: datetime = DAWN
    seconds: float = 1000.0
    name: str = "00000001"

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return self.seconds

    def boot(self) -> str:
        return self.name

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class MemoryCommonClock:
    """The clock that machines have in common: what `clock` says of the time of day."""

    clock: MemoryClock

    def now(self) -> datetime:
        return self.clock.at

    def mono(self) -> float:
        return self.clock.at.timestamp()

    def boot(self) -> str:
        return SHARED_BOOT
