"""The programs that run agents, by name; loaded on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.core.plan.template import nearest
from wakeman.ports import Harness

CLIENTS = ("claude", "codex", "gemini", "opencode", "aider")
"""Clients whose table is in the module of their name, as a constant of that name in capitals."""
KNOWN = (*CLIENTS, "command", "external")
PLUGINS = "wakeman.harnesses"
"""Entry points of other packages: name -> a function without arguments that gives a harness."""


@cache
def find(name: str) -> Harness:
    """Find a harness by name. Raises: UnknownNameError with those known and the nearest name; UsageError."""
    if name in CLIENTS:
        from wakeman.adapters.harness.client import Agentic

        return Agentic(getattr(import_module(f"wakeman.adapters.harness.{name}"), name.upper()))
    if name in KNOWN:
        made: Harness = getattr(import_module("wakeman.adapters.harness.command"), name)()
        return made
    return _plugged(name)


def harness_names() -> list[str]:
    """List every harness, those of other packages last."""
    from importlib.metadata import entry_points

    return [*KNOWN, *sorted(set(entry_points(group=PLUGINS).names) - set(KNOWN))]


def _plugged(name: str) -> Harness:
    from importlib.metadata import entry_points

    for point in entry_points(group=PLUGINS, name=name):
        try:
            made: Harness = point.load()()
        except Exception as fault:
            raise UsageError(
                f"workers.harness: {name!r} of {point.value} does not load: {fault!r}", "fix or remove that package"
            ) from fault
        return made
    known = harness_names()
    raise UnknownNameError(f"workers.harness: found {name!r}, expected one of {', '.join(known)}{nearest(name, known)}")
