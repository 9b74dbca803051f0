"""The audit of situations that the forged logs do not have."""

from __future__ import annotations

from typing import Any

import pytest
from tests.forge import Forged, Line, judged
from tests.log import NOW
from tests.play import NAME, Play
from tests.scripts.test_forged_nights import SCREEN, action, busy, row, stuck

from wakeman.adapters.memory import Act
from wakeman.audit.auditor import line_in_words
from wakeman.core.log.events import Captured, Decided, Draft, Exited, Looked, Noted, Started
from wakeman.core.log.hash_chain import DIVERGENCES_KEPT_MAX
from wakeman.core.model import OpenIntent
from wakeman.engine.check import check
from wakeman.ports import Ran

HANGING = {"w0": Act(stops_after=0, hangs=True)}


def kinds(log: Forged) -> list[tuple[int, str]]:
    return [(divergence.line, divergence.kind) for divergence in log.judged()]


def test_an_intent_at_the_end_is_pending() -> None:
    log = Forged(stuck())
    at = log.find("intended", action("nudge"))

    found = judged(log.encoded()[: at + 1])

    assert ([], (at + 1, True)) == (found.divergences, ((p := found.pending()[0]).line, "nudge" in p.what))


def test_an_intent_whose_check_was_killed_stays_pending() -> None:
    log = Forged(stuck())
    at = log.find("intended", action("nudge"))
    look = next(n for n in range(at, len(log.lines)) if log.lines[n]["type"] == "looked")
    del log.lines[at + 1 : look]
    del log.lines[at + 2 :]

    assert ([], [at + 1]) == (log.judged(), [p.line for p in judged(log.encoded()).pending()])


def test_a_launch_a_notice_and_an_end_are_pending_while_they_are_open() -> None:
    play = Play(workers=2, units=1, acts=HANGING, plan={"limits": {"give_up": 300, "give_up_do": "stop"}})
    play.up()
    play.stage.sessions.cancel = lambda _: 0  # type: ignore[method-assign,assignment] # a session that does not end
    play.go(8)
    lines = play.lines
    log = Forged(lines)
    launch = log.find("intended", action("launch"))

    assert any("end of w0" == pending.what for pending in judged(lines).pending())
    told = [p.what for p in judged(lines[: launch + 2]).pending()]
    assert ["launch of w0", "launch of w1"] == told
    wake = log.find("intended", action("wake")) if play.told() else None
    assert wake is None or any("wake" == p.what for p in judged(lines[: wake + 1]).pending())


def test_a_launcher_that_never_confirmed_is_a_persons_and_judged_as_such() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.stage.harness.adopts = True

    def killed(argv: list[str], **_: object) -> Ran:
        raise KeyboardInterrupt(argv)

    play.stage.machine.run = killed  # type: ignore[method-assign,assignment] # ends the process
    try:
        play.up()
    except KeyboardInterrupt:
        check(play.stage.world(), NAME)
    log = Forged(play.lines)
    at = log.find("decided", lambda line: row(line) == "investigate")

    assert ("ask",) == next(e.data.then for e in play.events if isinstance(e.data, Decided) and e.seq == at + 1)
    assert [] == log.judged()
    log.lines[at]["data"]["why"] = "for fun"
    assert (at + 1, "outcome") in kinds(log)


def refused() -> Forged:
    """Return a night in which one of three launches is refused before its intent."""
    plan: dict[str, dict[str, object]] = {"workers": {"before": [["{{ worker }}"]]}}
    play = Play(workers=3, units=1, plan=plan)
    play.stage.machine.answers["w1"] = Ran(code=1, err="no")
    play.run(60)
    return Forged(play.lines)


def test_a_launch_that_was_refused_has_its_outcome_in_the_write_of_the_others() -> None:
    log = refused()
    at = log.find("exited", lambda line: line["worker"] == "w1")

    assert [] == log.judged()
    log.lines[at]["data"]["ended_by"] = "machine"
    assert (at + 1, "outcome") in kinds(log)


