"""Several deployments set and remove alarms at once: `at`'s own programs disturb each other, ours do not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from wakeman.adapters.at import At
from wakeman.core.errors import ProgramError

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/"}


@pytest.mark.real
def test_alarms_that_come_and_go_beside_ours_are_no_trouble() -> None:
    if weakness := At(ENV).weakness():
        pytest.skip(weakness)
    troubles: list[str] = []
    crowd = [threading.Thread(target=_set_and_take_away, args=(f"crowd:{n}", troubles)) for n in range(8)]

    for one in crowd:
        one.start()
    for one in crowd:
        one.join()

    assert troubles == []


def _set_and_take_away(marker: str, troubles: list[str]) -> None:
    alarms = At(ENV)
    due = datetime.now(UTC) + timedelta(hours=5)
    for _ in range(12):
        try:
            first = alarms.arm(marker, ["/bin/true"], due)
            second = alarms.arm(marker, ["/bin/true"], due)
            assert alarms.pending(second.job, marker)
            alarms.disarm([first.job, second.job])
        except ProgramError as trouble:
            troubles.append(str(trouble))
    alarms.disarm([job.job for job in alarms.find(marker)])
