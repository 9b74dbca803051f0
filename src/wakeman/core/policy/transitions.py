"""The transitions of workers' state machines that an observation triggers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import msgspec

from wakeman.core.digests import sha256
from wakeman.core.log import events as e
from wakeman.core.log.state import transition
from wakeman.core.model import BARRING, EDITION_PROGRESS_MIN, QUIET, Deployment, Observation, Reason, WorkerState
from wakeman.core.policy.tables import EDITION_REFUSALS_MIN, EDITION_REFUSED_END_MIN
from wakeman.core.text import refused

RESTS_MIN = 2
"""Observations of a worker at rest after which it counts as such: one may come between two steps of its work."""


def lifted(d: Deployment) -> list[e.Draft]:
    """Return the fact that launches are no longer barred, once what holds the workers' keys has changed."""
    changed = d.barred and d.barred_keys and d.keys != d.barred_keys
    return [e.Draft(e.Lifted(why="what holds the workers' keys has changed"))] if changed else []


def transitions(d: Deployment) -> list[e.Draft]:
    """Return the transitions that the last observation triggers, in legal order, and confirmations of typed text.

    Boundary: a session that is queued or unknown triggers none.
    """
    drafts: list[e.Draft] = []
    for worker in d.unsettled:
        if worker.prompt and (confirmed := _confirmed(d, worker)) is not None:
            drafts.append(e.Draft(confirmed, worker=worker.name, attempt=worker.attempt))
        seen = worker.observation
        if worker.live and seen is not None and seen.attempt == worker.attempt:
            drafts += [] if _goes_on(d, worker, seen) else _path(worker, _live_facts(d, worker, seen))
        elif worker.state in ("pending", "exited") and _verifiable(d, worker):
            idle = e.Exited(why="there is nothing left to do", ended_by="wakeman")
            drafts += _path(worker, [*([idle] if worker.state == "pending" else []), _verified(d, worker)])
    return drafts


def _goes_on(d: Deployment, worker: WorkerState, seen: Observation) -> bool:
    """Return whether a worker that runs was seen to run on, and was not silent for long: of most, at most looks."""
    works = seen.session == "running" and seen.activity in ("busy", "unknown") and not seen.background
    return works and worker.state == "running" and d.mono - worker.life_mono < d.plan.stuck.after


def _confirmed(d: Deployment, worker: WorkerState) -> e.Confirmed | None:
    from wakeman.core.policy.prompt_delivery import confirmation

    return confirmation(worker, d.prompt_of(worker), d.looked_at)


def _path(worker: WorkerState, facts: Iterable[e.Fact]) -> list[e.Draft]:
    state, drafts = worker.state, []
    for fact in facts:
        draft = transition(worker, fact, state)
        state = draft.to or state
        drafts.append(draft)
    return drafts


def _live_facts(d: Deployment, worker: WorkerState, seen: Observation) -> list[e.Fact]:
    match seen.session:
        case "queued" | "unknown":
            return []
        case "running":
            return _running_facts(d, worker, seen)
        case _:
            exited = e.Exited(
                why=_why_with_refusals(seen),
                code=seen.code,
                ended_by=seen.ended_by,
                free=_free(d, worker, seen),
                until=seen.until,
                fault=seen.fault,
                guess=seen.guess,
            )
            verified = not seen.processes and _complete(d, worker)
            return [exited, _verified(d, worker)] if verified else [exited]


def _free(d: Deployment, worker: WorkerState, seen: Observation) -> bool:
    """Return whether an end costs no attempt: it is no fault of the worker, and nothing that another attempt solves."""
    if seen.ended_by in ("machine", "person", "queue"):
        return True
    if seen.fault == "conversation":
        return seen.ended_by == "itself" and not worker.astray  # the next one begins afresh
    if seen.fault in BARRING:
        least = EDITION_REFUSALS_MIN if seen.ended_by == "itself" else EDITION_REFUSED_END_MIN
        return d.edition >= least and seen.ended_by in ("itself", "wakeman")
    unavailable = seen.fault == "outage" and d.edition >= EDITION_REFUSALS_MIN
    return d.plan.limits.wait and (seen.ended_by == "limit" or unavailable)


