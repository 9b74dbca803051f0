"""Real clients: no dialog in a live session, and what a profile comes to on the wire."""

from __future__ import annotations

import json

import pytest
from tests.agents.clients import KINDS, Agents, needs
from tests.real.rig import REAL
from tests.waiting import until

pytestmark = [*REAL, pytest.mark.timeout(180)]
EACH = {name: pytest.param(name, marks=needs(name)) for name in KINDS}
WORDS = "You are the scribe of Alcuin; you write Carolingian minuscule."
SCRIBE = {"description": "Writes.", "prompt": WORDS, "tools": ["Read", "Write"], "model": "haiku"}


@pytest.mark.parametrize("client", [EACH[name] for name in KINDS if name != "aider"])
def test_a_live_session_meets_no_dialog_and_is_ended_when_its_share_is_complete(agents: Agents, client: str) -> None:
    agents.plan(client, units='["a", "b"]', mode='"interactive"')
    up = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == up.returncode, up.stderr

    until(lambda: ["a.md", "b.md"] == agents.files(), 60)
    until(lambda: agents.run("check", "night").returncode in (0, 1) and agents.closed(), 60)

    assert "complete" == agents.status()["outcome"]
    assert [] == [line for line in agents.observations() if "waiting" in line or "error" in line]


@pytest.mark.parametrize("client", list(EACH.values()))
def test_a_confined_worker_makes_what_it_is_to_make(agents: Agents, client: str) -> None:
    agents.plan(client, units='["a", "b"]', confine='"units"')

    up = agents.up()

    assert (0, ["a.md", "b.md"]) == (up.returncode, agents.files()), up.stderr
    refused = {path for worker in agents.status()["workers"] for path in worker.get("refused", ())}
    assert refused <= {f"{agents.place}/.aider"}  # Aider keeps prices there, and does without


@pytest.mark.parametrize("client", [param for name, param in EACH.items() if name != "aider"])
def test_a_confined_session_meets_no_dialog_either(agents: Agents, client: str) -> None:
    agents.plan(client, units='["a", "b"]', mode='"interactive"', confine='"units"')
    up = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == up.returncode, up.stderr

    until(lambda: ["a.md", "b.md"] == agents.files(), 60)
    until(lambda: agents.run("check", "night").returncode in (0, 1) and agents.closed(), 60)

    assert "complete" == agents.status()["outcome"]
    assert [] == [line for line in agents.observations() if "waiting" in line or "error" in line]


@pytest.mark.parametrize("place", ["plan", "agents.json"])
@pytest.mark.parametrize("client", list(EACH.values()))
def test_the_words_of_a_profile_reach_the_model(agents: Agents, client: str, place: str) -> None:
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in SCRIBE.items())
    agents.plan(client, units='["a"]', agent='"scribe"', more=f"[agents.scribe]\n{table}" if place == "plan" else "")
    if place == "agents.json":
        (agents.place / ".claude").mkdir()
        (agents.place / ".claude/agents.json").write_text(json.dumps({"scribe": SCRIBE}))

    up = agents.up()

    assert (0, ["a.md"]) == (up.returncode, agents.files()), up.stderr
    first = next(one for one in agents.models.asked if one.play).said
    if client == "claude":
        own = first.tools - {"DeferredToolPlaceholder"}  # of versions that load tools when they are needed
        assert (True, {"Read", "Write"}) == (WORDS in first.system, own)
        assert "haiku" in first.model
    else:
        assert 0 <= first.told.find(WORDS) < first.told.find("Make each file on the right")
        assert "Use these tools alone: Read, Write." in first.told
        assert "haiku" not in first.model
