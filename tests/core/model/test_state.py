"""What is told of a state without a decision: who is alive, what is done, what is owed."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from msgspec.structs import replace
from tests.log import HOST, NOW, PLAN

from wakeman.core.model import (
    PACES,
    Deployment,
    Observation,
    OpenIntent,
    State,
    Unit,
    UnitState,
    Usage,
    Verdict,
    WakeTarget,
    WorkersSpec,
    WorkerState,
    attempt_id,
)
from wakeman.core.model.worker import INTERNAL_ERROR
from wakeman.core.policy.review import reviewing

PASSES, FAILS = Verdict("a"), Verdict("a", ("empty",))


@pytest.mark.parametrize("state", get_args(State))
def test_a_worker_is_alive_from_its_launch_to_its_end(state: State) -> None:
    worker = WorkerState(name="w", session="w", state=state)

    assert (state in ("launched", "running", "stuck"), state in ("exited", "verified")) == (worker.live, worker.ended)


FAILED = f"{INTERNAL_ERROR} x"


@pytest.mark.parametrize(
    ("state", "observation", "why"),
    [
        ("running", Observation("w", 1, "unknown", why=FAILED), FAILED),
        ("stuck", Observation("w", 1, "unknown", why=FAILED), FAILED),
        ("exited", Observation("w", 1, "unknown", why=FAILED), ""),
        ("running", Observation("w", 1, "running", why=FAILED), ""),
        ("running", Observation("w", 1, "unknown", why="no server"), ""),
        ("running", None, ""),
    ],
    ids=str,
)
def test_a_worker_alive_is_unseen_where_looking_at_it_failed_as_nobody_foresaw(
    state: State, observation: Observation | None, why: str
) -> None:
    assert why == WorkerState(name="w", session="w", state=state, observation=observation).unseen


def test_processes_that_outlive_a_session_are_those_of_the_last_look() -> None:
    worker = WorkerState(name="w", session="w")
    before = worker.processes
    worker.observation = Observation("w", 1, "exited", processes=2)

    assert (0, 2) == (before, worker.processes)


@pytest.mark.parametrize(
    ("fields", "done", "made"),
    [
        ({}, False, False),
        ({"verdict": PASSES}, True, True),
        ({"verdict": FAILS}, False, False),
        ({"verdict": PASSES, "reopened": "thin"}, False, False),
        ({"waived": True}, True, True),
        ({"waived": True, "verdict": FAILS, "reopened": "thin"}, True, True),
        ({"staged": PASSES}, False, True),
        ({"staged": FAILS}, False, False),
        ({"verdict": PASSES, "staged": FAILS}, True, True),
        ({"verdict": FAILS, "staged": PASSES}, False, True),
        ({"verdict": PASSES, "reopened": "thin", "staged": PASSES}, False, True),
    ],
    ids=str,
)
def test_a_unit_is_done_when_it_passes_or_is_waived_and_made_when_only_its_promotion_is_left(
    fields: dict[str, Any], done: bool, made: bool
) -> None:
    unit = UnitState(unit=Unit("a", ("a.out",)), worker="w", **fields)

    assert (done, made) == (unit.done, unit.made)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Usage(), Usage(), Usage()),
        (Usage(input=1, output=2, cost=0.5), Usage(), Usage(input=1, output=2, cost=0.5)),
        (Usage(), Usage(input=1, output=2, cost=0.5), Usage(input=1, output=2, cost=0.5)),
        (Usage(input=1, output=2, cost=0.5), Usage(input=4, output=8, cost=0.25), Usage(input=5, output=10, cost=0.75)),
        (Usage(input=0), Usage(output=3), Usage(input=0, output=3)),
        (Usage(input=1, whole=True), Usage(input=1, whole=True), Usage(input=2)),
    ],
)
def test_what_nobody_reports_is_not_guessed_in_a_sum(one: Usage, other: Usage, both: Usage) -> None:
    assert both == one + other


@pytest.mark.parametrize(
    ("workers", "kind"),
    [
        (WorkersSpec(), "in place"),
        (WorkersSpec(stage=True), "staged"),
        (WorkersSpec(isolate="worktree"), "worktree"),
    ],
)
def test_a_worker_works_where_its_plan_says(workers: WorkersSpec, kind: str) -> None:
    assert kind == workers.workspace


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (WakeTarget(tmux="desk"), "tmux:desk"),
        (WakeTarget(tmux="my:desk"), "tmux:my:desk"),
        (WakeTarget(run=("mail", "-s", "a/b")), "mail"),
        (WakeTarget(run=("/usr/bin/mail", "-s", "x")), "mail"),
        (WakeTarget(run=("bin/send.sh",)), "send.sh"),
    ],
    ids=str,
)
def test_a_receiver_is_called_by_its_session_or_its_program(target: WakeTarget, name: str) -> None:
    assert name == target.name


def test_a_pace_slows_and_each_is_slower_than_the_one_before() -> None:
    assert [("simple", (180, 300)), ("complex", (300, 600)), ("long", (600, 900))] == list(PACES.items())


def deployment(*actions: str) -> Deployment:
    intents = {seq: OpenIntent(seq=seq, action=action, at=NOW) for seq, action in enumerate(actions, 1)}
    return Deployment(name="night", plan=PLAN, host=HOST, intents=intents)


def test_notices_and_promotions_are_told_from_other_intents() -> None:
    d = deployment("launch", "wake", "install", "send", "commit", "wake", "move")

    assert ([2, 6], [3, 5]) == (list(d.wakes), list(d.promoting))


def test_the_text_under_way_is_that_of_the_worker() -> None:
    d = deployment("send", "send")

    assert d.intents[2] == d.prompt_of(WorkerState(name="w", session="w", prompt=2))
    assert None is d.prompt_of(WorkerState(name="w", session="w"))


def test_a_reviewer_has_the_plan_for_reviewers_once_there_is_one() -> None:
    d = deployment()
    maker, reviewer = WorkerState(name="w", session="w"), WorkerState(name="r", session="r", review=1)
    before = (d.plan_of(maker), d.plan_of(reviewer))
    d.reviewing = reviewing(PLAN)

    assert (PLAN, PLAN) == before
    assert (PLAN, d.reviewing) == (d.plan_of(maker), d.plan_of(reviewer))


ATTEMPT = "night/w/2@b1.695c2ec0.cec566e3"


def test_the_id_of_an_attempt_is_the_same_for_ever() -> None:
    """Sessions carry it: with another an upgrade would find none of those that run."""
    d = deployment()
    worker = WorkerState(name="w", session="w", attempt=2, boot="b1")
    unstarted = attempt_id(d, worker)
    d.started = NOW

    assert (ATTEMPT, ATTEMPT.replace("695c2ec0", "0")) == (attempt_id(d, worker), unstarted)


@pytest.mark.parametrize("change", [{"name": "v"}, {"attempt": 3}, {"boot": "b2"}], ids=str)
def test_no_two_attempts_have_one_id(change: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"name": "w", "session": "w", "attempt": 2, "boot": "b1"}
    d = deployment()

    one, other = WorkerState(**fields), WorkerState(**{**fields, **change})

    assert attempt_id(d, one) != attempt_id(d, other)


def test_a_later_deployment_and_one_in_another_directory_have_ids_of_their_own() -> None:
    d, worker = deployment(), WorkerState(name="w", session="w", attempt=2, boot="b1")
    ids = {attempt_id(d, worker)}
    d.started = NOW
    ids.add(attempt_id(d, worker))
    d.host = replace(HOST, directory="/elsewhere/night\udcff")
    ids.add(attempt_id(d, worker))
    d.name = "day"
    ids.add(attempt_id(d, worker))

    assert 4 == len(ids)
