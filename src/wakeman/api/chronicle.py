"""What a report tells of a log in order: workers, decisions, questions, evidence, collected in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from msgspec.structs import replace

from wakeman.api.answer import Value
from wakeman.api.needs import Time
from wakeman.api.replay import Night, Recording
from wakeman.api.status import Tokens
from wakeman.core.log.events import (
    Amended,
    Armed,
    Captured,
    Conflicted,
    Decided,
    Effected,
    Enrolled,
    Event,
    Exited,
    Fact,
    Intended,
    Launched,
    Looked,
    Requested,
    Reviewed,
    Stalled,
    Unsynced,
    stamp,
)
from wakeman.core.log.summary import SUMMARY_CHARS_MAX
from wakeman.core.model import Deployment, State, Usage
from wakeman.core.policy.review import tasks
from wakeman.core.text import as_data, sanitise

FACTS_LISTED_MAX = 12
"""Facts behind a decision that are listed; the others are counted."""
DECISIONS_WHOLE_MAX = 300
"""Decisions up to which all are listed."""
DECISIONS_EDGE_MAX = 50
"""Of more decisions, the first and the last ones that are listed whatever they are."""
DECISIONS_TELLING_MAX = 200
"""Of more decisions, those between that neither launch nor sleep and are listed."""
CURVE_POINTS_MAX = 600
"""Points of the curves at most."""
MOMENTS_MAX = 400
"""Moments of one kind that are listed one by one; more are counted by equal parts of the whole time."""
LISTED_MAX = 200
"""Questions, requests, notices and conflicts that are listed, each; the others are counted."""
VERDICTS_KEPT_MAX = 20
"""Verdicts on one undone unit that are kept, the newest."""
LIVE = ("launched", "running", "stuck")


class StateSpan(Value, frozen=True, kw_only=True):
    """A time that a worker was in one state."""

    state: Annotated[State, Meta(description="The state.")]
    attempt: Annotated[int, Meta(description="Number of the attempt.")]
    began: Annotated[Time, Meta(description="When it entered the state.")]
    ended: Annotated[Time | None, Meta(description="When it left it; null if it did not.")]
    why: Annotated[str, Meta(description="What brought it there: quoted where somebody else said it.")]


class AttemptMade(Value, frozen=True, kw_only=True):
    """One attempt of a worker."""

    attempt: Annotated[int, Meta(description="Its number, from 1.")]
    began: Annotated[Time | None, Meta(description="When its session existed; null if it never did.")]
    ended: Annotated[Time | None, Meta(description="When it was seen to be over; null if it was not.")]
    code: Annotated[int | None, Meta(description="Exit status; null if that is not known.")]
    ended_by: Annotated[str, Meta(description='Who or what ended it; "" if that is not known.')]
    why: Annotated[str, Meta(description="How it ended, in words of the system or the client: data.")]
    tokens: Annotated[Tokens | None, Meta(description="Its tokens; null if its client does not report them.")] = None
    cost: Annotated[float | None, Meta(description="Its US dollars; null if its client does not report them.")] = None
    host: Annotated[str, Meta(description='Machine that it ran on, if that is recorded; "" for this one.')] = ""
    engine: Annotated[str, Meta(description="Id of its session at the executor.")] = ""


class WorkerCourse(Value, frozen=True, kw_only=True):
    """What one worker went through."""

    worker: Annotated[str, Meta(description="Its name.")]
    origin: Annotated[str | None, Meta(description="Worker whose units it took over; null for none.")]
    enrolled: Annotated[Time, Meta(description="When it was added.")]
    given: Annotated[int, Meta(description="Units that were ever in its share.")]
    left: Annotated[int, Meta(description="Units of these that went to a cleanup worker.")]
    spans: Annotated[tuple[StateSpan, ...], Meta(description="Its states after `pending`, in order.")]
    attempts: Annotated[tuple[AttemptMade, ...], Meta(description="Its attempts, in order.")]


class DecisionTaken(Value, frozen=True, kw_only=True):
    """A row that was taken, or several equal waits in a row."""

    seq: Annotated[int, Meta(description="Line of the log.")]
    at: Annotated[Time, Meta(description="When it was taken.")]
    until: Annotated[Time, Meta(description="When the last of `times` was taken.")]
    times: Annotated[int, Meta(description="How many waits this stands for; 1 for any other row.")]
    worker: Annotated[str | None, Meta(description="Worker that it is about; null for the deployment.")]
    row: Annotated[str, Meta(description="Name of the row.")]
    held: Annotated[bool, Meta(description="It was proposed, and waited for `wakeman accept`.")]
    done: Annotated[int, Meta(description="Units done then.")]
    why: Annotated[str, Meta(description="Its reason; a worker's words are quoted.")]
    then: Annotated[tuple[str, ...], Meta(description="Actions that followed, in order.")]
    looked: Annotated[int, Meta(description="Line of the observation that it was taken on.")]
    facts: Annotated[tuple[str, ...], Meta(description="What that observation had new, the first 12.")]
    more: Annotated[int, Meta(description="Further facts of it.")]


class QuestionAsked(Value, frozen=True, kw_only=True):
    """A worker's trouble, and what came of it."""

    worker: Annotated[str, Meta(description="Name of the worker.")]
    attempt: Annotated[int, Meta(description="Its attempt.")]
    at: Annotated[Time, Meta(description="When it was seen.")]
    reason: Annotated[str, Meta(description="`waiting`, `limited`, `error` or `silent`.")]
    words: Annotated[str, Meta(description="What was seen, in words of the worker or its client: data.")]
    over: Annotated[Time | None, Meta(description="When it was over; null if it never was.")]
    done: Annotated[tuple[str, ...], Meta(description="What was done about it, in order; quoted text was typed.")]
    came: Annotated[str, Meta(description='How it was over: `recovered`, `exited` or `relaunched`; "" if it was not.')]


