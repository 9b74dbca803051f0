"""From observations to transitions, and from the folded log to a decision: two tables, nothing else decides.

Every function here is pure in the deployment as folded up to the last look; the clock is that look's. So the same
log gives the same decision anywhere, and `audit` can judge each one again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.log.state import transition
from wakeman.core.model import PACES, Deployment, Observation, Plan, Reason, Rung, UnitState, Usage, WorkerState
from wakeman.core.plan.confinement import refused
from wakeman.core.policy import prompt_delivery, review
from wakeman.core.policy.side_sessions import overdue
from wakeman.core.policy.staging import held_up

BLIND_LOOKS_MAX = 3
"""Looks in a row that could not tell before a person is asked."""
WHY_NAMES_MAX = 50
"""Workers that the reason of a decision names; the rest it counts."""
END_TRIES_MAX = 3
"""Times that an end is asked for in a row: HUP, TERM, KILL. Then the alarm's pace is soon enough."""
ROWS_PER_CHECK_MAX = 8
"""Deployment rows taken at most on one look: clean up, then launch, then sleep."""
AFTER_RESET_S = 5.0
"""Seconds after a usage limit has reset at which it is tried."""
BREAKER_LAUNCHES = 3
"""Launches that failed in a row before no more are tried until a person says `unpause`."""

EDITION = 1
"""Of the tables: a log is judged by those that it was begun under. 1: attempts back off."""
HUNG_UP_STATUS = 129
"""Status of a program whose terminal was taken away: with the tmux server the timer of a wait is gone, too."""
BACKOFF_MAX_S = 300.0
"""Seconds that an attempt waits for the one before at most, jitter apart."""

Row = Literal[
    "stop", "fence", "restart", "enter", "sweep", "tell", "continue", "investigate", "tidy", "retry",
    "finish", "warn", "leave",
    "review", "wrap up", "give up", "halt", "clean up", "launch", "sleep",
]  # fmt: skip


class Rule(Struct, frozen=True):
    """One row: taken when each named fact has the given value. `then` are the actions, in order."""

    row: Row
    when: Mapping[str, bool]
    then: tuple[str, ...]
    says: str


class Decision(Struct, frozen=True):
    """A row that was taken. `worker` is "" for the deployment's own."""

    row: str
    then: tuple[str, ...] = ()
    worker: str = ""
    why: str = ""
    held: bool = False
    under: str = ""  # the row proposed before, which waits for `accept` while others are taken


WORKER_RULES: tuple[Rule, ...] = (
    Rule("stop", {"live": True, "unwanted": True}, ("end",), "a person asked for its end"),
    Rule(
        "fence",
        {"live": True, "trespassed": True, "strict": True},
        ("end",),
        "it wrote where it must not, and the plan says stop",
    ),
    Rule("restart", {"live": True, "again": True}, ("end",), "another attempt was asked for, and this one still lives"),
    Rule(
        "enter",
        {"live": True, "unsent": True},
        ("enter",),
        "what was typed stands in its input box: Enter is pressed once more",
    ),
    Rule(
        "sweep", {"live": True, "overdue": True}, ("sweep",), "a session that it started is older than the plan allows"
    ),
    Rule(
        "tell",
        {"live": True, "typed": False, "bereft": True},
        ("nudge",),
        "a session that it started was ended: it is told so",
    ),
    Rule(
        "continue",
        {"live": True, "typed": False, "reset": True},
        ("nudge",),
        "its usage limit has reset: told to go on",
    ),
    Rule(
        "investigate",
        {"live": True, "typed": False, "stuck": True, "rung": True},
        ("rung",),
        "stuck: the next rung for its reason",
    ),
    Rule("tidy", {"live": False, "leftovers": True}, ("end",), "its attempt is over, but processes of it are left"),
    Rule("retry", {"live": False, "leftovers": False, "retry": True}, ("relaunch",), "ended badly, units missing"),
    Rule(
        "finish",
        {"live": True, "typed": False, "finished": True},
        ("end",),
        "alive but idle, its share complete twice over",
    ),
    Rule("warn", {"trespassed": True}, (), "it wrote where it must not"),
    Rule("leave", {}, (), "anything else"),
)
"""Asked of each worker, top-down; the first that fits is taken; the last is total."""

