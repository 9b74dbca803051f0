"""A log judged again: what each write says, held against what the tables and actions give on the fold before it.

A write is what was written in one go; all of it was decided on the fold of the lines before. A check is judged as a
walk: its look, the moves, the workers' rows and what they do, the deployment's rows and what they do. A process can
be killed anywhere, so a check may break off after any write; what it may not do is go on without something.

What leaves no outcome in the log, and is therefore none that could be missing: an `end` (a later look sees it), and a
`sweep` of an older version, which says not in whose name it was. A person may ask for one at any time. A `nudge`, a
`send` or a `move` whose process was killed before its outcome stays without one for ever, as it must not be done
twice: it is listed as pending, and no divergence. Nor is a launch or an end that is open in a log that was given up:
that row closes while others are at work, if the plan leaves them. A text that is to be confirmed is settled by a
later look, also when its outcome was lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from wakeman.core import actions
from wakeman.core.errors import TransitionError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.log.hash_chain import DIVERGENCES_KEPT_MAX, Divergence
from wakeman.core.log.state import apply, apply_unchecked
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment, Verdict, WorkerState
from wakeman.core.policy import notice
from wakeman.core.policy.decide import ROWS_PER_CHECK_MAX, Decision, decide, due, missing, transitions
from wakeman.core.policy.quality import Facts, judge

_OUTSIDE = 0  # of any check
_MOVING = 1  # a look stands; the moves that it demands come next
_ACTING = 2  # the workers' rows are taken
_TAKING = 3  # the deployment's rows are

_STRAY = (WakemanError, LookupError, ValueError, AttributeError, TypeError, ArithmeticError)
"""What judging or folding a line may raise that no engine ever wrote."""

Write = Sequence[e.Event]


class Pending(Struct, frozen=True):
    """An intent whose outcome the log does not tell."""

    line: int
    what: str


class Judge:
    """One pass over a log, write by write; constant in memory beside the fold.

    Shape: `divergences` are the first NAMED ones, `count` counts all; `decisions` those that were judged; `cut` the
    checks that broke off; `unknown` counts events of newer versions by type, the first of which stands in `until`:
    what comes behind it is folded and no longer judged.
    """

    def __init__(self) -> None:
        self.deployment = Deployment()
        self.divergences: list[Divergence] = []
        self.count = self.decisions = self.cut = self.until = self.events = 0
        self.unknown: dict[str, int] = {}
        self.lost: deque[Pending] = deque(
            maxlen=DIVERGENCES_KEPT_MAX
        )  # intents whose outcome nobody will tell any more
        self._write: list[e.Event] = []
        self._stage = _OUTSIDE
        self._queue: deque[tuple[Decision, str]] = deque()
        self._last: Decision | None = None
        self._rows = 0
        self._over = False
        self._open: e.Event | None = None  # an intent whose outcome is the next line
        self._leaving: Decision | None = None  # that whose worker was told to end itself
        self._starting: dict[str, int] = {}  # worker -> intent, of the launch under way
        self._due: list[str] = []  # whom the launch under way is to start
        self._placed = False  # what the look found ripe was taken over

    def take(self, event: e.Event) -> None:
        """Judge and fold one event; the lines of a write are judged when its last one is here."""
        self._write.append(event)
        if event.more:
            return
        write, self._write = self._write, []
        self.events += len(write)
        for each in write:
            if isinstance(each.data, e.Unknown) or each.v > e.FORMAT_VERSION:
                name = each.data.name if isinstance(each.data, e.Unknown) else f"version {each.v}"
                self.unknown[name] = self.unknown.get(name, 0) + 1
                self.until = self.until or each.seq
        if not self.until:
            self._judge(write)
        for each in write:
            self._fold(each)

    @property
    def torn(self) -> int:
        """Count the lines of a last write that never became whole."""
        return len(self._write)

    def pending(self) -> list[Pending]:
        """List the intents without an outcome at this point, in the order of their lines."""
        d = self.deployment
        found = [Pending(w.intent, f"launch of {w.name}") for w in d.workers.values() if w.intent]
        found += [Pending(seq, "wake") for seq in d.wakes]
        open_ = self._open.seq if self._open is not None else 0
        texts = [(w.prompt.seq, w.name) for w in d.workers.values() if w.prompt is not None]
        found += [Pending(seq, f"text to {name}") for seq, name in texts if seq != open_]
        found += [Pending(d.seq, f"end of {w.name}") for w in d.workers.values() if w.live and w.ends]
        if self._open is not None:
            found.append(_pending(self._open))
        return sorted([*self.lost, *found], key=lambda pending: pending.line)

    # --- saying -----------------------------------------------------------------------------------------------

    def diverge(self, line: int, kind: str, found: str, expected: str) -> None:
        """Keep one divergence."""
        self.count += 1
        if len(self.divergences) < DIVERGENCES_KEPT_MAX:
            self.divergences.append(Divergence(line, kind, found, expected))

    def _compare(self, kind: str, write: Write, expected: Sequence[e.Draft]) -> None:
        """Hold the lines of a write against the drafts that they must have been."""
        for event, draft in zip_longest(write, expected):
            if event is None:
                self.diverge(write[-1].seq, kind, "nothing", _say(draft))
            elif draft is None:
                self.diverge(event.seq, kind, _say(event), "nothing")
            elif _parts(event) != _parts(draft):
                self.diverge(event.seq, kind, *_differing(event, draft))

    def _fold(self, event: e.Event) -> None:
        try:
            apply(self.deployment, event)
        except TransitionError as fault:
            self.diverge(event.seq, "transition", str(fault).partition(": ")[2], "a move that the state allows")
            self._believed(event)
        except _STRAY as fault:
            self._stray(event, fault)

    def _believed(self, event: e.Event) -> None:
        try:
            apply_unchecked(self.deployment, event)
        except _STRAY as fault:
            self._stray(event, fault)

    def _stray(self, event: e.Event, fault: Exception) -> None:
        self.diverge(event.seq, "fold", f"{_say(event)}: {fault}", "what was enrolled before")
        self.deployment.seq, self.deployment.hash = event.seq, event.hash

    # --- the walk ---------------------------------------------------------------------------------------------

    def _judge(self, write: Write) -> None:
        first = write[0]
        d = self.deployment
        if d.outcome != "open" and not isinstance(first.data, _AFTERWARDS) and not _is(first, "sweep"):
            self.diverge(first.seq, "closed", _say(first), "nothing: the deployment is closed")
        try:
            self._JUDGES[type(first.data)](self, write)
        except _STRAY as fault:  # it speaks of what is not there
            self.diverge(first.seq, "fold", f"{_say(first)}: {fault}", "what was enrolled before")

    def _outside(self, _: Write) -> None:
        """Leave a check that broke off, or that had come to its end."""
        self._leave()

    def _leave(self) -> None:
        if self._stage != _OUTSIDE and not self._ended():
            self.cut += 1
        if self._open is not None and not _confirms(self._open):
            self.lost.append(_pending(self._open))
        self._stage, self._open, self._last, self._rows, self._over = _OUTSIDE, None, None, 0, False
        self._leaving = None
        self._queue.clear()
        self._starting, self._due = {}, []

    def _ended(self) -> bool:
        """Tell whether a check has taken its last row."""
        if self._over or self._rows >= ROWS_PER_CHECK_MAX:
            return True
        return self._last is not None and not self._owing() and decide(self.deployment) == self._last

    def _owing(self) -> bool:
        return any(self._wanted(decision, action) for decision, action in self._queue)

    def _finish(self, line: int) -> None:
        """See to it that nothing of what was decided was left out before the check went on."""
        if self._open is not None:
            self.diverge(line, "outcome", "nothing", f"what became of {_pending(self._open).what}")
            self._open = None
        for name in self._starting:
            self.diverge(line, "outcome", "nothing", f"what became of the launch of {name}")
        for name in self._due:
            self.diverge(line, "outcome", "nothing", f"a launch of {name}, or why there was none")
        self._starting, self._due = {}, []
        while self._queue:
            self._skip(line, *self._queue.popleft())

    def _skip(self, line: int, decision: Decision, action: str) -> None:
        wanted = self._wanted(decision, action)
        if wanted:
            self.diverge(line, "action", "nothing", f"{wanted}, as {decision.row} was decided")

    def _wanted(self, decision: Decision, action: str) -> str:
        """Say what an action must leave in the log; "" when it may leave nothing."""
        d = self.deployment
        match action:
            case "sweep" if decision.worker:
                return "; ".join(map(_say, actions.sweeps(d, d.workers[decision.worker])))
            case "capture" | "nudge" | "enter":
                return f"{action} of {decision.worker}"
            case "relaunch" | "launch":
                return f"launch of {', '.join(_starts(d, decision, action))}" if _starts(d, decision, action) else ""
            case _:
                expected = _EXACT[action](d, decision) if action in _EXACT else []
                return "; ".join(map(_say, expected))

    def _claim(self, event: e.Event) -> tuple[Decision, str] | None:
        """Find what was decided and leads to this event; what was to come before it is missing."""
        what = _claims(event)
        for at, (decision, action) in enumerate(self._queue):
            if action in what and decision.worker in ("", event.worker):
                for _ in range(at):
                    self._skip(event.seq, *self._queue.popleft())
                if action not in ("move", "sweep"):  # of these there may be several
                    self._queue.popleft()
                return decision, action
        self.diverge(event.seq, "action", _say(event), "nothing: no decision asks for it")
        return None

    # --- a check's writes, by the type of the first line -------------------------------------------------------

    def _planned(self, write: Write) -> None:
        if self.deployment.seq:
            self._compare("fold", write, [])
            return
        for event in write[1:]:
            if isinstance(event.data, e.Armed):
                self._generation(event)
            elif not isinstance(event.data, e.Enrolled):
                self._compare("fold", [event], [])

    def _looked(self, write: Write) -> None:
        self._leave()
        for event in write:
            if not isinstance(event.data, e.Looked) or event.data.more != event.more:
                self.diverge(event.seq, "look", _say(event), "a look in one write")
                return
            self._verdicts(event, event.data)
            self._made(event, event.data)
        self._stage, self._placed = _MOVING, False

    def _verdicts(self, event: e.Event, data: e.Looked) -> None:
        """Hold each verdict against its own evidence: marks of the outputs, and of what was there before."""
        d = self.deployment
        for verdict in data.verdicts:
            unit = d.units[verdict.unit].unit
            own = d.plan_of(d.workers[d.units[verdict.unit].worker])
            facts = Facts(
                marks={mark.path: mark for mark in verdict.marks},
                before={path: d.before[path] for path in unit.outputs if path in d.before},
                installed=d.units[verdict.unit].installed if own.workers.stage else None,
            )
            self._hidden(event, verdict, judge(unit, own.verify, facts).problems)

    def _made(self, event: e.Event, data: e.Looked) -> None:
        """Hold the verdicts on what was made aside against their marks."""
        d = self.deployment
        for verdict in data.aside:
            unit = d.units[verdict.unit].unit
            facts = Facts(
                marks={mark.path: mark for mark in verdict.marks},
                before={path: d.before[path] for path in unit.outputs if path in d.before},
            )
            self._hidden(event, verdict, judge(unit, d.plan.verify, facts).problems)

    def _hidden(self, event: e.Event, verdict: Verdict, problems: Sequence[str]) -> None:
        hidden = [problem for problem in problems if problem not in verdict.problems]
        if hidden:
            found = "; ".join(verdict.problems) or "passes"
            self.diverge(event.seq, "evidence", f"{verdict.unit}: {found}", "; ".join(hidden))

    def _placing(self, write: Write) -> None:
        """Judge the intents to take over what was made aside: of all that is ripe, once a look, before the moves."""
        expected = actions.placings(self.deployment) if self._stage == _MOVING and not self._placed else []
        self._compare("action", write, expected)
        self._placed = True

    def _all_placed(self, line: int) -> None:
        if self._stage == _MOVING and not self._placed:
            for draft in actions.placings(self.deployment):
                self.diverge(line, "action", "nothing", _say(draft))

    def _settled_placing(self, write: Write) -> None:
        """Judge what became of what was taken over: at once, or at the beginning of a later check."""
        if self._stage != _MOVING:
            self._leave()
        for event in write:
            data: Any = event.data
            taking = self.deployment.placing.get(data.intent) if isinstance(data, e.Effected) else None
            if taking is None or (event.worker, event.attempt) != (taking.worker, taking.attempt):
                self.diverge(event.seq, "outcome", _say(event), "what became of an output that is taken over")
            elif data.ok and [mark.path for mark in data.marks] != [placing.path for placing in taking.files]:
                self.diverge(event.seq, "outcome", _say(event), "a mark of each output that was taken over")

    def _conflicted(self, write: Write) -> None:
        """Judge conflicts: a check tells of those its look found, a watcher of any, between two checks."""
        expected = actions.trespasses(self.deployment) if self._stage == _MOVING else []
        if [_parts(event) for event in write] != [_parts(draft) for draft in expected]:
            self._leave()

    def _moved(self, write: Write) -> None:
        self._all_placed(write[0].seq)
        worker = self.deployment.workers[write[0].worker or ""]
        data = write[0].data
        launch = isinstance(data, e.Launched) or (
            isinstance(data, e.Exited) and worker.state == "pending" and data.why.startswith(actions.UNLAUNCHED)
        )
        if launch:
            self._outcomes(write)
            return
        expected = transitions(self.deployment) if self._stage == _MOVING else []
        self._finish(write[0].seq)
        self._compare("transition", write, expected)
        self._queue.extend((Decision("verify", worker=v.worker or ""), "move") for v in write if v.to == "verified")

    def _decided(self, write: Write) -> None:
        event = write[0]
        worker = self.deployment.workers[event.worker] if event.worker is not None else None
        if worker is None:
            self._row(write)
        elif worker.intent and not worker.live and _decision(event).row == "investigate":
            self._outcomes(write)
        else:
            self._worker_rows(write)

    def _worker_rows(self, write: Write) -> None:
        d = self.deployment
        expected = self._settled(write[0].seq) if self._stage == _MOVING else []
        self._finish(write[0].seq)
        self._compare("decision", write, [actions.recorded(d, decision) for decision in expected])
        self._stage = _ACTING
        self.decisions += len(write)
        for event in write:
            decision = _decision(event)
            self._queue.extend((decision, action) for action in decision.then)

    def _settled(self, line: int) -> list[Decision]:
        """Give the workers' rows, once all is taken over and all moves are made."""
        self._all_placed(line)
        for draft in transitions(self.deployment):
            self.diverge(line, "transition", "nothing", _say(draft))
        return actions.taken(self.deployment)

    def _row(self, write: Write) -> None:
        event, d = write[0], self.deployment
        if self._stage == _MOVING:
            for missed in self._settled(event.seq):
                self.diverge(event.seq, "decision", "nothing", _say(actions.recorded(d, missed)))
        self._finish(event.seq)
        decision = decide(d)
        asked = (
            self._stage != _OUTSIDE and not self._over and self._rows < ROWS_PER_CHECK_MAX and decision != self._last
        )
        expected = [actions.recorded(d, decision), *notice.telling(d, decision, event.by, event.at)] if asked else []
        self._compare("decision", write, expected)
        self._stage, self._last = _TAKING, _decision(event)
        self._rows += 1
        self.decisions += 1
        self._over = self._last.row == "sleep"
        if not self._last.held:
            self._queue.extend((self._last, action) for action in self._last.then)

    def _acted(self, write: Write) -> None:
        """Judge what an action writes that the fold tells to the letter."""
        self._settle_open(write[0])
        claimed = self._claim(write[0])
        if claimed is None:
            return
        decision, action = claimed
        data: Any = write[0].data
        if decision.row == "finish" and data.text:
            self._left(write, decision)
            return
        self._compare("action", write, _EXACT[action](self.deployment, decision))
        self._over = self._over or action == "close"

    def _left(self, write: Write, decision: Decision) -> None:
        """Judge the word by which a finished client is to end itself. Not taken, it is ended as any other."""
        data: Any = write[0].data
        worker = self.deployment.workers[decision.worker]
        (plain,) = actions.ends([worker], actions.ender(decision))
        self._compare("action", write, [msgspec.structs.replace(plain, data=data)])
        if worker.ends or msgspec.structs.replace(data, text="") != plain.data:
            self.diverge(write[0].seq, "action", _say(write[0]), _say(plain))
        self._open = write[0]
        self._leaving = decision

    def _captured(self, write: Write) -> None:
        event = write[0]
        self._settle_open(event)
        claimed = self._claim(event)
        if claimed and isinstance(event.data, e.Captured):
            expected = msgspec.structs.replace(event.data, why=claimed[0].why)
            self._compare("action", write, [actions.about(self.deployment.workers[claimed[0].worker], expected)])

    def _intended(self, write: Write) -> None:
        data: Any = write[0].data
        self._INTENTS.get(data.action, Judge._acted_by_nobody)(self, write)

    def _acted_by_nobody(self, write: Write) -> None:
        self._settle_open(write[0])
        self._claim(write[0])

    def _launching(self, write: Write) -> None:
        self._settle_open(write[0])
        claimed = self._claim(write[0])
        names = _starts(self.deployment, *claimed) if claimed else []
        for event in write:
            if _is(event, "launch"):
                self._launch(event, names)
            else:
                self._compare("intent", [event], [])
        self._due = names

    def _launch(self, event: e.Event, names: list[str]) -> None:
        d = self.deployment
        worker = d.workers[event.worker or ""]
        wanted = e.Intended(action="launch", target=worker.session, units=len(missing(d, worker)))
        data: Any = event.data
        bare = msgspec.structs.replace(data, digest="", agent_session="", resume=False)
        if worker.intent:
            self.diverge(event.seq, "intent", _say(event), f"nothing: the launch in line {worker.intent} is open")
        elif event.attempt != worker.attempt + 1 or worker.state not in ("pending", "exited"):
            found = f"launch of {worker.name} as attempt {event.attempt} while {worker.state}"
            self.diverge(event.seq, "intent", found, f"attempt {worker.attempt + 1} of one that is pending or exited")
        elif bare != wanted:
            self.diverge(
                event.seq, "intent", _say(event), f"{_say(e.Draft(wanted, worker.name))}, {wanted.units} units"
            )
        if worker.name in names:
            names.remove(worker.name)
        else:
            self.diverge(event.seq, "intent", _say(event), "nothing: no decision starts this worker")
        self._starting[worker.name] = event.seq

    def _typing(self, write: Write) -> None:
        """Judge an intent whose outcome is the next line: a nudge, a move, a send."""
        event = write[0]
        d = self.deployment
        data: Any = event.data
        self._settle_open(event)
        if _is(event, "send"):
            self._leave()
        else:
            claimed = self._claim(event)
            if claimed and claimed[1] in _WORDED:
                worker = d.workers[claimed[0].worker]
                wanted = msgspec.structs.replace(_WORDED[claimed[1]](d, worker), before=data.before)
                self._compare("action", write, [actions.about(worker, wanted)])
            elif data.target in d.moved:
                self.diverge(event.seq, "action", _say(event), "nothing: it was moved before")
        self._open = event

    def _sweeping(self, write: Write) -> None:
        event = write[0]
        data: Any = event.data
        if data.ended_by != "person" and any(action == "sweep" for _, action in self._queue):
            self._settle_open(event)
            claimed = self._claim(event)
            if claimed and claimed[0].worker:
                wanted = actions.sweeps(self.deployment, self.deployment.workers[claimed[0].worker])
                self._compare("action", write, wanted[:1])
        elif data.ended_by == "wakeman":
            self.diverge(event.seq, "action", _say(event), "nothing: no decision asks for it")
        else:
            self._leave()  # a person's
        self._open = event if data.ended_by else None

    def _settle_open(self, event: e.Event) -> None:
        """See that what the line before began has its outcome."""
        queue, self._queue = self._queue, deque()
        self._finish(event.seq)
        self._queue = queue

    # --- outcomes ---------------------------------------------------------------------------------------------

    def _effected(self, write: Write) -> None:
        event = write[0]
        intents = [each.data.intent for each in write if isinstance(each.data, e.Effected)]
        opened = self._open
        if set(intents) & self.deployment.placing.keys():
            self._settled_placing(write)
            return
        if opened is not None and intents == [opened.seq]:
            if (event.worker, event.attempt) != (opened.worker, opened.attempt):
                self.diverge(event.seq, "outcome", _say(event), f"that of {_say(opened)}")
            self._open = None
            if self._leaving is not None and not getattr(event.data, "ok", True):
                self._queue.appendleft((self._leaving, "end"))
            self._leaving = None
        elif event.worker is not None:
            self._outcomes(write)
        else:
            self._leave()
            for each in write:
                self._delivered(each)

    def _delivered(self, event: e.Event) -> None:
        if not isinstance(event.data, e.Effected) or event.data.intent not in self.deployment.wakes:
            self.diverge(event.seq, "outcome", _say(event), "the outcome of a notice that is owed")

    def _outcomes(self, write: Write) -> None:
        """Judge what came of launches: of those under way, or, when a check was killed, of those it left open."""
        d = self.deployment
        if not self._starting:
            asked = [each for each in self._queue if each[1] in ("launch", "relaunch")]
            if asked and not any(d.workers[w.worker].intent for w in write if w.worker in d.workers):
                claimed = self._claim(write[0])
                self._due = _starts(d, *claimed) if claimed else []
        settled = [event.worker for event in write if self._outcome(event)]
        left = set(self._starting).difference(settled)
        refused = [name for name in self._due if name not in settled]
        if left or (not self._starting and not self._due):
            self._leave()  # the check that began these was killed
        elif refused:
            self._finish(write[-1].seq)
        self._starting, self._due = {}, []

    def _outcome(self, event: e.Event) -> bool:
        """Judge one outcome of a launch; tell whether it is one."""
        if isinstance(event.data, e.Noted):
            return False
        worker = self.deployment.workers[event.worker or ""]
        wrong = _OUTCOMES.get(type(event.data), _none)(self.deployment, worker, event)
        if wrong and worker.name in self._due and not worker.intent:
            wrong = _refused(worker, event)
        if wrong:
            self.diverge(event.seq, "outcome", _say(event), wrong)
        return True

    def _noted(self, write: Write) -> None:
        if isinstance(write[-1].data, (e.Progressed, e.Conflicted)):
            self._leave()  # a watcher, between two checks
        elif len(write) > 1:
            self._outcomes(write)
        elif self._starting:
            self._starting, self._due = {}, []  # tmux did not answer: the next check finds out

    # --- around checks ----------------------------------------------------------------------------------------

    def _armed(self, write: Write) -> None:
        data: Any = write[0].data
        if data.why == "head":
            self._all_taken(write[0])
        # In the midst of closing one may be set: it sees to what is owed when this check does not.
        if data.why == "head" or not any(action == "close" for _, action in self._queue):
            self._leave()
        self._generation(write[0])

    def _generation(self, event: e.Event) -> None:
        data: Any = event.data
        wanted = self.deployment.generation + 1
        if data.alarm.generation != wanted:
            self.diverge(event.seq, "alarm", f"generation {data.alarm.generation}", f"generation {wanted}")

    def _all_taken(self, event: e.Event) -> None:
        """See that a check has come to its end: the alarm is set again behind its last row alone."""
        d = self.deployment
        if self._stage == _MOVING:
            for missed in self._settled(event.seq):
                self.diverge(event.seq, "decision", "nothing", _say(actions.recorded(d, missed)))
        self._finish(event.seq)
        if self._stage == _OUTSIDE:
            self.diverge(event.seq, "alarm", _say(event), "a check before it")
        elif not self._ended():
            self.diverge(event.seq, "decision", "nothing", _say(actions.recorded(d, decide(d))))
            self._over = True

    def _disarmed(self, write: Write) -> None:
        d = self.deployment
        if d.outcome == "open" and d.paused_at is not None:
            self._all_taken(write[0])
        elif d.outcome == "open" or d.wakes:
            owed = "a notice is owed" if d.wakes else "it is open"
            self.diverge(write[0].seq, "alarm", _say(write[0]), f"nothing: {owed}")
        self._leave()
        self._compare("alarm", write, [e.Draft(e.Disarmed(generation=d.generation))])

    def _requested(self, write: Write) -> None:
        self._leave()
        event, d = write[0], self.deployment
        data: Any = event.data
        worker = d.workers.get(event.worker) if event.worker is not None else None
        rest = write[1:]
        match data.verb:
            case "amend":
                self._amended(event, rest)
                return
            case "stop" if worker is not None and worker.state == "pending" and not worker.intent:
                end = e.Exited(why="stopped before its launch", ended_by="person")
                fact = e.Draft(end, worker=worker.name, attempt=worker.attempt, source="pending", to="exited")
                self._compare("transition", [*rest], [fact]) if rest else self._missing(event, fact)
            case _:
                self._compare("fold", rest, [])
        if data.verb == "retry" and worker is not None and worker.live:
            self._queue.append((Decision("restart", worker=worker.name), "end"))

    def _missing(self, event: e.Event, draft: e.Draft) -> None:
        self.diverge(event.seq, "transition", "nothing", _say(draft))

    def _amended(self, event: e.Event, rest: Write) -> None:
        gone = tuple(w.name for w in self.deployment.workers.values() if w.state == "pending" and not w.intent)
        if not rest or not isinstance(rest[0].data, e.Amended):
            self.diverge(event.seq, "fold", _say(event), "the plan that it amends to, in the same write")
        elif rest[0].data.dropped != gone:
            found = ", ".join(rest[0].data.dropped) or "nobody"
            self.diverge(rest[0].seq, "fold", f"without {found}", f"without {', '.join(gone) or 'nobody'}")

    def _out_of_place(self, write: Write) -> None:
        self._compare("fold", write, [])

    _INTENTS: ClassVar[dict[str, Callable[[Judge, Write], None]]] = {
        "launch": _launching,
        "end": _acted,
        "nudge": _typing,
        "enter": _typing,
        "move": _typing,
        "send": _typing,
        "sweep": _sweeping,
        "install": _placing,
        "commit": _placing,
    }

    _JUDGES: ClassVar[dict[type[e.Fact], Callable[[Judge, Write], None]]] = {
        e.Planned: _planned,
        e.Enrolled: _acted,
        e.Armed: _armed,
        e.Disarmed: _disarmed,
        e.Looked: _looked,
        e.Decided: _decided,
        e.Intended: _intended,
        e.Effected: _effected,
        e.Confirmed: _moved,
        e.Launched: _moved,
        e.Relaunched: _moved,
        e.Started: _moved,
        e.Stalled: _moved,
        e.Recovered: _moved,
        e.Exited: _moved,
        e.Verified: _moved,
        e.Captured: _captured,
        e.Requested: _requested,
        e.Amended: _out_of_place,
        e.Sampled: _acted,
        e.Reviewed: _acted,
        e.Repaired: _outside,
        e.Sealed: _outside,
        e.Filled: _outside,
        e.Progressed: _outside,
        e.Conflicted: _conflicted,
        e.Freed: _outside,
        e.Noted: _noted,
        e.Closed: _acted,
    }
    """Type of a write's first line -> who judges the write."""


