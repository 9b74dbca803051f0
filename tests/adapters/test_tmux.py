"""`adapters/tmux.py` on a real server."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.conftest import ENV, PROGRAM, Rig
from tests.waiting import until
from tests.words import NO_FILE

from wakeman.adapters.tmux import Tmux
from wakeman.adapters.tmux.creation import creation_commands
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.ports import Made, SessionInfo, Start

pytestmark = pytest.mark.real

ODD = [
    "it's",
    '"$HOME"',
    "ends in;",
    ";",
    "\\;",
    "#{pid}",
    "#[x]",
    "##",
    "%H%%",
    "two\nlines\n",
    "-x",
    "--",
    "",
    "äß→🙂",
    "`id`",
    "{ }",
    "~",
]


def born(name: str, *argv: str, mark: str = "", stream: str = "", cwd: str = "/", **env: str) -> Start:
    return Start(name, mark or f"dep/{name}.1", argv or ("sleep", "600"), cwd, env, stream)


def shell(name: str, script: str) -> Start:
    return born(name, "/bin/sh", "-c", script)


def seen(rig: Rig, name: str) -> SessionInfo:
    return next(one for one in rig.tmux.poll().seen if one.session == name)


def begin(rig: Rig, *starts: Start) -> list[str]:
    """Start sessions that must succeed; return their ids."""
    made = rig.tmux.submit(starts)
    assert [""] * len(starts) == [one.error for one in made]
    return [one.session_id for one in made]


# Looking


def test_no_socket_means_that_the_host_is_down(rig: Rig) -> None:
    assert rig.tmux.poll().state == "down"


def test_a_server_that_was_killed_means_that_the_host_is_down(rig: Rig) -> None:
    begin(rig, born("w1"))
    os.kill(rig.server(), signal.SIGKILL)

    until(lambda: rig.tmux.poll().state == "down")


def test_a_server_that_was_told_to_end_means_that_the_host_is_down(rig: Rig) -> None:
    begin(rig, born("w1"))
    rig.raw("kill-server")

    until(lambda: rig.tmux.poll().state == "down")


def test_a_server_without_sessions_is_up_and_takes_the_next(rig: Rig) -> None:
    begin(rig, born("w1"))
    server = rig.tmux.poll().server
    rig.raw("set-option", "-g", "exit-empty", "off")
    rig.raw("kill-session", "-t", "=w1")

    empty = rig.tmux.poll()
    begin(rig, born("w2"))

    assert ("up", server, ()) == (empty.state, empty.server, empty.seen)
    assert [(server, "w2")] == [(rig.tmux.poll().server, one.session) for one in rig.tmux.poll().seen]


def test_a_hung_server_is_unknown_and_not_down(rig: Rig) -> None:
    begin(rig, born("w1"))
    server = rig.server()
    os.kill(server, signal.SIGSTOP)
    try:
        listing = rig.impatient().poll()
    finally:
        os.kill(server, signal.SIGCONT)

    assert ("unknown", f"tmux socket {rig.socket}: no answer within 0.5 s") == (listing.state, listing.why)


def test_a_socket_that_may_not_be_opened_is_unknown(rig: Rig) -> None:
    listing = Tmux("/proc/1/nothing/here" * 9, PROGRAM, str(rig.place), ENV).poll()

    assert listing.state == "unknown"


def test_a_server_that_hangs_up_at_a_client_s_words_is_unknown_and_may_be_of_another_version(rig: Rig) -> None:
    """A client of 3.3 says so of a server of 3.6 or newer, which lives on."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(rig.socket)
        server.listen(9)
        threading.Thread(target=_hang_up, args=(server,), daemon=True).start()
        listing = rig.tmux.poll()
        with pytest.raises(ProgramError, match="may be of another version than the server at"):
            rig.tmux.submit([born("w1")])
        server.shutdown(socket.SHUT_RDWR)

    said = f"server exited unexpectedly: {PROGRAM} may be of another version than the server at {rig.socket}"
    assert ("unknown", said) == (listing.state, listing.why)


