"""Events as lines of JSON in the log. The facts that they carry are in `facts`, and re-exported here.

A line is `v seq at by type [worker attempt from to more] data hash`, in that order; `hash` is the last field at fixed
width, so that a reader checks the chain by slicing bytes and never by encoding again. `more` is on every line of one
write but its last: a write counts only as a whole.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wakeman.core.digests import sha256
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.facts import FACTS as FACTS
from wakeman.core.log.facts.deployment import *
from wakeman.core.log.facts.deployment import Planned
from wakeman.core.log.facts.effect import *
from wakeman.core.log.facts.fact import Draft as Draft
from wakeman.core.log.facts.fact import Event as Event
from wakeman.core.log.facts.fact import Fact as Fact
from wakeman.core.log.facts.log_file import *
from wakeman.core.log.facts.log_file import Unknown as Unknown
from wakeman.core.log.facts.observation import *
from wakeman.core.log.facts.worker import *
from wakeman.core.model import Host, State

FORMAT_VERSION = 1
HASH_CHARS = 32
LINE_END_BYTES = HASH_CHARS + len(b'"}\n')
"""Bytes at the end of each line that its hash does not cover: the hash itself, and what closes the line."""
LINE_BYTES_MAX = 64 * 1024
"""Bytes of a line at most: units are enrolled in several lines, screens go to files."""


class _Body(Struct, frozen=True, omit_defaults=True, kw_only=True, rename={"source": "from"}):
    """A line without its hash, in the order in which it is written."""

    v: int
    seq: int
    at: str
    by: str
    type: str
    worker: str | None = None
    attempt: int | None = None
    source: State | None = None
    to: State | None = None
    more: bool = False
    data: Fact | msgspec.Raw


class _Header(Struct, frozen=True, gc=False, rename={"source": "from"}):
    """The fields that every type of line has; `data` is not decoded."""

    v: int
    seq: int
    at: datetime
    by: str
    type: str
    hash: str
    data: msgspec.Raw
    worker: str | None = None
    attempt: int | None = None
    source: State | None = None
    to: State | None = None
    more: bool = False


_HOST_KEYS = frozenset(Host.__struct_fields__)
_decode_header = msgspec.json.Decoder(_Header).decode


@cache
def _fact_decoder(name: str) -> Callable[[msgspec.Raw], Fact]:
    """Build the decoder of one type, at the first line of that type: a check reads few types."""
    decode_: Callable[[msgspec.Raw], Fact] = msgspec.json.Decoder(FACTS[name]).decode
    return decode_


UNION_FROM_BYTES = 1_000_000
"""Bytes of a log above which it is faster to build the union of all types."""


def reader(size: int) -> Callable[[bytes], Event]:
    """Return what decodes the lines of a log of `size` bytes: a large one is read through the tagged union."""
    return _decode_by_union if size >= UNION_FROM_BYTES else decode


def _decode_by_union(line: bytes) -> Event:
    try:
        return _union_decoder().decode(line)
    except NO_EVENTS:
        return decode(line)  # the first, or of a newer version, or damaged: this says which


NO_EVENTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what is no event, or none that it knows."""


def decode_lines(block: bytes) -> list[Event]:
    """Read lines of this version, of which none begins a log. Cost: half of what `decode` of each takes.

    Raises: NO_EVENTS where `decode` is to be asked about each of them.
    """
    return _union_decoder().decode_lines(block)


def line_types(facts: Iterable[str] = FACTS) -> Any:
    """Return the type of all lines, or of some: a union tagged by `type`, of one struct for each fact."""
    kinds: Any = None
    for name in facts:
        fact = FACTS[name]
        line = msgspec.defstruct(
            f"{fact.__name__}Event",
            [("data", fact)],
            bases=(Event,),
            tag_field="type",
            tag=name,
            kw_only=True,
            gc=False,
        )
        kinds = line if kinds is None else kinds | line
    return kinds


@cache
def _union_decoder() -> msgspec.json.Decoder[Event]:
    """Build what decodes lines of any type at once, but a log's first. Cost: 4 ms, then two thirds of `decode`."""
    return msgspec.json.Decoder(line_types(name for name in FACTS if name != "planned"))


_encoder = msgspec.json.Encoder()


def kind(fact: Fact) -> str:
    """Return the name of a fact in the log: a key of FACTS, or `unknown`."""
    return type(fact).__name__.lower()


def genesis(deployment: str, digest: str) -> str:
    """Return the hash before the first line: it binds a log to its deployment's name and plan."""
    return sha256(f"{deployment}\n{digest}".encode()).hexdigest()[:HASH_CHARS]


