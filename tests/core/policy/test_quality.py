"""A unit passes if its outputs exist, are new, within the sizes, well formed, and its command succeeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.model import FileFingerprint, Unit, VerifySpec
from wakeman.core.policy.quality import Check, Facts, judge_unit, pick_names

OUT = "out/a.yml"
UNIT = Unit(name="a", outputs=(OUT,), input="in/a.md")


def mark(size: int = 100, at: int = 50, inode: int = 1, path: str = OUT) -> FileFingerprint:
    return FileFingerprint(path=path, size=size, mtime_ns=at, inode=inode)


def problems(verify: VerifySpec, facts: Facts, unit: Unit = UNIT) -> tuple[str, ...]:
    return judge_unit(unit, verify, facts).problems


def found(
    size: int = 100,
    at: int = 50,
    *,
    source: FileFingerprint | None = None,
    before: Mapping[str, FileFingerprint] = {},
    check: Check | None = None,
) -> Facts:
    return Facts(marks={OUT: mark(size, at)}, input=source, before=before, check=check)


def test_an_output_that_is_there_and_new_passes() -> None:
    assert judge_unit(UNIT, VerifySpec(), found()).passed


def test_the_verdict_keeps_the_marks_that_were_judged_in_the_order_of_the_outputs() -> None:
    unit = Unit(name="a", outputs=("y", "x", "z"))
    marks = {"x": mark(path="x"), "y": mark(path="y")}

    assert (marks["y"], marks["x"]) == judge_unit(unit, VerifySpec(), Facts(marks=marks)).marks


@pytest.mark.parametrize(("source", "size"), [(None, 0), (mark(0), 0), (mark(100), 100)])
def test_the_verdict_keeps_how_large_the_input_was(source: FileFingerprint | None, size: int) -> None:
    assert size == judge_unit(UNIT, VerifySpec(), found(10, source=source)).input


def test_an_output_that_is_not_there_is_missing_and_nothing_else() -> None:
    verify = VerifySpec(min_bytes=200, max_ratio=0.1)

    assert (f"{OUT}: missing",) == problems(verify, Facts(input=mark(), parsed={OUT: "not YAML: x"}))


def test_an_empty_output_is_named_so() -> None:
    assert (f"{OUT}: empty",) == problems(VerifySpec(), found(0))


def test_an_empty_output_passes_where_the_plan_allows_zero_bytes() -> None:
    assert () == problems(VerifySpec(min_bytes=0), found(0))


def test_an_output_that_is_too_small_names_both_sizes() -> None:
    assert (f"{OUT}: 120 bytes, expected at least 200",) == problems(VerifySpec(min_bytes=200), found(120))


def test_an_output_of_exactly_the_least_size_passes() -> None:
    assert () == problems(VerifySpec(min_bytes=120), found(120))


def test_an_output_with_the_mark_it_had_at_the_launch_is_unchanged() -> None:
    assert (f"{OUT}: unchanged since the launch",) == problems(VerifySpec(), found(before={OUT: mark()}))


@pytest.mark.parametrize("before", [mark(size=99), mark(at=49), mark(inode=2)], ids=["size", "time", "inode"])
def test_an_output_whose_mark_differs_from_that_at_the_launch_is_new(before: FileFingerprint) -> None:
    assert () == problems(VerifySpec(), found(before={OUT: before}))


def test_a_launch_mark_under_another_spelling_of_the_path_is_compared_all_the_same() -> None:
    facts = found(before={OUT: mark(path="/abs/" + OUT)})

    assert (f"{OUT}: unchanged since the launch",) == problems(VerifySpec(), facts)


def test_an_output_older_than_its_input_is_stale() -> None:
    verify = VerifySpec(fresh="newer")

    assert (f"{OUT}: older than the input",) == problems(verify, found(at=50, source=mark(at=51)))


@pytest.mark.parametrize("source", [None, mark(at=50), mark(at=49)], ids=["no input", "same time", "older input"])
def test_an_output_not_older_than_its_input_is_new_enough(source: FileFingerprint | None) -> None:
    assert () == problems(VerifySpec(fresh="newer"), found(at=50, source=source))


def test_an_output_that_need_only_exist_may_be_the_one_from_before() -> None:
    assert () == problems(VerifySpec(fresh="exists"), found(source=mark(at=99), before={OUT: mark()}))


@pytest.mark.parametrize(
    ("fresh", "begun", "problem"),
    [
        ("changed", False, "there before its worker was launched"),
        ("changed", True, "unchanged since the launch"),
        ("newer", False, None),
        ("exists", False, None),
    ],
)
def test_an_output_that_is_to_be_changed_counts_for_nobody_before_a_launch(
    fresh: Any, begun: bool, problem: str | None
) -> None:
    was = msgspec.structs.replace(found(before={OUT: mark()}), begun=begun)

    assert ((f"{OUT}: {problem}",) if problem else ()) == problems(VerifySpec(fresh=fresh), was)


def test_an_output_too_large_for_its_input_names_both_shares() -> None:
    verify = VerifySpec(max_ratio=0.6)

    assert (f"{OUT}: 80% of the input, expected at most 60%",) == problems(verify, found(80, source=mark(100)))


@pytest.mark.parametrize("source", [None, mark(0), mark(100)], ids=["no input", "empty input", "exactly"])
def test_a_ratio_is_asked_only_of_an_input_with_content_and_may_be_met_exactly(source: FileFingerprint | None) -> None:
    assert () == problems(VerifySpec(max_ratio=0.29), found(29, source=source))


def test_a_share_just_above_the_limit_does_not_read_as_the_limit() -> None:
    verify = VerifySpec(max_ratio=0.6)

    assert (f"{OUT}: 60.1% of the input, expected at most 60%",) == problems(verify, found(6001, source=mark(10000)))


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"cut": True}, "its worker was cut off and may not have finished it"),
        ({"astray": {OUT: "a symbolic link, expected a file"}}, "a symbolic link, expected a file"),
        ({"astray": {OUT: "a symbolic link, expected a file"}, "cut": True}, "a symbolic link, expected a file"),
        ({"astray": {"another": "a symbolic link, expected a file"}}, None),
        ({"installed": {}}, "put there by somebody else, expected it to be installed"),
        ({"installed": {}, "before": {OUT: mark(inode=9)}}, "put there by somebody else, expected it to be installed"),
        ({"installed": {}, "before": {OUT: mark()}}, None),
        ({"installed": {OUT: mark()}}, None),
        ({"installed": None}, None),
    ],
    ids=str,
)
def test_an_output_must_be_its_workers_own_and_finished(facts: dict[str, Any], problem: str | None) -> None:
    found = problems(VerifySpec(fresh="exists"), Facts(marks={OUT: mark()}, **facts))

    assert ((f"{OUT}: {problem}",) if problem else ()) == found


@pytest.mark.parametrize(
    ("astray", "told"),
    [
        ({}, (f"{OUT}: missing",)),
        ({"another": "a directory"}, (f"{OUT}: missing",)),
        ({OUT: "a directory, expected a file"}, (f"{OUT}: missing", f"{OUT}: a directory, expected a file")),
    ],
    ids=str,
)
def test_what_is_in_the_place_of_a_missing_output_is_named(astray: dict[str, str], told: tuple[str, ...]) -> None:
    assert told == problems(VerifySpec(), Facts(astray=astray))


def test_several_outputs_are_weighed_together() -> None:
    unit = Unit(name="a", outputs=("x", "y"), input="i")
    facts = Facts(marks={"x": mark(60, path="x"), "y": mark(60, path="y")}, input=mark(100))

    assert ("2 outputs: 120% of the input, expected at most 100%",) == problems(VerifySpec(max_ratio=1), facts, unit)


def test_problems_stand_in_the_order_of_outputs_then_together_then_check() -> None:
    unit = Unit(name="a", outputs=("x", "y"), input="i")
    facts = Facts(
        marks={"y": mark(9, path="y")},
        before={"y": mark(9)},
        parsed={"y": "not YAML: line 3: bad"},
        input=mark(10),
        check=Check(2, "first\nlast line\n"),
    )

    assert (
        "x: missing",
        "y: 9 bytes, expected at least 10",
        "y: unchanged since the launch",
        "y: not YAML: line 3: bad",
        "2 outputs: 90% of the input, expected at most 50%",
        "check failed (exit 2): last line",
    ) == problems(VerifySpec(min_bytes=10, max_ratio=0.5), facts, unit)


def test_a_check_that_agrees_is_no_problem() -> None:
    assert () == problems(VerifySpec(), found(check=Check(0, "all is well")))


def test_a_check_that_did_not_end_says_why() -> None:
    facts = found(check=Check(None, "no end within 120 s"))

    assert ("check failed: no end within 120 s",) == problems(VerifySpec(), facts)


def test_a_check_that_says_nothing_is_named_by_its_exit_code() -> None:
    assert ("check failed (exit 1)",) == problems(VerifySpec(), found(check=Check(1)))


def test_a_unit_without_outputs_passes_by_its_check_alone() -> None:
    verify = VerifySpec(command=("./check.sh",))

    assert () == problems(verify, Facts(check=Check(0)), Unit(name="a", outputs=()))


@pytest.mark.parametrize("over", [False, True])
def test_a_unit_with_neither_outputs_nor_check_passes_only_by_the_end_of_its_session(*, over: bool) -> None:
    told = problems(VerifySpec(), Facts(over=over), Unit(name="a", outputs=()))

    assert (() if over else ("nothing to judge: neither an output nor a check",)) == told


def test_a_file_name_is_quoted_as_harmless_data() -> None:
    assert ("a b: missing",) == problems(VerifySpec(), Facts(), Unit(name="a", outputs=("a\n\x1b[31mb",)))


def test_a_sample_is_the_same_on_every_machine() -> None:
    assert ("c", "e") == pick_names(["a", "b", "c", "d", "e"], 2, seed=7)


def test_another_seed_picks_others() -> None:
    names = [str(number) for number in range(100)]

    assert pick_names(names, 5, seed=1) != pick_names(names, 5, seed=2)


@given(st.lists(st.text(), unique=True), st.integers(min_value=0, max_value=10), st.integers())
def test_a_sample_keeps_the_order_given_and_does_not_depend_on_it(names: list[str], count: int, seed: int) -> None:
    picked = pick_names(names, count, seed)

    assert (min(count, len(names)), [name for name in names if name in picked], set(picked)) == (
        len(picked),
        list(picked),
        set(pick_names(names[::-1], count, seed)),
    )
