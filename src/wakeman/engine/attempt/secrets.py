"""The keys that workers get, read back from where `up` has kept them, and kept out of all that is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from wakeman.core.errors import StorageError
from wakeman.core.model import Deployment, Host, Plan
from wakeman.core.redact import redacted
from wakeman.engine import layout
from wakeman.ports import World

Redact = Callable[[str], str]
"""Takes keys out of a text."""


def keys(world: World, plan: Plan, host: Host) -> Mapping[str, str]:
    """Read back the values that `up` has kept for the workers' environment. Raises: StorageError."""
    if not plan.workers.env_from and plan.workers.env_file is None:
        return {}
    import shlex

    words = shlex.split(world.files.read(layout.inside(host, layout.SECRETS)).decode("utf-8", "surrogateescape"))
    pairs = (word.partition("=") for word in words if word != "export")
    return {name: value for name, _, value in pairs}


def redactor(world: World, d: Deployment) -> Redact:
    """Return what takes the deployment's keys out of text from outside: those that `workers.redact` names, or all.

    Boundary: where the file of keys is gone, what looks like a key is still taken out.
    Cost: one read where the plan has keys.
    """
    workers = d.plan.workers
    try:
        kept = keys(world, d.plan, d.host)
    except StorageError:
        kept = {}
    known = {**workers.env, **kept}
    names = kept if workers.redact is None else workers.redact
    return partial(redacted, values={name: known[name] for name in names if name in known})
