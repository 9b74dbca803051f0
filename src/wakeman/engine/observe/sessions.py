"""What one attempt is seen as: its session's phase, and what its client does in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.gate import whole_number
from wakeman.core.model import (
    Deployment,
    EndedBy,
    Meaning,
    Observation,
    Session,
    WorkerState,
    attempt_id,
)
from wakeman.core.policy.attempts import END_TRIES_MAX, HUNG_UP_STATUS
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.observe.evidence import (
    ENDED_STREAM_BYTES,
    LIVE_STREAM_BYTES,
    Gathered,
    harness_report,
    life_sign,
    read_evidence,
    refused_writes,
    said_last,
)
from wakeman.engine.observe.transcripts import Transcripts, find_transcripts
from wakeman.ports import Executor, Reader, Report, SessionInfo, World

EXIT_FILE_BYTES_MAX = 64
"""Bytes of an exit file that are read."""
STATUS_MAX = 255
"""The largest exit status."""
PATH_CHARS_MAX = 200
"""Characters of a path that a reason quotes."""
UNNAMED_LIMIT = timedelta(minutes=15)
"""Duration assumed of a usage limit that names no reset."""
FROM_OUTSIDE = frozenset(("machine", "time", "person"))
"""Who may end a session in its place; the exit status alone says nothing of them."""
DEADLY_SIGNALS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 31})
"""Signals that end a process; with another number, a status above 128 is the program's own."""


def _meaning(said: str) -> Meaning:
    """Return what last words mean; most checks read none."""
    if not said:
        return ""
    from wakeman.core.policy.last_words import sense_of

    return sense_of(said)


def sight(
    world: World,
    executor: Executor,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo | None,
    calls: dict[str, float],
    harness: Reader,
) -> Observation:
    """Return what one attempt is seen as: by its exit file, before the list of sessions, before what its client says.

    Effects: `calls` gets since when a tool runs. Raises: ScreenUnreadError.
    """
    traces = find_transcripts(world, view.d, worker, view.marks) if "record" in harness.reads else Transcripts()
    life = life_sign(view, worker, seen, harness, traces)
    base = Observation(
        worker=worker.name,
        attempt=worker.attempt,
        session="running",
        refused=refused_writes(world, view, worker, life),
        session_id=seen.session_id if seen else "",
        pid=seen.pid if seen else 0,
        life=life,
        host=seen.host if seen else "",
    )
    if layout.exit_file(view.d.host, worker) in view.marks:
        over = _exited(world, view, worker, base, harness, traces, lambda: _last_screen(view, seen))
        return _with_cause(over, seen, view.listing.gone.get(worker.session_id, ""))
    if worker.boot != view.boot and not executor.outlives_boot:
        return _ended_session(base, "lost", "the machine was started anew", worker.ending or "machine")
    if view.listing.state == "unknown":
        return msgspec.structs.replace(base, session="unknown", why=view.listing.why, life=worker.life)
    if seen is None and (why := view.listing.hidden.get(worker.session_id)):
        return _out_of_reach(world, view, worker, base, why)
    if seen is None:
        return _gone(view, worker, base, harness)
    if seen.over:
        return _dead(view.d, worker, base, seen, harness)
    if seen.phase != "running":
        life = worker.life if seen.phase == "unknown" else base.life
        return msgspec.structs.replace(base, session=seen.phase, why=seen.why, life=life)
    still = worker.observation is not None and life == worker.life
    report, said, dialog = harness_report(world, view, worker, seen, harness, traces, still=still)
    if report.calls:
        calls[worker.name] = float(report.since)
    if report.given and view.d.plan_of(worker).workers.mode != "print":
        report = msgspec.structs.replace(report, given=False)  # it waits for what is typed next
    running = _running(base, worker, report, said, world.clock.now())
    return msgspec.structs.replace(running, dialog=dialog if running.activity == "waiting" else None)