DEPLOYMENT_RULES: tuple[Rule, ...] = (
    Rule("stop", {"down": True, "alive": True}, ("end",), "a person asked for the deployment's end; workers live"),
    Rule("stop", {"down": True}, ("close",), "a person asked for the deployment's end"),
    Rule("review", {"heard": True}, ("conclude",), "a reviewer has given its verdict: what it rejects is opened again"),
    Rule(
        "wrap up",
        {"ended": True, "complete": True, "unreviewed": False},
        ("sample", "move", "sweep", "close"),
        "all ended, every unit complete and passing, and reviewed where the plan says so",
    ),
    Rule("give up", {"spent": True, "alive": True, "ends": True}, ("end",), "out of time; those alive are to be ended"),
    Rule("give up", {"spent": True}, ("close",), "out of time, or all ended with nothing left to try"),
    Rule(
        "halt", {"halts": True, "alive": True}, ("end",), "a bound on cost or tokens is reached, and the plan says stop"
    ),
    Rule("clean up", {"short": True}, ("enrol",), "units missing that another worker may do"),
    Rule(
        "review",
        {"ended": True, "complete": True, "reviewable": True},
        ("sample", "appoint"),
        "every unit complete and passing: a reviewer gets those that none has accepted as they are",
    ),
    Rule("launch", {"due": True}, ("launch",), "workers pending, and a slot free"),
    Rule("sleep", {}, (), "anything else: the alarm lies ahead"),
)
"""Asked of the deployment after its workers, top-down; the first that fits is taken; the last is total."""

HOLDABLE = frozenset({"wrap up", "give up", "clean up"})
"""Rows that `wake.hold` proposes instead of taking."""
_FREE = tuple(rule for rule in DEPLOYMENT_RULES if rule.row not in HOLDABLE)


def choose(rules: Sequence[Rule], facts: Mapping[str, bool]) -> Rule:
    """Give the first rule that fits. Boundary: the last rule of a table asks nothing, so there always is one."""
    for rule in rules[:-1]:
        for name, value in rule.when.items():
            if facts[name] is not value:
                break
        else:
            return rule
    return rules[-1]


# --- observations -> transitions ---------------------------------------------------------------------------------


def transitions(d: Deployment) -> list[e.Draft]:
    """Give the transitions that the last look demands, worker by worker, in legal order, and what it settles.

    Boundary: a session that is queued or unknown moves nothing.
    """
    drafts: list[e.Draft] = []
    for worker in d.workers.values():
        if (told := prompt_delivery.settled(worker, d.prompt_of(worker), d.looked_at)) is not None:
            drafts.append(e.Draft(told, worker=worker.name, attempt=worker.attempt))
        if worker.live and worker.observation is not None and worker.observation.attempt == worker.attempt:
            drafts += _path(worker, _live_facts(d, worker, worker.observation))
        elif worker.state in ("pending", "exited") and _verifiable(d, worker):
            idle = e.Exited(why="there is nothing left to do", ended_by="wakeman")
            drafts += _path(worker, [*([idle] if worker.state == "pending" else []), _verified(d, worker)])
    return drafts


def _path(worker: WorkerState, facts: Iterable[e.Fact]) -> list[e.Draft]:
    state, drafts = worker.state, []
    for fact in facts:
        draft = transition(worker, fact, state)
        state = draft.to or state
        drafts.append(draft)
    return drafts


def _live_facts(d: Deployment, worker: WorkerState, seen: Observation) -> list[e.Fact]:
    match seen.session:
        case "queued" | "unknown":
            return []
        case "running":
            return _running_facts(d, worker, seen)
        case _:
            exited = e.Exited(
                why=_why(seen),
                code=seen.code,
                ended_by=seen.ended_by,
                free=seen.ended_by in ("machine", "person") or (seen.ended_by == "limit" and d.plan.limits.wait),
                until=seen.until,
                fault=seen.fault,
            )
            verified = not seen.processes and _complete(d, worker)
            return [exited, _verified(d, worker)] if verified else [exited]


def _running_facts(d: Deployment, worker: WorkerState, seen: Observation) -> list[e.Fact]:
    trouble = _trouble(d, worker, seen)
    if worker.state == "stuck":
        silent = worker.reason == "silent" and _still(worker, seen) and not seen.working
        if trouble == worker.reason or (trouble is None and silent):
            return []
        recovered: list[e.Fact] = [e.Recovered(why=seen.why or "signs of life again")]
        return recovered + ([_stalled(d, trouble, worker, seen)] if trouble else [])
    facts: list[e.Fact] = []
    if worker.state == "launched" and seen.life and trouble in (None, "silent"):
        facts.append(e.Started(why=seen.why))
    if trouble is not None:
        facts.append(_stalled(d, trouble, worker, seen))
    return facts


