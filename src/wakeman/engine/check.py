"""The check: lock, see to the alarm, look, move, decide, act, set the alarm again. Every doing verb ends here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from wakeman.core.actions import placings, recorded, taken, trespasses
from wakeman.core.errors import LogDamagedError
from wakeman.core.log import events as e
from wakeman.core.log.chunks import CHUNK_BYTES, chunks
from wakeman.core.model import Deployment, Wake, WorkerState
from wakeman.core.policy import notice
from wakeman.core.policy.decide import (
    END_TRIES_MAX,
    ROWS_PER_CHECK_MAX,
    Decision,
    decide,
    soonest,
    staggered,
    transitions,
    unrested,
)
from wakeman.core.policy.quality import Check
from wakeman.core.redact import redacted
from wakeman.engine import alarm, layout
from wakeman.engine.observe.observe import CheckResult, Unchecked, observe, outputs
from wakeman.engine.observe.spool import ingest
from wakeman.ports import World, Writer

LOOKS_MAX = 50
"""Times that one call looks at most: again for a check asked for meanwhile, or for verify commands that ran."""
VERIFY_RUNS_MAX = 3
"""Times that one call runs a unit's verify command at most: outputs that change meanwhile wait for the next."""
ENDING_LOOK_S = 2.0
"""Seconds until what is being ended is looked at."""
FAILED_LAUNCH_S = 5.0
"""Seconds until a launch that failed is tried again."""
TIMER_MIN_S = 0.1
"""Seconds between two checks by the timer at least: what is due a moment later would be asked for again and again."""
DELIVERY_GRACE_S = 30.0
"""Seconds, beside the targets' own limits, that another check has to deliver what it owes."""
LOCK_WAIT_S: dict[str, float] = {"exit": 0.2, "hook": 0.2, "watch": 0.2}
"""Seconds that a check waits for the lock, by who calls. Those who call because something happened do not queue behind
a check: it looks again. But who only writes a line may be waited for."""
LOCK_WAIT_DEFAULT_S = 5.0
"""Seconds that all others wait."""


def check(world: World, name: str, head: str = "") -> Deployment:
    """Run one check, and another while somebody asked for one meanwhile.

    Shape: `head` is `seq:hash` as an alarm carried it, a witness that the log has not been cut.
    Effects: everything that the decision tables say. A deployment that is closed only delivers what it owes.
    Raises: BusyError when another check holds the lock: it has been asked to look again.
    """
    checked: dict[str, CheckResult] = {}
    ran: dict[str, int] = {}
    wait = LOCK_WAIT_S.get(world.by.partition(":")[0], LOCK_WAIT_DEFAULT_S)
    for _ in range(LOOKS_MAX):
        pending: list[Unchecked] = []
        with world.logs.hold(name, world.by, wait) as log:
            wait = LOCK_WAIT_DEFAULT_S
            _witness(log, head)
            before = log.deployment.seq
            if log.deployment.outcome == "open":
                pending = once(world, log, checked)
            elif log.deployment.wakes:
                # This check may have come before the notice is late: what fires then must lie ahead.
                alarm.ensure(world, log, world.clock.now(), paused=True)
            d = log.deployment
        _tell(world, d, before)
        if d.outcome != "open" and d.alarm is not None:
            d = _finished(world, name)
        fresh = [p for p in pending if ran.get(p.key, 0) < VERIFY_RUNS_MAX]
        ran.update({p.key: ran.get(p.key, 0) + 1 for p in fresh})
        checked.update({p.key: _checked(world, d, p) for p in fresh})
        if not fresh and not log.seen:
            break
    return d


def _finished(world: World, name: str) -> Deployment:
    """Take the alarm of a closed deployment away, once it owes nobody a notice, and its dead sessions are gone: it
    would be what sees to that. When it has fired nothing more is waited for."""
    from wakeman.engine.act.actions import bury

    with world.logs.hold(name, world.by) as log:
        d, now = log.deployment, world.clock.now()
        if d.alarm and not d.wakes and (d.outcome == "partial" or bury(world, d) or d.alarm.due <= now):
            alarm.disarm(world, log, now)
        return d


