"""Claude Code for real: no dialog stops it, its state is told right, it is finished gently and goes on after a cut."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.agents.clients import KEY, Agents, needs
from tests.real.rig import REAL
from tests.waiting import until

pytestmark = [*REAL, needs("claude"), pytest.mark.timeout(180)]
LIVE = {"mode": '"interactive"'}


def state(agents: Agents, name: str = "w") -> tuple[str, str | None]:
    """Give a worker's state and reason as the last check had them."""
    said = agents.run("status", "night", "--recorded", "--json").stdout
    worker = next(one for one in json.loads(said)["workers"] if one["name"] == name)
    return worker["state"], worker["reason"]


def begin(agents: Agents) -> None:
    """Bring the plan up and see that it is."""
    up = agents.run("up", "wakeman.toml", "--yes")
    assert 0 == up.returncode, up.stderr


def pids(agents: Agents, word: str) -> list[int]:
    """List the processes of the plan's workers whose command line holds a word."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            marked = str(agents.place).encode() in (place / "environ").read_bytes()
            words = (place / "cmdline").read_bytes()
            if marked and word.encode() in words and b"wrapper.sh" not in words:
                found.append(int(place.name))
        except OSError:
            continue
    return found


def test_interactive_workers_meet_no_dialog_and_are_finished_gently(agents: Agents) -> None:
    agents.plan("claude", **LIVE)

    up = agents.up()

    assert (0, ["a.md", "b.md", "c.md", "d.md"]) == (up.returncode, agents.files()), up.stderr + agents.tmux("ls")
    ended = [(worker["state"], worker["exit_code"], worker["ended_by"]) for worker in agents.status()["workers"]]
    assert [("verified", 0, "wakeman")] * 2 == ended
    assert [] == [line for line in agents.sightings() if "waiting" in line or "error" in line]
    assert not (agents.place / ".claude.json").exists()


def test_seven_workers_make_fifty_four_outputs(agents: Agents) -> None:
    agents.plan("claude", units=json.dumps([f"u{n:02}" for n in range(54)]), max_units="8")

    up = agents.up(100)

    assert (0, 54, 7) == (up.returncode, len(agents.files()), len(agents.status()["workers"])), up.stderr


def test_one_that_stops_early_is_told_what_is_missing_and_makes_it(agents: Agents) -> None:
    agents.plan("claude", task="play=partial")

    up = agents.up()

    assert (0, 2) == (up.returncode, len(agents.status()["workers"])), up.stderr
    assert ["verified", "verified"] == [worker["state"] for worker in agents.status()["workers"]]


def test_a_question_in_a_dialog_is_waiting_at_once(agents: Agents) -> None:
    agents.plan("claude", task="play=asks", units='["a"]', **LIVE)
    begin(agents)

    until(lambda: state(agents) == ("stuck", "waiting"), 30)


def test_a_permission_is_waiting_at_once(agents: Agents) -> None:
    agents.plan("claude", units='["a"]', auto_approve="false", **LIVE)
    begin(agents)

    until(lambda: state(agents) == ("stuck", "waiting"), 30)
    assert "asks for a permission: Write" in json.dumps(agents.events())


def test_a_question_in_text_is_not_done(agents: Agents) -> None:
    agents.plan("claude", task="play=wonders", units='["a"]', **LIVE)
    begin(agents)

    until(lambda: "w running idle" in agents.sightings(), 30)
    assert "refused.2" in os.listdir(agents.state / "night/attempts/w.1/said")
    assert ("running", None) == state(agents)


def test_a_rate_limit_that_it_waits_out_itself_is_no_trouble(agents: Agents) -> None:
    agents.plan("claude", task="play=rate", units='["a"]')

    up = agents.up()

    assert (0, 1) == (up.returncode, agents.status()["workers"][0]["attempt"]), up.stderr
    assert [] == [line for line in agents.sightings() if "limited" in line or "error" in line]


def test_a_session_that_hangs_is_silent_though_its_screen_moves(agents: Agents) -> None:
    agents.plan("claude", task="play=hang", units='["a"]', **LIVE)
    begin(agents)

    until(lambda: [agents.run("check", "night"), state(agents)][1] == ("stuck", "silent"), 60)


def test_a_client_that_was_killed_goes_on_with_its_conversation(agents: Agents) -> None:
    agents.plan("claude", task="play=slow", units='["a", "b"]')
    begin(agents)
    until(lambda: bool(agents.files()), 30)
    for pid in pids(agents, "stream-json"):
        os.kill(pid, signal.SIGKILL)

    waited = agents.run("wait", "night", "--timeout", "60")

    assert (0, ["a.md", "b.md"]) == (waited.returncode, agents.files()), waited.stderr
    launches = [e["data"] for e in agents.events() if e["type"] == "intended" and e["data"]["action"] == "launch"]
    assert [None, True] == [launch.get("resume") for launch in launches]
    assert launches[0]["agent_session"] == launches[1]["agent_session"]


def test_a_usage_limit_is_waited_for_and_the_worker_goes_on(agents: Agents) -> None:
    agents.models.state["seconds"] = 25
    agents.plan("claude", task="play=limit", units='["a"]')
    begin(agents)
    until(lambda: state(agents)[0] == "exited", 30)
    limited = agents.status()["workers"][0]

    waited = agents.run("wait", "night", "--timeout", "90")

    assert ("limit", 0) == (limited["ended_by"], waited.returncode), waited.stderr
    assert 2 == agents.status()["workers"][0]["attempt"]


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
    assert [] == [line for line in agents.sightings() if "waiting" in line]
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
    agents.plan("claude", task="play=toils", units='["a"]', auto_approve='"all"', **LIVE)
    sandboxed(agents)
    begin(agents)
    until(lambda: bool(pids(agents, "sleep 40")), 30)

    until(lambda: [agents.run("check", "night"), agents.files()][1] == ["a.md"], 90)

    assert [] == [e["data"] for e in agents.events() if e["type"] == "stalled"]
    assert [] != [
        s for e in agents.events() if e["type"] == "looked" for s in e["data"].get("sightings", []) if s.get("working")
    ]


def test_tokens_of_an_interactive_session_are_read_from_its_transcript(agents: Agents) -> None:
    agents.plan("claude", units='["a"]', **LIVE)

    up = agents.up()

    assert 0 == up.returncode, up.stderr
    assert {"input": 300, "output": 60} == agents.status()["tokens"]


def test_a_session_that_a_person_interrupts_is_idle_though_no_hook_says_so(agents: Agents) -> None:
    agents.plan("claude", task="play=hang", units='["a"]', **LIVE)
    begin(agents)
    until(lambda: [agents.run("check", "night"), "w running busy" in agents.sightings()][1], 30)

    agents.tmux("send-keys", "-t", "=w:", "Escape")

    until(lambda: [agents.run("check", "night"), "w running idle" in agents.sightings()][1], 30)


def test_children_that_a_finished_client_left_are_ended(agents: Agents) -> None:
    agents.plan("claude", task="play=orphans", units='["a"]', auto_approve='"all"', **LIVE)
    sandboxed(agents)

    up = agents.up()

    assert 0 == up.returncode, up.stderr
    until(lambda: not pids(agents, "7200"), 20)


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
    agents.plan("claude", task="play=wonders", units='["a"]', **LIVE)
    begin(agents)
    until(lambda: "w running idle" in agents.sightings(), 30)

    for text in ("Look at @wakeman.toml", "!echo no shell", "/help me", "one\ntwo;\n\\"):
        # One that is refused, while the turn before ends, types nothing.
        until(lambda text=text: agents.run("send", "night/w", text, "--submit", "--wait").returncode == 0, 40)  # type: ignore[misc] # a bound loop variable

    told = [event["data"] for event in agents.events() if event["type"] == "confirmed"]
    assert [(True, "the client said so")] * 4 == [(one["ok"], one["why"]) for one in told]
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
    agents.plan("claude", units='["a"]', auto_approve="false", confine='"units"', **LIVE)
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
