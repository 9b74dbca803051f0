"""The disk: fingerprints of files, globs, atomic writes, moves that never overwrite."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from wakeman.core.errors import DiskError, StorageError
from wakeman.core.model import FileFingerprint

if TYPE_CHECKING:
    from wakeman.ports import EntryKind, Installed, PathEntry

_REFUSALS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("no space left on the disk", "free some space, then try again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then try again"),
    errno.EROFS: ("the file system is read-only", "use a directory that can be written to: --state DIR"),
    errno.EACCES: ("permission denied", "check who owns it, and its directory: ls -ld"),
    errno.EPERM: ("not permitted", "check who owns it, and its directory: ls -ld"),
    errno.ENOENT: ("no such file or directory", ""),
    errno.EEXIST: ("exists already, and nothing is overwritten", "move the one in the way aside, then try again"),
    errno.ENOTDIR: ("a part of the path is no directory", "move the file in the way aside, then try again"),
    errno.EISDIR: ("is a directory, expected a file", ""),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ELOOP: ("too many symbolic links", ""),
}
"""errno -> what is wrong, and what fixes it; other errors have the system's message."""

LOGGED_NUMBER_MAX = 2**63 - 1
"""The largest number that a line of the log holds."""
_FOR_ALL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_KINDS_OF_FILE: dict[int, EntryKind] = {
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symbolic link",
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
}
SYNCED_EACH_MAX = 16
"""Files that are synced one by one: each takes a flush of the disk. Of more the file system is synced, by one flush."""
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


LISTED_MIN = 64
"""Files of one directory that are asked for, at least, for it to be listed instead of each being looked up."""


class NotRegularError(OSError):
    """A path leads to something else than a regular file, or by a symlink where none is followed."""


_NO_FILE = (FileNotFoundError, NotADirectoryError, NotRegularError)


