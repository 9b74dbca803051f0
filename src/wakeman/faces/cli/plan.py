"""The verbs about plans: init, plan, up, run, amend, schema."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

import msgspec

from wakeman.api import plan as api
from wakeman.api import trial
from wakeman.api.answer import Answer
from wakeman.api.names import named
from wakeman.api.screen import harmless
from wakeman.core.errors import StorageError, UsageError
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment
from wakeman.core.plan.validation import SOURCES
from wakeman.engine.live import elsewhere as not_live
from wakeman.engine.start import deploy
from wakeman.engine.start.prepare import PreparedPlan, prepare_plan
from wakeman.faces.cli import options as given
from wakeman.faces.cli.asking import agreed
from wakeman.faces.cli.deeds import did
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.planned import print_planned
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import done, next_check, out, print_note, printable, raw, show, table
from wakeman.ports import World

STARTER = Path(__file__).with_name("starter.toml")


def _init_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default=given.PLAN_FILE,
        help=f"file to write; one that exists is an error (default: {given.PLAN_FILE})",
    )


def _plan_options(parser: ArgumentParser) -> None:
    given.plan_file(parser)
    parser.add_argument("--all", action="store_true", help="print each worker, and each unit")
    parser.add_argument("--prompt", metavar="WORKER", help="print what that worker is told, and nothing else")
    commands(parser)
    given.socket(parser)


def commands(parser: ArgumentParser) -> None:
    """Add the option that lets a plan's sources run where nothing else does."""
    text = "run units.command, to know the units; without it, nothing that the plan names is run"
    parser.add_argument("--run-commands", action="store_true", help=text)


def _up_options(parser: ArgumentParser) -> None:
    given.plan_file(parser)
    starting(parser)


def _redo_options(parser: ArgumentParser) -> None:
    given.name(parser, "closed")
    starting(parser)


def _amend_options(parser: ArgumentParser) -> None:
    text = "deployment: NAME is its latest run (default: that of the plan's name)"
    parser.add_argument("name", metavar="NAME", nargs="?", help=text)
    given.plan_file(parser)
    parser.set_defaults(file=None)  # one word may be either
    _approval(parser)


def starting(parser: ArgumentParser) -> None:
    """Add the options of every verb that starts a deployment."""
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
    text = (
        'agree to workers.auto_approve = "all" without confinement, to moves outside the plan\'s directory, to a plan'
        f" that belongs to another user, and to more than {api.AGENTS_UNASKED_MAX} agents at once"
    )
    parser.add_argument("--yes", action="store_true", help=text)
    given.socket(parser)
    text = "with --dry-run: run units.command, to know the units"
    parser.add_argument("--run-commands", action="store_true", help=text)


def _run_options(parser: ArgumentParser) -> None:
    units = parser.add_mutually_exclusive_group()
    units.add_argument("--units", metavar="GLOB", help="pattern of files, relative to here; each is one unit")
    units.add_argument("--items", metavar="UNIT", nargs="+", help="units, by name (default: the lines of stdin)")
    parser.add_argument(
        "--output", metavar="TEMPLATE", required=True, help="file that a unit makes, for example 'out/{{ unit }}'"
    )
    parser.add_argument("--name", default="run", help="name of the deployment (default: run)")
    parser.add_argument(
        "--by",
        metavar="TEMPLATE",
        help="template; units with the same result go to one worker (default: one unit each)",
    )
    parser.add_argument(
        "--at-once", metavar="N", type=given.positive_number, help="maximum number of workers that run at the same time"
    )
    parser.add_argument(
        "--stagger", metavar="S", type=given.duration, help="time between two launches, for example 5s (default: 2s)"
    )
    parser.add_argument(
        "--every",
        metavar="S",
        type=given.pace_or_duration,
        help="time between two alarms, or a pace: simple, complex, long (default: 5m)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any other key of a plan, for example workers.mode=interactive; may be repeated",
    )
    starting(parser)
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs="+",
        help="program and arguments, behind --, with template names such as {{ units_file }}",
    )


def _schema_options(parser: ArgumentParser) -> None:
    text = "verb, for the schema of its answer; or `events`, for a line of the log (default: the plan file)"
    parser.add_argument("verb", metavar="VERB", nargs="?", help=text)


# --- init and schema ------------------------------------------------------------------------------------------


