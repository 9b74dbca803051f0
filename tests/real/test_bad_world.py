"""Faults of the environment: tmux, disk, variables. They are reported, nothing is lost, and the deployment
continues."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.processes import processes
from tests.real.rig import REAL, Rig, Said
from tests.waiting import until
from tests.words import NO_FILE, READ_ONLY_DISK

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
name = "night_{{ group.name }}"
command = ["sleep", "600"]
socket = "SOCKET"
stagger = 0
[wake]
to = [{ run = ["sh", "-c", 'printf "%s\\\\n" "$1" >>PLACE/told', "sh", "{{ message }}"] }]
"""


def private_mounts() -> bool:
    if shutil.which("unshare") is None or os.geteuid() != 0:
        return False
    return (
        subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    )


pytestmark = REAL
mounts = pytest.mark.skipif(not private_mounts(), reason="needs root, and mounts of its own (unshare -m)")


def up(rig: Rig, plan: str = PLAN, **env: str) -> None:
    rig.write(plan)
    said = rig.run("up", "wakeman.toml", env=rig.clean() | env)
    assert 0 == said.returncode, said.stderr


def settled(rig: Rig, *workers: str) -> None:
    """Return when the last check has seen these workers run, and their programs do."""
    rig.run("check", "night")
    until(lambda: {"running"} == {w["state"] for w in rig.status()["workers"] if w["name"] in workers}, 30)
    # A claim comes before the program: the wrapper, the one that waits, the program itself.
    until(lambda: {3} == {len(family(pid)) for name, pid in rig.panes().items() if name in workers}, 30)


