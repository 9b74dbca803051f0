"""Nights whose checks are jobs of a real Slurm cluster: its nodes are machines of other ids and names than this one.

There is neither `at` nor a process that sleeps, and nothing watches: what goes on is done by jobs, on nodes.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_timer import FAR, job_timer
from tests.processes import processes
from tests.real.rig import Said, rigged
from tests.real.test_slurm import MAKES, PLAN, WAITS, SlurmRig
from tests.slurm import PATH, UNABLE, Cluster, running_cluster
from tests.waiting import until

from wakeman.adapters.slurm.timer import JobTimer
from wakeman.core.errors import ProgramError

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(UNABLE), reason=f"Slurm: {UNABLE}")]

ALARMS = 'alarm = "job"\nalarm_options = ["--partition=alarms"]'
AT = ("at", "atq", "atrm", "atd", "batch")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(apart=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with each program of this machine but those of `at`."""
    place = tmp_path_factory.mktemp("programs")
    for directory in PATH.split(":"):
        for entry in os.scandir(directory):
            if entry.name not in AT and not (place / entry.name).exists():
                (place / entry.name).symlink_to(entry.path)
    return place


class AlarmRig(SlurmRig):
    """A rig on a machine without `at`, which its nodes share the home directory with."""

    programs = Path()
    cluster: Cluster

    def clean(self) -> dict[str, str]:
        return {**super().clean(), "PATH": str(self.programs)}

    def night_of(self, command: str, every: str = "1h", extra: str = "", extra_slurm: str = "") -> None:
        """Begin a night of seven workers whose alarms are jobs."""
        plan = PLAN.replace('every = "1h"', f'every = "{every}"').replace("backoff = 0", f"backoff = 0\n{extra}")
        self.write(plan.replace("COMMAND", command).replace("EXTRA", f"{ALARMS}\n{extra_slurm}"))
        said = self.run("up", "wakeman.toml")
        assert 0 == said.returncode, said

    def queued(self) -> list[str]:
        """List the alarms that are queued."""
        return self.cluster.queue("--me", "-t", "PD", "--name=night.check", "-o", "%i").split()

    def has(self, kind: str, count: int = 1) -> bool:
        """Return whether there are so many events of a kind, without looking at a worker as `status` does."""
        return count <= len(self.of(kind))

    def fire_job(self, job: str) -> None:
        """Have Slurm begin an alarm now."""
        self.cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now")

    def on_another_machine(self, *words: str) -> Said:
        """Call the program as another login node does: a machine of another id, with this home directory."""
        file = self.place / "machine-id"
        file.write_text("another\n")
        bound = ("unshare", "--mount", "--uts", "sh", "-c", 'mount --bind "$0" /etc/machine-id; hostname l2; exec "$@"')
        return self.call([*bound, str(file), *self.argv(*words)])

    def close(self) -> None:
        super().close()
        self.cluster.run("scancel", "--me")
        until(lambda: not self.cluster.jobs(), 180)


@pytest.fixture
def rig(cluster: Cluster, programs: Path) -> Iterator[AlarmRig]:
    with rigged(AlarmRig) as rig:
        rig.conf, rig.cluster, rig.programs = str(cluster.conf), cluster, programs
        yield rig


def test_a_night_is_complete_by_its_jobs_alone(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES)
    armed = rig.queued()
    for number, keys in ((2, "ab"), (3, "c"), (7, "defg")):
        rig.go(keys)
        until(partial(rig.has, "verified", number), 90)
    until(lambda: rig.has("closed"), 180)
    until(lambda: not cluster.jobs(), 180)

    by = {event["by"].partition(":")[0] for event in rig.events()}
    assert {"up", "exit"} == by, "who wrote: `up`, and jobs that waited for ends"
    assert 1 == len(armed)
    assert ("complete", []) == (rig.status()["outcome"], rig.alarms()), rig.trail()
    assert [] == [one for one in processes(str(rig.place)) if "wakeman-timer" in one.argv]
    assert "anywhere" in {event["data"]["boot"] for event in rig.of("looked")}
    assert 7 == len(rig.of("launched"))
    assert "" == rig.trail()
    files = rig.state / "night" / "slurm"
    # One whose job was still to end as the night was closed stays where it was.
    asked = [name for name in os.listdir(files) if not (files / name / "gone").exists()]
    assert ["checks.out", "past", "waits", "waits.json"] == sorted(asked)
    assert "" == (files / "checks.out").read_text()
    assert 0 == rig.run("audit", "night").returncode


