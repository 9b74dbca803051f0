"""The conditions of the workers' table, evaluated for each worker, and the current rung of its ladder. Every function
here depends only on the logged deployment up to the last observation, and uses that observation's clock. So the same
log gives the same decision everywhere.
"""

from __future__ import annotations

from wakeman.core.log.facts.effect import UNHEARD_AGAIN_S, UNHEARD_MAX
from wakeman.core.model import BARRING, EDITION_PROGRESS_MIN, QUIET, Deployment, Plan, Rung, WorkerState
from wakeman.core.policy.attempts import admitted, may_retry, missing, overruns, overstays, reset_is_due
from wakeman.core.policy.limits import outage_holds
from wakeman.core.policy.tables import (
    EDITION_EVIDENCE_MIN,
    EDITION_ONE_QUESTION_MIN,
    EDITION_REFUSALS_MIN,
    WORKER_RULES,
    Decision,
    Rule,
    choose,
)

BACKGROUND_LADDER: tuple[Rung, ...] = ("capture", "ask")
"""Rungs for a worker of which only the background has worked for `stuck.background`."""

WITH_EVIDENCE: tuple[tuple[Rung, ...], ...] = (("capture", "nudge"), ("capture", "ask"))
"""Rungs that are taken in one step."""


def taken(d: Deployment) -> list[Decision]:
    """Return the rows that the workers' table takes, `leave` left out."""
    asked = d.begun if d.validators else d.unsettled
    decided = (decide_worker(d, worker) for worker in asked if not _is_ordinary(d, worker))
    return [decision for decision in decided if decision.row != "leave"]


