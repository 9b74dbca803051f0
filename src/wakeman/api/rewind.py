"""A night to move through: what happened by then, and the state at any line, forwards and backwards."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Literal, NamedTuple

import msgspec

from wakeman.api.chronicle import DecisionTaken, EvidenceKept, decision_taken, evidence
from wakeman.api.replay import Night, Reader
from wakeman.api.watch import Happening, happenings
from wakeman.core.log.events import Captured, Closed, Conflicted, Decided, Event, Looked, Stalled, Verified
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment

MarkSign = Literal["failed", "ask", "held", "done"]
GRAVITY: tuple[MarkSign, ...] = ("failed", "ask", "held", "done")
"""Signs of marks, the gravest first."""
LANDMARKS_MAX = 64
"""States that are kept on the way through a night."""
LANDMARKS_BYTES_MAX = 64 * 2**20
"""Bytes of those states at most."""
NEAR_LINES_MAX = 256
"""Lines that are applied again at most for a step back, once one such step was made."""
NEARBY_MAX = 4
"""States that are kept just before where somebody steps back."""


class NightMark(NamedTuple):
    """What stands out in a night: its line, its time in seconds since 1970, what it is."""

    seq: int
    at: float
    sign: MarkSign


class NightIndex:
    """What is found by line in a night: what happened to whom, what stands out. `take` each event once applied."""

    def __init__(self, d: Deployment) -> None:
        self.d = d
        self.times = array("d")  # of each line, in seconds since 1970
        self.marks: list[NightMark] = []
        self.happened: list[Happening] = []
        self.decided: dict[str, list[int]] = {}  # by worker, "" for the deployment: the lines of its rows
        self.screens: dict[str, list[EvidenceKept]] = {}
        self._seqs: list[int] = []  # of what happened
        self._own: dict[str, list[int]] = {}  # by worker: places in what happened

    def take(self, event: Event) -> None:
        """Collect what an event tells."""
        data, worker = event.data, event.worker or ""
        self.times.append(event.at.timestamp())
        if isinstance(data, Decided):
            self.decided.setdefault(worker, []).append(event.seq)
        elif isinstance(data, Captured):
            self.screens.setdefault(worker, []).append(evidence(event, data))
        sign = _mark_of(event)
        for each in happenings(self.d, event):
            self._own.setdefault(each.worker, []).append(len(self.happened))
            self.happened.append(each)
            self._seqs.append(event.seq)
            sign = "failed" if each.sign == "bad" and sign != "failed" else sign
        if sign:
            self.marks.append(NightMark(event.seq, self.times[-1], sign))

    def until(self, seq: int, most: int, worker: str | None = None, *, skip: int = 0) -> list[Happening]:
        """Return the last things that happened up to a line, to one worker if given, in order; `skip` the latest."""
        end = bisect_right(self._seqs, seq)
        if worker is None:
            return self.happened[max(0, end - skip - most) : max(0, end - skip)]
        own = self._own.get(worker, [])
        last = max(0, bisect_left(own, end) - skip)
        return [self.happened[at] for at in own[max(0, last - most) : last]]

    def count(self, seq: int, worker: str | None = None) -> int:
        """Return how many things have happened up to a line, to one worker if given."""
        end = bisect_right(self._seqs, seq)
        return end if worker is None else bisect_left(self._own.get(worker, []), end)

    def screen(self, worker: str, seq: int) -> EvidenceKept | None:
        """Return the last screen of a worker that was kept up to a line."""
        return next((kept for kept in reversed(self.screens.get(worker, [])) if kept.seq <= seq), None)

    def last_decision(self, seq: int, worker: str = "") -> int:
        """Return the line of the last row up to a line: of a worker, or of the deployment; 0 for none."""
        lines = self.decided.get(worker, [])
        at = bisect_right(lines, seq)
        return lines[at - 1] if at else 0

    def mark_beside(self, seq: int, step: int) -> int | None:
        """Return the line of the next (`step` 1) or previous (-1) mark that is not merely something done."""
        found = [mark.seq for mark in self.marks if mark.sign != "done"]
        at = bisect_right(found, seq) if step > 0 else bisect_left(found, seq) - 1
        return found[at] if 0 <= at < len(found) else None


def _mark_of(event: Event) -> MarkSign | None:
    data = event.data
    match data:
        case Stalled():
            return "ask"
        case Decided(held=True):
            return "held"
        case Verified():
            return "done"
        case Conflicted():
            return "failed"
        case Closed():
            return "done" if data.outcome == "complete" else "failed"
        case _:
            return None


class Rewind:
    """The states of a log, in any order of lines.

    Cost: the log is read by `extend` or, in parts, by `part`, and its events are kept; a step back applies at most the
    lines behind the nearest state that is kept.
    """

    def __init__(self, file: str, reading: Reader) -> None:
        self._night = Night(file, reading)
        self._reading_on: Iterator[Event] | None = None
        self.events: list[Event] = []
        self._kept: dict[int, bytes] = {}
        self._near: dict[int, bytes] = {}
        self._step = NEAR_LINES_MAX
        self._d = Deployment()

    def extend(self) -> None:
        """Read what was written since. Raises: LogDamagedError."""
        for event in self._night.events():
            self._add(event)

    def part(self, most: int) -> bool:
        """Read at most so many further lines; return whether there may be more. Raises: LogDamagedError."""
        events, before = self._reading_on or self._night.events(), len(self.events)
        for event in islice(events, most):
            self._add(event)
        more = len(self.events) == before + most
        self._reading_on = events if more else None
        return more

    def _add(self, event: Event) -> None:
        self._night.take(event)
        self.events.append(event)
        if event.seq % self._step == 0:
            self._keep(self._night.d)

    def at(self, seq: int) -> Deployment:
        """Return the deployment with the lines up to `seq` applied; it holds until the next call.

        Boundary: a number beyond the last line is the last line.
        """
        seq = max(1, min(seq, len(self.events)))
        base = max((n for n in (*self._kept, *self._near) if n <= seq), default=0)
        if not base <= self._d.seq <= seq:
            self._d = self._thawed(base)
        near = seq - NEAR_LINES_MAX // 2
        while self._d.seq < seq:
            apply(self._d, self.events[self._d.seq])
            if self._d.seq == near and near - base > NEAR_LINES_MAX:
                self._near[near] = msgspec.json.encode(self._d)
                self._near = dict([*self._near.items()][-NEARBY_MAX:])
        return self._d

    def decision(self, seq: int) -> DecisionTaken | None:
        """Return the decision of a line with the facts behind it; None where none was taken."""
        event = self.events[seq - 1] if 0 < seq <= len(self.events) else None
        if event is None or not isinstance(event.data, Decided):
            return None
        return decision_taken(event, event.data, self._observation(event.data.looked), 0)

    def _observation(self, seq: int) -> list[Looked]:
        """Return the parts of an observation, by the line of its last one."""
        parts: list[Looked] = []
        while 0 < seq <= len(self.events):
            data = self.events[seq - 1].data
            if not isinstance(data, Looked) or (parts and not data.more):
                break
            parts.insert(0, data)
            seq -= 1
        return parts

    def _thawed(self, seq: int) -> Deployment:
        state = self._kept.get(seq) or self._near.get(seq)
        return msgspec.json.decode(state, type=Deployment) if state else Deployment()

    def _keep(self, d: Deployment) -> None:
        self._kept[d.seq] = msgspec.json.encode(d)
        while len(self._kept) > LANDMARKS_MAX or (
            len(self._kept) > 1 and sum(map(len, self._kept.values())) > LANDMARKS_BYTES_MAX
        ):
            self._step *= 2
            self._kept = {seq: state for seq, state in self._kept.items() if seq % self._step == 0}


def matching_workers(d: Deployment, words: str) -> frozenset[str]:
    """Return the workers whose name, unit or reason has these words; case does not matter."""
    wanted = words.casefold()
    return frozenset(
        worker.name
        for worker in d.workers.values()
        if any(
            wanted in text.casefold() for text in (worker.name, worker.state, worker.reason, worker.why, worker.said)
        )
        or any(wanted in unit.casefold() for unit in worker.units)
    )
