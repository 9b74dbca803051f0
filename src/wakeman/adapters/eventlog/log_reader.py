"""Reads a log: verifies each line against the line before, and yields only whole writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedReader
from os.path import basename, dirname
from types import TracebackType
from typing import NoReturn, Self

from wakeman.adapters.eventlog.segments import LIVE, open_regular_file, refusing, sealed
from wakeman.core.digests import sha256, sha256_of_many
from wakeman.core.errors import LogDamagedError, TransitionError
from wakeman.core.log.events import (
    FORMAT_VERSION,
    LINE_END_BYTES,
    Event,
    Planned,
    decode,
    genesis,
    reader,
    seq_of,
    split,
)
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment

OURS = b'{"v":%d,' % FORMAT_VERSION
"""Beginning of a line in this version of the format."""


class Reading:
    """One pass over the events of a log; a context manager that opens the live file before it lists the others.

    Shape: `file` is the live segment, read with the sealed ones beside it, or any one file of lines. After the pass
    `torn` are the bytes after the last whole write, and `end` is their offset in the live segment; `seq` and `hash` are
    those of the last event.
    """

    def __init__(self, file: str) -> None:
        self._path = self.file = file  # the live segment, and the one being read
        self._first = self._begins = 1  # seq of the first line of the live segment, and of the one being read
        self._sealed: list[tuple[int, str]] = []
        self.start = self.weight = 0  # offset behind the snapshot's line, and bytes of the snapshot
        self.seq, self.hash = 0, ""
        self.end = 0
        self.torn = b""
        self.newer = False  # a line of another version of the format was read

    def __enter__(self) -> Self:
        # The live segment first: if it is sealed meanwhile, the listing has it too, and it is skipped as already open.
        with refusing(self._path):
            self._live: BufferedReader = open_regular_file(self._path)
            self._first = seq_of(self._live.peek(64)) or 1
        if basename(self._path) == LIVE:
            self._sealed = [(seq, file) for seq, file in sealed(dirname(self._path)) if seq < self._first]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.close()

    def known(self, seq: int, digest: str, first: int, end: int) -> bool:
        """Continue after a known line, if it is at the given place: `end` is its end in the live segment."""
        if first != self._first or end < LINE_END_BYTES:
            return False
        with refusing(self._path):
            if os.pread(self._live.fileno(), LINE_END_BYTES, end - LINE_END_BYTES) != digest.encode() + b'"}\n':
                return False
        self.seq, self.hash = seq, digest
        self._sealed, self.start = [], end
        return True

    @property
    def directory(self) -> str:
        """Return the directory of the log."""
        return dirname(self._path)

    @property
    def first(self) -> int:
        """Return the seq of the live segment's first line."""
        return self._first

    def __iter__(self) -> Iterator[Event]:
        for first, file in self._sealed:
            with refusing(file), open_regular_file(file) as stream:
                yield from self._lines(file, stream, first)
            if self.torn:
                self._damaged("a sealed segment ends in an unfinished line", self.seq + 1)
        with refusing(self._path):
            self._live.seek(self.start)
            yield from self._lines(self._path, self._live, self._first)
        if not self.seq:
            self._damaged(f"expected a planned event, found {'an unfinished write' if self.torn else 'nothing'}")

    def _lines(self, file: str, stream: BufferedReader, first: int) -> Iterator[Event]:
        self.file, self._begins, self.end = file, first, stream.tell()
        size = os.fstat(stream.fileno()).st_size - self.start
        read, digest_of = reader(size), sha256_of_many(size)
        seq, previous = self.seq, self.hash.encode()
        write: list[Event] = []
        size = 0
        for line in stream:
            if not seq:
                previous = self._genesis(line)
            digest = digest_of(previous + line[:-LINE_END_BYTES]).hexdigest()[:32].encode()
            if line[-LINE_END_BYTES:] != digest + b'"}\n':
                # An unfinished line is the last one, although its writer may have written more by now.
                self._unfit(line, previous, seq + 1, last=line[-1:] != b"\n" or not stream.peek(1))
                size += len(line)
                break
            if not line.startswith(OURS):
                self.newer = True
            event = read(line)
            seq += 1
            if event.seq != seq:
                self._damaged(f"expected seq {seq}, found {event.seq}", seq)
            previous = digest
            size += len(line)
            if event.more:
                write.append(event)
                continue
            self.end, self.seq, self.hash = self.end + size, seq, event.hash
            size = 0
            if write:
                yield from write
                write.clear()
            yield event
        if size:
            self.torn = os.pread(stream.fileno(), size, self.end)

    def _unfit(self, line: bytes, previous: bytes, seq: int, *, last: bool) -> None:
        """Raise LogDamagedError for a line whose hash does not fit, unless it is torn.

        Boundary: a line is torn if it lacks its line feed, or is the last and contains NUL: JSON never does, but a
        sector that was never written does. A complete line with another byte instead of its line feed is damaged.
        """
        whole = line[:-1] + b"\n"
        fits = whole[-LINE_END_BYTES:] == sha256(previous + whole[:-LINE_END_BYTES]).hexdigest()[:32].encode() + b'"}\n'
        if last and not fits and (line[-1:] != b"\n" or b"\0" in line):
            return
        if fits:
            self._damaged("the line feed at its end was changed", seq)
        try:
            event = decode(line)
            split(line[:-1])
        except LogDamagedError as fault:
            self._damaged(str(fault), seq)
        if event.seq != seq:
            self._damaged(f"expected seq {seq}, found {event.seq}", seq)
        self._damaged("the hash does not fit; this line is not as it was written", seq)

    def _genesis(self, line: bytes) -> bytes:
        """Return the hash before the first line. Boundary: a torn first line fits none, which is detected later."""
        try:
            event = decode(line)
        except LogDamagedError:
            return b""
        if event.seq != 1:
            self._damaged(f"expected seq 1, found {event.seq}: what comes before is not here", self._begins)
        if not isinstance(event.data, Planned):
            self._damaged("expected a planned event first")
        return genesis(event.data.name, event.data.digest).encode()

    def place(self, seq: int) -> str:
        """Return file name and line of an event of the current segment."""
        return f"{self.file}:{max(1, seq - self._begins + 1)}"

    def _damaged(self, found: str, seq: int = 1) -> NoReturn:
        hint = f"wakeman audit {self._path} shows what is wrong"
        if basename(self._path) == LIVE:
            name = basename(dirname(self._path))
            hint = (
                f"wakeman audit {name} shows what is wrong, wakeman log repair {name} cuts there and keeps the original"
            )
        raise LogDamagedError(f"{self.place(seq)}: {found}", hint)


def apply_all(log: Reading, deployment: Deployment) -> Deployment:
    """Apply the events of one pass. Raises: LogDamagedError, also for a line that does not follow from those before."""
    event = None
    try:
        for event in log:
            apply(deployment, event)
    except (TransitionError, LookupError, ValueError) as fault:
        at = log.place(event.seq if event else 1)
        raise LogDamagedError(f"{at}: does not follow from the lines before: {fault}") from fault
    return deployment
