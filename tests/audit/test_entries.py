"""Which lines may be between checks, and which may not."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs
from tests.engine.protocol.test_check import STAGED, after, begun, crashed
from tests.forge import Forged, Line, judged
from tests.log import HOST, NOW, PLAN, Log
from tests.play import NAME, Play
from tests.scripts.test_forged_nights import action, busy, spoken, stuck, validated

from wakeman.adapters.memory import Act
from wakeman.audit.entries import entries
from wakeman.core.log import events as e
from wakeman.core.model import Alarm, Deployment, Identity, OpenIntent, Unit, WorkersSpec
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.engine.effects.launch import MakeSessions
from wakeman.engine.effects.press import Press
from wakeman.engine.effects.promote import Promote
from wakeman.engine.effects.text import Type
from wakeman.engine.protocol.steps import Append
from wakeman.ports import Pressing


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


RESPELLED = r"a\udcff"


def first_write(units: tuple[Unit, ...], worker: str = "w") -> list[e.Draft]:
    """Give what an audit expects of a log's first write, in which a worker gets these units, one for each input."""
    plan = structs.replace(PLAN, workers=WorkersSpec(by="{{ input }}", name="{{ unit }}"))
    facts = (e.Planned(name="night", plan=plan, digest="d", host=HOST), e.Enrolled(session=worker, units=units))
    write = [
        e.Event(v=1, seq=seq, at=NOW, by="up:1", worker=who, data=fact, hash="")
        for seq, (fact, who) in enumerate(zip(facts, (None, worker), strict=True), 1)
    ]
    [steps] = entries(Deployment(), write)
    step: Any = next(steps)
    return list(step.drafts)


@pytest.mark.parametrize(
    ("units", "worker"),
    [
        ((Unit("a", (), input="i"),), "a"),
        ((Unit("a", (), input="i"), Unit("b", (), input="i")), "a"),
        ((Unit("a", (), input="i", names={"k": "v"}),), "a"),
        ((), "w"),
        ((Unit(RESPELLED, (), input="i"),), "w"),
        ((Unit("a", (), input=RESPELLED),), "w"),
        ((Unit("a", (), input="i", names={"k": RESPELLED}),), "w"),
        ((Unit("a", (), input="i"), Unit(RESPELLED, (), input="i")), "w"),
        ((Unit("a", ()),), "w"),
    ],
    ids=str,
)
def test_a_worker_is_called_as_its_plan_says_unless_the_log_could_not_hold_the_names(
    units: tuple[Unit, ...], worker: str
) -> None:
    assert [None, worker] == [draft.worker for draft in first_write(units)]


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

    found = judged(log.encoded())

    assert (len(log.lines), "closed") in [(one.line, one.kind) for one in found.divergences]
    assert len(log.lines) == found.deployment.seq


@pytest.mark.parametrize("behind", ["noted", "progressed"])
def test_what_a_watcher_tells_may_follow_the_end(behind: str) -> None:
    log = Forged(busy())
    data: Line = {"text": "x"} if behind == "noted" else {"written": 2, "total": 2}
    of: Line = {} if behind == "noted" else {"worker": "w0", "attempt": 1}
    log.insert(len(log.lines), {**log.lines[-1], **of, "type": behind, "data": data})

    assert [] == log.judged()


# --- chosen by the first line -------------------------------------------------------------------------------------


def line(fact: e.Fact, worker: str | None = None, *, by: str = "at:1", after: float = 0.0) -> e.Event:
    return e.Event(v=1, seq=9, at=NOW + timedelta(seconds=after), by=by, worker=worker, attempt=1, data=fact, hash="")


def first_writes(d: Deployment, *write: e.Event) -> list[tuple[str, tuple[e.Draft, ...]]]:
    """Give what each protocol that may have written this would write first."""
    found: list[tuple[str, tuple[e.Draft, ...]]] = []
    for steps in entries(d, write):
        step: Any = next(steps, None)
        while step is not None and not isinstance(step, Append):
            step = steps.send(step.recorded(d, write))
        if step is not None:
            found.append((step.kind, step.drafts))
    return found


def open_log() -> Deployment:
    """Give a deployment at work whose alarm is due now, that owes a notice."""
    d = Log().running().d
    d.generation, d.alarm = 4, Alarm(kind="at", generation=4, due=NOW, job="7")
    d.intents[3] = OpenIntent(seq=3, action="wake", at=NOW)
    return d


