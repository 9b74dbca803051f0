"""An agent's profile as a page of Markdown: keys in YAML between two lines of dashes, then the prompt. Claude Code
takes what it can of a page and says nothing of the rest; a value that it takes otherwise than it is written is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from wakeman.core.gate import Refused, decode_text
from wakeman.core.model import Agent

FRONT_MATTER_CHARS_MAX = 16 * 1024
"""Characters before a page's prompt at most."""
NOT_PASSED_ON = frozenset(
    {"permissionMode", "maxTurns", "skills", "mcpServers", "hooks", "memory", "effort", "background", "isolation",
     "initialPrompt"}
)  # fmt: skip
"""Keys that Claude Code knows beside a name, a description, tools and a model: a worker goes without."""

_PLAIN_KINDS = (
    ("nothing", r"|~|null|Null|NULL"),
    ("a truth value", r"true|True|TRUE|false|False|FALSE"),
    ("a number", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
    ("a number", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
)
"""What a word without quotes is, beside a text, in the core schema of YAML 1.2, which Claude Code reads by."""
_SPECIAL = re.compile(r"""[\[\]{}*&#!|>%@`"']|: """)
_COMMAS = re.compile(r",(?![^(]*\))")
"""Commas outside parentheses: those within belong to a tool's own rules."""


class Page(Struct, frozen=True):
    """A profile. `fault` says why nobody can be given it, as `LINE: what`; `unused` are keys that change nothing."""

    name: str
    agent: Agent
    fault: str = ""
    unused: tuple[str, ...] = ()


class _Value(NamedTuple):
    """A value: what it is, its text, its items, its line in the page. `bare`: with quotes that were not there."""

    kind: str
    text: str
    items: tuple[_Value, ...] = ()
    line: int = 0
    bare: bool = False


def read_page(data: bytes) -> Page | Refused:
    """Read a page. Boundary: refused is what Claude Code takes for no profile, or what nobody could read."""
    text = decode_text(data)
    if isinstance(text, Refused):
        return text
    text = text.replace("\r\n", "\n")
    begun = re.match(r"---[^\S\n]*\n", text)
    over = begun and re.compile(r"^---[^\S\n]*$", re.MULTILINE).search(text, begun.end())
    if begun is None or over is None:
        return Refused("found no keys between two lines of dashes at its beginning")
    front, prompt = text[begun.end() : over.start()], text[over.end() :].strip()
    if len(front) > FRONT_MATTER_CHARS_MAX:
        return Refused(f"found more than {FRONT_MATTER_CHARS_MAX} characters of keys", much=True)
    keys = _front_keys(front)
    if isinstance(keys, Refused):
        return keys
    name, description = (keys.get(key, _Value("nothing", "")) for key in ("name", "description"))
    if name.kind != "text" or description.kind != "text" or not name.text or not description.text:
        return Refused("found no name, or no description")
    tools = _page_tools(keys["tools"]) if "tools" in keys else None
    agent = Agent(
        description=description.text.strip(),
        prompt=prompt,
        tools=None if isinstance(tools, Refused) else tools,
        model=_page_model(keys),
    )
    fault = next(_misread(front, keys, tools, prompt), "")
    return Page(_without_comment(name), agent, fault, tuple(sorted(NOT_PASSED_ON & keys.keys())))


def split_tools(text: str) -> tuple[str, ...] | Refused:
    """Return the names in a text: between commas, or, where there are none, between blanks."""
    parts = [part.strip() for part in _COMMAS.split(text)]
    if len(parts) == 1 and parts[0].count("(") == parts[0].count(")"):
        parts = re.split(r"[ \t]+(?![^(]*\))", parts[0])
    for part in parts:
        if re.search(r"\s(?![^(]*\))", part) or part.count("(") != part.count(")"):
            return Refused(f"found {part!r}; expected names with commas between them, as 'Read, Grep'")
    return tuple(filter(None, parts))


def _misread(front: str, keys: Mapping[str, _Value], tools: object, prompt: str) -> Iterator[str]:
    """Yield what Claude Code takes otherwise than it is written, each as `LINE: what`."""
    if "---" in front:
        at = front.count("\n", 0, front.index("---")) + 2
        yield f"{at}: found '---' among its keys; expected it below them only: Claude Code reads no key from there on"
    for key in ("name", "tools", "model"):
        value = keys.get(key)
        if value is not None and value.bare and (" #" in value.text or value.text[0] in "\"'[{|>&!"):
            yield (
                f"{value.line}: {key}: found {value.text!r} beside a value that is no YAML; expected each in quotes:"
                " Claude Code takes this one as it stands"
            )
    if isinstance(tools, Refused):
        yield f"{keys['tools'].line}: tools: {tools.why}"
    if (model := keys.get("model")) is not None and model.kind not in ("text", "nothing"):
        yield f"{model.line}: model: found {model.kind}; expected a name: Claude Code takes its default"
    if (denied := keys.get("disallowedTools")) is not None:
        yield f"{denied.line}: disallowedTools: found it, which is not passed on; expected what it may use, in tools"
    if not prompt:
        yield f"{front.count(chr(10)) + 2}: found no prompt below its keys; expected what the agent is told"


def _page_tools(value: _Value) -> tuple[str, ...] | Refused | None:
    """Return the tools that a value names; None for all."""
    if value.kind == "text":
        names = split_tools(value.text)
        if not names:
            return Refused("found no name in it; expected names, or no such key: Claude Code would give no tool at all")
    elif value.kind != "a list":
        return Refused(f"found {value.kind}; expected names: Claude Code would give no tool at all")
    else:
        names = ()
        for item in value.items:
            found = split_tools(item.text) if item.kind == "text" else Refused(f"found {item.kind} in its list")
            if isinstance(found, Refused):
                return Refused(f"{found.why}: Claude Code would leave it out, or take it apart")
            names = (*names, *found)
    return None if names == ("*",) else names


def _page_model(keys: Mapping[str, _Value]) -> str | None:
    value = keys.get("model")
    return value.text if value is not None and value.kind == "text" and value.text else None


def _without_comment(name: _Value) -> str:
    """Return a name without the comment that belongs to it in Claude Code's reading."""
    return re.split(r"\s+#", name.text)[0] if name.bare else name.text


# --- YAML -----------------------------------------------------------------------------------------------------


def _front_keys(front: str) -> dict[str, _Value] | Refused:
    """Return the keys of a page, as Claude Code finds them: if they are no YAML, then with each value in quotes."""
    import yaml

    quoted = {number: line for number, line in enumerate(map(_in_quotes, front.split("\n")), 2) if line}
    for again in (False, True):
        lines = [(again and quoted.get(number)) or line for number, line in enumerate(front.split("\n"), 2)]
        try:
            keys = _yaml_mapping(yaml, "\n".join(lines))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{mark.line + 2}: " if mark is not None else ""
            fault = f"{where}found keys that are no YAML: {getattr(error, 'problem', None) or 'not readable'}"
            continue
        return {key: each._replace(bare=again and each.line in quoted) for key, each in keys.items()}
    return Refused(fault)


def _in_quotes(line: str) -> str:
    """Return a line with its value in quotes; "" for one that needs none, or has some."""
    found = re.fullmatch(r"([A-Za-z_-]+:[ \t]+)(.*\S)\s*", line)
    if not found or not _SPECIAL.search(found[2]) or re.fullmatch(r"[\"'].*|\[.*\]", found[2]):
        return ""
    escaped = found[2].replace("\\", "\\\\").replace('"', '\\"')
    return f'{found[1]}"{escaped}"'


def _yaml_mapping(yaml: Any, text: str) -> dict[str, _Value]:
    """Return the values of a mapping by key; of no mapping, nothing. Raises: yaml.YAMLError.

    Shape: the parser's events are read, no value is made of them: nesting, tags and aliases cost nothing.
    """
    opened: list[list[_Value]] = [[]]
    starts: list[Any] = []
    anchors: dict[str, _Value] = {}
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        begin = event
        match event:
            case yaml.CollectionStartEvent():
                starts.append(event)
                opened.append([])
                continue
            case yaml.CollectionEndEvent():
                begin, items = starts.pop(), tuple(opened.pop())
                kind = "a list" if isinstance(begin, yaml.SequenceStartEvent) else "a table"
                value = _Value(kind, "", items, begin.start_mark.line + 2)
            case yaml.ScalarEvent():
                value = _Value(_scalar_kind(event), event.value, (), event.start_mark.line + 2)
            case yaml.AliasEvent() if event.anchor in anchors:
                value = anchors[event.anchor]._replace(line=event.start_mark.line + 2)
            case yaml.AliasEvent():
                raise yaml.MarkedYAMLError(problem="an alias of nothing", problem_mark=event.start_mark)
            case _:
                continue
        if begin.anchor is not None:
            anchors[begin.anchor] = value
        opened[-1].append(value)
    root = opened[0][0] if opened[0] else _Value("nothing", "")
    if root.kind != "a table":
        return {}
    return {key.text: value for key, value in zip(root.items[::2], root.items[1::2], strict=True)}


def _scalar_kind(scalar: Any) -> str:
    """Return what a scalar is to Claude Code: a text, if it has quotes or a tag."""
    if not scalar.implicit[0]:
        return "text"
    return next((kind for kind, form in _PLAIN_KINDS if re.fullmatch(form, scalar.value)), "text")
