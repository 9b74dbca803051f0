"""`wakeman top` in a real terminal, on a deployment that runs: look, attach and come back, send, stop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path

import pytest
from tests.faces.conftest import TMUX, Place
from tests.waiting import until

pytestmark = pytest.mark.real

PLAN = """
name = "night"
[units]
items = ["a", "b", "c"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sh", "-c", "echo ready $0; while read line; do echo heard $line; done", "{{ group.key }}"]
name = "night_{{ group.name }}"
mode = "interactive"
stagger = 0
socket = "faces"
"""
"""Three workers that repeat what they are told."""


class Pane:
    """A terminal of its own, with a program in it."""

    def __init__(self, place: Place, width: int, height: int, what: str, **variables: str) -> None:
        self._socket = str(place.path / "tmux" / "top")
        program = f"{sys.executable} -m wakeman top {what}"
        environment = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **variables}
        environment.pop("TMUX", None)
        size = ["-x", str(width), "-y", str(height)]
        argv = [TMUX, "-S", self._socket, "-f", "/dev/null", "new-session", "-d", "-s", "top", *size]
        subprocess.run([*argv, f"{program}; echo ended $?; cat"], env=environment, check=True, timeout=20)

    def tmux(self, *words: str) -> str:
        ran = subprocess.run(
            [TMUX, "-S", self._socket, *words], capture_output=True, text=True, check=False, timeout=20
        )
        return ran.stdout

    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.tmux("capture-pane", "-p", "-t", "top").splitlines()]

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "top", *keys)

    def shows(self, pattern: str, seconds: float = 60) -> None:
        try:
            until(lambda: re.search(pattern, "\n".join(self.rows())), seconds)
        except AssertionError:
            raise AssertionError(f"{pattern!r} is not in:\n" + "\n".join(self.rows())) from None

    def end(self) -> None:
        self.tmux("kill-server")


@contextmanager
def pane(place: Place, width: int, height: int, what: str = "night", **variables: str) -> Iterator[Pane]:
    opened = Pane(place, width, height, what, **variables)
    try:
        yield opened
    finally:
        opened.end()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_a_deployment_is_looked_at_and_acted_on_from_top(place: Place, width: int, height: int) -> None:
    place.up(PLAN)
    with pane(place, width, height) as top:
        top.shows(r"▌● night_a")
        top.shows(r"ready a")
        assert height == len(top.tmux("capture-pane", "-p", "-t", "top").splitlines())
        assert max(map(len, top.rows())) < width

        top.press("j")
        top.shows(r"▌● night_b")
        top.shows(r"ready b")

        top.press("Enter")  # attached: its session has the whole terminal
        until(lambda: "night" not in top.rows()[0] and any("ready b" in row for row in top.rows()), 60)
        top.press("C-b", "d")
        top.shows(r"▌● night_b")

        top.press("s")
        top.press("-l", "go on [red]")
        top.press("Enter")
        top.shows(r"wakeman send night/night_b 'go on \[red\]' --submit")
        top.press("n")
        top.shows(r"Enter attach")
        assert "heard" not in place.tmux("capture-pane", "-p", "-t", "=night_b:")

        top.press("x")
        top.shows(r"wakeman stop night/night_b .*\n?.*y run it")
        top.press("y")
        top.shows(r"night_b: .*stop|night_b.*(ended|is being ended)")
        top.press("Escape")
        until(lambda: "night_b" not in place.tmux("list-sessions", "-F", "#{session_name}"), 60)
        top.shows(r"▌◌ night_b .*ended by a person")

        top.press("[")
        top.press("Left")
        top.shows(r"REPLAY")
        top.press("Space")
        top.shows(r"live, \d\d:\d\d:\d\d")
        top.press("q")
        top.shows(r"ended 0")


BUSY = """
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sh", "-c", '''
echo ready $0
while read line; do
  echo heard $line
  case $line in make) mkdir -p out; date >out/$0.txt ;; end) exit 3 ;; esac
