# a check does without pathlib
"""The event logs of one state directory: one directory per deployment; lines are only appended, under one lock. `lock`
is held by flock and never renamed or unlinked; `asked` is the mark of a process that found it held. One append is one
write and one fdatasync. `events.jsonl` is the live segment, `events-<first seq>.jsonl` are sealed ones, `snapshot.json`
is a cache of the state, `reserve` is released when the disk is full. Only bytes after the last whole write, if
unfinished or with NUL, count as torn: everything else that does not fit is damage, which only a person repairs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from os.path import join

from wakeman.adapters.eventlog.lock import locked
from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.adapters.eventlog.segments import (
    LIVE,
    NEW,
    RESERVE,
    close_quietly,
    make,
    open_regular_file,
    refuse,
    refusing,
    sealed,
    sync_directory,
    write_new,
)
from wakeman.adapters.eventlog.snapshot import SNAPSHOT_LAG_BYTES_MIN, load
from wakeman.adapters.eventlog.writer import RESERVE_BYTES, SEGMENT_BYTES_MAX, EventWriter, read_deployment
from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.core.log.events import Draft, Event, Planned, genesis
from wakeman.core.log.state import compose
from wakeman.core.model import Deployment

__all__ = ["EventLogs", "EventWriter"]

RUN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(\.[0-9]+)?")


class EventLogs:
    """The logs in the directory `state`. Lines are verified as they are read, from the snapshot on.

    Units: `segment` and `lag` in bytes: the size from which the live file is sealed, and how far a snapshot may lag.
    """

    def __init__(self, state: str, *, segment: int = SEGMENT_BYTES_MAX, lag: int = SNAPSHOT_LAG_BYTES_MIN) -> None:
        self._state = state
        self._segment, self._lag = segment, lag

    def names(self) -> list[str]:
        """List the deployments that have a log, oldest first. Cost: the beginning of each."""
        try:
            with os.scandir(self._state) as entries:
                names = [entry.name for entry in entries if RUN_NAME.fullmatch(entry.name) and entry.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as fault:
            refuse(self._state, fault)
        return [name for _, name in sorted((_born(join(self._state, name)), name) for name in names if self._has(name))]

    def create(self, name: str, digest: str, drafts: Sequence[Draft], at: datetime, by: str) -> None:
        """Create a log with its first lines, all or none. The directory of a failed call is reused.

        Raises: UsageError when a log of that name already exists, the first draft plans another one, or the
        directory is on a network file system; TransitionError; StorageError.
        """
        directory = self._directory(name)
        first = drafts[0].data if drafts else None
        if not isinstance(first, Planned) or (first.name, first.digest) != (name, digest):
            raise UsageError(f"{name}: a log begins with what was planned under that name and digest")
        lines, _ = compose(Deployment(hash=genesis(name, digest)), drafts, at, by)
        if not first.host.anywhere:  # of one that is, a lock was tried between machines
            _local(self._state)
        with refusing(directory):
            make(directory)
        with locked(directory, 5.0):
            if self._has(name):
                raise UsageError(f"{name}: already exists, in {self._state}", f"wakeman status {name}")
            _create_log(directory, lines)

    def read(self, name: str) -> Deployment:
        """Read a log without its lock, and return its deployment. An unfinished last write is ignored.

        Raises: UnknownNameError; LogDamagedError naming file and line; StorageError.
        """
        with Reading(join(self._existing(name), LIVE)) as log:
            return read_deployment(log)

    def events(self, name: str, after: int = 0) -> Iterator[Event]:
        """Stream a log's events with seq > `after`, in constant memory. Raises: as `read`."""
        return _events(self._existing(name), after)

    @contextmanager
    def hold(self, name: str, by: str, wait: float = 5.0) -> Iterator[EventWriter]:
        """Lock the log, cut off an unfinished write, make earlier writes durable, and apply all lines.

        Effects: afterwards, if nothing failed, a snapshot and a sealed segment if they are due. Units: `wait` in
        seconds. Raises: BusyError naming the holder, after leaving a mark by which the holder checks again;
        UnknownNameError; LogDamagedError; StorageError.
        """
        directory = self._existing(name)
        file = join(directory, LIVE)
        with locked(directory, wait):
            with refusing(file):
                fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                writer = EventWriter(directory, fd, by)
                writer.catch_up(name)
                yield writer
                writer.put_in_order(self._segment, self._lag)
            finally:
                close_quietly(fd)

    @contextmanager
    def stand_by(self, name: str) -> Iterator[Callable[[], bool] | None]:
        """Stand by for the checks that `check.sh` would begin. Raises: UnknownNameError; StorageError."""
        from wakeman.adapters.eventlog.standing import stood_by

        with stood_by(self._existing(name)) as wanted:
            yield wanted

    def repair(self, name: str, by: str) -> str:
        """Truncate a damaged log before its damage; return the directory of the original, "" if it is intact.

        Raises: LogDamagedError when nothing before the damage can be used; BusyError; StorageError.
        """
        from wakeman.adapters.eventlog.repair import repair_log

        directory = self._existing(name)
        with locked(directory, 5.0):
            return repair_log(directory, name, by)

    def _directory(self, name: str) -> str:
        if not RUN_NAME.fullmatch(name):
            text = f"{name[:80]!r}: not a deployment's name: expected a-z, 0-9, '_' and '-', at most 64"
            raise UsageError(text, "wakeman status")
        return join(self._state, name)

    def _has(self, name: str) -> bool:
        file = join(self._state, name, LIVE)
        try:
            os.lstat(file)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as fault:
            refuse(file, fault)
        return True

    def _existing(self, name: str) -> str:
        directory = self._directory(name)
        if not self._has(name):
            from difflib import get_close_matches

            near = " or ".join(repr(other) for other in get_close_matches(name, self.names()))
            mean = f"; did you mean {near}?" if near else ""
            raise UnknownNameError(f"{name}: no such deployment in {self._state}{mean}", "wakeman status")
        return directory


