"""Slips of the pen in a plan: what is no TOML or JSON is mended where its meaning is plain, so that each is reported
with its key and the text to write instead, and the rest of the plan is checked at the same time.

A row of SLIPS is tried on the statement that a parser refuses; what it gives counts only if the parser takes it.
"""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from wakeman.core.errors import WRITE
from wakeman.core.plan.key_positions import Path, locate, spell, statements
from wakeman.core.plan.template import closest


class Slip(NamedTuple):
    """One slip: the key, what was found and what to write, and its line."""

    path: Path
    text: str
    line: int


class Statement(NamedTuple):
    """A line that a parser refuses, or several that belong together: where it is, and the table that it is in."""

    start: int
    table: Path
    text: str
    known: Sequence[str] = ()  # keys of that table
    listed: Sequence[str] = ()  # those of them that want a list


Known = Callable[[Path], tuple[Sequence[str], Sequence[str]]]
"""Gives the keys that a table may have, and those of them that want a list."""

STATEMENT_CHARS_MAX, PAIRED_CHARS_MAX = 8000, 1000
"""Characters of a statement at most for which one slip is looked for, and two at once: their time grows faster."""
SLIPS_MAX = 25
"""Slips that are mended in one plan; what has more is no plan."""
SHOWN_CHARS_MAX = 60
CURE_CHARS_MAX = 200
_ASIDE = "[aside-"  # begins the header of a table that is there already

# --- pieces of a line -----------------------------------------------------------------------------------------

_IN_QUOTES = r'"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
_ONE_STRING = re.compile(_IN_QUOTES)
_BARE_PART = r"[A-Za-z0-9_-]+"
_DOTTED_KEY = rf"(?:{_BARE_PART}|{_IN_QUOTES})(?:[ \t]*\.[ \t]*(?:{_BARE_PART}|{_IN_QUOTES}))*"
_PAIR = re.compile(rf"^(\s*)({_DOTTED_KEY})(\s*=\s*)(.*)$", re.DOTALL)
_TEMPLATE = r"\{\{[^{}\n]*\}\}"
_TOML_TOKEN = re.compile(
    rf"""(?P<string>{_IN_QUOTES})|(?P<blank>\s+)|(?P<comment>\#[^\n]*)|(?P<sign>(?!{_TEMPLATE})[\[\]{{}},=])"""
    rf"""|(?P<word>(?:{_TEMPLATE}|[^\s\[\]{{}},="'\#])+(?:[ \t]+(?:{_TEMPLATE}|[^\s\[\]{{}},="'\#])+)*)"""
    r"""|(?P<other>.)""",
    re.DOTALL,
)
_TOML_LITERAL = re.compile(
    r"true|false|[+-]?(?:inf|nan)|[+-]?(?:0|[1-9](?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d+)?|0x[0-9A-Fa-f]+"
    r"|0o[0-7]+|0b[01]+|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?\S*)?|\d\d:\d\d:\d\d(?:\.\d+)?"
)
_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_NOTHING = ("none", "null", "nil", "undefined", "~")
_ODD_BLANKS = (0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 11, 12)
_TO_BLANK = dict.fromkeys(_ODD_BLANKS, " ")
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF], "")
_CURLY = str.maketrans({**dict.fromkeys("“”„‟«»″＂", '"'), **dict.fromkeys("‘’‚‛‹›′`´＇", "'")})
_WIDE = str.maketrans("＝：，；［］｛｝＃．", "=:,;[]{}#.")


def _toml_tokens(text: str) -> list[tuple[str, str]]:
    return [(found.lastgroup or "", found[0]) for found in _TOML_TOKEN.finditer(text)]


def _outside_strings(text: str, change: Callable[[str], str]) -> str:
    """Change a text outside its strings."""
    return "".join(piece if at % 2 else change(piece) for at, piece in enumerate(re.split(f"({_IN_QUOTES})", text)))


def _of_value(change: Callable[[str, Statement], str | None]) -> Callable[[Statement], Iterator[str]]:
    """Have a change apply to the value of a pair alone."""

    def changed(found: Statement) -> Iterator[str]:
        pair = _PAIR.match(found.text)
        new = change(pair[4], found) if pair else None
        if pair and new is not None:
            yield f"{pair[1]}{pair[2]}{pair[3]}{new}"

    return changed


def _whole_line(change: Callable[[str], str]) -> Callable[[Statement], Iterator[str]]:
    def changed(found: Statement) -> Iterator[str]:
        yield change(found.text)

    return changed


