"""The log on a real disk: who may write, what survives a kill, what is repaired and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.logs import AT, begin, noted, planned
from tests.waiting import until
from tests.words import READ_ONLY_DISK

from wakeman.adapters.eventlog import EventLogs
from wakeman.core.errors import (
    BusyError,
    LogDamagedError,
    TransitionError,
    UnknownNameError,
    UsageError,
)
from wakeman.core.log.events import Draft, Enrolled, Launched, Noted, Repaired, Started, chain, genesis


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def log(state: Path) -> Path:
    """The file of a log of five lines, of the deployment `night`."""
    begin(state, notes=4)
    return state / "night" / "events.jsonl"


HEAD = """
import os, resource, sys
from pathlib import Path
from tests.adapters.logs import AT, begin, noted
from wakeman.adapters.eventlog import EventLogs
from wakeman.core.errors import StorageError, UsageError
"""


def child(script: str, *args: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + script, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def told(script: str, *args: str | Path) -> str:
    with child(script, *args) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    return out


HOLD = """
with EventLogs(sys.argv[1]).hold("night", "at:1"):
    print("held", flush=True)
    sys.stdin.read()
"""


# --- the content of the file


def test_a_line_has_its_keys_in_order(state: Path) -> None:
    logs = begin(state)
    with logs.hold("night", "at:2") as writer:
        writer.append([Draft(Enrolled(session="s"), worker="w")], AT)
        writer.append([Draft(Launched(intent=1), worker="w", attempt=1, source="pending", to="launched")], AT)

    last = (state / "night" / "events.jsonl").read_text().splitlines()[-1]

    keys = "v seq at by type worker attempt from to data hash"
    assert keys.split() == list(json.loads(last))


def test_a_line_tells_when_and_by_whom(state: Path) -> None:
    logs = begin(state)
    with logs.hold("night", "at:4711") as writer:
        writer.append(noted(), AT)

    line = json.loads((state / "night" / "events.jsonl").read_text().splitlines()[-1])

    assert (line["at"], line["by"], line["seq"]) == ("2026-11-22T03:04:05.678901Z", "at:4711", 2)


def test_the_hashes_are_those_that_the_documents_promise(log: Path) -> None:
    previous = hashlib.sha256(b"night\nd1").hexdigest()[:32]

    for line in log.read_bytes().split(b"\n")[:-1]:
        body = line[: line.rindex(b'"hash":"') + len(b'"hash":"')]
        previous = hashlib.sha256(previous.encode() + body).hexdigest()[:32]
        assert line == body + previous.encode() + b'"}'


def test_directory_and_file_are_for_the_owner_alone(log: Path) -> None:
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (log.parent, log, log.parent / "lock")]

    assert modes == [0o700, 0o600, 0o600]


def test_text_that_is_not_unicode_is_kept_readable(state: Path) -> None:
    logs = begin(state)
    with logs.hold("night", "at:2") as writer:
        writer.append([Draft(Noted("file \udcff\u2028\n\0"))], AT)

    (*_, last) = logs.events("night")

    assert Noted("file \\udcff\u2028\n\0") == last.data


# --- create


def test_a_new_log_is_folded_as_planned(state: Path) -> None:
    logs = begin(state, notes=2)

    deployment = logs.read("night")

    assert (deployment.name, deployment.digest, deployment.seq) == ("night", "d1", 3)


def test_a_second_log_of_the_same_name_is_refused(state: Path) -> None:
    logs = begin(state)
    before = (state / "night" / "events.jsonl").read_bytes()

    with pytest.raises(UsageError, match="night: already exists"):
        logs.create("night", "d1", [planned()], AT, "up:1")

    assert before == (state / "night" / "events.jsonl").read_bytes()


def test_of_several_processes_that_create_one_log_one_succeeds(state: Path) -> None:
    script = """
try:
    begin(Path(sys.argv[1]))
    print("made")
except UsageError:
    print("refused")
