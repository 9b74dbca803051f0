"""Mutation testing: make each small change of the program, and report those that no test detects.

    python -m tests.mutation [--since COMMIT] [--only TEXT] [--judges PATH ...] [--jobs N] [-- ROOM ...]

A room is core/policy, or a file: core/policy/limits.py. `--since` tries only what the functions and statements that
changed since a commit are made of, `--only` those whose names contain a text.

A mutant of a function replaces the function's code in a process that has everything imported; for code outside
functions, the module is imported again with the mutant in it. Each runs in a process of its own the tests that reach
it, the nearest and quickest first, until one fails. What they let pass is tried once more, imported, on all tests.
Survivors must be listed in `survivors.txt` with their reason.
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
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType

import msgspec
import pytest
from tests.mutation.operators import Mutant, mutants
from tests.mutation.reach import (
    ROOT,
    UNMEASURED_S,
    Measured,
    Memory,
    forget,
    measure,
    passes,
    reached,
    reaching,
    remembering,
)
from tests.mutation.survivors import FILE, SOURCE, known, name

ROOMS = ("core", "engine/protocol", "engine/effects", "audit")
"""What is broken."""
JUDGES = ("tests/core", "tests/audit", "tests/engine", "tests/scripts", "tests/adapters/test_profiles.py")
"""What must notice."""
ALL_JUDGES = (*JUDGES, "tests/contracts", "tests/faces", "tests/test_docs.py", "tests/test_samples.py")
"""What may notice what `JUDGES` let pass."""
LOADED = "ignore::pytest.PytestAssertRewriteWarning"
"""What pytest says of plugins that are imported already, as `_load_plugins` does."""
PYTEST = ("-qq", "-s", "-m", "not real", "-p", "no:cacheprovider", "--hypothesis-profile=ci", "-W", LOADED)
ALL_JUDGES_S = 200.0
"""Seconds of work of all judges."""
WALL_FACTOR = 30
"""Times as long as they work, and at least this many seconds, may a mutant's tests take on a machine that is busy."""
MEMORY_BYTES = 4 << 30
KILLED, SURVIVED, HUNG = 1, 0, 2
ANEW = 3
"""A mutant's code does not fit the function that was imported: the module must be imported with it."""
VERDICTS = {KILLED: "killed", SURVIVED: "survived", HUNG: "hung"}
NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)

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
        if _wait(_fork(lambda: measure(items, reach))) != 0:
            raise SystemExit("the tests fail without any mutant: make test")
        told = _measured(self.out)
        for file in {mutant.file for mutant in self.found}:
            import_module(_module(file))  # much is imported where it is used, which only the measuring process has done
        live, memory = _live_functions(), remembering()
        tasks: list[Task] = []
        for mutant in self.found:
            code = _code_of(mutant)
            swaps = _swaps(mutant.file, code, live) if code else []
            chosen = reaching(told, mutant, self.asked.seconds) if swaps and reached(told, mutant) else []
            if not chosen:
                continue  # tried anew
            seconds = sum(told.seconds[at] for at in chosen)
            tests = [(items[at], told.seconds[at]) for at in chosen]
            tasks.append((mutant, _swapped(swaps, memory, tests), seconds))
        results = {id(m): result for m, result in _tried(tasks, self.asked.jobs)}
        (self.out / "results.json").write_text(json.dumps([results.get(id(m), ANEW) for m in self.found]))
        return True


def main() -> int:
    """Try the mutants of the rooms named; return 1 where one survives that is not known."""
    asked = _asked()
    files = sorted({path for room in asked.rooms for path in _files(room)})
    found = [mutant for path in files for mutant in _found(path, asked.since) if asked.only in name(mutant)]
    _load_plugins()
    with tempfile.TemporaryDirectory() as kept:
        out = Path(kept)
        child = _fork(
            lambda: int(pytest.main([*PYTEST, *asked.judges], plugins=[Stand(found, asked, out)])), quiet=False
        )
        if _wait(child) != 0:
            return 2
        told, results = _measured(out), json.loads((out / "results.json").read_text())
    nearest = [_anew(m, told, asked.seconds) for m, result in zip(found, results, strict=True) if result == ANEW]
    late = {id(m): result for m, result in _tried(nearest, asked.jobs)}
    verdicts = {id(m): late.get(id(m), result) for m, result in zip(found, results, strict=True)}
    if asked.seconds == math.inf and asked.judges == JUDGES:
        left = [m for m in found if verdicts[id(m)] == SURVIVED and name(m) not in known()]
        verdicts |= {id(m): result for m, result in _tried(_once_more(left), asked.jobs)}
    return _report([(m, verdicts[id(m)]) for m in found])


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", default=ROOMS)
    parser.add_argument("--since", metavar="COMMIT", help="only what changed since it")
    parser.add_argument("--only", metavar="TEXT", default="", help="only mutants whose name contains it")
    parser.add_argument("--judges", nargs="+", default=JUDGES, help="tests, instead of all; what they kill is killed")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("MUTANT_JOBS", "2")))
    parser.add_argument("--seconds", type=float, default=math.inf, help="of tests a mutant at most; for a first sight")
    return parser.parse_args()


