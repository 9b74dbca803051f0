"""The watcher as a process: what it writes, that it may end at any moment, and that several agree."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a/1", "a/2", "a/3", "b/1", "b/2", "b/3"]
output = "out/{{ unit }}"
[workers]
by = "{{ parent }}"
name = "night_{{ group.name }}"
command = ["sh", "work.sh", "{{ group.key }}"]
socket = "SOCKET"
stagger = 0
"""
WORK = """\
mkdir -p "out/$1"
wait() { while [ ! -e "go$1" ]; do sleep 0.05; done; }
for n in 1 2 3; do wait $n; echo done >"out/$1/$n.tmp"; mv "out/$1/$n.tmp" "out/$1/$n"; done
wait 4
"""


class Watched(Rig):
    """A deployment whose workers make one output each whenever they are let."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.watchers: list[subprocess.Popen[str]] = []

    def up(self) -> None:
        self.write(PLAN)
        self.write(WORK, "work.sh")
        assert 0 == self.run("up", "wakeman.toml").returncode

    def watch(self, *words: str) -> subprocess.Popen[str]:
        return self.begin(self.argv("watch", "night", *words))

    def begin(self, argv: list[str]) -> subprocess.Popen[str]:
        """Start a watcher; one that a failed test leaves behind is ended with the rig."""
        watcher = subprocess.Popen(
            argv,
            cwd=self.place,
            env=self.clean(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.watchers.append(watcher)
        return watcher

    def close(self) -> None:
        for watcher in self.watchers:
            if watcher.poll() is None:
                watcher.kill()
                watcher.communicate()
        super().close()

    def let(self, n: int) -> None:
        """Let both workers make their next output."""
        (self.place / f"go{n}").touch()

    def type(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events() if event["type"] == kind]

    def files(self) -> Counter[str]:
        """Count how often each file was told."""
        written = [each for data in self.type("progressed") for each in data.get("files", ())]
        return Counter(mark[0] for each in written for mark in each["marks"])

    def known(self) -> set[str]:
        """List the files that the log knows: told by a watcher, or judged by a check that was quicker."""
        judged = [each for data in self.type("looked") for each in data.get("verdicts", ())]
        return set(self.files()) | {mark[0] for each in judged for mark in each.get("marks", ())}


@pytest.fixture
def rig() -> Iterator[Watched]:
    with rigged(Watched) as made:
        made.up()
        yield made


def test_each_output_is_in_the_log_soon_and_the_watcher_ends_with_the_deployment(rig: Watched) -> None:
    watcher = rig.watch("--json")
    for n in range(1, 4):
        until(lambda: [e for e in rig.events() if e["by"].startswith("watch:")], 30)
        rig.let(n)
        until(lambda n=n: 2 * n == len(rig.known()), 30)  # type: ignore[misc] # bound on purpose
    rig.let(4)

    out, err = watcher.communicate(timeout=60)

    views = [json.loads(line) for line in out.splitlines()]
    assert (0, "") == (watcher.returncode, err)
    assert "complete" == views[-1]["outcome"]
    assert views[-1]["progress"]["done"] == 6
    assert {1} == set(rig.files().values())
    assert [] == rig.type("conflicted")


def test_killed_at_any_time_nothing_is_lost(rig: Watched) -> None:
    for n in range(1, 4):
        watcher = rig.watch()
        time.sleep(0.2 * n)  # at another moment each time
        rig.let(n)
        watcher.kill()
        watcher.communicate()
    last = rig.watch()
    rig.let(4)
    last.communicate(timeout=60)

    assert (0, "complete") == (last.returncode, rig.status()["outcome"])
    assert {1} >= set(rig.files().values())


def test_any_number_of_watchers_tell_each_file_once_and_a_stray_one_too(rig: Watched) -> None:
    watchers = [rig.watch("--json") for _ in range(3)]
    for watcher in watchers:
        assert watcher.stdout is not None
        assert watcher.stdout.readline()  # it watches
    for n in range(1, 4):
        rig.let(n)
        until(lambda n=n: 2 * n == len(rig.known()), 30)  # type: ignore[misc] # bound on purpose
    (rig.place / "out" / "a" / "stray").write_text("x")
    until(lambda: rig.type("conflicted"), 30)
    rig.let(4)
    for watcher in watchers:
        watcher.communicate(timeout=60)

    assert [0, 0, 0] == [watcher.returncode for watcher in watchers]
    assert {1} == set(rig.files().values())
    assert [str(rig.place / "out" / "a" / "stray")] == [data["path"] for data in rig.type("conflicted")]


def test_up_may_watch_what_it_has_started(rig: Watched) -> None:
    watcher = rig.begin(rig.argv("up", "wakeman.toml", "--watch", "--json"))
    for n in range(1, 5):
        rig.let(n)

    out, _ = watcher.communicate(timeout=60)

    assert (0, "complete") == (watcher.returncode, json.loads(out.splitlines()[-1])["outcome"])


def test_a_file_in_the_spool_is_a_check_at_once(rig: Watched) -> None:
    watcher = rig.watch()
    until(lambda: [e for e in rig.events() if e["by"].startswith("watch:")], 30)

    spool = rig.state / "night" / "spool"
    (spool / "1.tmp").write_text("{}")
    (spool / "1.tmp").rename(spool / "1")

    until(lambda: [e for e in rig.events() if e["by"].startswith("hook:")], 30)
    watcher.terminate()
    watcher.communicate()


def test_a_terminal_gets_a_table_that_is_drawn_again(rig: Watched) -> None:
    ours, theirs = os.openpty()
    argv = rig.argv("watch", "night")
    watcher = subprocess.Popen(argv, cwd=rig.place, env=rig.clean(), stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    seen = b""
    while seen.count(b"\x1b[H") < 3:
        seen += os.read(ours, 65536)
    termios.tcsetwinsize(ours, (9, 40))  # the kernel tells the process
    watcher.send_signal(signal.SIGWINCH)
    until(lambda: os.read(ours, 65536).decode().rpartition("\x1b[H")[2].count("\r\n") in range(1, 9), 30)
    for n in range(1, 5):
        rig.let(n)
    with suppress(OSError):  # the terminal is gone with the process
        while more := os.read(ours, 65536):
            seen += more
    os.close(ours)

    assert 0 == watcher.wait(30)
    shown, _, last = seen.decode().rpartition("\x1b[?1049l")
    assert shown.startswith("\x1b[?1049h")
    assert "\n" not in shown.replace("\r\n", "")
    assert "night_a" in shown
    assert re.search(r"^ night  complete · 6 of 6 units$", re.sub(r"\x1b\[[0-9;]*m|\r", "", last), re.MULTILINE)


HEEDS = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
"""Runs a program that heeds Ctrl-C: a shell that runs this in the background ignores it, and so do its children."""


def test_ctrl_c_ends_a_watch_with_the_last_state_and_gives_the_screen_back(rig: Watched) -> None:
    ours, theirs = os.openpty()
    argv = [sys.executable, "-c", HEEDS, *rig.argv("watch", "night")]
    watcher = subprocess.Popen(argv, cwd=rig.place, env=rig.clean(), stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    seen = b""
    while seen.count(b"\x1b[H") < 2:
        seen += os.read(ours, 65536)
    watcher.send_signal(signal.SIGINT)
    with suppress(OSError):
        while more := os.read(ours, 65536):
            seen += more
    os.close(ours)

    assert 130 == watcher.wait(30)
    last = seen.decode().rpartition("\x1b[?1049l")[2]
    assert re.search(r"^ night  nothing needs you", re.sub(r"\x1b\[[0-9;]*m", "", last), re.MULTILINE)
    assert "only the watching has ended; night goes on by itself" in last


def test_a_pipe_gets_a_line_for_each_change(rig: Watched) -> None:
    watcher = rig.watch()
    for n in range(1, 5):
        rig.let(n)

    out, _ = watcher.communicate(timeout=60)

    assert out.startswith("night: ")
    assert out.splitlines()[-1] == "night: complete: 6/6 units done"


def test_a_closed_deployment_is_watched_for_a_moment_only(rig: Watched) -> None:
    rig.run("down", "night")

    out, _ = rig.watch("--json").communicate(timeout=60)

    assert "stopped" == json.loads(out.splitlines()[-1])["outcome"]
