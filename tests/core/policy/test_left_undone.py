"""Units that are left undone are grouped by why, in words that fit all of a group."""

from __future__ import annotations

import pytest

from wakeman.core.model import Deployment, FileFingerprint, Unit, UnitState, Verdict, WorkerState
from wakeman.core.policy.left_undone import undone_units

MARK = FileFingerprint("o", 1, 2)


def night(*problems: tuple[str, ...], why: str = "", attempt: int = 1, state: str = "exited") -> Deployment:
    """Return a deployment of one worker whose units have these problems."""
    d = Deployment(name="night")
    names = [f"u{at}" for at in range(len(problems))]
    d.workers = {"w": WorkerState(name="w", session="w", units=names, state=state, why=why, attempt=attempt)}  # type: ignore[arg-type] # a literal of a parameter
    d.units = {
        name: UnitState(unit=Unit(name, (f"out/{name}",)), worker="w", verdict=Verdict(name, each))
        for name, each in zip(names, problems, strict=True)
    }
    return d


@pytest.mark.parametrize(
    ("problem", "why", "detail"),
    [
        ("out/u0: empty", "empty", ""),
        ("out/u0: 96 bytes, expected at least 200", "smaller than 200 bytes", "96"),
        ("out/u0: 80.5% of the input, expected at most 60%", "too big: more than 0.6 of the input", "0.805"),
        ("check failed (exit 1): no tables", "its check fails (exit 1)", "no tables"),
        ("check failed", "its check fails", ""),
        ("out/u0: not YAML: line 3: \x1b[1mbad", "not YAML", "line 3: bad"),
        ("a parser: ORDER\x07", "fails its check", "a parser: ORDER"),
        ("out/u0: unchanged since the launch", "unchanged since the launch", ""),
        ("out/u0: older than the input", "older than the input", ""),
        ("out/u0: there before its worker was launched", "there before its worker was launched", ""),
    ],
)
def test_a_problem_is_told_by_what_many_may_share_and_what_is_its_own(problem: str, why: str, detail: str) -> None:
    [found] = undone_units(night((problem,)))

    assert (why, detail, ("u0",), ("w",)) == (found.why, found.detail, found.units, found.workers)


def test_what_was_never_written_says_how_its_worker_ended() -> None:
    missing = ("out/u0: missing",)
    found = undone_units(night(missing, why="exit status 1: credit balance is too low"))

    assert [("missing: w, exit status 1", "credit balance is too low")] == [(each.why, each.detail) for each in found]
    assert ["missing: w, ended"] == [each.why for each in undone_units(night(missing, why="gone"))]
    assert ["missing"] == [each.why for each in undone_units(night(missing, attempt=0))]


def test_the_largest_group_comes_first_and_done_units_in_none() -> None:
    d = night(("out/u0: missing",), ("out/u1: empty",), (), ("out/u3: empty",))

    assert [("empty", ("u1", "u3")), ("missing: w, ended", ("u0",))] == [(g.why, g.units) for g in undone_units(d)]


def test_units_that_somebody_works_on_are_none_until_it_is_over() -> None:
    d = night(("out/u0: missing",), state="running")
    open_ = undone_units(d)
    d.outcome = "partial"

    assert ([], 1) == (open_, len(undone_units(d)))


def test_a_rejection_what_is_staged_and_what_nobody_judged_say_so() -> None:
    d = night((), (), (), ())
    units = list(d.units.values())
    units[0].reopened = "lost the codes"
    units[1].verdict, units[1].staged = None, Verdict("u1", ("out/u1: empty",), (MARK,))
    units[2].verdict = None
    units[3].verdict, units[3].staged = None, Verdict("u3", (), (MARK,))

    found = {each.units: (each.why, each.detail) for each in undone_units(d)}

    assert ("rejected", "lost the codes") == found["u0",]
    assert ("empty", "") == found["u1",]
    assert ("missing: w, ended", "") == found["u2", "u3"]


def test_of_several_problems_the_first_and_of_a_group_the_first_unit_s_words_are_told() -> None:
    d = night(("check failed: one", "out/u0: empty"), ("check failed: two", "out/u1: empty"))

    assert [("its check fails", "one", ("u0", "u1"))] == [(g.why, g.detail, g.units) for g in undone_units(d)]
