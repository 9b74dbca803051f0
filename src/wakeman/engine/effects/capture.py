"""Keep a worker's screen as evidence."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.digests import sha256
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.core.policy.tables import Decision
from wakeman.engine import layout, terminals
from wakeman.engine.effects.drafts import about
from wakeman.engine.protocol.steps import Steps, Write, append, do

if TYPE_CHECKING:
    from wakeman.ports import World

EVIDENCE_ROWS = 200
"""Lines of a screen that are kept as evidence."""


class Capture(Struct, frozen=True):
    """Write the last lines of a worker's screen to `file`, below the deployment's directory."""

    worker: str
    file: str

    def perform(self, world: World, d: Deployment) -> str:
        """Return the SHA-256 of the file: the screen without keys, or why there is none."""
        from wakeman.core.paint import painted_rows, plain_row, repainted
        from wakeman.engine.attempt import secrets

        worker = d.workers[self.worker]
        try:
            text = terminals.painted_screen(world, d, worker, EVIDENCE_ROWS)
        except (UnknownNameError, ProgramError) as fault:
            text = f"(no screen: {fault})"
        rows = painted_rows(text)
        shown = secrets.redactor(world, d)("\n".join(map(plain_row, rows)))  # a colour within a key would hide the key
        data = repainted(rows, shown).encode("utf-8", "backslashreplace")
        world.files.write(layout.inside(d.host, self.file), data, durable=True)
        return sha256(data).hexdigest()

    def recorded(self, d: Deployment, write: Write) -> str:
        """Read the digest."""
        data = write[0].data
        return data.sha256 if isinstance(data, e.Captured) else ""


def capture(d: Deployment, decision: Decision, _: datetime) -> Steps[None]:
    """Keep the screen of a decision's worker."""
    worker = d.workers[decision.worker]
    file = layout.screen_file(worker)
    digest = yield from do(Capture(worker.name, file))
    yield from append("action", [about(worker, e.Captured(file=file, sha256=digest, why=decision.why))])
