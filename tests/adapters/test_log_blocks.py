"""A large log is read by blocks, as if it were read line by line: the same events, and the same damage."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.adapters.logs import AT, noted, planned

from wakeman.adapters.eventlog import log_reader
from wakeman.adapters.eventlog.log_reader import BLOCK_BYTES, Reading, apply_all
from wakeman.core.errors import LogDamagedError
from wakeman.core.log.events import LINE_END_BYTES, UNION_FROM_BYTES, Draft, Event, chain, decode, genesis
from wakeman.core.log.facts import deployment as facts
from wakeman.core.log.state import apply, compose
from wakeman.core.model import Deployment

WORDS = "some words that make a line of the log as long as most are, and a few more of them"


@cache
def written() -> bytes:
    """Return the lines of a log that is read by blocks: writes of several lines, one of them larger than a block."""
    d = Deployment(hash=genesis("night", "d1"))
    writes: list[list[Draft]] = [[planned()], noted(2 * BLOCK_BYTES // 200, WORDS)]
    writes += [noted(1 + n % 3, WORDS) for n in range(2700)]
    writes += [[Draft(facts.Requested(verb="pause"))], *([note] for note in noted(300, WORDS))]
    return b"".join(compose(d, drafts, AT, "up:1")[0] for drafts in writes)


def chained_anew(lines: list[bytes], first: int) -> list[bytes]:
    """Return lines of which those from `first` on get the hashes that they would have been written with."""
    made = lines[:first]
    for line in lines[first:]:
        head = line[:-LINE_END_BYTES]
        digest = chain(made[-1][-LINE_END_BYTES:-3].decode(), head)
        made.append(head + digest.encode() + b'"}\n')
    return made


def told(file: Path) -> tuple[list[Event], tuple[object, ...], str]:
    """Return what a pass over a log yields, where it ends, and the damage that it meets."""
    events: list[Event] = []
    with Reading(str(file)) as log:
        try:
            events.extend(log)
        except LogDamagedError as fault:
            return events, (), str(fault)
        return events, (log.end, log.seq, log.hash, log.torn, log.newer), ""


AT_LINE = 5000
CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "nothing": lambda lines: lines,
    "a byte": lambda lines: [*lines[:AT_LINE], lines[AT_LINE].replace(b"words", b"swords"), *lines[AT_LINE + 1 :]],
    "a line is gone": lambda lines: lines[:AT_LINE] + lines[AT_LINE + 1 :],
    "a line stands twice": lambda lines: lines[:AT_LINE] + lines[AT_LINE - 1 :],
    "a line feed": lambda lines: [*lines[:AT_LINE], lines[AT_LINE][:-1] + b" ", *lines[AT_LINE + 1 :]],
    "an empty line": lambda lines: [*lines[:AT_LINE], b"\n", *lines[AT_LINE:]],
    "cut in a line": lambda lines: [*lines[:-1], lines[-1][:50]],
    "cut before its line feed": lambda lines: [*lines[:-1], lines[-1][:-1]],
    "NUL in the last line": lambda lines: [*lines[:-1], b"\0" * 20 + b"\n"],
    "an unfinished write": lambda lines: lines[: max(n for n, line in enumerate(lines) if b'"more":true' in line) + 1],
    "a number": lambda lines: chained_anew(
        [*lines[:AT_LINE], lines[AT_LINE].replace(b'"seq":5001', b'"seq":7001'), *lines[AT_LINE + 1 :]], AT_LINE
    ),
    "another version": lambda lines: chained_anew(
        [*lines[:AT_LINE], lines[AT_LINE].replace(b'"v":1', b'"v":2'), *lines[AT_LINE + 1 :]], AT_LINE
    ),
    "a type of a newer version": lambda lines: chained_anew(
        [*lines[:AT_LINE], lines[AT_LINE].replace(b'"noted"', b'"novel"'), *lines[AT_LINE + 1 :]], AT_LINE
    ),
    "a field of another type": lambda lines: chained_anew(
        [*lines[:AT_LINE], lines[AT_LINE].replace(b'"text":"', b'"text":7,"x":"'), *lines[AT_LINE + 1 :]], AT_LINE
    ),
    "two lines are one value": lambda lines: chained_anew(
        [*lines[:AT_LINE], lines[AT_LINE].replace(b'"by":', b'"by":\n'), *lines[AT_LINE + 1 :]], AT_LINE
    ),
}
"""What is done to a log -> how."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_log_read_by_blocks_tells_what_it_tells_line_by_line(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(CHANGES[change](written().splitlines(keepends=True))))
    by_blocks = told(file)
    assert file.stat().st_size > UNION_FROM_BYTES
    monkeypatch.setattr(log_reader, "UNION_FROM_BYTES", sys.maxsize)
    by_lines = told(file)

    assert by_lines[1:] == by_blocks[1:]
    assert [(event.seq, event.data, event.more) for event in by_lines[0]] == [
        (event.seq, event.data, event.more) for event in by_blocks[0]
    ]
    assert len(by_blocks[0]) >= AT_LINE - 3


def test_most_of_a_large_log_is_read_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(written())
    alone: list[bytes] = []

    def decode_one(line: bytes) -> Event:
        alone.append(line)
        return decode(line)

    monkeypatch.setattr(log_reader, "decode", decode_one)
    count = len(told(file)[0])

    assert 3 * len(alone) < count


def test_a_large_log_leads_to_the_state_that_each_line_by_itself_leads_to(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(written())
    one_by_one = Deployment()
    for event in told(file)[0]:
        apply(one_by_one, event)
    with Reading(str(file)) as log:
        assert one_by_one == apply_all(log, Deployment())


def test_a_line_of_a_block_that_does_not_follow_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lines = written().splitlines(keepends=True)
    moved = lines[AT_LINE].replace(b'"type":"noted"', b'"type":"noted","worker":"w9","from":"running","to":"exited"')
    file.write_bytes(b"".join(chained_anew([*lines[:AT_LINE], moved, *lines[AT_LINE + 1 :]], AT_LINE)))

    with (
        Reading(str(file)) as log,
        pytest.raises(LogDamagedError, match=f"events.jsonl:{AT_LINE + 1}: does not follow"),
    ):
        apply_all(log, Deployment())
