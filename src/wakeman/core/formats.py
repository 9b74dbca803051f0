"""Whether bytes are a valid file of a format, by its syntax alone: no value of the file is made.

This runs in a process of its own, with bounds on time and memory: it imports nothing but what the format needs.
Raises: whatever a library does not foresee; who calls it makes a verdict of that too.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the module `typing` alone would double the time to a parser's start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from wakeman.core.model import Format

NESTING_MAX = 500
"""Levels that a YAML file may nest; the other formats end where their parser does, at about as many."""
KEY_CHARS_SHOWN = 60
"""Characters of a key that a fault repeats."""
_YAML_NULL, _YAML_TEXT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"


def format_fault(kind: Format, data: bytes) -> str:
    """Return why `data` is not a valid file of its kind, in one line; "" when it is one.

    Boundary: what a value means is not asked: a tag that nobody knows, a date that does not exist and a number of any
    length are valid. A key that is there twice is not. A YAML file may hold several documents, but not only empty ones.
    """
    return _FORMATS[kind](data)


def _json_fault(data: bytes) -> str:
    """Judge by RFC 8259, and more strictly: its keys are unique, as it recommends, and there is no byte order mark."""
    import json

    try:
        json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_constant, parse_int=len, parse_float=len
        )  # the length of a number's text: an object that is there already
    except UnicodeDecodeError as error:
        return _fault("JSON", "not UTF-8", data[: error.start])
    except json.JSONDecodeError as error:
        return _fault("JSON", error.msg, b"\n" * (error.lineno - 1))
    except RecursionError:
        return _fault("JSON", "nested too deeply")
    except _NotValidError as error:
        return _fault("JSON", str(error))
    return ""


class _NotValidError(Exception):
    """What a hook finds wrong while a library parses."""


def _unique(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _NotValidError(_twice(key))
        seen.add(key)


def _constant(name: str) -> None:
    raise _NotValidError(f"a number that JSON does not have: {name}")


def _toml_fault(data: bytes) -> str:
    import tomllib

    try:
        tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        return _fault("TOML", "not UTF-8", data[: error.start])
    except tomllib.TOMLDecodeError as error:
        why, _, place = str(error).rstrip(")").partition(" (at ")
        line = place.removeprefix("line ").partition(",")[0]
        return _fault("TOML", why, b"\n" * (int(line) - 1) if line.isdigit() else data)
    except ValueError as error:  # a number of thousands of digits: TOML's end at 64 bits
        return _fault("TOML", str(error).partition(";")[0])
    except RecursionError:
        return _fault("TOML", "nested too deeply")
    return ""


def _yaml_fault(data: bytes) -> str:
    """Judge the events of the parser: nodes are not composed, tags not resolved, aliases not followed."""
    import yaml

    loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Documents(yaml).first_fault(yaml.parse(data, Loader=loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        return _fault("YAML", error.problem or "malformed", b"\n" * line)
    except yaml.YAMLError as error:
        return _fault("YAML", str(error).partition("\n")[0])


class _Level:
    """A collection that is open. `keys` are those of a mapping so far, None for a sequence; a collection that is (part
    of) a key collects its `parts`, to be compared with other keys."""

    __slots__ = ("keys", "parts", "tag", "value_due")

    def __init__(self, tag: str | None, keys: set[object] | None, parts: list[object] | None) -> None:
        self.tag, self.keys, self.parts, self.value_due = tag, keys, parts, False

    @property
    def at_key(self) -> bool:
        """Return whether the next node is a key, or a part of one."""
        return self.parts is not None or (self.keys is not None and not self.value_due)

    @property
    def node(self) -> object:
        """Return what equal collections have in common. Boundary: the pairs of a mapping in another order are equal."""
        if self.parts is None:
            return self
        pairs = zip(self.parts[::2], self.parts[1::2], strict=True)
        return self.tag, tuple(self.parts) if self.keys is None else frozenset(pairs)

    def repeats(self, node: object) -> bool:
        """Take the next node; return whether it is a key that was there before."""
        if self.parts is not None:
            self.parts.append(node)
        if self.keys is None:
            return False
        self.value_due = not self.value_due
        if not self.value_due:
            return False
        before = len(self.keys)
        self.keys.add(node)
        return len(self.keys) == before


class _Documents:
    """What the events of one YAML file say.

    Shape: two scalars are equal if they are written alike and have one tag: `1` and `"1"` are two keys, `a` and `"a"`
    are one. `<<` is a key as any other: several mappings are merged by a list. An alias is what it refers to.
    """

    def __init__(self, yaml: Any) -> None:
        self._yaml = yaml
        self._resolve = yaml.resolver.Resolver().resolve
        self._anchors: dict[str, object] = {}
        self._levels: list[_Level] = []
        self._holds = False

    def first_fault(self, events: Iterable[Any]) -> str:
        """Return what is wrong first; "" for nothing. Cost: most of a file are values, which are passed over."""
        scalar, alias = self._yaml.ScalarEvent, self._yaml.AliasEvent
        begin, end = self._yaml.CollectionStartEvent, self._yaml.CollectionEndEvent
        levels, why = self._levels, ""
        for event in events:
            kind = type(event)
            if kind is scalar:
                if levels and not event.anchor and not levels[-1].at_key:
                    levels[-1].value_due = False
                    continue
                why = self._scalar(event)
            elif kind is alias:
                why = self._alias(event.anchor)
            elif issubclass(kind, begin):
                why = self._opened(event)
            elif issubclass(kind, end):
                why = self._taken(levels.pop().node)
            else:
                self._anchors.clear()  # a document ends or begins
            if why:
                return _fault("YAML", why, b"\n" * event.start_mark.line)
        return "" if self._holds else "holds nothing"

    def _scalar(self, event: Any) -> str:
        plain = event.implicit[0]
        tag = event.tag or (self._resolve(self._yaml.ScalarNode, event.value, (True, False)) if plain else _YAML_TEXT)
        node = (tag, event.value)
        if event.anchor:
            self._anchors[event.anchor] = node
        return self._taken(node)

    def _alias(self, name: str) -> str:
        if name not in self._anchors:
            return f"no anchor has the name {name[:KEY_CHARS_SHOWN]!r}"
        node = self._anchors[name]
        return self._taken(node.node if isinstance(node, _Level) else node)

    def _opened(self, event: Any) -> str:
        within = bool(self._levels) and self._levels[-1].at_key
        mapping = type(event) is self._yaml.MappingStartEvent
        level = _Level(event.tag, set() if mapping else None, [] if within else None)
        self._levels.append(level)
        if event.anchor:
            self._anchors[event.anchor] = level
        return "nested too deeply" if len(self._levels) > NESTING_MAX else ""

    def _taken(self, node: object) -> str:
        """Take a whole node; return what is wrong with it there."""
        if not self._levels:
            self._holds = self._holds or not (isinstance(node, tuple) and node[0] == _YAML_NULL)
            return ""
        if not self._levels[-1].repeats(node):
            return ""
        if isinstance(node, tuple) and isinstance(node[1], str):
            return _twice(node[1])
        return "a key is there twice"


def _twice(key: str) -> str:
    return f"the key {key[:KEY_CHARS_SHOWN]!r} is there twice"


def _fault(kind: str, why: str, before: bytes | None = None) -> str:
    """Format a fault. `before` is what comes before it, so that its line can be counted."""
    line = "" if before is None else f"line {before.count(10) + 1}: "
    return f"not {kind}: {line}{why[:1].lower() + why[1:]}"


_FORMATS: dict[Format, Callable[[bytes], str]] = {
    "none": lambda _: "",
    "json": _json_fault,
    "toml": _toml_fault,
    "yaml": _yaml_fault,
}
