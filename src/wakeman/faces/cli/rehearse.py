"""The verb that plays a plan in memory: the real engine, real rows and log lines, acted workers, a clock that jumps."""

from __future__ import annotations

import math
import posixpath
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from wakeman.adapters.memory import Act, MemoryWorld
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Event, kind, stamp
from wakeman.core.log.summary import summary
from wakeman.core.model import VerifySpec
from wakeman.core.plan.template import nearest
from wakeman.engine.check import check
from wakeman.engine.start import deploy
from wakeman.engine.start.prepare import Prepared
from wakeman.engine.status import describe
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.plan import gather
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import advise, answer, out

CONTENT = {"yaml": b"rehearsed: true", "json": b"true", "toml": b"rehearsed = true", "none": b"rehearsed"}
"""What an acted worker writes for each `verify.parse`; blanks bring it to its size."""
QUIET = ("planned", "enrolled", "armed", "looked", "effected", "disarmed")
"""Types that a timeline leaves out unless all are asked for."""


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="plan file, TOML or JSON")
    parser.add_argument(
        "--unit", metavar="S", type=given.duration, default=60.0, help="time that a unit takes (default: 60s)"
    )
    early = "have WORKER end by itself after N units; may be repeated"
    parser.add_argument("--early", metavar="WORKER:N", type=_early, action="append", default=[], help=early)
    parser.add_argument(
        "--hang", metavar="WORKER", action="append", default=[], help="have WORKER never do anything; may be repeated"
    )
    parser.add_argument("--all", action="store_true", help="print every event")


def rehearse(options: Namespace) -> int:
    """Play the plan from `up` to its end; nothing outside memory is touched."""
    prepared = _prepared(options)
    stage = _stage(prepared, options)
    d = deploy.up(stage.world("up:0"), prepared)
    stage.run(lambda world, head: check(world, d.name, head), lambda: stage.logs.read(d.name).outcome != "open")
    data = describe(stage.world(), stage.logs.read(d.name), None)
    events = [e for e in stage.logs.events(d.name) if options.all or kind(e.data) not in QUIET]
    following = [f"wakeman up {options.file}"]
    if options.json:
        shown = ("deployment", "outcome", "units", "workers", "started", "ended")
        timeline = [
            {"at": stamp(e.at), "type": kind(e.data), "worker": e.worker, "says": summary(e.data)} for e in events
        ]
        answer(options, {**{key: data[key] for key in shown}, "timeline": timeline}, following)
        return 0
    for event in events:
        out(_line(event, events[0]))
    total = data["units"]["total"]
    out(
        f"rehearsed: {data['outcome']}, {data['units']['done']}/{total} units, {_clock(events[0], events[-1])} of night"
    )
    advise(options, following)
    return 0


def _prepared(options: Namespace) -> Prepared:
    return gather(reach(options), options.file)


def _stage(prepared: Prepared, options: Namespace) -> MemoryWorld:
    names = [share.name for share in prepared.shares]
    early = dict(options.early)
    for name in (*early, *options.hang):
        if name not in names:
            raise UsageError(f"no worker {name!r} in this plan{nearest(name, names)}", f"wakeman plan {options.file}")
    content, source = _sizes(prepared.plan.verify)
    stage = MemoryWorld(usual=Act(seconds=options.unit, content=content))
    for name in names:
        hangs = name in options.hang
        stops = 0 if hangs else early.get(name)
        stage.acts[name] = Act(seconds=options.unit, stops_after=stops, hangs=hangs, content=content)
    for unit in prepared.units:
        if unit.input is not None:
            stage.files.write(posixpath.join(prepared.root, unit.input), b" " * source)
    if prepared.plan.workers.prompt_file is not None:
        stage.files.write(posixpath.join(prepared.root, prepared.plan.workers.prompt_file), b"(the task)")
    if prepared.repository is not None:
        stage.git.imitate(prepared.repository)
    stage.machine.environment.update(dict.fromkeys(prepared.plan.workers.env_from, "rehearsed"))
    return stage


def _sizes(verify: VerifySpec) -> tuple[bytes, int]:
    """Give an output that passes, and the size of an input beside which it does."""
    content = CONTENT[verify.parse]
    content += b"\n" + b" " * max(0, verify.min_bytes - len(content))
    return content, math.ceil(len(content) / (verify.max_ratio or 1.0)) + 1


def _early(text: str) -> tuple[str, int]:
    name, _, count = text.rpartition(":")
    if not name or not count.isdigit():
        raise ArgumentTypeError(f"found {text!r}; expected WORKER:N")
    return name, int(count)


def _line(event: Event, first: Event) -> str:
    moved = f" {event.source} -> {event.to}" if event.to else ""
    said = summary(event.data)
    by = event.by.partition(":")[0]
    return f"{_clock(first, event)} {by:5} {event.worker or '-'} {kind(event.data)}{moved} {said}".rstrip()


def _clock(first: Event, event: Event) -> str:
    seconds = round((event.at - first.at).total_seconds())
    return f"{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


VERBS: dict[str, Verb] = {"rehearse": ("wakeman rehearse wakeman.toml --early condense_a:3", _options, rehearse)}
