"""The alarm as an invariant: while a deployment is open, one generation of it lies ahead."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import msgspec

from wakeman.core.errors import ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Alarm, Deployment, Host, WakeTarget
from wakeman.core.policy.limits import every, longest
from wakeman.engine import layout
from wakeman.ports import Job, World

ALARM_AHEAD_MIN_S = 60.0
"""Seconds ahead that an `at` job is set at least: its grain is the minute."""
DISARM_PASSES_MAX = 3
"""Times that the queue is searched at most for what is to be taken away."""
ALARM_BEYOND_PACE_S = 180.0
"""Seconds beyond the longest pace after which an alarm is none: the clock was set back since it was armed."""


def marker(d: Deployment) -> str:
    """Name the deployment in a job's body: another state directory's of the same name has another marker."""
    host = d.host
    return f"wakeman:{d.name}:{hashlib.sha256(host.directory.encode()).hexdigest()[:12]}"


def fire_time(now: datetime, seconds: float) -> datetime:
    """Give the whole minute at or after `now + seconds`, at least a minute ahead."""
    wanted = now + timedelta(seconds=max(seconds, ALARM_AHEAD_MIN_S))
    return datetime.fromtimestamp(math.ceil(wanted.timestamp() / 60) * 60, UTC)


@contextmanager
def first(world: World, d: Deployment, now: datetime) -> Iterator[list[e.Draft]]:
    """Set an alarm for a deployment that is about to begin, and take it back if it does not; give what to record.

    Shape: `d` is imagined. So an alarm lies ahead from the first line of a log; one that fires before finds no
    deployment and ends. Boundary: without `at`, which outlives everything, it is left to the first check.
    """
    weak = world.alarms.weakness()
    armed = None if weak else arm(world, msgspec.structs.replace(d, seq=0, hash=""), now, "first")
    try:
        yield [e.Draft(armed)] if armed is not None else []
    except BaseException:  # Ctrl-C too: an alarm of what has not begun is nobody's
        with suppress(ProgramError):
            world.alarms.disarm([armed.alarm.job] if armed is not None else [])
        raise


def repeat_timer(world: World, d: Deployment) -> None:
    """Set the timer below a minute once more when it has fired: a check that does nothing sets no other alarm.

    Shape: of the same generation, so that there is one chain of them, and it ends when another alarm is set.
    """
    below = every(d) < ALARM_AHEAD_MIN_S
    if d.alarm is not None and d.alarm.kind == "at" and below and world.by.partition(":")[0] == "at":
        argv = check_argv(d.host, "at", str(d.alarm.generation), f"{d.seq}:{d.hash}")
        _later(world, d.host, every(d), argv)


def replaced(world: World, d: Deployment, old: Alarm | None) -> None:
    """Take the job before out of the queue. Failing is harmless: its generation is an old one.

    Boundary: it stays where this process stood still for so long that the new one has fired by now: that one saw this
    one queued and set no other.
    """
    new = d.alarm
    if old is not None and old.kind == "at" and new is not None and new is not old and new.due > world.clock.now():
        with suppress(ProgramError):
            world.alarms.disarm([old.job])


def remove_all(world: World, d: Deployment) -> None:
    """Take every alarm of the deployment out of the queue, those that no line tells of included.

    Repeatable: yes, after a crash in between; a job that stays finds nothing to do and sets no other.
    Cost: the queue is listed once more than there was something to take: a listing beside others' jobs that come and
    go may have passed one over.
    """
    recorded = {d.alarm.job} if d.alarm and d.alarm.kind == "at" else set()
    world.files.write(layout.inside(d.host, layout.GENERATION), b"0\n")
    for _ in range(DISARM_PASSES_MAX):
        jobs = {job.job for job in _queued(world, d)} | recorded
        if not jobs:
            break
        recorded = set()
        with suppress(ProgramError):
            world.alarms.disarm(sorted(jobs))


def soon(world: World, d: Deployment, seconds: float, by: str) -> None:
    """Have a check run after some seconds, by the tmux server. Failing is harmless: the alarm is behind it."""
    _later(world, d.host, seconds, check_argv(d.host, by))


def _later(world: World, host: Host, seconds: float, argv: Sequence[str]) -> bool:
    try:
        return world.sessions(host).later(seconds, argv)
    except ProgramError:
        return False  # it hangs: as good as none


def check_argv(host: Host, by: str, *more: str) -> tuple[str, ...]:
    """Give the argument vector of one check from outside: an alarm, a timer, the end of a worker."""
    return ("/bin/sh", layout.inside(host, layout.CHECK), by, *more)


def _queued(world: World, d: Deployment) -> list[Job]:
    try:
        return world.alarms.find(marker(d))
    except ProgramError:
        return []  # no `at` here: nothing is queued


def stands(world: World, d: Deployment, now: datetime) -> bool:
    """Tell whether the recorded alarm still lies ahead and would fire."""
    alarm = d.alarm
    if alarm is None or alarm.due <= now or alarm.due > now + timedelta(seconds=longest(d) + ALARM_BEYOND_PACE_S):
        return False
    if alarm.kind == "tmux":
        return bool(world.alarms.weakness()) and world.sessions(d.host).look().server == d.server
    return not world.alarms.weakness() and world.alarms.stands(alarm.job, marker(d))


def arm(world: World, d: Deployment, now: datetime, why: str, *, or_timer: bool = True) -> e.Armed | None:
    """Set the alarm of the next generation; return what there is to record, None where none could be set.

    Shape: `or_timer` lets the tmux server be the alarm where `at` cannot.
    """
    host = d.host
    _equip(world, d, host)
    generation = d.generation + 1
    weak = world.alarms.weakness()
    head = f"{d.seq}:{d.hash}"
    alarm: Alarm | None = None
    if not weak:
        due = fire_time(now, every(d))
        try:
            job = world.alarms.arm(marker(d), check_argv(host, "at", str(generation), head), due)
            alarm = Alarm(kind="at", generation=generation, due=due, job=job.job)
        except ProgramError as fault:
            weak = str(fault)
    if (weak and or_timer) or every(d) < ALARM_AHEAD_MIN_S:
        set_ = _later(world, host, every(d), check_argv(host, "at", str(generation), head))
        if alarm is None and set_ and or_timer:
            alarm = Alarm(kind="tmux", generation=generation, due=now + timedelta(seconds=every(d)))
    if alarm is None:
        return None
    world.files.write(layout.inside(host, layout.GENERATION), f"{generation}\n".encode())
    return e.Armed(alarm=alarm, why=why, weak=weak)


def _equip(world: World, d: Deployment, host: Host) -> None:
    """Write the script that the alarm is to run, where somebody has removed it."""
    file = layout.inside(host, layout.CHECK)
    if not world.files.marks([file]):
        targets = d.plan.wake.to
        world.files.write(file, script(d, host, world.state, targets), durable=True)


def script(d: Deployment, host: Host, state: str, targets: Sequence[WakeTarget]) -> bytes:
    """Write `check.sh`: one check in the world recorded at `up`, whoever calls it and with whatever environment.

    What it does beside: an alarm queues the next one before all else, and takes it back after a check that came to its
    end; one of an old generation ends without starting Python if another is queued; output goes to `check.log`;
    when Wakeman cannot start or cannot check, the wake targets hear of it once, in plain sh, and where no alarm lies
    ahead one is set.
    """
    import re
    from shlex import join, quote

    again = f"exec /bin/sh {quote(layout.inside(host, layout.CHECK))} at </dev/null >/dev/null 2>&1"
    words = {
        "NAME": d.name,
        "DIR": quote(host.directory),
        "ENV": _env(host),
        "WAKEMAN": join(host.python),
        "STATE": quote(state),
        "MARKER": marker(d),
        "AGAIN": quote(again),
        "NOTICE": "\n".join(f"    {_notice(d, host, target)}" for target in targets if target.run) or "    :",
    }
    # In one pass: what is put in is not looked at again.
    text = re.sub("@([A-Z]+)@", lambda word: words[word[1]], _SCRIPT)
    return text.encode("utf-8", "surrogateescape")


def _notice(d: Deployment, host: Host, target: WakeTarget) -> str:
    from shlex import join

    from wakeman.core.plan.template import render

    head = f"AT wake-up: {d.name}: the check could not be made. Next: wakeman check {d.name}, then wakeman doctor."
    text = f"{head} Do not do the units yourself."
    names: Mapping[str, str] = {"message": text, "deployment": d.name}
    argv = [render(word, names) for word in target.run]
    return f'env -i {_env(host)} {join(argv)} </dev/null >>"$log" 2>&1 &'


def _env(host: Host) -> str:
    from shlex import join

    return join(f"{key}={value}" for key, value in host.env.items())


_SCRIPT = """\
#!/bin/sh
# One check of deployment @NAME@, in the world recorded when it went up. Usage: check.sh BY [GENERATION HEAD]
by=${1:-hand} generation=${2:-} head=${3:-}
cd @DIR@ || exit 1
queued() {
  for job in $(env -i @ENV@ atq | grep -v ' = ' | cut -f 1); do env -i @ENV@ at -c "$job"; done 2>/dev/null |
    grep -qxF '# @MARKER@'
}
again() {
  printf '# @MARKER@\\n%s\\n' @AGAIN@ | env -i @ENV@ at -q a now + 5 minutes
}
removed() {
  [ -z "$next" ] || env -i @ENV@ atrm "$next" 2>/dev/null || :
}
if [ -n "$generation" ] && [ "$generation" -lt "$(cat generation 2>/dev/null || echo 0)" ] && queued 2>/dev/null; then
  exit 0 # a newer alarm lies ahead