def test_a_refusal_that_is_left_out_is_missed() -> None:
    log = refused()
    at = log.find("exited", lambda line: line["worker"] == "w1")
    log.drop(at)

    assert (at, "outcome") in kinds(log)


def test_a_relaunch_that_was_refused_is_judged_too() -> None:
    plan: dict[str, dict[str, object]] = {"workers": {"before": [["{{ worker }}"]]}}
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, code=1, seconds=60)}, plan=plan)
    play.up()
    play.stage.machine.answers["w0"] = Ran(code=1, err="no")
    play.go(60)
    log = Forged(play.lines)
    at = log.find("effected", lambda line: line["data"].get("intent") == 0)

    assert [] == log.judged()
    log.lines[at]["data"]["ok"] = True
    assert (at + 1, "outcome") in kinds(log)


def test_a_file_is_not_moved_twice() -> None:
    log = Forged(busy())
    at = log.find("intended", action("move"))
    log.insert(at + 2, log.lines[at + 1])
    log.insert(at + 2, log.lines[at])
    log.lines[at + 3]["write"] = -1

    assert (at + 3, "action") in kinds(log)


def test_rows_that_are_left_out_before_the_alarm_is_set_are_missed() -> None:
    log = Forged(busy())
    at = log.find("decided", lambda line: row(line) == "retry")
    end = next(n for n in range(at, len(log.lines)) if log.lines[n]["type"] == "armed")
    del log.lines[at:end]

    assert (at + 1, "decision") in kinds(log)


def test_a_plan_changed_by_nobody_is_found() -> None:
    log = Forged(busy())
    at = log.find("looked", skip=1)
    log.insert(at, {**log.lines[at], "type": "amended", "data": {"plan": log.lines[0]["data"]["plan"], "digest": "x"}})

    assert (at + 1, "fold") in kinds(log)


def test_an_outcome_that_is_none_is_found() -> None:
    log = Forged(busy())
    at = log.find("launched")
    log.insert(at + 1, {**log.lines[log.find("started")]})
    log.lines[at + 1]["write"] = log.lines[at]["write"]

    assert (at + 2, "outcome") in kinds(log)


def test_thousands_of_divergences_are_counted_and_the_first_are_kept() -> None:
    log = Forged(busy())
    at = log.find("looked", skip=1)
    stray = log.lines[log.find("decided", lambda line: row(line) == "sleep")]
    for _ in range(DIVERGENCES_KEPT_MAX + 5):
        log.insert(at, stray)
    for n in range(DIVERGENCES_KEPT_MAX + 5):
        log.lines[at + n]["write"] = -10 - n

    found = judged(log.encoded())

    assert (DIVERGENCES_KEPT_MAX, True) == (len(found.divergences), found.count > DIVERGENCES_KEPT_MAX)


def test_a_check_that_was_killed_anywhere_diverges_nowhere() -> None:
    for night in (busy(), stuck()):
        for size in range(1, len(night), 9):
            assert [] == judged(night[:size]).divergences


@pytest.mark.parametrize("idle", [False, True])
def test_a_client_that_is_told_to_end_itself_is_judged_and_ended_where_it_does_not_listen(idle: bool) -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True)}, plan={"workers": {"mode": "interactive"}})
    play.stage.harness.leave = "/exit"
    if idle:
        play.stage.sessions.screens["w0"] = "❯"
    play.run(120)
    log = Forged(play.lines)
    ends = [n for n, line in enumerate(log.lines) if action("end")(line)]

    assert ([], True) == (log.judged(), "text" in log.lines[ends[0]]["data"])
    assert idle or "text" not in log.lines[ends[1]]["data"]
    log.lines[ends[0]]["data"]["ended_by"] = "person"
    assert (ends[0] + 1, "action") in kinds(log)


def test_an_end_among_launches_is_found() -> None:
    log = Forged(busy())
    at = log.find("intended", action("launch")) + 1
    log.lines[at]["data"] = {"action": "end", "target": "w1", "ended_by": "wakeman"}

    assert (at + 1, "intent") in kinds(log)


# --- what is counted ----------------------------------------------------------------------------------------------


