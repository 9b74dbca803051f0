"""A notice reaches a program as an argument, or a session while it is idle."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.waiting import until
from tests.words import NO_FILE

from wakeman.adapters.machine import LocalMachine
from wakeman.adapters.orchestrator import address, confirm_submitted, deliver, type_when_idle
from wakeman.core.model import WakeTarget
from wakeman.core.policy.prompt_delivery import padded

from .conftest import Rig

MESSAGE = "AT wake-up: night: ask: 1/2 done. Next: wakeman status night."


def told(target: WakeTarget, message: str = MESSAGE, rig: Rig | None = None, env: Mapping[str, str] = {}) -> str:
    return deliver(
        target,
        message,
        machine=LocalMachine(),
        terminal=rig.tmux if rig else None,
        env={"PATH": os.environ["PATH"], **env},
        cwd="/",
        names={"deployment": "night"},
    ).why


def noting(file: Path) -> tuple[str, ...]:
    """Return a program that notes its arguments, one a line."""
    return (sys.executable, "-c", f"import sys; open({str(file)!r}, 'w').write('\\n'.join(sys.argv[1:]))")


def test_a_program_gets_the_message_as_one_argument(tmp_path: Path) -> None:
    target = WakeTarget(run=(*noting(tmp_path / "heard"), "{{ deployment }}", "{{ message }}", "--submit"))

    assert ("", f"night\n{MESSAGE}\n--submit") == (told(target), (tmp_path / "heard").read_text())


def test_a_message_is_one_harmless_line_of_at_most_700_characters(tmp_path: Path) -> None:
    target = WakeTarget(run=(*noting(tmp_path / "heard"), "{{ message }}"))

    told(target, "a\x1b[31mb\n\u202ec $(id) " + "x" * 1000)

    heard = (tmp_path / "heard").read_text()
    assert ("ab c $(id) xxx", 700, "…") == (heard[:14], len(heard), heard[-1])


def test_a_program_has_only_the_environment_given(tmp_path: Path) -> None:
    target = WakeTarget(run=("sh", "-c", f"env > {tmp_path}/env"))

    told(target, env={"HOME": "/home/somebody"})

    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert {"PATH", "HOME"} == names - {"PWD", "SHLVL", "_", "OLDPWD"}


@pytest.mark.parametrize(
    ("run", "timeout", "why"),
    [
        (("sh", "-c", "echo first >&2; echo no such session >&2; exit 3"), 20, "sh: exit 3: no such session"),
        (("sh", "-c", "echo said; exit 1"), 20, "sh: exit 1: said"),
        (("false",), 20, "false: exit 1"),
        (("sleep", "60"), 0.2, "sleep: did not end within 0.2 s"),
        (("no-such-program",), 20, f"no-such-program: no-such-program: {NO_FILE}"),
    ],
)
def test_a_program_that_fails_says_why(run: tuple[str, ...], timeout: float, why: str) -> None:
    assert why == told(WakeTarget(run=run, timeout=timeout))


def test_an_unknown_name_in_the_arguments_is_told_and_nothing_runs(tmp_path: Path) -> None:
    why = told(WakeTarget(run=("touch", str(tmp_path / "ran"), "{{ mesage }}")))

    assert (True, False) == ("did you mean 'message'" in why, (tmp_path / "ran").exists())


def test_a_session_is_named_alone_or_with_its_socket() -> None:
    assert [("default", "desk"), ("mine", "desk")] == [address("desk"), address("mine:desk")]


def test_without_a_server_there_is_nothing_to_type_into() -> None:
    assert "tmux desk: no server to type into" == told(WakeTarget(tmux="desk"))


def desk(rig: Rig, shown: str, then: str) -> None:
    """Make a person's session that shows a screen, then runs a shell line."""
    rig.raw("new-session", "-d", "-s", "desk", "--", "sh", "-c", f'printf %s "$1"; {then}', "sh", shown)
    until(lambda: shown.rstrip().rpartition("\n")[2].strip() in rig.tmux.capture("desk"))


@pytest.mark.real
@pytest.mark.parametrize("shown", ["user@host:~/v2$ ", "[user@host dir]# ", ">>> "])
def test_nothing_is_submitted_to_what_would_run_the_words(rig: Rig, shown: str) -> None:
    desk(rig, shown, f'read -r line; echo "$line" > {rig.place}/heard; exec sleep 60')

    said = told(WakeTarget(tmux="desk"), rig=rig)

    assert "tmux desk: a shell waits there and would run the words; expected an agent" in said
    assert MESSAGE not in rig.tmux.capture("desk")


TUI = Path(__file__).parent.parent / "tui.py"


def client(rig: Rig, swallows: int = 0, mode: str = "") -> None:
    """Make a session with a small client in it."""
    argv = (sys.executable, str(TUI), f"{rig.place}/heard", str(swallows), mode)
    rig.raw("new-session", "-d", "-s", "desk", "-x", "200", "-y", "50", "--", *argv)
    until(lambda: "❯" in rig.tmux.capture("desk"))


