"""Where everything stands in the timeline: places in per cent of its width, so that it fits every page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

from wakeman.api.chronicle import DecisionTaken, Moment, StateSpan, WorkerCourse
from wakeman.api.report import Reported
from wakeman.api.status import WorkerStatus
from wakeman.faces.report.shown import TimeText, parsed

ROWS_WHOLE_MAX = 40
"""Workers up to which each has a row."""
ROWS_MAX = 60
"""Rows of workers at most; then the others are counted."""
_LEFT, _WIDTH = 1.2, 96.0  # per cent of the plot
COLUMNS_MAX = 240
"""Parts of the width in which bars of one state become one."""
_APART_MIN = 1.3  # per cent between two marks, below which they become one
_UNITS_APART_MIN = 0.35  # per cent between the ticks of two units
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_TICKS_MAX = 8
ICONS = {
    "launch": "launch",
    "sleep": "sleep",
    "clean up": "clean",
    "investigate": "eye",
    "stop": "stop",
    "halt": "stop",
    "withdraw": "stop",
    "fence": "stop",
    "wrap up": "done",
    "give up": "cross",
    "review": "eye",
}
_GRAVE = ("cross", "stop", "eye", "done", "clean", "act", "launch", "sleep")
"""Signs of decisions, the gravest first."""
_WORST = ("stuck", "running", "launched", "exited", "verified", "pending")


class Bar(NamedTuple):
    """A time in one state."""

    x: float
    width: float
    kind: str
    title: str


class Mark(NamedTuple):
    """A sign at a moment."""

    x: float
    icon: str
    title: str
    label: str = ""
    side: str = "start"  # the label begins right of the sign, or ends left of it


class Tick(NamedTuple):
    """A short line at a moment; its height is a part of the lane's, from 0 to 1."""

    x: float
    height: float
    kind: str


class TimelineRow(NamedTuple):
    """One worker in the timeline."""

    name: str
    note: str
    made: str
    state: str
    waits: tuple[float, float]  # from its enrolment to its first launch
    over: tuple[float, float]  # from its end to when its units were done
    bars: list[Bar]
    marks: list[Mark]
    units: list[float]  # where its units were written


