"""The kinds of places where workers run, by name; loaded on first use."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from wakeman.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from wakeman.ports import Backend

KNOWN = {
    "tmux": ("wakeman.adapters.tmux", "TmuxBackend"),
    "slurm": ("wakeman.adapters.slurm", "SlurmBackend"),
    "ssh": ("wakeman.adapters.ssh", "SshBackend"),
}
"""Built-in ones: name -> module and class."""
PLUGINS = "wakeman.executors"
"""Entry points of other packages: name -> a function without arguments that gives a `Backend`."""


@cache
def find(name: str, *, attended: bool = False) -> Backend:
    """Find a back end by name. `attended`: a person waits for what it does, not an alarm.

    Raises: UnknownNameError with those known and the nearest name; UsageError.
    """
    if name in KNOWN:
        module, kind = KNOWN[name]
        made: Backend = getattr(import_module(module), kind)(attended=attended)
        return made
    return _plugged(name)


def _plugged(name: str) -> Backend:
    from importlib.metadata import entry_points

    from wakeman.core.plan.template import nearest

    for point in entry_points(group=PLUGINS, name=name):
        try:
            made: Backend = point.load()()
        except Exception as fault:
            raise UsageError(
                f"workers.executor: {name!r} of {point.value} does not load: {fault!r}", "fix or remove that package"
            ) from fault
        return made
    known = [*KNOWN, *sorted(set(entry_points(group=PLUGINS).names) - set(KNOWN))]
    raise UnknownNameError(
        f"workers.executor: found {name!r}, expected one of {', '.join(known)}{nearest(name, known)}"
    )
