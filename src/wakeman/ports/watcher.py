"""Reports files as they are written."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct


class FileChanges(Struct, frozen=True):
    """What happened on the disk since it was asked last: files written, moved in or made, by absolute path.

    Shape: `lost` says why there may be more than `paths` has. The receiver checks everything then.
    """

    paths: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()


class Watch(Protocol):
    """Directories under watch, with all that lies below them, those that are made later included."""

    @property
    def how(self) -> tuple[str, ...]:
        """Return how it is watched, one entry for each way: what, and where it is slow or blind."""

    def wait(self, seconds: float) -> FileChanges:
        """Return what happened as soon as something has; nothing after `seconds`.

        Boundary: a file that is being written is told when it is closed, or rests; a path that is told may be gone
        or be written again.
        """


class Watcher(Protocol):
    """Tells of files as they are written. It is a hint and never evidence: who hears of a file looks at it."""

    def watch(self, roots: Iterable[str], debounce: float, flat: Iterable[str] = ()) -> AbstractContextManager[Watch]:
        """Watch directories, whether or not they are there yet; of those in `flat` not what lies deeper.

        Units: `debounce` in seconds: what happens so soon after something else is reported together with it. Boundary:
        limits of the system and directories that cannot be watched are no error: `lost` reports them, again and again
        while they last.
        """
