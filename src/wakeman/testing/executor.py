"""A test kit for executors of other packages: the contract of every place where workers run.

from wakeman.testing.executor import faults

def test_it_is_an_executor(tmp_path: Path) -> None:
    assert [] == faults(make(), str(tmp_path))
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import msgspec

from wakeman.core.errors import ProgramError, UnknownNameError, WakemanError
from wakeman.core.model import Host, Plan, UnitsSpec, WorkersSpec
from wakeman.ports import Backend, CrowdTerminal, Executor, Made, SessionInfo, Start

BACKEND = ("found", "place", "executor")
EXECUTOR_MEMBERS = ("address", "outlives_boot", "terminal", "poll", "submit", "cancel", "logs")
TERMINAL = ("capture", "type", "attach", "adopt", "release", "remember", "recall")
MARK, OTHER = "kit/w/1@1", "kit/w/2@1"
ODD = "odd 'words' $HOME; # %"
ROWS = ("one", "two", ODD, "❯")
POLL_S = 0.05
"""Seconds between two polls while waiting."""


class Bench(Protocol):
    """What the kit runs in a place: programs of this machine, or their replacement."""

    def start(self, session: str, mark: str, code: int | None) -> Start:
        """Prepare a session that prints `ROWS`, and ends with `code` or (None) lives until it is ended."""

    def settle(self) -> None:
        """Let time pass."""


class Programs:
    """Programs of every machine, for a place that shares this machine's files."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def start(self, session: str, mark: str, code: int | None) -> Start:
        then = "exec sleep 600" if code is None else f"exit {code}"
        script = f'printf "%s\\n" one two "$KIT" ❯; {then}'
        return Start(
            session=session,
            mark=mark,
            argv=("/bin/sh", "-c", script),
            cwd=self.directory,
            env={"PATH": "/usr/bin:/bin", "KIT": ODD},
        )

    def settle(self) -> None:
        """Do nothing: time passes by itself."""


class _TestedExecutor:
    """An executor under test. `fresh` returns a new instance, as another process has it."""

    def __init__(self, fresh: Callable[[], Executor], bench: Bench, seconds: float) -> None:
        self.fresh, self.bench, self.seconds = fresh, bench, seconds
        self.executor = fresh()

    def begin(self, session: str, mark: str = MARK, code: int | None = None) -> Made:
        return self.executor.submit([self.bench.start(session, mark, code)])[0]

    def seen(self, executor: Executor | None = None) -> Mapping[str, SessionInfo]:
        return {one.session: one for one in (executor or self.executor).poll().seen if one.mark.startswith("kit/")}

    def phase(self, session: str) -> str:
        one = self.seen().get(session)
        return one.phase if one is not None else "gone"

    def awaited(self, holds: Callable[[], bool]) -> bool:
        """Return whether a condition becomes true in time."""
        until = time.monotonic() + self.seconds
        while not holds():
            if time.monotonic() > until:
                return False
            self.bench.settle()
            time.sleep(POLL_S)
        return True

    def clear(self) -> None:
        """End what was started. Boundary: a place may still list ended sessions."""

        def gone() -> bool:
            self.executor.cancel([(one.session_id, one.mark) for one in self.seen().values()])
            return all(one.over for one in self.seen().values())

        self.awaited(gone)


def faults(backend: Backend, directory: str, bench: Bench | None = None, *, seconds: float = 20.0) -> list[str]:
    """List the violations of the contract by a back end.

    Shape: `directory` is empty and is used as a deployment's own; `bench` is for a place that runs no programs of this
    machine; `seconds` is the time that the place may take for each step. Effects: sessions with marks `kit/...` are
    started, and ended.
    """
    missing = [f"back end: {name}: missing" for name in BACKEND if not hasattr(backend, name)]
    if missing:
        return missing
    environ = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": directory}
    workers = WorkersSpec(command=("true",), socket=f"{directory}/socket")
    plan = Plan(name="kit", units=UnitsSpec(items=("a",)), workers=workers)
    place = dict(backend.place(plan, directory, environ))
    if msgspec.json.decode(msgspec.json.encode(place)) != place:
        return [f"place: found {place}, which does not stand in a log as it is; expected texts"]
    host = Host(root="/", directory=directory, python=(), env=environ, place=place)
    executor = backend.executor(host)
    members = [f"{name}: missing" for name in EXECUTOR_MEMBERS if not hasattr(executor, name)]
    if not members and executor.terminal is not None:
        members = [f"terminal: {name}: missing" for name in TERMINAL if not hasattr(executor.terminal, name)]
    return members or list(
        _probe_faults(_TestedExecutor(lambda: backend.executor(host), bench or Programs(directory), seconds))
    )


