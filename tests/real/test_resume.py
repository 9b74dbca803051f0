"""Resuming after a real crash: no worker is started twice, live ones continue, the rest is done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

WORKER = """\
import json, os, pathlib, sys, time
with open("starts", "a") as starts:
    starts.write(os.environ["WAKEMAN_ATTEMPT"] + "\\n")
for line in open(sys.argv[1]).readlines():
    unit = json.loads(line)
    while unit["unit"] not in "".join(pathlib.Path("go").read_text()).split():
        time.sleep(0.05)
    target = pathlib.Path(unit["outputs"][0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(unit["unit"])
"""

PLAN = """\
name = "night"
[units]
items = ["a1", "a2", "b1", "b2"]
output = "out/{{ unit }}.txt"
[workers]
by = "{{ unit }}"
max_units = 1
command = ["PYTHON", "worker.py", "{{ units_file }}"]
stagger = 0
socket = "SOCKET"
"""


class Crash(Rig):
    """Workers that do a unit when the file `go` names it, and write down each attempt that is started."""

    def begin(self, plan: str = PLAN) -> None:
        """Start the plan, and wait until everybody is at work."""
        self.write(plan)
        (self.place / "worker.py").write_text(WORKER)
        (self.place / "go").write_text("")
        assert 0 == self.run("up", "wakeman.toml").returncode
        until(lambda: 4 == len(self.starts()), 30)
        until(lambda: "launch" in self.rows() and 4 == len(self.sessions()), 30)

    def go(self, *units: str) -> None:
        """Let these units be done."""
        (self.place / "go").write_text(" ".join(units))

    def starts(self) -> list[str]:
        """List the attempts that were started."""
        file = self.place / "starts"
        return sorted(file.read_text().splitlines()) if file.exists() else []

    def resumed(self, *words: str) -> dict[str, dict[str, object]]:
        """Call `resume`, and give what it says of each deployment."""
        said = self.run("resume", *words, "--json")
        assert 0 == said.returncode, said.stderr
        return {each["deployment"]: each for each in json.loads(said.stdout)["resumed"]}

    def completes(self) -> None:
        """Let all be done, and see the deployment complete, nobody started twice, nothing left behind."""
        self.go("a1", "a2", "b1", "b2")
        waited = self.run("wait", "night", "--timeout", "60")
        assert (0, "complete") == (waited.returncode, self.status()["outcome"]), waited.stderr
        assert len(set(self.starts())) == len(self.starts())
        assert ([], []) == (self.alarms(), self.sessions())


@pytest.fixture
def crash() -> Iterator[Crash]:
    with rigged(Crash) as crash:
        yield crash


def test_what_lives_is_left_alone(crash: Crash) -> None:
    crash.begin()
    panes = crash.panes()

    night = crash.resumed()["night"]

    assert (["a1", "a2", "b1", "b2"], [], [], panes) == (
        night["alive"],
        night["launched"],
        night["ended"],
        crash.panes(),
    )
    crash.completes()


def test_after_the_death_of_tmux_only_what_is_missing_is_done_again(crash: Crash) -> None:
    crash.begin()
    crash.go("a1", "a2")
    until(lambda: 2 == len(list(crash.place.glob("out/*.txt"))), 30)
    os.kill(crash.server(), signal.SIGKILL)
    until(lambda: not crash.sessions(), 30)

    crash.resumed("night")
    # By this check, or by that of a worker that was hung up: whichever came first.
    until(lambda: 6 == len(crash.starts()), 30)
    assert {"a1", "a2", "b1", "b2"} == {mark.split("/")[1] for mark in crash.starts()}
    assert ["b1", "b2"] == [mark.split("/")[1] for mark in crash.starts() if mark.split("/")[2].startswith("2@")]
    crash.completes()


def test_up_killed_half_way_goes_on_by_resume(crash: Crash) -> None:
    crash.write(PLAN)
    (crash.place / "worker.py").write_text(WORKER)
    (crash.place / "go").write_text("")
    argv = crash.argv("up", "wakeman.toml")
    quiet = subprocess.DEVNULL
    first = subprocess.Popen(argv, cwd=crash.place, env=crash.clean(), stdout=quiet, stderr=quiet)
    until(lambda: crash.log().exists() and '"action":"launch"' in crash.log().read_text(), 30)
    first.kill()
    first.wait()

    crash.resumed()

    until(lambda: 4 == len(crash.starts()), 30)
    crash.completes()


def test_two_at_once_start_nobody_twice(crash: Crash) -> None:
    crash.begin()
    os.kill(crash.server(), signal.SIGKILL)
    until(lambda: not crash.sessions(), 30)

    crash.side_by_side(("resume",), ("resume", "night"), ("resume",))

    crash.completes()


def test_a_damaged_log_is_refused_then_repaired_and_gone_on_with(crash: Crash) -> None:
    crash.begin()
    crash.run("check", "night")
    lines = crash.log().read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if b'"type":"launched"' in line)
    lines[at] = lines[at].replace(b'"pid"', b'"pit"')
    crash.log().write_bytes(b"".join(lines))

    refused = crash.run("check", "night")
    assert (6, True) == (refused.returncode, f"wakeman --state {crash.state} log repair night" in refused.stderr)
    everything = crash.run("resume")
    assert (6, True) == (everything.returncode, "wakeman log repair night" in everything.stderr)
    mended = crash.run("log", "repair", "night", "--json")

    kept = json.loads(mended.stdout)["kept"]
    assert b"".join(lines) == Path(kept, "events.jsonl").read_bytes()
    night = crash.resumed("night")["night"]
    assert ["a1", "a2", "b1", "b2"] == sorted([*night["adopted"], *night["alive"]])  # type: ignore[misc]
    crash.completes()
    assert 4 == len(crash.starts())


def test_with_nothing_open_there_is_nothing_to_resume(crash: Crash) -> None:
    said = crash.run("resume")

    assert (0, "", True) == (said.returncode, said.stdout, "nothing is open" in said.stderr)


def test_one_that_is_not_there_is_named(crash: Crash) -> None:
    said = crash.run("resume", "nigth")

    assert (3, True) == (said.returncode, "no such deployment" in said.stderr)
