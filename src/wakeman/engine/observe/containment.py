"""Contains an unexpected error in observing one worker: all others are observed.

What is read of a worker was written by it, by its client or by a package of somebody else: no list of what may be wrong
with that is complete. So this is the one place where an `Exception` of any kind is caught, beside those that call such
a package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import msgspec
from msgspec import Struct

from wakeman.core.errors import StorageError
from wakeman.core.model import INTERNAL_ERROR, Deployment, Observation, WorkerState
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.ports import Evidence, Report, Source, World

T = TypeVar("T")

MISHAP_CHARS_MAX = 200
"""Characters of an error's text at most; its traceback is in a file."""
OBSERVATION_BYTES_MAX = 32 * 1024
"""Bytes of an observation in the log at most."""


class ScreenUnreadError(Exception):
    """A look needs a screen that was not read yet: it is repeated when all such screens were read."""


class Mishap(Struct, frozen=True):
    """Why there is no answer about a worker, in one line."""

    why: str


class Mishaps:
    """Unexpected errors of one observation: tracebacks by worker, and workers with outputs that were not judged."""

    def __init__(self) -> None:
        self.traces: dict[str, str] = {}
        self.unjudged: dict[str, Mishap] = {}

    def contain(self, worker: str, look: Callable[[], T]) -> T | Mishap:
        """Return what a look at one worker gives, or what became of it instead."""
        try:
            return look()
        except ScreenUnreadError:
            raise
        except Exception as fault:
            from traceback import format_exc

            self.traces[worker] = format_exc()
            # An address in memory is another one in each process: the same error is no news.
            words = re.sub(r" at 0x[0-9a-f]+", "", f"{type(fault).__name__}: {fault}")
            return Mishap(sanitise(f"{INTERNAL_ERROR}: {words}", MISHAP_CHARS_MAX))

    def keep(self, world: World, d: Deployment) -> None:
        """Write each traceback to a file of the deployment. Boundary: where that cannot be written, the log has the
        error's words."""
        if not self.traces:
            return
        from wakeman.engine.attempt.secrets import redactor

        redact = redactor(world, d)
        for name, trace in self.traces.items():
            file, data = layout.mishap(d.host, d.workers[name]), redact(trace).encode("utf-8", "replace")
            with suppress(StorageError):
                if world.files.head(file, len(data) + 1) != data:
                    world.files.write(file, data)


def unknown(worker: WorkerState, mishap: Mishap) -> Observation:
    """Return the observation of a worker that could not be looked at: nothing is decided by it."""
    return Observation(
        worker=worker.name, attempt=worker.attempt, session="unknown", why=mishap.why, life=worker.life
    )  # fmt: skip


def being_ended(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a worker's end was asked for: then nothing that its client says matters any more."""
    return bool(worker.ending or worker.stop or d.down)


def loggable(seen: Observation) -> Observation:
    """Return an observation that a line of the log can hold. Raises: ValueError for one that cannot be read back."""
    line = msgspec.json.encode(seen)
    zoned = seen.until is None or seen.until.tzinfo is not None
    if len(line) > OBSERVATION_BYTES_MAX or not zoned or msgspec.json.decode(line, type=Observation) != seen:
        raise ValueError("a report that the log cannot hold")
    return seen


class Unheard:
    """The reader of a worker that is being ended and could not be looked at: sessions and exit files say it all."""

    adopts = False
    redraws = False
    reads: frozenset[Source] = frozenset()

    def report(self, evidence: Evidence, now: object) -> Report:
        """Return an empty report."""
        del evidence, now
        return Report()

    def ending(self, evidence: Evidence, code: int | None, now: object) -> Report:
        """Return an empty report."""
        del evidence, code, now
        return Report()

    def last_words(self, evidence: Evidence) -> str:
        """Return nothing."""
        del evidence
        return ""


def without_unjudged(
    d: Deployment, observations: Iterable[Observation], mishaps: dict[str, Mishap]
) -> list[Observation]:
    """Return the observations, those of workers whose outputs could not be judged as unknown."""
    return [
        unknown(d.workers[seen.worker], mishaps[seen.worker])
        if seen.worker in mishaps and d.workers[seen.worker].live and not being_ended(d, d.workers[seen.worker])
        else seen
        for seen in observations
    ]
