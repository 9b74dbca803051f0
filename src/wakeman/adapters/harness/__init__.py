"""The programs that run agents, by name: loaded when it is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from wakeman.core.errors import UnknownNameError
from wakeman.core.template import nearest
from wakeman.ports import Harness

KNOWN = {"claude": ("claude", "Claude"), "command": ("command", "command"), "external": ("command", "external")}
"""Name -> its module, and what makes it there."""


@cache
def find(name: str) -> Harness:
    """Look a harness up. Raises: UnknownNameError with those known and the nearest name."""
    if name not in KNOWN:
        known = ", ".join(KNOWN)
        raise UnknownNameError(f"workers.harness: found {name!r}, expected one of {known}{nearest(name, KNOWN)}")
    module, maker = KNOWN[name]
    made: Harness = getattr(import_module(f"wakeman.adapters.harness.{module}"), maker)()
    return made
