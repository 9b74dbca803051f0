"""One line about each event."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wakeman.core.log import events as e
from wakeman.core.log.summary import summary
from wakeman.core.model import (
    Alarm,
    FileFingerprint,
    Host,
    Identity,
    Observation,
    Plan,
    Rejection,
    Unit,
    UnitsSpec,
    Validator,
    Verdict,
    Written,
)

DUE = datetime(2026, 1, 5, 21, 45, tzinfo=UTC)
HOST = Host(root="/w", directory="/s/n", place={"socket": "/s", "tmux": "/t"}, python=("p",))
PLAN = Plan(name="n", units=UnitsSpec(items=("a",), output="a"))
UNIT = Unit(name="a", outputs=("a.out",))

SAID: list[tuple[e.Fact, str]] = [
    (e.Intended(action="launch", target="w", version="2.1.332"), "launch w, client 2.1.332"),
    (e.Intended(action="launch", target="w"), "launch w"),
    (e.Planned(name="n", plan=PLAN, digest="0123456789", host=HOST), "n, plan 01234567 in /w"),
    (e.Enrolled(session="s", units=(UNIT,)), "1 unit"),
    (e.Enrolled(session="s", moved=("a", "b"), origin="w"), "2 units of w"),
    (e.Armed(alarm=Alarm("at", 1, DUE, "7"), why="first"), "at 7 for 21:45:00 UTC, first"),
    (e.Armed(alarm=Alarm("tmux", 1, DUE), why="head", weak="no atd"), "tmux for 21:45:00 UTC, head; weak: no atd"),
    (e.Disarmed(generation=3), "generation 3"),
    (e.Adopted(identity=Identity(machine="0123456789", uid=7, pid_namespace=2)), "live on 01234567 as user 7"),
    (e.Looked(mono=1.0, boot="b"), "nothing new"),
    (
        e.Looked(
            mono=1.0,
            boot="b",
            observations=(Observation("w", 1, "running", "busy"), Observation("x", 1, "exited")),
            verdicts=(Verdict("a"), Verdict("b", ("missing", "empty"))),
        ),
        'w running busy; x exited; a: passes; b: "missing; empty"',
    ),
    (
        e.Progressed(written=1, total=2, files=(Written("a", (FileFingerprint("a.out", 1, 1),)),)),
        "1/2 units written: a.out",
    ),
    (e.Progressed(written=1, total=2), "1/2 units written"),
    (e.Conflicted(path="/w/x", written=DUE), '"/w/x", in nobody\'s place'),
    (e.Conflicted(path="/w/x", written=DUE, unit="a", owner="w", more=3), '"/w/x", in the place of a (w), and 3 more'),
    (e.Unsynced(unit="a", why="a.out: no room"), "a: a.out: no room"),
    (e.Decided(row="sleep", looked=1, why="0/1 units done"), "sleep: 0/1 units done"),
    (e.Decided(row="wrap up", looked=1, then=("close",), why="1/1", held=True), "wrap up -> close (held): 1/1"),
    (e.Decided(row="investigate", looked=1, why="waiting: x"), 'investigate: "waiting: x"'),
    (e.Intended(action="launch", target="s"), "launch s"),
    (e.Intended(action="wake", text="AT wake-up"), "wake AT wake-up"),
    (e.Intended(action="press", target="s", text="Yes"), 'press in s: "Yes"'),
    (e.Effected(intent=1, ok=True), "done"),
    (e.Effected(intent=1, ok=False, detail="exit 1"), 'failed: "exit 1"'),
    (e.Launched(intent=1), ""),
    (e.Launched(intent=1, session_id="$3@812:1764400000"), ""),
    (e.Launched(intent=1, session_id="66b5c472ddd0@beta"), "66b5c472ddd0@beta"),
    (e.Relaunched(intent=1, session_id="7_0@0123456789ab", adopted=True), "adopted 7_0@0123456789ab"),
    (e.Relaunched(intent=1, adopted=True), "adopted"),
    (e.Started(why="it printed"), '"it printed"'),
    (e.Stalled(reason="waiting", why="a permission"), 'waiting: "a permission"'),
    (e.Recovered(why="it printed"), '"it printed"'),
    (e.Exited(why="exit status 1", code=1, ended_by="itself"), 'by itself, code 1: "exit status 1"'),
    (e.Exited(why="gone"), 'by nobody known: "gone"'),
    (e.Verified(files=1), "1 file judged"),
    (e.Captured(file="screens/w.1.1.txt", sha256=""), "screens/w.1.1.txt"),
    (e.Requested(verb="waive", units=("a", "b"), text="old"), "waive a, b old"),
    (e.Requested(verb="pause"), "pause"),
    (e.Requested(verb="pause", who="mia"), "pause (mia)"),
    (e.Requested(verb="pause", face="serve"), "pause (serve)"),
    (e.Requested(verb="pause", who="mia", face="serve"), "pause (mia, serve)"),
    (e.Amended(plan=PLAN, digest="0123456789"), "plan 01234567"),
    (e.Amended(plan=PLAN, digest="0123456789", dropped=("w",)), "plan 01234567, without w"),
    (e.Sampled(seed=1, units=("a", "b")), "a, b"),
    (e.Reviewed(round=2, passed=3), "round 2: 3 accepted, 0 rejected"),
    (
        e.Reviewed(round=1, passed=1, rejected=(Rejection("a", "thin"), Rejection("b", "wrong"))),
        'round 1: 1 accepted, 2 rejected: a: "thin"; b: "wrong"',
    ),
    (e.Enrolled(session="r", units=(UNIT,), review=2, reviews=("a", "b")), "review 2 of 2 units: a, b"),
    (e.Verified(), "0 files judged"),
    (e.Intended(action="wake"), "wake"),
    (e.Intended(action="launch", target="s", text="t"), "launch s"),
    (e.Effected(intent=1, ok=True, detail="at once"), 'done: "at once"'),
    (e.Confirmed(intent=1, ok=True, why="it was read"), "arrived: it was read"),
    (e.Confirmed(intent=1, ok=False, why="nothing shows it"), "not confirmed: nothing shows it"),
    (
        e.Looked(
            mono=1.0,
            boot="b",
            observations=(
                Observation("w", 1, "running", "waiting", "a question"),
                Observation("x", 1, "exited", refused=("/a", "/b")),
            ),
            validators=(Validator("val_1", "$1", DUE, "w"), Validator("v", "$2", DUE)),
        ),
        "w running waiting; x exited (may not write to /b and 1 more, its output says); val_1 of w; v of nobody known",
    ),
    (e.Repaired(file="torn-9.bin", size=3), "3 bytes of an unfinished write, kept in torn-9.bin"),
    (
        e.Repaired(file="damaged-1", size=3, line=7),
        "cut before line 7 by hand, 3 bytes; the original is in damaged-1",
    ),
    (e.Sealed(file="events-1.jsonl", size=9, sha256="ab"), "the lines before, 9 bytes, as events-1.jsonl"),
    (e.Filled(size=300, why="disk full"), "disk full: 300 bytes refused, the reserve given up, nobody is launched"),
    (e.Freed(), "there is room again"),
    (e.Noted(text="an orphan"), "an orphan"),
    (e.Closed(outcome="complete", why="1/1"), "complete: 1/1"),
    (e.Unknown(), ""),
]


@pytest.mark.parametrize(("fact", "said"), SAID, ids=[e.kind(fact) for fact, _ in SAID])
def test_an_event_is_said_in_one_line(fact: e.Fact, said: str) -> None:
    assert said == summary(fact)


def test_every_type_of_event_has_words() -> None:
    assert not [name for name, kind in e.FACTS.items() if kind.summary is e.Fact.summary]


def test_what_others_wrote_is_made_harmless() -> None:
    assert 'by nobody known: "red x"' == summary(e.Exited(why="\x1b[31mred\nx"))
    assert "\x1b" not in summary(e.Noted(text="\x1b]0;title\x07"))
