"""The verb that shows the state of deployments."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from wakeman.api.names import named
from wakeman.api.status import ListedStatus, Statuses, UnreadableStatus, status, statuses
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import next_check, portrait, print_note, printable, show, table


def _status_options(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="deployment (default: all, a line each)")
    parser.add_argument(
        "--recorded", action="store_true", help="print what the last check observed, instead of observing now"
    )
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with 0 if it is done, 1 failed, 4 not finished, 5 if it needs you",
    )


def _status(options: Namespace) -> int:
    """Show one deployment, or all."""
    world = reach(options)
    if options.name is None:
        found = statuses(world, recorded=options.recorded)
        code = show(
            options, found, _print_statuses, () if found.data.deployments else ("wakeman init", "wakeman up FILE")
        )
    else:
        answer = status(world, named(world, options.name), recorded=options.recorded)
        code = show(options, answer, portrait, answer.next)
    return code if options.exit_code else 0


def _print_statuses(data: Statuses) -> None:
    if data.deployments:
        head = ("deployment", "outcome", "done", "workers", "last row", "next")
        table(head, [_table_row(each) for each in data.deployments])
    else:
        print_note(f"no deployments in {data.state}")


def _table_row(data: ListedStatus | UnreadableStatus) -> tuple[str, ...]:
    if isinstance(data, UnreadableStatus):
        return data.deployment, data.outcome, "", "", printable(data.error), ""
    alive = sum(1 for worker in data.workers if worker.state in ("launched", "running", "stuck"))
    row = data.decision.row + (", needs a person" if data.needs_person else "")
    coming = next_check(data) if data.outcome == "open" else ""
    if data.elsewhere:
        row, coming = f"not live here: {printable(data.elsewhere)}", ""
    done, counts = f"{data.units.done}/{data.units.total}", f"{alive}/{len(data.workers)} alive"
    return data.deployment, data.outcome, done, counts, row, coming


VERBS: dict[str, Verb] = {"status": ("wakeman status condense-docs --json", _status_options, _status)}