def _events(directory: str, after: int) -> Iterator[Event]:
    with Reading(join(directory, LIVE)) as log:
        found = load(directory)
        if found is not None and found[0].seq <= after:
            mark = found[0]
            log.known(mark.seq, mark.hash, mark.first, mark.end)
        yield from (event for event in log if event.seq > after)


def _born(directory: str) -> bytes:
    """Return the time in a log's first line; it is the third field, of fixed width, so that its bytes sort by time."""
    first = [*(file for _, file in sealed(directory)), join(directory, LIVE)][0]
    with suppress(OSError), open_regular_file(first) as stream:
        found = re.search(rb'"at":"([^"]*)"', stream.read(256))
        return found[1] if found else b""
    return b""


def _local(state: str) -> None:
    """Refuse a network file system, unless the environment allows it."""
    from wakeman.adapters.eventlog.network import network

    kind = "" if os.environ.get("WAKEMAN_NETWORK_DISK") == "1" else network(state)
    if kind:
        raise UsageError(
            f"{state}: is on a network file system ({kind}): neither locks nor appends can be trusted there as on a "
            "disk of this machine",
            "choose a local directory with --state, or set WAKEMAN_NETWORK_DISK=1 to go without that trust",
        )


def _create_log(directory: str, lines: bytes) -> None:
    """Create a whole log in one step. A crash leaves no file with a log's name."""
    new, live = join(directory, NEW), join(directory, LIVE)
    with refusing(live):
        try:
            write_new(join(directory, RESERVE), bytes(RESERVE_BYTES))
            write_new(new, lines)
            os.rename(new, live)
            sync_directory(directory)
            sync_directory(os.path.dirname(directory))
        except BaseException:  # Ctrl-C too: all or none
            for file in (new, live, join(directory, RESERVE)):
                with suppress(OSError):
                    os.unlink(file)
            raise
