"""Lines that several effects write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wakeman.core.log import events as e
from wakeman.core.model import WorkerState
from wakeman.engine.effects import drafts

INTENT = e.Event(
    v=1, seq=7, at=datetime(2026, 1, 5, tzinfo=UTC), by="at:1", worker="w", attempt=2, data=e.Noted(text=""), hash=""
)


@pytest.mark.parametrize("why", ["", "no room"])
def test_an_outcome_is_about_whom_its_intent_was_and_is_read_back_as_it_was_written(why: str) -> None:
    draft = drafts.outcome(INTENT, why)

    assert e.Draft(e.Effected(intent=7, ok=not why, detail=why), worker="w", attempt=2) == draft
    assert why == drafts.effect_failure(draft.data)


def test_what_is_no_outcome_tells_of_no_failure() -> None:
    assert ["", ""] == [drafts.effect_failure(e.Noted(text="x")), drafts.effect_failure(None)]
    assert "" == drafts.effect_failure(e.Effected(intent=7, ok=True, detail="moved"))


def test_a_fact_is_about_a_workers_present_attempt() -> None:
    assert e.Draft(e.Noted(text="x"), worker="w", attempt=2) == drafts.about(
        WorkerState(name="w", session="s", attempt=2), e.Noted(text="x")
    )


@pytest.mark.parametrize(("chars", "length"), [(None, 300), (40, 40)])
def test_a_note_is_one_harmless_line_cut_to_its_length(chars: int | None, length: int) -> None:
    text = "\x1b[31mred\nand " + "long " * 99

    note = drafts.noted(text) if chars is None else drafts.noted(text, chars)

    assert isinstance(note.data, e.Noted)
    assert (True, True) == (note.data.text.startswith("red and long"), length - 1 <= len(note.data.text) <= length)
