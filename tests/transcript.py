"""What a protocol yields as it is driven, step by step: an effect by its class, a write in words."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from wakeman.core.log import events as e
from wakeman.engine.effects.alarm import Soon
from wakeman.engine.protocol.steps import Append, Steps

Step = type[object] | str
"""An effect by its class; a write in words; a check by the timer as `Soon` and its seconds."""


class CrashError(Exception):
    """The death of a check."""


def noted(steps: Steps[None], into: list[Step], dies_at: Step = "") -> Generator[Any, Any, None]:
    """Pass on what a protocol yields, and what it is answered; note each step."""
    answer = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration:
            return
        into.append(told(step))
        if into[-1] == dies_at:
            raise CrashError
        answer = yield step


def told(step: object) -> Step:
    """Name a step: an effect by its class, a write by what it is about, `?` behind one that is not durable."""
    if isinstance(step, Soon):
        return f"Soon {step.seconds:g}"
    if not isinstance(step, Append):
        return type(step)
    said = ", ".join(map(in_words, step.drafts))
    return f"{step.kind}{'' if step.durable else '?'}: {said}"


def in_words(draft: e.Draft) -> str:
    data = draft.data
    what = data.row if isinstance(data, e.Decided) else data.action if isinstance(data, e.Intended) else e.kind(data)
    return f"{draft.worker} {what}" if draft.worker else what
