"""Answers of people to what workers ask: recorded with who gives them and through which face, given once, and only to
the question that was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from wakeman.core.errors import NeedsPersonError, ProgramError, UnknownNameError, UsageError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Dialog, WorkerState
from wakeman.core.policy.dialogs import (
    Permission,
    choice_meant,
    choices_listed,
    granting,
    permitting,
    words_fingerprint,
)
from wakeman.core.policy.notice import SPOKEN_REASONS
from wakeman.core.policy.prompt_delivery import ENTER_AGAIN_S
from wakeman.core.text import as_data, sanitise
from wakeman.engine import alarm
from wakeman.engine.attempt import prompt_delivery, secrets
from wakeman.engine.check import check
from wakeman.engine.effects.press import dialog_of, press_once
from wakeman.engine.effects.text import Type, send
from wakeman.engine.live import hold, require
from wakeman.engine.protocol.steps import drive
from wakeman.engine.requests import require_open
from wakeman.ports import DialogReader, Pressing, ShownDialog

if TYPE_CHECKING:
    from wakeman.ports import World

ASKED_CHARS_MAX = 300
"""Characters of a question that an error repeats."""
GIVEN_ANSWER_CHARS_MAX = 500
"""Characters of an answer that the log keeps."""


class Asker(Struct, frozen=True):
    """Who gives an answer, and through which face."""

    who: str = ""
    face: str = ""


NOBODY = Asker()


class Given(Struct, frozen=True):
    """An answer that was given: the question, what was chosen or typed, and whether it was typed as a prompt, whose
    arrival a later check shows.
    """

    asks: str
    says: str
    typed: bool
    deployment: Deployment


def approve(
    world: World, deployment: str, name: str, wanted: Permission, *, seen: str = "", asker: Asker = NOBODY
) -> Given:
    """Press the choice of a permission dialog that gives it once or always, or denies it.

    Shape: `seen` is the fingerprint of the question that the answer is to; "" takes the one that is shown. Raises:
    UsageError when no permission is asked, or the choice is not offered; NeedsPersonError when another question is
    shown, or the choice was not seen to be taken. Nothing is pressed in the first three cases.
    """

    def meant(target: str, dialog: Dialog) -> tuple[Pressing, str]:
        if dialog.kind == "question":
            hint = f"wakeman answer {target} ANSWER --seen {dialog.seen}"
            raise UsageError(f"{target}: asks a question, not a permission: {_dialog_in_words(dialog)}", hint)
        n = permitting(dialog, wanted)
        if n is None:
            offered = list(granting(dialog))
            hint = (
                f"wakeman approve {target} --{offered[0]} --seen {dialog.seen}"
                if offered
                else f"wakeman attach {target}"
            )
            raise UsageError(f"{target}: --{wanted} is not offered; its choices are: {choices_listed(dialog)}", hint)
        return Pressing(dialog.seen, (n,)), dialog.choices[n].label

    asked = e.Requested(verb="approve", text=wanted, who=asker.who, face=asker.face)
    return _pressed(world, deployment, name, asked, seen, meant)


def answer(world: World, deployment: str, name: str, text: str, *, seen: str = "", asker: Asker = NOBODY) -> Given:
    """Answer a question: choose in its dialog by number or label, type into it, or type a prompt to one in prose.

    Shape: several choices are numbers or labels with commas between. Raises: as `approve`; a permission is not given by
    an answer.
    """
    if not text.strip():
        raise UsageError(f"{deployment}/{name}: found an empty answer; expected a number, a label, or a text")

    def meant(target: str, dialog: Dialog) -> tuple[Pressing, str]:
        if dialog.kind == "permission":
            hint = f"wakeman approve {target} --seen {dialog.seen}"
            raise UsageError(f"{target}: asks a permission, which is no question: {_dialog_in_words(dialog)}", hint)
        return _chosen_pressing(target, dialog, text)

    d = check(world, deployment)  # an answer is to what it says now, not to what it said at the last check
    redacted = secrets.redactor(world, d)(text)
    asked = e.Requested(verb="answer", text=sanitise(redacted, GIVEN_ANSWER_CHARS_MAX), who=asker.who, face=asker.face)
    if d.outcome == "open" and (worker := d.workers[name]).live and _speaks(worker):
        return _typed(world, deployment, name, text, asked, seen)
    return _pressed(world, deployment, name, asked, seen, meant)


def asked_now(world: World, deployment: str, name: str) -> Dialog:
    """Return what a worker's dialog asks now, keys hidden. Raises: UsageError where none can be read."""
    d = world.logs.read(deployment)
    require(world, deployment, d)
    dialog = shown_now(world, require_open(d), d.workers[name]).dialog
    redact = secrets.redactor(world, d)
    choices = tuple(replace(each, label=redact(each.label)) for each in dialog.choices)
    return replace(dialog, asks=redact(dialog.asks), choices=choices)