def init(options: Namespace) -> int:
    """Write the starter plan, never over an existing file."""
    from wakeman.core.plan.starter import commented

    file = Path(options.file)
    if os.path.lexists(file):
        raise UsageError(f"{file}: already exists", f"wakeman plan {quote(str(file))}")
    options.would = [f"write {file.absolute()}"]
    answer = Answer(api.Initialised(file=str(file.absolute())), (f"wakeman plan {quote(str(file))}",))
    if not options.dry_run:
        try:
            with file.open("x") as new:
                new.write(commented(STARTER.read_text()))
        except OSError as fault:
            raise StorageError(f"{file}: {fault.strerror}") from fault

    def text(_: object) -> None:
        raw(str(file))
        print_note("edit it, then look at what it would start")

    return show(options, answer, text, answer.next)


def schema(options: Namespace) -> int:
    """Print the JSON Schema of the plan file, of a verb's answer, or of a line of the log."""
    from wakeman.api.schema import shown

    return show(options, shown(options.verb), lambda data: raw(json.dumps(data.schema, indent=2)))


# --- plan -----------------------------------------------------------------------------------------------------


def plan(options: Namespace) -> int:
    """Show everything that `up` would start, without starting it."""
    world = reach(options)
    prepared = gather_plan(world, options.file, run_commands=options.run_commands, socket=options.socket)
    answer = api.plan(world, prepared, options.file, owner_of(options.file))
    if options.prompt is None:
        return show(options, answer, lambda data: print_planned(data, options), answer.next)
    prompt = api.find_prompt(answer.data, options.prompt)
    return show(options, Answer(answer.data), lambda _: raw(harmless(prompt)))


# --- up, run, amend -------------------------------------------------------------------------------------------


def up(options: Namespace) -> int:
    """Start a plan, or continue its open deployment."""
    world = reach(options, "up")
    prepared = _gathered(options, world)
    api.require_host(prepared, options.on, options.verb_called)
    return started_and_shown(options, world, prepared, owner_of(options.file))


def run(options: Namespace) -> int:
    """Start workers for a plan made of options, which is read like a file."""
    world = reach(options, "up")
    if options.units is None and options.items is None and sys.stdin.isatty():
        usage = "wakeman run --items a b --output 'out/{{ unit }}' -- COMMAND, or: ls docs | wakeman run ..."
        raise UsageError("run: found no units; expected --items, --units, or a name a line on stdin", usage)
    text = json.dumps(_plan_from_options(options), indent=2)
    reading = reading_world(options, world)
    prepared = prepare_plan(reading, text, "wakeman run", os.getcwd(), sys.stdin.read)
    api.require_host(prepared, options.on, options.verb_called)
    return started_and_shown(options, world, prepared)


def redo(options: Namespace) -> int:
    """Start what a closed deployment left undone, as a new run."""
    world = reach(options, "up")
    name = named(world, options.name)
    own = {"socket": options.socket} if options.socket else {}
    prepared = api.left_undone(reading_world(options, world), name, own)
    if not options.json:
        print_note(f"{count(len(prepared.units), 'unit')} that {name} left undone")
    if not_live(world, name, world.logs.read(name)):
        api.require_host(prepared, options.on, options.verb_called)
    return started_and_shown(options, world, prepared)


def amend(options: Namespace) -> int:
    """Change the plan of an open deployment."""
    world = reach(options)
    if options.file is None and _is_plan_file(options.name or ""):
        options.name, options.file = None, options.name
    options.file = options.file or given.PLAN_FILE
    name = options.name and _existing(world, options.name)
    prepared = _gathered(options, world)
    name = name or _existing(world, prepared.plan.name)
    prepared = _approved(options, world, prepared, owner_of(options.file))
    if not options.dry_run:
        trial.require_prerequisites(world, prepared, time.sleep)
    return did(options, api.amend(world, name, prepared, options.file))


def _is_plan_file(word: str) -> bool:
    """Return whether a word can only be a plan file: no deployment has such a name."""
    return word == "-" or "/" in word or word.endswith((".toml", ".json"))


def _existing(world: World, name: str) -> str:
    """Return the exact name of a deployment. Raises: UnknownNameError."""
    exact = named(world, name)
    world.logs.read(exact)
    return exact


def started_and_shown(options: Namespace, world: World, prepared: PreparedPlan, owner: str = "") -> int:
    """Start a prepared plan, and print what is up, or watch or wait as the options say."""
    prepared = _approved(options, world, prepared, owner)
    if not options.dry_run:
        trial.require_prerequisites(world, prepared, time.sleep)
    d = deploy.up(world, prepared)
    if options.watch and not options.dry_run:
        from wakeman.faces.cli.watch import watch_and_print

        _tell(options, world, d, prepared)
        return watch_and_print(options, msgspec.structs.replace(world, by=world.by.replace("up", "watch")), d.name)
    if options.wait and not options.dry_run:
        return _awaited(options, world, d, prepared)
    answer = api.started(world, d, prepared)
    return show(options, answer, _up, answer.next)


