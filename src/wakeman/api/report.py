"""A whole deployment in one answer, from its log alone: what was asked, what came of it, and whether to trust it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from hashlib import sha256
from os.path import basename, dirname, join, normpath, realpath
from typing import Annotated

from msgspec import UNSET, Meta
from msgspec.structs import replace

from wakeman.api.answer import Answer, Value
from wakeman.api.audit import Audited, Signatures, Tapes, audit
from wakeman.api.chronicle import (
    LISTED_MAX,
    AttemptMade,
    Chronicle,
    ConflictSeen,
    CurvePoint,
    DecisionTaken,
    EvidenceKept,
    Moment,
    NoticeSent,
    QuestionAsked,
    RequestMade,
    VerdictGiven,
    WorkerCourse,
    chronicle,
    curve,
    moments,
)
from wakeman.api.needs import NeedStatus, Time
from wakeman.api.replay import Recording
from wakeman.api.screen import harmless
from wakeman.api.status import Status, Tokens, following, shape, time
from wakeman.core.errors import StorageError, WakemanError
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, Plan, UnitState
from wakeman.core.plan.validation import SOURCES
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import failures, undone
from wakeman.core.policy.limits import elapsed, over_budget, used
from wakeman.core.redact import redacted
from wakeman.engine.attempt import secrets
from wakeman.ports import World

NAMES_TOLD_MAX = 3
"""Names that a sentence has; the others are counted."""
OUTPUTS_LISTED_MAX = 2000
"""Units whose outputs are listed; of more, the undone and the sampled ones come first."""
MISSING_TOLD_MAX = 200
"""Missing units that are told with all attempts on them."""
SCREENS_SHOWN_MAX = 40
"""Screens of which the text is shown."""
SCREEN_CHARS_MAX = 8000
"""Characters of one screen that are shown, the last ones."""
SCREEN_BYTES_MAX = 2**20
"""Bytes of a file with a screen at most."""
SLOWER_TIMES_MIN = 1.5
"""How many times as long as before a worker takes to be called slower."""
SLOWER_S_MIN = 10.0
"""Seconds longer than before, at least, to be called slower."""


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


class OutputMade(Value, frozen=True, kw_only=True):
    """One unit and its outputs."""

    unit: Annotated[str, Meta(description="Its name.")]
    worker: Annotated[str, Meta(description="Worker whose share it is in.")]
    writer: Annotated[str | None, Meta(description="Who wrote it last; null if that is not known.")]
    inferred: Annotated[bool, Meta(description="The writer is inferred, and was not reported by a hook.")]
    paths: Annotated[tuple[str, ...], Meta(description="Paths of its outputs.")]
    size: Annotated[int | None, Meta(description="Bytes of all of them; null if none was there.")]
    changed: Annotated[Time | None, Meta(description="When the last of them was written.")]
    done: Annotated[bool, Meta(description="It passes, or was waived.")]
    waived: Annotated[bool, Meta(description="A person counts it as done.")]
    problems: Annotated[str, Meta(description='What is wrong; "" for nothing: data.')]
    reviewed: Annotated[bool, Meta(description="A reviewer accepted it as it is.")]
    sampled: Annotated[bool, Meta(description="It was drawn for a person to inspect.")]


class ReportFigures(Value, frozen=True, kw_only=True):
    """The numbers of a deployment."""

    workers: Annotated[int, Meta(description="Workers, including cleanup workers and reviewers.")]
    cleanup: Annotated[int, Meta(description="Of these, cleanup workers.")]
    reviewers: Annotated[int, Meta(description="Of these, reviewers.")]
    seconds: Annotated[float | None, Meta(description="From its start to its end, or to the last line.")]
    files: Annotated[int, Meta(description="Files that were judged, of units that are done.")]
    size: Annotated[int, Meta(description="Their bytes.")]
    attempts: Annotated[int, Meta(description="Attempts of all workers.")]
    repeated: Annotated[int, Meta(description="Of these, further attempts of the same worker.")]
    decisions: Annotated[int, Meta(description="Decisions.")]
    rows: Annotated[Mapping[str, int], Meta(description="How often each row was taken.")]
    checks: Annotated[int, Meta(description="Checks that looked.")]
    alarms: Annotated[int, Meta(description="Alarms that were set.")]
    tokens: Annotated[Tokens | None, Meta(description="Tokens; null if no client reports them.")]
    cost: Annotated[float | None, Meta(description="US dollars; null if no client reports them.")]


class SlowerWorker(Value, frozen=True, kw_only=True):
    """A worker that took longer than in the run before."""

    worker: Annotated[str, Meta(description="Its name.")]
    seconds: Annotated[float, Meta(description="From its first launch to its end.")]
    before: Annotated[float, Meta(description="The same in the run before.")]


class RunCompared(Value, frozen=True, kw_only=True):
    """The run before of the same plan's name, and what differs."""

    deployment: Annotated[str, Meta(description="Name of that run.")]
    outcome: Annotated[str, Meta(description="How it was closed.")]
    same: Annotated[bool, Meta(description="Its plan was the same, key by key.")]
    done: Annotated[int, Meta(description="Units that were done.")]
    total: Annotated[int, Meta(description="Its units.")]
    seconds: Annotated[float | None, Meta(description="From its start to its end.")]
    tokens: Annotated[Tokens | None, Meta(description="Its tokens; null if not reported.")]
    cost: Annotated[float | None, Meta(description="Its US dollars; null if not reported.")]
    failing: Annotated[tuple[str, ...], Meta(description="Units that were done then, and are not now.")]
    passing: Annotated[tuple[str, ...], Meta(description="Units that were not done then, and are now.")]
    still: Annotated[tuple[str, ...], Meta(description="Units that were done neither then nor now.")]
    added: Annotated[int, Meta(description="Units that it did not have.")]
    gone: Annotated[int, Meta(description="Units that only it had.")]
    slower: Annotated[tuple[SlowerWorker, ...], Meta(description="Workers that took much longer, the worst first.")]


