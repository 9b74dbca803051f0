"""From a plan to its units, and from units to shares and the tasks of their workers."""

from __future__ import annotations

import hashlib
import itertools
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from wakeman.core import names
from wakeman.core.errors import PlanError
from wakeman.core.gate import Refused, decode_json
from wakeman.core.model import Agent, Plan, Share, Unit, UnitsSpec
from wakeman.core.plan.conflicts import escape_pattern
from wakeman.core.plan.template import render

_PLAIN = r"[\w./@%+=:~-]+"
_EXCERPT_CHARS_MAX = 60
_SOURCES = ("glob", "items", "file", "command", "matrix")


class _Entry(NamedTuple):
    """One entry of a source: its position, its unit's name, and its own template names."""

    where: str
    name: str
    input: str | None
    own: dict[str, str]


def units(plan: Plan, source: Sequence[str] = (), root: str = ".") -> list[Unit]:
    """Make the units of a plan.

    Shape: `source` is what the caller obtained: relative paths for `glob`, lines for `file` and `command`; `items`
    and `matrix` need none. `root` is used only in messages. Blank lines and those that begin with `#` are passed over;
    blanks around a name are part of it.
    Raises: PlanError with every fault: no unit at all, a name used twice, a line or a path that cannot be used.
    """
    problems: list[str] = []
    entries = list(itertools.islice(_source_entries(plan.units, source, problems), plan.units.limit))
    if not entries and not problems:
        problems.append(_nothing(plan.units, root))
    first: dict[str, str] = {}
    made = []
    for entry in entries:
        if entry.name in first:
            problems.append(
                f"{entry.where}: found unit {entry.name!r}, as in {first[entry.name]}; expected names to differ"
            )
        first.setdefault(entry.name, entry.where)
        made += _unit(plan, entry, problems)
    if problems:
        raise PlanError(tuple(problems))
    return made


class _UnitNames(dict[str, str]):
    """What templates of a unit may use. The parts of its path are found out when a template asks for one, or for what
    there is not: few do, and of many units it takes a while.
    """

    def __init__(self, unit: Unit) -> None:
        super().__init__(unit.names, unit=unit.name)
        if unit.input is not None:
            self["input"] = unit.input
        self._unit = unit

    def __missing__(self, name: str) -> str:
        self.clear()  # in the order in which an error lists them
        self.update(unit_template_values(self._unit))
        if name in self:
            return self[name]
        raise KeyError(name)


def unit_template_values(unit: Unit) -> dict[str, str]:
    """Return what templates of a unit may use: the parts of its path (input, or else name), and its own keys."""
    path = unit.name if unit.input is None else unit.input
    parent, name = posixpath.split(path.rstrip("/"))
    parent = parent or "."
    stem, suffix = posixpath.splitext(name)
    parts = {
        "path": path,
        "parent": parent,
        "parent_name": _base_name(parent),
        "name": name,
        "stem": stem,
        "suffix": suffix,
    }
    given = {} if unit.input is None else {"input": unit.input}
    return parts | unit.names | given | {"unit": unit.name}


def verify_names(unit: Unit) -> dict[str, str]:
    """Return what `verify.command` may use: the unit's names, and its first output."""
    return unit_template_values(unit) | {"output": unit.outputs[0]}


def shares(plan: Plan, units: Iterable[Unit]) -> list[Share]:
    """Divide units among workers: those with the same key together, in the order of the keys' first units.

    Shape: the worker is named after the first unit of its key; `max_units` cuts further.
    Raises: PlanError when a template asks for a name that a unit does not have.
    """
    groups: dict[str, list[Unit]] = {}
    for unit in units:
        key = _render(f"workers.by: unit {unit.name!r}", plan.workers.by, _UnitNames(unit))
        groups.setdefault(key, []).append(unit)
    made: list[Share] = []
    taken: set[str] = set()
    for key, group in groups.items():
        step = plan.workers.max_units or len(group)
        naming = unit_template_values(group[0]) | _group(key)
        base = names.safe(_render(f"workers.name: unit {group[0].name!r}", plan.workers.name, naming))
        for number, at in enumerate(range(0, len(group), step), 1):
            name = names.unique(names.tailed(base, f"_{number}" if number > 1 else ""), taken, f"{key}\0{number}")
            taken.add(name.lower())
            made.append(Share(name=name, key=key, units=tuple(group[at : at + step])))
    return made


