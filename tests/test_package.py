"""The installed package: its version, and that it is the one under test."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import wakeman

ROOT = Path(__file__).parent.parent


def test_the_one_version_is_that_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = subprocess.run([sys.executable, "-m", "wakeman", "--version"], capture_output=True, text=True)

    assert (project["version"], f"wakeman {project['version']}\n") == (version("wakeman"), said.stdout)
    assert project["version"] == wakeman.__version__


def test_the_version_is_read_when_somebody_asks_for_it() -> None:
    program = "import sys, wakeman.faces.cli; print('importlib.metadata' in sys.modules)"

    assert "False\n" == subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout


VERSION_MODULES_MAX = 40
"""Modules that are loaded to say the version: those of Python's `re` and `typing`, and three of ours."""
SAYING_IT = """
import sys
before = set(sys.modules)
sys.argv = ["wakeman", "--version"]
from wakeman.faces.cli import main
assert main() == 0
loaded = set(sys.modules) - before
print(len(loaded), *sorted(name for name in loaded if name.startswith("wakeman")))
"""


def test_saying_the_version_loads_nothing_that_does_anything() -> None:
    said = subprocess.run([sys.executable, "-c", SAYING_IT], capture_output=True, text=True, check=True).stdout
    count, *ours = said.splitlines()[1].split()

    assert ["wakeman", "wakeman.faces", "wakeman.faces.cli"] == ours
    assert int(count) <= VERSION_MODULES_MAX


def test_the_version_of_a_package_in_no_plain_directory_is_asked_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/nowhere/at/all"])
    assert "" == wakeman._version_here()
    monkeypatch.undo()

    assert version("wakeman") == wakeman._version_here() == wakeman._version_anywhere()


def test_there_is_nothing_else_in_the_package_itself() -> None:
    with pytest.raises(AttributeError, match="no attribute 'versoin'"):
        _ = wakeman.versoin


INSTALLED = pytest.mark.skipif("WAKEMAN_INSTALLED" not in os.environ, reason="for scripts/wheel.sh alone")


@INSTALLED
def test_what_is_tested_is_the_installed_wheel() -> None:
    installed = Path(os.environ["WAKEMAN_INSTALLED"])
    others = [Path(entry) for entry in sys.path if not Path(entry).is_relative_to(installed)]

    assert Path(wakeman.__file__).is_relative_to(installed), wakeman.__file__
    assert [] == [entry for entry in others if (entry / "wakeman").exists()]


@INSTALLED
def test_every_file_of_the_source_is_in_the_wheel() -> None:
    assert files(Path(os.environ["WAKEMAN_SOURCE"])) == files(Path(wakeman.__file__).parent)


def files(package: Path) -> set[str]:
    found = (file.relative_to(package) for file in package.rglob("*") if file.is_file())
    return {str(file) for file in found if "__pycache__" not in file.parts}
