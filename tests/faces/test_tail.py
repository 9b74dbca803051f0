"""`tail`: what a worker prints, followed to its end; `attach` from inside tmux, with a client that is attached."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faces.conftest import SLEEPER, TMUX, Place
from tests.waiting import until

from wakeman.api.tail import fresh_rows

pytestmark = pytest.mark.real

PRINTS = SLEEPER.replace(
    '["sleep", "600"]',
    r"""["sh", "-c", "echo one; until test -e go; do sleep 0.1; done; echo two; printf three; mkdir -p out; """
    r"""echo x > out/$0.txt", "{{ group.key }}"]""",
)
"""Workers that print more once the file `go` is there, and end."""


def _program(place: Place, *words: str) -> list[str]:
    return [sys.executable, "-m", "wakeman", *words, "--state", str(place.state)]


def test_tail_prints_the_last_lines_and_returns(place: Place) -> None:
    place.up(PRINTS)

    until(lambda: place("tail", "night_a").out == "one\n")
    assert "one" == place("tail", "night_a", "-n", "1", "--json").json["text"]


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_a_worker_is_followed_to_its_end_and_no_further(place: Place, json: tuple[str, ...]) -> None:
    place.up(PRINTS)
    until(lambda: place("tail", "night_a").out == "one\n")

    with subprocess.Popen(
        _program(place, "tail", "night_a", "-f", *json), stdout=subprocess.PIPE, text=True, cwd=place.path
    ) as ran:
        assert ran.stdout is not None
        assert "one" in ran.stdout.readline()
        (place.path / "go").touch()
        rest = ran.stdout.read()

    assert 0 == ran.returncode
    assert ["two", "three"] == [word for row in rest.splitlines() for word in ("two", "three") if word in row]


def test_what_was_cut_out_of_a_long_output_is_passed_over(place: Place) -> None:
    noisy = PRINTS.replace("echo two", "seq -f 'n %06.0f e' 100000; echo two").replace(
        "stagger = 0", 'stagger = 0\nstream_max = "256K"'
    )
    place.up(noisy)
    until(lambda: place("tail", "night_a").out == "one\n")

    with subprocess.Popen(
        _program(place, "tail", "night_a", "-f"), stdout=subprocess.PIPE, text=True, cwd=place.path
    ) as ran:
        assert ran.stdout is not None
        ran.stdout.readline()
        (place.path / "go").touch()
        rows = ran.stdout.read().splitlines()

    numbers = [int(row[2:8]) for row in rows if re.fullmatch(r"n \d{6} e", row)]  # others were cut in two
    assert ["two", "three"] == rows[-2:]
    assert numbers == sorted(set(numbers))
    assert 100000 == numbers[-1]


def test_control_characters_that_a_worker_prints_do_not_reach_the_terminal(place: Place) -> None:
    place.up(PRINTS.replace("echo one", r"printf '\\\\033[31mred\\\\033[2J\\\\n'"))

    until(lambda: "red" in place("tail", "night_a").out)
    assert "\x1b" not in place("tail", "night_a").out


def test_a_worker_that_is_over_is_not_waited_for(place: Place) -> None:
    (place.path / "go").touch()
    place("up", place.plan(PRINTS), "--wait")

    assert "one\ntwo\nthree\n" == place("tail", "night_a", "-f").out


@pytest.mark.parametrize(
    ("before", "now", "fresh"),
    [
        ([], ["a", "", "b"], ["a", "b"]),
        (["a", "b"], ["a", "b"], []),
        (["a", "> "], ["a", "b", "> "], ["b"]),
        (["a", "b", "c"], ["b", "c", "d"], ["d"]),
        (["* Thinking (1s)"], ["+ Thinking (12s)"], []),
        (["a"], [], []),
    ],
)
def test_only_rows_that_are_new_on_a_screen_are_printed(before: list[str], now: list[str], fresh: list[str]) -> None:
    assert fresh == fresh_rows(before, now)


# --- attach from inside tmux ----------------------------------------------------------------------------------


@contextmanager
def client(*words: str) -> Iterator[None]:
    """Have a client of tmux at a terminal of its own, as a person has."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm"}
    env.pop("TMUX", None)
    with subprocess.Popen([TMUX, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=env) as ran:
        os.close(theirs)
        reader = threading.Thread(target=_drain, args=(ours,), daemon=True)
        reader.start()
        try:
            yield
        finally:
            ran.terminate()
            ran.wait(20)
    os.close(ours)


def _drain(file: int) -> None:
    try:
        while os.read(file, 65536):
            pass
    except OSError:
        return


def _socket(place: Place, name: str) -> str:
    return str(place.path / "tmux" / f"tmux-{os.getuid()}" / name)


def _clients(socket: str) -> list[str]:
    words = [TMUX, "-S", socket, "list-clients", "-F", "#{client_session}"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()


def _typed(socket: str, *words: str) -> None:
    line = shlex.join(words)
    subprocess.run([TMUX, "-S", socket, "send-keys", "-t", "=me:", line, "Enter"], check=True, timeout=20)


def test_inside_the_same_server_the_client_shows_the_worker_s_session(place: Place) -> None:
    place.up()
    socket = _socket(place, "faces")
    place.tmux("new-session", "-d", "-s", "me", "-c", str(place.path), "sh")

    with client("-S", socket, "attach", "-t", "=me"):
        until(lambda: _clients(socket) == ["me"])
        _typed(socket, *_program(place, "attach", "night_a"))
        until(lambda: _clients(socket) == ["night_a"])


def test_inside_another_server_a_nested_client_is_opened_and_detaching_comes_back(place: Place) -> None:
    place.up()
    mine, theirs = _socket(place, "mine"), _socket(place, "faces")
    subprocess.run([TMUX, "-S", mine, "new-session", "-d", "-s", "me", "-c", str(place.path), "sh"], check=True)
    try:
        with client("-S", mine, "attach", "-t", "=me"):
            until(lambda: _clients(mine) == ["me"])
            _typed(mine, *_program(place, "attach", "night_a"))
            until(lambda: _clients(theirs) == ["night_a"])
            place.tmux("detach-client", "-s", "night_a")
            until(lambda: not _clients(theirs))
            assert ["me"] == _clients(mine)
    finally:
        subprocess.run([TMUX, "-S", mine, "kill-server"], check=False)


@pytest.mark.parametrize(
    ("server", "how", "word"),
    [("", "attach", "attach-session"), ("faces", "switch", "switch-client"), ("mine", "nest", "env -u TMUX ")],
)
def test_the_command_is_the_one_for_where_the_terminal_is(
    place: Place, monkeypatch: pytest.MonkeyPatch, server: str, how: str, word: str
) -> None:
    place.up()
    if server:
        monkeypatch.setenv("TMUX", f"{_socket(place, server)},123,0")

    told = place("attach", "night_a", "--json").json

    assert how == told["how"]
    assert word in place("attach", "night_a", "--print").out
    assert word in told["next"][0]


def test_a_link_to_the_socket_is_the_same_server(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.up()
    Path(place.path / "link").symlink_to(_socket(place, "faces"))
    monkeypatch.setenv("TMUX", f"{place.path / 'link'},123,0")

    assert "switch" == place("attach", "night_a", "--json").json["how"]
