"""Reads what a client says when its service refuses: which kind of refusal it is, and when a usage limit resets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Literal

from msgspec import Struct

from wakeman.core.gate import instant

Kind = Literal["", "limit", "auth", "billing", "outage"]
"""`limit`: an account's limit is used up; `auth`: a key or login is refused; `billing`: nothing is left to pay with;
`outage`: the service cannot be reached or is overloaded; "": none of these."""

JUST_PASSED = timedelta(minutes=15)
"""A time of day that is past by at most that long means now: the client named it before it was read."""
SESSION_LIMIT_MAX = timedelta(hours=5)
"""A limit of a session lasts at most that long."""
WEEKLY_LIMIT_MAX = timedelta(days=7)
"""Any other limit is tried again after that time at the latest, whatever a client says."""
LONGEST_BY_KIND: tuple[tuple[re.Pattern[str], timedelta], ...] = (
    (re.compile(r"(?i)\b(?:session|5[- ]?h(?:ou)?rs?|five[-_ ]hours?|300 minutes)\b"), SESSION_LIMIT_MAX),
    (re.compile(r"(?i)\bhourly\b"), timedelta(hours=1)),
    (re.compile(r"(?i)\b(?:daily|per ?day)\b"), timedelta(days=1)),
)
"""How long a limit lasts at most, by the word for its kind; others `WEEKLY_LIMIT_MAX`."""

_OF_ACCOUNT = (
    r"(?:usage|session|weekly|daily|hourly|monthly|account|plan|subscription|organi[sz]ation|"
    r"(?:\d+|five)[- ]hour|(?:opus|sonnet|haiku|fable)(?: \d\S*)?|max|pro|free(?:[- ](?:tier|plan))?)"
)
_OF_OTHERS = (
    r"(?:fast|context|concurren\w*|files?|uploads?|attachments?|output|tools?|search|images?|recursion|nesting|depth|"
    r"length|size|turns?|agents?|subagents?|thinking|timeout|time)"
)
LIMIT_SIGN = re.compile(
    rf"(?:(?i:you(?:[’']ve| have) (?:hit|reached) (?:your|the) "
    rf"(?![\w\s-]{{0,30}}?\b{_OF_OTHERS}\b[\w\s-]{{0,20}}?limit)"
    r"[\w\s’'-]{0,30}?limit|"
    r"you[’']re out of (?:extra |\w+ )?usage(?! credits)|"
    rf"\b{_OF_ACCOUNT}(?: (?:usage|requests?|messages?|tokens?))? limit "
    r"(?:has been |was |is )?(?:reached|hit|exceeded)|"
    r"(?<![\w’'-] )(?<![\w’'-])limit reached(?=\|\d|[ .,;:(·∙•-]*(?:resets?|try|available|until)\b)|"
    r"exceeded your current quota|quota (?:has been )?exceeded|exhausted your (?:daily |current )?(?:quota|capacity)|"
    r"regain access|\A\W*resets\b)[^\n]*|RESOURCE_EXHAUSTED[^\n]*)"
)
"""Messages of an account's usage limit: not of a rate for which the client waits by itself, nor of a limit of a tool,
of subagents, of a context or of a file."""
_NAMED_LIMIT = r"(?<!not your )(?<!increase your )(?<!approaching )(?<!approaching your )\busage limit\b(?! is set)"
"""Enough in an error; in prose it may be what somebody writes about."""
_STATUS = (
    r"(?:\A\W*|\((?=\d+\))|"
    r"\b(?<!exit )(?:status(?:[ _]?code)?|http(?:/\d(?:\.\d)?)?|error(?: code)?|code|failed)\W{0,4})"
)
"""What stands before a number that is a status: other numbers count lines, or are part of a name."""

_NO_MONEY = (
    r"credit balance (?:is )?too low",
    r"insufficient[_ ](?:quota|credits?|funds|balance)",
    r"billing_(?:error|not_active)",
    r"billing hard limit",
    r"payment required|payment method (?:is )?(?:required|declined)|no payment method",
    rf"{_STATUS}402\b",
    r"out of (?:usage )?credits",
    r"credits are depleted|no credits (?:left|remaining)|requires more credits|key limit exceeded",
    r"account is not active[^\n]{0,40}billing",
    r"spend(?:ing)? (?:cap|limit)",
    r"usage limit is set to \$0",
    r"org(?:anization)? is out of usage",
    r"check your plan and billing details(?![\s\S]*(?:quota exceeded for|retry in|per ?day|free.?tier))",
)
_NO_ACCESS = (
    rf"{_STATUS}40[13]\b(?! \w+s\b)",
    r"\b403 forbidden|permission_error|permissiondeniederror",
    r"failed to authenticate",
    r"unauthori[sz]ed",
    r"unauthenticated",
    r"(?:invalid|incorrect) (?:x-)?api[- ]key",
    r"api[-_ ]key (?:is |has )?(?:been )?(?:not valid|invalid|expired|revoked|disabled)|api_key_invalid",
    r"(?:missing|no|without an?|provide an) (?:api[- ]key|auth\w* credentials|bearer)\b",
    r"_API_KEY\b[^\n]{0,40}(?:not found|not set|missing|required)|(?:missing|specify)[^\n]{0,40}_API_KEY\b",
    r"invalid_grant|autherror",
    r"(?:organization|account) has been (?:disabled|suspended|deactivated)",
    r"invalid authentication",
    r"authentication[_ ]?(?:error|failed)",
    r"not able to authenticate",
    r"not logged in",
    r"please run /login",
    r"(?:oauth|access|refresh|authentication) (?:token|session) (?:has )?(?:been )?(?:expired|revoked|invalidated)",
    r"token (?:could not be refreshed|refresh failed)|(?:login|oauth session) (?:has )?expired",
    r"permission_?denied",
)
_NO_SERVICE = (
    r"(?<![a-z])overloaded",
    rf"{_STATUS}(?:408|502|503|504|52\d)\b",
    r"\b(?:502|503|504|529) (?:bad gateway|service|gateway|overloaded)",
    r"service (?:is )?(?:currently |temporarily )?unavailable",
    r"\bunavailable\b(?! for)",
    r"bad gateway",
    r"gateway time-?out",
    r"connection[ _](?:was )?(?:refused|reset|closed|error|aborted|timed out|failed)",
    r"\bECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH",
    r"(?:unable|failed|cannot|could not) (?:to )?connect",
    r"connectionrefused",
    r"failed to lookup|name or service not known|getaddrinfo|dns error|temporary failure in name resolution",
    r"(?:request|connection|operation|api|stream|server)[ _](?:has )?timed? ?out",
    r"timeout[ _](?:waiting|error|exceeded)|(?:idle|due to) timeout|UND_ERR_\w+",
    r"no route to host|(?:network|host) is unreachable",
    r"error sending request",
    r"stream (?:disconnected|closed) before",
    r"fetch failed|socket hang up|network[ _]error",
    r"apiconnectionerror|serviceunavailableerror|timeouterror",
    r"at capacity|no capacity available|experiencing high load|model_capacity_exhausted",
    r"high demand(?!, which may cause temporary errors)",  # that is how Codex words an error 500
)
_TOO_OFTEN = (
    r"\b429\b",
    r"too many requests",
    r"(?:\A|[:·] |\bAPI )rate limit (?:reached|exceeded|hit)",
    r"rate_limit_(?:error|exceeded)|ratelimit(?:error|exceeded)|quotaerror|usage_limit_(?:reached|exceeded)|quota_exhausted",
    r"resource (?:has been )?exhausted",
    r"throttl(?:ing|ed)|too many tokens",
)
REFUSALS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("outage", (r"temporarily limiting requests \(not your usage limit\)",)),
    ("billing", _NO_MONEY),
    ("limit", (LIMIT_SIGN.pattern, _NAMED_LIMIT)),
    ("auth", _NO_ACCESS),
    ("outage", _NO_SERVICE),
    ("limit", _TOO_OFTEN),
)
"""Wordings of each kind of refusal in the errors of clients, the first that is found counts."""
_REFUSALS = tuple((kind, re.compile("|".join(patterns), re.IGNORECASE)) for kind, patterns in REFUSALS)

CAUSES: tuple[tuple[str, str], ...] = (
    ("connection refused", r"refused|unable to connect|failed to connect"),
    ("overloaded", r"overload|\b529\b|capacity|high (?:demand|load)"),
    ("the service is unavailable", r"\b50[234]\b|unavailable|gateway"),
    ("name not found", r"ENOTFOUND|EAI_AGAIN|getaddrinfo|lookup|resolution|name or service"),
    ("timed out", r"time ?d? ?out|ETIMEDOUT"),
    ("too many requests", r"\b429\b|rate.?limit|too many"),
    ("the key is refused", r"\b401\b|authenti|unauthori"),
    ("server error", r"\b500\b|server.?error|internal"),
    ("connection lost", r"connect|disconnect|ECONN|socket|fetch failed|network|stream|sending request"),
)
"""Why a client retries, in words of our own: the first pattern found in its words."""
_CAUSES = tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in CAUSES)
_TRIES = re.compile(r"(?i)(?:\battempt|\btry|reconnecting\.*)?\W{0,3}\b(\d{1,3}) ?(?:/|of) ?(\d{1,3})\b")
_TRY = re.compile(r"(?i)\battempt\W{0,3}(\d{1,3})\b")


def refusal_kind(words: str) -> Kind:
    """Return which kind of refusal an error's words name; "" for none of those known."""
    return next((kind for kind, pattern in _REFUSALS if pattern.search(words)), "")


