"""Whether a worker gets another attempt, and after how long."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from wakeman.core.model import (
    Deployment,
    LimitsSpec,
    Observation,
    OpenIntent,
    Plan,
    StuckSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Verdict,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.model.plan import SessionSource
from wakeman.core.policy.attempts import (
    END_TRIES_MAX,
    HUNG_UP_STATUS,
    RESULT_GRACE_S,
    attempt_is_over,
    grace_left,
    may_retry,
    overruns,
    overstays,
    owed,
    reset_is_due,
    retry_delay,
    soonest,
    waits,
)

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
BACKOFF_S = 10.0


def worker(name: str = "a", **fields: object) -> WorkerState:
    """Return a worker whose first attempt has failed."""
    built = WorkerState(name=name, session=name, units=[f"{name}/1"], state="exited", ended_by="itself", code=1)
    built.boot, built.spent, built.attempt, built.over = "b", 1, 1, 1000.0
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(*workers: WorkerState, **fields: object) -> Deployment:
    plan = Plan(
        name="night",
        units=UnitsSpec(items=("x",)),
        workers=WorkersSpec(stagger=4.0),
        stuck=StuckSpec(backoff=BACKOFF_S, attempts=9),
    )
    units = {
        name: UnitState(unit=Unit(name=name, outputs=("o",)), worker=one.name) for one in workers for name in one.units
    }
    built = Deployment(name="night", plan=plan, units=units, workers={one.name: one for one in workers})
    built.edition, built.boot, built.mono, built.looked_at = 1, "b", 1000.0, NOW
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def pauses(failed: int = 0, **fields: object) -> list[float]:
    """Return how long each of many workers waits in the same situation: the jitter goes by the name."""
    names = [f"w{n}" for n in range(60)]
    return [
        retry_delay(deployment(one, failed_launches=failed), one) for one in (worker(name, **fields) for name in names)
    ]


@pytest.mark.parametrize(
    ("spent", "failed", "factor"),
    [(0, 0, 1), (1, 0, 1), (2, 0, 2), (3, 0, 4), (1, 1, 1), (1, 2, 2), (1, 3, 4), (2, 2, 4)],
)
def test_each_further_attempt_or_failed_launch_doubles_the_back_off_give_or_take_half(
    spent: int, failed: int, factor: int
) -> None:
    waited = pauses(failed, spent=spent)

    assert 0.5 * factor * BACKOFF_S <= min(waited) < 0.6 * factor * BACKOFF_S
    assert 1.4 * factor * BACKOFF_S < max(waited) < 1.5 * factor * BACKOFF_S


@pytest.mark.parametrize(
    "fields",
    [{"ended_by": "machine"}, {"code": HUNG_UP_STATUS}, {"boot": "another"}, {"over": 1000.5}, {"over": 900.0}],
    ids=str,
)
def test_nothing_is_waited_for_after_what_is_not_its_fault_or_long_ago(fields: dict[str, object]) -> None:
    one = worker(**fields)  # type: ignore[arg-type] # fields of the worker

    assert 0.0 == retry_delay(deployment(one), one)


def test_a_hang_up_is_known_by_what_a_shell_makes_of_its_signal() -> None:
    assert 128 + signal.SIGHUP == HUNG_UP_STATUS


def test_a_log_of_before_knows_no_back_off() -> None:
    one = worker()

    assert (True, 0.0) == (retry_delay(deployment(one), one) > 0, retry_delay(deployment(one, edition=0), one))


LIMIT = {"ended_by": "limit"}


@pytest.mark.parametrize(
    ("last", "first", "second"), [(998.0, 2.0, 4.0), (1000.0, 4.0, 4.0), (900.0, 0.0, 4.0), (1001.0, 0.0, 4.0)]
)
def test_after_a_usage_limit_one_is_tried_the_others_a_stagger_later(last: float, first: float, second: float) -> None:
    d = deployment(a := worker("a", **LIMIT), b := worker("b", **LIMIT), last_launch=last)

    assert (first, second) == (retry_delay(d, a), retry_delay(d, b))


@pytest.mark.parametrize("before", [{}, {**LIMIT, "units": []}, {**LIMIT, "intent": 7}], ids=str)
def test_the_first_after_a_limit_is_the_first_who_waits_for_that(before: dict[str, object]) -> None:
    d = deployment(worker("a", **before), b := worker("b", **LIMIT), last_launch=900.0)

    assert 0.0 == retry_delay(d, b)


@pytest.mark.parametrize("hold", [{"paused_at": NOW}, {"down": "enough"}, {"full": "no space"}], ids=str)
def test_nobody_is_tried_again_while_all_is_held_up(hold: dict[str, object]) -> None:
    one = worker(ended_by="machine")

    assert (True, 0.0) == (may_retry(deployment(one), one), soonest(deployment(one)))
    assert (False, None) == (may_retry(deployment(one, **hold), one), soonest(deployment(one, **hold)))


def test_nobody_is_tried_again_whose_launch_is_open() -> None:
    one = worker(ended_by="machine", intent=7)

    assert (False, None) == (may_retry(deployment(one), one), soonest(deployment(one)))


@pytest.mark.parametrize(
    ("bar", "soon"), [({}, 0.0), ({"barred": "a key was refused"}, None), ({"failed_launches": 99}, None)], ids=str
)
def test_while_launches_are_barred_only_who_is_asked_for_is_tried_again(
    bar: dict[str, object], soon: float | None
) -> None:
    one = worker(ended_by="machine")
    d = deployment(one, **bar)
    unasked, at = may_retry(d, one), soonest(d)
    one.again = True

    assert (not bar, soon, True) == (unasked, at, may_retry(d, one))


def test_who_is_asked_for_does_not_wait_for_its_back_off() -> None:
    d = deployment(one := worker())
    unasked = may_retry(d, one)
    one.again = True

    assert (False, True) == (unasked, may_retry(d, one))


def test_no_attempt_is_owed_for_what_passes_and_is_being_promoted() -> None:
    d = deployment(one := worker())
    d.plan = msgspec.structs.replace(d.plan, workers=WorkersSpec(stage=True))
    before = owed(d, one)
    d.intents[7] = OpenIntent(seq=7, action="install", at=NOW, worker="a", target="a/1")

    assert (True, False) == (before, owed(d, one))


@pytest.mark.parametrize(("ends", "left"), [(0, 0.0), (END_TRIES_MAX, 0.0), (END_TRIES_MAX + 1, None)])
def test_a_client_that_no_end_ends_is_no_reason_to_look_soon(ends: int, left: float | None) -> None:
    given = 1000.0 - RESULT_GRACE_S

    assert left == grace_left(deployment(worker(state="running", given_mono=given, ends=ends)))


def test_the_soonest_is_the_first_of_several() -> None:
    late, early = worker("a", spent=4), worker("b", over=999.0)
    d = deployment(late, early)

    assert retry_delay(d, early) == soonest(d)
    assert retry_delay(d, early) < retry_delay(d, late)


@pytest.mark.parametrize(("sessions", "owes"), [("start", True), ("watch", False), ("own", False)])
def test_no_attempt_is_owed_of_a_session_that_somebody_else_began(sessions: SessionSource, owes: bool) -> None:
    one = worker()
    d = deployment(one)
    workers = msgspec.structs.replace(d.plan.workers, sessions=sessions)
    d.plan = msgspec.structs.replace(d.plan, workers=workers)

    assert owes == owed(d, one)


@pytest.mark.parametrize("again", [False, True])
def test_another_attempt_is_owed_for_what_is_missing_and_judged(again: bool) -> None:
    one = worker(again=again)
    d = deployment(one)
    missing = owed(d, one)
    d.units["a/1"].verdict = Verdict(unit="a/1", problems=("unchecked",), waits=True)
    unjudged = owed(d, one)
    d.units["a/1"].waived = True

    assert (True, False, False) == (missing, unjudged, owed(d, one))


def test_a_waived_unit_waits_for_no_command() -> None:
    d = deployment(one := worker())
    d.units["a/1"].verdict = Verdict(unit="a/1", waits=True)
    waited = waits(d, one)
    d.units["a/1"].waived = True

    assert (True, False) == (waited, waits(d, one))


def test_a_worker_is_not_settled_while_processes_of_its_attempt_are_left() -> None:
    left = Observation(worker="a", attempt=1, session="exited", processes=2)

    assert attempt_is_over(deployment(one := worker(code=0)), one)
    assert not attempt_is_over(deployment(one := worker(code=0, observation=left)), one)


def test_a_worker_whose_launch_is_open_is_not_settled() -> None:
    assert not attempt_is_over(deployment(one := worker(code=0, intent=7)), one)


def test_the_jitter_of_an_attempt_is_the_same_for_ever() -> None:
    """Another would have old logs diverge: their decisions rest on it."""
    one = worker()

    assert 7.3828125 == retry_delay(deployment(one), one)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, True),
        ({"until": None}, False),
        ({"until": NOW + timedelta(seconds=1)}, False),
        ({"reason": "waiting"}, False),
    ],
    ids=str,
)
def test_who_is_alive_and_was_limited_is_told_once_the_limit_has_reset(fields: dict[str, object], told: bool) -> None:
    limited: dict[str, object] = {"state": "stuck", "reason": "limited", "until": NOW, **fields}
    one = worker(**limited)  # type: ignore[arg-type] # fields of the worker
    d = deployment(one)
    interactive = msgspec.structs.replace(d.plan.workers, mode="interactive")
    d.plan = msgspec.structs.replace(d.plan, workers=interactive)
    impatient = deployment(one, plan=msgspec.structs.replace(d.plan, limits=LimitsSpec(wait=False)))

    assert (told, False, False) == (
        reset_is_due(d, one),
        reset_is_due(deployment(one), one),
        reset_is_due(impatient, one),
    )
    assert (4.0 if told else None) == soonest(d)
    d.edition = 0
    assert None is soonest(d)
    d.looked_at = None
    assert not reset_is_due(d, one)


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({"given_mono": 940.0}, True),
        ({"given_mono": 941.0}, False),
        ({"given_mono": 1.0}, True),
        ({"given_mono": 0.0}, False),  # it has given none
        ({"given_mono": 940.0, "state": "exited"}, False),
    ],
)
def test_a_client_overstays_a_minute_after_its_result_while_it_lives(fields: dict[str, Any], over: bool) -> None:
    one = worker(**{"state": "running", **fields})

    assert over == overstays(deployment(one), one)


@pytest.mark.parametrize(("mono", "left"), [(1000.0, 10.0), (1010.0, 0.0), (1040.0, 0.0)])
def test_the_first_that_overstays_is_looked_at_when_it_does(mono: float, left: float) -> None:
    given = {"b": 970.0, "a": 950.0, "ended": 900.0}
    states = {"ended": "exited"}
    workers = [worker(name, given_mono=at, state=states.get(name, "running")) for name, at in given.items()]

    assert left == grace_left(deployment(*workers, mono=mono))


REFUSED: dict[str, object] = {"ended_by": "limit", "refusals": 3}


@pytest.mark.parametrize(
    ("fields", "edition", "left"),
    [
        (REFUSED, 3, 20.0),
        (REFUSED | {"refusals": 2}, 3, 10.0),
        (REFUSED | {"refusals": 1}, 3, 0.0),
        (REFUSED | {"refusals": 9}, 3, 300.0),
        (REFUSED | {"over": 985.0}, 3, 5.0),
        (REFUSED | {"over": 900.0}, 3, 0.0),
        (REFUSED | {"over": 1001.0}, 3, 0.0),  # the clock began anew since
        (REFUSED | {"fault": "outage"}, 3, 0.0),  # an outage has pauses of its own
        (REFUSED, 2, 0.0),  # a log of before
    ],
)
def test_a_limit_that_was_met_once_more_backs_off(fields: dict[str, Any], edition: int, left: float) -> None:
    one = worker(**fields)

    assert left == retry_delay(deployment(one, edition=edition, last_launch=900.0), one)


def test_without_an_outage_nobody_waits_for_a_turn() -> None:
    a, b = worker("a", ended_by="machine"), worker("b", ended_by="machine")
    d = deployment(a, b)
    without = may_retry(d, a), may_retry(d, b)
    d.outage = "the service is unavailable"

    assert ((True, True), (True, False)) == (without, (may_retry(d, a), may_retry(d, b)))


def test_in_an_outage_the_next_attempt_is_that_of_the_worker_whose_turn_it_is() -> None:
    at_once, later = worker("a", ended_by="machine"), worker("b")
    d = deployment(at_once, later)
    without = soonest(d)
    d.outage, d.probed = "the service is unavailable", "a"

    assert (0.0, retry_delay(d, later)) == (without, soonest(d))
    assert retry_delay(d, later) > 0


def test_in_an_outage_one_is_tried_again_without_the_pause_between_launches() -> None:
    a, b = worker("a", **LIMIT), worker("b", **LIMIT)
    d = deployment(a, b, last_launch=900.0)
    after_limit = may_retry(d, a), may_retry(d, b), retry_delay(d, b)
    d.outage, d.probed = "the service is unavailable", "a"

    assert (True, False, 4.0) == after_limit
    assert (False, True, 0.0) == (may_retry(d, a), may_retry(d, b), retry_delay(d, b))


LONGEST_S = 600.0


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({"worked_since": 1000.0 - LONGEST_S}, True),
        ({"worked_since": 1000.5 - LONGEST_S}, False),
        ({"worked_since": 0.0}, True),
        ({"worked_since": 0.0, "state": "launched"}, True),
        ({"worked_since": 0.0, "state": "stuck", "reason": "silent"}, True),
        ({"worked_since": 0.0, "state": "stuck", "reason": "limited"}, False),
        ({"worked_since": 0.0, "state": "exited"}, False),
        ({"worked_since": 0.0, "state": "pending"}, False),
    ],
    ids=str,
)
def test_an_attempt_overruns_once_it_has_worked_for_as_long_as_the_plan_lets_it(
    fields: dict[str, object], over: bool
) -> None:
    one = worker(**{"state": "running", **fields})  # type: ignore[arg-type] # fields of the worker
    d = deployment(one)
    bounded = msgspec.structs.replace(d.plan, stuck=StuckSpec(longest=LONGEST_S))

    assert (False, over) == (overruns(d, one), overruns(deployment(one, plan=bounded), one))


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({}, [True, True]),
        ({"outage": "529", "outage_until": NOW}, [True, False]),
        ({"outage": "529", "outage_until": NOW, "probed": "a"}, [False, True]),
        ({"outage": "529", "outage_until": NOW + timedelta(minutes=5)}, [False, False]),
        ({"outage": "529", "outage_until": NOW, "probe": "c"}, [False, False]),
    ],
    ids=str,
)
def test_in_an_outage_one_worker_is_told_to_go_on_and_all_once_it_is_over(
    fields: dict[str, object], due: list[bool]
) -> None:
    stalled = {"state": "stuck", "reason": "limited", "fault": "outage"}
    d = deployment(*(worker(name, **stalled) for name in "ab"), **fields)
    d.plan = msgspec.structs.replace(d.plan, workers=WorkersSpec(mode="interactive"))

    assert due == [reset_is_due(d, one) for one in d.workers.values()]