class RequestMade(Value, frozen=True, kw_only=True):
    """What a person, or a script in their name, asked for."""

    seq: Annotated[int, Meta(description="Line of the log.")]
    at: Annotated[Time, Meta(description="When it was asked.")]
    verb: Annotated[str, Meta(description="The verb.")]
    worker: Annotated[str | None, Meta(description="Worker that it is about; null for none.")]
    units: Annotated[tuple[str, ...], Meta(description="Units that it is about.")]
    text: Annotated[str, Meta(description="The reason that was given, or the text to send.")]


class NoticeSent(Value, frozen=True, kw_only=True):
    """A notice to the orchestrator."""

    seq: Annotated[int, Meta(description="Line of the log.")]
    at: Annotated[Time, Meta(description="When it was due.")]
    text: Annotated[str, Meta(description="The notice.")]
    ok: Annotated[bool | None, Meta(description="Whether it was delivered; null if that is not known.")]
    detail: Annotated[str, Meta(description="Why not, in words of the system: data.")]


class ConflictSeen(Value, frozen=True, kw_only=True):
    """A file that was written out of place."""

    seq: Annotated[int, Meta(description="Line of the log.")]
    at: Annotated[Time, Meta(description="When it was written.")]
    path: Annotated[str, Meta(description="The file.")]
    worker: Annotated[str | None, Meta(description="Who wrote it; null if that is not known.")]
    inferred: Annotated[bool, Meta(description="The writer is inferred, and was not reported by a hook.")]
    unit: Annotated[str | None, Meta(description="Unit that owns the path; null for none.")]
    owner: Annotated[str | None, Meta(description="Worker of that unit; null for none.")]


class PaintedText(Value, frozen=True, kw_only=True):
    """Text of one look, within one row of a screen."""

    text: Annotated[str, Meta(description="The text: data.")]
    style: Annotated[
        str,
        Meta(description='Words: `fN` and `bN`, colours 0 to 15 of text and ground, `bold` and its like; "" for none.'),
    ]


