"""The verbs about plans: init, plan, up, run, amend, schema."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from shlex import join, quote
from typing import Any

import msgspec

from wakeman.core.errors import PlanError, StorageError, UsageError
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, Plan
from wakeman.core.policy import review
from wakeman.core.policy.decide import every
from wakeman.engine.start import deploy
from wakeman.engine.start.prepare import Prepared, prepare
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach
from wakeman.faces.cli.show import advise, answer, clean, commands, done, out, say, screen, table, upcoming, would
from wakeman.ports import World

STARTER = Path(__file__).with_name("starter.toml")

STAND_IN = "the tmux timer stands in: it does not survive the tmux server or a restart of the machine"


def _file(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="plan file, TOML or JSON; - reads it from stdin")


def _init_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default="wakeman.toml",
        help="file to write; one that exists is an error (default: wakeman.toml)",
    )


def _up_options(parser: ArgumentParser) -> None:
    _file(parser)
    _starting(parser)


def _amend_options(parser: ArgumentParser) -> None:
    given.name(parser)
    _file(parser)
    _approval(parser)


def _starting(parser: ArgumentParser) -> None:
    _approval(parser)
    parser.add_argument("--watch", action="store_true", help="then watch the deployment, as `wakeman watch` does")
    parser.add_argument(
        "--wait", action="store_true", help="return when the deployment is done; the exit code says how"
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=given.duration,
        help="with --wait: exit with 4 after that time, for example 2h (default: none)",
    )


def _approval(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help='agree to workers.auto_approve = "all" without confinement')


def _run_options(parser: ArgumentParser) -> None:
    units = parser.add_mutually_exclusive_group(required=True)
    units.add_argument("--units", metavar="GLOB", help="pattern of files, relative to here; each is one unit")
    units.add_argument("--items", metavar="UNIT", nargs="+", help="units, by name")
    parser.add_argument(
        "--output", metavar="TEMPLATE", required=True, help="file that a unit makes, for example 'out/{{ unit }}'"
    )
    parser.add_argument("--name", default="run", help="name of the deployment (default: run)")
    parser.add_argument(
        "--by", metavar="TEMPLATE", help="units for which this is equal go to one worker (default: one unit each)"
    )
    parser.add_argument("--at-once", metavar="N", type=given.count, help="workers that run side by side at most")
    parser.add_argument(
        "--stagger", metavar="S", type=given.duration, help="time between two launches, for example 5s (default: 2s)"
    )
    parser.add_argument(
        "--every",
        metavar="S",
        type=given.pace,
        help="time between two alarms, or a pace: simple, complex, long (default: 5m)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any other key of a plan, for example workers.mode=interactive; may be repeated",
    )
    _starting(parser)
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs="+",
        help="program and arguments, behind --, with template names such as {{ units_file }}",
    )


# --- init and schema ------------------------------------------------------------------------------------------


def init(options: Namespace) -> int:
    """Write the starter plan, never over a file."""
    from wakeman.core.plan.starter import commented

    file = Path(options.file)
    if file.exists():
        raise UsageError(f"{file}: is there already", f"wakeman plan {quote(str(file))}")
    options.would = [f"write {file.absolute()}"]
    if options.dry_run:
        would(options, {"file": str(file.absolute())})
        return 0
    try:
        with file.open("x") as new:
            new.write(commented(STARTER.read_text()))
    except OSError as fault:
        raise StorageError(f"{file}: {fault.strerror}") from fault
    following = f"wakeman plan {quote(str(file))}"
    if options.json:
        answer(options, {"file": str(file.absolute())}, [following])
    else:
        out(str(file))
        say("edit it, then look at what it would start")
        advise(options, [following])
    return 0


def schema(options: Namespace) -> int:
    """Print the JSON Schema of the plan file."""
    from wakeman.core.plan.schema import schema as made

    if options.json:
        answer(options, {"schema": made()}, ["wakeman init"])
    else:
        out(json.dumps(made(), indent=2))
    return 0


# --- plan -----------------------------------------------------------------------------------------------------


def plan(options: Namespace) -> int:
    """Show everything that `up` would start, without starting it."""
    world = reach(options)
    prepared = gather(world, options.file)
    data = _plan_data(world, prepared, options.file)
    if options.json:
        answer(options, data, [data["up"]])
    else:
        _show_plan(options, data)
    return 0


def _plan_data(world: World, prepared: Prepared, file: str) -> dict[str, Any]:
    previews = deploy.preview(world, prepared)
    workers = [
        {
            "name": one.share.name,
            "key": one.share.key,
            "units": [unit.name for unit in one.share.units],
            "command": list(one.command.argv),
            "stdin": one.command.stdin or None,
            "writes": one.writes,
        }
        for one in previews
    ]
    spec = prepared.plan.workers
    reviewer = deploy.reviewer(world, prepared)
    return {
        "plan": prepared.plan.name,
        "root": prepared.root,
        "units": [
            {"unit": unit.name, "input": unit.input, "outputs": list(unit.outputs), "writes": list(unit.writes)}
            for unit in prepared.units
        ],
        "workers": workers,
        "review": {"of": prepared.plan.verify.review.of, "command": list(reviewer.argv)} if reviewer else None,
        "conflicts": [],  # a plan with one is refused before this
        "existing": [mark.path for mark in prepared.existing],
        "every": every(Deployment(plan=prepared.plan)),
        "at_once": spec.at_once,
        "stagger": spec.stagger,
        "auto_approve": spec.auto_approve,
        "confined": previews[0].confined,
        "stage": spec.stage,
        "base": prepared.repository.base if prepared.repository else None,
        "notes": list(prepared.notes),
        "up": f"wakeman up {quote(file)}" + (" --yes" if _risky(prepared.plan) else ""),
    }


def _show_plan(options: Namespace, data: dict[str, Any]) -> None:
    total, workers = len(data["units"]), data["workers"]
    once = data["at_once"] or "all"
    size = f"{count(total, 'unit')}, {count(len(workers), 'worker')}"
    out(f"{data['plan']}: {size}, {once} at once, {data['stagger']:g} s apart")
    out(f"paths are relative to {clean(data['root'])}")
    out(f"an alarm every {data['every']:g} s; conflicts: none; auto_approve: {str(data['auto_approve']).lower()}")
    if data["confined"]:
        out(f"confined: by {clean(data['confined'])}")
    if data["stage"]:
        out("outputs are made in a stage of each attempt, and installed when they pass")
    if data["base"]:
        out(f"each worker gets a git work tree of its own from the commit {data['base'][:12]}")
    for note in data["notes"]:
        out(f"note: {clean(note)}")
    units = {unit["unit"]: unit for unit in data["units"]}
    for worker in workers:
        out("")
        out(f"worker {worker['name']} ({count(len(worker['units']), 'unit')})")
        stdin = f" < {quote(worker['stdin'])}" if worker["stdin"] else ""
        out(screen(f"  runs  {join(worker['command'])}{stdin}".replace("\n", " ")))
        for name in worker["units"]:
            out(f"  unit  {clean(name)} -> {clean(', '.join(units[name]['outputs']))}")
        for place in worker["writes"] or ():
            out(f"  may write to  {clean(place)}")
    if data["review"]:
        out("")
        out(f"reviewer, before the wrap-up, of {data['review']['of']}")
        out(screen(f"  runs  {join(data['review']['command'])}".replace("\n", " ")))
    if data["existing"]:
        out("")
        out("outputs that exist already:")
        for path in data["existing"]:
            out(f"  {clean(path)}")
    advise(options, [data["up"]])


# --- up, run, amend -------------------------------------------------------------------------------------------


def up(options: Namespace) -> int:
    """Start a plan, or go on with its open deployment."""
    world = reach(options, "up")
    return _started(options, world, gather(_reading(options, world), options.file))


def run(options: Namespace) -> int:
    """Start workers for a plan made of options; it goes through the same reading as a file."""
    world = reach(options, "up")
    text = json.dumps(_made(options), indent=2)
    return _started(options, world, prepare(_reading(options, world), text, "wakeman run", os.getcwd()))


def amend(options: Namespace) -> int:
    """Change the plan of an open deployment."""
    world = reach(options)
    name = named(world, options.name)
    prepared = gather(_reading(options, world), options.file)
    _approved(options, prepared)
    done(options, world, deploy.amend(world, name, prepared))
    return 0


def _started(options: Namespace, world: World, prepared: Prepared) -> int:
    _approved(options, prepared)
    d = deploy.up(world, prepared)
    if options.dry_run:
        done(options, world, d)
        return 0
    if options.watch:
        from wakeman.faces.cli.watch import follow

        return follow(options, msgspec.structs.replace(world, by=world.by.replace("up", "watch")), d.name)
    if options.wait:
        return _awaited(options, world, d)
    _report(options, world, d)
    return 0


def _awaited(options: Namespace, world: World, d: Deployment) -> int:
    from wakeman.engine.status import code
    from wakeman.engine.wait import wait

    if not options.json:
        _warn(world, d)
    waited = wait(world, d.name, "done", time.sleep, timeout=options.timeout)
    done(options, world, waited.deployment)
    return code(waited.deployment) if waited.came else 4


def _report(options: Namespace, world: World, d: Deployment) -> None:
    from wakeman.engine.status import describe

    data = describe(world, d, d.looked_at)
    if options.json:
        weak = d.outcome == "open" and (d.alarm is None or d.alarm.kind == "tmux")
        answer(options, {**data, "weakness": world.alarms.weakness() if weak else None}, commands(data))
        return
    size = f"{count(len(d.units), 'unit')}, {count(len(d.workers), 'worker')}"
    out(f"{d.name} is {'up' if d.outcome == 'open' else d.outcome}: {size}")
    out(f"log: {data['log']}")
    table(("worker", "state", "session"), [(w["name"], w["state"], w["session"]) for w in data["workers"]])
    if d.outcome == "open":
        out(upcoming(data))
        _warn(world, d)
    advise(options, commands(data))


def _warn(world: World, d: Deployment) -> None:
    """Say what is weak about the alarm, where it is."""
    if d.outcome != "open" or (d.alarm is not None and d.alarm.kind == "at"):
        return
    weakness = world.alarms.weakness() or "at did not take the job"
    costs = STAND_IN if d.alarm is not None else "no alarm lies ahead: run `wakeman check` yourself, or wait"
    say(f"warning: {clean(weakness)}; {costs}")


def _approved(options: Namespace, prepared: Prepared) -> None:
    keys = _risky(prepared.plan)
    if keys and not options.yes:
        raise UsageError(
            f'{keys[0]} = "all" without confinement: agents may run any command unasked; expected --yes',
            "add --yes to agree",
        )


def _risky(plan: Plan) -> list[str]:
    """Name the keys that let agents run anything, with nothing to hold them."""
    if plan.workers.confine != "off":
        return []
    approvals = {"workers.auto_approve": plan.workers.auto_approve}
    if review.wanted(plan) and review.harness(plan) != "command":
        approvals["verify.review.auto_approve"] = plan.verify.review.auto_approve
    return [key for key, value in approvals.items() if value == "all"]


def _reading(options: Namespace, world: World) -> World:
    """Give the world in which a plan's sources are read: `units.command` runs, also in a dry run, as in `plan`."""
    if not options.dry_run:
        return world
    from wakeman.adapters import local

    return local.world(options.state, "hand")


