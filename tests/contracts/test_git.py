"""What `ports.Git` promises, of the repository in memory and of a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from wakeman.adapters.disk import Disk
from wakeman.adapters.git import LocalGit
from wakeman.adapters.machine import LocalMachine
from wakeman.adapters.memory import MemoryClock, MemoryFiles, MemoryGit
from wakeman.core.errors import ProgramError, UnknownRevisionError, UsageError
from wakeman.core.model import Repository
from wakeman.ports import Files, Git

START = {"docs/a.md": b"a\n", "docs/b.md": b"b\n", ".gitignore": b"*.log\n"}
BRANCH = "wakeman/night/w0"


class Place:
    """A repository of START, and what a person does in it; the same words for both kinds."""

    def __init__(self, kind: str, place: Path) -> None:
        self.top, self.tree = str(place / "repo"), str(place / "state" / "trees" / "w0")
        self.real = kind == "real"
        self.files: Files = Disk() if self.real else MemoryFiles(MemoryClock())
        for path, data in START.items():
            self.files.write(f"{self.top}/{path}", data)
        self.git: Git
        self.memory = MemoryGit(self.files if isinstance(self.files, MemoryFiles) else MemoryFiles(MemoryClock()))
        if not self.real:
            self.memory.init(self.top)
            self.memory.ignore = ("*.log",)
            self.git = self.memory
            return
        self.run("init", "-q", "-b", "main")
        self.run("add", ".")
        self.run("commit", "-qm", "begin")
        self.git = LocalGit(LocalMachine(), clean())

    def run(self, *words: str, cwd: str = "") -> str:
        who = ("-c", "user.name=Person", "-c", "user.email=person@localhost")
        argv = ["git", *who, *words]
        return subprocess.run(argv, cwd=cwd or self.top, env=clean(), check=True, capture_output=True, text=True).stdout

    def commit(self, path: str, data: bytes) -> None:
        """Commit a file on `main`, where the user works."""
        self.files.write(f"{self.top}/{path}", data)
        if self.real:
            self.run("add", path)
            self.run("commit", "-qm", path)
        else:
            old = self.memory.refs["main"]
            self.memory.refs["main"] = self.memory._commit({**self.memory.commits[old][0], path: data}, (old,))

    def branch(self, name: str) -> None:
        """Make a branch of `main` that nobody has checked out."""
        if self.real:
            self.run("branch", name)
        else:
            self.memory.refs[name] = self.memory.refs["main"]

    def read(self, branch: str, path: str) -> bytes | None:
        """Return a file as a branch has it."""
        if not self.real:
            return self.memory.commits[self.memory.refs[branch]][0].get(path)
        ran = subprocess.run(["git", "show", f"{branch}:{path}"], cwd=self.top, env=clean(), capture_output=True)
        return ran.stdout if ran.returncode == 0 else None

    def plant(self, repository: Repository, tree: str = "", branch: str = BRANCH) -> str:
        """Plant a tree and fill it, as a worker's session does."""
        fill = self.git.plant(repository, tree or self.tree, branch)
        if self.real:
            subprocess.run(fill, env=clean(), check=True)
        return tree or self.tree


