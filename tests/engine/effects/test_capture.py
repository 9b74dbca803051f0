"""A worker's screen is kept as evidence, without keys, before it is written that it was."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from tests.play import Play
from tests.transcript import AT, answered

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy.tables import Decision
from wakeman.engine import layout
from wakeman.engine.effects.capture import Capture, capture


def kept(play: Play, monkeypatch: pytest.MonkeyPatch) -> tuple[str, bytes, dict[str, Any]]:
    """Keep the worker's screen; give the digest that is told, the file, and how it was written."""
    d, files = play.deployment, play.stage.files
    write, how = files.write, dict[str, Any]()

    def noting(path: str, data: bytes, **more: Any) -> None:
        how.update(more)
        write(path, data, **more)

    monkeypatch.setattr(files, "write", noting)
    digest = Capture("w0", "screens/w0.txt").perform(play.stage.world(), d)
    return digest, files.read(layout.inside(d.host, "screens/w0.txt")), how


def begun() -> Play:
    play = Play(workers=1, units=1)
    play.up()
    return play


def test_the_screen_is_on_disk_before_its_digest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    play = begun()
    (name,) = play.stage.sessions.playing
    play.stage.sessions.screens[name] = "\n".join(f"row {n} \N{SNOWMAN}" for n in range(300))

    digest, data, how = kept(play, monkeypatch)

    assert [f"row {n} \N{SNOWMAN}" for n in range(100, 300)] == data.decode().splitlines()
    assert (sha256(data).hexdigest(), {"durable": True}) == (digest, how)


def test_a_screen_is_kept_in_its_colours_and_a_key_is_hidden_in_any(monkeypatch: pytest.MonkeyPatch) -> None:
    play = begun()
    (name,) = play.stage.sessions.playing
    key = "sk-ant-\x1b[32mabcdefgh\x1b[33m12345678"
    play.stage.sessions.screens[name] = f"\x1b[1;31mstop\x1b[0m \x1b]0;title\x07now\n\x1b[31m{key}\x1b[0m"

    digest, data, _ = kept(play, monkeypatch)

    assert b"\x1b[1;31mstop\x1b[0m now\n[Anthropic key hidden]" == data
    assert sha256(data).hexdigest() == digest


def test_where_there_is_no_screen_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, silent = begun(), begun()
    gone.stage.sessions.playing.clear()
    silent.stage.sessions.state = "unknown"

    for play in (gone, silent):
        _, data, _ = kept(play, monkeypatch)
        assert data.startswith(b"(no screen: ")


def test_what_was_kept_is_written_with_the_reason_for_it() -> None:
    worker = WorkerState(name="w", session="w", attempt=2, captures=1)

    steps, _ = answered(
        capture(Deployment(workers={"w": worker}), Decision("investigate", worker="w", why="silent"), AT),
        {Capture: "aa"},
    )

    fact = e.Captured(file="screens/w.2.2.txt", sha256="aa", why="silent")
    assert [Capture("w", "screens/w.2.2.txt"), ("action", (e.Draft(fact, worker="w", attempt=2),))] == [
        steps[0],
        (steps[1].kind, steps[1].drafts),
    ]
