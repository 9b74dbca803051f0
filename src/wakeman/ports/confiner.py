"""Confines an attempt to its own directories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from wakeman.core.model import Confinement, Network


class Reach(Struct, frozen=True):
    """What an attempt may do with files: paths of directories with all below, or of files; all absolute.

    Shape: it may write to `writes`, and read all but what lies in `hidden`, where it may read `reads` and `writes`.
    Those two exist, and are free of symlinks; what is `hidden` may be missing.
    """

    writes: Sequence[str]
    reads: Sequence[str] = ()
    hidden: Sequence[str] = ()


class Confiner(Protocol):
    """Blocks writes of an attempt, and every process that it starts, outside its own directories.

    It cannot be lifted: no process inside can end it, and if a part of it is not available, the program does not run.
    """

    def choose(self, env: Mapping[str, str], network: Network = "all") -> Confinement:
        """Find the first way that works here and leaves that of the network, by trying each.

        Shape: one that keeps less than the others is taken only where no other works; `words` say what it leaves.
        Raises: ProgramError with why none does, and what fixes it.

        Raises: ProgramError with why none does, and what fixes it. Effects: runs programs; writes to a directory that
        it makes and removes.
        """

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        """Return the files that it needs in the deployment's directory, by name."""

    def rules(self, confinement: Confinement, reach: Reach) -> bytes:
        """Format what an attempt may write and read."""

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        """Return the arguments before a program's own; `kit` is the directory of its files, `rules` the rules' file."""
