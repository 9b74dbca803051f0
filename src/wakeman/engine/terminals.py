"""Access to terminals, and what replaces it without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wakeman.core.errors import ProgramError
from wakeman.core.model import Deployment, Host, WorkerState, attempt_id

if TYPE_CHECKING:
    from wakeman.ports import Terminal, World


def terminal(world: World, host: Host) -> Terminal:
    """Return the terminals of a deployment's sessions. Raises: ProgramError if they have none."""
    found = world.executor(host).terminal
    if found is None:
        raise ProgramError(f"{host.executor}: its sessions have no terminal", "wakeman capture WORKER")
    return found


def session_screen(world: World, d: Deployment, worker: WorkerState, lines: int) -> str:
    """Return the last lines of a worker's screen, or of its output. Raises: as `Executor.logs`."""
    executor = world.executor(d.host)
    session, mark = session_address(d, worker)
    return (executor.terminal.capture if executor.terminal is not None else executor.logs)(session, lines, mark=mark)


def painted_screen(world: World, d: Deployment, worker: WorkerState, lines: int) -> str:
    """Return what `session_screen` does, with its colours where the terminals tell them. Raises: as that."""
    from wakeman.ports import PaintedTerminal

    found = world.executor(d.host).terminal
    if not isinstance(found, PaintedTerminal):
        return session_screen(world, d, worker, lines)
    session, mark = session_address(d, worker)
    return found.painted(session, lines, mark=mark)


def session_address(d: Deployment, worker: WorkerState) -> tuple[str, str]:
    """Return what addresses the session of a worker's last attempt, and nothing else: its id, or name, and its mark."""
    return worker.session_id or worker.session, worker.session_mark or attempt_id(d, worker)
