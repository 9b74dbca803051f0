"""Deployments with confined workers: what each may write to, what it is told, and which plans are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act, MemoryHarness, MemoryWorld
from wakeman.api.answer import envelope
from wakeman.api.status import status
from wakeman.core.errors import PlanError, UsageError
from wakeman.core.log.events import Conflicted, Exited, Looked
from wakeman.engine.check import check
from wakeman.engine.start.deploy import amend, preview
from wakeman.engine.start.prepare import prepare_plan
from wakeman.ports import Command, Reach, Task

CONFINED: dict[str, dict[str, object]] = {"workers": {"confine": "units"}}
HOME = f"/state/{NAME}/clients/w0"


def confined(**workers: object) -> dict[str, dict[str, object]]:
    return {"workers": {"confine": "units", **workers}}


def rules(stage: MemoryWorld, attempt: str) -> list[str]:
    """Return what an attempt may write to."""
    return stage.files.held[f"/state/{NAME}/attempts/{attempt}/confine"][0].decode().split("\0")[:-1]


def problems(plan: Mapping[str, Mapping[str, object]], stage: MemoryWorld | None = None, **play: Any) -> list[str]:
    """Read a plan that must be refused."""
    playing = Play(plan={table: dict(keys) for table, keys in plan.items()}, stage=stage or MemoryWorld(), **play)
    with pytest.raises(PlanError) as caught:
        prepare_plan(playing.stage.world(), playing.text(), "plan.json", "/plans")
    return list(caught.value.problems)


class Client(MemoryHarness):
    """A harness that seeds a file in the worker's own directory, and wants a copy of one of the user's."""

    seeds = "sub/state.json"

    def borrows(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        del task
        return {"login": ("$NOWHERE/login", "/home/me/none", "/home/me/login")}

    def command(self, task: Task) -> Command:
        return Command(("act",), files={f"{task.home}/{self.seeds}": task.theirs.get("login", b"none")})


def test_a_worker_may_write_to_its_own_directories_and_to_nothing_of_another_s() -> None:
    play = Play(workers=2, units=2, plan=confined(confine_also=["cache", "/opt/{{ worker }}"]))

    done = play.run()

    assert "complete" == done.outcome
    assert [
        "/plans/out/w0",
        f"/state/{NAME}/tmp/w0",
        f"/state/{NAME}/attempts/w0.1/said",
        HOME,
        "/plans/cache",
        "/opt/w0",
    ] == rules(play.stage, "w0.1")
    assert set(rules(play.stage, "w0.1")) & set(rules(play.stage, "w1.1")) == {"/plans/cache"}


def test_what_it_writes_elsewhere_does_not_come_about() -> None:
    play = Play(workers=1, units=1, plan=CONFINED)
    play.up()
    file = f"/state/{NAME}/attempts/w0.1/confine"
    play.stage.files.write(file, b"/elsewhere\0")

    play.stage.clock.advance(3600)
    play.stage.sessions.play()

    assert "/plans/out/w0/u0.json" not in play.stage.files.held


def test_a_cleanup_worker_may_write_where_the_one_before_might() -> None:
    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=1)}, plan=CONFINED)

    done = play.run()

    assert "complete" == done.outcome
    assert "/plans/out/w0" == rules(play.stage, "w0_c1.1")[0]


def test_a_cleanup_worker_s_directory_is_the_one_that_nobody_could_replace() -> None:
    """One unit lies below another's directory: by the time it is done over, a link may stand there."""
    items = [{"unit": "u", "key": "w0", "place": "."}, {"unit": "v", "key": "w0", "place": "deep"}]
    units: dict[str, object] = {"items": items, "output": "out/{{ place }}/{{ unit }}.json"}
    play = Play(acts={"w0": Act(stops_after=1)}, plan={"units": units, **CONFINED})

    done = play.run()

    assert ["v"] == done.workers["w0_c1"].units
    assert "/plans/out" == rules(play.stage, "w0_c1.1")[0]


def test_unconfined_workers_get_no_rules() -> None:
    play = Play(workers=1, units=1)
    play.run()

    assert [] == [path for path in play.stage.files.held if "confine" in path]


