"""Workers as jobs of a real Slurm cluster on this machine: the executor's contract, nights, and what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec.structs import replace
from tests.real.rig import REAL, SteppedRig, rigged
from tests.slurm import PATH, UNABLE, Cluster, running_cluster
from tests.waiting import until

from wakeman.adapters.slurm import Slurm, SlurmBackend
from wakeman.core.model import Host, Plan, SlurmSpec, UnitsSpec, WorkersSpec
from wakeman.ports import Start
from wakeman.testing.executor import Programs, faults

pytestmark = [*REAL, pytest.mark.skipif(bool(UNABLE), reason=f"Slurm: {UNABLE}")]

PLAN = """\
name = "night"
[units]
items = ["a", "b", "c", "d", "e", "f", "g"]
output = "out/{{ unit }}"
[workers]
executor = "slurm"
name = "night_{{ group.key }}"
command = ["sh", "-c", 'COMMAND', "sh", "{{ group.key }}"]
stagger = 0
[slurm]
memory = "200M"
EXTRA
[stuck]
backoff = 0
[wake]
every = "1h"
"""
MAKES = 'mkdir -p out; echo "$SLURM_JOB_ID" >"out/$1"'
WAITS = 'until [ -e "go.$1" ]; do sleep 0.1; done; '
"""Until the test lets it go on."""
WORKERS = [f"night_{key}" for key in "abcdefg"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


class SlurmRig(SteppedRig):
    """A rig whose program submits to the cluster."""

    conf = ""

    def clean(self) -> dict[str, str]:
        return super().clean() | {"SLURM_CONF": self.conf, "PATH": PATH}

    def night(self, command: str, extra: str = "") -> None:
        """Begin a night of seven workers."""
        self.write(PLAN.replace("COMMAND", command).replace("EXTRA", extra))
        said = self.run("up", "wakeman.toml")
        assert 0 == said.returncode, said


@pytest.fixture
def rig(cluster: Cluster) -> Iterator[SlurmRig]:
    with rigged(SlurmRig) as rig:
        rig.conf = str(cluster.conf)
        yield rig


@pytest.fixture
def directory() -> Iterator[str]:
    with TemporaryDirectory(prefix="wks", dir="/tmp", ignore_cleanup_errors=True) as place:
        yield place


def executor(cluster: Cluster, directory: str, spec: SlurmSpec = SlurmSpec()) -> Slurm:  # noqa: B008 - frozen
    """Return an executor of a deployment in a directory, as another process has it."""
    plan = Plan(name="n", units=UnitsSpec(items=("a",)), workers=WorkersSpec(command=("true",)), slurm=spec)
    backend = SlurmBackend()
    place = dict(backend.place(plan, directory, cluster.env))
    return backend.executor(Host(root="/", directory=directory, python=(), env=cluster.env, place=place))


def phases(executor: Slurm) -> dict[str, str]:
    return {one.session: one.phase for one in executor.poll().seen}


def test_the_cluster_keeps_to_the_protocol_of_every_executor(cluster: Cluster, directory: str) -> None:
    class Configured(SlurmBackend):
        def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
            return super().place(plan, directory, {**environ, "SLURM_CONF": str(cluster.conf)})

    assert [] == faults(Configured(), directory)


def test_a_night_of_seven_runs_to_its_end_two_at_a_time_by_a_licence(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night(WAITS + MAKES, "licenses = { anthropic = 1 }")

    until(lambda: sorted(rig.states().values()) == ["launched"] * 5 + ["running"] * 2, 60)
    waits = [row for row in rig.status()["waits"] if row["reason"] == "queued"]
    rig.go("abcdefg")
    rig.ends()

    told = {row["name"]: row for row in rig.status()["workers"]}
    assert {row["host"] for row in told.values()} == {os.uname().nodename}, "the node, as it calls itself"
    assert all("@" in row["engine"] for row in told.values())
    assert [("Licenses", 5)] == [(row["words"], len(row["workers"])) for row in waits]
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 7 == len({(rig.place / "out" / key).read_text() for key in "abcdefg"})
    names = [name for name in cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%j").split() if "night." in name]
    assert 1 == len({name for name in names if name.startswith("night.wk")}), "one array for all"
    assert 7 == len(rig.of("launched"))
    assert 0 == rig.run("audit", "night").returncode


def test_a_night_goes_on_from_another_machine(rig: SlurmRig) -> None:
    rig.night(WAITS + MAKES)
    until(lambda: sorted(rig.states().values()) == ["running"] * 7, 60)

    moved = rig.elsewhere("adopt", "night")
    rig.go("abcdefg")
    refused = rig.run("check", "night")
    until(lambda: rig.elsewhere("check", "night").returncode == 0, 60)

    assert moved.returncode in (0, 4), moved.stderr
    assert "was adopted elsewhere since" in refused.stderr
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 7 == len(rig.of("launched"))
    assert 0 == rig.run("audit", "night").returncode


def test_what_ends_badly_is_told_apart_and_started_again(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night(WAITS + "echo $$ >pid.$1; until [ -e end.$1 ]; do sleep 0.1; done; " + MAKES)
    rig.go("abcdefg")
    until(lambda: len(list(rig.place.glob("pid.?"))) == 7 and all(p.read_text() for p in rig.place.glob("pid.?")), 60)
    tasks = _tasks(rig)

    os.kill(int((rig.place / "pid.a").read_text()), signal.SIGKILL)
    cluster.run("scancel", tasks["night_b"])
    until(lambda: {"night_a", "night_b"} <= {event["worker"] for event in rig.of("exited")} or not rig.states(), 60)
    for key in "abcdefg":
        (rig.place / f"end.{key}").touch()
    rig.ends()

    ended = {event["worker"]: event["data"] for event in reversed(rig.of("exited"))}
    assert (137, 129) == (ended["night_a"]["code"], ended["night_b"]["code"]), (
        "by their exit files, written on the node"
    )
    assert ["night_a", "night_b"] == sorted(event["worker"] for event in rig.of("relaunched"))
    assert "complete" == rig.status()["outcome"]
    assert 0 == rig.run("audit", "night").returncode


def test_while_the_controller_is_away_nothing_is_decided(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night(WAITS + MAKES)
    until(
        lambda: rig.states() and len(WORKERS) == len(rig.of("started")), 60
    )  # `status` looks itself, and logs nothing
    cluster.end_daemon()
    try:
        rig.go("a")
        until((rig.place / "out" / "a").exists, 30)
        away = rig.states()
        blind = rig.run("status", "night").stdout
    finally:
        cluster.control()
    rig.go("bcdefg")
    rig.ends()

    assert "running" == away["night_b"], "its end is seen by its exit file; of the others nothing is known"
    assert "nothing is decided about them" in blind
    assert "Unable to contact" in blind
    assert [] == rig.of("relaunched")
    assert 0 == rig.run("audit", "night").returncode


def test_jobs_outlive_the_daemon_of_their_node_and_who_looks_meanwhile_is_told(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night("echo works; " + WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    until(lambda: "works" in rig.run("capture", "night_a").stdout, 30)
    node = cluster.run("squeue", "-h", "-r", "-j", _tasks(rig)["night_a"], "-o", "%N").strip()
    cluster.end_daemon(node, signal.SIGKILL)
    try:
        said = rig.run("capture", "night_a")
    finally:
        cluster.run("slurmd", "-N", node)
    until(lambda: "works" in rig.run("capture", "night_a").stdout, 30)
    rig.go("abcdefg")
    rig.ends()

    assert (1, "") == (said.returncode, said.stdout)
    assert f"failed on node {node}" in said.stderr
    assert [] == rig.of("relaunched")
    assert "complete" == rig.status()["outcome"]


def test_who_is_queued_can_be_ended_and_shows_nothing(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night(MAKES, 'partition = "closed"')
    said = [rig.run(*words) for words in (("capture", "night_a"), ("attach", "night_a", "--print"))]
    waits = [row for row in rig.status()["waits"] if row["reason"] == "queued"]
    other = PLAN.replace("COMMAND", MAKES).replace("EXTRA", 'partition = "agents"')
    rig.write(other, "other.toml")
    amended = rig.run("amend", "night", "other.toml")
    down = rig.run("down", "night")

    assert (2, True) == (amended.returncode, "[slurm] is another than it went up with" in amended.stderr)
    assert [(0, "\n"), (1, "")] == [(each.returncode, each.stdout) for each in said]
    assert "is queued: it has no terminal" in said[1].stderr
    assert WORKERS == [name for row in waits for name in row["workers"]]
    assert (0, "stopped") == (down.returncode, rig.status()["outcome"]), down
    assert [] == cluster.jobs()


def test_what_the_site_refuses_begins_nothing_and_is_said_in_its_words(rig: SlurmRig) -> None:
    rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", 'partition = "nowhere"'))

    said = rig.run("up", "wakeman.toml")

    assert (1, False) == (said.returncode, rig.log().exists())
    assert "Invalid partition name specified" in said.stderr


def test_the_doctor_says_what_the_administrator_is_to_be_asked_for(rig: SlurmRig) -> None:
    rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", ""))

    said = rig.run("doctor", "wakeman.toml").stdout

    assert "cluster fixture" in said
    assert "ask the administrator of the cluster for ProctrackType=proctrack/cgroup" in said


def test_a_submission_whose_answer_was_lost_is_found_and_not_repeated(cluster: Cluster, directory: str) -> None:
    """A crash came after the controller had taken the jobs, and before their number was written."""
    starts = [_lives(directory, f"w{number}") for number in range(3)]
    made = executor(cluster, directory).submit(starts)
    for file in Path(directory, "slurm").glob("*/job"):
        file.unlink()
    other = executor(cluster, directory)

    assert made == other.submit(starts)
    assert 3 == len(cluster.jobs())
    _ended(cluster, other)


def test_of_a_submission_that_was_taken_twice_one_runs(cluster: Cluster, directory: str) -> None:
    place = executor(cluster, directory)
    (made,) = place.submit([_lives(directory, "w")])
    until(lambda: phases(place) == {"w": "running"}, 30)
    batch = made.session_id.partition("@")[2]
    again = place._request(batch, 1)  # as `sbatch` repeats a request that was not answered
    subprocess.run(again, env=cluster.env, check=True, capture_output=True)
    until(lambda: len(cluster.jobs()) == 1, 30)

    assert {"w": "running"} == phases(executor(cluster, directory))
    assert [] == list(Path(directory, "slurm").glob("*/0.over")), "the second leaves no word"
    _ended(cluster, place)


def test_a_name_is_free_once_its_session_was_cancelled_though_its_job_takes_time_to_end(
    cluster: Cluster, directory: str
) -> None:
    place = executor(cluster, directory)
    stubborn = replace(_lives(directory, "w"), argv=("/bin/sh", "-c", "trap : HUP TERM; while :; do sleep 0.1; done"))
    (made,) = place.submit([stubborn])
    until(lambda: phases(place) == {"w": "running"}, 30)
    place.cancel([(made.session_id, stubborn.mark)])

    (again,) = place.submit([replace(stubborn, mark="kit/other")])

    assert ("", True) == (again.error, again.session_id not in ("", made.session_id))
    _ended(cluster, place)


def test_more_than_the_site_takes_as_one_array_are_several(cluster: Cluster, directory: str) -> None:
    place = executor(cluster, directory, SlurmSpec(partition="closed"))
    made = place.submit([_lives(directory, f"w{number}") for number in range(150)])

    assert 2 == len({one.session_id.partition("@")[2] for one in made})
    assert {"queued"} == set(phases(place).values())
    assert 150 == place.cancel([(one.session_id, f"kit/w{number}") for number, one in enumerate(made)])
    assert {} == phases(place)
    assert [] == cluster.jobs()


def _lives(directory: str, session: str) -> Start:
    return Programs(directory).start(session, f"kit/{session}", None)


def _ended(cluster: Cluster, place: Slurm) -> None:
    place.cancel([(one.session_id, one.mark) for one in place.poll().seen])
    until(lambda: not cluster.jobs(), 30)


def _tasks(rig: SlurmRig) -> dict[str, str]:
    """Return the job of each worker, as `scancel` takes it."""
    ids = {event["worker"]: event["data"]["session_id"] for event in rig.of("launched")}
    return {name: each.partition("@")[0] for name, each in ids.items()}