class EvidenceKept(Value, frozen=True, kw_only=True):
    """A screen that was kept."""

    seq: Annotated[int, Meta(description="Line of the log.")]
    at: Annotated[Time, Meta(description="When it was kept.")]
    worker: Annotated[str, Meta(description="Name of the worker.")]
    attempt: Annotated[int, Meta(description="Its attempt.")]
    file: Annotated[str, Meta(description="Its file, relative to the deployment's directory.")]
    sha256: Annotated[str, Meta(description="Digest of the file in the log.")]
    why: Annotated[str, Meta(description="The worker's trouble, in its or its client's words: data.")]
    text: Annotated[str | None, Meta(description="The last lines; null if they cannot be shown.")]
    hidden: Annotated[str, Meta(description='Why they cannot be shown; "" where they are.')]
    rows: Annotated[
        tuple[tuple[PaintedText, ...], ...] | None,
        Meta(description="The last lines with their colours; null where they have none, or very many."),
    ] = None


class Moment(Value, frozen=True, kw_only=True):
    """When something happened, or, of many such times, how often from then on."""

    at: Annotated[Time, Meta(description="The time.")]
    times: Annotated[int, Meta(description="How often.")]
    kind: Annotated[str, Meta(description="Of a check: what started it; of an alarm: why it was set.")]


class CurvePoint(Value, frozen=True, kw_only=True):
    """How far everything was at one time."""

    at: Annotated[Time, Meta(description="The time.")]
    done: Annotated[int, Meta(description="Units done.")]
    live: Annotated[int, Meta(description="Workers with an attempt under way.")]


class VerdictGiven(Value, frozen=True, kw_only=True):
    """A verdict on an undone unit."""

    seq: Annotated[int, Meta(description="Line of the log.")]
    at: Annotated[Time, Meta(description="When it was recorded.")]
    problems: Annotated[tuple[str, ...], Meta(description="What was wrong, in words of programs, too: data.")]


