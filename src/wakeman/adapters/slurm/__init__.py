"""Workers as jobs of a Slurm cluster: submitted as arrays, listed by one `squeue`, each in a tmux server on its node.

With `slurm.reserve` so many are steps in one allocation instead, which is held until the wrap-up: see `hold.sh`.

Rules of this file, each because of a quirk of Slurm:

- A batch is one array, even of one session: `scancel` takes BASE_INDEX (on an array's raw id it returns 0 and does
  nothing), `srun` takes the raw id.
- A request that was not answered may have been accepted. Its jobs carry the batch's id in their name; so they are
  looked for there before anything is submitted again, and of two jobs of one task the second runs nothing: `job.sh`.
- A finished job is listed for `MinJobAge` only. What it left in the batch's directory stays, and counts before that.
- `srun` must live as long as its step, so it is called within the allocation: here it would die with this machine.
  What is to run is a line in a file. Who makes the file K.began first, a step or who cancels, decides whether it runs.
- A restart of jobs is Wakeman's decision alone: `--no-requeue`.
- The environment of a job that Wakeman itself runs in would change what `sbatch` and `srun` do: each call gets the
  recorded environment, and nothing else.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.adapters.slurm.batches import Batches, JobTask, KeptTask, job_name
from wakeman.adapters.slurm.calls import QUEUE_S, SUBMIT_S, UNSURE, call_slurm, slurm_words
from wakeman.adapters.slurm.queue import ENDING_STATE, QUEUE_COLUMNS, Queue, read_rows, session_of
from wakeman.adapters.slurm.timer import EndWaker, JobTimer, check_request, woken
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.text import sanitise
from wakeman.ports import Listing, Made, Phase, SessionInfo, Start
from wakeman.ports.executor import OVER

if TYPE_CHECKING:
    from wakeman.adapters.asking import Told
    from wakeman.adapters.slurm.allocation import HeldAllocation
    from wakeman.adapters.slurm.terminals import JobTerminals
    from wakeman.core.model import Host, Plan
    from wakeman.ports import Lack, NodeTrial

CANCELS_PER_CALL_MAX = 500
ENDS_MAX = 2000
"""Sessions at most that one job waits for: 40 kB of a request."""
TOO_LARGE = re.compile(r"Invalid job array specification")
"""What `sbatch` says of an array whose last index is not below `MaxArraySize`."""
PLAN_MEND = "change [slurm] in the plan, or ask the site"
JOB = os.path.join(os.path.dirname(__file__), "job.sh")
HOLD = os.path.join(os.path.dirname(__file__), "hold.sh")
_COMMENT = r"[\w:;]+"
PANE = (
    'state=$WAKEMAN_JOB; unset WAKEMAN_JOB WAKEMAN_TASK; (exec "$@"); code=$?;'
    ' echo "$code" >"$state/status.tmp" && mv "$state/status.tmp" "$state/status"; exit "$code"'
)
"""Runs a session's program on the node, and keeps its status for `job.sh`."""
CONTAINED_PANE = (
    "state=$WAKEMAN_JOB at=$WAKEMAN_TASK; unset WAKEMAN_JOB WAKEMAN_TASK;"
    ' (exec /bin/sh "${at%/*}/contain.sh" "$at" "$@"); code=$?;'
    ' echo "$code" >"$state/status.tmp" && mv "$state/status.tmp" "$state/status"; exit "$code"'
)
"""The same, within a container."""


class FoundJob(Struct, frozen=True):
    """A session's job, as the last look found it. `raw` is what `srun` takes, `job` what `scontrol` does; "" for none.

    Shape: `node` is named where the job has several.
    """

    task: KeptTask
    phase: Phase
    raw: str
    job: str
    node: str


