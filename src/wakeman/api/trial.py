"""What launches need from this machine, tried for real: nothing stays of it."""

from __future__ import annotations

import glob
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from wakeman.core.errors import ProgramError, WakemanError
from wakeman.core.model import Host, Plan
from wakeman.core.model.plan import DEFAULT_EXECUTOR
from wakeman.core.plan.footprint import named_programs
from wakeman.core.text import sanitise
from wakeman.engine.attempt.compose import shortened_start
from wakeman.engine.start.prepare import PreparedPlan
from wakeman.ports import (
    Carried,
    CopyingExecutor,
    Executor,
    ExplainingExecutor,
    HoldingExecutor,
    Made,
    SessionInfo,
    Start,
    World,
)

SESSION_S = 20.0
"""Seconds in which a session is to run its program."""
SERVER_END_S = 2.0
"""Seconds in which a server without sessions ends: one that is ending refuses the next start."""
OUTPUT_DIRECTORIES_MAX = 100
"""Directories of outputs that are written to, at most."""
PAUSE_S = 0.02
POLL_TURNS_MIN = 50
"""Pauses after which it is looked what became of a session that has not ended."""
ROOM_BYTES = 128 * 1024
"""Bytes that the first files of a deployment take, with some to spare: with less room, nothing begins."""
TRIAL_PREFIX = ".trial-"
"""How the name of the trial's directory begins."""
TRIAL_TAIL = "[0-9a-f]" * 12
"""What it ends with, as a pattern."""
KILLED_S, KEPT_S = 3600.0, 86_400.0
"""Seconds after which a trial must have been killed, and for which a host that has something of it is waited for."""
CLEARED_MAX = 10
"""Trials that were killed of which one more removes what is left."""
SPOOL = "look at its spool: df /var/spool/cron/atjobs or /var/spool/at, and ls -ld of it"
NODE_CHECKS = "alarm"
"""What was tried where checks run as jobs."""
NODE_WAIT_S = 60.0
"""Seconds in which such a job should begin."""
TRIAL_MARK = "trial/"
"""How the mark of its session begins."""
TRIAL_PROGRAM = rb"""#!/bin/sh
# With a FILE, writes into it what this machine is: its time and name, then each PROGRAM that it lacks.
[ $# -gt 0 ] || exit 0
file=$1
shift
{
    date +%s
    uname -n
    for program; do
        case $program in
            /*) [ -x "$program" ] && [ ! -d "$program" ] ;;
            *) command -v "$program" >/dev/null 2>&1 ;;
        esac || printf '%s\n' "$program"
    done
} >"$file.tmp"
mv -f "$file.tmp" "$file"
"""
THERE = "there"
"""The file of an attempt into which that program writes."""
CLOCK_SKEW_MAX_S = 30.0
"""Seconds by which the clock of another machine may differ from this one's."""
QUEUE_MEND = "choose a partition that has room by slurm.alarm_options"
ONE_CLOCK = "have one time kept on all machines (NTP): where others run them, ask their administrator"
WORDS_THERE_MIN = 2
"""Lines that the program writes at least."""
NAME_LENGTH_MAX = 200
QUEUED = "it waits in the queue, so nothing is known of its machine"


class Trial(NamedTuple):
    """One thing that was tried; `why` it failed, "" if it did not, and what mends it.

    Shape: `found` is said of one that did not fail, `weak` instead of it; what mends that is in `mend`, too.
    """

    what: str
    why: str = ""
    mend: str = ""
    found: str = "tried"
    weak: str = ""


def trials(
    world: World,
    plan: Plan,
    root: str,
    outputs: Iterable[str],
    pause: Callable[[float], None],
    resolved: Host | None = None,
    *,
    patient: bool = False,
) -> Iterator[Trial]:
    """Yield what launches need, each as it was tried: the state directory, a session, the places of outputs.

    Shape: `outputs` are absolute; `resolved` is the plan's host, where it is known already; `patient` waits for a
    session that is queued as long as for one that runs. Effects: a session is made and ended; files are made and
    removed.
    """
    try:
        with _trial_directory(world) as place:
            tried = _try_state(world, place)
            yield tried
            if not tried.why and not plan.workers.found:
                sessions = [*_try_session(world, plan, root, place, pause, resolved, patient)]
                yield from sessions
                if not any(tried.why for tried in sessions) and plan.workers.executor != DEFAULT_EXECUTOR:
                    yield from _try_node(world, resolved or world.host(plan, root, place), place)
    except WakemanError as fault:
        yield _unusable(world, fault)
    yield from _try_outputs(outputs)


