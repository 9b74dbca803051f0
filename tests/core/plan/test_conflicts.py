"""No two units may write one place, nor one what another reads."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.model import Unit
from wakeman.core.plan.conflicts import claimed, conflicts, escape_pattern, used_paths


def found(*units: Unit, fold_case: bool = False, links: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Check units whose paths are as they say, but for `links`."""
    resolved = {path: f"/r/{path}" if path != "." else "/r" for path in used_paths(units)} | dict(links)
    return conflicts(units, resolved, fold_case=fold_case)


def unit(name: str, *outputs: str, reads: str | None = None, writes: tuple[str, ...] = ()) -> Unit:
    return Unit(name=name, outputs=outputs, input=reads, writes=writes)


def test_units_with_places_of_their_own_do_not_conflict() -> None:
    units = unit("a", "out/a", "out/a.log", reads="in/a"), unit("b", "out/b", reads="in/b", writes=("work/b/**",))

    assert [] == found(*units)


def test_two_units_on_one_path_are_both_named_with_it() -> None:
    expected = (
        "units: 'a' writes 'out/x' and 'b' writes 'out/x': '/r/out/x' is the same place;"
        " expected every place to be one unit's"
    )

    assert [expected] == found(unit("a", "out/x"), unit("b", "out/x"))


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [
        (unit("a", "x", writes=("w/**",)), unit("b", "w/deep/y"), "'a' claims 'w/**' and 'b' writes 'w/deep/y'"),
        (unit("a", "x", writes=("w/*.md",)), unit("b", "y", writes=("w/v/**",)), "'a' claims 'w/*.md' and 'b' claims"),
        (unit("a", "x", writes=("w/a",)), unit("b", "y", writes=("w/a/b",)), "'a' claims 'w/a' and 'b' claims 'w/a/b'"),
        (unit("a", "x"), unit("b", "x/y"), "'a' writes 'x' and 'b' writes 'x/y'"),
        (unit("a", "x"), unit("b", "y", writes=("x/**",)), "'a' writes 'x' and 'b' claims 'x/**'"),
        (unit("a", "x"), unit("b", "y", reads="x"), "'a' writes 'x' and 'b' reads 'x'"),
        (unit("a", "x", writes=("w/**",)), unit("b", "y", reads="w/i"), "'a' claims 'w/**' and 'b' reads 'w/i'"),
        (unit("a", "x", writes=("**",)), unit("b", "y"), "'a' claims '**' and 'b' writes 'y'"),
    ],
)
def test_whatever_reaches_into_anothers_place_is_a_conflict(upper: Unit, lower: Unit, expected: str) -> None:
    for order in ((upper, lower), (lower, upper)):
        assert [True] == [problem.startswith(f"units: {expected}") for problem in found(*order)]


@pytest.mark.parametrize(
    "units",
    [
        (unit("a", "x", reads="x"), unit("b", "y")),
        (unit("a", "w/x", writes=("w/**", "w/v/**")), unit("b", "y")),
        (unit("a", "x", reads="shared"), unit("b", "y", reads="shared")),
        (unit("a", "repo/a", reads="repo"), unit("b", "repo/b", reads="repo")),
        (unit("a", "x"), unit("b", "x.y"), unit("c", "xy/z"), unit("d", "x-/z")),
    ],
)
def test_own_places_shared_inputs_and_neighbours_are_no_conflict(units: tuple[Unit, ...]) -> None:
    assert [] == found(*units)


def test_an_own_place_between_does_not_hide_anothers_above() -> None:
    units = unit("a", "x", writes=("w/**",)), unit("b", "w/v/y", writes=("w/v/**",))

    assert ["'a' claims 'w/**' and 'b' claims 'w/v/**'", "'a' claims 'w/**' and 'b' writes 'w/v/y'"] == [
        problem.removeprefix("units: ").split(":")[0] for problem in found(*units)
    ]


def test_of_several_places_above_the_nearest_is_named() -> None:
    units = unit("a", "x", writes=("w/**",)), unit("b", "y", writes=("w/v/**",)), unit("c", "w/v/z")

    assert ["'a' claims 'w/**' and 'b' claims 'w/v/**'", "'b' claims 'w/v/**' and 'c' writes 'w/v/z'"] == [
        problem.removeprefix("units: ").split(":")[0] for problem in found(*units)
    ]


