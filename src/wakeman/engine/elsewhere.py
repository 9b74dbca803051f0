"""Answers that come back by a push's buttons: read once a check, bound to one question, given once; all else is ignored
and logged.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from wakeman.core.errors import BusyError, NeedsPersonError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, WakeTarget
from wakeman.core.policy.dialogs import PERMISSION_WORDS
from wakeman.core.policy.elsewhere import PushedChoice, PushedQuestion, meant_by, told_questions
from wakeman.core.policy.notice import held_key
from wakeman.core.text import sanitise
from wakeman.engine import answers, layout
from wakeman.engine.answers import Asker
from wakeman.engine.check import check
from wakeman.engine.live import hold
from wakeman.engine.protocol import requests as protocol
from wakeman.engine.protocol.steps import drive
from wakeman.engine.requests import require_open
from wakeman.ports import Heard

if TYPE_CHECKING:
    from wakeman.ports import World

ELSEWHERE_FACE = "ntfy"
"""How the log says that an answer came by a topic."""
IGNORED_CHARS_MAX = 200
"""Characters of the reason why a message was ignored."""
CURSOR_BYTES_MAX = 100
CLOCKS_APART_S = 3600.0
"""Seconds by which the clock of the topic's server may be behind. What is older fits no question, and is ignored."""


def take_answers(world: World, d: Deployment) -> Deployment:
    """Read the answers to what was asked by a push, and give them; return the deployment after that.

    Boundary: nothing is read unless a question is open that a notice was sent of. What cannot be read, or fits nothing,
    changes nothing. Repeatable: an answer is given once, whatever is read twice. Cost: one request.
    """
    for target in d.plan.wake.to:
        if d.outcome == "open" and (open_questions := told_questions(d, target)):
            since = _cursor(world, d) or _first_told(d, open_questions)
            heard = world.hear(target, since, d)
            d = _take_heard(world, d, target, heard)
    return d


def _take_heard(world: World, d: Deployment, target: WakeTarget, heard: Heard) -> Deployment:
    ignored: dict[str, int] = {}
    for text in heard.messages:
        meant = meant_by(heard.key, d, target, text)
        why = "fits no open question"
        if meant is not None:
            who = f"{target.name} {text}"
            try:
                why = "" if not _given(world, d.name, who) else "was given before"
                if not why:
                    _give(world, d, *meant, Asker(who, ELSEWHERE_FACE))
            except BusyError:
                return d  # read again by the next check
            except WakemanError as fault:
                why = "" if _given(world, d.name, who) else sanitise(str(fault), IGNORED_CHARS_MAX)
            d = world.logs.read(d.name)
        if why:
            ignored[why] = ignored.get(why, 0) + 1
    if ignored:
        d = _log_ignored(world, d, target, ignored)
    if heard.since:
        world.files.write(_cursor_file(d), heard.since.encode())
    return d


def _give(world: World, d: Deployment, question: PushedQuestion, choice: PushedChoice, asker: Asker) -> None:
    """Give an answer as its verb does: recorded, and only while exactly this is asked."""
    if question.verb == "accept":
        _accept(world, d, question, asker)
    elif question.verb == "answer":
        answers.answer(world, d.name, question.worker, choice.text, seen=question.seen, asker=asker)
    else:
        wanted = next(word for word in PERMISSION_WORDS if word == choice.text)
        answers.approve(world, d.name, question.worker, wanted, seen=question.seen, asker=asker)


def _accept(world: World, d: Deployment, question: PushedQuestion, asker: Asker) -> None:
    with hold(world, d.name) as log:
        now = require_open(log.deployment)
        if held_key(now.held, now.holds) != question.key:
            raise NeedsPersonError(f"{d.name}: another row is held now", f"wakeman status {d.name}")
        at = world.clock.now()
        drive(world, log, protocol.request(now, "accept", "", at, asker.who, asker.face), at)
    check(world, d.name)


def _given(world: World, name: str, who: str) -> bool:
    """Return whether an answer was recorded: a nonce is good for one."""
    return any(isinstance(event.data, e.Requested) and event.data.who == who for event in world.logs.events(name))


def _log_ignored(world: World, d: Deployment, target: WakeTarget, ignored: dict[str, int]) -> Deployment:
    said = "; ".join(f"{count(times, 'message')}: {why}" for why, times in ignored.items())
    with hold(world, d.name) as log:
        if log.deployment.outcome == "open":
            text = sanitise(f"ignored: {said}", 2 * IGNORED_CHARS_MAX)
            drive(world, log, protocol.ignored(text, target.name, ELSEWHERE_FACE), world.clock.now())
        return log.deployment


# --- what was read before -------------------------------------------------------------------------------------


def _cursor_file(d: Deployment) -> str:
    return layout.inside(d.host, "answers.since")


def _cursor(world: World, d: Deployment) -> str:
    """Return the last message that was read; "" for none."""
    file = _cursor_file(d)
    if not world.files.marks([file]):
        return ""
    return world.files.read(file, CURSOR_BYTES_MAX).decode("ascii", "replace").strip()


def _first_told(d: Deployment, questions: list[PushedQuestion]) -> str:
    """Return since when an answer may have been given, in seconds: the topic's clock may be another."""
    told: list[datetime] = [d.woken[question.key] for question in questions]
    return str(int(min(told).timestamp() - CLOCKS_APART_S))
