"""What is peculiar to the git program: its hooks, its locks, its files that a worker can change."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.contracts.test_git import BRANCH, Place, clean

from wakeman.adapters.git import LocalGit
from wakeman.adapters.machine import LocalMachine
from wakeman.core.errors import ProgramError
from wakeman.core.model import Repository

pytestmark = [pytest.mark.real, pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("real", tmp_path.resolve())


@pytest.fixture
def repository(place: Place) -> Repository:
    return place.git.survey(place.top, "HEAD")


def keep(place: Place, repository: Repository, path: str) -> str:
    place.files.write(f"{place.tree}/{path}", b"made\n")
    return place.git.keep(repository, place.tree, BRANCH, [path], (), "w0", "made\n").commit


def test_without_git_the_command_that_installs_it_is_told(place: Place) -> None:
    with pytest.raises(ProgramError, match="not found") as refused:
        LocalGit(LocalMachine(), {"PATH": "/nonexistent"}).survey(place.top, "HEAD")

    assert "apt-get install git" in refused.value.hint


def test_a_git_that_is_too_old_is_refused(place: Place, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho git version 2.30.1\n")
    old.chmod(0o755)

    with pytest.raises(ProgramError, match=r"found version 2\.30\.1, expected 2\.38 or later"):
        LocalGit(LocalMachine(), {"PATH": f"{old.parent}:/usr/bin:/bin"}).survey(place.top, "HEAD")


def test_submodules_are_listed(place: Place) -> None:
    place.commit(".gitmodules", b'[submodule "lib"]\n\tpath = vendor/lib\n\turl = ../lib\n')

    assert ["vendor/lib"] == place.git.modules(place.git.survey(place.top, "HEAD"))


def test_names_that_look_like_patterns_are_names(place: Place, repository: Repository) -> None:
    place.plant(repository)
    place.files.write(f"{place.tree}/outa", b"another\n")

    keep(place, repository, "out[a]")
    keep(place, repository, ":(top)x")

    assert [b"made\n", b"made\n", None] == [place.read(BRANCH, name) for name in ("out[a]", ":(top)x", "outa")]


def test_a_worker_cannot_lead_git_elsewhere(place: Place, repository: Repository, tmp_path: Path) -> None:
    place.plant(repository)
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], env=clean(), check=True)
    (Path(place.tree) / ".git").write_text(f"gitdir: {other}/.git\n")

    keep(place, repository, "out")

    assert b"made\n" == place.read(BRANCH, "out")


def test_a_worker_in_the_midst_of_a_merge_and_a_lock_left_behind_hold_nothing_up(
    place: Place, repository: Repository
) -> None:
    place.plant(repository)
    place.run("checkout", "-q", "-b", "side", cwd=place.tree)
    place.files.write(f"{place.tree}/docs/a.md", b"side\n")
    place.run("commit", "-qam", "side", cwd=place.tree)
    place.run("checkout", "-q", BRANCH, cwd=place.tree)
    place.files.write(f"{place.tree}/docs/a.md", b"ours\n")
    place.run("commit", "-qam", "ours", cwd=place.tree)
    subprocess.run(["git", "merge", "-q", "side"], cwd=place.tree, env=clean(), capture_output=True)
    admin = place.run("rev-parse", "--absolute-git-dir", cwd=place.tree).strip()
    Path(admin, "index.lock").touch()

    keep(place, repository, "out")

    assert (b"made\n", b"ours\n") == (place.read(BRANCH, "out"), place.read(BRANCH, "docs/a.md"))


def test_a_branch_that_moves_meanwhile_is_not_set_back(place: Place, repository: Repository) -> None:
    place.plant(repository)
    first = keep(place, repository, "out")
    place.run("commit", "-q", "--allow-empty", "-m", "own", cwd=place.tree)

    keep(place, repository, "more")

    assert first in place.run("log", "--format=%H", BRANCH)
    assert "own" in place.run("log", "--format=%s", BRANCH)


def test_after_a_commit_the_tree_is_clean_where_it_was_committed(place: Place, repository: Repository) -> None:
    place.plant(repository)

    keep(place, repository, "out")

    assert "" == place.run("status", "--porcelain", cwd=place.tree)


def test_a_dry_merge_leaves_no_object_behind(place: Place, repository: Repository) -> None:
    branches = []
    for n in range(2):
        branch, tree = f"wakeman/night/w{n}", f"{place.tree}.{n}"
        place.plant(repository, tree, branch)
        place.files.write(f"{tree}/out{n}", b"made\n")
        place.git.keep(repository, tree, branch, [f"out{n}"], (), f"w{n}", "made\n")
        branches.append(branch)
    before = place.run("count-objects")

    merged = place.git.merge(repository, branches, "merged", dry=True)

    assert (["merged", "merged"], before) == ([each.state for each in merged.branches], place.run("count-objects"))


def test_a_tree_whose_directory_somebody_removed_is_made_again(place: Place, repository: Repository) -> None:
    place.plant(repository)
    keep(place, repository, "out")
    shutil.rmtree(place.tree)

    place.plant(repository)

    assert b"made\n" == place.files.read(f"{place.tree}/out")


def test_a_tree_that_was_begun_and_not_filled_is_completed(place: Place, repository: Repository) -> None:
    place.git.plant(repository, place.tree, BRANCH)
    assert [".git"] == os.listdir(place.tree)

    place.plant(repository)

    assert b"a\n" == place.files.read(f"{place.tree}/docs/a.md")


def test_who_commits_is_the_user_where_git_knows_them(place: Place, repository: Repository) -> None:
    place.plant(repository)
    place.run("config", "user.name", "Ann")
    place.run("config", "user.email", "ann@localhost")

    keep(place, repository, "out")

    assert "w0 Ann" == place.run("log", "-1", "--format=%an %cn", BRANCH).strip()


def test_what_git_cannot_do_is_told_in_its_words(place: Place, repository: Repository) -> None:
    place.plant(repository)

    with pytest.raises(ProgramError, match="git rev-parse"):
        place.git.keep(repository, place.tree, "nobranch", ["out"], (), "w0", "made\n")


def test_no_hook_of_the_repository_runs(place: Place, repository: Repository, tmp_path: Path) -> None:
    for name in ("pre-commit", "post-checkout", "reference-transaction"):
        hook = Path(place.top, ".git", "hooks", name)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\nexit 1\n")
        hook.chmod(0o755)

    place.plant(repository)
    keep(place, repository, "out")
    place.git.merge(repository, [BRANCH], "merged", dry=False)

    assert not (tmp_path / "hooked").exists()
