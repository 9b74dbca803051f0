"""Facts about observations: of everything by a check, and of files as they are written by a watcher."""

from datetime import datetime

import msgspec
from msgspec import field

from wakeman.core.log.facts import standing
from wakeman.core.log.facts.fact import Event, Fact, quoted_words, worker_of
from wakeman.core.log.facts.window import note_answer, note_refusal, note_time
from wakeman.core.log.facts.worker import end_probe, meet_refusal
from wakeman.core.model import (
    ANSWERED,
    EDITION_LAUNCH_MIN,
    EDITION_PROGRESS_MIN,
    Deployment,
    FileFingerprint,
    Observation,
    UnitState,
    Validator,
    Verdict,
    WorkerState,
    Written,
    Wrote,
    forget_ladder,
)

IDLE_APART_S = 1.0
"""Seconds between two observations of a worker at rest that both count: two checks may follow at once."""
PROBE_S = 60.0
"""Seconds after which a worker that is not refused counts as served, although it has made nothing yet."""


class Looked(Fact, frozen=True):
    """One observation of everything: what changed since the previous one. Its wall-clock time is the line's `at`."""

    mono: float
    """Seconds of a clock that stops while the machine sleeps."""
    boot: str
    """Id of the machine's current boot: a different one means a restart."""
    observations: tuple[Observation, ...] = field(default=(), name="sightings")
    """The observation of each worker that changed."""
    verdicts: tuple[Verdict, ...] = ()
    """Units whose outputs were verified again."""
    memory: int = 0
    """Bytes of free memory."""
    validators: tuple[Validator, ...] | None = None
    """All sessions that workers started themselves, if the list changed."""
    server: str = ""
    """Id of the server where workers run, which changes when it is restarted; empty if none answered."""
    more: bool = False
    """The observation continues in the next line: a line is at most 64 KiB long."""
    staged: tuple[Verdict, ...] = field(default=(), name="aside")
    """Verdicts on what is in a stage or a tree, and is not promoted yet."""
    keys: str = ""
    """Fingerprint of the files that hold the workers' keys (their identity, not their content); while launches are
    barred, or somebody's key or money is refused. Empty otherwise."""

    def apply(self, d: Deployment, event: Event) -> None:
        # The most frequent fact: a replay runs this a million times, and to write a field costs ten times a look at it.
        if self.verdicts or self.staged:
            self._take_verdicts(d)
        mono, same = self.mono, self.boot == d.boot
        for observation in self.observations:
            _take_observation(d, observation, mono, same)
        if self.more:
            return
        onward = same and mono > d.mono
        if onward and not d.resting and not (d.met and _all_limited(d, event.at)):
            d.counted += mono - d.mono
        d.resting = d.paused_at is not None
        if d.restless:
            _count_look(d, mono)
        gained, caller = d.gained, event.by[:2]
        if gained:
            d.idle_looks = d.gained = 0
        elif caller == "at":
            d.idle_looks += 1
        vain = caller == "ti" and event.seq - d.looked <= 2  # by the timer, and at most one line since: it slept
        if vain or d.quick_looks:
            d.quick_looks = d.quick_looks + 1 if vain else 0
        d.mono, d.memory, d.looked, d.looked_at = mono, self.memory, event.seq, event.at
        if not same or self.server != d.server or self.keys or self.validators is not None:
            self._note_surroundings(d)
        if d.steady and (mono >= d.silent_mono or not onward):
            standing.ask_about_silent(d, mono)
        if d.probe or d.asking or d.narrowed:
            _judge_answers(d, event, gained=bool(gained))

    def _take_verdicts(self, d: Deployment) -> None:
        for verdict in self.verdicts:
            d.gained += take_verdict(d, verdict)
        for verdict in self.staged:
            _take_staged_verdict(d.units[verdict.unit], verdict, self.mono)

    def _note_surroundings(self, d: Deployment) -> None:
        d.boot, d.server, d.keys = self.boot, self.server or d.server, self.keys or d.keys
        if self.validators is not None:
            d.validators = self.validators

    def summary(self) -> str:
        from wakeman.core.text import refused

        seen = [
            f"{s.worker} {s.session} {s.activity}".removesuffix(" unknown")
            + (f" on {s.host}" if s.host else "")
            + (f" ({s.why})" if s.retries else "")
            + (f" ({refused(s.refused)})" if s.refused else "")
            for s in self.observations
        ]
        judged = [f"{v.unit}: {quoted_words('; '.join(v.problems)) or 'passes'}" for v in self.verdicts]
        others = [f"{v.session} of {v.worker or 'nobody known'}" for v in self.validators or ()]
        return "; ".join(seen + judged + others) or "nothing new"


