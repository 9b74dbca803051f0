"""An output counts only if it changed after somebody was launched for its unit, and while nobody else was at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.play import NAME, Play
from tests.scripts.test_recovery import CrashError, crash_in

from wakeman.adapters.memory import Act, MemoryWorld
from wakeman.audit.auditor import Auditor
from wakeman.core.log.events import LINE_BYTES_MAX, Draft, Enrolled, Fact, Looked, Marked, Progressed
from wakeman.core.log.hash_chain import Divergence
from wakeman.core.model import Deployment, FileFingerprint, Verdict, Written
from wakeman.engine.check import check
from wakeman.engine.start import deploy
from wakeman.engine.start.prepare import prepare_plan

ONE_BY_ONE: dict[str, dict[str, object]] = {"workers": {"at_once": 1}, "cleanup": {"rounds": 0}}
LATER = "/plans/out/w1/u0.json"
"""An output of the worker that is launched second."""
THEIRS = b"written by somebody else, and long enough"


def up_then(play: Play, *paths: str) -> None:
    """Begin it, and have somebody write outputs of a worker that is not launched yet."""
    play.up()
    play.go(minutes=0.2)
    play.stage.clock.advance(1)
    for path in paths or (LATER,):
        play.stage.files.write(path, THEIRS)


def marked(play: Play) -> list[tuple[str | None, list[str]]]:
    """List what was found changed before launches."""
    facts = [(event.worker, event.data) for event in play.events if isinstance(event.data, Marked)]
    return [(worker, [mark.path for mark in fact.existing]) for worker, fact in facts]


def said(play: Play, unit: str) -> list[tuple[str, ...]]:
    looks = [event.data for event in play.events if isinstance(event.data, Looked)]
    return [verdict.problems for look in looks for verdict in look.verdicts if verdict.unit == unit]


@pytest.mark.parametrize("there", [False, True], ids=["made anew", "changed"])
def test_what_others_write_before_the_first_launch_is_not_the_work_of_its_worker(there: bool) -> None:
    play = Play(workers=2, units=1, plan=ONE_BY_ONE, acts={"w1": Act(stops_after=0)})
    if there:
        play.stage.files.write(LATER, b"from last week")
    up_then(play)

    done = play.go()

    assert ("partial", {"w0": "verified", "w1": "exited"}) == (done.outcome, play.states())
    assert [("w1", ["out/w1/u0.json"])] == marked(play)
    assert [("out/w1/u0.json: unchanged since the launch",)] == said(play, "w1/u0")
    assert [] == play.judged()


def test_the_worker_is_launched_though_its_outputs_are_there_and_counts_once_it_has_written_them() -> None:
    play = Play(workers=2, units=1, plan=ONE_BY_ONE)
    up_then(play)

    done = play.go()

    assert ("complete", 2, {"w1"}) == (done.outcome, len(play.stage.sessions.started), _writers(done, "w1/u0"))


def _writers(d: Deployment, unit: str) -> set[str]:
    return {name for wrote in d.units[unit].wrote.values() for name in (wrote.first, wrote.last)}


def test_outputs_that_nobody_touched_leave_no_line() -> None:
    play = Play(workers=2, units=1, plan=ONE_BY_ONE)
    play.stage.files.write(LATER, b"from last week")

    assert ("complete", []) == (play.run().outcome, marked(play))


@pytest.mark.parametrize("fresh", ["exists", "newer"])
def test_a_plan_that_takes_what_exists_takes_it_whoever_wrote_it(fresh: str) -> None:
    play = Play(workers=2, units=1, plan={**ONE_BY_ONE, "verify": {"fresh": fresh}})
    up_then(play)

    done = play.go()

    assert ("complete", 1, []) == (done.outcome, len(play.stage.sessions.started), marked(play))


def test_what_a_worker_wrote_before_it_was_killed_counts_in_its_next_attempt() -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=1, code=137)})
    play.up()
    play.go(minutes=1.02)  # its first unit was written a second ago
    play.stage.acts["w0"] = Act()

    done = play.go()

    assert ("complete", 2, []) == (done.outcome, done.workers["w0"].attempt, marked(play))


def test_what_a_worker_left_undone_counts_for_who_continues_it() -> None:
    acts = {"w0": Act(stops_after=0)}
    play = Play(workers=1, units=1, acts=acts, plan={"stuck": {"attempts": 1}, "cleanup": {"rounds": 1}})
    play.stage.usual = Act(seconds=30)

    done = play.run()

    assert ("complete", {"w0": "exited", "w0_c1": "verified"}, []) == (done.outcome, play.states(), marked(play))


def test_a_launch_that_failed_is_no_beginning() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0)}, plan={"cleanup": {"rounds": 0}})
    crash_in(play, "submit", after=False)
    with pytest.raises(CrashError):
        play.up()
    play.stage.files.write("/plans/out/w0/u0.json", THEIRS)

    done = play.go()

    assert ("partial", [("w0", ["out/w0/u0.json"])]) == (done.outcome, marked(play))
    assert ("out/w0/u0.json: unchanged since the launch",) == said(play, "w0/u0")[-1]


def test_what_was_written_before_a_launch_that_ran_was_recorded_is_its_work() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=1)})
    crash_in(play, "submit", after=True)
    with pytest.raises(CrashError):
        play.up()
    play.stage.clock.advance(5)
    play.stage.sessions.play()

    done = play.go()

    assert ("complete", 1, []) == (done.outcome, len(play.stage.sessions.started), marked(play))


def test_a_host_that_does_not_answer_keeps_a_launch_open_and_nothing_counts_before_it_is_settled() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0)}, plan={"cleanup": {"rounds": 0}})
    crash_in(play, "submit", after=False)
    with pytest.raises(CrashError):
        play.up()
    play.stage.sessions.state = "unknown"
    play.stage.files.write("/plans/out/w0/u0.json", THEIRS)
    play.go(minutes=6)
    before = said(play, "w0/u0")
    play.stage.sessions.state = "up"

    done = play.go()

    assert ([], "partial") == (before, done.outcome)


def test_what_is_staged_is_compared_when_it_is_installed_and_no_file_of_others_is_replaced() -> None:
    play = Play(workers=2, units=1, plan={**ONE_BY_ONE, "workers": {"at_once": 1, "stage": True}})
    up_then(play)

    play.go(minutes=60)

    assert ([], THEIRS) == (marked(play), play.stage.files.read(LATER))
    assert [LATER] == [*play.deployment.trespassed]


def test_many_outputs_that_changed_are_marked_in_lines_that_fit_the_log() -> None:
    play = Play(workers=2, units=900, plan=ONE_BY_ONE, acts={"w0": Act(seconds=0.1), "w1": Act(stops_after=0)})
    up_then(play, *(f"/plans/out/w1/u{unit}.json" for unit in range(900)))

    done = play.go()

    pieces = [paths for _, paths in marked(play)]
    assert ("partial", 900, True) == (done.outcome, sum(map(len, pieces)), len(pieces) > 1)
    assert max(len(line) for line in play.lines if b'"type":"marked"' in line) <= LINE_BYTES_MAX
    assert [] == play.judged()


def test_a_night_that_an_older_version_began_is_judged_as_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "EDITION", 3)
    play = Play(workers=2, units=1, plan=ONE_BY_ONE, acts={"w1": Act(stops_after=0)})
    up_then(play)

    done = play.go()

    assert ("complete", 1, []) == (done.outcome, len(play.stage.sessions.started), marked(play))


def forged(play: Play, change: Callable[[Fact], Fact]) -> list[Divergence]:
    """Audit its log with other facts in it; return the divergences."""
    judge = Auditor()
    for event in play.events:
        judge.take(msgspec.structs.replace(event, data=change(event.data)))
    return judge.divergences


def test_a_verdict_that_takes_the_file_of_others_is_found_by_the_audit() -> None:
    play = Play(workers=2, units=1, plan=ONE_BY_ONE, acts={"w1": Act(stops_after=0)})
    up_then(play)
    play.go()

    def passing(data: Fact) -> Fact:
        if not isinstance(data, Looked):
            return data
        verdicts = tuple(Verdict(v.unit, marks=v.marks) if v.unit == "w1/u0" else v for v in data.verdicts)
        return msgspec.structs.replace(data, verdicts=verdicts)

    found = [one.found for one in forged(play, passing) if one.kind == "evidence"]
    assert ["w1/u0: passes"] == found


def test_marks_of_outputs_that_are_not_to_be_marked_are_found_by_the_audit() -> None:
    play = Play(workers=2, units=1, plan=ONE_BY_ONE)
    up_then(play)
    play.go()
    more = FileFingerprint("out/w0/u0.json", 1, 1)  # an output of another worker

    found = forged(play, lambda data: Marked((*data.existing, more)) if isinstance(data, Marked) else data)

    assert found


# --- other deployments --------------------------------------------------------------------------------------------


def both_up(first: Play, **second: Any) -> Play:
    """Begin two deployments over the same outputs, each of which had read its plan before the other began."""
    other = Play(stage=first.stage, **second)
    world = first.stage.world("up:1")
    plans = []
    for play, name in ((first, NAME), (other, "other")):
        text = play.text().replace(f'"name":"{NAME}"', f'"name":"{name}"', 1)
        text = text.replace('"by":"{{ key }}"', f'"by":"{{{{ key }}}}","name":"{name}_{{{{ key }}}}"')
        plans.append(prepare_plan(world, text, "plan.json", "/plans"))
    for plan in plans:
        deploy.up(world, plan)
    return other


def go(stage: MemoryWorld, minutes: float) -> None:
    """Let all deployments go on: each alarm and each end of a worker has both of them looked at."""

    def look(world: Any, head: str) -> None:
        del head
        for name in stage.logs.names():
            check(world, name)

    stage.run(look, lambda: False, minutes * 60)


def test_two_deployments_that_began_together_do_not_count_each_other_s_files() -> None:
    first = Play(workers=1, units=1, acts={"night_w0": Act(stops_after=0, hangs=True), "other_w0": Act(seconds=60)})
    both_up(first, workers=1, units=1)

    go(first.stage, 2)

    night, other = first.stage.logs.read(NAME), first.stage.logs.read("other")
    assert ("running", False) == (night.workers["night_w0"].state, night.units["w0/u0"].done)
    problems = night.units["w0/u0"].verdict
    assert problems is not None
    assert ("out/w0/u0.json: may be the work of other/other_w0, which writes there, too, and was at work",) == (
        problems.problems
    )
    assert not other.units["w0/u0"].done


def test_a_file_that_another_deployment_has_counted_is_its_own_though_its_worker_is_over() -> None:
    stage = MemoryWorld()
    hangs = Act(stops_after=0, hangs=True)
    stage.acts = {"night_w0": Act(stops_after=0), "night_w1": hangs, "other_w0": Act(seconds=60), "other_w1": hangs}
    once: dict[str, dict[str, object]] = {"stuck": {"attempts": 1}, "cleanup": {"when": "all"}}
    both_up(Play(workers=2, units=1, plan=once, stage=stage), workers=2, units=1, plan=once)
    go(stage, 0.5)
    stage.run(lambda world, _: check(world, "other"), lambda: False, 120)

    check(stage.world(), NAME)

    night, other = stage.logs.read(NAME), stage.logs.read("other")
    assert (True, "verified") == (other.units["w0/u0"].done, other.workers["other_w0"].state)
    assert ("exited", False) == (night.workers["night_w0"].state, night.units["w0/u0"].done)


def test_what_a_hook_of_the_own_worker_reported_is_its_work_though_another_is_there() -> None:
    stage = MemoryWorld()
    acts = {"night_w0": Act(stops_after=0, hangs=True), "other_w0": Act(stops_after=0, hangs=True)}
    both_up(Play(workers=1, units=1, acts=acts, stage=stage), workers=1, units=1)
    stage.clock.advance(5)
    stage.files.write("/plans/out/w0/u0.json", THEIRS)
    mark = stage.files.marks(["/plans/out/w0/u0.json"])["/plans/out/w0/u0.json"]
    own = msgspec.structs.replace(mark, path="out/w0/u0.json")
    d = stage.logs.read(NAME)
    with stage.logs.hold(NAME, "watch:1") as log:
        fact = Progressed(written=1, total=1, files=(Written(unit="w0/u0", marks=(own,)),), inferred=False)
        log.append([Draft(fact, worker="night_w0", attempt=d.workers["night_w0"].attempt)], stage.clock.now())

    check(stage.world(), NAME)
    check(stage.world(), "other")

    assert (True, False) == tuple(stage.logs.read(name).units["w0/u0"].done for name in (NAME, "other"))


@pytest.mark.parametrize(("units", "outputs"), [(900, 1), (150, 25)])
def test_many_outputs_that_are_there_before_the_start_are_enrolled_in_lines_that_fit_the_log(
    units: int, outputs: int
) -> None:
    paths = [f"o/{{{{ stem }}}}.{n}" for n in range(outputs)]
    play = Play(workers=1, units=units, plan={"units": {"output": paths}})
    for unit in range(units):
        for n in range(outputs):
            play.stage.files.write(f"/plans/o/u{unit}.{n}", b"")

    play.up()

    pieces = [event.data for event in play.events if isinstance(event.data, Enrolled)]
    assert (units, units * outputs) == (sum(len(p.units) for p in pieces), sum(len(p.existing) for p in pieces))
    assert max(len(line) for line in play.lines if b'"type":"enrolled"' in line) <= LINE_BYTES_MAX
    assert len(pieces) <= 1 + sum(map(len, play.lines[1:])) // (LINE_BYTES_MAX // 4)
