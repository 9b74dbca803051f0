"""Keys are removed from text that comes from outside, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.redact import SECRET_CHARS_MIN, redacted

KEY = "k3y-of-th1s-n1ght-0123456789"
VALUES = {"THE_KEY": KEY}
SHAPED = [
    ("Anthropic key", "sk-ant-api03-" + "a1B2" * 8),
    ("API key", "sk-proj-" + "a1B2" * 8),
    ("API key", "sk-" + "a1B2" * 8),
    ("GitHub token", "ghp_" + "a1B2" * 9),
    ("GitHub token", "github_pat_" + "a1B2" * 9),
    ("AWS key", "AKIA" + "A1B2" * 4),
    ("Google key", "AIza" + "a1B2" * 8),
    ("Slack token", "xoxb-123456789012-abcdefghijkl"),
    ("token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"),
    ("private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"),
    ("private key", "-----BEGIN PRIVATE KEY-----\nMIIabc and the rest is cut off"),
]


@pytest.mark.parametrize(("what", "key"), SHAPED)
def test_what_looks_like_a_key_is_hidden_and_named(what: str, key: str) -> None:
    assert f"refused: [{what} hidden]" == redacted(f"refused: {key}")


def test_a_bearer_keeps_its_word() -> None:
    assert "Authorization: Bearer [token hidden] no" == redacted("Authorization: Bearer abcdef0123456789== no")


@pytest.mark.parametrize(
    "text", ["", "sk-", "task-list of the risk-taker", "ask-ant-hill", "the Bearer of news", "xoxo", "AKIAra", "eyJ"]
)
def test_words_are_left(text: str) -> None:
    assert text == redacted(text, VALUES)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"got {KEY}, no", "got [THE_KEY hidden], no"),
        (f"{KEY}{KEY}", "[THE_KEY hidden][THE_KEY hidden]"),
        (f"│ {KEY[:9]} │\n│ {KEY[9:]} │", "│ [THE_KEY hidden] │"),
        (f"cut off {KEY[:12]}…", "cut off [THE_KEY hidden]…"),
        (f"cut off {KEY[:SECRET_CHARS_MIN]}", "cut off [THE_KEY hidden]"),
        (f"cut off {KEY[: SECRET_CHARS_MIN - 1]}", f"cut off {KEY[: SECRET_CHARS_MIN - 1]}"),
    ],
)
def test_a_value_is_hidden_whole_wrapped_and_cut_off(text: str, left: str) -> None:
    assert left == redacted(text, VALUES)


@pytest.mark.parametrize("length", range(SECRET_CHARS_MIN, len(KEY)))
def test_a_value_is_hidden_wherever_the_text_ends(length: int) -> None:
    assert "cut off [THE_KEY hidden]" == redacted(f"cut off {KEY[:length]}", VALUES)


@pytest.mark.parametrize(
    ("value", "text", "left"),
    [
        ("abcd1234", "│ abcd │\n│ 1234 │", "│ [V hidden] │"),
        ("abcd123", "│ abcd │\n│ 123 │", "│ abcd │\n│ 123 │"),
        ("a b c d e", "abcde", "abcde"),
        ("a b c d e", "a b c d e", "[V hidden]"),
    ],
)
def test_a_value_without_its_blanks_is_hidden_where_it_is_long_enough(value: str, text: str, left: str) -> None:
    assert left == redacted(text, {"V": value})


def test_a_value_of_several_lines_is_hidden_line_by_line_and_a_short_one_is_left() -> None:
    values = {"PEM": "first-line-1\nx\nsecond-line", "SHORT": "yes"}

    assert "yes [PEM hidden] x [PEM hidden]" == redacted("yes first-line-1 x second-line", values)


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=SECRET_CHARS_MIN),
)
def test_no_value_is_left_whatever_stands_around_it(before: str, after: str, value: str) -> None:
    told = redacted(f"{before}{value}{after}", {"V": value})

    assert not [
        line
        for line in value.splitlines()
        if len(line) >= SECRET_CHARS_MIN and line in told and line not in "[V hidden]"
    ]
