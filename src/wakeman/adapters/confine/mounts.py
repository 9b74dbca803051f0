"""By which paths a directory is reached: a file system may be mounted in several places, whole or in part."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

MOUNT_TABLE = "/proc/self/mountinfo"


class Mount(NamedTuple):
    """One mount: of which file system, which part of it, and where."""

    device: str
    part: str
    at: str


def paths(directory: str, mounts: str = MOUNT_TABLE) -> list[str]:
    """List the paths of a directory, itself first. Shape: `directory` is free of symlinks.

    Boundary: where the list of mounts cannot be read, or does not name its own, only itself.
    """
    every = list(_listed_mounts(mounts))
    holding = [mount for mount in every if _path_below(directory, mount.at) is not None]
    own = max(enumerate(holding), key=lambda numbered: (len(numbered[1].at), numbered[0]), default=(0, None))[1]
    if own is None:
        return [directory]
    inside = _joined(own.part, _path_below(directory, own.at) or "")
    others = (
        _joined(mount.at, below)
        for mount in every
        if mount.device == own.device and (below := _path_below(inside, mount.part)) is not None
    )
    return list(dict.fromkeys([directory, *others]))


def _listed_mounts(file: str) -> Iterator[Mount]:
    """Yield the mounts, the latest last: of two in one place it covers the other."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            rows = [line.split() for line in stream]
    except OSError:
        return
    for row in rows:
        if len(row) > 4:
            yield Mount(row[2], _unescaped_path(row[3]), _unescaped_path(row[4]))


def _unescaped_path(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)


def _path_below(path: str, directory: str) -> str | None:
    start = directory.rstrip("/") + "/"
    if path == directory:
        return ""
    return path.removeprefix(start) if path.startswith(start) else None


def _joined(directory: str, below: str) -> str:
    return os.path.join(directory, below) if below else directory
