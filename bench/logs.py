"""Logs to measure with: as long as asked for, of the events that a long night is made of, each line legal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wakeman.core.log import events as e
from wakeman.core.log.state import compose, transition
from wakeman.core.model import Alarm, Deployment, Host, Observation, Plan, Unit, UnitsSpec

WORKERS = 50
START = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


def host(directory: str) -> Host:
    """Return a world that nothing is done in."""
    return Host(root="/", directory=directory, place={"socket": "/x", "tmux": "tmux"}, python=("wakeman",))


def long_log(directory: Path, name: str, count: int, workers: int = WORKERS) -> Path:
    """Write a log of at least `count` events in one segment, and give its file. Nothing is made durable."""
    place = directory / name
    place.mkdir(parents=True, mode=0o700)
    file = place / "events.jsonl"
    d = Deployment(hash=e.genesis(name, "d"))
    with file.open("wb") as stream:
        for drafts, at in _night(d, name, str(place), count, workers):
            lines, _ = compose(d, drafts, at, "at:4711")
            stream.write(lines)
    return file


def _night(
    d: Deployment, name: str, directory: str, count: int, workers: int
) -> Iterator[tuple[list[e.Draft], datetime]]:
    plan = Plan(name=name, units=UnitsSpec(items=("x",)))
    yield [e.Draft(e.Planned(name=name, plan=plan, digest="d", host=host(directory)))], START
    for n in range(workers):
        units = (Unit(name=f"docs/u{n:02}.md", outputs=(f"docs/condensed/u{n:02}.yml",)),)
        yield [e.Draft(e.Enrolled(session=f"condense_{n:02}", units=units), worker=f"w{n:02}")], START
    for n, worker in enumerate(list(d.workers)):
        intent = e.Intended(action="launch", target=f"condense_{n:02}", digest="0" * 64, units=1)
        yield [e.Draft(intent, worker=worker, attempt=1)], START
        yield [transition(d.workers[worker], e.Launched(intent=d.seq, session_id=f"${n}", pid=1000 + n))], START
        yield [transition(d.workers[worker], e.Started(why="it printed"))], START
    turn = 0
    while d.seq < count:
        turn += 1
        live = d.workers[f"w{turn % workers:02}"]
        at = START + timedelta(seconds=turn)
        seen = Observation(
            worker=live.name,
            attempt=1,
            session="running",
            activity="busy",
            life=f"{turn:08x}",
            session_id=live.session_id,
            pid=4711,
        )
        looked = e.Looked(
            mono=float(turn), boot="0badcafe", observations=(seen,), memory=8_000_000_000, server="4711:1"
        )
        yield [e.Draft(looked)], at
        yield [e.Draft(e.Decided(row="sleep", looked=d.seq, why="0/50 units done, 50 workers at work"))], at
        if turn % 5 == 0:
            alarm = Alarm(kind="at", generation=d.generation + 1, due=at + timedelta(minutes=5), job=str(turn))
            yield [e.Draft(e.Armed(alarm=alarm, why="next"))], at
        if turn % 10 == 0:
            stalls = live.state == "running"
            fact = e.Stalled(reason="waiting", why="a permission") if stalls else e.Recovered(why="it printed")
            yield [transition(live, fact)], at
