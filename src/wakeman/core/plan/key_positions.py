"""The faults of a plan, each at its key, and the line of each key in a TOML or JSON text, which no parser reports."""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_left
from contextlib import suppress
from typing import NamedTuple

Path = tuple[str | int, ...]
"""A key as its parts: `wake.to[0].run` is ("wake", "to", 0, "run")."""

_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)""")
_KEY = re.compile(rf"[ \t]*{_PART.pattern}(?:[ \t]*\.[ \t]*{_PART.pattern})*[ \t]*")


class Problem(NamedTuple):
    """One fault of a plan: where, and what.

    Shape: `about` has the keys concerned, if not `path` itself; `line`, if it is not that of `path`.
    """

    path: Path
    text: str
    about: tuple[Path, ...] = ()
    line: int = 0

    @property
    def places(self) -> tuple[Path, ...]:
        """Return the keys concerned."""
        return self.about or (self.path,)


def locate(text: str) -> dict[Path, int]:
    """Return the line of every key and array element, counted from 1.

    Boundary: a table without a line of its own has the line of its first key. The text must have been parsed without
    error before; JSON is recognised by its first character, `{`.
    """
    scan = _Scan(text)
    if text.lstrip().startswith("{"):
        scan.value(())
    else:
        scan.document()
    return scan.lines


def repeated(text: str) -> list[tuple[Path, int]]:
    """Return the keys of a JSON text that stand twice in one object, each with the line of the second."""
    if not _any_twice(text):
        return []
    scan = _Scan(text)
    scan.value(())
    return scan.again


def _any_twice(text: str) -> bool:
    """Return whether any key of a JSON text stands twice in one object. Cost: a twentieth of noting lines."""
    doubles: list[bool] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        doubles.append(len(dict(pairs)) != len(pairs))

    json.loads(text, object_pairs_hook=note, parse_int=str)  # Python reads 4,300 digits at most
    return any(doubles)


def statements(text: str) -> list[tuple[int, Path]]:
    """Return where each line of TOML begins that holds a statement, and in which table; at least one.

    Boundary: of a text that is not valid, what stands before the first fault is right.
    """
    scan = _Scan(text)
    with suppress(ValueError, RecursionError):
        scan.document()
    begun = {text.rfind("\n", 0, at) + 1: table for at, table in reversed(scan.begun)}
    return sorted(begun.items()) or [(0, ())]


def spell(path: Path) -> str:
    """Format a key as a person would write it: `wake.to[0].run`; unusual parts in quotes."""
    parts = (
        f"[{part}]" if isinstance(part, int) else f".{part if _BARE.fullmatch(part) else repr(part)}" for part in path
    )
    return "".join(parts).removeprefix(".")


class _Scan:
    """A walk over the text; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.json = text.lstrip().startswith("{")
        self.lines: dict[Path, int] = {}
        self.again: list[
            tuple[Path, int]
        ] = []  # keys that were there already, and their lines; TOML may name a table again
        self.last: dict[Path, int] = {}  # array of tables -> index of its latest
        self.begun: list[tuple[int, Path]] = []  # statements, each with the table that it is in
        self.newlines = [found.start() for found in re.finditer("\n", text)]

    def document(self) -> None:
        table: Path = ()
        while first := self.peek():
            self.begun.append((self.at, () if first == "[" else table))
            if first == "[":
                table = self.header()
            else:
                self.pair(table)

    def header(self) -> Path:
        array = self.text.startswith("[[", self.at)
        opened = self.at
        self.at += 2 if array else 1
        *parents, last = self.key()
        self.at += 2 if array else 1
        path: Path = ()
        for part in parents:
            path = self.note((*path, part), opened)
            path = (*path, self.last[path]) if path in self.last else path
        path = self.note((*path, last), opened)
        if array:
            self.last[path] = self.last.get(path, -1) + 1
            path = self.note((*path, self.last[path]), opened)
        return path

    def pair(self, table: Path) -> None:
        opened, path = self.at, table
        for part in self.key():
            path = (*path, part)
            if path in self.lines:
                self.again.append((path, self.line(opened)))
            self.note(path, opened)
        self.at += 1  # `=` or `:`
        self.value(path)

    def value(self, path: Path) -> None:
        first = self.peek()
        if first == "[":
            self.items(path)
        elif first == "{":
            self.inline(path)
        elif not self.take(_STRING, _SCALAR):
            self.at += 1  # only in a text that is not valid

    def items(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.peek() not in ("]", ""):
            self.value(self.note((*path, index), self.at))
            index += 1
            self.comma()
        self.at += 1

    def inline(self, path: Path) -> None:
        self.at += 1
        while self.peek() not in ("}", ""):
            self.pair(path)
            self.comma()
        self.at += 1

    def comma(self) -> None:
        if self.peek() == ",":
            self.at += 1

    def key(self) -> list[str]:
        parts = [self.plain(found[0]) for found in _PART.finditer(self.take(_KEY))]
        self.peek()
        return parts

    def plain(self, part: str) -> str:
        if part[0] not in "\"'":
            return part
        if "\\" not in part:
            return part[1:-1]
        return str(json.loads(part) if self.json else tomllib.loads(f"x = {part}")["x"])

    def peek(self) -> str:
        """Skip blanks and comments; return the next character, "" at the end."""
        self.take(_BLANK)
        return self.text[self.at : self.at + 1]

    def take(self, *patterns: re.Pattern[str]) -> str:
        """Skip the first of the patterns that matches; return what it matched."""
        for pattern in patterns:
            if found := pattern.match(self.text, self.at):
                self.at = found.end()
                return found[0]
        return ""

    def note(self, path: Path, at: int) -> Path:
        self.lines.setdefault(path, self.line(at))
        return path

    def line(self, at: int) -> int:
        return bisect_left(self.newlines, at) + 1