# --- what is expected -----------------------------------------------------------------------------------------


def _starts(d: Deployment, decision: Decision, action: str) -> list[str]:
    return [decision.worker] if action == "relaunch" else due(d)


def _confirmed(_: Deployment, worker: WorkerState, event: e.Event) -> str:
    data = event.data
    ours = isinstance(data, e.Launched) and worker.intent and data.intent == worker.intent
    return "" if ours and event.attempt == worker.attempt else _open_launch(worker)


def _unlaunched(_: Deployment, worker: WorkerState, event: e.Event) -> str:
    data = event.data
    if not worker.intent:
        return _open_launch(worker)
    by = data.ended_by if isinstance(data, e.Exited) else ""
    wanted = e.Exited(why=getattr(data, "why", ""), ended_by=by, free=by != "launch")
    return "" if data == wanted and by in ("launch", "machine", "person") else "a launch that did not happen"


def _failed(_: Deployment, worker: WorkerState, event: e.Event) -> str:
    data = event.data
    ours = isinstance(data, e.Effected) and worker.intent and data.intent == worker.intent and not data.ok
    return "" if ours and event.attempt == worker.attempt else _open_launch(worker)


def _unconfirmed(d: Deployment, worker: WorkerState, event: e.Event) -> str:
    wanted = actions.recorded(d, actions.unconfirmed(worker))
    told = not worker.intent or worker.asked or worker.stop or worker.again or d.down
    return "" if not told and _parts(event) == _parts(wanted) else _say(wanted)


