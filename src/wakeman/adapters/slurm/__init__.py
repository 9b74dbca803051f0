"""Workers as jobs of a Slurm cluster: submitted as arrays, listed by one `squeue`, each in a tmux server on its node.

Rules of this file, each because of a quirk of Slurm:

- A batch is one array, even of one session: `scancel` takes BASE_INDEX (on an array's raw id it returns 0 and does
  nothing), `srun` takes the raw id.
- A request that was not answered may have been accepted. Its jobs carry the batch's id in their name; so they are
  looked for there before anything is submitted again, and of two jobs of one task the second runs nothing: `job.sh`.
- A finished job is listed for `MinJobAge` only. What it left in the batch's directory stays, and counts before that.
- A restart of jobs is Wakeman's decision alone: `--no-requeue`.
- The environment of a job that Wakeman itself runs in would change what `sbatch` and `srun` do: each call gets the
  recorded environment, and nothing else.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from wakeman.adapters.asking import Told, ask
from wakeman.adapters.slurm.batches import Batches, JobTask, KeptTask, job_name
from wakeman.adapters.slurm.queue import QUEUE_COLUMNS, Queue, Row, read_rows, session_of
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.text import sanitise
from wakeman.ports import Listing, Made, SessionInfo, Start
from wakeman.ports.executor import OVER

if TYPE_CHECKING:
    from wakeman.adapters.slurm.terminals import JobTerminals
    from wakeman.core.model import Host, Plan

SUBMIT_S = 60.0
"""Seconds that `sbatch` may take: it repeats a request that the controller is too busy to take."""
QUEUE_S = 20.0
"""Seconds that any other call may take."""
CANCELS_PER_CALL_MAX = 500
JOB = os.path.join(os.path.dirname(__file__), "job.sh")
_COMMENT = r"[\w:;]+"
_UNSURE = re.compile(r"timed out|Unable to contact|onnection|Zero Bytes|temporarily|(?i:submit limit|MaxSubmit)")
"""What `sbatch` says when the controller may have accepted a request, or would later: it is no refusal of a plan."""
PANE = (
    'state=$WAKEMAN_JOB; unset WAKEMAN_JOB; (exec "$@"); code=$?;'
    ' echo "$code" >"$state/status.tmp" && mv "$state/status.tmp" "$state/status"; exit "$code"'
)
"""Runs a session's program on the node, and keeps its status for `job.sh`."""


