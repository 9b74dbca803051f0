"""Answers by a push's buttons: each fits one choice of one question, and is given once; all else is logged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.play import NAME, Play
from tests.scripts.test_answers import PARTS, PERMISSION, QUESTION, WORKS, asking

from wakeman.core.errors import BusyError
from wakeman.core.log.events import Effected, Intended, Requested
from wakeman.core.model import WakeTarget
from wakeman.core.policy.elsewhere import meant_by, nonce, pushed_questions, told_questions
from wakeman.engine.elsewhere import take_answers
from wakeman.ports import Heard, Report

KEY = b"k"
TO: dict[str, Any] = {"ntfy": "notices", "answers_file": "answers.topic", "share": "words"}
WAKE: dict[str, Any] = {"to": [TO]}


def target(play: Play) -> WakeTarget:
    return play.deployment.plan.wake.to[0]


def button(play: Play, choice: int = 0, question: int = 0) -> str:
    """Return what the button of a choice sends."""
    asked = told_questions(play.deployment, target(play))[question]
    return nonce(KEY, play.deployment, asked, asked.choices[choice])


def read(play: Play, *said: str) -> None:
    """Let messages come, and read them as a check does."""
    play.stage.said += said
    take_answers(play.stage.world("at:9"), play.deployment)


def requests(play: Play) -> list[Requested]:
    return [event.data for event in play.events if isinstance(event.data, Requested)]


@pytest.mark.parametrize(("choice", "key", "text"), [(0, "1", "once"), (1, "2", "always"), (2, "3", "deny")])
def test_a_button_gives_a_permission_once_and_the_log_has_by_what(choice: int, key: str, text: str) -> None:
    play, client = asking(wake=WAKE)
    pressed = button(play, choice)

    read(play, pressed)

    assert [(key,)] == client.keys
    [asked] = requests(play)
    assert Requested(verb="approve", text=text, who=f"ntfy:notices {pressed}", face="ntfy") == asked
    assert [] == play.judged()


def test_a_button_chooses_in_a_question_by_its_number() -> None:
    play, client = asking(QUESTION, wake=WAKE)

    read(play, button(play, 1))

    assert [("2",)] == client.keys
    assert [("answer", "2")] == [(each.verb, each.text) for each in requests(play)]
    assert [] == play.judged()


def test_a_question_in_last_words_is_answered_by_yes_or_no() -> None:
    play, _ = asking(None, Report("idle", "has finished a turn"), wake=WAKE, stops_after=0)
    play.stage.harness.said = {"w0": "Shall I go on?"}
    play.go(minutes=20)

    read(play, button(play, 1))

    typed = [
        event.data.text for event in play.events if isinstance(event.data, Intended) and event.data.action == "send"
    ]
    assert ["No"] == typed
    assert [] == play.judged()


@pytest.mark.parametrize("share", ["names", "words"])
def test_a_held_row_is_accepted_by_its_button(share: str) -> None:
    play = Play(plan={"wake": {"hold": True, "on": ["ask", "wrap up"], "to": [{**TO, "share": share}]}})
    play.up()
    play.go(minutes=30)
    assert "wrap up" == play.deployment.held

    read(play, button(play))

    assert "complete" == play.go(minutes=30).outcome
    assert [("accept", "ntfy")] == [(each.verb, each.face) for each in requests(play)]
    assert [] == play.judged()


def test_a_held_row_that_is_another_by_now_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(plan={"wake": {"hold": True, "on": ["ask", "wrap up"], "to": [TO]}})
    play.up()
    play.go(minutes=30)
    pressed = button(play)

    def meanwhile(*given: Any) -> Any:
        """Have a person reject a unit between the reading of the answer and its giving: the row is held anew."""
        from wakeman.engine import requests as engine

        monkeypatch.undo()
        meant = meant_by(*given)
        engine.judge(play.stage.world("hand:7"), NAME, "reject", (next(iter(play.deployment.units)),), "no")
        return meant

    monkeypatch.setattr("wakeman.engine.elsewhere.meant_by", meanwhile)
    read(play, pressed)

    assert "open" == play.deployment.outcome
    assert ["reject", "answer"] == [each.verb for each in requests(play)]
    assert "ignored: 1 message" in requests(play)[-1].text


def test_the_same_answer_twice_is_given_once() -> None:
    play, client = asking(wake=WAKE)
    pressed = button(play)

    read(play, pressed, pressed)
    read(play, pressed)

    assert [("1",)] == client.keys
    assert ["approve", "answer"] == [each.verb for each in requests(play)]
    assert "ignored: 1 message: fits no open question" == requests(play)[1].text
    assert [] == play.judged()


def test_an_answer_that_was_not_seen_to_be_taken_is_not_given_again() -> None:
    play, client = asking(wake=WAKE)
    client.after = [PERMISSION, PERMISSION]
    pressed = button(play)
    play.stage._press = lambda *_: "the question is still there"  # type: ignore[method-assign] # a key that is lost

    read(play, pressed)
    read(play, pressed)

    outcomes = [e.data.ok for e in play.events if isinstance(e.data, Effected) and not e.data.ok]
    assert [False] == outcomes
    assert ["approve", "answer"] == [each.verb for each in requests(play)]
    assert "was given before" in requests(play)[-1].text


def test_of_two_answers_the_first_counts() -> None:
    play, client = asking(wake=WAKE)

    read(play, button(play, 2), button(play, 0))

    assert [("3",)] == client.keys
    assert ["approve", "answer"] == [each.verb for each in requests(play)]


def test_an_answer_to_a_question_that_is_over_is_ignored_also_when_the_same_is_asked_again() -> None:
    play, client = asking(wake=WAKE)
    old = button(play)
    client.now, play.stage.harness.reports = None, {"w0": WORKS}
    play.go(minutes=6)
    read(play, old)
    assert [] == client.keys

    client.now = PERMISSION
    play.stage.harness.reports = {"w0": Report("waiting", "asks for a permission: Bash rm -r build", source="hook")}
    play.go(minutes=6)
    fresh = button(play)
    read(play, old)

    assert old != fresh
    assert [] == client.keys
    read(play, fresh)
    assert [("1",)] == client.keys


def test_a_dialog_that_changed_since_the_last_look_is_not_answered() -> None:
    play, client = asking(wake=WAKE)
    client.now = msgspec.structs.replace(PERMISSION, asks="Run rm -r /?", seen="d2")

    read(play, button(play))

    assert [] == client.keys
    [ignored] = requests(play)
    assert "no longer what it asks" in ignored.text


@pytest.mark.parametrize("forged", ["", "once", "yes", "0" * 32, "NONCE ", "nonce\n", "🙂" * 900, "1"])
def test_anything_else_changes_nothing_and_is_logged(forged: str) -> None:
    play, client = asking(wake=WAKE)
    pressed = button(play)
    before = play.states()

    read(play, forged.replace("NONCE", pressed).replace("nonce", pressed))

    assert ([], before) == (client.keys, play.states())
    [ignored] = requests(play)
    assert (
        Requested(verb="answer", text="ignored: 1 message: fits no open question", who="ntfy:notices", face="ntfy")
        == ignored
    )
    assert [] == play.judged()


def test_many_messages_are_one_line_of_the_log() -> None:
    play, client = asking(wake=WAKE)

    read(play, *(f"x{n}" for n in range(500)), button(play), *("y" for _ in range(500)))

    assert [("1",)] == client.keys
    assert ["approve", "answer"] == [each.verb for each in requests(play)]
    assert "ignored: 1,000 messages: fits no open question" == requests(play)[-1].text


def test_a_nonce_of_another_deployment_s_secret_fits_nothing() -> None:
    play, client = asking(wake=WAKE)
    asked = told_questions(play.deployment, target(play))[0]

    read(play, nonce(b"other", play.deployment, asked, asked.choices[0]))

    assert [] == client.keys


def test_what_was_read_is_not_read_again_and_a_held_lock_leaves_it_for_the_next_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play, client = asking(wake=WAKE)

    def busy(*_: Any, **__: Any) -> None:
        raise BusyError("another check holds the lock")

    monkeypatch.setattr("wakeman.engine.answers.approve", busy)
    read(play, "junk", button(play))
    assert ([], []) == (client.keys, requests(play))

    monkeypatch.undo()
    read(play)
    read(play)

    assert [("1",)] == client.keys
    assert ["approve", "answer"] == [each.verb for each in requests(play)]


@pytest.mark.parametrize("why", ["nothing open", "not configured", "not told"])
def test_nothing_is_asked_of_the_topic_unless_a_question_is_open_that_was_told(why: str) -> None:
    wake = {"not configured": {"to": [{"ntfy": "notices"}]}, "not told": {**WAKE, "on": ["wrap up"]}}.get(why, WAKE)
    play, client = asking(wake=wake)
    if why == "nothing open":
        client.now, play.stage.harness.reports = None, {"w0": WORKS}
        play.go(minutes=6)
    polls: list[str] = []

    def hear(_: WakeTarget, since: str, __: object) -> Heard:
        polls.append(since)
        return Heard()

    take_answers(msgspec.structs.replace(play.stage.world("at:9"), hear=hear), play.deployment)

    assert [] == polls


def test_the_first_poll_begins_before_the_notice_and_the_next_behind_what_was_read() -> None:
    play, _ = asking(wake=WAKE)
    polls: list[str] = []

    def hear(_: WakeTarget, since: str, __: object) -> Heard:
        polls.append(since)
        return Heard(messages=("x",), since="abc", key=KEY)

    world = msgspec.structs.replace(play.stage.world("at:9"), hear=hear)
    told = min(play.deployment.woken.values()).timestamp()
    take_answers(world, play.deployment)
    take_answers(world, play.deployment)

    assert 0 < told - int(polls[0]) <= 3601
    assert "abc" == polls[1]


def test_a_topic_that_cannot_be_read_changes_nothing() -> None:
    play, client = asking(wake=WAKE)
    before = len(play.events)
    world = msgspec.structs.replace(play.stage.world("at:9"), hear=lambda *_: Heard(why="no route"))

    take_answers(world, play.deployment)

    assert ([], before) == (client.keys, len(play.events))


# --- what is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialog", "labels"),
    [
        (PERMISSION, ["Yes", "Yes, always", "No"]),
        (QUESTION, ["Bullets", "Prose"]),
        (PARTS, []),
        (msgspec.structs.replace(PERMISSION, asks="Bash … proceed?"), []),
        (msgspec.structs.replace(PERMISSION, asks="x" * 2000), []),
        (msgspec.structs.replace(QUESTION, choices=QUESTION.choices * 2), []),
        (msgspec.structs.replace(PERMISSION, kind="dialog"), ["Yes", "Yes, always", "No"]),
    ],
)
def test_what_is_whole_and_has_a_button_for_each_choice_is_asked(dialog: Any, labels: list[str]) -> None:
    play, _ = asking(dialog, wake=WAKE)

    found = pushed_questions(play.deployment, target(play))

    assert labels == [choice.label for each in found for choice in each.choices]


def test_words_that_may_not_leave_are_not_asked_about() -> None:
    play, _ = asking(wake={"to": [{**TO, "share": "names"}]})

    assert [] == pushed_questions(play.deployment, target(play))


def test_each_choice_of_each_question_has_a_nonce_of_its_own() -> None:
    play, _ = asking(wake=WAKE)
    d = play.deployment
    [one] = pushed_questions(d, target(play))
    changed = [msgspec.structs.replace(one, **{field: "other"}) for field in ("verb", "worker", "seen", "key", "since")]
    later = msgspec.structs.replace(one.choices[0], text="always")

    found = [nonce(KEY, d, each, one.choices[0]) for each in (one, *changed)]
    found += [nonce(KEY, d, one, later), nonce(b"K", d, one, one.choices[0])]

    assert len(found) == len(set(found))
    assert nonce(KEY, d, one, one.choices[0]) == nonce(KEY, d, msgspec.structs.replace(one, words="x"), one.choices[0])
    assert all(32 == len(each) for each in found)
