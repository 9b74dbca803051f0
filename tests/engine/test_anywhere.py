"""Deployments that are live on several machines: their checks are jobs, and their clock is the one that all have."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act, MemoryWorld
from wakeman.core.log import events as e
from wakeman.core.model import SHARED_BOOT
from wakeman.engine import alarm
from wakeman.engine.check import check


def night(*, hangs: bool = False, **plan: dict[str, object]) -> Play:
    found = Play(units=2, workers=2, plan={"workers": {"executor": "slurm"}, "slurm": {"alarm": "job"}, **plan})
    if hangs:
        found.stage.usual = Act(hangs=True)
    return found


def test_all_its_alarms_are_jobs_and_none_is_left() -> None:
    stage = night()
    closed = stage.run()

    armed = [event.data.alarm for event in stage.events if isinstance(event.data, e.Armed)]
    assert "complete" == closed.outcome
    assert {"slurm"} == {each.kind for each in armed}
    assert ({}, {}, {}) == (stage.stage.jobs.jobs, stage.stage.alarms.jobs, stage.stage.sleepers.jobs)
    assert [] == stage.judged()


def test_its_time_goes_on_from_one_machine_to_the_next() -> None:
    """A machine's own clock begins anew there; so a silent worker would never be found, or at once."""
    stage = night(hangs=True, stuck={"after": 600}, limits={"give_up": 7200})
    stage.up()
    for minute in range(20):
        stage.stage.clock.name, stage.stage.clock.seconds = f"{minute:08}", 10.0 * minute
        stage.go(1)
    looks = [event.data for event in stage.events if isinstance(event.data, e.Looked)]

    assert {SHARED_BOOT} == {look.boot for look in looks}
    assert 1200 - 60 <= looks[-1].mono - looks[0].mono <= 1200
    assert {"stuck"} == set(stage.states().values())
    assert [] == stage.judged()


def test_a_check_soon_is_a_job_too() -> None:
    stage = night(workers={"executor": "slurm", "stagger": 30})
    stage.up()

    assert [] == list(stage.stage.sleepers.jobs)
    assert 2 == len(stage.stage.jobs.jobs), "the alarm, and the next launch"


def test_of_several_jobs_that_a_lost_answer_has_left_one_stays() -> None:
    stage = night(hangs=True)
    before = stage.up().alarm
    assert before is not None
    for minutes in (7, 90):
        due = stage.stage.clock.at + timedelta(minutes=minutes)
        stage.stage.jobs.arm(alarm.marker(stage.deployment), ("x",), due)
    stage.stage.jobs.disarm([before.job])
    check(stage.stage.world("hand:1"), NAME)
    after = stage.deployment.alarm

    assert after is not None
    assert [after.job] == [job.job for job in stage.stage.jobs.find(alarm.marker(stage.deployment))]


def test_without_jobs_a_process_sleeps_and_the_log_says_why() -> None:
    stage = night(hangs=True)
    stage.stage.jobs.broken = "sbatch refuses"
    stage.up()
    armed = [event.data for event in stage.events if isinstance(event.data, e.Armed)]
    stage.stage.jobs.broken = ""
    check(stage.stage.world("hand:1"), NAME)
    again = stage.deployment.alarm

    assert {("sleep", "sbatch refuses")} == {(each.alarm.kind, each.weak) for each in armed}
    assert again is not None
    assert "slurm" == again.kind
    assert [] == stage.judged()


@pytest.mark.parametrize("anywhere", [False, True])
def test_its_session_s_ends_are_waited_for_only_where_checks_are_jobs(anywhere: bool) -> None:
    class Waking(type(MemoryWorld().sessions)):  # type: ignore[misc] # the sessions of the memory world, which wake
        def wake_at_end(self, argv: tuple[str, ...]) -> None:
            asked.append(tuple(argv))

    asked: list[tuple[str, ...]] = []
    stage = night() if anywhere else Play(units=2, workers=2)
    stage.stage.sessions.__class__ = Waking
    stage.run()

    script = f"/state/{NAME}/check.sh"
    expected = {("/bin/sh", script, "exit"), ()} if anywhere else set()
    assert expected == set(asked)
    assert not asked or () == asked[-1]
