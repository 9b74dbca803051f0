"""What is written of launches, by what became of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.play import NAME, Play
from tests.transcript import AT, answered

from wakeman.adapters.memory import MemorySessions
from wakeman.adapters.memory.sessions import Playing
from wakeman.core.errors import DiskError, ProgramError, StorageError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, FileFingerprint, Unit, UnitState, WorkerState
from wakeman.engine import layout
from wakeman.engine.check import check
from wakeman.engine.effects.launch import (
    Established,
    Failed,
    Fate,
    MakeSessions,
    MarkAgain,
    Prepare,
    PreparedAttempts,
    Ready,
    Recover,
    Remember,
    Unconfirmed,
    launch,
    launch_drafts,
    launch_fate,
    recover,
)
from wakeman.engine.protocol.steps import append, drive
from wakeman.ports import Made, Start


@pytest.mark.parametrize(
    ("made", "fate"),
    [
        (Made("$1", 7), Established("$1", 7)),
        (Made(error="no room"), Failed("no room")),
        (Made(taken=True), Failed("a session of that name is somebody else's")),
        (Made(error="w: exists", taken=True), Failed("w: exists")),
    ],
)
def test_a_session_that_was_not_made_is_a_launch_that_failed(made: Made, fate: Fate) -> None:
    assert fate == launch_fate(made)


def exited(why: str, by: str, *, free: bool) -> e.Exited:
    return e.Exited(why=f"launch failed: {why}", ended_by=by, free=free)  # type: ignore[arg-type] # a literal of a parameter


FATES: list[tuple[str, Fate, e.Fact, str | None]] = [
    ("pending", Established("$1", 7), e.Launched(intent=3, session_id="$1", pid=7), "launched"),
    ("pending", Established(found=True), e.Launched(intent=3, adopted=True), "launched"),
    ("exited", Established("$1", 7), e.Relaunched(intent=3, session_id="$1", pid=7), "launched"),
    ("pending", Failed("no room"), exited("no room", "launch", free=False), "exited"),
    ("pending", Failed("anew", "machine"), exited("anew", "machine", free=True), "exited"),
    ("pending", Failed("stopped", "person"), exited("stopped", "person", free=True), "exited"),
    ("exited", Failed("no room"), e.Effected(intent=3, ok=False, detail="no room", ended_by="launch"), None),
    ("exited", Failed("anew", "machine"), e.Effected(intent=3, ok=False, detail="anew", ended_by="machine"), None),
    (
        "exited",
        Unconfirmed(),
        e.Decided(row="investigate", looked=4, then=("ask",), why="its launcher was started, and no session was seen"),
        None,
    ),
]


@pytest.mark.parametrize(("state", "fate", "fact", "to"), FATES)
def test_what_became_of_a_launch_is_written_about_its_attempt(
    state: Any, fate: Fate, fact: e.Fact, to: str | None
) -> None:
    """What the machine or a person kept from happening costs no attempt."""
    worker = WorkerState(name="w", session="w", state=state, attempt=2, intent=3)
    d = Deployment(workers={"w": worker}, looked=4)

    (draft,) = launch_drafts(d, worker, 3, fate)

    assert (fact, "w", 2, to) == (draft.data, draft.worker, draft.attempt, draft.to)


# The steps of a launch

READY = Ready("v", "d", "s", resume=True)
NO_ANSWER = "launching: no answer"


def workers() -> Deployment:
    """Give three workers to launch: two for the first time, one again."""
    found = [WorkerState(name=name, session=f"s_{name}", units=[f"{name}/1"]) for name in "vuw"]
    found[2].state, found[2].attempt = "exited", 1
    units = {name: UnitState(unit=Unit(name, ("o",)), worker=one.name) for one in found for name in one.units}
    return Deployment(workers={one.name: one for one in found}, units=units)


def about(step: Any) -> tuple[str, list[tuple[str | None, int | None, e.Fact]]]:
    return step.kind, [(draft.worker, draft.attempt, draft.data) for draft in step.drafts]


def test_all_intents_are_written_then_all_sessions_made_then_all_outcomes_written() -> None:
    refused = {"u": "no file", "w": "no file"}
    prepared = PreparedAttempts((READY,), refused)
    fates = {"v": Established("$1", 7), **{name: Failed(why) for name, why in refused.items()}}

    steps, _ = answered(
        launch(workers(), ["v", "u", "w"], AT), {Prepare: prepared, MakeSessions: fates, Remember: None}
    )

    intent = e.Intended(action="launch", target="s_v", digest="d", units=1, agent_session="s", resume=True)
    assert [Prepare(("v", "u", "w")), MakeSessions(prepared, AT), Remember(("v",))] == [steps[0], steps[2], steps[4]]
    assert ("intent", [("v", 1, intent)]) == about(steps[1])
    assert (
        "outcome",
        [
            ("v", 0, e.Launched(intent=7, session_id="$1", pid=7)),
            ("u", 0, exited("no file", "launch", free=False)),
            ("w", 1, e.Effected(intent=0, ok=False, detail="no file", ended_by="launch")),
        ],
    ) == about(steps[3])


def test_of_a_place_that_does_not_answer_only_that_is_written() -> None:
    """The next check finds out what became of the launches."""
    prepared = PreparedAttempts((READY,), {})
    note = ("line", [(None, None, e.Noted(text=NO_ANSWER))])

    launched, _ = answered(launch(workers(), ["v"], AT), {Prepare: prepared, MakeSessions: NO_ANSWER})
    recovered, _ = answered(recover(workers()), {Recover: NO_ANSWER})

    assert (4, note) == (len(launched), about(launched[3]))
    assert (2, note) == (len(recovered), about(recovered[1]))


def test_an_open_launch_is_settled_under_its_own_intent() -> None:
    d = workers()
    d.workers["v"].intent = 5

    steps, _ = answered(recover(d), {Recover: {"v": Established("$1", 7, found=True)}})

    launched = e.Launched(intent=5, session_id="$1", pid=7, adopted=True)
    assert [Recover(), ("outcome", [("v", 0, launched)])] == [steps[0], about(steps[1])]


# What a crash left, found in the world


def left_open(**plan: Any) -> Play:
    """Give a deployment whose second worker is about to be launched, its check having died after the intent."""
    play = Play(workers=2, units=1, plan={"workers": {"at_once": 1, **plan}})
    play.up()
    world = play.stage.world()
    with world.logs.hold(NAME, world.by) as log:
        intent = e.Draft(e.Intended(action="launch", target="w1", digest="d"), worker="w1", attempt=1)
        drive(world, log, append("intent", [intent]), world.clock.now())
    return play


def found(play: Play, **worker: Any) -> object:
    """Look for what became of the launch; give that, or why it cannot be told."""
    d = play.deployment
    for key, value in worker.items():
        setattr(d.workers["w1"], key, value)
    fates = Recover().perform(play.stage.world(), d)
    return fates if isinstance(fates, str) else fates.get("w1")


def test_a_launch_that_never_began_is_made_now_and_the_session_is_adopted_by_the_next_check() -> None:
    play = left_open()

    made = found(play)
    there = next(p for p in play.stage.sessions.playing.values() if "/w1/" in p.mark)

    assert Established(there.session_id, there.pid) == made
    assert Established(there.session_id, there.pid, found=True) == found(play)


def test_what_was_begun_and_is_gone_is_not_started_twice() -> None:
    play = left_open()
    d = play.deployment
    play.stage.files.write(layout.claim(d.host, d.workers["w1"]), b"")

    assert Established(found=True) == found(play)
    assert 1 == len(play.stage.sessions.playing)


@pytest.mark.parametrize("wanted", [{"stop": True}, {"again": True}])
def test_what_a_person_wants_otherwise_is_not_begun(wanted: dict[str, Any]) -> None:
    play = left_open()

    assert Failed("a person asked for something else", "person") == found(play, **wanted)
    assert 1 == len(play.stage.sessions.playing)


def test_a_restart_of_the_machine_is_nobodys_failure() -> None:
    play = left_open()
    play.stage.clock.name = "another"

    assert Failed("the machine was started anew before the launch was confirmed", "machine") == found(play)


def test_nothing_is_settled_while_the_place_does_not_answer() -> None:
    silent, refusing = left_open(), left_open()
    silent.stage.sessions.state = "unknown"

    def refuse(_: object) -> Any:
        raise ProgramError("no answer")

    refusing.stage.sessions.submit = refuse  # type: ignore[method-assign,assignment] # a tmux that answers once

    assert {} == Recover().perform(silent.stage.world(), silent.deployment)
    assert "launching w1 again: no answer" == found(refusing)


def again(play: Play) -> list[tuple[str | None, list[str]]]:
    """Look again at the outputs of launches that never began; give whose changed."""
    found = MarkAgain().perform(play.stage.world(), play.deployment)
    return [(each.worker, [mark.path for mark in each.data.existing]) for each in found]  # type: ignore[attr-defined] # all are `Marked`


def test_what_changed_before_a_launch_that_never_began_is_marked_again_as_it_is_now() -> None:
    play = left_open()
    d = play.deployment
    [path] = d.units[d.workers["w1"].units[0]].unit.outputs
    untouched = again(play)
    play.stage.files.write(layout.absolute(d.host, path), b"another's")
    changed = again(play)
    play.stage.sessions.state = "unknown"
    unseen = again(play)

    assert ([], [("w1", [path])], []) == (untouched, changed, unseen)


@pytest.mark.parametrize("trace", ["its session", "its session alone", "its claim", "the session of another", "none"])
def test_what_a_launch_that_may_have_begun_has_written_is_its_work(trace: str) -> None:
    play = left_open()
    d = play.deployment
    [path] = d.units[d.workers["w1"].units[0]].unit.outputs
    if trace.startswith("its session"):
        found(play)
        if trace.endswith("alone"):
            del play.stage.files.held[layout.claim(d.host, d.workers["w1"])]
    elif trace == "its claim":
        play.stage.files.write(layout.claim(d.host, d.workers["w1"]), b"")
    elif trace == "none":
        play.stage.sessions.playing.clear()
    play.stage.files.write(layout.absolute(d.host, path), b"its own")

    assert ([] if trace.startswith("its") else [("w1", [path])]) == again(play)


def test_marks_of_open_launches_are_written_before_what_became_of_them() -> None:
    d = workers()
    d.edition, d.workers["v"].intent = 4, 5
    mark = e.Draft(e.Marked(existing=(FileFingerprint("o", 1, 1),)), worker="v")

    steps, _ = answered(recover(d), {MarkAgain: (mark,), Recover: {}})

    assert [MarkAgain(), ("intent", [("v", None, mark.data)]), Recover()] == [
        steps[0],
        about(steps[1]),
        steps[2],
    ]


def test_an_attempt_that_cannot_be_prepared_has_failed_and_a_full_disk_is_nobodys_failure() -> None:
    play, full = left_open(), left_open()

    def refuse(*_: object, **__: object) -> None:
        raise StorageError("w1: no such directory")

    def fill(*_: object, **__: object) -> None:
        raise DiskError("no space left")

    play.stage.files.write = refuse  # type: ignore[method-assign] # a directory that was removed
    full.stage.files.write = fill  # type: ignore[method-assign] # a full disk

    assert Failed("w1: no such directory") == found(play)
    with pytest.raises(DiskError):
        found(full)


def external(created: float | None, *, seen: bool = True, name: str = "w1", **fields: Any) -> tuple[Play, object]:
    """Look for a launch of a launcher of the user's own, where a session was created so long after the last look."""
    play = left_open()
    play.stage.harness.adopts = True
    d = play.deployment
    assert d.looked_at is not None
    play.stage.clock.advance(100)
    if created is not None:
        at = (d.looked_at if seen else play.stage.clock.now()).timestamp() + created
        start = Start(session=name, mark="", argv=("sh", "x", "/elsewhere"), cwd="/")
        play.stage.sessions.playing[name] = Playing(start, "", "$77", 77, created=at, activity=at)
    for key, value in fields.items():
        setattr(d.workers["w1"], key, value)
    if not seen:
        d.looked_at = None
    return play, Recover().perform(play.stage.world(), d)


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(
    ("created", "name", "ours"),
    [(0.0, "w1", True), (60.0, "w1", True), (-1.0, "w1", True), (-2.0, "w1", False), (0.0, "another", False)],
)
def test_a_session_of_the_users_launcher_is_adopted_by_its_name_and_age(
    created: float, name: str, ours: bool, seen: bool
) -> None:
    """One second before the look that led to the launch is within what clocks round."""
    play, fates = external(created, seen=seen, name=name)
    mark = play.stage.sessions.playing[name].mark

    assert {"w1": Established("$77", 77, found=True) if ours else Unconfirmed()} == fates
    assert ours == mark.startswith(f"{NAME}/w1/1@")


