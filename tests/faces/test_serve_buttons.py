"""The buttons of `wakeman serve --act`, clicked in a real browser: each does what the verb does, and the log has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from tests.chromium import CHROMIUM, Browser, browser
from tests.drawn import ENTER, asking_plan, keys, recorded, stand_in
from tests.faces.conftest import Place
from tests.faces.test_cli import _stuck, with_stand_in
from tests.faces.test_serve import TOKEN, serving
from tests.faces.test_several import TALKERS
from tests.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]

IDLE = '[stuck]\nafter = 2\nsilent = ["ask"]\n[wake]\nevery = "1h"\n'
"""Has a client that is at its prompt, and does nothing, need a person at once."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


class Page:
    """The page of a deployment, in the browser."""

    def __init__(self, chromium: Browser, place: Place, name: str) -> None:
        self._chromium, self._place, self._name = chromium, place, name

    def offers(self) -> list[str]:
        """List the labels of its buttons."""
        found: list[str] = self._chromium.says("[...document.querySelectorAll('[data-act]')].map(e => e.textContent)")
        return found

    def says(self) -> str:
        """Return the line that says what came of the last click."""
        said: str = self._chromium.says("document.querySelector('.live').textContent")
        return said

    def click(self, verb: str, text: str | None = None, more: str = "") -> str:
        """Click a button once it is there, and agree; return what was asked."""
        selector = f"[data-act={verb}]{more}"
        until(lambda: self._chromium.says(f"document.querySelector('{selector}:not(:disabled)') !== null"), 30)
        return self._chromium.click(selector, text)

    def requested(self) -> list[tuple[str, str, str]]:
        """List what was asked for, as the log has it: verb, text, and what wrote it."""
        said = self._place("log", self._name, "--type", "requested", "--json").out.splitlines()
        lines = [json.loads(line) for line in said if line]
        return [(e["data"]["verb"], e["data"].get("text", ""), e["by"].partition(":")[0]) for e in lines]


@contextmanager
def page(chromium: Browser, place: Place, name: str, refused: int = 0) -> Iterator[Page]:
    """Open a page; `refused` is how many clicks are, which the browser notes of its own accord."""
    with serving(place.state, "--act", token=TOKEN) as (server, _):
        chromium.open(f"http://127.0.0.1:{server.port}/d/{name}?token={TOKEN}")
        yield Page(chromium, place, name)
        complaints = chromium.complaints()
        assert ["409" in each for each in complaints] == [True] * refused, complaints