class Disk:
    """Files of this machine. Names that are not UTF-8 are preserved, by surrogate escapes."""

    def touched(self) -> None:
        """Return None: no disk tells what was touched since somebody asked."""

    def marks(self, paths: Iterable[str]) -> dict[str, FileFingerprint]:
        """Stat files, through symlinks. Cost: of many in one directory only those that a listing of it has."""
        found: dict[str, FileFingerprint] = {}
        for path in _perhaps_there(paths):
            try:  # for thousands of files, at each check: `suppress` would take as long as the call
                seen = os.stat(path)
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(seen.st_mode):
                found[path] = _marked(path, seen)
        return found

    def entries(self, paths: Iterable[str]) -> dict[str, PathEntry]:
        """Stat names, not what they lead to. Cost: of many in one directory only those that a listing of it has."""
        from wakeman.ports import PathEntry

        found: dict[str, PathEntry] = {}
        for path in _perhaps_there(paths):
            with suppress(OSError, ValueError):
                seen = os.lstat(path)
                kind: EntryKind = _KINDS_OF_FILE.get(stat.S_IFMT(seen.st_mode), "device")
                found[path] = PathEntry(kind, seen.st_dev, seen.st_ino, seen.st_nlink)
        return found

    def read(self, path: str, limit: int = 64 * 1024 * 1024, *, within: str = "") -> bytes:
        """Read a whole file."""
        with translated_errors(path), _opened_for_reading(path, within) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise StorageError(f"{path}: more than {limit} bytes, expected at most that")
        return data

    def tail(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        """Read the last bytes of a file that another process may be writing."""
        with suppress(OSError, ValueError), _opened_for_reading(path, within) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
        return b""

    def head(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        """Read the first bytes of a file that another process may be writing."""
        with suppress(OSError, ValueError), _opened_for_reading(path, within) as file:
            return file.read(size)
        return b""

    def glob(self, root: str, patterns: Sequence[str], exclude: Sequence[str]) -> list[str]:
        """List regular files under `root`.

        Shape: `*`, `?` and `[...]` stay within a segment; `**` is any number of directories, symlinked ones not
        followed; a name that begins with a dot is found only by a segment that does. An exclusion also excludes
        everything below, hidden or not. Raises: StorageError for a directory that cannot be listed, so that no unit is
        lost silently.
        """
        from wakeman.adapters.disk.globbing import matching

        return sorted(set(matching(root, patterns, exclude)))

    def names(self, directory: str) -> list[str]:
        """List a directory's entries."""
        with translated_errors(directory):
            try:
                return sorted(os.listdir(directory))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def is_directory(self, path: str) -> bool:
        """Stat it."""
        return os.path.isdir(path)

    def directory_id(self, path: str) -> str:
        """Stat it."""
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return ""
        return f"{found.st_ino}:{found.st_dev}" if stat.S_ISDIR(found.st_mode) else ""

    def resolve(self, paths: Iterable[str]) -> dict[str, str]:
        """Resolve symlinks and `..`, as far as the path exists. Cost: each directory is resolved once."""
        known: dict[str, str] = {}
        held: set[str] = set()  # directories that are there

        def real(path: str) -> str:
            above, name = os.path.split(path)
            if name in ("", ".", "..") or not above:
                return os.path.realpath(path)
            if above not in known:
                known[above] = os.path.realpath(above)
                if os.path.lexists(known[above]):
                    held.add(above)
            there = os.path.join(known[above], name)
            return os.path.realpath(path) if above in held and os.path.islink(there) else there

        return {path: real(path) for path in paths}

    def folds_case(self, path: str) -> bool:
        """Return whether names differ by more than case here, by looking up an existing name in the other case; nothing
        is written.

        Boundary: for an empty or missing directory, its own name is tried, then its parents'; False if none has a
        letter.
        """
        place, below = os.path.realpath(path), ""
        while place != below:
            entries = set(self.names(place))
            for name in sorted(entries):
                other = name.swapcase()
                if name.isascii() and other != name and other not in entries:
                    return os.path.lexists(os.path.join(place, other))
            place, below = os.path.dirname(place), place
        return False

    def write(self, path: str, data: bytes, *, mode: int = 0o600, durable: bool = False, within: str = "") -> None:
        """Write a whole file atomically; `durable` waits until it would survive a power cut."""
        directory, name = os.path.split(path)
        if not within:
            self.make(directory)
        with translated_errors(path), _opened_directory(path, within) as place:
            temporary = unguessable_name()
            try:
                _fill(temporary, data, mode, durable=durable, directory=place)
                os.rename(temporary, name, src_dir_fd=place, dst_dir_fd=place)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=place)
                raise
            if durable:
                os.fsync(place)

    def link(self, target: str, path: str) -> None:
        """Make or replace a symlink at `path` in one step, without following the old one.

        Raises: StorageError when something that is not a symlink exists at `path`.
        """
        self.make(os.path.dirname(path))
        with translated_errors(path), _temporary_name(path) as temporary:
            if os.path.lexists(path) and not os.path.islink(path):
                raise FileExistsError(errno.EEXIST, "")
            os.symlink(target, temporary)
            os.rename(temporary, path)

    def pipe(self, path: str) -> None:
        """Make a named pipe, replacing an existing one."""
        with translated_errors(path), _temporary_name(path) as temporary:
            os.mkfifo(temporary, mode=0o600)
            os.rename(temporary, path)

    def writable(self, path: str) -> bool:
        """Ask the system about the file or, if it is missing, its directory."""
        there = path if os.path.lexists(path) else os.path.dirname(path)
        return os.access(there, os.W_OK)

    def room(self, path: str) -> int | None:
        """Ask the file system of the nearest directory that exists."""
        while not os.path.exists(path) and path != os.path.dirname(path):
            path = os.path.dirname(path)
        try:
            found = os.statvfs(path)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize if found.f_blocks else None

    def make(self, directory: str, *, mode: int = 0o700) -> None:
        """Make a directory and its parents."""
        with translated_errors(directory):
            missing, place = [], os.path.normpath(directory)
            while not os.path.exists(place):
                missing.append(place)
                place = os.path.dirname(place) or "."
            for parent in reversed(missing):
                with suppress(FileExistsError):
                    os.mkdir(parent, mode=mode)
            if not os.path.isdir(directory):
                raise NotADirectoryError(errno.ENOTDIR, "")

    def move(self, source: str, target: str) -> str:
        """Rename a file into place, across file systems too; makes the directory.

        Repeatable: a move that was interrupted between its two names is completed.
        """
        source = source.rstrip("/")
        place = target
        if target.endswith("/") or os.path.isdir(target):
            place = os.path.join(target, os.path.basename(source))
        with translated_errors(source):
            os.lstat(source)
        self.make(os.path.dirname(place))
        with translated_errors(place):
            try:
                _rename_new(source, place)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _carry(source, place)
        return place

    def remove(self, path: str) -> None:
        """Unlink a file."""
        with translated_errors(path), suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)

    def erase(self, directory: str, *, within: str, last: str = "") -> int:
        """Delete a directory; on the way to it, and in it, no symlink is followed."""
        from wakeman.adapters.disk.erasing import erase

        with translated_errors(directory), _opened_directory(directory, within, make=False) as place:
            return erase(directory, place, last)

    def sync(self, paths: Iterable[str], *, within: str) -> dict[str, str]:
        """Sync each file and its directories, or the whole file system where there are many files.

        Cost: one flush of the disk for each file and directory, or one for all, which takes along what others have
        written.
        """
        by_device: dict[int, list[str]] = {}
        for path in paths:
            device = -1
            with suppress(OSError, ValueError):
                device = os.stat(path).st_dev
            by_device.setdefault(device, []).append(path)
        refused: dict[str, str] = {}
        for device, files in by_device.items():
            if device < 0 or len(files) <= SYNCED_EACH_MAX or not _sync_file_system(files[0]):
                refused |= _sync_each(files, within)
        return refused

    def writing(self, paths: Iterable[str]) -> set[str]:
        """Return the files that are open for writing: those for which the kernel refuses a read lease.

        Boundary: empty without leases: other systems than Linux, another user's file, some file systems.
        """
        return {path for path in paths if _written(path)}

    def install(
        self, stage: str, inside: str, target: str, mark: FileFingerprint, over: FileFingerprint | None, *, keep: bool
    ) -> Installed:
        """Rename the file, or a durable copy beside the target.

        Shape: a copy is made if the original stays, has other names, or is on another file system. Boundary: a file
        that appears at `target` between the last test and the rename is replaced.
        """
        from wakeman.ports import Installed

        above, name = os.path.realpath(os.path.dirname(target)), os.path.basename(inside)
        place = os.path.join(above, os.path.basename(target))
        with translated_errors(place):
            if os.path.islink(place):
                return Installed(why="a symbolic link is there")
            there = _regular(place)
            ours = over is not None and there is not None and _same_fingerprint(there, over)
            installed = there is not None and not ours and (there.size, there.mtime_ns) == (mark.size, mark.mtime_ns)
            if there is not None and not ours and not installed:
                return Installed(why="changed by somebody else meanwhile")
            os.makedirs(above, exist_ok=True)
        with translated_errors(f"{stage}/{inside}"), _opened(stage, inside) as (directory, handle):
            judged = handle is not None and _same_fingerprint(_marked(inside, os.fstat(handle)), mark)
            if not installed and (handle is None or not judged):
                return Installed(why="not as it was judged any more")
            if not installed and handle is not None:
                with translated_errors(place):
                    if not _bring(directory, name, handle, place, mark, keep=keep):
                        return Installed(why="not as it was judged any more")
                    _sync(above)
            if judged and not keep:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
        return Installed(mark=_regular(place))


