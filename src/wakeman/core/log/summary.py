"""An event as one line for people; details are in the log."""

from __future__ import annotations

from wakeman.core.log import events as e
from wakeman.core.text import sanitise

SUMMARY_CHARS_MAX = 200
"""Characters of a summary at most."""


def summary(fact: e.Fact) -> str:
    """Return what happened in one line, "" if the type's name is enough. Text from outside is sanitised."""
    return sanitise(fact.summary(), SUMMARY_CHARS_MAX)