def retrying(words: str) -> str:
    """Return in our words that a client retries: why, and which try it is, as far as its words say."""
    cause = next((cause for cause, pattern in _CAUSES if pattern.search(words)), "API error")
    if found := _TRIES.search(words):
        return f"retrying: {cause} ({found[1]} of {found[2]})"
    found = _TRY.search(words)
    return f"retrying: {cause} (try {found[1]})" if found else f"retrying: {cause}"


# --- when a limit resets --------------------------------------------------------------------------------------

_EPOCH = re.compile(r"\|(\d{10}(?:\d{3})?)\b")
_KEYED = re.compile(
    r"(?i)\b(?:resets?_?at|quotaResetTimeStamp)[\\\"' ]*[:=][\\\"' ]*(?P<at>\d{10}(?:\d{3})?\b|20\d\d-[\dT:.+-]{8,}Z?)|"
    r"\b(?:resets?_in_seconds|retry[-_ ]?after|retry_?delay)[\\\"' ]*[:=][\\\"' ]*(?P<seconds>\d{1,9}(?:\.\d+)?)s?\b"
)
"""A reset in what a service answers: a key, and an instant or seconds."""
_KEYWORD = re.compile(
    r"(?i)\b(?:resets?|again|available|until|continu(?:e|ing) automatically|regain access|"
    r"access (?:is )?restored|renews?|refresh(?:es)?|resumes?|retry|unlocks?|lifted|back)\b[ :]*"
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_UNIT = (
    r"(?:(?P<ms>ms|millis(?:econds?)?)|(?P<s>s|secs?|seconds?)|(?P<m>m|mins?|minutes?)|(?P<h>h|hrs?|hours?)|"
    r"(?P<d>d|days?)|(?P<w>w|weeks?))(?![a-z])"
)
_NUMBERS = {
    "a": 1.0, "an": 1.0, "half an": 0.5, "half a": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0,
    "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "twelve": 12.0,
}  # fmt: skip
_PART = re.compile(rf"(?i)(?P<n>\d+(?:\.\d+)?|(?:half )?an?\b|{'|'.join(list(_NUMBERS)[4:])}) ?-?{_UNIT}[ ,]*(?:and )?")
_PART_RUN = re.compile(r"(?i)(?P<n>\d+(?:\.\d+)?)(?P<unit>ms|[smhdw])(?=\d)")
_SPAN = re.compile(
    r"(?i)\b(?:in|after|within)(?: about| approximately| around| roughly| less than| under| up to| at most)?[ :]+~? ?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_NUMBER = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,? ?(?P<year>20\d\d))?"
_LONG_ZONE = (
    r"(?:(?:(?:US )?(?:Eastern|Central|Mountain|Pacific)|(?:Central|Eastern|Western) European|Coordinated Universal|"
    r"Greenwich Mean)(?: (?:standard|daylight|summer))?|local|your)"
)
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"(?i){pattern}"))
    for kind, pattern in (
        (
            "iso",
            (
                r"(?P<date>20\d\d(?P<by>[-/.])\d\d(?P=by)\d\d)(?:(?:T| +(?:at )?)(?P<hour>\d\d):(?P<minute>\d\d)"
                r"(?::\d\d(?:[.,]\d+)?)?(?![:\d]| ?[ap]\.?m))?"
            ),
        ),
        ("date", rf"{_MONTH} {_NUMBER}\b(?!:){_YEAR}"),
        ("date", rf"{_NUMBER} (?:of )?{_MONTH}(?![a-z]){_YEAR}"),
        ("weekday", rf"(?P<weekday>{'|'.join(_DAYS)})(?:day|sday|nesday|rsday|urday|s|r|rs)?\b\.?"),
        ("near", r"(?P<near>today|tonight|tomorrow)\b"),
        ("time", r"(?P<word>noon|midnight)\b"),
        ("time", r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::\d\d)?)? ?(?P<half>[ap])\.?m\b\.?"),
        ("time", r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d)?\b"),
        ("time", r"(?P<hour>\d{1,2})(?= ?(?:h\b|o'clock|UTC|GMT|Z\b))(?: ?(?:h\b|o'clock))?"),
        ("offset", r"(?:UTC|GMT)? ?(?P<sign>[+−-])(?P<hours>\d{1,2})(?::?(?P<minutes>[0-5]\d))?(?![\d-])"),
        ("zone", r"(?P<zone>[A-Za-z]+(?:/[\w+-]+)+)"),
        ("zone", r"(?-i:(?P<zone>Z|[A-Z]{2,5}))\b(?! ?\d)"),
        ("zone", rf"(?P<zone>{_LONG_ZONE} time)(?: zone)?\b"),
        ("filler", r"(?:at|on|by|the|of|this|next|around|about|approximately|from|and|time)\b|[ ,;()·∙•@:|]+"),
    )
)
ZONES: dict[str, float | str] = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 1, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "SAST": 2, "IST": 5.5, "SGT": 8, "HKT": 8, "AWST": 8, "JST": 9, "KST": 9, "ACST": 9.5, "AEST": 10, "AEDT": 11,
    "NZST": 12, "NZDT": 13, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "AKST": -9, "AKDT": -8, "HST": -10, "BRT": -3,
    "ET": "America/New_York", "CT": "America/Chicago", "MT": "America/Denver", "PT": "America/Los_Angeles",
    "EASTERN TIME": "America/New_York", "CENTRAL TIME": "America/Chicago", "MOUNTAIN TIME": "America/Denver",
    "PACIFIC TIME": "America/Los_Angeles", "CENTRAL EUROPEAN TIME": "Europe/Berlin", "GREENWICH MEAN TIME": 0,
    "EASTERN EUROPEAN TIME": "Europe/Athens", "WESTERN EUROPEAN TIME": "Europe/Lisbon", "COORDINATED UNIVERSAL TIME": 0,
}  # fmt: skip
"""Abbreviations of time zones: hours east of UTC, or the zone whose rules hold. Others mean the machine's zone."""


