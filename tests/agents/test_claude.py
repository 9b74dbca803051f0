"""The real Claude Code, beyond the scenes: from dialogs that must not appear to keys that must not be stored."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.agents.clients import KEY, Agents, needs
from tests.agents.scenes import pids
from tests.real.rig import REAL
from tests.waiting import until

pytestmark = [*REAL, needs("claude"), pytest.mark.timeout(180)]


def state(agents: Agents, name: str = "w") -> tuple[str, str | None]:
    """Return a worker's state and reason as the last check had them."""
    said = agents.run("status", "night", "--recorded", "--json").stdout
    worker = next(one for one in json.loads(said)["workers"] if one["name"] == name)
    return worker["state"], worker["reason"]


def begin(agents: Agents) -> None:
    """Bring the plan up and see that it is."""
    up = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == up.returncode, up.stderr


def test_interactive_workers_meet_no_dialog_and_are_finished_gently(agents: Agents) -> None:
    agents.plan("claude", mode='"interactive"')

    up = agents.up()

    assert (0, ["a.md", "b.md", "c.md", "d.md"]) == (up.returncode, agents.files()), up.stderr + agents.tmux("ls")
    ended = [(worker["state"], worker["exit_code"], worker["ended_by"]) for worker in agents.status()["workers"]]
    assert [("verified", 0, "wakeman")] * 2 == ended
    assert [] == [line for line in agents.observations() if "waiting" in line or "error" in line]
    assert not (agents.place / ".claude.json").exists()


def test_one_that_stops_early_is_told_what_is_missing_and_makes_it(agents: Agents) -> None:
    agents.plan("claude", task="play=partial")

    up = agents.up()

    assert (0, 2) == (up.returncode, len(agents.status()["workers"])), up.stderr
    assert ["verified", "verified"] == [worker["state"] for worker in agents.status()["workers"]]


def test_a_question_in_text_is_not_done(agents: Agents) -> None:
    agents.plan("claude", task="play=wonders", units='["a"]', mode='"interactive"')
    begin(agents)

    until(lambda: "w running idle" in agents.observations(), 30)
    assert "refused.2" in os.listdir(agents.state / "night/attempts/w.1/said")
    assert ("running", None) == state(agents)


def sandboxed(agents: Agents) -> None:
    """Tell the client that it may do all as root: it is alone with the stand-in."""
    text = (agents.place / "wakeman.toml").read_text().replace("[workers.env]", '[workers.env]\nIS_SANDBOX = "1"')
    (agents.place / "wakeman.toml").write_text(text)


@pytest.mark.parametrize("mode", ["print", "interactive"])
def test_own_files_are_written_unasked_in_the_default_mode_and_their_writer_is_told(agents: Agents, mode: str) -> None:
    agents.plan("claude", units='["a", "b"]', mode=json.dumps(mode))

    up = agents.up()

    assert (0, ["a.md", "b.md"]) == (up.returncode, agents.files()), up.stderr
    told = [e["data"] for e in agents.events() if e["type"] == "progressed"]
    assert ["a", "b"] == [file["unit"] for one in told if one.get("inferred") is False for file in one["files"]]
    assert [] == [line for line in agents.observations() if "waiting" in line]
    assert [] == list((agents.state / "night").glob("attempts/*/said/wrote.*"))


@pytest.mark.parametrize("approve", ["edits", "all"])
@pytest.mark.parametrize("mode", ["print", "interactive"])
def test_another_s_file_is_not_written_also_where_all_is_approved(agents: Agents, approve: str, mode: str) -> None:
    agents.plan("claude", task="play=strays", units='["a"]', auto_approve=json.dumps(approve), mode=json.dumps(mode))
    sandboxed(agents)

    up = agents.up()

    assert (0, ["a.md"]) == (up.returncode, agents.files()), up.stderr
    words = f"1 write was denied as not its own, the last to {agents.place}/work/foreign.md"
    assert words in json.dumps(agents.events())


def test_a_tool_that_works_longer_than_a_silence_is_no_silence(agents: Agents) -> None:
    agents.plan("claude", task="play=toils", units='["a"]', auto_approve='"all"', mode='"interactive"')
    sandboxed(agents)
    begin(agents)
    until(lambda: bool(pids(agents, "timeout 40")), 30)

    until(lambda: [agents.run("check", "night"), agents.files()][1] == ["a.md"], 90)

    assert [] == [e["data"] for e in agents.events() if e["type"] == "stalled"]
    assert [] != [
        s for e in agents.events() if e["type"] == "looked" for s in e["data"].get("sightings", []) if s.get("working")
    ]


