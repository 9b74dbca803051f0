"""Start attempts exactly once each: all intents in one write, then all sessions, then the outcomes.

The next check settles what a crash left: it adopts what runs and starts what never began.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec import Struct

from wakeman.core.errors import DiskError, ProgramError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.log.chunks import chunks
from wakeman.core.log.state import transition
from wakeman.core.model import Deployment, EndedBy, FileFingerprint, WorkerState, attempt_id
from wakeman.core.policy.attempts import missing
from wakeman.core.policy.freshness import outputs_to_mark
from wakeman.core.policy.limits import due_launches
from wakeman.core.policy.tables import Decision, recorded
from wakeman.core.text import sanitise
from wakeman.engine import layout, terminals
from wakeman.engine.effects.drafts import noted
from wakeman.engine.live import clock_of
from wakeman.engine.protocol.steps import Steps, Unrecorded, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import Listing, Made, SessionInfo, World

UNLAUNCHED = "launch failed: "
"""Beginning of the reason of a worker that ended before its program started."""


class Ready(Struct, frozen=True):
    """The recorded part of an attempt whose files are written."""

    worker: str
    digest: str = ""
    agent_session: str = ""
    resume: bool = False
    profile: str = ""
    version: str = ""


class Established(Struct, frozen=True):
    """The session of an attempt, made or found."""

    session_id: str = ""
    pid: int = 0
    found: bool = False


class Failed(Struct, frozen=True):
    """A launch that failed, and the cause."""

    why: str
    by: EndedBy = "launch"


class Unconfirmed(Struct, frozen=True):
    """A user's launcher that was started, but whose session was not found: left to a person, never repeated."""


Fate: TypeAlias = Established | Failed | Unconfirmed
"""The outcome of a launch."""


# --- starting -------------------------------------------------------------------------------------------------


class Prepare(Struct, frozen=True):
    """Write the files of the next attempts, and run the commands of `workers.before`."""

    workers: tuple[str, ...]

    def perform(self, world: World, d: Deployment) -> PreparedAttempts:
        """Return those that can be started, and why others cannot. Raises: DiskError, which is no worker's failure."""
        from wakeman.engine.attempt import compose, secrets

        redact = secrets.redactor(world, d)
        compose.write_scripts(world, d.host)
        versions = {one.harness: one.version for one in world.clients(d.plan)}
        ready: list[compose.Attempt] = []
        refused: dict[str, str] = {}
        for name in self.workers:
            try:
                ready.append(compose.prepared(world, d, d.workers[name]))
            except DiskError:
                raise  # the next check tries again
            except WakemanError as fault:
                # If one cannot be prepared, its launch has failed; the check continues.
                refused[name] = sanitise(redact(str(fault)), 500)
        return PreparedAttempts(
            marked=_changed_outputs(world, d, [each.worker for each in ready]),
            ready=tuple(
                Ready(
                    each.worker,
                    compose.argv_digest(each.start),
                    each.agent_session,
                    each.resume,
                    each.profile,
                    versions.get(d.plan_of(d.workers[each.worker]).workers.harness, ""),
                )
                for each in ready
            ),
            refused=refused,
            attempts=tuple(ready),
        )

    def recorded(self, d: Deployment, write: Write) -> PreparedAttempts:
        """Read the intents, but the profiles from the plan; for workers without one, the outcomes have the reason."""
        ready = tuple(
            Ready(
                event.worker or "",
                event.data.digest,
                event.data.agent_session,
                event.data.resume,
                _expected_profile(d, event.worker or ""),
                event.data.version,
            )
            for event in write
            if isinstance(event.data, e.Intended) and event.data.action == "launch" and event.worker in self.workers
        )
        left = (name for name in self.workers if name not in {each.worker for each in ready})
        return PreparedAttempts(ready, dict.fromkeys(left, ""), marked=_read_marks(d, write, self.workers))


class PreparedAttempts(Struct, frozen=True):
    """Result of preparing. `attempts` describe the sessions to make; they are not in the log.

    Shape: `marked` are the outputs that others have changed since `up`, in lines of the log.
    """

    ready: tuple[Ready, ...]
    refused: Mapping[str, str]
    attempts: tuple[object, ...] = ()
    marked: tuple[e.Draft, ...] = ()


