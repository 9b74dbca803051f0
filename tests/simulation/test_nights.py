"""Ten thousand simulated deployments, each from its seed: whatever fails, what must never happen does not."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import pytest
from tests.simulation.night import Night

SEEDS = int(os.environ.get("WAKEMAN_SEEDS", "10000"))
"""Nights that are played at each run of the tests; hundreds of thousands by hand."""
PARTS = 5
"""Tests that they are cut into; each plays its nights in two processes."""


def played(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *words],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_happens_in_a_night_what_must_never_happen_does_not(part: int) -> None:
    bounds = [SEEDS * (2 * part + half) // (2 * PARTS) for half in range(3)]
    parts = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", "--seeds", f"{first}:{end}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for first, end in pairwise(bounds)
    ]
    said = [process.communicate()[0] for process in parts]

    assert [0, 0] == [process.returncode for process in parts], "\n".join(said)


def test_a_seed_plays_the_same_night_in_every_process() -> None:
    told = [[played(str(seed), "--trace", PYTHONHASHSEED=salt).stdout for seed in (3, 25)] for salt in ("1", "2")]

    assert told[0] == told[1]
    assert all(text.count("\n") > 50 for text in told[0])


@pytest.mark.parametrize("seed", range(200))
def test_nights_in_this_process_too(seed: int) -> None:
    """What they cover is counted here alone."""
    assert Night(seed).play().outcome != "open"
