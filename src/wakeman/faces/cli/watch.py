"""The verb that watches: a board on a terminal, one JSON object a line for scripts, a line a change for a pipe."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from types import FrameType

from msgspec import to_builtins

from wakeman.api.codes import code
from wakeman.api.names import named
from wakeman.api.status import Status, progress_status
from wakeman.api.watch import Happening, happenings, watched, watched_status
from wakeman.engine.watch import DEBOUNCE_S, PROGRESS_STEP_S, RESCAN_S, WatchView
from wakeman.engine.watch import watch as engine_watch
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import json_line, out, pace_text, print_note, printable
from wakeman.ports import World

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[2J", "\x1b[?25h\x1b[?1049l"
"""Escape sequences that begin and end a screen of its own, which leaves the scrollback as it is."""
EVENTS_KEPT_MAX = 50
"""Events that a board remembers."""


def _watch_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument(
        "--debounce",
        metavar="S",
        type=given.duration,
        default=DEBOUNCE_S,
        help=f"combine changes of files within that time (default: {DEBOUNCE_S:g}s)",
    )
    parser.add_argument(
        "--step",
        metavar="S",
        type=given.duration,
        default=PROGRESS_STEP_S,
        help=f"time between two events about one worker's progress (default: {PROGRESS_STEP_S:g}s)",
    )
    parser.add_argument(
        "--rescan",
        metavar="S",
        type=given.duration,
        default=RESCAN_S,
        help=f"time between two scans of every file (default: {RESCAN_S:g}s)",
    )


def watch(options: Namespace) -> int:
    """Watch a deployment until it is closed. Ending the watch earlier costs only speed."""
    world = reach(options, "watch")
    return watch_and_print(options, world, named(world, options.name))


def watch_and_print(options: Namespace, world: World, name: str) -> int:
    """Watch, and print each view; the exit code says how it ended."""
    if not options.json and sys.stdout.isatty():
        return _on_screen(options, world, name)
    before: object = None
    next_ = 0.0
    for view in _views(options, world, name):
        d, now = view.deployment, world.clock.mono()
        shown = (d.seq, view.lost, d.outcome)
        if d.outcome == "open" and now < next_ and not view.lost:
            continue  # often enough: the next view shows what this one does not
        if shown != before:
            before, next_ = shown, now + PROGRESS_STEP_S
            _show(options, view)
    if not options.json:
        out(f"{d.name}: {d.outcome}: {printable(d.why)}")
    return code(d)


def _views(options: Namespace, world: World, name: str) -> Iterator[WatchView]:
    parameters = {key: getattr(options, key) for key in ("debounce", "step", "rescan") if hasattr(options, key)}
    return engine_watch(world, name, **parameters)


def _show(options: Namespace, view: WatchView) -> None:
    if options.json:
        json_line(to_builtins(watched(view)))
    else:
        far = progress_status(view.deployment, view.at)
        out(f"{view.deployment.name}: {far.done}/{far.total} units; {pace_text(far)}")
        for why in view.lost:
            print_note(f"warning: {printable(why)}; everything is scanned")
    sys.stdout.flush()


def _on_screen(options: Namespace, world: World, name: str) -> int:
    """Watch on a screen of its own; at the end, also by Ctrl-C, print the last state below the prompt."""
    from wakeman.faces.cli.status import print_page

    screen = _Screen(world, name, options.state)
    ended = 130
    try:
        with screen.open():
            for view in _views(options, world, name):
                screen.take(view)
            ended = code(view.deployment)
    except KeyboardInterrupt:
        pass
    if screen.status is not None:
        print_page(screen.status, state=options.state)
        if screen.status.outcome == "open":
            print_note(f"only the watching has ended; {screen.status.deployment} goes on by itself")
    return ended


class _Screen:
    """The pane that a board is painted on: read again at each repaint, and repainted when its size changes."""

    def __init__(self, world: World, name: str, state: str | None) -> None:
        self.world, self.name, self.state = world, name, state
        self.status: Status | None = None
        self._happened: deque[Happening] = deque(maxlen=EVENTS_KEPT_MAX)
        self._lost: tuple[str, ...] = ()
        self._how: tuple[str, ...] = ()
        self._seq = 0
        self._painting = False

    @contextmanager
    def open(self) -> Iterator[None]:
        """Take the pane, and give it back as it was."""
        sys.stdout.flush()
        self._write(ENTER)
        before = signal.signal(signal.SIGWINCH, self._resized)
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, before)
            self._write(LEAVE)

    def take(self, view: WatchView) -> None:
        """Paint a view."""
        d = view.deployment
        if d.seq != self._seq:
            for event in self.world.logs.events(self.name, self._seq):
                self._happened.extend(happenings(d, event))
                self._seq = event.seq
        self.status, self._lost, self._how = watched_status(view), tuple(view.lost), tuple(view.how)
        self.paint()

    def paint(self) -> None:
        """Write the board over what is there, row by row, so that nothing flickers and nothing scrolls."""
        from wakeman.faces.cli.board import board
        from wakeman.faces.cli.paper import paper

        if self.status is None or self._painting:
            return
        self._painting = True
        try:
            on = paper(sys.stdout, state=self.state)
            stream = StringIO()
            on.write(board(self.status, tuple(self._happened), self._lost, on, self._how), stream)
            rows = stream.getvalue().rstrip("\n").split("\n")
            self._write("\x1b[H" + "\r\n".join(f"{row}\x1b[K" for row in rows) + "\x1b[J")
        finally:
            self._painting = False

    def _resized(self, _: int, __: FrameType | None) -> None:
        self.paint()

    def _write(self, text: str) -> None:
        """Write past the stream's buffer: a signal may come while that is being written."""
        data = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
        with suppress(OSError):
            while data:
                data = data[os.write(sys.stdout.fileno(), data) :]


VERBS: dict[str, Verb] = {"watch": ("wakeman watch condense-docs --json", _watch_options, watch)}
