"""Which deployments may be acted on: those that are live here, as the registry of this user and machine knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from posixpath import dirname, join
from shlex import quote
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wakeman.core.errors import NotLiveError
from wakeman.core.model import Deployment, Host
from wakeman.core.policy.ownership import Entry, refusal

if TYPE_CHECKING:
    from wakeman.ports import Clock, Timer, World, Writer

LOCK_WAIT_DEFAULT_S = 5.0
"""Seconds to wait for a deployment's log."""
CALLED_FROM_INSIDE = ("at", "timer", "exit", "hook")
"""Callers that come by the script in the deployment's own directory, which runs as this user already."""

IS_COPY = "is a copy of"
"""How the reason begins for a log whose directory is another."""


@contextmanager
def hold(world: World, name: str, wait: float = LOCK_WAIT_DEFAULT_S, *, adopting: bool = False) -> Iterator[Writer]:
    """Hold the log of a deployment that is live here: the only way to a log that is written to.

    Shape: `adopting`: its log may say that it is live elsewhere, as long as the registry has it here.
    Raises: NotLiveError before anything is changed; as the log store's `hold`.
    """
    directory = join(world.state, name)
    known, site = world.registry.look(directory)
    if world.registry.unsafe(directory) or refusal(known, site):
        d = world.logs.read(name)
        if not _enrolled_late(world, name, d, known):
            raise NotLiveError(*_told(world, name, d))
        known, site = world.registry.look(directory)
    with world.logs.hold(name, world.by, wait) as log:
        host = log.deployment.host
        if refusal(known, site, replace(host, identity=None) if adopting else host):
            raise NotLiveError(*_told(world, name, log.deployment))
        if known is not None and known.boot != site.boot and not known.anywhere:
            world.registry.enrol(directory, host)
        yield log


def require(world: World, name: str, d: Deployment) -> None:
    """Raise NotLiveError for a deployment that is not live here. Runs nothing that its log names."""
    if why := elsewhere(world, name, d):
        raise NotLiveError(*_told(world, name, d, why))


def elsewhere(world: World, name: str, d: Deployment) -> str:
    """Return why a deployment that was read by a name is not live here; "" when it is. Runs nothing of its log's."""
    directory = join(world.state, name)
    known, site = world.registry.look(directory)
    if why := world.registry.unsafe(directory):
        return why
    if known is None and d.host.directory not in (directory, site.directory):
        return f"{IS_COPY} {d.host.directory}"
    return refusal(known, site, d.host)


def make_directory(world: World, name: str, host: Host) -> None:
    """Make the directory of a new deployment, and enrol it as live here.

    Raises: NotLiveError where others could change it; as `require_place`; StorageError.
    """
    directory = join(world.state, name)
    if why := world.registry.unsafe(directory):
        raise NotLiveError(f"{name}: {why}", "--state DIR chooses a directory of yours")
    require_place(world, name)
    world.files.make(directory)
    world.registry.enrol(directory, host)


def require_place(world: World, name: str) -> None:
    """Raise NotLiveError if the directory of a new deployment holds what is not ours.

    Boundary: the directory of an `up` that was cut short is used again.
    """
    directory = join(world.state, name)
    real = world.files.resolve([directory, world.state])
    strange = real[directory] != join(real[world.state], name)
    if strange or (_holds_anything(world, directory) and world.registry.look(directory)[0] is None):
        raise NotLiveError(
            f"{directory}: already exists, and was not made by this user on this machine",
            f"mv {directory} {directory}.old",
        )


def _holds_anything(world: World, directory: str) -> bool:
    """Return whether there is more in a directory than empty ones, which a back end may have made for itself."""
    below = [join(directory, name) for name in world.files.names(directory)]
    real = world.files.resolve([directory, *below])
    return any(
        world.files.names(path) or not world.files.is_directory(path) or real[path] != join(real[directory], name)
        for path, name in ((path, path.rpartition("/")[2]) for path in below)
    )


def _enrolled_late(world: World, name: str, d: Deployment, known: Entry | None) -> bool:
    """Enrol a deployment that a version without a registry began, at the first call from inside; return whether."""
    directory = join(world.state, name)
    before = known is None and d.host.identity is None and d.host.directory == directory
    if not before or world.by.partition(":")[0] not in CALLED_FROM_INSIDE or world.registry.unsafe(directory):
        return False
    world.registry.enrol(directory, d.host)
    return True


def _told(world: World, name: str, d: Deployment, why: str = "") -> tuple[str, str]:
    """Return the message and hint of a refusal."""
    why = why or elsewhere(world, name, d)
    copied = why.startswith(IS_COPY)
    hint = f"wakeman --state {dirname(d.host.directory)} status" if copied else f"wakeman adopt {name}"
    if d.plan.wake.host and not copied:
        hint = f"wakeman --on {quote(d.plan.wake.host)} status {name}, or {hint} to have it here"
    return f"{name}: {why}: its log can be read, not acted on", hint


# --- what machines have in common where a deployment is live on several ---------------------------------------


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