@lru_cache(maxsize=8)
def stamp(at: datetime) -> str:
    """Write a time as the log does: UTC, microseconds, `Z`. Cost: once for all lines of a check, as they have one."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def encode(draft: Draft, *, seq: int, at: datetime, by: str, previous: str, more: bool = False) -> tuple[bytes, str]:
    """Encode one line, newline included, and return it with its hash. `more`: the write that it belongs to continues.

    Boundary: strings that are not valid UTF-8 (surrogate escapes of file names) are written as `\\udcXX` text.
    """
    body = _unhashed(draft, seq, at, by, more, draft.data)
    try:
        raw = _encoder.encode(body)
    except UnicodeEncodeError:
        raw = _encoder.encode(_without_surrogates(msgspec.to_builtins(body)))
    return _chained(raw, previous)


def encode_event(
    draft: Draft, *, seq: int, at: datetime, by: str, previous: str, more: bool = False
) -> tuple[bytes, Event]:
    """Encode one line as `encode` does, and return it with the event that a reader makes of it.

    Cost: of the line only the fact is read again, as its values are what may change on the way. Raises: as `decode`.
    """
    try:
        raw = msgspec.Raw(_encoder.encode(draft.data))
        line, digest = _chained(_encoder.encode(_unhashed(draft, seq, at, by, more, raw)), previous)
        fact = None if isinstance(draft.data, Planned) else _fact_decoder(kind(draft.data))(raw)
    except (UnicodeEncodeError, msgspec.DecodeError, KeyError):
        fact = None
    if fact is None:
        line, _ = encode(draft, seq=seq, at=at, by=by, previous=previous, more=more)
        return line, decode(line[:-1])
    return line, Event(
        v=FORMAT_VERSION,
        seq=seq,
        at=at if at.tzinfo is UTC else at.astimezone(UTC),
        by=by,
        worker=draft.worker,
        attempt=draft.attempt,
        source=draft.source,
        to=draft.to,
        more=more,
        data=fact,
        hash=digest,
    )


def _unhashed(draft: Draft, seq: int, at: datetime, by: str, more: bool, data: Fact | msgspec.Raw) -> _Body:
    return _Body(
        v=FORMAT_VERSION,
        seq=seq,
        at=stamp(at),
        by=by,
        type=kind(draft.data),
        worker=draft.worker,
        attempt=draft.attempt,
        source=draft.source,
        to=draft.to,
        more=more,
        data=data,
    )


def _chained(raw: bytes, previous: str) -> tuple[bytes, str]:
    """Return a line from its bytes without the hash, and its hash."""
    head = raw[:-1] + b',"hash":"'
    digest = chain(previous, head)
    return head + digest.encode() + b'"}\n', digest


def chain(previous: str, head: bytes) -> str:
    """Return the hash of a line's bytes up to and including `"hash":"`, chained to the line before."""
    return sha256(previous.encode() + head).hexdigest()[:HASH_CHARS]


def split(line: bytes) -> tuple[bytes, str]:
    """Split a line (without newline) into what was hashed and the hash written.

    Raises: LogDamagedError when the line does not end in a hash field.
    """
    head, tail = line[: 1 - LINE_END_BYTES], line[1 - LINE_END_BYTES :]
    if not head.endswith(b',"hash":"') or not tail.endswith(b'"}'):
        raise LogDamagedError("the line does not end in its hash")
    return head, tail[:HASH_CHARS].decode("ascii", "replace")


def decode(line: bytes) -> Event:
    """Read one line.

    Boundary: a type of a newer version becomes `Unknown`, so that old programs read new logs.
    Raises: LogDamagedError when it is no event at all.
    """
    try:
        head = _decode_header(line)
        data = _decode_fact(head)
    except NO_EVENTS as fault:
        raise LogDamagedError(f"not an event: {fault}") from fault
    return Event(
        v=head.v,
        seq=head.seq,
        at=head.at,
        by=head.by,
        worker=head.worker,
        attempt=head.attempt,
        source=head.source,
        to=head.to,
        more=head.more,
        data=data,
        hash=head.hash,
    )


def _decode_fact(head: _Header) -> Fact:
    if head.type not in FACTS:
        return Unknown(head.type)
    try:
        fact = _fact_decoder(head.type)(head.data)
        return _with_place(fact, head.data) if isinstance(fact, Planned) else fact
    except msgspec.ValidationError:
        if head.v > FORMAT_VERSION:
            return Unknown(head.type)
        raise


def _with_place(fact: Planned, data: msgspec.Raw) -> Planned:
    """Return a first line whose host has a place: older logs have the executor's keys among the host's other fields."""
    if fact.host.place:
        return fact
    beside = {key: value for key, value in msgspec.json.decode(data)["host"].items() if key not in _HOST_KEYS}
    return replace(fact, host=replace(fact.host, place=beside))


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
        case list() | tuple():
            return [_without_surrogates(v) for v in value]
        case _:
            return value


def seq_of(line: bytes) -> int:
    """Return the seq of a line from its first bytes; 0 if there is none."""
    found = re.match(rb'\{"v":\d+,"seq":(\d+),', line)
    return int(found[1]) if found else 0
