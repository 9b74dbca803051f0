"""What needs a person and what goes on by itself, in the order in which every face shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from wakeman.api.answer import Value
from wakeman.core.log.events import stamp
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy import needs as core
from wakeman.core.policy.left_undone import undone_units
from wakeman.core.policy.limits import slots
from wakeman.core.policy.worker_needs import Need, Sign, last_sign

UNDONE_LISTED_MAX = 50
"""Names of units that a group of undone units has at most; it also has the count."""

Time = Annotated[str, Meta(description="RFC 3339, in UTC.")]


class ShareCounts(Value, frozen=True, kw_only=True):
    """The units of a worker's share."""

    total: Annotated[int, Meta(description="Units of the share; 0 for a reviewer.")]
    done: Annotated[int, Meta(description="Units that are done.")]


class NeedCommand(Value, frozen=True, kw_only=True):
    """A command that answers a need."""

    line: Annotated[str, Meta(description="The command, as a shell takes it.")]
    does: Annotated[str, Meta(description="What it does.")]
    answers: Annotated[bool, Meta(description="It answers the words: read them whole before.")]


class NeedStatus(Value, frozen=True, kw_only=True):
    """One thing that needs a person, or that waits and goes on by itself."""

    reason: Annotated[
        str,
        Meta(
            description="Its kind: `permission`, `question`, `dialog`, `asks`, `claims`, `refuses`, `error`, `silent`,"
            " `background`, `limited`, `launch`, `unheard`, `unseen`, `leftovers`, `verdict`, `spent` of workers;"
            " `barred`, `launches`, `disk`, `budget`, `memory`, `blind`, `place`, `late`, `alarm`, `held`, `untold` of"
            " the deployment; `back-off`, `retrying`, `stopped`, `queued`, `withdrawn`, `outage`,"
            " `window` of what goes on by itself."
        ),
    ]
    sign: Annotated[
        Sign,
        Meta(description="`ask`: a person is waited for; `held`: by a row; `failed`; `wait`: it goes on by itself."),
    ]
    about: Annotated[str, Meta(description="Name of its row: a worker, several, a held row, a receiver.")]
    workers: Annotated[tuple[str, ...], Meta(description="Workers with this reason and these words.")]
    units: Annotated[ShareCounts | None, Meta(description="Their units; null without a worker.")]
    says: Annotated[str, Meta(description="The whole cause in one sentence of Wakeman.")]
    cause: Annotated[str, Meta(description="The same without the name: its beginning.")]
    rest: Annotated[str, Meta(description="And how it goes on.")]
    words: Annotated[str, Meta(description='Words of the worker, its client or the system: data; "" for none.')]
    whole: Annotated[bool, Meta(description="Nothing of the words is cut.")]
    since: Annotated[Time | None, Meta(description="Since when, RFC 3339 in UTC; of several, the longest.")]
    until: Annotated[Time | None, Meta(description="When it goes on by itself, RFC 3339 in UTC.")]
    commands: Annotated[tuple[NeedCommand, ...], Meta(description="Commands that answer it, the first one first.")]
    seen: Annotated[
        str,
        Meta(
            description="Fingerprint of what a worker asks: an answer with it is given to exactly this question;"
            ' "" where no command answers it.'
        ),
    ] = ""
    choices: Annotated[
        tuple[str, ...], Meta(description="Labels of the choices that its dialog offers, in order.")
    ] = ()
    grants: Annotated[
        Mapping[Literal["once", "always", "deny"], str],
        Meta(description="How a permission can be answered by `approve`, each with the label of the choice it makes."),
    ] = {}


class QuietWorker(Value, frozen=True, kw_only=True):
    """The running worker whose last sign of life is the oldest."""

    name: Annotated[str, Meta(description="Its name.")]
    since: Annotated[Time, Meta(description="When that was, RFC 3339 in UTC.")]
    stuck_after: Annotated[float, Meta(description="Seconds of silence after which it counts as stuck.")]


