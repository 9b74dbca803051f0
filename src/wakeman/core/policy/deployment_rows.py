"""The conditions of the deployment's table, and the reason that a decision records. Pure, like the workers'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from wakeman.core.model import EDITION_PROGRESS_MIN, Deployment, UnitState
from wakeman.core.policy import review
from wakeman.core.policy.attempts import attempt_is_over, is_queued, missing
from wakeman.core.policy.limits import (
    due_launches,
    elapsed,
    holds_back,
    over_budget,
    tokens,
    used,
    window_words,
    withholds,
)
from wakeman.core.policy.staging import held_up
from wakeman.core.policy.tables import DEPLOYMENT_RULES, EDITION_QUEUED_MIN, HOLDABLE, Decision, choose
from wakeman.core.text import as_data

CHECK_WORDS_CHARS_MAX = 2000
"""Characters of a failed check that a task repeats."""
WHY_NAMES_MAX = 50
"""Workers that the reason of a decision names; the rest are counted."""
ROWS_PER_CHECK_MAX = 8
"""Deployment rows taken on one observation at most: clean up, then launch, then sleep."""


_FREE = tuple(rule for rule in DEPLOYMENT_RULES if rule.row not in HOLDABLE)


def decide(d: Deployment) -> Decision:
    """Choose a row for the deployment."""
    facts = deployment_facts(d)
    rule, under = choose(DEPLOYMENT_RULES, facts), ""
    agreed = d.accepted == rule.row or (rule.row == "give up" and "give up" in d.rows)  # its second step
    held = d.plan.wake.hold and rule.row in HOLDABLE and not agreed
    if held and d.held == rule.row:  # proposed before: rows that are not held are still taken
        rule, under, held = choose(_FREE, facts), rule.row, False
    return Decision(row=rule.row, then=rule.then, why=_WHY[rule.row](d), held=held, under=under)


def deployment_facts(d: Deployment) -> dict[str, bool]:
    """Return the facts that the deployment's rows test."""
    ended = not d.pending and not d.steady and all(attempt_is_over(d, worker) for worker in d.unsettled)
    complete = not d.undone if d.in_question is not None else all(u.done for u in review.tasks(d).values())
    unfinished = _undone_of_ended(d)
    rests = _resting(d, unfinished)
    left = not unfinished.keys() <= rests.keys()
    cleanable = left and (ended or d.plan.cleanup.when == "each")
    alive = bool(d.steady) or any(worker.live or worker.processes or worker.intent for worker in d.unsettled)
    queued = d.edition >= EDITION_QUEUED_MIN and any(map(is_queued, d.unsettled))
    nothing_left = ended and not complete and not left and not rests and not held_up(d, d.units)
    return {
        "down": bool(d.down),
        "alive": alive,
        "ended": ended,
        "complete": complete,
        "spent": nothing_left or elapsed(d) >= d.plan.limits.give_up,
        "ends": queued or (alive and d.plan.limits.give_up_do == "stop"),
        "halts": (queued or (alive and d.plan.limits.over == "stop")) and over_budget(d),
        "withheld": queued and withholds(d),
        "short": cleanable and not d.paused_at,
        "heard": bool(review.ready(d)),
        "unreviewed": complete and bool(review.unreviewed(d)),
        "reviewable": complete and bool(review.units_to_review(d)),
        "due": bool(due_launches(d)),
    }


def short(d: Deployment) -> dict[str, list[str]]:
    """Return, per finished worker, the undone units that a cleanup worker may get now."""
    unfinished = _undone_of_ended(d)
    rests = _resting(d, unfinished)
    return {name: units for name, units in unfinished.items() if name not in rests}


def resting(d: Deployment) -> dict[str, float]:
    """Return, per worker that a person has ended, the seconds until a cleanup worker may get its undone units.

    Boundary: none after a restart of the machine, whose clock begins anew.
    """
    return _resting(d, _undone_of_ended(d))


