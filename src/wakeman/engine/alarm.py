"""The alarm as an invariant: while a deployment is open, one alarm is pending."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wakeman.core.digests import sha256
from wakeman.core.errors import NotLiveError, ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Alarm, Deployment, Host, WakeTarget
from wakeman.core.policy.limits import every, longest
from wakeman.engine import layout
from wakeman.engine.live import early_timer_of, timer_of

if TYPE_CHECKING:
    from wakeman.ports import Job, World

ALARM = "at"
"""Author, in the log, of a check that an alarm has started, with any timer."""
ALARM_AHEAD_MIN_S = 60.0
"""Minimum seconds until an alarm: `at` counts in minutes."""
JOB_AHEAD_MIN_S = 10.0
"""Minimum seconds until an alarm that is a job of a cluster: its controller takes some to start one."""
DISARM_PASSES_MAX = 3
"""Searches of the queue for jobs to remove, at most."""
ALARM_BEYOND_PACE_S = 180.0
"""Seconds beyond the longest interval after which an alarm is ignored: the clock was set back since it was set."""


def marker(d: Deployment) -> str:
    """Return the marker of the deployment's jobs; it differs for the same name in another state directory."""
    host = d.host
    return f"wakeman:{d.name}:{sha256(host.directory.encode()).hexdigest()[:12]}"


def fire_time(now: datetime, seconds: float) -> datetime:
    """Return the whole minute at or after `now + seconds`, at least a minute ahead."""
    wanted = now + timedelta(seconds=max(seconds, ALARM_AHEAD_MIN_S))
    return datetime.fromtimestamp(math.ceil(wanted.timestamp() / 60) * 60, UTC)


@contextmanager
def first_alarm(world: World, d: Deployment, now: datetime) -> Iterator[list[e.Draft]]:
    """Set an alarm for a deployment that is about to begin, and cancel it if it does not; yield the facts to record.

    Shape: `d` is a preview. So an alarm is pending from the first line of a log; one that fires earlier finds no
    deployment and ends. Boundary: if none can be set, the first check does.
    """
    armed = arm(world, replace(d, seq=0, hash=""), now, "first")
    try:
        yield [e.Draft(armed)] if armed is not None else []
    except BaseException:  # Ctrl-C too: otherwise the alarm would be left without a deployment
        with suppress(ProgramError):
            timer_of(world, d).disarm([armed.alarm.job] if armed is not None and armed.alarm.job else [])
        _wake(world, d, "")
        raise


def repeat_timer(world: World, d: Deployment) -> None:
    """Restart the timer for an interval below a minute after it has fired: a check that did nothing sets no new alarm.

    Shape: it has the same generation, so there is only one chain of timers, which ends when another alarm is set.
    """
    if d.host.anywhere:
        return  # such an alarm counts in seconds, and the next one follows it
    below = every(d) < ALARM_AHEAD_MIN_S
    if d.alarm is not None and d.alarm.job and below and world.by.partition(":")[0] == ALARM:
        _sleep(world, d, every(d), check_argv(d.host, ALARM, str(d.alarm.generation), f"{d.seq}:{d.hash}"))


def replaced(world: World, d: Deployment, old: Alarm | None) -> None:
    """Remove the previous job from the queue. A failure is harmless: its generation is outdated.

    Boundary: it stays if this process was suspended until the new alarm was due, as that may be gone.
    """
    new = d.alarm
    if old is not None and not old.job and new is not None and new.job and every(d) >= ALARM_AHEAD_MIN_S:
        _wake(world, d, "")
    if old is not None and old.job and new is not None and new is not old and new.due > world.clock.now():
        with suppress(ProgramError):
            timer_of(world, d).disarm(_others(world, d, new, old))


def _others(world: World, d: Deployment, new: Alarm, old: Alarm) -> list[str]:
    """Return the jobs in whose place an alarm was set.

    Shape: where a request without an answer may have been taken, each of this deployment's that is queued.
    """
    if not d.host.anywhere or not new.job:
        return [old.job]
    return [job.job for job in timer_of(world, d).find(marker(d)) if job.job != new.job]


