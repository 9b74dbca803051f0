"""The steps of one check, in order: what is written, what is done, and what follows from what.

Each check here is driven over the world in memory, as the engine drives it; what it yields is noted on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct, structs
from tests.play import NAME, Play
from tests.transcript import CrashError, Step, noted

from wakeman.adapters.memory import Act
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Observation, Verdict
from wakeman.core.policy.attempts import END_TRIES_MAX, RESULT_GRACE_S, retry_delay
from wakeman.core.policy.deployment_rows import ROWS_PER_CHECK_MAX
from wakeman.engine import requests
from wakeman.engine.check import ClearSpool, Observe, Spool
from wakeman.engine.effects.alarm import TIMER_MIN_S, Arm, Disarm, FindAlarm, Rearm, Replace
from wakeman.engine.effects.close import Bury, GiveBack
from wakeman.engine.effects.end import HangUp
from wakeman.engine.effects.launch import MakeSessions, Prepare, Recover, Remember
from wakeman.engine.effects.move import Exists, Rename
from wakeman.engine.effects.press import PressedOrNot
from wakeman.engine.effects.promote import Promote
from wakeman.engine.effects.sync import Sync
from wakeman.engine.observe.judgement import Findings
from wakeman.engine.protocol.check import (
    ENDING_LOOK_S,
    QUICK_LOOKS_MAX,
    ObservationRead,
    RenewKeys,
    ReportsRead,
    Senses,
    check,
)
from wakeman.engine.protocol.requests import request, stop
from wakeman.engine.protocol.steps import append, drive
from wakeman.ports import Made, World


class Given(Struct):
    """What a look observes, said by the test."""

    drafts: Sequence[e.Draft]

    def perform(self, world: World, d: Deployment) -> Sequence[e.Draft]:
        del world, d
        return self.drafts

    def recorded(self, d: Deployment, write: object) -> Sequence[e.Draft]:
        del d, write
        return self.drafts


def steps(
    play: Play, *seen: Observation, by: str = "at:1", seconds: float = 0.0, dies_at: Step = "", **look: Any
) -> list[Step]:
    """Make one check, some seconds later; give its steps. `seen` is what it observes, instead of the world."""
    play.stage.clock.advance(seconds)
    world, into = play.stage.world(by), list[Step]()
    now = world.clock.now()
    with world.logs.hold(NAME, by) as log:
        spool = Spool(now)
        given = e.Looked(mono=world.clock.mono(), boot=world.clock.boot(), observations=seen, **look)
        senses = Senses(Given([e.Draft(given)]) if seen else Observe(Findings()), spool, ClearSpool(spool))
        drive(world, log, noted(check(log.deployment, by, now, senses), into, dies_at), now)
    return into


def begun(**play: Any) -> Play:
    """Give a deployment that was started, its first check made."""
    made = Play(**play)
    made.up()
    return made


def after(made: Play, seconds: float) -> Play:
    """Let the workers go on for so long, without a check."""
    made.stage.run(lambda *_: None, lambda: False, seconds)
    return made


def looked(made: Play, *seen: Observation, **look: Any) -> Play:
    """Make a check."""
    steps(made, *seen, **look)
    return made


def asked(made: Play, verb: e.Verb, worker: str = "") -> Play:
    """Record what a person asks for, as their verb does before its check."""
    world = made.stage.world("hand:1")
    with world.logs.hold(NAME, world.by) as log:
        d, now = log.deployment, world.clock.now()
        drive(world, log, stop(d.workers[worker], keep=False) if worker else request(d, verb, "enough", now), now)
    return made


def crashed(made: Play, at: Step) -> Play:
    """Make a check that dies as it comes to a step."""
    with pytest.raises(CrashError):
        steps(made, dies_at=at)
    return made


def unarmed(made: Play) -> Play:
    """Take the alarm's job away."""
    made.stage.alarms.jobs.clear()
    return made


def intruded(made: Play) -> Play:
    """Put a file of somebody else's in the place of an output."""
    made.stage.files.write("/plans/out/w0/u0.json", b"mine")
    return made


