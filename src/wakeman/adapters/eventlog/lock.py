"""The lock of one deployment: flock on a file that is never renamed or unlinked, so that a kill frees it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os.path import basename, join

from wakeman.adapters.eventlog.segments import ASKED, COMING, LOCK, close_quietly, refusing
from wakeman.core.errors import BusyError

SOONEST, LATEST = 0.0005, 0.01
"""Seconds between two tries for the lock, first and maximum."""


@contextmanager
def locked(directory: str, wait: float) -> Iterator[None]:
    """Hold a log's lock.

    Units: `wait` in seconds.
    Raises: BusyError naming the holder, after leaving a mark that the holder will see; StorageError.
    """
    file = join(directory, LOCK)
    with suppress(OSError):
        # Before the lock is tried: later events need a check of their own (see check.sh).
        os.unlink(join(directory, COMING))
    with refusing(file):
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with refusing(file):
            if not _acquired(fd, wait):
                _ask(directory)
                # Try once more: the holder may have tested for the mark just before it was set.
                if not _acquired(fd, 0):
                    raise _busy(directory, fd)
        with suppress(OSError):  # a full disk costs the name of the holder, not the lock
            os.pwrite(fd, f"{os.getpid():<10d} {os.uname().nodename:<64.64}\n".encode(), 0)
        yield
    finally:
        close_quietly(fd)


def asked(directory: str) -> bool:
    """Return whether another process found the lock held since the last call."""
    try:
        os.unlink(join(directory, ASKED))
    except OSError:
        return False
    return True


def _acquired(fd: int, wait: float) -> bool:
    deadline, pause = time.monotonic() + wait, SOONEST
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LATEST)
        else:
            return True


def _ask(directory: str) -> None:
    with suppress(OSError):
        os.close(os.open(join(directory, ASKED), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _busy(directory: str, lock: int) -> BusyError:
    pid, _, node = os.pread(lock, 128, 0).decode("utf-8", "replace").strip().partition(" ")
    name, here = basename(directory), os.uname().nodename
    where = f" on {node.strip()}" if node.strip() not in ("", here) else ""
    if pid.isdecimal() and not where and _is_stopped(pid):
        return BusyError(f"{name}: is held by process {pid}, which is stopped", f"kill -CONT {pid}")
    held = f"{name}: is held by process {pid or 'unknown'}{where}, which will look again"
    return BusyError(held, f"wakeman status {name}")


def _is_stopped(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b") ")[2][:1] in (b"T", b"t")
    except OSError:
        return False
