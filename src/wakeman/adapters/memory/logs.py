"""Logs in a dictionary, on a modelled disk; their lines are the real ones, encoded, chained and decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from wakeman.adapters.memory.clock import MemoryClock
from wakeman.core.errors import BusyError, LogDamagedError, UnknownNameError, UsageError
from wakeman.core.log.events import Draft, Event, Planned, Repaired, chain, decode, genesis, split
from wakeman.core.log.state import apply, compose
from wakeman.core.model import Deployment

FOLD_BYTES_MAX = 1000
"""Bytes of a snapshot for each event in it, at most: applying those anew takes less than reading a larger one."""


class LogBytes:
    """The bytes of one log. Those after the first `synced` may be lost in a power cut.

    Shape: the first `whole` of them are `known`: the events of the whole writes that were read last; `fold` is the
    deployment with the first `folded` of these applied, as a snapshot has it. What stands as it was is not read again,
    and bytes that are added cost what they are, not what is there before them. Where there is one process, `last` is
    the deployment of its last holder, who has applied the first `applied` bytes: then no events are kept.
    """

    def __init__(self, data: bytes = b"", synced: int = 0) -> None:
        self._lines, self._copy = bytearray(data), b""
        self.synced, self.whole = synced, 0
        self.known: list[Event] = []
        self.fold, self.folded = b"", 0
        self.last: Deployment | None = None
        self.applied = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def data(self) -> bytes:
        """Return all bytes. Cost: a copy after each change."""
        if len(self._copy) != len(self._lines):
            self._copy = bytes(self._lines)
        return self._copy

    @data.setter
    def data(self, data: bytes) -> None:
        if data[: self.whole] != self._lines[: self.whole]:
            self.whole, self.known, self.fold, self.folded = 0, [], b"", 0
        self._lines, self._copy, self.last, self.applied = bytearray(data), data, None, 0

    def add(self, data: bytes) -> None:
        """Append bytes."""
        self._lines += data

    def events(self) -> list[Event]:
        """Return the events of all whole writes; `whole` says where they end. Raises: LogDamagedError."""
        events, count, whole = self.known, len(self.known), self.whole
        if whole == len(self._lines):
            return events
        size = whole
        try:
            for line in bytes(self._lines[size:]).split(b"\n")[:-1]:
                events.append(_event(line, len(events) + 1, events[-1].hash if events else ""))
                size += len(line) + 1
                if not events[-1].more:
                    count, whole = len(events), size
        finally:
            del events[count:]
            self.whole = whole
        return events

    def each(self, after: int) -> Iterator[Event]:
        """Yield the events of all whole writes behind a line; where there is one process, without keeping them."""
        if not self.applied:
            yield from self.events()[max(after, 0) :]
            return
        start, seq, previous = 0, 0, ""
        while start < self.applied:
            end = self._lines.index(b"\n", start)
            event = _event(bytes(self._lines[start:end]), seq + 1, previous)
            start, seq, previous = end + 1, event.seq, event.hash
            if seq > after:
                yield event

    def hash_of(self, seq: int) -> str:
        """Return the hash of a line, "" where there is none. Cost: one look at each line behind it."""
        if self.last is None:
            events = self.events()
            return events[seq - 1].hash if 0 < seq <= len(events) else ""
        if not 0 < seq <= self.last.seq:
            return ""
        end, start = self.applied, self._before(self.applied)
        for _ in range(self.last.seq - seq):
            end, start = start, self._before(start)
        return split(bytes(self._lines[start : end - 1]))[1]

    def _before(self, end: int) -> int:
        """Return where the line begins that ends before `end`."""
        return self._lines.rfind(b"\n", 0, end - 1) + 1

    def deployment(self) -> Deployment:
        """Return the deployment with all whole writes applied. Raises: LogDamagedError, TransitionError."""
        if self.last is not None and self.applied == len(self._lines):
            return self.last
        events = self.events()
        d = msgspec.json.decode(self.fold, type=Deployment) if self.fold else Deployment()
        for event in events[self.folded :]:
            apply(d, event)
        return d

    def keep(self, d: Deployment) -> None:
        """Keep a deployment with all whole writes applied as a snapshot, if it is faster to read than they."""
        if self.folded == len(self.known):
            return
        fold = msgspec.json.encode(d)
        if len(fold) < FOLD_BYTES_MAX * len(self.known):
            self.fold, self.folded = fold, len(self.known)


class MemoryWriter:
    """A locked log."""

    def __init__(self, logs: MemoryLogs, name: str, by: str) -> None:
        self._logs, self._name, self._by = logs, name, by
        self._tape = logs.tapes[name]
        self._size = 0
        self.deployment = Deployment()

    @property
    def seen(self) -> bool:
        asked = self._name in self._logs.asked
        self._logs.asked.discard(self._name)
        return asked

    def hash_of(self, seq: int) -> str:
        return self._tape.hash_of(seq)

    def catch_up(self) -> None:
        """Apply all lines, cut off a torn one, and make earlier writes durable."""
        self.deployment = self._tape.deployment()
        self._size = self._tape.applied if self._tape.last is not None else self._tape.whole
        if self._logs.alone:
            self._hand_on()
        else:
            self._tape.keep(self.deployment)
        torn = len(self._tape) - self._size
        if torn:
            self._logs.cut(self._name, self._size)
        self._logs.sync(self._name)
        if torn:
            self.append([Draft(Repaired(f"torn-{self._size}.bin", torn))], self._logs.clock.now())

    def append(self, drafts: Sequence[Draft], at: datetime, *, durable: bool = True) -> list[Event]:
        if not drafts:
            return []
        self._tape.last, self._tape.applied = None, 0  # until the write has succeeded
        lines, events = compose(self.deployment, drafts, at, self._by)
        if len(self._tape) != self._size:
            raise LogDamagedError(f"{self._name}: was changed by a program that does not hold the lock")
        self._logs.write(self._name, lines)
        self._size += len(lines)
        if self._logs.alone:
            self._hand_on()
        if durable:
            self._logs.sync(self._name)
        return events

    def _hand_on(self) -> None:
        """Leave the deployment to the next holder, and drop the events that it was read from."""
        tape = self._tape
        tape.last, tape.applied = self.deployment, self._size
        tape.whole, tape.known = 0, []


@dataclass
class MemoryLogs:
    """Logs in a dictionary, by deployment.

    Shape: `torn` has the bytes that were cut off, by deployment and offset; `asked` are deployments whose holder must
    check again. With `alone` one process acts at a time, and a deployment that it has read is handed on to the next: a
    check then costs what is new. Otherwise each reads its own, as processes do.
    """

    clock: MemoryClock = field(default_factory=MemoryClock)
    tapes: dict[str, LogBytes] = field(default_factory=dict)
    torn: dict[tuple[str, int], bytes] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    alone: bool = False
    _held: set[str] = field(default_factory=set)
    _standing: set[str] = field(default_factory=set)
    _wanted: set[str] = field(default_factory=set)

    def names(self) -> list[str]:
        return sorted(self.tapes, key=lambda name: (next(self.events(name)).at, name))

    def let_go(self) -> None:
        """Let go of the deployments that were handed on; who needs one again reads the lines anew."""
        for tape in self.tapes.values():
            tape.last = None

    def create(self, name: str, digest: str, drafts: Sequence[Draft], at: datetime, by: str) -> None:
        first = drafts[0].data if drafts else None
        if not isinstance(first, Planned) or (first.name, first.digest) != (name, digest):
            raise UsageError(f"{name}: a log begins with what was planned under that name and digest")
        if name in self.tapes:
            raise UsageError(f"{name}: already exists")
        lines, _ = compose(Deployment(hash=genesis(name, digest)), drafts, at, by)
        self.tapes[name] = LogBytes(lines, len(lines))

    def read(self, name: str) -> Deployment:
        return self._existing(name).deployment()

    def events(self, name: str, after: int = 0) -> Iterator[Event]:
        return self._existing(name).each(after)

    def repair(self, name: str, by: str) -> str:
        """Find nothing: a dictionary is not damaged."""
        del by
        self._existing(name)
        return ""

    @contextmanager
    def hold(self, name: str, by: str, wait: float = 5.0) -> Iterator[MemoryWriter]:
        self._existing(name)
        if not self.free(name, wait):
            self.asked.add(name)
            if not self.free(name, 0):
                raise BusyError(f"{name}: is held, and its holder will look again")
        self._held.add(name)
        try:
            writer = MemoryWriter(self, name, by)
            writer.catch_up()
            yield writer
        finally:
            self._held.discard(name)

    @contextmanager
    def stand_by(self, name: str) -> Iterator[Callable[[], bool] | None]:
        self._existing(name)
        if name in self._standing:
            yield None
            return
        self._standing.add(name)
        self._wanted.discard(name)
        try:
            yield lambda: name in self._wanted
        finally:
            self._standing.discard(name)

    def want(self, name: str) -> bool:
        """Want a check, as the script of an end or a hook does; return whether nobody stands by for it."""
        if name in self._standing:
            self._wanted.add(name)
        return name not in self._standing

    def free(self, name: str, wait: float) -> bool:
        """Return whether a log can be locked: no other process can release it while this one waits."""
        del wait
        return name not in self._held

    def write(self, name: str, data: bytes) -> None:
        """Append bytes to a log, visible to readers at once."""
        self.tapes[name].add(data)

    def sync(self, name: str) -> None:
        """Make everything written so far durable."""
        self.tapes[name].synced = len(self.tapes[name])

    def cut(self, name: str, size: int) -> None:
        """Keep a copy of a torn tail, and truncate the log before it."""
        tape = self.tapes[name]
        self.torn[name, size] = tape.data[size:]
        tape.data = tape.data[:size]

    def _existing(self, name: str) -> LogBytes:
        if name not in self.tapes:
            raise UnknownNameError(f"{name}: no such deployment")
        return self.tapes[name]


def _event(line: bytes, seq: int, previous: str) -> Event:
    """Read one line, which must follow the one before. Raises: LogDamagedError."""
    event = decode(line)
    if not previous and isinstance(event.data, Planned):
        previous = genesis(event.data.name, event.data.digest)
    head, written = split(line)
    if event.seq != seq or chain(previous, head) != written:
        raise LogDamagedError(f"line {seq}: is not as it was written, or does not follow the one before")
    return event
