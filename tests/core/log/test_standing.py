"""What is counted while facts are applied: it changes no decision, it only says of whom none has to be made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.log import NOW, PLAN, Log
from tests.record import SAMPLES
from tests.simulation.night import Night

from wakeman.adapters.eventlog.audit_reader import AuditReader
from wakeman.core.log import events as e
from wakeman.core.log.facts.window import note_refusal
from wakeman.core.log.state import apply, transition
from wakeman.core.model import (
    CleanupSpec,
    Deployment,
    FileFingerprint,
    Host,
    LimitsSpec,
    Observation,
    Plan,
    SweepSpec,
    Unit,
    UnitsSpec,
    Validator,
    Verdict,
    VerifySpec,
    WorkersSpec,
)
from wakeman.core.policy.attempts import grace_left, soonest
from wakeman.core.policy.deployment_rows import count_undone, decide, deployment_facts, undone
from wakeman.core.policy.limits import due_launches, slots, staggered, starved
from wakeman.core.policy.review import count_tasks, tasks
from wakeman.core.policy.transitions import transitions
from wakeman.core.policy.worker_rows import taken

LOGS = sorted(SAMPLES.glob("*/events.jsonl"))
HOST = Host(root="/r", directory="/s/night", python=("wakeman",))
EDITION = 7
SEEDS = range(900, 930)
"""Nights whose logs are read: with retries, cleanup, reviewers, stages, and people who ask for anything."""


def decided(d: Deployment) -> dict[str, object]:
    """Return all that is decided of a deployment."""
    return {
        "transitions": transitions(d),
        "rows": taken(d),
        "row": decide(d),
        "facts": deployment_facts(d),
        "launches": (due_launches(d), staggered(d), starved(d), slots(d)),
        "soon": (soonest(d), grace_left(d)),
        "at work": d.at_work,
        "undone": count_undone(d),
    }


def compare(events: Iterable[e.Event]) -> int:
    """Apply events; after each write compare what is decided with what is decided where all are asked."""
    d, count = Deployment(), 0
    for event in events:
        apply(d, event)
        asked = d.workers.values() if d.in_question is None else [d.workers[name] for name in d.in_question]
        assert list(map(id, asked)) == list(map(id, d.unsettled)), event.seq
        if event.more or d.looked_at is None:
            continue
        everybody = msgspec.structs.replace(d, in_question=None, pending={}, steady={})
        assert decided(everybody) == decided(d), event.seq
        assert len(undone(everybody)) == d.undone
        assert len(tasks(d)) == count_tasks(d)
        for worker in d.workers.values():
            assert worker.undone == sum(not d.units[name].done for name in worker.units)
        order = list(d.workers)
        assert sorted(d.in_question or (), key=order.index) == list(d.in_question or ())
        assert sorted(d.pending, key=order.index) == list(d.pending)
        assert not d.steady.keys() & {*(d.in_question or ()), *d.pending}
        named = {*(d.in_question or ()), *d.steady}
        assert [name for name in order if name in named] == [worker.name for worker in d.begun]
        assert all(d.silent_mono <= d.workers[name].life_mono + d.plan.stuck.after for name in d.steady)
        assert d.scattered or [name for one in d.workers.values() for name in one.units] == list(d.units)
        count += 1
    return count


@pytest.mark.parametrize("log", LOGS, ids=[log.parent.name for log in LOGS])
def test_a_recorded_night_is_decided_as_if_all_workers_were_asked(log: Path) -> None:
    with AuditReader(str(log)) as tape:
        assert compare(tape) > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_simulated_night_is_decided_as_if_all_workers_were_asked(seed: int) -> None:
    night = Night(seed)
    night.play()

    assert compare(night.scene.logs.events("night")) > 3


def launch(night: Log, name: str) -> None:
    """Have a worker launched, in one look's time."""
    intent = e.Intended(action="launch", target=name)
    night.say(intent, worker=name, attempt=1)
    fact = e.Launched(intent=night.d.seq)
    night.say(fact, worker=name, attempt=1, source="pending", to="launched")


