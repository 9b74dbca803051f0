"""Checks as jobs of the cluster: alarms by `sbatch --begin`, and one that waits for the ends of sessions.

A job's comment says what it is: the marker of its deployment, and the command that it runs. What is queued is asked by
that, so an alarm whose request was not answered is found again, and one that a site's own rules have changed is none.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.adapters.slurm.batches import deployment_word
from wakeman.adapters.slurm.calls import SUBMIT_S, UNSURE, call_slurm, slurm_words
from wakeman.adapters.slurm.kept_files import put_whole
from wakeman.core.errors import ProgramError

if TYPE_CHECKING:
    from wakeman.adapters.asking import Told
    from wakeman.ports import Job

COMMENT_BYTES_MAX = 1024
"""Bytes of a job's comment at most. Source: slurmctld refuses a longer one."""
_COLUMNS = f"JobID:20|,Reason:60|,EligibleTime:24|,Comment:{COMMENT_BYTES_MAX}|"
_TIME = "%Y-%m-%dT%H:%M:%S"
TIMER_FUNCTIONS = os.path.join(os.path.dirname(__file__), "timer.sh")
OUTPUT = "checks.out"
"""File, beside the batches, to which Slurm appends what it says of jobs that run checks; they print nothing."""
DUE_REASONS = frozenset(("BeginTime", "None", ""))
"""Reasons of a job that waits for its time alone."""


class JobTimer:
    """Alarms as jobs of a cluster, by what `SlurmBackend.place` has resolved; `directory` is the deployment's.

    Shape: each call of Slurm's gets UTC as its time zone, in which `--begin` and times in the queue are. Cost: one call
    of `sbatch` and one of `squeue` for each alarm.
    """

    name = "slurm"

    def __init__(self, place: Mapping[str, str], directory: str, env: Mapping[str, str]) -> None:
        self._place, self._directory = place, directory
        conf = {"SLURM_CONF": place["conf"]} if place.get("conf") else {}
        self._env = {**env, **conf, "TZ": "UTC"}
        self._alarm_name = f"{deployment_word(directory)}.check"

    def weakness(self) -> str:
        """Return what of Slurm's programs is not there; "" if all are. Whether it takes jobs is seen by asking it."""
        for name in ("sbatch", "squeue", "scancel"):
            if not os.access(self._place[name], os.X_OK):
                return f"slurm: {self._place[name]} cannot be run"
        return ""

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        """Submit a job that begins at `due`, or at the next whole second, and as soon as there is room for it.

        Raises: ProgramError where Slurm refuses, or lists no such job afterwards: a request that was not answered may
        have been taken, and then it is listed.
        """
        if weak := self.weakness():
            raise ProgramError(weak)
        comment = shlex.join((marker, *argv))
        if len(os.fsencode(comment)) > COMMENT_BYTES_MAX:
            raise ProgramError(f"slurm: {self._directory}: too long a path for a job's comment")
        begin = due.astimezone(UTC)
        begin = begin.replace(microsecond=0) + timedelta(seconds=bool(begin.microsecond))
        os.makedirs(f"{self._directory}/slurm", mode=0o700, exist_ok=True)
        told = self._call(
            *check_request(self._place, self._directory),
            *(f"--begin={begin:{_TIME}}", f"--job-name={self._alarm_name}", f"--comment={comment}"),
            f"--wrap={_wrapped(argv)}",
            timeout=SUBMIT_S,
        )
        number = told.out.decode(errors="replace").strip().partition(";")[0]
        why = slurm_words(told) if told.code or not number.isdigit() else ""
        if why and not UNSURE.search(why):
            raise ProgramError(f"slurm: {why}", "change slurm.alarm_options in the plan, or ask the site")
        from wakeman.ports import Job

        if not why and begin <= datetime.now(UTC):
            return Job(number, begin, _comment_body(marker, comment))  # it may have begun by now
        for job in self.find(marker):
            if job.job == number or (why and job.body == _comment_body(marker, comment)):
                return job
        raise ProgramError(
            f"slurm: {why or f'job {number} is not in the queue, with its comment, after it was accepted'}"
        )

    def pending(self, job: str, marker: str) -> bool:
        """Return whether that job is queued and ours. Raises: ProgramError when the controller does not answer."""
        return any(job == found.job for found, _ in self._queued(marker))

    def waits(self, job: str, marker: str) -> str:
        """Return Slurm's reason why a job that is due has not begun."""
        now = datetime.now(UTC)
        found = [why for one, why in self._queued(marker) if one.job == job and one.due <= now]
        return "".join("it is about to start" if why in DUE_REASONS else why for why in found)

    def find(self, marker: str) -> list[Job]:
        """List every queued job of a marker, soonest first. Raises: ProgramError when the controller is away."""
        return sorted((job for job, _ in self._queued(marker)), key=lambda job: job.due)

    def disarm(self, jobs: Sequence[str]) -> None:
        """Cancel jobs that are queued still; one that runs may be the caller's own."""
        numbers = [job for job in jobs if job.isdecimal()]
        if not numbers:
            return
        told = self._call(self._place["scancel"], "--state=PENDING", *numbers)
        if told.code and UNSURE.search(slurm_words(told)):
            raise ProgramError(f"slurm: {slurm_words(told)}", "sinfo")

    def shell(self) -> bytes:
        """Return `timer.sh`, with the words of its calls."""
        words = {
            "sbatch": check_request(self._place, self._directory),
            "squeue": (self._place["squeue"], "--me", "--noheader", "--states=PENDING", f"--name={self._alarm_name}"),
            "scancel": (self._place["scancel"], "--state=PENDING"),
        }
        conf = [f"SLURM_CONF={self._place['conf']}"] if self._place.get("conf") else []
        head = [
            f'slurm_{name}() {{ clean env TZ=UTC {shlex.join((*conf, *argv))} "$@"; }}' for name, argv in words.items()
        ]
        head.append(f"alarm_name={shlex.quote(self._alarm_name)}")
        with open(TIMER_FUNCTIONS, "rb") as file:
            return "\n".join(head).encode("utf-8", "surrogateescape") + b"\n\n" + file.read()

    def _queued(self, marker: str) -> Iterator[tuple[Job, str]]:
        """Yield the queued jobs of a marker, each with Slurm's reason."""
        from wakeman.ports import Job

        listing = ("--me", "--noheader", "--states=PENDING", f"--name={self._alarm_name}", "-O", _COLUMNS)
        told = self._call(self._place["squeue"], *listing)
        if told.code:
            raise ProgramError(f"slurm: {slurm_words(told)}", "sinfo")
        for line in os.fsdecode(told.out).splitlines():
            number, reason, due, comment = (*line.split("|", 3), "", "", "", "")[:4]
            comment = comment.rstrip().removesuffix("|").rstrip()
            if _comment_carries(comment, marker):
                begins = datetime.strptime(due.strip(), _TIME).replace(tzinfo=UTC)
                yield Job(number.strip(), begins, _comment_body(marker, comment)), reason.strip()

    def _call(self, *argv: str, timeout: float = 20.0) -> Told:
        return call_slurm(argv, self._env, timeout)


