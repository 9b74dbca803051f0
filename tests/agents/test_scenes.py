"""What happens to a real client is reported soon, without using tokens for supervision."""

from __future__ import annotations

import re

import pytest
from tests.agents import table
from tests.agents.clients import Agents, needs
from tests.agents.scenes import AFTER, AFTERS, EVERY, SCENES, Scene, play
from tests.real.rig import REAL

pytestmark = [*REAL, pytest.mark.timeout(300)]
SOON = 30.0
"""Seconds within which a machine under load tells what something reports; the table has what was measured."""
EACH = [
    pytest.param(scene, marks=needs(scene.client), id=f"{scene.client}-{scene.mode}-{scene.name}".replace(" ", "_"))
    for scene in SCENES
]


@pytest.mark.parametrize("scene", EACH)
def test_what_is_true_is_told(agents: Agents, scene: Scene) -> None:
    seen = play(scene, agents)
    table.keep(table.row(scene, seen))

    assert scene.fits(seen.path), (scene.told, scene.then, seen.path)
    assert re.search(scene.why, seen.why), (scene.why, seen.why)
    assert (scene.outcome or "open") == seen.outcome
    assert (0, 0) == (seen.others, seen.tokens), [one for one in agents.models.asked if one.by in ("", "?")]
    assert (0, 0) == (seen.false_idle, seen.false_done)
    assert seen.nudges <= 1
    assert seen.evidence
    bound = scene.after + EVERY + SOON if scene.after in (AFTER, *AFTERS.values()) else SOON
    assert 0 <= seen.seconds <= bound
    assert seen.reached is None or seen.reached <= bound + SOON
