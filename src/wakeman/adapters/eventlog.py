# a check does without pathlib
"""The event logs of one state directory: one file a deployment, only ever appended, under one lock.

`lock` is held by flock and never renamed or unlinked; `asked` is the mark of those who found it held. One append is
one write and one fdatasync. `events.jsonl` is the live segment, `events-<first seq>.jsonl` are sealed ones. Only an
unfinished or NUL-holding last line counts as torn: whatever else does not fit is damage, and is never mended here.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from os.path import join
from typing import NoReturn

from wakeman.core.errors import (
    BusyError,
    LogDamagedError,
    StorageError,
    TransitionError,
    UnknownNameError,
    UsageError,
    WakemanError,
)
from wakeman.core.events import Draft, Event, Planned, Repaired, chain, decode, encode, genesis, reader, split
from wakeman.core.fold import check, fold
from wakeman.core.model import Deployment

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(\.[0-9]+)?")
SEALED = re.compile(r"events-([0-9]+)\.jsonl")
LIVE, LOCK, ASKED, NEW = "events.jsonl", "lock", "asked", "events.new"
POLL = 0.01  # seconds between two tries for the lock

MENDS = {
    errno.ENOSPC: "free some space on that disk, then try again",
    errno.EDQUOT: "free some of your quota on that disk, then try again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), then try again",
    errno.ENOTDIR: "move the file in the way aside, or choose another state directory with --state",
    errno.EROFS: "make that file system writable, or choose another state directory with --state",
    errno.EACCES: "run as the user who owns it, or choose another state directory with --state",
    errno.EPERM: "a file that may only be appended to (lsattr shows `a`) cannot be repaired: as root, chattr -a it",
    errno.EIO: "the disk fails: copy the state directory to another one, then try again there",
}
"""What a person can do when the disk refuses."""


class EventLogs:
    """The logs under the directory `state`. Every reading checks the whole chain."""

    def __init__(self, state: str) -> None:
        self._state = state

    def names(self) -> list[str]:
        """List the deployments that have a log, oldest first. Cost: the beginning of each."""
        try:
            with os.scandir(self._state) as entries:
                names = [entry.name for entry in entries if NAME.fullmatch(entry.name) and entry.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as fault:
            _refuse(self._state, fault)
        logs = ((name, _segments(join(self._state, name))) for name in names)
        return [name for _, name in sorted((_born(files[0]), name) for name, files in logs if files)]

    def create(self, name: str, digest: str, drafts: Sequence[Draft], at: datetime, by: str) -> None:
        """Begin a log with its first lines, all or nothing. The directory of an attempt that failed is used again.

        Raises: UsageError when a log of that name is there already, or the first draft plans another one;
        TransitionError; StorageError.
        """
        directory = self._directory(name)
        first = drafts[0].data if drafts else None
        if not isinstance(first, Planned) or (first.name, first.digest) != (name, digest):
            raise UsageError(f"{name}: a log begins with what was planned under that name and digest")
        lines, _ = _compose(Deployment(hash=genesis(name, digest)), drafts, at, by)
        with _refusing(directory):
            _make(directory)
        with _locked(directory, 5.0):
            if _segments(directory):
                raise UsageError(f"{name}: is there already, in {self._state}", f"wakeman status {name}")
            _place(directory, lines)

    def read(self, name: str) -> Deployment:
        """Fold a log without holding it. An unfinished last line is left out.

        Raises: UnknownNameError; LogDamagedError naming file and line; StorageError.
        """
        return _folded(_Log(self._existing(name)))

    def events(self, name: str, after: int = 0) -> Iterator[Event]:
        """Stream a log's events with seq > `after`, in constant memory. Raises: as `read`."""
        log = _Log(self._existing(name))
        return (event for event in log if event.seq > after)

    @contextmanager
    def hold(self, name: str, by: str, wait: float = 5.0) -> Iterator[EventWriter]:
        """Lock, repair a torn tail, make what others wrote durable, and fold.

        Units: `wait` in seconds.
        Raises: BusyError naming the holder, after leaving a mark that the holder will see; UnknownNameError;
        LogDamagedError; StorageError.
        """
        directory = self._existing(name)
        file = join(directory, LIVE)
        with _locked(directory, wait):
            with _refusing(file):
                fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                writer = EventWriter(directory, fd, by)
                writer.catch_up(name)
                yield writer
            finally:
                _close(fd)

    def _directory(self, name: str) -> str:
        if not NAME.fullmatch(name):
            text = f"{name[:80]!r}: not a deployment's name: expected a-z, 0-9, '_' and '-', at most 64"
            raise UsageError(text, "wakeman status")
        return join(self._state, name)

    def _existing(self, name: str) -> str:
        directory = self._directory(name)
        if not _segments(directory):
            from difflib import get_close_matches

            near = " or ".join(repr(other) for other in get_close_matches(name, self.names()))
            mean = f"; did you mean {near}?" if near else ""
            raise UnknownNameError(f"{name}: no such deployment in {self._state}{mean}", "wakeman status")
        return directory