# --- what a line may have in place of TOML -------------------------------------------------------------------


def _other_sign(found: Statement) -> Iterator[str]:
    """`key: value`, `key := value`, `key == value`, `key value`."""
    for sign in (r"\s*(?::=|=>|->|==|=:|\+=|:)\s*", r"[ \t]+(?=[\"'\[{\d]|true\b|false\b)"):
        if pair := re.match(rf"^(\s*)({_DOTTED_KEY}){sign}(?!$)(.*)$", found.text, re.DOTALL):
            yield f"{pair[1]}{pair[2]} = {pair[3]}"


def _spaced_key(found: Statement) -> Iterator[str]:
    """`at once = 4`, `prompt? = "a"`."""
    if pair := re.match(r"^(\s*)([^\s=\"'#\[{][^=\"'#\[{\n]*?)\s*=\s*(.*)$", found.text, re.DOTALL):
        plain = re.sub(r"\W+", "_", pair[2], flags=re.ASCII).strip("_")
        if key := closest(plain, found.known) or plain:
            yield f"{pair[1]}{key} = {pair[3]}"


def _leading_word(found: Statement) -> Iterator[str]:
    if pair := re.match(rf"^(\s*)(?:export|set|let|var|const|-)\s+({_DOTTED_KEY}\s*[=:].*)$", found.text, re.DOTALL):
        yield f"{pair[1]}{pair[2]}"


def _other_comment(found: Statement) -> Iterator[str]:
    for sign in (r"//", r"--", r";", r"/\*", r"<!--", r"%"):
        for behind in list(re.finditer(rf"(?:^|(?<=\s))(?:{sign})", found.text))[:-4:-1]:
            yield f"{found.text[: behind.start()]}#{found.text[behind.end() :]}"


def _surplus_tail(found: Statement) -> Iterator[str]:
    if re.search(r"[,;]\s*(#[^\n]*)?$", found.text):
        yield re.sub(r"\s*[,;]\s*(#[^\n]*)?$", r" \1", found.text).rstrip()


def _without_value(found: Statement) -> Iterator[str]:
    if re.match(rf"\s*{_DOTTED_KEY}\s*[=:]\s*(#[^\n]*)?$", found.text):
        yield ""


def _page_mark(found: Statement) -> Iterator[str]:
    if re.match(r"\s*(```|~~~|---$|\.\.\.$)", found.text):
        yield ""


def _is_nothing(value: str, _: Statement) -> str | None:
    return value if value.split("#", maxsplit=1)[0].strip().lower() in _NOTHING else None


def _no_value_word(found: Statement) -> Iterator[str]:
    """`agent = None`: a key that is not there says so."""
    if any(_of_value(_is_nothing)(found)):
        yield ""


def _argument_words(value: str, found: Statement) -> str | None:
    """`command = claude -p "a b"` where a list is wanted."""
    pair = _PAIR.match(found.text)
    plain = value.split(" #", maxsplit=1)[0].strip()
    if pair is None or pair[2] not in found.listed or not plain or plain[0] in "[{\"'(":
        return None
    import shlex

    with suppress(ValueError):
        return json.dumps(shlex.split(plain), ensure_ascii=False)
    return None


def _truth_word(value: str, found: Statement) -> str:
    """`True`, `yes`, `off`."""
    return (
        _with_quotes(value, found)
        if re.fullmatch(rf"(?i)\s*({'|'.join((*_TRUE, *_FALSE))})\s*(#[^\n]*)?", value)
        else value
    )


def _with_quotes(value: str, _: Statement) -> str:
    """Quote what has no quotes."""
    tokens = _toml_tokens(value)
    made = []
    for at, (kind, text) in enumerate(tokens):
        following = next((each for name, each in tokens[at + 1 :] if name != "blank"), "")
        plain = text.lower()
        if kind != "word" or _TOML_LITERAL.fullmatch(text) or following == "=":
            made.append(text)
        elif plain in (*_TRUE, *_FALSE):
            made.append("true" if plain in _TRUE else "false")
        else:
            made.append(json.dumps(text, ensure_ascii=False))
    return "".join(made)


def _unclosed_string(found: Statement) -> Iterator[str]:
    """`name = "a`, `command = ["a]`, `name = "a'`."""
    text, signs = found.text, re.search(r"\s*[\]},][\s\]},]*$", found.text)
    for quote in "\"'":
        other = "'" if quote == '"' else '"'
        if text.rstrip().endswith(other):
            yield text.rstrip()[:-1] + quote
        if signs:
            yield text[: signs.start()] + quote + text[signs.start() :]
        yield text + quote
        yield re.sub(rf"=\s*(?=[^\s\"'])([^\"'\n]*{quote})", rf"= {quote}\1", text, count=1)


