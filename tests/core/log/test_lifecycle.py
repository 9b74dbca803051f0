"""The worker's machine: one table, three readers of it."""

from __future__ import annotations

from itertools import product

import pytest

from wakeman.core.errors import TransitionError
from wakeman.core.log.lifecycle import NEXT, STATES, TRANSITIONS, TRIGGERS, machine, step
from wakeman.core.model import State


def test_the_table_of_replay_is_the_machine_itself() -> None:
    derived = {
        (source, name): transitions[0].dest
        for name, event in machine.__wrapped__().events.items()  # built anew, whoever has built it before
        for source, transitions in event.transitions.items()
    }

    assert derived == NEXT


def test_no_trigger_has_two_destinations_from_one_state() -> None:
    pairs = [(source, trigger) for trigger, sources, _, _ in TRANSITIONS for source in sources]

    assert len(set(pairs)) == len(pairs)


def test_the_table_speaks_of_known_states_and_triggers_alone() -> None:
    states = {state for _, sources, to, _ in TRANSITIONS for state in (*sources, to)}

    assert (set(STATES), set(TRIGGERS)) == (states, {trigger for trigger, *_ in TRANSITIONS})


@pytest.mark.parametrize(("state", "trigger"), list(product(STATES, TRIGGERS)))
def test_a_step_goes_where_the_table_says_or_is_refused(state: str, trigger: str) -> None:
    if (state, trigger) in NEXT:
        assert NEXT[state, trigger] == step("w", state, trigger)  # type: ignore[index,arg-type] # as above
    else:
        with pytest.raises(TransitionError, match=f"w: '{trigger}' is not possible while {state}"):
            step("w", state, trigger)  # type: ignore[arg-type] # as above


@pytest.mark.parametrize(
    ("state", "possible"),
    [("pending", "launched, exited"), ("exited", "relaunched, verified"), ("verified", "nothing")],
)
def test_a_step_that_is_refused_says_which_are_possible(state: State, possible: str) -> None:
    with pytest.raises(TransitionError) as refused:
        step("w", state, "started")

    assert f"w: 'started' is not possible while {state}; possible: {possible}" == str(refused.value)


def test_every_state_but_verified_can_be_left() -> None:
    assert {"verified"} == set(STATES) - {state for state, _ in NEXT}
