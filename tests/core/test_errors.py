"""Each error ends in the exit code that scripts rely on, and says what was found and what to do next."""

from __future__ import annotations

import pytest

from wakeman.core import errors
from wakeman.core.errors import PlanError, WakemanError

CODES = {
    "WakemanError": 1,
    "PlanError": 2,
    "UsageError": 2,
    "UnknownRevisionError": 2,
    "UnknownNameError": 3,
    "NeedsPersonError": 5,
    "NotLiveError": 5,
    "LogDamagedError": 6,
    "BusyError": 1,
    "TransitionError": 1,
    "StorageError": 1,
    "DiskError": 1,
    "ProgramError": 1,
}


def test_every_error_has_its_exit_code() -> None:
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}

    assert CODES == {name: kind.code for name, kind in kinds.items() if issubclass(kind, WakemanError)}


@pytest.mark.parametrize("hint", ["", "try: wakeman audit night"])
def test_an_error_says_what_was_found_and_what_to_do_next(hint: str) -> None:
    error = WakemanError("night: no such worker", hint)

    assert ("night: no such worker", hint) == (str(error), error.hint)


def test_an_error_without_a_hint_suggests_nothing() -> None:
    assert ("", "") == (WakemanError("x").hint, PlanError(("x",)).hint)


def test_an_error_proposes_what_to_type_instead() -> None:
    error = WakemanError("x", proposals=[("wakeman up a", "start it")])

    assert ((("wakeman up a", "start it"),), ()) == (error.proposals, WakemanError("x").proposals)


def test_a_plan_is_refused_with_every_fault_on_a_line_of_its_own() -> None:
    error = PlanError(("plan.toml:1: name", "plan.toml:2: units"), "see")

    assert ("plan.toml:1: name\nplan.toml:2: units", "see") == (str(error), error.hint)
    assert ("plan.toml:1: name", "plan.toml:2: units") == error.problems
