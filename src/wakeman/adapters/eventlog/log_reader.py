"""Reads a log: verifies each line against the line before, and yields only whole writes."""

from __future__ import annotations

import os
import sys
from binascii import hexlify
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader, BytesIO
from itertools import chain
from os.path import basename, dirname
from types import TracebackType
from typing import Any, NoReturn, Self

from wakeman.adapters.eventlog.segments import LIVE, open_regular_file, refusing, sealed
from wakeman.core.digests import sha256, sha256_of_many
from wakeman.core.errors import LogDamagedError, TransitionError
from wakeman.core.log.events import (
    FORMAT_VERSION,
    HASH_CHARS,
    LINE_END_BYTES,
    NO_EVENTS,
    UNION_FROM_BYTES,
    Event,
    Planned,
    decode,
    decode_lines,
    genesis,
    seq_of,
    split,
)
from wakeman.core.log.state import fold
from wakeman.core.model import Deployment

OURS = b'{"v":%d,' % FORMAT_VERSION
"""Beginning of a line in this version of the format."""
BLOCK_BYTES = 64 * 1024
"""Bytes of a large log that are read, checked and decoded at once: what is made of them is applied while it is still in
the processor's cache."""

_BEFORE_HASH, _HASH = slice(-LINE_END_BYTES), slice(-LINE_END_BYTES, HASH_CHARS - LINE_END_BYTES)
"""What a line's hash covers, and the hash itself."""
_KEPT = slice(HASH_CHARS // 2)
"""The bytes of a SHA-256 that a hash has."""

Digest = Callable[[bytes], Any]
"""SHA-256, as `hashlib` has it."""


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
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[Sequence[Event]]:
        """Yield the events of some whole writes at a time.

        Shape: as they are yielded, `end`, `seq` and `hash` are those of the last of them. Raises: LogDamagedError at
        damage, after all before it was yielded.
        """
        for first, file in self._sealed:
            with refusing(file), open_regular_file(file) as stream:
                yield from self._segment(file, stream, first)
            if self.torn:
                self._damaged("a sealed segment ends in an unfinished line", self.seq + 1)
        with refusing(self._path):
            self._live.seek(self.start)
            yield from self._segment(self._path, self._live, self._first)
        if not self.seq:
            self._damaged(f"expected a planned event, found {'an unfinished write' if self.torn else 'nothing'}")

    def _segment(self, file: str, stream: BufferedReader, first: int) -> Iterator[Sequence[Event]]:
        self.file, self._begins, self.end = file, first, stream.tell()
        size = os.fstat(stream.fileno()).st_size - self.start
        digest_of = sha256_of_many(size)
        if size < UNION_FROM_BYTES:
            yield from self._lines(stream, sys.maxsize, digest_of)
            return
        while stream.peek(1) and not self.torn:
            if events := self._block(stream, digest_of):
                yield events
            else:
                yield from self._lines(stream, self.end + BLOCK_BYTES, digest_of)

    def _block(self, stream: BufferedReader, digest_of: Digest) -> Sequence[Event]:
        """Return the events of a block that is as it should be, to the end of a write; none if that is not known."""
        if not self.seq:
            return ()
        block = stream.read(BLOCK_BYTES) + stream.readline()
        events = _checked_at_once(block, self.seq, self.hash.encode(), digest_of)
        end = len(block)
        while events and events[-1].more:
            del events[-1]
            end = block.rfind(b"\n", 0, end - 1) + 1
        if events:
            self.end, self.seq, self.hash = self.end + end, events[-1].seq, events[-1].hash
        if not events or end < len(block):
            stream.seek(self.end)
        return events

    def _lines(self, stream: BufferedReader, enough: int, digest_of: Digest) -> Iterator[Sequence[Event]]:
        """Yield one write after the other, checked line by line, until `end` is at least `enough`."""
        seq, previous = self.seq, self.hash.encode()
        write: list[Event] = []
        size = 0
        for line in stream:
            if not seq:
                previous = self._genesis(line)
            digest = digest_of(previous + line[:-LINE_END_BYTES]).hexdigest()[:HASH_CHARS].encode()
            if line[-LINE_END_BYTES:] != digest + b'"}\n':
                # An unfinished line is the last one, although its writer may have written more by now.
                self._unfit(line, previous, seq + 1, last=line[-1:] != b"\n" or not stream.peek(1))
                size += len(line)
                break
            if not line.startswith(OURS):
                self.newer = True
            event = decode(line)
            seq += 1
            if event.seq != seq:
                self._damaged(f"expected seq {seq}, found {event.seq}", seq)
            previous = digest
            size += len(line)
            write.append(event)
            if event.more:
                continue
            self.end, self.seq, self.hash = self.end + size, seq, event.hash
            size = 0
            yield write
            if self.end >= enough:
                return
            write = []
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


def _checked_at_once(block: bytes, seq: int, previous: bytes, digest_of: Digest) -> list[Event]:
    """Return the events of lines that follow line `seq`, if each has the right number and hash; otherwise none.

    Shape: what is wrong, or of another version of the format, is for whoever reads them line by line.
    """
    try:
        events = decode_lines(block)
    except NO_EVENTS:
        return []
    lines = BytesIO(block).readlines()
    hashes = [line[_HASH] for line in lines]
    chained = zip((previous, *hashes), lines, strict=False)
    digests = [digest_of(before + line[_BEFORE_HASH]).digest()[_KEPT] for before, line in chained]
    read = "".join([event.hash for event in events]).encode("ascii", "replace")  # the JSON, too, has them as the hash
    fits = hexlify(b"".join(digests)) == b"".join(hashes) == read
    in_order = [event.seq for event in events] == list(range(seq + 1, seq + 1 + len(lines)))
    ours = {event.v for event in events} == {FORMAT_VERSION}
    return events if fits and in_order and ours else []


def apply_all(log: Reading, deployment: Deployment) -> Deployment:
    """Apply the events of one pass. Raises: LogDamagedError, also for a line that does not follow from those before."""
    try:
        for events in log.batches():
            fold(deployment, events)
    except (TransitionError, LookupError, ValueError) as fault:
        at = log.place(deployment.seq or 1)
        raise LogDamagedError(f"{at}: does not follow from the lines before: {fault}") from fault
    return deployment
