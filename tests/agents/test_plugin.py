"""Claude Code and the plugin: it is valid, two commands install it from a clone, and a session is told by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.agents.alone import Start, Terminal, kept, scratch
from tests.agents.clients import QUIET, Agents, needs
from tests.agents.models import serving
from tests.agents.recorded import version_of
from tests.agents.sessions import SESSIONS
from tests.drawn import WORKS, keys, recorded, stand_in
from tests.real.rig import REAL
from tests.waiting import until

from wakeman.ports import release

pytestmark = [*REAL, needs("claude"), pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).parents[2]
PROGRAM = f"{Path(sys.executable).parent}/wakeman"
SLEEPER = """
name = "night"
units = { items = ["a"], output = "out/{{ unit }}" }
workers = { command = ["sleep", "600"], stagger = 0, socket = "SOCKET" }
"""

WORKERS = """
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sh", "-c", "mkdir -p out; until [ -e go ]; do sleep 0.1; done; date > out/$0.txt", "{{ group.key }}"]
stagger = 0
socket = "SOCKET"
"""


def surroundings(agents: Agents) -> dict[str, str]:
    """Return the environment of a client whose home is scratch."""
    agents.client = "claude"
    return {**agents.clean(), **QUIET, "DISABLE_AUTOUPDATER": "1"}


def newest(agents: Agents) -> bool:
    """Return whether the client knows monitors and the checks of the catalog."""
    told = agents.call(["claude", "plugin", "validate", "--help"], surroundings(agents))
    return "--profile" in told.stdout


@pytest.fixture
def monitors() -> None:
    """Skip, before anything is begun, where the client has no monitors."""
    since, there = SESSIONS["claude-live-monitor"].since, version_of("claude")
    if release(there) < release(since):
        pytest.skip(f"version {there} has no monitors, {since} has")


@contextmanager
def night(place: Path, program: str = PROGRAM, **env: str) -> Iterator[Callable[..., str]]:
    """Give what runs `wakeman` in a place with a plan; whatever happens, the deployment is ended, and its workers."""
    known = {"PATH": os.environ["PATH"], "HOME": str(place), "WAKEMAN_STATE": str(place / "state"), **env}

    def wakeman(*words: str) -> str:
        ran = subprocess.run([program, *words], cwd=place / "work", env=known, capture_output=True, text=True)
        return ran.stdout

    try:
        yield wakeman
    finally:
        wakeman("down", "night")
        subprocess.run(["tmux", "-S", str(place / "workers"), "kill-server"], capture_output=True)


def test_it_is_valid_to_the_letter_also_for_the_catalog(agents: Agents) -> None:
    if not newest(agents):
        pytest.skip("this version does not know `--profile`")
    strict = ["claude", "plugin", "validate", "--strict"]
    plugin = agents.call([*strict, "--profile", "directory", str(REPOSITORY / "plugin")], surroundings(agents))
    market = agents.call([*strict, str(REPOSITORY)], surroundings(agents))

    assert 0 == plugin.returncode, plugin.stdout + plugin.stderr
    assert 0 == market.returncode, market.stdout + market.stderr


def test_two_commands_install_it_from_a_clone_and_its_parts_are_listed(agents: Agents) -> None:
    env = {**surroundings(agents), "WAKEMAN_PROGRAM": PROGRAM}
    added = agents.call(["claude", "plugin", "marketplace", "add", str(REPOSITORY)], env)
    installed = agents.call(["claude", "plugin", "install", "wakeman@wakeman"], env)
    assert (0, 0) == (added.returncode, installed.returncode), added.stderr + installed.stderr

    listed = agents.call(["claude", "mcp", "list"], env).stdout

    assert [True] == ["Connected" in line for line in listed.splitlines() if line.startswith("plugin:wakeman:wakeman:")]
    if newest(agents):
        details = agents.call(["claude", "plugin", "details", "wakeman"], env).stdout
        for part in ("orchestrate, report, status, up", "custodian", "dev-lead", "librarian", "ops", "reviewer"):
            assert part in details
        assert "MCP servers (1)  wakeman" in details
        assert "Hooks (1)  SessionStart" in details


@pytest.mark.usefixtures("monitors")
def test_a_session_is_told_what_is_open_when_it_starts_and_what_ends_while_it_is_idle() -> None:
    with scratch() as place, serving() as models, night(place) as wakeman:
        told = {"WAKEMAN_PROGRAM": PROGRAM, "WAKEMAN_STATE": str(place / "state")}
        (place / "work" / "wakeman.toml").write_text(SLEEPER.replace("SOCKET", str(place / "workers")))
        assert "night" in wakeman("up")
        args = ("--plugin-dir", str(REPOSITORY / "plugin"))
        start = Start("claude", True, "Say a word. play=claims -> /tmp/none", args=args, env=told, hooks=False)
        with Terminal(place, start, models.url, (120, 40)) as terminal:
            begun = terminal.awaited("Everything is complete", 60)
            assert begun
            watched = terminal.awaited("1 monitor", 30)
            assert watched, terminal.capture()
            until(lambda: _listens(place))
            before = len(models.asked)
            wakeman("down", "night")
            until(lambda: any("night: stopped, 0/1 units done" in each.said.told for each in models.asked[before:]))
            assert "wakeman: night: open, 0/1 units done" in kept(place, "claude")["record"]


@pytest.mark.usefixtures("monitors")
def test_claude_sleeps_while_the_workers_work_is_woken_by_the_monitor_and_wraps_up() -> None:
    with scratch() as place, serving() as models, night(place):
        told = {"WAKEMAN_PROGRAM": PROGRAM, "WAKEMAN_STATE": str(place / "state"), "MCP_TIMEOUT": "120000"}
        (place / "work" / "wakeman.toml").write_text(WORKERS.replace("SOCKET", str(place / "workers")))
        server = "mcp__plugin_wakeman_wakeman"
        models.state["steps"] = [
            (f"{server}__plan", {}),
            (f"{server}__up", {}),
            ("sleep", {"until": "night: complete"}),
            (f"{server}__report", {"deployment": "night"}),
        ]
        args = ("--plugin-dir", str(REPOSITORY / "plugin"), "--allowedTools", server)
        start = Start("claude", True, "Run it. play=orchestrates -> /tmp/none", args=args, env=told, hooks=False)
        with Terminal(place, start, models.url, (120, 40)) as terminal:
            begun = terminal.awaited("I end my turn", 90)
            assert begun, terminal.capture()
            watched = terminal.awaited("1 monitor", 30)
            assert watched, terminal.capture()
            until(lambda: _listens(place))
            before = len(models.asked)
            until(lambda: _asleep_for(models.asked[-1].answered, 3))
            while_they_work = len(models.asked) - before
            (place / "work" / "go").touch()
            over = terminal.awaited("The night is over", 60)
            assert over, terminal.capture()

        assert 0 == while_they_work
        assert {"a.txt", "b.txt"} == set(os.listdir(place / "work" / "out"))
        assert '"outcome":"complete"' in models.asked[-1].said.told


ASKER = """
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}.txt"
[workers]
name = "night_{{ group.name }}"
harness = "claude"
mode = "interactive"
prompt = "Do it."
socket = "SOCKET"
env_from = ["ANTHROPIC_API_KEY"]
[workers.env]
DRAWN = "DRAWN_IN"
"""


def _program_with_a_stand_in(place: Path) -> str:
    """Write a stand-in for the workers' client, and a `wakeman` that finds it before the real one; return the latter.

    Shape: it works until it gets a `g`, then asks; answered, it makes its file and ends.
    """
    question = recorded("2.1.332/claude-waiting-question.80x24")
    moves = {"first": {"g": "asks"}, "asks": dict.fromkeys("1234", "over")}
    stand_in(place / "bin", {"first": WORKS, "asks": question}, moves, makes="out/a.txt")
    program = place / "wakeman.sh"
    key = "ANTHROPIC_API_KEY=sk-ant-stand-in-0000000000000000"
    program.write_text(f'#!/bin/sh\nexec env "PATH={place}/bin:$PATH" {key} {PROGRAM} "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.mark.usefixtures("monitors")
def test_claude_runs_a_whole_night_sleeps_answers_a_question_when_it_is_told_of_it_and_wraps_up() -> None:
    with scratch() as place, serving() as models:
        program = _program_with_a_stand_in(place)
        told = {"WAKEMAN_PROGRAM": program, "WAKEMAN_STATE": str(place / "state"), "MCP_TIMEOUT": "120000"}
        plan = ASKER.replace("SOCKET", str(place / "workers")).replace("DRAWN_IN", str(place / "bin"))
        (place / "work" / "wakeman.toml").write_text(plan)
        server = "mcp__plugin_wakeman_wakeman"
        models.state["steps"] = [
            (f"{server}__plan", {}),
            (f"{server}__up", {}),
            ("sleep", {"until": "asks a question"}),
            (f"{server}__status", {"deployment": "night"}),
            (f"{server}__act", {"action": "answer", "workers": ["night_a"], "text": "Prose"}),
            ("sleep", {"until": "night: complete"}),
            (f"{server}__report", {"deployment": "night"}),
        ]
        worker = ("tmux", "-S", str(place / "workers"), "send-keys", "-t", "=night_a:", "g")
        args = ("--plugin-dir", str(REPOSITORY / "plugin"), "--allowedTools", server)
        start = Start("claude", True, "Run it. play=orchestrates -> /tmp/none", args=args, env=told, hooks=False)
        with night(place, program) as wakeman, Terminal(place, start, models.url, (120, 40)) as terminal:
            begun = terminal.awaited("I end my turn", 90)
            assert begun, terminal.capture()
            watched = terminal.awaited("1 monitor", 30)
            assert watched, terminal.capture()
            until(lambda: _listens(place))
            before = len(models.asked)
            until(lambda: _asleep_for(models.asked[-1].answered, 3))
            while_it_works = len(models.asked) - before
            subprocess.run(worker, check=True, env={"PATH": os.environ["PATH"]})
            until(lambda: "asks a question" in wakeman("check", "night") + wakeman("status", "night"), 60)
            over = terminal.awaited("The night is over", 150)
            assert over, terminal.capture()
            log = wakeman("log", "night", "--type", "requested", "--json")
        pressed = keys(place / "bin")

    assert 0 == while_it_works
    assert ["g", "2"] == pressed
    assert '"outcome":"complete"' in models.asked[-1].said.told
    [asked] = [json.loads(line)["data"] for line in log.splitlines()]
    assert ("answer", "Prose", "mcp") == (asked["verb"], asked["text"], asked["face"])


def _asleep_for(since: float, seconds: float) -> bool:
    """Return whether so much time has gone by since then."""
    return time.time() - since >= seconds


def _listens(place: Path) -> bool:
    """Return whether a monitor of this place has read the logs, and sleeps until it looks again."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words, env = (entry / "cmdline").read_bytes().split(b"\0"), (entry / "environ").read_bytes()
            if b"notices" in words and str(place).encode() in env and "nanosleep" in (entry / "wchan").read_text():
                return True
    return False