def deployment(count: int = 3, *, fresh: bool = True) -> Log:
    """Return a deployment of some workers, each with one unit, that wait for their launch."""
    verify = VerifySpec() if fresh else VerifySpec(fresh="exists")
    plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=WorkersSpec(stagger=0.0), verify=verify)
    night = Log.__new__(Log)
    night.d = Deployment()
    night.say(e.Planned(name="night", plan=plan, digest="d", host=HOST, edition=EDITION))
    for n in range(count):
        night.say(e.Enrolled(session=f"w{n}", units=(Unit(f"u{n}", (f"{n}.out",)),)), worker=f"w{n}")
    night.say(e.Looked(mono=10.0, boot="b"))
    return night


def verify(night: Log, name: str) -> None:
    """Have a launched worker make its unit and end."""
    unit = night.d.workers[name].units[0]
    over = Observation(worker=name, attempt=1, session="exited", code=0, ended_by="itself")
    verdict = Verdict(unit, marks=(FileFingerprint(night.d.units[unit].unit.outputs[0], 9, 9, 9),))
    night.say(e.Looked(mono=20.0, boot="b", observations=(over,), verdicts=(verdict,)))
    for draft in transitions(night.d):
        night.say(draft.data, worker=draft.worker, attempt=draft.attempt, source=draft.source, to=draft.to)


def standing(night: Log) -> tuple[list[str], list[str], int]:
    return list(night.d.in_question or ()), list(night.d.pending), night.d.undone


def test_who_waits_for_a_launch_works_or_is_verified_is_asked_only_while_it_works() -> None:
    night = deployment()
    before = standing(night)
    launch(night, "w0")
    at_work = standing(night)
    verify(night, "w0")

    assert ([], ["w0", "w1", "w2"], 3) == before
    assert (["w0"], ["w1", "w2"], 3) == at_work
    assert ([], ["w1", "w2"], 2) == standing(night)
    assert [(0, False), (1, True), (2, True)] == [(one.number, one.unbegun) for one in night.d.workers.values()]


def test_where_files_of_before_count_those_who_wait_for_a_launch_are_asked() -> None:
    assert (["w0", "w1", "w2"], [], 3) == standing(deployment(fresh=False))


def seen(name: str, life: str = "a", **fields: object) -> Observation:
    """Return an observation of a worker at work."""
    return msgspec.structs.replace(Observation(name, 1, "running", activity="busy", life=life), **fields)


def at_work(count: int = 3, **stuck: object) -> Log:
    """Return a deployment whose workers run, and were seen to at 20 s."""
    night = deployment(count)
    night.d.plan = msgspec.structs.replace(night.d.plan, stuck=msgspec.structs.replace(night.d.plan.stuck, **stuck))
    for name in night.d.workers:
        launch(night, name)
        night.say(e.Started(), worker=name, attempt=1, source="launched", to="running")
    night.say(e.Looked(mono=20.0, boot="b", observations=tuple(map(seen, night.d.workers))))
    return night


def look(night: Log, mono: float, *observations: Observation, boot: str = "b") -> list[str]:
    """Have a look made; return of whom something may have to be decided then."""
    night.say(e.Looked(mono=mono, boot=boot, observations=observations))
    return list(night.d.in_question or ())


def test_of_those_who_run_on_nothing_is_asked_until_they_may_be_silent() -> None:
    night = at_work(after=600.0)
    working = (list(night.d.in_question or ()), list(night.d.steady), [worker.name for worker in night.d.begun])
    asked = [look(night, 300.0, seen("w1", "b")), look(night, 619.9), look(night, 620.0), look(night, 900.0)]

    assert ([], ["w0", "w1", "w2"], ["w0", "w1", "w2"]) == working
    assert [[], [], ["w0", "w2"], ["w0", "w1", "w2"]] == asked
    assert [] == look(night, 901.0, *(seen(f"w{n}", "c") for n in range(3)))


def test_a_silence_of_just_as_long_is_asked_about_although_the_sum_of_its_times_is_rounded_up() -> None:
    night = at_work(1, after=322.1)
    night.say(e.Enrolled(session="w0", units=(Unit("more", ("m",)),)), worker="w0")
    asked = [look(night, 40.297, seen("w0", "b")), look(night, 362.397)]

    assert (True, True) == (362.397 - 40.297 >= 322.1, 40.297 + 322.1 > 362.397)
    assert [[], ["w0"]] == asked


def test_after_a_restart_of_the_machine_silence_is_told_by_its_new_clock() -> None:
    night = at_work(after=600.0)
    asked = [look(night, 1.0, seen("w1"), boot="c"), look(night, 600.0, boot="c"), look(night, 601.0, boot="c")]

    assert [[], [], ["w1"]] == asked
    assert ["w0", "w1", "w2"] == look(night, 620.0, boot="c")


