"""What `doctor` says of a real Slurm site whose settings and clocks could lose a worker."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.real.rig import REAL, rigged
from tests.real.test_slurm import MAKES, PLAN, SlurmRig
from tests.slurm import FAKETIME, UNABLE, Cluster, running_cluster

pytestmark = [*REAL, pytest.mark.skipif(bool(UNABLE), reason=f"Slurm: {UNABLE}")]
HELD_JOBS = 5


@pytest.fixture(scope="module")
def narrow() -> Iterator[Cluster]:
    """Yield a cluster that takes few jobs and forgets them soon."""
    with running_cluster({"MaxJobCount": 16, "MinJobAge": 60}, 1) as cluster:
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


def test_a_site_takes_one_job_less_than_it_is_set_to(narrow: Cluster) -> None:
    """As the advice counts; `sbatch` itself would wait and try again for two minutes."""
    free = 16 - 1 - len(narrow.queue("--array", "--states=all").splitlines())
    held = narrow.run("sbatch", "--parsable", "--hold", f"--array=0-{free - 1}", "--wrap=true").strip()

    assert held.isdigit(), "as many as that are taken"
    assert "MaxJobCount limit" not in (narrow.place / "slurmctld.log").read_text()
    narrow.run("scancel", held)
