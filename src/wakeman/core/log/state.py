"""Events into a deployment: the only place where state changes. No effect hangs on it, so a replay is harmless."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec

from wakeman.core.errors import TransitionError
from wakeman.core.log import events as e
from wakeman.core.log.lifecycle import NEXT, step
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Observation,
    Promotion,
    Prompt,
    Review,
    State,
    Trigger,
    UnitState,
    Usage,
    Verdict,
    Wake,
    WorkerState,
    Wrote,
    attempt_id,
)
from wakeman.core.policy import review

NUDGE_AFTER_RESET = timedelta(minutes=10)
"""Between two nudges of a worker whose usage limit should have reset."""

STATE_VERSION = 3
"""Counted up whenever the same log folds into something else: snapshots of another version are passed over."""


def transition(worker: WorkerState, fact: e.Fact, state: State | None = None) -> e.Draft:
    """Make the event that takes a worker through a trigger, from `state` (default: where it is).

    Raises: TransitionError when the machine has no such transition.
    """
    source = state or worker.state
    to = step(worker.name, source, cast("Trigger", e.kind(fact)))
    return e.Draft(fact, worker=worker.name, attempt=worker.attempt, source=source, to=to)


def validate(deployment: Deployment, drafts: Sequence[e.Draft]) -> None:
    """Refuse drafts that could not be folded, before any of them is on disk.

    Raises: TransitionError naming worker, state and trigger.
    """
    states: dict[str, State] = {}
    for draft in drafts:
        name = draft.worker
        if isinstance(draft.data, e.Enrolled) and name is not None:
            states.setdefault(name, _state(deployment, name) or "pending")
        if draft.to is None or name is None:
            continue
        state = states.get(name) or _state(deployment, name)
        if state is None:
            raise TransitionError(f"{name}: no such worker in {deployment.name}")
        trigger = e.kind(draft.data)
        if draft.source != state or NEXT.get((state, trigger)) != draft.to:
            raise TransitionError(f"{name}: '{trigger}' from {draft.source} to {draft.to} while {state}")
        states[name] = draft.to


def compose(deployment: Deployment, drafts: Sequence[e.Draft], at: datetime, by: str) -> tuple[bytes, list[e.Event]]:
    """Make the lines of one write, and fold them as a reader will.

    Shape: all lines but the last say that more follows, so that a write of which a part is missing counts as none.
    Raises: TransitionError, nothing being folded; whatever `fold` raises, a part being folded.
    """
    validate(deployment, drafts)
    lines, events = [], []
    last = len(drafts) - 1
    for n, draft in enumerate(drafts):
        line, _ = e.encode(draft, seq=deployment.seq + 1, at=at, by=by, previous=deployment.hash, more=n < last)
        event = e.decode(line[:-1])
        apply(deployment, event)
        lines.append(line)
        events.append(event)
    return b"".join(lines), events


def apply_drafts(deployment: Deployment, drafts: Sequence[e.Draft], at: datetime, by: str) -> list[e.Event]:
    """Fold drafts as if they stood in the log, which they do not: their hash is empty. Raises: TransitionError."""
    events = []
    for draft in drafts:
        event = e.Event(
            v=e.FORMAT_VERSION,
            seq=deployment.seq + 1,
            at=at,
            by=by,
            worker=draft.worker,
            attempt=draft.attempt,
            source=draft.source,
            to=draft.to,
            data=draft.data,
            hash="",
        )
        apply(deployment, event)
        events.append(event)
    return events


def apply(deployment: Deployment, event: e.Event) -> None:
    """Change the deployment by one event.

    Raises: TransitionError when the event moves a worker from a state that it is not in.
    Cost: constant, but for a look, which visits the workers alive.
    """
    # A million times in a replay: each line of a log is of another type, and what is read of it twice costs twice.
    data = event.data
    deployment.seq, deployment.at, deployment.hash = event.seq, event.at, event.hash
    if event.to is not None:
        _transit(deployment, event)
    apply = _FOLDS.get(type(data))
    if apply is not None:
        apply(deployment, event, data)


def apply_unchecked(deployment: Deployment, event: e.Event) -> None:
    """Fold an event whose move is illegal by its own word, so that an audit can go on behind it.

    Raises: LookupError when it speaks of what is not there.
    """
    worker = deployment.workers[event.worker or ""]
    worker.state = event.source or worker.state
    if (worker.state, e.kind(event.data)) in NEXT:
        apply(
            deployment, msgspec.structs.replace(event, to=NEXT[worker.state, e.kind(event.data)], source=worker.state)
        )


def _state(deployment: Deployment, name: str) -> State | None:
    worker = deployment.workers.get(name)
    return worker.state if worker is not None else None


def _worker(deployment: Deployment, event: e.Event) -> WorkerState:
    try:
        return deployment.workers[cast("str", event.worker)]
    except KeyError:
        raise TransitionError(f"line {event.seq}: no worker {event.worker!r} was enrolled") from None


def _transit(deployment: Deployment, event: e.Event) -> None:
    worker = _worker(deployment, event)
    trigger = e.kind(event.data)
    to = NEXT.get((worker.state, trigger))
    if to is None or to != event.to or worker.state != event.source:
        raise TransitionError(
            f"line {event.seq}: {worker.name}: '{trigger}' from {event.source} to {event.to} while {worker.state}"
        )
    worker.state = to
    worker.since = event.at


def _planned(d: Deployment, event: e.Event, data: e.Planned) -> None:
    d.name, d.plan, d.digest, d.host = data.name, data.plan, data.digest, data.host
    d.edition = data.edition
    d.started = event.at


def _enrolled(d: Deployment, event: e.Event, data: e.Enrolled) -> None:
    name = cast("str", event.worker)
    worker = d.workers.get(name)
    if worker is None:
        worker = d.workers[name] = WorkerState(
            name=name,
            session=data.session,
            key=data.key,
            origin=data.origin,
            note=data.note,
            review=data.review,
        )
    d.before.update((mark.path, mark) for mark in data.existing)
    for unit in data.units:
        d.units[unit.name] = UnitState(unit=unit, worker=name)
        worker.units.append(unit.name)
    for moved in data.moved:
        state = d.units[moved]
        d.workers[state.worker].units.remove(moved)
        state.worker = name
        _afresh(state)
        state.rounds += 1
        worker.units.append(moved)
    if data.review:
        _appointed(d, name, data)


def _appointed(d: Deployment, name: str, data: e.Enrolled) -> None:
    given = {unit: d.units[unit] for unit in data.reviews}
    for unit in given.values():
        unit.reviews += 1
    marks = {unit: state.verdict.marks for unit, state in given.items() if state.verdict is not None}
    d.reviews[name] = Review(round=data.review, units=data.reviews, marks=marks)


def _armed(d: Deployment, _: e.Event, data: e.Armed) -> None:
    d.alarm = data.alarm
    d.generation = data.alarm.generation


def _disarmed(d: Deployment, _: e.Event, __: e.Disarmed) -> None:
    d.alarm = None


def _looked(d: Deployment, event: e.Event, data: e.Looked) -> None:
    # The most frequent of all: what is done here a replay does a million times.
    for verdict in data.verdicts:
        d.gained += _judge(d, verdict)
    mono, boot = data.mono, data.boot
    for verdict in data.aside:
        _judge_aside(d.units[verdict.unit], verdict, mono)
    same = boot == d.boot
    for observation in data.observations:
        _see(d, observation, mono, same=same)
    if data.more:
        return
    if same and not d.resting and mono > d.mono and not (d.met and _limited(d, d.at)):
        d.counted += mono - d.mono
    d.resting = d.paused_at is not None
    if d.restless:
        _count(d)
    if d.gained:
        d.idle_looks = d.gained = 0
    elif event.by[:2] == "at":
        d.idle_looks += 1
    if not same:
        d.boot = boot
    d.mono, d.memory, d.looked, d.looked_at = mono, data.memory, d.seq, d.at
    if data.server:
        d.server = data.server
    if data.validators is not None:
        d.validators = data.validators


def _see(d: Deployment, seen: Observation, mono: float, *, same: bool) -> None:
    worker = d.workers[seen.worker]
    # The first look at an attempt begins its silence: a check may be slow between a launch and its end.
    fresh = worker.observation is None
    worker.observation = seen
    if seen.usage is not None:
        worker.usage = seen.usage
    if seen.agent_session:
        worker.agent_session = seen.agent_session
    if not same or fresh or seen.life != worker.life:
        worker.life, worker.life_mono = seen.life, mono
    elif seen.working:
        worker.life_mono = mono
    if seen.activity == "idle" or seen.session == "unknown":
        d.restless[worker.name] = None


def _count(d: Deployment) -> None:
    for name in list(d.restless):
        if not _counts(d, d.workers[name]):
            del d.restless[name]


def _limited(d: Deployment, at: datetime | None) -> bool:
    """Tell whether nobody can work for a usage limit: all alive are stuck in it, or nobody is and one waits for it."""
    live = [worker for worker in d.workers.values() if worker.live]
    waiting = any(w.ended_by == "limit" and w.until and at and w.until > at for w in d.workers.values())
    return bool(live or waiting) and all(worker.reason == "limited" for worker in live)


def _counts(d: Deployment, worker: WorkerState) -> bool:
    """Count a look that could not tell, or that found nothing left to do; tell whether the next one may have to.

    Boundary: of a worker that is none of these, a look counts nothing; `restless` names those that may be.
    """
    # A launch that is settled is so before the look: this one could not be.
    worker.unknowns += bool(worker.intent and not worker.asked)
    if not worker.live:
        return bool(worker.intent)
    seen = worker.observation
    unknown = seen is not None and seen.session == "unknown"
    worker.unknowns = worker.unknowns + 1 if unknown else 0
    quiet = seen is not None and (seen.activity == "idle" or worker.reason == "silent")
    idle = quiet and seen is not None and seen.session == "running"
    worker.finished = worker.finished + 1 if idle and all(d.units[u].made for u in worker.units) else 0
    return unknown or quiet or bool(worker.intent)


def _judge(d: Deployment, verdict: Verdict) -> bool:
    unit = d.units[verdict.unit]
    was = unit.done
    unit.verdict = verdict
    for file in verdict.marks:
        if d.before.get(file.path) != file:
            _write(unit, file, unit.worker, inferred=True)
    if unit.reopened and verdict.marks != unit.rejected:
        unit.reopened = ""
    return unit.done and not was


def _judge_aside(unit: UnitState, verdict: Verdict, mono: float) -> None:
    if unit.aside is None or unit.aside.marks != verdict.marks:
        unit.aside_mono = mono
    unit.aside = verdict


def _afresh(unit: UnitState) -> None:
    """Forget what was made aside: the next attempt has a place of its own, or is judged anew."""
    unit.aside, unit.aside_mono, unit.placed = None, 0.0, ()


def _write(unit: UnitState, file: FileFingerprint, worker: str, *, inferred: bool) -> None:
    """Note who wrote an output. What is known already is not told anew by one who only infers it."""
    known = unit.wrote.get(file.path)
    if known is None:
        unit.wrote[file.path] = Wrote(mark=file, first=worker, last=worker, inferred=inferred)
    elif known.mark != file:
        unit.wrote[file.path] = Wrote(mark=file, first=known.first, last=worker, inferred=inferred or known.inferred)
    elif known.inferred and not inferred:
        first = worker if known.first == known.last else known.first
        unit.wrote[file.path] = Wrote(mark=file, first=first, last=worker, inferred=False)


def _progressed(d: Deployment, event: e.Event, data: e.Progressed) -> None:
    worker = _worker(d, event)
    worker.written, worker.written_at = data.written, event.at
    for each in data.files:
        for file in each.marks:
            _write(d.units[each.unit], file, worker.name, inferred=data.inferred)


def _conflicted(d: Deployment, event: e.Event, data: e.Conflicted) -> None:
    d.trespassed[data.path] = data.written
    d.trespass = f"{data.path} ({data.unit or 'nobody'}'s) by {event.worker or 'nobody known'}"
    if data.mark is not None and data.unit in d.units:
        _write(d.units[data.unit], data.mark, event.worker or "", inferred=data.inferred)
    if event.worker is not None:
        _worker(d, event).trespasses += 1


def _decided(d: Deployment, event: e.Event, data: e.Decided) -> None:
    if event.worker is not None:
        worker = _worker(d, event)
        if data.row == "investigate":
            worker.rung += 1
        elif data.row == "continue":
            worker.until = event.at + NUDGE_AFTER_RESET
        elif data.row == "warn":
            worker.trespasses = 0
        worker.asked = worker.asked or "ask" in data.then
        if "restart" in data.then:
            worker.again = True
        return
    d.row, d.row_why = data.row, data.why
    d.accepted = ""
    if data.held:
        d.held = data.row
        d.holds += 1
        return
    d.held = data.under
    rows = d.rows
    rows[data.row] = rows.get(data.row, 0) + 1


def _intended(d: Deployment, event: e.Event, data: e.Intended) -> None:
    match data.action:
        case "launch":
            _launching(d, event, data)
        case "end":
            worker = _worker(d, event)
            worker.ending, worker.ends = data.ended_by, worker.ends + 1
        case "sweep":
            d.validators = tuple(each for each in d.validators if each.session != data.target)
            if event.worker is not None:
                worker = _worker(d, event)
                worker.swept = (*worker.swept, data.target)
        case "nudge" | "send" if data.confirm:
            _typing(_worker(d, event), event, data)
        case "enter":
            worker = _worker(d, event)
            if worker.prompt is not None:
                again = worker.prompt.enters + 1
                worker.prompt = msgspec.structs.replace(worker.prompt, enters=again, at=event.at)
        case "wake":
            d.wakes[event.seq] = Wake(text=data.text, causes=data.causes, at=event.at)
            d.woken.update(dict.fromkeys(data.causes, event.at))
        case "move":
            d.moving[event.seq] = (data.target, data.text)
        case "install" | "commit":
            d.placing[event.seq] = Promotion(
                worker=event.worker or "",
                attempt=event.attempt or 0,
                unit=data.target,
                files=data.files,
                keep=data.keep,
            )
        case _:
            pass


def _launching(d: Deployment, event: e.Event, data: e.Intended) -> None:
    worker = _worker(d, event)
    worker.intent, worker.attempt, worker.session = event.seq, event.attempt or 0, data.target
    worker.boot, worker.agent_session = d.boot, data.agent_session
    if not (data.resume and worker.usage.whole):
        worker.used += worker.usage
    worker.resumed, worker.usage = data.resume, Usage()
    worker.again, worker.ending = False, ""
    worker.spent += 1
    for name in worker.units:
        _afresh(d.units[name])
    d.last_launch = d.mono
    d.restless[worker.name] = None


def _typing(worker: WorkerState, event: e.Event, data: e.Intended) -> None:
    worker.swept = () if data.action == "nudge" else worker.swept
    worker.prompt = Prompt(seq=event.seq, at=event.at, text=data.text, before=data.before)
    if worker.observation is not None:  # what it says of a text is about the one before
        worker.observation = msgspec.structs.replace(worker.observation, prompt="")


def _effected(d: Deployment, event: e.Event, data: e.Effected) -> None:
    d.wakes.pop(data.intent, None)
    d.moved.update([d.moving.pop(data.intent)] if data.intent in d.moving else [])
    if data.intent in d.placing:
        _placed(d, d.placing.pop(data.intent), data)
        return
    if event.worker is None:
        return
    worker = _worker(d, event)
    if worker.prompt is not None and worker.prompt.seq == data.intent:
        worker.prompt = msgspec.structs.replace(worker.prompt, typed=True) if data.ok else None
    if worker.intent == data.intent and not data.ok:
        worker.why, worker.ended_by, worker.code = data.detail, data.ended_by or "launch", None
        _unlaunched(d, worker)


def _confirmed(d: Deployment, event: e.Event, data: e.Confirmed) -> None:
    worker = _worker(d, event)
    if worker.prompt is not None and worker.prompt.seq == data.intent:
        worker.prompt = None


def _placed(d: Deployment, taken: Promotion, data: e.Effected) -> None:
    """Take over what was judged: from now on it counts. What could not be taken over has that problem."""
    unit = d.units[taken.unit]
    files = tuple(placing.mark for placing in taken.files)
    if data.ok:
        d.gained += _judge(d, Verdict(unit=taken.unit, marks=data.marks))
        unit.placed = files
        if d.plan.workers.stage and not taken.keep:
            _afresh(unit)  # its stage is empty from now on
        unit.installed.update((mark.path, mark) for mark in data.marks)
    elif unit.aside is not None and unit.aside.marks == files:
        unit.aside = msgspec.structs.replace(unit.aside, problems=(data.detail,))


def _unlaunched(d: Deployment, worker: WorkerState) -> None:
    """Settle a launch that did not happen. The machine's and a person's doing costs no attempt and is no failure."""
    if worker.ended_by == "launch":
        d.failed_launches += 1
    else:
        worker.spent -= 1
    worker.intent, worker.unknowns, worker.stop, worker.over = 0, 0, False, d.mono


def _launched(d: Deployment, event: e.Event, data: e.Launched) -> None:
    worker = _worker(d, event)
    worker.intent, worker.session_id = 0, data.session_id
    worker.session_mark = attempt_id(d, worker)
    worker.observation, worker.unknowns, worker.life, worker.life_mono = None, 0, "", d.mono
    worker.code, worker.ended_by, worker.ending, worker.note = None, "", "", ""
    worker.ends, worker.finished, worker.prompt = 0, 0, None
    worker.swept = ()
    worker.began = worker.began or event.at
    _calm(worker)
    d.failed_launches = 0


def _calm(worker: WorkerState) -> None:
    worker.reason, worker.why, worker.rung, worker.asked, worker.until = "", "", 0, False, None


def _started(d: Deployment, event: e.Event, _: e.Started) -> None:
    _calm(_worker(d, event))


def _stalled(d: Deployment, event: e.Event, data: e.Stalled) -> None:
    worker = _worker(d, event)
    _calm(worker)
    worker.reason, worker.why, worker.until = data.reason, data.why, data.until
    worker.stalled_life = worker.life
    d.met = d.met or data.reason == "limited"
    if data.reason == "silent":
        d.restless[worker.name] = None


def _exited(d: Deployment, event: e.Event, data: e.Exited) -> None:
    worker = _worker(d, event)
    _calm(worker)
    worker.why, worker.code, worker.ended_by = data.why, data.code, data.ended_by
    worker.stop, worker.ending, worker.ends, worker.trespasses = False, "", 0, 0
    worker.until, worker.fault, worker.over = data.until, data.fault, d.mono
    d.met = d.met or data.ended_by == "limit"
    if data.fault == "auth":
        d.barred = data.why
    if worker.intent or data.ended_by == "launch":
        _unlaunched(d, worker)
    elif data.free:
        worker.spent -= 1


def _captured(d: Deployment, event: e.Event, _: e.Captured) -> None:
    _worker(d, event).captures += 1


def _requested(d: Deployment, event: e.Event, data: e.Requested) -> None:
    worker = d.workers.get(event.worker) if event.worker is not None else None
    match data.verb:
        case "stop" if worker is not None:
            worker.stop = True
        case "retry" if worker is not None:
            worker.again, worker.note = True, data.text
        case "waive":
            for name in data.units:
                d.units[name].waived = True
                if name in d.reviews:
                    _accepted(d, d.reviews[name])
        case "reject":
            for name in data.units:
                unit = d.units[name]
                _reopen(unit, data.text, d.plan.cleanup.rounds - 1)
                unit.reviews, unit.reviewed = 0, ()
        case "accept":
            d.accepted = d.held
        case "pause":
            d.paused_at = d.paused_at or event.at
        case "unpause":
            d.paused_at = None
            d.failed_launches, d.barred = 0, ""
        case "down":
            d.down = data.text or "asked for"
            d.paused_at = None  # the way down takes looks, and those an alarm
        case _:
            pass


def _reopen(unit: UnitState, why: str, rounds: int) -> None:
    """Open a unit again, with `rounds` of cleanup used up at most: who says so gets one for it, unless none is due."""
    unit.rounds = min(unit.rounds, rounds)
    unit.waived = False
    unit.reopened = why
    unit.rejected = unit.verdict.marks if unit.verdict is not None else ()


def _reviewed(d: Deployment, event: e.Event, data: e.Reviewed) -> None:
    """Take a verdict: what a reviewer rejects gets a cleanup, unless it had its last round; then it stays undone."""
    task = d.reviews[_worker(d, event).name]
    task.rejected = {each.unit: each.why for each in data.rejected}
    rounds = d.plan.cleanup.rounds
    _accepted(d, task)
    for name, why in task.rejected.items():
        unit = d.units[name]
        last = unit.reviews >= d.plan.verify.review.rounds
        unit.rounds = max(unit.rounds, rounds) if last else unit.rounds
        _reopen(unit, review.quoted(why), unit.rounds if last else rounds - 1)


def _accepted(d: Deployment, task: Review) -> None:
    """Note which files nobody has to review any more: those that are as they were given out, and not rejected."""
    task.heard = True
    for name, marks in task.marks.items():
        if name not in task.rejected and review.stands(d, task, name):
            d.units[name].reviewed = marks


def _amended(d: Deployment, _: e.Event, data: e.Amended) -> None:
    d.plan, d.digest = data.plan, data.digest
    for name in data.dropped:
        d.restless.pop(name, None)
        for unit in d.workers.pop(name).units:
            del d.units[unit]
            if (task := d.reviews.pop(unit, None)) is not None:
                for given in task.units:
                    d.units[given].reviews -= 1


def _sampled(d: Deployment, _: e.Event, data: e.Sampled) -> None:
    d.sampled = data.units


def _filled(d: Deployment, _: e.Event, data: e.Filled) -> None:
    d.full = data.why


def _freed(d: Deployment, _: e.Event, __: e.Freed) -> None:
    d.full = ""


def _closed(d: Deployment, event: e.Event, data: e.Closed) -> None:
    d.outcome, d.ended, d.why = data.outcome, event.at, data.why


_FOLDS: dict[type[e.Fact], Callable[[Deployment, e.Event, Any], None]] = {
    e.Planned: _planned,
    e.Enrolled: _enrolled,
    e.Armed: _armed,
    e.Disarmed: _disarmed,
    e.Looked: _looked,
    e.Progressed: _progressed,
    e.Conflicted: _conflicted,
    e.Decided: _decided,
    e.Intended: _intended,
    e.Effected: _effected,
    e.Confirmed: _confirmed,
    e.Launched: _launched,
    e.Relaunched: _launched,
    e.Started: _started,
    e.Stalled: _stalled,
    e.Recovered: _started,
    e.Exited: _exited,
    e.Captured: _captured,
    e.Requested: _requested,
    e.Amended: _amended,
    e.Sampled: _sampled,
    e.Reviewed: _reviewed,
    e.Filled: _filled,
    e.Freed: _freed,
    e.Closed: _closed,
}
"""What is not here (verified, repaired, sealed, noted, unknown) changes nothing but a worker's state."""