class PlanFact(Value, frozen=True, kw_only=True):
    """One thing that the plan says."""

    what: Annotated[str, Meta(description="What it is about.")]
    says: Annotated[str, Meta(description="What the plan says.")]


class Reported(Value, frozen=True, kw_only=True):
    """Everything that a report shows of one deployment."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    lead: Annotated[tuple[str, ...], Meta(description="What came of it, in one to three sentences.")]
    goal: Annotated[str, Meta(description='The plan\'s goal; "" for none.')]
    plan: Annotated[tuple[PlanFact, ...], Meta(description="The plan in short.")]
    checked: Annotated[tuple[str, ...], Meta(description="What was checked of each unit.")]
    status: Annotated[Status, Meta(description="The state after the last line, with all workers.")]
    last: Annotated[Time, Meta(description="When the last line was written.")]
    figures: Annotated[ReportFigures, Meta(description="The numbers.")]
    missing: Annotated[tuple[MissingUnit, ...], Meta(description="Units that are not done, the first 200.")]
    given_up: Annotated[str, Meta(description='Why it was closed with units undone; "" if it was not.')]
    needs: Annotated[tuple[NeedStatus, ...], Meta(description="Why a person is needed.")]
    before: Annotated[RunCompared | None, Meta(description="The run before; null if there is none here.")]
    courses: Annotated[tuple[WorkerCourse, ...], Meta(description="What each worker went through.")]
    curve: Annotated[tuple[CurvePoint, ...], Meta(description="Units done and workers at once over time.")]
    checks: Annotated[tuple[Moment, ...], Meta(description="When checks looked.")]
    alarms: Annotated[tuple[Moment, ...], Meta(description="When alarms were set.")]
    decisions: Annotated[tuple[DecisionTaken, ...], Meta(description="Decisions; of very many, the telling ones.")]
    questions: Annotated[tuple[QuestionAsked, ...], Meta(description="Troubles of workers, and what came of them.")]
    requests: Annotated[tuple[RequestMade, ...], Meta(description="What people asked for.")]
    notices: Annotated[tuple[NoticeSent, ...], Meta(description="Notices to the orchestrator.")]
    conflicts: Annotated[tuple[ConflictSeen, ...], Meta(description="Files that were written out of place.")]
    outputs: Annotated[tuple[OutputMade, ...], Meta(description="Units and outputs, undone ones first.")]
    screens: Annotated[tuple[EvidenceKept, ...], Meta(description="Screens that were kept.")]
    audit: Annotated[Audited | None, Meta(description="The log audited; null if that was not asked for.")]
    left_out: Annotated[Mapping[str, int], Meta(description="How many entries of a field are left out.")]


def report(
    world: World,
    reading: Callable[[str], Recording],
    tapes: Tapes,
    signatures: Signatures,
    file: str,
    again: str,
    *,
    audited: bool = True,
) -> Answer[Reported]:
    """Report on a log, given by its live file; `again` is its name in commands. Raises: LogDamagedError.

    Cost: one pass over the log, and one more to audit it.
    """
    told = chronicle(file, reading)
    checked = audit(world, tapes, signatures, file, again).data if audited else None
    data = reported(world, told, file, checked)
    return Answer(data, following(data.status))


def reported(world: World, told: Chronicle, file: str, checked: Audited | None) -> Reported:
    """Return the report of what was collected of a log, given by its live file; `checked` is its audit."""
    d = told.d
    at = d.at or world.clock.now()
    status = shape(d, at, d.looked_at, stands=d.alarm is not None)
    missing, outputs = undone(d), list(_outputs(d))
    decisions = told.telling_decisions()
    lists: dict[str, tuple[Sized, int]] = {
        "missing": (missing, MISSING_TOLD_MAX),
        "outputs": (outputs, OUTPUTS_LISTED_MAX),
        "questions": (told.questions, LISTED_MAX),
        "requests": (told.requests, LISTED_MAX),
        "notices": (told.notices, LISTED_MAX),
        "conflicts": (told.conflicts, LISTED_MAX),
        "screens": (told.screens, SCREENS_SHOWN_MAX),
    }
    left_out = {name: len(found) - most for name, (found, most) in lists.items() if len(found) > most}
    if hidden := len(told.decisions) - len(decisions):
        left_out["decisions"] = hidden
    needs = status.needs
    return Reported(
        deployment=d.name,
        lead=tuple(_lead(d, told, needs)),
        goal=d.plan.goal,
        plan=tuple(PlanFact(what=what, says=says) for what, says in _plan_facts(d.plan)),
        checked=tuple(_criteria(d.plan)),
        status=status,
        last=time(at) or "",
        figures=_figures(d, told, status),
        missing=tuple(_missing_unit(d, told, name) for name in missing[:MISSING_TOLD_MAX]),
        given_up=_given_up(d) if missing else "",
        needs=needs,
        before=_run_before(world, d, file),
        courses=tuple(told.courses[name] for name in d.workers),
        curve=curve(told.curve),
        checks=moments(told.checks),
        alarms=moments(told.alarms),
        decisions=tuple(decisions),
        questions=tuple(told.questions[-LISTED_MAX:]),
        requests=tuple(told.requests[-LISTED_MAX:]),
        notices=tuple(told.notices.values())[-LISTED_MAX:],
        conflicts=tuple(told.conflicts[-LISTED_MAX:]),
        outputs=tuple(outputs[:OUTPUTS_LISTED_MAX]),
        screens=tuple(shown_screens(world, d, file, told.screens[-SCREENS_SHOWN_MAX:])),
        audit=checked,
        left_out=left_out,
    )


# --- what is said of it -------------------------------------------------------------------------------------------


def names_told(names: Sequence[str]) -> str:
    """Return some names for a sentence, and how many more there are."""
    shown, more = names[:NAMES_TOLD_MAX], len(names) - NAMES_TOLD_MAX
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _lead(d: Deployment, told: Chronicle, needs: Sequence[NeedStatus]) -> Iterator[str]:
    """Yield how far it came, what went otherwise than planned, and whether anybody must act."""
    missing, total = undone(d), len(review.tasks(d))
    done = total - len(missing)
    waived = sum(unit.waived for unit in review.tasks(d).values())
    if not missing:
        by = f", {waived} of them because a person waived them" if waived else " and passed every check"
        took = _wall_seconds(d) if d.outcome != "open" else None
        yield f"All {count(total, 'unit')} are done{by}{f', in {lasting_text(took)}' if took is not None else ''}."
    elif d.outcome == "open":
        yield f"So far {done} of {count(total, 'unit')} are done."
    else:
        yield f"{done} of {count(total, 'unit')} are done; missing: {names_told(missing)}."
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


def _plan_facts(plan: Plan) -> Iterator[tuple[str, str]]:
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


def _criteria(plan: Plan) -> Iterator[str]:
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


def _given_up(d: Deployment) -> str:
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


# --- units --------------------------------------------------------------------------------------------------------


def _missing_unit(d: Deployment, told: Chronicle, name: str) -> MissingUnit:
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


def _outputs(d: Deployment) -> list[OutputMade]:
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
    return OutputMade(
        unit=name,
        worker=unit.worker,
        writer=wrote[-1].last or None if wrote else None,
        inferred=any(each.inferred for each in wrote),
        paths=unit.unit.outputs,
        size=sum(mark.size for mark in marks) if marks else None,
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


# --- numbers ------------------------------------------------------------------------------------------------------


def _figures(d: Deployment, told: Chronicle, status: Status) -> ReportFigures:
    workers = d.workers.values()
    marks = [mark for u in review.tasks(d).values() if u.done and u.verdict is not None for mark in u.verdict.marks]
    attempts = sum(worker.attempt for worker in workers)
    return ReportFigures(
        workers=len(workers),
        cleanup=sum(bool(worker.origin) for worker in workers),
        reviewers=sum(bool(worker.review) for worker in workers),
        seconds=_wall_seconds(d),
        files=len(marks),
        size=sum(mark.size for mark in marks),
        attempts=attempts,
        repeated=sum(max(0, worker.attempt - 1) for worker in workers),
        decisions=told.decided,
        rows=told.rows,
        checks=len(told.checks),
        alarms=len(told.alarms),
        tokens=status.tokens if status.tokens is not UNSET else None,
        cost=status.cost if status.cost is not UNSET else None,
    )


def _wall_seconds(d: Deployment) -> float | None:
    end = d.ended or d.at
    return round((end - d.started).total_seconds(), 3) if end is not None and d.started is not None else None


# --- the run before -----------------------------------------------------------------------------------------------


def _run_before(world: World, d: Deployment, file: str) -> RunCompared | None:
    """Return the nearest earlier run of the same name that can be read, compared; None for a copy of a log."""
    if realpath(dirname(dirname(file))) != realpath(world.state):
        return None
    base, number = _run_of(basename(dirname(file)))
    runs = {_run_of(name): name for name in world.logs.names()}
    earlier = sorted((run for run in runs if run[0] == base and run[1] < number), reverse=True)
    for run in earlier:
        try:
            return _compared(d, world.logs.read(runs[run]))
        except WakemanError:
            continue
    return None


def _run_of(name: str) -> tuple[str, int]:
    """Return the plan's name and the number of a run."""
    base, _, run = name.partition(".")
    return base, int(run) if re.fullmatch(r"[0-9]{1,9}", run) else 1


