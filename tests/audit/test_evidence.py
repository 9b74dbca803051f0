"""Verdicts are held against their own evidence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.log import GONE, HOST, NOW, PLAN, Log

from wakeman.audit.evidence import passed_over
from wakeman.core.log import events as e
from wakeman.core.model import INTERNAL_ERROR, Agent, FileFingerprint, RecordedProfile, Unit, Verdict
from wakeman.core.plan.shares import profile_digest

FULL, EMPTY = FileFingerprint("a.out", 9, 1), FileFingerprint("a.out", 0, 1)


def found(fact: e.Fact, **before: FileFingerprint) -> list[tuple[int, str, str, str]]:
    """Give what an audit finds in a line of a night with one worker, in which files were there before."""
    d = Log().d
    d.before = {mark.path: mark for mark in before.values()}
    event = e.Event(v=1, seq=7, at=d.at, by="at:1", data=fact, hash="")  # type: ignore[arg-type] # the log has begun
    return [(one.line, one.kind, one.found, one.expected) for one in passed_over(d, event)]


@pytest.mark.parametrize("place", ["verdicts", "staged"])
@pytest.mark.parametrize(
    ("verdict", "said", "hidden"),
    [
        (Verdict("a", marks=(FULL,)), None, ""),
        (Verdict("a", ("a.out: empty",), marks=(EMPTY,)), None, ""),
        (Verdict("a", ("thin",), marks=(FULL,)), None, ""),
        (Verdict("a", (f"{INTERNAL_ERROR}: KeyError",), marks=(EMPTY,)), None, ""),
        (Verdict("a", ("thin", f"{INTERNAL_ERROR}: KeyError")), None, ""),
        (Verdict("a", (f"no {INTERNAL_ERROR}",), marks=(EMPTY,)), f"a: no {INTERNAL_ERROR}", "a.out: empty"),
        (Verdict("a", marks=(EMPTY,)), "a: passes", "a.out: empty"),
        (Verdict("a", ("thin", "short"), marks=(EMPTY,)), "a: thin; short", "a.out: empty"),
        (Verdict("a"), "a: passes", "a.out: missing"),
    ],
    ids=str,
)
def test_a_verdict_must_name_what_its_files_show(place: str, verdict: Verdict, said: str | None, hidden: str) -> None:
    fields: dict[str, Any] = {place: (verdict,)}

    assert ([(7, "evidence", said, hidden)] if said else []) == found(e.Looked(mono=1.0, boot="b", **fields))


def test_a_file_that_was_there_before_and_has_not_changed_is_none_that_was_made() -> None:
    looked = e.Looked(mono=1.0, boot="b", verdicts=(Verdict("a", marks=(FULL,)),))

    [(_, _, said, hidden)] = found(looked, a=FULL)

    assert ("a: passes", True) == (said, hidden.startswith("a.out: "))
    assert [] == found(looked, a=FileFingerprint("a.out", 8, 0))
    assert [] == found(looked, other=FileFingerprint("b.out", 9, 1))


def test_what_is_staged_without_outputs_is_not_judged_by_the_end_of_a_session() -> None:
    d = Log().d
    d.units["a"].unit = Unit("a", ())
    looked = e.Looked(mono=1.0, boot="b", staged=(Verdict("a"),))
    event = e.Event(v=1, seq=7, at=NOW, by="at:1", data=looked, hash="")

    assert ["nothing to judge: neither an output nor a check"] == [each.expected for each in passed_over(d, event)]


def test_only_a_look_has_verdicts() -> None:
    assert [] == found(e.Noted(text=GONE))


@pytest.mark.parametrize("kind", [e.Planned, e.Amended])
def test_a_profile_is_the_one_whose_digest_its_line_says(kind: Any) -> None:
    agent = Agent(description="judges", prompt="Judge.")
    own = profile_digest(agent)

    def said(name: str, digest: str) -> list[tuple[int, str, str, str]]:
        plan = msgspec.structs.replace(PLAN, agents={"judge": agent})
        more = {"name": "night", "host": HOST} if kind is e.Planned else {}
        return found(kind(plan=plan, digest="d", profiles=(RecordedProfile(name, digest),), **more))

    assert [] == said("judge", own)
    assert [(7, "evidence", f"the profile 'judge' with digest {own}", "other")] == said("judge", "other")
    assert [(7, "evidence", "the profile 'gone' with digest none", own)] == said("gone", own)
