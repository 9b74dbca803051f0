"""One observation: the phase and activity of each attempt, and verdicts on outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from posixpath import dirname
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.digests import blake2b
from wakeman.core.errors import ProgramError, StorageError, UnknownNameError
from wakeman.core.gate import whole_number
from wakeman.core.log import events as e
from wakeman.core.model import (
    ANSWERED,
    BARRING,
    Deployment,
    Dialog,
    EndedBy,
    FileFingerprint,
    Meaning,
    Observation,
    Session,
    UnitState,
    Verdict,
    WorkerState,
    attempt_id,
)
from wakeman.core.policy.attempts import END_TRIES_MAX
from wakeman.core.policy.freshness import awaits_launch
from wakeman.core.text import sanitise, unescaped
from wakeman.engine import layout
from wakeman.engine.live import clock_of
from wakeman.engine.observe import calm
from wakeman.engine.observe.containment import (
    Mishap,
    Mishaps,
    ScreenUnreadError,
    Unheard,
    being_ended,
    loggable,
    unknown,
    without_unjudged,
)
from wakeman.engine.observe.judgement import ENDED, Basis, Findings, Waiting, judge_all, judge_shared
from wakeman.engine.observe.transcripts import Transcripts, find_transcripts
from wakeman.engine.workspace import OutputLocation, Workspace, workspace
from wakeman.ports import DialogReader, Evidence, Executor, Listing, Reader, Report, SessionInfo, World

if TYPE_CHECKING:
    from wakeman.engine.observe.recall import Recall, Touched

LIVE_STREAM_BYTES = 64 * 1024
ENDED_STREAM_BYTES = 4 * 1024 * 1024
"""Bytes that are read from the end of an ended attempt's stream; fewer of a live one."""
LEFT_OUT = rb"\n\[wakeman: [0-9]+ bytes left out\]\n"
"""What `keep.sh` writes in place of the middle of a stream."""
TRANSCRIPT_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of a client's transcript that are read for its usage; a longer one gives none."""
PLACED_UNITS_MAX = 10_000
"""Units at most whose places are known at once, where all are judged."""
EXIT_FILE_BYTES_MAX = 64
"""Bytes of an exit file that are read."""
STATUS_MAX = 255
"""The largest exit status."""
PATH_CHARS_MAX = 200
"""Characters of a path that a reason quotes."""
TOOL_CLOCK_LAG_S = 1.0
"""Seconds by which a tool's process may seem older than its call, as two clocks are compared."""
UNNAMED_LIMIT = timedelta(minutes=15)
"""Duration assumed of a usage limit that names no reset."""
FROM_OUTSIDE = frozenset(("machine", "time", "person"))
"""Who may end a session in its place; the exit status alone says nothing of them."""
DEADLY_SIGNALS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 31})
"""Signals that end a process; with another number, a status above 128 is the program's own."""


class Screens:
    """The screens of one observation: all that its looks need are read in few calls."""

    def __init__(self, executor: Executor) -> None:
        self._terminal = executor.terminal
        self._fetched = False
        self._wanted: dict[tuple[str, str], None] = {}
        self._shown: dict[tuple[str, str], str] = {}

    def of(self, session: str, mark: str) -> str:
        """Return what the screen of a session shows.

        Raises: as `Terminal.capture`; ScreenUnreadError before `fetch`.
        """
        if self._terminal is None:
            raise UnknownNameError(f"{session}: has no terminal")
        if not self._fetched:
            self._wanted[session, mark] = None
            raise ScreenUnreadError
        if (session, mark) in self._shown:
            return self._shown[session, mark]
        from wakeman.engine.terminals import SCREEN_ROWS

        return self._terminal.capture(session, SCREEN_ROWS, mark=mark)

    def fetch(self) -> None:
        """Read those that were asked for. Boundary: one that cannot be read is asked for alone, which says why."""
        from wakeman.engine.terminals import SCREEN_ROWS, many_screens

        self._fetched = True
        if self._terminal is not None:
            texts = many_screens(self._terminal, list(self._wanted), SCREEN_ROWS)
            self._shown = {key: text for key, text in zip(self._wanted, texts, strict=True) if text is not None}


class Gathered(Struct, frozen=True):
    """Raw evidence of one observation. `begun` are the attempts that have begun and have no exit file yet."""

    d: Deployment
    listing: Listing
    begun: AbstractSet[str]
    marks: Mapping[str, FileFingerprint]
    boot: str
    mono: float
    screens: Screens
    recall: Recall | None


