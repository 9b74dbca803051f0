"""Rows for a terminal that is narrower than they are: broken between words, a command whole where it fits in a row.

Where there is no terminal a row stays as it is: a script reads it. Loaded only for a terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TextIO

_LABEL = re.compile(r" *(?:[✓+] |[a-z]{2,7}: +)?")
"""What a row begins with, below which it goes on: blanks, and a sign, or a word such as `error:`."""
_PIECE = re.compile(r"( *)(wakeman [^,;]+[,;]?|\S+)")
"""Blanks, then a command up to the end of its part of the sentence, or a word."""
_COLUMN_CELLS_MIN = 20
"""Cells of a column of text at least; where there is less room, its rows are broken as all others."""
_BODY_CELLS_MIN = 30
"""Cells beside a label at least; where there is less room, a row goes on further to the left."""


def cells_of(stream: TextIO) -> int | None:
    """Return how many cells a row on a stream may have; None where there is no terminal, or it does not say."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):
        return None
    return columns - 1 if columns > 1 else None


def width(text: str) -> int:
    """Return how many cells a text has."""
    if text.isascii():
        return len(text)
    from wakeman.faces.cli.paper import cells_in

    return cells_in(text)


def rows_within(text: str, cells: int | None, indent: int | None = None) -> list[str]:
    """Return a text in rows of at most so many cells; those after the first begin with `indent` blanks.

    Boundary: a word or a command that fits only further to the left begins there; a word that is longer than a row is
    in one of its own, whole, so that it can be copied.
    """
    if cells is None or width(text) <= cells:
        return [text]
    label = _LABEL.match(text)
    head = label[0] if label and indent is None else ""
    blanks = len(head) - len(head.lstrip())
    roomy = not head.strip() or cells - len(head) >= _BODY_CELLS_MIN
    at = indent if indent is not None else len(head) if roomy else blanks + 2
    rows, row = list[str](), head
    for glue, piece in _pieces(text[len(head) :], cells):
        longer = row + glue + piece
        if row.strip() and width(longer) > cells and (row != head or width(piece) <= cells):
            rows.append(row.rstrip())
            longer = " " * max(0, min(at, cells - width(piece))) + piece
        row = longer
    return [*rows, row]


def rows_of_table(rows: Sequence[Sequence[str]], cells: int | None) -> Iterator[str]:
    """Yield the rows of a table; where it is too wide, the column with the longest text is broken between words."""
    widths = [max(width(row[at]) for row in rows) for at in range(len(rows[0]))]
    long = max(range(len(widths)), key=widths.__getitem__)
    others = sum(widths) - widths[long] + 2 * (len(widths) - 1)
    room = widths[long] if cells is None else min(widths[long], cells - others)
    if room < min(_COLUMN_CELLS_MIN, widths[long]):
        for row in rows:
            yield from rows_within(_in_columns(row, widths), cells, 2)
        return
    widths[long] = room
    for row in rows:
        texts = rows_within(row[long], room, 0)
        for at, text in enumerate(texts):
            yield _in_columns([text if n == long else "" if at else cell for n, cell in enumerate(row)], widths)


def _in_columns(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def _pieces(text: str, cells: int) -> Iterator[tuple[str, str]]:
    """Yield the words of a text with the blanks before each; a command that fits in a row is one word."""
    for found in _PIECE.finditer(text):
        if width(found[2]) <= cells:
            yield found[1], found[2]
        else:
            yield from re.findall(r"( *)(\S+)", found[0])
