"""A confinement for sessions in memory: an actor's writes outside its directories have no effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wakeman.core.errors import ProgramError
from wakeman.core.model import Confinement, Network
from wakeman.ports import Reach

PROGRAM = "/memory/confine"


@dataclass
class MemoryConfiner:
    """A way that always works, unless `broken` says why not, or the network is the one that it `lacks`."""

    broken: str = ""
    lacks: Network | None = None
    asked: list[Reach] = field(default_factory=list)

    def choose(self, env: Mapping[str, str], network: Network = "all") -> Confinement:
        del env
        if self.broken or network == self.lacks:
            raise ProgramError(self.broken or f"no network {network!r} here", "wakeman doctor")
        return Confinement(way="memory", program=PROGRAM, words="a rehearsal's", network=network)

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        del confinement
        return {"confine.rehearsed": b"nothing runs\n"}

    def rules(self, confinement: Confinement, reach: Reach) -> bytes:
        del confinement
        self.asked.append(reach)
        return "".join(f"{place}\0" for place in reach.writes).encode("utf-8", "surrogateescape")

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        del kit
        return confinement.program, rules


def rules_file(argv: Sequence[str]) -> str:
    """Return the file of rules by which a command line is confined; "" if it is not."""
    return argv[argv.index(PROGRAM) + 1] if PROGRAM in argv else ""
