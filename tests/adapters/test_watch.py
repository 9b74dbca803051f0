"""The real watch under difficult conditions of kernel and disk: each loss is reported, and later changes are seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wakeman.adapters.watch import DiskWatcher
from wakeman.ports import Watch

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's"),
]


def local(**more: float) -> DiskWatcher:
    return DiskWatcher(lambda _: "", **more)


class Told:
    """All that a watch has told."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.paths: set[str] = set()
        self.lost: list[str] = []

    def until(self, wanted: Callable[[], object]) -> None:
        for _ in range(150):
            if wanted():
                return
            stir = self._watch.wait(0.1)
            self.paths |= stir.paths
            self.lost += stir.lost
        raise AssertionError(f"not told: {sorted(self.paths)[:10]}, {self.lost}")

    def sees(self, file: Path) -> None:
        """Write a file and return when that is told."""
        file.write_text("x")
        self.until(lambda: str(file) in self.paths)


def test_a_file_is_told_when_it_is_closed_and_not_before(tmp_path: Path) -> None:
    with local().watch([str(tmp_path)], 0.0) as watch, (tmp_path / "a").open("w") as file:
        file.write("half")
        file.flush()
        assert not watch.wait(0.2).paths
        file.close()
        assert {str(tmp_path / "a")} == watch.wait(5).paths


def test_a_watched_directory_that_is_removed_and_made_again_is_told_and_watched_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with local().watch([str(out)], 0.0) as watch:
        told = Told(watch)
        shutil.rmtree(out)
        told.until(lambda: told.lost)
        out.mkdir()
        told.sees(out / "a")

    assert [f"{out}: was removed"] == told.lost


def test_a_directory_that_another_takes_the_place_of_is_told_and_watched(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    out.mkdir()
    other.mkdir()
    (other / "already").write_text("x")
    with local().watch([str(out)], 0.0) as watch:
        told = Told(watch)
        out.rename(tmp_path / "old")
        other.rename(out)
        told.until(lambda: str(out / "already") in told.paths)
        told.sees(out / "a")

    assert [f"{out}: was moved away"] == told.lost


def test_a_directory_that_is_moved_within_is_told_under_its_new_name(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    with local().watch([str(tmp_path)], 0.0) as watch:
        told = Told(watch)
        (tmp_path / "a").rename(tmp_path / "b")
        told.sees(tmp_path / "b" / "deep" / "file")

    assert not [path for path in told.paths if path.startswith(f"{tmp_path}/a/")]


def test_a_directory_moved_out_is_not_told_any_more(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a").mkdir(parents=True)
    outside.mkdir()
    with local().watch([str(root)], 0.0) as watch:
        told = Told(watch)
        (root / "a").rename(outside / "a")
        told.sees(root / "after")
        (outside / "a" / "file").write_text("x")
        told.sees(root / "later")

    assert {str(root / "after"), str(root / "later")} == told.paths


def test_an_overflow_of_the_queue_is_told_and_directories_made_meanwhile_are_watched(tmp_path: Path) -> None:
    with local().watch([str(tmp_path)], 0.0) as watch:
        told = Told(watch)
        inotify = watch.repairs[0].__self__  # type: ignore[attr-defined] # of the real one
        with inotify._lock:  # the reader stands still, and the kernel's queue fills
            for n in range(9000):
                (tmp_path / f"{n % 50}").mkdir(exist_ok=True)
                (tmp_path / f"f{n}").write_text("x")
        told.until(lambda: "the queue of inotify overflowed" in told.lost)
        for n in range(50):
            told.sees(tmp_path / f"{n}" / "after")


def test_a_directory_that_may_not_be_read_is_told_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    out = tmp_path / "out"
    out.mkdir(mode=0o300)
    with local(blind=0.1).watch([str(out)], 0.0) as watch:
        told = Told(watch)
        told.until(lambda: len(told.lost) >= 2)
        out.chmod(0o700)
        told.sees(out / "a")


LIMITED = """
import sys
from wakeman.adapters.watch import DiskWatcher
with DiskWatcher(lambda _: "", blind=0.2).watch([sys.argv[1]], 0.0) as watch:
    lost = [why for _ in range(4) for why in watch.wait(0.5).lost]
    print(len(lost), lost[0])
    print(watch.how[-1])
    with open(sys.argv[2], "w") as limit:
        limit.write("1000")
    while "all is watched again" not in watch.wait(0.1).lost:
        pass
    with open(sys.argv[1] + "/d59/after", "w"):
        pass
    seen = set()
    while not seen:
        seen = watch.wait(5).paths
    print(seen)
"""


@pytest.mark.parametrize(
    ("limit", "says"),
    [("max_inotify_watches", "no more inotify watches"), ("max_inotify_instances", "no more inotify instances")],
)
def test_a_limit_of_inotify_is_told_until_it_is_raised(tmp_path: Path, limit: str, says: str) -> None:
    for n in range(60):
        (tmp_path / f"d{n}").mkdir()
    least = 0 if limit.endswith("instances") else 20
    script = f'echo {least} >/proc/sys/user/{limit} && exec "$@"'
    argv = ["unshare", "-Ur", "sh", "-c", script, "sh", sys.executable, "-c", LIMITED, str(tmp_path)]
    argv.append(f"/proc/sys/user/{limit}")
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if "unshare" in said.stderr or "/proc/sys" in said.stderr:
        pytest.skip("no user namespaces here")

    first, how, seen = said.stdout.splitlines()
    assert int(first.split()[0]) >= 3, said.stderr
    assert says in first
    assert says in how
    assert str(tmp_path / "d59" / "after") in seen


def test_a_network_file_system_is_polled_and_that_is_said(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with DiskWatcher(lambda _: "nfs4", blind=0.2, poll=0.1).watch([str(out)], 0.0) as watch:
        told = Told(watch)
        told.sees(out / "a")
        shutil.rmtree(out)
        told.until(lambda: told.lost)
        out.mkdir()
        told.until(lambda: f"{out}: is watched from now on" in told.lost)
        told.sees(out / "b")

    assert ("1 on nfs4: looked at every 0.1 s",) == watch.how


def test_a_directory_that_is_marked_as_wakeman_s_own_is_not_watched_unless_it_is_asked_for(tmp_path: Path) -> None:
    for name in ("there", "later"):
        (tmp_path / name / "night" / "attempts").mkdir(parents=True)
    (tmp_path / "there" / ".wakeman").touch()
    asked = tmp_path / "there" / "night" / "attempts"
    with local().watch([str(tmp_path), str(asked)], 0.0) as watch:
        told = Told(watch)
        (tmp_path / "made").mkdir()
        told.sees(tmp_path / "made" / "first")  # all directories are watched by now
        (tmp_path / "new").mkdir()
        (tmp_path / "new.tmp").mkdir()
        (tmp_path / "new.tmp" / ".wakeman").touch()
        (tmp_path / "new.tmp").rename(tmp_path / "marked")
        for silent in ("there/x", "there/night/events.jsonl", "marked/y"):
            (tmp_path / silent).write_text("x")
        told.sees(asked / "said")
        told.sees(tmp_path / "later" / "night" / "z")

    assert [] == [path for path in told.paths if Path(path).name in ("x", "events.jsonl", "y")]
