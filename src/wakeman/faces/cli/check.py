"""The verbs that carry a deployment on: check and wait."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from wakeman.engine.check import check as engine_check
from wakeman.engine.status import code
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach
from wakeman.faces.cli.show import done

BY = ("at", "exit", "hook", "timer", "hand")


def _check_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument("--by", choices=BY, default="hand", help="who asks (default: hand)")
    parser.add_argument("--head", metavar="SEQ:HASH", default="", help="the log's end as an alarm saw it")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _wait_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument("--timeout", metavar="S", type=given.duration, help="exit with 4 after that")
    parser.add_argument(
        "--until",
        choices=("done", "change", "attention"),
        default="done",
        help="closed; or any change; or a person is needed (default: done)",
    )


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


VERBS: dict[str, Verb] = {
    "check": ("wakeman check condense-docs", _check_options, check),
    "wait": ("wakeman wait condense-docs --until attention --timeout 1h", _wait_options, wait),
}
