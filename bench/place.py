"""A scratch place to run Wakeman in, and what a run of a program spent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

WAKEMAN = [sys.executable, "-P", "-m", "wakeman"]
FINE = (0, 4, 5)
"""Exit statuses of a verb that did what it should: done; not finished yet; something needs a person."""
END_S = 10.0
"""Seconds that the processes of a place may take to end."""


class Spent(NamedTuple):
    """What a process, with the children that it waited for, took. Units: seconds, seconds, MiB."""

    wall: float
    cpu: float
    peak: float


def spend(argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)) -> Spent:
    """Run a program to its end; return what it took.

    Boundary: what it leaves in the background is not counted, and its peak is at least that of the caller.
    """
    began = time.perf_counter()
    null = subprocess.DEVNULL
    process = subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, cwd=cwd, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in codes, f"{argv}: exit status {process.returncode}"
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def installed() -> dict[str, str]:
    """Return the environment of an ordinary user, in which modules are compiled once."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "WAKEMAN", "COV"))}


class Place:
    """A scratch state directory with a tmux socket of its own; removed at the end."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="wk"))
        self.socket = self.path / "tmux"
        self.env = installed()

    def plan(
        self, name: str, workers: int, command: str, at_once: int | None = None, tables: Mapping[str, Any] = {}
    ) -> Path:
        """Write a plan with one unit for each worker, all at once unless said; `tables` are further ones of it."""
        items = [{"unit": f"u{n}"} for n in range(workers)]
        plan = {
            "name": name,
            "units": {"items": items, "output": f"{name}-out/{{{{ unit }}}}"},
            "workers": {
                "by": "{{ unit }}",
                "name": f"{name}_{{{{ unit }}}}",
                "command": ["sh", "-c", command, "sh", "{{ units_file }}"],
                "stagger": 0,
                "socket": str(self.socket),
                "at_once": at_once or workers,
            },
            "limits": {"memory": 0},
            **tables,
        }
        file = self.path / f"{name}.json"
        file.write_text(json.dumps(plan))
        return file

    def words(self, *words: str) -> list[str]:
        """Return the command line of a verb, with this place's state directory."""
        return [*WAKEMAN, *words, "--state", str(self.path / "state")]

    def run(self, *words: str) -> Spent:
        """Run a verb, which may find that something is not finished yet; return what it took."""
        return spend(self.words(*words), self.path, self.env, codes=FINE)

    def end(self, *names: str) -> None:
        """End what was started, and only that."""
        for name in names:
            subprocess.run(self.words("down", name), capture_output=True, env=self.env)
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True)
        until = time.monotonic() + END_S
        while self.busy() and time.monotonic() < until:  # the end of a worker calls for a check
            time.sleep(0.02)
        shutil.rmtree(self.path, ignore_errors=True)

    def busy(self) -> bool:
        """Return whether a process that was started with this place among its arguments lives."""
        return bool(processes_at(self.path))


def processes_at(place: Path) -> list[int]:
    """List the processes that have a place among their arguments."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(place) in file.read_text(errors="replace"):
                found.append(int(file.parent.name))
    return found
