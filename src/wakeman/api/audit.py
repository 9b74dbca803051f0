"""A log audited: hash chain, transitions, decisions, outcomes, external checkpoints, signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from os.path import dirname, realpath
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from msgspec import UNSET, Meta, UnsetType

from wakeman.api.answer import Answer, Value
from wakeman.audit.report import AuditedLog, AuditReport
from wakeman.audit.report import audit as judge_again
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import Event, decode, genesis, stamp
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment, Outcome
from wakeman.engine.observe.anchors import checkpoints
from wakeman.ports import World

if TYPE_CHECKING:
    from datetime import datetime


DIVERGED_STATUS = 6
"""Exit code of an audit that found anything."""
SIGNATURE_PREFIX = "signature of "

Head = tuple[str, int, str]
"""A checkpoint: its source, the line's number, and its hash."""


class DivergenceFound(Value, frozen=True, kw_only=True):
    """One divergence."""

    line: Annotated[int, Meta(description="Line of the log; 0 if it is about no line.")]
    kind: Annotated[str, Meta(description="What was checked.")]
    found: Annotated[str, Meta(description="What was found.")]
    expected: Annotated[str, Meta(description="What was expected.")]


class CheckpointFound(Value, frozen=True, kw_only=True):
    """An external checkpoint, compared with the log."""

    where: Annotated[str, Meta(description="Where the checkpoint is kept.")]
    line: Annotated[int, Meta(description="Number of the line.")]
    agrees: Annotated[bool, Meta(description="Whether the line has that hash.")]
    says: Annotated[str, Meta(description="`agrees`, or what was found instead.")]


class PendingIntent(Value, frozen=True, kw_only=True):
    """An intent without an outcome, which is no divergence."""

    line: Annotated[int, Meta(description="Number of the line.")]
    what: Annotated[str, Meta(description="What was intended.")]


class SignatureStatus(Value, frozen=True, kw_only=True):
    """Result of verifying one key's signatures."""

    key: Annotated[str, Meta(description="Fingerprint of the public key.")]
    line: Annotated[int, Meta(description="The last signed line; 0 for none.")]
    signature: Annotated[str | UnsetType, Meta(description="After `--sign`: the signature, in base64.")] = UNSET
    file: Annotated[
        str | UnsetType, Meta(description="After `--sign`: absolute path of the file with the signature.")
    ] = UNSET


class Audited(Value, frozen=True, kw_only=True):
    """Result of an audit."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    outcome: Annotated[Outcome, Meta(description="`open`, or how it was closed.")]
    events: Annotated[int, Meta(description="Lines that were read.")]
    started: Annotated[str | None, Meta(description="When it went up, RFC 3339 in UTC.")]
    last: Annotated[str | None, Meta(description="When its last line was written, RFC 3339 in UTC.")]
    workers: Annotated[int, Meta(description="Workers, including cleanup workers and reviewers.")]
    attempts: Annotated[int, Meta(description="Attempts of all workers.")]
    decisions: Annotated[int, Meta(description="Decisions that were judged again.")]
    divergences: Annotated[tuple[DivergenceFound, ...], Meta(description="The first thousand divergences, by line.")]
    diverging: Annotated[int, Meta(description="Number of all divergences of the log itself.")]
    chain: Annotated[str, Meta(description="`ok`, or the first break of the hash chain.")]
    head: Annotated[str, Meta(description="`SEQ:HASH` of the last line.")]
    witnesses: Annotated[tuple[CheckpointFound, ...], Meta(description="External checkpoints.")]
    pending: Annotated[tuple[PendingIntent, ...], Meta(description="Intents without an outcome.")]
    unknown: Annotated[Mapping[str, int], Meta(description="Events of newer versions: number by type.")]
    unjudged_from: Annotated[
        int | None, Meta(description="Line of the first of these, from which on nothing is judged.")
    ]
    cut_short: Annotated[int, Meta(description="Checks that were interrupted.")]
    torn: Annotated[int, Meta(description="Bytes of an unfinished last line.")]
    signature: Annotated[SignatureStatus | None, Meta(description="The signature that was verified, or made.")]


class Tapes(Protocol):
    """Opens the files of a log for an audit."""

    def __call__(self, file: str) -> AbstractContextManager[AuditedLog]:
        """Return its lines, to be read once."""


class SignedHead(Protocol):
    """One signed head."""

    @property
    def key(self) -> str: ...
    @property
    def genesis(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def hash(self) -> str: ...
    @property
    def at(self) -> str: ...
    @property
    def signature(self) -> str: ...


class Signatures(Protocol):
    """Signatures beside a log."""

    FILE: str

    def verified(self, key: str, directory: str, genesis: str) -> tuple[str, Sequence[tuple[SignedHead, bool]]]:
        """Return a key's fingerprint, and its signatures of a log, each with whether it is valid."""

    def signed(
        self, key: str, directory: str, name: str, genesis: str, seq: int, digest: str, at: datetime
    ) -> tuple[SignedHead, str]:
        """Sign a head; return the signature and the file that keeps it."""