def remove_all(world: World, d: Deployment) -> None:
    """Remove every alarm of the deployment from the queue, including those without a line in the log.

    Repeatable: yes, after a crash in between; a remaining job finds nothing to do and sets no other. Cost: the queue is
    listed until a listing has none: while jobs of others come and go, a listing may miss one.
    """
    from wakeman.ports import SOON

    recorded = {d.alarm.job} if d.alarm and d.alarm.job else set()
    world.files.write(layout.inside(d.host, layout.GENERATION), b"0\n")
    for _ in range(DISARM_PASSES_MAX):
        jobs = {job.job for job in _queued(world, d)} | recorded
        if not jobs:
            break
        recorded = set()
        with suppress(ProgramError):
            timer_of(world, d).disarm(sorted(jobs))
    _wake(world, d, "", SOON)
    if d.host.anywhere:
        _remove_other_jobs(world, d, SOON)


def _remove_other_jobs(world: World, d: Deployment, soon: str) -> None:
    """Remove the jobs that are to start a check and are no alarms."""
    timer = timer_of(world, d)
    with suppress(ProgramError):
        timer.disarm([job.job for job in timer.find(marker(d) + soon)])
    _wake_at_end(world, d, ())


def wake_at_end(world: World, d: Deployment) -> None:
    """Have a check run once a worker's session has ended, where no process is left there to start one. A failure is
    harmless: the alarm follows anyway.
    """
    _wake_at_end(world, d, check_argv(d.host, "exit"))


def _wake_at_end(world: World, d: Deployment, argv: Sequence[str]) -> None:
    from wakeman.ports import WakingExecutor

    executor = world.executor(d.host)
    if isinstance(executor, WakingExecutor):
        with suppress(ProgramError):
            executor.wake_at_end(argv)


def soon(world: World, d: Deployment, seconds: float, by: str) -> None:
    """Start a check after some seconds, unless one comes earlier. A failure is harmless: the alarm follows anyway."""
    from wakeman.ports import SOON

    due = world.clock.now() + timedelta(seconds=seconds)
    with suppress(ProgramError):
        timer = early_timer_of(world, d)
        waiting = timer.find(marker(d) + SOON)
        if not any(job.due <= due for job in waiting):
            timer.arm(marker(d) + SOON, check_argv(d.host, by), due)
            timer.disarm([job.job for job in waiting])


def _sleep(world: World, d: Deployment, seconds: float, argv: Sequence[str]) -> Alarm | None:
    """Set the stand-in's alarm in place of its last one; return it without a generation, None if there is none."""
    due = world.clock.now() + timedelta(seconds=seconds)
    with suppress(ProgramError):
        waiting = world.stand_in.find(marker(d))
        world.stand_in.arm(marker(d), argv, due)
        world.stand_in.disarm([job.job for job in waiting])
        return Alarm(kind=world.stand_in.name, generation=0, due=due)
    return None


def _wake(world: World, d: Deployment, *ends: str) -> None:
    """Cancel what the stand-in has for this deployment."""
    with suppress(ProgramError):
        world.stand_in.disarm([job.job for end in ends for job in world.stand_in.find(marker(d) + end)])


def check_argv(host: Host, by: str, *more: str) -> tuple[str, ...]:
    """Return the argument vector of a check that an alarm, a timer or the end of a worker starts."""
    return ("/bin/sh", layout.inside(host, layout.CHECK), by, *more)


def _queued(world: World, d: Deployment) -> list[Job]:
    try:
        return timer_of(world, d).find(marker(d))
    except ProgramError:
        return []  # without this timer nothing can be queued


def alarm_is_pending(world: World, d: Deployment, now: datetime) -> bool:
    """Return whether the recorded alarm is pending and would fire. Boundary: one that is due may wait for room."""
    alarm = d.alarm
    if alarm is None or alarm.due > now + timedelta(seconds=longest(d) + ALARM_BEYOND_PACE_S):
        return False
    if alarm.due <= now:
        return bool(alarm_waits(world, d, now))
    if not alarm.job:
        return world.stand_in.pending("", marker(d))
    try:
        timer = timer_of(world, d)
        return not timer.weakness() and timer.pending(alarm.job, marker(d))
    except NotLiveError:  # a copy's: what it names is not asked
        return False


def is_unattended(world: World, d: Deployment) -> bool:
    """Return whether no check comes by itself now, so that who waits is to make it: its alarm is gone, or is late."""
    now = world.clock.now()
    return not d.paused_at and (not alarm_is_pending(world, d, now) or bool(alarm_waits(world, d, now)))


