"""What a person reads and types: each cause in one sentence, the words of others, and the commands that answer it.

The faces, `--json` and the report show these values; a notice says the same causes shorter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from shlex import quote

from msgspec.structs import replace

from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy import notice, outbox
from wakeman.core.policy.attempts import is_queued
from wakeman.core.policy.deployment_rows import resting, short, undone
from wakeman.core.policy.limits import holds_back, launches_barred, to_launch, tokens, used, window_words
from wakeman.core.policy.worker_needs import (
    QUOTED_CHARS_MAX,
    Need,
    Remedy,
    exhausted_need,
    folded,
    names,
    oldest,
    worker_need,
    worker_wait,
)
from wakeman.core.text import sanitise, time_span


def needs(d: Deployment, now: datetime, *, alarm_gone: bool = False) -> list[Need]:
    """List what needs a person: what keeps all from starting, workers, the longest wait first, held rows, receivers.

    Shape: workers with equal reasons and words are one need. `alarm_gone`: its alarm is no longer pending.
    """
    if d.outcome != "open":
        return list(_untold_needs(d, list(d.untold)))
    found = [each for each in notice.asking_troubles(d) if each.reason != "alarm"]
    own = [_deployment_need(d, each) for each in found if not each.worker]
    workers = [worker_need(d, d.workers[each.worker], each.reason, now) for each in found if each.worker]
    given_up = [w for w in d.workers.values() if notice.given_up(d, w)]
    workers += [worker_need(d, worker, worker.reason, now) for worker in given_up]
    spent = [exhausted_need(d, w, now) for w in d.workers.values() if notice.exhausted(d, w)]
    lost = [_lost_alarm(d, now)] if not d.paused_at and (alarm_gone or (d.alarm is None and d.generation)) else []
    held = [_held_need(d, now)] if d.held else []
    each = [*folded(sorted(workers, key=oldest), now), *folded(sorted(spent, key=oldest), now)]
    return [*lost, *own, *each, *held, *_untold_needs(d, notice.unreached(d))]


def waiting_for(d: Deployment, now: datetime) -> list[Need]:
    """List what waits and goes on by itself: an outage, who waits for room, then workers, the soonest first."""
    if d.outcome != "open":
        return []
    needed = {trouble.worker for trouble in notice.asking_troubles(d)}
    found = [*([_outage_wait(d)] if d.outage else []), *_window_wait(d), *_queue_waits(d, needed)]
    rests = resting(d)
    each = [worker_wait(d, w, now, rests.get(w.name)) for w in d.workers.values() if w.name not in needed]
    waiting = [one for one in each if one is not None] + list(_told_again_soon(d))
    return found + sorted(waiting, key=lambda one: one.until.timestamp() if one.until else 0.0)


def sentence(need: Need) -> str:
    """Return a need as one sentence."""
    return f"{need.about} {need.cause}{need.rest}"


# --- the deployment's own -----------------------------------------------------------------------------------------


def _deployment_need(d: Deployment, cause: notice.Cause) -> Need:
    """Return what the deployment itself needs, by the reason of a trouble."""
    name, words = quote(d.name), ""
    check = Remedy(f"wakeman check {name}", "look once more, now")
    unpause = Remedy(f"wakeman unpause {name}", "let launches be tried again, once it is put right")
    down = Remedy(f"wakeman down {name}", "end it and its workers")
    commands: tuple[Remedy, ...] = (unpause, _DOCTOR)
    about, does, rest = "nobody", "starts", ""
    match cause.reason:
        case "blind":
            about, does = "workers", f"cannot be looked at: {d.host.executor} does not answer"
            commands = check, _DOCTOR
        case "launches":
            rest, words = f": {d.failed_launches} launches in a row failed", notice.last_failure(d) or ""
        case "disk":
            rest, words = ": the disk is full", d.full
            full = Remedy(f"df -h {quote(d.host.directory)}", "see how full it is, and make room")
            commands = full, check
        case "barred":
            rest, words = f": {notice.bar_words(d)}", d.barred
        case "budget":
            rest, commands = f": {_spent(d)}", (_look_log(d, "planned", "see its limits; amend raises them"), down)
        case "memory":
            wanted = d.plan.limits.memory or d.host.memory_per_worker
            rest = f": {_bytes(d.memory)} of memory free, {_bytes(wanted)} wanted for each (limits.memory)"
            commands = check, Remedy(f"wakeman pause {name}", "start nobody until you say unpause")
        case "place":
            about, does = "output", "passes, and cannot be taken over"
            words = next(taking.target for seq, taking in d.promoting.items() if cause.key == f"ask:place:{seq}")
            commands = _look_log(d, "effected", "see why not"), check
        case _:
            [unit, *_] = late = notice.late_units(d)
            about, does, words = "review", f"cannot end: {count(len(late), 'unit')} changed behind the last one", unit
            judge = f"{quote(unit)} --deployment {name} --why"
            commands = (
                Remedy(f"wakeman waive {judge} 'inspected by hand'", "count it as done"),
                Remedy(f"wakeman reject {judge} 'changed after its review'", "have it done again"),
            )
    text = sanitise(words, QUOTED_CHARS_MAX)
    return Need(cause.reason, "ask", about, does, rest, text, not text.endswith("…"), commands=commands)


_DOCTOR = Remedy("wakeman doctor", "see what is missing")


def _look_log(d: Deployment, kind: str, does: str) -> Remedy:
    return Remedy(f"wakeman log {quote(d.name)} --type {kind}", does)


def _bytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _spent(d: Deployment) -> str:
    """Return what is used of the plan's bounds."""
    limits = d.plan.limits
    cost = [f"$ {used(d).cost or 0.0:.2f} of {limits.max_cost:g}"] if limits.max_cost is not None else []
    read = [f"{tokens(d)} of {limits.max_tokens} tokens"] if limits.max_tokens is not None else []
    return f"{' and '.join(cost + read)} used (limits)"