def _hang_up(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            server.accept()[0].close()


def test_a_missing_tmux_is_unknown(rig: Rig) -> None:
    listing = Tmux(rig.socket, "/no/such/tmux", str(rig.place), ENV).poll()

    assert (listing.state, listing.why) == ("unknown", f"/no/such/tmux: cannot be run: {NO_FILE}")


def test_the_listing_names_the_server_by_pid_and_start_time(rig: Rig) -> None:
    begin(rig, born("w1"))

    assert rig.raw("display-message", "-p", "#{pid}:#{start_time}") == rig.tmux.poll().server


def test_a_title_with_separators_and_lines_leaves_the_listing_whole(rig: Rig) -> None:
    begin(rig, born("w1"), born("w2"))
    rig.raw("select-pane", "-t", "=w1:", "-T", "a,b~~,$9,%9|\t:ü")
    rig.raw("set-option", "-t", "=w2:", "@wakeman", "two\nlines,~")

    assert [one.mark for one in rig.tmux.poll().seen] == ["dep/w1.1", "two\nlines,~"]


def test_an_exit_status_is_seen(rig: Rig) -> None:
    begin(rig, shell("w1", "exit 7"))

    until(lambda: seen(rig, "w1").over)
    rig.raw("run-shell", "-b", "true")  # makes tmux collect a status that it has missed

    until(lambda: seen(rig, "w1").code == 7)


def test_a_status_that_tmux_does_not_know_yet_is_no_status(rig: Rig) -> None:
    begin(rig, born("w1"))

    assert (seen(rig, "w1").phase, seen(rig, "w1").code, seen(rig, "w1").why) == ("running", None, "")


def test_a_killing_signal_is_seen(rig: Rig) -> None:
    begin(rig, born("w1"))
    os.kill(seen(rig, "w1").pid, signal.SIGKILL)

    until(lambda: seen(rig, "w1").over)
    rig.raw("run-shell", "-b", "true")

    until(lambda: seen(rig, "w1").phase == "killed")


def test_a_pane_that_a_person_added_is_not_taken_for_the_worker(rig: Rig) -> None:
    [made] = rig.tmux.submit([born("w1")])
    rig.raw("split-window", "-b", "-t", "=w1:", "sleep 600")
    rig.raw("new-window", "-a", "-t", "=w1:", "sleep 600")

    assert [made.pid] == [one.pid for one in rig.tmux.poll().seen]


def test_a_server_whose_socket_was_removed_makes_it_anew(rig: Rig) -> None:
    [made] = begin(rig, born("w1"))
    os.unlink(rig.socket)

    assert ({}, [made]) == (rig.tmux.poll({made: ""}).hidden, [one.session_id for one in rig.tmux.poll().seen])


def test_a_program_that_is_no_server_gets_no_signal(rig: Rig) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        listing = rig.tmux.poll({(there := f"$0@{other.pid}:{int(time.time())}"): ""})
        still = other.poll()
        other.kill()

    assert ([there], None) == ([*listing.hidden], still)


def test_a_process_that_has_the_number_of_a_server_that_ended_is_not_taken_for_it(rig: Rig) -> None:
    begin(rig, born("w1"))
    with subprocess.Popen(["sleep", "600"]) as other:
        gone, there = (f"$0@{other.pid}:{started}" for started in (1, int(time.time())))
        listing = rig.tmux.poll({gone: "", there: ""})
        other.kill()

    # One that began just now may be a server by another name.
    assert ([gone], [there]) == ([*listing.gone], [*listing.hidden])


def test_a_server_whose_number_the_answering_one_has_is_gone(rig: Rig) -> None:
    [made] = begin(rig, born("w1"))
    pid, _, started = made.partition("@")[2].partition(":")
    before = f"$0@{pid}:{int(started) - 60}"

    assert ([before], {}) == ([*rig.tmux.poll({before: "", made: ""}).gone], rig.tmux.poll({before: ""}).hidden)


def test_the_sessions_of_a_server_that_has_ended_are_gone(rig: Rig) -> None:
    [made] = begin(rig, born("w1"))
    rig.raw("kill-server")
    until(lambda: rig.tmux.poll().state == "down")

    assert {made: "its tmux server is gone"} == rig.tmux.poll({made: ""}).gone


def test_while_the_same_server_answers_nothing_is_gone(rig: Rig) -> None:
    [made] = begin(rig, born("w1"))

    assert {} == rig.tmux.poll({made: "", "$9": rig.tmux.poll().server}).gone


def test_an_id_names_the_server_that_counted_it(rig: Rig) -> None:
    [made] = begin(rig, born("w1"))

    assert rig.raw("display-message", "-p", "#{session_id}@#{pid}:#{start_time}") == made


def test_a_worker_whose_pane_was_closed_is_dead_although_another_pane_is_open(rig: Rig) -> None:
    begin(rig, born("w1"))
    ours = rig.raw("display-message", "-p", "-t", "=w1:", "#{pane_id}")
    rig.raw("split-window", "-t", "=w1:", "sleep 600")
    rig.raw("kill-pane", "-t", ours)

    assert (seen(rig, "w1").over, seen(rig, "w1").code) == (True, None)


def test_a_session_that_an_earlier_version_has_marked_by_options_is_ours(rig: Rig) -> None:
    rig.raw("new-session", "-d", "-s", "w1", "sleep 600")
    ours = rig.raw("display-message", "-p", "-t", "=w1:", "#{pane_id}")
    rig.raw("set-option", "-t", "=w1:", "@wakeman", "dep/w1.1")
    rig.raw("set-option", "-p", "-t", ours, "@wakeman_pane", "1")
    rig.raw("split-window", "-b", "-t", "=w1:", "sleep 600")

    assert [("dep/w1.1", int(rig.raw("display-message", "-p", "-t", ours, "#{pane_pid}")), False)] == [
        (one.mark, one.pid, one.over) for one in rig.tmux.poll().seen
    ]
    rig.raw("kill-pane", "-t", ours)
    assert seen(rig, "w1").over


# Starting


def test_one_option_is_set_for_a_session_as_tmux_passes_through_all_sessions_with_each() -> None:
    commands = creation_commands(born("w1", stream="/tmp/stream"))

    assert 1 == " ".join(commands).count("set-option")


def test_no_program_in_a_session_gets_what_marks_it(rig: Rig) -> None:
    found = rig.place / "found"
    begin(rig, shell("w1", f"env >{found}.w1; exec sleep 600"))
    rig.raw(
        "new-window", "-t", "=w1:", f"env >{found}.window.tmp; mv {found}.window.tmp {found}.window; exec sleep 600"
    )
    rig.raw("new-session", "-d", "-s", "mine", "sleep 600")

    until(Path(f"{found}.window").exists)
    assert "@wakeman" not in Path(f"{found}.w1").read_text() + Path(f"{found}.window").read_text()
    assert ["", "dep/w1.1"] == sorted(one.mark for one in rig.tmux.poll().seen)


def test_a_session_is_marked_and_outlives_its_program_from_the_first_moment(rig: Rig) -> None:
    begin(rig, *(born(f"w{n}", "/bin/true") for n in range(20)))

    assert [f"dep/w{n}.1" for n in range(20)] == sorted(
        (one.mark for one in rig.tmux.poll().seen), key=lambda mark: int(mark[5:-2])
    )


def test_thirty_sessions_are_made_at_once(rig: Rig) -> None:
    made = rig.tmux.submit([born(f"w{n}", FILLER="x" * 900) for n in range(30)])

    there = {one.session: Made(one.session_id, one.pid) for one in rig.tmux.poll().seen}
    assert [there[f"w{n}"] for n in range(30)] == made


def _globally(rig: Rig) -> set[str]:
    return {*rig.raw("show-options", "-g").splitlines(), *rig.raw("show-options", "-gw").splitlines()}


def test_for_the_sessions_of_others_nothing_is_set_but_that_a_workers_own_carry_its_mark(rig: Rig) -> None:
    rig.raw("new-session", "-d", "-s", "mine", "sleep 600")
    before = _globally(rig)
    begin(rig, born("w1"))

    assert {"update-environment[90] WAKEMAN_ATTEMPT"} == before ^ _globally(rig)


def test_on_the_users_own_server_nothing_at_all_is_set_globally(rig: Rig) -> None:
    rig.socket = f"{rig.place}/default"
    rig.raw("new-session", "-d", "-s", "mine", "sleep 600")
    before = _globally(rig)
    Tmux(rig.socket, PROGRAM, str(rig.place), ENV).submit([born("w1")])

    assert before == _globally(rig)


def test_a_name_taken_by_a_stranger_is_reported_and_left_alone(rig: Rig) -> None:
    rig.raw("new-session", "-d", "-s", "w1", "sleep 600")
    before = rig.tmux.poll()

    [made] = rig.tmux.submit([born("w1")])

    assert (True, "", before.seen) == (made.taken, made.session_id, rig.tmux.poll().seen)


def test_a_name_taken_by_another_attempt_is_reported(rig: Rig) -> None:
    begin(rig, born("w1", mark="dep/w1.1"))

    assert [made.taken for made in rig.tmux.submit([born("w1", mark="dep/w1.2")])] == [True]


def test_a_taken_name_does_not_hold_up_the_others(rig: Rig) -> None:
    rig.raw("new-session", "-d", "-s", "w1", "sleep 600")

    made = rig.tmux.submit([born(f"w{n}") for n in range(4)])

    assert [one.taken for one in made] == [False, True, False, False]
    assert [one.session_id != "" for one in made] == [True, False, True, True]


def test_a_session_of_the_same_mark_is_adopted(rig: Rig) -> None:
    first = rig.tmux.submit([born("w1")])

    assert first == rig.tmux.submit([born("w1")])


def test_two_starts_of_one_name_make_one_session(rig: Rig) -> None:
    made = rig.tmux.submit([born("w1", mark="dep/w1.1"), born("w1", mark="dep/w1.2")])

    assert [one.taken for one in made] == [False, True]


@pytest.mark.parametrize("name", ["", "a.b", "a:b", "$1", "=w", "-x", "a#{pid}", "a\nb", "a\\b", "{last}", "%1", "@1"])
def test_a_name_that_tmux_would_change_is_refused(rig: Rig, name: str) -> None:
    [made] = rig.tmux.submit([born(name, mark="m")])

    assert (made.session_id, made.taken, made.error != "") == ("", False, True)


def test_a_name_beyond_ascii_is_kept(rig: Rig) -> None:
    begin(rig, born("bücher 書_1"))

    assert [one.session for one in rig.tmux.poll().seen] == ["bücher 書_1"]


def test_a_start_longer_than_tmux_takes_fails_alone(rig: Rig) -> None:
    made = rig.tmux.submit([born("w1", "echo", "x" * 16_000), born("w2", "echo", "x" * 15_000)])

    assert [made[0].session_id, made[1].session_id != ""] == ["", True]


def test_arguments_arrive_byte_for_byte(rig: Rig) -> None:
    target = rig.place / "argv"
    begin(
        rig, born("w1", "/bin/sh", "-c", f"printf '%s\\0' \"$@\" >{target}.tmp; mv {target}.tmp {target}", "sh", *ODD)
    )

    until(target.exists)
    assert [*ODD, ""] == target.read_bytes().decode().split("\0")


def test_bytes_that_are_no_text_arrive(rig: Rig) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    target = rig.place / "argv"
    begin(rig, born("w1", "/bin/sh", "-c", f'printf %s "$1" >{target}.tmp; mv {target}.tmp {target}', "sh", odd))

    until(target.exists)
    assert target.read_bytes() == b"\xff\xfe"


def test_a_program_without_arguments_is_not_read_by_a_shell(rig: Rig) -> None:
    program = rig.place / "a b;$x"
    program.write_text(f"#!/bin/sh\ntouch {rig.place}/ran\n")
    program.chmod(0o700)
    begin(rig, born("w1", str(program)))

    until((rig.place / "ran").exists)


def test_environment_values_arrive_byte_for_byte(rig: Rig) -> None:
    target = rig.place / "env"
    odd = "".join(ODD) + ";"
    begin(rig, born("w1", "/bin/sh", "-c", f'printf %s "$ODD" >{target}.tmp; mv {target}.tmp {target}', ODD=odd))

    until(target.exists)
    assert odd == target.read_bytes().decode()


@pytest.mark.parametrize("name", ["plain", "a b", "#{pid}", "#[x]", "##[x]", "a##b#", "#", "%H", "ends;"])
def test_a_session_starts_in_its_directory(rig: Rig, name: str) -> None:
    home = rig.place / name
    home.mkdir()
    begin(rig, born("w1", "/bin/sh", "-c", f"pwd >{rig.place}/t; mv {rig.place}/t {rig.place}/pwd", cwd=str(home)))

    until((rig.place / "pwd").exists)
    assert f"{home}\n" == (rig.place / "pwd").read_text()


@pytest.mark.parametrize("name", ["plain", "it's", "a b", "#{pid}", "#[x]", "%H%M", "$HOME `id`", "ü;", '"', "-\n"])
def test_a_stream_file_gets_the_output_whatever_its_name(rig: Rig, name: str) -> None:
    stream = rig.place / name
    # It stays: of a program that ends at once on a busy machine, tmux itself may lose the output.
    begin(rig, born("w1", "/bin/sh", "-c", "echo first words; exec sleep 600", stream=str(stream)))

    until(lambda: stream.exists() and stream.read_bytes() == b"first words\r\n")
    assert stream.stat().st_mode & 0o777 == 0o600


def test_a_server_knows_the_same_world_whoever_starts_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "x")
    monkeypatch.setenv("TMUX", "/tmp/other,1,0")
    begin(rig, born("w1"))

    known = {line.split("=")[0] for line in rig.raw("show-environment", "-g").splitlines()}
    assert set(ENV) == known - {"PWD", "SHLVL", "_"}