@pytest.mark.parametrize(
    ("fields", "fates"),
    [
        ({}, {"w1": Unconfirmed()}),
        ({"asked": True}, {}),
        ({"stop": True}, {"w1": Failed("a person asked for something else", "person")}),
        ({"stop": True, "asked": True}, {"w1": Failed("a person asked for something else", "person")}),
    ],
    ids=str,
)
def test_a_launcher_that_was_started_and_made_no_session_is_a_persons_matter_once(
    fields: dict[str, Any], fates: dict[str, Fate]
) -> None:
    assert fates == external(None, **fields)[1]


def test_a_place_that_outlives_the_machine_is_asked_after_a_restart_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySessions, "outlives_boot", True)
    play = left_open()
    play.stage.clock.name = "another"

    assert isinstance(found(play), Established)


def watched_open(*, begun: bool) -> Play:
    """Give a deployment of sessions that somebody else has started: one that had ended is about to be watched again."""
    workers: dict[str, object] = {"sessions": "watch", "command": [], "mode": "interactive"}
    play = Play(workers=2, units=1, plan={"workers": workers, "cleanup": {"rounds": 0}})
    for name in ("w0", "w1"):
        play.stage.sessions.stranger(name)
    play.up()
    del play.stage.sessions.playing["w1"]
    check(play.stage.world("hand:1"), NAME)
    if begun:
        play.stage.sessions.stranger("w1")
    world = play.stage.world()
    with world.logs.hold(NAME, world.by) as log:
        intent = e.Draft(e.Intended(action="launch", target="w1", digest="d"), worker="w1", attempt=2)
        drive(world, log, append("intent", [intent]), world.clock.now())
    return play


