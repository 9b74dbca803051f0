"""Nights in which workers ask and a phone answers, over a network that loses, doubles, delays and forges.

Whatever it does: each question is answered as it was pressed for exactly that question, at most once, and an answer
that was read while its question stood was given. Each rule that makes it so is taken away once, and is missed.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from tests.play import Play
from tests.simulation.mutants import Mutant, planted

from wakeman.adapters.memory import Act
from wakeman.core.errors import NeedsPersonError
from wakeman.core.log.events import Requested
from wakeman.core.model import Choice, Deployment, Dialog, WakeTarget
from wakeman.core.policy import elsewhere as core
from wakeman.core.policy.elsewhere import nonce, pushed_questions
from wakeman.engine import elsewhere as engine
from wakeman.engine.elsewhere import take_answers
from wakeman.ports import Delivery, Pressing, Report, ShownDialog

KEY = b"k"
NIGHTS = 60
NIGHTS_TO_MISS = 40
"""Nights among which a rule that is taken away must be missed."""
WAKE: dict[str, Any] = {"to": [{"ntfy": "notices", "answers_file": "topic", "share": "words"}], "remind": 900}
DIALOGS = (
    Dialog("permission", "Run make?", (Choice("Yes", "once"), Choice("Always", "always"), Choice("No", "deny")), "d1"),
    Dialog("permission", "Run rm?", (Choice("Yes", "once"), Choice("No", "deny")), "d2"),
    Dialog("question", "Which?", (Choice("Bullets"), Choice("Prose"), Choice("Type something.", "text")), "d3"),
)
"""What is asked: the same words come again and again."""


class NightBrokenError(AssertionError):
    """What must never happen has happened."""


class Button(NamedTuple):
    """A button on the phone: the question that it was made for, as the worker's count, and the choice."""

    worker: str
    episode: int
    label: str


