"""What keeps an attempt to its own places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from wakeman.core.model import Confinement


class Confiner(Protocol):
    """Blocks writes of an attempt, and every process that it starts, outside its own directories. For ever: no process
    inside can end it, and if a part of it is not available, the program does not run at all.
    """

    def choose(self, env: Mapping[str, str]) -> Confinement:
        """Find the first way that works here, by trying each. Raises: ProgramError with why none does, and what fixes
        it.

        Effects: runs programs; writes to a directory that it makes and removes.
        """

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        """Return the files that it needs in the deployment's directory, by their names there."""

    def rules(self, confinement: Confinement, places: Sequence[str]) -> bytes:
        """Format what an attempt may write: directories with all below, or files; all absolute and existing."""

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        """Return the words before a program's own: `kit` is the directory, `rules` the file that hold those."""
