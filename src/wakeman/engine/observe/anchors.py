"""External checkpoints of a log's head: in queued alarms, and in options of our sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wakeman.core.errors import NotLiveError, ProgramError
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.model import attempt_id as mark_of
from wakeman.engine import alarm
from wakeman.engine.live import elsewhere, timer_of

if TYPE_CHECKING:
    from wakeman.ports import World

_HEAD = re.compile(r"\bat [0-9]+ '?([0-9]{1,18}):([0-9a-f]{32})\b")
_OWN = re.compile(r"([0-9]{1,18}):([0-9a-f]{32})")


def checkpoints(world: World, d: Deployment) -> list[tuple[str, int, str]]:
    """Return the external checkpoints: where, `seq`, hash. Boundary: one that cannot be read is skipped."""
    found = []
    try:
        jobs = timer_of(world, d).find(alarm.marker(d))
    except (ProgramError, NotLiveError):  # a copy's: what it names is not asked
        jobs = []
    for job in jobs:
        found += [(f"alarm of job {job.job}", head) for head in _HEAD.finditer(job.body)]
    own = mark_of(d, WorkerState(name="", session="")).partition("@")[2]  # the end of all marks of this deployment
    # The sessions of a log that is not live here are not asked: it names the program that would do it.
    terminal = None if elsewhere(world, d.name, d) else world.executor(d.host).terminal
    for mark, text in terminal.recall() if terminal is not None else ():
        head = _OWN.fullmatch(text)
        if head and mark.startswith(f"{d.name}/") and mark.endswith(own):
            found.append((f"session of {mark.partition('@')[0]}", head))
    return [(where, int(head[1]), head[2]) for where, head in found]
