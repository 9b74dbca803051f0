"""What is staged is promoted, and what disk or git refuses is said and tried again."""

from __future__ import annotations

from typing import Any

import pytest
from tests.play import NAME, Play

from wakeman.core.errors import DiskError, StorageError
from wakeman.core.log import events as e
from wakeman.engine.check import check
from wakeman.engine.effects.promote import Promote


def ended(units: int) -> Play:
    """Give a deployment whose worker has just ended, all its units staged."""
    play = Play(workers=1, units=units, plan={"workers": {"stage": True}})
    play.up()
    play.stage.run(lambda *_: None, lambda: False, 60 * units + 9)
    return play


def refuse(play: Play, *names: str, by: type[StorageError] = StorageError) -> None:
    """Have the disk refuse the outputs of these units from now on."""
    install = type(play.stage.files).install

    def some(stage: str, inside: str, target: str, *rest: Any, **more: Any) -> Any:
        if any(name in target for name in names):
            raise by(f"{target[-7:]}: not allowed")
        return install(play.stage.files, stage, inside, target, *rest, **more)

    play.stage.files.install = some  # type: ignore[method-assign] # a directory of somebody else's


def notes(play: Play) -> list[str]:
    return [event.data.text for event in play.events if isinstance(event.data, e.Noted)]


def test_what_is_refused_is_said_once_and_stays_open_and_the_rest_is_promoted() -> None:
    play = ended(2)
    refuse(play, "u0")

    check(play.stage.world(), NAME)
    check(play.stage.world(), NAME)

    assert ["not taken over: w0/u0: u0.json: not allowed"] == notes(play)
    assert ["w0/u0"] == [intent.target for intent in play.deployment.promoting.values()]
    assert "/plans/out/w0/u1.json" in play.stage.files.held


def test_only_what_this_check_has_begun_is_said_to_be_refused() -> None:
    play = Play(workers=1, units=3, plan={"workers": {"stage": True}, "wake": {"every": 60}})
    play.up()
    refuse(play, "u0", "u1")

    play.go(minutes=4)

    assert [
        "not taken over: w0/u0: u0.json: not allowed",
        "not taken over: w0/u1: u1.json: not allowed",
    ] == notes(play)


def test_a_long_reason_is_cut() -> None:
    play = ended(40)
    refuse(play, "out/")

    check(play.stage.world(), NAME)

    (note,) = notes(play)
    assert (1000, "…") == (len(note), note[-1])


def test_a_full_disk_ends_the_check() -> None:
    """No output is to blame: the next check, behind an alarm, tries all again."""
    play = ended(1)
    refuse(play, "u0", by=DiskError)

    with pytest.raises(DiskError):
        check(play.stage.world(), NAME)

    assert ["w0/u0"] == [intent.target for intent in play.deployment.promoting.values()]
    with pytest.raises(DiskError):
        Promote().perform(play.stage.world(), play.deployment)
