"""A profile that is edited while its deployment is open: every attempt gets the one that `up` has read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.errors import PlanError, UsageError
from wakeman.core.log.events import Planned
from wakeman.core.model import Agent
from wakeman.engine import requests
from wakeman.engine.attempt.compose import compose_attempt
from wakeman.engine.start.deploy import amend, up
from wakeman.engine.start.prepare import PROFILE_BYTES_MAX, prepare_plan

FIRST = Agent(description="condenses", prompt="Keep every fact.")
SECOND = Agent(description="condenses", prompt="Delete everything.")
REVIEWED: dict[str, dict[str, object]] = {"verify": {"agent": "judge", "review": {"of": "all", "command": ["judge"]}}}


def begun(plan: dict[str, dict[str, object]] | None = None) -> Play:
    """Begin a deployment whose worker is there already, with profiles of the user's own."""
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)}, plan=plan or {})
    play.stage.agents.update(librarian=FIRST, judge=FIRST)
    play.plan["workers"] = {**play.plan.get("workers", {}), "agent": "librarian"}
    play.up()
    return play


def profile(play: Play) -> Agent | None:
    """Give the profile that the worker's next attempt would get."""
    d = play.deployment
    return compose_attempt(play.stage.world(), d, d.workers["w0"])[0].agent


def test_every_attempt_gets_the_profile_of_up_however_it_was_edited_since() -> None:
    play = begun()
    play.stage.agents["librarian"] = SECOND

    assert FIRST == profile(play)
    del play.stage.agents["librarian"]
    assert FIRST == profile(play)


def test_reviewers_get_the_profile_of_up_too() -> None:
    play = begun(REVIEWED)
    planned = play.events[0].data

    assert isinstance(planned, Planned)
    assert {"judge": FIRST, "librarian": FIRST} == planned.plan.agents


def test_of_profiles_that_nobody_uses_the_log_keeps_none() -> None:
    planned = begun().events[0].data

    assert isinstance(planned, Planned)
    assert {"librarian": FIRST} == planned.plan.agents


def test_up_again_with_an_edited_profile_is_refused_and_says_what_takes_it() -> None:
    play = begun()
    play.stage.agents["librarian"] = SECOND
    world = play.stage.world("up:2")

    with pytest.raises(UsageError, match=r"agents\.librarian: another profile than at `up`") as caught:
        up(world, prepare_plan(world, play.text(), "plan.json", "/plans"))

    assert "wakeman amend" in caught.value.hint
    assert FIRST == profile(play)


def test_up_again_with_the_same_profile_goes_on() -> None:
    play = begun()
    world = play.stage.world("up:2")

    assert "open" == up(world, prepare_plan(world, play.text(), "plan.json", "/plans")).outcome


def test_an_amendment_takes_the_profile_as_it_is_now() -> None:
    play = begun()
    play.stage.agents["librarian"] = SECOND
    world = play.stage.world("amend:1")
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))

    assert SECOND == profile(play)


def test_a_profile_of_the_plan_itself_counts_before_others() -> None:
    play = begun({"agents": {"librarian": {"description": "x", "prompt": "y"}}})

    assert Agent(description="x", prompt="y") == profile(play)


def test_a_deployment_of_the_version_before_keeps_no_profile_and_gets_it_as_it_is() -> None:
    play = begun()
    d = play.deployment
    d.plan = replace(d.plan, agents={})
    play.stage.agents["librarian"] = SECOND

    assert SECOND == compose_attempt(play.stage.world(), d, d.workers["w0"])[0].agent


def test_a_profile_that_the_log_cannot_keep_is_refused() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"agent": "long"}})
    play.stage.agents["long"] = Agent(description="d", prompt="x" * PROFILE_BYTES_MAX)

    with pytest.raises(
        PlanError, match=rf"workers\.agent: found a profile 'long' of .* expected at most {PROFILE_BYTES_MAX}"
    ):
        play.up()


def test_a_deployment_with_a_recorded_profile_is_audited_as_any_other() -> None:
    play = begun(REVIEWED)
    requests.request(play.stage.world(), NAME, "down")
    play.go()

    assert ("stopped", []) == (play.deployment.outcome, play.judged())
