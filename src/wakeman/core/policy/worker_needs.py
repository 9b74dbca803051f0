"""What a worker needs, or waits for: the cause in our words, the words of others, and the commands that answer it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from shlex import quote
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, Dialog, WorkerState
from wakeman.core.policy import notice
from wakeman.core.policy.attempts import END_TRIES_MAX, missing, owed, retry_delay
from wakeman.core.policy.dialogs import CUT, Permission, choices_listed, granting, words_fingerprint
from wakeman.core.policy.limits import launches_barred
from wakeman.core.policy.notice import SPOKEN_REASONS
from wakeman.core.policy.worker_rows import rungs_left
from wakeman.core.text import sanitise, time_span

QUOTED_CHARS_MAX = 300
"""Characters of what others said that a need repeats."""
NAMES_MAX = 4
"""Names that a sentence has; the others are counted."""
Sign = Literal["ask", "held", "failed", "wait"]
"""`ask`: somebody waits for a person; `held`: a row does; `failed`: something did not work; `wait`: it goes on by
itself."""
_END = re.compile(r"(exit status \d+(?:, no exit file)?|ended by signal \d+)(?:: (.+))?$", re.DOTALL)
"""How the reason of an end begins, in our words; what follows is the client's."""


class Remedy(Struct, frozen=True):
    """A command that answers a need. `answers`: it answers what was said, so that must be read whole before.

    Shape: `several` is the command for all workers with that need at once; "" where it is for one alone.
    """

    line: str
    does: str
    answers: bool = False
    several: str = ""


class Need(Struct, frozen=True):
    """One thing to do for a person, or one that goes on by itself.

    Shape: `about` is the name that its row has. `cause` and `rest` are one sentence; `words` are what others said, data
    in one line, and `whole` whether nothing of them is cut. `until` is when it goes on by itself. `seen` is the
    fingerprint of what is asked, if a command answers it, and `choices` are the labels that its dialog offers; `grants`
    are those of a permission, by how it is given.
    """

    reason: str
    sign: Sign
    about: str
    cause: str
    rest: str = ""
    words: str = ""
    whole: bool = True
    workers: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    commands: tuple[Remedy, ...] = ()
    seen: str = ""
    choices: tuple[str, ...] = ()
    grants: Mapping[Permission, str] = {}


def names(found: Sequence[str], most: int = NAMES_MAX) -> str:
    """Return the first names and the number of the others."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return " ".join(found[:most]) + more


def end_words(why: str) -> tuple[str, str]:
    """Split why an attempt has ended into our words and those of its client."""
    ours = _END.match(why)
    return (ours[1], ours[2] or "") if ours else ("", why)


def worker_need(d: Deployment, worker: WorkerState, reason: str, now: datetime) -> Need:
    """Return what a worker needs, by its reason."""
    at = quote(f"{d.name}/{worker.name}")
    kind, cause, words = _told_cause(d, worker, reason)
    dialog = _asked_dialog(worker) if reason == "waiting" else None
    if dialog is not None:  # what was reported before may be about another one
        words = f"{dialog.asks} {choices_listed(dialog)}" if dialog.kind == "question" else dialog.asks
        if dialog.kind != "dialog":
            kind, cause = dialog.kind, f"asks a {dialog.kind}"
    since = _quiet_since(d, worker) if reason in ("silent", "background") else worker.since
    age = _age(since, now)
    rest = age.replace(",", " for") if kind == "silent" else age
    if kind == "silent" and "nudge" in worker.tried:
        rest += "; nudged, without effect"
    text = sanitise(words, QUOTED_CHARS_MAX)
    return Need(
        reason=kind,
        sign="ask",
        about=worker.name,
        cause=cause,
        rest=rest,
        words=text,
        whole=not text.endswith("…") and (dialog is None or CUT not in text),
        workers=(worker.name,),
        since=since,
        commands=_remedies_for(d, worker, kind, at),
        seen=dialog.seen if dialog is not None else words_fingerprint(worker.said) if kind in SPOKEN_REASONS else "",
        choices=tuple(choice.label for choice in dialog.choices) if dialog is not None else (),
        grants=granting(dialog) if dialog is not None and dialog.kind != "question" else {},
    )


def _asked_dialog(worker: WorkerState) -> Dialog | None:
    """Return what a worker's screen asks, as the last observation saw it."""
    seen = worker.observation
    return seen.dialog if seen is not None and seen.attempt == worker.attempt else None


