"""The verb that shows what happened, event by event, and mends a log when it is told to."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from wakeman.core.errors import UsageError
from wakeman.core.model import Deployment
from wakeman.engine import layout
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach
from wakeman.faces.cli.show import advise, answer, clean, moment, out
from wakeman.ports import World

POLL = 0.1
"""Seconds between two looks at a log that is followed."""


def _log_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "words",
        metavar="NAME",
        nargs="+",
        help="deployment: NAME is its latest run, NAME.1 the first. `repair NAME` cuts a damaged log off before its "
        "damage and keeps the original",
    )
    parser.add_argument("-f", "--follow", action="store_true", help="print new events until the deployment is closed")
    parser.add_argument("--type", metavar="T", help="only events of this type, for example decided")
    parser.add_argument("--worker", metavar="W", help="only events of this worker")
    parser.add_argument(
        "--since", metavar="SEQ", type=int, default=0, help="only events behind that line (default: 0, all)"
    )


def log(options: Namespace) -> int:
    """Print events: a line each, or with `--json` a JSON object each."""
    from wakeman.core.log.events import FACTS
    from wakeman.core.plan.template import nearest

    if options.words[0] == "repair" and len(options.words) > 1:
        return _repair(options, options.words[1:])
    if len(options.words) > 1:
        raise UsageError(f"log: found {len(options.words)} names, expected one", "wakeman log --help")
    if options.type is not None and options.type not in FACTS:
        raise UsageError(f"--type: found {clean(options.type)!r}{nearest(options.type, FACTS)}", "wakeman log --help")
    world = reach(options)
    name = named(world, options.words[0])
    after = _print(options, world, name, options.since)
    while options.follow and (d := world.logs.read(name)).outcome == "open":
        if d.seq > after:
            after = _print(options, world, name, after)
        else:
            _rest(world, d)
    if options.follow:
        _print(options, world, name, after)
    return 0


def _repair(options: Namespace, names: list[str]) -> int:
    """Cut a damaged log; the next check goes on from there, and adopts what it finds alive."""
    if len(names) > 1:
        raise UsageError(f"log repair: found {len(names)} names, expected one", "wakeman log --help")
    world = reach(options)
    name = names[0]  # exactly: a damaged log is not looked for by what it says
    kept = world.logs.repair(name, world.by)
    data = {"deployment": name, "repaired": bool(kept), "kept": kept or None}
    following = [f"wakeman audit {name}", f"wakeman resume {name}"] if kept else [f"wakeman status {name}"]
    if options.json:
        answer(options, data, following)
        return 0
    out(f"{name}: cut before its damage; the original is in {kept}" if kept else f"{name}: nothing to repair")
    advise(options, following)
    return 0


def _print(options: Namespace, world: World, name: str, after: int) -> int:
    from wakeman.core.log.events import kind

    for event in world.logs.events(name, after):
        after = event.seq
        if options.type in (None, kind(event.data)) and options.worker in (None, event.worker):
            out(_raw(event) if options.json else _told(event))
    sys.stdout.flush()
    return after


def _rest(world: World, d: Deployment) -> None:
    """Return when the log's file has changed, or after a while."""
    file = [layout.inside(d.host, "events.jsonl")]
    before = world.files.marks(file)
    for _ in range(50):
        time.sleep(POLL)
        if world.files.marks(file) != before:
            return


def _raw(event: Any) -> str:
    """Give an event as its line in the log has it, with everything but ASCII escaped."""
    import json

    import msgspec

    from wakeman.core.log.events import kind, stamp

    order = ("worker", "attempt", "from", "to", "more")
    fields = msgspec.to_builtins(event)
    head = {"v": event.v, "seq": event.seq, "at": stamp(event.at), "by": event.by, "type": kind(event.data)}
    body = {key: fields[key] for key in order if fields.get(key) not in (None, False)}
    return json.dumps({**head, **body, "data": fields["data"], "hash": event.hash})


def _told(event: Any) -> str:
    from wakeman.core.log.events import kind
    from wakeman.core.log.summary import summary

    moved = f"{event.source} -> {event.to}" if event.to else ""
    what = (event.worker or "", moved, kind(event.data), summary(event.data))
    said = "  ".join(clean(part) for part in what if part)
    return f"{event.seq:>5}  {moment(event.at)}  {clean(event.by):12}  {said}"


VERBS: dict[str, Verb] = {"log": ("wakeman log condense-docs -f --type decided", _log_options, log)}
