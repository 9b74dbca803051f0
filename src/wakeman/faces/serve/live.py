"""What is served, kept up with the log: each deployment read once, then only its new lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from wakeman.api.chronicle import Chronicle
from wakeman.api.names import recording
from wakeman.api.replay import FollowedLog, Reader, Stamp, file_stamp
from wakeman.api.report import reported
from wakeman.core.log.events import Closed, Event, kind, stamp
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment
from wakeman.faces.report.page import live_text
from wakeman.ports import World

STAMP_CHARS_MAX = 16
"""Characters of what tells one state of all logs from another."""


class LivePage:
    """One deployment's page, brought up to date when it is asked for. Safe for several threads."""

    def __init__(self, world: World, name: str, reading: Reader, *, acts: bool) -> None:
        self.file = recording(world, name)
        self._world, self._name, self._acts = world, name, acts
        self._lock = threading.Lock()
        self._log = FollowedLog(self.file, reading, self._begin)
        self._text = ""

    def _begin(self, d: Deployment) -> Callable[[Event], None]:
        self._told = Chronicle(d)
        return self._told.take

    def text(self) -> str:
        """Return the page as of now. Cost: of the lines written since the last call, and of filling the page.

        Raises: LogDamagedError.
        """
        with self._lock:
            if self._log.fresh():
                self._text = ""
            if not self._text:
                data = reported(self._world, self._told, self.file, None)
                self._text = live_text(data, self._name, acts=self._acts)
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
