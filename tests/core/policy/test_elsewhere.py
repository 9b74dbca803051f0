"""What may be asked by a push, and by what an answer to it is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from wakeman.core.model import (
    INTERNAL_ERROR,
    Choice,
    Deployment,
    Dialog,
    Observation,
    Plan,
    UnitsSpec,
    WakeSpec,
    WakeTarget,
    WorkerState,
)
from wakeman.core.policy import notice
from wakeman.core.policy.dialogs import CUT, words_fingerprint
from wakeman.core.policy.elsewhere import (
    BUTTONS_MAX,
    READ_WHOLE_CHARS_MAX,
    PushedChoice,
    PushedQuestion,
    meant_by,
    nonce,
    pushed_questions,
    questions_in_notice,
    told_questions,
)

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
WORDS = WakeTarget(ntfy="notices", answers_file="answers.topic", share="words")
NAMES = replace(WORDS, share="names")
PERMISSION = Dialog(
    kind="permission",
    asks="Run make?",
    choices=(Choice("Yes", "once"), Choice("Yes, and don't ask again", "always"), Choice("No", "deny")),
    seen="f1",
)
QUESTION = Dialog(
    kind="question", asks="How?", choices=(Choice("Bullets"), Choice("Prose"), Choice("Other", "text")), seen="f2"
)


def worker(dialog: Dialog | None = None, name: str = "w", said: str = "", **fields: Any) -> WorkerState:
    """Return a worker about whose dialog, or last words, a person is asked."""
    seen = Observation(worker=name, attempt=fields.get("seen_in", 1), session="running", dialog=dialog)
    made = WorkerState(
        name=name, session=name, state="stuck", attempt=1, asked=True, observation=seen, since=NOW, said=said
    )
    made.reason = "asks" if said else "waiting"
    for key, value in fields.items():
        if key != "seen_in":
            setattr(made, key, value)
    return made


def night(*workers: WorkerState, **fields: Any) -> Deployment:
    plan = Plan(name="night", units=UnitsSpec(items=("x",)), wake=WakeSpec(to=(WORDS,)))
    return Deployment(name="night", plan=plan, workers={each.name: each for each in workers}, looked_at=NOW, **fields)


def held(**fields: Any) -> Deployment:
    return night(**{"held": "wrap up", "holds": 2, "held_at": NOW, **fields})


def labels(questions: list[PushedQuestion]) -> list[tuple[str, str, list[str]]]:
    return [(each.verb, each.worker, [choice.text for choice in each.choices]) for each in questions]


def asked_in(length: int) -> Dialog:
    return replace(PERMISSION, asks="x" * length)


def labelled(*found: str) -> Dialog:
    return replace(QUESTION, choices=tuple(Choice(label) for label in found))


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (worker(PERMISSION), [("approve", "w", ["once", "always", "deny"])]),
        (worker(replace(PERMISSION, kind="dialog")), [("approve", "w", ["once", "always", "deny"])]),
        (worker(replace(PERMISSION, choices=PERMISSION.choices[:1])), [("approve", "w", ["once"])]),
        (worker(replace(PERMISSION, choices=(Choice("Log in"), Choice("Quit")))), []),
        (worker(QUESTION), [("answer", "w", ["1", "2"])]),
        (worker(replace(QUESTION, choices=QUESTION.choices[::-1])), [("answer", "w", ["2", "3"])]),
        (worker(replace(QUESTION, several=True)), []),
        (worker(labelled(*"abc")), [("answer", "w", ["1", "2", "3"])]),
        (worker(labelled(*"abcd")), []),
        (worker(replace(QUESTION, choices=(Choice("Other", "text"),))), []),
        (worker(None), []),
        (worker(PERMISSION, seen_in=2), []),
        (worker(PERMISSION, observation=None), []),
        (worker(PERMISSION, reason="silent"), []),
        (worker(PERMISSION, asked=False), []),
        (worker(PERMISSION, state="exited", intent=7), []),
        (worker(said="Shall I go on?"), [("answer", "w", ["Yes", "No"])]),
        (worker(PERMISSION, said="Shall I go on?"), [("answer", "w", ["Yes", "No"])]),
        (worker(said="It is done.", reason="claims"), []),
        (worker(reason="asks"), []),
        (worker(asked_in(READ_WHOLE_CHARS_MAX)), [("approve", "w", ["once", "always", "deny"])]),
        (worker(asked_in(READ_WHOLE_CHARS_MAX + 1)), []),
        (worker(replace(PERMISSION, asks=f"rm{CUT}Do it?")), []),
        (worker(replace(PERMISSION, asks="rm -r…")), []),
        (worker(replace(PERMISSION, asks="wait… then rm -r build")), [("approve", "w", ["once", "always", "deny"])]),
        (worker(labelled("Bullets", "Prose and…")), []),
        (worker(labelled(f"Bul{CUT}lets", "Prose")), []),
        (worker(said="x" * READ_WHOLE_CHARS_MAX), [("answer", "w", ["Yes", "No"])]),
        (worker(said="x" * (READ_WHOLE_CHARS_MAX + 1)), []),
        (worker(said=f"a{CUT}b"), []),
    ],
)
def test_a_worker_is_asked_about_where_a_button_can_answer_all_that_was_read(
    asking: WorkerState, expected: list[tuple[str, str, list[str]]]
) -> None:
    assert expected == labels(pushed_questions(night(asking), WORDS))


def test_a_push_offers_no_more_choices_than_it_can_show() -> None:
    assert 3 == BUTTONS_MAX


def test_what_a_button_shows_is_the_clients_label_and_what_it_gives_the_verbs_word() -> None:
    [permission] = pushed_questions(night(worker(PERMISSION)), WORDS)
    [question] = pushed_questions(night(worker(QUESTION)), WORDS)
    [prose] = pushed_questions(night(worker(said="Go on?")), WORDS)

    assert ("Yes, and don't ask again", "always") == (permission.choices[1].label, permission.choices[1].text)
    assert (PushedChoice("Prose", "2"), PushedChoice("No", "No")) == (question.choices[1], prose.choices[1])
    assert ("Run make?", "How?", "Go on?") == (permission.words, question.words, prose.words)
    assert ("f1", "f2", words_fingerprint("Go on?")) == (permission.seen, question.seen, prose.seen)


def test_a_worker_that_cannot_be_looked_at_is_asked_about_by_the_key_of_its_question() -> None:
    blind = Observation(worker="w", attempt=1, session="unknown", why=f"{INTERNAL_ERROR}: odd", dialog=PERMISSION)
    d = night(worker(observation=blind, unknowns=99), worker(QUESTION, "v"))

    told = {cause.key: cause.reason for cause in notice.troubles(d)}

    assert ["waiting", "waiting"] == [told[each.key] for each in pushed_questions(d, WORDS)]
    assert "unseen" in told.values()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (WORDS, ["accept", "approve"]),
        (NAMES, ["accept"]),
        (replace(WORDS, answers_file=""), []),
        (replace(NAMES, answers_file=""), []),
    ],
)
def test_words_of_workers_leave_where_the_plan_says_so_alone(target: WakeTarget, expected: list[str]) -> None:
    d = held()
    d.workers["w"] = worker(PERMISSION)

    assert expected == [each.verb for each in pushed_questions(d, target)]


def test_nothing_is_asked_of_a_closed_deployment() -> None:
    assert [] == pushed_questions(held(outcome="complete"), WORDS)
    assert [] == pushed_questions(night(worker(PERMISSION), outcome="stopped"), WORDS)


def test_a_held_row_is_asked_about_by_its_name() -> None:
    [question] = pushed_questions(held(), NAMES)

    assert (
        PushedQuestion(
            "accept", "", "wrap up", "ask:held:wrap up:2", f"{NOW}", "", (PushedChoice("Accept: wrap up", "wrap up"),)
        )
        == question
    )


@pytest.mark.parametrize(
    ("causes", "asked"),
    [([], []), (["v0", "v2", "other"], ["v0", "v2"]), ([f"v{n}" for n in range(7)], ["v0", "v1", "v2", "v3", "v4"])],
    ids=["none", "some", "more than five"],
)
def test_of_the_questions_of_a_notice_the_first_five_are_asked_by_pushes(causes: list[str], asked: list[str]) -> None:
    d = night(*(worker(PERMISSION, f"v{n}") for n in range(7)))
    keys = {each.worker: each.key for each in pushed_questions(d, WORDS)}

    found = questions_in_notice(d, WORDS, [keys.get(name, name) for name in causes])

    assert asked == [each.worker for each in found]


def test_only_what_was_told_can_be_answered() -> None:
    d = night(worker(PERMISSION), worker(QUESTION, "v"))
    first, second = pushed_questions(d, WORDS)
    d.woken[second.key] = NOW

    assert [second] == told_questions(d, WORDS)
    assert (second, second.choices[1]) == meant_by(b"k", d, WORDS, nonce(b"k", d, second, second.choices[1]))
    assert meant_by(b"k", d, WORDS, nonce(b"k", d, first, first.choices[0])) is None
    assert meant_by(b"k", d, WORDS, "") is None


def test_each_choice_of_each_question_has_a_nonce_of_its_own() -> None:
    """No two of these differ in nothing that a person would have read, been asked, or been named."""
    d = night()
    base = PushedQuestion("approve", "w", "f1", "ask:w:1", "then", "words", ())
    questions = [
        base,
        *(replace(base, **{field: "other"}) for field in ("worker", "seen", "key", "since")),
        replace(base, verb="answer"),
        replace(base, worker="w1", seen="f"),
    ]
    choices = [PushedChoice("Yes", "once"), PushedChoice("Yes", "always")]
    nights = [d, replace(d, name="other"), replace(d, started=NOW)]

    made = [
        nonce(key, night, question, choice)
        for key in (b"k", b"l", b"")
        for night in nights
        for question in questions
        for choice in choices
    ]

    assert len(made) == len(set(made)) == 3 * 3 * 7 * 2
    assert {32} == {len(each) for each in made}
    assert nonce(b"k", d, base, choices[0]) == nonce(b"k", d, replace(base, words="x"), PushedChoice("No", "once"))
