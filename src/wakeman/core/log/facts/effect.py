"""Facts about decisions and effects: the row that was taken, the intent of an effect, and its outcome."""

from datetime import timedelta
from typing import Literal

from msgspec.structs import replace

from wakeman.core.log.facts import standing
from wakeman.core.log.facts.fact import Event, Fact, quoted_words, worker_of
from wakeman.core.log.facts.observation import take_verdict
from wakeman.core.log.facts.window import note_request
from wakeman.core.log.facts.worker import begin_probe, forget_staged, settle_failed_launch
from wakeman.core.model import (
    EDITION_PROGRESS_MIN,
    Deployment,
    EndedBy,
    FileFingerprint,
    OpenIntent,
    OwedNotice,
    PromotedFile,
    Untold,
    Usage,
    Verdict,
    WorkerState,
)

NUDGE_AFTER_RESET = timedelta(minutes=10)
"""Seconds between two nudges of a worker whose usage limit should have reset."""

UNHEARD_AGAIN_S = 60.0
"""Seconds until a nudge that did not arrive is typed again."""
UNHEARD_MAX = 3
"""Nudges in a row that were refused, or are not confirmed, after which a person is asked."""

Action = Literal[
    "launch", "end", "nudge", "send", "enter", "wake", "sweep", "move", "run", "install", "commit", "press"
]
"""`launch` an attempt, `end` one, `nudge` or `send` a text, press `enter` again, `wake` a receiver, `sweep` a session,
`move` a file, `run` a command, `install` what was staged, `commit` what was made in a tree, `press` keys that make a
choice in a dialog."""


class Decided(Fact, frozen=True):
    """A row was taken, for a worker (named in the line) or for the deployment."""

    row: str
    """Name of the row in the decision tables."""
    looked: int
    """Line of the observation on which it was decided."""
    then: tuple[str, ...] = ()
    """Actions that follow, in order."""
    why: str = ""
    """The counts, or the worker's trouble."""
    held: bool = False
    """The row was proposed, and waits for `wakeman accept`."""
    under: str = ""
    """The row that was proposed before and still waits for `wakeman accept`."""

    def apply(self, d: Deployment, event: Event) -> None:
        if event.worker is not None:
            self._apply_to_worker(d, worker_of(d, event), event)
            return
        d.row, d.row_why, d.row_at = self.row, self.why, event.at
        if d.accepted:
            d.accepted = ""
        if self.held:
            d.held, d.held_at = self.row, event.at
            d.holds += 1
            return
        if d.held or self.under:
            d.held = self.under
        rows = d.rows
        rows[self.row] = rows.get(self.row, 0) + 1

    def _apply_to_worker(self, d: Deployment, worker: WorkerState, event: Event) -> None:
        if worker.name in d.steady:
            standing.ask_about(d, worker.name)
        if self.row == "investigate":
            worker.rung += len(self.then)
            worker.tried += self.then if d.edition >= EDITION_PROGRESS_MIN else ()
        elif self.row == "continue" and worker.fault != "outage":
            worker.until = event.at + NUDGE_AFTER_RESET
        elif self.row == "finish":
            worker.finishing = d.edition >= EDITION_PROGRESS_MIN
        elif self.row == "warn":
            worker.trespasses = 0
        worker.asked = worker.asked or "ask" in self.then
        if "restart" in self.then:
            worker.again = True

    def summary(self) -> str:
        then = f" -> {', '.join(self.then)}" if self.then else ""
        why = quoted_words(self.why) if self.row == "investigate" else self.why  # the worker's words
        return f"{self.row}{then}{' (held)' if self.held else ''}: {why}"


