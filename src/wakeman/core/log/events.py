"""Facts, and the one line of JSON that each becomes in the event log.

A line is `v seq at by type [worker attempt from to more] data hash`, in that order; `hash` is the last field at fixed
width, so that a reader checks the chain by slicing bytes and never by encoding again. `more` stands on every line of
one write but its last: what must be true together counts only when all of it is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from wakeman.core.errors import LogDamagedError
from wakeman.core.model import (
    Alarm,
    EndedBy,
    Fault,
    FileFingerprint,
    Host,
    Observation,
    Outcome,
    Plan,
    PromotedFile,
    Rejection,
    State,
    Unit,
    Validator,
    Verdict,
    Written,
)

FORMAT_VERSION = 1
HASH_WIDTH = 32
LINE_END_BYTES = HASH_WIDTH + len(b'"}\n')
"""Bytes at the end of each line that its hash does not cover: the hash itself, and what closes the line."""
LINE_BYTES_MAX = 64 * 1024
"""Bytes that one line keeps to: units are enrolled in several lines, screens go to files."""

Action = Literal["launch", "end", "nudge", "send", "enter", "wake", "sweep", "move", "run", "install", "commit"]
Verb = Literal["stop", "retry", "waive", "reject", "accept", "pause", "unpause", "amend", "down", "send", "check"]


class Fact(Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of what can have happened. Fields are only ever added, with defaults."""


class Planned(Fact, frozen=True):
    """A deployment began: its resolved policy, and the absolute world that every check uses.

    Shape: `edition` is that of the tables that it is judged by to its end; without one attempts follow at once.
    """

    name: str
    plan: Plan
    digest: str
    host: Host
    edition: int = 0


class Enrolled(Fact, frozen=True):
    """A worker, or more units for one named before. A unit that another worker had moves here."""

    session: str
    units: tuple[Unit, ...] = ()
    existing: tuple[FileFingerprint, ...] = ()  # outputs of these units that were there before anything ran
    moved: tuple[str, ...] = ()  # units already known that move to this worker's share
    key: str = ""
    origin: str = ""  # the worker whose share a cleanup worker takes over
    note: str = ""  # what its prompt adds: the failed checks
    review: int = 0  # of a reviewer: the round; `units` is then its own, the verdict
    reviews: tuple[str, ...] = ()  # of a reviewer: the units to review


class Armed(Fact, frozen=True):
    """An alarm lies ahead. `weak` says why `at` could not serve, and what that costs."""

    alarm: Alarm
    why: str = ""
    weak: str = ""


class Disarmed(Fact, frozen=True):
    """The alarm was taken away: the deployment is closed or paused."""

    generation: int


class Looked(Fact, frozen=True):
    """One look at everything; only what changed since the look before. The clock reading is the line's `at`.

    Units: `mono` is seconds of a clock that stops while the machine sleeps, `memory` bytes free.
    """

    mono: float
    boot: str
    observations: tuple[Observation, ...] = field(default=(), name="sightings")
    verdicts: tuple[Verdict, ...] = ()
    memory: int = 0
    validators: tuple[Validator, ...] | None = None  # all that are there now, where that changed
    server: str = ""  # tmux server seen, `pid:start`; "" when there is none
    more: bool = False  # the look goes on in the next line: one line keeps to MAX_LINE
    aside: tuple[Verdict, ...] = ()  # on what was made in a stage or a tree, and is not taken over yet


class Progressed(Fact, frozen=True):
    """Outputs of this worker's share were written; told by a watcher, at most once a second.

    Shape: `written` counts the units of the share, `total` in all, whose outputs are all there, not judged yet;
    `files` are those written since it was told last. The worker is taken to have written them, unless `inferred`
    is off: then somebody told so.
    """

    written: int
    total: int
    files: tuple[Written, ...] = ()
    inferred: bool = True


class Conflicted(Fact, frozen=True):
    """A file was written where it must not be, by the worker in the line, where one is known.

    Shape: `unit` is whose place it is and `owner` that unit's worker, "" where it is nobody's; `written` is the
    file's time. `inferred` unless somebody told who wrote it: then it is the only one at work. `more` counts those
    of the same second that have no line of their own.
    """

    path: str
    written: datetime
    unit: str = ""
    owner: str = ""
    mark: FileFingerprint | None = None
    inferred: bool = True
    more: int = 0


class Decided(Fact, frozen=True):
    """A row was taken, for a worker (named in the line) or for the deployment. `looked` is the line it judged."""

    row: str
    looked: int
    then: tuple[str, ...] = ()
    why: str = ""
    held: bool = False
    under: str = ""  # the row that was proposed before and still waits for `accept`