@pytest.mark.parametrize(
    ("fact", "worker"),
    [
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", activity="idle"),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", activity="waiting"),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", session="unknown"),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", background=True),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", shown="x"),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", processes=1),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", given=True),)), None),
        (e.Requested(verb="stop"), "w1"),
        (e.Intended(action="end", ended_by="person"), "w1"),
        (e.Intended(action="nudge", text="x", confirm=True), "w1"),
        (e.Decided(row="warn", looked=1, why="x"), "w1"),
        (e.Conflicted(path="/r/1.out", written=NOW), "w1"),
        (e.Enrolled(session="w1", units=(Unit("more", ("m",)),)), "w1"),
    ],
    ids=str,
)
def test_who_runs_on_is_asked_about_once_anything_else_concerns_it(fact: e.Fact, worker: str | None) -> None:
    night = at_work()
    night.say(fact, worker=worker, attempt=1)

    assert (["w1"], {"w0", "w2"}) == (list(night.d.in_question or ()), set(night.d.steady))


@pytest.mark.parametrize(
    ("fact", "worker"),
    [
        (e.Progressed(written=1, total=1), "w1"),
        (e.Captured(file="x", sha256="0"), "w1"),
        (e.Requested(verb="pause"), None),
        (e.Requested(verb="waive", units=("u1",)), None),
        (e.Looked(mono=30.0, boot="b", verdicts=(Verdict("u1", ("gone",)),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(seen("w1", activity="unknown", said="x"),)), None),
    ],
    ids=str,
)
def test_what_decides_nothing_of_who_runs_on_leaves_it_out_of_question(fact: e.Fact, worker: str | None) -> None:
    night = at_work()
    night.say(fact, worker=worker, attempt=1)

    assert ([], ["w0", "w1", "w2"]) == (list(night.d.in_question or ()), list(night.d.steady))


@pytest.mark.parametrize(
    "fields",
    [
        {"intent": 3}, {"prompt": 3}, {"stop": True}, {"again": True}, {"swept": ("s",)}, {"finishing": True},
        {"reason": "error"}, {"fault": "outage"}, {"until": NOW}, {"unheard": 1}, {"trespasses": 1}, {"ends": 1},
        {"ending": "person"}, {"finished": 1}, {"idle": 1}, {"attempt": 2}, {"state": "stuck"}, {"state": "launched"},
    ],
    ids=str,
)  # fmt: skip
def test_who_is_seen_at_work_stays_in_question_while_anything_is_remarkable_of_it(fields: dict[str, object]) -> None:
    asked = []
    for some in ({}, fields):
        night = at_work()
        night.say(e.Enrolled(session="w1", units=(Unit("more", ("m",)),)), worker="w1")
        for key, value in some.items():
            setattr(night.d.workers["w1"], key, value)
        asked.append(look(night, 40.0, seen("w1", "c")))

    assert [[], ["w1"]] == asked


def test_the_first_who_may_be_silent_is_asked_also_once_another_has_joined_those_who_run_on() -> None:
    night = at_work(2, after=600.0)
    night.say(e.Enrolled(session="w1", units=(Unit("more", ("m",)),)), worker="w1")
    asked = [look(night, 300.0, seen("w1", "b")), look(night, 620.0), look(night, 900.0)]

    assert [[], ["w0"], ["w0", "w1"]] == asked


def test_who_may_be_ended_by_its_age_is_always_asked_about() -> None:
    assert ["w0", "w1"] == list(at_work(2, longest=900.0).d.in_question or ())


def test_an_amendment_asks_about_those_who_run_on_in_the_order_of_enrolment() -> None:
    night = at_work(4)
    look(night, 30.0, seen("w1", activity="idle"))
    look(night, 31.0, seen("w1", "b"))
    look(night, 32.0, seen("w1", "c"))
    steady = list(night.d.steady)
    night.say(e.Amended(plan=night.d.plan, digest="d2"))

    assert (["w0", "w2", "w3", "w1"], ["w0", "w1", "w2", "w3"]) == (steady, list(night.d.in_question or ()))
    assert ({}, ["w0", "w1", "w2", "w3"]) == (night.d.steady, [worker.name for worker in night.d.begun])


def test_a_session_that_one_who_runs_on_has_started_is_ended_once_it_is_too_old() -> None:
    night = at_work(2)
    cleanup = CleanupSpec(sweep=(SweepSpec("val_*"),))
    night.d.plan = msgspec.structs.replace(night.d.plan, cleanup=cleanup)
    old = Validator(session="val_1", session_id="$9", created=NOW - timedelta(days=9), worker="w1")
    night.say(e.Looked(mono=30.0, boot="b", validators=(old,)))

    assert ([], [("w1", "sweep")]) == (
        list(night.d.in_question or ()),
        [(one.worker, one.row) for one in taken(night.d)],
    )


def test_those_who_run_on_are_counted_among_those_alive_when_the_service_refuses_one_of_them() -> None:
    windows = []
    for refused in ("w0", "w1"):
        night = at_work(8)
        night.d.plan = msgspec.structs.replace(night.d.plan, limits=LimitsSpec(adapt=True))
        look(night, 30.0, seen("w0", activity="waiting"))
        note_refusal(night.d, night.d.workers[refused], night.d.seq)
        windows.append(night.d.window)

    assert [4, 4] == windows


def test_those_who_are_asked_stay_in_the_order_of_enrolment() -> None:
    night = deployment()
    launch(night, "w2")
    launch(night, "w0")
    night.say(e.Requested(verb="stop"), worker="w1")

    assert (["w0", "w1", "w2"], [], 3) == standing(night)


@pytest.mark.parametrize(
    ("fact", "worker"),
    [
        (e.Requested(verb="reject", units=("u0",), text="thin"), None),
        (e.Requested(verb="retry"), "w0"),
        (e.Unsynced(unit="u0", why="no room"), None),
        (e.Conflicted(path="/r/1.out", written=NOW), "w0"),
        (e.Looked(mono=30.0, boot="b", verdicts=(Verdict("u0", ("gone",)),)), None),
        (e.Looked(mono=30.0, boot="b", observations=(Observation("w0", 1, "exited", processes=1),)), None),
        (e.Enrolled(session="w0", units=(Unit("more", ("m",)),)), "w0"),
        (e.Enrolled(session="c", moved=("u0",), origin="w0"), "c"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_who_is_verified_is_asked_again_once_something_concerns_it(fact: e.Fact, worker: str | None) -> None:
    night = deployment()
    launch(night, "w0")
    verify(night, "w0")
    night.say(fact, worker=worker)

    assert "w0" in standing(night)[0]


def test_a_launch_that_failed_before_it_was_begun_is_asked_about() -> None:
    night = deployment()
    night.say(e.Effected(intent=0, ok=False, detail="no such program"), worker="w1")

    assert (["w1"], ["w0", "w2"], 3) == standing(night)


def test_after_an_amendment_all_are_asked_and_who_is_dropped_is_counted_no_more() -> None:
    night = deployment()
    night.say(e.Amended(plan=night.d.plan, digest="d2", dropped=("w1",)))
    night.say(e.Enrolled(session="w3", units=(Unit("u3", ("3.out",)),)), worker="w3")

    assert (["w0", "w2"], ["w3"], 3) == standing(night)
    assert ["w0", "w2", "w3"] == due_launches(night.d)


def test_more_units_for_the_last_worker_that_waits_leave_it_waiting() -> None:
    night = deployment()
    night.say(e.Enrolled(session="w2", units=(Unit("more", ("m",)),)), worker="w2")

    assert ([], ["w0", "w1", "w2"], 4, False) == (*standing(night), night.d.scattered)
    night.say(e.Enrolled(session="w0", units=(Unit("other", ("o",)),)), worker="w0")
    assert ([], ["w0", "w1", "w2"], 5, True) == (*standing(night), night.d.scattered)


def test_a_deployment_of_which_nobody_counts_stays_so() -> None:
    night = deployment()
    night.d.in_question, night.d.pending, night.d.undone = None, {}, 0
    for worker in night.d.workers.values():
        worker.undone = 0
    night.say(e.Enrolled(session="w3", units=(Unit("u3", ("3.out",)),)), worker="w3")
    night.say(e.Requested(verb="stop"), worker="w2")
    launch(night, "w0")
    night.say(e.Started(), worker="w0", attempt=1, source="launched", to="running")
    look(night, 15.0, seen("w0"))
    assert ({}, ["w0", "w1", "w2", "w3"]) == (night.d.steady, [worker.name for worker in night.d.begun])
    verify(night, "w0")
    night.say(e.Amended(plan=night.d.plan, digest="d2", dropped=("w1",)))

    assert (None, {}, 0, 0) == (night.d.in_question, night.d.pending, night.d.undone, night.d.workers["w0"].undone)
    assert ("verified", 2) == (night.d.workers["w0"].state, count_undone(night.d))


def made(name: str, *, outputs: bool = True) -> Unit:
    """Return a unit, with an output or none."""
    return Unit(name, (f"{name}.out",) if outputs else ())


GONE = e.Exited(why="there is nothing left to do", ended_by="wakeman")
BEGUN = (e.Launched(intent=0), "w0")
REVIEWER = (e.Enrolled(session="r", units=(made("verdict"),), review=1, reviews=("u0",)), "r")
NEXT_TWO = (e.Enrolled(session="w3", units=(made("u3"), made("u4", outputs=False))), "w3")


@pytest.mark.parametrize(
    ("facts", "asked", "pending", "undone"),
    [
        ([(e.Requested(verb="waive", units=("u1",)), None)], ["w1"], ["w0", "w2"], 2),
        ([(e.Requested(verb="reject", units=("u1",), text="thin"), None)], ["w1"], ["w0", "w2"], 3),
        ([(e.Requested(verb="pause"), None)], [], ["w0", "w1", "w2"], 3),
        ([(GONE, "w1")], ["w1"], ["w0", "w2"], 3),
        ([(e.Enrolled(session="w3"), "w3")], ["w3"], ["w0", "w1", "w2"], 3),
        ([NEXT_TWO], ["w3"], ["w0", "w1", "w2"], 5),
        ([NEXT_TWO, (e.Enrolled(session="w3", units=(made("u5"),)), "w3")], ["w3"], ["w0", "w1", "w2"], 6),
        ([REVIEWER], ["r"], ["w0", "w1", "w2"], 3),
        ([REVIEWER, (e.Amended(plan=PLAN, digest="e", dropped=("r",)), None)], ["w0", "w1", "w2"], [], 3),
        ([BEGUN, (e.Enrolled(session="c", moved=("u1", "u0")), "c")], ["w0", "w1", "c"], ["w2"], 3),
        ([(GONE, "w2"), (e.Enrolled(session="w2", units=(made("u3"),)), "w2")], ["w2"], ["w0", "w1"], 4),
    ],
    ids=[
        "waived", "rejected", "paused", "ended before its launch", "without units", "with a unit without outputs",
        "and another then", "a reviewer", "that is dropped", "with a unit of one that was launched",
        "with another unit once it has ended",
    ],
)  # fmt: skip
def test_each_fact_concerns_these_workers_and_no_others(
    facts: list[tuple[e.Fact, str | None]], asked: list[str], pending: list[str], undone: int
) -> None:
    night = deployment()
    for fact, name in facts:
        moves = name if isinstance(fact, e.Exited | e.Launched) else None
        draft = transition(night.d.workers[moves], fact) if moves else e.Draft(fact)
        night.say(fact, worker=name, attempt=draft.attempt, source=draft.source, to=draft.to)

    assert (asked, pending, undone) == standing(night)


@pytest.mark.parametrize(
    ("fields", "staged", "asked"),
    [
        ({}, False, []),
        ({"undone": 1}, False, ["w0"]),
        ({"observation": Observation("w0", 1, "exited", processes=1)}, False, ["w0"]),
        ({"intent": 3}, False, ["w0"]),
        ({"prompt": 3}, False, ["w0"]),
        ({"trespasses": 1}, False, ["w0"]),
        ({"review": 1}, False, ["w0"]),
        ({}, True, ["w0"]),
    ],
    ids=str,
)
def test_who_is_verified_stays_in_question_while_anything_of_its_own_is_under_way(
    fields: dict[str, object], *, staged: bool, asked: list[str]
) -> None:
    night = deployment(1)
    launch(night, "w0")
    night.d.plan = msgspec.structs.replace(night.d.plan, workers=WorkersSpec(stage=staged))
    worker = night.d.workers["w0"]
    worker.undone, worker.state = 0, "exited"
    for key, value in fields.items():
        setattr(worker, key, value)
    night.say(e.Verified(), worker="w0", source="exited", to="verified")

    assert asked == list(night.d.in_question or ())
