"""The check: lock, drive its protocol, unlock, deliver notices. Every verb that changes something ends here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.errors import LogDamagedError
from wakeman.core.log import events as e
from wakeman.core.log.chunks import CHUNK_BYTES, chunks
from wakeman.core.model import Deployment, OpenIntent
from wakeman.core.policy.attempts import missing
from wakeman.engine.effects.alarm import Rearm, Soon, ensure
from wakeman.engine.live import LOCK_WAIT_DEFAULT_S, clock_of, hold
from wakeman.engine.observe import calm
from wakeman.engine.observe.containment import Mishaps
from wakeman.engine.observe.judgement import ENDED, Findings, Waiting
from wakeman.engine.observe.observe import observe
from wakeman.engine.observe.spool import clear_spool, read_spool
from wakeman.engine.protocol import check as protocol
from wakeman.engine.protocol.check import ObservationRead, ReportsRead, Senses
from wakeman.engine.protocol.steps import Do, Unrecorded, Write, drive

if TYPE_CHECKING:
    from wakeman.engine.observe.recall import Recall
    from wakeman.ports import World, Writer

OBSERVATIONS_MAX = 50
"""Times that one call observes at most: again for a check asked for meanwhile, or for outputs that were examined."""
EXAMINATIONS_MAX = 3
"""Times that one call examines a unit's outputs at most: those that change meanwhile wait for the next."""
ROW_STEP_MAX_S = 10.0
"""Seconds between two launches at most for which one process makes a whole row of them."""
BURST_S = 1.0
"""Seconds that a process stays after a worker's end, or a row, for the ends of others: they come in bursts."""
STAND_BY_POLL_S = 0.02
"""Seconds after which a process that stands by looks whether a check is wanted."""
MISSED_MAX, MISSED_CHARS_MAX, DETAIL_CHARS_MAX = 20, 200, 500
"""Receivers that the outcome of a notice names, and characters of the reason why it did not reach one, or all of them,
at most."""
LOCK_WAIT_S: dict[str, float] = {"exit": 0.2, "hook": 0.2, "watch": 0.2}
"""Seconds that a check waits for the lock, by author. A check that was caused by an event does not queue behind
another, which observes again anyway; it only waits for a process that writes a line."""


class LaunchRow(Struct):
    """A row of launches that one process makes, each some seconds after the one before: `due` is the next one's time on
    the monotonic clock, 0 for none. In a `burst` it stays for a moment behind its last look, if it has `acted`. `pause`
    lets seconds pass; without it, each launch is left to a timer.
    """

    pause: Callable[[float], None] | None = None
    due: float = 0.0
    burst: bool = False
    acted: bool = False

    def soon(self, seconds: float, launches: bool) -> Do[None]:
        """Return what makes the next check come: this process itself, or a timer."""
        held = self.pause is not None and launches and seconds <= ROW_STEP_MAX_S
        return StayFor(self) if held else Soon(seconds, launches)

    def goes_on(self, world: World, d: Deployment) -> bool:
        """Stand by for the next launch, or until a check is wanted; return whether there is one to make.

        Boundary: not where another process stands by already. It may do so for ends alone, and go before the launch is
        due, so that gets a timer.
        """
        due = self.due
        at_work = (
            self.burst and self.acted and d.outcome == "open" and any(worker.live for worker in d.workers.values())
        )
        if self.pause is None or not (due or at_work):
            return False
        self.burst = True
        clock = clock_of(world, d)
        until = due or clock.mono() + BURST_S
        with world.logs.stand_by(d.name) as wanted:
            while wanted is not None and not wanted() and (left := until - clock.mono()) > 0:
                self.pause(min(left, STAND_BY_POLL_S))
        if wanted is None and due:
            _launch_by_timer(world, d, due)
        return wanted is not None and (bool(due) or wanted())


class StayFor(Unrecorded, frozen=True):
    """Stay for the next launch of a row. A process that dies of something is no loss: the alarm follows anyway."""

    row: LaunchRow

    def perform(self, world: World, d: Deployment) -> None:
        """Note when it is due."""
        self.row.due = d.last_launch + d.plan.workers.stagger


class RearmBehind(Struct, frozen=True):
    """Set the alarm anew behind a row of launches: until then the one that is pending is kept."""

    row: LaunchRow

    def perform(self, world: World, d: Deployment) -> e.Armed | None:
        """Return the fact to record, as `Rearm` does."""
        self.row.acted = True  # asked only behind a check that has done something
        return None if self.row.due else Rearm().perform(world, d)

    def recorded(self, d: Deployment, write: Write) -> e.Armed | None:
        """Read it, as `Rearm` does."""
        return Rearm().recorded(d, write)


