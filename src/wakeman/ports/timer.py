"""What has a check run later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct


class Job(Struct, frozen=True):
    """An alarm as a timer's queue shows it. `job` is "" where it cannot be found again nor taken back."""

    job: str
    due: datetime
    body: str


class Timer(Protocol):
    """Runs a command later: the machine's own, which outlives all else, or the one that a place of execution has.

    Shape: alarms in the log carry its `name`.
    """

    @property
    def name(self) -> str:
        """Return the word for it in logs and messages."""

    def weakness(self) -> str:
        """Return why alarms set here would not fire ("" when they would), with what fixes it."""

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        """Queue `argv` for `due`, or the first time after it that can be had, in a clean environment.

        Shape: its body carries `marker`. Raises: ProgramError when the job is not in the queue afterwards, or nothing
        would run it.
        """

    def pending(self, job: str, marker: str) -> bool:
        """Return whether that job is there and ours (not another's of the same number).

        Boundary: one that runs at this moment may still be there; who asks knows when it was due.
        """

    def find(self, marker: str) -> list[Job]:
        """List every queued job whose body carries the marker, soonest first; running ones are left out."""

    def disarm(self, jobs: Sequence[str]) -> None:
        """Remove jobs from the queue. It is no error if one is gone already."""

    def later(self, seconds: float, argv: Sequence[str]) -> bool:
        """Run `argv` once after some seconds; False where it cannot, or its grain is too coarse. Never raises."""

    def shell(self) -> bytes:
        """Return what `check.sh` needs to keep an alarm ahead when Wakeman cannot start, as functions of sh.

        Shape: `queued` succeeds if an alarm of the deployment lies ahead, `again` sets one and says so, `removed SAID`
        takes that one back. See `adapters/check.sh` for what they are given.
        """