class _When(Struct):
    """What was read of a time."""

    clock: time | None = None
    on: date | None = None
    month: tuple[int, int] | None = None  # month and day, of a year that is not said
    weekday: int | None = None
    ahead: int | None = None  # days from today
    night: bool = False  # of today: midnight is the one that comes
    zone: tzinfo | None = None


def until(words: str, now: datetime) -> datetime | None:
    """Read when a limit resets: epoch seconds, a span ("in 2h 5m"), or a date, weekday and time of day in a named zone
    or the machine's.

    Boundary: None when nothing of the kind is said, or no calendar has it. A time of day that has just passed is past,
    not tomorrow's; nothing is later than the limit's kind allows.
    """
    text = " ".join(words.replace("’", "'").split())
    try:
        at = _read_reset(text, now)
    except (ValueError, OverflowError):
        return None
    return None if at is None else capped(at, text, now)


def capped(at: datetime, kind: str, now: datetime) -> datetime:
    """Return a reset, no later than a limit of that kind can last from `now` on."""
    return min(at, now + longest_limit(kind))


def longest_limit(kind: str) -> timedelta:
    """Return how long a limit can last by the words for its kind."""
    return next((longest for word, longest in LONGEST_BY_KIND if word.search(kind)), WEEKLY_LIMIT_MAX)


