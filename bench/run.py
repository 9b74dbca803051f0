"""Measure what the design promises, each figure beside the plain thing that it is held against.

Paired and interleaved: ours, theirs, ours, theirs, in one process group, so that a busy machine slows both. Quote
the ratios; absolute figures say more about the machine. Run: `make bench`, or `python -m bench.run NAME...`.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from bench import calling, confining, durable, watching
from bench.pairs import Place, paired

from wakeman.adapters.eventlog import EventLogs
from wakeman.core.log.events import Enrolled, Event, Looked, Planned, genesis
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment, Host, Observation, Plan, Unit, UnitsSpec
from wakeman.core.policy.deployment_rows import decide
from wakeman.core.policy.transitions import transitions
from wakeman.core.policy.worker_rows import decide_worker

BARE = """\
import msgspec, subprocess, sys
subprocess.run(["tmux", "-u", "-S", sys.argv[1], "list-panes", "-a", "-F",
    "#{session_name}|#{session_id}|#{pane_pid}|#{pane_dead}|#{window_activity}"], capture_output=True)
"""


def check() -> None:
    """Time a whole `check` beside bare Python, msgspec and one call of tmux."""
    for workers in (1, 10, 100):
        place = Place()
        place.run("up", str(place.plan("night", workers, "sleep 900")))
        words = [sys.executable, "-c", BARE, str(place.socket)]

        def bare(words: list[str] = words) -> float:
            began = time.perf_counter()
            subprocess.run(words, check=True)
            return time.perf_counter() - began

        said = paired(lambda place=place: place.run("check", "night", "--quiet", "--by", "exit"), bare)  # type: ignore[misc] # bound on purpose
        print(f"check, {workers:3} live workers, whole process: {said}")
        place.end("night")


def launch() -> None:
    """Time `up` with 100 workers and no stagger beside 100 bare `new-session` in one call of tmux."""

    def ours() -> float:
        place = Place()
        took = place.run("up", str(place.plan("night", 100, "sleep 60")))
        place.end("night")
        return took

    def theirs() -> float:
        socket = Path(tempfile.mkdtemp(prefix="wk")) / "tmux"
        script = "\n".join(f"new-session -d -s s{n} 'sleep 60'" for n in range(100))
        argv = ["tmux", "-f", "/dev/null", "-S", str(socket)]
        began = time.perf_counter()
        subprocess.run([*argv, "start-server", ";", "source-file", "-"], input=script, text=True, check=True)
        took = time.perf_counter() - began
        subprocess.run([*argv, "kill-server"], capture_output=True)
        shutil.rmtree(socket.parent)
        return took

    print(f"launch of 100 workers, stagger 0: {paired(ours, theirs, 3)}")


def handover() -> None:
    """Time a worker's end to the launch of the next, no watcher running, from the log's own clock."""
    place = Place()
    command = 'read u <"$1"; n=${u#*\\"unit\\": \\"}; mkdir -p night-out; echo x >night-out/${n%%\\"*}'
    place.run("up", str(place.plan("night", 20, command, at_once=1)), "--wait")
    events = list(EventLogs(str(place.path / "state")).events("night"))
    ends = {
        e.worker: Path(place.path, f"state/night/attempts/{e.worker}.1/exit").stat().st_mtime
        for e in events
        if e.worker
    }
    claims = sorted(path.stat().st_mtime for path in place.path.glob("state/night/attempts/*/claim"))
    gaps = [next(c for c in claims if c > end) - end for end in sorted(ends.values())[:-1]]
    print(f"a worker's end -> the next one's start: median {statistics.median(gaps) * 1000:.0f} ms of {len(gaps)}")
    place.end()


def crowd() -> None:
    """Time fold and decide for 100,000 workers in memory."""
    count, now = 100_000, datetime.now(UTC)
    d = Deployment()
    host = Host(root="/", directory="/s/night", place={"socket": "/x", "tmux": "tmux"}, python=("wakeman",))
    seq = 0

    def say(data: msgspec.Struct, worker: str | None = None) -> None:
        nonlocal seq
        seq += 1
        apply(d, Event(v=1, seq=seq, at=now, by="at:1", worker=worker, data=data, hash=genesis("a", "b")))  # type: ignore[arg-type] # facts all

    say(Planned(name="night", plan=Plan(name="night", units=UnitsSpec(items=("x",))), digest="d", host=host))
    for n in range(count):
        say(Enrolled(session=f"w{n}", units=(Unit(name=f"u{n}", outputs=(f"o{n}",)),)), f"w{n}")
    for worker in d.workers.values():
        worker.state, worker.attempt, worker.life = "running", 1, "aa"
    seen = tuple(Observation(worker=f"w{n}", attempt=1, session="running", life="ab") for n in range(count))
    began = time.perf_counter()
    say(Looked(mono=1.0, boot="b", observations=seen))
    transitions(d)
    for worker in d.workers.values():
        decide_worker(d, worker)
    decide(d)
    print(f"fold of a look and all decisions, {count:,} workers: {time.perf_counter() - began:.2f} s")


def rooms() -> None:
    """Count lines of source per room."""
    source = Path(__file__).parent.parent / "src" / "wakeman"
    for room in ("core", "engine", "ports", "adapters", "faces"):
        files = list((source / room).rglob("*.py"))
        print(f"{room}: {sum(len(f.read_text().splitlines()) for f in files):,} lines in {len(files)} files")


BENCHES = {
    bench.__name__: bench
    for bench in (
        check, launch, handover, crowd, rooms,
        durable.append, durable.eventsourcing, durable.dbos, durable.replay, durable.audit, durable.loading,
        durable.resume, durable.writers, watching.watch, watching.flood, watching.idle,
        confining.confine, calling.mcp, calling.deliver,
    )
}  # fmt: skip

if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    for name in sys.argv[1:] or BENCHES:
        BENCHES[name]()
