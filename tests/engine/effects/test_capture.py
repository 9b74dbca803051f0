"""A worker's screen is kept as evidence, without keys, before it is written that it was."""

from __future__ import annotations

from hashlib import sha256

import pytest
from tests.play import Play
from tests.transcript import AT, answered

from wakeman.core.errors import StorageError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Plan, StuckSpec, UnitsSpec, WorkerState
from wakeman.core.policy.tables import Decision
from wakeman.engine import layout
from wakeman.engine.effects.capture import Capture, capture, keep_screens
from wakeman.engine.protocol.check import _workers

FILE = "screens/w0.txt"


def kept(play: Play) -> tuple[str, bytes]:
    """Keep the worker's screen; give the digest that is told, and the file."""
    d, files = play.deployment, play.stage.files
    digests = Capture({"w0": FILE}).perform(play.stage.world(), d)
    return digests["w0"], files.read(layout.inside(d.host, FILE))


def begun() -> Play:
    play = Play(workers=1, units=1)
    play.up()
    return play


def test_the_screen_is_on_disk_before_its_digest_is_told() -> None:
    play = begun()
    (name,) = play.stage.sessions.playing
    play.stage.sessions.screens[name] = "\n".join(f"row {n} \N{SNOWMAN}" for n in range(300))

    digest, data = kept(play)

    assert [f"row {n} \N{SNOWMAN}" for n in range(100, 300)] == data.decode().splitlines()
    assert sha256(data).hexdigest() == digest
    assert layout.inside(play.deployment.host, FILE) not in play.stage.files.unsynced


def test_a_screen_that_the_disk_does_not_keep_is_not_told() -> None:
    play = begun()
    play.stage.files.failing[layout.inside(play.deployment.host, FILE)] = "no space left on device"

    with pytest.raises(StorageError, match="no space left on device"):
        kept(play)


def test_a_screen_is_kept_in_its_colours_and_a_key_is_hidden_in_any() -> None:
    play = begun()
    (name,) = play.stage.sessions.playing
    key = "sk-ant-\x1b[32mabcdefgh\x1b[33m12345678"
    play.stage.sessions.screens[name] = f"\x1b[1;31mstop\x1b[0m \x1b]0;title\x07now\n\x1b[31m{key}\x1b[0m"

    digest, data = kept(play)

    assert b"\x1b[1;31mstop\x1b[0m now\n[Anthropic key hidden]" == data
    assert sha256(data).hexdigest() == digest


def test_where_there_is_no_screen_that_is_kept() -> None:
    gone, silent = begun(), begun()
    gone.stage.sessions.playing.clear()
    silent.stage.sessions.state = "unknown"

    for play in (gone, silent):
        _, data = kept(play)
        assert data.startswith(b"(no screen: ")


def test_screens_are_kept_in_one_write_with_the_reason_for_each() -> None:
    d = Deployment(workers={n: WorkerState(name=n, session=n, attempt=2, captures=1) for n in "vwx"}, edition=7)
    asked = [
        Decision("investigate", worker="v", why="silent", then=("capture", "ask")),
        Decision("retry", worker="x", then=("relaunch",)),
        Decision("investigate", worker="w", why="waits", then=("capture",)),
    ]

    steps, _ = answered(keep_screens(d, asked), {Capture: {"v": "aa", "w": "bb"}})

    facts = [
        e.Draft(e.Captured(file=f"screens/{n}.2.2.txt", sha256=digest, why=why), worker=n, attempt=2)
        for n, digest, why in [("v", "aa", "silent"), ("w", "bb", "waits")]
    ]
    assert [Capture({"v": "screens/v.2.2.txt", "w": "screens/w.2.2.txt"}), ("action", tuple(facts))] == [
        steps[0],
        (steps[1].kind, steps[1].drafts),
    ]


@pytest.mark.parametrize(("edition", "own"), [(6, 2), (7, 0)])
def test_each_decision_kept_its_own_screen_before_edition_7(edition: int, own: int) -> None:
    d = Deployment(workers={"w": WorkerState(name="w", session="w", attempt=2)}, edition=edition)
    decision = Decision("investigate", worker="w", why="silent", then=("capture",))

    steps, _ = answered(capture(d, decision, AT), {Capture: {"w": "aa"}})

    assert len(steps) == own


def test_no_screen_is_kept_where_none_is_asked_for() -> None:
    assert ([], None) == answered(keep_screens(Deployment(edition=7), [Decision("retry", then=("relaunch",))]), {})


def test_of_many_screens_those_that_cannot_be_read_say_why() -> None:
    play = Play(workers=3, units=3)
    play.up()
    first, gone, last = play.stage.sessions.playing
    play.stage.sessions.screens.update({first: "one", last: "three"})
    del play.stage.sessions.playing[gone]
    d = play.deployment

    digests = Capture({name: f"screens/{name}" for name in d.workers}).perform(play.stage.world(), d)

    shown = [play.stage.files.read(layout.inside(d.host, f"screens/{name}")) for name in digests]
    assert [b"one", b"three"] == [shown[0], shown[2]]
    assert shown[1].startswith(b"(no screen: ")


@pytest.mark.parametrize("trespasses", [0, 1])
@pytest.mark.parametrize(
    ("edition", "kept"), [(6, [["a"], ["b"]]), (7, [["a", "b"]]), (8, [["a", "b"]])], ids=["6", "7", "8"]
)
def test_the_screens_that_one_check_keeps_are_kept_at_once_since_logs_say_so(
    edition: int, kept: list[list[str]], trespasses: int
) -> None:
    silent = [WorkerState(name=name, session=name, state="stuck", reason="silent", attempt=1) for name in "ab"]
    other = WorkerState(name="c", session="c", state="running", trespasses=trespasses)
    plan = Plan(name="n", units=UnitsSpec(), stuck=StuckSpec(silent=("capture",)))
    d = Deployment(name="n", edition=edition, plan=plan, workers={each.name: each for each in (*silent, other)})

    steps, _ = answered(_workers(d, AT), {Capture: {}})

    assert kept == [list(each.files) for each in steps if isinstance(each, Capture)]
