"""The launch window, with `limits.adapt`: how many workers may be at work, as the service answers and refuses."""

from __future__ import annotations

from wakeman.core.model import Deployment, WorkerState

WINDOW_FIRST_WORKERS = 4
"""Workers that may be at work before the service has answered or refused any."""
WIDENED_EACH_S = 60.0
"""Seconds without a refusal after which one more may be at work, once the service has refused somebody."""


def most_at_once(d: Deployment) -> int:
    """Return how many workers may ever be alive at a time."""
    return len(d.workers) if d.plan.workers.at_once is None else d.plan.workers.at_once


def note_request(d: Deployment, worker: WorkerState, seq: int) -> None:
    """Apply that a worker begins to ask the service for something, by line `seq`: a launch, or a text."""
    if d.plan.limits.adapt:
        d.window = d.window or WINDOW_FIRST_WORKERS
        worker.request, d.asking[worker.name] = seq, d.mono


def note_answer(d: Deployment, name: str) -> None:
    """Apply that the service has answered a worker: until it refuses the first, the window grows by one."""
    if d.asking.pop(name, None) is not None and not d.narrowed:
        _widen(d, 1)


def note_time(d: Deployment) -> None:
    """Apply that time has passed, after a refusal: for each `WIDENED_EACH_S` without another the window grows by one.

    Boundary: the time of an outage does not count, nor time before the clock began anew.
    """
    steps = int((d.mono - d.widened_mono) // WIDENED_EACH_S)
    if d.outage or steps < 0:
        d.widened_mono = d.mono
    elif steps:
        d.widened_mono += steps * WIDENED_EACH_S
        _widen(d, steps)


def _widen(d: Deployment, steps: int) -> None:
    """Let the window grow, to twice the workers at work at most: what is not used proves nothing."""
    d.window += max(0, min(steps, min(2 * d.at_work, most_at_once(d)) - d.window))


def note_refusal(d: Deployment, worker: WorkerState, seq: int) -> None:
    """Apply that the service has refused a worker, in line `seq`, for the load or a usage limit: the window halves.

    Boundary: once for all that had asked before it was halved: what they meet is the same refusal.
    """
    if not d.plan.limits.adapt:
        return
    d.asking.pop(worker.name, None)
    d.widened_mono = d.mono
    if d.narrowed and worker.request <= d.narrowed:
        return
    others = sum(1 for each in d.unsettled if each is not worker and (each.live or each.intent))
    alive = 1 + others + len(d.steady) - (worker.name in d.steady)
    d.window = max(1, min(d.window or alive, alive) // 2)
    d.narrowed = seq