def check(
    world: World, name: str, head: str = "", recall: Recall | None = None, pause: Callable[[float], None] | None = None
) -> Deployment:
    """Run one check, and another one if that was requested meanwhile.

    Shape: `head` is `seq:hash` from an alarm, a checkpoint that shows whether the log was cut; `recall` is what the
    same process knows of its check before; with `pause`, which lets seconds pass, one call makes a whole row of
    launches. Effects: all actions of the decision tables. A closed deployment only delivers overdue notices. Raises:
    BusyError when another check holds the lock: it will observe again.
    """
    findings, row = Findings(recall=recall), LaunchRow(pause, burst=world.by.startswith("exit"))
    examined: dict[str, int] = {}
    known: Sequence[str] | None = None  # who waits since the look before, if this one only follows from it
    wait = LOCK_WAIT_S.get(world.by.partition(":")[0], LOCK_WAIT_DEFAULT_S)
    for _ in range(OBSERVATIONS_MAX):
        waiting: list[Waiting] = []
        row.due = 0.0  # each look says anew whether a launch follows
        with hold(world, name, wait) as log:
            wait = LOCK_WAIT_DEFAULT_S
            _compare_checkpoint(log, head)
            before = log.deployment.seq
            if log.deployment.outcome == "open":
                waiting = once(world, log, findings, row)
            elif _is_owed(log.deployment):
                # This check may run before the notice is overdue: then an alarm must be pending for it.
                now = world.clock.now()
                drive(world, log, ensure(log.deployment, now, paused=True), now)
            _take_up_notices(world, log)
            d = log.deployment
        _deliver_notices(world, d, before)
        if d.outcome != "open" and d.alarm is not None:
            d = _finished(world, name)
        fresh = [unit for unit in waiting if examined.get(unit.key, 0) < EXAMINATIONS_MAX]
        if known is not None:
            fresh = [unit for unit in fresh if unit.key in known or not _more_will_come(d, unit, waiting)]
        if fresh:
            from wakeman.engine.observe.examination import examine

            begun = examine(world, d, fresh, findings)
            examined.update({key: examined.get(key, 0) + 1 for key in begun})
        known = None if log.seen else [unit.key for unit in fresh]
        if known == [] and not row.goes_on(world, d):
            break
    else:
        if row.due:
            _launch_by_timer(world, d, row.due)
    return d


def _launch_by_timer(world: World, d: Deployment, due: float) -> None:
    """Leave the next launch of a row to a timer; `due` is on the monotonic clock."""
    from wakeman.engine.alarm import soon

    soon(world, d, max(0.0, due - clock_of(world, d).mono()), "timer")


def _more_will_come(d: Deployment, unit: Waiting, waiting: Sequence[Waiting]) -> bool:
    """Return whether a unit's worker is at work on others of its share: all that it makes until its end, or until its
    share is whole, can wait for the check that follows then.
    """
    worker = d.workers[d.units[unit.unit.name].worker]
    seen = worker.observation
    if not worker.live or (seen is not None and seen.session in ENDED):
        return False
    return not set(missing(d, worker)) <= {one.unit.name for one in waiting}


def _is_owed(d: Deployment) -> bool:
    """Return whether a closed deployment still owes a notice. An open one needs none of that module."""
    from wakeman.core.policy.outbox import is_owed

    return is_owed(d)


def _finished(world: World, name: str) -> Deployment:
    """Remove the alarm of a closed deployment once all notices are delivered and its sessions are buried or let go.

    Boundary: until then each check tries again; after the alarm has fired, nothing is waited for.
    """
    from wakeman.engine.effects.close import bury, let_go
    from wakeman.engine.protocol.requests import put_away

    with hold(world, name) as log:
        d, now = log.deployment, world.clock.now()
        settle = let_go if d.outcome == "partial" else bury
        if d.alarm and not _is_owed(d) and (settle(world, d) or d.alarm.due <= now):
            drive(world, log, put_away(d), now)
        return d


class Spool(Struct):
    """Hook reports, read once; `files` are removed after they are in the log."""

    now: datetime
    files: tuple[str, ...] = ()

    def perform(self, world: World, d: Deployment) -> list[e.Draft]:
        """Return them as drafts."""
        mishaps = Mishaps()
        drafts, self.files = read_spool(world, d, self.now, mishaps)
        mishaps.keep(world, d)
        return drafts

    recorded = ReportsRead.recorded


class ClearSpool(Unrecorded, frozen=True):
    """Remove what was read from the spool."""

    spool: Spool

    def perform(self, world: World, d: Deployment) -> None:
        """Remove the files. Boundary: one that cannot be removed is read again, which is harmless."""
        clear_spool(world, self.spool.files)


