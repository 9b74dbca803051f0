"""What was submitted, as files in the deployment's own directory: batches of sessions, each one array of Slurm.

A batch is written before it is submitted, and its jobs carry its id in their name. So after a crash between the two, or
an answer that never came, the next look finds the jobs of what was submitted, and nothing is submitted twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct

from wakeman.adapters.slurm.allocation import Allocation, HeldAllocation
from wakeman.adapters.slurm.kept_files import first_line, put_first, put_whole

FOLDER = "slurm"
"""Where batches are, below the deployment's directory."""
PAST = "past"
"""Where batches are moved whose sessions were all ended, and are over."""
TASKS = "tasks.json"
JOB_NAME = re.compile(r".*\.wk([0-9a-f]{12})")
HELD = "held"
"""The file of a batch that runs in an allocation: its name."""
KEPT_SCREEN_BYTES_MAX = 2 * 2**20
SAID_BYTES_MAX = 2000
ENDED_SIGN = re.compile(r"slurmstepd[^:]*: error: \*\*\* (STEP|JOB) ")
"""How Slurm begins what it prints of an end that it has brought about."""


class JobTask(Struct, frozen=True):
    """One session of a batch."""

    session: str
    mark: str


class KeptTask(Struct, frozen=True):
    """A task with its place, and what its files say. `base` is the array's job id, "" while it is not known.

    Shape: `began` says that a job has begun it; `code` is the status that its program left, `ended` says that it left
    none, `told` that its job was told to end then, `cut` that its tmux server had died; `gone` that it was cancelled
    here. One that runs in an allocation is `held`: `base` is then that job's id, `step` the one of its step, and `node`
    what Slurm calls the node. It was `silent` if its step ended without any word, as when its node fails. `refused`
    says why its program could not begin.
    """

    batch: str
    number: int
    session: str
    mark: str
    base: str
    began: bool
    code: int | None
    ended: bool
    gone: bool
    told: bool = False
    cut: bool = False
    silent: bool = False
    refused: str = ""
    held: HeldAllocation | None = None
    step: str = ""
    node: str = ""

    @property
    def over(self) -> bool:
        """Return whether its job has left a word of its end."""
        return self.ended or self.code is not None