def _compared(d: Deployment, old: Deployment) -> RunCompared:
    now, then = review.tasks(d), review.tasks(old)
    both = [name for name in now if name in then]
    usage = used(old)
    spoken = usage.input is not None or usage.output is not None
    return RunCompared(
        deployment=old.name,
        outcome=old.outcome,
        same=old.digest == d.digest,
        done=len(then) - len(undone(old)),
        total=len(then),
        seconds=_wall_seconds(old),
        tokens=Tokens(input=usage.input or 0, output=usage.output or 0) if spoken else None,
        cost=usage.cost,
        failing=tuple(name for name in both if then[name].done and not now[name].done),
        passing=tuple(name for name in both if now[name].done and not then[name].done),
        still=tuple(name for name in both if not now[name].done and not then[name].done),
        added=sum(name not in then for name in now),
        gone=sum(name not in now for name in then),
        slower=_slower(d, old),
    )


def _slower(d: Deployment, old: Deployment) -> tuple[SlowerWorker, ...]:
    now, then = _durations(d), _durations(old)
    found = [
        SlowerWorker(worker=name, seconds=took, before=then[name])
        for name, took in now.items()
        if name in then and took >= then[name] * SLOWER_TIMES_MIN and took - then[name] >= SLOWER_S_MIN
    ]
    return tuple(sorted(found, key=lambda each: each.before - each.seconds)[:LISTED_MAX])