class Chronicle:
    """A deployment with the lines read so far applied, and what a report tells of them. `take` each applied event."""

    def __init__(self, d: Deployment) -> None:
        self.d = d
        self.courses: dict[str, WorkerCourse] = {}
        self.decisions: list[DecisionTaken] = []
        self.questions: list[QuestionAsked] = []
        self.requests: list[RequestMade] = []
        self.notices: dict[int, NoticeSent] = {}
        self.conflicts: list[ConflictSeen] = []
        self.screens: list[EvidenceKept] = []
        self.checks: list[tuple[datetime, str]] = []
        self.alarms: list[tuple[datetime, str]] = []
        self.curve: list[tuple[datetime, int, int]] = []
        self.spent: list[tuple[datetime, Usage]] = []
        self.verdicts: dict[str, list[VerdictGiven]] = {}
        self.owners: dict[str, list[str]] = {}  # by unit: the workers that had it, in order
        self.decided = 0
        self.rows: dict[str, int] = {}
        self._done: set[str] = set()
        self._live: set[str] = set()
        self._looked: list[Looked] = []
        self._open: dict[str, int] = {}  # by worker: its question that is not over
        self._used: dict[str, Usage] = {}  # by worker: what its attempts have used so far
        self._collect: dict[type[Fact], Callable[[Event, Any], None]] = {
            Armed: self._arm,
            Captured: self._capture,
            Conflicted: self._conflict,
            Decided: self._decide,
            Effected: self._settle_notice,
            Enrolled: self._enrol,
            Intended: self._intend,
            Looked: self._look,
            Requested: self._request,
        }

    def take(self, event: Event) -> None:
        """Collect what an event tells that was applied already."""
        collect = self._collect.get(type(event.data))
        if collect is not None:
            collect(event, event.data)
        if isinstance(event.data, _REOPENING) or (isinstance(event.data, Effected) and event.data.marks):
            self._done = {name for name, unit in tasks(self.d).items() if unit.done}
        if event.to is not None and event.worker is not None:
            self._move(event, event.worker, event.to)
        point = (event.at, len(self._done), len(self._live))
        if self.curve and self.curve[-1][0] == event.at:
            self.curve[-1] = point
        elif not self.curve or self.curve[-1][1:] != point[1:]:
            self.curve.append(point)

    # --- workers ---------------------------------------------------------------------------------------------------

    def _enrol(self, event: Event, data: Enrolled) -> None:
        name, units = event.worker or "", (*(each.name for each in data.units), *data.moved)
        for unit in data.moved:
            before = self.courses[self.owners[unit][-1]]
            self.courses[before.worker] = replace(before, left=before.left + 1)
        new = WorkerCourse(
            worker=name,
            origin=data.origin or None,
            enrolled=stamp(event.at),
            given=0,
            left=0,
            spans=(),
            attempts=(),
        )
        course = self.courses.get(name, new)
        self.courses[name] = replace(course, given=course.given + len(units))
        for unit in units:
            self.owners.setdefault(unit, []).append(name)

    def _move(self, event: Event, name: str, to: State) -> None:
        (self._live.add if to in LIVE else self._live.discard)(name)
        at, course = stamp(event.at), self.courses[name]
        before = course.spans[:-1] + tuple(replace(span, ended=at) for span in course.spans[-1:])
        attempt = event.attempt or 0
        why = sanitise(event.data.summary(), SUMMARY_CHARS_MAX)
        span = StateSpan(state=to, attempt=attempt, began=at, ended=None, why=why)
        attempts = course.attempts
        if to == "launched":
            begun = event.data.session_id if isinstance(event.data, Launched) else ""
            attempts += (replace(_not_begun(attempt), began=at, engine=begun),)
        elif isinstance(event.data, Exited):
            end = event.data
            *kept, last = attempts if attempts and attempts[-1].attempt == attempt else (*attempts, _not_begun(attempt))
            attempts = (*kept, replace(last, ended=at, code=end.code, ended_by=end.ended_by, why=end.why))
        self.courses[name] = replace(course, spans=(*before, span), attempts=attempts)
        self._follow_question(event, name, to)

    def _follow_question(self, event: Event, name: str, to: State) -> None:
        if isinstance(event.data, Stalled):
            self._open[name] = len(self.questions)
            asked = event.data
            question = QuestionAsked(
                worker=name,
                attempt=event.attempt or 0,
                at=stamp(event.at),
                reason=asked.reason,
                words=asked.why,
                over=None,
                done=(),
                came="",
            )
            self.questions.append(question)
        elif name in self._open:
            at = self._open.pop(name)
            came = {"running": "recovered", "launched": "relaunched"}.get(to, "exited")
            self.questions[at] = replace(self.questions[at], over=stamp(event.at), came=came)

    def _answer(self, name: str | None, what: str) -> None:
        at = self._open.get(name or "")
        if at is not None:
            self.questions[at] = replace(self.questions[at], done=(*self.questions[at].done, what))

    # --- checks and decisions --------------------------------------------------------------------------------------

    def _look(self, event: Event, data: Looked) -> None:
        if not self._looked or not self._looked[-1].more:
            self._looked = []
        self._looked.append(data)
        for verdict in data.verdicts:
            self._judge(event, verdict.unit, verdict.problems)
        for seen in data.observations:
            if seen.host:
                self._place(seen.worker, seen.attempt, seen.host)
        speaking = [seen.worker for seen in data.observations if seen.usage is not None]
        for name in speaking:
            self._spend(name)
        if speaking:
            self.spent.append((event.at, sum(self._used.values(), Usage())))
        if not data.more:
            self.checks.append((event.at, event.by.partition(":")[0]))

    def _place(self, name: str, attempt: int, host: str) -> None:
        """Record on which machine an attempt was seen."""
        course = self.courses[name]
        *before, last = course.attempts or (_not_begun(attempt),)
        if last.attempt == attempt and last.began is not None and last.host != host:
            self.courses[name] = replace(course, attempts=(*before, replace(last, host=host)))

    def _spend(self, name: str) -> None:
        """Record what a worker has used, and how much of it in its present attempt."""
        worker, course = self.d.workers[name], self.courses[name]
        self._used[name] = worker.used + worker.usage
        if not course.attempts:
            return
        *before, last = course.attempts
        mine = less(self._used[name], before)
        self.courses[name] = replace(course, attempts=(*before, replace(last, tokens=mine[0], cost=mine[1])))

    def _judge(self, event: Event, name: str, problems: tuple[str, ...]) -> None:
        if name in self.d.reviews:
            return
        if self.d.units[name].done:
            self._done.add(name)
            self.verdicts.pop(name, None)
            return
        self._done.discard(name)
        given = self.verdicts.setdefault(name, [])
        given.append(VerdictGiven(seq=event.seq, at=stamp(event.at), problems=problems))
        del given[:-VERDICTS_KEPT_MAX]

    def _decide(self, event: Event, data: Decided) -> None:
        self.decided += 1
        self.rows[data.row] = self.rows.get(data.row, 0) + 1
        if event.worker is not None and data.then:
            self._answer(event.worker, f"{data.row}: {', '.join(data.then)}")
        last = self.decisions[-1] if self.decisions else None
        if data.row == "sleep" and last is not None and last.worker is None and not data.held:
            if last.row == "sleep":
                self.decisions[-1] = replace(last, times=last.times + 1, until=stamp(event.at))
                return
            if last.looked == data.looked and "wait" not in last.then:
                self.decisions[-1] = replace(last, then=(*last.then, "wait"))
                return
        self.decisions.append(decision_taken(event, data, self._looked, len(self._done)))

    def telling_decisions(self) -> list[DecisionTaken]:
        """Return the decisions that a report lists: all, or of many the first, the last and the unusual ones."""
        taken = self.decisions
        if len(taken) <= DECISIONS_WHOLE_MAX:
            return taken
        edge = DECISIONS_EDGE_MAX
        between = [each for each in taken[edge:-edge] if each.row not in ("launch", "sleep")]
        return [*taken[:edge], *between[:DECISIONS_TELLING_MAX], *taken[-edge:]]

    # --- people, notices, evidence ---------------------------------------------------------------------------------

    def _arm(self, event: Event, data: Armed) -> None:
        self.alarms.append((event.at, data.why))

    def _intend(self, event: Event, data: Intended) -> None:
        if data.action == "wake":
            notice = NoticeSent(seq=event.seq, at=stamp(event.at), text=data.text, ok=None, detail="")
            self.notices[event.seq] = notice
        elif data.action in ("nudge", "send"):
            self._answer(event.worker, f"{data.action}: {as_data(data.text, SUMMARY_CHARS_MAX)}")

    def _settle_notice(self, _: Event, data: Effected) -> None:
        if data.intent in self.notices:
            self.notices[data.intent] = replace(self.notices[data.intent], ok=data.ok, detail=data.detail)

    def _request(self, event: Event, data: Requested) -> None:
        if data.verb == "check":
            return
        self._answer(event.worker, f"a person: {data.verb}")
        made = RequestMade(
            seq=event.seq, at=stamp(event.at), verb=data.verb, worker=event.worker, units=data.units, text=data.text
        )
        self.requests.append(made)

    def _conflict(self, event: Event, data: Conflicted) -> None:
        seen = ConflictSeen(
            seq=event.seq,
            at=stamp(data.written),
            path=data.path,
            worker=event.worker,
            inferred=data.inferred,
            unit=data.unit or None,
            owner=data.owner or None,
        )
        self.conflicts.append(seen)

    def _capture(self, event: Event, data: Captured) -> None:
        self.screens.append(evidence(event, data))