class MakeSessions(Struct, frozen=True):
    """Make the sessions of prepared attempts."""

    prepared: PreparedAttempts
    now: datetime

    def perform(self, world: World, d: Deployment) -> Mapping[str, Fate] | str:
        """Return the outcome of each, or why their place did not answer: then the next check finds out."""
        from wakeman.engine.attempt import compose, secrets

        redact = secrets.redactor(world, d)
        attempts = [each for each in self.prepared.attempts if isinstance(each, compose.Attempt)]
        try:
            made = compose.start_sessions(world, d, attempts, self.now, redact)
        except ProgramError as fault:
            return redact(f"launching: {fault}")
        found = {each.worker: each.found for each in attempts}
        fates: dict[str, Fate] = {
            each.worker: launch_fate(one, found=found[each.worker]) for each, one in zip(attempts, made, strict=True)
        }
        return fates | {name: Failed(why) for name, why in self.prepared.refused.items()}

    def recorded(self, d: Deployment, write: Write) -> Mapping[str, Fate] | str:
        """Read the outcomes. Boundary: one without an outcome is assumed to have started."""
        first, *more = write
        if not more and isinstance(first.data, e.Noted):
            return first.data.text
        names = [*(each.worker for each in self.prepared.ready), *self.prepared.refused]
        recorded = outcomes(write)
        started = {each.worker for each in self.prepared.ready}
        return {
            name: recorded.get(name) or (Established() if name in started else Failed("why it was refused"))
            for name in names
        }


class Remember(Unrecorded, frozen=True):
    """Store the log's head on one of the new sessions: a checkpoint outside the log."""

    workers: tuple[str, ...]

    def perform(self, world: World, d: Deployment) -> None:
        """Leave it, where a session was made."""
        made = next((d.workers[name] for name in self.workers if d.workers[name].session_id), None)
        terminal = world.executor(d.host).terminal
        if made is not None and terminal is not None:
            terminal.remember(made.session_id, f"{d.seq}:{d.hash}", mark=made.session_mark)


def launch_due(d: Deployment, _: Decision, now: datetime) -> Steps[None]:
    """Start the workers that are due."""
    yield from launch(d, due_launches(d), now)


def relaunch(d: Deployment, decision: Decision, now: datetime) -> Steps[None]:
    """Start the next attempt of a decision's worker."""
    yield from launch(d, [decision.worker], now)


def launch(d: Deployment, names: Sequence[str], now: datetime) -> Steps[None]:
    """Start the next attempt of each worker named.

    Boundary: if a session name is in use outside the deployment, that attempt fails and nothing is touched.
    """
    prepared = yield from do(Prepare(tuple(names)))
    intents = yield from append("intent", [*prepared.marked, *(_intent(d, ready) for ready in prepared.ready)])
    fates = yield from do(MakeSessions(prepared, now))
    if isinstance(fates, str):
        yield from append("line", [noted(fates)])
        return
    seqs = {intent.worker: intent.seq for intent in intents if isinstance(intent.data, e.Intended)}
    drafts = [
        draft for name, fate in fates.items() for draft in launch_drafts(d, d.workers[name], seqs.get(name, 0), fate)
    ]
    yield from append("outcome", drafts)
    yield from do(Remember(tuple(name for name, fate in fates.items() if isinstance(fate, Established))))


def _intent(d: Deployment, ready: Ready) -> e.Draft:
    worker = d.workers[ready.worker]
    fact = e.Intended(
        action="launch",
        target=worker.session,
        digest=ready.digest,
        units=len(missing(d, worker)),
        agent_session=ready.agent_session,
        resume=ready.resume,
        profile=ready.profile,
        version=ready.version,
    )
    return e.Draft(fact, worker=worker.name, attempt=worker.attempt + 1)


def _changed_outputs(world: World, d: Deployment, names: Iterable[str]) -> tuple[e.Draft, ...]:
    """Return the outputs that changed since `up`, of units for which nobody was launched yet.

    Shape: asked as late as can be, after `workers.before`. Cost: a stat for each of these outputs.
    """
    owners = {
        layout.absolute(d.host, path): (name, path) for name in names for path in outputs_to_mark(d, d.workers[name])
    }
    changed: dict[str, list[FileFingerprint]] = {}
    for whole, found in (world.files.marks(owners) if owners else {}).items():
        name, path = owners[whole]
        mark = msgspec.structs.replace(found, path=path)
        if d.before.get(path) != mark:
            changed.setdefault(name, []).append(mark)
    return tuple(
        e.Draft(e.Marked(existing=piece), worker=name) for name, marks in changed.items() for piece in chunks(marks)
    )


