"""Answers from elsewhere: what may be asked by a push, and the nonce that fits one choice of one question."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from msgspec import Struct, json

from wakeman.core.digests import blake2b, sha256
from wakeman.core.model import Deployment, Dialog, WakeTarget, WorkerState
from wakeman.core.policy import notice
from wakeman.core.policy.dialogs import CUT, granting, words_fingerprint

BUTTONS_MAX = 3
"""Choices of one question that a push can offer: what ntfy shows."""
PUSHED_QUESTIONS_MAX = 5
"""Questions of one notice that are asked by a push; the others are named in it, and asked when these are answered."""
NONCE_BYTES = 16
READ_WHOLE_CHARS_MAX = 1500
"""Characters of a question at most that is asked by a push: longer words would be cut on the way."""
PROSE_ANSWERS = ("Yes", "No")
"""What a question in last words can be answered with: what a button sends is fixed before it is pressed."""


class PushedChoice(Struct, frozen=True):
    """One choice of a question. `label` is what its button shows; `text` what the verb is given."""

    label: str
    text: str


class PushedQuestion(Struct, frozen=True):
    """A question as it can be answered from elsewhere.

    Shape: `worker` is "" for a held row; `seen` is the fingerprint of what is asked, `key` that of the notice's cause
    and `since` when it was asked, so that the same words asked again are another question. `words` are others', data.
    """

    verb: Literal["approve", "answer", "accept"]
    worker: str
    seen: str
    key: str
    since: str
    words: str
    choices: tuple[PushedChoice, ...]


def pushed_questions(d: Deployment, target: WakeTarget) -> list[PushedQuestion]:
    """List what a target may be asked, told before or not.

    Boundary: nobody says yes to what they have not read whole: a worker's question is asked only where its words may
    leave the machine, and fit. A held row is in Wakeman's words.
    """
    if not target.answers_file or d.outcome != "open":
        return []
    found = [_held_question(d)] if d.held else []
    if target.share == "words":
        found += [each for worker in notice.asking_workers(d) if worker.live for each in _questions_of(worker)]
    return found


def questions_in_notice(d: Deployment, target: WakeTarget, causes: Collection[str]) -> list[PushedQuestion]:
    """List those of them that a notice of these causes asks by pushes of their own: the first few."""
    return [each for each in pushed_questions(d, target) if each.key in causes][:PUSHED_QUESTIONS_MAX]


def told_questions(d: Deployment, target: WakeTarget) -> list[PushedQuestion]:
    """List those of them that a notice was sent of: an answer to another one cannot be from who was asked."""
    return [each for each in pushed_questions(d, target) if each.key in d.woken]


def nonce(key: bytes, d: Deployment, question: PushedQuestion, choice: PushedChoice) -> str:
    """Return what exactly this choice of exactly this question is known by; `key` is a secret of the deployment."""
    about = (d.name, f"{d.started}", question.worker, question.key, question.seen, question.since, choice.text)
    made = blake2b(json.encode((*about, question.verb)), key=sha256(key).digest(), digest_size=NONCE_BYTES)
    return made.hexdigest()


def meant_by(key: bytes, d: Deployment, target: WakeTarget, text: str) -> tuple[PushedQuestion, PushedChoice] | None:
    """Return which choice of which open question a message makes; None where it fits none."""
    for question in told_questions(d, target):
        for choice in question.choices:
            if text == nonce(key, d, question, choice):
                return question, choice
    return None


def _held_question(d: Deployment) -> PushedQuestion:
    choices = (PushedChoice(f"Accept: {d.held}", d.held),)
    return PushedQuestion("accept", "", d.held, notice.held_key(d.held, d.holds), f"{d.held_at}", "", choices)


def _questions_of(worker: WorkerState) -> Iterator[PushedQuestion]:
    """Yield what a worker asks, if a button can answer it."""
    seen, key = worker.observation, notice.question_key(worker)
    since = f"{worker.since} {worker.attempt} {worker.questions}"
    dialog = seen.dialog if seen is not None and seen.attempt == worker.attempt else None
    if worker.reason == "waiting" and dialog is not None and _read_whole(dialog.asks):
        verb, choices = _choices_of(dialog)
        if choices and all(_read_whole(choice.label) for choice in choices):
            yield PushedQuestion(verb, worker.name, dialog.seen, key, since, dialog.asks, choices)
    elif worker.reason == "asks" and worker.said and _read_whole(worker.said):
        prose = tuple(PushedChoice(text, text) for text in PROSE_ANSWERS)
        yield PushedQuestion("answer", worker.name, words_fingerprint(worker.said), key, since, worker.said, prose)


def _choices_of(dialog: Dialog) -> tuple[Literal["approve", "answer"], tuple[PushedChoice, ...]]:
    """Return the verb and the choices of a dialog; none of a question that wants several, or has more than buttons."""
    if dialog.kind != "question":
        return "approve", tuple(PushedChoice(label, wanted) for wanted, label in granting(dialog).items())
    fixed = [PushedChoice(choice.label, str(n)) for n, choice in enumerate(dialog.choices, 1) if choice.does != "text"]
    return "answer", () if dialog.several or len(fixed) > BUTTONS_MAX else tuple(fixed)


def _read_whole(words: str) -> bool:
    return CUT not in words and not words.endswith("…") and len(words) <= READ_WHOLE_CHARS_MAX
