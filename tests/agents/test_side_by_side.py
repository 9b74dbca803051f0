"""Two deployments and a person's own session of Claude Code in one home do not disturb each other."""

from __future__ import annotations

import json
import shlex
import threading
from typing import Any

import pytest
from tests.agents.clients import KEY, QUIET, Agents, needs
from tests.real.rig import REAL
from tests.waiting import until

pytestmark = [*REAL, needs("claude"), pytest.mark.timeout(180)]


def test_a_persons_own_session_keeps_its_configuration(agents: Agents) -> None:
    home, file = agents.place, agents.place / ".claude.json"
    mine: dict[str, Any] = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
        "projects": {str(home): {"hasTrustDialogAccepted": True, "mcpServers": {"ours": {"command": "true"}}}},
        "mcpServers": {"mine": {"command": "true", "args": ["of my own"]}},
    }
    file.write_text(json.dumps(mine))
    (home / ".claude").mkdir()
    # As somebody who is logged in: no key is named in the plan, the client finds it in the person's own settings.
    login = {"env": {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": agents.models.url, **QUIET}, "theme": "dark"}
    (home / ".claude/settings.json").write_text(json.dumps(login))
    settings = (home / ".claude/settings.json").read_text()
    for name in ("night", "day"):
        agents.plan("claude", units=json.dumps([f"{name}{n}" for n in range(6)]), task="play=slow")
        text = (home / "wakeman.toml").read_text().replace('name = "night"', f'name = "{name}"')
        if name == "day":
            text = text.replace('env_from = ["ANTHROPIC_API_KEY"]\n', "")
        (home / f"{name}.toml").write_text(text.replace('name = "w"', f'name = "{name}_w"'))
    broken: list[str] = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.002):
            try:
                json.loads(file.read_text())
            except (ValueError, OSError) as fault:
                broken.append(repr(fault))

    reader = threading.Thread(target=read)
    reader.start()
    person = shlex.join(["env", f"HOME={home}", f"PATH={agents.clean()['PATH']}", "claude", "play=slow -> /dev/null"])
    agents.tmux("new-session", "-d", "-s", "mine", "-c", str(home), "-x", "120", "-y", "40", person)
    until(lambda: [one for one in agents.models.asked if one.by == ""], 30)

    ups = agents.side_by_side(("up", "night.toml", "--yes"), ("up", "day.toml", "--yes"))
    waits = [agents.run("wait", name, "--timeout", "90") for name in ("night", "day")]
    over.set()
    reader.join()

    assert [0, 0, 0, 0] == [said.returncode for said in (*ups, *waits)], [said.stderr for said in (*ups, *waits)]
    assert 12 == len(agents.files())
    assert "mine" in agents.sessions()
    assert [] == broken
    now = json.loads(file.read_text())
    project = now["projects"][str(home)]
    kept = {**project, **mine["projects"][str(home)]}
    assert (mine["mcpServers"], mine["customApiKeyResponses"]) == (now["mcpServers"], now["customApiKeyResponses"])
    assert kept == project
    assert settings == (home / ".claude/settings.json").read_text()