class EventWriter:
    """The log of one deployment, held: what the port calls `Writer`."""

    def __init__(self, directory: str, fd: int, by: str) -> None:
        self._directory = directory
        self._file = join(directory, LIVE)
        self._fd = fd
        self._by = by
        self._size = 0
        self._broken = ""
        self._deployment = Deployment()

    @property
    def deployment(self) -> Deployment:
        """Give the fold of all lines, those appended here included. Not to be changed by the caller."""
        return self._deployment

    @property
    def seen(self) -> bool:
        """Tell whether somebody asked for a check while the lock was held; asking clears it.

        Boundary: may be asked once more after the lock was let go, for those who came in the last moment.
        """
        try:
            os.unlink(join(self._directory, ASKED))
        except OSError:
            return False
        return True

    def catch_up(self, name: str) -> None:
        """Fold what is there; cut a torn tail off; make durable what others left in the page cache."""
        log = _Log(self._directory)
        self._deployment = _folded(log)
        if self._deployment.name != name:
            raise LogDamagedError(f"{self._file}:1: expected the log of {name}, found that of {self._deployment.name}")
        self._size = log.end
        with _refusing(self._file):
            repaired = [Draft(self._cut(log.torn))] if log.torn else []
            # Barrier: nothing is acted on that a power cut could still take back.
            _sync(self._fd)
        self.append(repaired, datetime.now(UTC))

    def append(self, drafts: Sequence[Draft], at: datetime, *, durable: bool = True) -> list[Event]:
        """Write all drafts as one write, durable on return unless that is not asked for, and fold them.

        Boundary: no drafts, no write.
        Raises: TransitionError before anything is written when a draft's move is illegal; StorageError when
        the disk refuses: then the log is as before and this writer refuses all further appends.
        """
        if not drafts:
            return []
        if self._broken:
            raise StorageError(f"{self._file}: nothing more is written after: {self._broken}")
        try:
            # Folded first: what cannot be folded must never be on disk.
            lines, events = _compose(self._deployment, drafts, at, self._by)
            self._write(lines, durable=durable)
        except BaseException:  # Ctrl-C too: what is folded must be what the file holds
            with suppress(WakemanError):
                self._deployment = _folded(_Log(self._directory))
            raise
        return events

    def _write(self, lines: bytes, *, durable: bool) -> None:
        if os.fstat(self._fd).st_size != self._size:
            raise LogDamagedError(f"{self._file}: was changed by a program that does not hold the lock")
        try:
            _put(self._fd, lines)
            if durable:
                _sync(self._fd)
        except BaseException as fault:  # Ctrl-C too: a write may be half done
            self._spoil(fault)
            raise
        self._size += len(lines)

    def _spoil(self, fault: BaseException) -> None:
        """Cut back to the lines before, and refuse all further ones: what the disk did with these is not known."""
        self._broken = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
        with suppress(OSError):
            os.ftruncate(self._fd, self._size)
        if isinstance(fault, OSError):
            _refuse(self._file, fault)

    def _cut(self, torn: bytes) -> Repaired:
        """Keep a torn last line beside the log, then cut it off. Repeatable: yes, after a crash in between."""
        name = f"torn-{self._size}.bin"
        _write_new(join(self._directory, name), torn)
        _sync_directory(self._directory)
        os.ftruncate(self._fd, self._size)
        return Repaired(name, len(torn))


