"""Units and their outputs: what is missing and why, and what was made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Value
from wakeman.api.chronicle import CURVE_POINTS_MAX, AttemptMade, Chronicle, VerdictGiven
from wakeman.api.needs import Time
from wakeman.api.status import time
from wakeman.core.log.events import stamp
from wakeman.core.model import Deployment, UnitState
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import failures


class TryMade(Value, frozen=True, kw_only=True):
    """One attempt on a unit that is missing."""

    worker: Annotated[str, Meta(description="Worker that had the unit.")]
    attempt: Annotated[AttemptMade, Meta(description="Its attempt.")]
    found: Annotated[VerdictGiven | None, Meta(description="The verdict that held after it; null for none.")]
    new: Annotated[bool, Meta(description="The verdict came of this attempt; false if nothing had changed.")]


class MissingUnit(Value, frozen=True, kw_only=True):
    """A unit that is not done, and why."""

    unit: Annotated[str, Meta(description="Its name.")]
    outputs: Annotated[tuple[str, ...], Meta(description="Outputs that it should have.")]
    worker: Annotated[str, Meta(description="Worker that had it last.")]
    why: Annotated[str, Meta(description="What is wrong, in words of programs and people, too: data.")]
    rounds: Annotated[int, Meta(description="Rounds of cleanup that it was given.")]
    tries: Annotated[tuple[TryMade, ...], Meta(description="Attempts on it, in order.")]


class WrittenPoint(Value, frozen=True, kw_only=True):
    """How many units were written by a time."""

    at: Annotated[Time, Meta(description="The time.")]
    units: Annotated[int, Meta(description="Units that are done, and whose files were last written by then.")]


class OutputMade(Value, frozen=True, kw_only=True):
    """One unit and its outputs."""

    unit: Annotated[str, Meta(description="Its name.")]
    worker: Annotated[str, Meta(description="Worker whose share it is in.")]
    writer: Annotated[str | None, Meta(description="Who wrote it last; null if that is not known.")]
    inferred: Annotated[bool, Meta(description="The writer is inferred, and was not reported by a hook.")]
    paths: Annotated[tuple[str, ...], Meta(description="Paths of its outputs.")]
    size: Annotated[int | None, Meta(description="Bytes of all of them; null if none was there.")]
    input: Annotated[int | None, Meta(description="Bytes of its input when they were judged; null if not recorded.")]
    ratio: Annotated[float | None, Meta(description="`size` as a part of `input`; null if one is not known.")]
    changed: Annotated[Time | None, Meta(description="When the last of them was written.")]
    done: Annotated[bool, Meta(description="It passes, or was waived.")]
    waived: Annotated[bool, Meta(description="A person counts it as done.")]
    problems: Annotated[str, Meta(description='What is wrong; "" for nothing: data.')]
    reviewed: Annotated[bool, Meta(description="A reviewer accepted it as it is.")]
    sampled: Annotated[bool, Meta(description="It was drawn for a person to inspect.")]


def missing_unit(d: Deployment, told: Chronicle, name: str) -> MissingUnit:
    unit = d.units[name]
    [line] = failures(d.units, [name], quoted=False)
    return MissingUnit(
        unit=name,
        outputs=unit.unit.outputs,
        worker=unit.worker,
        why=line.removeprefix(f"{name}: "),
        rounds=unit.rounds,
        tries=tuple(_tries(told, name)),
    )


def _tries(told: Chronicle, name: str) -> Iterator[TryMade]:
    """Yield the attempts of the workers that had a unit, each with the verdict that held after it."""
    owners = [owner for owner in told.owners.get(name, ()) if owner in told.courses]
    made = [(owner, attempt) for owner in owners for attempt in told.courses[owner].attempts]
    given = told.verdicts.get(name, [])
    for n, (owner, attempt) in enumerate(made):
        after = made[n + 1][1].began if n + 1 < len(made) else None
        held = [each for each in given if after is None or each.at <= after]
        found = held[-1] if held else None
        new = found is not None and attempt.began is not None and found.at > attempt.began
        yield TryMade(worker=owner, attempt=attempt, found=found, new=new)


def outputs_made(d: Deployment) -> list[OutputMade]:
    """Return the units with their outputs: undone ones first, then those sampled, then the others as enrolled."""
    sampled = set(d.sampled)
    made = [_output(d, name, unit, sampled=name in sampled) for name, unit in review.tasks(d).items()]
    return sorted(made, key=lambda each: (each.done, not each.sampled))


def worker_outputs(d: Deployment, worker: str) -> list[OutputMade]:
    """Return the units of a worker's share with their outputs, as enrolled."""
    sampled, state = set(d.sampled), d.workers[worker]
    names = [] if state.review else state.units
    return [_output(d, name, d.units[name], sampled=name in sampled) for name in names]


def _output(d: Deployment, name: str, unit: UnitState, *, sampled: bool) -> OutputMade:
    marks = unit.verdict.marks if unit.verdict is not None else ()
    wrote = [unit.wrote[mark.path] for mark in marks if mark.path in unit.wrote]
    [line] = failures(d.units, [name], quoted=False) if not unit.done else [""]
    size = sum(mark.size for mark in marks) if marks else None
    source = unit.verdict.input if unit.verdict is not None else 0
    return OutputMade(
        unit=name,
        worker=unit.worker,
        writer=wrote[-1].last or None if wrote else None,
        inferred=any(each.inferred for each in wrote),
        paths=unit.unit.outputs,
        size=size,
        input=source or None,
        ratio=round(size / source, 6) if size is not None and source else None,
        changed=_written_at(max((mark.mtime_ns for mark in marks), default=0)),
        done=unit.done,
        waived=unit.waived,
        problems=line.removeprefix(f"{name}: "),
        reviewed=bool(unit.reviewed) and unit.reviewed == marks,
        sampled=sampled,
    )


def _written_at(nanoseconds: int) -> str | None:
    from datetime import UTC, datetime, timedelta

    if not nanoseconds:
        return None
    try:
        return time(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanoseconds // 1000))
    except OverflowError:  # a worker may set any time
        return None


def written_points(d: Deployment) -> tuple[WrittenPoint, ...]:
    """Return when the units that are done were written: each, or of many every so many, the last included.

    Shape: a worker may set any time, so a time outside of the deployment's counts as its start or its end.
    """
    began, ended = stamp(d.started) if d.started else "", stamp(d.at) if d.at else "~"
    marks = [unit.verdict.marks for unit in review.tasks(d).values() if unit.done and unit.verdict is not None]
    times = [_written_at(max(mark.mtime_ns for mark in each)) for each in marks if each]
    found = sorted(min(max(each, began), ended) for each in times if each is not None)
    step = -(-len(found) // CURVE_POINTS_MAX) or 1
    places = [*range(step - 1, len(found), step)]
    if found and places[-1] != len(found) - 1:
        places.append(len(found) - 1)
    return tuple(WrittenPoint(at=found[place], units=place + 1) for place in places)