def _is_ordinary(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a worker waits, works or is done, and nothing is remarkable of it: only `leave` fits then."""
    remarkable = (
        worker.reason
        or worker.prompt
        or worker.stop
        or worker.again
        or worker.swept
        or worker.unheard
        or worker.finished
        or worker.finishing
        or worker.given_mono
        or worker.trespasses
        or d.validators
        or worker.state in ("stuck", "exited")
    )
    return not remarkable and not d.plan_of(worker).stuck.longest


def decide_worker(d: Deployment, worker: WorkerState) -> Decision:
    """Choose a row for one worker. The rung of an `investigate` is the current one of its ladder."""
    rule = choose(WORKER_RULES, worker_facts(d, worker))
    then = _rungs_due(d, worker) if rule.then == ("rung",) else rule.then
    return Decision(row=rule.row, then=then, worker=worker.name, why=_worker_why(rule, worker))


def worker_facts(d: Deployment, worker: WorkerState) -> dict[str, bool]:
    """Return the facts that a worker's rows test. The tables' proof of completeness takes them as independent."""
    return {
        "live": worker.live,
        "unwanted": worker.stop,
        "again": worker.again,
        "unsent": bool(worker.prompt) and _unsent(d, worker),
        "typed": bool(worker.prompt),
        "overdue": bool(d.validators) and _overdue(d, worker),
        "bereft": bool(worker.swept) and d.plan_of(worker).workers.mode == "interactive",
        "stuck": worker.state == "stuck",
        "rung": worker.state == "stuck" and bool(rungs_left(d, worker)),
        "reset": _reset(d, worker),
        "unheard": _untold(d, worker),
        "mute": _told_too_often(worker),
        "leftovers": worker.state == "exited" and worker.processes > 0,
        "retry": may_retry(d, worker),
        "finished": worker.finished >= 2 or worker.finishing or overstays(d, worker),
        "overruns": overruns(d, worker),
        "trespassed": worker.trespasses > 0,
        "strict": d.plan.watch.conflicts == "stop",
    }


def _unsent(d: Deployment, worker: WorkerState) -> bool:
    from wakeman.core.policy.prompt_delivery import unsent

    return unsent(worker, d.prompt_of(worker), d.looked_at)


def _overdue(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a session that a worker has started is to be ended: where there is none, nothing is loaded."""
    from wakeman.core.policy.side_sessions import overdue

    return bool(overdue(d, worker))


def _untold(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a text that did not arrive is to be seen to: tried again, or a person asked."""
    if d.edition < EDITION_REFUSALS_MIN or not worker.unheard or (worker.fault == "outage" and outage_holds(d)):
        return False
    if _told_too_often(worker):
        return not worker.asked
    return worker.state == "stuck" and not 0 <= d.mono - worker.unheard_mono < UNHEARD_AGAIN_S


def _told_too_often(worker: WorkerState) -> bool:
    return worker.unheard >= UNHEARD_MAX


def _reset(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a live worker's usage limit should have reset, and it can be told so."""
    if not reset_is_due(d, worker) or (d.edition >= EDITION_PROGRESS_MIN and not missing(d, worker)):
        return False
    first = not d.edition or worker is next(w for w in d.workers.values() if reset_is_due(d, w))
    return first and admitted(d, worker)


def ladder(plan: Plan, reason: str) -> tuple[Rung, ...]:
    """Return the rungs for a reason under a worker's plan. Only interactive workers can be nudged.

    Boundary: a session that somebody else has started is never restarted, nor typed into unless the plan owns it.
    """
    ladders: dict[str, tuple[Rung, ...]] = {
        "waiting": plan.stuck.waiting,
        "limited": plan.stuck.limited,
        "error": plan.stuck.error,
        "background": BACKGROUND_LADDER,
        **dict.fromkeys(QUIET, plan.stuck.silent),
    }
    return tuple(rung for rung in ladders.get(reason, ()) if rung not in _vain_rungs(plan))


def _vain_rungs(plan: Plan) -> set[Rung]:
    """Return the rungs that no worker of a plan can take."""
    workers = plan.workers
    deaf = workers.mode != "interactive" or workers.untouched
    vain: dict[Rung, bool] = {"nudge": deaf, "restart": workers.found}
    return {rung for rung, is_vain in vain.items() if is_vain}


def _ladder(d: Deployment, worker: WorkerState) -> tuple[Rung, ...]:
    return ladder(d.plan_of(worker), worker.reason)


def rungs_left(d: Deployment, worker: WorkerState) -> tuple[Rung, ...]:
    """Return the rungs of a stuck worker's ladder that are still to be taken, in order.

    Boundary: nobody is nudged with nothing to say, or while its client is at work, since nothing can be typed then, and
    nobody is asked twice about one trouble. In logs of earlier editions a recovery began the ladder anew.
    """
    spent, refused = worker.spent >= d.plan.stuck.attempts, worker.fault in BARRING  # neither rung changes a key
    vain = {"nudge": refused, "restart": refused or spent}
    ladder: tuple[Rung, ...] = tuple("ask" if vain.get(rung) else rung for rung in _ladder(d, worker))
    if d.edition < EDITION_PROGRESS_MIN:
        return ladder[worker.rung :]
    works = worker.observation is not None and worker.observation.activity == "busy"
    mute = not missing(d, worker) or (works and d.edition >= EDITION_EVIDENCE_MIN)
    passed_over = (*worker.barred, *(["nudge"] if mute else []))
    tried = tuple(rung for rung in worker.tried if not (mute and rung == "nudge"))
    steps = tuple(rung for rung in ladder if rung not in passed_over)
    if "ask" in tried and d.edition >= EDITION_ONE_QUESTION_MIN:
        asked = tried.index("ask") + 1
        steps = steps[:asked] + tuple(rung for rung in steps[asked:] if rung != "ask")
    return steps[worker.rung - len(worker.tried) + len(tried) :]


def _rungs_due(d: Deployment, worker: WorkerState) -> tuple[Rung, ...]:
    """Return what to do about a stuck worker now: the next rung.

    Boundary: with a `capture`, which changes nothing that another observation could show, also the rung that it is kept
    for. A `restart` waits for that observation, since it ends what may recover.
    """
    left = rungs_left(d, worker)
    return left[:2] if d.edition >= EDITION_EVIDENCE_MIN and left[:2] in WITH_EVIDENCE else left[:1]


def _worker_why(rule: Rule, worker: WorkerState) -> str:
    if rule.row == "investigate":
        return f"{worker.reason}: {worker.why}"
    if rule.row == "finish" and worker.finishing and worker.ends:
        return "asked to end itself, and still there: its session is ended"
    if rule.row == "finish" and worker.finished < 2 and not worker.finishing:
        return "it has given its result, and its process does not end"
    return rule.says
