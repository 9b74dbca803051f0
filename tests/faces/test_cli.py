"""The command line as people and scripts call it: words, exit codes, envelopes."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.drawn import asking_plan, keys, recorded
from tests.faces.conftest import SLEEPER, Place
from tests.waiting import until

from wakeman.adapters import local
from wakeman.adapters.machine import user_name
from wakeman.core.errors import WakemanError
from wakeman.core.plan.parser import read_plan
from wakeman.faces import cli
from wakeman.faces.cli import main
from wakeman.faces.cli.check import plain_options
from wakeman.faces.cli.options import duration
from wakeman.faces.cli.show import _directed
from wakeman.faces.cli.status import plain_status

pytestmark = pytest.mark.real

WRITER = ("--output", "out/{{ unit }}.txt", "--stagger", "0", "--set", "workers.socket=faces")
COMMAND = ("--", "sh", "-c", 'mkdir -p out; echo done | tee "out/$1.txt"', "sh", "{{ group.key }}")
READS = tuple(verb for verb, (_, _, does, _) in cli.VERBS.items() if not does)


def _outcome(place: Place, name: str) -> str:
    return str(place("status", name, "--recorded", "--json").json["outcome"])


def _states(place: Place, name: str) -> dict[str, str]:
    workers = place("status", name, "--recorded", "--json").json["workers"]
    return {worker["name"]: worker["state"] for worker in workers}


# --- help and usage -------------------------------------------------------------------------------------------


def test_the_overview_names_every_verb_in_its_group(place: Place) -> None:
    said = place("--help")

    assert said.code == 0
    assert all(f"\n  {verb} " in said.out for verb in cli.VERBS)
    assert all(f"\n{group}:\n" in said.out for group in ("start", "carry on", "look", "act", "set up"))


@pytest.mark.parametrize("verb", cli.VERBS)
def test_a_verbs_help_gives_an_example_and_names_its_environment_variable(place: Place, verb: str) -> None:
    said = place(verb, "--help")

    assert said.code == 0
    assert re.search(rf"^example.*:\n(  .+\n)*?  .*wakeman {verb}", said.out, re.MULTILINE)
    assert "exit status: 0 " in said.out
    assert "WAKEMAN_STATE" in said.out


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_example_of_a_verb_can_be_parsed(verb: str) -> None:
    text = cli.parser(verb).epilog or ""
    words = shlex.split(text.removeprefix("wakeman "))
    words = words[: words.index(">")] if ">" in words else words

    assert verb == words[0]
    cli.parser(verb).parse_args(words[1:])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 0),
        (("status",), 0),
        (("status", "--exit-code"), 0),
        (("--version",), 0),
        (("help",), 0),
        (("schema",), 0),
        (("agents",), 0),
        (("chek",), 2),
        (("check",), 3),
        (("stop",), 2),
        (("ps",), 2),
        (("version",), 0),
        (("check", "night", "--by", "nobody"), 2),
        (("check", "night", "--no-such"), 2),
        (("wait", "night", "--timeout", "soon"), 2),
        (("capture", "w", "--lines", "0"), 2),
        (("up", "none.toml"), 2),
        (("plan", "none.toml"), 2),
        (("waive", "a"), 2),
        (("check", "night"), 3),
        (("check", "night", "--quiet", "--by", "at"), 3),
        (("status", "night"), 3),
        (("log", "night"), 3),
        (("wait", "night"), 3),
        (("down", "night"), 3),
        (("clean", "night"), 3),
        (("merge", "night"), 3),
        (("pause", "night"), 3),
        (("accept", "night"), 3),
        (("stop", "w"), 3),
        (("stop", "night/w"), 3),
        (("retry", "w"), 3),
        (("capture", "w"), 3),
        (("attach", "w"), 3),
        (("send", "w", "text"), 3),
        (("approve", "w"), 3),
        (("answer", "w", "1"), 3),
        (("waive", "a", "--why", "x"), 3),
        (("sweep", "val_*", "--older-than", "10m"), 3),
    ],
)
def test_exit_codes_where_there_is_no_deployment(place: Place, words: tuple[str, ...], code: int) -> None:
    assert code == place(*words).code


@pytest.mark.parametrize("name", ["../../x", "/etc", "a/b", "", ".", "..", "A", "a b", "-a", "a\n", "a.b", "a" * 65])
@pytest.mark.parametrize("verb", ["check", "status", "log", "wait", "down", "clean", "pause"])
def test_a_name_that_is_none_is_refused_and_nothing_is_made(place: Place, verb: str, name: str) -> None:
    said = place(verb, *(["--"] if name.startswith("-") else []), name)

    assert said.code == 2
    assert "name" in said.err
    assert not place.state.exists()


def test_options_may_stand_before_the_verb(place: Place) -> None:
    said = place("--state", str(place.path / "other"), "--json", "status")

    assert str(place.path / "other") == said.json["state"]


def test_a_mistyped_verb_is_answered_with_the_nearest(place: Place) -> None:
    assert "did you mean 'check'?" in place("chek").err


def test_durations_are_read_as_a_plan_reads_them() -> None:
    assert [90.0, 90.0, 300.0, 7200.0, 86400.0, 0.5] == [
        duration(text) for text in ("90", "90s", "5m", "2h", "1d", "0.5")
    ]


# --- errors ---------------------------------------------------------------------------------------------------


def test_an_error_is_a_line_and_a_hint_on_stderr(place: Place) -> None:
    said = place("check", "night")

    assert said.out == ""
    assert said.err.startswith("error: night: no such deployment in ")
    assert "\nhint: wakeman status\n" in said.err


def test_what_the_environment_gave_is_not_repeated_in_suggestions(place: Place) -> None:
    file, option = place.plan(), ("--state", str(place.state))

    by_variable, by_option = (place("plan", file, "--json", *more).json["next"] for more in ((), option))
    origins = [
        found["found"]
        for more in ((), option)
        for found in place("doctor", "--json", *more).json["findings"]
        if found["what"] == "state"
    ]

    assert (["wakeman up plan.toml"], [f"wakeman up plan.toml --state {place.state}"]) == (by_variable, by_option)
    assert [f"{place.state} (by WAKEMAN_STATE)", f"{place.state} (by --state)"] == origins


@pytest.mark.parametrize("value", ["1", "yes", "", "0", "maybe"])
def test_an_error_is_an_envelope_where_the_environment_asks_for_json(
    place: Place, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("WAKEMAN_JSON", value)

    said = place("status", "nobody")

    assert 0 != said.code
    assert (value in ("1", "yes"), value not in ("1", "yes")) == (said.out.startswith('{"v": 1'), "error: " in said.err)


@pytest.mark.parametrize("option", [("--state", "a b"), ("--state=a b",)])
def test_a_hint_reaches_the_state_directory_that_was_given(place: Place, option: tuple[str, ...]) -> None:
    said = place("check", "night", *option)

    assert "\nhint: wakeman --state 'a b' status\n" in said.err


def test_a_hint_in_words_names_the_state_directory_beside_each_command() -> None:
    error = WakemanError("no", "wakeman amend N FILE, or wakeman down N, or wakemanly")

    assert "wakeman --state x amend N FILE, or wakeman --state x down N, or wakemanly" == _directed(
        error.hint, ("up", "--state", "x")
    )


@pytest.mark.parametrize("words", [("check", "night"), ("status", "../x"), ("check",), ("up", "none.toml")])
def test_with_json_an_error_is_an_envelope_on_stdout(place: Place, words: tuple[str, ...]) -> None:
    said = place(*words, "--json")

    assert said.err == ""
    assert {"v", "ok", "error", "hint", "next"} == said.json.keys()
    assert said.json["ok"] is False


def test_every_fault_of_a_plan_is_reported_at_once(place: Place) -> None:
    file = place.plan('name = "Night"\nwhat = 1\n[units]\nitems = ["a"]\n')

    said = place("plan", file)
    envelope = place("up", file, "--json").json

    assert said.code == 2
    assert said.err.count("error: plan.toml:") == 4
    assert len(envelope["problems"]) == 4


def test_a_quiet_check_says_errors_only_and_marks_each_line(place: Place) -> None:
    said = place("check", "night", "--by", "at", "--quiet")

    assert all(line.startswith("wakeman: ") for line in said.err.splitlines())
    assert said.err
    assert said.out == ""


# --- init, plan, schema ---------------------------------------------------------------------------------------


def test_the_starter_plan_passes_once_there_are_files(place: Place) -> None:
    (place.path / "docs").mkdir()
    (place.path / "docs" / "a.md").write_text("a")

    assert place("init").code == 0
    said = place("plan", "wakeman.toml", "--json")
    lines = (place.path / "wakeman.toml").read_text().splitlines()
    at = next(number for number, line in enumerate(lines, 1) if line.startswith("command"))

    assert said.code == 2, said
    (fault,) = said.json["faults"]
    assert fault.startswith(f"wakeman.toml:{at}: workers.command: found 'my-agent', which is no program on PATH")
    assert ["docs/a.md"] == [unit["unit"] for unit in said.json["units"]]


def test_the_starter_plan_names_every_table(place: Place) -> None:
    place("init")

    text = (place.path / "wakeman.toml").read_text()

    assert text.startswith("#:schema ")
    assert {"name", "goal", "units", "workers", "wake", "stuck", "verify", "cleanup", "limits"} == set(
        tomllib.loads(text)
    )


def test_the_examples_of_the_starter_plan_fit_together(place: Place) -> None:
    place("init")
    text = (place.path / "wakeman.toml").read_text()

    of_program = r'^harness = "command"$|^command = \["my-agent".*$'
    agent = re.sub(r"^#(?=[a-zA-Z{\"])", "", re.sub(of_program, "", text, flags=re.MULTILINE), flags=re.MULTILINE)

    plan = read_plan(agent, "wakeman.toml")
    assert ("claude", "units", 5, True) == (
        plan.workers.harness,
        plan.workers.confine,
        plan.verify.sample,
        plan.wake.hold,
    )


def test_init_never_writes_over_a_file(place: Place) -> None:
    (place.path / "wakeman.toml").write_text("mine")

    assert place("init").code == 2
    assert (place.path / "wakeman.toml").read_text() == "mine"


def test_a_plan_shows_commands_and_starts_nothing(place: Place) -> None:
    (place.path / "out").mkdir()
    (place.path / "out" / "a.txt").write_text("old")
    before = place.tree()

    said = place("plan", place.plan())
    data = place("plan", "plan.toml", "--json").json

    assert "sleep 600" in said.out
    assert "outputs that exist already:\n  out/a.txt" in said.out
    assert ["night_a", "night_b"] == [worker["name"] for worker in data["workers"]]
    assert ["wakeman up plan.toml"] == data["next"]
    assert before.keys() | {str(place.path / "plan.toml")} == place.tree().keys()


def test_a_plan_with_a_prompt_file_can_be_shown(place: Place) -> None:
    (place.path / "prompt.md").write_text("Do {{ unit_table }}")

    said = place("plan", place.plan(SLEEPER + 'prompt_file = "prompt.md"\n'))

    assert said.code == 0, said.err


def test_control_characters_of_a_plan_do_not_reach_the_terminal(place: Place) -> None:
    said = place("plan", place.plan(SLEEPER.replace('"600"', '"\\u001b[31m600"').replace('"a"', '"a\\u001bb"')))

    assert said.code == 0, said.err
    assert "\x1b" not in said.out


def test_the_schema_is_json(place: Place) -> None:
    assert "properties" in json.dumps(place("schema").json)
    assert place("schema", "--json").json["schema"] == place("schema").json


# --- a night that goes on -------------------------------------------------------------------------------------


def test_up_says_where_everything_is(place: Place) -> None:
    said = place("up", place.plan())

    assert said.code == 0
    assert f"log: {place.state}/night/events.jsonl" in said.out
    assert "night_a" in said.out
    assert "next check" in said.out
    assert "night_a\nnight_b" == place.tmux("list-sessions", "-F", "#S")


def test_reading_verbs_give_envelopes(place: Place) -> None:
    place.up()
    words: dict[str, tuple[str, ...]] = {
        "plan": ("plan.toml",),
        "wait": ("night", "--timeout", "0"),
        "status": ("night",),
        "capture": ("night_a",),
        "attach": ("night_a",),
        "tail": ("night_a",),
        "doctor": (),
        "inbox": (),
        "agents": ("plan.toml",),
        "schema": (),
    }

    for verb in READS:
        if verb in words:
            data = place(verb, *words[verb], "--json").json
            assert data["v"] == 1, verb
            assert data["ok"] is True, verb
            assert isinstance(data["next"], list), verb
    assert {"audit", "log", "mcp", "notices", "rehearse", "replay", "report", "serve", "top", "watch"} >= set(
        READS
    ) - set(words)


def test_a_status_tells_at_least_what_scripts_rely_on(place: Place) -> None:
    place.up()

    data = place("status", "night", "--json").json

    assert {"deployment", "outcome", "units", "workers", "next_check", "decision", "age"} <= data.keys()
    assert {"total": 2, "done": 0, "missing": ["a", "b"]} == data["units"]
    assert {"name", "state", "reason", "attempt", "session", "exit_code", "units"} <= data["workers"][0].keys()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check", "night"), 4),
        (("check", "night", "--quiet"), 4),
        (("check", "night", "--head", "1:0"), 6),
        (("check", "night", "--head", "9999:0"), 6),
        (("wait", "night", "--timeout", "0.2"), 4),
        (("status", "night"), 0),
        (("status", "night", "--exit-code"), 4),
        (("status", "--exit-code"), 4),
        (("up", "plan.toml"), 0),
        (("up", "plan.toml", "--wait", "--timeout", "0"), 4),
        (("clean", "night"), 2),
        (("accept", "night"), 2),
        (("unpause", "night"), 2),
        (("retry", "nobody"), 3),
        (("waive", "nothing", "--why", "x"), 3),
        (("waive", "nothing", "--why", "x", "--deployment", "night"), 3),
        (("log", "night", "--type", "decidde"), 2),
        (("log", "night", "--since", "yesterday"), 2),
        (("log", "night", "--worker", "nobody"), 3),
        (("log", "night", "--worker", "night_a", "--type", "verified"), 0),
    ],
)
def test_exit_codes_while_it_is_open(place: Place, words: tuple[str, ...], code: int) -> None:
    place.up()

    assert code == place(*words).code


def test_a_directory_to_start_in_that_is_not_there_is_refused(place: Place) -> None:
    text = SLEEPER.replace("stagger = 0", 'stagger = 0\ncwd = "trees/{{ worker }}"')
    (place.path / "trees/night_a").mkdir(parents=True)

    said = place("plan", place.plan(text))

    wanted = "workers.cwd: found 'trees/night_b' for night_b; expected a directory that is there"
    assert (2, 1) == (said.code, said.err.count("workers.cwd")), said.err
    assert f"plan.toml:10: {wanted}" in said.err
    assert 0 == place("plan", place.plan(text + '\nbefore = [["mkdir", "-p", "trees/{{ worker }}"]]\n')).code


def test_another_plan_of_the_same_name_is_refused_with_the_difference(place: Place) -> None:
    place.up()

    said = place("up", place.plan(SLEEPER.replace("600", "601")))

    assert said.code == 2
    assert "workers.command" in said.err


def test_a_log_without_what_is_asked_for_says_so(place: Place) -> None:
    place.up()

    assert "night: no such event\n" == place("log", "night", "--type", "verified").err
    assert "no worker 'nigt_a' in night; did you mean 'night_a'?" in place("log", "night", "--worker", "nigt_a").err
    assert "found 'xyzzy'; expected a type of event, such as" in place("log", "night", "--type", "xyzzy").err
    assert "--since: found 'yesterday'; expected the number" in place("log", "night", "--since", "yesterday").err


def test_a_log_is_lines_for_people_and_json_lines_for_programs(place: Place) -> None:
    place.up()

    people = place("log", "night", "--type", "launched", "--worker", "night_a").out.splitlines()
    lines = [json.loads(line) for line in place("log", "night", "--json").out.splitlines()]
    recorded = [json.loads(line) for line in (place.state / "night" / "events.jsonl").read_text().splitlines()]

    assert len(people) == 1
    assert "pending -> launched" in people[0]
    assert recorded == lines
    assert recorded[3:] == [
        json.loads(line) for line in place("log", "night", "--json", "--since", "3").out.splitlines()
    ]


def test_a_screen_can_be_seen_and_attached_to(place: Place) -> None:
    place.up(SLEEPER.replace('["sleep", "600"]', """["sh", "-c", "printf 'one\\\\n  two\\\\n'; sleep 600"]"""))

    until(lambda: "one\n  two" in place("capture", "night_a").out)
    assert "attach-session" in place("attach", "night_a", "--print").out


def test_attaching_without_a_terminal_is_refused_in_words(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.up()
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    said = place("attach", "night_a")

    assert (2, "error: attach: expected a terminal\nhint: wakeman attach night_a --print\n") == (said.code, said.err)


def test_a_session_that_is_no_worker_s_is_attached_to_by_the_name_that_a_notice_has(place: Place) -> None:
    (place.path / "tmux" / f"tmux-{os.getuid()}").mkdir(mode=0o700)
    place.tmux("new-session", "-d", "-s", "desk", "sleep 600")

    there, gone = (place("attach", f"tmux:faces:{name}", "--print") for name in ("desk", "gone"))

    assert "attach-session -t =desk" in there.out
    assert (2, "") == (gone.code, gone.out)
    assert "found no session 'gone' on tmux socket 'faces'" in gone.err
    assert "hint: tmux -L faces list-sessions" in gone.err


def test_text_is_typed_into_a_workers_session(place: Place) -> None:
    place.up(SLEEPER.replace('["sleep", "600"]', '["cat"]'))

    assert place("send", "night_a", "go on; $(date)", "--force", "--submit").code == 0

    until(lambda: place("capture", "night_a").out.count("go on; $(date)") == 2)


def test_a_busy_worker_is_typed_to_only_by_force(place: Place) -> None:
    place.up()

    said = place("send", "night_a", "go on")

    assert said.code == 1
    assert "--force" in said.err


def test_what_even_force_cannot_type_is_not_hinted_at_again(place: Place) -> None:
    place.up()
    place.tmux("kill-server")

    said = place("send", "night_a", "go on", "--force")

    assert (1, "hint: wakeman attach night/night_a", False) == (
        said.code,
        said.err.splitlines()[-1],
        "--force" in said.err,
    )


def test_stopping_a_worker_leaves_the_others(place: Place) -> None:
    place.up(SLEEPER + "[cleanup]\nrounds = 0\n")

    assert place("stop", "night/night_a").code == 0

    until(lambda: place("check", "night").out and _states(place, "night")["night_a"] == "exited")
    assert _states(place, "night")["night_b"] in ("launched", "running")


def test_down_ends_everything_and_clean_moves_it_away(place: Place) -> None:
    place.up()

    assert place("down", "night", "--why", "enough").code == 0

    assert _outcome(place, "night") == "stopped"
    assert place.jobs() == []
    assert place("status", "night", "--exit-code").code == 1
    assert place("capture", "night_a").code == 0
    assert place("attach", "night_a").code == 2
    assert place("stop", "night_a").code == 2
    assert place("clean", "night").code == 0
    assert place("status", "night").code == 3
    assert [path.name[:6] for path in (place.state / ".trash").iterdir()] == ["night-"]


def test_a_pause_takes_the_alarm_away_and_says_that_agents_go_on(place: Place) -> None:
    place.up()

    place("check", "night")  # by the next nothing moves any more

    said = place("pause", "night")

    assert "still running: night_a, night_b" in said.out
    assert place.jobs() == []
    assert place("status", "night", "--json").json["paused"] is True
    assert place("pause", "night").code == 2
    assert place("unpause", "night").code == 0
    assert place("status", "night", "--json").json["alarm"]["stands"] is True


def test_a_persons_word_counts_for_units(place: Place) -> None:
    place.up()

    assert place("waive", "a", "b", "--why", "not needed").code == 0
    assert place("status", "night", "--json").json["units"]["done"] == 2
    assert place("reject", "a", "--why", "needed after all", "--deployment", "night").code == 0
    assert place("status", "night", "--json").json["units"]["done"] == 1


def test_a_retry_starts_the_next_attempt(place: Place) -> None:
    place.up(SLEEPER + "[cleanup]\nrounds = 0\n")
    place("stop", "night_a")

    assert place("retry", "night_a", "--note", "again").code == 0

    def attempt() -> Any:
        place("check", "night")
        return place("status", "night", "--recorded", "--json").json["workers"][0]["attempt"]

    until(lambda: attempt() == 2)


def test_amend_changes_the_open_plan(place: Place) -> None:
    place.up()

    said = place("amend", "night", place.plan(SLEEPER + "[stuck]\nafter = 77\n"))

    assert said.code == 0, said.err
    assert place("log", "night", "--type", "amended").out


def test_doing_verbs_give_envelopes(place: Place) -> None:
    calls: tuple[tuple[str, ...], ...] = (
        ("init", "fresh.toml"),
        ("completion", "bash"),
        ("up", place.plan()),
        ("check", "night"),
        ("send", "night_a", "x", "--force"),
        ("waive", "a", "--why", "x"),
        ("reject", "a", "--why", "x"),
        ("amend", "night", place.plan(SLEEPER + "[stuck]\nafter = 77\n")),
        ("export", "metrics", "night"),
        ("pause", "night"),
        ("unpause", "night"),
        ("sweep", "val_*", "--older-than", "0"),
        ("resume", "night"),
        ("stop", "night_a"),
        ("retry", "night_a"),
        ("adopt", "night"),
        ("down", "night"),
        ("redo", "night", "--socket", "faces"),
        ("down", "night"),
        ("watch-sessions", "mine_", "--client", "external", "--socket", "faces"),
        ("down", "mine"),
        ("compat", "bin"),
        ("session", "-t", "-a", "-s", "lone", "--socket", "faces", "Condense"),
        ("clean", "night"),
        ("run", "--items", "a", *WRITER, "--set", "workers.isolate=worktree", "--wait", *COMMAND),
        ("merge", "run"),
    )
    place.repository()
    place.client()

    for words in calls:
        if words[0] == "adopt":
            place.disown(words[1])
        if words[0] == "watch-sessions":
            place.tmux("new-session", "-d", "-s", "mine_a", "sleep 600")
        said = place(words[0], "--json", *words[1:])
        assert said.json["ok"] is True, (words, said)
        assert said.json["v"] == 1
        assert isinstance(said.json["next"], list)
        assert said.err == "", (words, said)
    assert {verb for verb, (_, _, does, _) in cli.VERBS.items() if does} - {words[0] for words in calls} == {
        *("accept", "answer", "approve", "lost"),  # they need a held row, a dialog, or hosts
    }


def test_a_silent_worker_needs_a_person_and_every_exit_code_says_so(place: Place) -> None:
    place.up(SLEEPER + '[stuck]\nafter = 0\nsilent = ["ask"]\n')
    until(lambda: place("check", "night").code == 5)

    assert place("wait", "night", "--until", "attention").code == 5
    assert place("wait", "night", "--timeout", "0").code == 4
    assert place("status", "night", "--exit-code").code == 5
    assert " night  1 needs you" in place("status", "night").out
    assert " 1 of 1 open deployment needs you" in place().out
    assert "wakeman attach night/night_a" in place("status", "night", "--json").json["next"]


def test_a_wait_sets_an_alarm_where_none_lies_ahead(place: Place) -> None:
    place.up()
    jobs = place.jobs()
    if not jobs:
        pytest.skip("no at on this machine")
    subprocess.run(["atrm", *jobs], check=True)
    assert place("status", "night", "--json").json["alarm"]["stands"] is False

    assert place("wait", "night", "--timeout", "0").code == 4

    assert place("status", "night", "--json").json["alarm"]["stands"] is True


def test_a_wait_can_be_interrupted(place: Place) -> None:
    place.up()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)

    assert place("wait", "night").code == 130


def test_a_check_that_finds_another_one_asks_it_to_look_again_and_says_so(place: Place) -> None:
    place.up()

    with local.world(str(place.state), "hand").logs.hold("night", "hand:1") as log:
        said = place("check", "night", "--by", "exit", "--quiet")

        assert (1, "", True) == (said.code, said.out, log.seen)
    assert said.err.startswith("wakeman: error: night: is held by process ")


def test_a_plan_can_come_by_stdin(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(SLEEPER))

    assert place("up", "-").code == 0
    assert place("status", "night").code == 0


def test_units_can_come_by_stdin(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("x\ny\n"))

    said = place("plan", place.plan(SLEEPER.replace('items = ["a", "b"]', 'file = "-"')), "--json")

    assert ["x", "y"] == [unit["unit"] for unit in said.json["units"]]


def test_a_followed_log_ends_with_the_deployment(place: Place) -> None:
    place("run", "--items", "a", *WRITER, "--", "sh", "-c", "sleep 1; mkdir -p out; echo > out/a.txt")

    said = place("log", "run", "-f", "--type", "closed")

    assert said.out.endswith("closed  complete: 1/1 units done\n")


def test_sweep_lists_first_and_ends_on_yes(place: Place) -> None:
    place.up()
    place.tmux("new-session", "-d", "-s", "val_1", "sleep 600")

    listed = place("sweep", "val_*", "--older-than", "0")
    assert "val_1" in listed.out
    assert "--yes" in listed.err
    assert "val_1" in place.tmux("list-sessions", "-F", "#S")

    assert place("sweep", "*", "--older-than", "0", "--yes").code == 0
    assert "night_a\nnight_b" == place.tmux("list-sessions", "-F", "#S")


def test_unconfined_approval_of_everything_has_to_be_agreed_to(place: Place) -> None:
    file = place.plan(SLEEPER.replace("stagger = 0", 'stagger = 0\nauto_approve = "all"'))

    said = place("up", file)

    assert said.code == 2
    assert "--yes" in said.err
    assert not place.state.exists()
    assert place("plan", file, "--json").json["next"] == ["wakeman up plan.toml --yes"]
    assert place("up", file, "--yes").code == 0


# --- a night that ends ----------------------------------------------------------------------------------------


def test_a_run_without_a_file_is_done_and_says_so(place: Place) -> None:
    said = place("run", "--items", "a", "b", *WRITER, "--wait", *COMMAND)

    assert said.code == 0, said.err
    assert "complete" in said.out
    assert (place.path / "out" / "b.txt").read_text() == "done\n"
    assert place("wait", "run").code == 0
    assert place("check", "run").code == 0
    closed, disarmed = place("log", "run", "-f").out.splitlines()[-2:]
    assert (True, True) == (closed.endswith("closed  complete: 2/2 units done"), "disarmed" in disarmed)
    assert "no live session" in place("capture", "run_a").err
    assert place("capture", "run_a").out == "done\n"


def test_escape_codes_that_a_worker_printed_do_not_reach_the_terminal(place: Place) -> None:
    command = ("--", "sh", "-c", r"mkdir -p out; echo > out/a.txt; printf '\033[31m  red\033]0;title\007\n'")
    assert place("run", "--items", "a", *WRITER, "--wait", *command).code == 0

    assert place("capture", "run_a").out == "  red\n"


def test_a_second_run_gets_a_number_and_the_name_means_the_latest(place: Place) -> None:
    place("run", "--items", "a", *WRITER, "--wait", *COMMAND)
    place("run", "--items", "a", *WRITER, "--set", "verify.fresh=exists", "--wait", *COMMAND)

    assert place("status", "run", "--json").json["deployment"] == "run.2"
    assert place("status", "run.1", "--json").json["deployment"] == "run"
    assert len(place("status", "--json").json["deployments"]) == 2


def test_a_run_takes_files_and_any_key_of_a_plan(place: Place) -> None:
    (place.path / "a.in").write_text("a")

    said = place("run", "--units", "*.in", *WRITER, "--set", "verify.min_bytes=1K", "--dry-run", "--", "true")

    assert said.code == 0, said.err
    assert "would start session run_a_in" in said.out
    assert place("run", "--units", "*.in", *WRITER, "--set", "verify=1", "--", "true").code == 2
    assert place("run", "--units", "*.in", *WRITER, "--set", "nonsense", "--", "true").code == 2


def test_units_that_nobody_made_end_as_partial(place: Place) -> None:
    said = place("run", "--items", "a", *WRITER, "--set", "cleanup.rounds=0", "--wait", "--json", "--", "true")

    assert said.code == 1
    assert said.json["outcome"] == "partial"


def test_waiting_for_a_change_ends_at_the_next(place: Place) -> None:
    place.up(
        SLEEPER.replace(
            '["sleep", "600"]', '["sh", "-c", "sleep 1; mkdir -p out; echo > out/$1.txt", "sh", "{{ group.key }}"]'
        )
    )

    before = place("status", "night", "--recorded", "--json").json["workers"]

    said = place("wait", "night", "--until", "change", "--timeout", "60", "--json")

    assert before != said.json["workers"]


# --- a dry run ------------------------------------------------------------------------------------------------

DOING: dict[str, tuple[str, ...]] = {
    "init": ("fresh.toml",),
    "completion": ("bash",),
    "up": ("other.toml",),
    "run": ("--items", "a", *WRITER, "--output", "new/{{ unit }}", "--", "true"),
    "check": ("night",),
    "watch-sessions": ("mine_", "--socket", "faces"),
    "compat": ("bin",),
    "session": ("-t", "-a", "-s", "lone", "--socket", "faces", "Condense"),
    "down": ("night",),
    "redo": ("ended",),
    "clean": ("ended",),
    "send": ("night_a", "hello", "--force"),
    "approve": ("asked_a", "--deny"),
    "answer": ("puzzled_a", "prose"),
    "stop": ("night_a",),
    "retry": ("short_a",),
    "waive": ("a", "b", "--why", "x", "--deployment", "night"),
    "reject": ("a", "--why", "x", "--deployment", "night"),
    "accept": ("held",),
    "pause": ("night",),
    "unpause": ("paused",),
    "lost": ("alpha", "afar"),
    "resume": ("night",),
    "adopt": ("lost",),
    "amend": ("night", "longer.toml"),
    "sweep": ("val_*", "--older-than", "0", "--deployment", "night"),
    "merge": ("apart",),
    "export": ("otlp", "ended", "--endpoint", "http://localhost:4318/v1/traces"),
}


TOLD = {
    "up": "start session other_a: /bin/sh ",
    "run": "start session run_a: /bin/sh ",
    "watch-sessions": "watch session mine_a",
    "redo": "start session ended_a: /bin/sh ",
    "down": "end session night_b",
    "clean": "move ",
    "send": "type into session night_a: hello",
    "approve": "choose 2 in the dialog of session ",
    "answer": "choose 2 in the dialog of session ",
    "stop": "end session night_a",
    "retry": "start session short_a",
    "pause": "record requested: pause",
    "lost": "take the sessions on alpha for lost",
    "sweep": "end session val_1",
    "adopt": "record adopted: ",
    "export": "send 2 spans of trace ",
    "merge": "merge wakeman/apart/apart_a into wakeman/apart.merged: merged",
}
"""What a dry run has to tell, where it would do more than record."""


def _stuck(place: Place, name: str) -> bool:
    return bool(place("check", name).out) and _states(place, name)[f"{name}_a"] == "stuck"


def with_stand_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `claude` be the stand-in that draws dialogs, with a key, so that it needs no settings of a user's."""
    monkeypatch.setenv("PATH", f"{place.path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-stand-in-0000000000000000")


