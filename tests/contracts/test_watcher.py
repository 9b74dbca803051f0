"""What `ports.Watcher` promises, of the files in memory and of those on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wakeman.adapters.disk import Disk
from wakeman.adapters.memory import MemoryClock, MemoryFiles, MemoryWatcher
from wakeman.adapters.watch import DiskWatcher
from wakeman.ports import Files, Watch, Watcher

DEBOUNCE = 0.01


class World:
    """Files and who watches them."""

    def __init__(self, files: Files, watcher: Watcher, root: str) -> None:
        self.files, self.watcher, self.root = files, watcher, root

    def write(self, name: str, data: bytes = b"content") -> str:
        path = f"{self.root}/{name}"
        self.files.write(path, data)
        return path


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    root = str(tmp_path.resolve())
    if request.param == "real":
        return World(Disk(), DiskWatcher(lambda _: ""), root)
    files = MemoryFiles(MemoryClock())
    files.make(root)
    return World(files, MemoryWatcher(files, lambda _: None), root)


def told(watch: Watch, wanted: Callable[[set[str]], bool]) -> set[str]:
    """Gather what is told until it is what was wanted, or nothing more comes."""
    paths: set[str] = set()
    for _ in range(100):
        paths |= watch.wait(0.1).paths
        if wanted(paths):
            break
    return paths


def test_a_file_that_is_written_is_told(world: World) -> None:
    world.files.make(f"{world.root}/out")
    with world.watcher.watch([f"{world.root}/out"], DEBOUNCE) as watch:
        path = world.write("out/a")

        assert path in told(watch, lambda paths: path in paths)


def test_what_was_there_before_is_not_told(world: World) -> None:
    world.write("out/a")
    with world.watcher.watch([f"{world.root}/out"], DEBOUNCE) as watch:
        assert (set(), ()) == (set(watch.wait(0.2).paths), watch.wait(0).lost)


def test_a_file_that_is_written_again_is_told_again(world: World) -> None:
    path = world.write("out/a")
    with world.watcher.watch([f"{world.root}/out"], DEBOUNCE) as watch:
        for data in (b"one", b"three"):
            world.write("out/a", data)
            assert path in told(watch, lambda paths: path in paths)


def test_a_file_in_a_directory_that_is_made_later_is_told(world: World) -> None:
    world.files.make(f"{world.root}/out")
    with world.watcher.watch([f"{world.root}/out"], DEBOUNCE) as watch:
        paths = {world.write(f"out/deep/er/{n}") for n in range(20)}

        assert paths <= told(watch, lambda found: paths <= found)


def test_a_directory_that_is_not_there_yet_is_watched_once_it_is(world: World) -> None:
    with world.watcher.watch([f"{world.root}/not/yet"], DEBOUNCE) as watch:
        path = world.write("not/yet/a")

        assert path in told(watch, lambda paths: path in paths)


def test_a_file_that_is_moved_in_is_told(world: World) -> None:
    world.files.make(f"{world.root}/out")
    outside = world.write("elsewhere/a")
    with world.watcher.watch([f"{world.root}/out"], DEBOUNCE) as watch:
        path = world.files.move(outside, f"{world.root}/out/b")

        assert path in told(watch, lambda paths: path in paths)


def test_a_link_is_told(world: World) -> None:
    world.files.make(f"{world.root}/out")
    outside = world.write("elsewhere/a")
    with world.watcher.watch([f"{world.root}/out"], DEBOUNCE) as watch:
        path = f"{world.root}/out/link"
        world.files.link(outside, path)

        assert path in told(watch, lambda paths: path in paths)


def test_what_lies_beside_a_watched_directory_is_not_told(world: World) -> None:
    world.files.make(f"{world.root}/out")
    with world.watcher.watch([f"{world.root}/out"], DEBOUNCE) as watch:
        world.write("beside")
        world.write("outer/beside")
        path = world.write("out/a")

        assert all(p.startswith(f"{world.root}/out/") for p in told(watch, lambda paths: path in paths))


def test_of_a_flat_directory_what_lies_deeper_is_not_told(world: World) -> None:
    world.files.make(f"{world.root}/out/deep")
    with world.watcher.watch([], DEBOUNCE, flat=[f"{world.root}/out"]) as watch:
        world.write("out/deep/a")
        world.write("out/new/a")
        path = world.write("out/a")

        assert {path} == {p for p in told(watch, lambda paths: path in paths) if ".tmp" not in p}


def test_nothing_is_told_when_nothing_happens(world: World) -> None:
    with world.watcher.watch([world.root], DEBOUNCE) as watch:
        assert (frozenset(), ()) == ((stir := watch.wait(0.05)).paths, stir.lost)


def test_it_says_how_it_watches(world: World) -> None:
    with world.watcher.watch([world.root], DEBOUNCE) as watch:
        assert watch.how
