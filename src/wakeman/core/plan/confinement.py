"""The directories that confined workers may write to: which they are, which plans are refused, and blocked writes.

Neither Landlock nor a mount can name a file that does not exist yet, and creating or renaming one needs rights on its
directory. So workers are confined to whole directories, and no two workers may share one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from msgspec import Struct

from wakeman.core.model import Share, Unit
from wakeman.core.plan.conflicts import holder, key


class WritableDirectory(Struct, frozen=True):
    """A directory that a worker may write to: as the plan names it, and absolute, without symlinks.

    Shape: `shared` is one of `workers.confine_also`, which others may have too.
    """

    worker: str
    declared: str
    path: str
    shared: bool = False

    @property
    def setting(self) -> str:
        """Return the name of the key of the plan that it comes from."""
        return "workers.confine_also" if self.shared else "workers.confine"


def unit_directories(unit: Unit, *, staged: bool = False) -> list[str]:
    """List the directories that a unit's worker must be able to write to: those of its outputs and of its claims.

    Shape: outputs that are `staged` are made elsewhere.
    Boundary: a claim without a wildcard that does not end in a slash is taken for a file.
    """
    outputs = (posixpath.dirname(output) or "." for output in unit.outputs)
    return list(dict.fromkeys([*(() if staged else outputs), *map(holder, unit.writes)]))


def tops(wanted: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return for each directory the topmost known directory that contains it, or itself; all paths are absolute.

    Shape: a worker that may write to a directory can replace what is below it by a link to somewhere else, but not the
    topmost directory itself.
    """
    there = {posixpath.normpath(place) for place in known}
    return list(dict.fromkeys(_top(posixpath.normpath(place), there) for place in wanted))


def _top(place: str, known: set[str]) -> str:
    top = place
    while place != "/":
        place = posixpath.dirname(place)
        if place in known:
            top = place
    return top


def writable_directories(
    shares: Iterable[Share], also: Mapping[str, Iterable[str]], resolved: Mapping[str, str], *, staged: bool = False
) -> list[WritableDirectory]:
    """List what each worker may write to. `also` gives more directories by worker; `resolved` knows them all."""
    made = []
    for share in shares:
        own = dict.fromkeys(place for unit in share.units for place in unit_directories(unit, staged=staged))
        made += [WritableDirectory(share.name, place, resolved[place]) for place in own]
        made += [
            WritableDirectory(share.name, place, resolved[place], shared=True) for place in also.get(share.name, ())
        ]
    return made


def overlaps(found: Iterable[WritableDirectory], *, fold_case: bool) -> list[str]:
    """List workers that could write to a directory of another worker, at most one line each, naming both.

    Boundary: several workers may share a directory of `workers.confine_also`, but it may not contain another worker's
    outputs. Cost: one look-up for each part of each path.
    """
    listed, holders = _held(found, fold_case=fold_case)
    problems: dict[frozenset[str], str] = {}
    reported: set[str] = set()
    for place, spelled in listed:
        others = _above(spelled, holders, either=not place.shared)
        upper = next((other for other in others if other.worker != place.worker), None)
        if upper is not None and place.worker not in reported:
            reported.add(place.worker)
            problems.setdefault(frozenset((upper.worker, place.worker)), _overlap_message(upper, place))
    return list(problems.values())


def nested(found: Iterable[WritableDirectory], *, fold_case: bool) -> list[str]:
    """List directories of `workers.confine_also` that contain, or are inside, another writable one, a line each.

    Shape: a worker could replace the inner one by a link, and the next attempt would get access to the link's target.
    """
    listed, holders = _held(found, fold_case=fold_case)
    problems: dict[tuple[str, str], str] = {}
    for place, spelled in listed:
        for upper in _above(spelled, holders, either=True):
            if upper.path != place.path and (upper.shared or place.shared):
                problems[upper.path, place.path] = (
                    f"workers.confine_also: {place.path!r} is inside {upper.path!r}, and both may be written to;"
                    " expected the one or the other"
                )
    return list(problems.values())


Holders = dict[tuple[str, bool], dict[str, WritableDirectory]]