def _trouble(d: Deployment, worker: WorkerState, seen: Observation) -> Reason | None:
    if seen.activity in ("waiting", "limited", "error"):
        return seen.activity
    if _still(worker, seen) and d.mono - worker.life_mono >= d.plan.stuck.after:
        return "silent"
    return None


def _still(worker: WorkerState, seen: Observation) -> bool:
    """Tell whether nothing moved since it stalled (or, if it is not stuck, since its life was last seen)."""
    return seen.life == (worker.stalled_life if worker.reason == "silent" else worker.life)


def _stalled(d: Deployment, reason: Reason, worker: WorkerState, seen: Observation) -> e.Stalled:
    silent = f"no sign of life for {d.mono - worker.life_mono:.0f} s"
    return e.Stalled(reason=reason, why=_why(seen, silent if reason == "silent" else seen.why), until=seen.until)


def _why(seen: Observation, why: str | None = None) -> str:
    """Say what was seen, or `why`, and what it was refused."""
    return "; ".join(filter(None, (seen.why if why is None else why, refused(seen))))


def _complete(d: Deployment, worker: WorkerState) -> bool:
    return bool(worker.units) and all(d.units[name].done for name in worker.units)


def _verifiable(d: Deployment, worker: WorkerState) -> bool:
    return not worker.processes and not worker.intent and _complete(d, worker)


def _verified(d: Deployment, worker: WorkerState) -> e.Verified:
    verdicts = [d.units[name].verdict for name in worker.units]
    marks = [mark for verdict in verdicts if verdict is not None for mark in verdict.marks]
    return e.Verified(files=len(marks), digest=sha256(msgspec.json.encode(marks)).hexdigest())


# --- the worker rows ------------------------------------------------------------------------------------------


def decide_worker(d: Deployment, worker: WorkerState) -> Decision:
    """Take a row for one worker. The rung of an `investigate` is the one that its ladder has come to."""
    rule = choose(WORKER_RULES, worker_facts(d, worker))
    then = (_rung(d, worker),) if rule.then == ("rung",) else rule.then
    return Decision(row=rule.row, then=then, worker=worker.name, why=_worker_why(rule, worker))


def worker_facts(d: Deployment, worker: WorkerState) -> dict[str, bool]:
    """Reduce a worker to what its rows ask. Each fact is independent in the tables' proof of completeness."""
    return {
        "live": worker.live,
        "unwanted": worker.stop,
        "again": worker.again,
        "unsent": prompt_delivery.unsent(worker, d.prompt_of(worker), d.looked_at),
        "typed": worker.prompt > 0,
        "overdue": bool(d.validators) and bool(overdue(d, worker)),
        "bereft": bool(worker.swept) and d.plan_of(worker).workers.mode == "interactive",
        "stuck": worker.state == "stuck",
        "rung": worker.state == "stuck" and worker.rung < len(_ladder(d, worker)),
        "reset": _reset(d, worker),
        "leftovers": worker.state == "exited" and worker.processes > 0,
        "retry": may_retry(d, worker),
        "finished": worker.finished >= 2,
        "trespassed": worker.trespasses > 0,
        "strict": d.plan.watch.conflicts == "stop",
    }


def _reset(d: Deployment, worker: WorkerState) -> bool:
    """Tell whether a live worker's usage limit should have reset, and somebody can tell it so."""
    if not _told(d, worker):
        return False
    return not d.edition or worker is next(w for w in d.workers.values() if _told(d, w))


def _told(d: Deployment, worker: WorkerState) -> bool:
    """Tell whether a live worker is to be told that its limit has reset; one after the other, a look each."""
    mode = d.plan_of(worker).workers.mode
    waits = d.plan.limits.wait and mode == "interactive" and worker.reason == "limited"
    return bool(waits and worker.until and d.looked_at and worker.until <= d.looked_at)


def ladder(plan: Plan, reason: str) -> tuple[Rung, ...]:
    """Give the rungs for a reason under a worker's plan. A nudge is for who can read one: interactive workers."""
    ladders: dict[str, tuple[Rung, ...]] = {
        "waiting": plan.stuck.waiting,
        "limited": plan.stuck.limited,
        "error": plan.stuck.error,
        "silent": plan.stuck.silent,
    }
    deaf = plan.workers.mode != "interactive"
    return tuple(rung for rung in ladders.get(reason, ()) if not (deaf and rung == "nudge"))


