"""Real clients, each in two workers, from `up` to the wrap-up; and one night in which the key is refused."""

from __future__ import annotations

import pytest
from tests.agents.clients import KINDS, Agents, needs
from tests.real.rig import REAL
from tests.waiting import until

pytestmark = [*REAL, pytest.mark.timeout(180)]
EACH = [pytest.param(name, marks=needs(name)) for name in KINDS]


@pytest.mark.parametrize("client", EACH)
def test_two_workers_make_what_they_are_to_make(agents: Agents, client: str) -> None:
    agents.plan(client)

    up = agents.up()

    assert (0, ["a.md", "b.md", "c.md", "d.md"]) == (up.returncode, agents.files()), up.stderr
    assert ["verified", "verified"] == [worker["state"] for worker in agents.status()["workers"]]


@pytest.mark.parametrize("client", [param for param in EACH if param.values[0] != "aider"])
def test_a_live_session_meets_no_dialog_and_is_ended_when_its_share_is_complete(agents: Agents, client: str) -> None:
    agents.plan(client, units='["a", "b"]', mode='"interactive"')
    up = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == up.returncode, up.stderr

    until(lambda: ["a.md", "b.md"] == agents.files(), 60)
    until(lambda: agents.run("check", "night").returncode in (0, 1) and agents.closed(), 60)

    assert "complete" == agents.status()["outcome"]
    assert [] == [line for line in agents.sightings() if "waiting" in line or "error" in line]


@pytest.mark.parametrize("client", EACH)
def test_a_confined_worker_makes_what_it_is_to_make(agents: Agents, client: str) -> None:
    agents.plan(client, units='["a", "b"]', confine='"units"')

    up = agents.up()

    assert (0, ["a.md", "b.md"]) == (up.returncode, agents.files()), up.stderr
    assert [None] == [worker.get("refused") for worker in agents.status()["workers"]]


@pytest.mark.parametrize("client", [param for param in EACH if param.values[0] != "aider"])
def test_a_confined_session_meets_no_dialog_either(agents: Agents, client: str) -> None:
    agents.plan(client, units='["a", "b"]', mode='"interactive"', confine='"units"')
    up = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == up.returncode, up.stderr

    until(lambda: ["a.md", "b.md"] == agents.files(), 60)
    until(lambda: agents.run("check", "night").returncode in (0, 1) and agents.closed(), 60)

    assert "complete" == agents.status()["outcome"]
    assert [] == [line for line in agents.sightings() if "waiting" in line or "error" in line]


@pytest.mark.parametrize("client", EACH)
def test_a_key_that_is_refused_halts_the_launches(agents: Agents, client: str) -> None:
    agents.plan(client, task="play=refuse", units='["a"]')

    waited = agents.attention()

    told = agents.status()
    assert (5, True) == (waited.returncode, told["needs_person"]), waited.stderr
    assert 1 == sum(worker["attempt"] for worker in told["workers"]), told["workers"]
