"""Each client's ways to fail, recorded from the real clients, are told alike in print mode and in a live session.

The files in `failures/` are runs against the stand-in of `tests/agents`, recorded by its `failures`: client, mode, way.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wakeman.adapters.harness import CLIENTS, find
from wakeman.ports import Evidence, Report

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
RECORDED = ("claude", "codex")
RUNS: dict[str, dict[str, Any]] = {
    path.stem: msgspec.json.decode(path.read_bytes())
    for path in sorted((Path(__file__).parent / "failures").glob("*.json"))
    if path.stem.startswith(RECORDED)
}
"""Client, mode and way -> what was kept of the run."""

TOLD: dict[str, tuple[str, str]] = {
    "400": ("error", ""),
    "401": ("error", "auth"),
    "403": ("error", "auth"),
    "billing": ("error", "billing"),
    "rate": ("limited", ""),
    "limit": ("limited", ""),
    "500": ("error", ""),
    "503": ("limited", "outage"),
    "529": ("limited", "outage"),
    "refused": ("limited", "outage"),
    "dns": ("limited", "outage"),
    "timeout": ("limited", "outage"),
}
"""What each way is told as once a client has given up: its activity, and the kind of refusal."""
RETRIES = ("busy", "")
"""A client that retries for longer than a minute, or for ever, is busy and says so."""
EXCEPT: dict[str, tuple[str, str]] = {
    **{f"codex-{mode}-{way}": RETRIES for mode in ("print", "live") for way in ("refused", "dns")},
    **{f"codex-{mode}-timeout": ("busy", "") for mode in ("print", "live")},
}
"""Runs in which a client behaves, or words it, in a way of its own."""


def parts(name: str) -> tuple[str, str, str]:
    client, mode, way = name.split("-")
    return client, mode, way


def expected(name: str) -> tuple[str, str]:
    _, mode, way = parts(name)
    return RETRIES if mode == "retrying" else EXCEPT.get(name, TOLD[way])


def read(name: str, *sources: str) -> Report:
    """Return what Wakeman reads from a run, or from some of its evidence."""
    client, mode, _ = parts(name)
    run, harness = RUNS[name], find(client)
    if mode == "print":
        evidence = Evidence(
            stream=run["stream"].encode(), whole=True, screen=run["errors"] if run["code"] is None else ""
        )
        return harness.report(evidence, NOW) if run["code"] is None else harness.ending(evidence, run["code"], NOW)
    kept = {key: run[key] if key == "screen" else run[key].encode() for key in ("screen", "record", "hook", "state")}
    return harness.report(Evidence(**{key: kept[key] for key in sources or kept}), NOW)


@pytest.mark.parametrize("name", RUNS)
def test_a_failure_is_told_as_what_it_is(name: str) -> None:
    report = read(name)

    assert expected(name) == (report.activity, report.fault)


@pytest.mark.parametrize("name", [name for name in RUNS if "-live-" in name])
def test_no_evidence_of_a_failure_reads_as_idle(name: str) -> None:
    alone = {source: read(name, source).activity for source in ("screen", "record", "hook") if RUNS[name][source]}

    assert "idle" not in alone.values(), alone


@pytest.mark.parametrize("name", [name for name in RUNS if "-retrying-" in name])
def test_a_client_that_retries_says_which_try_it_is(name: str) -> None:
    report = read(name)

    assert report.retries
    assert re.fullmatch(r"retrying: [\w ]+(?: \((?:\d+ of \d+|try \d+)\))?", report.why), report.why


def test_a_limit_is_read_with_its_reset_wherever_the_client_names_it() -> None:
    named = [name for name in RUNS if name.endswith("-limit") and re.search(r"1999999999|2033", str(RUNS[name]))]

    assert [] == [name for name in named if read(name).until is None]


def test_every_client_is_recorded_in_every_way_and_mode() -> None:
    modes = {client: ("print",) if client == "aider" else ("print", "live") for client in CLIENTS}
    wanted = {f"{client}-{mode}-{way}" for client in RECORDED for mode in modes[client] for way in TOLD}

    assert set() == wanted - RUNS.keys()
