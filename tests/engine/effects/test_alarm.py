"""When an alarm is set, replaced or removed, and for which reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.play import NAME, Play
from tests.transcript import Step, noted

from wakeman.core.errors import ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.engine.check import check
from wakeman.engine.effects.alarm import (
    TIMER_MIN_S,
    Arm,
    Disarm,
    FindAlarm,
    Rearm,
    Replace,
    Soon,
    disarm,
    ensure,
    rearm,
)
from wakeman.engine.protocol import requests
from wakeman.engine.protocol.steps import Steps, drive


def begun() -> Play:
    """Give a deployment with an alarm ahead."""
    play = Play(workers=1, units=1)
    play.up()
    return play


def unarmed() -> Play:
    """Give one whose alarm is gone from the queue."""
    play = begun()
    play.stage.alarms.jobs.clear()
    return play


def fired() -> Play:
    """Give one whose alarm has just fired."""
    play = unarmed()
    alarm = play.deployment.alarm
    assert alarm is not None
    play.stage.clock.advance((alarm.due - play.stage.clock.now()).total_seconds())
    return play


def paused() -> Play:
    """Give one that is paused, its alarm removed."""
    play = begun()
    driven(play, lambda d: requests.request(d, "pause", "", play.stage.clock.now()))
    check(play.stage.world(), NAME)
    return play


def refused() -> Play:
    """Give one whose alarm is gone, and no timer takes another."""
    play = unarmed()

    def refuse(*_: object, **__: object) -> Any:
        raise ProgramError("no daemon")

    play.stage.alarms.arm = refuse  # type: ignore[method-assign] # an `at` that does not run
    play.stage.sleepers.broken = "no process can be started"
    return play


def driven(play: Play, protocol: Callable[[Deployment], Steps[None]]) -> list[Step]:
    world, into = play.stage.world("hand:1"), list[Step]()
    with world.logs.hold(NAME, world.by) as log:
        drive(world, log, noted(protocol(log.deployment), into), world.clock.now())
    return into


def reasons(play: Play) -> list[str]:
    return [event.data.why for event in play.events if isinstance(event.data, e.Armed)]


ARMED: list[Step] = [FindAlarm, Arm, "alarm: armed"]


@pytest.mark.parametrize(
    ("given", "waking", "steps", "why"),
    [
        (begun, False, [FindAlarm], "first"),
        (unarmed, False, [*ARMED, Replace], "missing"),
        (fired, False, ARMED, "next"),
        (paused, False, [], "head"),
        (paused, True, ARMED, "missing"),
        (begun, True, [FindAlarm], "first"),
        (refused, False, [FindAlarm, Arm, Replace], "head"),
    ],
)
def test_an_alarm_is_set_where_none_lies_ahead_for_the_reason_that_there_is(
    given: Callable[[], Play], waking: bool, steps: list[Step], why: str
) -> None:
    play = given()
    before = len(play.events)

    assert steps == driven(play, lambda d: ensure(d, play.stage.clock.now(), paused=waking))
    assert ([why] if "alarm: armed" in steps else []) == [
        event.data.why for event in play.events[before:] if isinstance(event.data, e.Armed)
    ]


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        (begun, [Rearm, "alarm: armed", Replace]),
        (refused, [Rearm, Replace]),
        (paused, [Disarm]),
    ],
)
def test_an_alarm_is_replaced_by_one_with_the_new_head_the_new_one_first(
    given: Callable[[], Play], steps: list[Step]
) -> None:
    play = given()

    assert steps == driven(play, rearm)
    assert len(play.stage.alarms.jobs) == ("alarm: armed" in steps)


def test_the_new_alarm_is_written_when_it_was_set_and_not_when_its_check_began() -> None:
    play = begun()
    world, now = play.stage.world(), play.stage.clock.now()
    play.stage.clock.advance(90)
    with world.logs.hold(NAME, world.by) as log:
        drive(world, log, rearm(log.deployment), now)

    assert play.stage.clock.now() == play.events[-1].at


def test_a_check_is_had_soon_by_the_earliest_of_those_that_want_one() -> None:
    play = begun()
    Soon(7.0).perform(play.stage.world(), play.deployment)

    Soon(30.0).perform(play.stage.world(), play.deployment)  # one that comes earlier is enough
    ((job, argv),) = play.stage.sleepers.jobs.values()
    assert (7.0, True) == ((job.due - play.stage.clock.now()).total_seconds(), "timer" in argv)
    Soon(2.0).perform(play.stage.world(), play.deployment)
    ((job, _),) = play.stage.sleepers.jobs.values()
    assert 2.0 == (job.due - play.stage.clock.now()).total_seconds()


@pytest.mark.parametrize(
    ("stagger", "asked", "passed", "seconds"),
    [
        pytest.param(4.0, 4.0, 0.0, 4.0, id="nothing has passed"),
        pytest.param(4.0, 4.0, 1.5, 2.5, id="the launch took some time"),
        pytest.param(4.0, 4.0, 9.0, TIMER_MIN_S, id="it is due"),
        pytest.param(0.5, 0.5, 0.15, 0.15, id="so near that the start of a check counts"),
        pytest.param(4.0, 64.0, 9.0, 64.0, id="looks in vain are to be few"),
    ],
)
def test_the_timer_for_a_launch_counts_from_the_launch_before(
    stagger: float, asked: float, passed: float, seconds: float
) -> None:
    play = Play(workers=1, units=1, plan={"workers": {"stagger": stagger}})
    play.up()
    d, clock = play.deployment, play.stage.clock
    d.last_launch = clock.mono()
    clock.advance(passed)

    Soon(asked, launches=True).perform(replace(play.stage.world(), start_s=0.2), d)

    ((job, _),) = play.stage.sleepers.jobs.values()
    assert pytest.approx(seconds, abs=1e-4) == (job.due - clock.now()).total_seconds()


def test_a_pause_that_begins_takes_the_alarm_away_and_then_writes_so() -> None:
    play = begun()
    driven(play, lambda d: requests.request(d, "pause", "", play.stage.clock.now()))

    assert [Disarm, "alarm: disarmed"] == driven(play, rearm)
    assert {} == play.stage.alarms.jobs
    assert [Disarm] == driven(play, disarm)


def test_the_first_alarm_of_a_log_is_the_first() -> None:
    play = begun()
    world = play.stage.world()
    d = play.deployment
    d.generation, d.alarm = 0, None

    step = next(ensure(d, world.clock.now(), paused=False))

    assert FindAlarm("first", world.clock.now()) == step


def stood_in(every: float = 300) -> Play:
    """Give one whose alarm is the stand-in's."""
    play = Play(workers=1, units=1, plan={"wake": {"every": every}})
    play.up()
    play.stage.alarms.jobs.clear()
    play.stage.alarms.broken = "no daemon"
    driven(play, lambda d: ensure(d, play.stage.clock.now(), paused=False))
    return play


