"""The processes of this machine, read from /proc; one that ends meanwhile is left out."""

from __future__ import annotations

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
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            one = Process(place, (place / "cmdline").read_text(errors="surrogateescape").split("\0")[:-1])
            if one.argv and any(word in argument for argument in one.argv):
                yield one