def written_anew(why: str = "") -> Play:
    """Give a deployment whose last worker ends, after an output of the first was written anew; `why`: not kept."""
    made = begun(workers=2, units=1, acts={"w1": Act(seconds=120)})
    looked(after(made, 70)).stage.files.write("/plans/out/w0/u0.json", b"anew")
    if why:
        made.stage.files.failing["/plans/out/w0/u0.json"] = why
    return after(made, 70)


def unkept(made: Play) -> Play:
    """Have the disk refuse what the first worker has made."""
    made.stage.files.failing["/plans/out/w0/u0.json"] = "no room"
    return made


def interrupted(made: Play, *, told: bool) -> Play:
    """Leave a press to a worker open, and a notice if one is `told`, as a verb and a check that died have."""
    world = made.stage.world("hand:1")
    wake = e.Draft(e.Intended(action="wake", text="x", causes=("ask:x",)))
    press = e.Draft(e.Intended(action="press", target="w0", digest="d1"), worker="w0", attempt=1)
    with world.logs.hold(NAME, world.by) as log:
        drive(world, log, append("fold", [*([wake] if told else []), press]), world.clock.now())
    return made


LOOK: list[Step] = [FindAlarm, Spool, ClearSpool, Observe, "look?: looked"]
REARM: list[Step] = [Rearm, "alarm: armed", Replace]
ENDED: list[Step] = [Exists, "action: w0 move", Rename, "outcome: w0 effected", Exists]
VERIFIED: list[Step] = [Sync, "transition: w0 exited, w0 verified", *ENDED]
LAST_VERIFIED: list[Step] = [
    Sync,
    "transition: w1 exited, w1 verified",
    Exists,
    "action: w1 move",
    Rename,
    "outcome: w1 effected",
    Exists,
]
WRAP_UP: list[Step] = ["decision: wrap up, wake", Exists, Bury, GiveBack, FindAlarm, "action: closed"]
INSTALL: list[Step] = [Promote, "outcome: w0 effected"]
NOW_STARTED = "transition: w0 started"
ONE: dict[str, Any] = {"workers": 1, "units": 1}
TWO: dict[str, Any] = {"workers": 2, "units": 1}
SHORT: dict[str, Any] = {"workers": 2, "units": 2, "acts": {"w0": Act(stops_after=1)}}
STAGED: dict[str, Any] = {"workers": 1, "plan": {"workers": {"stage": True}}}
HELD: dict[str, Any] = {**ONE, "plan": {"wake": {"hold": True}}}
STAGGERED: dict[str, Any] = {"workers": 3, "units": 1, "plan": {"workers": {"stagger": 4}}}
BRIEFLY: dict[str, Any] = {"workers": 3, "units": 1, "plan": {"workers": {"stagger": 1.5}}}
SPENT: dict[str, Any] = {
    "workers": 3,
    "units": 1,
    "plan": {"workers": {"stagger": 4}, "limits": {"give_up": 1, "give_up_do": "stop"}},
}


def launch(worker: str) -> list[Step]:
    return [Prepare, f"intent: {worker} launch", MakeSessions, f"outcome: {worker} launched", Remember]


