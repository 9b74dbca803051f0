"""One look at everything: what became of each attempt, and whether the outputs are there and pass."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec
from msgspec import Struct

from wakeman.core.errors import ProgramError, StorageError, UnknownNameError
from wakeman.core.log import events as e
from wakeman.core.model import (
    Deployment,
    EndedBy,
    FileFingerprint,
    Observation,
    Plan,
    Rejection,
    Session,
    Unit,
    UnitState,
    Verdict,
    WorkerState,
    attempt_id,
)
from wakeman.core.plan.confinement import REFUSALS_KEPT_MAX, refusals
from wakeman.core.policy import review
from wakeman.core.policy.quality import Check, Facts, judge, parse
from wakeman.core.redact import redacted
from wakeman.core.text import sanitise, unescaped
from wakeman.engine import layout
from wakeman.engine.act import confinement, prompt_delivery, secrets
from wakeman.engine.observe.transcripts import Transcripts, find_transcripts
from wakeman.ports import Evidence, Harness, Listing, Report, SessionInfo, Sessions, World

UNCHECKED = "the check has not run on it yet"
SCREEN_ROWS = 60
"""Lines of a screen that a harness gets to read."""
LIVE_STREAM_BYTES = 64 * 1024
ENDED_STREAM_BYTES = 4 * 1024 * 1024
"""Bytes of an ended attempt's stream that are read, from its end; of a live one less."""
TRANSCRIPT_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of a client's own record that are read for what it has used; of a longer one that is not known."""
PATH_CHARS_MAX = 200
"""Characters of a path that a reason repeats."""
TOOL_CLOCK_LAG_S = 1.0
"""Seconds that a tool's process may seem older than its call: two clocks."""
CLIENT_START_S = 3.0
"""Seconds after an attempt's start whose processes are the client's own, where nothing says when a tool began."""
UNNAMED_LIMIT = timedelta(minutes=15)
"""Until when a usage limit is taken to last that names no time."""
DEADLY_SIGNALS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 31})
"""Signals that end a process; a status of 128 and another number is the program's own."""


class CheckResult(Struct, frozen=True):
    """A verify command's result, good for exactly these files."""

    marks: tuple[FileFingerprint, ...]
    check: Check


class Gathered(Struct, frozen=True):
    """What one look gathered from outside, before anything is made of it."""

    d: Deployment
    listing: Listing
    marks: Mapping[str, FileFingerprint]
    boot: str
    mono: float


class Unchecked(Struct, frozen=True):
    """A unit whose outputs pass but for the verify command, which has not run on these files yet."""

    unit: Unit
    marks: tuple[FileFingerprint, ...]
    worker: WorkerState
    aside: bool = False  # they are those in the worker's stage or tree

    @property
    def key(self) -> str:
        """Give what tells its result from that of the same unit in another place."""
        return f"{self.unit.name}\0aside" if self.aside else self.unit.name


def observe(world: World, d: Deployment, checked: Mapping[str, CheckResult]) -> tuple[e.Looked, list[Unchecked]]:
    """Look once, and give what changed since the look before, with the units that a verify command must judge.

    Cost: one listing of sessions (none while no worker is alive), a stat per file in question, a read per file
    that changed.
    """
    live = [worker for worker in d.workers.values() if worker.live]
    units = watched = _watched(d)
    sessions = world.sessions(d.host)
    view = Gathered(
        d=d,
        listing=sessions.look() if live else Listing(state="down", why="not looked: no worker is alive"),
        marks=world.files.marks([*_paths(world, units, d, live), *_aside_paths(units, d)]),
        boot=world.clock.boot(),
        mono=world.clock.mono(),
    )
    hush = secrets.redactor(world, d) if live else redacted
    observations = [_hushed(s, hush) for s in _sightings(world, sessions, view, live)]
    over = {s.worker for s in observations if s.session in ("exited", "killed", "lost")}
    if all(worker.ended or worker.name in over for worker in d.workers.values()):
        # Nothing is said to be done that was not there at the last look.
        rest = {layout.absolute(d.host, path) for state in _all(d) for path in _files(state.unit)} - view.marks.keys()
        view = msgspec.structs.replace(view, marks={**view.marks, **world.files.marks(rest)})
        units = _all(d)
    pending: list[Unchecked] = []
    verdicts = [] if d.host.repository else _verdicts(world, view, units, over, checked, pending)
    aside = _aside(world, view, watched, observations, checked, pending)
    validators = None
    if d.plan.cleanup.sweep and view.listing.state == "up":
        from wakeman.engine.observe.side_sessions import found

        validators = found(world, d, view.listing.seen)
    known = {worker.name: worker.observation for worker in d.workers.values()}
    return (
        e.Looked(
            mono=view.mono,
            boot=view.boot,
            observations=tuple(s for s in observations if s != known[s.worker]),
            verdicts=tuple(verdicts),
            memory=world.machine.free_memory(),
            validators=validators if validators != d.validators else None,
            server=view.listing.server,
            aside=tuple(aside),
        ),
        pending,
    )