def check_request(place: Mapping[str, str], directory: str) -> tuple[str, ...]:
    """Return the words of `sbatch` that ask for any job which runs a check."""
    return (
        *(place["sbatch"], "--parsable", "--no-requeue", "--export=ALL", "--chdir=/", "--nodes=1", "--ntasks=1"),
        *("--input=/dev/null", f"--output={directory}/slurm/{OUTPUT}", "--open-mode=append"),
        *shlex.split(place["alarm"]),
    )


def woken(argv: Sequence[str]) -> str:
    """Return the command of a job that waits for an end: `check.sh` is told that it may check on that machine."""
    return f"WAKEMAN_WOKEN=1 {_wrapped(argv)}"


def _wrapped(argv: Sequence[str]) -> str:
    """Return the command of a job. Shape: what a check's status says is no failure of a job."""
    return f"{shlex.join(argv)} || :"


def _comment_carries(comment: str, marker: str) -> bool:
    try:
        return shlex.split(comment)[:1] == [marker]
    except ValueError:
        return False


def _comment_body(marker: str, comment: str) -> str:
    return f"# {marker}\nexec {comment.removeprefix(shlex.quote(marker)).lstrip()}\n"


class WaitingJob(Struct, frozen=True):
    """A job that waits for the ends of others: the id in its name, and whom it waits for."""

    name: str
    jobs: tuple[str, ...]


class EndWaker:
    """The file of the one job that waits for ends, beside the batches."""

    def __init__(self, batches: str) -> None:
        self._batches, self._file = batches, f"{batches}/waits.json"

    def read(self) -> WaitingJob | None:
        """Return what was asked for last; None for nothing."""
        try:
            with open(self._file, "rb") as file:
                return msgspec.json.decode(file.read(), type=WaitingJob)
        except (OSError, msgspec.DecodeError):
            return None

    def write(self, jobs: Sequence[str]) -> str:
        """Write what is about to be asked for; return the id for its name."""
        os.makedirs(self._batches, mode=0o700, exist_ok=True)
        name = os.urandom(6).hex()
        put_whole(self._file, msgspec.json.encode(WaitingJob(name, tuple(jobs))))
        return name

    def submitted(self, job: str) -> None:
        """Write its number, by which `hold.sh` has it begin: a step that ends is no job that it could depend on."""
        put_whole(f"{self._batches}/waits", f"{job}\n".encode())
