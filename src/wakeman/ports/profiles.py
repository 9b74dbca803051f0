"""Agent profiles, as they are found for a plan."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from wakeman.core.model import Agent


class FoundProfiles(Struct, frozen=True):
    """Every profile by name, and where it comes from: the path of its file, `plan`, or `wakeman`.

    Shape: `faults` are those that no worker can be given, each with file, line and what is wrong; `broken` says why a
    whole file cannot be read, which could hold any profile that is not the plan's; `notes` are the pages that are
    passed over, and why.
    """

    known: Mapping[str, Agent]
    origins: Mapping[str, str] = {}
    faults: Mapping[str, str] = {}
    broken: str = ""
    notes: tuple[str, ...] = ()

    def fault(self, name: str) -> str:
        """Return why a profile that was found cannot be given; "" if it can."""
        own = self.origins.get(name) == "plan"
        return self.faults.get(name, "") or ("" if own else self.broken)