def _refused(worker: WorkerState, event: e.Event) -> str:
    """Say what a launch must leave that was refused before its intent."""
    data = event.data
    if isinstance(data, e.Exited):
        wanted: e.Fact = e.Exited(why=data.why, ended_by="launch")
    else:
        wanted = e.Effected(intent=0, ok=False, detail=getattr(data, "detail", ""), ended_by="launch")
    return "" if data == wanted and event.attempt == worker.attempt else "a launch that was refused"


def _none(_: Deployment, worker: WorkerState, __: e.Event) -> str:
    return _open_launch(worker)


def _open_launch(worker: WorkerState) -> str:
    if worker.intent:
        return f"what became of the launch in line {worker.intent}, attempt {worker.attempt}"
    return "nothing: no intent of it is open"


_OUTCOMES: dict[type[e.Fact], Callable[[Deployment, WorkerState, e.Event], str]] = {
    e.Launched: _confirmed,
    e.Relaunched: _confirmed,
    e.Exited: _unlaunched,
    e.Effected: _failed,
    e.Decided: _unconfirmed,
}
"""Type -> what is wrong with it as the outcome of a launch; "" for nothing."""

_EXACT: dict[str, Callable[[Deployment, Decision], Sequence[e.Draft]]] = {
    "end": lambda d, decision: actions.ends(actions.to_end(d, decision), actions.ender(decision)),
    "restart": lambda d, decision: actions.ends(actions.to_end(d, decision), actions.ender(decision)),
    "enrol": lambda d, _: actions.cleanups(d),
    "sample": lambda d, _: actions.sampling(d),
    "appoint": lambda d, _: actions.appointments(d),
    "conclude": lambda d, _: actions.conclusions(d),
    "close": lambda d, decision: [actions.closing(d, decision)] if decision.row in actions.OUTCOMES else [],
}
"""Action -> everything that it writes."""

