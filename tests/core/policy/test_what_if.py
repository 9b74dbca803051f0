"""What another policy would have decided on the same log."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec
import pytest
from tests.play import Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Decided, Event, Looked
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment, LimitsSpec, Plan, StuckSpec, UnitsSpec, WakeSpec
from wakeman.core.policy import review
from wakeman.core.policy.what_if import Difference, WhatIf

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
CLOSE = "sample, move, sweep, close"
Told = tuple[str, str, str]


def differences(events: Iterable[Event], other: Callable[[Plan], Plan]) -> list[Told]:
    """Replay a night; give whom each difference is about, what was done, and what the other policy would have."""
    d, judge = Deployment(), WhatIf()
    found: list[Difference] = []
    for event in events:
        found += judge.before(d, event, other(d.plan))
        apply(d, event)
        found += judge.after(d, event, other(d.plan))
    return [(each.worker, each.did, each.would) for each in found]


def under(**tables: object) -> Callable[[Plan], Plan]:
    return lambda plan: msgspec.structs.replace(plan, **tables)


def crash() -> Play:
    """Return a night in which a worker crashed and was tried again."""
    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=1, code=1)})
    play.run()
    return play


def silence() -> Play:
    """Return a night in which two of three workers fall silent: their screens are kept, then a person is asked."""
    hangs = Act(stops_after=0, hangs=True)
    play = Play(workers=3, units=2, acts={"w0": hangs, "w1": hangs})
    play.run(minutes=40)
    return play


TWICE = ("w0", "w1")


@pytest.mark.parametrize(
    ("night", "tables", "told"),
    [
        (crash, {}, []),
        (silence, {}, []),
        (
            crash,
            {"stuck": StuckSpec(attempts=1)},
            [("", "sleep", "clean up -> enrol"), ("w0", "retry -> relaunch", "")],
        ),
        (
            crash,
            {"wake": WakeSpec(hold=True)},
            [("", f"wrap up -> {CLOSE}", f"wrap up -> {CLOSE} (held)")],
        ),
        (crash, {"limits": LimitsSpec(give_up=1.0)}, [("", "sleep", "give up -> close")] * 3),
        (
            silence,
            {"stuck": StuckSpec(silent=("ask",))},
            [
                *((name, "investigate -> capture, ask", "investigate -> ask") for name in TWICE),
            ],
        ),
        (
            silence,
            {"stuck": StuckSpec(after=300.0)},
            [(name, "", 'stalled: silent: "no sign of life for 359 s"') for name in TWICE],
        ),
        (
            silence,
            {"stuck": StuckSpec(after=0.0)},
            [
                *((name, "started: ", 'started: ; stalled: silent: "no sign of life for 0 s"') for name in TWICE),
                *((name, "", 'stalled: silent: "no sign of life for 359 s"') for name in TWICE),
            ],
        ),
    ],
)
def test_each_place_is_named_where_another_policy_would_have_gone_otherwise_and_no_place_twice(
    night: Callable[[], Play], tables: dict[str, object], told: list[Told]
) -> None:
    assert told == differences(night().events, under(**tables))


def test_a_look_that_took_several_lines_is_compared_once_it_is_whole() -> None:
    events: list[Event] = []
    for event in silence().events:
        if isinstance(event.data, Looked):
            part = msgspec.structs.replace(event.data, more=True)
            rest = msgspec.structs.replace(event.data, observations=(), verdicts=())
            events += [msgspec.structs.replace(event, data=data) for data in (part, rest)]
        else:
            events.append(event)
    other = under(stuck=StuckSpec(after=300.0))

    assert differences(silence().events, other) == differences(events, other)


def test_the_state_is_left_as_it_was() -> None:
    """A reviewer's plan, too: it is made of the deployment's."""
    d = Deployment(plan=Plan(name="n", units=UnitsSpec(), stuck=StuckSpec(after=9.0)), looked=3)
    review.adopt_plan(d, d.plan)
    before = copy.deepcopy(d)
    decided = Event(v=1, seq=4, at=NOW, by="at:1", data=Decided(row="sleep", looked=3, then=(), why=""), hash="")

    list(WhatIf().before(d, decided, msgspec.structs.replace(d.plan, name="other")))

    assert before == d
