"""The nights are played beside all other tests, in processes that begin with the first and give way to them."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import pytest

NIGHTS = int(os.environ.get("WAKEMAN_SEEDS", "10000"))
"""Nights that each run of the tests plays; hundreds of thousands by hand."""
PARTS = 2
"""Processes that share them."""
NICENESS = 10
RUNNING = pytest.StashKey[list[subprocess.Popen[str]]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin, if the test that collects them is to run."""
    if any("nights" in getattr(item, "fixturenames", ()) for item in session.items):
        bounds = [NIGHTS * part // PARTS for part in range(PARTS + 1)]
        session.config.stash[RUNNING] = [_played(first, end) for first, end in pairwise(bounds)]


def _played(first: int, end: int) -> subprocess.Popen[str]:
    command = ["nice", f"-n{NICENESS}", sys.executable, "-m", "tests.simulation", "--seeds", f"{first}:{end}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def nights(pytestconfig: pytest.Config) -> list[subprocess.Popen[str]]:
    """Return the processes that play the nights."""
    return pytestconfig.stash[RUNNING]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End those that nobody waited for."""
    for process in session.config.stash.get(RUNNING, []):
        with process:
            process.kill()
