"""Conflicts: no two units may write the same path, and none may write what another reads."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from wakeman.core.model import Unit

_WILD = r"[*?[]"
_QUOTED = r"\[([*?[])\]"
_VERBS = ("writes", "claims", "reads")  # in this order on equal paths: a reader is met after all writers


class _UsedPath(Struct):
    """One path that a unit writes, claims or reads."""

    key: str
    order: int
    unit: str
    declared: str
    path: str
    elsewhere: bool  # of another open deployment
    other: _UsedPath | None = None  # nearest path, this one or above, that another unit writes


def used_paths(units: Sequence[Unit]) -> list[str]:
    """List the paths that the caller resolves on the disk for `conflicts`: inputs, outputs, claimed directories."""
    return list(dict.fromkeys([path for unit in units for _, _, path in _declared(unit)]))


def conflicts(
    units: Sequence[Unit], resolved: Mapping[str, str], *, fold_case: bool, others: Sequence[Unit] = ()
) -> list[str]:
    """List every path in conflict, one line each, naming both units.

    Shape: `resolved` maps each of `used_paths(units)` to its absolute path without symlinks. A path is reported once,
    against the nearest path of another unit at or above it. `fold_case` also treats NFC and NFD as the same name.
    `others` are units of other open deployments, by names and paths that nobody else has: what they write is theirs,
    and may be read. Boundary: a unit may overwrite its own input; units of one share still conflict. Cost: n log n.
    """
    above: list[_UsedPath] = []
    problems = []
    used = [*_places(units, resolved, fold_case), *_places(others, resolved, fold_case, elsewhere=True)]
    for place in sorted(used, key=lambda place: (place.key, place.order)):
        while above and not place.key.startswith(above[-1].key):
            above.pop()
        if above:
            place.other = above[-1] if above[-1].unit != place.unit else above[-1].other
        if place.other and not _may_share(place.other, place):
            problems.append(_problem(place.other, place))
        if _VERBS[place.order] != "reads":
            above.append(place)
    return problems


def _may_share(upper: _UsedPath, lower: _UsedPath) -> bool:
    """Return whether two paths of different deployments are no conflict, or none of this plan."""
    return (upper.elsewhere and lower.elsewhere) or (
        upper.elsewhere != lower.elsewhere and "reads" in (_VERBS[upper.order], _VERBS[lower.order])
    )


def escape_pattern(text: str) -> str:
    """Escape a value so that its wildcards are literal in a pattern of `units.writes`."""
    return re.sub(_WILD, r"[\g<0>]", text)


def claimed(pattern: str) -> str:
    """Return the directory or file that a pattern covers: its parts before the first with a wildcard."""
    parts = pattern.split("/")
    wild = next((i for i, part in enumerate(parts) if re.search(_WILD, re.sub(_QUOTED, "", part))), len(parts))
    prefix = re.sub(_QUOTED, r"\1", "/".join(parts[:wild]))
    return prefix or ("/" if pattern.startswith("/") else ".")


def holder(pattern: str) -> str:
    """Return the directory that contains everything a pattern names; without a wildcard it names a file."""
    reached = claimed(pattern)
    if reached == re.sub(_QUOTED, r"\1", pattern) and not pattern.endswith("/"):
        return posixpath.dirname(reached) or "."
    return reached


def key(path: str, *, fold_case: bool) -> str:
    """Return a spelling of an absolute path that is a prefix of the spellings of all paths below it.

    Shape: part after part, each ended by NUL; `fold_case` also treats NFC and NFD as the same name.
    """
    if fold_case:
        path = unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())
    return "\0".join([*filter(None, path.split("/")), ""])


def _places(
    units: Sequence[Unit], resolved: Mapping[str, str], fold_case: bool, *, elsewhere: bool = False
) -> Iterator[_UsedPath]:
    for unit in units:
        for order, declared, path in _declared(unit):
            absolute = resolved[path]
            yield _UsedPath(key(absolute, fold_case=fold_case), order, unit.name, declared, absolute, elsewhere)


def _declared(unit: Unit) -> Iterator[tuple[int, str, str]]:
    for output in unit.outputs:
        yield 0, output, output
    for pattern in unit.writes:
        yield 1, pattern, claimed(pattern)
    if unit.input is not None:
        yield 2, unit.input, unit.input


def _problem(upper: _UsedPath, lower: _UsedPath) -> str:
    where = "the same place" if upper.key == lower.key else f"inside {upper.path!r}"
    expected = "every place to be one unit's"
    if upper.elsewhere or lower.elsewhere:
        name = (upper if upper.elsewhere else lower).unit.partition("/")[0]
        expected = f"no other open deployment to write there: wait for its end, or wakeman down {name}"
    return (
        f"units: {upper.unit!r} {_VERBS[upper.order]} {upper.declared!r} and"
        f" {lower.unit!r} {_VERBS[lower.order]} {lower.declared!r}: {lower.path!r} is {where};"
        f" expected {expected}"
    )
