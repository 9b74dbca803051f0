"""This machine: running programs, free memory, and processes by the mark in their environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from wakeman.core.errors import ProgramError
from wakeman.ports import Kin, Ran

ATTEMPT_VARIABLE = "WAKEMAN_ATTEMPT"
"""The variable that every process of an attempt inherits."""
_MARK_PREFIX = f"{ATTEMPT_VARIABLE}=".encode()
_PARENT_FIELD, _SESSION_FIELD = 1, 3
_STARTED_FIELD = 19  # field of /proc/PID/stat, counted after the name: ticks from the boot to the start
_PIECE_BYTES = 32768  # a file of /proc gives as many as are asked for, but at its end
_HEAD_BYTES_MAX = 4096  # of a process's status, and of its command line


class LocalMachine:
    """This machine. `proc` and `cgroup` are the paths of Linux's file systems."""

    def __init__(self, proc: str = "/proc", cgroup: str = "/sys/fs/cgroup") -> None:
        self._proc = proc
        self._cgroup = cgroup

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        timeout: float,
        stdin: bytes = b"",
    ) -> Ran:
        """Run a program in its own session, with exactly `env`, whose PATH is searched.

        Shape: `code` is negative when a signal ended it. More than `OUT_BYTES_MAX` bytes of output keep their
        code, and `cut` says that the rest was dropped.
        Boundary: what it leaves in the background is not waited for; at the time limit that ends too.
        """
        from wakeman.adapters.running import run_bounded

        return run_bounded(argv, cwd, env, timeout, stdin)

    def runs(self, program: str, cwd: str, path: str) -> bool:
        """Return whether an executable of that name exists."""
        places = [cwd] if "/" in program else path.split(":")
        files = (os.path.join(place, program) for place in places)
        return any(os.path.isfile(file) and os.access(file, os.X_OK) for file in files)

    def free_memory(self) -> int:
        """Return the memory available to new programs, at most the control group's remainder."""
        left = [*self._memory("MemAvailable:"), *self._granted()]
        return max(0, min(left)) if left else 0

    def capacity(self) -> tuple[int, int]:
        """Return the memory of the machine, at most the control group's, and the processors of this process."""
        limits = [*self._memory("MemTotal:"), *(limit for _, limit, _ in self._groups())]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return min(limits, default=0), cores or 0

    def marked(self, marks: Iterable[str]) -> dict[str, list[int]]:
        """Find live processes by mark; omit marks without any.

        Boundary: without zombies, which have no environment, and without this process. Empty without /proc (macOS).
        Cost: one read for each process of this user.
        """
        wanted = {f"{ATTEMPT_VARIABLE}={mark}".encode(): mark for mark in marks}
        found: dict[str, list[int]] = {}
        for pid, environ in self._environs() if wanted else ():
            if _MARK_PREFIX in environ:  # of most processes this is all that is to be done
                for entry in wanted.keys() & set(environ.split(b"\0")):
                    found.setdefault(wanted[entry], []).append(pid)
        return found

    def born(self, pids: Iterable[int]) -> dict[int, float]:
        """Read each process's start on Linux, exact to a hundredth of a second, unless the clock was set since.

        Boundary: empty without /proc.
        """
        return {pid: process.born for pid, process in self.kin(pids).items()}

    def kin(self, pids: Iterable[int]) -> dict[int, Kin]:
        """Read them on Linux. Boundary: empty without /proc."""
        boot = next(
            (float(line.split()[1]) for line in _file_lines(f"{self._proc}/stat") if line.startswith("btime ")), 0.0
        )
        found = {}
        for pid in pids:
            # The name in brackets may contain anything: count the fields after its end.
            fields = _file_head(f"{self._proc}/{pid}/stat").rpartition(b")")[2].split()
            if len(fields) > _STARTED_FIELD and fields[0] != b"Z":
                born = boot + int(fields[_STARTED_FIELD]) / os.sysconf("SC_CLK_TCK")
                words = _file_head(f"{self._proc}/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace")
                found[pid] = Kin(born, int(fields[_PARENT_FIELD]), int(fields[_SESSION_FIELD]), words)
        return found

    def mark_of(self, pid: int) -> str:
        """Read the environment with which it was started. Boundary: "" without /proc (macOS)."""
        with suppress(OSError), open(f"{self._proc}/{pid}/environ", "rb") as file:
            found = (entry for entry in file.read().split(b"\0") if entry.startswith(_MARK_PREFIX))
            return next(found, b"").partition(b"=")[2].decode("utf-8", "surrogateescape")
        return ""

    def signal(self, pids: Iterable[int], name: Literal["TERM", "KILL", "INT"]) -> None:
        """Signal processes.

        Boundary: ignores 0, 1 and negative numbers, which address groups. Raises: ProgramError for another user's
        process.
        """
        import signal

        for pid in pids:
            if pid <= 1:
                continue
            try:
                os.kill(pid, signal.Signals[f"SIG{name}"])
            except ProcessLookupError:
                continue
            except PermissionError as error:
                raise ProgramError(f"process {pid}: not permitted to signal it", f"ps -fp {pid}") from error

    def alive(self, pid: int) -> bool:
        """Return whether a process is alive; a zombie is not, another user's is."""
        if pid <= 0:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        status = next(iter(_file_lines(f"{self._proc}/{pid}/stat")), "")
        return status.rpartition(")")[2].split()[:1] != ["Z"]

    def environ(self) -> Mapping[str, str]:
        """Return a copy of this process's environment."""
        return dict(os.environ)

    def home(self) -> str:
        """Return the user's home directory."""
        return os.path.expanduser("~")

    def pid(self) -> int:
        """Return this process's id."""
        return os.getpid()

    def _memory(self, row: str) -> Iterator[int]:
        for line in _file_lines(f"{self._proc}/meminfo"):
            if line.startswith(row):
                yield int(line.split()[1]) * 1024

    def _granted(self) -> Iterator[int]:
        """Yield the memory left in our control group and in each above it; reclaimable cache counts as free."""
        return (limit - used + _reclaimable(group) for group, limit, used in self._groups())

    def _groups(self) -> Iterator[tuple[str, int, int]]:
        """Yield our control group and each above it that bounds memory: its directory, its bound, and what is used."""
        for line in _file_lines(f"{self._proc}/self/cgroup"):
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            names = ("memory.max", "memory.current") if not controllers else _VERSION_1
            parts = path.strip("/").split("/")
            for depth in range(len(parts), -1, -1):
                group = os.path.join(self._cgroup, controllers, *parts[:depth])
                limit, used = (_number(f"{group}/{name}") for name in names)
                if limit is not None and used is not None:
                    yield group, limit, used

    def _environs(self) -> Iterator[tuple[int, bytes]]:
        for name in os.listdir(self._proc) if os.path.isdir(self._proc) else ():
            if name.isdigit() and int(name) != os.getpid():
                with suppress(OSError):  # ended, or another user's
                    yield int(name), _whole_file(f"{self._proc}/{name}/environ")


_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def user_name() -> str:
    """Return the name of the user who runs this, or the number of one who has no name here."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _file_lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []


def _whole_file(path: str) -> bytes:
    """Return what a file holds. Cost: half of what a file of Python takes; there are hundreds of processes."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = piece = os.read(handle, _PIECE_BYTES)
        while len(piece) == _PIECE_BYTES:
            piece = os.read(handle, _PIECE_BYTES)
            data += piece
        return data
    finally:
        os.close(handle)


def _file_head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD_BYTES_MAX)
    except OSError:
        return b""


def _number(path: str) -> int | None:
    text = next(iter(_file_lines(path)), "")
    return int(text) if text.isdigit() else None


def _reclaimable(group: str) -> int:
    wanted = ("inactive_file ", "total_inactive_file ")
    return max(
        (int(line.split()[1]) for line in _file_lines(f"{group}/memory.stat") if line.startswith(wanted)), default=0
    )
