"""Printing what a verb has done: whom it was done to, what is kept, what follows and when, how to undo it or look."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wakeman.core.text import time_span
from wakeman.faces.cli.show import out, print_command, printable, reaching, show, warn

if TYPE_CHECKING:
    from wakeman.api.answer import Answer
    from wakeman.api.deeds import Acted, Change, Deed, Followup

UNDONE_ROW_CHARS = 76
"""Cells of a row of units."""


def did(options: Namespace, answer: Answer[Acted], following: Sequence[str] = ()) -> int:
    """Print what a verb has done, with commands that lead where this one did; return the exit code."""
    from msgspec.structs import replace

    deeds = []
    for deed in answer.data.deeds:
        undo, look = reaching(options.state, (deed.undo, deed.look))
        deeds.append(replace(deed, undo=undo, look=look))
    return show(options, replace(answer, data=replace(answer.data, deeds=tuple(deeds))), print_deeds, following)


def print_deeds(data: Acted) -> None:
    """Print each deed: the first row says what was done, those below it what follows."""
    for deed in data.deeds:
        out(f"{tick()} {printable(deed.says)}")
        _print_changes(deed.changes)
        for row in _deed_rows(deed):
            out(f"  {row}")
        for word, command in (("undo", deed.undo), ("see", deed.look)):
            if command:
                print_command(f"  {word}: ", command, sys.stdout)
    warn(data)


def tick() -> str:
    """Return the sign of what is done, in ASCII where the terminal shows no other."""
    return "✓" if "utf" in (sys.stdout.encoding or "").lower() else "+"


def coming(at: str | None) -> str:
    """Return when something follows, as `, at 00:55, in 3 min`; "" if nobody knows."""
    if at is None:
        return ""
    when = datetime.fromisoformat(at)
    left = (when - datetime.now(UTC)).total_seconds()
    return f", at {when.astimezone():%H:%M}, in {time_span(left, fine=True)}" if left >= 1 else ", now"


def _deed_rows(deed: Deed) -> Iterator[str]:
    yield from map(printable, deed.details)
    for each in deed.follows:
        yield from _followup(each)


def _followup(each: Followup) -> Iterator[str]:
    yield f"{printable(each.says)}{coming(each.at)}" + (":" if each.units else "")
    row = ""
    for name in map(printable, each.units):
        longer = f"{row}, {name}" if row else name
        if row and len(longer) > UNDONE_ROW_CHARS:
            yield f"  {row},"
            longer = name
        row = longer
    if row:
        yield f"  {row}"


def _print_changes(changes: Sequence[Change]) -> None:
    rows = [(each.what, " -> ".join(filter(None, (each.before, each.after))), each.applies) for each in changes]
    widths = [max(len(row[at]) for row in rows) for at in range(2)] if rows else []
    for row in rows:
        cells = [printable(cell).ljust(width) for cell, width in zip(row, widths, strict=False)]
        out(f"  {'  '.join([*cells, printable(row[2])])}".rstrip())