def _hushed(observation: Observation, hush: secrets.Redact) -> Observation:
    """Take keys out of what was read from screens, streams and hooks."""
    why, shown = hush(observation.why), hush(observation.shown)
    if (why, shown) == (observation.why, observation.shown):
        return observation
    return msgspec.structs.replace(observation, why=why, shown=shown)


def _paths(world: World, units: Iterable[UnitState], d: Deployment, live: Iterable[WorkerState]) -> Iterator[str]:
    host = d.host
    for worker in live:
        workers = d.plan_of(worker).workers
        yield layout.exit_file(host, worker)
        yield layout.claim(host, worker)
        yield layout.stream(host, worker)
        if workers.mode == "interactive":
            yield layout.hook(host, worker)
            yield layout.trail(host, worker)
        if "hook" in world.harness(workers.harness).reads:
            yield layout.denied(host, worker)
    for state in units:
        for path in _files(state.unit):
            yield layout.absolute(host, path)


def _aside_paths(units: Iterable[UnitState], d: Deployment) -> Iterator[str]:
    if not d.plan.workers.aside:
        return
    for state in units:
        worker = d.workers[state.worker]
        yield from (layout.made(d, worker, path) for path in state.unit.outputs)
        if state.unit.input is not None:
            yield layout.read(d, worker, state.unit.input)


def _files(unit: Unit) -> Iterator[str]:
    yield from unit.outputs
    if unit.input is not None:
        yield unit.input


def _watched(d: Deployment) -> list[UnitState]:
    """Give the units to stat at every look: those of workers not verified, and those under judgement or review."""
    return [
        state
        for state in _all(d)
        if d.workers[state.worker].state != "verified" or any(v is not None and v.waits for v in _verdicts_of(state))
    ]


def _verdicts_of(state: UnitState) -> tuple[Verdict | None, Verdict | None]:
    return state.verdict, state.aside


def _all(d: Deployment) -> list[UnitState]:
    return [state for name, state in d.units.items() if not (state.waived or _mute(d, name))]


def _mute(d: Deployment, name: str) -> bool:
    """Tell whether a unit is a verdict that says nothing any more, or, before its reviewer has begun, nothing yet."""
    task = d.reviews.get(name)
    return task is not None and (task.heard or not d.workers[name].attempt)


# --- observations ------------------------------------------------------------------------------------------------


def _sightings(world: World, sessions: Sessions, view: Gathered, live: list[WorkerState]) -> list[Observation]:
    by_mark = {seen.mark: seen for seen in view.listing.seen if seen.mark}
    by_id = {seen.session_id: seen for seen in view.listing.seen}
    found = []
    calls: dict[str, float] = {}
    for worker in live:
        seen = by_mark.get(attempt_id(view.d, worker))
        if seen is None and view.listing.server == view.d.server:
            seen = by_id.get(worker.session_id)  # made by its own launcher, which knows no mark
        observation = _denied(world, view, worker, _sight(world, sessions, view, worker, seen, calls))
        if worker.prompt is not None and observation.session == "running":
            observation = msgspec.structs.replace(
                observation, prompt=prompt_delivery.prompt_fate(world, sessions, view.d, worker)
            )
        found.append(observation)
    found = _working(world, view, found, calls)
    left = [w for w in view.d.workers.values() if w.state == "exited" and w.processes]
    over = {s.worker for s in found if s.session not in ("running", "queued", "unknown")}
    ended = [view.d.workers[name] for name in over] + left
    if not ended:
        return found
    alive = world.machine.marked(attempt_id(view.d, worker) for worker in ended)
    counts = {worker.name: len(alive.get(attempt_id(view.d, worker), ())) for worker in ended}
    left_sightings = [w.observation for w in left if w.observation is not None]
    return [
        _with_processes(s, counts.get(s.worker, 0), view.d.workers[s.worker], view.boot)
        for s in [*found, *left_sightings]
    ]


