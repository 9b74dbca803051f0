"""What is shown, and what keys have changed of it: time, chosen row, pane, a text that is typed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from wakeman.api.names import typed
from wakeman.api.replay import Reader
from wakeman.api.status import Statuses, statuses
from wakeman.core.text import sayable
from wakeman.faces.cli.overview import Found, overview_parts
from wakeman.faces.cli.paper import BOLD, DIM, Line, Paper
from wakeman.faces.top import frame
from wakeman.faces.top.keys import FORCING, KeyDeed, deeds_for, insisting, sent_to, typed_command
from wakeman.faces.top.panes import Beside, Shot
from wakeman.faces.top.rows import Columns, ListEntry, columns, list_entries
from wakeman.faces.top.source import Source
from wakeman.ports import World

TEXT_CHARS_MAX = 4000
"""Characters of a text that is typed here, at most."""
ANSWER_ROWS_MAX = 4
"""Rows of what a command has printed that are shown."""

Mode = Literal["look", "find", "text", "confirm", "log", "help", "pick"]


class TopDesk:
    """What is shown, and what keys have changed of it.

    Shape: `make` returns a world; `given` is a deployment or a path of a log, None for the page of all deployments.
    """

    def __init__(self, make: Callable[[], World], reading: Reader, given: str | None, on: Paper, *, acts: bool) -> None:
        self.make, self._reading, self.on, self._acts = make, reading, on, acts
        self.world = make()
        self.mode: Mode = "look"
        self.pane, self.folded, self.scrolled = "screen", False, 0
        self.shot: tuple[str, Shot] = ("", Shot())
        self.words = ""  # that are looked for
        self.typed = ""
        self.deed: KeyDeed | None = None
        self.answer: tuple[bool, list[str]] | None = None
        self.running = ""
        self.refused: tuple[str, ...] = ()
        """The command that types a text which was refused last, whatever the screen shows."""
        self.picked = 0
        self.log_back = 0
        self.source: Source | None = None
        self.listed: Statuses | None = None
        self._names: list[str] = []
        self.place = 0  # on the page of all deployments
        self._key, self._chosen, self._top = "", 0, 0
        self._sources: dict[str, Source] = {}
        self._shown: tuple[object, list[ListEntry], Columns] | None = None
        if given is not None:
            self.open(given)
        else:
            self.refresh_list()

    # --- what is looked at ----------------------------------------------------------------------------------------

    def open(self, given: str) -> None:
        """Show one deployment. Raises: UnknownNameError; LogDamagedError."""
        self.source = self._sources.get(given) or Source(self.world, given, self._reading)
        self._sources[given] = self.source
        if not self.source.reading_on:
            self.source.move(None)
        self._key, self._chosen, self._top, self.scrolled = "", 0, 0, 0
        self.words, self.mode, self.answer = "", "look", None

    def refresh_list(self) -> None:
        """Read the state of all deployments."""
        self._names = self.world.logs.names()
        self.listed = statuses(self.world, self._names, recorded=True).data

    def tick(self) -> None:
        """Take what is new."""
        if self.source is not None and self.source.at is None and not self.reading_on:
            self.source.fresh()

    @property
    def reading_on(self) -> bool:
        """Return whether a long log is still being read."""
        return self.source is not None and self.source.reading_on

    @property
    def deployments(self) -> list[str]:
        """Return the names of the page of all deployments as a person types them, in its order."""
        found = [each for each, _ in self._parts()[1]]
        assert self.listed is not None  # noqa: S101 - for the type
        return [
            typed(name, self._names)
            for each in found
            for name, one in zip(self._names, self.listed.deployments, strict=True)
            if one is each
        ]

    def _parts(self) -> tuple[list[Line], list[Found], list[Line]]:
        if self.listed is None:
            self.refresh_list()
        assert self.listed is not None  # noqa: S101 - for the type
        return overview_parts(self.listed, self.on, everything=True)

    # --- the list -------------------------------------------------------------------------------------------------

    def rows(self) -> tuple[list[ListEntry], Columns]:
        """Return the entries of the list; made again only when the state, or what is looked for, is another."""
        source = self.present()
        status = source.status()
        known = (id(status.workers), source.at, self.folded, self.words, self.on.room, self.on.rows)
        if self._shown is None or self._shown[0] != known:
            found = source.found(self.words) if self.words else None
            made = list_entries(status, folded=self.folded, found=found, words=self.words)
            self._shown = (known, made, columns(status, frame.list_paper(self.on)))
            self._held = status.workers  # so that its id is not given again
            self._settle(made)
        return self._shown[1], self._shown[2]

    def _settle(self, made: Sequence[ListEntry]) -> None:
        """Keep the selection by its key where rows have moved."""
        at = next((at for at, each in enumerate(made) if each.key == self._key), None)
        if at is None and self._key:
            worker = self._key.removeprefix("worker ")
            at = next((at for at, each in enumerate(made) if each.worker == worker), None)
        self._choose(min(self._chosen, len(made) - 1) if at is None else at, made, follow=False)

    def _choose(self, at: int, made: Sequence[ListEntry], *, follow: bool = True) -> None:
        self._chosen = max(0, min(at, len(made) - 1))
        if made and (follow or not self._key):
            self._key = made[self._chosen].key
        room = max(1, frame.list_height(self.on) - 1)
        self._top = max(0, min(self._top, self._chosen))
        if self._chosen >= self._top + room:
            self._top = self._chosen - room + 1
        self._top = max(0, min(self._top, len(made) - room))

    def entry(self) -> ListEntry | None:
        """Return the chosen entry."""
        if self.source is None:
            return None
        made, _ = self.rows()
        return made[self._chosen] if made else None

    def present(self) -> Source:
        assert self.source is not None  # noqa: S101 - for the type
        return self.source

    # --- the picture ----------------------------------------------------------------------------------------------

    def picture(self) -> list[Line]:
        """Return the rows of the terminal, each within its width."""
        on = self.on
        foot = self._foot()
        if self.mode == "help":
            return frame.sized_page(frame.help_rows(on, acts=self._acts), on, foot)
        if self.source is None:
            parts = self._parts()
            self.place = max(0, min(self.place, len(parts[1]) - 1))
            return frame.listing_rows(parts, self.place, on, foot)
        if not self.reading_on:
            scene = self._scene()
            if not self.reading_on:  # what is to be shown may want more of the log
                return frame.scene_rows(scene, on, foot)
        source = self.source
        return frame.sized_page(frame.reading_rows(source.name, source.read, source.lines(), on), on, foot)

    def _scene(self) -> frame.TopScene:
        source = self.present()
        made, cells = self.rows()
        log, hidden = None, 0
        if self.mode == "log":
            room = max(1, (self.on.rows or 0) - 5)
            total = source.index.count(source.shown)
            self.log_back = max(0, min(self.log_back, total - room))
            log = source.index.until(source.shown, room, skip=self.log_back)
            hidden = total - self.log_back - len(log)
        return frame.TopScene(
            status=source.status(),
            entries=made,
            columns=cells,
            chosen=self._chosen,
            top=self._top,
            beside=self.beside(),
            marks=source.index.marks,
            span=source.span(),
            here=None if source.at is None else source.moment(source.at),
            caution=source.fault,
            log=log,
            log_hidden=hidden,
        )

    def beside(self) -> Beside:
        """Return what is shown of the chosen row: only what the panes in sight need."""
        source, entry = self.present(), self.entry()
        if entry is None:
            return Beside(source.status(), pane=self.pane)
        status, name = source.status(), entry.worker
        worker = next((each for each in status.workers if each.name == name), None)
        wide, pane = self.on.wide, self.pane if name or self.pane == "events" else "why"
        found = Beside(status, entry=entry, worker=worker, pane=pane, scrolled=self.scrolled)
        if pane == "why":
            return replace(found, why=source.decision(name))
        if wide or pane == "screen":
            found = replace(found, shot=self._screen(name))
        if wide or pane == "outputs":
            found = replace(found, outputs=source.outputs(name))
        if wide or pane == "events":
            found = replace(found, events=source.events(name))
        return replace(found, picked=self.picked if self.mode == "pick" else None)

    def _screen(self, worker: str) -> Shot:
        source = self.present()
        if source.picture(worker) is None:
            return source.kept_screen(worker)
        return self.shot[1] if self.shot[0] == f"{source.name}/{worker}" else Shot(says="looking ...")

    def photograph(self) -> tuple[str, Callable[[World], Shot]] | None:
        """Return whose picture is to be taken, and what takes it; None where no present screen is in sight."""
        if self.source is None or self.reading_on or self.mode in ("help", "log"):
            return None
        entry = self.entry()
        if entry is None or not entry.worker or not (self.on.wide or self.pane == "screen"):
            return None
        take = self.source.picture(entry.worker)
        return (f"{self.source.name}/{entry.worker}", take) if take else None

    # --- the foot -------------------------------------------------------------------------------------------------

    def _foot(self) -> list[Line]:
        on = self.on
        if self.answer is not None:
            good, rows = self.answer
            return [frame.said_row(row, on, bad=not good) for row in rows]
        if self.running:
            return [frame.said_row(f"running: {self.running}", on)]
        match self.mode:
            case "find":
                made, _ = self.rows()
                return [self._asking("find", f"{len(made):,} found  Enter keeps them, Esc shows all")]
            case "text" if self.deed is not None:
                return [self._asking(self.deed.asks, "Enter goes on, Esc leaves it")]
            case "confirm" if self.deed is not None:
                return self._confirming(self.deed)
            case "pick":
                return [on.row([(" ↑↓ choose an output  Enter opens it  Esc leaves it", DIM)])]
            case "log":
                return [on.row([(" PgUp PgDn ↑↓ move  l leaves the log  q quit", DIM)])]
            case "help":
                return [on.row([(" ? leaves the help  q quit", DIM)])]
        if self.source is None:
            return [frame.foot_row({}, on, listing=True)]
        if self.reading_on:
            return [on.row([(" Esc leaves it  Tab next deployment  q quit", DIM)])]
        found = frame.foot_row(self.deeds(), on, past=self.source.at is not None)
        if self.words:
            return [on.row([(f" find: {self.words}", BOLD), ("  Esc shows all  ", DIM), *found])]
        return [found]

    def _asking(self, what: str, then: str) -> Line:
        end: Line = [(f"  {then}", DIM)]
        room = max(8, self.on.room - len(what) - len(then) - 7)
        shown = self.typed if len(self.typed) <= room else self.typed[-room:]
        return self.on.row([(f" {what}: ", BOLD), (shown, ""), ("▌", BOLD), *end])

    def _confirming(self, deed: KeyDeed) -> list[Line]:
        """Return the command that would be run, whole, and how it is answered."""
        line = shlex.join(typed_command(deed.argv, self.typed))
        rows = self.on.command(line, 1)
        yes: Line = [(" y", BOLD), (" run it  ", DIM), ("n", BOLD), (" no", DIM)]
        says: Line = [(f"  {deed.says}", "")] if deed.says else []
        if len(rows) == 1 and sum(len(text) for text, _ in (*rows[0], *says, *yes)) + 2 <= self.on.room:
            return [self.on.row([*rows[0], *says, (" ", ""), *yes])]
        most = max(1, (self.on.rows or 24) - 6)
        cut = rows if len(rows) <= most else [*rows[: most - 1], [(f" and {len(rows) - most + 1} rows more", DIM)]]
        return [*cut, self.on.row([*yes, *says])]

    def deeds(self) -> dict[str, KeyDeed]:
        """Return what can be done to the chosen row now, by key."""
        source = self.source
        if source is None or not self._acts or source.at is not None:
            return {}
        found = deeds_for(self.entry(), source.status(), source.name)
        if "s" in found and self.refused and sent_to(self.refused) == sent_to(found["s"].argv):
            found["s"] = KeyDeed("send anyway", self.refused)
        return found

    # --- what keys change ------------------------------------------------------------------------------------------

    def paste(self, text: str) -> None:
        """Take a text that was pasted."""
        if self.mode in ("text", "find"):
            self.typed = (self.typed + sayable(text))[:TEXT_CHARS_MAX]
            self.sought()

    def step(self, rows: int) -> None:
        """Choose another row."""
        made, _ = self.rows()
        self._choose(self._chosen + rows, made)
        self.scrolled = 0

    def page(self, pages: int) -> None:
        """Choose a row further on by as many as are in sight."""
        self.step(pages * max(1, frame.list_height(self.on) - 1))

    def show_pane(self, pane: str) -> None:
        self.pane, self.scrolled = pane, 0

    def travel(self, seq: int | None) -> None:
        self.present().move(seq)
        self.scrolled = 0

    def travel_to_mark(self, step: int) -> None:
        source = self.present()
        seq = source.index.mark_beside(source.shown, step)
        if seq is not None:
            self.travel(seq)
        elif step > 0 and source.at is not None:
            self.travel(None)

    def begin(self, mode: Mode) -> None:
        self.mode, self.typed, self.log_back, self.picked = mode, "", 0, 0

    def sought(self) -> None:
        if self.mode == "find":
            self.words = self.typed.strip()

    def ran(self, code: int, printed: str) -> None:
        """Take what a command has printed."""
        rows = [row for row in printed.splitlines() if row.strip()]
        self.refused = insisting(shlex.split(self.running)) if code and FORCING in printed else ()
        if self.refused:
            rows = [*(row for row in rows if FORCING not in row), "s types it anyway"]
        more = [f"and {len(rows) - ANSWER_ROWS_MAX} rows more"] if len(rows) > ANSWER_ROWS_MAX else []
        self.running = ""
        self.answer = (code == 0, [*rows[:ANSWER_ROWS_MAX], *more] or [f"done, exit status {code}"])
        self.tick()