CHECKS: dict[str, tuple[Callable[[], Play], list[Step]]] = {
    "something moves": (lambda: begun(**ONE), [*LOOK, NOW_STARTED, "decision: sleep", *REARM]),
    "nothing is new": (lambda: looked(begun(**ONE)), [*LOOK, "decision: sleep"]),
    "all is done": (lambda: after(begun(**ONE), 70), [*LOOK, *VERIFIED, *WRAP_UP]),
    "a share is short": (
        lambda: after(begun(**SHORT), 70),
        [
            *LOOK,
            "transition: w0 exited, w1 started",
            "decision: clean up",
            "action: w0_c1 enrolled",
            "decision: launch",
            *launch("w0_c1"),
            "decision: sleep",
            *REARM,
        ],
    ),
    "the end of one worker was asked for": (
        lambda: asked(looked(begun(**TWO)), "stop", "w0"),
        [*LOOK, "decision: w0 stop", "action: w0 end", HangUp, "decision: sleep", "Soon 2", *REARM],
    ),
    "the end of all was asked for": (
        lambda: asked(looked(begun(**ONE)), "down"),
        [*LOOK, "decision: stop", "action: w0 end", HangUp, "Soon 2", *REARM],
    ),
    "time is up, and others wait to be launched": (
        lambda: after(looked(begun(**SPENT)), 2),
        [*LOOK, "decision: give up", "action: w0 end", HangUp, "Soon 2", *REARM],
    ),
    "the first of a staggered launch": (
        lambda: begun(**STAGGERED),
        [*LOOK, NOW_STARTED, "decision: sleep", "Soon 4", *REARM],
    ),
    "the stagger has not passed": (lambda: looked(begun(**STAGGERED)), [*LOOK, "decision: sleep", "Soon 4"]),
    "the stagger has passed": (
        lambda: after(looked(begun(**STAGGERED)), 4),
        [*LOOK, "decision: launch", *launch("w1"), "decision: sleep", "Soon 4", *REARM],
    ),
    "an output is staged, and its worker has ended": (
        lambda: after(begun(**STAGED, units=1), 70),
        [*LOOK, "action: w0 install", *INSTALL, *VERIFIED, *WRAP_UP],
    ),
    "an output was staged just now": (
        lambda: after(begun(**STAGED), 70),
        [*LOOK, NOW_STARTED, "decision: sleep", "Soon 2", *REARM],
    ),
    "a staged output is at rest": (
        lambda: after(looked(after(begun(**STAGED), 70)), 2),
        [*LOOK, "action: w0 install", *INSTALL, "decision: sleep", *REARM],
    ),
    "a strange file is in the place of a staged output": (
        lambda: intruded(after(begun(**STAGED), 70)),
        [*LOOK, "line: conflicted", NOW_STARTED, "decision: sleep, wake", *REARM],
    ),
    "an output was written anew since it was done": (
        written_anew,
        [
            *LOOK,
            *LAST_VERIFIED,
            Sync,
            "decision: wrap up, wake",
            Exists,
            Exists,
            Bury,
            GiveBack,
            FindAlarm,
            "action: closed",
        ],
    ),
    "the disk does not keep what a worker has made": (
        lambda: unkept(after(begun(**TWO, acts={"w1": Act(seconds=600)}), 70)),
        [
            *LOOK,
            Sync,
            "outcome: w0 unsynced",
            "transition: w0 exited, w1 started",
            "decision: clean up",
            "action: w0_c1 enrolled",
            "decision: launch",
            *launch("w0_c1"),
            "decision: sleep",
            *REARM,
        ],
    ),
    "the disk does not keep an output that was written anew": (
        lambda: written_anew("no room"),
        [
            *LOOK,
            *LAST_VERIFIED,
            Sync,
            "outcome: w0 unsynced",
            "decision: clean up",
            "action: w0_c1 enrolled",
            "decision: launch",
            *launch("w0_c1"),
            "decision: sleep",
            *REARM,
        ],
    ),
    "a row is proposed": (
        lambda: after(begun(**HELD), 70),
        [*LOOK, *VERIFIED, "decision: wrap up, wake", "decision: sleep", *REARM],
    ),
    "a row waits": (lambda: looked(after(begun(**HELD), 70)), [*LOOK, "decision: sleep"]),
    "it was paused": (
        lambda: asked(looked(begun(**ONE)), "pause"),
        [*LOOK[1:], "decision: sleep", Disarm, "alarm: disarmed"],
    ),
    "it is paused": (lambda: looked(asked(looked(begun(**ONE)), "pause")), [*LOOK[1:], "decision: sleep"]),
    "its alarm is gone": (
        lambda: unarmed(looked(begun(**ONE))),
        [FindAlarm, Arm, "alarm: armed", Replace, *LOOK[1:], "decision: sleep"],
    ),
    "a launch was left open": (
        lambda: crashed(after(begun(**SHORT), 70), MakeSessions),
        [
            FindAlarm,
            Recover,
            "outcome: w0_c1 launched",
            *LOOK[1:],
            Sync,
            "transition: w0 verified, w0_c1 started",
            *ENDED,
            "decision: sleep",
            *REARM,
        ],
    ),
    "a press was left open": (
        lambda: interrupted(looked(begun(**ONE)), told=False),
        [FindAlarm, PressedOrNot, "outcome: w0 effected", *LOOK[1:], "decision: sleep"],
    ),
    "a press and a notice were left open": (
        lambda: interrupted(looked(begun(**ONE)), told=True),
        [FindAlarm, PressedOrNot, "outcome: w0 effected", *LOOK[1:], "decision: sleep"],
    ),
    "a promotion was left open": (
        lambda: crashed(after(begun(**STAGED, units=1), 70), Promote),
        [FindAlarm, *INSTALL, *LOOK[1:], *VERIFIED, *WRAP_UP],
    ),
}


