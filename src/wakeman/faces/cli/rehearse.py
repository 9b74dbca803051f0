"""The verb that runs a plan in memory."""

from __future__ import annotations

import gc
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from wakeman.adapters.memory.rehearsal import rehearsal
from wakeman.api.rehearse import Rehearsed
from wakeman.api.rehearse import rehearse as api_rehearse
from wakeman.core.log.events import Event, kind
from wakeman.core.log.summary import summary
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.plan import commands, gather_plan
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, show

FOLDED_MIN = 3
"""Lines that differ in the worker's name alone from which on they are one."""


def _rehearse_options(parser: ArgumentParser) -> None:
    given.plan_file(parser)
    parser.add_argument(
        "--unit", metavar="S", type=given.duration, default=60.0, help="time that a unit takes (default: 60s)"
    )
    early = "have WORKER end by itself after N units; may be repeated"
    parser.add_argument("--early", metavar="WORKER:N", type=_early, action="append", default=[], help=early)
    parser.add_argument(
        "--hang",
        metavar="WORKER",
        action="append",
        default=[],
        help="have WORKER hang without doing anything; may be repeated",
    )
    parser.add_argument("--all", action="store_true", help="print every event, and each in a line of its own")
    commands(parser)
    given.socket(parser)


def rehearse(options: Namespace) -> int:
    """Rehearse the plan from `up` to its end; nothing outside memory is touched."""
    with _uncollected():
        played = api_rehearse(
            gather_plan(reach(options), options.file, run_commands=options.run_commands, socket=options.socket),
            rehearsal,
            options.file,
            seconds=options.unit,
            early=dict(options.early),
            hang=options.hang,
            every=options.all,
        )
    events = played.events

    def text(data: Rehearsed) -> None:
        for line in rehearsed_lines(events) if not options.all else (_rehearsed_line(e, events[0]) for e in events):
            out(line)
        night = _clock(events[0], events[-1])
        out(f"rehearsed: {data.outcome}, {data.units.done}/{data.units.total} units, in {night}")

    return show(options, played.answer, text, played.answer.next)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Search for no cycles meanwhile: a deployment has a million values and none, and each search asks all."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _early(text: str) -> tuple[str, int]:
    name, _, count = text.rpartition(":")
    if not name or not count.isdigit():
        raise ArgumentTypeError(f"found {text!r}; expected WORKER:N")
    return name, int(count)


def rehearsed_lines(events: Sequence[Event]) -> Iterator[str]:
    """Yield the lines of a timeline; those of several workers that differ in the name alone are one."""
    groups: dict[tuple[str, ...], list[Event]] = {}
    for event in events:
        # A decision of the deployment ends a group: what follows it is another step.
        key = (_clock(events[0], event), *_words(event))
        if not event.worker:
            yield from _folded_lines(groups, events[0])
            groups = {}
        groups.setdefault(key, []).append(event)
    yield from _folded_lines(groups, events[0])


def _folded_lines(groups: Mapping[tuple[str, ...], Sequence[Event]], first: Event) -> Iterator[str]:
    for same in groups.values():
        if len(same) < FOLDED_MIN:
            yield from (_rehearsed_line(event, first) for event in same)
        else:
            yield _rehearsed_line(same[0], first, f"{same[0].worker} and {len(same) - 1} more")


def _words(event: Event) -> tuple[str, ...]:
    """Return what the line of an event says, with its worker's name left out."""
    line = f"{event.by.partition(':')[0]} {kind(event.data)} {event.source} {event.to} {summary(event.data)}"
    return (re.sub(rf"\b{re.escape(event.worker)}\b", "*", line) if event.worker else line,)


def _rehearsed_line(event: Event, first: Event, who: str = "") -> str:
    moved = f" {event.source} -> {event.to}" if event.to else ""
    text = summary(event.data)
    by = event.by.partition(":")[0]
    return f"{_clock(first, event)} {by:5} {who or event.worker or '-'} {kind(event.data)}{moved} {text}".rstrip()


def _clock(first: Event, event: Event) -> str:
    seconds = round((event.at - first.at).total_seconds())
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


VERBS: dict[str, Verb] = {
    "rehearse": ("wakeman rehearse wakeman.toml --early condense_a:3", _rehearse_options, rehearse)
}
