# a check does without pathlib
"""A timer for delays that `at` is too coarse for, and where `at` does not work: a process of its own that sleeps.

It belongs to nothing that a check may end: no tmux server, no session, no worker. A restart of the machine ends it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING

from wakeman.core.errors import ProgramError

if TYPE_CHECKING:
    from subprocess import Popen

    from wakeman.ports import Job

SLEEPER = "wakeman-timer"
"""The name under which a sleeping process is listed; `again` of `at.sh` starts one with the same words."""
SLEEP_SCRIPT = 'sleep "$3" && shift 3 && exec "$@"'
END_S = 1.0  # seconds until a process has ended that was told to, or is listed that was begun
WORDS_BYTES_MAX = 65536  # of a process's words that are read: a timer has a few hundred
SHELL_PATH = "/usr/local/bin:/usr/bin:/bin"


_begun: list[Popen[bytes]] = []
"""Those of this process, which collects what has ended: a watcher may live for days."""


class Sleep:
    """Timers that are processes: `sh -c SLEEP_SCRIPT wakeman-timer MARKER DUE SECONDS ARGV...`, each with a session.

    Shape: DUE is in epoch seconds. Units: it counts the time that the machine runs, not the time that it is suspended.
    """

    name = "sleep"

    def __init__(self, env: Mapping[str, str], proc: str = "/proc") -> None:
        self._env = {"PATH": env.get("PATH", SHELL_PATH)} | ({"HOME": env["HOME"]} if "HOME" in env else {})
        self._proc = proc

    def weakness(self) -> str:
        return ""

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        import subprocess

        from wakeman.ports import Job

        seconds = max(0.0, (due - datetime.now(UTC)).total_seconds())
        words = (SLEEPER, marker, f"{due.timestamp():.3f}", f"{seconds:.3f}", *argv)
        try:
            process = subprocess.Popen(
                ("/bin/sh", "-c", SLEEP_SCRIPT, *words),
                cwd="/",
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramError(f"a process that sleeps could not be started: {error.strerror}") from error
        _begun.append(process)
        self._await_words(process.pid)
        return Job(str(process.pid), due, f"# {marker}")

    def pending(self, job: str, marker: str) -> bool:
        """Return whether one sleeps for that marker. Cost: one read for each process of the machine."""
        return any(job in ("", found.job) for found in self.find(marker))

    def find(self, marker: str) -> list[Job]:
        from wakeman.ports import Job

        _begun[:] = [process for process in _begun if process.poll() is None]
        sleeping = ((pid, words) for pid, words in self._commands() if words[3:5] == [SLEEPER, marker])
        found = (Job(str(pid), datetime.fromtimestamp(float(words[5]), UTC), f"# {marker}") for pid, words in sleeping)
        return sorted(found, key=lambda job: job.due)

    def disarm(self, jobs: Sequence[str]) -> None:
        """End processes that sleep. Boundary: one that has begun to run its command is left alone."""
        import signal

        asleep = self._asleep().intersection(jobs) if jobs else set()
        for job in asleep:
            with suppress(ProcessLookupError):
                os.killpg(int(job), signal.SIGTERM)
        deadline = monotonic() + END_S
        while asleep & self._asleep() and monotonic() < deadline:
            sleep(0.001)

    def shell(self) -> bytes:
        return b""

    def _await_words(self, pid: int) -> None:
        """Wait until a process that was begun is listed with its words: for a moment it is there without any."""
        deadline = monotonic() + END_S
        while os.path.exists(f"{self._proc}/{pid}") and monotonic() < deadline:
            with suppress(OSError), open(f"{self._proc}/{pid}/cmdline", "rb") as file:
                if SLEEPER.encode() in file.read():
                    return
            sleep(0.001)

    def _asleep(self) -> set[str]:
        return {str(pid) for pid, words in self._commands() if words[3:4] == [SLEEPER]}

    def _commands(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each process that could be one that sleeps, with its words."""
        if not os.path.isdir(self._proc):
            yield from _process_list()
            return
        for name in os.listdir(self._proc):
            if name.isdigit():
                with suppress(OSError):
                    data = _first_bytes(f"{self._proc}/{name}/cmdline")
                    if SLEEPER.encode() not in data:
                        continue
                    words = data.decode("utf-8", "surrogateescape").split("\0")
                    # Its shell's child has the same words for the moment until it is `sleep`.
                    if len(words) > 5 and (words[3] != SLEEPER or os.getpgid(int(name)) == int(name)):
                        yield int(name), words


def _first_bytes(path: str) -> bytes:
    """Return what a file begins with. Cost: a third of what a file of Python takes; there are hundreds of processes."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, WORDS_BYTES_MAX)
    finally:
        os.close(handle)


def _process_list() -> Iterator[tuple[int, list[str]]]:
    """Yield processes where there is no /proc (macOS), which lists their words without their borders."""
    import subprocess

    ran = subprocess.run(("ps", "-axww", "-o", "pid=,args="), capture_output=True, text=True, check=False)
    for line in ran.stdout.splitlines():
        pid, _, args = line.strip().partition(" ")
        head, found, rest = args.partition(f" {SLEEPER} ")
        if found and pid.isdigit():
            yield int(pid), [head, "", "", SLEEPER, *rest.split(" ")]
