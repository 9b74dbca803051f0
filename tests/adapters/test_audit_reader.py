"""Logs as an audit reads them: complete, in segments, damaged in every way, and files that are no log."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections import deque
from collections.abc import Sequence
from functools import cache
from io import BufferedReader, BytesIO
from pathlib import Path

import msgspec
import pytest
from tests.adapters.logs import AT, begin, noted, planned
from tests.play import Play

from wakeman.adapters.eventlog import EventLogs
from wakeman.adapters.eventlog.audit_reader import AuditReader, chained, first_event
from wakeman.adapters.memory import Act
from wakeman.audit import report
from wakeman.audit.report import AuditReport, Head
from wakeman.core.errors import LogDamagedError, StorageError
from wakeman.core.log.events import LINE_END_BYTES, chain, genesis
from wakeman.core.log.hash_chain import HashChain


@cache
def night() -> bytes:
    """Return a small whole log: a night with a cleanup."""
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=1)})
    play.run(600)
    return b"".join(play.lines)


def audit(file: str, heads: Sequence[Head] = ()) -> AuditReport:
    with AuditReader(file) as tape:
        return report.audit(tape, heads)


def judged(path: Path, data: bytes, *heads: Head) -> AuditReport:
    file = path / "copy.jsonl"
    file.write_bytes(data)
    return audit(str(file), heads)


def lines() -> list[bytes]:
    return night().splitlines(keepends=True)


def segmented(path: Path, notes: int = 30) -> Path:
    """Write a log that was sealed several times; return its directory."""
    logs = EventLogs(str(path), segment=4096, lag=1)
    logs.create("night", "d1", [planned()], AT, "up:1")
    for _ in range(notes):
        with logs.hold("night", "up:1") as writer:
            writer.append(noted(3), AT)
    return path / "night"


# --- whole ----------------------------------------------------------------------------------------------------


def test_a_whole_log_diverges_nowhere(tmp_path: Path) -> None:
    report = judged(tmp_path, night())

    assert ((), 0, len(lines()), 0) == (report.divergences, report.count, report.auditor.events, report.torn)
    assert report.chain.seq == len(lines())


def test_the_chain_alone_is_followed_without_judging(tmp_path: Path) -> None:
    file = tmp_path / "copy.jsonl"
    file.write_bytes(night())

    assert (len(lines()), []) == (chained(str(file)).seq, chained(str(file)).breaks)


def test_the_first_line_tells_whose_log_it_is(tmp_path: Path) -> None:
    assert 1 == first_event(str(segmented(tmp_path) / "events.jsonl")).seq


def test_segments_are_one_log_and_their_seals_hold(tmp_path: Path) -> None:
    directory = segmented(tmp_path)

    report = audit(str(directory / "events.jsonl"))

    assert len(list(directory.glob("events-*.jsonl"))) > 2
    assert ((), [("snapshot", True)]) == (report.divergences, [(w.where, w.agrees) for w in report.witnesses])


def test_a_sealed_segment_that_was_chained_anew_breaks_its_seal(tmp_path: Path) -> None:
    directory = segmented(tmp_path)
    sealed = directory / "events-1.jsonl"
    sealed.chmod(0o600)
    data = sealed.read_bytes().replace(b"all quiet 1", b"all quiet 7", 1).splitlines(keepends=True)
    sealed.write_bytes(_chained(data))

    kinds = {divergence.kind for divergence in audit(str(directory / "events.jsonl")).divergences}

    assert {"seal", "chain"} <= kinds


def test_a_segment_that_is_not_there_is_named_by_its_lines(tmp_path: Path) -> None:
    directory = segmented(tmp_path)
    gone = sorted(directory.glob("events-*.jsonl"), key=lambda path: int(path.stem[7:]))[1]
    count = len(gone.read_bytes().splitlines())
    from_ = int(gone.stem[7:])
    gone.unlink()

    found = audit(str(directory / "events.jsonl")).divergences

    assert f"lines {from_} to {from_ + count - 1} are not here" in found[0].found
    assert "seal" in [divergence.kind for divergence in found]


def test_a_torn_line_in_a_sealed_segment_is_damage(tmp_path: Path) -> None:
    directory = segmented(tmp_path)
    sealed = directory / "events-1.jsonl"
    sealed.chmod(0o600)
    sealed.write_bytes(sealed.read_bytes()[:-5])

    assert "chain" in [d.kind for d in audit(str(directory / "events.jsonl")).divergences]


def test_a_lone_segment_that_begins_later_says_what_to_copy(tmp_path: Path) -> None:
    directory = segmented(tmp_path)
    lone = tmp_path / "lone.jsonl"
    lone.write_bytes((directory / "events.jsonl").read_bytes())

    with pytest.raises(LogDamagedError, match=r"begins with line [0-9]+: lines 1 to") as caught:
        audit(str(lone))
    assert "every events-*.jsonl beside it" in caught.value.hint


def test_all_segments_in_one_file_are_a_log_too(tmp_path: Path) -> None:
    directory = segmented(tmp_path)
    files = sorted(directory.glob("events-*.jsonl"), key=lambda path: int(path.stem[7:]))
    whole = b"".join(path.read_bytes() for path in [*files, directory / "events.jsonl"])

    assert () == judged(tmp_path, whole).divergences


# --- external checkpoints -------------------------------------------------------------------------------------


def test_a_head_that_stands_in_the_log_agrees(tmp_path: Path) -> None:
    line = lines()[9]

    report = judged(tmp_path, night(), Head("alarm", 10, line[-LINE_END_BYTES:-3].decode()))

    assert ((), [True]) == (report.divergences, [w.agrees for w in report.witnesses])


def test_a_head_of_a_line_written_anew_does_not(tmp_path: Path) -> None:
    report = judged(tmp_path, night(), Head("alarm", 10, "0" * 32))

    assert [(10, "witness")] == [(d.line, d.kind) for d in report.divergences]


def test_lines_cut_off_whole_are_missed_by_a_witness(tmp_path: Path) -> None:
    cut = b"".join(lines()[:20])

    report = judged(tmp_path, cut, Head("alarm", 30, "0" * 32))

    assert [(20, "witness", "the log ends at line 20")] == [(d.line, d.kind, d.found) for d in report.divergences]


def test_a_snapshot_of_another_state_is_found(tmp_path: Path) -> None:
    directory = segmented(tmp_path)
    head, _, state = (directory / "snapshot.json").read_bytes().partition(b"\n")
    other = json.dumps({**json.loads(state), "generation": 9}).encode()
    told = {**json.loads(head), "crc32": zlib.crc32(other)}
    (directory / "snapshot.json").write_bytes(json.dumps(told).encode() + b"\n" + other)

    assert ["snapshot"] == [d.kind for d in audit(str(directory / "events.jsonl")).divergences]


def test_a_snapshot_of_another_log_is_found(tmp_path: Path) -> None:
    directory, other = segmented(tmp_path / "a"), segmented(tmp_path / "b", notes=31)
    (directory / "snapshot.json").write_bytes((other / "snapshot.json").read_bytes())

    assert ["witness"] == [d.kind for d in audit(str(directory / "events.jsonl")).divergences]


def test_a_snapshot_that_does_not_hold_together_is_no_witness(tmp_path: Path) -> None:
    directory = segmented(tmp_path)
    (directory / "snapshot.json").write_bytes(b"{}\n{}")

    report = audit(str(directory / "events.jsonl"))

    assert ((), ()) == (report.divergences, report.witnesses)


# --- files that are no log ------------------------------------------------------------------------------------


NOTED = b'{"v":1,"seq":1,"at":"2026-01-01T00:00:00Z","by":"x","type":"noted","data":{"text":""},"hash":""}\n'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds nothing"),
        (b"hello\nworld\n", "begins with b'hello'"),
        (b'{"name":"x"}\n{"name":"y"}\n', "begins with"),
        (b'{"v":1,"kind":"other"}\n', "expected the planned event"),
        (bytes(range(256)) * 40, "begins with"),
        (b"\0" * 4096, "begins with"),
        (b'{"v":1,"se', "holds an unfinished line"),
        (b"\xef\xbb\xbf" + night(), "begins with b'\\xef\\xbb\\xbf"),
        (night().split(b"\n", 1)[1], "lines 1 to 1 are not here"),
        (NOTED, "planned"),
    ],
    ids=["empty", "text", "other JSON", "other version", "binary", "NULs", "torn", "BOM", "beheaded", "other"],
)  # fmt: skip
def test_what_is_no_log_is_refused_with_what_was_found(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(LogDamagedError) as caught:
        judged(tmp_path, data)

    assert (6, True) == (caught.value.code, said in str(caught.value)), str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none"):
        audit(str(tmp_path / "none.jsonl"))


# --- damage ---------------------------------------------------------------------------------------------------


def test_a_log_cut_at_any_byte_is_torn_and_nothing_worse(tmp_path: Path) -> None:
    data = night()
    ends = {n + 1 for n, byte in enumerate(data) if byte == 10}
    begins = data.index(b"\n") + 1
    for size in range(begins, len(data), 7):
        report = judged(tmp_path, data[:size])
        assert ((), size in ends) == (report.divergences, report.torn == 0), size


def test_a_log_cut_within_its_first_line_is_none(tmp_path: Path) -> None:
    first_line = lines()[0]
    for size in range(0, len(first_line) - 1, 13):
        with pytest.raises(LogDamagedError):
            judged(tmp_path, first_line[:size])


def test_any_bit_flipped_is_found_or_torn_at_the_end(tmp_path: Path) -> None:
    begin(tmp_path, notes=3)
    data = (tmp_path / "night" / "events.jsonl").read_bytes()
    last = data.rindex(b"\n", 0, -1)
    first_ = data.index(b"\n")
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            try:
                seen = _followed(bytes(flipped))
                # The chain says it all; one in many goes the whole way by a file.
                whole = judged(tmp_path, bytes(flipped)) if (8 * at + bit) % 61 == 0 else None
            except LogDamagedError:
                assert at <= first_, (at, bit)
                continue
            assert seen.broken or (at > last and seen.torn), (at, bit)
            assert whole is None or whole.count or whole.torn, (at, bit)


def in_plan(path: Path, part: bytes) -> bytes:
    """Return a log whose plan has one part more, that no plan has."""
    begin(path, notes=1)
    data = (path / "night" / "events.jsonl").read_bytes()
    return data.replace(b'"plan":{', b'"plan":{"later":' + part + b",", 1)


def test_a_part_of_a_plan_that_is_not_utf_8_is_told_by_the_chain(tmp_path: Path) -> None:
    assert judged(tmp_path, in_plan(tmp_path, b'"\xff"')).count


def test_a_line_that_is_nested_too_deeply_is_no_event(tmp_path: Path) -> None:
    with pytest.raises(LogDamagedError, match="line 1: not an event"):
        judged(tmp_path, in_plan(tmp_path, b"[" * 30_000 + b"]" * 30_000))


def _followed(data: bytes) -> HashChain:
    stream, made = BufferedReader(BytesIO(data)), HashChain()
    deque(made.follow(stream, lambda: not stream.peek(1)), maxlen=0)
    return made


def test_lines_removed_are_named(tmp_path: Path) -> None:
    whole = lines()

    found = judged(tmp_path, b"".join(whole[:5] + whole[8:])).divergences

    assert (9, "chain", "line 9: lines 6 to 8 are not here") == (found[0].line, found[0].kind, found[0].found)


def test_lines_swapped_are_named(tmp_path: Path) -> None:
    whole = lines()
    whole[5], whole[6] = whole[6], whole[5]

    assert {6, 7} <= {d.line for d in judged(tmp_path, b"".join(whole)).divergences if d.kind == "chain"}


def test_a_line_doubled_is_named(tmp_path: Path) -> None:
    whole = lines()
    whole.insert(6, whole[5])

    report = judged(tmp_path, b"".join(whole))

    assert "line 6: it stands here again" in [d.found for d in report.divergences]


def test_every_break_is_found_and_the_lines_between_are_not(tmp_path: Path) -> None:
    whole = lines()
    for at in (9, 20, 30):
        whole[at] = whole[at].replace(b'"at":"2026', b'"at":"2027')

    breaks = judged(tmp_path, b"".join(whole)).chain.breaks

    assert [10, 21, 31] == [d.line for d in breaks]


def test_nul_bytes_in_the_middle_are_damage_and_at_the_end_a_torn_write(tmp_path: Path) -> None:
    whole = lines()
    holed = b"".join([*whole[:5], b"\0" * 200 + b"\n", *whole[6:]])

    assert 6 in [d.line for d in judged(tmp_path, holed).divergences]
    assert ((), 4096) == ((r := judged(tmp_path, night() + b"\0" * 4096)).divergences, r.torn)


def test_line_feeds_that_became_cr_lf_are_said_to_be(tmp_path: Path) -> None:
    report = judged(tmp_path, night().replace(b"\n", b"\r\n"))

    assert (len(lines()), True) == (report.count, "CR LF" in report.divergences[0].found)


def test_a_line_feed_that_became_another_byte_is_said_to_be(tmp_path: Path) -> None:
    report = judged(tmp_path, night()[:-1] + b" ")

    assert ["another byte in the place of its line feed"] == [d.found for d in report.divergences]


def test_a_line_of_noise_that_was_chained_in_is_found(tmp_path: Path) -> None:
    whole = lines()[:10]
    noise = b'{"v":1,"seq":11,"at":"x","hash":"'
    whole.append(noise + chain(whole[-1][-LINE_END_BYTES:-3].decode(), noise).encode() + b'"}\n')

    assert [(11, "line")] == [(d.line, d.kind) for d in judged(tmp_path, b"".join(whole)).divergences]


def test_what_a_newer_version_wrote_is_named_and_judges_nothing_behind_it(tmp_path: Path) -> None:
    whole = lines()[:10]
    for seq, text in ((11, '"type":"dreamt"'), (12, '"type":"noted"')):
        version = 1 if seq == 11 else 2
        head = (
            f'{{"v":{version},"seq":{seq},"at":"2026-01-05T21:36:00Z","by":"x:1",{text},"data":{{"text":"x"}},"hash":"'
        )
        whole.append(head.encode() + chain(whole[-1][-LINE_END_BYTES:-3].decode(), head.encode()).encode() + b'"}\n')

    report = judged(tmp_path, b"".join(whole))

    assert ((), {"dreamt": 1, "version 2": 1}, 11) == (report.divergences, report.auditor.unknown, report.auditor.until)


def test_a_log_that_is_written_meanwhile_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    logs = begin(tmp_path)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            with logs.hold("night", "up:1") as writer:
                for _ in range(20):
                    writer.append(noted(3), AT)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [audit(str(tmp_path / "night" / "events.jsonl"))]
        while len(reports) < 20 or reports[-1].auditor.events < reports[0].auditor.events + 100:
            reports.append(audit(str(tmp_path / "night" / "events.jsonl")))
    finally:
        done.set()
        writer.join()

    assert {()} == {report.divergences for report in reports}


def test_a_log_that_cannot_be_read_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "copy.jsonl").mkdir()

    with pytest.raises(StorageError):
        audit(str(tmp_path / "copy.jsonl"))


def test_thousands_of_breaks_are_counted_and_the_first_are_kept(tmp_path: Path) -> None:
    begin(tmp_path, notes=1)
    head, *rest = (tmp_path / "night" / "events.jsonl").read_bytes().splitlines(keepends=True)
    report = judged(tmp_path, head + rest[0] * 1500)

    assert (1499, 1000) == (report.chain.broken, len(report.chain.breaks))
    assert report.count >= 1499


def _chained(data: list[bytes]) -> bytes:
    """Chain lines anew."""
    told = msgspec.json.decode(data[0])["data"]
    previous, out = genesis(told["name"], told["digest"]), b""
    for line in data:
        head = line[:-LINE_END_BYTES]
        previous = chain(previous, head)
        out += head + previous.encode() + b'"}\n'
    return out


if os.environ.get("WAKEMAN_LARGE"):

    def test_a_log_of_two_gigabytes_is_read_in_constant_memory(tmp_path: Path) -> None:
        """Done by hand: it takes minutes and the disk."""
        import resource

        begin(tmp_path)
        logs = EventLogs(str(tmp_path))
        with logs.hold("night", "up:1") as writer:
            while writer.deployment.seq < 1_000_000:
                writer.append(noted(10_000, "all quiet " * 200), AT, durable=False)

        assert 0 == audit(str(tmp_path / "night" / "events.jsonl")).count
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 150 * 1024