class Unsynced(Fact, frozen=True):
    """The disk did not take an output to keep it: its unit is not done, whatever was said before."""

    unit: str
    """Name of the unit."""
    why: str
    """Its output, and what the disk said."""

    def apply(self, d: Deployment, event: Event) -> None:
        unit = d.units[self.unit]
        was, verdict = unit.done, unit.verdict or Verdict(unit=self.unit)
        unit.verdict = msgspec.structs.replace(verdict, problems=(*verdict.problems, f"not on the disk: {self.why}"))
        standing.count_done(d, unit, was=was)

    def summary(self) -> str:
        return f"{self.unit}: {self.why}"


class Progressed(Fact, frozen=True):
    """Outputs of this worker's share were written; recorded by a watcher, at most once a second."""

    written: int
    """Units of the share whose outputs all exist and are not verified yet."""
    total: int
    """Units of the share."""
    files: tuple[Written, ...] = ()
    """Outputs written since the previous such event."""
    inferred: bool = True
    """The writer is assumed to be the worker that has the unit; `false` if a hook reported it."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker = worker_of(d, event)
        worker.written, worker.written_at = self.written, event.at
        for each in self.files:
            for file in each.marks:
                _note_writer(d.units[each.unit], file, worker.name, inferred=self.inferred)

    def summary(self) -> str:
        files = [mark.path for each in self.files for mark in each.marks]
        return f"{self.written}/{self.total} units written" + (f": {', '.join(files)}" if files else "")


class Conflicted(Fact, frozen=True):
    """A file was written out of place, by the worker in the line if that is known."""

    path: str
    """The file that was written."""
    written: datetime
    """When it was written."""
    unit: str = ""
    """Unit that owns the path; empty if none does."""
    owner: str = ""
    """Worker of that unit."""
    mark: FileFingerprint | None = None
    """The file as it was found."""
    inferred: bool = True
    """The writer is assumed to be the only worker at work; `false` if a hook reported it."""
    more: int = 0
    """Further files of the same second that have no line of their own."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.trespassed[self.path] = self.written
        d.trespass = f"{self.path} ({self.unit or 'nobody'}'s) by {event.worker or 'nobody known'}"
        if self.mark is not None and self.unit in d.units:
            _note_writer(d.units[self.unit], self.mark, event.worker or "", inferred=self.inferred)
        if event.worker is not None:
            worker_of(d, event).trespasses += 1
            standing.ask_about(d, event.worker)

    def summary(self) -> str:
        whose = f"in the place of {self.unit} ({self.owner})" if self.unit else "in nobody's place"
        return f"{quoted_words(self.path)}, {whose}" + (f", and {self.more} more" if self.more else "")


def take_verdict(d: Deployment, verdict: Verdict) -> bool:
    """Apply a unit's verdict, and record who wrote the judged files; return whether the unit is newly done."""
    unit = d.units[verdict.unit]
    was = unit.done
    unit.verdict = verdict
    own = unit.begun or d.edition < EDITION_LAUNCH_MIN
    for file in verdict.marks:
        if own and d.before.get(file.path) != file:
            _note_writer(unit, file, unit.worker, inferred=True)
    if verdict.marks != unit.rejected:
        unit.reopened = ""
    standing.count_done(d, unit, was=was)
    gained = unit.done and not was
    if gained:
        forget_ladder(d.workers[unit.worker])  # something was achieved
        note_answer(d, unit.worker)
    return gained


