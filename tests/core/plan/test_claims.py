"""Whose a path is, and which writes are out of place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from wakeman.core.model import (
    Confinement,
    Deployment,
    FileFingerprint,
    Host,
    Observation,
    Plan,
    Unit,
    UnitsSpec,
    UnitState,
    Verdict,
    WatchSpec,
    WorkersSpec,
    WorkerState,
    Wrote,
)
from wakeman.core.plan.claims import Claims, at_work, claimed_paths, trespass

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)
A = Unit(name="a", outputs=("out/a",), writes=("src/a/**",))
B = Unit(name="b", outputs=("out/b", "log/b"))
HOST = Host(root="/p", directory="/s/n", place={"socket": "/s", "tmux": "tmux"}, python=("w",))
JUDGED = FileFingerprint("out/a", 3, 1)


def claims(*units: Unit) -> Claims:
    return Claims(units, {path: f"/p/{path}" for path in claimed_paths(units)})


def night() -> Deployment:
    """`wa` has ended with its output judged, `wb` is at work."""
    d = Deployment(
        plan=Plan(name="n", units=UnitsSpec(), watch=WatchSpec(ignore=("*.log", "*.tmp"))), host=HOST, started=NOW
    )
    d.units = {
        "a": UnitState(unit=A, worker="wa", verdict=Verdict("a", marks=(JUDGED,))),
        "b": UnitState(unit=B, worker="wb"),
    }
    d.workers = {
        "wa": WorkerState(name="wa", session="wa", units=["a"], state="exited", since=NOW),
        "wb": WorkerState(name="wb", session="wb", units=["b"], state="running"),
    }
    return d


def judged(
    d: Deployment, path: str, mark: FileFingerprint | None = None, written: datetime = LATER
) -> tuple[str | None, str, str] | None:
    told = trespass(d, claims(A, B), path, mark or FileFingerprint(path, 1, 1), written)
    return (told[0], told[1].unit, told[1].owner) if told is not None else None


def test_a_path_is_of_the_unit_that_names_it() -> None:
    made = claims(A, B)

    assert (("a", "out/a"), None) == (made.output("/p/out/a"), made.output("/p/out/x"))


@pytest.mark.parametrize(
    ("path", "unit"), [("/p/src/a", "a"), ("/p/src/a/deep/x", "a"), ("/p/src/ab", None), ("/", None)]
)
def test_a_claim_is_of_its_unit_with_all_below(path: str, unit: str | None) -> None:
    assert unit == claims(A, B).tree(path)


def test_claims_know_where_each_path_lies() -> None:
    assert {"out/b": "/p/out/b", "log/b": "/p/log/b"} == claims(B).resolved


@pytest.mark.parametrize(
    ("fields", "busy"),
    [
        ({"state": "running"}, True),
        ({"state": "exited"}, False),
        ({"state": "exited", "intent": 7}, True),
        ({"state": "exited", "observation": Observation("w", 1, "exited", processes=1)}, True),
        ({"state": "exited", "observation": Observation("w", 1, "exited")}, False),
    ],
    ids=str,
)
def test_a_worker_may_be_writing_while_it_lives_is_launched_or_has_left_processes(
    fields: dict[str, Any], busy: bool
) -> None:
    assert busy == at_work(WorkerState(name="w", session="w", **fields))


def test_without_claims_nobody_has_a_tree() -> None:
    assert None is claims(B).tree("/p/src/a")


def test_the_roots_are_the_topmost_directories() -> None:
    units = (A, B, Unit(name="c", outputs=("out/deep/er/c", "outer/c")))

    assert ["/p/log", "/p/more", "/p/out", "/p/outer", "/p/src/a"] == claims(*units).roots(["/p/more", "/p/out/x"])


def test_one_at_work_may_write_its_own() -> None:
    assert None is judged(night(), "/p/out/b", FileFingerprint("out/b", 1, 1))


def test_one_whose_outputs_are_staged_writes_no_output_in_its_place() -> None:
    d = night()
    d.plan = msgspec.structs.replace(d.plan, workers=WorkersSpec(stage=True))

    assert ("wb", "b", "wb") == judged(d, "/p/out/b", FileFingerprint("out/b", 1, 1))


@pytest.mark.parametrize(("path", "marked"), [("/p/out/a", True), ("/p/src/a/x", False), ("/p/stray", False)])
def test_a_conflict_carries_the_file_where_it_is_an_output(path: str, marked: bool) -> None:
    mark = FileFingerprint("out/a", 9, 9)

    told = trespass(night(), claims(A, B), path, mark, LATER)

    assert told is not None
    assert (path, LATER, mark if marked else None) == (told[1].path, told[1].written, told[1].mark)


def test_what_nobody_claims_is_a_conflict_of_the_only_one_at_work() -> None:
    assert ("wb", "", "") == judged(night(), "/p/out/stray")


def test_among_several_at_work_nobody_is_named() -> None:
    d = night()
    d.workers["wa"].state = "running"

    assert (None, "", "") == judged(d, "/p/out/stray")


@pytest.mark.parametrize("path", ["/p/out/x.log", "/p/out/.hidden", "/p/.cache/x", "/p/task.md", "/p/done/task.md"])
def test_ignored_hidden_and_moved_files_are_none(path: str) -> None:
    d = night()
    d.moved = {"/p/task.md": "/p/done/"}

    assert None is judged(d, path)


def test_a_file_from_before_the_deployment_is_none() -> None:
    assert None is judged(night(), "/p/out/old", written=NOW - timedelta(seconds=1))


def test_what_the_log_tells_already_is_not_told_again() -> None:
    d = night()
    d.trespassed["/p/out/stray"] = LATER

    assert None is judged(d, "/p/out/stray")
    assert None is not judged(d, "/p/out/stray", written=LATER + timedelta(seconds=1))


def test_an_output_of_one_who_has_ended_must_stay_as_it_was_judged() -> None:
    assert ("wb", "a", "wa") == judged(night(), "/p/out/a", FileFingerprint("out/a", 9, 9))
    assert None is judged(night(), "/p/out/a", JUDGED)


def test_an_output_that_was_there_before_or_is_told_already_is_in_order() -> None:
    d = night()
    d.units["a"].verdict = None
    other = FileFingerprint("out/a", 4, 4)
    d.before["out/a"] = other
    d.units["a"].wrote["out/a"] = Wrote(mark=JUDGED, first="wa", last="wa")

    assert None is judged(d, "/p/out/a", other)
    assert None is judged(d, "/p/out/a", JUDGED)
    assert None is not judged(d, "/p/out/a", FileFingerprint("out/a", 9, 9))


def test_of_a_waived_unit_or_one_that_waits_for_its_check_nothing_is_said() -> None:
    d = night()
    d.units["a"].verdict = Verdict("a", ("later",), (JUDGED,), waits=True)
    waits = judged(d, "/p/out/a", FileFingerprint("out/a", 9, 9))
    d.units["a"].verdict, d.units["a"].waived = None, True

    assert (None, None) == (waits, judged(d, "/p/out/a", FileFingerprint("out/a", 9, 9)))


def test_a_claimed_tree_is_closed_when_its_worker_has_ended() -> None:
    d = night()

    assert ("wb", "a", "wa") == judged(d, "/p/src/a/x")
    assert None is judged(d, "/p/src/a/x", written=NOW)
    d.workers["wa"].state = "running"
    assert None is judged(d, "/p/src/a/x")


@pytest.mark.parametrize(
    ("since", "started", "written", "conflicts"),
    [(10, 0, 5, False), (10, 0, 10, False), (10, 0, 11, True), (None, 0, 0, False), (None, 0, 5, True)],
)
def test_a_claimed_tree_is_closed_since_the_end_of_its_worker_or_the_start_where_it_never_ran(
    since: int | None, started: int, written: int, conflicts: bool
) -> None:
    d = night()
    d.started = NOW + timedelta(seconds=started)
    d.workers["wa"].since = None if since is None else NOW + timedelta(seconds=since)

    assert conflicts == (judged(d, "/p/src/a/x", written=NOW + timedelta(seconds=written)) is not None)


def test_what_is_written_at_the_very_start_counts() -> None:
    assert None is not judged(night(), "/p/out/new", written=NOW)


def test_a_writer_who_was_told_is_held_to_its_own_places() -> None:
    d = night()
    d.workers["wc"] = WorkerState(name="wc", session="wc", origin="wb")
    mark = FileFingerprint("out/b", 1, 1)

    def of(path: str, writer: str) -> tuple[str | None, bool] | None:
        told = trespass(d, claims(A, B), path, mark, LATER, writer)
        return (told[0], told[1].inferred) if told is not None else None

    assert (("wa", False), None) == (of("/p/out/b", "wa"), of("/p/out/b", "wb"))
    assert (("wb", False), None) == (of("/p/src/a/x", "wb"), of("/p/src/a/x", "wa"))
    d.units["b"].worker = "wc"
    assert None is of("/p/out/b", "wb")


def test_before_the_start_nothing_is_out_of_place() -> None:
    d = night()
    d.started = d.workers["wa"].since = None

    assert (None, None) == (judged(d, "/p/out/stray"), judged(d, "/p/src/a/x"))


def test_a_confined_worker_is_not_suspected_of_what_it_cannot_have_written() -> None:
    d = night()
    free = trespass(d, claims(A, B), "/p/other", FileFingerprint("/p/other", 1, 2), LATER)
    d.host = msgspec.structs.replace(HOST, confinement=Confinement("landlock", "/usr/bin/perl"))

    held = trespass(d, claims(A, B), "/p/other", FileFingerprint("/p/other", 1, 2), LATER)

    assert ("wb", None) == (free and free[0], held and held[0])
    assert held is not None
