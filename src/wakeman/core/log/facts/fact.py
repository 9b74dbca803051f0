"""What every fact has: how it is applied, and how it reads in a line. Beside it the event that it becomes."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from msgspec import Struct

from wakeman.core.errors import TransitionError
from wakeman.core.model import Deployment, State, WorkerState


class Fact(Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of what can have happened. Fields are only ever added, with defaults."""

    def apply(self, d: Deployment, event: Event) -> None:
        """Change the deployment by what happened; the worker's state has moved already.

        Boundary: nothing changes unless a fact says so. Cost: a million times in a replay.
        """

    def summary(self) -> str:
        """Return what happened in one line, "" when the type's name says it all; others' words as they are."""
        return ""


class Draft(Struct, frozen=True):
    """An event on its way into the log: the writer adds seq, hash, clock and writer."""

    data: Fact
    worker: str | None = None
    attempt: int | None = None
    source: State | None = None
    to: State | None = None


class Event(Struct, frozen=True, gc=False, kw_only=True, rename={"source": "from"}):
    """One line of the log."""

    v: int
    seq: int
    at: datetime
    by: str
    worker: str | None = None
    attempt: int | None = None
    source: State | None = None
    to: State | None = None
    more: bool = False
    data: Fact
    hash: str


def worker_of(d: Deployment, event: Event) -> WorkerState:
    """Return the worker that the line names. Raises: TransitionError when none of that name was enrolled."""
    try:
        return d.workers[cast("str", event.worker)]
    except KeyError:
        raise TransitionError(f"line {event.seq}: no worker {event.worker!r} was enrolled") from None


def count(number: int, noun: str) -> str:
    """Say how many of what."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