class Intended(Fact, frozen=True):
    """An effect that cannot be repeated harmlessly is about to begin. A launch's attempt is in the line."""

    action: Action
    """What is about to be done."""
    target: str = ""
    """What it acts on: session, file, unit or receiver."""
    digest: str = ""
    """SHA-256 of the argument list or the text, in hex; for a press, the fingerprint of the question."""
    text: str = ""
    """The text to type or to send; for a move, where the file goes; for a press, the labels of what is chosen."""
    causes: tuple[str, ...] = ()
    """For a wake: the causes that it reports."""
    units: int = 0
    """For a launch: the number of units that it is to do."""
    ended_by: EndedBy = ""
    """For an end: on whose behalf."""
    line: str = ""
    """For an end: what somebody had typed into the session's input box and not submitted."""
    agent_session: str = ""
    """For a launch: id of the client's conversation."""
    resume: bool = False
    """For a launch: it continues that conversation."""
    profile: str = ""
    """For a launch: SHA-256 of the profile that the attempt gets, in hex; empty without one, and in older logs."""
    version: str = ""
    """For a launch: the version of its client, as asked then; empty where it says none, and in older logs."""
    confirm: bool = False
    """For a text: a later observation shows whether it arrived."""
    before: str = ""
    """For a text: fingerprint of what the client had reported by then."""
    files: tuple[PromotedFile, ...] = ()
    """For an install or a commit: the outputs of the unit in `target`."""
    keep: bool = False
    """For an install: the worker is at work and keeps its own copies."""
    again: int = 0
    """For a wake: line of the notice's first intent, which this delivers again."""

    @property
    def settles(self) -> bool:
        """Return whether its outcome is logged: not of an end by a signal alone, which a later check observes."""
        return bool(self.text if self.action == "end" else self.ended_by if self.action == "sweep" else True)

    def apply(self, d: Deployment, event: Event) -> None:
        if self.settles:
            d.intents[event.seq] = OpenIntent(
                seq=event.seq,
                action=self.action,
                at=event.at,
                worker=event.worker or "",
                attempt=event.attempt or 0,
                target=self.target,
                text=self.text,
                causes=self.causes,
                files=self.files,
                keep=self.keep,
                confirm=self.confirm,
                before=self.before,
                digest=self.digest if self.action == "press" else "",
                again=self.again,
            )
        if event.worker in d.steady:
            standing.ask_about(d, event.worker)
        match self.action:
            case "launch":
                self._begin_launch(d, event)
            case "end":
                worker = worker_of(d, event)
                worker.ending, worker.ends = self.ended_by, worker.ends + 1
                worker.line = self.line or worker.line
            case "sweep":
                d.validators = tuple(each for each in d.validators if each.session != self.target)
                if event.worker is not None:
                    worker = worker_of(d, event)
                    worker.swept = (*worker.swept, self.target)
            case "nudge" | "send" if self.confirm:
                self._begin_prompt(worker_of(d, event), event)
                _ask_service(d, worker_of(d, event), event.seq)
            case "enter":
                prompt = d.prompt_of(worker_of(d, event))
                if prompt is not None:
                    d.intents[prompt.seq] = replace(prompt, enters=prompt.enters + 1, at=event.at)
            case "wake":
                d.woken.update(dict.fromkeys(self.causes, event.at))
                if self.again:
                    self._take_up(d, event)
                else:
                    _supersede(d, self.causes)
            case _:
                pass

    def _take_up(self, d: Deployment, event: Event) -> None:
        """Take a notice up again; of a delivery that was begun and did not end it is not known whether it arrived."""
        begun = [seq for seq, wake in d.wakes.items() if self.again in (seq, wake.again) and seq != event.seq]
        for seq in begun:
            wake = d.intents.pop(seq)
            entry = d.outbox.get(self.again) or OwedNotice(
                seq=self.again, text=wake.text, causes=wake.causes, since=wake.at, again=event.at
            )
            d.outbox[self.again] = replace(entry, tries=entry.tries + 1, doubt=True)

    def _begin_launch(self, d: Deployment, event: Event) -> None:
        worker = worker_of(d, event)
        worker.intent, worker.attempt, worker.session = event.seq, event.attempt or 0, self.target
        standing.ask_about(d, worker.name)
        worker.boot, worker.agent_session, worker.version = d.boot, self.agent_session, self.version
        if not (self.resume and worker.usage.whole):
            worker.used += worker.usage
        worker.resumed, worker.usage = self.resume, Usage()
        worker.again, worker.ending = False, ""
        worker.spent += 1
        for name in worker.units:
            forget_staged(d.units[name])
        d.last_launch = d.mono
        d.restless[worker.name] = None
        _ask_service(d, worker, event.seq)

    def _begin_prompt(self, worker: WorkerState, event: Event) -> None:
        worker.swept = () if self.action == "nudge" else worker.swept
        worker.prompt = event.seq
        if worker.observation is not None:  # what it says of a text is about the one before
            worker.observation = replace(worker.observation, prompt="")

    def summary(self) -> str:
        if self.version:
            return f"launch {self.target}, client {self.version}"
        lost = f", with a line that nobody had submitted: {quoted_words(self.line)}" if self.line else ""
        if self.action == "press":
            return f"press in {self.target}: {quoted_words(self.text)}"
        return f"{self.action} {self.target or self.text}".rstrip() + lost