_WORDED: dict[str, Callable[[Deployment, WorkerState], e.Intended]] = {
    "nudge": actions.nudge,
    "enter": lambda _, worker: actions.enter(worker),
}
"""Action -> the intent that it writes, but for what its client had said by then."""

_AFTERWARDS = (
    e.Effected, e.Armed, e.Disarmed, e.Repaired, e.Sealed, e.Filled, e.Freed, e.Progressed, e.Conflicted, e.Noted,
)  # fmt: skip
"""What may stand behind the end of a deployment: an alarm too, for a notice or dead sessions that are left."""


# --- words ----------------------------------------------------------------------------------------------------


def _claims(event: e.Event) -> tuple[str, ...]:
    """Name the actions that write such an event."""
    data = event.data
    if isinstance(data, e.Intended):
        return {"end": ("end", "restart"), "launch": ("launch", "relaunch")}.get(data.action, (data.action,))
    return _WRITTEN.get(type(data), ("launch", "relaunch"))


_WRITTEN: dict[type[e.Fact], tuple[str, ...]] = {
    e.Captured: ("capture",),
    e.Enrolled: ("enrol", "appoint"),
    e.Sampled: ("sample",),
    e.Reviewed: ("conclude",),
    e.Closed: ("close",),
}
"""Type -> the actions that write it; others are of launches."""