def test_a_permission_is_given_by_its_choice_and_a_dialog_takes_no_text(
    chromium: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_stand_in(place, monkeypatch)
    place.up(asking_plan(place.path, first=recorded("2.1.332/claude-waiting-permission.80x24")))
    until(partial(_stuck, place, "asked"))
    with page(chromium, place, "asked", refused=1) as shown:
        choices = [label for label in shown.offers() if label.startswith(("Yes", "No"))]
        assert ["Send a text…", "Start another attempt", "End it"] == shown.offers()[len(choices) :]

        assert "Text to type into asked_a, with Enter:" == shown.click("send", "go on")
        until(lambda: "not idle" in shown.says(), 30)
        assert [] == keys(place.path / "asked.drawn")
        asked = shown.click("approve", more="[data-text=once]")
        until(lambda: shown.says() == "done: approve", 30)
        assert [("approve", "once", "serve")] == shown.requested()
    assert "Yes" == choices[0]
    assert 'asked_a: choose "Yes" (once)?' == asked
    assert ["1"] == keys(place.path / "asked.drawn")
    assert 0 == place("audit", "asked").code


def test_a_worker_that_asks_a_question_is_tried_again_and_answered(
    chromium: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_stand_in(place, monkeypatch)
    place.up(asking_plan(place.path, first=recorded("2.1.332/claude-waiting-question.80x24")))
    until(partial(_stuck, place, "asked"))
    with page(chromium, place, "asked") as shown:
        assert ["Answer…", "Send a text…", "Start another attempt", "End it"] == shown.offers()

        assert "Start another attempt of asked_a?" == shown.click("retry")
        until(lambda: shown.says() == "done: retry", 30)
        until(lambda: place("status", "asked", "--json").json["workers"][0]["attempt"] == 2)
        until(partial(_stuck, place, "asked"))
        asked = shown.click("answer", "2")
        until(lambda: shown.says() == "done: answer", 30)
        assert [("retry", "", "serve"), ("answer", "2", "serve")] == shown.requested()
    assert asked.startswith("Answer to asked_a, a number or a text:\n1 ")
    assert ["2"] == keys(place.path / "asked.drawn")
    assert 0 == place("audit", "asked").code


def test_a_text_is_sent_to_a_client_at_its_prompt_and_it_is_ended(
    chromium: Browser, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_stand_in(place, monkeypatch)
    idle = re.sub(r"(?m)^(❯.)$", r"\1TYPED", recorded("2.1.332/claude-idle.80x24"))
    assert "TYPED" in idle
    plan = asking_plan(place.path, first=idle)
    box = {"first": {ENTER: "again"}}
    stand_in(place.path / "asked.drawn", {"first": idle, "again": idle}, box, types="first", hint="")
    place.up(plan + IDLE)
    until(partial(_stuck, place, "asked"))
    with page(chromium, place, "asked") as shown:
        shown.click("send", "go on")
        until(lambda: shown.says() == "done: send", 30)
        until(lambda: [ENTER] == keys(place.path / "asked.drawn"))
        assert "End asked_a? What was done is kept." == shown.click("stop")
        until(lambda: shown.says() == "done: stop", 30)
        assert [("stop", "", "serve")] == shown.requested()
    intents = [json.loads(line) for line in place("log", "asked", "--type", "intended", "--json").out.splitlines()]
    sent = [(each["data"]["text"], each["by"].partition(":")[0]) for each in intents if each["data"].get("text")]
    assert ("go on", "serve") in sent, intents
    assert "asked_a" not in place.tmux("list-sessions", "-F", "#{session_name}")
    assert 0 == place("audit", "asked").code


def test_equal_needs_are_acted_on_at_once(chromium: Browser, place: Place) -> None:
    def alike() -> bool:
        place("check", "night")
        return [3] == [len(each["workers"]) for each in place("status", "night", "--json").json["needs"]]

    place.up(TALKERS)
    until(alike)
    with page(chromium, place, "night") as shown:
        assert ["Send all 3 a text…", "Start another attempt of all 3", "End all 3"] == shown.offers()

        asked = shown.click("send", "go on")
        until(lambda: "not sent" in shown.says(), 30)  # a program that shows no prompt
        ended = shown.click("stop")
        until(lambda: shown.says() == "done: stop", 30)
        assert [("stop", "", "serve")] * 3 == shown.requested()
    assert asked.endswith(" and 2 that need the same, with Enter:")
    assert ended.endswith(" and 2 that need the same? What was done is kept.")
    states = {each["state"] for each in place("status", "night", "--json").json["workers"][:3]}
    assert {"exited"} == states


def test_a_held_row_is_accepted(chromium: Browser, place: Place) -> None:
    work = ("--set", "wake.hold=true", "--", "sh", "-c", "mkdir -p out; date > out/a")
    assert 0 == place("run", "--name", "held", "--items", "a", "--output", "out/{{ unit }}", *work).code
    until(lambda: place("check", "held").out and place("status", "held", "--json").json["decision"]["held"])
    with page(chromium, place, "held") as shown:
        assert ["Accept: wrap up"] == shown.offers()

        assert "Accept the row that is held?" == shown.click("accept")
        until(lambda: shown.says() == "done: accept", 30)
        assert [("accept", "", "serve")] == shown.requested()
        until(lambda: shown.offers() == [], 30)
    assert "complete" == place("status", "held", "--json").json["outcome"]
