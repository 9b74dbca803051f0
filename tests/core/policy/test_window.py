"""Whom the launch window lets begin, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from wakeman.core.log.facts.observation import PROBE_S
from wakeman.core.model import (
    Deployment,
    LimitsSpec,
    Plan,
    StuckSpec,
    Unit,
    UnitsSpec,
    UnitState,
    WakeSpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy.attempts import admitted, may_retry, soonest
from wakeman.core.policy.deployment_rows import decide
from wakeman.core.policy.limits import AFTER_PROBE_S, due_launches, every, holds_back, room, slots, window_words
from wakeman.core.policy.needs import waiting_for
from wakeman.core.policy.worker_rows import worker_facts

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)


def deployment(*states: str, adapt: bool = True, at_once: int | None = None, **fields: Any) -> Deployment:
    """Return one with a worker of each state, `w0` and on, each with a unit that is not done."""
    plan = Plan(
        name="night",
        units=UnitsSpec(items=("x",)),
        workers=WorkersSpec(at_once=at_once, stagger=0.0, mode="interactive"),
        stuck=StuckSpec(backoff=0.0, attempts=9),
        limits=LimitsSpec(adapt=adapt),
        wake=WakeSpec(every=900.0),
    )
    d = Deployment(name="night", plan=plan, edition=8, looked_at=NOW, mono=1000.0, boot="b1", window=4)
    for n, state in enumerate(states):
        name = f"w{n}"
        d.units[name] = UnitState(unit=Unit(name=name, outputs=(name,)), worker=name)
        d.workers[name] = w = WorkerState(name=name, session=name, number=n, units=[name], undone=1, boot="b1")
        w.state = "stuck" if state == "limited" else state  # type: ignore[assignment] # a state, or a stuck one
        if state == "limited":
            w.reason, w.until = "limited", NOW - timedelta(seconds=1)
        if state == "exited":
            w.ended_by, w.code, w.spent, w.attempt = "itself", 1, 1, 1
    for key, value in fields.items():
        setattr(d, key, value)
    return d


def retried(d: Deployment) -> list[str]:
    return [name for name, worker in d.workers.items() if may_retry(d, worker)]


def told(d: Deployment) -> list[str]:
    return [name for name, worker in d.workers.items() if worker_facts(d, worker)["reset"]]


@pytest.mark.parametrize(
    ("window", "running", "begin"), [(0, 0, 4), (0, 3, 1), (4, 4, 0), (4, 5, 0), (7, 4, 3), (99, 4, 6)]
)
def test_as_many_are_launched_as_the_window_has_room_for(window: int, running: int, begin: int) -> None:
    d = deployment(*["running"] * running, *["pending"] * (10 - running), window=window)

    assert [f"w{running + n}" for n in range(begin)] == due_launches(d)


def test_without_the_key_all_are_launched() -> None:
    d = deployment(*["pending"] * 10, adapt=False)

    assert (10, 10) == (len(due_launches(d)), room(d))


def test_the_maximum_holds_as_well() -> None:
    assert 2 == slots(deployment("running", *["pending"] * 9, at_once=3, window=9))


def test_who_is_stuck_leaves_its_room_to_others() -> None:
    assert ["w4"] == due_launches(deployment("running", "running", "running", "stuck", "pending", "pending"))


def test_those_that_are_tried_again_begin_in_the_order_of_enrolment_as_far_as_there_is_room() -> None:
    assert ["w1", "w2"] == retried(deployment("running", *["exited"] * 5, window=3))
    assert [] == retried(deployment("running", *["exited"] * 5, window=1))
    assert 5 == len(retried(deployment("running", *["exited"] * 5, window=1, adapt=False)))


def test_who_is_wanted_again_by_a_person_is_not_kept_nor_counted() -> None:
    d = deployment("running", *["exited"] * 3, window=2)
    d.workers["w1"].again = True

    assert ["w1", "w2"] == retried(d)


def test_a_limit_that_has_reset_lets_go_on_one_a_check_while_there_is_room() -> None:
    assert ["w1"] == told(deployment("running", "limited", "limited", window=2))
    assert [] == told(deployment("running", "limited", "limited", window=1))


def test_who_was_told_to_go_on_takes_room_and_is_not_told_again() -> None:
    d = deployment("limited", "limited", window=2, asking={"w0": 999.0})

    assert (1, [False, True]) == (room(d), [admitted(d, worker) for worker in d.workers.values()])


def test_only_who_would_begin_now_takes_room_before_others() -> None:
    launched, content, early = (deployment("exited", "exited", window=n) for n in (2, 1, 1))
    launched.workers["w0"].intent = 7
    content.workers["w0"].code = 0
    early.plan = replace(early.plan, stuck=StuckSpec(backoff=100.0, attempts=9))
    early.workers["w0"].over, early.workers["w1"].over = 999.0, 1.0

    assert [["w1"]] * 3 == [retried(d) for d in (launched, content, early)]


def test_retries_and_limits_share_the_room() -> None:
    d = deployment("running", "exited", "limited", "exited", window=3)

    assert (["w1"], ["w2"]) == (retried(d), told(d))


def test_no_timer_is_set_for_those_who_wait_for_room() -> None:
    d = deployment("running", "exited", window=2)
    full = deployment("running", "exited", window=1)

    assert (0.0, None) == (soonest(d), soonest(full))


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"asking": {"w0": 1000.0}}, PROBE_S + AFTER_PROBE_S),
        ({"asking": {"w0": 1000.0, "w1": 970.0}}, 30.0 + AFTER_PROBE_S),
        ({"asking": {"w0": 1000.0 - PROBE_S}}, 900.0),
        ({"asking": {"w0": 1000.5 - PROBE_S}}, 0.5 + AFTER_PROBE_S),
        ({"asking": {}}, 900.0),
        ({"asking": {"w0": 1000.0}, "window": 5}, 900.0),
        ({"narrowed": 7, "widened_mono": 1000.0}, 61.0),
        ({"narrowed": 7, "widened_mono": 990.0, "asking": {"w0": 1000.0}}, 51.0),
        ({"narrowed": 7, "widened_mono": 1000.0, "window": 2}, 181.0),
    ],
)
def test_the_next_check_comes_when_the_first_that_asks_counts_as_answered(
    fields: dict[str, Any], seconds: float
) -> None:
    assert seconds == every(deployment(*["running"] * 4, "pending", **fields))


def test_nobody_is_waited_for_where_nobody_wants_to_begin() -> None:
    assert 900.0 == every(deployment(*["running"] * 4, asking={"w0": 1000.0}))
    assert not holds_back(deployment(*["running"] * 4))
    assert holds_back(deployment(*["running"] * 4, "limited"))


WORDS = [
    ({}, "4 at work at most, not refused yet (limits.adapt)"),
    ({"window": 0}, "4 at work at most, not refused yet (limits.adapt)"),
    ({"window": 9}, ""),
    ({"window": 3, "narrowed": 71}, "3 at work at most, halved at line 71, one more each minute (limits.adapt)"),
    ({"adapt": False}, ""),
    ({"at_once": 4}, ""),
    ({"at_once": 5}, "4 at work at most, not refused yet (limits.adapt)"),
]


@pytest.mark.parametrize(("fields", "words"), WORDS, ids=str)
def test_the_window_is_said_with_its_reason_where_it_bars_somebody(fields: dict[str, Any], words: str) -> None:
    assert words == window_words(deployment(*["pending"] * 9, **fields))


def test_the_decision_to_launch_records_the_window() -> None:
    d = deployment(*["running"] * 3, *["pending"] * 3)

    assert ("launch", "w3; 4 at work at most, not refused yet (limits.adapt)") == (decide(d).row, decide(d).why)


def test_the_decision_to_sleep_records_that_somebody_waits_for_room() -> None:
    d, idle = deployment(*["running"] * 4, "pending"), deployment(*["running"] * 4)

    assert "0/5 units done; 4 at work at most, not refused yet (limits.adapt)" == decide(d).why
    assert "0/4 units done" == decide(idle).why


def test_a_person_reads_who_waits_for_room() -> None:
    [several] = waiting_for(deployment(*["running"] * 4, "pending", "pending"), NOW)
    [one] = waiting_for(deployment(*["running"] * 4, "pending"), NOW)

    assert ("window", "wait", "w4 w5", "wait to be launched", ("w4", "w5")) == (
        several.reason, several.sign, several.about, several.cause, several.workers
    )  # fmt: skip
    assert ("waits to be launched", ": 4 at work at most, not refused yet (limits.adapt)") == (one.cause, one.rest)


def test_nothing_is_said_of_the_window_while_nobody_may_be_launched_anyway_or_there_is_room() -> None:
    assert [] == waiting_for(deployment(*["running"] * 4, "pending", failed_launches=3), NOW)
    assert [] == waiting_for(deployment(*["running"] * 3, "pending"), NOW)


@pytest.mark.parametrize(
    ("states", "holds"),
    [
        ("running running running running verified verified", False),
        ("running running running pending pending pending", False),
        ("running running running running pending pending", True),
        ("running running running running limited verified", True),
        ("running running running limited verified verified", False),
    ],
)
def test_somebody_waits_for_room_only_where_there_is_none_and_somebody_would_begin(states: str, holds: bool) -> None:
    assert holds == holds_back(deployment(*states.split()))


def test_who_is_to_go_on_is_no_one_who_waits_to_be_launched() -> None:
    assert [] == [w for w in waiting_for(deployment(*["running"] * 4, "limited"), NOW) if w.reason == "window"]


def test_where_the_maximum_is_reached_nobody_waits_for_the_window() -> None:
    d = deployment(*["running"] * 4, "pending", at_once=4, asking={"w0": 1000.0})

    assert (False, [], 900.0) == (holds_back(d), waiting_for(d, NOW), every(d))
