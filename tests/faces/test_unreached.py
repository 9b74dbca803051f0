"""A receiver that is not there: what `up`, `status`, `wait`, `top`, the report and the doctor say of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.faces.conftest import Place
from tests.faces.test_top import desk_of, shown
from tests.ntfy import ntfy
from tests.waiting import until

pytestmark = pytest.mark.real

CONVERSATION = "0f3c1d2e-4b5a-4c6d-8e7f-9a0b1c2d3e4f"
PLAN = """
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sh", "-c", "mkdir -p out; echo x > out/a.txt"]
socket = "faces"
[wake]
hold = true
every = "1h"
"""


def untold(place: Place, to: str) -> None:
    """Have a notice fail."""
    place.up(PLAN + f"to = [{to}]\n")
    until(lambda: place("check", "night").out and place("status", "night", "--json").json["decision"]["held"])
    until(lambda: '"effected"' in place("log", "night", "--type", "effected", "--json").out)


def findings(place: Place, about: str) -> list[str]:
    found = place("doctor", "--json").json["findings"]
    return [each["found"] for each in found if each["what"] == about]


def test_a_session_that_is_not_there_is_said_by_every_face(place: Place) -> None:
    untold(place, '{ tmux = "faces:desk" }')

    status = place("status", "night", "--json").json
    told = [each for each in (*status["needs"], *status["waits"]) if each["reason"] == "untold"]
    assert ["tmux:faces:desk"] == [each["about"] for each in told]
    assert "not told" in told[0]["says"]
    assert "found no session 'desk' on tmux socket 'faces'" in findings(place, "night: tmux:faces:desk")[0]
    assert any("not told" in row for row in shown(desk_of(place.state, "night"), 140, 40))


def test_the_report_of_a_closed_night_says_who_was_not_told_how_it_ended(place: Place) -> None:
    place.up(PLAN.replace("hold = true\n", "") + 'to = [{ tmux = "faces:desk" }]\n')
    until(lambda: place("check", "night").out and place("status", "night", "--json").json["outcome"] == "complete")
    until(lambda: place("status", "night", "--json").json["needs"])

    text, page = (place("report", "night", "--format", kind).out for kind in ("md", "html"))

    assert "tmux:faces:desk not told" in " ".join(text.split())
    assert "not told" in Path(page.strip()).read_text()


def test_a_wait_for_attention_does_not_end_by_one_delivery_that_failed(place: Place) -> None:
    plan = PLAN.replace("hold = true", 'on = ["check"]').replace("mkdir -p out", "sleep 600; mkdir -p out")
    place.up(plan + 'to = [{ tmux = "faces:desk" }]\n')
    local_check = place("check", "night", "--by", "at")
    assert "Traceback" not in local_check.err
    untold = [each["reason"] for each in place("status", "night", "--json").json["waits"]]

    said = place("wait", "night", "--until", "attention", "--timeout", "1", "--json")

    assert ["untold"] == untold
    assert 4 == said.code  # it went on until its time was over


def test_answers_that_cannot_be_read_are_the_doctor_s_finding(place: Place) -> None:
    with ntfy() as server:
        (place.path / "topic").write_text("a-topic-nobody-guesses")
        untold(place, f'{{ ntfy = "{server.address}/notices", answers_file = "topic" }}')
        about = "night: ntfy:notices"
        assert [] == findings(place, about)

        server.status = 403
        refused = findings(place, about)
        (place.path / "topic").write_text("short")
        guessed = findings(place, about)

    assert "answers cannot be read: " in refused[0]
    assert "HTTP 403" in refused[0]
    assert "topic: found a topic that can be guessed" in guessed[0]


@pytest.mark.parametrize("where", ["home", "CLAUDE_CONFIG_DIR"])
def test_a_conversation_that_is_not_there_is_said_before_it_starts(
    place: Place, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    place.client()
    kept = place.path / (".claude" if where == "home" else "elsewhere")
    if where != "home":
        monkeypatch.setenv(where, str(kept))
    run = json.dumps(["claude", "--resume", CONVERSATION, "-p", "{{ message }}"])
    place.plan(PLAN + f"to = [{{ run = {run} }}]\n")
    lacks = f"found no conversation '{CONVERSATION}' below {kept}/projects"

    before = place("plan", "plan.toml")
    started = place("up", "plan.toml")
    _converse(kept)
    after = place("plan", "plan.toml")

    assert lacks in " ".join((before.out + before.err).split())
    assert lacks in " ".join((started.out + started.err).split())
    assert lacks not in " ".join((after.out + after.err).split())


def _converse(kept: Path) -> None:
    (kept / "projects" / "-tmp-x").mkdir(parents=True)
    (kept / "projects" / "-tmp-x" / f"{CONVERSATION}.jsonl").write_text("{}\n")
