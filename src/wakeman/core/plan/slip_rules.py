"""Kinds of slips of the pen in TOML, a row each: in words, and what a statement with one may have meant. What a row
gives counts only if a parser takes it.
"""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from wakeman.core.plan.key_positions import Path
from wakeman.core.plan.template import closest


class Statement(NamedTuple):
    """A line that a parser refuses, or several that belong together: where it is, and the table that it is in.

    Shape: `known` are the keys of that table, each with an example of its value.
    """

    start: int
    table: Path
    text: str
    known: Mapping[str, str] = {}


JOINT = " # \ue000\n"
"""Stands between two statements that were found on one line: no line feed of the text."""
TOKENS_MAX = 60
"""Tokens of a statement at most in which one sign is looked for that is missing, or too many."""

# --- pieces of a line -----------------------------------------------------------------------------------------

DOUBLE_QUOTED = r'"(?:\\.|[^"\\\n])*"'
IN_QUOTES = rf"{DOUBLE_QUOTED}|'[^'\n]*'"
_IN_LONG_QUOTES = r'"{3}(?:\\.|[^\\])*?"{3}|\'{3}.*?\'{3}'
_ONE_STRING = re.compile(IN_QUOTES)
BARE_PART = r"[A-Za-z0-9_-]+"
DOTTED_KEY = rf"(?:{BARE_PART}|{IN_QUOTES})(?:[ \t]*\.[ \t]*(?:{BARE_PART}|{IN_QUOTES}))*"
PAIR = re.compile(rf"^(\s*)({DOTTED_KEY})(\s*=\s*)(.*)$", re.DOTALL)
_TEMPLATE = r"\{\{[^{}\n]*\}\}"
_TOML_TOKEN = re.compile(
    rf"""(?P<string>{_IN_LONG_QUOTES}|{IN_QUOTES})|(?P<blank>\s+)|(?P<comment>\#[^\n]*)|(?P<sign>(?!{_TEMPLATE})[\[\]{{}},=])"""
    rf"""|(?P<word>(?:{_TEMPLATE}|[^\s\[\]{{}},="'\#])+(?:[ \t]+(?:{_TEMPLATE}|[^\s\[\]{{}},="'\#])+)*)"""
    r"""|(?P<other>.)""",
    re.DOTALL,
)
_NEXT_STATEMENT = re.compile(
    r"(?<=[ \t;])[A-Za-z0-9_.-]+$|(?<=\d)[A-Za-z_]{3,}$"
)  # the last word of some: the key of the next
_HEADER = rf"\[{{1,2}}\s*{DOTTED_KEY}\s*\]{{1,2}}\s*(?:#|$|{DOTTED_KEY}\s*=)"
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


def toml_tokens(text: str) -> list[tuple[str, str]]:
    return [(found.lastgroup or "", found[0]) for found in _TOML_TOKEN.finditer(text)]


def _outside_strings(text: str, change: Callable[[str], str]) -> str:
    """Change a text outside its strings."""
    return "".join(piece if at % 2 else change(piece) for at, piece in enumerate(re.split(f"({IN_QUOTES})", text)))


def _of_value(change: Callable[[str, Statement], str | None]) -> Callable[[Statement], Iterator[str]]:
    """Have a change apply to the value of a pair alone."""

    def changed(found: Statement) -> Iterator[str]:
        pair = PAIR.match(found.text)
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
        if pair := re.match(rf"^(\s*)({DOTTED_KEY}){sign}(?!$)(.*)$", found.text, re.DOTALL):
            yield f"{pair[1]}{pair[2]} = {pair[3]}"


def _spaced_key(found: Statement) -> Iterator[str]:
    """`at once = 4`, `prompt? = "a"`."""
    if pair := re.match(r"^(\s*)([^\s=\"'#\[{][^=\"'#\[{\n]*?)\s*=\s*(.*)$", found.text, re.DOTALL):
        plain = re.sub(r"\W+", "_", pair[2], flags=re.ASCII).strip("_")
        if key := closest(plain, found.known) or plain:
            yield f"{pair[1]}{key} = {pair[3]}"


def _leading_word(found: Statement) -> Iterator[str]:
    if pair := re.match(rf"^(\s*)(?:export|set|let|var|const|-)\s+({DOTTED_KEY}\s*[=:].*)$", found.text, re.DOTALL):
        yield f"{pair[1]}{pair[2]}"


def _other_comment(found: Statement) -> Iterator[str]:
    for sign in (r"//", r"--", r";", r"/\*", r"<!--", r"%"):
        for behind in list(re.finditer(rf"(?:^|(?<=\s))(?:{sign})", found.text))[:-4:-1]:
            yield f"{found.text[: behind.start()]}#{found.text[behind.end() :]}"


