"""What an audit reads of an effect in a log, in the place of the world that performed it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from wakeman.core.log import events as e
from wakeman.core.model import (
    Alarm,
    CleanupSpec,
    Deployment,
    FileFingerprint,
    OpenIntent,
    Plan,
    PromotedFile,
    SweepSpec,
    Unit,
    UnitsSpec,
    UnitState,
    WorkersSpec,
    WorkerState,
)
from wakeman.engine.effects.alarm import Arm, Disarm, FindAlarm, Rearm
from wakeman.engine.effects.capture import Capture
from wakeman.engine.effects.close import Bury, LetGo
from wakeman.engine.effects.end import HangUp, LeaveWord, Unsubmitted
from wakeman.engine.effects.launch import (
    Established,
    Failed,
    MakeSessions,
    MarkAgain,
    Prepare,
    PreparedAttempts,
    Ready,
    Recover,
    Unconfirmed,
)
from wakeman.engine.effects.move import Exists, Rename
from wakeman.engine.effects.press import Press, PressedOrNot
from wakeman.engine.effects.promote import Promote
from wakeman.engine.effects.sweep import EndSession, LeftOver, Next, SessionToEnd
from wakeman.engine.effects.text import PressEnter, ReportedPrompts, Type
from wakeman.engine.workspace import Promoted
from wakeman.ports import Pressing

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)


def line(fact: e.Fact, worker: str | None = "w", seq: int = 9) -> e.Event:
    return e.Event(v=1, seq=seq, at=NOW, by="at:1", worker=worker, attempt=1, data=fact, hash="")


def deployment(**worker: Any) -> Deployment:
    """Give a deployment of one worker, in the fourth generation of its alarm."""
    plan = Plan(name="n", units=UnitsSpec(), cleanup=CleanupSpec(sweep=(SweepSpec("val_*", 60),)))
    built = WorkerState(name="w", session="w")
    for key, value in worker.items():
        setattr(built, key, value)
    return Deployment(name="n", plan=plan, workers={"w": built}, generation=4)


def armed(why: str, generation: int = 5) -> e.Armed:
    return e.Armed(alarm=Alarm(kind="at", generation=generation, due=NOW, job="7"), why=why)


OTHER = e.Noted(text="x")
DONE, FAILED = e.Effected(intent=3, ok=True, detail="new"), e.Effected(intent=3, ok=False, detail="no room")
CONFIRMED = e.Intended(action="nudge", target="w", text="go on", before="aa")
ENDED = e.Intended(action="end", target="w", text="/exit")
MOVED = e.Intended(action="move", target="/a", text="/b")
SWEPT = e.Intended(action="sweep", target="val_1", ended_by="wakeman")
FIRST = FindAlarm("first", NOW)
TYPED = Unsubmitted("w")
WORD, HANG_UP, SCREEN = LeaveWord("w"), HangUp((), (), ()), Capture({"w": "screens/w"})
PLACE, MOVE, NEXT = Exists("/a"), Rename("/a", "/b"), Next(iter(()))
PRESS, PRESSED = Press("w", Pressing("aa")), PressedOrNot(OpenIntent(seq=3, action="press", at=NOW, worker="w"))
SHOT = e.Captured(file="screens/w", sha256="aa")

READ: list[tuple[Any, e.Fact, object]] = [
    (FIRST, armed("first"), False),
    (FIRST, armed("next"), True),
    (FIRST, OTHER, True),
    (Arm("next", NOW), armed("next"), armed("next")),
    (Arm("next", NOW), armed("next", generation=9), armed("next")),
    (Arm("next", NOW), armed("missing"), None),
    (Arm("next", NOW), OTHER, None),
    (Rearm(), armed("head", generation=9), armed("head")),
    (Rearm(), armed("next"), None),
    (Disarm(), e.Disarmed(generation=4), True),
    (Disarm(), OTHER, False),
    (SCREEN, SHOT, {"w": "aa"}),
    (SCREEN, OTHER, {}),
    (Bury(), OTHER, True),
    (Bury(), armed("missing"), False),
    (LetGo(), e.Disarmed(generation=4), True),
    (LetGo(), OTHER, False),
    (PRESS, DONE, ""),
    (PRESS, FAILED, "no room"),
    (PRESS, OTHER, ""),
    (PRESSED, DONE, ""),
    (PRESSED, FAILED, "no room"),
    (WORD, ENDED, "/exit"),
    (WORD, CONFIRMED, ""),
    (WORD, OTHER, ""),
    (TYPED, e.Intended(action="end", target="w", line="half typed"), "half typed"),
    (TYPED, ENDED, ""),
    (TYPED, OTHER, ""),
    (HANG_UP, OTHER, "x"),
    (HANG_UP, DONE, ""),
    (PLACE, MOVED, True),
    (PLACE, e.Intended(action="move", target="/c"), False),
    (PLACE, e.Intended(action="end", target="/a"), False),
    (PLACE, OTHER, False),
    (MOVE, DONE, (True, "new")),
    (MOVE, FAILED, (False, "no room")),
    (MOVE, OTHER, (True, "/b")),
    (EndSession(SessionToEnd("val_1")), DONE, ""),
    (EndSession(SessionToEnd("val_1")), FAILED, "no room"),
    (NEXT, OTHER, "x"),
    (NEXT, SWEPT, SessionToEnd("val_1", worker="w")),
    (NEXT, e.Intended(action="sweep", target="another"), None),
    (NEXT, e.Intended(action="end", target="val_1"), None),
    (NEXT, DONE, None),
    (ReportedPrompts("w"), CONFIRMED, "aa"),
    (ReportedPrompts("w"), OTHER, ""),
    (Type("w", "go on"), DONE, ""),
    (Type("w", "go on"), FAILED, "no room"),
    (Type("w", "go on"), OTHER, ""),
    (PressEnter("w"), FAILED, "no room"),
    (PressEnter("w"), DONE, ""),
]


@pytest.mark.parametrize(("effect", "fact", "outcome"), READ, ids=lambda value: type(value).__name__)
def test_an_outcome_is_read_from_the_line_that_follows(effect: Any, fact: e.Fact, outcome: object) -> None:
    """What the line does not record is as it is most often, and no line's generation of an alarm is believed."""
    assert outcome == effect.recorded(deployment(), [line(fact), line(e.Requested(verb="pause"), "v")])


