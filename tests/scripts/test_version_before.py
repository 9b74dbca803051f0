"""Deployments that the version before left open: this one goes on with each, and audits all of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory.logs import LogBytes
from wakeman.core.log.events import decode
from wakeman.engine import requests
from wakeman.engine.check import check

RECORDED = sorted((Path(__file__).parents[1] / "recorded").glob("*.jsonl"))


def left(recorded: Path) -> tuple[Play, int]:
    """Give a world after a reboot in which that log lies, and how many lines it has."""
    play = Play(workers=0)
    lines = recorded.read_bytes().splitlines(keepends=True)
    play.stage.logs.tapes[NAME] = LogBytes(b"".join(lines), sum(map(len, lines)))
    play.stage.clock.at = decode(lines[-1][:-1]).at + timedelta(minutes=5)
    play.stage.clock.name = "00000099"
    return play, len(lines)


@pytest.mark.parametrize("recorded", RECORDED, ids=[file.stem for file in RECORDED])
def test_a_deployment_of_the_version_before_goes_on_and_ends(recorded: Path) -> None:
    play, lines = left(recorded)

    check(play.stage.world("resume:1"), NAME)
    play.go(24 * 60)
    while play.deployment.held:
        requests.request(play.stage.world(), NAME, "accept")
        play.go(24 * 60)

    assert "open" != play.deployment.outcome
    assert play.deployment.seq > lines
    assert not play.deployment.intents


def test_there_are_deployments_that_the_version_before_left_half_way() -> None:
    begun = {Path(file).stem: list(left(file)[0].deployment.intents.values()) for file in RECORDED}

    assert {"launching": 2, "nudged": 1, "owing": 1, "promoting": 2} == {
        name: len(intents) for name, intents in begun.items() if intents
    }
