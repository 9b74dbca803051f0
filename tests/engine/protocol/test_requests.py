"""What is written between checks, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from tests.play import NAME, Play
from tests.transcript import Step, noted

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, OpenIntent, Plan, UnitsSpec, WorkerState
from wakeman.engine.check import check
from wakeman.engine.effects.alarm import Arm, Disarm, FindAlarm
from wakeman.engine.effects.end import HangUp
from wakeman.engine.protocol import requests
from wakeman.engine.protocol.steps import Steps, drive

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def begun() -> Play:
    """Give a deployment of one worker at work and one that waits."""
    made = Play(workers=2, units=1, plan={"workers": {"at_once": 1}})
    made.up()
    return made


def paused() -> Play:
    """Give one that is paused, and has no alarm."""
    made = begun()
    asked(made, "pause")
    check(made.stage.world(), NAME)
    return made


def driven(play: Play, protocol: Callable[[Deployment], Steps[None]]) -> list[Step]:
    """Drive a protocol over the deployment; give its steps."""
    world, into = play.stage.world("hand:1"), list[Step]()
    with world.logs.hold(NAME, world.by) as log:
        drive(world, log, noted(protocol(log.deployment), into), world.clock.now())
    return into


def asked(play: Play, verb: e.Verb) -> list[Step]:
    return driven(play, lambda d: requests.request(d, verb, "enough", play.stage.clock.now()))


@pytest.mark.parametrize("verb", ["accept", "pause", "unpause", "down"])
def test_who_asks_something_of_a_deployment_at_work_writes_only_that(verb: e.Verb) -> None:
    assert ["fold: requested"] == asked(begun(), verb)


@pytest.mark.parametrize(("verb", "ends"), [("unpause", True), ("down", True), ("accept", False), ("pause", False)])
def test_an_alarm_is_set_before_a_pause_ends(verb: e.Verb, ends: bool) -> None:
    """Should the check that follows die, nothing else would come back to it."""
    alarm: list[Step] = [FindAlarm, Arm, "alarm: armed"] if ends else []

    assert [*alarm, "fold: requested"] == asked(paused(), verb)


def test_answers_that_are_ignored_are_written_with_who_sent_them_and_by_which_face() -> None:
    (step,) = requests.ignored("two are of no question", "ntfy", "topic")

    asked = e.Requested(verb="answer", text="two are of no question", who="ntfy", face="topic")
    assert ("fold", [asked]) == (step.kind, [draft.data for draft in step.drafts])


@pytest.mark.parametrize(
    ("worker", "steps"),
    [("w0", ["transition: w0 requested"]), ("w1", ["transition: w1 requested, w1 exited"])],
)
def test_who_is_stopped_before_the_launch_has_ended_at_once(worker: str, steps: list[Step]) -> None:
    play = begun()

    assert steps == driven(play, lambda d: requests.stop(d.workers[worker], "enough", keep=False))
    assert "enough" in [event.data.text for event in play.events if isinstance(event.data, e.Requested)]


def test_who_is_being_launched_is_not_ended_by_word_alone() -> None:
    launching = WorkerState(name="w", session="w", intent=7)

    (step,) = requests.stop(launching, keep=False)

    assert ["w"] == [draft.worker for draft in step.drafts]


@pytest.mark.parametrize(
    ("worker", "steps"), [("w0", ["fold: w0 requested", "action: w0 end", HangUp]), ("w1", ["fold: w1 requested"])]
)
def test_a_retry_ends_the_attempt_that_is_under_way(worker: str, steps: list[Step]) -> None:
    assert steps == driven(begun(), lambda d: requests.retry(d, d.workers[worker], ("w0/u0",), "again"))


def test_an_amended_plan_drops_those_of_whom_nothing_has_begun() -> None:
    workers = [
        WorkerState(name="waits", session="a"),
        WorkerState(name="is being launched", session="b", intent=7),
        WorkerState(name="is at work", session="c", state="running"),
        WorkerState(name="has ended", session="d", state="exited"),
    ]
    d = Deployment(workers={worker.name: worker for worker in workers})

    (step,) = requests.amend(d, e.Amended(plan=Plan(name="n", units=UnitsSpec()), digest="d"), [])

    assert ("waits",) == requests.unlaunched(d) == step.drafts[1].data.dropped


@pytest.mark.parametrize(("after", "then"), [(0.0, 0.0), (1.0, 15.0)])
def test_what_became_of_a_notice_is_written_where_it_is_owed_with_when_the_table_tells_it_again(
    after: float, then: float
) -> None:
    d = Deployment(intents={seq: OpenIntent(seq=seq, action="wake", at=NOW) for seq in (3, 5)})
    fact = e.Effected(intent=3, ok=False, detail="refused", missed={"tmux:desk": "refused"}, after=after)

    (step,) = requests.delivered(d, [fact, e.Effected(intent=4, ok=True)])

    assert [msgspec.structs.replace(fact, after=then)] == [draft.data for draft in step.drafts]


def test_a_persons_decision_on_units_is_written_as_one_line() -> None:
    assert ["fold: requested"] == driven(begun(), lambda _: requests.judge("waive", ("w0/u0",), "good enough"))


def test_the_alarm_is_removed_before_that_is_written() -> None:
    assert [Disarm, "alarm: disarmed"] == driven(begun(), requests.put_away)


def test_nothing_is_written_of_notices_that_are_owed_no_more() -> None:
    assert [] == list(requests.delivered(Deployment(), [e.Effected(intent=4, ok=True)]))


def test_no_effect_waits_for_what_a_watcher_writes_to_be_on_disk() -> None:
    assert ["line?: noted"] == driven(begun(), lambda _: requests.record_watched([e.Draft(e.Noted(text="seen"))]))
