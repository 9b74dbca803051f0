"""What workers are told can be read before they are paid, and an empty or lost task is said before they start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.faces.conftest import SLEEPER, Place

pytestmark = pytest.mark.real

CLIENT = """\
name = "night"
[units]
items = ["a", "b c"]
output = "out/{{ unit }}.txt"
[workers]
by = "all"
name = "night_all"
harness = "codex"
auto_approve = "edits"
agent = "keeper"
socket = "faces"
"""
KEEPER = '[agents.keeper]\ndescription = "keeps"\nprompt = "Keep every fact."\n'
TASK = 'prompt = "Write {{ unit }}:\\n{{ unit_table }}"\n'
TABLE = 'a -> out/a.txt\n"b c" -> "out/b c.txt"\n'
BLANK_FILES = {"empty": b"", "blanks": b" \n\t\n", "mark": b"\xef\xbb\xbf", "mark and blanks": b"\xef\xbb\xbf\n"}


def test_the_prompt_of_a_worker_is_printed_as_it_gets_it_and_nothing_else(place: Place) -> None:
    said = place("plan", place.plan(CLIENT + TASK + KEEPER), "--prompt", "night_all")

    assert (0, "") == (said.code, said.err)
    assert said.out.startswith("Keep every fact.\n")
    assert said.out.endswith(f'\n\nWrite a, "b c":\n{TABLE}')


def test_every_prompt_is_in_the_json(place: Place) -> None:
    data = place("plan", place.plan(CLIENT + TASK + KEEPER), "--json").json

    assert data["workers"][0]["prompt"].endswith(f'\n\nWrite a, "b c":\n{TABLE}')
    assert [] == data["warnings"]


def test_the_prompt_of_a_reviewer_is_printed_too(place: Place) -> None:
    plan = place.plan(CLIENT + TASK + KEEPER + '[verify]\nagent = "keeper"\nsample = 1\n')
    said = place("plan", plan, "--prompt", "review_1")

    assert "Review files that others have made." in said.out
    assert said.out.rstrip("\n") == place("plan", plan, "--json").json["review"]["prompt"].rstrip("\n")


def test_a_worker_that_is_not_there_is_named_with_those_that_are(place: Place) -> None:
    said = place("plan", place.plan(CLIENT + TASK + KEEPER), "--prompt", "night_al")

    assert (3, "") == (said.code, said.out)
    assert "--prompt: found 'night_al'; expected one of night_all; did you mean 'night_all'?" in said.err


@pytest.mark.parametrize("verb", ["plan", "up"])
@pytest.mark.parametrize("harness", ["claude", "codex", "gemini", "opencode", "aider"])
def test_a_client_without_a_prompt_is_refused_with_line_and_cure(place: Place, verb: str, harness: str) -> None:
    said = place(verb, place.plan(CLIENT.replace('"codex"', f'"{harness}"') + KEEPER))

    assert 2 == said.code
    assert "error: plan.toml:5: workers.prompt: missing, and so is workers.prompt_file; expected what each" in said.err
    assert not place.state.exists()


def test_a_plan_in_json_or_with_dotted_keys_gets_its_line_too(place: Place) -> None:
    tables = {
        "units": {"items": ["a"], "output": "o"},
        "workers": {"harness": "claude", "auto_approve": "edits"},
    }
    (place.path / "plan.json").write_text(json.dumps({"name": "n", **tables}, indent=1))
    dotted = 'name = "n"\nunits.items = ["a"]\nunits.output = "o"\nworkers.harness = "claude"\n'

    assert "plan.json:" in place("plan", "plan.json").err
    assert "plan.toml:4: workers.prompt: missing" in place("plan", place.plan(dotted)).err


@pytest.mark.parametrize("name", BLANK_FILES)
def test_a_prompt_file_without_a_visible_sign_is_refused(place: Place, name: str) -> None:
    (place.path / "p.md").write_bytes(BLANK_FILES[name])

    said = place("plan", place.plan(CLIENT + 'prompt_file = "p.md"\n' + KEEPER))

    assert "plan.toml:12: workers.prompt_file: found nothing but blanks in 'p.md'" in said.err


def test_a_prompt_that_names_no_unit_is_a_warning(place: Place) -> None:
    said = place("plan", place.plan(CLIENT + 'prompt = "Do it."\n' + KEEPER))

    assert said.code in (0, 2)  # 2 where the client is not installed
    assert "\n  plan.toml:12: workers.prompt: names none of {{ unit_table }}, " in said.out


def test_up_says_what_is_probably_wrong_and_begins(place: Place) -> None:
    said = place("up", place.plan(SLEEPER + 'prompt = "Do it."\n'))
    again = place("up", "plan.toml", "--json").json

    assert 0 == said.code
    assert "warning: plan.toml:11: workers.prompt: nobody reads it" in said.err
    assert ["plan.toml:11: workers.prompt: nobody reads it"] == [text[:45] for text in again["warnings"]]
    assert "warning: plan.toml:11" in place("amend", "night", "plan.toml").err


# --- profiles ---------------------------------------------------------------------------------------------------

STRAY = {
    "README.md": b"# My agents\n",
    "empty.md": b"",
    "nameless.md": b"---\ndescription: d\n---\nP\n",
    "mark.md": b"\xef\xbb\xbf# Notes\n",
    ".hidden.md": b"---\nname: keeper\ndescription: d\n---\nP\n",
    "._keeper.md": b"\x00\x05\x16\x07",
    "latin.md": b"---\nname: caf\xe9\n---\n",
    "faulty.md": b"---\nname: other\ndescription: d\ntools: 7\n---\nP\n",
}


@pytest.fixture
def codex(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a client on PATH that says the version in the file `version`."""
    programs = place.path / "bin"
    programs.mkdir()
    (programs / "codex").write_text('#!/bin/sh\ncat "${0%/*}/version"\n')
    (programs / "codex").chmod(0o755)
    (programs / "version").write_text("codex-cli 0.171.0\n")
    monkeypatch.setenv("PATH", f"{programs}:/usr/local/bin:/usr/bin:/bin")
    return programs / "version"


