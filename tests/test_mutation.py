"""The mutants that `make mutants` tries, and the list of those that survive."""

from __future__ import annotations

import math
import subprocess
import sys
from functools import cache

import pytest
from tests.mutation.operators import mutants
from tests.mutation.reach import ROOT, Measured, forget, reaching, remembering, used_by
from tests.mutation.survivors import FILE, SOURCE, known, name

from wakeman.core.model.deployment import _place_digest

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


def test_a_change_within_a_text_is_worded_in_its_place() -> None:
    texts = {mutant.text for mutant in mutants("x.py", "words = lambda m: (f'not {m[1]:g} of', m[2])")}

    assert {
        "words = lambda m: (f'not {m[[[1 -> 0]]]:g} of', m[2])",
        "words = lambda m: (f'not {m[1]:g} of', m[[[2 -> 0]]])",
    } == texts


def test_a_mutant_is_the_module_with_that_one_change() -> None:
    (mutant,) = (one for one in mutants("x.py", TEXT) if one.text == "BOUND = [[3 -> 0]]")
    namespace: dict[str, object] = {}

    exec(mutant.code, namespace)  # noqa: S102 - the text above

    assert (0, range(2, 3)) == (namespace["BOUND"], mutant.lines)


def test_a_mutant_is_judged_by_the_tests_of_its_file_and_room_first_and_by_slow_ones_of_its_file_last() -> None:
    file = str(SOURCE / "core" / "policy" / "x.py")
    own, room, far = "tests/core/policy/test_x.py::", "tests/core/policy/test_y.py::", "tests/faces/test_z.py::"
    tests = {f"{far}slow": 9.0, f"{own}slow": 9.0, f"{far}quick": 0.1, f"{room}quick": 0.2, f"{own}quick": 0.3}
    told = Measured(list(tests), list(tests.values()), {file: {1: list(range(len(tests)))}})
    mutant = next(mutants(file, "def f(size): return size < 3"))

    chosen = [told.names[at] for at in reaching(told, mutant, math.inf)]

    assert [f"{own}quick", f"{room}quick", f"{far}quick", f"{own}slow"] == chosen


def test_of_a_module_that_was_changed_only_what_differs_is_broken() -> None:
    bound, body = TEXT.replace("BOUND = 3", "BOUND = 4"), TEXT.replace("(1, 2)", "(1, 3)")

    assert [] == list(mutants("x.py", f"# a comment\n{TEXT}", TEXT))
    assert {"BOUND = [[4 -> 0]]"} == {mutant.text for mutant in mutants("x.py", bound, TEXT)}
    assert {"fits"} == {mutant.function for mutant in mutants("x.py", body, TEXT)}
    assert {""} == {mutant.function for mutant in mutants("x.py", TEXT, body)} ^ {"fits", ""}


@pytest.mark.parametrize(
    ("name_", "file"),
    [
        ("OUTAGE_PAUSE_MIN", "core/log/facts/worker.py"),  # a constant, where it stands
        ("DEFAULT_EXECUTOR", "engine/start/faults.py"),  # a default of a key, where the key is read
        ("WORKER_RULES", "core/policy/worker_rows.py"),
    ],
)
def test_a_name_is_followed_to_the_functions_that_use_it(name_: str, file: str) -> None:
    assert str(SOURCE / file) in {used for used, _ in used_by(frozenset({name_}))}


@pytest.mark.parametrize(
    ("file", "only", "judge", "count"),
    [
        ("core/plan/links.py", "directories_above: [[return", "tests/core/plan/test_links.py", 1),
        ("core/plan/doubts.py", "doubts.py -", "tests/core/plan/test_footprint.py", 1),
        ("core/plan/slip_rules.py", "_whole_line", "tests/core/plan/test_slip_rules.py", 2),
    ],
    ids=["in a function", "outside of any", "in one that runs as its module is imported, and in what that makes"],
)
def test_a_run_tells_what_is_killed(file: str, only: str, judge: str, count: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--only", only, "--judges", judge, "--", file],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip

    assert (0, f"core/plan {count} {count} 0 0") == (ran.returncode, ran.stdout.splitlines()[-1]), ran.stderr


def test_what_a_function_remembers_hides_no_mutant() -> None:
    _place_digest("/s/night")
    before = _place_digest.cache_info().currsize
    forget(remembering())

    assert (True, 0) == (before > 0, _place_digest.cache_info().currsize)


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


def test_no_survivor_is_listed_twice() -> None:
    listed = [line for line in FILE.read_text().splitlines() if line and not line.startswith((" ", "#"))]

    assert sorted(known()) == sorted(listed)


@pytest.mark.parametrize("listed", known())
def test_a_survivor_that_is_listed_has_a_reason_and_can_be_made(listed: str) -> None:
    assert known()[listed]
    assert listed in of(listed.partition(" ")[0])