def test_it_works_from_an_empty_environment(rig: Rig) -> None:
    code = """
import sys
from wakeman.adapters.tmux import Tmux
from wakeman.ports import Start
tmux = Tmux(sys.argv[1], sys.argv[2], sys.argv[3], {})
tmux.submit([Start("w\\u00fc", "dep/w.1", ("sleep", "600"), "/")])
print(ascii([(one.session, one.mark) for one in tmux.poll().seen]))
"""
    argv = (sys.executable, "-c", code, rig.socket, PROGRAM, str(rig.place))
    ran = subprocess.run(argv, env={}, capture_output=True, text=True, check=False)

    assert (ascii([("wü", "dep/w.1")]) + "\n", "") == (ran.stdout, ran.stderr)


def test_a_start_right_after_the_server_was_ended_succeeds(rig: Rig) -> None:
    errors = []
    for round_ in range(10):
        errors += [one.error for one in rig.tmux.submit([born(f"w{round_}"), born(f"v{round_}")])]
        rig.raw("kill-server")

    assert errors == [""] * 20


def test_acting_on_a_hung_server_raises_and_names_the_socket(rig: Rig) -> None:
    begin(rig, born("w1"))
    server = rig.server()
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(ProgramError, match=f"{rig.socket}: no answer within 0.5 s") as caught:
            rig.impatient().submit([born("w2")])
    finally:
        os.kill(server, signal.SIGCONT)

    assert f"look at the server: {PROGRAM} -S {rig.socket} ls" == caught.value.hint


