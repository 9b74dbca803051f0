"""Resolves the name that a person gives to a deployment or a log."""

from __future__ import annotations

import os
from collections.abc import Iterable

from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.engine.runs import latest, readable
from wakeman.ports import World

LIVE_LOG_NAME = "events.jsonl"


def named(world: World, name: str) -> str:
    """Return the exact name of a deployment: `NAME` is its latest run, `NAME.1` the first.

    Boundary: does not check that it exists. Raises: LogDamagedError.
    """
    base, _, run = name.partition(".")
    if not run and any(found.partition(".")[0] == name for found in world.logs.names()):
        return latest(world, name)[0]
    return base if run == "1" else name


def sole(world: World, given: str | None, units: Iterable[str] = ()) -> str:
    """Return the deployment named, otherwise the open one that has these units.

    Raises: UnknownNameError when there is none; UsageError when there are several.
    """
    if given is not None:
        return named(world, given)
    alive = {name: d for name, d in readable(world).items() if d.outcome == "open"}
    fit = [name for name, d in alive.items() if all(unit in d.units for unit in units)]
    if not fit:
        what = f" with {', '.join(map(repr, units))}" if units else ""
        raise UnknownNameError(f"no open deployment{what} in {world.state}", "wakeman status")
    if len(fit) > 1:
        raise UsageError(f"several deployments fit: {', '.join(fit)}", f"--deployment {fit[0]}")
    return fit[0]


def recording(world: World, text: str) -> str:
    """Return the live file of a log given by a deployment's name or by a path.

    Shape: an existing path, or a text with a slash or ending in `.jsonl`, is a path: a deployment's directory, its
    `events.jsonl`, or any file of lines. Boundary: nothing is read, so it also finds a damaged log. Raises:
    UnknownNameError.
    """
    if os.path.exists(text) or "/" in text or text.endswith(".jsonl"):
        file = os.path.join(text, LIVE_LOG_NAME) if os.path.isdir(text) else text
        if not os.path.exists(file):
            what = f"{text}: holds no {LIVE_LOG_NAME}" if file != text else f"{text}: no such file"
            raise UnknownNameError(f"{what}; expected a deployment's directory, or a file of its log", "wakeman status")
        return os.path.abspath(file)
    base, _, run = text.partition(".")
    runs = {int(found.partition(".")[2] or 1): found for found in world.logs.names() if found.partition(".")[0] == base}
    name = runs[max(runs)] if runs and not run else base if run == "1" else text
    world.logs.events(name)  # raises for a name that does not exist
    return os.path.join(world.state, name, LIVE_LOG_NAME)
