"""Settings of all tests."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")  # an example that takes long there is no failure

OBJECTS_MIN, YOUNG_MIN, OLD_MIN = 100_000, 20, 50
"""When garbage is looked for: each process of pytest holds the 20,000 tests, and would look through them again."""

MEASURED = ("audit", "contracts", "core", "engine", "test_samples.py")
"""Tests whose coverage counts. They cover core, protocol and audit completely, and the others, whole nights among them,
take up to three times as long while each of their lines is traced."""
WORKERS_PER_PROCESSOR = 2
"""Most tests wait for a program half of their time."""


gc.set_threshold(OBJECTS_MIN, YOUNG_MIN, OLD_MIN)
# Where Python keeps nothing compiled, each process of pytest compiles all tests, each time: half of a collection.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` begins."""
    named = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", "")
    return int(named) if named else WORKERS_PER_PROCESSOR * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have nothing traced in tests whose coverage does not count."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] not in MEASURED:
            item.add_marker("no_cover")
