"""What `ports.Timer` promises, of the one in memory and of the real `at`."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.adapters.test_at import ENV
from tests.processes import processes
from tests.slurm import UNABLE, Cluster, running_cluster

from wakeman.adapters.at import At
from wakeman.adapters.memory import MemoryTimer
from wakeman.adapters.sleep import Sleep
from wakeman.adapters.slurm import SlurmBackend
from wakeman.adapters.slurm.timer import JobTimer
from wakeman.core.errors import ProgramError
from wakeman.core.model import Host, Plan, SlurmSpec, UnitsSpec, WorkersSpec
from wakeman.ports import Timer

FAR = datetime(2035, 3, 4, 5, 6, tzinfo=UTC)
RING = ("/bin/true",)
REAL = (
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("at") is None, reason="at is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a daemon for the test"),
)


JOB = (pytest.mark.real, pytest.mark.skipif(bool(UNABLE), reason=f"Slurm: {UNABLE}"))
EXACT = ("sleep", "job")
"""Those that count in seconds."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(nodes=1) as cluster:
        yield cluster


@pytest.fixture(
    params=[
        "memory",
        pytest.param("sleep", marks=pytest.mark.real),
        pytest.param("job", marks=JOB),
        pytest.param("real", marks=REAL),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def marker(kind: str, request: pytest.FixtureRequest) -> str:
    """A marker of this test alone; real jobs of it are taken away afterwards."""
    if kind in EXACT:
        return f"wakeman-test:{uuid.uuid4().hex}"
    return "night" if kind == "memory" else str(request.getfixturevalue("at_marker"))


@pytest.fixture
def alarms(kind: str, request: pytest.FixtureRequest) -> Iterator[Timer]:
    if kind == "memory":
        yield MemoryTimer()
    elif kind == "sleep":
        yield from sleepers()
    elif kind == "job":
        cluster = request.getfixturevalue("cluster")
        yield job_timer(cluster, str(request.getfixturevalue("tmp_path")))
        cluster.run("scancel", "--me")
    else:
        request.getfixturevalue("atd")
        yield At(ENV)


def sleepers() -> Iterator[Timer]:
    """Yield the timer whose timers are processes, and end those that it has begun."""
    timer, before = Sleep(ENV), set(_asleep())
    yield timer
    timer.disarm(sorted(set(_asleep()) - before))


def job_timer(cluster: Cluster, directory: str, partition: str = "agents") -> Timer:
    """Return the timer of a deployment in a directory, whose alarms are jobs."""
    spec = SlurmSpec(alarm="job", alarm_options=(f"--partition={partition}",))
    plan = Plan(name="n", units=UnitsSpec(items=("a",)), workers=WorkersSpec(command=("true",)), slurm=spec)
    place = dict(SlurmBackend().place(plan, directory, cluster.env))
    timer = SlurmBackend().timer(Host(root="/", directory=directory, python=(), env=cluster.env, place=place))
    assert timer is not None
    return timer


def _asleep() -> list[str]:
    return [one.place.name for one in processes("wakeman-timer") if "wakeman-timer" in one.argv]


@pytest.fixture
def broken(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Timer:
    """An alarm clock whose alarms would not fire."""
    if kind == "job":
        timer = job_timer(request.getfixturevalue("cluster"), str(tmp_path))
        assert isinstance(timer, JobTimer)
        return JobTimer({**timer._place, "sbatch": "/nowhere/sbatch"}, str(tmp_path), timer._env)
    if kind == "sleep":
        pytest.skip("it needs nothing")
    return MemoryTimer("nobody is there") if kind == "memory" else At(ENV, pid_files=[str(tmp_path / "atd.pid")])


def test_a_working_alarm_clock_has_no_weakness(alarms: Timer) -> None:
    assert "" == alarms.weakness()


def test_an_armed_alarm_is_found_by_its_marker(alarms: Timer, marker: str) -> None:
    job = alarms.arm(marker, RING, FAR)

    assert [job] == alarms.find(marker)


def test_an_armed_alarm_stands(alarms: Timer, marker: str) -> None:
    job = alarms.arm(marker, RING, FAR)

    assert alarms.pending(job.job, marker)


def test_the_marker_is_a_line_of_the_body(alarms: Timer, marker: str) -> None:
    assert f"# {marker}" in alarms.arm(marker, RING, FAR).body.splitlines()


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0.0, 0), (0.5, 1), (59.0, 1), (60.0, 1)], ids=["on it", "just after", "before", "next"]
)
def test_an_alarm_is_queued_for_the_minute_at_or_after_it_is_due(
    kind: str, alarms: Timer, marker: str, seconds: float, minutes: int
) -> None:
    if kind in EXACT:
        pytest.skip("it counts exactly")
    alarms.arm(marker, RING, FAR + timedelta(seconds=seconds))

    assert [FAR + timedelta(minutes=minutes)] == [job.due for job in alarms.find(marker)]


def test_every_alarm_of_a_marker_is_found_soonest_first(alarms: Timer, marker: str) -> None:
    later = alarms.arm(marker, RING, FAR + timedelta(days=1))
    sooner = alarms.arm(marker, RING, FAR)

    assert [sooner, later] == alarms.find(marker)


@pytest.mark.parametrize("other", ["{}-2", "x# {}", "{} "])
def test_only_a_whole_marker_is_found(alarms: Timer, marker: str, other: str) -> None:
    alarms.arm(other.format(marker), RING, FAR)

    assert [] == alarms.find(marker)


def test_an_alarm_of_another_marker_does_not_stand(alarms: Timer, marker: str) -> None:
    job = alarms.arm(f"{marker}-2", RING, FAR)

    assert not alarms.pending(job.job, marker)


@pytest.mark.parametrize("job", ["", "99999999", "no number"])
def test_what_was_never_queued_does_not_stand(alarms: Timer, marker: str, job: str) -> None:
    assert not alarms.pending(job, marker)


def test_an_unused_marker_finds_nothing(alarms: Timer) -> None:
    assert [] == alarms.find(uuid.uuid4().hex)


def test_a_disarmed_alarm_neither_stands_nor_is_found(alarms: Timer, marker: str) -> None:
    job = alarms.arm(marker, RING, FAR)

    alarms.disarm([job.job])

    assert (False, []) == (alarms.pending(job.job, marker), alarms.find(marker))


def test_disarming_leaves_the_other_alarms(alarms: Timer, marker: str) -> None:
    jobs = [alarms.arm(marker, RING, FAR + timedelta(days=day)) for day in range(3)]

    alarms.disarm([jobs[0].job, jobs[2].job])

    assert [jobs[1]] == alarms.find(marker)


def test_disarming_what_is_gone_already_takes_the_rest(alarms: Timer, marker: str) -> None:
    gone, there = (alarms.arm(marker, RING, FAR).job for _ in range(2))
    alarms.disarm([gone])

    alarms.disarm([gone, there])

    assert [] == alarms.find(marker)


def test_a_broken_alarm_clock_says_why(broken: Timer) -> None:
    assert broken.weakness()


def test_a_broken_alarm_clock_refuses_alarms(broken: Timer, marker: str) -> None:
    with pytest.raises(ProgramError):
        broken.arm(marker, RING, FAR)


def test_a_refused_alarm_is_not_queued(broken: Timer, marker: str) -> None:
    with pytest.raises(ProgramError):
        broken.arm(marker, RING, FAR)

    assert [] == broken.find(marker)
