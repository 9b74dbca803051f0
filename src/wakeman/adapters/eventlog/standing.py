"""One process stands by for the checks that `check.sh` is called for: it holds the two files that the script tests.

Whoever stands by holds `standing`, which is never removed, so there is one. It also holds `coming`, by which the script
tells that a check is on its way; each holder of the log removes that one, so it is made again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os.path import join

from wakeman.adapters.eventlog.segments import COMING, STANDING, close_quietly, refusing

UNRENEWED_CALLS_MAX = 10
"""Calls after which `coming` is looked at again, at most."""
UNHELD = -1
"""In the place of a descriptor: `coming` is not held."""


@contextmanager
def stood_by(directory: str) -> Iterator[Callable[[], bool] | None]:
    """Stand by, as `Logs.stand_by` says. The script adds a byte to `standing` for each check that is wanted, and then
    tests `coming` again: so what is added after the last look at it, behind the end, begins a check of its own.
    """
    file = join(directory, STANDING)
    with refusing(file):
        own = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    announced, ended = Announced(directory), list[bool]()
    try:
        if not _flocked(own):
            yield None
            return
        os.ftruncate(own, 0)  # before it is announced: what is wanted from then on is seen

        def wanted() -> bool:
            if ended:
                return ended[0]
            announced.renew()
            return os.fstat(own).st_size > 0

        yield wanted
    finally:
        announced.end()
        ended.append(os.fstat(own).st_size > 0)
        close_quietly(own)


class Announced:
    """Holds the file `coming`, where no check is on its way already: that one looks, too."""

    def __init__(self, directory: str) -> None:
        self._file, self._fd = join(directory, COMING), UNHELD
        self._calls = 0

    def renew(self) -> None:
        """Hold the file that has this name now. Cost: a look every tenth call; if it was removed, one check begins."""
        self._calls += 1
        if self._calls % UNRENEWED_CALLS_MAX != 1 or self._is_held():
            return
        self.end()
        with suppress(OSError):
            self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _flocked(self._fd):
                self.end()

    def end(self) -> None:
        """Let it go."""
        if self._fd != UNHELD:
            close_quietly(self._fd)
            self._fd = UNHELD

    def _is_held(self) -> bool:
        try:
            return self._fd != UNHELD and os.path.samestat(os.fstat(self._fd), os.stat(self._file))
        except OSError:
            return False


def _flocked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# a check does without pathlib