class WorkerGroup(Value, frozen=True, kw_only=True):
    """Workers that neither need a person nor wait: `running`, `pending`, or `ended`."""

    state: Annotated[Literal["running", "pending", "ended"], Meta(description="What they have in common.")]
    workers: Annotated[tuple[str, ...], Meta(description="Their names; the running ones quietest first.")]
    units: Annotated[ShareCounts, Meta(description="Their units.")]
    quietest: Annotated[QuietWorker | None, Meta(description="Of the running ones.")]
    left: Annotated[dict[str, int], Meta(description="Of the ended ones: who left units undone, and how many.")]
    says: Annotated[str, Meta(description='When the pending ones start; "" for others.')]


class UndoneUnits(Value, frozen=True, kw_only=True):
    """Units that are not done for the same reason, and that nobody works on."""

    why: Annotated[str, Meta(description="The reason that they have in common.")]
    detail: Annotated[str, Meta(description="What the first of them has more, in words of programs, too: data.")]
    count: Annotated[int, Meta(description="How many they are.")]
    units: Annotated[tuple[str, ...], Meta(description="Their names, the first 50.")]
    workers: Annotated[tuple[str, ...], Meta(description="Workers whose share they are in.")]


def needed(d: Deployment, now: datetime, *, alarm_gone: bool) -> tuple[NeedStatus, ...]:
    """Return what needs a person."""
    return tuple(_need(d, each) for each in core.needs(d, now, alarm_gone=alarm_gone))


def waiting(d: Deployment, now: datetime) -> tuple[NeedStatus, ...]:
    """Return what goes on by itself."""
    return tuple(_need(d, each) for each in core.waiting_for(d, now))


def groups(d: Deployment, shown: Iterable[NeedStatus]) -> tuple[WorkerGroup, ...]:
    """Return the workers that no need and no wait has `shown`."""
    told = {name for each in shown for name in each.workers}
    rest = [worker for worker in d.workers.values() if worker.name not in told]
    signs = {worker.name: last_sign(d, worker) for worker in rest if worker.live}
    running = sorted((w for w in rest if w.live), key=lambda w: at.timestamp() if (at := signs[w.name]) else 0.0)
    pending = [worker for worker in rest if worker.state == "pending"]
    ended = [worker for worker in rest if worker.ended]
    quiet = next((worker for worker in running if signs[worker.name]), None)
    found = [
        _worker_group(d, "running", running, quietest=_quietest(d, quiet, signs) if quiet else None),
        _worker_group(d, "pending", pending, says=_starts(d) if pending else ""),
        _worker_group(d, "ended", ended),
    ]
    return tuple(each for each in found if each.workers)


def undone_groups(d: Deployment) -> tuple[UndoneUnits, ...]:
    """Return the units that are left undone, by why."""
    return tuple(
        UndoneUnits(
            why=each.why,
            detail=each.detail,
            count=len(each.units),
            units=each.units[:UNDONE_LISTED_MAX],
            workers=each.workers,
        )
        for each in undone_units(d)
    )


def alive_at(d: Deployment, worker: WorkerState) -> Time | UnsetType:
    """Return when a live worker last showed a sign of life."""
    at = last_sign(d, worker)
    return UNSET if at is None else stamp(at)


def _need(d: Deployment, need: Need) -> NeedStatus:
    return NeedStatus(
        reason=need.reason,
        sign=need.sign,
        about=need.about,
        workers=need.workers,
        units=_unit_counts(d, [d.workers[name] for name in need.workers]) if need.workers else None,
        says=core.sentence(need),
        cause=need.cause,
        rest=need.rest,
        words=need.words,
        whole=need.whole,
        since=stamp(need.since) if need.since else None,
        until=stamp(need.until) if need.until else None,
        commands=tuple(NeedCommand(line=each.line, does=each.does, answers=each.answers) for each in need.commands),
        seen=need.seen,
        choices=need.choices,
        grants=need.grants,
    )


