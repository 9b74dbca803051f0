"""Durations that are drawn by a seed."""

from __future__ import annotations

import math
from statistics import mean

import pytest

from wakeman.core.queueing import Spread

NAMES = [f"unit {number}" for number in range(2000)]


@pytest.mark.parametrize(
    "spread", [Spread(60.0), Spread(60.0, exponential=True), Spread(0.0, measured=(1.0, 2.0, 30.0))]
)
def test_the_same_seed_and_name_draw_the_same(spread: Spread) -> None:
    assert [spread.drawn(7, name) for name in NAMES] == [spread.drawn(7, name) for name in reversed(NAMES)][::-1]


def test_what_does_not_vary_is_its_mean() -> None:
    assert {60.0} == {Spread(60.0).drawn(seed, name) for seed in (1, 2) for name in NAMES}


def test_what_varies_is_around_its_mean_never_below_nothing_and_depends_on_the_seed() -> None:
    one, two = ([Spread(60.0, exponential=True).drawn(seed, name) for name in NAMES] for seed in (1, 2))

    assert one != two
    for drawn in (one, two):
        assert min(drawn) >= 0.0
        assert max(drawn) < math.inf
        assert 54.0 < mean(drawn) < 66.0
        assert 0.60 < sum(one < 60.0 for one in drawn) / len(drawn) < 0.67  # 1 - 1/e


def test_of_what_was_measured_each_is_drawn_as_often_as_the_others_and_nothing_else() -> None:
    drawn = [Spread(0.0, measured=(1.0, 2.0, 30.0)).drawn(3, name) for name in NAMES]

    assert {1.0, 2.0, 30.0} == set(drawn)
    assert all(600 < drawn.count(value) < 730 for value in (1.0, 2.0, 30.0))