@pytest.mark.parametrize(("given", "expected"), CHECKS.values(), ids=CHECKS)
def test_a_check_takes_its_steps_in_this_order(given: Callable[[], Play], expected: list[Step]) -> None:
    """The alarm first, what is open, the look, what follows from it, and the alarm again if anything was done."""
    assert expected == steps(given())


# When another look is wanted before the alarm


def seen(**fields: Any) -> Observation:
    """Give what a look may see of the first worker, who is at work."""
    return Observation(**{"worker": "w0", "attempt": 1, "session": "running", "life": "x", **fields})


def soon(found: list[Step]) -> list[Step]:
    return [step for step in found if isinstance(step, str) and step.startswith("Soon")]


LEFT = seen(session="exited", code=0, ended_by="itself", processes=1)
MADE = (Verdict("w0/u0"),)
HANGING: dict[str, Any] = {"workers": 1, "units": 2, "acts": {"w0": Act(hangs=True)}}
TALKING: dict[str, Any] = {**TWO, "plan": {"workers": {"harness": "claude", "mode": "interactive"}}}


def typed() -> Play:
    """Give a deployment in which a text was typed to the first worker."""
    made = looked(begun(**TALKING))
    requests.send(made.stage.world(), NAME, "w0", "go on", submit=True, force=True)
    return made


def idle_once() -> Play:
    return looked(begun(**TALKING), seen(activity="idle"), verdicts=MADE)


ANOTHER_LOOK = [f"Soon {ENDING_LOOK_S:g}"]

LOOKS: dict[str, tuple[Callable[[], Play], Observation, bool]] = {
    "it is at work": (lambda: begun(**TWO), seen(activity="busy"), False),
    "its screen alone says something": (lambda: begun(**TWO), seen(shown="a menu"), True),
    "what its screen says was confirmed": (lambda: begun(**TWO), seen(shown="a menu", activity="waiting"), False),
    "another attempt's screen says something": (lambda: begun(**TWO), seen(shown="a menu", attempt=7), False),
    "it ended": (lambda: begun(**TWO), seen(session="exited", code=0), False),
    "it ended, and its screen said something": (lambda: begun(**TWO), seen(session="exited", shown="a menu"), False),
    "it ended, a process of it has not": (
        lambda: begun(**TWO),
        seen(session="exited", code=0, ended_by="itself", processes=1),
        True,
    ),
    "it is idle, all of its share made": (lambda: begun(**TALKING), seen(activity="idle"), True),
    "it was idle, and has ended since": (idle_once, seen(session="exited", code=0), False),
    "what was typed is not known to have arrived": (typed, seen(prompt="unknown"), True),
    "what was typed is in a terminal that does not answer": (typed, seen(session="unknown"), False),
    "what was typed has arrived": (typed, seen(prompt="heard"), False),
    "what was typed was lost with its attempt": (typed, seen(prompt="unknown", session="exited", code=0), False),
}


@pytest.mark.parametrize(("given", "what", "again"), LOOKS.values(), ids=LOOKS)
def test_a_second_look_follows_soon_where_the_first_does_not_tell_enough(
    given: Callable[[], Play], what: Observation, again: bool
) -> None:
    assert (ANOTHER_LOOK if again else []) == soon(steps(given(), what, verdicts=MADE))


