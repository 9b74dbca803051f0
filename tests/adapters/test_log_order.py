"""What keeps a log fast and intact: whole writes, snapshots, sealed segments, the reserve, repair."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.adapters.logs import AT, begin, noted, planned
from tests.adapters.test_eventlog import append_raw, damaged_line, in_a_room

from wakeman.adapters.eventlog import EventLogs, EventWriter
from wakeman.adapters.eventlog.network import network
from wakeman.core.errors import LogDamagedError, UsageError
from wakeman.core.log.events import Draft, Event, Filled, Freed, Noted, Planned, Repaired, Sealed


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def log(state: Path) -> Path:
    """The file of a log of five lines, of the deployment `night`."""
    begin(state, notes=4)
    return state / "night" / "events.jsonl"


def wrote(logs: EventLogs, *writes: int) -> None:
    """Hold the log once, and make writes of so many lines each."""
    with logs.hold("night", "at:1") as writer:
        for count in writes:
            writer.append(noted(count), AT)


def last(state: Path) -> Event:
    return list(EventLogs(str(state)).events("night"))[-1]


# --- one write, all or nothing


def test_all_lines_of_a_write_but_its_last_say_that_more_follows(log: Path, state: Path) -> None:
    wrote(EventLogs(str(state)), 3)

    assert [None, True, True, None] == [json.loads(line).get("more") for line in log.read_text().splitlines()[-4:]]


def test_a_write_cut_anywhere_counts_as_none_of_it(log: Path, state: Path) -> None:
    size = log.stat().st_size
    wrote(EventLogs(str(state)), 3)
    whole = log.read_bytes()
    for cut in range(size + 1, len(whole), 7):
        log.write_bytes(whole[:cut])

        assert 5 == EventLogs(str(state)).read("night").seq
        with EventLogs(str(state)).hold("night", "at:2") as writer:
            assert 6 == writer.deployment.seq
        assert Repaired(f"torn-{size}.bin", cut - size) == last(state).data
        assert whole[size:cut] == (log.parent / f"torn-{size}.bin").read_bytes()


def test_a_reader_sees_whole_writes_only(log: Path, state: Path) -> None:
    wrote(EventLogs(str(state)), 3)
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))

    assert [1, 2, 3, 4, 5] == [event.seq for event in EventLogs(str(state)).events("night")]


def test_a_changed_line_feed_at_the_very_end_is_damage_and_cuts_nothing(log: Path, state: Path) -> None:
    whole = log.read_bytes()
    for bit in range(8):
        log.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1 << bit]))

        assert 5 == damaged_line(state)
        assert len(whole) == log.stat().st_size


def test_a_line_whose_line_feed_never_came_is_torn(log: Path, state: Path) -> None:
    log.write_bytes(log.read_bytes()[:-1])

    with EventLogs(str(state)).hold("night", "at:2") as writer:
        assert (5, "repaired") == (writer.deployment.seq, json.loads(log.read_text().splitlines()[-1])["type"])


# --- snapshots


@pytest.fixture
def kept(state: Path) -> EventLogs:
    """Logs that write a snapshot at each letting go, and a `night` of 20 lines that has one."""
    begin(state)
    logs = EventLogs(str(state), lag=1)
    wrote(logs, 1, 2, 16)
    return logs


def snapshot(state: Path) -> Path:
    return state / "night" / "snapshot.json"


def test_a_snapshot_is_the_fold_of_all_lines(kept: EventLogs, state: Path) -> None:
    with_it = kept.read("night")
    snapshot(state).unlink()

    assert with_it == kept.read("night")


def test_a_snapshot_spares_the_lines_before_it(kept: EventLogs, state: Path) -> None:
    file = state / "night" / "events.jsonl"
    file.write_bytes(file.read_bytes().replace(b"quiet 0", b"quiet 7", 1))

    assert 20 == kept.read("night").seq
    snapshot(state).unlink()
    assert 2 == damaged_line(state)


def test_what_follows_a_snapshot_is_read_on_top_of_it(kept: EventLogs, state: Path) -> None:
    wrote(EventLogs(str(state)), 1, 1)

    assert (22, [21, 22]) == (kept.read("night").seq, [event.seq for event in kept.events("night", after=20)])


def test_events_before_a_snapshot_are_all_there(kept: EventLogs) -> None:
    assert list(range(6, 21)) == [event.seq for event in kept.events("night", after=5)]


def damaged_states(state: Path) -> Iterator[bytes]:
    whole = snapshot(state).read_bytes()
    head, _, body = whole.partition(b"\n")
    fields = msgspec.json.decode(head)
    yield b""
    yield b"hello\n"
    yield head
    yield whole[:-1]
    yield whole.replace(b"night", b"NIGHT", 1)
    for key, value in {"seq": 19, "hash": "0" * 32, "fold": 0, "end": 99, "first": 2, "crc32": 1}.items():
        yield msgspec.json.encode({**fields, key: value}) + b"\n" + body
    for other in (b"[]", b"{}x", b'{"seq":"many"}'):
        yield msgspec.json.encode({**fields, "crc32": zlib.crc32(other)}) + b"\n" + other


def test_a_snapshot_that_does_not_fit_is_ignored_and_left_alone(kept: EventLogs, state: Path) -> None:
    snapshots = list(damaged_states(state))
    expected = kept.read("night")
    for content in snapshots:
        snapshot(state).write_bytes(content)

        assert expected == EventLogs(str(state)).read("night")
        assert content == snapshot(state).read_bytes()


def test_the_snapshot_of_another_log_is_ignored(kept: EventLogs, state: Path) -> None:
    begin(state, "other", notes=40)
    with EventLogs(str(state), lag=1).hold("other", "at:1"):
        pass
    snapshot(state).write_bytes((state / "other" / "snapshot.json").read_bytes())

    assert ("night", 20) == (kept.read("night").name, kept.read("night").seq)


@pytest.mark.usefixtures("log")
def test_a_snapshot_is_written_once_enough_lines_lie_behind_the_last(state: Path) -> None:
    logs = EventLogs(str(state), lag=2_000)
    times = []
    for _ in range(40):
        wrote(logs, 1)
        times.append(snapshot(state).stat().st_mtime_ns if snapshot(state).exists() else 0)

    assert 3 <= len(set(times)) <= 6


@pytest.mark.usefixtures("log")
def test_a_snapshot_that_cannot_be_written_is_done_without(state: Path) -> None:
    snapshot(state).mkdir()

    wrote(EventLogs(str(state), lag=1), 1)

    assert 6 == EventLogs(str(state)).read("night").seq


# --- segments


@pytest.fixture
def small(state: Path) -> EventLogs:
    """Logs that seal a segment from 1,000 bytes on, and a `night` of several."""
    begin(state)
    logs = EventLogs(str(state), segment=1_000)
    for _ in range(5):
        wrote(logs, 4, 4)
    return logs


def test_a_large_segment_is_sealed_and_reads_as_before(small: EventLogs, state: Path) -> None:
    events = list(small.events("night"))
    seals = [event for event in events if isinstance(event.data, Sealed)]
    texts = [event.data.text for event in events if isinstance(event.data, Noted)]

    assert list(range(1, len(events) + 1)) == [event.seq for event in events]
    assert ["all quiet 0", "all quiet 1", "all quiet 2", "all quiet 3"] * 10 == texts
    assert 5 == len(seals)
    names = {event.data.file for event in events if isinstance(event.data, Sealed)}
    assert {"events.jsonl", *names} == {p.name for p in state.glob("night/*.jsonl")}


def test_a_seal_vouches_for_the_bytes_of_its_file(small: EventLogs, state: Path) -> None:
    for event in small.events("night"):
        if isinstance(event.data, Sealed):
            data = (state / "night" / event.data.file).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (event.data.size, event.data.sha256)


def test_a_sealed_segment_may_only_be_read(small: EventLogs, state: Path) -> None:
    del small
    assert {0o400} == {stat.S_IMODE(path.stat().st_mode) for path in state.glob("night/events-*.jsonl")}


def test_without_its_snapshot_a_log_in_segments_folds_the_same(small: EventLogs, state: Path) -> None:
    before = small.read("night")
    snapshot(state).unlink()

    assert before == small.read("night")


def test_a_missing_segment_is_told(small: EventLogs, state: Path) -> None:
    snapshot(state).unlink()
    sorted(state.glob("night/events-*.jsonl"), key=lambda path: int(path.stem[7:]))[1].unlink()

    with pytest.raises(LogDamagedError, match=r"events-\d+\.jsonl:1: expected seq \d+, found \d+"):
        small.read("night")


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("step", ["link", "rename", "chmod"])
def test_a_sealing_cut_short_at_any_step_loses_nothing(state: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(step)

    with monkeypatch.context() as patch:
        patch.setattr(os, step, refused)
        wrote(EventLogs(str(state), segment=1), 1)
    seqs = [event.seq for event in EventLogs(str(state)).events("night")]
    wrote(EventLogs(str(state), segment=1), 1)

    assert list(range(1, len(seqs) + 1)) == seqs
    events = list(EventLogs(str(state)).events("night"))
    assert list(range(1, len(events) + 1)) == [event.seq for event in events]
    assert any(isinstance(event.data, Sealed) for event in events)


def test_a_crash_between_the_two_names_of_a_segment_is_no_damage(small: EventLogs, state: Path) -> None:
    live = state / "night" / "events.jsonl"
    first = json.loads(live.read_text().splitlines()[0])["seq"]
    before = small.read("night").seq
    os.link(live, live.with_name(f"events-{first}.jsonl"))

    assert before == small.read("night").seq
    wrote(small, 8)
    snapshot(state).unlink(missing_ok=True)
    assert before + 9 == small.read("night").seq


def test_a_reader_is_not_disturbed_by_a_sealing_meanwhile(small: EventLogs) -> None:
    reading = small.events("night")
    first = next(reading)
    for _ in range(3):
        wrote(small, 8)

    assert list(range(1, 46)) == [first.seq, *(event.seq for event in reading)][:45]


def test_readers_and_a_sealing_writer_at_once_never_see_damage(state: Path) -> None:
    begin(state)
    logs, found = EventLogs(str(state), segment=2_000, lag=1_000), []

    def read() -> None:
        seq = 0
        while seq < 200:
            try:
                seen = [event.seq for event in logs.events("night")]
                assert seen == list(range(1, len(seen) + 1))
                seq = logs.read("night").seq
            except BaseException as fault:
                found.append(fault)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(70):
        wrote(logs, 1, 3)
    for reader in readers:
        reader.join(60)

    assert [] == found


# --- the reserve


FULL = """
from wakeman.core.log.events import Filled
logs = begin(Path(sys.argv[1]))
hog = Path(sys.argv[1], "hog")
def full():
    fd = os.open(hog, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, bytes(4096))
    except OSError:
        os.close(fd)
