"""A row of launches that one process makes: it waits in between, and stands by for the checks that others want."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Armed, Launched, Looked
from wakeman.core.model import Deployment, FileFingerprint, Format, ParseLimitSpec
from wakeman.engine.check import BURST_S, OBSERVATIONS_MAX, ROW_STEP_MAX_S, check

SLOW = Act(seconds=3600)


def row(workers: int, stagger: float = 4, **tables: dict[str, object]) -> Play:
    """Begin a night of workers that are at work for an hour."""
    acts = {f"w{number}": SLOW for number in range(workers)}
    plan = {**tables, "workers": {"stagger": stagger, "at_once": workers, **tables.get("workers", {})}}
    play = Play(workers=workers, units=2, acts=acts, plan=plan)
    play.up()
    return play


def checked(play: Play, by: str = "timer:7") -> Deployment:
    """Make a check by a process that may wait, as `check.sh` starts it; its sessions go on meanwhile."""

    def pause(seconds: float) -> None:
        play.stage.clock.advance(seconds)
        play.stage.sessions.play()

    return check(play.stage.world(by), NAME, pause=pause)


def launches(play: Play) -> list[float]:
    """Return when each launch was, in seconds since the first."""
    at = [event.at for event in play.events if isinstance(event.data, Launched)]
    return [round((one - at[0]).total_seconds(), 1) for one in at]


def first_end(play: Play) -> None:
    """Let it go on to the first end, which no check has seen."""
    while not play.stage.sessions.pushes:
        play.stage.clock.advance(0.1)
        play.stage.sessions.play()


def by(play: Play) -> set[str]:
    return {event.by for event in play.events if isinstance(event.data, Launched)}


def test_one_process_makes_the_whole_row() -> None:
    play = row(5)

    checked(play)

    assert ([0.0, 4.0, 8.0, 12.0, 16.0], {"up:1", "timer:7"}) == (launches(play), by(play))
    assert [] == play.judged()


def test_no_timer_is_set_beside_the_process_that_waits() -> None:
    play = row(4)
    play.stage.sleepers.jobs.clear()

    checked(play)

    assert {} == play.stage.sleepers.jobs


def test_the_alarm_is_set_again_behind_the_row_and_pending_all_along() -> None:
    play = row(4)
    before = sum(isinstance(event.data, Armed) for event in play.events)

    checked(play)

    assert before + 1 == sum(isinstance(event.data, Armed) for event in play.events)
    assert 1 == len(play.stage.alarms.jobs)


def test_without_leave_to_wait_each_launch_has_a_timer() -> None:
    play = row(4)

    check(play.stage.world("hand:7"), NAME)

    assert (1, 1) == (len(launches(play)), len(play.stage.sleepers.jobs))


def test_a_long_stagger_is_left_to_a_timer() -> None:
    play = row(3, stagger=ROW_STEP_MAX_S + 1)

    checked(play)

    assert (1, 1) == (len(launches(play)), len(play.stage.sleepers.jobs))


def test_a_process_that_has_looked_often_leaves_the_row_to_a_timer() -> None:
    play = row(OBSERVATIONS_MAX + 10, stagger=1)
    play.stage.sleepers.jobs.clear()

    checked(play)
    first, timers = len(launches(play)), len(play.stage.sleepers.jobs)
    play.go(minutes=2)  # the alarm comes after five

    assert (True, 1, OBSERVATIONS_MAX + 10) == (first <= OBSERVATIONS_MAX + 1, timers, len(launches(play)))
    assert [] == play.judged()


def test_a_check_that_is_wanted_meanwhile_is_made_at_once() -> None:
    play = row(3)

    def pause(seconds: float) -> None:
        play.stage.clock.advance(seconds)
        if play.stage.clock.at.microsecond:  # once, in the first wait
            play.stage.logs.want(NAME)

    check(play.stage.world("timer:7"), NAME, pause=pause)

    looks = [event.at for event in play.events if isinstance(event.data, Looked) and event.by == "timer:7"]
    assert any(0 < (two - one).total_seconds() < 1 for one, two in pairwise(looks))


def test_a_second_process_does_not_wait_beside_the_first_and_leaves_the_launch_to_a_timer() -> None:
    """The first may stand by for ends alone, and go before the launch is due."""
    play = row(3)
    play.stage.sleepers.jobs.clear()
    before = play.stage.clock.mono()

    with play.stage.logs.stand_by(NAME):
        checked(play)

    assert (1, before, 1) == (len(launches(play)), play.stage.clock.mono(), len(play.stage.sleepers.jobs))
    play.go(minutes=2)
    assert [0.0, 4.0, 8.0] == launches(play)


def test_a_worker_s_end_is_seen_by_the_process_that_another_end_has_started() -> None:
    play = Play(workers=3, units=1)
    play.stage.acts.update({"w0": Act(seconds=5), "w1": Act(seconds=5.5), "w2": SLOW})
    play.up()
    first_end(play)

    def pause(seconds: float) -> None:
        play.stage.clock.advance(seconds)
        play.stage.sessions.play()
        if len(play.stage.sessions.pushes) == 2:
            play.stage.sessions.pushes.clear()
            play.stage.logs.want(NAME)

    check(play.stage.world("exit:7"), NAME, pause=pause)

    assert {"w0": "verified", "w1": "verified", "w2": "running"} == play.states()
    assert {"up:1", "exit:7"} == {event.by for event in play.events}


@pytest.mark.parametrize(("by", "stays"), [("exit:7", BURST_S), ("hook:7", 0), ("timer:7", 0)])
def test_who_was_started_by_an_end_and_saw_one_stays_for_a_moment_while_others_are_at_work(
    by: str, stays: float
) -> None:
    play = row(2, stagger=0)
    before = play.stage.clock.mono()

    checked(play, by)  # it sees that both have begun
    between = play.stage.clock.mono()
    checked(play, by)

    assert (stays, 0) == (round(between - before, 3), play.stage.clock.mono() - between)


def test_nobody_stays_for_ends_that_cannot_come() -> None:
    play = Play(workers=1, units=1)
    play.up()
    first_end(play)
    before = play.stage.clock.mono()

    checked(play, "exit:7")

    assert ("complete", before) == (play.deployment.outcome, play.stage.clock.mono())


def test_what_a_worker_makes_until_its_share_is_whole_is_not_parsed_for_the_row() -> None:
    play = Play(workers=3, units=2, plan={"workers": {"stagger": 4}, "verify": {"parse": "json"}})
    play.stage.usual = Act(seconds=6)
    play.up()

    checked(play)
    at_its_end = list(play.stage.parser.parsed)
    done = play.go()

    assert ([], "complete", 6) == (at_its_end, done.outcome, sum(map(len, play.stage.parser.parsed)))
    assert [] == play.judged()


def test_who_still_makes_files_of_its_share_does_not_keep_a_check_looking() -> None:
    """Before, each look found what had been made while the look before was parsed, and so it went on."""
    play = Play(workers=1, units=9, plan={"verify": {"parse": "json"}})
    play.stage.usual = Act(seconds=60)
    play.up()
    play.go(minutes=1.5)
    calls = play.stage.parser.parsed
    calls.clear()
    parser = play.stage.parser.parse

    def slow(kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
        play.stage.clock.advance(60)  # as long as a worker takes for the next
        play.stage.sessions.play()
        return parser(kind, files, limit)

    play.stage.parser.parse = slow  # type: ignore[method-assign] # to have time pass meanwhile
    check(play.stage.world("at:1"), NAME)

    assert 1 == len(calls)


def test_a_share_that_has_become_whole_meanwhile_is_parsed_by_the_same_check() -> None:
    play = Play(workers=1, units=2, plan={"verify": {"parse": "json"}})
    play.stage.usual = Act(seconds=60)
    play.up()
    play.stage.clock.advance(60)
    play.stage.sessions.play()
    parser = play.stage.parser.parse

    def slow(kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
        play.stage.clock.advance(60)
        play.stage.sessions.play()
        return parser(kind, files, limit)

    play.stage.parser.parse = slow  # type: ignore[method-assign] # to have time pass meanwhile
    check(play.stage.world("at:1"), NAME)

    assert [1, 1] == [len(call) for call in play.stage.parser.parsed]
    assert {"w0": "verified"} == play.states()