def _held(
    found: Iterable[WritableDirectory], *, fold_case: bool
) -> tuple[list[tuple[WritableDirectory, str]], Holders]:
    """Return each directory with its spelling; and, by spelling and whether it is shared, two of its owners."""
    listed = [(place, key(place.path, fold_case=fold_case)) for place in found]
    holders: Holders = {}
    for place, spelled in listed:
        held = holders.setdefault((spelled, place.shared), {})
        if len(held) < 2:  # two owners are enough to find one that is another
            held.setdefault(place.worker, place)
    return listed, holders


def _above(spelled: str, holders: Holders, *, either: bool) -> Iterator[WritableDirectory]:
    """Yield the owners of a directory or of one above it; `either`: also of shared ones."""
    parts = (f"{part}\0" for part in spelled.split("\0")[:-1])
    for above in reversed(list(accumulate(parts, initial=""))):
        for shared in (False, True) if either else (False,):
            yield from holders.get((above, shared), {}).values()


def _overlap_message(upper: WritableDirectory, lower: WritableDirectory) -> str:
    if upper.path == lower.path:
        upper, lower = sorted((upper, lower), key=lambda place: place.worker)
    where = "the same directory" if upper.path == lower.path else f"inside {upper.path!r}"
    setting = "workers.confine_also" if upper.shared or lower.shared else "workers.confine"
    return (
        f"{setting}: {upper.worker!r} may write to {upper.declared!r} and {lower.worker!r} to {lower.declared!r}:"
        f" {lower.path!r} is {where}; expected directories of its own for each worker:"
        " units.output and workers.by decide; or workers.stage = true"
    )


def exposures(found: Iterable[WritableDirectory], wards: Mapping[str, str], within: Iterable[str]) -> list[str]:
    """List directories that must not be writable, a line each.

    Shape: `wards` maps protected paths to what they are: no directory may contain one, nor be inside one of those in
    `within`.
    """
    closed = list(within)
    problems: dict[str, str] = {}
    for place in found:
        held = [what for ward, what in wards.items() if _lies_in(ward, place.path)]
        held += ["a .git directory"] if ".git" in place.path.split("/") else []
        held += [wards[ward] for ward in closed if _lies_in(place.path, ward)]
        if held and place.path not in problems:
            problems[place.path] = (
                f"{place.setting}: {place.worker!r} may write to {place.declared!r}, which holds or is part of"
                f" {held[0]}; expected a directory for outputs alone"
            )
    return list(problems.values())


def _lies_in(path: str, place: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{place.rstrip('/')}/")


# --- refusals that output reports -----------------------------------------------------------------------------

# Patterns are compiled on first use: most checks read no refusal.
_REFUSED = r"(?i)permission denied|read-only file system|operation not permitted"
_PATH_SIGN = r"""[^\s'"`\u2018\u2019:,;()\\]"""
_BEFORE = rf""" (?::?['"\u2019]?)(?P<path>{_PATH_SIGN}+)"""  # backwards: sh: cannot create /x: Permission denied
_AFTER = rf"""[^/\\\n]{{0,20}}['"](?P<path>{_PATH_SIGN}{{1,600}})['"]"""  # Permission denied: '/x'
_WINDOW_CHARS = 600
"""Characters that are searched for a path; it bounds the time that hostile output can cost."""
REFUSALS_KEPT_MAX = 20
"""Paths of blocked writes that are kept for one attempt."""


def refusals(text: str, cwd: str, reach: Iterable[str]) -> list[str]:
    """List the paths, each once, that were refused according to a program's output, outside what it may write to.

    Shape: `cwd` resolves relative ones. Boundary: output also reports what was refused for other reasons, or to another
    process; the caller checks whether it would have been refused here.
    """
    allowed = list(reach)
    paths = (posixpath.normpath(posixpath.join(cwd, path)) for path in _refused_paths(text))
    return list(dict.fromkeys(path for path in paths if not any(_lies_in(path, place) for place in allowed)))


def _refused_paths(text: str) -> Iterator[str]:
    """Yield the paths directly before or after the words of a refusal."""
    for found in re.finditer(_REFUSED, text):
        before = re.match(_BEFORE, text[max(0, found.start() - _WINDOW_CHARS) : found.start()][::-1])
        path = before["path"][::-1] if before else ""
        if "/" not in path:
            after = re.match(_AFTER, text[found.end() : found.end() + _WINDOW_CHARS + 30])
            path = after["path"] if after else ""
        if "/" in path:
            yield path