def _read_reset(text: str, now: datetime) -> datetime | None:
    if found := _EPOCH.search(text):
        return instant(int(found[1]))
    if found := _KEYED.search(text):
        if found["seconds"]:
            return now + timedelta(seconds=float(found["seconds"]))
        return instant(int(found["at"]) if found["at"].isdigit() else found["at"])
    # A span before any word of a reset may be the window of the limit.
    begins = found.start() if (found := _KEYWORD.search(text)) else 0
    if (seconds := _read_span(text[begins:])) is not None:
        return now + timedelta(seconds=seconds)
    for found in _KEYWORD.finditer(text):
        when = _scanned(text[found.end() :])
        if when is not None:
            return _resolved(when, now, longest_limit(text)).astimezone(UTC)
    seconds = _read_span(text[:begins])
    return None if seconds is None else now + timedelta(seconds=seconds)


def _read_span(text: str) -> float | None:
    """Return the seconds of the first span that follows `in` or `after`; None without one."""
    for found in _SPAN.finditer(text):
        rest = re.sub(_PART_RUN, r"\g<n>\g<unit> ", text[found.end() : found.end() + 100])
        total, at = None, 0
        while part := _PART.match(rest, at):
            number = _NUMBERS.get(part["n"].lower()) or float(part["n"])
            unit = next(name for name in _UNITS if part[name])
            total, at = (total or 0.0) + number * _UNITS[unit], part.end()
        if total is not None:
            return total
    return None


