"""When what is staged is promoted, and what a kind of workspace has to do with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Observation,
    OpenIntent,
    Plan,
    Unit,
    UnitsSpec,
    UnitState,
    Verdict,
    WatchSpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy import staging
from wakeman.core.policy.review import reviewing

NOW = datetime(2026, 1, 5, tzinfo=UTC)
MARKS = (FileFingerprint("out/u", 3, 5, 7),)
STRANGE = FileFingerprint("out/u", 9, 9, 9)
PASSED = Verdict("u", marks=MARKS)
STAGED = WorkersSpec(stage=True)
TREES = WorkersSpec(isolate="worktree")


def deployment(
    workers: WorkersSpec = STAGED, *, state: str = "running", rested: float = 0.0, **unit: object
) -> Deployment:
    """Give one unit that passes where its worker made it, seen so first `rested` seconds ago."""
    session = {"running": "running", "exited": "exited"}[state]
    worker = WorkerState(name="w", session="w", units=["u"], state=state, attempt=1)  # type: ignore[arg-type] # one of the two
    worker.observation = Observation(worker="w", attempt=1, session=session)  # type: ignore[arg-type] # likewise
    made = {"staged": PASSED, "staged_mono": 100.0 - rested} | unit
    return Deployment(
        plan=Plan(name="n", units=UnitsSpec(), workers=workers),
        units={"u": UnitState(unit=Unit(name="u", outputs=("out/u",)), worker="w", **made)},  # type: ignore[arg-type] # named by each test
        workers={"w": worker},
        mono=100.0,
    )


@pytest.mark.parametrize(
    ("workers", "state", "rested", "ready"),
    [
        (STAGED, "running", 0.0, False),
        (STAGED, "running", staging.STAGED_REST_S - 0.01, False),
        (STAGED, "running", staging.STAGED_REST_S, True),
        (STAGED, "exited", 0.0, True),
        (TREES, "running", 3600.0, False),
        (TREES, "exited", 0.0, True),
        (WorkersSpec(), "exited", 3600.0, False),
    ],
)
def test_a_stage_is_promoted_once_it_rests_a_tree_once_its_worker_has_ended_and_nothing_where_it_is_made_in_place(
    workers: WorkersSpec, state: str, rested: float, *, ready: bool
) -> None:
    d = deployment(workers, state=state, rested=rested)

    assert (["u"] if ready else []) == staging.ready_to_promote(d)
    assert ["u"] * ready == [draft.data.target for draft in staging.promotions(d) if hasattr(draft.data, "target")]


def test_files_that_a_worker_has_just_written_wait_for_another_look() -> None:
    assert ([], True) == (staging.ready_to_promote(deployment()), staging.unrested(deployment()))


@pytest.mark.parametrize(
    "unit",
    [
        {"staged": None},
        {"staged": Verdict("u", problems=("empty",), marks=MARKS)},
        {"promoted": MARKS},
        {"waived": True},
        {"staged": Verdict("u", marks=MARKS, foreign=(STRANGE,))},
    ],
)
def test_what_does_not_pass_was_promoted_is_waived_or_has_its_place_taken_is_not_promoted(
    unit: dict[str, object],
) -> None:
    d = deployment(state="exited")
    for key, value in unit.items():
        setattr(d.units["u"], key, value)

    assert [] == staging.ready_to_promote(d)


def test_what_is_being_promoted_is_not_promoted_twice_and_holds_up() -> None:
    d = deployment(state="exited")
    before = staging.held_up(d, ["u"])
    d.intents[7] = OpenIntent(seq=7, action="install", at=NOW, worker="w", attempt=1, target="u")

    assert ([], []) == (before, staging.ready_to_promote(d))
    assert ["u"] == staging.held_up(d, ["u"])


def test_a_strange_file_in_the_place_of_what_passes_holds_it_up_unless_the_plan_ignores_conflicts() -> None:
    d = deployment(state="exited", staged=Verdict("u", marks=MARKS, foreign=(STRANGE,)))
    held = (staging.held_up(d, ["u"]), len(staging.trespasses(d)))
    d.plan = Plan(name="n", units=UnitsSpec(), workers=STAGED, watch=WatchSpec(conflicts="ignore"))

    assert (["u"], 1) == held
    assert ([], [], ["u"]) == (staging.held_up(d, ["u"]), staging.trespasses(d), staging.ready_to_promote(d))


def test_what_was_there_at_first_or_was_promoted_is_nobody_elses() -> None:
    d = deployment()
    unit = d.units["u"]
    alone = staging.foreign(d, unit, [STRANGE])
    d.before["out/u"] = STRANGE

    assert ((STRANGE,), ()) == (alone, staging.foreign(d, unit, [STRANGE]))
    unit.installed["out/u"] = MARKS[0]
    assert (STRANGE,) == staging.foreign(d, unit, [STRANGE])
    assert () == staging.foreign(d, unit, MARKS)


def test_a_reviewer_writes_in_place_whatever_the_others_do() -> None:
    d = deployment()
    d.reviewing = reviewing(d.plan)
    reviewer = WorkerState(name="r", session="r", review=1)

    assert (False, True) == (staging.staging_of(d, d.workers["w"]).direct, staging.staging_of(d, reviewer).direct)


def test_only_trees_leave_branches_to_merge() -> None:
    assert [False, False, True] == [
        staging.leaves_branches(deployment(workers)) for workers in (WorkersSpec(), STAGED, TREES)
    ]
