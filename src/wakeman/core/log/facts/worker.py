"""Facts about one worker: its units, and the state changes of its attempts."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

from msgspec.structs import replace

from wakeman.core.log.facts import standing
from wakeman.core.log.facts.fact import Event, Fact, count, quoted_words, worker_of
from wakeman.core.log.facts.window import note_answer, note_refusal
from wakeman.core.model import (
    BARRING,
    EDITION_PROGRESS_MIN,
    QUIET,
    Deployment,
    EndedBy,
    Fault,
    FileFingerprint,
    Review,
    Unit,
    UnitState,
    WorkerState,
    attempt_id,
    forget_ladder,
)
from wakeman.core.policy import review

ACTING_RUNGS = frozenset({"nudge", "restart"})
"""Rungs that act on a worker: whatever its trouble is, one is taken again only once a unit of it was done."""
OUTAGE_PAUSE_MIN = timedelta(seconds=15)
"""Time until the service is tried again after it did not answer; doubled each time."""
OUTAGE_PAUSE_MAX = timedelta(minutes=5)


class Enrolled(Fact, frozen=True):
    """A worker was added, or units were added to an existing one. A unit of another worker moves here."""

    session: str
    """Name of its session."""
    units: tuple[Unit, ...] = ()
    """Units that are new to the deployment."""
    existing: tuple[FileFingerprint, ...] = ()
    """Outputs of these units that existed before anything ran."""
    links: dict[str, str] | None = None
    """Directories above these units' outputs that were symbolic links then, and where they led; null in older logs."""
    moved: tuple[str, ...] = ()
    """Units already known that move to this worker's share."""
    key: str = ""
    """Value of `workers.by` for its units."""
    origin: str = ""
    """For a cleanup worker: the worker whose units it continues."""
    note: str = ""
    """Text added to its prompt: the failed checks, a person's reason."""
    review: int = 0
    """For a reviewer: the number of the review; `units` is then the unit of its verdict. 0 for other workers."""
    reviews: tuple[str, ...] = ()
    """For a reviewer: the units to review."""
    cwd_id: str = ""
    """What tells the directory that it starts in from others, as `INODE:DEVICE@BOOT`, if `workers.cwd` names one that
    was there: it is not launched in another. Empty otherwise."""

    def apply(self, d: Deployment, event: Event) -> None:
        name = cast("str", event.worker)
        worker = d.workers.get(name)
        if worker is None:
            worker = d.workers[name] = WorkerState(
                name=name,
                session=self.session,
                key=self.key,
                cwd_id=self.cwd_id,
                origin=self.origin,
                note=self.note,
                review=self.review,
                number=standing.next_number(d),
                unbegun=True,
            )
        d.before.update((mark.path, mark) for mark in self.existing)
        if self.links is not None:
            d.links = {**(d.links or {}), **self.links}
        for unit in _with_shared_names(self.units):
            d.units[unit.name] = UnitState(unit=unit, worker=name)
            worker.units.append(unit.name)
        for moved in self.moved:
            state = d.units[moved]
            before = d.workers[state.worker]
            before.units.remove(moved)
            before.undone -= not state.done  # it may have come to an end by that
            standing.ask_about(d, before.name)
            state.worker = name
            forget_staged(state)
            state.rounds += 1
            worker.units.append(moved)
        standing.count_enrolled(d, worker, self.units, [d.units[moved] for moved in self.moved])
        if self.review:
            self._begin_review(d, name)

    def _begin_review(self, d: Deployment, name: str) -> None:
        given = {unit: d.units[unit] for unit in self.reviews}
        for unit in given.values():
            unit.reviews += 1
        marks = {unit: state.verdict.marks for unit, state in given.items() if state.verdict is not None}
        d.reviews[name] = Review(round=self.review, units=self.reviews, marks=marks)
        d.reviewing = review.reviewing(d.plan)

    def summary(self) -> str:
        if self.review:
            return f"review {self.review} of {count(len(self.reviews), 'unit')}: {', '.join(self.reviews)}"
        return count(len(self.units) + len(self.moved), "unit") + (f" of {self.origin}" if self.origin else "")


