"""A server that dies, or cannot be reached, while the deployment is open: what is known of its sessions, and done."""

from __future__ import annotations

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.api import screen
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Exited
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.ports import Start

HANGS = {name: Act(hangs=True, stops_after=0) for name in ("w0", "w1")}


def begun(**plan: dict[str, object]) -> Play:
    """Begin two workers that do nothing, and look once."""
    play = Play(workers=2, units=1, acts=dict(HANGS), plan=plan)
    play.up()
    check(play.stage.world(), NAME)
    return play


def seen(play: Play) -> dict[str, tuple[str, str]]:
    """Check, and give what was seen of each worker."""
    workers = check(play.stage.world(), NAME).workers.values()
    return {w.name: (w.observation.session, w.observation.why) for w in workers if w.observation is not None}


def test_of_workers_whose_server_cannot_be_reached_nothing_is_decided_and_a_person_is_told() -> None:
    play = begun()
    play.stage.sessions.hide()
    for _ in range(4):
        found = seen(play)

    assert {("unknown", "its server lives")} == set(found.values())
    assert [] == [event for event in play.events if isinstance(event.data, Exited)]
    assert any("does not answer" in text for text in play.told())


def test_what_is_started_meanwhile_runs_on_the_next_server_and_goes_on_there() -> None:
    play = Play(workers=3, units=1, acts=dict(HANGS), plan={"workers": {"at_once": 2}})
    play.up()
    play.stage.sessions.hide()
    requests.stop(play.stage.world(), NAME, ["w0"])  # its slot is free when its processes have ended
    play.stage.files.write(f"/state/{NAME}/attempts/w0.1/exit", b"143\n")
    play.go(minutes=30)

    assert ("verified", "unknown") == (play.states()["w2"], seen(play)["w1"][0])


def test_a_session_that_cannot_be_reached_is_neither_shown_nor_attached_to_and_it_is_said_why() -> None:
    play = begun()
    play.stage.sessions.hide()
    play.stage.acts["theirs"] = HANGS["w0"]

    told = screen.capture(play.stage.world(), f"{NAME}/w0", 5)
    with pytest.raises(UsageError, match="its server lives"):
        screen.attach(play.stage.world(), f"{NAME}/w0")

    assert ("stream", "its server lives" in told.notes[0]) == (told.data.source, True)


def test_the_workers_of_a_server_that_died_are_lost_to_the_machine_and_cost_no_attempt() -> None:
    play = begun()
    play.stage.sessions.leave()
    check(play.stage.world(), NAME)

    ends = [event.data for event in play.events if isinstance(event.data, Exited)]
    assert [("its tmux server is gone", "machine", True)] * 2 == [(e.why, e.ended_by, e.free) for e in ends]
    assert [1, 1] == [worker.spent for worker in play.deployment.workers.values()]  # of the attempts that follow


@pytest.mark.parametrize(
    ("code", "gone", "who"),
    [(129, True, "machine"), (129, False, "itself"), (1, True, "itself"), (0, True, "itself")],
    ids=["hung up", "hung up by somebody else", "a status of its own", "done"],
)
def test_who_is_hung_up_on_by_a_server_that_dies_has_not_failed(*, code: int, gone: bool, who: str) -> None:
    play = begun()
    play.stage.files.write(f"/state/{NAME}/attempts/w0.1/exit", f"{code}\n".encode())
    if gone:
        play.stage.sessions.leave()
    else:
        del play.stage.sessions.playing["w0"]
    check(play.stage.world(), NAME)

    (end,) = [event.data for event in play.events if isinstance(event.data, Exited) and event.worker == "w0"]
    assert (who, gone and code == 129) == (end.ended_by, "its tmux server is gone" in end.why)
    assert (who == "machine") == end.free


def test_a_session_that_somebody_ended_is_lost_and_its_server_is_not_to_blame() -> None:
    play = begun()
    del play.stage.sessions.playing["w0"]
    check(play.stage.world(), NAME)

    ends = [event.data for event in play.events if isinstance(event.data, Exited)]
    assert [("its session was ended from outside", "")] == [(e.why, e.ended_by) for e in ends]


@pytest.mark.parametrize("looked", [False, True])
def test_a_server_that_died_before_the_first_look_is_told_from_the_next_by_the_ids_of_its_sessions(
    *, looked: bool
) -> None:
    play = Play(workers=1, units=1, acts=dict(HANGS))
    play.up()
    if looked:
        check(play.stage.world(), NAME)
    play.stage.sessions.leave()
    play.stage.acts["other"] = HANGS["w0"]
    play.stage.files.write("/state/other/attempts/o.1/units.jsonl", b"")
    argv = ("/bin/sh", "wrapper.sh", "/state/other/attempts/o.1", "--", "act")
    play.stage.sessions.submit([Start("other", "other/o/1@x", argv, "/")])
    check(play.stage.world(), NAME)

    ends = [event.data for event in play.events if isinstance(event.data, Exited)]
    assert [("its tmux server is gone", "machine")] == [(e.why, e.ended_by) for e in ends]


def test_a_session_that_cannot_be_reached_and_of_which_nothing_lives_does_not_keep_a_deployment_open() -> None:
    play = begun()
    play.stage.sessions.hide()
    seen(play)

    requests.request(play.stage.world(), NAME, "down")
    play.go(minutes=120)

    ends = [event.data for event in play.events if isinstance(event.data, Exited)]
    assert ("stopped", [("person", True)] * 2) == (
        play.deployment.outcome,
        [(e.ended_by, "no process of it lives" in e.why) for e in ends],
    )
    assert [] == play.judged()