def _surplus_tail(found: Statement) -> Iterator[str]:
    if re.search(r"[,;]\s*(#[^\n]*)?$", found.text):
        yield re.sub(r"\s*[,;]\s*(#[^\n]*)?$", r" \1", found.text).rstrip()


def _without_value(found: Statement) -> Iterator[str]:
    if re.match(rf"\s*{DOTTED_KEY}\s*[=:]\s*(#[^\n]*)?$", found.text):
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
    pair = PAIR.match(found.text)
    plain = value.split(" #", maxsplit=1)[0].strip()
    if pair is None or not found.known.get(pair[2], "").startswith("[") or not plain or plain[0] in "[{\"'(":
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
    tokens = toml_tokens(value)
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
    """`name = "a`, `command = ["a]`, `name = "a'`, each with or without a comment behind it."""
    comment = re.search(r"\s+#[^\n]*$", found.text)
    for end in [comment.start(), len(found.text)] if comment else [len(found.text)]:
        yield from (each + found.text[end:] for each in _with_closing_quote(found.text[:end]))


def _with_closing_quote(text: str) -> Iterator[str]:
    signs = re.search(r"\s*[\]},][\s\]},]*$", text)
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


def _apostrophe(found: Statement) -> Iterator[str]:
    """`'it's'`."""
    yield re.sub(
        rf"{DOUBLE_QUOTED}|'([\w ]*\w)'(\w[\w ]*)'",
        lambda part: part[0] if part[1] is None else f'"{part[1]}\'{part[2]}"',
        found.text,
    )


def _string_prefix(found: Statement) -> Iterator[str]:
    """`r"\\d"`, `f"a"`, as Python has them."""
    yield re.sub(r'([=\[,{]\s*)[rR]"([^"\'\n]*)"', r"\1'\2'", found.text)
    yield re.sub(r"([=\[,{]\s*)[rRfFbBuU]+(?=[\"'])", r"\1", found.text)


def _missing_commas(value: str, _: Statement) -> str:
    """`["a" "b"]`, `{ a = 1 b = 2 }`."""
    made: list[str] = []
    before, end = "", 0
    for kind, text in toml_tokens(value):
        opens = kind in ("string", "word") or text in ("[", "{")
        if opens and before in ("string", "word", "]", "}"):
            made.insert(end, ",")
        made.append(text)
        if kind not in ("blank", "comment"):
            before, end = text if kind == "sign" else kind, len(made)
    return "".join(made)


def _matched_brackets(value: str, _: Statement) -> str | None:
    """`["a", "b"`, `["a"]]`, `["a"}`."""
    made, opened = [], []
    for kind, text in toml_tokens(value):
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


def _inline_table(value: str, found: Statement) -> str | None:
    """`{ a: "b", }`, `{ a = 1; b = 2 }`, one over several lines, also without commas."""
    if "{" not in value:
        return None
    lines = value.count("\n")
    plain = _outside_strings(
        re.sub(r"(?m)\s*#[^\n]*$", "", value) if lines else value, lambda text: text.replace(";", ",")
    )
    plain = re.sub(rf"({IN_QUOTES}|[A-Za-z0-9_-]+)\s*:\s*(?=[\"'\[{{\w])", r"\1 = ", plain)
    plain = re.sub(r",\s*}", " }", " ".join(plain.split()) if lines else plain) + "\n" * lines
    return _missing_commas(plain, found)


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


def _joined_lines(value: str, _: Statement) -> str | None:
    """`["a", "b` and `c"]` on the next line."""
    return value.replace("\n", "") if "\n" in value else None


def _value_below(found: Statement) -> Iterator[str]:
    """`to =` with its value on the next line, or with a list there that was not opened."""
    if whole := re.match(rf"^(\s*{DOTTED_KEY}\s*=)[ \t]*(#[^\n]*)?\n\s*(\S.*)$", found.text, re.DOTALL):
        yield f"{whole[1]} {whole[3]}"
        yield f"{whole[1]} [ {whole[3]}"


def split_line(found: Statement) -> Iterator[str]:
    """`a = 1 b = 2`, `[table] a = 1`."""
    begun = [0, *_further_statements(found.text)]
    parts = [found.text[start:end].strip() for start, end in itertools.pairwise([*begun, len(found.text)])]
    if len(parts) > 1:
        yield JOINT.join([*(part.rstrip(";,").rstrip() for part in parts[:-1]), parts[-1]])


