"""Have outputs reviewed: pick the sample, appoint reviewers, take their verdicts."""

from __future__ import annotations

from datetime import datetime

from wakeman.core import actions
from wakeman.core.model import Deployment
from wakeman.core.policy.decide import Decision
from wakeman.engine.protocol.steps import Steps, append


def sample(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Pick the sample, where the plan wants one and none was picked."""
    yield from append("action", actions.sampling(d))


def appoint(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Enrol the reviewers of the next round."""
    yield from append("action", actions.appointments(d))


def conclude(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Take the verdicts that are there."""
    yield from append("action", actions.conclusions(d))