class Effected(Fact, frozen=True):
    """Outcome of an intent."""

    intent: int
    """Line of the intent."""
    ok: bool
    """It was done."""
    detail: str = ""
    """What happened: an error's words, a commit's id."""
    ended_by: EndedBy = ""
    """For a launch that did not happen: who or what prevented it."""
    marks: tuple[FileFingerprint, ...] = ()
    """For an install or a commit: the outputs that count from now on."""
    missed: dict[str, str] | None = None
    """For a wake: the receivers that it did not reach, each with the reason, 20 at most; null in older logs."""
    told: tuple[str, ...] = ()
    """For a wake: the receivers that took it; none in older logs."""
    after: float = 0.0
    """For a wake: seconds after which it is told again to those that it did not reach; 0 for never, and in older
    logs."""
    doubt: bool = False
    """For a wake: of a receiver that counts as not reached it is not known whether it was."""

    def apply(self, d: Deployment, event: Event) -> None:
        intent = d.intents.get(self.intent)
        if intent is None:
            if not self.intent and not self.ok:
                self._fail_launch(d, worker_of(d, event))  # it was refused before there was an intent
            return
        if intent.confirm and self.ok:
            d.intents[self.intent] = replace(intent, typed=True)
            return
        del d.intents[self.intent]
        match intent.action:
            case "move":
                d.moved[intent.target] = intent.text
            case "install" | "commit":
                self._end_promotion(d, intent)
            case "wake":
                self._note_untold(d, event)
                self._note_owed(d, event, intent)
            case "launch":
                self._fail_launch(d, d.workers[intent.worker])
            case "press" if self.ok:
                _note_answered(d, d.workers[intent.worker])
            case "nudge" | "send" if intent.confirm:
                worker = d.workers[intent.worker]
                worker.prompt = 0
                if intent.action == "nudge":  # who sends a text is told at once that it was refused
                    note_unheard(d, worker, intent.action)
            case _:
                pass

    def _note_untold(self, d: Deployment, event: Event) -> None:
        missed = self.missed or ({} if self.ok else {"": self.detail})  # older logs name no receiver
        before = {name: d.untold.get(name, Untold(why="", since=event.at, times=0)) for name in missed}
        tried = {*missed, *self.told}
        others = {name: untold for name, untold in d.untold.items() if name not in tried}
        d.untold = (others if self.told or self.after else {}) | {
            name: Untold(why=why, since=before[name].since, times=before[name].times + 1)
            for name, why in missed.items()
        }

    def _note_owed(self, d: Deployment, event: Event, wake: OpenIntent) -> None:
        """Keep a notice that is told again; what others wait for is due at once where its receiver takes something."""
        seq = wake.again or wake.seq
        entry = d.outbox.pop(seq, None) or OwedNotice(
            seq=seq, text=wake.text, causes=wake.causes, since=wake.at, again=event.at
        )
        for other in list(d.outbox.values()):
            if any(name not in other.told for name in self.told):
                d.outbox[other.seq] = replace(other, again=min(other.again, event.at))
        if self.after:
            d.outbox[seq] = replace(
                entry,
                again=event.at + timedelta(seconds=self.after),
                tries=entry.tries + 1,
                told=(*entry.told, *self.told),
                doubt=entry.doubt or self.doubt,
            )

    def _fail_launch(self, d: Deployment, worker: WorkerState) -> None:
        worker.why, worker.ended_by, worker.code = self.detail, self.ended_by or "launch", None
        standing.ask_about(d, worker.name)
        settle_failed_launch(d, worker)

    def _end_promotion(self, d: Deployment, promotion: OpenIntent) -> None:
        """Apply a promotion: its outputs count from now on. A unit that could not be promoted gets that problem."""
        unit = d.units[promotion.target]
        files = tuple(promoted.mark for promoted in promotion.files)
        if self.ok:
            size = unit.staged.input if unit.staged is not None else 0
            d.gained += take_verdict(d, Verdict(unit=promotion.target, marks=self.marks, input=size))
            unit.promoted = files
            if promotion.action == "install" and not promotion.keep:
                forget_staged(unit)  # its stage is empty from now on
            unit.installed.update((mark.path, mark) for mark in self.marks)
        elif unit.staged is not None and unit.staged.marks == files:
            unit.staged = replace(unit.staged, problems=(self.detail,))

    def summary(self) -> str:
        return f"{'done' if self.ok else 'failed'}{': ' if self.detail else ''}{quoted_words(self.detail)}"


