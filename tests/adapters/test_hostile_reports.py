"""No word of a client ends a check: whatever it prints, reports, keeps or shows is a report, within bounds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import hostile

from wakeman.adapters.harness import CLIENTS, KNOWN, find
from wakeman.adapters.harness.refusals import CLIENT_REASON_CHARS_MAX
from wakeman.core.model import Observation
from wakeman.core.text import sanitise
from wakeman.ports import Evidence, Report

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
LINE_BYTES_MAX = 64 * 1024
HOOKS = [
    {"hook_event_name": "Stop", "stop_hook_active": False, "background_tasks": [{"id": "b1", "status": "running"}]},
    {"hook_event_name": "StopFailure", "error": "rate_limit", "last_assistant_message": "You've hit your limit"},
    {"hook_event_name": "PermissionRequest", "tool_name": "Write", "tool_input": {"file_path": "/a", "command": "b"}},
]
RECORDS = [
    {"type": "assistant", "timestamp": "2026-11-29T11:00:00Z", "isApiErrorMessage": True, "error": "rate_limit",
     "message": {"id": "m1", "content": [{"type": "tool_use", "id": "t1", "text": "limit reached"}],
                 "usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3}}},
    {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t1"}]}},
    {"type": "event_msg", "timestamp": "2026-11-29T11:00:00Z",
     "payload": {"type": "token_count", "session_id": "s", "call_id": "c", "message": "m",
                 "info": {"total_token_usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}}}},
    {"payload": {"type": "function_call", "call_id": "c1"}},
    {"payload": {"type": "function_call_output", "call_id": "c1"}},
    {"type": "gemini", "id": "g", "tokens": {"input": 1, "output": 2, "thoughts": 3}},
]  # fmt: skip
STATES = [{"pid": 7, "sessionId": "s", "status": "waiting", "waitingFor": "a", "statusUpdatedAt": 1764417600000}]
SAMPLES = [*hostile.lines(""), {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1}}]
SHOWN = [file.read_text() for file in sorted(hostile.SCREENS.glob("*.txt"))]
TEXT = (hostile.STREAMS / "aider-done.log").read_text().splitlines()


@st.composite
def screens(draw: st.DrawFn) -> str:
    """Draw a recorded screen with some of its lines replaced."""
    rows = draw(st.sampled_from(SHOWN)).splitlines()
    for _ in range(draw(st.integers(0, 4))):
        rows[draw(st.integers(0, len(rows) - 1))] = draw(hostile.TEXTS)
    return "\n".join(rows)


STREAMS = st.one_of(
    hostile.files(SAMPLES),
    st.lists(st.one_of(st.sampled_from(TEXT), hostile.TEXTS), max_size=6).map(
        lambda rows: "\n".join(rows).encode("utf-8", "surrogatepass")
    ),
)
EVIDENCE = st.builds(
    Evidence,
    stream=STREAMS,
    hook=hostile.files(HOOKS),
    record=hostile.files(RECORDS),
    state=hostile.files(STATES),
    screen=screens(),
    whole=st.booleans(),
    recorded=st.booleans(),
)


def loggable(report: Report) -> None:
    """Check what a report must be for the log, for an argument list and for a person to take it."""
    seen = Observation(
        worker="w", attempt=1, session="running", activity=report.activity, why=report.why, until=report.until,
        usage=report.usage, agent_session=report.agent_session, fault=report.fault,
    )  # fmt: skip
    line = msgspec.json.encode(seen)
    assert len(line) < LINE_BYTES_MAX
    assert seen == msgspec.json.decode(line, type=Observation)
    assert report.why == sanitise(report.why, CLIENT_REASON_CHARS_MAX)
    assert "" == report.agent_session or report.agent_session[0].isalnum()
    assert report.usage is None or all(0 <= (n or 0) <= 2**53 for n in (report.usage.input, report.usage.output))


@pytest.mark.parametrize("name", KNOWN)
@hostile.often(25)
@given(evidence=EVIDENCE, code=st.sampled_from([None, 0, 1, 137, 255]))
def test_a_report_comes_of_any_evidence(name: str, evidence: Evidence, code: int | None) -> None:
    harness = find(name)

    loggable(hostile.within_bounds(lambda: harness.report(evidence, NOW)))
    loggable(hostile.within_bounds(lambda: harness.ending(evidence, code, NOW)))


@pytest.mark.parametrize("source", ["stream", "hook", "record", "state"])
@pytest.mark.parametrize("name", CLIENTS)
@hostile.often(25)
@given(data=st.data())
def test_a_report_comes_of_any_bytes_in_any_source(name: str, source: str, data: st.DataObject) -> None:
    samples = {"stream": SAMPLES, "hook": HOOKS, "record": RECORDS, "state": STATES}[source]
    read = data.draw(hostile.files(samples))
    evidence = msgspec.structs.replace(Evidence(whole=True, recorded=True), **{source: read})
    harness = find(name)

    loggable(hostile.within_bounds(lambda: harness.report(evidence, NOW)))
    loggable(hostile.within_bounds(lambda: harness.ending(evidence, 1, NOW)))


END_CASES: list[tuple[object, datetime | None]] = [
    (1795908855, datetime(2026, 11, 28, 23, 34, 15, tzinfo=UTC)),
    (1795908855000, datetime(2026, 11, 28, 23, 34, 15, tzinfo=UTC)),
    (1795908855000000, datetime(2026, 11, 28, 23, 34, 15, tzinfo=UTC)),
    ("2026-11-28T23:34:15Z", datetime(2026, 11, 28, 23, 34, 15, tzinfo=UTC)),
    (0, None),
    (-1, None),
    (10**30, None),
    (1e300, None),
    (True, None),
    ([1795908855], None),
    ({}, None),
    ("soon", None),
    ("9999-12-31T23:59:59-23:59", None),
]


@pytest.mark.parametrize(("said", "until"), END_CASES)
def test_a_limit_s_end_is_read_in_whatever_unit_it_is_told(said: object, until: datetime | None) -> None:
    line = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": said}}
    report = find("claude").report(Evidence(stream=hostile.encoded(line)), NOW)

    assert ("limited", until) == (report.activity, report.until)


@pytest.mark.parametrize("said", ["--dangerously-skip", "../../x", "a b", "a\0b", "a" * 200, "", ["x"], 7, "\u202e"])
def test_an_id_that_a_client_gives_is_no_option_and_no_path(said: object) -> None:
    for name, line in (("codex", {"type": "thread.started", "thread_id": said}), ("opencode", {"sessionID": said})):
        assert "" == find(name).report(Evidence(stream=hostile.encoded({"type": "x", **line})), NOW).agent_session


def test_an_id_that_is_one_is_taken() -> None:
    line = hostile.encoded({"type": "thread.started", "thread_id": "019ab-77_x.y:z"})

    assert "019ab-77_x.y:z" == find("codex").report(Evidence(stream=line), NOW).agent_session


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("letter", ["a", " ", "─", "\\", "$1", "1 d", "a-", "limit ", "try again in 1d"])
def test_a_long_line_is_read_within_bounds(name: str, letter: str) -> None:
    text = letter * (65536 // len(letter))
    line = json.dumps({"type": "result", "is_error": True, "result": text, "error": {"message": text}}).encode()
    harness = find(name)
    for evidence in (
        Evidence(stream=line + b"\n"),
        Evidence(stream=text.encode() + b"\n" + text.encode()),
        Evidence(screen="\n".join([text] * 60)),
    ):
        with hostile.bounded():
            harness.report(evidence, NOW)
        with hostile.bounded():
            harness.ending(evidence, 1, NOW)


def test_numbers_that_are_none_are_not_counted() -> None:
    def used(tokens: object, cost: object) -> object:
        usage = {"inputTokens": tokens, "outputTokens": 1}
        line = {"type": "result", "is_error": False, "modelUsage": {"m": usage}, "total_cost_usd": cost}
        found = find("claude").report(Evidence(stream=hostile.encoded(line)), NOW).usage
        return found and (found.input, found.cost)

    assert (5, 0.5) == used(5, 0.5)
    for wrong in (-1, 10**30, 1e300, "7", [7], True, None):
        assert (None, None) == used(wrong, wrong)


def test_what_has_a_date_in_the_future_is_believed_no_longer_than_dates_go() -> None:
    line = {"type": "result", "is_error": True, "result": "usage limit, try again in 99999999999 d"}
    report = find("claude").report(Evidence(stream=hostile.encoded(line)), NOW)

    assert ("limited", None) == (report.activity, report.until)
    soon = {**line, "result": "usage limit, try again in 2 d"}
    assert NOW + timedelta(days=2) == find("claude").report(Evidence(stream=hostile.encoded(soon)), NOW).until
