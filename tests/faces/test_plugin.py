"""The plugin for Claude Code: its parts name what the program has, and its shim finds the program."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.faces.conftest import Place

from wakeman import __version__
from wakeman.faces.cli import VERBS
from wakeman.faces.mcp.tools import TOOLS

REPOSITORY = Path(__file__).parents[2]
PLUGIN = REPOSITORY / "plugin"
SHIM = PLUGIN / "bin" / "wakeman"


def program(place: Path, says: str) -> Path:
    """Write a program named wakeman that prints its arguments."""
    place.mkdir(parents=True)
    file = place / "wakeman"
    file.write_text(f'#!/bin/sh\necho {says} "$@"\n')
    file.chmod(0o755)
    return file


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(SHIM), *words], env=env, capture_output=True, text=True)


def test_the_shim_runs_the_program_on_path_and_not_itself(tmp_path: Path) -> None:
    program(tmp_path / "a b" / "bin", "found")
    path = f"{SHIM.parent}:/none::{tmp_path}/a b/bin:/usr/bin:/bin"

    assert "found status a b\n" == run("status", "a b", PATH=path).stdout


def test_the_shim_runs_the_program_that_is_named(tmp_path: Path) -> None:
    named = program(tmp_path / "x", "named")
    program(tmp_path / "y", "found")

    assert "named\n" == run(PATH=f"{tmp_path}/y:/usr/bin:/bin", WAKEMAN_PROGRAM=str(named)).stdout


def test_the_shim_says_what_to_install() -> None:
    ran = run("status", PATH=f"{SHIM.parent}:/usr/bin:/bin")

    assert 2 == ran.returncode
    assert "pip install '.[mcp]'" in ran.stderr


def test_the_plugin_has_the_program_s_version_and_its_marketplace_names_it() -> None:
    manifest = json.loads((PLUGIN / ".claude-plugin" / "plugin.json").read_text())
    market = json.loads((REPOSITORY / ".claude-plugin" / "marketplace.json").read_text())

    assert __version__ == manifest["version"]
    assert [("wakeman", "./plugin")] == [(each["name"], each["source"]) for each in market["plugins"]]


@pytest.mark.parametrize("file", sorted(PLUGIN.rglob("*.md")), ids=lambda file: str(file.relative_to(PLUGIN)))
def test_a_page_names_verbs_and_tools_that_there_are(file: Path) -> None:
    text = file.read_text()
    quoted = [part for at, part in enumerate(text.split("`")) if at % 2]

    commands = [part.split()[1] for part in quoted if part.startswith("wakeman ") and len(part.split()) > 1]
    tools = [part.split("`")[0] for part in text.split("tool `")[1:]]

    assert [] == [verb for verb in commands if verb not in VERBS]
    assert [] == [tool for tool in tools if tool not in TOOLS]


def test_the_instructions_are_the_skill_without_its_head(place: Place) -> None:
    skill = (PLUGIN / "skills" / "orchestrate" / "SKILL.md").read_text()

    said = place("agents", "--instructions")

    assert 0 == said.code
    assert skill.partition("---\n")[2].partition("---\n")[2] == said.out
    assert os.access(SHIM, os.X_OK)