def _scanned(rest: str) -> _When | None:
    """Read a time from the beginning of a text, token by token; None if there is none. Raises: ValueError."""
    when, at = _When(), 0
    while found := next(_tokens_at(rest, at), None):
        kind, match = found
        if not _taken(when, kind, match):
            break
        at = match.end()
    said = (when.clock, when.on, when.month, when.weekday, when.ahead)
    return when if any(one is not None for one in said) else None


def _tokens_at(text: str, at: int) -> Iterator[tuple[str, re.Match[str]]]:
    return ((kind, found) for kind, pattern in _TOKENS if (found := pattern.match(text, at)) and found.end() > at)


def _taken(when: _When, kind: str, found: re.Match[str]) -> bool:
    """Take what a token says; return whether it may belong to the same time. Raises: ValueError for no such time."""
    dated = when.on is not None or when.month is not None or when.weekday is not None or when.ahead is not None
    match kind:
        case "iso" if not dated:
            when.on = date.fromisoformat(re.sub("[/.]", "-", found["date"]))
            if found["hour"]:
                when.clock = time(int(found["hour"]), int(found["minute"]))
        case "date" if when.month is None and when.on is None:
            month = _MONTHS.index(found["month"].lower()) + 1
            if found["year"]:
                when.on = date(int(found["year"]), month, int(found["day"]))
            else:
                when.month = month, int(found["day"])
        case "weekday" if when.weekday is None:
            when.weekday = _DAYS.index(found["weekday"].lower())
        case "near" if not dated:
            when.ahead = int(found["near"].lower() == "tomorrow")
            when.night = found["near"].lower() == "tonight"
        case "time" if when.clock is None:
            when.clock = _time_of_day(found.groupdict())
        case "offset" if when.clock is not None:
            offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
            when.zone = timezone(offset if found["sign"] == "+" else -offset)
        case "zone" if (when.clock is not None or dated) and when.zone is None:
            when.zone = _zone(found["zone"])
        case "filler":
            pass
        case _:
            return False
    return True


