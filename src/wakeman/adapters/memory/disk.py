"""Files in a dictionary, with the rules of a real disk."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from wakeman.adapters.memory.clock import MemoryClock
from wakeman.adapters.memory.places import Directories, Held, HeldFiles, Tree
from wakeman.core.errors import StorageError, UsageError
from wakeman.core.model import FileFingerprint
from wakeman.ports import STATE_MARKER, Installed, PathEntry

FLUSHED_S = 30.0
"""Seconds after which the system has written by itself what nobody synced."""


@dataclass
class MemoryFiles:
    """Files in a dictionary: absolute path -> (bytes, mtime in nanoseconds, inode).

    Shape: `links` are symlinks: path -> target; `made` are the directories; `closed` is what may not be
    written to; `unsynced` is what a power cut may take: path -> when it was written, and what was there before;
    `failing` are the files that the disk does not keep: path -> why.
    """

    clock: MemoryClock
    links: dict[str, str] = field(default_factory=dict)
    pipes: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)  # files that are open for writing
    unsynced: dict[str, tuple[datetime, Held | None]] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)  # inodes of the directories that were asked for
    device: int = 1
    _inodes: int = 0

    def __post_init__(self) -> None:
        self._tree = Tree()
        self.held, self.made = HeldFiles(self._tree), Directories(self._tree)

    def marks(self, paths: Iterable[str]) -> dict[str, FileFingerprint]:
        found = {}
        for path in paths:
            entry = self.held.get(self._real(path))
            if entry is not None:
                found[path] = FileFingerprint(path=path, size=len(entry[0]), mtime_ns=entry[1], inode=entry[2])
        return found

    def touched(self) -> frozenset[str] | None:
        if self.held.touched is None:
            return None
        touched, self.held.touched = frozenset(self.held.touched), set()
        return touched

    def entries(self, paths: Iterable[str]) -> dict[str, PathEntry]:
        found = {}
        for path in paths:
            place = self._entry(path)
            held = self.held.get(place)
            if place in self.links:
                found[path] = PathEntry("symbolic link", 1, 0, 1)
            elif held is not None:
                found[path] = PathEntry("file", 1, held[2], self.held.links[held[2]])
            elif place in self.made or place in self.pipes:
                found[path] = PathEntry("directory" if place in self.made else "named pipe", 1, 0, 1)
        return found

    def read(self, path: str, limit: int = 64 * 1024 * 1024, *, within: str = "") -> bytes:
        entry = self._seen(path, within)
        if entry is None:
            raise StorageError(f"{path}: no such file")
        if len(entry[0]) > limit:
            raise StorageError(f"{path}: more than {limit} bytes, expected at most that")
        return entry[0]

    def tail(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        data = (self._seen(path, within) or (b"", 0, 0))[0]
        return data[max(0, len(data) - size) :]

    def head(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        return (self._seen(path, within) or (b"", 0, 0))[0][:size]

    def glob(self, root: str, patterns: Sequence[str], exclude: Sequence[str]) -> list[str]:
        place = self._real(root)
        if place not in self.made:
            raise StorageError(f"{root}: no such directory")
        wanted, unwanted = (
            [_pattern_parts(pattern) for pattern in patterns],
            [_pattern_parts(pattern) for pattern in exclude],
        )
        files = (path for path in (*self.held, *self.links) if self._real(path) in self.held)
        states = [f"{posixpath.dirname(path)}/" for path in self.held if posixpath.basename(path) == STATE_MARKER]
        marked = tuple(state for state in states if state.startswith(f"{place}/") and state != f"{place}/")
        inside = (
            path.removeprefix(f"{place}/").split("/")
            for path in files
            if path.startswith(f"{place}/") and not path.startswith(marked)
        )
        return sorted(
            "/".join(names)
            for names in inside
            if any(_path_matches(names, parts) for parts in wanted)
            and not any(
                _path_matches(names[:depth], parts, hidden=True)
                for parts in unwanted
                for depth in range(1, len(names) + 1)
            )
        )

    def names(self, directory: str) -> list[str]:
        place = self._real(directory)
        start = place.rstrip("/") + "/"
        inside = (path.removeprefix(start) for path in (*self.links, *self.pipes) if path.startswith(start))
        return sorted({*self._tree.names(place), *(path.partition("/")[0] for path in inside)})

    def is_directory(self, path: str) -> bool:
        return self._real(path) in self.made

    def directory_id(self, path: str) -> str:
        place = self._real(path)
        if place not in self.made:
            self.known.pop(place, None)
            return ""
        if place not in self.known:
            self._inodes += 1
            self.known[place] = self._inodes
        return f"{self.known[place]}:{self.device}"

    def resolve(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: self._real(path) for path in paths}

    def folds_case(self, path: str) -> bool:
        del path
        return False

    def write(self, path: str, data: bytes, *, mode: int = 0o600, durable: bool = False, within: str = "") -> None:
        del mode
        if within and (link := self._link(posixpath.dirname(path), within)):
            raise StorageError(
                f"{link}: found a link that leads to {self.links[link]}", "remove it, and retry the worker"
            )
        place = self._place(path)
        self.links.pop(place, None)
        self._note(path, durable=durable)
        self._inodes += 1
        self.held[place] = (data, int(self.clock.at.timestamp() * 1e9), self._inodes)

    def link(self, target: str, path: str) -> None:
        place = self._place(path)
        if place in self.held:
            raise StorageError(f"{path}: exists already, and is no symlink")
        self.links[place] = target

    def pipe(self, path: str) -> None:
        self.pipes.add(self._place(path))

    def writable(self, path: str) -> bool:
        return path not in self.closed

    def room(self, path: str) -> int | None:
        del path
        return None

    def make(self, directory: str, *, mode: int = 0o700) -> None:
        del mode
        place = self._real(directory)
        if place in self.held:
            raise StorageError(f"{directory}: a part of the path is no directory")
        if place not in self.made and place != "/":
            self.make(posixpath.dirname(place))
            self.made.add(place)

    def move(self, source: str, target: str) -> str:
        into = target.endswith("/") or self._real(target) in self.made
        goal = posixpath.join(target, posixpath.basename(source)) if into else target
        old = self._entry(source)
        below = f"{old}/"
        everything = (old,) if old in self.held else (*self.held, *self.links, *self.made)
        moved = [each for each in everything if each == old or each.startswith(below)]
        if not moved:
            raise StorageError(f"{source}: no such file")
        new = self._place(goal)
        if new in self.held or new in self.links:
            raise StorageError(f"{goal}: exists already, and nothing is overwritten")
        self.unsynced.pop(source, None)
        for each in moved:
            there = new + each.removeprefix(old)
            if each in self.made:
                self.made.discard(each)
                self.made.add(there)
            else:
                kind: dict[str, Any] = self.held if each in self.held else self.links
                kind[there] = kind.pop(each)
        return goal

    def remove(self, path: str) -> None:
        self.held.pop(self._entry(path), None)
        self.links.pop(self._entry(path), None)

    def erase(self, directory: str, *, within: str, last: str = "") -> int:
        del last
        place = posixpath.join(self._real(within), posixpath.relpath(directory, within))
        if (link := self._link(directory, within)) or place in self.held:
            raise StorageError(f"{link or directory}: a part of the path is no directory")
        below = f"{place}/"
        gone = {path: entry for path, entry in self.held.items() if path.startswith(below)}
        for path in gone:
            del self.held[path]
        self.links = {path: to for path, to in self.links.items() if not path.startswith(below)}
        self.made -= {path for path in self.made if f"{path}/".startswith(below)}
        self.pipes = {path for path in self.pipes if not path.startswith(below)}
        return sum(len(entry[0]) for entry in gone.values())

    def sync(self, paths: Iterable[str], *, within: str) -> dict[str, str]:
        del within
        refused = {}
        for path in paths:
            if path in self.failing or self._real(path) not in self.held:
                refused[path] = self.failing.get(path, "no such file or directory")
            else:
                self.unsynced.pop(path, None)
        return refused

    def lose(self, taken: Callable[[], bool]) -> None:
        """Lose in a power cut what nobody synced, as far as it is `taken`, which is asked for each."""
        for path, (at, held) in self.unsynced.items():
            if (self.clock.at - at).total_seconds() < FLUSHED_S and taken():
                self.held.pop(path, None)
                if held is not None:
                    self.held[path] = held
        self.unsynced.clear()

    def _note(self, path: str, *, durable: bool) -> None:
        """Note what a power cut may take of a file that is about to be written."""
        if durable:
            self.unsynced.pop(path, None)
            return
        now, there = self.clock.at, self.held.get(path)
        at, held = self.unsynced.get(path, (now, there))
        self.unsynced[path] = (now, held if (now - at).total_seconds() < FLUSHED_S else there)

    def writing(self, paths: Iterable[str]) -> set[str]:
        return self.open.intersection(paths)

    def install(
        self, stage: str, inside: str, target: str, mark: FileFingerprint, over: FileFingerprint | None, *, keep: bool
    ) -> Installed:
        place, source = self._entry(target), posixpath.join(self._real(stage), inside)
        if place in self.links:
            return Installed(why="a symbolic link is there")
        there, entry = self.held.get(place), self.held.get(source)
        ours = over is not None and there is not None and self._as(place, over)
        installed = there is not None and not ours and (len(there[0]), there[1]) == (mark.size, mark.mtime_ns)
        if place in self.made:
            raise StorageError(f"{target}: exists already, and nothing is overwritten")
        if there is not None and not ours and not installed:
            return Installed(why="changed by somebody else meanwhile")
        judged = self._real(source) == source and self._as(source, mark)
        if not installed:
            if entry is None or not judged:
                return Installed(why="not as it was judged any more")
            self.make(posixpath.dirname(place))
            self._inodes += keep
            self.held[place] = (entry[0], entry[1], self._inodes if keep else entry[2])
        self.unsynced.pop(target, None)
        if judged and not keep:
            del self.held[source]
            self.unsynced.pop(f"{stage}/{inside}", None)
        return Installed(mark=self.marks([place])[place])

    def _seen(self, path: str, within: str) -> Held | None:
        return None if within and self._link(path, within) else self.held.get(self._real(path))

    def _link(self, path: str, within: str) -> str:
        """Return the first symlink on the way from a directory to a path; "" without one."""
        at = self._real(within)
        for part in posixpath.relpath(path, within).split("/"):
            at = posixpath.join(at, part)
            if at in self.links:
                return at
        return ""

    def _as(self, place: str, mark: FileFingerprint) -> bool:
        entry = self.held.get(place)
        return entry is not None and (len(entry[0]), entry[1], entry[2]) == (mark.size, mark.mtime_ns, mark.inode)

    def _place(self, path: str) -> str:
        """Return the resolved path of an entry, and make its directory. Raises: StorageError if it is a directory."""
        place = self._entry(path)
        if place in self.made:
            raise StorageError(f"{path}: is a directory, expected a file")
        if (above := posixpath.dirname(place)) not in self.made:
            self.make(above)
        return place

    def _entry(self, path: str) -> str:
        """Resolve a path, except a symlink at its end."""
        directory, name = posixpath.split(path.rstrip("/"))
        return posixpath.join(self._real(directory), name)

    def _real(self, path: str) -> str:
        """Resolve a path, symlinks and `..` part by part."""
        if not self.links:
            return posixpath.normpath(path)
        real = "/"
        for name in path.split("/"):
            place = posixpath.normpath(posixpath.join(real, name))
            real = self._real(posixpath.join(real, self.links[place])) if place in self.links else place
        return real


def _pattern_parts(pattern: str) -> list[str]:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if pattern.startswith("/") or ".." in parts:
        raise UsageError(f"{pattern!r}: found a pattern that leads outside, expected one relative to the plan file")
    return [*parts, "*"] if parts[-1:] == ["**"] else parts


def _path_matches(names: Sequence[str], parts: Sequence[str], *, hidden: bool = False) -> bool:
    """Return whether a path matches a pattern, part by part; a hidden name needs a part with a dot, or `hidden`."""
    if not names or not parts:
        return not names and not parts
    name, part = names[0], parts[0]
    seen = hidden or part.startswith(".") or not name.startswith(".")
    if part == "**":
        return _path_matches(names, parts[1:], hidden=hidden) or (
            seen and _path_matches(names[1:], parts, hidden=hidden)
        )
    return seen and fnmatch.fnmatchcase(name, part) and _path_matches(names[1:], parts[1:], hidden=hidden)
