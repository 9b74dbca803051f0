"""Mutation testing: make each small change of the program, and report those that no test detects.

    python -m tests.mutation [--jobs N] [ROOM ...]     a room: core/policy, or a file: core/policy/limits.py

A mutant of a function replaces the function's code in a process that has everything imported; for code outside
functions, the module is imported again with the mutant in it. Each runs in a process of its own the tests that reach
its line, the quickest first, until one fails. Survivors must be listed in `survivors.txt` with their reason.
"""

from __future__ import annotations

import argparse
import gc
import importlib.machinery
import json
import math
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol
from tests.mutation.operators import Mutant, mutants
from tests.mutation.survivors import FILE, SOURCE, known, name

ROOT = Path(__file__).parents[2]
ROOMS = ("core", "engine/protocol", "engine/effects", "audit")
"""What is broken."""
JUDGES = ("tests/core", "tests/audit", "tests/engine", "tests/scripts")
"""What must notice."""
PYTEST = ("-qq", "-s", "-m", "not real", "-p", "no:cacheprovider", "--hypothesis-profile=ci")
CPU_S = 10
"""Seconds of work that a mutant's tests may take at least; beyond it, and five times what they take, it hangs."""
MEMORY_BYTES = 4 << 30
SLOW_S = 0.4
"""Seconds of work of a test that judges no mutant: it tries very many inputs, and what it finds quicker ones find."""
KILLED, SURVIVED, HUNG = 1, 0, 2

Task = tuple[Mutant, Callable[[], int], float]
"""A mutant, what tries it in a process of its own, and how long its tests take."""


class Stand:
    """Holds every test collected, and tries mutants of functions on them."""

    def __init__(self, found: Sequence[Mutant], asked: argparse.Namespace, out: Path) -> None:
        self.found, self.asked, self.out = found, asked, out

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure which tests reach which lines, then try each mutant."""
        items = session.items
        reach = self.out / "reach.json"
        if _wait(_fork(lambda: _measure(items, reach))) != 0:
            raise SystemExit("the tests fail without any mutant: make test")
        told = json.loads(reach.read_text())
        for file in {mutant.file for mutant in self.found}:
            import_module(_module(file))  # much is imported where it is used, which only the measuring process has done
        live = _live_functions()
        tasks: list[Task] = []
        for mutant in self.found:
            code = _code_of(mutant)
            functions = live.get((mutant.file, code.co_qualname, code.co_firstlineno), []) if code else []
            if code is None or not functions:
                continue  # tried anew
            chosen = _reaching(told, mutant, [str(item.path) for item in items], self.asked.seconds)
            seconds = sum(told["seconds"][at] for at in chosen)
            tasks.append((mutant, _swapped(functions, code, [items[at] for at in chosen]), seconds))
        results = {id(m): result for m, result in _tried(tasks, self.asked.jobs)}
        told["results"] = [results.get(id(m)) for m in self.found]
        told["names"] = [item.nodeid for item in items]
        (self.out / "told.json").write_text(json.dumps(told))
        return True


def main() -> int:
    """Try the mutants of the rooms named; return 1 where one survives that is not known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", default=ROOMS)
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("MUTANT_JOBS", "2")))
    parser.add_argument("--seconds", type=float, default=math.inf, help="of tests a mutant at most; for a first sight")
    asked = parser.parse_args()
    files = sorted({path for room in asked.rooms for path in _files(room)})
    found = [mutant for path in files for mutant in mutants(str(path), path.read_text())]
    with tempfile.TemporaryDirectory() as kept:
        out = Path(kept)
        stand = Stand(found, asked, out)
        child = _fork(lambda: int(pytest.main([*PYTEST, *JUDGES], plugins=[stand])), quiet=False)
        if _wait(child) != 0:
            return 2
        told = json.loads((out / "told.json").read_text())
    results: list[int | None] = told["results"]
    anew = [mutant for mutant, result in zip(found, results, strict=True) if result is None]
    late = {id(mutant): result for mutant, result in _tried([_anew(m, told) for m in anew], asked.jobs)}
    verdicts = [(m, late[id(m)] if r is None else r) for m, r in zip(found, results, strict=True)]
    return _report(verdicts)


def _files(room: str) -> Iterable[Path]:
    place = SOURCE / room
    found = [place] if place.is_file() else sorted(place.rglob("*.py"))
    if not found:
        raise SystemExit(f"mutants: {room}: no such room below src/wakeman; try: core/policy")
    return found


# --- which tests reach what ------------------------------------------------------------------------------------------


