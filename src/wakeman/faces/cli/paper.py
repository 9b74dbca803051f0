"""What a terminal takes: its width, its signs, its colours. Rows are cut by cells, so that none of them wraps.

Rich has the widths of characters and the colours; it is loaded by the verbs that show a page, and by no other.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from wakeman.core.text import sayable
from wakeman.faces.cli.show import way

Piece = tuple[str, str]
"""A text and its style; the style of plain text is ""."""
Line = list[Piece]

WIDTH_DEFAULT, HEIGHT_DEFAULT = 80, 24
NAME_CELLS_MAX = 25
"""Cells of a name at most; a longer one is cut in its middle."""
BARS_WIDTH_MIN = 60
WIDE_MIN = 120
"""Columns from which on a row has the words of others and what a command does beside it."""
NEEDED, WAITS, DONE, DIM, BOLD = "red", "yellow", "green", "dim", "bold"
_ASCII = {
    "▲": "!", "◆": "?", "✗": "x", "◌": "~", "●": ">", "·": ".", "✓": "+", "█": "#", "░": ".", "■": "#", "□": ".",
    "…": "...", "“": '"', "”": '"', "─": "-", "│": "|", "▌": "*",
}  # fmt: skip
_WIDE_TONGUES = ("ja", "ko", "zh")
"""Languages in whose terminals the signs are often two cells wide."""


@dataclass(frozen=True)
class Paper:
    """What rows are written on.

    Shape: `width` is the number of cells that a row may have, None where nothing is cut; `rows` of how many rows at
    most; None for any number. `way` are the options that commands have to name.
    """

    width: int | None = WIDTH_DEFAULT - 1
    rows: int | None = HEIGHT_DEFAULT - 1
    colour: bool = False
    ascii: bool = False
    way: str = ""

    @property
    def room(self) -> int:
        """Return the cells by which rows are laid out, also where nothing is cut."""
        return WIDTH_DEFAULT - 1 if self.width is None else self.width

    @property
    def bars(self) -> bool:
        return self.width is not None and self.room >= BARS_WIDTH_MIN - 1

    @property
    def wide(self) -> bool:
        return self.room >= WIDE_MIN - 1

    @property
    def dot(self) -> str:
        """Return what stands between the parts of a row."""
        return " - " if self.ascii else " · "

    def plain(self, text: str) -> str:
        """Return a text as it may reach the terminal: without control characters, in signs that it has."""
        clean = sayable(text)
        if not self.ascii:
            return clean
        return "".join(_ASCII.get(sign, sign) for sign in clean).encode("ascii", "backslashreplace").decode()

    def quoted(self, words: str) -> str:
        """Return words of others between quotation marks, which nothing in them ends."""
        inner = words.translate({ord(sign): "'" for sign in "“”"})
        return f"“{inner.replace(chr(34), chr(39)) if self.ascii else inner}”"

    def cut(self, text: str, cells: int) -> str:
        """Return a text that has at most so many cells; a longer one ends in an ellipsis."""
        text, mark = self.plain(text), self.plain("…")
        if cell_len(text) <= cells:
            return text
        return set_cell_size(text, max(0, cells - len(mark))).rstrip() + mark[: max(0, cells)]

    def middle(self, name: str, cells: int) -> str:
        """Return a name that has at most so many cells, cut in its middle: its end tells it from others."""
        name, mark = self.plain(name), self.plain("…")
        if cell_len(name) <= cells or cells <= len(mark):
            return self.cut(name, cells)
        head = (cells - len(mark) + 1) // 2
        tail = name
        while tail and cell_len(tail) > cells - len(mark) - head:
            tail = tail[1:]
        return set_cell_size(name, head).rstrip() + mark + tail

    def pad(self, text: str, cells: int, *, right: bool = False) -> str:
        """Return a text filled up with blanks to so many cells."""
        text = self.plain(text)
        blanks = " " * max(0, cells - cell_len(text))
        return blanks + text if right else text + blanks

    def fits(self, text: str, cells: int) -> bool:
        return self.width is None or cell_len(self.plain(text)) <= cells

    def bar(self, done: int, total: int, cells: int, signs: str = "█░") -> Line:
        """Return a bar; it is full only when all is done."""
        full = cells if total and done >= total else min(cells - 1, cells * done // total if total else 0)
        full = max(0, full)
        return [(signs[0] * full, DONE), (signs[1] * (cells - full), DIM if signs == "█░" else DONE)]

    def row(self, line: Line, end: Line = ()) -> Line:  # type: ignore[assignment] # an empty line
        """Return a row that is no longer than the paper is wide; `end` stands at its right, if there is room."""
        made = [(self.plain(text), style) for text, style in line]
        if self.width is None:
            return [*made, ("  ", ""), *end] if end else made
        tail = [(self.plain(text), style) for text, style in end]
        long, free = sum(cell_len(text) for text, _ in tail), self.width - sum(cell_len(text) for text, _ in made)
        if tail and free >= long + 2:
            return [*made, (" " * (free - long), ""), *tail]
        return self._within(made, self.width)

    def _within(self, line: Line, cells: int) -> Line:
        if sum(cell_len(text) for text, _ in line) <= cells:
            return line
        mark, found = self.plain("…"), list[Piece]()
        left = cells - len(mark)
        for text, style in line:
            if cell_len(text) > left:
                return [*found, (set_cell_size(text, max(0, left)).rstrip() + mark[:cells], style)]
            found.append((text, style))
            left -= cell_len(text)
        return found

    def filled(self, line: Line, cells: int) -> Line:
        """Return a row of exactly so many cells: cut, or filled up with blanks."""
        made = self._within([(self.plain(text), style) for text, style in line], cells)
        free = cells - sum(cell_len(text) for text, _ in made)
        return [*made, (" " * free, "")] if free > 0 else made

    def rule(self, title: str, end: str = "") -> Line:
        """Return a row that begins a part of a page: its title in a line, and a few words at its right."""
        dash, name = self.plain("─"), self.middle(title, max(8, self.room // 2))
        head: Line = [(dash * 2, DIM), (f" {name} ", BOLD)]
        tail = f" {self.plain(end)} {dash}" if end else ""
        free = self.room - 2 - cell_len(name) - 2
        if cell_len(tail) > free:
            tail = ""
        return self.row([*head, (dash * (free - cell_len(tail)) + tail, DIM)])

    def wrapped(self, text: str, cells: int) -> list[str]:
        """Return a text in rows of at most so many cells, broken between words where it can be."""
        rows, row = list[str](), ""
        for word in self.plain(text).split(" "):
            longer = f"{row} {word}" if row else word
            if cell_len(longer) <= cells:
                row = longer
                continue
            rows += [row] if row else []
            while cell_len(word) > cells > 1:
                head = set_cell_size(word, cells).rstrip()
                rows.append(head)
                word = word[len(head) :] or ""  # noqa: PLW2901 - the rest of it
            row = word
        return [*rows, row] if row or not rows else rows

    def segments(self, line: Line) -> list[Segment]:
        """Return a row as a terminal's library takes it; nothing in it is markup."""
        return [Segment(self.plain(text), Style.parse(style)) for text, style in line if text]

    def command(self, line: str, indent: int, does: str = "", *, at: int = 48) -> list[Line]:
        """Return the rows of a command, alone in them. What does not fit goes on in the next, as a shell reads it."""
        text = self.plain(line + self.way if line.startswith("wakeman ") else line)
        if does and cell_len(text) + indent + 2 <= at:
            return [self.row([(" " * indent, ""), (self.pad(text, at - indent), BOLD), (does, DIM)])]
        if self.fits(" " * indent + text, self.room):
            return [[(" " * indent, ""), (text, BOLD)]]
        return [[(each, BOLD)] for each in _broken(text, indent, self.room)]

    def text(self, line: Line) -> str:
        """Return a row as it is written, without its end."""
        stream = StringIO()
        self.write([line], stream)
        return stream.getvalue().rstrip("\n")

    def write(self, lines: Sequence[Line], stream: TextIO) -> None:
        """Print rows."""
        console = Console(
            file=stream,
            force_terminal=self.colour,
            color_system="standard" if self.colour else None,
            no_color=not self.colour,
            width=10**6,
            highlight=False,
            emoji=False,
            markup=False,
            legacy_windows=False,
        )
        for line in lines:
            text = Text.assemble(*[(self.plain(text), style) for text, style in line if text], end="\n")
            text.rstrip()
            console.print(text, soft_wrap=True)


