"""A watched deployment: how changes of files are logged, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.log.events import Conflicted, Looked, Noted, Progressed
from wakeman.core.model import Wrote
from wakeman.engine.check import check
from wakeman.engine.start.deploy import amend, up
from wakeman.engine.start.prepare import prepare_plan
from wakeman.engine.watch import IDLE_TIMES_BUSY, PROGRESS_STEP_S, WatchView, watch
from wakeman.ports import World
from wakeman.ports.log_store import Writer

SLOW = Act(seconds=100.0)


def watched(play: Play, **parameters: float) -> Iterator[WatchView]:
    """Watch a play; time passes while the watcher waits, and those who act do what they do."""
    play.stage.watcher.pause = lambda seconds: play.stage.run(_check, lambda: False, seconds)
    return watch(play.stage.world("watch:1"), NAME, **parameters)


def _check(world: World, head: str) -> object:
    return check(world, NAME, head)


def until(views: Iterator[WatchView], seconds: float) -> WatchView:
    """Let a watcher go on for some seconds."""
    first = next(views)
    return next(view for view in views if (view.at - first.at).total_seconds() >= seconds)


def write(play: Play, path: str, data: bytes = b"x" * 100) -> None:
    play.stage.files.write(f"/plans/{path}", data)


def progressed(play: Play) -> list[tuple[str | None, int, list[str]]]:
    return [
        (event.worker, event.data.written, [mark.path for each in event.data.files for mark in each.marks])
        for event in play.events
        if isinstance(event.data, Progressed)
    ]


def conflicted(play: Play) -> list[tuple[str, str, str | None]]:
    return [(e.data.path, e.data.unit, e.worker) for e in play.events if isinstance(e.data, Conflicted)]


# Progress


def test_each_output_is_told_once_and_the_watch_ends_with_the_deployment() -> None:
    play = Play(workers=2, units=3)
    play.up()

    views = list(watched(play))

    files = Counter(path for _, _, paths in progressed(play) for path in paths)
    assert {f"out/w{w}/u{u}.json": 1 for w in range(2) for u in range(3)} == dict(files)
    assert [1, 2, 3] == [written for worker, written, _ in progressed(play) if worker == "w0"]
    assert "complete" == views[-1].deployment.outcome


def test_many_files_of_one_worker_are_told_together_once_a_step() -> None:
    play = Play(workers=1, units=40, plan={"units": {"limit": 100}}, acts={"w0": Act(seconds=0.1)})
    play.up()

    list(watched(play))

    times = [event.at.timestamp() for event in play.events if isinstance(event.data, Progressed)]
    assert all(later - before >= PROGRESS_STEP_S - 0.001 for before, later in pairwise(times))
    assert 40 == sum(len(paths) for _, _, paths in progressed(play))


def test_who_is_done_by_the_files_is_looked_at_at_once() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=30, hangs=True)})
    play.up()

    view = until(watched(play), 40)

    assert view.deployment.units["w0/u0"].done


def test_what_was_written_while_nobody_watched_is_told_by_the_next_who_does() -> None:
    play = Play(workers=1, units=2, acts={"w0": SLOW})
    play.up()
    views = watched(play)
    until(views, 10)
    del views
    play.go(minutes=2)

    until(watched(play), 5)

    assert [("w0", 1, [])] == progressed(play) or ["out/w0/u0.json"] == [p for _, _, ps in progressed(play) for p in ps]


def test_of_two_watchers_one_tells() -> None:
    play = Play(workers=2, units=3, acts={"w0": SLOW, "w1": SLOW})
    play.up()
    one, other = watched(play), watched(play)

    for _ in zip(one, other, strict=False):
        pass

    files = Counter(path for _, _, paths in progressed(play) for path in paths)
    assert {1} == set(files.values())
    assert all(state.wrote for state in play.deployment.units.values())


def test_what_an_overflow_cost_is_found_by_a_look_at_everything_and_the_log_says_so() -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(hangs=True, stops_after=0)})
    play.up()
    views = watched(play)
    until(views, 5)

    write(play, "out/w0/u0.json")
    write(play, "out/w0/stray")
    play.stage.watcher.lost.append("the queue overflowed")
    view = next(views)
    lost = view.lost
    until(views, 5)

    assert ("the queue overflowed",) == lost
    assert [("w0", 1, ["out/w0/u0.json"])] == progressed(play)
    assert [("/plans/out/w0/stray", "", "w0")] == conflicted(play)
    assert ["watch: the queue overflowed; all was looked at"] == [
        event.data.text for event in play.events if isinstance(event.data, Noted)
    ]


def test_what_is_lost_again_and_again_is_noted_once() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)})
    play.up()
    views = watched(play)
    for _ in range(20):
        play.stage.watcher.lost.append("a limit")
        next(views)

    assert 1 == sum(isinstance(event.data, Noted) for event in play.events)


def test_a_file_in_the_spool_calls_for_a_check_by_hook() -> None:
    play = Play(workers=1, units=1, acts={"w0": SLOW})
    play.up()
    views = watched(play)
    until(views, 5)

    play.stage.files.write(f"/state/{NAME}/spool/1", b"{}")
    until(views, 5)

    assert [event for event in play.events if isinstance(event.data, Looked) and event.by == "hook:1"]


def test_a_check_is_run_where_no_alarm_lies_ahead() -> None:
    play = Play(workers=1, units=1, acts={"w0": SLOW})
    play.up()
    views = watched(play)
    until(views, 5)
    play.stage.alarms.jobs.clear()

    until(views, 62)

    assert 1 == len(play.stage.alarms.jobs)


def test_units_that_come_by_an_amended_plan_are_watched_too() -> None:
    play = Play(workers=2, units=1, acts={"w0": SLOW, "w5": SLOW}, plan={"workers": {"at_once": 1}})
    play.up()
    views = watched(play)
    until(views, 5)
    changed = msgspec.json.decode(play.text())
    changed["units"]["items"] = [{"unit": "w0/u0", "key": "w0"}, {"unit": "w5/u0", "key": "w5"}]
    changed["units"]["output"] = "new/{{ unit }}.json"
    world = play.stage.world()
    amend(world, NAME, prepare_plan(world, msgspec.json.encode(changed).decode(), "plan.json", "/plans"))

    list(views)

    assert {"w0", "w5"} == {worker for worker, _, _ in progressed(play)}


def test_a_log_that_is_held_makes_the_watcher_try_again() -> None:
    play = Play(workers=1, units=2, acts={"w0": SLOW})
    play.up()
    views = watched(play)
    until(views, 5)
    with play.stage.logs.hold(NAME, "hand:9"):
        write(play, "out/w0/u0.json")
        for _ in range(5):
            next(views)
        assert [] == progressed(play)

    until(views, 5)

    assert [("w0", 1, ["out/w0/u0.json"])] == progressed(play)


def test_a_first_output_during_the_pause_after_a_slow_write_is_told_as_soon_as_that_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = Play(workers=2, units=2, acts={"w0": SLOW, "w1": SLOW})
    play.up()
    took, hold = 0.02, play.stage.logs.hold

    @contextmanager
    def slow(name: str, by: str, wait: float = 5.0) -> Iterator[Writer]:
        with hold(name, by, wait) as log:
            play.stage.clock.advance(took)
            yield log

    views = watched(play)
    until(views, 5)
    monkeypatch.setattr(play.stage.logs, "hold", slow)
    write(play, "out/w0/u0.json")
    while not progressed(play):
        next(views)
    write(play, "out/w1/u0.json")
    wrote = play.stage.clock.mono()
    while len(progressed(play)) == 1:
        next(views)

    assert play.stage.clock.mono() - wrote < IDLE_TIMES_BUSY * took + 2 * took


# Who wrote


def test_first_and_last_writer_of_an_output_are_in_the_log_as_inferred() -> None:
    play = Play(workers=1, units=1)
    play.up()

    list(watched(play))

    wrote = play.deployment.units["w0/u0"].wrote["out/w0/u0.json"]
    assert Wrote(mark=wrote.mark, first="w0", last="w0", inferred=True) == wrote


def test_a_hook_that_tells_who_wrote_makes_it_certain() -> None:
    play = Play(workers=2, units=1, acts={"w0": Act(seconds=5, hangs=True), "w1": SLOW})
    play.up()
    views = watched(play)
    until(views, 10)
    before = play.deployment.units["w0/u0"].wrote["out/w0/u0.json"].inferred

    play.stage.files.write(f"/state/{NAME}/spool/1", b'{"worker": "w0", "wrote": ["out/w0/u0.json"]}')
    until(views, 3)

    assert (True, False) == (before, play.deployment.units["w0/u0"].wrote["out/w0/u0.json"].inferred)


def test_a_hook_that_tells_of_a_write_in_anothers_place_makes_it_a_conflict_though_both_are_at_work() -> None:
    play = Play(workers=2, units=1, acts={"w0": Act(hangs=True, stops_after=0), "w1": SLOW})
    play.up()
    views = watched(play)
    until(views, 3)
    play.stage.files.write(f"/state/{NAME}/spool/1", b'{"worker": "w1", "wrote": ["out/w0/u0.json", "out/w0/x"]}')
    write(play, "out/w0/u0.json")
    write(play, "out/w0/x")

    until(views, 3)

    assert {("/plans/out/w0/u0.json", "w0/u0", "w1"), ("/plans/out/w0/x", "", "w1")} == set(conflicted(play))
    assert [] == progressed(play)


@pytest.mark.parametrize("said", [b"", b"{}", b"[1]", b'{"worker": "nobody", "wrote": ["out/w0/u0.json"]}'])
def test_a_file_in_the_spool_that_says_nothing_of_files_is_for_the_check(said: bytes) -> None:
    play = Play(workers=1, units=1, acts={"w0": SLOW})
    play.up()
    views = watched(play)
    until(views, 3)
    play.stage.files.write(f"/state/{NAME}/spool/1", said)

    until(views, 3)

    assert ([], []) == (progressed(play), conflicted(play))


# Conflicts


@pytest.fixture
def play() -> Play:
    made = Play(workers=2, units=1, acts={"w0": Act(hangs=True, stops_after=0), "w1": Act(seconds=5)})
    made.up()
    return made


def test_a_file_in_nobodys_place_is_a_conflict_of_the_one_at_work(play: Play) -> None:
    views = watched(play)
    until(views, 10)  # w1 is done
    write(play, "out/w0/stray")

    until(views, 5)

    assert [("/plans/out/w0/stray", "", "w0")] == conflicted(play)
    assert ["warn"] == play.rows(worker=True)
    assert 1 == sum("1 writes out of place" in text for text in play.told())


def test_a_file_of_a_unit_whose_worker_has_ended_is_a_conflict(play: Play) -> None:
    views = watched(play)
    until(views, 10)
    write(play, "out/w1/u0.json", b"over and over")

    until(views, 5)

    wrote = play.deployment.units["w1/u0"].wrote["out/w1/u0.json"]
    assert [("/plans/out/w1/u0.json", "w1/u0", "w0")] == conflicted(play)
    assert ("w1", "w0", True) == (wrote.first, wrote.last, wrote.inferred)


def test_who_wrote_is_not_guessed_among_several(play: Play) -> None:
    play.stage.acts["w1"] = SLOW
    views = watched(play)
    write(play, "out/w0/stray")

    until(views, 3)

    assert [("/plans/out/w0/stray", "", None)] == conflicted(play)
    assert [] == play.rows(worker=True)


def test_a_file_that_is_soon_gone_is_none(play: Play) -> None:
    views = watched(play)
    until(views, 10)
    write(play, "out/w0/temporary")
    next(views)
    play.stage.files.remove("/plans/out/w0/temporary")

    until(views, 5)

    assert [] == conflicted(play)


def test_a_conflict_is_told_once_however_many_watch(play: Play) -> None:
    one, other = watched(play), watched(play)
    until(one, 10)
    write(play, "out/w0/stray")

    until(one, 3)
    until(other, 3)
    until(one, 400)  # over a look at everything

    assert 1 == len(conflicted(play))


def test_a_flood_of_conflicts_is_cut_short(play: Play) -> None:
    views = watched(play)
    until(views, 10)
    for n in range(100):
        write(play, f"out/w0/stray{n}")

    until(views, 5)

    found = [event.data for event in play.events if isinstance(event.data, Conflicted)]
    assert (20, 80) == (len(found), found[-1].more)


def test_with_conflicts_ignored_nothing_is_told() -> None:
    play = Play(workers=1, units=1, acts={"w0": SLOW}, plan={"watch": {"conflicts": "ignore"}})
    play.up()
    views = watched(play)
    write(play, "out/w0/stray")

    until(views, 5)

    assert [] == conflicted(play)


def test_with_stop_the_writer_is_ended_and_its_units_go_to_another() -> None:
    acts = {"w0": Act(hangs=True, stops_after=0)}
    play = Play(workers=1, units=1, acts=acts, plan={"watch": {"conflicts": "stop"}})
    play.up()
    views = watched(play)
    until(views, 5)
    write(play, "out/w0/stray")

    done = list(views)[-1].deployment

    assert "fence" in play.rows(worker=True)
    assert ("complete", "wakeman", 1) == (done.outcome, done.workers["w0"].ended_by, done.workers["w0"].attempt)


def test_what_another_deployment_claims_is_none_of_this_ones_business(play: Play) -> None:
    world = play.stage.world("up:1")
    plan = msgspec.json.decode(play.text())
    plan |= {"name": "other", "units": {"items": ["x"], "output": "out/w0/x.txt"}}
    plan["workers"] = {"command": ["act"]}
    play.stage.acts["x"] = SLOW
    up(world, prepare_plan(world, msgspec.json.encode(plan).decode(), "other.json", "/plans"))
    play.stage.alarms.jobs.clear()  # what fires here checks the one that is watched

    until(watched(play), 200)

    assert "/plans/out/w0/x.txt" in play.stage.files.held
    assert [] == conflicted(play)


def test_a_further_root_is_watched() -> None:
    play = Play(workers=1, units=1, acts={"w0": SLOW}, plan={"watch": {"roots": ["src"]}})
    play.up()
    views = watched(play)
    until(views, 2)
    write(play, "src/main.py")
    write(play, "elsewhere/main.py")

    until(views, 5)

    assert [("/plans/src/main.py", "", "w0")] == conflicted(play)


# Where outputs are staged


def test_what_is_staged_is_seen_at_once_and_installed_without_another_alarm() -> None:
    play = Play(workers=1, units=2, plan={"workers": {"stage": True}, "wake": {"every": 3600}}, acts={"w0": SLOW})
    play.up()

    until(watched(play), 110)

    assert "/plans/out/w0/u0.json" in play.stage.files.held
    assert [] == conflicted(play)


def test_a_write_to_a_staged_outputs_own_place_is_out_of_place_though_its_worker_is_at_work() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"stage": True}}, acts={"w0": SLOW})
    play.up()
    views = watched(play)
    until(views, 10)

    write(play, "out/w0/u0.json")
    until(views, 10)

    assert [("/plans/out/w0/u0.json", "w0/u0", "w0")] == conflicted(play)


def test_progress_in_a_work_tree_is_told() -> None:
    play = Play(workers=1, units=2, plan={"workers": {"isolate": "worktree"}}, acts={"w0": SLOW})
    play.stage.files.write("/plans/README", b"a repository")
    play.stage.git.init("/plans")
    play.up()

    until(watched(play), 110)

    assert [("w0", 1, ["out/w0/u0.json"])] == progressed(play)
