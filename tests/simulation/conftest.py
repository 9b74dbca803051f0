"""The nights are played beside all other tests, in processes that begin with the first and give way to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir

import pytest
from tests.waiting import until

NIGHTS = int(os.environ.get("WAKEMAN_SEEDS", "10000"))
"""Nights that each run of the tests plays; hundreds of thousands by hand."""
PLAYED_WITHIN_S = 1500
"""Seconds that the nights may take: about 250 with two cores to themselves."""
PARTS = 2
"""Processes that share them."""
NICENESS = 10
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
OWNER = os.getppid() if WORKER else os.getpid()
"""The process that runs all tests: with it the nights end, too."""
PLACE = Path(gettempdir()) / f"wakeman-nights-{OWNER}"
"""Where they leave what they print, and their exit status: any worker of pytest may be the one that reads it."""
RUNNING = pytest.StashKey[list[subprocess.Popen[bytes]]]()
KEPT = '"$@" >"$0.out" 2>&1; echo $? >"$0.new"; mv "$0.new" "$0.code"'


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin, in one worker of pytest, if the test that collects them is to run."""
    if WORKER in ("", "gw0") and any("nights" in getattr(item, "fixturenames", ()) for item in session.items):
        shutil.rmtree(PLACE, ignore_errors=True)
        PLACE.mkdir()
        session.config.stash[RUNNING] = running = list[subprocess.Popen[bytes]]()
        for part, (first, end) in enumerate(_bounds()):
            words = ("-m", "tests.simulation", "--seeds", f"{first}:{end}", "--owner", str(OWNER))
            command = ("sh", "-c", KEPT, str(PLACE / str(part)), "nice", f"-n{NICENESS}", sys.executable, *words)
            running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))


def _bounds() -> Iterator[tuple[int, int]]:
    return pairwise(NIGHTS * part // PARTS for part in range(PARTS + 1))


@pytest.fixture
def nights() -> Iterator[list[tuple[int, str]]]:
    """Wait until all are played; yield the exit status of each process, and what it printed."""
    kept = [PLACE / str(part) for part in range(PARTS)]
    until(lambda: all(part.with_suffix(".code").exists() for part in kept), PLAYED_WITHIN_S)
    yield [(int(part.with_suffix(".code").read_text()), part.with_suffix(".out").read_text()) for part in kept]
    shutil.rmtree(PLACE)
