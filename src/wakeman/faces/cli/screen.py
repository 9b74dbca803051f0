"""The verbs that show a worker's session: capture and attach."""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from shlex import join

from wakeman.core.errors import UsageError
from wakeman.engine import layout
from wakeman.engine.act import secrets
from wakeman.engine.requests import find_worker, session_of
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import answer, out, say, screen
from wakeman.ports import World


def _capture_options(parser: ArgumentParser) -> None:
    given.worker(parser)
    parser.add_argument(
        "--lines", metavar="N", type=given.count, default=50, help="lines to print, from below (default: 50)"
    )


def _attach_options(parser: ArgumentParser) -> None:
    given.worker(parser)
    parser.add_argument("--print", action="store_true", help="print the command instead of running it")


def capture(options: Namespace) -> int:
    """Print the end of a worker's screen; where there is no session, the end of what it printed."""
    world = reach(options)
    deployment, name = find_worker(world, options.worker)
    d = world.logs.read(deployment)
    worker, host = d.workers[name], d.host
    sessions = world.sessions(host)
    there = any(seen.session_id == worker.session_id and not seen.dead for seen in sessions.look().seen)
    if there:
        text, source = sessions.capture(worker.session_id, options.lines), "screen"
    else:
        text, source = _streamed(world, layout.stream(host, worker), options.lines), "stream"
        if not options.json:
            say(f"{deployment}/{name} has no live session ({worker.state}): this is the end of what it printed")
    text = secrets.redactor(world, d)(text)
    if options.json:
        answer(
            options,
            {"deployment": deployment, "worker": name, "source": source, "text": screen(text)},
            [f"wakeman status {deployment}"],
        )
    else:
        out(screen(text))
    return 0


def _streamed(world: World, file: str, lines: int) -> str:
    rows = re.split(r"\r*\n", world.files.tail(file).decode("utf-8", "replace").rstrip())
    return "\n".join(rows[-lines:])


def attach(options: Namespace) -> int:
    """Become the tmux client of a worker's session."""
    world = reach(options)
    deployment, name = find_worker(world, options.worker)
    d = world.logs.read(deployment)
    sessions, session = world.sessions(d.host), session_of(d, d.workers[name])
    if all(seen.session_id != session for seen in sessions.look().seen):
        raise UsageError(f"{deployment}/{name}: its session is gone", f"wakeman capture {deployment}/{name}")
    argv = sessions.attach(session)
    if options.json:
        answer(options, {"deployment": deployment, "worker": name, "command": list(argv)}, [join(argv)])
    elif options.print:
        out(join(argv))
    elif os.environ.get("TMUX"):
        say("this terminal is inside tmux; from a terminal outside it, or after detaching, run:")
        out(join(argv))
    else:
        sys.stdout.flush()
        os.execv(argv[0], argv)  # noqa: S606 - becoming tmux is the point
    return 0


VERBS: dict[str, Verb] = {
    "capture": ("wakeman capture condense-docs/condense_api --lines 100", _capture_options, capture),
    "attach": ("wakeman attach condense_api", _attach_options, attach),
}