def _further_statements(text: str) -> Iterator[int]:
    """Yield where further statements begin: behind a value or a header, outside strings, brackets and comments."""
    depth = at = 0
    for kind, piece in toml_tokens(text):
        if kind == "blank":
            at += len(piece)
            continue
        opening = _NEXT_STATEMENT.search(piece) if kind == "word" else None
        begins = at + (opening.start() if opening else 0)
        before, behind = text[:begins].strip(), text[begins:]
        whole = depth == 0 and ("=" in before or before[:1] == "[") and not before.endswith(("=", "."))
        if whole and (PAIR.match(behind) or (piece[0] == "[" and re.match(_HEADER, behind))):
            yield begins
        depth += (kind == "sign") * ((piece in "[{") - (piece in "]}"))
        at += len(piece)


def _one_sign(found: Statement) -> Iterator[str]:
    """`{ A = , B = 1 }`, `== 4`, `["a",, "b"]`, `[""a"]`: a sign that is missing, or one too many."""
    pieces = [text for _, text in toml_tokens(found.text)]
    kinds = [kind for kind, _ in toml_tokens(found.text)]
    if len(pieces) > TOKENS_MAX or not ("=" in found.text or found.text.lstrip()[:1] == "["):
        return
    for at, kind in enumerate(kinds):
        if kind in ("sign", "other"):
            yield "".join(pieces[:at] + pieces[at + 1 :])
            yield "".join(pieces[:at] + pieces[at + 2 :])
    for at in range(len(pieces)):
        for sign in (" = ", ",", '"', "]", "}", "[", "{", *(['""'] if pieces[at - 1 : at] == [" "] else [])):
            yield "".join([*pieces[:at], sign, *pieces[at:]])
    for at, (kind, piece) in enumerate(zip(kinds, pieces, strict=True)):
        if kind == "word":
            for other in (re.sub(r"[^\w.-]", "", piece), ""):
                yield "".join([*pieces[:at], other, *pieces[at + 1 :]])
    for quote in re.finditer("[\"']", found.text):
        for other in ("", "'" if quote[0] == '"' else '"'):
            yield found.text[: quote.start()] + other + found.text[quote.end() :]


def _without_key(found: Statement) -> Iterator[str]:
    if re.match(r"\s*=\s*\S", found.text):
        yield ""


def _table_header(found: Statement) -> Iterator[str]:
    """`[table`, `[a]]`, `[my table]`, `[wake]:`, `{wake}`, `wake:`."""
    first = " ".join(found.text.split())
    if head := re.match(r"^\s*(\[{1,2}|(?=[A-Za-z_.]+\s*:\s*$))\s*([^\[\]#\n:]*?)\s*\]{0,2}\s*[:;,]?\s*(#.*)?$", first):
        parts = [part.strip().strip("\"'") for part in head[2].split(".")]
        name = ".".join(part if re.fullmatch(BARE_PART, part) else json.dumps(part) for part in parts)
        left, right = ("[[", "]]") if head[1] == "[[" else ("[", "]")
        yield f"{left}{name}{right}{' ' + head[3] if head[3] else ''}"


class SlipRule(NamedTuple):
    """One kind of slip: in words, and what may have been meant; `cure`, where a line without it is not the cure."""

    words: str
    meant: Callable[[Statement], Iterator[str]]
    cure: str = "take the line out"


ONE_LINE = SlipRule("more than one statement on a line", split_line)
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
    ONE_LINE,
    SlipRule("a value begins in the line of its key", _value_below),
    SlipRule("no key before '='", _without_key, "expected one of {keys} before it"),
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
    SlipRule("an apostrophe inside single quotes", _apostrophe),
    SlipRule("a quote inside a string", _of_value(_inner_quote_in_list)),
    SlipRule("no closing quote", _unclosed_string),
    SlipRule("a quote, or a backslash, inside a string", _of_value(_inner_quote)),
    SlipRule("a backslash that stands for nothing", _odd_backslash),
    SlipRule("a list has square brackets", _of_value(_round_brackets)),
    SlipRule("an inline table is { key = value, key = value } in one line", _of_value(_inline_table)),
    SlipRule("no comma between two values", _of_value(_missing_commas)),
    SlipRule("brackets that do not match", _of_value(_matched_brackets)),
    SlipRule("a string of several lines has three quotes at each end", _of_value(_string_of_lines)),
    SlipRule("a line break inside a string", _of_value(_joined_lines)),
)
"""Kinds of slips, in the order in which they are tried."""
_OF_SIGNS = SLIPS[:20]  # and of words: one of these may come together with any other
LAST_SLIP = SlipRule("a sign is missing, or one is too many", _one_sign)
"""What is tried when nothing else helps."""
TRIED = [*itertools.combinations(SLIPS, 1), *itertools.combinations(_OF_SIGNS, 2),
          *itertools.product(_OF_SIGNS, SLIPS[len(_OF_SIGNS) :])]  # fmt: skip
