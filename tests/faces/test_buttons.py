"""A question on a phone: a real worker asks, a push has buttons, and the next check does what was pressed."""

from __future__ import annotations

import json
from functools import partial

import pytest
from tests.drawn import asking_plan, keys, recorded
from tests.faces.conftest import Place
from tests.faces.test_cli import _stuck, with_stand_in
from tests.ntfy import Ntfy, ntfy, press
from tests.waiting import until

pytestmark = pytest.mark.real

SECRET = "a-topic-nobody-guesses"  # noqa: S105 - a name of this test
TO = '[wake]\nto = [{{ ntfy = "{address}/notices", answers_file = "topic"{more} }}]\n'


def asked(place: Place, monkeypatch: pytest.MonkeyPatch, server: Ntfy, shown: str, more: str = "") -> None:
    """Have a worker ask what a recorded screen asks, and tell it by a push."""
    with_stand_in(place, monkeypatch)
    (place.path / "topic").write_text(SECRET)
    plan = asking_plan(place.path, first=recorded(shown))
    place.up(plan + TO.format(address=server.address, more=more))
    until(partial(_stuck, place, "asked"))
    until(lambda: place("check", "asked").out and server.topics.get("notices"))


def requested(place: Place) -> list[tuple[str, str, str]]:
    said = place("log", "asked", "--type", "requested", "--json").out.splitlines()
    found = [json.loads(line)["data"] for line in said if line]
    return [(each["verb"], each["text"], each["face"]) for each in found]


def test_a_permission_is_given_by_a_button(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with ntfy() as server:
        asked(place, monkeypatch, server, "2.1.332/claude-waiting-permission.80x24", ', share = "words"')
        place("check", "asked")
        assert [] == keys(place.path / "asked.drawn")
        [message] = server.topics["notices"]
        labels = [each["label"] for each in message["actions"]]
        assert "asked_a: " in message["message"]
        assert "Do you want to" in message["message"]

        press(message["actions"][labels.index("Yes")])
        press(message["actions"][labels.index("No")])
        place("check", "asked")
        polls = len(server.polls)
        place("check", "asked")

    assert ["1"] == keys(place.path / "asked.drawn")
    assert [
        ("approve", "once", "ntfy"),
        ("answer", "ignored: 1 message: fits no open question", "ntfy"),
    ] == requested(place)
    assert polls == len(server.polls)  # nothing is asked any more, so nothing is read
    assert 0 == place("audit", "asked").code
    assert 0 == place("report", "asked").code


def test_without_the_word_words_leave_only_names_and_no_button(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with ntfy() as server:
        asked(place, monkeypatch, server, "2.1.332/claude-waiting-permission.80x24")
        place("check", "asked")

        [message] = server.topics["notices"]
        assert ([], []) == (message["actions"], server.polls)
        assert "asks for a permission" in message["message"]
        assert "Do you want to" not in message["message"]
    assert not (place.state / "asked" / "answers.key").exists()


def test_a_held_row_is_accepted_by_a_button_and_nothing_of_the_topics_is_logged(place: Place) -> None:
    (place.path / "topic").write_text(SECRET)
    with ntfy() as server:
        to = f'wake.to=[{{ntfy = "{server.address}/notices", answers_file = "topic"}}]'
        words = ("run", "--name", "held", "--items", "a", "--output", "out/{{ unit }}", "--every", "1h")
        work = ("sh", "-c", "mkdir -p out; echo x > out/a")
        said = place(*words, "--set", "wake.hold=true", "--set", to, "--", *work)
        assert 0 == said.code, said.err
        until(lambda: place("check", "held").out and server.buttons("notices"))
        [button] = server.buttons("notices")
        assert "Accept: wrap up" == button["label"]

        press(button)
        place("check", "held")

        assert "complete" == place("status", "held", "--json").json["outcome"]
    log = (place.state / "held" / "events.jsonl").read_text()
    assert SECRET not in log
    assert (place.state / "held" / "answers.key").read_bytes().hex() not in log


def test_a_plan_says_what_leaves_and_what_comes_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with_stand_in(place, monkeypatch)
    place.plan(asking_plan(place.path) + TO.format(address="https://example.org", more=', share = "words"'))

    planned = place("plan", "plan.toml")
    said = " ".join((planned.out + planned.err).split())

    assert "topic: No such file or directory: notices have no buttons" in said
    leaves = "leaves this machine at each notice: causes, counts, names of workers, units and files"
    assert f"{leaves}, and the last words of workers, what their dialogs ask, and the choices" in said
    assert "names the topic by which answers come back" in said