def alarm(world: World) -> Trial:
    """Set a job with the machine's timer and remove it."""
    marker = f"wakeman:trial:{os.getpid()}"
    try:
        job = world.timer.arm(marker, ("/bin/true",), world.clock.now() + timedelta(days=1))
        world.timer.disarm([job.job])
        if world.timer.find(marker):
            return Trial(world.timer.name, f"job {job.job} cannot be removed", f"{world.timer.name}rm {job.job}")
    except WakemanError as fault:
        return Trial(world.timer.name, str(fault), fault.hint or SPOOL)
    return Trial(world.timer.name)


def require_prerequisites(world: World, prepared: PreparedPlan, pause: Callable[[float], None]) -> None:
    """Try what launches need. Raises: ProgramError with what fails."""
    outputs = planned_outputs(prepared)
    for each in trials(world, prepared.plan, prepared.root, outputs, pause, prepared.host):
        if each.why:
            raise ProgramError(f"nobody can be launched: {each.what}: {each.why}", each.mend or "wakeman doctor FILE")


def planned_outputs(prepared: PreparedPlan) -> list[str]:
    """List the outputs, absolute; none if they are made in the state directory first."""
    if prepared.plan.workers.workspace == "worktree":
        return []
    return [posixpath.join(prepared.root, path) for unit in prepared.units for path in unit.outputs]


@contextmanager
def _trial_directory(world: World) -> Iterator[str]:
    """Yield a directory in the state directory or, while that is missing, in the nearest one above."""
    place = posixpath.join(_nearest(world.state), f"{TRIAL_PREFIX}{os.urandom(6).hex()}")
    world.files.make(place)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unusable(world: World, fault: WakemanError) -> Trial:
    """Return that the state directory cannot be used: by its own name, not by that of a file of the trial."""
    why = re.sub(rf"\S*/{re.escape(TRIAL_PREFIX)}[^\s:]*", lambda _: world.state, str(fault))
    return Trial("state", why, fault.hint or "--state DIR, or WAKEMAN_STATE")


def _nearest(path: str) -> str:
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _try_state(world: World, place: str) -> Trial:
    """Make what an attempt consists of, and run a program."""
    files = world.files
    try:
        files.write(f"{place}/room", bytes(ROOM_BYTES), durable=True)
        files.write(f"{place}/program", TRIAL_PROGRAM, mode=0o700, durable=True)
        files.link(f"{place}/program", f"{place}/link")
        files.pipe(f"{place}/pipe")
    except WakemanError as fault:
        return _unusable(world, fault)
    ran = world.machine.run((f"{place}/program",), cwd="/", env={}, timeout=SESSION_S)
    if ran.code == 0:
        return Trial("state")
    why = ran.error or f"it ended with status {ran.code}"
    mend = "mount it without noexec, or choose another one: --state DIR, or WAKEMAN_STATE"
    return Trial("state", f"{world.state}: a program in it cannot be run: {why}", mend)