def observe(world: World, d: Deployment, findings: Findings, mishaps: Mishaps) -> tuple[e.Looked, list[Waiting]]:
    """Observe once; return what changed since the last time, and the units that wait for their files to be parsed,
    or for the verify command.

    Shape: `mishaps` gets unexpected errors; the workers concerned are unknown.
    Cost: one listing of sessions (none while no worker is alive), a stat per file in question, a read per file
    that changed.
    """
    live = [worker for worker in d.begun if worker.live]
    executor = world.executor(d.host)
    listing = (
        executor.poll({worker.session_id: d.server for worker in live})
        if live
        else Listing(state="down", why="not looked: no worker is alive")
    )
    recall = findings.recall
    touched = recall.touched(world, d, live, listing) if recall is not None else None
    if touched is not None:
        live = [worker for worker in live if worker.name not in touched.unchanged]
    units = _watched_units(d, touched)
    listed = _listed_attempts(world, d, executor) if live else ()
    begun = frozenset(listed)
    follows = bool(live) and recall is None and calm.follows(world, d)
    placed = () if follows else _with_locations(d, units)
    paths = _final_paths(d, units) if follows else _paths_to_stat(placed)
    clock = clock_of(world, d)
    boot = clock.boot()
    marks = findings.marks = world.files.marks([*_reports(world, d, live, listing, begun), *paths])
    saw = calm.sight_fingerprint(d, boot, listing, listed, marks) if follows else ""
    mono = clock.mono()
    if saw and saw == calm.recalled(world, d):
        findings.calm = saw
        return _looked(world, d, listing, boot, mono, ()), []
    watched = placed or _with_locations(d, units)
    view = Gathered(
        d=d,
        listing=listing,
        begun=begun,
        marks=marks,
        boot=boot,
        mono=mono,
        screens=Screens(executor),
        recall=recall,
    )
    observations = _without_keys(world, d, _sightings(world, executor, view, live, mishaps))
    over = {s.worker for s in observations if s.session in ENDED}
    basis = Basis(world, d, view.marks, {seen.worker: seen for seen in observations}, findings)
    if not d.pending and all(worker.ended or worker.name in over for worker in d.begun):
        # A unit cannot become done if it was missing in the last observation.
        verdicts, waiting = _judge_everything(basis, mishaps)
    else:
        verdicts, waiting = judge_all([each for each in watched if not each[1].staged], basis, mishaps)
    staged, more = judge_all([each for each in watched if each[1].staged], basis, mishaps)
    verdicts += judge_shared(basis, verdicts, mishaps)
    observations = without_unjudged(d, observations, mishaps.unjudged)
    if recall is not None:
        recall.keep([*verdicts, *staged], [*waiting, *more])
    findings.calm = saw if not basis.judged and calm.rests(d, live, observations) else ""
    looked = _looked(world, d, listing, boot, mono, observations)
    return msgspec.structs.replace(looked, verdicts=verdicts, staged=staged), [*waiting, *more]


def _judge_everything(basis: Basis, mishaps: Mishaps) -> tuple[tuple[Verdict, ...], list[Waiting]]:
    """Judge all units where their outputs are final, some at a time: places and marks of all take as much memory as
    all else that is known of them."""
    d, known = basis.d, basis.marks
    units = _to_judge(d, d.units.values())
    verdicts: list[Verdict] = []
    waiting: list[Waiting] = []
    for at in range(0, len(units), PLACED_UNITS_MAX):
        placed = [each for each in _with_locations(d, units[at : at + PLACED_UNITS_MAX]) if not each[1].staged]
        rest = set(_paths_to_stat(placed)) - known.keys()
        basis.marks = {**known, **basis.world.files.marks(rest)}
        news, some = judge_all(placed, basis, mishaps)
        verdicts += news
        waiting += some
    basis.marks = known
    return tuple(verdicts), waiting


def _looked(
    world: World, d: Deployment, listing: Listing, boot: str, mono: float, observations: Iterable[Observation]
) -> e.Looked:
    """Return a look without verdicts: what has changed of some workers, and what does not depend on them."""
    validators = None
    if d.plan.cleanup.sweep and listing.state == "up":
        from wakeman.engine.observe.side_sessions import found

        validators = found(world, d, listing.seen)
    return e.Looked(
        mono=mono,
        boot=boot,
        observations=tuple(s for s in observations if s != d.workers[s.worker].observation),
        memory=world.machine.free_memory(),
        validators=validators if validators != d.validators else None,
        server=listing.server,
        keys=_fingerprint_of_keys(world, d) if _refused_keys(d, observations) else "",
    )


