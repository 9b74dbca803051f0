"""What others take for the same: a durable event with `eventsourcing`, a durable step with DBOS; both on SQLite.

Installed by `make bench` alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def eventsourcing(path: Path, size: int) -> Callable[[], float]:
    """Return what saves `size` events of one aggregate, each durably by itself, and says how long that took."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event

    class Night(Aggregate):
        @event("Decided")
        def decided(self, row: str, looked: int, why: str) -> None:
            self.row = row, looked, why

    class Nights(Application[Any]):
        pass

    app = Nights(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path / "es.db")})
    night = Night()
    app.save(night)

    def run() -> float:
        began = time.perf_counter()
        for _ in range(size):
            night.decided("sleep", 1, "47/54 units done, and some words to make a line of usual length")
            app.save(night)
        return time.perf_counter() - began

    return run


def loading(path: Path, count: int) -> Callable[[], float]:
    """Return what loads an aggregate of `count` events, and says how much of the processor that took."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event

    class Loaded(Aggregate):
        @event("Decided")
        def decided(self, row: str, looked: int, why: str) -> None:
            self.row = row, looked, why

    class Loads(Application[Any]):
        pass

    app = Loads(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path / "load.db")})
    night = Loaded()
    for _ in range(count):
        night.decided("sleep", 1, "47/54 units done, and some words to make a line of usual length")
    app.save(night)

    def run() -> float:
        began = time.process_time()
        app.repository.get(night.id)
        return time.process_time() - began

    return run


def dbos(path: Path, size: int) -> Callable[[], float]:
    """Return what runs a workflow of `size` steps, and says how long each of ours has to beat."""
    from dbos import DBOS

    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{path}/dbos.db", "log_level": "ERROR"})

    @DBOS.step()
    def step(n: int) -> int:
        return n

    @DBOS.workflow()
    def flow() -> float:
        began = time.perf_counter()
        for n in range(size):
            step(n)
        return time.perf_counter() - began

    DBOS.launch()
    return lambda: float(flow())