def family(pid: int) -> list[int]:
    """List a process and all below it; none for one that has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in family(int(child)))]


def cut_down(pids: list[int]) -> None:
    """End a family, children first, so that none of them can write down how another ended.

    Boundary: a tmux server that runs sets its stopped children going again; it has to be stopped before them.
    """
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in reversed(pids):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def hung(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def killed_by(rig: Rig, session: str) -> str:
    """Return the signal that ended a session's program, as the server has it.

    Source: tmux issue 311: while its utmp helper runs, the end of a child goes unnoticed until the next one's.
    """
    os.kill(rig.server(), signal.SIGCHLD)
    return rig.tmux("display-message", "-p", "-t", f"={session}:", "#{pane_dead_signal}")


# --- the tmux server ----------------------------------------------------------------------------------------------


def test_a_tmux_that_is_not_installed_is_named_with_what_installs_it(rig: Rig) -> None:
    rig.write(PLAN)
    before = rig.everything()

    said = rig.run("up", "wakeman.toml", env={"PATH": "/nowhere", "HOME": str(rig.place)})

    assert (1, "") == (said.returncode, said.stdout)
    assert ("error: tmux: not found on /nowhere\nhint: apt-get install tmux, or brew install tmux\n") == said.stderr
    assert before == rig.everything()


def test_where_no_server_runs_up_starts_it(rig: Rig) -> None:
    assert {} == rig.panes()

    up(rig)

    assert {"night_a", "night_b"} == rig.panes().keys()


def test_a_worker_whose_server_is_gone_is_lost_and_the_next_check_starts_it_again(rig: Rig) -> None:
    up(rig)
    settled(rig, "night_a", "night_b")
    server = rig.server()
    cut_down(family(server))
    until(lambda: not rig.panes())

    status = rig.status()
    check = rig.run("check", "night")

    assert {("exited", "its tmux server is gone", "machine")} == {
        (w["state"], w["why"], w["ended_by"]) for w in status["workers"]
    }
    assert 4 == check.returncode, check.stderr
    assert {"a": 2, "b": 2} == {w["name"].removeprefix("night_"): w["attempt"] for w in rig.status()["workers"]}
    assert {"night_a", "night_b"} == rig.panes().keys()
    assert server != rig.server()


def test_a_server_that_is_killed_costs_no_attempt_and_no_unit(rig: Rig) -> None:
    up(rig)
    settled(rig, "night_a", "night_b")

    os.kill(rig.server(), signal.SIGKILL)

    until(lambda: {2} == {w["attempt"] for w in rig.status()["workers"]}, 60)
    until(lambda: {"night_a", "night_b"} == rig.panes().keys(), 30)
    assert (2, 1) == (rig.status()["units"]["total"], len(rig.alarms()))
    ends = [event["data"] for event in rig.events() if event["type"] == "exited"]
    assert [("machine", True, True)] * 2 == [
        (end["ended_by"], end["free"], "its tmux server is gone" in end["why"]) for end in ends
    ]


def test_a_hung_server_is_said_within_bounds_and_decides_nothing(rig: Rig) -> None:
    up(rig)
    settled(rig, "night_a", "night_b")
    rig.write(PLAN.replace('"night"', '"other"', 1).replace("night_", "other_").replace("out/", "other/"), "other.toml")
    before, rows, events = rig.everything(), rig.rows(), len(rig.events())
    begun = time.monotonic()

    with hung(rig.server()):
        calls = (("status", "night"), ("check", "night"), ("up", "wakeman.toml"), ("up", "other.toml"))
        status, check, again, other = rig.side_by_side(*calls)

    silence = f"tmux socket {rig.socket}: no answer within 10 s"
    warning = f"warning: {silence}; its workers cannot be observed, so nothing is decided about them\n"
    assert time.monotonic() - begun < 30
    assert (0, True) == (status.returncode, f"cannot be observed: {silence}" in status.stdout), status.stdout
    assert (4, warning) == (check.returncode, check.stderr)
    refused = (1, "", f"error: {silence}\nhint: wakeman --state {rig.state} doctor\n")
    assert refused == (again.returncode, again.stdout, again.stderr)
    assert refused == (other.returncode, other.stdout, other.stderr)
    _, panes, alarms = rig.everything()
    assert before[1:] == (panes, alarms)
    assert ["looked", "decided"] == [event["type"] for event in rig.events()[events:]]
    assert [*rows, "sleep"] == rig.rows()
    assert not (rig.state / "other").exists()


def test_a_socket_that_cannot_be_made_fails_the_launch_and_says_why(rig: Rig) -> None:
    rig.write(PLAN.replace("SOCKET", "/proc/none/tmux"))
    before = rig.everything()

    said = rig.run("up", "wakeman.toml")

    assert (1, "") == (said.returncode, said.stdout)
    assert (
        "error: nobody can be launched: tmux: tmux socket /proc/none/tmux: its directory cannot be made:"
        f" {NO_FILE}\nhint: choose another place: workers.socket, or --socket\n"
    ) == said.stderr
    assert before == rig.everything()


def test_a_socket_that_cannot_be_made_any_more_fails_the_launch_and_says_why(rig: Rig) -> None:
    rig.socket = rig.place / "sockets" / "tmux"
    before = f"""before = [["sh", "-c", "rm -rf {rig.socket.parent}; touch {rig.socket.parent}"]]"""
    rig.write(PLAN.replace("stagger = 0", f"stagger = 0\n{before}"))

    said = rig.run("up", "wakeman.toml")

    assert (1, True) == (said.returncode, "nobody was started: launch failed: tmux socket " in said.stderr), said.stderr
    why = f"launch failed: tmux socket {rig.socket}: its directory cannot be made: "
    assert {("exited", True)} == {(w["state"], w["why"].startswith(why)) for w in rig.status()["workers"]}


# --- a session of that name that is not ours ------------------------------------------------------------------------


def test_a_strangers_session_is_refused_at_plan_time_and_left_alone(rig: Rig) -> None:
    rig.tmux("-f", "/dev/null", "new-session", "-d", "-s", "night_b", "sleep 600")
    rig.write(PLAN)
    before = rig.everything()

    said = rig.run("up", "wakeman.toml")

    assert (2, "") == (said.returncode, said.stdout)
    assert (
        "error: wakeman.toml:6: workers.name: session 'night_b' belongs to somebody else;"
        " choose another workers.name or workers.socket\n"
        f"hint: fix it, then: wakeman --state {rig.state} plan wakeman.toml\n"
    ) == said.stderr
    assert before == rig.everything()


def test_a_strangers_session_that_comes_before_the_launch_fails_it_and_is_left_alone(rig: Rig) -> None:
    appears = (
        "tmux -S SOCKET has-session -t =night_b || tmux -f /dev/null -S SOCKET new-session -d -s night_b 'sleep 600'"
    )
    limits = "[stuck]\nattempts = 1\n[cleanup]\nrounds = 0\n"
    plan = PLAN.replace("stagger = 0", f'stagger = 0\nbefore = [["sh", "-c", "{appears}"]]')

    up(rig, plan + limits)

    pane = rig.panes()["night_b"]
    states = {w["name"]: (w["state"], w["why"]) for w in rig.status()["workers"]}
    state, why = states["night_b"]
    why, _, _ = str(why).partition("@")
    assert ("exited", "launch failed: tmux session night_b: exists, and is not of night/night_b/1") == (state, why)
    rig.run("check", "night")
    rig.run("down", "night")
    assert ({"night_b": pane}, "") == (rig.panes(), rig.tmux("display-message", "-p", "-t", "=night_b:", "#{@wakeman}"))


# --- the state directory ------------------------------------------------------------------------------------------


def test_a_state_directory_that_is_a_file_is_named_and_left_alone(rig: Rig) -> None:
    rig.write(PLAN)
    rig.state.write_text("mine")
    before = rig.everything()

    said = rig.run("up", "wakeman.toml")

    hint = "hint: move the file in the way aside, or choose another state directory with --state\n"
    assert (1, "", f"error: {rig.state}: Not a directory\n{hint}") == (said.returncode, said.stdout, said.stderr)
    assert before == rig.everything()


def inside(rig: Rig, mount: str, *argv: str) -> Said:
    """Run a command where the state directory is mounted otherwise; nobody outside sees it so."""
    script = f'state=$1; shift; {mount} && exec "$@"'
    return rig.call(["unshare", "-m", "sh", "-c", script, "sh", str(rig.state), *argv])


READ_ONLY = 'mount --bind "$state" "$state" && mount -o remount,bind,ro "$state"'
FULL = (
    'full=$(mktemp -d) && mount -t tmpfs -o size=1m none "$full" && cp -a "$state/." "$full"'
    ' && mount --bind "$full" "$state" && ADOPT && { cat /dev/zero >"$state/filler" 2>/dev/null; true; }'
)


@mounts
def test_a_read_only_state_directory_is_named_and_the_workers_go_on(rig: Rig) -> None:
    up(rig)
    rig.write(PLAN.replace('"night"', '"other"', 1).replace("night_", "other_").replace("out/", "other/"), "other.toml")
    before = rig.everything()

    check = inside(rig, READ_ONLY, *rig.argv("check", "night"))
    other = inside(rig, READ_ONLY, *rig.argv("up", "other.toml"))
    status = inside(rig, READ_ONLY, *rig.argv("status", "night"))

    hint = "hint: make that file system writable, or choose another state directory with --state\n"
    assert (1, "") == (check.returncode, check.stdout)
    assert f"error: {rig.state}/night/lock: {READ_ONLY_DISK}\n{hint}" == check.stderr
    assert (1, "") == (other.returncode, other.stdout)
    hint = "hint: use a directory that can be written to: --state DIR\n"
    assert f"error: nobody can be launched: state: {rig.state}: the file system is read-only\n{hint}" == other.stderr
    assert 0 == status.returncode, status.stderr
    assert before == rig.everything()
    assert 4 == rig.run("check", "night").returncode


@mounts
def test_an_alarm_on_a_read_only_state_directory_is_told_and_another_one_set(rig: Rig) -> None:
    rig.state = rig.place / "sta te$(touch pwned);`touch pwned`'"
    up(rig)
    (job,) = rig.alarms()
    body = rig.body(job)
    subprocess.run(["atrm", job], check=True)

    fired = inside(rig, READ_ONLY, "env", "-i", "/bin/sh", "-c", body)

    assert 1 == fired.returncode
    until((rig.place / "told").exists, 30)
    assert (
        "AT wake-up: night: the check could not be made. Next: wakeman check night, then wakeman doctor."
        " Do not do the units yourself.\n"
    ) == (rig.place / "told").read_text()
    (again,) = rig.alarms()
    looks = len(rig.events())
    rig.call(["env", "-i", "/bin/sh", "-c", rig.body(again)])
    assert ["looked", "decided"] == [e["type"] for e in rig.events()[looks:] if e["type"] not in ("armed", "started")]
    assert not list(rig.place.rglob("pwned"))


@mounts
def test_a_full_state_directory_is_named_and_the_log_stays_whole(rig: Rig) -> None:
    up(rig)
    settled(rig, "night_a", "night_b")
    rig.write(PLAN.replace('"night"', '"other"', 1).replace("night_", "other_").replace("out/", "other/"), "other.toml")
    before, log = rig.everything(), rig.log().read_bytes()
    program, state = " ".join(rig.argv()[:4]), f"--state {rig.state}"
    script = (
        f"{program} reject a --why {'x' * 6000} {state}; echo $?;"
        f" {program} up other.toml {state}; echo $?;"
        f" head -c {len(log)} {rig.log()} | cmp - {rig.place}/log; echo $?;"
        f" rm {rig.state}/filler; {program} check night {state} --quiet; echo $?;"
        f" {program} log night --type looked {state} >/dev/null; echo $?;"
        f" grep -o 'filled\\|freed' {rig.log()}"
    )
    (rig.place / "log").write_bytes(log)

    adopt = f"{program} adopt night {state} >/dev/null"  # the copy is another directory than the one that began
    said = inside(rig, FULL.replace("ADOPT", adopt), "sh", "-c", script)

    assert ["1", "1", "0", "4", "0", "filled", "freed"] == said.stdout.splitlines(), said.stderr
    assert [
        f"error: {rig.log()}: the disk is full, or the limit on file sizes is reached",
        "hint: free some space on that disk, then try again",
        f"error: nobody can be launched: state: {rig.state}: no space left on the disk",
        "hint: free some space, then try again",
    ] == said.stderr.splitlines()
    (rig.place / "log").unlink()
    assert (log, before[1:]) == (rig.log().read_bytes(), rig.everything()[1:])


# --- the environment ----------------------------------------------------------------------------------------------

KEY = "sk-not-for-anybodys-eyes"


def test_a_key_reaches_a_cleanup_worker_that_an_alarm_starts_with_nothing_in_its_environment(rig: Rig) -> None:
    worker = 'case $WAKEMAN_WORKER in *_c1) printf %s "$SECRET_KEY" >"$1" ;; *) exec sleep 600 ;; esac'
    plan = f"""\