class Axis:
    """The time of the whole deployment as a part of the width."""

    def __init__(self, began: datetime, ended: datetime) -> None:
        self.began = began
        self.seconds = max((ended - began).total_seconds(), 0.001)

    def place(self, at: str | datetime | None) -> float:
        """Return where a time stands, in per cent; the end where there is none."""
        if at is None:
            return _LEFT + _WIDTH
        when = parsed(at) if isinstance(at, str) else at
        part = (when - self.began).total_seconds() / self.seconds
        return round(_LEFT + _WIDTH * min(max(part, 0.0), 1.0), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Return round times with their places."""
        step = next(
            (each for each in _STEPS if self.seconds / each <= _TICKS_MAX), 86400 * (self.seconds // 691200 + 1)
        )
        day = self.began.replace(hour=0, minute=0, second=0, microsecond=0)
        first = int((self.began - day).total_seconds() // step) + 1
        found = []
        for n in range(_TICKS_MAX + 1):
            at = day + timedelta(seconds=(first + n) * step)
            if (at - self.began).total_seconds() <= self.seconds:
                text = f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}" if step < 86400 else f"{at:%d} {at:%b}"
                tenth = f".{at.microsecond // 100000}" if step < 1 else ""
                found.append((self.place(at), text + tenth))
        return found


class Timeline:
    """What the timeline of a report shows."""

    def __init__(self, data: Reported, clock: TimeText) -> None:
        self.clock = clock
        began = parsed(data.status.started) if data.status.started else datetime.now(UTC)
        self.axis = Axis(began, max(parsed(data.last), began))
        workers = {worker.name: worker for worker in data.status.workers}
        missing = {each.worker for each in data.missing}
        pairs = [(course, workers[course.worker]) for course in data.courses if course.worker in workers]
        shown, rest = chosen(pairs, missing)
        self.ticks = self.axis.ticks()
        self.wrote = _written_by(data)
        self.rows = [self._row(course, worker, worker.name in missing) for course, worker in shown]
        self.folded = len(rest)
        self.folded_why = _folded(rest)
        ends = (course.spans[-1].began for course, _ in rest if course.spans)
        self.density = self.lane([Moment(at=at, times=1, kind="") for at in sorted(ends)])
        self.decisions = self._decisions(data.decisions)
        self.checks = self.lane(data.checks)
        self.alarms = self.lane(data.alarms)
        self.notices = _merged_marks(
            [Mark(self.axis.place(n.at), "message", f"{clock(n.at)} {n.text}") for n in data.notices], ("message",)
        )
        self.done = self.step_line([(point.at, point.done) for point in data.curve], data.status.units.total, data)
        written = [(point.at, point.units) for point in data.written]
        self.written = self.step_line(written, data.status.units.total, data)[0] if written else ""
        self.peak = max((point.live for point in data.curve), default=0)
        self.live = self.step_line([(point.at, point.live) for point in data.curve], self.peak, data)

    def _row(self, course: WorkerCourse, worker: WorkerStatus, lacks: bool) -> TimelineRow:
        clock, spans = self.clock, course.spans
        there = {each.attempt: f" on {each.host}" for each in course.attempts if each.host}
        bars = self.bars([span for span in spans if span.state in ("launched", "running", "stuck")], there)
        place, marks, over = self.axis.place, [], (0.0, 0.0)
        for span, after in zip_longest(spans, spans[1:]):
            x = place(span.began)
            if span.state == "verified":
                marks.append(Mark(x, "done", f"{clock(span.began)} verified"))
            elif span.state == "exited" and (course.left or after is None or after.state != "verified"):
                icon = "cross" if lacks and after is None else "warn"
                marks.append(Mark(x, icon, f"{clock(span.began)} ended {span.why}", _end_label(course, after, lacks)))
                over = (x, place(span.ended)) if after and after.state == "verified" else over
        note = "cleanup" if course.origin else f"review {worker.review}" if worker.review else ""
        made = "" if worker.review else f"{worker.units.done}/{course.given}"
        state = "missing" if lacks else worker.state
        waits = (place(course.enrolled), place(spans[0].began) if spans else _LEFT + _WIDTH)
        return TimelineRow(
            worker.name,
            note,
            made,
            state,
            waits,
            over,
            bars,
            _merged_marks(marks, ("cross", "warn", "done")),
            self._unit_places(self.wrote.get(worker.name, ())),
        )

    def _unit_places(self, times: Sequence[str]) -> list[float]:
        """Return where units were written; of those that would run into one another, one."""
        places: list[float] = []
        for x in sorted(self.axis.place(at) for at in times):
            if not places or x - places[-1] >= _UNITS_APART_MIN:
                places.append(x)
        return places

    def bars(self, spans: Iterable[StateSpan], there: Mapping[int, str] = {}) -> list[Bar]:
        """Return the bars of some states. Narrow ones become one with the bar before, under the worse state.

        Shape: `there` says of attempts on which machine they ran.
        """
        made: list[Bar] = []
        least = 100 / COLUMNS_MAX
        for span in spans:
            x, end = self.axis.place(span.began), self.axis.place(span.ended)
            title = f"{span.state} {self.clock(span.began)} – {self.clock(span.ended)}, attempt {span.attempt}"
            title += there.get(span.attempt, "")
            before = made[-1] if made else None
            near = before is not None and x - (before.x + before.width) < least and end - x < least
            if before is not None and near and (before.width < least * 2 or before.kind == span.state):
                kind = min(before.kind, span.state, key=_WORST.index)
                made[-1] = Bar(before.x, round(end - before.x, 2), kind, before.title)
            else:
                made.append(Bar(x, round(max(end - x, 0.15), 2), span.state, title))
        return made

    def _decisions(self, taken: Sequence[DecisionTaken]) -> list[Mark]:
        marks = []
        for each in taken:
            icon = ICONS.get(each.row, "act")
            times = f" ×{each.times}" if each.times > 1 else ""
            whose = f" of {each.worker}" if each.worker else ""
            title = f"{self.clock(each.at)} {each.row}{times}{whose}: {each.why}"
            marks.append(Mark(self.axis.place(each.at), icon, title))
        return _merged_marks(marks, _GRAVE)

    def lane(self, found: Sequence[Moment]) -> list[Tick]:
        """Return a line for each moment; where several share a column, one, as high as they are many."""
        columns: dict[int, tuple[int, str]] = {}
        for moment in found:
            column = round(self.axis.place(moment.at) * COLUMNS_MAX / 100 * 2)
            times, kind = columns.get(column, (0, moment.kind))
            columns[column] = (times + moment.times, kind)
        most = max((times for times, _ in columns.values()), default=1)
        return [
            Tick(round(column * 50 / COLUMNS_MAX, 2), max(times / most, 0.3), "woken" if kind in _WOKEN else "")
            for column, (times, kind) in sorted(columns.items())
        ]

    def step_line(self, points: Sequence[tuple[str, int]], most: int, data: Reported) -> tuple[str, str]:
        """Return a curve of steps, and the area below it, as paths in a box of 1000 by 100."""
        if not points or not most:
            return "", ""
        places = [(self.axis.place(at) * 10, 100 - 96 * value / most) for at, value in points]
        line = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
        for x, y in places[1:]:
            line += f"H{x:.1f}V{y:.1f}"
        end = self.axis.place(data.last) * 10
        line += f"H{end:.1f}"
        return line, f"{line}V100H{places[0][0]:.1f}Z"


def _written_by(data: Reported) -> dict[str, list[str]]:
    """Return by worker when its units that are done were written."""
    found: dict[str, list[str]] = {}
    for each in data.outputs:
        if each.done and each.changed is not None:
            found.setdefault(each.worker, []).append(each.changed)
    return found


def _end_label(course: WorkerCourse, after: StateSpan | None, lacks: bool) -> str:
    """Return what is said beside an end with units undone."""
    if after is not None and after.state != "verified":
        return ""
    if lacks:
        return "units missing"
    return f"{course.left} undone" if course.left else "ended undone" if after is None else ""


_WOKEN = ("exit", "hand", "hook", "watch")
"""What started a check that came before its alarm."""


def chosen(
    pairs: Sequence[tuple[WorkerCourse, WorkerStatus]], missing: set[str]
) -> tuple[list[tuple[WorkerCourse, WorkerStatus]], list[tuple[WorkerCourse, WorkerStatus]]]:
    """Return the workers that have a row, by start, and those that are counted: of many, only unusual ones have one."""
    ordered = sorted(pairs, key=lambda pair: pair[0].spans[0].began if pair[0].spans else "~")
    if len(ordered) <= ROWS_WHOLE_MAX:
        return ordered, []
    worst = sorted(ordered, key=lambda pair: _rank(pair[0], pair[1], missing))
    kept = {course.worker for course, status in worst[:ROWS_MAX] if _rank(course, status, missing) < _RANK_MAX}
    return (
        [pair for pair in ordered if pair[0].worker in kept],
        [pair for pair in ordered if pair[0].worker not in kept],
    )


_RANK_MAX = 6


def _rank(course: WorkerCourse, status: WorkerStatus, missing: set[str]) -> int:
    """Return how much a worker is to be seen: 0 the most."""
    signs = (
        status.name in missing,
        status.state == "stuck",
        status.state == "exited",
        any(span.state == "stuck" for span in course.spans),
        status.attempt > 1,
        bool(course.origin or status.review),
    )
    return next((n for n, sign in enumerate(signs) if sign), _RANK_MAX)


def _folded(rest: Sequence[tuple[WorkerCourse, WorkerStatus]]) -> str:
    states: dict[str, int] = {}
    for _, status in rest:
        states[status.state] = states.get(status.state, 0) + 1
    return ", ".join(f"{number} {state}" for state, number in sorted(states.items())) if states else ""


def _merged_marks(marks: Sequence[Mark], grave: Sequence[str]) -> list[Mark]:
    """Return marks of which none covers another: near ones become one, under the gravest sign, with their number."""
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda each: each.x):
        if groups and mark.x - groups[-1][0].x < _APART_MIN:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    made = []
    for group in groups:
        worst = min(group, key=lambda each: grave.index(each.icon))
        if len(group) == 1:
            made.append(worst)
            continue
        alike = sum(each.icon == worst.icon for each in group)
        label = worst.label or (f"×{alike}" if alike > 1 and worst.icon != "sleep" else "")
        more = f" – and {len(group) - 2} more" if len(group) > 2 else ""
        titles = "; ".join(dict.fromkeys(each.title for each in (worst, *group)[:2]))
        made.append(Mark(group[0].x, worst.icon, titles + more, label))
    return [_labelled(made, n) for n in range(len(made))]


def _labelled(marks: Sequence[Mark], n: int) -> Mark:
    """Return a mark with its label where there is room: right of it, else left, else without."""
    mark = marks[n]
    need = len(mark.label) * 0.8 + 2.5
    after = marks[n + 1].x if n + 1 < len(marks) else 100.0
    before = marks[n - 1].x if n else 0.0
    if not mark.label or after - mark.x >= need:
        return mark
    return mark._replace(side="end") if mark.x - before >= need else mark._replace(label="")
