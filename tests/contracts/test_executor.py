"""What `ports.Executor` and `ports.Terminal` promise, of sessions that are acted in memory and of a tmux server."""

from __future__ import annotations

import os
import signal
import socket
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from msgspec.structs import replace
from tests.adapters.conftest import Rig, server_of_its_own
from tests.waiting import until

import wakeman.adapters
from wakeman.adapters.memory import Act, MemoryClock, MemoryFiles, MemorySessions
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.ports import Executor, SessionInfo, Start, Terminal

WRAPPER = str(Path(wakeman.adapters.__file__).with_name("wrapper.sh"))
MARK, OTHER = "night/w1/1", "night/w1/2"
LIVE = 'printf "%s\\n" one two three; IFS= read -r line; printf %s "$line" >"$0.tmp"; mv "$0.tmp" "$0"; exec cat'
"""Shows three lines, keeps the first line typed in a file, and lives on."""


class Place(Executor, Terminal, Protocol):
    """A place whose sessions have terminals."""


class Bench(Protocol):
    """A host, and what stands around it."""

    sessions: Place

    @abstractmethod
    def attempt(self, session: str = "w1", mark: str = MARK, code: int | None = None) -> Start:
        """Prepare an attempt that ends with `code`, or lives and has `one`, `two`, `three` on its screen."""

    @abstractmethod
    def stranger(self, session: str) -> str:
        """Begin a session that is not ours; return its id."""

    @abstractmethod
    def exit_status(self, start: Start) -> str:
        """Read the attempt's exit file, "" when there is none."""

    @abstractmethod
    def heard(self, start: Start) -> str:
        """Return the line that an attempt read from its terminal."""

    @abstractmethod
    def settle(self) -> None:
        """Let everything end that is about to."""

    @abstractmethod
    def dies(self) -> None:
        """Have the server end at once: the next start brings another one up."""

    @abstractmethod
    def unreachable(self) -> AbstractContextManager[None]:
        """Have the server answer no more, for a while, though it lives: the next start brings another one up."""

    @abstractmethod
    def hung(self) -> AbstractContextManager[Place]:
        """Have the host give no answer for a while; return it as seen by somebody impatient."""


class MemoryBench(Bench):
    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.files = MemoryFiles(self.clock)
        self.acts: dict[str, Act] = {}
        self.sessions: MemorySessions = MemorySessions(self.clock, self.files, self.acts.__getitem__)

    def attempt(self, session: str = "w1", mark: str = MARK, code: int | None = None) -> Start:
        home = f"/state/night/attempts/{session}-{mark[-1:]}"
        self.files.write(f"{home}/units.jsonl", b"")
        self.acts[session] = Act(hangs=code is None, code=code or 0)
        self.sessions.screens[session] = "one\ntwo\nthree"
        return Start(session, mark, ("/bin/sh", "wrapper.sh", home, "--", "act"), "/")

    def stranger(self, session: str) -> str:
        return self.sessions.submit([replace(self.attempt(session), mark="")])[0].session_id

    def exit_status(self, start: Start) -> str:
        return self.files.tail(f"{start.argv[2]}/exit").decode()

    def heard(self, start: Start) -> str:
        return next((text for session, text, _ in self.sessions.typed if session == start.session), "")

    def settle(self) -> None:
        self.clock.advance(60)
        self.sessions.play()

    def dies(self) -> None:
        self.sessions.leave()

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self.sessions.hide()
        yield
        self.sessions.away.clear()

    @contextmanager
    def hung(self) -> Iterator[Place]:
        self.sessions.state = "unknown"
        yield self.sessions
        self.sessions.state = "up"


