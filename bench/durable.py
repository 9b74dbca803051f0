"""What the log costs: appends, replay, resume, many writers; each beside the plain thing, or what others do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench import rivals
from bench.figures import Figure, figure, in_turn, paired
from bench.logs import host, long_log
from bench.place import WAKEMAN, Place, spend

from wakeman.adapters.eventlog import EventLogs
from wakeman.adapters.eventlog.audit_reader import chained
from wakeman.adapters.eventlog.log_reader import BLOCK_BYTES, Reading, apply_all
from wakeman.core.log import events as e
from wakeman.core.log.state import apply, fold
from wakeman.core.model import Deployment, Plan, UnitsSpec
from wakeman.ports.log_store import Writer

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


def append() -> Iterator[Figure]:
    """Durable appends of one event each, 200 a round, beside the bare disk and what else keeps events or steps."""
    for what, beside, size, limit in (
        ("write and fdatasync of the same bytes", _bare, 200, 1.11),
        ("SQLite, one insert a transaction, WAL, synchronous=FULL", _sqlite, 200, 1.0),
        ("eventsourcing on SQLite, WAL, FULL", rivals.eventsourcing, 200, 0.0),
        ("a step of DBOS on SQLite", rivals.dbos, 50, 0.0),
    ):
        place = Place()
        now = datetime.now(UTC)
        with _logs(place).hold("night", "bench:1") as log:

            def ours(log: Writer = log, size: int = size, now: datetime = now) -> float:
                return _timed(lambda: [log.append([DRAFT], now) for _ in range(size)])

            ours()
            pairs = in_turn(ours, beside(place.path, size))
        each = [(a / size * 1000, b / size * 1000) for a, b in pairs]
        yield paired("one durable append", "us", each, what, limit)
        place.end()


def _bare(path: Path, size: int) -> Callable[[], float]:
    """Return what writes the last line of the log so many times, each durably, and says how long that took."""
    fd = os.open(path / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    line = (path / "night" / "events.jsonl").read_bytes().splitlines(keepends=True)[-1]

    def run() -> None:
        for _ in range(size):
            os.write(fd, line)
            os.fdatasync(fd)

    return lambda: _timed(run)


def _sqlite(path: Path, size: int) -> Callable[[], float]:
    """Return what inserts the last line of the log so many times, each in a transaction of its own."""
    import sqlite3

    line = (path / "night" / "events.jsonl").read_bytes().splitlines(keepends=True)[-1]
    connection = sqlite3.connect(path / "events.db", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table events (line blob)")

    def run() -> None:
        for _ in range(size):
            connection.execute("insert into events values (?)", (line,))

    return lambda: _timed(run)


def replay() -> Iterator[Figure]:
    """A log of a million events folded into a deployment by blocks, as a replay reads it, beside msgspec that decodes
    the same lines into the same structs, one by one; CPU."""
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
            apply(deployment, e.decode(stream.readline()))
            while block := stream.read(BLOCK_BYTES):
                fold(deployment, e.decode_lines(block + stream.readline()))
        return time.process_time() - began

    def verified() -> float:
        began = time.process_time()
        with Reading(str(file)) as log:
            apply_all(log, Deployment())
        return time.process_time() - began

    yield paired(f"{MILLION:,} events", "CPU ms", in_turn(folded, typed, 3), "typed decoding", 1.67)
    yield paired("the same, the chain checked", "CPU ms", in_turn(verified, typed, 3), "typed decoding", 2.2)
    spent = spend([*WAKEMAN, "replay", str(file), "--until", str(MILLION)], place.path, place.env)
    yield figure("memory of `wakeman replay` at most", "MiB", [spent.peak])
    place.end()


def audit() -> Iterator[Figure]:
    """The chain and the sequence of a log alone, as `wakeman audit` checks them first; CPU."""
    place = Place()
    file = long_log(place.path, "night", MILLION)
    began = time.process_time()
    chained(str(file))
    yield figure(f"chain and sequence of {MILLION:,} events", "CPU s", [time.process_time() - began])
    place.end()


def loading() -> Iterator[Figure]:
    """20,000 events read and folded, beside the library `eventsourcing` that loads an aggregate of as many; CPU."""
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

    theirs = rivals.loading(place.path, count)
    yield paired(f"{count:,} events, chain and sequence", "CPU ms", in_turn(chain_alone, theirs, 3), "eventsourcing")
    yield paired("the same, chain checked and folded", "CPU ms", in_turn(verified, theirs, 3), "eventsourcing")
    place.end()


def resume() -> Iterator[Figure]:
    """`wakeman resume` as a whole process on a log of a million events with its snapshot."""
    place = Place()
    now = datetime.now(UTC)
    logs = EventLogs(str(place.path / "state"))
    for name, count in (("long", MILLION), ("short", 1_000)):
        long_log(place.path / "state", name, count)
        with logs.hold(name, "bench:1") as log:
            log.append([e.Draft(e.Closed(outcome="partial")), e.Draft(e.Disarmed(generation=1))], now)
        with logs.hold(name, "bench:1") as log:
            assert log.deployment.seq >= count
        place.run("adopt", name)  # it was not begun by `up`
    pairs = in_turn(lambda: place.run("resume", "long").wall, lambda: place.run("resume", "short").wall)
    yield paired(f"resume after {MILLION:,} events", "ms", pairs, "after 1,000")
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


def writers() -> Iterator[Figure]:
    """Holds of the lock with one append each, by 8 processes at once."""
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

    yield paired(f"{total} appends by 8 writers", "ms", in_turn(lambda: run(8), lambda: run(1), 7), "by one writer")