def _found(path: Path, since: str | None) -> Iterable[Mutant]:
    return mutants(str(path), path.read_text(), _text_at(since, path) if since else "")


def _text_at(commit: str, path: Path) -> str:
    """Return a file as it was; "" if it was not there."""
    git = ("git", "-C", str(ROOT))
    subprocess.run([*git, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], check=True, capture_output=True)
    shown = subprocess.run([*git, "show", f"{commit}:./{path.relative_to(ROOT)}"], capture_output=True, check=False)
    return shown.stdout.decode()


def _measured(out: Path) -> Measured:
    return msgspec.json.decode((out / "reach.json").read_bytes(), type=Measured)


def _files(room: str) -> Iterable[Path]:
    place = SOURCE / room
    found = [place] if place.is_file() else sorted(place.rglob("*.py"))
    if not found:
        raise SystemExit(f"mutants: {room}: no such room below src/wakeman; try: core/policy")
    return found


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


def _swaps(
    file: str, code: CodeType, live: Mapping[tuple[str, str, int], Sequence[FunctionType]]
) -> list[tuple[FunctionType, CodeType]]:
    """Return the functions that are there of a code and those within it: some were made as the module was imported."""
    codes = [code, *_codes(code)]
    return [(one, each) for each in codes for one in live.get((file, each.co_qualname, each.co_firstlineno), [])]


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


def _swapped(
    swaps: Sequence[tuple[FunctionType, CodeType]],
    memory: Memory,
    tests: Sequence[tuple[pytest.Item, float]],
) -> Callable[[], int]:
    def attempt() -> int:
        try:
            for function, code in swaps:
                function.__code__ = code
        except ValueError:  # it closes over other names
            return ANEW
        forget(memory)
        return SURVIVED if all(passes(item, seconds) for item, seconds in tests) else KILLED

    return attempt


def _anew(mutant: Mutant, told: Measured, most: float) -> Task:
    """Try a mutant in a module that is imported with it, on the tests that reach it."""
    chosen = reaching(told, mutant, most)
    tests = {told.names[at]: told.seconds[at] for at in chosen}
    places = list(dict.fromkeys(each.partition("::")[0] for each in tests))
    return mutant, _session(mutant, places, Chosen(tests)), sum(told.seconds[at] for at in chosen)


def _once_more(left: Sequence[Mutant]) -> list[Task]:
    """Try mutants on all tests, which must pass without any."""
    if left and _wait(_fork(_session(None, ALL_JUDGES, Chosen()))) != SURVIVED:
        raise SystemExit("the tests fail without any mutant: make test")
    return [(mutant, _session(mutant, ALL_JUDGES, Chosen()), ALL_JUDGES_S) for mutant in left]


class Chosen:
    """Runs some of the tests that are collected, in this order, or all."""

    def __init__(self, tests: Mapping[str, float] | None = None) -> None:
        self.seconds = tests
        self.order = {name: at for at, name in enumerate(tests or ())}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the others."""
        if self.seconds is not None:
            items[:] = sorted(
                (one for one in items if one.nodeid in self.order), key=lambda one: self.order[one.nodeid]
            )

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        """Run a test, within what it may take; the first that fails ends the session."""
        seconds = UNMEASURED_S if self.seconds is None else self.seconds[item.nodeid]
        if not passes(item, seconds):
            os._exit(KILLED)
        return True


def _session(mutant: Mutant | None, places: Sequence[str], chosen: Chosen) -> Callable[[], int]:
    def attempt() -> int:
        if mutant:
            _importing(mutant)
        code = pytest.main([*PYTEST, *places], plugins=[chosen]) if places else NO_TESTS
        return SURVIVED if code in (0, NO_TESTS) else KILLED

    return attempt


def _load_plugins() -> None:
    """Import pytest's plugins once, as every process here needs them, but nothing of the program or its tests."""
    pytest.main([*PYTEST, "--collect-only", str(Path(__file__).parent)])


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
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            signal.setitimer(signal.ITIMER_REAL, WALL_FACTOR * (1 + seconds))
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
        mutant, verdict = running.pop(child), code if code in (SURVIVED, KILLED, ANEW) else HUNG
        if verdict in (SURVIVED, HUNG):
            sys.stderr.write(f"{VERDICTS[verdict]}: {name(mutant)}\n")
        yield mutant, verdict


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
