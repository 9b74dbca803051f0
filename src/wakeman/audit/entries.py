"""The protocols that may begin when none is in progress, chosen by the first line of a write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import msgspec

from wakeman.core.errors import WakemanError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.core.plan.shares import shares
from wakeman.core.policy.outbox import is_owed
from wakeman.engine.effects.alarm import ensure
from wakeman.engine.effects.press import press_once
from wakeman.engine.effects.sweep import SessionToEnd, end_session
from wakeman.engine.effects.text import Type, send
from wakeman.engine.protocol import requests
from wakeman.engine.protocol.check import ObservationRead, ReportsRead, Senses, check
from wakeman.engine.protocol.steps import Steps, Unrecorded, Write, append
from wakeman.ports import Pressing

_RESPELLED = r"\udc"
"""Text that stands for a byte that is not UTF-8."""
_SENSES = Senses(look=ObservationRead(), reports=ReportsRead(), clear=Unrecorded())  # type: ignore[arg-type] # only read


def entries(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    """Yield the protocols that may have written a log's next write, the likeliest first.

    Boundary: for a closed deployment, only those that may follow its end.
    """
    first = write[0]
    begin = _BEGIN.get(type(first.data))
    if begin is not None and (d.outcome == "open" or type(first.data) in _BEHIND_THE_END):
        yield from begin(d, write)


def _planned_entry(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    if not d.seq:
        planned = cast("e.Planned", write[0].data)
        kinds: tuple[type[e.Fact], ...] = (e.Planned, e.Enrolled, e.Armed, *_lists(write, planned))
        allowed = [event for event in write if isinstance(event.data, kinds)]
        named = _planned_names(write)
        yield append("fold", [_first_draft(event, named.get(event.seq, event.worker)) for event in allowed])


def _lists(write: Write, plan: e.Planned | e.Amended) -> tuple[type[e.Fact], ...]:
    """Return the type of the lines for a plan's items, if these are as many as the plan's own line says."""
    found = sum(len(event.data.items) for event in write if isinstance(event.data, e.Listed))
    return (e.Listed,) if found == plan.listed else ()


def _planned_names(write: Write) -> dict[int, str]:
    """Return, by line, the worker that the plan makes of the units enrolled there; nothing of units that do not fit.

    Boundary: nothing either of names that the log could not hold, which older versions took: it has them respelled.
    """
    enrolled = [(event.seq, event.data.units) for event in write if isinstance(event.data, e.Enrolled)]
    plan = cast("e.Planned", write[0].data).plan
    given = [unit for _, units in enrolled for unit in units]
    if any(_RESPELLED in text for unit in given for text in (unit.name, unit.input or "", *unit.names.values())):
        return {}
    try:
        made = shares(plan, given)
    except WakemanError:
        return {}
    owners = {unit.name: share.name for share in made for unit in share.units}
    return {seq: owners[units[0].name] for seq, units in enrolled if units}


def _first_draft(event: e.Event, worker: str | None) -> e.Draft:
    data = event.data
    if isinstance(data, e.Armed):
        data = msgspec.structs.replace(data, alarm=msgspec.structs.replace(data.alarm, generation=1))
    return e.Draft(data, worker=worker)


def _check(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    yield check(d, write[0].by, write[0].at, _SENSES)


def _armed_entry(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    if d.outcome == "open":
        yield from _check(d, write)
    yield ensure(d, write[0].at, paused=True)


def _watched_entry(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    """Yield the writes of a watcher, or of a check that reads hook reports."""
    if d.outcome == "open":
        yield from _check(d, write)
    if all(isinstance(event.data, (e.Noted, e.Progressed, e.Conflicted)) for event in write):
        yield requests.record_watched([_copied(event) for event in write])


def _effected(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    effects = [event.data for event in write if isinstance(event.data, e.Effected)]
    if d.outcome == "open" and write[0].worker is not None:
        yield from _check(d, write)
    else:
        yield requests.delivered(d, effects)


def _intended(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    event, data = write[0], cast("e.Intended", write[0].data)
    if data.action == "send" and d.outcome == "open":
        worker = d.workers[cast("str", event.worker)]
        yield send(worker, data, Type(worker.name, data.text))
    elif data.action == "sweep" and data.ended_by == "person":
        yield end_session(d, SessionToEnd(data.target, worker=event.worker or ""), "person")
    elif data.action == "sweep" and not data.ended_by:
        yield append("line", [_copied(event)])  # of an older version, which left no outcome
    elif data.action == "wake" and data.again:
        yield requests.told_again(d, event.at)


def _disarmed(d: Deployment, _: Write) -> Iterator[Steps[object]]:
    if d.outcome != "open" and not is_owed(d):
        yield requests.put_away(d)


def _requested(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    event, data = write[0], cast("e.Requested", write[0].data)
    worker = d.workers.get(cast("str", event.worker))  # None is the name of no worker
    if data.verb == "stop" and worker is not None:
        yield requests.stop(worker, data.text, keep=data.keep)
    elif data.verb == "retry" and worker is not None:
        yield requests.retry(d, worker, data.units, data.text)
    elif data.verb in ("approve", "answer") and worker is not None and isinstance(fact := write[-1].data, e.Intended):
        if fact.action == "press":
            yield press_once(worker, data, fact, Pressing(fact.digest))
        else:
            yield send(worker, fact, Type(worker.name, fact.text), data)
    elif data.verb == "amend":
        amended = next((other.data for other in write if isinstance(other.data, e.Amended)), None)
        amended = amended or e.Amended(plan=d.plan, digest="")
        kinds: tuple[type[e.Fact], ...] = (e.Enrolled, *_lists(write, amended))
        behind = [_copied(other) for other in write if isinstance(other.data, kinds)]
        yield requests.amend(d, amended, behind)
    else:
        yield append("fold", [_copied(event)])


def _adopted(d: Deployment, write: Write) -> Iterator[Steps[object]]:
    adopted = cast("e.Adopted", write[0].data)
    yield requests.adopt(d, adopted.identity, adopted.root_id)


def _copied(event: e.Event) -> e.Draft:
    return e.Draft(event.data, worker=event.worker, attempt=event.attempt)


_BEGIN: dict[type[e.Fact], Callable[[Deployment, Write], Iterator[Steps[object]]]] = {
    e.Planned: _planned_entry,
    e.Looked: _check,
    e.Armed: _armed_entry,
    e.Marked: _check,
    e.Launched: _check,
    e.Relaunched: _check,
    e.Exited: _check,
    e.Decided: _check,
    e.Progressed: _watched_entry,
    e.Conflicted: _watched_entry,
    e.Noted: _watched_entry,
    e.Effected: _effected,
    e.Intended: _intended,
    e.Disarmed: _disarmed,
    e.Requested: _requested,
    e.Adopted: _adopted,
}
"""Type of a write's first line -> the protocols that may have written it."""

_BEHIND_THE_END = (e.Adopted, e.Armed, e.Disarmed, e.Effected, e.Intended, e.Noted, e.Progressed, e.Conflicted)
"""Types that may follow the end of a deployment; an alarm, too, for a notice or for dead sessions that are left."""
