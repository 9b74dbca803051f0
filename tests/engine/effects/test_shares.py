"""Who gets which units anew: cleanup workers what is undone, reviewers what is done."""

from __future__ import annotations

from typing import Any

import pytest

from wakeman.core.log import events as e
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Host,
    Plan,
    Rejection,
    Review,
    ReviewSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Verdict,
    VerifySpec,
    WorkerState,
)
from wakeman.core.policy.quality import pick_names
from wakeman.core.policy.review import own
from wakeman.engine.effects.enrol import cleanups
from wakeman.engine.effects.review import REVIEWER_NAMES_BYTES_MAX, appointed, appointments, conclusions, sampling

MARKS = (FileFingerprint("o", 1, 2, 3),)


def worker(name: str, *units: str, **fields: Any) -> WorkerState:
    """Give a worker that has ended with all of its units undone."""
    built = WorkerState(name=name, session=name, key=f"key of {name}", units=list(units), state="exited", attempt=1)
    built.ended_by, built.code = "itself", 0
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(*workers: WorkerState, verify: VerifySpec | None = None) -> Deployment:
    return Deployment(
        name="night",
        plan=Plan(name="night", units=UnitsSpec(), verify=verify or VerifySpec()),
        host=Host(root="/", directory="/state/night", python=()),
        units={name: UnitState(unit=Unit(name, ("o",)), worker=one.name) for one in workers for name in one.units},
        workers={one.name: one for one in workers},
    )


def enrolled(drafts: list[e.Draft]) -> list[tuple[str | None, e.Enrolled]]:
    return [(draft.worker, draft.data) for draft in drafts if isinstance(draft.data, e.Enrolled)]


# Cleanup workers


def test_a_cleanup_worker_takes_what_is_undone_and_is_told_why() -> None:
    d = deployment(worker("w", "w/1", "w/2", "w/3"))
    d.units["w/1"].waived = True
    d.units["w/2"].verdict = Verdict("w/2", problems=("o: empty", "o: stale"))

    note = "Checks that failed:\nw/2: o: empty; o: stale\nw/3: not done"
    expected = e.Enrolled(session="w_c1", moved=("w/2", "w/3"), key="key of w", origin="w", note=note)
    assert [("w_c1", expected)] == enrolled(cleanups(d))


@pytest.mark.parametrize(
    ("others", "names"),
    [
        ([], ["w_c1"]),
        (["w_c1"], ["w_c2"]),
        (["W_C1", "w_c3"], ["w_c2"]),
        (["w_c1", "w_c2", "w_c3"], ["w_c4"]),
    ],
)
def test_a_cleanup_worker_has_a_name_that_nobody_has_in_any_spelling(others: list[str], names: list[str]) -> None:
    d = deployment(worker("w", "w/1"), *(worker(name) for name in others))

    assert names == [name for name, _ in enrolled(cleanups(d))]


def test_those_who_continue_one_share_are_numbered_on() -> None:
    d = deployment(worker("w", "w/1"), worker("w_c1", "w/2", origin="w"), worker("v", "v/1"))

    assert [("w_c2", "w"), ("w_c3", "w"), ("v_c1", "v")] == [
        (name, fact.origin) for name, fact in enrolled(cleanups(d))
    ]


def test_a_share_that_fits_no_line_is_enrolled_in_several_of_the_same_worker() -> None:
    units = [f"w/{'long' * 50}/{n}" for n in range(600)]
    found = enrolled(cleanups(deployment(worker("w", *units))))

    assert len(found) > 1
    assert {"w_c1"} == {name for name, _ in found}
    assert units == [unit for _, fact in found for unit in fact.moved]
    assert {8000} == {len(fact.note) for _, fact in found}


# Reviewers


def reviewed(*units: str, max_units: int = 100, **verify: Any) -> Deployment:
    """Give a deployment whose units are all done, and reviewed under this plan."""
    spec = VerifySpec(agent="judge", review=ReviewSpec(of="all", max_units=max_units), **verify)
    d = deployment(worker("w", *units, state="verified"), verify=spec)
    for unit in d.units.values():
        unit.verdict = Verdict(unit.unit.name, marks=MARKS)
    return d


