"""What a verb has done, as values: to whom, what is kept, what follows and when, how to undo it or look at it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from shlex import quote
from typing import Annotated

import msgspec
from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.needs import Time
from wakeman.api.status import Status, describe, following, time
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, Plan, WorkerState
from wakeman.core.plan.shares import differing
from wakeman.core.policy.attempts import missing
from wakeman.core.policy.deployment_rows import undone
from wakeman.core.text import as_data, sanitise, time_span
from wakeman.engine.answers import Given
from wakeman.engine.effects.enrol import cleanup_name
from wakeman.ports import World

DEED_UNITS_MAX = 12
"""Units at most that a deed names; it also has their number."""
DEED_CHARS_MAX = 200
"""Characters of a text at most that a deed repeats."""


class Followup(Value, frozen=True, kw_only=True):
    """Something that follows from a deed."""

    says: Annotated[str, Meta(description="What follows.")]
    at: Annotated[Time | None, Meta(description="When, at the earliest, RFC 3339 in UTC; null where nobody knows.")]
    units: Annotated[tuple[str, ...], Meta(description="Units that it is about, the first 12.")] = ()


class Change(Value, frozen=True, kw_only=True):
    """A key of the plan, or a unit, that is another now."""

    what: Annotated[str, Meta(description="The key; `+` or `-` for units that came or went.")]
    before: Annotated[str, Meta(description='Its value before; "" for what is new.')]
    after: Annotated[str, Meta(description='Its value now; "" for what is gone.')]
    applies: Annotated[str, Meta(description="For whom, or from when on.")]


class Deed(Value, frozen=True, kw_only=True):
    """What a verb has done to one deployment, worker or unit."""

    target: Annotated[str, Meta(description="The deployment, `DEPLOYMENT/WORKER`, or the unit.")]
    says: Annotated[str, Meta(description="What was done, and what is kept.")]
    details: Annotated[tuple[str, ...], Meta(description="More about it, a line each.")] = ()
    changes: Annotated[tuple[Change, ...], Meta(description="What has changed, with `amend`.")] = ()
    follows: Annotated[tuple[Followup, ...], Meta(description="What follows, and when.")] = ()
    undo: Annotated[str, Meta(description='The command that undoes it; "" for none.')] = ""
    look: Annotated[str, Meta(description='The command that shows it; "" for none.')] = ""


class Acted(Status, frozen=True, kw_only=True):
    """What a verb has done, and the state of the deployment after it."""

    deeds: Annotated[tuple[Deed, ...], Meta(description="What was done, one for each that it was done to.")]


def acted(world: World, d: Deployment, deeds: Iterable[Deed], notes: Sequence[str] = ()) -> Answer[Acted]:
    """Return the answer of a verb that has acted on a deployment."""
    status = describe(world, d, d.looked_at)
    data = Acted(**msgspec.structs.asdict(status), deeds=tuple(deeds))
    return Answer(data, following(data), notes=tuple(notes))


# --- workers --------------------------------------------------------------------------------------------------


def stopped(before: Deployment, d: Deployment, name: str, *, keep: bool) -> Deed:
    """Return that a person has ended a worker: which units are kept, and who gets the others."""
    was, now = before.workers[name], d.workers[name]
    left, total = missing(d, now), len(now.units)
    if was.state == "pending":
        says = f"took {name} out before its launch: {count(len(left), 'unit')} undone"
    else:
        lasted = f", {time_span((d.at - was.began).total_seconds(), fine=True)}" if d.at and was.began else ""
        verbs = ("let go of", "letting go of") if d.plan_of(now).workers.untouched else ("ended", "ending")
        verb = verbs[not now.ended]
        says = f"{verb} {name} (attempt {was.attempt}{lasted}): {total - len(left)} of {total} units done and kept"
    follows = () if not left or now.review else (_fate(d, now, left, keep=keep),)
    return Deed(
        target=f"{d.name}/{name}", says=says, follows=follows, undo=f"wakeman retry {d.name}/{name}" * bool(left)
    )


def _fate(d: Deployment, worker: WorkerState, left: Sequence[str], *, keep: bool) -> Followup:
    """Return what becomes of the undone units of a worker that a person has ended."""
    rounds = d.plan.cleanup.rounds
    takeable = [name for name in left if d.units[name].rounds < rounds]
    named = tuple(left[:DEED_UNITS_MAX])
    if keep:
        return Followup(
            says=f"{len(left)} undone stay with it: no cleanup worker gets them (--keep)", at=None, units=named
        )
    if not takeable:
        used = "cleanup.rounds = 0" if not rounds else f"{rounds} of {count(rounds, 'cleanup round')} are used"
        return Followup(says=f"{len(left)} undone stay undone: {used}", at=None, units=named)
    fresh = cleanup_name(worker.origin or worker.name, {name.lower() for name in d.workers})
    since = max(0.0, d.mono - worker.over) if worker.ended and worker.ended_by == "person" else 0.0
    wait = d.plan.cleanup.after - since if worker.attempt else 0.0
    at = time(d.looked_at + timedelta(seconds=max(0.0, wait))) if d.looked_at else None
    when = " once all workers have ended" if d.plan.cleanup.when == "all" else ""
    return Followup(says=f"{len(takeable)} undone go to {fresh}{when}", at=at, units=tuple(takeable[:DEED_UNITS_MAX]))


def retried(before: Deployment, d: Deployment, name: str, note: str) -> Deed:
    """Return that another attempt of a worker was asked for, and when it is launched."""
    was, now = before.workers[name], d.workers[name]
    target, left = f"{d.name}/{name}", missing(d, now)
    begun = now.attempt > was.attempt
    number = now.attempt if begun else now.attempt + 1
    of = f" of {d.plan.stuck.attempts}" if number <= d.plan.stuck.attempts else ""
    for_ = f"for {count(len(left), 'undone unit')}"
    details = [f"its prompt adds: {as_data(note, DEED_CHARS_MAX)}"] if note else []
    reason = f", {sanitise(was.why, DEED_CHARS_MAX)}" if was.why else ""
    ago = f", {time_span((d.at - was.since).total_seconds(), fine=True)} ago" if d.at and was.since else ""
    details.append(f"was: {was.state}{reason}{ago}")
    if begun:
        return Deed(
            target=target,
            says=f"started {name} attempt {number}{of} {for_}",
            details=tuple(details),
            look=f"wakeman capture {target}",
            undo=f"wakeman stop {target}",
        )
    return Deed(
        target=target,
        says=f"asked for {name} attempt {number}{of} {for_}",
        details=tuple(details),
        follows=(_launch(d, now),),
        look=f"wakeman status {d.name}",
        undo=f"wakeman stop {target}",
    )


def _launch(d: Deployment, worker: WorkerState) -> Followup:
    """Return what an attempt that was asked for still waits for."""
    if d.paused_at:
        return Followup(says=f"it is launched after: wakeman unpause {d.name}", at=None)
    if worker.live or worker.ends:
        return Followup(says="it is launched once the attempt before has ended, in a few seconds", at=None)
    if d.full:
        return Followup(says="it is launched once the disk has room again", at=None)
    return Followup(says="it is launched at the next check", at=_next_check(d))


def answered(d: Deployment, name: str, verb: str, given: Given) -> Deed:
    """Return that what a worker asked was answered, and what it asks next."""
    target, now = f"{d.name}/{name}", d.workers[name]
    said = as_data(given.says, DEED_CHARS_MAX)
    says = f"{verb} {name}: {'typed' if given.typed else 'chose'} {said}"
    following = now.observation.dialog if now.live and now.observation is not None else None
    more = (f"it asks next: {as_data(following.asks, DEED_CHARS_MAX)}",) if following is not None else ()
    return Deed(
        target=target,
        says=says,
        details=(f"it asked: {as_data(given.asks, DEED_CHARS_MAX)}",),
        follows=tuple(Followup(says=text, at=None) for text in more),
        look=f"wakeman capture {target}",
    )


# --- units ----------------------------------------------------------------------------------------------------


def judged(before: Deployment, d: Deployment, verb: str, unit: str, why: str) -> Deed:
    """Return that a person has counted a unit as done, or reopened it."""
    said = as_data(why, DEED_CHARS_MAX)
    name = sanitise(unit, DEED_CHARS_MAX)
    worker = d.units[unit].worker
    left = len(undone(d))
    if verb == "waive":
        already = " (it was done already)" if before.units[unit].done else ""
        open_ = f"{left} of {len(d.units)} units are undone" if left else "every unit is done: the deployment wraps up"
        return Deed(
            target=unit,
            says=f"waived {name}{already}: it counts as done, whatever is there; {said}",
            follows=(Followup(says=open_, at=None),),
            undo=f"wakeman reject {name} --why WHY --deployment {d.name}",
        )
    holder = d.workers[worker]
    if holder.live:
        then = Followup(
            says=f"{worker} is still at work on its share; a cleanup worker follows if it stays undone", at=None
        )
    elif d.plan.cleanup.rounds:
        then = Followup(says="a cleanup worker gets it, with the reason, at the next check", at=_next_check(d))
    else:
        then = Followup(says=f"cleanup.rounds = 0: nobody gets it; wakeman retry {d.name}/{worker} does", at=None)
    return Deed(
        target=unit,
        says=f"rejected {name} of {worker}: it is undone again; {said}",
        follows=(then,),
        undo=f"wakeman waive {name} --why WHY --deployment {d.name}",
    )


# --- deployments ----------------------------------------------------------------------------------------------


def accepted(before: Deployment, d: Deployment) -> Deed:
    """Return that a person has accepted the held row, and what was done by it."""
    fresh = [name for name in d.workers if name not in before.workers]
    units = sum(len(d.workers[name].units) for name in fresh)
    done = {
        "clean up": f": {_named_briefly(fresh)} for {count(units, 'unit')}" if fresh else "",
        "give up": f": it ends with {count(len(undone(d)), 'unit')} undone",
    }.get(before.held, "")
    closed = d.outcome != "open"
    return Deed(
        target=d.name,
        says=f"accepted {before.held} of {d.name}{done}" + (f"; it is {d.outcome}" if closed else ""),
        follows=() if closed else (Followup(says="next check", at=_next_check(d)),),
        look=f"wakeman status {d.name}",
    )


def paused(d: Deployment) -> Deed:
    """Return that alarms and launches have stopped, and who works on."""
    withdrawn = [worker.name for worker in d.workers.values() if worker.live and worker.ending == "queue"]
    alive = [worker.name for worker in d.workers.values() if worker.live and worker.ending != "queue"]
    pending = sum(1 for worker in d.workers.values() if worker.state == "pending")
    goes_on = f"still running: {_named_briefly(alive)}; wakeman stop WORKER ends one" if alive else "nobody runs"
    out = (f"taken out of the queue: {_named_briefly(withdrawn)}; launched again after the pause",) if withdrawn else ()
    waits = (Followup(says=f"{count(pending, 'pending worker')} wait", at=None),) if pending else ()
    return Deed(
        target=d.name,
        says=f"paused {d.name}: no alarm, and nobody is launched",
        details=(goes_on, *out),
        follows=waits,
        undo=f"wakeman unpause {d.name}",
    )


def unpaused(before: Deployment, d: Deployment) -> Deed:
    """Return that a deployment continues: after a pause, failed launches, or a refused key."""
    begun = [name for name, w in d.workers.items() if w.attempt > before.workers[name].attempt]
    lasted = (
        f" after {time_span((d.at - before.paused_at).total_seconds(), fine=True)}" if d.at and before.paused_at else ""
    )
    what = "continued" if before.paused_at else "launches are tried again in"
    started = (f"started {_named_briefly(begun)}",) if begun else ()
    return Deed(
        target=d.name,
        says=f"{what} {d.name}{lasted}",
        details=started,
        follows=(Followup(says="next check", at=_next_check(d)),) if d.outcome == "open" else (),
        undo=f"wakeman pause {d.name}",
    )


def lost(d: Deployment, host: str, workers: Sequence[str]) -> Deed:
    """Return which workers a lost host had, and that they are started again."""
    had = f"lost with it: {_named_briefly(workers)}; no attempt is counted" if workers else "it had no worker"
    follows = (Followup(says="next check", at=_next_check(d)),) if d.outcome == "open" else ()
    return Deed(target=d.name, says=f"{host} is taken for lost in {d.name}", details=(had,), follows=follows)


def adopted(d: Deployment) -> Deed:
    """Return that a deployment is live here now."""
    return Deed(
        target=d.name,
        says=f"adopted {d.name}: it is live here, as this user on this machine",
        follows=(Followup(says="next check", at=_next_check(d)),) if d.outcome == "open" else (),
        look=f"wakeman status {d.name}",
    )


def amended(before: Deployment, d: Deployment, file: str) -> Deed:
    """Return what an amended plan changes, key by key, and for whom."""
    alive = [w.name for w in before.workers.values() if w.live]
    keys = plan_changes(before.plan, d.plan)
    moved = _named_briefly([w.name for w in d.workers.values() if w.name not in before.workers])
    units = unit_changes(list(before.units), list(d.units), f"pending, {moved}", "no longer wanted")
    different = len(set(before.units) ^ set(d.units))
    changes = (*keys, *units)
    size = f"{count(len(keys), 'key')}, {count(different, 'unit')}" if changes else "the plan is as it was"
    one = len(alive) == 1
    told = f"{'keeps' if one else 'keep'} what {'it was' if one else 'they were'} told"
    kept = f"; {count(len(alive), 'running worker')} {told}" if alive and changes else ""
    return Deed(
        target=d.name,
        says=f"amended {d.name}: {size}{kept}",
        changes=changes,
        undo=f"wakeman amend {d.name} {quote(file)}, with the file as it was before" if changes else "",
    )


def plan_changes(before: Plan, after: Plan) -> list[Change]:
    """Return the keys in which two plans differ."""
    return [
        Change(what=key, before=_line_count(was), after=_line_count(now), applies=_applies(key))
        for key, was, now in differing(before, after)
    ]


def unit_changes(before: Sequence[str], after: Sequence[str], came: str, went: str) -> list[Change]:
    """Return which units are new and which are gone, and what becomes of them."""
    known, there = set(before), set(after)
    fresh, gone = [name for name in after if name not in known], [name for name in before if name not in there]
    new = [Change(what="+", before="", after=_named_briefly(fresh), applies=came)] if fresh else []
    return [*new, *([Change(what="-", before=_named_briefly(gone), after="", applies=went)] if gone else [])]


def _line_count(value: str) -> str:
    """Return a value, or of a long text how many lines it has."""
    lines = value.count("\\n")
    return count(lines + 1, "line") if lines and not value.startswith("...") else value


def _applies(key: str) -> str:
    """Return from when on, or for whom, another value of a key holds."""
    if key == "workers.at_once":
        return "from the next check; nobody is ended"
    launching = key.partition(".")[0] in ("workers", "agents", "goal", "units", "name")
    return "attempts launched from now on" if launching else "from the next check"


def downed(before: Deployment, d: Deployment) -> Deed:
    """Return that a deployment was ended, and what it leaves."""
    alive = {True: list[str](), False: list[str]()}
    for worker in before.workers.values():
        if worker.live:
            alive[before.plan_of(worker).workers.untouched].append(worker.name)
    left = undone(d)
    total = len(d.units) - len(d.reviews)
    ended = f", {_named_briefly(alive[False])} with it" if alive[False] else ""
    ended += f", and let go of {_named_briefly(alive[True])}" if alive[True] else ""
    closed = d.outcome != "open"
    verb = "ended" if closed else "ending"
    return Deed(
        target=d.name,
        says=f"{verb} {d.name}{ended}: {total - len(left)} of {total} units done and kept",
        follows=() if closed else (Followup(says="its workers are still ending", at=_next_check(d)),),
        undo=f"wakeman redo {d.name}" if left and closed else "",
        look=f"wakeman log {d.name}" if closed else f"wakeman wait {d.name}",
    )


def _named_briefly(names: Sequence[str]) -> str:
    shown = ", ".join(names[:DEED_UNITS_MAX])
    return shown if len(names) <= DEED_UNITS_MAX else f"{shown} and {len(names) - DEED_UNITS_MAX} more"


def _next_check(d: Deployment) -> Time | None:
    return time(d.alarm.due) if d.alarm is not None else None
