"""The log of every scripted deployment is audited: none diverges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wakeman.adapters.memory import MemoryWorld
from wakeman.audit.auditor import Auditor
from wakeman.core.log.events import decode


@pytest.fixture(autouse=True)
def _every_log_audits_clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    stages: list[MemoryWorld] = []
    made = MemoryWorld.__post_init__

    def noted(stage: MemoryWorld) -> None:
        made(stage)
        stages.append(stage)

    monkeypatch.setattr(MemoryWorld, "__post_init__", noted)
    yield
    for stage in stages:
        for lines in (tape.data.splitlines(keepends=True) for tape in stage.logs.tapes.values()):
            judge = Auditor()
            for line in lines:
                judge.take(decode(line[:-1]))
            assert [] == judge.divergences
