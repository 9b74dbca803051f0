"""The processes of this machine, read from /proc; one that ends meanwhile is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process: its directory below /proc, and what it was started with."""

    place: Path
    argv: list[str]

    @property
    def pid(self) -> int:
        return int(self.place.name)

    @property
    def checks(self) -> bool:
        """Whether it is a check: never told by a part of an argument, as a directory may be called so as well."""
        return "check" in self.argv or any(Path(one).name == "check.sh" for one in self.argv)


def processes(word: str = "") -> Iterator[Process]:
    """Yield every process that has such a text in one of its arguments, kernel's and ended ones left out."""
    sought = os.fsencode(word)
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        with suppress(OSError):
            with open(f"/proc/{name}/cmdline", "rb") as stream:
                said = stream.read()
            # No text that is sought has a NUL in it. Most processes are somebody else's, at the end of each test.
            if said and sought in said:
                yield Process(Path("/proc", name), [os.fsdecode(one) for one in said.split(b"\0")[:-1]])