def once(world: World, log: Writer, checked: dict[str, CheckResult]) -> list[Unchecked]:
    """Look once under the lock and do what follows; give the units that wait for a verify command."""
    now = world.clock.now()
    alarm.ensure(world, log, now)
    if any(worker.intent for worker in log.deployment.workers.values()):
        from wakeman.engine.act.launch import recover

        recover(world, log, now)
    if log.deployment.placing:
        from wakeman.engine.act.promotion import settle

        settle(world, log, now)
    ingest(world, log, now)
    looked, pending = observe(world, log.deployment, checked)
    log.append(_lines(looked), now, durable=False)  # what follows from it is written durably
    log.append(trespasses(log.deployment), now)
    placed = _place(world, log, now)
    moved = _settle(world, log, now) or placed
    acted = _workers(world, log, now)
    rows = _deployment(world, log, now)
    if log.deployment.outcome == "open":
        _soon(world, log.deployment, rows[-1:])
        if moved or acted or rows != ["sleep"] or (log.deployment.paused_at and log.deployment.alarm):
            # Where nothing was done the alarm's head is a look old, and stays a witness of all that matters.
            alarm.rearm(world, log, world.clock.now())  # a check may have taken long: from now on, not from its look
    return pending


def _lines(looked: e.Looked) -> list[e.Draft]:
    """Write a look that does not fit a line as several in one write, the last of which completes it."""
    bare = msgspec.structs.replace(looked, observations=(), verdicts=(), aside=())
    parts = [msgspec.structs.replace(bare, observations=piece, more=True) for piece in chunks(looked.observations)]
    parts += [msgspec.structs.replace(bare, verdicts=piece, more=True) for piece in chunks(looked.verdicts)]
    parts += [msgspec.structs.replace(bare, aside=piece, more=True) for piece in chunks(looked.aside)]
    if len(parts) < 4 and sum(len(repr(part)) for part in parts) < CHUNK_BYTES:
        return [e.Draft(looked)]
    return [e.Draft(part) for part in (*parts, bare)]


def _witness(log: Writer, head: str) -> None:
    """Hold the log against what an alarm saw of it: lines cut off, or chained anew, are not in the log itself."""
    d, (seq, _, digest) = log.deployment, head.partition(":")
    hint = f"wakeman audit {d.name} tells what stands; the alarm of line {seq} is its witness"
    if not seq.isdigit():
        return
    if int(seq) > d.seq:
        raise LogDamagedError(f"{d.name}: the alarm saw line {seq}, the log ends at {d.seq}: lines were cut off", hint)
    if log.hash_of(int(seq)) not in ("", digest):
        raise LogDamagedError(f"{d.name}: line {seq} is not the one that the alarm saw: lines were written anew", hint)


def _place(world: World, log: Writer, now: datetime) -> bool:
    """Take over what was made aside and is ripe; tell whether anything was. What follows from it is this check's."""
    drafts = placings(log.deployment)
    if drafts:
        from wakeman.engine.act.promotion import promote

        promote(world, log, drafts, now)
    return bool(drafts)


def _settle(world: World, log: Writer, now: datetime) -> bool:
    moved = False
    while drafts := transitions(log.deployment):
        moved = True
        log.append(drafts, now)
        for draft in drafts:
            if draft.to == "verified":
                from wakeman.engine.act.actions import put_away

                put_away(world, log, log.deployment.workers[draft.worker or ""], now)
    return moved


def _workers(world: World, log: Writer, now: datetime) -> bool:
    decisions = taken(log.deployment)
    log.append([recorded(log.deployment, decision) for decision in decisions], now)
    for decision in decisions:
        _act(world, log, decision, now)
    return bool(decisions)


def _deployment(world: World, log: Writer, now: datetime) -> list[str]:
    """Take the deployment's rows, one after the other, until one asks for no more; give those taken."""
    last: Decision | None = None
    rows: list[str] = []
    for _ in range(ROWS_PER_CHECK_MAX):
        d = log.deployment
        decision = decide(d)
        if decision == last:
            break  # what follows from it is for the next look
        last = decision
        rows.append(decision.row)
        log.append([recorded(d, decision), *notice.telling(d, decision, world.by, now)], now)
        if decision.held:
            continue
        _act(world, log, decision, now)
        if decision.row == "sleep" or log.deployment.outcome != "open":
            break
    return rows


