"""What a protocol yields: lines to append, and effects to have done.

A protocol is a generator over the deployment as its log has it. It is driven twice. The engine appends the lines to the
log and has the effects performed by the world; the audit compares the lines with those of a log, and reads the outcome
of an effect from the lines that follow it. Either way the deployment has the lines when the generator continues, so
what a protocol asks of it is the same in both.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.ports import World

if TYPE_CHECKING:
    from wakeman.ports import Writer

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

Write: TypeAlias = Sequence[e.Event]
"""The lines of one write."""
Kind = Literal["alarm", "outcome", "look", "action", "intent", "transition", "decision", "fold", "line"]
"""What lines are about: how the audit names a divergence among them."""


class Append(Struct, frozen=True):
    """One write: lines that count together or not at all.

    Shape: lines on which no effect depends need not be `durable`; `late` ones bear the time at which they are
    written, all others that at which the check began.
    """

    kind: Kind
    drafts: tuple[e.Draft, ...]
    durable: bool = True
    late: bool = False


class Do(Protocol[R_co]):
    """An effect, as a value."""

    def perform(self, world: World, d: Deployment) -> R_co:
        """Perform it in the world; return the outcome. Raises: what ends the check, to be made again by the next."""

    def recorded(self, d: Deployment, write: Write) -> R_co:
        """Read the outcome from the next write of a log; what that does not record is as it is most often."""


class Unrecorded(Struct, frozen=True):
    """Base of effects that leave nothing in the log, and on whose outcome nothing depends."""

    def recorded(self, d: Deployment, write: Write) -> None:
        """Return nothing."""


Steps: TypeAlias = Generator[Any, Any, T]
"""A protocol, or a part of one, that returns a value; it yields `Append` and `Do`."""


def append(
    kind: Kind, drafts: Sequence[e.Draft], *, durable: bool = True, late: bool = False
) -> Steps[Sequence[e.Event]]:
    """Append lines as one write; return them as they are in the log. Boundary: no lines, no write."""
    if not drafts:
        return ()
    events: Sequence[e.Event] = yield Append(kind, tuple(drafts), durable, late)
    return events


def do(effect: Do[T]) -> Steps[T]:
    """Perform an effect; return its outcome."""
    result: T = yield effect
    return result


def drive(world: World, log: Writer, steps: Steps[T], now: datetime) -> T:
    """Drive a protocol with a world and a log that is held; return what the protocol returns.

    Effects: all that it yields. Raises: what the log or an effect raises; nothing is done behind it.
    """
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            if isinstance(step, Append):
                at = world.clock.now() if step.late else now
                answer = log.append(step.drafts, at, durable=step.durable)
            else:
                answer = step.perform(world, log.deployment)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()
