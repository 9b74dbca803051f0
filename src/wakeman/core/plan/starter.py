"""A plan to start from: example keys, each with its meaning above it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from msgspec import Struct, structs

from wakeman.core.descriptions import meaning
from wakeman.core.model import Plan

COMMENT_CHARS_MAX = 98
"""Characters of a comment line, without the `#`."""


def commented(text: str) -> str:
    """Return a plan with a comment above each table and key, at its first occurrence.

    Shape: `#key = value` is a key that is only an example. Raises: LookupError for a key that no plan has.
    """
    return "\n".join(_commented_lines(text)) + "\n"


def _commented_lines(text: str) -> Iterator[str]:
    kind: type[Struct] = Plan
    named = set[tuple[type[Struct], str]]()
    before = ""
    for line in text.splitlines():
        if table := re.match(r"\[([a-z]+)\]", line):
            kind = _field(Plan, table[1]).type
            yield from _comment_lines(str(kind.__doc__).partition("\n")[0])
        elif (key := re.match(r"#?([a-z_]+) = ", line)) and (kind, key[1]) not in named:
            named.add((kind, key[1]))
            yield from [""] if re.match(r"#?[a-z\"{]", before) else []
            yield from _comment_lines(meaning(kind, _field(kind, key[1]).name))
        yield line
        before = line


def _field(kind: type[Struct], key: str) -> structs.FieldInfo:
    return {field.encode_name: field for field in structs.fields(kind)}[key]


def _comment_lines(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, COMMENT_CHARS_MAX, break_on_hyphens=False))
