"""What is written between checks: people's requests, a watcher's reports, outcomes of notices. Each is a protocol of
its own, under the lock. The caller validates a request before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from wakeman.core.log import events as e
from wakeman.core.log.state import transition
from wakeman.core.model import Deployment, Identity, WorkerState
from wakeman.core.policy.outbox import delay, due_again
from wakeman.engine.effects.alarm import disarm, ensure
from wakeman.engine.protocol.steps import Steps, append


def stop(worker: WorkerState, text: str = "", *, keep: bool) -> Steps[None]:
    """End one worker; one that was not launched yet ends at once. `keep`: nobody else gets its undone units."""
    drafts = [e.Draft(e.Requested(verb="stop", text=text, keep=keep), worker=worker.name)]
    if worker.state == "pending" and not worker.intent:
        drafts.append(transition(worker, e.Exited(why="stopped before its launch", ended_by="person")))
    yield from append("transition", drafts)


def retry(d: Deployment, worker: WorkerState, units: tuple[str, ...], note: str) -> Steps[None]:
    """Start another attempt of a worker; a live one is ended first."""
    yield from append("fold", [e.Draft(e.Requested(verb="retry", units=units, text=note), worker=worker.name)])
    if worker.live:
        from wakeman.engine.effects.end import end_workers

        yield from end_workers(d, [worker], "wakeman")


def judge(verb: e.Verb, units: tuple[str, ...], why: str) -> Steps[None]:
    """Waive or reject units: a person's decision overrides the checks'."""
    yield from append("fold", [e.Draft(e.Requested(verb=verb, units=units, text=why))])


def request(d: Deployment, verb: e.Verb, text: str, now: datetime, who: str = "", face: str = "") -> Steps[None]:
    """Ask for something of the whole deployment."""
    if d.paused_at and verb in ("unpause", "down"):
        yield from ensure(
            d, now, paused=True
        )  # otherwise a crash before the check would leave it open without an alarm
    yield from append("fold", [e.Draft(e.Requested(verb=verb, text=text, who=who, face=face))])


def ignored(text: str, who: str, face: str) -> Steps[None]:
    """Record that messages which came as answers were ignored."""
    yield from append("fold", [e.Draft(e.Requested(verb="answer", text=text, who=who, face=face))])


def adopt(d: Deployment, identity: Identity, root_id: str) -> Steps[None]:
    """Make a deployment live where it is now."""
    yield from append("fold", [e.Draft(e.Adopted(identity=identity, before=d.host.identity, root_id=root_id))])


def unlaunched(d: Deployment) -> tuple[str, ...]:
    """Return the workers that an amended plan removes: those that were never launched."""
    return tuple(worker.name for worker in d.workers.values() if worker.state == "pending" and not worker.intent)


def amend(d: Deployment, amended: e.Amended, behind: Iterable[e.Draft]) -> Steps[None]:
    """Change the plan for what is not launched yet. Shape: `behind` are the plan's further items, then its workers."""
    import msgspec

    fact = msgspec.structs.replace(amended, dropped=unlaunched(d))
    yield from append("fold", [e.Draft(e.Requested(verb="amend")), e.Draft(fact), *behind])


def delivered(d: Deployment, outcomes: Sequence[e.Effected]) -> Steps[None]:
    """Record the outcomes of notices. Boundary: one that another check has taken up since has its outcome there; when a
    notice is told again is the table's, where the outcome says that it is.
    """
    facts = [
        replace(one, after=delay(d, d.wakes[one.intent]) if one.after else 0.0)
        for one in outcomes
        if one.intent in d.wakes
    ]
    yield from append("outcome", [e.Draft(fact) for fact in facts])


def told_again(d: Deployment, now: datetime) -> Steps[None]:
    """Take up again the notices that are due."""
    yield from append("line", due_again(d, now))


def record_watched(drafts: Sequence[e.Draft]) -> Steps[None]:
    """Record a watcher's reports of files. No effect depends on them."""
    yield from append("line", drafts, durable=False)


def put_away(d: Deployment) -> Steps[None]:
    """Remove the alarm of a closed deployment once all notices are delivered."""
    yield from disarm(d)