def test_workers_that_share_a_directory_are_refused() -> None:
    items = [{"unit": f"u{n}", "key": f"w{n}"} for n in range(2)]

    [told] = problems({**CONFINED, "units": {"items": items, "output": "out/{{ unit }}.json"}})

    assert "workers.confine: 'w0' may write to 'out' and 'w1' to 'out': '/plans/out' is the same directory" in told


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (confined(confine_also=["out/w1"]), "'w0' may write to '/plans/out/w1' and 'w1' to 'out/w1'"),
        (confined(confine_also=["/"]), "your home directory"),
        (confined(confine_also=["/state/other"]), "the state directory"),
        ({**CONFINED, "units": {"output": "{{ unit }}/../../x-{{ key }}"}}, "the plan file"),
        (confined(confine_also=["repo"]), "a .git directory"),
        (confined(confine_also=["cache", "cache/deep"]), "'/plans/cache/deep' is inside '/plans/cache'"),
        (confined(confine_also=["~/.npm"]), "a path, relative to the plan file or absolute; '~' is none here"),
        ({"workers": {"confine_also": ["x"]}}, "found without workers.confine = 'units'"),
        ({"workers": {"confine_network": "none"}}, "found without workers.confine = 'units'"),
        (confined(confine_also=["{{ unit_table }}"]), "found unknown name 'unit_table'"),
    ],
)
def test_what_nobody_may_write_to_is_refused(plan: dict[str, dict[str, object]], words: str) -> None:
    stage = MemoryWorld()
    stage.files.write("/plans/plan.json", b"{}")
    stage.files.write("/plans/repo/.git/HEAD", b"")

    assert any(words in line and "workers.confine" in line for line in problems(plan, stage)), problems(plan, stage)


def test_where_nothing_confines_the_plan_is_refused_with_what_mends_it() -> None:
    stage = MemoryWorld()
    stage.confiner.broken = "no kernel for it"

    [told] = problems(CONFINED, stage, workers=1)

    assert told.endswith("workers.confine: no kernel for it; wakeman doctor")


def test_the_network_that_a_worker_has_is_recorded() -> None:
    play = Play(workers=1, units=1, plan=confined(confine_network="none"))
    play.up()

    confinement = play.stage.world().logs.read(NAME).host.confinement

    assert confinement is not None
    assert "none" == confinement.network


def test_a_plan_whose_network_cannot_be_had_is_refused_with_what_mends_it() -> None:
    stage = MemoryWorld()
    stage.confiner.lacks = "loopback"

    [told] = problems(confined(confine_network="loopback"), stage, workers=1)

    assert told.endswith("workers.confine: no network 'loopback' here; wakeman doctor")


def test_the_network_of_an_open_deployment_stays() -> None:
    play = Play(workers=2, units=1, plan=confined(at_once=1))
    play.up()
    world = play.stage.world()
    later = Play(workers=2, units=1, plan=confined(at_once=1, confine_network="none"))

    with pytest.raises(UsageError, match=r"workers.confine_network: found 'none', expected 'all' as it went up with"):
        amend(world, NAME, prepare_plan(world, later.text(), "plan.json", "/plans"))


def test_a_worker_reads_its_own_files_of_the_state_directory_and_no_others() -> None:
    play = Play(workers=1, units=1, plan=CONFINED)
    asked: list[Reach] = []
    play.stage.confiner.asked = asked
    play.up()

    [reach] = asked
    assert ("/state",) == tuple(reach.hidden)
    assert [
        f"/state/{NAME}/hook.sh",
        f"/state/{NAME}/guard.sh",
        f"/state/{NAME}/attempts/w0.1/units.jsonl",
        f"/state/{NAME}/prompts/w0.1.md",
        f"/state/{NAME}/attempts/w0.1/outputs",
    ] == list(reach.reads)


def test_a_session_that_somebody_else_starts_cannot_be_confined() -> None:
    stage = MemoryWorld()
    stage.harness.adopts = True

    [told] = problems(CONFINED, stage, workers=1)

    assert "whose launcher starts the session itself; expected 'off'" in told


def test_an_open_deployment_is_not_confined_later() -> None:
    play = Play(workers=2, units=1, plan={"workers": {"at_once": 1}})
    play.up()
    world = play.stage.world()
    later = Play(workers=2, units=1, plan=confined(at_once=1))

    with pytest.raises(UsageError, match=r"workers.confine: found 'units', expected 'off' as it went up with"):
        amend(world, NAME, prepare_plan(world, later.text(), "plan.json", "/plans"))


def test_an_amended_plan_gives_nobody_a_directory_of_one_who_stays() -> None:
    play = Play(workers=2, units=1, plan=confined(at_once=1))
    play.up()
    world = play.stage.world()
    items = [{"unit": "w0/u0", "key": "w0"}, {"unit": "w0/other", "key": "w1"}]
    later = Play(plan={"units": {"items": items}, **confined(at_once=1)})
    alone = Play(plan={"units": {"items": items[1:]}, **confined(at_once=1)})

    with pytest.raises(PlanError, match="'w0' may write to 'out/w0' and 'w1' to 'out/w0'"):
        prepare_plan(world, later.text(), "plan.json", "/plans")
    with pytest.raises(UsageError, match="'w0' may write to 'out/w0' and 'w1' to 'out/w0'"):
        amend(world, NAME, prepare_plan(world, alone.text(), "plan.json", "/plans"))


