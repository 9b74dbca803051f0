"""The exit codes that report the state of a deployment. An alarm's check loads nothing else of this package."""

from __future__ import annotations

from collections.abc import Collection

from wakeman.core.model import Deployment, Outcome
from wakeman.core.policy import notice

SEVERITY = (6, 3, 2, 5, 1, 4, 0)
"""Exit codes, the worst first."""


def code(d: Deployment) -> int:
    """Return the exit code of a deployment: 0 complete, 1 partial or stopped, 5 needs a person, 4 open."""
    return outcome_code(d.outcome, needs_person=d.outcome == "open" and notice.asking(d))


def outcome_code(outcome: Outcome, *, needs_person: bool) -> int:
    """Return the exit code for an outcome; see `code`."""
    if outcome != "open":
        return 0 if outcome == "complete" else 1
    return 5 if needs_person else 4


def worst(codes: Collection[int]) -> int:
    """Return the one exit code that represents several; 0 for none."""
    return next((code for code in SEVERITY if code in codes), 0)
