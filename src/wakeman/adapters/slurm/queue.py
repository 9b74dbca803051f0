"""How Slurm's queue is listed and read, and what its states mean."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator

from msgspec import Struct

from wakeman.adapters.slurm.allocation import HeldAllocation
from wakeman.adapters.slurm.batches import JOB_NAME, KeptTask
from wakeman.core.model import EndedBy
from wakeman.ports import Phase, SessionInfo
from wakeman.ports.executor import OVER

_QUEUE_FIELDS = (
    ("JobArrayID", 40), ("JobID", 20), ("State", 20), ("exit_code", 12), ("Reason", 60), ("NodeList", 40),
    ("SubmitTime", 24), ("StartTime", 24), ("EndTime", 24), ("Comment", 64), ("Name", 96),
)  # fmt: skip
QUEUE_COLUMNS = ",".join(f"{name}:{width}|" for name, width in _QUEUE_FIELDS)
"""The argument of `squeue -O`: a width for each column, as without one it is cut at 20."""

_STATES: dict[str, tuple[Phase, EndedBy, str]] = {
    "PENDING": ("queued", "", "queued"),
    "CONFIGURING": ("queued", "", "its node is being made ready"),
    "REQUEUED": ("queued", "", "requeued"),
    "REQUEUE_FED": ("queued", "", "requeued"),
    "REQUEUE_HOLD": ("queued", "", "held"),
    "RESV_DEL_HOLD": ("queued", "", "held: its reservation was removed"),
    "SPECIAL_EXIT": ("queued", "", "held"),
    "RUNNING": ("running", "", ""),
    "COMPLETING": ("running", "", ""),
    "SIGNALING": ("running", "", ""),
    "STAGE_OUT": ("running", "", ""),
    "RESIZING": ("running", "", ""),
    "STOPPED": ("running", "", ""),
    "SUSPENDED": ("running", "", ""),
    "COMPLETED": ("exited", "", ""),
    "FAILED": ("killed", "", "its job failed"),
    "CANCELLED": ("killed", "person", "its job was cancelled"),
    "TIMEOUT": ("killed", "time", "its job's time was over (slurm.time)"),
    "DEADLINE": ("killed", "time", "its job's deadline was over"),
    "OUT_OF_MEMORY": ("killed", "", "its job took more memory than it had (slurm.memory)"),
    "PREEMPTED": ("killed", "machine", "its job was preempted"),
    "NODE_FAIL": ("lost", "machine", "its node failed"),
    "BOOT_FAIL": ("lost", "machine", "its node did not start"),
    "REVOKED": ("lost", "machine", "its job was revoked"),
}
"""Slurm's state -> phase, who ended it, and why. A state that is not here is unknown, and decides nothing."""
_ALLOCATION_ENDS = {
    "CANCELLED": "its allocation was cancelled",
    "TIMEOUT": "the time of its allocation was over (slurm.reserve_time)",
    "PREEMPTED": "its allocation was preempted",
    "NODE_FAIL": "a node of its allocation failed",
    "COMPLETING": "its allocation is ending",
}
ENDING_STATE = "COMPLETING"
"""What Slurm says of a job for as long as its processes end, whatever has ended it."""
_CANCELLED = "its step was cancelled"
SERVER_GONE = "its tmux server is gone"
_NEARLY_OVER = "its allocation's time is nearly over (slurm.reserve_time)"
_ENDING_WORD = re.compile(r"\*\*\* (JOB|STEP) .* CANCELLED AT [^ ]+ (?:DUE TO ([A-Z ]+))?")
_CAUSES = {"TIME LIMIT": "TIMEOUT", "PREEMPTION": "PREEMPTED", "NODE FAILURE": "NODE_FAIL", "": "CANCELLED"}
"""What Slurm prints into the output of a job, or a step, whose processes it ends -> the state of that end."""
_RANKS: dict[Phase, int] = {"running": 3, "queued": 2, "unknown": 1}
_SECOND_STATUS = 125
"""Exit status of a job that found that another had begun its task: see `job.sh`."""
_OWN_STATUS_MIN = 124
"""Exit statuses of `job.sh` from here on are its own words, unless it has written that they are the program's."""


