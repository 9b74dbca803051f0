"""The verb that merges what workers have made in trees of their own."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from wakeman.core.names import merged
from wakeman.engine.workspace import repository
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach
from wakeman.faces.cli.show import advise, answer, clean, out, say, table, would
from wakeman.ports import Merged

SAYS = {
    "merged": "merged",
    "contained": "is in it already",
    "conflict": "left out, in conflict: ",
    "gone": "is not there any more",
}
"""State of a branch -> what is said of it."""


def _merge_options(parser: ArgumentParser) -> None:
    given.name(parser)
    parser.add_argument(
        "--into",
        metavar="BRANCH",
        default="",
        help="branch to merge into; made if it does not exist (default: wakeman/NAME.merged)",
    )


def merge(options: Namespace) -> int:
    """Merge the branches of workers whose share is done."""
    world = reach(options)
    name = named(world, options.name)
    result = repository.merge(world, name, options.into, dry=options.dry_run)
    left = [worker.name for worker in world.logs.read(name).workers.values() if worker.state != "verified"]
    if options.dry_run:
        would(options, {"deployment": name})
    else:
        _report(options, name, result, left)
    return 1 if any(each.state in ("conflict", "gone") for each in result.branches) else 0


def _report(options: Namespace, name: str, result: Merged, left: list[str]) -> None:
    conflicts = [each.branch for each in result.branches if each.state == "conflict"]
    following = [f"git merge {branch}" for branch in ([result.into] if result.into == merged(name) else [])]
    following += [f"git diff {result.into}...{branch}" for branch in conflicts]
    if options.json:
        branches = [{"branch": b.branch, "state": b.state, "files": list(b.files)} for b in result.branches]
        data = {"deployment": name, "into": result.into, "commit": result.commit, "branches": branches, "left": left}
        answer(options, data, following, ok=not conflicts)
        return
    table(
        ("branch", f"into {result.into}"),
        [(each.branch, SAYS[each.state] + ", ".join(map(clean, each.files))) for each in result.branches],
    )
    out(f"{result.into} is at {result.commit[:12]}")
    if left:
        say(f"left, as their shares are not done: {', '.join(left)}")
    advise(options, following)


VERBS: dict[str, Verb] = {"merge": ("wakeman merge condense-docs --dry-run", _merge_options, merge)}
