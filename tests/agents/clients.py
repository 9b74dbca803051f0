"""Real clients, found by WAKEMAN_CLIENTS, in a home of their own, connected to the simulated model server."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.agents.models import Models
from tests.real.rig import PATH, Rig, Said

PLACES = os.environ.get("WAKEMAN_CLIENTS", "")
"""Directories with the clients' programs, apart by colons; node is looked for on PATH besides."""
KEY = "sk-ant-stand-in-0000000000000000000000"
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
}


class Kind(NamedTuple):
    """How one client is pointed at the stand-in: arguments, variables, and files in the scratch home."""

    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    key: str = "STAND_IN_KEY"
    files: Mapping[str, str] = {}


CODEX = '{name="stand-in",base_url="ADDRESS/v1",env_key="STAND_IN_KEY",wire_api="responses",request_max_retries=1,\
stream_max_retries=1}'
GEMINI = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
OPENCODE = {
    "model": "stand/stand-in",
    "autoupdate": False,
    "share": "disabled",
    "provider": {
        "stand": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": "ADDRESS/v1", "apiKey": "{env:STAND_IN_KEY}"},
            "models": {"stand-in": {"name": "stand-in"}},
        }
    },
}
KINDS: dict[str, Kind] = {
    "claude": Kind(env={"ANTHROPIC_BASE_URL": "ADDRESS"}, key="ANTHROPIC_API_KEY"),
    "codex": Kind(
        args=(
            *("-c", 'model="stand-in"', "-c", 'model_provider="stand"', "-c", f"model_providers.stand={CODEX}"),
            *("-c", "analytics.enabled=false"),
        ),
    ),
    "gemini": Kind(
        args=("--model", "gemini-2.5-flash"),
        env={"GOOGLE_GEMINI_BASE_URL": "ADDRESS"},
        key="GEMINI_API_KEY",
        files={".gemini/settings.json": json.dumps(GEMINI)},
    ),
    "opencode": Kind(files={".config/opencode/opencode.json": json.dumps(OPENCODE)}),
    "aider": Kind(
        args=("--model", "openai/stand-in", "--edit-format", "whole", "--no-git"),
        env={"OPENAI_API_BASE": "ADDRESS/v1"},
        key="OPENAI_API_KEY",
    ),
}


def absent(name: str) -> str:
    """Return why a client cannot run here; "" when it can."""
    if not PLACES:
        return "WAKEMAN_CLIENTS names no directory with clients: make test-agents"
    return "" if shutil.which(name, path=PLACES) else f"{name} is not in {PLACES}"


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where its client is not installed, with the reason."""
    return pytest.mark.skipif(bool(absent(name)), reason=absent(name))


class Agents(Rig):
    """A rig whose plans run a real client."""

    models: Models
    client: str

    def clean(self) -> dict[str, str]:
        """Return the environment of `up`: a scratch home, the clients' directories, the key that workers get."""
        node = os.path.dirname(shutil.which("node") or "/usr/bin/node")
        path = f"{PLACES}:{node}:{PATH}"
        return {"PATH": path, "HOME": str(self.place), "LANG": "C.UTF-8", KINDS[self.client].key: KEY}

    def plan(
        self,
        client: str,
        task: str = "",
        units: str = '["a", "b", "c", "d"]',
        *,
        more: str = "",
        stuck: str = "",
        env: Mapping[str, str] = {},
        after: str = "20s",
        every: str = "1m",
        **workers: str,
    ) -> None:
        """Write a plan: two workers, or as many as `by` gives, and what a test says besides."""
        self.client = client
        kind = KINDS[client]
        for name, text in kind.files.items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_text(text.replace("ADDRESS", self.models.url))
        env = {**QUIET, **{name: value.replace("ADDRESS", self.models.url) for name, value in kind.env.items()}, **env}
        args = json.dumps([word.replace("ADDRESS", self.models.url) for word in kind.args])
        usual = {"harness": json.dumps(client), "auto_approve": '"edits"', "stagger": "0", "max_units": "2"}
        settings = {**usual, **workers}
        lines = "\n".join(f"{key} = {value}" for key, value in settings.items() if value)
        exports = "\n".join(f"{name} = {json.dumps(value)}" for name, value in env.items())
        self.write(
            f"""\
name = "night"
[units]
items = {units}
output = "{self.place}/work/{{{{ unit }}}}.md"
[workers]
by = "all"
name = "w"
{lines}
args = {args}
env_from = ["{kind.key}"]
socket = "SOCKET"
prompt = '''
Make each file on the right. {task}
{{{{ unit_table }}}}
'''
[workers.env]
{exports}
[stuck]
after = "{after}"
{stuck}
[wake]
every = "{every}"
on = ["ask", "clean up", "wrap up", "give up"]
to = [{{ run = ["sh", "-c", 'printf "%s\\n" "$0" >>PLACE/wakes', "{{{{ message }}}}"] }}]
{more}
"""
        )

    def up(self, seconds: int = 60) -> Said:
        """Run the plan to its end, or until it needs somebody."""
        return self.run("up", "wakeman.toml", "--wait", "--timeout", str(seconds), "--yes")

    def attention(self, seconds: int = 60) -> Said:
        """Run the plan until it ends or somebody is needed."""
        started = self.run("up", "wakeman.toml", "--yes")
        if started.returncode:
            return started
        return self.run("wait", "night", "--until", "attention", "--timeout", str(seconds))

    def closed(self) -> bool:
        """Return whether the deployment is over."""
        return "closed" in (event["type"] for event in self.events())

    def files(self) -> list[str]:
        """List what was made."""
        return sorted(path.name for path in (self.place / "work").glob("*.md"))

    def wakes(self) -> list[str]:
        """List what the orchestrator was told."""
        file = self.place / "wakes"
        return file.read_text().splitlines() if file.exists() else []

    def observations(self) -> list[str]:
        """List what was seen, look by look: worker, session, activity."""
        seen = (
            one for event in self.events() if event["type"] == "looked" for one in event["data"].get("sightings", [])
        )
        return [f"{one['worker']} {one['session']} {one.get('activity', 'unknown')}" for one in seen]


def place() -> Path:
    """Return the directory of this file: where recorded streams lie."""
    return Path(__file__).parent
