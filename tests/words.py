"""Messages of libraries and systems: no test asserts them, as they differ between versions."""

from __future__ import annotations

import errno
import os
import re

THEIRS = "<their words>"
"""Stands in an expected text for one or more characters that a library has worded."""

NO_FILE = os.strerror(errno.ENOENT)
DENIED = os.strerror(errno.EACCES)
READ_ONLY_DISK = os.strerror(errno.EROFS)


def fits(expected: str, found: str) -> bool:
    """Return whether a text is the expected one, whatever it has in the place of `THEIRS`."""
    return re.fullmatch(re.escape(expected).replace(re.escape(THEIRS), ".+"), found, re.DOTALL) is not None
