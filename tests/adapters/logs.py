"""Small logs to test with; imported by child processes too, so it loads little."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from wakeman.adapters.eventlog import EventLogs
from wakeman.core.log.events import Draft, Noted, Planned
from wakeman.core.model import Host, Plan, UnitsSpec
from wakeman.core.plan.shares import plan_digest

AT = datetime(2026, 11, 22, 3, 4, 5, 678901, tzinfo=UTC)
HOST = Host(
    root="/plans",
    directory="/plans/state/night",
    place={"socket": "/tmp/s", "tmux": "/usr/bin/tmux"},
    python=("wakeman",),
)


def planned(name: str = "night") -> Draft:
    plan = Plan(name=name, units=UnitsSpec(items=("a",)))
    return Draft(Planned(name=name, plan=plan, digest="d1", host=HOST, logged=plan_digest(plan)))


def noted(count: int = 1, text: str = "all quiet") -> list[Draft]:
    return [Draft(Noted(f"{text} {number}")) for number in range(count)]


def begin(state: Path, name: str = "night", notes: int = 0, at: datetime = AT) -> EventLogs:
    """Begin a log, and write some notes, each by itself."""
    logs = EventLogs(str(state))
    logs.create(name, "d1", [planned(name)], at, "up:1")
    if notes:
        with logs.hold(name, "up:1") as writer:
            for note in noted(notes):
                writer.append([note], at)
    return logs