fi
# An alarm that has fired is out of the queue, and `at` does not run it twice. The next one stands before anything can
# end this: a kill, a power cut, a process that holds the lock and dies. It goes when the check has set its own.
next=
if [ "$by" = at ] && ! queued 2>/dev/null; then
  next=$(again 2>&1 | sed -n 's/^job \\([0-9]*\\) at .*/\\1/p')
fi
case $by in
  exit | hook) # one check that has not begun to look stands for all who come meanwhile; it removes `coming` first
    if command -v flock >/dev/null && (: >>coming) 2>/dev/null; then
      exec 9>>coming
      flock -n 9 || exit 0
    fi ;;
esac
set -- check @NAME@ --state @STATE@ --by "$by" --quiet
[ -z "$head" ] || set -- "$@" --head "$head"
said=$(env -i @ENV@ @WAKEMAN@ "$@" </dev/null 2>&1 9>&-)
code=$?
exec 9>&- # what is started below must not hold it on
log=check.log
(: >>"$log") 2>/dev/null || log=/dev/null # a directory that cannot be written to does not silence what follows
failed=
case $code:$said in
  [0-6]:) removed; rm -f troubled && exit "$code" ;;
  3:wakeman:*) removed; exit "$code" ;; # it is no more
  1:wakeman:*"will look again"*) # somebody else checks right now; should that one die of it, an alarm is needed
    [ "$by" != at ] || queued || again >>"$log" 2>&1
    exit "$code"
    ;;
  [0-6]:wakeman:*) [ "$by" != at ] || failed=1 ;; # of the others, an alarm lies behind them
  *) failed=1 ;; # Wakeman itself did not start
esac
[ -n "$said$failed" ] || exit "$code"
[ -z "$said" ] || printf '%s\\n' "$said" >>"$log"
if [ -n "$failed" ]; then
  # A disk that is full, a log that is damaged: nobody would set the next alarm. Say so, once, in plain sh, and try
  # again.
  if [ ! -e troubled ]; then
    (: >troubled) 2>/dev/null
    {
@NOTICE@
    } 2>>"$log"
  fi
  queued || again >>"$log" 2>&1
fi
exit $code
"""
