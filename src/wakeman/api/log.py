"""What happened, event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.core.errors import UsageError
from wakeman.core.log.events import FACTS, Event, kind, stamp
from wakeman.core.model import Deployment
from wakeman.core.plan.template import nearest
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.requests import find_worker
from wakeman.ports import World

FOLLOW_POLL_S = 0.1
"""Seconds between two polls of a log that is followed."""
FOLLOW_POLLS_MAX = 50
"""Polls after which the log is read again, changed or not."""
_LINE_ORDER = ("worker", "attempt", "from", "to", "more")


class LogRepaired(Value, frozen=True, kw_only=True):
    """A damaged log that was truncated before its damage."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    repaired: Annotated[bool, Meta(description="There was damage.")]
    kept: Annotated[str | None, Meta(description="Absolute path of the original; null if nothing was cut.")]


def known_type(text: str | None) -> None:
    """Raise UsageError for an unknown type of event."""
    if text is not None and text not in FACTS:
        wanted = nearest(text, FACTS) or "; expected a type of event, such as launched, decided or exited"
        raise UsageError(f"--type: found {sanitise(text, 2000)!r}{wanted}", "wakeman schema events")


def known_worker(world: World, name: str, worker: str | None) -> None:
    """Raise UnknownNameError for a worker that the deployment does not have."""
    if worker is not None:
        find_worker(world, f"{name}/{worker}")


def events(
    world: World, name: str, after: int = 0, *, type_: str | None = None, worker: str | None = None
) -> Iterator[Event]:
    """Yield a log's events with a number above `after`, of one type and of one worker if given."""
    return (event for event in world.logs.events(name, after) if _wanted(event, type_, worker))


def follow(
    world: World,
    name: str,
    after: int,
    pause: Callable[[float], None],
    *,
    type_: str | None = None,
    worker: str | None = None,
    seen: Callable[[Deployment], None] | None = None,
) -> Iterator[Event | None]:
    """Yield events until the deployment is closed; None after all that are written so far.

    Shape: `seen` gets the deployment each time that it was read, behind its events.
    """
    while True:
        d = world.logs.read(name)
        for event in world.logs.events(name, after):
            after = event.seq
            if _wanted(event, type_, worker):
                yield event
        yield None
        if seen is not None:
            seen(d)
        if d.outcome != "open":
            return
        if after >= d.seq:
            _pause_until_changed(world, d, pause)


def repair(world: World, name: str) -> Answer[LogRepaired]:
    """Truncate a damaged log before its damage and keep the original. `name` is exact."""
    kept = world.logs.repair(name, world.by)
    following = (f"wakeman audit {name}", f"wakeman resume {name}") if kept else (f"wakeman status {name}",)
    return Answer(LogRepaired(deployment=name, repaired=bool(kept), kept=kept or None), following)


def logged_line(event: Event) -> dict[str, Any]:
    """Return an event as in its line of the log."""
    fields = msgspec.to_builtins(event)
    head = {"v": event.v, "seq": event.seq, "at": stamp(event.at), "by": event.by, "type": kind(event.data)}
    body = {key: fields[key] for key in _LINE_ORDER if fields.get(key) not in (None, False)}
    return {**head, **body, "data": fields["data"], "hash": event.hash}


def _wanted(event: Event, type_: str | None, worker: str | None) -> bool:
    return type_ in (None, kind(event.data)) and worker in (None, event.worker)


def _pause_until_changed(world: World, d: Deployment, pause: Callable[[float], None]) -> None:
    """Return when the log's file has changed, or after a while."""
    file = [layout.inside(d.host, "events.jsonl")]
    before = world.files.marks(file)
    for _ in range(FOLLOW_POLLS_MAX):
        pause(FOLLOW_POLL_S)
        if world.files.marks(file) != before:
            return
