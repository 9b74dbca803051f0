"""Where a verb runs: on this machine, or on the one that `--on` or the plan names."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakeman.core.errors import ProgramError, UsageError
from wakeman.faces.cli import main, parser
from wakeman.faces.cli.host import _without_host, passed_on
from wakeman.faces.cli.show import REACHED_AS, way

PLAN = """name = "night"
[units]
items = ["a"]
output = "{{ unit }}"
[workers]
command = ["true"]
[wake]
host = "HOST"
"""


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (("night", "--on", "alpha", "--json"), ["night", "--json"]),
        (("--on=alpha", "night"), ["night"]),
        (("--on", "alpha", "--on", "beta"), []),
        (("night", "--only", "stuck"), ["night", "--only", "stuck"]),
        (("--on", "alpha", "--", "ssh", "--on", "x"), ["--", "ssh", "--on", "x"]),
        (("--on",), []),
    ],
)
def test_the_words_that_go_there_are_the_others(words: tuple[str, ...], kept: list[str]) -> None:
    assert kept == _without_host(words)


@pytest.mark.parametrize(
    ("state", "environ", "options"),
    [
        (None, {}, ""),
        ("/my state", {}, " --state '/my state'"),
        (None, {REACHED_AS: "alpha:my nights"}, " --on 'alpha:my nights'"),
        ("/s", {REACHED_AS: "alpha"}, " --state /s --on alpha"),
    ],
)
def test_a_suggested_command_leads_where_this_one_did(state: str | None, environ: dict[str, str], options: str) -> None:
    assert options == way(state, environ)


@pytest.mark.parametrize("words", [("up", "--on", "."), ("plan",), ("doctor",), ("up", "-"), ("up", "gone.toml")])
def test_it_runs_here_unless_a_host_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wakeman.toml").write_text(PLAN.replace("HOST", "alpha"))
    made = parser(words[0])
    assert passed_on(made.parse_args(words[1:]), made, words) is None


@pytest.mark.parametrize("fault", ["[wake]\nhost = 3\n", 'host = "alpha"', "[[[ host"])
def test_the_verb_itself_says_what_is_wrong_with_a_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wakeman.toml").write_text(fault)
    made = parser("up")
    assert passed_on(made.parse_args([]), made, ("up",)) is None


def test_without_ssh_the_host_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wakeman.toml").write_text(PLAN.replace("HOST", "alpha"))
    monkeypatch.setenv("PATH", str(tmp_path))
    made = parser("up")
    with pytest.raises(ProgramError, match="ssh: not found") as found:
        passed_on(made.parse_args([]), made, ("up",))
    assert found.value.hint


def test_what_starts_a_plan_past_its_file_is_refused_with_both_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["run", "--items", "a", "--output", "{{ unit }}", "--set", "wake.host=alpha", "--dry-run", "--", "true"]
    assert 2 == main(words)
    said = capsys.readouterr().err
    assert "wake.host: found 'alpha'; expected the verb to run there" in said
    assert "wakeman --on alpha run" in said
    assert "wakeman --on . run" in said
    assert not list(tmp_path.iterdir())
    assert 0 == main([*words[:1], "--on", ".", *words[1:]])


def test_a_page_is_opened_where_it_is_served() -> None:
    made = parser("serve")
    with pytest.raises(UsageError) as found:
        passed_on(made.parse_args(["--on", "alpha", "--port", "8700"]), made, ("serve",))
    assert "ssh -L 8700:127.0.0.1:8700 alpha wakeman serve --port 8700" == found.value.hint
