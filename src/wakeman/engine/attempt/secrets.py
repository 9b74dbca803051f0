"""The workers' keys, read from the file that `up` wrote, and removed from everything that is logged or shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from wakeman.core.errors import StorageError
from wakeman.core.model import Deployment, Host, Plan
from wakeman.core.redact import redacted
from wakeman.engine import layout
from wakeman.ports import World

Redact = Callable[[str], str]
"""Removes keys from a text."""


def keys(world: World, plan: Plan, host: Host) -> Mapping[str, str]:
    """Read the values that `up` stored for the workers' environment. Raises: StorageError."""
    if not plan.workers.env_from and plan.workers.env_file is None:
        return {}
    import shlex

    words = shlex.split(world.files.read(layout.inside(host, layout.SECRETS)).decode("utf-8", "surrogateescape"))
    pairs = (word.partition("=") for word in words if word != "export")
    return {name: value for name, _, value in pairs}


def redactor(world: World, d: Deployment) -> Redact:
    """Return a function that removes the deployment's keys from text: those that `workers.redact` names, or all.

    Boundary: if the file of keys is gone, what looks like a key is still removed. Cost: one read if the plan has keys.
    """
    workers = d.plan.workers
    try:
        kept = keys(world, d.plan, d.host)
    except StorageError:
        kept = {}
    known = {**workers.env, **kept}
    names = kept if workers.redact is None else workers.redact
    return partial(redacted, values={name: known[name] for name in names if name in known})
