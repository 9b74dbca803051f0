"""What supervision adds to a night: to the demo, to many starts and ends, to one worker after another."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import peer
from bench.figures import Figure, figure, in_turn, paired
from bench.place import WAKEMAN, Place, Spent, processes_at, spend

from wakeman.adapters.eventlog import EventLogs

DEMO = Path(__file__).parents[1] / "examples" / "condense"
DEMO_ROUNDS = 5
STARTS = 100
PEER_STARTS = 16
CROWD = 1000
FAMILY = """\
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)
code = subprocess.run(sys.argv[1:]).returncode
subprocess.run(["tmux", "-L", "wakeman", "kill-server"], stderr=subprocess.DEVNULL)
try:
    while True:
        os.wait()
except ChildProcessError:
    sys.exit(code)
"""
"""Runs a program, then ends the tmux server that it began, and waits for all that descends from it (prctl 36: what
loses its parent becomes this process' child). So what is measured of it is the whole family's."""
ALONE = """\
import subprocess, sys, time
stagger, *shares = sys.argv[1:]
def start(words):
    return subprocess.Popen(words.split("\\x1f"))
*first, last = shares
began = []
for words in first:
    began.append(start(words))
    time.sleep(float(stagger))
for each in began:
    each.wait()
start(last).wait()
"""
"""Runs the workers of the demo as its plan does: one after the other, and the last when the others have ended."""


def demo() -> Iterator[Figure]:
    """The demo from `up` to its end, beside the same eight workers with the same pauses and nobody who watches; CPU of
    all their processes, tmux included."""
    ours, theirs = [], []
    for _ in range(DEMO_ROUNDS):
        with tempfile.TemporaryDirectory(prefix="wk") as name:
            place = Path(name)
            for file in (*DEMO.glob("*.py"), DEMO / "wakeman.toml"):
                shutil.copy(file, place)
            env = {**Place().env, "TMUX_TMPDIR": name, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            up = (*WAKEMAN, "up", "wakeman.toml", "--wait", "--state", f"{name}/state")
            ours.append(_family(up, place, env))
            theirs.append(_family((sys.executable, "-c", ALONE, "0.3", *_shares(place)), place, env))
    beside = "the same workers alone"
    walls = [(a.wall, b.wall) for a, b in zip(ours, theirs, strict=True)]
    yield paired("the demo, wall", "s", walls, beside)
    yield figure("what supervision adds to it, wall", "s", [a - b for a, b in walls], limit=0.7)
    yield paired("the demo, CPU", "s", [(a.cpu, b.cpu) for a, b in zip(ours, theirs, strict=True)], beside)
    yield figure("CPU of supervision", "s", [a.cpu - b.cpu for a, b in zip(ours, theirs, strict=True)], limit=2)


def _family(argv: Sequence[str], place: Path, env: dict[str, str]) -> Spent:
    shutil.rmtree(place / "out", ignore_errors=True)
    return spend((sys.executable, "-c", FAMILY, *argv), place, env)


def _shares(place: Path) -> Iterator[str]:
    """Yield the command line of each worker of the demo, the cleanup last. Its program takes a share as a file."""
    attempts = sorted((place / "state/condense/attempts").iterdir(), key=lambda each: (each / "claim").stat().st_mtime)
    for attempt in attempts:
        words = ("python3", "condense.py", str(attempt / "units.jsonl"), "--worker", attempt.name[:-2])
        yield "\x1f".join((*words, "--stops", "condense_email:3", "--pace", "0.2"))


def launch() -> Iterator[Figure]:
    """`up` with 100 workers and no stagger, from its start to its end, beside what else begins as many sessions."""

    def ours() -> float:
        place = Place()
        took = place.run("up", str(place.plan("night", STARTS, "sleep 60"))).wall
        place.end("night")
        return took

    rivals: dict[str, Callable[[], float] | None] = {
        "100 `new-session` in one call of tmux": partial(_tmux, STARTS),
        "GNU parallel `--tmux`, until all have begun": _parallel if shutil.which("parallel") else None,
        f"tmuxp {peer.version('tmuxp')}, a session of 100 windows": _tmuxp,
    }
    for beside, theirs in rivals.items():
        if theirs is not None:
            yield paired(f"up, {STARTS} workers", "ms", in_turn(ours, theirs, 3), beside)
    version = peer.version(peer.PACKAGE, peer.SERVER)  # which installs it
    began = time.perf_counter()
    with peer.peer(PEER_STARTS):
        took = time.perf_counter() - began
    place = Place()
    mine = place.run("up", str(place.plan("night", PEER_STARTS, "sleep 60"))).wall
    place.end("night")
    beside = f"CLI Agent Orchestrator {version}: its server, and {PEER_STARTS} sessions of its mock provider"
    yield paired(f"up, {PEER_STARTS} workers", "s", [(mine, took)], beside)


def _tmux(count: int, also: str = "") -> float:
    """Begin sessions in one call of a new server; return the seconds that it took. `also`: commands for each."""
    with tempfile.TemporaryDirectory(prefix="wk") as name:
        each = (also.format(n=n, place=name) for n in range(count))
        script = "\n".join(f"new-session -d -s s{n} 'sleep 3000'{more}" for n, more in enumerate(each))
        argv = ["tmux", "-f", "/dev/null", "-S", f"{name}/tmux"]
        began = time.perf_counter()
        subprocess.run([*argv, "start-server", ";", "source-file", "-"], input=script, text=True, check=True)
        took = time.perf_counter() - began
        subprocess.run([*argv, "kill-server"], capture_output=True)
    return took


KEPT = " ; set-option -t =s{n}: @whose {n} ; pipe-pane -t =s{n}: 'exec cat >>{place}/{n}.log'"
"""What tmux has to do for a session that is to be known again after a crash, and of which what it prints is kept."""


def _parallel() -> float:
    """Begin a night's workers by GNU parallel, each in a window; return the seconds until the last has begun."""
    with tempfile.TemporaryDirectory(prefix="wk") as name:
        place = Path(name)
        env = {"PATH": os.environ["PATH"], "HOME": name, "TMUX_TMPDIR": name, "TMPDIR": name}
        command = f"touch {name}/began.{{}}; sleep 60"
        argv = ["parallel", "--tmux", "--will-cite", f"-j{STARTS}", command, ":::", *map(str, range(STARTS))]
        began = time.perf_counter()
        null = subprocess.DEVNULL
        process = subprocess.Popen(argv, env=env, stdin=null, stdout=null, stderr=null)
        while len(list(place.glob("began.*"))) < STARTS:
            assert time.perf_counter() - began < peer.PATIENCE, "GNU parallel does not begin"
            time.sleep(0.01)
        took = time.perf_counter() - began
        process.kill()
        process.wait()
        for socket in place.glob("**/tms*"):
            subprocess.run(["tmux", "-S", str(socket), "kill-server"], capture_output=True)
        for pid in processes_at(place):  # each job has one that waits for its end
            os.kill(pid, signal.SIGKILL)
    return took


def _tmuxp() -> float:
    """Load a session of so many windows; return the seconds that it took."""
    with tempfile.TemporaryDirectory(prefix="wk") as name:
        windows = [{"window_name": f"w{n}", "window_shell": "sleep 60", "panes": ["pane"]} for n in range(STARTS)]
        file = Path(name, "night.json")
        file.write_text(json.dumps({"session_name": "night", "windows": windows}))
        env = {"PATH": os.environ["PATH"], "HOME": name, "LANG": "C.UTF-8", "SHELL": "/bin/sh"}
        argv = [str(peer.program("tmuxp")), "load", "-d", "-y", "-S", f"{name}/tmux", str(file)]
        took = spend(argv, Path(name), env).wall
        subprocess.run(["tmux", "-S", f"{name}/tmux", "kill-server"], capture_output=True)
    return took


def crowd() -> Iterator[Figure]:
    """`up` and `down` of 1,000 workers, beside tmux that begins as many sessions in one call: bare ones, and ones that
    each have a mark and a file that keeps what is printed."""
    place = Place()
    plan = place.plan("night", CROWD, "sleep 3000")
    bare, kept = _tmux(CROWD), _tmux(CROWD, KEPT)
    up = place.run("up", str(plan))
    yield paired(f"up, {CROWD:,} workers, wall", "s", [(up.wall, bare)], "tmux", limit=1.2)
    yield paired(f"up, {CROWD:,} workers, wall", "s", [(up.wall, kept)], "tmux, a mark and a file for each")
    yield figure("its CPU, without tmux", "s", [up.cpu])
    down = place.run("down", "night")
    yield figure(f"down, {CROWD:,} workers, wall", "s", [down.wall])
    yield figure("its CPU, without tmux", "s", [down.cpu])
    place.end()


def handover() -> Iterator[Figure]:
    """A worker's end to the start of the next, one at a time and no watcher: the end of one starts the check."""
    place = Place()
    # It lives longer than a check stays for other ends, so each end starts one.
    command = 'sleep 1.5; read u <"$1"; n=${u#*\\"unit\\": \\"}; mkdir -p night-out; echo x >night-out/${n%%\\"*}'
    place.run("up", str(place.plan("night", 20, command, at_once=1)), "--wait")
    events = list(EventLogs(str(place.path / "state")).events("night"))
    ends = {
        e.worker: Path(place.path, f"state/night/attempts/{e.worker}.1/exit").stat().st_mtime
        for e in events
        if e.worker
    }
    claims = sorted(path.stat().st_mtime for path in place.path.glob("state/night/attempts/*/claim"))
    gaps = [next(c for c in claims if c > end) - end for end in sorted(ends.values())[:-1]]
    place.end()
    yield figure("a worker's end to the next one's start", "ms", [gap * 1000 for gap in gaps], limit=200)
