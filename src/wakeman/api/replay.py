"""A log replayed: its timeline, its state at a point, or its decisions under another policy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from typing import Annotated, Protocol

from msgspec import UNSET, Meta, UnsetType

from wakeman.api.answer import Answer, Line, Value
from wakeman.api.needs import Time
from wakeman.api.status import Status, shape
from wakeman.core.errors import LogDamagedError, TransitionError, UsageError
from wakeman.core.log.events import Amended, Enrolled, Event, Looked, Requested, Reviewed, kind, stamp
from wakeman.core.log.state import apply
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment, Outcome, State
from wakeman.core.plan.parser import policy
from wakeman.core.policy.review import tasks
from wakeman.core.policy.what_if import Difference, WhatIf

OTHERWISE = (
    "after the first difference the deployment would have gone otherwise: observations and outcomes are those recorded"
)


class UnitsMade(Value, frozen=True, kw_only=True):
    """Progress in units."""

    done: Annotated[int, Meta(description="Units that were done.")]
    total: Annotated[int, Meta(description="Units of the plan then.")]


class StateAfter(Value, frozen=True, kw_only=True):
    """The state after an event, in short."""

    outcome: Annotated[Outcome, Meta(description="`open`, or how it was closed.")]
    units: Annotated[UnitsMade, Meta(description="Its units.")]
    workers: Annotated[dict[str, State], Meta(description="State of each worker.")]


class Replayed(Line, frozen=True, kw_only=True, rename={"source": "from"}):
    """One line of `replay --json`: an event, and the state after it."""

    seq: Annotated[int, Meta(description="Number of the line.")]
    at: Annotated[Time, Meta(description="When it was written, RFC 3339 in UTC.")]
    by: Annotated[str, Meta(description="Its author, with the process id.")]
    type: Annotated[str, Meta(description="Type of the event.")]
    worker: Annotated[str | UnsetType, Meta(description="Worker that it is about; absent for the deployment.")] = UNSET
    attempt: Annotated[int | UnsetType, Meta(description="Number of the worker's attempt.")] = UNSET
    source: Annotated[State | UnsetType, Meta(description="State that the worker left.")] = UNSET
    to: Annotated[State | UnsetType, Meta(description="State that the worker entered.")] = UNSET
    host: Annotated[
        str | UnsetType,
        Meta(
            description="Machine that the worker's attempt was seen on, where it enters a state; absent for this one."
        ),
    ] = UNSET
    says: Annotated[str, Meta(description="The event in a few words.")]
    state: Annotated[StateAfter, Meta(description="The state after it.")]


class DecidedOtherwise(Value, frozen=True, kw_only=True):
    """One difference."""

    seq: Annotated[int, Meta(description="Number of the line.")]
    at: Annotated[Time, Meta(description="When it was written, RFC 3339 in UTC.")]
    worker: Annotated[str | None, Meta(description="Worker that it is about; null for the deployment.")]
    did: Annotated[str | None, Meta(description="What was done; null for nothing.")]
    would: Annotated[str | None, Meta(description="What would have been done; null for nothing.")]


class Otherwise(Value, frozen=True, kw_only=True):
    """A log under another policy."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    differences: Annotated[tuple[DecidedOtherwise, ...], Meta(description="The differences, in order.")]
    note: Annotated[str, Meta(description="Limits of the comparison.")]


class Recording(AbstractContextManager["Recording"], Protocol):
    """One pass over the events of a log's files."""

    end: int

    @property
    def first(self) -> int:
        """Return the number of the live segment's first line."""

    def known(self, seq: int, digest: str, first: int, end: int) -> bool:
        """Continue behind a known line."""

    def place(self, seq: int) -> str:
        """Return the name of the file and line of an event."""

    def __iter__(self) -> Iterator[Event]:
        """Yield the events. Raises: LogDamagedError."""


class Night:
    """A log that is being read. `d` is the deployment with the lines read so far applied."""

    def __init__(self, file: str, reading: Callable[[str], Recording]) -> None:
        self.file, self._reading = file, reading
        self.d = Deployment()
        self._log: Recording | None = None
        self._place = (1, 0)  # first line of the live segment, and where in it the last event ends

    def events(self) -> Iterator[Event]:
        """Yield further events.

        Raises: LogDamagedError at damage, after everything before it was yielded.
        """
        with self._reading(self.file) as log:
            self._log = log
            if self.d.seq:
                log.known(self.d.seq, self.d.hash, *self._place)
            yield from (event for event in log if event.seq > self.d.seq)
            self._place = log.first, log.end

    def take(self, event: Event) -> None:
        """Apply an event. Raises: LogDamagedError when it does not follow from the lines before."""
        try:
            apply(self.d, event)
        except (TransitionError, LookupError, ValueError) as fault:
            where = self._log.place(event.seq) if self._log else self.file
            text = f"{where}: does not follow from the lines before: {fault}"
            raise LogDamagedError(text, f"wakeman audit {self.file} shows what is wrong") from fault


