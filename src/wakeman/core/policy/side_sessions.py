"""Sessions that workers start themselves, with names that `cleanup.sweep` matches: their owners, and when they are
ended."""

from __future__ import annotations

from fnmatch import fnmatchcase

from wakeman.core.model import Deployment, Plan, SweepSpec, Validator, WorkerState, attempt_id


def sweep_rule(plan: Plan, session: str) -> SweepSpec | None:
    """Return the first rule of the plan whose pattern matches a session's name."""
    return next((each for each in plan.cleanup.sweep if fnmatchcase(session, each.sessions)), None)


def owner(d: Deployment, sign: str) -> str:
    """Return the worker with this attempt id, current or earlier; "" if it is of another deployment."""
    deployment, _, rest = sign.partition("/")
    worker = d.workers.get(rest.partition("/")[0])
    if worker is None or deployment != d.name:
        return ""
    return worker.name if _deployment_mark(sign) == _deployment_mark(attempt_id(d, worker)) else ""


def overdue(d: Deployment, worker: WorkerState) -> list[Validator]:
    """List the side sessions of a worker, as last observed, that are older than the plan allows."""
    if d.looked_at is None:
        return []
    rules = ((each, sweep_rule(d.plan, each.session)) for each in d.validators if each.worker == worker.name)
    return [
        each
        for each, found in rules
        if found is not None and (d.looked_at - each.created).total_seconds() >= found.older_than
    ]


def _deployment_mark(sign: str) -> str:
    """Return the part that all attempt ids of one deployment share, on every boot: when it began, and where."""
    return sign.rpartition("@")[2].partition(".")[2]