def _note_answered(d: Deployment, worker: WorkerState) -> None:
    """Apply that a worker's question was answered: what it asks from now on is another, also in equal words."""
    worker.answered = worker.state == "stuck"
    worker.questions += 1
    worker.trouble, worker.tried, worker.rung = "", (), 0
    for key in [key for key in d.woken if key.startswith(f"ask:{worker.name}:{worker.attempt}:waiting:")]:
        del d.woken[key]


def _supersede(d: Deployment, causes: tuple[str, ...]) -> None:
    """Forget what waits to be told and is told anew: the same questions, and the alarm before this one."""
    checks = any(cause.startswith("check:") for cause in causes)
    for seq, entry in list(d.outbox.items()):
        if all(cause in causes or (checks and cause.startswith("check:")) for cause in entry.causes):
            del d.outbox[seq]


def _ask_service(d: Deployment, worker: WorkerState, seq: int) -> None:
    begin_probe(d, worker)
    note_request(d, worker, seq)


def note_unheard(d: Deployment, worker: WorkerState, action: str) -> None:
    """Count a nudge that did not arrive; it is no try of the service. A person's text is never typed again."""
    if d.probe == worker.name:
        d.probe = ""
    worker.unheard_mono = d.mono
    worker.unheard = worker.unheard + 1 if action == "nudge" else UNHEARD_MAX


class Confirmed(Fact, frozen=True):
    """Whether a later observation confirmed that typed text arrived."""

    intent: int
    """Line of the intent to type."""
    ok: bool
    """The text arrived; `false` if nothing shows that. It is never typed again."""
    why: str = ""
    """The evidence for that."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker = worker_of(d, event)
        if worker.prompt == self.intent:
            worker.prompt = 0
            intent = d.intents.pop(self.intent, None)
            if self.ok:
                worker.unheard = 0
                worker.asked = worker.asked and worker.state == "stuck"
            else:
                note_unheard(d, worker, intent.action if intent is not None else "")

    def summary(self) -> str:
        return f"{'arrived' if self.ok else 'not confirmed'}: {self.why}"
