"""A plan played on queues of several sizes: the real engine decides, and the queue has workers wait and be lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wakeman.adapters.memory import MemoryWorld
from wakeman.adapters.memory.queue import SimulatedQueue
from wakeman.adapters.memory.rehearsal import rehearsal
from wakeman.api.rehearse import Cast, QueueCourse, measured_units, rehearse_queues
from wakeman.audit.auditor import Auditor
from wakeman.core.queueing import QueueModel, Spread
from wakeman.engine.check import check
from wakeman.engine.start.deploy import up
from wakeman.engine.start.prepare import PreparedPlan, prepare_plan
from wakeman.faces import cli

EVERY_S, STAGGER_S = 60.0, 1.0
HOUR = 3600.0


def prepared(workers: int, each: int, **tables: dict[str, Any]) -> PreparedPlan:
    """Prepare a plan of so many workers, with so many units each."""
    items = [{"unit": f"w{w}/u{u}", "key": f"w{w}"} for w in range(workers) for u in range(each)]
    plan: dict[str, Any] = {
        "name": "night",
        "units": {"items": items, "output": "out/{{ unit }}.json"},
        "workers": {"by": "{{ key }}", "name": "{{ key }}", "command": ["act"], "stagger": STAGGER_S},
        "wake": {"every": EVERY_S},
        "limits": {"give_up": "20d"},
        **tables,
    }
    return prepare_plan(MemoryWorld().world("up:0"), msgspec.json.encode(plan).decode(), "plan.json", "/plans")


def course(plan: PreparedPlan, queue: QueueModel, unit: Spread, seed: int = 1) -> QueueCourse:
    """Play a plan on one queue."""
    queue = msgspec.structs.replace(queue, seed=seed)
    return rehearse_queues(plan, rehearsal, "plan.json", Cast(unit=unit, seed=seed), [queue]).data.courses[0]


@pytest.mark.parametrize(("nodes", "slots"), [(1, 1), (3, 2), (2, 8), (40, 1)])
@pytest.mark.parametrize("unit", [Spread(300.0), Spread(300.0, exponential=True), Spread(0.0, measured=(60.0, 900.0))])
def test_without_failures_it_takes_what_list_scheduling_allows(nodes: int, slots: int, unit: Spread) -> None:
    plan, seed, room = prepared(workers=12, each=5), 7, nodes * slots
    shares = [sum(unit.drawn(seed, f"unit/{one.name}") for one in share.units) for share in plan.shares]

    found = course(plan, QueueModel(nodes, slots), unit, seed)

    least = max(sum(shares) / room, *shares)
    # Graham's bound; then the launches, a second for each end, and the checks that see the end and close it.
    most = sum(shares) / room + max(shares) * (1 - 1 / room) + 12 * (STAGGER_S + 1) + 3 * EVERY_S
    assert ("complete", 60, 12, 0) == (found.outcome, found.done, found.attempts, found.lost)
    assert least <= found.seconds <= most
    assert pytest.approx(sum(shares) + 12, abs=2.0) == found.slot_hours * HOUR
    assert found.slot_hours / slots - 0.001 <= found.node_hours <= found.slot_hours + 0.001


def test_a_queue_s_waiting_times_are_waited() -> None:
    plan, unit = prepared(workers=3, each=1), Spread(60.0)

    at_once = course(plan, QueueModel(3, 1), unit)
    later = course(plan, QueueModel(3, 1, wait=Spread(HOUR)), unit)

    assert HOUR == later.waited
    assert HOUR - EVERY_S <= later.seconds - at_once.seconds <= HOUR + EVERY_S


def test_what_a_failed_node_ran_is_done_again_and_costs_no_attempt() -> None:
    plan = prepared(workers=8, each=6, stuck={"attempts": 1}, cleanup={"rounds": 0})
    queue = QueueModel(2, 2, fails=HOUR, repair=600.0)

    found = course(plan, queue, Spread(600.0), seed=3)

    assert ("complete", 48) == (found.outcome, found.done)
    assert found.lost > 2
    assert 8 + found.lost == found.attempts
    work = 48 * 600.0
    assert work < found.slot_hours * HOUR - 8 <= work + found.lost * 600.0, "of each, what of its last unit was done"


def test_more_failures_shorten_nothing_on_average() -> None:
    plan, seeds = prepared(workers=10, each=6), range(10)

    def average(fails: float) -> float:
        queue = QueueModel(3, 2, fails=fails, repair=1800.0)
        return sum(course(plan, queue, Spread(600.0, exponential=True), seed).seconds for seed in seeds) / len(seeds)

    times = [average(fails) for fails in (0.0, 40 * HOUR, 8 * HOUR, 2 * HOUR, HOUR)]

    assert sorted(times) == times
    assert times[-1] > 1.2 * times[0]


@pytest.mark.parametrize("seed", range(3))
def test_more_nodes_take_no_longer(seed: int) -> None:
    plan, unit = prepared(workers=16, each=4), Spread(400.0, exponential=True)
    wait = Spread(300.0, exponential=True)

    times = [course(plan, QueueModel(nodes, 1, wait=wait), unit, seed).seconds for nodes in (1, 2, 4, 8, 16, 32)]

    assert sorted(times, reverse=True) == times
    assert times[0] > 4 * times[-1]


def test_a_job_that_meets_its_time_is_tried_again_and_goes_on_where_it_was() -> None:
    found = course(prepared(workers=2, each=4), QueueModel(2, 1, longest=1500.0), Spread(600.0))

    assert ("complete", 8) == (found.outcome, found.done)
    assert (4, 2, 0) == (found.attempts, found.timed_out, found.lost)


def test_what_gives_up_is_told_as_it_is() -> None:
    found = course(prepared(workers=4, each=6, limits={"give_up": "1h"}), QueueModel(1, 1), Spread(600.0))

    assert ("partial", 24) == (found.outcome, found.total)
    assert 5 <= found.done <= 6
    assert HOUR <= found.seconds <= HOUR + EVERY_S


def test_a_queue_s_night_is_one_that_the_audit_accepts() -> None:
    plan = prepared(workers=6, each=4)
    queue = QueueModel(2, 1, wait=Spread(300.0, exponential=True), fails=HOUR, repair=300.0, longest=1500.0, seed=5)
    stage = rehearsal(plan.plan, "/plans", plan.shares, None, unit=Spread(500.0), early={}, hang=(), queue=queue)
    world = stage.world("up:0")
    up(world, msgspec.structs.replace(plan, host=world.host(plan.plan, "/plans", "/state/night"), faults=()))
    stage.run(lambda world, head: check(world, "night", head), lambda: world.logs.read("night").outcome != "open", 9e6)
    judge, used = Auditor(), stage.queue_use()

    for event in world.logs.events("night"):
        judge.take(event)

    assert [] == list(judge.divergences)
    assert "complete" == world.logs.read("night").outcome
    assert used.lost
    assert used.timed_out


def test_first_come_is_first_served_and_a_node_is_filled_before_the_next() -> None:
    clock = MemoryWorld().clock
    queue = SimulatedQueue(QueueModel(2, 2), clock.at)
    jobs = [queue.submit(f"w{n}", clock.at) for n in range(4)]

    begun = [(job, turn) for job, turn in queue.play(clock.at)]
    clock.advance(HOUR)
    queue.leave(jobs[2], clock.at)
    queue.leave(jobs[3], clock.at)
    clock.advance(HOUR)

    assert [(job, "begins") for job in jobs] == begun
    assert [0, 0] == [job.node.number for job in jobs[:2] if job.node]
    used = queue.use(clock.at)
    assert (3 * HOUR, 6 * HOUR) == (used.node_time, used.slot_time)


def test_a_job_that_was_cancelled_while_it_waited_never_begins() -> None:
    clock = MemoryWorld().clock
    queue = SimulatedQueue(QueueModel(1, 1, wait=Spread(60.0)), clock.at)
    gone, kept = queue.submit("gone", clock.at), queue.submit("kept", clock.at)
    queue.leave(gone, clock.at)

    clock.advance(60)

    assert [(kept, "begins")] == queue.play(clock.at)
    assert 1 == queue.use(clock.at).begun


def test_what_is_drawn_depends_on_the_seed_and_the_name_alone() -> None:
    spread, measured = Spread(100.0, exponential=True), Spread(0.0, measured=(1.0, 2.0, 4.0))
    drawn = [spread.drawn(1, f"unit/{n}") for n in range(4000)]

    assert drawn == [spread.drawn(1, f"unit/{n}") for n in range(4000)]
    assert drawn != [spread.drawn(2, f"unit/{n}") for n in range(4000)]
    assert 95 < sum(drawn) / len(drawn) < 105
    assert 0.35 < sum(each > 100 for each in drawn) / len(drawn) < 0.39, "of an exponential, 1/e is above the mean"
    assert {1.0, 2.0, 4.0} == {measured.drawn(1, str(n)) for n in range(100)}


def test_the_times_of_a_night_are_those_between_its_outputs() -> None:
    plan, unit = prepared(workers=3, each=4, cleanup={"rounds": 1}), Spread(300.0, exponential=True)
    early = {"w1": 2}
    stage = rehearsal(plan.plan, "/plans", plan.shares, None, unit=unit, early=early, hang=())
    world = stage.world("up:0")
    up(world, msgspec.structs.replace(plan, host=world.host(plan.plan, "/plans", "/state/night"), faults=()))
    stage.run(lambda world, head: check(world, "night", head), lambda: world.logs.read("night").outcome != "open")

    drawn = {one.name: round(unit.drawn(1, f"unit/{one.name}"), 3) for share in plan.shares for one in share.units}
    behind_another = [f"w{w}/u{u}" for w, u in ((0, 1), (0, 2), (0, 3), (1, 1), (1, 3), (2, 1), (2, 2), (2, 3))]

    found = sorted(measured_units(world, "night"))
    assert pytest.approx(sorted(drawn[name] for name in behind_another), abs=0.01) == found


# The command line


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    items = [{"unit": f"u{n}", "key": f"k{n % 8}"} for n in range(24)]
    units = {"items": items, "output": "out/{{ unit }}"}
    workers = {"by": "{{ key }}", "command": ["nothing-that-exists"], "stagger": 0}
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"name": "night", "units": units, "workers": workers}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return file


TABLE = """\
nodes  slots  time     outcome   units  node-hours  in use  attempts  lost  timed out  queued
1      2      2:05:00  complete  24/24  2.0         100%    8         0     0          45 min
2      2      1:05:00  complete  24/24  2.0         100%    8         0     0          15 min
4      2      0:35:00  complete  24/24  2.0         100%    8         0     0          0 s

     2 h │■···
         │    ········
