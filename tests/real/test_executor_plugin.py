"""A night whose workers run where another package's executor has them: no file of Wakeman knows of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins import forked
from tests.processes import processes
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a", "b", "c"]
output = "out/{{ unit }}"
[workers]
executor = "forked"
name = "night_{{ group.key }}"
command = ["sh", "-c", 'COMMAND', "sh", "{{ group.key }}"]
at_once = 2
stagger = 0
[stuck]
backoff = 0
[wake]
every = "1h"
[executor]
niceness = 5
"""
WORKS = 'echo works; mkdir tried 2>/dev/null && exit 3; mkdir -p out; nice >"out/$1"'
"""The first of all attempts fails: one of two at a time, as only one can make a directory."""


class Plugged(Rig):
    """A rig beside whose programs the package is installed."""

    def clean(self) -> dict[str, str]:
        return super().clean() | {"PYTHONPATH": str(self.place / "lib")}


@pytest.fixture
def rig() -> Iterator[Plugged]:
    with rigged(Plugged) as rig:
        info = rig.place / "lib" / "wakeman_forked-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wakeman-forked\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[wakeman.executors]\nforked = wakeman_forked:ForkedBackend\n")
        shutil.copy(Path(forked.__file__), rig.place / "lib" / "wakeman_forked.py")
        yield rig


def test_a_night_runs_to_its_end_where_another_package_has_its_workers(rig: Plugged) -> None:
    rig.write(PLAN.replace("COMMAND", WORKS))

    said = rig.run("up", "wakeman.toml", "--wait")

    assert 0 == said.returncode, (said.stdout, said.stderr, rig.trail())
    assert {"a", "b", "c"} == {file.name for file in (rig.place / "out").iterdir()}
    assert all(5 <= int(file.read_text()) for file in (rig.place / "out").iterdir())
    host = rig.events()[0]["data"]["host"]
    assert ("forked", {"forks": f"{rig.state}/night/forks", "niceness": "5"}) == (host["executor"], host["place"])
    assert 4 == sum(1 for event in rig.events() if event["type"] in ("launched", "relaunched"))
    assert not rig.socket.exists()
    until(lambda: not list(processes(f"{rig.place}/state/night/attempts")), 20)
    assert [] == list((rig.state / "night" / "forks").iterdir())
    assert 0 == rig.run("audit", "night").returncode


def test_what_was_printed_is_shown_and_there_is_nothing_to_attach_to(rig: Plugged) -> None:
    rig.write(PLAN.replace("COMMAND", "echo works; sleep 300"))
    rig.run("up", "wakeman.toml")
    until(lambda: "works" in rig.run("capture", "night_a").stdout, 20)

    attached = rig.run("attach", "night_a", "--print")
    down = rig.run("down", "night")
    until(lambda: not list(processes(f"{rig.place}/state/night/attempts")), 20)

    assert 0 != attached.returncode
    assert "forked: its sessions have no terminal" in attached.stderr
    assert (0, "stopped") == (down.returncode, rig.status()["outcome"]), down


def test_what_its_executor_was_asked_for_is_not_amended(rig: Plugged) -> None:
    rig.write(PLAN.replace("COMMAND", "sleep 300"))
    rig.run("up", "wakeman.toml")
    rig.write(PLAN.replace("COMMAND", "sleep 300").replace("niceness = 5", "niceness = 6"))

    amended = rig.run("amend", "wakeman.toml")
    rig.run("down", "night")
    until(lambda: not list(processes(f"{rig.place}/state/night/attempts")), 20)

    assert (2, True) == (amended.returncode, "[executor] is another than it went up with" in amended.stderr), amended


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            '"forked"',
            '"forkd"',
            "workers.executor: found 'forkd', expected one of tmux, slurm, ssh, forked; did you mean",
        ),
        ("at_once = 2", 'harness = "external"', "wakeman.toml:9: workers.harness: found 'external', whose launcher"),
        ("niceness = 5", "nicenes = 5", "wakeman.toml:16: executor.nicenes: unknown key; did you mean 'niceness'?"),
        ("niceness = 5", 'niceness = "5"', "wakeman.toml:16: executor.niceness: found '5'; expected a whole number"),
        ("niceness = 5", "niceness = 20", "wakeman.toml:16: executor.niceness: found 20; expected at most 19"),
        ("niceness = 5", "image = 1\nniceness = -1", "wakeman.toml:16: executor.image: unknown key"),
        ("niceness = 5", "image = 1\nniceness = -1", "wakeman.toml:17: executor.niceness: found -1; expected at least"),
        ('"forked"', '"tmux"', "wakeman.toml:15: executor: found beside workers.executor = 'tmux', whose keys are in"),
        (
            '"forked"',
            '"slurm"',
            "wakeman.toml:15: executor: found beside workers.executor = 'slurm', whose keys are in",
        ),
        ("niceness = 5", "niceness = 2026-12-01", "wakeman.toml:16: executor.niceness: found 2026-12-01; expected a"),
    ],
    ids=[
        "a name that nobody has",
        "a launcher that makes sessions itself",
        "a key that it has not",
        "a key of another type",
        "a number outside its bounds",
        "two at once: the first",
        "two at once: the second",
        "beside the default",
        "beside a table of its own",
        "a date",
    ],
)
def test_a_plan_that_the_place_cannot_serve_is_refused_with_its_line(
    rig: Plugged, old: str, new: str, says: str
) -> None:
    rig.write(PLAN.replace("COMMAND", WORKS).replace(old, new))

    said = rig.run("plan", "wakeman.toml")

    assert (2, True) == (said.returncode, says in said.stderr), said.stderr
