"""Deleting a directory of the disk: what only a disk has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import until

from wakeman.adapters.disk import Disk
from wakeman.core.errors import StorageError

pytestmark = pytest.mark.real

LEVELS = 3000
"""More than a process may open files at once, and than a path may be long."""


def test_a_file_that_has_another_name_elsewhere_frees_nothing(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "own").write_bytes(b"123")
    (tmp_path / "kept").write_bytes(b"12345")
    os.link(tmp_path / "kept", tmp_path / "gone" / "shared")

    assert 3 == Disk().erase(str(tmp_path / "gone"), within=str(tmp_path))
    assert b"12345" == (tmp_path / "kept").read_bytes()


def test_directories_that_may_not_be_written_to_go_as_well(tmp_path: Path) -> None:
    deep = tmp_path / "gone" / "cache" / "module"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"1")
    for place in (deep, deep.parent, deep.parent.parent):
        place.chmod(0o500)

    assert 1 == Disk().erase(str(tmp_path / "gone"), within=str(tmp_path))
    assert [] == list(tmp_path.iterdir())


def test_a_tree_of_any_depth_goes(tmp_path: Path) -> None:
    place = os.open(tmp_path, os.O_RDONLY)
    (tmp_path / "gone").mkdir()
    at = os.open("gone", os.O_RDONLY, dir_fd=place)
    for _ in range(LEVELS):
        os.mkdir("d" * 20, dir_fd=at)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    os.close(place)

    Disk().erase(str(tmp_path / "gone"), within=str(tmp_path))

    assert [] == list(tmp_path.iterdir())


def test_what_is_killed_on_its_way_keeps_the_last_file_and_is_finished_by_another(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    for n in range(400):
        (gone / f"d{n}").mkdir(parents=True)
        (gone / f"d{n}" / "file").write_bytes(b"1")
    (gone / ".wakeman").touch()
    call = f"Disk().erase({str(gone)!r}, within={str(tmp_path)!r}, last='.wakeman')"
    erasing = subprocess.Popen([sys.executable, "-c", f"from wakeman.adapters.disk import Disk; {call}"])
    until(lambda: len(list(gone.iterdir())) < 401)
    erasing.send_signal(signal.SIGSTOP)
    left = [each.name for each in gone.iterdir()] if gone.exists() else []
    erasing.kill()
    erasing.wait()

    assert not left or ".wakeman" in left
    Disk().erase(str(gone), within=str(tmp_path), last=".wakeman")
    assert not gone.exists()


@pytest.mark.parametrize("name", ["mounted", "deep/mounted"])
def test_a_directory_on_which_another_file_system_is_mounted_stays(tmp_path: Path, name: str) -> None:
    mounted = tmp_path / "gone" / name
    mounted.mkdir(parents=True)
    ran = subprocess.run(["mount", "-t", "tmpfs", "none", mounted], capture_output=True, check=False)
    if ran.returncode:
        pytest.skip("nothing can be mounted here")
    (mounted / "file").write_bytes(b"1")
    try:
        with pytest.raises(StorageError, match="gone"):
            Disk().erase(str(tmp_path / "gone"), within=str(tmp_path))
        assert (mounted / "file").exists()
    finally:
        subprocess.run(["umount", mounted], check=True)