@pytest.mark.parametrize("every", [300, 20])
def test_an_alarm_without_a_job_is_replaced_only_when_its_time_has_come(every: float) -> None:
    play = stood_in(every)
    d, timers = play.deployment, len(play.stage.sleepers.jobs)
    assert d.alarm is not None
    early = Rearm().perform(play.stage.world(), d)
    assert timers == len(play.stage.sleepers.jobs)
    play.stage.clock.advance((d.alarm.due - play.stage.clock.now()).total_seconds())

    late = Rearm().perform(play.stage.world(), d)

    assert ("", None) == (d.alarm.job, early)
    assert late is not None
    assert ("head", d.generation + 1) == (late.why, late.alarm.generation)


def test_an_alarm_with_a_job_is_not_replaced_by_one_without() -> None:
    """The timer refuses this once: what is queued is worth more."""
    play = begun()

    def refuse(*_: object, **__: object) -> Any:
        raise ProgramError("try again")

    play.stage.alarms.arm = refuse  # type: ignore[method-assign] # an `at` that refuses once
    kept = Rearm().perform(play.stage.world(), play.deployment)
    play.stage.alarms.jobs.clear()
    gone = Rearm().perform(play.stage.world(), play.deployment)

    assert kept is None
    assert gone is not None
    assert "" == gone.alarm.job


def test_an_alarm_below_a_minute_goes_on_by_its_timer() -> None:
    play = Play(workers=1, units=1, plan={"wake": {"every": 5}})
    play.up()
    before = len(play.stage.sleepers.jobs)

    assert FindAlarm("next", play.stage.clock.now()).perform(play.stage.world("at:1"), play.deployment)
    assert before == len(play.stage.sleepers.jobs) == 1


def test_a_stand_in_gives_way_when_the_timer_works_again_and_stays_while_that_refuses() -> None:
    play = stood_in(300)
    d, now, world = play.deployment, play.stage.clock.now(), play.stage.world()
    asleep = dict(play.stage.sleepers.jobs)
    assert FindAlarm("missing", now).perform(world, d)
    play.stage.alarms.broken = ""
    whole = play.stage.alarms.arm

    def refuse(*_: object, **__: object) -> Any:
        raise ProgramError("its spool is full")

    play.stage.alarms.arm = refuse  # type: ignore[method-assign] # an `at` that takes no job
    assert not FindAlarm("missing", now).perform(world, d)
    assert Arm("missing", now).perform(world, d) is None
    assert asleep == play.stage.sleepers.jobs
    play.stage.alarms.arm = whole  # type: ignore[method-assign]

    armed = Arm("missing", now).perform(world, d)

    assert armed is not None
    assert ("at", True) == (armed.alarm.kind, bool(armed.alarm.job))


@pytest.mark.parametrize(
    ("every", "by", "timers"), [(20, "at:1", 1), (20, "hand:1", 0), (20, "timer:1", 0), (60, "at:1", 0)]
)
def test_an_interval_below_a_minute_begins_anew_with_each_check_that_it_starts(
    every: float, by: str, timers: int
) -> None:
    """Such a check sets no alarm if it finds nothing to do."""
    play = Play(workers=1, units=1, plan={"wake": {"every": every}})
    play.up()
    play.stage.sleepers.jobs.clear()

    assert FindAlarm("next", play.stage.clock.now()).perform(play.stage.world(by), play.deployment)
    assert timers == len(play.stage.sleepers.jobs)


@pytest.mark.parametrize(
    ("pending", "weak", "stands_in"), [(True, "", False), (True, "no daemon", True), (False, "", True)]
)
def test_a_stand_in_that_is_pending_is_not_set_once_more_because_the_timer_refuses(
    pending: bool, weak: str, stands_in: bool
) -> None:
    play = stood_in()
    play.stage.alarms.broken = weak
    if not pending:
        play.stage.sleepers.jobs.clear()

    def refuse(*_: object, **__: object) -> Any:
        raise ProgramError("try again")

    play.stage.alarms.arm = refuse  # type: ignore[method-assign] # an `at` that refuses once
    armed = Arm("missing", play.stage.clock.now()).perform(play.stage.world(), play.deployment)

    assert stands_in == (armed is not None)