done
''', "{{ group.key }}"]
name = "night_{{ group.name }}"
mode = "interactive"
stagger = 0
socket = "faces"
[stuck]
backoff = 600
[cleanup]
rounds = 1
[wake]
hold = true
every = "10s"
"""
"""Two workers that do what they are told: `make` the output, `end`."""


def test_each_doing_key_does_what_it_says(place: Place) -> None:
    def choose(row: str) -> None:
        keys = cycle(("Home", "j", "j"))
        while not re.search(row, "\n".join(top.rows())):
            top.press(next(keys))
            before = top.rows()
            with suppress(AssertionError):
                until(lambda before=before: top.rows() != before, 1)  # type: ignore[misc] # bound

    def said(pattern: str) -> None:
        top.shows(pattern)
        top.press("Escape")
        top.shows("all keys")

    place.up(BUSY)
    with pane(place, 120, 30) as top:
        top.shows("ready a")
        top.press("s", "make", "Enter")
        top.shows(r"wakeman send night/night_a make --submit")
        top.press("y")
        top.shows("not idle: no empty prompt on its screen")  # a program that shows none
        top.press("s")
        top.shows("wakeman send night/night_a --submit --force -- make")
        top.press("y")
        said("sent to night/night_a")
        until((place.path / "out" / "a.txt").exists)

        top.press("p", "y")
        said("paused night")
        top.shows("p unpause")
        top.press("p", "y")
        said("continued night")
        top.shows("p pause")

        choose("▌● night_b")
        top.press("s")
        top.press("-l", "end")  # no key: tmux has one of that name
        top.press("Enter", "y")
        top.shows("s types it anyway")
        top.press("s", "y")
        said("sent to night/night_b")
        top.shows("▌◌ night_b .*back-off")
        top.press("t", "y")
        said("night_b attempt 2")
        top.shows("▌● night_b")
        top.press("x", "y")
        said("night_b.*0 of 1 units done")
        top.shows("▌◌ night_b .*ended by a person")
        top.press("r", "y")
        said("night_b attempt 3")
        top.shows("▌● night_b")
        top.press("x", "y")
        said("0 of 1 units done")
        place.tmux("send-keys", "-t", "=night_a:", "e", "n", "d", "Enter")
        top.shows("✓ night_a")
        choose("▌◌ night_b")
        top.press("w")
        top.press("-l", "no need")
        top.press("Enter")
        top.shows("wakeman waive --deployment night '--why=no need' -- b")
        top.press("y")
        said("b: (waived|counted as done)|waived b")
        top.shows("wrap up .*held")
        choose("▌◆ wrap up")
        top.press("a", "y")
        said("accepted")
        top.shows("complete")
        top.press("q")
        top.shows(r"ended 0")
    assert "complete" == place("status", "night", "--json").json["outcome"]


def test_a_terminal_that_changes_its_size_is_filled_whatever_the_variables_say(place: Place) -> None:
    place.up(PLAN)
    with pane(place, 80, 24, COLUMNS="100", LINES="40") as top:
        top.shows(r"▌● night_a")
        for width, height in ((60, 20), (140, 40), (30, 10), (80, 24)):
            top.tmux("resize-window", "-t", "top", "-x", str(width), "-y", str(height))
            until(lambda width=width, height=height: _fits(top.rows(), width, height), 60)  # type: ignore[misc] # bound
        top.press("q")
        top.shows(r"ended 0")


def _fits(rows: list[str], width: int, height: int) -> bool:
    return len(rows) == height and "all keys" in rows[-1] + "all keys" * (width < 40) and max(map(len, rows)) < width


def test_only_ascii_and_no_colour_reach_a_terminal_that_takes_no_more(place: Place) -> None:
    log = Path(__file__).parents[2] / "state" / "samples" / "stuck"
    with pane(place, 80, 24, str(log), LC_ALL="C", LANG="C", NO_COLOR="1") as top:
        top.shows(r"\*\+ w0")
        colours = top.tmux("capture-pane", "-p", "-e", "-t", "top")

    assert colours.isascii()
    assert not re.search(r"\x1b\[[0-9;]*3[1-7]m", colours)


def test_read_only_does_nothing(place: Place) -> None:
    place.up(PLAN)
    with pane(place, 80, 24, "night --read-only") as top:
        top.shows(r"▌● night_a")
        for key in ("Enter", "x", "y", "s", "p", "y"):
            top.press(key)
        top.press("j")
        top.shows(r"▌● night_b")
        assert "attach" not in top.rows()[-1]
        top.press("q")
        top.shows(r"ended 0")
    assert not place("status", "night", "--json").json["paused"]
