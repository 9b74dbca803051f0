"""Slips of the pen in a plan that is JSON: mended sign by sign, and each reported with what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from wakeman.core.errors import WRITE
from wakeman.core.plan.key_positions import Path, repeated
from wakeman.core.plan.slips import SHOWN_CHARS_MAX, Slip

_JSON_TOKEN = re.compile(
    r"""(?P<blank>\s+)|(?P<comment>//[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z))|(?P<sign>[{}\[\],:=;])|(?P<string>"(?:\\[^\n]|[^"\\\n])*")"""
    r"""|(?P<quoted>'(?:\\[^\n]|[^'\\\n])*'|[“”][^“”"\n]*[“”"])|(?P<open>"[^"\n]*|'[^'\n]*)"""
    r"""|(?P<word>[^\s{}\[\],:=;"'“”]+)|(?P<other>.)""",
    re.DOTALL,
)
_JSON_LITERAL = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_IN_STRING = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|(?P<odd>[\\\x00-\x1f])')
_OTHER_WORDS = {"True": "true", "False": "false", "None": "null", "yes": "true", "no": "false", "undefined": "null"}
_MISQUOTED = {
    "string": "a backslash, or a sign that cannot be seen, inside a string",
    "quoted": "other quotes than JSON has",
    "open": "no closing quote",
}
_CLOSING = {"{": "}", "[": "]"}


class _OpenBracket(NamedTuple):
    """An object or an array that is not closed yet."""

    sign: str
    path: Path


def mend_json(text: str) -> tuple[list[Slip], str | None]:
    """Return the slips of a text that begins with `{`, and the text without them; None where it cannot be known.

    Shape: the mended text has the same lines; without it the last slip is the one at which it ends.
    """
    walk = _JsonWalk(text)
    mended = "".join(walk.pieces())
    try:
        json.loads(mended, parse_int=str)  # its value does not matter, and Python reads 4,300 digits at most
    except json.JSONDecodeError as fault:
        excerpt = " ".join(mended[fault.pos :].split())[:SHOWN_CHARS_MAX]
        told = f"found {excerpt}; expected JSON: a key in quotes, ':', its value, ','"
        return [*(slip for slip in walk.slips if slip.line < fault.lineno), Slip((), told, fault.lineno)], None
    return walk.slips, mended


def keys_twice(text: str) -> list[Slip]:
    """Return the keys that stand twice in one object of a JSON text: a parser takes the last one in silence."""
    return [Slip(path, "found this key twice; keep one of the two", line) for path, line in repeated(text)]


class _JsonWalk:
    """A walk over the signs of a text: what stands before decides what a sign may be."""

    def __init__(self, text: str) -> None:
        self.tokens = [(found.lastgroup or "", found[0]) for found in _JSON_TOKEN.finditer(text)]
        self.slips: list[Slip] = []
        self.opened: list[_OpenBracket] = []
        self.before = ""  # what the last sign was: one of `{[,:` or "value"
        self.key: str | int = ""
        self.line = 1

    def pieces(self) -> Iterator[str]:
        """Yield the text piece by piece, as JSON."""
        for at, (kind, text) in enumerate(self.tokens):
            if kind == "comment":
                self.slip(text, "a comment, which JSON has none of", "")
                yield "\n" * text.count("\n")
            elif kind == "sign":
                yield self.sign(text, self.following(at))
            else:
                yield text if kind == "blank" else self.value(kind, text)
            self.line += text.count("\n")
        closing = "".join(_CLOSING[each.sign] for each in reversed(self.opened))
        self.opened = []
        if closing:
            self.slip("the end", "a bracket is not closed", closing)
        yield closing

    def following(self, at: int) -> str:
        return next((text for kind, text in self.tokens[at + 1 :] if kind not in ("blank", "comment")), "")

    def sign(self, text: str, following: str) -> str:
        if text in _CLOSING:
            comma = self.comma(text)
            self.opened.append(_OpenBracket(text, self.path()))
            self.key, self.before = 0 if text == "[" else "", text
            return comma + text
        if text in ("}", "]"):
            return self.close(text)
        if text in ("=", ";"):
            self.slip(text, "a sign that JSON has none of", text := ":" if text == "=" else ",")
        if text == "," and following in ("}", "]", ""):
            self.slip(f", {following}".strip(), "a comma behind the last value", following)
            return ""
        if text == "," and isinstance(self.key, int):
            self.key += 1
        self.before = text
        return text

    def close(self, text: str) -> str:
        if not self.opened:
            self.slip(text, "nothing is open here", "")
            return ""
        was = self.opened.pop()
        if _CLOSING[was.sign] != text:
            self.slip(text, f"{was.sign} is open here", _CLOSING[was.sign])
        inner = was.path[-1] if was.path else ""
        self.key, self.before = inner, "value"
        return _CLOSING[was.sign]

    def value(self, kind: str, text: str) -> str:
        """Return a string, a number or a word as JSON has it, behind a comma if one is missing."""
        comma = self.comma(text)
        plain = self.plain(kind, text)
        if self.opened and self.opened[-1].sign == "{" and self.before != ":":
            if not plain.startswith('"'):
                plain = json.dumps(plain)
            self.key, self.before = str(json.loads(plain)), "key"
        else:
            self.before = "value"
        if plain != text:
            why = _MISQUOTED.get(kind, "no quotes")
            self.slip(text, "a word that JSON writes otherwise" if plain in _OTHER_WORDS.values() else why, plain)
        return comma + plain

    def plain(self, kind: str, text: str) -> str:
        if kind == "string":
            return _IN_STRING.sub(lambda found: json.dumps(found[0])[1:-1] if found["odd"] else found[0], text)
        if _JSON_LITERAL.fullmatch(text):
            return text
        if kind in ("quoted", "open"):
            return json.dumps(text[1:-1] if kind == "quoted" else text[1:], ensure_ascii=False)
        return _OTHER_WORDS.get(text) or json.dumps(text, ensure_ascii=False)

    def comma(self, text: str) -> str:
        if self.before != "value" or not self.opened:
            return ""
        if isinstance(self.key, int):
            self.key += 1
        self.slip(text, "no comma before it", f", {text}")
        return ","

    def path(self) -> Path:
        """Return the key at which the walk is."""
        return (*self.opened[-1].path, self.key) if self.opened else ()

    def slip(self, found: str, words: str, cure: str) -> None:
        found = " ".join(found.split())
        shown = found if len(found) <= SHOWN_CHARS_MAX else f"{found[:SHOWN_CHARS_MAX]}..."
        told = f"found {shown}: {words}{f'{WRITE}{cure}' if cure else '; take it out'}"
        self.slips.append(Slip(self.path(), told, self.line))
