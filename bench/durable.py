"""What the log costs: appends, replay, resume, many writers; each beside the plain thing, or what others do."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.logs import WORKERS, host, long_log
from bench.pairs import WAKEMAN, Place, paired

from wakeman.adapters.eventlog import EventLogs
from wakeman.adapters.eventlog.audit_reader import chained
from wakeman.adapters.eventlog.log_reader import Reading, apply_all
from wakeman.audit.auditor import Auditor
from wakeman.core.log import events as e
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment, Plan, UnitsSpec

MILLION = int(os.environ.get("WAKEMAN_BENCH_EVENTS", "1000000"))
"""Events of the long log."""
DRAFT = e.Draft(e.Decided(row="sleep", looked=1, why="47/54 units done, and some words to make a line of usual length"))


def _logs(place: Place) -> EventLogs:
    logs = EventLogs(str(place.path))
    plan = Plan(name="night", units=UnitsSpec(items=("x",)))
    planned = e.Planned(name="night", plan=plan, digest="d", host=host(str(place.path)))
    logs.create("night", "d", [e.Draft(planned)], datetime.now(UTC), "bench:1")
    return logs


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _appending(beside: Callable[[Path], Callable[[], float]], what: str, size: int) -> None:
    """Time durable appends of one event each beside something else, `size` at a time."""
    place = Place()
    now = datetime.now(UTC)
    with _logs(place).hold("night", "bench:1") as log:

        def ours() -> float:
            return _timed(lambda: [log.append([DRAFT], now) for _ in range(size)])

        ours()
        print(f"{size} durable appends beside {what}: {paired(ours, beside(place.path))}")
    place.end()


def append() -> None:
    """Time durable appends beside a bare write and fdatasync of the same bytes."""

    def bare(path: Path) -> Callable[[], float]:
        fd = os.open(path / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        line = (path / "night" / "events.jsonl").read_bytes().splitlines(keepends=True)[-1]

        def theirs() -> float:
            began = time.perf_counter()
            for _ in range(200):
                os.write(fd, line)
                os.fdatasync(fd)
            return time.perf_counter() - began

        return theirs

    _appending(bare, "write + fdatasync", 200)


def eventsourcing() -> None:
    """Time durable appends beside saves of one event with the library `eventsourcing` on SQLite."""
    from bench.rivals import eventsourcing as rival

    _appending(lambda path: rival(path, 200), "eventsourcing (SQLite, WAL, FULL)", 200)


def dbos() -> None:
    """Time durable appends beside steps of one DBOS workflow on SQLite."""
    from bench.rivals import dbos as rival

    _appending(lambda path: rival(path, 50), "DBOS steps (SQLite)", 50)


def replay() -> None:
    """Time the fold of a long log beside msgspec decoding the same lines into the same structs; say its memory."""
    place = Place()
    file = long_log(place.path, "night", MILLION)
    read = e.reader(file.stat().st_size)

    def typed() -> float:
        began = time.process_time()
        with file.open("rb") as stream:
            for line in stream:
                read(line)
        return time.process_time() - began

    def folded() -> float:
        deployment = Deployment()
        began = time.process_time()
        with file.open("rb") as stream:
            for line in stream:
                apply(deployment, read(line))
        return time.process_time() - began

    def verified() -> float:
        began = time.process_time()
        with Reading(str(file)) as log:
            apply_all(log, Deployment())
        return time.process_time() - began

    print(f"replay of {MILLION:,} events beside typed decoding, CPU: {paired(folded, typed, 3)}")
    print(f"the same with the chain checked, CPU: {paired(verified, typed, 3)}")
    argv = [*WAKEMAN, "replay", str(file), "--until", str(MILLION)]
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory of `wakeman replay --until {MILLION}`: {peak:.0f} MiB")
    place.end()


def audit() -> None:
    """Time the chain pass over a long log, the whole audit of a tenth, and what one judged decision costs."""
    place = Place()
    file = long_log(place.path, "night", MILLION)
    began = time.process_time()
    chained(str(file))
    print(f"chain and sequence of {MILLION:,} events: {time.process_time() - began:.2f} CPU-seconds")
    short = long_log(place.path, "short", MILLION // 10)
    with Reading(str(short)) as log:
        events = list(log)
    decisions = sum(isinstance(event.data, e.Decided) for event in events)

    def judged() -> float:
        judge = Auditor()
        began = time.process_time()
        for event in events:
            judge.take(event)
        return time.process_time() - began

    def folded() -> float:
        deployment = Deployment()
        began = time.process_time()
        for event in events:
            apply(deployment, event)
        return time.process_time() - began

    more = min(judged() for _ in range(3)) - min(folded() for _ in range(3))
    print(
        f"judging {decisions:,} decisions of {WORKERS} workers: {more / decisions * 1e6:.0f} us each, beside the fold"
    )
    place.end()


def loading() -> None:
    """Time the fold of 20,000 events beside the library `eventsourcing` loading as many of one aggregate."""
    from bench.rivals import loading as rival

    place = Place()
    count = 20_000
    file = long_log(place.path, "night", count)

    def chain_alone() -> float:
        began = time.process_time()
        chained(str(file))
        return time.process_time() - began

    def verified() -> float:
        began = time.process_time()
        with Reading(str(file)) as log:
            apply_all(log, Deployment())
        return time.process_time() - began

    theirs = rival(place.path, count)
    print(f"{count:,} events, chain and sequence beside eventsourcing's replay, CPU: {paired(chain_alone, theirs, 3)}")
    print(f"{count:,} events, chain checked and folded beside the same, CPU: {paired(verified, theirs, 3)}")
    place.end()


def resume() -> None:
    """Time a whole `wakeman resume` on a long log with its snapshot beside one on a log of 1,000 events."""
    place = Place()
    now = datetime.now(UTC)
    logs = EventLogs(str(place.path / "state"))
    for name, count in (("long", MILLION), ("short", 1_000)):
        long_log(place.path / "state", name, count)
        with logs.hold(name, "bench:1") as log:
            log.append([e.Draft(e.Closed(outcome="partial")), e.Draft(e.Disarmed(generation=1))], now)
        with logs.hold(name, "bench:1") as log:
            assert log.deployment.seq >= count
    said = paired(lambda: place.run("resume", "long"), lambda: place.run("resume", "short"), 30)
    print(f"resume after {MILLION:,} events beside 1,000, whole process: {said}")
    place.end()


WRITER = """
import sys, time
from datetime import UTC, datetime
sys.path.insert(0, sys.argv[1])
from bench.durable import DRAFT
from wakeman.adapters.eventlog import EventLogs
logs, now = EventLogs(sys.argv[2]), datetime.now(UTC)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    with logs.hold("night", "bench:1", wait=60) as log:
        log.append([DRAFT], now)
"""


def writers() -> None:
    """Time holds with one append each by 8 processes at once beside as many by one."""
    total = 400

    def run(processes: int) -> float:
        place = Place()
        logs = _logs(place)
        argv = [
            sys.executable,
            "-c",
            WRITER,
            str(Path(__file__).parent.parent),
            str(place.path),
            str(total // processes),
        ]
        running = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(processes)]
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        began = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        codes = [process.wait() for process in running]
        took = time.perf_counter() - began
        for process in running:
            process.communicate()
        assert not any(codes)
        assert logs.read("night").seq == total + 1  # every line is there, and the chain holds
        place.end()
        return took

    print(f"{total} appends by 8 writers beside 1: {paired(lambda: run(8), lambda: run(1), 7)}")