@pytest.mark.parametrize(("rung", "again"), [("nudge", [ANOTHER_LOOK, [], []]), ("ask", [[], [], []])])
def test_one_that_was_nudged_and_rests_again_with_work_left_is_looked_at_once_more(
    rung: str, again: list[list[str]]
) -> None:
    made = begun(**HANGING, plan={**TALKING["plan"], "stuck": {"silent": [rung], "after": 60}})
    looked(looked(made, seen()), seen(), seconds=61)
    looked(made, seen(life="y", activity="busy", prompt="heard"), seconds=2)

    assert again == [soon(steps(made, seen(life="y", activity="idle"), seconds=2)) for _ in range(3)]


def test_one_that_goes_on_after_its_screen_was_kept_is_left_alone() -> None:
    made = begun(**HANGING, plan={**TALKING["plan"], "stuck": {"silent": ["capture", "nudge"], "after": 60}})
    looked(looked(made, seen()), seen(), seconds=61)

    assert [] == soon(steps(made, seen(life="y", activity="busy"), seconds=2))


def test_a_client_that_has_given_its_result_is_looked_at_when_its_time_to_end_is_over() -> None:
    made = begun(**HANGING)
    first = soon(steps(made, seen(given=True), verdicts=MADE))
    waits = soon(steps(made, seen(given=True), seconds=20, verdicts=MADE))

    over = soon(steps(made, seen(given=True), seconds=RESULT_GRACE_S - 20, verdicts=MADE))

    assert ([f"Soon {RESULT_GRACE_S:g}"], [f"Soon {RESULT_GRACE_S - 20:g}"], ANOTHER_LOOK) == (first, waits, over)


def test_while_launches_are_barred_each_check_reads_the_keys_anew() -> None:
    made = begun(**TWO)
    before = steps(made, seen())
    refused = seen(session="exited", code=1, ended_by="itself", fault="auth", why="401")
    looked(made, refused, seconds=2)

    assert (False, True) == (RenewKeys in before, RenewKeys in steps(made, refused, seconds=2))


@pytest.mark.parametrize("processes", [0, 1])
def test_an_end_is_looked_after_three_times_then_the_alarm_is_soon_enough(processes: int) -> None:
    left = LEFT if processes else seen()
    made = begun(**TWO) if processes else asked(looked(begun(**TWO)), "stop", "w0")
    found = [soon(steps(made, left, seconds=2)) for _ in range(END_TRIES_MAX + 2)]

    assert [ANOTHER_LOOK] * END_TRIES_MAX + [[]] * 2 == found


REPEATING: dict[str, tuple[Callable[[], Play], Observation]] = {
    "its screen alone says something": (lambda: begun(**TWO), seen(shown="a menu")),
    "what was typed leaves no trace": (typed, seen()),
    "a launch waits for the stagger": (lambda: begun(**STAGGERED), seen(activity="busy")),
    "a launch waits for a short stagger": (lambda: begun(**BRIEFLY), seen(activity="busy")),
}


@pytest.mark.parametrize(("given", "what"), REPEATING.values(), ids=REPEATING)
def test_whatever_wants_another_look_for_ever_gets_fewer_and_fewer_until_something_happens(
    given: Callable[[], Play], what: Observation
) -> None:
    made = looked(looked(given(), what), what)
    waits = [
        float(str(step).split()[1])
        for n in range(QUICK_LOOKS_MAX + 6)
        for step in soon(steps(made, structs.replace(what, life=f"{n}"), by="timer:1", seconds=0.1))
    ]
    first = waits[0]

    assert 0 < first == waits[QUICK_LOOKS_MAX - 1] <= 4
    assert [max(first, ENDING_LOOK_S * 2**n) for n in range(1, 7)] == waits[QUICK_LOOKS_MAX:]
    assert [f"Soon {first:g}"] == soon(steps(made, what, by="at:1"))


def test_nobody_looks_again_for_processes_that_have_gone() -> None:
    made = looked(begun(**TWO), LEFT)

    assert [] == soon(steps(made, structs.replace(LEFT, processes=0), seconds=2))


def backing_off(seconds: float) -> Play:
    return begun(workers=2, units=2, acts={"w0": Act(stops_after=1, code=1)}, plan={"stuck": {"backoff": seconds}})


