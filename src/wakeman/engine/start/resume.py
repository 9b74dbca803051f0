"""Resuming after a crash: one check of each deployment, and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.errors import WakemanError
from wakeman.core.log.events import Exited, Launched, Relaunched
from wakeman.core.model import Deployment
from wakeman.core.policy.outbox import is_owed
from wakeman.engine.check import check

if TYPE_CHECKING:
    from wakeman.ports import World


class ResumeResult(Struct, frozen=True):
    """One resumed deployment, or the error that prevented it.

    Shape: workers by name. `adopted` were found alive though the log had no outcome of their launch; `alive` were alive
    all along; `launched` were started for the missing units of their share; `ended` had ended meanwhile. `pending`
    counts workers that are not launched yet.
    """

    name: str
    deployment: Deployment | None = None
    error: WakemanError | None = None
    adopted: tuple[str, ...] = ()
    alive: tuple[str, ...] = ()
    launched: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    pending: int = 0


def openings(world: World) -> list[str]:
    """List what can be resumed, oldest first: open ones, closed ones with an undelivered notice, unreadable ones."""
    return [name for name in world.logs.names() if _is_open(world, name)]


def _is_open(world: World, name: str) -> bool:
    try:
        d = world.logs.read(name)
    except WakemanError:
        return True  # unreadable: resuming it reports why
    return d.outcome == "open" or is_owed(d) or d.alarm is not None


def resume(world: World, names: Iterable[str]) -> Iterator[ResumeResult]:
    """Resume deployments, one after the other. One that fails is reported, and stops no other.

    Repeatable: yes, also while another check runs; the next alarm would do the same.
    """
    for name in names:
        try:
            yield _resume_one(world, name)
        except WakemanError as fault:
            yield ResumeResult(name=name, error=fault)


def _resume_one(world: World, name: str) -> ResumeResult:
    before = world.logs.read(name).seq
    d = check(world, name)
    adopted, launched, ended = [], [], []
    for event in world.logs.events(name, before):
        worker = event.worker or ""
        match event.data:
            case Launched(adopted=True) | Relaunched(adopted=True):
                adopted.append(worker)
            case Launched() | Relaunched():
                launched.append(worker)
            case Exited():
                ended.append(worker)
            case _:
                pass
    live = {worker.name for worker in d.workers.values() if worker.live}
    return ResumeResult(
        name=name,
        deployment=d,
        adopted=tuple(worker for worker in adopted if worker in live),
        alive=tuple(sorted(live.difference(adopted, launched))),
        launched=tuple(launched),
        ended=tuple(worker for worker in dict.fromkeys(ended) if worker not in launched),
        pending=sum(1 for worker in d.workers.values() if worker.state == "pending"),
    )