def closed_log() -> Deployment:
    d = open_log()
    d.outcome = "complete"
    return d


def fresh_log() -> Deployment:
    return Deployment()


ARMED = e.Armed(alarm=Alarm(kind="at", generation=5, due=NOW, job="8"), why="next")
LOOKED = e.Looked(mono=20.0, boot="b1")
SENT = e.Intended(action="send", target="w", text="hello")
SWEPT = e.Intended(action="sweep", target="val_1", ended_by="person")
OLD_SWEEP = e.Intended(action="sweep", target="val_1")
TOLD_AGAIN = e.Intended(action="wake", text="hello", again=3)
ADOPTED = e.Adopted(identity=Identity(machine="m", uid=1, pid_namespace=2), root_id="r")
STOP, PAUSE = e.Requested(verb="stop", text="enough"), e.Requested(verb="pause")
HEARD = e.Progressed(written=1, total=2)
DELIVERED = e.Effected(intent=3, ok=True)

BEGINNINGS: list[tuple[Any, e.Event, list[str]]] = [
    (fresh_log, line(e.Planned(name="night", plan=PLAN, digest="d", host=HOST)), ["fold"]),
    (open_log, line(e.Planned(name="night", plan=PLAN, digest="d", host=HOST)), []),
    (open_log, line(LOOKED), ["look"]),
    (closed_log, line(LOOKED), []),
    (open_log, line(ARMED), ["alarm", "alarm"]),
    (closed_log, line(ARMED), ["alarm"]),
    (open_log, line(HEARD, "w"), ["line", "line"]),
    (closed_log, line(HEARD, "w"), ["line"]),
    (open_log, line(DELIVERED), ["outcome"]),
    (closed_log, line(DELIVERED), ["outcome"]),
    (closed_log, line(DELIVERED, "w"), ["outcome"]),
    (open_log, line(SENT, "w"), ["fold"]),
    (closed_log, line(SENT, "w"), []),
    (open_log, line(SWEPT, "w"), ["fold"]),
    (closed_log, line(SWEPT), ["fold"]),
    (open_log, line(OLD_SWEEP), ["line"]),
    (open_log, line(e.Intended(action="end", target="w", ended_by="person"), "w"), []),
    (open_log, line(e.Intended(action="end", target="w"), "w"), []),
    (open_log, line(e.Intended(action="sweep", target="val_1", ended_by="wakeman")), []),
    (open_log, line(TOLD_AGAIN, after=3600), ["line"]),
    (closed_log, line(TOLD_AGAIN, after=3600), ["line"]),
    (open_log, line(TOLD_AGAIN), []),
    (open_log, line(e.Intended(action="wake", text="hello"), after=3600), []),
    (open_log, line(e.Intended(action="end", target="w", again=3), after=3600), []),
    (open_log, line(e.Disarmed(generation=4)), []),
    (closed_log, line(e.Disarmed(generation=4)), []),
    (open_log, line(STOP, "w"), ["transition"]),
    (open_log, line(e.Requested(verb="retry"), "w"), ["fold"]),
    (open_log, line(PAUSE), ["fold"]),
    (closed_log, line(PAUSE), []),
    (open_log, line(ADOPTED), ["fold"]),
    (closed_log, line(ADOPTED), ["fold"]),
    (open_log, line(e.Captured(file="s", sha256="0"), "w"), []),
    (open_log, line(e.Started(), "w"), []),
]


