"""The playbook's scripts with the real Claude: it starts in a session of its own, and is watched as a deployment."""

from __future__ import annotations

import json
import os

import pytest
from tests.agents.clients import KINDS, QUIET, Agents, needs
from tests.real.rig import REAL

pytestmark = [*REAL, pytest.mark.timeout(300)]


@needs("claude")
def test_claude_started_by_the_script_is_watched_to_its_end(agents: Agents) -> None:
    agents.client = "claude"
    kind = {name: value.replace("ADDRESS", agents.models.url) for name, value in KINDS["claude"].env.items()}
    env = {**agents.clean(), **QUIET, **kind, "DISABLE_AUTOUPDATER": "1", "TMUX_TMPDIR": str(agents.place)}
    env |= {"WAKEMAN_STATE": str(agents.state), "IS_SANDBOX": "1"}
    agents.socket = agents.place / f"tmux-{os.getuid()}" / "default"
    installed = agents.call(agents.argv("compat", str(agents.place / "bin")), env)
    assert 0 == installed.returncode, installed.stderr

    for name in ("a", "b"):
        task = f"Make the file on the right: {name} -> {agents.place}/work/worker_{name}.md"
        words = ["-t", "-a", "-s", f"worker_{name}", "-A", "librarian", task]
        began = agents.call([str(agents.place / "bin" / "claude_cli.sh"), *words], env)
        assert 0 == began.returncode, began.stderr
    output = f"{agents.place}/work/worker_{{{{ unit }}}}.md"
    watched = agents.call(agents.argv("watch-sessions", "worker_", "--output", output), env)
    assert 0 == watched.returncode, watched.stderr

    said = json.loads(agents.call(agents.argv("wait", "worker", "--json"), env).stdout)
    assert "complete" == said["outcome"], said
    assert ["worker_a.md", "worker_b.md"] == sorted(os.listdir(agents.place / "work"))
    audited = agents.call(agents.argv("audit", "worker"), env)
    assert 0 == audited.returncode, audited.stdout
