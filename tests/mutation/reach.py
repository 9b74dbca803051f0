"""Which tests reach a mutant: by its lines in a function; outside of any, by what uses the name it stands under."""

from __future__ import annotations

import ast
import gc
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import _lru_cache_wrapper, cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import coverage
import pytest
from _pytest.runner import runtestprotocol
from msgspec import Struct
from tests.mutation.operators import Mutant, bound
from tests.mutation.survivors import SOURCE

ROOT = Path(__file__).parents[2]
CPU_S = 5.0
"""Seconds of work that a test may take at least; beyond it, and five times what it takes otherwise, a mutant hangs."""
SLOW_S = 0.4
"""Seconds of work of a test that judges only its own file, and what all others let pass: it tries very many inputs."""

UNMEASURED_S = 60.0
"""Seconds that a test may take of which none are known yet."""


class Measured(Struct, frozen=True):
    """What one run of the tests without a mutant tells: of each test its name and seconds, of each line its tests."""

    names: list[str]
    seconds: list[float]
    lines: dict[str, dict[int, list[int]]]


class Users(NamedTuple):
    """What a name is used by: functions, as their file and lines; and statements, under further names."""

    functions: list[tuple[str, range, frozenset[str]]]
    statements: list[tuple[frozenset[str], frozenset[str]]]


class Memory(NamedTuple):
    """Those of the program's functions that remember their results."""

    functions: Sequence[_lru_cache_wrapper[object]]


def remembering() -> Memory:
    """Return what remembers its results now."""
    found = (each for each in gc.get_objects() if isinstance(each, _lru_cache_wrapper))
    return Memory([each for each in found if each.__module__.startswith(SOURCE.name)])


def forget(memory: Memory) -> None:
    """Have all results made anew: one of another test would hide which lines a test needs, and what a mutant gives."""
    for each in memory.functions:
        each.cache_clear()


def passes(item: pytest.Item, seconds: float = 0.0) -> bool:
    """Return whether a test passes; a process whose test works much longer than its `seconds` is killed."""
    signal.setitimer(signal.ITIMER_PROF, CPU_S + 5 * seconds)
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def measure(items: Sequence[pytest.Item], out: Path) -> int:
    """Run all tests once; write how long each takes, and which of them reach each line."""
    cov = coverage.Coverage(data_file=None, source=[str(SOURCE)], config_file=False)
    seconds, failed, memory = [], 0, remembering()
    cov.start()
    for at, item in enumerate(items):
        cov.switch_context(str(at))
        forget(memory)
        begun = time.process_time()
        if not passes(item, UNMEASURED_S):
            failed = 1
            print(f"fails without any mutant: {item.nodeid}", file=sys.__stderr__)
        seconds.append(time.process_time() - begun)
    cov.stop()
    data = cov.get_data()
    lines = {
        file: {line: [int(name) for name in names if name] for line, names in data.contexts_by_lineno(file).items()}
        for file in data.measured_files()
    }
    out.write_text(json.dumps({"names": [item.nodeid for item in items], "seconds": seconds, "lines": lines}))
    return failed


def reaching(told: Measured, mutant: Mutant, most: float) -> list[int]:
    """Return the tests that a mutant can matter to: those of its own file first, then its room's, then the quickest,
    and behind them the slow ones of its own file.

    Boundary: no more than take `most` seconds.
    """
    own = f"{_room_of_tests(mutant)}/test_{Path(mutant.file).name}::"
    room = f"{_room_of_tests(mutant)}/"

    def rank(at: int) -> tuple[bool, bool, bool, float]:
        name, seconds = told.names[at], told.seconds[at]
        return seconds > SLOW_S, not name.startswith(own), not name.startswith(room), seconds

    found = reached(told, mutant)
    if not found:  # it runs as its module is imported; what it makes can be looked at without any function
        looking = {at for at, test in enumerate(told.names) if test.startswith(room)}
        found = _at(told, used_by(mutant.binds)) | looking
    chosen = sorted((at for at in found if told.seconds[at] <= SLOW_S or told.names[at].startswith(own)), key=rank)
    spent = accumulate(told.seconds[at] for at in chosen)
    return [at for at, so_far in zip(chosen, spent, strict=True) if so_far <= most]


def reached(told: Measured, mutant: Mutant) -> set[int]:
    """Return the tests that run a mutant's lines; of what runs as its module is imported, none."""
    return _at(told, [(mutant.file, mutant.lines)]) if mutant.function else set()


def _at(told: Measured, places: Iterable[tuple[str, range]]) -> set[int]:
    return {at for file, lines in places for line in lines for at in told.lines.get(file, {}).get(line, ())}


def _room_of_tests(mutant: Mutant) -> Path:
    return "tests" / Path(mutant.file).relative_to(SOURCE).parent


# --- what uses a name ------------------------------------------------------------------------------------------------


def used_by(names: frozenset[str]) -> list[tuple[str, range]]:
    """Return the file and lines of each function that uses one of the names, or what statements make of it."""
    functions, statements = _users()
    more = True
    while more:
        made = frozenset(name for binds, uses in statements if uses & names for name in binds)
        more = not made <= names
        names |= made
    return [(file, lines) for file, lines, uses in functions if uses & names]


@cache
def _users() -> Users:
    found = Users([], [])
    for path in sorted(SOURCE.rglob("*.py")):
        for node, scope in _outermost(ast.parse(path.read_text()), ""):
            if isinstance(node, ast.FunctionDef):
                lines = range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
                found.functions.append((str(path), lines, _used(node)))
            else:
                found.statements.append((frozenset(bound(node)), _used(node) - {scope}))
    return found


def _outermost(node: ast.Module | ast.ClassDef, scope: str) -> Iterator[tuple[ast.stmt, str]]:
    for statement in node.body:
        if isinstance(statement, ast.ClassDef):
            yield from _outermost(statement, statement.name)
        else:
            yield statement, scope


def _used(node: ast.AST) -> frozenset[str]:
    named = (each.id if isinstance(each, ast.Name) else each.attr for each in ast.walk(node)
             if isinstance(each, ast.Name | ast.Attribute))  # fmt: skip
    return frozenset(named)
