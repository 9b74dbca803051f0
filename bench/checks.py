"""What a check costs, in time and in calls: idle, among many, with screens to capture, beside others' alarms."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench.figures import Figure, figure, spent_in_turn
from bench.place import FINE, Place, Spent, spend

from wakeman.adapters.eventlog import EventLogs
from wakeman.core.log.events import Armed

BARE = """\
import msgspec, subprocess, sys
subprocess.run(["tmux", "-u", "-S", sys.argv[1], "list-panes", "-a", "-F",
    "#{session_name}|#{session_id}|#{pane_pid}|#{pane_dead}|#{window_activity}"], capture_output=True)
"""
PEER = "Python with msgspec and subprocess, and one `tmux list-panes`"
CROWD, FEW = 1000, 10
STUCK = 100
SILENT_S = 2
FOREIGN_JOBS = 50
CHECK = ("check", "night", "--quiet", "--by", "exit")
ALARM_CHECK = ("check", "night", "--quiet", "--by", "at")
"""A check that has acted and was caused by an end stays for a second, as ends come in bursts; an alarm's does not."""


def bare(place: Place) -> Spent:
    """Run the least that any check in Python does."""
    return spend([sys.executable, "-c", BARE, str(place.socket)], place.path, place.env)


@contextmanager
def night(workers: int, tables: Mapping[str, Any] = {}) -> Iterator[Place]:
    """Yield a place with a deployment `night` whose workers run; a check has looked at them."""
    place = Place()
    place.run("up", str(place.plan("night", workers, "sleep 3000", tables=tables)))
    place.run(*CHECK)
    try:
        yield place
    finally:
        place.end("night")


def check() -> Iterator[Figure]:
    """A check of which nothing follows, as a whole process, with workers at work: 1, 10, 100 and 1,000. They are plain
    programs (`harness = "command"`), of which nothing but files and the list of sessions is read."""
    for workers, rounds in ((1, 15), (10, 15), (100, 15), (CROWD, 5)):
        with night(workers) as place:
            limits = {"CPU": 1.5, **({"wall": 1.5} if workers == CROWD else {})}
            what = f"check, {workers:,} live workers"
            run, beside = partial(place.run, *CHECK), partial(bare, place)
            yield from spent_in_turn(what, run, beside, PEER, rounds, limits)
            if workers == CROWD:
                many = len(_traced(place, "%file"))
                with night(FEW) as small:
                    # Rounded: a call or two that either process made once are no worker's.
                    each = round((many - len(_traced(small, "%file"))) / (workers - FEW), 2)
                yield figure("system calls that name a file, for each further worker", "calls", [each], limit=1)


@contextmanager
def silent() -> Iterator[Place]:
    """Yield a place with workers of whom the next check finds that they are silent."""
    stuck = {"after": f"{SILENT_S}s", "silent": ["capture"]}
    with night(STUCK, {"stuck": stuck}) as place:
        time.sleep(SILENT_S + 1)
        yield place


def capture() -> Iterator[Figure]:
    """An alarm's check that finds 100 silent workers stuck, and captures the screen of each; all its processes are
    counted."""
    with silent() as place:
        calls = _traced(place, "execve,fsync,fdatasync,syncfs", by="at")
    walls = []
    for _ in range(3):
        with silent() as place:
            walls.append(place.run(*ALARM_CHECK).wall * 1000)
    tmux = [call for call in calls if re.search(r'execve\("[^"]*/tmux".* = 0', call)]
    yield figure("processes of tmux", "processes", [len(tmux)], limit=4)
    yield figure(
        "flushes of the disk", "calls", [sum("sync" in call and "resumed" not in call for call in calls)], limit=10
    )
    yield figure("check, 100 captures, wall", "ms", walls, limit=500)


def alarm() -> Iterator[Figure]:
    """An alarm's check, with the job that `at` has for it, alone in the queue and among 50 jobs of others."""
    with night(FEW) as place:
        yield figure("programs executed, no jobs of others", "programs", [_executions(place)], limit=8)
        with _foreign_jobs():
            yield figure(f"programs executed, {FOREIGN_JOBS} jobs of others", "programs", [_executions(place)], limit=8)


def _executions(place: Place) -> int:
    """Remove the alarm that is set, as it is not queued while it runs, and count what its check executes."""
    armed = [one.data for one in EventLogs(str(place.path / "state")).events("night") if isinstance(one.data, Armed)]
    subprocess.run(["atrm", armed[-1].alarm.job], check=True)
    calls = _traced(place, "execve", by="at")
    return sum(call.endswith(" = 0") for call in calls)


@contextmanager
def _foreign_jobs() -> Iterator[None]:
    """Have jobs of somebody else in the queue of `at`: they would do nothing, and are removed."""
    jobs = []
    try:
        for _ in range(FOREIGN_JOBS):
            said = subprocess.run(["at", "now + 2 days"], input="true\n", capture_output=True, text=True, check=True)
            jobs += re.findall(r"job (\d+) at", said.stderr)
        yield
    finally:
        subprocess.run(["atrm", *jobs], check=True)


def _traced(place: Place, calls: str, by: str = "exit") -> list[str]:
    """Run a check; return the system calls of that kind that it and its children make, each as a line."""
    file = place.path / "calls"
    words = place.words("check", "night", "--quiet", "--by", by)
    argv = ["strace", "-f", "-qq", "-e", f"trace={calls}", "-e", "signal=none", "-o", str(file), *words]
    spend(argv, place.path, place.env, codes=FINE)
    return file.read_text(errors="replace").splitlines()


def status() -> Iterator[Figure]:
    """`wakeman status --json` as a whole process, beside a check of the same deployment."""
    for workers, rounds in ((1, 15), (100, 15), (CROWD, 5)):
        with night(workers) as place:
            run, beside = partial(place.run, "status", "night", "--json"), partial(place.run, *CHECK)
            what = f"status --json, {workers:,} workers"
            yield from spent_in_turn(what, run, beside, "a check", rounds, {"CPU": 1.3})
