"""Ten thousand simulated deployments, each from its seed: whatever fails, what must never happen does not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.simulation.conftest import PLAYED_WITHIN_S


def played(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *words],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **environment},
    )


@pytest.mark.timeout(PLAYED_WITHIN_S + 60)
def test_whatever_happens_in_a_night_what_must_never_happen_does_not(nights: list[tuple[int, str]]) -> None:
    assert {0} == {code for code, _ in nights}, "\n".join(said for _, said in nights)


def test_a_seed_plays_the_same_night_in_every_process() -> None:
    told = [[played(str(seed), "--trace", PYTHONHASHSEED=salt).stdout for seed in (3, 25)] for salt in ("1", "2")]

    assert told[0] == told[1]
    assert all(text.count("\n") > 50 for text in told[0])
