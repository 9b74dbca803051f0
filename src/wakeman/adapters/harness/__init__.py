"""The programs that run agents, by name; loaded on first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, cast

from wakeman.core.errors import UnknownNameError, UsageError, WakemanError

if TYPE_CHECKING:
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


class _Plugged:
    """A harness of another package, whose errors are reported as that package's."""

    def __init__(self, harness: Harness, where: str) -> None:
        self._harness, self._where = harness, where

    def __getattr__(self, name: str) -> object:
        found = getattr(self._harness, name)
        return partial(self._call, found, name) if callable(found) else found

    def _call(self, method: Callable[..., object], name: str, *given: object) -> object:
        try:
            return method(*given)
        except WakemanError:
            raise
        except Exception as fault:
            raise UsageError(f"{self._where}: {name}: {fault!r}", "fix or remove that package") from fault


def _plugged(name: str) -> Harness:
    from importlib.metadata import entry_points

    for point in entry_points(group=PLUGINS, name=name):
        try:
            made: Harness = point.load()()
        except Exception as fault:
            raise UsageError(
                f"workers.harness: {name!r} of {point.value} does not load: {fault!r}", "fix or remove that package"
            ) from fault
        return cast("Harness", _Plugged(made, f"workers.harness: {name!r} of {point.value}"))
    from wakeman.core.plan.template import nearest

    known = harness_names()
    raise UnknownNameError(f"workers.harness: found {name!r}, expected one of {', '.join(known)}{nearest(name, known)}")
