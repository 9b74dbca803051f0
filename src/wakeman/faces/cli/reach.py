"""From options to the world, and from what a person calls a deployment to its exact name."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable

from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.ports import World

LIVE = "events.jsonl"


def reach(options: Namespace, by: str = "hand") -> World:
    """Give the world that a verb acts in; with `--dry-run` one in which nothing is done."""
    from wakeman.adapters import local

    world = local.world(options.state, by)
    if not options.dry_run:
        return world
    from wakeman.adapters.dry import dry

    options.would = []
    return dry(world, options.would.append)


def named(world: World, name: str) -> str:
    """Give the exact name of a deployment: `NAME` is its latest run, `NAME.1` the first.

    Boundary: one that is not there is left to who reads it. Raises: LogDamagedError.
    """
    from wakeman.engine.registry import latest

    base, _, run = name.partition(".")
    if not run and any(found.partition(".")[0] == name for found in world.logs.names()):
        return latest(world, name)[0]
    return base if run == "1" else name


def sole(world: World, given: str | None, units: Iterable[str] = ()) -> str:
    """Give the deployment named, or else the one that is open and has these units.

    Raises: UnknownNameError when there is none; UsageError when there are several.
    """
    if given is not None:
        return named(world, given)
    from wakeman.engine.registry import readable

    alive = {name: d for name, d in readable(world).items() if d.outcome == "open"}
    fit = [name for name, d in alive.items() if all(unit in d.units for unit in units)]
    if not fit:
        what = f" with {', '.join(map(repr, units))}" if units else ""
        raise UnknownNameError(f"no open deployment{what} in {world.state}", "wakeman status")
    if len(fit) > 1:
        raise UsageError(f"several deployments fit: {', '.join(fit)}", f"--deployment {fit[0]}")
    return fit[0]


def recording(world: World, text: str) -> str:
    """Give the live file of the log that a person names: by the deployment's name, or by a path.

    Shape: an existing path, or what holds a slash or ends in `.jsonl`, is a path: a deployment's directory,
    its `events.jsonl`, or any file of lines.
    Boundary: read is nothing, so a damaged log is found too. Raises: UnknownNameError.
    """
    import os

    if os.path.exists(text) or "/" in text or text.endswith(".jsonl"):
        file = os.path.join(text, LIVE) if os.path.isdir(text) else text
        if not os.path.exists(file):
            what = f"{text}: holds no {LIVE}" if file != text else f"{text}: no such file"
            raise UnknownNameError(f"{what}; expected a deployment's directory, or a file of its log", "wakeman status")
        return os.path.abspath(file)
    base, _, run = text.partition(".")
    runs = {int(found.partition(".")[2] or 1): found for found in world.logs.names() if found.partition(".")[0] == base}
    name = runs[max(runs)] if runs and not run else base if run == "1" else text
    world.logs.events(name)  # raises for a name that is not there
    return os.path.join(world.state, name, LIVE)
