"""An outage, applied from the lines of a log: how it begins, who tries the service, and what ends it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from tests.log import NOW, Log

from wakeman.core.log import events as e
from wakeman.core.log.facts.observation import PROBE_S
from wakeman.core.log.facts.worker import OUTAGE_PAUSE_MAX, OUTAGE_PAUSE_MIN, outage_pause
from wakeman.core.model import (
    LimitsSpec,
    Observation,
    Plan,
    Unit,
    UnitsSpec,
    UnitState,
    Usage,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy import notice
from wakeman.core.policy.attempts import reset_is_due, tries_service
from wakeman.core.policy.limits import due_launches, every, launches_barred, outage_holds

WHY = "the service is unavailable: 529"


def stalled(**fields: Any) -> Log:
    """Return a deployment whose worker lives and was refused: the outage has begun."""
    log = Log().running().move(e.Stalled(reason="limited", why=WHY, fault="outage"))
    log.d.in_question = None  # tests add to it by hand
    for key, value in fields.items():
        setattr(log.d, key, value)
    return log


def probing(**fields: Any) -> Log:
    """Return one whose worker tries the service since second 100."""
    return stalled(**{"probe": "w", "probed": "w", "probe_mono": 100.0, "mono": 100.0, **fields})


def look(log: Log, mono: float, **seen: Any) -> Log:
    usual: dict[str, Any] = {"worker": "w", "attempt": 1, "session": "running"}
    return log.say(e.Looked(mono=mono, boot="b1", observations=(Observation(**{**usual, **seen}),)), after=mono)


def test_the_first_refusal_begins_the_outage_and_the_others_are_the_same_one() -> None:
    log = stalled()
    begun = log.d.outage, log.d.outage_tries, log.d.outage_until
    log.move(e.Exited(why="once more", ended_by="limit", fault="outage"))

    assert (WHY, 1, NOW + OUTAGE_PAUSE_MIN) == begun
    assert ("once more", 1, NOW + OUTAGE_PAUSE_MIN) == (log.d.outage, log.d.outage_tries, log.d.outage_until)


@pytest.mark.parametrize(("tries", "pause"), [(1, 15), (2, 30), (3, 60), (4, 120), (5, 240), (6, 300), (99, 300)])
def test_the_pause_doubles_up_to_its_bound(tries: int, pause: int) -> None:
    assert timedelta(seconds=pause) == outage_pause(tries)
    assert outage_pause(tries) <= OUTAGE_PAUSE_MAX


def test_a_plan_that_does_not_wait_meets_no_outage() -> None:
    log = Log(Plan(name="night", units=UnitsSpec(items=("x",)), limits=LimitsSpec(wait=False))).running()
    log.move(e.Stalled(reason="limited", why=WHY, fault="outage"))

    assert "" == log.d.outage


@pytest.mark.parametrize(
    ("mono", "seen", "ends"),
    [
        (101.0, {"activity": "idle"}, True),
        (101.0, {"activity": "waiting"}, True),
        (101.0, {"activity": "error"}, True),
        (101.0, {"activity": "limited"}, True),  # a usage limit is an answer
        (101.0, {"activity": "busy"}, False),
        (101.0, {"session": "unknown"}, False),
        (100.0 + PROBE_S, {"activity": "busy"}, True),
        (100.0 + PROBE_S, {"activity": "busy", "retries": True}, False),
        (50.0, {"activity": "busy"}, True),  # the clock began anew
    ],
)
def test_who_does_what_needs_an_answer_or_is_not_refused_for_a_minute_is_served(
    mono: float, seen: dict[str, Any], ends: bool
) -> None:
    log = probing()
    log.move(e.Recovered())
    look(log, mono, **seen)

    assert ("", "") == (log.d.outage, log.d.probe) if ends else log.d.probe == "w"


def test_nothing_is_said_of_a_probe_whose_text_is_on_its_way() -> None:
    log = probing()
    log.d.workers["w"].prompt = 9
    look(log, 101.0, activity="idle")

    assert "w" == log.d.probe


@pytest.mark.parametrize(
    ("mono", "life", "again"), [(101.0, "", False), (101.0, "new", True), (100.0 + PROBE_S, "", True)]
)
def test_a_live_worker_that_is_refused_once_more_ends_its_try(mono: float, life: str, again: bool) -> None:
    log = look(probing(), 100.0, activity="limited", fault="outage")
    look(log, mono, activity="limited", fault="outage", life=life)

    assert (2 if again else 1, "" if again else "w") == (log.d.outage_tries, log.d.probe)


def test_a_limit_seen_before_it_is_a_transition_is_left_to_that() -> None:
    log = probing()
    log.move(e.Recovered())
    look(log, 101.0, activity="limited", fault="outage", life="new")

    assert (1, "w") == (log.d.outage_tries, log.d.probe)


@pytest.mark.parametrize(("intent", "probe"), [(0, ""), (7, "w")])
def test_a_probe_that_never_began_is_given_to_another_once_its_launch_is_settled(intent: int, probe: str) -> None:
    log = probing()
    log.d.workers["w"].state, log.d.workers["w"].intent = "exited", intent
    log.say(e.Looked(mono=101.0, boot="b1"))

    assert (probe, WHY) == (log.d.probe, log.d.outage)


@pytest.mark.parametrize(
    ("fact", "outage", "tries"),
    [
        (e.Exited(why="done", code=0, ended_by="itself"), "", 0),
        (e.Exited(why="usage", ended_by="limit"), "", 0),
        (e.Exited(why=WHY, ended_by="limit", fault="outage"), WHY, 2),
        (e.Exited(why="reboot", ended_by="machine"), WHY, 1),
        (e.Exited(why="stop", ended_by="person"), WHY, 1),
    ],
    ids=str,
)
def test_the_end_of_a_probe_says_whether_the_service_answered(fact: e.Exited, outage: str, tries: int) -> None:
    log = probing()
    log.move(fact)

    assert (outage, tries, "") == (log.d.outage, log.d.outage_tries, log.d.probe)


def test_an_outage_counts_towards_give_up_and_a_usage_limit_does_not() -> None:
    counted = []
    for fault in ("outage", ""):
        log = Log().running().move(e.Stalled(reason="limited", why=WHY, fault=fault))
        before = log.d.counted
        log.say(e.Looked(mono=100.0, boot="b1"))
        counted.append(log.d.counted - before)

    assert [90.0, 0.0] == counted


@pytest.mark.parametrize("ok", [True, False])
def test_a_person_s_text_that_arrives_answers_the_question_about_the_one_before(ok: bool) -> None:
    log = Log().running()
    log.say(e.Intended(action="send", target="w", text="go on", confirm=True), worker="w", attempt=1)
    log.d.workers["w"].asked = True
    log.say(e.Confirmed(intent=log.d.seq, ok=ok), worker="w")

    assert ok is not log.d.workers["w"].asked


def test_a_nudge_that_is_refused_is_no_try_of_the_service() -> None:
    log = stalled()
    log.say(e.Intended(action="nudge", target="w", text="go on", confirm=True), worker="w", attempt=1)
    tried = log.d.probe
    log.say(e.Effected(intent=log.d.seq, ok=False, detail="no empty prompt"), worker="w")

    assert ("w", "", 1) == (tried, log.d.probe, log.d.workers["w"].unheard)


# --- the policy -----------------------------------------------------------------------------------------------


def test_the_turn_goes_round_among_those_who_could_try() -> None:
    log = stalled()
    d = log.d
    d.plan = Plan(name="night", units=UnitsSpec(items=("x",)))
    for name, state in (("v", "pending"), ("u", "pending")):
        d.workers[name] = WorkerState(name=name, session=name, units=["a"], state=state)  # type: ignore[arg-type] # states
    d.workers["u"].intent = 5
    turns = []
    for last in ("", "w", "v", "gone"):
        d.probed = last
        turns.append([name for name in d.workers if tries_service(d, d.workers[name])])

    assert [["v"], ["v"], ["v"], ["v"]] == turns  # `w` is in print mode, `u` is being launched


@pytest.mark.parametrize(("last", "next_"), [("", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("gone", "a")])
def test_after_the_last_that_tried_the_next_tries_and_no_other(last: str, next_: str) -> None:
    d = Log().d
    d.plan, d.in_question = Plan(name="night", units=UnitsSpec(items=("x",))), None
    d.workers = {name: WorkerState(name=name, session=name, units=["a"], state="pending") for name in "abc"}
    d.probed = last

    assert [next_] == [name for name in d.workers if tries_service(d, d.workers[name])]


@pytest.mark.parametrize(("edition", "next_"), [(7, "c"), (6, "b")])
def test_one_whose_retry_a_person_requested_tries_before_all_others(edition: int, next_: str) -> None:
    d = Log().d
    d.edition, d.in_question = edition, None
    d.plan = Plan(name="night", units=UnitsSpec(items=("x",)))
    d.workers = {name: WorkerState(name=name, session=name, units=["a"], state="pending") for name in "abc"}
    d.units["a"] = UnitState(Unit("a", outputs=("a.txt",)), worker="c")
    d.workers["c"].state, d.workers["c"].again = "exited", True
    d.probed = "a"

    assert [next_] == [name for name in d.workers if tries_service(d, d.workers[name])]


@pytest.mark.parametrize(
    ("mode", "fields", "tries"),
    [
        ("interactive", {}, True),
        ("print", {}, False),  # nothing can be typed
        ("interactive", {"fault": ""}, False),  # it met nothing, and works
        ("interactive", {"prompt": 7}, False),  # its task is on its way
        ("watched", {}, False),  # nothing is typed into a session of somebody's
    ],
)
def test_a_live_worker_tries_the_service_if_it_can_be_told_to_and_was_refused(
    mode: Literal["print", "interactive", "watched"], fields: dict[str, Any], tries: bool
) -> None:
    log = stalled()
    workers = WorkersSpec(mode="interactive", sessions="watch") if mode == "watched" else WorkersSpec(mode=mode)
    log.d.plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=workers)
    w = log.d.workers["w"]
    for key, value in fields.items():
        setattr(w, key, value)

    assert tries == tries_service(log.d, w)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"outage": ""}, True),  # it is over
        ({"outage_until": NOW}, True),  # it tries the service for all
        ({"outage_until": NOW, "probe": "v"}, False),
        ({"outage_until": NOW + timedelta(seconds=9)}, False),
    ],
)
def test_a_live_worker_that_was_refused_is_told_to_go_on_when_it_may_try_or_need_not(
    fields: dict[str, Any], told: bool
) -> None:
    log = stalled(looked_at=NOW, **fields)
    log.d.plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=WorkersSpec(mode="interactive"))

    assert told == reset_is_due(log.d, log.d.workers["w"])


@pytest.mark.parametrize(("at_once", "tries"), [(1, False), (2, True)])
def test_a_pending_worker_tries_the_service_if_a_slot_is_free(at_once: int, tries: bool) -> None:
    log = stalled()
    log.d.plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=WorkersSpec(at_once=at_once))
    log.d.workers["v"] = WorkerState(name="v", session="v", units=["a"], state="pending")

    assert tries == tries_service(log.d, log.d.workers["v"])


@pytest.mark.parametrize("sessions", ["start", "watch"])
def test_nobody_is_told_in_a_session_that_is_only_watched(sessions: Literal["start", "watch"]) -> None:
    log = stalled(looked_at=NOW, outage="")
    workers = WorkersSpec(mode="interactive", sessions=sessions)
    log.d.plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=workers)

    assert (sessions == "start") == reset_is_due(log.d, log.d.workers["w"])


def test_a_live_worker_of_an_outage_is_told_to_go_on_once_it_is_over() -> None:
    log = stalled()
    d = log.d
    held = outage_holds(d), reset_is_due(d, d.workers["w"])
    d.outage = ""

    assert (True, False, False) == (*held, reset_is_due(d, d.workers["w"]))  # in print mode nobody is told


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"outage_until": NOW + timedelta(seconds=40), "looked_at": NOW}, 41.0),
        ({"outage_until": NOW + timedelta(seconds=1), "looked_at": NOW}, 2.0),
        ({"probe": "w", "probe_mono": 90.0, "mono": 100.0}, 51.0),
        ({"probe": "w", "probe_mono": 90.0, "mono": 149.5}, 1.5),
        ({"probe": "w", "probe_mono": 90.0, "mono": 200.0}, 300.0),  # the last look could not tell: the plan's pace
    ],
)
def test_the_next_alarm_is_when_the_service_is_tried_or_has_answered(fields: dict[str, Any], seconds: float) -> None:
    assert seconds == every(stalled(**fields).d)


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({"outage_until": NOW + timedelta(seconds=0.5)}, True),
        ({"outage_until": NOW}, False),
        ({"outage_until": NOW - timedelta(seconds=0.5)}, False),
        ({"outage_until": NOW, "probe": "w"}, True),  # one tries it
        ({"outage_until": NOW + timedelta(seconds=9), "outage": ""}, False),
    ],
)
def test_in_an_outage_nothing_is_launched_while_one_tries_or_a_pause_lasts(fields: dict[str, Any], holds: bool) -> None:
    d = stalled(looked_at=NOW, **fields).d

    assert (holds, holds) == (outage_holds(d), launches_barred(d))


@pytest.mark.parametrize(("outage", "due"), [("", ["u", "v"]), (WHY, ["u"])])
def test_in_an_outage_one_launch_at_a_time_tries_the_service(outage: str, due: list[str]) -> None:
    d = stalled(looked_at=NOW, outage=outage, outage_until=NOW).d
    d.plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=WorkersSpec(stagger=0.0))
    for name in ("u", "v"):
        d.workers[name] = WorkerState(name=name, session=name, units=["a"], state="pending")

    assert due == due_launches(d)


@pytest.mark.parametrize("until", [NOW, NOW - timedelta(seconds=40), None])
def test_a_service_that_nobody_may_try_is_not_waited_for_second_by_second(until: datetime | None) -> None:
    """A launch that is not known to have begun, or a person's `down`, keeps all others from trying it."""
    usual = every(stalled(outage="", looked_at=NOW).d)

    assert usual == every(stalled(outage_until=until, looked_at=NOW).d) > 60


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"outage": ""}, ""),
        ({"probe": "w"}, "the service is unavailable, tried 1 times; w tries it again now"),
        (
            {"outage_until": None},
            "the service is unavailable, tried 1 times; one worker tries it again at the next check",
        ),
        ({}, "the service is unavailable, tried 1 times; one worker tries it again at 21:36:15 UTC"),
    ],
)
def test_an_outage_is_told_with_what_comes_next(fields: dict[str, Any], told: str) -> None:
    assert told == notice.outage(stalled(**fields).d)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"outage": ""}, ""),
        ({"barred": "x"}, "no launches: a key or a login was refused; put it right, then: wakeman unpause night"),
        ({"failed_launches": 3}, "no launches: 3 in a row failed; put it right, then: wakeman unpause night"),
    ],
)
def test_barred_launches_say_what_to_type(fields: dict[str, Any], told: str) -> None:
    assert told == notice.bar(stalled(**fields).d)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"reason": "limited", "fault": "outage"}, "the service is unavailable"),
        ({"state": "exited", "ended_by": "limit", "fault": "outage"}, "the service is unavailable"),
        ({"state": "exited", "ended_by": "limit"}, "usage limit"),
        ({"reason": "limited", "until": NOW}, "usage limit until 2026-01-05 21:36 UTC"),
        (
            {"reason": "limited", "until": NOW, "guess": True},
            "usage limit until 2026-01-05 21:36 UTC (a guess: no reset is named)",
        ),
        (
            {"reason": "error", "observation": Observation("w", 1, "running", fault="billing")},
            "nothing is left to pay with",
        ),
        (
            {"reason": "error", "observation": Observation("w", 1, "running", fault="auth")},
            "its key or login was refused",
        ),
    ],
)
def test_a_refusal_is_called_in_our_words(fields: dict[str, Any], cause: str) -> None:
    worker = WorkerState(name="w", session="w", usage=Usage())
    for key, value in fields.items():
        setattr(worker, key, value)

    assert cause == notice.cause_of(worker)
