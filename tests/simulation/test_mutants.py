"""The rules are effective: each mutant of the product is revealed by its schedule, every time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.simulation.mutants import MUTANTS, UNDONE, planted
from tests.simulation.rules import BrokenError
from tests.simulation.staged import Staged


@pytest.mark.parametrize("name", MUTANTS)
def test_the_product_comes_through_the_schedule_of_each_mutant(name: str) -> None:
    MUTANTS[name].schedule()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_by_its_schedule(name: str) -> None:
    with planted(MUTANTS[name]), pytest.raises(BrokenError):
        MUTANTS[name].schedule()


@pytest.mark.parametrize("name", UNDONE)
def test_a_bug_that_was_found_can_be_put_back(name: str) -> None:
    with planted(UNDONE[name]):
        assert "complete" == Staged().whole().outcome


def test_the_track_record_lists_every_mutant() -> None:
    text = (Path(__file__).parents[2] / "docs" / "track-record.md").read_text()

    assert [] == [name for name in (*MUTANTS, *UNDONE) if f"\n| {name} | " not in text]


def test_the_tests_that_the_track_record_names_exist() -> None:
    here = Path(__file__).parents[2]
    named = re.findall(r"`(test_\w+)`", (here / "docs" / "track-record.md").read_text())
    tests = "".join(path.read_text() for path in (here / "tests").rglob("test_*.py"))

    assert [] == [name for name in named if f"def {name}(" not in tests]
