"""The verbs by which a person acts on a deployment: each is a request that is recorded, then a check."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from wakeman.core.errors import NeedsPersonError, UsageError
from wakeman.core.model import WakeTarget
from wakeman.engine import requests
from wakeman.engine.effects.close import bury
from wakeman.engine.workspace import repository
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach, sole
from wakeman.faces.cli.show import advise, answer, done, lasting, out, say, table, would

PATIENCE = 10.0
"""Seconds that `down` waits for the workers to end."""
PUSH = 1.0
"""Seconds between the checks that `down` runs meanwhile."""


def _why(parser: ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--why", metavar="WHY", required=required, default="", help="the reason; it is kept in the log")


def _send_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "target", metavar="TARGET", help="a worker, or any session as tmux:SESSION or tmux:SOCKET:SESSION"
    )
    parser.add_argument("text", metavar="TEXT", help="text to type; - reads it from stdin")
    parser.add_argument("--submit", action="store_true", help="press Enter behind the text")
    parser.add_argument("--wait", action="store_true", help="with --submit: return once it is known whether it arrived")
    parser.add_argument("--force", action="store_true", help="type even if the session is not at an empty prompt")
    parser.add_argument(
        "--as-is", action="store_true", help="type a leading / or ! as it is, so that the client takes it for a command"
    )


def _retry_options(parser: ArgumentParser) -> None:
    given.worker(parser)
    parser.add_argument(
        "--unit", metavar="U", action="append", default=[], help="do only this unit of what is missing; may be repeated"
    )
    parser.add_argument(
        "--note", metavar="WHY", default="", help="text that is added to the prompt of the next attempt"
    )


def _judge_options(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="+", help="unit, by its name")
    _why(parser, required=True)
    given.deployment(parser)


def _down_options(parser: ArgumentParser) -> None:
    given.name(parser)
    _why(parser, required=False)


def _sweep_options(parser: ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", help="pattern of session names, for example 'val_*'")
    parser.add_argument(
        "--older-than", metavar="AGE", type=given.duration, required=True, help="least age, for example 10m"
    )
    parser.add_argument("--yes", action="store_true", help="end the sessions that are listed")
    given.deployment(parser)


# --- workers --------------------------------------------------------------------------------------------------


def send(options: Namespace) -> int:
    """Type text into a session."""
    world = reach(options)
    text = sys.stdin.read().rstrip("\n") if options.text == "-" else options.text
    if options.target.startswith("tmux:"):
        session = options.target.removeprefix("tmux:")
        target = WakeTarget(tmux=session, submit=options.submit, force=options.force)
        requests.tell(world, target, text, "")
        return _sent(options, {"target": options.target}, f"sent to tmux session {session}", [])
    deployment, name = requests.find_worker(world, options.target)
    requests.send(world, deployment, name, text, submit=options.submit, force=options.force, raw=options.as_is)
    target_name = f"{deployment}/{name}"
    following = [f"wakeman capture {target_name}"]
    if not (options.wait and options.submit) or options.dry_run:
        return _sent(options, {"target": target_name}, f"sent to {target_name}", following)
    if why := requests.heard(world, deployment, name, time.sleep):
        raise NeedsPersonError(f"{target_name}: not confirmed: {why}", f"wakeman attach {target_name}")
    return _sent(options, {"target": target_name, "arrived": True}, f"arrived at {target_name}", following)


def _sent(options: Namespace, data: Mapping[str, object], words: str, following: list[str]) -> int:
    if options.dry_run:
        would(options, data)
    elif options.json:
        answer(options, data, following)
    else:
        out(words)
    return 0


def stop(options: Namespace) -> int:
    """End one worker."""
    world = reach(options)
    deployment, name = requests.find_worker(world, options.worker)
    done(options, world, requests.stop(world, deployment, name))
    return 0


def retry(options: Namespace) -> int:
    """Start another attempt."""
    world = reach(options)
    deployment, name = requests.find_worker(world, options.worker)
    done(options, world, requests.retry(world, deployment, name, tuple(options.unit), options.note))
    return 0


# --- units ----------------------------------------------------------------------------------------------------


def waive(options: Namespace) -> int:
    """Count units as done."""
    world = reach(options)
    deployment = sole(world, options.deployment, options.unit)
    done(options, world, requests.judge(world, deployment, "waive", tuple(options.unit), options.why))
    return 0


def reject(options: Namespace) -> int:
    """Reopen units."""
    world = reach(options)
    deployment = sole(world, options.deployment, options.unit)
    done(options, world, requests.judge(world, deployment, "reject", tuple(options.unit), options.why))
    return 0


# --- deployments ----------------------------------------------------------------------------------------------


def accept(options: Namespace) -> int:
    """Let the held row be taken."""
    world = reach(options)
    done(options, world, requests.request(world, named(world, options.name), "accept"))
    return 0


def pause(options: Namespace) -> int:
    """Stop alarms and launches."""
    world = reach(options)
    d = requests.request(world, named(world, options.name), "pause")
    done(options, world, d)
    alive = [worker.name for worker in d.workers.values() if worker.live]
    if alive and not options.json:
        say(f"agents that run go on: {', '.join(alive)}; wakeman stop WORKER ends one")
    return 0


def unpause(options: Namespace) -> int:
    """Go on."""
    world = reach(options)
    done(options, world, requests.request(world, named(world, options.name), "unpause"))
    return 0


def down(options: Namespace) -> int:
    """End a deployment; wait a little for its workers to go."""
    from wakeman.engine.wait import wait

    world = reach(options)
    name = named(world, options.name)
    d = requests.request(world, name, "down", options.why or "asked for")
    if not options.dry_run and d.outcome == "open":
        d = wait(world, name, "done", time.sleep, timeout=PATIENCE, push=PUSH).deployment
    done(options, world, d)
    if d.outcome == "open" and not options.dry_run and not options.json:
        say("its workers are still ending")
        advise(options, [f"wakeman wait {name}"])
    return 0


def clean(options: Namespace) -> int:
    """Move a closed deployment's directory to the trash."""
    world = reach(options)
    name = named(world, options.name)
    d = world.logs.read(name)
    if d.outcome == "open":
        raise UsageError(f"{name} is open", f"wakeman down {name}")
    target = f"{world.state}/.trash/{name}-{world.clock.now():%Y%m%dT%H%M%SZ}"
    bury(world, d)
    with world.logs.hold(name, world.by):  # no check is under way
        left = repository.clear(world, d)
        where = world.files.move(f"{world.state}/{name}", target)
        kept = {tree.replace(d.host.directory, where, 1): why for tree, why in left.items()}
        repository.follow(world, d, list(kept))
    data = {"deployment": name, "moved_to": where, "trees": kept}
    code = _sent(options, data, f"{name}: moved to {where}", ["wakeman status"])
    if not options.json and not options.dry_run:
        for tree, why in kept.items():
            say(f"{tree}: left as a work tree: {why}")
    return code