def _refused_keys(d: Deployment, observations: Iterable[Observation]) -> bool:
    return bool(d.barred) or any(seen.fault in BARRING for seen in observations)


def _meaning(said: str) -> Meaning:
    """Return what last words mean; most checks read none."""
    if not said:
        return ""
    from wakeman.core.policy.last_words import sense_of

    return sense_of(said)


def _fingerprint_of_keys(world: World, d: Deployment) -> str:
    from wakeman.engine.attempt.secrets import keys_fingerprint

    return keys_fingerprint(world, d)


def _without_keys(world: World, d: Deployment, observations: Iterable[Observation]) -> list[Observation]:
    """Remove keys from all that was read. Cost: the file of keys is read only if there is any text."""
    seen = list(observations)
    if not any(each.why or each.shown or each.said or each.dialog for each in seen):
        return seen
    from wakeman.engine.attempt.secrets import redactor

    redact = redactor(world, d)
    return [_redacted_observation(each, redact) for each in seen]


def _redacted_observation(observation: Observation, redact: Callable[[str], str]) -> Observation:
    """Remove keys from text of screens, streams and hooks."""
    why, shown, said = redact(observation.why), redact(observation.shown), redact(observation.said)
    dialog = observation.dialog
    if dialog is not None:
        choices = tuple(msgspec.structs.replace(each, label=redact(each.label)) for each in dialog.choices)
        dialog = msgspec.structs.replace(dialog, asks=redact(dialog.asks), choices=choices)
    if (why, shown, said, dialog) == (observation.why, observation.shown, observation.said, observation.dialog):
        return observation
    return msgspec.structs.replace(observation, why=why, shown=shown, said=said, dialog=dialog)


def _listed_attempts(world: World, d: Deployment, executor: Executor) -> Sequence[str]:
    """Return the attempts that have begun and have no exit file yet, as far as that is known. Cost: one listing.

    Boundary: of an attempt that an earlier version's wrapper runs nothing is known. Nor is it where a session outlives
    this machine, and so is elsewhere: what another host has removed may still be listed here.
    """
    if executor.outlives_boot:
        return ()
    with suppress(StorageError):
        return world.files.names(layout.inside(d.host, layout.BEGUN))
    return ()


def _reports(
    world: World, d: Deployment, live: Iterable[WorkerState], listing: Listing, begun: AbstractSet[str]
) -> Iterator[str]:
    """Yield the files that report on attempts in progress.

    Boundary: no exit file is looked for of an attempt that is listed as begun while its session runs; whatever else
    may have become of both, the file itself is asked.
    """
    host, silent = d.host, calm.is_silent(world)
    runs = {seen.session_id for seen in listing.seen if seen.phase == "running"}
    for worker in live:
        plan = d.plan_of(worker).workers
        mute, known = silent and plan.harness == calm.MUTE, _attempt_name(worker) in begun
        if not known or worker.session_id not in runs:
            yield layout.exit_file(host, worker)
        if not (known and mute):
            yield layout.claim(host, worker)
        yield layout.stream(host, worker)
        if not mute:
            yield layout.denied(host, worker)
        if plan.mode == "interactive":
            yield layout.hook(host, worker)
            yield layout.trail(host, worker)


def _attempt_name(worker: WorkerState) -> str:
    return f"{worker.name}.{worker.attempt}"


def _claim_mark(world: World, view: Gathered, worker: WorkerState) -> FileFingerprint | None:
    """Return the mark of an attempt's claim. Cost: a stat, where the look had none of it."""
    file = layout.claim(view.d.host, worker)
    return view.marks.get(file) or world.files.marks([file]).get(file)


def _with_locations(d: Deployment, units: Iterable[UnitState]) -> list[tuple[UnitState, OutputLocation]]:
    spaces: dict[str, Workspace] = {}
    placed = []
    for unit in units:
        space = spaces.get(unit.worker)
        if space is None:
            space = spaces[unit.worker] = workspace(d, d.workers[unit.worker])
        placed += [(unit, place) for place in space.places(unit)]
    return placed


