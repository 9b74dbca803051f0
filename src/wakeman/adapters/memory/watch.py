"""A watch over the files in memory: it reports what differs from the previous call."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from wakeman.adapters.memory.disk import MemoryFiles
from wakeman.ports import FileChanges


class MemoryWatch:
    """Watched directories in memory. `pause` lets time pass while nothing happens."""

    how = ("memory",)

    def __init__(self, watcher: MemoryWatcher, roots: Iterable[str], flat: Iterable[str]) -> None:
        self._watcher, self._flat = watcher, set(flat)
        self._roots = [f"{root.rstrip('/')}/" for root in roots]
        self._seen = self._inside()

    def wait(self, seconds: float) -> FileChanges:
        found = self._stirred()
        if not found.paths and not found.lost and seconds > 0:
            self._watcher.pause(seconds)
            found = self._stirred()
        return found

    def _stirred(self) -> FileChanges:
        now = self._inside()
        paths = frozenset(path for path, entry in now.items() if self._seen.get(path) != entry)
        self._seen = now
        lost, self._watcher.lost = tuple(self._watcher.lost), []
        return FileChanges(frozenset() if lost else paths, lost)

    def _inside(self) -> dict[str, object]:
        files = self._watcher.files
        there: dict[str, object] = {**files.held, **{path: files.held.get(t) for path, t in files.links.items()}}
        return {
            path: entry
            for path, entry in there.items()
            if posixpath.dirname(path) in self._flat or any(path.startswith(root) for root in self._roots)
        }


class MemoryWatcher:
    """Watches files in memory. `lost` is reported next, instead of the files that were missed."""

    def __init__(self, files: MemoryFiles, pause: Callable[[float], object]) -> None:
        self.files, self.pause = files, pause
        self.lost: list[str] = []

    @contextmanager
    def watch(self, roots: Iterable[str], debounce: float, flat: Iterable[str] = ()) -> Iterator[MemoryWatch]:
        """Watch from now on."""
        del debounce
        yield MemoryWatch(self, roots, flat)
