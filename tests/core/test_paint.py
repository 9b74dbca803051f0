"""Colours of a terminal's rows: read, and written again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.paint import UNPAINTED, Run, Style, painted_rows, plain_row, repainted

SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")


def only(text: str) -> Style:
    [[run]] = painted_rows(f"{text}x")
    return run.style


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        ("31", Style(front=1)),
        ("97", Style(front=15)),
        ("44", Style(back=4)),
        ("104", Style(back=12)),
        ("1;2;3;4;7", Style(bold=True, dim=True, italic=True, underline=True, reverse=True)),
        ("31;39;44;49", UNPAINTED),
        ("1;22;7;27;3;23;4;24", UNPAINTED),
        ("31;0", UNPAINTED),
        ("31;", UNPAINTED),
        ("38;5;9", Style(front=9)),
        ("48;5;196", Style(back=9)),
        ("38;5;255", Style(front=7)),
        ("38;2;250;5;5", Style(front=9)),
        ("38:2:0:205:0", Style(front=2)),
        ("38;5;999", UNPAINTED),
        ("38;9;31", Style(front=1)),
        ("38", UNPAINTED),
        ("5;8;21;73;38;5;1", Style(front=1)),
        ("9999999999999", UNPAINTED),
    ],
)
def test_a_sequence_changes_the_look(codes: str, style: Style) -> None:
    assert style == only(f"\x1b[{codes}m")


def test_a_colour_goes_on_in_the_next_row() -> None:
    rows = painted_rows("a\x1b[31mb\nc\x1b[md")

    assert [Run("a", UNPAINTED), Run("b", Style(front=1))] == rows[0]
    assert [Run("c", Style(front=1)), Run("d", UNPAINTED)] == rows[1]


def test_a_row_is_written_whole_and_ends_without_a_look() -> None:
    rows = painted_rows("\x1b[1;31mred\x1b[m plain \nnext")

    assert "\x1b[1;31mred\x1b[0m plain\nnext" == repainted(rows, "\n".join(map(plain_row, rows)))


def test_a_row_from_which_something_was_hidden_has_no_colours() -> None:
    rows = painted_rows("\x1b[31mkey sk-\x1b[32mabc\n\x1b[31mred")

    assert "key [hidden]\n\x1b[31mred\x1b[0m" == repainted(rows, "key [hidden]\nred")
    assert "one row" == repainted(rows, "one row")


@given(st.text(alphabet=st.sampled_from("ab \n\x1b[]0123456789;:mHJKP\\\x07\x9b\x00\r"), max_size=80))
def test_nothing_but_colours_of_ours_is_written(text: str) -> None:
    rows = painted_rows(text)
    plain = "\n".join(map(plain_row, rows))

    written = repainted(rows, plain)

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", SEQUENCE.sub("", written))
    assert plain == SEQUENCE.sub("", written) or plain.rstrip() == SEQUENCE.sub("", written).rstrip()
    assert rows == painted_rows(text)
