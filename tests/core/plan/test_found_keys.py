"""Keys beside `workers.sessions`: what a session that somebody else has started cannot have, and need not."""

from __future__ import annotations

import pytest

from wakeman.core.errors import PlanError
from wakeman.core.model import Plan
from wakeman.core.plan.parser import read_plan

PLAN = """\
name = "night"
UNITS
[cleanup]
rounds = 0
[workers]
sessions = "watch"
name = "{{ unit }}"
"""
UNITS = '[units]\nitems = ["a"]\n'


def parsed(more: str = "", *, units: str = UNITS, rounds: str = "rounds = 0") -> Plan:
    return read_plan(PLAN.replace("UNITS", units).replace("rounds = 0", rounds) + more, "wakeman.toml")


def test_such_a_plan_needs_neither_outputs_nor_a_command() -> None:
    found = parsed()

    assert ("watch", "", ()) == (found.workers.sessions, found.units.output or "", found.workers.command or ())


@pytest.mark.parametrize(
    ("more", "units", "rounds", "says"),
    [
        (
            "stage = true\n",
            UNITS,
            "rounds = 0",
            "workers.stage: found beside workers.sessions = 'watch'; expected none",
        ),
        ("", UNITS, "rounds = 2", "cleanup.rounds: found 2; expected 0 beside workers.sessions = 'watch'"),
        (
            '[verify]\ncommand = ["true"]\n',
            UNITS,
            "rounds = 0",
            "verify.command: found without units.output; expected a file that each unit is to make",
        ),
    ],
)
def test_what_only_a_session_that_is_started_can_have_is_refused(more: str, units: str, rounds: str, says: str) -> None:
    with pytest.raises(PlanError) as refused:
        parsed(more, units=units, rounds=rounds)

    assert says in str(refused.value)


def test_outputs_may_be_judged_by_a_command() -> None:
    found = parsed('[verify]\ncommand = ["true"]\n', units=UNITS + 'output = "out/{{ unit }}"\n')

    assert ("true",) == found.verify.command
