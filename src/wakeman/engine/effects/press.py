"""Make a choice in a dialog on a worker's screen, once: a press without an outcome is never repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, OpenIntent, WorkerState
from wakeman.engine import terminals
from wakeman.engine.effects.drafts import about, effect_failure, outcome
from wakeman.engine.protocol.steps import Steps, Write, append, do
from wakeman.ports import DialogReader, Pressing, ShownDialog

if TYPE_CHECKING:
    from wakeman.ports import World


class Press(Struct, frozen=True):
    """Make choices in a worker's dialog; see `World.press`."""

    worker: str
    pressing: Pressing

    def perform(self, world: World, d: Deployment) -> str:
        """Return why the question is still there; "" if it is gone."""
        worker = d.workers[self.worker]
        reader = world.harness(d.plan_of(worker).workers.harness)
        if not isinstance(reader, DialogReader):
            return f"{reader.name}: its dialogs are not understood"
        try:
            session, mark = terminals.session_address(d, worker)
            return world.press(terminals.terminal(world, d.host), session, mark, reader, self.pressing)
        except (UnknownNameError, ProgramError) as fault:
            return str(fault)

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the outcome."""
        return effect_failure(write[0].data)


class PressedOrNot(Struct, frozen=True):
    """Look whether a question is gone whose press has no outcome: it was interrupted."""

    intent: OpenIntent

    def perform(self, world: World, d: Deployment) -> str:
        """Return why that is not known; "" if it is gone."""
        worker = d.workers[self.intent.worker]
        if worker.attempt != self.intent.attempt or not worker.live:
            return "interrupted; its attempt is over"
        try:
            shown = dialog_of(world, d, worker)
        except (UnknownNameError, ProgramError) as fault:
            return f"interrupted: {fault}"
        still = shown is not None and shown.dialog.seen == self.intent.digest
        return "interrupted; the same question is shown: it is not pressed again" if still else ""

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read it from the outcome."""
        return effect_failure(write[0].data)


def dialog_of(world: World, d: Deployment, worker: WorkerState) -> ShownDialog | None:
    """Return the dialog that a worker's screen shows now. Raises: UnknownNameError; ProgramError without a screen."""
    from wakeman.engine.attempt.answering import DIALOG_ROWS

    reader = world.harness(d.plan_of(worker).workers.harness)
    if not isinstance(reader, DialogReader):
        return None
    session, mark = terminals.session_address(d, worker)
    return reader.dialog(terminals.terminal(world, d.host).capture(session, DIALOG_ROWS, mark=mark))


def press_once(worker: WorkerState, asked: e.Requested, fact: e.Intended, pressing: Pressing) -> Steps[str]:
    """Record who asks for it, and make the choices; return why the question is still there."""
    *_, intent = yield from append("fold", [about(worker, asked), about(worker, fact)])
    why = yield from do(Press(worker.name, pressing))
    yield from append("outcome", [outcome(intent, why)])
    return why


def settle_presses(d: Deployment) -> Steps[None]:
    """Settle presses that have no outcome, without pressing anything."""
    for intent in [one for one in d.intents.values() if one.action == "press"]:
        why = yield from do(PressedOrNot(intent))
        fact = e.Effected(intent=intent.seq, ok=not why, detail=why)
        yield from append("outcome", [e.Draft(fact, worker=intent.worker, attempt=intent.attempt)])
