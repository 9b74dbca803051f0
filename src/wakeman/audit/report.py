"""The audit of a whole log: its bytes, its lines compared with the protocols, and external checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from wakeman.audit.auditor import Auditor
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import Amended, Event, Listed, Planned, Sealed, reader, seq_of
from wakeman.core.log.hash_chain import Divergence, HashChain
from wakeman.core.plan.shares import content_digest


class AuditedLog(Protocol):
    """The lines of a log, read once; damage does not stop it.

    Shape: `chain` is the result for sequence and hashes, `sealed` size and SHA-256 of each sealed file read, `size` the
    bytes of all files, `snapshot` line, hash and state of the snapshot beside the log.
    """

    chain: HashChain
    sealed: dict[str, tuple[int, str]]
    size: int
    snapshot: tuple[int, str, bytes] | None

    def lines(self) -> Iterator[bytes]:
        """Yield every line, newline included. Raises: LogDamagedError if it is no log, or its beginning is missing."""
        ...


class Head(NamedTuple):
    """A line of the log as kept outside the log. `where` names the checkpoint."""

    where: str
    seq: int
    hash: str


class CheckpointMatch(Struct, frozen=True):
    """Result for a checkpoint: whether it `agrees` with that line of the log; `says` is why."""

    where: str
    line: int
    agrees: bool
    says: str


class AuditReport(Struct, frozen=True):
    """Result of an audit. `count` counts all divergences, the first of which are listed."""

    auditor: Auditor
    chain: HashChain
    divergences: tuple[Divergence, ...]
    count: int
    witnesses: tuple[CheckpointMatch, ...]
    torn: int  # bytes of an incomplete last line


def audit(tape: AuditedLog, heads: Iterable[tuple[str, int, str]] = ()) -> AuditReport:
    """Verify a log: chain, sequence, each write, seals, snapshot, and external checkpoints.

    Cost: constant memory in addition to the deployment. Raises: LogDamagedError when it is no log; StorageError.
    """
    auditor, known = Auditor(), [Head(*head) for head in heads]
    plan: _LoggedPlan | None = None
    if tape.snapshot is not None:
        known.append(Head("snapshot", *tape.snapshot[:2]))
    hashes = dict.fromkeys((head.seq for head in known), "")
    read = reader(tape.size)
    for line in tape.lines():
        try:
            event = read(line)
        except LogDamagedError as fault:
            if tape.chain.fits:
                auditor.diverge(seq_of(line), "line", str(fault), "an event")
            continue
        if plan is not None or isinstance(event.data, (Planned, Amended)):
            plan = _follow_plan(auditor, plan, event, line)
        auditor.take(event)
        if event.seq in hashes:
            hashes[event.seq] = event.hash
            if tape.snapshot is not None and (event.seq, event.hash) == tape.snapshot[:2]:
                _frozen(auditor, event, tape.snapshot[2])
        if isinstance(event.data, Sealed):
            _seal(auditor, event, event.data, tape.sealed)
    witnesses = [_checkpoint_result(auditor, head, hashes[head.seq]) for head in known]
    found = sorted([*tape.chain.breaks, *auditor.divergences], key=lambda divergence: divergence.line)
    total = auditor.count + tape.chain.broken
    return AuditReport(auditor, tape.chain, tuple(found), total, tuple(witnesses), len(tape.chain.torn))


class _LoggedPlan(NamedTuple):
    """A plan as its lines have it, so far: `content` has the items that have followed."""

    event: Event
    data: Planned | Amended
    content: dict[str, Any]


def _follow_plan(auditor: Auditor, plan: _LoggedPlan | None, event: Event, line: bytes) -> _LoggedPlan | None:
    """Take the next line of a write that has a plan. Return the plan until all of it was seen; then compare it.

    Boundary: items that are too many, or of which the write has not all, differ from the digest.
    """
    try:
        if isinstance(event.data, (Planned, Amended)):
            plan = _LoggedPlan(event, event.data, msgspec.json.decode(line)["data"]["plan"])
        elif plan is not None and isinstance(event.data, Listed):
            units = plan.content["units"]
            units["items"] = [*(units.get("items") or ()), *msgspec.json.decode(line)["data"]["items"]]
    except UnicodeDecodeError:
        return None  # in a part that no event has, so the line was changed, as the chain says
    if plan is not None and (not event.more or not plan.data.listed):
        _compare_plan(auditor, *plan)
        return None
    return plan


def _compare_plan(auditor: Auditor, event: Event, data: Planned | Amended, content: Mapping[str, Any]) -> None:
    """Compare a plan with its digest.

    Boundary: older logs have only that of the file, which is no other unless `up` has filled something in.
    """
    workers = data.plan.workers
    filled = data.plan.agents or workers.prompt_file is not None or workers.at_once is not None
    if filled and not data.logged:
        return
    digest, expected = content_digest(content), data.logged or data.digest
    if digest != expected:
        auditor.diverge(event.seq, "plan", f"a plan with digest {digest[:12]}", expected[:12])


def _seal(auditor: Auditor, event: Event, data: Sealed, files: Mapping[str, tuple[int, str]]) -> None:
    """Compare a sealed file with its record in the log. Boundary: a log given as a single file has no sealed ones."""
    there, recorded = files.get(data.file), (data.size, data.sha256)
    if files and there != recorded:
        found = f"{there[0]} bytes, {there[1]}" if there else "no such file"
        auditor.diverge(event.seq, "seal", f"{data.file}: {found}", f"{recorded[0]} bytes, {recorded[1]}")


def _frozen(auditor: Auditor, event: Event, state: bytes) -> None:
    """Compare the snapshot with the state at its line; the checkpoints compare that line's hash."""
    if auditor.deployment.seq == event.seq and msgspec.json.encode(auditor.deployment) != state:
        auditor.diverge(event.seq, "snapshot", "another state", "what the lines up to here fold into")


def _checkpoint_result(auditor: Auditor, head: Head, logged: str) -> CheckpointMatch:
    last = auditor.deployment.seq + auditor.torn
    if logged == head.hash:
        return CheckpointMatch(head.where, head.seq, agrees=True, says="agrees")
    if head.seq > last:
        found, expected = f"the log ends at line {last}", f"line {head.seq}, which the {head.where} saw"
    else:
        found, expected = f"hash {logged or 'of no whole line'}", f"hash {head.hash}, which the {head.where} saw"
    auditor.diverge(min(head.seq, last), "witness", found, expected)
    return CheckpointMatch(head.where, head.seq, agrees=False, says=found)
