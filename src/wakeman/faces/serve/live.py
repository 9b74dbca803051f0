"""What is served, kept up with the log: each deployment read once, then only its new lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from wakeman.api.chronicle import Chronicle
from wakeman.api.names import recording
from wakeman.api.replay import Night, Recording
from wakeman.api.report import reported
from wakeman.core.log.events import Closed, Event, kind, stamp
from wakeman.core.log.summary import summary
from wakeman.faces.report.page import live_text
from wakeman.ports import World

STAMP_CHARS_MAX = 16
"""Characters of what tells one state of all logs from another."""
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


class LivePage:
    """One deployment's page, brought up to date when it is asked for. Safe for several threads."""

    def __init__(self, world: World, name: str, reading: Reader, *, acts: bool) -> None:
        self.file = recording(world, name)
        self._world, self._name, self._reading, self._acts = world, name, reading, acts
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._night = Night(self.file, self._reading)
        self._told = Chronicle(self._night.d)
        self._stamp: Stamp | None = None
        self._text = ""

    def text(self) -> str:
        """Return the page as of now. Cost: of the lines written since the last call, and of filling the page.

        Raises: LogDamagedError.
        """
        with self._lock:
            now = file_stamp(self.file)
            if not self._text or now != self._stamp:
                if self._stamp is not None and now is not None and now[1] < self._stamp[1]:
                    self._begin()  # cut by `log repair`
                for event in self._night.events():
                    self._night.take(event)
                    self._told.take(event)
                data = reported(self._world, self._told, self.file, None)
                self._stamp, self._text = now, live_text(data, self._name, acts=self._acts)
            return self._text


class Cursor:
    """A reader's place in a log: the lines after it, each once. `closed`: the deployment is."""

    def __init__(self, file: str, reading: Reader, after: int) -> None:
        self._file, self._reading = file, reading
        self.after, self.closed = after, False
        self._stamp: Stamp | None = None
        self._last: tuple[int, str, int, int] | None = None

    def fresh(self) -> list[Event]:
        """Return the lines that were written since. Raises: LogDamagedError."""
        now = file_stamp(self._file)
        if now == self._stamp:
            return []
        with self._reading(self._file) as log:
            if self._last is not None:
                log.known(*self._last)
            events = list(log)
            last: Any = log  # the reader knows where it stands
            self._last = (last.seq, last.hash, log.first, log.end)
        self._stamp = now
        self.closed = self.closed or any(isinstance(event.data, Closed) for event in events)
        found = [event for event in events if event.seq > self.after]
        if found:
            self.after = found[-1].seq
        return found


def line_data(event: Event) -> dict[str, Any]:
    """Return what a live page is told of one line."""
    return {
        "seq": event.seq,
        "at": stamp(event.at),
        "type": kind(event.data),
        "worker": event.worker,
        "to": event.to,
        "says": summary(event.data),
    }


def all_stamps(world: World) -> str:
    """Return what tells the present state of all deployments' logs from any other."""
    found = [(name, file_stamp(os.path.join(world.state, name, "events.jsonl"))) for name in world.logs.names()]
    return sha256(repr(found).encode("utf-8", "surrogateescape")).hexdigest()[:STAMP_CHARS_MAX]
