"""A watched deployment: one value whenever something may have changed."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wakeman.api.answer import ENVELOPE_VERSION, Line, Value
from wakeman.api.needs import Time
from wakeman.api.status import ProgressStatus, Status, progress_status, shape
from wakeman.core.log.events import stamp
from wakeman.core.model import Outcome, State
from wakeman.core.policy.notice import asking
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