class Intended(Fact, frozen=True):
    """An effect that cannot be repeated harmlessly is about to begin.

    Shape: `target` is what it acts on (session, file, receiver); `digest` the SHA-256 of argument list or text;
    `causes` what a wake speaks of; `units` counts what a launch is asked to do; its attempt stands in the line.
    A text that is submitted is to be confirmed: `before` fingerprints what its client had said by then.
    """

    action: Action
    target: str = ""
    digest: str = ""
    text: str = ""
    causes: tuple[str, ...] = ()
    units: int = 0
    ended_by: EndedBy = ""  # for an end: in whose name
    agent_session: str = ""
    resume: bool = False  # for a launch: it continues that conversation
    confirm: bool = False  # for a text: a later look tells whether it arrived
    before: str = ""
    files: tuple[PromotedFile, ...] = ()  # for an install or a commit: the outputs of the unit in `target`
    keep: bool = False  # for an install: the worker is at work and keeps its own


class Effected(Fact, frozen=True):
    """What became of the intent in line `intent`."""

    intent: int
    ok: bool
    detail: str = ""
    ended_by: EndedBy = ""  # for a launch that did not happen: who or what kept it from happening
    marks: tuple[FileFingerprint, ...] = ()  # for an install or a commit: the outputs as they count from now on


class Confirmed(Fact, frozen=True):
    """What became of the text typed under the intent in line `intent`: it arrived (`ok`), or nothing tells so."""

    intent: int
    ok: bool
    why: str = ""


class Launched(Fact, frozen=True):
    """The attempt's session exists: made now, or found and adopted."""

    intent: int
    session_id: str = ""
    pid: int = 0
    adopted: bool = False


class Relaunched(Launched, frozen=True):
    """As launched, for the next attempt of the same worker."""


class Started(Fact, frozen=True):
    """First sign of life."""

    why: str = ""


class Stalled(Fact, frozen=True):
    """The worker is stuck: `reason` is waiting, limited, error or silent; `why` what exactly."""

    reason: str
    why: str = ""
    until: datetime | None = None


class Recovered(Fact, frozen=True):
    """A sign of life again."""

    why: str = ""


class Exited(Fact, frozen=True):
    """The attempt is over. `free` ends (by us, by a reboot, by a limit) cost no attempt; `until` is when a limit
    resets; a `fault` of `auth` bars all launches until `unpause`."""

    why: str
    code: int | None = None
    ended_by: EndedBy = ""
    free: bool = False
    until: datetime | None = None
    fault: Fault = ""


class Verified(Fact, frozen=True):
    """The worker's share is complete: `files` were judged, `digest` is the SHA-256 over their marks."""

    files: int = 0
    digest: str = ""


class Captured(Fact, frozen=True):
    """A screen was kept as evidence in `file` (relative to the deployment's directory)."""

    file: str
    sha256: str
    why: str = ""


class Requested(Fact, frozen=True):
    """A person, or a script in their name, asked for something."""

    verb: Verb
    units: tuple[str, ...] = ()
    text: str = ""


class Amended(Fact, frozen=True):
    """The plan was changed for what is not launched yet."""

    plan: Plan
    digest: str
    dropped: tuple[str, ...] = ()


class Sampled(Fact, frozen=True):
    """Outputs picked for a person's quality look, by a recorded seed."""

    seed: int
    units: tuple[str, ...]


class Reviewed(Fact, frozen=True):
    """What a reviewer (the worker in the line) had to say was taken: those that it rejects are opened again.

    Shape: `passed` counts the units that it accepts. Of one that changed since it was given out, nothing is taken.
    """

    round: int
    passed: int = 0
    rejected: tuple[Rejection, ...] = ()


class Repaired(Fact, frozen=True):
    """What stood behind the last whole write was cut off and kept in `file`; `size` bytes.

    Shape: `line` is the first line cut off, when damage was cut by hand; 0 for a write that a crash left unfinished.
    """

    file: str
    size: int
    line: int = 0


class Sealed(Fact, frozen=True):
    """The lines before this one were put into a file of their own: `size` bytes, and the SHA-256 over all of them."""

    file: str
    size: int
    sha256: str


class Filled(Fact, frozen=True):
    """The disk refused `size` bytes: it is full. The reserve was given up for what must still be written."""

    size: int
    why: str


class Freed(Fact, frozen=True):
    """The disk has room again: the reserve stands."""


class Noted(Fact, frozen=True):
    """Something worth telling that changes nothing: an orphan, a refusal, a stale mark."""

    text: str


class Closed(Fact, frozen=True):
    """The deployment is over."""

    outcome: Outcome
    why: str = ""
    missing: tuple[str, ...] = ()


class Unknown(Fact, frozen=True):
    """A fact of a newer version: kept in its place, without effect. `name` is what it calls its type."""

    name: str = ""


FACTS: dict[str, type[Fact]] = {
    kind.__name__.lower(): kind
    for kind in (
        Planned, Enrolled, Armed, Disarmed, Looked, Progressed, Conflicted, Decided, Intended, Effected, Confirmed,
        Launched, Started, Stalled, Recovered, Exited, Relaunched, Verified, Captured, Requested, Amended, Sampled,
        Reviewed, Repaired, Sealed, Filled, Freed, Noted, Closed,
    )
}  # fmt: skip
"""`type` in the log -> struct. The names are for ever."""