def _resting(d: Deployment, unfinished: Iterable[str]) -> dict[str, float]:
    """Return the same, of the workers that have undone units and came to an end."""
    if d.edition < EDITION_PROGRESS_MIN:
        return {}
    by_person = [worker for name in unfinished if (worker := d.workers[name]).ended_by == "person"]
    left = {worker.name: worker.over + d.plan.cleanup.after - d.mono for worker in by_person}
    return {name: pause for name, pause in left.items() if pause > 0 and d.workers[name].boot == d.boot}


def _undone_of_ended(d: Deployment) -> dict[str, list[str]]:
    rounds = d.plan.cleanup.rounds
    found: dict[str, list[str]] = {}
    for worker in d.unsettled:
        if attempt_is_over(d, worker) and not worker.review and not worker.kept:
            held = held_up(d, worker.units)
            units = [name for name in missing(d, worker) if d.units[name].rounds < rounds and name not in held]
            if units:
                found[worker.name] = units
    return found


def undone(d: Deployment) -> list[str]:
    """List every unit that is not done, in the order of enrolment, without reviewers' verdicts."""
    return [name for name, unit in review.tasks(d).items() if not unit.done]


def count_undone(d: Deployment) -> int:
    """Count the units that are not done, without reviewers' verdicts."""
    return len(undone(d)) if d.in_question is None else d.undone


def failures(units: Mapping[str, UnitState], names: Iterable[str], *, quoted: bool = True) -> list[str]:
    """Return the problem of each unit, a line each: a person's rejection, the failed checks, or that it is missing.

    Shape: `quoted` marks what files and commands say as quotations: who reads it is an agent.
    """
    lines = []
    for name in names:
        unit = units[name]
        problems = _unit_problems(unit)
        said = "; ".join(problems)
        wrong = unit.reopened or (as_data(said, CHECK_WORDS_CHARS_MAX) if quoted else said)
        lines.append(f"{as_data(name, CHECK_WORDS_CHARS_MAX) if quoted else name}: {wrong}")
    return lines


def _unit_problems(unit: UnitState) -> tuple[str, ...]:
    """Return the problems of a unit: of what was staged last, otherwise of the files at its targets."""
    made = unit.staged
    if made is not None and made.foreign:
        return tuple(f"{mark.path}: changed by somebody else, what was made is kept aside" for mark in made.foreign)
    if made is not None and made.problems:
        return made.problems
    return unit.verdict.problems if unit.verdict is not None else ("not done",)


def _some(names: Sequence[str]) -> str:
    """Return the first names and the number of the others: a decision's reason is one line of the log."""
    more = len(names) - WHY_NAMES_MAX
    return ", ".join(names[:WHY_NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def _done(d: Deployment) -> str:
    total, missing = review.count_tasks(d), count_undone(d)
    reviews = review.review_summary(d) if d.reviews or not missing else ""
    return f"{total - missing}/{total} units done" + (f", {reviews}" if reviews else "")


_WHY: Mapping[str, Callable[[Deployment], str]] = {
    "stop": lambda d: d.down,
    "review": lambda d: f"{_done(d)}; {_some(review.ready(d) or review.units_to_review(d))}",
    "wrap up": _done,
    "give up": lambda d: f"{_done(d)}, {elapsed(d):.0f} s spent",
    "halt": lambda d: f"{_done(d)}; used ${used(d).cost or 0.0:.2f}, {tokens(d)} tokens",
    "withdraw": lambda d: f"{_done(d)}; {'paused' if d.paused_at else d.barred or 'a usage limit lasts'}",
    "clean up": lambda d: f"{_done(d)}; undone by {_some(list(short(d)))}",
    "launch": lambda d: "; ".join(filter(None, (_some(due_launches(d)), window_words(d)))),
    "sleep": lambda d: "; ".join(filter(None, (_done(d), window_words(d) if holds_back(d) else ""))),
}