def state():
    with logs.hold("night", "at:1") as writer:
        kinds = [type(event.data).__name__ for event in logs.events("night")]
        there = Path(sys.argv[1], "night", "reserve").exists()
        print(writer.deployment.seq, kinds[-1], bool(writer.deployment.full), there)
full()
try:
    with logs.hold("night", "at:1") as writer:
        while True:
            writer.append(noted(1, "x" * 3000), AT)
except StorageError as error:
    print(error.hint)
state()
with logs.hold("night", "at:1") as writer:
    print(len(writer.append(noted(10, "x" * 1000), AT)))
state()
hog.unlink()
state()
"""


def test_on_a_full_disk_the_reserve_lets_the_night_go_on_and_comes_back(state: Path) -> None:
    state.mkdir()

    said = in_a_room(f"mount -t tmpfs -o size=1m none {state}", FULL, state).splitlines()

    assert "free some space on that disk, then try again" == said[0]
    seq = int(said[1].split()[0])
    assert [f"{seq} Filled True False", "10", f"{seq + 10} Noted True False", f"{seq + 11} Freed False True"] == said[
        1:
    ]


def test_a_reserve_that_was_removed_is_put_there_again(log: Path, state: Path) -> None:
    (log.parent / "reserve").unlink()

    wrote(EventLogs(str(state)), 1)

    assert (65_536, 6) == ((log.parent / "reserve").stat().st_size, EventLogs(str(state)).read("night").seq)


@pytest.mark.usefixtures("log")
def test_what_is_full_and_free_again_is_in_the_fold(state: Path) -> None:
    with EventLogs(str(state)).hold("night", "at:1") as writer:
        writer.append([Draft(Filled(300, "no space"))], AT)
        assert "no space" == writer.deployment.full

    with EventLogs(str(state)).hold("night", "at:1") as writer:
        assert ("", Freed()) == (writer.deployment.full, last(state).data)


# --- network file systems

MOUNTS = """\
21 1 8:1 / / rw - ext4 /dev/sda rw
22 21 0:30 / /mnt/a\\040b rw shared:1 - nfs4 server:/x rw
23 21 0:31 / /mnt rw - ext4 /dev/sdb rw
24 21 0:32 / /home/u/remote rw - fuse.sshfs u@h: rw
25 21 0:33 / /win rw - fuseblk /dev/sdc rw
26 21 0:34 / /nine rw - 9p host rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", ""),
        ("/mnt/c", ""),
        ("/mnt/a b", "nfs4"),
        ("/mnt/a b/deep/er", "nfs4"),
        ("/mnt/a bc", ""),
        ("/home/u/remote/state", "fuse.sshfs"),
        ("/win/state", ""),
        ("/nine", "9p"),
    ],
)
def test_the_kind_of_network_file_system_is_told(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)

    assert kind == network(path, str(tmp_path / "mounts"))


