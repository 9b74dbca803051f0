"""A protocol is driven: its lines are written, its effects performed, and what it returns is given back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

import pytest
from msgspec import Struct
from tests.play import NAME, Play

from wakeman.core.errors import ProgramError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.engine.protocol.steps import Append, Steps, append, do, drive
from wakeman.ports import World

T = TypeVar("T")
NOTE = e.Draft(e.Noted(text="x"))


def driven(steps: Steps[T], play: Play | None = None) -> T:
    """Drive a protocol a minute after it has begun; give what it returns."""
    play = play or begun()
    world, now = play.stage.world(), play.stage.clock.now()
    play.stage.clock.advance(60)
    with world.logs.hold(NAME, world.by) as log:
        return drive(world, log, steps, now)


def begun() -> Play:
    play = Play(workers=1, units=1)
    play.up()
    return play


@pytest.mark.parametrize(("late", "minutes"), [(False, 0), (True, 1)])
def test_a_line_bears_the_time_at_which_the_check_began_and_a_late_one_that_of_its_writing(
    late: bool, minutes: int
) -> None:
    play = begun()
    now = play.stage.clock.now()

    written = driven(append("line", [NOTE, NOTE], late=late), play)

    assert [now + timedelta(minutes=minutes)] * 2 == [event.at for event in written]
    assert list(written) == play.events[-2:]


def test_a_write_is_durable_and_has_the_time_of_its_check_unless_it_says_otherwise() -> None:
    lines = (e.Draft(e.Noted(text="x")),)

    assert [Append("line", lines, durable=True, late=False)] == list(append("line", lines))
    assert Append("line", lines) == Append("line", lines, durable=True, late=False)


def test_without_lines_nothing_is_written() -> None:
    play = begun()
    before = play.lines

    assert ((), before) == (driven(append("line", []), play), play.lines)


class Answer(Struct):
    """An effect that answers, or fails."""

    fails: bool = False

    def perform(self, world: World, d: Deployment) -> str:
        if self.fails:
            raise ProgramError("no")
        return f"{d.name} by {world.by}"

    def recorded(self, d: Deployment, write: Sequence[e.Event]) -> str:
        del d, write
        return ""


def test_a_protocol_gets_the_outcome_of_an_effect_and_its_own_is_given_back() -> None:
    assert f"{NAME} by hand:1" == driven(do(Answer()))


def test_a_protocol_whose_effect_fails_is_closed_before_that_is_told() -> None:
    """What it holds is let go then, and not when somebody collects it."""
    left: list[str] = []

    def holding() -> Iterator[object]:
        try:
            yield Answer(fails=True)
        finally:
            left.append("closed")

    steps = holding()
    with pytest.raises(ProgramError):
        driven(steps)  # type: ignore[arg-type] # a generator, as protocols are

    assert ["closed"] == left
    assert [] == list(steps)
