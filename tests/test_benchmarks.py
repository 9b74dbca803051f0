"""The page of benchmarks shows what was measured, and nothing else; the benches themselves run by `make bench`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bench.figures import PAGE, Figure, figure, kept, line, page, paired
from bench.run import BENCHES


def test_the_page_is_what_was_measured() -> None:
    assert page(kept()) == PAGE.read_text()


def test_what_was_measured_is_of_a_bench_and_each_says_how() -> None:
    assert set(kept()) <= set(BENCHES)
    assert all(bench.__doc__ for bench in BENCHES.values())


def test_every_bench_was_measured() -> None:
    assert set(BENCHES) == set(kept())


@pytest.mark.parametrize(
    ("one", "met"),
    [
        (lambda: figure("x", "ms", [3, 1, 2], 2), True),
        (lambda: figure("x", "ms", [3, 1, 2.5], 2), False),
        (lambda: figure("x", "ms", [3, 1, 2]), None),
        (lambda: paired("x", "ms", [(3, 2), (3, 2), (9, 1)], "y", 1.5), True),
        (lambda: paired("x", "ms", [(3, 2), (4, 2), (9, 1)], "y", 1.5), False),
    ],
)
def test_a_limit_is_of_the_ratio_where_there_is_one(one: Callable[[], Figure], met: bool | None) -> None:
    assert met is one().met


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (lambda: figure("a", "ms", [1.234]), "a; 1.23 ms"),
        (lambda: figure("a", "ms", [3, 1, 2000], 2), "a; 3 ms (1 to 2,000, 3 rounds); 2 ms, missed"),
        (lambda: paired("a", "s", [(3, 2)], "b", 2), "a; 3 s; 2 s: b; 1.50; ratio 2, met"),
    ],
)
def test_a_figure_is_one_line(one: Callable[[], Figure], expected: str) -> None:
    assert expected == line(one())
