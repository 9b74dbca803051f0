"""Reads the time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks and the name of the boot they belong to."""

    def now(self) -> datetime:
        """Read the wall clock, as aware UTC."""

    def mono(self) -> float:
        """Read the clock that stops while the machine sleeps, in seconds since an unknown start."""

    def boot(self) -> str:
        """Return the id of this boot: eight hex digits that change at each start of the machine."""
