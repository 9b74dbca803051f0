"""Processes, memory and environment of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

OUT_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of standard output that are kept: its beginning, as a list of units must not lose its first."""


class Ran(Struct, frozen=True):
    """Result of a program. `code` is None if it was ended by the time limit or could not start (`error`).

    Shape: `cut` says why `out` is not all that was printed: `size`, it was longer than `OUT_BYTES_MAX`, or `open`, a
    process that the program left could still have printed more. `inexact` says that bytes in it were no UTF-8, and are
    replaced. Who reads a list, and not words for a person, must look at both.
    """

    code: int | None
    out: str = ""
    err: str = ""
    error: str = ""
    cut: Literal["", "size", "open"] = ""
    inexact: bool = False
    late: bool = False  # it was ended by the time limit


class Kin(Struct, frozen=True):
    """A live process: when it was started, in epoch seconds, its parent, its session, and its command line's beginning.

    Shape: 0 or "" for what is not known.
    """

    born: float
    parent: int = 0
    session: int = 0
    words: str = ""


class Machine(Protocol):
    """Processes, memory and environment of this machine."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        timeout: float,
        stdin: bytes = b"",
    ) -> Ran:
        """Run a program from an argument vector, no shell; end its whole process group at the time limit."""

    def runs(self, program: str, cwd: str, path: str) -> bool:
        """Return whether a program could be started: found on `path` or, if it contains a slash, from `cwd`."""

    def free_memory(self) -> int:
        """Return bytes of memory that a new worker could use; 0 when unknown."""

    def capacity(self) -> tuple[int, int]:
        """Return bytes of memory in all, and the number of processors, that this process may use; 0 when unknown."""

    def marked(self, marks: Iterable[str]) -> dict[str, list[int]]:
        """Find the live processes whose environment holds `WAKEMAN_ATTEMPT=<mark>`, per mark."""

    def mark_of(self, pid: int) -> str:
        """Return the mark in a process's environment; "" for none, or if the process is gone or cannot be read."""

    def born(self, pids: Iterable[int]) -> dict[int, float]:
        """Return when processes were started, in epoch seconds, without those that are gone."""

    def kin(self, pids: Iterable[int]) -> dict[int, Kin]:
        """Describe processes, without those that are gone."""

    def signal(self, pids: Iterable[int], name: Literal["TERM", "KILL", "INT"]) -> None:
        """Signal processes; one that is gone is no error."""

    def alive(self, pid: int) -> bool:
        """Return whether a process of that id is alive; a zombie is not."""

    def environ(self) -> Mapping[str, str]:
        """Return this process's environment."""

    def home(self) -> str:
        """Return the user's home directory."""

    def pid(self) -> int:
        """Return this process's id."""