def test_a_session_that_was_about_to_be_watched_is_marked_now_unless_a_person_wants_otherwise() -> None:
    play, gone = watched_open(begun=True), watched_open(begun=False)
    there = play.stage.sessions.playing["w1"]

    assert Failed("a person asked for something else", "person") == found(play, stop=True)
    assert "" == there.mark
    assert Established(there.session_id, there.pid, found=True) == found(play)
    assert there.mark.startswith(f"{NAME}/w1/2@")
    assert Failed("found no session 'w1' to watch: it has ended, or never began") == found(gone)


# Preparing and making


def prepared(play: Play, *names: str) -> PreparedAttempts:
    return Prepare(names).perform(play.stage.world(), play.deployment)


def waiting() -> Play:
    """Give a deployment whose second worker waits for its launch."""
    play = Play(workers=2, units=1, plan={"workers": {"at_once": 1}})
    play.up()
    return play


def test_the_scripts_of_attempts_are_written_where_they_are_gone() -> None:
    play = waiting()
    held = play.stage.files.held
    scripts = {path for path in held if path.endswith(".sh") and "/check" not in path}
    for path in scripts:
        del held[path]

    prepared(play, "w1")

    assert scripts
    assert scripts <= set(held)


def test_who_cannot_be_prepared_is_refused_without_keys_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    play = waiting()
    write = play.stage.files.write

    def refuse(path: str, *rest: Any, **more: Any) -> None:
        if "w1" in path:
            raise StorageError(f"{path[-5:]}: \x1b[31mno such directory")
        write(path, *rest, **more)

    monkeypatch.setattr(play.stage.files, "write", refuse)
    result = prepared(play, "w0", "w1")

    assert (["w0"], ["w1"]) == ([each.worker for each in result.ready], list(result.refused))
    assert result.refused["w1"].endswith(": no such directory")