class Slurm:
    """The sessions of one deployment as jobs; see `wakeman.ports`."""

    outlives_boot = True

    def __init__(self, place: Mapping[str, str], directory: str, env: Mapping[str, str]) -> None:
        """Address a cluster; nothing runs yet.

        Shape: `place` is what `SlurmBackend.place` has resolved; `directory` is the deployment's own, which the nodes
        share, and gets the directory `slurm` when something is done.
        """
        self._place, self._directory = place, directory
        self._env = {**env, **({"SLURM_CONF": place["conf"]} if place.get("conf") else {})}
        self._batches = Batches(directory)
        self._known: tuple[list[KeptTask], Queue] | None = None

    @property
    def address(self) -> str:
        return f"{self._place.get('cluster', '')}:{self._directory}"

    @property
    def terminal(self) -> JobTerminals:
        from wakeman.adapters.slurm.terminals import JobTerminals, JobTmux

        return JobTerminals(self, lambda raw, task: JobTmux(self._place["srun"], raw, task, self._directory, self._env))

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
            raise ProgramError(f"slurm: {_slurm_words(told)}", "sinfo")
        try:
            queue = Queue(read_rows(told.out.decode(errors="replace")))
        except ValueError as fault:
            raise ProgramError(f"slurm: cannot read what squeue prints: {sanitise(str(fault), 200)}", "sinfo") from None
        self._known = self._batches.kept(), queue

    def _sessions(self) -> Iterator[tuple[KeptTask, SessionInfo]]:
        """Yield what is listed: not what was cancelled and is over."""
        tasks, queue = self._known or ([], Queue())
        for task in tasks:
            row = queue.of(task)
            info = session_of(task, row, self._batches.said(task) if row is None or row.phase in OVER else "")
            if info is not None and not (task.gone and info.over):
                yield task, info

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        """Submit sessions as arrays, each as large as the site allows."""
        from wakeman.adapters.slurm.scripts import refused_job

        if not starts:
            return []
        self.refresh()
        names: dict[str, SessionInfo] = {info.session: info for task, info in self._sessions() if not task.gone}
        made = [refused_job(start) or _session_there(names.get(start.session), start) for start in starts]
        waiting = [index for index, one in enumerate(made) if one is None]
        most = int(self._place["array_max"])
        for at in range(0, len(waiting), most):
            part = waiting[at : at + most]
            for index, one in zip(part, self._submit([starts[index] for index in part]), strict=True):
                made[index] = one
        return [one or Made(error="not submitted") for one in made]

    def _submit(self, starts: Sequence[Start]) -> list[Made]:
        """Submit one array. Raises: ProgramError if it is not known whether the controller took it."""
        from wakeman.adapters.slurm.scripts import job_script

        self._claim_checks()
        tasks = [(JobTask(start.session, start.mark), job_script(start, PANE)) for start in starts]
        batch = self._batches.write(tasks)
        told = self._ask(*self._request(batch, len(starts)), timeout=SUBMIT_S)
        base = told.out.decode(errors="replace").strip().partition(";")[0]
        if told.code or not base.isdigit():
            why = _slurm_words(told)
            if _UNSURE.search(why):
                raise ProgramError(f"slurm: {why}", "sinfo")
            self._batches.refused(batch)
            return [Made(error=f"sbatch: {why}", mend="change [slurm] in the plan, or ask the site") for _ in starts]
        self._batches.submitted(batch, base)
        return [Made(f"{base}_{number}@{batch}") for number in range(len(starts))]

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
        wanted = set(ends)
        found = [(task, info) for task, info in self._sessions() if (info.session_id, info.mark) in wanted]
        live = [info.session_id.partition("@")[0] for _, info in found if not info.over]
        for at in range(0, len(live), CANCELS_PER_CALL_MAX):
            told = self._ask(self._place["scancel"], *live[at : at + CANCELS_PER_CALL_MAX])
            if told.code and _UNSURE.search(_slurm_words(told)):
                raise ProgramError(f"slurm: {_slurm_words(told)}", "sinfo")
        self._batches.cancelled(task for task, _ in found)
        self._settle({task.batch for task, _ in found})
        return len(found)

    def _settle(self, batches: Iterable[str]) -> None:
        """Move batches away of which nothing is listed any more."""
        self._known = self._batches.kept(), self._known[1] if self._known else Queue()
        listed = {task.batch for task, _ in self._sessions()}
        for batch in set(batches) - listed:
            self._batches.settle(batch)

    def host_of(self, session_id: str) -> str:
        number, _, batch = session_id.partition("@")
        return self._batches.node(batch, number.partition("_")[2]) if batch else ""

    def left_behind(self) -> Mapping[str, tuple[str, ...]]:
        """Return none: what runs on a node that is cut off is known to Slurm alone, which ends it when that is back."""
        return {}

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of a session's screen, or of what its job kept of it."""
        return self.terminal.capture(session, lines, mark=mark)

    # What its terminals ask

    def job(self, session: str, mark: str) -> tuple[KeptTask, Row | None]:
        """Return a session by its id or name, with its job as the queue lists it: the one that is not over, of several.

        Raises: UnknownNameError; ProgramError when the controller does not answer.
        """
        if self._known is None or not self._running(session, mark):
            self.refresh()
        found = self._found(session, mark)
        if found is None:
            raise UnknownNameError(f"slurm: no session {session}", "squeue --me")
        return found

    def _running(self, session: str, mark: str) -> bool:
        """Return whether the last look saw it run: a job's raw id is never another's, so that look is good enough."""
        found = self._found(session, mark)
        return found is not None and found[1] is not None and found[1].phase == "running"

    def _found(self, session: str, mark: str) -> tuple[KeptTask, Row | None] | None:
        queue = self._known[1] if self._known else Queue()
        named = [
            (info.over, task)
            for task, info in self._sessions()
            if session in (info.session, info.session_id) and mark in ("", info.mark)
        ]
        if not named:
            return None
        _, task = min(named, key=lambda each: each[0])
        return task, queue.of(task)

    def screen(self, task: KeptTask) -> str | None:
        """Return what a session showed last, with the codes of its colours."""
        return self._batches.screen(task)

    def comment(self, session_id: str, mark: str, head: str) -> None:
        """Write a comment on a session's job. Failure is silent."""
        from contextlib import suppress

        number = session_id.partition("@")[0]
        if not re.fullmatch(_COMMENT, head) or not re.fullmatch(r"\d+_\d+", number):
            return
        with suppress(ProgramError, UnknownNameError):
            self.job(session_id, mark)
            self._ask(self._place["scontrol"], "update", f"JobId={number}", f"Comment={head}")

    def comments(self) -> list[tuple[str, str]]:
        """Return mark and comment of each session whose job has one; empty if nothing answers."""
        listing = self.poll()
        queue = self._known[1] if self._known and listing.state == "up" else Queue()
        told = ((task.mark, row.comment) for task, _ in self._sessions() if (row := queue.of(task)) is not None)
        return [(mark, comment) for mark, comment in told if re.fullmatch(_COMMENT, comment)]

    def _ask(self, *argv: str, timeout: float = QUEUE_S) -> Told:
        """Call a program of Slurm's. Raises: ProgramError on a time-out, or when it cannot be run."""
        try:
            return ask(argv, self._env, timeout)
        except TimeoutError:
            raise ProgramError(f"slurm: no answer of {argv[0]} within {timeout:g} s", "sinfo") from None
        except OSError as error:
            raise ProgramError(f"{argv[0]}: cannot be run: {error.strerror}", "wakeman doctor FILE") from error


class SlurmBackend:
    """Workers as jobs of the Slurm cluster that this machine submits to."""

    def __init__(self, *, attended: bool = False) -> None:
        del attended

    def found(self, environ: Mapping[str, str]) -> str:
        from wakeman.adapters.slurm.site import site_described

        return site_described(environ)

    def weaknesses(self, environ: Mapping[str, str]) -> Sequence[tuple[str, str]]:
        from wakeman.adapters.slurm.site import site_weaknesses

        return list(site_weaknesses(environ))

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        from wakeman.adapters.slurm.site import resolved

        del directory
        return resolved(plan, environ)

    def executor(self, host: Host) -> Slurm:
        return Slurm(host.place, host.directory, host.env)


def _session_there(there: SessionInfo | None, start: Start) -> Made | None:
    """Return the session that has a start's name; None if none does."""
    if there is None:
        return None
    if there.mark == start.mark:
        return Made(there.session_id)
    return Made(error=f"slurm: session {start.session}: exists, and is not of {start.mark}", taken=True)


def _slurm_words(told: Told) -> str:
    """Return what a program of Slurm's says went wrong, without its own name."""
    said = told.err.decode(errors="replace").strip() or f"status {told.code}, without a word"
    return sanitise(re.sub(r"(?m)^(\w+: )?(error: )?", "", said), 300)
