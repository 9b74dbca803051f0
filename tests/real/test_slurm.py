"""Workers as jobs of a real Slurm cluster on this machine: the executor's contract, nights, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
RESERVED = 'reserve = 3\noptions = ["--ntasks-per-node=1"]'
"""So that each of the three has a node of its own."""
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
    shown = rig.status()
    rows = rig.run("status", "night").stdout
    rig.go("abcdefg")
    rig.ends()

    assert (2, 5) == (sum(len(each["workers"]) for each in shown["hosts"]), len(shown["queue"]))
    assert {each["name"] for each in shown["hosts"]} <= {*cluster.nodes}
    assert re.search(r"(?m)^   queue +5 workers$", rows), rows
    told = {row["name"]: row for row in rig.status()["workers"]}
    assert {row["host"] for row in told.values()} <= {*cluster.nodes}, "the node, as Slurm calls it"
    assert all("@" in row["engine"] for row in told.values())
    assert [("Licenses", 5)] == [(row["words"], len(row["workers"])) for row in waits]
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 7 == len({(rig.place / "out" / key).read_text() for key in "abcdefg"})
    names = [name for name in cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%j").split() if "night." in name]
    assert 1 == len({name for name in names if name.startswith("night.wk")}), "one array for all"
    assert 7 == len(rig.of("launched"))
    assert 0 == rig.run("audit", "night").returncode
    _every_attempt_has_its_node(rig, cluster)


def _every_attempt_has_its_node(rig: SlurmRig, cluster: Cluster) -> None:
    """Compare what the log and the report tell of each attempt with what Slurm tells of its job."""
    jobs = cluster.queue("--array", "--states=all", "-o", "%i %N").splitlines()
    nodes = {number: node.strip() for number, _, node in (line.partition(" ") for line in jobs)}
    ids = {e["worker"]: e["data"]["session_id"] for e in rig.events() if e["type"] in ("launched", "relaunched")}
    expected = {worker: nodes[number.partition("@")[0]] for worker, number in ids.items()}
    seen = [one for event in rig.of("looked") for one in event["data"].get("sightings", ()) if one.get("host")]
    courses = json.loads(rig.run("report", "night", "--format", "json").stdout)["courses"]
    lines = " ".join(rig.run("replay", "night").stdout.split())

    assert {(one["worker"], one["host"]) for one in seen} == set(expected.items())
    assert {(each["worker"], each["attempts"][-1]["host"], each["attempts"][-1]["engine"]) for each in courses} == {
        (worker, node, ids[worker]) for worker, node in expected.items()
    }
    assert [] == [each for each in expected.items() if not re.search(r"{} \w+ -> \w+ on {}\b".format(*each), lines)]


def test_an_allocation_keeps_to_the_protocol_of_every_executor(cluster: Cluster, directory: str) -> None:
    class Held(SlurmBackend):
        def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
            spec = SlurmSpec(reserve=6, options=("--ntasks-per-node=2",))
            return super().place(replace(plan, slurm=spec), directory, {**environ, "SLURM_CONF": str(cluster.conf)})

    assert [] == faults(Held(), directory)
    assert 1 == len(cluster.jobs()), "all ran in one job, which is held still"
    (job,) = cluster.jobs()
    cluster.tell("scancel", job)
    until(lambda: not cluster.jobs(), 30)


def test_workers_start_in_what_is_held_and_the_others_wait_in_the_queue(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night("echo works; " + WAITS + MAKES, RESERVED)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    names = cluster.run("squeue", "-h", "-r", "-o", "%i").split()
    until(lambda: "works" in rig.run("capture", "night_c").stdout, 30)
    rig.go("abcdefg")
    rig.ends()

    jobs = [(rig.place / "out" / key).read_text() for key in "abcdefg"]
    assert 5 == len(names), "an allocation of three, and an array of four"
    assert (1, 5) == (len(set(jobs[:3])), len(set(jobs)))
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode
    until(lambda: not cluster.jobs(), 30)  # given back


@pytest.mark.parametrize("loss", ["cancelled", "timed out", "failed"])
def test_who_is_ended_with_the_allocation_is_started_again_in_the_queue_and_has_not_failed(
    rig: SlurmRig, cluster: Cluster, loss: str
) -> None:
    rig.night(WAITS + MAKES, RESERVED)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    job = _allocation(rig, "job")
    node = _began(rig, "night_a").split()[-1]
    match loss:
        case "cancelled":
            cluster.tell("scancel", job)
        case "timed out":
            cluster.tell("scontrol", "update", f"JobId={job}", "EndTime=now+5")
        case _:
            cluster.tell("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    try:
        until(lambda: not cluster.run("squeue", "-h", "-j", job, "-t", "R,CG").strip(), 90)
        until(lambda: rig.states() and 3 <= len(rig.of("exited")), 60)
    finally:
        cluster.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
    rig.go("abcdefg")
    rig.ends()

    ended = {event["worker"]: event["data"] for event in rig.of("exited") if event["data"].get("code") != 0}
    assert [("machine", True)] * 3 == [(ended[name]["ended_by"], ended[name].get("free")) for name in WORKERS[:3]], (
        ended
    )
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode
    until(lambda: not cluster.jobs(), 30)


def test_what_waits_for_its_allocation_is_queued_and_is_given_back_with_it(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night(MAKES, 'reserve = 9\npartition = "closed"')
    waits = [row for row in rig.status()["waits"] if row["reason"] == "queued"]
    jobs = cluster.jobs()
    down = rig.run("down", "night")

    assert [("its allocation waits: PartitionDown", 7)] == [(row["words"], len(row["workers"])) for row in waits]
    assert 1 == len(jobs)
    assert (0, "stopped") == (down.returncode, rig.status()["outcome"]), down
    assert [] == cluster.jobs()


def test_a_step_that_is_cancelled_or_dies_is_told_apart_and_its_place_is_free_again(
    cluster: Cluster, directory: str
) -> None:
    place = executor(cluster, directory, SlurmSpec(reserve=2))
    dies = replace(_lives(directory, "w2"), argv=("/bin/sh", "-c", "kill -9 $PPID; kill -9 $$"))
    first, second = place.submit([_lives(directory, "w1"), dies])
    until(lambda: phases(place) == {"w1": "running", "w2": "killed"}, 30)
    cluster.tell("scancel", "--signal=TERM", *[task.step for task in place._batches.kept() if task.session == "w1"])
    until(lambda: phases(place) == {"w1": "killed", "w2": "killed"}, 30)
    why = {one.session: (one.ended_by, one.why) for one in place.poll().seen}
    place.cancel([(first.session_id, "kit/w1"), (second.session_id, "kit/w2")])
    again = place.submit([_lives(directory, f"w{number}") for number in (1, 2, 3)])

    assert ("person", "its step was cancelled") == why["w1"]
    assert ("", True) == (why["w2"][0], "its program was ended" in why["w2"][1])
    assert ["", "", ""] == [one.error for one in again]
    assert {"w1": True, "w2": True, "w3": False} == {t.session: t.held is not None for t in place._batches.kept()}
    place.give_back()
    assert 2 == len(cluster.jobs()), "who runs in it goes on"
    _ended(cluster, place)


def test_before_an_allocation_s_time_is_over_its_workers_keep_what_they_show(cluster: Cluster, directory: str) -> None:
    """Slurm sends that signal a minute before: here it is sent by hand."""
    spec = SlurmSpec(reserve=2, reserve_time=3600)
    place = executor(cluster, directory, spec)
    place.submit([_lives(directory, "w1")])
    until(lambda: place.logs("w1", 1) == "❯", 30)
    (job,) = cluster.jobs()
    cluster.tell("scancel", "--signal=USR1", "--batch", job)
    until(lambda: not cluster.jobs(), 30)
    (told,) = place.poll().seen
    (after,) = place.submit([_lives(directory, "w2")])

    assert ("killed", "machine") == (told.phase, told.ended_by)
    assert "❯" in place.logs("w1", 1)
    assert "" == after.error
    assert {"w1": True, "w2": False} == {t.session: t.held is not None for t in place._batches.kept()}
    _ended(cluster, place)


def test_an_allocation_whose_answer_was_lost_is_found_and_not_asked_for_again(cluster: Cluster, directory: str) -> None:
    """A crash came after the controller had taken it, and before its number was written."""
    spec = SlurmSpec(reserve=3)
    executor(cluster, directory, spec).submit([_lives(directory, "w1")])
    Path(directory, "slurm", "allocation", "job").unlink()
    other = executor(cluster, directory, spec)
    other.submit([_lives(directory, "w2")])

    assert 1 == len(cluster.jobs())
    until(lambda: phases(other) == {"w1": "running", "w2": "running"}, 30)
    other.give_back()
    _ended(cluster, other)


def test_of_an_allocation_that_was_taken_twice_one_runs(cluster: Cluster, directory: str) -> None:
    place = executor(cluster, directory, SlurmSpec(reserve=2))
    place.submit([_lives(directory, "w1")])
    until(lambda: phases(place) == {"w1": "running"}, 30)
    held = place._batches.allocation.read()
    assert held is not None
    subprocess.run(place._holding_request(held), env=cluster.env, check=True, capture_output=True)
    until(lambda: len(cluster.jobs()) == 1, 30)

    assert {"w1": "running"} == phases(executor(cluster, directory, SlurmSpec(reserve=2)))
    place.give_back()
    _ended(cluster, place)


def test_an_allocation_that_can_never_be_is_refused_before_anything_begins(rig: SlurmRig) -> None:
    rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", "reserve = 1000"))

    said = rig.run("up", "wakeman.toml")

    assert (1, False) == (said.returncode, rig.log().exists())
    assert "slurm.reserve" in said.stderr


def test_an_alarm_that_a_job_would_run_on_a_node_is_refused_there(rig: SlurmRig, cluster: Cluster) -> None:
    rig.night(WAITS + MAKES)
    until(lambda: rig.states() and len(rig.of("started")) == len(WORKERS), 60)
    before = rig.log().read_bytes()
    refused = rig.elsewhere("check", "night", "--by", "at")
    after = rig.log().read_bytes()
    rig.go("abcdefg")
    rig.ends()

    assert refused.returncode not in (0, 4)
    assert "was not begun by this user on this machine" in refused.stderr
    assert before == after
    until(lambda: not cluster.jobs(), 30)


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


def test_what_ends_badly_is_started_again_and_what_a_person_cancels_is_not(rig: SlurmRig, cluster: Cluster) -> None:
    waits = WAITS + "echo $$ >pid.$1; until [ -e end.$1 ]; do sleep 0.1; done; "
    rig.night(waits + MAKES, '[cleanup]\nafter = "1s"')
    rig.go("abcdefg")
    until(lambda: len(list(rig.place.glob("pid.?"))) == 7 and all(p.read_text() for p in rig.place.glob("pid.?")), 60)
    tasks = _tasks(rig)

    os.kill(int((rig.place / "pid.a").read_text()), signal.SIGKILL)
    cluster.tell("scancel", tasks["night_b"])
    until(lambda: {"night_a", "night_b"} <= {event["worker"] for event in rig.of("exited")} or not rig.states(), 60)
    for key in "abcdefg":
        (rig.place / f"end.{key}").touch()
    rig.ends()

    ended = _first_ends(rig)
    assert (137, "itself", 129, "person", True) == (
        *(ended["night_a"][key] for key in ("code", "ended_by")),
        *(ended["night_b"][key] for key in ("code", "ended_by", "free")),
    ), "their exit files were written on the node"
    assert "its job was cancelled, on t" in ended["night_b"]["why"]
    assert ["night_a"] == [event["worker"] for event in rig.of("relaunched")]
    assert "night_b_c1" in {event["worker"] for event in rig.of("launched")}
    assert "complete" == rig.status()["outcome"]
    assert 0 == rig.run("audit", "night").returncode


def test_who_is_ended_by_its_time_is_told_so_counts_as_failed_and_then_its_units_go_to_another(
    rig: SlurmRig, cluster: Cluster
) -> None:
    """Of `a` the exit status is there, `b` is killed, as it ends by no signal. `a` fails in its second attempt, too."""
    deaf = '[ -e deaf ] || { : >deaf; trap "" HUP TERM; while :; do sleep 0.1; done; }'
    rig.night(
        'echo "$WAKEMAN_ATTEMPT" >>ran; case $WAKEMAN_WORKER in'
        f" night_a) echo $$ >pid.a; exec sleep 600 ;; night_b) {deaf} ;; esac; {MAKES}",
        'time = "1m"',
    )
    until(lambda: rig.states() and {"night_a", "night_b"} <= {e["worker"] for e in rig.of("started")}, 60)
    tasks = _tasks(rig)
    for name in ("night_a", "night_b"):
        cluster.tell("scontrol", "update", f"JobId={tasks[name]}", "EndTime=now")  # Slurm looks each half minute
    first = (rig.place / "pid.a").read_text()
    until(lambda: 2 == sum("TIME LIMIT" in file.read_text() for file in rig.state.glob("night/slurm/*/*.out")), 90)
    until(lambda: not cluster.queue("-r", "-j", tasks["night_b"], "-t", "R,CG"), 30)
    until(lambda: rig.states() and 2 == len(rig.of("relaunched")), 30)
    until(lambda: (rig.place / "pid.a").read_text() not in ("", first), 60)
    os.kill(int((rig.place / "pid.a").read_text()), signal.SIGKILL)
    rig.ends()

    ended = _first_ends(rig)
    over = "its job's time was over (slurm.time), on t"
    assert [("time", 129, None), ("time", None, None)] == [
        (ended[name]["ended_by"], ended[name].get("code"), ended[name].get("free")) for name in ("night_a", "night_b")
    ]
    assert [True, True] == [over in ended[name]["why"] for name in ("night_a", "night_b")], ended
    assert ["night_a", "night_b"] == sorted(event["worker"] for event in rig.of("relaunched"))
    ran = [mark.partition("@")[0] for mark in (rig.place / "ran").read_text().split()]
    assert ["night/night_a/1", "night/night_a/2", "night/night_a_c1/1"] == [mark for mark in ran if "night_a" in mark]
    assert len(ran) == len(set(ran))
    assert "complete" == rig.status()["outcome"], rig.trail()
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


def test_a_queue_that_starts_nobody_is_told_by_its_reason_and_nothing_is_submitted_again(
    rig: SlurmRig, cluster: Cluster
) -> None:
    filler = cluster.tell("sbatch", "--parsable", "--licenses=anthropic:2", "--wrap=sleep 600").strip()
    until(lambda: cluster.queue("-j", filler, "-t", "R", "-o", "%i").strip(), 30)
    rig.night(MAKES, "licenses = { anthropic = 1 }")
    jobs = sorted(set(cluster.jobs()) - {filler})
    reasons = [_waits_for(rig, "Licenses")]
    cluster.tell("scontrol", "hold", jobs[0].partition("_")[0])
    reasons.append(_waits_for(rig, "JobHeldAdmin"))
    waited = rig.run("wait", "night", "--timeout", "1s")
    shown = rig.run("status", "night").stdout
    after = sorted(set(cluster.jobs()) - {filler})
    cluster.tell("scancel", filler)
    cluster.tell("scontrol", "release", jobs[0].partition("_")[0])
    until(lambda: not cluster.jobs(), 60)
    rig.ends()

    assert [len(WORKERS)] * 2 == reasons
    assert (4, True) == (waited.returncode, "night open" in waited.stderr), waited
    assert "“JobHeldAdmin”" in shown
    assert (len(WORKERS), jobs) == (len(jobs), after)
    assert [] == rig.of("relaunched")
    assert len(WORKERS) == len({(rig.place / "out" / key).read_text() for key in "abcdefg"})
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


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


def test_who_is_queued_does_not_begin_in_a_pause_and_is_submitted_again_behind_it(
    rig: SlurmRig, cluster: Cluster
) -> None:
    filler = cluster.tell("sbatch", "--parsable", "--licenses=anthropic:2", "--wrap=sleep 600").strip()
    until(lambda: cluster.queue("-j", filler, "-t", "R", "-o", "%i").strip(), 30)
    rig.night(MAKES, "licenses = { anthropic = 1 }")
    _waits_for(rig, "Licenses")
    paused = rig.run("pause", "night")
    left = set(cluster.jobs()) - {filler}
    cluster.tell("scancel", filler)
    rig.run("check", "night")
    begun = os.listdir(rig.place / "out") if (rig.place / "out").exists() else []
    rig.run("unpause", "night")
    until(lambda: not cluster.jobs(), 60)
    rig.ends()

    assert (0, set(), []) == (paused.returncode, left, begun)
    assert {("queue", True)} == {
        (event["data"]["ended_by"], event["data"]["free"]) for event in rig.of("exited") if event["attempt"] == 1
    }
    assert [2] * len(WORKERS) == [worker["attempt"] for worker in rig.status()["workers"]]
    assert len(WORKERS) == len({(rig.place / "out" / key).read_text() for key in "abcdefg"})
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_who_is_queued_when_the_night_is_out_of_time_is_taken_out_and_who_has_begun_runs_on(
    rig: SlurmRig, cluster: Cluster
) -> None:
    plan = PLAN.replace("[wake]", '[limits]\ngive_up = "2s"\n[wake]').replace("EXTRA", "licenses = { anthropic = 1 }")
    rig.write(plan.replace("COMMAND", WAITS + MAKES))
    assert 0 == rig.run("up", "wakeman.toml").returncode
    until(lambda: 2 == len(cluster.queue("--me", "-t", "R", "-o", "%i").split()), 30)
    until(partial(_is_over, rig), 60)
    running = cluster.queue("--me", "-t", "PD,R", "-o", "%t").split()
    cluster.tell("scancel", "--me")
    until(lambda: not cluster.jobs(), 60)

    assert ["R", "R"] == running
    assert "partial" == rig.status()["outcome"], rig.trail()
    assert len(WORKERS) - 2 == len({event["worker"] for event in rig.of("exited")})
    assert 0 == rig.run("audit", "night").returncode


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


def test_a_copy_on_a_node_that_is_cut_off_is_told_until_that_has_begun_another(
    cluster: Cluster, directory: str
) -> None:
    on_t1, on_t2 = (executor(cluster, directory, SlurmSpec(options=(f"--nodelist={node}",))) for node in ("t1", "t2"))
    (made,) = on_t1.submit([_lives(directory, "w")])
    until(lambda: on_t1.host_of(made.session_id) == "t1", 60)  # it has begun: who has not cannot run on
    cluster.end_daemon("t1", signal.SIGKILL)
    cluster.tell("scontrol", "update", "NodeName=t1", "State=DOWN", "Reason=test")
    try:
        until(lambda: phases(on_t1) == {"w": "lost"}, 60)
        (lost,) = on_t1.poll().seen
        before = on_t1.left_behind()
        assert 1 == on_t1.cancel([(made.session_id, "kit/w")])
        on_t2.submit([_lives(directory, "w")])
        until(lambda: phases(on_t2) == {"w": "running"}, 60)
        left = on_t2.left_behind()
    finally:
        cluster.node("t1")
        cluster.run("scontrol", "update", "NodeName=t1", "State=RESUME")
    on_t1.submit([_lives(directory, "other")])
    until(lambda: phases(on_t1).get("other") == "running", 90)

    assert ("t1", {}, {"t1": ("w",)}) == (lost.host, before, left)
    until(
        lambda: not on_t1.left_behind(), 30
    )  # once that has left its mark: Slurm has ended what it did not know there
    _ended(cluster, on_t1)


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


def _first_ends(rig: SlurmRig) -> dict[str, dict[str, Any]]:
    """Return how the first attempt of each worker ended."""
    return {event["worker"]: event["data"] for event in reversed(rig.of("exited"))}


def _is_over(rig: SlurmRig) -> bool:
    """Check, and return whether the night is closed."""
    rig.run("check", "night")
    return bool("open" != rig.status()["outcome"])


def _waits_for(rig: SlurmRig, why: str) -> int:
    """Check until workers wait in the queue for such a reason; return how many."""
    found: list[int] = []

    def waits() -> bool:
        rig.run("check", "night")
        rows = [row for row in rig.status()["waits"] if row["reason"] == "queued" and row["words"] == why]
        found[:] = [len(row["workers"]) for row in rows]
        return bool(found)

    until(waits, 30)
    return found[0]


def _allocation(rig: SlurmRig, name: str) -> str:
    return Path(rig.state, "night", "slurm", "allocation", name).read_text().strip()


def _began(rig: SlurmRig, worker: str) -> str:
    """Return the step, the node and its name in Slurm of a worker that runs in the allocation."""
    number, _, batch = {e["worker"]: e["data"]["session_id"] for e in rig.of("launched")}[worker].partition("@")
    number = number.partition("_")[2]
    return Path(rig.state, "night", "slurm", batch, f"{number}.began").read_text().strip()


def _tasks(rig: SlurmRig) -> dict[str, str]:
    """Return the job of each worker, as `scancel` takes it."""
    ids = {event["worker"]: event["data"]["session_id"] for event in rig.of("launched")}
    return {name: each.partition("@")[0] for name, each in ids.items()}