"""
    children = [child(script, state) for _ in range(4)]

    said = sorted(process.communicate(timeout=60)[0].strip() for process in children)

    assert said == ["made", "refused", "refused", "refused"]


def test_what_an_interrupted_create_left_is_no_deployment(state: Path) -> None:
    (state / "night").mkdir(parents=True)
    (state / "night" / "events.new").write_text('{"v":1,"seq":1,')

    assert EventLogs(str(state)).names() == []


def test_what_an_interrupted_create_left_is_created_over(state: Path) -> None:
    (state / "night").mkdir(parents=True)
    (state / "night" / "events.new").write_text('{"v":1,"seq":1,')

    logs = begin(state)

    assert (logs.names(), (state / "night" / "events.new").exists()) == (["night"], False)


@pytest.mark.parametrize("name", ["../../x", "", ".", "..", "a/b", "A", "-a", "_a", "a b", "a\n", "a" * 65, "a.b", "ä"])
def test_a_bad_name_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    logs = EventLogs(str(tmp_path / "deep" / "state"))

    with pytest.raises(UsageError, match="not a deployment's name"):
        logs.create(name, "d1", [planned(name)], AT, "up:1")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "0", "condense-docs", "a_b", "night.2", "a" * 64])
def test_a_good_name_is_taken(state: Path, name: str) -> None:
    assert [name] == begin(state, name).names()


def test_a_log_that_does_not_begin_with_its_plan_is_refused(state: Path) -> None:
    with pytest.raises(UsageError, match="begins with what was planned"):
        EventLogs(str(state)).create("night", "d1", noted(), AT, "up:1")

    assert not state.exists()


def test_an_illegal_first_move_creates_nothing(state: Path) -> None:
    illegal = Draft(Started(), worker="nobody", attempt=1, source="launched", to="running")

    with pytest.raises(TransitionError):
        EventLogs(str(state)).create("night", "d1", [planned(), illegal], AT, "up:1")

    assert not state.exists()


# --- names


def test_names_are_listed_oldest_first(state: Path) -> None:
    begin(state, "b", at=AT)
    begin(state, "c", at=AT - timedelta(days=1))
    logs = begin(state, "a", at=AT + timedelta(microseconds=1))

    assert logs.names() == ["c", "b", "a"]


def test_no_state_directory_holds_no_names(state: Path) -> None:
    assert EventLogs(str(state)).names() == []


def test_other_entries_are_no_names(state: Path) -> None:
    logs = begin(state)
    (state / "samples").mkdir()
    (state / "README.md").write_text("read me")

    assert logs.names() == ["night"]


def test_an_unknown_name_offers_the_nearest(state: Path) -> None:
    logs = begin(state, "condense-docs")

    with pytest.raises(UnknownNameError) as caught:
        logs.read("condense-doc")

    assert f"condense-doc: no such deployment in {state}; did you mean 'condense-docs'?" == str(caught.value)


def test_an_unknown_name_is_refused_before_the_first_event_is_asked_for(state: Path) -> None:
    with pytest.raises(UnknownNameError):
        EventLogs(str(state)).events("night")


# --- append and read


def test_what_was_appended_is_read_again(state: Path) -> None:
    logs = begin(state)

    with logs.hold("night", "at:2") as writer:
        written = writer.append(noted(3), AT)

    assert written == list(logs.events("night", after=1))


def test_events_after_the_last_are_none(log: Path, state: Path) -> None:
    assert log.exists()
    assert list(EventLogs(str(state)).events("night", after=5)) == []


def test_a_writer_knows_what_it_appended(state: Path) -> None:
    with begin(state).hold("night", "at:2") as writer:
        writer.append(noted(3), AT)

        assert writer.deployment.seq == 4


def test_no_drafts_are_no_write(log: Path, state: Path) -> None:
    before = log.stat()

    with EventLogs(str(state)).hold("night", "at:2") as writer:
        writer.append([], AT)

    assert (before.st_size, before.st_mtime_ns) == (log.stat().st_size, log.stat().st_mtime_ns)


def test_an_illegal_move_leaves_file_and_fold_as_they_were(log: Path, state: Path) -> None:
    before = log.read_bytes()
    illegal = Draft(Started(), worker="nobody", attempt=1, source="launched", to="running")

    with EventLogs(str(state)).hold("night", "at:2") as writer:
        with pytest.raises(TransitionError):
            writer.append([*noted(), illegal], AT)

        assert (5, before) == (writer.deployment.seq, log.read_bytes())


def test_a_writer_goes_on_after_an_illegal_move(state: Path) -> None:
    illegal = Draft(Started(), worker="nobody", attempt=1, source="launched", to="running")
    with begin(state).hold("night", "at:2") as writer:
        with pytest.raises(TransitionError):
            writer.append([illegal], AT)

        assert [event.seq for event in writer.append(noted(), AT)] == [2]


def test_what_cannot_be_folded_never_reaches_the_disk(log: Path, state: Path) -> None:
    before = log.read_bytes()
    unfoldable = Draft(Enrolled(session="s", moved=("no such unit",)), worker="w")

    with EventLogs(str(state)).hold("night", "at:2") as writer, pytest.raises(LookupError):
        writer.append([*noted(), unfoldable], AT)

    assert before == log.read_bytes()


def test_a_line_of_a_newer_version_is_passed_over(log: Path, state: Path) -> None:
    append_raw(log, b'{"v":2,"seq":6,"at":"2030-01-01T00:00:00.000000Z","by":"at:1","type":"dreamt","data":{}')

    assert EventLogs(str(state)).read("night").seq == 6


def append_raw(log: Path, body: bytes) -> None:
    """Append a line with a fitting hash, as a program of another version would."""
    previous = log.read_bytes()[-35:-3].decode()
    head = body + b',"hash":"'
    with log.open("ab") as stream:
        stream.write(head + chain(previous, head).encode() + b'"}\n')


def test_a_fitting_line_that_does_not_follow_is_damage(log: Path, state: Path) -> None:
    body = b'{"v":1,"seq":6,"at":"2030-01-01T00:00:00.000000Z","by":"at:1","type":"started","worker":"w","attempt":1,'
    append_raw(log, body + b'"from":"launched","to":"running","data":{}')

    with pytest.raises(LogDamagedError, match=re.escape(f"{log}:6: does not follow from the lines before")):
        EventLogs(str(state)).read("night")


def test_a_long_log_is_streamed_in_constant_memory(state: Path) -> None:
    logs = begin(state)
    with logs.hold("night", "at:2") as writer:
        for _ in range(100):
            writer.append(noted(50), AT, durable=False)
    size = (state / "night" / "events.jsonl").stat().st_size
    tracemalloc.start()

    count = sum(1 for _ in logs.events("night"))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (5_001, True) == (count, peak < size / 5)


def test_a_log_in_several_segments_reads_as_one(log: Path, state: Path) -> None:
    whole = list(EventLogs(str(state)).events("night"))
    lines = log.read_bytes().splitlines(keepends=True)
    (log.parent / "events-1.jsonl").write_bytes(b"".join(lines[:2]))
    (log.parent / "events-3.jsonl").write_bytes(b"".join(lines[2:4]))
    log.write_bytes(b"".join(lines[4:]))

    assert whole == list(EventLogs(str(state)).events("night"))


def test_a_log_in_several_segments_is_appended_to(log: Path, state: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    (log.parent / "events-1.jsonl").write_bytes(b"".join(lines[:4]))
    log.write_bytes(b"".join(lines[4:]))

    with EventLogs(str(state)).hold("night", "at:2") as writer:
        writer.append(noted(), AT)

    assert EventLogs(str(state)).read("night").seq == 6


def test_a_sealed_segment_may_not_end_in_an_unfinished_line(log: Path, state: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    (log.parent / "events-1.jsonl").write_bytes(b"".join(lines[:4])[:-5])
    log.write_bytes(b"".join(lines[4:]))

    with pytest.raises(LogDamagedError, match=r"events-1\.jsonl:4: a sealed segment ends"):
        EventLogs(str(state)).read("night")


# --- the lock


def test_a_holder_is_named_to_those_who_wait(log: Path, state: Path) -> None:
    assert log.exists()
    with child(HOLD, state) as holder:
        assert holder.stdout
        holder.stdout.readline()

        with pytest.raises(BusyError, match=f"night: is held by process {holder.pid}"):
            EventLogs(str(state)).hold("night", "at:2", wait=0.05).__enter__()

        holder.communicate()


def test_a_stopped_holder_is_said_to_be_stopped(log: Path, state: Path) -> None:
    assert log.exists()
    with child(HOLD, state) as holder:
        assert holder.stdout
        holder.stdout.readline()
        holder.send_signal(signal.SIGSTOP)
        until(lambda: Path(f"/proc/{holder.pid}/stat").read_text().rpartition(") ")[2].startswith("T"))

        with pytest.raises(BusyError) as caught:
            EventLogs(str(state)).hold("night", "at:2", wait=0).__enter__()

        holder.send_signal(signal.SIGCONT)
        holder.communicate()
    assert ("is stopped" in str(caught.value), f"kill -CONT {holder.pid}") == (True, caught.value.hint)


def test_a_killed_holder_frees_the_lock(log: Path, state: Path) -> None:
    assert log.exists()
    with child(HOLD, state) as holder:
        assert holder.stdout
        holder.stdout.readline()
        holder.kill()

        with EventLogs(str(state)).hold("night", "at:2") as writer:
            assert writer.deployment.seq == 5


def test_one_who_waits_gets_the_lock_when_it_is_freed(log: Path, state: Path) -> None:
    assert log.exists()
    logs = EventLogs(str(state))
    with logs.hold("night", "at:1"):
        waiting = child('with EventLogs(sys.argv[1]).hold("night", "at:1"): print("got it")', state)
        until(lambda: f"{state}/night/lock" in open_files(waiting.pid))

    assert waiting.communicate(timeout=60)[0] == "got it\n"


def open_files(pid: int) -> list[str]:
    return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]


def test_the_lock_does_not_leak_into_programs_that_are_started(log: Path, state: Path) -> None:
    assert log.exists()
    logs = EventLogs(str(state))
    with logs.hold("night", "at:1"):
        survivor = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)

    with logs.hold("night", "at:2", wait=0) as writer:
        assert writer.deployment.seq == 5

    survivor.communicate()


def test_one_who_finds_the_lock_held_is_seen_by_the_holder(state: Path) -> None:
    logs = begin(state)
    with logs.hold("night", "at:1") as writer:
        with pytest.raises(BusyError):
            logs.hold("night", "exit:2", wait=0).__enter__()

        assert [writer.seen, writer.seen] == [True, False]


def test_a_holder_whom_nobody_asked_sees_nothing(state: Path) -> None:
    with begin(state).hold("night", "at:1") as writer:
        assert not writer.seen


def test_one_who_asks_in_the_last_moment_is_seen_after_the_lock_is_let_go(state: Path) -> None:
    logs = begin(state)
    with logs.hold("night", "at:1") as writer, pytest.raises(BusyError):
        logs.hold("night", "exit:2", wait=0).__enter__()

    assert writer.seen


def test_writers_side_by_side_make_one_chain(state: Path) -> None:
    logs = begin(state)
    script = """