"""


@pytest.mark.usefixtures("plan")
def test_a_table_and_a_curve_tell_what_each_size_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["rehearse", "plan.json", "--nodes", "1-4", "--slots", "2", "--unit", "10m"])

    said = capsys.readouterr().out
    assert TABLE == said[: len(TABLE)]
    assert "time by slots in all (nodes x slots)" == said.splitlines()[-1]
    assert ["2", "4", "8"] == said.splitlines()[-2].split()
    assert not Path("state").exists()


@pytest.mark.usefixtures("plan")
def test_the_curve_is_drawn_in_ascii_where_a_terminal_has_no_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")

    assert 0 == cli.main(["rehearse", "plan.json", "--nodes", "1,4", "--unit", "10m", "--give-up", "2h"])

    said = capsys.readouterr().out
    assert said.isascii()
    assert "     2 h |x..." in said, "what is not complete has a sign of its own"
    lowest = said.splitlines()[-5]
    assert lowest.startswith("  65 min |")
    assert lowest.endswith("...#")


@pytest.mark.usefixtures("plan")
def test_one_size_has_no_curve_and_what_gives_up_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["rehearse", "plan.json", "--nodes", "1", "--unit", "10m", "--give-up", "1h"])

    head, row, note = capsys.readouterr().out.splitlines()
    assert head.startswith("nodes")
    assert "partial" in row
    assert "partial: not all is done after 60 min (limits.give_up); --give-up goes on for longer" == note


@pytest.mark.usefixtures("plan")
def test_the_same_seed_gives_the_same_and_another_another(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "rehearse",
        "plan.json",
        "--nodes",
        "2,4",
        "--unit",
        "exp:10m",
        "--wait",
        "exp:5m",
        "--fails",
        "2h",
        "--json",
    ]
    said = []
    for seed in ("1", "1", "2"):
        assert 0 == cli.main([*words, "--seed", seed])
        said.append(json.loads(capsys.readouterr().out))

    assert said[0] == said[1]
    assert said[0]["courses"] != said[2]["courses"]
    assert (2, 1, 24) == tuple(said[0]["courses"][0][key] for key in ("nodes", "slots", "total"))


@pytest.mark.usefixtures("plan")
def test_durations_are_drawn_from_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("times").write_text("# of last week\n600\n\n10m\n")

    assert 0 == cli.main(["rehearse", "plan.json", "--nodes", "1", "--unit", "@times", "--json"])
    drawn = json.loads(capsys.readouterr().out)["courses"]
    assert 0 == cli.main(["rehearse", "plan.json", "--nodes", "1", "--unit", "10m", "--json"])

    assert json.loads(capsys.readouterr().out)["courses"] == drawn


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--nodes", "0"), "found '0'; expected numbers such as 4,8,16, or 4-64 for 4, 8, 16, 32, 64"),
        (("--nodes", "four"), "found 'four'; expected numbers such as"),
        (("--nodes", "4,"), "found '4,'; expected numbers such as"),
        (("--nodes", "-4"), "found '-4'; expected numbers such as"),
        (("--nodes", "2-4-8"), "found '2-4-8'; expected numbers such as"),
        (("--nodes", "8-4"), "found '8-4'; expected numbers from 1 to 100000, the smaller one first"),
        (("--nodes", "1000000"), "found '1000000'; expected numbers from 1 to 100000"),
        (("--nodes", ",".join(map(str, range(1, 66)))), "found 65 sizes of queues; expected at most 64"),
        (("--nodes", "4", "--slots", "1.5"), "found '1.5'; expected numbers such as"),
        (("--nodes", "4", "--wait", "soon"), "found 'soon'; expected 90s, 5m, 2h, exp:5m, or @FILE"),
        (("--nodes", "4", "--wait", "normal:5m"), "found 'normal:5m'; expected 90s, 5m, 2h, exp:5m, or @FILE"),
        (("--nodes", "4", "--wait", "exp:"), "found 'exp:'; expected 90s, 5m, 2h, exp:5m, or @FILE"),
        (("--nodes", "4", "--wait", "@"), "found '@'; expected 90s, 5m, 2h, exp:5m, or @FILE"),
        (("--nodes", "4", "--wait", "@nowhere"), "nowhere: "),
        (("--nodes", "4", "--wait", "log:night"), "found 'log:night'; expected 90s, 5m, 2h, exp:5m, or @FILE"),
        (("--unit", "log:"), "found 'log:'; expected 90s, 5m, 2h, exp:5m, or @FILE, or log:NAME"),
        (("--unit", "log:nigth"), "nigth"),
        (("--nodes", "4", "--wait", "@empty"), "empty: found no duration; expected one a line"),
        (("--nodes", "4", "--wait", "@odd"), "odd:2: found '-5'; expected seconds, or 90s, 5m, 2h, 1d"),
        (("--nodes", "4", "--wait", "@."), ".: not a regular file"),
        (("--nodes", "4", "--fails", "0"), "found '0'; expected at least 60s"),
        (("--nodes", "4", "--fails", "often"), "found 'often'; expected seconds, or 90s, 5m, 2h, 1d"),
        (("--nodes", "4", "--time", "59s"), "found '59s'; expected at least 60s"),
        (("--nodes", "4", "--repair", "1h"), "--repair: found without --fails; expected beside it"),
        (("--nodes", "4", "--give-up", "31d"), "found '31d'; expected more than 0s, at most 30d"),
        (("--nodes", "4", "--give-up", "0"), "found '0'; expected more than 0s, at most 30d"),
        (("--nodes", "4", "--seed", "x"), "found 'x'; expected"),
        (("--nodes", "4", "--all"), "--all: found beside --nodes, which prints no events"),
        (("--nodes", "4", "--hang", "nobody"), "no worker 'nobody' in this plan"),
        (("--slots", "4"), "--slots: found without --nodes; expected beside it"),
        (("--wait", "5m"), "--wait: found without --nodes; expected beside it"),
        (("--give-up", "5d"), "--give-up: found without --nodes; expected beside it"),
    ],
)
def test_what_is_no_queue_is_refused(
    plan: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").write_text("# nothing\n\n")
    Path("odd").write_text("5\n-5\n")

    assert cli.main(["rehearse", str(plan), *words]) in (1, 2, 3)
    found = capsys.readouterr()
    assert said in found.err
    assert "" == found.out