def _inner_quote(value: str, _: Statement) -> str | None:
    """`"say "hi" now"`, `"a""`, `"C:\\dir"`: a string that ends too early, or a backslash for nothing."""
    plain = value.rstrip()
    if len(plain) > 2 and plain[0] == plain[-1] in "\"'":
        inside = plain[1:-1]
        surplus = inside.rstrip(plain[0])
        inside = surplus if plain[0] not in surplus and "\\" not in surplus else inside
        return f"'{inside}'" if plain[0] == '"' and "'" not in inside else json.dumps(inside, ensure_ascii=False)
    return None


def _inner_quote_in_list(value: str, _: Statement) -> str | None:
    """`["sh", "-c", "echo "a""]`."""
    if not (whole := re.fullmatch(r'(\s*\[\s*)"(.*)"(\s*,?\s*\]\s*)', value, re.DOTALL)):
        return None
    parts = re.split(r'"\s*,\s*"', whole[2])
    if not any('"' in part for part in parts):
        return None
    made = (f"'{part}'" if '"' in part and "'" not in part else json.dumps(part, ensure_ascii=False) for part in parts)
    return f"{whole[1]}{', '.join(made)}{whole[3]}"


def _odd_backslash(found: Statement) -> Iterator[str]:
    def change(text: str) -> str:
        with suppress(ValueError):
            tomllib.loads(f"x = {text}")
            return text
        inside = text[1:-1]
        return f"'{inside}'" if "'" not in inside else json.dumps(inside, ensure_ascii=False)

    yield _ONE_STRING.sub(lambda string: change(string[0]), found.text)


def _string_prefix(found: Statement) -> Iterator[str]:
    """`r"\\d"`, `f"a"`, as Python has them."""
    yield re.sub(r'([=\[,{]\s*)[rR]"([^"\'\n]*)"', r"\1'\2'", found.text)
    yield re.sub(r"([=\[,{]\s*)[rRfFbBuU]+(?=[\"'])", r"\1", found.text)


def _missing_commas(value: str, _: Statement) -> str:
    """`["a" "b"]`, `{ a = 1 b = 2 }`."""
    tokens, depth, before = _toml_tokens(value), 0, ""
    made: list[str] = []
    for kind, text in tokens:
        opens = kind in ("string", "word") or text in ("[", "{")
        if depth and opens and before in ("string", "word", "]", "}"):
            blanks = len(made) - 1 if made[-1].isspace() else len(made)
            made.insert(blanks, ",")
        made.append(text)
        depth += (text in ("[", "{")) - (text in ("]", "}"))
        if kind not in ("blank", "comment"):
            before = text if kind == "sign" else kind
    return "".join(made)


def _matched_brackets(value: str, _: Statement) -> str | None:
    """`["a", "b"`, `["a"]]`, `["a"}`."""
    made, opened = [], []
    for kind, text in _toml_tokens(value):
        if kind == "sign" and text in "[{":
            opened.append("]" if text == "[" else "}")
        closes = kind == "sign" and text in "]}"
        made.append((opened.pop() if opened else "") if closes else text)
    whole = "".join(made)
    ends = re.search(r"\s*(#[^\n]*)?$", whole)
    at = ends.start() if ends else len(whole)
    return whole[:at].rstrip().rstrip(",") + "".join(reversed(opened)) + whole[at:] if opened else whole


def _round_brackets(value: str, _: Statement) -> str:
    """`("a", "b")`, as Python has lists; `<a>`."""
    return _outside_strings(value, lambda text: text.replace("(", "[").replace(")", "]"))


def _inline_table(value: str, _: Statement) -> str | None:
    """`{ a: "b", }`, `{ a = 1; b = 2 }`, one over several lines."""
    if "{" not in value:
        return None
    lines = value.count("\n")
    plain = _outside_strings(
        re.sub(r"(?m)\s*#[^\n]*$", "", value) if lines else value, lambda text: text.replace(";", ",")
    )
    plain = re.sub(rf"({_IN_QUOTES}|[A-Za-z0-9_-]+)\s*:\s*(?=[\"'\[{{\w])", r"\1 = ", plain)
    return re.sub(r",\s*}", " }", " ".join(plain.split()) if lines else plain) + "\n" * lines


