"""A kill at each step of the commands while workers are elsewhere: nothing is submitted twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from tests import slurm, sshd
from tests.real.rig import REAL, rigged
from tests.torture.cases import WANTED, patient, torture, wanted
from tests.torture.elsewhere import BEGUN, SlurmTorture, SshTorture
from tests.torture.rig import Torture, works
from tests.torture.test_system_calls import go_on, killed

why = works()
pytestmark = [*REAL, patient, pytest.mark.skipif(bool(why), reason=why)]
SCENES = ("up", "clean up", "wrap up")
Place = Callable[[Path], Torture]


@pytest.fixture(scope="module")
def cluster() -> Iterator[slurm.Cluster]:
    with slurm.running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["slurm", "ssh"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if reason := {"slurm": slurm.UNABLE, "ssh": sshd.UNABLE}[name]:
        pytest.skip(f"{name}: {reason}")
    return name


@pytest.fixture
def place(kind: str, request: pytest.FixtureRequest) -> Place:
    return partial(SlurmTorture, request.getfixturevalue("cluster")) if kind == "slurm" else SshTorture


def killed_around(rig: Torture, case: str) -> None:
    scene, program, when = case.split(",")
    rig.set(scene)

    called = rig.killed_around(scene, program, when)
    assert program in called or program.startswith("squeue/"), "how often a queue is asked depends on it"

    go_on(rig, case, attempts=BEGUN)


@pytest.mark.parametrize("scene", SCENES)
def test_a_check_that_is_killed_around_any_program_it_calls_submits_nothing_twice(
    scene: str, kind: str, place: Place
) -> None:
    """In `make test` of one scene alone: each call of a program is found by running it once."""
    table = f"kill around, {kind}"
    if wanted(table) and (WANTED or scene == "up"):
        with rigged(place) as rig:
            rig.set(scene)
            called = rig.killed_around(scene, "none", "never")
        cases = [f"{scene},{program},{when}" for program in called for when in ("before", "after")]
        torture(table, cases, 1, killed_around, place)


@pytest.mark.skipif(not WANTED, reason="runs in `make torture`")
@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_at_any_system_call_begins_nothing_elsewhere_twice(scene: str, kind: str, place: Place) -> None:
    table = f"kill, {kind}"
    if wanted(table):
        with rigged(place) as rig:
            calls = rig.calls(scene)
        cases = [f"{scene},{call.program},{call.name},{call.number}" for call in calls if call.acts]
        torture(table, cases, 1, killed, place)
