"""The check, under the lock: ensure the alarm, settle open intents, observe, transition, decide, act, set the alarm
again. This is its only definition. What comes from the world is passed in: one observation, and the hook reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy import notice
from wakeman.core.policy.attempts import END_TRIES_MAX, grace_left, soonest
from wakeman.core.policy.deployment_rows import ROWS_PER_CHECK_MAX, decide, resting
from wakeman.core.policy.limits import staggered
from wakeman.core.policy.staging import staging, trespasses, unrested
from wakeman.core.policy.tables import EDITION_SCREENS_MIN, Decision, recorded
from wakeman.core.policy.transitions import lifted, transitions
from wakeman.core.policy.worker_rows import taken
from wakeman.engine.effects import steps_of
from wakeman.engine.effects.alarm import TIMER_MIN_S, Rearm, Soon, WakeAtEnd, ensure, rearm
from wakeman.engine.protocol.steps import Do, Steps, Unrecorded, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World

ENDING_LOOK_S = 2.0
"""Seconds until the check after an end was requested."""
FAILED_LAUNCH_S = 5.0
"""Seconds until the retry of a failed launch."""
QUICK_LOOKS_MAX = 8
"""Checks by the timer in a row that may find nothing to do; from then on each waits twice as long as the one before."""


class Senses(Struct, frozen=True):
    """Input from the world: one observation of everything, the hook reports, and the removal of these; and how the next
    check comes `soon`, and the alarm is set again.
    """

    look: Do[Sequence[e.Draft]]
    reports: Do[Sequence[e.Draft]]
    clear: Do[None]
    soon: Callable[[float, bool], Do[None]] = Soon
    rearm: Do[e.Armed | None] = Rearm()


class ObservationRead(Struct, frozen=True):
    """Reads an observation from a log."""

    def recorded(self, d: Deployment, write: Write) -> tuple[e.Draft, ...]:
        """Read it. Boundary: another line, or an observation without its further lines, is none."""
        facts = [event.data for event in write]
        looks = [data for data in facts if isinstance(data, e.Looked)]
        whole = [look.more for look in looks] == [event.more for event in write]
        return tuple(e.Draft(look) for look in looks) if whole else (e.Draft(e.Looked(mono=0.0, boot="")),)


class ReportsRead(Struct, frozen=True):
    """Reads the hook reports from a log: any may be there, as no check produces them."""

    def recorded(self, d: Deployment, write: Write) -> tuple[e.Draft, ...]:
        """Read it."""
        theirs = all(isinstance(event.data, (e.Progressed, e.Conflicted)) for event in write)
        return tuple(e.Draft(event.data, worker=event.worker, attempt=event.attempt) for event in write if theirs)


class RenewKeys(Unrecorded, frozen=True):
    """Read the workers' keys anew: launches are barred until they have changed."""

    def perform(self, world: World, d: Deployment) -> None:
        """Do it."""
        from wakeman.engine.attempt.secrets import renew_keys

        renew_keys(world, d)


def check(d: Deployment, by: str, now: datetime, senses: Senses) -> Steps[None]:
    """Observe once, and act on it. `by` is the caller, `now` the one reading of the clock."""
    yield from ensure(d, now, paused=False)
    if any(worker.intent for worker in d.unsettled):
        from wakeman.engine.effects.launch import recover

        yield from recover(d)
    if any(intent.action == "press" for intent in d.intents.values()):
        from wakeman.engine.effects.press import settle_presses

        yield from settle_presses(d)
    if d.promoting:
        from wakeman.engine.effects.promote import settle

        yield from settle(d)
    if d.barred:
        yield from do(RenewKeys())
    yield from append("line", (yield from do(senses.reports)))
    yield from do(senses.clear)
    # What follows from an observation is written durably.
    yield from append("look", (yield from do(senses.look)), durable=False)
    yield from append("line", [*lifted(d), *trespasses(d)])
    promoted = False
    if staging(d).promotion is not None:
        from wakeman.engine.effects.promote import promote

        promoted = yield from promote(d)
    moved = yield from _move(d)
    acted = yield from _workers(d, now)
    rows = yield from _deployment(d, by, now)
    if d.outcome == "open":
        done = promoted or moved or acted or rows != ["sleep"]
        if (seconds := _soon(d)) is not None:
            launches = staggered(d) and seconds == max(d.plan.workers.stagger, TIMER_MIN_S)
            yield from do(senses.soon(seconds if done else max(seconds, _patience(d)), launches))
        if done or (d.paused_at and d.alarm):
            # If nothing was done, the alarm's checkpoint is one observation old and still covers all that matters.
            yield from rearm(d, senses.rearm)
        if d.host.anywhere and not d.paused_at:
            yield from do(WakeAtEnd())