def test_the_end_of_a_step_in_an_allocation_starts_a_check_too(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES, extra_slurm="reserve = 7")
    until(lambda: "R" in cluster.run("squeue", "--me", "-h", "-o", "%t"), 180)
    for number, keys in ((1, "a"), (3, "bc"), (7, "defg")):
        rig.go(keys)
        until(partial(rig.has, "verified", number), 90)
    until(lambda: rig.has("closed"), 180)
    until(lambda: not cluster.jobs(), 180)

    assert {"up", "exit"} == {event["by"].partition(":")[0] for event in rig.events()}
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_a_stuck_worker_is_found_by_the_alarm_alone(rig: AlarmRig) -> None:
    rig.night_of(WAITS + MAKES, every="10s", extra='after = "8s"')
    until(lambda: rig.has("stalled"), 120)

    stuck = rig.of("stalled")[0]
    assert ("at", "silent") == (stuck["by"].partition(":")[0], stuck["data"]["reason"])
    until(lambda: len(rig.queued()) == 1, 30)  # while a check sets its own, there is another
    rig.go("abcdefg")
    until(lambda: rig.has("closed"), 90)
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_the_end_of_a_job_whose_node_fails_starts_a_check_too(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 180)
    job = {e["worker"]: e["data"]["session_id"] for e in rig.of("launched")}["night_a"].partition("@")[0]
    node = cluster.run("squeue", "-h", "-r", "-j", job, "-o", "%N").strip()
    cluster.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    try:
        until(lambda: rig.has("relaunched"), 90)
    finally:
        cluster.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
    rig.go("abcdefg")
    until(lambda: rig.has("closed"), 90)

    lost = next(event for event in rig.of("exited") if event["data"].get("ended_by") == "machine")
    assert "exit" == lost["by"].partition(":")[0]
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_a_tmux_server_that_is_killed_on_its_node_is_no_fault_of_its_worker(rig: AlarmRig) -> None:
    """`a` ends by the hang-up and leaves its status; `b` ignores it, and is ended before it is started again."""
    deaf = '[ $WAKEMAN_WORKER != night_b ] || trap "" HUP; '
    rig.night_of(f'{deaf}echo "$WAKEMAN_ATTEMPT $$" >>ran; {WAITS}{MAKES}')
    ran = rig.place / "ran"
    until(lambda: ran.exists() and 7 == len(ran.read_text().splitlines()), 60)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    for name in ("night_a", "night_b"):
        argv = ["tmux", "-S", _socket(rig, name), "display-message", "-p", "#{pid}"]
        os.kill(int(subprocess.run(argv, capture_output=True, check=True).stdout), signal.SIGKILL)
    until(partial(rig.has, "relaunched", 2), 90)
    until(lambda: 9 == len(ran.read_text().splitlines()), 60)
    begun = dict(line.split() for line in ran.read_text().splitlines())
    first = next(pid for mark, pid in begun.items() if "/night_b/1@" in mark)
    lives = Path(f"/proc/{first}").exists()
    rig.go("abcdefg")
    until(lambda: rig.has("closed"), 90)

    ended = {event["worker"]: event["data"] for event in reversed(rig.of("exited"))}
    assert {("machine", True)} == {(ended[name]["ended_by"], ended[name]["free"]) for name in ("night_a", "night_b")}
    assert ["ended by signal 1; its tmux server is gone", "its tmux server is gone"] == [
        ended[name]["why"] for name in ("night_a", "night_b")
    ]
    assert (9, False) == (len(begun), lives), "nothing is begun twice, and no two are at work"
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_where_homes_are_not_shared_it_is_adopted_and_live_on_both(rig: AlarmRig) -> None:
    rig.night_of(WAITS + MAKES)
    refused = rig.elsewhere("check", "night")
    moved = rig.elsewhere("adopt", "night")
    rig.go("abcdefg")
    both = [rig.elsewhere("check", "night"), rig.run("check", "night")]
    until(lambda: rig.has("closed"), 90)

    assert "was not begun by this user on this machine" in refused.stderr
    assert moved.returncode in (0, 4), moved
    assert [] == [said for said in both if said.returncode not in (0, 1, 4)]
    assert [] == [said for said in both if "adopted elsewhere" in said.stderr]
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_a_dry_check_says_what_it_would_set_and_sets_nothing(rig: AlarmRig) -> None:
    rig.night_of(WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 180)
    alarms, jobs = rig.queued(), rig.cluster.jobs()
    rig.cluster.run("scancel", *alarms)
    before = rig.log().read_bytes()
    said = rig.run("check", "night", "--dry-run")

    assert "set an alarm for" in said.stdout
    assert before == rig.log().read_bytes()
    assert sorted(set(jobs) - set(alarms)) == sorted(rig.cluster.jobs())


