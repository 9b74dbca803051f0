"""A Slurm cluster of three hosts that this machine stands in for, each with a network, processes and a power switch of
its own: real munge, real cgroups. `tests/slurm.py` has the smaller one, on the loopback interface.

A host is a set of namespaces. Its power is cut by the end of its first process, which takes all others with it; its
cable is pulled by taking its link down. The host that submits is one more, `ctl`: it sees no process of the others. Its
network is the one that all are connected by, and nothing of the machine's own network is touched.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.slurm import PATH, UNABLE
from tests.waiting import until

CGROUPS = Path("/sys/fs/cgroup")
KINDS = ("freezer", "memory")
"""Kinds of cgroups that Slurm needs to follow processes and to bound their memory."""
_HOST = ("unshare", "--net", "--mount", "--uts", "--pid", "--ipc", "--fork", "--mount-proc")
_CONFIGURATION = """\
ClusterName=torture
SlurmctldHost=HOSTctl(10.77.0.10)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=20
SlurmUser=root
SlurmdUser=root
StateSaveLocation=PLACE/state
SlurmdSpoolDir=PLACE/spool-%n
SlurmctldPidFile=PLACE/slurmctld.pid
SlurmdPidFile=PLACE/%n.pid
SlurmctldLogFile=PLACE/slurmctld.log
SlurmdLogFile=PLACE/%n.log
MpiDefault=none
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdTimeout=10
MessageTimeout=5
KillWait=3
ReturnToService=2
MinJobAge=3600
MaxArraySize=101
NodeName=HOSTn[1-3] NodeAddr=10.77.0.[11-13] CPUs=64 RealMemory=8000
PartitionName=agents Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=100 LLN=YES
"""
_CGROUPS = """\
CgroupAutomount=no
CgroupPlugin=cgroup/VERSION
ConstrainCores=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
"""


def unable() -> str:
    """Return why no such hosts can be had here; "" if they can. What was tried is gone then."""
    if UNABLE:
        return UNABLE
    if missing := [name for name in ("munged", "unshare", "nsenter", "ip") if shutil.which(name, path=PATH) is None]:
        return f"not installed: {', '.join(missing)}"
    links = "ip link add wire type bridge && ip link add port type veth peer name far"
    tried = f"{links} && mount -t tmpfs none /mnt && echo able"
    if b"able" not in subprocess.run((*_HOST, "sh", "-c", tried), capture_output=True).stdout:
        return "may not make namespaces with a network and mounts of their own"
    for kind in KINDS:
        probe = CGROUPS / kind / f"wakeman-probe-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            return f"may not make cgroups of the kind {kind} (v1): {error.strerror}"
    return ""


class Hosts:
    """The hosts and their daemons. They are called 1, 2 and 3."""

    def __init__(self, place: Path) -> None:
        self.place, self.conf = place, place / "slurm.conf"
        self.prefix = f"wk{secrets.token_hex(2)}"
        self.env = {"PATH": PATH, "HOME": str(place), "SLURM_CONF": str(self.conf)}
        self._begun: dict[str, subprocess.Popen[bytes]] = {}
        self._first: dict[str, int] = {}

    def name(self, number: int) -> str:
        """Return what Slurm, and the host itself, calls it."""
        return f"{self.prefix}n{number}"

    def enter(self, host: str = "ctl") -> tuple[str, ...]:
        """Return what runs a command on a host, in front of it; by default on the one that submits."""
        return ("nsenter", "-t", str(self._first[host]), "-n", "-m", "-u", "-i", "-p", "--")

    def run(self, *argv: str, host: str = "ctl") -> str:
        """Run a program there, and return what it printed."""
        command = (*self.enter(host), *argv)
        ran = subprocess.run(command, env=self.env, cwd="/", capture_output=True, text=True, timeout=60, check=False)
        return ran.stdout

    def _do(self, *argv: str, host: str = "ctl") -> None:
        command = (*self.enter(host), *argv)
        ran = subprocess.run(command, env=self.env, cwd="/", capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, (argv, ran.stdout, ran.stderr)

    def begin(self) -> None:
        """Connect the hosts, start all daemons, and wait until each host is idle."""
        text = _CONFIGURATION.replace("HOST", self.prefix).replace("PLACE", str(self.place))
        self.conf.write_text(text)
        version = "v1" if (CGROUPS / "freezer").is_dir() else "v2"
        (self.place / "cgroup.conf").write_text(_CGROUPS.replace("VERSION", version))
        (self.place / "state").mkdir()
        key = self.place / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self._power("ctl")
        self._do("ip", "link", "add", "wire", "type", "bridge")
        self._do("ip", "address", "add", "10.77.0.10/24", "dev", "wire")
        self._do("ip", "link", "set", "wire", "up")
        self._munge("ctl")
        self.control()
        for number in (1, 2, 3):
            (self.place / f"spool-{self.name(number)}").mkdir()
            self.power(number)

    def control(self) -> None:
        """Start the controller."""
        self._do("slurmctld")
        until(lambda: "UP" in self.run("scontrol", "ping"), 30)

    def end_control(self) -> None:
        """End the controller, and wait for its end."""
        self._end("slurmctld.pid", "TERM")

    def power(self, number: int) -> None:
        """Switch a host on, and wait until Slurm uses it."""
        host = str(number)
        self._power(host)
        peer = ("peer", "name", "wire", "netns", str(self._first[host]))
        # Only the network is the host's here: its processes do not know the other's.
        wire = (
            "nsenter",
            "-t",
            str(self._first["ctl"]),
            "-n",
            "ip",
            "link",
            "add",
            f"port{host}",
            "type",
            "veth",
            *peer,
        )
        subprocess.run(wire, env=self.env, check=True)
        self._do("ip", "link", "set", f"port{host}", "master", "wire", "up")
        self._do("ip", "address", "add", f"10.77.0.1{host}/24", "dev", "wire", host=host)
        self._do("ip", "link", "set", "wire", "up", host=host)
        self._munge(host)
        self.slurmd(number)

    def slurmd(self, number: int) -> None:
        """Start a host's daemon, and wait until Slurm uses it."""
        self._do("slurmd", "-N", self.name(number), host=str(number))
        until(lambda: self.state(number) in ("idle", "mixed", "allocated"), 60)

    def state(self, number: int) -> str:
        """Return what Slurm says of a host: `idle`, `mixed`, `down*`."""
        return self.run("sinfo", "-h", "-N", "-n", self.name(number), "-o", "%T").strip()

    def kill_slurmd(self, number: int) -> None:
        """Kill a host's daemon, and nothing else on it."""
        self._end(f"{self.name(number)}.pid", "KILL", str(number))

    def cut(self, number: int) -> None:
        """Cut a host's power: nothing of it runs on, and nothing has a last word."""
        host = str(number)
        os.kill(self._first.pop(host), signal.SIGKILL)
        self._wait(host)
        subprocess.run((*self.enter(), "ip", "link", "delete", f"port{host}"), capture_output=True, check=False)

    def pull(self, number: int) -> None:
        """Pull a host's cable: all of it runs on, and nobody reaches it."""
        self._do("ip", "link", "set", f"port{number}", "down")

    def plug(self, number: int) -> None:
        """Plug the cable in again."""
        self._do("ip", "link", "set", f"port{number}", "up")

    def processes(self, number: int, word: str) -> list[str]:
        """List the processes of a host that have such a text in their arguments."""
        printed = self.run("ps", "-A", "-o", "args=", host=str(number)).splitlines()
        return [line for line in printed if word in line and not line.startswith("ps ")]

    def end(self) -> None:
        """End all jobs, then all hosts."""
        with suppress(OSError, AssertionError, KeyError):
            for job in self.run("squeue", "-h", "-o", "%A").split():
                self.run("scancel", job)
            until(lambda: not self.run("squeue", "-h").strip(), 30)
        for number in (1, 2, 3):
            if str(number) in self._first:
                self.cut(number)
        if "ctl" in self._first:
            os.kill(self._first.pop("ctl"), signal.SIGKILL)
            self._wait("ctl")
        for kind in CGROUPS.iterdir():
            for number in (1, 2, 3):
                _remove(kind / f"slurm_{self.name(number)}")

    def _power(self, host: str) -> None:
        name = f"{self.prefix}ctl" if host == "ctl" else self.name(int(host))
        # Names are looked up in a file of the host's own: there is no other way to know each other.
        hosts = self.place / "hosts"
        names = [f"10.77.0.10 {self.prefix}ctl", *(f"10.77.0.1{n} {self.name(n)}" for n in (1, 2, 3))]
        hosts.write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
        script = (
            'hostname "$0" && ip link set lo up && mount --bind "$1" /etc/hosts && mkdir -p /run/munge'
            ' && mount -t tmpfs none /run/munge && chmod 755 /run/munge && : >"$2" && exec 3<&0 && { cat <&3 & wait; }'
        )
        ready = self.place / f"ready-{host}"
        ready.unlink(missing_ok=True)
        command = (*_HOST, "sh", "-c", script, name, str(hosts), str(ready))
        begun = subprocess.Popen(command, env=self.env, cwd="/", stdin=subprocess.PIPE)  # ends with this process
        self._begun[host] = begun
        until(ready.exists, 30)
        inner = Path(f"/proc/{begun.pid}/task/{begun.pid}/children").read_text().split()
        self._first[host] = int(inner[0])

    def _wait(self, host: str) -> None:
        """Wait for the end of a host, whose first process ends with its input."""
        begun = self._begun.pop(host)
        if begun.stdin is not None:
            begun.stdin.close()
        begun.wait(30)

    def _munge(self, host: str) -> None:
        name = f"{self.place}/munged-{host}"
        files = (f"--key-file={self.place}/munge.key", f"--pid-file={name}.pid", f"--log-file={name}.log")
        self._do("munged", "--force", "--num-threads=1", f"--seed-file={name}.seed", *files, host=host)

    def _end(self, file: str, sign: str, host: str = "ctl") -> None:
        """End a daemon of a host by its id there, and wait for its end."""
        inside = (self.place / file).read_text().strip()
        self._do("kill", f"-{sign}", inside, host=host)
        until(lambda: not self.run("sh", "-c", f"kill -0 {inside} && echo lives", host=host).strip(), 30)


@contextmanager
def running_hosts() -> Iterator[Hosts]:
    """Yield three hosts, which are gone afterwards."""
    with TemporaryDirectory(prefix="wks", dir="/tmp", ignore_cleanup_errors=True) as place:
        hosts = Hosts(Path(place))
        try:
            hosts.begin()
            yield hosts
        finally:
            hosts.end()


def _remove(cgroup: Path) -> None:
    """Remove a cgroup with those below it; what is in use stays."""
    if not cgroup.is_dir():
        return
    for path, _, _ in os.walk(cgroup, topdown=False):
        with suppress(OSError):
            os.rmdir(path)
