"""Deliver text to a worker's session: a nudge, a person's text, Enter once more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.model import EDITION_PROGRESS_MIN, Deployment, WorkerState
from wakeman.core.policy.attempts import missing
from wakeman.core.policy.tables import EDITION_QUOTING_MIN, Decision
from wakeman.core.text import as_data, sanitise
from wakeman.engine.attempt import prompt_delivery
from wakeman.engine.effects.drafts import about, effect_failure, outcome
from wakeman.engine.protocol.steps import Steps, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World


class ReportedPrompts(Struct, frozen=True):
    """Read a fingerprint of the client's latest report of a prompt."""

    worker: str

    def perform(self, world: World, d: Deployment) -> str:
        """Return it."""
        return prompt_delivery.reported_prompts(world, d, d.workers[self.worker])

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the intent that follows."""
        data = write[0].data
        return data.before if isinstance(data, e.Intended) else ""


class Type(Struct, frozen=True):
    """Type a text into a worker's session and submit it; see `prompt_delivery.type_into`."""

    worker: str
    text: str
    submit: bool = True
    force: bool = False
    raw: bool = False

    def perform(self, world: World, d: Deployment) -> str:
        """Return why it was not typed; "" if it was."""
        worker = d.workers[self.worker]
        return prompt_delivery.type_into_worker(
            world, d, worker, self.text, submit=self.submit, force=self.force, raw=self.raw
        )

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the outcome."""
        return effect_failure(write[0].data)


class PressEnter(Struct, frozen=True):
    """Press Enter in a worker's session."""

    worker: str

    def perform(self, world: World, d: Deployment) -> str:
        """Return why it was not pressed; "" if it was."""
        return prompt_delivery.press_enter(world, d, d.workers[self.worker])

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the outcome."""
        return effect_failure(write[0].data)


def nudge(d: Deployment, decision: Decision, _: datetime) -> Steps[None]:
    """Type the missing units into a worker's session."""
    worker = d.workers[decision.worker]
    heard = yield from do(ReportedPrompts(worker.name))
    fact = msgspec.structs.replace(_nudge(d, worker), before=heard)
    (intent,) = yield from append("action", [about(worker, fact)])
    why = yield from do(Type(worker.name, fact.text))
    yield from append("outcome", [outcome(intent, why)])


def enter(d: Deployment, decision: Decision, _: datetime) -> Steps[None]:
    """Press Enter once more."""
    worker = d.workers[decision.worker]
    (intent,) = yield from append("action", [about(worker, _enter(worker))])
    why = yield from do(PressEnter(worker.name))
    yield from append("outcome", [outcome(intent, why)])


def send(worker: WorkerState, fact: e.Intended, typing: Type, asked: e.Requested | None = None) -> Steps[str]:
    """Type a person's text; return why it was not typed. `fact` is the intent, without keys in its text; `asked` is the
    request that it is the answer of, if it is one.
    """
    *_, intent = yield from append("fold", [about(worker, each) for each in (asked, fact) if each is not None])
    why = yield from do(typing)
    yield from append("outcome", [outcome(intent, why)])
    return why


def _nudge(d: Deployment, worker: WorkerState) -> e.Intended:
    """Return the intent to type the missing units, and which side sessions were ended."""
    quote = as_data if d.edition >= EDITION_QUOTING_MIN else sanitise
    gone = "; ".join(quote(name, 60) for name in worker.swept)
    note = f"These sessions of yours took longer than is allowed and were ended: {gone}. Go on without them. "
    left = "; ".join(quote(name, 100) for name in missing(d, worker)[:20])
    text = (note if gone else "") + (
        f"Still missing, go on with these: {left}" if left or d.edition < EDITION_PROGRESS_MIN else ""
    )
    return e.Intended(action="nudge", target=worker.session, text=text, confirm=True)


def _enter(worker: WorkerState) -> e.Intended:
    """Return the intent to press Enter once more."""
    return e.Intended(action="enter", target=worker.session)
