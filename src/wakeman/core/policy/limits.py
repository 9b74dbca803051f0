"""Limits of the whole deployment: who may be launched now, what was used, when the next alarm is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from wakeman.core.log.facts.observation import PROBE_S
from wakeman.core.log.facts.window import WIDENED_EACH_S, WINDOW_FIRST_WORKERS, most_at_once
from wakeman.core.model import PACES, Deployment, Usage

AFTER_RESET_S = 5.0
"""Seconds after the reset of a usage limit before the next launch."""
AFTER_PROBE_S = 1.0
"""Seconds after the end of a pause in an outage, so that the alarm does not come a moment too early."""
BREAKER_LAUNCHES = 3
"""Failed launches in a row after which no more are tried until a person runs `unpause`."""


def elapsed(d: Deployment) -> float:
    """Return the seconds that count towards `give_up`: not those asleep, off, paused, or with every worker limited."""
    return d.counted


def breaker_open(d: Deployment) -> bool:
    """Return whether too many launches in a row have failed for another to be tried."""
    return d.failed_launches >= BREAKER_LAUNCHES


def launches_barred(d: Deployment) -> bool:
    """Return whether launches are barred: they fail, a key was refused, the budget is spent, or a usage limit lasts."""
    return breaker_open(d) or bool(d.barred) or over_budget(d) or reset(d) is not None or outage_holds(d)


def withholds(d: Deployment) -> bool:
    """Return whether those that wait in a queue may not begin: paused, a key or money refused, or a usage limit lasts.

    Boundary: not in an outage, which is over sooner than a queue; nor by the circuit breaker, which is about launches.
    """
    return bool(d.paused_at or d.barred) or reset(d) is not None


def outage_holds(d: Deployment) -> bool:
    """Return whether nobody may try the service now: it did not answer a while ago, or one worker tries it."""
    return bool(d.outage) and (bool(d.probe) or _outage_left(d) > 0)


def _outage_left(d: Deployment) -> float:
    """Return the seconds until the service is tried again."""
    if d.outage_until is None or d.looked_at is None:
        return 0.0
    return (d.outage_until - d.looked_at).total_seconds()


def reset(d: Deployment) -> datetime | None:
    """Return when the usage limit of some worker resets; None if there is none, or no worker waits for it."""
    if not d.met or not d.plan.limits.wait or d.looked_at is None:
        return None
    met = [w.until for w in d.workers.values() if w.until and (w.reason == "limited" or w.ended_by == "limit")]
    return max((until for until in met if until > d.looked_at), default=None)


def used(d: Deployment) -> Usage:
    """Add up the usage of all attempts, as far as their clients report it."""
    total = Usage()
    for worker in d.workers.values():
        total = total + worker.used + worker.usage
    return total


def over_budget(d: Deployment) -> bool:
    """Return whether usage has reached a limit of the plan."""
    limits = d.plan.limits
    if limits.max_cost is None and limits.max_tokens is None:
        return False
    cost = limits.max_cost is not None and (used(d).cost or 0.0) >= limits.max_cost
    return cost or (limits.max_tokens is not None and tokens(d) >= limits.max_tokens)


def tokens(d: Deployment) -> int:
    total = used(d)
    return (total.input or 0) + (total.output or 0)


def due_launches(d: Deployment) -> list[str]:
    """Return the pending workers to launch now, within the slots, the memory and the stagger."""
    if _held_up(d):
        return []
    waiting = to_launch(d)
    return waiting[: max(0, min(slots(d), _staggered(d), 1 if d.outage else len(waiting)))]


def to_launch(d: Deployment) -> list[str]:
    """List the workers that are to be launched, in the order of enrolment."""
    asked = [worker.name for worker in d.unsettled if worker.state == "pending" and not worker.intent]
    return sorted((*d.pending, *asked), key=lambda name: d.workers[name].number) if asked else list(d.pending)


def _held_up(d: Deployment) -> bool:
    return bool(d.paused_at or d.down or d.full or launches_barred(d))


def staggered(d: Deployment) -> bool:
    """Return whether a launch waits only for the stagger."""
    return bool(to_launch(d)) and not _held_up(d) and bool(d.plan.workers.stagger) and slots(d) > 0


def starved(d: Deployment) -> bool:
    """Return whether no worker is alive, some are pending, and free memory allows no launch."""
    alive = bool(d.steady) or any(worker.live or worker.intent for worker in d.unsettled)
    waiting = bool(d.pending) or any(worker.state == "pending" for worker in d.unsettled)
    return waiting and not alive and slots(d) <= 0


def slots(d: Deployment) -> int:
    """Count the workers that may be launched in addition to those alive, by `at_once` and free memory."""
    plan = d.plan
    busy = len(d.steady) + sum(1 for worker in d.unsettled if worker.live or worker.intent)
    free = len(d.workers) if plan.workers.at_once is None else plan.workers.at_once - busy
    wanted = plan.limits.memory or d.host.memory_per_worker
    if wanted and d.memory:
        free = min(free, d.memory // wanted)
    return min(free, room(d)) if plan.limits.adapt else free


def room(d: Deployment) -> int:
    """Count the workers that may begin to ask the service, by `limits.adapt`, in addition to those at work."""
    if not d.plan.limits.adapt:
        return len(d.workers)
    return max(0, (d.window or WINDOW_FIRST_WORKERS) - d.at_work)


def _until_room(d: Deployment) -> Iterator[float]:
    """Yield the seconds until the window has room for another, if nobody is refused meanwhile."""
    if d.narrowed:
        yield (d.at_work + 1 - d.window) * WIDENED_EACH_S - (d.mono - d.widened_mono) + AFTER_PROBE_S
    elif d.asking:
        left = PROBE_S - (d.mono - min(d.asking.values()))
        if left > 0:  # whoever asks first counts as answered then
            yield left + AFTER_PROBE_S


def holds_back(d: Deployment) -> bool:
    """Return whether somebody waits for room in the launch window, and for nothing else."""
    waiting = not room(d) and bool(to_launch(d) or any(worker.until for worker in d.unsettled))
    return waiting and bool(window_words(d))


def window_words(d: Deployment) -> str:
    """Return how many workers may be at work, and why so many; "" without `limits.adapt`, or where all may be."""
    most = most_at_once(d)
    window = d.window or WINDOW_FIRST_WORKERS
    if not d.plan.limits.adapt or window >= most:
        return ""
    since = f"halved at line {d.narrowed}, one more each minute" if d.narrowed else "not refused yet"
    return f"{window} at work at most, {since} (limits.adapt)"


def _staggered(d: Deployment) -> int:
    stagger = d.plan.workers.stagger
    if not stagger:
        return len(d.workers)
    return 1 if not 0 <= d.mono - d.last_launch < stagger else 0


def every(d: Deployment) -> float:
    """Return the seconds until the next alarm: the plan's interval, or its pace, slower after two idle alarms."""
    pace = d.plan.wake.every
    if isinstance(pace, str):
        first, later = PACES[pace]
        pace = later if d.idle_looks >= 2 else first
    return min((pace, *_moments(d)))


def _moments(d: Deployment) -> Iterator[float]:
    """Yield the seconds until something that was waited for: a reset, the next try of a service, its verdict."""
    at = reset(d)
    if at is not None and d.looked_at is not None:
        yield (at - d.looked_at).total_seconds() + AFTER_RESET_S
    if d.outage:
        # Later whoever may try has begun to, or nobody may; or the last look owed a verdict, and could not see enough.
        left = PROBE_S - (d.mono - d.probe_mono) if d.probe else _outage_left(d)
        if left > 0:
            yield left + AFTER_PROBE_S
    if holds_back(d):
        yield from _until_room(d)


def longest(d: Deployment) -> float:
    """Return the longest interval, in seconds, between two alarms of this plan."""
    pace = d.plan.wake.every
    return max(PACES[pace]) if isinstance(pace, str) else pace