class _Log:
    """One pass over the lines of a log, each checked against the line before.

    Shape: `place` names the line read last; after the pass `torn` holds an unfinished last line, and `end` is the
    offset in the live segment at which the whole ones end.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._file = join(directory, LIVE)
        self._number = 1
        self.end = 0
        self.torn = b""

    @property
    def place(self) -> str:
        return f"{self._file}:{self._number}"

    def __iter__(self) -> Iterator[Event]:
        seq, previous = 0, ""
        read = reader(sum(os.path.getsize(file) for file in _segments(self._directory)))
        for line in self._lines():
            try:
                event = read(line)
                head, written = split(line)
            except LogDamagedError as fault:
                self._damaged(str(fault))
            if event.seq != seq + 1:
                self._damaged(f"expected seq {seq + 1}, found {event.seq}")
            if chain(previous or self._genesis(event), head) != written:
                self._damaged("the hash does not fit; this line is not as it was written")
            seq, previous = event.seq, written
            yield event
        if not seq:
            self._damaged(f"expected a planned event, found {'an unfinished line' if self.torn else 'nothing'}")

    def _lines(self) -> Iterator[bytes]:
        """Give whole lines without their newline; a torn one is kept aside."""
        for file in _segments(self._directory):
            self._file, self.end = file, 0
            with _refusing(file), open(file, "rb") as stream:
                for self._number, line in enumerate(stream, 1):
                    if line[-1:] != b"\n" or (b"\0" in line and not stream.peek(1)):
                        self.torn = line
                        break
                    self.end += len(line)
                    yield line[:-1]
            if self.torn and not file.endswith(f"/{LIVE}"):
                self._damaged("a sealed segment ends in an unfinished line")

    def _genesis(self, event: Event) -> str:
        if not isinstance(event.data, Planned):
            self._damaged("expected a planned event first")
        return genesis(event.data.name, event.data.digest)

    def _damaged(self, found: str) -> NoReturn:
        name = os.path.basename(self._directory)
        raise LogDamagedError(
            f"{self.place}: {found}", f"wakeman log {name} shows what comes before it; keep a copy of the directory"
        )


def _folded(log: _Log) -> Deployment:
    deployment = Deployment()
    try:
        for event in log:
            fold(deployment, event)
    except (TransitionError, LookupError, ValueError) as fault:
        raise LogDamagedError(f"{log.place}: does not follow from the lines before: {fault}") from fault
    return deployment


def _compose(deployment: Deployment, drafts: Sequence[Draft], at: datetime, by: str) -> tuple[bytes, list[Event]]:
    """Make the lines that follow, and fold them as a reader will. Raises: TransitionError, nothing being folded."""
    check(deployment, drafts)
    lines, events = [], []
    for draft in drafts:
        line, _ = encode(draft, seq=deployment.seq + 1, at=at, by=by, previous=deployment.hash)
        event = decode(line[:-1])
        fold(deployment, event)
        lines.append(line)
        events.append(event)
    return b"".join(lines), events


@contextmanager
def _locked(directory: str, wait: float) -> Iterator[None]:
    file = join(directory, LOCK)
    with _refusing(file):
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _refusing(file):
            if not _acquired(fd, wait):
                _ask(directory)
                # Once more: the holder may have looked for the mark just before it was left.
                if not _acquired(fd, 0):
                    raise _busy(directory, fd)
        with suppress(OSError):  # a full disk costs the name of the holder, not the lock
            os.pwrite(fd, b"%-10d\n" % os.getpid(), 0)
        yield
    finally:
        _close(fd)


def _acquired(fd: int, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL)
        else:
            return True


def _ask(directory: str) -> None:
    with suppress(OSError):
        os.close(os.open(join(directory, ASKED), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _busy(directory: str, lock: int) -> BusyError:
    pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
    name = os.path.basename(directory)
    if pid.isdecimal() and _is_stopped(pid):
        return BusyError(f"{name}: is held by process {pid}, which is stopped", f"kill -CONT {pid}")
    return BusyError(f"{name}: is held by process {pid or 'unknown'}, which will look again", f"wakeman status {name}")


def _is_stopped(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b") ")[2][:1] in (b"T", b"t")
    except OSError:
        return False


def _segments(directory: str) -> list[str]:
    """List the files of a log in order; none where there is no log."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as fault:
        _refuse(directory, fault)
    if LIVE not in names:
        return []
    sealed = sorted((int(found[1]), found[0]) for name in names if (found := SEALED.fullmatch(name)))
    return [join(directory, name) for _, name in sealed] + [join(directory, LIVE)]


def _born(file: str) -> bytes:
    """Give the time in a log's first line; it stands third, at fixed width, so that bytes sort as times do."""
    with suppress(OSError), open(file, "rb") as stream:
        found = re.search(rb'"at":"([^"]*)"', stream.read(256))
        return found[1] if found else b""
    return b""


def _make(directory: str) -> None:
    """Make a directory and its parents, durably. No error when it is there."""
    if os.path.isdir(directory):
        return
    parent = os.path.dirname(directory)
    _make(parent)
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    _sync_directory(parent)


def _place(directory: str, lines: bytes) -> None:
    """Put a whole log into place. A crash in between leaves no file of a log's name."""
    new, live = join(directory, NEW), join(directory, LIVE)
    with _refusing(live):
        try:
            _write_new(new, lines)
            os.rename(new, live)
            _sync_directory(directory)
            _sync_directory(os.path.dirname(directory))
        except BaseException:  # Ctrl-C too: all or nothing
            for file in (new, live):
                with suppress(OSError):
                    os.unlink(file)
            raise


def _write_new(file: str, data: bytes) -> None:
    """Write a file durably; what an interrupted attempt left is replaced."""
    with suppress(FileNotFoundError):
        os.unlink(file)
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _put(fd, data)
        _sync(fd)
    finally:
        os.close(fd)


def _put(fd: int, data: bytes) -> None:
    """Write all in one call. A disk that fills takes a part first, and names the error only at the next write."""
    if os.write(fd, data) < len(data):
        raise OSError(errno.ENOSPC, "the disk is full, or the limit on file sizes is reached")


if sys.platform == "darwin":

    def _sync(fd: int) -> None:
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:  # not every file system there knows it
            os.fsync(fd)

else:
    _sync = os.fdatasync


def _close(fd: int) -> None:
    """Close what is durable already: an error has nothing left to tell."""
    with suppress(OSError):
        os.close(fd)


def _sync_directory(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        _refuse(path, fault)


def _refuse(path: str, fault: OSError) -> NoReturn:
    raise StorageError(f"{path}: {fault.strerror}", MENDS.get(fault.errno or 0, "")) from fault