class Draft(Struct, frozen=True):
    """An event on its way into the log: the writer adds seq, hash, clock and writer."""

    data: Fact
    worker: str | None = None
    attempt: int | None = None
    source: State | None = None
    to: State | None = None


class Event(Struct, frozen=True, gc=False, kw_only=True, rename={"source": "from"}):
    """One line of the log."""

    v: int
    seq: int
    at: datetime
    by: str
    worker: str | None = None
    attempt: int | None = None
    source: State | None = None
    to: State | None = None
    more: bool = False
    data: Fact
    hash: str


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
    data: Fact


class _Header(Struct, frozen=True, gc=False, rename={"source": "from"}):
    """What can be read of any line, whatever its type; `data` is left as it stands."""

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


_header = msgspec.json.Decoder(_Header).decode


@cache
def _decoder(name: str) -> Callable[[msgspec.Raw], Fact]:
    """Build the decoder of one type, when a line of it is met: a check meets few."""
    decode_: Callable[[msgspec.Raw], Fact] = msgspec.json.Decoder(FACTS[name]).decode
    return decode_


UNION_FROM_BYTES = 1_000_000
"""Bytes of a log from which on building the union pays."""


def reader(size: int) -> Callable[[bytes], Event]:
    """Give what decodes the lines of a log of `size` bytes: a large one is read through the tagged union."""
    return _read_many if size >= UNION_FROM_BYTES else decode


def _read_many(line: bytes) -> Event:
    try:
        return _union()(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decode(line)  # of a newer version, or damaged: this says which


def line_types() -> Any:
    """Give the type of all lines: a union tagged by `type`, of one struct for each fact."""
    kinds: Any = None
    for name, fact in FACTS.items():
        line = msgspec.defstruct(
            f"{fact.__name__}Event",
            [("data", fact)],
            bases=(Event,),
            tag_field="type",
            tag=name,
            frozen=True,
            gc=False,
            kw_only=True,
            rename={"source": "from"},
        )
        kinds = line if kinds is None else kinds | line
    return kinds


@cache
def _union() -> Callable[[bytes], Event]:
    """Build what decodes a line of any type in one go. Cost: 4 ms, then two thirds of `decode`."""
    decode_: Callable[[bytes], Event] = msgspec.json.Decoder(line_types()).decode
    return decode_


_encoder = msgspec.json.Encoder()
_NAMES = {fact: name for name, fact in FACTS.items()}


def kind(fact: Fact) -> str:
    """Name a fact as the log does."""
    return _NAMES.get(type(fact), "unknown")


def genesis(deployment: str, digest: str) -> str:
    """Give the hash before the first line: it binds a log to its deployment's name and plan."""
    return hashlib.sha256(f"{deployment}\n{digest}".encode()).hexdigest()[:HASH_WIDTH]


def stamp(at: datetime) -> str:
    """Write a time as the log does: UTC, microseconds, `Z`."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def encode(draft: Draft, *, seq: int, at: datetime, by: str, previous: str, more: bool = False) -> tuple[bytes, str]:
    """Make one line, newline included, and its hash. `more`: the write that it belongs to goes on.

    Boundary: strings that are not valid UTF-8 (surrogate escapes of file names) are written as `\\udcXX` text.
    """
    body = _Body(
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
        data=draft.data,
    )
    try:
        raw = _encoder.encode(body)
    except UnicodeEncodeError:
        raw = _encoder.encode(_printable(msgspec.to_builtins(body)))
    head = raw[:-1] + b',"hash":"'
    digest = chain(previous, head)
    return head + digest.encode() + b'"}\n', digest


def chain(previous: str, head: bytes) -> str:
    """Hash a line's bytes up to and including `"hash":"` onto the line before."""
    return hashlib.sha256(previous.encode() + head).hexdigest()[:HASH_WIDTH]


def split(line: bytes) -> tuple[bytes, str]:
    """Cut a line (without newline) into what was hashed and the hash written.

    Raises: LogDamagedError when the line does not end in a hash field.
    """
    head, tail = line[: 1 - LINE_END_BYTES], line[1 - LINE_END_BYTES :]
    if not head.endswith(b',"hash":"') or not tail.endswith(b'"}'):
        raise LogDamagedError("the line does not end in its hash")
    return head, tail[:HASH_WIDTH].decode("ascii", "replace")


def decode(line: bytes) -> Event:
    """Read one line.

    Boundary: a type of a newer version becomes `Unknown`, so that old programs read new logs.
    Raises: LogDamagedError when it is no event at all.
    """
    try:
        head = _header(line)
        data = _fact(head)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
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


def _fact(head: _Header) -> Fact:
    if head.type not in FACTS:
        return Unknown(head.type)
    try:
        return _decoder(head.type)(head.data)
    except msgspec.ValidationError:
        if head.v > FORMAT_VERSION:
            return Unknown(head.type)
        raise


def _printable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_printable(k): _printable(v) for k, v in value.items()}
        case list() | tuple():
            return [_printable(v) for v in value]
        case _:
            return value
