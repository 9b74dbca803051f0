"""Since when an output counts: what was there before anybody who could have made it was launched counts for nobody."""

from __future__ import annotations

from typing import Any

import pytest

from wakeman.core.model import (
    EDITION_LAUNCH_MIN,
    Deployment,
    Observation,
    Plan,
    Unit,
    UnitsSpec,
    UnitState,
    VerifySpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy.freshness import awaits_launch, ended_alone, must_change, outputs_to_mark


def night(
    *,
    place: dict[str, Any] | None = None,
    fresh: Any = "changed",
    edition: int = EDITION_LAUNCH_MIN,
    outputs: tuple[str, ...] = ("a.out",),
    begun: bool = False,
    **fields: object,
) -> Deployment:
    """Return a deployment of one worker and one unit, which nobody has begun."""
    workers, verify = WorkersSpec(**(place or {})), VerifySpec(fresh=fresh)
    w = WorkerState(name="w", session="w", units=["a"])
    for key, value in fields.items():
        setattr(w, key, value)
    return Deployment(
        name="night",
        edition=edition,
        plan=Plan(name="night", units=UnitsSpec(items=("x",)), workers=workers, verify=verify),
        units={"a": UnitState(unit=Unit("a", outputs), worker="w", begun=begun)},
        workers={"w": w},
    )


COUNTS_AT_ONCE: list[tuple[str, dict[str, Any]]] = [
    ("what is staged is compared when it is promoted", {"place": {"stage": True}}),
    ("so is what lies in a tree of its own", {"place": {"isolate": "worktree"}}),
    ("the plan asks for newer outputs only", {"fresh": "newer"}),
    ("a unit without outputs is judged by its command", {"outputs": ()}),
    ("a log of before knows no mark of a launch", {"edition": EDITION_LAUNCH_MIN - 1}),
]


def waits(d: Deployment) -> tuple[bool, bool, list[str]]:
    """Return whether an output must change, whether its first launch is still to come, and what is marked before it."""
    return must_change(d, d.units["a"]), awaits_launch(d, d.units["a"]), outputs_to_mark(d, d.workers["w"])


@pytest.mark.parametrize("fields", [pytest.param(fields, id=name) for name, fields in COUNTS_AT_ONCE])
def test_an_output_that_need_not_change_counts_without_any_launch(fields: dict[str, Any]) -> None:
    assert (False, False, []) == waits(night(**fields))


@pytest.mark.parametrize("edition", [EDITION_LAUNCH_MIN, EDITION_LAUNCH_MIN + 1])
def test_an_output_in_place_is_marked_before_the_first_launch_and_counts_once_it_changed(edition: int) -> None:
    assert (True, True, ["a.out"]) == waits(night(edition=edition))
    assert (True, False, []) == waits(night(edition=edition, begun=True))


@pytest.mark.parametrize(
    ("intent", "asked", "awaited"), [(None, False, True), (7, False, True), (None, True, True), (7, True, False)]
)
def test_a_launch_that_may_have_happened_and_about_which_a_person_was_asked_may_have_made_it(
    intent: int | None, asked: bool, awaited: bool
) -> None:
    d = night(intent=intent, asked=asked)

    assert awaited == awaits_launch(d, d.units["a"])


@pytest.mark.parametrize(
    ("sessions", "session", "ended_by", "alone"),
    [
        ("watch", "exited", "itself", True),
        ("own", "exited", "itself", True),
        ("start", "exited", "itself", False),
        ("watch", "exited", "person", False),
        ("watch", "running", "itself", False),
    ],
)
def test_only_a_session_of_somebody_s_that_ended_by_itself_has_ended_alone(
    sessions: Any, session: Any, ended_by: Any, alone: bool
) -> None:
    worker = WorkerState(name="w", session="w")
    d = Deployment(name="night", plan=Plan(name="night", units=UnitsSpec(), workers=WorkersSpec(sessions=sessions)))

    assert alone == ended_alone(d, worker, Observation("w", 1, session, ended_by=ended_by))
    assert not ended_alone(d, worker, None)