def sweep(options: Namespace) -> int:
    """List old sessions of a pattern; end them when told to."""
    world = reach(options)
    deployment = sole(world, options.deployment)
    end = options.yes or options.dry_run
    found = requests.sweep(world, deployment, options.pattern, options.older_than, act=end)
    if options.dry_run:
        would(options, {"deployment": deployment})
        return 0
    _swept(options, deployment, found)
    return 0


def _swept(options: Namespace, deployment: str, found: list[tuple[str, float]]) -> None:
    again = f"wakeman sweep '{options.pattern}' --older-than {options.older_than:g} --deployment {deployment} --yes"
    following = [again] if found and not options.yes else []
    if options.json:
        sessions = [{"session": session, "age": round(age)} for session, age in found]
        answer(options, {"deployment": deployment, "ended": options.yes, "sessions": sessions}, following)
        return
    if found:
        table(("session", "age", ""), [(name, lasting(age), "ended" * options.yes) for name, age in found])
    else:
        say("no such session")
    advise(options, following)


VERBS: dict[str, Verb] = {
    "send": ("wakeman send condense_api 'go on' --submit", _send_options, send),
    "stop": ("wakeman stop condense-docs/condense_api", given.worker, stop),
    "retry": ("wakeman retry condense_api --note 'keep the tables'", _retry_options, retry),
    "waive": ("wakeman waive docs/old.md --why 'not needed any more'", _judge_options, waive),
    "reject": ("wakeman reject docs/api.md --why 'lost the error codes'", _judge_options, reject),
    "accept": ("wakeman accept condense-docs", given.name, accept),
    "pause": ("wakeman pause condense-docs", given.name, pause),
    "unpause": ("wakeman unpause condense-docs", given.name, unpause),
    "down": ("wakeman down condense-docs --why 'wrong branch'", _down_options, down),
    "clean": ("wakeman clean condense-docs", given.name, clean),
    "sweep": ("wakeman sweep 'val_*' --older-than 10m", _sweep_options, sweep),
}
