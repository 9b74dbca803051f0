"""What a protocol yields as it is driven, step by step: an effect by its class, a write in words."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from itertools import count
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


AT = datetime(2026, 1, 5, tzinfo=UTC)


def answered(steps: Steps[Any], answers: Mapping[type[object], object]) -> tuple[list[Any], Any]:
    """Drive a protocol whose effects have these outcomes; give the effects and writes that it yields, and its result.

    Shape: nothing is applied; lines are numbered from 7 on.
    """
    found: list[Any] = []
    answer: object = None
    numbers = count(7)
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return found, end.value
        found.append(step)
        if isinstance(step, Append):
            answer = [
                e.Event(
                    v=1,
                    seq=next(numbers),
                    at=AT,
                    by="at:1",
                    worker=draft.worker,
                    attempt=draft.attempt,
                    source=draft.source,
                    to=draft.to,
                    data=draft.data,
                    hash="",
                )
                for draft in step.drafts
            ]
        else:
            answer = answers[type(step)]
