"""What `clean` moves to the trash, and how that is emptied."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faces.conftest import SLEEPER, Place

from wakeman.adapters.disk import Disk

pytestmark = pytest.mark.real

EMPTY = ("clean", "--empty-trash")
QUICK = ("run", "--items", "a", "--output", "out/{{ unit }}", "--every", "1h", "--wait", "--name")
WORK = ("--", "sh", "-c", "mkdir -p out; echo x > out/a")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def trashed(place: Place) -> list[Path]:
    """Two deployments that were moved to the trash."""
    for name in ("night", "day"):
        assert 0 == place(*QUICK, name, *WORK).code
        assert 0 == place("clean", name).code
    return sorted((place.state / ".trash").iterdir())


def test_the_trash_is_emptied_and_the_bytes_are_told(place: Place, trashed: list[Path]) -> None:
    held = sum(file.stat().st_size for each in trashed for file in each.rglob("*") if file.is_file())

    said = place(*EMPTY, "--yes", "--json").json

    assert ([str(each) for each in trashed], held, {}) == (said["deleted"], said["bytes"], said["kept"])
    assert [] == list((place.state / ".trash").iterdir())
    assert "nothing to delete in the trash\n" == place(*EMPTY).out


def test_without_a_terminal_it_is_refused_with_the_command_and_nothing_goes(place: Place, trashed: list[Path]) -> None:
    said = place(*EMPTY)

    assert 2 == said.code
    assert all(each.name in said.err for each in trashed)
    assert "expected --yes\nhint: wakeman clean --empty-trash --yes\n" in said.err
    assert 2 == place(*EMPTY, "--json").code
    assert trashed == sorted((place.state / ".trash").iterdir())


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("YES", 0), ("", 2), ("n", 2), ("yesterday", 2)])
def test_on_a_terminal_it_asks(
    place: Place, trashed: list[Path], monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    monkeypatch.setattr(sys, "stderr", asked := Terminal())

    said = place(*EMPTY)

    assert code == said.code
    assert "which nothing brings back" in asked.getvalue()
    assert "agree? [y/N] " in asked.getvalue()
    assert bool(code) == all(each.exists() for each in trashed)


def test_a_dry_run_names_what_would_go_and_asks_nothing(place: Place, trashed: list[Path]) -> None:
    said = place(*EMPTY, "--dry-run")

    assert "".join(f"would delete {each}\n" for each in trashed) == said.out
    assert said.err.endswith("nothing was done\n")
    assert all(each.exists() for each in trashed)


def test_only_what_clean_has_moved_there_goes(place: Place, trashed: list[Path]) -> None:
    trash = place.state / ".trash"
    (trash / "mine").mkdir()
    (trash / "mine" / "letter").write_text("keep")
    (trash / "night-20260101T000000Z").mkdir()
    (trash / "night-20260101T000000Z" / "letter").write_text("keep")
    (place.path / "elsewhere").mkdir()
    (place.path / "elsewhere" / ".wakeman").touch()
    (trash / "day-20260101T000000Z").symlink_to(place.path / "elsewhere")
    (trash / "note").write_text("keep")

    said = place(*EMPTY, "--yes", "--json").json

    stay = {"mine", "night-20260101T000000Z", "day-20260101T000000Z", "note"}
    assert stay == {Path(path).name for path in said["kept"]}
    assert stay == {each.name for each in trash.iterdir()}
    assert (place.path / "elsewhere" / ".wakeman").exists()
    assert [str(each) for each in trashed] == said["deleted"]


def test_a_trash_that_is_a_symlink_is_refused(place: Place, trashed: list[Path]) -> None:
    trash = place.state / ".trash"
    trash.rename(place.path / "elsewhere")
    trash.symlink_to(place.path / "elsewhere")

    said = place(*EMPTY, "--yes")

    assert (2, True) == (said.code, "is a symbolic link" in said.err)
    assert [each.name for each in trashed] == sorted(each.name for each in (place.path / "elsewhere").iterdir())


def test_a_symlink_that_a_worker_left_goes_and_what_it_leads_to_stays(place: Place) -> None:
    (place.path / "precious").mkdir()
    (place.path / "precious" / "file").write_text("keep")
    reach = f"ln -s {place.path}/precious {place.state}/night/streams/link; {WORK[-1]}"
    assert 0 == place(*QUICK, "night", "--", "sh", "-c", reach).code
    place("clean")

    said = place(*EMPTY, "--yes")

    assert 0 == said.code, said.err
    assert "keep" == (place.path / "precious" / "file").read_text()


def test_what_a_killed_run_left_is_deleted_by_the_next(place: Place, trashed: list[Path]) -> None:
    for file in [each for each in trashed[0].rglob("*") if each.is_file() and each.name != ".wakeman"]:
        file.unlink()
    for inside in trashed[1].iterdir():
        Disk().erase(str(inside), within=str(place.state)) if inside.is_dir() else inside.unlink()
    assert [] == list(trashed[1].iterdir())

    said = place(*EMPTY, "--yes")

    assert (0, []) == (said.code, list((place.state / ".trash").iterdir()))


def test_what_the_disk_refuses_stays_and_is_named(place: Place, trashed: list[Path]) -> None:
    if os.geteuid():
        pytest.skip("mounts something")
    mounted = trashed[0] / "streams"
    subprocess.run(["mount", "--bind", place.path, mounted], check=True)
    try:
        said = place(*EMPTY, "--yes")
    finally:
        subprocess.run(["umount", mounted], check=True)

    assert (1, True) == (said.code, f"{trashed[0]}: stays in the trash" in said.err)
    assert not trashed[1].exists()
    assert (place.path / "out" / "a").exists()


@pytest.mark.parametrize("words", [("night", *EMPTY[1:]), (*EMPTY[1:], "--branches")])
def test_it_is_about_no_deployment(place: Place, words: tuple[str, ...]) -> None:
    said = place("clean", *words)

    assert (2, True) == (said.code, "expected it on its own" in said.err)


def test_merged_branches_go_with_the_deployment_if_asked(place: Place) -> None:
    place.repository()
    text = SLEEPER.replace(
        'command = ["sleep", "600"]',
        'command = ["sh", "-c", "mkdir -p out; echo x > out/$1.txt", "sh", "{{ group.key }}"]',
    )
    assert 0 == place("up", place.plan(text + 'isolate = "worktree"\n'), "--wait", "--yes").code
    branches = ["git", "branch", "--format=%(refname:short)"]
    kept = place("clean", "night", "--branches", "--dry-run").out

    assert 0 == place("merge", "night").code
    said = json.loads(place("clean", "night", "--branches", "--json").out)

    left = subprocess.run(branches, cwd=place.path, capture_output=True, text=True, check=True).stdout.split()
    assert "would delete branch wakeman/night/night_a, if it is merged\n" in kept
    assert {"wakeman/night.merged": "it is not merged"} == said["branches"]
    assert ["main", "wakeman/night.merged"] == sorted(left)


def test_a_deployment_whose_work_trees_hold_something_stays_in_the_trash(place: Place) -> None:
    place.repository()
    text = SLEEPER.replace(
        'command = ["sleep", "600"]',
        'command = ["sh", "-c", "mkdir -p out; echo x > out/$1.txt", "sh", "{{ group.key }}"]',
    )
    assert 0 == place("up", place.plan(text + 'isolate = "worktree"\n'), "--wait", "--yes").code
    place("clean")

    said = place(*EMPTY, "--yes", "--json").json
    [(path, why)] = said["kept"].items()
    removal = why.rpartition("remove it by: ")[2]

    assert "2 work trees in it, kept as not merged or not committed" in why
    for _ in range(2):
        subprocess.run(["sh", "-c", removal], check=True)
        removal = place(*EMPTY, "--yes", "--json").json["kept"].get(path, "").rpartition("remove it by: ")[2]
    assert not Path(path).exists()
