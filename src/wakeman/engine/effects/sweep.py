"""End sessions that workers have started themselves, once they are too old or left over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.errors import ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, EndedBy
from wakeman.core.policy.side_sessions import overdue, owner, sweep_rule
from wakeman.core.policy.tables import Decision
from wakeman.core.text import sanitise
from wakeman.engine import terminals
from wakeman.engine.effects.drafts import effect_failure, noted
from wakeman.engine.observe.side_sessions import strangers
from wakeman.engine.protocol.steps import Kind, Steps, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World


class SessionToEnd(Struct, frozen=True):
    """A session to end: `mark` is its own, "" for none; `worker` started it, "" if that is unknown."""

    session: str
    session_id: str = ""
    mark: str = ""
    worker: str = ""


class EndSession(Struct, frozen=True):
    """End one side session; set our mark first, as only marked sessions are ended."""

    session: SessionToEnd

    def perform(self, world: World, d: Deployment) -> str:
        """Return why it was not ended; "" if it was."""
        one = self.session
        try:
            mark = one.mark or f"{d.name}/swept/0@{world.clock.boot()}"
            if not one.mark:
                terminals.terminal(world, d.host).adopt(one.session_id, mark)
            return "" if world.executor(d.host).cancel([(one.session_id, mark)]) else "it was gone"
        except ProgramError as fault:
            return sanitise(str(fault), 300)

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the outcome."""
        return effect_failure(write[0].data)


class LeftOver(Struct, frozen=True):
    """Find sessions of the plan's patterns that are old enough."""

    now: datetime

    def perform(self, world: World, d: Deployment) -> Iterator[SessionToEnd | str]:
        """Yield each session to end, and a note about each that does not carry our mark."""
        for seen, sign in strangers(world, d, world.executor(d.host).poll().seen):
            rule = sweep_rule(d.plan, seen.session)
            if rule is None or self.now.timestamp() - seen.created < rule.older_than:
                continue
            if sign:
                yield SessionToEnd(seen.session, seen.session_id, seen.mark, owner(d, sign))
            else:
                yield f"session {seen.session} matches cleanup.sweep and does not carry our mark: left alone"

    def recorded(self, d: Deployment, write: Write) -> Iterator[SessionToEnd | str]:
        """Yield nothing: the log records them one by one."""
        return iter(())


class Next(Struct, frozen=True):
    """Take the next session that was found."""

    found: Iterator[SessionToEnd | str]

    def perform(self, world: World, d: Deployment) -> SessionToEnd | str | None:
        """Return it; None if there is no other."""
        return next(self.found, None)

    def recorded(self, d: Deployment, write: Write) -> SessionToEnd | str | None:
        """Read it from the intent to end it, or the note.

        Boundary: only sessions that a pattern of the plan matches.
        """
        data = write[0].data
        if isinstance(data, e.Noted):
            return data.text
        if not isinstance(data, e.Intended) or data.action != "sweep" or sweep_rule(d.plan, data.target) is None:
            return None
        return SessionToEnd(data.target, worker=write[0].worker or "")


def sweep(d: Deployment, decision: Decision, now: datetime) -> Steps[None]:
    """End old sessions of the plan's patterns: a worker's own, or (at the wrap-up) all with the deployment's mark.

    Boundary: those without it are logged; a person may end them.
    """
    if decision.worker:
        for old in overdue(d, d.workers[decision.worker]):
            yield from end_session(d, SessionToEnd(old.session, old.session_id, "", old.worker), "wakeman")
    elif d.plan.cleanup.sweep:
        found = yield from do(LeftOver(now))
        while (one := (yield from do(Next(found)))) is not None:
            if isinstance(one, str):
                yield from append("line", [noted(one)])
            else:
                yield from end_session(d, one, "wakeman")


def end_session(d: Deployment, one: SessionToEnd, by: EndedBy) -> Steps[None]:
    """End one session on behalf of `by`: intent, then outcome."""
    about = {"worker": one.worker, "attempt": d.workers[one.worker].attempt} if one.worker else {}
    kind: Kind = "fold" if by == "person" else "action"
    fact = e.Intended(action="sweep", target=one.session, ended_by=by)
    (intent,) = yield from append(kind, [e.Draft(fact, **about)])  # type: ignore[arg-type] # worker and attempt
    why = yield from do(EndSession(one))
    fact_ = e.Effected(intent=intent.seq, ok=not why, detail=why)
    yield from append("outcome", [e.Draft(fact_, **about)])  # type: ignore[arg-type] # as above
