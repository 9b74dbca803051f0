"""Symbolic links above outputs, as they were when the plan went up: where a directory leads, if nobody moved it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping


def whole_paths(root: str, paths: Iterable[str]) -> dict[str, str]:
    """Return paths, relative to an absolute directory or absolute, and each as an absolute one."""
    directory = root if root.endswith("/") else f"{root}/"
    return {path: path if path.startswith("/") else directory + path for path in paths}


def directories_above(paths: Iterable[str]) -> list[str]:
    """List every directory above absolute paths, upper ones first: what the caller resolves on the disk."""
    found: dict[str, None] = {}
    for start in dict.fromkeys([path[: path.rfind("/") + 1] for path in paths]):
        above = posixpath.dirname(start)
        line = []
        while above not in found and above != posixpath.dirname(above):
            line.append(above)
            above = posixpath.dirname(above)
        found.update(dict.fromkeys(reversed(line)))
    return sorted(found, key=len)


def find_links(resolved: Mapping[str, str]) -> dict[str, str]:
    """Return the directories that are symlinks themselves, and where each leads.

    Shape: `resolved` maps each of `directories_above` to its path without symlinks.
    """
    return {
        path: real
        for path, real in resolved.items()
        if real
        != posixpath.join(resolved.get(posixpath.dirname(path), posixpath.dirname(path)), posixpath.basename(path))
    }


def follow_links(path: str, links: Mapping[str, str]) -> str:
    """Return where a path leads by the links that are known."""
    if not links:
        return path
    above, below = path, ""
    while above not in links and above != posixpath.dirname(above):
        below = posixpath.join(posixpath.basename(above), below) if below else posixpath.basename(above)
        above = posixpath.dirname(above)
    return posixpath.join(links[above], below).rstrip("/") if above in links else path
