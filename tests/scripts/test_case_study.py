"""The acceptance scenario: a night with seven workers, four alarms, one that stopped short, one cleanup worker."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import msgspec
from tests.play import Play

from wakeman.adapters.memory import Act, MemoryClock, MemoryWorld
from wakeman.core.log.events import Closed, Decided, Launched, Looked

SHARES = {
    "10_arch": 8,
    "20_reg": 7,
    "30_proto": 8,
    "40_specs": 7,
    "50_schemas": 6,
    "60_play": 6,
    "70_instr": 6,
}
MINUTES = {"20_reg": 5, "30_proto": 5, "40_specs": 10, "50_schemas": 10, "60_play": 10, "70_instr": 15}
"""Minutes after 21:36 at which each of the six that finish has finished."""


class CaseStudy(Play):
    def text(self) -> str:
        items = [{"unit": f"{share}/{n}", "share": share} for share, count in SHARES.items() for n in range(count)]
        plan = {
            "name": "night",
            "units": {"items": items, "output": "{{ share }}/condensed/{{ unit }}.yml"},
            "workers": {
                "by": "{{ share }}",
                "name": "condense_{{ group.name }}",
                "harness": "command",
                "command": ["act"],
                "stagger": "2s",
            },
            "wake": {"every": "5m", "on": ["check", "clean up", "wrap up"], "to": [{"run": ["tell", "{{ message }}"]}]},
            "cleanup": {"when": "all"},
        }
        return msgspec.json.encode(plan).decode()


def case_study() -> CaseStudy:
    # Nobody is told of a worker's end: the alarms alone carry this night, as they did that one.
    stage = MemoryWorld(push=False, clock=MemoryClock(at=datetime(2025, 12, 10, 21, 36, tzinfo=UTC)))
    acts = {f"condense_{share}": Act(seconds=60 * minutes / SHARES[share] - 1) for share, minutes in MINUTES.items()}
    acts["condense_10_arch"] = Act(seconds=150, stops_after=7)
    acts["condense_10_arch_c1"] = Act(seconds=120)
    return CaseStudy(stage=stage, acts=acts)


def at_alarms(night: Play) -> list[tuple[str, int, list[str]]]:
    """List, for each alarm: when, how many directories are complete, which rows were taken."""
    found: list[tuple[str, int, list[str]]] = []
    done: set[str] = set()
    for event in night.events:
        if isinstance(event.data, Looked):
            done |= {verdict.unit for verdict in event.data.verdicts if verdict.passed}
            if event.by.startswith("at"):
                complete = sum({f"{s}/{n}" for n in range(c)} <= done for s, c in SHARES.items())
                found.append((f"{event.at:%H:%M}", complete, []))
        elif isinstance(event.data, Decided) and event.worker is None and event.by.startswith("at"):
            found[-1][2].append(event.data.row)
    return found


def test_the_night_takes_the_same_rows_at_the_same_alarms() -> None:
    night = case_study()

    night.run()

    assert [
        ("21:42", 2, ["sleep"]),
        ("21:47", 5, ["sleep"]),
        ("21:52", 6, ["sleep"]),
        ("21:57", 6, ["clean up", "launch", "sleep"]),
        ("22:02", 7, ["wrap up"]),
    ] == at_alarms(night)


def test_seven_workers_go_up_two_seconds_apart() -> None:
    night = case_study()
    night.run()

    launched = [event.at for event in night.events if isinstance(event.data, Launched)][:7]

    assert [2.0] * 6 == [(b - a).total_seconds() for a, b in pairwise(launched)]


def test_the_cleanup_worker_gets_exactly_what_one_left_undone_and_the_end_is_complete() -> None:
    night = case_study()

    done = night.run()

    assert ["10_arch/7"] == done.workers["condense_10_arch_c1"].units
    assert ("complete", 48, set()) == (
        done.outcome,
        len(done.units),
        {w.state for w in done.workers.values()} - {"verified"},
    )
    assert ["complete"] == [event.data.outcome for event in night.events if isinstance(event.data, Closed)]


def test_every_alarm_tells_the_orchestrator_one_line() -> None:
    night = case_study()
    night.run()

    tail = "Next: wakeman status night. Do not do the units yourself."
    assert [
        ("21:42", f"AT wake-up: night: sleep: 29/48 done. {tail}"),
        ("21:47", f"AT wake-up: night: sleep: 42/48 done. {tail}"),
        ("21:52", f"AT wake-up: night: sleep: 46/48 done. {tail}"),
        ("21:57", f"AT wake-up: night: clean up: 47/48 done. {tail}"),
        ("22:02", f"AT wake-up: night: wrap up: 48/48 done. {tail}"),
    ] == [(f"{at:%H:%M}", text) for at, text in night.stage.delivered]