def _told_cause(d: Deployment, worker: WorkerState, reason: str) -> tuple[str, str, str]:
    """Return the kind of a worker's need, its cause in our words, and the words of others."""
    left = count(len(missing(d, worker)), "unit")
    match reason:
        case "waiting":
            phrase = next((one for one in notice.WAITING_PHRASES if worker.why.startswith(one)), "")
            kind = {"asks for a permission": "permission", "asks a question": "question"}.get(phrase, "dialog")
            words = worker.why[len(phrase) :].lstrip(" :")
            return kind, phrase.replace("asks for a permission", "asks a permission") or "asks for something", words
        case "asks":
            return "asks", "asks a question", worker.said
        case "claims":
            return "claims", f"says that it is done, with {left} undone", worker.said
        case "refuses":
            return "refuses", "says that it cannot go on", worker.said
        case "error":
            tries = f" after {worker.spent} of {d.plan.stuck.attempts} attempts"
            fault = worker.observation.fault if worker.observation is not None else ""
            refused = notice.REFUSED_PHRASES.get(fault, "")
            return "error", f"stands: {refused}" if refused else f"shows an error{tries}", worker.why
        case "silent":
            return "silent", "is silent", ""
        case "background":
            return "background", "shows only background work", worker.why
        case "limited":
            return "limited", "is at its usage limit, and is not told to go on", worker.why
        case "unseen":
            return "unseen", "cannot be looked at, by an error of Wakeman's own", worker.unseen
        case "unheard":
            return "unheard", "was typed into, and nothing shows that it arrived", ""
        case "verdict":
            return "verdict", "has given no verdict", end_words(worker.why)[1]
        case _:
            return "launch", "was launched, and nothing confirms it", worker.why


def _remedies_for(d: Deployment, worker: WorkerState, kind: str, at: str) -> tuple[Remedy, ...]:
    """Return the commands for a kind of need, the most useful first."""
    look = Remedy(f"wakeman capture {at}", "see the end of its screen")
    attach = Remedy(f"wakeman attach {at}", "see the screen, answer there")
    seat = look if d.host.headless else attach
    typed = d.plan_of(worker).workers.mode == "interactive"
    again = _shared("retry", at, "", _retry_does(d, worker))
    stop = _shared("stop", at, "", _stop_does(d, worker))
    log = Remedy(f"wakeman log {quote(d.name)} --worker {quote(worker.name)}", "see what happened to it")
    match kind:
        case "permission" | "question" | "dialog" if typed and (dialog := _asked_dialog(worker)) is not None:
            return (*_answers_of(dialog, at), seat)
        case "permission" | "question":
            return (seat,) if typed else (seat, again)
        case "asks" if typed:
            one = f"wakeman answer {at} 'your answer' --seen {words_fingerprint(worker.said)}"
            all_ = f"wakeman send --like {at} 'your answer' --submit"
            return Remedy(one, "answer it", answers=True, several=all_), seat
        case "claims" if typed:
            text = f"Go on: {count(len(missing(d, worker)), 'unit')} of your share not done."
            return _shared("send", at, f"{quote(text)} --submit", "tell it what is left", answers=True), seat
        case "error" | "verdict":
            return look, again
        case "unheard":
            return seat, log
        case "unseen" | "launch":
            return log, Remedy(f"wakeman check {quote(d.name)}", "look once more")
        case "limited":
            return seat, again
        case _:
            return seat, stop, again


def _answers_of(dialog: Dialog, at: str) -> Iterator[Remedy]:
    """Yield the commands that answer a dialog."""
    to = f"--seen {dialog.seen}"
    if dialog.kind == "question":
        own = any(choice.does == "text" for choice in dialog.choices)
        does = f"answer it: {choices_listed(dialog)}{', or a text' if own else ''}"
        yield Remedy(f"wakeman answer {at} 'your answer' {to}", sanitise(does, QUOTED_CHARS_MAX), answers=True)
        return
    offered = list(granting(dialog))
    if offered:
        others = ", ".join(f"--{wanted} {_PERMITS[wanted]}" for wanted in offered[1:])
        does = f"say {_PERMITS[offered[0]]}" + (f"; {others}" if others else "")
        yield Remedy(f"wakeman approve {at} --{offered[0]} {to}", does, answers=True)


