"""Waiting for a deployment: what ends the wait, and what it never waits for."""

from __future__ import annotations

from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.engine import layout
from wakeman.engine.check import check
from wakeman.engine.wait import CLOSED_POLL_S, DISARM_LINGER_S, WAIT_POLL_S, Waited, wait


def waited(play: Play, timeout: float | None = None) -> tuple[Waited, float]:
    """Wait while the stage plays on; return what came of it, and the seconds it took."""
    stage = play.stage
    world, began = stage.world("hand:2"), stage.clock.mono()
    file = layout.inside(play.deployment.host, "events.jsonl")

    def pause(seconds: float) -> None:
        stage.run(lambda world, head: check(world, NAME, head), lambda: False, seconds)
        stage.files.write(file, stage.logs.tapes[NAME].data)

    found = wait(world, NAME, "done", pause, timeout=timeout)
    return found, stage.clock.mono() - began


def test_a_wait_ends_when_all_is_done_and_put_away() -> None:
    play = Play(workers=1, units=2)
    play.up()

    found, _ = waited(play)

    assert ("complete", True, None, {}) == (
        found.deployment.outcome,
        found.came,
        found.deployment.alarm,
        play.stage.alarms.jobs,
    )


def test_a_wait_lingers_for_the_alarm_of_a_closed_deployment_but_not_for_ever() -> None:
    play = Play(workers=1, units=1)
    play.run()
    tape = play.stage.logs.tapes[NAME]
    closed = tape.data.index(b"\n", tape.data.index(b'"type":"closed"'))
    tape.data = tape.data[: closed + 1]  # who closed it died before it took the alarm away

    found, took = waited(play)

    assert ("complete", True) == (found.deployment.outcome, found.came)
    assert DISARM_LINGER_S <= took < DISARM_LINGER_S + 1


def test_the_alarm_of_a_closed_deployment_is_waited_for_by_the_hundredth_of_a_second() -> None:
    play = Play(workers=1, units=1)
    play.run()
    tape = play.stage.logs.tapes[NAME]
    whole, closed = tape.data, tape.data.index(b"\n", tape.data.index(b'"type":"closed"'))
    file = layout.inside(play.deployment.host, "events.jsonl")
    opened = tape.data.rindex(b"\n", 0, tape.data.index(b'"row":"wrap up"'))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        tape.data = whole[: closed + 1] if len(pauses) < 3 else whole  # in between, its check takes the alarm away
        play.stage.files.write(file, tape.data)

    tape.data = whole[: opened + 1]
    wait(play.stage.world("hand:2"), NAME, "done", pause, tends=False)

    assert [WAIT_POLL_S, CLOSED_POLL_S, CLOSED_POLL_S] == pauses


def test_a_wait_ends_at_its_timeout() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=600)})
    play.up()

    found, took = waited(play, timeout=30)

    assert (False, "open", True) == (found.came, found.deployment.outcome, 30 <= took < 31)
