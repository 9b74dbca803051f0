"""Who is told what, once, and in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from wakeman.core.model import (
    Deployment,
    LimitsSpec,
    Plan,
    Unit,
    UnitsSpec,
    UnitState,
    Usage,
    WakeSpec,
    WakeTarget,
    WatchSpec,
    WorkerState,
)
from wakeman.core.policy import notice
from wakeman.core.policy.tables import Decision

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
SLEEP = Decision(row="sleep")


def night(*workers: WorkerState, on: tuple[str, ...] = ("ask",)) -> Deployment:
    wake = WakeSpec(on=on, to=(WakeTarget(run=("tell",)),))  # type: ignore[arg-type] # literals of a parameter
    return Deployment(
        name="night",
        plan=Plan(name="night", units=UnitsSpec(items=("x",)), wake=wake),
        units={"a": UnitState(unit=Unit(name="a", outputs=("o",)), worker="w")},
        workers={w.name: w for w in workers},
        looked_at=NOW,
    )


def stuck(**fields: object) -> WorkerState:
    w = WorkerState(
        name="w", session="w", state="stuck", reason="waiting", why="asks \x1b[31mfor\x1b[0m it", asked=True
    )
    w.since = NOW - timedelta(minutes=12)
    for key, value in fields.items():
        setattr(w, key, value)
    return w


def told(d: Deployment, decision: Decision = SLEEP, by: str = "exit:1") -> list[str]:
    return [cause.key for cause in notice.due_causes(d, notice.causes(d, decision, by), NOW)]


def test_a_trouble_is_told_once_and_again_after_the_reminder() -> None:
    d = night(stuck())
    first = told(d)
    d.woken = {first[0]: NOW - timedelta(seconds=1799)}
    early = told(d)
    d.woken = {first[0]: NOW - timedelta(seconds=1800)}

    assert (["ask:w:0:waiting:34fc8027"], [], first) == (first, early, told(d))


def test_a_refused_key_and_spent_money_are_told() -> None:
    d = night(WorkerState(name="w", session="w", units=["a"], usage=Usage(cost=2.0)))
    d.plan = msgspec.structs.replace(d.plan, limits=LimitsSpec(max_cost=1.0))
    d.barred = "401"

    assert (["ask:barred", "ask:dear"], True) == (told(d), notice.asking(d))


def test_spent_money_is_nobody_s_trouble_when_nobody_waits() -> None:
    d = night(WorkerState(name="w", session="w", state="verified", units=["a"], usage=Usage(cost=2.0)))
    d.plan = msgspec.structs.replace(d.plan, limits=LimitsSpec(max_cost=1.0))

    assert ([], False) == (told(d), notice.asking(d))


def test_what_the_plan_does_not_want_told_is_not_told() -> None:
    assert [] == told(night(stuck(), on=("wrap up",)))


def test_without_a_receiver_nobody_is_told() -> None:
    d = night(stuck())
    d.plan = Plan(name="night", units=UnitsSpec(items=("x",)))

    assert ([], []) == (told(d), told(Deployment()))


def test_every_alarm_is_told_where_the_plan_wants_it() -> None:
    assert (["check:0"], []) == (told(night(on=("check",)), by="at:1"), told(night(on=("check",))))


def test_an_alarm_that_cannot_be_set_is_told() -> None:
    d = night()
    d.generation = 4

    assert ["ask:alarm"] == told(d)


def test_a_notice_is_one_line_without_the_screens_colours() -> None:
    d = night(stuck())

    text = notice.message(d, SLEEP, notice.causes(d, SLEEP, "exit:1"))

    assert (
        "AT wake-up: night: sleep: 0/1 done, 1 needs you (w: waiting: asks for it, 12 min). "
        "Next: wakeman status night. Do not do the units yourself." == text
    )


def test_a_notice_keeps_to_its_length_whatever_it_has_to_tell() -> None:
    many = [stuck(name=f"worker_{n}", why="x" * 300) for n in range(50)]
    d = night(*many)

    text = notice.message(d, SLEEP, notice.causes(d, SLEEP, "exit:1"))

    assert len(text) <= notice.NOTICE_CHARS_MAX
    assert text.endswith("Do not do the units yourself.")


def test_a_person_is_needed_while_a_question_stands() -> None:
    blind = WorkerState(name="w", session="w", state="running", unknowns=3)
    held, broken = night(), night()
    held.held, broken.failed_launches = "wrap up", 3

    assert [True, True, True, True, False] == [
        notice.asking(d) for d in (night(stuck()), night(blind), held, broken, night())
    ]


def test_a_worker_whose_age_is_unknown_is_told_without_it() -> None:
    d = night(stuck(since=None))
    d.looked_at = None

    assert "0 min" in notice.causes(d, SLEEP, "exit:1")[0].says


def test_a_full_disk_is_told_and_needs_a_person() -> None:
    d = night()
    d.full = "no space"

    assert (["ask:disk"], True) == (told(d), notice.asking(d))


def test_writes_out_of_place_are_told_at_the_first_the_tenth_and_the_hundredth() -> None:
    d = night()
    d.trespass = "out/x (nobody's) by w"
    keys = []
    for n in range(1, 101):
        d.trespassed[f"out/{n}"] = NOW
        keys += told(d)
        d.woken.update(dict.fromkeys(told(d), NOW - timedelta(days=1)))

    assert ["ask:conflict:1", "ask:conflict:2", "ask:conflict:3"] == keys
    d.plan = msgspec.structs.replace(d.plan, watch=WatchSpec(conflicts="ignore"))
    d.woken = {}
    assert [] == told(d)