class TmuxBench(Bench):
    def __init__(self, rig: Rig, place: Path) -> None:
        self.rig, self.place = rig, place
        self.sessions = rig.tmux

    def attempt(self, session: str = "w1", mark: str = MARK, code: int | None = None) -> Start:
        home = self.place / "night" / "attempts" / f"{session}-{mark[-1:]}"
        home.mkdir(parents=True)
        script = LIVE if code is None else f"exit {code}"
        argv = ("/bin/sh", WRAPPER, str(home), "--", "/bin/sh", "-c", script, str(home / "heard"))
        return Start(session, mark, argv, "/")

    def stranger(self, session: str) -> str:
        return self.rig.raw("new-session", "-d", "-P", "-F", "#{session_id}@#{pid}:#{start_time}", "-s", session, "cat")

    def exit_status(self, start: Start) -> str:
        return contents(Path(start.argv[2]) / "exit")

    def heard(self, start: Start) -> str:
        return contents(Path(start.argv[2]) / "heard")

    def settle(self) -> None:
        """Have the server look for ended children.

        Source: tmux issue 311: while its utmp helper runs, the end of a child goes unnoticed until the next one's.
        """
        os.kill(self.rig.server(), signal.SIGCHLD)

    def dies(self) -> None:
        os.kill(self.rig.server(), signal.SIGKILL)
        until(lambda: self.sessions.poll().state == "down")

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        server = self.rig.server()
        os.unlink(self.rig.socket)
        with socket.socket(socket.AF_UNIX) as nobody:  # otherwise the server is asked to make its socket anew
            nobody.bind(self.rig.socket)
        try:
            yield
        finally:
            os.kill(server, signal.SIGTERM)

    @contextmanager
    def hung(self) -> Iterator[Place]:
        server = self.rig.server()
        os.kill(server, signal.SIGSTOP)
        try:
            yield self.rig.impatient()
        finally:
            os.kill(server, signal.SIGCONT)


