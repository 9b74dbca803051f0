"""What is asked on a screen: its text as one line, its fingerprint, and which choice an answer means."""

from __future__ import annotations

import pytest

from wakeman.core.model import Choice, Dialog
from wakeman.core.policy.dialogs import (
    CUT,
    DIALOG_HEAD_CHARS_MAX,
    DIALOG_TAIL_CHARS_MAX,
    choice_meant,
    cut_in_the_middle,
    fingerprint,
)

WHOLE_CHARS_MAX = DIALOG_HEAD_CHARS_MAX + len(CUT) + DIALOG_TAIL_CHARS_MAX
DIALOG = Dialog(
    kind="question",
    asks="How?",
    choices=tuple(Choice(label=label) for label in ("Bullets", "Prose", "Prose in two columns", "Other…")),
    seen="",
)


@pytest.mark.parametrize("excess", [-1, 0])
def test_a_text_that_fits_is_told_whole(excess: int) -> None:
    text = "a b".ljust(WHOLE_CHARS_MAX + excess, "x")

    assert text == cut_in_the_middle(text)


def test_a_text_is_told_as_one_harmless_line() -> None:
    told = cut_in_the_middle("a\x1b[2Jb\nc")

    assert "\x1b" not in told
    assert "\n" not in told


def test_of_a_long_command_the_beginning_and_what_is_asked_are_told() -> None:
    told = cut_in_the_middle("Bash command rm -rf build " + "x" * 900 + " Do you want to proceed?")

    assert told.startswith("Bash command rm -rf build xxx")
    assert told.endswith("xxx Do you want to proceed?")


def test_of_a_longer_text_the_beginning_and_the_question_at_the_end_are_told() -> None:
    text = "a" * DIALOG_HEAD_CHARS_MAX + "b" * (len(CUT) + 1) + "c" * DIALOG_TAIL_CHARS_MAX

    assert "a" * DIALOG_HEAD_CHARS_MAX + CUT + "c" * DIALOG_TAIL_CHARS_MAX == cut_in_the_middle(text)


def test_a_cut_leaves_no_blank_beside_it() -> None:
    head, tail = "a" * (DIALOG_HEAD_CHARS_MAX - 1) + " ", " " + "c" * (DIALOG_TAIL_CHARS_MAX - 1)

    assert "a" * (DIALOG_HEAD_CHARS_MAX - 1) + CUT + "c" * (DIALOG_TAIL_CHARS_MAX - 1) == cut_in_the_middle(
        head + "b" * 50 + tail
    )


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("❯ 1. Yes\n  2. No", True),
        ("│ 1. Yes │\n│ ☒ 2. No │", True),
        ("1. Yes 2. No!", False),
        ("1. Ye s 2. No", False),
    ],
)
def test_a_question_is_the_same_whatever_is_marked_in_it(other: str, same: bool) -> None:
    assert same == (fingerprint("1. Yes 2. No") == fingerprint(other))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("1", 0), ("4", 3), ("0", None), ("5", None), ("²", None),
        ("bullets", 0), (" Prose ", 1), ("prose.", 1), ("prose in", 2), ("other", 3), ("b", 0),
        ("p", None), ("", None), ("columns", None),
    ],
)  # fmt: skip
def test_a_choice_is_meant_by_its_number_its_label_or_the_beginning_of_one(words: str, meant: int | None) -> None:
    assert meant == choice_meant(DIALOG, words)


def test_no_words_mean_no_choice_not_even_the_only_one() -> None:
    assert choice_meant(Dialog(kind="question", asks="?", choices=(Choice(label="Go on"),), seen=""), " ") is None