def _working(world: World, view: Gathered, found: list[Observation], calls: Mapping[str, float]) -> list[Observation]:
    """Tell of those who would be silent whether a tool that they called is at work: then they are not.

    Shape: `calls` has, by worker, since when one has not come back. What was started with the client itself, and
    serves it until its end, is no tool at work.
    Cost: one pass over the processes, where somebody would be silent.
    """
    quiet = [s for s in found if s.worker in calls and _quiet(view, view.d.workers[s.worker], s)]
    if not quiet:
        return found
    signs = {s.worker: attempt_id(view.d, view.d.workers[s.worker]) for s in quiet}
    alive = world.machine.marked(signs.values())
    born = world.machine.born({pid for pids in alive.values() for pid in pids})
    busy = set()
    for name, sign in signs.items():
        claimed = view.marks.get(layout.claim(view.d.host, view.d.workers[name]))
        since = (
            calls[name] - TOOL_CLOCK_LAG_S
            if calls[name]
            else (claimed.mtime_ns / 1e9 if claimed else 0.0) + CLIENT_START_S
        )
        if any(born.get(pid, 0.0) >= since for pid in alive.get(sign, ())):
            busy.add(name)
    return [msgspec.structs.replace(s, working=view.mono) if s.worker in busy else s for s in found]


def _quiet(view: Gathered, worker: WorkerState, observation: Observation) -> bool:
    """Tell whether a worker would be silent by this look."""
    if observation.session != "running" or observation.activity not in ("busy", "unknown") or view.boot != view.d.boot:
        return False
    known = worker.observation is not None and observation.life == worker.life
    return known and (worker.reason == "silent" or view.mono - worker.life_mono >= view.d.plan.stuck.after)


def _with_processes(observation: Observation, count: int, worker: WorkerState, boot: str) -> Observation:
    """Add what outlives the session. A session that is lost while its processes live is no end: they work on.

    Boundary: when the last of these has ended, its wrapper outlives it for a moment, and writes the exit file: one
    look that finds neither decides nothing.
    """
    before = worker.observation
    if observation.session == "lost" and observation.ended_by in ("", "machine"):
        if count:
            why = f"its session is gone, {count} of its processes live on"
            return msgspec.structs.replace(observation, session="running", activity="unknown", why=why, processes=count)
        if before is not None and before.session == "running" and before.processes and worker.boot == boot:
            why = "its last process has ended; no exit status yet"
            return msgspec.structs.replace(observation, session="unknown", why=why, ended_by="", life=worker.life)
    if observation.processes == count:
        return observation
    return msgspec.structs.replace(observation, processes=count)


def _sight(
    world: World,
    sessions: Sessions,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo | None,
    calls: dict[str, float],
) -> Observation:
    harness = world.harness(view.d.plan_of(worker).workers.harness)
    traces = find_transcripts(world, view.d, worker, view.marks) if "record" in harness.reads else Transcripts()
    life = _life(view, worker, seen, harness, traces)
    base = Observation(
        worker=worker.name,
        attempt=worker.attempt,
        session="running",
        refused=_refused(world, view, worker, life),
        session_id=seen.session_id if seen else "",
        pid=seen.pid if seen else 0,
        life=life,
    )
    if layout.exit_file(view.d.host, worker) in view.marks:
        return _exited(world, view, worker, base, harness, traces)
    if worker.boot != view.boot:
        return _over(base, "lost", "the machine was started anew", worker.ending or "machine")
    if view.listing.state == "unknown":
        return msgspec.structs.replace(base, session="unknown", why=view.listing.why, life=worker.life)
    if seen is None:
        return _gone(world, view, worker, base, harness)
    if seen.dead:
        return _dead(worker, base, seen, harness)
    report = _report(world, sessions, view, worker, seen, harness, traces)
    if report.calls:
        calls[worker.name] = report.since
    return _running(base, worker, report, world.clock.now())