def test_a_check_comes_when_the_first_back_off_is_over() -> None:
    made = looked(backing_off(40), seen(session="exited", code=1, ended_by="itself"))
    d = made.deployment

    assert [f"Soon {retry_delay(d, d.workers['w0']):g}"] == soon(steps(made))


def test_of_several_back_offs_the_first_that_is_over_is_waited_for() -> None:
    acts = {name: Act(stops_after=1, code=1) for name in ("w0", "w1")}
    made = begun(workers=2, units=2, acts=acts, plan={"stuck": {"backoff": 40}})
    gone = [seen(worker=name, session="exited", code=1, ended_by="itself") for name in acts]
    found = soon(steps(made, *gone))
    d = made.deployment
    first, last = sorted(retry_delay(d, one) for one in d.workers.values())

    assert first < last
    assert [f"Soon {first:g}"] == found


def test_a_second_look_comes_before_a_back_off_is_over() -> None:
    made = backing_off(40)
    gone = seen(session="exited", code=1, ended_by="itself")

    assert ANOTHER_LOOK == soon(steps(made, gone, seen(worker="w1", shown="a menu")))


def test_a_back_off_of_a_moment_is_no_reason_to_check_at_once() -> None:
    assert [f"Soon {TIMER_MIN_S:g}"] == soon(
        steps(backing_off(0.001), seen(session="exited", code=1, ended_by="itself"))
    )


def test_a_launch_that_failed_is_tried_again_after_a_while() -> None:
    made = backing_off(0)
    made.stage.sessions.submit = lambda starts: [Made(error="no room") for _ in starts]  # type: ignore[method-assign] # a tmux that refuses

    assert ["Soon 5"] == soon(steps(made, seen(session="exited", code=1, ended_by="itself")))


def test_no_check_takes_more_rows_than_there_are_things_to_do() -> None:
    rows = [step for step in steps(after(begun(**SHORT), 70)) if isinstance(step, str) and "decision" in step]

    assert 3 == len(rows) < ROWS_PER_CHECK_MAX


# What the audit reads in the place of the world

LOOKED = e.Looked(mono=1.0, boot="b")
PART = e.Looked(mono=1.0, boot="b", more=True)
MADE_BY_A_HOOK = e.Progressed(written=1, total=2)
STRANGE = e.Conflicted(path="/x", written=datetime(2026, 1, 5, tzinfo=UTC))
SLEEP = e.Decided(row="sleep", looked=1, then=(), why="")


def write(*facts: e.Fact) -> list[e.Event]:
    """Give the lines of one write, each about a worker."""
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return [
        e.Event(v=1, seq=n, at=at, by="at:1", worker="w0", attempt=1, data=fact, hash="", more=n < len(facts))
        for n, fact in enumerate(facts, 1)
    ]


@pytest.mark.parametrize(
    ("facts", "whole"),
    [
        ((LOOKED,), True),
        ((PART, LOOKED), True),
        ((PART,), False),
        ((LOOKED, LOOKED), False),
        ((LOOKED, SLEEP), False),
        ((SLEEP,), False),
        ((PART, SLEEP, LOOKED), False),
    ],
)
def test_a_look_is_read_where_a_write_is_one_whole_look(facts: tuple[e.Fact, ...], whole: bool) -> None:
    found = [draft.data for draft in ObservationRead().recorded(Deployment(), write(*facts))]

    assert whole == (list(facts) == found)


@pytest.mark.parametrize(
    ("facts", "theirs"),
    [
        ((MADE_BY_A_HOOK,), True),
        ((MADE_BY_A_HOOK, STRANGE), True),
        ((MADE_BY_A_HOOK, SLEEP), False),
        ((SLEEP, STRANGE), False),
        ((LOOKED,), False),
    ],
)
def test_what_hooks_have_left_is_read_where_a_write_is_nothing_else(facts: tuple[e.Fact, ...], theirs: bool) -> None:
    drafts = [e.Draft(fact, worker="w0", attempt=1) for fact in facts]

    assert tuple(drafts if theirs else []) == ReportsRead().recorded(Deployment(), write(*facts))