def decision_taken(event: Event, data: Decided, looked: Sequence[Looked], done: int) -> DecisionTaken:
    """Return a decision with the facts of the observation that it was taken on."""
    facts = list(_facts(looked))
    return DecisionTaken(
        seq=event.seq,
        at=stamp(event.at),
        until=stamp(event.at),
        times=1,
        worker=event.worker,
        row=data.row,
        held=data.held,
        done=done,
        why=as_data(data.why, SUMMARY_CHARS_MAX) if data.row == "investigate" else data.why,
        then=data.then,
        looked=data.looked,
        facts=tuple(facts[:FACTS_LISTED_MAX]),
        more=max(0, len(facts) - FACTS_LISTED_MAX),
    )


def evidence(event: Event, data: Captured) -> EvidenceKept:
    """Return a screen that was kept, without its text."""
    return EvidenceKept(
        seq=event.seq,
        at=stamp(event.at),
        worker=event.worker or "",
        attempt=event.attempt or 0,
        file=data.file,
        sha256=data.sha256,
        why=data.why,
        text=None,
        hidden="",
    )


def _not_begun(attempt: int) -> AttemptMade:
    return AttemptMade(attempt=attempt, began=None, ended=None, code=None, ended_by="", why="")


_REOPENING = (Requested, Reviewed, Amended, Unsynced)
"""Facts after which other units may be done than before, beside verdicts."""