def shown_now(world: World, d: Deployment, worker: WorkerState) -> ShownDialog:
    """Return the dialog on a worker's screen. Raises: UsageError where none can be read."""
    target = f"{d.name}/{worker.name}"
    if not worker.live:
        raise UsageError(f"{target} is {worker.state}: it asks nothing", f"wakeman status {d.name}")
    harness = world.harness(d.plan_of(worker).workers.harness)
    if not isinstance(harness, DialogReader) or d.plan_of(worker).workers.mode != "interactive":
        why = f"dialogs of {harness.name} cannot be answered from here"
        raise UsageError(f"{target}: {why}", f"wakeman attach {target}")
    try:
        shown = dialog_of(world, d, worker)
    except (UnknownNameError, ProgramError) as fault:
        raise UsageError(f"{target}: its screen cannot be read: {fault}", f"wakeman check {d.name}") from fault
    if shown is None:
        raise UsageError(f"{target}: its screen shows no dialog that is understood", f"wakeman capture {target}")
    return shown


def _pressed(
    world: World,
    deployment: str,
    name: str,
    asked: e.Requested,
    seen: str,
    meant: Callable[[str, Dialog], tuple[Pressing, str]],
) -> Given:
    """Press in a dialog, then check."""
    target = f"{deployment}/{name}"
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        worker = d.workers[name]
        dialog = shown_now(world, d, worker).dialog
        redact = secrets.redactor(world, d)
        if seen and seen != dialog.seen:
            verb = f"answer {target} ANSWER" if dialog.kind == "question" else f"approve {target}"
            raise _another(redact, target, _dialog_in_words(dialog), f"wakeman {verb} --seen {dialog.seen}")
        pressing, label = meant(target, dialog)
        fact = e.Intended(
            action="press",
            target=worker.session,
            digest=dialog.seen,
            text=sanitise(redact(label), GIVEN_ANSWER_CHARS_MAX),
        )
        why = drive(world, log, press_once(worker, asked, fact, pressing), world.clock.now())
    now = check(world, deployment)
    if why:
        raise NeedsPersonError(f"{target}: {redact(why)}", f"wakeman attach {target}")
    return Given(redact(dialog.asks), fact.text, typed=False, deployment=now)


def _typed(world: World, deployment: str, name: str, text: str, asked: e.Requested, seen: str) -> Given:
    """Type an answer to last words, while they are the last."""
    target = f"{deployment}/{name}"
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        worker = d.workers[name]
        known = words_fingerprint(worker.said)
        if not worker.live or not _speaks(worker) or (seen and seen != known):
            hint = f"wakeman answer {target} ANSWER --seen {known}"
            raise _another(str, target, f"its last words are {as_data(worker.said, ASKED_CHARS_MAX)}", hint)
        if worker.prompt:
            why = f"what was typed in line {worker.prompt} is not confirmed yet"
            raise NeedsPersonError(f"{target}: {why}", f"wakeman check {deployment}, then answer again")
        fact = e.Intended(
            action="send",
            target=worker.session,
            text=asked.text,
            confirm=True,
            before=prompt_delivery.reported_prompts(world, d, worker),
        )
        why = drive(world, log, send(worker, fact, Type(name, text), asked), world.clock.now())
        if not why:
            alarm.soon(world, log.deployment, ENTER_AGAIN_S, "timer")
    if why:
        raise NeedsPersonError(f"{target}: {why}", f"wakeman attach {target}")
    return Given(worker.said, asked.text, typed=True, deployment=log.deployment)


def _speaks(worker: WorkerState) -> bool:
    """Return whether a worker has ended its turn with words that an answer can be to."""
    seen = worker.observation
    rests = seen is not None and seen.activity == "idle"
    return bool(worker.said) and rests and (worker.reason in SPOKEN_REASONS or worker.means == "asks")


def _chosen_pressing(target: str, dialog: Dialog, text: str) -> tuple[Pressing, str]:
    """Return what an answer chooses in a dialog: one choice, several, or the one into which it is typed."""
    n = choice_meant(dialog, text)
    if n is not None and dialog.choices[n].does != "text":
        return Pressing(dialog.seen, (n,)), dialog.choices[n].label
    parts = [choice_meant(dialog, part) for part in text.split(",")]
    several = [part for part in parts if part is not None and dialog.choices[part].does != "text"]
    if dialog.several and len(several) == len(parts):
        return Pressing(dialog.seen, tuple(several)), ", ".join(dialog.choices[part].label for part in several)
    own = next((at for at, choice in enumerate(dialog.choices) if choice.does == "text"), None)
    if own is None or n is not None or dialog.several:
        found = as_data(text, ASKED_CHARS_MAX)
        raise UsageError(
            f"{target}: found {found}; its choices are: {choices_listed(dialog)}",
            f"wakeman answer {target} 1 --seen {dialog.seen}",
        )
    return Pressing(dialog.seen, (own,), text), text


def _another(redact: Callable[[str], str], target: str, now: str, hint: str) -> NeedsPersonError:
    return NeedsPersonError(f"{target}: this is no longer what it asks; now: {redact(now)}", hint)


def _dialog_in_words(dialog: Dialog) -> str:
    return f"{as_data(dialog.asks, ASKED_CHARS_MAX)}; {choices_listed(dialog)}"
