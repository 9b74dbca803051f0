"""Runs a check later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from msgspec import Struct

SOON = ":soon"
"""End of the marker of a check that is due in seconds, which is no alarm."""


class Job(Struct, frozen=True):
    """An alarm as a timer's queue shows it. `job` is "" if it can be neither found again nor cancelled."""

    job: str
    due: datetime
    body: str


@runtime_checkable
class QueuedTimer(Protocol):
    """A timer whose jobs may have to wait for room when they are due."""

    def waits(self, job: str, marker: str) -> str:
        """Return what a job waits for that is due, in words of the place; "" for none, and for one that is gone.

        Raises: ProgramError when the place does not answer.
        """


class Timer(Protocol):
    """Runs a command later: `at`, which survives everything else, or what stands in for it.

    Shape: alarms in the log have its `name`. Boundary: a timer lives in nothing that a check may end.
    """

    @property
    def name(self) -> str:
        """Return its name in logs and messages."""

    def weakness(self) -> str:
        """Return why alarms set here would not fire, and what fixes it; "" if they would."""

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        """Queue `argv` for `due`, or the first possible time after it, in a clean environment.

        Shape: its body carries `marker`. Raises: ProgramError when the job is not in the queue afterwards, or nothing
        would run it.
        """

    def pending(self, job: str, marker: str) -> bool:
        """Return whether that job is queued and ours, not another job of the same number.

        Boundary: one that runs at this moment may still be listed; the caller knows when it was due.
        """

    def find(self, marker: str) -> list[Job]:
        """List every queued job whose body carries the marker, soonest first, without running ones."""

    def disarm(self, jobs: Sequence[str]) -> None:
        """Remove jobs from the queue. It is no error if one is gone already."""

    def shell(self) -> bytes:
        """Return the shell functions that `check.sh` needs to keep an alarm pending when Wakeman cannot start.

        Shape: `queued` succeeds if an alarm of the deployment is pending, `again` sets one and reports it, `removed
        SAID` cancels that one. `adapters/check.sh` shows what they are given.
        """
