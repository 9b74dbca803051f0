"""Progress of a deployment, its rate, and the estimated time left: a pure function of its state."""

from __future__ import annotations

import math
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from wakeman.core.model import Deployment, UnitState, WorkerState
from wakeman.core.policy import review

ESTIMATE_UNITS_MIN = 3
"""Units that must be made before an estimate is given."""


class Estimate(Struct, frozen=True):
    """Estimated seconds left, and their likely range."""

    left: float
    soonest: float
    latest: float


class Progress(Struct, frozen=True):
    """Progress of a worker or the deployment: units done, and units written but not verified yet.

    Shape: `rate` is in units per second, None until enough units were made; `estimate` is None then too, and when
    nothing is left. `without` are the stuck workers whose units it leaves out.
    """

    done: int
    total: int
    rate: float | None = None
    estimate: Estimate | None = None
    without: tuple[str, ...] = ()


def progress(d: Deployment, now: datetime) -> Progress:
    """Return the progress of a deployment. Time paused, asleep or at a usage limit does not lower its rate."""
    counts = [_counts(d, worker) for worker in d.workers.values() if not worker.review]
    done, made = sum(done for done, _ in counts), sum(made for _, made in counts)
    stuck = [w for w in d.workers.values() if w.state == "stuck" and w.reason != "limited" and not w.review]
    left = {worker.name: len(worker.units) - _counts(d, worker)[0] for worker in stuck}
    unknown = {name: units for name, units in left.items() if units and d.outcome == "open"}
    total, spent = len(review.tasks(d)), _worked_seconds(d, now)
    found = _progress(done, total, made, spent, open_=d.outcome == "open", unknown=sum(unknown.values()))
    return replace(found, without=tuple(unknown))


def of_worker(d: Deployment, worker: WorkerState, now: datetime) -> Progress:
    """Return the progress of one worker, since its first launch."""
    done, made = _counts(d, worker)
    if made < ESTIMATE_UNITS_MIN:
        return Progress(done=done, total=len(worker.units))
    spent = (now - (worker.began or now)).total_seconds()
    return _progress(done, len(worker.units), made, min(spent, _worked_seconds(d, now)), open_=worker.live)


def _counts(d: Deployment, worker: WorkerState) -> tuple[int, int]:
    """Count a share's units that are done, or written and not verified; and those of them made in this deployment."""
    done = [unit for name in worker.units if (unit := d.units[name]).done]
    ahead = max(len(done), min(worker.written, len(worker.units)))
    return ahead, ahead - sum(not _made_here(d, unit) for unit in done)


def _made_here(d: Deployment, unit: UnitState) -> bool:
    """Return whether a done unit was made in this deployment, not found or waived."""
    return not unit.waived and any(d.before.get(path) != wrote.mark for path, wrote in unit.wrote.items())


def _worked_seconds(d: Deployment, now: datetime) -> float:
    """Return the seconds worked: those counted by observations, and the time since the last one."""
    if d.looked_at is None or d.paused_at is not None or d.outcome != "open":
        return d.counted
    return d.counted + max(0.0, (now - d.looked_at).total_seconds())


def _progress(done: int, total: int, made: int, spent: float, *, open_: bool, unknown: int = 0) -> Progress:
    if made < ESTIMATE_UNITS_MIN or spent <= 0:
        return Progress(done=done, total=total)
    rate, left = made / spent, total - done - unknown
    if not left or not open_:
        return Progress(done=done, total=total, rate=rate)
    # As for random arrivals: after n units the relative error of the rate is one over the root of n.
    doubt = 1 / math.sqrt(made)
    estimate = Estimate(left=left / rate, soonest=left / (rate * (1 + doubt)), latest=left / (rate * (1 - doubt)))
    return Progress(done=done, total=total, rate=rate, estimate=estimate)
