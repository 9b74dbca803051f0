"""Whom an end is about, what processes get by how often it was asked for, and in whose name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.play import Play
from tests.transcript import answered

from wakeman.core.log import events as e
from wakeman.core.model import EDITION_PROGRESS_MIN, Deployment, Observation, WorkerState, attempt_id
from wakeman.core.policy.tables import Decision
from wakeman.engine import layout
from wakeman.engine.effects.end import LINE_CHARS_MAX, HangUp, LeaveWord, Unsubmitted, end, end_workers, ender, to_end
from wakeman.engine.effects.text import Type
from wakeman.engine.protocol.steps import Append

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def worker(name: str = "w", **fields: Any) -> WorkerState:
    built = WorkerState(name=name, session=f"s_{name}", state="running", attempt=1, session_id=f"${name}")
    for key, value in fields.items():
        setattr(built, key, value)
    return built


def deployment(*workers: WorkerState) -> Deployment:
    return Deployment(name="n", workers={one.name: one for one in workers})


LEFT = Observation("w", 1, "exited", processes=1)


@pytest.mark.parametrize(
    ("fields", "hung_up", "signal"),
    [
        ({}, True, ""),
        ({"ends": 1}, True, "TERM"),
        ({"ends": 2}, True, "KILL"),
        ({"ends": 9}, True, "KILL"),
        ({"session_id": ""}, False, ""),
        ({"session_id": "", "ends": 1}, False, "TERM"),
        ({"state": "exited"}, False, "TERM"),
        ({"state": "exited", "ends": 1}, True, "KILL"),
        ({"state": "exited", "ends": 2}, True, "KILL"),
    ],
    ids=str,
)
def test_a_live_session_is_hung_up_on_then_its_processes_get_term_then_kill(
    fields: dict[str, Any], hung_up: bool, signal: str
) -> None:
    """The dead session of one that has ended stays at first: its server may go with it."""
    one = worker(**fields)
    d = deployment(one)
    mark = attempt_id(d, one)

    asked, hang_up = end_workers(d, [one], "person")

    intent = e.Intended(action="end", target="s_w", ended_by="person")
    assert Append("action", (e.Draft(intent, worker="w", attempt=1),)) == asked
    assert hang_up == HangUp(
        sessions=(("$w", mark),) if hung_up else (),
        term=(mark,) if signal == "TERM" else (),
        kill=(mark,) if signal == "KILL" else (),
    )


def test_why_an_end_did_not_come_about_is_noted() -> None:
    one = worker()
    steps = end_workers(deployment(one), [one], "wakeman")
    next(steps)
    steps.send(None)

    assert Append("line", (e.Draft(e.Noted(text="ending sessions: no answer")),)) == steps.send(
        "ending sessions: no answer"
    )


def test_a_row_of_the_deployment_ends_all_that_live_or_have_left_processes_and_a_workers_row_that_worker() -> None:
    d = deployment(
        worker("a"),
        worker("b", state="exited"),
        worker("c", state="exited", observation=LEFT),
        worker("d", state="pending"),
        worker("e", state="stuck"),
    )

    assert ["a", "c", "e"] == [one.name for one in to_end(d, Decision("stop"))]
    assert [["a"], [], ["c"]] == [[one.name for one in to_end(d, Decision("stop", worker=name))] for name in "abc"]


@pytest.mark.parametrize(("row", "by"), [("stop", "person"), ("finish", "wakeman"), ("give up", "wakeman")])
def test_what_a_person_asked_for_ends_in_their_name(row: str, by: str) -> None:
    assert by == ender(Decision(row))


def ending(one: WorkerState, row: str, word: str = "", why: str = "") -> list[object]:
    """Give the steps of an end, where its client has that word and typing it fails so."""
    steps = end(deployment(one), Decision(row, worker="w"), NOW)
    found, _ = answered(steps, {LeaveWord: word, Type: why, HangUp: ""})
    assert all(each == Type("w", word, raw=True) for each in found if isinstance(each, Type))
    return [each.drafts[0].data if isinstance(each, Append) else type(each) for each in found]


WORD = [
    LeaveWord,
    e.Intended(action="end", target="s_w", text="/exit", ended_by="wakeman"),
    Type,
]
KEPT = e.Intended(action="end", target="s_w", ended_by="wakeman", line="half typed")
HARD = [e.Intended(action="end", target="s_w", ended_by="wakeman"), HangUp]


@pytest.mark.parametrize(
    ("row", "ends", "word", "why", "steps"),
    [
        ("finish", 0, "/exit", "", [*WORD, e.Effected(intent=7, ok=True)]),
        ("finish", 0, "/exit", "no box", [*WORD, e.Effected(intent=7, ok=False, detail="no box"), *HARD]),
        ("finish", 0, "", "", [LeaveWord, *HARD]),
        ("finish", 1, "/exit", "", HARD),
        ("fence", 0, "/exit", "", HARD),
    ],
)
def test_a_finished_client_is_asked_to_leave_once_and_ended_if_that_does_not_help(
    row: str, ends: int, word: str, why: str, steps: list[object]
) -> None:
    assert steps == ending(worker(ends=ends), row, word, why)


@pytest.mark.parametrize(
    ("edition", "row", "line", "steps"),
    [
        (EDITION_PROGRESS_MIN, "finish", "half typed", [Unsubmitted, KEPT, HangUp]),
        (EDITION_PROGRESS_MIN + 1, "finish", "half typed", [Unsubmitted, KEPT, HangUp]),
        (EDITION_PROGRESS_MIN, "finish", "", [Unsubmitted, *WORD, e.Effected(intent=7, ok=True)]),
        (EDITION_PROGRESS_MIN - 1, "finish", "half typed", [*WORD, e.Effected(intent=7, ok=True)]),
        (EDITION_PROGRESS_MIN, "fence", "half typed", HARD),
    ],
)
def test_a_client_into_which_somebody_has_half_typed_a_line_is_not_typed_to(
    edition: int, row: str, line: str, steps: list[object]
) -> None:
    """Its word to leave would stand behind that line; the line is kept in the intent."""
    d = deployment(worker())
    d.edition = edition
    found, _ = answered(
        end(d, Decision(row, worker="w"), NOW), {Unsubmitted: line, LeaveWord: "/exit", Type: "", HangUp: ""}
    )

    assert steps == [each.drafts[0].data if isinstance(each, Append) else type(each) for each in found]


# In the world


def test_a_half_typed_line_is_read_without_keys_and_cut() -> None:
    plan: dict[str, dict[str, object]] = {"workers": {"harness": "claude", "mode": "interactive", "env_from": ["KEY"]}}
    play = Play(workers=1, units=1, plan=plan)
    play.stage.machine.environment = {"KEY": "sk-0123456789abcdef"}
    play.up()
    play.stage.sessions.screens["w0"] = "❯ use sk-0123456789abcdef " + "x" * 400
    line = Unsubmitted("w0").perform(play.stage.world(), play.deployment)

    assert (True, True, LINE_CHARS_MAX) == (line.startswith("use "), "sk-01" not in line, len(line))


@pytest.mark.parametrize(("mode", "said"), [("interactive", "/exit"), ("print", "")])
def test_only_a_client_that_waits_for_a_word_is_told_to_leave(mode: str, said: str) -> None:
    play = Play(workers=1, units=1, plan={"workers": {"mode": mode}})
    play.up()
    play.stage.harness.leave = "/exit"

    assert said == LeaveWord("w0").perform(play.stage.world(), play.deployment)


def watched() -> Play:
    """Give a deployment of a session that somebody else has started."""
    workers: dict[str, object] = {"by": "{{ unit }}", "sessions": "watch", "command": [], "mode": "interactive"}
    units: dict[str, object] = {"items": ["w0"], "output": "out/{{ unit }}"}
    play = Play(plan={"units": units, "workers": workers, "cleanup": {"rounds": 0}})
    play.stage.sessions.stranger("w0")
    play.up()
    play.stage.harness.leave = "/exit"
    return play


def test_a_watched_session_is_told_nothing_and_is_not_among_those_that_are_ended() -> None:
    play = watched()
    d = play.deployment
    _, hang_up = end_workers(d, [d.workers["w0"]], "person")

    assert "" == LeaveWord("w0").perform(play.stage.world(), d)
    assert HangUp(sessions=(), term=(), kill=(), left=("w0",)) == hang_up


def test_that_a_watched_session_was_let_go_is_on_disk_before_anything_follows() -> None:
    play = watched()
    d = play.deployment
    file = layout.exit_file(d.host, d.workers["w0"])

    assert "" == HangUp((), (), (), left=("w0",)).perform(play.stage.world(), d)
    assert (f"{layout.LEFT}\n".encode(), False, "") == (
        play.stage.files.read(file),
        file in play.stage.files.unsynced,
        play.stage.sessions.playing["w0"].mark,
    )


def test_sessions_are_ended_and_processes_signalled_by_their_marks() -> None:
    play = Play(workers=2, units=1)
    play.up()
    machine, d = play.stage.machine, play.deployment
    one, two = ((worker.session_id, attempt_id(d, worker)) for worker in d.workers.values())
    machine.living = {one[1]: [11, 12], two[1]: [21], "another": [31]}

    why = HangUp(sessions=(one,), term=(one[1], "gone"), kill=(two[1],)).perform(play.stage.world(), d)

    assert ("", [(11, "TERM"), (12, "TERM"), (21, "KILL")]) == (why, machine.signals)
    assert [two[0]] == [each.session_id for each in play.stage.sessions.playing.values()]


def test_processes_are_signalled_even_if_the_place_does_not_end_its_session() -> None:
    play = Play(workers=1, units=1)
    play.up()
    play.stage.sessions.state = "unknown"
    play.stage.machine.living = {"m": [11]}

    why = HangUp(sessions=(("$0", "m"),), term=("m",), kill=()).perform(play.stage.world(), play.deployment)

    assert (True, [(11, "TERM")]) == (why.startswith("ending sessions: "), play.stage.machine.signals)


def test_where_nobody_is_to_be_signalled_no_process_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(workers=1, units=1)
    play.up()

    def never(_: object) -> Any:
        raise AssertionError("it costs a walk over all processes")

    monkeypatch.setattr(play.stage.machine, "marked", never)

    assert "" == HangUp((), (), ()).perform(play.stage.world(), play.deployment)
