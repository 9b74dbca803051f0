"""Move a worker's task files once it is verified: its prompts, and the files of `cleanup.move`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.errors import StorageError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.plan.shares import worker_names
from wakeman.core.plan.template import render
from wakeman.core.policy.tables import Decision
from wakeman.engine import layout
from wakeman.engine.attempt.task import share
from wakeman.engine.effects.drafts import about
from wakeman.engine.protocol.steps import Steps, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World


class Exists(Struct, frozen=True):
    """Ask whether a file exists."""

    path: str

    def perform(self, world: World, d: Deployment) -> bool:
        """Return it."""
        return bool(world.files.marks([self.path]))

    def recorded(self, d: Deployment, write: Write) -> bool:
        """Read it from the intent to move it."""
        data = write[0].data
        return isinstance(data, e.Intended) and (data.action, data.target) == ("move", self.path)


class Rename(Struct, frozen=True):
    """Rename a file."""

    source: str
    target: str

    def perform(self, world: World, d: Deployment) -> tuple[bool, str]:
        """Return whether it was moved, and its new path or why not."""
        try:
            return True, world.files.move(self.source, self.target)
        except StorageError as fault:
            return False, str(fault)

    def recorded(self, d: Deployment, write: Write) -> tuple[bool, str]:
        """Read it from the outcome."""
        data = write[0].data
        return (data.ok, data.detail) if isinstance(data, e.Effected) else (True, self.target)


def move_all(d: Deployment, _: Decision, __: datetime) -> Steps[None]:
    """Move the remaining task files of all workers."""
    for worker in list(d.workers.values()):
        yield from move_task(d, worker)


def move_task(d: Deployment, worker: WorkerState) -> Steps[None]:
    """Move a worker's task files, each once."""
    for source, target in list(_pairs(d, worker)):
        if source in d.moved or not (yield from do(Exists(source))):
            continue
        (intent,) = yield from append("action", [about(worker, e.Intended(action="move", target=source, text=target))])
        ok, detail = yield from do(Rename(source, target))
        fact = e.Effected(intent=intent.seq, ok=ok, detail=detail)
        yield from append("outcome", [about(worker, fact)])


def _pairs(d: Deployment, worker: WorkerState) -> Iterator[tuple[str, str]]:
    host = d.host
    if not worker.origin and not worker.review:
        names = worker_names(
            d.name, share(d, worker), layout.prompt_file(host, worker), layout.units_file(host, worker)
        )
        for move in d.plan.cleanup.move:
            source, target = render(move.from_, names), render(move.to, names)
            yield layout.absolute(host, source), layout.absolute(host, target)
    for n in range(1, worker.attempt + 2):  # one more: a check may have died between a launch's files and its intent
        file = posixpath.join("prompts", f"{worker.name}.{n}.md")
        yield layout.inside(host, file), layout.inside(host, "prompts/completed/")
