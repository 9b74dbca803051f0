"""Answers to workers: recorded with who gives them, given once whatever crashes, and only to what was seen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.errors import NeedsPersonError, UsageError, WakemanError
from wakeman.core.log.events import Effected, Intended, Looked, Requested, Stalled
from wakeman.core.model import Choice, Dialog
from wakeman.core.policy.dialogs import fingerprint
from wakeman.engine import answers
from wakeman.engine.answers import Asker
from wakeman.ports import Report, ShownDialog

ASKS = Report("waiting", "asks for a permission: Bash rm -r build", source="hook")
WORKS = Report("busy", "works")
ME = Asker("ada", "cli")
PERMISSION = Dialog(
    "permission",
    "Run rm -r build?",
    (Choice("Yes", "once"), Choice("Yes, always", "always"), Choice("No", "deny")),
    seen="d1",
)
QUESTION = Dialog("question", "Which?", (Choice("Bullets"), Choice("Prose"), Choice("Type something.", "text")), "q1")
PARTS = Dialog("question", "Parts?", (Choice("Names"), Choice("Dates"), Choice("Sums")), "q2", several=True)


class Client:
    """What the worker's client shows, and what it does at a key."""

    def __init__(self, play: Play, dialog: Dialog | None) -> None:
        self.play, self.now = play, dialog
        self.after: list[Dialog | None] = [None]
        play.stage.harness.dialog = self.dialog  # type: ignore[attr-defined] # what a client's harness has besides
        play.stage.sessions.takes["w0"] = self.take

    def dialog(self, screen: str) -> ShownDialog | None:
        del screen
        return ShownDialog(self.now, 0) if self.now is not None else None

    def take(self, keys: tuple[str, ...]) -> None:
        del keys
        self.now = self.after.pop(0) if self.after else None
        self.play.stage.harness.reports = {"w0": ASKS if self.now is not None else WORKS}

    @property
    def keys(self) -> list[tuple[str, ...]]:
        return [keys for _, keys in self.play.stage.sessions.pressed]


def asking(
    dialog: Dialog | None = PERMISSION, report: Report = ASKS, wake: dict[str, Any] | None = None, **act: Any
) -> tuple[Play, Client]:
    """Begin a night whose worker asks something."""
    play = Play(
        workers=1,
        units=2,
        acts={"w0": Act(seconds=3600, hangs=True, **act)},
        plan={"workers": {"mode": "interactive"}, **({"wake": wake} if wake is not None else {})},
    )
    play.stage.harness.reports = {"w0": report}
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.sessions.screens["w0"] = "w0:\n❯"
    client = Client(play, dialog)
    play.up()
    play.go(minutes=6)
    return play, client


def approve(play: Play, wanted: Any = "once", *, seen: str = "", name: str = "w0") -> answers.Given:
    return answers.approve(play.stage.world("hand:9"), NAME, name, wanted, seen=seen, asker=ME)


def answer(play: Play, text: str, *, seen: str = "", name: str = "w0") -> answers.Given:
    return answers.answer(play.stage.world("hand:9"), NAME, name, text, seen=seen, asker=ME)


def reasons(play: Play) -> list[str]:
    return [event.data.reason for event in play.events if isinstance(event.data, Stalled)]


def refusal(call: Callable[[], object]) -> WakemanError:
    with pytest.raises(WakemanError) as refused:
        call()
    return refused.value


@pytest.mark.parametrize(
    ("wanted", "key", "label"), [("once", "1", "Yes"), ("always", "2", "Yes, always"), ("deny", "3", "No")]
)
def test_a_permission_is_given_or_denied_and_the_log_has_who_how_and_what_came_of_it(
    wanted: str, key: str, label: str
) -> None:
    play, client = asking()

    given = approve(play, wanted, seen="d1")

    assert [(key,)] == client.keys
    assert ("Run rm -r build?", label, False) == (given.asks, given.says, given.typed)
    said = [event for event in play.events if isinstance(event.data, (Requested, Intended, Effected))][-3:]
    request, intent, outcome = (event.data for event in said)
    assert Requested(verb="approve", text=wanted, who="ada", face="cli") == request
    assert isinstance(intent, Intended)
    assert ("press", label, "d1") == (intent.action, intent.text, intent.digest)
    assert Effected(intent=said[1].seq, ok=True) == outcome
    assert ("running", []) == (play.states()["w0"], play.judged())
    assert {} == play.deployment.intents


def test_the_observation_has_what_is_asked_and_the_fingerprint() -> None:
    play, _ = asking()

    seen = [s for event in play.events if isinstance(event.data, Looked) for s in event.data.observations]

    assert PERMISSION == seen[-1].dialog


@pytest.mark.parametrize(
    ("dialog", "call", "kind", "says"),
    [
        (QUESTION, approve, UsageError, "asks a question, not a permission"),
        (PERMISSION, lambda play: answer(play, "1"), UsageError, "asks a permission, which is no question"),
        (PERMISSION, lambda play: approve(play, seen="d0"), NeedsPersonError, "no longer what it asks"),
        (QUESTION, lambda play: answer(play, "1", seen="d1"), NeedsPersonError, "no longer what it asks"),
        (msgspec.structs.replace(PERMISSION, choices=PERMISSION.choices[::2]), lambda play: approve(play, "always"),
         UsageError, "--always is not offered; its choices are: 1 Yes, 2 No"),
        (None, approve, UsageError, "shows no dialog that is understood"),
        (None, lambda play: answer(play, "1"), UsageError, "shows no dialog that is understood"),
        (PARTS, lambda play: answer(play, "1,9"), UsageError, "its choices are: 1 Names, 2 Dates, 3 Sums"),
        (PARTS, lambda play: answer(play, "Colours"), UsageError, "its choices are"),
        (QUESTION, lambda play: answer(play, "3"), UsageError, "its choices are"),
        (QUESTION, lambda play: answer(play, "  "), UsageError, "found an empty answer"),
    ],
)  # fmt: skip
def test_what_is_not_asked_or_not_offered_is_refused_and_nothing_is_pressed_or_recorded(
    dialog: Dialog | None, call: Callable[[Play], object], kind: type[WakemanError], says: str
) -> None:
    play, client = asking(dialog)

    fault = refusal(lambda: call(play))

    assert (kind, True) == (type(fault), says in str(fault)), fault
    assert [] == client.keys
    assert not [event for event in play.events if isinstance(event.data, Requested)]