def clean() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture(
    params=[
        "memory",
        pytest.param(
            "real",
            marks=[pytest.mark.real, pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")],
        ),
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(request.param, tmp_path.resolve())


@pytest.fixture
def repository(place: Place) -> Repository:
    return place.git.survey(place.top, "HEAD")


def keep(place: Place, repository: Repository, *paths: str, tree: str = "", branch: str = BRANCH) -> str:
    return place.git.keep(repository, tree or place.tree, branch, paths, (), "w0", "made\n").commit


# Finding it


def test_a_repository_is_found_from_a_directory_in_it(place: Place) -> None:
    top, below = place.git.survey(place.top, "HEAD"), place.git.survey(f"{place.top}/docs", "main")

    assert (place.top, "", "refs/heads/main") == (top.top, top.prefix, top.branch)
    assert (place.top, "docs", "refs/heads/main") == (below.top, below.prefix, below.branch)
    assert top.base == below.base


def test_a_commit_is_no_branch(place: Place, repository: Repository) -> None:
    assert "" == place.git.survey(place.top, repository.base).branch


def test_a_directory_without_one_and_a_name_without_a_commit_are_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="no git work tree"):
        place.git.survey("/", "HEAD")
    with pytest.raises(UnknownRevisionError, match="no commit"):
        place.git.survey(place.top, "nowhere")


def test_what_a_tree_would_lack_or_have_otherwise_is_told(place: Place, repository: Repository) -> None:
    place.files.write(f"{place.top}/docs/a.md", b"changed\n")
    place.files.write(f"{place.top}/docs/new.md", b"new\n")

    unfit = place.git.unfit(repository, ["docs/a.md", "docs/b.md", "docs/new.md"])

    assert {"docs/a.md": "differs here", "docs/new.md": "is not in"} == {
        path: why.partition(" from")[0].partition(" the commit")[0] for path, why in unfit.items()
    }


def test_what_git_ignores_is_told(place: Place, repository: Repository) -> None:
    assert {"out.log"} == place.git.ignored(repository, ["out.log", "out.txt"])
    assert [] == place.git.modules(repository)


# A tree


def test_a_tree_has_the_base_commit_and_a_branch_of_its_own(place: Place, repository: Repository) -> None:
    place.commit("docs/later.md", b"later\n")

    tree = place.plant(repository)

    assert b"a\n" == place.files.read(f"{tree}/docs/a.md")
    assert "later.md" not in place.files.names(f"{tree}/docs")
    branches = place.git.branches(repository)
    assert (repository.base, tree) == (branches[BRANCH].commit, branches[BRANCH].tree)
    assert place.top == branches["main"].tree


def test_to_plant_again_adopts_the_tree_with_what_is_in_it(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    place.files.write(f"{tree}/docs/mine.md", b"mine\n")

    place.git.plant(repository, tree, BRANCH)

    assert b"mine\n" == place.files.read(f"{tree}/docs/mine.md")


def test_something_else_in_its_place_is_refused(place: Place, repository: Repository) -> None:
    place.files.write(f"{place.tree}/somebodys", b"own\n")

    with pytest.raises(ProgramError, match="already exists"):
        place.git.plant(repository, place.tree, BRANCH)


# Keeping


def test_what_is_kept_is_on_the_branch_and_nothing_else_is(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    place.files.write(f"{tree}/out/a", b"made\n")
    place.files.write(f"{tree}/docs/a.md", b"scribbled\n")

    commit = keep(place, repository, "out/a")

    assert (b"made\n", b"a\n") == (place.read(BRANCH, "out/a"), place.read(BRANCH, "docs/a.md"))
    assert commit == place.git.branches(repository)[BRANCH].commit
    assert repository.base == place.git.branches(repository)["main"].commit
    assert None is place.read("main", "out/a")


def test_what_was_kept_before_stays_on_the_branch(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    for path in ("out/a", "out/b"):
        place.files.write(f"{tree}/{path}", b"made\n")
        keep(place, repository, path)

    assert [b"made\n", b"made\n"] == [place.read(BRANCH, path) for path in ("out/a", "out/b")]


def test_to_keep_twice_makes_one_commit(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    place.files.write(f"{tree}/out/a", b"made\n")
    first = place.git.keep(repository, tree, BRANCH, ["out/a"], (), "w0", "made\n")

    again = place.git.keep(repository, tree, BRANCH, ["out/a"], (), "w0", "made\n")

    assert (True, False, first.commit) == (first.made, again.made, again.commit)


def test_what_is_as_in_the_base_is_told(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    place.files.write(f"{tree}/docs/b.md", b"other\n")

    kept = place.git.keep(repository, tree, BRANCH, ["docs/a.md", "docs/b.md"], (), "w0", "made\n")

    assert ("docs/a.md",) == kept.unchanged


def test_without_a_message_nothing_is_committed(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    place.files.write(f"{tree}/out/a", b"made\n")

    kept = place.git.keep(repository, tree, BRANCH, ["out/a"], (), "w0", "")

    assert (("out/a",), False, repository.base) == (kept.loose, kept.made, kept.commit)
    assert None is place.read(BRANCH, "out/a")


def test_claims_take_along_what_was_changed_in_them(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    for path in ("out/a", "src/deep/x", "src/y.log", "other/z"):
        place.files.write(f"{tree}/{path}", b"made\n")

    place.git.keep(repository, tree, BRANCH, ["out/a"], ["src/**"], "w0", "made\n")

    assert [b"made\n", b"made\n", None, None] == [
        place.read(BRANCH, path) for path in ("out/a", "src/deep/x", "src/y.log", "other/z")
    ]


def test_nothing_is_kept_of_a_tree_that_is_none(place: Place, repository: Repository) -> None:
    with pytest.raises(ProgramError, match="no work tree"):
        keep(place, repository, "out/a")


# Merging


def made(place: Place, repository: Repository, worker: str, path: str, data: bytes) -> str:
    tree, branch = (
        place.plant(repository, f"{place.tree}.{worker}", f"wakeman/night/{worker}"),
        f"wakeman/night/{worker}",
    )
    place.files.write(f"{tree}/{path}", data)
    keep(place, repository, path, tree=tree, branch=branch)
    return branch


def test_branches_are_merged_in_order_into_one_that_is_made(place: Place, repository: Repository) -> None:
    branches = [made(place, repository, f"w{n}", f"out/{n}", b"made\n") for n in range(3)]
    place.commit("docs/later.md", b"later\n")

    merged = place.git.merge(repository, branches, "merged", dry=False)

    assert ["merged"] * 3 == [each.state for each in merged.branches]
    assert [b"made\n"] * 3 == [place.read("merged", f"out/{n}") for n in range(3)]
    assert b"later\n" == place.read("merged", "docs/later.md")
    assert merged.commit == place.git.branches(repository)["merged"].commit
    assert None is place.read("main", "out/0")


def test_to_merge_again_finds_all_contained(place: Place, repository: Repository) -> None:
    branches = [made(place, repository, "w0", "out/0", b"made\n")]
    first = place.git.merge(repository, branches, "merged", dry=False)

    again = place.git.merge(repository, branches, "merged", dry=False)

    assert (["contained"], first.commit) == ([each.state for each in again.branches], again.commit)


def test_a_branch_in_conflict_is_left_out_and_its_files_named(place: Place, repository: Repository) -> None:
    branches = [made(place, repository, f"w{n}", "docs/a.md", f"by {n}\n".encode()) for n in range(2)]
    branches.append(made(place, repository, "w2", "out/2", b"made\n"))

    merged = place.git.merge(repository, branches, "merged", dry=False)

    assert [("merged", ()), ("conflict", ("docs/a.md",)), ("merged", ())] == [
        (each.state, each.files) for each in merged.branches
    ]
    assert (b"by 0\n", b"made\n") == (place.read("merged", "docs/a.md"), place.read("merged", "out/2"))
    assert b"by 1\n" == place.read("wakeman/night/w1", "docs/a.md")


def test_a_dry_merge_moves_no_branch(place: Place, repository: Repository) -> None:
    branches = [made(place, repository, "w0", "out/0", b"made\n")]

    merged = place.git.merge(repository, branches, "merged", dry=True)

    assert ["merged"] == [each.state for each in merged.branches]
    assert "merged" not in place.git.branches(repository)


def test_a_branch_that_somebody_has_checked_out_is_not_moved(place: Place, repository: Repository) -> None:
    branches = [made(place, repository, "w0", "out/0", b"made\n")]

    with pytest.raises(UsageError, match="checked out") as refused:
        place.git.merge(repository, branches, "main", dry=False)

    assert f"git -C {place.top} merge wakeman/night/w0" == refused.value.hint
    assert repository.base == place.git.branches(repository)["main"].commit


def test_a_branch_nobody_has_checked_out_is_merged_into(place: Place, repository: Repository) -> None:
    place.branch("next")
    branches = [made(place, repository, "w0", "out/0", b"made\n"), "wakeman/night/none"]

    merged = place.git.merge(repository, branches, "next", dry=False)

    assert ["merged", "gone"] == [each.state for each in merged.branches]
    assert b"made\n" == place.read("next", "out/0")


# Clearing away


def test_a_tree_goes_once_its_branch_is_merged_and_the_branch_stays(place: Place, repository: Repository) -> None:
    branch = made(place, repository, "w0", "out/0", b"made\n")
    tree = f"{place.tree}.w0"
    before = place.git.uproot(repository, tree, branch, ["merged"])
    place.git.merge(repository, [branch], "merged", dry=False)

    after = place.git.uproot(repository, tree, branch, ["merged"])

    assert (f"{branch} is not merged", "") == (before, after)
    assert [] == place.files.names(tree)
    assert "" == place.git.branches(repository)[branch].tree
    assert "" == place.git.uproot(repository, tree, branch, ["merged"])


def test_a_tree_with_changes_stays(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    place.files.write(f"{tree}/notes", b"not committed\n")

    assert "it holds changes that are not committed" == place.git.uproot(repository, tree, BRANCH, [])


def test_a_tree_that_was_moved_is_followed(place: Place, repository: Repository) -> None:
    tree = place.plant(repository)
    target = f"{place.top}-trash/trees/w0"
    if place.real:
        shutil.move(tree, target)
    else:
        place.files.make(target)

    place.git.follow(repository, [target])

    assert target == place.git.branches(repository)[BRANCH].tree


def test_a_branch_goes_once_it_is_merged_and_no_tree_has_it(place: Place, repository: Repository) -> None:
    branch = made(place, repository, "w0", "out/0", b"made\n")
    said = [place.git.drop(repository, branch, ["merged"])]
    place.git.uproot(repository, f"{place.tree}.w0", branch, [branch])

    said.append(place.git.drop(repository, branch, ["merged"]))
    place.git.merge(repository, [branch], "merged", dry=False)
    said.append(place.git.drop(repository, branch, ["merged"]))

    assert "it is checked out in" in said[0]
    assert ["it is not merged", ""] == said[1:]
    assert branch not in place.git.branches(repository)
    assert b"made\n" == place.read("merged", "out/0")
    assert "" == place.git.drop(repository, branch, [])
