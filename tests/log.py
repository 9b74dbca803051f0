"""A deployment made from events, without a log or a world: the shortest way to a state, and to the changes of a
fact."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.log.state import apply, transition
from wakeman.core.model import Deployment, Host, Plan, Review, State, Unit, UnitsSpec, UnitState, WorkerState

NOW = datetime(2026, 1, 5, 21, 36, tzinfo=UTC)
HOST = Host(root="/r", directory="/s/night", place={"socket": "/x", "tmux": "tmux"}, python=("wakeman",))
UNITS = (Unit(name="a", outputs=("a.out",)), Unit(name="b", outputs=("b.out",)))


PLAN = Plan(name="night", units=UnitsSpec(items=("x",)))
COUNTED = {"in_question", "pending", "steady", "silent_mono", "undone", "scattered", "number", "unbegun"}
"""Fields that are counted of all workers while facts are applied."""
GONE = "gone"
"""Stands for what a fact took away."""


class Log:
    """A deployment and the events that made it."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.d = Deployment()
        self.say(e.Planned(name="night", plan=plan, digest="d", host=HOST))
        self.say(e.Enrolled(session="w", units=UNITS), worker="w")

    def say(
        self,
        data: e.Fact,
        *,
        worker: str | None = None,
        attempt: int | None = None,
        source: State | None = None,
        to: State | None = None,
        by: str = "at:1",
        after: float = 0.0,
    ) -> Log:
        at = NOW + timedelta(seconds=after)
        seq = self.d.seq + 1
        apply(
            self.d,
            e.Event(
                v=1, seq=seq, at=at, by=by, worker=worker, attempt=attempt, source=source, to=to, data=data, hash=""
            ),
        )
        return self

    def move(self, data: e.Fact) -> Log:
        draft = transition(self.d.workers["w"], data)
        return self.say(data, worker="w", attempt=draft.attempt, source=draft.source, to=draft.to)

    def running(self) -> Log:
        self.say(e.Looked(mono=10.0, boot="b1"))
        self.say(e.Intended(action="launch", target="w", agent_session="u"), worker="w", attempt=1)
        return self.move(e.Launched(intent=self.d.seq, session_id="$1")).move(e.Started())

    def changed_by(
        self,
        data: e.Fact,
        *,
        worker: str | None = None,
        attempt: int | None = None,
        by: str = "at:1",
        after: float = 0.0,
    ) -> dict[str, object]:
        """Say a fact; return all that it changed, but for the head: by its place in the state, what is there now."""
        before = copy.deepcopy(self.d)
        self.say(data, worker=worker, attempt=attempt, by=by, after=after)
        return changes(before, self.d)

    def changed_by_move(self, data: e.Fact) -> dict[str, object]:
        """Say a transition of `w`; return all that it changed, but for the head and the state itself."""
        before = copy.deepcopy(self.d)
        self.move(data)
        found = changes(before, self.d)
        return {place: value for place, value in found.items() if place not in ("workers.w.state", "workers.w.since")}


def changes(before: Deployment, after: Deployment) -> dict[str, object]:
    """Return what differs between two states, by its place, but for the head of the log, and for what is counted of all
    workers: `core/log/test_standing.py` compares that."""
    found = _differing(before, after, "")
    return {
        place: msgspec.structs.replace(value, number=0, undone=0, unbegun=False)
        if isinstance(value, WorkerState)
        else value
        for place, value in found.items()
        if place not in ("seq", "at", "hash") and not COUNTED.intersection(place.split("."))
    }


def _differing(before: object, after: object, place: str) -> dict[str, object]:
    if isinstance(before, Deployment | WorkerState | UnitState | Review) and type(before) is type(after):
        return _of_each(_fields(before), _fields(after), place)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _of_each(before, after, place)
    return {} if before == after else {place: after}


def _of_each(before: Mapping[str, object], after: Mapping[str, object], place: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for key in (*before, *(key for key in after if key not in before)):
        inner = f"{place}.{key}".lstrip(".")
        if key in before and key in after:
            found |= _differing(before[key], after[key], inner)
        else:
            found[inner] = after.get(key, GONE)
    return found


def _fields(struct: Struct) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
