"""A worker's attempts: whether another follows, and after which delay."""

from __future__ import annotations

from itertools import islice

from wakeman.core.digests import sha256
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy.limits import launches_barred, outage_holds, room, slots
from wakeman.core.policy.staging import held_up
from wakeman.core.policy.tables import EDITION_REFUSALS_MIN, EDITION_RETRY_TRIES_MIN

END_TRIES_MAX = 3
"""Ends that are tried in quick succession: HUP, TERM, KILL. Further ones wait for the alarm."""
HUNG_UP_STATUS = 129
"""Exit status of a program whose terminal was closed."""
RESULT_GRACE_S = 60.0
"""Seconds that a client in print mode has to end by itself after its result, without a sign of life."""
BACKOFF_MAX_S = 300.0
"""Seconds of back-off at most, without jitter."""


def is_queued(worker: WorkerState) -> bool:
    """Return whether the session of a worker's attempt waits in a queue of its executor."""
    seen = worker.observation
    return worker.live and seen is not None and seen.attempt == worker.attempt and seen.session == "queued"


def reset_is_due(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a live worker is to be notified that its limit has reset; one worker per observation."""
    if worker.reason != "limited":
        return False
    workers = d.plan_of(worker).workers
    told = workers.mode == "interactive" and not workers.untouched
    waits = d.plan.limits.wait and told
    if waits and worker.fault == "outage":
        return not d.outage or (not outage_holds(d) and tries_service(d, worker))
    return bool(waits and worker.until and d.looked_at and worker.until <= d.looked_at)


def tries_service(d: Deployment, worker: WorkerState) -> bool:
    """Return whether in an outage this worker is the one that tries whether the service answers again.

    Shape: of those that could, the next one after the last that tried, so that no worker which fails for a reason of
    its own keeps the others waiting. Boundary: one whose retry a person requested goes first, as it is started anyway.
    """
    names = list(d.workers)
    turn = names.index(d.probed) + 1 if d.probed in d.workers else 0
    able = [name for name in (*names[turn:], *names[:turn]) if _could_try(d, d.workers[name])]
    if d.edition >= EDITION_RETRY_TRIES_MIN:
        able.sort(key=lambda name: not d.workers[name].again)
    return able[:1] == [worker.name]


def _could_try(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a worker would ask the service for something, if it might."""
    if worker.live:
        workers = d.plan_of(worker).workers
        told = workers.mode == "interactive" and not workers.untouched
        return told and worker.fault == "outage" and not worker.prompt
    if worker.intent:
        return False
    return slots(d) > 0 if worker.state == "pending" else owed(d, worker)


def overstays(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a client's task is over, as it has given its result, and its process does not end."""
    return bool(worker.live and worker.given_mono) and d.mono - worker.given_mono >= RESULT_GRACE_S


def grace_left(d: Deployment) -> float | None:
    """Return the seconds until the first client overstays; None if none has given its result and lives.

    Boundary: one whose end was tried often enough waits for the alarm.
    """
    given = [worker for worker in d.unsettled if worker.given_mono and worker.live]
    since = [worker.given_mono for worker in given if worker.ends <= END_TRIES_MAX]
    return max(0.0, min(since) + RESULT_GRACE_S - d.mono) if since else None


def overruns(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a live worker's attempt has lasted for `stuck.longest`.

    Boundary: never at a usage limit, nor by time that was spent at one.
    """
    longest = d.plan_of(worker).stuck.longest
    return bool(longest) and worker.live and worker.reason != "limited" and d.mono - worker.worked_since >= longest


def may_retry(d: Deployment, worker: WorkerState) -> bool:
    """Return whether an exited worker gets another attempt now."""
    if not owed(d, worker) or d.paused_at or d.down or d.full or worker.intent:
        return False
    if worker.again:
        return True
    return _retry_is_due(d, worker) and admitted(d, worker)


def _retry_is_due(d: Deployment, worker: WorkerState) -> bool:
    """Return whether nothing but the launch window may keep a worker that is owed an attempt from getting it."""
    return not (launches_barred(d) or retry_delay(d, worker)) and (not d.outage or tries_service(d, worker))


def admitted(d: Deployment, worker: WorkerState) -> bool:
    """Return whether the launch window has room for a worker that is to ask the service again.

    Shape: of all that are, those enrolled first. Boundary: whom a person wants started again is, whatever the window.
    """
    if not d.plan.limits.adapt:
        return True
    asking = (each for each in d.unsettled if _asks_again(d, each))
    return any(each is worker for each in islice(asking, room(d)))


def _asks_again(d: Deployment, worker: WorkerState) -> bool:
    if worker.live:
        return worker.name not in d.asking and reset_is_due(d, worker)
    return not worker.intent and not worker.again and owed(d, worker) and _retry_is_due(d, worker)


def retry_delay(d: Deployment, worker: WorkerState) -> float:
    """Return the seconds until an exited worker may be retried: its back-off, or the stagger after a reset.

    Shape: the jitter is computed from the names of the deployment and of the attempt, so a replay gets the same.
    Boundary: 0 after an end that is no fault of the worker or its launch: a restart of the machine, a hang-up, a queue
    that it was taken out of.
    """
    blameless = worker.ended_by in ("machine", "queue")
    if not d.edition or blameless or worker.code == HUNG_UP_STATUS or worker.boot != d.boot:
        return 0.0
    if worker.ended_by == "limit":
        first = worker is next(w for w in d.workers.values() if w.ended_by == "limit" and owed(d, w) and not w.intent)
        since, pause = d.last_launch, d.plan.workers.stagger
        left = since + pause - d.mono if d.mono >= since else 0.0
        left = max(left, _refused_again(d, worker))
        return max(0.0, left) if first or d.outage else max(left, pause)
    tries = max(0, worker.spent - 1) + max(0, d.failed_launches - 1)
    pause = min(d.plan.stuck.backoff * 2 ** min(tries, 16), BACKOFF_MAX_S) * (0.5 + _jitter(d, worker))
    return max(0.0, worker.over + pause - d.mono) if d.mono >= worker.over else 0.0


def _refused_again(d: Deployment, worker: WorkerState) -> float:
    """Return the seconds left of the back-off of a worker that met its limit once more, where it was to be over."""
    if d.edition < EDITION_REFUSALS_MIN or worker.refusals <= 1 or worker.fault == "outage" or d.mono < worker.over:
        return 0.0
    pause: float = min(d.plan.stuck.backoff * 2 ** min(worker.refusals - 2, 16), BACKOFF_MAX_S)
    return worker.over + pause - d.mono


def _jitter(d: Deployment, worker: WorkerState) -> float:
    """Return a number from 0 to 1 that differs between attempts."""
    digest = sha256(f"{d.name}/{worker.name}/{worker.attempt}/{d.failed_launches}".encode(errors="replace")).digest()
    return digest[0] / 256


def soonest(d: Deployment) -> float | None:
    """Return the seconds until the next worker may be retried; None if none waits for that."""
    if d.paused_at or d.down:
        return None
    if not room(d):
        return None
    owing = [] if d.full or launches_barred(d) else [w for w in d.unsettled if owed(d, w) and not w.intent]
    if d.outage:
        owing = [w for w in owing if tries_service(d, w)]
    waiting = [retry_delay(d, worker) for worker in owing]
    staggers = [d.plan.workers.stagger for worker in d.unsettled if d.edition and reset_is_due(d, worker)]
    return min((*waiting, *staggers), default=None)


def owed(d: Deployment, worker: WorkerState) -> bool:
    """Return whether an exited worker gets another attempt: requested, or the last one failed and more are left."""
    if worker.state != "exited":
        return False
    if worker.again:
        return bool(missing(d, worker)) and not waits(d, worker)
    wanted = ended_badly(worker) and worker.spent < d.plan.stuck.attempts and not d.plan_of(worker).workers.found
    return wanted and bool(missing(d, worker)) and not waits(d, worker) and not held_up(d, worker.units)


def waits(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a unit of its share waits for `verify.command`: nothing is decided until that has run."""
    units = [d.units[name] for name in worker.units if not d.units[name].waived]
    verdicts = [verdict for unit in units for verdict in (unit.verdict, unit.staged)]
    return any(verdict is not None and verdict.waits for verdict in verdicts)


def ended_badly(worker: WorkerState) -> bool:
    """Return whether the last attempt failed, and did not just stop early: then the same worker is retried.

    Boundary: a reviewer that stops early has failed, as there is no cleanup for a verdict.
    """
    match worker.ended_by:
        case "person" | "wakeman":
            return False
        case "itself":
            return worker.code not in (0, None) or bool(worker.review)
        case _:
            return True


def missing(d: Deployment, worker: WorkerState) -> list[str]:
    """List the units of a worker's share that are not done."""
    if d.in_question is not None and not worker.undone:
        return []
    return [name for name in worker.units if not d.units[name].done]


def attempt_is_over(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a worker is finished: ended, no process left, no open launch, no further attempt."""
    over = worker.ended and not worker.processes and not worker.intent
    return over and not owed(d, worker) and not waits(d, worker)
