"""Real clients that ask: `approve` and `answer` press the right keys, and the client takes them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.agents.clients import Agents, needs
from tests.real.rig import REAL
from tests.waiting import until

pytestmark = [*REAL, pytest.mark.timeout(400)]

PLAYS = {"claude": "work", "codex": "begs", "gemini": "work", "opencode": "work"}
"""By client: how the model comes to ask for the writing of a file."""
STARTS_S = 240
"""Seconds that a client may take to ask, from `up` on: OpenCode begins slowly."""
EVERY = "10s"
"""OpenCode reports nothing by itself: a check has to come by."""
EACH = [pytest.param(name, marks=needs(name)) for name in PLAYS]


def asking(agents: Agents, client: str, play: str) -> dict[str, Any]:
    """Start a worker and wait until it asks; return what status says of it."""
    agents.plan(client, f"play={play}", '["a"]', after="10m", every=EVERY, mode='"interactive"', auto_approve="false")
    up = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == up.returncode, up.stderr
    until(lambda: need(agents).get("seen"), STARTS_S)
    return need(agents)


def need(agents: Agents) -> dict[str, Any]:
    """Return what the worker needs; {} if nothing."""
    found: dict[str, Any] = next(iter(agents.status()["needs"]), {})
    return found


@pytest.mark.parametrize("client", EACH)
def test_a_permission_is_given_once_and_the_next_is_asked_for_again(agents: Agents, client: str) -> None:
    first = asking(agents, client, PLAYS[client])
    assert {"once", "always", "deny"} >= {*first["grants"]} >= {"once", "deny"}, first

    gave = agents.run("approve", "night/w", "--once", "--seen", first["seen"])

    assert 0 == gave.returncode, gave.stderr + agents.run("capture", "night/w").stdout
    until(lambda: agents.files() == ["a.md"], 30)


@pytest.mark.parametrize("client", EACH)
def test_a_permission_is_denied_and_nothing_is_done(agents: Agents, client: str) -> None:
    asking(agents, client, PLAYS[client])

    gave = agents.run("approve", "night/w", "--deny")

    assert 0 == gave.returncode, gave.stderr + agents.run("capture", "night/w").stdout
    assert ([], {}) == (agents.files(), need(agents))


@pytest.mark.parametrize("client", EACH)
def test_a_permission_is_given_from_now_on_as_far_as_it_is_offered(agents: Agents, client: str) -> None:
    first = asking(agents, client, PLAYS[client])

    gave = agents.run("approve", "night/w", "--always")

    if "always" not in first["grants"]:
        assert (2, []) == (gave.returncode, agents.files())
        return
    assert 0 == gave.returncode, gave.stderr + agents.run("capture", "night/w").stdout
    until(lambda: agents.files() == ["a.md"], 30)


@needs("claude")
def test_a_question_of_the_model_is_answered_by_a_label(agents: Agents) -> None:
    asking(agents, "claude", "asks")

    gave = agents.run("answer", "night/w", "Prose")

    assert 0 == gave.returncode, gave.stderr + agents.run("capture", "night/w").stdout
    until(lambda: "Prose" in agents.models.asked[-1].said.told, 30)