def cells_in(text: str) -> int:
    """Return how many cells a text has."""
    return cell_len(text)


def paper(stream: TextIO, environ: Mapping[str, str] = os.environ, *, state: str | None = None) -> Paper:
    """Return what a stream takes, as it is now."""
    term, tty = environ.get("TERM", ""), stream.isatty()
    simple = not speaks_utf8(environ) or term in ("linux", "dumb")
    colour = tty and not environ.get("NO_COLOR") and term not in ("", "dumb")
    if not tty:
        return Paper(width=None, rows=None, ascii=simple, way=way(state, environ))
    size = _terminal_size(stream)
    return Paper(max(size.columns - 1, 1), max(size.lines - 1, 1), colour=colour, ascii=simple, way=way(state, environ))


def _terminal_size(stream: TextIO) -> os.terminal_size:
    """Return the terminal's own size, as COLUMNS and LINES may be of a window that was resized since; else theirs."""
    with suppress(OSError, ValueError):  # no real terminal
        size = os.get_terminal_size(stream.fileno())
        if size.columns > 0 and size.lines > 0:
            return size
    return shutil.get_terminal_size((WIDTH_DEFAULT, HEIGHT_DEFAULT))


def speaks_utf8(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal takes signs beyond ASCII, each one cell wide."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    if locale[:2].lower() in _WIDE_TONGUES:
        return False
    return bool(re.search(r"utf-?8", locale, re.IGNORECASE))


def _broken(text: str, indent: int, cells: int) -> list[str]:
    """Break a command into rows that a shell joins again: between words, or within one that is too long."""
    rows, row = list[str](), " " * indent
    for word in shlex.split(text):
        glue = " " if row.strip() else ""
        if cell_len(row + glue + shlex.quote(word)) + 2 <= cells:
            row += glue + shlex.quote(word)
            continue
        rows += [row + " \\"] if row.strip() else []
        row = "  "
        while cell_len(row + shlex.quote(word)) + 2 > cells and len(word) > 1:
            keep = next((n for n in range(len(word) - 1, 1, -1) if cell_len(row + shlex.quote(word[:n])) < cells), 1)
            rows.append(row + shlex.quote(word[:keep]) + "\\")
            row, word = "", word[keep:]  # noqa: PLW2901 - the rest of it
        row += shlex.quote(word)
    return [*rows, row]