@pytest.mark.parametrize(
    ("given", "first", "kinds"), BEGINNINGS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_a_protocol_may_begin_where_its_first_line_is_one_that_it_writes(
    given: Any, first: e.Event, kinds: list[str]
) -> None:
    assert kinds == [kind for kind, _ in first_writes(given(), first)]


SECOND = [
    line(fact, worker, by="hand:9", after=-3600)
    for fact in (PAUSE, SENT, SWEPT, OLD_SWEEP, ADOPTED)
    for worker in (None, "w")
]
"""Lines that differ from those before in all that a line says."""


@pytest.mark.parametrize("second", SECOND, ids=str)
@pytest.mark.parametrize(
    "first",
    [
        line(ARMED),
        line(DELIVERED),
        line(SENT, "w"),
        line(SWEPT, "w"),
        line(OLD_SWEEP),
        line(ADOPTED),
        line(STOP, "w"),
        line(e.Requested(verb="retry"), "w"),
        line(PAUSE),
    ],
    ids=str,
)
def test_what_stands_behind_the_first_line_changes_nothing(first: e.Event, second: e.Event) -> None:
    assert first_writes(open_log(), first) == first_writes(open_log(), first, second)


@pytest.mark.parametrize("second", [PAUSE, STOP, LOOKED, DELIVERED], ids=str)
def test_a_watcher_writes_of_files_alone(second: e.Fact) -> None:
    assert ["line"] == [kind for kind, _ in first_writes(closed_log(), line(HEARD, "w"), line(HEARD, "w"))]
    assert [] == first_writes(closed_log(), line(HEARD, "w"), line(second))


def test_an_outcome_of_a_worker_is_a_checks_and_one_of_nobody_is_a_notices() -> None:
    """A check may come to what another left open; of a notice, only those are written that are owed."""
    d = open_log()
    d.intents[5] = OpenIntent(seq=5, action="end", at=NOW, worker="w", target="w")

    assert [("outcome", (e.Draft(DELIVERED),))] == first_writes(d, line(DELIVERED), line(SENT, "w"))
    assert ["look"] == [kind for kind, _ in first_writes(d, line(DELIVERED, "w"), line(DELIVERED))]


PRESSED = e.Intended(action="press", target="w", digest="d1")
ANSWERS: list[tuple[e.Requested, str | None, e.Fact, object]] = [
    (e.Requested(verb="approve"), "w", PRESSED, Press("w", Pressing("d1"))),
    (e.Requested(verb="answer"), "w", PRESSED, Press("w", Pressing("d1"))),
    (e.Requested(verb="answer"), "w", SENT, Type("w", "hello")),
    (e.Requested(verb="answer"), None, SENT, None),
    (e.Requested(verb="answer"), "w", LOOKED, None),
    (e.Requested(verb="waive"), "w", SENT, None),
]


@pytest.mark.parametrize(("asked", "worker", "behind", "effect"), ANSWERS, ids=str)
def test_an_answer_to_a_worker_is_pressed_or_typed_as_its_intent_says(
    asked: e.Requested, worker: str | None, behind: e.Fact, effect: object
) -> None:
    write = [line(asked, worker), line(behind, "w")]
    (steps,) = entries(open_log(), write)

    first: Any = next(steps)

    assert [asked, behind][: 2 if effect else 1] == [draft.data for draft in first.drafts]
    with pytest.raises(StopIteration) if effect is None else nullcontext():
        assert effect == steps.send(write)


@pytest.mark.parametrize("verb", ["stop", "retry", "pause", "unpause"])
def test_a_request_is_begun_as_it_was_written(verb: e.Verb) -> None:
    asked = e.Requested(verb=verb, text="enough")

    ((_, drafts),) = first_writes(open_log(), line(asked, "w"))

    assert [("w", asked)] == [(draft.worker, draft.data) for draft in drafts]


@pytest.mark.parametrize(
    ("given", "owed", "kinds"), [(closed_log, True, []), (closed_log, False, ["alarm"]), (open_log, False, [])]
)
def test_the_alarm_of_what_is_over_may_be_taken_away_once_no_notice_is_owed(
    given: Any, owed: bool, kinds: list[str]
) -> None:
    d = given()
    if not owed:
        d.intents.clear()

    assert kinds == [kind for kind, _ in first_writes(d, line(e.Disarmed(generation=4)))]


@pytest.mark.parametrize(
    ("given", "dies_at"),
    [
        (lambda: after(begun(**STAGED, units=1), 70), Promote),
        (lambda: after(begun(workers=2, units=2, acts={"w0": Act(stops_after=1)}), 70), MakeSessions),
    ],
    ids=["a promotion", "a launch"],
)
def test_a_check_may_begin_with_the_outcome_of_what_another_left_open(given: Any, dies_at: Any) -> None:
    play = crashed(given(), dies_at)

    check(play.stage.world("hand:9"), NAME)

    left = next(n for n, event in enumerate(play.events) if event.by == "hand:9")
    assert (True, []) == (isinstance(play.events[left].data, e.Effected | e.Launched), play.judged())
