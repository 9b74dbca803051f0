"""A service that refuses: an outage is waited for by all workers together, a refused key bars launches until it has
changed, a text that does not reach a parked client ends with a person.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.api.status import status
from wakeman.core.log.events import Exited, Intended, Lifted, Stalled
from wakeman.core.log.facts.worker import OUTAGE_PAUSE_MAX, OUTAGE_PAUSE_MIN
from wakeman.core.model import Fault
from wakeman.engine import requests
from wakeman.ports import Report

OUT = Report("limited", "the service is unavailable: API Error: 529 Overloaded", fault="outage", source="stream")
LIVE: dict[str, object] = {"mode": "interactive", "stagger": 0, "prompt": "Do."}


def launches(play: Play) -> list[Intended]:
    return play.intents("launch")


def launch_times(play: Play) -> list[float]:
    """Return the seconds of each launch, from the first on."""
    at = [e.at for e in play.events if isinstance(e.data, Intended) and e.data.action == "launch"]
    return [(moment - at[0]).total_seconds() for moment in at]


def down(workers: int = 3, **plan: dict[str, object]) -> Play:
    """Begin a night of workers in print mode whose service is down: each ends a second after it was started."""
    play = Play(workers=workers, plan=plan)
    play.stage.acts.update({f"w{n}": Act(seconds=1, stops_after=0, code=1) for n in range(workers)})
    play.stage.harness.end = OUT
    play.up()
    return play


def answers(play: Play) -> None:
    """Have the service answer again."""
    play.stage.acts.clear()
    play.stage.harness.end = Report()


def test_an_outage_costs_no_attempts_and_one_worker_at_a_time_tries_the_service() -> None:
    play = down()
    play.go(minutes=60)
    tried = launch_times(play)[3:]
    spent = [worker.spent for worker in play.deployment.workers.values()]
    answers(play)
    play.go(minutes=120)

    assert [0, 0, 0] == spent
    assert all(late - early >= OUTAGE_PAUSE_MIN.total_seconds() for early, late in pairwise(tried)), tried
    assert OUTAGE_PAUSE_MAX.total_seconds() <= tried[-1] - tried[-2] <= OUTAGE_PAUSE_MAX.total_seconds() + 60
    assert "complete" == play.deployment.outcome
    assert ("", 0, "") == (play.deployment.outage, play.deployment.outage_tries, play.deployment.probe)
    assert [] == play.judged()


def test_the_pause_grows_with_each_try_and_the_try_goes_round() -> None:
    play = down()
    play.go(minutes=30)

    names = [e.worker for e in play.events if isinstance(e.data, Intended) and e.data.action == "launch"][3:]
    pauses = [late - early for early, late in pairwise(launch_times(play)[3:])]
    assert {"w0", "w1", "w2"} == set(names[:3])
    assert pauses[:4] == sorted(pauses[:4])


def test_nobody_is_woken_by_an_outage_and_it_is_told_as_what_it_is() -> None:
    play = down(workers=1)
    play.go(minutes=30)

    shown = status(play.stage.world(), NAME, recorded=True).data
    assert [] == [text for text in play.told() if "need" in text]
    assert "the service is unavailable" == shown.workers[0].cause
    assert isinstance(shown.outage, str)
    assert shown.outage.startswith("the service is unavailable, tried ")
    assert not shown.needs_person


def test_an_outage_ends_with_give_up() -> None:
    play = down(limits={"give_up": "1h"})
    play.go(minutes=90)

    assert ("partial", []) == (play.deployment.outcome, play.judged())


def test_others_are_released_once_the_service_has_answered_one() -> None:
    play = down()
    play.go(minutes=2)
    while play.deployment.probe:
        play.go(minutes=0.1)
    answers(play)
    play.stage.acts["w0"] = play.stage.acts["w1"] = play.stage.acts["w2"] = Act(seconds=300)
    before = len(launches(play))
    play.go(minutes=40)

    times = launch_times(play)[before:]
    assert 3 == len(times)
    assert times[1] - times[0] >= 60
    assert times[2] - times[1] <= 60


def test_an_outage_is_no_reason_to_wait_where_the_plan_says_so() -> None:
    play = down(limits={"wait": False}, stuck={"attempts": 2})
    play.go(minutes=60)

    assert "" == play.deployment.outage
    assert [2, 2, 2] == [play.deployment.workers[name].spent for name in ("w0", "w1", "w2")]


def live(report: Report, workers: int = 2, **plan: dict[str, object]) -> Play:
    """Begin a night of live sessions that show the same from the beginning."""
    tables = {"workers": LIVE, **plan}
    acts = {f"w{n}": Act(hangs=True, stops_after=0) for n in range(workers)}
    play = Play(workers=workers, plan=tables, acts=acts)
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.harness.reports = {f"w{n}": report for n in range(workers)}
    play.stage.sessions.screens.update({f"w{n}": f"w{n}:\n❯" for n in range(workers)})
    play.up()
    return play


def nudges(play: Play) -> list[str]:
    return [e.worker or "" for e in play.events if isinstance(e.data, Intended) and e.data.action == "nudge"]


def test_live_sessions_in_an_outage_are_told_to_go_on_one_at_a_time() -> None:
    play = live(OUT)
    play.go(minutes=30)

    stalled = [e.data for e in play.events if isinstance(e.data, Stalled)]
    assert {("limited", "outage")} == {(fact.reason, fact.fault) for fact in stalled}
    assert len(nudges(play)) >= 4
    assert {"w0", "w1"} == set(nudges(play)[:2])
    assert [] == [text for text in play.told() if "need" in text]
    assert [] == play.judged()


# --- keys and money -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["auth", "billing"])
def test_a_refused_key_or_no_money_bars_launches_and_costs_no_attempt(fault: Fault) -> None:
    play = Play(workers=3, plan={"workers": {"at_once": 1}})
    play.stage.acts.update({f"w{n}": Act(seconds=1, stops_after=0, code=1) for n in range(3)})
    play.stage.harness.end = Report("error", "Credit balance is too low", fault=fault)
    play.up()
    play.go(minutes=60)
    shown = status(play.stage.world(), NAME, recorded=True)
    answers(play)
    requests.request(play.stage.world(), NAME, "unpause")
    play.go(minutes=60)

    assert isinstance(shown.data.barred, str)
    assert shown.data.barred.endswith(f"wakeman unpause {NAME}")
    assert f"wakeman unpause {NAME}" == shown.next[0]
    assert shown.data.needs_person
    assert [1, 2] == [len([e for e in play.events if isinstance(e.data, Exited) and e.data.fault]), 2]
    assert 4 == len(launches(play))
    assert "complete" == play.deployment.outcome
    assert [] == play.judged()


@pytest.mark.parametrize("fault", ["auth", "billing"])
def test_a_key_refused_in_a_live_session_bars_launches_and_unpause_starts_it_again(fault: Fault) -> None:
    play = live(
        Report("error", "Invalid API key", fault=fault), workers=2, stuck={"error": ["nudge", "restart", "ask"]}
    )
    play.stage.acts["w1"] = Act(hangs=True, stops_after=0)
    play.go(minutes=60)
    before = len(launches(play)), play.deployment.barred, nudges(play)
    play.stage.harness.reports.clear()  # type: ignore[attr-defined] # a dictionary of this test
    answers(play)
    requests.request(play.stage.world(), NAME, "unpause")
    play.go(minutes=60)

    assert (2, "Invalid API key", []) == before
    assert 4 == len(launches(play))
    assert [] == play.judged()


def test_launches_are_tried_again_by_themselves_once_the_key_file_has_changed() -> None:
    play = Play(workers=2, plan={"workers": {"env_file": "keys.env"}})
    play.stage.files.write("/plans/keys.env", b"KEY=one\n")
    play.stage.acts.update({f"w{n}": Act(seconds=1, stops_after=0, code=1) for n in range(2)})
    play.stage.harness.end = Report("error", "Invalid API key", fault="auth")
    play.up()
    play.go(minutes=60)
    barred = len(launches(play))
    answers(play)
    play.stage.files.write("/plans/keys.env", b"KEY=a-second-key\n")
    play.go(minutes=60)

    assert "complete" == play.deployment.outcome
    assert len(launches(play)) == barred + 2
    lifted = [e.data.summary() for e in play.events if isinstance(e.data, Lifted)]
    assert ["what holds the workers' keys has changed"] == lifted
    assert b"KEY=a-second-key" in play.stage.files.held[f"/state/{NAME}/secrets.sh"][0]
    assert not any(b"a-second-key" in line for line in play.lines)
    assert [] == play.judged()


def test_a_key_file_that_is_touched_and_holds_the_same_lifts_the_bar_once() -> None:
    play = Play(workers=1, plan={"workers": {"env_file": "keys.env"}})
    play.stage.files.write("/plans/keys.env", b"KEY=one\n")
    play.stage.acts["w0"] = Act(seconds=1, stops_after=0, code=1)
    play.stage.harness.end = Report("error", "Invalid API key", fault="auth")
    play.up()
    play.go(minutes=60)
    play.stage.files.write("/plans/keys.env", b"KEY=one\n")
    play.go(minutes=60)

    assert (2, True) == (len(launches(play)), bool(play.deployment.barred))


def test_the_keys_of_a_person_s_shell_are_taken_while_launches_are_barred() -> None:
    play = Play(workers=1, plan={"workers": {"env_from": ["KEY"]}})
    play.stage.machine.environment = {"KEY": "one"}
    play.stage.acts["w0"] = Act(seconds=1, stops_after=0, code=1)
    play.stage.harness.end = Report("error", "Invalid API key", fault="auth")
    play.up()
    play.go(minutes=60)
    answers(play)
    play.stage.machine.environment = {"KEY": "a-second-key"}
    play.go(minutes=60)
    by_alarm = play.deployment.barred
    requests.request(play.stage.world("hand:1"), NAME, "unpause")
    play.go(minutes=60)

    assert "" != by_alarm
    assert b"KEY=a-second-key" in play.stage.files.held[f"/state/{NAME}/secrets.sh"][0]
    assert "complete" == play.deployment.outcome


# --- limits ---------------------------------------------------------------------------------------------------


def test_a_client_parked_on_a_menu_is_told_at_later_looks_and_then_a_person_is_asked() -> None:
    play = live(Report("limited", "You've hit your session limit"), workers=1)
    play.stage.sessions.screens["w0"] = "w0: What do you want to do?\n❯ 1. Stop and wait for the limit to reset\n"
    play.go(minutes=60)

    rows = [row for row in play.rows(worker=True) if row != "investigate"]
    assert "report" == rows[3]
    assert {"continue", "repeat"} == set(rows[:3])
    assert any("w0" in text and "need" in text for text in play.told())
    assert play.deployment.workers["w0"].asked
    assert [] == play.judged()


def test_a_limit_without_a_reset_is_told_as_a_guess() -> None:
    play = live(Report("limited", "You've hit your limit"), workers=1)
    play.go(minutes=5)

    worker = status(play.stage.world(), NAME, recorded=True).data.workers[0]
    stalled = next(e for e in play.events if isinstance(e.data, Stalled))
    assert worker.guess is True
    assert worker.cause is not None
    assert worker.cause.endswith("(a guess: no reset is named)")
    assert "no reset is named, tried again at" in stalled.data.summary()


def test_a_limit_with_a_reset_is_no_guess() -> None:
    play = live(Report("limited", "You've hit your limit"), workers=1)
    play.stage.harness.reports = {"w0": Report("limited", "limit", play.stage.clock.at + timedelta(hours=2))}
    play.go(minutes=5)

    worker = status(play.stage.world(), NAME, recorded=True).data.workers[0]
    assert "" == str(worker.guess or "").replace("UNSET", "")


def test_a_limit_that_is_met_once_more_at_its_reset_is_not_run_into_again_at_once() -> None:
    play = Play(workers=1, plan={"stuck": {"backoff": "60s"}})
    play.stage.acts["w0"] = Act(seconds=1, stops_after=0, code=1)
    play.stage.harness.end = Report("limited", "resets 12:15am", play.stage.clock.at)
    play.up()
    play.go(minutes=30)

    pauses = [late - early for early, late in pairwise(launch_times(play))]
    assert 60 <= pauses[1] < pauses[2] < pauses[3]


def test_a_client_that_tries_again_by_itself_is_not_silent() -> None:
    retrying = Report("busy", "retrying: connection refused (6 of 10)", source="screen", retries=True)
    play = live(retrying, workers=1, stuck={"after": "5m"})
    play.go(minutes=60)

    shown = status(play.stage.world(), NAME, recorded=True).data.workers[0]
    assert "retrying: connection refused (6 of 10)" == shown.retrying
    assert [] == [e for e in play.events if isinstance(e.data, Stalled)]
    assert [] == [text for text in play.told() if "need" in text]