def _try_session(
    world: World,
    plan: Plan,
    root: str,
    place: str,
    pause: Callable[[float], None],
    resolved: Host | None,
    patient: bool,
) -> Iterator[Trial]:
    """Run a program in a session, within the script that is around every attempt, and end the session."""
    what, home = plan.workers.executor, f"{place}/attempts/trial"
    mark = f"{TRIAL_MARK}{os.getpid()}@{os.urandom(4).hex()}"
    try:
        host = replace(resolved, directory=place) if resolved else world.host(plan, root, place)
        executor = world.executor(host)
        if isinstance(executor, HoldingExecutor):
            executor.give_back()  # the one session takes its turn, and nothing is held for it
        world.files.make(home)
        world.files.write(f"{place}/wrapper.sh", world.wrapper())
        asked = (f"{home}/{THERE}", *_programs_there(plan)) if what != DEFAULT_EXECUTOR else ()
        argv = ("/bin/sh", f"{place}/wrapper.sh", home, "--", f"{place}/program", *asked)
        name = f"wakeman-trial-{os.getpid()}"
        leaves = (f"{home}/claim", *asked[:1])
        carried = Carried(needs=(argv[1], f"{home}/", argv[4]), leaves=leaves, last=f"{home}/exit")
        # Where nobody is left to end it, it ends by itself; what it came to is in its files.
        asked_for = Start(name, mark, argv, cwd="/", env=host.env, lingers=False, carried=carried)
        start = shortened_start(asked_for)
        before = world.clock.now()
        (made,) = executor.submit([start])
        if made.error:
            yield Trial(what, made.error, made.mend or "wakeman doctor")
            return
        try:
            tried = _run_to_its_end(world, executor, made, what, home, pause, patient)
            lack = executor.lack(made.session_id) if tried.why and isinstance(executor, ExplainingExecutor) else None
        finally:
            _removed(executor, made, mark, pause)
            _clear_killed(world, host, place)
        yield Trial(lack.what, lack.found, lack.mend) if lack is not None else tried
        if asked and not tried.why:
            path = host.env.get("PATH", "")
            yield from _told_there(world.files.tail(asked[0]), what, path, (before, world.clock.now()))
    except WakemanError as fault:
        yield Trial(what, str(fault), fault.hint)


def _programs_there(plan: Plan) -> tuple[str, ...]:
    """List the programs of attempts, where they are known before one: as `program_faults` asks for them here."""
    there = ("workers.command", "workers.harness", "workers.setup", "verify.review")
    named = [use.argv[0] for use in named_programs(plan) if use.key.startswith(there)]
    known = (each for each in named if "{{" not in each and ("/" not in each or each.startswith("/")))
    return tuple(dict.fromkeys(known))


def _told_there(told: bytes, what: str, path: str, here: tuple[datetime, datetime]) -> Iterator[Trial]:
    """Yield what a machine has said of itself, while this one's clock went from one to the other time."""
    lines = told.decode("utf-8", "surrogateescape").splitlines()
    if len(lines) < WORDS_THERE_MIN or not re.fullmatch(r"\d{1,12}", lines[0]):
        return
    node, lacks = sanitise(lines[1], NAME_LENGTH_MAX), [sanitise(each, NAME_LENGTH_MAX) for each in lines[2:]]
    if lacks:
        where = f"machine {node} does not find {', '.join(lacks)}; its PATH is {path}"
        mend = "have it installed there, at the same path as here, or put its directory on PATH before `up`"
        yield Trial(f"{what}'s programs", where, mend)
    elif path:
        yield Trial(f"{what}'s programs", found=f"machine {node} finds the programs of attempts")
    yield _clock_there(f"{what}'s clock", node, int(lines[0]), here)


def _clock_there(what: str, node: str, seconds: int, here: tuple[datetime, datetime]) -> Trial:
    """Return by how much at least a machine's clock differs, whenever it was read between two times of this one's."""
    before, after = (at.timestamp() for at in here)
    least = max(0.0, before - (seconds + 1), seconds - after)
    if least <= CLOCK_SKEW_MAX_S:
        return Trial(what, found=f"machine {node} has the time of this one, as far as a session can tell")
    weak = (
        f"the clock of machine {node} differs from this one's by {least:.0f} s or more: how old an output is, and how"
    )
    return Trial(what, mend=ONE_CLOCK, weak=f"{weak} long a worker is silent, cannot be told")


def _try_node(world: World, host: Host, place: str) -> Iterator[Trial]:
    """Have a job run there what a check needs, with the log's lock held between it and here, where checks are jobs."""
    if not host.anywhere:
        return
    try:
        found = world.common(replace(host, directory=place)).try_node(True)
    except WakemanError as fault:
        yield Trial(NODE_CHECKS, str(fault), fault.hint)
        return
    said = f"a check can run on node {found.node}; its job began {found.waited_s:.1f} s after it was asked for"
    late = f"{said}: an alarm comes as late" if found.waited_s > NODE_WAIT_S else ""
    yield Trial(NODE_CHECKS, found.why, found.mend or (QUEUE_MEND if late else ""), said, late)


