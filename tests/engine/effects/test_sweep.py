"""Which side sessions are ended, under which mark, and what is written of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.play import NAME, Play
from tests.transcript import answered

from wakeman.adapters.memory.sessions import Playing
from wakeman.core.errors import ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, WorkerState, attempt_id
from wakeman.engine.effects.sweep import EndSession, LeftOver, SessionToEnd, end_session
from wakeman.ports import Start

OLDER_S = 60


def beside(mark: str = "") -> Play:
    """Give a deployment beside whose worker a session of the plan's pattern has just begun."""
    play = Play(workers=1, units=1, plan={"cleanup": {"sweep": [{"sessions": "val_*", "older_than": OLDER_S}]}})
    play.up()
    now = play.stage.clock.at.timestamp()
    start = Start(session="val_a", mark=mark, argv=("sh", "x", "/elsewhere"), cwd="/")
    play.stage.sessions.playing["val_a"] = Playing(start, mark, "$9", 900, created=now, activity=now)
    return play


def started_by_its_worker() -> Play:
    play = beside()
    d = play.deployment
    play.stage.machine.living[attempt_id(d, d.workers["w0"])] = [900]
    return play


@pytest.mark.parametrize(("age", "old"), [(0, False), (OLDER_S - 1, False), (OLDER_S, True), (3600, True)])
def test_a_session_is_left_over_once_it_is_as_old_as_the_plan_says(age: float, old: bool) -> None:
    """One that carries no mark of ours is told of then, and never ended."""
    ours, theirs = started_by_its_worker(), beside()
    found = [
        list(LeftOver(play.stage.clock.now() + timedelta(seconds=age)).perform(play.stage.world(), play.deployment))
        for play in (ours, theirs)
    ]

    told = "session val_a matches cleanup.sweep and does not carry our mark: left alone"
    assert [[SessionToEnd("val_a", "$9", "", "w0")] * old, [told] * old] == found


def ended(play: Play, one: SessionToEnd, answer: int | ProgramError | None = None) -> tuple[str, list[Any]]:
    """End a session; give why it was not, and what its place was asked to end."""
    asked: list[Any] = []
    cancel = play.stage.sessions.cancel

    def noting(ends: Sequence[tuple[str, str]]) -> int:
        asked.extend(ends)
        if isinstance(answer, ProgramError):
            raise answer
        return cancel(ends) if answer is None else answer

    play.stage.sessions.cancel = noting  # type: ignore[method-assign] # to see what is asked
    return EndSession(one).perform(play.stage.world(), play.deployment), asked


def test_a_session_without_a_mark_gets_one_before_it_is_ended_and_another_keeps_its_own() -> None:
    bare, marked = beside(), beside(f"{NAME}/other/1@b")
    given = f"{NAME}/swept/0@{bare.stage.clock.boot()}"

    assert ("", [("$9", given)]) == ended(bare, SessionToEnd("val_a", "$9"))
    assert ("", [("$9", f"{NAME}/other/1@b")]) == ended(marked, SessionToEnd("val_a", "$9", f"{NAME}/other/1@b"))
    assert [1, 1] == [len(play.stage.sessions.playing) for play in (bare, marked)]


@pytest.mark.parametrize(("answer", "why"), [(0, "it was gone"), (ProgramError("no \x1b[1manswer"), "no answer")])
def test_why_a_session_was_not_ended_is_said(answer: int | ProgramError, why: str) -> None:
    assert why == ended(beside(), SessionToEnd("val_a", "$9"), answer)[0]


@pytest.mark.parametrize(("by", "kind"), [("person", "fold"), ("wakeman", "action")])
@pytest.mark.parametrize(("worker", "about"), [("w", ("w", 2)), ("", (None, None))])
@pytest.mark.parametrize("why", ["", "it was gone"])
def test_an_end_is_written_between_intent_and_outcome_about_who_started_the_session(
    by: Any, kind: str, worker: str, about: tuple[object, object], why: str
) -> None:
    d = Deployment(workers={"w": WorkerState(name="w", session="w", attempt=2)})
    one = SessionToEnd("val_a", "$9", worker=worker)

    (intent, effect, outcome), _ = answered(end_session(d, one, by), {EndSession: why})

    assert (kind, EndSession(one), "outcome") == (intent.kind, effect, outcome.kind)
    assert [
        (*about, e.Intended(action="sweep", target="val_a", ended_by=by)),
        (*about, e.Effected(intent=7, ok=not why, detail=why)),
    ] == [(each.drafts[0].worker, each.drafts[0].attempt, each.drafts[0].data) for each in (intent, outcome)]
