"""Names of sessions are safe and distinct, whatever they are made from."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.names import NAME_CHARS_MAX, safe, tailed, unique


@given(st.text())
def test_any_text_becomes_a_name_that_tmux_takes(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", safe(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10_arch", "10_arch"),
        ("a.b:c d;e\n", "a_b_c_d_e_"),
        ("-rf", "_rf"),
        ("#{pane_id}", "__pane_id_"),
        ("naïve café", "naive_cafe"),
        (".", "_"),
    ],
)
def test_ordinary_names_stay_readable(text: str, expected: str) -> None:
    assert expected == safe(text)


def test_names_of_another_script_are_told_apart_by_a_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{6}", safe("日本"))
    assert safe("日本") != safe("中国")
    assert re.fullmatch(r"docs-[0-9a-f]{6}", safe("docs中"))


def test_nothing_at_all_still_becomes_a_name() -> None:
    assert re.fullmatch(r"[0-9a-f]{6}", safe(""))


def test_long_names_are_cut_and_stay_distinct() -> None:
    long, other = safe("x" * 300), safe("x" * 299 + "y")

    assert (NAME_CHARS_MAX, NAME_CHARS_MAX, True) == (len(long), len(other), long != other)


def test_a_byte_that_was_no_text_is_no_obstacle() -> None:
    assert re.fullmatch(r"a-[0-9a-f]{6}", safe("a\udcff"))


def test_a_tail_keeps_to_the_width() -> None:
    assert ("x" * 98 + "_2", "x_2", "x") == (tailed("x" * 100, "_2"), tailed("x", "_2"), tailed("x", ""))


def test_a_name_that_is_taken_gets_a_hash_of_what_it_stands_for() -> None:
    first = unique("A", {"a"}, "key")

    assert re.fullmatch(r"A-[0-9a-f]{6}", first)
    assert unique("A", {"a", first.lower()}, "key") not in {"A", first}
    assert "b" == unique("b", {"a"}, "key")
