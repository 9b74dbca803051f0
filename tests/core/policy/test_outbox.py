"""The outbox: who is told again, when, in which words, and when nobody is any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.log import NOW, Log

from wakeman.core.log import events as e
from wakeman.core.model import CleanupSpec, Plan, UnitsSpec, WakeSpec, WakeTarget, WorkersSpec
from wakeman.core.policy import outbox
from wakeman.core.policy.notice import Cause, due_causes
from wakeman.core.policy.tables import EDITION

DESK, PHONE, SEND = WakeTarget(tmux="desk"), WakeTarget(tmux="phone"), WakeTarget(run=("send.sh",))
FAILED = {"tmux:desk": "tmux desk: not idle"}


def night(*to: WakeTarget, tell: str = "all") -> Log:
    log = Log()
    log.d.plan = Plan(name="night", units=UnitsSpec(items=("x",)), wake=WakeSpec(to=to or (DESK,), tell=tell))  # type: ignore[arg-type] # a literal
    return log


def told(log: Log, *causes: str, missed: dict[str, str] | None = None, **more: object) -> int:
    """Have a notice with these causes, and its outcome; return the line of the intent."""
    log.say(e.Intended(action="wake", text="hello", causes=causes or ("wrap up:1",)))
    seq = log.d.seq
    log.say(e.Effected(intent=seq, ok=not missed, missed=missed, **more))  # type: ignore[arg-type] # named fields
    return seq


def again(log: Log, seconds: float) -> list[str]:
    return [draft.data.text for draft in outbox.due_again(log.d, NOW + timedelta(seconds=seconds))]  # type: ignore[attr-defined] # intents


def test_receivers_of_one_name_are_told_apart() -> None:
    plan = night(SEND, DESK, SEND, SEND).d.plan

    assert ["send.sh", "tmux:desk", "send.sh#2", "send.sh#3"] == list(outbox.receivers(plan))


def test_a_notice_is_told_again_once_it_is_due_in_its_own_words_and_of_when() -> None:
    log = night()
    seq = told(log, missed=FAILED, after=15.0)

    assert ([], [f"hello Late: of {NOW:%H:%M} UTC."]) == (again(log, 14), again(log, 15))
    assert (seq, True) == (log.d.outbox[seq].seq, outbox.is_owed(log.d))


def test_a_clock_that_was_set_back_delays_nothing_for_long() -> None:
    log = night()
    told(log, missed=FAILED, after=15.0)

    assert ([], [], 1, 1) == (again(log, -7000), again(log, -7185), len(again(log, -7186)), len(again(log, -90000)))


@pytest.mark.parametrize("doubt", [True, False])
def test_what_may_have_arrived_says_so_ever_after(doubt: bool) -> None:
    log = night()
    seq = told(log, missed=FAILED, after=15.0, doubt=doubt)
    log.say(e.Intended(action="wake", text="hello again", causes=("wrap up:1",), again=seq))
    log.say(e.Effected(intent=log.d.seq, ok=False, missed=FAILED, after=60.0))

    assert doubt is again(log, 60)[0].endswith(outbox.DOUBT)
    assert (2, "hello") == (log.d.outbox[seq].tries, log.d.outbox[seq].text)


def test_a_delivery_that_was_begun_and_did_not_end_is_taken_up_once_its_time_is_over() -> None:
    log = night()
    log.say(e.Intended(action="wake", text="hello", causes=("wrap up:1",)))
    seq = log.d.seq
    late = outbox.DELIVERY_GRACE_S + DESK.timeout

    assert ([], 1) == (again(log, late), len(again(log, late + 1)))
    log.say(outbox.due_again(log.d, NOW + timedelta(seconds=late + 1))[0].data)
    assert (1, [seq], True) == (len(log.d.wakes), [*log.d.outbox], log.d.outbox[seq].doubt)
    log.say(outbox.due_again(log.d, NOW + timedelta(seconds=200))[0].data)
    assert (1, 2) == (len(log.d.wakes), log.d.outbox[seq].tries)
    log.say(e.Effected(intent=log.d.seq, ok=True, told=("tmux:desk",)))
    assert ({}, {}, False) == (log.d.wakes, log.d.outbox, outbox.is_owed(log.d))


def test_who_was_told_is_not_told_again() -> None:
    log = night(DESK, PHONE)
    seq = told(log, missed=FAILED, told=("tmux:phone",), after=15.0)
    log.say(e.Intended(action="wake", text="hello again", causes=("wrap up:1",), again=seq))

    assert ["tmux:desk"] == list(outbox.still_to_tell(log.d, log.d.wakes[log.d.seq]))


def test_the_first_that_did_not_arrive_is_told_again_soon_and_waits_for_nothing_while_it_is_on_its_way() -> None:
    log = night()
    log.say(e.Intended(action="wake", text="hello", causes=("wrap up:1", "ask:w:9")))
    seq = log.d.seq
    first = outbox.delay(log.d, log.d.wakes[seq])
    log.say(e.Effected(intent=seq, ok=False, missed=FAILED, after=first))
    waiting = [entry.seq for entry in outbox.waiting_entries(log.d)]  # one of its causes is a question no more
    log.say(e.Intended(action="wake", text="hello again", causes=("wrap up:1",), again=seq))

    assert (15.0, [seq], []) == (first, waiting, outbox.waiting_entries(log.d))


def test_what_was_begun_and_not_ended_is_told_again_with_the_doubt() -> None:
    log = night()
    log.say(e.Intended(action="wake", text="hello", causes=("wrap up:1",)))
    patience = outbox.DELIVERY_GRACE_S + DESK.timeout

    assert ([], []) == (again(log, DESK.timeout + 1), again(log, patience))
    assert [f"hello Late: of {NOW:%H:%M} UTC.{outbox.DOUBT}"] == again(log, patience + 1)


def test_a_question_is_owed_while_it_is_on_its_way_only_and_the_next_delivery_is_the_soonest() -> None:
    log = night()
    log.say(e.Intended(action="wake", text="hello", causes=("ask:w:9",)))
    on_its_way = outbox.is_owed(log.d)
    log.say(e.Effected(intent=log.d.seq, ok=False, missed=FAILED, after=15.0))
    owed, none = outbox.is_owed(log.d), outbox.next_delivery(log.d)
    told(log, missed=FAILED, after=15.0)
    told(log, "wrap up:2", missed=FAILED, after=60.0)

    assert (True, False, None) == (on_its_way, owed, none)
    assert NOW + timedelta(seconds=15) == outbox.next_delivery(log.d)


@pytest.mark.parametrize("cause", ["check:1", "ask:conflict:out/a"])
def test_what_a_check_found_stands_until_the_deployment_is_closed(cause: str) -> None:
    log = night()
    told(log, cause, missed=FAILED, after=15.0)
    found = len(outbox.waiting_entries(log.d))
    log.d.outcome = "partial"

    assert (1, []) == (found, outbox.waiting_entries(log.d))


@pytest.mark.parametrize(
    ("cause", "plan", "full", "due"),
    [
        ("ask:disk", {}, "no space left", 1),
        ("ask:disk", {}, "", 0),
        ("ask:w:1:gone", {"workers": WorkersSpec(sessions="watch"), "cleanup": CleanupSpec(rounds=0)}, "", 1),
        ("ask:w:1:gone", {}, "", 0),
    ],
    ids=str,
)
def test_a_question_is_told_again_for_as_long_as_it_stands(
    cause: str, plan: dict[str, Any], full: str, due: int
) -> None:
    log = night()
    log.d.plan, log.d.full, log.d.edition = replace(log.d.plan, **plan), full, EDITION
    told(log, cause, missed=FAILED, after=15.0)
    log.running().move(e.Exited(why="", ended_by="itself", code=1))

    assert due == len(again(log, 15))


def test_deliveries_are_ever_further_apart_and_given_up_after_a_day() -> None:
    log = night()
    delays = []
    seq = told(log, missed=FAILED, after=15.0)
    for _ in range(40):
        log.say(e.Intended(action="wake", text="hello again", causes=("wrap up:1",), again=seq))
        delays.append(outbox.delay(log.d, log.d.wakes[log.d.seq]))
        log.say(e.Effected(intent=log.d.seq, ok=False, missed=FAILED, after=delays[-1]))
        if not delays[-1]:
            break

    assert (delays[:-1] == sorted(delays[:-1]), 22 * 3600 < sum(delays) < 24 * 3600) == (True, True)
    assert ({}, 30) == (log.d.outbox, log.d.untold["tmux:desk"].times)


def test_a_question_that_nobody_asks_any_more_is_not_told_again() -> None:
    log = night()
    told(log, "ask:w:1:waiting:x", missed=FAILED, after=15.0)

    assert ([], None, False) == (again(log, 15), outbox.next_delivery(log.d), outbox.is_owed(log.d))


def test_a_held_row_is_told_again_for_as_long_as_it_is_held() -> None:
    log = night()
    told(log, "ask:held:wrap up:1", missed=FAILED, after=15.0)
    before = again(log, 15)
    log.d.held, log.d.holds = "wrap up", 1

    assert ([], 1) == (before, len(again(log, 15)))
    log.d.outcome = "complete"
    assert [] == again(log, 15)


def test_what_the_outbox_tells_has_no_reminder_beside_it_unless_somebody_has_read_it() -> None:
    cause, later = Cause("ask", "ask:x"), NOW + timedelta(seconds=1800)
    unread, read = night(DESK, PHONE), night(DESK, PHONE)
    told(unread, "ask:x", missed=FAILED, after=15.0)
    told(read, "ask:x", missed=FAILED, told=("tmux:phone",), after=15.0)

    assert ([], [cause]) == (due_causes(unread.d, [cause], later), due_causes(read.d, [cause], later))


@pytest.mark.parametrize(
    ("waits", "told_now", "left"),
    [
        (("ask:x",), ("ask:x",), 0),
        (("ask:x",), ("ask:y", "check:2"), 1),
        (("ask:x", "ask:y"), ("ask:x",), 1),
        (("check:1",), ("ask:x", "check:2"), 0),
        (("check:1",), ("ask:x",), 1),
        (("clean up:1", "check:1"), ("ask:x", "check:2"), 1),
        (("clean up:1", "check:1"), ("clean up:1", "check:2"), 0),
    ],
)
def test_a_notice_takes_the_place_of_those_that_ask_the_same_or_tell_of_an_earlier_alarm(
    waits: tuple[str, ...], told_now: tuple[str, ...], left: int
) -> None:
    log = night()
    seq = told(log, *waits, missed=FAILED, after=15.0)
    told(log, *told_now)

    assert [seq] * left == list(log.d.outbox)


def test_of_notices_that_were_begun_and_did_not_end_only_the_one_told_again_is_taken_up() -> None:
    log = night()
    log.say(e.Intended(action="wake", text="hello", causes=("wrap up:1",)))
    seq = log.d.seq
    log.say(e.Intended(action="wake", text="another", causes=("clean up:1",)))
    other = log.d.seq
    log.say(e.Intended(action="wake", text="hello again", causes=("wrap up:1",), again=seq))

    assert ([other, log.d.seq], [seq]) == (list(log.d.wakes), list(log.d.outbox))


def test_what_waits_is_due_once_its_receiver_takes_something() -> None:
    log = night(DESK, PHONE)
    seq = told(log, missed=FAILED, told=("tmux:phone",), after=3600.0)
    told(log, "clean up:1", missed=FAILED, told=("tmux:phone",))
    before = again(log, 1)
    told(log, "clean up:2", told=("tmux:desk", "tmux:phone"))

    assert ([], [seq]) == (before, [entry.seq for entry in outbox.waiting_entries(log.d)])
    assert 1 == len(again(log, 1))


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        ({"told": ("tmux:phone",)}, ["tmux:desk"]),
        ({"missed": {"tmux:phone": "gone"}, "after": 15.0}, ["tmux:desk", "tmux:phone"]),
    ],
)
def test_of_receivers_that_were_not_tried_now_stays_known_that_they_were_not_reached(
    outcome: dict[str, Any], left: list[str]
) -> None:
    log = night(DESK, PHONE)
    told(log, missed={**FAILED, "tmux:phone": "gone"}, after=15.0)
    told(log, "clean up:1", **outcome)

    assert left == list(log.d.untold)
