"""A deployment as a trace in the format of Chrome's trace viewer, which Perfetto reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from wakeman.api.answer import Answer, Value
from wakeman.api.chronicle import AttemptMade, Chronicle, WorkerCourse
from wakeman.api.needs import Time

Phase = Literal["M", "X", "i", "C"]
"""What an entry is: a name, a slice, an instant, or values of a counter."""


class TraceEvent(Value, frozen=True, kw_only=True):
    """One entry of the trace."""

    name: Annotated[str, Meta(description="What it shows.")]
    ph: Annotated[Phase, Meta(description="`X` a slice, `i` an instant, `C` values of a counter, `M` a name.")]
    ts: Annotated[int, Meta(description="Microseconds since the first line of the log.")]
    dur: Annotated[int | UnsetType, Meta(description="Microseconds that a slice lasts.")] = UNSET
    pid: Annotated[int, Meta(description="Always 1: the deployment.")] = 1
    tid: Annotated[int, Meta(description="Track: 0 the watch, from 1 the workers.")] = 0
    cat: Annotated[str | UnsetType, Meta(description="Kind, to filter by.")] = UNSET
    s: Annotated[Literal["t"] | UnsetType, Meta(description="An instant belongs to its track.")] = UNSET
    args: Annotated[Mapping[str, Any] | UnsetType, Meta(description="Further fields; texts of others are data.")] = (
        UNSET
    )


class TraceOrigin(Value, frozen=True, kw_only=True):
    """What the trace was made from."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    outcome: Annotated[str, Meta(description="`open`, or how it was closed.")]
    began: Annotated[Time, Meta(description="Time of the first line, which is 0 in the trace.")]
    lines: Annotated[int, Meta(description="Number of the last line.")]


class Traced(Value, frozen=True, kw_only=True, rename="camel"):
    """A trace. Without the envelope's fields it is the file that viewers open."""

    trace_events: Annotated[tuple[TraceEvent, ...], Meta(description="All entries.")]
    display_time_unit: Annotated[Literal["ms"], Meta(description="How viewers show times.")] = "ms"
    other_data: Annotated[TraceOrigin, Meta(description="What it was made from.")]


def trace(told: Chronicle) -> Answer[Traced]:
    """Return the trace of a deployment: a track for each worker, attempts as slices, checks and decisions as instants.

    Boundary: an attempt that is under way ends at the last line. A clock that was set back makes a slice of no length.
    """
    d = told.d
    began = d.started or told.curve[0][0]
    ends = d.at or began
    clock = _Clock(began)
    entries = (
        *_tracks(told),
        *(entry for n, name in enumerate(d.workers, 1) for entry in _worker_track(told.courses[name], n, clock, ends)),
        *_watch_track(told, clock),
        *_counters(told, clock),
    )
    origin = TraceOrigin(deployment=d.name, outcome=d.outcome, began=clock.text, lines=d.seq)
    return Answer(Traced(trace_events=entries, other_data=origin), ("wakeman report " + d.name,))


class _Clock:
    """Converts the log's times to microseconds since its beginning."""

    def __init__(self, began: datetime) -> None:
        from wakeman.core.log.events import stamp

        self._began, self.text = began, stamp(began)

    def __call__(self, at: datetime | str) -> int:
        when = datetime.fromisoformat(at) if isinstance(at, str) else at
        return max(0, round((when - self._began).total_seconds() * 1e6))


def _tracks(told: Chronicle) -> Iterator[TraceEvent]:
    """Yield the names of the process and its tracks, and the order of these."""
    yield TraceEvent(name="process_name", ph="M", ts=0, args={"name": f"wakeman {told.d.name}"})
    for n, name in enumerate(["checks and decisions", *told.d.workers]):
        yield TraceEvent(name="thread_name", ph="M", ts=0, tid=n, args={"name": name})
        yield TraceEvent(name="thread_sort_index", ph="M", ts=0, tid=n, args={"sort_index": n})


def _worker_track(course: WorkerCourse, track: int, clock: _Clock, ends: datetime) -> Iterator[TraceEvent]:
    """Yield a worker's attempts, in each the time that it was stuck, and when its share was verified."""
    for attempt in course.attempts:
        if attempt.began is None:
            why = {"why": attempt.why} if attempt.why else UNSET
            at = clock(attempt.ended or course.enrolled)
            yield TraceEvent(
                name=f"attempt {attempt.attempt} not begun", ph="i", s="t", ts=at, tid=track, cat="attempt", args=why
            )
            continue
        start, over = clock(attempt.began), clock(attempt.ended or ends)
        yield TraceEvent(
            name=f"attempt {attempt.attempt}",
            ph="X",
            ts=start,
            dur=max(0, over - start),
            tid=track,
            cat="attempt",
            args=dict(_attempt_fields(attempt)),
        )
    for span in course.spans:
        start = clock(span.began)
        if span.state == "stuck":
            dur = max(0, clock(span.ended or ends) - start)
            yield TraceEvent(name="stuck", ph="X", ts=start, dur=dur, tid=track, cat="stuck", args={"why": span.why})
        elif span.state == "verified":
            yield TraceEvent(name="verified", ph="i", s="t", ts=start, tid=track, cat="verified")


def _attempt_fields(attempt: AttemptMade) -> Iterator[tuple[str, Any]]:
    for name in ("code", "ended_by", "why", "cost", "host", "engine"):
        if (value := getattr(attempt, name)) not in (None, ""):
            yield name, value
    if attempt.tokens is not None:
        yield "input_tokens", attempt.tokens.input
        yield "output_tokens", attempt.tokens.output


def _watch_track(told: Chronicle, clock: _Clock) -> Iterator[TraceEvent]:
    """Yield checks, alarms and decisions as instants."""
    for what, found in (("check", told.checks), ("alarm set", told.alarms)):
        for at, kind in found:
            yield TraceEvent(name=what, ph="i", s="t", ts=clock(at), cat=what.split(maxsplit=1)[0], args={"by": kind})
    for each in told.decisions:
        fields = {"why": each.why, "then": ", ".join(each.then), "line": each.seq}
        if each.worker is not None:
            fields["worker"] = each.worker
        if each.held:
            fields["held"] = True
        yield TraceEvent(name=each.row, ph="i", s="t", ts=clock(each.at), cat="decision", args=fields)


def _counters(told: Chronicle, clock: _Clock) -> Iterator[TraceEvent]:
    """Yield the units done, the workers at work, and what their clients report as used."""
    for name, points in (
        ("units done", [(at, {"units": done}) for at, done, _ in told.curve]),
        ("workers at work", [(at, {"workers": live}) for at, _, live in told.curve]),
        ("tokens", [(at, {"input": used.input or 0, "output": used.output or 0}) for at, used in told.spent]),
        ("dollars", [(at, {"dollars": used.cost}) for at, used in told.spent if used.cost is not None]),
    ):
        yield from (TraceEvent(name=name, ph="C", ts=clock(at), args=args) for at, args in _value_changes(points))


def _value_changes(points: Sequence[tuple[datetime, dict[str, Any]]]) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield the points whose values differ from those before."""
    last: dict[str, Any] | None = None
    for at, args in points:
        if args != last:
            yield at, args
        last = args
