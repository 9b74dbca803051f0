"""A chain is verified on the bytes of its lines: each break is reported at its line, and does not stop the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from io import BufferedReader, BytesIO

import pytest

from wakeman.core.errors import LogDamagedError
from wakeman.core.log import events as e
from wakeman.core.log.hash_chain import DIVERGENCES_KEPT_MAX, HashChain
from wakeman.core.model import Host, Plan, UnitsSpec

NOW = datetime(2026, 1, 5, 21, 36, tzinfo=UTC)
HOST = Host(root="/r", directory="/s/night", python=("wakeman",))
PLANNED = e.Planned(name="night", plan=Plan(name="night", units=UnitsSpec(items=("x",))), digest="d", host=HOST)
START = e.genesis("night", "d")
COUNT = 7
"""Lines of the log that is damaged."""

Lines = list[bytes]


def written(facts: Sequence[e.Fact], first: int = 1) -> Lines:
    lines, previous = [], START
    for seq, fact in enumerate(facts, first):
        line, previous = e.encode(e.Draft(fact), seq=seq, at=NOW, by="at:1", previous=previous)
        lines.append(line)
    return lines


def whole() -> Lines:
    return written([PLANNED, *(e.Noted(text=f"note {n}") for n in range(2, COUNT + 1))])


def hash_of(line: bytes) -> bytes:
    return line[-e.LINE_END_BYTES : -3]


def forged(lines: Lines) -> Lines:
    """Write the hashes anew, as who changes lines and hides it would."""
    out, previous = [], START
    for line in lines:
        head = line[: -e.LINE_END_BYTES]
        previous = e.chain(previous, head)
        out.append(head + previous.encode() + b'"}\n')
    return out


def changed(at: int, change: Callable[[bytes], bytes]) -> Lines:
    """Return the log with one line, counted from 1, as something made it."""
    lines = whole()
    lines[at - 1] = change(lines[at - 1])
    return lines


def followed(data: Iterable[bytes], *, sealed: bool = False) -> tuple[HashChain, list[tuple[bytes, bool]]]:
    """Follow a file to its end; return every line that came out, and whether it fitted."""
    chain = HashChain()
    return chain, onward(chain, data, sealed=sealed)


def onward(chain: HashChain, data: Iterable[bytes], *, sealed: bool = False) -> list[tuple[bytes, bool]]:
    stream = BufferedReader(BytesIO(b"".join(data)))
    return [(line, chain.fits) for line in chain.follow(stream, lambda: not sealed and not stream.peek(1))]


def test_every_line_of_a_whole_log_comes_out_and_fits() -> None:
    chain, out = followed(whole())

    assert [(line, True) for line in whole()] == out
    assert (COUNT, hash_of(whole()[-1]), START) == (chain.seq, chain.hash, chain.start)
    assert ([], 0, b"") == (chain.breaks, chain.broken, chain.torn)


@pytest.mark.parametrize("at", range(1, COUNT))
def test_segments_are_one_chain(at: int) -> None:
    chain, out = followed(whole()[:at], sealed=True)
    out += onward(chain, whole()[at:])

    assert [(line, True) for line in whole()] == out
    assert (COUNT, 0) == (chain.seq, chain.broken)


def test_lines_of_a_newer_version_fit_if_their_hashes_do() -> None:
    lines = forged([whole()[0], *(line.replace(b'{"v":1,', b'{"v":23,') for line in whole()[1:])])

    chain, out = followed(lines)

    assert ([(line, True) for line in lines], COUNT, []) == (out, chain.seq, chain.breaks)
    assert hash_of(lines[-1]) == chain.hash


ANOTHER = "its hash does not fit: it is not as it was written"
NO_LINE = "a line that does not begin as one"
CR_LF = "its line feed became CR LF: something converted the file"
NO_LF = "another byte in the place of its line feed"

DAMAGE: dict[str, tuple[Lines, list[tuple[int, str]]]] = {
    "changed": (changed(3, lambda line: line.replace(b"note", b"vote")), [(3, ANOTHER)]),
    "changed at the end": (changed(7, lambda line: line.replace(b"note", b"vote")), [(7, ANOTHER)]),
    "NUL bytes": (changed(3, lambda line: line.replace(b"note", b"\0\0\0\0")), [(3, ANOTHER)]),
    "another hash": (
        changed(3, lambda line: line[: -e.LINE_END_BYTES] + b"0" * 32 + b'"}\n'),
        [(3, ANOTHER), (4, ANOTHER)],
    ),
    "no hash": (changed(3, lambda line: line[: -e.LINE_END_BYTES] + b"g" * 32 + b'"}\n'), [(3, ANOTHER)]),
    "CR LF": (changed(3, lambda line: line[:-1] + b"\r\n"), [(3, CR_LF)]),
    "CR LF at the end": (changed(7, lambda line: line[:-1] + b"\r\n"), [(7, CR_LF)]),
    "changed and CR LF": (changed(3, lambda line: line.replace(b"note", b"vote")[:-1] + b"\r\n"), [(3, ANOTHER)]),
    "CR CR LF": (changed(3, lambda line: line[:-1] + b"\r\r\n"), [(3, ANOTHER)]),
    "a space before LF": (changed(3, lambda line: line[:-1] + b" \n"), [(3, ANOTHER), (4, ANOTHER)]),
    "another byte for the last LF": (changed(7, lambda line: line[:-1] + b" "), [(7, NO_LF)]),
    "another byte for an LF": (
        changed(3, lambda line: line[:-1] + b" "),
        [(3, ANOTHER), (5, "line 5: lines 4 to 4 are not here")],
    ),
    "one gone": ([*whole()[:2], *whole()[3:]], [(4, "line 4: lines 3 to 3 are not here")]),
    "three gone": ([*whole()[:2], *whole()[5:]], [(6, "line 6: lines 3 to 5 are not here")]),
    "one twice": ([*whole()[:3], *whole()[2:]], [(3, "line 3: it stands here again")]),
    "all twice": ([*whole(), *whole()], [(1, "line 1: it stands here again")]),
    "swapped": (
        [*whole()[:2], whole()[3], whole()[2], *whole()[4:]],
        [
            (4, "line 4: lines 3 to 3 are not here"),
            (3, "line 3: it stands here again"),
            (5, "line 5: lines 4 to 4 are not here"),
        ],
    ),
    "renumbered and forged": (
        forged(changed(3, lambda line: line.replace(b'"seq":3,', b'"seq":9,'))),
        [(9, "line 9: lines 3 to 8 are not here"), (4, "line 4: it stands here again")],
    ),
    "NUL bytes at the end, renumbered and forged": (
        forged(changed(7, lambda line: line.replace(b'"seq":7,', b'"seq":9,').replace(b"note", b"\0\0\0\0"))),
        [(9, "line 9: lines 7 to 8 are not here")],
    ),
    "noise": (changed(3, lambda _: b"noise\n"), [(3, NO_LINE), (4, ANOTHER)]),
    "noise at the end": (changed(7, lambda _: b"noise\n"), [(7, NO_LINE)]),
    "noise with a hash": (forged(changed(3, lambda line: line.replace(b'"seq":3,', b'"seq":03,'))), [(3, NO_LINE)]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_where_it_shows_and_what_stands_behind_it_is_followed(damage: str) -> None:
    lines, breaks = DAMAGE[damage]

    chain, out = followed(lines)

    assert breaks == [(each.line, each.found) for each in chain.breaks]
    assert (len(breaks), b"") == (chain.broken, chain.torn)
    assert b"".join(lines) == b"".join(line for line, _ in out)
    assert len(breaks) == sum(not fits for _, fits in out)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("changed", "the hash of the line before and its own"),
        ("CR LF", "a line feed"),
        ("another byte for the last LF", "a line feed"),
        ("three gone", "line 3"),
        ("one twice", "line 4"),
        ("noise", "line 3"),
    ],
)
def test_a_break_says_what_was_expected_in_its_place(damage: str, expected: str) -> None:
    chain, _ = followed(DAMAGE[damage][0])

    assert ("chain", expected) == (chain.breaks[0].kind, chain.breaks[0].expected)


LAST = whole()[-1]
TORN = {
    "without its line feed": LAST[:-1],
    "without its end": LAST[:-5],
    "its first byte": LAST[:1],
    "with NUL bytes for its middle": LAST[:20] + b"\0" * 20 + LAST[40:],
    "NUL bytes": b"\0" * 99,
    "NUL bytes and a line feed": b"\0" * 99 + b"\n",
}


@pytest.mark.parametrize("torn", TORN)
def test_a_last_line_that_a_crash_left_is_kept_apart_and_is_no_damage(torn: str) -> None:
    *before, _ = whole()

    chain, out = followed([*before, TORN[torn]])

    assert (TORN[torn], []) == (chain.torn, chain.breaks)
    assert ([(line, True) for line in before], COUNT - 1, hash_of(before[-1])) == (out, chain.seq, chain.hash)


@pytest.mark.parametrize("torn", TORN)
def test_such_a_line_at_the_end_of_a_sealed_segment_is_damage(torn: str) -> None:
    chain, _ = followed([*whole()[:-1], TORN[torn]], sealed=True)

    assert (b"", 1) == (chain.torn, chain.broken)


@pytest.mark.parametrize("size", [1, 20, 60, len(whole()[0]) - 1])
def test_a_first_line_that_a_crash_left_is_torn_too(size: int) -> None:
    chain, out = followed([whole()[0][:size]])

    assert ([], 0, whole()[0][:size], []) == (out, chain.seq, chain.torn, chain.breaks)


NOT_A_LOG = "line 1: expected the planned event of a log of Wakeman"
REFUSED: dict[str, tuple[Lines, bool, str]] = {
    "noise": ([b"noise\n"], False, "line 1: not an event"),
    "noise before more": ([b"noise\n", *whole()], False, "line 1: not an event"),
    "NUL bytes before more": ([b"\0\0\n", *whole()], False, "line 1: not an event"),
    "a part of a sealed segment": ([whole()[0][:60]], True, "line 1: not an event"),
    "another log's": (written([e.Noted(text="x")]), False, NOT_A_LOG),
    "beheaded": (whole()[1:], False, "begins with line 2: lines 1 to 1 are not here"),
    "beheaded with a plan": (written([PLANNED], first=2), False, "begins with line 2: lines 1 to 1 are not here"),
    "a plan before it": (written([PLANNED], first=0), False, "begins with line 0"),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_what_does_not_begin_as_a_log_is_refused_with_what_was_found(refused: str) -> None:
    lines, sealed, said = REFUSED[refused]

    with pytest.raises(LogDamagedError) as caught:
        followed(lines, sealed=sealed)

    assert said in str(caught.value)


def test_who_lacks_the_first_lines_is_told_what_to_copy() -> None:
    with pytest.raises(LogDamagedError) as caught:
        followed(whole()[4:])

    assert "every events-*.jsonl beside it" in caught.value.hint


@pytest.mark.parametrize("count", [DIVERGENCES_KEPT_MAX, DIVERGENCES_KEPT_MAX + 1])
def test_all_breaks_are_counted_and_the_first_of_them_are_kept(count: int) -> None:
    chain, _ = followed([*whole(), *whole()[-1:] * count])

    assert (count, DIVERGENCES_KEPT_MAX) == (chain.broken, len(chain.breaks))
