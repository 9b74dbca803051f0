"""The verbs that carry a deployment on: check, wait and resume."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wakeman.engine.check import check as engine_check
from wakeman.engine.status import code
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach
from wakeman.faces.cli.show import answer, clean, done, line, out, say, would

if TYPE_CHECKING:
    from wakeman.engine.start.resume import Resumed
    from wakeman.ports import World

BY = ("at", "exit", "hook", "timer", "hand")


def _check_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument(
        "--by",
        choices=BY,
        default="hand",
        help="what started it, for the log: at (an alarm), exit (a worker's end), hook, timer, or hand (default: hand)",
    )
    parser.add_argument(
        "--head",
        metavar="SEQ:HASH",
        default="",
        help="head of the log as the alarm knew it: a log cut off since is found",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _wait_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=given.duration,
        help="exit with 4 after that time, for example 1h (default: none)",
    )
    parser.add_argument(
        "--until",
        choices=("done", "change", "attention"),
        default="done",
        help="done: it is closed; change: anything has changed; attention: a person is needed (default: done)",
    )


def _resume_options(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="deployment (default: each open one)")


def check(options: Namespace) -> int:
    """Run one check. An alarm names a run exactly; a person's NAME means the latest."""
    world = reach(options, options.by)
    name = named(world, options.name) if options.by == "hand" else options.name
    d = engine_check(world, name, options.head)
    if not options.quiet or options.dry_run:
        done(options, world, d)
    return code(d)


def wait(options: Namespace) -> int:
    """Wait for a deployment."""
    import time

    from wakeman.engine.wait import wait as engine_wait

    world = reach(options)
    waited = engine_wait(world, named(world, options.name), options.until, time.sleep, timeout=options.timeout)
    done(options, world, waited.deployment)
    return code(waited.deployment) if waited.came else 4


def resume(options: Namespace) -> int:
    """Take one deployment, or every open one, up again after whatever ended."""
    from wakeman.engine.start.resume import openings
    from wakeman.engine.start.resume import resume as engine_resume

    world = reach(options, "resume")
    names = [named(world, options.name)] if options.name else openings(world)
    found = list(engine_resume(world, names))
    if options.name and found[0].error is not None:
        raise found[0].error
    if options.dry_run:
        would(options, {"deployments": names})
    elif options.json:
        ok = not any(each.error for each in found)
        answer(options, {"resumed": [_resumed(each) for each in found]}, [f"wakeman wait {n}" for n in names], ok=ok)
    else:
        _tell(world, found)
    return max((each.error.code for each in found if each.error), default=0)


def _tell(world: World, found: Sequence[Resumed]) -> None:
    from wakeman.engine.status import describe

    if not found:
        say(f"nothing is open in {world.state}")
    for each in found:
        if each.deployment is None:
            say(f"error: {clean(str(each.error))}")
            if each.error is not None and each.error.hint:
                say(f"hint: {clean(each.error.hint)}")
            continue
        out(line(describe(world, each.deployment, each.deployment.looked_at)))
        for word, workers in _shares(each).items():
            if workers:
                out(f"  {word}: {', '.join(clean(worker) for worker in workers)}")
        if each.pending:
            out(f"  waiting for their turn: {each.pending}")


def _shares(each: Resumed) -> dict[str, Sequence[str]]:
    return {"adopted": each.adopted, "alive": each.alive, "launched": each.launched, "ended": each.ended}


def _resumed(each: Resumed) -> dict[str, object]:
    if each.deployment is None:
        return {"deployment": each.name, "error": str(each.error)}
    head = {"deployment": each.name, "outcome": each.deployment.outcome}
    return {**head, **{word: list(workers) for word, workers in _shares(each).items()}, "pending": each.pending}


VERBS: dict[str, Verb] = {
    "check": ("wakeman check condense-docs", _check_options, check),
    "resume": ("wakeman resume", _resume_options, resume),
    "wait": ("wakeman wait condense-docs --until attention --timeout 1h", _wait_options, wait),
}