class Row(Struct, frozen=True):
    """One job of ours, as the queue lists it. `task` is what `scancel` takes, `raw` what `srun` takes.

    Shape: `number` is None for what became of an array before it was split into jobs, and for an allocation. Units:
    `ends` is when its time limit ends it, in epoch seconds; 0 for none that is known.
    """

    batch: str
    number: int | None
    task: str
    raw: str
    state: str
    code: int | None
    reason: str
    nodes: str
    created: float
    comment: str
    ends: float = 0.0

    @property
    def phase(self) -> Phase:
        """Return the phase of its state."""
        return _STATES.get(self.state, ("unknown", "", ""))[0]

    @property
    def rank(self) -> tuple[int, bool]:
        """Return which of two jobs of one task counts: the one that runs, or else did not find the other there."""
        return _RANKS.get(self.phase, 0), self.code != _SECOND_STATUS


def read_rows(printed: str) -> Iterator[Row]:
    """Yield the jobs of batches. Raises: ValueError for a line that is not as it was asked for."""
    for line in printed.splitlines():
        words = [word.strip() for word in line.split("|")]
        if len(words) < len(_QUEUE_FIELDS):
            raise ValueError(line)
        task, raw, state, code, reason, nodes, submitted, started, ends, comment, *_ = words
        found, number = JOB_NAME.fullmatch(words[len(_QUEUE_FIELDS) - 1]), re.fullmatch(r"\d+(?:_(\d+))?", task)
        if found is None or number is None:
            continue
        index = int(number[1]) if number[1] else None
        created = _instant(started) or _instant(submitted)
        told = "" if comment == "(null)" else comment
        code_ = _wait_status(code)
        yield Row(found[1], index, task, raw, state, code_, reason, nodes, created, told, _instant(ends))


class Queue:
    """The jobs of ours that the queue listed: of several that a repeated request made, the one that counts."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._best: dict[tuple[str, int | None], Row] = {}
        for row in rows:
            known = self._best.get((row.batch, row.number))
            if known is None or row.rank > known.rank:
                self._best[row.batch, row.number] = row

    def of(self, task: KeptTask) -> Row | None:
        """Return the job of a task; or of its whole array, if that was never split; None if none is listed.

        Shape: of one in an allocation, that allocation's job.
        """
        if task.held is not None:
            return self.holding(task.held)
        return self._best.get((task.batch, task.number)) or self._best.get((task.batch, None))

    def holding(self, held: HeldAllocation) -> Row | None:
        """Return the job of an allocation; None if none is listed."""
        return self.named(held.name)

    def named(self, name: str) -> Row | None:
        """Return the job that is no array and has an id in its name; None if none is listed."""
        return self._best.get((name, None))


def session_of(task: KeptTask, row: Row | None, said: str) -> SessionInfo | None:
    """Return what is known of a session: what its job left behind counts before what the queue says.

    Shape: `said` is Slurm's word of its end, or the last line that its job printed. Boundary: None for one that was
    never submitted.
    """
    base = row.task.partition("_")[0] if row is not None else task.base
    if not base:
        return None
    phase, code, by, why = _task_fate(task, row, said)
    return SessionInfo(
        session=task.session,
        session_id=f"{base}_{task.number}@{task.batch}",
        phase=phase,
        mark=task.mark,
        code=code,
        ended_by=by,
        why=why,
        created=row.created if row is not None else 0.0,
        host=_host_of_task(task, row),
    )


def _host_of_task(task: KeptTask, row: Row | None) -> str:
    """Return the node of a session, as Slurm calls it. Boundary: an allocation has several, and its step says which."""
    if task.held is not None:
        return task.node
    return row.nodes if row is not None else ""


def _task_fate(task: KeptTask, row: Row | None, said: str) -> tuple[Phase, int | None, EndedBy, str]:
    if task.code is not None:
        return "exited", task.code, "", ""
    if task.refused:
        return "killed", None, "launch", task.refused
    if task.cut and (row is None or row.state != "OUT_OF_MEMORY"):  # of which a server may die, too
        return "killed", None, "machine", SERVER_GONE
    if task.held is not None:
        return _held_fate(task, task.held, row, said)
    if row is None:
        return _unlisted(task, said)
    phase, by, why = _STATES.get(row.state, ("unknown", "", f"Slurm says {row.state}"))
    if phase == "queued" and row.reason not in ("", "None"):
        why = row.reason if row.state == "PENDING" else f"{why}: {row.reason}"
    if row.state == ENDING_STATE:  # its program's status may be there before the last word of its job
        by, why = _end_cause(said)
    if row.state == "FAILED" and row.code == _SECOND_STATUS and task.began and not task.over:
        return "lost", None, "machine", "Slurm began its job again, and the one that had begun it left no word"
    if row.state in ("FAILED", "COMPLETED"):
        if not task.ended and row.code is not None and 0 <= row.code < _OWN_STATUS_MIN:
            return "exited", row.code, "", ""
        return "killed", None, "", f"{'its program was ended' if task.ended else why}: {said or row.reason}"
    if (phase in ("killed", "lost") or by) and row.nodes:
        why = f"{why}, on {row.nodes}"
    return phase, None, by, why


def _end_cause(said: str) -> tuple[EndedBy, str]:
    """Return who ends a job, or a step, and why, by Slurm's word of its end; "" where that says nothing of it."""
    word = _ENDING_WORD.search(said)
    state = _CAUSES.get((word[2] or "").strip()) if word else None
    if word is None or state is None:
        return "", ""
    _, by, why = _STATES[state]
    return by, _CANCELLED if (word[1], by) == ("STEP", "person") else why