def test_there_is_one_alarm_whoever_checks_and_from_wherever(rig: AlarmRig) -> None:
    rig.night_of(WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 180)
    first = rig.queued()
    rig.go("a")
    here = rig.side_by_side(*[("check", "night")] * 3)
    there = rig.on_another_machine("check", "night")
    until(lambda: rig.has("verified"), 180)
    until(lambda: len(rig.queued()) == 1, 30)

    assert there.returncode in (0, 4), there
    assert {said.returncode for said in here} <= {0, 1, 4}, here
    assert first != rig.queued()
    assert [rig.status()["alarm"]["job"]] == rig.queued()
    down = rig.on_another_machine("down", "night")
    assert (0, "stopped") == (down.returncode, rig.status()["outcome"]), down
    until(lambda: not rig.cluster.jobs(), 180)
    assert 0 == rig.run("audit", "night").returncode


def test_an_alarm_that_is_killed_as_it_checks_has_left_another(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 180)
    (job,) = rig.queued()
    with _held(rig):
        rig.fire_job(job)
        until(lambda: len(rig.queued()) == 1 and rig.queued() != [job], 30)
        cluster.run("scancel", "--signal=KILL", "--full", job)
        until(lambda: job not in cluster.jobs(), 30)
    left = rig.queued()
    rig.go("abcdefg")
    until(lambda: rig.has("closed"), 90)

    assert 1 == len(left)
    assert "complete" == rig.status()["outcome"], rig.trail()
    until(lambda: not cluster.jobs(), 180)
    assert 0 == rig.run("audit", "night").returncode


def test_where_slurm_takes_no_alarm_a_process_sleeps_here_and_the_log_says_why(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 180)
    cluster.run("scontrol", "update", "PartitionName=alarms", "State=DRAIN")
    try:
        cluster.run("scancel", *rig.queued())
        rig.run("check", "night")
        asleep = rig.of("armed")[-1]["data"]
        sleeping = [one for one in processes(str(rig.place)) if "wakeman-timer" in one.argv]
    finally:
        cluster.run("scontrol", "update", "PartitionName=alarms", "State=UP")
    rig.run("check", "night")

    assert ("sleep", None) == (asleep["alarm"]["kind"], asleep["alarm"].get("job"))
    assert "Required partition not available" in asleep["weak"]
    assert 1 == len(sleeping)
    assert "slurm" == rig.of("armed")[-1]["data"]["alarm"]["kind"]
    assert 1 == len(rig.queued())
    assert 0 == rig.run("audit", "night").returncode


