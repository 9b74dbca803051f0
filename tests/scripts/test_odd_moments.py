"""Unusual moments: between two effects, while tmux hangs, during a pause, or when a person intervenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.errors import DiskError, ProgramError, StorageError, UsageError
from wakeman.core.log.events import Exited, Looked, Noted, Verb
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.engine.start.deploy import amend, up
from wakeman.engine.start.prepare import prepare_plan
from wakeman.ports import Job, Made, Ran, Report, Start

HANGING = {"w0": Act(stops_after=0, hangs=True)}
OUT = "/plans/out/w0/u0.json"


class CrashError(Exception):
    """The process ends here."""


def crash(*_: object, **__: object) -> object:
    """Stand in for a call in which the process ends."""
    raise CrashError


def looks(play: Play) -> int:
    return len([event for event in play.events if isinstance(event.data, Looked)])


def hang_in_start(play: Play, *, made: bool) -> None:
    """Have the next start of sessions time out, after it made them or without; from then on tmux hangs."""
    real = play.stage.sessions.submit

    def slow(starts: list[Start]) -> list[Made]:
        play.stage.sessions.submit = real  # type: ignore[method-assign] # as it was
        if made:
            real(starts)
        play.stage.sessions.state = "unknown"
        raise ProgramError("tmux: no answer")

    play.stage.sessions.submit = slow  # type: ignore[method-assign,assignment] # a tmux that hangs


# --- done means there -----------------------------------------------------------------------------------------


def test_an_output_that_vanished_after_its_worker_was_verified_is_made_again() -> None:
    play = Play(workers=2, units=1, acts={"w1": Act(seconds=3000)})
    play.up()
    play.go(10)
    play.stage.files.remove(OUT)

    done = play.go()

    assert ("complete", True, ["w0/u0"]) == (done.outcome, OUT in play.stage.files.held, done.workers["w0_c1"].units)


def test_an_output_that_vanished_under_a_live_worker_is_not_done() -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(seconds=600)})
    play.up()
    play.go(12)
    done = [play.deployment.units["w0/u0"].done]
    play.stage.files.remove(OUT)
    play.go(6)

    assert [True, False] == [*done, play.deployment.units["w0/u0"].done]


def test_a_unit_that_waits_for_its_check_is_nobodys_to_clean_up() -> None:
    play = Play(workers=1, units=2, plan={"verify": {"command": ["judge"]}})

    done = play.run()

    assert ("complete", ["w0"], 2) == (done.outcome, list(done.workers), play.stage.machine.ran.count(("judge",)))


def test_a_file_that_changed_after_its_check_is_checked_again_before_the_wrap_up() -> None:
    play = Play(workers=2, units=1, acts={"w1": Act(seconds=3000)}, plan={"verify": {"command": ["judge"]}})
    play.up()
    play.go(10)
    play.stage.files.write(OUT, b"something else")
    play.stage.machine.answers["judge"] = Ran(code=1, err="worse")
    play.stage.acts["w0_c1"] = Act(stops_after=0)

    assert "partial" == play.go().outcome


def test_a_check_that_rewrites_the_output_comes_to_an_end() -> None:
    play = Play(workers=1, units=1, plan={"verify": {"command": ["format", "{{ output }}"]}})
    real = play.stage.machine.run

    def formatting(argv: list[str], **kwargs: object) -> Ran:
        play.stage.files.write(OUT, b"formatted")
        return real(argv, **kwargs)  # type: ignore[arg-type] # passed on

    play.stage.machine.run = formatting  # type: ignore[method-assign,assignment] # a check that writes

    assert ("complete", True) == (play.run().outcome, len(play.stage.machine.ran) < 5)


def test_what_is_done_before_its_launch_is_not_launched() -> None:
    play = Play(workers=2, units=1, plan={"verify": {"fresh": "exists"}})
    play.stage.files.write(OUT, b"from yesterday")

    done = play.run()

    assert ("complete", 0, ["night/w1/1@00000001.695c2ec0.504d8763"]) == (
        done.outcome,
        done.workers["w0"].attempt,
        play.stage.sessions.started,
    )


def test_a_worker_that_falls_silent_with_its_share_done_does_not_hold_up_the_wrap_up() -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(hangs=True)})

    done = play.run(60)

    assert ("complete", "wakeman") == (done.outcome, done.workers["w0"].ended_by)


# --- launches whose outcome is not known ----------------------------------------------------------------------


@pytest.mark.parametrize("made", [False, True], ids=["never made", "made"])
def test_a_relaunch_that_timed_out_is_settled_before_its_units_go_to_anybody_else(made: bool) -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=0, code=1)})
    play.up()
    play.stage.acts["w0"] = Act(seconds=300)
    hang_in_start(play, made=made)
    play.go(4)
    play.stage.sessions.state = "up"

    done = play.go()

    assert ("complete", ["w0"], 2) == (done.outcome, list(done.workers), len(play.stage.sessions.started))


def test_outputs_that_appear_while_a_relaunch_is_open_do_not_end_the_checks() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, code=1)})
    play.up()
    play.stage.acts["w0"] = Act(seconds=300)
    hang_in_start(play, made=True)
    play.go(9)
    play.stage.sessions.state = "up"

    assert "complete" == play.go().outcome


def test_first_launches_that_tmux_never_answers_are_told_of() -> None:
    play = Play(workers=2, units=1)
    hang_in_start(play, made=False)
    play.up()

    play.go(20)

    assert ["tmux does not answer" in text for text in play.told()] == [True]


@pytest.mark.parametrize("made", [False, True], ids=["never made", "made"])
def test_a_worker_stopped_while_its_launch_is_open_does_not_run(made: bool) -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=3000)}, plan={"cleanup": {"rounds": 0}})
    hang_in_start(play, made=made)
    play.up()
    requests.stop(play.stage.world(), NAME, ["w0"])
    play.stage.sessions.state = "up"

    done = play.go()

    assert ("partial", "person", {}) == (
        done.outcome,
        done.workers["w0"].ended_by,
        {name for name, p in play.stage.sessions.playing.items() if not p.dead} or {},
    )


def test_going_down_waits_for_a_launch_that_is_open_and_ends_it() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=3000)})
    hang_in_start(play, made=True)
    play.up()
    open_ = requests.request(play.stage.world(), NAME, "down").outcome
    play.stage.sessions.state = "up"

    done = play.go(20)

    assert ("open", "stopped", {}) == (open_, done.outcome, play.stage.sessions.playing)


def test_a_power_cut_in_the_middle_of_many_launches_does_not_stop_the_launching() -> None:
    play = Play(workers=5, units=1, plan={"stuck": {"attempts": 1}})
    real, play.stage.sessions.submit = play.stage.sessions.submit, crash  # type: ignore[method-assign,assignment]
    with pytest.raises(CrashError):
        play.up()
    play.stage.sessions.submit = real  # type: ignore[method-assign] # as it was
    play.stage.clock.name = "00000002"

    done = play.go()

    assert ("complete", 5, [1] * 5) == (done.outcome, len(done.workers), [w.spent for w in done.workers.values()])


def test_a_restart_that_could_not_be_launched_is_tried_again() -> None:
    play = Play(workers=1, units=1, acts=dict(HANGING), plan={"cleanup": {"rounds": 0}, "stuck": {"attempts": 3}})
    play.up()
    real = play.stage.sessions.submit

    def once(_: list[Start]) -> list[Made]:
        play.stage.sessions.submit = real  # type: ignore[method-assign] # as it was
        return [Made(error="no room")]

    play.stage.sessions.submit = once  # type: ignore[method-assign,assignment] # a tmux that refuses once
    play.stage.acts["w0"] = Act()
    requests.retry(play.stage.world(), NAME, ["w0"], (), "again")

    assert "complete" == play.go().outcome


def test_a_launch_that_cannot_be_prepared_is_told_of_and_holds_up_nobody_else() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"prompt": "x" * 20_000}, "cleanup": {"rounds": 0}})
    world = play.stage.world("up:1")
    real = play.stage.files.write

    def full(path: str, data: bytes, **kwargs: object) -> None:
        if "/attempts/w0." in path:
            raise StorageError(f"{path}: no space left on device")
        real(path, data, **kwargs)  # type: ignore[arg-type] # passed on

    play.stage.files.write = full  # type: ignore[method-assign] # a disk that refuses some
    up(world, prepare_plan(world, play.text(), "plan.json", "/plans"))
    play.go(60)

    assert ("verified", True) == (play.states()["w1"], any("launches in a row failed" in text for text in play.told()))


def test_a_session_that_its_own_launcher_made_is_found_again_after_a_crash() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    stage = play.stage
    stage.harness.adopts = True

    def launcher(argv: list[str], **_: object) -> Ran:
        home = f"/state/{NAME}/attempts/w0.1"
        stage.sessions.submit([Start(session="w0", mark="", argv=("/bin/sh", "wrapper", home, *argv), cwd="/plans")])
        return Ran(code=0)

    stage.machine.run = launcher  # type: ignore[method-assign,assignment] # the user's own launcher
    real, stage.sessions.adopt = stage.sessions.adopt, crash  # type: ignore[method-assign,assignment]
    with pytest.raises(CrashError):
        play.up()
    stage.sessions.adopt = real  # type: ignore[method-assign] # as it was

    play.go(6)

    assert (["running"], ["w0"], 1) == ([*play.states().values()], [*play.states()], len(stage.sessions.started))


# --- ends -----------------------------------------------------------------------------------------------------


def refuse_ends(play: Play, times: int) -> None:
    real = play.stage.sessions.cancel
    left = [times]

    def hung(ends: list[tuple[str, str]]) -> int:
        left[0] -= 1
        if left[0] >= 0:
            raise ProgramError("tmux: no answer")
        return real(ends)

    play.stage.sessions.cancel = hung  # type: ignore[method-assign,assignment] # a tmux that hangs for a while


def test_a_stop_that_tmux_did_not_hear_is_said_again() -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"cleanup": {"rounds": 0}})
    play.up()
    refuse_ends(play, 1)

    requests.stop(play.stage.world(), NAME, ["w0"])
    done = play.go(30)

    assert ("partial", "person") == (done.outcome, done.workers["w0"].ended_by)


def test_a_restart_that_tmux_did_not_hear_is_done_later() -> None:
    play = Play(workers=1, units=1, acts=dict(HANGING), plan={"stuck": {"silent": ["restart", "ask"]}})
    play.up()
    refuse_ends(play, 1)
    play.go(9)
    play.stage.acts["w0"] = Act()

    assert ("complete", []) == (play.go().outcome, [text for text in play.told() if "needs you" in text])


def test_a_crash_between_the_wish_for_another_attempt_and_its_effect_loses_nothing() -> None:
    play = Play(workers=1, units=1, acts=dict(HANGING))
    play.up()
    real, play.stage.sessions.cancel = play.stage.sessions.cancel, crash  # type: ignore[method-assign,assignment]
    with pytest.raises(CrashError):
        requests.retry(play.stage.world(), NAME, ["w0"], (), "again")
    play.stage.sessions.cancel = real  # type: ignore[method-assign] # as it was
    play.stage.acts["w0"] = Act()

    assert ("complete", 2) == (play.go().outcome, play.deployment.workers["w0"].attempt)


def test_retry_of_a_unit_that_is_done_ends_nobody() -> None:
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=1, hangs=True)})
    play.up()
    play.go(6)

    with pytest.raises(UsageError, match="nothing left to do"):
        requests.retry(play.stage.world(), NAME, ["w0"], ("w0/u0",), "")

    assert "running" == play.states()["w0"]


def test_leftovers_that_are_gone_leave_no_timer_behind() -> None:
    play = Play(workers=2, units=1, acts={"w0": Act(stops_after=0), "w1": Act(seconds=3000)})
    play.up()
    play.stage.machine.living["night/w0/1@00000001.695c2ec0.504d8763"] = [4711]

    play.go(30)

    assert looks(play) < 20


def test_leftovers_that_nothing_ends_are_told_of_at_the_alarms_pace() -> None:
    play = Play(workers=2, units=1, acts={"w0": Act(stops_after=0), "w1": Act(seconds=3000)})
    play.up()
    play.stage.machine.living["night/w0/1@00000001.695c2ec0.504d8763"] = [4711]
    play.stage.machine.signal = lambda *_: None  # type: ignore[method-assign] # a process in the kernel

    play.go(30)

    assert (True, True) == (looks(play) < 25, "outlive a KILL" in " ".join(play.told()))


def test_launches_that_were_stopped_leave_no_timer_behind() -> None:
    play = Play(workers=5, units=1, plan={"workers": {"stagger": "2s"}, "stuck": {"attempts": 1}})
    play.stage.sessions.submit = lambda starts: [Made(error="no room") for _ in starts]  # type: ignore[method-assign] # a tmux that refuses

    play.run(60)

    assert looks(play) < 30


def test_a_screen_that_cannot_be_read_is_no_end_of_the_check() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.stage.harness.reads = frozenset({"screen"})
    play.up()

    def gone(session: str, lines: int = 50, *, mark: str = "") -> str:
        raise ProgramError(f"{session} of {mark}: no answer after {lines}")

    play.stage.sessions.capture = gone  # type: ignore[method-assign] # a tmux that hangs

    assert "launched" != check(play.stage.world(), NAME).workers["w0"].state


# --- pauses, holds, clocks ------------------------------------------------------------------------------------


def test_a_crash_during_a_pause_is_retried_after_it_also_without_cleanup_rounds() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, code=1)}, plan={"cleanup": {"rounds": 0}})
    play.up()
    requests.request(play.stage.world(), NAME, "pause")
    paused = play.go(5).outcome
    play.stage.acts["w0"] = Act()
    requests.request(play.stage.world(), NAME, "unpause")

    assert ("open", "complete") == (paused, play.go().outcome)


def test_going_down_during_a_pause_comes_to_its_end() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    play.stage.machine.living["night/w0/1@00000001.695c2ec0.504d8763"] = [4711]
    requests.request(play.stage.world(), NAME, "pause")

    requests.request(play.stage.world(), NAME, "down")

    assert ("stopped", {}) == (play.go(30).outcome, play.stage.alarms.jobs)


def test_another_question_of_the_same_worker_is_told_at_once() -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"stuck": {"after": "1h"}})
    play.stage.harness.reads = frozenset({"screen"})
    play.stage.harness.reports = {"w0": Report("waiting", "may it read?")}
    play.run(12)
    play.stage.harness.reports = {}
    play.go(6)
    play.stage.harness.reports = {"w0": Report("waiting", "may it write?")}
    play.go(16)

    assert ["waiting: asks for something"] * 2 == [text.split("w0: ")[1].split(",")[0] for text in play.told()]


def test_failed_launches_that_were_stopped_keep_their_attempts_until_a_person_unpauses() -> None:
    play = Play(workers=4, units=1, plan={"cleanup": {"rounds": 0}})
    real = play.stage.sessions.submit
    play.stage.sessions.submit = lambda starts: [Made(error="no room") for _ in starts]  # type: ignore[method-assign] # a tmux that refuses
    broken = play.run(30).outcome
    play.stage.sessions.submit = real  # type: ignore[method-assign] # as it was
    requests.request(play.stage.world(), NAME, "unpause")

    assert ("open", "complete") == (broken, play.go().outcome)


def test_while_a_row_is_held_others_are_launched_and_questions_are_told() -> None:
    acts = {"w0": Act(stops_after=0), "w1": Act(stops_after=0, hangs=True)}
    play = Play(workers=3, units=1, acts=acts, plan={"wake": {"hold": True}, "workers": {"at_once": 2}})

    play.run(60)

    assert ("clean up", "verified") == (play.deployment.held, play.states()["w2"])
    assert any("no sign of life" in text for text in play.told())


def test_a_held_row_is_told_again_after_a_while() -> None:
    play = Play(workers=1, units=1, plan={"wake": {"hold": True, "remind": 1800}})

    play.run(50)

    assert [True, True] == ["wakeman accept night" in text for text in play.told()]


def test_a_row_that_came_up_after_another_was_accepted_is_proposed_too() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0)}, plan={"wake": {"hold": True}})
    play.run(10)
    play.stage.files.write(OUT, b"a person did it")
    requests.request(play.stage.world(), NAME, "accept")

    assert ("open", "wrap up") == (play.deployment.outcome, play.deployment.held)


def test_a_night_asleep_is_no_reason_to_give_up() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=36_000)})
    play.up()
    play.go(6)
    play.stage.clock.at += timedelta(hours=9)

    assert "complete" == play.go().outcome


def test_an_alarm_that_a_clock_set_back_left_hours_ahead_is_set_again() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    play.go(6)
    play.stage.clock.at -= timedelta(hours=8)

    check(play.stage.world(), NAME)

    jobs = [job for job, _ in play.stage.alarms.jobs.values()]
    assert [True] == [job.due - play.stage.clock.at < timedelta(minutes=10) for job in jobs]


def test_too_little_memory_to_start_anybody_is_told() -> None:
    play = Play(workers=1, units=1, plan={"limits": {"memory": "64G"}})
    play.stage.machine.memory = 2**30

    play.run(10)

    assert 1 == len([text for text in play.told() if "too little free memory" in text])


# --- the beginning and the end --------------------------------------------------------------------------------


def test_a_crash_while_the_last_notice_is_delivered_leaves_an_alarm_that_delivers_it() -> None:
    play = Play(workers=1, units=1)
    real = play.stage._deliver
    play.stage._deliver = crash  # type: ignore[method-assign,assignment] # ends the process
    play.up()
    with pytest.raises(CrashError):
        play.go()
    play.stage._deliver = real  # type: ignore[method-assign] # as it was

    play.stage.run(lambda world, head: check(world, NAME, head), lambda: bool(play.told()), 3600)

    assert (1, {}, None) == (len(play.told()), play.stage.alarms.jobs, play.deployment.alarm)


def cut_at(play: Play, *files: str) -> None:
    """Have the process end in `up` when it writes one of these files, and be whole again afterwards."""
    real = play.stage.files.write

    def cut(path: str, data: bytes, **kwargs: object) -> None:
        if path.endswith(files):
            raise CrashError
        real(path, data, **kwargs)  # type: ignore[arg-type] # passed on

    play.stage.files.write = cut  # type: ignore[method-assign] # ends the process
    with pytest.raises(CrashError):
        play.up()
    play.stage.files.write = real  # type: ignore[method-assign] # as it was


@pytest.mark.parametrize("file", ["/plan.toml", "/wrapper.sh", "/check.sh", "/secrets.sh", "/generation"])
def test_a_crash_of_up_before_it_wrote_its_files_has_begun_nothing_and_up_begins_it(file: str) -> None:
    play = Play(workers=1, units=1, plan={"workers": {"prompt": "y" * 20_000, "env_from": ["KEY"]}})
    play.stage.machine.environment["KEY"] = "k"

    cut_at(play, file)

    assert [] == play.stage.logs.names()
    play.up()
    assert ("complete", {}) == (play.go().outcome, play.stage.alarms.jobs)


def test_from_its_first_line_on_an_alarm_lies_ahead() -> None:
    play = Play(workers=1, units=1)
    real = play.stage.logs.hold
    play.stage.logs.hold = lambda *_, **__: (_ for _ in ()).throw(CrashError)  # type: ignore[method-assign] # ends the process
    with pytest.raises(CrashError):
        play.up()
    play.stage.logs.hold = real  # type: ignore[method-assign] # as it was

    assert ("open", 1) == (play.deployment.outcome, len(play.stage.alarms.jobs))
    assert ("complete", {}) == (play.go().outcome, play.stage.alarms.jobs)


def test_an_up_that_is_refused_leaves_no_alarm() -> None:
    play = Play(workers=1, units=1)
    real = play.stage.logs.create

    def refuse(*_: object) -> None:
        raise StorageError("the disk is full")

    play.stage.logs.create = refuse  # type: ignore[method-assign,assignment] # as a full disk does
    with pytest.raises(StorageError):
        play.up()
    play.stage.logs.create = real  # type: ignore[method-assign] # as it was

    assert {} == play.stage.alarms.jobs


def test_files_of_a_deployment_that_are_gone_are_written_again_when_they_are_needed() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"at_once": 1}})
    play.up()
    files = {f"/state/{NAME}/{name}" for name in ("check.sh", "wrapper.sh")}
    for file in files:
        del play.stage.files.held[file]

    done = play.go()

    assert ("complete", set()) == (done.outcome, files - play.stage.files.held.keys())


def test_a_launch_that_a_full_disk_refused_is_tried_again_and_is_nobodys_failure() -> None:
    play = Play(workers=4, units=1)
    real = play.stage.files.write

    def full(path: str, data: bytes, **kwargs: object) -> None:
        if path.endswith("/units.jsonl"):
            raise DiskError(f"{path}: no space left on the disk")
        real(path, data, **kwargs)  # type: ignore[arg-type] # passed on

    play.stage.files.write = full  # type: ignore[method-assign] # the disk
    with pytest.raises(DiskError):
        play.up()
    play.stage.files.write = real  # type: ignore[method-assign] # as it was

    assert (0, 1) == (play.deployment.failed_launches, len(play.stage.alarms.jobs))
    done = play.go()
    assert ("complete", {1}) == (done.outcome, {worker.attempt for worker in done.workers.values()})


def test_an_at_that_refuses_once_costs_nobody_the_alarm_that_stands() -> None:
    play = Play(workers=2, units=1, acts={f"w{n}": Act(stops_after=0, hangs=True) for n in range(2)})
    play.up()
    before = list(play.stage.alarms.jobs)
    real = play.stage.alarms.arm

    def refuse(*_: object) -> Job:
        raise ProgramError("at: no job was queued")

    play.stage.alarms.arm = refuse  # type: ignore[method-assign,assignment] # once
    requests.stop(play.stage.world(), NAME, ["w0"])
    play.stage.alarms.arm = real  # type: ignore[method-assign] # as it was

    alarm = play.deployment.alarm
    assert (before, "at") == (list(play.stage.alarms.jobs), alarm.kind if alarm else None)


@pytest.mark.parametrize("fails", [1, 2, 9])
def test_dead_sessions_that_tmux_did_not_end_are_taken_away_before_the_alarm_goes(fails: int) -> None:
    play = Play(workers=1, units=1)
    real = play.stage.sessions.cancel
    left = [fails]

    def refuse(ends: Sequence[tuple[str, str]]) -> int:
        if play.deployment.workers["w0"].state == "verified" and left[0]:
            left[0] -= 1
            raise ProgramError("tmux: no answer")
        return real(ends)

    play.stage.sessions.cancel = refuse  # type: ignore[method-assign] # tmux, not answering
    play.run()
    play.stage.run(lambda world, head: check(world, NAME, head), lambda: play.deployment.alarm is None, 3600)

    assert ("complete", {}, fails > 2) == (
        play.deployment.outcome,
        play.stage.alarms.jobs,
        bool(play.stage.sessions.poll().seen),
    )


def test_an_amend_that_was_cut_short_still_gives_the_new_prompt() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"at_once": 1, "prompt": "old " * 5000}})
    play.up()
    play.plan["workers"]["prompt"] = "new " * 5000
    world = play.stage.world()
    prepared = prepare_plan(world, play.text(), "plan.json", "/plans")
    real: Callable[..., None] = play.stage.files.write

    def cut(path: str, data: bytes, **kwargs: object) -> None:
        if path.endswith("/plan.toml"):
            raise CrashError
        real(path, data, **kwargs)

    play.stage.files.write = cut  # type: ignore[method-assign] # ends the process
    with pytest.raises(CrashError):
        amend(world, NAME, prepared)
    play.stage.files.write = real  # type: ignore[method-assign] # as it was
    play.go()

    task = play.stage.files.held[f"/state/{NAME}/prompts/completed/w1.1.md"][0]
    assert task.startswith(b"new ")


def test_a_rejection_gets_a_cleanup_also_when_the_rounds_are_used_up() -> None:
    play = Play(workers=2, units=1, acts={"w1": Act(seconds=3000)}, plan={"cleanup": {"rounds": 0}})
    play.up()
    play.go(10)

    requests.judge(play.stage.world(), NAME, "reject", ("w0/u0",), "thin")

    assert ("complete", ["w0/u0"]) == (play.go().outcome, play.deployment.workers["w0_c1"].units)


def test_the_next_run_takes_away_sessions_of_workers_that_were_left_and_ended_since() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=600)}, plan={"limits": {"give_up": 300}})
    left = play.run(8).outcome
    play.stage.clock.advance(1200)
    play.stage.sessions.play()

    again = play.up()

    assert ("partial", "night.2", 1) == (left, again.name, again.workers["w0"].attempt)
    assert "launched" == again.workers["w0"].state


@pytest.mark.parametrize("hold", [False, True])
def test_giving_up_with_stop_closes_when_everybody_is_gone_and_says_so_once(hold: bool) -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"limits": {"give_up": 300, "give_up_do": "stop"}})
    play.plan["wake"] = {"hold": hold}
    play.up()
    play.stage.machine.living["night/w0/1@00000001.695c2ec0.504d8763"] = [4711]
    play.go(20)
    if hold:
        requests.request(play.stage.world(), NAME, "accept")
        play.go(20)

    assert ("partial", "exited", [(4711, "TERM")]) == (
        play.deployment.outcome,
        play.states()["w0"],
        play.stage.machine.signals,
    )
    assert 1 == len([text for text in play.told() if "wakeman status" in text and ": give up: " in text])


def test_a_person_may_sweep_what_a_closed_deployment_left_at_work() -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"limits": {"give_up": 300}})
    play.run(8)

    requests.sweep(play.stage.world(), NAME, "w*", 0, act=True)

    assert {} == play.stage.sessions.playing


def test_a_wish_cannot_be_lost_between_two_launch_attempts() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    hang_in_start(play, made=False)
    requests.retry(play.stage.world(), NAME, ["w0"], (), "again")
    play.stage.sessions.state = "up"
    play.stage.acts["w0"] = Act()

    assert "complete" == play.go().outcome
    assert [] == [
        event for event in play.events if isinstance(event.data, Noted) and "launching w0 again" in event.data.text
    ]
    assert [] == [event.data for event in play.events if isinstance(event.data, Exited) and event.data.free]


def test_a_row_that_is_held_a_second_time_is_told_again() -> None:
    play = Play(workers=1, units=1, plan={"wake": {"hold": True}})
    play.run(minutes=3)
    requests.judge(play.stage.world(), NAME, "reject", ("w0/u0",), "thin")
    play.go(minutes=7)
    requests.request(play.stage.world(), NAME, "accept")
    play.go(minutes=12)

    assert 2 == len([text for text in play.told() if "wrap up" in text])


def test_a_plan_of_another_name_does_not_amend() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True)})
    play.up()
    world = play.stage.world()
    play.plan = {"workers": {"name": "x_{{ group.name }}"}}
    text = play.text().replace('"name":"night"', '"name":"other"', 1).replace("out/", "others/")
    other = prepare_plan(world, text, "plan.json", "/plans")

    with pytest.raises(UsageError, match="night: found a plan named 'other', expected 'night'"):
        amend(world, NAME, other)


def test_an_attempt_of_a_later_deployment_of_the_same_name_has_another_mark() -> None:
    play = Play(workers=1, units=1)
    play.run()
    play.stage.logs.tapes.clear()
    play.stage.files.held.clear()
    play.stage.clock.advance(5)

    play.run()

    assert 2 == len(set(play.stage.sessions.started))


# --- found by the simulation ----------------------------------------------------------------------------------


def test_a_worker_that_a_later_check_started_is_not_silent_since_before_its_start() -> None:
    play = Play(workers=1, units=1, plan={"stuck": {"silent": ["restart", "ask"], "after": 240}})
    real, play.stage.sessions.submit = play.stage.sessions.submit, crash  # type: ignore[method-assign,assignment]
    with pytest.raises(CrashError):
        play.up()
    play.stage.sessions.submit = real  # type: ignore[method-assign] # as it was
    play.stage.sessions._wrapped = lambda *_: None  # type: ignore[method-assign] # a wrapper that has yet to claim
    play.stage.clock.advance(600)

    check(play.stage.world(), NAME)

    assert [] == play.rows(worker=True)


def test_an_alarm_that_a_slow_check_sets_lies_ahead_of_its_end() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    real = play.stage.sessions.submit

    def slow(starts: list[Start]) -> list[Made]:
        play.stage.clock.advance(1000)
        return real(starts)

    play.stage.sessions.submit = slow  # type: ignore[method-assign,assignment] # a tmux that takes its time

    play.up()

    assert all(job.due > play.stage.clock.at for job, _ in play.stage.alarms.jobs.values())


@pytest.mark.parametrize("verb", ["unpause", "down"])
def test_a_crash_at_the_end_of_a_pause_leaves_an_alarm_ahead(verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    requests.request(play.stage.world(), NAME, "pause")
    monkeypatch.setattr(requests, "check", crash)  # ends the process once the wish is recorded
    with pytest.raises(CrashError):
        requests.request(play.stage.world(), NAME, verb)

    assert (None, 1) == (play.deployment.paused_at, len(play.stage.alarms.jobs))


def test_a_notice_that_an_alarm_came_too_early_for_is_delivered_by_the_next() -> None:
    play = Play(workers=1, units=1)
    play.up()
    real, play.stage._deliver = play.stage._deliver, crash  # type: ignore[method-assign,assignment]
    with pytest.raises(CrashError):
        play.go()
    play.stage._deliver = real  # type: ignore[method-assign] # as it was
    play.stage.alarms.jobs.clear()  # it fires in the same second
    check(play.stage.world("at:1"), NAME)

    play.stage.run(lambda world, head: check(world, NAME, head), lambda: bool(play.told()), 3600)

    assert (1, {}) == (len(play.told()), play.stage.alarms.jobs)


def test_a_notice_that_is_owed_when_a_pause_ends_in_the_wrap_up_has_its_alarm() -> None:
    play = Play(workers=1, units=1)
    play.up()
    requests.request(play.stage.world(), NAME, "pause")
    play.stage._deliver = crash  # type: ignore[method-assign,assignment] # ends the process

    with pytest.raises(CrashError):
        play.go()

    assert ("complete", 1) == (play.deployment.outcome, len(play.stage.alarms.jobs))


def test_a_task_file_whose_move_a_crash_prevented_is_moved_by_the_next_check() -> None:
    play = Play(workers=2, units=1, acts={"w1": Act(seconds=3000)})
    play.up()
    real, play.stage.files.move = play.stage.files.move, crash  # type: ignore[method-assign,assignment]
    with pytest.raises(CrashError):
        play.go()
    play.stage.files.move = real  # type: ignore[method-assign] # as it was

    play.go()

    assert f"/state/{NAME}/prompts/completed/w0.1.md" in play.stage.files.held