def test_a_directory_that_cannot_be_written_raises(rig: Rig) -> None:
    with pytest.raises(ProgramError, match=r"/proc/nowhere/tmux\.sh: cannot be run"):
        Tmux(rig.socket, PROGRAM, "/proc/nowhere", ENV, attended=True).submit([born("w1")])


def test_a_missing_tmux_raises(rig: Rig) -> None:
    with pytest.raises(ProgramError, match="/no/such/tmux: cannot be run"):
        Tmux(rig.socket, "/no/such/tmux", str(rig.place), ENV, attended=rig.attended).submit([born("w1")])


# Ending


def test_ending_takes_the_session_and_hangs_up_on_its_program(rig: Rig) -> None:
    catches = f"trap 'echo >{rig.place}/hup; exit' HUP; echo >{rig.place}/ready; while :; do sleep 0.05; done"
    [one, _] = begin(rig, shell("w1", catches), born("w2"))
    until((rig.place / "ready").exists, 30)

    assert rig.tmux.cancel([(one, "dep/w1.1")])
    assert [left.session for left in rig.tmux.poll().seen] == ["w2"]
    until((rig.place / "hup").exists)


def test_the_last_session_can_be_ended(rig: Rig) -> None:
    [one] = begin(rig, born("w1"))

    assert rig.tmux.cancel([(one, "dep/w1.1")])


