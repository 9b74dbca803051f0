"""The verb that runs a plan in memory."""

from __future__ import annotations

import gc
import posixpath
import re
import shlex
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from wakeman.adapters.memory.rehearsal import rehearsal
from wakeman.api.names import named
from wakeman.api.rehearse import DAY_S, Cast, Rehearsed, RehearsedQueues, measured_units, rehearse_queues
from wakeman.api.rehearse import rehearse as api_rehearse
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Event, kind
from wakeman.core.log.summary import summary
from wakeman.core.model import Plan
from wakeman.core.queueing import QueueModel, Spread
from wakeman.faces.cli import options as given
from wakeman.faces.cli.curve import Point, drawn_curve
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.paper import paper
from wakeman.faces.cli.plan import commands, gather_plan
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import lasting, out, show, table
from wakeman.ports import World

MEASURED = "log:"
HELP = "wakeman rehearse --help"
FAILS_S_MIN = 60.0
"""Seconds between two failures of a node, or that a job may run, at least: below that nothing is ever done."""
GIVE_UP_S_MAX = 30 * DAY_S
COUNT_MAX = 100_000
"""Nodes, or slots of one, at most."""
QUEUES_MAX = 64
"""Sizes of queues at most: each takes as long as a rehearsal."""
FOLDED_MIN = 3
"""Lines that differ in the worker's name alone from which on they are one."""