def test_an_alarm_in_a_job_that_slurm_takes_no_other_for_tries_until_it_does(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 180)
    (job,) = rig.queued()
    with _held(rig):
        rig.fire_job(job)
        until(lambda: "R" in cluster.run("squeue", "-h", "-j", job, "-o", "%t"), 30)
        cluster.run("scontrol", "update", "PartitionName=alarms", "State=DRAIN")
        cluster.run("scancel", "--state=PENDING", *rig.queued())
    until(lambda: rig.of("armed")[-1]["data"]["alarm"]["kind"] == "sleep", 180)
    still = cluster.run("squeue", "-h", "-j", job, "-o", "%t").strip()
    cluster.run("scontrol", "update", "PartitionName=alarms", "State=UP")
    until(lambda: len(rig.queued()) == 1, 180)
    until(lambda: job not in cluster.jobs(), 180)

    assert "R" == still, "the job waits"
    (other,) = rig.queued()
    rig.fire_job(other)
    until(lambda: rig.of("armed")[-1]["data"]["alarm"]["kind"] == "slurm", 180)
    until(lambda: len(rig.queued()) == 1, 180)
    assert 0 == rig.run("audit", "night").returncode


def test_an_alarm_that_waits_for_room_is_told_as_late(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES, every="10s")
    cluster.run("scontrol", "update", "PartitionName=alarms", "State=DOWN")
    try:
        until(lambda: "PartitionDown" in (_alarm(rig).get("waits") or ""), 180)
        said = rig.run("status", "night").stdout
        needs = rig.status()["needs"]
    finally:
        cluster.run("scontrol", "update", "PartitionName=alarms", "State=UP")

    assert "waits in the queue" in said
    assert [] == [need for need in needs if "alarm" in need["reason"]], needs


def test_a_lock_that_holds_on_each_machine_alone_is_found_and_nothing_begins(rig: AlarmRig, cluster: Cluster) -> None:
    """On the nodes an overlay lies over the directory: it shows the same files, and has locks of its own."""
    (rig.place / "empty").mkdir()
    (rig.place / "work").mkdir()
    layers = f"lowerdir={rig.place}/empty,upperdir={rig.state},workdir={rig.place}/work"
    rig.state.mkdir()
    cluster.end_daemon("t1")
    cluster.node("t1", f"mount -t overlay overlay -o {layers} {rig.state}")
    until(lambda: "idle" in cluster.run("sinfo", "-h", "-n", "t1", "-o", "%T"), 180)
    if subprocess.run(
        ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", layers, str(rig.state)]
    ).returncode:
        pytest.skip("no overlay can be mounted here")
    try:
        alarms = f'{ALARMS[:-1]}, "--nodelist=t1"]'
        rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", alarms))
        said = rig.run("up", "wakeman.toml")
        told = rig.run("doctor", "wakeman.toml")
    finally:
        cluster.end_daemon("t1")
        cluster.node("t1")
        until(lambda: "idle" in cluster.run("sinfo", "-h", "-n", "t1", "-o", "%T"), 180)

    assert (1, False) == (said.returncode, rig.log().exists()), said
    assert "gets a lock that this machine holds" in said.stderr
    assert "ask the administrator to mount it so that flock holds between machines" in said.stderr
    assert "gets a lock that this machine holds" in told.stdout


def test_a_node_without_the_registry_is_told_and_nothing_begins(rig: AlarmRig) -> None:
    rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", ALARMS))
    hidden = rig.place / "home"
    hidden.mkdir()
    bound = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hidden))
    said = rig.call([*bound, *rig.argv("up", "wakeman.toml")], {**rig.clean(), "XDG_STATE_HOME": str(hidden)})

    assert (1, False) == (said.returncode, rig.log().exists()), said
    assert "does not find the registry of live deployments" in said.stderr
    assert "set XDG_STATE_HOME to a directory of yours that the nodes share" in said.stderr