def _run_to_its_end(
    world: World,
    executor: Executor,
    made: Made,
    what: str,
    home: str,
    pause: Callable[[float], None],
    patient: bool,
) -> Trial:
    """Wait for the program's exit file. Boundary: a session that waits in a queue is as much as can be tried."""
    queued = False
    for turn in range(1, 1 + round(SESSION_S / PAUSE_S)):
        if ended := _trial_exit(world, what, home):
            return ended
        if turn % POLL_TURNS_MIN == 0:
            seen = next((one for one in executor.poll().seen if one.session_id == made.session_id), None)
            queued = seen is not None and seen.phase == "queued"
            if queued and not patient:
                break
            if seen is not None and seen.phase in ("killed", "lost"):
                if ended := _trial_exit(world, what, home):  # its server has gone with it
                    return ended
                return Trial(what, f"a program in a session did not end by itself: {seen.why}")
        pause(PAUSE_S)
    if queued:
        return Trial(what, found=QUEUED)
    began = bool(world.files.marks([f"{home}/claim"]))
    return Trial(what, f"a program in a session {'began, and did not end' if began else 'did not begin'}")


def _trial_exit(world: World, what: str, home: str) -> Trial | None:
    """Return what the program's exit file says; None while there is none."""
    code = world.files.tail(f"{home}/exit").strip()
    if not code:
        return None
    return Trial(
        what, "" if code == b"0" else f"a program in a session ended with status {code.decode(errors='replace')}"
    )


def _of_a_trial(session: SessionInfo) -> bool:
    return session.mark.startswith(TRIAL_MARK)


def _removed(executor: Executor, made: Made, mark: str, pause: Callable[[float], None]) -> None:
    """End the session, and what trials that were killed have left. Boundary: the next start waits for the end of a
    server that has no other; one that outlives this machine has more than this one.
    """
    with suppress(WakemanError):
        executor.cancel([(made.session_id, mark)])
        for _ in range(round(SERVER_END_S / PAUSE_S)):
            listing = executor.poll()
            executor.cancel([(one.session_id, one.mark) for one in listing.seen if one.over and _of_a_trial(one)])
            if listing.state != "up" or listing.seen or executor.outlives_boot:
                break
            pause(PAUSE_S)
        if isinstance(executor, CopyingExecutor):
            executor.forget()


def _clear_killed(world: World, host: Host, place: str) -> None:
    """Remove the directories of trials that were killed, and what they have left elsewhere.

    Boundary: one of which a host has something and does not answer is kept for the next trial, for a day.
    """
    for old in sorted(glob.glob(f"{glob.escape(os.path.dirname(place))}/{TRIAL_PREFIX}{TRIAL_TAIL}"))[:CLEARED_MAX]:
        with suppress(OSError):
            age_s = world.clock.now().timestamp() - os.lstat(old).st_mtime
            if old != place and age_s > KILLED_S and (_ended_there(world, host, old) or age_s > KEPT_S):
                shutil.rmtree(old, ignore_errors=True)


def _ended_there(world: World, host: Host, old: str) -> bool:
    """End what a trial has left at the places of workers; return whether nothing of it is there."""
    try:
        executor = world.executor(replace(host, directory=old))
        executor.cancel([(one.session_id, one.mark) for one in executor.poll().seen if _of_a_trial(one) and one.over])
        return not (executor.forget() if isinstance(executor, CopyingExecutor) else {})
    except WakemanError:
        return False


def _try_outputs(outputs: Iterable[str]) -> Iterator[Trial]:
    """Write where outputs are to be: without a name, so that nobody sees it."""
    places = sorted({_nearest(posixpath.dirname(path)) for path in outputs})
    for place in places[:OUTPUT_DIRECTORIES_MAX]:
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(b"x")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            yield Trial("outputs", f"{place}: cannot be written to: {error.strerror}", f"ls -ld {place}; df {place}")
            return
    if places:
        yield Trial("outputs")