def _held_fate(
    task: KeptTask, held: HeldAllocation, row: Row | None, said: str
) -> tuple[Phase, int | None, EndedBy, str]:
    """Return the fate of a session in an allocation: with that it ends, through no fault of its own.

    Shape: one that runs on while its allocation completes is about to be ended by that, so this is named already: its
    program's status may be there before the last word of its step.
    """
    state = row.state if row is not None else ""
    phase = _STATES.get(state, ("unknown", "", ""))[0]
    if row is None:
        over = "Slurm lists its allocation no longer"
    else:
        over = f"{_ALLOCATION_ENDS.get(state, f'its allocation is {state}')}{f', on {row.nodes}' if row.nodes else ''}"
    if task.ended:
        whole = "killed" if row is None else None if state == ENDING_STATE else phase
        return _ended_step(task, held, whole, over, said)
    if row is None:
        return ("lost" if task.began else "killed"), None, "machine", over
    if phase in OVER:
        return ("lost" if phase == "lost" and task.began else "killed"), None, "machine", over
    if phase == "queued" and not task.began:
        return phase, None, "", f"its allocation waits: {row.reason}"
    if phase == "running":
        if task.began and state == ENDING_STATE:
            return "running", None, "machine", over
        if not task.began:
            return "queued", None, "", "its allocation is about to start it"
        by, why = _end_cause(said)
        return ("running", None, "machine", _NEARLY_OVER) if by and held.ending else ("running", None, by, why)
    return "unknown", None, "", f"its allocation is {state}"


def _ended_step(
    task: KeptTask, held: HeldAllocation, phase: Phase | None, over: str, said: str
) -> tuple[Phase, int | None, EndedBy, str]:
    """Return the fate of a session whose step has left a word, or has none: `over` says how its allocation ends.

    Shape: `phase` is the allocation's; None while it is ending, for whatever reason.
    """
    if task.silent and phase is None:
        return "unknown", None, "", over  # whether a host has failed is told when that has ended
    if task.silent and phase in OVER:
        return ("lost" if phase == "lost" else "killed"), None, "machine", over
    by, why = _end_cause(said)
    # Slurm says the same of each step of an allocation whose time is over, so that is asked first.
    if not task.told and (not by or phase is None or phase in OVER):
        return "killed", None, "", f"its program was ended: {said}".rstrip(": ")
    if phase is None or phase in OVER:
        return "killed", None, "machine", over
    if held.ending:
        return "killed", None, "machine", _NEARLY_OVER
    return ("killed", None, by, why) if by else ("killed", None, "person", _CANCELLED)


def _unlisted(task: KeptTask, said: str) -> tuple[Phase, int | None, EndedBy, str]:
    """Return the fate of a session whose job is listed no longer: it is over for longer than `MinJobAge`, or was
    cancelled while its array was in the queue.
    """
    by, why = _end_cause(said)
    if by:
        return "killed", None, by, why
    if task.ended:
        return "killed", None, "", f"its program was ended: {said}".rstrip(": ")
    if not task.began:
        return "killed", None, "person", "its job was cancelled before it began"
    return "lost", None, "machine", "Slurm lists its job no longer, and it left no word of its end"


def _wait_status(word: str) -> int | None:
    """Read an exit status, which is one of wait(2) as a number, or `STATUS:SIGNAL`: negative for a signal."""
    if pair := re.fullmatch(r"(\d+):(\d+)", word):
        return -int(pair[2]) or int(pair[1])
    return os.waitstatus_to_exitcode(int(word)) if re.fullmatch(r"\d{1,5}", word) else None


def _instant(text: str) -> float:
    """Return seconds since the epoch; 0 where Slurm does not say."""
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0.0