def _ladder(d: Deployment, worker: WorkerState) -> tuple[Rung, ...]:
    return ladder(d.plan_of(worker), worker.reason)


def _rung(d: Deployment, worker: WorkerState) -> str:
    rung = _ladder(d, worker)[worker.rung]
    return "ask" if rung == "restart" and worker.spent >= d.plan.stuck.attempts else rung


def may_retry(d: Deployment, worker: WorkerState) -> bool:
    """Tell whether an exited worker gets another attempt now."""
    if not owed(d, worker) or d.paused_at or d.down or d.full or worker.intent:
        return False
    return worker.again or not (launches_barred(d) or wait(d, worker))


def wait(d: Deployment, worker: WorkerState) -> float:
    """Give the seconds until an exited worker may be tried again: its back-off, or the stagger after a reset.

    Shape: the jitter is the same in each replay: it is made of the names of the deployment and of the attempt.
    Boundary: 0 for what neither the worker nor its launch is to blame for: a restart of the machine, a hang-up.
    """
    if not d.edition or worker.ended_by == "machine" or worker.code == HUNG_UP_STATUS or worker.boot != d.boot:
        return 0.0
    if worker.ended_by == "limit":
        first = worker is next(w for w in d.workers.values() if w.ended_by == "limit" and owed(d, w) and not w.intent)
        since, pause = d.last_launch, d.plan.workers.stagger
        left = since + pause - d.mono if d.mono >= since else 0.0
        return max(0.0, left) if first else max(left, pause)
    tries = max(0, worker.spent - 1) + max(0, d.failed_launches - 1)
    pause = min(d.plan.stuck.backoff * 2 ** min(tries, 16), BACKOFF_MAX_S) * (0.5 + _jitter(d, worker))
    return max(0.0, worker.over + pause - d.mono) if d.mono >= worker.over else 0.0


def _jitter(d: Deployment, worker: WorkerState) -> float:
    """Give a number from 0 up to 1, another for each attempt."""
    digest = sha256(f"{d.name}/{worker.name}/{worker.attempt}/{d.failed_launches}".encode(errors="replace")).digest()
    return digest[0] / 256


def soonest(d: Deployment) -> float | None:
    """Give the seconds until somebody who waits may be tried again; None where nobody does."""
    if d.paused_at or d.down:
        return None
    owing = [] if d.full or launches_barred(d) else [w for w in d.workers.values() if owed(d, w) and not w.intent]
    waiting = [wait(d, worker) for worker in owing]
    told = [d.plan.workers.stagger for worker in d.workers.values() if d.edition and _told(d, worker)]
    return min((*waiting, *told), default=None)


def owed(d: Deployment, worker: WorkerState) -> bool:
    """Tell whether an exited worker has another attempt coming: asked for, or ended badly with attempts left."""
    if worker.state != "exited":
        return False
    if worker.again:
        return bool(missing(d, worker)) and not waits(d, worker)
    wanted = ended_badly(worker) and worker.spent < d.plan.stuck.attempts
    return wanted and bool(missing(d, worker)) and not waits(d, worker) and not held_up(d, worker.units)


def waits(d: Deployment, worker: WorkerState) -> bool:
    """Tell whether a unit of its share waits for the verify command: nothing is said of it until that has run."""
    units = [d.units[name] for name in worker.units if not d.units[name].waived]
    verdicts = [verdict for unit in units for verdict in (unit.verdict, unit.staged)]
    return any(verdict is not None and verdict.waits for verdict in verdicts)


def ended_badly(worker: WorkerState) -> bool:
    """Tell whether the last attempt failed, rather than stopped short: then the same worker tries again.

    Boundary: a reviewer that stops short fails, as nobody cleans up after it.
    """
    match worker.ended_by:
        case "person" | "wakeman":
            return False
        case "itself":
            return worker.code not in (0, None) or bool(worker.review)
        case _:
            return True


def missing(d: Deployment, worker: WorkerState) -> list[str]:
    """List the units of a worker's share that are not done."""
    return [name for name in worker.units if not d.units[name].done]


def _worker_why(rule: Rule, worker: WorkerState) -> str:
    return f"{worker.reason}: {worker.why}" if rule.row == "investigate" else rule.says


