"""The same log under another policy: where the tables would have decided otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment, Plan
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import decide
from wakeman.core.policy.tables import Decision
from wakeman.core.policy.transitions import transitions
from wakeman.core.policy.worker_rows import taken

T = TypeVar("T")


class Difference(Struct, frozen=True):
    """One difference. `worker` is "" for the deployment; `did` or `would` is "" for nothing."""

    seq: int
    at: datetime
    worker: str
    did: str
    would: str


class WhatIf:
    """Compares the transitions and decisions of a log with those of another policy, on the recorded state.

    Shape: observations, verdicts and alarm times stay as recorded. So after the first difference the real deployment
    would have gone otherwise.
    """

    def __init__(self) -> None:
        self._compared: int | None = None  # the look whose rows of workers are compared

    def before(self, d: Deployment, event: e.Event, plan: Plan) -> Iterator[Difference]:
        """Compare rows at each row of the log; call it before the event is applied."""
        data = event.data
        if not isinstance(data, e.Decided):
            return
        if self._compared != d.looked:
            self._compared = d.looked
            yield from _paired(event, _rows(d), _under(d, plan, _rows))
        if event.worker is None:
            did = _row_text(Decision(data.row, data.then, held=data.held))
            would = _under(d, plan, lambda d: _row_text(decide(d)))
            yield from _paired(event, {"": did}, {"": would})

    def after(self, d: Deployment, event: e.Event, plan: Plan) -> Iterator[Difference]:
        """Compare the transitions that an observation triggers; call it after the event is applied."""
        if isinstance(event.data, e.Looked) and not event.data.more:
            yield from _paired(event, _moves(d), _under(d, plan, _moves))


def _under(d: Deployment, plan: Plan, ask: Callable[[Deployment], T]) -> T:
    own = d.plan
    review.adopt_plan(d, plan)
    try:
        return ask(d)
    finally:
        review.adopt_plan(d, own)


def _moves(d: Deployment) -> dict[str, str]:
    found: dict[str, str] = {}
    for draft in transitions(d):
        worker, text = draft.worker or "", f"{e.kind(draft.data)}: {summary(draft.data)}"
        found[worker] = f"{found[worker]}; {text}" if worker in found else text
    return found


def _rows(d: Deployment) -> dict[str, str]:
    return {decision.worker: _row_text(decision) for decision in taken(d)}


def _row_text(decision: Decision) -> str:
    then = f" -> {', '.join(decision.then)}" if decision.then else ""
    return f"{decision.row}{then}{' (held)' if decision.held else ''}"


def _paired(event: e.Event, did: dict[str, str], would: dict[str, str]) -> Iterator[Difference]:
    for worker in dict.fromkeys([*did, *would]):
        if did.get(worker) != would.get(worker):
            yield Difference(event.seq, event.at, worker, did.get(worker, ""), would.get(worker, ""))
