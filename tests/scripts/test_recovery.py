"""How the next check continues after a crash, a lost server, or a host that does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act, MemorySessions
from wakeman.core.errors import LogDamagedError, NeedsPersonError
from wakeman.core.log.events import Confirmed, Draft, Exited, Intended, Launched, Looked
from wakeman.engine import layout, requests
from wakeman.engine.check import check
from wakeman.ports import Job, Made, Report

HANGING = {"w0": Act(stops_after=0, hangs=True)}


class CrashError(Exception):
    """The process ends here."""


def crash_in(play: Play, method: str, *, after: bool) -> None:
    """Have the next call of a sessions' method end the process, before or after it took effect."""
    real = getattr(play.stage.sessions, method)

    def broken(*args: object, **kwargs: object) -> object:
        setattr(play.stage.sessions, method, real)
        if after:
            real(*args, **kwargs)
        raise CrashError

    setattr(play.stage.sessions, method, broken)


@pytest.mark.parametrize("after", [False, True], ids=["before the session was made", "after it was made"])
def test_a_crash_around_a_launch_neither_loses_nor_doubles_it(after: bool) -> None:
    play = Play(workers=2, units=2)
    crash_in(play, "submit", after=after)
    with pytest.raises(CrashError):
        play.up()

    done = play.go()

    starts = play.stage.sessions.started
    assert ("complete", 2, 2) == (done.outcome, len(starts), len(set(starts)))


def test_what_was_adopted_says_so() -> None:
    play = Play(workers=1, units=1)
    crash_in(play, "submit", after=True)
    with pytest.raises(CrashError):
        play.up()

    play.go()

    assert [True] == [event.data.adopted for event in play.events if isinstance(event.data, Launched)]


def test_an_unconfirmed_launch_of_before_a_reboot_gets_a_new_attempt_under_a_new_name() -> None:
    play = Play(workers=1, units=1)
    crash_in(play, "submit", after=False)
    with pytest.raises(CrashError):
        play.up()
    play.stage.clock.name = "00000002"

    done = play.go()

    assert ("complete", 2) == (done.outcome, done.workers["w0"].attempt)
    assert ["night/w0/2@00000002.695c2ec0.504d8763"] == play.stage.sessions.started


def test_a_claimed_attempt_whose_session_is_gone_is_not_started_twice() -> None:
    play = Play(workers=1, units=1)
    crash_in(play, "submit", after=True)
    with pytest.raises(CrashError):
        play.up()
    play.stage.sessions.playing.clear()

    done = play.go()

    assert [
        "night/w0/1@00000001.695c2ec0.504d8763",
        "night/w0/2@00000001.695c2ec0.504d8763",
    ] == play.stage.sessions.started
    assert "complete" == done.outcome


def test_a_reboot_ends_the_attempts_for_free_and_the_next_check_starts_them_again() -> None:
    play = Play(workers=2, units=2, acts={"w0": Act(seconds=3000), "w1": Act(seconds=3000)})
    play.up()
    play.go(minutes=6)
    play.stage.sessions.playing.clear()
    play.stage.clock.name = "00000002"

    done = play.go()

    assert ("complete", 2, 1) == (done.outcome, done.workers["w0"].attempt, done.workers["w0"].spent)


def test_a_host_that_does_not_answer_decides_nothing_and_is_reported_after_three_looks() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    play.go(minutes=6)
    play.stage.sessions.state = "unknown"

    play.go(minutes=12)
    before = list(play.told())
    play.go(minutes=6)

    assert ("running", [], 1) == (play.states()["w0"], before, len(play.told()))
    assert "tmux does not answer" in play.told()[0]


def test_a_session_that_somebody_ended_is_tried_again_within_the_attempts() -> None:
    play = Play(workers=2, units=1, acts={**HANGING, "w1": Act(seconds=3000)})
    play.up()
    play.go(minutes=6)
    del play.stage.sessions.playing["w0"]
    play.stage.acts["w0"] = Act()

    done = play.go()

    why = next(event.data.why for event in play.events if isinstance(event.data, Exited))
    assert ("complete", "its session was ended from outside") == (done.outcome, why)


def test_processes_that_live_on_without_their_session_are_left_to_work() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    play.go(minutes=6)
    play.stage.sessions.playing.clear()
    play.stage.machine.living["night/w0/1@00000001.695c2ec0.504d8763"] = [4711]

    play.go(minutes=6)

    observation = play.deployment.workers["w0"].observation
    assert ("running", []) == (play.states()["w0"], play.stage.machine.signals)
    assert "1 of its processes live on" in (observation.why if observation else "")


