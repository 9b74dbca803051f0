"""Whole deployments on the in-memory world: what is launched, which rows are taken, how it ends."""

from __future__ import annotations

import pytest
from tests.play import Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Closed


def test_a_quiet_night_launches_everybody_and_wraps_up() -> None:
    play = Play(workers=3, units=2)

    done = play.run()

    assert ("complete", ["launch", "sleep", "wrap up"]) == (done.outcome, play.rows())
    assert {"w0": "verified", "w1": "verified", "w2": "verified"} == play.states()


def test_a_worker_that_ends_early_gets_a_cleanup_worker_for_exactly_the_rest() -> None:
    play = Play(workers=2, units=3, acts={"w0": Act(stops_after=1)})

    done = play.run()

    assert "complete" == done.outcome
    assert ["w0/u1", "w0/u2"] == done.workers["w0_c1"].units
    assert ["clean up"] == play.rows(without=("launch", "sleep", "wrap up"))


def test_units_that_nobody_manages_end_as_partial_and_are_named() -> None:
    play = Play(
        workers=2, units=2, acts={"w0": Act(stops_after=1), "w0_c1": Act(stops_after=0), "w0_c2": Act(stops_after=0)}
    )

    done = play.run()

    closed = [event.data.missing for event in play.events if isinstance(event.data, Closed)]
    assert ("partial", [("w0/u1",)]) == (done.outcome, closed)


def test_a_crash_is_retried_by_the_same_worker_within_its_attempts() -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=1, code=1)})

    done = play.run()

    assert ("complete", 2, ["retry"]) == (done.outcome, done.workers["w0"].attempt, play.rows(worker=True))


def test_a_silent_worker_is_captured_then_a_person_is_asked_and_it_is_left_alone() -> None:
    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=0, hangs=True)})

    play.run(minutes=40)

    assert ["capture", "ask"] == play.rungs("w0")
    assert "stuck" == play.states()["w0"]
    assert 1 == len([text for text in play.told() if "needs you" in text and "no sign of life" in text])


def test_no_alarm_is_ever_missing_while_it_is_open() -> None:
    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=0, hangs=True)})
    play.up()

    for _ in range(20):
        assert play.deployment.alarm is not None
        play.go(minutes=7)

    assert 1 == len(play.stage.alarms.jobs)


@pytest.mark.parametrize("units", [2, 500])
def test_a_verify_command_is_waited_for_before_anything_is_missing(units: int) -> None:
    play = Play(workers=2, units=units, plan={"verify": {"command": ["judge", "{{ output }}"]}})
    play.stage.usual = Act(seconds=0.01)

    done = play.run(minutes=10)

    judged = [argv for argv in play.stage.machine.ran if argv[0] == "judge"]
    assert ("complete", 2 * units, ["wrap up"]) == (done.outcome, len(judged), play.rows(without=("launch", "sleep")))
    assert {"w0": 1, "w1": 1} == {worker.name: worker.attempt for worker in done.workers.values()}
