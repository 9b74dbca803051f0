"""A look that sees what the last one saw says the same as one that works everything out anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.counts.test_growth import calls
from tests.play import NAME, Play

from wakeman.adapters.disk import Disk
from wakeman.adapters.memory import Act
from wakeman.core.log import events as e
from wakeman.engine import layout
from wakeman.engine.check import check
from wakeman.engine.observe.calm import recalled, remember
from wakeman.engine.observe.containment import Mishaps
from wakeman.engine.observe.judgement import Findings
from wakeman.engine.observe.observe import observe

RANDOM = re.compile(rb'"(agent_session|hash)":"[^"]*"')
IDLE = Act(hangs=True, stops_after=0)


def at_work(workers: int = 4, **tables: dict[str, object]) -> Play:
    """Begin a deployment, and let two checks in a row see that nothing happens."""
    plan: dict[str, dict[str, object]] = {"workers": {"at_once": workers}, "stuck": {"after": "9h"}, **tables}
    play = Play(workers=workers, units=1, plan=plan, acts={f"w{n}": IDLE for n in range(workers)})
    play.up()
    for _ in range(3):
        checked(play)
    return play


def checked(play: Play) -> None:
    """Make a check, a second later."""
    play.stage.clock.advance(1)
    check(play.stage.world("exit:1"), NAME)


def kept(play: Play) -> str:
    """Return the file with what the last look saw."""
    return layout.inside(play.deployment.host, layout.CALM)


def looked(play: Play) -> tuple[e.Looked, str]:
    """Make a look that is not recorded; return it, and the fingerprint of what it saw if it found nothing new."""
    findings, mishaps = Findings(), Mishaps()
    seen, waiting = observe(play.stage.world("at:1"), play.deployment, findings, mishaps)
    assert ([], {}) == (waiting, mishaps.traces)
    return seen, findings.calm


def exit_file(play: Play) -> None:
    d = play.deployment
    play.stage.files.remove(layout.running_file(d.host, d.workers["w1"]))
    play.stage.files.write(layout.exit_file(d.host, d.workers["w1"]), b"0\n")


def output(play: Play) -> None:
    play.stage.files.write("/plans/out/w1/u0.json", b"x" * 5000)


def printed(play: Play) -> None:
    d = play.deployment
    play.stage.files.write(layout.stream(d.host, d.workers["w1"]), b"a line\n")


def session_gone(play: Play) -> None:
    del play.stage.sessions.playing["w1"]


def session_over(play: Play) -> None:
    play.stage.sessions.playing["w1"].dead = True


def pane_redrawn(play: Play) -> None:
    play.stage.sessions.playing["w1"].activity += 1


def hung(play: Play) -> None:
    play.stage.sessions.state = "unknown"


def rebooted(play: Play) -> None:
    play.stage.clock.name = "00000002"


CHANGES = [exit_file, output, printed, session_gone, session_over, pane_redrawn, hung, rebooted]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_after_a_look_that_found_nothing_new_is_seen_by_the_next(
    change: Callable[[Play], None],
) -> None:
    play = at_work()
    before, saw = looked(play)
    change(play)

    after, calm = looked(play)

    assert (True, "") == (saw != "", calm)
    assert ((), ()) == (before.observations, before.verdicts)
    news = {each.worker for each in after.observations} | {
        play.deployment.units[each.unit].worker for each in after.verdicts
    }
    assert {"w0", "w1", "w2", "w3"} == news if change in (hung, rebooted) else {"w1"} == news


@pytest.mark.parametrize("change", CHANGES)
def test_a_look_by_what_the_last_one_saw_is_the_one_that_works_all_out(change: Callable[[Play], None]) -> None:
    nights = [at_work(), at_work()]
    for play in nights:
        for turn in range(6):
            if turn == 3:
                change(play)
            if play is nights[1] and kept(play) in play.stage.files.held:
                play.stage.files.remove(kept(play))
            checked(play)

    known, anew = (RANDOM.sub(b"", play.stage.logs.tapes[NAME].data) for play in nights)
    assert known == anew


def test_a_look_that_sees_the_same_costs_far_less_than_the_one_that_worked_it_out() -> None:
    play = at_work(100)
    cheap = calls(lambda: looked(play))
    play.stage.files.remove(kept(play))
    dear = calls(lambda: looked(play))

    assert cheap < dear / 2, (cheap, dear)


@pytest.mark.parametrize("text", [b"", b"hello", b"\xff" * 99])
def test_what_is_in_the_file_and_is_of_no_look_says_nothing(text: bytes) -> None:
    play = at_work()
    play.stage.files.write(kept(play), text)
    exit_file(play)

    assert ["w1"] == [each.worker for each in looked(play)[0].observations]


def test_after_a_line_of_anybody_the_last_look_counts_no_longer() -> None:
    play = at_work()
    dear = calls(lambda: looked(play))
    with play.stage.world("hand:1").logs.hold(NAME, "hand:1") as log:
        log.append([e.Draft(e.Noted(text="a word"))], play.stage.clock.now())

    assert calls(lambda: looked(play)) > dear


def test_a_screen_that_has_to_be_read_is_read_each_time() -> None:
    play = at_work()
    play.stage.harness.reads = frozenset({"screen"})

    assert looked(play)[1] == ""


def test_a_disk_that_refuses_the_file_forgets_the_look(tmp_path: Path) -> None:
    d = at_work().deployment
    d.host = msgspec.structs.replace(d.host, directory=str(tmp_path))
    world = msgspec.structs.replace(at_work().stage.world("exit:1"), files=Disk())
    (tmp_path / layout.CALM).mkdir()

    remember(world, d, "what it saw")

    assert "" == recalled(world, d)
    (tmp_path / layout.CALM).rmdir()
    remember(world, d, "what it saw")
    assert "what it saw" == recalled(world, d)
