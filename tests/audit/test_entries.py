"""Which lines may be between checks, and which may not."""

from __future__ import annotations

import pytest
from tests.forge import Forged, Line, judged
from tests.play import NAME, Play
from tests.scripts.test_forged_nights import action, busy, spoken, stuck, validated

from wakeman.adapters.memory import Act
from wakeman.engine import requests


def test_a_sweep_of_an_older_version_has_no_outcome() -> None:
    log = Forged(busy())
    at = log.find("looked", skip=1)
    log.insert(at, {**log.lines[at], "type": "intended", "data": {"action": "sweep", "target": "val_1"}})

    assert [] == log.judged()


def test_a_sweep_in_the_product_s_name_that_begins_nothing_is_found() -> None:
    log = Forged(validated())
    at = log.find("looked", skip=1)
    line: Line = {**log.lines[at], "type": "intended"}
    log.insert(at, {**line, "data": {"action": "sweep", "target": "val_1", "ended_by": "wakeman"}})

    assert (at + 1, "action") in [(one.line, one.kind) for one in log.judged()]


def test_a_note_that_goes_on_as_something_else_is_found() -> None:
    log = Forged(busy())
    at = log.find("decided", lambda line: "worker" not in line and line["data"]["row"] == "sleep")
    log.insert(at, {**log.lines[at], "type": "noted", "data": {"text": "x"}})
    log.lines[at]["write"] = log.lines[at + 1]["write"]

    assert log.judged()


@pytest.mark.parametrize("of", [{}, {"worker": "w0", "attempt": 1}], ids=str)
def test_what_a_person_sweeps_behind_the_end_is_no_divergence(of: Line) -> None:
    log = Forged(busy())
    last = {**log.lines[-1], **of}
    swept: Line = {**last, "type": "intended", "data": {"action": "sweep", "target": "val_1", "ended_by": "person"}}
    done: Line = {**last, "type": "effected", "data": {"intent": len(log.lines) + 1, "ok": True}}
    log.insert(len(log.lines), swept)
    log.insert(len(log.lines), done)

    assert [] == log.judged()


@pytest.mark.parametrize(("closed", "kind"), [(False, "outcome"), (True, "closed")])
def test_words_typed_behind_the_end_are_found(closed: bool, kind: str) -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)}, plan={"limits": {"give_up": 600}})
    play.up()
    requests.send(play.stage.world(), NAME, "w0", "hello", submit=False, force=True)
    play.go(60)
    log = Forged(play.lines)
    sent = log.find("intended", action("send"))
    assert ([], "partial") == (log.judged(), play.deployment.outcome)

    if closed:
        log.insert(len(log.lines), log.lines[sent])
        assert (len(log.lines), kind) in [(one.line, one.kind) for one in log.judged()]
    else:
        log.lines[sent + 1]["data"]["intent"] = 1
        assert (sent + 2, kind) in [(one.line, one.kind) for one in log.judged()]


def test_a_text_that_was_typed_and_is_not_confirmed_is_pending() -> None:
    log = Forged(stuck())
    at = log.find("intended", action("nudge"))

    found = judged(log.encoded()[: at + 2])

    assert ([], [(at + 1, "text to w0")]) == (found.divergences, [(one.line, one.what) for one in found.pending()])


def test_a_notice_that_nobody_has_delivered_is_pending() -> None:
    log = Forged(busy())
    at = log.find("intended", action("wake"))

    assert (at + 1, "wake") in [(one.line, one.what) for one in judged(log.encoded()[: at + 1]).pending()]


def test_a_check_that_takes_one_row_at_a_time_comes_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeman.engine.protocol.check.ROWS_PER_CHECK_MAX", 1)

    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=1)})
    outcome = play.run(24 * 60).outcome

    assert ("complete", []) == (outcome, play.judged())


@pytest.mark.parametrize(("ok", "detail"), [(True, ""), (False, "exit status 1")])
def test_a_notice_that_was_delivered_or_not_ends_with_its_outcome(ok: bool, detail: str) -> None:
    log = Forged(busy())
    at = log.find("effected", lambda line: "worker" not in line)
    log.lines[at]["data"] = {**log.lines[at]["data"], "ok": ok, **({"detail": detail} if detail else {})}

    assert at + 1 not in [one.line for one in log.judged()]


def test_an_alarm_is_taken_away_only_from_what_is_over_and_owes_no_notice() -> None:
    log = Forged(busy())
    closed = log.find("closed")
    effected = log.find("effected", lambda line: "worker" not in line, skip=-1)
    log.insert(closed + 1, {**log.lines[closed], "type": "disarmed", "data": {"generation": 9}})

    assert effected > closed
    assert closed + 2 in [one.line for one in log.judged()]


@pytest.mark.parametrize("verb", ["stop", "retry"])
def test_a_request_about_nobody_changes_nothing_and_is_no_divergence(verb: str) -> None:
    log = Forged(busy())
    at = log.find("looked", skip=1)
    log.insert(at, {**log.lines[at], "type": "requested", "data": {"verb": verb}})

    assert [] == log.judged()


@pytest.mark.parametrize("behind", ["decided", "exited", "launched", "looked", "planned", "requested"])
def test_nothing_of_a_check_may_follow_the_end(behind: str) -> None:
    log = Forged(spoken())
    line = log.lines[log.find(behind)]
    log.insert(len(log.lines), line)

    assert (len(log.lines), "closed") in [(one.line, one.kind) for one in log.judged()]


@pytest.mark.parametrize("behind", ["noted", "progressed"])
def test_what_a_watcher_tells_may_follow_the_end(behind: str) -> None:
    log = Forged(busy())
    data: Line = {"text": "x"} if behind == "noted" else {"written": 2, "total": 2}
    of: Line = {} if behind == "noted" else {"worker": "w0", "attempt": 1}
    log.insert(len(log.lines), {**log.lines[-1], **of, "type": behind, "data": data})

    assert [] == log.judged()
