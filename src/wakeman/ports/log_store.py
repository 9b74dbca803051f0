"""The event logs of a state directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from wakeman.core.log.events import Draft, Event
from wakeman.core.model import Deployment


class Writer(Protocol):
    """The locked log of one deployment: no other process writes until it is released."""

    @property
    def deployment(self) -> Deployment:
        """Return the deployment with all lines applied, also those appended here. The caller must not change it."""

    @property
    def seen(self) -> bool:
        """Return whether a check was asked for while the lock was held; the call clears it."""

    def hash_of(self, seq: int) -> str:
        """Return the hash of a line; "" for one that does not exist, or is too far back to search."""

    def append(self, drafts: Sequence[Draft], at: datetime, *, durable: bool = True) -> list[Event]:
        """Write all drafts as one write, durable on return, and apply them.

        Shape: lines on which no effect depends may be written with `durable` off; the next durable write, or the next
        holder of the lock, makes them durable. Boundary: no drafts, no write. Raises: TransitionError for an illegal
        transition, before anything is written; StorageError when the disk refuses: then the log is as before and this
        writer refuses all further appends.
        """


class Logs(Protocol):
    """The event logs of one state directory."""

    def names(self) -> list[str]:
        """List the deployments that have a log, oldest first."""

    def create(self, name: str, digest: str, drafts: Sequence[Draft], at: datetime, by: str) -> None:
        """Create a log with its first lines, all or none.

        Raises: UsageError when a log of that name already exists; StorageError.
        """

    def read(self, name: str) -> Deployment:
        """Read a log without its lock, and return its deployment. An unfinished last line is ignored.

        Raises: UnknownNameError; LogDamagedError naming file and line.
        """

    def events(self, name: str, after: int = 0) -> Iterator[Event]:
        """Stream a log's events with seq > `after`, in constant memory. Raises: as `read`."""

    def repair(self, name: str, by: str) -> str:
        """Truncate a damaged log before its damage; return the directory of the original, "" if the log is intact.

        Raises: LogDamagedError when nothing before the damage can be used; BusyError.
        """

    def hold(self, name: str, by: str, wait: float = 5.0) -> AbstractContextManager[Writer]:
        """Lock the log, repair a torn tail, make earlier writes durable, and apply all lines.

        Units: `wait` in seconds. Raises: BusyError naming the holder, after leaving a mark by which the holder checks
        again; LogDamagedError.
        """

    def stand_by(self, name: str) -> AbstractContextManager[Callable[[], bool] | None]:
        """Stand by for the checks that others want meanwhile: those that an end or a hook starts need not begin.

        Shape: yields what tells whether one was wanted, also behind the end; whoever stood by looks then. None while
        another process stands by. Boundary: the log can be held meanwhile; a process that dies stands by no more.
        """