def _probe_faults(place: _TestedExecutor) -> Iterator[str]:
    for probe in EXECUTOR_PROBES:
        name = probe.__name__.strip("_")
        try:
            yield from (f"{name}: {fault}" for fault in probe(place))
        except WakemanError as fault:
            yield f"{name}: {fault!r}"
        finally:
            place.clear()


def _empty(place: _TestedExecutor) -> Iterator[str]:
    if place.executor.poll().state == "unknown":
        yield f"poll: found unknown ({place.executor.poll().why}), expected up or down"
    if place.executor.submit([]):
        yield "submit: found something made of nothing"
    if place.executor.cancel([]) or place.executor.cancel([("nobody", MARK)]):
        yield "cancel: found something ended where nothing was started"
    if place.executor.address != place.fresh().address:
        yield "address: found two for one place"


def _many(place: _TestedExecutor) -> Iterator[str]:
    names = ("m2", "m1", "m3")
    made = place.executor.submit([place.bench.start(name, MARK, None) for name in names])
    seen = place.seen(place.fresh())
    if [one.session_id for one in made] != [seen[name].session_id if name in seen else None for name in names]:
        found = [one.session_id or one.error for one in made]
        yield f"submit: found {found}, expected the ids that a poll gives, in order"
    if len({one.session_id for one in made}) != len(names):
        yield "submit: found one id for two sessions"
    if wrong := {one.phase for one in seen.values()} - {"queued", "running"}:
        yield f"poll: found {', '.join(sorted(wrong))}, expected queued or running"
    if not place.awaited(lambda: all(place.phase(name) == "running" for name in names)):
        yield "poll: found no session that runs"
    listing = place.executor.poll()
    if listing.state != "up" or not listing.server:
        yield f"poll: found {listing.state} {listing.server!r}, expected up, and a name for what answers"
    again = place.executor.poll({one.session_id: listing.server for one in made})
    if lost := {**again.gone, **again.hidden}:
        yield f"poll: found {lost}, though the same answers"


def _again(place: _TestedExecutor) -> Iterator[str]:
    first = place.begin("w")
    if place.begin("w").session_id != first.session_id:
        yield "submit: found another session for the same name and mark, expected the one that is there"
    other = place.begin("w", OTHER)
    if not other.taken or other.session_id or not other.error:
        yield "submit: found a name of another mark not taken, or no reason"
    seen = place.seen().get("w")
    if seen is None or (seen.session_id, seen.mark) != (first.session_id, MARK):
        yield "submit: the session whose name was wanted is not as it was"


def _exits(place: _TestedExecutor) -> Iterator[str]:
    for name, code in (("good", 0), ("bad", 3)):
        place.begin(name, code=code)
        if not place.awaited(lambda name=name: place.phase(name) in ("exited", "killed", "lost", "gone")):  # type: ignore[misc] # bound on purpose
            yield f"poll: found {place.phase(name)} for ever, expected exited"
            continue
        if getattr(place.seen().get(name), "code", None) is None:
            place.begin(f"{name}-next", code=0)  # a status may come with the next end only, as tmux may miss a signal
        place.awaited(lambda name=name, code=code: getattr(place.seen().get(name), "code", None) == code)  # type: ignore[misc] # as above
        one = place.seen().get(name)
        if one is None or (one.phase, one.code) != ("exited", code):
            yield f"poll: found {one and (one.phase, one.code)}, expected exited with {code}, until it is cancelled"


def _cancels(place: _TestedExecutor) -> Iterator[str]:
    live, stays = place.begin("live"), place.begin("stays")
    place.begin("over", code=0)
    place.awaited(lambda: place.phase("over") == "exited")
    over = place.seen().get("over")
    if place.executor.cancel([(live.session_id, OTHER)]) or place.phase("live") not in ("queued", "running"):
        yield "cancel: ended a session of another mark"
    ended = place.executor.cancel([("nobody", MARK), (live.session_id, MARK), (over.session_id if over else "", MARK)])
    if ended != 2:
        yield f"cancel: found {ended} ended, expected 2: those that are there"
    if not place.awaited(lambda: place.phase("live") not in ("queued", "running")):
        yield "cancel: the session goes on"
    if place.phase("stays") != "running" or place.seen()["stays"].session_id != stays.session_id:
        yield "cancel: ended a session that was not named"
    place.executor.cancel([(one.session_id, one.mark) for name, one in place.seen().items() if name == "live"])
    for name in ("live", "over"):
        if place.begin(name, OTHER).error:
            yield "submit: the name of a session that was ended is not free again"


