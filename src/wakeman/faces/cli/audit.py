"""The verb that verifies a log."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime

from wakeman.adapters import signature
from wakeman.adapters.eventlog.audit_reader import AuditReader
from wakeman.api.audit import Audited, Head, audit
from wakeman.api.names import recording
from wakeman.core.log.facts.fact import count
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import lasting, moment, out, print_note, printable, show

DIVERGENCES_LISTED_MAX = 20
"""Divergences, and pending intents, that are printed; `--json` has more."""


def _audit_options(parser: ArgumentParser) -> None:
    given.log_or_name(parser)
    parser.add_argument("--key", metavar="PUBLIC.pem", help="public key: verify the signatures beside the log with it")
    parser.add_argument(
        "--sign", metavar="PRIVATE.pem", help="private key: sign the head of the log, if nothing diverges"
    )
    head_help = "head that the log had once, from a checkpoint of yours; may be repeated"
    parser.add_argument("--head", metavar="SEQ:HASH", type=_head, action="append", default=[], help=head_help)


def _head(text: str) -> Head:
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{32})", text)
    if not found:
        raise ArgumentTypeError(f"found {text!r}; expected SEQ:HASH, the hash of 32 hex digits")
    return "head given", int(found[1]), found[2]


def verify_log(options: Namespace) -> int:
    """Audit one log; return 6 when anything diverges."""
    world = reach(options)
    file = recording(world, options.log)
    how = {"heads": options.head, "key": options.key, "sign": options.sign}
    answer = audit(world, AuditReader, signature, file, options.log, **how)
    return show(options, answer, _print_audited, () if answer.ok else answer.next)


def _print_audited(data: Audited) -> None:
    lasted = ""
    if data.started and data.last:
        lasted = f", {moment(data.started)} to {moment(data.last)} ({_span(data.started, data.last)})"
    out(f"{data.deployment}: {data.outcome}, {count(data.events, 'event')}{lasted}")
    judged = f"{count(data.decisions, 'decision')} judged again"
    out(f"{count(data.workers, 'worker')}, {count(data.attempts, 'attempt')}, {judged}")
    out(f"chain: {printable(data.chain)}")
    out(f"head: {data.head}")
    if not data.witnesses:
        out("checkpoints: none here")
    for witness in data.witnesses:
        out(f"checkpoint: {printable(witness.where)}, line {witness.line}: {printable(witness.says)}")
    if data.cut_short:
        out(f"{count(data.cut_short, 'check')} broke off")
    if data.torn:
        out(f"{count(data.torn, 'byte')} of an unfinished last line")
    if data.unknown:
        names = ", ".join(f"{printable(name)} ({times})" for name, times in data.unknown.items())
        out(f"of a newer version: {names}; not judged from line {data.unjudged_from} on")
    for pending in data.pending[:DIVERGENCES_LISTED_MAX]:
        out(f"pending: line {pending.line}: {printable(pending.what)}")
    if data.signature:
        out(f"signed: up to line {data.signature.line} by {data.signature.key}")
    _divergences(data)


def _divergences(data: Audited) -> None:
    total = data.diverging + sum(each.kind == "signature" for each in data.divergences)
    out(f"divergences: {total or 'none'}")
    for each in data.divergences[:DIVERGENCES_LISTED_MAX]:
        out(f"  line {each.line}: {each.kind}: found {printable(each.found)}; expected {printable(each.expected)}")
    if total > DIVERGENCES_LISTED_MAX:
        print_note(f"and {total - DIVERGENCES_LISTED_MAX} more: --json names up to a thousand")


def _span(begun: str, ended: str) -> str:
    return lasting((datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds())


VERBS: dict[str, Verb] = {"audit": ("wakeman audit condense-docs", _audit_options, verify_log)}
