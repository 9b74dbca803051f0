"""A look that found nothing new is remembered by all that it saw: the next that sees the same finds nothing new either.

What is found of a plain program in place follows from the deployment and from what was listed and statted alone. So as
long as the deployment stands at that look, nothing has to be worked out of each worker again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from wakeman.core.digests import blake2b
from wakeman.core.errors import StorageError
from wakeman.engine import layout

if TYPE_CHECKING:
    from wakeman.core.model import Deployment, FileFingerprint, Observation, WorkerState
    from wakeman.ports import Listing, World

MUTE = "command"
"""The harness of any program. It says nothing: no guard is asked for it, and it keeps no conversation."""
CALM_FILE_BYTES_MAX = 256
"""Bytes of the file that are read."""


def follows(world: World, d: Deployment) -> bool:
    """Return whether what a look finds follows from what it lists and stats: no screen, stream or stage is read."""
    plans = (d.plan,) if d.reviewing is None else (d.plan, d.reviewing)
    plain = all(
        plan.workers.harness == MUTE and plan.workers.workspace == "in place" and plan.workers.mode == "print"
        for plan in plans
    )
    return plain and is_silent(world)


def is_silent(world: World) -> bool:
    """Return whether the harness of any program says nothing: in memory it may be one that does."""
    return not world.harness(MUTE).reads


def sight_fingerprint(
    d: Deployment,
    boot: str,
    listing: Listing,
    begun: Sequence[str],
    marks: Mapping[str, FileFingerprint],
) -> str:
    """Return the fingerprint of what a look saw of a deployment's sessions and files.

    Boundary: "" where a name is no UTF-8.
    """
    known, own = {worker.session_id for worker in d.begun}, f"{d.name}/"
    sessions = [seen for seen in listing.seen if seen.session_id in known or seen.mark.startswith(own)]
    place = (boot, listing.state, listing.server, listing.why, listing.gone, listing.hidden)
    try:
        saw = msgspec.msgpack.encode((place, sessions, begun, list(marks.values())))
    except UnicodeEncodeError:
        return ""
    return blake2b(saw, digest_size=16).hexdigest()


def rests(d: Deployment, live: Iterable[WorkerState], observations: Iterable[Observation]) -> bool:
    """Return whether all that lives runs, as it did at the look before, and nothing is left of what has ended."""
    if any(worker.prompt for worker in live) or any(w.state == "exited" and w.processes for w in d.unsettled):
        return False
    return all(
        seen.session == "running" and seen.activity == "unknown" and seen == d.workers[seen.worker].observation
        for seen in observations
    )


def recalled(world: World, d: Deployment) -> str:
    """Return the fingerprint of the last look, if it found nothing new and no line was written since that check."""
    head = _log_head(d)
    said = world.files.head(layout.inside(d.host, layout.CALM), CALM_FILE_BYTES_MAX).decode("ascii", "replace")
    return said.removeprefix(head) if said.startswith(head) else ""


def remember(world: World, d: Deployment, seen: str) -> None:
    """Keep the fingerprint of the look before the log's head, unless its check did anything but go to sleep again.

    Boundary: a disk that refuses it forgets it.
    """
    if d.seq == d.looked + 1 and d.row == "sleep":
        with suppress(StorageError):
            world.files.write(layout.inside(d.host, layout.CALM), f"{_log_head(d)}{seen}".encode())


def _log_head(d: Deployment) -> str:
    return f"{d.seq}:{d.hash} "
