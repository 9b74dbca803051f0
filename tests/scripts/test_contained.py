"""An error that nobody foresaw in looking at one worker stays that worker's, whatever part of the look it is in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.adapters.memory.sessions import MemoryHarness
from wakeman.api.status import status
from wakeman.core.errors import UsageError
from wakeman.core.model import INTERNAL_ERROR, Usage
from wakeman.core.policy import quality
from wakeman.core.policy.notice import BLIND_OBSERVATIONS_MAX
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.engine.observe import spool
from wakeman.engine.observe.containment import MISHAP_CHARS_MAX
from wakeman.ports import Evidence, Report

WORKS = Act(seconds=36_000, hangs=True)


class Failing(MemoryHarness):
    """A client's reader that fails on what one worker shows, in a way of its own."""

    def __init__(self, fail: Callable[[], object]) -> None:
        super().__init__({"w0": Report(activity="busy"), "w1": Report(activity="busy"), "w2": Report(activity="busy")})
        self.fail = fail

    def report(self, evidence: Evidence, now: datetime) -> Report:
        if evidence.screen.startswith("w0:"):
            return self.fail()  # type: ignore[return-value] # whatever it is
        return super().report(evidence, now)


def raising(kind: type[Exception], *words: str) -> Callable[[], object]:
    def fail() -> object:
        raise kind(*words)

    return fail


WAYS: dict[str, Callable[[], object]] = {
    "a type that nobody foresaw": raising(TypeError, "unhashable type: 'list'"),
    "an error of ours": raising(UsageError, "no such thing"),
    "a recursion without end": raising(RecursionError, "maximum recursion depth exceeded"),
    "too little memory": raising(MemoryError),
    "no report": lambda: None,
    "a report of wrong types": lambda: Report(activity=7, why=["x"]),  # type: ignore[arg-type] # on purpose
    "an activity that there is not": lambda: Report(activity="thinking"),  # type: ignore[arg-type] # on purpose
    "a cost that is no number": lambda: Report(usage=Usage(cost=float("nan"))),
    "a cost without end": lambda: Report(usage=Usage(cost=float("inf"))),
    "a reason that is not UTF-8": lambda: Report(activity="error", why="\ud800"),
    "a reason without end": lambda: Report(activity="error", why="x" * 100_000),
    "a time without a zone": lambda: Report(activity="limited", until=datetime(2026, 1, 6)),  # noqa: DTZ001 - on purpose
    "a time of no kind": lambda: Report(calls=True, since="now"),  # type: ignore[arg-type] # on purpose
}


def night(way: str = "a type that nobody foresaw", **acts: Act) -> Play:
    """Begin a night with three workers, one of whom cannot be looked at."""
    play = Play(workers=3, units=1, acts=dict.fromkeys(("w0", "w1", "w2"), WORKS) | acts)
    play.stage.harness = Failing(WAYS[way])
    play.up()
    return play


KEYED: dict[str, dict[str, object]] = {"workers": {"env": {"KEY": "secret-of-the-night"}, "redact": ["KEY"]}}


def look(play: Play, times: int = 1) -> None:
    for _ in range(times):
        play.stage.clock.advance(60)
        check(play.stage.world("at:1"), NAME)


@pytest.mark.parametrize("way", WAYS)
def test_one_worker_is_unknown_and_all_others_are_looked_at(way: str) -> None:
    play = night(way)

    look(play)

    seen = {w.name: w.observation for w in play.deployment.workers.values() if w.observation is not None}
    assert ("unknown", "running", "running") == tuple(seen[name].session for name in ("w0", "w1", "w2"))
    assert seen["w0"].why.startswith(f"{INTERNAL_ERROR}: ")
    assert len(seen["w0"].why) <= MISHAP_CHARS_MAX
    assert {"w0": "launched", "w1": "running", "w2": "running"} == play.states()
    assert [] == play.judged()


def test_the_traceback_is_in_a_file_without_keys_and_is_written_once() -> None:
    play = Play(workers=3, units=1, acts={"w0": WORKS}, plan=KEYED)
    play.stage.harness = Failing(raising(ValueError, "secret-of-the-night"))
    play.up()
    look(play)
    [(text, *mark)] = [held for path, held in play.stage.files.held.items() if path == f"/state/{NAME}/errors/w0.1.txt"]

    look(play)

    assert [text, *mark] == list(play.stage.files.held[f"/state/{NAME}/errors/w0.1.txt"])
    assert b"Traceback" in text
    assert b"ValueError: [KEY hidden]" in text


