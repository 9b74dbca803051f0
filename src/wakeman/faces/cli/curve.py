"""A curve in a terminal: points joined by dots. Both axes are logarithmic, so that what halves as another doubles is a
line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log
from typing import NamedTuple

from wakeman.faces.cli.paper import BOLD, DIM, NEEDED, Line, Paper, cells_in
from wakeman.faces.cli.show import lasting

CURVE_ROWS = 9
"""Rows that a curve has at most, without its axis."""
CURVE_CELLS_MAX = 60
LABEL_CELLS_MAX = 8
"""Cells left of the axis: a longer label is cut."""
DOT, REACHED, MISSED = "·", "■", "✗"


class Point(NamedTuple):
    """A point of a curve. Shape: `x` and `y` are more than 0; `y` is in seconds; `reached`: it is what was aimed at."""

    x: float
    y: float
    reached: bool


def drawn_curve(on: Paper, points: Sequence[Point]) -> list[Line]:
    """Return a curve in rows. Boundary: none where fewer than two values of `x` are."""
    ordered = sorted(points)
    if len({point.x for point in ordered}) < 2:
        return []
    cells = max(len(ordered), min(CURVE_CELLS_MAX, on.room - LABEL_CELLS_MAX - 3))
    across = [_step_of(point.x, ordered[0].x, ordered[-1].x, cells) for point in ordered]
    low, high = min(point.y for point in ordered), max(point.y for point in ordered)
    up = [_step_of(point.y, low, high, CURVE_ROWS) for point in ordered]
    signs = _dotted_line(list(zip(across, up, strict=True)))
    for place, point in zip(zip(across, up, strict=True), ordered, strict=True):
        if signs.get(place) != REACHED:
            signs[place] = REACHED if point.reached else MISSED
    labels = {at: lasting(point.y) for at, point in zip(up, ordered, strict=True)}
    rows = [_curve_row(on, signs, row, labels.get(row, ""), cells) for row in range(max(up), -1, -1)]
    return [*rows, *_axis(on, [(at, f"{point.x:g}") for at, point in zip(across, ordered, strict=True)], cells)]


def _step_of(value: float, low: float, high: float, steps: int) -> int:
    """Return on which of some steps a value is, from the lowest to the highest."""
    return round(log(value / low) / log(high / low) * (steps - 1)) if high > low else 0


def _dotted_line(places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Return the dots between points."""
    dots: dict[tuple[int, int], str] = {}
    for (left, start), (right, end) in pairwise(places):
        for at in range(left + 1, right):
            dots[at, round(start + (end - start) * (at - left) / (right - left))] = DOT
    return dots


def _curve_row(on: Paper, signs: dict[tuple[int, int], str], row: int, label: str, cells: int) -> Line:
    colours = {DOT: DIM, REACHED: BOLD, MISSED: NEEDED, " ": ""}
    found = [signs.get((at, row), " ") for at in range(cells)]
    return on.row(
        [
            (on.pad(on.cut(label, LABEL_CELLS_MAX), LABEL_CELLS_MAX, right=True), ""),
            (" │", DIM),
            *((sign, colours[sign]) for sign in found),
        ]
    )


def _axis(on: Paper, labels: Sequence[tuple[int, str]], cells: int) -> list[Line]:
    """Return the axis, and its labels as far as there is room between them."""
    indent, text = " " * (LABEL_CELLS_MAX + 2), ""
    for at, label in labels:
        start = max(0, min(at - cells_in(label) // 2, cells - cells_in(label)))
        if not text or start > len(text):
            text += " " * (start - len(text)) + label
    return [on.row([(f"{indent}{'─' * cells}", DIM)]), on.row([(indent + text, "")])]
