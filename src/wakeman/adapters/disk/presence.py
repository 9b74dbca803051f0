"""Finds out by a listing which of many files in one directory are not there: one call instead of one for each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice

LISTED_NAMES_MAX = 8
"""Names in a directory for each file that is asked for, at most, up to which a listing takes less than looking up."""


def without_absent(paths: Sequence[str], least: int) -> list[str]:
    """Return paths without those that are certainly no files, in their order; `least` of one directory are worth a
    listing.

    Boundary: a directory that cannot be listed, or holds far more than is asked for, tells nothing. Nor does it tell of
    a name that it has in another case, of one with a tilde, or of one that is not ASCII: a file system may take that
    for another spelling of what it has.
    """
    together: dict[str, list[str]] = {}
    for path in paths:
        together.setdefault(path[: max(0, path.rfind("/"))], []).append(path)
    absent: set[str] = set()
    for directory, wanted in together.items():
        if directory and len(wanted) >= least:
            there = _names_listed(directory, LISTED_NAMES_MAX * len(wanted))
            cut = len(directory) + 1
            absent.update(
                path
                for path in wanted
                if there is not None and path[cut:].lower() not in there and _has_one_spelling(path[cut:])
            )
    return [path for path in paths if path not in absent]


def _names_listed(directory: str, most: int) -> set[str] | None:
    """Return the names in a directory, in lower case; None where that is not known."""
    try:
        with os.scandir(directory) as entries:
            names = [entry.name.lower() for entry in islice(entries, most + 1)]
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except (OSError, ValueError):
        return None
    return set(names) if len(names) <= most else None


def _has_one_spelling(name: str) -> bool:
    return name.isascii() and "~" not in name and name not in ("", ".", "..")
