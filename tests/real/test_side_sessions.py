"""A session that a worker starts is recognised as its own, and ended when it is too old; others are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "PLACE/out/{{ unit }}.txt"
[workers]
command = ["sh", "-c", "test $0 = b || tmux new-session -d -s val_$0 sleep 600; exec sleep 600", "{{ worker }}"]
socket = "SOCKET"
stagger = 0
[cleanup]
sweep = [{ sessions = "val_*", older_than = "3s" }]
[wake]
every = "1h"
"""


@pytest.fixture
def night() -> Iterator[Rig]:
    with rigged(Rig) as rig:
        rig.write(PLAN)
        yield rig


def seen(night: Rig) -> list[tuple[str, str | None]]:
    """List the validators that a check has just seen."""
    night.run("check", "night")
    told = night.status()["validators"]
    return sorted((one["session"], one["worker"]) for one in told)


def test_a_validator_is_listed_with_its_worker_and_ended_when_it_is_too_old(night: Rig) -> None:
    assert 0 == night.run("up", "wakeman.toml").returncode
    until(lambda: "val_a" in night.sessions(), 10)
    night.tmux("new-session", "-d", "-s", "val_mine", "sleep 600")

    assert [("val_a", "a"), ("val_mine", None)] == seen(night)
    until(lambda: [night.run("check", "night"), "val_a" not in night.sessions()][1], 30)

    assert [("val_mine", None)] == seen(night)
    assert {"a", "b", "val_mine"} == set(night.sessions())
    ends = [(e["worker"], e["data"]["target"]) for e in night.events() if e["data"].get("action") == "sweep"]
    assert [("a", "val_a")] == ends
    assert 0 == night.run("audit", "night").returncode


def test_a_validator_that_outlives_its_worker_ends_with_it(night: Rig) -> None:
    night.write(PLAN.replace('"3s"', '"1h"').replace("exec sleep 600", "exec true"))
    assert 0 == night.run("up", "wakeman.toml").returncode

    until(lambda: [night.run("check", "night"), "val_a" not in night.sessions()][1], 30)
