"""Which transitions an observation triggers, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from wakeman.core.log import events as e
from wakeman.core.model import (
    EDITION_PROGRESS_MIN,
    Deployment,
    FileFingerprint,
    LimitsSpec,
    Observation,
    OpenIntent,
    Plan,
    StuckSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Verdict,
    WorkerState,
)
from wakeman.core.policy.tables import EDITION
from wakeman.core.policy.transitions import lifted, transitions

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
RESET = NOW + timedelta(hours=1)
AFTER_S = 600.0
MONO = 5000.0
MARKS = (FileFingerprint("out/1", 1, 2, 3),)


def worker(state: str, name: str = "w", **fields: object) -> WorkerState:
    """Return a worker at its first attempt, whose life was seen to move just now."""
    built = WorkerState(name=name, session=name, units=[f"{name}/1"], attempt=1, life="aa", life_mono=MONO)
    for key, value in {"state": state, **fields}.items():
        setattr(built, key, value)
    return built


def seen(one: WorkerState, **fields: object) -> WorkerState:
    """Return the worker, observed so."""
    found = {"worker": one.name, "attempt": 1, "session": "running", "life": "aa", **fields}
    one.observation = Observation(**found)  # type: ignore[arg-type] # fields of the observation
    return one


def deployment(*workers: WorkerState, done: bool = False, wait: bool = True) -> Deployment:
    plan = Plan(name="n", units=UnitsSpec(), stuck=StuckSpec(after=AFTER_S), limits=LimitsSpec(wait=wait))
    units = {
        name: UnitState(
            unit=Unit(name=name, outputs=("o",)),
            worker=one.name,
            verdict=Verdict(name, problems=() if done else ("empty",), marks=MARKS),
        )
        for one in workers
        for name in one.units
    }
    return Deployment(plan=plan, units=units, workers={one.name: one for one in workers}, mono=MONO, looked_at=NOW)


def moves(d: Deployment) -> list[tuple[str | None, e.Fact]]:
    """Return what each worker goes through, in order."""
    return [(draft.worker, draft.data) for draft in transitions(d)]


def facts(d: Deployment) -> list[e.Fact]:
    return [fact for _, fact in moves(d)]


# An attempt that is over


@pytest.mark.parametrize("state", ["launched", "running", "stuck"])
@pytest.mark.parametrize("session", ["exited", "killed", "lost", "absent"])
def test_the_end_of_a_session_is_recorded_as_it_was_seen(state: str, session: str) -> None:
    end = {"why": "killed by 9", "code": 137, "ended_by": "itself", "until": RESET, "fault": "auth"}

    found = facts(deployment(seen(worker(state), session=session, **end)))

    assert [e.Exited(why="killed by 9", code=137, ended_by="itself", until=RESET, fault="auth")] == found


@pytest.mark.parametrize("session", ["queued", "unknown"])
@pytest.mark.parametrize("state", ["launched", "running", "stuck"])
def test_nothing_follows_from_a_session_that_is_queued_or_cannot_be_seen(state: str, session: str) -> None:
    one = seen(worker(state, life_mono=0.0, reason="waiting"), session=session, activity="error")

    assert [] == facts(deployment(one, done=True))


@pytest.mark.parametrize(
    ("ended_by", "wait", "free"),
    [
        ("machine", True, True),
        ("person", True, True),
        ("limit", True, True),
        ("machine", False, True),
        ("limit", False, False),
        ("itself", True, False),
        ("wakeman", True, False),
        ("launch", True, False),
        ("", True, False),
    ],
)
def test_an_attempt_is_not_counted_that_a_person_or_the_machine_ended_or_a_limit_that_is_waited_for(
    ended_by: str, wait: bool, free: bool
) -> None:
    (exited,) = facts(deployment(seen(worker("running"), session="exited", ended_by=ended_by), wait=wait))

    assert isinstance(exited, e.Exited)
    assert free == exited.free


@pytest.mark.parametrize(
    ("edition", "wait", "free"), [(EDITION, True, True), (EDITION, False, False), (3, True, True), (2, True, False)]
)
@pytest.mark.parametrize("ended_by", ["itself", "wakeman"])
def test_an_attempt_that_the_service_refused_is_not_counted_whoever_ended_it(
    ended_by: str, edition: int, wait: bool, free: bool
) -> None:
    one = seen(worker("running"), session="exited", ended_by=ended_by, fault="outage")
    d = deployment(one, wait=wait)
    d.edition = edition
    (exited,) = facts(d)

    assert isinstance(exited, e.Exited)
    assert free == exited.free


@pytest.mark.parametrize(
    ("fault", "seen_as", "ours", "edition", "free"),
    [
        ("conversation", "itself", False, EDITION, True),  # none to continue: the next one begins afresh
        ("conversation", "itself", True, EDITION, False),  # it began afresh before, and that did not help
        ("conversation", "wakeman", False, EDITION, False),
        ("auth", "itself", False, EDITION, True),  # no attempt changes a key
        ("auth", "itself", False, 3, True),
        ("auth", "itself", False, 2, False),
        ("auth", "wakeman", False, EDITION, True),  # it was refused before its session was ended
        ("auth", "wakeman", False, 3, False),
        ("auth", "", False, EDITION, False),
        ("error", "itself", False, EDITION, False),
    ],
)
def test_an_attempt_that_could_not_begin_its_work_is_not_counted(
    fault: str, seen_as: str, ours: bool, edition: int, free: bool
) -> None:
    one = seen(worker("running", astray=ours), session="exited", ended_by=seen_as, fault=fault)
    d = deployment(one)
    d.edition = edition
    (exited,) = facts(d)

    assert isinstance(exited, e.Exited)
    assert free == exited.free


DIGEST = sha256(msgspec.json.encode(MARKS)).hexdigest()


@pytest.mark.parametrize(
    ("fields", "verified"),
    [({}, True), ({"processes": 1}, False)],
)
def test_an_end_with_all_done_is_verified_at_once_unless_processes_are_left(
    fields: dict[str, object], verified: bool
) -> None:
    found = facts(deployment(seen(worker("running"), session="exited", **fields), done=True))

    assert [e.Exited(why=""), *([e.Verified(files=1, digest=DIGEST)] if verified else [])] == found


def test_who_has_ended_is_verified_once_the_last_of_its_units_is_done() -> None:
    one = worker("exited", units=["w/1", "w/2"])
    d = deployment(one, done=True)
    d.units["w/2"].verdict = None
    before = facts(d)
    d.units["w/2"].waived = True

    assert ([], [e.Verified(files=1, digest=DIGEST)]) == (before, facts(d))


def test_who_was_never_launched_ends_without_an_attempt_when_another_has_done_its_share() -> None:
    found = facts(deployment(worker("pending"), done=True))

    assert [
        e.Exited(why="there is nothing left to do", ended_by="wakeman"),
        e.Verified(files=1, digest=DIGEST),
    ] == found


@pytest.mark.parametrize("state", ["pending", "exited"])
@pytest.mark.parametrize(("hold", "left"), [({"intent": 7}, 0), ({"units": []}, 0), ({}, 1)])
def test_nobody_is_verified_whose_launch_is_open_who_has_no_units_or_whose_processes_are_left(
    state: str, hold: dict[str, object], left: int
) -> None:
    one = seen(worker(state, **hold), session="exited", processes=left)  # type: ignore[arg-type] # fields of the worker

    assert [] == facts(deployment(one, done=True))


def test_who_is_verified_stays_so() -> None:
    assert [] == facts(deployment(worker("verified"), done=True))


# An attempt that is under way


@pytest.mark.parametrize("activity", ["busy", "idle", "unknown"])
@pytest.mark.parametrize("life", ["", "aa"])
def test_a_worker_has_started_with_its_first_sign_of_life(activity: str, life: str) -> None:
    found = facts(deployment(seen(worker("launched", life=life), activity=activity, life=life, why="it reads")))

    assert ([e.Started(why="it reads")] if life else []) == found


@pytest.mark.parametrize("activity", ["waiting", "limited", "error"])
@pytest.mark.parametrize("state", ["launched", "running"])
def test_what_its_client_shows_makes_a_worker_stuck_at_once(state: str, activity: str) -> None:
    one = seen(worker(state), activity=activity, why="asks for Bash", until=RESET)

    assert [e.Stalled(reason=activity, why="asks for Bash", until=RESET)] == facts(deployment(one))


@pytest.mark.parametrize(
    ("state", "ago", "life", "found"),
    [
        ("running", AFTER_S - 1, "aa", []),
        ("running", AFTER_S, "aa", [e.Stalled(reason="silent", why="no sign of life for 600 s")]),
        ("running", AFTER_S + 60, "aa", [e.Stalled(reason="silent", why="no sign of life for 660 s")]),
        ("running", AFTER_S, "bb", []),
        ("launched", AFTER_S - 1, "", []),
        ("launched", AFTER_S, "", [e.Stalled(reason="silent", why="no sign of life for 600 s")]),
        (
            "launched",
            AFTER_S,
            "aa",
            [e.Started(why="it reads"), e.Stalled(reason="silent", why="no sign of life for 600 s")],
        ),
    ],
)
def test_a_worker_is_silent_once_nothing_has_moved_for_as_long_as_the_plan_says(
    state: str, ago: float, life: str, found: list[e.Fact]
) -> None:
    """What it said last is no reason for its silence."""
    before = life if state == "launched" else "aa"
    one = seen(worker(state, life=before, life_mono=MONO - ago), life=life, why="it reads")

    assert found == facts(deployment(one))


@pytest.mark.parametrize("reason", ["waiting", "limited", "error", "silent"])
def test_a_worker_in_the_same_trouble_as_before_stays_as_it_is(reason: str) -> None:
    one = worker("stuck", reason=reason, stalled_life="aa", life_mono=MONO - AFTER_S)

    assert [] == facts(deployment(seen(one, activity="busy" if reason == "silent" else reason)))


def test_the_same_trouble_after_an_answer_is_another() -> None:
    one = worker("stuck", reason="waiting", stalled_life="aa", life_mono=MONO - AFTER_S, answered=True)

    found = facts(deployment(seen(one, activity="waiting")))

    assert [e.Recovered, e.Stalled] == [type(fact) for fact in found]


@pytest.mark.parametrize(
    ("fields", "said", "why"),
    [
        ({"activity": "busy"}, "it writes", "it writes"),
        ({"activity": "busy"}, "", "signs of life again"),
        ({"activity": "idle", "life": "bb"}, "", "signs of life again"),
    ],
)
@pytest.mark.parametrize("reason", ["waiting", "limited", "error"])
def test_a_worker_recovers_when_its_client_shows_the_trouble_no_more(
    reason: str, fields: dict[str, object], said: str, why: str
) -> None:
    one = seen(worker("stuck", reason=reason, stalled_life="aa"), why=said, **fields)

    assert [e.Recovered(why=why)] == facts(deployment(one))


@pytest.mark.parametrize(
    ("fields", "recovers"),
    [({}, False), ({"activity": "busy"}, False), ({"life": "bb"}, True), ({"working": 4990.0}, True)],
    ids=str,
)
@pytest.mark.parametrize("ago", [0.0, AFTER_S])
def test_a_silent_worker_recovers_when_something_moves_or_a_tool_of_it_works(
    fields: dict[str, object], recovers: bool, ago: float
) -> None:
    """Its own screen is no sign: a client that hangs shows that it is busy for ever."""
    one = seen(worker("stuck", reason="silent", stalled_life="aa", life_mono=MONO - ago), **fields)
    if "working" in fields:
        one.life_mono = MONO  # as a look applies it

    assert recovers == bool(facts(deployment(one)))


@pytest.mark.parametrize("before", ["waiting", "limited", "error", "silent"])
@pytest.mark.parametrize("now", ["waiting", "limited", "error"])
def test_another_trouble_is_recorded_as_a_recovery_and_a_new_stall(before: str, now: str) -> None:
    one = seen(worker("stuck", reason=before, stalled_life="aa"), activity=now, why="it says")
    found = facts(deployment(one))

    assert ([] if before == now else [e.Recovered(why="it says"), e.Stalled(reason=now, why="it says")]) == found


def test_a_trouble_that_gives_way_to_silence_is_a_recovery_and_a_stall() -> None:
    one = seen(worker("stuck", reason="waiting", life_mono=MONO - AFTER_S))

    expected = [e.Recovered(why="signs of life again"), e.Stalled(reason="silent", why="no sign of life for 600 s")]
    assert expected == facts(deployment(one))


@pytest.mark.parametrize(("refused", "more"), [(("/etc/a",), ""), (("/etc/b", "/etc/a"), " and 1 more")])
def test_what_the_confinement_refused_is_said_where_a_worker_ends_or_gets_stuck(
    refused: tuple[str, ...], more: str
) -> None:
    said = f"may not write to /etc/a{more}, its output says"
    ended = seen(worker("running"), session="exited", why="ended", refused=refused)
    bare = seen(worker("running"), session="exited", refused=refused)
    asks = seen(worker("running"), activity="waiting", why="asks", refused=refused)
    silent = seen(worker("running", life_mono=MONO - AFTER_S), why="it read", refused=refused)

    found = [facts(deployment(one))[0] for one in (ended, bare, asks, silent)]

    assert [f"ended; {said}", said, f"asks; {said}", f"no sign of life for 600 s; {said}"] == [
        fact.why for fact in found if isinstance(fact, e.Exited | e.Stalled)
    ]


# Who is asked


def test_only_an_observation_of_the_present_attempt_counts() -> None:
    assert [] == facts(deployment(seen(worker("running"), attempt=2, session="exited")))
    assert [] == facts(deployment(worker("running", life_mono=0.0)))


def test_every_worker_moves_by_what_was_seen_of_it() -> None:
    d = deployment(
        seen(worker("running", "a"), session="exited", why="over"),
        worker("running", "b"),
        seen(worker("launched", "c"), why="it reads"),
    )

    assert [("a", e.Exited(why="over")), ("c", e.Started(why="it reads"))] == moves(d)


@pytest.mark.parametrize("state", ["running", "exited", "verified"])
def test_a_text_that_was_typed_is_settled_before_its_worker_moves_whatever_its_state(state: str) -> None:
    one = seen(worker(state, attempt=3, prompt=9), attempt=3, prompt="heard", session="exited", code=0)
    d = deployment(one)
    d.intents[9] = OpenIntent(seq=9, action="nudge", at=NOW, worker="w", confirm=True)
    heard = [draft for draft in transitions(d) if isinstance(draft.data, e.Confirmed)]

    assert heard == transitions(d)[:1]
    assert [("w", 3, 9)] == [(draft.worker, draft.attempt, draft.data.intent) for draft in heard]  # type: ignore[attr-defined] # chosen above


def test_a_transition_bears_its_attempt_and_both_states() -> None:
    one = seen(worker("launched", attempt=4, life_mono=MONO - AFTER_S), attempt=4)

    found = [(draft.worker, draft.attempt, draft.source, draft.to) for draft in transitions(deployment(one))]

    assert [("w", 4, "launched", "running"), ("w", 4, "running", "stuck")] == found


# In logs of the edition that remembers what was tried

QUIETLY: dict[str, Any] = {"life_mono": MONO - AFTER_S}
RESTED: dict[str, Any] = {"idle": 2, "tried": ("capture", "nudge")}
IDLE: dict[str, Any] = {"activity": "idle"}
TROUBLES: list[tuple[dict[str, Any], dict[str, Any], bool, str]] = [
    ({}, {"activity": "waiting"}, False, "waiting"),
    ({}, {"activity": "limited"}, False, "limited"),
    ({}, {"activity": "error"}, False, "error"),
    (QUIETLY, {}, False, "silent"),
    ({"life_mono": MONO - AFTER_S + 1}, {}, False, ""),
    (QUIETLY, {"life": "bb"}, False, ""),
    ({"background_mono": MONO - 3600}, {"background": True}, False, "background"),
    ({"background_mono": MONO - 3599, **QUIETLY}, {"background": True}, False, ""),
    (QUIETLY | {"means": "asks"}, IDLE, False, "asks"),  # its last words tell, as it has not done its share
    (QUIETLY | {"means": "asks"}, IDLE, True, "silent"),
    (QUIETLY | {"means": "asks"}, {}, False, "silent"),
    (QUIETLY, IDLE, False, "silent"),
    (RESTED, IDLE, False, "silent"),  # it has answered a nudge and rests again: there is nothing to wait for
    (RESTED | {"means": "claims"}, IDLE, False, "claims"),
    (RESTED | {"idle": 1}, IDLE, False, ""),
    (RESTED | {"idle": 3}, IDLE, False, "silent"),
    (RESTED | {"tried": ("capture",)}, IDLE, False, ""),
    (RESTED | {"tried": ("nudge", "ask")}, IDLE, False, ""),
    (RESTED | {"tried": (), "barred": ("nudge",)}, IDLE, False, "silent"),
    (RESTED, IDLE, True, ""),
    (RESTED, {"activity": "busy"}, False, ""),
    ({"ending": "wakeman"}, {"activity": "waiting"}, False, ""),
]
"""What is known of a worker at work, what is seen of it, whether its share is done, and in which trouble it is."""


def stall(d: Deployment, edition: int = EDITION_PROGRESS_MIN) -> e.Stalled | None:
    d.edition = edition
    return next((fact for fact in facts(d) if isinstance(fact, e.Stalled)), None)


@pytest.mark.parametrize(("known", "shown", "done", "reason"), TROUBLES, ids=str)
def test_a_worker_is_stuck_by_what_it_shows_or_by_how_long_it_shows_nothing(
    known: dict[str, Any], shown: dict[str, Any], done: bool, reason: str
) -> None:
    found = stall(deployment(seen(worker("running", **known), **shown), done=done))

    assert reason == (found.reason if found else "")


def test_a_worker_with_one_unit_left_has_not_done_its_share() -> None:
    one = seen(worker("running", units=["w/1", "w/2"], means="asks", **QUIETLY), **IDLE)
    d = deployment(one)
    d.units["w/1"].verdict = Verdict("w/1", marks=MARKS)
    found = stall(d)

    assert found is not None
    assert "asks" == found.reason


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({"reason": "waiting", "ending": "wakeman"}, {}),  # it is being ended: its trouble is what it was
        ({"reason": "silent", "stalled_life": "aa", "means": "asks", **QUIETLY}, IDLE),
    ],
    ids=str,
)
def test_a_stuck_worker_of_whom_nothing_else_is_seen_stays_so(known: dict[str, Any], shown: dict[str, Any]) -> None:
    d = deployment(seen(worker("stuck", **known), **shown))
    d.edition = EDITION_PROGRESS_MIN

    assert [] == facts(d)


@pytest.mark.parametrize("shown", [{"background": True}, {"working": 3.0}], ids=str)
def test_a_silent_worker_recovers_with_work_in_the_background_too(shown: dict[str, Any]) -> None:
    d = deployment(seen(worker("stuck", reason="silent", stalled_life="aa", background_mono=MONO), **shown))
    d.edition = EDITION_PROGRESS_MIN

    assert [e.Recovered] == [type(fact) for fact in facts(d)]


@pytest.mark.parametrize(
    ("shown", "edition", "said"),
    [
        (IDLE, EDITION_PROGRESS_MIN, "Which?"),
        (IDLE, 2, ""),
        ({}, EDITION_PROGRESS_MIN, ""),
        ({"activity": "waiting"}, EDITION_PROGRESS_MIN, ""),
        (IDLE | {"background": True}, EDITION_PROGRESS_MIN, ""),  # what it left in the background is not at rest
    ],
    ids=str,
)
def test_the_last_words_of_a_worker_at_rest_are_kept_where_it_gets_stuck(
    shown: dict[str, Any], edition: int, said: str
) -> None:
    one = worker("running", said="Which?", background_mono=MONO - 3600, **QUIETLY)
    found = stall(deployment(seen(one, **shown)), edition)

    assert found is not None
    assert said == found.said


@pytest.mark.parametrize(
    ("shown", "edition", "fault"),
    [
        ({"activity": "limited"}, EDITION_PROGRESS_MIN, "outage"),
        ({"activity": "limited"}, 2, ""),
        ({}, EDITION_PROGRESS_MIN, ""),
    ],
    ids=str,
)
def test_a_refusal_is_of_the_trouble_that_shows_it(shown: dict[str, Any], edition: int, fault: str) -> None:
    found = stall(deployment(seen(worker("running", **QUIETLY), fault="outage", **shown)), edition)

    assert found is not None
    assert fault == found.fault


def test_work_in_the_background_is_told_with_how_long_and_what() -> None:
    one = seen(worker("running", background_mono=MONO - 3700), background=True, why="a shell runs")
    found = stall(deployment(one))

    assert found is not None
    assert "no other sign of life for 3700 s: a shell runs" == found.why


@pytest.mark.parametrize(
    ("barred", "then", "now", "told"),
    [
        ("a key was refused", "k1", "k2", True),
        ("a key was refused", "k1", "k1", False),
        ("a key was refused", "", "k2", False),  # what held them then is not known
        ("", "k1", "k2", False),
    ],
)
def test_launches_are_barred_until_what_holds_the_keys_has_changed(
    barred: str, then: str, now: str, told: bool
) -> None:
    d = deployment()
    d.barred, d.barred_keys, d.keys = barred, then, now

    assert told == bool(lifted(d))
