"""The verb that shows deployments to move in, on the whole terminal."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.core.errors import UsageError
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.ports import World


def _top_options(parser: ArgumentParser) -> None:
    what = "deployment, its directory, its events.jsonl, or a copy of one (the only open one, else all of them)"
    parser.add_argument("log", metavar="NAME|LOG", nargs="?", help=what)
    parser.add_argument("--read-only", action="store_true", help="only show: no key does anything")


def top(options: Namespace) -> int:
    """Show deployments until `q`."""
    if options.json:
        raise UsageError("top: found --json; expected a terminal", "wakeman status --json, or wakeman watch --json")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("top: expected a terminal", "wakeman status")
    try:
        from wakeman.faces.top.app import TopApp
    except ImportError as fault:
        hint = "pip install '.[tui]' in a clone of wakeman, or pip install 'textual<9'"
        raise UsageError(f"top: {fault.name} is not installed; expected the extra `tui`", hint) from fault
    from wakeman.faces.cli.paper import paper
    from wakeman.faces.top.desk import TopDesk

    for given in ("COLUMNS", "LINES"):  # Textual would keep to them when the terminal is resized
        os.environ.pop(given, None)
    world = reach(options, "top")

    def make() -> World:
        return reach(Namespace(state=options.state, dry_run=False, json=True), "top")

    on = paper(sys.stdout, state=options.state)
    desk = TopDesk(make, Reading, options.log or _only_open(world), on, acts=not options.read_only)
    TopApp(desk, world.state).run(mouse=False)
    return 0


def _only_open(world: World) -> str | None:
    """Return the open deployment, if there is exactly one."""
    from wakeman.api.names import typed
    from wakeman.engine.runs import readable

    everything = readable(world)
    alive = [name for name, d in everything.items() if d.outcome == "open"]
    return typed(alive[0], everything) if len(alive) == 1 else None


VERBS: dict[str, Verb] = {"top": ("wakeman top condense-docs", _top_options, top)}
