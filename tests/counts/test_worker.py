"""What a worker costs beside its own program, from its start to its end: processes, programs and flushes, counted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import wakeman.adapters

ADAPTERS = Path(wakeman.adapters.__file__).parent
STARTS = re.compile(r"(?:v?fork|clone3?)\(")
PROGRAM = re.compile(r'execve\("[^"]*?([^"/]+)", .*= 0$')
LANGUAGE = {"LANG": "C.UTF-8"}
"""What most people have: a tool that loads it opens two dozen files."""

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.skipif(os.path.basename(os.path.realpath("/bin/sh")) != "dash", reason="another shell forks otherwise"),
]


def traced(place: Path, words: Sequence[str], given: bytes = b"") -> tuple[int, list[str], list[str]]:
    """Run words with all that descends from them; return the processes it started, the programs, and all calls."""
    argv = ["strace", "-ff", "-qq", "-o", str(place / "calls"), "-e", "trace=process,openat,fsync", *words]
    env = {"PATH": os.environ["PATH"], **LANGUAGE}
    subprocess.run(argv, input=given, env=env, cwd=place, timeout=60, check=True)
    calls = [call for file in sorted(place.glob("calls.*")) for call in file.read_text().splitlines()]
    programs = sorted(found[1] for call in calls if (found := PROGRAM.match(call)))
    return sum(bool(STARTS.match(call)) for call in calls), programs, calls


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    """Make an attempt as a deployment has it, whose end starts a check that does nothing."""
    directory = tmp_path / "attempts" / "w1.1"
    directory.mkdir(parents=True)
    (tmp_path / "running").mkdir()
    (tmp_path / "check.sh").write_text("exit 0\n")
    (tmp_path / "keep.sh").write_bytes((ADAPTERS / "keep.sh").read_bytes())
    (directory / "cwd").write_text(f"{tmp_path}\n")
    (directory / "env").write_text("export KEY='value'\n")
    return directory


def test_a_worker_costs_five_processes_beside_its_own(attempt: Path, tmp_path: Path) -> None:
    """One that outlives a hang-up; at the end a flush, the exit file's name, the check, and another flush."""
    words = ("/bin/sh", str(ADAPTERS / "wrapper.sh"), str(attempt), "--", "/bin/true")
    started, programs, calls = traced(tmp_path, words)

    assert (6, sorted(["sh", "true", "sync", "mv", "setsid", "env", "sh", "sync"])) == (started, programs)
    assert 2 == sum(call.startswith("fsync(") for call in calls)
    assert not [call for call in calls if "/locale/" in call]


def test_keeping_what_a_terminal_shows_costs_one_process_until_its_end(tmp_path: Path) -> None:
    words = ("/bin/sh", str(ADAPTERS / "keep.sh"), str(tmp_path / "stream"), str(2**26))
    started, programs, calls = traced(tmp_path, words, b"line\n" * 1000)

    assert (1, ["dd", "sh"]) == (started, programs)
    assert not [call for call in calls if "/locale/" in call]
    assert b"line\n" * 1000 == (tmp_path / "stream").read_bytes()