def test_without_a_list_of_mounts_nothing_is_refused(tmp_path: Path) -> None:
    assert "" == network("/", str(tmp_path / "none"))


def test_a_log_does_not_begin_on_a_network_file_system(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeman.adapters.eventlog.network.network", lambda _: "nfs4")
    with pytest.raises(UsageError, match=r"is on a network file system \(nfs4\)"):
        begin(state)
    assert not state.exists()

    monkeypatch.setenv("WAKEMAN_NETWORK_DISK", "1")
    assert ["night"] == begin(state).names()


def test_one_that_is_live_anywhere_begins_there_as_its_lock_was_tried(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeman.adapters.eventlog.network.network", lambda _: "nfs4")
    first = planned()
    assert isinstance(first.data, Planned)
    shared = replace(first.data, host=replace(first.data.host, anywhere=True))
    logs = EventLogs(str(state))
    logs.create("night", "d1", [Draft(shared)], AT, "up:1")

    assert ["night"] == logs.names()


# --- repair


def repaired(state: Path) -> tuple[Path, EventLogs]:
    logs = EventLogs(str(state))
    return Path(logs.repair("night", "hand:1")), logs


def test_a_whole_log_is_not_repaired(log: Path, state: Path) -> None:
    before = log.read_bytes()

    assert ("", before) == (EventLogs(str(state)).repair("night", "hand:1"), log.read_bytes())


def test_repair_cuts_before_the_damage_and_keeps_the_original(log: Path, state: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    damaged = b"".join(lines[:3]) + lines[3].replace(b"quiet 2", b"quiet 7") + lines[4]
    log.write_bytes(damaged)

    kept, logs = repaired(state)

    assert damaged == (kept / "events.jsonl").read_bytes()
    assert b"".join(lines[:3]) == b"".join(log.read_bytes().splitlines(keepends=True)[:3])
    assert Repaired(kept.name, len(lines[3]) + len(lines[4]), line=4) == last(state).data
    assert 4 == logs.read("night").seq


def test_repair_goes_back_to_the_last_whole_write(log: Path, state: Path) -> None:
    wrote(EventLogs(str(state)), 3)
    log.write_bytes(log.read_bytes()[:-200] + b"x" + log.read_bytes()[-199:])

    _, logs = repaired(state)

    assert (6, 6) == (logs.read("night").seq, last(state).data.line)  # type: ignore[attr-defined] # a Repaired


def test_repair_of_a_damaged_segment_puts_all_later_ones_aside(small: EventLogs, state: Path) -> None:
    files = sorted(state.glob("night/events-*.jsonl"), key=lambda path: int(path.stem[7:]))
    whole = files[1].read_bytes()
    lines = whole.splitlines(keepends=True)
    files[1].chmod(0o600)
    files[1].write_bytes(b"".join(lines[:5]) + lines[6])
    snapshot(state).unlink()

    kept, logs = repaired(state)

    first = json.loads(lines[0])["seq"]
    assert {"events.jsonl", *(file.name for file in files[1:])} == {path.name for path in kept.iterdir()}
    assert {"events.jsonl", files[0].name} == {path.name for path in state.glob("night/*.jsonl")}
    assert first + 5 == logs.read("night").seq
    wrote(small, 4)
    assert list(range(1, first + 11)) == [event.seq for event in logs.events("night")]


def test_a_log_without_a_usable_line_is_not_repaired(log: Path, state: Path) -> None:
    log.write_bytes(b"hello\n" + log.read_bytes())

    with pytest.raises(LogDamagedError, match="nothing before it can be used"):
        EventLogs(str(state)).repair("night", "hand:1")


def test_lines_that_do_not_follow_are_cut_too(log: Path, state: Path) -> None:
    body = b'{"v":1,"seq":6,"at":"2030-01-01T00:00:00.000000Z","by":"at:1","type":"started","worker":"w","attempt":1,'
    append_raw(log, body + b'"from":"launched","to":"running","data":{}')

    _, logs = repaired(state)

    assert (6, "repaired") == (logs.read("night").seq, json.loads(log.read_text().splitlines()[-1])["type"])


# --- the head


def test_the_hash_of_a_line_is_given_while_it_is_near(small: EventLogs, state: Path) -> None:
    events = {event.seq: event.hash for event in small.events("night")}
    first = json.loads((state / "night" / "events.jsonl").read_text().splitlines()[0])["seq"]
    with small.hold("night", "at:1") as writer:
        assert isinstance(writer, EventWriter)
        assert {seq: events[seq] if seq >= first else "" for seq in events} == {
            seq: writer.hash_of(seq) for seq in events
        }
        assert "" == writer.hash_of(999)


# --- a newer format


def test_a_log_of_a_newer_format_is_read_and_not_written_to(log: Path, state: Path) -> None:
    append_raw(log, b'{"v":2,"seq":6,"at":"2030-01-01T00:00:00.000000Z","by":"at:1","type":"noted","data":{"text":"x"}')
    before = log.read_bytes()

    assert 6 == EventLogs(str(state)).read("night").seq
    with pytest.raises(UsageError, match="holds lines of a newer format"):
        EventLogs(str(state)).hold("night", "at:1").__enter__()
    assert before == log.read_bytes()


def test_a_type_that_a_newer_version_added_stands_in_nobodys_way(log: Path, state: Path) -> None:
    append_raw(log, b'{"v":1,"seq":6,"at":"2030-01-01T00:00:00.000000Z","by":"at:1","type":"dreamt","data":{}')

    wrote(EventLogs(str(state)), 1)

    assert 7 == EventLogs(str(state)).read("night").seq
