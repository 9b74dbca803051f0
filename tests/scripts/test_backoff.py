"""The delay before another attempt grows each time, and differs between workers."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from tests.play import Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Event, Exited, Intended, Planned
from wakeman.core.policy import attempts
from wakeman.core.policy.tables import EDITION
from wakeman.ports import Report

FAILS = Act(seconds=10, stops_after=0, code=1)


def launches(play: Play, worker: str = "w0") -> list[datetime]:
    return [e.at for e in play.events if is_launch(e) and e.worker == worker]


def is_launch(event: Event) -> bool:
    return isinstance(event.data, Intended) and event.data.action == "launch"


def ends(play: Play, worker: str = "w0") -> list[datetime]:
    return [e.at for e in play.events if isinstance(e.data, Exited) and e.worker == worker]


def pauses(play: Play, worker: str = "w0") -> list[float]:
    """Return the seconds between each end and the launch behind it."""
    rest = launches(play, worker)[1:]
    return [(launch - end).total_seconds() for end, launch in zip(ends(play, worker), rest, strict=False)]


def test_each_further_attempt_waits_twice_as_long_give_or_take_half() -> None:
    play = Play(workers=1, acts={"w0": FAILS}, plan={"stuck": {"attempts": 5}, "cleanup": {"rounds": 0}})

    play.run(minutes=30)

    waited = pauses(play)
    assert 4 == len(waited)
    assert all(10 * 2**n * 0.5 <= pause <= 10 * 2**n * 1.5 + 1 for n, pause in enumerate(waited)), waited


def test_nobody_waits_longer_than_five_minutes_and_a_half() -> None:
    play = Play(
        workers=1,
        acts={"w0": FAILS},
        plan={"stuck": {"attempts": 12, "backoff": 60}, "cleanup": {"rounds": 0}, "limits": {"give_up": "20h"}},
    )

    play.run(minutes=20 * 60)

    assert 11 == len(pauses(play))
    assert max(pauses(play)) <= 1.5 * attempts.BACKOFF_MAX_S + 60


def test_those_that_fail_together_are_not_tried_again_together() -> None:
    names = [f"w{n}" for n in range(8)]
    play = Play(workers=8, acts=dict.fromkeys(names, FAILS), plan={"cleanup": {"rounds": 0}})

    play.run(minutes=30)

    assert len({round(pauses(play, name)[0], 3) for name in names}) >= 6


def test_the_same_night_waits_the_same() -> None:
    def night() -> list[float]:
        play = Play(workers=1, acts={"w0": FAILS}, plan={"stuck": {"attempts": 4}, "cleanup": {"rounds": 0}})
        play.run(minutes=30)
        return pauses(play)

    assert night() == night()


def test_without_a_backoff_the_next_attempt_follows_at_once() -> None:
    play = Play(workers=1, acts={"w0": FAILS}, plan={"stuck": {"attempts": 3, "backoff": 0}, "cleanup": {"rounds": 0}})

    play.run(minutes=30)

    assert [0.0, 0.0] == pauses(play)


def test_a_person_who_asks_for_another_attempt_does_not_wait() -> None:
    from wakeman.engine.requests import retry

    play = Play(workers=1, acts={"w0": FAILS}, plan={"stuck": {"backoff": 600}})
    play.up()
    play.go(minutes=0.3)
    before = len(launches(play))
    retry(play.stage.world(), "night", ["w0"], (), "")

    assert (1, 2) == (before, len(launches(play)))


def test_a_log_of_before_is_judged_as_it_was_written() -> None:
    play = Play(workers=1, acts={"w0": FAILS})
    play.up()
    play.go(minutes=0.3)
    d = play.deployment
    waits = attempts.retry_delay(d, d.workers["w0"])
    d.edition = 0

    assert isinstance(play.events[0].data, Planned)
    assert (True, 0.0, EDITION) == (waits > 0, attempts.retry_delay(d, d.workers["w0"]), play.events[0].data.edition)


def test_after_a_restart_of_the_machine_nobody_waits() -> None:
    play = Play(workers=1, acts={"w0": FAILS})
    play.up()
    play.go(minutes=0.3)
    d = play.deployment
    waits = attempts.retry_delay(d, d.workers["w0"])
    d.boot = "another0"

    assert (True, 0.0) == (waits > 0, attempts.retry_delay(d, d.workers["w0"]))


def test_one_whose_terminal_was_taken_away_does_not_wait() -> None:
    play = Play(workers=1, acts={"w0": Act(seconds=10, stops_after=0, code=129)}, plan={"cleanup": {"rounds": 0}})

    play.run(minutes=30)

    assert [0.0] == pauses(play)


def test_workers_whose_limit_has_reset_go_on_one_after_the_other() -> None:
    play = Play(workers=4, plan={"workers": {"stagger": 20, "at_once": 4}, "stuck": {"attempts": 1}})
    names = [f"w{n}" for n in range(4)]
    play.stage.acts.update(dict.fromkeys(names, Act(seconds=100, stops_after=1, code=1)))
    reset = play.stage.clock.at + timedelta(minutes=60)
    play.stage.harness.end = Report("limited", "usage limit", reset)
    play.up()
    play.go(minutes=5)
    play.stage.acts.clear()
    play.stage.harness.end = Report()

    play.go(minutes=120)

    again = sorted(launches(play, name)[1] for name in names)
    assert again[0] >= reset
    assert all((late - early).total_seconds() >= 20 for early, late in pairwise(again)), again
    assert "complete" == play.deployment.outcome


def test_live_workers_whose_limit_has_reset_are_told_one_a_look() -> None:
    live = {"mode": "interactive", "stagger": 0, "prompt": "Do."}
    play = Play(workers=3, plan={"workers": live}, acts={f"w{n}": Act(hangs=True, stops_after=0) for n in range(3)})
    reset = play.stage.clock.at + timedelta(minutes=30)
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.harness.reports = {f"w{n}": Report("limited", "usage limit", reset) for n in range(3)}
    play.up()

    play.go(minutes=33)

    told = [e.at for e in play.events if isinstance(e.data, Intended) and e.data.action == "nudge"]
    assert 3 == len(told)
    assert all((late - early).total_seconds() >= 5 for early, late in pairwise(told)), told
