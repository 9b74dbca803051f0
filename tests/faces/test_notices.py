"""`wakeman notices`: each thing once, in Wakeman's words, until the reader goes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from tests.faces.conftest import SLEEPER, Place
from tests.play import NAME, Play

from wakeman.api.act import request
from wakeman.api.notices import Notice, notices, standing


def told(play: Play) -> list[str]:
    """Return what stands now."""
    return [notice.says for notice in standing(play.stage.world())]


def test_what_needs_somebody_is_told_once_and_what_ends_is_told() -> None:
    play = Play(workers=2, units=1, plan={"wake": {"hold": True}})
    play.up()
    found: list[Notice] = []
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: play.go(60),
        lambda: None,
        lambda: request(play.stage.world(), NAME, "accept"),
        lambda: play.go(60),
    ]

    def pause(_: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    with pytest.raises(KeyboardInterrupt):
        found.extend(notice for notice in notices(play.stage.world(), pause) if notice is not None)

    assert [] == [notice for notice in found if notice.deployment != NAME]
    held, over = [notice.says for notice in found]
    assert "wrap up" in held
    assert "complete, 2/2 units done" == over
    assert ["wakeman status night", "wakeman report night"] == [notice.next for notice in found]


def test_what_stands_is_each_open_deployment_and_its_needs() -> None:
    play = Play(workers=2, units=1, plan={"wake": {"hold": True}})
    play.up()
    before = told(play)
    play.go(60)

    assert ["open, 0/2 units done"] == before
    assert "open, 2/2 units done" == told(play)[0]
    assert 2 == len(told(play))


@pytest.mark.real
def test_it_tells_of_real_deployments_line_by_line(place: Place) -> None:
    assert "" == place("notices", "--once").out
    place.up(SLEEPER)

    once = place("notices", "--once")
    argv = [sys.executable, "-m", "wakeman", "notices"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            listening = running.stderr.readline()
            place("down", "night")
            line = running.stdout.readline()
        finally:
            running.kill()

    assert "wakeman: night: open, 0/2 units done. Next: wakeman status night\n" == once.out
    assert "Ctrl-C ends this" in listening
    assert "wakeman: night: stopped, 0/2 units done. Next: wakeman report night\n" == line
