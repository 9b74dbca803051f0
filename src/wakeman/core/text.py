"""Text from outside, sanitised for a log line, a terminal, or a message to an agent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_ESCAPES = (  # compiled on first use: many checks print nothing
    r"(?s:\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)"  # OSC, DCS and kin: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?)"
)
_LOOKED_AT_TIMES, _LOOKED_AT_CHARS_MIN = 16, 4096
"""How much of a text is looked at for what is to be said of it: the rest is taken for more of the same."""
_UNSAYABLE = {"Cc", "Cf", "Co", "Cn"}  # control, bidirectional and invisible, private, unassigned


def sanitise(text: str, limit: int) -> str:
    """Return `text` as one line without control, escape or bidirectional characters, white space collapsed.

    Units: `limit` in characters. Boundary: longer text is cut and ends in an ellipsis, which counts; a byte that is not
    UTF-8 becomes the replacement character.
    """
    head = text[: limit * _LOOKED_AT_TIMES + _LOOKED_AT_CHARS_MIN]
    plain = " ".join(sayable(head).split())
    return plain if len(plain) <= limit and head == text else plain[: limit - 1].rstrip() + "…"


def as_data(text: str, limit: int) -> str:
    """Return text of others in double quotes, as one harmless line: what an agent or a person reads is a quotation.

    Shape: as JSON has it, so that no text ends its own quotation. Units: `limit` in characters, before the quotes.
    """
    import msgspec

    return msgspec.json.encode(sanitise(text, limit)).decode()


def last_line(text: str, limit: int) -> str:
    """Return the last non-empty line of `text`, sanitised; "" if there is none."""
    lines = (sanitise(line, limit) for line in reversed(re.sub(_ESCAPES, "", text).splitlines()))
    return next(filter(None, lines), "")


def unescaped(text: str) -> str:
    """Return `text` without terminal control sequences."""
    return re.sub(_ESCAPES, "", text)


def sayable(text: str) -> str:
    """Return text without control, escape or bidirectional characters, every white space as one blank."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_ESCAPES, "", text).translate(_SAID)


class _Said(dict[int, str]):
    """By its number, what is said for a character: asked once for each that ever comes."""

    def __missing__(self, number: int) -> str:
        self[number] = said = _sayable(chr(number))
        return said


_SAID = _Said()


def _sayable(character: str) -> str:
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    if kind == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return "" if kind in _UNSAYABLE else character


def refused(paths: Sequence[str]) -> str:
    """Return the blocked writes of an attempt, as its output reports them; "" for none."""
    if not paths:
        return ""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"may not write to {paths[-1]}{more}, its output says"


def time_span(seconds: float, *, fine: bool = False) -> str:
    """Return a time span in words, such as `40 s`, `12 min`, `2 h 5 min`, `3 days`; `fine`: minutes with seconds."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, left = divmod(minutes, 60)
    if not minutes:
        return f"{rest} s"
    if not hours:
        return f"{minutes} min {rest} s" if fine and rest else f"{minutes} min"
    if hours < 24:
        return f"{hours} h {left} min" if left else f"{hours} h"
    return "1 day" if hours < 48 else f"{hours // 24} days"
