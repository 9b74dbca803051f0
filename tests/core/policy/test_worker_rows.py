"""The conditions of the workers' table for each worker, and the current rung of its ladder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from wakeman.core.log.facts.effect import UNHEARD_AGAIN_S, UNHEARD_MAX
from wakeman.core.model import (
    EDITION_PROGRESS_MIN,
    Activity,
    CleanupSpec,
    Deployment,
    Fault,
    Observation,
    OpenIntent,
    Plan,
    Rung,
    StuckSpec,
    SweepSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Validator,
    WatchSpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy import review
from wakeman.core.policy.tables import WORKER_RULES, Decision
from wakeman.core.policy.worker_rows import decide_worker, ladder, rungs_left, taken, worker_facts

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
INTERACTIVE = WorkersSpec(mode="interactive")
OLD = Validator(session="check_1", session_id="$9", created=NOW - timedelta(minutes=10), worker="w")


def worker(name: str = "w", **fields: object) -> WorkerState:
    """Return a worker at work, at its first attempt."""
    built = WorkerState(name=name, session=name, units=[f"{name}/1"], state="running", attempt=1, spent=1)
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(*workers: WorkerState, **tables: object) -> Deployment:
    sweep = CleanupSpec(sweep=(SweepSpec(sessions="check_*", older_than=600.0),))
    plan = Plan(name="n", units=UnitsSpec(), cleanup=sweep, stuck=StuckSpec(attempts=2))
    units = {name: UnitState(unit=Unit(name, ("o",)), worker=one.name) for one in workers for name in one.units}
    return Deployment(
        plan=msgspec.structs.replace(plan, **tables),
        units=units,
        workers={one.name: one for one in workers},
        looked_at=NOW,
        edition=1,
    )


def typed(one: WorkerState, *, seconds: float = 9.0, enters: int = 0, seen: str = "waits") -> Deployment:
    """Return a deployment where a text was typed to the worker some seconds ago, and what a look says of it."""
    one.prompt = 5
    one.observation = Observation(one.name, 1, "running", prompt=seen)  # type: ignore[arg-type] # a literal of a parameter
    d = deployment(one)
    at = NOW - timedelta(seconds=seconds)
    d.intents[5] = OpenIntent(seq=5, action="nudge", at=at, worker=one.name, confirm=True, enters=enters)
    return d


def swept(*validators: Validator) -> Deployment:
    d = deployment(worker())
    d.validators = validators
    return d


def left_by(state: str, processes: int) -> Deployment:
    return deployment(worker(state=state, observation=Observation("w", 1, "exited", processes=processes)))


TROUBLE: dict[str, Any] = {"state": "stuck", "reason": "waiting"}
LIMITED: dict[str, Any] = {"state": "stuck", "reason": "limited", "until": NOW}

FACTS: list[tuple[str, bool, Deployment]] = [
    ("live", True, deployment(worker(state="launched"))),
    ("live", True, deployment(worker(state="stuck"))),
    ("live", False, deployment(worker(state="pending"))),
    ("live", False, deployment(worker(state="exited"))),
    ("unwanted", True, deployment(worker(stop=True))),
    ("unwanted", False, deployment(worker())),
    ("again", True, deployment(worker(again=True))),
    ("again", False, deployment(worker())),
    ("unsent", True, typed(worker())),
    ("unsent", False, typed(worker(), seconds=1.0)),
    ("unsent", False, typed(worker(), enters=1)),
    ("unsent", False, typed(worker(), seen="unknown")),
    ("unsent", False, deployment(worker())),
    ("typed", True, typed(worker(), seen="unknown")),
    ("typed", False, deployment(worker())),
    ("overdue", True, swept(OLD)),
    ("overdue", False, swept()),
    ("overdue", False, swept(msgspec.structs.replace(OLD, worker="another"))),
    ("overdue", False, swept(msgspec.structs.replace(OLD, created=NOW))),
    ("overdue", False, swept(msgspec.structs.replace(OLD, session="mine"))),
    ("bereft", True, deployment(worker(swept=("check_1",)), workers=INTERACTIVE)),
    ("bereft", False, deployment(worker(swept=("check_1",)))),
    ("bereft", False, deployment(worker(), workers=INTERACTIVE)),
    ("stuck", True, deployment(worker(**TROUBLE))),
    ("stuck", False, deployment(worker(reason="waiting"))),
    ("rung", True, deployment(worker(**TROUBLE, rung=1))),
    ("rung", False, deployment(worker(**TROUBLE, rung=2))),
    ("rung", False, deployment(worker(reason="waiting"))),
    ("rung", False, deployment(worker(state="stuck", reason="bored"))),
    ("reset", True, deployment(worker(**LIMITED), workers=INTERACTIVE)),
    ("reset", False, deployment(worker(**LIMITED))),
    ("reset", False, deployment(worker("v", **LIMITED), worker(**LIMITED), workers=INTERACTIVE)),
    ("reset", True, deployment(worker("v"), worker(**LIMITED), workers=INTERACTIVE)),
    ("leftovers", True, left_by("exited", 1)),
    ("leftovers", False, left_by("exited", 0)),
    ("leftovers", False, left_by("running", 1)),
    ("retry", True, deployment(worker(state="exited", ended_by="machine"))),
    ("retry", False, deployment(worker(state="exited", ended_by="person"))),
    ("finished", True, deployment(worker(finished=2))),
    ("finished", True, deployment(worker(finished=3))),
    ("finished", False, deployment(worker(finished=1))),
    ("trespassed", True, deployment(worker(trespasses=1))),
    ("trespassed", False, deployment(worker())),
    ("strict", True, deployment(worker(), watch=WatchSpec(conflicts="stop"))),
    ("strict", False, deployment(worker(), watch=WatchSpec(conflicts="warn"))),
]


@pytest.mark.parametrize(("fact", "holds", "d"), FACTS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_fact_of_a_worker_is_told_from_what_comes_near_it(fact: str, holds: bool, d: Deployment) -> None:
    assert holds is worker_facts(d, d.workers["w"])[fact]


def test_under_the_first_edition_everybody_whose_limit_has_reset_is_told_at_once() -> None:
    d = deployment(worker("v", **LIMITED), worker(**LIMITED), workers=INTERACTIVE)
    d.edition = 0

    assert ["continue", "continue"] == [decision.row for decision in taken(d)]


LADDERS = StuckSpec(waiting=("ask",), limited=("wait",), error=("capture", "ask"), silent=("nudge", "capture"))


@pytest.mark.parametrize(
    ("edition", "ladder", "steps"),
    [
        (5, ("capture", "nudge", "ask"), [("capture", "nudge"), ("ask",)]),
        (5, ("capture", "ask"), [("capture", "ask")]),
        (5, ("capture", "restart", "ask"), [("capture",), ("restart",), ("ask",)]),
        (5, ("capture", "wait", "ask"), [("capture",), ("wait",), ("ask",)]),
        (5, ("nudge", "capture", "ask"), [("nudge",), ("capture", "ask")]),
        (5, ("capture",), [("capture",)]),
        (4, ("capture", "nudge", "ask"), [("capture",), ("nudge",), ("ask",)]),
    ],
)
def test_a_screen_is_kept_in_one_step_with_the_nudge_or_question_that_follows(
    edition: int, ladder: tuple[Rung, ...], steps: list[tuple[str, ...]]
) -> None:
    one = worker(state="stuck", reason="silent")
    d = deployment(one, workers=INTERACTIVE, stuck=StuckSpec(silent=ladder))
    d.edition = edition

    assert steps == climbed(d, one)


@pytest.mark.parametrize(
    ("edition", "ladder", "fault", "steps"),
    [
        (6, ("capture", "restart", "ask"), "auth", [("capture", "ask")]),
        (6, ("capture", "nudge", "restart", "ask"), "billing", [("capture", "ask")]),
        (6, ("ask", "nudge", "wait", "ask", "capture"), "", [("ask",), ("nudge",), ("wait",), ("capture",)]),
        (6, ("nudge", "restart", "wait", "capture"), "auth", [("ask",), ("wait",), ("capture",)]),
        (6, ("capture", "restart", "ask"), "", [("capture",), ("restart",), ("ask",)]),
        (5, ("capture", "restart", "ask"), "auth", [("capture", "ask"), ("ask",)]),
    ],
)
def test_a_person_is_asked_once_about_a_trouble(
    edition: int, ladder: tuple[Rung, ...], fault: Fault, steps: list[tuple[str, ...]]
) -> None:
    one = worker(state="stuck", reason="error", fault=fault)
    d = deployment(one, workers=INTERACTIVE, stuck=StuckSpec(error=ladder))
    d.edition = edition

    assert steps == climbed(d, one)


def test_a_question_that_a_restart_became_is_the_only_one() -> None:
    one = worker(state="stuck", reason="error", spent=1)
    d = deployment(one, stuck=StuckSpec(error=("capture", "restart", "ask", "wait"), attempts=2))
    d.edition = 6
    one.rung, one.tried, one.spent = 2, ("capture", "restart"), 2  # its last attempt met the same error

    assert [("ask",), ("wait",)] == climbed(d, one)


def climbed(d: Deployment, one: WorkerState) -> list[tuple[str, ...]]:
    """Take the rungs that are due until none is left, or as many as no ladder has."""
    found: list[tuple[str, ...]] = []
    while (decision := decide_worker(d, one)).row == "investigate" and len(found) < 9:
        found.append(decision.then)
        one.rung += len(decision.then)
        one.tried += decision.then
    return found


@pytest.mark.parametrize(
    ("edition", "activity", "tried", "left"),
    [
        (5, "busy", (), ("capture", "ask")),
        (5, "busy", ("capture",), ("ask",)),
        (5, "busy", ("capture", "nudge"), ("ask",)),
        (5, "unknown", (), ("capture", "nudge", "ask")),
        (5, "unknown", ("capture", "nudge"), ("ask",)),
        (4, "busy", (), ("capture", "nudge", "ask")),
    ],
)
def test_no_client_that_is_at_work_is_nudged(
    edition: int, activity: Activity, tried: tuple[str, ...], left: tuple[str, ...]
) -> None:
    one = worker(state="stuck", reason="silent", observation=Observation("w", 1, "running", activity))
    one.tried, one.rung = tried, len(tried)
    d = deployment(one, workers=INTERACTIVE)
    d.edition = edition

    assert left == rungs_left(d, one)


@pytest.mark.parametrize(
    ("reason", "mode", "rungs"),
    [
        ("waiting", "print", ("ask",)),
        ("limited", "print", ("wait",)),
        ("error", "print", ("capture", "ask")),
        ("silent", "print", ("capture",)),
        ("silent", "interactive", ("nudge", "capture")),
        ("bored", "interactive", ()),
        ("silent", "watch", ("capture",)),
        ("silent", "own", ("nudge", "capture")),
    ],
)
def test_each_reason_has_its_ladder_and_only_who_can_read_and_may_be_typed_to_is_nudged(
    reason: str, mode: str, rungs: tuple[str, ...]
) -> None:
    theirs = {"mode": "interactive", "sessions": mode} if mode in ("watch", "own") else {"mode": mode}
    workers = WorkersSpec(**theirs)  # type: ignore[arg-type] # literals of a parameter

    assert rungs == ladder(Plan(name="n", units=UnitsSpec(), workers=workers, stuck=LADDERS), reason)


def test_a_stuck_worker_climbs_one_rung_after_the_other_and_then_is_left_alone() -> None:
    rungs = [worker(state="stuck", reason="error", rung=rung, why="API 500") for rung in range(4)]

    climbed = [decide_worker(deployment(one), one) for one in rungs]

    assert [("capture",), ("restart",), ("ask",), ()] == [decision.then for decision in climbed]
    assert ["investigate"] * 3 + ["leave"] == [decision.row for decision in climbed]
    assert ["error: API 500"] * 3 + ["anything else"] == [decision.why for decision in climbed]


@pytest.mark.parametrize(
    ("rung", "spent", "then"),
    [(0, 1, "capture"), (0, 2, "capture"), (1, 1, "restart"), (1, 2, "ask"), (1, 3, "ask"), (2, 2, "ask")],
)
def test_who_has_had_all_attempts_is_not_restarted_a_person_is_asked(rung: int, spent: int, then: str) -> None:
    one = worker(state="stuck", reason="error", rung=rung, spent=spent)

    assert (then,) == decide_worker(deployment(one), one).then


def test_a_reviewer_climbs_the_ladder_of_its_own_plan() -> None:
    """It cannot read what is typed, whatever the mode of those who make units."""
    one = worker("w", state="stuck", reason="silent", rung=1, review=1)
    d = deployment(one, workers=INTERACTIVE)
    nudged = decide_worker(d, one).then
    d.reviewing = review.reviewing(d.plan)

    assert (("nudge",), ("ask",)) == (nudged, decide_worker(d, one).then)


def test_the_rows_taken_are_those_of_all_workers_about_whom_something_is_done() -> None:
    d = deployment(worker("a", stop=True), worker("b"), worker("c", state="exited", ended_by="machine"))

    assert [
        Decision("stop", ("end",), "a", "a person asked for its end"),
        Decision("retry", ("relaunch",), "c", "ended badly, units missing"),
    ] == taken(d)


# --- in logs of this edition --------------------------------------------------------------------------------------

UNHEARD: dict[str, Any] = {"state": "stuck", "reason": "silent", "unheard": 1, "unheard_mono": 1000.0 - UNHEARD_AGAIN_S}


def of_now(one: WorkerState, edition: int = EDITION_PROGRESS_MIN, **tables: object) -> Deployment:
    d = deployment(one, **tables)
    d.edition, d.mono = edition, 1000.0
    return d


@pytest.mark.parametrize(
    ("row", "d"),
    [
        ("leave", of_now(worker())),
        ("leave", of_now(worker(state="pending"))),
        ("stop", of_now(worker(stop=True))),
        ("restart", of_now(worker(again=True))),
        ("enter", typed(worker())),
        ("sweep", swept(OLD)),
        ("tell", of_now(worker(swept=("check_1",)), workers=INTERACTIVE)),
        ("continue", of_now(worker(reason="limited", until=NOW), workers=INTERACTIVE)),
        ("report", of_now(worker(unheard=UNHEARD_MAX))),
        ("investigate", of_now(worker(**TROUBLE))),
        ("tidy", left_by("exited", 1)),
        ("retry", of_now(worker(state="exited", ended_by="machine"))),
        ("finish", of_now(worker(finished=2))),
        ("finish", of_now(worker(finishing=True))),
        ("finish", of_now(worker(given_mono=1.0))),
        ("time out", of_now(worker(), stuck=StuckSpec(longest=60.0))),
        ("warn", of_now(worker(trespasses=1))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_is_remarkable_of_a_worker_has_its_row_decided(row: str, d: Deployment) -> None:
    decided = decide_worker(d, d.workers["w"])

    assert row == decided.row
    assert [decided] * (row != "leave") == taken(d)


@pytest.mark.parametrize(
    ("fields", "edition", "holds"),
    [
        (UNHEARD, EDITION_PROGRESS_MIN, True),
        (UNHEARD, 2, False),
        (UNHEARD | {"unheard": 0}, EDITION_PROGRESS_MIN, False),
        (UNHEARD | {"state": "running"}, EDITION_PROGRESS_MIN, False),
        (UNHEARD | {"unheard_mono": 1001.0 - UNHEARD_AGAIN_S}, EDITION_PROGRESS_MIN, False),
        (UNHEARD | {"unheard_mono": 1000.0}, EDITION_PROGRESS_MIN, False),
        (UNHEARD | {"unheard_mono": 1000.5}, EDITION_PROGRESS_MIN, True),  # the clock began anew since
        (UNHEARD | {"fault": "outage"}, EDITION_PROGRESS_MIN, True),
        (UNHEARD | {"unheard": UNHEARD_MAX, "state": "running"}, EDITION_PROGRESS_MIN, True),
        (UNHEARD | {"unheard": UNHEARD_MAX, "asked": True}, EDITION_PROGRESS_MIN, False),
    ],
    ids=str,
)
def test_a_text_that_did_not_arrive_is_seen_to_after_a_while(fields: dict[str, Any], edition: int, holds: bool) -> None:
    one = worker(**fields)

    assert holds == worker_facts(of_now(one, edition), one)["unheard"]


@pytest.mark.parametrize(
    ("fields", "holds"), [({"outage": "x"}, True), ({"outage": "x", "probe": "v"}, False), ({"probe": "v"}, True)]
)
def test_in_an_outage_no_text_is_repeated_while_another_tries_the_service(fields: dict[str, str], holds: bool) -> None:
    one = worker(**UNHEARD, fault="outage")
    d = of_now(one)
    for name, value in fields.items():
        setattr(d, name, value)

    assert holds == worker_facts(d, one)["unheard"]


def test_in_an_outage_a_text_is_repeated_to_a_worker_that_did_not_meet_it() -> None:
    one = worker(**UNHEARD)
    d = of_now(one)
    d.outage, d.probe = "x", "v"

    assert worker_facts(d, one)["unheard"]


@pytest.mark.parametrize(("times", "mute"), [(UNHEARD_MAX - 1, False), (UNHEARD_MAX, True), (UNHEARD_MAX + 1, True)])
def test_after_some_texts_that_did_not_arrive_none_does(times: int, mute: bool) -> None:
    one = worker(**UNHEARD | {"unheard": times})

    assert mute == worker_facts(of_now(one), one)["mute"]


@pytest.mark.parametrize(("edition", "waived", "told"), [(3, False, True), (3, True, False), (2, True, True)])
def test_who_has_nothing_left_to_do_is_not_told_that_its_limit_has_reset(
    edition: int, waived: bool, told: bool
) -> None:
    one = worker(**LIMITED)
    d = of_now(one, edition, workers=INTERACTIVE)
    d.units["w/1"].waived = waived

    assert told == worker_facts(d, one)["reset"]


@pytest.mark.parametrize(
    ("fields", "waived", "left"),
    [
        ({"reason": "silent"}, False, "capture nudge ask"),
        ({"reason": "asks"}, False, "capture nudge ask"),  # with its last words it is silent
        ({"reason": "claims"}, False, "capture nudge ask"),
        ({"reason": "refuses"}, False, "capture nudge ask"),
        ({"reason": "silent", "rung": 1, "tried": ("capture",)}, False, "nudge ask"),
        ({"reason": "silent", "barred": ("nudge",)}, False, "capture ask"),
        ({"reason": "silent"}, True, "capture ask"),  # there is nothing to say
        ({"reason": "silent", "rung": 2, "tried": ("capture", "nudge")}, True, "ask"),
        ({"reason": "silent", "fault": "auth"}, False, "capture ask ask"),  # neither changes a key
        ({"reason": "error"}, False, "capture restart ask"),
        ({"reason": "error", "fault": "auth"}, False, "capture ask ask"),
        ({"reason": "error", "spent": 2}, False, "capture ask ask"),
        ({"reason": "error", "spent": 3}, False, "capture ask ask"),
    ],
    ids=str,
)
def test_of_a_ladder_what_would_be_in_vain_is_passed_over(fields: dict[str, Any], waived: bool, left: str) -> None:
    one = worker(state="stuck", **fields)
    d = of_now(one, workers=INTERACTIVE)
    d.units["w/1"].waived = waived

    assert left.split() == list(rungs_left(d, one))


SAYS = {rule.row: rule.says for rule in WORKER_RULES}
OVERSTAYS = "it has given its result, and its process does not end"
ASKED = "asked to end itself, and still there: its session is ended"


@pytest.mark.parametrize(
    ("fields", "row", "why"),
    [
        ({"finished": 2}, "finish", SAYS["finish"]),
        ({"finished": 2, "ends": 1}, "finish", SAYS["finish"]),
        ({"finishing": True}, "finish", SAYS["finish"]),
        ({"finishing": True, "ends": 1}, "finish", ASKED),
        ({"given_mono": 1.0}, "finish", OVERSTAYS),
        ({"given_mono": 1.0, "finished": 1}, "finish", OVERSTAYS),
        ({"given_mono": 1.0, "finished": 2}, "finish", SAYS["finish"]),
        ({"given_mono": 1.0, "finishing": True}, "finish", SAYS["finish"]),
        ({"finishing": True, "ends": 1, "stop": True}, "stop", SAYS["stop"]),
        ({"state": "stuck", "reason": "silent", "why": "no sign"}, "investigate", "silent: no sign"),
    ],
    ids=str,
)
def test_why_a_worker_is_finished_says_what_showed_it(fields: dict[str, Any], row: str, why: str) -> None:
    one = worker(**fields)
    decision = decide_worker(of_now(one), one)

    assert (row, why) == (decision.row, decision.why)
