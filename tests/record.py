"""Record sample nights into state/samples/: `python -m tests.record`. An existing sample is never recorded again: each
later version must read it. `expected.json` beside its log has the state, as understood by the version that recorded it.
`demo` was recorded from a real run of examples/condense.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from tests.play import NAME, Play

from wakeman.adapters.eventlog.log_reader import Reading, apply_all
from wakeman.adapters.memory import Act
from wakeman.core.model import Deployment
from wakeman.core.policy.deployment_rows import undone
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.engine.start.deploy import amend
from wakeman.engine.start.prepare import prepare_plan
from wakeman.ports import Report

SAMPLES = Path(__file__).parents[1] / "state" / "samples"
HANGS = Act(stops_after=1, hangs=True)


class CrashError(BaseException):
    """The process ends here, as by kill -9."""


def partial() -> Play:
    """Run a night that gives up: one worker never gets past its first unit, nor do two cleanups."""
    stops = Act(stops_after=0)
    play = Play(workers=3, units=2, acts={"w1": Act(stops_after=1), "w1_c1": stops, "w1_c1_c1": stops, "w1_c2": stops})
    play.run()
    return play


def stuck() -> Play:
    """Run a night in which one waits for an answer, one is silent and ended by a person, and the rest is done."""
    play = Play(workers=3, units=2, acts={"w0": HANGS, "w2": HANGS}, plan={"stuck": {"silent": ["capture", "ask"]}})
    stage = play.stage
    stage.harness.reads = frozenset({"screen"})
    stage.harness.reports = {"w0": Report("waiting", "asks for a permission")}
    play.up()
    play.go(minutes=7)
    stage.harness.reports = {}
    stage.sessions.acts = lambda _: Act()
    play.go(minutes=20)
    for worker in ("w0", "w2"):
        requests.stop(stage.world("hand:2"), NAME, [worker])
    play.go()
    return play


def crashed() -> Play:
    """Run a night in which `up` dies between a session and its line, and the machine is started anew later."""
    play = Play(workers=3, units=3, plan={"workers": {"at_once": 2}})
    stage = play.stage
    start = stage.sessions.submit

    def dies(*args: Any) -> Any:
        stage.sessions.submit = start  # type: ignore[method-assign] # once
        start(*args)
        raise CrashError

    stage.sessions.submit = dies  # type: ignore[method-assign, assignment] # as above
    try:
        play.up()
    except CrashError:
        check(stage.world("resume:2"), NAME)
    play.go(minutes=2.5)
    stage.sessions.playing.clear()
    stage.sleepers.jobs.clear()
    stage.sessions.server, stage.clock.name, stage.clock.seconds = "900:1", "00000002", 60.0
    check(stage.world("resume:3"), NAME)
    play.go()
    return play


def limited() -> Play:
    """Run a night in which everybody meets a usage limit for two hours, and goes on after it."""
    play = Play(workers=2, units=2, acts={"w0": Act(seconds=9000), "w1": Act(seconds=9000)})
    stage = play.stage
    stage.harness.reads = frozenset({"screen"})
    play.up()
    play.go(minutes=4)
    until = stage.clock.at + timedelta(hours=2)
    stage.harness.reports = {name: Report("limited", "usage limit reached", until) for name in ("w0", "w1")}
    play.go(minutes=120)
    stage.harness.reports = {}
    play.go()
    return play


def listed() -> Play:
    """Run a night whose plan has more items than a line has room for, and is amended to others."""
    play = Play(workers=2, units=2)
    stage = play.stage
    left_out = [{"unit": f"{n:04}{'x' * 900}", "key": "w0"} for n in range(60)]
    items = msgspec.json.decode(play.text())["units"]["items"]
    play.plan = {"units": {"items": [*items, *left_out], "limit": 4}, "workers": {"at_once": 1}}
    play.up()
    play.go(minutes=1)
    play.plan["units"] = {"items": [*items, *reversed(left_out)], "limit": 4}
    world = stage.world("hand:2")
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))
    play.go()
    return play


NIGHTS: dict[str, Callable[[], Play]] = {each.__name__: each for each in (partial, stuck, crashed, limited, listed)}


def folded(log: Path) -> Deployment:
    """Fold a recorded log, its chain checked."""
    with Reading(str(log)) as reading:
        return apply_all(reading, Deployment())


def told(d: Deployment) -> dict[str, object]:
    """Return what a deployment tells: what a later version must still find in its log."""
    return {
        "deployment": d.name,
        "events": d.seq,
        "head": f"{d.seq}:{d.hash}",
        "outcome": d.outcome,
        "units": len(d.units),
        "missing": sorted(undone(d)),
        "workers": {w.name: [w.state, w.attempt, w.ended_by] for w in d.workers.values()},
        "rows": dict(sorted(d.rows.items())),
    }


def main() -> None:
    """Record the nights that are missing, and what each log there tells."""
    for name, night in NIGHTS.items():
        log = SAMPLES / name / "events.jsonl"
        if not log.exists():
            log.parent.mkdir(parents=True)
            log.write_bytes(night().stage.logs.tapes[NAME].data)
    for log in sorted(SAMPLES.glob("*/events.jsonl")):
        expected = log.with_name("expected.json")
        if not expected.exists():
            expected.write_text(json.dumps(told(folded(log)), indent=1) + "\n")
            sys.stdout.write(f"{datetime.now(UTC):%H:%M} {log.parent.name}: {expected.read_text()}\n")


if __name__ == "__main__":
    main()
