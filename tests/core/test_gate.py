"""The gate has three answers, whatever the bytes: a value; not valid, because; too much to be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from tests import hostile
from tests.words import THEIRS, fits

from wakeman.core import gate
from wakeman.core.gate import Json, Refused, decode_json, decode_text, instant, json_lines
from wakeman.core.model import FileFingerprint


class Shape(Struct, frozen=True):
    """Anything with a type."""

    name: str
    count: int = 0


@pytest.mark.parametrize(
    ("data", "much", "why"),
    [
        (b'{"name":' + b"[" * 100_000, False, THEIRS),
        (b'{"more":' + b"[" * 100_000, True, "nested too deep"),
        (b'{"name":"\xff"}', False, "byte 0 of a text is not UTF-8"),
        (b'{"name":7}', False, THEIRS),
    ],
)
def test_what_is_no_value_is_refused_with_the_reason(data: bytes, much: bool, why: str) -> None:
    found = decode_json(data, Shape)

    assert isinstance(found, Refused)
    assert (much, True) == (found.much, fits(why, found.why))


def test_a_value_is_one_behind_a_byte_order_mark_too() -> None:
    assert Shape("a", 1) == decode_json(b'\xef\xbb\xbf{"name":"a","count":1}', Shape)


@given(data=st.one_of(hostile.BYTES, hostile.JSON.map(hostile.encoded)))
@hostile.often(150)
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert isinstance(hostile.within_bounds(lambda: decode_json(data, Json)), dict | Refused)
    assert isinstance(hostile.within_bounds(lambda: decode_json(data, FileFingerprint)), FileFingerprint | Refused)
    assert isinstance(hostile.within_bounds(lambda: decode_text(data)), str | Refused)
    assert all(isinstance(line, dict) for line in hostile.within_bounds(lambda: list(json_lines(data))))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfa\n", "a\n"),
        (b"a\nb\xe9\n", Refused("2: found a byte that is not UTF-8")),
        (b"\n\na\0", Refused("3: found a NUL")),
    ],
)
def test_a_text_is_utf_8_without_nul(data: bytes, text: object) -> None:
    assert text == decode_text(data)


def test_lines_are_read_from_the_last_whole_one_upwards_as_many_as_are_read() -> None:
    data = b'{"n":1}\nplain\n{"n":\n[2]\n{"n":3}\n{"n":4'
    flood = b"{}\n" * (gate.JSON_LINES_MAX + 5)

    assert [{"n": 3}, {"n": 1}] == list(json_lines(data))
    assert gate.JSON_LINES_MAX == sum(1 for _ in json_lines(flood))


@pytest.mark.parametrize("path", ["a", "a.b", "*.b", "a.*", "*.*.*"])
@given(value=hostile.JSON)
@hostile.often(50)
def test_any_path_of_any_value_has_texts_and_numbers_or_none(path: str, value: Any) -> None:
    assert all(text and isinstance(text, str) for text in gate.texts_at({"a": value}, path))
    assert all(0 <= number <= gate.NUMBER_MAX for number in gate.numbers_at({"a": value}, path))
    assert 0 <= gate.total(gate.numbers_at({"a": value}, path)) <= gate.NUMBER_MAX


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"a": 1}, "a", [1]),
        ({"a": 1}, "b", []),
        ({"a": {"b": 1}}, "a.b", [1]),
        ({"a": {"b": 1}, "c": {"b": 2}}, "*.b", [1, 2]),
        ({"a": [1, 2]}, "a.*", [1, 2]),
        ({"a": [1, 2]}, "a.b", []),
        ({"a": [{"b": 1}, {"c": 2}]}, "a.*.b", [1]),
        ([1], "a", []),
        ({"a": None}, "a", []),
        ("a", "a", []),
    ],
    ids=str,
)
def test_a_path_leads_to_a_key_or_to_all_that_is_there(value: Any, path: str, found: list[object]) -> None:
    assert found == list(gate.values_at(value, path))


def test_texts_are_those_that_say_something() -> None:
    assert ["a", " "] == gate.texts_at(["a", "", " ", 1, True, ["b"], {"c": "d"}], "*")


def test_numbers_are_those_that_count_something() -> None:
    most = gate.NUMBER_MAX

    assert [0, 1, 1.5, most] == gate.numbers_at([0, 1, 1.5, most, most + 2, -1, True, False, "7", [8]], "*")


@given(said=st.one_of(hostile.JSON, hostile.TEXTS, hostile.NUMBERS))
@hostile.often(300)
def test_any_value_is_a_time_of_this_century_or_none(said: Any) -> None:
    at = instant(said)

    assert at is None or datetime(2000, 1, 1, tzinfo=UTC) <= at < datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "at"),
    [
        (1795908855, datetime(2026, 11, 28, 23, 34, 15, tzinfo=UTC)),
        (1795908855500, datetime(2026, 11, 28, 23, 34, 15, 500000, tzinfo=UTC)),
        (1795908855500000, datetime(2026, 11, 28, 23, 34, 15, 500000, tzinfo=UTC)),
        (1795908855.5e9, datetime(2026, 11, 28, 23, 34, 15, 500000, tzinfo=UTC)),
        ("2026-11-28T23:34:15", datetime(2026, 11, 28, 23, 34, 15, tzinfo=UTC)),
        ("2026-11-29T00:34:15+01:00", datetime(2026, 11, 28, 23, 34, 15, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("1999-12-31T23:59:59Z", None),
        ("2099-12-31T23:59:59Z", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2100-01-01T00:00:00Z", None),
        ("", None),
        (False, None),
        (None, None),
        ([], None),
        (-1, None),
        (1e300, None),
        (4102444799 * 10**9, datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (4102444800 * 10**9, None),
        (float("nan"), None),
    ],
)
def test_a_time_is_read_in_the_unit_that_its_size_tells(said: object, at: datetime | None) -> None:
    assert at == instant(said)


@given(mtime_ns=st.integers(-(2**80), 2**80))
def test_any_time_of_a_file_is_a_date(mtime_ns: int) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) <= gate.file_time(mtime_ns) <= datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mtime_ns", "seconds"),
    [(-5, 0), (0, 0), (1_500_000_000, 1.5), (1795908855 * 10**9, 1795908855), (2**80, 4102444800)],
)
def test_the_time_of_a_file_is_the_nearest_that_a_date_can_hold(mtime_ns: int, seconds: float) -> None:
    assert datetime.fromtimestamp(seconds, UTC) == gate.file_time(mtime_ns)


@pytest.mark.parametrize(
    ("said", "kept"),
    [("a-1.b:c_d", True), ("-a", False), ("a/b", False), ("", False), ("a" * 129, False), ("a\n", False)],
)
def test_an_id_is_a_word_that_is_neither_an_option_nor_a_path(said: str, kept: bool) -> None:
    assert (said if kept else "") == gate.plain_id(said)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a b/\n", True),
        ("a\0b", False),
        ("é" * 3000, False),
        ("\ud800", True),
        ("a" * gate.PATH_BYTES_MAX, True),
        ("a" * (gate.PATH_BYTES_MAX + 1), False),
    ],
)
def test_a_path_is_what_a_file_system_could_hold(said: str, kept: bool) -> None:
    assert (said if kept else "") == gate.plain_path(said)


@pytest.mark.parametrize(
    ("said", "number"),
    [("0", 0), ("255", 255), ("256", None), ("²", None), ("-1", None), ("", None), ("9" * 5000, None), ("٣", None)],
)
def test_a_number_is_one_of_decimal_digits_within_bounds(said: str, number: int | None) -> None:
    assert number == gate.whole_number(said, 255)
