"""Read a plan file's text: every fault at once, each with its line.

It follows the structs of `model`, so a new field needs no change here; rules about several keys are in `validation`.
"""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, cast

import msgspec
from msgspec import inspect as mi

from wakeman.core.errors import WRITE, PlanError
from wakeman.core.model import Plan
from wakeman.core.plan.json_slips import keys_twice, mend_json
from wakeman.core.plan.key_positions import Path, Problem, locate, spell
from wakeman.core.plan.slip_rules import JOINT
from wakeman.core.plan.slips import Slip, mend
from wakeman.core.plan.template import closest, nearest
from wakeman.core.plan.validation import broken

_Found = list[Problem]


class Quantity(NamedTuple):
    """A number with a unit: the factor of each unit, and the largest accepted number."""

    factors: Mapping[str, int]
    most: float


QUANTITIES = {
    "seconds": Quantity({"s": 1, "m": 60, "h": 3600, "d": 86400}, 3650 * 86400),
    "bytes": Quantity({"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}, 2**53),
}
NUMBER = r"[0-9]{1,15}(\.[0-9]{1,9})?"

POLICY = ("wake", "stuck", "verify", "cleanup", "limits", "workers")
"""Tables of a plan that are policy, not work."""

_SHAPES: dict[type[mi.Type], tuple[tuple[type, ...], str]] = {
    mi.StrType: ((str,), "a string"),
    mi.BoolType: ((bool,), "true or false"),
    mi.IntType: ((int,), "a whole number"),
    mi.FloatType: ((int, float), "a number"),
    mi.NoneType: ((type(None),), "null"),
    mi.VarTupleType: ((list,), "an array"),
    mi.DictType: ((dict,), "a table"),
    mi.StructType: ((dict,), "a table"),
    mi.LiteralType: ((str, bool), "a choice"),
    mi.Metadata: ((int, float, str), "a quantity"),
}
"""Kind of a field -> the type that a parser returns for it, and its name in messages."""

_BOUNDS: tuple[tuple[str, Callable[[float, float], bool], str], ...] = (
    ("ge", operator.ge, "at least"),
    ("gt", operator.gt, "more than"),
    ("le", operator.le, "at most"),
)
_FIELDS = cast("mi.StructType", mi.type_info(Plan)).fields
KEY_PARTS_MAX = 100
"""Parts of a dotted key at most: a library needs time that grows with their square."""
PLAN_DEPTH_MAX = 32
"""Levels of tables and lists at most."""
_LONG_KEY = rf"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]+[ \t]*\.[ \t]*){{{KEY_PARTS_MAX},}}"
_WHOLE_NUMBER_MAX = 2**53
_SHOWN_CHARS_MAX = 60
_TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_SPELLINGS = {
    "seconds": {
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
        **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
        **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
        **dict.fromkeys(("d", "day", "days"), "d"),
    },
    "bytes": {f"{letter.lower()}{rest}": letter for letter in "KMGT" for rest in ("", "b", "ib")},
}
"""How people write units -> how they are written here."""
_ITEM = mi.UnionType((mi.StrType(), mi.DictType(mi.StrType(), mi.StrType())))
"""Kind of the items that units are made of."""
_BAD = object()  # stands for a value that has been reported


def read_plan(text: str, where: str) -> Plan:
    """Read a plan from TOML, or from JSON when the text starts with `{`.

    Raises: PlanError with every fault as `where:line: key: what`, in the order of the file.
    """
    given, text, slips = _parse(text, where)
    found: _Found = []
    data = _check_table(_FIELDS, given, (), found)
    plan = msgspec.convert({"name": "unnamed", "units": {}} | data, Plan)
    found += broken(plan, [place for problem in (*found, *slips) for place in problem.places])
    found = _with_slips(slips, found)
    if found:
        raise PlanError(_problem_lines(found, text, where))
    return plan


def policy(text: str, where: str, base: Plan) -> Plan:
    """Read another policy for a plan, from a whole plan or from a file with only tables of POLICY.

    Shape: keys missing from such a file stay as in `base`; the rest of a whole plan is ignored. Raises: PlanError as
    `read_plan` does.
    """
    given, mended, slips = _parse(text, where)
    if {"name", "units"} & given.keys():
        whole = read_plan(text, where)
        return msgspec.structs.replace(base, **{table: getattr(whole, table) for table in POLICY})
    found: _Found = []
    data = _check_table([field for field in _FIELDS if field.encode_name in POLICY], given, (), found)
    tables = {table: msgspec.to_builtins(getattr(base, table)) | keys for table, keys in data.items()}
    plan = msgspec.convert(msgspec.to_builtins(base) | tables, Plan)
    known = [place for problem in (*found, *slips) for place in problem.places]
    found += [problem for problem in broken(plan, known) if problem.path[0] in given]
    found = _with_slips(slips, found)
    if found:
        raise PlanError(_problem_lines(found, mended, where))
    return plan


def read_table(name: str, given: Mapping[str, object], kind: type[msgspec.Struct]) -> dict[str, object]:
    """Return the keys of a table whose type another package defines, durations and sizes as numbers.

    Raises: PlanError with every fault as `key: what`.
    """
    found: _Found = []
    fields = cast("mi.StructType", mi.type_info(kind)).fields
    data = _check_table(fields, msgspec.json.decode(msgspec.json.encode(given)), (name,), found)
    if found:
        raise PlanError(tuple(f"{_spelled(problem.path)}{problem.text}" for problem in found))
    return data


def _with_slips(slips: _Found, found: _Found) -> _Found:
    """Return all faults, one for each key: a slip with the cure of what is wrong behind it, too."""
    behind = {problem.path: problem for problem in found}
    joined = [
        slip._replace(text=f"{slip.text.partition(WRITE)[0]}; {behind[slip.path].text}")
        if slip.path in behind
        else slip
        for slip in slips
    ]
    known = {slip.path for slip in slips}
    return [*joined, *(problem for problem in found if problem.path not in known)]


def _parse(text: str, where: str) -> tuple[Mapping[str, object], str, _Found]:
    """Return what a text holds, the text as it was read, and the slips of the pen without which it would be valid.

    Raises: PlanError when there are others.
    """
    text = with_plain_ends(text)
    if unread := encoding_fault(text):
        raise PlanError((f"{where}:{unread}",))
    json = text.lstrip().startswith("{")
    if not json and (long := re.search(_LONG_KEY, text)):
        line = text.count("\n", 0, long.start()) + 1
        raise PlanError((f"{where}:{line}: found a key of more than {KEY_PARTS_MAX} parts",))
    try:
        given, text, slips = _parse_mended(text, where, json=json)
        if not _depth_exceeds(given, PLAN_DEPTH_MAX):
            return given, text, [Problem(slip.path, slip.text, line=slip.line) for slip in slips]
    except RecursionError:
        pass
    raise PlanError((f"{where}: found values nested too deeply; expected a plan",))


def with_plain_ends(text: str) -> str:
    """Return a plan's text without a byte order mark, each of its lines ended by a line feed."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def encoding_fault(text: str) -> str:
    """Return the line and the fault of a text that was read as UTF-8 and is not; "" for one that is."""
    bad = re.search("[\ud800-\udfff]|\0", text)
    if bad is None:
        return ""
    line = text.count("\n", 0, bad.start()) + 1
    if "\0" in text[:4] or text.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        return "1: found UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 OLD > NEW converts it"
    if bad[0] == "\0":
        return f"{line}: found a NUL character; expected text"
    byte = f"the byte 0x{ord(bad[0]) & 0xFF:02x}, which is no UTF-8"
    return f"{line}: found {byte}; expected UTF-8: iconv -f LATIN1 -t UTF-8 OLD > NEW converts what is Latin-1"


def _parse_mended(text: str, where: str, *, json: bool) -> tuple[Mapping[str, object], str, list[Slip]]:
    """Parse a text, mended where it has slips. Raises: PlanError when it cannot be."""
    slips: list[Slip] = []
    given: Mapping[str, object]
    try:
        given = msgspec.json.decode(text) if json else tomllib.loads(text)
    except ValueError as fault:
        slips, mended = mend_json(text) if json else mend(text, _known_keys)
        if mended is None:
            told = tuple(f"{where}:{slip.line}: {_spelled(slip.path)}{slip.text}" for slip in slips)
            raise PlanError(told) from fault
        text = mended
        try:
            given = msgspec.json.decode(text) if json else tomllib.loads(text)
        except ValueError as other:  # a number of more digits than can be read
            raise PlanError((f"{where}: found {str(other)[:1].lower()}{str(other)[1:]}",)) from other
    return given, text, [*slips, *(keys_twice(text) if json else ())]


def _known_keys(table: Path) -> dict[str, str]:
    """Return the keys that a table of a plan may have, each with an example of its value."""
    fields = _FIELDS
    for part in table:
        kind = next((field.type for field in fields if field.encode_name == part), None)
        kind = kind.item_type if isinstance(kind, mi.VarTupleType) else kind
        fields = kind.fields if isinstance(kind, mi.StructType) else fields if isinstance(part, int) else ()
    return {field.encode_name: _example(field.type) for field in fields}


def _example(kind: mi.Type) -> str:
    """Return a value of that type, as TOML has it."""
    match kind:
        case mi.UnionType(types=types):
            return _example(types[0])
        case mi.Metadata(extra={"unit": str(unit)}):
            return '"10M"' if "K" in QUANTITIES[unit].factors else '"5m"'
        case mi.LiteralType(values=values):
            return msgspec.json.encode(next(value for value in values if isinstance(value, str))).decode()
        case mi.VarTupleType(item_type=inner):
            return f"[{_example(inner)}]"
        case mi.DictType():
            return '{ NAME = "value" }'
        case mi.StructType(fields=fields):
            return f"{{ {fields[0].encode_name} = {_example(fields[0].type)} }}"
        case mi.BoolType():
            return "true"
        case mi.IntType() | mi.FloatType():
            return "1"
        case _:
            return '"text"'


def _spelled(path: Path) -> str:
    return f"{spell(path)}: " if path else ""


def _depth_exceeds(value: object, most: int) -> bool:
    """Return whether tables and lists are nested deeper than `most` levels."""
    level: list[object] = [value]
    for _ in range(most + 1):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [each for values in inner for each in values]
    return bool(level)


def _problem_lines(found: Iterable[Problem], text: str, where: str) -> tuple[str, ...]:
    """Return each problem with its line. Cost: a walk over the whole text, which a valid plan does not need."""
    joints = list(accumulate((line.endswith(JOINT[:-1]) for line in text.split("\n")), initial=0))
    lines = {path: line - joints[line - 1] for path, line in locate(text).items()}

    def line(problem: Problem) -> int:
        upwards = reversed(list(accumulate((part,) for part in problem.path)))
        return next((lines[path] for path in upwards if path in lines), 1)

    ordered = sorted(((problem.line or line(problem), problem) for problem in found), key=operator.itemgetter(0))
    return tuple(f"{where}:{at}: {_spelled(problem.path)}{problem.text}" for at, problem in ordered)


def _value(kind: mi.Type, value: object, path: Path, found: _Found) -> object:
    """Check one value against its kind; give it with durations and sizes as numbers, or _BAD."""
    if not _has_shape(kind, value):
        return _wrong_type(kind, value, path, found)
    match kind, value:
        case mi.UnionType(types=types), _:
            return _union(types, value, path, found)
        case mi.LiteralType(values=values), _:
            return value if value in values else _wrong_type(kind, value, path, found)
        case mi.Metadata(type=inner, extra={"unit": str(unit)}), _:
            return _quantity(kind, QUANTITIES[unit], inner, value, path, found)
        case mi.StructType(fields=fields), dict():
            checked = _check_table(fields, value, path, found)
            return checked if all(field.encode_name in checked for field in fields if field.required) else _BAD
        case mi.DictType(value_type=inner), dict():
            items = {key: _value(inner, item, (*path, key), found) for key, item in value.items()}
            return items if _BAD not in items.values() else _BAD
        case mi.VarTupleType(item_type=inner), list() if inner == _ITEM and all(map(_is_plain_item, value)):
            return value
        case mi.VarTupleType(item_type=inner), list():
            elements = [_value(inner, item, (*path, at), found) for at, item in enumerate(value)]
            return elements if _BAD not in elements else _BAD
        case _:
            return _scalar(kind, value, path, found)


def _is_plain_item(value: object) -> bool:
    """Return whether an item is valid at first sight: of a hundred thousand, each would be taken apart otherwise."""
    texts = value.values() if type(value) is dict else (value,)
    return all(type(text) is str and "\0" not in text for text in texts)


def _check_table(
    members: Iterable[mi.Field], value: Mapping[str, object], path: Path, found: _Found
) -> dict[str, object]:
    """Check a table; return its valid part."""
    fields = {field.encode_name: field for field in members}
    checked: dict[str, object] = {}
    for key, item in value.items():
        if key in fields:
            checked[key] = _value(fields[key].type, item, (*path, key), found)
        else:
            found.append(_unknown_key((*path, key), key, fields))
    for key, field in fields.items():
        if field.required and key not in value:
            found.append(Problem((*path, key), f"missing; expected {_expected(field.type)}"))
    return {key: item for key, item in checked.items() if item is not _BAD}


def _unknown_key(path: Path, key: str, known: Iterable[str]) -> Problem:
    if guess := closest(key, known):
        return Problem(path, f"unknown key; did you mean {guess!r}?", ((*path[:-1], guess),))
    return Problem(path, f"unknown key; expected one of {', '.join(known)}")


def _union(kinds: Sequence[mi.Type], value: object, path: Path, found: _Found) -> object:
    """Return the first alternative without a fault; otherwise report the one that was probably meant, or all."""
    faults: list[_Found] = []
    for kind in kinds:
        tried: _Found = []
        checked = _value(kind, value, path, tried)
        if not tried:
            return checked
        faults += [tried] if _has_shape(kind, value) else []
    if len(faults) > 1:
        return _wrong_type(mi.UnionType(tuple(kinds)), value, path, found)
    found.extend(*faults)  # of the one that was meant
    return _BAD


def _quantity(kind: mi.Type, quantity: Quantity, inner: mi.Type, value: object, path: Path, found: _Found) -> object:
    if isinstance(value, str):
        written = re.fullmatch(f"({NUMBER})([{''.join(quantity.factors)}])", value)
        if not written:
            return _wrong_type(kind, value, path, found)
        number = float(written[1]) * quantity.factors[written[3]]
        value = int(number) if isinstance(inner, mi.IntType) else number
    checked = _value(inner, value, path, found)
    if isinstance(checked, int | float) and checked > quantity.most:
        found.append(Problem(path, f"found {_shown(value)}; expected at most {quantity.most}"))
        return _BAD
    return checked


def _scalar(kind: mi.Type, value: object, path: Path, found: _Found) -> object:
    wanted = ""
    match kind, value:
        case _, str():
            wanted = "text without NUL characters" if "\0" in value else ""
        case mi.IntType() | mi.FloatType(), int() | float():
            wanted = _bound(kind, value)
            value = float(value) if isinstance(kind, mi.FloatType) and not wanted else value
        case _:
            pass
    if not wanted:
        return value
    found.append(Problem(path, f"found {_shown(value)}; expected {wanted}"))
    return _BAD


def _bound(kind: mi.IntType | mi.FloatType, number: float) -> str:
    """Return what was expected of a number outside its bounds; "" for one inside."""
    if not abs(number) <= _WHOLE_NUMBER_MAX:
        return "a number of ordinary size"
    for name, holds, words in _BOUNDS:
        limit = getattr(kind, name)
        if limit is not None and not holds(number, limit):
            return f"{words} {limit}"
    return ""


def _wrong_type(kind: mi.Type, value: object, path: Path, found: _Found) -> object:
    hint = nearest(value, _choices(kind)) if isinstance(value, str) else ""
    cure = "" if hint else _cure(kind, value)
    written = f"{WRITE}{cure}" if cure else ""
    found.append(Problem(path, f"found {_shown(value)}; expected {_expected(kind)}{hint}{written}"))
    return _BAD


def _cure(kind: mi.Type, value: object) -> str:
    """Return what was meant by a value of the wrong type, as TOML has it; "" where that is not plain."""
    kinds = kind.types if isinstance(kind, mi.UnionType) else (kind,)
    return next(filter(None, (_meant(each, value) for each in kinds)), "")


def _meant(kind: mi.Type, value: object) -> str:
    plain = value.strip() if isinstance(value, str) else ""
    match kind:
        case mi.Metadata(extra={"unit": str(unit)}):
            return f'"{respelled}"' if (respelled := _respelled(unit, plain)) else ""
        case mi.BoolType() if plain.lower() in _TRUTHS:
            return _TRUTHS[plain.lower()]
        case mi.IntType() if re.fullmatch(r"[0-9]{1,15}", plain):
            return plain
        case mi.FloatType() if percent := re.fullmatch(rf"({NUMBER})\s*(%?)", plain):
            return f"{float(percent[1]) / 100:g}" if percent[3] else percent[1]
        case mi.StrType() if isinstance(value, int | float) and not isinstance(value, bool):
            return f'"{value}"' if abs(value) <= _WHOLE_NUMBER_MAX else ""
        case mi.VarTupleType(item_type=mi.StrType()) if plain:
            return _as_list(plain)
        case _:
            return ""


def _as_list(text: str) -> str:
    """Return the words of a text as a list; "" for a text of which no list can be made."""
    import shlex

    try:
        words = shlex.split(text)
    except ValueError:
        return ""
    return msgspec.json.encode(words).decode().replace('","', '", "') if len(text) <= _SHOWN_CHARS_MAX else ""


def _respelled(unit: str, text: str) -> str:
    """Return a number with a unit as it is written here: `30 min` is `30m`, `1h30m` is `90m`, `10 MB` is `10M`."""
    factors, spellings = QUANTITIES[unit].factors, _SPELLINGS[unit]
    pieces = re.findall(rf"({NUMBER})\s*([A-Za-z]+)", text)
    if not pieces or re.sub(rf"{NUMBER}\s*[A-Za-z]+|[\s,]|and", "", text):
        return ""
    read = [(number, spellings.get(word.lower(), "")) for number, _, word in pieces]
    if not all(short for _, short in read):
        return ""
    if len(read) == 1:
        return "".join(read[0])
    smallest = min((short for _, short in read), key=factors.__getitem__)
    total = sum(float(number) * factors[short] for number, short in read) / factors[smallest]
    return f"{total:g}{smallest}"


def _has_shape(kind: mi.Type, value: object) -> bool:
    """Return whether a value has the right type, regardless of its content."""
    if isinstance(kind, mi.UnionType):
        return any(_has_shape(each, value) for each in kind.types)
    if isinstance(kind, mi.LiteralType):
        return type(value) in {type(choice) for choice in kind.values}
    return type(value) in _SHAPES[type(kind)][0]


def _expected(kind: mi.Type) -> str:
    match kind:
        case mi.UnionType(types=types):
            return " or ".join(_expected(each) for each in types if not isinstance(each, mi.NoneType))
        case mi.LiteralType():
            choices = sorted(kind.values, key=lambda choice: (not isinstance(choice, str), str(choice)))
            return " or ".join(filter(None, (", ".join(map(_shown, choices[:-1])), _shown(choices[-1]))))
        case mi.Metadata(extra_json_schema={"description": str(text)}):
            return text
        case mi.VarTupleType(item_type=inner):
            return f"an array of values, each {_expected(inner)}"
        case mi.IntType(ge=int(least)):
            return f"a whole number of at least {least}"
        case _:
            return _SHAPES[type(kind)][1]


def _choices(kind: mi.Type) -> list[str]:
    match kind:
        case mi.UnionType(types=types):
            return [choice for each in types for choice in _choices(each)]
        case mi.LiteralType(values=values):
            return [choice for choice in values if isinstance(choice, str)]
        case _:
            return []


def _shown(value: object) -> str:
    """Return what was found, in one short line of printable characters."""
    match value:
        case dict() | list() | bool() | None:
            return {dict: "a table", list: "an array", bool: str(value).lower()}.get(type(value), "null")
        case int() if abs(value) > _WHOLE_NUMBER_MAX:
            return "a huge number"
        case str():
            return repr(value if len(value) <= _SHOWN_CHARS_MAX else value[:_SHOWN_CHARS_MAX] + "...")
        case _:
            return str(value)
