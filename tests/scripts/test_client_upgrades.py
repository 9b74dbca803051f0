"""A client that is upgraded while its deployment is open: each attempt is read by the version that started it."""

from __future__ import annotations

import re

from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.api.status import status
from wakeman.core.log.events import Amended
from wakeman.engine import requests
from wakeman.engine.start.deploy import amend
from wakeman.engine.start.prepare import prepare_plan
from wakeman.faces.cli.page import page
from wakeman.faces.cli.paper import Paper

OLD, NEW = "2.1.197", "2.1.332"


def begun(workers: int = 1, **acts: Act) -> Play:
    play = Play(workers=workers, units=workers, acts=acts)
    play.stage.versions["command"] = OLD
    play.up()
    return play


def versions(play: Play) -> list[tuple[str, int, str]]:
    """List the launches: worker, attempt, and the version of its client."""
    found = []
    for event in play.events:
        data = event.data
        if getattr(data, "action", "") == "launch":
            found.append((event.worker or "", event.attempt or 0, data.version))  # type: ignore[attr-defined] # an intent
    return found


def test_each_launch_asks_the_version_again() -> None:
    play = begun(w0=Act(code=1, stops_after=0))
    play.stage.versions["command"] = NEW
    play.go()

    assert [("w0", 1, OLD), ("w0", 2, NEW)] == versions(play)[:2]
    assert NEW == play.deployment.workers["w0"].version
    assert [] == play.judged()


def test_a_client_that_says_none_is_recorded_with_none() -> None:
    play = Play(workers=1, units=1)
    play.up()
    play.go()

    assert [("w0", 1, "")] == versions(play)
    assert [] == play.judged()


def test_an_amendment_asks_the_version_again() -> None:
    play = begun(w0=Act(hangs=True, stops_after=0))
    play.stage.versions["command"] = NEW
    world = play.stage.world("amend:1")
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))

    amended = [event.data for event in play.events if isinstance(event.data, Amended)]
    assert [{"command": NEW}] == [one.versions for one in amended]
    assert (NEW, OLD) == (play.deployment.host.versions["command"], play.deployment.workers["w0"].version)
    assert [] == play.judged()


def test_the_status_has_the_version_of_each_attempt() -> None:
    play = begun(w0=Act(hangs=True, stops_after=0))

    (worker,) = status(play.stage.world(), NAME).data.workers
    assert OLD == worker.client


def test_the_page_of_a_status_names_versions_only_where_they_differ() -> None:
    play = begun(2, w0=Act(hangs=True, stops_after=0), w1=Act(hangs=True, stops_after=0))
    play.stage.versions["command"] = NEW

    assert [] == shown(play)
    requests.retry(play.stage.world("hand:1"), NAME, ["w1"], (), "")
    play.run(5)
    assert [f"client {OLD}", f"client {NEW}"] == shown(play)


def shown(play: Play) -> list[str]:
    """List the versions that the page of a status shows."""
    data = status(play.stage.world(), NAME).data
    rows = page(data, Paper(width=None, rows=None), everything=True)
    return re.findall(r"client [\d.]+", "\n".join("".join(text for text, _ in row) for row in rows))
