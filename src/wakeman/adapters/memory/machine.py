"""A machine in memory: programs that do nothing, free memory, and alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from wakeman.core.errors import ProgramError
from wakeman.ports import Job, Kin, Ran


@dataclass
class MemoryMachine:
    """A machine on which nothing runs and every program succeeds, or ends as in `answers`.

    Shape: `ran` are the argument vectors, `signals` the signals sent; `living` are processes by mark.
    """

    memory: int = 0
    size: tuple[int, int] = (0, 0)
    environment: dict[str, str] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)
    answers: dict[str, Ran] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)  # programs that are not installed
    living: dict[str, list[int]] = field(default_factory=dict)
    signals: list[tuple[int, str]] = field(default_factory=list)
    births: dict[int, float] = field(default_factory=dict)  # start of live processes, in epoch seconds
    kinship: dict[int, Kin] = field(default_factory=dict)  # what else is known of them

    def run(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], timeout: float, stdin: bytes = b"") -> Ran:
        del cwd, env, timeout, stdin
        self.ran.append(tuple(argv))
        return self.answers.get(argv[0], Ran(code=0))

    def runs(self, program: str, cwd: str, path: str) -> bool:
        del cwd, path
        return program not in self.absent

    def free_memory(self) -> int:
        return self.memory

    def capacity(self) -> tuple[int, int]:
        return self.size

    def marked(self, marks: Iterable[str]) -> dict[str, list[int]]:
        return {mark: self.living[mark] for mark in marks if self.living.get(mark)}

    def born(self, pids: Iterable[int]) -> dict[int, float]:
        living = {pid for each in self.living.values() for pid in each}
        return {pid: self.births.get(pid, 0.0) for pid in pids if pid in living}

    def kin(self, pids: Iterable[int]) -> dict[int, Kin]:
        return {pid: self.kinship.get(pid, Kin(born)) for pid, born in self.born(pids).items()}

    def mark_of(self, pid: int) -> str:
        return next((mark for mark, pids in self.living.items() if pid in pids), "")

    def signal(self, pids: Iterable[int], name: Literal["TERM", "KILL", "INT"]) -> None:
        for pid in pids:
            self.signals.append((pid, name))
            for mark in self.living:
                self.living[mark] = [other for other in self.living[mark] if other != pid]

    def alive(self, pid: int) -> bool:
        return pid == self.pid() or any(pid in pids for pids in self.living.values())

    def environ(self) -> Mapping[str, str]:
        return self.environment

    def home(self) -> str:
        return "/home/rehearsal"

    def pid(self) -> int:
        return 1


@dataclass
class MemoryTimer:
    """A timer in memory: job -> its alarm and argument vector.

    Shape: `broken` says why it cannot be used; one that is not `exact` counts in minutes.
    """

    broken: str = ""
    jobs: dict[str, tuple[Job, tuple[str, ...]]] = field(default_factory=dict)
    name: str = "at"
    exact: bool = False
    _last: int = 0

    def weakness(self) -> str:
        return self.broken

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        if self.broken:
            raise ProgramError(self.broken)
        self._last += 1
        minute = due if self.exact else due.replace(second=0, microsecond=0)
        minute += timedelta(minutes=minute < due)
        job = Job(job=str(self._last), due=minute, body=f"# {marker}\n{' '.join(argv)}\n")
        self.jobs[job.job] = (job, tuple(argv))
        return job

    def pending(self, job: str, marker: str) -> bool:
        return any(job == found.job or (self.exact and not job) for found in self.find(marker))

    def find(self, marker: str) -> list[Job]:
        carrying = (job for job, _ in self.jobs.values() if f"# {marker}" in job.body.split("\n"))
        return sorted(carrying, key=lambda job: job.due)

    def disarm(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            self.jobs.pop(job, None)

    def shell(self) -> bytes:
        return b""
