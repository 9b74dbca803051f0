"""Each action of the tables and ladders has one function."""

from __future__ import annotations

from importlib import import_module
from typing import get_args

import pytest

from wakeman.core.model import Rung
from wakeman.core.policy.tables import DEPLOYMENT_RULES, WORKER_RULES
from wakeman.engine import effects

SAID_ALONE = {"wait", "ask"}
"""Actions that leave their mark in the decision, and do nothing else."""


@pytest.mark.parametrize("action", effects.ACTIONS)
def test_an_action_is_a_function_that_yields_steps(action: str) -> None:
    module, _, name = effects.ACTIONS[action].partition(".")

    made = getattr(import_module(f"{effects.__name__}.{module}"), name)

    assert 3 == made.__code__.co_argcount
    assert made.__code__.co_flags & 0x20  # a generator: nothing is done before it is driven


def test_the_tables_and_ladders_name_the_actions_that_there_are() -> None:
    named = {action for rule in (*WORKER_RULES, *DEPLOYMENT_RULES) for action in rule.then} - {"rung"}

    assert set(effects.ACTIONS) == (named | set(get_args(Rung))) - SAID_ALONE
