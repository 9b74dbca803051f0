"""A fan-out of real clients into a usage limit: nobody is launched into it once it is known, and all is done after."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from tests.agents.clients import Agents, needs
from tests.real.rig import REAL
from tests.waiting import until

pytestmark = [*REAL, needs("claude"), pytest.mark.timeout(400)]

FAN = 12
ALLOWED = 4
RESETS_AFTER_S = 60


def refused(agents: Agents) -> set[str]:
    """Return the attempts that met the limit."""
    return {one.by for one in agents.models.asked if one.play and one.status == 429}


@pytest.mark.parametrize(("limits", "most"), [("", FAN), ("[limits]\nadapt = true", 2 * ALLOWED)], ids=str)
def test_a_fan_out_that_meets_a_usage_limit_waits_for_it_and_does_all(agents: Agents, limits: str, most: int) -> None:
    agents.models.state.update(allowed=ALLOWED, seconds=RESETS_AFTER_S)
    units = json.dumps([f"u{n}" for n in range(FAN)])
    agents.plan("claude", "play=walled", units, more=limits, max_units="1", at_once=str(FAN))
    began = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == began.returncode, began.stderr
    until(agents.closed, 300)

    events = agents.events()
    (closed,) = [event for event in events if event["type"] == "closed"]
    assert ("complete", FAN) == (closed["data"]["outcome"], len(agents.files()))
    [known, *_] = [event for event in events if event["type"] == "exited" and event["data"].get("ended_by") == "limit"]
    reset = datetime.fromisoformat(known["data"]["until"])
    launches = [e for e in events if e["type"] == "intended" and e["data"]["action"] == "launch"]
    known_at = [e for e in launches if e["seq"] > known["seq"] and datetime.fromisoformat(e["at"]) < reset]
    assert [] == known_at, "launched into a limit that is known"
    early = [one for one in agents.models.asked if one.play and one.status == 429 and one.at >= reset.timestamp()]
    assert [] == early
    print(f"{limits or 'at_once 12'}: {len(refused(agents))} refused, {len(launches)} launches")
    assert 1 <= len(refused(agents)) <= most
