"""Deployments of agents in memory: usage limits, resumed conversations, refused keys, cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Looked
from wakeman.core.model import Usage
from wakeman.engine.requests import request
from wakeman.engine.start.deploy import amend
from wakeman.engine.start.prepare import prepare_plan
from wakeman.ports import Report


def failing(play: Play, report: Report, name: str = "w0", code: int = 1) -> None:
    """Let a worker end badly after its first unit, and the harness say why."""
    play.stage.acts[name] = Act(seconds=10, stops_after=1, code=code)
    play.stage.harness.end = report


def mended(play: Play) -> None:
    """Let everybody work well from here on."""
    play.stage.acts.clear()
    play.stage.harness.end = Report()


def limit(play: Play, minutes: int) -> Report:
    return Report("limited", "usage limit", play.stage.clock.at + timedelta(minutes=minutes))


def test_a_usage_limit_is_waited_for_by_all_and_costs_no_attempt() -> None:
    play = Play(workers=2, plan={"workers": {"at_once": 1}, "stuck": {"attempts": 1}})
    failing(play, limit(play, 90))
    begun = play.stage.clock.at
    play.up()
    play.go(minutes=60)
    waited = [worker.attempt for worker in play.deployment.workers.values()]
    mended(play)
    done = play.go(minutes=300)

    assert ([1, 0], "complete") == (waited, done.outcome)
    second = next(event for event in play.events if event.data.__class__.__name__ == "Relaunched")
    assert timedelta(minutes=90) <= second.at - begun <= timedelta(minutes=92)
    assert done.counted < 600


def test_a_limit_without_a_time_is_tried_again_after_a_quarter_of_an_hour() -> None:
    play = Play(workers=1)
    failing(play, Report("limited", "usage limit"))
    play.up()
    play.go(minutes=10)
    mended(play)
    first = play.deployment.workers["w0"].attempt

    assert (1, "complete") == (first, play.go(minutes=10).outcome)


def test_where_nobody_waits_for_resets_a_limit_is_a_failure() -> None:
    play = Play(workers=1, units=3, plan={"limits": {"wait": False}, "cleanup": {"rounds": 0}})
    failing(play, limit(play, 90))

    assert ("partial", 2) == (play.run(minutes=60).outcome, play.deployment.workers["w0"].attempt)


@pytest.mark.parametrize(("code", "report"), [(137, Report()), (1, None)])
def test_a_conversation_that_was_cut_off_goes_on(code: int, report: Report | None) -> None:
    play = Play(workers=1)
    play.stage.harness.resumable = "given"
    failing(play, report or limit(play, 1), code=code)
    play.up()
    play.go(minutes=0.4)
    mended(play)

    play.go(minutes=60)

    first, second = play.intents("launch")
    assert (False, True, first.agent_session) == (first.resume, second.resume, second.agent_session)
    assert "You were interrupted." in play.stage.files.read("/state/night/prompts/completed/w0.2.md").decode()


@pytest.mark.parametrize("code", [1, 137])
def test_a_conversation_that_fails_when_resumed_is_not_resumed_again(code: int) -> None:
    play = Play(workers=1, plan={"stuck": {"attempts": 3}})
    play.stage.harness.resumable = "given"
    play.stage.acts["w0"] = Act(seconds=10, stops_after=0, code=137)
    play.up()
    play.stage.acts["w0"] = Act(seconds=10, stops_after=0, code=code)

    play.go(minutes=10)

    launches = play.intents("launch")[:3]
    assert [False, True, False] == [one.resume for one in launches]
    assert launches[0].agent_session != launches[2].agent_session


def test_a_conversation_whose_id_the_client_chooses_is_resumed_by_what_it_told() -> None:
    play = Play(workers=1)
    play.stage.harness.resumable = "told"
    failing(play, Report(agent_session="its-own"), code=137)
    play.up()
    play.go(minutes=0.4)
    mended(play)

    play.go(minutes=60)

    assert [("", False), ("its-own", True)] == [(one.agent_session, one.resume) for one in play.intents("launch")]


def test_a_key_that_was_refused_bars_launches_until_a_person_says_so() -> None:
    play = Play(workers=3, plan={"workers": {"at_once": 1}})
    failing(play, Report("error", "401", fault="auth"))
    play.up()
    play.go(minutes=120)
    barred = [worker.attempt for worker in play.deployment.workers.values()]
    told = [text for text in play.told() if "no launches: a key or a login was refused: wakeman unpause" in text]
    mended(play)
    request(play.stage.world(), "night", "unpause")

    assert ([1, 0, 0], "complete") == (barred, play.go(minutes=120).outcome)
    assert 1 <= len(told) <= 4


def test_launches_stop_at_the_bound_on_cost_and_the_cost_of_all_attempts_counts() -> None:
    play = Play(
        workers=3, plan={"workers": {"at_once": 1}, "limits": {"max_cost": 3.0}, "stuck": {"attempts": 2, "backoff": 0}}
    )
    failing(play, Report(usage=Usage(input=10, cost=2.0)))

    play.run(minutes=60)

    assert [2, 0, 0] == [worker.attempt for worker in play.deployment.workers.values()]
    assert any("limits.max_cost or max_tokens is reached" in text for text in play.told())


@pytest.mark.parametrize(
    ("over", "states"), [("leave", ["exited", "running", "pending"]), ("stop", ["exited", "exited", "pending"])]
)
def test_beyond_a_bound_those_at_work_go_on_unless_the_plan_says_stop(over: str, states: list[str]) -> None:
    limits = {"max_cost": 3.0, "over": over}
    acts = {"w0": Act(seconds=60, stops_after=1), "w1": Act(seconds=3000)}
    play = Play(workers=3, acts=acts, plan={"workers": {"at_once": 2}, "limits": limits, "cleanup": {"when": "all"}})
    play.stage.harness.end = Report(usage=Usage(cost=3.0))
    play.stage.harness.reads = frozenset({"stream"})

    play.run(minutes=5)

    found = [play.deployment.workers[name] for name in ("w0", "w1", "w2")]
    assert states == [worker.state for worker in found]
    assert (over == "stop") == (found[1].ended_by == "wakeman")
    assert (over == "stop") == ("halt" in play.rows())
    assert any("limits.max_cost or max_tokens is reached" in text for text in play.told())


def test_an_amended_bound_on_cost_lets_launches_go_on_up_to_it() -> None:
    play = Play(workers=3, plan={"workers": {"at_once": 1}, "limits": {"max_cost": 3.0}, "stuck": {"attempts": 2}})
    failing(play, Report(usage=Usage(input=10, cost=2.0)))
    failing(play, Report(usage=Usage(input=10, cost=2.0)), "w1")
    play.run(minutes=60)
    world, attempts = play.stage.world(), []
    for bound in (7.0, 100.0):
        play.plan["limits"] = {"max_cost": bound}
        amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))
        play.go(minutes=60)
        attempts.append([play.deployment.workers[name].attempt for name in ("w0", "w1", "w2")])

    assert [[2, 2, 0], [2, 2, 1]] == attempts
    assert ("complete", []) == (play.go(minutes=600).outcome, play.judged())


@pytest.mark.parametrize(("whole", "cost"), [(True, 2.0), (False, 4.0)])
def test_a_resumed_conversation_that_counts_from_its_beginning_is_counted_once(whole: bool, cost: float) -> None:
    play = Play(workers=1, plan={"cleanup": {"rounds": 0}})
    play.stage.harness.resumable = "given"
    failing(play, Report(usage=Usage(cost=2.0, whole=whole)), code=137)

    done = play.run(minutes=60)

    worker = done.workers["w0"]
    assert (2, cost) == (worker.attempt, (worker.used + worker.usage).cost)


def test_a_screen_is_believed_when_two_looks_saw_the_same() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)})
    play.stage.harness.reports = {"w0": Report("waiting", "asks", source="screen")}
    play.stage.harness.reads = frozenset({"screen"})

    play.up()
    play.go(minutes=6)

    looks = [
        event.data.observations for event in play.events if isinstance(event.data, Looked) and event.data.observations
    ]
    assert [("waiting: asks", "unknown"), ("waiting: asks", "waiting")] == [(s.shown, s.activity) for (s,) in looks]
    assert ("stuck", "waiting") == (play.states()["w0"], play.deployment.workers["w0"].reason)


def test_a_finished_session_is_told_to_end_itself_and_else_ended() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True)}, plan={"workers": {"mode": "interactive"}})
    play.stage.harness.reports = {"w0": Report("idle", "waits")}
    play.stage.harness.reads, play.stage.harness.leave = frozenset({"screen"}), "/exit"
    play.stage.sessions.screens["w0"] = "w0: ❯"

    done = play.run(minutes=30)

    assert ("complete", "wakeman", [("w0", "/exit", True)]) == (
        done.outcome,
        done.workers["w0"].ended_by,
        play.stage.sessions.typed,
    )


def test_nothing_is_typed_where_a_person_types() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True)}, plan={"workers": {"mode": "interactive"}})
    play.stage.harness.reports = {"w0": Report("idle", "waits")}
    play.stage.harness.reads, play.stage.harness.leave = frozenset({"screen"}), "/exit"
    play.stage.sessions.screens["w0"] = "w0: ❯ half a line"

    assert ("complete", []) == (play.run(minutes=30).outcome, play.stage.sessions.typed)


def test_a_worker_whose_limit_has_reset_is_told_what_is_missing() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)})
    play.plan = {"workers": {"mode": "interactive"}}
    play.stage.harness.reports = {"w0": limit(play, 30)}
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.sessions.screens["w0"] = "w0:\n❯"

    play.up()
    play.go(minutes=29)
    before = list(play.stage.sessions.typed)
    play.go(minutes=3)

    assert ([], [("w0", 'Still missing, go on with these: "w0/u0"', True)]) == (before, play.stage.sessions.typed)


def test_a_live_limit_that_names_no_end_is_tried_after_a_quarter_of_an_hour() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)})
    play.plan = {"workers": {"mode": "interactive"}}
    play.stage.harness.reports = {"w0": Report("limited", "429")}
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.sessions.screens["w0"] = "w0:\n❯"

    play.up()
    play.go(minutes=18)
    early = len(play.stage.sessions.typed)
    play.go(minutes=5)

    assert (0, 1, "limited") == (early, len(play.stage.sessions.typed), play.deployment.workers["w0"].reason)


def test_which_dialog_a_client_shows_is_read_where_only_its_process_says_that_it_waits() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)})
    play.plan = {"workers": {"mode": "interactive"}}
    play.stage.harness.reports = {
        "": Report("waiting", "asks: permission prompt", source="state"),
        "w0": Report("waiting", "asks a question", source="state"),
    }
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.sessions.screens["w0"] = "w0:\n❯ 1. Yes"

    play.run(minutes=5)

    assert ("waiting", "asks a question") == (play.deployment.workers["w0"].reason, play.deployment.workers["w0"].why)
