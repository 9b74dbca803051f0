"""What each action writes into the log, as drafts: pure in the folded log, so that an audit can say it again.

The engine writes these and then does what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from wakeman.core.log import events as e
from wakeman.core.log.chunks import chunks
from wakeman.core.model import Deployment, EndedBy, Outcome, WorkerState
from wakeman.core.names import safe
from wakeman.core.policy import review, side_sessions
from wakeman.core.policy.decide import (
    Decision,
    decide_worker,
    failures,
    missing,
    short,
    undone,
)
from wakeman.core.text import sanitise

OUTCOMES: dict[str, Outcome] = {"wrap up": "complete", "give up": "partial", "stop": "stopped"}
"""Row that closes a deployment -> how it ended."""
UNLAUNCHED = "launch failed: "
"""How the reason begins of a worker that ended before its program was started."""
REVIEWER_NAMES_BYTES_MAX = e.LINE_BYTES_MAX // 4
"""Bytes that the names of one reviewer's units take in a line; the reasons of its verdict need room there, too."""


def about(worker: WorkerState, fact: e.Fact) -> e.Draft:
    """Make an event about a worker's present attempt."""
    return e.Draft(fact, worker=worker.name, attempt=worker.attempt)


def recorded(d: Deployment, decision: Decision) -> e.Draft:
    """Give the event of a decision."""
    fact = e.Decided(
        row=decision.row,
        looked=d.looked,
        then=decision.then,
        why=decision.why,
        held=decision.held,
        under=decision.under,
    )
    worker = d.workers.get(decision.worker)
    return about(worker, fact) if worker else e.Draft(fact)


def taken(d: Deployment) -> list[Decision]:
    """Give the rows that the workers' table takes, `leave` left out."""
    return [decision for decision in (decide_worker(d, w) for w in d.workers.values()) if decision.row != "leave"]


def unconfirmed(worker: WorkerState) -> Decision:
    """Give the row for a launch that an external launcher never confirmed: it is a person's, and never repeated."""
    why = "its launcher was started, and no session was seen"
    return Decision(row="investigate", then=("ask",), worker=worker.name, why=why)


def to_end(d: Deployment, decision: Decision) -> list[WorkerState]:
    """List whom a decision ends: its worker, or for the deployment everybody alive or with processes left."""
    chosen = [d.workers[decision.worker]] if decision.worker else d.workers.values()
    return [worker for worker in chosen if worker.live or worker.processes]


def ender(decision: Decision) -> EndedBy:
    """Say in whose name a decision ends somebody."""
    return "person" if decision.row == "stop" else "wakeman"


def ends(workers: Iterable[WorkerState], by: EndedBy) -> list[e.Draft]:
    """Give the intents to end workers."""
    return [about(w, e.Intended(action="end", target=w.session, ended_by=by)) for w in workers]


def nudge(d: Deployment, worker: WorkerState) -> e.Intended:
    """Give the intent to tell a worker what is missing, and which of its own sessions were ended."""
    gone = "; ".join(sanitise(name, 60) for name in worker.swept)
    told = f"These sessions of yours took longer than is allowed and were ended: {gone}. Go on without them. "
    text = (
        (told if gone else "")
        + "Still missing, go on with these: "
        + "; ".join(sanitise(name, 100) for name in missing(d, worker)[:20])
    )
    return e.Intended(action="nudge", target=worker.session, text=text, confirm=True)


def sweeps(d: Deployment, worker: WorkerState) -> list[e.Draft]:
    """Give the intents to end the sessions of a worker that are older than the plan allows."""
    found = side_sessions.overdue(d, worker)
    return [about(worker, e.Intended(action="sweep", target=one.session, ended_by="wakeman")) for one in found]


def enter(worker: WorkerState) -> e.Intended:
    """Give the intent to press Enter once more."""
    return e.Intended(action="enter", target=worker.session)


def cleanups(d: Deployment) -> list[e.Draft]:
    """Enrol a cleanup worker for each worker whose share is short."""
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


def sampling(d: Deployment) -> list[e.Draft]:
    """Pick the sample, where the plan wants one and none was picked."""
    if not d.plan.verify.sample or d.sampled:
        return []
    return [e.Draft(e.Sampled(seed=int(d.digest[:8] or "0", 16), units=review.picked(d)))]


def appointments(d: Deployment) -> list[e.Draft]:
    """Enrol the reviewers of the next round."""
    return appointed(d, review.upcoming(d))


def appointed(d: Deployment, units: Sequence[str]) -> list[e.Draft]:
    """Enrol reviewers for these units, each with as many as the plan lets one have."""
    most = d.plan.verify.review.max_units
    turn = 1 + max((each.round for each in d.reviews.values()), default=0)
    taken = {name.lower() for name in (*d.workers, *d.units)}
    fresh = (f"review_{n}" for n in count(1) if f"review_{n}" not in taken)
    shares = [
        share
        for at in range(0, len(units), most)
        for share in chunks(units[at : at + most], room=REVIEWER_NAMES_BYTES_MAX)
    ]
    return [
        e.Draft(
            e.Enrolled(
                session=safe(f"{d.name}_{name}"),
                units=(review.own(d.host.directory, name),),
                key="review",
                review=turn,
                reviews=share,
            ),
            worker=name,
        )
        for name, share in zip(fresh, shares, strict=False)
    ]


def conclusions(d: Deployment) -> list[e.Draft]:
    """Take the verdicts that are there: what they accept and reject of what is still as it was given out."""
    drafts = []
    for name in review.ready(d):
        task, verdict = d.reviews[name], d.units[name].verdict
        rejects = verdict.rejects if verdict is not None else ()
        rejected = tuple(each for each in rejects if review.stands(d, task, each.unit))
        standing = sum(1 for unit in task.units if review.stands(d, task, unit))
        fact = e.Reviewed(round=task.round, passed=standing - len(rejected), rejected=rejected)
        drafts.append(about(d.workers[name], fact))
    return drafts


def closing(d: Deployment, decision: Decision) -> e.Draft:
    """Give the end of a deployment."""
    fact = e.Closed(outcome=OUTCOMES[decision.row], why=decision.why, missing=tuple(undone(d))[:100])
    return e.Draft(fact)