for number in range(25):
    with EventLogs(sys.argv[1]).hold("night", f"at:{os.getpid()}", wait=60) as writer:
        writer.append(noted(2), AT)
"""
    children = [child(script, state) for _ in range(4)]

    codes = [process.wait(60) for process in children]
    for process in children:
        process.communicate()

    assert (codes, logs.read("night").seq) == ([0] * 4, 201)


def test_a_write_without_the_lock_is_noticed(log: Path, state: Path) -> None:
    with (
        EventLogs(str(state)).hold("night", "at:1") as writer,
        log.open("a") as intruder,
    ):
        intruder.write("hello\n")
        intruder.flush()

        with pytest.raises(LogDamagedError, match="changed by a program that does not hold the lock"):
            writer.append(noted(), AT)


# --- torn tails


def test_a_last_line_cut_at_any_byte_is_taken_off_and_kept(log: Path, state: Path) -> None:
    whole = log.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    torn = log.parent / f"torn-{start}.bin"

    for end in range(start + 1, len(whole)):
        log.write_bytes(whole[:end])
        with EventLogs(str(state)).hold("night", "at:2") as writer:
            assert writer.deployment.seq == 5

        (*_, last) = EventLogs(str(state)).events("night")
        assert (Repaired(torn.name, end - start), whole[start:end]) == (last.data, torn.read_bytes())


def test_a_reader_leaves_an_unfinished_line_out_and_alone(log: Path, state: Path) -> None:
    log.write_bytes(log.read_bytes()[:-3])

    before = log.read_bytes()

    assert (4, before) == (EventLogs(str(state)).read("night").seq, log.read_bytes())


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 4096, b"\0\n", b'{"v":1,\0\0\0\0\n', b"\0" * 600 + b"\n"])
def test_zeros_at_the_end_are_taken_off(log: Path, state: Path, tail: bytes) -> None:
    log.write_bytes(log.read_bytes() + tail)

    with EventLogs(str(state)).hold("night", "at:2") as writer:
        writer.append(noted(), AT)

    kinds = [type(event.data) for event in EventLogs(str(state)).events("night", after=5)]
    assert [Repaired, Noted] == kinds


def test_zeros_before_the_end_are_damage(log: Path, state: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    lines[3] = b"\0" * (len(lines[3]) - 1) + b"\n"
    log.write_bytes(b"".join(lines))

    with pytest.raises(LogDamagedError, match=re.escape(f"{log}:4: ")):
        EventLogs(str(state)).hold("night", "at:2").__enter__()


def test_a_repair_that_was_cut_short_is_done_again(log: Path, state: Path) -> None:
    log.write_bytes(log.read_bytes()[:-3])
    start = log.read_bytes().rindex(b"\n") + 1
    (log.parent / f"torn-{start}.bin").write_bytes(b"half")

    with EventLogs(str(state)).hold("night", "at:2") as writer:
        assert writer.deployment.seq == 5

    assert (log.parent / f"torn-{start}.bin").read_bytes()[:14] == b'{"v":1,"seq":5'


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_log_without_a_whole_first_line_is_damage(log: Path, state: Path, size: int) -> None:
    log.write_bytes(log.read_bytes()[:size])

    with pytest.raises(LogDamagedError, match=re.escape(f"{log}:1: expected a planned event, found")):
        EventLogs(str(state)).hold("night", "at:2").__enter__()


KILLED = """
with EventLogs(sys.argv[1]).hold("night", "at:1") as writer:
    while True:
        print(writer.append(noted(8, "x" * 3000), AT)[-1].seq, flush=True)
