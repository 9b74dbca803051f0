"""A client that has given its result and whose process hangs; one that cannot begin or resume its conversation."""

from __future__ import annotations

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Decided, Exited
from wakeman.core.policy.attempts import RESULT_GRACE_S
from wakeman.engine.check import check
from wakeman.ports import Report

OVER = Report("idle", "has given its result", source="stream", given=True)


def told(play: Play, row: str) -> list[str]:
    """Return why a row was taken, for each time."""
    return [event.data.why for event in play.events if isinstance(event.data, Decided) and event.data.row == row]


@pytest.mark.parametrize(("made", "outcome"), [(2, "complete"), (1, "complete"), (0, "complete")])
def test_it_is_ended_after_a_grace_and_its_units_are_judged(made: int, outcome: str) -> None:
    """What it left undone goes to a cleanup worker, as after any early end."""
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=made, hangs=True)})
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.harness.reports = {"w0": OVER}
    play.up()

    done = play.go(60)

    assert outcome == done.outcome
    assert 1 == done.workers["w0"].attempt
    if made < 2:
        assert ["it has given its result, and its process does not end"] == told(play, "finish")
        assert "w0_c1" in done.workers


def test_it_is_not_ended_while_there_are_signs_of_life_or_it_works_again() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, hangs=True)}, plan={"stuck": {"after": 7200}})
    play.stage.harness.reads = frozenset({"screen"})
    play.up()
    for _ in range(5):
        play.stage.harness.reports = {"w0": OVER}
        check(play.stage.world(), NAME)
        play.stage.clock.advance(RESULT_GRACE_S - 1)
        play.stage.harness.reports = {"w0": Report("busy", "goes on", source="stream")}
        check(play.stage.world(), NAME)

    assert [] == told(play, "finish")


def test_a_client_that_waits_for_what_is_typed_next_is_not_over() -> None:
    play = Play(
        workers=1,
        units=1,
        acts={"w0": Act(stops_after=0, hangs=True)},
        plan={"workers": {"mode": "interactive"}, "stuck": {"after": 7200}},
    )
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.harness.reports = {"w0": OVER}
    play.up()
    play.go(minutes=5 * RESULT_GRACE_S / 60)

    assert [] == told(play, "finish")


def test_an_end_for_want_of_its_conversation_costs_no_attempt_once_and_the_next_begins_another() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, code=1)}, plan={"stuck": {"attempts": 2}})
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.harness.resumable = "given"
    play.stage.harness.end = Report(why="No conversation found with session ID: x", fault="conversation")
    play.run(minutes=60)

    ends = [event.data for event in play.events if isinstance(event.data, Exited) and event.worker == "w0"]
    launches = [intent for intent in play.intents("launch") if intent.target == "w0"]
    assert [True, False, False] == [end.free for end in ends]
    assert all("No conversation found" in end.why for end in ends)
    assert (3, {False}) == (len({one.agent_session for one in launches}), {one.resume for one in launches})
