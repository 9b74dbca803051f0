"""The user's own tmux server and the user's own launcher, as the playbook has them."""

from __future__ import annotations

import os
import subprocess

from tests.real.rig import PATH, REAL, Rig
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}.txt"
[workers]
by = "{{ unit }}"
name = "condense_{{ group.name }}"
harness = "HARNESS"
command = COMMAND
stagger = 0
socket = "SOCKET"
env_from = ["KEY"]
[workers.env]
MODE = "calm"
"""

WORK = "mkdir -p out; echo {{ group.key }} $MODE $KEY >out/{{ group.key }}.txt"

LAUNCHER = """\
#!/bin/sh
# As a user's own: -t detached, -a approve, -s NAME, -A AGENT, then the prompt.
while [ $# -gt 1 ]; do
  case $1 in -s) name=$2; shift 2 ;; -A) shift 2 ;; *) shift ;; esac
done
exec tmux -S "SOCKET" new-session -d -s "$name" -e MODE="$MODE" -e KEY="$KEY" "sh $1"
"""


def launcher(rig: Rig) -> None:
    file = rig.place / "claude_cli.sh"
    file.write_text(LAUNCHER.replace("SOCKET", str(rig.socket)))
    file.chmod(0o755)
    for unit in ("a", "b"):
        wait = "until [ -e go ]; do sleep 0.1; done"
        (rig.place / f"{unit}.sh").write_text(f"{wait}; mkdir -p out; echo {unit} $MODE $KEY >out/{unit}.txt\n")


def with_key(rig: Rig) -> dict[str, str]:
    return {**rig.clean(), "KEY": "k-4711"}


def outputs(rig: Rig) -> dict[str, str]:
    return {path.name: path.read_text() for path in rig.place.glob("out/*.txt")}


def test_a_users_own_launcher_starts_the_sessions_and_they_are_adopted(rig: Rig) -> None:
    launcher(rig)
    command = '["./claude_cli.sh", "-t", "-a", "-s", "{{ worker }}", "-A", "librarian", "{{ group.key }}.sh"]'
    rig.write(PLAN.replace("HARNESS", "external").replace("COMMAND", command))

    up = rig.run("up", "wakeman.toml", env=with_key(rig))

    assert 0 == up.returncode, up.stderr
    marks = rig.tmux("list-sessions", "-F", "#{session_name} #{@wakeman}").splitlines()
    assert ["condense_a night/condense_a/1", "condense_b night/condense_b/1"] == sorted(m.split("@")[0] for m in marks)
    (rig.place / "go").touch()
    until(lambda: 2 == len(outputs(rig)) and not rig.sessions(), 30)
    assert 0 == rig.run("check", "night").returncode
    assert {"a.txt": "a calm k-4711\n", "b.txt": "b calm k-4711\n"} == outputs(rig)
    assert {None} == {worker["exit_code"] for worker in rig.status()["workers"]}


def test_a_launcher_that_makes_no_session_is_a_launch_that_failed(rig: Rig) -> None:
    rig.write(PLAN.replace("HARNESS", "external").replace("COMMAND", '["true"]'))

    up = rig.run("up", "wakeman.toml", env=with_key(rig))

    assert 1 == up.returncode
    assert "nobody was started: launch failed: the launcher made no session 'condense_a'" in up.stderr
    why = [event["data"]["why"] for event in rig.events() if event["type"] == "exited"]
    assert "the launcher made no session 'condense_a'" in why[0]


def test_on_the_users_own_server_other_sessions_and_global_options_are_left_alone(rig: Rig) -> None:
    env = {**with_key(rig), "TMUX_TMPDIR": str(rig.place)}
    rig.socket = rig.place / f"tmux-{os.getuid()}" / "default"
    rig.write(
        PLAN.replace("HARNESS", "command")
        .replace("COMMAND", f"""["sh", "-c", "{WORK}; sleep 3"]""")
        .replace("SOCKET", "default")
    )
    own = ["tmux", "new-session", "-d", "-s", "mine", "sleep 600"]
    assert 0 == rig.call(own, env).returncode

    up = rig.run("up", "wakeman.toml", "--wait", "--timeout", "60", env=env)

    listed = rig.call(["tmux", "list-sessions", "-F", "#{session_name}"], env).stdout.split()
    globals_ = rig.call(["tmux", "show-options", "-g", "remain-on-exit"], env).stdout
    subprocess.run(["tmux", "-S", str(rig.socket), "kill-session", "-t", "=mine"], env={"PATH": PATH})
    assert (0, ["mine"], "off") == (up.returncode, listed, (globals_.split() or ["", "off"])[-1]), up.stderr
    assert {"a.txt": "a calm k-4711\n", "b.txt": "b calm k-4711\n"} == outputs(rig)


def test_while_they_work_they_stand_in_the_users_list_of_sessions(rig: Rig) -> None:
    env = {**with_key(rig), "TMUX_TMPDIR": str(rig.place)}
    rig.socket = rig.place / f"tmux-{os.getuid()}" / "default"
    rig.write(PLAN.replace("HARNESS", "command").replace("COMMAND", '["sleep", "600"]').replace("SOCKET", "default"))

    assert 0 == rig.run("up", "wakeman.toml", env=env).returncode

    listed = rig.call(["sh", "-c", "tmux list-sessions | grep -o '^condense_[ab]'"], env).stdout.split()
    assert ["condense_a", "condense_b"] == sorted(listed)
    assert 0 == rig.run("down", "night", env=env).returncode
