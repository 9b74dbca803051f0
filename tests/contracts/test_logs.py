"""What `ports.Logs` and `ports.Writer` promise, of the logs in memory and of those on the disk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.logs import AT, noted, planned

from wakeman.adapters.eventlog import EventLogs
from wakeman.adapters.memory import MemoryLogs
from wakeman.core.errors import BusyError, TransitionError, UnknownNameError, UsageError
from wakeman.core.log.events import Draft, Exited, Noted, Repaired, encode, genesis
from wakeman.ports import Logs

ILLEGAL = Draft(Exited("of nobody"), worker="w1", attempt=1, source="running", to="exited")


@pytest.fixture(params=["memory", "one process", pytest.param("real", marks=pytest.mark.real)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Logs:
    """No log yet."""
    return EventLogs(str(tmp_path)) if request.param == "real" else MemoryLogs(alone=request.param != "memory")


@pytest.fixture
def logs(empty: Logs) -> Logs:
    """One log, `night`, of three lines."""
    empty.create("night", "d1", [planned(), *noted(2)], AT, "up:1")
    return empty


def texts(logs: Logs) -> list[str]:
    return [event.data.text for event in logs.events("night") if isinstance(event.data, Noted)]


def test_a_created_log_is_read(logs: Logs) -> None:
    deployment = logs.read("night")

    assert ("night", "d1", 3, AT) == (deployment.name, deployment.digest, deployment.seq, deployment.started)


def test_lines_are_numbered_from_one(logs: Logs) -> None:
    assert [1, 2, 3] == [event.seq for event in logs.events("night")]


def test_one_process_hands_on_what_it_has_read_and_keeps_none_of_its_lines_as_events() -> None:
    logs = MemoryLogs(alone=True)
    logs.create("night", "d1", [planned(), *noted(2)], AT, "up:1")
    with logs.hold("night", "at:2") as log:
        log.append(noted(3), AT)
        first = log.deployment
    with logs.hold("night", "at:3") as log:
        assert first is log.deployment
    logs.let_go()

    assert [] == logs.tapes["night"].known
    assert [1, 2, 3, 4, 5, 6] == [event.seq for event in logs.events("night")]
    assert 6 == logs.read("night").seq


def test_each_line_says_when_and_by_whom_it_was_written(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        log.append(noted(), AT + timedelta(hours=1))

    assert [(AT, "up:1")] * 3 + [(AT + timedelta(hours=1), "at:2")] == [
        (event.at, event.by) for event in logs.events("night")
    ]


def test_each_line_is_hashed_onto_the_line_before_and_the_first_onto_name_and_digest(logs: Logs) -> None:
    expected = [genesis("night", "d1")]
    for seq, draft in enumerate((planned(), *noted(2)), 1):
        expected.append(encode(draft, seq=seq, at=AT, by="up:1", previous=expected[-1], more=seq < 3)[1])

    assert expected[1:] == [event.hash for event in logs.events("night")]


def test_the_hash_of_a_log_is_that_of_its_last_line(logs: Logs) -> None:
    assert logs.read("night").hash == [event.hash for event in logs.events("night")][-1]


def test_events_after_a_line_are_those_that_follow_it(logs: Logs) -> None:
    assert [3] == [event.seq for event in logs.events("night", after=2)]


def test_after_the_last_line_there_are_no_events(logs: Logs) -> None:
    assert [] == list(logs.events("night", after=3))


def test_a_log_is_not_created_twice(logs: Logs) -> None:
    with pytest.raises(UsageError):
        logs.create("night", "d1", [planned()], AT, "up:2")


def test_a_refused_creation_leaves_the_log_that_is_there(logs: Logs) -> None:
    with pytest.raises(UsageError):
        logs.create("night", "d1", [planned()], AT, "up:2")

    assert ["all quiet 0", "all quiet 1"] == texts(logs)


@pytest.mark.parametrize("digest", ["", "d2"])
def test_a_log_does_not_begin_with_the_plan_of_another(empty: Logs, digest: str) -> None:
    with pytest.raises(UsageError):
        empty.create("night", digest, [planned()], AT, "up:1")


def test_a_log_does_not_begin_with_nothing(empty: Logs) -> None:
    with pytest.raises(UsageError):
        empty.create("night", "d1", [], AT, "up:1")


def test_a_creation_with_an_illegal_move_leaves_no_log(empty: Logs) -> None:
    with pytest.raises(TransitionError):
        empty.create("night", "d1", [planned(), ILLEGAL], AT, "up:1")

    assert [] == empty.names()


def test_without_logs_there_are_no_names(empty: Logs) -> None:
    assert [] == empty.names()


def test_names_are_listed_oldest_first(empty: Logs) -> None:
    for name, hours in (("second", 2), ("first", 1), ("third", 3)):
        empty.create(name, "d1", [planned(name)], AT + timedelta(hours=hours), "up:1")

    assert ["first", "second", "third"] == empty.names()


def test_reading_an_unknown_name_is_refused(logs: Logs) -> None:
    with pytest.raises(UnknownNameError):
        logs.read("nigh")


def test_streaming_an_unknown_name_is_refused_at_once(logs: Logs) -> None:
    with pytest.raises(UnknownNameError):
        logs.events("nigh")


def test_holding_an_unknown_name_is_refused(logs: Logs) -> None:
    with pytest.raises(UnknownNameError), logs.hold("nigh", "at:2"):
        pass


def test_an_append_gives_the_events_written(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        events = log.append(noted(2), AT)

    assert events == list(logs.events("night", after=3))


def test_a_held_log_shows_its_own_appends(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        log.append(noted(2), AT)

        assert 5 == log.deployment.seq


def test_what_is_appended_is_read_while_the_log_is_held(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        log.append(noted(), AT)

        assert log.deployment == logs.read("night")


def test_lines_that_need_not_last_are_read_all_the_same(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        log.append(noted(), AT, durable=False)

    assert 4 == logs.read("night").seq


def test_an_append_of_no_drafts_writes_nothing(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        appended = log.append([], AT)

    assert ([], 3) == (appended, logs.read("night").seq)


def test_an_append_with_an_illegal_move_writes_nothing_at_all(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log, pytest.raises(TransitionError):
        log.append([*noted(1, "never"), ILLEGAL], AT)

    assert ["all quiet 0", "all quiet 1"] == texts(logs)


def test_a_held_log_goes_on_after_an_illegal_move(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        with pytest.raises(TransitionError):
            log.append([*noted(1, "never"), ILLEGAL], AT)
        log.append(noted(1, "after"), AT)

    assert ([1, 2, 3, 4], "after 0") == ([event.seq for event in logs.events("night")], texts(logs)[-1])


def test_what_a_held_log_shows_is_not_touched_by_an_illegal_move(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        with pytest.raises(TransitionError):
            log.append([*noted(1, "never"), ILLEGAL], AT)

        assert logs.read("night") == log.deployment


def test_a_log_is_held_by_one_at_a_time(logs: Logs) -> None:
    with logs.hold("night", "at:2"), pytest.raises(BusyError), logs.hold("night", "hook:3", wait=0):
        pass


def test_a_log_that_was_let_go_can_be_held_again(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        log.append(noted(), AT)
    with logs.hold("night", "hook:3") as log:
        log.append(noted(), AT)

    assert 5 == logs.read("night").seq


def test_a_log_is_let_go_when_its_holder_fails(logs: Logs) -> None:
    with pytest.raises(TransitionError), logs.hold("night", "at:2") as log:
        log.append([ILLEGAL], AT)

    with logs.hold("night", "hook:3", wait=0) as log:
        assert 3 == log.deployment.seq


def test_two_logs_are_held_at_the_same_time(logs: Logs) -> None:
    logs.create("day", "d1", [planned("day")], AT, "up:1")

    with logs.hold("night", "at:2"), logs.hold("day", "at:2", wait=0) as log:
        assert "day" == log.deployment.name


# --- what a crash leaves --------------------------------------------------------------------------------------


def torn(logs: Logs, tmp_path: Path, keep: int) -> bytes:
    """Have a write of two lines end after some bytes; return those."""
    with logs.hold("night", "at:2") as log:
        size = len(written(logs, tmp_path))
        log.append(noted(2, "cut off"), AT)
    part = written(logs, tmp_path)[size : size + keep] if keep >= 0 else written(logs, tmp_path)[size:keep]
    if isinstance(logs, MemoryLogs):
        logs.tapes["night"].data = logs.tapes["night"].data[:size] + part
    else:
        file = tmp_path / "night" / "events.jsonl"
        file.write_bytes(file.read_bytes()[:size] + part)
    return part


def written(logs: Logs, tmp_path: Path) -> bytes:
    if isinstance(logs, MemoryLogs):
        return logs.tapes["night"].data
    return (tmp_path / "night" / "events.jsonl").read_bytes()


@pytest.mark.parametrize("keep", [1, 100, -1], ids=["a byte", "half a line", "all but the line feed at the end"])
def test_an_unfinished_write_is_left_out_by_a_reader(logs: Logs, tmp_path: Path, keep: int) -> None:
    torn(logs, tmp_path, keep)

    assert (3, ["all quiet 0", "all quiet 1"]) == (logs.read("night").seq, texts(logs))


@pytest.mark.parametrize("keep", [1, 100, -1], ids=["a byte", "half a line", "all but the line feed at the end"])
def test_an_unfinished_write_is_cut_off_whole_and_reported_by_the_next_holder(
    logs: Logs, tmp_path: Path, keep: int
) -> None:
    size = len(written(logs, tmp_path))
    part = torn(logs, tmp_path, keep)

    with logs.hold("night", "at:3") as log:
        log.append(noted(1, "after"), AT)

    assert [Repaired(f"torn-{size}.bin", len(part)), Noted("after 0")] == [
        event.data for event in logs.events("night", after=3)
    ]


def test_nobody_has_asked_for_a_check_at_first(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        assert not log.seen


def test_who_finds_a_log_held_leaves_a_mark_that_its_holder_sees_once(logs: Logs) -> None:
    with logs.hold("night", "at:2") as log:
        with pytest.raises(BusyError), logs.hold("night", "hook:3", wait=0):
            pass

        assert [True, False] == [log.seen, log.seen]


def want(logs: Logs, state: Path) -> None:
    """Want a check of `night` as `check.sh` does while somebody stands by."""
    if isinstance(logs, MemoryLogs):
        logs.want("night")
    else:
        with (state / "night" / "standing").open("ab") as file:
            file.write(b"\n")


def test_who_stands_by_is_told_once_a_check_is_wanted(logs: Logs, tmp_path: Path) -> None:
    with logs.stand_by("night") as wanted:
        assert wanted is not None
        before = wanted()
        want(logs, tmp_path)
        told = wanted()

    assert (False, True, True) == (before, told, wanted())


def test_what_was_wanted_at_the_last_moment_is_told_behind_the_end(logs: Logs, tmp_path: Path) -> None:
    with logs.stand_by("night") as wanted:
        assert wanted is not None
        assert not wanted()
        want(logs, tmp_path)

    assert wanted()


def test_what_was_wanted_before_is_not_told_to_who_stands_by_later(logs: Logs, tmp_path: Path) -> None:
    with logs.stand_by("night"):
        want(logs, tmp_path)

    with logs.stand_by("night") as wanted:
        assert wanted is not None
        assert not wanted()


def test_one_stands_by_at_a_time_and_the_log_can_be_held_meanwhile(logs: Logs) -> None:
    with logs.stand_by("night") as first:
        with logs.stand_by("night") as second, logs.hold("night", "at:2") as log:
            log.append(noted(), AT)
        assert (True, None) == (first is not None, second)

    with logs.stand_by("night") as third:
        assert third is not None


def test_nobody_stands_by_for_a_log_that_is_not_there(logs: Logs) -> None:
    with pytest.raises(UnknownNameError), logs.stand_by("day"):
        pass