def _shows(place: _TestedExecutor) -> Iterator[str]:
    made = place.begin("s1")
    for session in ("s1", made.session_id):
        if not place.awaited(lambda session=session: place.executor.logs(session, 3) == "\n".join(ROWS[-3:])):  # type: ignore[misc] # bound on purpose
            yield f"logs: found {place.executor.logs(session, 3)!r}, expected {ROWS[-3:]}, the last lines"
    for session in ("s", "s11", ""):
        try:
            place.executor.logs(session)
            yield f"logs: found something of {session!r}, expected UnknownNameError"
        except UnknownNameError:
            pass
    for session in ("s1", made.session_id):
        if place.executor.logs(session, 3, mark=MARK) != "\n".join(ROWS[-3:]):
            yield f"logs: found {place.executor.logs(session, 3, mark=MARK)!r} of its own mark, expected {ROWS[-3:]}"
        try:
            place.executor.logs(session, mark=OTHER)
            yield f"logs: found something of {session!r} with another mark, expected UnknownNameError"
        except UnknownNameError:
            pass


def _never_again(place: _TestedExecutor) -> Iterator[str]:
    first = place.begin("n1")
    place.executor.cancel([(first.session_id, MARK)])
    place.awaited(lambda: place.phase("n1") not in ("queued", "running"))
    second = place.begin("n1", OTHER)
    if second.session_id == first.session_id:
        yield "submit: found the id of a session that is over, expected one that was never used"
    if place.executor.cancel([(first.session_id, OTHER)]) or place.phase("n1") not in ("queued", "running"):
        yield "cancel: ended a session by the id of one that is over"


def _shows_on_terminals(place: _TestedExecutor) -> Iterator[str]:
    terminal = place.executor.terminal
    if terminal is None:
        return
    made = place.begin("t1")
    if not place.awaited(lambda: terminal.capture("t1", 2) == "\n".join(ROWS[-2:])):
        yield f"capture: found {terminal.capture('w1', 2)!r}, expected {ROWS[-2:]}"
    if not any("t1" in word or made.session_id in word for word in terminal.attach("t1")):
        yield f"attach: found {terminal.attach('w1')}, which names no session"
    terminal.type("t1", "hello", submit=False, mark=MARK)
    if not place.awaited(lambda: "hello" in terminal.capture("t1", mark=MARK)):
        yield "type: nothing of it shows"
    for session in ("t1", made.session_id):
        try:
            terminal.type(session, "astray", submit=False, mark=OTHER)
            yield f"type: typed into {session!r} of another mark"
        except (UnknownNameError, ProgramError):
            pass
        try:
            terminal.capture(session, mark=OTHER)
            yield f"capture: found something of {session!r} with another mark, expected UnknownNameError"
        except UnknownNameError:
            pass
    if "astray" in terminal.capture("t1"):
        yield "type: what was typed for another mark shows"
    try:
        terminal.adopt(made.session_id, OTHER)
        yield "adopt: took a session of another mark"
    except ProgramError:
        pass
    try:
        terminal.release(made.session_id, OTHER)
        yield "release: let go of a session of another mark"
    except (UnknownNameError, ProgramError):
        pass
    terminal.remember(made.session_id, "8:abc", mark=OTHER)
    terminal.remember(made.session_id, "7:abc", mark=MARK)
    if (MARK, "7:abc") not in terminal.recall():
        yield f"recall: found {terminal.recall()}, expected what was left on the session"


def _shows_many(place: _TestedExecutor) -> Iterator[str]:
    terminal = place.executor.terminal
    if not isinstance(terminal, CrowdTerminal):
        return
    made = place.begin("c1")
    if not place.awaited(lambda: terminal.capture("c1", 2) == "\n".join(ROWS[-2:])):
        yield f"capture: found {terminal.capture('c1', 2)!r}, expected {ROWS[-2:]}"
    expected = [terminal.capture(made.session_id, 2), None, terminal.capture(made.session_id, 2)]
    shown = terminal.captures([(made.session_id, mark) for mark in (MARK, OTHER, MARK)], 2)
    if shown != expected:
        yield f"captures: found {shown}, expected {expected}"


EXECUTOR_PROBES: tuple[Callable[[_TestedExecutor], Iterator[str]], ...] = (
    _empty, _many, _again, _exits, _cancels, _never_again, _shows, _shows_on_terminals,
    _shows_many,
)  # fmt: skip
"""Run one after the other; sessions of one are ended before the next."""
