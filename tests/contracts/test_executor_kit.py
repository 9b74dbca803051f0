"""The kit for executors of other packages, run on correct ones and on some with a fault each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec.structs import replace
from tests.plugins.forked import ForkedBackend

from wakeman.adapters.memory import Act, MemoryClock, MemoryFiles, MemorySessions
from wakeman.adapters.tmux import TmuxBackend
from wakeman.core.model import Host, Plan
from wakeman.ports import Listing, Made, Start
from wakeman.testing.executor import ROWS, Programs, faults

TMUX = [pytest.mark.real, pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")]


class MemoryBackend:
    """The sessions in memory as a back end, and the bench that has acts played in them."""

    def __init__(self, kind: type[MemorySessions] = MemorySessions) -> None:
        self.clock = MemoryClock()
        self.files = MemoryFiles(self.clock)
        self.acts: dict[str, Act] = {}
        self.sessions = kind(self.clock, self.files, self.acts.__getitem__)
        self.numbers = count()

    def found(self, environ: Mapping[str, str]) -> str:
        del environ
        return "memory"

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        del plan, directory, environ
        return {}

    def executor(self, host: Host) -> MemorySessions:
        del host
        return self.sessions

    def start(self, session: str, mark: str, code: int | None) -> Start:
        home = f"/state/kit/attempts/{next(self.numbers)}"
        self.files.write(f"{home}/units.jsonl", b"")
        self.acts[session] = Act(hangs=code is None, code=code or 0)
        self.sessions.screens[session] = "\n".join(ROWS)
        return Start(session, mark, ("/bin/sh", "wrapper.sh", home, "--", "act"), "/")

    def settle(self) -> None:
        self.clock.advance(60)
        self.sessions.play()


def found(kind: type[MemorySessions], seconds: float = 0.1) -> list[str]:
    """Return what the kit says of an executor in memory."""
    backend = MemoryBackend(kind)
    return faults(backend, "/state/kit", backend, seconds=seconds)


def test_the_sessions_in_memory_keep_to_the_protocol() -> None:
    assert [] == found(MemorySessions, 20)


@pytest.fixture
def directory() -> Iterator[Path]:
    """Yield a directory whose path is short enough for a socket in it."""
    with TemporaryDirectory(prefix="wk", dir="/tmp", ignore_cleanup_errors=True) as place:
        yield Path(place)


class Reaped(Programs):
    """Has the tmux server look for ended children: see `settle` in `test_executor.py`."""

    def settle(self) -> None:
        argv = ["tmux", "-S", f"{self.directory}/socket", "display-message", "-p", "#{pid}"]
        told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
        if told:
            os.kill(int(told), signal.SIGCHLD)


@pytest.mark.parametrize(
    "backend", [pytest.param(TmuxBackend, marks=TMUX), pytest.param(ForkedBackend, marks=pytest.mark.real)]
)
def test_places_for_real_programs_keep_to_the_protocol(
    backend: Callable[[], TmuxBackend | ForkedBackend], directory: Path
) -> None:
    bench = Reaped(str(directory)) if backend is TmuxBackend else None

    assert [] == faults(backend(), str(directory), bench)


class EndsAnything(MemorySessions):
    """Ends whoever has the id, whatever its mark."""

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        marks = {p.session_id: p.mark for p in self.playing.values()}
        return super().cancel([(one, marks.get(one, "")) for one, _ in ends])


class TakesAnything(MemorySessions):
    """Gives a session that is there to whoever wants its name."""

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        there = {name: p.mark for name, p in self.playing.items()}
        return super().submit([replace(start, mark=there.get(start.session, start.mark)) for start in starts])


class Backwards(MemorySessions):
    """Answers in another order."""

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        return super().submit(starts)[::-1]


class Forgetful(MemorySessions):
    """Does not know how a session ended."""

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        listing = super().poll(known)
        return replace(listing, seen=tuple(replace(one, code=None) for one in listing.seen))


class Hasty(MemorySessions):
    """Forgets a session as soon as it has ended."""

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        listing = super().poll(known)
        return replace(listing, seen=tuple(one for one in listing.seen if not one.over))


class Restless(MemorySessions):
    """Takes every answer for that of a new server."""

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        return replace(super().poll(known), gone=dict.fromkeys(known, "it is another"))


class Prefixed(MemorySessions):
    """Takes the beginning of a name for the name."""

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        return super().logs(
            next((name for name in self.playing if name.startswith(session)), session), lines, mark=mark
        )


class Whole(MemorySessions):
    """Shows all, however few lines were asked for."""

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        return super().logs(session, max(lines, 50), mark=mark)


class Unmarked(MemorySessions):
    """Shows, and types into, whoever has the id or name, whatever its mark."""

    def capture(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        del mark
        return super().capture(session, lines)

    def type(self, session: str, text: str, *, submit: bool, mark: str = "") -> None:
        del mark
        super().type(session, text, submit=submit)


class Recounting(MemorySessions):
    """Gives the same id to each session of a name."""

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        made = super().submit(starts)
        for start in starts:
            self.playing[start.session].session_id = f"${start.session}"
        return [replace(one, session_id=f"${start.session}") for one, start in zip(made, starts, strict=True)]


class Adopting(MemorySessions):
    """Puts its mark on whatever it is shown."""

    def adopt(self, session_id: str, mark: str, instead: str = "") -> None:
        del instead
        for p in self.playing.values():
            p.mark = mark if p.session_id == session_id else p.mark


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (EndsAnything, "cancels: cancel"),
        (TakesAnything, "again: submit"),
        (Backwards, "many: submit"),
        (Forgetful, "exits: poll"),
        (Hasty, "exits: poll"),
        (Restless, "many: poll"),
        (Prefixed, "shows: logs"),
        (Whole, "shows: logs"),
        (Unmarked, "shows: logs"),
        (Unmarked, "shows_on_terminals: type"),
        (Unmarked, "shows_on_terminals: capture"),
        (Recounting, "never_again: submit"),
        (Adopting, "shows_on_terminals: adopt"),
    ],
)
def test_the_kit_finds_what_is_wrong(kind: type[MemorySessions], word: str) -> None:
    assert [fault for fault in found(kind) if fault.startswith(word)]


def test_the_kit_names_what_is_missing() -> None:
    class Empty:
        pass

    assert ["back end: found: missing"] == faults(Empty(), "/")[:1]  # type: ignore[arg-type] # on purpose
