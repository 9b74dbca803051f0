"""Enrol a cleanup worker for each worker whose share is short."""

from __future__ import annotations

from datetime import datetime

from wakeman.core import actions
from wakeman.core.model import Deployment
from wakeman.core.policy.decide import Decision
from wakeman.engine.protocol.steps import Steps, append


def enrol(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Enrol them."""
    yield from append("action", actions.cleanups(d))