def test_a_reviewer_is_enrolled_with_its_verdict_as_its_one_unit() -> None:
    unit = own("/state/night", "review_1")
    expected = e.Enrolled(session="night_review_1", units=(unit,), key="review", review=1, reviews=("a", "b"))

    assert [("review_1", expected)] == enrolled(appointments(reviewed("a", "b")))


@pytest.mark.parametrize(
    ("max_units", "shares"),
    [(1, [("a",), ("b",), ("c",)]), (2, [("a", "b"), ("c",)]), (3, [("a", "b", "c")]), (9, [("a", "b", "c")])],
)
def test_a_reviewer_gets_as_many_units_as_the_plan_lets_one_have(max_units: int, shares: list[tuple[str, ...]]) -> None:
    found = enrolled(appointments(reviewed("a", "b", "c", max_units=max_units)))

    assert shares == [fact.reviews for _, fact in found]
    assert [f"review_{n}" for n in range(1, len(shares) + 1)] == [name for name, _ in found]


def test_names_that_take_much_room_are_given_to_several_reviewers() -> None:
    units = [f"{'long' * 250}/{n}" for n in range(40)]
    found = enrolled(appointed(reviewed(*units), units))

    assert units == [unit for _, fact in found for unit in fact.reviews]
    assert len(found) > 1
    assert max(sum(map(len, fact.reviews)) for _, fact in found) <= REVIEWER_NAMES_BYTES_MAX


def test_a_reviewer_has_a_name_that_no_worker_or_unit_has_and_the_number_of_the_next_round() -> None:
    d = reviewed("a", "Review_1")
    d.workers["REVIEW_2"] = worker("REVIEW_2")
    d.reviews["x"], d.reviews["y"] = Review(round=4, units=("a",), heard=True), Review(round=2, units=(), heard=True)

    ((name, fact),) = enrolled(appointed(d, ["a"]))

    assert ("review_3", 5) == (name, fact.review)


def test_without_units_to_review_no_reviewer_is_enrolled() -> None:
    assert [] == appointed(reviewed("a"), [])


@pytest.mark.parametrize(("digest", "seed"), [("", 0), ("12345678ff", 0x12345678), ("fedcba98ff", 0xFEDCBA98)])
def test_a_sample_is_picked_once_by_the_plans_digest(digest: str, seed: int) -> None:
    units = [f"u{n}" for n in range(50)]
    d = reviewed(*units, sample=5)
    d.digest = digest
    expected = e.Sampled(seed=seed, units=pick_names(units, 5, seed))

    assert [expected] == [draft.data for draft in sampling(d)]
    d.sampled = ("u1",)
    assert [] == sampling(d)


def test_no_sample_is_picked_where_the_plan_wants_none() -> None:
    assert [] == sampling(reviewed("a"))


def test_a_verdict_counts_for_the_units_that_are_as_they_were_given_out() -> None:
    d = reviewed("a", "b", "c", "d")
    rejects = (Rejection("a", "thin"), Rejection("b", "wrong"))
    d.workers["review_1"] = worker("review_1", "review_1", review=3, state="verified", attempt=2)
    d.units["review_1"] = UnitState(
        unit=Unit("review_1", ("v",)), worker="review_1", verdict=Verdict("review_1", rejects=rejects)
    )
    d.reviews["review_1"] = Review(round=3, units=("a", "b", "c", "d"), marks=dict.fromkeys("abcd", MARKS))
    d.units["b"].waived = True
    d.units["d"].verdict = Verdict("d", marks=(FileFingerprint("o", 9, 9, 9),))

    (draft,) = conclusions(d)

    assert e.Draft(e.Reviewed(round=3, passed=1, rejected=rejects[:1]), worker="review_1", attempt=2) == draft
    d.units["review_1"].verdict = None
    assert [e.Reviewed(round=3, passed=2)] == [draft.data for draft in conclusions(d)]