def test_tokens_of_an_interactive_session_are_read_from_its_transcript(agents: Agents) -> None:
    agents.plan("claude", units='["a"]', mode='"interactive"')

    up = agents.up()

    assert 0 == up.returncode, up.stderr
    assert {"input": 300, "output": 60} == agents.status()["tokens"]


def test_a_session_that_a_person_interrupts_is_idle_though_no_hook_says_so(agents: Agents) -> None:
    agents.plan("claude", task="play=hang", units='["a"]', mode='"interactive"')
    begin(agents)
    until(lambda: [agents.run("check", "night"), "w running busy" in agents.observations()][1], 30)

    agents.tmux("send-keys", "-t", "=w:", "Escape")

    until(lambda: [agents.run("check", "night"), "w running idle" in agents.observations()][1], 30)


def test_a_key_stands_in_no_log_no_argument_and_no_screen(agents: Agents) -> None:
    agents.plan("claude", units='["a"]')
    agents.up()

    holding = [
        path.relative_to(agents.state).as_posix()
        for path in agents.state.rglob("*")
        if path.is_file() and KEY in path.read_text(errors="replace")
    ]
    assert ["night/secrets.sh"] == holding


def test_tokens_and_cost_are_those_that_it_reports(agents: Agents) -> None:
    agents.plan("claude", units='["a"]')
    agents.up()

    told = agents.status()
    assert told["tokens"]["input"] >= 200
    assert told["cost"] > 0


def test_a_text_that_is_sent_arrives_and_is_confirmed_by_the_client(agents: Agents) -> None:
    agents.plan("claude", task="play=wonders", units='["a"]', mode='"interactive"')
    begin(agents)
    until(lambda: "w running idle" in agents.observations(), 30)

    for text in ("Look at @wakeman.toml", "!echo no shell", "/help me", "one\ntwo;\n\\"):
        # One that is refused, while the turn before ends, types nothing.
        until(lambda text=text: agents.run("send", "night/w", text, "--submit", "--wait").returncode == 0, 40)  # type: ignore[misc] # a bound loop variable

    told = [event["data"] for event in agents.events() if event["type"] == "confirmed"]
    assert [True] * 4 == [one["ok"] for one in told], told
    assert 0 == agents.run("audit", "night").returncode


def test_the_doctor_has_one_agent_started_as_an_alarm_would(agents: Agents) -> None:
    before = set(Path("/tmp").glob("wk-doctor-*"))
    agents.plan("claude")

    said = agents.run("doctor", "wakeman.toml", "--as-alarm", "--json")

    tried = json.loads(said.stdout)["findings"][-1]
    assert ("an agent, as by an alarm", "ok", "it did a small unit") == (tried["what"], tried["level"], tried["found"])
    assert before == set(Path("/tmp").glob("wk-doctor-*"))


def test_the_doctor_says_why_an_agent_that_an_alarm_starts_gets_nowhere(agents: Agents) -> None:
    agents.models.state["refuses"] = True
    agents.plan("claude")

    tried = json.loads(agents.run("doctor", "wakeman.toml", "--as-alarm", "--json").stdout)["findings"][-1]

    assert "missing" == tried["level"]
    assert "exit status 1: Invalid API key" in tried["found"]


def test_the_hooks_of_a_confined_session_call_for_a_check(agents: Agents) -> None:
    agents.plan("claude", units='["a"]', auto_approve="false", confine='"units"', mode='"interactive"')
    begin(agents)

    until(lambda: state(agents) == ("stuck", "waiting"), 30)
    assert [] != [event for event in agents.events() if event["by"].startswith("hook:")]


@pytest.mark.parametrize(("confine", "left"), [("units", "{}\n"), ("off", "planted\n")])
def test_a_hook_is_planted_in_the_user_s_configuration_unless_the_worker_is_confined(
    agents: Agents, confine: str, left: str
) -> None:
    theirs = agents.place / ".claude" / "settings.json"
    theirs.parent.mkdir()
    theirs.write_text("{}\n")
    agents.plan("claude", task="play=plants", units='["a"]', auto_approve='"all"', confine=f'"{confine}"')
    text = (agents.place / "wakeman.toml").read_text().replace("[workers.env]", '[workers.env]\nIS_SANDBOX = "1"')
    (agents.place / "wakeman.toml").write_text(text)

    up = agents.up()

    assert (0, left) == (up.returncode, theirs.read_text()), up.stderr
    refused = [f"{agents.place}/.claude/settings.json"] if confine == "units" else None
    assert refused == agents.status()["workers"][0].get("refused")