def gather(world: World, file: str) -> Prepared:
    """Read a plan file. The plan's root is the file's directory; for stdin it is here."""
    here = os.getcwd()
    if file == "-":
        return prepare(world, sys.stdin.read(), "<stdin>", here)
    path = os.path.normpath(os.path.join(here, file))
    if not world.files.marks([path]):
        raise UsageError(f"{file}: no such file; expected a plan", "wakeman init writes one to begin with")
    text = world.files.read(path).decode("utf-8", "surrogateescape")
    try:
        return prepare(world, text, file, os.path.dirname(path), _lines(text, file))
    except PlanError as fault:
        raise PlanError(fault.problems, f"mend it, then: wakeman plan {quote(file)}") from fault


def _lines(text: str, file: str) -> str:
    """Give the lines that `units.file = "-"` speaks of. Boundary: stdin is left alone by any other plan."""
    from wakeman.core.plan.parser import read

    return sys.stdin.read() if read(text, file).units.file == "-" else ""


def _made(options: Namespace) -> dict[str, Any]:
    name = options.name
    made: dict[str, Any] = {
        "name": name,
        "units": {"output": options.output},
        "workers": {"name": f"{name}_{{{{ group.name }}}}", "command": options.command},
    }
    keys = {
        "units.glob": options.units,
        "units.items": options.items,
        "workers.by": options.by,
        "workers.at_once": options.at_once,
        "workers.stagger": options.stagger,
        "wake.every": options.every,
    }
    keys.update(_setting(setting) for setting in options.set)
    for key, value in keys.items():
        if value is not None:
            _put(made, key.split("."), value)
    return made


def _put(made: dict[str, Any], path: list[str], value: object) -> None:
    for part in path[:-1]:
        inner = made.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {'.'.join(path)}: {part} is no table")
        made = inner
    made[path[-1]] = value


def _setting(text: str) -> tuple[str, object]:
    """Read KEY=VALUE: the value as TOML has it, or else a string."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set: found {text[:60]!r}; expected KEY=VALUE, as verify.min_bytes=200")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


VERBS: dict[str, Verb] = {
    "init": ("wakeman init wakeman.toml", _init_options, init),
    "plan": ("wakeman plan wakeman.toml", _file, plan),
    "up": ("wakeman up wakeman.toml --wait", _up_options, up),
    "run": (
        "wakeman run --items a b --output 'out/{{ unit }}' -- sh -c 'date > out/$1' sh '{{ group.key }}'",
        _run_options,
        run,
    ),
    "amend": ("wakeman amend condense-docs wakeman.toml", _amend_options, amend),
    "schema": ("wakeman schema > wakeman.schema.json", lambda _: None, schema),
}
