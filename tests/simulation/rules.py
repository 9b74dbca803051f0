"""What must never happen, tested after every step of a simulated deployment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from tests.play import NAME
from tests.simulation import receivers
from tests.simulation.scene import Scene

from wakeman.adapters.memory.sessions import Playing
from wakeman.audit.auditor import Auditor
from wakeman.core.errors import WakemanError
from wakeman.core.log.events import (
    Closed,
    Confirmed,
    Decided,
    Effected,
    Enrolled,
    Event,
    Exited,
    Intended,
    Looked,
    Requested,
    Reviewed,
    Verified,
    chain,
    decode,
    genesis,
    split,
)
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment, attempt_id
from wakeman.core.names import branch
from wakeman.core.policy.attempts import is_queued
from wakeman.core.policy.limits import reset, staggered
from wakeman.core.policy.outbox import is_owed

LOOKS_APART_S = 700
"""Seconds between looks that count: more than `stuck.after`."""
LOOKS_MIN = 4
"""Looks that find no sign of life, after which somebody must have been told."""


LAUNCHED_WITHIN_S = 5.0
"""Seconds after the stagger within which a launch is begun."""
FIRST_SIGNAL_STATUS = 128
"""Exit status from which on a program was ended by a signal."""
WRITTEN = b'{"by": "%s"}'
"""What a program elsewhere writes: whose work it is."""


class BrokenError(AssertionError):
    """Something happened that must never happen."""


def _must(held: object, otherwise: str) -> None:
    if not held:
        raise BrokenError(otherwise)


class Rules:
    """Reads the log as it grows, with a reader of its own, and holds the world against it.

    Shape: `d` is the fold of the whole lines; `up` tells whether that has returned, `lost` whether somebody took the
    alarms away and nobody has looked since.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.up = self.lost = False
        self.visitor: tuple[Playing, str] | None = None  # somebody else's session, and its mark
        self.found: Literal["", "watch", "own"] = ""  # whether somebody else starts the workers' sessions
        self.gone: dict[str, datetime] = {}  # of such a session: since when it is gone, by its id
        self.units: dict[int, frozenset[tuple[str, str]]] = {}  # by pid: what a program works on
        self.strange: set[tuple[str, int, int]] = set()  # files that others wrote before anybody worked on them
        self.closed: set[str] = set()  # ends of the night that were held against the files, by the hash of their line
        scene.sessions.ran = self.ran
        scene.sessions.ended = self.ended
        scene.sessions.typed_into = self.typed_into
        self._forget()

    def _forget(self) -> None:
        self.d = Deployment()
        self.events: list[Event] = []
        self.marks: dict[str, int] = {}  # of launches intended: the line
        self.placed: set[str] = set()  # outputs that were intended to be taken over
        self.rows: dict[str, str] = {}  # the last row of each worker
        self.wanted: set[str] = set()  # workers that a person had looked for again, and nobody has yet
        self.installs: dict[int, str] = {}  # by line of an intended install: whose work it is to be
        self.nudging: dict[int, frozenset[str]] = {}  # by line of a nudge: units done then
        self.nudges: dict[tuple[str, int], frozenset[str]] = {}  # of the last that was heard, by worker and attempt
        self.size = 0

    # --- after every step ---------------------------------------------------------------------------------------

    def step(self) -> None:
        """Read what is new in the log. What was acknowledged is there, and every line follows from those before."""
        tape = self.scene.logs.tapes.get(NAME)
        if tape is None:
            return
        if self.found:
            self._note_gone()
        if len(tape.data) == self.size:
            return
        _must(tape.data.startswith(self.scene.logs.acked.get(NAME, b"")), "an acknowledged event is lost")
        if len(tape.data) < self.size:
            self._forget()
        new = tape.data[self.size :].split(b"\n")[:-1]
        while new and b'"more":true,"data":' in new[-1]:
            new.pop()  # a write counts when all of it is there
        for line in new:
            try:
                self._line(line)
            except WakemanError as fault:
                raise BrokenError(f"the log cannot be read: {fault}") from fault
            self.size += len(line) + 1
        if self.d.plan.workers.workspace != "in place":
            loose = self._in_place() - self.placed
            _must(not loose, f"{loose} stand in place, and nobody was to put them there")

    def _line(self, line: bytes) -> None:
        event = decode(line)
        head, written = split(line)
        data = event.data
        before = self.d.hash or genesis(data.name, data.digest)  # type: ignore[attr-defined] # the first is planned
        _must(event.seq == self.d.seq + 1 and chain(before, head) == written, f"line {self.d.seq + 1} does not follow")
        self._refusals(event)
        apply(self.d, event)
        self.events.append(event)
        if isinstance(data, Intended):
            self.placed |= {placing.path for placing in data.files}
        if isinstance(data, Intended) and data.action == "launch":
            self.marks[attempt_id(self.d, self.d.workers[event.worker or ""])] = event.seq
        if isinstance(data, Closed) and data.outcome == "complete" and event.hash not in self.closed:
            self.closed.add(event.hash)  # asked once: what the power takes afterwards was there
            _must(not self._absent(), f"closed as complete without {self._absent()}")
            _must(not self._unreviewed(), f"closed as complete, and nobody accepted {self._unreviewed()}")
        self._own_work(event)
        self._fenced(event)
        self._nudged(event)
        self._asked_for(event)
        if isinstance(data, Reviewed):
            taken = [each for each in self.events if isinstance(each.data, Reviewed) and each.worker == event.worker]
            _must(len(taken) == 1, f"the verdict of {event.worker} is taken twice")

    def _own_work(self, event: Event) -> None:
        """Check that no output counts that somebody else made before its unit was anybody's work."""
        for verdict in event.data.verdicts if isinstance(event.data, Looked) else ():
            theirs = [m.path for m in verdict.marks if (m.path, m.mtime_ns, m.inode) in self.strange]
            _must(not (verdict.passed and theirs), f"{theirs} count, and are nobody's work")

    def _fenced(self, event: Event) -> None:
        """Check that only what the present attempt has made is installed. A program writes whose work a file is."""
        data, attempt = event.data, event.attempt or 0
        if isinstance(data, Intended) and data.action == "install":
            self.installs[event.seq] = f"{NAME}/{event.worker}/{attempt}@"
        if not isinstance(data, Effected) or not data.ok or data.intent not in self.installs:
            return
        for mark in data.marks:
            text, _, _ = self.scene.files.held.get(f"/plans/{mark.path}", (b"", 0, 0))
            own = WRITTEN % self.installs[data.intent].encode()
            theirs = text.startswith(WRITTEN[:8]) and not text.startswith(own[:-2])
            _must(not theirs, f"{mark.path} is installed, and is the work of {text!r}")

    def intrude(self, name: str) -> bool:
        """Have somebody else write the outputs of a unit for which nobody was launched; return whether they did."""
        state = self.d.units.get(name)
        if state is None or state.begun or self.d.plan.workers.workspace != "in place" or name in self.d.reviews:
            return False
        worked = {unit for units in self.units.values() for _, unit in units}
        sessions = self.scene.sessions
        there = any(p.mark.startswith(f"{NAME}/{state.worker}/") for p in sessions.playing.values())
        if name in worked or there or sessions.away:
            return False
        for path in state.unit.outputs:
            self.scene.files.write(f"/plans/{path}", b'{"strange": "and long enough"}', durable=True)
            _, mtime_ns, inode = self.scene.files.held[f"/plans/{path}"]
            self.strange.add((path, mtime_ns, inode))
        return True

    def _nudged(self, event: Event) -> None:
        """Check that a worker is nudged with something to say, and again only once a unit of it was done.

        Boundary: a nudge that nobody heard is typed again, and after a limit has reset each worker is told so.
        """
        data, worker = event.data, event.worker or ""
        if isinstance(data, Decided):
            self.rows[worker] = data.row
        if isinstance(data, Confirmed) and data.ok and data.intent in self.nudging:
            self.nudges[worker, event.attempt or 0] = self.nudging[data.intent]
        if not isinstance(data, Intended) or data.action != "nudge" or self.rows.get(worker) != "investigate":
            return
        known = self.d.workers[worker]
        self.nudging[event.seq] = done = frozenset(name for name in known.units if self.d.units[name].done)
        before = self.nudges.get((worker, known.attempt))
        _must(len(done) < len(known.units), f"{worker} is nudged with nothing to say")
        _must(before is None or done - before, f"{worker} is nudged again, and nothing was achieved since")

    def _refusals(self, event: Event) -> None:
        """Check that an outage costs nothing and is tried by one at a time, and that nobody runs into a refused key."""
        d, data = self.d, event.data
        if isinstance(data, Exited):
            worker, sessions = d.workers[event.worker or ""], self.scene.sessions
            mark = attempt_id(d, worker)
            own = data.code is not None and data.code < FIRST_SIGNAL_STATUS
            blamed = own or worker.ending or mark not in sessions.blameless
            _must(data.free or blamed, f"{mark} costs an attempt, for no fault")
            _must(worker.ending or mark not in sessions.waiting, f"{mark} is said to have ended, and has not begun")
        if isinstance(data, Exited) and data.fault:
            _must(data.free, f"{event.worker} was refused ({data.fault}), and it costs an attempt")
        if not isinstance(data, Intended) or data.action != "launch" or d.workers[event.worker or ""].again:
            return  # a person may ask for anything
        _must(not d.barred, f"{event.worker} is launched while launches are barred: {d.barred}")
        _must(not d.outage or not d.probe, f"{event.worker} is launched while {d.probe} tries the service")
        early = d.outage and d.outage_until and d.looked_at and d.outage_until > d.looked_at
        _must(not early, f"{event.worker} is launched before the service is to be tried again")

    def _absent(self) -> list[str]:
        wanted = [
            (state.worker, path)
            for name, state in self.d.units.items()
            if name not in self.d.reviews and not state.waived
            for path in state.unit.outputs
        ]
        return [path for worker, path in wanted if not self._there(worker, path)]

    def _there(self, worker: str, path: str) -> bool:
        """Return whether an output is where it belongs: in its place, or on its worker's branch."""
        if self.d.host.repository is None:
            return f"/plans/{path}" in self.scene.files.held
        git = self.scene.git
        return path in git.commits[git.refs[branch(NAME, worker)]][0]

    def _in_place(self) -> set[str]:
        """List the outputs that stand in their places."""
        outputs = {f"/plans/{path}": path for state in self.d.units.values() for path in state.unit.outputs}
        return {path for place, path in outputs.items() if place in self.scene.files.held}

    def _unreviewed(self) -> list[str]:
        """List the units, of a plan with reviews, whose files as they are no reviewer has accepted, nor a person."""
        if not self.d.plan.verify.review.command:
            return []
        marks: dict[str, object] = {}
        given: dict[str, list[tuple[str, object]]] = {}
        accepted: set[tuple[str, object]] = set()
        waived: set[str] = set()
        taken: dict[int, str] = {}
        for event in self.events:
            match event.data:
                case Looked(verdicts=verdicts):
                    marks.update((verdict.unit, verdict.marks) for verdict in verdicts)
                case Intended(action="install", target=unit):
                    taken[event.seq] = unit
                case Effected(intent=intent, ok=True, marks=installed) if intent in taken:
                    marks[taken[intent]] = installed
                case Enrolled(reviews=units) if units:
                    given[event.worker or ""] = [(unit, marks[unit]) for unit in units]
                case Reviewed(rejected=rejected):
                    out = {each.unit for each in rejected}
                    accepted.update(pair for pair in given[event.worker or ""] if pair[0] not in out)
                case Requested(verb="waive", units=units):
                    waived.update(units)
                    accepted.update(pair for unit in units for pair in given.get(unit, ()))
                case Requested(verb="reject", units=units):
                    waived.difference_update(units)
                    accepted = {pair for pair in accepted if pair[0] not in units}
                case _:
                    pass
        made = self.d.units.keys() - self.d.reviews.keys() - waived
        return sorted(unit for unit in made if (unit, marks[unit]) not in accepted)

    # --- when a program starts, or is ended ---------------------------------------------------------------------

    def ran(self, p: Playing) -> None:
        """Check that a program may run: once, intended, and with nobody else on its units."""
        self.step()
        _must(not self.found, f"{p.start.session} is started, and it is somebody else's to start")
        started = self.scene.sessions.started
        _must(started.count(p.mark) == 1, f"{p.mark} is run twice")
        _must(p.mark in self.marks, f"{p.mark} runs without an intent")
        worker, attempt = p.mark.split("@")[0].split("/")[1:]
        mine = [other for other in started if other.startswith(f"{NAME}/{worker}/{attempt}@")]
        _must(len(mine) == 1, f"attempt {attempt} of {worker} is run twice: {mine}")
        listing = self.scene.files.held.get(f"{p.home}/units.jsonl")
        _must(listing, f"{p.mark} runs, and what it is to do is not there")
        lines = listing[0].splitlines() if listing else []
        reviews = "WAKEMAN_VERDICT" in p.start.env  # it reads what others may be told to write anew
        named = (msgspec.json.decode(line)["unit"] for line in lines)
        self.units[p.pid] = units = frozenset((p.mark, name) if reviews else ("", name) for name in named)
        for other in self.scene.sessions.running:
            both = units & self.units[other.pid]
            apart = other is p or other in self.scene.sessions.lost  # that one may live on, and is fenced
            _must(apart or not both, f"{other.mark} and {p.mark} both work on {sorted(both)}")

    def ended(self, p: Playing) -> None:
        """Check that only who was asked to go, has come to nothing, or is nobody's any more is ended."""
        self.step()
        _must(p.mark.startswith(f"{NAME}/"), f"session {p.start.session} is not ours")
        _must(self.found != "watch", f"{p.start.session} is only watched, and is ended")
        works = p in self.scene.sessions.running or (self.scene.sessions.is_found(p) and p.steps)
        if not works or self.scene.sessions.role[p.session_id].hangs:
            return
        if self.scene.sessions.at_rest(p) or self.scene.sessions.unseen(p):
            return
        worker = p.mark.split("/")[1]
        since = self.marks.get(p.mark, 0)
        asked = any(
            isinstance(event.data, Requested)
            and (event.data.verb == "down" or (event.worker == worker and event.data.verb in ("stop", "retry")))
            for event in self.events[since - 1 :]
        )
        given_up = any(isinstance(event.data, Decided) and event.data.row == "give up" for event in self.events)
        timed_out = any(
            isinstance(event.data, Decided) and (event.data.row, event.worker) == ("time out", worker)
            for event in self.events[since - 1 :]
        )
        _must(asked or given_up or timed_out, f"{p.mark} was healthy, and is ended")

    def typed_into(self, p: Playing) -> None:
        """Check that nothing is typed into a session that is only watched."""
        _must(self.found != "watch", f"{p.start.session} is only watched, and is typed into")

    # --- sessions that somebody else has started ------------------------------------------------------------------

    def _asked_for(self, event: Event) -> None:
        """Check that a session of somebody else's is looked for again only where a person has said so."""
        data, worker = event.data, event.worker or ""
        if isinstance(data, Requested) and data.verb == "retry" and worker:
            self.wanted.add(worker)
        if not self.found or not isinstance(data, Intended) or data.action != "launch":
            return
        attempt = self.d.workers[worker].attempt
        _must(attempt < 2 or worker in self.wanted, f"{worker} is looked for again, and nobody said that it is there")
        self.wanted.discard(worker)

    def _note_gone(self) -> None:
        """Note since when a session is gone that is thought to live. One whose server is out of reach may live."""
        sessions = self.scene.sessions
        there = {p.session_id for server in (sessions.playing, *sessions.away.values()) for p in server.values()}
        for worker in self.d.workers.values():
            if worker.live and worker.session_id and worker.session_id not in there:
                self.gone.setdefault(worker.session_id, self.scene.clock.at)

    def _all_noticed(self) -> None:
        """Check that a look that came to its end has noticed whose session was gone before it."""
        late = [
            worker.name
            for worker in self.d.workers.values()
            if worker.live
            and not worker.unknowns
            and self.gone.get(worker.session_id, self.scene.clock.at) < self.scene.clock.at
        ]
        _must(not late, f"the sessions of {late} are gone, and nobody has noticed")

    def _all_told(self) -> None:
        """Check that somebody was told of each session that is gone with files missing, or shows no sign of life."""
        if "ask" not in self.d.plan.wake.on or not self.d.plan.wake.to:
            return
        told = {cause for event in self.events if isinstance(event.data, Intended) for cause in event.data.causes}
        silent = self._silent()
        for worker in self.d.workers.values():
            undone = any(not self.d.units[name].done and not self.d.units[name].waived for name in worker.units)
            over = worker.state == "exited" and not worker.intent  # one that is looked for again is not yet settled
            lost = over and worker.ended_by != "person" and not worker.again and undone
            about = [cause for cause in told if cause.startswith(f"ask:{worker.name}:{worker.attempt}:")]
            _must(about or not lost, f"{worker.name} is gone with files missing, and nobody is told")
            _must(about or worker.name not in silent, f"{worker.name} shows no sign of life, and nobody is told")

    def _silent(self) -> list[str]:
        """List the workers that are only watched, and have done nothing for at least four looks, far apart."""
        playing = {p.session_id: p for p in self.scene.sessions.playing.values()}
        found = []
        for worker in self.d.workers.values():
            p = playing.get(worker.session_id)
            if p is None or not worker.live or self.found != "watch" or p.steps:
                continue
            looks = [
                event.at
                for event in self.events[self.marks.get(attempt_id(self.d, worker), 1) - 1 :]
                if isinstance(event.data, Looked) and event.at.timestamp() > p.activity
            ]
            apart = looks[:1]
            for look in looks:
                if (look - apart[-1]).total_seconds() >= LOOKS_APART_S:
                    apart.append(look)
            found += [worker.name] if len(apart) >= LOOKS_MIN else []
        return found

    def _let_go(self) -> None:
        """Check that of what was only watched, nothing is marked any more once the night is over."""
        marked = [p.start.session for p in self.scene.sessions.playing.values() if p.mark.startswith(f"{NAME}/")]
        _must(not marked, f"{marked} go on, and are still marked")

    def verified_files(self) -> dict[str, tuple[bytes, int, int]]:
        """Return the outputs of verified workers that are as they were judged."""
        held, found = self.scene.files.held, {}
        for worker in self.d.workers.values():
            for name in worker.units if worker.state == "verified" else ():
                verdict = self.d.units[name].verdict
                for mark in verdict.marks if verdict is not None else ():
                    entry = held.get(f"/plans/{mark.path}")
                    if entry is not None and (len(entry[0]), *entry[1:]) == (mark.size, mark.mtime_ns, mark.inode):
                        found[f"/plans/{mark.path}"] = entry
        return found

    def all_kept(self, files: dict[str, tuple[bytes, int, int]]) -> None:
        """See to it that what was verified is there after a power cut, as it was."""
        lost = [path for path, entry in files.items() if self.scene.files.held.get(path) != entry]
        _must(not lost, f"verified, and lost with the power: {lost}")

    def all_intended(self) -> None:
        """Check that every program that ever ran has its intent in the log."""
        self.step()
        without = [ran for ran in self.scene.sessions.started if ran not in self.marks]
        _must(not without, f"ran without an intent in the log: {without}")

    # --- when nobody runs -----------------------------------------------------------------------------------------

    def quiet(self, *, checked: bool) -> None:
        """Check that somebody will look again.

        Shape: once `up` has returned, a job stands in the queue of `at` whenever no process runs while the deployment
        is open and not paused, or closed and a notice is owed. After a check that came to its end it is due later.
        """
        self.step()
        d = self.d
        if checked:
            self._all_withheld()
        if self.visitor is not None:
            theirs, mark = self.visitor
            _must(
                (theirs.mark, theirs.dead) == (mark, False),
                f"session {theirs.start.session} is not ours, and is touched",
            )
        if (
            not self.up
            or self.lost
            or (d.paused_at and d.outcome == "open")
            or (d.outcome != "open" and not is_owed(d))
        ):
            return
        if checked and self.found and d.outcome == "open":
            self._all_noticed()
            self._all_told()
        if checked:
            unsaid = receivers.unsaid(self.events, d)
            _must(not unsaid, f"what is said of {unsaid} is not how the last delivery ended")
        dues = [job.due for job, _ in self.scene.alarms.jobs.values()]
        _must(dues, f"{d.outcome}, and no alarm lies ahead")
        if checked and d.outcome == "open":
            # One that is due this moment is about to fire.
            _must(max(dues) >= self.scene.clock.at, "a check came to its end, and every alarm is overdue")
            self._launch_follows()

    def _all_withheld(self) -> None:
        """Check that of those seen to wait in a queue none is left to begin while nothing may start."""
        d = self.d
        if d.outcome != "open" or not (d.paused_at or d.barred or reset(d)):
            return
        seen = [worker for worker in d.workers.values() if is_queued(worker) and not worker.ends]
        left = [worker.name for worker in seen if attempt_id(d, worker) in self.scene.sessions.waiting]
        _must(not left, f"{left} may begin, and nothing is to start")

    def _launch_follows(self) -> None:
        """Check that somebody looks when a launch is due that waits for the stagger alone."""
        d = self.d
        if not staggered(d) or d.boot != self.scene.clock.boot():
            return
        left = max(0.0, d.last_launch + d.plan.workers.stagger - self.scene.clock.mono())
        due = self.scene.clock.at + timedelta(seconds=left + LAUNCHED_WITHIN_S)
        timers = (*self.scene.sleepers.jobs.values(), *self.scene.alarms.jobs.values())
        _must(any(job.due <= due for job, _ in timers), "a launch is due, and nobody looks then")

    def over(self, last: Deployment | None, limit: datetime) -> None:
        """Check that the night ended, and that its log tells the same from scratch."""
        self.step()
        d = self.d
        _must(
            self.scene.clock.at < limit,
            f"not over by {limit}: {[(w.name, w.state, w.why) for w in d.workers.values()]}",
        )
        _must(d.outcome in ("complete", "partial", "stopped") and d.why, f"ended as {d.outcome}, for no reason given")
        _must(sum(isinstance(event.data, Closed) for event in self.events) == 1, "closed more than once")
        _must(not self.scene.alarms.jobs, "closed, and an alarm is left")
        _must(last is None or last.seq != d.seq or last == d, "what the engine holds is not what the log tells")
        _must(self.scene.logs.read(NAME) == d, "two readers of the log differ")
        judge = Auditor()
        for event in self.events:
            judge.take(event)
        _must(not judge.divergences, f"the audit finds {judge.divergences[:3]}")
        verified = {event.worker for event in self.events if isinstance(event.data, Verified)}
        makers = [worker for worker in d.workers.values() if worker.units and not worker.review]
        unsaid = [worker.name for worker in makers if worker.name not in verified]  # a review may be needed no more
        _must(d.outcome != "complete" or not unsaid, f"complete, and nobody said so of {unsaid}")
        if self.found == "watch":
            self._let_go()
        held = self.scene.files.held
        tasks = [path for path in held if path.startswith(f"/state/{NAME}/prompts/") and "/completed/" not in path]
        _must(d.outcome != "complete" or not tasks, f"complete, and task files are left: {tasks}")
        to = [target.name for target in d.plan.wake.to]
        doubled = receivers.doubled(self.scene.receivers, self.events)
        _must(not doubled, f"told twice, without a word of that: {doubled}")
        lost = receivers.lost(self.scene.receivers, self.events, d, to)
        _must(not lost, f"a notice is lost: {lost}")
        row = {"complete": "wrap up", "partial": "give up", "stopped": "stop"}[d.outcome]
        told = [text for _, text in self.scene.delivered if f": {row}: " in text]
        gone = set(to) <= set(d.untold)
        _must(row == "stop" or told or gone, f"nobody was told of the {row}")
