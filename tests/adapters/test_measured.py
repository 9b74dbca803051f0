"""What was measured of the scenes with real clients keeps to what is promised, and is of scenes that there are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.agents.recorded import versions
from tests.agents.scenes import AFTER, AFTERS, EVERY, SCENES
from tests.agents.table import PLACE

RUNS: dict[str, list[dict[str, Any]]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(PLACE.glob("*.json"))
}
LOOK = 3 * EVERY
"""Seconds that a rung may come after the trouble, one rung a look."""
LOAD = 15.0
"""Seconds that a busy machine adds."""


@pytest.mark.parametrize("name", RUNS)
def test_nobody_is_told_idle_or_done_that_is_not(name: str) -> None:
    wrong = [row["scene"] for row in RUNS[name] if row["false_idle"] or row["false_done"]]

    assert [] == wrong


@pytest.mark.parametrize("name", RUNS)
def test_supervision_causes_at_most_one_request_in_a_standstill(name: str) -> None:
    assert {} == {row["scene"]: row["caused"] for row in RUNS[name] if row["caused"] > 1}


@pytest.mark.parametrize("name", RUNS)
def test_a_person_is_told_soon_wherever_one_is_needed(name: str) -> None:
    bound = AFTERS.get(name.partition("-")[0], AFTER) + LOOK + LOAD
    late = {row["scene"]: row["reached"] for row in RUNS[name] if (row["reached"] or 0) > bound}

    assert {} == late


@pytest.mark.parametrize("name", RUNS)
def test_what_is_measured_is_of_a_recorded_version_and_of_a_scene_with_its_evidence(name: str) -> None:
    client, _, version = name.partition("-")
    scenes = {(one.name, "print" if one.mode == "print" else "live") for one in SCENES if one.client == client}

    assert version in versions(client)
    assert set() == {(row["scene"], row["mode"]) for row in RUNS[name]} - scenes
    assert all(row["evidence"] for row in RUNS[name])
