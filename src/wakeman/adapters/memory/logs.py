"""Logs in a dictionary; their lines are the real ones, encoded, chained and decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from wakeman.core.errors import BusyError, UnknownNameError, UsageError
from wakeman.core.events import Draft, Event, Planned, decode, genesis
from wakeman.core.fold import compose, fold
from wakeman.core.model import Deployment


class MemoryWriter:
    """A held log. `asked` is the mark of those who found it held."""

    def __init__(self, lines: list[bytes], by: str, beginning: Deployment | None = None) -> None:
        self._lines, self._by = lines, by
        self.asked = False
        self.deployment = beginning or Deployment()
        for line in lines:
            fold(self.deployment, decode(line[:-1]))

    @property
    def seen(self) -> bool:
        asked, self.asked = self.asked, False
        return asked

    def hash_of(self, seq: int) -> str:
        return decode(self._lines[seq - 1][:-1]).hash if 0 < seq <= len(self._lines) else ""

    def append(self, drafts: Sequence[Draft], at: datetime, *, durable: bool = True) -> list[Event]:
        del durable
        written, events = compose(self.deployment, drafts, at, self._by)
        self._lines += written.splitlines(keepends=True)
        return events


@dataclass
class MemoryLogs:
    """Logs in a dictionary: deployment -> lines, each with its newline."""

    lines: dict[str, list[bytes]] = field(default_factory=dict)
    _held: dict[str, MemoryWriter] = field(default_factory=dict)

    def names(self) -> list[str]:
        return sorted(self.lines, key=lambda name: (decode(self.lines[name][0][:-1]).at, name))

    def create(self, name: str, digest: str, drafts: Sequence[Draft], at: datetime, by: str) -> None:
        first = drafts[0].data if drafts else None
        if not isinstance(first, Planned) or (first.name, first.digest) != (name, digest):
            raise UsageError(f"{name}: a log begins with what was planned under that name and digest")
        if name in self.lines:
            raise UsageError(f"{name}: is there already")
        lines: list[bytes] = []
        MemoryWriter(lines, by, Deployment(hash=genesis(name, digest))).append(drafts, at)
        self.lines[name] = lines

    def read(self, name: str) -> Deployment:
        return MemoryWriter(self._existing(name), "").deployment

    def events(self, name: str, after: int = 0) -> Iterator[Event]:
        return (event for event in (decode(line[:-1]) for line in self._existing(name)) if event.seq > after)

    def repair(self, name: str, by: str) -> str:
        """Find nothing: what stands in a dictionary is not damaged."""
        del by
        self._existing(name)
        return ""

    @contextmanager
    def hold(self, name: str, by: str, wait: float = 5.0) -> Iterator[MemoryWriter]:
        """Hold a log. Nobody else can let it go meanwhile, so there is no waiting."""
        del wait
        writer = MemoryWriter(self._existing(name), by)
        if name in self._held:
            self._held[name].asked = True
            raise BusyError(f"{name}: is held, and its holder will look again")
        self._held[name] = writer
        try:
            yield writer
        finally:
            del self._held[name]

    def _existing(self, name: str) -> list[bytes]:
        if name not in self.lines:
            raise UnknownNameError(f"{name}: no such deployment")
        return self.lines[name]
