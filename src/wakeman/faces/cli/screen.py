"""The verbs that show a worker's session: capture and attach."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from shlex import quote

from msgspec import to_builtins

from wakeman.api import screen
from wakeman.api.tail import follow_worker
from wakeman.core.errors import UsageError
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Arguments, Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import json_line, out, raw, show


def _capture_options(parser: Arguments) -> None:
    given.workers(parser)
    parser.add_argument(
        "--lines",
        metavar="N",
        type=given.positive_number,
        default=50,
        help="number of last lines to print (default: 50)",
    )


def _tail_options(parser: ArgumentParser) -> None:
    given.worker(parser)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="print what follows, too, until the worker's last attempt has ended"
    )
    parser.add_argument(
        "-n",
        dest="lines",
        metavar="N",
        type=given.positive_number,
        default=10,
        help="number of last lines to begin with (default: 10)",
    )


def _attach_options(parser: ArgumentParser) -> None:
    given.worker(parser, "; or tmux:SESSION, tmux:SERVER:SESSION, for a session that is no worker's")
    parser.add_argument("--print", action="store_true", help="print the command instead of running it")


def capture(options: Namespace) -> int:
    """Print the end of a worker's screen; without a session, the end of its output."""
    world, chosen = reach(options), given.workers_chosen(options)
    if chosen.single:
        return show(options, screen.capture(world, options.worker[0], options.lines), lambda data: raw(data.text))
    return show(options, screen.capture_all(world, chosen, options.lines), _print_screens)


def _print_screens(data: screen.CapturedAll) -> None:
    for at, each in enumerate(data.screens):
        out(f"{chr(10) * bool(at)}== {each.deployment}/{each.worker} ==")
        raw(each.text)


def tail(options: Namespace) -> int:
    """Print the end of what a worker prints; with `--follow`, what it prints from now on."""
    world = reach(options)
    if not options.follow:
        return show(options, screen.capture(world, options.worker, options.lines), lambda data: raw(data.text))
    for line in follow_worker(world, options.worker, options.lines, time.sleep):
        if line is None:
            sys.stdout.flush()
        elif options.json:
            json_line(to_builtins(line))
        else:
            raw(line.text)
    return 0


def attach(options: Namespace) -> int:
    """Attach this process to a worker's terminal; inside tmux, show it in the client that this terminal is in."""
    answer = screen.attach(reach(options), options.worker, os.environ.get("TMUX", ""))

    def text(data: screen.Attached) -> None:
        if options.print:
            raw(answer.next[0])
            return
        if data.how != "switch" and not sys.stdin.isatty():
            raise UsageError("attach: expected a terminal", f"wakeman attach {quote(options.worker)} --print")
        sys.stdout.flush()
        env = {name: value for name, value in os.environ.items() if data.how != "nest" or name != "TMUX"}
        os.execve(data.command[0], data.command, env)  # noqa: S606 - becoming tmux is the point

    return show(options, answer, text)


VERBS: dict[str, Verb] = {
    "capture": ("wakeman capture condense-docs/condense_api --lines 100", _capture_options, capture),
    "tail": ("wakeman tail condense_api -f", _tail_options, tail),
    "attach": ("wakeman attach condense_api", _attach_options, attach),
}