def _read_marks(d: Deployment, write: Write, names: Collection[str]) -> tuple[e.Draft, ...]:
    """Read them from a log. Boundary: not those of other outputs than may be marked."""
    drafts = []
    for event in write:
        if isinstance(event.data, e.Marked) and (name := event.worker or "") in names:
            known = set(outputs_to_mark(d, d.workers[name]))
            own = tuple(mark for mark in event.data.existing if mark.path in known and d.before.get(mark.path) != mark)
            drafts += [e.Draft(e.Marked(existing=own), worker=name)]
    return tuple(drafts)


def _expected_profile(d: Deployment, name: str) -> str:
    """Return the digest of the profile that a worker's next attempt gets; "" in logs that do not say."""
    return d.profiles.get(d.plan_of(d.workers[name]).workers.agent or "", "") if d.profiles else ""


def launch_fate(made: Made, *, found: bool = False) -> Fate:
    """Return the outcome of making a session, or of finding one."""
    if made.error or made.taken:
        return Failed(made.error or "a session of that name is somebody else's")
    return Established(made.session_id, made.pid, found)


def launch_drafts(d: Deployment, worker: WorkerState, intent: int, fate: Fate) -> list[e.Draft]:
    """Return the facts of a launch: an end for a worker that never ran, an outcome for one that did.

    Boundary: a launch that the machine or a person prevented costs no attempt.
    """
    match fate:
        case Established():
            kind = e.Launched if worker.state == "pending" else e.Relaunched
            fact = kind(intent=intent, session_id=fate.session_id, pid=fate.pid, adopted=fate.found)
            return [transition(worker, fact)]
        case Failed() if worker.state == "pending":
            why = UNLAUNCHED + fate.why
            return [transition(worker, e.Exited(why=why, ended_by=fate.by, free=fate.by != "launch"))]
        case Failed():
            effect = e.Effected(intent=intent, ok=False, detail=fate.why, ended_by=fate.by)
            return [e.Draft(effect, worker=worker.name, attempt=worker.attempt)]
        case Unconfirmed():
            return [recorded(d, unconfirmed(worker))]


def outcomes(write: Write) -> dict[str, Fate]:
    """Read the outcomes of launches from a write, by worker."""
    found: dict[str, Fate] = {}
    for event in write:
        fate = _recorded_fate(event.data)
        if fate is not None:
            found[event.worker or ""] = fate
    return found


def _recorded_fate(data: e.Fact) -> Fate | None:
    match data:
        case e.Launched():
            return Established(data.session_id, data.pid, data.adopted)
        case e.Exited():
            return Failed(data.why.removeprefix(UNLAUNCHED), data.ended_by)
        case e.Effected():
            return Failed(data.detail, data.ended_by)
        case e.Decided():
            return Unconfirmed()
        case _:
            return None


# --- after a crash ----------------------------------------------------------------------------------------------


class MarkAgain(Struct, frozen=True):
    """Look again at the outputs of launches that never began: they may have changed since the intent."""

    def perform(self, world: World, d: Deployment) -> tuple[e.Draft, ...]:
        """Return what changed. Boundary: nothing of a worker that runs or may have run, as that may be its work."""
        listing = world.executor(d.host).poll()
        if listing.state == "unknown":
            return ()
        return _changed_outputs(world, d, [w.name for w in _open_launches(d) if _never_began(world, d, w, listing)])

    def recorded(self, d: Deployment, write: Write) -> tuple[e.Draft, ...]:
        """Read it."""
        return _read_marks(d, write, [worker.name for worker in _open_launches(d)])


