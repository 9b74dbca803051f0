"""The conditions of the deployment's table, the recorded reason of a decision, and held rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from wakeman.core.model import (
    CleanupSpec,
    Deployment,
    FileFingerprint,
    LimitsSpec,
    Observation,
    OpenIntent,
    Plan,
    Review,
    ReviewSpec,
    Session,
    Unit,
    UnitsSpec,
    UnitState,
    Usage,
    Verdict,
    VerifySpec,
    WakeSpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy.deployment_rows import (
    WHY_NAMES_MAX,
    decide,
    deployment_facts,
    failures,
    resting,
    short,
    undone,
)
from wakeman.core.policy.tables import Decision

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
MARKS = (FileFingerprint("o", 1, 2, 3),)
STRANGE = FileFingerprint("o", 9, 9, 9)
PASSED = Verdict("u", marks=MARKS)


def worker(name: str = "w", *, units: int = 1, **fields: object) -> WorkerState:
    """Return a worker that has ended by itself, with attempts left that it does not need."""
    own = [f"{name}/{n}" for n in range(1, units + 1)]
    built = WorkerState(name=name, session=name, units=own, state="exited", attempt=1, spent=1)
    built.ended_by, built.code = "itself", 0
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(*workers: WorkerState, done: bool = False, **tables: object) -> Deployment:
    """Return a deployment of these workers, their units all done or all missing."""
    plan = Plan(name="n", units=UnitsSpec(), workers=WorkersSpec(stagger=0.0))
    units = {
        name: UnitState(unit=Unit(name, ("o",)), worker=one.name, verdict=PASSED if done else None)
        for one in workers
        for name in one.units
    }
    return Deployment(
        plan=msgspec.structs.replace(plan, **tables),
        units=units,
        workers={one.name: one for one in workers},
        looked_at=NOW,
        edition=1,
    )


def changed(d: Deployment, **fields: object) -> Deployment:
    for key, value in fields.items():
        setattr(d, key, value)
    return d


def unit(d: Deployment, name: str = "w/1", **fields: object) -> Deployment:
    for key, value in fields.items():
        setattr(d.units[name], key, value)
    return d


def queued(*, session: Session = "queued", **fields: Any) -> WorkerState:
    """Return a worker whose first attempt waits in a queue, as the last look saw it."""
    return worker(**{"state": "launched", "observation": Observation("w", 1, session), **fields})


WAITS = queued()
REVIEW = VerifySpec(agent="judge", review=ReviewSpec(of="all", rounds=1))


def reviewed(*, heard: bool = True, state: str = "verified") -> Deployment:
    """Return a deployment whose one unit is done and not accepted, and a reviewer who has written its verdict."""
    judge = worker("review_1", review=1, state=state)
    judge.units = ["review_1"]
    d = deployment(worker(state="verified"), done=True, verify=REVIEW)
    d.workers["review_1"] = judge
    d.units["review_1"] = UnitState(unit=Unit("review_1", ("v",)), worker="review_1", verdict=PASSED)
    d.reviews["review_1"] = Review(round=1, units=("w/1",), heard=heard)
    return d


LEFT = Observation("w", 1, "exited", processes=1)
STAGED = WorkersSpec(stage=True, stagger=0.0)
ALL = CleanupSpec(when="all")
SPENT: dict[str, Any] = {"counted": 3600.0}
STOP_AT = LimitsSpec(give_up=3600.0, give_up_do="stop")
HALT = LimitsSpec(over="stop", max_tokens=9)
LEAVES = LimitsSpec(max_tokens=9)
PLACE_TAKEN = Verdict("u", marks=MARKS, foreign=(STRANGE,))

FACTS: list[tuple[str, bool, Deployment]] = [
    ("down", True, changed(deployment(worker()), down="enough")),
    ("down", False, deployment(worker())),
    ("alive", True, deployment(worker(state="running"))),
    ("alive", True, deployment(worker(observation=LEFT))),
    ("alive", True, deployment(worker(intent=7))),
    ("alive", True, deployment(worker("v"), worker(state="stuck"))),
    ("alive", False, deployment(worker(), worker("v", state="pending"))),
    ("ended", True, deployment(worker(), worker("v"))),
    ("ended", False, deployment(worker(), worker("v", state="running"))),
    ("ended", False, deployment(worker(code=1))),
    ("complete", True, deployment(worker(units=2), done=True)),
    ("complete", False, unit(deployment(worker(units=2), done=True), verdict=None)),
    ("complete", True, unit(reviewed(), "review_1", verdict=None)),
    ("spent", True, unit(deployment(worker()), rounds=2)),
    ("spent", False, unit(deployment(worker(), worker("v", state="running")), rounds=2)),
    ("spent", False, deployment(worker(), done=True)),
    ("spent", False, deployment(worker())),
    ("spent", False, unit(deployment(worker(), workers=STAGED), rounds=2, staged=PLACE_TAKEN)),
    ("spent", True, changed(deployment(worker(state="running"), limits=LimitsSpec(give_up=3600.0)), **SPENT)),
    ("spent", False, changed(deployment(worker(state="running"), limits=LimitsSpec(give_up=3601.0)), **SPENT)),
    ("ends", True, deployment(worker(state="running"), limits=STOP_AT)),
    ("ends", False, deployment(worker(), limits=STOP_AT)),
    ("ends", False, deployment(worker())),
    ("halts", True, deployment(worker(state="running", usage=Usage(input=9)), limits=HALT)),
    ("halts", False, deployment(worker(usage=Usage(input=9)), limits=HALT)),
    ("halts", False, deployment(worker(state="running", usage=Usage(input=8)), limits=HALT)),
    ("halts", False, deployment(worker(state="running", usage=Usage(input=9)), limits=LEAVES)),
    ("ends", True, changed(deployment(WAITS), edition=9)),
    ("ends", True, changed(deployment(worker(), WAITS), edition=9)),
    ("ends", False, changed(deployment(WAITS), edition=8)),
    ("ends", False, changed(deployment(worker(state="launched")), edition=9)),
    ("ends", False, changed(deployment(queued(session="running")), edition=9)),
    ("ends", False, changed(deployment(queued(session="unknown")), edition=9)),
    ("ends", False, changed(deployment(queued(attempt=2)), edition=9)),
    ("ends", False, changed(deployment(queued(state="exited")), edition=9)),
    ("halts", True, changed(deployment(queued(usage=Usage(input=9)), limits=LEAVES), edition=9)),
    ("halts", True, changed(deployment(queued(usage=Usage(input=9)), limits=HALT), edition=9)),
    ("halts", False, changed(deployment(queued(usage=Usage(input=8)), limits=LEAVES), edition=9)),
    ("halts", False, changed(deployment(worker(usage=Usage(input=9)), limits=LEAVES), edition=9)),
    ("halts", False, changed(deployment(queued(usage=Usage(input=9)), limits=LEAVES), edition=8)),
    ("short", True, deployment(worker())),
    ("short", False, deployment(worker(), done=True)),
    ("short", False, changed(deployment(worker()), paused_at=NOW)),
    ("short", True, deployment(worker(), worker("v", state="running"))),
    ("short", False, deployment(worker(), worker("v", state="running"), cleanup=ALL)),
    ("short", True, deployment(worker(), worker("v"), cleanup=ALL)),
    ("short", False, deployment(worker(state="running"))),
    ("heard", True, reviewed(heard=False)),
    ("heard", False, reviewed(heard=False, state="running")),
    ("heard", False, reviewed()),
    ("unreviewed", True, reviewed()),
    ("unreviewed", False, unit(reviewed(), reviewed=MARKS)),
    ("unreviewed", False, changed(reviewed(), plan=deployment().plan)),
    ("unreviewed", False, unit(deployment(worker(units=2), done=True, verify=REVIEW), verdict=None)),
    ("reviewable", True, reviewed()),
    ("reviewable", False, reviewed(heard=False)),
    ("reviewable", False, unit(reviewed(), reviews=1)),
    ("reviewable", False, unit(deployment(worker(units=2), done=True, verify=REVIEW), verdict=None)),
    ("due", True, deployment(worker(state="pending"))),
    ("due", False, changed(deployment(worker(state="pending")), full="no space")),
    ("due", False, deployment(worker(state="running"))),
]


@pytest.mark.parametrize(("fact", "holds", "d"), FACTS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_fact_of_a_deployment_is_told_from_what_comes_near_it(fact: str, holds: bool, d: Deployment) -> None:
    assert holds is deployment_facts(d)[fact]


# What a cleanup worker may take


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({}, ["w/1", "w/2"]),
        ({"verdict": PASSED}, ["w/2"]),
        ({"waived": True}, ["w/2"]),
        ({"rounds": 1}, ["w/1", "w/2"]),
        ({"rounds": 2}, ["w/2"]),
        ({"staged": PLACE_TAKEN}, ["w/2"]),
    ],
    ids=str,
)
def test_another_may_take_what_is_undone_had_fewer_rounds_than_allowed_and_waits_for_no_place(
    fields: dict[str, Any], units: list[str]
) -> None:
    assert {"w": units} == short(unit(deployment(worker(units=2), workers=STAGED), **fields))


def test_what_is_being_promoted_is_not_done_again() -> None:
    d = deployment(worker(units=2), workers=STAGED)
    d.intents[7] = OpenIntent(seq=7, action="install", at=NOW, worker="w", target="w/1")

    assert {"w": ["w/2"]} == short(d)


@pytest.mark.parametrize(
    "other",
    [
        worker("v", state="running"),
        worker("v", code=1),
        worker("v", review=1, spent=2),
        worker("v", ended_by="person", kept=True),
    ],
)
def test_nobody_takes_over_from_one_at_work_one_that_is_tried_again_a_reviewer_or_one_that_keeps_its_units(
    other: WorkerState,
) -> None:
    assert ["w"] == list(short(deployment(worker(), other)))


def test_a_worker_of_whom_nothing_is_left_is_not_short() -> None:
    assert {} == short(deployment(worker(), done=True))


# Which row, and why


@pytest.mark.parametrize(
    ("fields", "edition", "left"),
    [
        ({}, 3, 30.0),
        ({"over": 990.0}, 3, 110.0),
        ({"over": 880.0}, 3, None),
        ({"over": 881.0}, 3, 1.0),
        ({"over": 879.0}, 3, None),
        ({"ended_by": "itself"}, 3, None),
        ({"boot": "b0"}, 3, None),  # the clock began anew since
        ({}, 2, None),  # a log of before
    ],
)
def test_what_a_person_has_ended_waits_for_a_while_before_another_takes_it(
    fields: dict[str, Any], edition: int, left: float | None
) -> None:
    known: dict[str, Any] = {"ended_by": "person", "boot": "b", "over": 910.0}
    one = worker("w", **{**known, **fields})
    d = changed(deployment(one, cleanup=CleanupSpec(after=120.0)), edition=edition, boot="b", mono=1000.0)

    assert {"w": left} == resting(d) or (left is None and not resting(d))
    assert ({} if left else {"w": ["w/1"]}) == short(d)


def test_a_deployment_is_not_given_up_while_what_a_person_has_ended_waits() -> None:
    one = worker("w", ended_by="person", boot="b", over=910.0)
    d = changed(deployment(one, cleanup=CleanupSpec(after=120.0)), edition=3, boot="b", mono=1000.0)
    waits = deployment_facts(d)["spent"]
    d.units["w/1"].rounds = d.plan.cleanup.rounds

    assert (False, True) == (waits, deployment_facts(d)["spent"])


def test_what_is_undone_is_told_in_the_order_of_enrolment_and_a_verdict_is_no_unit() -> None:
    d = deployment(worker("z"), worker("a", units=2))
    d.reviews["a/1"] = Review(round=1, units=("z/1",))

    assert ["z/1", "a/2"] == undone(d)


HOLD = WakeSpec(hold=True)
WRAPPED = ("sample", "move", "sweep", "close")
SAYS = "1/1 units done"


def ready(**fields: object) -> Deployment:
    """Return a deployment that could be wrapped up, under a plan that holds rows."""
    return changed(deployment(worker(state="verified"), done=True, wake=HOLD), **fields)


def spent(**fields: object) -> Deployment:
    """Return a deployment that is out of time while a worker lives, under a plan that holds rows and ends workers."""
    d = deployment(worker(state="running"), worker("v", state="pending"), wake=HOLD, limits=STOP_AT)
    return changed(d, counted=3600.0, **fields)


@pytest.mark.parametrize(
    ("d", "decision"),
    [
        (deployment(worker(), done=True), Decision("wrap up", WRAPPED, why=SAYS)),
        (changed(deployment(worker(), done=True), held="wrap up"), Decision("wrap up", WRAPPED, why=SAYS)),
        (ready(), Decision("wrap up", WRAPPED, why=SAYS, held=True)),
        (
            deployment(worker(), wake=HOLD),
            Decision("clean up", ("enrol",), why="0/1 units done; undone by w", held=True),
        ),
        (ready(held="give up"), Decision("wrap up", WRAPPED, why=SAYS, held=True)),
        (ready(accepted="wrap up"), Decision("wrap up", WRAPPED, why=SAYS)),
        (ready(accepted="give up"), Decision("wrap up", WRAPPED, why=SAYS, held=True)),
        (ready(held="wrap up"), Decision("sleep", why=SAYS, under="wrap up")),
        (ready(held="wrap up", down="x"), Decision("stop", ("close",), why="x")),
        (changed(spent(), held=""), Decision("give up", ("end",), why="0/2 units done, 3600 s spent", held=True)),
        (spent(held="give up"), Decision("launch", ("launch",), why="v", under="give up")),
        (spent(accepted="give up"), Decision("give up", ("end",), why="0/2 units done, 3600 s spent")),
        (spent(rows={"give up": 1}), Decision("give up", ("end",), why="0/2 units done, 3600 s spent")),
        (ready(rows={"give up": 1, "wrap up": 1}), Decision("wrap up", WRAPPED, why=SAYS, held=True)),
    ],
)
def test_a_row_that_the_plan_holds_is_proposed_once_and_the_others_are_taken_meanwhile(
    d: Deployment, decision: Decision
) -> None:
    """What a person agreed to is not proposed again: the row itself, the second step of `give up`, or to hold none."""
    assert decision == decide(d)


def many(count: int) -> Deployment:
    return deployment(*(worker(f"w{n}", state="pending") for n in range(count)))


NAMES = ", ".join(f"w{n}" for n in range(WHY_NAMES_MAX))


@pytest.mark.parametrize(("count", "more"), [(WHY_NAMES_MAX, ""), (WHY_NAMES_MAX + 1, " and 1 more")])
def test_the_reason_for_a_launch_names_the_first_and_counts_the_rest(count: int, more: str) -> None:
    assert Decision("launch", ("launch",), why=NAMES + more) == decide(many(count))


COSTLY = worker(state="running", usage=Usage(input=4, output=5, cost=1.25))

WHYS: list[tuple[Deployment, str, str]] = [
    (changed(deployment(worker()), down="enough"), "stop", "enough"),
    (deployment(worker(), worker("v")), "clean up", "0/2 units done; undone by w, v"),
    (unit(deployment(worker()), rounds=2), "give up", "0/1 units done, 0 s spent"),
    (deployment(COSTLY, limits=HALT), "halt", "0/1 units done; used $1.25, 9 tokens"),
    (
        deployment(msgspec.structs.replace(COSTLY, usage=Usage(input=9)), limits=HALT),
        "halt",
        "0/1 units done; used $0.00, 9 tokens",
    ),
    (deployment(worker(state="running")), "sleep", "0/1 units done"),
    (deployment(worker(), done=True), "wrap up", "1/1 units done"),
    (deployment(worker(), done=True, verify=REVIEW), "review", "1/1 units done, 1 not reviewed; w/1"),
    (reviewed(heard=False), "review", "1/1 units done, 1 not reviewed; review_1"),
    (unit(reviewed(), reviewed=MARKS), "wrap up", "1/1 units done, reviewed"),
    (
        unit(deployment(worker(state="running", units=2), done=True, verify=REVIEW), verdict=None),
        "sleep",
        "1/2 units done",
    ),
    (
        unit(reviewed(), reopened="thin", reviews=1),
        "clean up",
        "0/1 units done, 1 rejected; undone by w",
    ),
]


@pytest.mark.parametrize(("d", "row", "why"), WHYS)
def test_the_reason_of_a_row_says_how_far_it_is_and_what_the_row_is_about(d: Deployment, row: str, why: str) -> None:
    """Of reviews it says nothing before there was one, or before there could be one."""
    decision = decide(d)

    assert (row, why) == (decision.row, decision.why)


# What is wrong with a unit

EMPTY = Verdict("u", problems=("empty", "not JSON"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "not done"),
        ({"verdict": EMPTY}, "empty; not JSON"),
        ({"verdict": EMPTY, "reopened": "a person says so"}, "a person says so"),
        ({"verdict": EMPTY, "staged": Verdict("u", problems=("staged",))}, "staged"),
        ({"verdict": EMPTY, "staged": PASSED}, "empty; not JSON"),
        ({"verdict": EMPTY, "staged": PLACE_TAKEN}, "o: changed by somebody else, what was made is kept aside"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_unit_is_said_by_a_person_or_else_of_what_was_made_last(
    fields: dict[str, Any], said: str
) -> None:
    d = unit(deployment(worker(units=2)), **fields)

    quotation = said if "reopened" in fields else f'"{said}"'
    assert [f'"w/1": {quotation}', '"w/2": "not done"'] == failures(d.units, ["w/1", "w/2"])
    assert [f"w/1: {said}", "w/2: not done"] == failures(d.units, ["w/1", "w/2"], quoted=False)