Reader = Callable[[str], Recording]
Stamp = tuple[int, int, int]
"""Inode, size and time of change of a log: equal ones have the same lines."""


def file_stamp(file: str) -> Stamp | None:
    """Return a log's stamp; None where there is no such file."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class FollowedLog:
    """A log that is kept up with: read once, then only its new lines.

    Shape: `begin` gets the empty deployment, and returns what takes each event after it was applied.
    """

    def __init__(self, file: str, reading: Reader, begin: Callable[[Deployment], Callable[[Event], None]]) -> None:
        self.file, self._reading, self._begin = file, reading, begin
        self._start()

    def _start(self) -> None:
        self._night = Night(self.file, self._reading)
        self._take = self._begin(self._night.d)
        self._stamp: Stamp | None = None
        self._reading_on: tuple[Stamp | None, Iterator[Event]] | None = None

    @property
    def d(self) -> Deployment:
        """Return the deployment with the lines read so far applied."""
        return self._night.d

    def part(self, most: int) -> bool:
        """Apply at most so many further lines of the first reading; return whether there may be more.

        Raises: LogDamagedError, after everything before the damage was taken.
        """
        stamp, events = self._reading_on or (file_stamp(self.file), self._night.events())
        self._reading_on = None
        count = 0
        for event in islice(events, most):
            self._night.take(event)
            self._take(event)
            count += 1
        if count == most:
            self._reading_on = stamp, events
        else:
            self._stamp = stamp
        return count == most

    def fresh(self) -> bool:
        """Apply what was written since the last call; return whether the file has changed.

        Boundary: a log that was cut, as `log repair` does, is read anew. Raises: LogDamagedError, after everything
        before the damage was taken.
        """
        now = file_stamp(self.file)
        if now == self._stamp:
            return False
        if self._stamp is not None and now is not None and now[1] < self._stamp[1]:
            self._start()
        for event in self._night.events():
            self._night.take(event)
            self._take(event)
        self._stamp = now
        return True


def timeline(night: Night) -> Iterator[Replayed]:
    """Yield each further event, with the state after it. Raises: LogDamagedError."""
    state = _States(night.d)
    for event in night.events():
        night.take(event)
        yield _replayed(event, state.after(event), night.d)


def as_it_was(night: Night, until: int | datetime, again: str) -> Answer[Status]:
    """Return a deployment's status at a line, or a time; `again` names the log in a hint. Raises: UsageError."""
    d = night.d
    for event in night.events():
        if event.seq > until if isinstance(until, int) else event.at > until:
            break
        night.take(event)
    if d.at is None:
        begins = f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}"
        raise UsageError(f"--until: the log begins at {begins}", f"wakeman replay {again}")
    return Answer(status_then(d))


def status_then(d: Deployment) -> Status:
    """Return the status of a deployment as of its last applied line."""
    now = d.at
    assert now is not None, "no line was applied"  # noqa: S101 - for the type
    return shape(d, now, d.looked_at, stands=True)


def otherwise(night: Night, text: str, file: str) -> Iterator[DecidedOtherwise]:
    """Yield the differences under another policy, the `text` of a `file`.

    Shape: tables that the file omits stay as in the log's plan at that time.
    """
    judge, d = WhatIf(), night.d
    own, other = d.plan, d.plan
    for event in night.events():
        yield from map(_decided, judge.before(d, event, other))
        night.take(event)
        if d.plan is not own:
            own, other = d.plan, policy(text, file, d.plan)
        yield from map(_decided, judge.after(d, event, other))


def _replayed(event: Event, state: StateAfter, d: Deployment) -> Replayed:
    there = d.workers[event.worker].host if event.worker is not None and event.to is not None else ""
    return Replayed(
        seq=event.seq,
        at=stamp(event.at),
        by=event.by,
        type=kind(event.data),
        worker=UNSET if event.worker is None else event.worker,
        attempt=UNSET if event.attempt is None else event.attempt,
        source=UNSET if event.source is None else event.source,
        to=UNSET if event.to is None else event.to,
        host=there or UNSET,
        says=summary(event.data),
        state=state,
    )


class _States:
    """The state in short, updated from event to event: most change little of it."""

    def __init__(self, d: Deployment) -> None:
        self.d = d
        self._units = UnitsMade(done=0, total=0)
        self._workers: dict[str, State] = {}

    def after(self, event: Event) -> StateAfter:
        """Return the state after an event that is already applied."""
        d, data = self.d, event.data
        if isinstance(data, Enrolled | Looked | Requested | Reviewed | Amended):
            units = tasks(d)
            self._units = UnitsMade(done=sum(unit.done for unit in units.values()), total=len(units))
        if event.to is not None or isinstance(data, Enrolled | Amended):
            self._workers = {worker.name: worker.state for worker in d.workers.values()}
        return StateAfter(outcome=d.outcome, units=self._units, workers=self._workers)


def _decided(difference: Difference) -> DecidedOtherwise:
    return DecidedOtherwise(
        seq=difference.seq,
        at=stamp(difference.at),
        worker=difference.worker or None,
        did=difference.did or None,
        would=difference.would or None,
    )