def test_a_session_that_nobody_known_has_started_is_read_without_a_worker() -> None:
    assert SessionToEnd("val_1") == NEXT.recorded(deployment(), [line(SWEPT, worker=None)])
    assert [] == list(LeftOver(NOW).recorded(deployment(), [line(SWEPT)]))


# Launches

LAUNCH = e.Intended(action="launch", target="v", digest="d", agent_session="s", resume=True)
BEGAN = e.Launched(intent=3, session_id="$1", pid=7)
FOUND = e.Relaunched(intent=3, session_id="$1", pid=7, adopted=True)
REFUSED = e.Exited(why="launch failed: no room", ended_by="launch")
STOPPED = e.Effected(intent=3, ok=False, detail="stopped", ended_by="person")
ASKED = e.Decided(row="investigate", looked=1, then=("ask",), why="")


def test_who_was_prepared_is_read_from_the_intents_and_the_others_were_refused() -> None:
    write = [line(LAUNCH, "v"), line(LAUNCH, "stranger"), line(MOVED, "w"), line(OTHER, "u")]

    found = Prepare(("u", "v", "w")).recorded(deployment(), write)

    assert PreparedAttempts((Ready("v", "d", "s", resume=True),), {"u": "", "w": ""}) == found


def test_an_intent_that_says_no_more_prepares_a_new_conversation() -> None:
    write = [line(e.Intended(action="launch", target="v"), "v")]

    assert PreparedAttempts((Ready("v"),), {}) == Prepare(("v",)).recorded(deployment(), write)


OLD, NEW = FileFingerprint("a.out", 1, 1), FileFingerprint("a.out", 2, 2)


def unbegun(**fields: Any) -> Deployment:
    """Give a deployment of two workers, each with an output that was there at `up`; nobody was launched."""
    d = deployment(units=["a"], **fields)
    d.edition, d.before = 4, {"a.out": OLD, "b.out": OLD}
    d.workers["v"] = WorkerState(name="v", session="v", units=["b"])
    d.units = {one: UnitState(unit=Unit(one, (f"{one}.out",)), worker=who) for one, who in (("a", "w"), ("b", "v"))}
    return d


MARKED = e.Draft(e.Marked(existing=(NEW,)), worker="w")


@pytest.mark.parametrize(
    ("worker", "existing", "read"),
    [
        ("w", (NEW,), (MARKED,)),
        ("w", (OLD,), (e.Draft(e.Marked(existing=()), worker="w"),)),
        ("w", (NEW, FileFingerprint("b.out", 2, 2)), (MARKED,)),
        ("v", (NEW,), ()),
        ("stranger", (NEW,), ()),
        (None, (NEW,), ()),
    ],
)
def test_of_marks_before_a_launch_only_those_of_its_own_outputs_that_have_changed_are_read(
    worker: str | None, existing: tuple[FileFingerprint, ...], read: tuple[e.Draft, ...]
) -> None:
    write = [line(e.Marked(existing=existing), worker), line(LAUNCH, "w")]

    assert read == Prepare(("w",)).recorded(unbegun(), write).marked
    assert read == MarkAgain().recorded(unbegun(intent=3), write)
    assert () == MarkAgain().recorded(unbegun(), write)