def worker_names(deployment: str, share: Share, prompt_file: str, units_file: str) -> dict[str, str]:
    """Return what templates of a worker may use."""
    sources, outputs = _task_words(share.units)
    return _group(share.key) | {
        "worker": share.name,
        "deployment": deployment,
        "unit_table": _table(sources, outputs),
        "unit": ", ".join(_word(unit.name) for unit in share.units),
        "input": ", ".join(sources),
        "output": ", ".join(words for words in outputs if words),
        "prompt_file": prompt_file,
        "units_file": units_file,
    }


def task_text(template: str, values: Mapping[str, str], where: str = "workers.prompt", note: str = "") -> str:
    """Format a worker's task: the template filled in, then what a check or a person adds.

    Shape: `template` is `workers.prompt` or the text of `workers.prompt_file`; `where` names the template in errors.
    Raises: PlanError for a name out of scope, which a prompt file can still hold.
    """
    text = _render(where, template, values)
    return "\n\n".join(part.strip("\n") for part in (text, note) if part) + "\n"


def unit_table(units: Iterable[Unit]) -> str:
    """List units for an agent to read, one a line: `input -> outputs`; anything but a plain path is quoted."""
    return _table(*_task_words(units))


def units_listing(units: Iterable[Unit]) -> str:
    """List units for a program to read: one JSON object a line, with `unit`, `input` (or null) and `outputs`."""
    import json

    return "".join(
        json.dumps({"unit": unit.name, "input": unit.input, "outputs": unit.outputs}) + "\n" for unit in units
    )


def plan_digest(plan: Plan) -> str:
    """Return the hash of a plan with its defaults filled in: two files that mean the same have the same digest."""
    return content_digest(msgspec.to_builtins(plan))


def content_digest(plan: object) -> str:
    """Return the hash of a plan as it stands in a line, also one of another version with other keys."""
    import json

    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def profile_digest(agent: Agent) -> str:
    """Return the hash of a profile."""
    import json

    return hashlib.sha256(json.dumps(msgspec.to_builtins(agent), sort_keys=True).encode()).hexdigest()


def difference(old: Plan, new: Plan) -> list[str]:
    """List the keys in which two plans differ, as `workers.stagger: 2.0 -> 5.0`."""
    return [f"{key}: {before} -> {after}" for key, before, after in differing(old, new)]


def differing(old: Plan, new: Plan) -> list[tuple[str, str, str]]:
    """Return each key in which two plans differ, with an excerpt of its value before and after."""
    from wakeman.core.plan.key_positions import spell

    before, after = (dict(_leaves(msgspec.to_builtins(plan))) for plan in (old, new))
    found = []
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            was, now = _excerpts(before.get(key, "(none)"), after.get(key, "(none)"))
            found.append((spell(key), was, now))
    return found


def _source_entries(spec: UnitsSpec, source: Sequence[str], problems: list[str]) -> Iterator[_Entry]:
    if spec.glob is not None:
        for path in dict.fromkeys(source):
            yield _Entry(f"units.glob: {path!r}", path, path, {})
    elif spec.items is not None:
        for at, item in enumerate(spec.items):
            yield _unit_entry(f"units.items[{at}]", item)
    elif spec.matrix is not None:
        for pairs in itertools.product(*([(key, each) for each in choices] for key, choices in spec.matrix.items())):
            own = dict(pairs)
            yield _Entry(f"units.matrix: {own}", "-".join(own.values()), None, own)
    else:
        yield from _entries_of_lines(
            "units.command: line" if spec.file is None else f"units.file: {spec.file} line", source, problems
        )


def _entries_of_lines(where: str, lines: Sequence[str], problems: list[str]) -> Iterator[_Entry]:
    for number, line in enumerate((line.removesuffix("\r") for line in lines), 1):
        bare = line.strip()
        if bare.startswith("{"):
            found = decode_json(line.encode("utf-8", "surrogateescape"), dict[str, str])
            if isinstance(found, Refused):
                problems.append(f"{where} {number}: {found.why}; expected a JSON object of strings")
            else:
                yield _unit_entry(f"{where} {number}", found)
        elif bare and not bare.startswith("#"):
            yield _unit_entry(f"{where} {number}", line)


