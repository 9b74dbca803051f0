"""Reports files as they are written."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct


class FileChanges(Struct, frozen=True):
    """Changes on the disk since the previous call: files written, moved in or created, by absolute path.

    Shape: `lost` says why `paths` may be incomplete. The receiver then checks everything.
    """

    paths: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()


class Watch(Protocol):
    """Watched directories with everything below them, also directories that are created later."""

    @property
    def how(self) -> tuple[str, ...]:
        """Return how it is watched, one entry per mechanism, with its limitations."""

    def wait(self, seconds: float) -> FileChanges:
        """Return changes as soon as there are any; none after `seconds`.

        Boundary: a file that is being written is reported when it is closed, or no longer changes; a reported path may
        be gone or be written again.
        """


class Watcher(Protocol):
    """Reports files as they are written. A report is a hint and never evidence: the receiver inspects the file."""

    def watch(self, roots: Iterable[str], debounce: float, flat: Iterable[str] = ()) -> AbstractContextManager[Watch]:
        """Watch directories, existing or not; of those in `flat` only the top level.

        Units: `debounce` in seconds: changes within that time are reported together. Boundary: limits of the system and
        directories that cannot be watched are no error: `lost` reports them repeatedly while they last.
        """
