"""The verbs that show a worker's session: capture and attach."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from shlex import join

from wakeman.api import screen
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, print_note, show


def _capture_options(parser: ArgumentParser) -> None:
    given.worker(parser)
    parser.add_argument(
        "--lines",
        metavar="N",
        type=given.positive_number,
        default=50,
        help="number of last lines to print (default: 50)",
    )


def _attach_options(parser: ArgumentParser) -> None:
    given.worker(parser)
    parser.add_argument("--print", action="store_true", help="print the command instead of running it")


def capture(options: Namespace) -> int:
    """Print the end of a worker's screen; without a session, the end of its output."""
    return show(options, screen.capture(reach(options), options.worker, options.lines), lambda data: out(data.text))


def attach(options: Namespace) -> int:
    """Attach this process to a worker's terminal."""

    def text(data: screen.Attached) -> None:
        if options.print:
            out(join(data.command))
        elif os.environ.get("TMUX"):
            print_note("this terminal is inside tmux; from a terminal outside it, or after detaching, run:")
            out(join(data.command))
        else:
            sys.stdout.flush()
            os.execv(data.command[0], data.command)  # noqa: S606 - becoming tmux is the point

    return show(options, screen.attach(reach(options), options.worker), text)


VERBS: dict[str, Verb] = {
    "capture": ("wakeman capture condense-docs/condense_api --lines 100", _capture_options, capture),
    "attach": ("wakeman attach condense_api", _attach_options, attach),
}
