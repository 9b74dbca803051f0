"""Slips of the pen in a plan: what is no TOML or JSON is mended where its meaning is plain, so that each is reported
with its key and the text to write instead, and the rest of the plan is checked at the same time.

A row of SLIPS is tried on the statement that a parser refuses; what it gives counts only if the parser takes it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from wakeman.core.errors import WRITE
from wakeman.core.plan.key_positions import Path, locate, spell, statements
from wakeman.core.plan.slip_rules import (
    BARE_PART,
    DOTTED_KEY,
    JOINT,
    LAST_SLIP,
    ONE_LINE,
    PAIR,
    SLIPS,
    TRIED,
    SlipRule,
    Statement,
    split_line,
    toml_tokens,
)


class Slip(NamedTuple):
    """One slip: the key, what was found and what to write, and its line."""

    path: Path
    text: str
    line: int


Known = Callable[[Path], Mapping[str, str]]
"""Gives the keys that a table may have, each with an example of its value."""

STATEMENT_CHARS_MAX, PAIRED_CHARS_MAX = 8000, 1000
"""Characters of a statement at most for which one slip is looked for, and two at once: their time grows faster."""
SLIPS_MAX = 25
"""Slips that are mended in one plan; what has more is no plan."""
SHOWN_CHARS_MAX = 60
CURE_CHARS_MAX = 200
_ASIDE = "[aside-"  # begins the header of a table that is there already


def mend(text: str, known: Known) -> tuple[list[Slip], str | None]:
    """Return the slips of a TOML text, and the text without them; None where it cannot be known.

    Shape: the mended text has the same lines, but for those that end with JOINT; without it the last slip is the one at
    which it ends.
    Cost: at most SLIPS_MAX times that of finding one statement.
    """
    slips: list[Slip] = []
    whole = True
    while len(slips) < SLIPS_MAX and not _is_toml(text):
        found = _first_refused(text, known)
        mended = _mended_statement(found, text) or _there_already(found, text)
        if mended is None:
            return [*slips, _unknown_slip(found, text)], None
        slip, block, new = mended
        slips.append(slip)
        text = text[: block.start] + new + text[block.start + len(block.text) :]
        whole = whole and not new.startswith(_ASIDE)
    return slips, text if whole and _is_toml(text) else None


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _first_refused(text: str, known: Known) -> Statement:
    """Return the first line that a parser refuses: all before it is valid."""
    begun = statements(text)
    low, high = 0, len(begun)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_toml(text[: begun[middle][0]]) else (low, middle)
    start, table = begun[low]
    table = table[1:] if table and str(table[0]).startswith(_ASIDE[1:]) else table
    return Statement(start, table, text[start:].partition("\n")[0], known(table))


def _extents(found: Statement, text: str) -> Iterator[tuple[Statement, Sequence[Sequence[SlipRule]]]]:
    """Yield the line alone, and with the lines that may belong to its value: those first, if it opens one.

    Shape: each with what is tried on it; one sign, missing or too many, only in what has a plain end.
    """
    behind = text[found.start + len(found.text) :]
    more = found._replace(text=found.text + _lines_of_value(found.text, behind))
    if found.text.strip() in ("[", "[["):
        yield found._replace(text=found.text + "\n" + behind[1:].partition("\n")[0]), TRIED
    if whole := _balanced(found.text, behind):
        yield found._replace(text=whole), [*TRIED, (LAST_SLIP,)]
    if more.text != found.text:
        yield more, TRIED
        if _opens_list(found.text):
            return
    yield found, [*TRIED, (LAST_SLIP,)]


def _opens_list(line: str) -> bool:
    """Return whether a list or a table begins at the end of a line: what follows belongs to it."""
    return bool(re.search(r"=\s*[\[{]\s*(#[^\n]*)?$", line))


def _balanced(line: str, behind: str) -> str:
    """Return a line of which a bracket is not closed, with those that follow until it is; "" for another line."""
    text = (line + behind)[:STATEMENT_CHARS_MAX]
    if "=" not in line:
        return ""
    pair = PAIR.match(line)
    quotes = re.search(r"\"{3}|'{3}", line)
    if quotes and line.count(quotes[0]) % 2 and not (pair and pair[4].startswith(quotes[0])):
        rest = re.match(rf".*?{quotes[0]}[^\n]*", behind, re.DOTALL)
        return line + rest[0] if rest else ""
    depth = at = within = 0
    for kind, piece in toml_tokens(text):
        if at >= len(line):
            within = within or depth
            if depth <= 0:
                break
        depth += (kind == "sign") * ((piece in "[{") - (piece in "]}"))
        at += len(piece)
    end = text.find("\n", at)
    return text[: end if end >= 0 else len(text)] if within > 0 and depth <= 0 else ""


def _lines_of_value(line: str, behind: str) -> str:
    """Return the further lines of a value: of a table up to its bracket, else up to the next table or pair."""
    pair = PAIR.match(line)
    value = pair[4] if pair else ""
    bare = value.partition("#")[0].strip()
    if bare == "{" and (end := re.match(r"(?:\n[^\n}]*)*?\n[^\n}]*\}[^\n]*", behind)):
        return end[0]
    if not bare and not re.match(r"\n[ \t]*(?:[\"'{\d]|\[\s*[\"'\[{\d]|\[\s*$|true\b|false\b)", behind):
        return ""
    after = re.search(rf"\n(?=[ \t]*\[{{1,2}}[A-Za-z]|[ \t]*{BARE_PART}[ \t]*(?:\.[^=\n]*)?=)", behind)
    more = behind[: after.start()] if after else behind
    lines = more.split("\n")
    while lines[-1].strip()[:1] in ("", "#") and len(lines) > 1:
        lines.pop()
    more = "\n".join(lines)
    plain = value[:1] in ('"', "'") and value[:3] not in ('"""', "'''")
    return "" if plain and not more.endswith(value[0]) else more if value[:1] in ("[", '"', "'", "", "#") else ""