def test_the_preview_names_what_confines_and_what_may_be_written_to() -> None:
    play = Play(workers=1, units=1, plan=CONFINED)
    world = play.stage.world()

    [one] = preview(world, prepare_plan(world, play.text(), "plan.json", "/plans"))

    assert ("a rehearsal's", "/plans/out/w0") == (one.confined, (one.writes or [""])[0])
    assert "/plans/out/w0" not in play.stage.files.made


# What it gets of the user's client


def client(stage: MemoryWorld) -> None:
    stage.harness = Client()
    stage.files.write("/home/me/login", b"theirs")


def test_a_confined_client_gets_a_copy_of_what_it_needs() -> None:
    play = Play(workers=1, units=1, plan=CONFINED)
    client(play.stage)
    play.up()

    assert b"theirs" == play.stage.files.read(f"{HOME}/sub/state.json")


def test_an_unconfined_one_gets_none() -> None:
    play = Play(workers=1, units=1)
    client(play.stage)
    play.up()

    assert b"none" == play.stage.files.read(f"{HOME}/sub/state.json")


@pytest.mark.parametrize(("older", "wanted"), [(True, b"theirs"), (False, b"its own")])
def test_of_two_copies_the_newer_one_counts(older: bool, wanted: bytes) -> None:
    play = Play(workers=1, units=1, plan=CONFINED)
    client(play.stage)
    play.stage.clock.advance(-60 if older else 60)
    play.cut_short()
    play.stage.files.write(f"{HOME}/login", b"its own")
    play.stage.clock.advance(60 if older else 0)
    play.up()

    assert wanted == play.stage.files.read(f"{HOME}/sub/state.json")


def test_nothing_is_written_through_a_link_that_an_attempt_has_left() -> None:
    play = Play(workers=1, units=1, plan={**confined(), "stuck": {"attempts": 1}, "cleanup": {"rounds": 0}})
    client(play.stage)
    play.cut_short()
    play.stage.files.link("/home/me", f"{HOME}/sub")

    done = play.run()

    assert "/home/me/state.json" not in play.stage.files.held
    assert f"{HOME}/sub: found a link that leads to /home/me" in done.workers["w0"].why


def test_what_an_earlier_version_has_left_is_written_anew() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0)}, plan=CONFINED)
    play.up()
    play.stage.files.write(f"/state/{NAME}/confine.rehearsed", b"of another format")

    play.go()

    assert b"nothing runs\n" == play.stage.files.read(f"/state/{NAME}/confine.rehearsed")


def test_what_confines_is_written_again_where_somebody_has_removed_it() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(stops_after=0)}, plan=CONFINED)
    play.up()
    play.stage.files.remove(f"/state/{NAME}/confine.rehearsed")

    play.go()

    assert f"/state/{NAME}/confine.rehearsed" in play.stage.files.held


# Refusals


def said(play: Play, text: str, attempt: str = "w0.1") -> None:
    play.stage.files.write(f"/state/{NAME}/streams/{attempt}.log", text.encode())


def test_refused_writes_are_told_by_status_log_and_reason() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=900, stops_after=0, code=1)}, plan=CONFINED)
    play.up()
    said(
        play,
        "touch: cannot touch '/etc/x': Permission denied\nsh: 1: cannot create /plans/out/w0/y: Permission denied\n",
    )

    told = envelope(status(play.stage.world(), NAME, recorded=False))["workers"][0]
    done = play.go(minutes=40)

    assert ("/etc/x",) == told["refused"]
    looks = [s.refused for e in play.events if isinstance(e.data, Looked) for s in e.data.observations]
    assert ("/etc/x",) in looks
    exits = [event.data.why for event in play.events if isinstance(event.data, Exited)]
    assert exits[0].endswith("exit status 1; may not write to /etc/x, its output says")
    assert done.workers["w0"].attempt > 1 or len(exits) > 1


def test_refusals_add_up_over_looks_and_begin_anew_with_an_attempt() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)}, plan=CONFINED)
    play.up()
    world = play.stage.world
    for path in ("/etc/a", "/etc/b"):
        said(play, f"touch: cannot touch '{path}': Permission denied\n")
        play.stage.clock.advance(60)
        check(world(), NAME)

    assert ("/etc/a", "/etc/b") == envelope(status(world(), NAME, recorded=True))["workers"][0]["refused"]


def test_what_would_be_refused_without_a_confinement_too_is_none() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)}, plan=CONFINED)
    play.up()
    play.stage.files.closed.add("/etc/shadow")
    said(play, "cat: /etc/shadow: Permission denied\n")

    assert "refused" not in envelope(status(play.stage.world(), NAME, recorded=False))["workers"][0]


def test_an_unconfined_worker_is_refused_nothing() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True, stops_after=0)})
    play.up()
    said(play, "cat: /etc/x: Permission denied\n")

    assert "refused" not in envelope(status(play.stage.world(), NAME, recorded=False))["workers"][0]
    assert [] == [event for event in play.events if isinstance(event.data, Conflicted)]
