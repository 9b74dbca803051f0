"""The worker's state machine. Everything that affects it is in this file.

TRANSITIONS is the one table. The library `transitions` builds a state machine from it; a step that the table has is
looked up there, and one that it has not is the machine's to refuse. A test proves that both agree on every state and
trigger. The machine has no callbacks: a replay must not run effects again.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, get_args

from wakeman.core.errors import TransitionError
from wakeman.core.model import State, Trigger

if TYPE_CHECKING:
    from transitions import Machine

STATES: tuple[State, ...] = get_args(State)
TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)

TRANSITIONS: tuple[tuple[Trigger, tuple[State, ...], State, str], ...] = (
    ("launched", ("pending",), "launched", "its session exists, made now or found and adopted"),
    ("started", ("launched",), "running", "first sign of life after the launch"),
    ("stalled", ("launched", "running"), "stuck", "waiting, limited, error or silent"),
    ("recovered", ("stuck",), "running", "a sign of life again"),
    ("exited", ("pending", "launched", "running", "stuck"), "exited", "process or session ended, or the launch failed"),
    ("relaunched", ("stuck", "exited"), "launched", "next attempt of the same worker"),
    ("verified", ("exited",), "verified", "its share is not empty and every unit of it passes"),
)  # fmt: skip
"""(trigger, sources, destination, when)"""

NEXT: dict[tuple[State, str], State] = {
    (source, trigger): to for trigger, sources, to, _ in TRANSITIONS for source in sources
}
"""(state, trigger) -> state: the table in the form that a check and a replay use."""


@cache
def machine() -> Machine:
    """Build the machine, once per process, before the first refusal.

    Cost: a quarter of a check's instructions for the import, which no check pays that only takes legal steps.
    """
    from transitions import Machine

    return Machine(
        model=None,
        states=list(STATES),
        transitions=[
            {"trigger": trigger, "source": list(sources), "dest": to} for trigger, sources, to, _ in TRANSITIONS
        ],
        initial="pending",
        auto_transitions=False,
    )


def step(worker: str, state: State, trigger: Trigger) -> State:
    """Return the state that a live trigger leads to.

    Raises: TransitionError naming worker, state and trigger; nothing has changed then.
    """
    to = NEXT.get((state, trigger))
    if to is None:
        legal = ", ".join(machine().get_triggers(state)) or "nothing"
        raise TransitionError(f"{worker}: '{trigger}' is not possible while {state}; possible: {legal}")
    return to
