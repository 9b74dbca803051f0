"""What is done is on the disk: which outputs are synced before it is written, and what is written where one is not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.play import Play
from tests.transcript import AT, answered

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, FileFingerprint, Unit, UnitState, Verdict, WorkerState
from wakeman.engine.effects.sync import PATH_CHARS_SHOWN, Sync, sync_outputs

MARKS = (FileFingerprint("o", 1, 2, 3),)
BEFORE = (FileFingerprint("o", 1, 1, 3),)


def deployment(**units: dict[str, Any]) -> Deployment:
    """Give a deployment of one worker, whose units are as the test says."""
    return Deployment(
        units={name: UnitState(unit=Unit(name, ("o",)), worker="w", **fields) for name, fields in units.items()},
        workers={"w": WorkerState(name="w", session="w", units=list(units))},
    )


DONE: dict[str, Any] = {"verdict": Verdict("u", marks=MARKS)}


@pytest.mark.parametrize(
    ("unit", "loose"),
    [
        (DONE, True),
        ({**DONE, "synced": BEFORE}, True),
        ({**DONE, "synced": MARKS}, False),
        ({**DONE, "waived": True}, False),
        ({"verdict": Verdict("u")}, False),
        ({"verdict": Verdict("u"), "synced": MARKS}, False),
        ({}, False),
        ({"waived": True}, False),
    ],
    ids=str,
)
def test_what_is_there_and_not_on_the_disk_as_it_is_gets_synced(unit: dict[str, Any], loose: bool) -> None:
    steps, kept = answered(sync_outputs(deployment(u=unit), ["w"]), {Sync: {}})

    assert ([Sync(("u",))] * loose, True) == (steps, kept)


def test_of_several_units_those_that_are_on_the_disk_are_left_alone() -> None:
    d = deployment(a=DONE, b={**DONE, "synced": MARKS}, c=DONE)

    assert [Sync(("a", "c"))] == answered(sync_outputs(d, ["w"]), {Sync: {}})[0]


def test_a_unit_that_the_disk_does_not_keep_is_written_with_the_reason() -> None:
    d = deployment(a=DONE, b=DONE)

    (_, written), kept = answered(sync_outputs(d, ["w"]), {Sync: {"b": "o: no room"}})

    assert ("outcome", (e.Draft(e.Unsynced(unit="b", why="o: no room"), worker="w"),), False) == (
        written.kind,
        written.drafts,
        kept,
    )


# On the disk itself


def refused(plan: dict[str, dict[str, object]] | None = None, **failing: str) -> dict[str, str]:
    """Sync the two units of a worker whose outputs are there, as far as they do not fail; return the refusals."""
    play = Play(workers=1, units=2, plan=plan or {})
    play.up()
    files = play.stage.files
    for name in ("u0", "u1"):
        files.write(f"/plans/out/w0/{name}.json", b"1")
    files.failing = {f"/plans/out/w0/{name}.json": why for name, why in failing.items()}
    return dict(Sync(("w0/u0", "w0/u1")).perform(play.stage.world(), play.deployment))


def test_what_the_disk_keeps_is_refused_to_nobody() -> None:
    assert {} == refused()


def test_the_unit_whose_output_is_not_kept_is_told_with_the_output_and_the_reason() -> None:
    assert {"w0/u1": "out/w0/u1.json: input/output error"} == refused(u1="input/output\x1b[1m error")


def test_a_path_and_a_reason_are_repeated_in_part() -> None:
    (told,) = refused(u0="x" * 1000).values()

    assert len("out/w0/u0.json: ") + PATH_CHARS_SHOWN >= len(told) > PATH_CHARS_SHOWN


def test_outputs_of_a_stage_are_synced_where_they_are_final() -> None:
    """A worker whose outputs were promoted has left its stage behind."""
    assert {} == refused({"workers": {"stage": True}})


def test_what_was_not_kept_is_read_from_the_log() -> None:
    facts: list[e.Fact] = [e.Unsynced(unit="a", why="no room"), e.Noted(text="x")]
    lines = [e.Event(v=1, seq=n, at=AT, by="at:1", worker="w", data=fact, hash="") for n, fact in enumerate(facts, 1)]

    assert {"a": "no room"} == Sync(("a", "b")).recorded(Deployment(), lines)