class Observe(Struct):
    """One look; `waiting` are the units that cannot be judged before they are examined."""

    findings: Findings
    waiting: list[Waiting] = []

    def perform(self, world: World, d: Deployment) -> list[e.Draft]:
        """Return them as drafts."""
        mishaps = Mishaps()
        looked, self.waiting = observe(world, d, self.findings, mishaps)
        mishaps.keep(world, d)
        return _observation_drafts(looked)

    recorded = ObservationRead.recorded


def once(world: World, log: Writer, findings: Findings, row: LaunchRow) -> list[Waiting]:
    """Make one check under the lock; return the units that wait to be examined without it."""
    now = world.clock.now()
    spool, look = Spool(now), Observe(findings)
    senses = Senses(look, spool, ClearSpool(spool), row.soon, RearmBehind(row))
    drive(world, log, protocol.check(log.deployment, world.by, now, senses), now)
    if findings.calm:
        calm.remember(world, log.deployment, findings.calm)
    return look.waiting


def _observation_drafts(looked: e.Looked) -> list[e.Draft]:
    """Split an observation that does not fit a line into several lines of one write."""
    bare = msgspec.structs.replace(looked, observations=(), verdicts=(), staged=())
    parts = [msgspec.structs.replace(bare, observations=piece, more=True) for piece in chunks(looked.observations)]
    parts += [msgspec.structs.replace(bare, verdicts=piece, more=True) for piece in chunks(looked.verdicts)]
    parts += [msgspec.structs.replace(bare, staged=piece, more=True) for piece in chunks(looked.staged)]
    if len(parts) < 4 and sum(len(repr(part)) for part in parts) < CHUNK_BYTES:
        return [e.Draft(looked)]
    return [e.Draft(part) for part in (*parts, bare)]


def _compare_checkpoint(log: Writer, head: str) -> None:
    """Compare the log with an alarm's checkpoint: the log itself cannot show that lines were cut off or rewritten."""
    d, (seq, _, digest) = log.deployment, head.partition(":")
    hint = f"wakeman audit {d.name} verifies the log; the alarm remembers line {seq}"
    if not seq.isdigit():
        return
    if int(seq) > d.seq:
        raise LogDamagedError(f"{d.name}: the alarm saw line {seq}, the log ends at {d.seq}: lines were cut off", hint)
    if log.hash_of(int(seq)) not in ("", digest):
        raise LogDamagedError(f"{d.name}: line {seq} is not the one that the alarm saw: lines were written anew", hint)


# --- outside the lock -----------------------------------------------------------------------------------------


def _take_up_notices(world: World, log: Writer) -> None:
    """Record, under the lock, that this check delivers what is due again."""
    if log.deployment.wakes or log.deployment.outbox:
        from wakeman.engine.protocol.requests import told_again

        now = world.clock.now()
        drive(world, log, told_again(log.deployment, now), now)


def _deliver_notices(world: World, d: Deployment, before: int) -> None:
    """Deliver the notices of this check. A target that fails or hangs delays no other check: the lock is free.

    Shape: notices that were open `before` belong to another check, which is about to deliver them, unless it died: then
    they are overdue, and taken up again by the next. Effects: a timer for what is told again.
    """
    outcomes = [_told_all(world, d, wake) for seq, wake in d.wakes.items() if seq > before]
    if not outcomes:
        return
    from wakeman.core.policy.outbox import DELIVERY_GRACE_S, next_delivery
    from wakeman.engine.alarm import soon
    from wakeman.engine.protocol.requests import delivered

    with hold(world, d.name, DELIVERY_GRACE_S) as log:
        drive(world, log, delivered(log.deployment, outcomes), world.clock.now())
        due = next_delivery(log.deployment)
        if due is not None:
            soon(world, log.deployment, max(0.0, (due - world.clock.now()).total_seconds()), "timer")


def _told_all(world: World, d: Deployment, wake: OpenIntent) -> e.Effected:
    """Tell a notice to whom it is for; return the outcome."""
    from wakeman.core.policy.outbox import still_to_tell
    from wakeman.core.redact import redacted

    told, failed, doubt = list[str](), dict[str, str](), False
    for name, target in still_to_tell(d, wake).items():
        came = world.deliver(target, wake.text, d)
        if not came.why:
            told.append(name)
            if d.plan.wake.tell == "first":
                break
        else:
            failed[name], doubt = redacted(came.why), doubt or came.doubt
    ok = not failed or (bool(told) and d.plan.wake.tell == "first")
    return e.Effected(
        intent=wake.seq,
        ok=ok,
        detail="; ".join(failed.values())[:DETAIL_CHARS_MAX],
        missed={name: why[:MISSED_CHARS_MAX] for name, why in list(failed.items())[:MISSED_MAX]} or None,
        told=tuple(told),
        after=0.0 if ok else 1.0,
        doubt=doubt and not ok,
    )
