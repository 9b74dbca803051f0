"""Verbs for several workers or deployments at once: what one command does to all that need the same."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tests.faces.conftest import Place
from tests.waiting import until

from wakeman.core.errors import UsageError
from wakeman.faces.cli import parser

pytestmark = pytest.mark.real

TUI = Path(__file__).parent.parent / "tui.py"
TALKERS = """
name = "night"
[units]
items = ["a", "b", "c"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sh", "-c", "echo ready $0; while read line; do echo heard $line; done", "{{ group.key }}"]
name = "night_{{ group.name }}"
mode = "interactive"
stagger = 0
socket = "faces"
[stuck]
after = 2
silent = ["ask"]
[wake]
every = "1h"
"""
"""Three workers that repeat what they are told, and are silent otherwise."""
QUICK = ("run", "--items", "a", "--output", "out/{{ unit }}", "--every", "1h", "--wait", "--name")
WORK = ("--", "sh", "-c", "mkdir -p out; echo x > out/a")


@pytest.mark.parametrize(
    ("words", "workers", "text"),
    [
        (("a", "go on"), ["a"], "go on"),
        (("a", "b", "go on", "--submit"), ["a", "b"], "go on"),
        (("a", "--submit", "b", "go on"), ["a", "b"], "go on"),
        (("--submit", "a", "--force", "go on"), ["a"], "go on"),
        (("a", "--submit", "--", "-x"), ["a"], "-x"),
        (("--submit", "--", "a", "--all"), ["a"], "--all"),
        (("--all", "go on"), [], "go on"),
        (("night", "--all", "--submit", "-"), ["night"], "-"),
        (("a", "--submit", "-1"), ["a"], "-1"),
        (("a", "--submit", "- one"), ["a"], "- one"),
    ],
)
def test_the_last_word_is_the_text_wherever_options_stand(
    words: tuple[str, ...], workers: list[str], text: str
) -> None:
    given = parser("send").parse_args(list(words))

    assert (workers, text) == (given.worker, given.text)


@pytest.mark.parametrize("words", [(), ("--submit",), ("a", "--submit", "--sumbit", "go on"), ("a", "x", "--no-such")])
def test_a_text_that_is_missing_and_an_unknown_option_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"required: TEXT|unknown option '--"):
        parser("send").parse_args(list(words))


def test_one_command_reaches_all_who_need_the_same(place: Place) -> None:
    def heard(worker: str, text: str) -> bool:
        return f"heard {text}" in place.tmux("capture-pane", "-p", "-t", f"=night_{worker}:")

    def alike() -> bool:
        place("check", "night")
        needs = place("status", "night", "--json").json["needs"]
        return [["night_a", "night_b", "night_c"]] == [sorted(each["workers"]) for each in needs]

    place.up(TALKERS)
    until(lambda: "ready c" in place.tmux("capture-pane", "-p", "-t", "=night_c:"))
    assert (2, True) == (
        place("send", "--like", "night_a", "x").code,
        "needs nobody" in place("send", "--like", "night_a", "x").err,
    )
    until(alike, 60)
    [need] = place("status", "night", "--json").json["needs"]
    first = need["workers"][0]
    assert [
        f"wakeman attach night/{first}", f"wakeman stop --like night/{first}", f"wakeman retry --like night/{first}"
    ] == [each["line"] for each in need["commands"]]  # fmt: skip

    said = place("send", "night_a", "night_b", "one", "--submit", "--force")
    assert (0, "sent to night/night_a\nsent to night/night_b\n") == (said.code, said.out)
    until(lambda: heard("a", "one") and heard("b", "one"))
    assert not heard("c", "one")

    refused = place("send", "night", "--all", "two", "--submit", "--json")
    assert (5, False, [], 3) == (refused.code, refused.json["ok"], refused.json["sent"], len(refused.json["refused"]))
    assert "no empty prompt" in refused.json["refused"]["night/night_c"]

    screens = place("capture", "night", "--all", "--lines", "5")
    assert ["a", "b", "c"] == [row[-4] for row in screens.out.splitlines() if row.startswith("== night/night_")]
    assert 2 == place("capture", "--all", "night_a", "night_b").code

    kept = place("stop", "--like", f"night/{first}", "--keep", "--json").json
    assert ["night/night_a", "night/night_b", "night/night_c"] == sorted(each["target"] for each in kept["deeds"])


def test_several_deployments_are_cleaned_at_once_or_none(place: Place) -> None:
    for name in ("night", "day", "dusk"):
        assert 0 == place(*QUICK, name, *WORK).code
    (place.path / "out" / "b").mkdir()
    assert 0 == place("run", "--items", "b", "--output", "out/b/x", "--name", "open", "--", "sleep", "60").code

    refused = place("clean", "night", "open")
    assert (2, "open is open") == (refused.code, refused.err.split(": ", 1)[1].splitlines()[0])
    assert (place.state / "night").exists()

    said = place("clean", "night", "--branches", "day")
    assert (0, ["day", "night"]) == (said.code, sorted(row.split(":")[0] for row in said.out.splitlines()))
    assert ["dusk", "open"] == sorted(each.name for each in place.state.iterdir() if not each.name.startswith("."))
    assert 0 == place("clean").code  # the only closed one
    assert 0 == place("down", "open").code


def test_what_a_partial_deployment_left_is_started_by_what_its_status_names(place: Place) -> None:
    sleeping = ("run", "--items", "a", "--output", "out/a", "--name", "night", "--set", "cleanup.rounds=0")
    assert 0 == place(*sleeping, "--", "sleep", "600").code
    assert 0 == place("down", "night").code

    assert "wakeman redo night" in place("status", "night").out
    assert "wakeman redo night" == place("status", "night", "--json").json["next"][0]


def test_a_text_to_a_session_of_no_worker_is_typed_whole(place: Place) -> None:
    """It was cut at 700 characters, and nothing said so."""
    text = "go on " * 300
    argv = (sys.executable, str(TUI), str(place.path / "heard"), "0", "")
    (place.path / "tmux" / f"tmux-{os.getuid()}").mkdir(0o700)
    place.tmux("-f", "/dev/null", "new-session", "-d", "-s", "desk", "-x", "200", "-y", "50", "--", *argv)
    until(lambda: "❯" in place.tmux("capture-pane", "-p", "-t", "=desk:"))

    said = place("send", "tmux:faces:desk", text, "--submit")

    assert (0, "sent to tmux session faces:desk\n") == (said.code, said.out)
    until((place.path / "heard").exists)
    assert [text.strip()] == [json.loads(line) for line in (place.path / "heard").read_text().splitlines()]
