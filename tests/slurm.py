"""A Slurm cluster of three nodes, or more, on this machine, for as long as a test session lasts: no munge, no database.

It has ports and a directory of its own; nothing else of the machine is touched. Its daemons are ended by their ids.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.waiting import until

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_DAEMONS = ("slurmctld", "slurmd")
_CLIENTS = ("sbatch", "squeue", "scancel", "scontrol", "srun")
MISSING = [name for name in (*_DAEMONS, *_CLIENTS, "tmux") if shutil.which(name, path=PATH) is None]
UNABLE = f"not installed: {', '.join(MISSING)}" if MISSING else "needs root" if os.geteuid() != 0 else ""
"""Why there can be no cluster here; "" if there can."""
FAKETIME = next(map(str, Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), "")
"""What gives a program another clock; "" where it is not installed."""
_NODES = 3
ANSWER_S = 30.0
"""Seconds in which a controller that runs is to answer, however busy it is."""
AGAIN_S = 20.0
"""Seconds after which a node's daemon is started again that does not run."""
_CONFIGURATION = """\
ClusterName=fixture
SlurmctldHost=HOST(127.0.0.1)
SlurmctldPort=PORT
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation=PLACE/state
SlurmdSpoolDir=PLACE/spool-%n
SlurmctldPidFile=PLACE/slurmctld.pid
SlurmdPidFile=PLACE/%n.pid
SlurmctldLogFile=PLACE/slurmctld.log
SlurmdLogFile=PLACE/%n.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdTimeout=10
MessageTimeout=3
KillWait=2
ReturnToService=2
MinJobAge=3600
MaxArraySize=101
Licenses=anthropic:2
"""


class Cluster:
    """The daemons, and what a user's shell knows of them."""

    def __init__(self, place: Path, nodes: int = _NODES, *, apart: bool = False) -> None:
        """Name the nodes of a cluster; with `apart`, each of them is to be a machine of another id and name."""
        self.place, self.conf, self._apart = place, place / "slurm.conf", apart
        self.nodes = [f"t{number}" for number in range(1, nodes + 1)]
        self.env = {"PATH": PATH, "HOME": str(place), "SLURM_CONF": str(self.conf)}
        self.skew_s = 0  # by which the controller's clock is ahead, once it is started

    def run(self, *argv: str, **more: str) -> str:
        """Run a program of Slurm's, with more variables, and return what it printed."""
        env = {**self.env, **more}
        ran = subprocess.run(argv, env=env, cwd="/", capture_output=True, text=True, timeout=60, check=False)
        return ran.stdout

    def queue(self, *words: str) -> str:
        """Return what `squeue` lists: see `tell`."""
        return self.tell("squeue", "-h", *words)

    def tell(self, *argv: str) -> str:
        """Run a program of Slurm's that is to succeed, and return what it printed. A controller too busy to answer is
        asked again: that is no empty queue, and no job that was cancelled.
        """
        end = time.monotonic() + ANSWER_S
        while True:
            ran = subprocess.run(argv, env=self.env, cwd="/", capture_output=True, text=True, timeout=60, check=False)
            if not ran.returncode or time.monotonic() > end:
                return ran.stdout

    def begin(self, settings: Mapping[str, object] = {}) -> None:
        """Write the configuration, start the daemons, and wait until all nodes are idle."""
        host, ports = socket.gethostname().partition(".")[0], _free_ports(1 + len(self.nodes))
        text = _CONFIGURATION.replace("HOST", host).replace("PORT", str(ports[0])).replace("PLACE", str(self.place))
        known = dict(line.partition("=")[::2] for line in text.splitlines())
        text = "".join(f"{key}={value}\n" for key, value in {**known, **settings}.items())
        for name, port in zip(self.nodes, ports[1:], strict=True):
            text += f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=64 RealMemory=16000\n"
        text += "PartitionName=agents Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=100 LLN=YES\n"
        text += "PartitionName=alarms Nodes=ALL MaxTime=INFINITE DefMemPerCPU=100\n"
        text += "PartitionName=closed Nodes=ALL MaxTime=INFINITE State=DOWN\n"
        self.conf.write_text(text)
        (self.place / "state").mkdir()
        self.control()
        for name in self.nodes:
            (self.place / f"spool-{name}").mkdir()
            self.node(name)
        self._await_nodes()

    def _await_nodes(self) -> None:
        """Wait until all nodes are idle. A daemon that does not run after a while is started again."""
        idle, again = ("sinfo", "-h", "-p", "agents", "-t", "idle", "-o", "%D"), time.monotonic() + AGAIN_S

        def ready() -> bool:
            nonlocal again
            if self.run(*idle).strip() == str(len(self.nodes)):
                return True
            if time.monotonic() > again:
                again = time.monotonic() + AGAIN_S
                for name in self.nodes:
                    if not self.pid(name):
                        self.node(name)
            return False

        until(ready, 60 + len(self.nodes))

    def node(self, name: str, mounts: str = "") -> None:
        """Start a node's daemon, with what it is to have mounted before: words of a shell."""
        if not self._apart:
            self.run("slurmd", "-N", name)
            return
        machine = self.place / f"machine-{name}"
        machine.write_text(f"{name}0000000000000000000000000000\n")
        begin = f'mount --bind "$0" /etc/machine-id && hostname "$1" && {mounts or ":"} && exec slurmd -N "$1"'
        self.run("unshare", "--mount", "--uts", "sh", "-c", begin, str(machine), name)

    def control(self) -> None:
        """Start the controller."""
        self.run("slurmctld", **(ahead(self.skew_s) if self.skew_s else {}))
        until(lambda: "UP" in self.run("scontrol", "ping"), 30)

    def pid(self, daemon: str = "slurmctld") -> int:
        """Return a daemon's process id; 0 if it does not run."""
        with suppress(OSError, ValueError):
            number = int((self.place / f"{daemon}.pid").read_text())
            os.kill(number, 0)
            return number
        return 0

    def end_daemon(self, daemon: str = "slurmctld", by: signal.Signals = signal.SIGTERM) -> None:
        """End a daemon, and wait for its end."""
        if number := self.pid(daemon):
            os.kill(number, by)
            until(lambda: not _lives(number), 30)

    def jobs(self) -> list[str]:
        """List the jobs that are not over, as BASE_INDEX."""
        return self.run("squeue", "-h", "-r", "-o", "%i").split()

    def end(self) -> None:
        """End all jobs, then the daemons."""
        if not self.pid():
            self.control()
        if jobs := self.jobs():
            self.run("scancel", *jobs)
        until(lambda: not self.jobs(), 60 + len(self.nodes))
        for daemon in (*self.nodes, "slurmctld"):
            self.end_daemon(daemon)


def ahead(seconds: int) -> dict[str, str]:
    """Return variables by which a program's clock is ahead."""
    return {"LD_PRELOAD": FAKETIME, "FAKETIME": f"{seconds:+}"}


@contextmanager
def running_cluster(
    settings: Mapping[str, object] = {}, nodes: int = _NODES, *, apart: bool = False
) -> Iterator[Cluster]:
    """Yield a cluster, which is ended afterwards; `settings` replace those of its configuration."""
    with TemporaryDirectory(prefix="wks", dir="/tmp", ignore_cleanup_errors=True) as place:
        cluster = Cluster(Path(place), nodes, apart=apart)
        try:
            cluster.begin(settings)
            yield cluster
        finally:
            cluster.end()


def _free_ports(count: int) -> list[int]:
    with_ports = [socket.socket() for _ in range(count)]
    for each in with_ports:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in with_ports]
    for each in with_ports:
        each.close()
    return ports


def _lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
