"""Words of clients that are refused are read by kind, and a limit's reset as it was meant when it was said."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.adapters.harness.limits import (
    JUST_PASSED,
    LIMIT_SIGN,
    SESSION_LIMIT_MAX,
    WEEKLY_LIMIT_MAX,
    refusal_kind,
    retrying,
    until,
)

NOON = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


class Wording(NamedTuple):
    """One line of the table."""

    source: str
    words: str
    read: datetime
    kind: str
    reset: str


def wordings() -> list[Wording]:
    lines = (Path(__file__).parent / "wordings.tsv").read_text().splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [
        Wording(source, words, datetime.fromisoformat(read), kind, reset) for source, words, read, kind, reset in rows
    ]


def expected(reset: str, read: datetime) -> datetime | None:
    """Return the instant of a line: of the machine's zone where it names none."""
    if reset == "-":
        return None
    if len(reset) == len("HH:MM"):
        hour, minute = map(int, reset.split(":"))
        local = read.astimezone().replace(hour=hour, minute=minute, second=0, microsecond=0)
        days = (local + timedelta(days=n) for n in (-1, 0, 1, 2))
        return next(day for day in days if day >= read - JUST_PASSED).astimezone(UTC)
    return datetime.fromisoformat(reset).astimezone(UTC)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Have the machine in another time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("wording", wordings(), ids=lambda one: one.words[:60])
def test_a_wording_is_read_by_its_kind_and_its_reset(wording: Wording) -> None:
    kind = "" if wording.kind == "-" else wording.kind

    assert (kind, expected(wording.reset, wording.read)) == (
        refusal_kind(wording.words),
        until(wording.words, wording.read),
    )


@pytest.mark.parametrize("wording", [one for one in wordings() if one.kind == "limit" and "limit" in one.words.lower()])
def test_a_typographic_apostrophe_makes_no_difference(wording: Wording) -> None:
    other = wording.words.replace("’", "'") if "’" in wording.words else wording.words.replace("'", "’")

    assert (refusal_kind(wording.words), until(wording.words, NOON)) == (refusal_kind(other), until(other, NOON))


@pytest.mark.parametrize(
    ("minutes", "tomorrow"), [(-30, False), (0, False), (1, False), (14, False), (16, True), (700, True)]
)
def test_a_time_of_day_that_has_just_passed_is_past(minutes: int, tomorrow: bool) -> None:
    read = NOON + timedelta(minutes=minutes)

    assert NOON + timedelta(days=tomorrow) == until("Limit reached · resets 12pm (UTC)", read)


@given(minutes=st.integers(-5 * 60, 19 * 60 - 16))
def test_a_session_limit_never_lasts_longer_than_five_hours(minutes: int) -> None:
    at = until("You've hit your session limit · resets 12pm (UTC)", NOON + timedelta(minutes=minutes))

    assert at is not None
    assert at <= NOON + timedelta(minutes=minutes) + SESSION_LIMIT_MAX


@given(seconds=st.integers(0, 10**9))
def test_an_epoch_is_believed_within_the_bounds_of_its_kind(seconds: int) -> None:
    at = NOON + timedelta(seconds=seconds)
    said = int(at.timestamp())

    assert min(at, NOON + WEEKLY_LIMIT_MAX) == until(f"Claude AI usage limit reached|{said:010}", NOON)
    assert min(at, NOON + SESSION_LIMIT_MAX) == until(f"session limit reached|{said:010}", NOON)


@given(words=st.text(max_size=200))
def test_any_words_are_read_without_an_error(words: str) -> None:
    for said in (words, f"resets {words}", f"try again in {words}"):
        at = until(said, NOON)
        assert at is None or at <= NOON + WEEKLY_LIMIT_MAX
        refusal_kind(said)
        retrying(said)


@given(
    parts=st.lists(
        st.sampled_from(
            ["Dec 31", "Feb 29", "31 June", "2026-02-30", "99:99", "12am", "0pm", "24:00", "Monday", "tomorrow", "noon",
             "UTC+99", "-14:00", "(Europe/Nowhere)", "CEST", "at", ",", "2026-12-01T25:00", "10000000000", "in"]
        ),
        max_size=6,
    )
)  # fmt: skip
def test_times_that_no_calendar_has_are_none(parts: list[str]) -> None:
    at = until("You've hit your limit · resets " + " ".join(parts), NOON)

    assert at is None or at <= NOON + WEEKLY_LIMIT_MAX


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("API error · Retrying in 3s · attempt 7/10", "retrying: API error (7 of 10)"),
        (
            "Unable to connect to API (ConnectionRefused) · Retrying in 1s · attempt 6/10",
            "retrying: connection refused (6 of 10)",
        ),
        ("500 internal error · retrying in 13s · attempt 6/10", "retrying: server error (6 of 10)"),
        ("overloaded 529 attempt 1/10", "retrying: overloaded (1 of 10)"),
        (
            "Reconnecting... 2/5 (unexpected status 503 Service Unavailable)",
            "retrying: the service is unavailable (2 of 5)",
        ),
        ("Reconnecting... waiting for network (Connection failed: error sending request)", "retrying: connection lost"),
        ("Rate limited [retrying in 3s attempt #2]", "retrying: too many requests (try 2)"),
        ("Retrying in 0.2 seconds...", "retrying: API error"),
    ],
)
def test_a_retry_is_told_in_words_of_our_own(words: str, told: str) -> None:
    assert told == retrying(words)


def test_a_limit_that_is_not_the_account_s_is_no_sign() -> None:
    others = [
        "Concurrent subagent limit reached",
        "Context limit reached",
        "File size limit reached",
        "recursion limit reached",
    ]

    assert [] == [words for words in others if LIMIT_SIGN.search(words)]
