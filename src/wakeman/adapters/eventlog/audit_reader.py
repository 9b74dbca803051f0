"""A log's files as one sequence of lines, for an audit, which must not stop at damage."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from hashlib import file_digest
from os.path import basename, dirname, getsize
from typing import Self

from wakeman.adapters.eventlog import snapshot
from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.adapters.eventlog.segments import LIVE, open_regular_file, refusing
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import Event, decode
from wakeman.core.log.hash_chain import HashChain

_FIRST_BYTES = 5
"""First bytes of a log, which distinguish it from other files: `{"v":`."""


class AuditReader(Reading):
    """One pass over the lines of a log, sealed segments first; `Reading` describes the files.

    Shape: `chain` is the result for sequence and hashes, `sealed` size and SHA-256 of each sealed file read, `size` the
    bytes of all files, `snapshot` line, hash and state of the snapshot beside the log.
    """

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.chain = HashChain()
        self.sealed: dict[str, tuple[int, str]] = {}
        self.size = 0
        self.snapshot: tuple[int, str, bytes] | None = None

    def __enter__(self) -> Self:
        # The snapshot is read before the lines: some may be written in between.
        kept = snapshot.load(dirname(self._path)) if basename(self._path) == LIVE else None
        self.snapshot = (kept[0].seq, kept[0].hash, kept[1]) if kept is not None else None
        super().__enter__()
        self.size = sum(getsize(path) for path in (self._path, *(path for _, path in self._sealed)))
        return self

    def lines(self) -> Iterator[bytes]:
        """Yield every line, newline included. Raises: LogDamagedError if it is no log, or its beginning is missing."""
        try:
            yield from self._all()
        except LogDamagedError as fault:
            raise LogDamagedError(f"{self._path}: {fault}", fault.hint) from fault

    def _all(self) -> Iterator[bytes]:
        for _, file in self._sealed:
            with refusing(file), open_regular_file(file) as stream:
                yield from self.chain.follow(stream, lambda: False)
                stream.seek(0)
                self.sealed[basename(file)] = getsize(file), file_digest(stream, "sha256").hexdigest()
        with refusing(self._path):
            head = self._live.peek(_FIRST_BYTES)[:_FIRST_BYTES]
            if not b'{"v":'.startswith(head):
                raise _alien(f"begins with {head!r}")
            yield from self.chain.follow(self._live, lambda: not self._live.peek(1))
        if not self.chain.seq:
            raise _alien("holds an unfinished line" if self.chain.torn else "holds nothing")


def _alien(found: str) -> LogDamagedError:
    return LogDamagedError(f"{found}; expected the log of a deployment, which begins with line 1")


def first_event(file: str) -> Event:
    """Return the first line of a log, sealed segments included. Raises: LogDamagedError if there is none."""
    with AuditReader(file) as tape:
        return decode(next(iter(tape.lines())))


def chained(file: str) -> HashChain:
    """Verify only sequence and hashes."""
    with AuditReader(file) as tape:
        deque(tape.lines(), maxlen=0)
        return tape.chain