def test_two_names_of_one_file_on_the_disk_are_one_place() -> None:
    assert 1 == len(found(unit("a", "link/x"), unit("b", "real/x"), links={"link/x": "/r/real/x"}))


def test_case_and_composition_count_only_where_the_disk_tells_them_apart() -> None:
    composed = unicodedata.normalize("NFC", "É")
    units = unit("a", f"{composed}/x"), unit("b", unicodedata.normalize("NFD", composed).lower() + "/X")

    assert (0, 1) == (len(found(*units)), len(found(*units, fold_case=True)))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("src/a/**", "src/a"),
        ("src/a*/b", "src"),
        ("src/[ab]/c", "src"),
        ("src/?", "src"),
        ("src/a", "src/a"),
        ("*", "."),
        ("/*", "/"),
        ("/a/[*]b[[]/c*", "/a/*b["),
    ],
)
def test_a_claim_reaches_from_its_last_literal_directory(pattern: str, expected: str) -> None:
    assert expected == claimed(pattern)


@given(st.text(alphabet="a*?[]!-/", min_size=1))
def test_a_quoted_value_claims_itself(text: str) -> None:
    assert text == claimed(escape_pattern(text))


places = st.lists(st.sampled_from("abA"), min_size=1, max_size=3).map("/".join)
many_units = st.lists(
    st.tuples(st.lists(places, max_size=2, unique=True), st.lists(places, max_size=1), st.none() | places), max_size=5
)


@given(many_units, st.booleans())
def test_exactly_the_places_that_conflict_pair_by_pair_are_reported(
    parts: list[tuple[list[str], list[str], str | None]], fold: bool
) -> None:
    units = [unit(str(n), *outs, reads=reads, writes=tuple(ws)) for n, (outs, ws, reads) in enumerate(parts)]

    problems = found(*units, fold_case=fold)

    assert lower_places(units, fold) == len(problems)


def lower_places(units: list[Unit], fold: bool) -> int:
    """Count, comparing every pair, the places that lie at or below another unit's: of equals all but one unit's."""
    entries = [
        ((path.lower() if fold else path).split("/"), order, each.name)
        for each in units
        for order, group in enumerate((each.outputs, each.writes, filter(None, [each.input])))
        for path in group
    ]
    entries.sort(key=lambda entry: entry[:2])
    lower = {
        second
        for (first, one), (second, other) in itertools.permutations(enumerate(entries), 2)
        if first < second and one[1] < 2 and one[2] != other[2] and one[0] == other[0][: len(one[0])]
    }
    return len(lower)


def test_what_another_open_deployment_writes_is_its_own_and_may_be_read() -> None:
    mine = [Unit(name="a", outputs=("/r/x",), input="/r/in"), Unit(name="b", outputs=("/r/y",))]
    theirs = [
        Unit(name="night/1", outputs=("/r/x",)),
        Unit(name="night/2", outputs=("/r/x",)),
        Unit(name="night/3", outputs=("/r/in",)),
        Unit(name="night/4", outputs=("/q/z",), writes=("/r/sub/**",)),
    ]
    resolved = {path: path for path in used_paths([*mine, *theirs])}

    assert [] == conflicts(mine, resolved, fold_case=False, others=theirs[2:])
    found = conflicts(mine, resolved, fold_case=False, others=theirs)
    assert found
    assert all("'a' writes '/r/x'" in problem for problem in found)
    assert all(
        problem.endswith("; expected no other open deployment to write there: wait for its end, or wakeman down night")
        for problem in found
    )


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Unit(name="night/1", outputs=("/r",)), "'night/1' writes '/r' and 'a' writes '/r/x': '/r/x' is inside '/r'"),
        (Unit(name="night/1", outputs=("/r/x/y",)),
         "'a' writes '/r/x' and 'night/1' writes '/r/x/y': '/r/x/y' is inside '/r/x'"),
    ],
)  # fmt: skip
def test_what_another_open_deployment_writes_above_or_below_is_a_conflict(other: Unit, expected: str) -> None:
    mine = [Unit(name="a", outputs=("/r/x",))]
    resolved = {path: path for path in used_paths([*mine, other])}

    assert [
        f"units: {expected}; expected no other open deployment to write there: wait for its end, or wakeman down night"
    ] == conflicts(mine, resolved, fold_case=False, others=[other])
