"""Deployments of sessions that somebody else has started: marked, watched, let go; never begun, typed into or ended."""

from __future__ import annotations

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import MemoryWorld
from wakeman.adapters.memory.sessions import MemoryHarness
from wakeman.api.deeds import downed
from wakeman.api.sessions import SessionsToWatch, plan_of_sessions, socket_here
from wakeman.api.status import status
from wakeman.core.errors import PlanError, ProgramError, UsageError
from wakeman.core.model import Plan, StuckSpec, UnitsSpec, WorkersSpec
from wakeman.core.plan.parser import read_plan
from wakeman.core.policy.worker_rows import ladder
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.ports import Report

WORKERS = ("w0", "w1")


def found(sessions: str = "watch", output: object = "out/{{ unit }}.txt", **tables: dict[str, object]) -> Play:
    """Return a deployment of the sessions `w0` and `w1`, which somebody else has started."""
    workers: dict[str, object] = {"by": "{{ unit }}", "sessions": sessions, "command": [], "mode": "interactive"}
    units: dict[str, object] = {"items": [*WORKERS], "output": output}
    plan: dict[str, dict[str, object]] = {
        "units": units,
        "workers": workers,
        "cleanup": {"rounds": 0},
        "verify": {"fresh": "exists"},
        **tables,
    }
    play = Play(plan=plan)
    for name in WORKERS:
        play.stage.sessions.stranger(name)
    return play


def gone(play: Play, name: str, output: bool = True) -> None:
    """Have a session end by itself, its output made or not."""
    if output:
        play.stage.files.write(f"/plans/out/{name}.txt", b"made")
    del play.stage.sessions.playing[name]


def looked(play: Play, seconds: float = 60) -> dict[str, str]:
    """Check after some time; return the states of the workers."""
    play.stage.clock.advance(seconds)
    check(play.stage.world("hand:1"), NAME)
    return play.states()


def marks(play: Play) -> dict[str, str]:
    """Return the mark of each session, without what differs between runs."""
    return {name: one.mark.partition("@")[0] for name, one in play.stage.sessions.playing.items()}


def test_they_are_marked_and_nothing_is_started() -> None:
    play = found()

    play.up()

    assert {name: f"{NAME}/{name}/1" for name in WORKERS} == marks(play)
    assert ([], {"w0": "launched", "w1": "launched"}) == (play.stage.sessions.started, play.states())


def test_a_session_that_has_ended_with_its_output_made_is_verified_and_the_end_is_a_wrap_up() -> None:
    play = found()
    play.up()
    assert {"w0": "running", "w1": "running"} == looked(play)

    gone(play, "w0")
    assert {"w0": "verified", "w1": "running"} == looked(play)
    gone(play, "w1")
    looked(play)

    assert ("complete", []) == (play.deployment.outcome, play.judged())


def test_a_session_that_has_ended_early_is_not_begun_again_and_the_end_is_partial() -> None:
    play = found()
    play.stage.sessions.stranger("mine")
    play.up()
    gone(play, "w0")
    gone(play, "w1", output=False)

    looked(play)

    d = play.deployment
    assert ("partial", "its session is gone; its exit status is unknown") == (d.outcome, d.workers["w1"].why)
    assert ([1, 1], [], []) == ([w.attempt for w in d.workers.values()], play.stage.sessions.started, play.judged())


def test_an_output_that_was_there_before_the_watch_began_counts() -> None:
    play = found()
    play.stage.files.write("/plans/out/w0.txt", b"made before")

    play.up()

    assert play.deployment.units["w0"].done or (looked(play) and play.deployment.units["w0"].done)


def test_a_new_server_is_the_end_of_its_sessions_and_nobody_is_begun_again() -> None:
    play = found()
    play.up()
    looked(play)
    play.stage.sessions.leave()
    play.stage.sessions.stranger("another")

    looked(play)
    looked(play, 3600)

    d = play.deployment
    assert ["machine", "machine"] == [w.ended_by for w in d.workers.values()]
    assert ("partial", [1, 1], []) == (d.outcome, [w.attempt for w in d.workers.values()], play.judged())


def test_of_sessions_whose_server_is_gone_nobody_knows_how_they_ended() -> None:
    """The last one takes the server along, as a crash does: without an output that is no proof of work."""
    play = found(output=[])
    play.up()
    looked(play)
    gone(play, "w0", output=False)
    gone(play, "w1", output=False)

    looked(play)

    d = play.deployment
    assert ["its session is gone, and its tmux server is gone"] * 2 == [w.why for w in d.workers.values()]
    assert ("partial", [], []) == (d.outcome, [unit for unit in d.units.values() if unit.done], play.judged())


