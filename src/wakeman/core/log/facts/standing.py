"""Of which workers something may have to be decided, of which only the launch, and how many units are not done.

Kept while facts are applied, so that no decision asks all workers, nor all their units. A deployment that no log has
led to has nothing of it: then all are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wakeman.core.policy.freshness import awaits_launch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wakeman.core.model import Deployment, Unit, UnitState, WorkerState


def next_number(d: Deployment) -> int:
    """Return the number of the next worker in the order of enrolment."""
    return next(reversed(d.workers.values())).number + 1 if d.workers else 0


def begin_counting(d: Deployment) -> None:
    """Apply that the deployment began: from now on it is counted."""
    d.in_question = {}
    d.resettle()


def count_enrolled(d: Deployment, worker: WorkerState, units: Sequence[Unit], moved: Sequence[UnitState]) -> None:
    """Apply that a worker was enrolled, or got further units; those that were moved are already its own."""
    worker.unbegun = worker.unbegun and all(unit.outputs for unit in units) and not any(state.begun for state in moved)
    if d.in_question is None:
        return
    worker.undone += len(units) + sum(not state.done for state in moved)
    d.undone += 0 if worker.review else len(units)
    last = worker.number + 1 == next_number(d)
    d.scattered = d.scattered or bool(moved) or not last
    if not _only_pends(d, worker):
        ask_about(d, worker.name)
    elif last:
        d.pending[worker.name] = None


def _only_pends(d: Deployment, worker: WorkerState) -> bool:
    """Return whether nothing but its launch has to be decided of a worker: nothing at its outputs counts before."""
    pends = worker.state == "pending" and worker.unbegun and not worker.review and worker.units
    return bool(pends) and awaits_launch(d, d.units[worker.units[0]])


def count_done(d: Deployment, state: UnitState, *, was: bool) -> None:
    """Apply that a unit has become done, or is done no more, or was judged anew; `was` says whether it was done."""
    if d.in_question is None:
        return
    worker = d.workers[state.worker]
    worker.undone += was - state.done
    d.undone += 0 if worker.review else was - state.done
    ask_about(d, worker.name)


def ask_about(d: Deployment, name: str | None) -> None:
    """Apply that something may have to be decided of a worker, if there is one of that name.

    Shape: they stay in the order of enrolment.
    """
    if d.in_question is None or name in d.in_question or name not in d.workers:
        return
    d.resettle()
    d.pending.pop(name, None)
    last = next(reversed(d.in_question), "")
    if not last or d.workers[last].number < d.workers[name].number:
        d.in_question[name] = None
    else:
        d.in_question = dict.fromkeys(sorted((*d.in_question, name), key=lambda each: d.workers[each].number))


def ask_about_pending(d: Deployment) -> None:
    """Apply that something may have to be decided of those, too, of whom it was only the launch."""
    for name in list(d.pending):
        ask_about(d, name)


def count_dropped(d: Deployment, worker: WorkerState) -> None:
    """Apply that a worker was removed, with its units; before, all were asked about."""
    (d.in_question or {}).pop(worker.name, None)
    d.resettle()
    d.undone -= 0 if worker.review else worker.undone


def settle_verified(d: Deployment, worker: WorkerState) -> None:
    """Apply that a worker is verified: nothing has to be decided of it until another fact concerns it.

    Boundary: a reviewer, and one with anything else of its own under way, stays in question, as do all of a plan whose
    outputs are promoted.
    """
    under_way = worker.undone or worker.processes or worker.intent or worker.prompt or worker.trespasses
    in_place = d.plan.workers.workspace == "in place"
    if d.in_question is not None and in_place and not worker.review and not under_way:
        d.in_question.pop(worker.name, None)
        d.resettle()
