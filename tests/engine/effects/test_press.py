"""A dialog is answered once, by what was seen, between an intent and its outcome; never again where that is open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.play import Play
from tests.transcript import answered

from wakeman.core.log import events as e
from wakeman.core.model import Choice, Dialog, OpenIntent, WorkerState
from wakeman.engine.effects.press import Press, PressedOrNot, press_once
from wakeman.engine.protocol.steps import Append
from wakeman.ports import Pressing, ShownDialog

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
DIALOG = Dialog("permission", "Run it?", (Choice("Yes", "once"),), seen="d1")
AGAIN = "interrupted; the same question is shown: it is not pressed again"
OVER = "interrupted; its attempt is over"


@pytest.mark.parametrize("why", ["", "it shows another question"])
def test_who_asks_is_recorded_with_the_press_and_its_outcome_is_told(why: str) -> None:
    asked, fact = e.Requested(verb="approve", who="ada"), e.Intended(action="press", target="w", digest="d1")
    worker = WorkerState(name="w", session="w", state="stuck", attempt=2)

    found, result = answered(press_once(worker, asked, fact, Pressing("d1")), {Press: why})

    assert why == result
    assert [
        Append("fold", (e.Draft(asked, worker="w", attempt=2), e.Draft(fact, worker="w", attempt=2))),
        Press("w", Pressing("d1")),
        Append("outcome", (e.Draft(e.Effected(intent=8, ok=not why, detail=why), worker="w", attempt=2),)),
    ] == found


def begun() -> Play:
    play = Play(workers=1, units=1, plan={"workers": {"mode": "interactive"}})
    play.up()
    return play


def test_why_nothing_could_be_pressed_is_told() -> None:
    play = begun()
    d, world, harness = play.deployment, play.stage.world(), play.stage.harness
    press, left = Press("w0", Pressing("d1")), OpenIntent(seq=3, action="press", at=NOW, worker="w0", attempt=1)
    strange, unseen = press.perform(world, d), PressedOrNot(left).perform(world, d)
    harness.dialog = lambda _: ShownDialog(DIALOG, 0)  # type: ignore[attr-defined] # what a client's harness has besides
    play.stage.sessions.playing.clear()
    gone = press.perform(world, d)

    assert (f"{harness.name}: its dialogs are not understood", "") == (strange, unseen)
    assert (True, f"interrupted: {gone}") == (bool(gone), PressedOrNot(left).perform(world, d))


@pytest.mark.parametrize(
    ("shows", "attempt", "state", "why"),
    [
        (DIALOG, 1, "stuck", AGAIN),
        (Dialog("permission", "Run it?", (), seen="d2"), 1, "stuck", ""),
        (None, 1, "stuck", ""),
        (None, 2, "stuck", OVER),
        (None, 1, "exited", OVER),
        (None, 2, "exited", OVER),
    ],
)
def test_of_an_interrupted_press_is_told_whether_its_question_is_gone(
    shows: Dialog | None, attempt: int, state: Any, why: str
) -> None:
    play = begun()
    d, harness = play.deployment, play.stage.harness
    harness.dialog = lambda _: ShownDialog(shows, 0) if shows else None  # type: ignore[attr-defined] # what a client's has besides
    d.workers["w0"].state = state
    open_press = OpenIntent(seq=3, action="press", at=NOW, worker="w0", attempt=attempt, digest="d1")

    assert why == PressedOrNot(open_press).perform(play.stage.world(), d)
