"""The verb that shows the state of deployments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from wakeman.api.names import named
from wakeman.api.status import Status, Statuses, status, statuses
from wakeman.faces.cli.reach import plain_words, reach
from wakeman.faces.cli.show import out, print_note, printable, show

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence

    from wakeman.api.inbox import Inbox
    from wakeman.faces.cli.options import Verb


def _status_options(parser: ArgumentParser) -> None:
    from wakeman.faces.cli import options as given

    parser.add_argument("name", metavar="NAME", nargs="?", help="deployment (default: all, a line each)")
    parser.add_argument(
        "--all", action="store_true", help="print every worker, or every deployment, in any number of rows"
    )
    given.only(parser)
    parser.add_argument(
        "--recorded", action="store_true", help="print what the last check observed, instead of observing now"
    )
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with 0 if it is done, 1 failed, 4 not finished, 5 if it needs you",
    )


def plain_status(words: Sequence[str], environ: Mapping[str, str]) -> Namespace | None:
    """Return what argparse makes of the words of a program: `NAME --json --state DIR`, in any order.

    Boundary: None for anything else, and where a variable stands for an option; argparse reads that, and refuses it.
    """
    from types import SimpleNamespace

    found = plain_words("status", words, environ, flags=("--json",), valued=("--state",))
    if found is None or not {"name", "json"} <= found.keys():
        return None
    unnamed: dict[str, object] = {
        "state": None,
        "on": None,
        "all": False,
        "only": [],
        "recorded": False,
        "exit_code": False,
        "dry_run": False,
    }
    return cast("Namespace", SimpleNamespace(**{**unnamed, "verb_called": "status", **found}))


def _status(options: Namespace) -> int:
    """Show one deployment, or all."""
    options.among = "any" if options.only else ""
    world = reach(options)
    if options.name is None:
        found = statuses(world, recorded=options.recorded)
        begin = () if found.data.deployments else ("wakeman init", "wakeman up FILE")
        code = show(options, found, lambda data: _print_all(data, options), begin)
    else:
        answer = status(world, named(world, options.name), recorded=options.recorded, only=options.only)
        code = show(options, answer, lambda data: _print_one(data, options))
    return code if options.exit_code else 0


def _print_one(data: Status, options: Namespace) -> None:
    if not options.only:
        print_page(data, everything=options.all, state=options.state)
        return
    from wakeman.faces.cli.page import workers_listed
    from wakeman.faces.cli.paper import paper

    on = paper(sys.stdout, state=options.state)
    on.write(workers_listed(data, on), sys.stdout)


def print_page(data: Status, *, everything: bool = False, state: str | None = None) -> None:
    """Print the status of one deployment as a page that fits the terminal."""
    from wakeman.faces.cli.page import page
    from wakeman.faces.cli.paper import paper

    on = paper(sys.stdout, state=state)
    on.write(page(data, on, everything=everything), sys.stdout)


def _print_all(data: Statuses, options: Namespace) -> None:
    if not data.deployments:
        print_note(f"no deployments in {data.state}")
        return
    from wakeman.faces.cli.overview import overview
    from wakeman.faces.cli.paper import paper

    on = paper(sys.stdout, state=options.state)
    on.write(overview(data, on, everything=options.all), sys.stdout)


def _inbox(options: Namespace) -> int:
    """Show what waits for somebody, over all deployments."""
    from wakeman.api.inbox import inbox

    return show(options, inbox(reach(options)), lambda data: _print_inbox(data, options))


def _print_inbox(data: Inbox, options: Namespace) -> None:
    from wakeman.faces.cli.page import need_cells, need_rows
    from wakeman.faces.cli.paper import BOLD, paper

    on = paper(sys.stdout, state=options.state)
    for name, why in data.unreadable.items():
        print_note(f"{printable(name)} cannot be read: {printable(why)}")
    if not data.deployments:
        out("nothing waits for you")
        return
    columns = need_cells([need for each in data.deployments for need in each.needs], on)
    for at, each in enumerate(data.deployments):
        over = "" if each.outcome == "open" else f"  {each.outcome}"
        head = [[], on.row([(f" {each.deployment}", BOLD), (over, "")])]
        rows = [row for need in each.needs for row in need_rows(need, on, columns)]
        on.write([*head[0 if at else 1 :], *rows], sys.stdout)


VERBS: dict[str, Verb] = {
    "status": ("wakeman status condense-docs --json", _status_options, _status),
    "inbox": ("wakeman inbox", lambda _: None, _inbox),
}
