"""What a worker prints, as it prints it: the end of its output, or of its screen if a client keeps a session open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from wakeman.api.answer import Line
from wakeman.api.screen import capture, harmless
from wakeman.core.errors import UnknownNameError
from wakeman.core.model import Deployment, FileFingerprint, WorkerState
from wakeman.engine import layout, terminals
from wakeman.engine.attempt import secrets
from wakeman.engine.requests import find_worker
from wakeman.ports import World

TAIL_POLL_S = 0.25
"""Seconds between two looks at a worker's output; a screen is looked at every fourth time."""
COMPARED_ROWS_MAX = 200
"""Rows of a screen that are compared."""
READ_BYTES_MAX = 1024 * 1024
"""Bytes of output at most that are printed of one look; what came before them is counted."""
STEADY_READS_MAX = 5
"""Times that a file which grows meanwhile is read once more."""
ANCHOR_BYTES = 4096
"""Bytes by which the place is found again in a file whose middle was cut out."""


class PrintedLine(Line, frozen=True, kw_only=True):
    """A line that a worker has printed."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    worker: Annotated[str, Meta(description="Name of the worker.")]
    attempt: Annotated[int, Meta(description="Its attempt.")]
    text: Annotated[str, Meta(description="The line, without control characters and keys.")]


class Position(Struct):
    """How far a file was printed, and the bytes before that place."""

    mark: FileFingerprint | None = None
    before: bytes = b""
    rest: bytes = b""  # of a line that has no end yet


def follow_worker(
    world: World, worker: str, lines: int, pause: Callable[[float], None]
) -> Iterator[PrintedLine | None]:
    """Yield the last lines that a worker has printed, then each further one until its attempts have ended; None after
    all that are there so far.
    """
    deployment, name = find_worker(world, worker)
    first = capture(world, f"{deployment}/{name}", lines).data
    d = world.logs.read(deployment)
    attempt = d.workers[name].attempt
    yield from (_printed_line(d, name, row) for row in first.text.splitlines())
    place = Position(mark=_stream_mark(world, d, name), before=_end_of(world, d, name))
    screen: Sequence[str] = first.text.splitlines() if first.source == "screen" else ()
    looks = 0
    while True:
        yield None
        over = _prints_no_more(d, name)
        if d.workers[name].attempt != attempt:
            attempt, place, screen = d.workers[name].attempt, Position(), ()
        hide = secrets.redactor(world, d)
        if first.source == "screen" and _interactive(d, d.workers[name]):
            if looks % 4 == 0 and not over:
                rows = _screen(world, d, name) or screen
                yield from (_printed_line(d, name, hide(row)) for row in fresh_rows(screen, rows))
                screen = rows
        else:
            yield from (_printed_line(d, name, hide(row)) for row in _printed_rows(world, d, name, place, over=over))
        if over:
            return
        pause(TAIL_POLL_S)
        looks += 1
        d = world.logs.read(deployment)


def fresh_rows(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return the rows of a screen that were not on the one before; one in which only numbers changed is the same."""
    from difflib import SequenceMatcher

    old, new = ([re.sub(r"[\d\W]+", " ", row) for row in rows] for rows in (before, now))
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [row for step, _, _, at, end in steps if step != "equal" for row in now[at:end] if row.strip()]


def _printed_line(d: Deployment, name: str, text: str) -> PrintedLine:
    return PrintedLine(deployment=d.name, worker=name, attempt=d.workers[name].attempt, text=harmless(text))


def _prints_no_more(d: Deployment, name: str) -> bool:
    """Return whether nothing more is printed: its last attempt has ended, and no other was asked for."""
    worker = d.workers[name]
    return d.outcome != "open" or (worker.ended and not worker.again and not worker.intent)


def _interactive(d: Deployment, worker: WorkerState) -> bool:
    return d.plan_of(worker).workers.mode == "interactive"


def _screen(world: World, d: Deployment, name: str) -> list[str]:
    try:
        return terminals.session_screen(world, d, d.workers[name], COMPARED_ROWS_MAX).splitlines()
    except UnknownNameError:
        return []  # it has just ended


def _stream_mark(world: World, d: Deployment, name: str) -> FileFingerprint | None:
    file = layout.stream(d.host, d.workers[name])
    return world.files.marks([file]).get(file)


def _end_of(world: World, d: Deployment, name: str) -> bytes:
    return world.files.tail(layout.stream(d.host, d.workers[name]), ANCHOR_BYTES)


def _printed_rows(world: World, d: Deployment, name: str, place: Position, *, over: bool) -> Iterator[str]:
    """Yield the whole lines that came since the last look, and at the end what has no line end."""
    came = _new_bytes(world, d, name, place)
    if came:
        place.before = (place.before + came)[-ANCHOR_BYTES:]
        *whole, place.rest = re.split(rb"\r*\n", place.rest + came)
        yield from (row.decode("utf-8", "replace") for row in whole)
    if over and place.rest:
        yield place.rest.decode("utf-8", "replace")
        place.rest = b""


def _new_bytes(world: World, d: Deployment, name: str, place: Position) -> bytes:
    """Return the bytes that came since the last look, as far as they are there; those that were cut out are counted."""
    file, known = layout.stream(d.host, d.workers[name]), place.mark
    for _ in range(STEADY_READS_MAX):
        mark = _stream_mark(world, d, name)
        if mark is None or mark == known:
            return b""
        grown = mark.size - (known.size if known is not None else 0)
        if not 0 <= grown <= READ_BYTES_MAX:
            break  # its middle was cut out, or it has grown by too much
        end = world.files.tail(file, grown + len(place.before))
        if _stream_mark(world, d, name) == mark:
            if not end.startswith(place.before):
                break  # its middle was cut out
            place.mark = mark
            return end.removeprefix(place.before)
    place.mark = _stream_mark(world, d, name)
    end = world.files.tail(file, READ_BYTES_MAX)
    place.mark = (
        place.mark if place.mark == _stream_mark(world, d, name) else known
    )  # else the next look finds the rest
    at = end.rfind(place.before) if place.before else -1
    if at >= 0:
        return end[at + len(place.before) :]
    notes = [found.start() for found in re.finditer(rb"\n\[wakeman: \d+ bytes left out\]\n", end)]
    return end[notes[-1] :] if notes else b"\n[wakeman: some of its output is left out here]\n" + end