@contextmanager
def translated_errors(path: str) -> Iterator[None]:
    """Raise errors of the disk as ours, naming the path."""
    try:
        yield
    except OSError as error:
        why, hint = _REFUSALS.get(error.errno or 0, (error.strerror or str(error), ""))
        kind = DiskError if error.errno in _FOR_ALL else StorageError
        raise kind(f"{path}: {why}", hint) from error
    except ValueError as error:  # a NUL in the path
        raise StorageError(f"{path!r}: {error}") from error


DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
"""How a directory is opened: what was swapped for it, such as a pipe, is refused at once."""


def _open_regular(path: str, directory: int | None = None) -> int:
    """Open a file for reading; below an open `directory` a symlink is refused.

    Raises: OSError for what is no regular file, before it is opened: to open a device may be enough to start it.
    """
    follow = directory is None
    # Not blocking: a pipe may have come in its place since, and opening one that nobody writes to would wait for ever.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        _insist(os.stat(path, dir_fd=directory, follow_symlinks=follow))
        handle = os.open(path, flags, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotRegularError(error.errno, error.strerror) from error
        raise
    try:
        _insist(os.fstat(handle))
    except OSError:
        os.close(handle)
        raise
    return handle


def _insist(seen: os.stat_result) -> None:
    if not stat.S_ISREG(seen.st_mode):
        raise NotRegularError(errno.EINVAL, "not a regular file")


@contextmanager
def _opened_for_reading(path: str, within: str) -> Iterator[BinaryIO]:
    if not within:
        with os.fdopen(_open_regular(path), "rb") as file:
            yield file
        return
    with _opened_directory(path, within, make=False) as place, _open_for_reading(path, place) as file:
        yield file


def _open_for_reading(path: str, place: int) -> BinaryIO:
    return os.fdopen(_open_regular(os.path.basename(path), place), "rb")


@contextmanager
def _opened_directory(path: str, within: str, *, make: bool = True) -> Iterator[int]:
    """Open the directory of a file; below `within` part by part, so that no symlink leads out of there.

    Effects: with both, what is missing is made, 0700.
    Raises: StorageError for a symlink on the way; OSError.
    """
    directory = os.path.dirname(path)
    inside = os.path.relpath(directory, within) if within else "."
    place = os.open(within or directory, DIRECTORY)
    try:
        at = within or directory
        for part in inside.split("/") if inside != "." else ():
            at = os.path.join(at, part)
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=place)
            below = _open_below(part, at, place, told=make)
            os.close(place)
            place = below
        yield place
    finally:
        os.close(place)


