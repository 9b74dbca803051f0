"""Each verb's help says when to use it, shows an example, and the example runs in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faces.conftest import Place

from wakeman.faces import cli
from wakeman.faces.cli.help import ADVICE, advice

pytestmark = pytest.mark.real

NEEDS_MORE = {
    "adopt",
    "accept",
    "answer",
    "approve",
    "lost",
    "mcp",
    "merge",
    "serve",
    "top",
    "watch-sessions",
    "session",
}
"""Verbs for which an empty folder cannot have what they act on, or that do not end by themselves."""


def test_every_verb_has_advice_and_only_verbs_do() -> None:
    assert set(cli.VERBS) == set(ADVICE)
    assert NEEDS_MORE == {verb for verb, told in ADVICE.items() if not told.example}


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_first_line_of_help_is_one_imperative_sentence(verb: str) -> None:
    text = cli.VERBS[verb][3]

    assert text.split()[0].isalpha()
    assert text[0].islower()
    assert "." not in text.rstrip(".")
    assert f"when: {ADVICE[verb].when}\n" in cli.parser(verb).format_help()


@pytest.mark.parametrize("verb", sorted(set(cli.VERBS) - NEEDS_MORE))
def test_an_example_runs_in_an_empty_folder(place: Place, verb: str) -> None:
    folder = place.path / "empty"
    programs = place.path / "bin"
    folder.mkdir()
    programs.mkdir()
    program = programs / "wakeman"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m wakeman "$@"\n')
    program.chmod(0o755)
    told = advice(verb, "")
    rows = [row.removeprefix("  ") for row in told.partition("folder:\n")[2].partition("\n\n")[0].splitlines()]
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "WAKEMAN_SOCKET": "faces"}

    assert any(f"wakeman {verb}" in row for row in rows)
    for row in rows:
        ran = _ran(row, folder, environment)
        assert 0 == ran.returncode, (row, ran.stdout, ran.stderr)


def _ran(row: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", row], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
