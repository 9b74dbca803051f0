"""Deployments that the previous version left open: this one continues and audits each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.adapters.memory.logs import LogBytes
from wakeman.api import screen
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Exited, decode
from wakeman.core.model import WorkerState
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.ports import Start

RECORDED = sorted((Path(__file__).parents[1] / "recorded").glob("*.jsonl"))


def left(recorded: Path) -> tuple[Play, int]:
    """Return a world after a reboot in which that log lies, and how many lines it has."""
    play = Play(workers=0)
    lines = recorded.read_bytes().splitlines(keepends=True)
    play.stage.logs.tapes[NAME] = LogBytes(b"".join(lines), sum(map(len, lines)))
    play.stage.clock.at = decode(lines[-1][:-1]).at + timedelta(minutes=5)
    play.stage.clock.name = "00000099"
    return play, len(lines)


@pytest.mark.parametrize("recorded", RECORDED, ids=[file.stem for file in RECORDED])
def test_a_deployment_of_the_version_before_goes_on_and_ends(recorded: Path) -> None:
    play, lines = left(recorded)

    check(play.stage.world("at:1"), NAME)
    play.go(24 * 60)
    while play.deployment.held:
        requests.request(play.stage.world(), NAME, "accept")
        play.go(24 * 60)

    assert "open" != play.deployment.outcome
    assert play.deployment.seq > lines
    assert not play.deployment.intents


def test_there_are_deployments_that_the_version_before_left_half_way() -> None:
    begun = {Path(file).stem: list(left(file)[0].deployment.intents.values()) for file in RECORDED}

    assert {"launching": 2, "nudged": 1, "owing": 1, "promoting": 2} == {
        name: len(intents) for name, intents in begun.items() if intents
    }


# Its ids name no server: `$1` of whichever answered at the look before.


def still_there(server: str) -> tuple[Play, list[WorkerState]]:
    """Give the night that was left at work, on the same boot, with one more session on the server; and who is alive."""
    play, _ = left(next(file for file in RECORDED if file.stem == "at-work"))
    live = [worker for worker in play.deployment.workers.values() if worker.live]
    play.stage.clock.name = play.deployment.boot
    play.stage.registry.enrol(f"/state/{NAME}", play.deployment.host)  # as a check of its own does
    play.stage.usual = Act(hangs=True, stops_after=0)
    play.stage.sessions.server = server
    play.stage.world().registry.enrol(play.deployment.host.directory, play.deployment.host)
    assert live
    return play, live


def run_beside(play: Play, session: str, mark: str) -> None:
    """Have a session run."""
    home = f"/state/{NAME}/attempts/{session}.9"
    play.stage.files.write(f"{home}/units.jsonl", b"")
    play.stage.sessions.submit([Start(session, mark, ("/bin/sh", "wrapper.sh", home, "--", "act"), "/")])


def test_workers_of_the_version_before_that_live_are_found_by_their_marks_and_known_by_their_server_from_then_on() -> (
    None
):
    play, live = still_there("100:1")
    sessions = play.stage.sessions
    for worker in live:
        run_beside(play, worker.session, worker.session_mark)

    found = check(play.stage.world(), NAME).workers

    assert {w.name: ("running", sessions.playing[w.session].session_id) for w in live} == {
        w.name: (seen.session, found[w.name].session_id)
        for w in live
        if (seen := found[w.name].observation) is not None
    }


@pytest.mark.parametrize("looked", [False, True])
def test_a_worker_of_the_version_before_is_shown_and_ended_before_and_after_the_first_look(*, looked: bool) -> None:
    play, live = still_there("100:1")
    for n in range(int(live[0].session_id[1:])):
        run_beside(play, f"mine{n}", f"other/w{n}/1@x")
    for worker in live:
        run_beside(play, worker.session, worker.session_mark)
    if looked:
        check(play.stage.world(), NAME)
    play.stage.sessions.screens[live[0].session] = "its own screen"

    shown = screen.capture(play.stage.world(), f"{NAME}/{live[0].name}", 5).data
    command = screen.attach(play.stage.world(), f"{NAME}/{live[0].name}").data.command
    requests.request(play.stage.world(), NAME, "down")

    assert ("screen", "its own screen") == (shown.source, shown.text)
    assert {"mine0", "mine1", "mine2"} == play.stage.sessions.playing.keys() & {
        "mine0",
        "mine1",
        "mine2",
        live[0].session,
    }
    assert live[0].session_mark in command


def test_sessions_that_have_the_numbers_of_a_night_of_the_version_before_are_not_its_own() -> None:
    play, live = still_there("200:1")
    for n in range(9):
        run_beside(play, f"theirs{n}", f"other/w{n}/1@x")

    with pytest.raises(UsageError, match="its session is gone"):
        screen.attach(play.stage.world(), f"{NAME}/{live[0].name}")
    shown = screen.capture(play.stage.world(), f"{NAME}/{live[0].name}", 5).data
    check(play.stage.world(), NAME)

    ended = [event.data for event in play.events if isinstance(event.data, Exited) and event.worker == live[0].name]
    assert ("stream", "its tmux server is gone", "machine") == (
        shown.source,
        ended[-1].why,
        ended[-1].ended_by,
    )
    assert not any(p.dead for name, p in play.stage.sessions.playing.items() if name.startswith("theirs"))
    assert 9 == sum(name.startswith("theirs") for name in play.stage.sessions.playing)
