"""The verb that tells a log again: as it went, as it stood, or as another policy would have had it."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.core.errors import LogDamagedError, TransitionError, UsageError
from wakeman.core.log.events import Amended, Enrolled, Event, Looked, Requested, Reviewed, kind, stamp
from wakeman.core.log.state import apply
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment
from wakeman.core.plan.parser import policy
from wakeman.core.policy.review import tasks
from wakeman.core.policy.what_if import Difference, WhatIf
from wakeman.engine.status import shape
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach, recording
from wakeman.faces.cli.show import answer, clean, moment, out, portrait, say

POLL = 0.1
"""Seconds between two looks at a log that is followed."""
QUIET = ("enrolled", "armed", "disarmed", "looked", "effected", "sealed")
"""Types that the timeline leaves out; `wakeman log` has every event, and so has `--json`."""
OTHERWISE = "behind the first difference the night would have gone on otherwise: looks and outcomes are those recorded"


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("log", metavar="LOG|NAME", help="deployment, its directory, its events.jsonl, or a copy of one")
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


class Night:
    """A log as it is read. `d` is the fold of what was taken."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.d = Deployment()
        self._log: Reading | None = None
        self._place = (1, 0)  # first line of the live segment, and where in it the last event ends

    def events(self) -> Iterator[Event]:
        """Give the events behind those taken.

        Raises: LogDamagedError at what does not fit, once everything before it was given.
        """
        with Reading(self.file) as log:
            self._log = log
            if self.d.seq:
                log.known(self.d.seq, self.d.hash, *self._place)
            yield from (event for event in log if event.seq > self.d.seq)
            self._place = log.first, log.end

    def take(self, event: Event) -> None:
        """Fold an event. Raises: LogDamagedError when it does not follow."""
        try:
            apply(self.d, event)
        except (TransitionError, LookupError, ValueError) as fault:
            where = self._log.place(event.seq) if self._log else self.file
            text = f"{where}: does not follow from the lines before: {fault}"
            raise LogDamagedError(text, f"wakeman audit {self.file} tells what is wrong") from fault


def replay(options: Namespace) -> int:
    """Tell a log again."""
    chosen = [name for name in ("until", "follow", "policy") if getattr(options, name) not in (None, False)]
    if len(chosen) > 1:
        raise UsageError(f"replay: found --{' and --'.join(chosen)}; expected one of them", "wakeman replay --help")
    night = Night(recording(reach(options), options.log))
    if options.until is not None:
        return _as_it_was(options, night)
    if options.policy:
        return _otherwise(options, night)
    _timeline(options, night)
    while options.follow and night.d.outcome == "open":
        _rest(night.file)
        _timeline(options, night)
    return 0


# --- the timeline ---------------------------------------------------------------------------------------------


def _timeline(options: Namespace, night: Night) -> None:
    state = State(night.d)
    try:
        for event in night.events():
            night.take(event)
            if options.json:
                out(state.line(event))
            elif kind(event.data) not in QUIET:
                out(_told(event))
    finally:
        sys.stdout.flush()


def _told(event: Event) -> str:
    moved = f"{event.source} -> {event.to}" if event.to else ""
    what = (event.worker or "", moved or kind(event.data), summary(event.data))
    return f"{event.seq:>5}  {moment(event.at)}  " + "  ".join(clean(part) for part in what if part)


class State:
    """The fold's state in a few words, kept from event to event: most change little of it."""

    def __init__(self, d: Deployment) -> None:
        self.d = d
        self._done = self._total = 0
        self._states: dict[str, str] = {}

    def line(self, event: Event) -> str:
        """Give one event, folded already, with the state after it, as a line of JSON."""
        import json

        d, data = self.d, event.data
        if isinstance(data, Enrolled | Looked | Requested | Reviewed | Amended):
            units = tasks(d)
            self._done, self._total = sum(unit.done for unit in units.values()), len(units)
        if event.to is not None or isinstance(data, Enrolled | Amended):
            self._states = {worker.name: worker.state for worker in d.workers.values()}
        told: dict[str, Any] = {"seq": event.seq, "at": stamp(event.at), "by": event.by, "type": kind(data)}
        fields = {"worker": event.worker, "attempt": event.attempt, "from": event.source, "to": event.to}
        told |= {key: value for key, value in fields.items() if value is not None}
        made = {"done": self._done, "total": self._total}
        state = {"outcome": d.outcome, "units": made, "workers": self._states}
        return json.dumps({**told, "says": summary(data), "state": state})


def _rest(file: str) -> None:
    """Return when the log's file has changed, or after a while."""
    before = os.stat(file)
    for _ in range(50):
        time.sleep(POLL)
        now = os.stat(file)
        if (now.st_size, now.st_ino) != (before.st_size, before.st_ino):
            return


# --- as it was ------------------------------------------------------------------------------------------------


def _as_it_was(options: Namespace, night: Night) -> int:
    until, d = options.until, night.d
    for event in night.events():
        if event.seq > until if isinstance(until, int) else event.at > until:
            break
        night.take(event)
    if d.at is None:
        raise UsageError(f"--until: the log begins at {moment(event.at)}", f"wakeman replay {options.log}")
    data = shape(d, d.at, d.looked_at, stands=True)
    if options.json:
        answer(options, data)
    else:
        out(f"line {d.seq}, {moment(d.at)}")
        portrait(data)
    return 0


# --- as it would have been ------------------------------------------------------------------------------------


def _otherwise(options: Namespace, night: Night) -> int:
    found: list[Difference] = []
    for difference in _differences(_text(options.policy), options.policy, night):
        if options.json:
            found.append(difference)
        else:
            what = f"did {clean(difference.did) or 'nothing'}; would have done {clean(difference.would) or 'nothing'}"
            who = clean(difference.worker) or "deployment"
            out(f"{difference.seq:>5}  {moment(difference.at)}  {who}  {what}")
    if options.json:
        answer(options, {"deployment": night.d.name, "differences": [_plain(d) for d in found], "note": OTHERWISE})
    else:
        say(OTHERWISE)
    return 0


def _differences(text: str, file: str, night: Night) -> Iterator[Difference]:
    """Judge each step under the other policy. What a file of tables leaves out stays as that hour's plan has it."""
    judge, d = WhatIf(), night.d
    own, other = d.plan, d.plan
    for event in night.events():
        yield from judge.before(d, event, other)
        night.take(event)
        if d.plan is not own:
            own, other = d.plan, policy(text, file, d.plan)
        yield from judge.after(d, event, other)


def _plain(difference: Difference) -> dict[str, object]:
    told = {"seq": difference.seq, "at": stamp(difference.at), "worker": difference.worker or None}
    return {**told, "did": difference.did or None, "would": difference.would or None}


def _text(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "not UTF-8"
        raise UsageError(f"{file}: {why}", "wakeman replay --help") from fault


VERBS: dict[str, Verb] = {"replay": ("wakeman replay condense-docs --until 2026-11-22T03:00", _options, replay)}