def _afar(place: Place) -> None:
    """Begin a deployment on a host that no longer answers: in place of ssh is a program that runs lines here."""
    ssh = place.path / "bin" / "ssh"
    ssh.write_text(
        f'#!/bin/sh\n[ ! -e {place.path}/away ] || exit 255\nfor line; do :; done\nexec /bin/sh -c "$line"\n'
    )
    ssh.chmod(0o700)
    plan = SLEEPER.replace("night", "afar").replace("out/", "afar/").replace("[workers]", '[workers]\nexecutor = "ssh"')
    place.up(plan + "[ssh]\nhosts = { alpha = 9 }\n")
    (place.path / "away").touch()


def _stage(place: Place) -> None:
    """Bring about what the dry runs speak of: open, ended, held and paused deployments, and other plans."""
    place.up()
    ended = ("--items", "a", *WRITER, "--set", "cleanup.rounds=0", "--output")
    assert place("run", "--name", "ended", "--wait", *ended, "ended/{{ unit }}", "--", "true").code == 1
    held = (*ended, "held/{{ unit }}", "--", "true")
    assert place("run", "--name", "held", "--set", "wake.hold=true", *held).code == 0
    until(lambda: place("check", "held").out and place("status", "held", "--json").json["decision"]["held"])
    place("run", "--name", "paused", "--items", "a", *WRITER, "--output", "paused/a", "--", "sleep", "600")
    place("pause", "paused")
    for name, shown in (("asked", "claude-waiting-command"), ("puzzled", "claude-waiting-question")):
        place.up(asking_plan(place.path, name, first=recorded(f"{shown}.80x24")))
        until(partial(_stuck, place, name))
    place.tmux("new-session", "-d", "-s", "mine_a", "sleep 600")
    place.tmux("new-session", "-d", "-s", "val_1", "sleep 600")
    place("watch-sessions", "mine_", "--socket", "faces", "--dry-run")  # once, what the client's version is, is kept
    place("run", "--name", "lost", "--items", "a", *WRITER, "--output", "lost/a", "--", "sleep", "600")
    place.disown("lost")
    stopped = ("--items", "a", "b", *WRITER, "--set", "cleanup.rounds=0", "--output", "short/{{ unit }}")
    place("run", "--name", "short", *stopped, "--", "sh", "-c", 'test "$1" = a || sleep 600', "sh", "{{ group.key }}")
    until(lambda: place("check", "short").out and _states(place, "short")["short_a"] == "exited")
    _afar(place)
    place.repository()
    apart = ("--items", "a", *WRITER, "--set", "workers.isolate=worktree", *COMMAND)
    assert place("run", "--name", "apart", "--wait", *apart).code == 0
    place.plan(SLEEPER.replace("night", "other").replace("out/", "other/"), "other.toml")
    place.plan(SLEEPER + "[stuck]\nafter = 77\n", "longer.toml")
    until(lambda: not place.checking())  # the end of `held`'s worker calls for a check of its own