def test_every_line_and_decision_of_a_night_is_counted_and_no_check_of_it_broke_off() -> None:
    found = judged(busy())
    decided = [line for line in Forged(busy()).lines if line["type"] == "decided"]

    assert (len(busy()), len(decided)) == (found.events, found.decisions)
    assert (0, 0, 0, {}) == (found.count, found.cut, found.until, found.unknown)


def test_a_check_that_broke_off_behind_its_look_is_counted() -> None:
    log = Forged(stuck())
    at = log.find("intended", action("nudge"))
    look = next(n for n in range(at, len(log.lines)) if log.lines[n]["type"] == "looked")
    del log.lines[at + 1 : look]
    del log.lines[at + 2 :]

    found = judged(log.encoded())

    assert ([], 1) == (found.divergences, found.cut)


def test_a_check_that_broke_off_before_its_look_or_has_ended_is_not_counted() -> None:
    log = Forged(stuck())
    at = log.find("armed", lambda line: line["data"]["why"] == "next")
    for line in log.lines[at + 1 :]:
        line["by"] = "hand:9"
    del log.lines[at + 2 :]

    found = judged(log.encoded())

    assert ([], 0, "looked") == (found.divergences, found.cut, log.lines[-1]["type"])


@pytest.mark.parametrize(("strays", "cut"), [(1, 1), (2, 0), (3, 0)])
def test_a_check_that_the_audit_has_lost_is_not_counted_as_one_that_broke_off(strays: int, cut: int) -> None:
    log = Forged(busy())
    at = log.find("decided", lambda line: "worker" not in line and row(line) == "sleep")
    del log.lines[at : at + 2]
    for _ in range(strays):
        log.insert(at, {**log.lines[at], **SCREEN})
    for n in range(strays):
        log.lines[at + n]["write"] = -1 - n

    assert cut == judged(log.encoded()).cut


def test_a_write_that_never_became_whole_is_counted_and_not_applied() -> None:
    size = next(n for n, line in enumerate(busy(), 1) if b'"more":true' in line)

    found = judged(busy()[:size])

    assert (1, size - 1, size - 1) == (found.torn, found.events, found.deployment.seq)


def test_who_has_ended_is_not_being_ended_whatever_was_left_behind() -> None:
    found = judged(busy())
    worker = found.deployment.workers["w0"]
    worker.ends = 2
    before = found.pending()
    worker.state = "running"

    assert ([], [(len(busy()), "end of w0")]) == (before, [(one.line, one.what) for one in found.pending()])


@pytest.mark.parametrize("skip", [0, 1, 2, 3, 4])
def test_a_line_of_a_write_that_names_another_writer_is_found_and_no_other(skip: int) -> None:
    log = Forged(busy())
    ends = [
        n
        for n, line in enumerate(log.lines)
        if n and line["write"] == log.lines[n - 1]["write"] and line["write"] != log.lines[n + 1]["write"]
    ]
    log.lines[ends[skip]]["by"] = "hand:9"

    [found] = log.judged()

    assert (ends[skip] + 1, "fold") == (found.line, found.kind)
    assert found.found.endswith(", by hand:9")
    assert f"one writer, {log.lines[ends[skip] - 1]['by']}" == found.expected


@pytest.mark.parametrize("line", [9, 10])
def test_a_line_of_a_write_that_was_written_at_another_time_is_found_and_no_other(line: int) -> None:
    log = Forged(busy())
    assert log.lines[line - 1]["write"] == log.lines[7]["write"]
    log.lines[line - 1]["at"] = log.lines[21]["at"]

    assert [(line, "time", "2026-01-05 21:36:07", "2026-01-05 21:36:00")] == [
        (each.line, each.kind, each.found, each.expected) for each in log.judged()
    ]


def test_a_line_of_another_day_between_two_checks_of_a_steady_clock_is_found() -> None:
    log = Forged(busy())
    at = log.find("armed", lambda line: line["data"]["why"] == "head")
    log.lines[at]["at"] = log.lines[at]["at"].replace("2026-01-05", "2026-01-04")

    assert [(at + 1, "time", "after line 6, of 2026-01-05 21:36")] == [
        (each.line, each.kind, each.expected) for each in log.judged()
    ]


