"""What is typed into a worker's session, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.play import Play
from tests.transcript import answered

from wakeman.core.log import events as e
from wakeman.core.model import EDITION_PROGRESS_MIN, Deployment, Unit, UnitState, WorkerState
from wakeman.core.policy.tables import EDITION_QUOTING_MIN, Decision
from wakeman.core.text import as_data
from wakeman.engine.effects.text import PressEnter, ReportedPrompts, Type, enter, nudge, send
from wakeman.engine.protocol.steps import Append, Steps

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def worker(count: int = 2, **fields: Any) -> WorkerState:
    built = WorkerState(name="w", session="s_w", units=[f"u{n}" for n in range(count)], attempt=2)
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(one: WorkerState) -> Deployment:
    units = {name: UnitState(unit=Unit(name, ("o",)), worker="w") for name in one.units}
    return Deployment(name="n", workers={"w": one}, units=units)


def driven(steps: Steps[Any], why: str) -> tuple[list[object], object]:
    """Give the effects and facts that a protocol yields, and what it returns, where typing fails so."""
    found, returned = answered(steps, {ReportedPrompts: "heard so far", Type: why, PressEnter: why})
    facts = [
        (each.kind, *(draft.data for draft in each.drafts)) if isinstance(each, Append) else each for each in found
    ]
    assert {("w", 2)} == {
        (draft.worker, draft.attempt) for each in found if isinstance(each, Append) for draft in each.drafts
    }
    return facts, returned


def outcome(why: str) -> tuple[str, e.Fact]:
    return "outcome", e.Effected(intent=7, ok=not why, detail=why)


GONE = "These sessions of yours took longer than is allowed and were ended: {}. Go on without them. "
WHY = pytest.mark.parametrize("why", ["", "its session is gone"])


@WHY
def test_a_nudge_is_an_intent_with_what_the_client_had_said_then_typed_then_its_outcome(why: str) -> None:
    one = worker()
    text = "Still missing, go on with these: u0; u1"
    fact = e.Intended(action="nudge", target="s_w", text=text, confirm=True, before="heard so far")

    found, _ = driven(nudge(deployment(one), Decision("investigate", worker="w"), NOW), why)

    assert [ReportedPrompts("w"), ("action", fact), Type("w", text), outcome(why)] == found


@WHY
def test_enter_is_pressed_between_its_intent_and_its_outcome(why: str) -> None:
    found, _ = driven(enter(deployment(worker()), Decision("enter", worker="w"), NOW), why)

    assert [("action", e.Intended(action="enter", target="s_w")), PressEnter("w"), outcome(why)] == found


@WHY
def test_what_a_person_sends_is_typed_as_they_say_and_they_are_told_why_not(why: str) -> None:
    fact = e.Intended(action="send", target="s_w", text="go on")
    typing = Type("w", "go on with the key", submit=False, force=True, raw=True)

    found, returned = driven(send(worker(), fact, typing), why)

    assert ([("fold", fact), typing, outcome(why)], why) == (found, returned)


def nudged(one: WorkerState, change: Callable[[Deployment], None] = lambda _: None) -> str:
    d = deployment(one)
    change(d)
    found, _ = driven(nudge(d, Decision("tell", worker="w"), NOW), "")
    (text,) = [step.text for step in found if isinstance(step, Type)]
    return text


def test_a_nudge_names_what_is_missing_only_and_harmlessly() -> None:
    def waive(d: Deployment) -> None:
        d.units["u0"].waived = True
        d.units["u\n1"] = d.units.pop("u1")
        d.workers["w"].units = ["u0", "u\n1"]

    assert "Still missing, go on with these: u 1" == nudged(worker(), waive)


@pytest.mark.parametrize(("count", "named"), [(19, 19), (20, 20), (21, 20), (500, 20)])
def test_a_nudge_names_twenty_at_most(count: int, named: int) -> None:
    assert [f"u{n}" for n in range(named)] == nudged(worker(count)).partition(": ")[2].split("; ")


def test_a_nudge_tells_which_of_its_own_sessions_were_ended() -> None:
    said = (
        "These sessions of yours took longer than is allowed and were ended: val_a; val_ b. Go on without them. "
        "Still missing, go on with these: u0"
    )

    assert said == nudged(worker(1, swept=("val_a", "val_\tb")))


@pytest.mark.parametrize(
    ("edition", "text"),
    [
        (1, GONE.format("a b")),
        (EDITION_QUOTING_MIN, GONE.format(as_data("a\tb", 60))),
        (EDITION_PROGRESS_MIN, GONE.format(as_data("a\tb", 60))),
    ],
)
def test_a_nudge_about_sessions_that_were_ended_quotes_their_names_and_asks_for_nothing_that_is_made(
    edition: int, text: str
) -> None:
    def made(d: Deployment) -> None:
        d.edition, d.units["u0"].waived = edition, True

    asked = "Still missing, go on with these: " if edition < EDITION_PROGRESS_MIN else ""
    assert text + asked == nudged(worker(1, swept=("a\tb",)), made)


@pytest.mark.parametrize(("edition", "quoted"), [(1, False), (EDITION_QUOTING_MIN, True), (EDITION_PROGRESS_MIN, True)])
def test_a_nudge_quotes_names_since_logs_say_so(edition: int, *, quoted: bool) -> None:
    def of(d: Deployment) -> None:
        d.edition = edition

    name = as_data("u0", 100) if quoted else "u0"
    assert f"Still missing, go on with these: {name}" == nudged(worker(1), of)


def test_long_names_are_cut() -> None:
    one = worker(0, swept=("v" * 99,), units=["u" * 199])

    text = nudged(one)

    assert ("v" * 59 + "…. Go on" in text, text.endswith(": " + "u" * 99 + "…")) == (True, True)


def test_what_the_clients_hook_left_and_the_screen_are_asked_of_the_world() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"harness": "claude", "mode": "interactive"}})
    play.up()
    world, d = play.stage.world(), play.deployment
    before = ReportedPrompts("w0").perform(world, d)

    assert "" == Type("w0", "go on", force=True).perform(world, d)
    assert before != ReportedPrompts("w0").perform(world, d)
    assert "" == PressEnter("w0").perform(world, d)
    play.stage.sessions.playing.clear()
    assert PressEnter("w0").perform(world, d)


def test_a_text_is_sent_off_and_typed_over_nothing_unless_it_is_said() -> None:
    assert Type("w", "go on", submit=True, force=False, raw=False) == Type("w", "go on")