def _denied(world: World, view: Gathered, worker: WorkerState, observation: Observation) -> Observation:
    """Add to the reason how many writes were denied to its client, and the last of them."""
    file = layout.denied(view.d.host, worker)
    if file not in view.marks or observation.session not in ("running", "exited", "killed"):
        return observation
    found = [line for line in world.files.tail(file, LIVE_STREAM_BYTES).split(b"\n")[:-1] if line]
    if not found:
        return observation
    last = found[-1].decode(errors="replace").strip('"')
    words = "1 write was" if len(found) == 1 else f"{len(found)} writes were"
    why = f"{words} denied as not its own, the last to {sanitise(last, PATH_CHARS_MAX)}"
    return msgspec.structs.replace(observation, why=f"{observation.why}; {why}" if observation.why else why)


def _running(base: Observation, worker: WorkerState, report: Report, now: datetime) -> Observation:
    """Add what it does. A screen alone is believed when two looks saw the same on it.

    Boundary: a usage limit that names no end gets one when it is first seen.
    """
    shown, until = "", report.until
    if report.activity == "limited" and until is None:
        known = worker.observation
        until = known.until if known is not None and known.activity == "limited" else now + UNNAMED_LIMIT
    if report.source == "screen" and report.activity != "busy":
        shown = f"{report.activity}: {report.why}"
        before = worker.observation
        if before is None or before.attempt != worker.attempt or before.shown != shown:
            report = Report(usage=report.usage, agent_session=report.agent_session)
    return msgspec.structs.replace(
        base,
        activity=report.activity,
        why=report.why,
        until=until if report.activity == "limited" else None,
        fault=report.fault,
        usage=report.usage,
        agent_session=report.agent_session,
        shown=shown,
    )


def _over(base: Observation, session: Session, why: str, ended_by: EndedBy, code: int | None = None) -> Observation:
    return msgspec.structs.replace(base, session=session, why=why, ended_by=ended_by, code=code)


def _exited(
    world: World, view: Gathered, worker: WorkerState, base: Observation, harness: Harness, traces: Transcripts
) -> Observation:
    text = world.files.read(layout.exit_file(view.d.host, worker)).decode("ascii", "replace").strip()
    if not text.isdigit():
        return _over(base, "exited", f"its exit file holds {text[:20]!r}", worker.ending or "")
    code = int(text)
    now = world.clock.now()
    evidence = _evidence(view, world, worker, ENDED_STREAM_BYTES, traces)
    said = harness.ending(evidence, code, now) if code or harness.reads else Report()
    signal = code - 128 if code - 128 in DEADLY_SIGNALS else 0
    status = f"ended by signal {signal}" if signal else f"exit status {code}"
    limited = said.activity == "limited" and not worker.ending
    over = _over(
        base,
        "killed" if signal else "exited",
        f"{status}: {said.why}" if said.why else status,
        "limit" if limited else worker.ending or "itself",
        code,
    )
    return msgspec.structs.replace(
        over,
        until=(said.until or now + UNNAMED_LIMIT) if limited else None,
        fault=said.fault,
        usage=said.usage,
        agent_session=said.agent_session,
    )


def _gone(world: World, view: Gathered, worker: WorkerState, base: Observation, harness: Harness) -> Observation:
    if view.listing.state == "down" and view.d.server and world.machine.alive(int(view.d.server.partition(":")[0])):
        why = f"no answer on {view.d.host.socket}, though its tmux server lives"
        return msgspec.structs.replace(base, session="unknown", why=why, life=worker.life)
    if harness.adopts:
        return _over(base, "exited", "its session is gone; its exit status is unknown", worker.ending or "itself")
    if view.listing.server != view.d.server:
        return _over(base, "lost", "its tmux server is gone", worker.ending or "machine")
    why = "its session was ended" if worker.ending else "its session was ended from outside"
    return _over(base, "lost", why, worker.ending or "")


def _dead(worker: WorkerState, base: Observation, seen: SessionInfo, harness: Harness) -> Observation:
    if harness.adopts:
        return _over(base, "exited", "its program has ended", worker.ending or "itself", seen.code)
    if seen.code is None and not seen.signal and worker.unknowns == 0:
        # The status may still be on its way, and the exit file with it.
        return msgspec.structs.replace(base, session="unknown", why="ended; no status yet", life=worker.life)
    if seen.code is not None:
        return _over(base, "exited", f"exit status {seen.code}, no exit file", worker.ending or "itself", seen.code)
    why = f"its wrapper was ended by signal {seen.signal}" if seen.signal else "ended without a status"
    return _over(base, "killed", why, worker.ending or "")


