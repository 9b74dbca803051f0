"""The phases of sessions that a place reports, and their effect on a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from msgspec.structs import replace
from tests.play import NAME, Play

from wakeman.adapters.memory import Act, MemorySessions, MemoryWorld
from wakeman.api.deeds import paused
from wakeman.core.errors import PlanError
from wakeman.core.log import events as e
from wakeman.core.policy.tables import Decision, Row
from wakeman.core.queueing import QueueModel
from wakeman.engine.effects.end import to_end
from wakeman.engine.requests import request
from wakeman.ports import Listing, Report

HOUR = Act(seconds=1800)
HANGS = {"w0": Act(hangs=True, stops_after=0)}


def shown(play: Play, **fields: Any) -> None:
    """Have the place show the first session, as long as it is there, otherwise than it is."""
    sessions = play.stage.sessions
    real, first = sessions.poll, sessions.playing["w0"].session_id

    def poll(known: Mapping[str, str] = MappingProxyType({})) -> Listing:
        listing = real(known)
        seen = tuple(replace(one, **fields) if one.session_id == first else one for one in listing.seen)
        return replace(listing, seen=seen)

    sessions.poll = poll  # type: ignore[method-assign] # another place


def ends(play: Play) -> list[tuple[str, str]]:
    """List how attempts ended: why, and by whom."""
    return [(event.data.why, event.data.ended_by) for event in play.events if isinstance(event.data, e.Exited)]


def test_a_worker_that_is_queued_waits_for_hours_and_nothing_runs_against_it() -> None:
    play = Play(workers=1, acts=HANGS)
    play.up()
    shown(play, phase="queued", why="waits for room")
    play.go(minutes=180)

    worker = play.deployment.workers["w0"]
    assert ("launched", 1, "queued") == (
        worker.state,
        worker.attempt,
        worker.observation and worker.observation.session,
    )
    assert {"sleep"} == set(play.rows(without=("launch",)))


def test_who_waits_in_a_queue_never_begins_once_it_is_out_of_time() -> None:
    play = Play(workers=2, units=2, acts=HANGS | {"w1": HANGS["w0"]}, plan={"limits": {"give_up": 1200}})
    play.up()
    shown(play, phase="queued", why="waits for room")
    play.go(minutes=60)

    asked = [event.worker for event in play.events if isinstance(event.data, e.Intended) and event.data.action == "end"]
    ended = play.deployment.workers["w0"]
    assert (["w0"], ["w1"]) == (asked, list(play.stage.sessions.playing))
    assert ("partial", "exited", "wakeman") == (play.deployment.outcome, ended.state, ended.ended_by)
    assert not play.judged()


def on_one_slot(first: Act = HOUR) -> Play:
    """Begin a deployment of three workers of an hour each, of whom a queue lets one run at a time."""
    acts = {"w0": first, "w1": HOUR, "w2": HOUR}
    play = Play(units=2, acts=acts, stage=MemoryWorld(queue=QueueModel(1, 1)))
    play.up()
    play.go(minutes=10)
    return play


def begun_of(play: Play) -> list[str]:
    """List whose programs the queue has let begin."""
    return [name for name, p in play.stage.sessions.playing.items() if p.phase != "queued"]


def test_who_waits_in_a_queue_does_not_begin_in_a_pause_and_is_launched_again_behind_it() -> None:
    play = on_one_slot()
    d = request(play.stage.world("pause:1"), NAME, "pause")
    play.go(minutes=180)
    (running, taken_out) = paused(d).details
    assert "still running: w0; wakeman stop WORKER ends one" == running
    assert "taken out of the queue: w1, w2; launched again after the pause" == taken_out
    assert ["w0"] == begun_of(play)
    assert 1 == play.rows().count("withdraw")

    request(play.stage.world("unpause:1"), NAME, "unpause")
    play.go()

    assert "complete" == play.deployment.outcome
    assert [("queue", True), ("queue", True)] == [
        (event.data.ended_by, event.data.free)
        for event in play.events
        if isinstance(event.data, e.Exited) and event.data.ended_by != "itself"
    ]
    assert [1, 1, 1] == [worker.spent for worker in play.deployment.workers.values()]
    assert not play.judged()


def test_who_waits_in_a_queue_does_not_begin_while_a_usage_limit_lasts() -> None:
    play = on_one_slot(first=Act(seconds=900, stops_after=1, code=1))
    resets = play.stage.clock.at + timedelta(hours=5)
    play.stage.harness.end = Report("limited", "You've hit your limit", resets)
    play.go(minutes=240)
    began = [event.worker for event in play.events if isinstance(event.data, e.Started)]
    assert "w2" not in began
    assert {"launch", "withdraw", "sleep"} == set(play.rows())

    play.stage.harness.end = Report()
    play.stage.acts.clear()
    play.go()

    assert ("complete", {1}) == (play.deployment.outcome, {w.spent for w in play.deployment.workers.values()})
    assert not play.judged()


@pytest.mark.parametrize(
    ("row", "limits", "chosen"),
    [
        ("halt", {"max_tokens": 1}, ["w0"]),
        ("halt", {"max_tokens": 1, "over": "stop"}, ["w0", "w1"]),
        ("give up", {}, ["w0"]),
        ("give up", {"give_up_do": "stop"}, ["w0", "w1"]),
        ("stop", {}, ["w0", "w1"]),
        ("withdraw", {}, ["w0"]),
    ],
)
def test_who_has_begun_is_ended_with_those_that_wait_only_where_the_plan_says_so(
    row: Row, limits: dict[str, Any], chosen: list[str]
) -> None:
    play = Play(workers=2, units=2, acts=HANGS | {"w1": HANGS["w0"]}, plan={"limits": limits})
    play.up()
    shown(play, phase="queued")
    play.go(minutes=6)

    assert chosen == [one.name for one in to_end(play.deployment, Decision(row=row))]


def test_a_worker_that_comes_out_of_the_queue_runs() -> None:
    play = Play(workers=1, units=1)
    play.up()
    shown(play, phase="queued")
    play.go(minutes=0.5)
    del play.stage.sessions.poll

    assert "complete" == play.go().outcome


def test_a_worker_that_its_place_has_killed_is_told_of_in_the_places_words() -> None:
    play = Play(workers=1, acts=HANGS)
    play.up()
    shown(play, phase="killed", code=137, ended_by="machine", why="over its memory")
    play.go(minutes=20)

    assert ("over its memory", "machine") == ends(play)[0]
    assert 2 == play.deployment.workers["w0"].attempt


@pytest.mark.parametrize(
    ("code", "by", "expected"),
    [
        (129, "time", ("ended by signal 1; its time was over", "time")),
        (143, "person", ("ended by signal 15; its time was over", "person")),
        (1, "machine", ("exit status 1; its time was over", "machine")),
        (129, "launch", ("ended by signal 1", "itself")),
        (0, "time", ("exit status 0", "itself")),
    ],
)
def test_a_program_that_its_place_has_ended_and_that_left_a_status_is_told_by_whom(
    code: int, by: str, expected: tuple[str, str]
) -> None:
    play = Play(workers=1, acts={"w0": Act(code=code, stops_after=0)})
    play.up()
    shown(play, ended_by=by, why="its time was over")
    play.go(minutes=20)

    assert expected == ends(play)[0]


def test_a_worker_that_is_lost_is_started_anew_in_a_directory_of_its_own() -> None:
    play = Play(workers=1, acts=HANGS)
    play.up()
    shown(play, phase="lost", why="its node does not answer")
    play.go(minutes=20)

    assert ("its node does not answer", "machine") == ends(play)[0]
    assert 2 == len({mark.partition("@")[0] for mark in play.stage.sessions.started})


def test_on_a_session_that_is_unknown_nothing_is_decided() -> None:
    play = Play(workers=1, acts=HANGS)
    play.up()
    shown(play, phase="unknown", why="the queue does not answer")
    play.go(minutes=180)

    assert ([], 1) == (ends(play), play.deployment.workers["w0"].attempt)
    assert {"sleep"} == set(play.rows(without=("launch",)))
    assert [text for text in play.told() if "tmux does not answer" in text]


@pytest.mark.parametrize("outlives", [True, False])
def test_another_boot_of_this_machine_ends_only_what_runs_on_it(outlives: bool) -> None:
    play = Play(workers=1, acts=HANGS)
    play.up()
    play.stage.sessions.outlives_boot = outlives
    play.stage.clock.name = "00000002"
    play.go(minutes=6)

    assert ([] if outlives else ["the machine was started anew"]) == [why for why, _ in ends(play)]


@pytest.mark.parametrize("outlives", [True, False])
def test_only_an_attempt_that_may_begin_once_more_after_a_restart_is_lasting(
    monkeypatch: pytest.MonkeyPatch, outlives: bool
) -> None:
    monkeypatch.setattr(MemorySessions, "outlives_boot", outlives)
    play = Play(workers=1, acts=HANGS)
    play.up()

    assert outlives == bool(play.stage.files.marks([f"/state/{NAME}/attempts/w0.1/lasting"]))


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySessions, "terminal", None)


@pytest.mark.usefixtures("no_terminal")
def test_a_night_without_terminals_keeps_what_was_printed_as_evidence() -> None:
    play = Play(workers=2, acts=HANGS, plan={"stuck": {"silent": ["capture", "nudge", "ask"]}})
    play.up()
    play.stage.sessions.screens["w0"] = "step 1 of 9"
    play.go(minutes=60)

    kept = [event.data.file for event in play.events if isinstance(event.data, e.Captured)]
    assert b"step 1 of 9" == play.stage.files.read(f"/state/night/{kept[0]}")
    assert "verified" == play.deployment.workers["w1"].state


@pytest.mark.usefixtures("no_terminal")
def test_a_plan_whose_workers_are_to_be_typed_to_is_refused_where_there_are_no_terminals() -> None:
    play = Play(plan={"workers": {"mode": "interactive"}})

    with pytest.raises(PlanError, match=r"workers\.mode: found 'interactive', expected 'print'"):
        play.up()
