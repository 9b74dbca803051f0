"""Lines of JSON, read by a client's table: its stream, its hook reports, its transcript, the state of its process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from wakeman.adapters.harness.limits import JUST_PASSED, capped, retrying
from wakeman.adapters.harness.refusals import quotable, refusal_report, said_at
from wakeman.adapters.harness.table import Calls, ClientEvent, Spoken, Tally, Window
from wakeman.core.gate import Json, instant, json_lines, numbers_at, plain_id, texts_at, total, values_at
from wakeman.core.model import Usage
from wakeman.core.policy.last_words import WORDS_CHARS_MAX, shortened
from wakeman.core.text import sanitise
from wakeman.ports import Report, Source

SEARCHED_CHARS_MAX = 4000
"""Characters of a value, or of a line, in which a pattern is searched."""


def last_report(
    rows: tuple[ClientEvent, ...],
    lines: Iterator[Json],
    now: datetime,
    source: Literal["state"] | Source,
    *,
    ended: bool = False,
) -> Report:
    """Read the last event that a row of the table matches."""
    found = _told_by(rows, lines)
    told = next(found, None)
    if told is not None and told[0].unless_failed:
        above = next(found, told)
        told = above if above[0].activity in ("error", "limited") else told
    return Report() if told is None else _row_report(*told, now, source, ended=ended)


def _told_by(rows: tuple[ClientEvent, ...], lines: Iterator[Json]) -> Iterator[tuple[ClientEvent, Json]]:
    """Yield the lines that tell something, each with its row."""
    for line in lines:
        row = next((row for row in rows if fits(row.where, line)), None)
        if row is not None and row.activity is not None:
            yield row, line


def _row_report(
    row: ClientEvent, line: Json, now: datetime, source: Literal["state"] | Source, *, ended: bool
) -> Report:
    words = worded(row.why, line)
    if ended and row.activity == "busy" and row.ends is None:
        text = worded("{error}", line)
        return Report("busy", quotable(f"ended without a result{': ' if text else ''}{text}"), source=source)
    if ended and row.ends is not None:
        words = row.ends(line) if callable(row.ends) else worded(row.ends, line)
    elif row.retries:
        return Report("busy", retrying(words), source=source, retries=True)
    if row.activity not in ("error", "limited"):
        return Report(
            row.activity or "unknown",
            quotable(words),
            source=source,
            background=row.background,
            ended_by=row.ended_by,
        )
    at = said_at(_time(line), now)
    report = refusal_report(row.activity, words, at, source, row.fault, worded(row.also, line))
    told = (when for said in values_at(line, row.until) if (when := instant(said)) is not None)
    until_ = next(told, None)
    return report if until_ is None else msgspec.structs.replace(report, until=capped(until_, words, at))


def with_reset(report: Report, windows: tuple[Window, ...], data: bytes, now: datetime) -> Report:
    """Return a report of a limit with the reset that a line names, before or after what the report was read from."""
    if report.activity != "limited" or report.fault or not windows or not data:
        return report
    for sure in (True, False) if report.until is None else (True,):
        for line in json_lines(data):
            for row in windows:
                if row.sure is sure and fits(row.where, line):
                    told = (at for said in values_at(line, row.at) if (at := instant(said)) is not None)
                    found = max(told, default=None)
                    if found is not None and found >= now - JUST_PASSED:
                        kind = f"{worded(row.kind, line)} {report.why}"
                        return msgspec.structs.replace(report, until=capped(found, kind, now))
    return report


def last_spoken(rows: tuple[Spoken, ...], data: bytes) -> str:
    """Return the last words of a client, sanitised, and cut to their end; "" for none."""
    found: list[str] = []
    size = 0
    for line in json_lines(data) if rows else ():
        row = next((row for row in rows if fits(row.where, line)), None)
        words = "\n".join(texts_at(line, row.text)) if row is not None else ""
        if found and (row is None or not row.parts):
            break
        if words.strip() or found:
            found.append(words)
            size += len(words)
        if found and (row is None or not row.parts or size > WORDS_CHARS_MAX):
            break
    return shortened("".join(reversed(found)))


def fits(where: Mapping[str, object], line: Json) -> bool:
    """Return whether a line has the expected value at each path; of several values there, one is enough."""
    for path, wanted in where.items():  # a long stream has millions of these: no generator for each
        for value in values_at(line, path):
            if _equal(wanted, value):
                break
        else:
            return False
    return True


def _equal(wanted: object, value: object) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str | int | float) and wanted.search(_spelt(value)) is not None
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _spelt(value: str | float) -> str:
    """Return a value as text to search or to show. Boundary: a number of more digits than Python writes is none."""
    if isinstance(value, str):
        return value[:SEARCHED_CHARS_MAX]
    return str(value) if abs(value) < 2**64 else ""


def last_id_at(data: bytes, path: str) -> str:
    """Return the first id at a path, reading from the last line upwards; what is no id is no word of a command line."""
    said = (plain_id(text) for line in json_lines(data) for text in texts_at(line, path)) if path else iter(())
    return next(filter(None, said), "")


def open_call_since(calls: Calls | None, data: bytes) -> float | None:
    """Return since when a tool call has not returned, in epoch seconds; 0 if no line has a time, None without such a
    call.

    Boundary: the earliest of several; a line without a time has that of the nearest one above.
    """
    if calls is None:
        return None
    over: set[str] = set()
    found, wanted = None, False
    for line in json_lines(data):
        if wanted and (at := _time(line)):
            found, wanted = at, False
        if calls.turn is not None and fits(calls.turn, line):
            break
        if fits(calls.ends, line):
            over.update(texts_at(line, calls.of))
        if fits(calls.begins, line) and not over.issuperset(texts_at(line, calls.id)):
            at = _time(line)
            found, wanted = at, not at
    return found


def _time(line: Json) -> float:
    return max(map(seconds_of, texts_at(line, "timestamp")), default=0.0)


def seconds_of(said: object) -> float:
    """Return a time in epoch seconds; 0 for what is none."""
    at = instant(said)
    return at.timestamp() if at is not None else 0.0


def worded(template: str, line: Json) -> str:
    """Fill in the values at the paths in braces: the first alternative that exists, and all of several values."""

    def filled(found: re.Match[str]) -> str:
        for path in found[1].split("|"):
            there = [_spelt(value) for value in values_at(line, path) if isinstance(value, str | int | float)]
            if any(there):
                return "; ".join(filter(None, there))
        return ""

    return sanitise(re.sub(r"\{([^}]+)\}", filled, template), SEARCHED_CHARS_MAX)


def usage_in(tally: Tally | None, data: bytes, *, whole: bool) -> Usage | None:
    """Return the usage that lines report. Boundary: none if sums need the file's beginning, and that was not read."""
    if tally is None or (tally.adds and not whole):
        return None
    lines = (line for line in json_lines(data) if fits(tally.where, line))
    if not tally.adds:
        last = next(lines, None)
        return None if last is None else _counted(tally, last)
    counted: dict[str, Usage] = {}
    for n, line in enumerate(lines):
        key = next(iter(texts_at(line, tally.key)), "") if tally.key else ""
        counted.setdefault(key or str(n), _counted(tally, line))
    each = list(counted.values())
    return msgspec.structs.replace(sum(each[1:], each[0]), whole=tally.whole) if each else None


def _counted(tally: Tally, line: Json) -> Usage:
    tokens = [[n for path in paths for n in numbers_at(line, path)] for paths in (tally.input, tally.output)]
    cost = [n for path in tally.cost for n in numbers_at(line, path)]
    put, got = (int(total(found)) if found else None for found in tokens)
    return Usage(input=put, output=got, cost=total(cost) if cost else None, whole=tally.whole)