def orphaned(play: Play) -> None:
    """Take the session away from a worker whose process lives on, let a look see that, and end the process."""
    mark = "night/w0/1@00000001.695c2ec0.504d8763"
    play.up()
    play.go(minutes=6)
    play.stage.sessions.playing.clear()
    play.stage.machine.living[mark] = [4711]
    play.go(minutes=6)
    del play.stage.machine.living[mark]


def test_an_orphan_that_ended_is_given_a_look_to_leave_its_exit_file() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    orphaned(play)
    check(play.stage.world("exit:1"), NAME)
    first = play.deployment.workers["w0"].observation
    play.stage.files.write(
        f"{layout.attempt_directory(play.deployment.host, play.deployment.workers['w0'])}/exit", b"0\n"
    )
    check(play.stage.world("exit:1"), NAME)

    assert first is not None
    assert ("unknown", "its last process has ended; no exit status yet") == (first.session, first.why)
    exits = [event.data for event in play.events if isinstance(event.data, Exited)]
    assert [(0, "itself")] == [(data.code, data.ended_by) for data in exits]


def test_an_orphan_that_ended_without_one_is_lost_at_the_next_look() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    orphaned(play)
    for _ in range(2):
        check(play.stage.world("exit:1"), NAME)

    assert ["machine"] == [event.data.ended_by for event in play.events if isinstance(event.data, Exited)]


def test_leftovers_of_an_ended_attempt_are_ended_first_by_term_then_by_kill() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, code=1)})
    play.up()
    mark = "night/w0/1@00000001.695c2ec0.504d8763"
    play.stage.machine.living[mark] = [4711]
    stubborn = play.stage.machine.signal
    play.stage.machine.signal = (  # type: ignore[method-assign] # a process that TERM does not end
        lambda pids, name: stubborn(pids, name) if name == "KILL" else play.stage.machine.signals.append((4711, name))
    )

    play.go(minutes=10)

    assert [(4711, "TERM"), (4711, "KILL")] == play.stage.machine.signals


def test_an_alarm_that_saw_more_of_the_log_than_there_is_stops_the_check() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()

    with pytest.raises(LogDamagedError, match="the alarm saw line 999"):
        check(play.stage.world("at:1"), NAME, "999:abc")


def test_a_lost_alarm_is_set_again_by_whatever_looks_next() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    play.stage.alarms.jobs.clear()

    check(play.stage.world(), NAME)

    assert 1 == len(play.stage.alarms.jobs)


def test_without_at_a_process_that_sleeps_stands_in_and_the_log_says_what_that_costs() -> None:
    play = Play(workers=1, units=1)
    play.stage.alarms.broken = "atd does not run"

    up = play.up()
    done = play.go()

    assert ("sleep", "complete") == (up.alarm.kind if up.alarm else None, done.outcome)


def test_below_a_minute_one_timer_after_another_looks_while_the_alarm_stands() -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"wake": {"every": 10}, "stuck": {"after": 1000}})

    play.run(minutes=5)

    looked = [event.data.mono for event in play.events if isinstance(event.data, Looked)]
    apart = [round(later - one) for one, later in pairwise(looked)][1:]
    assert 28 <= len(apart) <= 31
    assert {10} == set(apart)
    assert 1 == len(play.stage.sleepers.jobs)


def test_the_old_alarm_stays_where_the_new_one_has_fired_before_it_could_go() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    alarms, clock = play.stage.alarms, play.stage.clock
    real, armed = alarms.arm, []

    def slow(marker: str, argv: Sequence[str], due: datetime) -> Job:
        armed.append(real(marker, argv, due))
        clock.advance(3600)
        return armed[-1]

    alarms.arm = slow  # type: ignore[method-assign] # a process that stands still right behind it
    play.up()

    before, latest = (job.job for job in armed[-2:])
    assert play.deployment.alarm is not None
    assert (latest, True) == (play.deployment.alarm.job, play.deployment.alarm.due < clock.at)
    assert {before, latest} <= set(alarms.jobs)


