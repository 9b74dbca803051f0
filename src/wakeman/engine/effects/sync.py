"""Have the disk keep outputs before anything says that they are done: it forgets in a power cut what it has not
written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.core.text import sanitise
from wakeman.engine.protocol.steps import Steps, Write, append, do
from wakeman.engine.workspace import workspace

if TYPE_CHECKING:
    from wakeman.ports import World

PATH_CHARS_SHOWN = 200
"""Characters of an output's path that a reason repeats."""


class Sync(Struct, frozen=True):
    """Sync the outputs of units, where they were judged to be done."""

    units: tuple[str, ...]

    def perform(self, world: World, d: Deployment) -> Mapping[str, str]:
        """Return the units that the disk does not keep, and why. Repeatable: yes."""
        owners: dict[str, tuple[str, str]] = {}
        for name in self.units:
            state = d.units[name]
            place = workspace(d, d.workers[state.worker]).places(state)[0]
            owners.update({whole: (name, path) for path, whole in place.outputs.items()})
        refused: dict[str, str] = {}
        for whole, why in world.files.sync(owners, within=d.host.root).items():
            name, path = owners[whole]
            refused.setdefault(name, f"{sanitise(path, PATH_CHARS_SHOWN)}: {sanitise(why, PATH_CHARS_SHOWN)}")
        return refused

    def recorded(self, d: Deployment, write: Write) -> Mapping[str, str]:
        """Read it from what follows: only what was refused is in the log."""
        return {event.data.unit: event.data.why for event in write if isinstance(event.data, e.Unsynced)}


def sync_outputs(d: Deployment, workers: Iterable[str]) -> Steps[bool]:
    """Sync the outputs of workers' units, as far as they are not on the disk as they are; return whether all are now.

    Boundary: what a person waived need not be there.
    """
    units = [name for worker in workers for name in d.workers[worker].units if _is_loose(d, name)]
    if not units:
        return True
    refused = yield from do(Sync(tuple(units)))
    drafts = [e.Draft(e.Unsynced(unit=name, why=why), worker=d.units[name].worker) for name, why in refused.items()]
    yield from append("outcome", drafts)
    return not refused


def _is_loose(d: Deployment, name: str) -> bool:
    unit = d.units[name]
    return (
        not unit.waived and unit.verdict is not None and bool(unit.verdict.marks) and unit.verdict.marks != unit.synced
    )
