"""The snapshot beside a log: a cache of its state at one line of one file, never repaired."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from os.path import join

import msgspec
from msgspec import Struct

from wakeman.adapters.eventlog.segments import SNAPSHOT, replace
from wakeman.core.log.state import STATE_VERSION
from wakeman.core.model import Deployment

SNAPSHOT_LAG_BYTES_MIN = 32 * 1024
"""Bytes of lines after a snapshot before another is written: each check applies them. A large deployment waits for
proportionally more."""


class Snapshot(Struct, frozen=True):
    """The first line of the file; the second is the deployment with all lines up to `seq` applied.

    Shape: `end` is the offset behind that line in the live segment, whose first line is `first`; `crc32` is over the
    second line; `fold` is the version of the state that it holds.
    """

    fold: int
    seq: int
    hash: str
    first: int
    end: int
    crc32: int


def load(directory: str) -> tuple[Snapshot, bytes] | None:
    """Read a snapshot, if it is complete and of this version. The reader verifies that it fits the log."""
    try:
        with open(join(directory, SNAPSHOT), "rb") as stream:
            head, _, state = stream.read().partition(b"\n")
        found = msgspec.json.decode(head, type=Snapshot)
    except (OSError, ValueError):
        return None
    if found.fold != STATE_VERSION or zlib.crc32(state) != found.crc32:
        return None
    return found, state


def thaw(state: bytes) -> Deployment | None:
    """Decode a deployment from a snapshot's second line; None if that fails."""
    with suppress(ValueError):
        return msgspec.json.decode(state, type=Deployment)
    return None


def write_snapshot(directory: str, deployment: Deployment, first: int, end: int) -> int:
    """Write a snapshot of a deployment; return its size in bytes. Raises: OSError, which leaves the previous one."""
    state = msgspec.json.encode(deployment)
    head = Snapshot(
        fold=STATE_VERSION,
        seq=deployment.seq,
        hash=deployment.hash,
        first=first,
        end=end,
        crc32=zlib.crc32(state),
    )
    replace(directory, SNAPSHOT, msgspec.json.encode(head) + b"\n" + state)
    return len(state)


def drop(directory: str) -> None:
    """Remove the snapshot. It is no error if there is none."""
    with suppress(FileNotFoundError):
        os.unlink(join(directory, SNAPSHOT))
