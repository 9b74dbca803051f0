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
        ("0000031", Style(italic=True)),  # no number has as many digits
        ("38;5", Style(front=0)),
        ("38;5;256", UNPAINTED),
        ("38;2;999;999;0", Style(front=11)),
        ("48;2;0;0;999", Style(back=4)),
    ],
)
def test_a_sequence_changes_the_look(codes: str, style: Style) -> None:
    assert style == only(f"\x1b[{codes}m")


@pytest.mark.parametrize(("first", "colours"), [(30, range(8)), (90, range(8, 16))])
def test_the_sixteen_colours_have_numbers_of_their_own_and_are_written_with_them(first: int, colours: range) -> None:
    for code, colour in enumerate(colours, first):
        assert (Style(front=colour), Style(back=colour)) == (only(f"\x1b[{code}m"), only(f"\x1b[{code + 10}m"))
        for own in (f"\x1b[{code}mx\x1b[0m", f"\x1b[{code + 10}mx\x1b[0m", f"\x1b[1;3;{code};{code + 10}mx\x1b[0m"):
            assert own == repainted(painted_rows(own), "x")


def test_a_number_that_stands_for_nothing_changes_nothing() -> None:
    own = {0, *range(30, 38), 38, 39, *range(40, 48), 48, 49, *range(90, 98), *range(100, 108)}
    looks = {1, 2, 3, 4, 7, 22, 23, 24, 27}
    for code in {*range(120), 299, 309, 931} - own - looks:
        assert Style(front=5, back=6, bold=True) == only(f"\x1b[1;35;46;{code}m"), code


RGB = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
)  # fmt: skip
"""xterm's sixteen colours."""


@pytest.mark.parametrize(("colour", "rgb"), list(enumerate(RGB)))
def test_each_of_the_sixteen_is_nearest_to_itself_by_number_and_by_its_parts(colour: int, rgb: tuple[int, ...]) -> None:
    red, green, blue = rgb

    assert Style(front=colour) == only(f"\x1b[38;5;{colour}m") == only(f"\x1b[38;2;{red};{green};{blue}m")


def test_a_colour_of_256_is_the_one_with_its_parts() -> None:
    steps = [0, *(55 + 40 * step for step in range(1, 6))]
    parts = [(red, green, blue) for red in steps for green in steps for blue in steps]
    parts += [(8 + 10 * step,) * 3 for step in range(24)]

    for number, (red, green, blue) in enumerate(parts, 16):
        assert only(f"\x1b[38;5;{number}m") == only(f"\x1b[38;2;{red};{green};{blue}m"), number


@pytest.mark.parametrize("parts", ["88;102", "89;103"])
def test_a_part_that_is_missing_is_none_of_that_colour(parts: str) -> None:
    assert only(f"\x1b[38;2;{parts};0m") == only(f"\x1b[38;2;{parts}m")


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
