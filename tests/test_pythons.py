"""scripts/pythons.sh on machines that have some Pythons, by stand-ins."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def python(file: Path, *, usable: bool = True) -> Path:
    """Write a stand-in that says where it is, and may lack what makes virtual environments."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lacks = "" if usable else "*ensurepip*) exit 1 ;; "
    file.write_text(f'#!/bin/sh\ncase "$*" in {lacks}*sys.executable*) echo {file} ;; esac\n')
    file.chmod(0o755)
    return file


def found(place: Path) -> list[str]:
    env = {"PATH": f"{place}/bin:/usr/bin:/bin", "PYENV_ROOT": f"{place}/pyenv"}
    script = str(ROOT / "scripts" / "pythons.sh")
    ran = subprocess.run([script], env=env, capture_output=True, text=True, check=True)
    return [line for line in ran.stdout.splitlines() if str(place) in line]


def test_a_python_is_found_on_path_or_below_pyenv_and_the_oldest_is_first(tmp_path: Path) -> None:
    newest = python(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python")
    oldest = python(tmp_path / "bin" / "python3.11")

    assert [f"3.11 {oldest}", f"3.13 {newest}"] == found(tmp_path)


def test_what_is_on_path_goes_before_what_pyenv_has(tmp_path: Path) -> None:
    python(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python")
    first = python(tmp_path / "bin" / "python3.12")

    assert [f"3.12 {first}"] == found(tmp_path)


def test_one_that_cannot_make_environments_is_passed_over(tmp_path: Path) -> None:
    python(tmp_path / "bin" / "python3.12", usable=False)
    usable = python(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python")

    assert [f"3.12 {usable}"] == found(tmp_path)


def test_one_that_the_package_is_not_made_for_is_not_looked_for(tmp_path: Path) -> None:
    python(tmp_path / "bin" / "python3.10")

    assert [] == found(tmp_path)
