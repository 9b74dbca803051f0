"""The verbs that continue a deployment: check, wait and resume."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from wakeman.faces.cli.reach import plain_words, reach

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence

    from wakeman.api.check import Resumption
    from wakeman.faces.cli.options import Verb

STAYS = ("exit", "hook", "timer")
"""What starts a check that stays for the next launch of a row. An alarm ends soon, as its script removes the next."""
BY = ("at", "exit", "hook", "timer", "hand")


def _check_options(parser: ArgumentParser) -> None:
    from wakeman.faces.cli import options as given

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
        help="head of the log when the alarm was set; shows whether the log was cut since",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _wait_options(parser: ArgumentParser) -> None:
    from wakeman.faces.cli import options as given

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


def plain_options(words: Sequence[str], environ: Mapping[str, str]) -> Namespace | None:
    """Return what argparse makes of the words of a script: `NAME --state DIR --by BY --quiet`, in any order.

    Boundary: None for anything else, and where a variable stands for an option; argparse reads that, and refuses it.
    """
    from types import SimpleNamespace

    found = plain_words("check", words, environ, flags=("--quiet",), valued=("--state", "--by", "--head"))
    if found is None or not {"name", "quiet"} <= found.keys() or found.get("by", "hand") not in BY:
        return None
    unnamed = {"state": None, "on": None, "by": "hand", "head": "", "json": False, "dry_run": False}
    unnamed |= {"among": "open", "verb_called": "check"}
    return cast("Namespace", SimpleNamespace(**{**unnamed, **found}))


def _resume_options(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="deployment (default: each open one)")


def check(options: Namespace) -> int:
    """Run one check. An alarm names a run exactly; a person's NAME means the latest."""
    world = reach(options, options.by)
    name = options.name
    if options.by == "hand":
        from wakeman.api.names import named

        name = named(world, name)
    if options.quiet and not options.dry_run:  # of an alarm: an answer that is not printed is not computed
        from wakeman.api.codes import code
        from wakeman.engine.check import check as engine_check

        pause = time.sleep if options.by in STAYS else None
        d = engine_check(world, name, options.head, pause=pause)
        if d.plan.wake.answerable:
            from wakeman.engine.elsewhere import take_answers

            d = take_answers(world, d)
        return code(d)
    from wakeman.api.check import check as api_check
    from wakeman.faces.cli.show import done

    return done(options, api_check(world, name, options.head))


def wait(options: Namespace) -> int:
    """Wait for a deployment, and tell meanwhile what happens."""
    from wakeman.faces.cli.show import done

    world = reach(options)
    if options.json:
        from wakeman.api.check import wait as api_wait

        return done(options, api_wait(world, options.name, options.until, time.sleep, options.timeout))
    from wakeman.faces.cli.live import wait_and_tell

    return wait_and_tell(options, world, options.name, options.until)


def resume(options: Namespace) -> int:
    """Resume one deployment, or every open one, after a crash or a restart."""
    from wakeman.api.check import resume as api_resume
    from wakeman.faces.cli.show import print_note, show

    world = reach(options, "resume")
    found = api_resume(world, options.name)

    def text(_: object) -> None:
        _print_resumed(found)
        if not found.answer.data.resumed:
            print_note(f"nothing is open in {world.state}")

    return show(options, found.answer, text)


def _print_resumed(found: Resumption) -> None:
    from wakeman.api.check import FailedDeployment
    from wakeman.faces.cli.show import out, print_note, printable, status_line

    for each in found.answer.data.resumed:
        if isinstance(each, FailedDeployment):
            print_note(f"error: {printable(each.error)}")
            if hint := found.hints[each.deployment]:
                print_note(f"hint: {printable(hint)}")
            continue
        out(status_line(found.statuses[each.deployment]))
        shares = {"adopted": each.adopted, "alive": each.alive, "launched": each.launched, "ended": each.ended}
        for word, workers in shares.items():
            if workers:
                out(f"  {word}: {', '.join(printable(worker) for worker in workers)}")
        if each.pending:
            out(f"  waiting for their turn: {each.pending}")


VERBS: dict[str, Verb] = {
    "check": ("wakeman check condense-docs", _check_options, check),
    "resume": ("wakeman resume", _resume_options, resume),
    "wait": ("wakeman wait condense-docs --until attention --timeout 1h", _wait_options, wait),
}
