"""What an audit says of each change to a log: `changes.txt` has, for each, the first line that no check would have
written, and what was expected there.

`python -m tests.audit.test_transcript > tests/audit/changes.txt` writes it anew. Then read the difference: each change
must be named where it was made, or where it shows first. The last line says how far it echoes: the fewer, the better.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

import pytest
from tests.forge import Forged
from tests.scripts.test_forged_nights import CHANGES, NIGHTS

FILE = Path(__file__).with_name("changes.txt")
WHAT = {what: (night, change) for what, night, change in CHANGES}


def told(what: str) -> list[str]:
    """Say what an audit finds at the first line that diverges."""
    night, change = WHAT[what]
    log = Forged(NIGHTS[night]())
    change(log)
    found = log.judged()
    first = [one for one in found if one.line == found[0].line]
    lines = [f"  {one.line} {one.kind}: {_lasting(one.found)} | {_lasting(one.expected)}" for one in first]
    behind = sorted({one.line for one in found} - {found[0].line})
    echo = f"{len(found) - len(first)} more, at {', '.join(map(str, behind))}" if behind else "nothing else"
    return [*lines, f"  {echo}"]


def _lasting(words: str) -> str:
    """Leave out what a new key of a plan changes: digests, and the sample that is drawn by one."""
    return re.sub(r"sampled [\w/]+(, [\w/]+)*", "sampled UNITS", re.sub(r"\b[0-9a-f]{8,}\b", "HEX", words))


@cache
def expected() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in FILE.read_text().splitlines():
        if line.startswith("  "):
            found[list(found)[-1]].append(line)
        else:
            found[line] = []
    return found


@pytest.mark.parametrize("what", WHAT)
def test_a_change_is_told_where_it_shows_with_what_was_expected(what: str) -> None:
    assert expected()[what] == told(what)


def test_each_change_is_told_once() -> None:
    assert list(WHAT) == list(expected())


if __name__ == "__main__":
    for change in WHAT:
        sys.stdout.write("\n".join([change, *told(change)]) + "\n")