def _approved(options: Namespace, world: World, prepared: PreparedPlan, owner: str) -> PreparedPlan:
    """Return the plan with what a person agrees to: by `--yes`, or on a terminal when asked."""
    agreed(options, api.unanswered(world, prepared, owner))
    return api.with_agreement(world, prepared, yes=True, owner=owner)


def _up(data: api.StartedDeployment) -> None:
    size = f"{count(data.units.total, 'unit')}, {count(len(data.workers), 'worker')}"
    out(f"{data.deployment} is {'up' if data.outcome == 'open' else data.outcome}: {size}")
    out(f"log: {data.log}")
    table(("worker", "state", "session"), [(w.name, w.state, w.session) for w in data.workers])
    if data.outcome == "open":
        out(next_check(data))


def _awaited(options: Namespace, world: World, d: Deployment, prepared: PreparedPlan) -> int:
    _tell(options, world, d, prepared)
    if options.json:
        from wakeman.api.check import wait

        return done(options, wait(world, d.name, "done", time.sleep, options.timeout))
    from wakeman.faces.cli.live import wait_and_tell

    return wait_and_tell(options, world, d.name, "done")


def _tell(options: Namespace, world: World, d: Deployment, prepared: PreparedPlan) -> None:
    """Print the notes of `up` now: a warning after the end would come too late."""
    if not options.json:
        for note in api.started(world, d, prepared).notes:
            print_note(printable(note))


def reading_world(options: Namespace, world: World) -> World:
    """Return the world in which a plan's sources are read, also in a dry run."""
    if not options.dry_run:
        return world
    from wakeman.adapters import local

    return local.world(options.state, "hand")


def _gathered(options: Namespace, world: World) -> PreparedPlan:
    run_commands = options.run_commands or not options.dry_run
    reading = reading_world(options, world)
    return gather_plan(reading, options.file, run_commands=run_commands, socket=options.socket)


def gather_plan(world: World, file: str, *, run_commands: bool, socket: str | None) -> PreparedPlan:
    """Read a plan file, or stdin, and everything that it refers to."""
    own = {"socket": socket} if socket else {}
    return api.gather(world, file, os.getcwd(), sys.stdin.read, run_commands=run_commands, own=own)


def owner_of(file: str) -> str:
    """Return whose a plan is, if it is not this user's: the owner of its file, or of the checkout that it is in."""
    here = Path(file).absolute()
    checkouts = [above / ".git" for above in here.parents if (above / ".git").exists()]
    for path in [here, *checkouts[:1]] if file != "-" else []:
        with suppress(OSError):
            uid = path.stat().st_uid
            if uid != os.geteuid():
                return f"another user, as {path.parent if path.name == '.git' else path} does (uid {uid})"
    return ""


def _plan_from_options(options: Namespace) -> dict[str, Any]:
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
        "workers.socket": options.socket,
        "wake.every": options.every,
    }
    keys.update(setting(text) for text in options.set)
    if not any(keys.get(f"units.{source}") for source in SOURCES):
        keys["units.file"] = "-"
    for key, value in keys.items():
        if value is not None:
            set_key(made, key.split("."), value)
    return made


def set_key(made: dict[str, Any], path: list[str], value: object) -> None:
    """Set one key of a plan that is made of options. Raises: UsageError."""
    for part in path[:-1]:
        inner = made.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {'.'.join(path)}: {part} is no table")
        made = inner
    made[path[-1]] = value


def setting(text: str) -> tuple[str, object]:
    """Read KEY=VALUE: the value as TOML, otherwise as a string."""
    import tomllib

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set: found {text[:60]!r}; expected KEY=VALUE, as verify.min_bytes=200")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):  # no TOML, or none that ends
        return key, value


VERBS: dict[str, Verb] = {
    "init": ("wakeman init wakeman.toml", _init_options, init),
    "plan": ("wakeman plan wakeman.toml --prompt condense_a", _plan_options, plan),
    "up": ("wakeman up wakeman.toml --wait", _up_options, up),
    "run": (
        "wakeman run --items a b --output 'out/{{ unit }}' -- sh -c 'date > out/$1' sh '{{ group.key }}'",
        _run_options,
        run,
    ),
    "redo": ("wakeman redo condense-docs --wait", _redo_options, redo),
    "amend": ("wakeman amend condense-docs wakeman.toml", _amend_options, amend),
    "schema": ("wakeman schema status > status.schema.json", _schema_options, schema),
}
