"""A log's files as one run of lines, for who must not stop at damage: an audit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import file_digest
from os.path import basename, dirname, getsize
from typing import NamedTuple

import msgspec
from msgspec import Struct

from wakeman.adapters.eventlog import snapshot
from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.adapters.eventlog.segments import LIVE, begins, refusing
from wakeman.audit.auditor import Auditor
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import Event, Sealed, decode, reader
from wakeman.core.log.hash_chain import Divergence, HashChain

_SPAN = 5
"""First bytes by which a file is told from one that is no log: `{"v":`."""


class Head(NamedTuple):
    """A line of the log as somebody outside remembers it. `where` names the witness."""

    where: str
    seq: int
    hash: str


class Witness(Struct, frozen=True):
    """What became of a head: `agrees` with the line that stands there, or not; `says` is why."""

    where: str
    line: int
    agrees: bool
    says: str


class Report(Struct, frozen=True):
    """What an audit found. `count` counts all divergences, of which the first are named."""

    judge: Auditor
    chain: HashChain
    divergences: tuple[Divergence, ...]
    count: int
    witnesses: tuple[Witness, ...]
    torn: int  # bytes of a last line that is not whole


class Tape(Reading):
    """One pass over the lines of a log, sealed segments first; see `Reading` for which file is which.

    Shape: `chain` holds what was found of sequence and hashes, `sealed` size and SHA-256 of each sealed file passed.
    """

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.chain = HashChain()
        self.sealed: dict[str, tuple[int, str]] = {}

    def lines(self) -> Iterator[bytes]:
        """Give every line, newline included. Raises: LogDamagedError for what is no log, or no whole one."""
        try:
            yield from self._all()
        except LogDamagedError as fault:
            raise LogDamagedError(f"{self._path}: {fault}", fault.hint) from fault

    def _all(self) -> Iterator[bytes]:
        for _, file in self._sealed:
            with refusing(file), open(file, "rb") as stream:
                yield from self.chain.follow(stream, lambda: False)
                stream.seek(0)
                self.sealed[basename(file)] = getsize(file), file_digest(stream, "sha256").hexdigest()
        with refusing(self._path):
            head = self._live.peek(_SPAN)[:_SPAN]
            if not b'{"v":'.startswith(head):
                raise _alien(f"begins with {head!r}")
            yield from self.chain.follow(self._live, lambda: not self._live.peek(1))
        if not self.chain.seq:
            raise _alien("holds an unfinished line" if self.chain.torn else "holds nothing")


def _alien(found: str) -> LogDamagedError:
    return LogDamagedError(f"{found}; expected the log of a deployment, which begins with line 1")


def first(file: str) -> Event:
    """Give the first line of a log, sealed segments included. Raises: LogDamagedError when there is none."""
    with Tape(file) as tape:
        return decode(next(iter(tape.lines())))


def chained(file: str) -> HashChain:
    """Follow sequence and hashes alone."""
    with Tape(file) as tape:
        deque(tape.lines(), maxlen=0)
        return tape.chain


def audit(file: str, heads: Iterable[tuple[str, int, str]] = ()) -> Report:
    """Judge a log again: chain, sequence, moves, decisions, intents, seals, snapshot, and what witnesses remember.

    Cost: constant memory beside the fold. Raises: LogDamagedError when it is no log; StorageError.
    """
    judge, known = Auditor(), [Head(*head) for head in heads]
    # What remembers lines is asked before the lines are read: some may be written in between.
    kept = snapshot.load(dirname(file)) if basename(file) == LIVE else None
    if kept is not None:
        known = [*known, Head("snapshot", kept[0].seq, kept[0].hash)]
    with Tape(file) as tape:
        hashes = dict.fromkeys((head.seq for head in known), "")
        read = reader(getsize(file) + sum(getsize(path) for _, path in tape._sealed))  # noqa: SLF001 - of its base
        for line in tape.lines():
            try:
                event = read(line)
            except (LogDamagedError, RecursionError) as fault:
                if tape.chain.fits:
                    judge.diverge(begins(line), "line", str(fault), "an event")
                continue
            judge.take(event)
            if event.seq in hashes:
                hashes[event.seq] = event.hash
                if kept is not None and (event.seq, event.hash) == (kept[0].seq, kept[0].hash):
                    _frozen(judge, event, kept[1])
            if isinstance(event.data, Sealed):
                _seal(judge, event, event.data, tape.sealed)
        witnesses = [_witness(judge, head, hashes[head.seq]) for head in known]
        found = sorted([*tape.chain.breaks, *judge.divergences], key=lambda divergence: divergence.line)
        torn = len(tape.chain.torn)
        return Report(judge, tape.chain, tuple(found), judge.count + tape.chain.broken, tuple(witnesses), torn)


def _seal(judge: Auditor, event: Event, data: Sealed, files: dict[str, tuple[int, str]]) -> None:
    """Hold a sealed file against what was said of it. Boundary: a file of lines that is alone has none beside it."""
    there, told = files.get(data.file), (data.size, data.sha256)
    if files and there != told:
        found = f"{there[0]} bytes, {there[1]}" if there else "no such file"
        judge.diverge(event.seq, "seal", f"{data.file}: {found}", f"{told[0]} bytes, {told[1]}")


def _frozen(judge: Auditor, event: Event, state: bytes) -> None:
    """Hold the snapshot against the fold at its line; whether it is of this very line is for the witness."""
    if judge.deployment.seq == event.seq and msgspec.json.encode(judge.deployment) != state:
        judge.diverge(event.seq, "snapshot", "another state", "what the lines up to here fold into")


def _witness(judge: Auditor, head: Head, stands: str) -> Witness:
    last = judge.deployment.seq + judge.torn
    if stands == head.hash:
        return Witness(head.where, head.seq, agrees=True, says="agrees")
    if head.seq > last:
        found, expected = f"the log ends at line {last}", f"line {head.seq}, which the {head.where} saw"
    else:
        found, expected = f"hash {stands or 'of no whole line'}", f"hash {head.hash}, which the {head.where} saw"
    judge.diverge(min(head.seq, last), "witness", found, expected)
    return Witness(head.where, head.seq, agrees=False, says=found)