def test_the_same_error_is_no_news_and_a_person_is_asked_once() -> None:
    play = night()
    play.stage.harness = Failing(lambda: [].pop(object()))  # type: ignore[arg-type] # its words name an address
    look(play, BLIND_OBSERVATIONS_MAX)
    before = len(play.lines)

    look(play, 3)

    told = [text for text in play.told() if "w0 cannot be looked at, by an error of Wakeman's own" in text]
    assert 1 == len(told)
    assert "list.pop" not in "".join(play.told())
    assert all(b'"sightings"' not in line or b'"w0"' not in line for line in play.lines[before:])


def test_when_the_error_is_gone_the_night_goes_on() -> None:
    play = night(w0=Act(seconds=30), w1=Act(seconds=30), w2=Act(seconds=30))
    look(play, 2)
    assert "unknown" == play.deployment.workers["w0"].observation.session  # type: ignore[union-attr] # it was looked at
    play.stage.harness = MemoryHarness()

    assert "complete" == play.go().outcome


@pytest.mark.parametrize("verb", ["down", "stop", "pause", "retry"])
@pytest.mark.parametrize("part", ["report", "ending", "reads"])
def test_what_a_person_asks_for_is_done_all_the_same(part: str, verb: str) -> None:
    play = night()
    harness = MemoryHarness({"w1": Report(activity="busy")})

    def fail(*_: object) -> Any:
        raise TypeError(part)

    setattr(harness, part, 7 if part == "reads" else fail)
    play.stage.harness = harness
    look(play)
    world = play.stage.world("hand:1")
    match verb:
        case "stop":
            requests.stop(world, NAME, ["w0"])
        case "retry":
            requests.retry(world, NAME, ["w0"], (), "")
        case _:
            requests.request(world, NAME, verb)  # type: ignore[arg-type] # one of them
    look(play, 4)

    d = play.deployment
    match verb:
        case "down":
            assert "stopped" == d.outcome
        case "stop":
            assert ("exited", "person") == (d.workers["w0"].state, d.workers["w0"].ended_by)
        case "retry":
            assert 2 == d.workers["w0"].attempt
        case _:
            assert d.paused_at is not None


def test_status_shows_the_error_and_writes_nothing() -> None:
    play = night()
    look(play)
    files = dict(play.stage.files.held)

    told = status(play.stage.world("hand:1"), NAME).data

    assert [f"{INTERNAL_ERROR}: TypeError: unhashable type: 'list'", msgspec.UNSET, msgspec.UNSET] == [
        worker.unseen for worker in told.workers
    ]
    assert told.blind is None
    assert files == play.stage.files.held


def test_an_output_that_cannot_be_judged_is_its_worker_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = quality.judge_unit

    def judged(unit: Any, *given: Any) -> Any:
        if unit.name == "w0/u0":
            raise ZeroDivisionError
        return real(unit, *given)

    monkeypatch.setattr(quality, "judge_unit", judged)
    play = Play(workers=2, units=1)
    play.up()
    play.go(60)

    w0, w1 = play.deployment.workers.values()
    assert ("unknown", f"{INTERNAL_ERROR}: ZeroDivisionError:") == (w0.observation.session, w0.observation.why)  # type: ignore[union-attr] # it was looked at
    assert ("verified", "open") == (w1.state, play.deployment.outcome)
    monkeypatch.undo()

    assert "complete" == play.go().outcome
    assert [] == play.judged()


def test_reports_of_writes_that_cannot_be_taken_in_are_their_worker_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(workers=2, units=1, acts={"w0": WORKS, "w1": WORKS})
    play.stage.harness.reads = frozenset({"hook"})
    play.up()
    play.stage.clock.advance(60)
    for name in ("w0", "w1"):
        play.stage.files.write(f"/plans/out/{name}/u0.json", b"{}" * 50)
        wrote = msgspec.json.encode({"worker": name, "wrote": [f"out/{name}/u0.json"]})
        play.stage.files.write(f"/state/{NAME}/spool/{name}", wrote)
    real = spool._progressed

    def progressed(world: Any, d: Any, own: Any) -> Any:
        if "w0" in own:
            raise ZeroDivisionError
        return real(world, d, own)

    monkeypatch.setattr(spool, "_progressed", progressed)
    look(play)

    wrote_by = {name: unit.wrote for name, unit in play.deployment.units.items()}
    assert wrote_by["w1/u0"]["out/w1/u0.json"].inferred is False
    assert [] == play.stage.files.names(f"/state/{NAME}/spool")
