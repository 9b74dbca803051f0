"""How large and how slow a report is: the demo's sample, and a night of 1,000 workers and 100,000 events.

Usage: python -m bench.reporting [--audit]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from bench.logs import START, host

from wakeman.adapters import local, signature
from wakeman.adapters.eventlog.audit_reader import AuditReader
from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.api.report import report
from wakeman.core.log import events as e
from wakeman.core.log.state import compose, transition
from wakeman.core.model import Deployment, FileFingerprint, Observation, Plan, Unit, UnitsSpec, Verdict
from wakeman.faces.report.page import report_text

CROWD = 1000
EVENTS = 100_000
SAMPLE = Path(__file__).parents[1] / "state" / "samples" / "demo" / "events.jsonl"


def crowded_log(directory: Path) -> Path:
    """Write a log of workers that are launched in turn, are stuck for a time, and end with units missing."""
    place = directory / "crowd"
    place.mkdir(parents=True)
    d = Deployment(hash=e.genesis("crowd", "d"))
    with (place / "events.jsonl").open("wb") as stream:
        for drafts, at in _crowded_night(d, str(place)):
            lines, _ = compose(d, drafts, at, "at:4711")
            stream.write(lines)
    return place / "events.jsonl"


def _crowded_night(d: Deployment, directory: str) -> Iterator[tuple[list[e.Draft], datetime]]:
    plan = Plan(name="crowd", units=UnitsSpec(items=("x",) * CROWD))
    yield [e.Draft(e.Planned(name="crowd", plan=plan, digest="d", host=host(directory)))], START
    names = [f"condense_part_{n:04}" for n in range(CROWD)]
    for n, name in enumerate(names):
        units = tuple(Unit(name=f"docs/{n:04}/{k}.md", outputs=(f"condensed/{n:04}/{k}.yml",)) for k in range(3))
        yield [e.Draft(e.Enrolled(session=name, units=units), worker=name)], START
    turn, launched, at = 0, 0, START
    while d.seq < EVENTS:
        turn, at = turn + 1, START + timedelta(seconds=(turn + 1) * 0.7)
        if launched < CROWD and turn % 20 == 1:
            name, launched = names[launched], launched + 1
            yield [e.Draft(e.Decided(row="launch", looked=d.looked, why=name, then=("launch",)))], at
            yield [e.Draft(e.Intended(action="launch", target=name), worker=name, attempt=1)], at
            yield [transition(d.workers[name], e.Launched(intent=d.seq, session_id=f"${launched}"))], at
            yield [transition(d.workers[name], e.Started(why="it printed"))], at
        yield [e.Draft(_crowd_seen(d, names[:launched], turn, at))], at
        yield [e.Draft(e.Decided(row="sleep", looked=d.seq, why=f"{turn} units done"))], at
        if turn % 12 == 0 and d.workers[name := names[turn // 12 * 7 % launched]].live:
            stalls = d.workers[name].state == "running"
            fact = e.Stalled(reason="waiting", why="asks for a permission") if stalls else e.Recovered(why="it printed")
            yield [transition(d.workers[name], fact)], at
        if turn % 40 == 0 and d.workers[name := names[turn // 40 % launched]].live:
            yield [transition(d.workers[name], e.Exited(why="exit status 0", code=0, ended_by="itself"))], at
    yield [e.Draft(e.Closed(outcome="partial", why="out of time"))], at


def _crowd_seen(d: Deployment, launched: list[str], turn: int, at: datetime) -> e.Looked:
    seen = Observation(
        worker=launched[-1 - turn % min(60, len(launched))], attempt=1, session="running", life=f"{turn:x}"
    )
    verdicts: tuple[Verdict, ...] = ()
    if turn % 8 == 0:
        unit = d.units[d.workers[launched[turn // 24 % len(launched)]].units[turn // 8 % 3]].unit
        mark = FileFingerprint(unit.outputs[0], 4000 + turn % 999, int(at.timestamp() * 1e9), turn)
        wrong = (f"{unit.outputs[0]}: missing",) if turn % 400 == 0 else ()
        verdicts = (Verdict(unit=unit.name, problems=wrong, marks=() if wrong else (mark,)),)
    return e.Looked(mono=turn * 0.7, boot="0badcafe", observations=(seen,), verdicts=verdicts, memory=8_000_000_000)


def _measure(file: Path, *, audited: bool) -> None:
    world = local.world(str(file.parents[1]), "hand")
    begun = time.process_time()
    data = report(world, Reading, AuditReader, signature, str(file), str(file), audited=audited).data
    read = time.process_time()
    page = report_text(data, "html", str(file))
    rendered = time.process_time()
    times = f"{(read - begun) * 1000:.0f} ms to read, {(rendered - read) * 1000:.0f} ms to render"
    print(f"{data.deployment}: {data.status.events} events, {len(page.encode())} bytes, {times}")


if __name__ == "__main__":
    _measure(SAMPLE, audited=True)
    with tempfile.TemporaryDirectory() as scratch:
        _measure(crowded_log(Path(scratch)), audited="--audit" in sys.argv)