def _time_of_day(said: dict[str, str | None]) -> time:
    if said.get("word"):
        return time(12 if str(said["word"]).lower() == "noon" else 0)
    hour = int(said["hour"] or 0)
    if half := said.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError(f"{hour} {half}m")
        hour = hour % 12 + 12 * (half.lower() == "p")
    return time(0 if hour == 24 else hour, int(said.get("minute") or 0))


def _resolved(when: _When, now: datetime, longest: timedelta) -> datetime:
    """Return the instant that is meant, as read at `now`."""
    here = now.astimezone(when.zone)
    today, clock = here.date(), when.clock or time(0)

    def at(day: date) -> datetime:
        wall = datetime.combine(day, clock)
        there = wall.replace(tzinfo=when.zone) if when.zone is not None else wall.astimezone()
        if there >= now - JUST_PASSED:
            return there
        # An hour that the end of summer time repeats: the second one may be ahead.
        wall = wall.replace(fold=1)
        return wall.replace(tzinfo=when.zone) if when.zone is not None else wall.astimezone()

    if when.on is not None:
        return at(when.on)
    if when.month is not None:
        return _nearest_year(at, when.month, today)
    if when.ahead is not None:
        moment = at(today + timedelta(days=when.ahead))
        over = when.night and clock.hour < 12 and moment < now - JUST_PASSED
        return at(today + timedelta(days=1)) if over else moment
    if when.weekday is not None:
        day = today + timedelta(days=(when.weekday - today.weekday()) % 7)
        return at(day) if at(day) >= now - JUST_PASSED else at(day + timedelta(days=7))
    found = next(moment for n in (-1, 0, 1, 2) if (moment := at(today + timedelta(days=n))) >= now - JUST_PASSED)
    # A limit of five hours that seems to reset later than that has reset already.
    return found if found <= now + longest + JUST_PASSED else found - timedelta(days=1)


def _nearest_year(at: Callable[[date], datetime], month: tuple[int, int], today: date) -> datetime:
    """Return the day of a year that is not said: in this year or a neighbour, whichever is nearest."""
    days = [found for n in (-1, 0, 1) if (found := _day(today.year + n, *month)) is not None]
    return at(min(days, key=lambda day: abs(day - today)))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None  # the 29th of February


def _zone(name: str) -> tzinfo | None:
    """Return a time zone by its name; None for one that is not known, which means the machine's."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    long = re.sub(r" (?:STANDARD|DAYLIGHT|SUMMER)(?= TIME)", "", name.upper().removeprefix("US "))
    known = ZONES.get(long, name)
    if not isinstance(known, str):
        return timezone(timedelta(hours=known))
    try:
        return ZoneInfo(known) if "/" in known else None
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a directory of zones, a name too long for a file
        return None