_PERMITS: dict[Permission, str] = {"once": "yes this once", "always": "yes from now on", "deny": "no"}


def _shared(verb: str, at: str, rest: str, does: str, *, answers: bool = False) -> Remedy:
    """Return a command that can be given for one worker, and for all that need the same."""
    line, several = (f"wakeman {verb} {who} {rest}".rstrip() for who in (at, f"--like {at}"))
    return Remedy(line, does, answers, several)


def exhausted_need(d: Deployment, worker: WorkerState, now: datetime) -> Need:
    """Return that a worker, and all cleanup after it, has left units undone."""
    at, left = quote(f"{d.name}/{worker.name}"), missing(d, worker)
    ours, theirs = end_words(worker.why)
    age = _age(worker.since, now)
    tries = f"ended {worker.spent} of {d.plan.stuck.attempts} times" if worker.spent > 1 else "has ended"
    text = sanitise(theirs, QUOTED_CHARS_MAX)
    return Need(
        reason="spent",
        sign="failed",
        about=worker.name,
        cause=tries,
        rest=f"{age}{' ago' * bool(age)}: {count(len(left), 'unit')} undone"
        + (", no cleanup left" if not d.plan_of(worker).workers.found else "")
        + (f"; {ours}" if ours else ""),
        words=text,
        whole=not text.endswith("…"),
        workers=(worker.name,),
        since=worker.since,
        commands=(
            Remedy(f"wakeman capture {at}", "see the end of what it printed"),
            _shared("retry", at, "", _retry_does(d, worker)),
        ),
    )


def _retry_does(d: Deployment, worker: WorkerState) -> str:
    found = d.plan_of(worker).workers.found
    return (
        "look for its session, once you have started it again" if found else "start another attempt for what is undone"
    )


def _stop_does(d: Deployment, worker: WorkerState) -> str:
    workers = d.plan_of(worker).workers
    if workers.untouched:
        return "let it go: its session goes on as it is"
    return "end it" if workers.found else "end it; its undone units go to a cleanup worker"


def _quiet_since(d: Deployment, worker: WorkerState) -> datetime | None:
    """Return when a worker last showed a sign of life; for others when it entered its state."""
    if d.looked_at is None or not worker.live or not worker.life_mono or worker.boot != d.boot:
        return worker.since
    return d.looked_at - timedelta(seconds=max(0.0, d.mono - worker.life_mono))


def last_sign(d: Deployment, worker: WorkerState) -> datetime | None:
    """Return when a live worker last showed a sign of life; None for others."""
    if not worker.live:
        return None
    seen = _quiet_since(d, worker)
    return max(seen, worker.written_at) if seen and worker.written_at else seen


def oldest(need: Need) -> float:
    return need.since.timestamp() if need.since else 0.0


def folded(found: Sequence[Need], now: datetime) -> list[Need]:
    """Fold needs of several workers with the same reason and words into one, in the place of its first."""
    groups: dict[object, list[Need]] = {}
    for need in found:
        groups.setdefault((need.reason, need.words, need.cause), []).append(need)
    return [_one_of(group, now) for group in groups.values()]


def _one_of(group: Sequence[Need], now: datetime) -> Need:
    first, last = group[0], group[-1]
    if first is last:
        return first
    longest, shortest = _age(first.since, now), _age(last.since, now)
    span = longest if longest == shortest else f"{shortest} to {longest.removeprefix(', ')}"
    everybody = tuple(name for need in group for name in need.workers)
    return replace(
        first,
        about=f"{len(everybody)} workers",
        cause=_plural(first.cause),
        rest=f"{span}: {names(everybody)}",
        workers=everybody,
        commands=_for_all(first, len(everybody)),
    )


