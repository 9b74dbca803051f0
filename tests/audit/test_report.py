"""A whole log is judged: its bytes, its lines, its sealed files, and what others remember of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import msgspec
import pytest
from msgspec.structs import replace
from tests.forge import judged
from tests.log import NOW, PLAN
from tests.play import Play

from wakeman.audit.report import AuditReport, audit
from wakeman.core.log import events as e
from wakeman.core.log.hash_chain import HashChain
from wakeman.core.log.state import apply
from wakeman.core.model import Agent, Deployment, Plan, WorkersSpec
from wakeman.core.plan.shares import content_digest

Remembered = tuple[int, str, bytes]


@cache
def night() -> tuple[bytes, ...]:
    play = Play(workers=1, units=1)
    play.run(60)
    return tuple(play.lines)


class Lines:
    """A log in memory, as an audit reads one."""

    def __init__(
        self,
        lines: Sequence[bytes],
        snapshot: Remembered | None = None,
        sealed: dict[str, tuple[int, str]] | None = None,
    ) -> None:
        self.chain, self.sealed, self.snapshot = HashChain(), sealed or {}, snapshot
        self.size = sum(map(len, lines))
        self._ahead = list(lines)

    def lines(self) -> Iterator[bytes]:
        ahead = self._ahead
        return self.chain.follow(iter(lambda: ahead.pop(0) if ahead else b"", b""), lambda: not ahead)


def hash_of(line: bytes) -> str:
    return line[-e.LINE_END_BYTES : -3].decode()


def added(*facts: e.Fact, more: bool = False) -> list[bytes]:
    """Give the night with more lines behind its end; `more`: their write never became whole."""
    lines = list(night())
    for fact in facts:
        seq, previous = len(lines) + 1, hash_of(lines[-1])
        lines.append(e.encode(e.Draft(fact), seq=seq, at=NOW, by="at:1", previous=previous, more=more)[0])
    return lines


def raw(head: str) -> list[bytes]:
    """Give the night with a line of any bytes behind its end, chained as it must be."""
    start = f'{{"v":1,"seq":{len(night()) + 1},{head}"hash":"'.encode()
    return [*night(), start + e.chain(hash_of(night()[-1]), start).encode() + b'"}\n']


def state_at(seq: int) -> bytes:
    d = Deployment()
    for line in night()[:seq]:
        apply(d, e.decode(line[:-1]))
    return msgspec.json.encode(d)


def remembered(seq: int, *, hash_: str | None = None, state: bytes | None = None) -> Remembered:
    return seq, hash_ or hash_of(night()[seq - 1]), state if state is not None else state_at(seq)


def told(report: AuditReport) -> list[tuple[int, str, str, str]]:
    return [(one.line, one.kind, one.found, one.expected) for one in report.divergences]


def matches(report: AuditReport) -> list[tuple[str, int, bool, str]]:
    return [(one.where, one.line, one.agrees, one.says) for one in report.witnesses]


LAST = len(night())
UNFINISHED = added(e.Noted(text="x"), e.Noted(text="y"), more=True)
MIDDLE = next(n for n, line in enumerate(night(), 1) if b'"more":true' in line)
"""A line whose write goes on behind it."""


def test_a_whole_log_is_followed_and_judged_to_its_end() -> None:
    report = audit(Lines(night()))

    assert ([], 0, [], 0) == (told(report), report.count, matches(report), report.torn)
    assert (LAST, LAST) == (report.auditor.events, report.chain.seq)


def test_a_last_line_that_a_crash_left_is_measured() -> None:
    report = audit(Lines([*night()[:-1], night()[-1][:-5]]))

    assert ([], len(night()[-1]) - 5) == (told(report), report.torn)


DEEP = '"at":"2026-01-05T21:36:00Z","by":"at:1","type":"noted","data":' + '{"a":' * 5000 + "1" + "}" * 5000 + ","


@pytest.mark.parametrize("head", ['"at":"x",', DEEP], ids=["no event", "nested too deeply"])
def test_a_line_that_fits_and_cannot_be_read_is_named_and_the_others_are_judged(head: str) -> None:
    [(line, kind, found, expected)] = told(report := audit(Lines(raw(head))))

    assert (LAST + 1, "line", True, "an event") == (line, kind, bool(found), expected)
    assert (LAST, 1) == (report.auditor.events, report.count)


def test_a_line_that_does_not_fit_is_one_break_and_no_second_divergence() -> None:
    lines = [*night()[:-1], b"noise\n"]

    report = audit(Lines(lines))

    assert ([(LAST, "chain")], 1) == ([(one[0], one[1]) for one in told(report)], report.count)


def test_breaks_and_divergences_are_told_and_counted_together_in_the_order_of_their_lines() -> None:
    lines = [*added(e.Decided(row="sleep", looked=1), e.Noted(text="x"))]
    lines[2] = lines[2].replace(b'"by":"', b'"by": "')
    lines[-1] = lines[-1].replace(b'"x"', b'"y"')

    report = audit(Lines(lines))

    assert [(3, "chain"), (LAST + 1, "closed"), (LAST + 2, "chain")] == [(one[0], one[1]) for one in told(report)]
    assert (3, 1, 2) == (report.count, report.auditor.count, report.chain.broken)


# --- its plans ----------------------------------------------------------------------------------------------------

OTHER = "f" * 64
JUDGE = Agent(description="judges", prompt="Judge.")


def amended(plan: Plan = PLAN, *, digest: str = OTHER, logged: str = "") -> list[tuple[str, str]]:
    """Return what is said of a plan in a line with these digests; "" stands for its true one."""
    line = added(e.Amended(plan=plan, digest=digest))[-1]
    own = content_digest(msgspec.json.decode(line)["data"]["plan"])
    fact = e.Amended(plan=plan, digest=digest or own, logged=own if logged == "true" else logged)
    return [each[2:] for each in told(audit(Lines(added(fact)))) if each[1] == "plan"]


FILLED = [
    replace(PLAN, agents={"judge": JUDGE}),
    replace(PLAN, workers=WorkersSpec(prompt_file="a long prompt.md")),
    replace(PLAN, workers=WorkersSpec(at_once=2)),
]
"""Plans that `up` has filled something into: the file had another digest."""


@pytest.mark.parametrize("plan", [PLAN, *FILLED], ids=["as in its file", "a profile", "a prompt file", "at once"])
def test_a_plan_has_the_digest_that_its_line_says(plan: Plan) -> None:
    [(found, expected)] = amended(plan, digest="", logged=OTHER)

    assert [] == amended(plan, logged="true")
    assert (True, len("a plan with digest ") + 12) == (found.startswith("a plan with digest "), len(found))
    assert OTHER[:12] == expected


def test_an_older_line_has_only_the_digest_of_the_file_which_is_no_other_unless_something_was_filled_in() -> None:
    assert ([], [OTHER[:12]]) == (amended(digest=""), [expected for _, expected in amended()])
    assert [[], [], []] == [amended(plan) for plan in FILLED]


# --- what others remember -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [1, MIDDLE, 10, LAST])
def test_a_checkpoint_of_a_line_as_it_is_agrees(seq: int) -> None:
    report = audit(Lines(night()), [("alarm", seq, hash_of(night()[seq - 1]))])

    assert ([], [("alarm", seq, True, "agrees")]) == (told(report), matches(report))


@pytest.mark.parametrize(
    ("lines", "seq", "line", "found"),
    [
        (list(night()), 10, 10, f"hash {hash_of(night()[9])}"),
        (list(night()), LAST, LAST, f"hash {hash_of(night()[-1])}"),
        (list(night()), LAST + 1, LAST, f"the log ends at line {LAST}"),
        (list(night())[:10], LAST, 10, "the log ends at line 10"),
        (
            added(e.Noted(text="x"), e.Noted(text="y"), more=True),
            LAST + 3,
            LAST + 2,
            f"the log ends at line {LAST + 2}",
        ),
        (raw('"at":"x",'), LAST + 1, LAST, f"the log ends at line {LAST}"),
        ([*night()[:9], b"noise\n", *night()[10:]], 10, 10, "hash of no whole line"),
    ],
    ids=["another line", "another last line", "one more", "cut off", "a write that is not whole", "no event", "noise"],
)
def test_a_checkpoint_of_another_line_is_held_against_the_log(
    lines: list[bytes], seq: int, line: int, found: str
) -> None:
    report = audit(Lines(lines), [("alarm", seq, "0" * 32)])

    expected = f"line {seq}, which the alarm saw" if "ends" in found else f"hash {'0' * 32}, which the alarm saw"
    assert (line, "witness", found, expected) in told(report)
    assert [("alarm", seq, False, found)] == matches(report)


def test_every_checkpoint_is_asked_and_the_snapshot_is_the_last_of_them() -> None:
    heads = [("alarm", 2, hash_of(night()[1])), ("file", 3, "0" * 32)]

    report = audit(Lines(night(), remembered(5)), heads)

    assert [("alarm", 2, True), ("file", 3, False), ("snapshot", 5, True)] == [each[:3] for each in matches(report)]


# --- its snapshot -------------------------------------------------------------------------------------------------

OTHER_STATE = ("snapshot", "another state", "what the lines up to here fold into")


@pytest.mark.parametrize("seq", [10, LAST])
def test_a_snapshot_holds_what_the_lines_before_it_come_to(seq: int) -> None:
    same, other = audit(Lines(night(), remembered(seq))), audit(Lines(night(), remembered(seq, state=b"{}")))

    assert ([], [(seq, *OTHER_STATE)]) == (told(same), told(other))
    assert [("snapshot", seq, True, "agrees")] == matches(same) == matches(other)


def test_of_a_snapshot_of_another_log_the_state_is_not_compared() -> None:
    report = audit(Lines(night(), remembered(10, hash_="0" * 32, state=b"{}")))

    assert ["witness"] == [one[1] for one in told(report)]


def test_a_snapshot_within_a_write_is_not_compared_as_the_write_is_applied_at_its_end() -> None:
    assert [] == told(audit(Lines(night(), remembered(MIDDLE, state=b"{}"))))


# --- its sealed files ---------------------------------------------------------------------------------------------

SEAL = e.Sealed(file="events-1.jsonl", size=9, sha256="ab")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"events-1.jsonl": (9, "ab")}, None),
        ({}, None),
        ({"events-1.jsonl": (8, "ab")}, "events-1.jsonl: 8 bytes, ab"),
        ({"events-1.jsonl": (9, "cd")}, "events-1.jsonl: 9 bytes, cd"),
        ({"events-9.jsonl": (9, "ab")}, "events-1.jsonl: no such file"),
    ],
    ids=["as it was", "a file of lines alone", "another size", "another content", "gone"],
)
def test_a_sealed_file_is_as_the_log_says_unless_it_is_read_alone(
    files: dict[str, tuple[int, str]], found: str | None
) -> None:
    report = audit(Lines(added(SEAL), sealed=files))

    assert ([(LAST + 1, "seal", found, "9 bytes, ab")] if found else []) == told(report)


def test_the_first_divergences_are_those_that_a_judge_of_the_lines_alone_finds() -> None:
    lines = added(e.Decided(row="sleep", looked=1))

    assert tuple(judged(lines).divergences) == audit(Lines(lines)).divergences


def test_a_plan_with_bytes_that_are_no_text_is_the_chain_s_finding_alone() -> None:
    lines = list(night())
    at = next(n for n, line in enumerate(lines) if b'"type":"planned"' in line)
    lines[at] = lines[at].replace(b'"plan":{', b'"plan":{"later":"\xff",', 1)  # a key that no event has

    report = audit(Lines(lines))

    assert {"chain"} == {divergence.kind for divergence in report.divergences}
