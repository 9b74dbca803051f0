"""The newest Claude Code and the plugin: it is valid, two commands install it from a clone, and its parts are there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.agents.clients import QUIET, Agents, needs
from tests.real.rig import REAL

pytestmark = [*REAL, needs("claude"), pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).parents[2]


def surroundings(agents: Agents) -> dict[str, str]:
    """Return the environment of a client whose home is scratch."""
    agents.client = "claude"
    return {**agents.clean(), **QUIET, "DISABLE_AUTOUPDATER": "1"}


def newest(agents: Agents) -> bool:
    """Return whether the client knows monitors and the checks of the catalog."""
    told = agents.call(["claude", "plugin", "validate", "--help"], surroundings(agents))
    return "--profile" in told.stdout


def test_it_is_valid_to_the_letter_also_for_the_catalog(agents: Agents) -> None:
    if not newest(agents):
        pytest.skip("this version does not know `--profile`")
    strict = ["claude", "plugin", "validate", "--strict"]
    plugin = agents.call([*strict, "--profile", "directory", str(REPOSITORY / "plugin")], surroundings(agents))
    market = agents.call([*strict, str(REPOSITORY)], surroundings(agents))

    assert 0 == plugin.returncode, plugin.stdout + plugin.stderr
    assert 0 == market.returncode, market.stdout + market.stderr


def test_two_commands_install_it_from_a_clone_and_its_parts_are_listed(agents: Agents) -> None:
    env = {**surroundings(agents), "WAKEMAN_PROGRAM": f"{Path(sys.executable).parent}/wakeman"}
    added = agents.call(["claude", "plugin", "marketplace", "add", str(REPOSITORY)], env)
    installed = agents.call(["claude", "plugin", "install", "wakeman@wakeman"], env)
    assert (0, 0) == (added.returncode, installed.returncode), added.stderr + installed.stderr

    listed = agents.call(["claude", "mcp", "list"], env).stdout

    assert [True] == ["Connected" in line for line in listed.splitlines() if line.startswith("plugin:wakeman:wakeman:")]
    if newest(agents):
        details = agents.call(["claude", "plugin", "details", "wakeman"], env).stdout
        for part in ("orchestrate, report, status, up", "custodian", "dev-lead", "librarian", "ops", "reviewer"):
            assert part in details
        assert "MCP servers (1)  wakeman" in details
        assert "Hooks (1)  SessionStart" in details
