"""Power cuts on a real file system: a disk that records each block written, and the states a cut could leave it in.

The disk is a file in a FUSE file system of ours, which appends to a log what the kernel writes and when it flushes. A
loop device makes it a block device, on which ext4 is made and a night is run. A cut then leaves any prefix of the
log; what was written after the last flush may also be missing in part, or be torn within a write.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct
from tests.waiting import until

ROOT = Path(__file__).parents[2]
DISK_BYTES = 48 << 20
SECTOR_BYTES = 512
"""What a disk writes whole."""
HEAD = struct.Struct("<qi")
"""One entry of the log: where, and how many bytes follow; a flush has neither."""


class Entry(Struct, frozen=True):
    """One write to the disk, or a flush of what was written before (`data` empty)."""

    offset: int
    data: bytes = b""


def missing() -> str:
    """Say what this machine lacks; "" if nothing."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists() or not Path("/dev/loop-control").exists():
        return "needs root, /dev/fuse and loop devices"
    if find_spec("mfusepy") is None or shutil.which("mkfs.ext4") is None:
        return "needs mfusepy and mkfs.ext4"
    probe = subprocess.run([sys.executable, "-c", "import mfusepy"], capture_output=True)
    return "" if probe.returncode == 0 else "needs libfuse"


class PowerDisk:
    """A disk with ext4 on it, mounted at `place`, and the log of all that was written to it."""

    def __init__(self, home: Path) -> None:
        self.place, self._fuse, self.file = home / "disk", home / "fuse", home / "log"
        self._device = ""

    @property
    def written(self) -> int:
        """Return how many bytes of the log there are: a moment at which the power may fail."""
        return self.file.stat().st_size

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Make the disk and mount it; take it away in the end."""
        self._fuse.mkdir()
        self.place.mkdir()
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.power", str(self._fuse), str(self.file)], cwd=ROOT
        )
        try:
            until((self._fuse / "disk").exists, 20)
            shown = _run("losetup", "--find", "--show", str(self._fuse / "disk"))
            self._device = shown.strip()
            _run("mkfs.ext4", "-q", "-O", "^metadata_csum_seed", self._device)
            _run("mount", "-o", "commit=5", self._device, str(self.place))
            yield
        finally:
            for words in (
                ["umount", "-l", str(self.place)],
                ["losetup", "-d", self._device],
                ["umount", "-l", str(self._fuse)],
            ):
                subprocess.run(words, capture_output=True)
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()
            server.wait()

    def sync(self) -> None:
        """Have everything written: what follows is another moment."""
        subprocess.run(["sync", "-f", str(self.place)], check=True)

    def entries(self) -> tuple[list[Entry], list[int]]:
        """Read the log; return its entries, and for each where it ends in the log."""
        data, at, found, ends = self.file.read_bytes(), 0, [], []
        while at + HEAD.size <= len(data):
            offset, size = HEAD.unpack_from(data, at)
            at += HEAD.size
            found.append(Entry(offset, data[at : at + size]))
            at += size
            ends.append(at)
        return found, ends


def cut(entries: list[Entry], at: int, how: str, seed: int) -> bytearray:
    """Return the disk as a cut before entry `at` leaves it.

    Shape: `prefix`: all that was written is there; `flushed`: only what was flushed; `subset`: what was flushed, and
    some of the rest (of two writes to one place the later counts); `torn`: a prefix, the last write of which is cut
    between two sectors.
    """
    draw = Random(f"{at} {how} {seed}")  # noqa: S311 - no secret
    flush = max((n for n in range(at) if not entries[n].data), default=0)
    late = [entry for entry in entries[flush:at] if entry.data]
    if how == "subset":
        late = [late[n] for n in sorted(draw.sample(range(len(late)), draw.randint(0, len(late))))]
    elif how == "flushed":
        late = []
    elif how == "torn" and late:
        last = late.pop()
        kept = draw.randrange(0, max(1, len(last.data) // SECTOR_BYTES)) * SECTOR_BYTES
        late.append(Entry(last.offset, last.data[:kept]))
    disk = bytearray(DISK_BYTES)
    for entry in [*entries[:flush], *late]:
        disk[entry.offset : entry.offset + len(entry.data)] = entry.data
    return disk


@contextmanager
def recovered(disk: bytearray, home: Path) -> Iterator[Path]:
    """Mount what a cut left, as a machine does that starts again: where ext4 asks for it, e2fsck comes first."""
    image, place = home / "image", home / "recovered"
    image.write_bytes(disk)
    place.mkdir(exist_ok=True)
    mounting = ["mount", "-o", "loop", str(image), str(place)]
    if subprocess.run(mounting, capture_output=True).returncode:  # a torn superblock: not every disk writes it whole
        subprocess.run(["e2fsck", "-fy", str(image)], capture_output=True)
        _run(*mounting)
    try:
        yield place
    finally:
        _run("umount", str(place))


def _run(*words: str) -> str:
    ran = subprocess.run(words, capture_output=True, text=True)
    assert ran.returncode == 0, (words, ran.stderr)
    return ran.stdout


def serve(mountpoint: str, log: str) -> None:
    """Serve the one file `disk`, and write to the log what is written to it."""
    import mfusepy

    data = bytearray(DISK_BYTES)
    out = open(log, "ab", buffering=0)  # noqa: SIM115 - for as long as the process lives

    class Disk(mfusepy.Operations):  # type: ignore[misc,unused-ignore] # it may have no types
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
            if path == "/disk":
                return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": DISK_BYTES}
            raise mfusepy.FuseOSError(errno.ENOENT)

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", "disk"]

        def open(self, path: str, flags: int) -> int:
            return 1

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return bytes(data[offset : offset + size])

        def write(self, path: str, new: bytes, offset: int, fh: int) -> int:
            data[offset : offset + len(new)] = new
            out.write(HEAD.pack(offset, len(new)) + bytes(new))
            return len(new)

        def fsync(self, path: str, datasync: int, fh: int) -> int:
            out.write(HEAD.pack(0, 0))
            return 0

        def fallocate(self, path: str, mode: int, offset: int, length: int, fh: int) -> int:
            raise mfusepy.FuseOSError(errno.EOPNOTSUPP)

    mfusepy.FUSE(Disk(), mountpoint, foreground=True, nothreads=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
