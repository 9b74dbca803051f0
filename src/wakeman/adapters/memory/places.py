"""Files and directories in memory, by path, with what a disk knows besides: the names in each directory, and how many
names a file has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, MutableSet
from typing import Any, TypeAlias

Held: TypeAlias = tuple[bytes, int, int]
"""A file: its bytes, its time of change in nanoseconds, and its inode."""


class Tree:
    """The paths in each directory, and how many paths each of them stands for: itself, and what is below it."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[str, int]] = {}

    def names(self, directory: str) -> Iterable[str]:
        """Return the names in a directory, which may be given with a slash at its end."""
        return [path.rpartition("/")[2] for path in self._paths.get(directory.rstrip("/"), ())]

    def add(self, path: str) -> None:
        """Add a path. Cost: of a directory that is new, those above it that are new."""
        above = path.rpartition("/")[0]
        there = self._paths.get(above)
        if there is None:
            there = self._paths[above] = {}
            if above:
                self.add(above)
        there[path] = there.get(path, 0) + 1

    def remove(self, path: str) -> None:
        """Remove a path that was added."""
        above = path.rpartition("/")[0]
        there = self._paths[above]
        there[path] -= 1
        if there[path]:
            return
        del there[path]
        if not there:
            del self._paths[above]
            if above:
                self.remove(above)


class HeldFiles(dict[str, Held]):
    """Files by path. `links` counts the names of each inode; `touched` are those that changed, if anybody asks."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self._tree = tree
        self.links: Counter[int] = Counter()
        self.touched: set[str] | None = None

    def __setitem__(self, path: str, held: Held) -> None:
        before = self.get(path)
        if before is None:
            self._tree.add(path)
        else:
            self.links[before[2]] -= 1
        self.links[held[2]] += 1
        super().__setitem__(path, held)
        self._touch(path)

    def __delitem__(self, path: str) -> None:
        self.links[self[path][2]] -= 1
        super().__delitem__(path)
        self._tree.remove(path)
        self._touch(path)

    def _touch(self, path: str) -> None:
        if self.touched is not None:
            self.touched.add(path)

    def pop(self, path: str, *default: Any) -> Any:
        """Remove a file and return it; without one the default. Raises: KeyError without either."""
        if path in self or not default:
            held = self[path]
            del self[path]
            return held
        return default[0]

    def clear(self) -> None:
        """Remove all."""
        for path in list(self):
            del self[path]


class Directories(MutableSet[str]):
    """The directories that were made."""

    def __init__(self, tree: Tree, paths: Iterable[str] = ()) -> None:
        self._tree = tree
        self._paths: set[str] = set()
        for path in paths:
            self.add(path)

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def add(self, path: str) -> None:
        """Add one."""
        if path not in self._paths:
            self._paths.add(path)
            self._tree.add(path)

    def discard(self, path: str) -> None:
        """Remove one, if it is there."""
        if path in self._paths:
            self._paths.remove(path)
            self._tree.remove(path)
