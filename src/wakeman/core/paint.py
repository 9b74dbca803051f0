"""Colours of a terminal's rows: read from its sequences, and written again with few of them. Other control sequences
are dropped: what a worker draws is never sent to another terminal, nor to a page, as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from wakeman.core.text import unescaped

OWN_COLOUR = -1
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",)}
_CODE_CHARS_MAX = 6
"""Digits of one number of a sequence that are read."""
_LEVELS = bytes.fromhex("005f87afd7ff")
"""Red, green or blue of the 216 colours from 16 on."""
_GREYS = range(8, 248, 10)
"""Those from 232 on."""
_SIXTEEN = tuple(map(bytes.fromhex, (
    "000000", "cd0000", "00cd00", "cdcd00", "0000ee", "cd00cd", "00cdcd", "e5e5e5",
    "7f7f7f", "ff0000", "00ff00", "ffff00", "5c5cff", "ff00ff", "00ffff", "ffffff",
)))  # fmt: skip


class Style(Struct, frozen=True):
    """How text looks: colours from 0 to 15, OWN_COLOUR for the terminal's own."""

    front: int = OWN_COLOUR
    back: int = OWN_COLOUR
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


class Run(Struct, frozen=True):
    """Text of one look, within one row."""

    text: str
    style: Style


Row = list[Run]
UNPAINTED = Style()


def painted_rows(text: str) -> list[Row]:
    """Read rows with their colours; a colour goes on in the next row until it is changed."""
    rows, style = list[Row](), UNPAINTED
    for line in text.split("\n"):
        row, at = list[Run](), 0
        for code in _SGR.finditer(line):
            row += _run(line[at : code.start()], style)
            style, at = _changed(style, code[1]), code.end()
        rows.append(row + _run(line[at:], style))
    return rows


def plain_row(row: Row) -> str:
    """Return a row's text, without blanks at its end."""
    return "".join(run.text for run in row).rstrip()


def repainted(rows: Sequence[Row], shown: str) -> str:
    """Return `shown`, the text of the rows from which something may have been hidden, in the colours of the rows.

    Boundary: a row that differs has none, and where their number differs, no row has.
    """
    lines = shown.split("\n")
    if len(lines) != len(rows):
        return shown
    return "\n".join(
        _in_sequences(row) if plain_row(row) == line else line for row, line in zip(rows, lines, strict=True)
    )


def _run(text: str, style: Style) -> Row:
    clean = _CONTROLS.sub("", unescaped(text))
    return [Run(clean, style)] if clean else []


def _in_sequences(row: Row) -> str:
    """Return a row in sequences of ours: each look whole, the end of a row without any."""
    found = "".join(
        f"\x1b[{_codes(run.style)}m{run.text}\x1b[0m" if run.style != UNPAINTED else run.text for run in row
    )
    return found.rstrip()


def _codes(style: Style) -> str:
    codes = [str(code) for code, name in _ON.items() if getattr(style, name)]
    for colour, base in ((style.front, 30), (style.back, 40)):
        if colour != OWN_COLOUR:
            codes.append(str(base + colour if colour < 8 else base + 52 + colour))
    return ";".join(codes)


def _changed(style: Style, codes: str) -> Style:
    """Apply the numbers of one sequence; what is unknown changes nothing."""
    from msgspec.structs import replace

    numbers = iter([int(part[:_CODE_CHARS_MAX] or 0) for part in re.split("[;:]", codes)])
    for number in numbers:
        if number == 0:
            style = UNPAINTED
        elif number in _ON:
            style = replace(style, **{_ON[number]: True})
        elif number in _OFF:
            style = replace(style, **dict.fromkeys(_OFF[number], False))
        elif number in (38, 48):
            name = "front" if number == 38 else "back"
            colour = _further(numbers)
            style = style if colour is None else replace(style, **{name: colour})
        elif (colour := _basic(number % 10, number // 10 * 10)) is not None:
            style = replace(style, **{"front" if number // 10 in (3, 9) else "back": colour})
    return style


def _basic(digit: int, tens: int) -> int | None:
    """Return the colour of a number such as 31, 49 or 107; None for another number."""
    if tens in (30, 40):
        return digit if digit < 8 else OWN_COLOUR if digit == 9 else None
    return digit + 8 if tens in (90, 100) and digit < 8 else None


def _further(numbers: Iterator[int]) -> int | None:
    """Return which of the sixteen is nearest to a colour by its number, 0 to 255, or by red, green and blue."""
    kind = next(numbers, None)
    if kind == 5:
        return _of_many(next(numbers, 0))
    if kind == 2:
        parts = [min(next(numbers, 0), 255) for _ in range(3)]
        return _nearest_colour(*parts)
    return None


def _of_many(number: int) -> int | None:
    if number < 16:
        return number
    if number < 232:
        place = number - 16
        return _nearest_colour(_LEVELS[place // 36], _LEVELS[place // 6 % 6], _LEVELS[place % 6])
    return _nearest_colour(*[_GREYS[number - 232]] * 3) if number < 256 else None


def _nearest_colour(red: int, green: int, blue: int) -> int:
    def away(colour: int) -> int:
        r, g, b = _SIXTEEN[colour]
        return (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2

    return min(range(16), key=away)
