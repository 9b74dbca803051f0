"""Other deployments of this user on this machine: the registry knows them, in whichever state directory they are."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from wakeman.core.errors import WakemanError
from wakeman.core.gate import file_time
from wakeman.core.model import Deployment, Unit
from wakeman.core.policy.ownership import refusal
from wakeman.ports import World

LIVE_LOG = "events.jsonl"
"""The file to which a deployment's log is appended."""
IDLE_MAX = timedelta(days=1)
"""A log that was not written to for so long belongs to no deployment at work."""


def neighbours(
    world: World, skipped: Callable[[str, str], bool], since: datetime | None = None
) -> Iterator[tuple[str, str, Deployment]]:
    """Yield state directory, name and deployment of all others that are live here and have units in their own place.

    Shape: `skipped` tells, by state directory and name, which are not asked about; `since` leaves out those that were
    last at work before. Boundary: not those that work in trees of their own; a log that cannot be read is passed over,
    as `status` names it. Cost: a few stats for each, and its log.
    """
    for other in world.registry.directories():
        above, name = posixpath.split(other)
        if skipped(above, name) or refusal(*world.registry.look(other)):
            continue
        written = world.files.marks([live := posixpath.join(other, LIVE_LOG)]).get(live) if since else None
        if since and written and file_time(written.mtime_ns) < since - IDLE_MAX:
            continue
        try:
            d = world.logs_in(above).read(name)
        except WakemanError:
            continue
        if d.plan.workers.isolate != "worktree" and not refusal(*world.registry.look(other), d.host):
            yield above, name, d


def with_whole_paths(d: Deployment, unit: Unit, name: str) -> Unit:
    """Return a unit of another deployment, named after that, with absolute paths and without its input."""
    outputs = tuple(posixpath.join(d.host.root, path) for path in unit.outputs)
    writes = tuple(posixpath.join(d.host.root, path) for path in unit.writes)
    return Unit(name=f"{name}/{unit.name}", outputs=outputs, writes=writes)
