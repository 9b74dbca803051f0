"""What grows with the number of workers or units grows no faster than they do: counted in calls, not in seconds."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType

import msgspec
import pytest

from wakeman.adapters.memory import MemoryWorld
from wakeman.adapters.memory.rehearsal import rehearsal
from wakeman.api.rehearse import Cast, rehearse, rehearse_queues
from wakeman.audit.auditor import Auditor
from wakeman.core.log import events as e
from wakeman.core.log.events import Event, genesis
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment, FileFingerprint, Host, Observation, Plan, Unit, UnitsSpec, Verdict
from wakeman.core.policy.deployment_rows import decide
from wakeman.core.policy.tables import EDITION
from wakeman.core.policy.transitions import transitions
from wakeman.core.policy.worker_rows import taken
from wakeman.core.queueing import QueueModel, Spread
from wakeman.engine.start.prepare import PreparedPlan, prepare_plan

SLOPE_MAX = 1.05
"""Largest exponent by which calls may grow, on doubly logarithmic paper."""
UNITS_EACH = 3


def calls(job: Callable[[], object]) -> int:
    """Count the calls of functions, and of methods of built-in types, that a job makes."""
    count = 0

    def called(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        del frame, arg
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        job()
    finally:
        sys.setprofile(None)
    return count


def slope(counts: dict[int, int]) -> float:
    """Return the exponent between the smallest and the largest."""
    (small, few), *_, (large, many) = sorted(counts.items())
    return math.log(many / few) / math.log(large / small)


def prepared(workers: int, each: int = UNITS_EACH) -> PreparedPlan:
    """Prepare a plan of so many workers, with so many units each."""
    items = [{"unit": f"w{w}/u{u}", "key": f"w{w}"} for w in range(workers) for u in range(each)]
    plan = {
        "name": "night",
        "units": {"items": items, "output": "out/{{ unit }}.json"},
        "workers": {"by": "{{ key }}", "harness": "command", "command": ["act"], "stagger": 20},
    }
    return prepare_plan(MemoryWorld().world("up:0"), msgspec.json.encode(plan).decode(), "plan.json", "/plans")


def night(workers: int) -> list[Event]:
    """Rehearse a plan; return its log."""
    ready = prepared(workers)
    return list(rehearse(ready, rehearsal, "plan.json", Cast(), every=True).events)


def on_a_queue(ready: PreparedPlan, queue: QueueModel) -> None:
    """Rehearse a plan on a queue to its end."""
    (course,) = rehearse_queues(ready, rehearsal, "plan.json", Cast(), [queue]).data.courses
    assert "complete" == course.outcome


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    """Load what the first rehearsal of a process loads: it would count as a cost of the smaller one."""
    on_a_queue(prepared(1), QueueModel(1, 1, wait=Spread(60.0, exponential=True), fails=7200.0))


def halfway(workers: int) -> Deployment:
    """Return a deployment of which half is verified, a tenth at work, and the rest waits."""
    d, at = Deployment(), night(1)[0].at
    host = Host(root="/", directory="/s/night", python=("wakeman",))
    plan = Plan(name="night", units=UnitsSpec(items=("x",)))

    def say(fact: e.Fact, worker: str | None = None) -> None:
        event = Event(v=1, seq=d.seq + 1, at=at, by="at:1", worker=worker, attempt=1, data=fact, hash=genesis("a", "b"))
        apply(d, event)

    def move(drafts: list[e.Draft]) -> None:
        for draft in drafts:
            fields = {"worker": draft.worker, "attempt": draft.attempt, "source": draft.source, "to": draft.to}
            apply(d, Event(v=1, seq=d.seq + 1, at=at, by="at:1", data=draft.data, hash="", **fields))  # type: ignore[arg-type] # of a draft

    say(e.Planned(name="night", plan=plan, digest="d", host=host, edition=EDITION))
    for n in range(workers):
        say(e.Enrolled(session=f"w{n}", units=(Unit(f"u{n}", (f"o{n}",)),)), f"w{n}")
    say(e.Looked(mono=1.0, boot="b"))
    for n in range(workers * 6 // 10):
        say(e.Intended(action="launch", target=f"w{n}"), f"w{n}")
        fact = e.Launched(intent=d.seq)
        move([e.Draft(fact, worker=f"w{n}", attempt=1, source="pending", to="launched")])
    done = range(workers // 2)
    over = tuple(Observation(f"w{n}", 1, "exited", code=0, ended_by="itself", life="a") for n in done)
    verdicts = tuple(Verdict(f"u{n}", marks=(FileFingerprint(f"o{n}", 9, 9, 9),)) for n in done)
    say(e.Looked(mono=2.0, boot="b", observations=over, verdicts=verdicts))
    move(transitions(d))
    return d


def fold(events: Iterable[Event]) -> None:
    d = Deployment()
    for event in events:
        apply(d, event)


def judged(events: Iterable[Event]) -> None:
    judge = Auditor()
    for event in events:
        judge.take(event)
    assert not judge.divergences


def one_decision(d: Deployment) -> None:
    transitions(d)
    taken(d)
    decide(d)


def test_a_rehearsal_grows_with_its_workers() -> None:
    counts = {}
    for workers in (30, 120):
        ready = prepared(workers)
        counts[workers] = calls(
            lambda ready=ready: rehearse(  # type: ignore[misc] # a bound loop variable
                ready, rehearsal, "plan.json", Cast(), every=False
            )
        )

    assert slope(counts) <= SLOPE_MAX, counts


def test_a_rehearsal_grows_with_the_units_of_its_workers() -> None:
    counts = {}
    for each in (15, 60):
        ready = prepared(4, each)
        counts[4 * each] = calls(
            lambda ready=ready: rehearse(  # type: ignore[misc] # a bound loop variable
                ready, rehearsal, "plan.json", Cast(), every=False
            )
        )

    assert slope(counts) <= SLOPE_MAX, counts


def test_a_rehearsal_on_a_queue_grows_with_its_workers() -> None:
    counts = {}
    for workers in (30, 120):
        queue = QueueModel(8, 2, wait=Spread(60.0, exponential=True), fails=7200.0)
        counts[workers] = calls(partial(on_a_queue, prepared(workers), queue))

    assert slope(counts) <= SLOPE_MAX, counts


def test_a_rehearsal_on_a_queue_grows_with_the_units_of_its_workers() -> None:
    counts = {}
    for each in (15, 60):
        queue = QueueModel(2, 1, wait=Spread(300.0, exponential=True), fails=7200.0)
        counts[4 * each] = calls(partial(on_a_queue, prepared(4, each), queue))

    assert slope(counts) <= SLOPE_MAX, counts


def test_fold_and_audit_of_a_night_grow_with_its_lines() -> None:
    folds, audits = {}, {}
    for workers in (30, 120):
        events = night(workers)
        folds[len(events)] = calls(partial(fold, events))
        audits[len(events)] = calls(partial(judged, events))

    assert slope(folds) <= SLOPE_MAX, folds
    assert slope(audits) <= SLOPE_MAX, audits


def test_a_decision_costs_what_is_at_work_not_what_waits_or_is_verified() -> None:
    few, many = halfway(100), halfway(1000)
    cost, more = calls(lambda: one_decision(few)), calls(lambda: one_decision(many))

    assert slope({100: cost, 1000: more}) <= SLOPE_MAX
    assert more < 60 * 100, more  # a hundred of the thousand are at work


def test_a_plan_is_prepared_in_proportion_to_its_units() -> None:
    counts = {workers * UNITS_EACH: calls(lambda n=workers: prepared(n)) for workers in (40, 160, 640)}  # type: ignore[misc] # as above

    assert slope(counts) <= SLOPE_MAX, counts


@pytest.mark.parametrize(("counts", "exponent"), [({10: 5, 100: 50}, 1.0), ({10: 1, 20: 2, 40: 16}, 2.0)])
def test_the_exponent_is_that_between_the_smallest_and_the_largest(counts: dict[int, int], exponent: float) -> None:
    assert exponent == pytest.approx(slope(counts))