class Slurm:
    """The sessions of one deployment as jobs; see `wakeman.ports`."""

    outlives_boot = True

    def __init__(
        self, place: Mapping[str, str], directory: str, env: Mapping[str, str], mounted: Sequence[str] = ()
    ) -> None:
        """Address a cluster; nothing runs yet.

        Shape: `place` is what `SlurmBackend.place` has resolved; `directory` is the deployment's own, which the nodes
        share, and gets the directory `slurm` when something is done; `mounted` is what a container must have.
        """
        self._place, self._directory, self._mounted = place, directory, mounted
        self._env = {**env, **({"SLURM_CONF": place["conf"]} if place.get("conf") else {})}
        self._batches = Batches(directory)
        self._known: tuple[list[KeptTask], Queue] | None = None
        self._stale = True  # whether anything was submitted or cancelled since the queue was listed

    @property
    def address(self) -> str:
        return f"{self._place.get('cluster', '')}:{self._directory}"

    @property
    def terminal(self) -> JobTerminals:
        from wakeman.adapters.slurm.terminals import JobTerminals, JobTmux

        return JobTerminals(self, lambda found: JobTmux(self._place["srun"], found, self._directory, self._env))

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        """List all sessions by one call of `squeue`, and what their jobs left behind."""
        del known  # an id has its batch in it, which no other cluster knows
        try:
            self.refresh()
        except ProgramError as fault:
            return Listing("unknown", why=str(fault))
        return Listing("up", self._place.get("cluster", "slurm"), tuple(info for _, info in self._sessions()))

    def refresh(self) -> None:
        """Look at the queue, then at what is kept: so what ended between the two has left its word. Raises:
        ProgramError when the controller does not answer.
        """
        told = self._ask(self._place["squeue"], "--me", "--noheader", "--array", "--states=all", "-O", QUEUE_COLUMNS)
        if told.code:
            raise ProgramError(f"slurm: {slurm_words(told)}", "sinfo")
        try:
            queue = Queue(read_rows(told.out.decode(errors="replace")))
        except ValueError as fault:
            raise ProgramError(f"slurm: cannot read what squeue prints: {sanitise(str(fault), 200)}", "sinfo") from None
        self._known, self._stale = (self._batches.kept(), queue), False

    def _sessions(self) -> Iterator[tuple[KeptTask, SessionInfo]]:
        """Yield what is listed: not what was cancelled and is over."""
        tasks, queue = self._known or ([], Queue())
        for task in tasks:
            row = queue.of(task)
            told = (
                row is None or row.phase in OVER or row.state == ENDING_STATE or (task.held is not None and task.began)
            )
            info = session_of(task, row, self._batches.said(task) if told else "")
            if info is not None and not (task.gone and info.over):
                yield task, info

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        """Submit sessions as arrays, each as large as the site allows."""
        from wakeman.adapters.slurm.scripts import refused_job

        if not starts:
            return []
        self.refresh()
        self._note_lost()
        names: dict[str, SessionInfo] = {info.session: info for task, info in self._sessions() if not task.gone}
        made = [refused_job(start) or _session_there(names.get(start.session), start) for start in starts]
        waiting = [index for index, one in enumerate(made) if one is None]
        inside = self._room() if waiting else 0
        held, queued = waiting[:inside], waiting[inside:]
        most = int(self._place["array_max"])
        parts = [(self._submit, queued[at : at + most]) for at in range(0, len(queued), most)]
        for submit, part in [*([(self._run_held, held)] if held else []), *parts]:
            for index, one in zip(part, submit([starts[index] for index in part]), strict=True):
                made[index] = one
        return [one or Made(error="not submitted") for one in made]

    def _submit(self, starts: Sequence[Start]) -> list[Made]:
        """Submit one array; or two, if the site takes smaller ones by now. Raises: ProgramError if it is not known
        whether the controller took it.
        """
        from wakeman.adapters.slurm.scripts import job_script

        self._claim_checks()
        tasks = [(JobTask(start.session, start.mark), job_script(start, self._pane())) for start in starts]
        batch = self._batches.write(tasks, contain=self._contain())
        base, why = self._submitted(*self._request(batch, len(starts)))
        if why:
            self._batches.refused(batch)
            half = len(starts) // 2
            if half and TOO_LARGE.search(why):
                return [*self._submit(starts[:half]), *self._submit(starts[half:])]
            return [Made(error=f"sbatch: {why}", mend=PLAN_MEND) for _ in starts]
        self._batches.submitted(batch, base)
        return [Made(f"{base}_{number}@{batch}") for number in range(len(starts))]

    def _pane(self) -> str:
        return CONTAINED_PANE if self._place.get("container") else PANE

    def _contain(self) -> bytes:
        """Return the script by which programs run in a container; empty without one."""
        from wakeman.adapters.slurm.containers import contain_script

        return contain_script(self._place, self._mounted) if self._place.get("container") else b""

    def _submitted(self, *argv: str) -> tuple[str, str]:
        """Call `sbatch`; return the job's id, or why Slurm refuses. Raises: ProgramError if it may have taken it."""
        self._stale = True
        told = self._ask(*argv, timeout=SUBMIT_S)
        base = told.out.decode(errors="replace").strip().partition(";")[0]
        if not told.code and base.isdigit():
            return base, ""
        why = slurm_words(told)
        if UNSURE.search(why):
            raise ProgramError(f"slurm: {why}", "sinfo")
        return "", why

    def _room(self) -> int:
        """Return for how many more sessions the allocation has room; none once it was given back, or has ended.

        Boundary: one that waits in the queue has room; and so has one that was never asked for, as it is with the first
        session. One whose time left is shorter than a worker's time limit has none.
        """
        most = int(self._place.get("reserve", "0"))
        held = self._batches.allocation.read() if most else None
        if not most or (held is not None and (held.closed or held.ending)):
            return 0
        row = self._known[1].holding(held) if self._known and held is not None else None
        if held is not None and (held.base or held.began or row is not None):
            if row is None or row.phase not in ("queued", "running"):
                return 0
            left = row.ends - time.time() if row.phase == "running" and row.ends else float("inf")
            if left < float(self._place["held_time"]):
                return 0
        taken = sum(task.held is not None and not info.over for task, info in self._sessions())
        return max(0, most - taken)

    def _run_held(self, starts: Sequence[Start]) -> list[Made]:
        """Run sessions in the allocation, which is asked for before the first. Raises: ProgramError as `_submit`."""
        from wakeman.adapters.slurm.scripts import job_script

        self._claim_checks()
        self._stale = True
        allocation = self._batches.allocation
        if allocation.read() is None:
            allocation.write(JOB)
        held = allocation.read()
        if held is None:
            raise ProgramError(f"slurm: {allocation.place}: cannot be read back", "ls -l there")
        row = self._known[1].holding(held) if self._known else None
        base = held.base or (row.raw if row is not None else "")
        if not base:  # asked for again, if it was: of two, the second does nothing
            base, why = self._submitted(*self._holding_request(held))
            if why:
                allocation.refused()
                return [Made(error=f"sbatch: slurm.reserve: {why}", mend=PLAN_MEND) for _ in starts]
        if not held.base:
            allocation.submitted(base)
        tasks = [(JobTask(start.session, start.mark), job_script(start, self._pane())) for start in starts]
        batch = self._batches.write(tasks, held.name, self._contain())
        allocation.run(batch, len(starts))
        return [Made(f"{base}_{number}@{batch}") for number in range(len(starts))]

    def _holding_request(self, held: HeldAllocation) -> tuple[str, ...]:
        allocation = self._batches.allocation
        return (
            *(self._place["sbatch"], "--parsable", "--no-requeue", "--export=ALL", "--chdir=/"),
            *(f"--job-name={job_name(self._directory, held.name)}", "--input=/dev/null"),
            f"--output={allocation.path('out')}",
            *shlex.split(self._place["hold"]),
            *(HOLD, allocation.place, *shlex.split(self._place["step"])),
        )

    def give_back(self) -> None:
        """Give the allocation back: it takes nothing more, and ends once no step runs."""
        if not int(self._place.get("reserve", "0")):
            return
        with suppress(ProgramError, OSError):
            allocation = self._batches.allocation
            allocation.close()
            held = allocation.read()
            self.refresh()
            row = self._known[1].holding(held) if self._known and held is not None else None
            used = any(task.held is not None and not info.over for task, info in self._sessions())
            if row is not None and row.phase not in OVER and not used:
                self._ask(self._place["scancel"], row.raw)

    def _claim_checks(self) -> None:
        """Write on which host checks run: a worker's end on a node starts none there."""
        file = f"{self._directory}/host"
        with open(f"{file}.tmp", "w", encoding="utf-8") as opened:
            opened.write(f"{os.uname().nodename}\n")
        os.replace(f"{file}.tmp", file)

    def _request(self, batch: str, count: int) -> tuple[str, ...]:
        return (
            *(self._place["sbatch"], "--parsable", "--no-requeue", "--export=ALL", "--chdir=/", "--nodes=1"),
            *("--ntasks=1", f"--array=0-{count - 1}", f"--job-name={job_name(self._directory, batch)}"),
            *("--input=/dev/null", f"--output={self._batches.path(batch, '%a.out')}"),
            *shlex.split(self._place.get("request", "")),
            *(JOB, self._batches.path(batch)),
        )

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        """Cancel jobs, many in one call. Cost: one `squeue`, and one `scancel` for each 500."""
        if not ends:
            return 0
        self.refresh()
        self._stale = True
        wanted = set(ends)
        found = [(task, info) for task, info in self._sessions() if (info.session_id, info.mark) in wanted]
        self._note_lost()
        live = [task for task, info in found if not info.over]
        self._scancel([f"{self._base(task)}_{task.number}" for task in live if task.held is None])
        steps = [task for task in live if task.held is not None and not self._batches.withdrawn(task)]
        self._scancel([self._batches.step_of(task) for task in steps if not task.gone], "--signal=TERM")
        self._scancel([self._batches.step_of(task) for task in steps if task.gone])  # it did not end by itself
        self._batches.cancelled(task for task, _ in found)
        self._settle()
        return len(found)

    def _note_lost(self) -> None:
        """Keep which sessions are lost, before their jobs are listed no longer."""
        for task, info in self._sessions():
            if info.phase == "lost" and task.began and not task.over:
                self._batches.lost(task)

    def _base(self, task: KeptTask) -> str:
        row = self._known[1].of(task) if self._known else None
        return row.task.partition("_")[0] if row is not None else task.base

    def _scancel(self, jobs: Sequence[str], *options: str) -> None:
        """Cancel jobs, or steps. Raises: ProgramError when the controller does not answer."""
        named = [job for job in jobs if job]
        for at in range(0, len(named), CANCELS_PER_CALL_MAX):
            told = self._ask(self._place["scancel"], *options, *named[at : at + CANCELS_PER_CALL_MAX])
            if told.code and UNSURE.search(slurm_words(told)):
                raise ProgramError(f"slurm: {slurm_words(told)}", "sinfo")

    def _settle(self) -> None:
        """Move batches away of which something was cancelled, and nothing is listed any more."""
        tasks, queue = self._batches.kept(), self._known[1] if self._known else Queue()
        self._known = tasks, queue
        for batch in {task.batch for task in tasks if task.gone} - {task.batch for task, _ in self._sessions()}:
            self._batches.settle(batch)

    def host_of(self, session_id: str) -> str:
        number, _, batch = session_id.partition("@")
        return self._batches.node(batch, number.partition("_")[2]) if batch else ""

    def left_behind(self) -> Mapping[str, tuple[str, ...]]:
        return self._batches.left_behind()

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of a session's screen, or of what its job kept of it."""
        return self.terminal.capture(session, lines, mark=mark)

    def lack(self, session_id: str) -> Lack | None:
        from wakeman.adapters.slurm.weak_points import node_lack

        tasks, queue = self._known or ([], Queue())
        number, _, batch = session_id.partition("@")
        at = (batch, number.partition("_")[2])
        task = next((task for task in tasks if (task.batch, str(task.number)) == at), None)
        return node_lack(task, queue.of(task), self._directory) if task is not None else None

    # What its terminals ask

    def job(self, session: str, mark: str) -> FoundJob:
        """Return a session by its id or name, with its job as the queue lists it: the one that is not over, of several.

        Raises: UnknownNameError; ProgramError when the controller does not answer.
        """
        found = self._found(session, mark)
        if found is None or found.phase != "running":  # a job's raw id is never another's: that look is good enough
            self.refresh()
            found = self._found(session, mark)
        if found is None:
            raise UnknownNameError(f"slurm: no session {session}", "squeue --me")
        return found

    def _found(self, session: str, mark: str) -> FoundJob | None:
        named = [
            (info.over, task, info.phase)
            for task, info in self._sessions()
            if session in (info.session, info.session_id) and mark in ("", info.mark)
        ]
        if not named:
            return None
        _, task, phase = min(named, key=lambda each: each[0])
        row = self._known[1].of(task) if self._known else None
        return FoundJob(task, phase, row.raw if row else "", row.task if row else "", task.node)

    def screen(self, task: KeptTask) -> str | None:
        """Return what a session showed last, with the codes of its colours."""
        return self._batches.screen(task)

    def comment(self, session_id: str, mark: str, head: str) -> None:
        """Write a comment on a session's job. Failure is silent."""
        if not re.fullmatch(_COMMENT, head):
            return
        with suppress(ProgramError, UnknownNameError):
            if number := self.job(session_id, mark).job:
                self._ask(self._place["scontrol"], "update", f"JobId={number}", f"Comment={head}")

    def comments(self) -> list[tuple[str, str]]:
        """Return mark and comment of each session whose job has one; empty if nothing answers."""
        listing = self.poll()
        queue = self._known[1] if self._known and listing.state == "up" else Queue()
        told = ((task.mark, row.comment) for task, _ in self._sessions() if (row := queue.of(task)) is not None)
        return [(mark, comment) for mark, comment in told if re.fullmatch(_COMMENT, comment)]

    def wake_at_end(self, argv: Sequence[str]) -> None:
        """Have a job run a command once any session has ended: it depends on each, and starts with the first end.

        Shape: it is written before `sbatch`, under an id that stands in its name, as a batch is; so there is one.
        """
        waker = EndWaker(self._batches.place)
        if self._stale:
            self.refresh()
        now, queue = waker.read(), self._known[1] if self._known else Queue()
        row = queue.named(now.name) if now is not None else None
        queued = now is not None and row is not None and row.phase == "queued"
        waited = [task for task, info in self._sessions() if argv and not info.over]
        live = sorted({self._end_of(task) for task in waited} - {""})
        if queued and now is not None and live and set(live) <= set(now.jobs):
            return
        if queued and row is not None:
            self._ask(self._place["scancel"], "--state=PENDING", row.raw)
        if live:
            name = waker.write(live)
            after = "?".join(f"afterany:{job}" for job in live[:ENDS_MAX])
            words = (f"--dependency={after}", f"--job-name={job_name(self._directory, name)}")
            job, why = self._submitted(*check_request(self._place, self._directory), *words, f"--wrap={woken(argv)}")
            if why:
                raise ProgramError(f"slurm: {why}")
            waker.submitted(job)
            steps = {(task.batch, task.number) for task in waited if task.held is not None}
            if steps and any(task.over for task in self._batches.kept() if (task.batch, task.number) in steps):
                self._ask(self._place["scontrol"], "update", f"JobId={job}", "Dependency=")  # it came too late for one

    def _end_of(self, task: KeptTask) -> str:
        """Return the job with which a session ends; "" while it is not known."""
        base = self._base(task)
        return base if task.held is not None or not base else f"{base}_{task.number}"

    def _ask(self, *argv: str, timeout: float = QUEUE_S) -> Told:
        """Call a program of Slurm's. Raises: ProgramError on a time-out, or when it cannot be run."""
        return call_slurm(argv, self._env, timeout)


