"""Notices to the orchestrator: when one is sent, and its text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from wakeman.core.digests import sha256
from wakeman.core.log import events as e
from wakeman.core.model import BARRING, Deployment, WakeRow, WorkerState
from wakeman.core.policy import review
from wakeman.core.policy.attempts import END_TRIES_MAX, attempt_is_over, missing, owed
from wakeman.core.policy.deployment_rows import count_undone
from wakeman.core.policy.limits import breaker_open, over_budget, starved
from wakeman.core.policy.staging import held_up, leaves_branches
from wakeman.core.policy.tables import EDITION_FOUND_MIN, EDITION_QUOTING_MIN, Decision
from wakeman.core.policy.worker_rows import rungs_left
from wakeman.core.text import as_data, sanitise

BLIND_OBSERVATIONS_MAX = 3
"""Failed observations in a row after which a person is asked."""
UNREACHED_TIMES_MIN = 3
"""Deliveries in a row that did not reach a receiver, after which a person is needed: more than a minute of trying."""
NOTICE_CHARS_MAX = 600
"""Characters of a notice at most."""
WAITING_PHRASES = (
    "asks for a permission",
    "asks a question",
    "asks whether it may trust",
    "asks for a login",
    "asks whether to use the API key",
    "asks to accept bypass mode",
    "shows a dialog",
)
"""How tables of clients begin to say what a client waits for; the rest may be its worker's own words."""
SPOKEN_REASONS = frozenset({"asks", "claims", "refuses"})
"""Reasons that a worker's last words gave: other words are another question."""
REFUSED_PHRASES: dict[str, str] = {
    "auth": "its key or login was refused",
    "billing": "nothing is left to pay with",
}
"""What a refusal is called in a notice."""
LAUNCH_FAILURE_CHARS_MAX = 200
"""Characters of a failed launch's reason that a notice repeats."""


PASSING = ("conflict", "leftovers")
"""Reasons that are told and need nobody: they end by themselves, or have happened."""
NOTIFIED_ROWS: dict[str, WakeRow] = {"clean up": "clean up", "wrap up": "wrap up", "give up": "give up"}
"""Rows of the deployment that are notified under their name."""


class Cause(Struct, frozen=True):
    """One reason to notify the orchestrator. `key` is equal for the same problem, so that it is sent once.

    Shape: of an `ask`, `reason` says what kind of trouble it is, and `worker` whose; "" for the deployment's own.
    """

    kind: WakeRow
    key: str
    says: str = ""
    reason: str = ""
    worker: str = ""


def held_key(row: str, holds: int) -> str:
    """Return the key of a row that waits for a person; `holds` counts proposals with it, so no other has the same."""
    return f"ask:held:{row}:{holds}"


def causes(d: Deployment, decision: Decision, by: str) -> list[Cause]:
    """List the causes for a notice after a decision, sent before or not."""
    found = [*troubles(d), *(unfinished_sessions(d) if decision.row not in NOTIFIED_ROWS else ())]
    proposed = decision.row if decision.held else decision.under
    if proposed:
        found.append(Cause("ask", held_key(proposed, d.holds + decision.held), "waits for accept", "held"))
    elif decision.row in NOTIFIED_ROWS and "end" not in decision.then:
        found.append(Cause(NOTIFIED_ROWS[decision.row], f"{decision.row}:{d.rows.get(decision.row, 0)}"))
    if by.startswith("at"):
        found.append(Cause("check", f"check:{d.generation}"))
    return found


