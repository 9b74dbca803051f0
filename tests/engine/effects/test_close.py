"""How a deployment is closed, and what it leaves on the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.play import NAME, Play
from tests.transcript import Step, noted

from wakeman.adapters.memory.sessions import Playing
from wakeman.core.errors import ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Unit, UnitState
from wakeman.core.policy.tables import Decision
from wakeman.engine.effects.alarm import Disarm, FindAlarm
from wakeman.engine.effects.close import Bury, GiveBack, LetGo, bury, close, closing, let_go
from wakeman.engine.protocol.steps import append, drive
from wakeman.ports import Start

GONE: list[Step] = [Disarm, "alarm: disarmed"]


def begun(*, owed: bool = False, answers: bool = True) -> Play:
    """Give a deployment, a notice of which may be owed, and whose place may not answer."""
    play = Play(workers=1, units=1)
    play.up()
    if owed:
        world = play.stage.world()
        with world.logs.hold(NAME, world.by) as log:
            wake = e.Draft(e.Intended(action="wake", text="wrap up", causes=("wrap up:1",)))
            drive(world, log, append("decision", [wake]), world.clock.now())
    if not answers:
        play.stage.sessions.state = "unknown"
    return play


def paused() -> Play:
    """Give one that is paused, a notice of which is owed."""
    play = begun(owed=True)
    world = play.stage.world()
    with world.logs.hold(NAME, world.by) as log:
        pause = e.Draft(e.Requested(verb="pause"))
        drive(world, log, append("fold", [pause]), world.clock.now())
    return play


def watched(*, answers: bool = True) -> Play:
    """Give a deployment of a session that somebody else has started."""
    workers: dict[str, object] = {"by": "{{ unit }}", "sessions": "watch", "command": [], "mode": "interactive"}
    units: dict[str, object] = {"items": ["w0"], "output": "out/{{ unit }}"}
    play = Play(plan={"units": units, "workers": workers, "cleanup": {"rounds": 0}})
    play.stage.sessions.stranger("w0")
    play.up()
    if not answers:
        play.stage.sessions.state = "unknown"
    return play


def closed(play: Play, row: str) -> list[Step]:
    world, into = play.stage.world(), list[Step]()
    with world.logs.hold(NAME, world.by) as log:
        now = world.clock.now()
        drive(world, log, noted(close(log.deployment, Decision(row, why="so"), now), into), now)
    return into


@pytest.mark.parametrize(
    ("given", "row", "steps"),
    [
        (begun, "wrap up", [Bury, GiveBack, "action: closed", *GONE]),
        (begun, "stop", [Bury, GiveBack, "action: closed", *GONE]),
        (begun, "give up", [GiveBack, "action: closed", *GONE]),
        (lambda: begun(owed=True), "wrap up", [Bury, GiveBack, FindAlarm, "action: closed"]),
        (paused, "wrap up", [Bury, GiveBack, FindAlarm, "action: closed"]),
        (lambda: begun(owed=True), "give up", [GiveBack, FindAlarm, "action: closed"]),
        (lambda: begun(answers=False), "wrap up", [Bury, GiveBack, FindAlarm, "action: closed"]),
        (lambda: begun(answers=False), "give up", [GiveBack, "action: closed", *GONE]),
        (watched, "wrap up", [Bury, GiveBack, "action: closed", LetGo, *GONE]),
        (lambda: watched(answers=False), "give up", [GiveBack, "action: closed", LetGo]),
    ],
)
def test_the_alarm_goes_with_a_deployment_unless_a_notice_is_owed_or_sessions_are_to_be_buried_or_let_go(
    given: Callable[[], Play], row: str, steps: list[Step]
) -> None:
    """What was given up is left as it is: workers may still live."""
    assert steps == closed(given(), row)


@pytest.mark.parametrize(("row", "outcome"), [("wrap up", "complete"), ("give up", "partial"), ("stop", "stopped")])
@pytest.mark.parametrize("count", [0, 1, 100, 101])
def test_an_end_is_written_with_its_reason_and_the_first_units_that_are_missing(
    row: str, outcome: Any, count: int
) -> None:
    units = {f"u{n}": UnitState(unit=Unit(f"u{n}", ("o",)), worker="w") for n in range(count)}
    d = Deployment(units=units | {"v": UnitState(unit=Unit("v", ("o",)), worker="w", waived=True)})

    expected = e.Closed(outcome=outcome, why="so", missing=tuple(f"u{n}" for n in range(min(count, 100))))
    assert e.Draft(expected) == closing(d, Decision(row, why="so"))


@pytest.mark.parametrize("row", ["wrap up", "give up", "stop"])
def test_what_a_place_holds_is_given_back_before_the_last_line(row: str) -> None:
    """Behind that line no check would."""
    play, given = begun(), list[str]()
    play.stage.sessions.give_back = lambda: given.append(play.deployment.outcome)  # type: ignore[attr-defined] # optional

    closed(play, row)

    assert ["open"] == given


def test_only_the_deployments_own_dead_sessions_are_taken_away() -> None:
    play = begun()
    sessions = play.stage.sessions.playing
    (own,) = sessions.values()
    for name, mark in (("another", "nights/w0/1@b.1"), ("unmarked", "")):
        start = Start(session=name, mark=mark, argv=("sh", "x", "/y"), cwd="/")
        sessions[name] = Playing(start, mark, f"${name}", 9, created=0.0, activity=0.0, dead=True, code=0)
    lives = bury(play.stage.world(), play.deployment), set(sessions)
    own.dead, own.code = True, 0

    assert (True, {own.start.session, "another", "unmarked"}) == lives
    assert bury(play.stage.world(), play.deployment)
    assert {"another", "unmarked"} == set(sessions)


def test_what_is_left_of_a_watched_session_is_not_taken_away() -> None:
    play = watched()
    play.stage.sessions.playing["w0"].dead = True

    assert (True, ["w0"]) == (bury(play.stage.world(), play.deployment), list(play.stage.sessions.playing))


@pytest.mark.parametrize(
    ("state", "answers", "free", "mark"),
    [("running", True, True, ""), ("running", False, False, "night"), ("exited", False, True, "night")],
)
def test_marks_are_taken_off_the_watched_sessions_that_live(
    state: Any, mark: str, *, answers: bool, free: bool
) -> None:
    play = watched(answers=answers)
    d = play.deployment
    d.workers["w0"].state = state

    assert free == let_go(play.stage.world(), d)
    assert mark == play.stage.sessions.playing["w0"].mark.partition("/")[0]


def test_of_a_place_that_does_not_answer_nothing_is_known_to_be_gone() -> None:
    play = begun(answers=False)
    play.stage.sessions.cancel = len  # type: ignore[method-assign,assignment] # it says how many it was given

    assert not bury(play.stage.world(), play.deployment)


@pytest.mark.parametrize("cancelled", [0, ProgramError("no answer")])
def test_a_dead_session_that_stays_is_not_gone(cancelled: int | ProgramError) -> None:
    play = begun()
    (own,) = play.stage.sessions.playing.values()
    own.dead, own.code = True, 0

    def cancel(ends: Sequence[tuple[str, str]]) -> int:
        assert [(own.session_id, own.mark)] == ends
        if isinstance(cancelled, ProgramError):
            raise cancelled
        return cancelled

    play.stage.sessions.cancel = cancel  # type: ignore[method-assign] # a tmux that does not do it

    assert not bury(play.stage.world(), play.deployment)
