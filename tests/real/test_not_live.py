"""A log is data: what a clone, a copy, a container or another user brings is read, and runs and ends nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.forge import Forged
from tests.real.rig import REAL, Rig, Said, rigged
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sleep", "600"]
stagger = 0
socket = "SOCKET"
"""
VERBS: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "one": ("status", "night"),
    "log": ("log", "night"),
    "capture": ("capture", "night/a"),
    "attach": ("attach", "night/a"),
    "audit": ("audit", "night"),
    "replay": ("replay", "night"),
    "doctor": ("doctor",),
    "check": ("check", "night"),
    "resume": ("resume",),
    "wait": ("wait", "night", "--timeout", "1"),
    "pause": ("pause", "night"),
    "stop": ("stop", "night/a"),
    "retry": ("retry", "night/a"),
    "send": ("send", "night/a", "x", "--force"),
    "sweep": ("sweep", "*", "--older-than", "0", "--deployment", "night", "--yes"),
    "down": ("down", "night"),
    "clean": ("clean", "night"),
    "merge": ("merge", "night"),
    "watch": ("watch", "night"),
}
READING = ("status", "one", "log", "audit", "replay", "doctor")


@pytest.fixture
def night() -> Iterator[Rig]:
    """Give a rig in which two workers run."""
    with rigged(Rig) as rig:
        rig.write(PLAN)
        said = rig.run("up", "wakeman.toml")
        assert 0 == said.returncode, said.stderr
        until(lambda: 2 == len(rig.sessions()), 20)
        yield rig


def clone(night: Rig, *, marked: bool = True) -> Path:
    """Make a repository with a prepared state directory, whose log names a program of its own as tmux."""
    there = night.place / "clone"
    shutil.copytree(night.state, there / "state")
    (there / ".git").mkdir()
    if marked:
        (there / "state" / ".wakeman").touch()
    evil = there / "tmux.sh"
    evil.write_text(f"#!/bin/sh\ntouch {night.place}/ran\n")
    evil.chmod(0o755)
    file = there / "state" / "night" / "events.jsonl"
    forged = Forged(file.read_bytes().splitlines())
    forged.lines[0]["data"]["host"] |= {
        "directory": str(file.parent),
        "place": {"socket": str(there / "socket"), "tmux": str(evil)},
        "python": [str(evil)],
    }
    file.write_bytes(b"".join(forged.encoded()))
    (file.parent / "snapshot.json").unlink(missing_ok=True)
    return there