@pytest.mark.usefixtures("codex")
@pytest.mark.parametrize("where", [".claude/agents", "project"])
def test_what_is_no_profile_stops_no_plan_and_is_noted(place: Place, where: str) -> None:
    pages = place.path / ".claude/agents"
    plan = place.plan(CLIENT.replace("keeper", "librarian") + TASK)
    if where == "project":
        (place.path / "project").mkdir()
        plan = place.plan(CLIENT.replace("keeper", "librarian") + TASK, "project/plan.toml")
        pages = place.path / "project/.claude/agents"
    pages.mkdir(parents=True)
    for name, data in STRAY.items():
        (pages / name).write_bytes(data)
    (pages / "directory.md").mkdir()
    (pages / "dangling.md").symlink_to("nowhere")

    said = place("plan", plan)

    assert 0 == said.code, said.err
    assert len(STRAY) + 2 - 1 == said.out.count(": passed over: ")
    assert "\nprofile librarian: from wakeman\n" in said.out


@pytest.mark.usefixtures("codex")
def test_a_faulty_profile_stops_the_plan_that_names_it_and_no_other(place: Place) -> None:
    pages = place.path / ".claude/agents"
    pages.mkdir(parents=True)
    (pages / "k.md").write_text("---\nname: keeper\ndescription: d\ntools: 7\n---\nP\n")

    said = place("plan", place.plan(CLIENT + TASK))

    assert 2 == said.code
    assert f"plan.toml:10: workers.agent: {pages}/k.md:4: tools: found a number; expected names" in said.err
    assert "fix that file, or name another profile" in said.err
    assert 0 == place("plan", place.plan(CLIENT.replace("keeper", "librarian") + TASK)).code
    assert 0 == place("plan", place.plan(CLIENT + TASK + KEEPER)).code


# --- versions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "newer"), [("0.171.0", False), ("0.999.0", True)])
def test_a_client_that_is_newer_than_any_recorded_is_said(place: Place, codex: Path, version: str, newer: bool) -> None:
    codex.write_text(f"codex-cli {version}\n")
    plan = place.plan(CLIENT + TASK + KEEPER)

    said = place("plan", plan).out
    found = {one["what"]: one for one in place("doctor", plan, "--json").json["findings"]}

    words = f"codex {version} is newer than 0.171.0, the newest whose screens are known"
    assert newer == (f"\n  plan.toml:8: workers.harness: {words}" in said)
    assert ("weak" if newer else "ok") == found["codex's version"]["level"]