def _final_paths(d: Deployment, units: Iterable[UnitState]) -> Iterator[str]:
    """Yield the files of units whose outputs are made in place."""
    for state in units:
        for path in state.unit.outputs:
            yield layout.absolute(d.host, path)
        if state.unit.input is not None:
            yield layout.absolute(d.host, state.unit.input)


def _paths_to_stat(placed: Iterable[tuple[UnitState, OutputLocation]]) -> Iterator[str]:
    for _, place in placed:
        yield from place.outputs.values()
        if place.input is not None:
            yield place.input


def _watched_units(d: Deployment, touched: Touched | None) -> list[UnitState]:
    """Return the units to stat in every observation: of workers that have begun and are not verified, and those being
    judged or reviewed; in the order of enrolment."""
    workers, partly = d.begun, touched.partly if touched is not None else {}
    if touched is not None:
        workers = [worker for worker in workers if worker.name not in touched.unchanged]
    if d.in_question is None or d.scattered:
        names = {worker.name for worker in workers}
        units = [state for state in d.units.values() if state.worker in names]
        if partly:
            units = [s for s in units if s.worker not in partly or s.unit.name in partly[s.worker]]
    else:
        units = [d.units[name] for worker in workers for name in _in_order(worker, partly.get(worker.name))]
    return [state for state in _to_judge(d, units) if _is_watched(d, d.workers[state.worker], state)]


def _in_order(worker: WorkerState, some: AbstractSet[str] | None) -> Iterable[str]:
    """Return a worker's units, or some of them, in the order of its share."""
    if some is None:
        return worker.units
    return some if len(some) == 1 else [name for name in worker.units if name in some]


def _is_watched(d: Deployment, worker: WorkerState, state: UnitState) -> bool:
    match worker.state:
        case "pending":
            return not awaits_launch(d, state)  # until then nothing at its outputs counts
        case "verified":
            return any(verdict is not None and verdict.waits for verdict in (state.verdict, state.staged))
        case _:
            return True


def _to_judge(d: Deployment, units: Iterable[UnitState]) -> list[UnitState]:
    mute = {name for name in d.reviews if _mute(d, name)}
    return [state for state in units if not (state.waived or state.unit.name in mute)]


def _mute(d: Deployment, name: str) -> bool:
    """Return whether a unit is a verdict that was applied, or whose reviewer has not begun."""
    return d.reviews[name].heard or not d.workers[name].attempt


# --- observations ------------------------------------------------------------------------------------------------


def _sightings(
    world: World, executor: Executor, view: Gathered, live: list[WorkerState], mishaps: Mishaps
) -> list[Observation]:
    find = view.listing.finder()
    calls: dict[str, float] = {}

    def look_at(worker: WorkerState) -> Observation:
        seen = find(worker.session_id, attempt_id(view.d, worker))
        return _contained(partial(_observed, world, executor, view, worker, seen, calls), view.d, worker, mishaps)

    looks: dict[str, Observation] = {}
    unread = []
    for worker in live:
        try:
            looks[worker.name] = look_at(worker)
        except ScreenUnreadError:
            unread.append(worker)
    if unread:
        view.screens.fetch()
        looks.update((worker.name, look_at(worker)) for worker in unread)
    found = [looks[worker.name] for worker in live]
    found = _working(world, view, found, calls)
    found = _in_background(world, view, found)
    left = [w for w in view.d.unsettled if w.state == "exited" and w.processes]
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


def _contained(
    look: Callable[[Reader | None], Observation], d: Deployment, worker: WorkerState, mishaps: Mishaps
) -> Observation:
    """Observe one worker; after an unexpected error it is unknown, unless its end was requested."""
    seen = mishaps.contain(worker.name, partial(look, None))
    if isinstance(seen, Mishap) and being_ended(d, worker):
        plain = mishaps.contain(worker.name, partial(look, Unheard()))
        seen = seen if isinstance(plain, Mishap) else plain
    return unknown(worker, seen) if isinstance(seen, Mishap) else seen


def _observed(
    world: World,
    executor: Executor,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo | None,
    calls: dict[str, float],
    reader: Reader | None,
) -> Observation:
    """Look at one worker; what its client says is read by `reader`, or by the harness of the plan."""
    calls.pop(worker.name, None)
    harness = reader or world.harness(view.d.plan_of(worker).workers.harness)
    observation = _with_denials(world, view, worker, _sight(world, executor, view, worker, seen, calls, harness))
    if worker.prompt and observation.session == "running":
        from wakeman.engine.attempt import prompt_delivery

        fate = prompt_delivery.prompt_fate(world, view.d, worker, view.screens.of)
        observation = msgspec.structs.replace(observation, prompt=fate)
    return observation if observation == worker.observation else loggable(observation)


