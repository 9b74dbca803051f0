"""What wakes a check later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct


class Job(Struct, frozen=True):
    """An alarm as the machine's queue shows it."""

    job: str
    due: datetime
    body: str


class Alarms(Protocol):
    """The machine's own alarm clock (`at`)."""

    def weakness(self) -> str:
        """Say why alarms set here would not fire ("" when they would), with what mends it."""

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        """Queue `argv` for the minute at or after `due`, with `marker` in its body, in a clean environment.

        Raises: ProgramError when the job is not in the queue afterwards, or nobody would run it.
        """

    def stands(self, job: str, marker: str) -> bool:
        """Tell whether that job is there and ours (not another's of the same number).

        Boundary: one that runs at this moment may still be there; who asks knows when it was due.
        """

    def find(self, marker: str) -> list[Job]:
        """List every queued job whose body carries the marker, soonest first; running ones are left out."""

    def disarm(self, jobs: Sequence[str]) -> None:
        """Take jobs out of the queue. Those gone already are no error."""