def test_a_copy_s_alarm_is_asked_nothing(rig: AlarmRig) -> None:
    rig.night_of(WAITS + MAKES)
    copied = rig.place / "copied"
    subprocess.run(["cp", "-r", str(rig.state), str(copied)], check=True)
    said = rig.call([*rig.argv("status", "night")[:-1], str(copied)])

    assert said.returncode in (0, 4), said
    assert f"is a copy of {rig.state}/night" in said.stdout


def test_a_check_that_fails_on_a_node_leaves_an_alarm_and_tells_it(rig: AlarmRig, cluster: Cluster) -> None:
    rig.night_of(WAITS + MAKES)
    until(lambda: set(rig.states().values()) == {"running"}, 180)
    (job,) = rig.queued()
    whole = rig.log().read_bytes()
    with open(rig.log(), "ab") as log:
        log.write(b'{"v":1,"seq":1}\n')
    rig.fire_job(job)
    until(lambda: job not in cluster.jobs(), 180)
    left = rig.queued()
    rig.log().write_bytes(whole)
    rig.go("abcdefg")
    until(lambda: rig.has("closed"), 90)

    assert 1 == len(left)
    assert "events.jsonl" in rig.trail()
    assert "complete" == rig.status()["outcome"], rig.trail()


def test_an_alarm_whose_answer_was_lost_is_found_and_not_asked_for_again(cluster: Cluster, tmp_path: Path) -> None:
    lost = _program(tmp_path, "sbatch", 'sbatch "$@" >/dev/null; echo "sbatch: error: Socket timed out" >&2; exit 1')
    timer = _timer_with(cluster, tmp_path, lost)
    try:
        job = timer.arm("wakeman:lost:1", ("/bin/true",), FAR)

        assert [job] == timer.find("wakeman:lost:1")
        assert [job.job] == cluster.jobs()
    finally:
        cluster.run("scancel", "--me")


def test_an_alarm_that_a_site_strips_of_its_comment_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    strips = _program(
        tmp_path,
        "sbatch",
        'for word; do shift; case $word in --comment=*) ;; *) set -- "$@" "$word" ;; esac; done; exec sbatch "$@"',
    )
    try:
        with pytest.raises(ProgramError, match="is not in the queue, with its comment"):
            _timer_with(cluster, tmp_path, strips).arm("wakeman:stripped:1", ("/bin/true",), FAR)
    finally:
        cluster.run("scancel", "--me")


def test_an_alarm_of_too_long_a_path_is_refused_before_it_is_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    timer = _timer_with(cluster, tmp_path, "/usr/bin/false")

    with pytest.raises(ProgramError, match="too long a path for a job's comment"):
        timer.arm("wakeman:long:1", ("/bin/sh", "/" + "x" * 1100), FAR)


def test_a_plan_with_such_alarms_is_rehearsed(rig: AlarmRig) -> None:
    rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", ALARMS))
    said = rig.run("rehearse", "wakeman.toml")

    assert 0 == said.returncode, said
    assert "complete" in said.stdout


def _socket(rig: AlarmRig, worker: str) -> str:
    """Return the socket of the tmux server of a worker's job, on its node."""
    task, _, batch = {e["worker"]: e["data"]["session_id"] for e in rig.of("launched")}[worker].partition("@")
    return f"/tmp/wakeman-{os.getuid()}.{batch}.{task.partition('_')[2]}/tmux"


def _program(place: Path, name: str, script: str) -> str:
    file = place / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def _timer_with(cluster: Cluster, place: Path, sbatch: str) -> JobTimer:
    found = job_timer(cluster, str(place))
    assert isinstance(found, JobTimer)
    return JobTimer({**found._place, "sbatch": sbatch}, str(place), found._env)


@contextmanager
def _held(rig: AlarmRig) -> Iterator[None]:
    """Hold the log's lock, as a check does."""
    with open(rig.state / "night" / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _alarm(rig: AlarmRig) -> dict[str, Any]:
    found: dict[str, Any] = rig.status()["alarm"]
    return found
