"""What a client says when its service refuses, as a report: a limit, an outage, a key, money, or another error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from wakeman.adapters.harness.limits import Kind, refusal_kind, until
from wakeman.core.gate import instant
from wakeman.core.model import Activity, Fault
from wakeman.core.text import sanitise
from wakeman.ports import Report, Source

CLIENT_REASON_CHARS_MAX = 160
"""Characters of a client's message that a reason quotes."""
TOLD_AS: Mapping[Kind, tuple[Activity, Fault]] = {
    "limit": ("limited", ""),
    "outage": ("limited", "outage"),
    "auth": ("error", "auth"),
    "billing": ("error", "billing"),
}
"""What each kind of refusal means for the worker."""
UNAVAILABLE = "the service is unavailable"
"""Beginning of the reason of a worker whose service is overloaded or cannot be reached."""


def refusal_report(
    activity: Activity, words: str, at: datetime, source: Literal["", "state"] | Source, fault: Fault, also: str = ""
) -> Report:
    """Return what an error is told as: by the kind of refusal in its words, or as its row says."""
    if (kind := refusal_kind(f"{words} {also}".rstrip())) and not (fault and activity == "error"):
        activity, fault = TOLD_AS[kind]
    limited = activity == "limited" and not fault
    reset = (until(words, at) or until(also, at)) if limited else None
    said = f"{UNAVAILABLE}: {words}" if fault == "outage" and words else words
    return Report(activity, quotable(said), reset, source, fault)


def refusal_in_last_words(words: str, at: datetime) -> Report:
    """Return the last line of a client that ended badly without an event: what it was refused, if it says so."""
    return refusal_report("error", words, at, "", "") if refusal_kind(words) else Report(why=quotable(words))


def quotable(words: str) -> str:
    return sanitise(words, CLIENT_REASON_CHARS_MAX)


def said_at(seconds: float, now: datetime) -> datetime:
    """Return when something was said, in epoch seconds; `now` where that is not known, or lies ahead."""
    at = instant(seconds) if seconds else None
    return now if at is None or at > now else at
