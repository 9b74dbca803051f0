"""The terminals of sessions in Slurm jobs: each is of a tmux server on its node, called through `srun --overlap`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from wakeman.adapters.tmux import Tmux, TmuxSaid
from wakeman.adapters.tmux.away import AwaySession, AwayTerminals
from wakeman.adapters.tmux.screens import screen_text
from wakeman.core.errors import ProgramError, UnknownNameError

if TYPE_CHECKING:
    from wakeman.adapters.asking import Told
    from wakeman.adapters.slurm import FoundJob, Slurm
    from wakeman.ports import Listing

STEPS_AT_ONCE_MAX = 8
"""Screens that are read at the same time: each is a step that Slurm's controller makes."""
STEP = ("--overlap", "--quiet", "--ntasks=1", "--nodes=1", "--mpi=none", "--chdir=/")
SRUN = "srun: error: "
OVER_SIGNS = ("already completing", "Invalid job id")
"""What `srun` says of a job that is over: its session is gone, and the node answers."""
TERMINAL_S = 20.0
"""Seconds that a call of tmux on a node may take."""


class JobTmux(Tmux):
    """The tmux server of one job, as it is called from here."""

    def __init__(self, srun: str, found: FoundJob, directory: str, env: Mapping[str, str]) -> None:
        """Address the server of a task by its job's raw id: `srun` takes no other."""
        task, node = found.task, (f"--nodelist={found.node}",) if found.node else ()
        place = f"/tmp/wakeman-{os.getuid()}.{task.batch}.{task.number}"  # noqa: S108 - of mode 0700: see job.sh
        super().__init__(f"{place}/tmux", "tmux", directory, env, timeout=TERMINAL_S)
        self._step = (srun, f"--jobid={found.raw}", *STEP, *node)

    def _argv(self, words: Sequence[str]) -> tuple[str, ...]:
        return (*self._step, "tmux", "-u", "-S", self._socket, *words)

    def _told(self, call: Callable[[], Told]) -> TmuxSaid:
        """Return what tmux says. Raises: ProgramError for what `srun` says of itself, unless the job is over."""
        said = super()._told(call)
        own = [line for line in said.err.splitlines() if line.startswith(SRUN) and ": task " not in line]
        if said.code and own and not any(sign in own[0] for sign in OVER_SIGNS):
            raise ProgramError(f"slurm: {own[0].removeprefix(SRUN)}", "sinfo")
        return said

    def _seat(self) -> tuple[str, ...]:
        return (*self._step, "--pty", "tmux", "-u", "-S", self._socket)


class JobTerminals(AwayTerminals):
    """The terminals of an executor's sessions. One that is over shows what its job kept of its screen."""

    kind = "slurm"

    def __init__(self, executor: Slurm, server: Callable[[FoundJob], JobTmux]) -> None:
        self._executor, self._server = executor, server

    def capture(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        return self._shown(session, lines, mark, painted=False)

    def painted(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        return self._shown(session, lines, mark, painted=True)

    def captures(
        self, sessions: Sequence[tuple[str, str]], lines: int = 50, *, painted: bool = False
    ) -> list[str | None]:
        from concurrent.futures import ThreadPoolExecutor

        self._executor.refresh()

        def shown(each: tuple[str, str]) -> str | None:
            try:
                return self._shown(each[0], lines, each[1], painted=painted)
            except UnknownNameError:
                return None

        with ThreadPoolExecutor(STEPS_AT_ONCE_MAX) as pool:
            return list(pool.map(shown, sessions))

    def _shown(self, session: str, lines: int, mark: str, *, painted: bool) -> str:
        """Return a screen: "" for a session that is queued, or whose server is about to begin."""
        found = self._executor.job(session, mark)
        if found.raw and found.phase == "running":
            server = self._server(found)
            read = server.painted if painted else server.capture
            with suppress(UnknownNameError):
                return read(found.task.session, lines, mark=found.task.mark)
        kept = self._executor.screen(found.task)
        return screen_text(kept, lines, dead=True, painted=painted) if kept is not None else ""

    def remember(self, session_id: str, head: str, *, mark: str) -> None:
        """Store the log's head as the comment of the session's job."""
        self._executor.comment(session_id, mark, head)

    def recall(self) -> list[tuple[str, str]]:
        return self._executor.comments()

    def _listing(self) -> Listing:
        return self._executor.poll()

    def _live(self, session: str, mark: str) -> AwaySession:
        """Return a session that runs. Raises: ProgramError for one that is queued, or over."""
        found = self._executor.job(session, mark)
        if not found.raw or found.phase != "running":
            state = "queued" if found.phase == "queued" else "over"
            raise ProgramError(f"slurm: session {found.task.session} is {state}: it has no terminal", "squeue --me")
        return AwaySession(self._server(found), found.task.session, found.task.mark)
