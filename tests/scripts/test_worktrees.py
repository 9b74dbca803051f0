"""Deployments in which each worker has a git work tree of its own: what passes is committed to its branch."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.core.errors import PlanError, ProgramError, UsageError
from wakeman.core.log.events import Noted
from wakeman.core.model import Repository
from wakeman.core.names import mergeable
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.engine.start.deploy import amend, up
from wakeman.engine.start.prepare import prepare_plan
from wakeman.engine.workspace import repository
from wakeman.ports import Kept

TREE = f"/state/{NAME}/trees/w0"


def isolated(crew: int = 1, each: int = 1, **more: dict[str, object]) -> Play:
    tables: dict[str, dict[str, object]] = {"workers": {"isolate": "worktree"}}
    for table, keys in more.items():
        tables[table] = {**tables.get(table, {}), **keys}
    play = Play(workers=crew, units=each, plan=tables)
    play.stage.files.write("/plans/README", b"a repository")
    play.stage.git.init("/plans")
    return play


def read(play: Play, branch: str, path: str) -> bytes | None:
    git = play.stage.git
    return git.commits[git.refs[branch]][0].get(path)


def faults(play: Play) -> list[str]:
    with pytest.raises(PlanError) as refused:
        play.up()
    return list(refused.value.problems)


# The course of a night


def test_a_night_with_trees_ends_with_every_output_on_its_workers_branch_and_none_in_the_users_tree() -> None:
    play = isolated(crew=2, each=2)
    base = play.stage.git.refs["main"]

    d = play.run()

    assert "complete" == d.outcome
    assert all(read(play, f"wakeman/{NAME}/w{w}", f"out/w{w}/u{u}.json") for w in range(2) for u in range(2))
    assert [] == [path for path in play.stage.files.held if path.startswith("/plans/out")]
    assert base == play.stage.git.refs["main"]
    assert [4, 2] == [len(play.intents("commit")), len(play.stage.git.trees)]


def test_what_passes_is_committed_and_nothing_else() -> None:
    play = isolated()
    play.up()
    play.stage.files.write(f"{TREE}/README", b"scribbled over")
    play.stage.files.write(f"{TREE}/notes", b"scratch")

    play.go()

    assert b"a repository" == read(play, f"wakeman/{NAME}/w0", "README")
    assert None is read(play, f"wakeman/{NAME}/w0", "notes")


def test_a_failing_output_is_not_committed_and_a_cleanup_worker_begins_at_the_base() -> None:
    play = isolated(verify={"min_bytes": 10})
    play.stage.acts["w0"] = Act(content=b"short")

    d = play.run()

    assert "complete" == d.outcome
    assert None is read(play, f"wakeman/{NAME}/w0", "out/w0/u0.json")
    assert read(play, f"wakeman/{NAME}/w0_c1", "out/w0/u0.json")
    assert b"short" == play.stage.files.read(f"{TREE}/out/w0/u0.json")
    assert [f"wakeman/{NAME}/w0_c1"] == mergeable(d)


def test_the_next_attempt_goes_on_in_the_same_tree() -> None:
    play = isolated(each=2)
    play.stage.acts["w0"] = Act(stops_after=1, code=1)
    play.up()
    play.go(minutes=1)
    play.stage.acts["w0"] = Act()

    d = play.go()

    assert ("complete", 2) == (d.outcome, d.workers["w0"].attempt)
    assert {TREE} == set(play.stage.git.trees)
    assert all(read(play, f"wakeman/{NAME}/w0", f"out/w0/u{u}.json") for u in range(2))


def test_a_file_that_is_as_in_the_base_is_not_done() -> None:
    play = isolated(cleanup={"rounds": 0})
    play.stage.files.write("/plans/out/w0/u0.json", b"the same")
    play.stage.git.init("/plans")
    play.stage.acts["w0"] = Act(content=b"the same")

    d = play.run()

    unit = d.units["w0/u0"]
    assert "partial" == d.outcome
    assert unit.staged is not None
    assert ("out/w0/u0.json: as in the base commit, expected it to be changed",) == unit.staged.problems


def test_without_commit_what_a_worker_left_uncommitted_is_not_done() -> None:
    play = isolated(workers={"isolate": "worktree", "commit": False}, cleanup={"rounds": 0})

    d = play.run()

    unit = d.units["w0/u0"]
    assert "partial" == d.outcome
    assert unit.staged is not None
    assert (f"out/w0/u0.json: passes, and is not committed on wakeman/{NAME}/w0",) == unit.staged.problems


def test_what_was_never_made_is_told_as_missing() -> None:
    play = isolated(cleanup={"rounds": 0}, stuck={"attempts": 1})
    play.stage.acts["w0"] = Act(stops_after=0)

    unit = play.run().units["w0/u0"]

    assert unit.staged is not None
    assert ("out/w0/u0.json: missing",) == unit.staged.problems


def test_a_verify_command_runs_in_the_tree() -> None:
    play = isolated(verify={"command": ["judge", "{{ output }}"]})

    assert "complete" == play.run().outcome
    assert [("judge", "out/w0/u0.json")] == [argv for argv in play.stage.machine.ran if argv[0] == "judge"]


def test_the_setup_is_a_script_of_the_first_attempt() -> None:
    play = isolated(workers={"isolate": "worktree", "setup": [["cp", "a b", "{{ worker }}.env"]]})
    play.up()
    script = play.stage.files.read(f"/state/{NAME}/attempts/w0.1/setup").decode()

    assert ["set -e", "git reset --hard", f"cd {TREE}", "cp 'a b' w0.env", f": >{TREE}.ready"] == script.splitlines()


def test_a_tree_that_was_set_up_is_not_set_up_again() -> None:
    play = isolated(each=2)
    play.stage.acts["w0"] = Act(stops_after=1, code=1)
    play.up()
    play.stage.files.write(f"{TREE}.ready", b"")

    assert 2 == play.go().workers["w0"].attempt
    assert ["setup"] == [
        name for n in (1, 2) for name in play.stage.files.names(f"/state/{NAME}/attempts/w0.{n}") if name == "setup"
    ]


def test_a_plan_below_the_top_has_its_like_in_the_tree() -> None:
    play = isolated()
    play.stage.files.write("/repo/plans/README", b"below")
    play.stage.git.commits.clear()
    play.stage.git.init("/repo")
    world = play.stage.world("up:1")

    d = up(world, prepare_plan(world, play.text(), "plan.json", "/repo/plans"))

    assert f"{TREE}/plans" == play.stage.sessions.playing["w0"].start.cwd
    assert "plans" == (d.host.repository or Repository("", "", "", "")).prefix
    assert "complete" == play.go().outcome
    assert read(play, f"wakeman/{NAME}/w0", "plans/out/w0/u0.json")


def test_a_commit_that_a_crash_kept_from_the_log_is_found_by_the_next_check(monkeypatch: pytest.MonkeyPatch) -> None:
    play = isolated()
    play.up()
    keep = play.stage.git.keep

    def crashed(
        repository: Repository,
        tree: str,
        branch: str,
        paths: Sequence[str],
        claims: Sequence[str],
        author: str,
        message: str,
    ) -> Kept:
        keep(repository, tree, branch, paths, claims, author, message)
        raise KeyboardInterrupt

    monkeypatch.setattr(play.stage.git, "keep", crashed)
    with pytest.raises(KeyboardInterrupt):
        play.go()
    monkeypatch.setattr(play.stage.git, "keep", keep)
    tip = play.stage.git.refs[f"wakeman/{NAME}/w0"]

    assert "complete" == play.go().outcome
    assert tip == play.stage.git.refs[f"wakeman/{NAME}/w0"]


def test_what_git_refuses_waits_asks_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    play = isolated()
    play.up()
    keep = play.stage.git.keep

    def refused(*_: object) -> Kept:
        raise ProgramError("git write-tree: no space")

    monkeypatch.setattr(play.stage.git, "keep", refused)
    d = play.go(minutes=30)
    monkeypatch.setattr(play.stage.git, "keep", keep)

    assert "open" == d.outcome
    assert ["not taken over: w0/u0: git write-tree: no space"] == [
        event.data.text for event in play.events if isinstance(event.data, Noted)
    ]
    assert "complete" == play.go().outcome


def test_a_tree_that_cannot_be_made_is_a_launch_that_failed() -> None:
    play = isolated(cleanup={"rounds": 0}, stuck={"attempts": 1})
    play.cut_short()
    play.stage.files.write(f"{TREE}/somebodys", b"own")

    d = play.run()

    assert "already exists" in d.workers["w0"].why


# What is refused before


def test_a_plan_outside_a_repository_is_refused() -> None:
    play = isolated()
    play.stage.git.top = ""

    assert ["workers.isolate: /plans is in no git work tree"] == [text.partition(";")[0][13:] for text in faults(play)]


def test_a_base_that_is_no_commit_is_refused() -> None:
    (fault,) = faults(isolated(workers={"isolate": "worktree", "base": "nowhere"}))

    assert "workers.base: found 'nowhere', which is no commit here" in fault


def test_the_key_that_is_named_depends_on_the_fault_and_not_on_its_words() -> None:
    play = isolated()

    with pytest.raises(PlanError) as refused:
        prepare_plan(play.stage.world(), play.text(), "plan.json", "/no commit")

    assert ["workers.isolate: /no commit is in no git work tree"] == [
        text.partition(";")[0].partition(": ")[2] for text in refused.value.problems
    ]


def test_inputs_that_a_tree_would_lack_are_named() -> None:
    items = [{"unit": "a", "input": "a.md"}, {"unit": "b", "input": "/elsewhere/b.md"}]
    play = isolated(units={"items": items}, workers={"isolate": "worktree", "by": "{{ unit }}"})
    play.stage.files.write("/plans/a.md", b"not committed")

    (fault,) = faults(play)

    assert "unit 'a': its input 'a.md' is not in the commit" in fault


def test_outputs_that_git_ignores_or_that_lie_outside_are_refused() -> None:
    ignored = isolated()
    ignored.stage.git.ignore = ("out/*",)
    outside = isolated(units={"output": "/elsewhere/{{ unit }}"})

    assert "git ignores 'out/w0/u0.json'" in faults(ignored)[0]
    assert "found '/elsewhere/w0/u0', outside the repository /plans" in faults(outside)[0]


def test_many_faults_of_a_kind_are_counted() -> None:
    play = isolated(units={"items": [{"unit": f"u{n}", "input": f"{n}.md", "key": "k"} for n in range(30)]})

    told = faults(play)

    assert 21 == len(told)
    assert told[-1].endswith("units: and 10 more of these")


@pytest.mark.parametrize("there", ["wakeman", f"wakeman/{NAME}"])
def test_a_branch_above_those_of_the_workers_is_refused(there: str) -> None:
    play = isolated()
    play.stage.git.refs[there] = play.stage.git.refs["main"]

    assert f"branch {there!r} already exists" in faults(play)[0]


@pytest.mark.parametrize(
    "there",
    [f"wakeman/{NAME}/{each}" for each in ("w0", "w0/x", "w0/a/b", "w0_c1", "w9")]
    + [f"wakeman/{NAME}.merged", f"wakeman/{NAME}.merged/x"],
)
def test_a_run_whose_branches_are_there_takes_the_next_name(there: str) -> None:
    play = isolated()
    kept = play.stage.git.refs[there] = play.stage.git.refs["main"]

    assert f"{NAME}.2" == play.up().name
    assert kept == play.stage.git.refs[there]
    assert f"wakeman/{NAME}.2/w0" in play.stage.git.refs


@pytest.mark.parametrize("there", ["wakeman/other/w0", f"wakeman/{NAME}x/w0", f"{NAME}/w0", f"wakeman/{NAME}.mergedx"])
def test_branches_of_others_are_in_nobody_s_way(there: str) -> None:
    play = isolated()
    play.stage.git.refs[there] = play.stage.git.refs["main"]

    assert NAME == play.up().name


def test_the_branch_in_the_way_is_told() -> None:
    there = f"wakeman/{NAME}/w0/x"
    play = isolated()
    play.stage.git.refs[there] = play.stage.git.refs["main"]

    (note,) = prepare_plan(play.stage.world(), play.text(), "plan.json", "/plans").notes

    assert note.startswith(f"this run is {NAME}.2, as branch {there!r} is there; ")


def test_submodules_are_noted_and_keep_nobody() -> None:
    play = isolated()
    play.stage.git.submodules = ("vendor/lib",)
    world = play.stage.world()

    prepared = prepare_plan(world, play.text(), "plan.json", "/plans")

    assert "vendor/lib" in prepared.notes[0]


def test_a_launcher_of_ones_own_has_no_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    play = isolated()
    monkeypatch.setattr(play.stage.harness, "adopts", True)

    assert "found with a launcher of your own" in faults(play)[0]


def test_up_goes_on_with_an_open_deployment_though_its_branches_are_there() -> None:
    play = isolated()
    play.up()

    play.up()

    assert "complete" == play.go().outcome


def test_the_next_run_has_branches_of_its_own() -> None:
    play = isolated()
    play.run()
    world = play.stage.world("up:2")

    up(world, prepare_plan(world, play.text(), "plan.json", "/plans"))

    assert f"wakeman/{NAME}.2/w0" in play.stage.git.refs


def test_isolation_cannot_be_amended() -> None:
    play = isolated()
    play.up()
    world = play.stage.world()
    text = play.text().replace('"isolate":"worktree"', '"isolate":"none"')

    with pytest.raises(UsageError, match="isolate"):
        amend(world, NAME, prepare_plan(world, text, "plan.json", "/plans"))


# Merging and clearing away


def test_a_merge_takes_the_branches_of_those_who_are_done_and_is_recorded() -> None:
    play = isolated(crew=2)
    play.run()

    merged = repository.merge(play.stage.world(), NAME)

    assert (f"wakeman/{NAME}.merged", ["merged", "merged"]) == (merged.into, [each.state for each in merged.branches])
    assert all(read(play, merged.into, f"out/w{w}/u0.json") for w in range(2))
    assert f"merged wakeman/{NAME}/w0" in [e.data.text for e in play.events if isinstance(e.data, Noted)][-1]


def test_a_dry_merge_records_nothing() -> None:
    play = isolated()
    play.run()
    before = len(play.events)

    repository.merge(play.stage.world(), NAME, dry=True)

    assert before == len(play.events)
    assert f"wakeman/{NAME}.merged" not in play.stage.git.refs


def test_there_is_nothing_to_merge_without_trees() -> None:
    play = Play()
    play.run()

    with pytest.raises(UsageError, match="no work trees"):
        repository.merge(play.stage.world(), NAME)


def test_trees_of_what_is_merged_are_removed_and_others_left() -> None:
    play = isolated(crew=2)
    play.run()
    world = play.stage.world()
    before = repository.clear(world, play.deployment)
    repository.merge(world, NAME)
    play.stage.files.write(f"{TREE}/notes", b"scratch")

    after = repository.clear(world, play.deployment)

    assert [f"wakeman/{NAME}/w{w} is not merged" for w in range(2)] == list(before.values())
    assert {TREE: "it holds changes that are not committed"} == after
    assert {f"wakeman/{NAME}/w0", f"wakeman/{NAME}/w1"} < play.stage.git.refs.keys()


def test_the_wrap_up_names_the_command_that_merges() -> None:
    play = isolated()
    play.run()

    assert f"Next: wakeman merge {NAME}." in play.told()[-1]


def test_a_person_can_reject_what_is_on_a_branch() -> None:
    play = isolated(crew=2)
    play.stage.acts["w1"] = Act(seconds=3000)
    play.up()
    play.go(minutes=10)

    requests.judge(play.stage.world(), NAME, "reject", ("w0/u0",), "wrong colour")
    check(play.stage.world(), NAME)

    assert "complete" == play.go().outcome
    assert read(play, f"wakeman/{NAME}/w0_c1", "out/w0/u0.json")
