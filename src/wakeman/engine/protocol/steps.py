"""What a protocol yields: lines to append, and effects to perform.

A protocol is a generator over the deployment as its log has it. It is driven twice. The engine appends the lines to the
log and has the effects performed by the world; the audit compares the lines with those of a log, and reads the outcome
of an effect from the lines that follow it. Either way the lines are applied to the deployment before the generator
continues, so a protocol decides the same in both.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.model import Deployment

if TYPE_CHECKING:
    from wakeman.ports import World, Writer

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

Write: TypeAlias = Sequence[e.Event]
"""The lines of one write."""
Kind = Literal["alarm", "outcome", "look", "action", "intent", "transition", "decision", "fold", "line"]
"""Kinds of lines, by which the audit names a divergence."""


class Append(Struct, frozen=True):
    """One write: its lines count together or not at all.

    Shape: lines on which no effect depends need not be `durable`; `late` ones have the time of the write, all others
    the time at which the check began.
    """

    kind: Kind
    drafts: tuple[e.Draft, ...]
    durable: bool = True
    late: bool = False


class Do(Protocol[R_co]):
    """An effect, as a value."""

    def perform(self, world: World, d: Deployment) -> R_co:
        """Perform it in the world; return the outcome. Raises: errors that end the check; the next one repeats it."""

    def recorded(self, d: Deployment, write: Write) -> R_co:
        """Read the outcome from the next write of a log; what is not recorded gets its usual value."""


class Unrecorded(Struct, frozen=True):
    """Base of effects that are not logged, and on whose outcome nothing depends."""

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
    """Drive a protocol with a world and a locked log; return what the protocol returns.

    Effects: all that it yields. Raises: errors of the log or of an effect, after which nothing more is done.
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
