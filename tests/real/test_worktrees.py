"""Workers in git work trees of their own: real git, real tmux."""

from __future__ import annotations

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


def test_a_branch_of_that_name_is_refused(rig: Repository) -> None:
    rig.begin()
    rig.git("branch", "wakeman/night/w_a_md")

    said = rig.run("up", "wakeman.toml")

    assert 2 == said.returncode
    assert "branch 'wakeman/night/w_a_md' already exists" in said.stderr