def _decision(event: e.Event) -> Decision:
    data: Any = event.data
    return Decision(data.row, data.then, event.worker or "", data.why, data.held, data.under)


def _is(event: e.Event, action: str) -> bool:
    return isinstance(event.data, e.Intended) and event.data.action == action


def _confirms(event: e.Event) -> bool:
    """Tell whether a later look settles what became of an intent: the fold keeps it open until then."""
    return isinstance(event.data, e.Intended) and event.data.confirm


def _pending(event: e.Event) -> Pending:
    return Pending(event.seq, _say(event))


def _parts(event: e.Event | e.Draft) -> tuple[object, ...]:
    return event.worker, event.attempt, event.source, event.to, type(event.data), event.data


def _say(event: e.Event | e.Draft) -> str:
    moved = f"{event.source} -> {event.to}" if event.to else ""
    return " ".join(filter(None, (event.worker, e.kind(event.data), moved, summary(event.data))))


def _differing(event: e.Event, draft: e.Draft) -> tuple[str, str]:
    """Say what was found and what was expected; where the words are equal, the fields in which they differ."""
    found, expected = _say(event), _say(draft)
    if found != expected:
        return found, expected
    ours, theirs = (msgspec.to_builtins(draft.data) | {"attempt": draft.attempt}), msgspec.to_builtins(event.data)
    theirs |= {"attempt": event.attempt}
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    return tuple(f"{found}, {', '.join(f'{k}={side.get(k)!r}' for k in keys)}" for side in (theirs, ours))  # type: ignore[return-value] # two sides
