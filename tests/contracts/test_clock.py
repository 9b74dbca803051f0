"""What `ports.Clock` promises, of the clock that is moved by hand and of the machine's."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from wakeman.adapters.clock import SystemClock
from wakeman.adapters.memory import MemoryClock
from wakeman.ports import Clock


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def clock(request: pytest.FixtureRequest) -> Clock:
    return MemoryClock() if request.param == "memory" else SystemClock()


def test_the_wall_clock_is_aware_utc(clock: Clock) -> None:
    assert timedelta(0) == clock.now().utcoffset()


def test_the_second_clock_never_goes_back(clock: Clock) -> None:
    readings = [clock.mono() for _ in range(100)]

    assert sorted(readings) == readings


def test_a_boot_is_named_by_eight_hex_digits(clock: Clock) -> None:
    assert re.fullmatch("[0-9a-f]{8}", clock.boot())


def test_a_boot_keeps_its_name(clock: Clock) -> None:
    assert clock.boot() == clock.boot()


def test_a_clock_moved_by_hand_moves_both_readings() -> None:
    clock = MemoryClock()
    now, mono = clock.now(), clock.mono()

    clock.advance(90)

    assert (timedelta(seconds=90), 90.0) == (clock.now() - now, clock.mono() - mono)