@pytest.mark.parametrize(
    ("agent", "profiles", "digest"),
    [("judge", {"judge": "d1"}, "d1"), ("judge", {}, ""), ("judge", {"other": "d2"}, ""), (None, {"judge": "d1"}, "")],
)
def test_the_profile_of_an_attempt_is_read_from_the_plan_and_not_from_its_intent(
    agent: str | None, profiles: dict[str, str], digest: str
) -> None:
    d = unbegun()
    d.plan, d.profiles = replace(d.plan, workers=WorkersSpec(agent=agent)), profiles
    write = [line(e.Intended(action="launch", target="w", profile="forged"), "w")]

    assert [digest] == [each.profile for each in Prepare(("w",)).recorded(d, write).ready]


PREPARED = PreparedAttempts((Ready("v"), Ready("w")), {"u": ""})


@pytest.mark.parametrize(
    ("write", "outcome"),
    [
        ([line(OTHER)], "x"),
        (
            [line(BEGAN, "v"), line(REFUSED, "w"), line(FAILED, "u")],
            {"v": Established("$1", 7), "w": Failed("no room"), "u": Failed("no room", "")},
        ),
        (
            [line(FOUND, "v")],
            {"v": Established("$1", 7, found=True), "w": Established(), "u": Failed("why it was refused")},
        ),
        (
            [line(OTHER), line(BEGAN, "v")],
            {"v": Established("$1", 7), "w": Established(), "u": Failed("why it was refused")},
        ),
    ],
)
def test_what_became_of_sessions_is_read_from_the_outcomes(write: list[e.Event], outcome: object) -> None:
    assert outcome == MakeSessions(PREPARED, NOW).recorded(deployment(), write)


@pytest.mark.parametrize(
    ("worker", "fact", "fate"),
    [
        ({"intent": 3}, BEGAN, Established("$1", 7)),
        ({"intent": 3}, FOUND, Established("$1", 7, found=True)),
        ({}, BEGAN, None),
        ({"intent": 3}, REFUSED, Failed("no room")),
        ({"intent": 3}, e.Exited(why="launch failed: anew", ended_by="machine"), Failed("anew", "machine")),
        ({"intent": 3}, e.Exited(why="over", ended_by="itself"), None),
        ({"intent": 3}, STOPPED, None),
        ({"intent": 3, "stop": True}, STOPPED, Failed("stopped", "person")),
        ({"intent": 3, "again": True}, STOPPED, Failed("stopped", "person")),
        ({"intent": 3}, ASKED, Unconfirmed()),
        ({"intent": 3, "asked": True}, ASKED, None),
        ({"intent": 3, "stop": True}, ASKED, None),
        ({"intent": 3}, OTHER, None),
    ],
)
def test_an_open_launch_is_settled_by_what_may_have_become_of_it(
    worker: dict[str, Any], fact: e.Fact, fate: object
) -> None:
    """A person's end needs a person's word, and what was asked once is not asked again."""
    expected = {} if fate is None else {"w": fate}

    assert expected == Recover().recorded(deployment(**worker), [line(fact)])
    assert {} == Recover().recorded(deployment(**worker), [line(fact, "stranger"), line(fact, None)])


def test_the_end_of_all_is_a_persons_word_for_each_of_them() -> None:
    d = deployment(intent=3)
    d.down = "enough"

    assert {"w": Failed("stopped", "person")} == Recover().recorded(d, [line(STOPPED)])


# Promotions

JUDGED, OTHERS = FileFingerprint("o", 1, 2, 3), FileFingerprint("p", 1, 2, 3)
IN_PLACE = FileFingerprint("o", 1, 2, 9)


@pytest.mark.parametrize(
    ("fact", "outcome"),
    [
        (e.Effected(intent=3, ok=True, marks=(IN_PLACE,)), Promoted((IN_PLACE,), "")),
        (e.Effected(intent=3, ok=True, marks=(OTHERS,)), Promoted((JUDGED,), "")),
        (e.Effected(intent=3, ok=True), Promoted((JUDGED,), "")),
        (e.Effected(intent=3, ok=False, detail="changed"), Promoted((), "changed")),
        (e.Effected(intent=3, ok=False, detail="changed", marks=(OTHERS,)), Promoted((OTHERS,), "changed")),
        (e.Effected(intent=4, ok=True, marks=(IN_PLACE,)), None),
        (OTHER, None),
    ],
)
def test_a_promotion_has_a_mark_for_each_output_that_was_judged(fact: e.Fact, outcome: object) -> None:
    d = deployment()
    d.intents[3] = OpenIntent(
        seq=3, action="install", at=NOW, worker="w", target="u", files=(PromotedFile("o", JUDGED),)
    )
    d.intents[4] = OpenIntent(seq=4, action="move", at=NOW, worker="w", target="u")

    assert ({} if outcome is None else {3: outcome}, {}) == Promote().recorded(d, [line(fact)])