def _unit_entry(where: str, item: str | dict[str, str]) -> _Entry:
    """Return a unit's entry, named by its `unit`, `name` or `input`, otherwise by all its values together."""
    if isinstance(item, str):
        return _Entry(where, item, None, {})
    key = "unit" if "unit" in item else "name" if "name" in item else "input"
    name = item[key] if key in item else "-".join(item.values())
    own = {key: value for key, value in item.items() if key not in ("unit", "input")}
    return _Entry(where, name, item.get("input"), own)


def _unit(plan: Plan, entry: _Entry, problems: list[str]) -> list[Unit]:
    """Make one unit; none if it was reported as a problem."""
    spec = plan.units
    bare = Unit(name=entry.name, outputs=(), input=entry.input, names=entry.own)
    values = _UnitNames(bare)
    literal = spec.writes and {name: escape_pattern(value) for name, value in unit_template_values(bare).items()}
    templates = (spec.output,) if isinstance(spec.output, str) else spec.output
    try:
        outputs = tuple(dict.fromkeys(_render("units.output", template, values) for template in templates))
        writes = tuple(dict.fromkeys(_render("units.writes", template, literal or {}) for template in spec.writes))
    except PlanError as fault:
        problems += [f"{entry.where}: unit {entry.name!r}: {problem}" for problem in fault.problems]
        return []
    wrong = list(_entry_problems(entry, outputs))
    if not outputs and not plan.workers.found:
        wrong.append(f"units.output: unit {entry.name!r}: found no output; expected at least one")
    problems += wrong
    return [] if wrong else [Unit(name=bare.name, outputs=outputs, input=bare.input, names=bare.names, writes=writes)]


def _entry_problems(entry: _Entry, outputs: Sequence[str]) -> Iterator[str]:
    if not entry.name:
        yield f"{entry.where}: found an empty name; expected something to call the unit by"
    if "\0" in "".join([entry.name, entry.input or "", *entry.own.values()]):
        yield f"{entry.where}: found a NUL character in unit {entry.name!r}; expected text without"
    for output in outputs:
        if output.rpartition("/")[2] in ("", ".", ".."):
            yield f"units.output: unit {entry.name!r}: found {output!r}; expected the path of a file"
        if output.startswith("~") and "/" in output:
            yield (
                f"units.output: unit {entry.name!r}: found {output!r}: a leading '~' is not expanded; expected a path,"
                " relative to the plan file or absolute"
            )


def _nothing(spec: UnitsSpec, root: str) -> str:
    given = [f".{name}: found nothing for {value!r}" for name in _SOURCES if (value := getattr(spec, name)) is not None]
    return f"units{''.join(given) or ': found no source'} in {root}; expected at least one unit"


def _render(where: str, template: str, values: Mapping[str, str]) -> str:
    try:
        return render(template, values)
    except PlanError as fault:
        raise PlanError(tuple(f"{where}: {problem}" for problem in fault.problems)) from fault


def _group(key: str) -> dict[str, str]:
    return {"group.key": key, "group.name": names.safe(_base_name(key))}


def _base_name(path: str) -> str:
    return posixpath.basename(path.rstrip("/")) or path


def _task_words(units: Iterable[Unit]) -> tuple[list[str], list[str]]:
    """Return of each unit its input for an agent to read, or the name of one that has none; and its outputs."""
    found = [(unit.name if unit.input is None else unit.input, unit.outputs) for unit in units]
    return [_word(source) for source, _ in found], [", ".join([_word(one) for one in made]) for _, made in found]


def _table(sources: Iterable[str], outputs: Iterable[str]) -> str:
    return "\n".join([f"{source} -> {made}" for source, made in zip(sources, outputs, strict=True)])


@cache
def _plain_path() -> Callable[[str], object]:
    """Return what matches a plain path: found once, as a plan has many, and not before it is asked for."""
    return re.compile(_PLAIN).fullmatch


def _word(text: str) -> str:
    if _plain_path()(text):
        return text
    import json

    return json.dumps(text)


def _leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        import json

        yield path, json.dumps(value)


def _excerpts(old: str, new: str) -> Iterator[str]:
    """Show two long values from shortly before the point where they differ."""
    start = max(0, len(posixpath.commonprefix((old, new))) - _EXCERPT_CHARS_MAX // 2)
    for text in (old, new):
        cut = text if len(text) <= _EXCERPT_CHARS_MAX else text[start : start + _EXCERPT_CHARS_MAX]
        yield cut if cut == text else f"...{cut}..."
