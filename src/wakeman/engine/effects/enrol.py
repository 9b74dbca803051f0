"""Enrol a cleanup worker for each worker with undone units."""

from __future__ import annotations

from datetime import datetime

from wakeman.core.log import events as e
from wakeman.core.log.chunks import chunks
from wakeman.core.model import Deployment
from wakeman.core.policy.deployment_rows import failures, short
from wakeman.core.policy.tables import Decision
from wakeman.engine.protocol.steps import Steps, append


def enrol(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Enrol them."""
    yield from append("action", cleanups(d))


def cleanups(d: Deployment) -> list[e.Draft]:
    """Enrol a cleanup worker for each worker with undone units."""
    taken = {name.lower() for name in d.workers}
    drafts = []
    for name, units in short(d).items():
        worker = d.workers[name]
        origin = worker.origin or name
        fresh = next(f"{origin}_c{n}" for n in range(1, len(taken) + 2) if f"{origin}_c{n}".lower() not in taken)
        taken.add(fresh.lower())
        note = ("Checks that failed:\n" + "\n".join(failures(d.units, units)))[:8000]
        drafts += [
            e.Draft(e.Enrolled(session=fresh, moved=piece, key=worker.key, origin=origin, note=note), worker=fresh)
            for piece in chunks(units)
        ]
    return drafts
