"""The files of one deployment's log, and durable writes to them."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from os.path import join
from stat import S_ISREG
from typing import NoReturn

from wakeman.core.errors import StorageError

LIVE, NEW, SNAPSHOT, RESERVE, LOCK, ASKED, COMING, STANDING = (
    "events.jsonl",
    "events.new",
    "snapshot.json",
    "reserve",
    "lock",
    "asked",
    "coming",
    "standing",
)
SEALED = r"events-([0-9]+)\.jsonl"

FIXES = {
    errno.ENOSPC: "free some space on that disk, then try again",
    errno.EDQUOT: "free some of your quota on that disk, then try again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), then try again",
    errno.ENOTDIR: "move the file in the way aside, or choose another state directory with --state",
    errno.EISDIR: "move the directory in the way aside, then try again",
    errno.EROFS: "make that file system writable, or choose another state directory with --state",
    errno.EACCES: "run as the user who owns it, or choose another state directory with --state",
    errno.EPERM: "a file that may only be appended to (lsattr shows `a`) cannot be repaired: as root, chattr -a it",
    errno.EIO: "the disk fails: copy the state directory to another one, then try again there",
}
"""errno -> what a person can do."""


def sealed(directory: str) -> list[tuple[int, str]]:
    """List the sealed files of a log by the seq of their first line."""
    with refusing(directory):
        names = [name for name in os.listdir(directory) if name.startswith("events-")]
    found = [(re.fullmatch(SEALED, name), name) for name in names]
    return sorted((int(match[1]), join(directory, name)) for match, name in found if match)


def make(directory: str) -> None:
    """Make a directory and its parents, durably. No error when it is there."""
    if os.path.isdir(directory):
        return
    parent = os.path.dirname(directory)
    make(parent)
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    sync_directory(parent)


def write_new(file: str, data: bytes) -> None:
    """Write a file durably, replacing the leftover of an interrupted call."""
    with suppress(FileNotFoundError):
        os.unlink(file)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        put(fd, data)
        sync(fd)
    finally:
        os.close(fd)


def replace(directory: str, name: str, data: bytes) -> None:
    """Replace a whole file by another, durably; a crash in between leaves the old one."""
    new = join(directory, f"{name}.new")
    write_new(new, data)
    os.rename(new, join(directory, name))
    sync_directory(directory)


def put(fd: int, data: bytes) -> None:
    """Write everything in one call.

    Boundary: a disk that fills up first writes a part, and reports the error only at the next write.
    """
    if os.write(fd, data) < len(data):
        raise OSError(errno.ENOSPC, "the disk is full, or the limit on file sizes is reached")


if sys.platform == "darwin":

    def sync(fd: int) -> None:
        """Make a file's bytes durable."""
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:  # not every file system there supports it
            os.fsync(fd)

else:
    sync = os.fdatasync


def sync_directory(directory: str) -> None:
    """Make a directory's entries durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def close_quietly(fd: int) -> None:
    """Close a file that is already durable: an error no longer matters."""
    with suppress(OSError):
        os.close(fd)


def open_regular_file(path: str) -> BufferedReader:
    """Open a file of a log for reading. Raises: OSError, also for what is no regular file, without waiting for it."""
    stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller closes it
    if not S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "not a regular file")
    return stream


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """Raise errors of the disk with the file's name and what a person can do."""
    try:
        yield
    except OSError as fault:
        refuse(path, fault)


def refuse(path: str, fault: OSError) -> NoReturn:
    """Raise StorageError for an error of the disk."""
    raise StorageError(f"{path}: {fault.strerror}", FIXES.get(fault.errno or 0, "")) from fault
