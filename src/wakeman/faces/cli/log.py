"""The verb that shows what happened, event by event, and repairs a log on request."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from wakeman.api.log import LogRepaired, events, follow, known_type, known_worker, logged_line, repair
from wakeman.api.names import named
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Event, kind
from wakeman.core.log.summary import summary
from wakeman.faces.cli.options import Verb, line_number
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import json_line, moment, out, print_note, printable, raw, show
from wakeman.ports import World

if TYPE_CHECKING:
    from wakeman.faces.cli.live import Narrator

SEQ_CHARS = 5
"""Characters of the number of a line."""


def _log_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "words",
        metavar="NAME",
        nargs="*",
        help="deployment: NAME is its latest run, NAME.1 the first (the only open one, else the one that closed last). "
        "`repair NAME` truncates a damaged log before its "
        "damage and keeps the original",
    )
    parser.set_defaults(among="last", named_by="words")
    parser.add_argument("-f", "--follow", action="store_true", help="print new events until the deployment is closed")
    parser.add_argument("--type", metavar="T", help="only events of this type, for example decided")
    parser.add_argument("--worker", metavar="W", help="only events of this worker")
    parser.add_argument(
        "--since", metavar="SEQ", type=line_number, default=0, help="only events after that line (default: 0, all)"
    )


def log(options: Namespace) -> int:
    """Print events: a line each, or with `--json` a JSON object each."""
    if options.words[:1] == ["repair"] and len(options.words) > 1:
        return _repair(options, options.words[1:])
    if len(options.words) > 1:
        raise UsageError(f"log: found {len(options.words)} names, expected one", "wakeman log --help")
    known_type(options.type)
    world = reach(options)
    name, only = named(world, options.words[0]), {"type_": options.type, "worker": options.worker}
    if options.follow and not options.json and sys.stdout.isatty():
        from wakeman.faces.cli.live import Narrator, waited

        progress = Narrator(world, options.state, told=False)
        return waited(progress, lambda: _follow_on_terminal(options, world, name, progress))
    page = _Page(options)
    if options.follow:
        for event in follow(world, name, options.since, time.sleep, **only):
            page.print(event)
    else:
        found = False
        for event in events(world, name, options.since, **only):
            found = True
            page.print(event)
        if not found:
            known_worker(world, name, options.worker)
            print_note(f"{name}: no such event")
    sys.stdout.flush()
    return 0


def _follow_on_terminal(options: Namespace, world: World, name: str, progress: Narrator) -> int:
    """Print events on a terminal, with a row below them that says how far it is."""
    only = {"type_": options.type, "worker": options.worker}
    page = _Page(options)
    for event in follow(world, name, options.since, progress.pause, **only, seen=progress.see):
        if event is not None:
            progress.clear()
        page.print(event)
    return 0


class _Page:
    """What events are printed on: JSON, a line each, or on a terminal rows that fit, the date once a day."""

    def __init__(self, options: Namespace) -> None:
        self._json = options.json
        self._terminal = not options.json and sys.stdout.isatty()
        self._day = ""

    def print(self, event: Event | None) -> None:
        """Print an event; None flushes those before it."""
        if event is None:
            sys.stdout.flush()
        elif self._json:
            json_line(logged_line(event))
        elif self._terminal:
            self._on_terminal(event)
        else:
            out(_event_line(event, moment(event.at)))

    def _on_terminal(self, event: Event) -> None:
        from wakeman.faces.cli.folding import cells_of, rows_within

        day, _, hour = moment(event.at).partition(" ")
        if day != self._day:
            self._day = day
            raw(day)
        for row in rows_within(_event_line(event, hour), cells_of(sys.stdout), SEQ_CHARS + 2):
            raw(row)


def _repair(options: Namespace, names: list[str]) -> int:
    """Truncate a damaged log; the next check continues from there, and adopts live sessions."""
    if len(names) > 1:
        raise UsageError(f"log repair: found {len(names)} names, expected one", "wakeman log --help")
    answer = repair(reach(options), names[0])  # by its exact name: a damaged log cannot be found by its content
    return show(options, answer, _cut, answer.next)


def _cut(data: LogRepaired) -> None:
    cut = f"cut before its damage; the original is in {data.kept}"
    out(f"{data.deployment}: {cut if data.repaired else 'nothing to repair'}")


def _event_line(event: Event, at: str) -> str:
    moved = f"{event.source} -> {event.to}" if event.to else ""
    what = (event.worker or "", moved, kind(event.data), summary(event.data))
    text = "  ".join(printable(part) for part in what if part)
    return f"{event.seq:>{SEQ_CHARS}}  {at}  {printable(event.by):12}  {text}"


VERBS: dict[str, Verb] = {"log": ("wakeman log condense-docs -f --type decided", _log_options, log)}