def _with_cause(over: Observation, seen: SessionInfo | None, gone: str) -> Observation:
    """Name who ended a program that left a status: its host failed, its time was over, as the place says; or its server
    is `gone`, and has hung up on it.

    Boundary: one that ended with status 0 did so itself.
    """
    if over.ended_by != "itself" or not over.code:
        return over
    if seen is not None and seen.ended_by in FROM_OUTSIDE:
        return msgspec.structs.replace(over, ended_by=seen.ended_by, why=f"{over.why}; {seen.why}")
    if gone and over.code == HUNG_UP_STATUS:
        return msgspec.structs.replace(over, ended_by="machine", why=f"{over.why}; {gone}")
    return over


def _out_of_reach(world: World, view: Gathered, worker: WorkerState, base: Observation, why: str) -> Observation:
    """Return the observation of a session whose server lives and cannot be reached: nothing can be told of it.

    Boundary: once its end was asked for in every way, and no process of it lives, it is over: so `down` ends.
    """
    if worker.ends >= END_TRIES_MAX and not world.machine.marked([attempt_id(view.d, worker)]):
        return _ended_session(base, "lost", f"{why}; it was ended, and no process of it lives", worker.ending)
    return msgspec.structs.replace(base, session="unknown", why=why, life=worker.life)


def with_denials(world: World, view: Gathered, worker: WorkerState, observation: Observation) -> Observation:
    """Add to the reason the number of writes that were denied to the client, and the last one."""
    file = layout.denied(view.d.host, worker)
    if file not in view.marks or observation.session not in ("running", "exited", "killed"):
        return observation
    said = layout.report_directory(view.d.host, worker)
    found = [line for line in world.files.tail(file, LIVE_STREAM_BYTES, within=said).split(b"\n")[:-1] if line]
    if not found:
        return observation
    last = found[-1].decode(errors="replace").strip('"')
    words = "1 write was" if len(found) == 1 else f"{len(found)} writes were"
    why = f"{words} denied as not its own, the last to {sanitise(last, PATH_CHARS_MAX)}"
    return msgspec.structs.replace(observation, why=f"{observation.why}; {why}" if observation.why else why)


def _running(base: Observation, worker: WorkerState, report: Report, said: str, now: datetime) -> Observation:
    """Add the activity. A screen alone counts only if two observations saw the same.

    Boundary: a usage limit without a reset time gets one when it is first seen. Words that stay as they were are not
    read once more: "in 2 hours" would never come.
    """
    shown, until, guess = "", report.until, False
    if report.activity == "limited" and report.fault != "outage":
        known = worker.observation
        met = known is not None and known.attempt == worker.attempt and known.activity == "limited" and known.until
        if met and known is not None and (until is None or (known.why, known.life) == (report.why, base.life)):
            until, guess = known.until, known.guess
        elif until is None:
            until, guess = now + UNNAMED_LIMIT, True
    if report.source == "screen" and report.activity != "busy":
        shown = f"{report.activity}: {report.why}"
        before = worker.observation
        if before is None or before.attempt != worker.attempt or before.shown != shown:
            report = Report(usage=report.usage, agent_session=report.agent_session)
    said = said if report.activity == "idle" else ""
    return msgspec.structs.replace(
        base,
        activity=report.activity,
        why=report.why,
        until=until if report.activity == "limited" else None,
        guess=guess and report.activity == "limited",
        fault=report.fault,
        given=report.given and not report.calls,
        retries=report.retries,
        usage=report.usage,
        agent_session=report.agent_session,
        shown=shown,
        background=report.background,
        said=said,
        means=_meaning(said),
    )


def _ended_session(
    base: Observation, session: Session, why: str, ended_by: EndedBy, code: int | None = None
) -> Observation:
    return msgspec.structs.replace(base, session=session, why=why, ended_by=ended_by, code=code)


def _last_screen(view: Gathered, seen: SessionInfo | None) -> str:
    """Return what an ended session's terminal shows: a client in print mode says there why it could not start."""
    with suppress(ProgramError, UnknownNameError):
        if seen is not None:
            return view.screens.of(seen.session_id, seen.mark)
    return ""


