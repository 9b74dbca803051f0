"""What each fact about a worker changes, and that it changes nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.log import GONE, NOW, Log

from wakeman.core.log import events as e
from wakeman.core.model import (
    EDITION_PROGRESS_MIN,
    FileFingerprint,
    Observation,
    OpenIntent,
    Review,
    Unit,
    UnitState,
    Usage,
    Verdict,
    WorkerState,
    attempt_id,
)

LATER = NOW + timedelta(hours=3)
SEEN = Observation(worker="w", attempt=2, session="running", life="l1")
USED: dict[str, Any] = {
    "key": "k",
    "attempt": 2,
    "spent": 2,
    "since": NOW,
    "reason": "limited",
    "why": "a usage limit",
    "code": 3,
    "ended_by": "person",
    "ending": "wakeman",
    "ends": 2,
    "rung": 1,
    "until": LATER,
    "stalled_life": "l0",
    "observation": SEEN,
    "unknowns": 3,
    "life": "l1",
    "life_mono": 5.0,
    "intent": 91,
    "boot": "b1",
    "session_id": "$0",
    "session_mark": "mark",
    "agent_session": "u",
    "resumed": True,
    "fault": "auth",
    "usage": Usage(input=1),
    "used": Usage(input=2),
    "note": "note",
    "again": True,
    "stop": True,
    "asked": True,
    "captures": 1,
    "finished": 4,
    "began": NOW - timedelta(hours=1),
    "worked_since": 20.0,
    "limited_since": 60.0,
    "over": 6.0,
    "written": 1,
    "written_at": NOW,
    "swept": ("val_1",),
    "prompt": 92,
    "trespasses": 2,
}
"""A worker of whom everything is known, so that what a fact clears shows."""
CALM = {"reason": "", "why": "", "rung": 0, "asked": False, "until": None, "fault": ""}
"""What is forgotten of a trouble that is over."""
RESUMED = {"worked_since": 60.0}
"""That the 40 seconds at a usage limit are no work."""


def used(state: str = "running", **fields: object) -> Log:
    """Return a deployment in the middle of its night: much has happened to its worker."""
    log = Log()
    log.d.mono, log.d.boot, log.d.failed_launches = 100.0, "b1", 2
    for name, value in {**USED, "state": state, **fields}.items():
        setattr(log.d.workers["w"], name, value)
    for seq in (91, 92, 93):
        log.d.intents[seq] = OpenIntent(seq=seq, action="launch" if seq == 91 else "send", at=NOW, worker="w")
    return log


def of_w(fields: dict[str, object]) -> dict[str, object]:
    return {f"workers.w.{name}": value for name, value in fields.items()}


# --- enrolled -----------------------------------------------------------------------------------------------------


def test_a_worker_is_enrolled_with_its_units_and_what_existed_of_them() -> None:
    unit, old = Unit(name="c", outputs=("c.out",)), FileFingerprint("c.out", 1, 1)
    fact = e.Enrolled(session="s", units=(unit,), existing=(old,), key="k", origin="w", note="thin")

    assert {
        "workers.v": WorkerState(name="v", session="s", units=["c"], key="k", origin="w", note="thin"),
        "units.c": UnitState(unit=unit, worker="v"),
        "before.c.out": old,
    } == Log().changed_by(fact, worker="v")


def test_more_units_for_a_worker_change_nothing_else_of_it() -> None:
    unit = Unit(name="c", outputs=("c.out",))

    assert {
        "workers.w.units": ["a", "b", "c"],
        "units.c": UnitState(unit=unit, worker="w"),
    } == used().changed_by(e.Enrolled(session="s", units=(unit,), key="other", note="other"), worker="w")


@pytest.mark.parametrize(
    ("before", "more", "known"),
    [
        (None, None, None),
        (None, {}, {}),
        (None, {"/p": "/disk"}, {"/p": "/disk"}),
        ({"/p": "/disk"}, None, {"/p": "/disk"}),
        ({"/p": "/disk"}, {"/q": "/tape"}, {"/p": "/disk", "/q": "/tape"}),
        ({"/p": "/disk"}, {"/p": "/tape"}, {"/p": "/tape"}),
    ],
    ids=str,
)
def test_the_links_above_new_units_are_known_beside_those_above_others(
    before: dict[str, str] | None, more: dict[str, str] | None, known: dict[str, str] | None
) -> None:
    log = Log()
    log.d.links = before

    log.say(e.Enrolled(session="s", links=more), worker="w")

    assert known == log.d.links


def test_a_unit_that_moves_is_judged_in_its_new_place_and_has_used_a_round() -> None:
    log = Log()
    unit = log.d.units["b"]
    unit.rounds, unit.staged, unit.staged_mono, unit.promoted = 1, Verdict("b"), 5.0, (FileFingerprint("b.out", 1, 1),)

    assert {
        "workers.w.units": ["a"],
        "workers.v": WorkerState(name="v", session="v", units=["b"], origin="w"),
        "units.b.worker": "v",
        "units.b.rounds": 2,
        "units.b.staged": None,
        "units.b.staged_mono": 0.0,
        "units.b.promoted": (),
    } == log.changed_by(e.Enrolled(session="v", moved=("b",), origin="w"), worker="v")


def test_a_reviewer_is_given_units_as_they_are_and_each_counts_that() -> None:
    log, marks = Log(), (FileFingerprint("a.out", 1, 1),)
    log.d.units["a"].verdict, log.d.units["b"].reviews = Verdict("a", marks=marks), 1
    task = Unit(name="r", outputs=("r.json",))

    found = log.changed_by(e.Enrolled(session="r", units=(task,), review=2, reviews=("a", "b")), worker="r")

    assert log.d.reviewing == found.pop("reviewing")
    assert {
        "workers.r": WorkerState(name="r", session="r", units=["r"], review=2),
        "units.r": UnitState(unit=task, worker="r"),
        "units.a.reviews": 1,
        "units.b.reviews": 2,
        "reviews.r": Review(round=2, units=("a", "b"), marks={"a": marks}),
    } == found


# --- the way of an attempt ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "fact"), [("pending", e.Launched(intent=91)), ("exited", e.Relaunched(intent=91, session_id="$7"))]
)
def test_a_launch_settles_its_intent_and_forgets_all_that_was_known_of_the_attempt_before(
    state: str, fact: e.Launched
) -> None:
    log = used(state)

    found = log.changed_by_move(fact)

    assert {
        **of_w(CALM),
        **of_w({"intent": 0, "prompt": 0, "unknowns": 0, "ends": 0, "finished": 0, "swept": ()}),
        **of_w({"session_id": fact.session_id, "session_mark": attempt_id(log.d, log.d.workers["w"])}),
        **of_w({"observation": None, "life": "", "life_mono": 100.0, "worked_since": 100.0}),
        **of_w({"code": None, "ended_by": "", "ending": "", "note": ""}),
        "intents.91": GONE,
        "intents.92": GONE,
        "failed_launches": 0,
        "units.a.begun": True,
        "units.b.begun": True,
    } == found


def test_outputs_that_changed_before_the_launch_are_known_as_they_were_then() -> None:
    log = used("pending")
    log.d.before = {"a.out": FileFingerprint("a.out", 1, 1), "b.out": FileFingerprint("b.out", 1, 1)}

    found = log.changed_by(e.Marked(existing=(FileFingerprint("a.out", 2, 2),)), worker="w")

    assert {"before.a.out": FileFingerprint("a.out", 2, 2)} == found
    assert "1 output changed before the launch" == e.Marked(existing=(FileFingerprint("a.out", 2, 2),)).summary()


def test_a_launch_forgets_what_showed_that_the_attempt_before_was_done() -> None:
    told = {"given_mono": 4.0, "idle": 2, "idle_life": "l1", "background_mono": 3.0, "finishing": True}
    ladder = {"trouble": "silent: ", "tried": ("nudge",), "barred": ("restart",)}
    log = used("exited", **told, **ladder, said="Which?", means="asks", line="/exit")
    log.d.edition = EDITION_PROGRESS_MIN
    log.move(e.Relaunched(intent=91, session_id="$7"))
    worker, fresh = log.d.workers["w"], WorkerState(name="w", session="w", units=[])

    for name in (*told, *ladder, "said", "means", "line", "rung"):
        assert getattr(fresh, name) == getattr(worker, name), name


STUCK: list[tuple[dict[str, object], e.Stalled, dict[str, object]]] = [
    ({}, e.Stalled(reason="silent", why="x"), {"trouble": "silent: ", "rung": 0}),
    ({}, e.Stalled(reason="asks", why="x"), {"trouble": "silent: ", "rung": 0}),  # no other trouble: it says nothing
    ({}, e.Stalled(reason="waiting", why="Yes?"), {"trouble": "waiting: Yes?", "rung": 0}),
    ({}, e.Stalled(reason="limited", why="until 3"), {"trouble": "limited: ", "rung": 0}),
    (
        {"trouble": "waiting: Yes?", "tried": ("capture", "ask"), "rung": 2},
        e.Stalled(reason="waiting", why="Yes?"),
        {"trouble": "waiting: Yes?", "tried": ("capture", "ask"), "rung": 2, "asked": True},
    ),
    (
        {"trouble": "waiting: Yes?", "tried": ("capture", "ask"), "rung": 2},
        e.Stalled(reason="waiting", why="No?"),
        {"trouble": "waiting: No?", "tried": (), "rung": 0, "asked": False},
    ),
    (
        {"trouble": "error: x", "tried": ("capture", "nudge"), "barred": ("restart",), "rung": 2},
        e.Stalled(reason="silent", why="x"),
        {"trouble": "silent: ", "tried": (), "rung": 0, "barred": ("restart", "nudge")},
    ),
    (
        {"trouble": "error: x", "tried": ("capture", "restart"), "rung": 2},
        e.Stalled(reason="silent", why="x"),
        {"trouble": "silent: ", "tried": (), "rung": 0, "barred": ("restart",)},
    ),
]
"""What was tried before, the next trouble, and what of its ladder is left."""


@pytest.mark.parametrize(("before", "fact", "after"), STUCK, ids=str)
def test_the_same_trouble_goes_on_with_its_ladder_and_another_begins_it_without_what_acted(
    before: dict[str, object], fact: e.Stalled, after: dict[str, object]
) -> None:
    log = used("running", **{"trouble": "", "tried": (), "barred": (), **before})
    log.d.edition = EDITION_PROGRESS_MIN
    log.move(fact)

    assert after == {name: getattr(log.d.workers["w"], name) for name in after}


@pytest.mark.parametrize(("edition", "rung"), [(2, 0), (3, 1)])
def test_a_recovery_begins_the_ladder_anew_in_logs_of_before(edition: int, rung: int) -> None:
    log = used("stuck", trouble="silent: ")
    log.d.edition = edition
    log.move(e.Recovered())

    assert rung == log.d.workers["w"].rung


@pytest.mark.parametrize(
    ("fault", "before", "astray", "session"),
    [("conversation", 0, 1, ""), ("conversation", 1, 2, ""), ("", 2, 0, "u"), ("outage", 1, 0, "u")],
)
def test_a_client_that_cannot_continue_its_conversation_begins_another_and_each_time_counts(
    fault: Any, before: int, astray: int, session: str
) -> None:
    log = used("running", intent=0, astray=before, finishing=True)
    log.move(e.Exited(why="x", code=1, ended_by="itself", fault=fault, guess=True))
    worker = log.d.workers["w"]

    assert (astray, session, False, True) == (worker.astray, worker.agent_session, worker.finishing, worker.guess)


@pytest.mark.parametrize(
    ("outage", "probe", "probes"), [("", "", ("", "", 0.0)), ("x", "", ("w", "w", 100.0)), ("x", "v", ("v", "", 0.0))]
)
def test_in_an_outage_the_first_launch_tries_the_service_for_all(
    outage: str, probe: str, probes: tuple[str, str, float]
) -> None:
    log = used("exited", intent=0)
    log.d.outage, log.d.probe = outage, probe
    log.say(e.Intended(action="launch", target="w"), worker="w", attempt=3)

    assert probes == (log.d.probe, log.d.probed, log.d.probe_mono)


@pytest.mark.parametrize(
    ("state", "fault", "again"),
    [("stuck", "auth", True), ("stuck", "billing", True), ("stuck", "outage", False), ("exited", "auth", False)],
)
def test_once_launches_are_barred_no_more_a_live_worker_that_was_refused_gets_another_attempt(
    state: str, fault: str, again: bool
) -> None:
    log = used(state, fault=fault, again=False)
    log.d.barred, log.d.barred_keys = "a key was refused", "k1"
    fact = e.Lifted(why="the login has changed")
    log.say(fact)

    assert (again, "", "") == (log.d.workers["w"].again, log.d.barred, log.d.barred_keys)
    assert "the login has changed" == fact.summary()


@pytest.mark.parametrize(
    ("until", "guess", "told"),
    [(NOW, True, "; no reset is named, tried again at 21:36 UTC"), (NOW, False, ""), (None, True, "")],
)
def test_a_reset_that_is_a_guess_is_told_as_one(until: Any, guess: bool, told: str) -> None:
    fact = e.Exited(why="usage", ended_by="limit", until=until, guess=guess)

    assert told == fact.summary().partition('"usage"')[2]


def test_a_worker_begins_with_its_first_launch_alone() -> None:
    assert NOW == used("pending", began=None).changed_by_move(e.Launched(intent=91))["workers.w.began"]


@pytest.mark.parametrize(("state", "fact"), [("launched", e.Started()), ("stuck", e.Recovered())], ids=str)
def test_a_sign_of_life_ends_the_trouble_and_changes_nothing_else(state: str, fact: e.Fact) -> None:
    assert of_w({**CALM, **RESUMED}) == used(state).changed_by_move(fact)


@pytest.mark.parametrize(
    ("met", "fact", "of_all"),
    [
        (False, e.Stalled(reason="waiting", why="a question"), {}),
        (True, e.Stalled(reason="waiting", why="a question"), {}),
        (False, e.Stalled(reason="limited", why="usage", until=NOW), {"met": True}),
        (True, e.Stalled(reason="limited", why="usage"), {}),
        (False, e.Stalled(reason="silent", why="no sign"), {"restless.w": None}),
    ],
    ids=str,
)
def test_a_worker_that_is_stuck_has_that_trouble_from_its_first_rung_on(
    met: bool, fact: e.Stalled, of_all: dict[str, object]
) -> None:
    log = used("running")
    log.d.met, log.d.workers["w"].reason = met, "error"
    trouble = {
        "reason": fact.reason,
        "why": fact.why,
        "until": fact.until,
        "stalled_life": "l1",
        "limited_since": 100.0,
    }
    trouble["fault"] = ""  # that of the end before

    assert {**of_w({"rung": 0, "asked": False, **trouble}), **of_all} == log.changed_by_move(fact)


@pytest.mark.parametrize(
    ("fault", "barred", "outage"),
    [("auth", "401", ""), ("billing", "401", ""), ("outage", "", "401"), ("", "", "")],
)
def test_a_refusal_that_stalls_a_live_worker_bars_launches_or_begins_an_outage(
    fault: Any, barred: str, outage: str
) -> None:
    log = used("running")
    log.d.keys = "k1"
    log.move(e.Stalled(reason="error", why="401", fault=fault))

    assert (barred, barred and "k1", outage) == (log.d.barred, log.d.barred_keys, log.d.outage)


@pytest.mark.parametrize(("mono", "worked_since"), [(60.0, 20.0), (60.5, 20.5), (100.0, 60.0), (50.0, 20.0)])
def test_time_at_a_usage_limit_is_no_work_and_a_clock_begun_anew_takes_none_away(
    mono: float, worked_since: float
) -> None:
    log = used("stuck", reason="limited")
    log.d.mono = mono
    log.move(e.Recovered())

    assert worked_since == log.d.workers["w"].worked_since


OVER = {
    "reason": "",
    "rung": 0,
    "asked": False,
    "stop": False,
    "ending": "",
    "ends": 0,
    "trespasses": 0,
    "over": 100.0,
    **RESUMED,
}
FAILED = {"intent": 0, "unknowns": 0}


@pytest.mark.parametrize(
    ("fields", "fact", "of_worker", "of_all"),
    [
        ({"intent": 0}, e.Exited(why="done", code=0, ended_by="itself"), {}, {}),
        ({"intent": 0}, e.Exited(why="hung up", ended_by="machine", free=True), {"spent": 1}, {}),
        ({"intent": 0}, e.Exited(why="usage", ended_by="limit", until=NOW), {"refusals": 1}, {"met": True}),
        ({"intent": 0}, e.Exited(why="login", ended_by="itself", fault="auth"), {}, {"barred": "login"}),
        ({"intent": 0}, e.Exited(why="no room", ended_by="launch"), {"unknowns": 0}, {"failed_launches": 3}),
        ({}, e.Exited(why="no room", ended_by="launch"), FAILED, {"failed_launches": 3, "intents.91": GONE}),
        ({}, e.Exited(why="stop", ended_by="person"), {**FAILED, "spent": 1}, {"intents.91": GONE}),
        ({}, e.Exited(why="cut", ended_by="machine", free=True), {**FAILED, "spent": 1}, {"intents.91": GONE}),
    ],
    ids=str,
)
def test_an_end_is_kept_with_its_reason_and_costs_an_attempt_unless_it_was_not_its_fault(
    fields: dict[str, object], fact: e.Exited, of_worker: dict[str, object], of_all: dict[str, object]
) -> None:
    log = used("running", ended_by="", fault="", until=LATER, **fields)
    fault = {"fault": fact.fault} if fact.fault else {}
    told = {"why": fact.why, "code": fact.code, "ended_by": fact.ended_by, "until": fact.until, **fault}

    assert {**of_w({**OVER, **told, **of_worker}), **of_all} == log.changed_by_move(fact)


@pytest.mark.parametrize("ended_by", ["itself", "limit"])
def test_who_met_a_usage_limit_once_is_asked_for_it_to_the_end(ended_by: Any) -> None:
    log = used("running", intent=0)
    log.d.met = True

    assert "met" not in log.changed_by_move(e.Exited(why="x", ended_by=ended_by))


def test_what_is_verified_is_on_the_disk_as_it_was_judged() -> None:
    log, marks = used("exited"), (FileFingerprint("a.out", 1, 1),)
    log.d.units["a"].verdict, log.d.units["b"].synced = Verdict("a", marks=marks), (FileFingerprint("b.out", 1, 1),)

    assert {"units.a.synced": marks, "units.b.synced": ()} == log.changed_by_move(e.Verified())


def test_what_is_verified_or_kept_of_a_screen_changes_no_more_than_that() -> None:
    assert {} == used("exited").changed_by_move(e.Verified())
    assert {"workers.w.captures": 2} == used().changed_by(e.Captured(file="s", sha256="0"), worker="w")


def test_units_that_follow_each_other_with_the_same_names_share_them() -> None:
    log = Log()
    units = [Unit(f"n{n}", (f"n{n}.out",), names={"key": key}) for n, key in enumerate("aab")]
    written, _ = e.encode(e.Draft(e.Enrolled(session="n", units=tuple(units))), seq=1, at=NOW, by="up:1", previous="")
    log.say(e.decode(written[:-1]).data, worker="n")
    one, two, three = (log.d.units[unit.name].unit for unit in units)

    assert units == [one, two, three]
    assert (True, False) == (one.names is two.names, two.names is three.names)
