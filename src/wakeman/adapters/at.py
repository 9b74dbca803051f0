# a check does without pathlib
"""The machine's timer: `at`, its queue and its daemon. `at` accepts jobs that will never run, and reports that only as
text; its exit status proves nothing. So every job is searched in the queue after it was accepted, and the daemon's pid
file is read.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wakeman.adapters.asking import ask
from wakeman.core.errors import ProgramError
from wakeman.ports import Ran

if TYPE_CHECKING:
    from wakeman.ports import Job

PROGRAMS = ("at", "atq", "atrm")
PID_FILES = ("/run/atd.pid", "/var/run/atd.pid")
SAFE_PATH = "/usr/local/bin:/usr/bin:/bin"
QUEUE = "a"  # a later letter runs at a nicer priority, and so would every worker of a tmux server it starts
RUNNING = "="  # the queue of a running job; the job stays in it if atd is killed meanwhile
AT_TIMEOUT_S = 10.0
ARM_TRIES_MAX = 5

INSTALLS = (
    ("apt-get", "apt-get install -y at"),
    ("dnf", "dnf install -y at"),
    ("zypper", "zypper install -y at"),
    ("pacman", "pacman -S --noconfirm at"),
    ("apk", "apk add at"),
)
"""(package manager, what installs `at` with it)"""

STARTS = (
    ("/run/systemd/system", "systemctl enable --now atd"),
    ("/etc/init.d/atd", "service atd start"),
    ("/", "atd"),
)
"""(existing path, command that starts the daemon)"""

MAC_START = "sudo launchctl load -w /System/Library/LaunchDaemons/com.apple.atrun.plist"


class At:
    """Alarms by `at`, found on `env`'s PATH. A job gets PATH and HOME of `env` and nothing else.

    Shape: the body is the marker as a comment line, then one command line. Boundary: only whole markers match. Cost:
    one process of 1-2 ms per call; `find` takes two and, for each job that it finds, some more: twice the logarithm
    of the queue's length.
    """

    name = "at"

    def __init__(
        self, env: Mapping[str, str], pid_files: Sequence[str] = PID_FILES, timeout: float = AT_TIMEOUT_S
    ) -> None:
        self._path = env.get("PATH", SAFE_PATH)
        self._programs = {name: _which(name, self._path) for name in PROGRAMS}
        self._env = {"PATH": self._path, "TZ": "UTC"} | ({"HOME": env["HOME"]} if "HOME" in env else {})
        self._pid_files = pid_files
        self._timeout = timeout

    def weakness(self) -> str:
        """Return why alarms set here would not fire, and what fixes it; "" if they would.

        Cost: file checks; for users other than root also one `atq`, as only it can read who may use `at`.
        """
        try:
            return self._missing() or self._denied() or self._unattended()
        except ProgramError as fault:
            return str(fault)

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        """Queue `argv` for the minute at or after `due`, with `marker` in its body, in a clean environment.

        Boundary: a `due` in the past fires at once. Raises: ProgramError when the job is not in the queue afterwards,
        or nothing would run it; nothing is left in the queue then.
        """
        from wakeman.ports import Job

        if weak := self.weakness():
            raise ProgramError(f"at: {weak}")
        minute = _minute(due)
        ran = self._run("at", "-q", QUEUE, "-t", f"{minute:%Y%m%d%H%M}", stdin=_body(marker, argv))
        printed = re.sub(r"^warning: commands will be executed.*\n", "", ran.err)
        found = re.search(r"^job (\d+) at ", printed, re.MULTILINE)
        if not found:
            raise ProgramError(f"at: no job was queued: {_last_printed_line(printed)}")
        job = found[1]
        if re.search(r"signal atd|daemon not running", printed):
            self.disarm([job])
            why = _last_printed_line(printed)
            raise ProgramError(f"at: job {job} was removed, as it would never run: {why}", _start_command())
        body = self._show(job)
        # A job that was overdue may be running or done by now, its body gone with it.
        if not _carries(body, marker) and minute > datetime.now(UTC):
            raise ProgramError(f"at: job {job} is not in the queue after it was accepted")
        return Job(job, minute, body)

    def pending(self, job: str, marker: str) -> bool:
        """Return whether that job is queued and ours. Cost: one process. Boundary: includes a running one."""
        return _carries(self._show(job), marker)

    def find(self, marker: str) -> list[Job]:
        """List every queued job whose body carries the marker, soonest first."""
        return sorted(self._carrying(marker, list(self._queued())), key=lambda job: job.due)

    def disarm(self, jobs: Sequence[str]) -> None:
        """Remove jobs from the queue. It is no error if one is gone already."""
        numbers = [job for job in jobs if job.isdecimal()]
        if not numbers:
            return
        ran = self._run("atrm", *numbers)
        if ran.code and (left := {job for job, _ in self._queued()}.intersection(numbers)):
            raise ProgramError(f"atrm: could not remove {', '.join(sorted(left))}: {_last_printed_line(ran.err)}")

    def shell(self) -> bytes:
        """Return `at.sh`."""
        with open(os.path.join(os.path.dirname(__file__), "at.sh"), "rb") as file:
            return file.read()

    def _missing(self) -> str:
        gone = [name for name, path in self._programs.items() if not path]
        if not gone:
            return ""
        return f"{gone[0]} is not on PATH ({self._path}); install it: {_install_command(self._path)}"

    def _denied(self) -> str:
        if os.geteuid() == 0:
            return ""
        ran = self._run("atq")
        if not ran.code:
            return ""
        if "user database" in ran.err:
            return (
                f"it does not know this user: add user id {os.getuid()} to /etc/passwd, or run as a user who is there"
            )
        why = _last_printed_line(ran.err)
        return f"{why} Ask the administrator to list this user in at.allow, or take it out of at.deny"

    def _unattended(self) -> str:
        return self._atrun_off() if sys.platform == "darwin" else self._atd_down()

    def _atd_down(self) -> str:
        seen = "no " + self._pid_files[0]
        for file in self._pid_files:
            pid = _pid(file)
            if pid and _is_atd(pid):
                return ""
            seen = f"{file} names process {pid}, which is no atd" if pid else seen
        return f"its daemon is not running ({seen}); start it: {_start_command()}"

    def _atrun_off(self) -> str:
        ran = self._call(["/bin/launchctl", "print", "system/com.apple.atrun"], b"")
        return f"atrun is off, so queued jobs never run; switch it on: {MAC_START}" if ran.code else ""

    def _queued(self) -> Iterator[tuple[str, datetime]]:
        """List the numbers and times of queued jobs; epoch seconds if atq supports them."""
        ran = self._run("atq", "-o", "%s")
        if ran.code:  # macOS and older ones know no -o
            ran = self._run("atq")
        if ran.code:
            raise ProgramError(f"atq: {_last_printed_line(ran.err)}")
        for line in ran.out.splitlines():
            entry = _queue_entry(line)
            if entry and entry[2] != RUNNING:
                yield entry[:2]

    def _carrying(self, marker: str, queued: Sequence[tuple[str, datetime]]) -> Iterator[Job]:
        """Yield the jobs whose body carries the marker.

        Shape: `at -c` prints many bodies in one go, in an order of its own and without their numbers. So it is asked
        for all, and where the marker is among them for each half.
        """
        from wakeman.ports import Job

        if not queued or not _carries(body := self._show(*(job for job, _ in queued)), marker):
            return
        if len(queued) == 1:
            yield Job(*queued[0], body)
            return
        half = len(queued) // 2
        yield from self._carrying(marker, queued[:half])
        yield from self._carrying(marker, queued[half:])

    def _show(self, *jobs: str) -> str:
        """Return the bodies of jobs as queued; "" for those that are gone."""
        numbers = [job for job in jobs if job.isdecimal()]
        return self._run("at", "-c", *numbers).out if numbers else ""

    def _run(self, name: str, *args: str, stdin: bytes = b"") -> Ran:
        program = self._programs[name]
        if not program:
            raise ProgramError(f"at: {self._missing()}")
        ran = self._call([program, *args], stdin)
        for _ in range(ARM_TRIES_MAX):
            # Each fails if any job, also another user's, vanishes while it reads the queue.
            if stdin or not ran.code or "Cannot stat" not in ran.err:
                break
            ran = self._call([program, *args], stdin)
        return ran

    def _call(self, argv: Sequence[str], stdin: bytes) -> Ran:
        try:
            # A job is queued from `/`: it changes to that directory first, and does nothing when it is gone.
            told = ask(argv, self._env, self._timeout, stdin or None)
        except TimeoutError as fault:
            raise ProgramError(f"{argv[0]}: no answer within {self._timeout:g} s") from fault
        except OSError as fault:
            raise ProgramError(f"{argv[0]}: {fault.strerror}") from fault
        return Ran(told.code, os.fsdecode(told.out), os.fsdecode(told.err))


def _which(name: str, path: str) -> str:
    """Find a program; `shutil.which` costs 5 ms of import."""
    for directory in path.split(os.pathsep):
        file = os.path.join(directory, name)
        if directory and os.access(file, os.X_OK):
            return file
    return ""


def _minute(due: datetime) -> datetime:
    start = due.astimezone(UTC).replace(second=0, microsecond=0)
    return start if start == due else start + timedelta(minutes=1)


def _marker_comment(marker: str) -> str:
    """Return the marker as one line of ASCII."""
    return "# " + ascii(marker)[1:-1]


def _body(marker: str, argv: Sequence[str]) -> bytes:
    import shlex

    # exec: a first word such as `A=b` or `if` is a program's name, never shell syntax.
    return os.fsencode(f"{_marker_comment(marker)}\nexec {shlex.join(argv)} </dev/null >/dev/null 2>&1\n")


def _carries(body: str, marker: str) -> bool:
    return _marker_comment(marker) in body.split("\n")


def _queue_entry(line: str) -> tuple[str, datetime, str] | None:
    """Read a line of atq: number, time, queue ("" for none)."""
    job, _, rest = line.partition("\t")
    words = rest.split()
    if not job.isdecimal() or not words:
        return None
    if words[0].isdecimal():
        due, words = datetime.fromtimestamp(int(words[0]), UTC), words[1:]
    else:
        due, words = _spoken(words[:5]), words[5:]
    return job, due, words[0] if words else ""


def _spoken(words: Sequence[str]) -> datetime:
    try:
        return datetime.strptime(" ".join(words), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError as fault:
        raise ProgramError(f"atq: cannot read the time in '{' '.join(words)}'") from fault


def _pid(file: str) -> int:
    try:
        with open(file, encoding="utf-8") as stream:
            return int(stream.read(32))
    except (OSError, ValueError):
        return 0


def _is_atd(pid: int) -> bool:
    """Return whether a live process of that id is atd. One that may not be inspected counts as atd."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            name, _, state = stream.read().partition("(")[2].rpartition(")")
    except OSError:
        return True
    return name == "atd" and state.split()[0] not in "ZX"


def _install_command(path: str) -> str:
    known = (command for manager, command in INSTALLS if _which(manager, f"{path}:{SAFE_PATH}"))
    return _sudo(next(known, "the package is called at"))


def _start_command() -> str:
    return _sudo(next(command for there, command in STARTS if os.path.exists(there)))


def _sudo(command: str) -> str:
    return command if os.geteuid() == 0 or command.startswith("the ") else f"sudo {command}"


def _last_printed_line(printed: str) -> str:
    return printed.strip().rpartition("\n")[2] or "it said nothing"
