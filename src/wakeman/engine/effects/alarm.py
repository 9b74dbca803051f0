"""Keep the alarm: while a deployment is open, one alarm is pending."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.model import Alarm, Deployment
from wakeman.engine import alarm
from wakeman.engine.live import clock_of
from wakeman.engine.protocol.steps import Do, Steps, Unrecorded, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World


TIMER_MIN_S = 0.1
"""Minimum seconds between two checks by the timer: otherwise one that comes a moment too early would repeat at once."""
LEAD_BELOW_S = 1.0
"""Seconds between two launches below which the timer ends by the start of a check earlier, which stays until the launch
is due. Where they are further apart, that is little of it, and another look costs more."""


class FindAlarm(Struct, frozen=True):
    """Ask whether the recorded alarm is pending; `why` is the reason for which another would be set."""

    why: str
    now: datetime

    def perform(self, world: World, d: Deployment) -> bool:
        """Return it. Effects: restarts a timer for an interval below a minute that has fired.

        Boundary: the stand-in is none that stays when the machine's timer works again.
        """
        if not alarm.alarm_is_pending(world, d, self.now) or alarm.can_be_better(world, d):
            return False
        alarm.repeat_timer(world, d)
        return True

    def recorded(self, d: Deployment, write: Write) -> bool:
        """Read it from the next write: an alarm that is gone is replaced, if one can be set."""
        data = write[0].data
        return not (isinstance(data, e.Armed) and data.why == self.why)


class Arm(Struct, frozen=True):
    """Set the alarm of the next generation."""

    why: str
    now: datetime

    def perform(self, world: World, d: Deployment) -> e.Armed | None:
        """Return the fact to record; None if none could be set, or only a stand-in for one that is pending."""
        return alarm.arm(
            world,
            d,
            self.now,
            self.why,
            lambda: not (alarm.can_be_better(world, d) and alarm.alarm_is_pending(world, d, self.now)),
        )

    def recorded(self, d: Deployment, write: Write) -> e.Armed | None:
        """Read it. Boundary: the generation does not depend on the world."""
        return _armed_fact(d, write, self.why)


class Rearm(Struct, frozen=True):
    """Set an alarm that carries the log's last line, before the present one is removed."""

    def perform(self, world: World, d: Deployment) -> e.Armed | None:
        """Return the fact to record; None if the present alarm is kept.

        Boundary: one that is pending is not replaced by the stand-in because `at` fails once.
        """
        now = world.clock.now()  # a check may have taken long: count from now, not from its observation
        return alarm.arm(world, d, now, "head", lambda: not alarm.alarm_is_pending(world, d, now))

    def recorded(self, d: Deployment, write: Write) -> e.Armed | None:
        """Read it, as `Arm` does."""
        return _armed_fact(d, write, "head")


class Replace(Unrecorded, frozen=True):
    """Remove the previous job from the queue. A failure is harmless: its generation is outdated."""

    old: Alarm | None

    def perform(self, world: World, d: Deployment) -> None:
        """Remove it, unless the new one has fired by now."""
        alarm.replaced(world, d, self.old)


class Disarm(Struct, frozen=True):
    """Remove every alarm of the deployment, including those without a line in the log."""

    def perform(self, world: World, d: Deployment) -> bool:
        """Return whether one was recorded."""
        alarm.remove_all(world, d)
        return d.alarm is not None

    def recorded(self, d: Deployment, write: Write) -> bool:
        """Read it from what follows."""
        return isinstance(write[0].data, e.Disarmed)


class Soon(Unrecorded, frozen=True):
    """Start a check after some seconds; `launches`: for the next of a row of launches, which count from the launch
    before. A failure is harmless: the alarm follows anyway.
    """

    seconds: float
    launches: bool = False

    def perform(self, world: World, d: Deployment) -> None:
        """Set the timer."""
        seconds = self.seconds
        if self.launches and seconds == max(d.plan.workers.stagger, TIMER_MIN_S):  # not where it is to be patient
            lead = world.start_s if seconds < LEAD_BELOW_S else 0.0
            passed = max(0.0, clock_of(world, d).mono() - d.last_launch)
            seconds = max(TIMER_MIN_S, seconds - passed - lead)
        alarm.soon(world, d, seconds, "timer")


class WakeAtEnd(Unrecorded, frozen=True):
    """Have a check run once a worker's session has ended, where workers' ends start none. A failure is harmless."""

    def perform(self, world: World, d: Deployment) -> None:
        """Have the place do it."""
        alarm.wake_at_end(world, d)


def _armed_fact(d: Deployment, write: Write, why: str) -> e.Armed | None:
    data = write[0].data
    if not isinstance(data, e.Armed) or data.why != why:
        return None
    return msgspec.structs.replace(data, alarm=msgspec.structs.replace(data.alarm, generation=d.generation + 1))


def ensure(d: Deployment, now: datetime, *, paused: bool) -> Steps[None]:
    """Ensure that an alarm is set before anything else is done.

    Shape: a paused deployment has none, except with `paused`: for a request that ends the pause.
    """
    if d.paused_at and not paused:
        return
    old = d.alarm
    ahead = old is not None and old.due > now
    why = "first" if d.generation == 0 else "missing" if old is None or ahead else "next"
    if (yield from do(FindAlarm(why, now))):
        return
    armed = yield from do(Arm(why, now))
    yield from append("alarm", [e.Draft(armed)] if armed else [])
    if ahead:
        yield from do(Replace(old))


def rearm(d: Deployment, how: Do[e.Armed | None] | None = None) -> Steps[None]:
    """Replace the alarm by one with the last line's checkpoint, the new one first; remove it during a pause.

    Shape: `how` stands in the place of `Rearm`.
    """
    if d.paused_at:
        yield from disarm(d)
        return
    old = d.alarm
    armed = yield from do(how or Rearm())
    yield from append("alarm", [e.Draft(armed)] if armed else [], late=True)
    yield from do(Replace(old))


def disarm(d: Deployment) -> Steps[None]:
    """Remove every alarm, and only then record that. Repeatable: yes; a remaining job finds nothing to do."""
    if (yield from do(Disarm())):
        yield from append("alarm", [e.Draft(e.Disarmed(generation=d.generation))])