@pytest.mark.parametrize("way", ["stop", "down"])
def test_who_is_stopped_is_let_go_and_its_session_goes_on_without_a_mark(way: str) -> None:
    play = found()
    play.up()
    looked(play)
    world = play.stage.world("hand:1")

    if way == "stop":
        requests.stop(world, NAME, ["w0"], keep=False)
    else:
        requests.request(world, NAME, "down", "enough")
    looked(play)

    left = {"w0": ""} if way == "stop" else {"w0": "", "w1": ""}
    assert left.items() <= marks(play).items()
    assert "let go: its session is left as it is" == play.deployment.workers["w0"].why
    assert ("open" if way == "stop" else "stopped", []) == (play.deployment.outcome, play.judged())


@pytest.mark.parametrize(("sessions", "became"), [("watch", ", and let go of w0, w1:"), ("own", ", w0, w1 with it:")])
def test_down_says_whose_sessions_were_let_go(sessions: str, became: str) -> None:
    play = found(sessions)
    play.up()
    looked(play)
    before = play.deployment

    requests.request(play.stage.world("hand:1"), NAME, "down", "enough")

    assert became in downed(before, play.deployment).says


def test_with_own_they_are_ended() -> None:
    play = found("own")
    play.up()
    looked(play)

    requests.stop(play.stage.world("hand:1"), NAME, ["w0"], keep=False)
    looked(play)

    assert (["w1"], "exited") == ([*play.stage.sessions.playing], play.states()["w0"])


def test_one_at_rest_with_its_share_done_is_let_go() -> None:
    play = found()
    play.stage.harness = MemoryHarness({name: Report(activity="idle", source="hook") for name in WORKERS})
    play.up()
    for name in WORKERS:
        play.stage.files.write(f"/plans/out/{name}.txt", b"made")

    for _ in range(6):
        looked(play)

    assert ("complete", {"w0": "", "w1": ""}, []) == (play.deployment.outcome, marks(play), play.judged())
    assert [] == play.stage.sessions.typed


def test_without_an_output_a_session_is_done_once_it_has_ended_by_itself() -> None:
    play = found(output=[])
    play.stage.sessions.stranger("mine")
    play.up()
    looked(play)
    assert [False, False] == [unit.done for unit in play.deployment.units.values()]

    gone(play, "w0", output=False)
    looked(play)
    requests.stop(play.stage.world("hand:1"), NAME, ["w1"], keep=False)
    looked(play)

    assert {"w0": True, "w1": False} == {name: unit.done for name, unit in play.deployment.units.items()}
    assert ("partial", []) == (play.deployment.outcome, play.judged())


def test_who_shows_no_sign_of_life_is_captured_and_asked_about_but_not_typed_into() -> None:
    play = found(stuck={"after": 120})
    play.up()
    looked(play)

    for _ in range(4):
        looked(play, 300)

    assert ["capture", "ask"] == [action for action in play.rungs("w0") if action != "wait"]
    assert ([], []) == (play.stage.sessions.typed, play.judged())


def test_a_person_may_look_again_for_a_session_that_was_started_again_by_hand() -> None:
    play = found()
    play.up()
    gone(play, "w0", output=False)
    looked(play)
    play.stage.sessions.stranger("w0")

    requests.retry(play.stage.world("hand:1"), NAME, ["w0"], (), "")
    looked(play)

    assert (f"{NAME}/w0/2", "running") == (marks(play)["w0"], play.states()["w0"])


def test_what_is_left_of_a_watched_session_stays_when_it_is_looked_for_again() -> None:
    """`remain-on-exit` of the user's tmux keeps the last screen of a program that has ended."""
    play = found()
    play.up()
    play.stage.sessions.playing["w0"].dead = True
    looked(play)

    requests.retry(play.stage.world("hand:1"), NAME, ["w0"], (), "")
    looked(play)

    assert ({"w0": "", "w1": f"{NAME}/w1/1"}, []) == (marks(play), play.judged())