class Marked(Fact, frozen=True):
    """Outputs that changed since `up`, before the first launch for their units: they are not the worker's work.

    Written before the intent to launch, and again before a launch that a crash prevented.
    """

    existing: tuple[FileFingerprint, ...]
    """The outputs of the worker's units, as they were found then."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.before.update((mark.path, mark) for mark in self.existing)

    def summary(self) -> str:
        return f"{count(len(self.existing), 'output')} changed before the launch"


class Launched(Fact, frozen=True):
    """The attempt's session exists: it was made, or found and adopted."""

    intent: int
    """Line of its intent."""
    session_id: str = ""
    """Id of the session, never used twice, such as `$3@812:1764400000`; in older logs `$3`, a number of its server."""
    pid: int = 0
    """Process id of the session's first program; 0 while unknown."""
    adopted: bool = False
    """The session was found: the check that made it was interrupted."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker = worker_of(d, event)
        d.intents.pop(worker.intent, None)
        d.intents.pop(worker.prompt, None)
        worker.intent, worker.session_id, worker.host = 0, self.session_id, ""
        for name in worker.units:
            d.units[name].begun = True
        worker.unbegun = False
        worker.session_mark = attempt_id(d, worker)
        worker.observation, worker.unknowns, worker.life, worker.life_mono = None, 0, "", d.mono
        worker.code, worker.ended_by, worker.ending, worker.note = None, "", "", ""
        worker.ends, worker.finished, worker.prompt, worker.finishing = 0, 0, 0, False
        worker.given_mono = 0.0
        worker.idle, worker.idle_life, worker.background_mono = 0, "", 0.0
        worker.said, worker.means, worker.line, worker.answered = "", "", "", False
        forget_ladder(worker)
        worker.swept = ()
        worker.began = worker.began or event.at
        _clear_trouble(d, worker)
        worker.worked_since = d.mono
        d.failed_launches = 0

    def summary(self) -> str:
        elsewhere = (
            "" if self.session_id.startswith("$") else self.session_id
        )  # one of this machine says nothing to a person
        return " ".join(filter(None, ("adopted" if self.adopted else "", elsewhere)))


class Relaunched(Launched, frozen=True):
    """Same as `launched`, for a further attempt of the same worker."""


class Started(Fact, frozen=True):
    """First sign of life."""

    why: str = ""
    """The sign of life."""

    def apply(self, d: Deployment, event: Event) -> None:
        _clear_trouble(d, worker_of(d, event))

    def summary(self) -> str:
        return quoted_words(self.why)


class Stalled(Fact, frozen=True):
    """The worker is stuck: alive, and waiting, limited, in error or silent."""

    reason: str
    """`waiting`, `limited`, `error` or `silent`: the ladder of that name in `[stuck]` is climbed. `asks`, `claims`,
    `refuses`: it has ended its turn with units undone; the ladder is that of `silent`. `background`: only its
    background work shows life, for `stuck.background`; a person is asked."""
    why: str = ""
    """Details of what was observed."""
    said: str = ""
    """The client's last words, where these are the reason."""
    until: datetime | None = None
    """When a usage limit resets, where the client says so."""
    fault: Fault = ""
    """Kind of refusal: `auth` and `billing` bar all launches, as an end by them does; `outage` is waited for by
    all; `conversation` is none: the client could not begin or resume its own."""
    guess: bool = False
    """`until` is a guess: nothing names the reset."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker = worker_of(d, event)
        _clear_trouble(d, worker)
        worker.reason, worker.why, worker.until = self.reason, self.why, self.until
        worker.fault, worker.guess = self.fault, self.guess
        worker.stalled_life, worker.limited_since, worker.answered = worker.life, d.mono, False
        if d.edition >= EDITION_PROGRESS_MIN:
            self._remember(worker)
        d.met = d.met or self.reason == "limited"
        meet_refusal(d, worker, self.fault, event.at)
        if self.reason == "limited" and self.fault not in BARRING:
            note_refusal(d, worker, event.seq)
        if self.reason == "silent":
            d.restless[worker.name] = None

    def _remember(self, worker: WorkerState) -> None:
        """Keep the rungs that were taken before: only for another question a screen is kept, and a person asked, anew.

        Boundary: a person who was asked about the same is still needed.
        """
        what = self.why if self.reason in ("waiting", "error") else ""
        trouble = f"{'silent' if self.reason in QUIET else self.reason}: {what}"
        if trouble != worker.trouble:
            worker.barred += tuple(rung for rung in worker.tried if rung in ACTING_RUNGS)
            worker.trouble, worker.tried, worker.rung = trouble, (), 0
        worker.asked = "ask" in worker.tried

    def summary(self) -> str:
        said = f"; it said {quoted_words(self.said)}" if self.said else ""
        return f"{self.reason}: {quoted_words(self.why)}{_guessed(self.until, guess=self.guess)}{said}"


class Recovered(Fact, frozen=True):
    """A sign of life again."""

    why: str = ""
    """The sign of life."""

    def apply(self, d: Deployment, event: Event) -> None:
        _clear_trouble(d, worker_of(d, event))

    def summary(self) -> str:
        return quoted_words(self.why)


class Exited(Fact, frozen=True):
    """The attempt is over."""

    why: str
    """How it ended, in words."""
    code: int | None = None
    """Exit status of the program, from 0 to 255; absent when it is not known."""
    ended_by: EndedBy = ""
    """Who or what ended it."""
    free: bool = False
    """The end costs none of `stuck.attempts`."""
    until: datetime | None = None
    """When a usage limit resets, where the client says so."""
    fault: Fault = ""
    """`auth` and `billing` bar all launches until `wakeman unpause`; `outage` is waited for by all workers;
    `conversation`: its client could not begin or resume its conversation, so the next attempt begins another."""
    guess: bool = False
    """`until` is a guess: nothing names the reset."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker = worker_of(d, event)
        _clear_trouble(d, worker)
        worker.why, worker.code, worker.ended_by = self.why, self.code, self.ended_by
        worker.stop, worker.ending, worker.ends, worker.trespasses = False, "", 0, 0
        worker.finishing = False
        worker.until, worker.fault, worker.over = self.until, self.fault, d.mono
        worker.guess = self.guess
        worker.astray = worker.astray + 1 if self.fault == "conversation" else 0
        if worker.astray:
            worker.agent_session = ""  # the next attempt begins another one
        worker.refusals = worker.refusals + 1 if self.ended_by == "limit" else 0
        d.met = d.met or self.ended_by == "limit"
        meet_refusal(d, worker, self.fault, event.at)
        if d.probe == worker.name:
            end_probe(d, served=self.ended_by in ("limit", "itself"))
        if self.ended_by == "limit" and self.fault not in BARRING:
            note_refusal(d, worker, event.seq)
        elif self.ended_by == "itself" and self.code == 0:
            note_answer(d, worker.name)
        d.asking.pop(worker.name, None)
        if worker.intent or self.ended_by == "launch":
            settle_failed_launch(d, worker)
        elif self.free:
            worker.spent -= 1

    def summary(self) -> str:
        code = "" if self.code is None else f", code {self.code}"
        by = self.ended_by or "nobody known"
        return f"by {by}{code}: {quoted_words(self.why)}{_guessed(self.until, guess=self.guess)}"


