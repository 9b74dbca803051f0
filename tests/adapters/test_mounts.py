"""By which paths a directory is reached, read from lists of mounts as Linux has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakeman.adapters.confine.mounts import paths

ROOT = "21 1 8:1 / / rw - ext4 /dev/sda1 rw"
TABLES = {
    "one file system": ([ROOT], ["/work/state"]),
    "bound as a whole": ([ROOT, "30 21 8:1 / /mnt rw - ext4 /dev/sda1 rw"], ["/work/state", "/mnt/work/state"]),
    "a directory above it bound": ([ROOT, "30 21 8:1 /work /srv rw - ext4 x rw"], ["/work/state", "/srv/state"]),
    "itself bound": ([ROOT, "30 21 8:1 /work/state /srv rw - ext4 x rw"], ["/work/state", "/srv"]),
    "a directory below it bound": ([ROOT, "30 21 8:1 /work/state/deep /srv rw - ext4 x rw"], ["/work/state"]),
    "another of that beginning": ([ROOT, "30 21 8:1 /work/state2 /srv rw - ext4 x rw"], ["/work/state"]),
    "another file system": ([ROOT, "30 21 8:2 /work /srv rw - ext4 x rw"], ["/work/state"]),
    "on a file system of its own": (
        [
            ROOT,
            "30 21 8:2 / /work rw - ext4 x rw",
            "31 21 8:2 / /again rw - ext4 x rw",
            "32 21 8:1 /work /old rw - e x",
        ],
        ["/work/state", "/again/state"],
    ),
    "one mount over another": (
        [ROOT, "30 21 8:2 / /work rw - ext4 x rw", "31 30 8:3 /sub /work rw - ext4 x rw", "32 21 8:3 / /all rw - e x"],
        ["/work/state", "/all/sub/state"],
    ),
    "a name with a space": ([ROOT, r"30 21 8:1 /work /a\040b rw - ext4 x rw"], ["/work/state", "/a b/state"]),
    "a line that says nothing": ([ROOT, "30"], ["/work/state"]),
    "no lines": ([], ["/work/state"]),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_path_of_a_directory_is_found(tmp_path: Path, table: str) -> None:
    lines, wanted = TABLES[table]
    (tmp_path / "mounts").write_text("".join(f"{line}\n" for line in lines))

    assert sorted(wanted) == sorted(paths("/work/state", str(tmp_path / "mounts")))


def test_without_a_list_it_is_itself(tmp_path: Path) -> None:
    assert ["/work/state"] == paths("/work/state", str(tmp_path / "none"))