def _report(
    world: World,
    sessions: Sessions,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo,
    harness: Harness,
    traces: Transcripts,
) -> Report:
    """Have the harness read the evidence; what costs more is read when what costs less tells nothing.

    Shape: what was used, where a whole record tells it, is read when the client rests.
    """
    if not harness.reads:
        return Report()
    now = world.clock.now()
    evidence = _evidence(view, world, worker, LIVE_STREAM_BYTES, traces) if "stream" in harness.reads else Evidence()
    report = harness.report(evidence, now)
    if "screen" in harness.reads and report.source in ("", "record"):
        # Gone since the listing, or slow: the next look tells.
        with suppress(ProgramError, UnknownNameError):
            evidence = msgspec.structs.replace(evidence, screen=sessions.capture(seen.session_id, SCREEN_ROWS))
            report = harness.report(evidence, now)
    if report.activity != "busy" and evidence.record and not evidence.recorded and traces.record is not None:
        used = harness.report(_recorded(world, evidence, traces.record, TRANSCRIPT_BYTES_MAX), now).usage
        report = msgspec.structs.replace(report, usage=used)
    if report.usage is None and worker.observation is not None and worker.observation.attempt == worker.attempt:
        report = msgspec.structs.replace(report, usage=worker.observation.usage)
    return report


def _evidence(view: Gathered, world: World, worker: WorkerState, size: int, traces: Transcripts) -> Evidence:
    """Read the files that tell of an attempt. What an interactive session's pane printed is no stream of events."""
    interactive = view.d.plan_of(worker).workers.mode == "interactive"
    stream, hook = layout.stream(view.d.host, worker), layout.hook(view.d.host, worker)
    mark, heard = view.marks.get(stream), view.marks.get(hook)
    evidence = Evidence(
        stream=b"" if interactive and size == LIVE_STREAM_BYTES else world.files.tail(stream, size),
        hook=world.files.tail(hook) if heard is not None else b"",
        whole=mark is not None and mark.size <= size,
        state=traces.state,
        heard=heard.mtime_ns / 1e9 if heard is not None else 0.0,
    )
    if traces.record is None:
        return evidence
    return _recorded(
        world, evidence, traces.record, LIVE_STREAM_BYTES if size == LIVE_STREAM_BYTES else TRANSCRIPT_BYTES_MAX
    )


def _recorded(world: World, evidence: Evidence, record: FileFingerprint, size: int) -> Evidence:
    data = world.files.tail(record.path, size)
    return msgspec.structs.replace(evidence, record=data, recorded=record.size <= size)


def _refused(world: World, view: Gathered, worker: WorkerState, life: str) -> tuple[str, ...]:
    """Give the paths that its output says it may not write to, and this process may: those were kept from it.

    Shape: those of the looks before come first. Boundary: what it does not print is not known. Cost: the end of its
    stream is read, in print mode only when there is a new sign of life.
    """
    before = (
        worker.observation if worker.observation is not None and worker.observation.attempt == worker.attempt else None
    )
    known = before.refused if before is not None else ()
    stream = layout.stream(view.d.host, worker)
    if view.d.host.confinement is None or stream not in view.marks or len(known) >= REFUSALS_KEPT_MAX:
        return known
    over = layout.exit_file(view.d.host, worker) in view.marks
    mode = view.d.plan_of(worker).workers.mode
    if before is not None and before.life == life and mode == "print" and not over:
        return known
    text = unescaped(
        world.files.tail(stream, ENDED_STREAM_BYTES if over else LIVE_STREAM_BYTES).decode("utf-8", "replace")
    )
    own = confinement.places(view.d, worker, stream=True)
    fresh = (path for path in refusals(text, view.d.host.root, own) if path not in known and world.files.writable(path))
    return (*known, *fresh)[:REFUSALS_KEPT_MAX]


