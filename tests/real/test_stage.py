"""Outputs staged by real workers on a real disk: nothing incomplete, and no other file, reaches a target."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.processes import processes
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
name = "night_{{ group.name }}"
command = ["sh", "work.sh", "{{ units_file }}", "{{ worker }}"]
socket = "SOCKET"
stagger = 0
stage = true
[stuck]
attempts = 1
[cleanup]
rounds = 0
"""
FIND = """\
out=$(sed 's/.*"outputs": \\["\\([^"]*\\)".*/\\1/' "$1")
"""


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged(Rig) as made:
        yield made


def installs(rig: Rig) -> list[str]:
    return [e["data"]["target"] for e in rig.events() if e["type"] == "intended" and e["data"]["action"] == "install"]


def test_a_worker_killed_in_the_midst_of_a_write_leaves_nothing_in_place(rig: Rig) -> None:
    rig.write(PLAN)
    rig.write(FIND + 'exec 3>"$out"; echo half >&3; echo $$ >"$2.pid"; sleep 600', "work.sh")
    assert 0 == rig.run("up", "wakeman.toml").returncode
    pids = [rig.place / f"night_{name}.pid" for name in "ab"]
    until(lambda: all(pid.exists() and pid.read_text() for pid in pids), 30)
    rig.run("check", "night")
    rig.run("check", "night")

    for pid in pids:
        os.kill(int(pid.read_text()), signal.SIGKILL)
    until(lambda: "wrap up" in rig.rows() or all(w["state"] == "exited" for w in rig.status()["workers"]), 60)

    staged = list(rig.state.glob("night/attempts/*/stage/out/*"))
    assert ["half\n", "half\n"] == [file.read_text() for file in staged]
    assert not (rig.place / "out").exists()
    assert [] == installs(rig)


def test_two_workers_that_write_each_others_outputs_do_not(rig: Rig) -> None:
    rig.write(PLAN)
    rig.write(
        FIND
        + 'echo "$2" >"$out"; dir=$(dirname "$out"); for o in a b; do [ -e "$dir/$o" ] || echo other >"$dir/$o"; done',
        "work.sh",
    )

    assert 0 == rig.run("up", "wakeman.toml", "--wait").returncode

    assert ["night_a\n", "night_b\n"] == [(rig.place / "out" / name).read_text() for name in "ab"]
    assert {"a", "b"} == set(installs(rig))
    assert 0 == rig.run("audit", "night").returncode


def test_what_a_person_put_there_meanwhile_stays_and_is_told(rig: Rig) -> None:
    rig.write(PLAN)
    rig.write(FIND + 'cat go; echo "$2" >"$out"', "work.sh")
    os.mkfifo(rig.place / "go")
    assert 0 == rig.run("up", "wakeman.toml").returncode
    (rig.place / "out").mkdir()
    (rig.place / "out" / "a").write_text("mine\n")
    until(lambda: 2 == sum(["cat", "go"] == one.argv for one in processes("cat")), 30)

    with (rig.place / "go").open("w"):
        pass
    until(lambda: any(e["type"] == "conflicted" for e in rig.events()), 60)
    until((rig.place / "out" / "b").exists, 60)

    status = rig.status()
    assert ("open", ["a"]) == (status["outcome"], status["units"]["missing"])
    assert "mine\n" == (rig.place / "out" / "a").read_text()

    (rig.place / "out" / "a").rename(rig.place / "aside")
    rig.run("check", "night")

    assert "night_a\n" == (rig.place / "out" / "a").read_text()
    assert "complete" == rig.status()["outcome"]


def test_a_stage_on_another_file_system_is_copied_and_renamed(rig: Rig) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == rig.place.stat().st_dev:
        pytest.skip("there is no other file system to write to")
    place = shared / rig.place.name
    place.mkdir()
    try:
        rig.write(PLAN.replace('"out/{{ unit }}"', f'"{place}/{{{{ unit }}}}"'))
        rig.write(FIND + 'echo "$2" >"$out"', "work.sh")

        assert 0 == rig.run("up", "wakeman.toml", "--wait").returncode

        assert ["a", "b"] == sorted(os.listdir(place))
        assert "night_a\n" == (place / "a").read_text()
    finally:
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