def audit(
    world: World,
    tapes: Tapes,
    signatures: Signatures,
    file: str,
    again: str,
    *,
    heads: Sequence[Head] = (),
    key: str | None = None,
    sign: str | None = None,
) -> Answer[Audited]:
    """Audit a log's live file; `again` is its name in commands.

    Shape: `heads` are checkpoints of the caller; `key` verifies the signatures beside the log, `sign` signs. Raises:
    LogDamagedError when a log with a divergence is to be signed.
    """
    begin = _first_event(tapes, file)
    signed = _Signed(signatures, key, file, begin) if key is not None else None
    known = [*_external_checkpoints(world, file, begin), *heads, *(signed.heads if signed else ())]
    with tapes(file) as tape:
        report = judge_again(tape, known)
    wrong = signed.wrong if signed else []
    total = report.count + len(wrong)
    data = _audited(report, wrong, signed.vouched(report) if signed else None)
    if sign:
        if total:
            text = f"{data.deployment}: is not signed: {count(total, 'divergence')}"
            raise LogDamagedError(text, f"wakeman audit {again}")
        data = _audited(report, wrong, _sign(world, signatures, sign, dirname(file), report))
    return Answer(data, (f"wakeman replay {quote(again)}",), ok=not total, code=DIVERGED_STATUS if total else 0)


def _first_event(tapes: Tapes, file: str) -> Event:
    with tapes(file) as tape:
        return decode(next(iter(tape.lines())))


def _external_checkpoints(world: World, file: str, begin: Event) -> Sequence[Head]:
    """Return the external checkpoints on this machine. Boundary: a log that was copied or moved has none."""
    planned: Any = begin.data
    if realpath(planned.host.directory) != realpath(dirname(file)):
        return []
    return checkpoints(world, Deployment(name=planned.name, host=planned.host, started=begin.at))


class _Signed:
    """The heads of a log that one key has signed, and the faults of its signatures.

    Boundary: ignores signatures of other keys, and of other logs in that directory.
    """

    def __init__(self, signatures: Signatures, key: str, file: str, begin: Event) -> None:
        planned: Any = begin.data
        self.key, own = signatures.verified(key, dirname(file), genesis(planned.name, planned.digest))
        self.heads = [(f"{SIGNATURE_PREFIX}{one.at}", one.seq, one.hash) for one, fits in own if fits]
        self.wrong = [
            _diverging(one.seq, "a signature that the key did not make", f"the one of line {one.seq} by {one.key}")
            for one, fits in own
            if not fits
        ]
        if not own:
            self.wrong = [_diverging(0, "no signature of this log", f"one by {self.key} in {signatures.FILE}")]

    def vouched(self, report: AuditReport) -> SignatureStatus:
        """Return the key, and the last line that it has signed."""
        lines = [each.line for each in report.witnesses if each.where.startswith(SIGNATURE_PREFIX) and each.agrees]
        return SignatureStatus(key=self.key, line=max(lines, default=0))


def _diverging(line: int, found: str, expected: str) -> DivergenceFound:
    return DivergenceFound(line=line, kind="signature", found=found, expected=expected)


def _sign(world: World, signatures: Signatures, key: str, directory: str, report: AuditReport) -> SignatureStatus:
    d = report.auditor.deployment
    made, file = signatures.signed(key, directory, d.name, report.chain.start, d.seq, d.hash, world.clock.now())
    return SignatureStatus(key=made.key, line=made.seq, signature=made.signature, file=file)


def _audited(report: AuditReport, wrong: Sequence[DivergenceFound], signature: SignatureStatus | None) -> Audited:
    judge, d, breaks = report.auditor, report.auditor.deployment, report.chain.breaks
    found = (
        DivergenceFound(line=each.line, kind=each.kind, found=each.found, expected=each.expected)
        for each in report.divergences
    )
    return Audited(
        deployment=d.name,
        outcome=d.outcome,
        events=judge.events,
        started=stamp(d.started) if d.started else None,
        last=stamp(d.at) if d.at else None,
        workers=len(d.workers),
        attempts=sum(worker.attempt for worker in d.workers.values()),
        decisions=judge.decisions,
        divergences=(*found, *wrong),
        diverging=report.count,
        chain=f"line {breaks[0].line}: {breaks[0].found}" if breaks else "ok",
        head=f"{d.seq}:{d.hash}",
        witnesses=tuple(
            CheckpointFound(where=each.where, line=each.line, agrees=each.agrees, says=each.says)
            for each in report.witnesses
        ),
        pending=tuple(PendingIntent(line=each.line, what=each.what) for each in judge.pending()),
        unknown=judge.unknown,
        unjudged_from=judge.until or None,
        cut_short=judge.cut,
        torn=report.torn,
        signature=signature,
    )
