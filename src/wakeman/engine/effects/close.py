"""Close a deployment, and remove what it leaves on the machine."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from msgspec import Struct

from wakeman.core.errors import ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Outcome
from wakeman.core.policy.deployment_rows import undone
from wakeman.core.policy.tables import Decision
from wakeman.engine.effects.alarm import disarm, ensure
from wakeman.engine.protocol.steps import Steps, Write, append, do
from wakeman.ports import World

OUTCOMES: dict[str, Outcome] = {"wrap up": "complete", "give up": "partial", "stop": "stopped"}
"""Row that closes a deployment -> how it ended."""


class Bury(Struct, frozen=True):
    """Take away the dead sessions that `remain-on-exit` has kept; what they printed is in `streams/`."""

    def perform(self, world: World, d: Deployment) -> bool:
        """Return whether all are gone."""
        return bury(world, d)

    def recorded(self, d: Deployment, write: Write) -> bool:
        """Read it from what follows: an alarm is set only if a check must come back for them."""
        return not isinstance(write[0].data, e.Armed)


def bury(world: World, d: Deployment) -> bool:
    """Remove a deployment's dead sessions; return whether all are gone.

    Effects: a place that does not answer keeps them: the alarm, or else the plan's next run, takes them away.
    """
    executor = world.executor(d.host)
    listing = executor.poll()
    dead = [(s.session_id, s.mark) for s in listing.seen if s.over and s.mark.startswith(f"{d.name}/")]
    with suppress(ProgramError):
        return listing.state != "unknown" and executor.cancel(dead) == len(dead)
    return False


def close(d: Deployment, decision: Decision, now: datetime) -> Steps[None]:
    """Close it. The alarm goes with it, unless a notice is owed or dead sessions are left."""
    buried = OUTCOMES[decision.row] == "partial" or (yield from do(Bury()))
    if d.wakes or not buried:
        yield from ensure(d, now, paused=True)  # first: it is what sees to that if this check does not
    yield from append("action", [closing(d, decision)])
    if buried and not d.wakes:
        yield from disarm(d)  # or else it goes when the notice was delivered, and the dead are taken away


def closing(d: Deployment, decision: Decision) -> e.Draft:
    """Return the end of a deployment."""
    fact = e.Closed(outcome=OUTCOMES[decision.row], why=decision.why, missing=tuple(undone(d))[:100])
    return e.Draft(fact)