def test_a_wake_that_was_not_delivered_is_delivered_by_the_next_check() -> None:
    play = Play(workers=1, units=1)
    real = play.stage._deliver
    play.stage._deliver = lambda *_: (_ for _ in ()).throw(CrashError())  # type: ignore[method-assign] # ends the process
    play.up()
    with pytest.raises(CrashError):
        play.go()
    play.stage._deliver = real  # type: ignore[method-assign] # back to what it was
    check(play.stage.world(), NAME)  # it may still be on its way
    early = len(play.told())
    play.stage.clock.advance(120)

    check(play.stage.world(), NAME)

    assert ("complete", 0, 1, {}) == (
        play.deployment.outcome,
        early,
        len(play.told()),
        play.deployment.wakes,
    )


def test_three_launches_that_fail_in_a_row_stop_the_launching() -> None:
    play = Play(workers=5, units=1, plan={"workers": {"stagger": "10s"}, "stuck": {"attempts": 1}})
    play.stage.sessions.submit = lambda starts: [Made(error="no room") for _ in starts]  # type: ignore[method-assign] # a tmux that refuses

    play.run(minutes=60)

    assert 3 == len(
        [event for event in play.events if isinstance(event.data, Intended) and event.data.action == "launch"]
    )
    assert any("3 launches in a row failed" in text for text in play.told())


def test_a_waiting_worker_goes_on_when_it_was_answered() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.stage.harness.reports = {"w0": Report("waiting", "asks for a permission")}
    play.stage.harness.reads = frozenset({"screen"})
    play.up()
    play.go(minutes=6)
    stuck = (play.states()["w0"], play.deployment.workers["w0"].reason)
    play.stage.harness.reports = {}
    play.go(minutes=6)

    assert (("stuck", "waiting"), "running") == (stuck, play.states()["w0"])


def test_an_interactive_worker_that_is_idle_with_everything_done_is_ended_the_second_time() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True)}, plan={"workers": {"mode": "interactive"}})
    play.stage.harness.reports = {"w0": Report("idle", "waits")}
    play.stage.harness.reads = frozenset({"screen"})

    done = play.run(minutes=30)

    assert ("complete", ["finish"], "wakeman") == (done.outcome, play.rows(worker=True), done.workers["w0"].ended_by)


def test_a_silent_interactive_worker_is_nudged_with_what_is_missing() -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"workers": {"mode": "interactive"}})
    play.stage.sessions.screens["w0"] = "❯"

    play.run(minutes=40)

    assert ["capture", "nudge", "ask"] == play.rungs("w0")
    assert [("w0", 'Still missing, go on with these: "w0/u0"', True)] == play.stage.sessions.typed


NUDGED = 'Still missing, go on with these: "w0/u0"'


def nudged(**act: Any) -> Play:
    """Run a night in which a silent interactive worker is nudged."""
    acts = {"w0": Act(stops_after=0, hangs=True, **act)}
    play = Play(workers=1, units=1, acts=acts, plan={"workers": {"mode": "interactive"}})
    play.stage.sessions.screens["w0"] = "❯"
    play.run(minutes=40)
    return play


def confirmations(play: Play) -> list[tuple[bool, str]]:
    """List what became of texts."""
    return [(event.data.ok, event.data.why) for event in play.events if isinstance(event.data, Confirmed)]


def test_a_nudge_is_confirmed_by_what_the_client_says() -> None:
    assert [(True, "the client said so")] == confirmations(nudged())


def test_an_enter_that_was_swallowed_is_pressed_once_more_and_the_text_is_not() -> None:
    play = nudged(swallows=1)

    assert ([(True, "the client said so")], 1) == (confirmations(play), len(play.intents("enter")))
    assert [("w0", NUDGED, True), ("w0", "", True)] == play.stage.sessions.typed
    assert ["capture", "nudge", "enter", "ask"] == play.rungs("w0")


def test_a_text_that_stays_in_the_box_is_not_confirmed() -> None:
    play = nudged(swallows=9)

    assert [(False, "it stands in the input box, Enter was pressed twice")] == confirmations(play)
    assert (3, 1) == (len(play.intents("nudge")), len(play.intents("enter")))


def test_a_nudge_that_does_not_arrive_is_tried_at_later_looks_and_then_a_person_is_asked() -> None:
    play = nudged(swallows=9)

    rows = [row for row in play.rows(worker=True) if row in ("repeat", "report")]
    assert (["repeat", "repeat"], True) == (rows, play.deployment.workers["w0"].asked)
    assert any("w0" in text and "need" in text for text in play.told())
    assert [] == play.judged()


