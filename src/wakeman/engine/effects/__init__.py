"""One file per effect: its intent, how it is performed, its outcome, and how that is read from a log.

`ACTIONS` names what each action of the decision tables does. An action that is not listed (`wait`, `ask`) has no effect
beyond its decision.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import TypeAlias, cast

from wakeman.core.model import Deployment
from wakeman.core.policy.tables import Decision
from wakeman.engine.protocol.steps import Steps

Action: TypeAlias = Callable[[Deployment, Decision, datetime], Steps[None]]

ACTIONS: dict[str, str] = {
    "end": "end.end",
    "restart": "end.end",
    "capture": "capture.capture",
    "nudge": "text.nudge",
    "enter": "text.enter",
    "relaunch": "launch.relaunch",
    "launch": "launch.launch_due",
    "enrol": "enrol.enrol",
    "sample": "review.sample",
    "appoint": "review.appoint",
    "conclude": "review.conclude",
    "move": "move.move_all",
    "sweep": "sweep.sweep",
    "close": "close.close",
}
"""Action -> module and function in this package, loaded on first use: most checks take none."""


def steps_of(action: str, d: Deployment, decision: Decision, now: datetime) -> Steps[None]:
    """Yield the steps of a decision's action."""
    if action in ACTIONS:
        module, _, name = ACTIONS[action].partition(".")
        found = cast("Action", getattr(import_module(f"{__name__}.{module}"), name))
        yield from found(d, decision, now)