class SlurmBackend:
    """Workers as jobs of the Slurm cluster that this machine submits to."""

    def __init__(self, *, attended: bool = False) -> None:
        del attended

    def found(self, environ: Mapping[str, str]) -> str:
        from wakeman.adapters.slurm.site import site_described

        return site_described(environ)

    def weaknesses(self, plan: Plan, workers: int, environ: Mapping[str, str]) -> Sequence[tuple[str, str]]:
        from wakeman.adapters.slurm.weak_points import site_weaknesses

        return list(site_weaknesses(plan, workers, environ))

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        from wakeman.adapters.slurm.site import resolved

        del directory
        return resolved(plan, environ)

    def executor(self, host: Host) -> Slurm:
        if not host.place.get("container"):
            return Slurm(host.place, host.directory, host.env)
        from wakeman.adapters.slurm.containers import always_mounted

        return Slurm(host.place, host.directory, host.env, always_mounted(host))

    def timer(self, host: Host) -> JobTimer | None:
        """Return the timer whose jobs are the cluster's, with `slurm.alarm` "job"."""
        return JobTimer(host.place, host.directory, host.env) if host.place.get("alarm") else None

    def try_node(self, host: Host, token: str) -> NodeTrial:
        from wakeman.adapters.slurm.node_trial import try_node

        return try_node(host, token)


def _session_there(there: SessionInfo | None, start: Start) -> Made | None:
    """Return the session that has a start's name; None if none does."""
    if there is None:
        return None
    if there.mark == start.mark:
        return Made(there.session_id)
    return Made(error=f"slurm: session {start.session}: exists, and is not of {start.mark}", taken=True)
