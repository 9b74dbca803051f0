"""A worker's end, or a hook, starts a check at once; many at the same time share a few; an alarm is always pending."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from tests.processes import processes
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

CROWD = 100
HANDFUL = 15
PLAN = f"""\
name = "night"
[units]
items = ["stays", {", ".join(f'"u{n}"' for n in range(CROWD))}]
output = "out/{{{{ unit }}}}"
[workers]
name = "night_{{{{ group.name }}}}"
command = ["sh", "work.sh", "{{{{ group.key }}}}"]
socket = "SOCKET"
stagger = 0
at_once = {CROWD + 1}
"""
WORK = '[ "$1" = stays ] && cat stay; cat go; mkdir -p out; echo done >"out/$1"'


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged(Rig) as made:
        yield made


def checking(rig: Rig) -> bool:
    return any(one.checks for one in processes(str(rig.state)))


def test_a_hundred_ends_at_once_cost_a_handful_of_checks_under_a_standing_alarm(rig: Rig) -> None:
    rig.write(PLAN)
    rig.write(WORK, "work.sh")
    os.mkfifo(rig.place / "go")
    os.mkfifo(rig.place / "stay")
    assert 0 == rig.run("up", "wakeman.toml").returncode
    until(lambda: CROWD + 1 == len(list(rig.state.glob("night/attempts/*/claim"))), 60)
    rig.run("check", "night")  # whatever the launch called for is over: the lock was free
    before = len(rig.events())

    with (rig.place / "go").open("w"):
        pass  # everybody who reads it goes on, and ends
    unarmed = 0
    while CROWD > sum(event["type"] == "verified" for event in rig.events()):
        unarmed += not (rig.alarms() or rig.alarms())  # a job may be replaced between its listing and its reading
    until(lambda: not checking(rig), 60)

    looks = [e["by"] for e in rig.events()[before:] if e["type"] == "looked" and e["by"].startswith("exit:")]
    assert 0 == unarmed
    assert 1 <= len(looks) <= HANDFUL, looks


def test_a_hook_calls_for_a_check_as_the_end_of_a_worker_does(rig: Rig) -> None:
    rig.write(PLAN)
    rig.write(WORK, "work.sh")
    os.mkfifo(rig.place / "go")
    os.mkfifo(rig.place / "stay")
    assert 0 == rig.run("up", "wakeman.toml").returncode

    said = subprocess.run(["sh", str(rig.state / "night" / "check.sh"), "hook"], env={}, timeout=60)

    assert 4 == said.returncode  # not finished yet
    assert [e for e in rig.events() if e["type"] == "looked" and e["by"].startswith("hook:")]