def test_ending_refuses_a_session_of_another_mark(rig: Rig) -> None:
    [one] = begin(rig, born("w1"))

    assert (rig.tmux.cancel([(one, "dep/w1.2")]), len(rig.tmux.poll().seen)) == (False, 1)


def test_ending_refuses_a_session_without_a_mark(rig: Rig) -> None:
    rig.raw("new-session", "-d", "-s", "mine", "sleep 600")

    assert (rig.tmux.cancel([(seen(rig, "mine").session_id, "dep/w1.1")]), len(rig.tmux.poll().seen)) == (False, 1)


def test_ending_by_name_is_refused(rig: Rig) -> None:
    begin(rig, born("w10"))

    assert (rig.tmux.cancel([("w1", "dep/w10.1")]), len(rig.tmux.poll().seen)) == (False, 1)


def test_ending_what_is_gone_says_so(rig: Rig) -> None:
    begin(rig, born("w1"))

    assert [rig.tmux.cancel([("$99", "dep/w1.1")]), rig.impatient().cancel([("$98", "dep/w1.1")])] == [False, False]


def test_ending_without_a_server_says_so(rig: Rig) -> None:
    assert not rig.tmux.cancel([("$0", "dep/w1.1")])


# Capturing


def test_names_that_begin_alike_are_not_confused(rig: Rig) -> None:
    begin(rig, shell("w10", "echo ten; sleep 600"))

    with pytest.raises(UnknownNameError, match="no session w1"):
        rig.tmux.capture("w1")


def test_a_capture_gives_the_last_lines(rig: Rig) -> None:
    [one] = begin(rig, shell("w1", "seq 1 300; sleep 600"))

    until(lambda: rig.tmux.capture(one, 3) == "298\n299\n300")
    assert "\n".join(map(str, range(101, 301))) == rig.tmux.capture("w1", 200)


def test_a_dead_pane_is_captured_from_its_first_line(rig: Rig) -> None:
    begin(rig, shell("w1", "echo first; seq 2 50; sleep 0.3"))  # tmux loses what the kernel still has at the end

    until(lambda: seen(rig, "w1").over)
    assert "\n".join(["first", *map(str, range(2, 51))]) == rig.tmux.capture("w1", 60)


def test_a_capture_has_no_escapes(rig: Rig) -> None:
    begin(rig, shell("w1", r"printf '\033[31mred\033[0m \033]0;t\007plain\302\233 ü'; sleep 600"))

    until(lambda: rig.tmux.capture("w1") == "red plain ü")


def test_a_painted_screen_has_the_colours_and_no_other_escape(rig: Rig) -> None:
    begin(rig, shell("w1", r"printf 'is \033[1;31mred\033[0m \033]0;t\007\033[48;5;21mon\033[0m\n'; sleep 600"))

    until(lambda: rig.tmux.painted("w1") == "is \x1b[1;31mred\x1b[0m \x1b[44mon\x1b[0m")


def test_a_wrapped_line_is_captured_as_one(rig: Rig) -> None:
    begin(rig, shell("w1", "printf '%0450d' 0; sleep 600"))

    until(lambda: rig.tmux.capture("w1") == "0" * 450)


def test_the_capture_of_a_silent_pane_is_empty(rig: Rig) -> None:
    begin(rig, born("w1"))

    assert rig.tmux.capture("w1") == ""