def inside(night: Rig, place: Path, *words: str) -> Said:
    """Call a verb in a directory, without naming a state directory."""
    argv = night.argv(*words)[: -len(("--state", "DIR"))]
    return subprocess.run(argv, cwd=place, env=night.clean(), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_that_a_clone_s_log_names_is_run(verb: str, night: Rig) -> None:
    there, panes = clone(night), night.panes()

    named = night.call([*night.argv(*VERBS[verb])[:-1], str(there / "state")])
    found = inside(night, there, *VERBS[verb])

    assert not (night.place / "ran").exists(), (named, found)
    assert panes == night.panes()
    assert "Traceback" not in named.stderr + found.stderr
    assert (verb in READING) == (named.returncode == 0 or verb == "doctor"), named


def test_a_clone_s_state_directory_is_not_found_by_itself(night: Rig) -> None:
    there = clone(night)

    said = inside(night, there, "status")

    assert f"--state {there}/state uses it" in said.stderr
    assert "night" not in said.stdout


def test_a_repository_s_state_directory_is_found_once_something_was_begun_in_it(night: Rig) -> None:
    (night.place / ".git").mkdir()
    (night.state / ".wakeman").touch()

    assert "night" in inside(night, night.place, "status").stdout


@pytest.mark.parametrize("verb", VERBS)
def test_a_copied_state_directory_touches_nothing_of_the_original(verb: str, night: Rig) -> None:
    copied = night.place / "copied"
    shutil.copytree(night.state, copied, copy_function=shutil.copy2)
    panes, alarms, lines = night.panes(), night.alarms(), len(night.events())

    said = night.call([*night.argv(*VERBS[verb])[:-1], str(copied)])

    assert (panes, alarms, lines) == (night.panes(), night.alarms(), len(night.events()))
    assert (verb in READING) == (said.returncode == 0 or verb == "doctor"), said
    if verb not in READING:
        assert "is a copy of" in said.stderr or verb == "resume"
    if verb in ("status", "one"):
        assert "is a copy of" in said.stdout + said.stderr


def namespaced(night: Rig, *words: str) -> Said:
    return night.call(["unshare", "--pid", "--fork", "--mount-proc", *night.argv(*words)])


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a PID namespace")
@pytest.mark.parametrize("verb", ["check", "resume", "down", "one"])
def test_a_container_decides_nothing_about_what_it_cannot_see(verb: str, night: Rig) -> None:
    panes, lines = night.panes(), len(night.events())

    said = namespaced(night, *VERBS[verb])

    assert "another PID namespace" in (said.stdout if verb == "one" else said.stderr)
    assert (panes, lines) == (night.panes(), len(night.events()))


def test_another_machine_decides_nothing(night: Rig) -> None:
    panes, lines = night.panes(), len(night.events())
    for file in (night.place / ".local/state/wakeman/registry").iterdir():
        kept = json.loads(file.read_text())
        kept["identity"]["machine"], kept["boot"] = "another", "another"
        file.write_text(json.dumps(kept))

    said = night.run("check", "night")

    assert 5 == said.returncode
    assert "is live on another machine" in said.stderr
    assert (panes, lines) == (night.panes(), len(night.events()))


@pytest.mark.parametrize("verb", ["down", "stop", "pause", "check"])
def test_another_user_is_refused(verb: str, night: Rig) -> None:
    """What `sudo` would do to a user's deployment; here the user is nobody, and root asks."""
    theirs = night.place / "theirs"
    shutil.copytree(night.state, theirs)
    subprocess.run(["chown", "-R", "65534:65534", str(theirs)], check=True)

    said = night.call([*night.argv(*VERBS[verb])[:-1], str(theirs)])

    assert 0 != said.returncode
    assert "belongs to nobody (uid 65534)" in said.stderr


@pytest.mark.parametrize("path", ["state", "state/night"])
def test_a_state_directory_that_others_may_write_to_is_refused(path: str, night: Rig) -> None:
    (night.place / path).chmod(0o777)
    try:
        said = night.run("check", "night")
        again = night.run("up", "wakeman.toml")
    finally:
        (night.place / path).chmod(0o700)

    assert (5, 5) == (said.returncode, again.returncode)
    assert f"chmod go-w {night.place / path}" in said.stderr
    assert 0 == night.run("pause", "night").returncode


def test_what_the_registry_lost_is_adopted_and_goes_on(night: Rig) -> None:
    shutil.rmtree(night.place / ".local/state/wakeman/registry")
    panes = night.panes()
    refused = night.run("pause", "night")
    assert "wakeman" in refused.stderr
    assert "adopt night" in refused.stderr

    said = night.run("adopt", "night")

    assert 0 == said.returncode, said.stderr
    assert panes == night.panes()
    assert 0 == night.run("audit", "night").returncode
    assert 0 == night.run("down", "night").returncode


def test_its_alarm_still_checks_it(night: Rig) -> None:
    before = len(night.events())
    (alarm,) = night.alarms()

    night.fire(alarm)

    until(lambda: len(night.events()) > before and len(night.alarms()) == 1, 30)
    assert "" == night.trail()


def test_what_a_repository_prepared_is_not_begun_in(night: Rig) -> None:
    prepared = night.state / "other"
    prepared.mkdir(mode=0o700)
    (prepared / "check.sh").write_text("touch ran\n")
    night.write(PLAN.replace('"night"', '"other"') + 'name = "other_{{ unit }}"\n', "other.toml")

    said = night.run("up", "other.toml")

    assert 5 == said.returncode
    assert "was not made by this user on this machine" in said.stderr
    assert ["check.sh"] == [path.name for path in prepared.iterdir()]


def test_a_log_that_is_not_the_one_that_began_has_no_say_about_places(night: Rig) -> None:
    night.write(PLAN.replace('"night"', '"other"') + 'name = "other_{{ unit }}"\n', "other.toml")
    before = night.run("plan", "other.toml")
    forged = Forged(night.log().read_bytes().splitlines())
    forged.lines[0]["data"]["host"] |= {"python": ["/bin/false"]}
    night.log().write_bytes(b"".join(forged.encoded()))
    (night.log().parent / "snapshot.json").unlink(missing_ok=True)

    after = night.run("plan", "other.toml")

    assert (2, True) == (before.returncode, "no other open deployment to write there" in before.stderr), before.stderr
    assert 0 == after.returncode, after.stderr


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs a mount namespace")
def test_of_two_machines_that_share_a_directory_the_one_that_adopted_last_decides(night: Rig) -> None:
    assert "was not begun by this user on this machine" in night.elsewhere("check", "night").stderr
    moved = night.elsewhere("adopt", "night")
    assert moved.returncode in (0, 4), moved.stderr
    jobs = night.alarms()
    fired = night.call(["/bin/sh", str(night.state / "night" / "check.sh"), "at"])

    assert 5 == fired.returncode
    assert jobs == night.alarms()  # the alarms are set by the other one
    refused = night.run("down", "night")
    assert (1, True) == (refused.returncode, "night: was adopted elsewhere since" in refused.stderr)
    assert 2 == len(night.sessions())
    back = night.run("adopt", "night")
    assert back.returncode in (0, 4), back.stderr
    assert "night: was adopted elsewhere since" in night.elsewhere("check", "night").stderr
