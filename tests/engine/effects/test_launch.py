"""What is written of launches, by what became of them."""

from __future__ import annotations

from typing import Any

import pytest

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, WorkerState
from wakeman.engine.effects.launch import Adopted, Failed, Fate, Unconfirmed, launch_drafts, launch_fate
from wakeman.ports import Made


@pytest.mark.parametrize(
    ("made", "fate"),
    [
        (Made("$1", 7), Adopted("$1", 7)),
        (Made(error="no room"), Failed("no room")),
        (Made(taken=True), Failed("a session of that name is somebody else's")),
        (Made(error="w: exists", taken=True), Failed("w: exists")),
    ],
)
def test_a_session_that_was_not_made_is_a_launch_that_failed(made: Made, fate: Fate) -> None:
    assert fate == launch_fate(made)


def exited(why: str, by: str, *, free: bool) -> e.Exited:
    return e.Exited(why=f"launch failed: {why}", ended_by=by, free=free)  # type: ignore[arg-type] # a literal of a parameter


FATES: list[tuple[str, Fate, e.Fact, str | None]] = [
    ("pending", Adopted("$1", 7), e.Launched(intent=3, session_id="$1", pid=7), "launched"),
    ("pending", Adopted(found=True), e.Launched(intent=3, adopted=True), "launched"),
    ("exited", Adopted("$1", 7), e.Relaunched(intent=3, session_id="$1", pid=7), "launched"),
    ("pending", Failed("no room"), exited("no room", "launch", free=False), "exited"),
    ("pending", Failed("anew", "machine"), exited("anew", "machine", free=True), "exited"),
    ("pending", Failed("stopped", "person"), exited("stopped", "person", free=True), "exited"),
    ("exited", Failed("no room"), e.Effected(intent=3, ok=False, detail="no room", ended_by="launch"), None),
    ("exited", Failed("anew", "machine"), e.Effected(intent=3, ok=False, detail="anew", ended_by="machine"), None),
    (
        "exited",
        Unconfirmed(),
        e.Decided(row="investigate", looked=4, then=("ask",), why="its launcher was started, and no session was seen"),
        None,
    ),
]


@pytest.mark.parametrize(("state", "fate", "fact", "to"), FATES)
def test_what_became_of_a_launch_is_written_about_its_attempt(
    state: Any, fate: Fate, fact: e.Fact, to: str | None
) -> None:
    """What the machine or a person kept from happening costs no attempt."""
    worker = WorkerState(name="w", session="w", state=state, attempt=2, intent=3)
    d = Deployment(workers={"w": worker}, looked=4)

    (draft,) = launch_drafts(d, worker, 3, fate)

    assert (fact, "w", 2, to) == (draft.data, draft.worker, draft.attempt, draft.to)