def test_who_started_a_session_is_told_at_once_when_it_is_gone_with_its_files_missing() -> None:
    play = found()
    play.up()
    looked(play)
    gone(play, "w0", output=False)

    looked(play)
    looked(play)

    assert [line(1, "w0: has ended, 1 of its units undone")] == play.told()
    requests.stop(play.stage.world("hand:1"), NAME, ["w1"], keep=False)
    looked(play)
    assert ["partial", 2, []] == [play.deployment.outcome, len(play.told()), play.judged()]
    assert "needs you" not in play.told()[1]


@pytest.mark.parametrize(
    ("sessions", "stop"), [("watch", "let it go: its session goes on as it is"), ("own", "end it")]
)
def test_the_commands_about_a_session_say_what_they_do_with_it(sessions: str, stop: str) -> None:
    play = found(sessions, stuck={"after": 120, "silent": ["ask"]})
    play.up()
    looked(play)
    gone(play, "w0", output=False)
    looked(play)
    looked(play, 300)
    looked(play, 300)

    said = {
        need.about: [each.does for each in need.commands]
        for need in status(play.stage.world("hand:1"), NAME).data.needs
    }

    again = "look for its session, once you have started it again"
    assert {"w1": ["see the screen, answer there", stop, again]}.items() <= said.items()
    assert again == said["w0"][-1]


def line(needing: int, words: str) -> str:
    """Return a notice of a night in which nothing is done yet."""
    needs = f"{needing} needs you ({words})"
    return f"AT wake-up: {NAME}: sleep: 0/2 done, {needs}. Next: wakeman status {NAME}. Do not do the units yourself."


def test_a_night_that_gives_up_lets_go_of_sessions_that_go_on_so_that_they_can_be_watched_again() -> None:
    play = found(limits={"give_up": "1h", "give_up_do": "leave"})
    play.up()
    looked(play)

    looked(play, 4000)

    assert ("partial", {"w0": "", "w1": ""}, []) == (play.deployment.outcome, marks(play), play.judged())
    assert "open" == play.up().outcome


def test_marks_that_the_place_does_not_take_off_are_taken_off_by_a_later_check() -> None:
    play = found(limits={"give_up": "1h", "give_up_do": "leave"})
    play.up()
    looked(play)
    release = play.stage.sessions.release

    def refuse(session_id: str, mark: str) -> None:
        raise ProgramError(f"the host does not answer about {session_id}, {mark}")

    play.stage.sessions.release = refuse  # type: ignore[method-assign] # the host hangs for that moment
    looked(play, 4000)
    assert ("partial", True) == (play.deployment.outcome, all(marks(play).values()))
    play.stage.sessions.release = release  # type: ignore[method-assign] # as it was

    looked(play)

    assert ({"w0": "", "w1": ""}, None, []) == (marks(play), play.deployment.alarm, play.judged())


def test_who_is_not_there_is_a_launch_that_failed() -> None:
    play = found()
    del play.stage.sessions.playing["w1"]

    play.up()

    assert ("exited", "launch failed: found no session 'w1' to watch: it has ended, or never began") == (
        play.states()["w1"],
        play.deployment.workers["w1"].why,
    )


def test_a_session_of_another_deployment_is_refused() -> None:
    play = found()
    play.stage.sessions.playing["w1"].mark = "other/w1/1@b.1.0"

    with pytest.raises(PlanError, match=r"session 'w1' belongs to other"):
        play.up()

    assert {"w0": "", "w1": "other/w1/1"} == marks(play)


def test_one_that_another_marks_meanwhile_is_not_taken() -> None:
    play = found()
    adopt = play.stage.sessions.adopt

    def late(session_id: str, mark: str, instead: str = "") -> None:
        play.stage.sessions.playing["w1"].mark = "other/w1/1@b.1.0"
        adopt(session_id, mark, instead)

    play.stage.sessions.adopt = late  # type: ignore[method-assign] # another process marks it between list and mark
    play.up()

    assert ({"w0": "night/w0/1", "w1": "other/w1/1"}, "exited") == (marks(play), play.states()["w1"])


def test_with_no_session_there_nothing_begins() -> None:
    play = found()
    play.stage.sessions.playing.clear()

    with pytest.raises(PlanError, match="found none of w0, w1"):
        play.up()


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"workers": {"command": ["x"]}}, "workers.command: found beside workers.sessions"),
        ({"workers": {"stage": True}}, "workers.stage: found beside workers.sessions"),
        ({"cleanup": {"rounds": 1}}, "cleanup.rounds: found 1; expected 0"),
        ({"units": {"output": []}, "verify": {"command": ["x"]}}, "verify.command: found without units.output"),
    ],
)
def test_what_only_a_session_of_ours_can_have_is_refused(tables: dict[str, dict[str, object]], fault: str) -> None:
    play = found()
    for table, keys in tables.items():
        play.plan[table] = {**play.plan.get(table, {}), **keys}

    with pytest.raises(PlanError) as told:
        read_plan(play.text(), "plan.json")

    assert [one for one in told.value.problems if fault in one], told.value.problems


