"""Which notices are sent, once each, in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

import msgspec
import pytest

from wakeman.core.log import events as e
from wakeman.core.model import (
    INTERNAL_ERROR,
    Alarm,
    CleanupSpec,
    Deployment,
    FileFingerprint,
    LimitsSpec,
    Observation,
    OpenIntent,
    Plan,
    Review,
    ReviewSpec,
    StuckSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Usage,
    Verdict,
    VerifySpec,
    WakeSpec,
    WakeTarget,
    WatchSpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy import notice
from wakeman.core.policy.tables import Decision

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
SLEEP = Decision(row="sleep")
T = TypeVar("T", Deployment, WorkerState)


def changed(what: T, **fields: object) -> T:
    """Return a deployment or a worker with these fields."""
    for key, value in fields.items():
        setattr(what, key, value)
    return what


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


FRAME = "AT wake-up: night: sleep: 0/1 done, {} you ({}). Next: wakeman status night. Do not do the units yourself."
ROOM = notice.NOTICE_CHARS_MAX - len(FRAME.format("9 need", ""))
"""Characters of questions that several workers may have in a notice."""


@pytest.mark.parametrize(
    ("lengths", "told"),
    [
        ([10], 1),
        ([10, 10, 10], 3),
        ([ROOM // 2, ROOM - ROOM // 2 - len("; ")], 2),
        ([ROOM // 2, ROOM - ROOM // 2 - len("; ") + 1], 1),
        ([ROOM - 1], 1),
        ([ROOM], 0),
        ([ROOM, 10], 0),
        ([10, 10, ROOM], 2),
        ([10, ROOM, 10], 1),
        ([10, 10, 10, ROOM], 3),
        ([ROOM + 10], 0),
        ([ROOM + 10, 10], 0),
    ],
    ids=str,
)
def test_of_many_questions_the_first_are_told_whole_and_the_others_counted(lengths: list[int], told: int) -> None:
    says = [str(n) * length for n, length in enumerate(lengths)]
    due = [notice.Cause("ask", each[:1], each) for each in says]

    text = notice.message(changed(night(), edition=2), SLEEP, due)

    words = [*says[:told], *([f"{len(says) - told} more"] if told < len(says) else [])]
    count = "1 needs" if len(says) == 1 else f"{len(says)} need"
    assert FRAME.format(count, "; ".join(words)) == text
    assert len(text) <= notice.NOTICE_CHARS_MAX


def test_a_person_is_needed_while_a_question_stands() -> None:
    blind = WorkerState(name="w", session="w", state="running", unknowns=3)
    held, broken = night(), night()
    held.held, broken.failed_launches = "wrap up", 3

    assert [True, True, True, True, False] == [
        notice.asking(d) for d in (night(stuck()), night(blind), held, broken, night())
    ]


@pytest.mark.parametrize(("looked_at", "since"), [(None, None), (NOW, None), (None, NOW)])
def test_a_worker_whose_age_is_unknown_is_told_without_it(looked_at: datetime | None, since: datetime | None) -> None:
    """So it is with one that was never launched: nobody knows whether its first session came about."""
    d = changed(night(stuck(since=since)), looked_at=looked_at)

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


def under(d: Deployment, **tables: object) -> Deployment:
    """Return the deployment with these tables of its plan."""
    d.plan = msgspec.structs.replace(d.plan, **tables)
    return d


def spending(**fields: object) -> Deployment:
    w = WorkerState(name="w", session="w", units=["a"], usage=Usage(cost=2.0))
    return under(night(changed(w, **fields)), limits=LimitsSpec(max_cost=1.0))


def of(**fields: object) -> Deployment:
    """Return a deployment of one worker of these fields, who is otherwise at work."""
    return night(changed(WorkerState(name="w", session="w", state="running", units=["a"]), **fields))


def unlaunched(name: str, why: str, over: float, by: Any = "launch") -> WorkerState:
    """Return a worker that has ended, and gets no other attempt."""
    return WorkerState(name=name, session=name, state="exited", ended_by=by, why=why, over=over)


def left(processes: int, ends: int) -> Deployment:
    seen = Observation(worker="w", attempt=1, session="exited", processes=processes)
    return of(state="exited", attempt=1, ended_by="itself", code=0, observation=seen, ends=ends)


def reviewing(*, rounds: int = 1, heard: bool = True, reviews: int = 1, **reviewer: object) -> Deployment:
    """Give a unit that changed behind its review, and the reviewer, who has ended without a verdict if not `heard`."""
    judge = WorkerState(name="review_1", session="r", units=["review_1"], review=1, state="exited", attempt=1, spent=2)
    judge.ended_by, judge.code = "itself", 0
    d = under(night(WorkerState(name="w", session="w", state="verified", units=["a"])), verify=VerifySpec(agent="j"))
    d.plan = msgspec.structs.replace(
        d.plan, verify=VerifySpec(agent="judge", review=ReviewSpec(of="all", rounds=rounds))
    )
    d.workers["review_1"] = changed(judge, **reviewer)
    d.units["review_1"] = UnitState(unit=Unit(name="review_1", outputs=("v",)), worker="review_1")
    d.units["a"].verdict, d.units["a"].reviews = Verdict("a", marks=(FileFingerprint("o", 1, 2, 3),)), reviews
    d.reviews["review_1"] = Review(round=1, units=("a",), heard=heard)
    return d


def with_another(d: Deployment) -> Deployment:
    """Return the deployment with a second unit, which is as the first."""
    d.units["b"] = msgspec.structs.replace(d.units["a"], unit=Unit(name="b", outputs=("p",)))
    return d


def awaited(d: Deployment) -> Deployment:
    """Return the deployment with a second reviewer, who is at work."""
    d.workers["review_2"] = WorkerState(name="review_2", session="r2", units=["review_2"], review=2, state="running")
    d.units["review_2"] = UnitState(unit=Unit(name="review_2", outputs=("v2",)), worker="review_2")
    d.reviews["review_2"] = Review(round=2, units=("a",))
    return d


GENERATION = {"generation": 4}
ALARM = Alarm(kind="at", generation=4, due=NOW)
UNSEEN = Observation("w", 0, "unknown", why=f"{INTERNAL_ERROR} KeyError")
NO_VERDICT = "review_1 gave no verdict: wakeman retry night/review_1, or waive review_1"

TROUBLES: list[tuple[str, Deployment, list[tuple[str, str]]]] = [
    ("nothing", night(), []),
    ("a question", night(stuck()), [("ask:w:0:waiting:34fc8027", "w: waiting: asks for it, 12 min")]),
    (
        "an error",
        night(stuck(reason="error", attempt=2)),
        [("ask:w:2:error:34fc8027", "w: error: asks for it, 12 min")],
    ),
    ("silence", night(stuck(reason="silent")), [("ask:w:0:silent:", "w: silent: asks for it, 12 min")]),
    ("nobody asked of it", night(stuck(asked=False)), []),
    ("it has ended since", night(stuck(state="exited", ended_by="itself", code=0)), []),
    (
        "its next launch is in doubt",
        night(stuck(state="exited", reason="", why="found nothing", intent=7)),
        [("ask:w:0::", "w: launch: found nothing, 12 min")],
    ),
    ("two looks that could not tell", of(unknowns=2), []),
    ("three looks that could not tell", of(unknowns=3), [("ask:blind", "tmux does not answer")]),
    (
        "one of several cannot be seen",
        night(stuck(asked=False), stuck(name="v", asked=False, unknowns=4)),
        [("ask:blind", "tmux does not answer")],
    ),
    ("two launches failed", changed(of(), failed_launches=2), []),
    ("three launches failed", changed(of(), failed_launches=3), [("ask:launches", "3 launches in a row failed")]),
    ("the disk", changed(of(), full="x"), [("ask:disk", "the disk is full: nobody is launched until there is room")]),
    ("a key", changed(of(), barred="401\n"), [("ask:barred", "no launches: 401: wakeman unpause")]),
    ("spent, and one waits", spending(), [("ask:dear", "limits.max_cost or max_tokens is reached: wakeman amend")]),
    (
        "spent, and one is to be tried again",
        spending(state="exited", ended_by="machine"),
        [("ask:dear", "limits.max_cost or max_tokens is reached: wakeman amend")],
    ),
    (
        "spent, and one of several waits",
        changed(spending(), workers=spending().workers | night(stuck(name="v", asked=False)).workers),
        [("ask:dear", "limits.max_cost or max_tokens is reached: wakeman amend")],
    ),
    ("spent, and all are at work", spending(state="running"), []),
    ("not spent", under(spending(), limits=LimitsSpec(max_cost=9.0)), []),
    (
        "a write out of place",
        changed(of(), trespassed={"x": NOW}, trespass="x (nobody's)\x07 by w"),
        [("ask:conflict:1", "1 writes out of place, the last x (nobody's) by w")],
    ),
    ("no alarm", changed(of(), **GENERATION), [("ask:alarm", "no alarm can be set: wakeman doctor")]),
    ("no alarm yet", of(), []),
    ("an alarm", changed(of(), alarm=ALARM, **GENERATION), []),
    ("no alarm while paused", changed(of(), paused_at=NOW, **GENERATION), []),
    ("no alarm once closed", changed(of(), outcome="partial", **GENERATION), []),
    (
        "a promotion that does not come about",
        changed(of(), intents={7: OpenIntent(seq=7, action="install", at=NOW, worker="w", target="a\t1")}, row_at=NOW),
        [("ask:place:7", "a 1 passes and cannot be taken over: wakeman log")],
    ),
    (
        "no memory",
        changed(under(of(state="pending"), limits=LimitsSpec(memory=9)), memory=1),
        [("ask:memory", "too little free memory to start anybody")],
    ),
    ("processes that a KILL leaves", left(2, ends=4), [("ask:left:w:1", "w: 2 of its processes outlive a KILL")]),
    ("processes that may still end", left(2, ends=3), []),
    ("no process is left", left(0, ends=4), []),
    ("a reviewer without a verdict", reviewing(heard=False), [("ask:review:review_1:1", NO_VERDICT)]),
    ("a reviewer that is tried again", reviewing(heard=False, spent=1), []),
    ("a reviewer whose verdict is there", reviewing(heard=False, state="verified"), []),
    (
        "a reviewer whose processes are left",
        reviewing(heard=False, observation=Observation("review_1", 1, "exited", processes=1)),
        [],
    ),
    (
        "changed behind the last review",
        reviewing(),
        [("ask:review:late:1", "a changed behind its last review: wakeman waive, or reject")],
    ),
    (
        "several changed behind the last review",
        with_another(reviewing()),
        [("ask:review:late:1", "a changed behind its last review: wakeman waive, or reject")],
    ),
    (
        "of two, one whom an error of ours hides",
        night(stuck(asked=False, unknowns=3, observation=UNSEEN), stuck(name="v", asked=False)),
        [("ask:unseen:w:0", "w cannot be looked at, by an error of Wakeman's own")],
    ),
    (
        "a key, in words of ours",
        changed(of(), barred="401\n", edition=2),
        [("ask:barred", "no launches: a key or a login was refused: wakeman unpause")],
    ),
    (
        "a question, in words of ours",
        changed(night(stuck()), edition=2),
        [("ask:w:0:waiting:34fc8027", "w: waiting: asks for something, 12 min")],
    ),
    (
        "changed behind the last review, with its name as a quotation",
        changed(reviewing(), edition=2),
        [("ask:review:late:1", '"a" changed behind its last review: wakeman waive, or reject')],
    ),
    (
        "three launches failed, for reasons that are known",
        changed(
            night(unlaunched("v", "no room", 5.0), unlaunched("w", "no tmux", 9.0), unlaunched("x", "old", 1.0)),
            failed_launches=3,
        ),
        [("ask:launches", "3 launches in a row failed: no tmux")],
    ),
    (
        "three launches failed, and another has ended since",
        changed(night(unlaunched("v", "no room", 5.0), unlaunched("w", "over", 9.0, by="itself")), failed_launches=3),
        [("ask:launches", "3 launches in a row failed: no room")],
    ),
    ("changed, with a round left", reviewing(rounds=2), []),
    ("changed, with another verdict to come", awaited(reviewing()), []),
]


@pytest.mark.parametrize(("d", "causes"), [pytest.param(d, causes, id=name) for name, d, causes in TROUBLES])
def test_each_trouble_that_needs_a_person_is_named_and_no_other(d: Deployment, causes: list[tuple[str, str]]) -> None:
    found = notice.causes(d, SLEEP, "exit:1")

    assert causes == [(cause.key, cause.says) for cause in found]
    assert {"ask"} >= {cause.kind for cause in found}


@pytest.mark.parametrize(("d", "causes"), [pytest.param(d, causes, id=name) for name, d, causes in TROUBLES])
def test_a_person_is_needed_by_every_trouble_that_only_a_person_ends(
    d: Deployment, causes: list[tuple[str, str]]
) -> None:
    """What ends by itself is told and asks for nobody: a write out of place, processes that are left."""
    passing = ("ask:conflict", "ask:left")

    assert any(not key.startswith(passing) for key, _ in causes) == notice.asking(d)


def test_a_row_that_is_proposed_needs_a_person() -> None:
    assert notice.asking(changed(of(), held="clean up"))


ROWS: list[tuple[Decision, dict[str, object], list[tuple[str, str, str]]]] = [
    (Decision("wrap up", ("close",)), {"rows": {"wrap up": 2}}, [("wrap up", "wrap up:2", "")]),
    (Decision("clean up", ("enrol",)), {}, [("clean up", "clean up:0", "")]),
    (Decision("give up", ("close",)), {}, [("give up", "give up:0", "")]),
    (Decision("give up", ("end",)), {}, []),
    (Decision("launch", ("launch",)), {}, []),
    (Decision("wrap up", held=True), {"holds": 2}, [("ask", "ask:held:wrap up:3", "waits for accept")]),
    (Decision("sleep", under="wrap up"), {"holds": 3}, [("ask", "ask:held:wrap up:3", "waits for accept")]),
    (Decision("give up", ("end",), held=True), {}, [("ask", "ask:held:give up:1", "waits for accept")]),
]


@pytest.mark.parametrize(("decision", "fields", "told"), ROWS)
def test_a_row_is_told_when_it_is_taken_to_its_end_and_asked_of_when_it_is_proposed(
    decision: Decision, fields: dict[str, object], told: list[tuple[str, str, str]]
) -> None:
    found = notice.causes(changed(of(), **fields), decision, "exit:1")

    assert told == [(cause.kind, cause.key, cause.says) for cause in found]


def test_what_was_told_and_is_no_question_is_never_told_again() -> None:
    d = night(on=("ask", "wrap up"))
    wrap_up = Decision("wrap up", ("close",))
    first = told(d, wrap_up)
    d.woken = dict.fromkeys(first, NOW - timedelta(days=9))

    assert (["wrap up:0"], []) == (first, told(d, wrap_up))


def test_another_permission_is_another_question_and_more_silence_is_not() -> None:
    asks = {why: told(night(stuck(why=why))) for why in ("may I?", "may I not?")}
    silent = {why: told(night(stuck(reason="silent", why=why))) for why in ("600 s", "900 s")}

    assert (2, 1) == (len({*map(tuple, asks.values())}), len({*map(tuple, silent.values())}))


def test_a_notice_that_is_due_is_written_as_an_intent_with_its_causes_and_none_is_otherwise() -> None:
    d = night(stuck())

    (draft,) = notice.telling(d, SLEEP, "exit:1", NOW)

    assert isinstance(draft.data, e.Intended)
    assert ("wake", ("ask:w:0:waiting:34fc8027",)) == (draft.data.action, draft.data.causes)
    assert notice.message(d, SLEEP, notice.causes(d, SLEEP, "exit:1")) == draft.data.text
    d.woken = dict.fromkeys(draft.data.causes, NOW)
    assert [] == notice.telling(d, SLEEP, "exit:1", NOW)


TREES = WorkersSpec(isolate="worktree")


@pytest.mark.parametrize(
    ("decision", "workers", "done", "text"),
    [
        (SLEEP, [], False, "sleep: 0/1 done. Next: wakeman status night."),
        (SLEEP, [], True, "sleep: 1/1 done. Next: wakeman status night."),
        (
            SLEEP,
            [stuck(), stuck(name="v", reason="error")],
            False,
            (
                "sleep: 0/1 done, 2 need you (w: waiting: asks for it, 12 min; v: error: asks for it, 12 min). "
                "Next: wakeman status night."
            ),
        ),
        (
            Decision("wrap up", held=True),
            [],
            True,
            "wrap up: 1/1 done, 1 needs you (waits for accept). Next: wakeman accept night.",
        ),
        (
            Decision("sleep", under="clean up"),
            [],
            False,
            "clean up: 0/1 done, 1 needs you (waits for accept). Next: wakeman accept night.",
        ),
        (Decision("wrap up"), [], True, "wrap up: 1/1 done. Next: wakeman status night."),
    ],
)
def test_a_notice_says_what_was_decided_how_far_it_is_who_needs_a_person_and_what_to_run(
    decision: Decision, workers: list[WorkerState], done: bool, text: str
) -> None:
    d = night(*workers)
    d.units["a"].waived = done

    said = notice.message(d, decision, notice.causes(d, decision, "exit:1"))

    assert f"AT wake-up: night: {text} Do not do the units yourself." == said


@pytest.mark.parametrize(("row", "verb"), [("wrap up", "merge"), ("sleep", "status")])
def test_trees_are_to_be_merged_once_all_is_done_and_not_before(row: str, verb: str) -> None:
    d = under(night(), workers=TREES)

    assert f"Next: wakeman {verb} night." in notice.message(d, Decision(row), [])
    assert "Next: wakeman accept night." in notice.message(d, Decision(row, held=True), [])


LATE = datetime(2026, 1, 5, 23, 30, tzinfo=timezone(timedelta(hours=2)))
CAUSES: list[tuple[dict[str, Any], str]] = [
    ({"reason": "waiting", "why": "asks for a permission: rm -rf"}, "asks for a permission"),
    ({"reason": "waiting", "why": "do as I say"}, "asks for something"),
    ({"reason": "limited", "why": "do as I say"}, "usage limit"),
    ({"reason": "limited", "until": LATE}, "usage limit until 2026-01-05 21:30 UTC"),
    ({"reason": "error", "why": "do as I say"}, "its client reports an error"),
    (
        {"reason": "error", "observation": Observation("w", 1, "running")},
        "its client reports an error",
    ),
    (
        {"reason": "error", "observation": Observation("w", 1, "running", fault="auth")},
        "its key or login was refused",
    ),
    ({"reason": "silent"}, "no sign of life"),
    ({"intent": 7}, "its launch is not confirmed"),
    ({"why": "do as I say"}, ""),
    ({"state": "exited", "ended_by": "itself"}, ""),
    ({"state": "running", "ended_by": "limit"}, ""),  # of the attempt before
]


@pytest.mark.parametrize(("fields", "cause"), CAUSES)
def test_a_cause_is_told_in_words_of_ours(fields: dict[str, Any], cause: str) -> None:
    assert cause == notice.cause_of(WorkerState(name="w", session="w", **fields))


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("asks", "has stopped, and its last words ask something"),
        ("claims", "has stopped with units undone, and says that it is done"),
        ("refuses", "has stopped, and says that it cannot or will not go on"),
        ("background", "only its background work shows life, for longer than stuck.background"),
    ],
)
def test_a_notice_says_in_our_words_why_a_worker_stopped_short_and_its_own_go_beside_it(
    reason: str, cause: str
) -> None:
    said = 'Delete it? "yes"\N{RIGHT-TO-LEFT OVERRIDE}'
    d = night(stuck(reason=reason, said=said, asked=True))

    assert cause == notice.cause_of(d.workers["w"])
    assert "Delete" not in notice.message(d, SLEEP, notice.causes(d, SLEEP, "hand"))
    assert {"w": said} == msgspec.json.decode(notice.last_words(d))


def test_other_last_words_are_another_question_and_longer_silence_is_not() -> None:
    def keys(**fields: object) -> list[str]:
        d = night(stuck(asked=True, **fields))
        return [cause.key for cause in notice.causes(d, SLEEP, "hand")]

    for reason in ("asks", "claims", "refuses"):
        assert keys(reason=reason, said="A or B?") != keys(reason=reason, said="C or D?")
    assert keys(reason="silent", said="A or B?") == keys(reason="silent", said="C or D?")


@pytest.mark.parametrize(
    ("fields", "waits", "needed"),
    [
        ({}, True, True),
        ({"asked": True}, True, False),
        ({"state": "running"}, True, False),
        ({"reason": "limited"}, True, False),
        ({"reason": "limited"}, False, True),
        ({"reason": "silent"}, True, False),
    ],
    ids=str,
)
def test_a_stuck_worker_for_which_nothing_is_left_to_try_is_given_up(
    fields: dict[str, Any], *, waits: bool, needed: bool
) -> None:
    ladders, limits = StuckSpec(waiting=(), limited=()), LimitsSpec(wait=waits)
    d = under(night(stuck(**{"asked": False, **fields})), stuck=ladders, limits=limits)

    assert needed == notice.given_up(d, d.workers["w"])


def spent(**fields: object) -> WorkerState:
    """Return a worker that has ended for good and left its unit undone."""
    return changed(
        WorkerState(name="w", session="w", state="exited", units=["a"], attempt=2, spent=2, ended_by="itself", code=1),
        **fields,
    )


@pytest.mark.parametrize(
    ("fields", "rounds", "out"),
    [
        ({}, {"a": 1}, True),
        ({}, {"a": 2}, True),
        ({}, {"a": 0}, False),
        ({"spent": 1}, {"a": 1}, False),
        ({"review": 1}, {"a": 1}, False),
        ({"state": "running"}, {"a": 1}, False),
        ({"state": "pending"}, {"a": 1}, False),
        ({"units": ["a", "b"]}, {"a": 1, "b": 1}, True),
        ({"units": ["a", "b"]}, {"a": 1, "b": 0}, False),
    ],
    ids=str,
)
def test_a_worker_is_exhausted_when_neither_it_nor_a_cleanup_does_what_is_left(
    fields: dict[str, Any], rounds: dict[str, int], *, out: bool
) -> None:
    d = with_another(under(night(spent(**fields)), cleanup=CleanupSpec(rounds=1)))
    for name, count in rounds.items():
        d.units[name].rounds = count

    assert out == notice.exhausted(d, d.workers["w"])


@pytest.mark.parametrize(
    ("fields", "plan", "edition", "decision", "gone"),
    [
        ({}, {}, 8, SLEEP, True),
        ({}, {}, 9, SLEEP, True),
        ({}, {}, 7, SLEEP, False),
        ({}, {}, 8, Decision("wrap up"), False),
        ({}, {"workers": WorkersSpec(sessions="start")}, 8, SLEEP, False),
        ({}, {"cleanup": CleanupSpec(rounds=1)}, 8, SLEEP, False),
        ({"ended_by": "person"}, {}, 8, SLEEP, False),
        ({"state": "running"}, {}, 8, SLEEP, False),
    ],
    ids=str,
)
def test_of_somebody_else_s_session_is_told_that_it_has_ended_and_left_units_undone(
    fields: dict[str, Any], plan: dict[str, Any], edition: int, decision: Decision, *, gone: bool
) -> None:
    watched = {"workers": WorkersSpec(sessions="watch"), "cleanup": CleanupSpec(rounds=0), **plan}
    d = changed(under(night(spent(**fields)), **watched), edition=edition)
    told = [each for each in notice.causes(d, decision, "exit:1") if each.kind == "ask"]

    says = "w: has ended, 1 of its units undone"
    assert [notice.Cause("ask", "ask:w:2:gone", says, "spent", "w")] * gone == told


def test_what_is_done_or_waits_to_be_taken_over_exhausts_nobody() -> None:
    d = under(night(spent()), cleanup=CleanupSpec(rounds=0), workers=WorkersSpec(stage=True))
    taken = OpenIntent(seq=7, action="install", at=NOW, worker="w", target="a")
    out = [notice.exhausted(changed(d, intents=opened), d.workers["w"]) for opened in ({}, {7: taken})]
    d.intents, d.units["a"].waived = {}, True

    assert ([True, False], False) == (out, notice.exhausted(d, d.workers["w"]))


@pytest.mark.parametrize(
    ("workers", "says"),
    [
        ([], "a key or a login was refused"),
        ([("no credit", "billing")], "nothing is left to pay with"),
        ([("no credit", "auth")], "a key or a login was refused"),
        ([("401", "auth"), ("no credit", "billing")], "nothing is left to pay with"),
        ([("another", "billing")], "a key or a login was refused"),
        ([("no credit", "outage"), ("no credit", "billing")], "nothing is left to pay with"),
        ([("another", "billing"), ("no credit", "auth")], "a key or a login was refused"),
    ],
    ids=str,
)
def test_a_refusal_that_bars_launches_is_told_by_the_fault_of_the_worker_that_met_it(
    workers: list[tuple[str, Any]], says: str
) -> None:
    met = [unlaunched(f"w{at}", why, 1.0, "itself") for at, (why, _) in enumerate(workers)]
    for one, (_, fault) in zip(met, workers, strict=True):
        one.fault = fault
    d = changed(night(*met), barred="no credit")

    assert (says, f"no launches: {says}; put it right, then: wakeman unpause night") == (
        notice.bar_words(d),
        notice.bar(d),
    )


def test_who_has_said_nothing_is_not_among_the_last_words() -> None:
    d = night(stuck(reason="asks", said="Both?"), stuck(name="v", reason="silent"))

    assert {"w": "Both?"} == msgspec.json.decode(notice.last_words(d))


def test_a_program_reads_the_kind_of_a_trouble_and_whose_it_is() -> None:
    unconfirmed = stuck(name="v", state="exited", reason="", why="found nothing", intent=7)

    unheard = stuck(name="u", state="running", reason="", unheard=3)

    assert [("waiting", "w"), ("launch", "v"), ("unheard", "u")] == [
        (each.reason, each.worker) for each in notice.troubles(night(stuck(), unconfirmed, unheard))
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"reason": "silent", "unheard": 1}, "silent"),
        ({"unheard": 1}, "unheard"),
        ({"unheard": 1, "intent": 7}, "launch"),
        ({"intent": 7}, "launch"),
        ({}, "launch"),
    ],
)
def test_a_person_is_asked_for_the_reason_of_a_standstill_or_for_what_nothing_confirms(
    fields: dict[str, Any], reason: str
) -> None:
    assert reason == notice.reason_asked(WorkerState(name="w", session="w", **fields))
