"""Workers in git work trees of their own: real git, real tmux."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.real.rig import REAL, Rig, rigged

pytestmark = REAL

PLAN = """\
name = "night"
[units]
glob = "docs/*.md"
output = "out/{{ stem }}"
writes = ["src/{{ stem }}/**"]
[workers]
by = "{{ unit }}"
name = "w_{{ group.name }}"
command = ["sh", "work.sh", "{{ worker }}"]
socket = "SOCKET"
stagger = 0
isolate = "worktree"
setup = [["sh", "-c", "echo x >>setup.env"]]
[verify]
command = ["sh", "-c", "test -e setup.env && test -s $1", "sh", "{{ output }}"]
[stuck]
attempts = 1
[cleanup]
rounds = 1
"""
WORK = """\
name=${1#w_}; name=${name%_md*}
mkdir -p out "src/$name"
echo "$1" >"out/$name"
echo made >"src/$name/more"
echo scribble >scratch
"""


class Repository(Rig):
    """A rig whose place is a git work tree on `main`."""

    def git(self, *words: str) -> str:
        """Run git as a person does there."""
        who = ("-c", "user.name=Person", "-c", "user.email=person@localhost")
        ran = subprocess.run(["git", *who, *words], cwd=self.place, env=self.clean(), capture_output=True, text=True)
        assert 0 == ran.returncode, ran.stderr
        return ran.stdout

    def begin(self, plan: str = PLAN, work: str = WORK) -> None:
        """Commit a plan, what its workers run, and their inputs."""
        self.write(plan)
        self.write(work, "work.sh")
        self.write("state/\ntmux\nsetup.env\n", ".gitignore")
        (self.place / "docs").mkdir()
        for name in "ab":
            self.write(f"{name}\n", f"docs/{name}.md")
        self.git("init", "-q", "-b", "main")
        self.git("add", ".gitignore", "docs", "work.sh", "wakeman.toml")
        self.git("commit", "-qm", "begin")

    def show(self, branch: str) -> list[str]:
        """List what a branch has beyond `main`."""
        return self.git("diff", "--name-only", f"main...{branch}").split()


@pytest.fixture
def rig() -> Iterator[Repository]:
    with rigged(Repository) as made:
        yield made


def test_each_worker_commits_what_passes_on_a_branch_of_its_own_and_the_users_tree_is_untouched(
    rig: Repository,
) -> None:
    rig.begin()
    rig.git("config", "user.useConfigOnly", "true")  # git guesses nobody from the machine's name
    head, index = rig.git("rev-parse", "HEAD"), (rig.place / ".git" / "index").read_bytes()

    said = rig.run("up", "wakeman.toml", "--wait")

    assert 0 == said.returncode, said.stderr
    assert [["out/a", "src/a/more"], ["out/b", "src/b/more"]] == [
        rig.show(f"wakeman/night/w_{name}_md") for name in "ab"
    ]
    assert (head, index, "") == (
        rig.git("rev-parse", "HEAD"),
        (rig.place / ".git" / "index").read_bytes(),
        rig.git("status", "--porcelain"),
    )
    assert "w_a_md Wakeman" == rig.git("log", "-1", "--format=%an %cn", "wakeman/night/w_a_md").strip()
    assert "x\n" == (rig.state / "night" / "trees" / "w_a_md" / "setup.env").read_text()
    assert 0 == rig.run("audit", "night").returncode


def test_hooks_of_the_repository_do_not_run(rig: Repository) -> None:
    rig.begin()
    for name in ("pre-commit", "commit-msg", "post-checkout", "reference-transaction"):
        hook = rig.place / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\necho {name} >>{rig.place}/hooked\nexit 1\n")
        hook.chmod(0o755)

    assert 0 == rig.run("up", "wakeman.toml", "--wait").returncode

    assert not (rig.place / "hooked").exists()


def test_what_is_merged_is_on_a_branch_that_nobody_has_checked_out(rig: Repository) -> None:
    rig.begin()
    rig.run("up", "wakeman.toml", "--wait")
    head = rig.git("rev-parse", "main")

    dry, said = rig.run("merge", "night", "--dry-run"), rig.run("merge", "night")
    refused = rig.run("merge", "night", "--into", "main")

    assert "would merge wakeman/night/w_a_md into wakeman/night.merged: merged" in dry.stdout
    assert 0 == said.returncode, said.stderr
    assert ["out/a", "out/b", "src/a/more", "src/b/more"] == rig.show("wakeman/night.merged")
    assert "git merge wakeman/night.merged" in said.stderr
    assert (2, head) == (refused.returncode, rig.git("rev-parse", "main"))
    assert f"git -C {rig.place} merge wakeman/night/w_a_md wakeman/night/w_b_md" in refused.stderr
    rig.git("merge", "-q", "wakeman/night.merged")
    assert "w_a_md\n" == (rig.place / "out" / "a").read_text()


def test_a_conflict_is_told_with_its_files_and_loses_nothing(rig: Repository) -> None:
    rig.begin(
        work=WORK + 'echo "$1" >>docs/a.md; git add -A .; git -c user.name=W -c user.email=w@localhost commit -qm own'
    )
    rig.run("up", "wakeman.toml", "--wait")

    said = rig.run("merge", "night")

    assert 1 == said.returncode
    assert "wakeman/night/w_b_md  left out, in conflict: docs/a.md" in said.stdout
    assert "git diff wakeman/night.merged...wakeman/night/w_b_md" in said.stderr
    assert "out/b" in rig.show("wakeman/night/w_b_md")


def test_clean_removes_merged_trees_and_keeps_others_working(rig: Repository) -> None:
    rig.begin()
    rig.run("up", "wakeman.toml", "--wait")

    said = rig.run("clean", "night", "--json")

    assert 0 == said.returncode, said.stderr
    (moved,) = (rig.state / ".trash").iterdir()
    tree = moved / "trees" / "w_a_md"
    assert (
        "scratch"
        in subprocess.run(
            ["git", "status", "--porcelain"], cwd=tree, env=rig.clean(), capture_output=True, text=True, check=True
        ).stdout
    )
    assert "is not merged" in said.stdout
    assert "out/a" in rig.show("wakeman/night/w_a_md")


def test_a_setup_that_fails_is_the_end_of_the_attempt_and_its_words_are_kept(rig: Repository) -> None:
    rig.begin(
        PLAN.replace("echo x >>setup.env", "echo no dependencies >&2; exit 7").replace("rounds = 1", "rounds = 0")
    )

    rig.run("up", "wakeman.toml", "--wait")

    assert {7} == {worker["exit_code"] for worker in rig.status()["workers"]}
    assert "no dependencies" in (rig.state / "night" / "streams" / "w_a_md.1.log").read_text()


def test_inputs_that_are_not_committed_are_refused_at_plan_time(rig: Repository) -> None:
    rig.begin()
    rig.write("changed\n", "docs/a.md")
    rig.write("new\n", "docs/c.md")

    said = rig.run("plan", "wakeman.toml")

    assert 2 == said.returncode
    assert "its input 'docs/a.md' differs here from the commit" in said.stderr
    assert "its input 'docs/c.md' is not in the commit" in said.stderr


def test_where_a_branch_has_that_name_the_run_takes_the_next(rig: Repository) -> None:
    rig.begin()
    rig.git("branch", "wakeman/night/w_a_md")

    said = rig.run("up", "wakeman.toml", "--wait", "--timeout", "90")

    assert (0, True) == (said.returncode, "night.2: " in said.stdout), said.stderr


def test_what_workers_left_outside_their_claims_is_named_by_status_and_merge(rig: Repository) -> None:
    rig.begin()
    assert 0 == rig.run("up", "wakeman.toml", "--wait", "--timeout", "90").returncode, rig.trail()

    status, merged = rig.run("status", "night"), rig.run("merge", "night")

    for said in (status.stdout, merged.stdout):
        assert "left by w_a_md, and on no branch: scratch" in said, said
    assert {"w_a_md": ["scratch"], "w_b_md": ["scratch"]} == rig.status()["trees"]["loose"]
    assert ["scratch"] == json.loads(rig.run("merge", "night", "--json").stdout)["loose"]["w_b_md"]


def test_a_second_night_after_clean_needs_no_hand_on_the_branches(rig: Repository) -> None:
    rig.begin(work=WORK.replace("echo scribble >scratch", ""))
    for run in ("night", "night.2", "night.3"):
        waited = rig.run("up", "wakeman.toml", "--wait", "--timeout", "90")
        assert 0 == waited.returncode, waited.stderr + rig.trail(run)
        assert f"{run}: " in waited.stdout
        assert 0 == rig.run("merge", run).returncode
        rig.git("merge", "--quiet", f"wakeman/{run}.merged")
        cleaned = rig.run("clean", run)
        assert 0 == cleaned.returncode, cleaned.stderr
        rig.write(f'{WORK}echo {run} >>"out/$name"\n'.replace("echo scribble >scratch", ""), "work.sh")
        rig.git("commit", "-qam", f"after {run}")


@pytest.mark.parametrize("there", ["wakeman/night/w_a_md/later", "wakeman/night.merged/x"])
def test_a_branch_below_those_of_a_night_makes_it_take_the_next_name(rig: Repository, there: str) -> None:
    rig.begin(work=WORK.replace("echo scribble >scratch", ""))
    rig.git("branch", there)

    told = rig.run("plan", "wakeman.toml")
    assert f"note: this run is night.2, as branch {there!r} is there" in told.stdout
    waited = rig.run("up", "wakeman.toml", "--wait", "--timeout", "90")
    assert 0 == waited.returncode, waited.stderr + rig.trail("night.2")
    assert 0 == rig.run("merge", "night.2").returncode


def test_trees_with_submodules_are_removed_once_they_are_merged(rig: Repository) -> None:
    other = rig.place / "other"
    other.mkdir()
    rig.git("-C", "other", "init", "-q")
    rig.git("-C", "other", "commit", "-q", "--allow-empty", "-m", "begin")
    fill = 'setup = [["git", "-c", "protocol.file.allow=always", "submodule", "update", "--init", "--quiet"]]'
    rig.begin(
        PLAN.replace('setup = [["sh", "-c", "echo x >>setup.env"]]', fill).replace("test -e setup.env && ", ""),
        WORK.replace("echo scribble >scratch", "test -e part/.git || exit 3"),
    )
    rig.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "part")
    rig.git("commit", "-qam", "a submodule")
    waited = rig.run("up", "wakeman.toml", "--wait", "--timeout", "90")
    assert 0 == waited.returncode, waited.stderr + rig.trail()
    assert 0 == rig.run("merge", "night").returncode
    cleaned = rig.run("clean", "night")

    assert 0 == cleaned.returncode, cleaned.stderr
    assert 1 == len(rig.git("worktree", "list").splitlines()), cleaned.stdout + cleaned.stderr


def test_a_repository_of_another_user_is_refused_with_what_git_asks_for(rig: Repository) -> None:
    rig.begin()
    for path in (rig.place, rig.place / ".git"):
        os.chown(path, 65534, 65534)

    said = rig.run("plan", "wakeman.toml")

    assert 2 == said.returncode
    assert "git config --global --add safe.directory" in said.stderr
    assert " init" not in said.stderr


@pytest.mark.skipif(shutil.which("git-lfs") is not None, reason="git-lfs is installed")
@pytest.mark.parametrize("where", [".gitattributes", "docs/.gitattributes"])
def test_files_of_git_lfs_are_refused_where_nothing_fills_them_in(rig: Repository, where: str) -> None:
    rig.begin()
    (rig.place / where).write_text("# *.txt filter=none\n*.bin filter=lfs diff=lfs merge=lfs -text\n")
    rig.git("add", where)
    rig.git("commit", "-qm", "lfs")

    said = rig.run("plan", "wakeman.toml")

    assert (2, True) == (said.returncode, "git-lfs is not installed" in said.stderr), said.stderr
    (rig.place / where).write_text("# *.bin filter=lfs\n")
    rig.git("commit", "-qam", "no lfs")
    assert 0 == rig.run("plan", "wakeman.toml").returncode
