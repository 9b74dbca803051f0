"""Each thing that a launch needs, broken one by one: `doctor` says so, and `up` begins nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from tests.real.rig import PATH, REAL, Rig
from tests.real.test_bad_world import private_mounts
from tests.waiting import until

pytestmark = [
    *REAL,
    pytest.mark.skipif(not private_mounts(), reason="needs root, and mounts of its own (unshare -m)"),
]

PLAN = """\
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}"
[workers]
by = "{{ unit }}"
name = "night_{{ group.key }}"
command = ["sh", "-c", "echo done >out/a"]
socket = "SOCKET"
[wake]
every = "1h"
"""
TINY = "mount -t tmpfs -o size=64k none {0} && {{ cat /dev/zero >{0}/filler 2>/dev/null; true; }}"


class Broken(NamedTuple):
    """How one prerequisite is broken, which finding says so, with which word; whether `up` still begins."""

    finding: str
    word: str
    mounts: str = ":"
    programs: Mapping[str, str] = MappingProxyType({})
    begins: bool = False


BROKEN = {
    "a state directory without programs": Broken("state", "noexec", "mount -t tmpfs -o noexec none {state}"),
    "a state directory that is read-only": Broken("state", "writ", "mount -t tmpfs -o ro none {state}"),
    "a state directory that is full": Broken("state", "o space left", TINY.replace("{0}", "{state}")),
    "no tmux": Broken("tmux", "not found", programs={"tmux": ""}),
    "a tmux that cannot be run": Broken("tmux", "tmux", programs={"tmux": "exit 127"}),
    "a tmux that makes no session": Broken(
        "tmux",
        "lost server",
        programs={"tmux": 'case $1 in -V) echo "tmux 3.3a" ;; *) echo lost server >&2; exit 1 ;; esac'},
    ),
    "no at": Broken("at", "not on PATH", programs={"at": ""}, begins=True),
    "an at with a full spool": Broken(
        "at",
        "No space left",
        programs={"at": 'echo "Cannot create atjob file: No space left on device" >&2; exit 1'},
        begins=True,
    ),
    "an at with a read-only spool": Broken(
        "at",
        "Read-only",
        programs={"at": 'echo "Cannot open lockfile: Read-only file system" >&2; exit 1'},
        begins=True,
    ),
    "an at whose jobs are not queued": Broken(
        "at", "not in the queue", programs={"at": 'echo "job 7 at Sun Nov 22 06:40:00 2026" >&2'}, begins=True
    ),
    "outputs on a read-only disk": Broken("outputs", "Read-only", "mount -t tmpfs -o ro none {out}"),
    "outputs on a full disk": Broken("outputs", "No space left", TINY.replace("{0}", "{out}")),
}


def given(rig: Rig, broken: Broken, *words: str) -> tuple[int, str, str]:
    """Run the program where that is broken; nobody else sees it so."""
    bare = rig.place / "bin"
    if not bare.exists():
        bare.mkdir()
        for directory in reversed(PATH.split(":")):
            for program in Path(directory).iterdir():
                if program.name in broken.programs:
                    continue
                (bare / program.name).unlink(missing_ok=True)
                (bare / program.name).symlink_to(program)
        for name, text in broken.programs.items():
            if text:
                (bare / name).write_text(f"#!/bin/sh\n{text}\n")
                (bare / name).chmod(0o755)
    rig.state.mkdir(exist_ok=True)
    (rig.place / "out").mkdir(exist_ok=True)
    mounts = broken.mounts.format(state=rig.state, out=rig.place / "out")
    argv = ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh", *rig.argv(*words)]
    said = rig.call(argv, rig.clean() | {"PATH": str(bare)})
    return said.returncode, said.stdout, said.stderr


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found_by_trying_it(rig: Rig, name: str) -> None:
    broken = BROKEN[name]
    rig.write(PLAN)

    for words in (("doctor",), ("doctor", "wakeman.toml")):
        if broken.finding == "outputs" and len(words) == 1:
            continue
        code, out, err = given(rig, broken, *words, "--json")
        findings = [f for f in json.loads(out)["findings"] if f["what"] == broken.finding]
        assert {"weak" if broken.finding == "at" else "missing"} == {f["level"] for f in findings}, findings
        assert broken.word in findings[0]["found"] + findings[0]["mend"], (findings, err)
        assert findings[0]["mend"]
        assert (broken.finding != "at") == bool(code)

    code, out, err = given(rig, broken, "up", "wakeman.toml", "--wait", "--timeout", "60")
    if broken.begins:
        assert (0, True) == (code, broken.word in err), (out, err)
        assert "a process that sleeps is the alarm" in err
    else:
        assert code in (1, 2), (out, err)
        assert broken.word in err, err
        assert not rig.log().exists()
        assert "hint: " in err
    assert [] == rig.sessions()
    assert ["filler"] >= [path.name for path in rig.state.iterdir() if path.name.startswith(".trial")]


def test_where_nothing_is_broken_everything_is_ok_and_nothing_is_left(rig: Rig) -> None:
    rig.write(PLAN)
    _, out, _ = given(rig, Broken("", ""), "doctor", "wakeman.toml", "--json")

    found = {f["what"]: f["level"] for f in json.loads(out)["findings"]}
    assert {"ok"} == {found[what] for what in ("tmux", "at", "state", "outputs")}, out
    assert ([], []) == (rig.sessions(), [*rig.state.iterdir()])
    assert [] == rig.alarms()


def test_a_trial_takes_away_the_session_of_one_that_was_killed_and_no_other(rig: Rig) -> None:
    rig.write(PLAN)
    marks = {"left": "trial/1@00000001", "runs": "trial/2@00000002", "theirs": ""}
    for name, mark in marks.items():
        rig.tmux("new-session", "-d", "-s", name, "cat", ";", "set-option", "-g", "remain-on-exit", "on")
        rig.tmux("set-option", "-t", f"={name}:", "@wakeman", mark)
        rig.tmux("set-option", "-p", "-t", f"={name}:", "@wakeman_pane", "1")  # our own is still open
    for name in ("left", "theirs"):
        os.kill(rig.panes()[name], signal.SIGKILL)
        until(lambda name=name: rig.tmux("display-message", "-p", "-t", f"={name}:", "#{pane_dead}") == "1")  # type: ignore[misc] # bound

    given(rig, Broken("", ""), "doctor", "wakeman.toml")

    assert {"runs", "theirs"} == set(rig.sessions())


def test_a_trial_takes_away_the_directory_of_one_that_was_killed_and_of_no_other(rig: Rig) -> None:
    rig.write(PLAN)
    for name, age_s in {"0123456789ab": 4000, "0123456789ac": 60, "notes": 4000}.items():
        made = rig.state / f".trial-{name}"
        (made / "attempts").mkdir(parents=True)
        os.utime(made, (time.time() - age_s,) * 2)

    given(rig, Broken("", ""), "doctor", "wakeman.toml")

    assert {".trial-0123456789ac", ".trial-notes"} == {path.name for path in rig.state.iterdir()}
