"""Reads what a plan names by its file, so that it is neither in the plan nor in the log."""

from __future__ import annotations

import os

SECRET_CHARS_MAX = 4096
"""Characters of a receiver's secret that are read."""


def kept_secret(root: str, file: str) -> str:
    """Return what a file has, relative to the plan's directory; "" for no file. Raises: OSError."""
    if not file:
        return ""
    with open(os.path.join(root, file), encoding="utf-8", errors="replace") as opened:
        return opened.read(SECRET_CHARS_MAX).strip()
