"""The terminal: keys in, rows out. The only file that knows textual."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import ClassVar

from textual import events, work
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from wakeman.faces.cli.paper import Line
from wakeman.faces.top.desk import TopDesk
from wakeman.faces.top.hands import Effect, press
from wakeman.faces.top.panes import Shot
from wakeman.ports import World

TICK_S = 0.5
"""Seconds between two looks at the log."""
REPAINT_EACH_S = 1.0
"""Seconds between two repaints while nothing happens: the clock and ages go on."""
READ_PAUSE_S = 0.01
"""Seconds between two parts of a long log that is read: keys are taken then."""
SCREEN_EACH_S = 2.0
"""Seconds between two pictures of the chosen worker's screen."""
LIST_EACH_S = 5.0
"""Seconds between two looks at all deployments, while their page is shown."""


class Canvas(Widget, can_focus=True):
    """All rows of the terminal. Only those that have changed are drawn."""

    DEFAULT_CSS = "Canvas { width: 100%; height: 100%; background: ansi_default; color: ansi_default; }"

    def __init__(self, desk: TopDesk) -> None:
        super().__init__()
        self.desk = desk
        self.lines: list[Line] = []
        self.drawn = 0
        """Rows that were drawn so far: what a test counts."""

    def render_line(self, y: int) -> Strip:
        """Return one row for the terminal."""
        self.drawn += 1
        width = self.size.width
        if y >= len(self.lines):
            return Strip.blank(width)
        return Strip(self.desk.on.segments(self.lines[y])).adjust_cell_length(width)

    def paint(self) -> None:
        """Take the desk's picture, and have the rows drawn that differ from what is shown."""
        lines = self.desk.picture()
        changed = [y for y, line in enumerate(lines) if y >= len(self.lines) or line != self.lines[y]]
        changed += range(len(lines), len(self.lines))
        self.lines = lines
        width = self.size.width
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))


class TopApp(App[None]):
    """The application: it holds the desk, and does what keys ask for."""

    CSS = "Screen { background: ansi_default; color: ansi_default; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = []

    def __init__(self, desk: TopDesk, state: str) -> None:
        no_colour = os.environ.get("NO_COLOR")
        super().__init__(ansi_color=True)
        if no_colour is not None:  # textual takes it out of the environment, which the verbs get, too
            os.environ["NO_COLOR"] = no_colour
        self.desk, self._state = desk, state
        self.canvas = Canvas(desk)
        self._world: World | None = None
        self._taken, self._taking = 0.0, False
        self._painted = self._listed = 0.0
        self._asked = self._reading_on = False
        self.paints = 0
        """Pictures that were painted so far: what a test counts."""

    def compose(self) -> ComposeResult:
        """Yield the one widget."""
        yield self.canvas

    def on_mount(self) -> None:
        """Begin to follow the log."""
        self.canvas.focus()
        self.set_interval(TICK_S, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """Fit the picture to the terminal."""
        width, height = event.size
        self.desk.on = replace(self.desk.on, width=max(width - 1, 1), rows=max(height, 1))
        self.canvas.lines = []
        self._paint()

    async def on_event(self, event: events.Event) -> None:
        """Take keys before anything else does: each has one meaning here."""
        if isinstance(event, events.Key):
            printable = event.character is not None and event.character.isprintable() and event.character != " "
            self._do(press(self.desk, event.character if printable and event.character else event.key))
            self._soon()
            return
        if isinstance(event, events.Paste):
            self.desk.paste(event.text)
            self._soon()
            return
        await super().on_event(event)

    # --- painting -------------------------------------------------------------------------------------------------

    def _soon(self) -> None:
        """Paint once for all keys that are waiting."""
        if not self._asked:
            self._asked = True
            self.call_later(self._paint)

    def _paint(self) -> None:
        self._asked = False
        self._show()
        if self.desk.reading_on and not self._reading_on:
            self._reading_on = True
            self.set_timer(READ_PAUSE_S, self._read_on)

    def _read_on(self) -> None:
        """Read some more of a long log, and let keys be taken meanwhile."""
        self._reading_on = False
        source = self.desk.source
        if source is not None:
            source.read_on()
        self._paint()

    def _show(self) -> None:
        self.paints += 1
        self.canvas.paint()
        self._painted = time.monotonic()
        self._photograph()

    def _tick(self) -> None:
        now = time.monotonic()
        before = self.desk.source.last if self.desk.source is not None else 0
        self.desk.tick()
        if self.desk.source is None and now - self._listed >= LIST_EACH_S:
            self.desk.refresh_list()
            self._listed = time.monotonic()
        source = self.desk.source
        changed = source is not None and source.last != before
        if changed or ((source is None or source.ages) and now - self._painted >= REPAINT_EACH_S):
            self._paint()

    def _photograph(self) -> None:
        wanted = self.desk.photograph()
        if wanted is None or self._taking:
            return
        if wanted[0] == self.desk.shot[0] and time.monotonic() < self._taken + SCREEN_EACH_S:
            return
        self._taking = True
        self._take_picture(*wanted)

    @work(thread=True)
    def _take_picture(self, whose: str, take: object) -> None:
        if self._world is None:
            self._world = self.desk.make()
        shot = take(self._world) if callable(take) else Shot()
        self.call_from_thread(self._took, whose, shot)

    def _took(self, whose: str, shot: Shot) -> None:
        self.desk.shot, self._taken, self._taking = (whose, shot), time.monotonic(), False
        self._soon()

    # --- doing ----------------------------------------------------------------------------------------------------

    def _do(self, effect: Effect | None) -> None:
        if effect is None:
            return
        match effect.what:
            case "quit":
                self.exit()
            case "run":
                self._run_verb(effect.argv)
            case _:
                self._lend(effect.argv)

    @work(thread=True)
    def _run_verb(self, argv: tuple[str, ...]) -> None:
        ran = subprocess.run(
            self._command(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "WAKEMAN_FACE": "top"},
        )
        self.call_from_thread(self._ran, ran.returncode, ran.stdout + ran.stderr)

    def _ran(self, code: int, printed: str) -> None:
        self.desk.ran(code, printed)
        self._soon()

    def _lend(self, argv: tuple[str, ...]) -> None:
        """Give the terminal to another program until it ends."""
        with self.suspend():
            said = _run_lent(self._command(argv))
        if said:
            self.desk.answer = (False, said)
        self.refresh()
        self.canvas.lines = []
        self._taken = 0.0

    def _command(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is run for a command: a verb is this program's own."""
        if argv[0] != "wakeman":
            return argv
        options, rest = argv[1:], ("--state", self._state)
        at = options.index("--") if "--" in options else len(options)
        return (sys.executable, "-P", "-m", "wakeman", *options[:at], *rest, *options[at:])


def _run_lent(argv: tuple[str, ...]) -> list[str]:
    """Run a program on the terminal; return what it complained of."""
    try:
        ran = subprocess.run(argv, check=False, stderr=subprocess.PIPE, env={**os.environ, "LESSSECURE": "1"})
    except OSError as fault:
        return [f"{argv[0]}: {fault.strerror}"]
    said = ran.stderr.decode("utf-8", "replace").splitlines()
    return [row for row in said if row.strip()][:3] if ran.returncode else []
