"""A watched deployment: one value whenever something may have changed."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wakeman.api.answer import ENVELOPE_VERSION, Line, Value
from wakeman.api.needs import Time
from wakeman.api.status import ProgressStatus, Status, progress_status, shape
from wakeman.core.log.events import (
    Closed,
    Conflicted,
    Decided,
    Event,
    Exited,
    Launched,
    Looked,
    Progressed,
    Recovered,
    Relaunched,
    Requested,
    Stalled,
    Verified,
    stamp,
)
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment, Outcome, State, Verdict
from wakeman.core.policy.notice import asking
from wakeman.core.text import as_data
from wakeman.engine.watch import WatchView


class WatchedWorker(Value, frozen=True, kw_only=True):
    """One worker of a watched deployment."""

    name: Annotated[str, Meta(description="Name of the worker.")]
    state: Annotated[State, Meta(description="Its state.")]
    reason: Annotated[str | None, Meta(description="Why it is stuck, or how it ended.")]
    attempt: Annotated[int, Meta(description="Number of the attempt.")]
    progress: Annotated[ProgressStatus, Meta(description="Its progress.")]


class Watched(Line, frozen=True, kw_only=True):
    """One line of `watch --json`: the deployment at one moment."""

    v: Annotated[int, Meta(description="Version of the envelope.")]
    ok: Annotated[Literal[True], Meta(description="Always true.")]
    at: Annotated[Time, Meta(description="Time of the view, RFC 3339 in UTC.")]
    deployment: Annotated[str, Meta(description="Name of the run.")]
    outcome: Annotated[Outcome, Meta(description="`open`, or how it was closed.")]
    events: Annotated[int, Meta(description="Number of the log's last line.")]
    needs_person: Annotated[bool, Meta(description="Whether it is open, and waits for a person.")]
    progress: Annotated[ProgressStatus, Meta(description="Its progress.")]
    conflicts: Annotated[int, Meta(description="Files that were written out of place.")]
    workers: Annotated[tuple[WatchedWorker, ...], Meta(description="Its workers.")]
    watching: Annotated[tuple[str, ...], Meta(description="How files are watched, and its limitations.")]
    lost: Annotated[tuple[str, ...], Meta(description="Why changes may have been missed; everything is then scanned.")]


def watched(view: WatchView) -> Watched:
    """Return a view as a line of JSON."""
    d = view.deployment
    return Watched(
        v=ENVELOPE_VERSION,
        ok=True,
        at=stamp(view.at),
        deployment=d.name,
        outcome=d.outcome,
        events=d.seq,
        needs_person=d.outcome == "open" and asking(d),
        progress=progress_status(d, view.at),
        conflicts=len(d.trespassed),
        workers=tuple(
            WatchedWorker(
                name=worker.name,
                state=worker.state,
                reason=worker.reason or None,
                attempt=worker.attempt,
                progress=progress_status(d, view.at, worker),
            )
            for worker in d.workers.values()
        ),
        watching=tuple(view.how),
        lost=tuple(view.lost),
    )


def watched_status(view: WatchView) -> Status:
    """Return a view as a status."""
    return shape(view.deployment, view.at, view.deployment.looked_at, stands=True)


class Happening(Value, frozen=True, kw_only=True):
    """One event of a deployment, as a watching person reads it."""

    at: Annotated[Time, Meta(description="When, RFC 3339 in UTC.")]
    worker: Annotated[str, Meta(description='Worker that it is about; "" for the deployment.')]
    sign: Annotated[
        Literal["", "done", "bad", "wait", "ask"], Meta(description="`done`, `bad`, `wait`, `ask`, or neither.")
    ]
    says: Annotated[str, Meta(description="What happened.")]


def happenings(d: Deployment, event: Event) -> list[Happening]:
    """Return what an event says to a person who watches; nothing for what only the program needs."""
    data, at, worker = event.data, stamp(event.at), event.worker or ""
    if isinstance(data, Looked):
        return [
            Happening(at=at, worker=d.units[one.unit].worker, sign="bad" if one.problems else "done", says=_judged(one))
            for one in data.verdicts
            if one.unit in d.units and (not one.problems or one.marks)
        ]
    sign, word = _TOLD.get(type(data), (None, ""))
    if sign is None:
        return []
    if isinstance(data, Decided) and (worker or data.row in ("sleep", "launch")):
        return []
    if isinstance(data, Exited) and data.code == 0:
        sign = ""
    if isinstance(data, Closed) and data.outcome != "complete":
        sign = "bad"
    return [Happening(at=at, worker=worker, sign=sign, says=f"{word}{summary(data)}")]


def _judged(one: Verdict) -> str:
    """Return a verdict as a person reads it."""
    size = sum(mark.size for mark in one.marks)
    if not one.problems:
        return f"{as_data(one.unit, 200)} passes: {size:,} bytes"
    return f"{as_data(one.unit, 200)} fails: {as_data('; '.join(one.problems), 300)}"


_TOLD: dict[type, tuple[Literal["", "done", "bad", "wait", "ask"], str]] = {
    Launched: ("", "started "),
    Relaunched: ("", "started again "),
    Stalled: ("ask", "stuck: "),
    Recovered: ("", "goes on "),
    Exited: ("wait", "ended "),
    Verified: ("done", "verified: "),
    Progressed: ("", ""),
    Conflicted: ("bad", "written out of place: "),
    Decided: ("", ""),
    Requested: ("", "asked for: "),
    Closed: ("done", "closed "),
}
"""Type of event -> how it is marked, and how its words begin."""
