"""What each fact about a decision or an effect changes, and that it changes nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.log import GONE, NOW, Log

from wakeman.core.log import events as e
from wakeman.core.log.facts.effect import UNHEARD_MAX
from wakeman.core.model import (
    FileFingerprint,
    Observation,
    OpenIntent,
    PromotedFile,
    Untold,
    Usage,
    Validator,
    Verdict,
)

OLD, NEW = FileFingerprint("a.out", 1, 1), FileFingerprint("a.out", 2, 2)
SPOKE = Observation(worker="w", attempt=2, session="running", prompt="heard")


def of_w(**fields: object) -> dict[str, object]:
    return {f"workers.w.{name}": value for name, value in fields.items()}


def night(**fields: object) -> Log:
    """Return a deployment of one worker, of whom something is known."""
    log = Log()
    log.d.mono, log.d.boot, log.d.row, log.d.row_why, log.d.accepted = 100.0, "b1", "sleep", "old", "wrap up"
    for name, value in fields.items():
        setattr(log.d.workers["w"], name, value)
    return log


# --- decided ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "then", "changed"),
    [
        ("investigate", ("capture",), {"rung": 2}),
        ("investigate", ("capture", "nudge"), {"rung": 3}),
        ("investigate", ("nudge",), {"rung": 2}),
        ("investigate", ("ask",), {"rung": 2, "asked": True}),
        ("investigate", ("restart",), {"rung": 2, "again": True}),
        ("continue", ("nudge",), {"until": NOW + timedelta(minutes=10)}),
        ("warn", (), {"trespasses": 0}),
        ("retry", ("relaunch",), {}),
        ("finish", ("end",), {}),
    ],
)
def test_a_row_taken_for_a_worker_changes_that_worker_alone(
    row: str, then: tuple[str, ...], changed: dict[str, object]
) -> None:
    log = night(rung=1, trespasses=3)

    assert of_w(**changed) == log.changed_by(e.Decided(row=row, looked=1, then=then), worker="w")


@pytest.mark.parametrize(
    ("row", "edition", "changed"),
    [
        ("investigate", 3, {"rung": 2, "tried": ("nudge",)}),
        ("investigate", 2, {"rung": 2}),
        ("finish", 3, {"finishing": True}),
        ("finish", 2, {}),
        ("tell", 3, {}),
    ],
)
def test_what_was_tried_and_that_it_is_finished_are_known_in_logs_of_this_edition(
    row: str, edition: int, changed: dict[str, object]
) -> None:
    log = night(rung=1)
    log.d.edition = edition

    assert of_w(**changed) == log.changed_by(e.Decided(row=row, looked=1, then=("nudge",)), worker="w")


def test_who_is_told_to_go_on_after_an_outage_has_no_limit_that_resets() -> None:
    assert {} == night(fault="outage").changed_by(e.Decided(row="continue", looked=1, then=("nudge",)), worker="w")


def test_who_was_asked_about_a_trouble_is_not_asked_again_by_its_next_rung() -> None:
    assert of_w(rung=1) == night(asked=True).changed_by(
        e.Decided(row="investigate", looked=1, then=("wait",)), worker="w"
    )


@pytest.mark.parametrize(
    ("fact", "changed"),
    [
        (e.Decided("sleep", 1, why="new"), {"row_why": "new", "rows.sleep": 2, "held": ""}),
        (e.Decided("launch", 1), {"row": "launch", "row_why": "", "rows.launch": 1, "held": ""}),
        (
            e.Decided("wrap up", 1, held=True),
            {"row": "wrap up", "row_why": "", "held": "wrap up", "held_at": NOW, "holds": 5},
        ),
        (e.Decided("launch", 1, under="halt"), {"row": "launch", "row_why": "", "rows.launch": 1, "held": "halt"}),
    ],
    ids=str,
)
def test_a_row_taken_for_the_deployment_is_counted_unless_it_is_held(fact: e.Decided, changed: dict[str, Any]) -> None:
    log = night()
    log.d.rows, log.d.held, log.d.holds = {"sleep": 1}, "give up", 4

    assert {"accepted": "", "row_at": NOW, **changed} == log.changed_by(fact)


# --- intended -----------------------------------------------------------------------------------------------------


def test_an_intent_is_open_as_its_line_has_it() -> None:
    files = (PromotedFile("a.out", NEW),)
    fact = e.Intended(action="install", target="a", text="t", causes=("c",), files=files, keep=True, before="f")

    opened = OpenIntent(
        seq=3,
        action="install",
        at=NOW,
        worker="w",
        attempt=2,
        target="a",
        text="t",
        causes=("c",),
        files=files,
        keep=True,
        before="f",
    )
    assert {"intents.3": opened} == night().changed_by(fact, worker="w", attempt=2)


@pytest.mark.parametrize(("action", "digest"), [("press", "d"), ("send", "")])
def test_of_which_question_an_answer_is_stays_known_while_its_keys_are_pressed(action: Any, digest: str) -> None:
    log = night()
    log.say(e.Intended(action=action, target="w", digest="d"), worker="w")

    assert digest == log.d.intents[3].digest


def test_an_intent_about_no_worker_is_of_nobody_and_of_no_attempt() -> None:
    opened = OpenIntent(seq=3, action="wake", at=NOW, causes=("x", "y"), text="t")

    assert {"intents.3": opened, "woken.x": NOW, "woken.y": NOW} == night().changed_by(
        e.Intended(action="wake", causes=("x", "y"), text="t")
    )


@pytest.mark.parametrize(
    ("fact", "settles"),
    [
        (e.Intended(action="end", ended_by="wakeman", text="please end"), True),
        (e.Intended(action="end", ended_by="wakeman"), False),
        (e.Intended(action="sweep", target="val_1", ended_by="wakeman"), True),
        (e.Intended(action="sweep", target="val_1", text="t"), False),
        (e.Intended(action="run"), True),
        (e.Intended(action="move", target="x", text="y"), True),
        (e.Intended(action="send", target="w", text="t"), True),
    ],
    ids=str,
)
def test_an_intent_is_open_unless_a_later_look_tells_its_outcome(fact: e.Intended, settles: bool) -> None:
    log = night()
    log.say(fact, worker="w")

    assert (settles, [3] if settles else []) == (fact.settles, list(log.d.intents))


def test_who_ends_a_session_is_known_before_it_is_over_and_each_time_counts() -> None:
    assert of_w(ending="person", ends=3) == night(ends=2).changed_by(
        e.Intended(action="end", ended_by="person"), worker="w"
    )


@pytest.mark.parametrize(("worker", "changed"), [("w", of_w(swept=("val_0", "val_1"))), (None, {})])
def test_a_session_that_is_swept_is_none_any_more_and_its_worker_is_to_be_told(
    worker: str | None, changed: dict[str, object]
) -> None:
    log = night(swept=("val_0",))
    kept = Validator("val_2", "$2", NOW)
    log.d.validators = (Validator("val_1", "$1", NOW), kept)

    assert {"validators": (kept,), **changed} == log.changed_by(
        e.Intended(action="sweep", target="val_1"), worker=worker
    )


@pytest.mark.parametrize(("action", "swept"), [("nudge", {"swept": ()}), ("send", {})])
def test_a_text_that_is_to_be_confirmed_is_under_way_and_what_was_said_of_the_one_before_is_forgotten(
    action: Any, swept: dict[str, object]
) -> None:
    log = night(swept=("val_1",), observation=SPOKE)
    unheard = Observation(worker="w", attempt=2, session="running")

    found = log.changed_by(e.Intended(action=action, target="w", text="t", confirm=True), worker="w")

    opened = OpenIntent(seq=3, action=action, at=NOW, worker="w", target="w", text="t", confirm=True)
    assert {"intents.3": opened, **of_w(prompt=3, observation=unheard, **swept)} == found


@pytest.mark.parametrize("action", ["nudge", "send"])
def test_a_text_that_nothing_will_confirm_is_not_waited_for(action: Any) -> None:
    log = night(swept=("val_1",), observation=SPOKE)

    assert ["intents.3"] == list(log.changed_by(e.Intended(action=action, target="w", text="t"), worker="w"))


def test_enter_is_counted_on_the_text_that_it_is_pressed_for() -> None:
    log = night(prompt=2)
    log.d.intents[2] = OpenIntent(seq=2, action="send", at=NOW, worker="w", confirm=True, enters=3)

    found = log.changed_by(e.Intended(action="enter", target="w"), worker="w", after=9.0)

    later = NOW + timedelta(seconds=9)
    pressed = OpenIntent(seq=2, action="send", at=later, worker="w", confirm=True, enters=4)
    assert {"intents.2": pressed, "intents.3": OpenIntent(3, "enter", later, worker="w", target="w")} == found


def test_enter_without_a_text_under_way_is_an_intent_and_no_more() -> None:
    assert ["intents.3"] == list(night().changed_by(e.Intended(action="enter", target="w"), worker="w"))


LAUNCH = e.Intended(action="launch", target="s2", agent_session="u2")


def test_a_launch_that_is_intended_is_an_attempt_of_its_own() -> None:
    log = night(again=True, ending="person", spent=1, usage=Usage(input=1), used=Usage(input=2), observation=SPOKE)
    unit = log.d.units["a"]
    unit.staged, unit.staged_mono, unit.promoted = Verdict("a"), 5.0, (OLD,)

    found = log.changed_by(LAUNCH, worker="w", attempt=2)

    opened = OpenIntent(seq=3, action="launch", at=NOW, worker="w", attempt=2, target="s2")
    assert {
        **of_w(intent=3, attempt=2, session="s2", boot="b1", agent_session="u2", spent=2),
        **of_w(again=False, ending="", usage=Usage(), used=Usage(input=3)),
        "units.a.staged": None,
        "units.a.staged_mono": 0.0,
        "units.a.promoted": (),
        "intents.3": opened,
        "last_launch": 100.0,
        "restless.w": None,
    } == found


def test_a_line_without_an_attempt_launches_none_that_counts() -> None:
    log = night(attempt=4)
    log.say(LAUNCH, worker="w")

    assert 0 == log.d.workers["w"].attempt


@pytest.mark.parametrize(
    ("resume", "whole", "used"), [(False, False, 3), (False, True, 3), (True, False, 3), (True, True, 2)]
)
def test_what_a_resumed_client_reports_of_the_whole_conversation_is_not_counted_twice(
    resume: bool, whole: bool, used: int
) -> None:
    log = night(usage=Usage(input=1, whole=whole), used=Usage(input=2))
    log.say(e.Intended(action="launch", target="w", resume=resume), worker="w", attempt=2)

    w = log.d.workers["w"]
    assert (Usage(input=used), Usage(), resume) == (w.used, w.usage, w.resumed)


# --- effected, confirmed ------------------------------------------------------------------------------------------


def opened(action: str, **fields: Any) -> Log:
    """Return a deployment with one open intent, number 2."""
    log = night(intent=2 if action == "launch" else 0, prompt=2 if fields.get("confirm") else 0, spent=2, unknowns=1)
    log.d.intents[2] = OpenIntent(seq=2, action=action, at=NOW, worker="w", **fields)
    log.d.failed_launches = 1
    return log


def test_an_outcome_of_what_is_not_open_changes_nothing() -> None:
    for ok in (True, False):
        assert {} == night().changed_by(e.Effected(intent=7, ok=ok, detail="x"), worker="w")
    assert {} == night().changed_by(e.Effected(intent=0, ok=True), worker="w")


FAILED = of_w(why="no room", ended_by="launch", intent=0, unknowns=0, over=100.0, stop=False)


def test_a_launch_that_failed_is_over_and_counts_towards_the_breaker() -> None:
    log = opened("launch")
    log.d.workers["w"].stop, log.d.workers["w"].code = True, 3

    found = log.changed_by(e.Effected(intent=2, ok=False, detail="no room"), worker="w")

    assert {"intents.2": GONE, **FAILED, **of_w(code=None), "failed_launches": 2} == found


def test_a_launch_that_the_machine_kept_from_happening_gives_its_attempt_back() -> None:
    found = opened("launch").changed_by(e.Effected(intent=2, ok=False, detail="cut", ended_by="machine"), worker="w")

    assert of_w(spent=1)["workers.w.spent"] == found["workers.w.spent"]
    assert ("machine", False) == (found["workers.w.ended_by"], "failed_launches" in found)


def test_a_launch_that_was_refused_before_it_was_intended_failed_too() -> None:
    log = opened("send", confirm=True)
    log.d.workers["w"].stop = True

    found = log.changed_by(e.Effected(intent=0, ok=False, detail="no room"), worker="w")

    assert FAILED["workers.w.why"] == found["workers.w.why"]
    assert (2, False) == (found["failed_launches"], "intents.2" in found)


@pytest.mark.parametrize("action", ["send", "nudge"])
def test_a_text_that_was_typed_stays_open_until_it_is_confirmed_and_one_that_could_not_be_is_over(action: str) -> None:
    typed = opened(action, confirm=True).changed_by(e.Effected(intent=2, ok=True), worker="w")
    failed = opened(action, confirm=True).changed_by(e.Effected(intent=2, ok=False), worker="w")

    assert {"intents.2": OpenIntent(2, action, NOW, worker="w", confirm=True, typed=True)} == typed
    unheard = of_w(unheard=1, unheard_mono=100.0) if action == "nudge" else {}
    assert {"intents.2": GONE, **of_w(prompt=0), **unheard} == failed


@pytest.mark.parametrize("ok", [True, False])
@pytest.mark.parametrize("action", ["send", "nudge", "wake", "run", "end", "sweep", "enter"])
def test_any_other_effect_is_over_with_its_outcome(action: str, ok: bool) -> None:
    log = opened(action)
    log.d.workers["w"].prompt = 9  # of another text
    untold = {"untold.": Untold(why="x", since=NOW)} if action == "wake" and not ok else {}

    assert {"intents.2": GONE, **untold} == log.changed_by(e.Effected(intent=2, ok=ok, detail="x"), worker="w")


@pytest.mark.parametrize(
    ("ok", "state", "changed"),
    [
        (
            True,
            "stuck",
            {**of_w(answered=True, trouble="", tried=(), rung=0, questions=1), "woken.ask:w:1:waiting:x": GONE},
        ),
        (True, "running", {**of_w(trouble="", tried=(), rung=0, questions=1), "woken.ask:w:1:waiting:x": GONE}),
        (False, "stuck", {}),
    ],
)
def test_a_question_that_was_answered_is_over_and_the_next_is_another(
    ok: bool, state: Any, changed: dict[str, object]
) -> None:
    log = opened("press")
    worker = log.d.workers["w"]
    worker.state, worker.attempt, worker.trouble, worker.tried, worker.rung = state, 1, "waiting", ("nudge",), 2
    others = ("ask:w:2:waiting:x", "ask:v:1:waiting:x", "ask:w:1:silent")
    log.d.woken = dict.fromkeys(("ask:w:1:waiting:x", *others), NOW)

    assert {"intents.2": GONE, **changed} == log.changed_by(e.Effected(intent=2, ok=ok), worker="w")


def test_a_receiver_is_known_as_not_told_until_a_notice_reaches_it() -> None:
    log = opened("wake")
    found = []
    for missed in ({"tmux:a": "busy", "b": "exit 1"}, {"tmux:a": "gone"}, None):
        log.d.intents[2] = OpenIntent(2, "wake", NOW)
        log.say(e.Effected(intent=2, ok=not missed, detail="x" * bool(missed), missed=missed))
        found.append({name: (each.why, each.times) for name, each in log.d.untold.items()})

    assert [{"tmux:a": ("busy", 1), "b": ("exit 1", 1)}, {"tmux:a": ("gone", 2)}, {}] == found


def test_a_file_that_was_moved_is_known_by_where_it_went() -> None:
    log = opened("move", target="/r/x", text="/r/y")

    assert {"intents.2": GONE, "moved./r/x": "/r/y"} == log.changed_by(e.Effected(intent=2, ok=True))


FILES = (PromotedFile("a.out", OLD),)


@pytest.mark.parametrize(
    ("action", "keep", "staged"), [("install", False, None), ("install", True, "kept"), ("commit", False, "kept")]
)
def test_what_was_promoted_counts_as_it_is_in_its_place(action: str, keep: bool, staged: str | None) -> None:
    log = opened(action, target="a", files=FILES, keep=keep)
    log.d.gained = 1
    unit = log.d.units["a"]
    unit.staged, unit.staged_mono = Verdict("a", marks=(OLD,), input=700), 5.0

    found = log.changed_by(e.Effected(intent=2, ok=True, marks=(NEW,)), worker="w")

    emptied = {"units.a.staged": None, "units.a.staged_mono": 0.0} if staged is None else {"units.a.promoted": (OLD,)}
    wrote = found.pop("units.a.wrote.a.out")
    assert NEW == getattr(wrote, "mark", None)
    assert {
        "intents.2": GONE,
        "gained": 2,
        "units.a.verdict": Verdict("a", marks=(NEW,), input=700),
        "units.a.installed.a.out": NEW,
        **emptied,
    } == found


def test_what_was_promoted_from_a_stage_that_is_empty_by_now_has_no_size_to_compare_with() -> None:
    log = opened("install", target="a", files=FILES)

    assert (
        Verdict("a", marks=(NEW,))
        == log.changed_by(e.Effected(intent=2, ok=True, marks=(NEW,)), worker="w")["units.a.verdict"]
    )


def test_a_unit_that_was_done_is_not_newly_done_by_its_next_promotion() -> None:
    log = opened("commit", target="a", files=FILES)
    log.d.units["a"].verdict = Verdict("a", marks=(OLD,))

    assert "gained" not in log.changed_by(e.Effected(intent=2, ok=True, marks=(NEW,)), worker="w")


@pytest.mark.parametrize(
    ("marks", "problems"), [((OLD,), ("no space",)), ((NEW,), ()), (None, None)], ids=["as it was", "changed", "gone"]
)
def test_what_could_not_be_promoted_has_that_for_its_problem_unless_it_has_changed(
    marks: tuple[FileFingerprint, ...] | None, problems: tuple[str, ...] | None
) -> None:
    log = opened("install", target="a", files=FILES)
    unit = log.d.units["a"]
    unit.staged = Verdict("a", marks=marks) if marks is not None else None

    found = log.changed_by(e.Effected(intent=2, ok=False, detail="no space"), worker="w")

    assert problems == (unit.staged.problems if unit.staged is not None else None)
    assert {"intents.2", "units.a.staged"} >= set(found)


@pytest.mark.parametrize("ok", [True, False])
def test_a_text_is_over_once_it_is_known_whether_it_arrived(ok: bool) -> None:
    fact = e.Confirmed(intent=2, ok=ok)

    unheard = {} if ok else of_w(unheard=UNHEARD_MAX, unheard_mono=100.0)
    assert {"intents.2": GONE, **of_w(prompt=0), **unheard} == opened("send", confirm=True).changed_by(fact, worker="w")
    assert {} == opened("send", confirm=True).changed_by(e.Confirmed(intent=1, ok=ok), worker="w")


@pytest.mark.parametrize(
    ("action", "ok", "state", "asked", "unheard", "after"),
    [
        ("nudge", True, "running", True, 2, (0, False)),
        ("nudge", True, "stuck", True, 2, (0, True)),
        ("nudge", True, "stuck", False, 2, (0, False)),
        ("nudge", False, "running", True, 1, (2, True)),
        ("nudge", False, "stuck", False, 0, (1, False)),
        ("send", True, "running", False, 2, (0, False)),
        ("send", False, "running", False, 1, (UNHEARD_MAX, False)),
    ],
)
def test_texts_in_a_row_that_did_not_arrive_are_counted_until_one_does(
    action: Any, ok: bool, state: Any, asked: bool, unheard: int, after: tuple[int, bool]
) -> None:
    """A person who was asked is still needed while it is stuck."""
    log = opened(action, confirm=True)
    worker = log.d.workers["w"]
    worker.state, worker.asked, worker.unheard, worker.prompt = state, asked, unheard, 2
    log.say(e.Confirmed(intent=2, ok=ok), worker="w")

    assert after == (worker.unheard, worker.asked)


@pytest.mark.parametrize(("probe", "left"), [("w", ""), ("v", "v")])
def test_a_text_that_did_not_arrive_is_no_try_of_the_service(probe: str, left: str) -> None:
    log = opened("nudge", confirm=True)
    log.d.probe = probe
    log.say(e.Confirmed(intent=2, ok=False), worker="w")

    assert left == log.d.probe


def test_a_text_of_which_no_intent_is_known_did_not_arrive_and_is_never_typed_again() -> None:
    log = night(prompt=2, unheard=1)
    log.say(e.Confirmed(intent=2, ok=False), worker="w")

    assert (0, UNHEARD_MAX) == (log.d.workers["w"].prompt, log.d.workers["w"].unheard)


def test_a_half_typed_line_that_an_end_takes_is_kept_by_its_worker() -> None:
    log = night(line="the one before")
    log.say(e.Intended(action="end", target="w", ended_by="wakeman"), worker="w")
    kept = log.d.workers["w"].line
    log.say(e.Intended(action="end", target="w", ended_by="wakeman", line="half typed"), worker="w")

    assert ("the one before", "half typed") == (kept, log.d.workers["w"].line)


@pytest.mark.parametrize("prompt", [2, 0])
def test_enter_is_counted_for_the_text_that_is_under_way(prompt: int) -> None:
    log = opened("send", confirm=True)
    log.d.workers["w"].prompt = prompt
    log.say(e.Intended(action="enter", target="w"), worker="w", after=9.0)

    assert (1 if prompt else 0) == log.d.intents[2].enters
    assert NOW + timedelta(seconds=9 if prompt else 0) == log.d.intents[2].at


@pytest.mark.parametrize(
    ("action", "confirm", "probe"),
    [("nudge", True, "w"), ("send", True, "w"), ("nudge", False, ""), ("end", False, ""), ("enter", False, "")],
)
def test_in_an_outage_who_is_typed_to_tries_the_service_for_all(action: Any, confirm: bool, probe: str) -> None:
    log = night()
    log.d.outage = "529"
    log.say(e.Intended(action=action, target="w", text="t", confirm=confirm, ended_by="wakeman"), worker="w")

    assert probe == log.d.probe