def test_a_full_disk_is_nobodys_failed_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    play = waiting()
    scripts = prepared(play, "w1")

    def fill(path: str, *_: Any, **__: Any) -> None:
        raise DiskError(f"{path}: no space left")

    monkeypatch.setattr(play.stage.files, "write", fill)

    assert scripts.ready
    with pytest.raises(DiskError):
        prepared(play, "w1")


def test_a_place_that_refuses_all_is_told_instead_of_fates(monkeypatch: pytest.MonkeyPatch) -> None:
    play = waiting()

    def refuse(_: object) -> Any:
        raise ProgramError("no answer")

    monkeypatch.setattr(play.stage.sessions, "submit", refuse)

    made = MakeSessions(prepared(play, "w1"), AT).perform(play.stage.world(), play.deployment)

    assert "launching: no answer" == made


# The checkpoint on a session


def test_the_head_of_the_log_is_left_on_the_first_session_that_was_made() -> None:
    play = waiting()
    d = play.deployment

    Remember(("w1", "w0")).perform(play.stage.world(), d)

    assert {d.workers["w0"].session_id: f"{d.seq}:{d.hash}"} == play.stage.sessions.heads


@pytest.mark.parametrize("workers", [(), ("w1",)])
def test_without_a_session_nothing_is_left(workers: tuple[str, ...]) -> None:
    play = waiting()
    play.stage.sessions.heads.clear()

    Remember(workers).perform(play.stage.world(), play.deployment)

    assert {} == play.stage.sessions.heads


def test_a_place_without_a_terminal_is_left_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    play = waiting()
    play.stage.sessions.heads.clear()
    monkeypatch.setattr(MemorySessions, "terminal", None)

    Remember(("w0",)).perform(play.stage.world(), play.deployment)

    assert {} == play.stage.sessions.heads
