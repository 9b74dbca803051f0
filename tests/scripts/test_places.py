"""A project is moved, or a directory removed, after `up`: nobody starts elsewhere, and a person is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.play import NAME, Play

from wakeman.core.log.events import Exited
from wakeman.engine import requests
from wakeman.engine.start.deploy import amend
from wakeman.engine.start.prepare import prepare_plan

ROOT, SUB = "/plans", "/plans/sub"


def begun(cwd: str = "{{ root }}", **workers: object) -> Play:
    """Begin a deployment, and pause it when its first worker has ended and the second is not launched yet."""
    given = {"at_once": 1, **({} if cwd == "{{ root }}" else {"cwd": cwd}), **workers}
    play = Play(workers=2, units=1, plan={"workers": given, "units": {"output": "/plans/out/{{ unit }}.json"}})
    play.stage.files.made |= {ROOT, SUB}
    play.up()
    requests.request(play.stage.world(), NAME, "pause")
    play.go(minutes=20)
    assert {"w0": "verified", "w1": "pending"} == play.states()
    return play


def gone_on(play: Play, minutes: float = 24 * 60) -> Play:
    """End the pause, and let the deployment go on."""
    requests.request(play.stage.world(), NAME, "unpause")
    play.go(minutes)
    return play


def removed(play: Play, place: str) -> None:
    play.stage.files.made.discard(place)


def replaced(play: Play, place: str) -> None:
    """Have another directory take the place of one."""
    play.stage.files.made.discard(place)
    assert not play.stage.files.directory_id(place)
    play.stage.files.made.add(place)


def linked(play: Play, place: str) -> None:
    """Have a link to another directory take the place of one."""
    play.stage.files.made.discard(place)
    play.stage.files.made.add("/elsewhere")
    play.stage.files.links[place] = "/elsewhere"


def restarted(play: Play, place: str) -> None:
    """Have the machine started anew, after which devices have other numbers."""
    del place
    play.stage.clock.name = "00000002"
    play.stage.files.device = 7


CASES = [
    ("{{ root }}", ROOT, removed, "/plans: found no directory there"),
    ("{{ root }}", ROOT, replaced, "/plans: found another directory there"),
    ("{{ root }}", ROOT, linked, "/plans: found another directory there"),
    ("sub", SUB, removed, "workers.cwd: found no directory at /plans/sub"),
    ("sub", SUB, replaced, "workers.cwd: found another directory at /plans/sub"),
    ("sub", SUB, linked, "workers.cwd: found another directory at /plans/sub"),
    ("sub", ROOT, replaced, "/plans: found another directory there"),
]
FINE = [("{{ root }}", SUB, removed), ("{{ root }}", ROOT, restarted), ("sub", SUB, restarted)]


@pytest.mark.parametrize(("cwd", "place", "happens", "why"), CASES)
@pytest.mark.parametrize("stage", [False, True])
def test_nobody_is_launched_where_the_directory_is_not_the_one_of_up_and_a_person_is_told(
    cwd: str, place: str, happens: Callable[[Play, str], None], why: str, *, stage: bool
) -> None:
    play = begun(cwd, stage=stage)
    happens(play, place)
    gone_on(play, 120)

    ends = [event.data.why for event in play.events if isinstance(event.data, Exited) and event.worker == "w1"]
    assert ([], ["w0"]) == (
        [mark for mark in play.stage.sessions.started if "/w1/" in mark],
        [mark.split("/")[1] for mark in play.stage.sessions.started],
    )
    assert [f"launch failed: {why}"] == [end.partition(",")[0] for end in ends]
    assert (0, 3, "open") == (
        play.deployment.workers["w1"].spent,
        play.deployment.failed_launches,
        play.deployment.outcome,
    )
    assert any(f'3 launches in a row failed: "{why}' in text for text in play.told())
    assert [] == play.judged()


@pytest.mark.parametrize(("cwd", "place", "happens", "why"), CASES)
def test_once_it_is_back_the_deployment_goes_on_after_unpause(
    cwd: str, place: str, happens: Callable[[Play, str], None], why: str
) -> None:
    del why
    play = begun(cwd)
    known = play.stage.files.directory_id(place)
    happens(play, place)
    gone_on(play, 120)
    play.stage.files.links.pop(place, None)
    play.stage.files.made.add(place)
    play.stage.files.known[place] = int(known.partition(":")[0])

    assert "complete" == gone_on(play).deployment.outcome


@pytest.mark.parametrize(("cwd", "place", "happens"), FINE)
def test_what_does_not_concern_where_a_worker_starts_keeps_nobody(
    cwd: str, place: str, happens: Callable[[Play, str], None]
) -> None:
    play = begun(cwd)
    happens(play, place)

    assert "complete" == gone_on(play).deployment.outcome


@pytest.mark.parametrize("place", [ROOT, SUB])
def test_a_directory_that_was_made_anew_counts_from_an_amendment_on(place: str) -> None:
    play = begun("sub")
    replaced(play, place)
    world = play.stage.world("amend:1")
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", ROOT))

    assert "complete" == gone_on(play).deployment.outcome


def test_what_workers_before_may_make_is_to_be_there_and_may_be_another() -> None:
    play = begun("sub", before=[["mkdir"]])
    replaced(play, SUB)

    assert "complete" == gone_on(play).deployment.outcome


@pytest.mark.parametrize("place", [ROOT, SUB])
def test_what_a_person_adopts_counts_as_it_was_restored(place: str) -> None:
    play = begun("sub")
    replaced(play, place)
    play.stage.registry.forget(f"/state/{NAME}")
    requests.adopt(play.stage.world(), NAME)

    assert "complete" == gone_on(play).deployment.outcome
    assert [] == play.judged()