def _working(world: World, view: Gathered, found: list[Observation], calls: Mapping[str, float]) -> list[Observation]:
    """Mark a quiet worker as busy while a tool it called is still running, or its client tries again by itself.

    Shape: `calls` has, by worker, since when a call has not returned. A process that was started together with the
    client, and runs as long, is no tool. Cost: one pass over the processes, if a worker is quiet.
    """
    quiet = [s for s in found if _quiet(view, view.d.workers[s.worker], s)]
    retrying = {s.worker for s in quiet if s.retries}
    found = [msgspec.structs.replace(s, working=view.mono) if s.worker in retrying else s for s in found]
    quiet = [s for s in quiet if s.worker in calls and s.worker not in retrying]
    if not quiet:
        return found
    from wakeman.engine.observe.background import CLIENT_START_S

    signs = {s.worker: attempt_id(view.d, view.d.workers[s.worker]) for s in quiet}
    alive = world.machine.marked(signs.values())
    born = world.machine.born({pid for pids in alive.values() for pid in pids})
    busy = set()
    for name, sign in signs.items():
        claimed = _claim_mark(world, view, view.d.workers[name])
        since = (
            calls[name] - TOOL_CLOCK_LAG_S
            if calls[name]
            else (claimed.mtime_ns / 1e9 if claimed else 0.0) + CLIENT_START_S
        )
        if any(born.get(pid, 0.0) >= since for pid in alive.get(sign, ())):
            busy.add(name)
    return [msgspec.structs.replace(s, working=view.mono) if s.worker in busy else s for s in found]


def _in_background(world: World, view: Gathered, found: list[Observation]) -> list[Observation]:
    """Mark an idle worker as busy in the background while a process that it started is alive.

    Cost: one pass over the processes, if a worker is idle.
    """
    idle = {s.worker: attempt_id(view.d, view.d.workers[s.worker]) for s in found if s.activity == "idle"}
    if not idle:
        return found
    from wakeman.engine.observe.background import work_of

    alive = world.machine.marked(idle.values())
    known = world.machine.kin({pid for pids in alive.values() for pid in pids})
    now = world.clock.now().timestamp()
    works = {}
    for name, sign in idle.items():
        claimed = _claim_mark(world, view, view.d.workers[name])
        own = {pid: known[pid] for pid in alive.get(sign, ()) if pid in known}
        if count := len(work_of(own, claimed.mtime_ns / 1e9 if claimed else 0.0, now)):
            works[name] = "a process that it started runs" if count == 1 else f"{count} processes that it started run"
    return [
        msgspec.structs.replace(s, activity="busy", background=True, why=works[s.worker], said="", means="")
        if s.worker in works
        else s
        for s in found
    ]


def _quiet(view: Gathered, worker: WorkerState, observation: Observation) -> bool:
    """Return whether a worker would count as silent by this observation."""
    if observation.session != "running" or observation.activity not in ("busy", "unknown") or view.boot != view.d.boot:
        return False
    known = worker.observation is not None and observation.life == worker.life
    return known and (worker.reason == "silent" or view.mono - worker.life_mono >= view.d.plan.stuck.after)


