"""A plan played in memory: what it shows is what the real engine would do, and nothing is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wakeman.faces import cli

PLAN = """\
name = "night"
[units]
glob = "docs/*/*.md"
output = "{{ parent }}/out/{{ stem }}.yml"
[workers]
by = "{{ parent }}"
name = "w_{{ group.name }}"
command = ["nothing-that-exists"]
stagger = "2s"
[verify]
parse = "PARSE"
min_bytes = 300
max_ratio = 0.5
[limits]
give_up = "2h"
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for share, count in (("a", 3), ("b", 2)):
        (tmp_path / "docs" / share).mkdir(parents=True)
        for n in range(count):
            (tmp_path / "docs" / share / f"{n}.md").write_text("words")
    file = tmp_path / "plan.toml"
    file.write_text(PLAN.replace("PARSE", "yaml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    return file


def test_a_rehearsal_tells_the_night_from_the_launch_to_the_wrap_up(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(["rehearse", "plan.toml", "--early", "w_a:1"])

    said = capsys.readouterr().out.splitlines()
    assert "0:00:00 up    - decided launch -> launch: w_a" == said[0]
    assert [] == [line for line in said if line.endswith("2 units of w_a")]
    assert any("clean up -> enrol" in line for line in said)
    assert said[-1].startswith("rehearsed: complete, 5/5 units, in 0:0")
    assert not (plan.parent / "state").exists()


@pytest.mark.usefixtures("plan")
def test_every_event_is_told_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["rehearse", "plan.toml", "--early", "w_a:1", "--all"])

    assert any("w_a_c1 enrolled 2 units of w_a" in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.usefixtures("plan")
def test_a_worker_that_hangs_leads_to_a_person_and_to_giving_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["rehearse", "plan.toml", "--hang", "w_b", "--json"])

    said = json.loads(capsys.readouterr().out)
    assert ("partial", 3) == (said["outcome"], said["units"]["done"])
    assert ["capture, ask"] == [
        line["says"].split("-> ")[1].split(":")[0]
        for line in said["timeline"]
        if line["worker"] == "w_b" and line["type"] == "decided"
    ]


@pytest.mark.parametrize("kind", ["yaml", "json", "toml", "none"])
def test_whatever_the_plan_verifies_the_acted_outputs_pass(
    plan: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.write_text(PLAN.replace("PARSE", kind))

    assert 0 == cli.main(["rehearse", "plan.toml"])
    assert "rehearsed: complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--early", "w_c:1"), "no worker 'w_c' in this plan; did you mean 'w_b'?"),
        (("--hang", "nobody"), "no worker 'nobody' in this plan"),
        (("--early", "w_a"), "found 'w_a'; expected WORKER:N"),
    ],
)
def test_a_worker_that_the_plan_does_not_have_is_refused(
    plan: Path, words: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == cli.main(["rehearse", str(plan), *words])
    assert said in capsys.readouterr().err