def _measure(items: Sequence[pytest.Item], out: Path) -> int:
    """Run all tests once; write how long each takes, and which of them reach each line."""
    cov = coverage.Coverage(data_file=None, source=[str(SOURCE)], config_file=False)
    seconds, failed = [], 0
    cov.start()
    for at, item in enumerate(items):
        cov.switch_context(str(at))
        begun = time.process_time()
        if not _passes(item):
            failed = 1
            print(f"fails without any mutant: {item.nodeid}", file=sys.__stderr__)
        seconds.append(time.process_time() - begun)
    cov.stop()
    data = cov.get_data()
    lines = {
        file: {line: [int(name) for name in names if name] for line, names in data.contexts_by_lineno(file).items()}
        for file in data.measured_files()
    }
    out.write_text(json.dumps({"seconds": seconds, "lines": lines}))
    return failed


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _reaching(told: dict[str, Any], mutant: Mutant, paths: Sequence[str], most: float) -> list[int]:
    """Return the tests that run a mutant's statement: those of its own room first, then the quickest.

    Boundary: no more than take `most` seconds.
    """
    lines, seconds, room = told["lines"].get(mutant.file, {}), told["seconds"], str(_tests_of(mutant))
    reached = {at for line in mutant.lines for at in lines.get(str(line), ())}
    chosen = sorted(reached, key=lambda at: (not paths[at].startswith(room), seconds[at]))
    spent = accumulate(seconds[at] for at in chosen)
    return [at for at, so_far in zip(chosen, spent, strict=True) if seconds[at] <= SLOW_S and so_far <= most]


def _tests_of(mutant: Mutant) -> Path:
    return ROOT / "tests" / Path(mutant.file).relative_to(SOURCE).parent


# --- one mutant ------------------------------------------------------------------------------------------------------


def _module(file: str) -> str:
    parts = Path(file).relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _live_functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    found: dict[tuple[str, str, int], list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(str(SOURCE)):
            code = each.__code__
            found.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(each)
    return found


def _code_of(mutant: Mutant) -> CodeType | None:
    """Return the code of a mutant's outermost function; None where the mutant stands outside of any."""
    if not mutant.function:
        return None
    return next(code for code in _codes(mutant.code) if code.co_qualname == mutant.function and _spans(code, mutant))


def _spans(code: CodeType, mutant: Mutant) -> bool:
    lines = [line for _, _, line in code.co_lines() if line]
    return bool(lines) and code.co_firstlineno <= mutant.lines.start


def _codes(code: CodeType) -> Iterator[CodeType]:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from _codes(const)


def _swapped(functions: Sequence[FunctionType], code: CodeType, items: Sequence[pytest.Item]) -> Callable[[], int]:
    def attempt() -> int:
        for function in functions:
            function.__code__ = code
        return SURVIVED if all(_passes(item) for item in items) else KILLED

    return attempt


def _anew(mutant: Mutant, told: dict[str, Any]) -> Task:
    """Try a mutant that stands outside of functions: the tests of its own room first, then all."""

    def attempt() -> int:
        _importing(mutant)
        room = _tests_of(mutant)
        rounds = [(str(room),)] if room.is_dir() else []
        survives = all(_wait(_fork(_session(places))) == 0 for places in (*rounds, JUDGES))
        return SURVIVED if survives else KILLED

    return mutant, attempt, sum(told["seconds"])


def _session(places: Sequence[str]) -> Callable[[], int]:
    return lambda: int(pytest.main([*PYTEST, "-x", *places]))


def _importing(mutant: Mutant) -> None:
    """Have the module imported with the mutant in it."""
    real = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return mutant.code if self.path == mutant.file else real(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment] # what loads every module


# --- processes -------------------------------------------------------------------------------------------------------


def _fork(run: Callable[[], int], *, quiet: bool = True, seconds: float | None = None) -> int:
    """Run it in a process of its own; return its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = KILLED
    try:
        if quiet:
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
        if seconds is not None:
            limit = int(CPU_S + 5 * seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            signal.setitimer(signal.ITIMER_REAL, 10 * limit)
        code = run()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _tried(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Mutant, int]]:
    """Try mutants, some at a time; return what became of each."""
    running: dict[int, Mutant] = {}
    queue = iter(tasks)
    done = 0
    while True:
        while len(running) < jobs and (task := next(queue, None)) is not None:
            mutant, attempt, seconds = task
            running[_fork(attempt, seconds=seconds)] = mutant
        if not running:
            return
        child, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        done += 1
        if done % 100 == 0:
            sys.stderr.write(f"{done}/{len(tasks)}\n")
        yield running.pop(child), code if code in (SURVIVED, KILLED) else HUNG


# --- what is told ----------------------------------------------------------------------------------------------------


@cache
def _room(file: str) -> str:
    return Path(file).relative_to(SOURCE).parent.as_posix()


def _report(verdicts: Sequence[tuple[Mutant, int]]) -> int:
    listed = known()
    made, survived, hung = Counter[str](), Counter[str](), Counter[str]()
    new: list[str] = []
    names: set[str] = set()
    tried: set[str] = set()
    for mutant, verdict in verdicts:
        room = _room(mutant.file)
        made[room] += 1
        tried.add(name(mutant))
        hung[room] += verdict == HUNG
        if verdict == SURVIVED:
            survived[room] += 1
            names.add(name(mutant))
            if name(mutant) not in listed:
                new.append(name(mutant))
    sys.stdout.write("room made killed hung survived\n")
    for room, count in sorted(made.items()):
        killed = count - survived[room] - hung[room]
        sys.stdout.write(f"{room} {count} {killed} {hung[room]} {survived[room]}\n")
    stale = sorted(each for each in listed if each in tried - names)
    for what, some in (("survives", new), ("listed, does not survive", stale)):
        sys.stdout.writelines(f"{what}: {each}\n" for each in some)
    if new:
        where = FILE.relative_to(ROOT)
        sys.stdout.write(f"{len(new)} survive that {where} does not explain: test each, or say why not\n")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
