"""Whole sessions of the real clients are read as what they are, in every version that is recorded.

The files in `sessions/` are runs against the stand-in of `tests/agents`, recorded by its `record`: client, mode,
and what is the case at the end, in a directory of its own a later version of the client.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.agents.recorded import recordings, versions
from tests.agents.sessions import SESSIONS

from wakeman.adapters.harness import find
from wakeman.core.policy.last_words import sense_of
from wakeman.ports import Evidence, Report, release

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
RUNS: dict[str, dict[str, Any]] = {
    name: msgspec.json.decode(path.read_bytes()) for name, path in recordings("sessions", ".json").items()
}
LIVE = [name for name in RUNS if "-live-" in name]
PRINTED = [name for name in RUNS if "-print-" in name]
TOLD = {
    "done": "idle",
    "question": "idle",
    "interrupted": "idle",
    "permission": "waiting",
    "dialog": "waiting",
    "tool": "busy",
    "shell": "busy",
    "agent": "busy",
    "workflow": "busy",
    "monitor": "busy",
}
"""What each live session is told as."""
BACKGROUND = ("shell", "agent", "workflow", "monitor")
"""Those in which work goes on behind the prompt."""
ON_SCREEN = {name for name in LIVE if name.startswith("codex-live-shell")}
"""Those of which only the screen, and the processes, show that work goes on: it is read whenever a transcript rests."""
QUESTION = "Which format should I use, bullets or prose?"


def parts(name: str) -> tuple[str, str, str]:
    run, _, version = name.partition("@")
    client, _, what = run.split("-")
    return client, what, version


def read(name: str, *left_out: str) -> Report:
    client, _, version = parts(name)
    run = RUNS[name]
    hook = run["hook"].splitlines()
    kept = {"hook": hook[-1].encode() if hook else b"", "record": run["record"].encode(), "screen": run["screen"]}
    kept["state"] = run["state"].encode()
    shown = {key: value for key, value in kept.items() if key not in left_out}
    return find(client).report(Evidence(**shown, version=version, recorded=True, interactive=True), NOW)


@pytest.mark.parametrize("name", [name for name in LIVE if parts(name)[1] != "left"])
def test_a_live_session_is_told_as_what_it_is(name: str) -> None:
    report = read(name)

    assert (TOLD[parts(name)[1]], parts(name)[1] in BACKGROUND) == (report.activity, report.background)


@pytest.mark.parametrize("left_out", [("hook",), ("hook", "state"), ("screen",), ("hook", "state", "record")])
@pytest.mark.parametrize(
    "name", [name for name in LIVE if TOLD.get(parts(name)[1]) == "busy" and name not in ON_SCREEN]
)
def test_without_some_of_the_evidence_a_busy_one_is_never_idle(name: str, left_out: tuple[str, ...]) -> None:
    assert read(name, *left_out).activity in ("busy", "unknown")


@pytest.mark.parametrize("name", [name for name in LIVE if parts(name)[1] == "left"])
def test_a_session_that_is_left_at_its_keyboard_was_ended_by_a_person(name: str) -> None:
    client, _, version = parts(name)
    hook = RUNS[name]["hook"].splitlines()[-1].encode()
    screen = RUNS[name]["screen"]
    report = find(client).ending(Evidence(hook=hook, screen=screen, version=version, interactive=True), 0, NOW)

    assert "person" == report.ended_by


@pytest.mark.parametrize("name", PRINTED)
def test_an_attempt_in_print_mode_is_over_with_its_turn(name: str) -> None:
    client, what, version = parts(name)
    run = RUNS[name]
    report = find(client).ending(Evidence(stream=run["stream"].encode(), whole=True, version=version), run["code"], NOW)

    assert 0 == run["code"]
    assert report.activity in ("idle", "unknown")
    assert ("not permitted" in report.why) == (what == "denied")


@pytest.mark.parametrize("name", [name for name in RUNS if parts(name)[1] == "question"])
def test_the_last_words_of_a_session_are_its_question(name: str) -> None:
    client, _, _ = parts(name)
    run = RUNS[name]
    hook = (run.get("hook", "").splitlines() or [""])[-1].encode()
    evidence = Evidence(stream=run.get("stream", "").encode(), hook=hook, record=run.get("record", "").encode())
    said = find(client).last_words(evidence)

    if client == "opencode" and "-live-" in name:
        assert "" == said  # it keeps its conversation in a database
    else:
        assert (QUESTION, "asks") == (said.splitlines()[-1].strip(), sense_of(said))


@pytest.mark.parametrize("name", [name for name in RUNS if parts(name)[1] == "done"])
def test_the_tokens_of_a_session_are_counted(name: str) -> None:
    client, _, _ = parts(name)
    run = RUNS[name]
    data = {key: run.get(key, "").encode() for key in ("stream", "record")}
    usage = find(client).report(Evidence(**data, whole=True, recorded=True), NOW).usage

    if client == "aider" or (client == "opencode" and "-live-" in name):
        assert usage is None  # it rounds them; it keeps them in a database
    else:
        assert usage is not None
        assert (usage.input or 0) > 0


def test_every_client_is_recorded_in_all_its_sessions_in_every_version() -> None:
    wanted = {
        name if n == 0 else f"{name}@{version}"
        for name, session in SESSIONS.items()
        for n, version in enumerate(versions(name.partition("-")[0]))
        if release(session.since) <= release(version)
    }

    assert set() == wanted - RUNS.keys()
