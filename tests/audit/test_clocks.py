"""Times of lines, compared with the observations around them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.log import NOW

from wakeman.audit.clocks import Clocks
from wakeman.core.log.events import Event, Looked, Noted

Line = tuple[float, float | None] | tuple[float, float | None, str]
"""Seconds of the wall clock; of the other clock, for an observation; the boot, or otherwise the writer."""


def told(*lines: Line) -> list[int]:
    """Return the lines whose time no clock explains, from 1."""
    clocks, found = Clocks(), []
    for seq, (at, mono, *boot) in enumerate(lines, 1):
        data = Noted(text="x") if mono is None else Looked(mono=mono, boot=boot[0] if boot else "b")
        by = boot[0] if boot and mono is None else "at:1"
        event = Event(v=1, seq=seq, at=NOW + timedelta(seconds=at), by=by, data=data, hash="")
        found += [divergence.line for divergence in clocks.take(event)]
    return found


@pytest.mark.parametrize(
    ("lines", "misdated"),
    [
        pytest.param([(0, 0.0), (1, None), (300, 300.0)], [], id="as they come"),
        pytest.param([(-86400, None), (0, 0.0), (300, 300.0)], [], id="nothing is known before the first"),
        pytest.param([(0, 0.0), (-86400, None), (300, 300.0)], [2], id="a day early"),
        pytest.param([(0, 0.0), (1, None), (86400, None), (300, 300.0)], [3], id="a day late"),
        pytest.param([(0, 0.0), (-1000, None), (300, 300.0)], [], id="it has waited for the log"),
        pytest.param([(0, 0.0), (86400, None), (86700, 300.0)], [], id="the clock was set, or the machine slept"),
        pytest.param([(0, 0.0), (86400, None), (300, 300.0, "c")], [], id="the machine was started anew"),
        pytest.param([(0, 0.0), (86700, 300.0), (600, 600.0)], [], id="the clock was set, and set back"),
        pytest.param([(0, 0.0), (-86400, None, "up:2"), (300, 300.0)], [], id="another wrote while it was set back"),
        pytest.param([(0, 0.0), (86400, None), (1, None), (2, None), (300, 300.0)], [2], id="the first is the latest"),
        pytest.param([(0, 0.0), (2, None), (-86400, None), (300, 300.0)], [3], id="the last is the earliest"),
        pytest.param([(0, 0.0), (300, 300.0), (-86400, None)], [], id="no observation follows"),
        pytest.param([(0, 0.0), (-86400, None), (-86400, None), (300, 300.0)], [2], id="two equally early"),
        pytest.param([(0, 0.0), (86400, None), (86400, None), (300, 300.0)], [2], id="two equally late"),
        pytest.param([(0, 500.0), (-86400, None), (300, 800.0)], [2], id="the other clock began long before"),
        pytest.param([(0, 0.0), (-86400, None), (302, 300.0)], [2], id="the clocks have drifted by two seconds"),
        pytest.param([(0, 0.0), (-86400, None), (302.5, 300.0)], [], id="the clocks have drifted by more"),
        pytest.param([(0, 0.0), (-3600, None), (3900, None), (300, 300.0)], [], id="an hour may be waited for"),
        pytest.param([(0, 0.0), (-3601, None), (3901, None), (300, 300.0)], [2, 3], id="more than an hour is too long"),
    ],
)
def test_a_time_is_misdated_where_the_observations_around_it_agree(lines: list[Line], misdated: list[int]) -> None:
    assert misdated == told(*lines)
