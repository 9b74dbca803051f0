"""Recordings of real clients hold nothing of a machine or of a moment, and what changes in a later one is told."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.agents.clients import KEY
from tests.agents.recorded import KINDS, ROOT, changes, normalised, steady

FILES = {
    str(path.relative_to(ROOT)): path for kind in KINDS for path in sorted((ROOT / kind).rglob("*")) if path.is_file()
}
OF_A_MACHINE = {
    "a scratch directory": r"tmp[/-]wk[a-z]?\d",
    "a place of its programs": r"(?<!/home/agent)/(?:work|root|usr/local)/",
    "an id that counts nothing": r"\b(?!0{8}-0000-4000-8000-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "an id of a message": r"\b(?:msg|toolu|call|req|resp)_(?=[A-Za-z]*\d)[A-Za-z0-9]{8,}",
    "an id of a machine": r"\b(?!0{32})[0-9a-f]{32}\b",
    "a port": r"127\.0\.0\.1:(?!1\b)\d+",
    "a moment": r"(?<![\d.\w])(?!1795953600)1[78]\d{8}(?!\d)",
    "a time": r"20(?:2[4-9]|3[0-2])-\d\d-\d\dT(?!12:00:00\.000Z|12-00)",
    "a key": re.escape(KEY),
}


@pytest.mark.parametrize("what", OF_A_MACHINE)
def test_a_recording_holds_nothing_of_a_machine_or_a_moment(what: str) -> None:
    found = {name: hit[0] for name, path in FILES.items() if (hit := re.search(OF_A_MACHINE[what], path.read_text()))}

    assert {} == found


def run(seed: int) -> dict[str, str]:
    """Return what a client could say, as it would at another time in another place."""
    uuid, message = f"0a1b2c3{seed}-aaaa-4bbb-8ccc-0123456789a{seed}", f"msg_17959496412345678{seed}"
    lines: list[dict[str, Any]] = [
        {"type": "system", "session_id": uuid, "cwd": f"/tmp/wka{seed}12/work", "pid": 100 + seed},
        {
            "type": "task_complete",
            "id": message,
            "timestamp": f"2027-01-0{seed}T10:42:08.387Z",
            "duration_ms": 5 * seed,
        },
        {"type": "result", "session_id": uuid, "started_at": 1795949241 + seed, "resets_at": 1_999_999_999},
    ]
    stream = "".join(json.dumps(line) + "\n" for line in lines)
    return {"stream": stream, "errors": f"{message} of {uuid} at http://127.0.0.1:4{seed}01 failed\n"}


def test_two_runs_are_recorded_alike_and_an_id_stays_the_same_in_all_of_one() -> None:
    first, second = normalised(run(1)), normalised(run(2))

    assert first == second
    assert "msg_000002 of 00000000-0000-4000-8000-000000000001 at http://127.0.0.1:1 failed" in first["errors"]
    assert "/home/agent/work" in first["stream"]
    assert "task_complete" in first["stream"]
    assert 2 == first["stream"].count("00000000-0000-4000-8000-000000000001")
    assert "1999999999" in first["stream"]


def test_a_long_text_is_cut_and_a_line_of_instructions_is_left_out() -> None:
    lines = [{"text": "x" * 1000}, {"tools": ["y" * 100] * 100}]

    kept = normalised({"stream": "".join(json.dumps(line) + "\n" for line in lines)})["stream"]

    assert [f'{{"text":"{"x" * 240}…"}}'] == kept.splitlines()


OLD = '{"type":"result","status":"done","usage":{"input":1}}\n'


@pytest.mark.parametrize(
    ("new", "told"),
    [
        (OLD, []),
        (OLD.replace('"input":1', '"input":7'), []),
        (OLD.replace('"input":1', '"input":1,"cached":0'), ["stream: + result: usage.cached"]),
        (OLD.replace('"status":"done",', ""), ["stream: - result: status"]),
        (OLD.replace("done", "parked"), ["stream: + word at result: status: parked (was done)"]),
        (OLD + '{"type":"news","a":{"b":1}}\n', ["stream: + line news: a.b, type"]),
        ("", ["stream: - line result"]),
    ],
)
def test_what_lines_of_json_have_gained_or_lost_is_told(new: str, told: list[str]) -> None:
    assert told == changes({"stream": OLD}, {"stream": new})


def test_an_exit_status_and_a_new_line_of_a_screen_are_told() -> None:
    old = {"code": 0, "screen": "✻ Baked for 3s\n❯ go\n"}
    new = {"code": 1, "screen": "✶ Brewed for 12s\n❯ go\nresend it\n"}

    assert ["code: 0 -> 1", "screen: + resend it"] == changes(old, new)


def test_what_a_spinner_says_and_how_long_it_took_is_no_change() -> None:
    assert steady("✻ Musing… (3s · esc)\n") == steady("✶ Brewing… (14s · esc)\n") != steady("✶ Brewing! (1s)\n")
