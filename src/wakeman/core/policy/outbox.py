"""The outbox: notices that have not reached whom they are for; when they are tried again, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, OpenIntent, OwedNotice, Plan, WakeTarget
from wakeman.core.policy import notice

HOUR_S = 3600.0
RETELL_AFTER_S = (15.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, *(HOUR_S,) * 22)
"""Seconds from a failed delivery to the next, by how many failed before: nearly a day in all, then it is given up."""
DELIVERY_GRACE_S = 30.0
"""Seconds that another check has to deliver its notices, in addition to the targets' timeouts."""
PASSED = ("ask:", "check:")
"""How causes begin that are none any more once a deployment is closed."""
LATE = " Late: of {at} UTC."
DOUBT = " Perhaps told before: whether it arrived is not known."
"""What a notice says behind its words when it is told again."""


def receivers(plan: Plan) -> dict[str, WakeTarget]:
    """Return the receivers by name, in order; the second of equal names gets `#2`."""
    found: dict[str, WakeTarget] = {}
    for target in plan.wake.to:
        alike = sum(name.partition("#")[0] == target.name.partition("#")[0] for name in found)
        found[f"{target.name}#{alike + 1}" if alike else target.name] = target
    return found


def still_to_tell(d: Deployment, wake: OpenIntent) -> dict[str, WakeTarget]:
    """Return whom a notice is for: all, or those of whom no earlier delivery is known to have reached them."""
    entry = d.outbox.get(wake.again)
    told = entry.told if entry is not None else ()
    return {name: target for name, target in receivers(d.plan).items() if name not in told}


def delay(d: Deployment, wake: OpenIntent) -> float:
    """Return the seconds from a failed delivery to the next; 0 if it was the last."""
    entry = d.outbox.get(wake.again)
    tries = entry.tries if entry is not None else 0
    return RETELL_AFTER_S[tries] if tries < len(RETELL_AFTER_S) else 0.0


def waiting_entries(d: Deployment) -> list[OwedNotice]:
    """List what waits for its next delivery; what is on its way, and what nobody asks any more, left out."""
    if not d.outbox:
        return []
    on_their_way = {wake.again for wake in d.wakes.values()}
    standing = _standing(d)
    return [
        entry
        for seq, entry in d.outbox.items()
        if seq not in on_their_way and any(_stands(d, cause, standing) for cause in entry.causes)
    ]


def is_owed(d: Deployment) -> bool:
    """Return whether a notice is on its way or waits to be told again that is still so once the deployment is closed.

    Shape: of questions nothing is owed then.
    """
    return bool(d.wakes) or any(not cause.startswith(PASSED) for entry in d.outbox.values() for cause in entry.causes)


def next_delivery(d: Deployment) -> datetime | None:
    """Return when the next waiting notice is due; None without one."""
    return min((entry.again for entry in waiting_entries(d)), default=None)


def due_again(d: Deployment, now: datetime) -> list[e.Draft]:
    """Return the intents to deliver again what is due: what failed, and what a check began and did not end.

    Boundary: of the latter it is not known whether they arrived, and their words say so.
    """
    return [e.Draft(intent) for intent in (*_interrupted(d, now), *_failed(d, now))]


def _failed(d: Deployment, now: datetime) -> Iterator[e.Intended]:
    for entry in waiting_entries(d):
        # Whichever way the clock was set: none is due later than the longest delay.
        if entry.again <= now or entry.again > now + timedelta(seconds=2 * HOUR_S):
            yield _told_again(entry.seq, entry.text, entry.causes, entry.since, doubt=entry.doubt)


def _interrupted(d: Deployment, now: datetime) -> Iterator[e.Intended]:
    patience = DELIVERY_GRACE_S + sum(target.timeout for target in d.plan.wake.to)
    for seq, wake in d.wakes.items():
        if abs((now - wake.at).total_seconds()) > patience:
            entry = d.outbox.get(wake.again)
            text, since = (entry.text, entry.since) if entry is not None else (wake.text, wake.at)
            yield _told_again(wake.again or seq, text, wake.causes, since, doubt=True)


def _told_again(seq: int, text: str, causes: tuple[str, ...], since: datetime, *, doubt: bool) -> e.Intended:
    words = text + LATE.format(at=f"{since.astimezone(UTC):%H:%M}") + (DOUBT if doubt else "")
    return e.Intended(action="wake", text=words, causes=causes, again=seq)


def _standing(d: Deployment) -> frozenset[str]:
    """Return the keys of what is asked now."""
    held = {notice.held_key(d.held, d.holds)} if d.held else set[str]()
    return frozenset({cause.key for cause in (*notice.troubles(d), *notice.unfinished_sessions(d))} | held)


def _stands(d: Deployment, cause: str, standing: frozenset[str]) -> bool:
    """Return whether a cause is still worth telling: what has happened is, a question until it is answered."""
    if not cause.startswith(PASSED):
        return True
    if d.outcome != "open":
        return False
    return cause.startswith(("check:", "ask:conflict:")) or cause in standing
