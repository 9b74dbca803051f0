"""`wakeman inbox`: what waits for somebody, over all deployments, with what answers it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faces.conftest import SLEEPER, Place
from tests.play import NAME, Play

from wakeman.adapters.memory import MemoryWorld
from wakeman.api.inbox import inbox
from wakeman.core.model import Deployment, WakeTarget
from wakeman.ports import Delivery


class Deaf(MemoryWorld):
    """A world in which no receiver can be reached."""

    def _deliver(self, target: WakeTarget, text: str, deployment: Deployment) -> Delivery:
        del text, deployment
        return Delivery(f"{target.name}: exit 1")


def test_a_held_row_waits_with_the_verb_that_answers_it() -> None:
    play = Play(workers=2, units=1, plan={"wake": {"hold": True}})
    play.up()
    before = inbox(play.stage.world()).data
    play.go(60)

    answer = inbox(play.stage.world())

    assert (0, ()) == (before.count, before.deployments)
    [one] = answer.data.deployments
    assert (NAME, "open", ["held"]) == (one.deployment, one.outcome, [need.reason for need in one.needs])
    assert (1, ("wakeman accept night",)) == (answer.data.count, answer.next)


def test_what_could_not_be_told_waits_after_the_end_too() -> None:
    play = Play(workers=1, units=1, stage=Deaf())
    play.run()

    [one] = inbox(play.stage.world()).data.deployments

    assert ("complete", ["untold"]) == (one.outcome, [need.reason for need in one.needs])
    assert "tried again at" in one.needs[0].rest


@pytest.mark.real
def test_a_log_that_cannot_be_read_is_named(place: Place) -> None:
    place.up(SLEEPER)
    place("down", "night")
    log = Path("state/night/events.jsonl")
    log.write_bytes(log.read_bytes().replace(b'"seq":2,', b'"seq":9,'))

    found = place("inbox", "--json").json

    assert ["night"] == list(found["unreadable"])


@pytest.mark.real
def test_it_shows_real_deployments_by_name_with_their_commands(place: Place) -> None:
    assert "nothing waits for you\n" == place("inbox").out
    place.up(SLEEPER)
    place("pause", "night")

    shown = place("inbox", "--json").json

    assert (0, [], {}) == (shown["count"], shown["deployments"], shown["unreadable"])