def test_a_dry_run_says_what_would_be_done_and_does_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with_stand_in(place, monkeypatch)
    _stage(place)
    files, sessions, jobs = place.tree(), place.tmux("list-sessions", "-F", "#S"), place.jobs()

    for verb, words in DOING.items():
        said = place(verb, "--dry-run", *words)
        told = place(verb, "--dry-run", "--json", *words)

        assert said.out.startswith("would "), (verb, said)
        assert said.code in (0, 4), (verb, said)
        assert told.json["dry_run"] is True, verb
        assert told.json["would"], verb
        assert f"would {TOLD.get(verb, '')}" in said.out, (verb, said)
        assert files == place.tree(), verb
    assert sessions == place.tmux("list-sessions", "-F", "#S")
    assert jobs == place.jobs()


def test_every_doing_verb_is_dry_run_above() -> None:
    assert {verb for verb, (_, _, does, _) in cli.VERBS.items() if does} == DOING.keys()


def test_a_dry_run_refuses_what_the_real_one_refuses(place: Place) -> None:
    place.up()

    for words in (("accept", "night"), ("unpause", "night"), ("clean", "night"), ("up", "none.toml")):
        assert place(*words).code == place(*words, "--dry-run").code == 2, words


# --- what workers ask -------------------------------------------------------------------------------------------