name = "night"
units = {{ items = ["a"], output = "key.{{{{ unit }}}}" }}
stuck = {{ attempts = 1 }}
[workers]
command = ["sh", "-c", '{worker}', "sh", "key.{{{{ group.key }}}}"]
env_from = ["SECRET_KEY"]
socket = "SOCKET"
stagger = 0
"""
    up(rig, plan, SECRET_KEY=KEY)
    settled(rig, "a")
    pane = rig.panes()["a"]
    with hung(rig.server()):
        cut_down(family(pane))  # no exit file, so that nobody but the alarm looks
    until(lambda: "9" == killed_by(rig, "a"))
    (job,) = rig.alarms()

    fired = rig.call(["/bin/sh", "-c", rig.body(job)], env={})

    until(lambda: (rig.place / "key.a").exists() and KEY == (rig.place / "key.a").read_text(), 30)
    launched = [e["by"].partition(":")[0] for e in rig.events() if e["type"] == "launched" and e["worker"] == "a_c1"]
    assert (["at"], "") == (launched, fired.stderr)
    kept = rig.state / "night" / "secrets.sh"
    assert 0o600 == stat.S_IMODE(kept.stat().st_mode)
    assert [kept] == [p for p in rig.state.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
    assert [] == [job for job in rig.alarms() if KEY in rig.body(job)]
    assert KEY not in rig.tmux("show-environment", "-g") + rig.tmux("show-environment", "-t", "=a:")
    assert [] == list(processes(KEY))
