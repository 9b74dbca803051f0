"""Text from outside is sanitised to one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.text import as_data, last_line, refused, sanitise, time_span, unescaped


def test_escape_sequences_are_taken_out_whole() -> None:
    assert "red title link" == sanitise("\x1b[31mred\x1b[0m \x1b]0;evil\x07title \x1b]8;;http://x\x1b\\link", 100)


def test_bidirectional_and_invisible_characters_are_taken_out() -> None:
    assert "abcdef" == sanitise("abc\u202edef\u200b\ufeff", 100)


def test_private_unassigned_and_control_characters_are_taken_out() -> None:
    assert "abcd" == sanitise("a\ue000b\u0378c\x07\x9fd", 100)


def test_the_text_of_a_screen_is_left_without_what_steers_it() -> None:
    assert "one\n\ttwo  three" == unescaped("\x1b[1mone\x1b[0m\n\ttwo \x1b]0;title\x07 three")


def test_white_space_of_all_kinds_folds_into_one_space() -> None:
    assert "a b c d" == sanitise("  a\r\n\tb\u2028c\u00a0\x0b d\n", 100)


def test_what_is_too_long_ends_in_an_ellipsis_within_the_limit() -> None:
    assert "abcd…" == sanitise("abcdefgh", 5)


def test_what_just_fits_is_left_whole() -> None:
    assert "abcde" == sanitise("abcde", 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x1b[0m" * 1030 + "abc", "abc"),
        (" " * 4200 + "abc", "abc"),
        ("abc" + " " * 5000, "abc…"),
        ("abc" + " " * 5000 + "def", "abc…"),
    ],
    ids=["colours before it", "space before it", "space behind it", "words far behind it"],
)
def test_so_much_of_a_text_is_looked_at_and_the_rest_taken_for_more(text: str, said: str) -> None:
    assert said == sanitise(text, 10)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", '"a b"'),
        ("", '""'),
        ('say "x"\n', '"say \\"x\\""'),
        ("back\\", '"back\\\\"'),
        ("\x1b[1mabc\x1b[0m", '"abc"'),
        ("abcdefghijk", '"abcdefghi…"'),
    ],
)
def test_what_others_say_is_a_quotation_that_it_cannot_end(text: str, quoted: str) -> None:
    assert quoted == as_data(text, 10)


def test_a_byte_that_was_no_utf8_becomes_the_replacement_character() -> None:
    assert "a�b" == sanitise(b"a\xffb".decode(errors="surrogateescape"), 100)


@given(st.text(), st.integers(min_value=1, max_value=80))
def test_whatever_comes_is_one_printable_line_within_the_limit(text: str, limit: int) -> None:
    said = sanitise(text, limit)

    assert (True, True, True) == (len(said) <= limit, said.isprintable(), said == sanitise(said, limit))


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert "error: x" == last_line("start\nerror: \x1b[1mx\x1b[0m\n \n\x1b[0m\n", 100)


def test_there_is_no_last_line_where_nothing_is_said() -> None:
    assert "" == last_line(" \n\n", 100)


def test_refused_writes_are_told_by_the_last_and_how_many_more() -> None:
    assert "" == refused(())
    assert "may not write to /a, its output says" == refused(("/a",))
    assert "may not write to /b and 1 more, its output says" == refused(("/a", "/b"))
    assert "may not write to /c and 2 more, its output says" == refused(("/a", "/b", "/c"))


@pytest.mark.parametrize(
    ("seconds", "words", "fine"),
    [
        (-1, "0 s", "0 s"),
        (59.9, "59 s", "59 s"),
        (60, "1 min", "1 min"),
        (162, "2 min", "2 min 42 s"),
        (3600, "1 h", "1 h"),
        (7500, "2 h 5 min", "2 h 5 min"),
        (86400, "1 day", "1 day"),
        (2 * 86400 - 1, "1 day", "1 day"),
        (2 * 86400, "2 days", "2 days"),
        (3 * 86400, "3 days", "3 days"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, words: str, fine: str) -> None:
    assert (words, fine) == (time_span(seconds), time_span(seconds, fine=True))
