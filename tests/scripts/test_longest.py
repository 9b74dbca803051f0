"""`stuck.longest`: an attempt that lasts too long is ended, counts as failed, and others do the rest."""

from __future__ import annotations

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Decided, Exited
from wakeman.engine import requests
from wakeman.ports import Report

LIVELY = Act(seconds=300, hangs=False)
"""Makes a unit each five minutes, so that it is never silent."""


def ends(play: Play, worker: str = "w0") -> list[Exited]:
    return [event.data for event in play.events if isinstance(event.data, Exited) and event.worker == worker]


def rows(play: Play) -> list[tuple[str, str | None]]:
    return [(event.data.row, event.worker) for event in play.events if isinstance(event.data, Decided)]


def night(longest: float, act: Act = LIVELY) -> Play:
    stuck: dict[str, object] = {"longest": longest, "attempts": 2, "backoff": 1}
    return Play(workers=1, units=8, acts={"w0": act}, plan={"stuck": stuck})


def test_a_busy_attempt_is_ended_at_its_limit_and_another_follows_then_a_cleanup_worker() -> None:
    play = night(500)

    done = play.run(minutes=120)

    assert [("time", False), ("time", False)] == [(end.ended_by, end.free) for end in ends(play)][:2]
    assert 2 == done.workers["w0"].attempt
    assert [("time out", "w0")] * 2 == [row for row in rows(play) if row[0] == "time out"]
    assert "w0_c1" in done.workers
    assert [] == play.judged()


@pytest.mark.parametrize("longest", [0, 7200])
def test_without_a_limit_or_below_it_nobody_is_ended(longest: float) -> None:
    play = night(longest)

    done = play.run(minutes=120)

    assert ("complete", 1) == (done.outcome, done.workers["w0"].attempt)
    assert "time out" not in dict(rows(play))


def test_time_at_a_usage_limit_does_not_count() -> None:
    play = Play(
        workers=1,
        units=1,
        acts={"w0": Act(stops_after=0, hangs=True)},
        plan={"workers": {"mode": "interactive"}, "stuck": {"longest": 1500, "after": 7200}},
    )
    play.stage.harness.reads = frozenset({"screen"})
    play.up()
    play.stage.harness.reports = {"w0": Report("limited", "usage limit", source="screen")}
    play.go(minutes=60)
    at_limit = dict(rows(play))
    play.stage.harness.reports = {"w0": Report("busy", "goes on", source="screen")}
    play.go(minutes=15)
    early = dict(rows(play))
    play.go(minutes=30)

    assert ("time out" in at_limit, "time out" in early, "time out" in dict(rows(play))) == (False, False, True)


def test_a_person_s_stop_comes_first() -> None:
    play = night(500, Act(seconds=300, hangs=True))
    play.up()
    play.stage.clock.advance(600)

    requests.stop(play.stage.world(), NAME, ["w0"])
    play.go(minutes=1)

    assert "person" == ends(play)[0].ended_by
    assert "time out" not in dict(rows(play))


def test_a_kept_share_goes_to_nobody_until_a_retry_or_a_rejection() -> None:
    play = Play(workers=2, units=2, acts={"w0": Act(hangs=True, stops_after=0), "w1": Act(seconds=3000)})
    play.up()
    requests.stop(play.stage.world(), NAME, ["w0"], keep=True)
    play.go(minutes=30)
    kept = sorted(play.deployment.workers)
    requests.retry(play.stage.world(), NAME, ["w0"], (), "")
    play.stage.usual = Act()

    assert ["w0", "w1"] == kept
    assert not play.deployment.workers["w0"].kept


def test_what_a_person_rejects_of_a_kept_share_goes_to_cleanup() -> None:
    play = Play(workers=2, units=2, acts={"w0": Act(hangs=True, stops_after=0), "w1": Act(seconds=3000)})
    play.up()
    requests.stop(play.stage.world(), NAME, ["w0"], keep=True)
    play.go(minutes=10)

    requests.judge(play.stage.world(), NAME, "reject", ("w0/u0",), "do it")
    play.go(minutes=10)

    assert "w0_c1" in play.deployment.workers
