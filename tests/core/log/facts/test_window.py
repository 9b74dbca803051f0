"""The launch window, applied from the lines of a log: when it begins, grows, and halves."""

from __future__ import annotations

from typing import Any

import pytest
from tests.log import Log

from wakeman.core.log import events as e
from wakeman.core.log.facts.observation import PROBE_S
from wakeman.core.log.facts.window import WINDOW_FIRST_WORKERS, note_answer, note_refusal, note_request
from wakeman.core.model import FileFingerprint, LimitsSpec, Observation, Plan, UnitsSpec, Verdict, WorkersSpec

ADAPTS = Plan(name="night", units=UnitsSpec(items=("x",)), limits=LimitsSpec(adapt=True))
LIMITED = e.Stalled(reason="limited", why="usage limit")


def log(plan: Plan = ADAPTS, **fields: Any) -> Log:
    """Return a deployment whose worker was launched and lives, beside others that are enrolled."""
    made = Log(plan).running()
    for n in range(20):
        made.say(e.Enrolled(session=f"v{n}"), worker=f"v{n}")
    made.d.in_question = None  # tests change workers by hand
    for key, value in fields.items():
        setattr(made.d, key, value)
    return made


def at_work(made: Log, count: int) -> Log:
    """Have so many others at work as well; their requests were answered."""
    for n in range(count):
        made.d.workers[f"v{n}"].state, made.d.workers[f"v{n}"].request = "running", 1
    return made


def window(made: Log) -> tuple[int, int, float]:
    return made.d.window, made.d.narrowed, made.d.widened_mono


def look(made: Log, mono: float, **seen: Any) -> Log:
    usual: dict[str, Any] = {"worker": "w", "attempt": 1, "session": "running"}
    return made.say(e.Looked(mono=mono, boot="b1", observations=(Observation(**{**usual, **seen}),)))


def test_the_first_launch_begins_the_window() -> None:
    made = log()

    assert (WINDOW_FIRST_WORKERS, 0, 0) == window(made)
    assert ({"w": 10.0}, 4) == (made.d.asking, made.d.workers["w"].request)


def test_nothing_is_counted_without_the_key() -> None:
    made = log(Log().d.plan).move(LIMITED)

    assert ((0, 0, 0), {}, 0) == (window(made), made.d.asking, made.d.workers["w"].request)


def test_a_text_that_is_typed_asks_the_service() -> None:
    made = log(asking={}).say(e.Intended(action="nudge", target="w", text="go on", confirm=True), worker="w", attempt=1)

    assert ({"w": 10.0}, made.d.seq) == (made.d.asking, made.d.workers["w"].request)


