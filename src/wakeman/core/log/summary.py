"""One line about an event, for people. The log holds the rest."""

from __future__ import annotations

from wakeman.core.log import events as e
from wakeman.core.text import sanitise

SUMMARY_CHARS_MAX = 200
"""Characters of a summary at most."""


def summary(fact: e.Fact) -> str:
    """Return what happened in one line, "" when the type's name says it all. Others' words are made harmless."""
    return sanitise(fact.summary(), SUMMARY_CHARS_MAX)
