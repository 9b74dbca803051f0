"""Real clients and `wakeman mcp`: they list it as healthy, and one of them runs a night by its tools."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from tests.agents.clients import KINDS, QUIET, Agents, needs
from tests.real.rig import REAL

pytestmark = [*REAL, pytest.mark.timeout(300)]

PLAN = """
name = "night"
[units]
items = ["a", "b"]
output = "PLACE/work/{{ unit }}.md"
[workers]
command = ["sh", "-c", "sleep 1; mkdir -p work; date > work/$0.md", "{{ group.key }}"]
stagger = 0
socket = "SOCKET"
"""


def server(agents: Agents) -> dict[str, Any]:
    """Return how a client starts the server."""
    words = agents.argv("mcp")
    return {"command": words[0], "args": words[1:], "env": agents.clean()}


def surroundings(agents: Agents, client: str) -> dict[str, str]:
    """Return a client's environment: a scratch home, the stand-in, and no other network."""
    agents.client = client
    kind = {name: value.replace("ADDRESS", agents.models.url) for name, value in KINDS[client].env.items()}
    return {**agents.clean(), **QUIET, **kind, "DISABLE_AUTOUPDATER": "1", "MCP_TIMEOUT": "120000"}


@needs("claude")
def test_claude_lists_it_as_connected(agents: Agents) -> None:
    env = surroundings(agents, "claude")
    added = agents.call(["claude", "mcp", "add-json", "wakeman", json.dumps(server(agents))], env)
    listed = agents.call(["claude", "mcp", "list"], env)

    assert 0 == added.returncode, added.stderr
    assert [True] == ["Connected" in line for line in listed.stdout.splitlines() if line.startswith("wakeman:")]


@needs("codex")
def test_codex_lists_it_as_enabled(agents: Agents) -> None:
    env = surroundings(agents, "codex")
    agents.call(["codex", "mcp", "add", "wakeman", "--", *agents.argv("mcp")], env)
    listed = agents.call(["codex", "mcp", "list", "--json"], env)

    assert [("wakeman", True)] == [(each["name"], each["enabled"]) for each in json.loads(listed.stdout)]


@needs("claude")
def test_claude_runs_a_night_by_the_tools_and_is_asked_nothing_while_the_workers_work(agents: Agents) -> None:
    agents.write(PLAN)
    env = surroundings(agents, "claude")
    (agents.place / "mcp.json").write_text(json.dumps({"mcpServers": {"wakeman": server(agents)}}))
    named = {"deployment": "night"}
    agents.models.state["steps"] = [
        ("mcp__wakeman__plan", {}),
        ("mcp__wakeman__up", {}),
        ("mcp__wakeman__wait", {**named, "until": "done"}),
        ("mcp__wakeman__report", named),
    ]
    prompt = f"Look after a night. play=orchestrates -> {agents.place}/night"
    argv = ["claude", "-p", "--output-format", "stream-json", "--verbose", "--strict-mcp-config"]
    argv += ["--mcp-config", f"{agents.place}/mcp.json", "--allowedTools", "mcp__wakeman", "--", prompt]

    ran = agents.call(argv, env)

    results = [part for line in ran.stdout.splitlines() for part in _results(json.loads(line))]
    assert 0 == ran.returncode, ran.stderr + ran.stdout[-2000:]
    assert '"outcome":"complete"' in results[-1], results
    assert ["a.md", "b.md"] == sorted(os.listdir(agents.place / "work"))
    assert "complete" == agents.status()["outcome"]
    # While the workers work, the model is asked for nothing: one request a step, and none between `wait` and `report`.
    asked = [each for each in agents.models.asked if each.play == "orchestrates"]
    assert len(asked) == len(agents.models.state["steps"]) + len(agents.models.state["got"]) + 1


@needs("codex")
def test_codex_runs_a_night_by_the_tools_and_is_asked_nothing_while_the_workers_work(agents: Agents) -> None:
    agents.write(PLAN)
    env = surroundings(agents, "codex")
    words = agents.argv("mcp", "--yes")
    told = {"command": words[0], "args": words[1:], "env": agents.clean(), "startup_timeout_sec": 120, "required": True}
    named = {"deployment": "night"}
    server = "mcp__wakeman"
    agents.models.state["steps"] = [
        (f"{server}__plan", {}),
        (f"{server}__up", {}),
        (f"{server}__wait", {**named, "until": "done"}),
        (f"{server}__report", named),
    ]
    how = [arg.replace("ADDRESS", agents.models.url) for arg in KINDS["codex"].args]
    for key, value in told.items():
        how += ["-c", f"mcp_servers.wakeman.{key}={_as_toml(value)}"]
    prompt = f"Look after a night. play=orchestrates -> {agents.place}/night"
    flags = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]

    ran = agents.call(["codex", "exec", *how, *flags, prompt], {**env, KINDS["codex"].key: "sk-stand-in"})

    assert 0 == ran.returncode, ran.stderr[-2000:] + ran.stdout[-2000:]
    assert "complete" == agents.status()["outcome"], ran.stdout[-3000:]
    assert ["a.md", "b.md"] == sorted(os.listdir(agents.place / "work"))
    asked = [each for each in agents.models.asked if each.play == "orchestrates"]
    assert len(asked) == len(agents.models.state["steps"]) + len(agents.models.state["got"]) + 1


def _as_toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {json.dumps(word)}" for name, word in value.items()) + "}"
    return json.dumps(value)


def _results(line: dict[str, Any]) -> list[str]:
    """Return what tools answered, as the client's stream has it."""
    content = line.get("message", {}).get("content") if line.get("type") == "user" else None
    parts = [part for part in content or [] if isinstance(part, dict) and part.get("type") == "tool_result"]
    texts = [part["content"] for part in parts]
    return [text if isinstance(text, str) else "".join(each.get("text", "") for each in text) for text in texts]