def contents(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        yield MemoryBench()
    else:
        with server_of_its_own() as rig:
            yield TmuxBench(rig, tmp_path)


@pytest.fixture
def host(bench: Bench) -> Place:
    return bench.sessions


def seen(host: Place, session: str = "w1") -> SessionInfo:
    """Find a session that is there."""
    return {seen.session: seen for seen in host.poll().seen}[session]


def names(host: Place) -> list[str]:
    return sorted(seen.session for seen in host.poll().seen)


def begin(host: Place, start: Start) -> str:
    """Start a session; return its id."""
    return host.submit([start])[0].session_id


def ended(bench: Bench, code: int) -> Start:
    """Start an attempt and await its end."""
    start = bench.attempt(code=code)
    begin(bench.sessions, start)
    until(lambda: _is_over(bench))
    return start


def _is_over(bench: Bench) -> bool:
    bench.settle()
    return seen(bench.sessions).code is not None


# Looking


def test_a_host_on_which_nothing_was_started_is_down(host: Place) -> None:
    assert ("down", ()) == (host.poll().state, host.poll().seen)


def test_a_host_with_a_session_is_up_and_names_its_server(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    assert ("up", True) == (host.poll().state, host.poll().server != "")


def test_a_session_shows_its_mark(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    assert MARK == seen(host).mark


def test_a_strangers_session_shows_no_mark(bench: Bench, host: Place) -> None:
    bench.stranger("mine")

    assert "" == seen(host, "mine").mark


def test_a_session_shows_the_ids_that_its_start_gave(bench: Bench, host: Place) -> None:
    (made,) = host.submit([bench.attempt()])

    assert (made.session_id, made.pid) == (seen(host).session_id, seen(host).pid)


def test_a_session_at_work_is_not_dead_and_has_no_code(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    assert ("running", None) == (seen(host).phase, seen(host).code)


@pytest.mark.parametrize("code", [0, 3])
def test_a_session_outlives_its_program_and_shows_its_code(bench: Bench, host: Place, code: int) -> None:
    ended(bench, code)

    assert ("exited", code) == (seen(host).phase, seen(host).code)


def test_a_program_that_ended_left_its_exit_status(bench: Bench) -> None:
    start = ended(bench, 3)

    assert "3\n" == bench.exit_status(start)


def test_a_hung_host_is_unknown_and_says_why(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    with bench.hung() as hung:
        listing = hung.poll()

    assert ("unknown", (), True) == (listing.state, listing.seen, listing.why != "")


# Starting


def test_several_are_started_in_one_call_and_answered_in_order(bench: Bench, host: Place) -> None:
    made = host.submit([bench.attempt(session) for session in ("w2", "w1", "w3")])

    assert [one.session_id for one in made] == [seen(host, session).session_id for session in ("w2", "w1", "w3")]


def test_starting_none_makes_none(host: Place) -> None:
    assert ([], "down") == (host.submit([]), host.poll().state)


def test_a_start_that_is_repeated_gives_the_session_that_is_there(bench: Bench, host: Place) -> None:
    start = bench.attempt()

    assert host.submit([start]) == host.submit([start])


def test_a_name_that_another_mark_holds_is_taken(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    (made,) = host.submit([bench.attempt(mark=OTHER)])

    assert (True, "", 0, True) == (made.taken, made.session_id, made.pid, made.error != "")


def test_a_name_that_a_stranger_holds_is_taken(bench: Bench, host: Place) -> None:
    bench.stranger("w1")

    assert host.submit([bench.attempt()])[0].taken


def test_a_session_whose_name_is_wanted_stays_as_it_is(bench: Bench, host: Place) -> None:
    first = begin(host, bench.attempt())

    host.submit([bench.attempt(mark=OTHER)])

    assert (first, MARK) == (seen(host).session_id, seen(host).mark)


def test_a_taken_name_does_not_hold_up_the_others(bench: Bench, host: Place) -> None:
    bench.stranger("w1")

    made = host.submit([bench.attempt("w1"), bench.attempt("w2")])

    assert ["", seen(host, "w2").session_id] == [one.session_id for one in made]


def test_a_start_on_a_hung_host_is_refused(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    with bench.hung() as hung, pytest.raises(ProgramError):
        hung.submit([bench.attempt("w2")])


# Ending


def test_an_ended_session_is_gone(bench: Bench, host: Place) -> None:
    session_id = begin(host, bench.attempt())

    assert (1, []) == (host.cancel([(session_id, MARK)]), names(host))


def test_the_program_of_an_ended_session_is_hung_up_on(bench: Bench, host: Place) -> None:
    start = bench.attempt()
    session_id = begin(host, start)
    until(lambda: "three" in host.capture("w1"))

    host.cancel([(session_id, MARK)])

    until(lambda: bench.exit_status(start))
    assert "129\n" == bench.exit_status(start)


def test_a_dead_session_is_ended_too_and_keeps_its_exit_status(bench: Bench, host: Place) -> None:
    start = ended(bench, 3)

    count = host.cancel([(seen(host).session_id, MARK)])

    assert (1, "3\n") == (count, bench.exit_status(start))


def test_a_session_of_another_mark_is_not_ended(bench: Bench, host: Place) -> None:
    session_id = begin(host, bench.attempt())

    assert (0, ["w1"]) == (host.cancel([(session_id, OTHER)]), names(host))


@pytest.mark.parametrize("mark", ["", MARK])
def test_a_strangers_session_is_never_ended(bench: Bench, host: Place, mark: str) -> None:
    session_id = bench.stranger("mine")

    assert (0, ["mine"]) == (host.cancel([(session_id, mark)]), names(host))


def test_of_several_those_are_ended_that_are_there_and_ours(bench: Bench, host: Place) -> None:
    first, second = (begin(host, bench.attempt(session)) for session in ("w1", "w2"))
    stranger = bench.stranger("mine")

    count = host.cancel([("$99", MARK), (first, MARK), (stranger, MARK), (second, MARK)])

    assert (2, ["mine"]) == (count, names(host))


def test_ending_none_ends_none(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    assert (0, ["w1"]) == (host.cancel([]), names(host))


def test_ending_where_nothing_was_started_ends_none(host: Place) -> None:
    assert 0 == host.cancel([("$0", MARK)])


def test_the_name_of_an_ended_session_is_free_again(bench: Bench, host: Place) -> None:
    bench.stranger("mine")
    host.cancel([(begin(host, bench.attempt()), MARK)])

    host.submit([bench.attempt(mark=OTHER)])

    assert OTHER == seen(host).mark


# Screens


@pytest.mark.parametrize("by", [lambda seen: seen.session, lambda seen: seen.session_id], ids=["name", "id"])
def test_a_screen_is_captured_by_name_and_by_id(bench: Bench, host: Place, by: Callable[[SessionInfo], str]) -> None:
    begin(host, bench.attempt())

    until(lambda: host.capture(by(seen(host))) == "one\ntwo\nthree")


def test_a_capture_is_the_last_lines(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    until(lambda: host.capture("w1", 2) == "two\nthree")


@pytest.mark.parametrize("session", ["w", "w11", "$99", ""])
def test_capturing_an_unknown_session_is_refused(bench: Bench, host: Place, session: str) -> None:
    begin(host, bench.attempt())

    with pytest.raises(UnknownNameError):
        host.capture(session)


def test_capturing_where_nothing_was_started_is_refused(host: Place) -> None:
    with pytest.raises(UnknownNameError):
        host.capture("w1")


# Typing


def test_what_is_typed_and_submitted_arrives(bench: Bench, host: Place) -> None:
    start = bench.attempt()
    begin(host, start)

    host.type("w1", "go on, it's fine", submit=True)

    until(lambda: bench.heard(start))
    assert "go on, it's fine" == bench.heard(start)


def test_typing_to_an_unknown_session_is_refused(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    with pytest.raises(UnknownNameError):
        host.type("w", "go on", submit=True)


def test_typing_to_a_dead_session_is_refused(bench: Bench, host: Place) -> None:
    ended(bench, 0)

    with pytest.raises(ProgramError):
        host.type("w1", "go on", submit=True)


# What else a host does


def test_the_command_line_that_attaches_names_the_session(host: Place) -> None:
    assert "w1" in host.attach("w1")[-1]


def test_a_strangers_session_can_be_marked(bench: Bench, host: Place) -> None:
    session_id = bench.stranger("mine")

    host.adopt(session_id, MARK)

    assert MARK == seen(host, "mine").mark


def test_a_session_that_was_marked_can_be_ended(bench: Bench, host: Place) -> None:
    session_id = bench.stranger("mine")
    host.adopt(session_id, MARK)

    assert 1 == host.cancel([(session_id, MARK)])


def test_marking_again_with_the_same_mark_is_no_error(bench: Bench, host: Place) -> None:
    session_id = begin(host, bench.attempt())

    host.adopt(session_id, MARK)

    assert MARK == seen(host).mark


def test_the_mark_of_another_attempt_is_not_replaced(bench: Bench, host: Place) -> None:
    session_id = begin(host, bench.attempt())

    with pytest.raises(ProgramError):
        host.adopt(session_id, OTHER)

    assert MARK == seen(host).mark


def test_the_mark_that_may_be_replaced_is(bench: Bench, host: Place) -> None:
    session_id = begin(host, bench.attempt())

    host.adopt(session_id, OTHER, MARK)

    assert OTHER == seen(host).mark


def test_a_session_that_does_not_linger_is_gone_with_its_program(bench: Bench, host: Place) -> None:
    bench.stranger("mine")
    begin(host, replace(bench.attempt("w2", code=0), lingers=False))

    def gone() -> bool:
        bench.settle()
        return "w2" not in names(host)

    until(gone)


def test_marking_what_is_gone_is_refused(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    with pytest.raises(ProgramError):
        host.adopt("$99", MARK)


def test_a_session_that_is_let_go_goes_on_without_a_mark_and_can_be_marked_again(bench: Bench, host: Place) -> None:
    session_id = bench.stranger("mine")
    host.adopt(session_id, MARK)
    host.remember(session_id, "7:abc", mark=MARK)

    host.release(session_id, MARK)

    assert ("", "running", []) == (seen(host, "mine").mark, seen(host, "mine").phase, host.recall())
    host.adopt(session_id, OTHER)
    assert OTHER == seen(host, "mine").mark


def test_a_session_of_another_mark_is_not_let_go(bench: Bench, host: Place) -> None:
    session_id = bench.stranger("mine")
    host.adopt(session_id, MARK)

    with pytest.raises(UnknownNameError):
        host.release(session_id, OTHER)

    assert MARK == seen(host, "mine").mark


def test_a_head_that_cannot_be_left_is_no_error(host: Place) -> None:
    host.remember("$99", "7:abc", mark=MARK)


def test_a_head_that_was_left_is_found_with_the_mark_of_its_session(bench: Bench, host: Place) -> None:
    made = begin(host, bench.attempt())
    bench.stranger("w9")
    host.remember(made, "7:abc", mark=MARK)

    assert [(MARK, "7:abc")] == host.recall()


def test_a_host_that_does_not_answer_recalls_nothing(bench: Bench, host: Place) -> None:
    begin(host, bench.attempt())

    with bench.hung() as hung:
        assert [] == hung.recall()


# A second server, which counts its sessions from the beginning


VERBS: dict[str, Callable[[Place, str, str], object]] = {
    "cancel": lambda host, session, mark: host.cancel([(session, mark)]),
    "capture": lambda host, session, mark: host.capture(session, mark=mark),
    "capture, whoever's": lambda host, session, _: host.capture(session),
    "logs": lambda host, session, mark: host.logs(session, mark=mark),
    "type": lambda host, session, mark: host.type(session, "astray", submit=True, mark=mark),
    "type, whoever's": lambda host, session, _: host.type(session, "astray", submit=True),
    "adopt": lambda host, session, mark: host.adopt(session, mark),
    "release": lambda host, session, mark: host.release(session, mark),
    "remember": lambda host, session, mark: host.remember(session, "7:abc", mark=mark),
}
"""Each verb that takes a session's id, with an id and the mark that its session should carry."""


def refused(verb: str, host: Place, session: str, mark: str) -> bool:
    """Return whether a verb does nothing with an id and a mark, and finds nothing."""
    try:
        return not VERBS[verb](host, session, mark)
    except (UnknownNameError, ProgramError):
        return True


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("mark", [MARK, OTHER])
def test_an_id_of_a_server_that_is_gone_reaches_no_session_of_the_next(
    bench: Bench, host: Place, verb: str, mark: str
) -> None:
    old = begin(host, bench.attempt())
    bench.dies()
    start = bench.attempt("w2", OTHER)
    new = begin(host, start)

    assert (True, True) == (refused(verb, host, old, mark), old != new)
    assert (["w2"], OTHER, []) == (names(host), seen(host, "w2").mark, host.recall())
    host.type("w2", "mine", submit=True)
    until(lambda: bench.heard(start))
    assert "mine" == bench.heard(start)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("mark", [MARK, OTHER])
def test_an_id_of_a_server_that_cannot_be_reached_reaches_no_session_of_the_next(
    bench: Bench, host: Place, verb: str, mark: str
) -> None:
    old = begin(host, bench.attempt())
    with bench.unreachable():
        begin(host, bench.attempt("w2", OTHER))

        assert refused(verb, host, old, mark)
        assert (["w2"], OTHER, []) == (names(host), seen(host, "w2").mark, host.recall())


@pytest.mark.parametrize("verb", [verb for verb in VERBS if "whoever" not in verb])
@pytest.mark.parametrize("by", ["id", "name"])
def test_what_carries_another_mark_is_not_reached_by_its_id_or_name(
    bench: Bench, host: Place, verb: str, by: str
) -> None:
    session_id = begin(host, bench.attempt())

    assert refused(verb, host, session_id if by == "id" else "w1", OTHER)
    assert (["w1"], MARK, []) == (names(host), seen(host).mark, host.recall())


@pytest.mark.parametrize("answers", [False, True])
def test_sessions_of_a_server_that_is_gone_are_gone(bench: Bench, host: Place, *, answers: bool) -> None:
    old = begin(host, bench.attempt())
    bench.dies()
    new = begin(host, bench.attempt("w2", OTHER)) if answers else "$7@1:1"

    listing = host.poll({old: "", new: ""})

    assert ([old] if answers else [old, new], []) == ([*listing.gone], [*listing.hidden])


@pytest.mark.parametrize("answers", [False, True])
def test_of_sessions_whose_server_lives_and_cannot_be_reached_nothing_is_told(
    bench: Bench, host: Place, *, answers: bool
) -> None:
    old = begin(host, bench.attempt())
    with bench.unreachable():
        new = begin(host, bench.attempt("w2", OTHER)) if answers else ""

        listing = host.poll({old: "", new: ""})

        assert ([], [old]) == ([*listing.gone], [*listing.hidden])


def test_an_id_of_the_version_before_counts_with_the_server_that_was_seen(bench: Bench, host: Place) -> None:
    old = begin(host, bench.attempt())
    server, bare = host.poll().server, old.partition("@")[0]
    same = host.poll({bare: server})
    bench.dies()
    begin(host, bench.attempt("w2", OTHER))

    listing = host.poll({bare: server, "": server})

    assert ({}, {}, [bare, ""], {}) == (same.gone, same.hidden, [*listing.gone], listing.hidden)


def test_a_session_known_by_an_id_of_the_version_before_is_ended_by_its_mark(bench: Bench, host: Place) -> None:
    bare = begin(host, bench.attempt()).partition("@")[0]

    assert (0, 1) == (host.cancel([(bare, OTHER)]), host.cancel([(bare, MARK)]))


def test_an_id_of_the_version_before_finds_nothing_without_a_mark(bench: Bench, host: Place) -> None:
    bare = begin(host, bench.attempt()).partition("@")[0]

    with pytest.raises(UnknownNameError):
        host.capture(bare)


def test_a_session_is_found_by_its_mark_and_by_its_id_only_without_one(bench: Bench, host: Place) -> None:
    ours, stranger = begin(host, bench.attempt()), bench.stranger("mine")

    find = host.poll().finder()

    found = [find(*pair) for pair in ((ours, MARK), ("$9", MARK), (ours, OTHER), (stranger, OTHER), ("$9", ""))]
    assert ["w1", "w1", None, "mine", None] == [one and one.session for one in found]
