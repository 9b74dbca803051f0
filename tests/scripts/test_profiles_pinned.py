"""A profile that is edited while its deployment is open: every attempt gets the one that `up` has read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.audit.auditor import Auditor
from wakeman.core.errors import PlanError, ProgramError, UsageError
from wakeman.core.log.events import Amended, Intended, Planned
from wakeman.core.log.hash_chain import Divergence
from wakeman.core.log.summary import summary
from wakeman.core.model import Agent
from wakeman.core.plan.shares import profile_digest
from wakeman.engine import requests
from wakeman.engine.attempt.compose import compose_attempt
from wakeman.engine.start.deploy import CHANGED_KEYS_MAX, amend, up
from wakeman.engine.start.faults import PROFILE_BYTES_MAX
from wakeman.engine.start.prepare import prepare_plan

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


# --- what the log and the audit say of it -----------------------------------------------------------------------


def test_the_log_keeps_text_digest_and_origin_of_each_profile_that_is_used() -> None:
    play = begun({**REVIEWED, "agents": {"judge": {"description": "x", "prompt": "y"}}})
    planned = play.events[0].data

    assert isinstance(planned, Planned)
    assert [("judge", "plan"), ("librarian", "")] == [(one.name, one.origin) for one in planned.profiles]
    assert {one.name: one.digest for one in planned.profiles} == {
        "judge": profile_digest(Agent(description="x", prompt="y")),
        "librarian": profile_digest(FIRST),
    }


def test_each_launch_says_which_profile_the_attempt_got() -> None:
    play = begun()

    assert [profile_digest(FIRST)] == [intent.profile for intent in play.intents("launch")]
    assert [] == play.judged()


def test_a_launch_with_another_profile_than_the_plan_s_diverges() -> None:
    assert ["intent"] == [one.kind for one in judged_with(profile="0" * 64)]
    assert ["intent"] == [one.kind for one in judged_with(profile="")]


def test_a_profile_that_does_not_fit_its_digest_diverges() -> None:
    play = begun()
    judge = Auditor()
    for event in play.events:
        data = event.data
        if isinstance(data, Planned):
            data = replace(data, plan=replace(data.plan, agents={"librarian": SECOND}))
        judge.take(replace(event, data=data))

    assert [(1, "evidence", profile_digest(FIRST))] == [
        (one.line, one.kind, one.expected) for one in judge.divergences if one.kind == "evidence"
    ]


def test_a_profile_with_a_digest_and_no_text_diverges() -> None:
    play = begun()
    judge = Auditor()
    for event in play.events:
        data = event.data
        if isinstance(data, Planned):
            data = replace(data, plan=replace(data.plan, agents={}))
        judge.take(replace(event, data=data))

    assert ["the profile 'librarian' with digest none"] == [one.found for one in judge.divergences]


def judged_with(profile: str) -> list[Divergence]:
    """Audit a log whose launch names another profile."""
    play = begun()
    judge = Auditor()
    for event in play.events:
        data = event.data
        if isinstance(data, Intended) and data.action == "launch":
            data = replace(data, profile=profile)
        judge.take(replace(event, data=data))
    return judge.divergences


def test_an_amendment_says_which_keys_changed_and_what_its_attempts_get_from_then_on() -> None:
    play = begun()
    play.stage.agents["librarian"] = SECOND
    world = play.stage.world("amend:1")
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))
    amended = next(event.data for event in play.events if isinstance(event.data, Amended))

    assert ("agents.librarian.prompt",) == amended.changed
    assert {"librarian": profile_digest(SECOND)} == play.deployment.profiles
    assert "changed: agents.librarian.prompt" in summary(amended)


def test_of_many_changed_keys_the_log_says_how_many_more() -> None:
    play = begun()
    play.plan["agents"] = {f"a{n}": {"description": "d", "prompt": "p"} for n in range(CHANGED_KEYS_MAX)}
    world = play.stage.world("amend:1")
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))
    amended = next(event.data for event in play.events if isinstance(event.data, Amended))

    assert CHANGED_KEYS_MAX + 1 == len(amended.changed)
    assert amended.changed[-1].endswith(" more")


def test_nobody_of_an_older_log_is_started_without_the_profile_that_its_plan_names() -> None:
    play = begun()
    d = play.deployment
    d.plan = replace(d.plan, agents={})
    del play.stage.agents["librarian"]

    with pytest.raises(ProgramError, match="'librarian' is not in this older log, and there found none of that name"):
        compose_attempt(play.stage.world(), d, d.workers["w0"])


def test_a_worker_that_is_started_again_gets_the_profile_of_up_and_the_log_says_so() -> None:
    play = Play(
        workers=1, units=1, acts={"w0": Act(seconds=60, code=1, stops_after=0)}, plan={"stuck": {"attempts": 2}}
    )
    play.stage.agents["librarian"] = FIRST
    play.plan["workers"] = {"agent": "librarian"}
    play.up()
    play.stage.agents.clear()
    play.go()

    launches = play.intents("launch")
    assert len(launches) > 2  # its attempts, and a cleanup worker's
    assert {profile_digest(FIRST)} == {intent.profile for intent in launches}
    assert [] == play.judged()
