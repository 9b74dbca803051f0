"""A confinement for sessions in memory: an actor's writes outside its directories have no effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wakeman.core.errors import ProgramError
from wakeman.core.model import Confinement

PROGRAM = "/memory/confine"


@dataclass
class MemoryConfiner:
    """A mechanism that always works, unless `broken` says why not."""

    broken: str = ""

    def choose(self, env: Mapping[str, str]) -> Confinement:
        del env
        if self.broken:
            raise ProgramError(self.broken, "wakeman doctor")
        return Confinement(way="memory", program=PROGRAM, words="a rehearsal's")

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        del confinement
        return {"confine.rehearsed": b"nothing runs\n"}

    def rules(self, confinement: Confinement, places: Sequence[str]) -> bytes:
        del confinement
        return "".join(f"{place}\0" for place in places).encode("utf-8", "surrogateescape")

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        del kit
        return confinement.program, rules


def rules_file(argv: Sequence[str]) -> str:
    """Return the file of rules by which a command line is confined; "" if it is not."""
    return argv[argv.index(PROGRAM) + 1] if PROGRAM in argv else ""