def troubles(d: Deployment) -> list[Cause]:
    """List what a person is asked about, held rows left out: sent before or not."""
    found = [Cause("ask", question_key(w), _stuck_line(d, w), reason_asked(w), w.name) for w in asking_workers(d)]
    blind = [worker for worker in d.workers.values() if worker.unknowns >= BLIND_OBSERVATIONS_MAX]
    if any(not worker.unseen for worker in blind):
        found.append(Cause("ask", "ask:blind", f"{d.host.executor} does not answer", "blind"))
    unseen = "cannot be looked at, by an error of Wakeman's own"
    found += [
        Cause("ask", f"ask:unseen:{w.name}:{w.attempt}", f"{w.name} {unseen}", "unseen", w.name)
        for w in blind
        if w.unseen
    ]
    if breaker_open(d):
        why = last_failure(d)
        says = f"{d.failed_launches} launches in a row failed"
        says += f": {_named(d, why, LAUNCH_FAILURE_CHARS_MAX)}" if why is not None else ""
        found.append(Cause("ask", "ask:launches", says, "launches"))
    if d.full:
        found.append(Cause("ask", "ask:disk", "the disk is full: nobody is launched until there is room", "disk"))
    if d.barred:
        why = _in_our_words(d, d.barred, 100, bar_words(d))
        found.append(Cause("ask", "ask:barred", f"no launches: {why}: wakeman unpause", "barred"))
    if over_budget(d) and _waiting(d):
        found.append(Cause("ask", "ask:dear", "limits.max_cost or max_tokens is reached: wakeman amend", "budget"))
    key = f"ask:conflict:{len(str(len(d.trespassed)))}"  # the first, the tenth, the hundredth
    if d.trespassed and d.plan.watch.conflicts != "ignore" and key not in d.woken:
        last = _in_our_words(d, f", the last {d.trespass}", 131, f": wakeman log {d.name} --type conflicted")
        found.append(Cause("ask", key, f"{len(d.trespassed)} writes out of place{last}", "conflict"))
    if d.alarm is None and d.generation and not d.paused_at and d.outcome == "open":
        found.append(Cause("ask", "ask:alarm", "no alarm can be set: wakeman doctor", "alarm"))
    found += [
        Cause(
            "ask",
            f"ask:place:{seq}",
            f"{_named(d, taking.target, 80)} passes and cannot be taken over: wakeman log",
            "place",
        )
        for seq, taking in d.promoting.items()
    ]
    if starved(d):
        found.append(Cause("ask", "ask:memory", "too little free memory to start anybody", "memory"))
    found += [
        Cause(
            "ask",
            f"ask:left:{w.name}:{w.attempt}",
            f"{w.name}: {w.processes} of its processes outlive a KILL",
            "leftovers",
            w.name,
        )
        for w in d.workers.values()
        if w.processes and w.ends > END_TRIES_MAX
    ]
    found += [Cause("ask", f"ask:review:{key}", says, reason, name) for key, says, reason, name in _unreviewed(d)]
    return found


def unfinished_sessions(d: Deployment) -> list[Cause]:
    """List the sessions of somebody else's that left units undone: Wakeman begins none of them again.

    Boundary: not one that a person had let go. Status says so of each worker that nobody tries again.
    """
    if d.edition < EDITION_FOUND_MIN:
        return []
    left = [
        (w, len(missing(d, w)))
        for w in d.workers.values()
        if d.plan_of(w).workers.found and w.ended_by != "person" and exhausted(d, w)
    ]
    return [
        Cause(
            "ask",
            f"ask:{w.name}:{w.attempt}:gone",
            f"{w.name}: has ended, {undone} of its units undone",
            "spent",
            w.name,
        )
        for w, undone in left
    ]


def due_causes(d: Deployment, found: Sequence[Cause], now: datetime) -> list[Cause]:
    """Return the causes that the plan wants, if they are new or old enough for a reminder."""
    if not d.plan.wake.to:
        return []
    wake = d.plan.wake
    untold = {cause for entry in d.outbox.values() if not entry.told for cause in entry.causes}
    return [
        cause
        for cause in found
        if cause.kind in wake.on
        and cause.key not in untold  # the outbox tells it, and no reminder begins anew
        and (
            cause.key not in d.woken
            or (cause.kind == "ask" and (now - d.woken[cause.key]).total_seconds() >= wake.remind)
        )
    ]


def telling(d: Deployment, decision: Decision, by: str, now: datetime) -> list[e.Draft]:
    """Return the intent to notify after a decision, if a cause is due."""
    due = due_causes(d, causes(d, decision, by), now) if d.plan.wake.to else []
    if not due:
        return []
    causes_ = tuple(cause.key for cause in due)
    return [e.Draft(e.Intended(action="wake", text=message(d, decision, due), causes=causes_))]


def message(d: Deployment, decision: Decision, due: Sequence[Cause]) -> str:
    """Format a notice in one line: the decision, the progress, who needs help, what to run next."""
    asks = [cause.says for cause in due if cause.kind == "ask"]
    total = review.count_tasks(d)
    head = f"AT wake-up: {d.name}: {decision.under or decision.row}: {total - count_undone(d)}/{total} done"
    merging = decision.row == "wrap up" and leaves_branches(d)
    verb = "accept" if decision.held or decision.under else "merge" if merging else "status"
    tail = f". Next: wakeman {verb} {d.name}. Do not do the units yourself."
    room = NOTICE_CHARS_MAX - len(tail)
    if d.edition < EDITION_QUOTING_MIN:
        return sanitise(head + _needs(asks, len(asks)), room) + tail
    told = next(n for n in range(len(asks), -1, -1) if n == 0 or len(head + _needs(asks, n)) <= room)
    return sanitise(head + _needs(asks, told), room) + tail


