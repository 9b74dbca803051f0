"""Outputs reviewed by a program in a real tmux session: it rejects one, which is fixed and reviewed again."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

WORKER = """\
import json, os, pathlib, sys
mended = "rejected by a reviewer" in pathlib.Path(sys.argv[2]).read_text()
for line in open(sys.argv[1]):
    (target,) = json.loads(line)["outputs"]
    pathlib.Path(target).write_text("thin" if target == "b.txt" and not mended else "the whole story")
"""
REVIEWER = """\
import json, os, pathlib, sys
assert os.environ["WAKEMAN_VERDICT"] == sys.argv[2]
units = [json.loads(line) for line in open(sys.argv[1])]
thin = {unit["unit"] for unit in units if pathlib.Path(unit["outputs"][0]).read_text() == "thin"}
verdict = [{"unit": name, "ok": name not in thin, "why": "it says nothing"} for name in (u["unit"] for u in units)]
pathlib.Path(sys.argv[2]).write_text(json.dumps(verdict))
"""
PLAN = """\
name = "night"
[units]
items = ["a", "b", "c"]
output = "{{ unit }}.txt"
[workers]
name = "w_{{ unit }}"
command = ["PYTHON", "worker.py", "{{ units_file }}", "{{ prompt_file }}"]
stagger = 0
socket = "SOCKET"
[wake]
every = "5m"
on = ["ask", "wrap up", "give up"]
to = [{ run = ["sh", "-c", 'printf "%s\\n" "$1" >>told', "sh", "{{ message }}"] }]
[verify.review]
of = "all"
command = ["PYTHON", "reviewer.py", "{{ units_file }}", "{{ verdict_file }}"]
"""


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged(Rig) as rig:
        rig.write(PLAN)
        rig.write(WORKER, "worker.py")
        rig.write(REVIEWER, "reviewer.py")
        yield rig
        audit = rig.run("audit", "night")
        assert 0 == audit.returncode, audit.stdout


def what_happened(rig: Rig) -> tuple[list[list[str]], list[tuple[int, list[str]]], list[str]]:
    """Return what each reviewer got, what it said, and which attempts ran."""
    events = rig.events()
    given = [e["data"]["reviews"] for e in events if e["type"] == "enrolled" and "review" in e["data"]]
    said = [
        (e["data"]["round"], [each["unit"] for each in e["data"].get("rejected", [])])
        for e in events
        if e["type"] == "reviewed"
    ]
    return given, said, sorted(path.parent.name for path in rig.place.glob("state/night/attempts/*/claim"))


ONCE = (
    [["a", "b", "c"], ["b"]],
    [(1, ["b"]), (2, [])],
    ["review_1.1", "review_2.1", "w_a.1", "w_b.1", "w_b_c1.1", "w_c.1"],
)


def test_a_rejected_output_is_mended_and_reviewed_again_before_the_wrap_up(rig: Rig) -> None:
    up = rig.run("up", "wakeman.toml", "--wait", "--timeout", "90")

    status = rig.status()
    assert (0, "complete", {"total": 3, "done": 3, "missing": []}) == (
        up.returncode,
        status["outcome"],
        status["units"],
    )
    assert ONCE == what_happened(rig)
    assert "the whole story" == (rig.place / "b.txt").read_text()
    assert [{"b": "it says nothing"}, {}] == [each["rejected"] for each in status["reviews"]]
    assert ([], []) == (rig.alarms(), rig.sessions())
    shown = rig.run("status", "night").stdout
    assert "review 1 by review_1: 3 units, 1 rejected\n" in shown
    assert re.search('b: ["“]it says nothing["”]', shown)


def wrote(kind: str, key: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: event["type"] == kind and key in str(event["data"])


@pytest.mark.parametrize(
    "line",
    [
        wrote("enrolled", "'review': 1"),
        wrote("looked", "'rejects'"),
        wrote("reviewed", "'round': 1"),
    ],
    ids=["has enrolled a reviewer", "has seen its verdict", "has taken its verdict"],
)
def test_a_check_killed_once_it(rig: Rig, line: Callable[[dict[str, Any]], bool]) -> None:
    rig.run("up", "wakeman.toml")
    until(lambda: any(map(line, rig.events())), 60)
    kill(next(filter(line, rig.events()))["by"])

    rig.run("check", "night")
    done = rig.run("wait", "night", "--timeout", "90")

    assert (0, ONCE) == (done.returncode, what_happened(rig)), done.stderr


def kill(by: str) -> None:
    """Kill the process that has written a line, if it is still there."""
    with suppress(ProcessLookupError, FileNotFoundError):
        pid = int(by.partition(":")[2])
        if b"wakeman" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
