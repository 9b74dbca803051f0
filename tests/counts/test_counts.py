"""What a check and a status cost, as counts that are the same on a busy machine. `table.tsv` has the accepted ones.

`python -m tests.counts.test_counts` prints the table as it is now: write it to `table.tsv` with a change that is meant.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from bench.place import Place
from tests.counts.scenes import SCENES

import wakeman

T = TypeVar("T")
TABLE = Path(__file__).with_name("table.tsv")
BARE = ("-P", "-c", "import msgspec, subprocess")
SLACK = {"files": 0.2, "instructions": 0.02}
"""Each directory above the package, Python and the state is looked at: how many there are depends on the machine."""
EXACT = ("modules", "processes", "syncs")
"""Columns without slack: modules of ours that are loaded, processes started, flushes of the disk."""
ROUGH = ("files", "instructions")
"""Columns with slack, of one version of Python, beside bare Python with msgspec and subprocess: system calls that name
a file, more than it makes; instructions, as a ratio to its own."""
PYTHON = (3, 11)
FORKS = ("fork", "vfork", "clone", "clone3")
SYNCS = ("fsync", "fdatasync", "syncfs")

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]  # a busy machine is slow, and counts the same


def environment(state: Path) -> dict[str, str]:
    """Return an environment in which modules are compiled once, whatever the caller's says.

    Effects: from here on, no deployment of this user is known but those that are begun: a check looks at them all.
    """
    os.environ["XDG_STATE_HOME"] = str(state)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "WAKEMAN", "COV"))}
    return {**kept, "PYTHONHASHSEED": "0"}


def accepted() -> dict[str, dict[str, float]]:
    """Read the table: scene -> column -> count."""
    head, *rows = (line.split("\t") for line in TABLE.read_text().splitlines())
    return {row[0]: dict(zip(head[1:], map(float, row[1:]), strict=True)) for row in rows}


def counted(name: str, env: Mapping[str, str], *, instructions: bool) -> dict[str, float]:
    """Play a scene once for each way of counting, and count."""
    calls, said = _played(name, env, _traced)
    bare, own = _bare(tuple(env.items()), instructions=instructions)
    found: dict[str, float] = {
        "modules": len(set(re.findall(r"^import '(wakeman[\w.]*)'", said, re.MULTILINE))),
        "processes": _number(calls, FORKS),
        "syncs": _number(calls, SYNCS),
        "files": len(_looks(calls)) - len(_looks(bare)),
    }
    if instructions:
        found["instructions"] = round(_played(name, env, _instructions) / own, 3)
    return found


@cache
def _bare(env: tuple[tuple[str, str], ...], *, instructions: bool) -> tuple[list[str], int]:
    """Return the system calls of bare Python, and its instructions if they are wanted."""
    calls, _ = _traced(BARE, dict(env), Path("/"))
    return calls, _instructions(BARE, dict(env), Path("/")) if instructions else 0


def _played(name: str, env: Mapping[str, str], run: Callable[[Sequence[str], Mapping[str, str], Path], T]) -> T:
    prepare, words = SCENES[name]
    place = Place()
    try:
        prepare(place, env)
        return run(words(place), env, place.path)
    finally:
        place.end("night")


def _traced(words: Sequence[str], env: Mapping[str, str], cwd: Path) -> tuple[list[str], str]:
    """Return the system calls of the program itself, each as a line, and what Python says of its imports."""
    with TemporaryDirectory() as place:
        which = ",".join(("%file", *FORKS, *SYNCS))
        said = _said(["strace", "-o", f"{place}/calls", "-e", f"trace={which}", sys.executable, "-v", *words], env, cwd)
        return Path(place, "calls").read_text().splitlines(), said


def _instructions(words: Sequence[str], env: Mapping[str, str], cwd: Path) -> int:
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    found = re.search(r"Collected : (\d+)", said := _said([*tool, sys.executable, *words], env, cwd))
    assert found, said[-2000:]
    return int(found[1])


def _said(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> str:
    ran = subprocess.run(argv, env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=100)
    assert ran.returncode in (0, 4, 5), ran.stderr[-2000:]
    return ran.stderr


def _number(calls: Iterable[str], names: Sequence[str]) -> int:
    return sum(call.startswith(tuple(f"{name}(" for name in names)) for call in calls)


def _looks(calls: Iterable[str]) -> list[str]:
    """Return the calls that name a file. The processes of the machine are left out: there may be any number."""
    return [call for call in calls if '"' in call and '"/proc/' not in call and '""' not in call]


def _compile(env: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(Path(wakeman.__file__).parent)], env=dict(env))
    _played("worker's end and a launch", env, _traced)


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    """Return an environment in which everything is compiled."""
    before = os.environ.get("XDG_STATE_HOME")
    with TemporaryDirectory() as state:  # as deep as that of `main`: each directory above a file is looked at
        found = environment(Path(state))
        _compile(found)
        yield found
    os.environ.pop("XDG_STATE_HOME")
    if before is not None:
        os.environ["XDG_STATE_HOME"] = before


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_a_check_costs_what_the_table_says(name: str, env: dict[str, str]) -> None:
    limits = accepted()[name]
    here = sys.version_info[:2] == PYTHON
    found = counted(name, env, instructions=here and shutil.which("valgrind") is not None)

    for column in EXACT:
        assert found[column] == limits[column], f"{column}: {found[column]}, accepted {limits[column]}: {__doc__}"
    for column in ROUGH if here else ():
        limit = limits[column]
        assert abs(found.get(column, limit) - limit) <= SLACK[column] * limit, (
            f"{column}: {found[column]}, accepted {limit}"
        )


def main() -> None:
    """Print the table as it is now."""
    print("scene", *EXACT, *ROUGH, sep="\t")
    with TemporaryDirectory() as state:
        env = environment(Path(state))
        _compile(env)
        for name in SCENES:
            found = counted(name, env, instructions=True)
            print(name, *(f"{found[column]:g}" for column in (*EXACT, *ROUGH)), sep="\t")


if __name__ == "__main__":
    main()
