"""Of which workers something may have to be decided, of which only the launch, of which only whether they are silent,
and how many units are not done.

Kept while facts are applied, so that no decision asks all workers, nor all their units. A deployment that no log has
led to has nothing of it: then all are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wakeman.core.policy.freshness import awaits_launch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wakeman.core.model import Deployment, Unit, UnitState, WorkerState

ROUNDING_S = 1.0
"""Seconds that a silence is asked about too early: adding times rounds otherwise than comparing them does."""


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
    if worker.name not in d.steady:  # whatever its units are: as long as it runs on, nothing is decided of it
        ask_about(d, worker.name)


def ask_about(d: Deployment, name: str | None) -> None:
    """Apply that something may have to be decided of a worker, if there is one of that name.

    Shape: they stay in the order of enrolment.
    """
    if d.in_question is None or name in d.in_question or name not in d.workers:
        return
    d.resettle()
    d.pending.pop(name, None)
    d.steady.pop(name, None)
    last = next(reversed(d.in_question), "")
    if not last or d.workers[last].number < d.workers[name].number:
        d.in_question[name] = None
    else:
        d.in_question = dict.fromkeys(_in_enrolment_order(d, (*d.in_question, name)))


def ask_about_all(d: Deployment) -> None:
    """Apply that something may have to be decided of those, too, of whom it was only the launch, or their silence."""
    for name in _in_enrolment_order(d, (*d.pending, *d.steady)):
        ask_about(d, name)


def _in_enrolment_order(d: Deployment, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: d.workers[name].number)


def settle_steady(d: Deployment, worker: WorkerState, attempt: int) -> None:
    """Apply that an attempt of a worker was seen to run on: only its silence has to be decided from now on, if nothing
    else is remarkable of it.

    Boundary: not where the plan ends attempts by their age, as then time alone may end it.
    """
    if d.in_question is None or worker.state != "running" or worker.attempt != attempt or _is_remarkable(worker):
        return
    if d.plan_of(worker).stuck.longest:
        return
    d.in_question.pop(worker.name, None)
    d.resettle()
    silent_mono = worker.life_mono + d.plan.stuck.after - ROUNDING_S
    d.silent_mono = min(d.silent_mono, silent_mono) if d.steady else silent_mono
    d.steady[worker.name] = None


def _is_remarkable(worker: WorkerState) -> bool:
    """Return whether a worker that runs on is in any trouble, is being dealt with, or was seen at rest."""
    dealt_with = worker.intent or worker.prompt or worker.stop or worker.again or worker.swept or worker.finishing
    troubled = worker.reason or worker.fault or worker.until or worker.unheard or worker.trespasses
    over = worker.ends or worker.ending or worker.finished or worker.idle
    return bool(dealt_with or troubled or over)


def ask_about_silent(d: Deployment, mono: float) -> None:
    """Apply that at `mono` it has to be decided of those who run on whether they are silent."""
    silent = [name for name in d.steady if mono - d.workers[name].life_mono >= d.plan.stuck.after]
    for name in _in_enrolment_order(d, silent):
        ask_about(d, name)
    # After a restart of the machine its clock begins anew: their next sign of life may come before their last.
    d.silent_mono = min((mono, *(d.workers[name].life_mono for name in d.steady))) + d.plan.stuck.after - ROUNDING_S


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
