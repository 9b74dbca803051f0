"""Keep a worker's screen as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.digests import sha256
from wakeman.core.errors import StorageError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.core.policy.tables import EDITION_SCREENS_MIN, Decision
from wakeman.engine import layout, terminals
from wakeman.engine.effects.drafts import about
from wakeman.engine.protocol.steps import Steps, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World

EVIDENCE_ROWS = 200
"""Lines of a screen that are kept as evidence."""


class Capture(Struct, frozen=True):
    """Write the last lines of workers' screens to files below the deployment's directory: `files`, by worker."""

    files: Mapping[str, str]

    def perform(self, world: World, d: Deployment) -> Mapping[str, str]:
        """Return the SHA-256 of each worker's file: the screen without keys, or why there is none."""
        from wakeman.core.paint import painted_rows, plain_row, repainted
        from wakeman.engine.attempt import secrets

        redact = secrets.redactor(world, d)
        screens = terminals.painted_screens(world, d, [d.workers[name] for name in self.files], EVIDENCE_ROWS)
        digests = {}
        for (name, file), text in zip(self.files.items(), screens, strict=True):
            rows = painted_rows(text)
            shown = redact("\n".join(map(plain_row, rows)))  # a colour within a key would hide the key
            data = repainted(rows, shown).encode("utf-8", "backslashreplace")
            world.files.write(layout.inside(d.host, file), data)
            digests[name] = sha256(data).hexdigest()
        lost = world.files.sync([layout.inside(d.host, file) for file in self.files.values()], within=d.host.directory)
        for path, why in lost.items():
            raise StorageError(f"{path}: {why}")
        return digests

    def recorded(self, d: Deployment, write: Write) -> Mapping[str, str]:
        """Read the digests."""
        return {event.worker or "": event.data.sha256 for event in write if isinstance(event.data, e.Captured)}


def capture(d: Deployment, decision: Decision, _: datetime) -> Steps[None]:
    """Keep the screen of a decision's worker, in logs of the editions that kept each by itself."""
    if d.edition < EDITION_SCREENS_MIN:
        yield from keep_screens(d, [decision])


def keep_screens(d: Deployment, decisions: Iterable[Decision]) -> Steps[None]:
    """Keep the screens that decisions on workers ask for, in one write."""
    wanted = {decision.worker: decision.why for decision in decisions if "capture" in decision.then}
    if not wanted:
        return
    files = {name: layout.screen_file(d.workers[name]) for name in wanted}
    digests = yield from do(Capture(files))
    yield from append(
        "action",
        [
            about(d.workers[name], e.Captured(file=files[name], sha256=digests.get(name, ""), why=why))
            for name, why in wanted.items()
        ],
    )
