"""The verb that replays a log: its timeline, its state at a point, or its decisions under another policy."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime

from msgspec import to_builtins

from wakeman.adapters.disk import Disk
from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.api.answer import Answer
from wakeman.api.names import recording
from wakeman.api.replay import (
    OTHERWISE,
    DecidedOtherwise,
    Night,
    Otherwise,
    Replayed,
    as_it_was,
    otherwise,
    timeline,
)
from wakeman.api.status import Status
from wakeman.core.errors import StorageError, UsageError
from wakeman.core.gate import Refused, decode_text
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import json_line, moment, out, print_note, printable, show

POLICY_BYTES_MAX = 16 * 2**20
"""Bytes of a file of `--policy` at most."""


REPLAY_POLL_S = 0.1
"""Seconds between two polls of a log that is followed."""
UNSHOWN = ("listed", "enrolled", "armed", "disarmed", "looked", "effected", "sealed")
"""Types that the timeline omits; `wakeman log` and `--json` have every event."""


def _replay_options(parser: ArgumentParser) -> None:
    given.log_or_name(parser)
    parser.add_argument("--until", metavar="SEQ|TIME", type=_until, help="print the state at that line or time")
    parser.add_argument("--follow", action="store_true", help="print new events until the deployment is closed")
    other = "plan, or file with tables wake, stuck, verify, cleanup, limits, workers: print what it would have decided"
    parser.add_argument("--policy", metavar="FILE", help=other)


def _until(text: str) -> int | datetime:
    if text.isdecimal() and len(text) < 19:
        return int(text)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"found {text!r}; expected a line's number, or a time as 2026-11-22T03:04") from None


def replay(options: Namespace) -> int:
    """Replay a log."""
    chosen = [name for name in ("until", "follow", "policy") if getattr(options, name) not in (None, False)]
    if len(chosen) > 1:
        raise UsageError(f"replay: found --{' and --'.join(chosen)}; expected one of them", "wakeman replay --help")
    night = Night(recording(reach(options), options.log), Reading)
    if options.until is not None:
        return _as_it_was(options, night)
    if options.policy:
        return _otherwise(options, night)
    _timeline(options, night)
    while options.follow and night.d.outcome == "open":
        _wait_for_change(night.file)
        _timeline(options, night)
    return 0


def _timeline(options: Namespace, night: Night) -> None:
    try:
        for data in timeline(night):
            if options.json:
                json_line(to_builtins(data))
            elif data.type not in UNSHOWN:
                out(_replayed_line(data))
    finally:
        sys.stdout.flush()


def _replayed_line(data: Replayed) -> str:
    moved = f"{data.source} -> {data.to}{f' on {data.host}' if data.host else ''}" if data.to else ""
    what = (data.worker or "", moved or data.type, data.says)
    return f"{data.seq:>5}  {moment(data.at)}  " + "  ".join(printable(part) for part in what if part)


def _wait_for_change(file: str) -> None:
    """Return when the log's file has changed, or after a while."""
    before = os.stat(file)
    for _ in range(50):
        time.sleep(REPLAY_POLL_S)
        now = os.stat(file)
        if (now.st_size, now.st_ino) != (before.st_size, before.st_ino):
            return


def _as_it_was(options: Namespace, night: Night) -> int:
    def text(data: Status) -> None:
        from wakeman.faces.cli.status import print_page

        out(f"line {night.d.seq}, {moment(night.d.at)}")
        print_page(data, state=options.state)

    return show(options, as_it_was(night, options.until, options.log), text)


def _otherwise(options: Namespace, night: Night) -> int:
    found: list[DecidedOtherwise] = []
    for difference in otherwise(night, _file_text(options.policy), options.policy):
        if options.json:
            found.append(difference)
        else:
            _differs(difference)
    data = Otherwise(deployment=night.d.name, differences=tuple(found), note=OTHERWISE)
    return show(options, Answer(data), lambda data: print_note(data.note))


def _differs(one: DecidedOtherwise) -> None:
    what = f"did {printable(one.did or 'nothing')}; would have done {printable(one.would or 'nothing')}"
    out(f"{one.seq:>5}  {moment(one.at)}  {printable(one.worker or 'deployment')}  {what}")


def _file_text(file: str) -> str:
    try:
        text = decode_text(Disk().read(os.path.abspath(file), POLICY_BYTES_MAX))
    except StorageError as fault:
        raise UsageError(str(fault), "wakeman replay --help") from fault
    if isinstance(text, Refused):
        raise UsageError(f"{file}:{text.why}, expected a plan's tables", "wakeman replay --help")
    return text


VERBS: dict[str, Verb] = {"replay": ("wakeman replay condense-docs --until 2026-11-22T03:00", _replay_options, replay)}