@pytest.mark.parametrize(
    ("dialog", "text", "keys"),
    [
        (QUESTION, "2", ("2",)),
        (QUESTION, "prose", ("2",)),
        (QUESTION, "b", ("1",)),
        (QUESTION, "as a table", ("3",)),
        (QUESTION, "9", ("3",)),
        (PARTS, "1, sums", ("1", "3")),
        (PARTS, "dates", ("2",)),
    ],
)
def test_an_answer_chooses_by_number_or_label_or_is_typed(dialog: Dialog, text: str, keys: tuple[str, ...]) -> None:
    play, client = asking(dialog)

    answer(play, text, seen=dialog.seen)

    assert ([keys], []) == (client.keys, play.judged())


def test_a_worker_that_has_ended_asks_nothing() -> None:
    play, client = asking()
    play.stage.sessions._finish(play.stage.sessions.playing["w0"], 1)
    client.now = None
    play.go(minutes=0.1)

    for call in (lambda: approve(play), lambda: answer(play, "1")):
        assert "night/w0 is exited: it asks nothing" in str(refusal(call))
    assert [] == client.keys


def test_the_next_question_is_told_anew_even_in_equal_words_and_at_once() -> None:
    play, client = asking()
    client.after = [msgspec.structs.replace(PERMISSION, seen="d2"), None]
    before = len(play.told())

    approve(play, seen="d1")
    told = len(play.told())
    late = refusal(lambda: approve(play, seen="d1"))
    approve(play, seen="d2")

    assert (before + 1, True) == (told, "no longer what it asks" in str(late))
    assert ["waiting", "waiting"] == reasons(play)
    assert ([("1",), ("1",)], "running", []) == (client.keys, play.states()["w0"], play.judged())


def test_a_report_that_is_older_than_the_answer_is_no_new_question() -> None:
    play, client = asking()

    def taken(_: tuple[str, ...]) -> None:
        client.now = None  # and its last report stays as it is

    play.stage.sessions.takes["w0"] = taken
    approve(play)
    play.go(minutes=6)

    assert ("running", ["waiting"]) == (play.states()["w0"], reasons(play))
    client.now = PERMISSION
    play.go(minutes=6)
    assert ("stuck", ["waiting", "waiting"]) == (play.states()["w0"], reasons(play))


def test_an_answer_to_last_words_is_typed_while_they_are_the_last() -> None:
    play, _ = asking(None, Report("idle", "has finished a turn"), stops_after=0)
    play.stage.harness.said = {"w0": "Bullets or prose?"}
    play.go(minutes=20)
    known = fingerprint("Bullets or prose?")

    late = refusal(lambda: answer(play, "prose", seen=fingerprint("Which language?")))
    given = answer(play, "prose", seen=known)

    assert 'its last words are "Bullets or prose?"' in str(late)
    assert known in late.hint
    assert ("Bullets or prose?", "prose", True) == (given.asks, given.says, given.typed)
    assert ("w0", "prose", True) == play.stage.sessions.typed[-1]
    play.go(minutes=1)
    assert [] == play.judged()
    request = next(event.data for event in reversed(play.events) if isinstance(event.data, Requested))
    assert Requested(verb="answer", text="prose", who="ada", face="cli") == request


class CutError(Exception):
    """The program ends."""


@pytest.mark.parametrize(
    ("pressed", "left", "ok", "why"),
    [
        (True, None, True, ""),
        (True, PERMISSION, False, "interrupted; the same question is shown: it is not pressed again"),
        (False, PERMISSION, False, "interrupted; the same question is shown: it is not pressed again"),
        (True, msgspec.structs.replace(PERMISSION, seen="d2"), True, ""),
    ],
)
def test_a_press_that_was_interrupted_is_settled_and_never_repeated(
    pressed: bool, left: Dialog | None, ok: bool, why: str
) -> None:
    play, client = asking()

    def dies(keys: tuple[str, ...]) -> None:
        if pressed:
            client.after = [left]
            client.take(keys)
        raise CutError

    play.stage.sessions.takes["w0"] = dies
    with contextlib.suppress(CutError):
        approve(play)
    play.go(minutes=20)

    intents = [event.seq for event in play.events if isinstance(event.data, Intended) and event.data.action == "press"]
    outcomes = [
        event.data for event in play.events if isinstance(event.data, Effected) and event.data.intent in intents
    ]
    assert [Effected(intent=intents[0], ok=ok, detail=why)] == outcomes
    assert (1, [], {}) == (len(client.keys), play.judged(), play.deployment.intents)


def test_a_key_of_the_plan_is_not_kept_in_the_log() -> None:
    dialog = msgspec.structs.replace(QUESTION, asks="Use sk-ant-0123456789abcdef?")
    play, _ = asking(dialog)

    answer(play, "no, use sk-ant-fedcba9876543210 instead")

    assert b"0123456789abcdef" not in b"".join(play.lines)
    assert b"fedcba9876543210" not in b"".join(play.lines)