def _asked(place: Place, monkeypatch: pytest.MonkeyPatch, shown: str) -> str:
    """Have a worker ask what a recorded screen asks; return the fingerprint that `status` tells."""
    with_stand_in(place, monkeypatch)
    place.up(asking_plan(place.path, first=recorded(shown)))
    until(partial(_stuck, place, "asked"))
    [need] = place("status", "asked", "--json").json["needs"]
    seen: str = need["seen"]
    return seen


def test_a_permission_is_given_once_by_the_command_that_status_proposes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _asked(place, monkeypatch, "2.1.332/claude-waiting-permission.80x24")
    [need] = place("status", "asked", "--json").json["needs"]
    command = next(one["line"] for one in need["commands"] if one["answers"])

    said = place(*shlex.split(command)[1:])
    again = place(*shlex.split(command)[1:])

    assert (0, ["1"]) == (said.code, keys(place.path / "asked.drawn"))
    assert '✓ approved once asked_a: chose "Yes"' in said.out
    assert (2, True) == (again.code, "shows no dialog that is understood" in again.err)
    [request] = [line for line in place("log", "asked", "--type", "requested", "--json").out.splitlines() if line]
    data = json.loads(request)["data"]
    assert ("approve", "once", user_name(), "cli") == (data["verb"], data["text"], data["who"], data["face"])
    assert place("audit", "asked").code == 0


