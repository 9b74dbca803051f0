"""Small files that hosts share: each is there whole, or not at all, and on the disk once it was written."""

from __future__ import annotations

import os

KEPT_LINE_BYTES_MAX = 300


def first_line(file: str) -> str:
    """Return what a file of one line says; "" for one that is not there."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            return opened.read(KEPT_LINE_BYTES_MAX).strip()
    except OSError:
        return ""


def put_whole(file: str, data: bytes) -> None:
    """Write a file to the disk, whole or not at all."""
    handle = os.open(f"{file}.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    os.rename(f"{file}.tmp", file)


def put_first(file: str, data: bytes) -> bool:
    """Write a file to the disk if there is none; return whether this call has made it."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    with open(handle, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    return True


def append_line(file: str, line: str) -> None:
    """Append a line to a file, and to the disk. Shape: behind a piece that a crash has left, it begins anew."""
    with open(file, "ab+") as opened:
        end = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, end - 1))
        torn = opened.read(1) not in (b"", b"\n")
        opened.write(b"\n" * torn + line.encode("ascii") + b"\n")
        opened.flush()
        os.fsync(opened.fileno())
