"""Close a deployment, and remove its alarm and dead sessions."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Outcome, attempt_id
from wakeman.core.policy.deployment_rows import undone
from wakeman.core.policy.outbox import is_owed
from wakeman.core.policy.tables import Decision
from wakeman.engine.effects.alarm import disarm, ensure
from wakeman.engine.protocol.steps import Steps, Unrecorded, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World

OUTCOMES: dict[str, Outcome] = {"wrap up": "complete", "give up": "partial", "stop": "stopped"}
"""Row that closes a deployment -> how it ended."""


class Bury(Struct, frozen=True):
    """Remove the dead sessions that `remain-on-exit` has kept; their output is in `streams/`."""

    def perform(self, world: World, d: Deployment) -> bool:
        """Return whether all are gone."""
        return bury(world, d)

    def recorded(self, d: Deployment, write: Write) -> bool:
        """Read it from the next write: an alarm is kept only if a check must try again."""
        return not isinstance(write[0].data, e.Armed)


def bury(world: World, d: Deployment) -> bool:
    """Remove a deployment's dead sessions; return whether all are gone.

    Effects: if their place does not answer, the alarm's check, or the plan's next run, removes them.
    """
    executor = world.executor(d.host)
    listing = executor.poll()
    left = {attempt_id(d, worker) for worker in d.workers.values() if d.plan_of(worker).workers.untouched}
    marks = (s for s in listing.seen if s.over and s.mark.startswith(f"{d.name}/") and s.mark not in left)
    dead = [(s.session_id, s.mark) for s in marks]
    with suppress(ProgramError):
        return listing.state != "unknown" and executor.cancel(dead) == len(dead)
    return False


class GiveBack(Unrecorded, frozen=True):
    """Give back what the executor holds for sessions to come: there are none."""

    def perform(self, world: World, d: Deployment) -> None:
        """Do it, where it holds anything."""
        from wakeman.ports import HoldingExecutor

        executor = world.executor(d.host)
        if isinstance(executor, HoldingExecutor):
            executor.give_back()


class LetGo(Struct, frozen=True):
    """Take the marks off sessions that somebody else has started, and that outlive the deployment."""

    def perform(self, world: World, d: Deployment) -> bool:
        """Return whether none is left."""
        return let_go(world, d)

    def recorded(self, d: Deployment, write: Write) -> bool:
        """Read it from the next write: an alarm is removed only if no check must try again."""
        return isinstance(write[0].data, e.Disarmed)


def let_go(world: World, d: Deployment) -> bool:
    """Take a deployment's marks off the sessions that it has not started; return whether none is left.

    Shape: otherwise no later deployment could watch them.
    """
    found = [worker for worker in d.workers.values() if worker.live and d.plan_of(worker).workers.found]
    if not found:
        return True
    from wakeman.engine.terminals import terminal

    with suppress(ProgramError):
        for worker in found:
            with suppress(UnknownNameError):
                terminal(world, d.host).release(worker.session_id, attempt_id(d, worker))
        return True
    return False


def close(d: Deployment, decision: Decision, now: datetime) -> Steps[None]:
    """Close it and remove the alarm, unless a notice is not delivered, or sessions are left to bury or to let go."""
    buried = OUTCOMES[decision.row] == "partial" or (yield from do(Bury()))
    yield from do(GiveBack())  # before the last line: behind it nobody would
    if is_owed(d) or not buried:
        yield from ensure(d, now, paused=True)  # first: its check delivers the notice if this one does not
    yield from append("action", [closing(d, decision)])
    free = not d.plan.workers.found or (yield from do(LetGo()))
    if buried and free and not is_owed(d):
        yield from disarm(d)  # otherwise it is removed after the notice, the dead sessions and the marks


def closing(d: Deployment, decision: Decision) -> e.Draft:
    """Return the `closed` fact of a deployment."""
    fact = e.Closed(outcome=OUTCOMES[decision.row], why=decision.why, missing=tuple(undone(d))[:100])
    return e.Draft(fact)
