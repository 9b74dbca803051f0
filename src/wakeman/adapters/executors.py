"""The kinds of places where workers run, by name; loaded on first use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from wakeman.core.errors import PlanError, UnknownNameError, UsageError, WakemanError

if TYPE_CHECKING:
    from wakeman.core.model import Plan
    from wakeman.ports import Backend

KNOWN = {
    "tmux": ("wakeman.adapters.tmux", "TmuxBackend"),
    "slurm": ("wakeman.adapters.slurm", "SlurmBackend"),
    "ssh": ("wakeman.adapters.ssh", "SshBackend"),
}
"""Built-in ones: name -> module and class, as pyproject.toml declares them among `PLUGINS`.

Entry points are not asked for these: that reads the metadata of every installed package, and each check would pay for
it.
"""
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


def resolve_place(plan: Plan, directory: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what a plan's executor needs for the whole deployment, once the keys in `[executor]` are those it has.

    Raises: PlanError, each fault as `key: what`; UsageError for a plan that it cannot run, and for what fails in
    another package; ProgramError.
    """
    from msgspec.structs import replace

    from wakeman.core.plan.parser import read_table
    from wakeman.ports import KeyedBackend

    name = plan.workers.executor
    backend = find(name)
    if isinstance(backend, KeyedBackend):
        plan = replace(plan, executor=read_table("executor", plan.executor, backend.keys))
    elif plan.executor:
        raise PlanError((f"executor: found keys; expected none: workers.executor = {name!r} has none of its own",))
    try:
        return dict(backend.place(plan, directory, environ))
    except WakemanError:
        raise
    except Exception as fault:
        if name in KNOWN:
            raise
        raise UsageError(f"workers.executor: {name!r}: place: {fault!r}", "fix or remove that package") from fault


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
