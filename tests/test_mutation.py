"""The mutants that `make mutants` tries, and the list of those that survive."""

from __future__ import annotations

from functools import cache

import pytest
from tests.mutation.operators import mutants
from tests.mutation.survivors import SOURCE, known, name

TEXT = '''\
"""Text."""
BOUND = 3


def fits(size: int, *, strict: bool) -> bool:
    """Text."""
    if strict and size < BOUND:
        return False
    return size in (1, 2)
'''


def test_each_small_part_that_runs_is_broken_once() -> None:
    texts = {mutant.text for mutant in mutants("x.py", TEXT)}

    assert {
        "BOUND = [[3 -> 0]]",
        "if [[strict and size < BOUND -> strict or size < BOUND]]: return False",
        "if strict and [[size < BOUND -> size <= BOUND]]: return False",
        "return [[False -> True]]",
        "return [[size in (1, 2) -> size not in (1, 2)]]",
    } <= texts
    assert not [text for text in texts if "Text." in text]


def test_a_mutant_is_the_module_with_that_one_change() -> None:
    (mutant,) = (one for one in mutants("x.py", TEXT) if one.text == "BOUND = [[3 -> 0]]")
    namespace: dict[str, object] = {}

    exec(mutant.code, namespace)  # noqa: S102 - the text above

    assert (0, range(2, 3)) == (namespace["BOUND"], mutant.lines)


@cache
def of(file: str) -> frozenset[str]:
    """Return the mutants of a file, as `make mutants` prints them."""
    return frozenset(name(mutant) for mutant in mutants(str(SOURCE / file), (SOURCE / file).read_text()))


def test_two_functions_of_one_name_have_mutants_of_different_names() -> None:
    here, there = (
        {name(mutant) for mutant in mutants(str(SOURCE / file), TEXT)}
        for file in ("core/text.py", "core/policy/limits.py")
    )

    assert "core/text.py fits: return [[False -> True]]" in here
    assert not here & there


@pytest.mark.parametrize("listed", known())
def test_a_survivor_that_is_listed_has_a_reason_and_can_be_made(listed: str) -> None:
    assert known()[listed]
    assert listed in of(listed.partition(" ")[0])
