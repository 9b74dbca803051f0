"""Appends to a locked log: one write, one fdatasync, and no further write after an error."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from os.path import exists, getsize, join, samefile

from wakeman.adapters.eventlog import snapshot
from wakeman.adapters.eventlog.lock import asked
from wakeman.adapters.eventlog.log_reader import Reading, apply_all
from wakeman.adapters.eventlog.segments import (
    LIVE,
    NEW,
    RESERVE,
    close_quietly,
    put,
    refuse,
    refusing,
    sync,
    sync_directory,
    write_new,
)
from wakeman.core.errors import LogDamagedError, StorageError, UsageError, WakemanError
from wakeman.core.log.events import LINE_END_BYTES, Draft, Event, Filled, Freed, Repaired, Sealed
from wakeman.core.log.state import compose
from wakeman.core.model import Deployment

RESERVE_BYTES = 64 * 1024
"""Bytes of the reserve, for lines that must be written when the disk is full."""
RESERVE_NEEDS_FREE_BYTES = 4 * RESERVE_BYTES
"""Free bytes required before the reserve is created again, so that it does not fill the disk itself."""
SNAPSHOT_PART_MIN = 8
"""A snapshot is written once the lines after the last are this part of its size: to apply a byte of them costs as much
as to write eight of it."""
SEGMENT_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of the live segment at which it is sealed."""


