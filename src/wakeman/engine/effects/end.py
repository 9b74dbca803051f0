"""End workers: by the client's own command if it has one, else by SIGHUP to the session, then TERM and KILL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.log import events as e
from wakeman.core.model import EDITION_PROGRESS_MIN, Deployment, EndedBy, WorkerState, attempt_id
from wakeman.core.policy.attempts import is_queued
from wakeman.core.policy.tables import EDITION_QUEUED_MIN, Decision
from wakeman.core.text import sanitise
from wakeman.engine import layout, terminals
from wakeman.engine.effects.drafts import about, noted, outcome
from wakeman.engine.protocol.steps import Steps, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World

_SIGNALS: tuple[Literal["", "TERM", "KILL"], ...] = ("", "TERM", "KILL")
"""Signals by number of tries. Processes of a live session get SIGHUP first."""
LINE_CHARS_MAX = 300
"""Characters that are kept of a line that nobody has submitted."""


class LeaveWord(Struct, frozen=True):
    """Ask for the text that ends a worker's client, if it waits for input."""

    worker: str

    def perform(self, world: World, d: Deployment) -> str:
        """Return it; "" where there is none, or nothing is to be typed."""
        workers = d.plan_of(d.workers[self.worker]).workers
        typed = workers.mode == "interactive" and not workers.untouched
        return world.harness(workers.harness).leave if typed else ""

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the intent to type it."""
        data = write[0].data
        return data.text if isinstance(data, e.Intended) and data.action == "end" else ""


class Unsubmitted(Struct, frozen=True):
    """Read what somebody has typed into a worker's session and not submitted."""

    worker: str

    def perform(self, world: World, d: Deployment) -> str:
        """Return it without keys, sanitised; "" for nothing, or where no screen can be read."""
        from wakeman.engine.attempt import prompt_delivery, secrets

        line = prompt_delivery.unsubmitted(world, d, d.workers[self.worker])
        return sanitise(secrets.redactor(world, d)(line), LINE_CHARS_MAX)

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the intent to end."""
        data = write[0].data
        return data.line if isinstance(data, e.Intended) else ""


class HangUp(Struct, frozen=True):
    """End sessions, each by its id and its attempt's id; and signal processes by their attempts' ids.

    Shape: `left` are the workers whose sessions are let go instead, as they are only watched.
    """

    sessions: tuple[tuple[str, str], ...]
    term: tuple[str, ...]
    kill: tuple[str, ...]
    left: tuple[str, ...] = ()

    def perform(self, world: World, d: Deployment) -> str:
        """Return why the place refused; the next check tries again."""
        why = ""
        try:
            for name in self.left:
                _let_go(world, d, d.workers[name])
            world.executor(d.host).cancel(self.sessions)
        except ProgramError as fault:
            why = f"ending sessions: {fault}"
        _signal(world, self.term, "TERM")
        _signal(world, self.kill, "KILL")
        return why

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the note."""
        data = write[0].data
        return data.text if isinstance(data, e.Noted) else ""


def _let_go(world: World, d: Deployment, worker: WorkerState) -> None:
    """Take the mark off a session that is only watched, and write that its attempt is over. Repeatable: yes."""
    with suppress(UnknownNameError):
        terminals.terminal(world, d.host).release(worker.session_id, attempt_id(d, worker))
    file = layout.exit_file(d.host, worker)
    if not world.files.marks([file]):
        world.files.write(file, f"{layout.LEFT}\n".encode(), durable=True)


def _signal(world: World, ids: Sequence[str], name: Literal["TERM", "KILL"]) -> None:
    pids = [pid for living in world.machine.marked(ids).values() for pid in living] if ids else []
    if pids:
        world.machine.signal(pids, name)


def end(d: Deployment, decision: Decision, _: datetime) -> Steps[None]:
    """End a decision's worker or, for a row of the deployment, each worker that is alive or has left processes.

    Shape: who waits in a queue, and may be launched again later, is taken out of it, which counts as no attempt.
    """
    chosen, by = to_end(d, decision), ender(decision)
    if decision.row == "finish":
        (worker,) = chosen
        line = (yield from do(Unsubmitted(worker.name))) if d.edition >= EDITION_PROGRESS_MIN else ""
        if line:
            yield from end_workers(d, chosen, by, line)
            return
        if not worker.ends and (yield from _leave(worker)):
            return
    later = d.edition >= EDITION_QUEUED_MIN and decision.row in ("halt", "withdraw")
    withdrawn = {worker.name for worker in chosen if later and is_queued(worker)}
    yield from end_workers(d, [worker for worker in chosen if worker.name in withdrawn], "queue")
    yield from end_workers(d, [worker for worker in chosen if worker.name not in withdrawn], by)


def _leave(worker: WorkerState) -> Steps[bool]:
    """Ask a finished client to end itself; return whether that was typed."""
    from wakeman.engine.effects.text import Type

    word = yield from do(LeaveWord(worker.name))
    if not word:
        return False
    intent = e.Intended(action="end", target=worker.session, text=word, ended_by="wakeman")
    (told,) = yield from append("action", [about(worker, intent)])
    why = yield from do(Type(worker.name, word, raw=True))
    yield from append("outcome", [outcome(told, why)])
    return not why


def end_workers(d: Deployment, workers: Sequence[WorkerState], by: EndedBy, line: str = "") -> Steps[None]:
    """End workers: their sessions get SIGHUP; processes that outlive that TERM, then KILL.

    Shape: `line` is what somebody had typed there: it is kept in the intent, and lost with the session.
    Boundary: of none, it does nothing. The dead session of an ended worker stays at first: with the last session the
    server may end, and with it the timer of the next check.
    """
    if not workers:
        return
    signals = {attempt_id(d, worker): _SIGNALS[min(2, worker.ends + (not worker.live))] for worker in workers}
    live = [w for w in workers if w.session_id and (w.live or w.ends)]
    left = tuple(w.name for w in live if d.plan_of(w).workers.untouched)
    sessions = [(w.session_id, attempt_id(d, w)) for w in live if w.name not in left]
    yield from append("action", ends(workers, by, line))
    why = yield from do(
        HangUp(
            sessions=tuple(sessions),
            term=tuple(each for each, signal in signals.items() if signal == "TERM"),
            kill=tuple(each for each, signal in signals.items() if signal == "KILL"),
            left=left,
        )
    )
    yield from append("line", [noted(why)] if why else [])


def to_end(d: Deployment, decision: Decision) -> list[WorkerState]:
    """List the workers that a decision ends: its own, or for the deployment all alive or with processes left.

    Shape: where those run on that have begun, those that wait in a queue.
    """
    chosen = [d.workers[decision.worker]] if decision.worker else d.workers.values()
    limits = d.plan.limits
    begun = {"give up": limits.give_up_do, "halt": limits.over, "withdraw": "leave"}.get(decision.row)
    spares = begun == "leave"
    return [worker for worker in chosen if (is_queued(worker) if spares else worker.live or worker.processes)]


def ender(decision: Decision) -> EndedBy:
    """Return on whose behalf a decision ends a session."""
    enders: dict[str, EndedBy] = {"stop": "person", "time out": "time"}
    return enders.get(decision.row, "wakeman")


def ends(workers: Iterable[WorkerState], by: EndedBy, line: str = "") -> list[e.Draft]:
    """Return the intents to end workers."""
    return [about(w, e.Intended(action="end", target=w.session, ended_by=by, line=line)) for w in workers]
