"""When staged outputs are promoted, by kind of workspace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wakeman.core.log.events import Conflicted, Intended
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Host,
    Observation,
    OpenIntent,
    Plan,
    PromotedFile,
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
EARLIER = FileFingerprint("out/u", 1, 1, 1)
NEWER = FileFingerprint("out/u", 2, 2, 2)
PASSED = Verdict("u", marks=MARKS)
STAGED = WorkersSpec(stage=True)
TREES = WorkersSpec(isolate="worktree")


def deployment(
    workers: WorkersSpec = STAGED, *, state: str = "running", rested: float = 0.0, **unit: object
) -> Deployment:
    """Return one unit that passes where its worker made it, seen so first `rested` seconds ago."""
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


@pytest.mark.parametrize("state", ["launched", "running", "stuck", "exited", "verified"])
@pytest.mark.parametrize("session", ["queued", "running", "exited", "killed", "lost", "unknown", None])
@pytest.mark.parametrize(("processes", "intent"), [(0, 0), (1, 0), (0, 7)])
def test_an_attempt_is_over_once_its_end_was_recorded_or_seen_and_nothing_of_it_is_left(
    state: str, session: str | None, processes: int, intent: int
) -> None:
    worker = WorkerState(name="w", session="w", state=state, intent=intent)  # type: ignore[arg-type] # a literal of a parameter
    if session is not None:
        worker.observation = Observation("w", 1, session, processes=processes)  # type: ignore[arg-type] # likewise
    ended = state in ("exited", "verified") or session in ("exited", "killed", "lost")
    left = bool(intent or (processes and session))

    assert (ended and not left) == staging.attempt_over(worker)


@pytest.mark.parametrize(
    ("workers", "state", "unit", "waits"),
    [
        (STAGED, "running", {}, True),
        (STAGED, "exited", {}, False),
        (STAGED, "running", {"staged": None}, False),
        (STAGED, "running", {"promoted": MARKS}, False),
        (STAGED, "running", {"waived": True}, False),
        (TREES, "running", {}, False),
        (WorkersSpec(), "running", {}, False),
    ],
)
def test_another_look_is_wanted_for_a_stage_that_is_written_to_and_for_nothing_else(
    workers: WorkersSpec, state: str, unit: dict[str, Any], waits: bool
) -> None:
    d = deployment(workers, state=state, **unit)
    d.units["v"] = UnitState(unit=Unit(name="v", outputs=("out/v",)), worker="w")

    assert waits == staging.unrested(d)
    d.workers["w"].observation = Observation("w", 1, "exited")
    assert not staging.unrested(d)


def test_nothing_is_at_rest_or_not_of_a_worker_that_has_yet_to_begin() -> None:
    d = deployment()
    d.workers["w"].state, d.workers["w"].observation = "pending", None

    assert not staging.unrested(d)


@pytest.mark.parametrize("state", ["running", "exited"])
def test_a_worker_at_work_keeps_its_own_files(state: str) -> None:
    (draft,) = staging.promotions(deployment(state=state, rested=9.0))

    assert isinstance(draft.data, Intended)
    assert (state == "running", "w", 1) == (draft.data.keep, draft.worker, draft.attempt)


@pytest.mark.parametrize(
    ("there", "over"),
    [
        ({}, None),
        ({"before": STRANGE}, STRANGE),
        ({"before": STRANGE, "installed": EARLIER}, EARLIER),
        ({"before": STRANGE, "installed": EARLIER, "foreign": NEWER}, NEWER),
    ],
)
def test_what_may_be_replaced_is_what_was_seen_last_in_the_place(
    there: dict[str, FileFingerprint], over: FileFingerprint | None
) -> None:
    d = deployment(state="exited")
    d.plan = Plan(name="n", units=UnitsSpec(), workers=STAGED, watch=WatchSpec(conflicts="ignore"))
    d.before = {"out/u": there["before"]} if "before" in there else {}
    d.units["u"].installed = {"out/u": there["installed"]} if "installed" in there else {}
    d.units["u"].staged = Verdict("u", marks=MARKS, foreign=(there["foreign"],) if "foreign" in there else ())

    (draft,) = staging.promotions(d)

    assert isinstance(draft.data, Intended)
    assert (PromotedFile("out/u", MARKS[0], over),) == draft.data.files


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


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({}, True),
        ({"staged": Verdict("u", problems=("empty",), marks=MARKS, foreign=(STRANGE,))}, False),
        ({"staged": Verdict("u", marks=MARKS)}, False),
        ({"staged": None}, False),
        ({"waived": True}, False),
        ({"verdict": PASSED}, False),
    ],
    ids=str,
)
def test_a_strange_file_holds_up_only_what_passes_and_is_not_done(fields: dict[str, Any], held: bool) -> None:
    d = deployment(state="exited", **{"staged": Verdict("u", marks=MARKS, foreign=(STRANGE,))} | fields)

    assert held == staging.blocked(d, d.units["u"])


def test_a_conflict_is_written_once_and_again_when_the_file_has_changed() -> None:
    at = datetime(2026, 1, 4, tzinfo=UTC)
    strange = FileFingerprint("../out/u", 9, int(at.timestamp() * 1e9))
    d = deployment(staged=Verdict("u", marks=MARKS, foreign=(strange,)))
    d.host = Host(root="/plans/here", directory="/s", python=())
    found = [draft.data for draft in staging.trespasses(d)]

    assert [Conflicted(path="/plans/out/u", written=at, unit="u", owner="w", mark=strange)] == found
    d.trespassed["/plans/out/u"] = at
    assert [] == staging.trespasses(d)
    d.trespassed["/plans/out/u"] = NOW
    assert found == [draft.data for draft in staging.trespasses(d)]


def test_what_is_made_in_place_is_watched_by_another() -> None:
    d = deployment(WorkersSpec(), staged=Verdict("u", marks=MARKS, foreign=(STRANGE,)))

    assert [] == staging.trespasses(d)


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