def test_a_question_that_has_changed_since_it_was_seen_gets_no_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _asked(place, monkeypatch, "2.1.332/claude-waiting-question.80x24")

    late = place("answer", "asked_a", "prose", "--seen", seen[::-1])
    wrong = place("approve", "asked_a", "--seen", seen)
    right = place("answer", "asked_a", "prose", "--seen", seen)

    assert "this is no longer what it asks; now:" in late.err
    assert f"wakeman answer asked/asked_a ANSWER --seen {seen}" in late.err
    assert (2, True) == (wrong.code, "asks a question, not a permission" in wrong.err)
    assert (0, ["2"]) == (right.code, keys(place.path / "asked.drawn"))


# --- what is damaged or missing -------------------------------------------------------------------------------


def test_a_damaged_log_is_named_and_does_not_hide_the_others(place: Place) -> None:
    place.up()
    (place.state / "damaged").mkdir()
    (place.state / "damaged" / "events.jsonl").write_text('{"v":1}\n')

    said = place()
    listed = place("status", "--json", "--exit-code")

    assert said.code == 0
    assert "night " in said.out
    assert "damaged" in said.out
    assert listed.code == 6
    assert {"night": "open", "damaged": "damaged"} == {
        data["deployment"]: data["outcome"] for data in listed.json["deployments"]
    }
    assert place("check", "damaged").code == 6
    assert place("doctor").code == 1
    assert place("stop", "night_a").code == 0
    assert place("up", place.plan(SLEEPER.replace("night", "other").replace("out/", "other/"))).code == 0


