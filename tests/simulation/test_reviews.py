"""A deployment with reviews whose checks are killed at each call in turn: everything happens once."""

from __future__ import annotations

from itertools import count

import pytest
from tests.simulation.scene import Role
from tests.simulation.staged import Staged

from wakeman.core.log.events import Decided, Enrolled, Reviewed

PLAN: dict[str, dict[str, object]] = {"verify": {"review": {"of": "all", "command": ["judge"]}}}
ONCE = [("review_1", ("w0/u0",)), ("review_2", ("w0/u0",))]


def night() -> Staged:
    return Staged(plan=PLAN, night_review_1=Role(rejects=("w0/u0",)))


def happened(staged: Staged) -> tuple[object, ...]:
    """Return what must be the same whoever was killed: outcome, reviewers, verdicts, cleanups, what ran."""
    events = staged.rules.events
    return (
        staged.rules.d.outcome,
        [(e.worker, e.data.reviews) for e in events if isinstance(e.data, Enrolled) and e.data.review],
        [(e.worker, len(e.data.rejected)) for e in events if isinstance(e.data, Reviewed)],
        [e.data.moved for e in events if isinstance(e.data, Enrolled) and e.data.moved],
        [mark.split("@")[0] for mark in staged.scene.sessions.started],
    )


def killed_at(call: int) -> tuple[str, tuple[object, ...]]:
    """Run the night, and kill the process that is about to make that call of a check; "" when there are fewer."""
    staged = night()
    staged.up()
    seen, at = 0, ""
    while not staged.done():
        actors = staged.crew.actors
        if not actors:
            staged.fires()
            continue
        if seen == call and not at:
            at = actors[0].at
            staged.kill(actors[0])
            staged.scene.ensured()
        else:
            staged.resume(actors[0])
        staged.rules.step()
        seen += 1
    staged.rules.over(staged.last, staged.scene.clock.at.replace(year=2027))
    return at, happened(staged)


def test_a_night_with_reviews_whose_checks_are_killed_anywhere_reviews_reopens_and_launches_once() -> None:
    expected = (
        "complete",
        ONCE,
        [("review_1", 1), ("review_2", 0)],
        [("w0/u0",)],
        ["night/w0/1", "night/review_1/1", "night/w0_c1/1", "night/review_2/1"],
    )
    points = []
    for call in count():
        at, found = killed_at(call)
        assert expected == found, f"killed at call {call}, {at}"
        if not at:
            break
        points.append(at)

    assert len(points) > 100
    assert {"logs.write", "logs.sync", "sessions.submit", "files.read"} <= set(points)


@pytest.mark.parametrize(
    ("having", "before"),
    [(b'"reviews":["w0/u0"]', b'"worker":"review_1","attempt":1'), (b'"rejects":[', b'"type":"reviewed"')],
    ids=["between the enrolment and the launch", "between the verdict and the reopening"],
)
def test_a_check_is_killed(having: bytes, before: bytes) -> None:
    staged = night()
    staged.up()
    while not any(having in tape.data for tape in staged.scene.logs.tapes.values()):
        staged.resume(staged.fires())
        staged.rules.step()
    assert not any(before in tape.data for tape in staged.scene.logs.tapes.values())

    staged.kill(staged.crew.actors[0])
    staged.rest()

    assert ("complete", ONCE) == happened(staged)[:2]
    assert 2 == sum(isinstance(event.data, Reviewed) for event in staged.rules.events)
    rows = [e.data.row for e in staged.rules.events if isinstance(e.data, Decided) and e.worker is None]
    assert "wrap up" == rows[-1]
