"""A registry in memory."""

from __future__ import annotations

from wakeman.core.model import Host, Identity
from wakeman.core.policy import ownership
from wakeman.core.policy.ownership import Entry, Site


class MemoryRegistry:
    """A registry in which `here` is where and as whom the world runs, `boot` the machine's boot.

    Shape: `exposed` names directories that others could change, with the reason; `inodes` directories that were
    replaced, with what they are now.
    """

    def __init__(self, here: Identity | None = None, boot: str = "b00t") -> None:
        self.here = here or Identity(machine="memory", uid=1000, pid_namespace=1)
        self.boot = boot
        self.kept: dict[str, Entry] = {}
        self.exposed: dict[str, str] = {}
        self.inodes: dict[str, int] = {}

    def identity(self) -> Identity:
        return self.here

    def unsafe(self, directory: str) -> str:
        return self.exposed.get(directory, "")

    def look(self, directory: str) -> tuple[Entry | None, Site]:
        return self.kept.get(directory), self._site(directory)

    def directories(self) -> list[str]:
        return sorted(self.kept)

    def enrol(self, directory: str, host: Host) -> None:
        self.kept[directory] = ownership.entry(self._site(directory), host)

    def forget(self, directory: str) -> None:
        self.kept.pop(directory, None)

    def _site(self, directory: str) -> Site:
        return Site(directory, 1, self.inodes.get(directory, 1), self.here, self.boot)