def test_a_client_that_says_nothing_is_read_from_its_screen() -> None:
    assert [(True, "its input box is empty again")] == confirmations(nudged(mute=True))


def test_a_text_of_which_nothing_tells_is_not_confirmed_and_not_typed_again() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, hangs=True, mute=True)})
    play.up()
    requests.send(play.stage.world(), NAME, "w0", "go on", submit=True, force=True)

    play.go(minutes=5)

    assert [(False, "nothing tells that it arrived; it is not typed again")] == confirmations(play)
    assert [("w0", "go on", True)] == play.stage.sessions.typed


@pytest.mark.parametrize("typed", [True, False])
def test_after_a_crash_between_a_text_and_its_outcome_it_is_looked_for_and_not_typed_again(typed: bool) -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"workers": {"mode": "interactive"}})
    play.up()
    play.go(minutes=1)
    world = play.stage.world()
    with world.logs.hold(NAME, "hand:1") as log:
        intent = Intended(action="send", target="w0", text="go on", confirm=True)
        log.append([Draft(intent, worker="w0", attempt=1)], world.clock.now())
    if typed:
        play.stage.sessions.type("w0", "go on", submit=True)

    play.go(minutes=10)

    lost = (False, "whether it was typed is not known; it is not typed again")
    assert [(True, "the client said so") if typed else lost] == confirmations(play)
    assert typed == bool(play.stage.sessions.typed)
    assert [] == play.judged()


def test_a_text_to_one_that_ends_is_not_confirmed() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=3, mute=True)}, plan={"workers": {"mode": "interactive"}})
    play.up()
    requests.send(play.stage.world(), NAME, "w0", "faster", submit=True, force=True)

    play.go()

    assert [(False, "its attempt has ended")] == confirmations(play)


def test_a_second_text_waits_until_the_first_is_settled() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    requests.send(play.stage.world(), NAME, "w0", "one", submit=True, force=True)

    with pytest.raises(NeedsPersonError, match="is not confirmed yet"):
        requests.send(play.stage.world(), NAME, "w0", "two", submit=True, force=True)
    play.go(minutes=1)
    requests.send(play.stage.world(), NAME, "w0", "two", submit=True, force=True)


@pytest.mark.parametrize(("act", "why"), [({}, ""), ({"mute": True}, "nothing tells that it arrived")])
def test_who_sends_may_wait_for_what_becomes_of_it(act: dict[str, Any], why: str) -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0, hangs=True, **act)})
    play.up()
    requests.send(play.stage.world(), NAME, "w0", "one", submit=True, force=True)

    told = requests.wait_until_confirmed(play.stage.world(), NAME, "w0", play.stage.clock.advance)

    assert (True, bool(why)) == (told.startswith(why), bool(told))


def test_time_asleep_is_not_silence() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    play.go(minutes=6)
    play.stage.clock.at += timedelta(hours=8)  # the lid was closed: only the wall clock went on

    check(play.stage.world(), NAME)

    assert "running" == play.states()["w0"]


def test_every_line_of_every_night_is_a_chain() -> None:
    from wakeman.core.log.events import chain, decode, genesis, split

    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=1)})
    play.run()

    previous = genesis(NAME, play.deployment.digest)
    for seq, line in enumerate(play.stage.logs.tapes[NAME].data.splitlines(keepends=True), 1):
        head, written = split(line[:-1])
        assert (seq, written) == (decode(line[:-1]).seq, chain(previous, head))
        previous = written
    assert msgspec.json.decode(line)["type"] in ("closed", "disarmed", "effected")


def test_the_memory_sessions_refuse_a_name_that_is_taken() -> None:
    play = Play(workers=1, units=1, acts=HANGING)
    play.up()
    sessions: MemorySessions = play.stage.sessions
    start = sessions.playing["w0"].start

    assert [True, False] == [
        sessions.submit([msgspec.structs.replace(start, mark="other")])[0].taken,
        sessions.submit([start])[0].taken,
    ]


def test_an_alarm_of_less_than_a_minute_is_recorded_although_the_host_hangs() -> None:
    play = Play(workers=1, units=1, acts=HANGING, plan={"wake": {"every": 20}})
    play.up()
    play.go(minutes=1)
    play.stage.alarms.jobs.clear()
    play.stage.sessions.state = "unknown"

    check(play.stage.world("at:1"), NAME)

    assert play.deployment.alarm is not None
    assert [play.deployment.alarm.job] == list(play.stage.alarms.jobs)
