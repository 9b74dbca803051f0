"""Events applied to a deployment, each by its fact, after the state machine has accepted its transition. Nothing else
changes state, and applying has no side effects, so a replay is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

import msgspec

from wakeman.core.errors import TransitionError
from wakeman.core.log import events as e
from wakeman.core.log.facts.fact import worker_of
from wakeman.core.log.facts.standing import ask_about
from wakeman.core.log.lifecycle import NEXT, step
from wakeman.core.model import Deployment, State, Trigger, WorkerState

STATE_VERSION = 40
"""Increased whenever the same log leads to another state: snapshots of another version are ignored."""


def transition(worker: WorkerState, fact: e.Fact, state: State | None = None) -> e.Draft:
    """Make the event for a worker's transition by a trigger, from `state` (default: its current state).

    Raises: TransitionError when the machine has no such transition.
    """
    source = state or worker.state
    to = step(worker.name, source, cast("Trigger", e.kind(fact)))
    return e.Draft(fact, worker=worker.name, attempt=worker.attempt, source=source, to=to)


def validate(deployment: Deployment, drafts: Sequence[e.Draft]) -> None:
    """Refuse drafts that could not be applied, before any of them is on disk.

    Raises: TransitionError naming worker, state and trigger.
    """
    states: dict[str, State] = {}
    for draft in drafts:
        name = cast("str", draft.worker)  # None is the name of no worker
        if isinstance(draft.data, e.Enrolled):
            states.setdefault(name, _state_of(deployment, name) or "pending")
        if draft.to is None:
            continue
        state = states.get(name) or _state_of(deployment, name)
        if state is None:
            raise TransitionError(f"{name}: no such worker in {deployment.name}")
        trigger = e.kind(draft.data)
        if draft.source != state or NEXT.get((state, trigger)) != draft.to:
            raise TransitionError(f"{name}: '{trigger}' from {draft.source} to {draft.to} while {state}")
        states[name] = draft.to


def compose(deployment: Deployment, drafts: Sequence[e.Draft], at: datetime, by: str) -> tuple[bytes, list[e.Event]]:
    """Encode the lines of one write, and apply them as a reader will.

    Shape: all lines but the last say that more follows, so that a write of which a part is missing counts as none.
    Raises: TransitionError before anything is applied; whatever `apply` raises, with a part applied.
    """
    validate(deployment, drafts)
    lines, events = [], []
    last = len(drafts) - 1
    for n, draft in enumerate(drafts):
        line, event = e.encode_event(
            draft, seq=deployment.seq + 1, at=at, by=by, previous=deployment.hash, more=n < last
        )
        apply(deployment, event)
        lines.append(line)
        events.append(event)
    return b"".join(lines), events


def apply_drafts(deployment: Deployment, drafts: Sequence[e.Draft], at: datetime, by: str) -> list[e.Event]:
    """Apply drafts that are not in the log, as a preview: their hash is empty. Raises: TransitionError."""
    events = []
    for draft in drafts:
        event = e.Event(
            v=e.FORMAT_VERSION,
            seq=deployment.seq + 1,
            at=at,
            by=by,
            worker=draft.worker,
            attempt=draft.attempt,
            source=draft.source,
            to=draft.to,
            data=draft.data,
            hash="",
        )
        apply(deployment, event)
        events.append(event)
    return events


def apply(deployment: Deployment, event: e.Event) -> None:
    """Change the deployment by one event.

    Raises: TransitionError when the event moves a worker from a state that it is not in.
    Cost: constant, except for an observation, which visits the live workers.
    """
    deployment.seq, deployment.at, deployment.hash = event.seq, event.at, event.hash
    if event.to is not None:
        _move_worker(deployment, event, event.to)
    event.data.apply(deployment, event)


def fold(deployment: Deployment, events: Iterable[e.Event]) -> None:
    """Change the deployment by events, as `apply` does by each.

    Raises: as `apply`; then the deployment's `seq` is that of the event which cannot be applied.
    """
    event = None
    try:
        # A million times in a replay: no fact asks for the deployment's own place in the log, so it is kept once.
        for event in events:
            if event.to is not None:
                _move_worker(deployment, event, event.to)
            event.data.apply(deployment, event)
    finally:
        if event is not None:
            deployment.seq, deployment.at, deployment.hash = event.seq, event.at, event.hash


def apply_unchecked(deployment: Deployment, event: e.Event) -> None:
    """Apply an event even if its transition is illegal, so that an audit can continue behind it.

    Raises: TransitionError, LookupError when it refers to what does not exist.
    """
    worker = worker_of(deployment, event)
    worker.state = event.source or worker.state
    if (worker.state, e.kind(event.data)) in NEXT:
        apply(
            deployment, msgspec.structs.replace(event, to=NEXT[worker.state, e.kind(event.data)], source=worker.state)
        )


def _state_of(deployment: Deployment, name: str) -> State | None:
    worker = deployment.workers.get(name)
    return worker.state if worker is not None else None


def _move_worker(deployment: Deployment, event: e.Event, to: State) -> None:
    worker = worker_of(deployment, event)
    trigger = e.kind(event.data)
    if worker.state != event.source or NEXT.get((worker.state, trigger)) != to:
        raise TransitionError(
            f"line {event.seq}: {worker.name}: '{trigger}' from {event.source} to {to} while {worker.state}"
        )
    worker.state = to
    worker.since = event.at
    ask_about(deployment, worker.name)