def _take_staged_verdict(unit: UnitState, verdict: Verdict, mono: float) -> None:
    if unit.staged is None or unit.staged.marks != verdict.marks:
        unit.staged_mono = mono
    unit.staged = verdict


def _take_observation(d: Deployment, seen: Observation, mono: float, same: object) -> None:
    worker = d.workers[seen.worker]
    before = worker.observation
    changed = before is None or seen.life != worker.life or not same
    if seen.given or worker.given_mono:
        _time_result(worker, seen, mono)
    if seen.dialog is not None or seen.usage is not None or seen.agent_session or seen.said:
        _take_report(worker, seen)
    worker.observation = seen
    if seen.session_id and worker.session_id != seen.session_id:
        worker.session_id = seen.session_id  # logs of the version before name no server
    if seen.host:
        worker.host = seen.host
    if worker.answered:
        worker.answered = seen.activity == "waiting" or seen.why == ANSWERED
    if seen.background or worker.background_mono:
        _time_background(worker, seen, mono, since_now=changed)
    if changed:
        # The first look at an attempt begins its silence: a check may be slow between a launch and its end.
        worker.life, worker.life_mono = seen.life, mono
    elif seen.working or (before is not None and before.background and not seen.background):
        worker.life_mono = mono  # a tool that runs, or work in the background that has ended
    works = seen.session == "running" and (seen.activity == "busy" or seen.activity == "unknown")
    if not works or seen.background or seen.shown or seen.processes or seen.given:
        _note_remarkable(d, worker, seen)
    elif worker.name not in d.steady:
        standing.settle_steady(d, worker, seen.attempt)


def _note_remarkable(d: Deployment, worker: WorkerState, seen: Observation) -> None:
    """Apply that an observation shows anything but a client at work."""
    if seen.processes or worker.name in d.steady:
        standing.ask_about(d, worker.name)
    if seen.activity == "idle" or seen.session == "unknown":
        d.restless[worker.name] = None


def _time_result(worker: WorkerState, seen: Observation, mono: float) -> None:
    """Keep since when a client has given its result, without a sign of life."""
    if not seen.given:
        worker.given_mono = 0.0
    elif not worker.given_mono or seen.life != worker.life:
        worker.given_mono = mono


def _time_background(worker: WorkerState, seen: Observation, mono: float, *, since_now: bool) -> None:
    """Keep since when only work in the background shows life."""
    if not seen.background:
        worker.background_mono = 0.0
    elif since_now or not worker.background_mono:
        worker.background_mono = mono


def _take_report(worker: WorkerState, seen: Observation) -> None:
    """Apply what a client reports; a dialog that is another than that of the observation before is counted."""
    before = worker.observation
    asked = before.dialog if before is not None and before.attempt == seen.attempt else None
    if seen.dialog is not None and (asked is None or asked.seen != seen.dialog.seen):
        worker.questions += 1
    if seen.usage is not None:
        worker.usage = seen.usage
    if seen.agent_session:
        worker.agent_session = seen.agent_session
    if seen.said:
        worker.said, worker.means = seen.said, seen.means


def _count_look(d: Deployment, mono: float) -> None:
    for name in list(d.restless):
        if not _counts_look(d, d.workers[name], mono):
            del d.restless[name]


def _counts_look(d: Deployment, worker: WorkerState, mono: float) -> bool:
    """Count failed or idle observations in a row; return whether the next one may count, too.

    Boundary: for other workers nothing is counted; `restless` names those that may need it.
    """
    # A launch that is settled is so before the look: this one could not be.
    worker.unknowns += bool(worker.intent and not worker.asked)
    if not worker.live:
        return bool(worker.intent)
    seen = worker.observation
    session, activity = (seen.session, seen.activity) if seen is not None else ("queued", "unknown")
    unknown, quiet = session == "unknown", activity == "idle" or worker.reason == "silent"
    worker.unknowns = worker.unknowns + 1 if unknown else 0
    made = all(d.units[u].made for u in worker.units)
    if d.edition < EDITION_PROGRESS_MIN:
        worker.finished = worker.finished + 1 if quiet and session == "running" and made else 0
        return unknown or quiet or bool(worker.intent)
    busy = seen is not None and (seen.background or bool(seen.working))
    rests = session == "running" and not busy and (activity == "idle" or (quiet and activity == "unknown"))
    _count_rest(worker, mono, rests=rests)
    worker.finished = min(worker.idle, worker.finished + 1) if made else 0
    return unknown or quiet or bool(worker.intent)


