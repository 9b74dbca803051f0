"""Watched sessions, and a tmux server that ends and is started again: real tmux, sessions that somebody else began."""

from __future__ import annotations

import os

import pytest
from tests.faces.conftest import Place
from tests.waiting import until

pytestmark = pytest.mark.real

NAMES = ("mine_a", "mine_b")


def begin(place: Place) -> None:
    """Start sessions as somebody else does, each on a server that may be new."""
    (place.path / "tmux" / f"tmux-{os.getuid()}").mkdir(mode=0o700, exist_ok=True)
    for name in NAMES:
        place.tmux(
            "-f", "/dev/null", "new-session", "-d", "-s", name, "sh", "-c", "while read line; do echo heard; done"
        )
    assert sorted(NAMES) == sorted(place.tmux("list-sessions", "-F", "#S").split())


def marks(place: Place) -> list[str]:
    """Return what the sessions carry of a deployment's."""
    return [place.tmux("show-options", "-t", f"={name}:", "-qv", "@wakeman") for name in NAMES]


def states(place: Place) -> dict[str, str]:
    return {each["name"]: each["state"] for each in place("status", "mine", "--json").json["workers"]}


def test_a_server_s_restart_ends_what_was_watched_and_sessions_of_its_names_are_not_taken_for_it(place: Place) -> None:
    begin(place)
    said = place("watch-sessions", "mine_", "--socket", "faces", "--client", "external", "--name", "mine")
    assert 0 == said.code, said.err
    first = marks(place)
    assert all(first)

    place.tmux("kill-server")
    until(lambda: not place.tmux("list-sessions"))
    begin(place)
    place("check", "mine")
    place("check", "mine")

    assert dict.fromkeys(NAMES, "exited") == states(place)
    assert ["", ""] == marks(place)  # nobody took them
    assert sorted(NAMES) == sorted(place.tmux("list-sessions", "-F", "#S").split())
    assert 0 == place("audit", "mine").code

    assert "partial" == place("status", "mine", "--json").json["outcome"]

    again = place("watch-sessions", "mine_", "--socket", "faces", "--client", "external", "--name", "mine")
    assert 0 == again.code, again.err
    fresh = marks(place)
    assert all(fresh)
    assert set(first).isdisjoint(fresh)
    assert "open" == place("status", "mine.2", "--json").json["outcome"]