def _act(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    """Do what a decision says. What acting needs is not loaded by a check that has nothing to do."""
    if decision.then:
        from wakeman.engine.act.actions import act

        act(world, log, decision, now)


def _soon(world: World, d: Deployment, last: Sequence[str]) -> None:
    """Have the next step of a staggered launch, or a look at what is being ended, soon."""
    if last == ["sleep"] and staggered(d):
        alarm.soon(world, d, d.plan.workers.stagger, "timer")
    elif any(_pressing(worker) for worker in d.workers.values()) or unrested(d):
        alarm.soon(world, d, ENDING_LOOK_S, "timer")
    elif (wait := soonest(d)) is not None:
        alarm.soon(world, d, max(wait, TIMER_MIN_S) if wait else FAILED_LAUNCH_S, "timer")


def _pressing(worker: WorkerState) -> bool:
    """Tell whether a second look is wanted: it is being ended, seems finished, was typed to, or its screen alone said
    something."""
    ending = 0 < worker.ends <= END_TRIES_MAX and (worker.live or worker.processes > 0)
    seen = worker.observation
    unsure = seen is not None and seen.attempt == worker.attempt and bool(seen.shown) and seen.activity == "unknown"
    return ending or (worker.live and (worker.finished == 1 or unsure or worker.prompt is not None))


# --- outside the lock -----------------------------------------------------------------------------------------


def _tell(world: World, d: Deployment, before: int) -> None:
    """Deliver the notices that this check owes. A target that fails or hangs holds up nobody: the lock is free.

    Shape: what was owed `before` is another check's, which is about to deliver it, unless it died: then it is late.
    """
    if not d.wakes:
        return
    patience = DELIVERY_GRACE_S + sum(target.timeout for target in d.plan.wake.to)
    now = world.clock.now()
    # Whichever way the clock was set: a notice from the future is nobody's who still delivers it.
    late = {seq for seq, wake in d.wakes.items() if abs((now - wake.at).total_seconds()) > patience}
    outcomes: list[tuple[int, str]] = []
    for seq, wake in list(d.wakes.items()):
        if seq <= before and seq not in late:
            continue
        failed = [said for target in d.plan.wake.to if (said := world.deliver(target, wake.text, d))]
        outcomes.append((seq, redacted("; ".join(failed))))
    if not outcomes:
        return
    with world.logs.hold(d.name, world.by, wait=DELIVERY_GRACE_S) as log:
        log.append(_delivered(log.deployment.wakes, outcomes), world.clock.now())


def _delivered(owed: dict[int, Wake], outcomes: Sequence[tuple[int, str]]) -> list[e.Draft]:
    return [e.Draft(e.Effected(intent=seq, ok=not said, detail=said[:500])) for seq, said in outcomes if seq in owed]


def _checked(world: World, d: Deployment, pending: Unchecked) -> CheckResult:
    from wakeman.core.plan.shares import verify_names
    from wakeman.core.plan.template import render
    from wakeman.engine.act import secrets

    unit, verify, worker = pending.unit, d.plan.verify, pending.worker
    names = verify_names(unit)
    if pending.aside:
        names["output"] = layout.told(d, worker, unit.outputs[0])
    argv = [render(word, names) for word in verify.command]
    home = layout.home(d, worker) if pending.aside else layout.absolute(d.host, ".")
    ran = world.machine.run(argv, cwd=home, env=d.host.env, timeout=verify.timeout)
    message = secrets.redactor(world, d)(ran.error or f"{ran.out}\n{ran.err}")
    marks = pending.marks
    if d.workers[d.units[unit.name].worker].ended:
        # Nobody writes them any more, unless the command itself does: then it speaks of what it left.
        place = layout.made if pending.aside else lambda d, _, path: layout.absolute(d.host, path)
        places = {path: place(d, worker, path) for path in unit.outputs}
        marks = outputs(unit, world.files.marks(places.values()), places)
    return CheckResult(marks=marks, check=Check(code=ran.code, message=message[-4000:]))