# --- the deployment rows --------------------------------------------------------------------------------------


def decide(d: Deployment) -> Decision:
    """Take a row for the deployment."""
    facts = deployment_facts(d)
    rule, under = choose(DEPLOYMENT_RULES, facts), ""
    agreed = d.accepted == rule.row or (rule.row == "give up" and "give up" in d.rows)  # its second step
    held = d.plan.wake.hold and rule.row in HOLDABLE and not agreed
    if held and d.held == rule.row:  # proposed before: what needs no word goes on
        rule, under, held = choose(_FREE, facts), rule.row, False
    return Decision(row=rule.row, then=rule.then, why=_WHY[rule.row](d), held=held, under=under)


def deployment_facts(d: Deployment) -> dict[str, bool]:
    """Reduce a deployment to what its rows ask."""
    ended = all(settled(d, worker) for worker in d.workers.values())
    complete = all(unit.done for unit in review.tasks(d).values())
    left = not complete and bool(short(d))
    cleanable = left and (ended or d.plan.cleanup.when == "each")
    nothing_left = ended and not complete and not left and not held_up(d, d.units)
    return {
        "down": bool(d.down),
        "alive": any(worker.live or worker.processes or worker.intent for worker in d.workers.values()),
        "ended": ended,
        "complete": complete,
        "spent": nothing_left or elapsed(d) >= d.plan.limits.give_up,
        "ends": d.plan.limits.give_up_do == "stop",
        "halts": d.plan.limits.over == "stop" and over_budget(d),
        "short": cleanable and not d.paused_at,
        "heard": bool(review.ready(d)),
        "unreviewed": complete and bool(review.unreviewed(d)),
        "reviewable": complete and bool(review.upcoming(d)),
        "due": bool(due(d)),
    }


def settled(d: Deployment, worker: WorkerState) -> bool:
    """Tell whether a worker's attempt is over for good: ended, no process left, no launch open, no retry coming."""
    over = worker.ended and not worker.processes and not worker.intent
    return over and not owed(d, worker) and not waits(d, worker)


def short(d: Deployment) -> dict[str, list[str]]:
    """Give, per settled worker, the units left undone that a cleanup worker may still take."""
    rounds = d.plan.cleanup.rounds
    found: dict[str, list[str]] = {}
    for worker in d.workers.values():
        if settled(d, worker) and not worker.review:
            held = held_up(d, worker.units)
            units = [name for name in missing(d, worker) if d.units[name].rounds < rounds and name not in held]
            if units:
                found[worker.name] = units
    return found


def elapsed(d: Deployment) -> float:
    """Give the seconds that count towards `give_up`: not those asleep, off, paused, or with every worker limited."""
    return d.counted


def breaker_open(d: Deployment) -> bool:
    """Tell whether launches have failed so often in a row that no more are tried."""
    return d.failed_launches >= BREAKER_LAUNCHES


def launches_barred(d: Deployment) -> bool:
    """Tell whether nobody is to be launched: launches fail, a key was refused, money is spent, a limit lasts."""
    return breaker_open(d) or bool(d.barred) or over_budget(d) or reset(d) is not None


def reset(d: Deployment) -> datetime | None:
    """Give when the usage limit that some worker has met resets; None when there is none, or nobody waits for it."""
    if not d.met or not d.plan.limits.wait or d.looked_at is None:
        return None
    met = [w.until for w in d.workers.values() if w.until and (w.reason == "limited" or w.ended_by == "limit")]
    return max((until for until in met if until > d.looked_at), default=None)


def used(d: Deployment) -> Usage:
    """Add up what all attempts have used, as far as their clients say."""
    total = Usage()
    for worker in d.workers.values():
        total = total + worker.used + worker.usage
    return total


def over_budget(d: Deployment) -> bool:
    """Tell whether what was used has reached a bound of the plan."""
    limits = d.plan.limits
    if limits.max_cost is None and limits.max_tokens is None:
        return False
    cost = limits.max_cost is not None and (used(d).cost or 0.0) >= limits.max_cost
    return cost or (limits.max_tokens is not None and _tokens(d) >= limits.max_tokens)


def _tokens(d: Deployment) -> int:
    total = used(d)
    return (total.input or 0) + (total.output or 0)


