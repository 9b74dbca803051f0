"""The one gate for what comes from outside. Three answers: a value; not valid, because; too much to be read.

Nothing is raised here, whatever the bytes are: who reads a file, a stream or a hook decides what a refusal means there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")
Json = dict[str, Any]
"""A JSON object of any content."""

JSON_LINES_MAX = 20_000
"""Lines of JSON that are read of one file, from its end: real ones are longer than those of a flood."""
NUMBER_MAX = 2**53
"""The largest number that is believed: beyond it a float distinguishes no two whole numbers."""
PATH_BYTES_MAX = 4096
"""Bytes of a path: what Linux takes."""
_EPOCH_FACTORS = (1, 10**3, 10**6, 10**9)
"""Numbers of a time since 1970 count seconds, or a thousandth part of those, and so on."""
_FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_TIME = datetime(2100, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"


class Refused(Struct, frozen=True):
    """Why there is no value: it is not valid; or, with `much`, it is too large, too deep or too long to be read."""

    why: str
    much: bool = False


def decode_json(data: bytes, shape: type[T]) -> T | Refused:
    """Decode one JSON value of a shape. Boundary: a byte order mark before it is passed over."""
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=shape)
    except RecursionError:
        return Refused("nested too deep", much=True)
    except UnicodeDecodeError as fault:
        return Refused(f"byte {fault.start} of a text is not UTF-8")
    except msgspec.DecodeError as fault:
        return Refused(str(fault))


def decode_text(data: bytes) -> str | Refused:
    """Decode UTF-8, without a byte order mark. Boundary: a NUL is refused, as no path and no variable holds one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        return Refused(f"{line_of(data, fault.start)}: found a byte that is not UTF-8")
    if "\0" in text:
        return Refused(f"{line_of(data, data.index(0))}: found a NUL")
    return text


def line_of(data: bytes, at: int) -> int:
    """Return the number of the line that holds a byte, from 1."""
    return data.count(b"\n", 0, at) + 1


def json_lines(data: bytes) -> Iterator[Json]:
    """Yield the JSON objects of a file, one a line, the last first.

    Boundary: the last line may be half written, the first half read; other lines that are no object are passed over,
    and those before the last `JSON_LINES_MAX`.
    """
    for line in map(_without_lead, reversed(data.split(b"\n")[-JSON_LINES_MAX - 1 : -1])):
        if line.startswith(b"{"):
            found = decode_json(line, Json)
            if not isinstance(found, Refused):
                yield found


def _without_lead(line: bytes) -> bytes:
    """Return a line without what no object begins with: blanks, a byte order mark, NULs that a crash has left."""
    return line.lstrip(b" \t\0\xef\xbb\xbf")


def values_at(at: object, path: str) -> Iterator[object]:
    """Yield the values at a path (`a.b`, `*` for any key or element). Nothing is yielded where nothing is there."""
    head, _, rest = path.partition(".")
    found: Iterable[object] = ()
    if isinstance(at, dict):
        found = at.values() if head == "*" else [at[head]] if head in at else ()
    elif isinstance(at, list) and head == "*":
        found = at
    for value in found:
        if rest:
            yield from values_at(value, rest)
        elif value is not None:
            yield value


def texts_at(at: object, path: str) -> list[str]:
    """Return the texts at a path that are not empty."""
    return [value for value in values_at(at, path) if isinstance(value, str) and value]


def numbers_at(at: object, path: str) -> list[float]:
    """Return the numbers at a path that count something: 0 to `NUMBER_MAX`."""
    return [
        value
        for value in values_at(at, path)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX
    ]


def instant(said: object) -> datetime | None:
    """Read a time: a number since 1970 in seconds, or in milliseconds and so on by its size; or a text of RFC 3339.

    Boundary: None for anything else, and for a time before 2000 or after 2100. A text without a zone is in UTC.
    """
    if isinstance(said, str):
        return _written_time(said)
    latest = _LAST_TIME.timestamp()
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= latest * _EPOCH_FACTORS[-1]:
        return None
    factor = next(each for each in _EPOCH_FACTORS if said <= latest * each)
    return _believed(_UNIX_EPOCH + timedelta(seconds=said / factor))


def _written_time(said: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(said)
        return _believed((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _believed(at: datetime) -> datetime | None:
    return at if _FIRST_TIME <= at < _LAST_TIME else None


def file_time(mtime_ns: int) -> datetime:
    """Return the time of a file as a date. Boundary: what no date can hold becomes the nearest that one can."""
    seconds = min(max(mtime_ns / 1e9, 0.0), _LAST_TIME.timestamp())
    return _UNIX_EPOCH + timedelta(seconds=seconds)


def plain_id(said: str) -> str:
    """Return an id that a client gave, if it is fit to be a word of a command line and a part of a path; else ""."""
    return said if re.fullmatch(_ID, said) else ""


def plain_path(said: str) -> str:
    """Return a reported path if a file system could have it; otherwise ""."""
    fit = "\0" not in said and len(said.encode("utf-8", "replace")) <= PATH_BYTES_MAX
    return said if fit else ""


def whole_number(said: str, most: int) -> int | None:
    """Return a number from 0 to `most` that is written in decimal digits; None for anything else."""
    digits = said.isascii() and said.isdigit() and len(said) <= len(str(most))
    return int(said) if digits and int(said) <= most else None


def total(numbers: Iterable[float]) -> float:
    """Return a sum that stays within `NUMBER_MAX`."""
    return min(math.fsum(numbers), float(NUMBER_MAX))