"""


def test_nothing_acknowledged_is_lost_when_a_writer_is_killed(state: Path) -> None:
    logs = begin(state)
    for round_ in range(20):
        with child(KILLED, state) as writer:
            assert writer.stdout
            acknowledged = [int(writer.stdout.readline()) for _ in range(1 + round_ % 4)]
            writer.kill()
            acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]

        with logs.hold("night", "at:2") as after:
            assert acknowledged[-1] <= after.deployment.seq


# --- damage


def damaged_line(state: Path) -> int:
    with pytest.raises(LogDamagedError) as caught:
        EventLogs(str(state)).hold("night", "at:2").__enter__()
    found = re.match(rf"{re.escape(str(state))}/night/events\.jsonl:(\d+): ", str(caught.value))
    assert found, str(caught.value)
    return int(found[1])


def test_a_flipped_bit_names_its_line(log: Path, state: Path) -> None:
    whole = log.read_bytes()
    earlier = whole.rindex(b"\n", 0, -1) + 1

    for offset in range(0, earlier, 3):
        changed = bytearray(whole)
        changed[offset] ^= 1 << offset % 8
        log.write_bytes(changed)

        assert whole.count(b"\n", 0, offset) + 1 == damaged_line(state)


def test_damage_is_left_as_it_is(log: Path, state: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b"quiet 1", b"quiet 7"))
    before = log.read_bytes()

    damaged_line(state)

    assert before == log.read_bytes()


@pytest.mark.parametrize(
    ("order", "line"),
    [((0, 2, 3, 4), 2), ((0, 2, 1, 3, 4), 2), ((0, 1, 1, 2, 3, 4), 3), ((1, 2, 3, 4), 1), ((0, 1, 2, 3, 4, 4), 6)],
    ids=["removed", "swapped", "doubled", "without the first", "last doubled"],
)
def test_lines_out_of_place_name_the_first_that_does_not_fit(
    log: Path, state: Path, order: tuple[int, ...], line: int
) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[number] for number in order))

    assert line == damaged_line(state)


def test_a_gap_is_told_with_both_numbers(log: Path, state: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2] + lines[3:]))

    with pytest.raises(LogDamagedError) as caught:
        EventLogs(str(state)).read("night")

    assert f"{log}:3: expected seq 3, found 4" == str(caught.value)
    assert caught.value.hint.startswith("wakeman audit night ")


@pytest.mark.parametrize("garbage", [b"\n", b"hello\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b'{"v":1,"seq":6}\n'])
def test_a_finished_line_that_is_no_event_is_damage_even_at_the_end(log: Path, state: Path, garbage: bytes) -> None:
    log.write_bytes(log.read_bytes() + garbage)

    assert damaged_line(state) == 6


def test_a_line_rewritten_with_a_fitting_hash_breaks_the_next_one(log: Path, state: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    head = lines[2][:-35].replace(b"quiet 1", b"quiet 7")
    lines[2] = head + chain(lines[1][-35:-3].decode(), head).encode() + b'"}\n'
    log.write_bytes(b"".join(lines))

    assert damaged_line(state) == 4


def test_the_log_of_another_deployment_is_not_written_to(log: Path, state: Path) -> None:
    (state / "other").mkdir()
    (state / "other" / "events.jsonl").write_bytes(log.read_bytes())

    with pytest.raises(LogDamagedError, match="expected the log of other, found that of night"):
        EventLogs(str(state)).hold("other", "at:2").__enter__()


def test_the_log_of_another_deployment_is_read_as_what_it_is(log: Path, state: Path) -> None:
    (state / "copy").mkdir()
    (state / "copy" / "events.jsonl").write_bytes(log.read_bytes())

    assert EventLogs(str(state)).read("copy").name == "night"


def test_the_first_hash_binds_name_and_plan(log: Path, state: Path) -> None:
    first = log.read_bytes().splitlines(keepends=True)[0]
    head = first[:-35]
    log.write_bytes(head + chain(genesis("night", "another plan"), head).encode() + b'"}\n')

    assert damaged_line(state) == 1


# --- a disk that refuses


LIMITED = """
log = Path(sys.argv[1], "night", "events.jsonl")
size = log.stat().st_size
with EventLogs(sys.argv[1]).hold("night", "at:1") as writer:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
    try:
        writer.append(noted(3), AT)
    except StorageError as error:
        print(error)
    print(log.stat().st_size - size, writer.deployment.seq)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        writer.append(noted(), AT)
    except StorageError as error:
        print(error)
