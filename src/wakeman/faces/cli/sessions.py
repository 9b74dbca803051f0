"""The verb about sessions that somebody else has started."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from wakeman.faces.cli import options as given
from wakeman.faces.cli.reach import reach

if TYPE_CHECKING:
    from wakeman.faces.cli.options import Verb


def _session_options(parser: ArgumentParser) -> None:
    from wakeman.faces.cli.plan import starting

    parser.add_argument("prefix", metavar="PREFIX", help="beginning of the sessions' names, for example worker_")
    parser.add_argument(
        "--output",
        metavar="TEMPLATE",
        action="append",
        default=[],
        help="file that a unit is to make, for example 'out/{{ unit }}.yml', where {{ unit }} is what the name of a"
        " session has after PREFIX; may be repeated (default: none; a session is done once it has ended)",
    )
    text = "pattern of files, each of which is one unit: they are shared out as --by says (default: a unit a session)"
    parser.add_argument("--units", metavar="GLOB", help=text)
    text = "with --units: template that gives what a unit's session has after PREFIX (default: '{{ parent_name }}')"
    parser.add_argument("--by", metavar="TEMPLATE", help=text)
    text = "whose screens they show: claude, codex, gemini, opencode, aider; external for any program (default: claude)"
    parser.add_argument("--client", metavar="CLIENT", default="claude", help=text)
    parser.add_argument("--name", metavar="NAME", help="name of the deployment (default: made of PREFIX)")
    parser.add_argument(
        "--every",
        metavar="S",
        type=given.pace_or_duration,
        help="time between two alarms, or a pace: simple, complex, long (default: 5m)",
    )
    text = "session that is told what needs somebody, and of the end, for example claude-desktop; may be repeated"
    parser.add_argument("--tell", metavar="SESSION", action="append", default=[], help=text)
    text = "let Wakeman type into them when they are stuck, and end them (default: it only marks and watches)"
    parser.add_argument("--own", action="store_true", help=text)
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any other key of a plan, for example verify.parse=yaml; may be repeated",
    )
    starting(parser)


def watch_sessions(options: Namespace) -> int:
    """Begin a deployment of sessions that are there."""
    from wakeman.api.sessions import SessionsToWatch, plan_of_sessions
    from wakeman.engine.start.prepare import prepare_plan
    from wakeman.faces.cli.plan import reading_world, set_key, setting, started_and_shown

    world = reach(options, "up")
    reading = reading_world(options, world)
    told = SessionsToWatch(
        prefix=options.prefix,
        output=tuple(options.output),
        units=options.units or "",
        by=options.by or "",
        client=options.client,
        socket=options.socket or "",
        name=options.name or "",
        every=options.every,
        own=options.own,
        tell=tuple(options.tell),
    )
    made = plan_of_sessions(reading, told)
    for key, value in map(setting, options.set):
        set_key(made, key.split("."), value)
    text = json.dumps(made, indent=2)
    return started_and_shown(options, world, prepare_plan(reading, text, "wakeman watch-sessions", os.getcwd()))


VERBS: dict[str, Verb] = {
    "watch-sessions": (
        "wakeman watch-sessions worker_ --output 'out/{{ unit }}.yml' --tell claude-desktop",
        _session_options,
        watch_sessions,
    ),
}
