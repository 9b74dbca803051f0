"""The base of all facts: how one is applied, and how it reads in a line; and the event that carries it."""

from datetime import datetime
from typing import cast

from msgspec import Struct

from wakeman.core.errors import TransitionError
from wakeman.core.model import Deployment, State, WorkerState

SUMMARY_WORDS_CHARS_MAX = 2000
"""Characters of others' words in a summary at most."""


class Fact(Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of what can have happened. Fields are only ever added, with defaults."""

    def apply(self, d: Deployment, event: "Event") -> None:
        """Apply the fact to the deployment; the worker's state has changed already.

        Boundary: nothing by default. Cost: runs a million times in a replay.
        """

    def summary(self) -> str:
        """Return what happened in one line, "" when the type's name says it all; others' words quoted."""
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
    """Version of the line's format: 1."""
    seq: int
    """Number of the line: 1, 2, 3, without gaps."""
    at: datetime
    """When it happened: UTC, RFC 3339, six decimals, `Z`."""
    by: str
    """Who wrote it: `up`, `at`, `exit`, `hook`, `timer`, `watch`, `hand` or `resume`, a colon, the process id."""
    worker: str | None = None
    """Name of the worker that it is about; absent when it is about the deployment."""
    attempt: int | None = None
    """Attempt of that worker, from 1; absent where it is about none."""
    source: State | None = None
    """State that the worker leaves, for a transition."""
    to: State | None = None
    """State that the worker enters, for a transition."""
    more: bool = False
    """`true` on every line of one write but its last: the write counts only when all of it is there."""
    data: Fact
    """The fields of the type. One that has its default is left out."""
    hash: str
    """First half of the SHA-256 over the hash of the line before and this line up to here; 32 hex digits."""


def worker_of(d: Deployment, event: Event) -> WorkerState:
    """Return the worker that the line names. Raises: TransitionError when none of that name was enrolled."""
    try:
        return d.workers[cast("str", event.worker)]
    except KeyError:
        raise TransitionError(f"line {event.seq}: no worker {event.worker!r} was enrolled") from None


def quoted_words(text: str) -> str:
    """Return what workers, clients, files and commands said as a quotation; "" for nothing."""
    from wakeman.core.text import as_data

    return as_data(text, SUMMARY_WORDS_CHARS_MAX) if text else ""


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where needed."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
