"""Files that a client itself keeps about an attempt: its transcript, and the state of its process."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from contextlib import suppress

from msgspec import Struct

from wakeman.core.errors import StorageError, UsageError
from wakeman.core.gate import Refused, decode_json, whole_number
from wakeman.core.model import Deployment, FileFingerprint, WorkerState, attempt_id
from wakeman.engine import layout
from wakeman.ports import CopyingExecutor, TranscriptPaths, World

STATE_FILE_BYTES_MAX = 64 * 1024
"""Bytes of a process's state file at most."""
PID_MAX = 2**22
"""The largest process id that Linux gives."""
NAMED_WITHIN_BYTES = 256 * 1024
"""Bytes at the beginning of a transcript in which its attempt is named."""


class Transcripts(Struct, frozen=True):
    """Files that a client keeps about an attempt: its transcript, those of its sub-agents, the state of its process.

    Shape: `within` is the directory of a client that has one of its own: no symlink there is believed.
    """

    record: FileFingerprint | None = None
    beside: tuple[FileFingerprint, ...] = ()
    state: bytes = b""
    within: str = ""


def find_transcripts(
    world: World, d: Deployment, worker: WorkerState, marks: Mapping[str, FileFingerprint]
) -> Transcripts:
    """Find the client's files of an interactive attempt; `marks` are fingerprints of our own files of it.

    Shape: of a machine with a disk of its own, what the last look brought.
    Boundary: nothing until the client has written some. A file of another conversation is never used.
    """
    file = layout.trail(d.host, worker)
    if file not in marks:
        return Transcripts()
    trail = decode_json(world.files.head(file, STATE_FILE_BYTES_MAX, within=posixpath.dirname(file)), TranscriptPaths)
    if isinstance(trail, Refused):
        return Transcripts()
    executor = world.executor(d.host)
    if isinstance(executor, CopyingExecutor) and executor.copies_files:
        trail = trail.elsewhere(layout.brought(d.host, worker))
    within = trail.home if trail.home in (layout.client(d.host, worker), layout.brought(d.host, worker)) else ""
    record = _record(world, worker, trail, marks.get(layout.claim(d.host, worker)), within)
    beside = _found(world, trail.home, trail.beside) if record is not None else []
    state = _client_state(world, d, worker, trail, within)
    return Transcripts(record=record, beside=tuple(beside), state=state, within=within)


def _record(
    world: World, worker: WorkerState, trail: TranscriptPaths, claimed: FileFingerprint | None, within: str
) -> FileFingerprint | None:
    found = _found(world, trail.home, trail.record)
    if trail.names:
        known = [mark for mark in found if worker.agent_session and worker.agent_session in mark.path]
        wanted = trail.names.encode("utf-8", "surrogateescape")
        fresh = (mark for mark in found if claimed is not None and mark.mtime_ns >= claimed.mtime_ns)
        found = known or [
            mark for mark in fresh if wanted in world.files.head(mark.path, NAMED_WITHIN_BYTES, within=within)
        ]
    return found[-1] if found else None


def _client_state(world: World, d: Deployment, worker: WorkerState, trail: TranscriptPaths, within: str) -> bytes:
    """Return the state file of a client's process, if that is alive and of this attempt: the file may outlive it."""
    wanted = worker.agent_session.encode()
    for mark_ in _found(world, trail.home, trail.states):
        pid = posixpath.basename(mark_.path).partition(".")[0]
        known = whole_number(pid, PID_MAX)
        if known is not None and world.machine.mark_of(known) == attempt_id(d, worker):
            data = world.files.head(mark_.path, STATE_FILE_BYTES_MAX, within=within)
            if wanted and wanted in data:
                return data
    return b""


def _found(world: World, home: str, patterns: Iterable[str]) -> list[FileFingerprint]:
    """Stat the files of some globs, the newest last. Cost: a listing of each directory that a glob matches."""
    paths: list[str] = []
    for pattern in patterns:
        fixed = posixpath.dirname(pattern.partition("*")[0])
        root = posixpath.join(home, fixed)
        if "*" not in pattern:
            paths.append(posixpath.join(home, pattern))
            continue
        with suppress(StorageError, UsageError):  # it is not there, or no pattern of a client's
            rest = pattern.removeprefix(fixed).lstrip("/")
            paths += (posixpath.join(root, name) for name in world.files.glob(root, [rest], []))
    return sorted(world.files.marks(paths).values(), key=lambda mark: mark.mtime_ns)
