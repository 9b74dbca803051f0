"""The decision tables are complete, and their facts are computed correctly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from wakeman.core.model import (
    Deployment,
    LimitsSpec,
    Observation,
    Plan,
    StuckSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Usage,
    Verdict,
    WakeSpec,
    WatchSpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy.attempts import ended_badly, may_retry
from wakeman.core.policy.deployment_rows import decide, deployment_facts, short
from wakeman.core.policy.limits import BREAKER_LAUNCHES, due_launches, elapsed, every, over_budget, reset, used
from wakeman.core.policy.tables import DEPLOYMENT_RULES, WORKER_RULES, Rule
from wakeman.core.policy.transitions import transitions
from wakeman.core.policy.worker_rows import decide_worker, ladder, worker_facts

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)


def asked(rules: Sequence[Rule]) -> list[str]:
    return sorted({name for rule in rules for name in rule.when})


def test_the_facts_of_a_deployment_are_those_that_its_table_asks() -> None:
    facts = deployment_facts(deployment())

    assert set(asked(DEPLOYMENT_RULES)) == set(facts)


def test_the_facts_of_a_worker_are_those_that_its_table_asks() -> None:
    night = deployment()

    assert set(asked(WORKER_RULES)) == set(worker_facts(night, night.workers["a"]))


def worker(name: str = "a", **fields: object) -> WorkerState:
    built = WorkerState(name=name, session=name, units=[f"{name}/1"])
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(*workers: WorkerState, done: Sequence[str] = (), **plan: object) -> Deployment:
    workers = workers or (worker(),)
    base = Plan(name="night", units=UnitsSpec(items=("x",)), workers=WorkersSpec(stagger=0.0))
    units = {
        name: UnitState(
            unit=Unit(name=name, outputs=("o",)),
            worker=w.name,
            verdict=Verdict(unit=name) if name in done else None,
        )
        for w in workers
        for name in w.units
    }
    return Deployment(
        name="night",
        plan=msgspec.structs.replace(base, **plan),
        units=units,
        workers={w.name: w for w in workers},
        started=NOW,
        looked_at=NOW,
        mono=1000.0,
        met=any(w.ended_by == "limit" or w.reason == "limited" for w in workers),
    )


@pytest.mark.parametrize("code", [0, 1])
def test_a_worker_whose_outputs_wait_for_their_verify_command_is_neither_retried_nor_short(code: int) -> None:
    night = deployment(worker("a", state="exited", ended_by="itself", code=code))
    row, retried, left = decide(night).row, may_retry(night, night.workers["a"]), short(night)
    night.units["a/1"].verdict = Verdict(unit="a/1", problems=("unchecked",), waits=True)

    assert ("sleep", False, {}) == (decide(night).row, may_retry(night, night.workers["a"]), short(night))
    assert (code == 1, code == 0) == (retried, bool(left))
    assert ("clean up" if code == 0 else "sleep") == row


def limited(**fields: object) -> WorkerState:
    kept = {"state": "exited", "ended_by": "limit", "until": NOW + timedelta(minutes=2), "code": 1, "spent": 0}
    return worker("a", **kept | fields)


@pytest.mark.parametrize(
    ("fields", "until"),
    [
        ({}, NOW + timedelta(minutes=2)),
        ({"state": "stuck", "ended_by": "", "reason": "limited"}, NOW + timedelta(minutes=2)),
        ({"until": NOW}, None),
        ({"until": None}, None),
        ({"ended_by": "itself"}, None),
    ],
)
def test_a_usage_limit_lasts_until_its_reset(fields: dict[str, object], until: datetime | None) -> None:
    night = deployment(limited(**fields), worker("b"))

    assert (until, [] if until else ["b"]) == (reset(night), due_launches(night))


def test_nobody_waits_for_a_reset_where_the_plan_says_so_or_nothing_was_seen() -> None:
    night = deployment(limited(), limits=LimitsSpec(wait=False))
    unseen = deployment(limited())
    unseen.looked_at = None

    assert (None, None) == (reset(night), reset(unseen))


def test_who_met_a_limit_is_tried_again_when_it_has_reset() -> None:
    night = deployment(limited())
    early = may_retry(night, night.workers["a"])
    night.looked_at = NOW + timedelta(minutes=2)

    assert (False, True) == (early, may_retry(night, night.workers["a"]))


@pytest.mark.parametrize(("pace", "seconds"), [(300.0, 125.0), (60.0, 60.0)])
def test_the_alarm_comes_when_a_limit_resets(pace: float, seconds: float) -> None:
    assert seconds == every(deployment(limited(), wake=WakeSpec(every=pace)))


@pytest.mark.parametrize(("mode", "row"), [("interactive", "continue"), ("print", "leave")])
def test_a_live_worker_whose_limit_has_reset_is_told_to_go_on(mode: str, row: str) -> None:
    stuck = limited(state="stuck", reason="limited", ended_by="", until=NOW, rung=1)
    night = deployment(stuck, workers=WorkersSpec(mode=mode))  # type: ignore[arg-type] # a literal of a parameter

    assert row == decide_worker(night, stuck).row


@pytest.mark.parametrize(
    ("limits", "halted"),
    [
        (LimitsSpec(), False),
        (LimitsSpec(max_cost=3.0), True),
        (LimitsSpec(max_cost=3.5), False),
        (LimitsSpec(max_tokens=150), True),
        (LimitsSpec(max_tokens=151), False),
        (LimitsSpec(max_cost=9.0, max_tokens=151), False),
    ],
)
def test_nobody_is_launched_beyond_the_bounds_on_cost_and_tokens(limits: LimitsSpec, halted: bool) -> None:
    spent = worker("a", state="exited", ended_by="itself", code=0, used=Usage(input=100, cost=1.0))
    spent.usage = Usage(output=50, cost=2.0)
    night = deployment(spent, worker("b"), limits=limits)

    assert (halted, [] if halted else ["b"]) == (over_budget(night), due_launches(night))


def test_what_no_client_reports_is_absent() -> None:
    assert Usage() == used(deployment())


def test_pending_workers_are_due_at_once_without_a_stagger() -> None:
    assert ["a", "b"] == due_launches(deployment(worker("a"), worker("b")))


def test_a_stagger_lets_one_go_at_a_time() -> None:
    night = deployment(worker("a"), worker("b"), workers=WorkersSpec(stagger=2.0))
    first = due_launches(night)
    night.last_launch = 999.0

    assert (["a"], []) == (first, due_launches(night))


def test_a_stagger_measured_on_an_earlier_boot_holds_up_nobody() -> None:
    night = deployment(worker("a"), workers=WorkersSpec(stagger=2.0))
    night.last_launch = 5000.0

    assert ["a"] == due_launches(night)


def test_at_once_counts_those_alive_and_those_being_launched() -> None:
    night = deployment(
        worker("a", state="running"), worker("b", intent=7), worker("c"), workers=WorkersSpec(stagger=0.0, at_once=2)
    )

    assert [] == due_launches(night)


def test_free_memory_bounds_the_launches() -> None:
    night = deployment(worker("a"), worker("b"), worker("c"), limits=LimitsSpec(memory=100))
    night.memory = 250

    assert ["a", "b"] == due_launches(night)


@pytest.mark.parametrize(
    ("field", "value"),
    [("paused_at", NOW), ("down", "enough"), ("failed_launches", BREAKER_LAUNCHES), ("full", "no space")],
)
def test_nothing_is_due_while_paused_going_down_broken_or_on_a_full_disk(field: str, value: object) -> None:
    night = deployment()
    setattr(night, field, value)

    assert [] == due_launches(night)


@pytest.mark.parametrize(
    ("ended_by", "code", "badly"),
    [
        ("itself", 0, False),
        ("itself", None, False),
        ("itself", 1, True),
        ("", None, True),
        ("machine", None, True),
        ("launch", None, True),
        ("limit", 1, True),
        ("person", 129, False),
        ("wakeman", 129, False),
    ],
)
def test_who_ended_a_worker_and_how_tells_whether_it_ended_badly(ended_by: str, code: int | None, badly: bool) -> None:
    assert badly is ended_badly(worker(ended_by=ended_by, code=code))


def test_a_retry_needs_an_attempt_left_unless_a_person_asks() -> None:
    tired = worker(state="exited", ended_by="itself", code=1, spent=2)
    night = deployment(tired)
    without = may_retry(night, tired)
    tired.again = True

    assert (False, True) == (without, may_retry(night, tired))


def test_a_worker_with_nothing_missing_is_not_tried_again() -> None:
    ended = worker(state="exited", ended_by="itself", code=1)

    assert not may_retry(deployment(ended, done=["a/1"]), ended)


def test_processes_that_outlive_an_attempt_are_ended_before_anything_else() -> None:
    ended = worker(state="exited", ended_by="itself", code=1)
    ended.observation = Observation(worker="a", attempt=0, session="exited", processes=2)
    night = deployment(ended)

    assert ("tidy", "sleep") == (decide_worker(night, ended).row, decide(night).row)


def test_a_restart_with_no_attempt_left_asks_a_person_instead() -> None:
    stuck = worker(state="stuck", reason="error", rung=1, spent=2)

    assert ("ask",) == decide_worker(deployment(stuck), stuck).then


def test_a_ladder_that_was_climbed_leaves_the_worker_alone() -> None:
    stuck = worker(state="stuck", reason="silent", rung=2)

    assert "leave" == decide_worker(deployment(stuck), stuck).row


@pytest.mark.parametrize(
    ("mode", "rungs"), [("print", ("capture", "ask")), ("interactive", ("capture", "nudge", "ask"))]
)
def test_only_those_who_can_read_are_nudged(mode: str, rungs: tuple[str, ...]) -> None:
    plan = msgspec.structs.replace(
        Plan(name="n", units=UnitsSpec(items=("x",))), workers=msgspec.convert({"mode": mode}, WorkersSpec)
    )

    assert rungs == ladder(plan, "silent")


def test_a_worker_that_is_idle_with_all_done_is_ended_the_second_time() -> None:
    once, twice = worker(state="running", finished=1), worker(state="running", finished=2)

    assert ["leave", "finish"] == [decide_worker(deployment(w), w).row for w in (once, twice)]


def test_give_up_comes_after_the_time_that_counts() -> None:
    night = deployment(worker(state="running"), limits=LimitsSpec(give_up=600.0))
    night.counted = 700.0
    late = decide(night).row
    night.counted = 500.0

    assert ("give up", "sleep") == (late, decide(night).row)


def test_a_decision_about_very_many_names_the_first_and_counts_the_rest() -> None:
    night = deployment(*(worker(f"w{n}") for n in range(60)))

    assert decide(night).why.endswith("w48, w49 and 10 more")


def test_nothing_has_elapsed_before_the_first_look() -> None:
    assert 0.0 == elapsed(Deployment())


def test_a_held_row_waits_until_it_is_accepted() -> None:
    night = deployment(worker(state="verified"), done=["a/1"], wake=WakeSpec(hold=True))
    proposed = decide(night)
    night.accepted = "wrap up"

    assert (("wrap up", True), ("wrap up", False)) == (
        (proposed.row, proposed.held),
        (decide(night).row, decide(night).held),
    )


def test_going_down_first_ends_those_alive_then_closes() -> None:
    alive, over = deployment(worker(state="running")), deployment(worker(state="exited"))
    alive.down = over.down = "enough"

    assert (("end",), ("close",)) == (decide(alive).then, decide(over).then)


@pytest.mark.parametrize(("looks", "seconds"), [(0, 300.0), (1, 300.0), (2, 600.0)])
def test_a_pace_slows_after_two_alarms_without_progress(looks: int, seconds: float) -> None:
    night = deployment(wake=WakeSpec(every="complex"))
    night.idle_looks = looks

    assert seconds == every(night)


def sighted(state: str, **seen: object) -> list[str]:
    w = worker(state=state, attempt=1, life="aa", life_mono=0.0)
    for name in ("reason", "stalled_life"):
        if name in seen:
            setattr(w, name, seen.pop(name))
    w.observation = msgspec.convert(
        {"worker": "a", "attempt": 1, "session": "running", "life": "aa", **seen}, Observation
    )
    night = deployment(w, stuck=StuckSpec(after=10_000.0 if seen.get("activity") else 600.0))
    return [f"{draft.source}>{draft.to}" for draft in transitions(night)]


@pytest.mark.parametrize(
    ("state", "seen", "moves"),
    [
        ("launched", {"session": "queued"}, []),
        ("running", {"session": "unknown"}, []),
        ("launched", {"activity": "busy"}, ["launched>running"]),
        ("launched", {"activity": "busy", "life": ""}, []),
        ("launched", {"activity": "waiting"}, ["launched>stuck"]),
        ("running", {"activity": "limited"}, ["running>stuck"]),
        ("running", {"activity": "busy"}, []),
        ("running", {}, ["running>stuck"]),
        ("stuck", {"reason": "silent", "stalled_life": "aa"}, []),
        ("stuck", {"reason": "silent", "stalled_life": "bb", "activity": "busy"}, ["stuck>running"]),
        ("stuck", {"reason": "silent", "stalled_life": "aa", "activity": "busy"}, []),
        ("stuck", {"reason": "waiting", "activity": "waiting"}, []),
        ("stuck", {"reason": "waiting", "activity": "busy"}, ["stuck>running"]),
        ("stuck", {"reason": "waiting", "activity": "error"}, ["stuck>running", "running>stuck"]),
        ("running", {"session": "exited", "code": 0, "ended_by": "itself"}, ["running>exited"]),
        ("stuck", {"session": "lost", "ended_by": "machine"}, ["stuck>exited"]),
    ],
)
def test_a_sighting_moves_a_worker(state: str, seen: dict[str, object], moves: list[str]) -> None:
    assert moves == sighted(state, **seen)


def test_a_sighting_of_an_earlier_attempt_moves_nothing() -> None:
    assert [] == sighted("running", attempt=7, session="exited")


def test_an_end_with_everything_done_is_verified_in_the_same_step() -> None:
    w = worker(state="running", attempt=1)
    w.observation = Observation(worker="a", attempt=1, session="exited", code=0, ended_by="itself")

    drafts = transitions(deployment(w, done=["a/1"]))

    assert ["exited", "verified"] == [draft.to for draft in drafts]


def test_nothing_is_verified_while_a_process_of_it_lives() -> None:
    w = worker(state="exited", attempt=1)
    w.observation = Observation(worker="a", attempt=1, session="exited", processes=1)

    assert [] == transitions(deployment(w, done=["a/1"]))


def test_a_worker_without_units_is_never_verified() -> None:
    w = worker(state="exited")
    w.units = []

    assert [] == transitions(deployment(w))


@pytest.mark.parametrize(
    ("conflicts", "state", "row"),
    [
        ("warn", "running", "warn"),
        ("warn", "exited", "warn"),
        ("stop", "running", "fence"),
        ("stop", "exited", "warn"),
    ],
)
def test_who_wrote_out_of_place_is_warned_of_or_ended(conflicts: str, state: str, row: str) -> None:
    stray = worker(state=state, trespasses=1, ended_by="itself", code=0)
    night = deployment(stray, watch=WatchSpec(conflicts=conflicts))  # type: ignore[arg-type] # a literal of a parameter

    assert row == decide_worker(night, stray).row
