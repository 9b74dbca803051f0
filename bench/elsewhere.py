"""What it takes to see and use a terminal elsewhere, when a lost host is told, and how long logs become."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.checks import CHECK
from bench.cluster import elsewhere_night, slurm_executor, slurm_start
from bench.figures import Figure, figure, in_turn, paired
from bench.place import Place, spend
from tests import slurm, sshd
from tests.waiting import until

from wakeman.adapters.ssh import SshBackend
from wakeman.core.model import Host, Plan, SshSpec, UnitsSpec, WorkersSpec
from wakeman.ports import Terminal

ROUNDS = 20
MARK = "m/0/1@b"
LOSSES = 2
"""Times that a host is lost."""
WORKERS = 30
GONE = "its session is gone"
"""What the log has of a lost worker whose processes are seen: this machine is its node, too."""
LOST_S = 120
"""Seconds in which a loss is to be told."""


def terminals() -> Iterator[Figure]:
    """A worker's screen as it is captured, and a line that is typed and sent, by a program that runs already; beside
    the command of tmux alone, as a person calls it through `srun --overlap`, or over the open connection of ssh."""
    if not slurm.UNABLE:
        with slurm.running_cluster() as cluster:
            place = Place()
            executor = slurm_executor(cluster, place.path, "agents")
            (made,) = executor.submit([slurm_start(place.path, 0)])
            until(lambda: executor.poll().seen[0].phase == "running", 60)
            raw = cluster.run("squeue", "-h", "-o", "%A").split()[0]
            task, _, batch = made.session_id.partition("@")
            socket = f"/tmp/wakeman-{os.getuid()}.{batch}.{task.partition('_')[2]}/tmux"
            step = ("srun", f"--jobid={raw}", "--overlap", "--quiet", "--ntasks=1", "--nodes=1", "--mpi=none")
            bare = (*step, "tmux", "-S", socket)
            yield from _typed(executor.terminal, "Slurm", partial(_wall, bare, place.path, cluster.env))
            executor.cancel([(made.session_id, MARK)])
            until(lambda: not cluster.jobs(), 60)
            place.end()
    if not sshd.UNABLE:
        with sshd.running_hosts() as there:
            place = Place()
            (place.path / "night").mkdir()
            env, directory = {"PATH": sshd.PATH, "HOME": str(place.path)}, str(place.path / "night")
            spec = SshSpec(hosts={"alpha": 1}, config=str(there.config))
            workers = WorkersSpec(command=("true",), executor="ssh")
            plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=workers, ssh=spec)
            found = dict(SshBackend().place(plan, directory, env))
            hosts = SshBackend().executor(Host(root="/", directory=directory, python=(), env=env, place=found))
            (made,) = hosts.submit([slurm_start(place.path, 0)])
            shared = (
                "-o",
                "ControlMaster=auto",
                "-o",
                f"ControlPath={there.place}/%n.bench",
                "-o",
                "ControlPersist=60",
            )
            called = ("ssh", "-F", str(there.config), *shared, "alpha", "tmux", "-L", "wakeman")
            yield from _typed(hosts.terminal, "ssh", partial(_wall, called, place.path, env, quoted=True))
            hosts.cancel([(made.session_id, MARK)])
            place.end()


def _typed(terminal: Terminal, by: str, bare: Callable[[Sequence[str]], float]) -> Iterator[Figure]:
    until(lambda: "ready" in terminal.capture("s0", mark=MARK), 30)

    def ours(call: Callable[[], object]) -> float:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    captured = in_turn(
        lambda: ours(lambda: terminal.capture("s0", mark=MARK)),
        lambda: bare(("capture-pane", "-p", "-t", "s0")),
        ROUNDS,
    )
    yield paired(f"one screen captured, by {by}", "ms", captured, "`tmux capture-pane` called in the same way")
    sent = in_turn(
        lambda: ours(lambda: terminal.type("s0", "go on", submit=True, mark=MARK)),
        lambda: bare(("send-keys", "-t", "s0", "go on", "Enter")),
        ROUNDS,
    )
    yield paired(f"one line typed and sent, by {by}", "ms", sent, "`tmux send-keys` called in the same way")


def _wall(
    argv: Sequence[str], place: Path, env: dict[str, str], words: Sequence[str], *, quoted: bool = False
) -> float:
    return spend((*argv, *([shlex.join(words)] if quoted else words)), place, env).wall


def loss() -> Iterator[Figure]:
    """A host is lost while a worker runs on it, with a check begun each second: until a line of the log tells
    it, and until somebody is notified. By ssh, its daemon is stopped and says nothing more, as when its network
    is gone, or it refuses connections; nothing is decided about its workers. By Slurm, the daemon of the node
    is killed: Slurm itself takes a node for lost after its SlurmdTimeout, here 10 s; the worker's own processes
    are seen to live on, as this machine is its node, too."""
    if not sshd.UNABLE:
        yield from _hosts_lost()
    if not slurm.UNABLE:
        yield from _nodes_lost()


def _hosts_lost() -> Iterator[Figure]:
    told: dict[str, list[tuple[float, float]]] = {"it is silent": [], "it refuses": []}
    for how, times in told.items():
        for _ in range(LOSSES):
            with sshd.running_hosts() as there, ExitStack() as until_told:
                table = {"hosts": {"alpha": 1}, "config": str(there.config)}
                place = until_told.enter_context(elsewhere_night("ssh", table, 1, {"PATH": sshd.PATH}, _tells))
                if how == "it refuses":
                    there.away("alpha")
                    until_told.callback(there.up, "alpha")
                else:
                    until_told.enter_context(there.hanging("alpha"))
                times.append(_told(place, lambda line: '"unknown"' in line and '"looked"' in line))
    for how, times in told.items():
        yield figure(f"ssh, {how}: to the line of the log", "s", [line for line, _ in times])
        yield figure(f"ssh, {how}: to the notice, of three looks in vain", "s", [notice for _, notice in times])


def _nodes_lost() -> Iterator[Figure]:
    times = []
    for _ in range(LOSSES):
        with slurm.running_cluster() as cluster, elsewhere_night("slurm", {}, 1, cluster.env, _tells) as place:
            until(lambda: cluster.queue("-t", "R", "-o", "%N").strip(), 60)
            node = cluster.queue("-t", "R", "-o", "%N").strip()
            until(lambda: '"started"' in _log(place) or not place.run(*CHECK), 60)
            cluster.end_daemon(node, signal.SIGKILL)
            times.append(_told(place, lambda line: GONE in line, notice=False)[0])
    yield figure("Slurm, its slurmd is killed: to the line of the log", "s", times)


def _tells(plan: dict[str, object], place: Path) -> None:
    """Have a plan tell a file of what is to be told."""
    told = ["sh", "-c", f'echo "$1" >>{place}/told', "sh", "{{ message }}"]
    plan["wake"] = {"every": "12h", "to": [{"run": told}]}


def _told(place: Place, tells: Callable[[str], bool], *, notice: bool = True) -> tuple[float, float]:
    """Check each second; return the seconds until a line of the log tells it, and until a notice was delivered."""
    known, began, line = len(_log(place).splitlines()), time.monotonic(), 0.0
    while time.monotonic() < began + LOST_S:
        next_s = time.monotonic() + 1
        place.run(*CHECK)
        if not line and any(tells(each) for each in _log(place).splitlines()[known:]):
            line = time.monotonic() - began
        if line and (not notice or (place.path / "told").exists()):
            return line, time.monotonic() - began
        time.sleep(max(0.0, next_s - time.monotonic()))
    raise AssertionError(f"not told within {LOST_S} s")


def lengths() -> Iterator[Figure]:
    """The log of a whole night of 30 workers, each of one unit, from `up` to the close: bytes for each worker."""
    if not slurm.UNABLE:
        with slurm.running_cluster() as cluster:
            yield _length("Slurm", "slurm", {}, cluster.env)
    if not sshd.UNABLE:
        with sshd.running_hosts() as there:
            table = {"hosts": dict.fromkeys(sshd.HOSTS, WORKERS // len(sshd.HOSTS)), "config": str(there.config)}
            yield _length("ssh", "ssh", table, {"PATH": sshd.PATH})


def _length(by: str, executor: str, table: Mapping[str, object], env: dict[str, str]) -> Figure:
    command = 'mkdir -p night-out; echo done >"night-out/${WAKEMAN_WORKER#night_}"'
    with elsewhere_night(executor, table, WORKERS, env, command=command) as place:
        until(lambda: '"closed"' in _log(place) or not place.run(*CHECK), 120)
        events = [json.loads(line) for line in _log(place).splitlines()]
        assert sum(event["type"] == "verified" for event in events) == WORKERS
        return figure(f"log of a night by {by}, for each worker", "bytes", [len(_log(place).encode()) / WORKERS])


def _log(place: Place) -> str:
    return (place.path / "state/night/events.jsonl").read_text()
