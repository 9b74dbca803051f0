"""What is held for a deployment: one allocation, as files in its directory, and what was asked for in it.

It is written before Slurm is asked for it, and its job carries its id in its name: so it is asked for once, and found
again. There is one for each deployment: when it has ended, no other follows.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct

from wakeman.adapters.slurm.kept_files import append_line, first_line, put_whole

ALLOCATION = "allocation"
"""Where it is, beside the batches."""
ASKED, NO_MORE = "asked", "end"
"""The file of what is to run in it, and the line that says: nothing more."""
_ASKED_LINE = re.compile(r"([0-9a-f]{12}) ([0-9]{1,6})")


class HeldAllocation(Struct, frozen=True):
    """An allocation as its files tell it. `base` is its job's id, "" while it is not known.

    Shape: `batches` were asked for in it, each with its number of tasks. It takes no more once it is `closed`, by who
    asked for it, or is `ending`, as it says itself.
    """

    name: str
    base: str
    began: bool
    closed: bool
    ending: bool
    batches: Mapping[str, int]


class Allocation:
    """The allocation of one deployment's batches."""

    def __init__(self, batches: str) -> None:
        self.place = f"{batches}/{ALLOCATION}"

    def path(self, name: str) -> str:
        """Return the path of a file of it."""
        return f"{self.place}/{name}"

    def read(self) -> HeldAllocation | None:
        """Return what is written of it; None if none was ever to be asked for."""
        name = first_line(self.path("id"))
        if not re.fullmatch(r"[0-9a-f]{12}", name):
            return None
        lines: list[str] = []
        with suppress(OSError), open(self.path(ASKED), encoding="ascii", errors="replace") as file:
            lines = [line for line in file.read().split("\n")[:-1] if line]
        until = lines.index(NO_MORE) if NO_MORE in lines else len(lines)
        asked = (_ASKED_LINE.fullmatch(line) for line in lines[:until])
        base = first_line(self.path("job"))
        return HeldAllocation(
            name=name,
            base=base if re.fullmatch(r"\d+", base) else "",
            began=os.path.exists(self.path("began")),
            closed=NO_MORE in lines,
            ending=os.path.exists(self.path("ending")),
            batches={found[1]: int(found[2]) for found in asked if found},
        )

    def write(self, script: str) -> None:
        """Write one that is about to be asked for, with the script that runs its sessions."""
        os.makedirs(self.place, mode=0o700, exist_ok=True)
        with open(script, "rb") as file:
            put_whole(self.path("job.sh"), file.read())
        if not os.path.exists(self.path(ASKED)):
            put_whole(self.path(ASKED), b"")
        put_whole(self.path("id"), f"{os.urandom(6).hex()}\n".encode())

    def submitted(self, base: str) -> None:
        """Write under which job id it was asked for."""
        put_whole(self.path("job"), f"{base}\n".encode())

    def refused(self) -> None:
        """Remove one that Slurm did not take."""
        shutil.rmtree(self.place, ignore_errors=True)

    def run(self, batch: str, count: int) -> None:
        """Ask for the sessions of a batch in it."""
        append_line(self.path(ASKED), f"{batch} {count}")

    def close(self) -> None:
        """Write that nothing more is to run in it. Boundary: one that was not asked for is never asked for then."""
        held = self.read()
        if held is None:
            os.makedirs(self.place, mode=0o700, exist_ok=True)
        if held is None or not held.closed:
            append_line(self.path(ASKED), NO_MORE)
        if held is None:
            put_whole(self.path("id"), f"{os.urandom(6).hex()}\n".encode())
