"""Names of sessions are safe and distinct, whatever they are made from."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.model import Deployment, State, WorkerState
from wakeman.core.names import (
    NAME_CHARS_MAX,
    branch,
    host_and_directory,
    is_lone,
    mergeable,
    merged,
    safe,
    tailed,
    unique,
)


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


@pytest.mark.parametrize(
    ("mark", "lone"),
    [
        ("+session/a/1@b", True),
        ("+sessions/a/1@b", False),
        ("session/a/1@b", False),
        ("night/a/1@b", False),
        ("", False),
    ],
)
def test_a_session_that_no_deployment_has_yet_is_known_by_its_mark(mark: str, *, lone: bool) -> None:
    assert lone == is_lone(mark)


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


def test_a_name_as_long_as_may_be_is_left_and_a_longer_one_ends_in_a_hash() -> None:
    assert "x" * NAME_CHARS_MAX == safe("x" * NAME_CHARS_MAX)
    assert re.fullmatch(r"x{93}-[0-9a-f]{6}", safe("x" * (NAME_CHARS_MAX + 1)))


def test_names_are_the_same_for_ever() -> None:
    """Sessions, directories and logs carry them."""
    assert (100, "x" * 93 + "-c675a2", "docs-c9235e", "a-d76edf", "A-2c70e1") == (
        NAME_CHARS_MAX,
        safe("x" * 101),
        safe("docs中"),
        safe("a\udcff"),
        unique("A", {"a"}, "key"),
    )
    assert "A-c617d3" == unique("A", {"a", "a-2c70e1"}, "key")


@pytest.mark.parametrize("count", range(1, 6))
def test_of_names_that_are_taken_the_next_is_another(count: int) -> None:
    taken: set[str] = set()
    for _ in range(count):
        found = unique("A", taken, "key")
        assert found.lower() not in taken
        taken.add(found.lower())

    assert count == len(taken)


@pytest.mark.parametrize(
    ("state", "attempt", "merged_in"),
    [("verified", 1, True), ("verified", 0, False), ("exited", 1, False), ("running", 1, False)],
)
def test_what_a_worker_made_in_an_attempt_of_its_own_is_merged_once_it_is_verified(
    state: State, attempt: int, merged_in: bool
) -> None:
    d = Deployment(name="night", workers={"w": WorkerState(name="w", session="s", state=state, attempt=attempt)})

    assert (["wakeman/night/w"] if merged_in else []) == mergeable(d)


def test_the_branch_that_all_are_merged_into_is_no_workers() -> None:
    assert "wakeman/night.merged" == merged("night")
    assert not merged("night").startswith(branch("night", ""))


def test_a_tail_keeps_to_the_width() -> None:
    assert ("x" * 98 + "_2", "x_2", "x") == (tailed("x" * 100, "_2"), tailed("x", "_2"), tailed("x", ""))


def test_a_name_that_is_taken_gets_a_hash_of_what_it_stands_for() -> None:
    first = unique("A", {"a"}, "key")

    assert re.fullmatch(r"A-[0-9a-f]{6}", first)
    assert unique("A", {"a", first.lower()}, "key") not in {"A", first}
    assert "b" == unique("b", {"a"}, "key")


@pytest.mark.parametrize(
    ("text", "host", "directory"),
    [
        ("alpha", "alpha", ""),
        ("me@alpha.example", "me@alpha.example", ""),
        ("alpha:", "", ""),
        ("alpha:/srv/my nights", "alpha", "/srv/my nights"),
        ("alpha:~/a:b", "alpha", "~/a:b"),
        ("-oProxyCommand=x", "", ""),
        ("", "", ""),
        (".", "", ""),
        ("a b", "", ""),
        ("alpha:/a\nb", "", ""),
    ],
)
def test_a_host_may_name_a_directory_and_is_never_an_option(text: str, host: str, directory: str) -> None:
    assert (host, directory) == host_and_directory(text)
