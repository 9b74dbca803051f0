"""What each action of the decision tables does. One function an action; ACTIONS is the table."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Literal

import msgspec

from wakeman.core import actions
from wakeman.core.actions import about
from wakeman.core.errors import ProgramError, StorageError, UnknownNameError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, EndedBy, WorkerState, attempt_id
from wakeman.core.plan.shares import worker_names
from wakeman.core.plan.template import render
from wakeman.core.policy import review
from wakeman.core.policy.decide import Decision, due
from wakeman.core.policy.side_sessions import overdue, owner, sweep_rule
from wakeman.core.text import sanitise
from wakeman.engine import alarm, layout
from wakeman.engine.act import prompt_delivery, secrets
from wakeman.engine.act.launch import launch, share
from wakeman.engine.observe import side_sessions
from wakeman.ports import World, Writer

EVIDENCE_ROWS = 200
"""Lines of a screen that are kept as evidence."""

_SIGNALS: tuple[Literal["", "TERM", "KILL"], ...] = ("", "TERM", "KILL")
"""What processes get by how often an end was asked for. A live session's are hung up on first."""


def act(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    """Do everything that a decision says, in its order."""
    for action in decision.then:
        ACTIONS[action](world, log, decision, now)


def _end(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    """End a worker, or (the deployment's row) every one that is alive or has left something behind."""
    d = log.deployment
    chosen, by = actions.to_end(d, decision), actions.ender(decision)
    if decision.row == "finish" and not chosen[0].ends and _leave(world, log, chosen[0], now):
        return
    end(world, log, chosen, by, now)


def _leave(world: World, log: Writer, worker: WorkerState, now: datetime) -> bool:
    """Have a finished client end itself, where it knows a word for that and waits for one; tell whether it was told."""
    d = log.deployment
    workers = review.plan_of(d.plan, worker).workers
    word = world.harness(workers.harness).leave
    if not word or workers.mode != "interactive":
        return False
    intent = e.Intended(action="end", target=worker.session, text=word, ended_by="wakeman")
    seq = log.append([about(worker, intent)], now)[0].seq
    said = prompt_delivery.type_into(world, d, worker, word, submit=True, raw=True)
    log.append([about(worker, e.Effected(intent=seq, ok=not said, detail=said))], now)
    return not said


def end(world: World, log: Writer, workers: Sequence[WorkerState], ended_by: EndedBy, now: datetime) -> None:
    """End workers: their sessions get SIGHUP; processes that outlive that TERM, then KILL.

    Boundary: the dead session of an ended worker stays at first: with the last one tmux's server would go, and the
    timer of the next look with it.
    """
    d = log.deployment
    signals = {worker.name: _SIGNALS[min(2, worker.ends + (not worker.live))] for worker in workers}
    marks = {worker.name: attempt_id(d, worker) for worker in workers}
    sessions = [(w.session_id, marks[w.name]) for w in workers if w.session_id and (w.live or w.ends)]
    log.append(actions.ends(workers, ended_by), now)
    take_away(world, log, sessions, now)
    for signal in ("TERM", "KILL"):
        _signal(world, [marks[name] for name, wanted in signals.items() if wanted == signal], signal)


def _signal(world: World, marks: Sequence[str], name: Literal["TERM", "KILL"]) -> None:
    pids = [pid for living in world.machine.marked(marks).values() for pid in living] if marks else []
    if pids:
        world.machine.signal(pids, name)


def take_away(world: World, log: Writer, ends: Sequence[tuple[str, str]], now: datetime) -> None:
    """End sessions of ours; a tmux that does not answer is noted, and the next check tries again."""
    try:
        world.sessions(log.deployment.host).end(ends)
    except ProgramError as fault:
        log.append([e.Draft(e.Noted(text=sanitise(f"ending sessions: {fault}", 300)))], now)


def _capture(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    d = log.deployment
    worker = d.workers[decision.worker]
    try:
        text = world.sessions(d.host).capture(worker.session_id or worker.session, EVIDENCE_ROWS)
    except (UnknownNameError, ProgramError) as fault:
        text = f"(no screen: {fault})"
    data = secrets.redactor(world, d)(text).encode("utf-8", "backslashreplace")
    name = layout.screen(worker)
    world.files.write(layout.inside(d.host, name), data, durable=True)
    log.append([about(worker, e.Captured(file=name, sha256=sha256(data).hexdigest(), why=decision.why))], now)


def _nudge(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    d = log.deployment
    worker = d.workers[decision.worker]
    nudge = msgspec.structs.replace(actions.nudge(d, worker), before=prompt_delivery.prompts_heard(world, d, worker))
    intent = log.append([about(worker, nudge)], now)[0]
    said = prompt_delivery.type_into(world, d, worker, nudge.text, submit=True)
    log.append([about(worker, e.Effected(intent=intent.seq, ok=not said, detail=said))], now)


def _enter(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    d = log.deployment
    worker = d.workers[decision.worker]
    intent = log.append([about(worker, actions.enter(worker))], now)[0]
    said = prompt_delivery.press_enter(world, d, worker)
    log.append([about(worker, e.Effected(intent=intent.seq, ok=not said, detail=said))], now)


def _relaunch(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    launch(world, log, [decision.worker], now)


def _launch(world: World, log: Writer, _: Decision, now: datetime) -> None:
    launch(world, log, due(log.deployment), now)


def _enrol(_: World, log: Writer, __: Decision, now: datetime) -> None:
    log.append(actions.cleanups(log.deployment), now)


def _sample(_: World, log: Writer, __: Decision, now: datetime) -> None:
    log.append(actions.sampling(log.deployment), now)


def _appoint(_: World, log: Writer, __: Decision, now: datetime) -> None:
    log.append(actions.appointments(log.deployment), now)


def _conclude(_: World, log: Writer, __: Decision, now: datetime) -> None:
    log.append(actions.conclusions(log.deployment), now)


def _move(world: World, log: Writer, _: Decision, now: datetime) -> None:
    for worker in list(log.deployment.workers.values()):
        put_away(world, log, worker, now)


def put_away(world: World, log: Writer, worker: WorkerState, now: datetime) -> None:
    """Move a worker's task files: its prompts, and what `cleanup.move` names. Done ones are not moved again."""
    d, host = log.deployment, log.deployment.host
    names = worker_names(d.name, share(d, worker), layout.prompt(host, worker), layout.units_file(host, worker))
    pairs = [
        (layout.absolute(host, render(move.from_, names)), layout.absolute(host, render(move.to, names)))
        for move in d.plan.cleanup.move
        if not worker.origin and not worker.review
    ]
    for n in range(1, worker.attempt + 2):  # one more: a check may have died between a launch's files and its intent
        file = layout.inside(host, posixpath.join("prompts", f"{worker.name}.{n}.md"))
        pairs.append((file, layout.inside(host, "prompts/completed/")))
    wanted = [pair for pair in pairs if pair[0] not in d.moved]
    there = world.files.marks(source for source, _ in wanted)
    for source, target in wanted:
        if source in there:
            _put(world, log, worker, source, target, now)


def _put(world: World, log: Writer, worker: WorkerState, source: str, target: str, now: datetime) -> None:
    intent = log.append([about(worker, e.Intended(action="move", target=source, text=target))], now)[0]
    try:
        ok, detail = True, world.files.move(source, target)
    except StorageError as fault:
        ok, detail = False, str(fault)
    log.append([about(worker, e.Effected(intent=intent.seq, ok=ok, detail=detail))], now)


def _sweep(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    """End old sessions of the plan's patterns: a worker's own, or (at the wrap-up) all with the deployment's mark.

    Boundary: of those without it the log tells; a person may end them.
    """
    d = log.deployment
    if decision.worker:
        for one in overdue(d, d.workers[decision.worker]):
            side_sessions.end(world, log, one.session, one.session_id, "", "wakeman", now, one.worker)
        return
    if not d.plan.cleanup.sweep:
        return
    for seen, sign in side_sessions.strangers(world, d, world.sessions(d.host).look().seen):
        found = sweep_rule(d.plan, seen.session)
        if found is None or now.timestamp() - seen.created < found.older_than:
            continue
        if sign:
            side_sessions.end(world, log, seen.session, seen.session_id, seen.mark, "wakeman", now, owner(d, sign))
        else:
            text = f"session {seen.session} matches cleanup.sweep and does not carry our mark: left alone"
            log.append([e.Draft(e.Noted(text=sanitise(text, 300)))], now)


def _close(world: World, log: Writer, decision: Decision, now: datetime) -> None:
    d = log.deployment
    buried = actions.OUTCOMES[decision.row] == "partial" or bury(world, d)
    if d.wakes or not buried:
        alarm.ensure(world, log, now, paused=True)  # first: it is what sees to that if this check does not
    log.append([actions.closing(d, decision)], now)
    if buried and not d.wakes:
        alarm.disarm(world, log, now)  # or else it goes when the notice was delivered, and the dead are taken away


def bury(world: World, d: Deployment) -> bool:
    """Take away the dead sessions that `remain-on-exit` has kept; what they printed stands in `streams/`.

    Effects: a tmux that does not answer keeps them, and False is given: the alarm, or else the plan's next run, takes
    them away.
    """
    sessions = world.sessions(d.host)
    listing = sessions.look()
    dead = [(s.session_id, s.mark) for s in listing.seen if s.dead and s.mark.startswith(f"{d.name}/")]
    with suppress(ProgramError):
        return listing.state != "unknown" and sessions.end(dead) == len(dead)
    return False


def _nothing(_: World, __: Writer, ___: Decision, ____: datetime) -> None:
    """Waiting and asking leave their mark in the `decided` event itself."""


ACTIONS: dict[str, Callable[[World, Writer, Decision, datetime], None]] = {
    "end": _end,
    "capture": _capture,
    "nudge": _nudge,
    "enter": _enter,
    "restart": _end,
    "wait": _nothing,
    "ask": _nothing,
    "relaunch": _relaunch,
    "launch": _launch,
    "enrol": _enrol,
    "sample": _sample,
    "appoint": _appoint,
    "conclude": _conclude,
    "move": _move,
    "sweep": _sweep,
    "close": _close,
}
