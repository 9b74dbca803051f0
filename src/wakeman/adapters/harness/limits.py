"""Reads when a usage limit resets from clients' messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

LIMIT_SIGN = re.compile(
    r"(?:You've (?:hit|reached) your|You're out of|(?:(?<![\w-])[\w-]+ )?limit reached|usage limit|"
    r"exceeded your current quota|quota (?:has been )?exceeded|RESOURCE_EXHAUSTED).*"
)
"""Messages of a usage limit, not of a rate limit for which the client waits by itself."""

_EPOCH = re.compile(r"\|(\d{10})\b")
_AT = re.compile(
    r"(?:resets?|again|available|until) (?:at |on )?"
    r"(?:(?P<month>[A-Z][a-z]{2})[a-z]* (?P<day>\d{1,2})(?:st|nd|rd|th)?(?:,? (?P<year>\d{4}))?(?:,| at)? )?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))? ?(?P<half>[AaPp][Mm])?(?: \(?(?P<zone>UTC|[A-Z][\w+-]+/[\w/+-]+)\)?)?"
)
_IN = re.compile(r"\b(?:in|after) ((?:\d+(?:\.\d+)? ?(?:d|h|m|s)[a-z]*(?:,? (?:and )?)?)+)")
_TIME_PART = re.compile(r"(\d+(?:\.\d+)?) ?(d|h|m|s)")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def until(words: str, now: datetime) -> datetime | None:
    """Read when a limit resets: epoch seconds, a span ("in 2h 5m"), or a time of day in a named zone or the machine's.

    Boundary: None when nothing of the kind is said, or no calendar has it. A time of day that is past is tomorrow's.
    """
    try:
        return _read_reset(words, now)
    except (ValueError, OverflowError):
        return None


def _read_reset(words: str, now: datetime) -> datetime | None:
    if found := _EPOCH.search(words):
        return datetime.fromtimestamp(int(found[1]), UTC)
    if found := _IN.search(words):
        return now + timedelta(seconds=sum(float(n) * _SECONDS[unit] for n, unit in _TIME_PART.findall(found[1])))
    if not (found := _AT.search(words)) or not (found["half"] or found["minute"]):
        return None
    here = now.astimezone(_zone(found["zone"]))
    hour = int(found["hour"])
    if found["half"]:
        hour = hour % 12 + 12 * (found["half"].lower() == "pm")
    at = here.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
    if found["month"]:
        year = int(found["year"] or here.year)
        at = at.replace(year=year, month=_MONTHS.index(found["month"]) + 1, day=int(found["day"]))
        at = at if at >= here or found["year"] else at.replace(year=at.year + 1)
    return (at if at > here else at + timedelta(days=1)).astimezone(UTC)


def _zone(name: str | None) -> tzinfo | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a directory of zones, a name too long for a file
        return None
