"""What each fact about the whole deployment changes, and that it changes nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.log import GONE, HOST, NOW, PLAN, Log

from wakeman.core.log import events as e
from wakeman.core.model import (
    Alarm,
    CleanupSpec,
    Deployment,
    FileFingerprint,
    Identity,
    Plan,
    RecordedProfile,
    Rejection,
    ReviewSpec,
    Unit,
    UnitsSpec,
    Verdict,
    VerifySpec,
    WorkersSpec,
)
from wakeman.core.policy.review import quote_rejection, reviewing

ONE, TWO = FileFingerprint("a.out", 1, 1), FileFingerprint("a.out", 2, 2)
LATER = NOW + timedelta(seconds=9)
ROUNDS, REVIEWS = 2, 3
REVIEWED = Plan(
    name="night",
    units=UnitsSpec(items=("x",)),
    cleanup=CleanupSpec(rounds=ROUNDS),
    verify=VerifySpec(review=ReviewSpec(rounds=REVIEWS)),
)
"""A unit gets two cleanups and three reviews at most."""


def under_review() -> Log:
    """Return a deployment whose two units pass and were given to the reviewer `r`."""
    log = Log(REVIEWED)
    passing = (Verdict("a", marks=(ONE,)), Verdict("b", marks=(FileFingerprint("b.out", 1, 1),)))
    log.say(e.Looked(mono=1.0, boot="b", verdicts=passing))
    task = Unit(name="r", outputs=("r.json",))
    return log.say(e.Enrolled(session="r", units=(task,), review=1, reviews=("a", "b")), worker="r")


# --- its plan -----------------------------------------------------------------------------------------------------


def test_a_deployment_begins_with_its_plan_and_its_world() -> None:
    before = Deployment()
    fact = e.Planned(name="night", plan=PLAN, digest="d", host=HOST, edition=2)
    fact.apply(before, e.Event(v=1, seq=1, at=NOW, by="up:1", data=fact, hash=""))

    assert Deployment(name="night", plan=PLAN, digest="d", host=HOST, edition=2, started=NOW, in_question={}) == before


JUDGES = (RecordedProfile("judge", "d1", "plan"), RecordedProfile("maker", "d2"))


def test_a_plan_s_profiles_are_known_by_name_and_digest_and_an_amendment_names_those_of_now() -> None:
    log = Log()
    log.say(e.Planned(name="night", plan=PLAN, digest="d", host=HOST, profiles=JUDGES))
    first = log.d.profiles
    log.say(e.Amended(plan=PLAN, digest="d2", profiles=JUDGES[:1]))

    assert ({"judge": "d1", "maker": "d2"}, {"judge": "d1"}) == (first, log.d.profiles)


@pytest.mark.parametrize(
    ("versions", "now"), [({"claude": "2.2"}, {"claude": "2.2"}), ({}, {"claude": "2.1"}), (None, {"claude": "2.1"})]
)
def test_an_amendment_tells_the_versions_of_clients_of_now_where_any_says_one(
    versions: dict[str, str] | None, now: dict[str, str]
) -> None:
    log = Log()
    log.d.host = replace(HOST, versions={"claude": "2.1"})
    log.say(e.Amended(plan=PLAN, digest="d2", versions=versions))

    assert now == log.d.host.versions


def test_who_is_dropped_is_gone_with_its_units_and_is_counted_no_more() -> None:
    log = Log().say(e.Enrolled(session="v", units=(Unit("c", ("c.out",)),)), worker="v")
    log.d.restless = {"w": None, "v": None}
    plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=WorkersSpec(stagger=9.0))

    assert {
        "plan": plan,
        "digest": "d2",
        "workers.w": GONE,
        "units.a": GONE,
        "units.b": GONE,
        "restless.w": GONE,
    } == log.changed_by(e.Amended(plan=plan, digest="d2", dropped=("w",)))


@pytest.mark.parametrize(("root_id", "now"), [("7:9", {"host": replace(HOST, root_id="7:9")}), ("", {})])
def test_an_amended_plan_stands_in_the_directory_that_is_there_now(root_id: str, now: dict[str, object]) -> None:
    assert {"digest": "d2", **now} == Log().changed_by(e.Amended(plan=PLAN, digest="d2", root_id=root_id))


def test_who_adopts_a_deployment_makes_it_live_there_and_what_was_known_of_the_place_before_is_forgotten() -> None:
    log = Log()
    log.d.server, log.d.workers["w"].cwd_id = "100:1", "7:9"
    there = Identity(machine="m", uid=1, pid_namespace=2)

    assert {
        "host": replace(HOST, identity=there, root_id="8:1"),
        "server": "",
        "workers.w.cwd_id": "",
    } == log.changed_by(e.Adopted(identity=there, root_id="8:1"))


def test_a_reviewer_that_is_dropped_gives_its_units_their_review_back() -> None:
    log = under_review()

    assert {
        "digest": "d2",
        "workers.r": GONE,
        "units.r": GONE,
        "reviews.r": GONE,
        "units.a.reviews": 0,
        "units.b.reviews": 0,
    } == log.changed_by(e.Amended(plan=REVIEWED, digest="d2", dropped=("r",)))


def test_reviewers_get_what_an_amendment_changes_too() -> None:
    log = under_review()
    plan = Plan(name="night", units=UnitsSpec(items=("x",)), goal="other")

    assert {"plan": plan, "digest": "d2", "reviewing": reviewing(plan)} == log.changed_by(e.Amended(plan, "d2"))


# --- its alarm and its end ----------------------------------------------------------------------------------------


def test_the_alarm_that_lies_ahead_is_the_one_set_last() -> None:
    log, alarm = Log(), Alarm("at", 7, NOW, "12")

    assert {"alarm": alarm, "generation": 7} == log.changed_by(e.Armed(alarm=alarm))
    assert {"alarm": None} == log.changed_by(e.Disarmed(generation=7))


def test_a_deployment_is_over_when_and_as_its_last_line_says() -> None:
    assert {"outcome": "partial", "why": "out of time", "ended": LATER} == Log().changed_by(
        e.Closed(outcome="partial", why="out of time", missing=("a",)), after=9.0
    )


def test_a_sample_is_what_was_picked() -> None:
    assert {"sampled": ("a",)} == Log().changed_by(e.Sampled(seed=1, units=("a",)))


# --- what a person asked for --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worker", "fact", "changed"),
    [
        ("w", e.Requested("stop"), {"workers.w.stop": True}),
        ("w", e.Requested("retry", text="thin"), {"workers.w.again": True, "workers.w.note": "thin"}),
        ("w", e.Requested("retry"), {"workers.w.again": True, "workers.w.note": ""}),
        ("x", e.Requested("stop"), {}),
        ("x", e.Requested("retry"), {}),
        (None, e.Requested("stop"), {}),
        (None, e.Requested("retry"), {}),
        (None, e.Requested("waive", units=("a", "b")), {"units.a.waived": True, "units.b.waived": True}),
        (None, e.Requested("accept"), {"accepted": "wrap up"}),
        (None, e.Requested("pause"), {"paused_at": LATER}),
        (None, e.Requested("down", text="enough"), {"down": "enough"}),
        (None, e.Requested("down"), {"down": "asked for"}),
        ("w", e.Requested("send", text="hello"), {}),
        (None, e.Requested("check"), {}),
        (None, e.Requested("amend"), {}),
    ],
    ids=str,
)
def test_what_a_person_asks_for_changes_what_it_is_about(
    worker: str | None, fact: e.Requested, changed: dict[str, object]
) -> None:
    log = Log()
    log.d.held, log.d.workers["w"].note = "wrap up", "old"

    assert changed == log.changed_by(fact, worker=worker, after=9.0)


@pytest.mark.parametrize(
    ("fact", "changed"),
    [
        (e.Requested("pause"), {}),
        (e.Requested("unpause"), {"paused_at": None, "failed_launches": 0, "barred": ""}),
        (e.Requested("down", text="enough"), {"paused_at": None, "down": "enough"}),
    ],
    ids=str,
)
def test_a_pause_lasts_from_its_first_request_to_its_end(fact: e.Requested, changed: dict[str, object]) -> None:
    log = Log().say(e.Requested("pause"))
    log.d.failed_launches, log.d.barred = 3, "a key was refused"

    assert changed == log.changed_by(fact, after=9.0)


@pytest.mark.parametrize(("rounds", "left"), [(0, 0), (1, 1), (2, 1), (5, 1)])
def test_what_a_person_rejects_is_open_again_with_one_cleanup_at_least_and_all_its_reviews(
    rounds: int, left: int
) -> None:
    log = under_review()
    unit = log.d.units["a"]
    unit.rounds, unit.waived, unit.reviews, unit.reviewed = rounds, True, 2, (ONE,)

    log.say(e.Requested("reject", units=("a",), text="thin"))

    assert (left, False, False) == (unit.rounds, unit.waived, unit.done)
    assert ("thin", [ONE]) == (unit.reopened, list(unit.rejected))
    assert (0, []) == (unit.reviews, list(unit.reviewed))


@pytest.mark.parametrize(
    ("fact", "worker", "kept"),
    [
        (e.Requested("stop", keep=True), "w", True),
        (e.Requested("stop"), "w", False),
        (e.Requested("retry"), "w", False),
        (e.Requested("reject", units=("a",), text="thin"), None, False),
        (e.Requested("waive", units=("a",)), None, True),
    ],
    ids=str,
)
def test_units_that_a_stop_keeps_from_a_cleanup_are_free_again_by_a_retry_or_a_rejection(
    fact: e.Requested, worker: str | None, *, kept: bool
) -> None:
    log = Log().say(e.Requested("stop", keep=True), worker="w")
    log.say(fact, worker=worker)

    assert kept == log.d.workers["w"].kept


def test_a_review_that_a_person_waives_is_over_and_accepts_what_stands() -> None:
    marks = under_review().d.reviews["r"].marks

    assert {
        "units.r.waived": True,
        "reviews.r.heard": True,
        "units.a.reviewed": marks["a"],
        "units.b.reviewed": marks["b"],
    } == under_review().changed_by(e.Requested("waive", units=("r",)))


# --- what a reviewer said -----------------------------------------------------------------------------------------


def heard(log: Log, *rejected: Rejection) -> dict[str, object]:
    return log.changed_by(e.Reviewed(round=1, passed=1, rejected=rejected), worker="r")


def test_what_a_reviewer_accepts_needs_no_review_and_what_it_rejects_is_open_again() -> None:
    log = under_review()
    log.d.units["b"].rounds = ROUNDS

    assert {
        "reviews.r.heard": True,
        "reviews.r.rejected": {"b": "thin"},
        "units.a.reviewed": (ONE,),
        "units.b.rounds": ROUNDS - 1,
        "units.b.reopened": quote_rejection("thin"),
        "units.b.rejected": (FileFingerprint("b.out", 1, 1),),
    } == flat(heard(log, Rejection("b", "thin")))


def flat(found: dict[str, object]) -> dict[str, object]:
    """Return the rejections of the review as one value."""
    rejected = {place[19:]: found.pop(place) for place in list(found) if place.startswith("reviews.r.rejected.")}
    return {**found, "reviews.r.rejected": rejected}


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": Verdict("a", marks=(TWO,))},
        {"verdict": Verdict("a", ("empty",), marks=(ONE,))},
        {"verdict": None},
        {"waived": True},
        {"reopened": "a person said so"},
    ],
    ids=str,
)
def test_a_unit_that_is_not_as_it_was_handed_out_is_not_accepted(change: dict[str, Any]) -> None:
    log = under_review()
    for name, value in change.items():
        setattr(log.d.units["a"], name, value)

    heard(log)

    assert ((), log.d.reviews["r"].marks["b"]) == (log.d.units["a"].reviewed, log.d.units["b"].reviewed)


@pytest.mark.parametrize(
    ("reviews", "before", "after"),
    [
        (1, 0, 0),
        (1, 1, 1),
        (1, ROUNDS, ROUNDS - 1),
        (1, 5, ROUNDS - 1),
        (REVIEWS - 1, 0, 0),
        (REVIEWS - 1, 5, ROUNDS - 1),
        (REVIEWS, 0, ROUNDS),
        (REVIEWS, ROUNDS, ROUNDS),
        (REVIEWS, 5, 5),
        (REVIEWS + 1, 0, ROUNDS),
    ],
)
def test_what_a_reviewer_rejects_gets_a_cleanup_unless_that_was_its_last_review(
    reviews: int, before: int, after: int
) -> None:
    log = under_review()
    unit = log.d.units["b"]
    unit.reviews, unit.rounds = reviews, before

    heard(log, Rejection("b", "thin"))

    assert (after, quote_rejection("thin")) == (unit.rounds, unit.reopened)


def test_a_unit_without_files_is_rejected_whatever_comes_of_it() -> None:
    log = Log(REVIEWED)

    log.say(e.Requested("reject", units=("a",), text="thin"))

    assert ((), "thin") == (log.d.units["a"].rejected, log.d.units["a"].reopened)
