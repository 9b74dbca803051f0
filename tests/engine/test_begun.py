"""A look asks no exit file of an attempt that is listed as begun, and yet sees each end at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from tests.play import Play

from wakeman.adapters.memory import Act
from wakeman.adapters.memory.disk import MemoryFiles
from wakeman.core.errors import StorageError
from wakeman.core.log import events as e
from wakeman.core.model import FileFingerprint
from wakeman.engine import layout
from wakeman.engine.observe.containment import Mishaps
from wakeman.engine.observe.judgement import Findings
from wakeman.engine.observe.observe import observe

WORKERS = 3


def begun(**workers: object) -> Play:
    """Begin a deployment whose workers are at work, and were seen so."""
    idle = {f"w{n}": Act(hangs=True, stops_after=0) for n in range(WORKERS)}
    play = Play(workers=WORKERS, units=1, plan={"workers": workers}, acts=idle)
    play.up()
    play.go(11)
    return play


def looked(play: Play, count: Callable[[list[str]], None] = lambda _: None) -> e.Looked:
    """Make one look, as a process of its own; `count` is told which files are asked for."""

    class Counted(MemoryFiles):
        def marks(self, paths: Iterable[str]) -> dict[str, FileFingerprint]:
            asked = list(paths)
            count(asked)
            return MemoryFiles.marks(play.stage.files, asked)

    files = play.stage.files
    counted = Counted(play.stage.clock)
    counted.__dict__.update(files.__dict__)
    world = play.stage.world("at:1")
    world = type(world)(**{**{name: getattr(world, name) for name in world.__struct_fields__}, "files": counted})
    mishaps = Mishaps()
    seen, _ = observe(world, play.deployment, Findings(), mishaps)
    assert {} == mishaps.traces
    return seen


def kinds(play: Play) -> set[str]:
    """Return which of its own files a look asks for, of the first worker."""
    asked: list[str] = []
    looked(play, asked.extend)
    d = play.deployment
    files = {
        "exit": layout.exit_file(d.host, d.workers["w0"]),
        "claim": layout.claim(d.host, d.workers["w0"]),
        "stream": layout.stream(d.host, d.workers["w0"]),
        "denied": layout.denied(d.host, d.workers["w0"]),
    }
    return {name for name, file in files.items() if file in asked}


def test_of_an_attempt_that_is_listed_only_the_stream_is_asked_for() -> None:
    assert {"stream"} == kinds(begun())


def test_of_an_attempt_of_an_earlier_version_exit_file_and_claim_are_asked_for() -> None:
    play = begun()
    d = play.deployment
    for worker in d.workers.values():
        play.stage.files.remove(layout.running_file(d.host, worker))

    assert {"exit", "claim", "stream"} == kinds(play)


def test_where_sessions_are_on_other_hosts_exit_files_are_asked_for() -> None:
    play = begun()
    play.stage.sessions.outlives_boot = True

    assert {"exit", "claim", "stream"} == kinds(play)


def test_where_the_directory_cannot_be_listed_exit_files_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(files: MemoryFiles, directory: str) -> list[str]:
        del files
        raise StorageError(directory)

    play = begun()
    monkeypatch.setattr(MemoryFiles, "names", refuse)

    assert {"exit", "claim", "stream"} == kinds(play)


@pytest.mark.parametrize("listed", [False, True], ids=["renamed", "left behind"])
@pytest.mark.parametrize("session", ["runs", "is over", "is gone"])
def test_an_exit_file_that_appears_between_two_looks_is_seen_by_the_second(session: str, *, listed: bool) -> None:
    """The wrapper renames the listed file to the exit file; where a power cut has left both, the session is gone."""
    play = begun()
    d = play.deployment
    assert () == looked(play).observations
    worker, files, at_work = d.workers["w0"], play.stage.files, play.stage.sessions.playing
    files.write(layout.exit_file(d.host, worker), b"3\n")
    if not listed:
        files.remove(layout.running_file(d.host, worker))
    if session == "is over":
        at_work["w0"].dead = True
    elif session == "is gone":
        del at_work["w0"]

    seen = {each.worker: (each.session, each.code) for each in looked(play).observations}

    assert ({} if listed and session == "runs" else {"w0": ("exited", 3)}) == seen


def test_a_session_that_cannot_be_looked_for_does_not_hide_an_exit_file() -> None:
    play = begun()
    d = play.deployment
    play.stage.files.write(layout.exit_file(d.host, d.workers["w0"]), b"0\n")
    play.stage.sessions.state = "unknown"

    assert "exited" in {each.session for each in looked(play).observations if each.worker == "w0"}


def test_what_lists_an_attempt_is_no_sign_of_life_by_itself() -> None:
    """Two looks at workers that do nothing find the same."""
    play = begun()
    lives = {worker.life for worker in play.deployment.workers.values()}

    play.go(11)

    assert lives == {worker.life for worker in play.deployment.workers.values()}
    assert "" not in lives
