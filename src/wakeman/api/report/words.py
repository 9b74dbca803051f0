"""What a report says of a deployment in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Value
from wakeman.api.chronicle import Chronicle, WorkerCourse
from wakeman.api.needs import NeedStatus
from wakeman.api.report.figures import wall_seconds
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, Plan
from wakeman.core.plan.validation import SOURCES
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import undone
from wakeman.core.policy.limits import elapsed, over_budget

NAMES_TOLD_MAX = 3
"""Names that a sentence has; the others are counted."""


class PlanFact(Value, frozen=True, kw_only=True):
    """One thing that the plan says."""

    what: Annotated[str, Meta(description="What it is about.")]
    says: Annotated[str, Meta(description="What the plan says.")]


def names_told(names: Sequence[str]) -> str:
    """Return some names for a sentence, and how many more there are."""
    shown, more = names[:NAMES_TOLD_MAX], len(names) - NAMES_TOLD_MAX
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def lead(d: Deployment, told: Chronicle, needs: Sequence[NeedStatus]) -> Iterator[str]:
    """Yield how far it came, what went otherwise than planned, and whether anybody must act."""
    missing, total = undone(d), len(review.tasks(d))
    done = total - len(missing)
    waived = sum(unit.waived for unit in review.tasks(d).values())
    if not missing:
        by = f", {waived} of them because a person waived them" if waived else " and passed every check"
        took = wall_seconds(d) if d.outcome != "open" else None
        all_are = "The unit is" if total == 1 else f"All {count(total, 'unit')} are"
        yield f"{all_are} done{by}{f', in {lasting_text(took)}' if took is not None else ''}."
    elif d.outcome == "open":
        yield f"So far {done} of {_units_are(total)} done."
    else:
        yield f"{done} of {_units_are(total)} done; missing: {names_told(missing)}."
    repeated = [name for name, worker in d.workers.items() if worker.attempt > 1]
    stuck = list(dict.fromkeys(each.worker for each in told.questions))
    other = [
        *_left_for_cleanup(list(told.courses.values())),
        *([f"{names_told(repeated)} needed another attempt"] if repeated else []),
        *([f"{names_told(stuck)} {'was' if len(stuck) == 1 else 'were'} stuck for a time"] if stuck else []),
        *([f"{count(len(d.trespassed), 'file')} written out of place"] if d.trespassed else []),
    ]
    if other:
        yield f"Otherwise than planned: {'; '.join(other)}."
    if d.outcome == "open":
        yield f"{count(len(needs), 'thing')} need{'s' * (len(needs) == 1)} you." if needs else "Nothing needs you now."
    elif missing:
        who = "A person ended it" if d.outcome == "stopped" else "It is closed"
        yield f"{who}: nothing more happens by itself."
    else:
        yield "Nothing waits for you."


def _units_are(number: int) -> str:
    return f"{count(number, 'unit')} {'is' if number == 1 else 'are'}"


def _left_for_cleanup(courses: Sequence[WorkerCourse]) -> Iterator[str]:
    """Yield which workers left units to which cleanup workers; of many only how many."""
    left = [course for course in courses if course.left and not course.origin]
    takers = [course for course in courses if course.origin]
    if len(left) > NAMES_TOLD_MAX:
        units = count(sum(course.left for course in left), "unit")
        yield f"{len(left)} workers left {units} undone, which {count(len(takers), 'cleanup worker')} took over"
        return
    for course in left:
        names = [each.worker for each in takers if each.origin == course.worker]
        yield f"{course.worker} left {course.left} of {count(course.given, 'unit')} to {names_told(names)}"


def plan_facts(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the plan in short; no prompt, no environment."""
    workers, limits, verify = plan.workers, plan.limits, plan.verify
    yield "units", _source(plan)
    yield "workers", f"{workers.harness}, {workers.mode}" + (f", agent {workers.agent}" if workers.agent else "")
    if workers.at_once:
        yield "at once", f"at most {workers.at_once}"
    if workers.workspace != "in place":
        yield "workspace", workers.workspace
    if workers.confine != "off":
        yield "confined to", workers.confine
    yield "attempts", f"at most {plan.stuck.attempts} of a worker"
    yield "cleanup", f"at most {count(plan.cleanup.rounds, 'round')}"
    yield "given up after", lasting_text(limits.give_up)
    if limits.max_cost is not None:
        yield "cost", f"at most ${limits.max_cost:g}"
    if limits.max_tokens is not None:
        yield "tokens", f"at most {limits.max_tokens}"
    if verify.agent or verify.review.command:
        yield "reviewed", f"{verify.review.of}, at most {count(verify.review.rounds, 'round')}"


def _source(plan: Plan) -> str:
    """Return where the units come from."""
    given = {name: getattr(plan.units, name) for name in SOURCES if getattr(plan.units, name) is not None}
    [(name, value)] = given.items()
    if name == "items":
        return count(len(value), "named unit")
    if name == "matrix":
        return f"matrix of {', '.join(value)}"
    return f"{name}: {value if isinstance(value, str) else ' '.join(value)}"


def criteria(plan: Plan) -> Iterator[str]:
    """Yield what was checked of each unit."""
    verify = plan.verify
    fresh = {"changed": "written in this run", "newer": "not older than its input", "exists": ""}
    yield "exists"
    if fresh[verify.fresh]:
        yield fresh[verify.fresh]
    if verify.min_bytes:
        yield f"at least {count(verify.min_bytes, 'byte')}"
    if verify.max_ratio is not None:
        yield f"at most {verify.max_ratio * 100:g}% of its input"
    if verify.parse != "none":
        yield f"parses as {verify.parse.upper()}"
    if verify.command:
        yield f"passes {verify.command[0].rpartition('/')[2]}"


def why_given_up(d: Deployment) -> str:
    """Return why a deployment was closed with units undone, and what was not the reason."""
    limits, rounds = d.plan.limits, d.plan.cleanup.rounds
    spent = f"{lasting_text(elapsed(d))} of {lasting_text(limits.give_up)}"
    if d.outcome == "open":
        return ""
    if d.down:
        return f"A person ended it: {d.down}."
    if elapsed(d) >= limits.give_up:
        return f"The time limit was reached: {spent} were spent. Units that were still to be done are missing."
    budget = (
        " Its limit on cost or tokens was reached." if over_budget(d) else " No limit on cost or tokens was reached."
    )
    tried = f"the plan allows {count(rounds, 'round')} of cleanup" if rounds else "the plan allows no cleanup"
    return (
        f"No worker ran any more, and nothing was left to try: {tried}. The time limit was not the reason: {spent} were"
        f" spent.{budget if limits.max_cost or limits.max_tokens else ''}"
    )


def lasting_text(seconds: float) -> str:
    """Return a duration in words, in its largest unit and the one below."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds != int(seconds) else f"{seconds:.0f} s"
    for unit, size, below, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            whole, rest = divmod(round(seconds / part), size // part)
            return f"{whole} {unit}" + (f" {rest} {below}" if rest else "")
    return ""
