"""The verb that runs a plan in memory."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

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
    parser.add_argument("--all", action="store_true", help="print every event")
    commands(parser)
    given.socket(parser)


def rehearse(options: Namespace) -> int:
    """Rehearse the plan from `up` to its end; nothing outside memory is touched."""
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
        for event in events:
            out(_rehearsed_line(event, events[0]))
        night = _clock(events[0], events[-1])
        out(f"rehearsed: {data.outcome}, {data.units.done}/{data.units.total} units, in {night}")

    return show(options, played.answer, text, played.answer.next)


def _early(text: str) -> tuple[str, int]:
    name, _, count = text.rpartition(":")
    if not name or not count.isdigit():
        raise ArgumentTypeError(f"found {text!r}; expected WORKER:N")
    return name, int(count)


def _rehearsed_line(event: Event, first: Event) -> str:
    moved = f" {event.source} -> {event.to}" if event.to else ""
    text = summary(event.data)
    by = event.by.partition(":")[0]
    return f"{_clock(first, event)} {by:5} {event.worker or '-'} {kind(event.data)}{moved} {text}".rstrip()


def _clock(first: Event, event: Event) -> str:
    seconds = round((event.at - first.at).total_seconds())
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


VERBS: dict[str, Verb] = {
    "rehearse": ("wakeman rehearse wakeman.toml --early condense_a:3", _rehearse_options, rehearse)
}