def _for_all(need: Need, count: int) -> tuple[Remedy, ...]:
    """Return the commands for workers with the same need: first those that answer all, then those for the first."""
    each = [
        replace(one, line=one.several, does=f"{one.does}, for all {count}")
        if one.several
        else replace(one, does=f"{one.does}: of {need.about}, the first")
        for one in need.commands
    ]
    return tuple(sorted(each, key=lambda one: not one.answers))


def _age(since: datetime | None, now: datetime) -> str:
    return f", {time_span((now - since).total_seconds())}" if since else ""


def _plural(cause: str) -> str:
    """Return a cause of one worker as one of several."""
    verb, _, rest = cause.partition(" ")
    known = {
        "is": "are",
        "has": "have",
        "was": "were",
        "asks": "ask",
        "says": "say",
        "shows": "show",
        "stands:": "stand:",
    }
    return f"{known.get(verb, verb)} {rest}"


def worker_wait(d: Deployment, worker: WorkerState, now: datetime, rests: float | None) -> Need | None:
    """Return what a worker waits for that comes by itself; None where it waits for nothing."""
    ours, theirs = end_words(worker.why)
    text = sanitise(theirs, QUOTED_CHARS_MAX)
    wait = Need("", "wait", worker.name, "", ours, text, workers=(worker.name,), since=worker.since)
    seen = worker.observation
    if rests is not None:
        left = count(len(missing(d, worker)), "unit")
        until = (d.looked_at or now) + timedelta(seconds=rests)
        rest = f": {left} undone go to a cleanup worker{in_words(until, now)}"
        return replace(wait, reason="stopped", cause="ended by a person", rest=rest, until=until, words="")
    if owed(d, worker) and not worker.intent:
        return _attempt_wait(d, wait, worker, now)
    if worker.state == "stuck" and not notice.given_up(d, worker):
        if worker.reason == "limited":
            return _limited(d, wait, worker, now)
        stuck, rungs = worker_need(d, worker, worker.reason, now), rungs_left(d, worker)
        return replace(stuck, sign="wait", rest=f"{stuck.rest}; next: {rungs[0]}", commands=())
    if worker.processes and worker.ends > END_TRIES_MAX:
        rest = f": {worker.processes} of its processes outlive a KILL"
        return replace(wait, reason="leftovers", cause="has ended", rest=rest, words="")
    if worker.live and seen is not None and seen.retries:
        words = sanitise(seen.why, QUOTED_CHARS_MAX)
        return replace(wait, reason="retrying", cause="its client tries again by itself", rest="", words=words)
    return None


def _attempt_wait(d: Deployment, wait: Need, worker: WorkerState, now: datetime) -> Need:
    """Return when the next attempt of a worker starts."""
    if worker.ended_by == "limit":
        return _limited(d, wait, worker, now)
    until = (d.looked_at or now) + timedelta(seconds=retry_delay(d, worker))
    number = f"attempt {worker.spent + 1} of {d.plan.stuck.attempts}" if not worker.again else "another attempt"
    held = d.paused_at or d.full or launches_barred(d)
    when = " once launches are let again" if held else in_words(until, now) or " at the next check"
    if worker.ended_by == "queue":
        rest = f": launched again{when}"
        return replace(wait, reason="withdrawn", cause="was taken out of the queue", rest=rest, words="", until=until)
    ours = f"; {wait.rest}" if wait.rest else ""
    return replace(wait, reason="back-off", cause="back-off", rest=f": {number}{when}{ours}", until=until)


def _limited(d: Deployment, wait: Need, worker: WorkerState, now: datetime) -> Need:
    """Return when a worker at a usage limit, or in an outage, goes on."""
    cause = "outage" if worker.fault == "outage" else "limited"
    until = d.outage_until if worker.fault == "outage" else worker.until
    when = in_words(until, now) if until else ""
    if worker.guess or until is None:
        rest = f", no time told: tries again{when or ' at a later check'}"
    else:
        rest = f": goes on{when or ' at the next check'}"
    return replace(wait, reason=cause, cause=cause, rest=rest, until=until)


def in_words(until: datetime, now: datetime) -> str:
    """Return how long it is until a time; "" if it is past."""
    left = (until - now).total_seconds()
    return f" in {time_span(left)}" if left >= 1 else ""
