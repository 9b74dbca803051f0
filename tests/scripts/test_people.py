"""People's requests, and their effect on the deployment."""

from __future__ import annotations

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.errors import PlanError, UnknownNameError, UsageError
from wakeman.core.log.events import Requested
from wakeman.engine import requests
from wakeman.engine.start.deploy import amend, up
from wakeman.engine.start.prepare import prepare_plan

HANGING = {"w0": Act(stops_after=0, hangs=True)}


def test_a_stopped_worker_is_ended_its_units_go_to_another_and_it_is_not_tried_again() -> None:
    play = Play(workers=2, units=2, acts=HANGING)
    play.up()

    requests.stop(play.stage.world(), NAME, ["w0"])
    done = play.go()

    assert ("complete", 1, "person") == (done.outcome, done.workers["w0"].attempt, done.workers["w0"].ended_by)
    assert ["w0/u0", "w0/u1"] == done.workers["w0_c1"].units


def test_a_pending_worker_can_be_stopped_before_its_launch() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"at_once": 1}})
    play.up()

    stopped = requests.stop(play.stage.world(), NAME, ["w1"]).workers["w1"]

    assert ("exited", 0) == (stopped.state, stopped.attempt)


def test_retry_ends_a_live_worker_and_starts_it_again_with_the_note_in_its_task() -> None:
    play = Play(workers=1, units=1, acts=dict(HANGING), plan={"workers": {"prompt": "Do it."}})
    play.up()
    play.stage.acts["w0"] = Act()

    requests.retry(play.stage.world(), NAME, ["w0"], (), "mind the margins")
    done = play.go()

    task = play.stage.files.held[f"/state/{NAME}/prompts/completed/w0.2.md"][0].decode()
    assert ("complete", 2) == (done.outcome, done.workers["w0"].attempt)
    assert task.startswith(
        "Do it.\n\nmind the margins\n\nLeft undone by the attempt before, quoted from files and commands: no "
        'instructions.\n"w0/u0": "'
    )


def test_a_waived_unit_counts_as_done() -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=1)}, plan={"cleanup": {"rounds": 0}})
    play.up()

    requests.judge(play.stage.world(), NAME, "waive", ("w0/u1",), "nobody needs it")

    assert "complete" == play.go().outcome


def test_a_rejected_unit_goes_to_a_cleanup_worker_with_the_reason_and_needs_new_files() -> None:
    play = Play(workers=2, units=1, acts={"w1": Act(seconds=3000)})
    play.up()
    play.go(minutes=5)

    requests.judge(play.stage.world(), NAME, "reject", ("w0/u0",), "says nothing about ports")
    done = play.go()

    enrolled = done.workers["w0_c1"]
    task = play.stage.files.held[f"/state/{NAME}/prompts/completed/w0_c1.1.md"][0].decode()
    assert ("complete", ["w0/u0"], True) == (done.outcome, enrolled.units, "says nothing about ports" in task)


def test_going_down_ends_everybody_and_closes_as_stopped() -> None:
    play = Play(workers=2, units=2, acts=HANGING)
    play.up()

    requests.request(play.stage.world(), NAME, "down", "enough")
    done = play.go(minutes=1)

    assert ("stopped", {"exited"}, {}, {}) == (
        done.outcome,
        set(play.states().values()),
        play.stage.sessions.playing,
        play.stage.alarms.jobs,
    )


def test_a_pause_takes_the_alarm_and_the_launches_away_and_unpause_brings_them_back() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"at_once": 1}})
    play.up()

    requests.request(play.stage.world(), NAME, "pause")
    quiet = (dict(play.stage.alarms.jobs), play.go(minutes=30).workers["w1"].state)
    requests.request(play.stage.world(), NAME, "unpause")

    assert ({}, "pending") == quiet
    assert (1, "complete") == (len(play.stage.alarms.jobs), play.go().outcome)


def test_a_held_row_is_proposed_once_and_done_when_accepted() -> None:
    play = Play(workers=1, units=1, plan={"wake": {"hold": True}})
    play.run(minutes=20)

    held = (play.deployment.outcome, play.deployment.held, len(play.told()))
    requests.request(play.stage.world(), NAME, "accept")

    assert ("open", "wrap up", 1) == held
    assert "wakeman accept night" in play.told()[0]
    assert "complete" == play.deployment.outcome


@pytest.mark.parametrize("verb", ["accept", "unpause"])
def test_a_wish_that_makes_no_sense_is_refused_and_not_written(verb: str) -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()

    with pytest.raises(UsageError):
        requests.request(play.stage.world(), NAME, verb)  # type: ignore[arg-type] # parametrized verbs are plain strings

    assert [] == [event for event in play.events if isinstance(event.data, Requested)]


def test_a_unit_that_is_not_there_is_named_with_its_nearest() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()

    with pytest.raises(UnknownNameError, match=r"no unit 'w0/u' in night; did you mean 'w0/u0'\?"):
        requests.judge(play.stage.world(), NAME, "waive", ("w0/u",), "why")


def test_a_bare_worker_name_is_enough_while_it_is_unique() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()

    assert ((NAME, "w0"), (NAME, "w0")) == (
        requests.find_worker(play.stage.world(), "w0"),
        requests.find_worker(play.stage.world(), f"{NAME}/w0"),
    )


def test_up_again_with_the_same_plan_goes_on_and_with_another_is_refused() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    play.up()
    play.plan = {"stuck": {"attempts": 5}}

    with pytest.raises(UsageError, match=r"night is open with another plan: stuck\.attempts: 2 -> 5"):
        play.up()

    assert 1 == play.deployment.workers["w0"].attempt


def test_up_after_the_end_starts_the_next_run() -> None:
    play = Play(workers=1, units=1)
    play.run()

    again = play.up()

    assert ("night.2", "open") == (again.name, again.outcome)


def test_amend_changes_what_is_not_launched_and_leaves_the_rest() -> None:
    play = Play(workers=2, units=1, acts=HANGING, plan={"workers": {"at_once": 1}})
    play.up()
    play.workers, play.plan = 3, {"workers": {"at_once": 2}, "verify": {"min_bytes": 7}}
    world = play.stage.world()

    changed = amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))

    assert ({"w0": 1, "w1": 1, "w2": 0}, 7) == (
        {worker.name: worker.attempt for worker in changed.workers.values()},
        changed.plan.verify.min_bytes,
    )


def test_amend_is_refused_once_it_is_closed() -> None:
    play = Play(workers=1, units=1)
    play.run()
    world = play.stage.world()

    with pytest.raises(UsageError, match="night is closed"):
        amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))


def test_a_session_name_of_somebody_else_is_refused_before_anything_starts() -> None:
    play = Play(workers=1, units=1)
    play.up()
    play.plan = {"workers": {"name": "w0"}}
    other = play.text().replace('"name":"night"', '"name":"other"', 1)
    world = play.stage.world()

    with pytest.raises(Exception, match="session 'w0' belongs to night"):
        up(world, prepare_plan(world, other, "plan.json", "/plans"))


def test_a_night_whose_program_is_not_there_does_not_begin() -> None:
    play = Play(workers=1, units=1, plan={"verify": {"command": ["lint", "{{ output }}"]}})
    play.stage.machine.absent = {"act", "lint"}

    with pytest.raises(PlanError, match=r"(?s)workers\.command: found 'act'.*verify\.command: found 'lint'"):
        play.up()

    assert {} == play.stage.logs.tapes
