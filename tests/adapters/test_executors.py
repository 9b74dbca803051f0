"""Where workers run, by name: the built-in kinds, and those of other packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wakeman.adapters.executors import KNOWN, PLUGINS, find

CHECKOUT = Path(__file__).parents[2]
PLUGIN = """\
class Fails:
    def place(self, plan, directory, environ):
        raise KeyError("image")

class Bare:
    def place(self, plan, directory, environ):
        return {"at": "here"}

def broken():
    raise RuntimeError("no")
"""
ASK = """\
import sys
from msgspec.structs import replace
from wakeman.adapters.executors import find, resolve_place
from wakeman.core.model import Plan, UnitsSpec, WorkersSpec
plan = Plan(name="n", units=UnitsSpec(items=("a",)), workers=WorkersSpec(executor=sys.argv[1]))
try:
    print(resolve_place(replace(plan, executor=dict(map(str.split, sys.argv[2:]))), "/d", {}))
except Exception as fault:
    print(type(fault).__name__, fault)
"""


@pytest.mark.skipif(not (CHECKOUT / "pyproject.toml").exists(), reason="an installed package")
def test_each_built_in_kind_is_declared_as_another_package_would_declare_it() -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["entry-points"][PLUGINS]

    assert {name: f"{module}:{kind}" for name, (module, kind) in KNOWN.items()} == declared


@pytest.mark.parametrize("name", KNOWN)
def test_each_built_in_kind_is_found(name: str) -> None:
    assert KNOWN[name][1] == type(find(name)).__name__


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["bare"], "{'at': 'here'}"),
        (
            ["bare", "image a"],
            "PlanError executor: found keys; expected none: workers.executor = 'bare' has none of its",
        ),
        (["fails"], "UsageError workers.executor: 'fails': place: KeyError('image')"),
        (["bad"], "UsageError workers.executor: 'bad' of mine:broken does not load: RuntimeError('no')"),
        (
            ["bar"],
            "UnknownNameError workers.executor: found 'bar', expected one of tmux, slurm, ssh, bad, bare, fails; did",
        ),
    ],
    ids=["one that serves", "keys of none", "one whose package fails", "one that does not load", "an unknown name"],
)
def test_what_another_package_does_is_told_as_that_packages(tmp_path: Path, asked: list[str], says: str) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    points = "bare = mine:Bare\nfails = mine:Fails\nbad = mine:broken\n"
    (info / "entry_points.txt").write_text(f"[{PLUGINS}]\n{points}")

    ran = subprocess.run(
        [sys.executable, "-c", ASK, *asked],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.startswith(says), ran.stdout