def heard(rig: Rig) -> list[str]:
    """List what the client took."""
    file = rig.place / "heard"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.real
@pytest.mark.parametrize("swallows", [0, 1])
def test_an_idle_session_gets_the_message_once_also_where_an_enter_is_swallowed(rig: Rig, swallows: int) -> None:
    client(rig, swallows)

    assert ("", [MESSAGE]) == (told(WakeTarget(tmux="desk"), rig=rig), heard(rig))


@pytest.mark.real
def test_a_message_that_stays_in_the_box_is_told_and_not_typed_again(rig: Rig) -> None:
    client(rig, swallows=9)

    said = told(WakeTarget(tmux="desk"), rig=rig)

    assert "tmux desk: typed; it stands in the input box, Enter was pressed twice" == said
    assert (1, []) == (rig.tmux.capture("desk").count(MESSAGE), heard(rig))


@pytest.mark.real
def test_enter_is_not_pressed_where_nothing_of_the_message_shows(rig: Rig) -> None:
    client(rig, mode="blind")

    assert "nothing of it shows: Enter was not pressed" in told(WakeTarget(tmux="desk"), rig=rig)
    assert [] == heard(rig)


@pytest.mark.real
@pytest.mark.parametrize("mode", ["dialog", "works"])
def test_nothing_is_typed_into_a_dialog_or_a_client_at_work(rig: Rig, mode: str) -> None:
    client(rig, mode=mode)

    assert "tmux desk: not idle: it works or asks something" == told(WakeTarget(tmux="desk"), rig=rig)


@pytest.mark.real
@pytest.mark.parametrize("text", ["one\ntwo;\n\n- three", "x;", "ends in @a.md", "!ls", "a\\", "Grüße 🙂", "w " * 3000])
def test_a_text_arrives_as_it_was_typed_but_for_a_blank_at_its_ends(rig: Rig, text: str) -> None:
    client(rig, swallows=1)

    safe = padded(text)
    assert "" == type_when_idle(rig.tmux, "desk", safe, submit=True, force=False)
    assert "" == confirm_submitted(rig.tmux, "desk", safe)
    assert [text.strip()] == [one.strip() for one in heard(rig)]


@pytest.mark.real
def test_a_line_that_a_person_began_meanwhile_is_not_sent_off(rig: Rig) -> None:
    client(rig)
    rig.raw("send-keys", "-t", "desk", "-l", "half a thought")
    until(lambda: "half a thought" in rig.tmux.capture("desk"))

    assert "" == confirm_submitted(rig.tmux, "desk", MESSAGE)
    assert [] == heard(rig)


@pytest.mark.real
def test_a_message_may_be_left_for_a_person_to_send(rig: Rig) -> None:
    desk(rig, "$ ", f"read -r line; echo x > {rig.place}/heard; exec sleep 60")

    assert "" == told(WakeTarget(tmux="desk", submit=False), rig=rig)
    until(lambda: MESSAGE in rig.tmux.capture("desk"))
    assert not (rig.place / "heard").exists()


@pytest.mark.real
@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("user@host:~$ half typed", "no empty prompt on its screen"),
        ("user@host:~$ echo a >", "no empty prompt on its screen"),
        ("downloading: 50%", "no empty prompt on its screen"),
        ("───\n❯ half typed\n───\n  ? for shortcuts", "no empty prompt on its screen"),
        ("✻ Brewing…\n❯ \n  esc to interrupt", "it works or asks something"),
        ("Do you want to?\n❯\n1. Yes\nEsc to cancel", "it works or asks something"),
    ],
)
def test_a_session_in_the_middle_of_something_is_left_alone(rig: Rig, shown: str, why: str) -> None:
    desk(rig, shown, "exec sleep 60")

    assert f"tmux desk: not idle: {why}" == told(WakeTarget(tmux="desk"), rig=rig)


@pytest.mark.real
def test_a_session_whose_screen_changes_is_left_alone(rig: Rig) -> None:
    desk(rig, "$ ", "i=0; while :; do i=$((i+1)); printf '\\r%s$ ' $i; sleep 0.05; done")

    assert "tmux desk: not idle: its screen changes" == told(WakeTarget(tmux="desk", submit=False), rig=rig)


@pytest.mark.real
def test_force_types_into_a_busy_session(rig: Rig) -> None:
    desk(rig, "esc to interrupt", f'read -r line; echo "$line" > {rig.place}/heard; exec sleep 60')

    assert "" == told(WakeTarget(tmux="desk", force=True), rig=rig)
    until(lambda: (rig.place / "heard").exists() and (rig.place / "heard").read_text() == MESSAGE + "\n")


@pytest.mark.real
def test_a_session_that_is_not_there_is_told(rig: Rig) -> None:
    desk(rig, "$ ", "exec sleep 60")

    assert "elsewhere" in told(WakeTarget(tmux="elsewhere"), rig=rig)
