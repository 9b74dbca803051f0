"""The disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from wakeman.core.model import FileFingerprint

STATE_MARKER = ".wakeman"
"""An (empty) file in state directories and in that of each deployment."""


class Installed(Struct, frozen=True):
    """Result of an install: the file's mark at its target, or `why` it was not installed."""

    mark: FileFingerprint | None = None
    why: str = ""


EntryKind: TypeAlias = Literal["file", "symbolic link", "directory", "named pipe", "socket", "device"]


class PathEntry(Struct, frozen=True):
    """What has a name: itself, where that is a symlink. Two names with one device and inode are one file."""

    kind: EntryKind
    device: int
    inode: int
    names: int  # that it has


class Files(Protocol):
    """The disk. Paths are absolute.

    Shape: `within` is a directory above a path, in which somebody else may put what they like: from there on no symlink
    is followed. What is no regular file is never read, nor waited for.
    """

    def marks(self, paths: Iterable[str]) -> dict[str, FileFingerprint]:
        """Stat files; what is missing, or no regular file, is left out. Cost: one stat each."""

    def touched(self) -> frozenset[str] | None:
        """Return the files, by resolved path, that were written or removed since this was asked last; None where the
        disk cannot tell."""

    def entries(self, paths: Iterable[str]) -> dict[str, PathEntry]:
        """Return what has each name; a name that nothing has is left out. Cost: one stat each."""

    def read(self, path: str, limit: int = 64 * 1024 * 1024, *, within: str = "") -> bytes:
        """Read a file. Raises: StorageError naming it, also when it is larger than `limit` bytes."""

    def tail(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        """Read the last `size` bytes of a file that others may write.

        Boundary: empty where there is no such file, or it cannot be read: anything may lie where a worker writes.
        """

    def head(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        """Read the first `size` bytes of a file that others may write; see `tail`."""

    def glob(self, root: str, patterns: Sequence[str], exclude: Sequence[str]) -> list[str]:
        """List regular files under `root` as relative paths, sorted; `**` spans directories.

        Boundary: hidden names match only a pattern that names them; an exclusion also excludes everything below. A
        directory that contains `STATE_MARKER` is Wakeman's own, and nothing in it is listed.
        Raises: StorageError for a directory that cannot be listed; UsageError for a pattern that leads outside `root`.
        """

    def names(self, directory: str) -> list[str]:
        """List the entries of a directory, sorted; empty when there is none."""

    def is_directory(self, path: str) -> bool:
        """Return whether it is a directory, or a link to one."""

    def directory_id(self, path: str) -> str:
        """Return what tells a directory, or the one that a link leads to, from others at its path; "" for none.

        Shape: `INODE:DEVICE`; the number of the device may be another after a restart of the machine.
        """

    def resolve(self, paths: Iterable[str]) -> dict[str, str]:
        """Return each path with symlinks and `..` resolved, whether or not it exists."""

    def folds_case(self, path: str) -> bool:
        """Return whether the file system there treats `A` and `a` as the same name."""

    def write(self, path: str, data: bytes, *, mode: int = 0o600, durable: bool = False, within: str = "") -> None:
        """Write a whole file at once (temporary file, then rename); makes directories, 0700.

        Raises: StorageError, naming a symlink that leads out of `within`.
        """

    def link(self, target: str, path: str) -> None:
        """Make `path` a symlink to `target`, replacing an existing one; makes directories, 0700."""

    def make(self, directory: str, *, mode: int = 0o700) -> None:
        """Make a directory and its parents with that mode, less the umask. No error if it exists."""

    def pipe(self, path: str) -> None:
        """Make a named pipe, 0600, replacing an existing one; its directory must exist. Raises: StorageError."""

    def writable(self, path: str) -> bool:
        """Return whether this process could write or create a file."""

    def room(self, path: str) -> int | None:
        """Return the bytes that this user may still write where a path is, or would be; None if that is not known."""

    def move(self, source: str, target: str) -> str:
        """Rename a file or directory; return its new path: `target`, or inside it if it is a directory or ends in `/`.

        Raises: StorageError when the source is missing or the target exists.
        """

    def remove(self, path: str) -> None:
        """Unlink a file of ours. No error when it is gone."""

    def erase(self, directory: str, *, within: str, last: str = "") -> int:
        """Delete a directory that lies below `within`, with all that is in it; return the bytes that are free now.

        Shape: `last` is the name of a file in it that goes after all else, so that it tells what a killed call left. A
        symlink is deleted, never what it leads to; a file with another name elsewhere frees nothing.
        Repeatable: yes; what is gone is no error. Raises: StorageError, naming what the disk refuses, a symlink on the
        way, or a directory on which another file system is mounted.
        """

    def sync(self, paths: Iterable[str], *, within: str) -> dict[str, str]:
        """Have the disk keep files, and their names in the directories up to `within`, whatever happens to the power;
        return those that it does not keep, and why.

        Boundary: a file that is not there is not kept. Where the system cannot sync, it is taken to have done so.
        """

    def writing(self, paths: Iterable[str]) -> set[str]:
        """Return those files that a process has open for writing, as far as the system shows it."""

    def install(
        self, stage: str, inside: str, target: str, mark: FileFingerprint, over: FileFingerprint | None, *, keep: bool
    ) -> Installed:
        """Install the file `inside` a directory at `target` in one step, durable on return.

        Shape: `mark` is its fingerprint when it was judged, `over` that of the file at `target` that may be replaced;
        `keep` leaves the original where it is. Makes directories, with the usual mode. Symlinks above `target` are
        followed; one at `target`, or on the way `inside`, is not. Boundary: if either differs, nothing is done, and
        `why` says which. Repeatable: yes; a file of that size and time at `target` is taken as installed before.
        Raises: StorageError for what the disk refuses.
        """
