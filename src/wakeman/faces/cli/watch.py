"""The verb that watches: a live table on a terminal, one JSON object a line for scripts."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from msgspec import to_builtins

from wakeman.api.codes import code
from wakeman.api.names import named
from wakeman.api.status import Status, progress_status
from wakeman.api.watch import watched, watched_status
from wakeman.engine.watch import DEBOUNCE_S, PROGRESS_STEP_S, RESCAN_S, WatchView
from wakeman.engine.watch import watch as engine_watch
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import clock, json_line, misplaced, out, pace_text, print_note, printable, table
from wakeman.ports import World

HOME = "\x1b[H\x1b[J"
"""Escape sequence that clears a terminal and moves the cursor to the top."""


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
    parameters = {key: getattr(options, key) for key in ("debounce", "step", "rescan") if hasattr(options, key)}
    live = not options.json and sys.stdout.isatty()
    before: object = None
    next_ = 0.0
    for view in engine_watch(world, name, **parameters):
        d, now = view.deployment, world.clock.mono()
        shown = (d.seq, view.lost, d.outcome)
        if d.outcome == "open" and now < next_ and not view.lost:
            continue  # often enough: the next view shows what this one does not
        if live or shown != before:
            before, next_ = shown, now + PROGRESS_STEP_S
            _show(options, view, live=live)
    if not live and not options.json:
        out(f"{d.name}: {d.outcome}: {printable(d.why)}")
    return code(d)


def _show(options: Namespace, view: WatchView, *, live: bool) -> None:
    if options.json:
        json_line(to_builtins(watched(view)))
    elif live:
        sys.stdout.write(HOME)
        _table(watched_status(view), view.how)
    else:
        far = progress_status(view.deployment, view.at)
        out(f"{view.deployment.name}: {far.done}/{far.total} units; {pace_text(far)}")
    if not options.json:
        for why in view.lost:
            print_note(f"warning: {printable(why)}; everything is scanned")
    sys.stdout.flush()


def _table(status: Status, how: Sequence[str]) -> None:
    far, row = status.progress, status.decision
    needs = ", needs a person" if status.needs_person else ""
    out(f"{status.deployment}: {status.outcome}, {far.done}/{far.total} units{needs}")
    out(f"{pace_text(far)}{misplaced(status.deployment, status.conflicts)}")
    out(f"last row: {row.row or 'none yet'}: {printable(row.why)}")
    out(f"watching: {printable('; '.join(how))}\n")
    rows = [
        (
            w.name,
            w.state,
            w.reason or "",
            f"{w.progress.done}/{w.progress.total}",
            pace_text(w.progress),
            clock(w.since),
        )
        for w in status.workers
    ]
    table(("worker", "state", "reason", "units", "pace", "since"), rows)


VERBS: dict[str, Verb] = {"watch": ("wakeman watch condense-docs --json", _watch_options, watch)}
