"""What a client's last words mean, and how much of them is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.policy.last_words import QUESTION_CHARS_MAX, WORDS_CHARS_MAX, sense_of, shortened

MEANT = {
    "asks": (
        "Which format should I use, bullets or prose?",
        "Could you confirm the format? Thanks.",
        "**Should I overwrite it?**",
        "Soll ich weitermachen?",
        "どうしますか\N{FULLWIDTH QUESTION MARK}",
        "I have written a.md. For b.md, please choose one of the two.",
        "I need your approval before I go on.",
        "I have everything in place. Which of the two do you prefer?",
        "I cannot decide that. Shall I take the first?",
    ),
    "claims": (
        "All of it is done.",
        "All files have been written. Everything is complete.",
        "Done!",
        "I created both files.",
        "I wrote the file. Let me know if you want changes.",
        "All done. Is there anything else you need?",
        "The task is complete.",
    ),
    "refuses": (
        "I'm sorry, but I can't help with writing these files.",
        "I am unable to write there: permission denied.",
        "I could not find the input.",
        "It is not possible without the database.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m not able to do that.",
    ),
    "": (
        "",
        "I have not finished yet.",
        "The last one is being made in the background.",
        "I will continue.",
        "See http://x/y?a=1 .",
        "Two of five.",
    ),
}


@pytest.mark.parametrize(("means", "said"), [(means, said) for means, each in MEANT.items() for said in each])
def test_last_words_are_told_apart_as_far_as_they_tell(means: str, said: str) -> None:
    assert means == sense_of(said)


@given(st.text(max_size=3000))
def test_last_words_are_one_harmless_line_of_bounded_length_and_mean_something_or_nothing(said: str) -> None:
    kept = shortened(said)

    assert len(kept) <= WORDS_CHARS_MAX
    assert kept.isprintable()
    assert sense_of(kept) in MEANT


def test_of_long_last_words_the_end_is_kept_where_a_question_is() -> None:
    kept = shortened("I looked at it. " * 200 + "Which one is it?")

    assert kept.startswith("…")
    assert kept.endswith("Which one is it?")
    assert "asks" == sense_of(kept)


@pytest.mark.parametrize(("more", "means"), [(0, "asks"), (1, "claims")])
def test_a_question_counts_only_at_the_end_of_last_words(more: int, means: str) -> None:
    asked = "r?"
    said = f"All files are done. Which is bette{asked} "

    assert means == sense_of(said + "x" * (QUESTION_CHARS_MAX - len(asked) - 1 + more))


N = WORDS_CHARS_MAX


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("x" * N, "x" * N),
        ("x" * N + "y", "…" + "x" * (N - 2) + "y"),
        ("a" + " " * (2 * N - 2) + "b", "a b"),  # as one line they are short
        ("a" + " " * (2 * N - 1) + "b", "…b"),  # of so many only the end is looked at
        ("a" + "b" * N + " " + "c" * (N - 1), "…" + "c" * (N - 1)),  # an ellipsis stands before a word
    ],
)
def test_last_words_that_fit_are_kept_whole_and_of_others_the_end(said: str, kept: str) -> None:
    assert kept == shortened(said)