def _unit_counts(d: Deployment, workers: Sequence[WorkerState]) -> ShareCounts:
    units = [d.units[name] for worker in workers if not worker.review for name in worker.units]
    return ShareCounts(total=len(units), done=sum(unit.done for unit in units))


def _worker_group(
    d: Deployment,
    state: Literal["running", "pending", "ended"],
    workers: Sequence[WorkerState],
    *,
    quietest: QuietWorker | None = None,
    says: str = "",
) -> WorkerGroup:
    left = {worker.name: sum(not d.units[name].done for name in worker.units) for worker in workers}
    return WorkerGroup(
        state=state,
        workers=tuple(worker.name for worker in workers),
        units=_unit_counts(d, workers),
        quietest=quietest,
        left={name: count for name, count in left.items() if count} if state == "ended" else {},
        says=says,
    )


def _quietest(d: Deployment, worker: WorkerState, signs: dict[str, datetime | None]) -> QuietWorker | None:
    at = signs[worker.name]
    after = d.plan_of(worker).stuck.after
    return QuietWorker(name=worker.name, since=stamp(at), stuck_after=after) if at else None


def _starts(d: Deployment) -> str:
    """Return when pending workers start."""
    once, plan = d.plan.workers.at_once, d.plan
    if d.paused_at:
        return "start after unpause"
    if slots(d) > 0 and plan.workers.stagger:
        return f"one starts every {plan.workers.stagger:g} s"
    return f"start as others end: {once} at once" if once else "start when they may"


_TALLIED: dict[str, str] = {
    "permission": "ask", "question": "ask", "dialog": "ask", "asks": "ask", "claims": "stopped", "refuses": "stopped",
    "error": "in error", "silent": "silent", "background": "silent", "limited": "limited", "launch": "unconfirmed",
    "unheard": "unconfirmed",
    "unseen": "unseen", "verdict": "without verdict", "spent": "used up", "held": "held row",
    "untold": "target not reached", "alarm": "alarm gone",
}  # fmt: skip
"""Reason -> how a head counts it."""


def tally(needs: Sequence[NeedStatus]) -> tuple[tuple[str, int], ...]:
    """Count needs by what they are about; the counts add up to all of them."""
    found: dict[str, int] = {}
    for need in needs:
        word = _TALLIED.get(need.reason, "for the deployment")
        found[word] = found.get(word, 0) + 1
    return tuple((word if count == 1 else _TALLIED_MANY.get(word, word), count) for word, count in found.items())


_TALLIED_MANY = {"held row": "held rows", "target not reached": "targets not reached"}


def folded_waits(waits: Sequence[NeedStatus], most: int) -> tuple[NeedStatus, ...]:
    """Fold what waits for the same reason, where more than `most` do."""
    by_reason: dict[str, list[NeedStatus]] = {}
    for wait in waits:
        by_reason.setdefault(wait.reason, []).append(wait)
    if len(waits) <= most:
        return tuple(waits)
    return tuple(each for group in by_reason.values() for each in (group if len(group) == 1 else [_fold(group)]))


def _fold(group: Sequence[NeedStatus]) -> NeedStatus:
    """Return several waits as one, told by the soonest."""
    first, last = group[0], group[-1]
    total = sum(each.units.total for each in group if each.units)
    done = sum(each.units.done for each in group if each.units)
    workers = tuple(name for each in group for name in each.workers)
    return replace(
        first,
        about=f"{len(group)} {first.cause}" if " " not in first.cause else f"{len(group)} workers",
        workers=workers,
        units=ShareCounts(total=total, done=done),
        says=f"{len(group)} {first.cause}; first {first.says}, last {last.says}",
        cause="" if " " not in first.cause else first.cause,
        rest=f"{' first ' if ' ' in first.cause else 'first '}{first.about}{first.rest}; last {last.about}{last.rest}",
        words="",
    )