def _outage_wait(d: Deployment) -> Need:
    tries = f"tried {d.outage_tries} times" if d.outage_tries != 1 else "tried once"
    then = f"{d.probe} tries it again now" if d.probe else "one worker tries it again"
    words, until = sanitise(d.outage, QUOTED_CHARS_MAX), None if d.probe else d.outage_until
    return Need("outage", "wait", "service", "unavailable", f", {tries}; {then}", words, until=until)


def _window_wait(d: Deployment) -> list[Need]:
    """Return whom the launch window keeps from being launched."""
    waiting = to_launch(d)
    if not waiting or launches_barred(d) or not holds_back(d):
        return []
    found = tuple(waiting)
    does = "waits to be launched" if len(found) == 1 else "wait to be launched"
    return [Need("window", "wait", names(found), does, f": {window_words(d)}", workers=found)]


def _queue_waits(d: Deployment, needed: Collection[str]) -> list[Need]:
    """Return whose sessions wait in a queue of the executor, by what it says of them."""
    found: dict[str, list[WorkerState]] = {}
    for worker in d.workers.values():
        if is_queued(worker) and worker.name not in needed and worker.observation is not None:
            found.setdefault(worker.observation.why, []).append(worker)
    return [
        Need(
            "queued",
            "wait",
            names([worker.name for worker in workers]),
            "is queued" if len(workers) == 1 else "are queued",
            f": {d.host.executor} starts {'it' if len(workers) == 1 else 'them'}",
            sanitise(why, QUOTED_CHARS_MAX),
            workers=tuple(worker.name for worker in workers),
            since=min((worker.since for worker in workers if worker.since is not None), default=None),
        )
        for why, workers in found.items()
    ]


def _lost_alarm(d: Deployment, now: datetime) -> Need:
    """Return that nothing will start the next check."""
    resume = Remedy(f"wakeman resume {quote(d.name)}", "check now, and set an alarm")
    if d.alarm is None:
        return Need(
            "alarm", "failed", "alarm", "cannot be set", ": no check comes by itself", commands=(_DOCTOR, resume)
        )
    what = f"{d.alarm.kind} job {d.alarm.job}" if d.alarm.job else f"the {d.alarm.kind} process"
    late = (now - d.alarm.due).total_seconds()
    since = f", {time_span(late)} ago" if late >= 1 else ""
    rest = f": {what} is gone{since}"
    return Need("alarm", "failed", "alarm", "no alarm stands", rest, since=d.alarm.due, commands=(resume, _DOCTOR))


def _held_need(d: Deployment, now: datetime) -> Need:
    """Return which row is held, and what accepting it would do."""
    age = f", {time_span((now - d.held_at).total_seconds())}" if d.held_at else ""
    commands = (
        Remedy(f"wakeman accept {quote(d.name)}", "let it be taken"),
        _look_log(d, "decided", "see what was proposed, and why"),
    )
    rest = f"{age}: {_accepting_would(d)}"
    return Need("held", "held", d.held, "held", rest, since=d.held_at, commands=commands)


def _accepting_would(d: Deployment) -> str:
    """Return what accepting the held row would do."""
    left = undone(d)
    match d.held:
        case "clean up":
            found = short(d)
            units = sum(map(len, found.values()))
            who = "a cleanup worker" if len(found) == 1 else f"{len(found)} cleanup workers"
            return f"{who} would do {count(units, 'unit')} of {names(list(found))}"
        case "wrap up":
            tasks = "; task files would be moved" if d.plan.cleanup.move else ""
            return f"it would close as complete{tasks}"
        case _:
            alive = sum(worker.live for worker in d.workers.values())
            end = (
                f"{count(alive, 'live worker')} would be {'ended' if d.plan.limits.give_up_do == 'stop' else 'left'}; "
            )
            return f"{end * bool(alive)}it would close as partial, with {count(len(left), 'unit')} undone"


def _told_again_soon(d: Deployment) -> Iterator[Need]:
    """Yield receivers that a notice did not reach once or twice: they are told again."""
    unreached = notice.unreached(d)
    for need in _untold_needs(d, [name for name in d.untold if name not in unreached]):
        yield replace(need, sign="wait", until=outbox.next_delivery(d), commands=())


def _untold_needs(d: Deployment, names: Sequence[str]) -> Iterator[Need]:
    """Yield receivers that the last notice did not reach, and when they are told again."""
    targets = outbox.receivers(d.plan)
    for name in names:
        untold = d.untold[name]
        door = targets[name].door if name in targets else ""
        why = sanitise(untold.why, QUOTED_CHARS_MAX)
        look = _look_log(d, "effected", "see what was tried")
        clear = (Remedy(door, "clear its prompt; the notice is typed again"),) if door else ()
        times = f" {untold.times} times" if untold.times > 1 else ""
        ours, theirs = (f": {why.partition(': ')[2] or why}", "") if door else ("", why)
        due = min((entry.again for entry in outbox.waiting_entries(d) if name not in entry.told), default=None)
        again = f"; tried again at {due.astimezone(UTC):%H:%M:%S} UTC" if due is not None else ""
        at, commands, rest = untold.since, (*clear, look), f"{times}{ours}{again}"
        yield Need("untold", "failed", name or "notice", "not told", rest, theirs, since=at, commands=commands)