@pytest.mark.parametrize("row", ["launch", "sleep"])
def test_a_check_that_another_process_goes_on_with_is_found(row: str) -> None:
    log = Forged(busy())
    at = log.find("decided", lambda line: line["data"]["row"] == row)
    end = log.find("armed", lambda line: line["data"]["why"] == "head")
    for line in log.lines[at : end + 1]:
        line["by"] = "hand:9"
    first = log.judged()[0]

    assert (at + 1, "decision") == (first.line, first.kind)
    assert (", by hand:9", ", by up:1") == (first.found[-11:], first.expected[-9:])


def test_what_differs_behind_the_last_line_of_a_deployment_is_compared_with_what_was_due() -> None:
    log = Forged(busy())
    at = log.find("disarmed")
    log.lines[at]["data"]["generation"] = 99

    assert [(at + 1, "alarm", "disarmed generation 99", "disarmed generation 8")] == [
        (each.line, each.kind, each.found, each.expected) for each in log.judged()
    ]


def test_a_write_of_which_one_line_names_another_writer_is_still_compared_with_what_was_due() -> None:
    log = Forged(busy())
    log.lines[7]["data"]["units"], log.lines[9]["by"] = 9, "hand:9"

    assert [(8, "intent", "w0 intended launch w0, units=2"), (10, "fold", "one writer, up:1")] == sorted(
        (each.line, each.kind, each.expected) for each in log.judged()
    )


def test_the_beginning_of_a_log_written_once_more_is_asked_for_by_nothing() -> None:
    log = Forged(busy())
    log.insert(5, log.lines[0])

    assert [(6, "fold", "nothing: nothing asks for it")] == [
        (each.line, each.kind, each.expected) for each in log.judged()
    ]


def test_a_log_that_begins_with_what_no_protocol_begins_with_is_found() -> None:
    at = Forged(busy()).find("decided")

    [found] = judged(busy()[at : at + 1]).divergences

    assert ("decision", "nothing: nothing asks for it") == (found.kind, found.expected)


# --- newer versions -----------------------------------------------------------------------------------------------


def test_what_a_newer_version_wrote_ends_the_judging_and_not_the_reading() -> None:
    log = Forged(busy())
    first = log.find("looked", skip=1)
    for at, change in ((first, {"type": "dreamt"}), (first + 9, {"type": "dreamt"}), (first + 20, {"v": 7})):
        log.insert(at, {**log.lines[log.find("looked")], "type": "noted", "data": {"text": "x"}, **change})
    log.drop(log.find("decided", lambda line: row(line) == "wrap up"))

    found = judged(log.encoded())

    assert ([], first + 1) == (found.divergences, found.until)
    assert {"dreamt": 2, "version 7": 1} == found.unknown
    assert ("complete", len(log.lines)) == (found.deployment.outcome, found.deployment.seq)


# --- the log's own lines ------------------------------------------------------------------------------------------

SEALED = {"file": "events-1.jsonl", "size": 1, "sha256": "ab"}
FILLED = {"size": 1, "why": "disk full"}


@pytest.mark.parametrize("at", range(1, 40, 3))
def test_the_log_may_write_of_itself_between_any_two_writes(at: int) -> None:
    log = Forged(busy())
    while log.lines[at]["write"] == log.lines[at - 1]["write"]:
        at += 1
    begun = next(n for n in range(at, len(log.lines)) if log.lines[n]["type"] == "looked")
    del log.lines[at:begun]
    log.insert(at, {**log.lines[0], "type": "sealed", "data": SEALED})

    assert at + 1 not in [divergence.line for divergence in log.judged()]


