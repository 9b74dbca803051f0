"""Which deployments are live here: kept for this user on this machine, outside every state directory."""

from __future__ import annotations

from typing import Protocol

from wakeman.core.model import Host, Identity
from wakeman.core.policy.ownership import Entry, Site


class Registry(Protocol):
    """Which deployments are live here. Directories are absolute paths of deployments."""

    def identity(self) -> Identity:
        """Return where and as whom this process runs."""

    def unsafe(self, directory: str) -> str:
        """Return why others could change what is in a deployment's directory; "" when only this user can.

        Boundary: a directory that does not exist yet is judged by the state directory that it is to be made in.
        """

    def look(self, directory: str) -> tuple[Entry | None, Site]:
        """Return what is kept of a directory, and what is found of it. Cost: one small file read, three stats.

        Boundary: a directory that is gone has inode 0. Raises: StorageError when the registry cannot be read.
        """

    def directories(self) -> list[str]:
        """List the directories that are kept: those of deployments, and the state directories that hold them."""

    def enrol(self, directory: str, host: Host) -> None:
        """Keep a deployment as live here, durably. Repeatable: yes. Raises: StorageError."""

    def forget(self, directory: str) -> None:
        """Drop what is kept of a directory. No error when nothing is."""