with EventLogs(sys.argv[1]).hold("night", "at:1") as writer:
    print(writer.append(noted(), AT)[0].seq)
"""


def test_a_disk_that_fills_leaves_the_log_as_it_was_and_the_writer_refusing(log: Path, state: Path) -> None:
    refusal = "the disk is full, or the limit on file sizes is reached"

    said = told(LIMITED, state).splitlines()

    assert [
        f"{log}: {refusal}",
        "0 5",
        f"{log}: nothing more is written after: {refusal}",
        "6",
    ] == said


LIMITED_CREATE = """
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
try:
    begin(Path(sys.argv[1]))
except StorageError as error:
    print(error)
print(EventLogs(sys.argv[1]).names(), os.listdir(Path(sys.argv[1], "night")))
"""


def test_a_disk_that_fills_during_create_leaves_no_log(state: Path) -> None:
    said = told(LIMITED_CREATE, state).splitlines()

    assert "the disk is full" in said[0]
    assert said[1] == "[] ['lock']"


def test_a_log_can_be_created_after_the_disk_was_full(state: Path) -> None:
    told(LIMITED_CREATE, state)

    assert begin(state).names() == ["night"]


READ_ONLY = """
logs = EventLogs(sys.argv[1])
print(logs.names(), logs.read("night").seq)
for attempt in (lambda: logs.hold("night", "at:1").__enter__(), lambda: begin(Path(sys.argv[1]), "new")):
    try:
        attempt()
    except StorageError as error:
        print(error, "|", error.hint)
