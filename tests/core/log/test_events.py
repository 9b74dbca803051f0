"""A fact is encoded as one line and decoded unchanged; an invalid line is distinguished from one of a newer version."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.errors import LogDamagedError
from wakeman.core.log import events as e
from wakeman.core.model import Alarm, Host, Plan, UnitsSpec

NOW = datetime(2026, 1, 5, 21, 36, 0, 123456, tzinfo=UTC)
START = e.genesis("night", "digest")


def line(data: e.Fact, **fields: object) -> bytes:
    draft = msgspec.structs.replace(e.Draft(data), **fields)
    return e.encode(draft, seq=7, at=NOW, by="at:4711", previous=START)[0]


def test_the_keys_of_a_line_stand_in_their_order_and_the_hash_is_last() -> None:
    written = line(e.Started(why="x"), worker="w", attempt=2, source="launched", to="running")

    keys = ["v", "seq", "at", "by", "type", "worker", "attempt", "from", "to", "data", "hash"]
    assert keys == list(json.loads(written))
    assert written.endswith(b'"}\n')


def test_keys_that_do_not_apply_are_left_out() -> None:
    assert ["v", "seq", "at", "by", "type", "data", "hash"] == list(json.loads(line(e.Disarmed(generation=1))))


def test_a_time_is_written_with_microseconds_and_z() -> None:
    assert "2026-01-05T21:36:00.123456Z" == json.loads(line(e.Noted(text="")))["at"]


@pytest.mark.parametrize("hours", [-11, 0, 5.75])
def test_a_time_of_any_zone_is_written_as_the_same_moment_in_utc(hours: float) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=hours)))

    assert "2026-01-05T21:36:00.123456Z" == e.stamp(there)


def test_a_line_read_back_is_the_event_that_was_written() -> None:
    alarm = Alarm(kind="at", generation=3, due=NOW, job="12")

    event = e.decode(line(e.Armed(alarm=alarm))[:-1])

    assert (7, NOW, "at:4711", e.Armed(alarm=alarm)) == (event.seq, event.at, event.by, event.data)


ODD = "\udce9"
"""A byte of a name that is not UTF-8."""


@pytest.mark.parametrize(
    "draft",
    [
        e.Draft(e.Started(why="é"), worker="w", attempt=2, source="launched", to="running"),
        e.Draft(e.Armed(alarm=Alarm(kind="at", generation=3, due=NOW, job="12"))),
        e.Draft(e.Started(why=ODD), worker="w"),
        e.Draft(e.Noted(text=""), worker=ODD),
        e.Draft(e.Unknown("dreamt")),
        e.Draft(
            e.Planned(name="n", plan=Plan(name="n", units=UnitsSpec()), digest="d", host=Host("/", "/s", python=()))
        ),
    ],
    ids=["plain", "a time", "an odd fact", "an odd worker", "unknown", "first"],
)
@pytest.mark.parametrize("hours", [0, 5.75])
def test_an_event_that_is_kept_as_its_line_is_written_is_the_one_that_is_read(draft: e.Draft, hours: float) -> None:
    at = NOW.astimezone(timezone(timedelta(hours=hours))) if hours else NOW
    wanted = e.encode(draft, seq=7, at=at, by="at:1", previous=START, more=True)[0]

    written, event = e.encode_event(draft, seq=7, at=at, by="at:1", previous=START, more=True)

    assert (wanted, e.decode(wanted[:-1])) == (written, event)
    assert UTC is event.at.tzinfo


def test_what_no_reader_would_take_is_not_written() -> None:
    with pytest.raises(LogDamagedError):
        e.encode_event(e.Draft(e.Disarmed(generation="x")), seq=7, at=NOW, by="at:1", previous=START)  # type: ignore[arg-type] # wrong


@pytest.mark.parametrize("size", [0, e.UNION_FROM_BYTES], ids=["alone", "among many"])
@pytest.mark.parametrize("kept", [b'"place":{"socket":"/s","tmux":"/bin/tmux"}', b'"socket":"/s","tmux":"/bin/tmux"'])
def test_a_first_line_tells_where_workers_run_also_as_older_logs_have_it(kept: bytes, size: int) -> None:
    place = {"socket": "/s", "tmux": "/bin/tmux"}
    host = Host(root="/w", directory="/d", python=("p",), executor="tmux", place=place)
    plan = Plan(name="night", units=UnitsSpec(items=("a",)))
    written = line(e.Planned(name="night", plan=plan, digest="d", host=host))[:-1]
    older = written.replace(b'"place":{"socket":"/s","tmux":"/bin/tmux"}', kept)

    planned = e.reader(size)(older).data

    assert isinstance(planned, e.Planned)
    assert host == planned.host


def test_lines_at_once_are_read_as_each_by_itself_unless_one_of_them_begins_a_log() -> None:
    lines = [line(e.Noted(text="quiet")), line(e.Disarmed(generation=3))]
    plan = Plan(name="night", units=UnitsSpec(items=("a",)))
    first = line(e.Planned(name="night", plan=plan, digest="d", host=Host(root="/w", directory="/d", python=("p",))))
    at_once, alone = e.decode_lines(b"".join(lines)), [e.decode(each) for each in lines]

    assert [(one.seq, one.data, one.hash) for one in alone] == [(one.seq, one.data, one.hash) for one in at_once]
    with pytest.raises(e.NO_EVENTS):
        e.decode_lines(first + lines[0])


@given(st.text())
def test_any_text_survives(text: str) -> None:
    event = e.decode(line(e.Noted(text=text))[:-1])

    assert e.Noted(text=text) == event.data


@given(st.builds("{}{}{}".format, st.text(), st.characters(categories=["Cs"]), st.text()))
def test_text_that_is_no_utf_8_is_written_legibly_and_never_stops_a_line(text: str) -> None:
    event = e.decode(line(e.Noted(text=text))[:-1])

    assert e.Noted(text=text.encode("utf-8", "backslashreplace").decode()) == event.data


def test_surrogates_in_lists_and_numbers_beside_them_are_kept() -> None:
    fact = e.Intended(action="wake", target="\udc80", causes=("a\udcff", "b"), units=4)

    event = e.decode(line(fact, worker="w", attempt=3)[:-1])

    assert (3, ("a\\udcff", "b")) == (event.attempt, event.data.causes if isinstance(event.data, e.Intended) else None)


def test_the_hash_is_over_the_hash_before_and_the_bytes_before_it() -> None:
    written = line(e.Noted(text="x"))[:-1]

    head, found = e.split(written)

    assert (written.index(b'"hash":"') + 8, e.chain(START, head)) == (len(head), found)


HASH = b"0" * 32


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b'{"v":1}',
        b"x" * 50,
        b'{"v":1,"hash":"' + HASH,
        b'{"v":1,"hash":"' + HASH + b"']",
        b'{"v":1,"hash":"' + HASH + b'0"}',
        b'{"v":1,"hush":"' + HASH + b'"}',
    ],
    ids=["empty", "bare", "no hash", "noise", "not closed", "closed otherwise", "longer", "by another name"],
)
def test_a_line_without_a_hash_at_its_end_is_no_line(bad: bytes) -> None:
    with pytest.raises(LogDamagedError, match="does not end in its hash"):
        e.split(bad)


def test_a_fact_of_a_newer_version_is_kept_in_its_place_without_effect() -> None:
    newer = line(e.Noted(text="x")).replace(b'"noted"', b'"dreamt"')[:-1]

    event = e.decode(newer)

    assert (7, e.Unknown("dreamt"), "unknown") == (event.seq, event.data, e.kind(event.data))


def test_a_known_fact_with_fields_of_a_newer_version_is_read_without_them() -> None:
    newer = line(e.Noted(text="x")).replace(b'"text":"x"', b'"text":"x","mood":"calm"')[:-1]

    assert e.Noted(text="x") == e.decode(newer).data


def test_a_known_fact_that_a_newer_version_wrote_in_another_shape_is_kept_without_effect() -> None:
    newer = line(e.Noted(text="x")).replace(b'"text":"x"', b'"text":7').replace(b'{"v":1', b'{"v":2')[:-1]

    assert e.Unknown("noted") == e.decode(newer).data


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"not json", "not an event: "),
        (b'{"v":1}', "not an event: "),
        (line(e.Noted(text="x")).replace(b'"text":"x"', b'"text":7')[:-1], "not an event: Expected `str`"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(bad: bytes, said: str) -> None:
    with pytest.raises(LogDamagedError, match=said):
        e.decode(bad)


@pytest.mark.parametrize(
    ("first", "seq"),
    [
        (b'{"v":1,"seq":7,', 7),
        (b'{"v":2,"seq":1234567,"at":"not a time', 1234567),
        (b'{"v":1,"seq":7', 0),
        (b'{"seq":7,"v":1,', 0),
        (b' {"v":1,"seq":7,', 0),
        (b"", 0),
    ],
    ids=str,
)
def test_the_first_bytes_of_a_line_say_its_number_or_nothing_does(first: bytes, seq: int) -> None:
    assert seq == e.seq_of(first)


def test_each_type_of_line_has_the_fields_of_a_line_in_their_order() -> None:
    kinds = get_args(e.line_types())

    assert set(e.FACTS) == {kind.__struct_config__.tag for kind in kinds}
    assert {e.Event.__struct_fields__} == {kind.__struct_fields__ for kind in kinds}


def test_every_fact_has_a_name_of_its_own() -> None:
    assert len(e.FACTS) == len(set(e.FACTS.values()))
    assert set(e.FACTS) == {fact.__name__.lower() for fact in e.FACTS.values()}


FACTS: list[e.Fact] = [
    e.Disarmed(generation=3),
    e.Looked(mono=1.0, boot="b"),
    e.Decided(row="sleep", looked=3),
    e.Exited(why="x", code=1),
    e.Noted(text="n"),
]


@pytest.mark.parametrize("fact", FACTS)
def test_a_large_log_is_read_as_a_small_one_is(fact: e.Fact) -> None:
    written = line(fact, worker="w", source="running", to="exited")[:-1]

    one, other = e.reader(0)(written), e.reader(e.UNION_FROM_BYTES)(written)

    assert msgspec.structs.astuple(one) == msgspec.structs.astuple(other)


def test_a_large_log_of_a_newer_version_is_read_too() -> None:
    newer = line(e.Noted(text="x")).replace(b'"noted"', b'"dreamt"')[:-1]

    assert e.Unknown("dreamt") == e.reader(e.UNION_FROM_BYTES)(newer).data


def test_what_is_no_event_is_refused_in_a_large_log_too() -> None:
    with pytest.raises(LogDamagedError, match="not an event"):
        e.reader(e.UNION_FROM_BYTES)(b"noise")
