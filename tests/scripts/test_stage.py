"""Deployments whose outputs are staged, and installed by the check."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.errors import DiskError, StorageError, UsageError
from wakeman.core.log.events import Conflicted, Effected, Enrolled, Intended, Noted
from wakeman.core.model import FileFingerprint
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.engine.start.deploy import amend, up
from wakeman.engine.start.prepare import prepare_plan
from wakeman.ports import Installed

OUT = "/plans/out/w0/u0.json"
STAGED = f"/state/{NAME}/attempts/w0.1/stage/out/w0/u0.json"


def staged(**more: object) -> Play:
    tables: dict[str, dict[str, object]] = {"workers": {"stage": True}}
    for table, keys in more.items():
        tables[table] = {**tables.get(table, {}), **keys}  # type: ignore[dict-item] # tables of a plan
    return Play(workers=1, units=1, plan=tables)


def test_a_night_with_a_stage_ends_with_every_output_in_its_place() -> None:
    play = Play(workers=3, units=2, plan={"workers": {"stage": True}})

    d = play.run()

    assert "complete" == d.outcome
    assert 6 == len([path for path in play.stage.files.held if path.startswith("/plans/out/")])
    assert 6 == len(play.intents("install"))


def test_the_worker_is_told_of_its_stage_and_of_its_inputs_where_they_are() -> None:
    play = staged()
    play.up()

    (line,) = play.stage.files.read(f"/state/{NAME}/attempts/w0.1/units.jsonl").splitlines()

    assert {"unit": "w0/u0", "input": None, "outputs": [STAGED]} == msgspec.json.decode(line)
    assert STAGED in play.stage.files.read(f"/state/{NAME}/attempts/w0.1/outputs").decode()
    assert f"/state/{NAME}/attempts/w0.1/stage/out/w0" in play.stage.files.made


def test_an_output_outside_the_plans_directory_has_a_place_in_the_stage_too() -> None:
    play = staged(units={"output": "/elsewhere/{{ unit }}"})

    assert "complete" == play.run().outcome
    assert "/elsewhere/w0/u0" in play.stage.files.held
    assert [f"/state/{NAME}/attempts/w0.1/stage/%2F/elsewhere/w0/u0"] == [
        path for path in made(play) if "elsewhere" in path
    ]


def made(play: Play) -> list[str]:
    text = play.stage.files.read(f"/state/{NAME}/attempts/w0.1/outputs").decode()
    return [line.partition("\t")[0] for line in text.splitlines()]


def test_what_an_attempt_left_half_done_never_stands_in_place() -> None:
    play = staged(verify={"min_bytes": 100}, cleanup={"rounds": 0})
    play.stage.acts["w0"] = Act(content=b"half", code=1)

    assert "partial" == play.run().outcome

    assert OUT not in play.stage.files.held
    assert b"half" == play.stage.files.read(STAGED)


@pytest.mark.parametrize("code", [1, 137, 143])
def test_a_file_that_an_attempt_wrote_as_it_was_cut_off_is_not_installed_though_it_passes(code: int) -> None:
    play = staged(stuck={"attempts": 1}, cleanup={"rounds": 0}, verify={"min_bytes": 1})
    play.stage.acts["w0"] = Act(content=b"half", code=code)

    d = play.run()

    assert "partial" == d.outcome
    assert OUT not in play.stage.files.held
    unit = d.units["w0/u0"]
    assert unit.staged is not None
    assert ("out/w0/u0.json: its worker was cut off and may not have finished it",) == unit.staged.problems


def test_a_file_that_was_seen_whole_before_its_worker_was_cut_off_is_installed() -> None:
    play = staged(stuck={"attempts": 1}, cleanup={"rounds": 0})
    play.stage.acts["w0"] = Act(hangs=True)
    play.up()
    play.go(minutes=2)

    requests.stop(play.stage.world(), NAME, ["w0"])
    d = play.go()

    assert "complete" == d.outcome
    assert OUT in play.stage.files.held


def test_a_worker_at_work_keeps_what_is_installed_from_its_stage() -> None:
    play = Play(workers=1, units=2, plan={"workers": {"stage": True}})
    play.stage.acts["w0"] = Act(seconds=400)
    play.up()

    play.go(minutes=11)

    assert [True] == [intent.keep for intent in play.intents("install")]
    assert "running" == play.states()["w0"]
    assert OUT in play.stage.files.held
    assert STAGED in play.stage.files.held
    assert "complete" == play.go().outcome
    assert 2 == len(play.intents("install"))


def test_what_a_worker_writes_anew_is_installed_anew_and_nothing_else() -> None:
    play = Play(workers=1, units=2, plan={"workers": {"stage": True}})
    play.stage.acts["w0"] = Act(seconds=400)
    play.up()
    play.go(minutes=11)

    play.stage.files.write(STAGED, b"a second thought" * 400)
    play.go()

    assert b"a second thought" == play.stage.files.read(OUT)[:16]
    assert 3 == len(play.intents("install"))


def test_a_file_that_is_open_for_writing_is_still_being_made() -> None:
    play = staged()
    play.stage.acts["w0"] = Act(hangs=True)
    play.stage.files.open.add(STAGED)
    play.up()
    play.go(minutes=7)
    held = OUT in play.stage.files.held

    play.stage.files.open.clear()
    play.go(minutes=6)

    assert (False, True) == (held, OUT in play.stage.files.held)


def test_what_somebody_else_put_in_the_place_is_kept_and_told() -> None:
    play = staged()
    play.up()
    play.stage.files.write(OUT, b"mine" * 2000)

    d = play.go(minutes=30)

    assert "open" == d.outcome
    assert b"mine" == play.stage.files.read(OUT)[:4]
    assert STAGED in play.stage.files.held
    (conflict,) = [event.data for event in play.events if isinstance(event.data, Conflicted)]
    assert (OUT, "w0/u0", "w0") == (conflict.path, conflict.unit, conflict.owner)
    assert [text for text in play.told() if "1 writes out of place" in text]
    assert d.units["w0/u0"].verdict is not None
    assert not d.units["w0/u0"].done


def test_a_unit_that_waits_for_its_place_is_not_made_anew_and_the_others_of_its_share_are() -> None:
    play = Play(workers=1, units=2, plan={"workers": {"stage": True}})
    play.stage.acts["w0"] = Act(seconds=400, stops_after=1, hangs=True)
    play.up()
    play.stage.files.write(OUT, b"mine" * 2000)
    play.go(minutes=16)

    requests.stop(play.stage.world(), NAME, ["w0"])
    d = play.go(minutes=30)

    assert {"w0": ["w0/u0"], "w0_c1": ["w0/u1"]} == {worker.name: worker.units for worker in d.workers.values()}
    assert ("open", ["w0/u0"]) == (d.outcome, [name for name, unit in d.units.items() if not unit.done])


def test_a_worker_that_failed_is_not_tried_again_for_what_waits_for_its_place() -> None:
    play = staged()
    play.stage.acts["w0"] = Act(seconds=400, hangs=True)
    play.up()
    play.stage.files.write(OUT, b"mine" * 2000)
    play.go(minutes=16)
    (playing,) = play.stage.sessions.playing.values()
    play.stage.sessions._finish(playing, 1)

    d = play.go(minutes=30)

    assert (1, "exited", "open") == (d.workers["w0"].attempt, d.workers["w0"].state, d.outcome)


def test_once_it_is_moved_aside_what_was_made_is_installed() -> None:
    play = staged()
    play.up()
    play.stage.files.write(OUT, b"mine" * 2000)
    play.go(minutes=30)

    play.stage.files.move(OUT, "/plans/mine.json")

    assert "complete" == play.go().outcome
    assert OUT in play.stage.files.held


def test_a_plan_that_ignores_conflicts_has_it_replaced() -> None:
    play = staged(watch={"conflicts": "ignore"})
    play.up()
    play.stage.files.write(OUT, b"mine" * 2000)

    assert "complete" == play.go().outcome
    assert b"mine" != play.stage.files.read(OUT)[:4]


def test_an_output_of_before_is_replaced_and_one_changed_since_is_not() -> None:
    play = staged()
    play.stage.files.write(OUT, b"of last week" * 400)
    play.up()

    assert "complete" == play.go().outcome
    assert b"of last week" != play.stage.files.read(OUT)[:12]


def test_a_link_in_the_stage_is_not_installed() -> None:
    play = staged(stuck={"attempts": 1}, cleanup={"rounds": 0})
    play.stage.acts["w0"] = Act(stops_after=0)
    play.up()
    play.stage.files.write("/secret", b"key" * 2000)
    play.stage.files.link("/secret", STAGED)

    d = play.go()

    assert "partial" == d.outcome
    assert OUT not in play.stage.files.held
    unit = d.units["w0/u0"]
    assert unit.staged is not None
    assert ("out/w0/u0.json: a symbolic link, expected a file",) == unit.staged.problems


def test_a_verify_command_judges_the_staged_file_once() -> None:
    play = staged(verify={"command": ["judge", "{{ output }}"]})

    assert "complete" == play.run().outcome
    assert [("judge", STAGED)] == [argv for argv in play.stage.machine.ran if argv[0] == "judge"]


def test_a_failing_output_is_left_for_a_look_and_the_next_attempt_begins_with_an_empty_stage() -> None:
    play = staged(verify={"min_bytes": 10}, cleanup={"rounds": 1})
    play.stage.acts["w0"] = Act(content=b"short")

    d = play.run()

    assert "complete" == d.outcome
    assert b"short" == play.stage.files.read(STAGED)
    notes = [event.data.note for event in play.events if isinstance(event.data, Enrolled)]
    assert "5 bytes, expected at least 10" in notes[-1]
    assert f"/state/{NAME}/attempts/w0_c1.1/stage/out/w0/u0.json" not in play.stage.files.held


def test_a_crash_between_the_intent_and_the_rename_is_settled_by_the_next_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = staged()
    play.up()
    install = play.stage.files.install

    def crashed(*_: object, **__: object) -> Installed:
        raise KeyboardInterrupt

    monkeypatch.setattr(play.stage.files, "install", crashed)
    with pytest.raises(KeyboardInterrupt):
        play.go()
    assert 1 == len(play.deployment.promoting)
    monkeypatch.setattr(play.stage.files, "install", install)

    assert "complete" == play.go().outcome
    assert 1 == len(play.intents("install"))


def test_a_crash_between_the_rename_and_its_record_is_settled_by_the_next_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = staged()
    play.up()
    install = play.stage.files.install

    def crashed(
        stage: str, inside: str, target: str, mark: FileFingerprint, over: FileFingerprint | None, *, keep: bool
    ) -> Installed:
        install(stage, inside, target, mark, over, keep=keep)
        raise KeyboardInterrupt

    monkeypatch.setattr(play.stage.files, "install", crashed)
    with pytest.raises(KeyboardInterrupt):
        play.go()
    monkeypatch.setattr(play.stage.files, "install", install)

    assert "complete" == play.go().outcome
    assert [True] == [event.data.ok for event in play.events if isinstance(event.data, Effected) and event.data.marks]


def test_what_the_disk_refuses_waits_and_asks_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    play = staged()
    play.up()
    install = play.stage.files.install

    def refused(*_: object, **__: object) -> Installed:
        raise StorageError("/plans/out: permission denied")

    monkeypatch.setattr(play.stage.files, "install", refused)
    d = play.go(minutes=30)
    noted = [event.data.text for event in play.events if isinstance(event.data, Noted)]
    told = play.told()
    monkeypatch.setattr(play.stage.files, "install", install)

    assert "open" == d.outcome
    assert ["not taken over: w0/u0: /plans/out: permission denied"] == noted
    assert [text for text in told if '"w0/u0" passes and cannot be taken over' in text]
    assert "complete" == play.go().outcome


def test_a_full_disk_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    play = staged()
    play.up()
    install = play.stage.files.install

    def full(*_: object, **__: object) -> Installed:
        raise DiskError("/plans/out: no space left on the disk")

    monkeypatch.setattr(play.stage.files, "install", full)
    with pytest.raises(DiskError):
        play.go()
    monkeypatch.setattr(play.stage.files, "install", install)

    assert "complete" == play.go().outcome


def test_what_changes_between_the_look_and_the_rename_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    play = staged()
    play.up()
    install = play.stage.files.install
    calls: list[str] = []

    def late(
        stage: str, inside: str, target: str, mark: FileFingerprint, over: FileFingerprint | None, *, keep: bool
    ) -> Installed:
        if not calls:
            play.stage.clock.at += timedelta(seconds=1)
            play.stage.files.write(STAGED, b"another" * 700)
        calls.append(inside)
        return install(stage, inside, target, mark, over, keep=keep)

    monkeypatch.setattr(play.stage.files, "install", late)

    d = play.go()

    assert "complete" == d.outcome
    assert [False, True] == [
        e.data.ok for e in play.events if isinstance(e.data, Effected) and e.data.intent in placed(play)
    ]
    assert b"another" != play.stage.files.read(OUT)[:7]


def placed(play: Play) -> set[int]:
    return {e.seq for e in play.events if isinstance(e.data, Intended) and e.data.action == "install"}


def test_the_stage_of_an_open_deployment_cannot_be_amended() -> None:
    play = staged()
    play.up()
    world = play.stage.world()
    text = play.text().replace('"stage":true', '"stage":false')

    with pytest.raises(UsageError, match="stage"):
        amend(world, NAME, prepare_plan(world, text, "plan.json", "/plans"))


def test_a_person_who_rejects_an_installed_output_gets_another() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"stage": True}})
    play.stage.acts["w1"] = Act(seconds=3000)
    play.up()
    play.go(minutes=10)

    requests.judge(play.stage.world(), NAME, "reject", ("w0/u0",), "wrong colour")
    d = play.go()

    assert "complete" == d.outcome
    assert ["out/w0/u0.json", "out/w0/u0.json"] == [
        placing.path for intent in play.intents("install") for placing in intent.files if "w0" in placing.path
    ]


def test_two_workers_in_a_stage_cannot_write_each_others_outputs() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"stage": True}})
    play.up()
    other = f"/state/{NAME}/attempts/w1.1/stage/out/w0/u0.json"
    play.stage.files.write(other, b"not mine" * 600)

    d = play.go()

    assert "complete" == d.outcome
    assert b"not mine" != play.stage.files.read(OUT)[:8]


def test_up_goes_on_with_an_open_deployment_that_has_a_stage() -> None:
    play = staged()
    play.up()
    world = play.stage.world("up:2")

    up(world, prepare_plan(world, play.text(), "plan.json", "/plans"))
    check(world, NAME)

    assert "complete" == play.go().outcome
