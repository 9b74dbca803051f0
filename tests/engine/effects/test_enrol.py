"""What a cleanup worker is called, and what its task says of the one before."""

from __future__ import annotations

from typing import Any

import pytest

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Plan, Unit, UnitsSpec, UnitState, WorkerState
from wakeman.core.policy.tables import EDITION_QUOTING_MIN
from wakeman.engine.effects.enrol import FAILED_HEAD, SAID_HEAD, cleanup_name, cleanups


def deployment(*names: str, edition: int = 4, **fields: Any) -> Deployment:
    """Return a deployment of workers that have ended by themselves, each with a unit that is missing."""
    workers = [
        WorkerState(name=name, session=name, units=[f"{name}/1"], state="exited", attempt=1, spent=1, code=0)
        for name in names
    ]
    for one in workers:
        one.ended_by = "itself"
        for key, value in fields.items():
            setattr(one, key, value)
    units = {f"{name}/1": UnitState(unit=Unit(f"{name}/1", ("o",)), worker=name) for name in names}
    plan = Plan(name="n", units=UnitsSpec())
    return Deployment(plan=plan, edition=edition, units=units, workers={one.name: one for one in workers})


def note(d: Deployment) -> str:
    [draft] = cleanups(d)
    assert isinstance(draft.data, e.Enrolled)
    return draft.data.note


@pytest.mark.parametrize(
    ("taken", "name"),
    [((), "w_c1"), (("w",), "w_c1"), (("w_c1",), "w_c2"), (("w_c1", "w_c2", "w_c4"), "w_c3"), (("w_c2",), "w_c1")],
)
def test_a_cleanup_worker_has_the_first_number_that_nobody_has(taken: tuple[str, ...], name: str) -> None:
    assert name == cleanup_name("w", taken)


def test_names_that_differ_in_case_alone_are_one_name_to_a_cleanup_worker() -> None:
    """So they are to some file systems, on which each has a directory."""
    found = [draft.worker for draft in cleanups(deployment("W", "w"))]

    assert ["W_c1", "w_c2"] == found


def test_a_cleanup_of_a_cleanup_is_called_by_the_first_of_its_workers() -> None:
    [draft] = cleanups(deployment("w_c1", origin="w"))

    assert isinstance(draft.data, e.Enrolled)
    assert ("w_c2", "w_c2", "w", ("w_c1/1",)) == (draft.worker, draft.data.session, draft.data.origin, draft.data.moved)


@pytest.mark.parametrize(
    ("edition", "said", "head"),
    [
        (4, "Both?", [SAID_HEAD, "Both?", "", FAILED_HEAD]),
        (3, "Both?", [SAID_HEAD, "Both?", "", FAILED_HEAD]),
        (EDITION_QUOTING_MIN, "Both?", [FAILED_HEAD]),
        (EDITION_QUOTING_MIN - 1, "Both?", ["Checks that failed:"]),
        (4, "", [FAILED_HEAD]),
        (EDITION_QUOTING_MIN, "", [FAILED_HEAD]),
    ],
)
def test_a_task_quotes_the_last_words_of_the_one_before_where_there_are_any(
    edition: int, said: str, head: list[str]
) -> None:
    lines = note(deployment("w", edition=edition, said=said)).splitlines()

    assert (len(head) + 1, head[0], head[-1]) == (len(lines), lines[0], lines[-2])
    assert said in "".join(lines) or edition <= EDITION_QUOTING_MIN