def _exited(
    world: World,
    view: Gathered,
    worker: WorkerState,
    base: Observation,
    harness: Reader,
    traces: Transcripts,
    screen: Callable[[], str],
) -> Observation:
    file, within = layout.exit_file(view.d.host, worker), layout.attempt_directory(view.d.host, worker)
    text = world.files.head(file, EXIT_FILE_BYTES_MAX, within=within).decode("ascii", "replace")
    code = whole_number(text.strip(), STATUS_MAX)
    if text.strip() == layout.LEFT:
        return _ended_session(base, "exited", "let go: its session is left as it is", worker.ending or "wakeman")
    if code is None:
        return _ended_session(base, "exited", f"its exit file holds {text.strip()[:20]!r}", worker.ending or "")
    now = world.clock.now()
    evidence = read_evidence(view, world, worker, ENDED_STREAM_BYTES, traces)
    report = harness.ending(evidence, code, now) if code or harness.reads else Report()
    if code and report.activity == "unknown" and "screen" in harness.reads and (shown := screen()):
        report = harness.ending(msgspec.structs.replace(evidence, screen=shown), code, now)
    signal = code - 128 if code - 128 in DEADLY_SIGNALS else 0
    status = f"ended by signal {signal}" if signal else f"exit status {code}"
    limited = report.activity == "limited" and not worker.ending
    left = "it was left at its keyboard" if report.ended_by == "person" and not worker.ending else ""
    over = _ended_session(
        base,
        "killed" if signal else "exited",
        "; ".join(filter(None, (f"{status}: {report.why}" if report.why else status, left))),
        "limit" if limited else worker.ending or report.ended_by or "itself",
        code,
    )
    said = said_last(harness, evidence)
    waited = limited and report.fault != "outage"
    return msgspec.structs.replace(
        over,
        until=(report.until or now + UNNAMED_LIMIT) if waited else None,
        guess=waited and report.until is None,
        fault=report.fault,
        usage=report.usage,
        agent_session=report.agent_session,
        said=said,
        means=_meaning(said),
    )


def _gone(view: Gathered, worker: WorkerState, base: Observation, harness: Reader) -> Observation:
    """Return the observation of a session that is not in the list."""
    lost = view.listing.gone.get(worker.session_id, "")
    found = view.d.plan_of(worker).workers.found
    if _is_adopted(view.d, worker, harness) and not (lost and found):
        return _ended_session(
            base, "exited", "its session is gone; its exit status is unknown", worker.ending or "itself"
        )
    if lost and found and view.listing.state == "down":  # a server ends with its last session
        return _ended_session(base, "exited", f"its session is gone, and {lost}", worker.ending)
    if lost:
        return _ended_session(base, "lost", lost, worker.ending or "machine")
    ours = "it was taken out of the queue" if worker.ending == "queue" else "its session was ended"
    why = ours if worker.ending else "its session was ended from outside"
    return _ended_session(base, "lost", why, worker.ending or "")


def _is_adopted(d: Deployment, worker: WorkerState, harness: Reader) -> bool:
    """Return whether a worker's session was made by somebody else, whose program ends without our wrapper."""
    return harness.adopts or d.plan_of(worker).workers.found


def _dead(d: Deployment, worker: WorkerState, base: Observation, seen: SessionInfo, harness: Reader) -> Observation:
    """Return the observation of a session that is over and left no exit file."""
    if _is_adopted(d, worker, harness):
        return _ended_session(base, "exited", "its program has ended", worker.ending or "itself", seen.code)
    if seen.phase == "lost":
        return _ended_session(base, "lost", seen.why, worker.ending or seen.ended_by or "machine")
    if seen.phase == "killed":
        return _ended_session(base, "killed", seen.why, worker.ending or seen.ended_by)
    if seen.code is not None:
        return _ended_session(
            base, "exited", f"exit status {seen.code}, no exit file", worker.ending or "itself", seen.code
        )
    if worker.unknowns == 0:
        # The status, and the exit file, may still be written.
        return msgspec.structs.replace(base, session="unknown", why="ended; no status yet", life=worker.life)
    return _ended_session(base, "killed", "ended without a status", worker.ending or "")