ANSWERS: dict[str, tuple[float, dict[str, Any], bool]] = {
    "it has just begun": (11.0, {"activity": "busy"}, False),
    "it is at its prompt": (11.0, {"activity": "idle"}, False),
    "a tool runs": (11.0, {"activity": "busy", "working": 10.5}, True),
    "almost a minute": (9.9 + PROBE_S, {"activity": "busy"}, False),
    "a minute": (10.0 + PROBE_S, {"activity": "busy"}, True),
    "a minute that says nothing": (10.0 + PROBE_S, {}, True),
    "the clock began anew": (9.5, {"activity": "busy"}, True),
    "it begins now": (10.0, {"activity": "busy"}, False),
    "half a second": (10.5, {"activity": "busy"}, False),
    "refused for a minute": (10.0 + PROBE_S, {"activity": "limited"}, False),
    "it cannot be seen": (10.0 + PROBE_S, {"session": "unknown"}, False),
    "it is over": (10.0 + PROBE_S, {"session": "exited"}, False),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_who_runs_a_tool_or_is_not_refused_for_a_minute_is_answered(name: str) -> None:
    mono, seen, answered = ANSWERS[name]
    made = look(at_work(log(), 3), mono, **seen)

    assert ((5 if answered else 4, 0, 0), not answered) == (window(made), "w" in made.d.asking)


def test_nobody_is_answered_whose_text_is_on_its_way_nor_who_is_not_alive_yet() -> None:
    typed, ended = at_work(log(), 3), at_work(log(), 3)
    typed.d.workers["w"].prompt, ended.d.workers["w"].state = 9, "exited"

    assert ["w"] == list(look(typed, 99.0).d.asking) == list(look(ended, 99.0).d.asking)


def test_who_was_not_seen_yet_is_not_answered() -> None:
    made = at_work(log(), 3).say(e.Looked(mono=99.0, boot="b1"))

    assert (4, ["w"]) == (made.d.window, list(made.d.asking))


def test_a_unit_that_is_done_is_an_answer() -> None:
    passed = Verdict(unit="a", marks=(FileFingerprint(path="a.out", size=9, mtime_ns=1),))
    made = at_work(log(), 3).say(e.Looked(mono=11.0, boot="b1", verdicts=(passed,)))

    assert (5, {}) == (made.d.window, made.d.asking)


@pytest.mark.parametrize(
    ("by", "code", "size"), [("itself", 0, 5), ("itself", 1, 4), ("itself", None, 4), ("person", 0, 4)]
)
def test_an_end_by_itself_with_status_0_is_an_answer(by: Any, code: int | None, size: int) -> None:
    made = at_work(log(), 3).move(e.Exited(why="over", code=code, ended_by=by))

    assert ((size, 0, 0), {}) == (window(made), made.d.asking)


@pytest.mark.parametrize(
    ("others", "most", "before", "after"),
    [(0, None, 4, 4), (1, None, 4, 4), (2, None, 4, 5), (2, None, 6, 6), (9, 5, 5, 5), (9, 6, 5, 6), (9, None, 19, 20)],
)
def test_it_grows_to_twice_the_workers_at_work_and_to_the_maximum(
    others: int, most: int | None, before: int, after: int
) -> None:
    plan = Plan(name="night", units=ADAPTS.units, limits=ADAPTS.limits, workers=WorkersSpec(at_once=most))
    made = at_work(log(plan, window=before), others)
    note_answer(made.d, "w")

    assert after == made.d.window


def test_an_answer_counts_once_a_request() -> None:
    made = at_work(log(), 9)
    note_answer(made.d, "w")
    note_answer(made.d, "w")

    assert 5 == made.d.window


def test_after_a_refusal_no_answer_widens_it() -> None:
    made = at_work(log(narrowed=5), 9)
    note_answer(made.d, "w")

    assert (4, {}) == (made.d.window, made.d.asking)


GROWTH: dict[str, tuple[float, dict[str, Any], tuple[int, float]]] = {
    "less than a minute": (159.9, {}, (4, 100.0)),
    "a minute": (160.0, {}, (5, 160.0)),
    "less than two": (219.0, {}, (5, 160.0)),
    "three minutes": (290.0, {}, (7, 280.0)),
    "never refused": (160.0, {"narrowed": 0}, (4, 100.0)),
    "an outage": (160.0, {"outage": "529"}, (4, 160.0)),
    "the clock began anew": (50.0, {}, (4, 50.0)),
    "not used": (290.0, {"window": 9}, (9, 280.0)),
    "twice as many as are at work": (1000.0, {}, (8, 1000.0)),
}


@pytest.mark.parametrize("name", GROWTH)
def test_after_a_refusal_it_grows_by_one_for_each_minute_without_another(name: str) -> None:
    mono, fields, expected = GROWTH[name]
    made = at_work(log(**{"narrowed": 5, "widened_mono": 100.0, "asking": {}, "mono": 100.0, **fields}), 3)
    made.say(e.Looked(mono=mono, boot="b1"))

    assert expected == (made.d.window, made.d.widened_mono)


@pytest.mark.parametrize(
    ("others", "before", "after"), [(0, 4, 1), (1, 4, 1), (3, 4, 2), (9, 4, 2), (9, 10, 5), (9, 99, 5), (6, 99, 3)]
)
def test_a_refusal_halves_what_was_alive_or_the_window(others: int, before: int, after: int) -> None:
    made = at_work(log(window=before), others)
    made.move(LIMITED)

    assert ((after, made.d.seq, 10.0), {}) == (window(made), made.d.asking)


REFUSALS: dict[str, tuple[e.Fact, bool]] = {
    "a live one at its limit": (LIMITED, True),
    "an outage": (e.Stalled(reason="limited", fault="outage"), True),
    "a key": (e.Stalled(reason="limited", fault="auth"), False),
    "an error": (e.Stalled(reason="error"), False),
    "an end by its limit": (e.Exited(why="limit", ended_by="limit"), True),
    "an end by a key": (e.Exited(why="key", ended_by="limit", fault="billing"), False),
    "an end by itself": (e.Exited(why="over", ended_by="itself", code=1), False),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_it_halves_for_load_and_limits_and_not_for_keys_or_faults_of_its_own(name: str) -> None:
    fact, halves = REFUSALS[name]
    made = at_work(log(), 3).move(fact)

    assert (2 if halves else 4) == made.d.window


def test_a_client_that_is_refused_and_tries_again_by_itself_was_refused() -> None:
    made = look(at_work(log(), 3), 11.0, activity="busy", retries=True)

    assert ((2, made.d.seq, 11.0), {}) == (window(made), made.d.asking)


def test_who_is_being_launched_is_among_those_that_it_halves() -> None:
    made = log(window=99)
    for n in range(5):
        made.d.workers[f"v{n}"].intent = 7
    made.move(LIMITED)

    assert 3 == made.d.window


def test_it_halves_once_for_all_that_had_asked_before() -> None:
    made = at_work(log(window=16), 15)
    made.move(LIMITED)
    first, made.d.mono = made.d.narrowed, 30.0
    for n in range(15):
        note_refusal(made.d, made.d.workers[f"v{n}"], 90 + n)

    assert (8, first, 30.0) == window(made)


def test_who_asked_since_and_is_refused_once_more_halves_it_again() -> None:
    made = at_work(log(window=16), 15)
    made.move(LIMITED)
    note_request(made.d, made.d.workers["v3"], made.d.seq + 1)
    note_refusal(made.d, made.d.workers["v3"], made.d.seq + 2)

    assert (4, made.d.seq + 2, 10.0) == window(made)


def test_a_plan_that_is_amended_to_adapt_halves_what_is_alive() -> None:
    made = at_work(log(window=0, asking={}), 7)
    made.d.workers["w"].request = 0
    made.move(LIMITED)

    assert 4 == made.d.window


@pytest.mark.parametrize(
    ("state", "asks", "intent", "counts"),
    [
        ("pending", False, 0, 0),
        ("pending", False, 7, 1),
        ("launched", False, 0, 1),
        ("running", False, 0, 1),
        ("stuck", False, 0, 0),
        ("stuck", True, 0, 1),
        ("exited", False, 0, 0),
        ("exited", False, 7, 1),
        ("verified", False, 0, 0),
    ],
)
def test_at_work_is_who_is_launched_or_runs_or_was_told_to_go_on(
    state: Any, asks: bool, intent: int, counts: int
) -> None:
    made = log(asking={"v0": 1.0} if asks else {})
    made.d.workers["v0"].state, made.d.workers["v0"].intent = state, intent

    assert 1 + counts == made.d.at_work
