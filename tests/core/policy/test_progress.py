"""Progress, rate, and estimated time left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wakeman.core.model import Deployment, FileFingerprint, Review, Unit, UnitState, Verdict, WorkerState, Wrote
from wakeman.core.policy.progress import Progress, of_worker, progress

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)


def made(name: str, *, before: bool = False) -> UnitState:
    mark = FileFingerprint(f"{name}.out", 1, 1)
    wrote = {} if before else {mark.path: Wrote(mark=mark, first="w", last="w")}
    unit = Unit(name=name, outputs=(mark.path,))
    return UnitState(unit=unit, worker="w", verdict=Verdict(name, marks=(mark,)), wrote=wrote)


def night(done: int, total: int, *, counted: float = 100.0, found: int = 0) -> Deployment:
    names = [f"u{n}" for n in range(total)]
    d = Deployment(looked_at=NOW, counted=counted, started=NOW)
    d.units = {
        name: made(name, before=at < found) if at < done else UnitState(unit=Unit(name=name, outputs=()), worker="w")
        for at, name in enumerate(names)
    }
    began = NOW - timedelta(seconds=counted)
    d.workers = {"w": WorkerState(name="w", session="w", units=names, state="running", began=began)}
    return d


@pytest.mark.parametrize("done", [0, 1, 2])
def test_there_is_no_estimate_before_three_units_are_made(done: int) -> None:
    assert Progress(done=done, total=9) == progress(night(done, 9), NOW)


def test_there_is_one_from_the_third_unit_on() -> None:
    assert progress(night(3, 9), NOW).estimate is not None


@pytest.mark.parametrize("counted", [0.5, 1.0])
def test_a_rate_needs_no_whole_second(counted: float) -> None:
    assert 4 / counted == progress(night(4, 9, counted=counted), NOW).rate


def test_a_clock_that_was_set_back_slows_no_rate() -> None:
    assert 0.04 == progress(night(4, 12), NOW - timedelta(hours=1)).rate


def test_what_was_found_done_counts_as_done_and_not_as_made() -> None:
    told = progress(night(5, 9, found=2), NOW)

    assert (5, 0.03) == (told.done, told.rate)


def test_a_verdict_is_no_unit_and_its_reviewer_makes_none() -> None:
    d = night(4, 12)
    d.workers["review_1"] = WorkerState(name="review_1", session="r", units=["review_1"], review=1)
    d.units["review_1"] = made("review_1")
    d.reviews["review_1"] = Review(round=1, units=("u1",))

    assert progress(night(4, 12), NOW) == progress(d, NOW)


def test_the_estimate_is_what_is_left_at_the_rate_so_far_and_lies_within_its_range() -> None:
    told = progress(night(4, 12), NOW)

    assert (4, 12, 0.04) == (told.done, told.total, told.rate)
    assert told.estimate is not None
    assert 200 == told.estimate.left
    assert told.estimate.soonest == pytest.approx(8 / 0.06)
    assert told.estimate.latest == pytest.approx(8 / 0.02)


def test_a_hundred_units_narrow_the_range() -> None:
    few, many = progress(night(4, 8), NOW).estimate, progress(night(100, 200), NOW).estimate

    assert few is not None
    assert many is not None
    assert many.latest / many.soonest < few.latest / few.soonest


def test_units_found_done_and_waived_ones_make_no_rate() -> None:
    d = night(5, 9, found=2)
    d.units["u4"].waived = True

    assert Progress(done=5, total=9) == progress(d, NOW)


def test_units_that_are_written_and_not_judged_yet_count() -> None:
    d = night(0, 9)
    d.workers["w"].written = 5

    assert (5, 0.05) == ((told := progress(d, NOW)).done, told.rate)


def test_a_unit_waived_without_a_verdict_is_done() -> None:
    d = night(0, 1)
    d.units["u0"].waived = True

    assert Progress(done=1, total=1) == progress(d, NOW)


def test_time_since_the_last_look_counts_and_a_pause_does_not() -> None:
    d = night(4, 12)
    later = NOW + timedelta(seconds=100)
    rate = progress(d, later).rate
    d.paused_at = NOW

    assert (0.02, 0.04) == (rate, progress(d, later).rate)


def test_when_nothing_is_left_there_is_a_rate_and_no_estimate() -> None:
    assert Progress(done=4, total=4, rate=0.04) == progress(night(4, 4), NOW)


def test_a_closed_deployment_is_not_estimated() -> None:
    d = night(4, 12)
    d.outcome = "partial"

    assert Progress(done=4, total=12, rate=0.04) == progress(d, NOW + timedelta(days=1))


def test_nothing_enrolled_is_nothing_done() -> None:
    assert Progress(done=0, total=0) == progress(Deployment(), NOW)


def test_without_time_there_is_no_rate() -> None:
    assert Progress(done=4, total=9) == progress(night(4, 9, counted=0.0), NOW)


def test_a_worker_is_estimated_from_its_own_launch_on() -> None:
    d = night(4, 12)
    d.workers["w"].began = NOW - timedelta(seconds=50)

    found = of_worker(d, d.workers["w"], NOW)
    assert (0.08, 100.0) == (found.rate, found.estimate and found.estimate.left)


@pytest.mark.parametrize("done", [0, 1, 2])
def test_a_worker_has_no_rate_before_it_has_made_three_units(done: int) -> None:
    d = night(done, 9)

    assert Progress(done=done, total=9) == of_worker(d, d.workers["w"], NOW)


def test_a_worker_that_was_not_launched_has_no_rate() -> None:
    d = night(4, 12)
    d.workers["w"].began = None

    assert Progress(done=4, total=12) == of_worker(d, d.workers["w"], NOW)


def test_units_of_a_stuck_worker_are_left_out_of_the_estimate_as_nobody_knows() -> None:
    d = night(4, 12)
    d.workers["w"].units = [f"u{n}" for n in range(10)]
    d.workers["v"] = WorkerState(name="v", session="v", units=["u10", "u11"], state="stuck")
    told = progress(d, NOW)

    assert (4, 12, ("v",)) == (told.done, told.total, told.without)
    assert told.estimate is not None
    assert 150 == told.estimate.left


def test_a_share_of_which_some_is_done_leaves_out_only_what_is_left_of_it() -> None:
    d = night(6, 12)
    d.workers["w"].units = [f"u{n}" for n in range(4)]
    d.workers["v"] = WorkerState(name="v", session="v", units=[f"u{n}" for n in range(4, 9)], state="stuck")
    d.workers["x"] = WorkerState(name="x", session="x", units=["u9", "u10", "u11"], state="running")
    told = progress(d, NOW)

    assert told.estimate is not None
    assert (50, ("v",)) == (told.estimate.left, told.without)


def test_of_a_stuck_share_what_was_done_before_is_not_left_either() -> None:
    d = night(6, 12, found=3)
    d.workers["w"].units = [f"u{n}" for n in range(3, 9)]
    d.workers["v"] = WorkerState(name="v", session="v", units=["u0", "u1", "u2", "u9", "u10", "u11"], state="stuck")
    told = progress(d, NOW)

    assert told.estimate is not None
    assert (3 / told.rate, ("v",)) == (told.estimate.left, told.without)  # type: ignore[operator] # with an estimate there is a rate


@pytest.mark.parametrize(
    ("fields", "outcome", "without"),
    [
        ({}, "open", ("v",)),
        ({"reason": "limited"}, "open", ()),
        ({"review": 1}, "open", ()),
        ({"units": []}, "open", ()),
        ({"units": ["u0"]}, "open", ()),
        ({}, "partial", ()),
    ],
    ids=str,
)
def test_only_a_stuck_worker_with_work_left_of_an_open_deployment_is_left_out(
    fields: dict[str, Any], outcome: Any, without: tuple[str, ...]
) -> None:
    d = night(4, 12)
    v = WorkerState(name="v", session="v", units=["u10", "u11"], state="stuck")
    for key, value in fields.items():
        setattr(v, key, value)
    d.workers["v"], d.outcome = v, outcome

    assert without == progress(d, NOW).without
