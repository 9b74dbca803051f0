"""The hash chain of a log, verified on its bytes alone: no line is decoded, and a break does not stop it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

from msgspec import Struct

from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import HASH_CHARS, LINE_END_BYTES, Planned, decode, genesis

DIVERGENCES_KEPT_MAX = 1000
"""Breaks and divergences that are kept; the rest is counted."""
_LINE_HEAD = re.compile(rb'\{"v":([0-9]{1,9}),"seq":([1-9][0-9]{0,17}),')
_LINE_TAIL = re.compile(rb'[0-9a-f]{%d}"\}\n' % HASH_CHARS)


class Divergence(Struct, frozen=True):
    """One divergence. `line` is the `seq` at which it was found; 0 if it is about no line."""

    line: int
    kind: str
    found: str
    expected: str


class HashChain:
    """Sequence and hashes of one log, segment after segment.

    Shape: `breaks` are the first DIVERGENCES_KEPT_MAX ones, `broken` counts all; `torn` is an unfinished last line.
    `seq` and `hash` are the last line's, as written; `start` is the hash before the first.
    """

    def __init__(self) -> None:
        self.seq, self.hash, self.start = 0, b"", ""
        self.breaks: list[Divergence] = []
        self.broken = 0
        self.torn = b""
        self.fits = True

    def follow(self, lines: Iterable[bytes], last: Callable[[], bool]) -> Iterator[bytes]:
        """Yield each line, newline included, after checking it against the one before; `fits` is the result.

        Shape: `last` says whether the line is the last one; only that one can be torn. Cost: two thirds of a
        microsecond for each line, in addition to its hash.
        """
        seq, previous = self.seq, self.hash
        for line in lines:
            if not seq:
                previous = self._hash_before_first(line, last)
            seq += 1
            digest = sha256(previous + line[:-LINE_END_BYTES]).hexdigest()[:HASH_CHARS].encode()
            if line[-LINE_END_BYTES:] == digest + b'"}\n' and line.startswith(b'{"v":1,"seq":%d,' % seq):
                previous = digest
                yield line
                continue
            self.seq, self.hash = seq, previous
            self._report_misfit(line, digest, last)
            seq, previous = self.seq, self.hash
            if self.torn:
                return
            yield line
            self.fits = True
        self.seq, self.hash = seq, previous

    def _hash_before_first(self, line: bytes, last: Callable[[], bool]) -> bytes:
        """Return the hash before the first line.

        Raises: LogDamagedError if it is no log of Wakeman, or its beginning is missing.
        """
        try:
            event = decode(line)
        except LogDamagedError as fault:
            if _unfinished(line) and last():
                return b""  # torn: it fits nothing, which `_report_misfit` finds
            raise LogDamagedError(f"line 1: {fault}; expected the planned event of a log of Wakeman") from fault
        if event.seq != 1:
            raise LogDamagedError(
                f"begins with line {event.seq}: lines 1 to {event.seq - 1} are not here",
                "copy the whole directory of the deployment: events.jsonl and every events-*.jsonl beside it",
            )
        if not isinstance(event.data, Planned):
            raise LogDamagedError("line 1: expected the planned event of a log of Wakeman")
        self.start = genesis(event.data.name, event.data.digest)
        return self.start.encode()

    def _report_misfit(self, line: bytes, digest: bytes, last: Callable[[], bool]) -> None:
        """Record what is wrong with a line, and continue from its own seq and hash.

        Boundary: a line of a newer version is valid if its hash is.
        """
        found = _LINE_HEAD.match(line)
        seq, expected, previous = int(found[2]) if found else self.seq, self.seq, self.hash
        chained = line[-LINE_END_BYTES:] == digest + b'"}\n'
        self.seq = seq
        self.fits = chained and seq == expected and found is not None
        if self.fits:
            self.hash = digest
            return
        if not chained and _carries_own_hash(line[:-1] + b"\n", previous):
            self._add_break("another byte in the place of its line feed", "a line feed")
        elif line.endswith(b"\r\n") and _carries_own_hash(line[:-2] + b"\n", previous):
            self._add_break("its line feed became CR LF: something converted the file", "a line feed")
        elif not chained and _unfinished(line) and last():
            self.seq, self.torn = expected - 1, line
            return
        elif found is None:
            self._add_break("a line that does not begin as one", f"line {expected}")
        elif seq > expected:
            self._add_break(f"line {seq}: lines {expected} to {seq - 1} are not here", f"line {expected}")
        elif seq < expected:
            self._add_break(f"line {seq}: it stands here again", f"line {expected}")
        else:
            self._add_break(
                "its hash does not fit: it is not as it was written", "the hash of the line before and its own"
            )
        ended = line.rstrip(b"\r\n") + b"\n"
        self.hash = ended[-LINE_END_BYTES:-3] if _LINE_TAIL.fullmatch(ended[-LINE_END_BYTES:]) else digest

    def _add_break(self, found: str, expected: str) -> None:
        self.broken += 1
        if len(self.breaks) < DIVERGENCES_KEPT_MAX:
            self.breaks.append(Divergence(self.seq, "chain", found, expected))


def _carries_own_hash(line: bytes, previous: bytes) -> bool:
    """Return whether a line carries its own hash."""
    return (
        line[-LINE_END_BYTES:] == sha256(previous + line[:-LINE_END_BYTES]).hexdigest()[:HASH_CHARS].encode() + b'"}\n'
    )


def _unfinished(line: bytes) -> bool:
    """Return whether a last line may be the result of a crash: without its line feed, or with NUL in it."""
    return line[-1:] != b"\n" or b"\0" in line
