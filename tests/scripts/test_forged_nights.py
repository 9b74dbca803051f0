"""Forged logs, changed and chained again: each change is found, at its line."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
import pytest
from tests.forge import Forged, Line, judged
from tests.play import NAME, Play
from tests.scripts.test_side_sessions import night as with_a_validator

from wakeman.adapters.eventlog.audit_reader import AuditReader
from wakeman.adapters.memory import Act
from wakeman.audit.report import audit
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import decode
from wakeman.core.model import WorkersSpec
from wakeman.core.plan.shares import content_digest
from wakeman.engine import requests
from wakeman.engine.start.deploy import amend
from wakeman.engine.start.prepare import prepare_plan
from wakeman.ports import Report


@cache
def busy() -> tuple[bytes, ...]:
    """A night with a crash and its retry, two cleanups, a sample, and notices."""
    acts = {"w0": Act(stops_after=1), "w1": Act(stops_after=0, code=1)}
    plan: dict[str, dict[str, object]] = {
        "verify": {"sample": 2},
        "wake": {"on": ["ask", "clean up", "wrap up", "give up", "check"]},
        "cleanup": {"sweep": [{"sessions": "w*", "older_than": 0}]},
    }
    return tuple(_lines(Play(workers=3, units=2, acts=acts, plan=plan), 600))


@cache
def partial() -> tuple[bytes, ...]:
    """A night that ends with a unit missing."""
    acts = {"w0": Act(stops_after=1), "w0_c1": Act(stops_after=0), "w0_c2": Act(stops_after=0)}
    return tuple(_lines(Play(workers=2, units=2, acts=acts), 600))


@cache
def stuck() -> tuple[bytes, ...]:
    """A night with a worker that hangs, is nudged, captured and left to a person, who has it tried again."""
    plan: dict[str, dict[str, object]] = {
        "workers": {"mode": "interactive"},
        "stuck": {"silent": ["capture", "nudge", "ask"]},
        "wake": {"hold": True, "remind": 600},
        "limits": {"give_up": 7200, "give_up_do": "stop"},
    }
    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=0, hangs=True)}, plan=plan)
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.sessions.screens["w0"] = "❯"
    play.up()
    play.go(40)
    play.stage.harness.reports = {"w0": Report("waiting", "may it?")}
    play.go(20)
    requests.retry(play.stage.world(), NAME, ["w0"], (), "again")
    play.stage.harness.reports = {}
    play.go(60)
    requests.request(play.stage.world(), NAME, "pause")
    requests.request(play.stage.world(), NAME, "unpause")
    play.go(60)
    if play.deployment.held:
        requests.request(play.stage.world(), NAME, "accept")
    play.go(300)
    return tuple(play.lines)


@cache
def spoken() -> tuple[bytes, ...]:
    """A night in which a person stops one who waits, amends the plan, types, sweeps, and ends it all."""
    play = Play(workers=4, units=1, acts={"w0": Act(hangs=True, stops_after=0)}, plan={"workers": {"at_once": 1}})
    play.up()
    world = play.stage.world()
    requests.stop(world, NAME, ["w1"])
    play.plan["stuck"] = {"after": 1200}
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))
    requests.send(world, NAME, "w0", "hello", submit=True, force=True)
    requests.judge(world, NAME, "waive", ("w3/u0",), "mine")
    requests.sweep(world, NAME, "nobody*", 0, act=True)
    play.go(10)
    requests.request(world, NAME, "down", "enough")
    play.go(10)
    return tuple(play.lines)


@cache
def validated() -> tuple[bytes, ...]:
    """A night in which a session that a worker has started is ended, and the worker told."""
    play = with_a_validator()
    play.go(30)
    requests.request(play.stage.world(), NAME, "down", "enough")
    play.go(10)
    return tuple(play.lines)


def _lines(play: Play, minutes: float) -> list[bytes]:
    play.run(minutes)
    return play.lines


@cache
def reviewed() -> tuple[bytes, ...]:
    """A night with a reviewer that rejects a unit, and one that gives no verdict at first."""
    acts = {f"{NAME}_review_1": Act(rejects=("w0/u1",)), f"{NAME}_review_2": Act(stops_after=0)}
    verify: dict[str, object] = {"review": {"of": "all", "command": ["judge"], "max_units": 3}}
    play = Play(workers=2, units=2, acts=acts, plan={"verify": verify})
    play.up()
    play.go(10)
    play.stage.acts.clear()
    requests.retry(play.stage.world(), NAME, ["review_2"], (), "go on")
    play.go(600)
    return tuple(play.lines)


NIGHTS = {
    "busy": busy,
    "partial": partial,
    "stuck": stuck,
    "spoken": spoken,
    "reviewed": reviewed,
    "validated": validated,
}

Change = Callable[[Forged], int]
"""What somebody does to a log; gives where it shows."""


def row(line: Line) -> str:
    return str(line["data"].get("row", ""))


def own(line: Line) -> bool:
    return "worker" not in line


def taken_over(line: Line) -> bool:
    return "moved" in line["data"]


def appointed(line: Line) -> bool:
    return "review" in line["data"]


def of_w1(line: Line) -> bool:
    return bool(line["worker"] == "w1")


SCREEN: Line = {"type": "captured", "worker": "w0", "attempt": 1, "data": {"file": "s", "sha256": "0"}}
FAR = {"kind": "at", "generation": 9, "due": "2026-01-05T22:00:00Z"}

# --- decisions ------------------------------------------------------------------------------------------------


def _changed(kind: str, key: str, value: object, fits: Callable[[Line], bool] = lambda _: True) -> Change:
    def change(log: Forged) -> int:
        at = log.find(kind, fits)
        log.lines[at]["data"][key] = value
        return at

    return change


def _dropped(kind: str, fits: Callable[[Line], bool] = lambda _: True, behind: int = 0, skip: int = 0) -> Change:
    def change(log: Forged) -> int:
        at = log.find(kind, fits, skip)
        log.drop(at)
        return at + behind

    return change


def _doubled(kind: str, fits: Callable[[Line], bool] = lambda _: True) -> Change:
    def change(log: Forged) -> int:
        at = log.find(kind, fits)
        log.insert(at + 1, log.lines[at])
        return at + 1

    return change


def action(name: str) -> Callable[[Line], bool]:
    return lambda line: line["data"].get("action") == name


def moved_before_its_look(log: Forged) -> int:
    at = log.find("started")
    look = max(n for n in range(at) if log.lines[n]["type"] == "looked")
    log.insert(look, log.drop(at))
    return look


def verified_too_early(log: Forged) -> int:
    at = log.find("exited", lambda line: line["worker"] == "w0")
    fact: Line = {**log.lines[at], "type": "verified", "from": "exited", "to": "verified"}
    log.insert(at + 1, {**fact, "data": {"files": 1, "digest": "0" * 64}})
    return at + 1


def attempt_used_again(log: Forged) -> int:
    at = log.find("intended", lambda line: line.get("attempt") == 2)
    log.lines[at]["attempt"] = 1
    log.lines[log.find("relaunched")]["attempt"] = 1
    return at


def launched_twice(log: Forged) -> int:
    at = log.find("intended", lambda line: line["data"]["action"] == "launch")
    log.insert(at, log.lines[at])
    return at + 1


def verdict_flipped(log: Forged) -> int:
    at = log.find("looked", lambda line: any("problems" in v for v in line["data"].get("verdicts", ())))
    for verdict in log.lines[at]["data"]["verdicts"]:
        verdict.pop("problems", None)
    return at


def output_made_empty(log: Forged) -> int:
    at = log.find("looked", lambda line: any(v.get("marks") for v in line["data"].get("verdicts", ())))
    for verdict in log.lines[at]["data"]["verdicts"]:
        verdict["marks"] = [[mark[0], 0, *mark[2:]] for mark in verdict.get("marks", ())]
    return at


def unasked_end(log: Forged) -> int:
    at = log.find("started") + 1
    line = {**log.lines[at - 1], "type": "intended", "data": {"action": "end", "target": "w0", "ended_by": "wakeman"}}
    line.pop("from")
    line.pop("to")
    log.insert(at, line)
    return at


def unasked_sweep(log: Forged) -> int:
    at = unasked_end(log)
    log.lines[at]["data"]["action"] = "sweep"
    return at


def decided_without_a_look(log: Forged) -> int:
    at = log.find("looked", skip=1)
    log.insert(at, log.lines[log.find("decided", lambda line: own(line) and row(line) == "sleep")])
    return at


def spoken_after_the_end(log: Forged) -> int:
    log.insert(
        len(log.lines),
        log.lines[log.find("requested")]
        if any(line["type"] == "requested" for line in log.lines)
        else log.lines[log.find("decided")],
    )
    return len(log.lines) - 1


def disarmed_while_open(log: Forged) -> int:
    at = log.find("looked", skip=1)
    log.insert(at, {**log.lines[at], "type": "disarmed", "data": {"generation": 1}})
    return at


def worker_of_nobody(log: Forged) -> int:
    at = log.find("started")
    log.lines[at]["worker"] = "nobody"
    return at


def planned_twice(log: Forged) -> int:
    at = log.find("looked")
    log.insert(at, log.lines[0])
    return at


def head_without_a_check(log: Forged) -> int:
    at = log.find("looked", skip=1)
    armed = log.lines[log.find("armed", lambda line: line["data"]["why"] == "head")]
    log.insert(at, armed)
    return at


def begun_with_more(log: Forged) -> int:
    at = log.find("enrolled")
    log.insert(at, {**log.lines[at], "type": "noted", "data": {"text": "x"}})
    log.lines[at]["write"] = log.lines[0]["write"]
    return at


def look_torn_apart(log: Forged) -> int:
    at = log.find("looked", skip=1)
    log.lines[at]["data"]["more"] = True
    return at


def decision_of_two_writes(log: Forged) -> int:
    at = log.find("decided", lambda line: row(line) == "clean up")
    log.lines[at]["write"] = -1
    return at


def _glued(log: Forged) -> int:
    at = log.find("requested", lambda line: line["data"]["verb"] == "waive")
    log.insert(at + 1, log.lines[at])
    log.lines[at + 1]["write"] = log.lines[at]["write"]
    return at + 1


def _of_another(log: Forged) -> int:
    at = log.find("intended", action("send")) + 1
    log.lines[at]["attempt"] = 7
    return at


# --- writes of several lines ----------------------------------------------------------------------------------


def _several(log: Forged) -> int:
    """Find the first of four transitions in one write."""
    return log.find("verified", lambda line: line["worker"] == "w0")


def _without(*which: int) -> Change:
    """Drop some of four transitions; it shows at the line before the first of them."""

    def change(log: Forged) -> int:
        at = _several(log)
        for n in sorted(which, reverse=True):
            log.drop(at + n)
        return at + min(which) - 1

    return change


def _with_another(behind: int) -> Change:
    """Put one more among four transitions."""

    def change(log: Forged) -> int:
        at = _several(log)
        log.insert(at + behind, log.lines[log.find("started")])
        log.lines[at + behind]["write"] = log.lines[at]["write"]
        return at + behind

    return change


def one_dropped_and_another_turned(log: Forged) -> int:
    at = _several(log)
    log.lines[at + 3]["worker"] = "w1_c1"
    log.drop(at + 1)
    return at + 1


def first_ones_dropped(log: Forged) -> int:
    at = log.find("started")
    log.drop(at)
    log.drop(at)
    return at


# --- what follows a line that was dropped ---------------------------------------------------------------------------


def outcome_dropped_and_row_turned(log: Forged) -> int:
    at = log.find("launched")
    log.drop(at)
    log.lines[at + 2]["data"]["row"] = "give up"
    return at


def outcome_dropped_and_row_lost(log: Forged) -> int:
    at = log.find("launched")
    log.drop(at)
    log.insert(at + 2, {**log.lines[at + 2], **SCREEN})
    log.lines[at + 3] = {**log.lines[at + 2], "write": -1}
    return at


def screen_behind_the_alarm(log: Forged) -> int:
    at = log.find("armed", lambda line: line["data"]["why"] == "next") + 1
    log.insert(at, {**log.lines[at - 1], **SCREEN})
    return at


def screen_behind_a_hooks_report(log: Forged) -> int:
    at = log.find("looked", skip=1)
    told: Line = {"type": "progressed", "worker": "w0", "attempt": 1, "data": {"written": 1, "total": 2}}
    log.insert(at, {**log.lines[at], **told})
    log.insert(at + 1, {**log.lines[at], **SCREEN})
    return at + 1


def swept_with_something_behind_it(log: Forged) -> int:
    at = log.find("intended", action("sweep")) + 1
    log.insert(at, {**log.lines[at - 1], **SCREEN})
    log.lines[at]["write"] = log.lines[at - 1]["write"]
    return at


# --- writers ----------------------------------------------------------------------------------------------------


def continued_by_another(log: Forged) -> int:
    at = log.find("decided", lambda line: row(line) == "sleep")
    log.lines[at]["by"] = log.lines[at + 1]["by"] = "hand:9"
    return at


def looked_by_two(log: Forged) -> int:
    at = log.find("looked", skip=1)
    log.insert(at, log.lines[at])
    log.lines[at]["data"] = {"mono": 1001.0, "boot": "00000001", "more": True}
    log.lines[at]["write"] = log.lines[at + 1]["write"]
    log.lines[at + 1]["by"] = "at:9"
    return at + 1


def amended_by_two(log: Forged) -> int:
    at = _changed("amended", "dropped", ["w0"])(log)
    while log.lines[at + 1]["write"] == log.lines[at]["write"]:
        at += 1
    log.lines[at]["by"] = "hand:9"
    return at


# --- lines that begin a check, within one ------------------------------------------------------------------------


def looked_before_its_end(log: Forged) -> int:
    at = log.find("decided", lambda line: row(line) == "sleep")
    log.insert(at, log.lines[log.find("looked")])
    return at + 1


def armed_for_another_reason(log: Forged) -> int:
    at = log.find("armed", lambda line: line["data"]["why"] == "head")
    log.lines[at]["data"]["why"] = "next"
    return at


CHANGES: list[tuple[str, str, Change]] = [
    ("a row changed", "busy", _changed("decided", "row", "give up", own)),
    ("a worker's row changed", "busy", _changed("decided", "row", "tidy", lambda line: not own(line))),
    ("a reason changed", "busy", _changed("decided", "why", "because", own)),
    ("actions changed", "busy", _changed("decided", "then", ["launch", "close"], own)),
    ("a row made held", "busy", _changed("decided", "held", True, lambda line: row(line) == "clean up")),
    ("a row put under another", "busy", _changed("decided", "under", "wrap up", own)),
    ("a decision of another look", "busy", _changed("decided", "looked", 3, lambda line: row(line) == "wrap up")),
    ("a decision dropped", "busy", _dropped("decided", lambda line: row(line) == "launch")),
    ("a worker's decision dropped", "busy", _dropped("decided", lambda line: row(line) == "retry")),
    ("the last decision dropped", "busy", _dropped("decided", lambda line: row(line) == "sleep")),
    ("a decision doubled", "busy", _doubled("decided", own)),
    ("a decision without a look", "busy", decided_without_a_look),
    ("a decision of a notice torn apart", "busy", decision_of_two_writes),
    ("a notice dropped", "busy", _dropped("intended", action("wake"), -1)),
    ("a notice changed", "busy", _changed("intended", "text", "all is well", action("wake"))),
    ("a transition moved", "busy", moved_before_its_look),
    ("a transition dropped", "busy", _dropped("started")),
    ("a transition of nobody", "busy", worker_of_nobody),
    ("an exit of another code", "busy", _changed("exited", "code", 0, of_w1)),
    ("an extra verified", "busy", verified_too_early),
    ("a verified of other files", "busy", _changed("verified", "digest", "0" * 64)),
    ("a verified dropped", "busy", _dropped("verified")),
    ("a launch without intent", "busy", _dropped("intended", action("launch"), 2)),
    ("an intent without decision", "busy", launched_twice),
    ("a launch of another session", "busy", _changed("intended", "target", "mine", action("launch"))),
    ("a launch of other units", "busy", _changed("intended", "units", 7, action("launch"))),
    ("an outcome of another launch", "busy", _changed("launched", "intent", 2)),
    ("an outcome of a launch dropped", "busy", _dropped("relaunched")),
    ("an outcome of a move dropped", "busy", _dropped("effected", lambda line: not own(line))),
    ("an outcome of another move", "busy", _changed("effected", "intent", 2, lambda line: not own(line))),
    ("an outcome of no notice", "busy", _changed("effected", "intent", 2, own)),
    ("an attempt used again", "busy", attempt_used_again),
    ("a verdict flipped to passed", "busy", verdict_flipped),
    ("an output that is empty", "busy", output_made_empty),
    ("an end that nobody decided", "busy", unasked_end),
    ("another share for a cleanup", "busy", _changed("enrolled", "moved", ["w1/u0"], taken_over)),
    ("a cleanup dropped", "busy", _dropped("enrolled", taken_over)),
    ("another sample", "busy", _changed("sampled", "units", ["w0/u1", "w0/u0"])),
    ("a sample dropped", "busy", _dropped("sampled")),
    ("closed otherwise", "busy", _changed("closed", "outcome", "stopped")),
    ("closed complete with a unit missing", "partial", _changed("closed", "outcome", "complete")),
    ("a missing unit hushed up", "partial", _changed("closed", "missing", [])),
    ("more after the end", "busy", spoken_after_the_end),
    ("the alarm taken away", "busy", disarmed_while_open),
    ("a generation left out", "busy", _changed("armed", "alarm", FAR)),
    ("a head without a check", "busy", head_without_a_check),
    ("a look torn apart", "busy", look_torn_apart),
    ("something else where it begins", "busy", begun_with_more),
    ("planned twice", "busy", planned_twice),
    ("a nudge changed", "stuck", _changed("intended", "text", "rm -rf", action("nudge"))),
    ("a nudge dropped", "stuck", _dropped("intended", action("nudge"))),
    ("a nudge without outcome", "stuck", _dropped("effected", lambda line: line.get("worker") == "w0")),
    ("a confirmation dropped", "stuck", _dropped("confirmed")),
    ("a confirmation turned", "stuck", _changed("confirmed", "ok", False)),
    ("a confirmation that nobody waits for", "stuck", _doubled("confirmed")),
    ("a sweep in a check that decided none", "validated", unasked_sweep),
    ("a sweep dropped", "validated", _dropped("intended", action("sweep"))),
    ("another session swept", "validated", _changed("intended", "target", "mine", action("sweep"))),
    ("a sweep that nobody decided", "validated", _doubled("intended", action("sweep"))),
    ("a screen dropped", "stuck", _dropped("captured")),
    ("a screen for another reason", "stuck", _changed("captured", "why", "bored")),
    ("a screen that nobody asked for", "stuck", _doubled("captured")),
    ("an end in another name", "stuck", _changed("intended", "ended_by", "person", action("end"))),
    ("an end dropped", "stuck", _dropped("intended", action("end"), skip=1)),
    ("a person's exit dropped", "spoken", _dropped("exited", lambda line: line["data"]["ended_by"] == "person", -1)),
    ("a person's exit in another name", "spoken", _changed("exited", "ended_by", "machine", of_w1)),
    ("another dropped by an amendment", "spoken", _changed("amended", "dropped", ["w0"])),
    ("an amendment without its plan", "spoken", _dropped("amended", behind=-1)),
    ("a request with something behind it", "spoken", _glued),
    ("an outcome of somebody else", "spoken", _of_another),
    ("a rejection hushed up", "reviewed", _changed("reviewed", "rejected", [])),
    ("a rejection in other words", "reviewed", _changed("reviewed", "rejected", [{"unit": "w0/u1", "why": "good"}])),
    ("another rejected", "reviewed", _changed("reviewed", "rejected", [{"unit": "w0/u0", "why": "thin"}])),
    ("more accepted than there are", "reviewed", _changed("reviewed", "passed", 9)),
    ("a verdict of another round", "reviewed", _changed("reviewed", "round", 7)),
    ("a verdict dropped", "reviewed", _dropped("reviewed")),
    ("a verdict taken twice", "reviewed", _doubled("reviewed")),
    ("one of four transitions dropped", "busy", _without(1)),
    ("the last of four transitions dropped", "busy", _without(3)),
    ("two of four transitions dropped", "busy", _without(1, 2)),
    ("the last two of four transitions dropped", "busy", _without(2, 3)),
    ("three of four transitions dropped", "busy", _without(1, 2, 3)),
    ("the first two of three transitions dropped", "busy", first_ones_dropped),
    ("one of four transitions dropped, another turned", "busy", one_dropped_and_another_turned),
    ("another among four transitions", "busy", _with_another(1)),
    ("another behind four transitions", "busy", _with_another(4)),
    ("the first of three outcomes dropped", "busy", _dropped("launched")),
    ("an outcome dropped, the row behind it turned", "busy", outcome_dropped_and_row_turned),
    ("an outcome dropped, two screens for the row behind it", "busy", outcome_dropped_and_row_lost),
    ("a check continued by another process", "busy", continued_by_another),
    ("a look of two writers", "busy", looked_by_two),
    ("a screen behind the alarm of a check", "stuck", screen_behind_the_alarm),
    ("a screen behind a hook's report", "busy", screen_behind_a_hooks_report),
    ("a session swept with something behind it", "validated", swept_with_something_behind_it),
    ("an amendment of two writers", "spoken", amended_by_two),
    ("another alarm taken away at the end", "busy", _changed("disarmed", "generation", 9)),
    ("another look before a check's end", "busy", looked_before_its_end),
    ("the alarm set for another reason", "busy", armed_for_another_reason),
    ("a reviewer spared units", "reviewed", _changed("enrolled", "reviews", ["w0/u0"], appointed)),
    ("a reviewer dropped", "reviewed", _dropped("enrolled", appointed)),
]  # fmt: skip


@pytest.mark.parametrize(("night", "change"), [(n, c) for _, n, c in CHANGES], ids=[what for what, _, _ in CHANGES])
def test_a_change_is_found_where_it_shows(night: str, change: Change) -> None:
    log = Forged(NIGHTS[night]())

    at = change(log)

    assert at + 1 in [divergence.line for divergence in log.judged()]


@pytest.mark.parametrize("night", NIGHTS)
def test_what_is_only_read_and_chained_anew_is_as_it_was(night: str) -> None:
    log = Forged(NIGHTS[night]())

    assert (list(NIGHTS[night]()), []) == (log.encoded(), log.judged())


SILENT = {"noted", "armed", "disarmed", "requested", "looked", "effected", "decided", "intended"}
"""Types of which a line may go unseen: a check that breaks off after any write is what a killed process leaves."""


@pytest.mark.parametrize("night", NIGHTS)
def test_a_line_that_says_something_is_not_dropped_unseen(night: str) -> None:
    dice = random.Random(7)  # noqa: S311 - a seed
    lines = NIGHTS[night]()
    told = [n for n, line in enumerate(Forged(lines).lines) if n and line["type"] not in SILENT]
    for at in dice.sample(told, min(25, len(told))):
        log = Forged(lines)
        dropped = log.drop(at)
        assert log.judged() or at == len(lines) - 1, dropped


ODD: list[object] = [
    None, True, 0, -1, 2**62, 1.5, "", "w0", "nobody", "sleep", "2026-01-01T00:00:00", [], ["x"], [["x", 0, 0]], {},
    "exited", "launched", "complete",
]  # fmt: skip


@pytest.mark.parametrize("part", range(8))
def test_no_line_that_can_be_read_stops_the_judge(part: int) -> None:
    """Random values in random fields: whatever still decodes is judged to the end."""
    dice = random.Random(part)  # noqa: S311 - a seed
    judged_to_the_end = 0
    for _ in range(120):
        log = Forged(NIGHTS[dice.choice(sorted(NIGHTS))]())
        for _ in range(dice.randint(1, 3)):
            line = dice.choice(log.lines[1:])
            key = dice.choice(["data", "worker", "attempt", "from", "to", "at", "type", "drop"])
            if key == "data" and line["data"]:
                line["data"][dice.choice(sorted(line["data"]))] = dice.choice(ODD)
            elif key == "drop":
                log.lines.remove(line)
            elif key != "data" and key in line:
                line[key] = dice.choice([*ODD, *(other.get(key) for other in log.lines)])
        try:
            found = judged(log.encoded())
        except LogDamagedError:
            continue  # it does not decode
        judged_to_the_end += 1
        assert found.events > 0
    assert judged_to_the_end > 10


# What a forger with the whole disk could change, chained again

DAY = timedelta(days=1)


def _moved(line: Line, by: timedelta) -> None:
    line["at"] = (datetime.fromisoformat(line["at"]) + by).isoformat().replace("+00:00", "Z")


def _move(forged: Forged, chosen: Callable[[Line], bool], by: timedelta) -> None:
    for line in forged.lines:
        if chosen(line):
            _moved(line, by)


def _replaced(forged: Forged, old: str, new: str) -> None:
    texts = (msgspec.json.encode(line).decode().replace(old, new) for line in forged.lines)
    forged.lines[:] = [msgspec.json.decode(text) for text in texts]


def _decided(forged: Forged) -> set[int]:
    """Return the numbers of the writes in which something was decided, between two observations."""
    return {line["write"] for line in forged.lines if line["type"] == "decided"}


def _decisions_moved(forged: Forged) -> None:
    writes = _decided(forged)
    _move(forged, lambda line: line["write"] in writes, -DAY)


def _one_look_moved(forged: Forged) -> None:
    looks = [n for n, line in enumerate(forged.lines) if line["type"] == "looked"]
    _moved(forged.lines[looks[2]], DAY)


def _one_line_of_a_write_moved(forged: Forged) -> None:
    at = next(n for n, line in enumerate(forged.lines) if n and line["write"] == forged.lines[n - 1]["write"])
    _moved(forged.lines[at], timedelta(seconds=1))


def _worker_renamed(forged: Forged) -> None:
    for key in ("worker", "session", "target", "origin"):
        _replaced(forged, f'"{key}":"w1"', f'"{key}":"x1"')


def _plan_changed(forged: Forged) -> None:
    forged.lines[0]["data"]["plan"]["stuck"]["after"] = 77.0


def _plan_and_its_digest_changed(forged: Forged) -> None:
    planned = forged.lines[0]["data"]
    planned["plan"]["workers"]["env"] = {"OTHER": "1"}
    planned["digest"] = content_digest(planned["plan"])


FORGERIES: dict[str, tuple[Callable[[Forged], None], str]] = {
    "the lines of the decisions are of another day": (_decisions_moved, "time"),
    "one line of a write is of another second": (_one_line_of_a_write_moved, "time"),
    "the plan is another under the same digest": (_plan_changed, "plan"),
    "a worker has another name everywhere": (_worker_renamed, "fold"),
    "another process writes a line": (lambda forged: forged.lines[1].update(by="up:9"), "fold"),
    "all times are moved by a day": (lambda forged: _move(forged, lambda _: True, DAY), ""),
    "the plan is another, and so is its digest, of which the sample is drawn": (_plan_and_its_digest_changed, "action"),
    "one observation is of another day, as while the clock was set": (_one_look_moved, ""),
    "the boot is another everywhere": (lambda forged: _replaced(forged, '"boot":"00000001"', '"boot":"0badb007"'), ""),
    "the free memory is another": (lambda forged: _each_look(forged, memory=1), ""),
    "the machine is another": (lambda forged: _replaced(forged, '"/plans"', '"/elsewhere"'), ""),
    "a process has another number everywhere": (lambda forged: _replaced(forged, '"pid":1001', '"pid":4711'), ""),
}
"""A forgery -> the kind of divergence that tells it; "" for what only a signature or another checkpoint shows."""


def _each_look(forged: Forged, **values: object) -> None:
    for line in forged.lines:
        if line["type"] == "looked":
            line["data"].update(values)


@pytest.mark.parametrize("name", FORGERIES)
def test_what_can_be_judged_again_is_told_and_the_rest_by_a_signature_alone(name: str, tmp_path: Path) -> None:
    forge, kind = FORGERIES[name]
    forged, file = Forged(busy()), tmp_path / "events.jsonl"
    forge(forged)
    lines = forged.encoded()
    file.write_bytes(b"".join(lines))

    with AuditReader(str(file)) as tape:
        told = {divergence.kind for divergence in audit(tape).divergences}
    last = decode(busy()[-1][:-1])
    with AuditReader(str(file)) as tape:
        signed = {divergence.kind for divergence in audit(tape, [("a signature", last.seq, last.hash)]).divergences}

    assert lines != list(busy())
    assert ({kind} if kind else set()) <= told
    assert bool(kind) == bool(told), told
    assert "witness" in signed


def _bounded() -> list[bytes]:
    """A night for which `up` has set how many workers run at the same time."""
    play = Play(workers=10, units=1, plan={"workers": {"by": WorkersSpec().by}})
    play.stage.machine.size = (0, 1)
    lines = _lines(play, 600)
    assert msgspec.json.decode(lines[0])["data"]["plan"]["workers"]["at_once"]
    return lines


def _with_a_long_prompt() -> list[bytes]:
    """A night whose plan is another in the log: its prompt is long, and in a file."""
    profile = {"description": "one", "prompt": "be one"}
    workers = {"prompt": "do {{ unit }} " + "x" * 20000, "at_once": 2}
    return _lines(Play(plan={"agents": {"mine": profile}, "workers": workers}), 600)


def _set_and_set_back() -> list[bytes]:
    """A night in which the clock is set by a day, back and forth, while people write."""
    play = Play(acts={"w0": Act(hangs=True, stops_after=0)})
    play.up()
    for days in (1, -1, -2, 2):
        play.stage.clock.at += days * DAY
        requests.request(play.stage.world(), NAME, "pause")
        requests.request(play.stage.world(), NAME, "unpause")
        play.go(7)
    play.stage.clock.at -= DAY
    requests.request(play.stage.world(), NAME, "pause")
    play.stage.clock.at += DAY
    requests.request(play.stage.world(), NAME, "unpause")
    play.go(7)
    return play.lines


def _adopted_and_resumed() -> list[bytes]:
    """A night that goes on as another user, on a machine that was started anew, after an `up` of the same plan."""
    play = Play(acts={"w0": Act(hangs=True, stops_after=0)})
    play.up()
    play.go(7)
    play.stage.registry.here = msgspec.structs.replace(play.stage.registry.here, uid=0)
    requests.adopt(play.stage.world(), NAME)
    play.stage.clock.name, play.stage.clock.seconds = "00000002", 5.0
    play.up()
    play.go(30)
    return play.lines


HONEST: dict[str, Callable[[], Sequence[bytes]]] = {
    "one with a crash": busy,
    "one that is partial": partial,
    "one that was held and paused": stuck,
    "one that was amended": spoken,
    "one with a reviewer": reviewed,
    "one whose prompt is in a file": _with_a_long_prompt,
    "one whose workers `up` has bounded": _bounded,
    "one whose clock was set, and set back": _set_and_set_back,
    "one that was adopted and resumed": _adopted_and_resumed,
}


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_night_is_not_called_forged(name: str, older: bool, tmp_path: Path) -> None:
    forged, file = Forged(HONEST[name]()), tmp_path / "events.jsonl"
    plans = [line["data"] for line in forged.lines if line["type"] in ("planned", "amended")]
    for data in plans if older else ():
        del data["logged"]
    file.write_bytes(b"".join(forged.encoded()))

    with AuditReader(str(file)) as tape:
        assert () == tuple(audit(tape).divergences)
    assert older or all(data["logged"] for data in plans)


def _a_name_that_is_not_there(forged: Forged) -> None:
    forged.lines[0]["data"]["plan"]["workers"]["by"] = "{{ nothing }}"


def _names_respelled(forged: Forged) -> None:
    _replaced(forged, "w0/u0", r"w0/\\udcffu0")
    forged.lines[0]["data"]["plan"]["workers"]["name"] = "{{ unit }}"


@pytest.mark.parametrize("forge", [_a_name_that_is_not_there, _names_respelled])
def test_names_of_workers_that_cannot_be_made_again_are_not_compared(forge: Callable[[Forged], None]) -> None:
    forged = Forged(partial())
    forge(forged)

    assert "fold" not in {divergence.kind for divergence in forged.judged()}