def _needs(asks: Sequence[str], told: int) -> str:
    """Format who needs help: the first of them in words, so that no quotation is cut, and how many there are."""
    if not asks:
        return ""
    words = [*asks[:told], *([f"{len(asks) - told} more"] if told < len(asks) else [])]
    return f", {len(asks)} need{'s' if len(asks) == 1 else ''} you ({'; '.join(words)})"


def asking_troubles(d: Deployment) -> list[Cause]:
    """Return the troubles that a person is needed for now.

    Boundary: not an output that a check has begun to install, as long as that has not decided since.
    """
    begun = {f"ask:place:{seq}" for seq, taking in d.promoting.items() if d.row_at is None or taking.at > d.row_at}
    return [trouble for trouble in troubles(d) if trouble.reason not in PASSING and trouble.key not in begun]


def asking(d: Deployment) -> bool:
    """Return whether a person is needed now: something is asked, a row is held, a receiver is not reached by several
    notices, or Wakeman has nothing more to try for a worker.
    """
    if d.held or unreached(d) or asking_troubles(d):
        return True
    return any(given_up(d, worker) or exhausted(d, worker) for worker in d.workers.values())


def unreached(d: Deployment) -> list[str]:
    """List the receivers that need somebody: several deliveries in a row did not reach them, or nothing more is tried.

    Boundary: one that was busy once is told again within seconds; who waits for something to do is not woken for that.
    """
    owed = d.outbox.values()
    return [
        name
        for name, untold in d.untold.items()
        if untold.times >= UNREACHED_TIMES_MIN or not any(name not in entry.told for entry in owed)
    ]


