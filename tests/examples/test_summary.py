"""The demo's summary, from lines that the product itself encodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from examples.condense import summary

from wakeman.core.log import events as e
from wakeman.core.model import Host, Plan, Unit, UnitsSpec

START = datetime(2026, 11, 22, 21, 36, tzinfo=UTC)


def log(drafts: Sequence[e.Draft]) -> list[dict[str, Any]]:
    """Encode drafts as a log would, ten seconds apart, and read the lines as any JSON reader does."""
    lines = [
        e.encode(draft, seq=seq, at=START + timedelta(seconds=10 * seq), by="up:1", previous="")[0]
        for seq, draft in enumerate(drafts, start=1)
    ]
    return [json.loads(line) for line in lines]


def planned(root: Path) -> e.Draft:
    host = Host(
        root=str(root), directory=str(root / "state"), place={"socket": "/s", "tmux": "/tmux"}, python=("python",)
    )
    plan = Plan(name="condense", units=UnitsSpec(items=("a", "b"), output="out/{{ unit }}"))
    return e.Draft(e.Planned(name="condense", plan=plan, digest="0", host=host))


def units(root: Path, *names: str) -> tuple[Unit, ...]:
    for name in names:
        (root / f"{name}.in").write_bytes(b"1" * 100)
        (root / f"{name}.out").write_bytes(b"2" * 20)
    return tuple(Unit(name=name, input=str(root / f"{name}.in"), outputs=(f"{name}.out",)) for name in names)


def test_the_summary_tells_workers_units_time_bytes_and_rows(tmp_path: Path) -> None:
    a, b, c = units(tmp_path, "a", "b", "c")
    row = e.Decided(row="clean up", looked=1)

    events = log(
        [
            planned(tmp_path),
            e.Draft(e.Enrolled(session="one", units=(a,)), worker="one"),
            e.Draft(e.Enrolled(session="one", units=(b,)), worker="one"),
            e.Draft(e.Enrolled(session="two", units=(c,)), worker="two"),
            e.Draft(e.Decided(row="sleep", looked=1)),
            e.Draft(e.Decided(row="clean up", looked=1, held=True)),
            e.Draft(row),
            e.Draft(e.Enrolled(session="one_c1", moved=("b",), origin="one"), worker="one_c1"),
            e.Draft(e.Decided(row="leave", looked=1), worker="two"),
            e.Draft(e.Decided(row="wrap up", looked=1)),
            e.Draft(e.Closed(outcome="complete")),
        ]
    )

    assert {
        "outcome": "complete",
        "workers": "2, and 1 for cleanup",
        "units": "3 of 3 done",
        "wall time": "100.0 s",
        "bytes": "300 before, 60 after",
        "reduction": "80.0 %",
        "rows taken": "clean up x 1, wrap up x 1",
    } == dict(summary.facts(events))


def test_the_summary_of_a_partial_deployment_counts_what_is_missing(tmp_path: Path) -> None:
    share = units(tmp_path, "a", "b")

    events = log(
        [
            planned(tmp_path),
            e.Draft(e.Enrolled(session="one", units=share), worker="one"),
            e.Draft(e.Closed(outcome="partial", missing=("b",))),
        ]
    )

    told = dict(summary.facts(events))
    assert ("partial", "1 of 2 done") == (told["outcome"], told["units"])


def test_a_deployment_without_inputs_has_no_reduction(tmp_path: Path) -> None:
    share = (Unit(name="a", outputs=("a.out",)),)

    events = log([planned(tmp_path), e.Draft(e.Enrolled(session="one", units=share), worker="one")])

    told = dict(summary.facts(events))
    assert ("open", "unknown") == (told["outcome"], told["reduction"])
