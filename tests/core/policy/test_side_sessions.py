"""The owner of a session that Wakeman did not make, and when it is ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wakeman.core.model import CleanupSpec, Deployment, Plan, SweepSpec, UnitsSpec, Validator, WorkerState, attempt_id
from wakeman.core.policy.side_sessions import overdue, owner, sweep_rule

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
RULES = (SweepSpec("val_*", 600), SweepSpec("*", 60))


def night(looked_at: datetime | None = NOW) -> Deployment:
    plan = Plan(name="night", units=UnitsSpec(items=("a",)), cleanup=CleanupSpec(sweep=RULES))
    workers = {"w": WorkerState(name="w", session="w", attempt=2, boot="b00t")}
    there = tuple(Validator(name, f"${n}", NOW - timedelta(seconds=300), "w") for n, name in enumerate(("val_a", "x")))
    return Deployment(name="night", plan=plan, workers=workers, validators=there, looked_at=looked_at, started=NOW)


def test_the_first_rule_whose_pattern_fits_counts() -> None:
    assert [RULES[0], RULES[1]] == [sweep_rule(night().plan, name) for name in ("val_a", "other")]
    assert sweep_rule(Plan(name="night", units=UnitsSpec()), "val_a") is None


@pytest.mark.parametrize(
    ("looked_at", "old"), [(NOW, ["x"]), (NOW + timedelta(seconds=300), ["val_a", "x"]), (None, [])]
)
def test_age_is_counted_to_the_last_look(looked_at: datetime | None, old: list[str]) -> None:
    d = night(looked_at)

    assert old == [one.session for one in overdue(d, d.workers["w"])]


def test_a_mark_of_any_attempt_and_boot_names_its_worker_and_no_others() -> None:
    d = night()
    ours = attempt_id(d, d.workers["w"])

    assert ["w", "w"] == [owner(d, sign) for sign in (ours, ours.replace("/2@b00t", "/1@0ther"))]
    assert [""] * 4 == [owner(d, sign) for sign in ("", ours + "0", ours.replace("/w/", "/v/"), f"other{ours[5:]}")]
