"""Where a worker works, by the kind of its workspace: paths in, places out."""

from __future__ import annotations

import pytest

from wakeman.core.model import (
    Deployment,
    Host,
    Plan,
    Repository,
    Unit,
    UnitsSpec,
    UnitState,
    WorkersSpec,
    WorkerState,
    WorkspaceKind,
)
from wakeman.core.policy.review import reviewing
from wakeman.engine.workspace import Workspace, workspace

ROOT, DIRECTORY = "/repo/plans", "/repo/plans/state/n"
SPECS: dict[WorkspaceKind, WorkersSpec] = {
    "in place": WorkersSpec(),
    "staged": WorkersSpec(stage=True),
    "worktree": WorkersSpec(isolate="worktree"),
}
STAGE, TREE = f"{DIRECTORY}/attempts/w.2/stage", f"{DIRECTORY}/trees/w"
UNIT = Unit(name="u", outputs=("out/u", "/elsewhere/u"), input="in/u")


def deployment(kind: WorkspaceKind) -> Deployment:
    repository = Repository(git="git", top="/repo", common="/repo/.git", base="c0", prefix="plans")
    host = Host(root=ROOT, directory=DIRECTORY, place={"socket": "", "tmux": ""}, python=())
    plan = Plan(name="n", units=UnitsSpec(), workers=SPECS[kind])
    worker = WorkerState(name="w", session="w", attempt=2, units=["u"])
    if kind == "worktree":
        host = Host(root=ROOT, directory=DIRECTORY, place={"socket": "", "tmux": ""}, python=(), repository=repository)
    return Deployment(
        name="n",
        plan=plan,
        reviewing=reviewing(plan),
        host=host,
        units={"u": UnitState(unit=UNIT, worker="w")},
        workers={"w": worker},
    )


def space(kind: WorkspaceKind) -> Workspace:
    d = deployment(kind)
    return workspace(d, d.workers["w"])


@pytest.mark.parametrize(
    ("kind", "home", "root"),
    [("in place", ROOT, ""), ("staged", ROOT, STAGE), ("worktree", f"{TREE}/plans", TREE)],
)
def test_a_worker_works_in_the_plans_directory_or_in_its_like_in_the_tree(
    kind: WorkspaceKind, home: str, root: str
) -> None:
    assert (home, root) == (space(kind).home(), space(kind).root())


@pytest.mark.parametrize(
    ("kind", "path", "source", "output"),
    [
        ("in place", "a/b", f"{ROOT}/a/b", f"{ROOT}/a/b"),
        ("staged", "a/b", f"{ROOT}/a/b", f"{STAGE}/a/b"),
        ("staged", "/other/b", "/other/b", f"{STAGE}/%2F/other/b"),
        ("worktree", "a/b", f"{TREE}/plans/a/b", f"{TREE}/plans/a/b"),
        ("worktree", "/repo/b", f"{TREE}/b", f"{TREE}/b"),
        ("worktree", "/other/b", "/other/b", "/other/b"),
    ],
)
def test_a_path_is_read_where_the_worker_finds_it_and_written_where_its_attempt_makes_it(
    kind: WorkspaceKind, path: str, source: str, output: str
) -> None:
    assert (source, output) == (space(kind).source(path), space(kind).output(path))


@pytest.mark.parametrize(
    ("kind", "outputs"),
    [
        ("in place", UNIT.outputs),
        ("staged", (f"{STAGE}/out/u", f"{STAGE}/%2F/elsewhere/u")),
        ("worktree", ("out/u", "/elsewhere/u")),
    ],
)
def test_a_worker_is_told_of_its_stage_and_else_of_the_plans_own_paths(
    kind: WorkspaceKind, outputs: tuple[str, ...]
) -> None:
    told = space(kind).for_worker(UNIT)

    assert (outputs, "in/u") == (told.outputs, told.input)


@pytest.mark.parametrize(("kind", "staged"), [("in place", [False]), ("staged", [False, True]), ("worktree", [True])])
def test_files_are_judged_in_their_place_in_the_stage_too_or_in_the_tree_alone(
    kind: WorkspaceKind, staged: list[bool]
) -> None:
    d = deployment(kind)
    places = workspace(d, d.workers["w"]).places(d.units["u"])

    assert staged == [place.staged for place in places]
    assert [place.outputs["out/u"] for place in places][-1] == space(kind).output("out/u")


@pytest.mark.parametrize("kind", SPECS)
def test_a_reviewer_works_in_place(kind: WorkspaceKind) -> None:
    d = deployment(kind)
    reviewer = WorkerState(name="r", session="r", review=1)

    assert f"{ROOT}/x" == workspace(d, reviewer).output("x")