def alarm_waits(world: World, d: Deployment, now: datetime) -> str:
    """Return what the alarm waits for that is due; "" for one that is not due, or waits for nothing."""
    alarm = d.alarm
    if not d.host.anywhere or alarm is None or not alarm.job or alarm.due > now:
        return ""
    from wakeman.ports import QueuedTimer

    with suppress(ProgramError, NotLiveError):
        timer = timer_of(world, d)
        if isinstance(timer, QueuedTimer):
            return timer.waits(alarm.job, marker(d))
    return ""


def can_be_better(world: World, d: Deployment) -> bool:
    """Return whether the stand-in is the alarm, and the machine's timer works again: only that outlives a restart."""
    return d.alarm is not None and not d.alarm.job and not timer_of(world, d).weakness()


def arm(
    world: World, d: Deployment, now: datetime, why: str, or_stand_in: Callable[[], bool] = lambda: True
) -> e.Armed | None:
    """Set the alarm of the next generation; return the fact to record, None if none could be set.

    Shape: if the machine's timer cannot be the alarm, `or_stand_in` says whether its stand-in is to be; asked only
    then. Such an alarm has no job in the log; there is one at most, as each is set in place of the last.
    """
    _equip(world, d)
    generation = d.generation + 1
    timer = timer_of(world, d)
    weak = timer.weakness()
    argv = check_argv(d.host, ALARM, str(generation), f"{d.seq}:{d.hash}")
    alarm: Alarm | None = None
    if not weak:
        due = fire_time(now, every(d))
        if d.host.anywhere:
            due = now + timedelta(seconds=max(every(d), JOB_AHEAD_MIN_S))
        try:
            job = timer.arm(marker(d), argv, due)
            alarm = Alarm(kind=timer.name, generation=generation, due=job.due, job=job.job)
        except ProgramError as fault:
            weak = str(fault)
    if (weak and or_stand_in()) or (alarm is not None and not d.host.anywhere and every(d) < ALARM_AHEAD_MIN_S):
        asleep = _sleep(world, d, every(d), argv)
        alarm = alarm or (asleep and replace(asleep, generation=generation))
    if alarm is None:
        return None
    world.files.write(layout.inside(d.host, layout.GENERATION), f"{generation}\n".encode())
    return e.Armed(alarm=alarm, why=why, weak=weak)


def _equip(world: World, d: Deployment) -> None:
    """Write the alarm's script if it was removed."""
    file = layout.inside(d.host, layout.CHECK)
    if not world.files.marks([file]):
        world.files.write(file, script(world, d, d.plan.wake.to), durable=True)


def script(world: World, d: Deployment, targets: Sequence[WakeTarget]) -> bytes:
    """Return `check.sh`: this deployment's values, the functions of its timer, and the part common to all."""
    from shlex import join, quote

    words = {
        "deployment": d.name,
        "directory": d.host.directory,
        "state": world.state,
        "marker": marker(d),
        "command": f"exec {join(check_argv(d.host, ALARM))} </dev/null >/dev/null 2>&1",
    }
    clean = join(("env", "-i", *(f"{key}={value}" for key, value in d.host.env.items())))
    head = (
        "#!/bin/sh",
        *(f"{name}={quote(value)}" for name, value in words.items()),
        f'clean() {{ exec {clean} "$@"; }}',
        f'wakeman() {{ exec {clean} {join(d.host.python)} "$@"; }}',
        "notices() {",
        *(f'    {clean} {join(_notice(d, target))} </dev/null >>"$log" 2>&1 &' for target in targets if target.run),
        "    :",
        "}",
    )
    parts = ("\n".join(head).encode("utf-8", "surrogateescape"), timer_of(world, d).shell(), world.checker())
    return b"\n\n".join(part.strip() for part in parts) + b"\n"


def _notice(d: Deployment, target: WakeTarget) -> list[str]:
    from wakeman.core.plan.template import render

    head = f"AT wake-up: {d.name}: the check could not be made. Next: wakeman check {d.name}, then wakeman doctor."
    names: Mapping[str, str] = {"message": f"{head} Do not do the units yourself.", "deployment": d.name}
    return [render(word, names) for word in target.run]
