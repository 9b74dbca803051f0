"""Who may be launched now, what was spent, and when the next alarm is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from wakeman.core.model import (
    Deployment,
    Host,
    LimitsSpec,
    Plan,
    UnitsSpec,
    Usage,
    WakeSpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy.limits import (
    due_launches,
    every,
    longest,
    over_budget,
    reset,
    slots,
    staggered,
    starved,
    tokens,
)

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
GIGABYTE = 1 << 30


def worker(name: str, **fields: object) -> WorkerState:
    built = WorkerState(name=name, session=name)
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(
    *workers: WorkerState,
    at_once: int | None = None,
    stagger: float = 0.0,
    limits: LimitsSpec | None = None,
    wake: WakeSpec | None = None,
    **fields: object,
) -> Deployment:
    plan = Plan(
        name="night",
        units=UnitsSpec(items=("x",)),
        workers=WorkersSpec(at_once=at_once, stagger=stagger),
        limits=limits or LimitsSpec(),
        wake=wake or WakeSpec(),
    )
    built = Deployment(name="night", plan=plan, workers={one.name: one for one in workers}, looked_at=NOW, mono=1000.0)
    for key, value in fields.items():
        setattr(built, key, value)
    return built


HOLDS: list[dict[str, object]] = [
    {"paused_at": NOW},
    {"down": "enough"},
    {"full": "no space"},
    {"barred": "a key was refused"},
    {"failed_launches": 3},
]


def test_who_is_being_launched_is_not_due_once_more() -> None:
    assert ["b"] == due_launches(deployment(worker("a", intent=7), worker("b")))


@pytest.mark.parametrize("hold", HOLDS, ids=str)
def test_what_holds_launches_up_leaves_nobody_due_and_no_stagger_to_wait_for(hold: dict[str, object]) -> None:
    free = deployment(worker("a"), worker("b"), stagger=5.0)
    held = deployment(worker("a"), worker("b"), stagger=5.0, **hold)  # type: ignore[arg-type] # fields of the deployment

    assert (["a"], True) == (due_launches(free), staggered(free))
    assert ([], False) == (due_launches(held), staggered(held))


@pytest.mark.parametrize(
    ("workers", "at_once", "stagger", "waits"),
    [
        ([worker("a")], None, 5.0, True),
        ([worker("a")], None, 0.0, False),
        ([worker("a", intent=7)], None, 5.0, False),
        ([worker("a", state="running")], None, 5.0, False),
        ([worker("a"), worker("b", state="running")], 1, 5.0, False),
        ([worker("a"), worker("b", state="running")], 2, 5.0, True),
    ],
)
def test_a_stagger_is_waited_for_where_somebody_has_a_slot(
    workers: list[WorkerState], at_once: int | None, stagger: float, waits: bool
) -> None:
    assert waits == staggered(deployment(*workers, at_once=at_once, stagger=stagger))


@pytest.mark.parametrize(
    ("since", "names"), [(0.0, []), (4.9, []), (5.0, ["a"]), (60.0, ["a"]), (-1.0, ["a"]), (-0.5, ["a"])]
)
def test_one_worker_is_due_once_the_stagger_has_passed_or_the_clock_began_anew(since: float, names: list[str]) -> None:
    d = deployment(worker("a"), worker("b"), stagger=5.0, last_launch=1000.0 - since)

    assert names == due_launches(d)


def test_more_at_work_than_may_be_leaves_nobody_due() -> None:
    workers = [worker("a"), worker("b"), worker("c", state="running"), worker("d", state="stuck")]

    assert [] == due_launches(deployment(*workers, at_once=1))
    assert -1 == slots(deployment(*workers, at_once=1))


@pytest.mark.parametrize(
    ("memory", "of_plan", "of_host", "free"),
    [
        (0, GIGABYTE, 0, 3),
        (4 * GIGABYTE, 0, 0, 3),
        (2 * GIGABYTE, GIGABYTE, 0, 2),
        (2 * GIGABYTE, 0, GIGABYTE, 2),
        (2 * GIGABYTE, 2 * GIGABYTE, GIGABYTE, 1),
        (GIGABYTE // 2, GIGABYTE, 0, 0),
        (9 * GIGABYTE, GIGABYTE, 0, 3),
        (1, 0, 0, 3),
    ],
)
def test_free_memory_bounds_the_slots_where_it_and_the_need_are_known(
    memory: int, of_plan: int, of_host: int, free: int
) -> None:
    d = deployment(
        worker("a"),
        worker("b"),
        worker("c"),
        limits=LimitsSpec(memory=of_plan),
        memory=memory,
        host=Host(root="/", directory="/s", python=(), memory_per_worker=of_host),
    )

    assert free == slots(d)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], True),
        ([worker("b", state="running")], False),
        ([worker("b", intent=7)], False),
        ([worker("b", state="exited")], True),
        ([worker("b", state="exited"), worker("c", state="running")], False),
    ],
)
def test_nobody_starves_while_another_is_alive_or_being_launched(others: list[WorkerState], expected: bool) -> None:
    little = {"limits": LimitsSpec(memory=2 * GIGABYTE), "memory": GIGABYTE}

    d = deployment(worker("a"), *others, **little)  # type: ignore[arg-type] # a table of fields
    counted = replace(d, in_question={one.name: None for one in others}, pending={"a": None})

    assert (expected, expected) == (starved(d), starved(counted))


def test_who_waits_for_a_slot_alone_does_not_starve() -> None:
    assert not starved(deployment(worker("a")))
    assert not starved(deployment(worker("a", state="exited"), limits=LimitsSpec(memory=2), memory=1))


LIMITED = {"state": "stuck", "reason": "limited"}


@pytest.mark.parametrize(
    ("workers", "minutes"),
    [
        ([worker("a", until=NOW + timedelta(minutes=9), **LIMITED)], 9),
        ([worker("a", until=NOW + timedelta(minutes=9), state="exited", ended_by="limit")], 9),
        ([worker("a", until=NOW + timedelta(minutes=9), state="stuck", reason="error")], None),
        ([worker("a", until=NOW + timedelta(minutes=9), state="running")], None),
        ([worker("a", until=NOW, **LIMITED)], None),
        ([worker("a", **LIMITED)], None),
        (
            [
                worker("a", until=NOW + timedelta(minutes=2), **LIMITED),
                worker("b", until=NOW + timedelta(minutes=5), **LIMITED),
            ],
            5,
        ),
    ],
)
def test_a_usage_limit_is_waited_for_until_the_last_of_those_who_met_it(
    workers: list[WorkerState], minutes: int | None
) -> None:
    until = None if minutes is None else NOW + timedelta(minutes=minutes)

    assert until == reset(deployment(*workers, met=True))
    assert None is reset(deployment(*workers, met=True, limits=LimitsSpec(wait=False)))
    assert None is reset(deployment(*workers, met=True, looked_at=None))


@pytest.mark.parametrize(
    ("usage", "limits", "over"),
    [
        (Usage(), LimitsSpec(), False),
        (Usage(cost=5.0, input=9), LimitsSpec(), False),
        (Usage(), LimitsSpec(max_cost=0.5), False),
        (Usage(cost=0.4), LimitsSpec(max_cost=0.5), False),
        (Usage(cost=0.5), LimitsSpec(max_cost=0.5), True),
        (Usage(), LimitsSpec(max_tokens=1), False),
        (Usage(input=1), LimitsSpec(max_tokens=1), True),
        (Usage(output=1), LimitsSpec(max_tokens=1), True),
        (Usage(input=1, output=1), LimitsSpec(max_tokens=3), False),
        (Usage(input=2, output=1), LimitsSpec(max_tokens=3), True),
        (Usage(cost=9.0, input=1), LimitsSpec(max_cost=10.0, max_tokens=1), True),
        (Usage(cost=10.0, input=1), LimitsSpec(max_cost=10.0, max_tokens=9), True),
    ],
)
def test_a_budget_is_over_from_its_bound_on(usage: Usage, limits: LimitsSpec, over: bool) -> None:
    assert over == over_budget(deployment(worker("a", usage=usage), limits=limits))


def test_tokens_are_those_of_all_attempts_and_nothing_is_guessed() -> None:
    several = deployment(worker("a", used=Usage(input=1), usage=Usage(output=2)), worker("b", usage=Usage(input=4)))

    assert (0, 7) == (tokens(deployment(worker("a"))), tokens(several))


@pytest.mark.parametrize(("idle", "seconds"), [(0, 180.0), (1, 180.0), (2, 300.0), (3, 300.0)])
def test_a_pace_slows_after_two_idle_alarms(idle: int, seconds: float) -> None:
    d = deployment(worker("a"), wake=WakeSpec(every="simple"), idle_looks=idle)

    assert (seconds, 300.0) == (every(d), longest(d))


@pytest.mark.parametrize(("minutes", "seconds"), [(2, 125.0), (60, 600.0)])
def test_an_alarm_comes_when_a_limit_has_reset_if_that_is_sooner(minutes: int, seconds: float) -> None:
    limited = worker("a", until=NOW + timedelta(minutes=minutes), **LIMITED)
    d = deployment(limited, wake=WakeSpec(every=600.0), met=True)

    assert (seconds, 600.0) == (every(d), longest(d))