def _other_number(value: str, _: Statement) -> str:
    """`.5`, `5.`, `007`, `0.6f`, `1,000`."""

    def change(text: str) -> str:
        text = re.sub(r"^(\s*\d{1,3})((?:,\d{3})+)(?!\S)", lambda found: found[0].replace(",", ""), text)
        text = re.sub(r"(?<![\w.])0+(?=\d)", "", text)
        text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
        text = re.sub(r"(?<=\d)\.(?![\w.])", ".0", text)
        return re.sub(r"(?<=\d)[fFlL]\b", "", text)

    return _outside_strings(value, change)


def _string_of_lines(value: str, _: Statement) -> str | None:
    """A string over several lines in plain quotes, or one of three quotes that does not end."""
    plain = value.rstrip()
    if value[:3] in ('"""', "'''"):
        return plain + value[:3] + value[len(plain) :]
    if value[:1] in ('"', "'") and "\n" in plain:
        inside = plain[1:].removesuffix(value[0])
        return f"{value[0] * 3}{inside}{value[0] * 3}" + value[len(plain) :]
    return None


def _table_header(found: Statement) -> Iterator[str]:
    """`[table`, `[a]]`, `[my table]`, `[wake]:`, `{wake}`, `wake:`."""
    first = " ".join(found.text.split())
    if head := re.match(r"^\s*(\[{1,2}|(?=[A-Za-z_.]+\s*:\s*$))\s*([^\[\]#\n:]*?)\s*\]{0,2}\s*[:;,]?\s*(#.*)?$", first):
        parts = [part.strip().strip("\"'") for part in head[2].split(".")]
        name = ".".join(part if re.fullmatch(_BARE_PART, part) else json.dumps(part) for part in parts)
        left, right = ("[[", "]]") if head[1] == "[[" else ("[", "]")
        yield f"{left}{name}{right}{' ' + head[3] if head[3] else ''}"


class SlipRule(NamedTuple):
    """One kind of slip: in words, and what may have been meant; `cure`, where a line without it is not the cure."""

    words: str
    meant: Callable[[Statement], Iterator[str]]
    cure: str = "take the line out"


SLIPS = (
    SlipRule("this is no TOML", _page_mark),
    SlipRule(
        "a blank that TOML does not know",
        _whole_line(lambda text: _outside_strings(text, lambda part: part.translate(_TO_BLANK))),
    ),
    SlipRule(
        "a character that cannot be seen",
        _whole_line(lambda text: _outside_strings(text, lambda part: part.translate(_INVISIBLE))),
    ),
    SlipRule(
        "typographic quotes", _whole_line(lambda text: _outside_strings(text, lambda part: part.translate(_CURLY)))
    ),
    SlipRule("wide signs", _whole_line(lambda text: _outside_strings(text, lambda part: part.translate(_WIDE)))),
    SlipRule("a table's name has square brackets on both sides", _table_header),
    SlipRule("a word before the key", _leading_word),
    SlipRule("no value", _without_value, "give it one, or take the line out"),
    SlipRule("'=' stands between key and value", _other_sign),
    SlipRule("a key is one word", _spaced_key),
    SlipRule("a comment begins with '#'", _other_comment),
    SlipRule("something behind the value", _surplus_tail),
    SlipRule("TOML has no word for nothing", _no_value_word),
    SlipRule("a list is wanted here", _of_value(_argument_words)),
    SlipRule("TOML writes this number otherwise", _of_value(_other_number)),
    SlipRule("TOML writes it true or false", _of_value(_truth_word)),
    SlipRule("text without quotes", _of_value(_with_quotes)),
    SlipRule("a letter before a string", _string_prefix),
    SlipRule("a quote inside a string", _of_value(_inner_quote_in_list)),
    SlipRule("no closing quote", _unclosed_string),
    SlipRule("a quote, or a backslash, inside a string", _of_value(_inner_quote)),
    SlipRule("a backslash that stands for nothing", _odd_backslash),
    SlipRule("a list has square brackets", _of_value(_round_brackets)),
    SlipRule("an inline table is { key = value, key = value } in one line", _of_value(_inline_table)),
    SlipRule("no comma between two values", _of_value(_missing_commas)),
    SlipRule("brackets that do not match", _of_value(_matched_brackets)),
    SlipRule("a string of several lines has three quotes at each end", _of_value(_string_of_lines)),
)
"""Kinds of slips, in the order in which they are tried."""
_OF_SIGNS = SLIPS[:17]  # and of words: one of these may come together with any other
_TRIED = [*itertools.combinations(SLIPS, 1), *itertools.combinations(_OF_SIGNS, 2),
          *itertools.product(_OF_SIGNS, SLIPS[len(_OF_SIGNS) :])]  # fmt: skip


