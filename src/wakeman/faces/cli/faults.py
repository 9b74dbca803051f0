"""Faults as text: equal ones are one entry, the cure is on a line of its own. `--json` has each by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from wakeman.core.errors import WRITE
from wakeman.faces.cli.show import printable

FAULTS_SHOWN_MAX = 20
"""Entries that are shown; the others are counted."""
NAMES_SHOWN_MAX = 4
"""Names of an entry that stands for several faults."""
SAME_FAULTS_MIN = 3
"""Equal faults from which on they are one entry."""
_VARYING = re.compile(r"'(?:\\.|[^'\\])*'|\d+")
_PLACED = re.compile(r"\S+:\d+: (\S+): ")
_INDEX = re.compile(r"\[\d+\]")
_A_NAME = "'"
_NAME = re.compile(r"'((?:\\.|[^'\\])*)'")


def fault_lines(problems: Sequence[str], word: str = "") -> Iterator[str]:
    """Yield the lines of some faults, each beginning with `word`; what belongs to one is indented below it."""
    begin = f"{word}: " if word else ""
    entries = _grouped(problems)
    for same in entries[:FAULTS_SHOWN_MAX]:
        found, *cures = same[0].split(WRITE)
        yield f"{begin}{printable(found)}"
        for at, cure in enumerate(cures):
            yield f"       {'' if at else 'write:':8}{printable(cure)}"
        if len(same) > 1:
            more = f" and {len(same) - NAMES_SHOWN_MAX} more" if len(same) > NAMES_SHOWN_MAX else ""
            names = ", ".join(printable(_name(problem)) for problem in same[:NAMES_SHOWN_MAX])
            yield f"       {'same:':8}{names}{more}"
    hidden = sum(map(len, entries[FAULTS_SHOWN_MAX:]))
    if hidden:
        yield f"{len(problems)} faults, {hidden} not shown"


def _grouped(problems: Sequence[str]) -> list[list[str]]:
    """Return the faults in groups, each at the place of its first."""
    groups: dict[str, list[str]] = {}
    for problem in problems:
        groups.setdefault(_without_names(problem), []).append(problem)
    apart: list[list[str]] = []
    for problem in problems:
        same = groups[_without_names(problem)]
        if len(same) < SAME_FAULTS_MIN:
            apart.append([problem])
        elif same[0] is problem:
            apart.append(same)
    return apart


def _without_names(problem: str) -> str:
    """Return a fault without what tells it from others of its kind: lines, places in a list, names and numbers."""
    placed = _PLACED.match(problem)
    key, said = (placed[1], problem[placed.end() :]) if placed else ("", problem)
    return f"{_INDEX.sub('[]', key)}: {_VARYING.sub(_A_NAME, said)}"


def _name(problem: str) -> str:
    """Return what tells a fault from others like it: the first name in it, or else its place."""
    named = _NAME.search(problem)
    return named[1] if named else ": ".join(problem.split(": ")[:2])