def _rehearse_options(parser: ArgumentParser) -> None:
    given.plan_file(parser)
    drawn = (
        "60s: always; exp:60s: exponentially spread around it; @FILE: drawn from the durations in it, one a line;"
        " log:NAME: drawn from those of a deployment"
    )
    parser.add_argument(
        "--unit",
        metavar="S",
        type=_unit_spread,
        default=Spread(60.0),
        help=f"time that a unit takes (default: 60s). {drawn}",
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
    _queue_options(parser)
    commands(parser)
    given.socket(parser)


def _queue_options(parser: ArgumentParser) -> None:
    nodes = (
        "rehearse it on a queue of so many nodes, once for each: 4,8,16, or 4-64 for each the double of the one before;"
        " each takes as long as a rehearsal, half a minute for 100,000 units"
    )
    parser.add_argument("--nodes", metavar="N,...", type=_sizes_given, help=nodes)
    slots = "with --nodes: workers that run on a node at a time, once for each (default: 1)"
    parser.add_argument("--slots", metavar="N,...", type=_sizes_given, help=slots)
    wait = "with --nodes: time that each job waits in the queue, then for a slot (default: 0s): 5m, exp:5m or @FILE"
    parser.add_argument("--wait", metavar="S", type=_spread, help=wait)
    fails = "with --nodes: a node fails so often, exponentially spread; what runs on it is lost (default: never)"
    parser.add_argument("--fails", metavar="S", type=_longer_than(FAILS_S_MIN), help=fails)
    repair = "with --fails: time after which a node that failed is back (default: 1h)"
    parser.add_argument("--repair", metavar="S", type=given.duration, help=repair)
    time = "with --nodes: time that a job may run (default: slurm.time of the plan)"
    parser.add_argument("--time", metavar="S", type=_longer_than(FAILS_S_MIN), help=time)
    give_up = "with --nodes: time after which it ends as partial, instead of limits.give_up; 30d at most"
    parser.add_argument("--give-up", metavar="S", type=_give_up, help=give_up)
    seed = "seed of all that is drawn: the same one gives the same (default: 1)"
    parser.add_argument("--seed", metavar="N", type=given.line_number, default=1, help=seed)


def rehearse(options: Namespace) -> int:
    """Rehearse the plan from `up` to its end; nothing outside memory is touched."""
    with _uncollected():
        world = reach(options)
        unit = _read_spread(world, options.unit)
        cast = Cast(unit=unit, early=dict(options.early), hang=options.hang, seed=options.seed)
        _require_nodes(options)
        if options.all and options.nodes:
            raise UsageError("--all: found beside --nodes, which prints no events; expected one of them", HELP)
        prepared = gather_plan(world, options.file, run_commands=options.run_commands, socket=options.socket)
        if options.nodes:
            queues = _one_by_one(queue_models(world, options, prepared.plan))
            answer = rehearse_queues(prepared, rehearsal, options.file, cast, queues, give_up=options.give_up)
            return show(options, answer, _print_courses, answer.next)
        played = api_rehearse(prepared, rehearsal, options.file, cast, every=options.all)
        del prepared
    events = played.events

    def text(data: Rehearsed) -> None:
        for line in rehearsed_lines(events) if not options.all else (_rehearsed_line(e, events[0]) for e in events):
            out(line)
        night = _clock(events[0], events[-1])
        out(f"rehearsed: {data.outcome}, {data.units.done}/{data.units.total} units, in {night}")

    return show(options, played.answer, text, played.answer.next)


def read_queue_words(where: str, words: str) -> Namespace:
    """Read the options of a queue, and nothing else, as another face was given them. Raises: UsageError."""
    parser = given.Arguments(prog=where, add_help=False, allow_abbrev=False)
    _queue_options(parser)
    try:
        options = parser.parse_args(shlex.split(words))
    except ValueError as fault:
        raise UsageError(f"{where}: {fault}: {words[:80]!r}") from None
    except UsageError as fault:
        raise UsageError(str(fault), HELP) from None
    if not options.nodes:
        raise UsageError(f"{where}: found {words[:80]!r}; expected --nodes among them, as in --nodes 4-64", HELP)
    return options


def queue_models(world: World, options: Namespace, plan: Plan) -> list[QueueModel]:
    """Return the queues that options ask for, one for each number of nodes and slots. Raises: UsageError."""
    _require_nodes(options)
    wait = _read_spread(world, options.wait or Spread(0.0))
    sizes = [(nodes, slots) for slots in options.slots or (1,) for nodes in options.nodes]
    if len(sizes) > QUEUES_MAX:
        raise UsageError(f"--nodes: found {len(sizes)} sizes of queues; expected at most {QUEUES_MAX}", HELP)
    return [
        QueueModel(
            nodes=nodes,
            slots=slots,
            wait=wait,
            fails=options.fails or 0.0,
            repair=3600.0 if options.repair is None else options.repair,
            longest=plan.slurm.time if options.time is None else options.time,
            seed=options.seed,
        )
        for nodes, slots in sizes
    ]


def _one_by_one(queues: Iterable[QueueModel]) -> Iterator[QueueModel]:
    """Yield each, and free what the one before has left: nothing else does while nothing is searched for cycles."""
    for queue in queues:
        yield queue
        gc.collect()


def _print_courses(data: RehearsedQueues) -> None:
    table(
        (
            "nodes",
            "slots",
            "time",
            "outcome",
            "units",
            "node-hours",
            "in use",
            "attempts",
            "lost",
            "timed out",
            "queued",
        ),
        [
            (
                one.nodes,
                one.slots,
                _hours(one.seconds),
                one.outcome,
                f"{one.done}/{one.total}",
                f"{one.node_hours:.1f}",
                f"{100 * one.slot_hours / (one.node_hours * one.slots):.0f}%" if one.node_hours else "-",
                one.attempts,
                one.lost,
                one.timed_out,
                lasting(one.waited),
            )
            for one in data.courses
        ],
    )
    on = paper(sys.stdout)
    points = [Point(one.nodes * one.slots, max(1.0, one.seconds), one.outcome == "complete") for one in data.courses]
    if rows := drawn_curve(on, points):
        out("")
        on.write(rows, sys.stdout)
        out("time by slots in all (nodes x slots)")
    short = [one for one in data.courses if one.outcome == "partial"]
    if short:
        out(f"partial: not all is done after {lasting(data.give_up)} (limits.give_up); --give-up goes on for longer")


def _require_nodes(options: Namespace) -> None:
    """Refuse what is said of a queue where there is none. Raises: UsageError."""
    queue = [
        name for name in ("slots", "wait", "fails", "repair", "time", "give_up") if getattr(options, name) is not None
    ]
    if queue and not options.nodes:
        raise UsageError(f"--{queue[0].replace('_', '-')}: found without --nodes; expected beside it", HELP)
    if options.repair is not None and options.fails is None:
        raise UsageError("--repair: found without --fails; expected beside it", HELP)


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


def _sizes_given(text: str) -> tuple[int, ...]:
    """Read numbers: 4,8,16, or 4-64 for each the double of the one before. Raises: ArgumentTypeError."""
    found: list[int] = []
    for part in text.split(","):
        bounds = [int(word) for word in part.split("-") if re.fullmatch(r"[0-9]{1,9}", word)]
        if len(bounds) != part.count("-") + 1 or len(bounds) > len("ab") or min(bounds) < 1:
            raise ArgumentTypeError(f"found {text!r}; expected numbers such as 4,8,16, or 4-64 for 4, 8, 16, 32, 64")
        if max(bounds) > COUNT_MAX or bounds[0] > bounds[-1]:
            raise ArgumentTypeError(f"found {part!r}; expected numbers from 1 to {COUNT_MAX}, the smaller one first")
        count = bounds[0]
        while count <= bounds[-1]:
            found.append(count)
            count *= 2
    return tuple(dict.fromkeys(found))


def _longer_than(seconds: float) -> Callable[[str], float]:
    """Return what reads a duration of at least so many seconds."""

    def read(text: str) -> float:
        found = given.duration(text)
        if found < seconds:
            raise ArgumentTypeError(f"found {text!r}; expected at least {seconds:g}s")
        return found

    return read


def _give_up(text: str) -> float:
    found = given.duration(text)
    if not 0 < found <= GIVE_UP_S_MAX:
        raise ArgumentTypeError(f"found {text!r}; expected more than 0s, at most {GIVE_UP_S_MAX / DAY_S:g}d")
    return found


def _unit_spread(text: str) -> Spread | str:
    """Read how long a unit takes, which may also be measured in a deployment. Raises: ArgumentTypeError."""
    if text.startswith(MEASURED) and text != MEASURED:
        return text
    try:
        return _spread(text)
    except ArgumentTypeError as fault:
        raise ArgumentTypeError(f"{fault}, or {MEASURED}NAME") from None


def _spread(text: str) -> Spread | str:
    """Read how long something takes; return the name of a file, if durations are to be drawn from one.

    Raises: ArgumentTypeError.
    """
    if text.startswith("@") and text != "@":
        return posixpath.join(".", text[1:])
    mean = text.removeprefix("exp:")
    try:
        return Spread(given.duration(mean), exponential=mean != text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"found {text!r}; expected 90s, 5m, 2h, exp:5m, or @FILE") from None


def _read_spread(world: World, found: Spread | str) -> Spread:
    """Return what was given; of a file or a deployment, the durations in it. Raises: UsageError, StorageError."""
    if isinstance(found, Spread):
        return found
    if found.startswith(MEASURED):
        name = named(world, found.removeprefix(MEASURED))
        times = measured_units(world, name)
        if not times:
            raise UsageError(f"{name}: found no unit that is done; expected a deployment with some", "wakeman status")
        return Spread(sum(times) / len(times), measured=times)
    measured = []
    for number, line in enumerate(world.files.read(found).decode(errors="replace").splitlines(), 1):
        word = line.partition("#")[0].strip()
        try:
            measured += [given.duration(word)] if word else []
        except ArgumentTypeError as fault:
            raise UsageError(f"{found}:{number}: {fault}", HELP) from None
    if not measured:
        raise UsageError(f"{found}: found no duration; expected one a line, in seconds or as 90s, 5m, 2h", HELP)
    return Spread(sum(measured) / len(measured), measured=tuple(measured))


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
    return _hours((event.at - first.at).total_seconds())


def _hours(time: float) -> str:
    seconds = round(time)
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


VERBS: dict[str, Verb] = {
    "rehearse": ("wakeman rehearse wakeman.toml --early condense_a:3", _rehearse_options, rehearse)
}