def mend(text: str, known: Known) -> tuple[list[Slip], str | None]:
    """Return the slips of a TOML text, and the text without them; None where it cannot be known.

    Shape: the mended text has the same lines; without it the last slip is the one at which it ends.
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
    return Statement(start, table, text[start:].partition("\n")[0], *known(table))


def _extents(found: Statement, text: str) -> Iterator[Statement]:
    """Yield the line alone, and with the lines that may belong to its value: those first, if it opens one."""
    more = found._replace(text=found.text + _lines_of_value(found.text, text[found.start + len(found.text) :]))
    opened = bool(_PAIR.match(found.text)) and more.text != found.text
    yield from (more, found) if opened else (found, more)


def _lines_of_value(line: str, behind: str) -> str:
    """Return the further lines of a value: of a table up to its bracket, else up to the next table or pair."""
    pair = _PAIR.match(line)
    value = pair[4] if pair else ""
    if value[:1] == "{" and "}" not in value and (end := re.match(r"(?:\n[^\n}]*)*?\n[^\n}]*\}[^\n]*", behind)):
        return end[0]
    after = re.search(rf"\n(?=[ \t]*\[{{1,2}}[A-Za-z]|[ \t]*{_BARE_PART}[ \t]*(?:\.[^=\n]*)?=)", behind)
    more = behind[: after.start()] if after else behind
    lines = more.split("\n")
    while lines[-1].strip()[:1] in ("", "#") and len(lines) > 1:
        lines.pop()
    more = "\n".join(lines)
    plain = value[:1] in ('"', "'") and value[:3] not in ('"""', "'''")
    return "" if plain and not more.endswith(value[0]) else more if value[:1] in ("[", '"', "'") else ""


def _mended_statement(found: Statement, text: str) -> tuple[Slip, Statement, str] | None:
    """Return a slip, the statement and the same without it, of one line or else of several."""
    for block in _extents(found, text):
        size = len(block.text) if not _is_toml(block.text) else STATEMENT_CHARS_MAX + 1
        for rules in _TRIED[: 0 if size > STATEMENT_CHARS_MAX else len(SLIPS) if size > PAIRED_CHARS_MAX else None]:
            for meant in _apply_rules(rules, block):
                new = meant or "\n" * block.text.count("\n")
                if new != block.text and new.count("\n") == block.text.count("\n") and _is_toml(new):
                    return _slip_of(block, text, rules, new), block, new
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
    cure = f"{WRITE}{_head_of(_visible(new), CURE_CHARS_MAX)}" if new.strip() else f"; {rules[-1].cure}"
    table = () if new.lstrip().startswith(("[", "#")) else found.table
    named = _key_of(new if new.strip() else found.text)
    return Slip((*table, *named) if named else (), told + cure, text.count("\n", 0, found.start) + 1)


def _unknown_slip(found: Statement, text: str) -> Slip:
    named = _key_of(found.text)
    wanted = "one key = value, its text in quotes, or one [table], on a line of its own"
    told = f"found {_head_of(_visible(found.text), SHOWN_CHARS_MAX) or 'nothing'}; expected {wanted}"
    return Slip((*found.table, *named) if named else (), told, text.count("\n", 0, found.start) + 1)


def _visible(text: str) -> str:
    """Return a text as one line, in which everything can be seen."""
    if text.count("\n") and re.search("\"{3}|'{3}", text):
        text = re.sub(r"\n.*\n", "\n", text, flags=re.DOTALL).replace("\n", " ... ")
    shown = "".join(sign if sign.isprintable() or sign in "\t\n" else f"\\u{ord(sign):04x}" for sign in text)
    return " ".join(shown.split())


def _key_of(text: str) -> Path:
    """Return the key or table that a statement is about."""
    pair = re.match(rf"\s*({_DOTTED_KEY})\s*[=:]", text)
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
    block = next((block for block in _extents(found, text) if _is_toml(block.text)), None)
    if block is None:
        return None
    header = block.text.lstrip().startswith("[")
    path = _key_of(block.text) if header else (*found.table, *_key_of(block.text))
    lines = locate(text[: found.start])
    here = text.count("\n", 0, found.start) + 1
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
