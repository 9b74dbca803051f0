"""How values are written in a report: text of others made visible and harmless, numbers, times."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from wakeman.core.text import unescaped

VISIBLE_CHARS_MAX = 12_000
"""Characters of one value at most."""
MARKS_IN_A_ROW_MAX = 4
"""Combining marks in a row that are shown: more of them cover the lines around."""
_UNUSUAL = r"[^\x20-\x7e\n]"
_LINE_BREAKS = {"\n": "\n", "\t": "    ", "\r": "", "\u2028": "\n", "\u2029": "\n"}
_BLANK_CHARACTERS = set("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
"""Characters that show nothing, though their category is that of a letter, a symbol or a mark."""
_NAMED = {"Cf", "Co", "Cn"}  # bidirectional and invisible, private, unassigned


def visible(text: str) -> str:
    """Return text of others so that what is there is seen: no control sequence, no character that hides or turns.

    Shape: line feeds stay; bidirectional, zero-width, private and unassigned characters become `[U+202E]`.
    """
    head = text[:VISIBLE_CHARS_MAX]
    plain = head if not re.search(_UNUSUAL, head) else _made_visible(unescaped(head))
    return plain if head == text else plain + "…"


def _made_visible(text: str) -> str:
    made: list[str] = []
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if character in _LINE_BREAKS:
            made.append(_LINE_BREAKS[character])
        elif kind in _NAMED or character in _BLANK_CHARACTERS:
            made.append(f"[U+{ord(character):04X}]")
        elif kind == "Cs":
            made.append("\N{REPLACEMENT CHARACTER}")
        elif kind in ("Zs", "Zl", "Zp"):
            made.append(" ")
        elif kind != "Cc" and marks <= MARKS_IN_A_ROW_MAX:
            made.append(character)
    return "".join(made)


def size_text(size: int | None) -> str:
    """Return a number of bytes in its unit; a dash for none."""
    if size is None:
        return "–"
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def percent(ratio: float | None) -> str:
    """Return a part of a whole in per cent; a dash for none."""
    return "–" if ratio is None else f"{ratio * 100:.1f}%" if ratio < 10 else f"{ratio * 100:,.0f}%"


def money(cost: float | None) -> str:
    """Return US dollars; a dash for none."""
    return "–" if cost is None else f"${cost:,.2f}" if cost >= 0.01 or not cost else f"${cost:.4f}"


def number(value: float | None) -> str:
    """Return a number with its thousands apart; a dash for none."""
    return "–" if value is None else f"{value:,}"


def spent(amount: float, unit: str) -> str:
    """Return what was used, in US dollars or tokens."""
    return money(amount) if unit == "dollars" else f"{amount:,.0f} tokens"


def parsed(at: str) -> datetime:
    """Read a time of an answer."""
    return datetime.fromisoformat(at).astimezone(UTC)


class TimeText:
    """Writes times as fine as the span of a report needs: with the day, to the second, or to the millisecond."""

    def __init__(self, began: datetime, ended: datetime) -> None:
        self.days = began.date() != ended.date()
        self.fine = (ended - began).total_seconds() < 60

    def __call__(self, at: str | None) -> str:
        """Return a time of day in UTC; a dash for none."""
        if at is None:
            return "–"
        when = parsed(at)
        day = f"{when:%d} {when:%b} " if self.days else ""
        return day + (f"{when:%H:%M:%S}.{when.microsecond // 1000:03}" if self.fine else f"{when:%H:%M:%S}")