def test_the_doctor_names_what_is_missing_and_what_mends_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.path))
    (place.path / ".claude").mkdir()
    (place.path / ".claude" / "agents.json").write_text("{")

    said = place("doctor", "--json")
    levels = {finding["what"]: finding["level"] for finding in said.json["findings"]}

    assert said.code == 1
    assert said.json["ok"] is False
    assert {"python": "ok", "tmux": "missing", "agents.json": "missing", "state": "ok"}.items() <= levels.items()
    assert any("install" in command for command in said.json["next"])
    assert "fix tmux: " in place("doctor").out


def test_the_doctor_finds_a_deployment_without_an_alarm(place: Place) -> None:
    place.up()
    assert place("doctor").code == 0

    # Its worker stays: the end of one starts a check, which sets an alarm.
    subprocess.run(["atrm", *place.jobs()], check=False)
    said = place("doctor", "--json")

    assert said.code == 1
    assert "wakeman check night" in said.json["next"]


def test_agents_are_listed_with_their_origin(place: Place) -> None:
    (place.path / ".claude").mkdir()
    profile = {"librarian": {"description": "keeps books", "prompt": "You keep books."}}
    (place.path / ".claude" / "agents.json").write_text(json.dumps(profile))
    file = place.plan(SLEEPER + '[agents.mine]\ndescription = "d"\nprompt = "p"\n')

    agents = place("agents", file, "--json").json["agents"]

    origins = {agent["name"]: agent["origin"] for agent in agents}
    assert (f"{place.path}/.claude/agents.json", "plan") == (origins["librarian"], origins["mine"])
    assert {"custodian", "dev-lead", "ops", "reviewer"} == {
        name for name, origin in origins.items() if origin == "wakeman"
    }
    assert "keeps books" in place("agents").out


