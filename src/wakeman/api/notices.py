"""What somebody is told of all deployments, as it comes: who needs somebody, what has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Line
from wakeman.api.needs import NeedStatus, Time, needed
from wakeman.core.errors import WakemanError
from wakeman.core.log.events import stamp
from wakeman.core.model import Deployment
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import undone
from wakeman.engine.live import elsewhere
from wakeman.ports import World

NOTICES_POLL_S = 2.0
"""Seconds between two looks at the logs."""


class Notice(Line, frozen=True, kw_only=True):
    """Something that somebody is told of a deployment."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    at: Annotated[Time, Meta(description="When it was told, RFC 3339 in UTC.")]
    says: Annotated[str, Meta(description="What, in Wakeman's words: nothing that a worker said.")]
    next: Annotated[str, Meta(description="The command that shows it.")]


def standing(world: World) -> Iterator[Notice]:
    """Yield what stands now: a line for each open deployment, and one for each thing that needs somebody."""
    for d in _Followed(world).changed():
        if d.outcome == "open":
            yield _told_of(world, d, f"open, {_units_done(d)}")
            yield from _needs_told(world, d, set())


def notices(world: World, pause: Callable[[float], None]) -> Iterator[Notice | None]:
    """Yield what newly needs somebody, and what ends, for as long as it goes on; None after all that is there so far.

    Boundary: what is open and needs somebody at the beginning is told; what ended before is not.
    """
    followed, told = _Followed(world), dict[str, set[str]]()
    while True:
        for d in followed.changed():
            if d.outcome == "open":
                before = told.get(d.name, set())
                told[d.name] = {_key(need.reason, need.about) for need in _needs_of(world, d)}
                yield from _needs_told(world, d, before)
            elif told.pop(d.name, None) is not None:
                yield _told_of(world, d, f"{d.outcome}, {_units_done(d)}")
        yield None
        pause(NOTICES_POLL_S)


class _Followed:
    """The deployments that are live here, each read again when its log has changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._marks: dict[str, object] = {}

    def changed(self) -> Iterator[Deployment]:
        """Yield those that are new or have changed since. One that cannot be read is passed over."""
        world = self._world
        files = {name: f"{world.state}/{name}/events.jsonl" for name in world.logs.names()}
        marks = world.files.marks(list(files.values()))
        for name, file in files.items():
            mark = marks.get(file)
            if mark is None or mark != self._marks.get(name):
                self._marks[name] = mark
                with suppress(WakemanError):
                    d = world.logs.read(name)
                    if not elsewhere(world, name, d):
                        yield d


def _needs_of(world: World, d: Deployment) -> tuple[NeedStatus, ...]:
    return needed(d, world.clock.now(), alarm_gone=False)


def _needs_told(world: World, d: Deployment, before: set[str]) -> Iterator[Notice]:
    for need in _needs_of(world, d):
        if _key(need.reason, need.about) not in before:
            yield _told_of(world, d, need.says)


def _key(reason: str, about: str) -> str:
    return f"{reason} {about}"


def _units_done(d: Deployment) -> str:
    total = len(review.tasks(d))
    return f"{total - len(undone(d))}/{total} units done"


def _told_of(world: World, d: Deployment, says: str) -> Notice:
    verb = "status" if d.outcome == "open" else "report"
    return Notice(deployment=d.name, at=stamp(world.clock.now()), says=says, next=f"wakeman {verb} {d.name}")
