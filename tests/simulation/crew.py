"""Processes of which one runs at a time, from one call of a port to the next; a scheduler chooses which."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet


class KilledError(BaseException):
    """The process ends here; nothing may catch it."""


@dataclass(eq=False)
class Actor:
    """One process. `at` is the call that it is about to make; `script` tells whether `check.sh` started it."""

    name: str
    by: str
    script: bool = False
    at: str = "start"
    doomed: bool = False
    done: bool = False
    fault: Exception | None = None
    thread: greenlet = field(default_factory=greenlet)


class Crew:
    """All processes of the night. Between two points of one of them any other may go on, or it may be killed."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self._count = 0
        self._hub = getcurrent()  # who chooses

    def begin(self, by: str, job: Callable[[], object], *, script: bool = False) -> Actor:
        """Start a process; it stands before its first call."""
        self._count += 1
        actor = Actor(f"{by}#{self._count}", by, script)

        def run() -> None:
            try:
                self.point("begin")
                job()
            except KilledError:
                pass
            except Exception as fault:  # whoever resumed it judges it
                actor.fault = fault
            actor.done = True

        actor.thread = greenlet(run, self._hub)
        self.actors.append(actor)
        self.resume(actor)
        return actor

    def resume(self, actor: Actor) -> None:
        """Let a process make the call that it stands before, and come to its next one or its end."""
        before, self.current = self.current, actor
        try:
            actor.thread.switch()
        finally:
            self.current = before
            if actor.done:
                self.actors.remove(actor)

    def kill(self, actor: Actor) -> None:
        """End a process before the call that it stands at. What it would still do on its way out is not done."""
        actor.doomed = True
        self.resume(actor)

    def point(self, what: str) -> None:
        """Stand before a call: another process may be chosen to go on. Raises: KilledError."""
        actor = self.current
        if actor is None:
            return
        if not actor.doomed:
            actor.at = what
            self._hub.switch()
        if actor.doomed:
            raise KilledError

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Do what the world does, not the process: no point in it."""
        before, self.current = self.current, None
        try:
            yield
        finally:
            self.current = before
