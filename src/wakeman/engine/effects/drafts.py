"""Lines that several effects write."""

from __future__ import annotations

from wakeman.core.log import events as e
from wakeman.core.model import WorkerState
from wakeman.core.text import sanitise


def about(worker: WorkerState, fact: e.Fact) -> e.Draft:
    """Return an event about a worker's present attempt."""
    return e.Draft(fact, worker=worker.name, attempt=worker.attempt)


def outcome(intent: e.Event, why: str) -> e.Draft:
    """Return the outcome of an intent, about the intent's worker; `why` it failed, "" if it did not."""
    return e.Draft(e.Effected(intent=intent.seq, ok=not why, detail=why), worker=intent.worker, attempt=intent.attempt)


def noted(text: str, chars: int = 300) -> e.Draft:
    """Return a note, sanitised, and cut to `chars` characters."""
    return e.Draft(e.Noted(text=sanitise(text, chars)))


def effect_failure(write: object) -> str:
    """Read from an `effected` event why an effect failed; "" if it did not, or for another event."""
    return write.detail if isinstance(write, e.Effected) and not write.ok else ""