def _move(d: Deployment) -> Steps[bool]:
    """Write the transitions that the observation triggers; return whether there were any."""
    moved = False
    while drafts := transitions(d):
        verified = [draft.worker or "" for draft in drafts if draft.to == "verified"]
        if verified and not (yield from _keep_outputs(d, verified)):
            continue  # what is not on the disk is not done
        moved = True
        yield from append("transition", drafts)
        for name in verified:
            from wakeman.engine.effects.move import move_task

            yield from move_task(d, d.workers[name])
    return moved


def _keep_outputs(d: Deployment, workers: Iterable[str]) -> Steps[bool]:
    """Sync what workers have made; return whether the disk keeps it."""
    from wakeman.engine.effects.sync import sync_outputs

    return (yield from sync_outputs(d, workers))


def _workers(d: Deployment, now: datetime) -> Steps[bool]:
    """Choose the workers' rows, and perform them; return whether there were any."""
    decisions = taken(d)
    yield from append("decision", [recorded(d, decision) for decision in decisions])
    if d.edition >= EDITION_SCREENS_MIN and any("capture" in decision.then for decision in decisions):
        from wakeman.engine.effects.capture import keep_screens

        yield from keep_screens(d, decisions)
    for decision in decisions:
        yield from _act(d, decision, now)
    return bool(decisions)


def _deployment(d: Deployment, by: str, now: datetime) -> Steps[list[str]]:
    """Choose the deployment's rows, one after the other, until the last; return those chosen."""
    last: Decision | None = None
    rows: list[str] = []
    for _ in range(ROWS_PER_CHECK_MAX):
        decision = decide(d)
        if decision.row == "wrap up" and not (yield from _keep_outputs(d, d.workers)):
            decision = decide(d)
        if decision == last:
            break  # the next observation continues from it
        last = decision
        rows.append(decision.row)
        yield from append("decision", [recorded(d, decision), *notice.telling(d, decision, by, now)])
        if decision.held:
            continue
        yield from _act(d, decision, now)
        if decision.row == "sleep" or d.outcome != "open":
            break
    return rows


def _act(d: Deployment, decision: Decision, now: datetime) -> Steps[None]:
    for action in decision.then:
        yield from steps_of(action, d, decision, now)


def _soon(d: Deployment) -> float | None:
    """Return the seconds until the first of what is due soon: a staggered launch, another look, a retry."""
    waits = []
    if staggered(d):
        waits.append(d.plan.workers.stagger)
    if any(_pressing(worker) for worker in d.unsettled) or unrested(d):
        waits.append(ENDING_LOOK_S)
    waits += [wait or FAILED_LAUNCH_S for wait in (*resting(d).values(), soonest(d)) if wait is not None]
    if (grace := grace_left(d)) is not None:
        waits.append(grace or ENDING_LOOK_S)
    return max(min(waits), TIMER_MIN_S) if waits else None


def _patience(d: Deployment) -> float:
    """Return the seconds until the next check by the timer, at least, after one that found nothing to do.

    Shape: whatever wants a second look may want it for ever; it then gets few until the next alarm.
    """
    vain = d.quick_looks - QUICK_LOOKS_MAX
    return ENDING_LOOK_S * 2 ** min(vain, 16) if vain > 0 else TIMER_MIN_S


def _pressing(worker: WorkerState) -> bool:
    """Return whether a worker needs a second observation soon.

    Boundary: it is being ended, seems finished, has answered a nudge, was typed to, or only its screen showed
    something. What was typed into a terminal that does not answer waits for the alarm.
    """
    ending = 0 < worker.ends <= END_TRIES_MAX and (worker.live or worker.processes > 0)
    seen = worker.observation
    unsure = seen is not None and seen.attempt == worker.attempt and bool(seen.shown) and seen.activity == "unknown"
    resting = worker.finished == 1 or (worker.idle == 1 and "nudge" in (*worker.tried, *worker.barred))
    typed = bool(worker.prompt) and (seen is None or seen.session != "unknown")
    return ending or (worker.live and (resting or unsure or typed))
