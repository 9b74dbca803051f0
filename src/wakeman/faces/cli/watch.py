"""The verb that watches: a live table on a terminal, one JSON object a line for scripts."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from wakeman.core.log.events import stamp
from wakeman.core.model import Deployment
from wakeman.core.policy.notice import asking
from wakeman.core.policy.progress import of_worker, progress
from wakeman.engine.status import code, told
from wakeman.engine.watch import DEBOUNCE_S, PROGRESS_STEP_S, RESCAN_S, WatchView
from wakeman.engine.watch import watch as engine_watch
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach
from wakeman.faces.cli.show import clean, misplaced, out, pace, say, table
from wakeman.ports import World

HOME = "\x1b[H\x1b[J"
"""What puts the cursor at the top of a terminal and clears it."""


def _watch_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument(
        "--debounce",
        metavar="S",
        type=given.duration,
        default=DEBOUNCE_S,
        help=f"take changes of files within that time together (default: {DEBOUNCE_S:g}s)",
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
        help=f"time between two looks at every file (default: {RESCAN_S:g}s)",
    )


def watch(options: Namespace) -> int:
    """Watch a deployment until it is closed. To end it before costs nothing but speed."""
    world = reach(options, "watch")
    return follow(options, world, named(world, options.name))


def follow(options: Namespace, world: World, name: str) -> int:
    """Watch, and show what is seen; the exit code tells how it ended."""
    parameters = {key: getattr(options, key) for key in ("debounce", "step", "rescan") if hasattr(options, key)}
    live = not options.json and sys.stdout.isatty()
    before: object = None
    next_ = 0.0
    for view in engine_watch(world, name, **parameters):
        d, now = view.deployment, world.clock.mono()
        shown = (d.seq, view.lost, d.outcome)
        if d.outcome == "open" and now < next_ and not view.lost:
            continue  # often enough: what is not shown now is shown with what comes
        if live or shown != before:
            before, next_ = shown, now + PROGRESS_STEP_S
            _show(options, view, live=live)
    if not live and not options.json:
        out(f"{d.name}: {d.outcome}: {clean(d.why)}")
    return code(d)


def _show(options: Namespace, view: WatchView, *, live: bool) -> None:
    if options.json:
        out(json.dumps(_data(view)))
    elif live:
        sys.stdout.write(HOME)
        _table(view)
    else:
        data = told(progress(view.deployment, view.at))
        out(f"{view.deployment.name}: {data['done']}/{data['total']} units; {pace(data)}")
    if not options.json:
        for why in view.lost:
            say(f"warning: {clean(why)}: everything is looked at")
    sys.stdout.flush()


def _data(view: WatchView) -> dict[str, Any]:
    d = view.deployment
    return {
        "v": 1,
        "ok": True,
        "at": stamp(view.at),
        "deployment": d.name,
        "outcome": d.outcome,
        "events": d.seq,
        "needs_person": d.outcome == "open" and asking(d),
        "progress": told(progress(d, view.at)),
        "conflicts": len(d.trespassed),
        "workers": [
            {
                "name": worker.name,
                "state": worker.state,
                "reason": worker.reason or None,
                "attempt": worker.attempt,
                "progress": told(of_worker(d, worker, view.at)),
            }
            for worker in d.workers.values()
        ],
        "watching": list(view.how),
        "lost": list(view.lost),
    }


def _table(view: WatchView) -> None:
    d: Deployment = view.deployment
    data = told(progress(d, view.at))
    needs = ", needs a person" if d.outcome == "open" and asking(d) else ""
    out(f"{d.name}: {d.outcome}, {data['done']}/{data['total']} units{needs}")
    out(f"{pace(data)}{misplaced(d.name, len(d.trespassed))}")
    out(f"last row: {d.row or 'none yet'}: {clean(d.row_why)}")
    out(f"watching: {clean('; '.join(view.how))}\n")
    rows = []
    for worker in d.workers.values():
        each = told(of_worker(d, worker, view.at))
        since = f"{worker.since.astimezone():%H:%M:%S}" if worker.since is not None else ""
        rows.append((worker.name, worker.state, worker.reason, f"{each['done']}/{each['total']}", pace(each), since))
    table(("worker", "state", "reason", "units", "pace", "since"), rows)


VERBS: dict[str, Verb] = {"watch": ("wakeman watch condense-docs --json", _watch_options, watch)}