class Night:
    """One night: three workers that ask, a phone, and a network between it and the checks."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)  # noqa: S311 - dice of a test
        self.play = Play(
            workers=3,
            units=1,
            acts={f"w{n}": Act(seconds=10**6, hangs=True) for n in range(3)},
            plan={"workers": {"mode": "interactive"}, "wake": WAKE, "stuck": {"waiting": ["ask"]}},
        )
        self.names = [f"w{n}" for n in range(3)]
        self.shown: dict[str, Dialog | None] = dict.fromkeys(self.names)
        self.episode = dict.fromkeys(self.names, 0)
        self.buttons: dict[str, Button] = {}
        self.on_their_way: list[tuple[datetime, str]] = []
        self.genuine: dict[tuple[str, int], list[str]] = {}  # by question: what was said for it, in order
        self.pressed: list[tuple[str, int, str]] = []
        self.lost_keys: set[str] = set()
        stage = self.play.stage
        stage.harness.dialog = self.dialog  # type: ignore[attr-defined] # what a client's harness has besides
        stage.harness.reads = frozenset({"screen"})
        stage._press = self.press  # type: ignore[method-assign] # a hand that looks at its screen
        stage._deliver = self.push  # type: ignore[method-assign] # the phone
        for name in self.names:
            self._show(name, None)
        self.play.up()

    # --- the workers ----------------------------------------------------------------------------------------------

    def dialog(self, screen: str) -> ShownDialog | None:
        found = self.shown[screen.partition(":")[0]]
        return ShownDialog(found, 0) if found is not None else None

    def press(self, terminal: Any, session: str, mark: str, reader: Any, pressing: Pressing) -> str:
        """Make a choice, unless the key is lost."""
        del terminal, reader
        session = mark.split("/")[1]
        now = self.shown[session]
        if now is None or now.seen != pressing.seen:
            return "its screen shows something else now: nothing was pressed"
        self.pressed.append((session, self.episode[session], now.choices[pressing.choices[0]].label))
        if session in self.lost_keys:
            return "the question is still there"
        self._show(session, None)
        return ""

    def _show(self, name: str, dialog: Dialog | None) -> None:
        self.shown[name] = dialog
        self.episode[name] += dialog is not None
        stage = self.play.stage
        stage.sessions.screens[name] = f"{name}: asks" if dialog else f"{name}: works"
        kind = "a question" if dialog and dialog.kind == "question" else "for a permission"
        why = f"asks {kind}: {dialog.asks if dialog else ''}"
        works = Report("busy", "works", source="hook")
        stage.harness.reports = {
            **stage.harness.reports,
            name: Report("waiting", why, source="hook") if dialog else works,
        }

    # --- the phone and its network --------------------------------------------------------------------------------

    def push(self, target: WakeTarget, text: str, deployment: Deployment) -> Delivery:
        """Show a notice on the phone, with a button for each choice of what it asks; somebody may press some."""
        causes = next((wake.causes for wake in deployment.wakes.values() if wake.text == text), ())
        for question in pushed_questions(deployment, target):
            if question.key not in causes:
                continue
            made = []
            for choice in question.choices:
                body = nonce(KEY, deployment, question, choice)
                self.buttons.setdefault(body, Button(question.worker, self.episode[question.worker], choice.label))
                made.append(body)
            for body in self.dice.sample(made, self.dice.choice([0, 1, 1, 1, 2])):
                self.send(body)
        return Delivery()

    def send(self, body: str) -> None:
        """Have a message lost, come soon, come late, or come twice."""
        now = self.play.stage.clock.at
        for _ in range(self.dice.choice([0, 1, 1, 1, 2])):
            self.on_their_way.append((now + timedelta(seconds=self.dice.choice([1, 10, 400, 2000])), body))

    def forge(self) -> str:
        """Return what somebody says who knows the topic, and has read what was said there."""
        known = [*self.buttons, "once", "yes"]
        body = self.dice.choice(known)
        forged = [f"{self.dice.getrandbits(128):032x}", body[:-1] + "0", body[:-1] + "f", body.upper(), body + " "]
        return self.dice.choice([body for body in forged if body not in self.buttons])

    # --- the night ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let it pass, and judge it."""
        for _ in range(14):
            self.step()
        said = [event.data for event in self.play.events if isinstance(event.data, Requested)]
        given = [each for each in said if each.verb == "approve" or not each.text.startswith("ignored")]
        if len({each.who for each in given}) != len(given):
            raise NightBrokenError("an answer was given twice")
        ignored = sum(_ignored(each.text) for each in said if each.text.startswith("ignored"))
        if ignored + len(given) > len(self.play.stage.said):
            raise NightBrokenError(f"{ignored} ignored and {len(given)} given of {len(self.play.stage.said)} messages")
        if self.play.judged():
            raise NightBrokenError(f"{self.play.judged()}")

    def step(self) -> None:
        """Let minutes pass: workers ask, or go on by themselves; messages come; a check reads."""
        dice, stage = self.dice, self.play.stage
        for name in self.names:
            roll = dice.random()
            if self.shown[name] is None and roll < 0.6:
                self._show(name, dice.choice(DIALOGS))
            elif self.shown[name] is not None and roll < 0.15:
                self._show(name, None)
        self.play.go(minutes=6)
        for name in self.names:  # after the look, before the answers are read; equal words could not be told apart
            if self.shown[name] is not None and dice.random() < 0.15:
                self._show(name, dice.choice([each for each in DIALOGS if each != self.shown[name]]))
        self.lost_keys = {name for name in self.names if dice.random() < 0.15}
        due = [body for at, body in self.on_their_way if at <= stage.clock.at]
        self.on_their_way = [(at, body) for at, body in self.on_their_way if at > stage.clock.at]
        if dice.random() < 0.4:
            due.insert(dice.randrange(len(due) + 1), self.forge())
        dice.shuffle(due)
        stage.said += due
        self.judge(due)

    def judge(self, due: list[str]) -> None:
        """Have a check read, and compare what was pressed with what was said."""
        standing = {(name, self.episode[name]) for name in self.names if self.shown[name] is not None}
        before = len(self.pressed)
        d = self.play.deployment
        asked = {(q.worker, q.since) for q in core.told_questions(d, d.plan.wake.to[0])}
        take_answers(self.play.stage.world("at:9"), d)
        for body in due:
            if (button := self.buttons.get(body)) is not None:
                self.genuine.setdefault((button.worker, button.episode), []).append(button.label)
        for name, episode, label in self.pressed[before:]:
            if (name, episode) not in standing:
                raise NightBrokenError(f"{name}: question {episode} did not stand when it was answered")
            if label not in self.genuine.get((name, episode), []):
                raise NightBrokenError(f"{name}: {label} was pressed for question {episode}, and nobody said so")
        pressed = {(name, episode) for name, episode, _ in self.pressed}
        for body in due if asked else []:
            button = self.buttons.get(body)
            if button is not None and (button[:2] in standing) and button[:2] not in pressed:
                since = {worker for worker, _ in asked}
                if button.worker in since:
                    raise NightBrokenError(f"{button}: it was read while its question stood, and not given")


def _ignored(text: str) -> int:
    return sum(int(found.replace(",", "")) for found in re.findall(r"([\d,]+) messages?:", text))


@pytest.mark.parametrize("seed", range(NIGHTS))
def test_an_answer_is_given_once_and_only_to_its_question_whatever_the_network_does(seed: int) -> None:
    Night(seed).run()


MUTANTS: dict[str, Mutant] = {
    "an answer fits whatever begins like it": Mutant(
        core.meant_by,
        (("if text == nonce(key, d, question, choice):", "if text[:-1] == nonce(key, d, question, choice)[:-1]:"),),
    ),
    "the same words asked again are the same question": Mutant(
        core._questions_of,
        ((' {worker.questions}"', '"'),),
    ),
    "an answer is given as often as it comes": Mutant(
        engine._take_heard, (("not _given(world, d.name, who) else", "True else"),)
    ),
    "an answer is given to what is shown by then": Mutant(
        engine._give, (("wanted, seen=question.seen, asker=asker)", 'wanted, seen="", asker=asker)'),)
    ),
    "what was read is read again": Mutant(engine._take_heard, (("if heard.since:", "if not heard.since:"),)),
    "an answer that cannot be given ends the reading": Mutant(
        engine._take_heard,
        (('why = "" if _given(world, d.name, who) else sanitise(str(fault), IGNORED_CHARS_MAX)', "raise fault"),),
    ),
}
"""A rule that is taken away -> its mutant."""


@pytest.mark.parametrize("rule", MUTANTS)
def test_a_rule_that_is_taken_away_is_missed(rule: str) -> None:
    def nights() -> None:
        for seed in range(NIGHTS_TO_MISS):
            Night(seed).run()

    with planted(MUTANTS[rule]), pytest.raises((NightBrokenError, NeedsPersonError)):
        nights()
