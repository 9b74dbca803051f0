"""Confines an attempt to its own directories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from wakeman.core.model import Confinement


class Confiner(Protocol):
    """Blocks writes of an attempt, and every process that it starts, outside its own directories.

    It cannot be lifted: no process inside can end it, and if a part of it is not available, the program does not run.
    """

    def choose(self, env: Mapping[str, str]) -> Confinement:
        """Find the first mechanism that works here, by testing each.

        Raises: ProgramError with why none does, and what fixes it. Effects: runs programs; writes to a directory that
        it makes and removes.
        """

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        """Return the files that it needs in the deployment's directory, by name."""

    def rules(self, confinement: Confinement, places: Sequence[str]) -> bytes:
        """Format what an attempt may write: directories with all below, or files; all absolute and existing."""

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        """Return the arguments before a program's own; `kit` is the directory of its files, `rules` the rules' file."""