def given_up(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a worker is stuck, nobody was asked about it, and no rung of its ladder is left.

    Boundary: one at a usage limit goes on by itself, if the plan waits for limits.
    """
    if worker.state != "stuck" or worker.asked or (worker.reason == "limited" and d.plan.limits.wait):
        return False
    return not rungs_left(d, worker)


def exhausted(d: Deployment, worker: WorkerState) -> bool:
    """Return whether a worker has ended with units undone that nobody will do: neither it nor a cleanup worker."""
    if worker.review or not attempt_is_over(d, worker):
        return False
    left = missing(d, worker)
    return bool(left) and not held_up(d, left) and all(d.units[name].rounds >= d.plan.cleanup.rounds for name in left)


def last_failure(d: Deployment) -> str | None:
    """Return why the last launch failed; None where that is not known any more."""
    failed = [worker for worker in d.workers.values() if worker.ended_by == "launch"]
    return max(failed, key=lambda w: w.over).why if failed else None


def _waiting(d: Deployment) -> bool:
    """Return whether some worker waits to be launched."""
    return any(worker.state == "pending" or owed(d, worker) for worker in d.workers.values())


def _unreviewed(d: Deployment) -> list[tuple[str, str, str, str]]:
    """Return what blocks reviews until a person acts: no verdict, or changes after the last round.

    Shape: key, words, reason, reviewer.
    """
    found = [
        (
            f"{w.name}:{w.attempt}",
            f"{w.name} gave no verdict: wakeman retry {d.name}/{w.name}, or waive {w.name}",
            "verdict",
            w.name,
        )
        for w in review.failed_reviewers(d)
        if attempt_is_over(d, w) and w.state == "exited"
    ]
    late = late_units(d)
    if late:
        says = f"{_named(d, late[0], 60)} changed behind its last review: wakeman waive, or reject"
        found.append((f"late:{len(d.reviews)}", says, "late", ""))
    return found


def late_units(d: Deployment) -> list[str]:
    """List the units that changed behind their last review."""
    heard, rounds = all(each.heard for each in d.reviews.values()), d.plan.verify.review.rounds
    return [name for name in review.unreviewed(d) if heard and d.units[name].reviews >= rounds]


def asking_workers(d: Deployment) -> list[WorkerState]:
    """List the workers about which a person is asked."""
    return [worker for worker in d.workers.values() if worker.asked and (not worker.ended or worker.intent)]


def reason_asked(worker: WorkerState) -> str:
    """Return why a person is asked about a worker: why it is stuck, else what nothing confirms."""
    return worker.reason or ("unheard" if worker.unheard and not worker.intent else "launch")


def last_words(d: Deployment) -> str:
    """Return the last words of the workers that need somebody, as a JSON object: data beside a notice."""
    import msgspec

    return msgspec.json.encode(last_words_of(d)).decode()


def last_words_of(d: Deployment) -> dict[str, str]:
    """Return the same by worker."""
    return {worker.name: worker.said for worker in asking_workers(d) if worker.said}


def question_key(worker: WorkerState) -> str:
    """Return the key of a worker's problem: another permission, error or question is a new one, longer silence is
    not."""
    told = (
        worker.why if worker.reason in ("waiting", "error") else worker.said if worker.reason in SPOKEN_REASONS else ""
    )
    what = sha256(told.encode("utf-8", "replace")).hexdigest()[:8] if told else ""
    return f"ask:{worker.name}:{worker.attempt}:{worker.reason}:{what}"


def _stuck_line(d: Deployment, worker: WorkerState) -> str:
    minutes = (d.looked_at - worker.since).total_seconds() / 60 if d.looked_at and worker.since else 0.0
    why = _in_our_words(d, worker.why, 60, cause_of(worker))
    return f"{worker.name}: {worker.reason or 'launch'}: {why}, {minutes:.0f} min"


def bar(d: Deployment) -> str:
    """Return why launches are barred and what a person types to have them tried again; "" if they are not."""
    if d.barred:
        return f"no launches: {bar_words(d)}; put it right, then: wakeman unpause {d.name}"
    if breaker_open(d):
        return f"no launches: {d.failed_launches} in a row failed; put it right, then: wakeman unpause {d.name}"
    return ""


def outage(d: Deployment) -> str:
    """Return that the service is unavailable, and when one worker tries it again; "" if it answers."""
    if not d.outage:
        return ""
    failed = f"the service is unavailable, tried {d.outage_tries} times"
    if d.probe:
        return f"{failed}; {d.probe} tries it again now"
    again = f"{d.outage_until.astimezone(UTC):%H:%M:%S} UTC" if d.outage_until is not None else "the next check"
    return f"{failed}; one worker tries it again at {again}"


def bar_words(d: Deployment) -> str:
    """Return in our words why a refusal bars launches; logs of an earlier edition do not tell which it was."""
    refused = next((w.fault for w in d.workers.values() if w.why == d.barred and w.fault in BARRING), "")
    return REFUSED_PHRASES["billing"] if refused == "billing" else "a key or a login was refused"


def cause_of(worker: WorkerState) -> str:
    """Return in Wakeman's words why a worker is in trouble; "" where it is in none.

    Boundary: of what its client said only a phrase that Wakeman has for it is repeated: the reader may be an agent.
    """
    match worker.reason:
        case "waiting":
            return next((phrase for phrase in WAITING_PHRASES if worker.why.startswith(phrase)), "asks for something")
        case "limited":
            return _limit_phrase(worker)
        case "error":
            fault = worker.observation.fault if worker.observation is not None else ""
            return REFUSED_PHRASES.get(fault, "its client reports an error")
        case "silent":
            return "no sign of life"
        case "asks":
            return "has stopped, and its last words ask something"
        case "claims":
            return "has stopped with units undone, and says that it is done"
        case "refuses":
            return "has stopped, and says that it cannot or will not go on"
        case "background":
            return "only its background work shows life, for longer than stuck.background"
        case _ if worker.state == "exited" and worker.ended_by == "limit":
            return _limit_phrase(worker)
        case _:
            return "its launch is not confirmed" if worker.intent else ""


def _limit_phrase(worker: WorkerState) -> str:
    if worker.fault == "outage":
        return "the service is unavailable"
    if worker.until is None:
        return "usage limit"
    guess = " (a guess: no reset is named)" if worker.guess else ""
    return f"usage limit until {worker.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC{guess}"


def _in_our_words(d: Deployment, theirs: str, limit: int, ours: str) -> str:
    """Return our words for what others said; in logs of an earlier edition those were repeated."""
    return sanitise(theirs, limit) if d.edition < EDITION_QUOTING_MIN else ours


def _named(d: Deployment, name: str, limit: int) -> str:
    """Return the name of a unit or a file as a quotation; in logs of an earlier edition it was none."""
    return sanitise(name, limit) if d.edition < EDITION_QUOTING_MIN else as_data(name, limit)
