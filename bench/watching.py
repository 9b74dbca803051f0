"""How soon a watcher tells of a file, what it misses, and what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bench import peer
from bench.figures import Figure, figure, paired
from bench.place import Place, processes_at

TRIALS = 200
TICK = os.sysconf("SC_CLK_TCK")


def watch() -> Iterator[Figure]:
    """A file's closing to its event in the log, with 24 live workers and one watcher."""
    place = _crowd(24, [f"out/w{w}/{n}" for w in range(24) for n in range(TRIALS // 24 + 1)])
    log = place.path / "state/night/events.jsonl"
    took = []
    with _watcher(place):
        for n in range(TRIALS):
            output = place.path / f"out/w{n % 24}/{n // 24}"
            with log.open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                with output.open("w") as file:
                    file.write("x" * 1000)
                closed = time.perf_counter()
                seen = b""
                while f"out/w{n % 24}/{n // 24}".encode() not in seen and time.perf_counter() - closed < 5:
                    time.sleep(0.0002)
                    seen += stream.read()
                took.append(time.perf_counter() - closed)
            time.sleep(0.05)
    place.end("night")
    times = sorted(one * 1000 for one in took)
    yield figure("output closed to its event in the log", "ms", times)
    yield figure("the same, 99th percentile", "ms", [times[int(len(times) * 0.99)]], limit=100)


def flood() -> Iterator[Figure]:
    """10,000 files written in 10 s over 1,000 directories: those that the watcher has not told in the end."""
    files = [f"out/d{n % 1000}/f{n}" for n in range(10_000)]
    place = _crowd(20, files)
    with _watcher(place) as pid:
        began, before = time.perf_counter(), _cpu(pid)
        for at, file in enumerate(files):
            (place.path / file).write_text("x" * 100)
            if at % 20 == 19:
                time.sleep(max(0.0, began + at / 1000 - time.perf_counter()))
        wrote = time.perf_counter() - began
        cpu = (_cpu(pid) - before) / wrote
        told: set[str] = set()
        until = time.monotonic() + 30
        while len(told) < len(files) and time.monotonic() < until:
            time.sleep(0.5)
            told = set(_told(place))
        last = time.perf_counter() - began - wrote
    place.end("night")
    missed = len(files) - len(told)
    yield figure("files missed", "files", [missed])
    yield figure("the last written to the last told", "s", [last])
    yield figure("CPU of the watcher meanwhile", "% of a core", [cpu * 100])


def idle() -> Iterator[Figure]:
    """24 live workers and nothing happening for 90 s: processes of ours without a watcher, then with one, beside a peer
    whose server watches the screens of as many mock agents, and beside another's server that has no agent at all."""
    place = _crowd(24, [f"out/w{w}/0" for w in range(24)])
    time.sleep(3)
    alone = sum(1 for pid in processes_at(place.path) if "wakeman" in _line(pid) and "new-session" not in _line(pid))
    yield figure("processes of ours without a watcher", "processes", [alone])
    with ExitStack() as servers:
        number, agents = servers.enter_context(peer.peer(24))
        beside = {f"CLI Agent Orchestrator {number}": agents}
        if peer.runs(peer.TASKS):
            number, tasks = servers.enter_context(peer.task_server())
            beside[f"Bernstein {number}, its task server without agents"] = tasks
        mine = [servers.enter_context(_watcher(place))]
        time.sleep(5)
        families = [mine, *beside.values()]
        before, began = [sum(map(_cpu, family)) for family in families], time.perf_counter()
        time.sleep(90)
        took = time.perf_counter() - began
        ours, *theirs = (
            (sum(map(_cpu, family)) - spent) / took * 100 for family, spent in zip(families, before, strict=True)
        )
        size, *sizes = (sum(map(_resident, family)) / 1024 for family in families)
    place.end("night")
    for server, cpu, resident in zip(beside, theirs, sizes, strict=True):
        yield paired("CPU with a watcher", "% of a core", [(ours, cpu)], server)
        yield paired("memory of the watcher", "MiB", [(size, resident)], server)


def _crowd(workers: int, files: list[str]) -> Place:
    """Start workers that sleep, with these outputs in their shares: by the second part where there are few."""
    place = Place()
    items = [
        {"unit": file, "key": file.split("/")[1] if workers == 24 else f"k{at % workers}"}
        for at, file in enumerate(files)
    ]
    plan = {
        "name": "night",
        "units": {"items": items, "output": "{{ unit }}"},
        "workers": {"by": "{{ key }}", "command": ["sleep", "900"], "stagger": 0, "socket": str(place.socket)},
    }
    (place.path / "night.json").write_text(json.dumps(plan))
    for directory in {Path(file).parent for file in files}:
        (place.path / directory).mkdir(parents=True, exist_ok=True)
    place.run("up", str(place.path / "night.json"))
    return place


@contextmanager
def _watcher(place: Place) -> Iterator[int]:
    """Start a watcher, wait until it has looked, and end it."""
    argv = place.words("watch", "night", "--json")
    process = subprocess.Popen(argv, env=place.env, stdout=subprocess.PIPE, cwd=place.path, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.readline()
    drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
    time.sleep(1.5)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
        drain.wait()


def _told(place: Place) -> Iterator[str]:
    with (place.path / "state/night/events.jsonl").open() as lines:
        for line in lines:
            if '"type":"progressed"' in line:
                for each in json.loads(line)["data"].get("files", ()):
                    yield from (mark[0] for mark in each["marks"])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if "VmRSS" in line).split()[1])


def _line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""