def _running_facts(d: Deployment, worker: WorkerState, seen: Observation) -> list[e.Fact]:
    trouble = _stuck_reason(d, worker, seen)
    if worker.state == "stuck":
        still = _still(worker, seen) and not (seen.working or seen.background)
        if (trouble == worker.reason and not worker.answered) or (
            worker.reason in QUIET and still and (trouble is None or trouble in QUIET)
        ):
            return []
        recovered: list[e.Fact] = [e.Recovered(why=seen.why or "signs of life again")]
        return recovered + ([_stalled(d, trouble, worker, seen)] if trouble else [])
    facts: list[e.Fact] = []
    if worker.state == "launched" and seen.life and trouble in (None, "silent"):
        facts.append(e.Started(why=seen.why))
    if trouble is not None:
        facts.append(_stalled(d, trouble, worker, seen))
    return facts


def _stuck_reason(d: Deployment, worker: WorkerState, seen: Observation) -> Reason | None:
    if d.edition >= EDITION_PROGRESS_MIN:
        return _trouble(d, worker, seen)
    if seen.activity in ("waiting", "limited", "error"):
        return seen.activity
    if _still(worker, seen) and d.mono - worker.life_mono >= d.plan.stuck.after:
        return "silent"
    return None


def _trouble(d: Deployment, worker: WorkerState, seen: Observation) -> Reason | None:
    """Return why a worker is stuck; None if it is not, or is being ended.

    Boundary: one that has answered a nudge, and rests again with nothing done since, is stuck without a further wait.
    """
    if worker.ending:
        return cast("Reason", worker.reason) if worker.reason else None
    if seen.activity in ("waiting", "limited", "error"):
        return seen.activity
    if seen.background:
        return "background" if d.mono - worker.background_mono >= d.plan.stuck.background else None
    short = seen.activity == "idle" and not all(d.units[name].made for name in worker.units)
    tried = (*worker.barred, *worker.tried)
    answered = short and worker.idle >= RESTS_MIN and "nudge" in tried and "ask" not in tried
    if answered or (_still(worker, seen) and d.mono - worker.life_mono >= d.plan.stuck.after):
        return (worker.means if short else "") or "silent"
    return None


def _still(worker: WorkerState, seen: Observation) -> bool:
    """Return whether there was no sign of life since it stalled or, if it is not stuck, since the last one."""
    return seen.life == (worker.stalled_life if worker.reason in QUIET else worker.life)


def _stalled(d: Deployment, reason: Reason, worker: WorkerState, seen: Observation) -> e.Stalled:
    why = {
        "silent": f"no sign of life for {d.mono - worker.life_mono:.0f} s",
        "background": f"no other sign of life for {d.mono - worker.background_mono:.0f} s: {seen.why}",
    }.get(reason, seen.why)
    spoke = d.edition >= EDITION_PROGRESS_MIN and reason in QUIET and seen.activity == "idle"
    return e.Stalled(
        reason=reason,
        why=_why_with_refusals(seen, why),
        until=seen.until,
        fault=seen.fault if d.edition >= EDITION_REFUSALS_MIN and reason == seen.activity else "",
        guess=seen.guess,
        said=worker.said if spoke else "",
    )


def _why_with_refusals(seen: Observation, why: str | None = None) -> str:
    """Return the reason observed, or `why`, and the last blocked write."""
    return "; ".join(filter(None, (seen.why if why is None else why, refused(seen.refused))))


def _complete(d: Deployment, worker: WorkerState) -> bool:
    if d.in_question is not None:
        return bool(worker.units) and not worker.undone
    return bool(worker.units) and all(d.units[name].done for name in worker.units)


def _verifiable(d: Deployment, worker: WorkerState) -> bool:
    return not worker.processes and not worker.intent and _complete(d, worker)


def _verified(d: Deployment, worker: WorkerState) -> e.Verified:
    verdicts = [d.units[name].verdict for name in worker.units]
    marks = [mark for verdict in verdicts if verdict is not None for mark in verdict.marks]
    return e.Verified(files=len(marks), digest=sha256(msgspec.json.encode(marks)).hexdigest())
