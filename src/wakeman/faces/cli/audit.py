"""The verb that judges a log again."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Any, NamedTuple

import msgspec

from wakeman.adapters import signature as signing
from wakeman.adapters.eventlog.audit_reader import Head, Report, audit, first
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import Event, genesis, stamp
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment
from wakeman.engine.observe.anchors import checkpoints
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach, recording
from wakeman.faces.cli.show import advise, answer, clean, lasting, moment, out, say
from wakeman.ports import World

SIGNATURE = "signature of "
NAMED = 20
"""Divergences, and pending intents, that a person gets to read; `--json` has more."""


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("log", metavar="LOG|NAME", help="deployment, its directory, its events.jsonl, or a copy of one")
    parser.add_argument("--key", metavar="PUBLIC.pem", help="public key: verify the signatures beside the log with it")
    parser.add_argument(
        "--sign", metavar="PRIVATE.pem", help="private key: sign the head of the log, if nothing diverges"
    )
    told = "head that the log had once, as you know from elsewhere; may be repeated"
    parser.add_argument("--head", metavar="SEQ:HASH", type=_head, action="append", default=[], help=told)


def _head(text: str) -> Head:
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{32})", text)
    if not found:
        raise ArgumentTypeError(f"found {text!r}; expected SEQ:HASH, the hash of 32 hex digits")
    return Head("head given", int(found[1]), found[2])


def judge(options: Namespace) -> int:
    """Audit one log; 6 when anything diverges."""
    world = reach(options)
    file = recording(world, options.log)
    begin = first(file)
    signed = _signed(options.key, file, begin) if options.key else None
    report = audit(file, [*_outside(world, file, begin), *options.head, *(signed.heads if signed else ())])
    data, total = _told(report), report.count
    if signed is not None:
        vouched = [w.line for w in report.witnesses if w.where.startswith(SIGNATURE) and w.agrees]
        data["signature"] = {"key": signed.key, "line": max(vouched, default=0)}
        data["divergences"] += signed.wrong
        total += len(signed.wrong)
    if options.sign:
        if total:
            text = f"{data['deployment']}: is not signed: {count(total, 'divergence')}"
            raise LogDamagedError(text, f"wakeman audit {options.log}")
        data["signature"] = _sign(world, options.sign, os.path.dirname(file), report)
    if options.json:
        answer(options, data, _following(options), ok=not total)
    else:
        _say(options, data, total)
    return 6 if total else 0


def _outside(world: World, file: str, begin: Event) -> list[Head]:
    """Ask the witnesses on this machine. Boundary: a log that was copied or moved has none here."""
    planned: Any = begin.data
    if os.path.realpath(planned.host.directory) != os.path.realpath(os.path.dirname(file)):
        return []
    d = Deployment(name=planned.name, host=planned.host, started=begin.at)
    return [Head(*head) for head in checkpoints(world, d)]


class Signed(NamedTuple):
    """What one key has signed of a log: the heads, and what is wrong with its signatures."""

    key: str
    heads: list[Head]
    wrong: list[dict[str, Any]]


def _signed(key: str, file: str, begin: Event) -> Signed:
    """Read the signatures beside a log. Boundary: those of other keys, and of other logs in that place, say nothing."""
    verifier = signing.Verifier(key)
    planned: Any = begin.data
    start = genesis(planned.name, planned.digest)
    own = [s for s in signing.kept(os.path.dirname(file)) if (s.key, s.genesis) == (verifier.key, start)]
    wrong = [
        _diverging(s.seq, "a signature that the key did not make", f"the one of line {s.seq} by {s.key}")
        for s in own
        if not verifier.fits(s)
    ]
    if not own:
        wrong = [_diverging(0, "no signature of this log", f"one by {verifier.key} in {signing.FILE}")]
    return Signed(verifier.key, [Head(f"{SIGNATURE}{s.at}", s.seq, s.hash) for s in own if verifier.fits(s)], wrong)


def _diverging(line: int, found: str, expected: str) -> dict[str, Any]:
    return {"line": line, "kind": "signature", "found": found, "expected": expected}


def _sign(world: World, key: str, directory: str, report: Report) -> dict[str, Any]:
    d = report.judge.deployment
    made = signing.sign(key, d.name, report.chain.start, d.seq, d.hash, world.clock.now())
    file = signing.keep(directory, made)
    return {"key": made.key, "line": made.seq, "signature": made.signature, "file": file}


def _told(report: Report) -> dict[str, Any]:
    """Shape a report for people and scripts."""
    judge, d = report.judge, report.judge.deployment
    breaks = report.chain.breaks
    return {
        "deployment": d.name,
        "outcome": d.outcome,
        "events": judge.events,
        "started": stamp(d.started) if d.started else None,
        "last": stamp(d.at) if d.at else None,
        "workers": len(d.workers),
        "attempts": sum(worker.attempt for worker in d.workers.values()),
        "decisions": judge.decisions,
        "divergences": [msgspec.to_builtins(divergence) for divergence in report.divergences],
        "diverging": report.count,
        "chain": f"line {breaks[0].line}: {breaks[0].found}" if breaks else "ok",
        "head": f"{d.seq}:{d.hash}",
        "witnesses": [msgspec.to_builtins(witness) for witness in report.witnesses],
        "pending": [msgspec.to_builtins(pending) for pending in judge.pending()],
        "unknown": judge.unknown,
        "unjudged_from": judge.until or None,
        "cut_short": judge.cut,
        "torn": report.torn,
        "signature": None,
    }


def _following(options: Namespace) -> list[str]:
    from shlex import quote

    return [f"wakeman replay {quote(options.log)}"]


def _say(options: Namespace, data: dict[str, Any], total: int) -> None:
    begun, ended = data["started"], data["last"]
    lasted = f", {moment(begun)} to {moment(ended)} ({_span(begun, ended)})" if begun else ""
    out(f"{data['deployment']}: {data['outcome']}, {count(data['events'], 'event')}{lasted}")
    judged = f"{count(data['decisions'], 'decision')} judged again"
    out(f"{count(data['workers'], 'worker')}, {count(data['attempts'], 'attempt')}, {judged}")
    out(f"chain: {clean(data['chain'])}")
    out(f"head: {data['head']}")
    _witnesses(data)
    if data["cut_short"]:
        out(f"{count(data['cut_short'], 'check')} broke off")
    if data["torn"]:
        out(f"{count(data['torn'], 'byte')} of an unfinished last line")
    if data["unknown"]:
        names = ", ".join(f"{clean(name)} ({times})" for name, times in data["unknown"].items())
        out(f"of a newer version: {names}; not judged from line {data['unjudged_from']} on")
    for pending in data["pending"][:NAMED]:
        out(f"pending: line {pending['line']}: {clean(pending['what'])}")
    if data["signature"]:
        out(f"signed: up to line {data['signature']['line']} by {data['signature']['key']}")
    out(f"divergences: {total or 'none'}")
    for divergence in data["divergences"][:NAMED]:
        told = f"found {clean(divergence['found'])}; expected {clean(divergence['expected'])}"
        out(f"  line {divergence['line']}: {divergence['kind']}: {told}")
    if total > NAMED:
        say(f"and {total - NAMED} more: --json names up to a thousand")
    if total:
        advise(options, _following(options))


def _span(begun: str, ended: str) -> str:
    from datetime import datetime

    return lasting((datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds())


def _witnesses(data: dict[str, Any]) -> None:
    if not data["witnesses"]:
        out("witnesses: none here")
    for witness in data["witnesses"]:
        out(f"witness: {clean(witness['where'])}, line {witness['line']}: {clean(witness['says'])}")


VERBS: dict[str, Verb] = {"audit": ("wakeman audit condense-docs", _options, judge)}
