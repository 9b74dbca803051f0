"""Have outputs reviewed: pick the sample, appoint reviewers, apply their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from wakeman.core.log import events as e
from wakeman.core.log.chunks import chunks
from wakeman.core.model import Deployment
from wakeman.core.names import safe
from wakeman.core.policy import review
from wakeman.core.policy.tables import Decision
from wakeman.engine.effects.drafts import about
from wakeman.engine.protocol.steps import Steps, append

REVIEWER_NAMES_BYTES_MAX = e.LINE_BYTES_MAX // 4
"""Bytes of the names of one reviewer's units in a line; the reasons of its verdict need room there, too."""


def sample(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Pick the sample, if the plan wants one and none was picked."""
    yield from append("action", sampling(d))


def appoint(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Enrol the reviewers of the next round."""
    yield from append("action", appointments(d))


def conclude(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Apply the verdicts that have been written."""
    yield from append("action", conclusions(d))


def sampling(d: Deployment) -> list[e.Draft]:
    """Pick the sample, if the plan wants one and none was picked."""
    if not d.plan.verify.sample or d.sampled:
        return []
    return [e.Draft(e.Sampled(seed=int(d.digest[:8] or "0", 16), units=review.picked(d)))]


def appointments(d: Deployment) -> list[e.Draft]:
    """Enrol the reviewers of the next round."""
    return appointed(d, review.units_to_review(d))


def appointed(d: Deployment, units: Sequence[str]) -> list[e.Draft]:
    """Enrol reviewers for these units, each with as many as the plan allows."""
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
    """Return what the verdicts accept and reject, for files unchanged since they were handed to the reviewer."""
    drafts = []
    for name in review.ready(d):
        task, verdict = d.reviews[name], d.units[name].verdict
        rejects = verdict.rejects if verdict is not None else ()
        rejected = tuple(each for each in rejects if review.is_as_reviewed(d, task, each.unit))
        unchanged = sum(1 for unit in task.units if review.is_as_reviewed(d, task, unit))
        fact = e.Reviewed(round=task.round, passed=unchanged - len(rejected), rejected=rejected)
        drafts.append(about(d.workers[name], fact))
    return drafts