def test_outputs_of_a_found_session_may_be_checked_by_a_command() -> None:
    play = found()
    play.plan["verify"] = {"command": ["x"]}

    assert ("x",) == read_plan(play.text(), "plan.json").verify.command


@pytest.mark.parametrize(
    ("sessions", "rungs"),
    [
        ("start", ("capture", "nudge", "restart", "ask")),
        ("own", ("capture", "nudge", "ask")),
        ("watch", ("capture", "ask")),
    ],
)
def test_no_rung_begins_a_session_again_that_is_not_ours_nor_types_into_one(
    sessions: str, rungs: tuple[str, ...]
) -> None:
    workers = WorkersSpec(mode="interactive", sessions=sessions)  # type: ignore[arg-type] # one of the three
    plan = Plan(
        name="n",
        units=UnitsSpec(),
        workers=workers,
        stuck=StuckSpec(silent=("capture", "nudge", "restart", "ask")),
    )

    assert rungs == ladder(plan, "silent")


# --- the plan that is made of them


def stage(*names: str) -> MemoryWorld:
    made = MemoryWorld()
    for name in names:
        made.sessions.stranger(name)
    return made


def test_the_plan_has_a_unit_and_a_worker_for_each_session_of_the_prefix() -> None:
    world = stage("worker_b", "worker_a", "mine").world("up:1")

    made = plan_of_sessions(
        world, SessionsToWatch("worker_", output=("out/{{ unit }}.yml",), tell=("desk",), every="simple")
    )

    assert ("worker", {"items": ["a", "b"], "output": ["out/{{ unit }}.yml"]}) == (made["name"], made["units"])
    assert ("watch", "worker_{{ group.name }}") == (made["workers"]["sessions"], made["workers"]["name"])
    assert {"every": "simple", "to": [{"tmux": "default:desk"}]} == made["wake"]


def test_with_files_the_sessions_are_those_of_their_directories() -> None:
    made = plan_of_sessions(stage("worker_a").world("up:1"), SessionsToWatch("worker_", units="docs/*/*.md", own=True))

    assert ({"glob": "docs/*/*.md"}, "{{ parent_name }}") == (made["units"], made["workers"]["by"])
    assert "own" == made["workers"]["sessions"]


@pytest.mark.parametrize(
    ("names", "told", "why"),
    [
        ((), SessionsToWatch("worker_"), "no session that begins with 'worker_' and goes on, among no session at all"),
        (("mine",), SessionsToWatch("worker_"), "among mine of /memory"),
        (tuple(f"m{n}" for n in range(9)), SessionsToWatch("w"), "m7 and 1 more"),
        (("worker_",), SessionsToWatch("worker_"), "no session that begins with"),
        (("worker_a b",), SessionsToWatch("worker_"), "a session named 'worker_a b'"),
        (("x",), SessionsToWatch(""), "an empty prefix"),
        (("ä_x",), SessionsToWatch("ä"), "no name for a deployment in 'ä'"),
    ],
)
def test_what_cannot_be_watched_is_told(names: tuple[str, ...], told: SessionsToWatch, why: str) -> None:
    with pytest.raises(UsageError) as fault:
        plan_of_sessions(stage(*names).world("up:1"), told)

    assert why in str(fault.value)


def test_a_server_that_does_not_answer_is_told() -> None:
    made = stage("worker_a")
    made.sessions.state = "unknown"

    with pytest.raises(ProgramError, match="does not answer"):
        plan_of_sessions(made.world("up:1"), SessionsToWatch("worker_"))


@pytest.mark.parametrize(
    ("environ", "socket"),
    [({}, "default"), ({"TMUX": "/tmp/tmux-0/own,12,3"}, "/tmp/tmux-0/own"), ({"TMUX": ""}, "default")],
)
def test_the_server_is_the_one_that_plain_tmux_asks(environ: dict[str, str], socket: str) -> None:
    assert socket == socket_here(environ)