def _life(view: Gathered, worker: WorkerState, seen: SessionInfo | None, harness: Harness, traces: Transcripts) -> str:
    """Fingerprint the signs of life. Boundary: "" until the wrapper has claimed the attempt, or a file came."""
    signs = [view.marks.get(layout.claim(view.d.host, worker)), view.marks.get(layout.hook(view.d.host, worker))]
    if not (harness.redraws and view.d.plan_of(worker).workers.mode == "interactive"):
        signs.append(view.marks.get(layout.stream(view.d.host, worker)))
    for name in worker.units:
        signs += [view.marks.get(layout.made(view.d, worker, path)) for path in view.d.units[name].unit.outputs]
    if traces.record is not None:
        signs += [traces.record, *traces.beside]
    if not any(signs) and not (harness.adopts and seen):
        return ""
    stirred = seen.activity if seen is not None and not harness.redraws else 0.0
    return blake2b(repr((signs, stirred)).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()


# --- verdicts -------------------------------------------------------------------------------------------------


def _verdicts(
    world: World,
    view: Gathered,
    units: Iterable[UnitState],
    over: set[str],
    checked: Mapping[str, CheckResult],
    pending: list[Unchecked],
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for state in units:
        worker = view.d.workers[state.worker]
        named = _named(view, state.unit)
        marks = tuple(named[path] for path in state.unit.outputs if path in named)
        whole = len(marks) == len(state.unit.outputs)
        if not whole and not worker.ended and worker.name not in over and not state.done:
            continue  # still being made
        if state.verdict is not None and state.verdict.marks == marks and not state.verdict.waits:
            continue  # judged, on these very files
        if state.unit.name in view.d.reviews:
            verdict = _opinion(world, view, state, marks)
            if verdict != state.verdict:
                verdicts.append(verdict)
            continue
        facts = Facts(
            marks={path: mark for path, mark in named.items() if path in state.unit.outputs},
            before={path: view.d.before[path] for path in state.unit.outputs if path in view.d.before},
            parsed=_parsed(
                world, view.d.plan, {path: layout.absolute(view.d.host, path) for path in named}, state, named
            ),
            input=named.get(state.unit.input) if state.unit.input is not None else None,
            installed=state.installed if view.d.plan.workers.stage else None,
        )
        verdict = _judged(view.d, Unchecked(state.unit, marks, worker), facts, checked, pending)
        if verdict != state.verdict:
            verdicts.append(verdict)
    return verdicts


# --- what was made aside --------------------------------------------------------------------------------------


def _aside(
    world: World,
    view: Gathered,
    units: Iterable[UnitState],
    observations: Iterable[Observation],
    checked: Mapping[str, CheckResult],
    pending: list[Unchecked],
) -> list[Verdict]:
    """Judge what the present attempts have made in their stages or trees: as any output, but for what follows.

    Shape: a file that somebody has open for writing is still being made. A worker that was cut off may not have
    finished what was not seen to be so before. A link is none of its files.
    """
    if not view.d.plan.workers.aside:
        return []
    ends = {seen.worker: seen for seen in observations}
    verdicts: list[Verdict] = []
    for state in units:
        worker, known = view.d.workers[state.worker], state.aside
        if not worker.attempt or worker.intent or worker.review:
            continue
        seen = ends.get(worker.name, worker.observation)
        over = worker.ended or (seen is not None and seen.session in ("exited", "killed", "lost"))
        places = {path: layout.made(view.d, worker, path) for path in state.unit.outputs}
        named = {
            path: msgspec.structs.replace(view.marks[place], path=path)
            for path, place in places.items()
            if place in view.marks
        }
        marks = tuple(named.values())
        if not named and known is None and not (over and view.d.host.repository):
            continue
        if not over and (len(marks) < len(places) or world.files.writing(places.values())):
            continue  # still being made
        foreign = _foreign(view, state)
        if known is not None and (known.marks, known.foreign) == (marks, foreign) and not known.waits:
            continue
        clean = seen is not None and seen.session == "exited" and seen.code in (0, None)
        source = None if state.unit.input is None else view.marks.get(layout.read(view.d, worker, state.unit.input))
        facts = Facts(
            marks=named,
            before={path: view.d.before[path] for path in state.unit.outputs if path in view.d.before},
            parsed=_parsed(world, view.d.plan, places, state, named),
            input=source,
            cut=over and not clean and (known is None or known.marks != marks),
            astray=_astray(world, view.d, worker, {path: places[path] for path in named}),
        )
        verdict = _judged(view.d, Unchecked(state.unit, marks, worker, aside=True), facts, checked, pending)
        verdict = msgspec.structs.replace(verdict, foreign=foreign)
        if verdict != known:
            verdicts.append(verdict)
    return verdicts


def _foreign(view: Gathered, state: UnitState) -> tuple[FileFingerprint, ...]:
    """Give what stands in the places of a unit's outputs and was neither there at first nor installed since."""
    if not view.d.plan.workers.stage:
        return ()
    ours = {**view.d.before, **state.installed}
    found = _named(view, state.unit)
    return tuple(found[path] for path in state.unit.outputs if path in found and found[path] != ours.get(path))


def _astray(world: World, d: Deployment, worker: WorkerState, places: Mapping[str, str]) -> frozenset[str]:
    """Give the outputs that are symlinks, or are reached by one, within the worker's stage or tree."""
    (root,) = layout.writable(d, worker, ())
    real = world.files.resolve([root, *places.values()])
    return frozenset(
        path
        for path, place in places.items()
        if (inside := layout.within(place, root)) is not None and real[place] != posixpath.join(real[root], inside)
    )


def outputs(unit: Unit, marks: Mapping[str, FileFingerprint], places: Mapping[str, str]) -> tuple[FileFingerprint, ...]:
    """Give the marks of a unit's outputs as its verdict holds them: in its order, by the paths that it uses.

    Shape: `marks` go by where each output lies, which `places` tells.
    """
    there = ((path, marks.get(places[path])) for path in unit.outputs)
    return tuple(msgspec.structs.replace(mark, path=path) for path, mark in there if mark is not None)


def _named(view: Gathered, unit: Unit) -> dict[str, FileFingerprint]:
    found = {}
    for path in _files(unit):
        mark = view.marks.get(layout.absolute(view.d.host, path))
        if mark is not None:
            found[path] = mark if mark.path == path else msgspec.structs.replace(mark, path=path)
    return found


def _judged(
    d: Deployment, about: Unchecked, facts: Facts, checked: Mapping[str, CheckResult], pending: list[Unchecked]
) -> Verdict:
    """Judge a unit; where it passes but for a verify command that has not run on these files, note that it waits."""
    verify, result = d.plan.verify, checked.get(about.key)
    verdict = judge(about.unit, verify, facts)
    if not verify.command or not verdict.passed:
        return verdict
    if result is None or result.marks != about.marks:
        pending.append(about)
        # Said, so that neither an old verdict nor none speaks for files that nothing has checked.
        return Verdict(unit=about.unit.name, problems=(UNCHECKED,), marks=about.marks, waits=True)
    return judge(about.unit, verify, msgspec.structs.replace(facts, check=result.check))


def _opinion(world: World, view: Gathered, state: UnitState, marks: tuple[FileFingerprint, ...]) -> Verdict:
    """Judge a reviewer's verdict."""
    unit = state.unit
    problem, rejects = _said(world, view, unit, marks, view.d.reviews[unit.name].units)
    facts = Facts(
        marks={mark.path: mark for mark in marks},
        before={path: view.d.before[path] for path in unit.outputs if path in view.d.before},
        parsed={unit.outputs[0]: problem},
    )
    verify = view.d.plan_of(view.d.workers[state.worker]).verify
    return msgspec.structs.replace(judge(unit, verify, facts), rejects=rejects)


def _said(
    world: World, view: Gathered, unit: Unit, marks: tuple[FileFingerprint, ...], units: tuple[str, ...]
) -> tuple[str, tuple[Rejection, ...]]:
    """Read a reviewer's verdict, if there is one: what is wrong with it, and whom it rejects."""
    if not marks:
        return "", ()
    try:
        data = world.files.read(layout.absolute(view.d.host, unit.outputs[0]), review.VERDICT_BYTES_MAX)
    except StorageError as fault:
        return sanitise(f"cannot be read: {fault}", 200), ()
    return review.read(data, units)


def _parsed(
    world: World, plan: Plan, places: Mapping[str, str], state: UnitState, named: Mapping[str, FileFingerprint]
) -> dict[str, str]:
    verify = plan.verify
    if verify.parse == "none":
        return {}
    found = {}
    for path in state.unit.outputs:
        if path in named and named[path].size >= max(1, verify.min_bytes):
            try:
                found[path] = parse(verify.parse, world.files.read(places[path]))
            except StorageError as fault:
                found[path] = sanitise(f"cannot be read: {fault}", 200)
    return found
