"""What `doctor` says of a real Slurm site whose settings and clocks could lose a worker."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest
from tests.real.rig import REAL, rigged
from tests.real.test_slurm import MAKES, PLAN, SlurmRig, _lives, executor, phases
from tests.slurm import FAKETIME, PATH, UNABLE, Cluster, running_cluster
from tests.waiting import until

from wakeman.core.model import SlurmSpec

pytestmark = [*REAL, pytest.mark.skipif(bool(UNABLE), reason=f"Slurm: {UNABLE}")]
HELD_JOBS = 4


@pytest.fixture(scope="module")
def narrow() -> Iterator[Cluster]:
    """Yield a cluster that takes few jobs, in small arrays, and forgets them soon."""
    with running_cluster({"MaxJobCount": 16, "MinJobAge": 60, "MaxArraySize": 4}, 1) as cluster:
        yield cluster


@pytest.fixture
def rig(narrow: Cluster) -> Iterator[SlurmRig]:
    with rigged(SlurmRig) as rig:
        rig.conf = str(narrow.conf)
        rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", ""))
        yield rig


def test_the_doctor_says_that_the_queue_has_no_room_and_forgets_too_soon(rig: SlurmRig, narrow: Cluster) -> None:
    held = narrow.run("sbatch", "--parsable", "--hold", f"--array=0-{HELD_JOBS - 1}", "--wrap=true").strip()
    listed = len(narrow.queue("--array", "--states=all").splitlines())

    said = rig.run("doctor", "wakeman.toml").stdout

    room = 16 - 1 - listed - 1  # one more by then is the job of the trial
    assert HELD_JOBS <= listed
    assert f"MaxJobCount=16: with {listed + 1} jobs listed there is room for {room} more" in said, said
    assert "ask the administrator of the cluster for MaxJobCount=" in said
    assert "MinJobAge=60: Slurm forgets a job 60 s after its end" in said
    assert 'ask the administrator of the cluster for MinJobAge=3600 or more, or set wake.every = "60s"' in said
    assert "the clock of" not in said
    narrow.run("scancel", held)


@pytest.mark.skipif(not FAKETIME, reason="faketime is not installed")
def test_the_doctor_says_that_the_controller_has_another_time(rig: SlurmRig, narrow: Cluster) -> None:
    narrow.end_daemon()
    narrow.skew_s = 90
    narrow.control()
    try:
        said = rig.run("doctor", "wakeman.toml").stdout
    finally:
        narrow.end_daemon()
        narrow.skew_s = 0
        narrow.control()

    assert re.search(r"the clock of the controller differs from this machine's by (8[89]|90) s or more", said), said
    assert "ask the administrator of the cluster for one time on all machines (NTP)" in said


@pytest.fixture(scope="module")
def apart() -> Iterator[Cluster]:
    """Yield a cluster whose one node can lack what this machine has."""
    with running_cluster(nodes=1, apart=True) as cluster:
        yield cluster


@contextmanager
def node_with(cluster: Cluster, mounts: str) -> Iterator[None]:
    """Have the node begin anew with what a shell mounts there, then as it was."""
    for words in (mounts, ""):
        cluster.end_daemon("t1")
        cluster.node("t1", words)
        until(lambda: "idle" in cluster.run("sinfo", "-h", "-n", "t1", "-o", "%T"), 60)
        cluster.run("srun", "--chdir=/", "true")  # whose beginning says that jobs begin
        if words:
            yield


@pytest.fixture
def away(apart: Cluster) -> Iterator[SlurmRig]:
    with rigged(SlurmRig) as rig:
        rig.conf = str(apart.conf)
        rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", ""))
        yield rig


def _both(rig: SlurmRig) -> tuple[str, str]:
    """Return what `doctor` says, on one line, and why `up` begins nothing."""
    told, begun = rig.run("doctor", "wakeman.toml"), rig.run("up", "wakeman.toml")
    assert (1, 1, False) == (told.returncode, begun.returncode, rig.log().exists()), (told, begun)
    return " ".join(told.stdout.split()), begun.stderr


def test_a_node_without_tmux_is_told_by_that_name(away: SlurmRig, apart: Cluster) -> None:
    tmux = shutil.which("tmux", path=PATH)
    assert tmux is not None
    with node_with(apart, f"mount --bind /dev/null {tmux}"):
        said, why = _both(away)

    assert "missing slurm's tmux tmux: " in said, said
    assert "fix slurm's tmux: ask the administrator of the cluster for tmux 3.2 or newer on each node" in said
    assert "nobody can be launched: slurm's tmux: tmux: " in why


def test_a_node_that_does_not_share_the_state_directory_is_told_by_that_name(away: SlurmRig, apart: Cluster) -> None:
    away.state.mkdir(exist_ok=True)
    with node_with(apart, f"mount -t tmpfs none {away.state}"):
        said, why = _both(away)

    assert f"missing slurm's files node t1 does not have {away.state}/" in said, said
    assert "fix slurm's files: choose a state directory that the nodes share: --state DIR, or WAKEMAN_STATE" in said
    assert "nobody can be launched: slurm's files: node t1 does not have" in why


def test_a_node_without_the_worker_s_program_is_told_by_that_name(away: SlurmRig, apart: Cluster) -> None:
    tools, empty = away.place / "tools", away.place / "empty"
    tools.mkdir()
    empty.mkdir()
    (tools / "agent").write_text("#!/bin/sh\n")
    (tools / "agent").chmod(0o700)
    plan = PLAN.replace("""["sh", "-c", 'COMMAND', "sh", "{{ group.key }}"]""", f'["{tools}/agent"]')
    away.write(plan.replace("EXTRA", ""))
    with node_with(apart, f"mount --bind {empty} {tools}"):
        said, why = _both(away)

    assert f"missing slurm's programs machine t1 does not find {tools}/agent; its PATH is " in said, said
    assert "fix slurm's programs: have it installed there" in said
    assert "ok slurm's clock machine t1 has the time of this one" in said
    assert "nobody can be launched: slurm's programs: machine t1 does not find" in why


@pytest.mark.skipif(not FAKETIME, reason="faketime is not installed")
def test_a_node_with_another_time_is_told_and_workers_are_launched_all_the_same(away: SlurmRig, apart: Cluster) -> None:
    """On the node `date` is one whose clock is ahead."""
    date = away.place / "date"
    shutil.copy(shutil.which("date", path=PATH) or "", away.place / "own-date")
    date.write_text(f'#!/bin/sh\nLD_PRELOAD={FAKETIME} FAKETIME=+90 exec {away.place}/own-date "$@"\n')
    date.chmod(0o755)
    with node_with(apart, f"mount --bind {date} {shutil.which('date', path=PATH)}"):
        told, begun = away.run("doctor", "wakeman.toml"), away.run("up", "wakeman.toml")

    said = " ".join(told.stdout.split())
    assert re.search(
        r"weak slurm's clock the clock of machine t1 differs from this one's by (8\d|9[01]) s or more", said
    ), said
    assert "fix slurm's clock: have one time kept on all machines (NTP)" in said
    assert 0 == begun.returncode, begun
    away.run("down", "night")


def test_what_was_to_be_one_array_is_several_where_the_site_takes_smaller_ones_by_now(
    narrow: Cluster, tmp_path: Path
) -> None:
    """As after its administrator has changed MaxArraySize while a night runs."""
    directory = str(tmp_path)
    place = executor(narrow, directory, SlurmSpec(partition="closed"))
    place._place = {**place._place, "array_max": "1000"}
    made = place.submit([_lives(directory, f"w{number}") for number in range(5)])

    assert [""] * 5 == [one.error for one in made]
    assert [2, 3] == [len([*group]) for _, group in groupby(one.session_id.partition("@")[2] for one in made)]
    assert {f"w{number}": "queued" for number in range(5)} == phases(place)
    assert 5 == place.cancel([(one.session_id, f"kit/w{number}") for number, one in enumerate(made)])


@pytest.mark.parametrize("size", [0, 1])
def test_a_site_without_arrays_is_told_before_anything_begins(size: int) -> None:
    with running_cluster({"MaxArraySize": size}, 1) as cluster, rigged(SlurmRig) as rig:
        rig.conf = str(cluster.conf)
        rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", ""))
        said, why = _both(rig)

    assert "slurm: this site allows no arrays (MaxArraySize)" in said, said
    assert "ask the administrator of the cluster for MaxArraySize=1001" in said
    assert "slurm: this site allows no arrays (MaxArraySize)" in why


def test_a_site_takes_one_job_less_than_it_is_set_to(narrow: Cluster) -> None:
    """As the advice counts; `sbatch` itself would wait and try again for two minutes."""
    free = 16 - 1 - len(narrow.queue("--array", "--states=all").splitlines())
    sizes = [min(4, free - at) for at in range(0, free, 4)]
    arrays = (f"--array=0-{size - 1}" for size in sizes)
    held = [narrow.run("sbatch", "--parsable", "--hold", array, "--wrap=true").strip() for array in arrays]

    assert all(each.isdigit() for each in held), "as many as that are taken"
    assert "MaxJobCount limit" not in (narrow.place / "slurmctld.log").read_text()
    narrow.run("scancel", *held)
