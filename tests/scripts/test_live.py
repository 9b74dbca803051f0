"""What is not live here is read, and not acted on: in memory, where machine, user and directory can be changed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.api.screen import attach, capture
from wakeman.api.status import status
from wakeman.core.errors import NotLiveError, UsageError
from wakeman.core.log.events import Adopted
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.ports import Listing, World

DIRECTORY = f"/state/{NAME}"


def running() -> Play:
    play = Play(workers=2, units=1, acts={f"w{n}": Act(hangs=True) for n in range(2)})
    play.up()
    return play


def identity(**changes: object) -> Callable[[Play], None]:
    def change(play: Play) -> None:
        play.stage.registry.here = msgspec.structs.replace(play.stage.registry.here, **changes)

    return change


ELSEWHERE: dict[str, Callable[[Play], None]] = {
    "never enrolled": lambda play: play.stage.registry.forget(DIRECTORY),
    "another machine": identity(machine="other"),
    "another user": identity(uid=0),
    "a container": identity(pid_namespace=2),
    "a directory put in its place": lambda play: play.stage.registry.inodes.update({DIRECTORY: 9}),
    "others may write to it": lambda play: play.stage.registry.exposed.update({DIRECTORY: "others may write to it"}),
}
DOING: dict[str, Callable[[World], object]] = {
    "check": lambda world: check(world, NAME),
    "stop": lambda world: requests.stop(world, NAME, ["w0"]),
    "retry": lambda world: requests.retry(world, NAME, ["w0"], (), ""),
    "waive": lambda world: requests.judge(world, NAME, "waive", ("w0/u0",), "x"),
    "pause": lambda world: requests.request(world, NAME, "pause"),
    "down": lambda world: requests.request(world, NAME, "down"),
    "send": lambda world: requests.send(world, NAME, "w0", "x", submit=False, force=True),
    "sweep": lambda world: requests.sweep(world, NAME, "*", 0.0, act=True),
    "capture": lambda world: capture(world, f"{NAME}/w0", 5),
    "attach": lambda world: attach(world, f"{NAME}/w0"),
}


@pytest.mark.parametrize("verb", DOING)
@pytest.mark.parametrize("where", ELSEWHERE)
def test_what_is_not_live_here_is_not_acted_on(where: str, verb: str) -> None:
    play = running()
    lines, sessions = play.lines, sorted(play.stage.sessions.playing)
    ELSEWHERE[where](play)

    with pytest.raises(NotLiveError) as refused:
        DOING[verb](play.stage.world())

    assert (lines, sessions) == (play.lines, sorted(play.stage.sessions.playing))
    assert refused.value.hint


def asked(*known: object) -> Listing:
    raise AssertionError(f"its sessions were asked for, after {known!r}")


@pytest.mark.parametrize("where", ELSEWHERE)
def test_what_is_not_live_here_is_read_from_its_log(where: str) -> None:
    play = running()
    ELSEWHERE[where](play)
    play.stage.sessions.poll = asked  # type: ignore[method-assign,assignment] # nothing may be asked of it

    told = status(play.stage.world(), NAME)

    assert told.data.elsewhere
    assert ["launched", "launched"] == [worker.state for worker in told.data.workers]
    assert f"wakeman adopt {NAME}" in told.next


@pytest.mark.parametrize("where", [where for where in ELSEWHERE if where != "others may write to it"])
def test_a_person_adopts_it_and_it_goes_on(where: str) -> None:
    play = running()
    ELSEWHERE[where](play)

    requests.adopt(play.stage.world(), NAME)

    assert 1 == sum(isinstance(event.data, Adopted) for event in play.events)
    assert play.stage.registry.here == play.deployment.host.identity
    assert [] == play.judged()
    check(play.stage.world("at:1"), NAME)


def test_what_is_live_already_is_not_adopted() -> None:
    with pytest.raises(UsageError, match="live here already"):
        requests.adopt(running().stage.world(), NAME)


def test_a_copy_is_not_adopted() -> None:
    play = running()
    play.stage.logs.tapes["night.2"] = play.stage.logs.tapes[NAME]  # the log of another directory

    with pytest.raises(NotLiveError, match="is a copy of /state/night"):
        requests.adopt(play.stage.world(), "night.2")


@pytest.mark.parametrize("by", ["at", "timer", "exit", "hook"])
def test_what_a_version_without_a_registry_began_is_enrolled_by_its_own_script(by: str) -> None:
    play = running()
    play.stage.registry.forget(DIRECTORY)
    before(play)

    check(play.stage.world(f"{by}:1"), NAME)

    assert check(play.stage.world(), NAME).outcome == "open"


@pytest.mark.parametrize("by", ["hand", "resume", "up", "watch"])
def test_and_by_nobody_else(by: str) -> None:
    play = running()
    play.stage.registry.forget(DIRECTORY)
    before(play)

    with pytest.raises(NotLiveError):
        check(play.stage.world(f"{by}:1"), NAME)


def before(play: Play) -> None:
    """Make the log one of a version that recorded no identity."""
    read = play.stage.logs.read

    def bare(name: str) -> object:
        d = read(name)
        d.host = msgspec.structs.replace(d.host, identity=None)
        return d

    play.stage.logs.read = bare  # type: ignore[method-assign,assignment] # as that version's log reads


def test_a_restart_of_the_machine_leaves_it_live() -> None:
    play = running()
    play.stage.registry.boot = "next"

    check(play.stage.world("at:1"), NAME)

    assert "next" == play.stage.registry.kept[DIRECTORY].boot


def test_a_directory_that_somebody_prepared_is_not_begun_in() -> None:
    play = Play()
    play.stage.files.write(f"{DIRECTORY}/check.sh", b"rm -rf ~")

    with pytest.raises(NotLiveError, match="was not made by this user"):
        play.up()

    assert b"rm -rf ~" == play.stage.files.read(f"{DIRECTORY}/check.sh")


def test_a_link_in_the_place_of_its_directory_is_not_begun_in() -> None:
    play = Play()
    play.stage.files.make("/home/me")
    play.stage.files.link("/home/me", DIRECTORY)

    with pytest.raises(NotLiveError, match="was not made by this user"):
        play.up()


def test_an_up_that_was_cut_short_is_begun_again() -> None:
    play = Play()
    play.cut_short()
    play.stage.files.write(f"{DIRECTORY}/check.sh", b"half of it")

    assert "complete" == play.run().outcome
