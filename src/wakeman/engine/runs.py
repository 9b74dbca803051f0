"""The deployments of a state directory: all readable ones, and the latest run of a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wakeman.core.errors import LogDamagedError
from wakeman.core.model import Deployment

if TYPE_CHECKING:
    from wakeman.ports import World


def readable(world: World) -> dict[str, Deployment]:
    """Read every log, oldest first.

    Boundary: skips damaged ones, so that they do not affect the others; `wakeman status` names them.
    """
    return dict(_readable(world))


def latest(world: World, name: str) -> tuple[str, Deployment | None]:
    """Return the newest deployment of a plan's name: `NAME`, or `NAME.N` with the highest N."""
    newest = latest_name(world, name)
    return (name, None) if newest is None else (newest, world.logs.read(newest))


def latest_name(world: World, name: str) -> str | None:
    """Return the name of the newest deployment of a plan's name; None if there is none. Its log is not read."""
    runs = [found for found in world.logs.names() if found == name or re.fullmatch(re.escape(name) + r"\.\d+", found)]
    return max(runs, key=_run_number, default=None)


def _readable(world: World) -> Iterator[tuple[str, Deployment]]:
    for name in world.logs.names():
        try:
            yield name, world.logs.read(name)
        except LogDamagedError:
            continue


def _run_number(name: str) -> int:
    return int(name.partition(".")[2] or 1)


def next_name(name: str) -> str:
    """Return the name of the run after one."""
    base, _, run = name.partition(".")
    return f"{base}.{int(run or 1) + 1}"
