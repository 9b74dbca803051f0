"""Completion with live names, as real shells ask for it, and man pages; installed and taken away by `completion`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faces.conftest import Place

from wakeman.faces import cli
from wakeman.faces.cli.manual import pages

pytestmark = pytest.mark.real

BASH = r"""
COMP_WORDS=({words}); COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
[[ "$COMP_LINE" == *" " ]] && {{ COMP_WORDS+=(""); COMP_CWORD=$(( COMP_CWORD + 1 )); }}
COMP_TYPE=9; _python_argcomplete wakeman; printf '%s\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def shells(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Have `wakeman` on PATH, as after an installation."""
    programs = place.path / "bin"
    programs.mkdir()
    program = programs / "wakeman"
    code = "import sys; from wakeman.faces.cli import main; sys.exit(main())"
    program.write_text(f"#!/bin/sh\n# PYTHON_ARGCOMPLETE_OK\nexec {sys.executable} -c '{code}' \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return place


def _bash(place: Place, line: str) -> list[str]:
    assert 0 == place("completion", "bash").code
    file = place.path / ".local/share/bash-completion/completions/wakeman"
    script = f". {file}\n" + BASH.format(words=line, line=line)
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=place.path)
    return [word.strip() for word in ran.stdout.splitlines() if word.strip()]


def test_bash_completes_verbs(shells: Place) -> None:
    assert ["stop"] == _bash(shells, "wakeman sto")
    assert {"pause", "plan"} <= set(_bash(shells, "wakeman p"))


def test_bash_completes_names_of_deployments_workers_units_and_options(shells: Place) -> None:
    shells.up()

    assert ["night"] == _bash(shells, "wakeman pause ")
    assert {"night_a", "night_b", "night/night_a"} <= set(_bash(shells, "wakeman stop "))
    assert ["night_b"] == _bash(shells, "wakeman stop night_b")
    assert ["a", "b"] == _bash(shells, "wakeman waive ")
    assert ["--keep"] == _bash(shells, "wakeman stop --ke")
    assert ["stuck"] == _bash(shells, "wakeman stop --only stu")


def test_bash_completes_plan_files(shells: Place) -> None:
    shells.plan(name="night.toml")
    (shells.path / "notes.md").touch()

    assert ["night.toml"] == _bash(shells, "wakeman plan n")


def test_a_state_directory_that_cannot_be_read_completes_to_nothing(shells: Place) -> None:
    shells.state.mkdir()
    (shells.state / "night").write_text("no directory")

    assert [] == _bash(shells, "wakeman pause ")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh_reads_the_file_and_knows_the_program(shells: Place) -> None:
    assert 0 == shells("completion", "zsh").code
    script = (
        f"fpath=({shells.path}/.local/share/zsh/site-functions $fpath); autoload -U compinit; compinit -u -D;"
        " print -r -- $_comps[wakeman]"
    )
    ran = subprocess.run(["zsh", "-fc", script], capture_output=True, text=True, check=True, timeout=60)

    assert "_wakeman" == ran.stdout.strip()


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish_completes_live_names(shells: Place) -> None:
    shells.up()
    assert 0 == shells("completion", "fish").code

    def asked(line: str) -> set[str]:
        words = ["fish", "-c", f"complete -C '{line}'"]
        ran = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60, cwd=shells.path)
        return {row.split("\t")[0] for row in ran.stdout.splitlines()}

    assert "stop" in asked("wakeman sto")
    assert {"night_a", "night_b"} <= asked("wakeman stop night_")


def test_what_was_written_is_taken_away_and_nothing_else(shells: Place) -> None:
    other = shells.path / ".local/share/man/man1/other.1"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    written = shells("completion", "bash", "--json").json["files"]

    assert all(Path(file).exists() for file in written)
    removed = shells("completion", "bash", "--remove", "--json").json

    assert (True, written) == (removed["removed"], removed["files"])
    assert not any(Path(file).exists() for file in written)
    assert "mine" == other.read_text()
    assert 0 == shells("completion", "bash", "--remove").code


def test_the_shell_is_that_of_the_user_unless_one_is_named(shells: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "fish" == shells("completion", "--json").json["shell"]
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert (2, True) == ((said := shells("completion")).code, "found SHELL=tcsh" in said.err)
    assert "_python_argcomplete" in shells("completion", "bash", "--print").out


def test_directories_of_the_environment_are_respected(shells: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(shells.path / "data"))

    files = shells("completion", "bash", "--json").json["files"]

    assert all(file.startswith(str(shells.path / "data")) for file in files)


def test_a_place_that_cannot_be_written_is_an_error(shells: Place) -> None:
    (shells.path / ".local").write_text("a file")

    said = shells("completion", "bash")

    assert (1, True) == (said.code, str(shells.path / ".local") in said.err)


def test_there_is_a_man_page_for_each_verb_and_man_shows_it_without_a_warning(shells: Place) -> None:
    made = pages()
    assert {"wakeman.1", *(f"wakeman-{verb}.1" for verb in cli.VERBS)} == made.keys()
    man = shutil.which("man")
    for name, text in made.items():
        (shells.path / name).write_text(text)
        if man:
            words = [man, "--warnings", "-l", "-E", "UTF-8", str(shells.path / name)]
            ran = subprocess.run(
                words, capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "MANWIDTH": "200"}
            )
            assert "" == ran.stderr, name
            assert "EXIT STATUS" in ran.stdout or name == "wakeman.1"


def test_a_check_loads_nothing_of_completion(place: Place) -> None:
    place.up()
    code = (
        "import sys; from wakeman.faces.cli import main; main(sys.argv[1:]);"
        "print(*sorted(name for name in sys.modules if 'argcomplete' in name or 'cli.help' in name))"
    )
    words = [sys.executable, "-c", code, "check", "night", "--state", str(place.state), "--by", "at", "--quiet"]

    assert "" == subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