def _open_below(part: str, at: str, place: int, *, told: bool) -> int:
    try:
        return os.open(part, DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
    except NotADirectoryError:
        with suppress(OSError):
            leads = os.readlink(part, dir_fd=place)
            if told:
                raise StorageError(
                    f"{at}: found a link that leads to {leads}", "remove it, and retry the worker"
                ) from None
        raise


def _perhaps_there(paths: Iterable[str]) -> Sequence[str]:
    """Return paths without those of which a listing tells that they are not there."""
    wanted = list(paths)
    if len(wanted) < LISTED_MIN:
        return wanted
    from wakeman.adapters.disk.presence import without_absent

    return without_absent(wanted, LISTED_MIN)


def _marked(path: str, seen: os.stat_result) -> FileFingerprint:
    mtime_ns = seen.st_mtime_ns
    if not -LOGGED_NUMBER_MAX <= mtime_ns <= LOGGED_NUMBER_MAX:
        # Some file systems keep times that no line of the log could hold.
        mtime_ns = LOGGED_NUMBER_MAX if mtime_ns > 0 else -LOGGED_NUMBER_MAX
    return FileFingerprint(path, seen.st_size, mtime_ns, seen.st_ino)


def _same_fingerprint(one: FileFingerprint, other: FileFingerprint) -> bool:
    return (one.size, one.mtime_ns, one.inode) == (other.size, other.mtime_ns, other.inode)


def _regular(path: str) -> FileFingerprint | None:
    """Return the fingerprint of a file; None if it does not exist. Raises: FileExistsError for anything but a file."""
    try:
        seen = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(seen.st_mode):
        raise FileExistsError(errno.EEXIST, "")
    return _marked(path, seen)


def _written(path: str) -> bool:
    """Return whether a process has a file open for writing, by a lease that is released at once."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        handle = _open_regular(path)
    except OSError:
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EBUSY)
    finally:
        os.close(handle)
    return False


@contextmanager
def _opened(stage: str, inside: str) -> Iterator[tuple[int, int | None]]:
    """Open a file in a directory, and its own directory, part by part, without following symlinks.

    Boundary: None for the file if it, or a part of its path, is missing or of another type.
    """
    *parts, name = inside.split("/")
    place = os.open(stage, DIRECTORY | os.O_NOFOLLOW)
    handle = None
    try:
        with suppress(*_NO_FILE):
            for part in parts:
                below = os.open(part, DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
                os.close(place)
                place = below
            handle = _open_regular(name, place)
        yield place, handle
    finally:
        os.close(place)
        if handle is not None:
            os.close(handle)


def _bring(directory: int, name: str, handle: int, place: str, mark: FileFingerprint, *, keep: bool) -> bool:
    """Rename an open file, or a copy of it, to its target; return False if it changed while it was copied."""
    if not keep and os.fstat(handle).st_nlink == 1:
        os.fsync(handle)
        try:
            os.rename(name, place, src_dir_fd=directory)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            return True
    seen = os.fstat(handle)
    with _temporary_name(place) as temporary:
        with open(temporary, "xb") as new:
            os.lseek(handle, 0, os.SEEK_SET)
            while piece := os.read(handle, 1 << 20):
                new.write(piece)
            new.flush()
            os.fchmod(new.fileno(), stat.S_IMODE(seen.st_mode))
            os.utime(new.fileno(), ns=(seen.st_atime_ns, seen.st_mtime_ns))
            os.fsync(new.fileno())
        if not _same_fingerprint(_marked(name, os.fstat(handle)), mark):
            return False
        os.rename(temporary, place)
    return True


@contextmanager
def _temporary_name(place: str) -> Iterator[str]:
    """Yield a name for a temporary file in the same directory; remove the file at the end."""
    temporary = os.path.join(os.path.dirname(place), unguessable_name())
    try:
        yield temporary
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def unguessable_name() -> str:
    """Return a name that cannot be guessed: at a predictable one, another process could leave a pipe or a link."""
    return f".wakeman-{os.urandom(12).hex()}.tmp"


def _fill(name: str, data: bytes, mode: int, *, durable: bool, directory: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    handle = os.open(name, flags, 0o600, dir_fd=directory)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(handle, mode)
        if durable:
            os.fsync(handle)


def _sync_each(files: Sequence[str], within: str) -> dict[str, str]:
    """Sync files and their directories one by one; return what the disk refuses, and why."""
    refused = {path: why for path in files if (why := _sync_refusal(path))}
    directories: dict[str, list[str]] = {}
    for path in files:
        directory = os.path.dirname(path)
        directories.setdefault(directory, []).append(path)
        while directory.startswith(within.rstrip("/") + "/") and directory != "/":
            directory = os.path.dirname(directory)
            directories.setdefault(directory, []).append(path)
    for directory, held in directories.items():
        if why := _sync_refusal(directory):
            refused |= dict.fromkeys(held, f"{directory}: {why}")
    return refused


def _sync_refusal(path: str) -> str:
    """Sync a file or a directory; return why the disk refuses it, "" where it does not."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except PermissionError as error:  # what may not be read can still be synced with all else
        return "" if _sync_file_system(path) else _REFUSALS[error.errno or 0][0]
    except OSError as error:
        if error.errno in _NO_SYNC:
            return ""
        return _REFUSALS.get(error.errno or 0, (error.strerror or str(error), ""))[0]
    except ValueError as error:  # a NUL in the path
        return str(error)
    return ""


def _sync_file_system(path: str) -> bool:
    """Sync the file system that a path is on; return whether that was possible, and nothing of it failed."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)  # not on macOS
    if call is None:
        return False
    with suppress(OSError):
        handle = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return bool(call(handle) == 0)
        finally:
            os.close(handle)
    return False


def _sync(directory: str) -> None:
    handle = os.open(directory, DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rename_new(source: str, target: str) -> None:
    """Rename without overwriting: a hard link fails where a rename would replace."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if not _cut_short(source, target):
            raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # A directory, or a file system without hard links: test, then rename.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "") from error
        os.rename(source, target)
        return
    os.unlink(source)


def _cut_short(source: str, target: str) -> bool:
    """Return whether a move was interrupted after the link: two entries, one file."""
    one_file = os.path.samestat(os.lstat(source), os.lstat(target))
    (old, name), (new, other) = os.path.split(source), os.path.split(target)
    one_entry = os.path.samefile(old, new) and name.casefold() == other.casefold()
    return one_file and not one_entry


def _carry(source: str, target: str) -> None:
    """Move a file to another file system: the copy is durable and in place before the original goes."""
    seen = os.lstat(source)
    with _temporary_name(target) as temporary:
        if stat.S_ISLNK(seen.st_mode):
            os.symlink(os.readlink(source), temporary)
        else:
            _copy(source, temporary)
            os.chmod(temporary, stat.S_IMODE(seen.st_mode))
            os.utime(temporary, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        _rename_new(temporary, target)
    _sync(os.path.dirname(target))
    os.unlink(source)


def _copy(source: str, target: str) -> None:
    with os.fdopen(_open_regular(source), "rb") as old, open(target, "xb") as new:
        while piece := old.read(1 << 20):
            new.write(piece)
        new.flush()
        os.fsync(new.fileno())
