"""The conditions of the workers' table, evaluated for each worker, and the current rung of its ladder. Every function
here depends only on the logged deployment up to the last observation, and uses that observation's clock. So the same
log gives the same decision everywhere.
"""

from __future__ import annotations

from wakeman.core.log.facts.effect import UNHEARD_AGAIN_S, UNHEARD_MAX
from wakeman.core.model import BARRING, Deployment, Plan, Rung, WorkerState
from wakeman.core.policy import prompt_delivery
from wakeman.core.policy.attempts import may_retry, reset_is_due
from wakeman.core.policy.limits import outage_holds
from wakeman.core.policy.side_sessions import overdue
from wakeman.core.policy.tables import EDITION_REFUSALS_MIN, WORKER_RULES, Decision, Rule, choose


def taken(d: Deployment) -> list[Decision]:
    """Return the rows that the workers' table takes, `leave` left out."""
    return [decision for decision in (decide_worker(d, w) for w in d.workers.values()) if decision.row != "leave"]


def decide_worker(d: Deployment, worker: WorkerState) -> Decision:
    """Choose a row for one worker. The rung of an `investigate` is the current one of its ladder."""
    rule = choose(WORKER_RULES, worker_facts(d, worker))
    then = (_rung(d, worker),) if rule.then == ("rung",) else rule.then
    return Decision(row=rule.row, then=then, worker=worker.name, why=_worker_why(rule, worker))


def worker_facts(d: Deployment, worker: WorkerState) -> dict[str, bool]:
    """Return the facts that a worker's rows test. The tables' proof of completeness takes them as independent."""
    return {
        "live": worker.live,
        "unwanted": worker.stop,
        "again": worker.again,
        "unsent": prompt_delivery.unsent(worker, d.prompt_of(worker), d.looked_at),
        "typed": bool(worker.prompt),
        "overdue": bool(overdue(d, worker)),
        "bereft": bool(worker.swept) and d.plan_of(worker).workers.mode == "interactive",
        "stuck": worker.state == "stuck",
        "rung": worker.state == "stuck" and worker.rung < len(_ladder(d, worker)),
        "reset": _reset(d, worker),
        "unheard": _untold(d, worker),
        "mute": _told_too_often(worker),
        "leftovers": worker.state == "exited" and worker.processes > 0,
        "retry": may_retry(d, worker),
        "finished": worker.finished >= 2,
        "trespassed": worker.trespasses > 0,
        "strict": d.plan.watch.conflicts == "stop",
    }


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
    if not reset_is_due(d, worker):
        return False
    return not d.edition or worker is next(w for w in d.workers.values() if reset_is_due(d, w))


def ladder(plan: Plan, reason: str) -> tuple[Rung, ...]:
    """Return the rungs for a reason under a worker's plan. Only interactive workers can be nudged."""
    ladders: dict[str, tuple[Rung, ...]] = {
        "waiting": plan.stuck.waiting,
        "limited": plan.stuck.limited,
        "error": plan.stuck.error,
        "silent": plan.stuck.silent,
    }
    deaf = plan.workers.mode != "interactive"
    return tuple(rung for rung in ladders.get(reason, ()) if not (deaf and rung == "nudge"))


def _ladder(d: Deployment, worker: WorkerState) -> tuple[Rung, ...]:
    return ladder(d.plan_of(worker), worker.reason)


def _rung(d: Deployment, worker: WorkerState) -> str:
    rung = _ladder(d, worker)[worker.rung]
    refused = worker.fault in BARRING and rung in ("nudge", "restart")  # neither changes a key
    return "ask" if refused or (rung == "restart" and worker.spent >= d.plan.stuck.attempts) else rung


def _worker_why(rule: Rule, worker: WorkerState) -> str:
    return f"{worker.reason}: {worker.why}" if rule.row == "investigate" else rule.says
