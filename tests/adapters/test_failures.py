"""Each client's ways to fail, recorded from the real clients, are told alike in print mode and in a live session.

The files in `failures/` are runs against the stand-in of `tests/agents`, recorded by its `record`: client, mode,
way, and in a directory of its own a later version of the client.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.agents.recorded import recordings, versions

from wakeman.adapters.harness import CLIENTS, find
from wakeman.ports import Evidence, Report

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
RUNS: dict[str, dict[str, Any]] = {
    name: msgspec.json.decode(path.read_bytes()) for name, path in recordings("failures", ".json").items()
}
"""Client, mode and way, behind them `@` and a later version -> what was kept of the run."""

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
SILENT = ("busy", "")
"""A client that retries and says nothing of it is busy, until it is silent for too long."""
NOTHING = ("unknown", "")
"""A client that retries before it has printed anything."""
RETRIED = ("billing", "rate", "limit", "500", "503", "529", "refused", "dns", "timeout")
EXCEPT: dict[str, tuple[str, str]] = {
    **{f"gemini-live-{way}": SILENT for way in RETRIED if way != "limit"},
    **{f"gemini-print-{way}": RETRIES for way in ("rate", "dns", "timeout")},
    **{f"opencode-live-{way}": RETRIES for way in ("billing", "refused", "dns")},
    "opencode-live-timeout": SILENT,
    **{f"opencode-print-{way}": NOTHING for way in RETRIED if way != "rate"},
    **dict.fromkeys(
        ("aider-print-403", "opencode-live-403", "opencode-live-rate"), ("error", "")
    ),  # no status, and the words may be any
    "aider-print-timeout": SILENT,
    **{f"codex-{mode}-{way}": RETRIES for mode in ("print", "live") for way in ("refused", "dns")},
    **{f"codex-{mode}-timeout": ("busy", "") for mode in ("print", "live")},
}
"""Runs in which a client behaves, or words it, in a way of its own."""


def parts(name: str) -> tuple[str, str, str]:
    client, mode, way = name.partition("@")[0].split("-")
    return client, mode, way


def expected(name: str) -> tuple[str, str]:
    _, mode, way = parts(name)
    return RETRIES if mode == "retrying" else EXCEPT.get(name.partition("@")[0], TOLD[way])


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
    return harness.report(Evidence(**{key: kept[key] for key in sources or kept}, version=name.partition("@")[2]), NOW)


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
    named = [name for name in RUNS if parts(name)[2] == "limit" and re.search(r"1999999999|2033", str(RUNS[name]))]

    assert [] == [name for name in named if read(name).until is None]


def test_every_client_is_recorded_in_every_way_and_mode() -> None:
    modes = {client: ("print",) if client == "aider" else ("print", "live") for client in CLIENTS}
    later = {client: ("", *(f"@{one}" for one in versions(client)[1:])) for client in CLIENTS}
    wanted = {
        f"{client}-{mode}-{way}{version}"
        for client in CLIENTS
        for mode in modes[client]
        for way in TOLD
        for version in later[client]
    }

    assert set() == wanted - RUNS.keys()


# --- resets that are no words ---------------------------------------------------------------------------------

STREAMS = Path(__file__).parent / "streams"
SPENT = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "rateLimitType": "five_hour"}}
ON_ITS_WAY = {
    "type": "rate_limit_event",
    "rate_limit_info": {"status": "allowed_warning", "rateLimitType": "seven_day"},
}
RESULT = {"type": "result", "is_error": True, "api_error_status": 429, "result": "WORDS"}


def stream(*lines: dict[str, Any]) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def window(kind: dict[str, Any], hours: float) -> dict[str, Any]:
    at = int((NOW + timedelta(hours=hours)).timestamp())
    return {**kind, "rate_limit_info": {**kind["rate_limit_info"], "resetsAt": at}}


@pytest.mark.parametrize(
    ("lines", "words", "hours"),
    [
        ([window(SPENT, 2)], "You've hit your session limit · resets 5pm (UTC)", 2),
        ([window(SPENT, 2)], "You've hit your session limit", 2),
        ([window(SPENT, 30)], "You've hit your session limit", 5),  # no session lasts that long
        ([window(ON_ITS_WAY, 30)], "You've hit your limit · resets 5pm (UTC)", 5),
        ([window(ON_ITS_WAY, 30)], "You've hit your limit", 30),
        ([], "You've hit your limit", None),
    ],
)
@pytest.mark.parametrize("behind", [False, True])
def test_a_number_in_the_same_stream_counts_more_than_words(
    lines: list[dict[str, Any]], words: str, hours: float | None, behind: bool
) -> None:
    result = {**RESULT, "result": words}
    report = find("claude").ending(Evidence(stream=stream(*([result, *lines] if behind else [*lines, result]))), 1, NOW)

    assert ("limited", None if hours is None else NOW + timedelta(hours=hours)) == (report.activity, report.until)


def test_a_number_of_a_limit_before_is_not_taken_for_this_one() -> None:
    result = {**RESULT, "result": "You've hit your limit · resets 5pm (UTC)"}
    report = find("claude").ending(Evidence(stream=stream(window(SPENT, -9), result)), 1, NOW)

    assert NOW + timedelta(hours=5) == report.until


def test_a_reset_that_codex_got_by_header_is_read_from_its_transcript() -> None:
    said = (STREAMS / "codex-header.jsonl").read_bytes()  # codex 0.169.0: "... or try again later"
    read_at = datetime(2026, 11, 29, 11, 33, tzinfo=UTC)
    report = find("codex").report(Evidence(record=said), read_at)

    assert ("limited", datetime(2026, 11, 29, 13, 32, 8, tzinfo=UTC)) == (report.activity, report.until)


@pytest.mark.parametrize("seen", ["busy", "idle", "error"])
def test_where_codex_s_transcript_and_screen_disagree_the_worse_one_stands(seen: str) -> None:
    complete = {"type": "event_msg", "payload": {"type": "task_complete", "last_agent_message": "Done."}}
    screens = {
        "busy": "› go\n\n• Working (3s • esc to interrupt)\n\n\n› Ask Codex\n\n  model · ~/work",
        "idle": "› go\n\n• Done.\n\n  Worked for 6s • 13:26\n\n\n› Ask Codex\n\n  model · ~/work",
        "error": "› go\n\n■ something went wrong\n\n\n› Ask Codex\n\n  model · ~/work",
    }
    report = find("codex").report(Evidence(record=stream(complete), screen=screens[seen]), NOW)

    assert seen == report.activity


@pytest.mark.parametrize("error", ["usage_limit_exceeded", {"http_connection_failed": {"http_status_code": 529}}, None])
def test_an_error_at_the_end_of_codex_s_turn_is_never_idle(error: object) -> None:
    failed = {"message": "it went wrong", "codex_error_info": error}
    complete = {"type": "event_msg", "payload": {"type": "task_complete", "error": failed}}

    assert find("codex").report(Evidence(record=stream(complete)), NOW).activity in ("error", "limited")
