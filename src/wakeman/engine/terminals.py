"""Access to terminals, and what replaces it without one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.model import Deployment, Host, WorkerState, attempt_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wakeman.ports import Terminal, World

SCREEN_ROWS = 60
"""Lines of a screen that an observation reads."""


def terminal(world: World, host: Host) -> Terminal:
    """Return the terminals of a deployment's sessions. Raises: ProgramError if they have none."""
    found = world.executor(host).terminal
    if found is None:
        raise ProgramError(f"{host.executor}: its sessions have no terminal", "wakeman capture WORKER")
    return found


def screen_now(world: World, host: Host) -> Callable[[str, str], str]:
    """Return what reads a screen when it is called, by a session's id and mark. Raises: when called, as `terminal`."""
    return lambda session, mark: terminal(world, host).capture(session, SCREEN_ROWS, mark=mark)


def session_screen(world: World, d: Deployment, worker: WorkerState, lines: int) -> str:
    """Return the last lines of a worker's screen, or of its output. Raises: as `Executor.logs`."""
    executor = world.executor(d.host)
    session, mark = session_address(d, worker)
    return (executor.terminal.capture if executor.terminal is not None else executor.logs)(session, lines, mark=mark)


def painted_screens(world: World, d: Deployment, workers: Sequence[WorkerState], lines: int) -> list[str]:
    """Return what `session_screen` does of each worker, with its colours where the terminals tell them.

    Boundary: in place of a screen that cannot be read, why.
    """
    found = world.executor(d.host).terminal
    texts: list[str | None] = [None] * len(workers)
    if found is not None:
        texts = many_screens(found, [session_address(d, worker) for worker in workers], lines, painted=True)
    return [
        _painted_screen(world, d, worker, lines) if text is None else text
        for worker, text in zip(workers, texts, strict=True)
    ]


def _painted_screen(world: World, d: Deployment, worker: WorkerState, lines: int) -> str:
    from wakeman.ports import PaintedTerminal

    found = world.executor(d.host).terminal
    try:
        if not isinstance(found, PaintedTerminal):
            return session_screen(world, d, worker, lines)
        session, mark = session_address(d, worker)
        return found.painted(session, lines, mark=mark)
    except (UnknownNameError, ProgramError) as fault:
        return f"(no screen: {fault})"


def many_screens(
    terminal: Terminal, sessions: Sequence[tuple[str, str]], lines: int, *, painted: bool = False
) -> list[str | None]:
    """Return what sessions show, each by its id and mark; None for what cannot be read together with others."""
    from wakeman.ports import CrowdTerminal

    if len(sessions) > 1 and isinstance(terminal, CrowdTerminal):
        with suppress(ProgramError, UnknownNameError):
            return terminal.captures(sessions, lines, painted=painted)
    return [None] * len(sessions)


def session_address(d: Deployment, worker: WorkerState) -> tuple[str, str]:
    """Return what addresses the session of a worker's last attempt, and nothing else: its id, or name, and its mark."""
    return worker.session_id or worker.session, worker.session_mark or attempt_id(d, worker)
