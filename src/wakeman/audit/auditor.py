"""The audit of a log, write by write: each must be the next one that a protocol would have written. The protocols are
those of the engine. Here the recorded lines drive them: lines that a protocol appends are compared with the next write,
and the outcome of an effect is read from it. The first line that the protocol would not have written is the divergence.

A process can be killed anywhere, so a protocol may stop after any write, and another begins. It may not skip a step, or
add one that nothing requires. An `end` (which a later observation shows) and a `sweep` of an older version have no
outcome in the log, so none can be missing. A `nudge`, a `send` or a `move` whose process was killed before its outcome
never gets one, as it must not be done twice: it is pending, and no divergence. A launch or an end that is open in a log
that was given up is none either: that row closes while workers run, if the plan leaves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import Struct

from wakeman.audit.clocks import Clocks
from wakeman.audit.entries import entries
from wakeman.audit.evidence import passed_over
from wakeman.core.errors import TransitionError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.log.hash_chain import DIVERGENCES_KEPT_MAX, Divergence
from wakeman.core.log.state import apply, apply_unchecked
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment, OpenIntent
from wakeman.engine.protocol.steps import Append, Kind, Steps, Write

_STRAY = (WakemanError, LookupError, ValueError, AttributeError, TypeError, ArithmeticError)
"""Exceptions of judging or applying a line that no engine wrote."""

_LOGS_OWN = (e.Repaired, e.Sealed, e.Filled, e.Freed)
"""Facts about the log itself: written between two protocols, or when the disk ended one."""


class Pending(Struct, frozen=True):
    """An intent whose outcome is not in the log."""

    line: int
    what: str


class Auditor:
    """One pass over a log, write by write, in constant memory in addition to the deployment.

    Shape: `divergences` are the first DIVERGENCES_KEPT_MAX, `count` counts all; `decisions` those that were judged;
    `cut` the checks that were interrupted; `unknown` counts events of newer versions by type; from the line of the
    first, `until`, on, lines are applied and no longer judged.
    """

    def __init__(self) -> None:
        self.deployment = Deployment()
        self.divergences: list[Divergence] = []
        self.count = self.decisions = self.cut = self.until = self.events = 0
        self.unknown: dict[str, int] = {}
        self._write: list[e.Event] = []
        self._walk: _Walk | None = None
        self._strayed = False  # the last write was none of the walk's
        self._doubt: tuple[_Walk, Write] | None = None  # another that may have written the last write
        self._clocks = Clocks()
        self._adrift = False  # the next lines belong to a check that the audit lost track of

    def take(self, event: e.Event) -> None:
        """Judge and apply one event; the lines of a write are judged at its last one."""
        self._write.append(event)
        if event.more:
            return
        write, self._write = self._write, []
        self.events += len(write)
        for each in write:
            if isinstance(each.data, e.Unknown) or each.v > e.FORMAT_VERSION:
                name = each.data.name if isinstance(each.data, e.Unknown) else f"version {each.v}"
                self.unknown[name] = self.unknown.get(name, 0) + 1
                self.until = self.until or each.seq
        if self.until:
            self._apply(write)
        else:
            self._judge(write)

    @property
    def torn(self) -> int:
        """Count the lines of an incomplete last write."""
        return len(self._write)

    def pending(self) -> list[Pending]:
        """List the intents without an outcome at this point, in the order of their lines."""
        d = self.deployment
        found = [Pending(intent.seq, _begun(intent)) for intent in d.intents.values()]
        found += [Pending(d.seq, f"end of {w.name}") for w in d.workers.values() if w.live and w.ends]
        return sorted(found, key=lambda pending: pending.line)

    def diverge(self, line: int, kind: str, found: str, expected: str) -> None:
        """Keep one divergence."""
        self.count += 1
        if len(self.divergences) < DIVERGENCES_KEPT_MAX:
            self.divergences.append(Divergence(line, kind, found, expected))

    @property
    def _is_full(self) -> bool:
        """Return whether a further divergence is counted and not kept, so that its words are for nobody."""
        return len(self.divergences) >= DIVERGENCES_KEPT_MAX

    # --- judging ----------------------------------------------------------------------------------------------

    def _judge(self, write: Write) -> None:
        self.decisions += sum(isinstance(event.data, e.Decided) for event in write)
        self._weigh(write)
        if all(isinstance(event.data, _LOGS_OWN) for event in write):
            self._leave(None)
            self._apply(write)
        elif self._walk is not None and self._walk.meets(self.deployment, write):
            self._go_on(self._walk, write)
        elif len(write) == 1 and isinstance(write[0].data, e.Noted):
            self._apply(write)  # what the disk, git or tmux refused: a check that is under way goes on
        elif not self._enter(write):
            self._stray(write)

    def _weigh(self, write: Write) -> None:
        for event in write:
            with suppress(*_STRAY):  # a time without a zone compares with none
                for one in self._clocks.take(event):
                    self.diverge(one.line, one.kind, one.found, one.expected)
            if event.at != write[0].at:
                self.diverge(event.seq, "time", f"{event.at:%Y-%m-%d %H:%M:%S}", f"{write[0].at:%Y-%m-%d %H:%M:%S}")
            if event.by != write[0].by:
                self.diverge(event.seq, "fold", f"{line_in_words(event)}, by {event.by}", f"one writer, {write[0].by}")
            with suppress(*_STRAY):  # it refers to what does not exist, which applying it reports
                for one in passed_over(self.deployment, event):
                    self.diverge(one.line, one.kind, one.found, one.expected)

    def _enter(self, write: Write) -> bool:
        """Start the protocol that may have written this; return whether there is one."""
        for steps in self._entries(write):
            walk = _Walk(steps, write[0].by)
            if walk.meets(self.deployment, write):
                doubt = self._walk if self._walk is not None and self._walk.near(write) else None
                self._leave(walk)
                self._go_on(walk, write)
                self._doubt = (doubt, write) if doubt is not None else None
                return True
        return False

    def _entries(self, write: Write) -> list[Steps[object]]:
        try:
            return list(entries(self.deployment, write))
        except _STRAY:
            return []  # as in `_weigh`

    def _leave(self, walk: _Walk | None) -> None:
        """Leave a protocol that has ended or was interrupted."""
        if self._walk is not None and self._walk.looked and not self._walk.over:
            self.cut += 1
        self._walk = walk
        self._strayed = self._adrift = False

    def _go_on(self, walk: _Walk, write: Write) -> None:
        self._strayed, self._doubt = False, None
        self._apply(write)
        walk.advance(write)

    def _stray(self, write: Write) -> None:
        """Record what is wrong with a write that no protocol would have written here."""
        if self._doubt is not None:
            # The last write was taken for the beginning of a check, but it does not continue as one.
            self._walk, doubted = self._doubt
            self._compare(self._walk.expected.kind, doubted, self._walk.expected.drafts)
            self._walk.advance(doubted)
            self._doubt = None
            if self._walk.meets(self.deployment, write):
                self._go_on(self._walk, write)
                return
        first, walk = write[0], self._walk
        near = walk if walk is not None and walk.near(write) else self._nearest(write)
        if self._adrift:
            self._apply(write)
        elif self.deployment.outcome != "open" and near is None:
            self.diverge(first.seq, "closed", line_in_words(first), "nothing: the deployment is closed")
            self._apply(write)
        elif near is not None:
            self._compare(near.expected.kind, write, near.expected.drafts)
            if near is not walk:
                self._leave(near)
            self._go_on(near, write)
        elif walk is not None and not walk.over:
            expected = walk.expected
            kind = expected.kind if isinstance(first.data, _LATER) else _KINDS.get(type(first.data), "fold")
            for draft in expected.drafts:
                self.diverge(first.seq, kind, *(_UNREAD if self._is_full else _apart(first, draft, walk.by)))
            # After one extra write the walk stays where it is; after two in a row it is lost: something is missing.
            self._walk = None if self._strayed else walk
            self._adrift, self._strayed = self._strayed, True
            self._apply(write)
        else:
            kind = _KINDS.get(type(first.data), "fold")
            self.diverge(first.seq, kind, line_in_words(first), "nothing: nothing asks for it")
            self._apply(write)

    def _nearest(self, write: Write) -> _Walk | None:
        """Find the protocol that would have begun with a similar write."""
        for steps in self._entries(write):
            walk = _Walk(steps, write[0].by)
            if not walk.meets(self.deployment, write) and walk.near(write):
                return walk
        return None

    def _compare(self, kind: str, write: Write, expected: Sequence[e.Draft]) -> None:
        """Compare the lines of a write with the expected drafts.

        Boundary: a missing line is reported at the one that it should have followed.
        """
        gap = len(expected) - len(write)
        at = next(
            (n for n, (event, draft) in enumerate(zip(write, expected, strict=False)) if not _matches(event, draft)),
            len(write),
        )
        if gap > 0 and all(map(_matches, write[at:], expected[at + gap :])):
            for draft in expected[at : at + gap]:
                self.diverge(write[max(0, at - 1)].seq, kind, "nothing", line_in_words(draft))
            return
        for event, draft in zip_longest(write, expected):
            if event is None:
                self.diverge(write[-1].seq, kind, "nothing", line_in_words(draft))
            elif draft is None:
                self.diverge(event.seq, kind, line_in_words(event), "nothing")
            elif not _matches(event, draft):
                self.diverge(event.seq, kind, *(_UNREAD if self._is_full else _differing(event, draft)))

    # --- applying ---------------------------------------------------------------------------------------------

    def _apply(self, write: Write) -> None:
        for event in write:
            try:
                apply(self.deployment, event)
            except TransitionError as fault:
                self.diverge(event.seq, "transition", str(fault).partition(": ")[2], "a move that the state allows")
                self._apply_unchecked(event)
            except _STRAY as fault:
                self._pass_over(event, fault)

    def _apply_unchecked(self, event: e.Event) -> None:
        try:
            apply_unchecked(self.deployment, event)
        except _STRAY as fault:
            self._pass_over(event, fault)

    def _pass_over(self, event: e.Event, fault: Exception) -> None:
        self.diverge(event.seq, "fold", f"{line_in_words(event)}: {fault}", "what was enrolled before")
        self.deployment.seq, self.deployment.hash = event.seq, event.hash


class _Walk:
    """One protocol in progress, driven by the recorded writes of one process.

    Shape: `by`: the process; `looked`: its observation is done; `over`: it has ended.
    """

    def __init__(self, steps: Steps[object], by: str) -> None:
        self.by = by
        self.looked = self.over = False
        self._steps = steps
        self._step: Any = None
        self._send(None)

    @property
    def expected(self) -> Append:
        """Return the next expected write; call it after `meets`, while the walk is not over."""
        step: Append = self._step
        return step

    def meets(self, d: Deployment, write: Write) -> bool:
        """Advance to the next write; return whether this is the one.

        Boundary: no other process continues a protocol with it.
        """
        while not self.over and not isinstance(self._step, Append):
            self._send(self._step.recorded(d, write))
        ours = not self.over and write[0].by == self.by and len(write) == len(self._step.drafts)
        return ours and all(map(_matches, write, self._step.drafts))

    def near(self, write: Write) -> bool:
        """Return whether the next expected write begins like this one, apart from its content."""
        if self.over or not isinstance(self._step, Append) or write[0].by != self.by:
            return False
        draft, event = self._step.drafts[0], write[0]
        action = getattr(draft.data, "action", None) == getattr(event.data, "action", None)
        return action and type(draft.data) is type(event.data) and (draft.worker is None) == (event.worker is None)

    def advance(self, write: Write) -> None:
        """Accept a write, and continue after it."""
        self.looked = self.looked or self._step.kind == "look"
        self._send(write)

    def _send(self, answer: object) -> None:
        try:
            self._step = self._steps.send(answer)
        except StopIteration:
            self.over = True
        except _STRAY:
            self.over = True  # a line refers to what does not exist


# --- words ----------------------------------------------------------------------------------------------------

_UNREAD = ("", "")
"""Words of a divergence that is counted and not kept."""

_LATER = (e.Armed, e.Disarmed, e.Looked, e.Closed)
"""Kinds written last, or first: if one comes too early, the divergence is what it skips."""

_KINDS: dict[type[e.Fact], Kind] = {
    e.Armed: "alarm",
    e.Disarmed: "alarm",
    e.Looked: "look",
    e.Unsynced: "outcome",
    e.Decided: "decision",
    e.Intended: "action",
    e.Marked: "action",
    e.Captured: "action",
    e.Enrolled: "action",
    e.Sampled: "action",
    e.Reviewed: "action",
    e.Closed: "action",
    e.Effected: "outcome",
    e.Launched: "outcome",
    e.Relaunched: "outcome",
    e.Confirmed: "transition",
    e.Started: "transition",
    e.Stalled: "transition",
    e.Recovered: "transition",
    e.Exited: "transition",
    e.Verified: "transition",
}
"""Type of an unexpected line -> the kind of its divergence."""


def _begun(intent: OpenIntent) -> str:
    """Describe an open intent."""
    match intent.action:
        case "launch":
            return f"launch of {intent.worker}"
        case "wake":
            return "wake"
        case _ if intent.typed:
            return f"text to {intent.worker}"
        case _:
            return " ".join(filter(None, (intent.worker, "intended", intent.action, intent.target or intent.text)))


def line_in_words(event: e.Event | e.Draft) -> str:
    """Describe a line: the worker, the type, the transition."""
    moved = f"{event.source} -> {event.to}" if event.to else ""
    try:
        text = summary(event.data)
    except _STRAY:
        text = ""  # its content has another type
    return " ".join(map(str, filter(None, (event.worker, e.kind(event.data), moved, text))))


def _matches(event: e.Event, draft: e.Draft) -> bool:
    return _compared_parts(event) == _compared_parts(draft)


def _compared_parts(event: e.Event | e.Draft) -> tuple[object, ...]:
    return event.worker, event.attempt, event.source, event.to, type(event.data), event.data


def _apart(event: e.Event, draft: e.Draft, by: str) -> tuple[str, str]:
    """Describe what was found and what was expected of a process, with the writers where they differ."""
    found, expected = line_in_words(event), line_in_words(draft)
    return (found, expected) if event.by == by else (f"{found}, by {event.by}", f"{expected}, by {by}")


def _differing(event: e.Event, draft: e.Draft) -> tuple[str, str]:
    """Describe what was found and what was expected; if the descriptions are equal, the fields that differ."""
    found, expected = line_in_words(event), line_in_words(draft)
    if found != expected:
        return found, expected
    ours, theirs = (msgspec.to_builtins(draft.data) | {"attempt": draft.attempt}), msgspec.to_builtins(event.data)
    theirs |= {"attempt": event.attempt}
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    recorded = [f"{found}, {', '.join(f'{key}={side.get(key)!r}' for key in keys)}" for side in (theirs, ours)]
    return recorded[0], recorded[1]
