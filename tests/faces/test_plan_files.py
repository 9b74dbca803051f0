"""A plan's file, and those that it names: found by a mistyped name, read in any encoding, or refused with the cure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faces.conftest import Place

PLAN = """
name = "n"
[units]
file = "list"
output = "out/{{ unit }}"
[workers]
command = ["true"]
socket = "faces"
"""


INIT = "wakeman init writes one to begin with"


@pytest.mark.parametrize(
    ("asked", "told", "hint"),
    [
        ("nigth.toml", "nigth.toml: no such file; did you mean 'night.toml'?", "wakeman plan night.toml"),
        ("night", "night: no such file; did you mean 'night.toml'?", "wakeman plan night.toml"),
        ("sub/nigh.json", "sub/nigh.json: no such file; did you mean 'sub/night.json'?", "wakeman plan sub/night.json"),
        ("zzz", "zzz: no such file; expected a plan", INIT),
        ("nowhere/night.toml", "nowhere/night.toml: no such file; expected a plan", INIT),
        (".", ".: is a directory; expected a plan file", "wakeman plan ./night.toml"),
        ("sub", "sub: is a directory; expected a plan file", "wakeman plan sub/night.json"),
        ("empty", "empty: is a directory; expected a plan file", "wakeman init writes a plan"),
        ("pipe", "pipe: is a named pipe; expected a plan file, or - for a plan on stdin", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["plan", "up", "rehearse", "doctor"])
def test_a_plan_that_is_not_there_gets_the_nearest_name(
    place: Place, verb: str, asked: str, told: str, hint: str
) -> None:
    (place.path / "sub").mkdir()
    (place.path / "empty").mkdir()
    for name in ("night.toml", "sub/night.json"):
        (place.path / name).write_text(PLAN)
    os.mkfifo(place.path / "pipe")

    said = place(verb, asked)

    assert (2, f"error: {told}\nhint: {hint or f'wakeman {verb} --help'}\n") == (said.code, said.err)


def test_twenty_faults_are_shown_each_with_its_cure_below_and_the_rest_is_counted(place: Place) -> None:
    agents = "".join(f"[agents.a{n}]\nprompt = {n}\n" for n in range(20))
    said = place("plan", place.plan(PLAN + agents))
    lines = said.err.splitlines()

    assert ["error: plan.toml:10: agents.a0.prompt: found 0; expected a string", '       write:  "0"'] == lines[1:3]
    assert 20 == sum(line.startswith("error: ") for line in lines)
    assert "40 faults, 20 not shown" == lines[-2]
    assert 40 == len(json.loads(place("plan", "plan.toml", "--json").out)["problems"])


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ("\ufeffa\nb\n".encode(), ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b" a \n\tb\n", [" a ", "\tb"]),
        ("a\u2028b\nc\x0cd\ne\x85f\ng\x0bh\n".encode(), ["a\u2028b", "c\x0cd", "e\x85f", "g\x0bh"]),
        (b' {"unit": "a "}\n', ["a "]),
    ],
)
@pytest.mark.parametrize("source", ["file", "stdin", "command"])
def test_a_list_of_units_keeps_every_sign_of_a_name(place: Place, data: bytes, names: list[str], source: str) -> None:
    (place.path / "list").write_bytes(data)
    wanted = {"file": 'file = "list"', "stdin": 'file = "-"', "command": 'command = ["cat", "list"]'}[source]
    file = place.plan(PLAN.replace('file = "list"', wanted))
    ran = subprocess.run(
        [sys.executable, "-m", "wakeman", "plan", file, "--json", "--run-commands"],
        cwd=place.path, input=data, capture_output=True, env={**os.environ, "WAKEMAN_STATE": str(place.state)},
        check=False, timeout=60,
    )  # fmt: skip

    assert names == [unit["unit"] for unit in json.loads(ran.stdout)["units"]], ran.stderr


def test_a_list_of_units_in_utf_16_is_refused_with_the_command_that_converts_it(place: Place) -> None:
    (place.path / "list").write_bytes("a\nb\n".encode("utf-16"))
    said = place("plan", place.plan(PLAN))

    assert said.err.startswith("error: plan.toml:4: units.file: list:1: found UTF-16; expected UTF-8: iconv -f UTF-16 ")


def test_what_is_read_at_up_may_be_named_from_the_home_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    home = place.path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "list").write_text("a\n")
    (home / "task.md").write_text("Do {{ unit_table }}")
    (home / "keys.env").write_text("A=b\n")
    more = 'prompt_file = "~/task.md"\nenv_file = "~/keys.env"\n'
    text = PLAN.replace('"list"', '"~/list"').replace('["true"]', '["cat", "{{ prompt_file }}"]')
    said = place("plan", place.plan(text + more), "--json")

    assert 0 == said.code, said.err
    assert ["a"] == [unit["unit"] for unit in said.json["units"]]


def test_a_locale_that_is_no_utf8_changes_no_name(place: Place, tmp_path: Path) -> None:
    made = subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(tmp_path / "latin")], capture_output=True, check=False
    )
    if made.returncode > 1:
        pytest.skip(f"no locale can be made here: {made.stderr.decode(errors='replace')[-200:]}")
    file = place.plan(PLAN.replace('file = "list"', 'items = ["é"]'))
    env = {**os.environ, "LOCPATH": str(tmp_path), "LC_ALL": "latin", "WAKEMAN_STATE": str(place.state)}
    env.pop("PYTHONUTF8", None)
    asked = [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding())"]
    assert b"iso8859-1" == subprocess.run(asked, env=env, capture_output=True, check=False, timeout=60).stdout.strip()

    ran = subprocess.run(
        [sys.executable, "-m", "wakeman", "plan", file, "--json"],
        cwd=place.path, capture_output=True, env=env, check=False, timeout=60,
    )  # fmt: skip

    assert "out/é" == json.loads(ran.stdout.decode("utf-8"))["units"][0]["outputs"][0], ran.stderr
