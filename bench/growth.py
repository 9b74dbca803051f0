"""How cost grows with workers and units: decisions, rehearsals, plans. What must not grow is counted in the tests, too:
`tests/counts/test_growth.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from math import log
from pathlib import Path

import msgspec
from bench.figures import Figure, figure
from bench.logs import host
from bench.place import WAKEMAN, Place, spend

from wakeman.adapters.memory import MemoryWorld
from wakeman.audit.auditor import Auditor
from wakeman.core.log.events import Armed, Decided, Enrolled, Event, Looked, Planned, genesis
from wakeman.core.log.state import apply, compose
from wakeman.core.model import (
    Alarm,
    Deployment,
    FileFingerprint,
    Observation,
    Plan,
    Unit,
    UnitsSpec,
    Verdict,
)
from wakeman.core.policy.deployment_rows import decide
from wakeman.core.policy.transitions import transitions
from wakeman.core.policy.worker_rows import decide_worker
from wakeman.engine.check import check
from wakeman.engine.observe.recall import Recall
from wakeman.engine.protocol import check as protocol
from wakeman.engine.protocol.steps import Append, Unrecorded
from wakeman.engine.start.deploy import up
from wakeman.engine.start.prepare import prepare_plan

CROWD = 100_000
JUDGED = int(os.environ.get("WAKEMAN_BENCH_EVENTS", "1000000"))
"""Lines of the log that is judged."""
JUDGED_WORKERS = 500
UNITS_EACH = 10
REHEARSALS = {(1_200, 120): 0.0, (10_000, 1_000): 0.0, (100_000, 1_000): 60.0}
"""(units, workers) -> CPU seconds at most; 0 where the issue is how it grows."""
REHEARSED_MIB = 300
QUEUES = {"64": 60.0, "16-64": 180.0}
"""Numbers of nodes -> CPU seconds at most."""
QUEUED = ("--slots", "4", "--wait", "exp:10m", "--unit", "exp:1m", "--fails", "10d", "--give-up", "10d")
QUEUED_MIB = 450
SENSES = protocol.Senses(look=protocol.ObservationRead(), reports=protocol.ReportsRead(), clear=Unrecorded())  # type: ignore[arg-type] # only read
PLANS = {1_000: 0.0, 10_000: 0.0, 100_000: 6.0}
"""Units -> CPU seconds at most."""


def decisions() -> Iterator[Figure]:
    """Deciding and judging in memory: a look at 100,000 workers, and the audit of a log by the number of workers, as a
    rehearsal of ten units each writes it; and of a long one, in which each minute's check sees signs of life of one
    worker, and once in ten a unit that it has done."""
    yield figure(f"one look at {CROWD:,} workers applied, and all decided anew", "CPU s", [_crowd_decided()])
    for workers in (50, 200, 500):
        events = _rehearsed(workers)
        count = sum(isinstance(event.data, Decided) for event in events)
        more = min(_judged(events) for _ in range(3)) - min(_folded(events) for _ in range(3))
        yield figure(f"one decision judged, {workers} workers", "CPU us", [more / count * 1e6])
    what = f"{JUDGED:,} lines judged, {JUDGED_WORKERS} workers"
    yield figure(what, "CPU s", [_long_judged(JUDGED_WORKERS, JUDGED)], limit=60 * JUDGED / 1_000_000)


def _long_judged(workers: int, lines: int) -> float:
    """Return the CPU seconds of judging a log that is as long as said; what makes it is not counted."""
    judge, took = Auditor(), 0.0
    writes = _long_night(workers)
    while judge.events < lines:
        some = list(islice(writes, 1000))
        began = time.process_time()
        for write in some:
            for event in write:
                judge.take(event)
        took += time.process_time() - began
    assert not judge.count
    return took


def _long_night(workers: int) -> Iterator[Sequence[Event]]:
    """Yield the writes of a night without an end: `up`, the launches, and then one check after the other."""
    stage = MemoryWorld()
    world = stage.world("up:0")
    content = _content(UNITS_EACH * workers, workers)
    content["workers"] |= {"stagger": 0}  # type: ignore[operator] # a table
    content |= {"stuck": {"after": "10d"}, "limits": {"give_up": "1000d"}}
    up(world, prepare_plan(world, json.dumps(content), "night.json", "/plans"))
    while any(not worker.attempt for worker in world.logs.read("night").workers.values()):
        check(stage.world("at:1"), "night")
    d, turn = Deployment(), 0
    for event in world.logs.events("night"):
        apply(d, event)
        yield [event]
    at = event.at
    while True:
        turn += 1
        at += timedelta(minutes=1)
        yield from _minute(d, turn, at)


def _minute(d: Deployment, turn: int, at: datetime) -> Iterator[Sequence[Event]]:
    """Yield the writes of the check at an alarm, which sees one of the workers at work."""
    worker = list(d.workers.values())[turn % len(d.workers)]
    seen = Observation(worker=worker.name, attempt=1, session="running", life=f"{turn:x}", session_id=worker.session_id)
    unit = worker.units[turn // len(d.workers) // 10 % (UNITS_EACH - 1)]
    mark = FileFingerprint(d.units[unit].unit.outputs[0], 4000, turn, turn)
    done = (Verdict(unit=unit, marks=(mark,)),) if turn % 10 == 0 and not d.units[unit].done else ()
    look = Looked(mono=d.mono + 60.0, boot=d.boot, observations=(seen,), verdicts=done, server=d.server)
    alarm = Alarm(kind="at", generation=d.generation + 1, due=at + timedelta(minutes=1), job=str(turn))
    recorded = iter((Armed(alarm=alarm, why="next"), look, look))
    found = next(recorded)
    steps, answer = protocol.check(d, "at:1", at, SENSES), None
    with suppress(StopIteration):
        while True:
            step = steps.send(answer)
            if isinstance(step, Append):
                _, answer = compose(d, step.drafts, at, "at:1")
                yield answer
                found = next(recorded, look)
            else:
                answer = step.recorded(d, [Event(v=1, seq=d.seq + 1, at=at, by="at:1", data=found, hash="")])


def _rehearsed(workers: int) -> list[Event]:
    """Return the log of a night that the engine has run in memory: what is judged is what protocols write."""
    stage = MemoryWorld()
    world = stage.world("up:0")
    text = json.dumps(_content(UNITS_EACH * workers, workers))
    up(world, prepare_plan(world, text, "night.json", "/plans"))
    recall = Recall()
    stage.run(
        lambda world, head: check(world, "night", head, recall), lambda: world.logs.read("night").outcome != "open"
    )
    return list(world.logs.events("night"))


def _judged(events: list[Event]) -> float:
    judge = Auditor()
    began = time.process_time()
    for event in events:
        judge.take(event)
    took = time.process_time() - began
    assert not judge.count
    return took


def _folded(events: list[Event]) -> float:
    deployment = Deployment()
    began = time.process_time()
    for event in events:
        apply(deployment, event)
    return time.process_time() - began


def _crowd_decided() -> float:
    now, d, seq = datetime.now(UTC), Deployment(), 0

    def say(data: msgspec.Struct, worker: str | None = None) -> None:
        nonlocal seq
        seq += 1
        apply(d, Event(v=1, seq=seq, at=now, by="at:1", worker=worker, data=data, hash=genesis("a", "b")))  # type: ignore[arg-type] # facts all

    plan = Plan(name="night", units=UnitsSpec(items=("x",)))
    say(Planned(name="night", plan=plan, digest="d", host=host("/s/night")))
    for n in range(CROWD):
        say(Enrolled(session=f"w{n}", units=(Unit(name=f"u{n}", outputs=(f"o{n}",)),)), f"w{n}")
    for worker in d.workers.values():
        worker.state, worker.attempt, worker.life = "running", 1, "aa"
    seen = tuple(Observation(worker=f"w{n}", attempt=1, session="running", life="ab") for n in range(CROWD))
    began = time.process_time()
    say(Looked(mono=1.0, boot="b", observations=seen))
    transitions(d)
    for worker in d.workers.values():
        decide_worker(d, worker)
    decide(d)
    return time.process_time() - began


def rehearse() -> Iterator[Figure]:
    """`wakeman rehearse` as a whole process, by units and workers."""
    for (units, workers), limit in REHEARSALS.items():
        place = Place()
        spent = spend([*WAKEMAN, "rehearse", str(_plan(place.path, units, workers))], place.path, place.env)
        what = f"{units:,} units on {workers:,} workers"
        yield figure(what, "CPU s", [spent.cpu], limit)
        yield figure(f"{what}, memory at most", "MiB", [spent.peak], REHEARSED_MIB if limit else 0)
        place.end()


def queues() -> Iterator[Figure]:
    """`wakeman rehearse --nodes` as a whole process: 100,000 units on 1,000 workers, on queues of nodes with four slots
    each, jobs that wait 10 minutes on average, units of a minute on average, and nodes that fail every ten days."""
    for nodes, limit in QUEUES.items():
        place = Place()
        words = ("--nodes", nodes, *QUEUED)
        spent = spend([*WAKEMAN, "rehearse", str(_plan(place.path, CROWD, 1_000)), *words], place.path, place.env)
        yield figure(f"{nodes} nodes", "CPU s", [spent.cpu], limit)
        yield figure(f"{nodes} nodes, memory at most", "MiB", [spent.peak], QUEUED_MIB)
        place.end()


def plan() -> Iterator[Figure]:
    """`wakeman plan` as a whole process, by units; the slope is of the last two, log by log: 1 is linear."""
    took = []
    for units, limit in PLANS.items():
        place = Place()
        spent = spend([*WAKEMAN, "plan", str(_plan(place.path, units, 1_000))], place.path, place.env)
        took.append((units, spent.cpu))
        yield figure(f"{units:,} units", "CPU s", [spent.cpu], limit)
        yield figure(f"{units:,} units, memory at most", "MiB", [spent.peak])
        place.end()
    (few, short), (many, long) = list(pairwise(took))[-1]
    yield figure("slope", "", [log(long / short) / log(many / few)], limit=1.05)


def _plan(place: Path, units: int, workers: int) -> Path:
    file = place / "night.json"
    file.write_text(json.dumps(_content(units, workers)))
    return file


def _content(units: int, workers: int) -> dict[str, object]:
    items = [{"unit": f"u{n}", "key": f"k{n % workers}"} for n in range(units)]
    return {
        "name": "night",
        "units": {"items": items, "output": "out/{{ unit }}"},
        "workers": {"by": "{{ key }}", "command": ["sleep", "1"]},
        "wake": {"every": "1m"},
    }