class Recover(Struct, frozen=True):
    """Find the outcome of launches without one: adopt what runs, start what never began."""

    def perform(self, world: World, d: Deployment) -> Mapping[str, Fate] | str:
        """Return the outcomes that can be determined.

        Repeatable: yes. An external launcher's unconfirmed start is left to a person, never repeated.
        """
        listing = world.executor(d.host).poll()
        if listing.state == "unknown":
            return {}
        fates: dict[str, Fate] = {}
        for worker in _open_launches(d):
            try:
                found = _recovered(world, d, worker, listing)
            except ProgramError as fault:
                return f"launching {worker.name} again: {fault}"
            if found is not None:
                fates[worker.name] = found
        return fates

    def recorded(self, d: Deployment, write: Write) -> Mapping[str, Fate] | str:
        """Read it: the outcomes of open launches that are legal."""
        return {
            name: fate
            for name, fate in outcomes(write).items()
            if name in d.workers and d.workers[name].intent and _legal(d, d.workers[name], fate)
        }


def _legal(d: Deployment, worker: WorkerState, fate: Fate) -> bool:
    match fate:
        case Failed(by="person"):
            return _unwanted(d, worker)
        case Failed():
            return fate.by in ("launch", "machine")
        case Unconfirmed():
            return not (worker.asked or _unwanted(d, worker))
        case _:
            return True


def recover(d: Deployment) -> Steps[None]:
    """Settle open launches."""
    if any(outputs_to_mark(d, worker) for worker in _open_launches(d)):
        yield from append("intent", (yield from do(MarkAgain())))
    fates = yield from do(Recover())
    if isinstance(fates, str):
        yield from append("line", [noted(fates)])
        return
    workers = [(d.workers[name], fate) for name, fate in fates.items()]
    yield from append(
        "outcome", [draft for worker, fate in workers for draft in launch_drafts(d, worker, worker.intent, fate)]
    )


def _open_launches(d: Deployment) -> list[WorkerState]:
    return [worker for worker in d.workers.values() if worker.intent]


def _never_began(world: World, d: Deployment, worker: WorkerState, listing: Listing) -> bool:
    """Return whether a launch left no trace: neither a session nor its claim."""
    seen = any(session.mark == attempt_id(d, worker) for session in listing.seen)
    return not seen and not world.files.marks([layout.claim(d.host, worker)])


def _unwanted(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a person's request has replaced a launch that never happened."""
    return bool(worker.stop or worker.again or d.down)


def _recovered(world: World, d: Deployment, worker: WorkerState, listing: Listing) -> Fate | None:
    from wakeman.engine.attempt import compose

    host, sign = d.host, attempt_id(d, worker)
    seen = next((s for s in listing.seen if s.mark == sign), None)
    if seen is not None:
        return Established(seen.session_id, seen.pid, found=True)
    if worker.boot != clock_of(world, d).boot() and not world.executor(host).outlives_boot:
        return Failed("the machine was started anew before the launch was confirmed", "machine")
    unwanted = Failed("a person asked for something else", "person") if _unwanted(d, worker) else None
    if d.plan_of(worker).workers.found:
        return unwanted or launch_fate(compose.find_session(world, d, worker), found=True)
    if compose.harness_of(world, d, worker).adopts:
        found = _younger(listing, worker, d, world.clock.now())
        if found is not None:
            with suppress(ProgramError):
                terminals.terminal(world, host).adopt(found.session_id, sign)
            return Established(found.session_id, found.pid, found=True)
        return unwanted or (None if worker.asked else Unconfirmed())
    if world.files.marks([layout.claim(host, worker)]):
        # It ran: the session is gone, but the attempt was started and must not be started twice.
        return Established(found=True)
    if unwanted:
        return unwanted
    try:
        ready = compose.prepare_attempt(world, d, worker)
    except DiskError:
        raise
    except WakemanError as fault:
        return Failed(str(fault))
    return launch_fate(compose.submit(world, d, [ready])[0])


def _younger(listing: Listing, worker: WorkerState, d: Deployment, now: datetime) -> SessionInfo | None:
    asked = (d.looked_at or now) - timedelta(seconds=1)
    for seen in listing.seen:
        if seen.session == worker.session and seen.created >= int(asked.timestamp()):
            return seen
    return None


def unconfirmed(worker: WorkerState) -> Decision:
    """Return the row for a launch that an external launcher never confirmed: left to a person, never repeated."""
    why = "its launcher was started, and no session was seen"
    return Decision(row="investigate", then=("ask",), worker=worker.name, why=why)
