"""When an output passes: units judged by `[verify]`, contents parsed by format, samples picked. The caller has read the
disk and run the command; these functions judge what was found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from wakeman.core.errors import UsageError
from wakeman.core.model import FileFingerprint, Unit, Verdict, VerifySpec
from wakeman.core.text import last_line, sanitise

Kind = Literal["yaml", "json", "toml", "none"]

FAULT_CHARS_MAX = 120
"""Characters of a parser's or a command's message that a problem quotes."""
NESTING_MAX = 500
"""Levels of nesting of a YAML file at most: libyaml's loader recurses in C, and deeper files crash the process."""
_IDENTITY = ("size", "mtime_ns", "inode")  # not the path: one side may spell it another way


class Check(Struct, frozen=True):
    """Result of `verify.command`: its exit status, None if it did not end, and what it printed."""

    code: int | None
    message: str = ""


class Facts(Struct, frozen=True):
    """What was found of one unit; mappings are keyed by the path as the unit names it.

    Shape: `marks` are the outputs that exist, `before` those that existed at the launch, `parsed` the faults that
    `parse` found, `input` the fingerprint of the unit's input if that exists, `check` None when the command was not
    run. If outputs are staged, `installed` are those that were promoted; `cut` says that the worker was ended and may
    not have finished them, `astray` lists those that are links to outside the stage.
    """

    marks: Mapping[str, FileFingerprint] = {}
    before: Mapping[str, FileFingerprint] = {}
    parsed: Mapping[str, str] = {}
    input: FileFingerprint | None = None
    check: Check | None = None
    installed: Mapping[str, FileFingerprint] | None = None
    cut: bool = False
    astray: frozenset[str] = frozenset()


def judge_unit(unit: Unit, verify: VerifySpec, facts: Facts) -> Verdict:
    """Judge one unit: the problems of each output in order, then of all together, then of the command.

    Boundary: a missing output has only that problem; a unit without outputs passes by its command alone, and without
    either never.
    """
    problems = [
        f"{sanitise(path, 200)}: {problem}" for path in unit.outputs for problem in _file_problems(path, verify, facts)
    ]
    marks = tuple(facts.marks[path] for path in unit.outputs if path in facts.marks)
    return Verdict(
        unit=unit.name,
        problems=(*problems, *_together(unit, marks, verify, facts), *_check_problems(facts.check)),
        marks=marks,
    )


def parse(kind: Kind, data: bytes) -> str:
    """Return why `data` is not valid in its format; "" if it is.

    Boundary: a YAML file may have several documents, but not only empty ones. Raises: UsageError when PyYAML is needed
    and not installed.
    """
    return _PARSERS[kind](data)


def pick_names(names: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """Pick `count` names by a seed, in the order given. Repeatable: yes, on every machine and version."""
    ranked = sorted(set(names), key=lambda name: sha256(f"{seed}:{name}".encode(errors="surrogatepass")).digest())
    picked = set(ranked[:count])
    return tuple(name for name in dict.fromkeys(names) if name in picked)


def _file_problems(path: str, verify: VerifySpec, facts: Facts) -> Iterator[str]:
    mark = facts.marks.get(path)
    if mark is None:
        yield "missing"
        return
    if mark.size < verify.min_bytes:
        yield f"{mark.size} bytes, expected at least {verify.min_bytes}" if mark.size else "empty"
    if verify.fresh == "changed" and _is_unchanged(mark, facts.before.get(path)):
        yield "unchanged since the launch"
    if verify.fresh == "newer" and facts.input and mark.mtime_ns < facts.input.mtime_ns:
        yield "older than the input"
    if problem := facts.parsed.get(path):
        yield problem
    if path in facts.astray:
        yield "a symbolic link, expected a file"
    elif facts.cut:
        yield "its worker was cut off and may not have finished it"
    if facts.installed == {} and not _is_unchanged(mark, facts.before.get(path)):
        yield "put there by somebody else, expected it to be installed"


def _is_unchanged(mark: FileFingerprint, before: FileFingerprint | None) -> bool:
    return before is not None and all(getattr(mark, part) == getattr(before, part) for part in _IDENTITY)


def _together(unit: Unit, marks: Sequence[FileFingerprint], verify: VerifySpec, facts: Facts) -> Iterator[str]:
    if not unit.outputs and not verify.command:
        yield "nothing to judge: neither an output nor a check"
    if verify.max_ratio is None or not facts.input or not facts.input.size:
        return
    size, source = sum(mark.size for mark in marks), facts.input.size
    if size / source > verify.max_ratio:
        first, *more = unit.outputs
        what = f"{len(unit.outputs)} outputs" if more else sanitise(first, 200)
        # Rounded up, in whole numbers: 60.04 % must not read as the 60 % that is allowed.
        percent = -(-size * 1000 // source) / 10
        yield f"{what}: {percent:g}% of the input, expected at most {verify.max_ratio * 100:g}%"


def _check_problems(check: Check | None) -> Iterator[str]:
    if check is None or check.code == 0:
        return
    ended = "" if check.code is None else f" (exit {check.code})"
    message = last_line(check.message, FAULT_CHARS_MAX)
    yield f"check failed{ended}" + (f": {message}" if message else "")


def _json(data: bytes) -> str:
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        why, _, byte = str(error).removeprefix("JSON is malformed: ").rstrip(")").partition(" (byte ")
        return _fault("JSON", why, data[: int(byte or len(data))])
    except UnicodeDecodeError:
        return _fault("JSON", "a string is not UTF-8")
    except RecursionError:
        return _fault("JSON", "nested too deeply")
    return ""


def _toml_fault(data: bytes) -> str:
    import tomllib

    try:
        tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        return _fault("TOML", "not UTF-8", data[: error.start])
    except tomllib.TOMLDecodeError as error:
        why, _, place = str(error).rstrip(")").partition(" (at ")
        line = re.match(r"line (\d+)", place)
        return _fault("TOML", why, b"\n" * (int(line[1]) - 1) if line else data)
    except RecursionError:
        return _fault("TOML", "nested too deeply")
    return ""


def _yaml(data: bytes) -> str:
    try:
        import yaml
    except ImportError as error:
        raise UsageError("verify.parse: yaml needs PyYAML", "pip install 'wakeman[yaml]'") from error
    loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(data, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > NESTING_MAX:
                return _fault("YAML", "nested too deeply")
        documents = list(yaml.load_all(data, Loader=loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        return _fault("YAML", error.problem or "malformed", b"\n" * line)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        return _fault("YAML", str(error).splitlines()[0])
    return "" if any(document is not None for document in documents) else "holds nothing"


def _fault(kind: str, why: str, before: bytes | None = None) -> str:
    """Format a fault. `before` is what comes before it, so that its line can be counted."""
    line = "" if before is None else f"line {before.count(10) + 1}: "
    return f"not {kind}: {line}{sanitise(why[:1].lower() + why[1:], FAULT_CHARS_MAX)}"


_PARSERS: dict[Kind, Callable[[bytes], str]] = {
    "none": lambda _: "",
    "json": _json,
    "toml": _toml_fault,
    "yaml": _yaml,
}