class Verified(Fact, frozen=True):
    """The worker's share is complete: every unit of it is done."""

    files: int = 0
    """Files that were judged."""
    digest: str = ""
    """SHA-256 over the fingerprints of these files, in hex."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker = worker_of(d, event)
        for name in worker.units:
            unit = d.units[name]
            unit.synced = unit.verdict.marks if unit.verdict is not None else ()
        standing.settle_verified(d, worker)

    def summary(self) -> str:
        return f"{count(self.files, 'file')} judged"


class Captured(Fact, frozen=True):
    """A screen was kept as evidence."""

    file: str
    """The kept screen, relative to the deployment's directory."""
    sha256: str
    """SHA-256 of that file, in hex."""
    why: str = ""
    """The worker's trouble."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker_of(d, event).captures += 1

    def summary(self) -> str:
        return self.file


def forget_staged(unit: UnitState) -> None:
    """Forget what was staged: the next attempt has a stage of its own, or is judged anew."""
    unit.staged, unit.staged_mono, unit.promoted = None, 0.0, ()


def settle_failed_launch(d: Deployment, worker: WorkerState) -> None:
    """Settle a failed launch.

    A failure of the machine, or a person's doing, costs no attempt and counts as no failure.
    """
    if worker.ended_by == "launch":
        d.failed_launches += 1
    else:
        worker.spent -= 1
    d.intents.pop(worker.intent, None)
    worker.intent, worker.unknowns, worker.stop, worker.over = 0, 0, False, d.mono


def meet_refusal(d: Deployment, worker: WorkerState, fault: Fault, at: datetime) -> None:
    """Apply a refusal by the service: a key or money bars all launches; an outage is met by all workers together.

    Boundary: while one worker is to try again, or tries, what others meet is the same outage.
    """
    if fault in BARRING:
        d.barred, d.barred_keys = worker.why, d.keys
    if fault == "outage" and d.plan.limits.wait:
        if not d.outage or d.probe == worker.name:
            d.outage_tries += 1
            d.outage_until = at + outage_pause(d.outage_tries)
            d.probe = ""
        d.outage = worker.why


def outage_pause(tries: int) -> timedelta:
    """Return how long nobody tries the service after it did not answer that often in a row."""
    return min(OUTAGE_PAUSE_MIN * float(2 ** min(tries - 1, 16)), OUTAGE_PAUSE_MAX)


def begin_probe(d: Deployment, worker: WorkerState) -> None:
    """Apply that a worker asks the service for something: in an outage the first one tries it for all."""
    if d.outage and not d.probe:
        d.probe = d.probed = worker.name
        d.probe_mono = d.mono


def end_probe(d: Deployment, *, served: bool) -> None:
    """End the try of one worker. `served`: the service has answered, so the outage is over."""
    d.probe = ""
    if served:
        d.outage, d.outage_tries, d.outage_until = "", 0, None


def lift_bar(d: Deployment) -> None:
    """Let launches be tried again; a live worker whose key or money was refused gets another attempt."""
    for worker in d.workers.values():
        if worker.live and worker.fault in BARRING:
            worker.again = True
    d.barred, d.barred_keys = "", ""


def _with_shared_names(units: Iterable[Unit]) -> Iterator[Unit]:
    """Yield units; those with the same names as the one before share its dictionary, as most of a worker's do."""
    names: dict[str, str] = {}
    for unit in units:
        if unit.names and unit.names == names:
            yield replace(unit, names=names)
        else:
            names = unit.names
            yield unit


def _guessed(until: datetime | None, *, guess: bool) -> str:
    return f"; no reset is named, tried again at {until.astimezone(UTC):%H:%M} UTC" if guess and until else ""


def _clear_trouble(d: Deployment, worker: WorkerState) -> None:
    if worker.reason == "limited":
        worker.worked_since += max(0.0, d.mono - worker.limited_since)
    worker.reason, worker.why, worker.asked, worker.until = "", "", False, None
    if d.edition < EDITION_PROGRESS_MIN:
        worker.rung = 0
    worker.fault, worker.guess, worker.unheard = "", False, 0
