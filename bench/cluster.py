"""What workers elsewhere cost: on a Slurm cluster and on hosts called by ssh, which this machine stands in for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.checks import CHECK
from bench.figures import Figure, figure, in_turn, paired, spent_in_turn
from bench.place import Place, Spent, spend
from tests import slurm, sshd
from tests.waiting import until

from wakeman.adapters.slurm import Slurm, SlurmBackend
from wakeman.core.model import Plan, SlurmSpec, UnitsSpec
from wakeman.ports import Start

SUBMISSIONS = (1_000, 20_000)
QUEUED = (100, 1_000)
SPREAD = (3, 30, 150)
LARGE_SITE = {"MaxArraySize": 1001, "MaxJobCount": 50_000, "SchedulerParameters": "batch_sched_delay=0"}
"""What a site sets that has so many jobs. Its partition `closed` takes jobs and starts none."""
ROUNDS = 10


def jobs() -> Iterator[Figure]:
    """Workers as jobs of three nodes: arrays as they are submitted, a check of jobs that wait, the terminal of one."""
    if slurm.UNABLE:
        return
    with slurm.running_cluster(LARGE_SITE) as cluster:
        for count in SUBMISSIONS:
            yield _submitted(cluster, count)
            cluster.run("scancel", "--user=root")
            until(lambda: not cluster.jobs(), 120)
        for count in QUEUED:
            yield from _checked(cluster, count)
        yield from _terminal(cluster)


def _submitted(cluster: slurm.Cluster, count: int) -> Figure:
    place = Place()
    executor = slurm_executor(cluster, place.path, "closed")
    began = time.perf_counter()
    made = executor.submit([slurm_start(place.path, n) for n in range(count)])
    took = time.perf_counter() - began
    assert all(one.session_id for one in made)
    place.end()
    return figure(f"submission of {count:,}", "s", [took])


def _checked(cluster: slurm.Cluster, count: int) -> Iterator[Figure]:
    """Yield what a check of so many queued workers takes, beside the call of `squeue` alone."""
    with elsewhere_night("slurm", {"partition": "closed"}, count, cluster.env) as place:
        argv = ("squeue", "--me", "--noheader", "--array", "--states=all", "-O", "JobArrayID,JobID,State,Name:64")
        yield from spent_in_turn(
            f"check, {count:,} queued workers",
            partial(place.run, *CHECK),
            partial(spend, argv, place.path, cluster.env),
            "one bare `squeue`",
            ROUNDS,
        )
        file = place.path / "state/night/events.jsonl"
        yield figure("log, for each worker", "bytes", [file.stat().st_size / count])


def _terminal(cluster: slurm.Cluster) -> Iterator[Figure]:
    """Yield how long the screen of a job takes to read, and a line to be typed, beside a step that does nothing."""
    place = Place()
    executor = slurm_executor(cluster, place.path, "agents")
    (made,) = executor.submit([slurm_start(place.path, 0)])
    until(lambda: executor.poll().seen[0].phase == "running", 60)
    raw = cluster.run("squeue", "-h", "-o", "%A").split()[0]
    step = ("srun", f"--jobid={raw}", "--overlap", "--quiet", "--ntasks=1", "--nodes=1", "--mpi=none", "true")

    def bare() -> float:
        return spend(step, place.path, cluster.env).wall

    def shown() -> float:
        began = time.perf_counter()
        executor.terminal.capture("s0", mark="m/0/1@b")
        return time.perf_counter() - began

    until(lambda: "ready" in executor.terminal.capture("s0", mark="m/0/1@b"), 30)
    yield paired("one screen captured", "ms", in_turn(shown, bare, ROUNDS), "a step of Slurm's that runs `true`")
    executor.cancel([(made.session_id, "m/0/1@b")])
    until(lambda: not cluster.jobs(), 60)
    place.end()


def slurm_executor(cluster: slurm.Cluster, place: Path, partition: str) -> Slurm:
    plan = Plan(name="night", units=UnitsSpec(items=("x",)), slurm=SlurmSpec(partition=partition))
    (place / "night").mkdir(exist_ok=True)
    found = SlurmBackend().place(plan, str(place / "night"), cluster.env)
    return Slurm(found, str(place / "night"), cluster.env)


def slurm_start(place: Path, number: int) -> Start:
    argv = ("/bin/sh", "-c", "echo ready; exec sleep 3000")
    return Start(session=f"s{number}", mark=f"m/{number}/1@b", argv=argv, cwd=str(place))


def hosts() -> Iterator[Figure]:
    """A check of workers on three hosts, beside a call of each host that does nothing, in parallel over the connections
    that are open: 3, 30 and 150 workers."""
    if sshd.UNABLE:
        return
    with sshd.running_hosts() as there:
        for count in SPREAD:
            slots = {name: count // len(sshd.HOSTS) for name in sshd.HOSTS}
            with elsewhere_night(
                "ssh", {"hosts": slots, "config": str(there.config)}, count, {"PATH": sshd.PATH}
            ) as place:
                yield from spent_in_turn(
                    f"check, {count} workers on {len(sshd.HOSTS)} hosts",
                    partial(place.run, *CHECK),
                    partial(_called, there),
                    "`ssh HOST true`, three at once",
                    ROUNDS,
                )


def _called(there: sshd.SshHosts) -> Spent:
    argv = ("ssh", "-F", str(there.config), "-o", "ControlMaster=auto", "-o", f"ControlPath={there.place}/%n.bench")
    with ThreadPoolExecutor(len(sshd.HOSTS)) as pool:
        began = time.perf_counter()
        words = ((*argv, "-o", "ControlPersist=60", name, "true") for name in sshd.HOSTS)
        each = list(pool.map(lambda one: spend(one, there.place), words))
        return Spent(time.perf_counter() - began, sum(one.cpu for one in each), 0)


@contextmanager
def elsewhere_night(
    executor: str,
    table: Mapping[str, Any],
    workers: int,
    env: Mapping[str, str],
    changed: Callable[[dict[str, Any], Path], None] | None = None,
    command: str = "sleep 3000",
) -> Iterator[Place]:
    """Yield a place with a deployment `night` elsewhere, at which a check has looked; `changed` may change its plan."""
    place = Place()
    place.env = {**place.env, **env}
    file = place.plan("night", workers, command, tables={executor: dict(table)})
    plan = json.loads(file.read_text())
    if changed is not None:
        changed(plan, place.path)
    del plan["workers"]["socket"]
    plan["workers"]["executor"] = executor
    file.write_text(json.dumps(plan))
    place.run("up", str(file))
    place.run(*CHECK)
    try:
        yield place
    finally:
        place.end("night")
