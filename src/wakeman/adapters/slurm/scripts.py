"""The script by which a job makes its session: tmux commands, and nothing of a plan that a shell would read."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wakeman.adapters.tmux.creation import creation_commands, refused_start

if TYPE_CHECKING:
    from wakeman.ports import Made, Start


def job_script(start: Start, pane: str) -> str:
    """Return what `job.sh` reads of a task: the session's name, and the function that creates it."""
    wrapped = replace(start, argv=("/bin/sh", "-c", pane, "sh", *start.argv))
    words = shlex.join(creation_commands(wrapped))
    return f"name={shlex.quote(start.session)}\ncreate() {{\n    call {words}\n}}\n"


def refused_job(start: Start) -> Made | None:
    """Return why a start cannot be a job's; None if it can."""
    refused = refused_start(start)
    return replace(refused, error=re.sub(r"^tmux session", "slurm: session", refused.error)) if refused else None
