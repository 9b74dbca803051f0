"""What sets the next look lives in nothing that a deployment ends; nothing stays open without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes import processes
from tests.real.rig import PATH, REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
by = "{{ unit }}"
name = "night_{{ group.key }}"
command = ["PYTHON", "worker.py", "{{ worker }}"]
mode = "MODE"
socket = "SOCKET"
stagger = 0
[stuck]
attempts = 1
[wake]
every = "1h"
"""

WORKERS = {
    "ends": "",
    "stays": "time.sleep(600)",
    "ignores HUP and TERM": """\
for name in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(name, signal.SIG_IGN)
time.sleep(600)""",
    "leaves a child that ignores HUP and TERM": """\
if os.fork() == 0:
    for name in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    time.sleep(600)""",
    "leaves a child in a session of its own": """\
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)""",
}


class Timers(Rig):
    """Two workers on a server of their own, or on one that reads the user's configuration; with or without `at`."""

    without_at = False
    mine = False

    def begin(self, worker: str, mode: str = "print") -> None:
        if self.mine:
            self.socket = self.place / "default"
        code = "import os, pathlib, signal, sys, time\nfile = pathlib.Path('out', sys.argv[1][-1])\n"
        code += f"file.parent.mkdir(exist_ok=True)\nfile.write_text('done')\n{WORKERS[worker]}\n"
        (self.place / "worker.py").write_text(code)
        self.write(PLAN.replace("MODE", mode))

    def clean(self) -> dict[str, str]:
        """Return an environment without `at`, if there is to be none."""
        return {**super().clean(), "PATH": str(self.bin()) if self.without_at else PATH}

    def bin(self) -> Path:
        """Return a directory with every program but those of `at`."""
        bare = self.place / "bin"
        if not bare.exists():
            bare.mkdir()
            for directory in PATH.split(":"):
                for program in Path(directory).iterdir():
                    if program.name not in ("at", "atq", "atrm", "batch") and not (bare / program.name).is_symlink():
                        (bare / program.name).symlink_to(program)
        return bare

    def asleep(self, by: str = "") -> list[list[str]]:
        """List the arguments of the processes that sleep for a deployment here, and call a check in that name."""
        asleep = [one.argv for one in processes(str(self.place)) if "wakeman-timer" in one.argv]
        return [argv for argv in asleep if not by or by in argv]

    def over(self) -> bool:
        """Return whether the log is closed, by nobody's doing."""
        return '"type":"closed"' in self.log().read_text()


@pytest.fixture
def timers() -> Iterator[Timers]:
    with rigged(Timers) as rig:
        yield rig


@pytest.mark.parametrize("mine", [False, True], ids=["own server", "user's server"])
@pytest.mark.parametrize("without_at", [False, True], ids=["at", "no at"])
@pytest.mark.parametrize("worker", WORKERS)
def test_a_deployment_whose_units_are_done_closes_by_itself_at_once(
    timers: Timers, worker: str, *, without_at: bool, mine: bool
) -> None:
    """The next alarm is an hour away, and nobody waits."""
    timers.without_at, timers.mine = without_at, mine
    timers.begin(worker, "interactive" if worker == "stays" else "print")

    up = timers.run("up", "wakeman.toml")

    assert (0, "gone" in up.stdout) == (up.returncode, False), up.stderr
    if worker in ("stays", "ignores HUP and TERM"):
        until(lambda: all((timers.place / "out" / unit).exists() for unit in "ab"), 30)
        assert 0 == timers.run("stop", "night/night_a").returncode
        assert 0 == timers.run("stop", "night/night_b").returncode
    until(timers.over, 60)
    until(lambda: not timers.alarms() and not timers.asleep(), 30)
    assert 0 == timers.run("audit", "night").returncode


def test_without_at_one_process_sleeps_and_the_end_of_the_tmux_server_leaves_it(timers: Timers) -> None:
    timers.without_at = True
    timers.begin("stays", "interactive")
    up = timers.run("up", "wakeman.toml")
    assert ("sleep timer" in up.stdout, "gone" in up.stdout) == (True, False), up.stdout
    until(lambda: 2 == len(timers.sessions()), 30)
    for _ in range(3):
        timers.run("check", "night")
    assert 1 == len(timers.asleep("at")), timers.asleep()

    timers.tmux("kill-server")
    said = timers.status()  # the check of a worker that was hung up may have come first
    assert said["outcome"] == "complete" or said["alarm"]["stands"]
    timers.run("check", "night")
    until(timers.over, 30)
    until(lambda: not timers.asleep(), 30)


def test_while_at_takes_no_job_though_its_daemon_lives_nothing_piles_up(timers: Timers) -> None:
    """As with a full spool, or one that cannot be written to."""
    timers.without_at = True
    for name in ("atq", "atrm"):
        (timers.bin() / name).symlink_to(f"/usr/bin/{name}")
    at = timers.bin() / "at"
    at.write_text("#!/bin/sh\necho 'Cannot create atjob file: No space left on device' >&2\nexit 1\n")
    at.chmod(0o755)
    timers.begin("stays", "interactive")
    up = timers.run("up", "wakeman.toml")
    assert ("sleep timer" in up.stdout, "gone" in up.stdout) == (True, False), up.stdout
    assert "No space left on device" in up.stderr
    for _ in range(4):
        timers.run("check", "night")

    assert 1 == len(timers.asleep("at")), timers.asleep()
    assert 1 == sum(event["type"] == "armed" for event in timers.events())
    at.unlink()
    at.symlink_to("/usr/bin/at")
    timers.run("stop", "night/night_a")
    until(lambda: 1 == len(timers.alarms()), 30)
    until(lambda: not timers.asleep("at"), 30)


def test_of_two_calls_of_up_at_once_one_is_refused(timers: Timers) -> None:
    for _ in range(5):  # on a busy machine one may come when the other has begun, and goes on with what it finds
        timers.begin("stays", "interactive")
        one, other = timers.side_by_side(("up", "wakeman.toml"), ("up", "wakeman.toml"))
        if (one.returncode, other.returncode) != (0, 0):
            break
        assert 1 == len(list(timers.state.glob("*/events.jsonl")))
        timers.run("down", "night")
        timers.run("clean", "night")

    assert [0, 2] == sorted((one.returncode, other.returncode)), (one, other)
    loser = one if one.returncode else other
    assert "night" in loser.stderr, loser.stderr
    until(lambda: 2 == len(timers.sessions()), 30)
    assert 1 == len(list(timers.state.glob("*/events.jsonl")))
    again = timers.run("up", "wakeman.toml")
    assert 0 == again.returncode, again.stderr
    assert 2 == sum(event["type"] == "launched" for event in timers.events())
