"""What people and scripts read: a deployment as it is now, in one plain dictionary."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from wakeman.core.log import events as e
from wakeman.core.log.state import apply_drafts
from wakeman.core.model import Deployment, Review, Usage, WorkerState
from wakeman.core.policy import notice, review
from wakeman.core.policy.decide import transitions, undone, used
from wakeman.core.policy.progress import Progress, of_worker, progress
from wakeman.core.policy.staging import leaves_branches
from wakeman.engine import alarm
from wakeman.engine.observe.observe import observe
from wakeman.ports import World

MISSING_LISTED_MAX = 50
"""Names of missing units that a status lists; the count stands beside it."""


def status(world: World, name: str, *, recorded: bool) -> dict[str, Any]:
    """Tell how a deployment stands: looked at now, or (`recorded`) as its log has it. Writes nothing.

    Shape: see `docs/reference/cli.md`; times are RFC 3339, `age` is seconds since what is shown was seen.
    """
    d = world.logs.read(name)
    at = d.looked_at
    if not recorded and d.outcome == "open":
        at = _glance(world, d)
    return describe(world, d, at)


def code(d: Deployment) -> int:
    """Give the exit code that tells how it stands: 0 complete, 1 partial or stopped, 5 needs a person, 4 open."""
    if d.outcome != "open":
        return 0 if d.outcome == "complete" else 1
    return 5 if notice.asking(d) else 4


def describe(world: World, d: Deployment, at: datetime | None) -> dict[str, Any]:
    """Shape a folded deployment for people and scripts."""
    now = world.clock.now()
    return shape(d, now, at, stands=d.alarm is not None and alarm.stands(world, d, now))


def shape(d: Deployment, now: datetime, at: datetime | None, *, stands: bool) -> dict[str, Any]:
    """Shape it as it is told to be at a time, without a look at anything; `stands`: its alarm lies ahead."""
    missing, total = undone(d), len(review.tasks(d))
    out: dict[str, Any] = {
        "deployment": d.name,
        "outcome": d.outcome,
        "why": d.why,
        "blind": _blind(d),
        "needs_person": d.outcome == "open" and notice.asking(d),
        "paused": d.paused_at is not None,
        "started": _time(d.started),
        "ended": _time(d.ended),
        "age": round((now - at).total_seconds(), 3) if at else None,
        "units": {"total": total, "done": total - len(missing), "missing": missing[:MISSING_LISTED_MAX]},
        "progress": told(progress(d, now)),
        "conflicts": len(d.trespassed),
        "workers": [_worker(d, worker, now) for worker in d.workers.values()],
        **_validators(d, now),
        "decision": {"row": d.row, "why": d.row_why, "held": d.held or None},
        "next_check": _next(d),
        "alarm": _alarm(d, stands=stands),
        "confined": d.host.confinement.words if d.host.confinement is not None else None,
        "log": f"{d.host.directory}/events.jsonl",
        "events": d.seq,
        "sampled": list(d.sampled),
        "reviews": [_review(d, name, each) for name, each in d.reviews.items()],
        **_used(used(d)),
    }
    if leaves_branches(d):
        from wakeman.engine.workspace.repository import branches

        out["trees"] = branches(d)
    return out


def _review(d: Deployment, name: str, each: Review) -> dict[str, Any]:
    """Shape a review; `rejected` by unit, in the reviewer's words; `heard` once its verdict is taken or let go."""
    return {
        "round": each.round,
        "worker": name,
        "units": list(each.units),
        "heard": each.heard,
        "waived": d.units[name].waived,
        "rejected": dict(each.rejected),
    }


def _validators(d: Deployment, now: datetime) -> dict[str, Any]:
    """Give the sessions of the plan's patterns, each with who started it; the key is absent where it has none."""
    if not d.plan.cleanup.sweep:
        return {}
    return {
        "validators": [
            {"session": one.session, "worker": one.worker or None, "age": round((now - one.created).total_seconds())}
            for one in d.validators
        ]
    }


def _used(usage: Usage) -> dict[str, Any]:
    """Give what clients have reported; a key that none of them speaks of is absent."""
    tokens = {"input": usage.input, "output": usage.output}
    out: dict[str, Any] = {}
    if usage.input is not None or usage.output is not None:
        out["tokens"] = {name: count or 0 for name, count in tokens.items()}
    if usage.cost is not None:
        out["cost"] = round(usage.cost, 6)
    return out


def _glance(world: World, d: Deployment) -> datetime:
    """Fold what one look shows into a deployment read for this purpose. The log is left as it is."""
    now = world.clock.now()
    looked, _ = observe(world, d, {})
    drafts = [e.Draft(looked)]
    while drafts:
        apply_drafts(d, drafts, now, world.by)
        drafts = transitions(d)
    return now


def told(progress: Progress) -> dict[str, Any]:
    """Shape a progress: the rate in units an hour; `eta` in seconds, None while there is no estimate yet."""
    eta = progress.estimate
    return {
        "done": progress.done,
        "total": progress.total,
        "per_hour": round(progress.rate * 3600, 1) if progress.rate is not None else None,
        "eta": {key: round(value) for key, value in msgspec.structs.asdict(eta).items()} if eta else None,
    }


def _worker(d: Deployment, worker: WorkerState, now: datetime) -> dict[str, Any]:
    units = [d.units[name] for name in worker.units if not worker.review]
    out: dict[str, Any] = {
        "name": worker.name,
        "state": worker.state,
        "reason": worker.reason or None,
        "why": worker.why or None,
        "attempt": worker.attempt,
        "session": worker.session,
        "exit_code": worker.code,
        "ended_by": worker.ended_by or None,
        "since": _time(worker.since),
        "units": {"total": len(units), "done": sum(1 for unit in units if unit.done)},
        **_used(worker.used + worker.usage),
        "progress": told(of_worker(d, worker, now)),
    }
    if worker.review:
        out["review"] = worker.review
    if worker.until is not None and worker.state != "verified":
        out["until"] = _time(worker.until)
    if worker.observation is not None and worker.live:
        out["activity"] = worker.observation.activity
    if worker.observation is not None and worker.observation.refused:
        out["refused"] = list(worker.observation.refused)
    return out


def _blind(d: Deployment) -> str | None:
    """Say why workers could not be seen at the last look; None when all were."""
    seen = [worker.observation for worker in d.workers.values() if worker.live and worker.observation is not None]
    return next((observation.why for observation in seen if observation.session == "unknown"), None)


def _next(d: Deployment) -> str | None:
    return _time(d.alarm.due) if d.alarm is not None else None


def _alarm(d: Deployment, *, stands: bool) -> dict[str, Any] | None:
    if d.alarm is None:
        return None
    return {
        "kind": d.alarm.kind,
        "job": d.alarm.job or None,
        "generation": d.alarm.generation,
        "stands": stands,
    }


def _time(at: datetime | None) -> str | None:
    return e.stamp(at) if at is not None else None