def _with_processes(observation: Observation, count: int, worker: WorkerState, boot: str) -> Observation:
    """Add processes that outlive the session. A session lost while its processes live is not the end: they continue.

    Boundary: after the last process the wrapper lives for a moment and writes the exit file: an observation that finds
    neither decides nothing.
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
    executor: Executor,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo | None,
    calls: dict[str, float],
    harness: Reader,
) -> Observation:
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
        host=seen.host if seen else "",
    )
    if layout.exit_file(view.d.host, worker) in view.marks:
        over = _exited(world, view, worker, base, harness, traces, lambda: _last_screen(view, seen))
        return _with_cause(over, seen)
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
    report, said, dialog = _harness_report(world, view, worker, seen, harness, traces, still=still)
    if report.calls:
        calls[worker.name] = float(report.since)
    if report.given and view.d.plan_of(worker).workers.mode != "print":
        report = msgspec.structs.replace(report, given=False)  # it waits for what is typed next
    running = _running(base, worker, report, said, world.clock.now())
    return msgspec.structs.replace(running, dialog=dialog if running.activity == "waiting" else None)


def _with_cause(over: Observation, seen: SessionInfo | None) -> Observation:
    """Name who ended a program that left a status, where the place says so: its host failed, its time was over.

    Boundary: one that ended with status 0 did so itself.
    """
    if seen is None or seen.ended_by not in FROM_OUTSIDE or over.ended_by != "itself" or not over.code:
        return over
    return msgspec.structs.replace(over, ended_by=seen.ended_by, why=f"{over.why}; {seen.why}")


def _out_of_reach(world: World, view: Gathered, worker: WorkerState, base: Observation, why: str) -> Observation:
    """Return the observation of a session whose server lives and cannot be reached: nothing can be told of it.

    Boundary: once its end was asked for in every way, and no process of it lives, it is over: so `down` ends.
    """
    if worker.ends >= END_TRIES_MAX and not world.machine.marked([attempt_id(view.d, worker)]):
        return _ended_session(base, "lost", f"{why}; it was ended, and no process of it lives", worker.ending)
    return msgspec.structs.replace(base, session="unknown", why=why, life=worker.life)


def _with_denials(world: World, view: Gathered, worker: WorkerState, observation: Observation) -> Observation:
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
    evidence = _evidence(view, world, worker, ENDED_STREAM_BYTES, traces)
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
    said = _said_last(harness, evidence)
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
    why = "its session was ended" if worker.ending else "its session was ended from outside"
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


def _harness_report(
    world: World,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo,
    harness: Reader,
    traces: Transcripts,
    *,
    still: bool,
) -> tuple[Report, str, Dialog | None]:
    """Return the harness's reading of the evidence, the client's last words if it rests, and what its screen asks if it
    waits; costly evidence is read only if the cheap says nothing, or rest.

    Shape: `still`: there was no sign of life since the last observation, so a busy client may be refused and try again,
    which only its screen shows. Usage that only a whole transcript shows is read while the client is not busy.
    """
    if not harness.reads:
        return Report(), "", None
    now = world.clock.now()
    evidence = _evidence(view, world, worker, LIVE_STREAM_BYTES, traces) if "stream" in harness.reads else Evidence()
    report = harness.report(evidence, now)
    told = {"": True, "record": True, "state": report.activity == "waiting"}
    unsure = told.get(report.source) or report.activity == "idle" or (still and report.activity == "busy")
    if "screen" in harness.reads and unsure:
        # Gone since the listing, or slow: the next observation decides.
        with suppress(ProgramError, UnknownNameError):
            evidence = msgspec.structs.replace(evidence, screen=view.screens.of(seen.session_id, seen.mark))
            report = harness.report(evidence, now)
    if report.activity != "busy" and evidence.record and not evidence.recorded and traces.record is not None:
        used = harness.report(_with_record(world, evidence, traces, TRANSCRIPT_BYTES_MAX), now).usage
        report = msgspec.structs.replace(report, usage=used)
    if report.usage is None and worker.observation is not None and worker.observation.attempt == worker.attempt:
        report = msgspec.structs.replace(report, usage=worker.observation.usage)
    dialog = None
    if report.activity == "waiting":
        report, dialog = _asked_on_screen(view, worker, seen, harness, report)
    return report, _said_last(harness, evidence) if report.activity == "idle" else "", dialog


def _asked_on_screen(
    view: Gathered, worker: WorkerState, seen: SessionInfo, harness: Reader, report: Report
) -> tuple[Report, Dialog | None]:
    """Return what the screen of a waiting worker asks.

    Boundary: a report by other means is older than an answer to it whose question is gone from the screen. Cost: one
    capture of the screen.
    """
    if not isinstance(harness, DialogReader):
        return report, None
    try:
        shown = harness.dialog(view.screens.of(seen.session_id, seen.mark))
    except (ProgramError, UnknownNameError):
        return report, None
    if shown is None and worker.answered and report.source != "screen":
        return msgspec.structs.replace(report, activity="busy", why=ANSWERED), None
    return report, shown.dialog if shown is not None else None


def _said_last(harness: Reader, evidence: Evidence) -> str:
    """Return the client's last words. Boundary: a harness of another package may be of an earlier version."""
    tell = getattr(harness, "last_words", None)
    return tell(evidence) if tell is not None else ""


