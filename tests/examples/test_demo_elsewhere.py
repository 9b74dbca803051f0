"""The demo's plan for other machines: the tables of each executor are in it, and nothing of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import demo_elsewhere

from wakeman.core.plan.parser import read_plan

TABLES = {"slurm": '[slurm]\nmemory = "200M"\n', "ssh": "[ssh]\nhosts = { alpha = 9 }\n"}


@pytest.mark.parametrize("kind", demo_elsewhere.FIXTURES)
def test_the_plan_of_the_demo_is_one_of_the_executor(tmp_path: Path, kind: str) -> None:
    found = read_plan(demo_elsewhere.plan(kind, TABLES[kind], tmp_path).read_text(), "wakeman.toml")

    assert (kind, f"condense-{kind}", 0) == (found.workers.executor, found.name, found.limits.memory or 0)
    assert (tmp_path / "modules.py").exists()


def test_an_executor_without_a_fixture_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo_elsewhere", "kubernetes"])

    assert 2 == demo_elsewhere.main()
    assert "slurm or ssh" in capsys.readouterr().err


def test_where_the_fixture_cannot_run_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo_elsewhere", "ssh"])
    monkeypatch.setitem(demo_elsewhere.UNABLE, "ssh", "not installed: sshd")

    assert 2 == demo_elsewhere.main()
    assert "demo-ssh: cannot run here: not installed: sshd" in capsys.readouterr().err