def chronicle(file: str, reading: Callable[[str], Recording]) -> Chronicle:
    """Read a whole log, given by its live file. Cost: one pass. Raises: LogDamagedError."""
    night = Night(file, reading)
    told = Chronicle(night.d)
    for event in night.events():
        night.take(event)
        told.take(event)
    return told


def less(used: Usage, before: Sequence[AttemptMade]) -> tuple[Tokens | None, float | None]:
    """Return tokens and cost without those of attempts before; None for what is not reported."""
    tokens = None
    if used.input is not None or used.output is not None:
        read = sum(each.tokens.input for each in before if each.tokens is not None)
        written = sum(each.tokens.output for each in before if each.tokens is not None)
        tokens = Tokens(input=(used.input or 0) - read, output=(used.output or 0) - written)
    cost = None if used.cost is None else round(used.cost - sum(each.cost or 0.0 for each in before), 6)
    return tokens, cost


def _facts(parts: Sequence[Looked]) -> Iterator[str]:
    """Yield what an observation had new, each in one line; others' words are quoted."""
    for part in parts:
        for seen in part.observations:
            what = " ".join(filter(None, (seen.session, seen.activity.replace("unknown", ""))))
            said = f": {as_data(seen.why, SUMMARY_CHARS_MAX)}" if seen.why else ""
            ended = "" if seen.code is None else f", exit status {seen.code}"
            yield f"{seen.worker}: {what}{ended}{said}"
        for verdict in part.verdicts:
            wrong = as_data("; ".join(verdict.problems), SUMMARY_CHARS_MAX) if verdict.problems else "passes"
            yield f"{verdict.unit}: {wrong}"


def moments(found: Sequence[tuple[datetime, str]]) -> tuple[Moment, ...]:
    """Return when something happened: each time, or of many the number in each of equal parts of the whole time."""
    if len(found) <= MOMENTS_MAX:
        return tuple(Moment(at=stamp(at), times=1, kind=kind) for at, kind in found)
    first, last = found[0][0], found[-1][0]
    step = max((last - first) / MOMENTS_MAX, type(last - first)(microseconds=1))
    counts: dict[int, int] = {}
    for at, _ in found:
        part = min(max(int((at - first) / step), 0), MOMENTS_MAX - 1)
        counts[part] = counts.get(part, 0) + 1
    return tuple(Moment(at=stamp(first + part * step), times=times, kind="") for part, times in sorted(counts.items()))


def curve(found: Sequence[tuple[datetime, int, int]]) -> tuple[CurvePoint, ...]:
    """Return the points of the curves: all, or of many every so many, the last included."""
    step = -(-len(found) // CURVE_POINTS_MAX) or 1
    kept = [*found[::step], *(found[-1:] if (len(found) - 1) % step else ())]
    return tuple(CurvePoint(at=stamp(at), done=done, live=live) for at, done, live in kept)


def seconds_between(began: str | None, ended: str | None) -> float | None:
    """Return the seconds between two times of an answer; None where one is not known."""
    if began is None or ended is None:
        return None
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
