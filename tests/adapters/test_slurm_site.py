"""What of a Slurm site is weak for a plan: tables of its settings; without a cluster."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from msgspec.structs import replace

from wakeman.adapters.slurm.batches import KeptTask
from wakeman.adapters.slurm.queue import Row
from wakeman.adapters.slurm.weak_points import age_weakness, node_lack, room_weakness, skew_weakness, told_span
from wakeman.core.model import Plan, SlurmSpec, StuckSpec, UnitsSpec, WakeSpec
from wakeman.core.model.plan import Pace

PLAN = Plan(name="n", units=UnitsSpec(items=("a",)), stuck=StuckSpec(attempts=3))
KEPT = KeptTask("b", 0, "w", "m", "7", began=False, code=None, ended=False, gone=False)


@pytest.mark.parametrize(
    ("listed", "workers", "reserve", "asked"),
    [
        (0, 3, 0, ""),  # 9 jobs, and the controller takes one less than it is set to
        (1, 3, 0, "MaxJobCount=11"),
        (0, 4, 0, "MaxJobCount=13"),
        (9, 0, 0, ""),
        (9, 1, 0, "MaxJobCount=13"),
        (50, 1, 0, "MaxJobCount=54"),
        (6, 3, 3, ""),  # three steps in one job
        (6, 4, 3, "MaxJobCount=11"),
    ],
)
def test_the_controller_must_hold_all_attempts_beside_the_jobs_that_are_listed(
    listed: int, workers: int, reserve: int, asked: str
) -> None:
    plan = replace(PLAN, slurm=SlurmSpec(reserve=reserve))
    found = [mend for _, mend in room_weakness({"MaxJobCount": "10"}, listed, plan, workers)]

    assert ([f"ask the administrator of the cluster for {asked} or more"] if asked else []) == found


def test_jobs_of_others_that_this_user_does_not_see_are_said_to_be_there() -> None:
    site = {"MaxJobCount": "10", "PrivateData": "accounts,jobs"}

    ((found, _),) = room_weakness(site, 2, PLAN, 5)

    assert "MaxJobCount=10: with 2 jobs listed, of which this user does not see all there is room for 7 more" in found
    assert "5 workers with up to 3 attempts each" in found
    assert [] == [*room_weakness({}, 2, PLAN, 5)], "a site that does not say it"


@pytest.mark.parametrize(
    ("age", "every", "asked"),
    [
        ("300 sec", 300.0, ""),
        ("300 sec", 301.0, "MinJobAge=301"),
        ("300 sec", "long", "MinJobAge=900"),
        ("2 sec", 60.5, "MinJobAge=61"),
        ("0 sec", 3600.0, ""),  # for ever
        ("", 3600.0, ""),
    ],
)
def test_a_job_that_has_ended_must_be_listed_until_the_next_alarm(age: str, every: float | Pace, asked: str) -> None:
    plan = replace(PLAN, wake=WakeSpec(every=every))
    mends = [mend for _, mend in age_weakness({"MinJobAge": age}, plan)]

    assert bool(asked) == bool(mends)
    assert all(mend.startswith(f"ask the administrator of the cluster for {asked} or more") for mend in mends)


@pytest.mark.parametrize(
    ("behind", "said"),
    [(0, ""), (30, ""), (31, ""), (32, "by 31 s or more"), (-29, ""), (-40, "by 35 s or more"), (3600, "by 3599 s")],
)
def test_a_clock_differs_by_at_least_what_no_moment_of_the_call_explains(behind: int, said: str) -> None:
    """The call took five seconds, and the answer has whole seconds."""
    began = 1_700_000_000.0
    spans = ((began - behind, began - behind + 1),)

    found = [words for words, _ in skew_weakness("the controller", spans, (began, began + 5))]

    assert bool(said) == bool(found)
    assert all(said in words for words in found)


def test_what_slurm_prints_of_its_time_is_read_in_the_zone_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        winter, twice = told_span("2026-12-01T01:00:00"), told_span("2026-10-25T02:30:00")
    finally:
        monkeypatch.undo()
        time.tzset()

    at = datetime.fromisoformat("2026-12-01T00:00:00+00:00").timestamp()
    assert ((at, at + 1),) == winter
    assert [1, 3600, 1] == [twice[0][1] - twice[0][0], twice[1][0] - twice[0][0], twice[1][1] - twice[1][0]]
    assert () == told_span("(null)")
    assert [] == [*skew_weakness("the controller", (), (0, 1))]


@pytest.mark.parametrize(
    ("task", "code", "what"),
    [
        (KEPT, -53, "slurm's files"),  # no output file can be made
        (KEPT, 126, "slurm's files"),
        (replace(KEPT, began=True), -53, ""),
        (replace(KEPT, began=True), 126, ""),
        (KEPT, 53, ""),
        (KEPT, None, ""),
        (replace(KEPT, began=True, ended=True, refused="tmux: not found on t1"), 127, "slurm's tmux"),
        (replace(KEPT, began=True, ended=True, refused="/tmp/x: cannot be made on t1"), 127, ""),
    ],
)
def test_what_a_node_lacks_is_told_by_how_a_job_ended_there(task: KeptTask, code: int | None, what: str) -> None:
    row = Row("b", 0, "7_0", "7", "FAILED", code, "None", "t1", 0.0, "")

    found = node_lack(task, row, "/shared/state/n")

    assert what == (found.what if found is not None else "")
    assert None is node_lack(KEPT, None, "/shared/state/n")
