"""One line about an event, for people. The log holds the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wakeman.core.log import events as e
from wakeman.core.plan.confinement import refused
from wakeman.core.text import sanitise

SUMMARY_CHARS_MAX = 200
"""Characters of a summary at most."""


def summary(fact: e.Fact) -> str:
    """Say what happened in one line, "" when the type's name says it all. Others' words are made harmless."""
    words = SUMMARIES.get(type(fact))
    return sanitise(words(fact), SUMMARY_CHARS_MAX) if words else ""


def _why(fact: Any) -> str:
    return str(fact.why)


def count(number: int, noun: str) -> str:
    """Say how many of what."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _alarm(fact: Any) -> str:
    alarm = fact.alarm
    what = f"{alarm.kind} {alarm.job}".rstrip()
    weak = f"; weak: {fact.weak}" if fact.weak else ""
    return f"{what} for {e.stamp(alarm.due)[11:19]} UTC, {fact.why}{weak}"


def _decided(fact: Any) -> str:
    then = f" -> {', '.join(fact.then)}" if fact.then else ""
    return f"{fact.row}{then}{' (held)' if fact.held else ''}: {fact.why}"


def _looked(fact: Any) -> str:
    seen = [
        f"{s.worker} {s.session} {s.activity}".removesuffix(" unknown") + (f" ({refused(s)})" if s.refused else "")
        for s in fact.observations
    ]
    judged = [f"{v.unit}: {'; '.join(v.problems) or 'passes'}" for v in fact.verdicts]
    others = [f"{v.session} of {v.worker or 'nobody known'}" for v in fact.validators or ()]
    return "; ".join(seen + judged + others) or "nothing new"


def _progressed(fact: Any) -> str:
    files = [mark.path for each in fact.files for mark in each.marks]
    return f"{fact.written}/{fact.total} units written" + (f": {', '.join(files)}" if files else "")


def _conflicted(fact: Any) -> str:
    whose = f"in the place of {fact.unit} ({fact.owner})" if fact.unit else "in nobody's place"
    return f"{fact.path}, {whose}" + (f", and {fact.more} more" if fact.more else "")


def _enrolled(fact: Any) -> str:
    if fact.review:
        return f"review {fact.review} of {count(len(fact.reviews), 'unit')}: {', '.join(fact.reviews)}"
    return count(len(fact.units) + len(fact.moved), "unit") + (f" of {fact.origin}" if fact.origin else "")


def _reviewed(fact: Any) -> str:
    words = [f"{each.unit}: {each.why}" for each in fact.rejected]
    counts = f"round {fact.round}: {fact.passed} accepted, {len(words)} rejected"
    return f"{counts}: {'; '.join(words)}" if words else counts


def _exited(fact: Any) -> str:
    code = "" if fact.code is None else f", code {fact.code}"
    return f"by {fact.ended_by or 'nobody known'}{code}: {fact.why}"


SUMMARIES: dict[type[e.Fact], Callable[[Any], str]] = {
    e.Planned: lambda f: f"{f.name}, plan {f.digest[:8]} in {f.host.root}",
    e.Enrolled: _enrolled,
    e.Armed: _alarm,
    e.Disarmed: lambda f: f"generation {f.generation}",
    e.Looked: _looked,
    e.Progressed: _progressed,
    e.Conflicted: _conflicted,
    e.Decided: _decided,
    e.Intended: lambda f: f"{f.action} {f.target or f.text}".rstrip(),
    e.Effected: lambda f: f"{'done' if f.ok else 'failed'}{': ' if f.detail else ''}{f.detail}",
    e.Confirmed: lambda f: f"{'arrived' if f.ok else 'not confirmed'}: {f.why}",
    e.Launched: lambda f: "adopted" if f.adopted else "",
    e.Relaunched: lambda f: "adopted" if f.adopted else "",
    e.Started: _why,
    e.Stalled: lambda f: f"{f.reason}: {f.why}",
    e.Recovered: _why,
    e.Exited: _exited,
    e.Verified: lambda f: f"{count(f.files, 'file')} judged",
    e.Captured: lambda f: f.file,
    e.Requested: lambda f: " ".join(filter(None, (f.verb, ", ".join(f.units), f.text))),
    e.Amended: lambda f: f"plan {f.digest[:8]}" + (f", without {', '.join(f.dropped)}" if f.dropped else ""),
    e.Sampled: lambda f: ", ".join(f.units),
    e.Reviewed: _reviewed,
    e.Repaired: lambda f: (
        f"cut before line {f.line} by hand, {f.size} bytes; the original is in {f.file}"
        if f.line
        else f"{f.size} bytes of an unfinished write, kept in {f.file}"
    ),
    e.Sealed: lambda f: f"the lines before, {f.size} bytes, as {f.file}",
    e.Filled: lambda f: f"{f.why}: {f.size} bytes refused, the reserve given up, nobody is launched",
    e.Freed: lambda _: "there is room again",
    e.Noted: lambda f: str(f.text),
    e.Closed: lambda f: f"{f.outcome}: {f.why}",
}
"""Type of event -> its words."""