"""


def in_a_room(prepare: str, script: str, state: Path) -> str:
    """Run a script in a mount namespace of its own, after a shell command; skip where that is not allowed."""
    room = ["unshare", "-m", "sh", "-c", f'{prepare} && exec "$@"', "sh", sys.executable, "-c", HEAD + script]
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    ran = subprocess.run([*room, str(state)], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    if ran.returncode and re.search("mount|unshare|chattr", ran.stderr):
        pytest.skip(f"not possible here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_read_only_file_system_can_be_read_and_refuses_writing(log: Path, state: Path) -> None:
    log.write_bytes(log.read_bytes()[:-3])

    said = in_a_room(f"mount --bind {state} {state} && mount -o remount,bind,ro {state}", READ_ONLY, state).splitlines()

    mend = "make that file system writable, or choose another state directory with --state"
    assert [
        "['night'] 4",
        f"{state}/night/lock: {READ_ONLY_DISK} | {mend}",
        f"{state}/new: {READ_ONLY_DISK} | {mend}",
    ] == said


APPEND_ONLY = """
try:
    with EventLogs(sys.argv[1]).hold("night", "at:1") as writer:
        print(writer.append(noted(), AT)[0].seq)
except StorageError as error:
    print(error, "|", error.hint)
"""


def test_an_append_only_file_is_appended_to(log: Path, state: Path) -> None:
    said = in_a_room(f"chattr +a {log}", APPEND_ONLY, state)
    subprocess.run(["chattr", "-a", str(log)], check=True)

    assert said == "6\n"


def test_an_append_only_file_cannot_be_repaired_and_that_is_said(log: Path, state: Path) -> None:
    log.write_bytes(log.read_bytes()[:-3])

    said = in_a_room(f"chattr +a {log}", APPEND_ONLY, state)
    subprocess.run(["chattr", "-a", str(log)], check=True)

    assert said.startswith(f"{log}: Operation not permitted | a file that may only be appended to")


def test_a_full_file_system_refuses_in_words(state: Path) -> None:
    script = """
logs = begin(Path(sys.argv[1]))
try:
    with logs.hold("night", "at:1") as writer:
        while True:
            writer.append(noted(2, "x" * 5000), AT)
except StorageError as error:
    print(error)
print(logs.read("night").outcome)
with logs.hold("night", "at:1") as writer:
    print(writer.deployment.outcome)
"""
    state.mkdir()

    said = in_a_room(f"mount -t tmpfs -o size=256k none {state}", script, state).splitlines()

    full = f"{state}/night/events.jsonl: the disk is full, or the limit on file sizes is reached"
    assert [full, "open", "open"] == said