def test_without_at_up_says_what_the_stand_in_cannot_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = place.path / "bin"
    bare.mkdir()
    for directory in ("/bin", "/usr/bin", "/usr/local/bin"):
        for program in Path(directory).iterdir():
            if program.name not in ("at", "atq", "atrm", "batch") and not (bare / program.name).is_symlink():
                (bare / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(bare))

    said = place("up", place.plan())

    assert said.code == 0, said.err
    assert ("sleep timer" in said.out, "gone" in said.out) == (True, False)
    assert "does not survive" in said.err
    assert place("up", "plan.toml", "--json").json["weakness"]
    assert place("status", "night", "--json").json["alarm"]["kind"] == "sleep"


# --- the program by itself ------------------------------------------------------------------------------------


def _program(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: os.environ[name] for name in ("TMUX_TMPDIR", "HOME") if name in os.environ}
    env["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    argv = [sys.executable, "-c", code, *words] if code else [sys.executable, "-m", "wakeman", *words]
    return subprocess.run(argv, env=env, cwd="/", capture_output=True, text=True, check=False, timeout=60)


def test_it_runs_with_an_empty_environment(place: Place) -> None:
    place.up()

    ran = _program("check", "night", "--state", str(place.state), "--by", "at", "--quiet")

    assert (4, "", "") == (ran.returncode, ran.stdout, ran.stderr)


def test_importing_the_command_line_loads_nothing_else() -> None:
    ran = _program(
        code="import sys, typing; a = set(sys.modules); import wakeman.faces.cli; print(*set(sys.modules) - a)"
    )

    assert {"wakeman", "wakeman.faces", "wakeman.faces.cli"} >= set(ran.stdout.split()) - {"__future__"}


def test_a_check_of_a_sleeping_deployment_loads_only_what_it_needs(place: Place) -> None:
    place.up()
    place("check", "night")
    code = (
        "import sys; from wakeman.faces.cli import main; main(sys.argv[1:]);"
        "print(*({name.partition('.')[0] for name in sys.modules}))"
    )

    ran = _program("check", "night", "--state", str(place.state), "--by", "at", "--quiet", code=code)
    loaded = set(ran.stdout.split())

    assert "msgspec" in loaded, ran.stderr
    assert not loaded & {
        "argparse",
        "hashlib",
        "libtmux",
        "signal",
        "subprocess",
        "watchdog",
        "transitions",
        "difflib",
        "tomllib",
        "shutil",
        "tempfile",
        "logging",
        "json",
        "pathlib",
    }


WORDS = (
    "night",
    "-x",
    "--",
    "",
    "--state",
    "/s",
    "--by",
    "at",
    "hand",
    "--head",
    "7:ab",
    "--quiet",
    "--json",
    "--by=at",
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(st.lists(st.sampled_from(WORDS), max_size=8))
def test_what_is_read_without_argparse_is_what_argparse_reads(words: list[str]) -> None:
    plain = plain_options(words, {})

    assert plain is None or vars(cli.parser("check").parse_args(words)) == vars(plain)


def test_the_words_of_an_alarm_are_read_without_argparse() -> None:
    plain = plain_options(["night", "--state", "/s", "--by", "at", "--quiet", "--head", "7:ab"], {})

    assert plain is not None
    assert ("night", "/s", "at", "7:ab") == (plain.name, plain.state, plain.by, plain.head)


ASKED = ("night", "--json", "--state", "/s", "--all", "--only", "stuck", "", "--", "-x", "--json=1", "two")


@settings(suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(st.lists(st.sampled_from(ASKED), max_size=6))
def test_what_is_read_of_a_status_without_argparse_is_what_argparse_reads(words: list[str]) -> None:
    plain = plain_status(words, {})

    assert plain is None or vars(cli.parser("status").parse_args(words)) == vars(plain)


def test_the_words_of_a_program_that_asks_for_the_status_are_read_without_argparse() -> None:
    plain = plain_status(["night", "--json", "--state", "/s"], {})

    assert plain is not None
    assert ("night", "/s", True) == (plain.name, plain.state, plain.json)
    assert plain_status(["night", "--json"], {"WAKEMAN_STATUS_ALL": "1"}) is None


@pytest.mark.parametrize("key", ["WAKEMAN_CHECK_BY", "WAKEMAN_JSON", "WAKEMAN_DRY_RUN", "WAKEMAN_CHECK_QUIET"])
def test_a_variable_in_the_place_of_an_option_is_left_to_argparse(key: str) -> None:
    words = ["night", "--state", "/s", "--by", "at", "--quiet"]

    assert plain_options(words, {"WAKEMAN_STATE": "/t"}) is not None
    assert plain_options(words, {key: "x"}) is None


def test_a_check_runs_what_is_registered_for_its_end(place: Place) -> None:
    place.up()
    code = (
        "import atexit, runpy, sys; atexit.register(print, 'flushed'); "
        "sys.argv = ['wakeman', *sys.argv[1:]]; runpy.run_module('wakeman', run_name='__main__')"
    )

    ran = _program("check", "night", "--state", str(place.state), "--by", "at", "--quiet", code=code)

    assert (4, "flushed\n") == (ran.returncode, ran.stdout), ran.stderr


def test_a_reader_that_leaves_early_is_no_error(place: Place) -> None:
    place.up()
    script = f"{shlex.quote(sys.executable)} -m wakeman log night --state {shlex.quote(str(place.state))} | true"

    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert ran.stderr == ""


def test_a_terminal_that_cannot_show_a_character_gets_its_escape(place: Place) -> None:
    place.up()
    place("waive", "a", "--why", "schön")
    argv = [sys.executable, "-m", "wakeman", "log", "night", "--state", str(place.state)]

    ran = subprocess.run(argv, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert b"sch\\xf6n" in ran.stdout


def test_commands_that_are_proposed_reach_the_same_state_directory(place: Place) -> None:
    other = str(place.path / "other place")

    said = place("run", "--items", "a", *WRITER, "--state", other, "--json", "--wait", *COMMAND)

    assert f"wakeman log run --state '{other}'" in said.json["next"]


LOGGED_IN = """\
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}.txt"
[workers]
harness = "claude"
mode = "interactive"
auto_approve = "edits"
prompt = "x"
"""
TRUSTED = {"hasTrustDialogAccepted": True}


@pytest.mark.parametrize(
    ("known", "lacking"),
    [
        (None, ["hasCompletedOnboarding is not true", "trusts neither"]),
        ({"hasCompletedOnboarding": True, "projects": {}}, ["trusts neither"]),
        ({"hasCompletedOnboarding": True, "projects": {"/": TRUSTED}}, []),
        ({"hasCompletedOnboarding": True, "projects": {"HERE": TRUSTED}}, []),
        ({"hasCompletedOnboarding": True, "projects": {"HERE": {"hasTrustDialogAccepted": False}}}, ["trusts neither"]),
        ([], ["Expected `object`"]),
    ],
)
def test_the_doctor_names_what_the_users_own_settings_lack_and_changes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, known: object, lacking: list[str]
) -> None:
    here = os.path.realpath(place.path)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(place.path))
    file, before = place.path / ".claude.json", ""
    if known is not None:
        before = json.dumps(known).replace("HERE", here)
        file.write_text(before)

    found = place("doctor", place.plan(LOGGED_IN), "--json").json["findings"]

    said = [one["found"] for one in found if one["what"] == "claude's settings" and one["level"] == "missing"]
    assert len(lacking) == len(said)
    assert [] == [word for word, text in zip(lacking, said, strict=True) if word not in text]
    assert before == (file.read_text() if file.exists() else "")
    assert [] == [one for one in found if "trusts" in one["found"] and f"cd {here} && claude" not in one["mend"]]


@pytest.mark.parametrize("more", ['mode = "print"', 'env_from = ["ANTHROPIC_API_KEY"]', 'env_file = "keys"'])
def test_the_doctor_asks_for_no_trust_where_a_key_or_print_mode_makes_it_needless(
    place: Place, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(place.path))
    (place.path / ".claude.json").write_text('{"hasCompletedOnboarding": true}')
    (place.path / "keys").write_text("ANTHROPIC_API_KEY=a-key-of-mine\n")
    text = LOGGED_IN.replace('mode = "interactive"\n', "") if "print" in more else LOGGED_IN

    found = place("doctor", place.plan(text + more + "\n"), "--json").json["findings"]

    assert ["ok"] == [one["level"] for one in found if one["what"] == "claude's settings"]


@pytest.mark.parametrize("words", [("--as-alarm",), ("FILE", "--as-alarm")])
def test_the_doctor_tries_an_agent_only_where_a_plan_names_one(place: Place, words: tuple[str, ...]) -> None:
    said = place("doctor", *(place.plan() if word == "FILE" else word for word in words))

    assert (2, True) == (said.code, said.err.startswith("error: doctor --as-alarm: found")), said.err


# --- confined -------------------------------------------------------------------------------------------------

CONFINED = SLEEPER.replace("stagger = 0", 'stagger = 0\nconfine = "units"').replace(
    "out/{{ unit }}", "out/{{ unit }}/o"
)


@pytest.mark.real
def test_confined_approval_of_everything_needs_no_word_and_is_shown(place: Place) -> None:
    if "ok" != next(f["level"] for f in place("doctor", "--json").json["findings"] if f["what"] == "confinement"):
        pytest.skip("nothing confines here")
    file = place.plan(CONFINED.replace("stagger = 0", 'stagger = 0\nauto_approve = "all"'))

    planned, shown = place("plan", file, "--json").json, place("plan", file).out
    up = place("up", file)

    assert (["wakeman up plan.toml"], 0) == (planned["next"], up.code), up.err
    assert f"may write to  {place.path}/out/a" in shown
    assert f"by {planned['confined']}" in shown
    assert f"{place.path}/out/a" in planned["workers"][0]["writes"]
    assert planned["confined"] == place("status", "night", "--json").json["confined"]
    assert f"confined: by {planned['confined']}" in place("status", "night", "--all").out


def test_the_doctor_says_when_nothing_confines(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.path))

    found = {finding["what"]: finding for finding in place("doctor", "--json").json["findings"]}

    assert "weak" == found["confinement"]["level"]
    assert 'workers.confine = "units" cannot be had' in found["confinement"]["found"]


def test_a_confined_night_is_rehearsed(place: Place) -> None:
    assert place("rehearse", place.plan(CONFINED)).code == 0


def test_how_a_worker_ended_is_said_in_our_words_and_only_the_rest_in_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    samples = str(Path(__file__).parents[2] / "state" / "samples")

    main(["--state", samples, "status", "demo", "--all"])

    shown = capsys.readouterr().out
    assert "  exit status 0\n" in shown
    assert "“exit" not in shown