def _count_rest(worker: WorkerState, mono: float, *, rests: bool) -> None:
    """Count an observation of a worker at rest, if it is one, and comes later than the last that counted.

    Boundary: a sign of life in between, such as an output that grew, begins the count anew.
    """
    if not rests or worker.life != worker.idle_life:
        worker.idle, worker.idle_life = 0, worker.life
    if rests and (not worker.idle or mono - worker.idle_mono >= IDLE_APART_S):
        worker.idle, worker.idle_mono = worker.idle + 1, mono


def _all_limited(d: Deployment, at: datetime) -> bool:
    """Return whether a usage limit keeps all workers from working: all alive are stuck in it, or one waits for it."""
    live = [worker for worker in d.workers.values() if worker.live]
    waiting = any(w.ended_by == "limit" and w.until and w.until > at for w in d.workers.values())
    return bool(live or waiting) and all(w.reason == "limited" and w.fault != "outage" for w in live)


def _judge_probe(d: Deployment, at: datetime, *, gained: bool) -> None:
    """Judge whether the service answers the worker that tries it: it does something that needs an answer, or is not
    refused for `PROBE_S`. One that is refused once more, in a session that lives, ends the try.
    """
    worker = d.workers[d.probe]
    seen = worker.observation
    since = d.mono - d.probe_mono
    if not worker.live:
        if not worker.intent:
            d.probe = ""
    elif gained:
        end_probe(d, served=True)
    elif seen is not None and seen.session == "running" and not worker.prompt:
        if seen.fault == "outage" and seen.activity == "limited":
            if worker.reason == "limited" and (worker.life_mono > d.probe_mono or not 0 <= since < PROBE_S):
                meet_refusal(d, worker, "outage", at)
        elif seen.activity in ("idle", "waiting", "error", "limited") or (
            not seen.retries and not 0 <= since < PROBE_S
        ):
            end_probe(d, served=True)


def _judge_answers(d: Deployment, event: Event, *, gained: bool) -> None:
    """Judge whether the service answers: the worker that tries it in an outage, those that ask it, and all by time."""
    if d.probe:
        _judge_probe(d, event.at, gained=gained)
    _judge_requests(d, event.seq)
    if d.narrowed:
        note_time(d)


def _judge_requests(d: Deployment, seq: int) -> None:
    """Judge which workers the service has answered: one that runs a tool, or is not refused for `PROBE_S`.

    Boundary: of one whose client is refused, and tries again by itself, it has refused a request.
    """
    for name, since in list(d.asking.items()):
        worker = d.workers[name]
        seen = worker.observation
        if not worker.live or worker.prompt or seen is None or seen.session != "running":
            continue
        if seen.retries:
            note_refusal(d, worker, seq)
        elif seen.activity != "limited" and (seen.working or not 0 <= d.mono - since < PROBE_S):
            note_answer(d, name)


def _note_writer(unit: UnitState, file: FileFingerprint, worker: str, *, inferred: bool) -> None:
    """Record who wrote an output. An inferred writer does not replace a known one."""
    known = unit.wrote.get(file.path)
    if known is None:
        unit.wrote[file.path] = Wrote(mark=file, first=worker, last=worker, inferred=inferred)
    elif known.mark != file:
        unit.wrote[file.path] = Wrote(mark=file, first=known.first, last=worker, inferred=inferred or known.inferred)
    elif known.inferred and not inferred:
        first = worker if known.first == known.last else known.first
        unit.wrote[file.path] = Wrote(mark=file, first=first, last=worker, inferred=False)
