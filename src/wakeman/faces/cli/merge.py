"""The verb that merges workers' branches."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from wakeman.api.merge import Merged
from wakeman.api.merge import merge as api_merge
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, print_loose, print_note, printable, show, table

STATE_TEXTS = {
    "merged": "merged",
    "contained": "is in it already",
    "conflict": "left out, in conflict: ",
    "gone": "is not there any more",
}
"""State of a branch -> its text."""


def _merge_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument(
        "--into",
        metavar="BRANCH",
        default="",
        help="branch to merge into; created if it does not exist (default: wakeman/NAME.merged)",
    )


def merge(options: Namespace) -> int:
    """Merge the branches of workers whose share is done."""
    answer = api_merge(reach(options), options.name, options.into, dry=options.dry_run)
    return show(options, answer, _print_merged, answer.next)


def _print_merged(data: Merged) -> None:
    head = ("branch", f"into {data.into}")
    table(head, [(one.branch, STATE_TEXTS[one.state] + ", ".join(map(printable, one.files))) for one in data.branches])
    out(f"{data.into} is at {data.commit[:12]}")
    print_loose(data.loose)
    if data.left:
        print_note(f"left, as their shares are not done: {', '.join(data.left)}")


VERBS: dict[str, Verb] = {"merge": ("wakeman merge condense-docs --dry-run", _merge_options, merge)}
