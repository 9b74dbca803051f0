"""The clock and the timer of a deployment: this machine's, or those that machines share where it is live on several."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wakeman.core.model import Deployment
    from wakeman.ports import Clock, Timer, World


def clock_of(world: World, d: Deployment) -> Clock:
    """Return the clock of a deployment's observations: the clock of one machine says nothing on another."""
    return world.common(d.host).clock if d.host.anywhere else world.clock


def timer_of(world: World, d: Deployment) -> Timer:
    """Return what sets a deployment's alarms. Raises: NotLiveError where its programs may not be run."""
    return world.common(d.host).timer if d.host.anywhere else world.timer


def early_timer_of(world: World, d: Deployment) -> Timer:
    """Return what starts a check in seconds. Raises: as `timer_of`.

    Shape: where checks run as jobs, a process that sleeps would end with its job, and elsewhere with its user's login.
    """
    return world.common(d.host).timer if d.host.anywhere else world.stand_in