def _mended_statement(found: Statement, text: str) -> tuple[Slip, Statement, str] | None:
    """Return a slip, the statement and the same without it, of one line or else of several.

    Boundary: statements that are whole are divided even if together they give a key twice, which is told next.
    """
    if (parts := next(split_line(found), "")) and all(map(_is_toml, parts.split(JOINT))):
        return _slip_of(found, text, (ONE_LINE,), parts), found, parts
    for block, tried in _extents(found, text):
        size = len(block.text) if not _is_toml(block.text) else STATEMENT_CHARS_MAX + 1
        singles, pairs = tried[: len(SLIPS)], tried[len(SLIPS) :]
        for rules in singles if size <= STATEMENT_CHARS_MAX else ():
            if (new := _first_valid(block, rules)) is not None:
                return _slip_of(block, text, rules, new), block, new
        if block is found and parts:
            return _slip_of(found, text, (ONE_LINE,), parts), found, parts  # each part may have slips of its own
        for rules in pairs if size <= PAIRED_CHARS_MAX else ():
            if (new := _first_valid(block, rules)) is not None:
                return _slip_of(block, text, rules, new), block, new
    return None


def _first_valid(block: Statement, rules: Sequence[SlipRule]) -> str | None:
    """Return the first text that a parser takes of those that a statement may have meant; with as many lines."""
    lines = block.text.count("\n")
    for meant in _apply_rules(rules, block):
        new = meant + "\n" * (lines - meant.replace(JOINT, "").count("\n"))
        if _is_toml(new):
            return new
    return None


def _apply_rules(rules: Sequence[SlipRule], found: Statement) -> Iterator[str]:
    """Yield what a statement may have meant, by each of the rules in turn."""
    for new in rules[0].meant(found):
        if len(rules) == 1:
            yield new
        elif new != found.text:
            yield from _apply_rules(rules[1:], found._replace(text=new))


def _slip_of(found: Statement, text: str, rules: Sequence[SlipRule], new: str) -> Slip:
    told = f"found {_head_of(_visible(found.text), SHOWN_CHARS_MAX)}: {', and '.join(rule.words for rule in rules)}"
    keys = ", ".join(found.known) or "name, units and other tables"
    cures = "".join(f"{WRITE}{_head_of(_visible(part), CURE_CHARS_MAX)}" for part in new.split(JOINT))
    cure = cures if new.strip() else f"; {rules[-1].cure.replace('{keys}', keys)}"
    table = () if new.lstrip().startswith(("[", "#")) else found.table
    named = _key_of(new if new.strip() else found.text)
    return Slip((*table, *named) if named else (), told + cure, _line_at(text, found.start))


def _line_at(text: str, at: int) -> int:
    """Return the line of a place in a text that may be mended: what was on one line still is."""
    return text.count("\n", 0, at) - text.count(JOINT, 0, at) + 1


def _unknown_slip(found: Statement, text: str) -> Slip:
    named = _key_of(found.text)
    wanted = "one key = value, its text in quotes, or one [table], on a line of its own"
    told = f"found {_head_of(_visible(found.text), SHOWN_CHARS_MAX)}; expected {wanted}"
    key = str(named[0]) if named else "key"
    example = found.known.get(key, '"value"')
    return Slip(
        (*found.table, *named) if named else (),
        f"{told}{WRITE}{spell((key,))} = {example}",
        _line_at(text, found.start),
    )


def _visible(text: str) -> str:
    """Return a text as one line, in which everything can be seen."""
    if re.search("\"{3}|'{3}", text):
        text = re.sub(r"\n.*\n", "\n", text, flags=re.DOTALL).replace("\n", " ... ")
    text = text.replace(JOINT[:-1], "")
    shown = "".join(sign if sign.isprintable() or sign in {"\t", "\n"} else f"\\u{ord(sign):04x}" for sign in text)
    return " ".join(shown.split())


def _key_of(text: str) -> Path:
    """Return the key or table that a statement is about."""
    pair = re.match(rf"\s*({DOTTED_KEY})\s*[=:]", text)
    at: object = {}
    with suppress(ValueError):
        at = tomllib.loads(f"{pair[1]} = 0" if pair else text.partition("\n")[0])
    path: Path = ()
    while isinstance(at, dict) and at:
        key, at = next(iter(at.items()))
        path = (*path, key)
    return path


def _there_already(found: Statement, text: str) -> tuple[Slip, Statement, str] | None:
    """Return a key or a table that is there already, and the text without the second: a table is set aside."""
    block = next((block for block, _ in _extents(found, text) if _is_toml(block.text)), None)
    if block is None:
        return None
    header = block.text.lstrip().startswith("[")
    path = _key_of(block.text) if header else (*found.table, *_key_of(block.text))
    lines = locate(text[: found.start])
    here = _line_at(text, found.start)
    there = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in lines), path)
    first = lines.get(there, here)
    if there != path:
        told = f"found below {spell(there)}, which line {first} closed; expected all of it in one place"
    elif header:
        told = f"found this table twice, first at line {first}; put its keys there, and take line {here} out"
    else:
        told = f"found this key twice, first at line {first}; keep one of the two"
    return (
        Slip(path, told, here),
        block,
        f"{_ASIDE}{here}.{block.text.strip().strip('[]')}]" if header else "\n" * block.text.count("\n"),
    )


def _head_of(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