class Batches:
    """The batches of one deployment's directory."""

    def __init__(self, directory: str) -> None:
        self.place = f"{directory}/{FOLDER}"
        self.allocation = Allocation(self.place)

    def path(self, batch: str, name: str = "") -> str:
        """Return the path of a batch, or of a file in it."""
        return f"{self.place}/{batch}/{name}" if name else f"{self.place}/{batch}"

    def kept(self) -> list[KeptTask]:
        """List every session that was submitted, or is about to be. Cost: a listing and a few reads for each batch."""
        try:
            names = sorted(os.listdir(self.place))
        except FileNotFoundError:
            return []
        held = self.allocation.read()
        return [task for name in names if re.fullmatch(r"[0-9a-f]{12}", name) for task in self._tasks(name, held)]

    def _tasks(self, batch: str, held: HeldAllocation | None) -> Iterator[KeptTask]:
        try:
            files = set(os.listdir(self.path(batch)))
            with open(self.path(batch, TASKS), "rb") as file:
                tasks = msgspec.json.decode(file.read(), type=list[JobTask])
        except (FileNotFoundError, msgspec.DecodeError):
            return  # a crash came before it was whole: nothing of it was submitted
        if HELD not in files:
            held = None
        if held is not None:  # what was not asked for in it is as an array that was not submitted
            base = held.base if batch in held.batches else ""
        else:
            base = self._line(batch, "job") if "job" in files else ""
        gone = self._gone(batch) if "gone" in files else frozenset()
        for number, task in enumerate(tasks):
            over = self._line(batch, f"{number}.over") if f"{number}.over" in files else ""
            word, _, status = over.partition(" ")
            began = f"{number}.began" in files
            step, node = self._step(batch, number) if began and held is not None else ("", "")
            yield KeptTask(
                batch=batch,
                number=number,
                session=task.session,
                mark=task.mark,
                base=base if re.fullmatch(r"\d+", base) else "",
                began=began,
                code=int(status) if word == "exited" and re.fullmatch(r"\d{1,3}", status) else None,
                ended=word in ("ended", "refused"),
                refused=(status or "its program could not begin") if word == "refused" else "",
                gone=str(number) in gone,
                told=(word, status) == ("ended", "told"),
                cut=(word, status) == ("ended", "server"),
                silent=(word, status) == ("ended", "silent"),
                held=held,
                step=step,
                node=node,
            )

    def _step(self, batch: str, number: int) -> tuple[str, str]:
        """Return the step that has begun a task, and its node as Slurm calls it; "" for what was begun by none."""
        step, _, nodes = self._line(batch, f"{number}.began").partition(" ")
        return (step, nodes.rpartition(" ")[2]) if re.fullmatch(r"\d+\.\d+", step) else ("", "")

    def _line(self, batch: str, name: str) -> str:
        return first_line(self.path(batch, name))

    def write(self, tasks: Sequence[tuple[JobTask, str]], held: str = "", contain: bytes = b"") -> str:
        """Write a batch of sessions with the scripts that make them; return its id. It is whole, or not there.

        Shape: `held` is the name of the allocation that it is for, "" for an array; `contain` is the
        script by which programs run in a container, if they do.
        """
        batch = os.urandom(6).hex()
        os.makedirs(self.place, mode=0o700, exist_ok=True)
        os.mkdir(self.path(batch), 0o700)
        cases = "".join(f"{number})\n{script};;\n" for number, (_, script) in enumerate(tasks))
        script = f"case $task in\n{cases}esac\n"
        self._put(batch, "tasks.sh", script.encode("utf-8", "surrogateescape"))
        if contain:
            self._put(batch, "contain.sh", contain)
        if held:
            self._put(batch, HELD, f"{held}\n".encode())
        self._put(batch, TASKS, msgspec.json.encode([task for task, _ in tasks]))
        return batch

    def submitted(self, batch: str, base: str) -> None:
        """Write under which job id a batch runs."""
        self._put(batch, "job", f"{base}\n".encode())

    def refused(self, batch: str) -> None:
        """Remove a batch that Slurm did not take."""
        import shutil

        shutil.rmtree(self.path(batch), ignore_errors=True)

    def withdrawn(self, task: KeptTask) -> bool:
        """Begin a task in place of its step, so that none runs it; return whether none had begun it before."""
        at = self.path(task.batch, str(task.number))
        if not put_first(f"{at}.began", b"withdrawn\n"):
            return False
        put_whole(f"{at}.over", b"ended told\n")
        return True

    def step_of(self, task: KeptTask) -> str:
        """Return the step that has begun a task by now."""
        return self._step(task.batch, task.number)[0]

    def cancelled(self, tasks: Iterable[KeptTask]) -> None:
        """Write that sessions are to be listed no longer, once they are over. Cost: a write to the disk per batch."""
        numbers: dict[str, list[int]] = {}
        for task in tasks:
            numbers.setdefault(task.batch, []).append(task.number)
        for batch, found in numbers.items():
            with suppress(FileNotFoundError), open(self.path(batch, "gone"), "a", encoding="ascii") as file:
                file.write("".join(f"{number}\n" for number in found))
                file.flush()
                os.fsync(file.fileno())

    def _gone(self, batch: str) -> frozenset[str]:
        with suppress(OSError), open(self.path(batch, "gone"), encoding="ascii", errors="replace") as file:
            return frozenset(file.read().split())
        return frozenset()

    def settle(self, batch: str) -> None:
        """Move a batch away that nobody asks for any more."""
        os.makedirs(f"{self.place}/{PAST}", mode=0o700, exist_ok=True)
        with suppress(OSError):
            os.rename(self.path(batch), f"{self.place}/{PAST}/{batch}")

    def node(self, batch: str, number: str) -> str:
        """Return the node on which a session's job has begun it, as Slurm calls it; "" while none has."""
        began = self._line(batch, f"{number}.began") or self._line(f"{PAST}/{batch}", f"{number}.began")
        return began.rpartition(" ")[2] if began.count(" ") > 1 else ""

    def lost(self, task: KeptTask) -> None:
        """Write that a session that had begun was lost: it may still run on its node. Repeatable: yes."""
        with suppress(OSError):
            put_first(
                self.path(task.batch, f"{task.number}.lost"), f"{self.node(task.batch, str(task.number))}\n".encode()
            )

    def left_behind(self) -> dict[str, tuple[str, ...]]:
        """Return, by node, the sessions that were lost and may still run there.

        Shape: not one that has left a word of its end since, and none on a node where another has begun later: Slurm
        gives a node jobs once that has registered again, and ends what it does not know there by then. Cost: a listing
        of each batch; where any was lost, also a read of each mark.
        """
        batches = [*self._names(""), *(f"{PAST}/{name}" for name in self._names(PAST))]
        files = {batch: set(os.listdir(self.path(batch))) for batch in batches}
        lost = [
            (batch, name.removesuffix(".lost"))
            for batch, names in files.items()
            for name in sorted(names)
            if name.endswith(".lost") and f"{name.removesuffix('.lost')}.over" not in names
        ]
        if not lost:
            return {}
        marks = [(batch, name) for batch, names in files.items() for name in names if name.endswith(".began")]
        begun = [(self._line(*at).rpartition(" ")[2], os.stat(self.path(*at)).st_mtime) for at in marks]
        found: dict[str, list[str]] = {}
        for batch, number in lost:
            node, since = self._line(batch, f"{number}.lost"), os.stat(self.path(batch, f"{number}.lost")).st_mtime
            if not any(node == other and at > since for other, at in begun):
                found.setdefault(node, []).append(self._session(batch, int(number)))
        return {node: tuple(names) for node, names in found.items()}

    def _names(self, folder: str) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(f"{self.place}/{folder}") if re.fullmatch(r"[0-9a-f]{12}", name))
        return []

    def _session(self, batch: str, number: int) -> str:
        with suppress(OSError, msgspec.DecodeError, IndexError), open(self.path(batch, TASKS), "rb") as file:
            return msgspec.json.decode(file.read(), type=list[JobTask])[number].session
        return ""

    def screen(self, task: KeptTask) -> str | None:
        """Return what a session showed last, with the codes of its colours; None if that was not kept."""
        return self._text(task, "screen", KEPT_SCREEN_BYTES_MAX)

    def said(self, task: KeptTask) -> str:
        """Return the last word that Slurm printed of an end, or else the last line of the job itself: why it could not
        start.

        Shape: behind Slurm's word the shell may say that it was terminated, and `srun` how a step ended.
        """
        lines = [line.strip() for line in (self._text(task, "out", SAID_BYTES_MAX) or "").strip().split("\n")]
        own = [line for line in lines if not line.startswith("srun: ")] or lines
        return next((line for line in reversed(own) if ENDED_SIGN.match(line)), own[-1])

    def _text(self, task: KeptTask, kind: Literal["screen", "out"], most: int) -> str | None:
        try:
            with open(self.path(task.batch, f"{task.number}.{kind}"), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - most))
                return file.read(most).decode(errors="replace")
        except OSError:
            return None

    def _put(self, batch: str, name: str, data: bytes) -> None:
        put_whole(self.path(batch, name), data)


def job_name(directory: str, batch: str) -> str:
    """Return the name of a batch's jobs: a person reads the deployment in it, a look finds the batch."""
    return f"{deployment_word(directory)}.wk{batch}"


def deployment_word(directory: str) -> str:
    """Return the deployment's name as far as the name of a job may have it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", os.path.basename(directory))[:64]