def test_of_many_screens_each_is_what_a_capture_of_it_alone_is(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is over, one shows what a listing could be confused by, one is another's, one was ended, one never was."""
    scripts = {
        "w1": "seq 1 90; sleep 600",
        "w2": "echo first; seq 2 50",
        "w3": r"printf '$1 %%2 ~0~ \033[1;31mred\033[0m \n\n'; sleep 600",
        "w4": "sleep 600",
        "w5": "echo gone; sleep 600",
        "w6": "echo last; sleep 600",
    }
    ids = dict(zip(scripts, begin(rig, *(shell(name, script) for name, script in scripts.items())), strict=True))
    rig.raw("kill-session", "-t", "=w5:")
    until(lambda: seen(rig, "w2").over and rig.tmux.capture("w1", 1) == "90" and rig.tmux.capture("w6") == "last")
    until(lambda: "red" in rig.tmux.capture("w3"))
    calls: list[tuple[str, ...]] = []
    ask = rig.tmux._ask

    def noting(*words: str, **more: Any) -> object:
        calls.append(words)
        return ask(*words, **more)

    monkeypatch.setattr(rig.tmux, "_ask", noting)

    asked = [(ids[name], f"dep/{name}.1") for name in scripts] + [(ids["w1"], "dep/x.1"), ("$999@1:1", "dep/w1.1")]
    shown = rig.tmux.captures(asked, 60)
    painted = rig.tmux.captures(asked, 60, painted=True)

    assert 4 == len(calls)
    for name, text, coloured in zip(scripts, shown, painted, strict=False):
        assert (text, coloured) == (
            (None, None) if name == "w5" else (rig.tmux.capture(name, 60), rig.tmux.painted(name, 60))
        )
    assert [None, None] == shown[6:] == painted[6:]


def test_a_screen_that_is_gone_between_the_listing_and_the_call_hides_no_other(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = begin(rig, *(shell(name, f"echo {name}; sleep 600") for name in ("w1", "w2", "w3")))
    until(lambda: [rig.tmux.capture(name) for name in ("w1", "w2", "w3")] == ["w1", "w2", "w3"])
    ask = rig.tmux._ask

    def ending(*words: str, **more: Any) -> object:
        said = ask(*words, **more)
        if words[0] == "list-panes":
            rig.raw("kill-session", "-t", "=w2:")
        return said

    monkeypatch.setattr(rig.tmux, "_ask", ending)

    assert ["w1", None, "w3"] == rig.tmux.captures([(one, f"dep/w{n}.1") for n, one in enumerate(ids, 1)])


def test_more_screens_than_one_call_takes_are_read_in_several(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeman.adapters.tmux.screens.COMMAND_BYTES_MAX", 700)
    names = [f"w{n}" for n in range(5)]
    ids = begin(rig, *(shell(name, f"echo {name}; sleep 600") for name in names))
    until(lambda: [rig.tmux.capture(name) for name in names] == names)

    assert names == rig.tmux.captures([(one, f"dep/w{n}.1") for n, one in enumerate(ids)])


def test_no_screen_is_read_without_a_server(rig: Rig) -> None:
    assert [None] == rig.tmux.captures([("$1@1:1", "dep/w1.1")])


def test_capturing_without_a_server_raises(rig: Rig) -> None:
    with pytest.raises(UnknownNameError, match="no session w1"):
        rig.tmux.capture("w1")


# Typing


def reader(rig: Rig, size: int, *, bracketed: bool) -> Path:
    """Start `w1`, which stores the next `size` bytes of its terminal as they come."""
    target = rig.place / "got"
    mode = r"printf '\033[?2004h';" if bracketed else ""
    begin(
        rig, shell("w1", f"stty raw -echo; {mode} echo ready; head -c {size} >{target}.tmp; mv {target}.tmp {target}")
    )
    until(lambda: rig.tmux.capture("w1") == "ready")
    return target


def test_a_megabyte_is_pasted_whole_and_bracketed(rig: Rig) -> None:
    text = "".join(f"line {n} ä;\n" for n in range(80_000))
    expected = b"\x1b[200~" + text.replace("\n", "\r").encode() + b"\x1b[201~\r"
    target = reader(rig, len(expected), bracketed=True)

    rig.tmux.type("w1", text, submit=True)

    until(target.exists, 30)
    assert expected == target.read_bytes()


@pytest.mark.parametrize("text", ODD[:9] + ODD[10:12] + ODD[13:])
def test_text_is_pasted_as_it_is(rig: Rig, text: str) -> None:
    target = reader(rig, len(text.encode()) + 1, bracketed=False)

    rig.tmux.type("w1", text, submit=True)

    until(target.exists)
    assert text.encode() + b"\r" == target.read_bytes()


def test_control_characters_are_not_typed(rig: Rig) -> None:
    target = reader(rig, 9, bracketed=False)

    rig.tmux.type("w1", "a\x1b[201~\x03b\x00", submit=True)
    rig.tmux.type("w1", "c", submit=False)

    until(target.exists)
    assert target.read_bytes() == b"a[201~b\rc"


def test_submitting_nothing_presses_enter_alone(rig: Rig) -> None:
    target = reader(rig, 1, bracketed=False)

    rig.tmux.type("w1", "", submit=True)

    until(target.exists)
    assert target.read_bytes() == b"\r"


def test_a_pane_that_a_person_scrolls_is_typed_into_all_the_same(rig: Rig) -> None:
    target = reader(rig, 3, bracketed=False)
    rig.raw("copy-mode", "-t", "=w1:")

    rig.tmux.type("w1", "hi", submit=True)

    until(target.exists)
    assert target.read_bytes() == b"hi\r"


def test_typing_goes_to_the_worker_and_not_to_a_pane_that_a_person_added(rig: Rig) -> None:
    target = reader(rig, 3, bracketed=False)
    rig.raw("split-window", "-t", "=w1:", "sleep 600")

    rig.tmux.type("w1", "hi", submit=True)

    until(target.exists)
    assert target.read_bytes() == b"hi\r"


def test_typing_into_a_dead_pane_raises_and_spares_the_server(rig: Rig) -> None:
    begin(rig, shell("w1", "exit 0"), born("w2"))
    until(lambda: seen(rig, "w1").over)

    with pytest.raises(ProgramError, match="is dead: its program has ended"):
        rig.tmux.type("w1", "hello", submit=True)

    assert [rig.tmux.poll().state, rig.raw("list-buffers")] == ["up", ""]


def test_typing_to_nobody_raises(rig: Rig) -> None:
    begin(rig, born("w10"))

    with pytest.raises(UnknownNameError, match="no session w1"):
        rig.tmux.type("w1", "hello", submit=False)


# The rest


def test_the_head_is_left_on_the_session(rig: Rig) -> None:
    [one] = begin(rig, born("w1"))

    rig.tmux.remember(one, "18:abc;", mark="dep/w1.1")

    assert rig.raw("display-message", "-p", "-t", "=w1:", "#{@wakeman_head}") == "18:abc;"


def test_a_head_that_cannot_be_left_is_no_error(rig: Rig) -> None:
    rig.tmux.remember("$7", "18:abc", mark="dep/w1.1")
    Tmux(rig.socket, "/no/such/tmux", str(rig.place), ENV).remember("$7", "18:abc", mark="dep/w1.1")

    assert rig.tmux.poll().state == "down"


def test_a_person_attaches_by_exact_name(rig: Rig) -> None:
    assert (PROGRAM, "-S", rig.socket, "attach-session", "-t", "=w1:") == rig.tmux.attach("w1")


def test_a_person_attaches_to_the_session_of_that_id_and_mark_and_to_no_other(rig: Rig) -> None:
    [one] = begin(rig, born("w1"))
    pid, _, started = one.partition("@")[2].partition(":")
    wrong = (f"{one}1", f"$0@1{pid}:{started}", f"$9@{pid}:{started}")
    told = {}
    for session, mark in ((one, "dep/w1.1"), (one, "dep/w1.2"), *((other, "dep/w1.1") for other in wrong)):
        argv = ["script", "-qec", shlex.join(rig.tmux.attach(session, mark=mark)), "/dev/null"]
        with subprocess.Popen(argv, env={**ENV, "TERM": "xterm"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
            if mark == "dep/w1.1" and session == one:
                until(lambda: rig.raw("list-clients", "-F", "#{session_name}") == "w1")
                rig.raw("detach-client", "-s", "=w1")
            told[session, mark] = it.communicate()[0].decode()

    assert "detached" in told.pop((one, "dep/w1.1"))
    assert [] == [said for said in told.values() if "gone" not in said and "can't find session" not in said]


def test_the_users_own_server_reads_the_users_configuration(rig: Rig) -> None:
    (rig.place / ".tmux.conf").write_text("set -g @theirs yes\n")
    users = Tmux(f"{rig.place}/default", PROGRAM, str(rig.place), {**ENV, "HOME": str(rig.place)})
    users.submit([born("w1")])
    rig.socket = f"{rig.place}/default"

    assert rig.raw("show-options", "-gv", "@theirs") == "yes"


def test_what_a_check_does_loads_no_libtmux(rig: Rig) -> None:
    code = (
        "import sys; from wakeman.adapters.tmux import Tmux; from wakeman.ports import Start; "
        f"t = Tmux({rig.socket!r}, {PROGRAM!r}, '/', {{}}); "
        "[made] = t.submit([Start('w1', 'dep/w1.1', ('sleep', '600'), '/')]); t.poll(); "
        "t.remember(made.session_id, 'x', mark='dep/w1.1'); t.type(made.session_id, 'x', submit=False); "
        "t.capture(made.session_id); assert t.cancel([(made.session_id, 'dep/w1.1')]) == 1; "
        "print([name for name in ('libtmux', 'shlex', 'logging') if name in sys.modules])"
    )
    ran = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_a_strangers_session_can_be_marked_and_then_ended(rig: Rig) -> None:
    rig.raw("new-session", "-d", "-s", "mine", "sleep 600", ";", "split-window", "sleep 600")
    theirs = seen(rig, "mine").session_id
    rig.tmux.adopt(theirs, "dep/w 1.1")

    assert (seen(rig, "mine").mark, seen(rig, "mine").over) == ("dep/w 1.1", False)
    assert rig.tmux.cancel([(theirs, "dep/w 1.1")])


def test_a_session_of_ours_that_is_let_go_is_nobodys(rig: Rig) -> None:
    [made] = begin(rig, born("w1"))
    rig.tmux.release(made, "dep/w1.1")

    assert [("", False)] == [(one.mark, one.over) for one in rig.tmux.poll().seen]
    assert 0 == rig.tmux.cancel([(made, "dep/w1.1")])


def test_marking_twice_is_no_error(rig: Rig) -> None:
    [one] = begin(rig, born("w1"))
    rig.tmux.adopt(one, "dep/w1.1")

    assert seen(rig, "w1").mark == "dep/w1.1"


@pytest.mark.parametrize(
    ("session", "mark"),
    [("it", "dep/w1.2"), ("$0", "dep/w1.1"), ("$7", "dep/w1.1"), ("w1", "m"), ("it", "it's")],
)
def test_what_is_not_free_is_not_marked(rig: Rig, session: str, mark: str) -> None:
    [one] = begin(rig, born("w1"))

    with pytest.raises(ProgramError):
        rig.tmux.adopt(one if session == "it" else session, mark)

    assert seen(rig, "w1").mark == "dep/w1.1"


# A user's own configuration

HOOKS = {
    "a pane": """set-hook -g after-new-session 'split-window -h "sleep 600"'""",
    "a pane in front": """set-hook -g after-new-session 'split-window -hb "sleep 600"'""",
    "a window": """set-hook -g after-new-session 'new-window "sleep 600"'""",
    "a window in front": """set-hook -g after-new-session 'new-window -b "sleep 600"'""",
    "a window, told": """set-hook -g session-created 'new-window "sleep 600"'""",
    "a pane in each window": """set-hook -g after-new-window 'split-window "sleep 600"'
set-hook -g after-new-session 'new-window "sleep 600"'""",
    "another pane after a split": """set-hook -g after-split-window 'select-pane -l'
set-hook -g after-new-session 'split-window "sleep 600"'""",
    "another name": """set-hook -g after-new-session 'rename-session "#{session_name}-mine"'""",
    "words": """set-hook -g after-new-session 'run-shell "echo wakeman: \\$0@1:1 2 %3"'
set-hook -g after-new-window 'display-message -p "wakeman: equipped"'""",
    "numbers": "set -g base-index 1\nsetw -g pane-base-index 1\nset -g renumber-windows on",
    "a shell": """set -g default-command 'exec sh'\nset -g default-shell /bin/sh""",
    "what is dead stays": "set -g remain-on-exit on",
    "what is dead goes": "set -g remain-on-exit off\nset -g destroy-unattached on",
    "a status line": """set -g status-right '#(echo busy)'\nset -g status-interval 1
set-hook -g client-attached 'new-window'""",
}


@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize("hook", HOOKS)
def test_whatever_a_configuration_opens_the_worker_is_marked_kept_shown_and_typed_to(
    rig: Rig, hook: str, many: int
) -> None:
    (rig.place / ".tmux.conf").write_text(HOOKS[hook] + "\n")
    mine = Tmux(str(rig.place / "default"), PROGRAM, str(rig.place), ENV | {"HOME": str(rig.place)})
    rig.socket = str(rig.place / "default")
    files = [rig.place / f"stream {number}" for number in range(many)]
    starts = [
        born(f"w{number}", "/bin/sh", "-c", "read line; echo got $line; exit 7", stream=str(file))
        for number, file in enumerate(files)
    ]
    made = mine.submit(starts)
    assert [""] * many == [one.error for one in made]
    for one in made:
        mine.type(one.session_id, "hello", submit=True, mark="")

    def over() -> bool:
        rig.raw(
            "run-shell", "-b", "true"
        )  # makes tmux collect a status that it has missed; its own, too, so no waiting
        listed = {one.session_id: one for one in mine.poll().seen}
        return all(listed[one.session_id].over and listed[one.session_id].code == 7 for one in made)

    until(over, 30)
    listed = {one.session_id: one for one in mine.poll().seen}
    assert [(start.mark, one.pid) for start, one in zip(starts, made, strict=True)] == [
        (listed[one.session_id].mark, listed[one.session_id].pid) for one in made
    ]
    for one, file in zip(made, files, strict=True):
        assert "got hello" in mine.capture(one.session_id)
        until(lambda file=file: "got hello" in file.read_text())  # type: ignore[misc] # a bound loop variable


def test_a_worker_whose_pane_was_closed_is_not_typed_to_in_the_pane_of_another(rig: Rig) -> None:
    [made] = begin(rig, born("w1"))
    ours = rig.raw("display-message", "-p", "-t", "=w1:", "#{pane_id}")
    rig.raw("split-window", "-t", "=w1:", "cat")
    rig.raw("kill-pane", "-t", ours)

    for act in (lambda: rig.tmux.type(made, "rm", submit=True), lambda: rig.tmux.capture(made)):
        with pytest.raises(UnknownNameError, match="was closed"):
            act()