@pytest.mark.parametrize("first", [True, False])
def test_what_stands_in_one_write_with_a_line_of_the_log_is_judged(first: bool) -> None:
    log = Forged(busy())
    last, end = log.lines[-1], len(log.lines)
    forged: Line = {**last, "type": "closed", "data": {"outcome": "stopped", "why": "forged"}}
    own: Line = {**last, "type": "sealed", "data": SEALED}
    for line in (forged, own) if first else (own, forged):
        log.insert(end, line)
        log.lines[end]["write"] = -1

    assert "closed" in [kind for _, kind in kinds(log)]


def within_a_check(*lines: Line) -> Forged:
    """Give a night in which one write more stands in the middle of a check."""
    log = Forged(busy())
    at = log.find("decided", lambda line: "worker" not in line and row(line) == "sleep")
    for n, line in enumerate(lines):
        log.insert(at + n, {**log.lines[at], **line})
        log.lines[at + n]["write"] = -1
    return log


NOTE: Line = {"type": "noted", "data": {"text": "git refused"}}


def test_a_note_within_a_check_is_no_divergence_and_the_check_goes_on() -> None:
    found = judged(within_a_check(NOTE).encoded())

    assert ([], 0) == (found.divergences, found.cut)


def test_a_note_is_applied_as_any_line_is() -> None:
    log = within_a_check(NOTE)
    at = log.find("noted") + 1

    assert (at, at) == ((found := judged(log.encoded()[:at])).deployment.seq, found.events)


@pytest.mark.parametrize("first", [True, False])
def test_what_stands_in_one_write_with_a_note_is_judged(first: bool) -> None:
    assert within_a_check(*((NOTE, SCREEN) if first else (SCREEN, NOTE))).judged()


def test_a_check_ends_where_the_log_writes_of_itself() -> None:
    found = judged(within_a_check({"type": "sealed", "data": SEALED}).encoded())

    assert (True, 1) == (bool(found.divergences), found.cut)


def test_a_disk_that_was_full_is_known_to_who_judges_what_follows() -> None:
    found = judged(Forged(busy()).encoded()[:9])
    assert "" == found.deployment.full
    log = Forged(busy()[:9])
    log.insert(9, {**log.lines[0], "type": "filled", "data": FILLED})

    assert "disk full" == judged(log.encoded()).deployment.full


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (OpenIntent(7, "launch", NOW, worker="w"), "launch of w"),
        (OpenIntent(7, "wake", NOW, text="t"), "wake"),
        (OpenIntent(7, "send", NOW, worker="w", text="hello", typed=True), "text to w"),
        (OpenIntent(7, "send", NOW, worker="w", text="hello"), "w intended send hello"),
        (OpenIntent(7, "move", NOW, worker="w", target="/a", text="/b"), "w intended move /a"),
        (OpenIntent(7, "sweep", NOW, target="val_1"), "intended sweep val_1"),
    ],
    ids=str,
)
def test_what_is_pending_is_said_in_words_at_its_line(intent: OpenIntent, words: str) -> None:
    found = judged([])
    found.deployment.intents[7] = intent

    assert [(7, words)] == [(one.line, one.what) for one in found.pending()]


def test_what_is_pending_is_told_in_the_order_of_its_lines() -> None:
    found = judged([])
    found.deployment.intents = {seq: OpenIntent(seq, "wake", NOW) for seq in (9, 3, 7)}

    assert [3, 7, 9] == [one.line for one in found.pending()]


BROKEN: Any = 7
"""A value of another type, as who forges a line may write it."""
MOVED: dict[str, Any] = {"worker": "w", "attempt": 1, "source": "launched", "to": "running"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (Draft(Started(why="it printed"), **MOVED), 'w started launched -> running "it printed"'),
        (Draft(Started(), **MOVED), "w started launched -> running"),
        (Draft(Noted(text="x")), "noted x"),
        (Draft(Captured(file="s", sha256="0"), worker="w", attempt=2), "w captured s"),
        (Draft(Exited(why="x", code=BROKEN)), 'exited by nobody known, code 7: "x"'),
        (Draft(Looked(mono=0.0, boot="b", verdicts=BROKEN)), "looked"),
    ],
    ids=str,
)
def test_a_line_is_said_in_words_whatever_it_holds(line: Draft, words: str) -> None:
    assert words == line_in_words(line)