def _durations(d: Deployment) -> dict[str, float]:
    return {
        name: (worker.since - worker.began).total_seconds()
        for name, worker in d.workers.items()
        if worker.ended and worker.began is not None and worker.since is not None
    }


# --- evidence -----------------------------------------------------------------------------------------------------


def shown_screens(world: World, d: Deployment, file: str, kept: Sequence[EvidenceKept]) -> Iterator[EvidenceKept]:
    """Yield the screens with their text, where the file beside the log is the one that the log names."""
    directory = dirname(file)
    own = realpath(d.host.directory) == realpath(directory)
    clean = secrets.redactor(world, d) if own and kept else redacted
    for each in kept:
        data, hidden = _screen_bytes(world, directory, each)
        text = harmless(clean(data.decode("utf-8", "replace")))[-SCREEN_CHARS_MAX:] if data is not None else None
        yield replace(each, text=text, hidden=hidden)


def _screen_bytes(world: World, directory: str, kept: EvidenceKept) -> tuple[bytes | None, str]:
    path = normpath(join(directory, kept.file))
    if not path.startswith(normpath(directory) + "/"):
        return None, "its file is outside the deployment's directory"
    try:
        data = world.files.read(path, SCREEN_BYTES_MAX, within=directory)
    except StorageError:
        return None, "its file is not here"
    if sha256(data).hexdigest() != kept.sha256:
        return None, "its file is not the one that the log names: the digest differs"
    return data, ""