def due(d: Deployment) -> list[str]:
    """Name the pending workers to launch now: within the slots, the memory and the stagger."""
    if d.paused_at or d.down or d.full or launches_barred(d):
        return []
    waiting = [worker.name for worker in d.workers.values() if worker.state == "pending" and not worker.intent]
    return waiting[: max(0, min(slots(d), _staggered(d)))]


def staggered(d: Deployment) -> bool:
    """Tell whether a launch waits for nothing but the stagger."""
    waiting = any(worker.state == "pending" and not worker.intent for worker in d.workers.values())
    held_up = d.paused_at or d.down or d.full or launches_barred(d)
    return waiting and not held_up and bool(d.plan.workers.stagger) and slots(d) > 0


def starved(d: Deployment) -> bool:
    """Tell whether nobody is alive, somebody waits, and free memory lets nobody start."""
    alive = any(worker.live or worker.intent for worker in d.workers.values())
    waiting = any(worker.state == "pending" for worker in d.workers.values())
    return waiting and not alive and slots(d) <= 0


def slots(d: Deployment) -> int:
    """Count the workers that may still be started beside those alive: `at_once`, and free memory."""
    plan = d.plan
    busy = sum(1 for worker in d.workers.values() if worker.live or worker.intent)
    free = len(d.workers) if plan.workers.at_once is None else plan.workers.at_once - busy
    wanted = plan.limits.memory or d.host.memory_per_worker
    if wanted and d.memory:
        free = min(free, d.memory // wanted)
    return free


def _staggered(d: Deployment) -> int:
    stagger = d.plan.workers.stagger
    if not stagger:
        return len(d.workers)
    return 1 if not 0 <= d.mono - d.last_launch < stagger else 0


def every(d: Deployment) -> float:
    """Give the seconds until the next alarm: the plan's number, or its pace, slower after two idle alarms."""
    pace = d.plan.wake.every
    if isinstance(pace, str):
        first, later = PACES[pace]
        pace = later if d.idle_looks >= 2 else first
    at = reset(d)
    if at is None or d.looked_at is None:
        return pace
    return min(pace, (at - d.looked_at).total_seconds() + AFTER_RESET_S)


def longest(d: Deployment) -> float:
    """Give the most seconds that this plan sets between two alarms."""
    pace = d.plan.wake.every
    return max(PACES[pace]) if isinstance(pace, str) else pace


def undone(d: Deployment) -> list[str]:
    """List every unit that is not done, in the order of enrolment; a reviewer's verdict is none."""
    return [name for name, unit in review.tasks(d).items() if not unit.done]


def failures(units: Mapping[str, UnitState], names: Iterable[str]) -> list[str]:
    """Say what is wrong with units, a line each: a person's word, the failed checks, or that they are missing."""
    lines = []
    for name in names:
        unit = units[name]
        problems = _problems(unit)
        lines.append(f"{name}: {unit.reopened or '; '.join(problems)}")
    return lines


def _problems(unit: UnitState) -> tuple[str, ...]:
    """Say what is wrong with a unit: with what was made of it last, or else with what stands in its place."""
    made = unit.staged
    if made is not None and made.foreign:
        return tuple(f"{mark.path}: changed by somebody else, what was made is kept aside" for mark in made.foreign)
    if made is not None and made.problems:
        return made.problems
    return unit.verdict.problems if unit.verdict is not None else ("not done",)


def _some(names: Sequence[str]) -> str:
    """Name the first of many: the reason of a decision is one line of the log."""
    more = len(names) - WHY_NAMES_MAX
    return ", ".join(names[:WHY_NAMES_MAX]) + (f" and {more} more" if more > 0 else "")


def _done(d: Deployment) -> str:
    total, missing = len(review.tasks(d)), len(undone(d))
    reviews = review.said(d) if d.reviews or not missing else ""
    return f"{total - missing}/{total} units done" + (f", {reviews}" if reviews else "")


_WHY: Mapping[str, Callable[[Deployment], str]] = {
    "stop": lambda d: d.down,
    "review": lambda d: f"{_done(d)}; {_some(review.ready(d) or review.upcoming(d))}",
    "wrap up": _done,
    "give up": lambda d: f"{_done(d)}, {elapsed(d):.0f} s spent",
    "halt": lambda d: f"{_done(d)}; used ${used(d).cost or 0.0:.2f}, {_tokens(d)} tokens",
    "clean up": lambda d: f"{_done(d)}; undone by {_some(list(short(d)))}",
    "launch": lambda d: _some(due(d)),
    "sleep": _done,
}