def _evidence(view: Gathered, world: World, worker: WorkerState, size: int, traces: Transcripts) -> Evidence:
    """Read the files that report on an attempt. The pane output of an interactive session is no stream of events."""
    interactive = view.d.plan_of(worker).workers.mode == "interactive"
    stream, hook = layout.stream(view.d.host, worker), layout.hook(view.d.host, worker)
    mark, hook_mark = view.marks.get(stream), view.marks.get(hook)
    unread = interactive and size == LIVE_STREAM_BYTES
    printed = b"" if unread else world.files.tail(stream, size, within=dirname(stream))
    evidence = Evidence(
        stream=printed,
        hook=world.files.tail(hook, within=layout.report_directory(view.d.host, worker)) if hook_mark else b"",
        whole=mark is not None and mark.size <= size and re.search(LEFT_OUT, printed) is None,
        state=traces.state,
        hook_at=hook_mark.mtime_ns / 1e9 if hook_mark is not None else 0.0,
        interactive=interactive,
        stream_at=mark.mtime_ns / 1e9 if mark is not None else 0.0,
        version=worker.version or view.d.host.versions.get(view.d.plan_of(worker).workers.harness, ""),
    )
    return _with_record(
        world, evidence, traces, LIVE_STREAM_BYTES if size == LIVE_STREAM_BYTES else TRANSCRIPT_BYTES_MAX
    )


def _with_record(world: World, evidence: Evidence, traces: Transcripts, size: int) -> Evidence:
    if (record := traces.record) is None:
        return evidence
    data = world.files.tail(record.path, size, within=traces.within)
    return msgspec.structs.replace(evidence, record=data, recorded=record.size <= size)


def _refused(world: World, view: Gathered, worker: WorkerState, life: str) -> tuple[str, ...]:
    """Return the blocked writes: paths that its output reports as refused, and that this process could write.

    Shape: earlier ones come first. Boundary: only what it prints is known. Cost: reads the end of its stream; in print
    mode only after a new sign of life.
    """
    if view.d.host.confinement is None:
        return ()
    from wakeman.core.plan.confinement import REFUSALS_KEPT_MAX, refusals
    from wakeman.engine.attempt import confinement

    before = (
        worker.observation if worker.observation is not None and worker.observation.attempt == worker.attempt else None
    )
    known = before.refused if before is not None else ()
    stream = layout.stream(view.d.host, worker)
    if stream not in view.marks or len(known) >= REFUSALS_KEPT_MAX:
        return known
    over = layout.exit_file(view.d.host, worker) in view.marks
    mode = view.d.plan_of(worker).workers.mode
    if before is not None and before.life == life and mode == "print" and not over:
        return known
    text = unescaped(
        world.files.tail(stream, ENDED_STREAM_BYTES if over else LIVE_STREAM_BYTES, within=dirname(stream)).decode(
            "utf-8", "replace"
        )
    )
    own = confinement.writable_paths(view.d, worker, stream=True)
    fresh = (path for path in refusals(text, view.d.host.root, own) if path not in known and world.files.writable(path))
    return (*known, *fresh)[:REFUSALS_KEPT_MAX]


def _life(view: Gathered, worker: WorkerState, seen: SessionInfo | None, harness: Reader, traces: Transcripts) -> str:
    """Return a fingerprint of the signs of life.

    Boundary: "" until the wrapper has written the claim, or an output exists. That the attempt is listed as begun tells
    as much as the claim's mark, which never changes.
    """
    signs: list[object] = [
        view.marks.get(layout.claim(view.d.host, worker)) or _attempt_name(worker) in view.begun or None,
        view.marks.get(layout.hook(view.d.host, worker)),
    ]
    if not (harness.redraws and view.d.plan_of(worker).workers.mode == "interactive"):
        signs.append(view.marks.get(layout.stream(view.d.host, worker)))
    if view.recall is None:
        space = workspace(view.d, worker)
        for name in worker.units:
            signs += [view.marks.get(space.output(path)) for path in view.d.units[name].unit.outputs]
    else:
        signs += view.recall.signs(view.d, worker, view.marks)
    if traces.record is not None:
        signs += [traces.record, *traces.beside]
    found = view.d.plan_of(worker).workers.found
    if not any(signs) and not ((harness.adopts or found) and seen):
        return ""
    # Of a session that is only found there is no other sign: what redraws its screen counts as life.
    stirred = seen.activity if seen is not None and (found or not harness.redraws) else 0.0
    return blake2b(repr((signs, stirred)).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
