"""The time of a night in one row: a mark a column, the gravest of its span, and where somebody stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from wakeman.api.rewind import GRAVITY, MarkSign, NightMark
from wakeman.core.text import time_span
from wakeman.faces.cli.page import SIGNS
from wakeman.faces.cli.paper import DIM, DONE, WAITS, Line, Paper

MARK_SIGNS: dict[MarkSign, tuple[str, str]] = {
    "failed": SIGNS["failed"],
    "ask": SIGNS["ask"],
    "held": SIGNS["held"],
    "done": ("✓", DONE),
}


def slider_row(marks: Sequence[NightMark], began: float, ended: float, here: float | None, on: Paper) -> Line:
    """Return the row. `here` is the moment that is shown, in seconds since 1970; None for now."""
    start = f" {datetime.fromtimestamp(began, UTC).astimezone():%H:%M} "
    tail = " now <- -> time" if on.ascii else " now ←→ time"
    if here is not None:
        tail = f" {time_span(ended - here)} ago"
    cells = on.room - len(start) - len(tail)
    if cells < 10:
        tail, cells = "", max(1, on.room - len(start))
    span = max(ended - began, 1e-9)

    def column(at: float) -> int:
        return max(0, min(cells - 1, int((at - began) / span * (cells - 1))))

    place = column(here) if here is not None else cells - 1
    gravest: dict[int, MarkSign] = {}
    for mark in marks:
        at = column(mark.at)
        if at not in gravest or GRAVITY.index(mark.sign) < GRAVITY.index(gravest[at]):
            gravest[at] = mark.sign
    track: Line = []
    for at in range(cells):
        sign, colour = MARK_SIGNS[gravest[at]] if at in gravest else ("─", DIM)
        if at == place:
            sign, colour = "█", WAITS if here is not None else ""
        elif at > place:
            colour = DIM
        if track and track[-1][1] == colour:
            track[-1] = (track[-1][0] + sign, colour)
        else:
            track.append((sign, colour))
    return on.row([(start, DIM), *track, (tail, WAITS if here is not None else DIM)])