class EventWriter:
    """The locked log of one deployment; implements `Writer`."""

    def __init__(self, directory: str, fd: int, by: str) -> None:
        self._directory = directory
        self._file = join(directory, LIVE)
        self._fd = fd
        self._by = by
        self._size = 0
        self._known = 0  # offset behind the line of the snapshot
        self._weight = 0  # bytes of the snapshot
        self._first = 1
        self._broken = ""
        self._deployment = Deployment()

    @property
    def deployment(self) -> Deployment:
        """Return the deployment with all lines applied, also those appended here. The caller must not change it."""
        return self._deployment

    @property
    def seen(self) -> bool:
        """Return whether a check was asked for while the lock was held; the call clears it.

        Boundary: may be read once more after the lock was released, for requests at the last moment.
        """
        return asked(self._directory)

    def hash_of(self, seq: int) -> str:
        """Return the hash of a line of the live segment; "" for one that does not exist, or is far back."""
        span = min(self._size, 1024 * 1024)
        tail = os.pread(self._fd, span, self._size - span)
        at = tail.find(b'{"v":1,"seq":%d,' % seq)
        end = tail.find(b"\n", at) + 1
        return tail[end - LINE_END_BYTES : end - 3].decode("ascii", "replace") if at >= 0 < end else ""

    def catch_up(self, name: str) -> None:
        """Apply all lines, cut off a torn one, and make earlier writes durable."""
        torn = self._load()
        if self._deployment.name != name:
            raise LogDamagedError(f"{self._file}:1: expected the log of {name}, found that of {self._deployment.name}")
        with refusing(self._file):
            repaired = [Draft(self._cut(torn))] if torn else []
            # Barrier: no action may depend on lines that a power cut could still lose.
            sync(self._fd)
        now = datetime.now(UTC)
        self.append(repaired, now)
        if self._reserved() and self._deployment.full:
            self.append([Draft(Freed())], now)

    def append(self, drafts: Sequence[Draft], at: datetime, *, durable: bool = True) -> list[Event]:
        """Write all drafts as one write, durable on return unless `durable` is off, and apply them.

        Boundary: no drafts, no write. Raises: TransitionError before anything is written when a draft's transition is
        illegal; StorageError when the disk refuses: then the log is as before and this writer refuses all further
        appends. On a full disk the reserve is released, so that the next writer can record that and continue.
        """
        if not drafts:
            return []
        if self._broken:
            raise StorageError(f"{self._file}: nothing more is written after: {self._broken}")
        try:
            # Applied first: what cannot be applied must never be on disk.
            lines, events = compose(self._deployment, drafts, at, self._by)
            self._write(lines, durable=durable)
        except BaseException:  # Ctrl-C too: what is applied must be what the file holds
            with suppress(WakemanError):
                self._load()
            raise
        return events

    def put_in_order(self, segment: int, lag: int) -> None:
        """Seal the live segment once it is large, and write a snapshot once it is far behind.

        Effects: a failure is harmless and silent: the log is unchanged, and the next holder tries again.
        """
        large = self._size >= segment
        if self._broken or not (large or self._size - self._known >= max(lag, self._weight // SNAPSHOT_PART_MIN)):
            return
        with suppress(OSError, WakemanError):
            if large:
                self._seal()
            snapshot.write_snapshot(self._directory, self._deployment, self._first, self._size)

    def _load(self) -> bytes:
        """Apply the file; return its torn bytes."""
        with Reading(self._file) as log:
            self._deployment = read_deployment(log)
            self._size, self._first = log.end, log.first
            self._known, self._weight = log.start, log.weight
            if log.newer:
                raise UsageError(
                    f"{self._file}: holds lines of a newer format; this Wakeman reads it, and does not write to it",
                    "upgrade Wakeman",
                )
            return log.torn

    def _write(self, lines: bytes, *, durable: bool) -> None:
        if os.lseek(self._fd, 0, os.SEEK_END) != self._size:  # where a stat would tell twenty things
            raise LogDamagedError(f"{self._file}: was changed by a program that does not hold the lock")
        try:
            put(self._fd, lines)
            if durable:
                sync(self._fd)
        except BaseException as fault:  # Ctrl-C too: a write may be incomplete
            self._spoil(fault, len(lines))
            raise
        self._size += len(lines)

    def _spoil(self, fault: BaseException, size: int) -> None:
        """Truncate to the lines before, and refuse further writes: the disk's state after the failed one is unknown."""
        self._broken = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
        with suppress(OSError):
            os.ftruncate(self._fd, self._size)
        if isinstance(fault, OSError):
            if fault.errno in (errno.ENOSPC, errno.EDQUOT):
                self._give_up_reserve(size, self._broken)
            refuse(self._file, fault)

    def _reserved(self) -> bool:
        """Return whether the reserve exists, creating it if the disk has room for more."""
        file = join(self._directory, RESERVE)
        with suppress(OSError):
            if getsize(file) >= RESERVE_BYTES:
                return True
        try:
            disk = os.statvfs(self._directory)
            if disk.f_bavail * disk.f_frsize < RESERVE_NEEDS_FREE_BYTES:
                return False
            write_new(file, bytes(RESERVE_BYTES))
        except OSError:
            with suppress(OSError):
                os.unlink(file)
            return False
        return True

    def _give_up_reserve(self, size: int, why: str) -> None:
        """Release the reserve on a full disk, and record that in the log: no worker is launched until there is more
        room.

        Boundary: uses another descriptor, as the state of the first one's bytes is unknown.
        """
        with suppress(OSError, WakemanError):
            os.unlink(join(self._directory, RESERVE))
            self._load()
            if self._deployment.full:
                return
            lines, _ = compose(self._deployment, [Draft(Filled(size, why))], datetime.now(UTC), self._by)
            fd = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                put(fd, lines)
                sync(fd)
            except OSError:
                os.ftruncate(fd, self._size)
                raise
            finally:
                close_quietly(fd)

    def _cut(self, torn: bytes) -> Repaired:
        """Copy torn bytes to a file beside the log, then cut them off. Repeatable: yes, after a crash in between."""
        name = f"torn-{self._size}.bin"
        write_new(join(self._directory, name), torn)
        sync_directory(self._directory)
        os.ftruncate(self._fd, self._size)
        return Repaired(name, len(torn))

    def _seal(self) -> None:
        """Seal the live segment under the seq of its first line, and begin another whose first line records its hash.

        Boundary: there is a live segment at each moment; a crash in between leaves a second name for it, which readers
        skip. Raises: OSError, also on file systems without hard links: the log then continues in one file.
        """
        from hashlib import file_digest

        name = f"events-{self._first}.jsonl"
        aside, new = join(self._directory, name), join(self._directory, NEW)
        with open(self._file, "rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        try:
            fact = Sealed(file=name, size=self._size, sha256=digest)
            lines, events = compose(self._deployment, [Draft(fact)], datetime.now(UTC), self._by)
            write_new(new, lines)
            if not (exists(aside) and samefile(aside, self._file)):
                os.link(self._file, aside)
            sync_directory(self._directory)
            os.rename(new, self._file)
            sync_directory(self._directory)
        except BaseException:  # Ctrl-C too: what is applied must be what the file holds
            self._load()
            raise
        os.chmod(aside, 0o400)
        self._first, self._size = events[0].seq, len(lines)


def read_deployment(log: Reading) -> Deployment:
    """Return a log's deployment, read from its snapshot on if that fits, otherwise from its beginning."""
    found = snapshot.load(log.directory)
    if found is not None:
        mark, state = found
        deployment = snapshot.thaw(state)
        if deployment is not None and log.known(mark.seq, mark.hash, mark.first, mark.end):
            log.weight = len(state)
            return apply_all(log, deployment)
    return apply_all(log, Deployment())
