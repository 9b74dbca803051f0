"""The workers' keys, read from the file that `up` wrote, and removed from everything that is logged or shown. After a
refusal they are read anew from where they came from.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from wakeman.core.digests import blake2b
from wakeman.core.errors import StorageError, WakemanError
from wakeman.core.gate import Refused, decode_text
from wakeman.core.model import Deployment, Host, Plan
from wakeman.core.redact import redacted
from wakeman.engine import layout

if TYPE_CHECKING:
    from wakeman.ports import World

Redact = Callable[[str], str]
"""Removes keys from a text."""
ENV_FILE_BYTES_MAX = 1024 * 1024
"""Bytes of `workers.env_file` at most."""
BY_HAND = "hand"
"""Beginning of the author of what a person runs, with the variables of their shell."""


def keys(world: World, plan: Plan, host: Host) -> Mapping[str, str]:
    """Read the values that `up` stored for the workers' environment. Raises: StorageError."""
    if not plan.workers.env_from and plan.workers.env_file is None:
        return {}
    text = world.files.read(layout.inside(host, layout.SECRETS)).decode("utf-8", "surrogateescape")
    pairs = (word.partition("=") for word in _shell_words(text) if word != "export")
    return {name: value for name, _, value in pairs}


def _shell_words(text: str) -> list[str]:
    """Split a text as a shell does; one without quotes, in which blanks alone divide words, without the module."""
    if not set("\"'\\") & set(text):
        return text.split()
    import shlex

    return shlex.split(text)


def from_home(world: World, root: str, path: str) -> str:
    """Return the absolute path of a file that is read at `up`: `~/` is this user's home."""
    return posixpath.join(world.machine.home(), path[2:]) if path.startswith("~/") else posixpath.join(root, path)


def variables(world: World, plan: Plan, root: str) -> Mapping[str, str]:
    """Read `workers.env_file` below `root`. Raises: StorageError, naming the line that is no NAME=VALUE."""
    if plan.workers.env_file is None:
        return {}
    path = from_home(world, root, plan.workers.env_file)
    text = decode_text(world.files.read(path, ENV_FILE_BYTES_MAX))
    if isinstance(text, Refused):
        raise StorageError(f"{path}:{text.why}, expected lines NAME=VALUE in UTF-8", f"file {path}")
    found = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            raise StorageError(f"{path}:{number}: found no NAME=VALUE")
        found[key] = value.strip("'\"")
    return found


def renew_keys(world: World, d: Deployment) -> None:
    """Write the workers' keys anew if `workers.env_file` has changed, or a person runs this with other variables.

    Boundary: a file that cannot be read now, and an alarm's own variables, change nothing.
    """
    plan, file = d.plan, layout.inside(d.host, layout.SECRETS)
    try:
        kept = keys(world, plan, d.host)
        fresh = variables(world, plan, d.host.root)
    except WakemanError:
        return
    environ = world.machine.environ() if world.by.startswith(BY_HAND) else {}
    given = {name: environ[name] for name in plan.workers.env_from if name in environ}
    renewed = {**kept, **given, **fresh}
    if renewed != kept:
        world.files.write(file, exports(renewed), durable=True)


def exports(values: Mapping[str, str]) -> bytes:
    """Format variables for the shell of an attempt."""
    import shlex

    lines = (f"export {key}={shlex.quote(value)}\n" for key, value in values.items())
    return "".join(lines).encode("utf-8", "surrogateescape")


def keys_fingerprint(world: World, d: Deployment) -> str:
    """Return what tells the files that hold the workers' keys from others in their places: identity, no content.

    Shape: the file that `up` wrote, `workers.env_file`, and those that the client itself keeps its login in.
    """
    plan, host = d.plan, d.host
    harness = world.harness(plan.workers.harness)
    logins: tuple[str, ...] = getattr(harness, "logins", tuple)()  # harnesses of other packages may have none
    paths = [layout.inside(host, layout.SECRETS), *filter(None, (expanded(host, place) for place in logins))]
    if plan.workers.env_file is not None:
        paths.append(from_home(world, host.root, plan.workers.env_file))
    marks = world.files.marks(paths)
    there = [(path, marks[path].size, marks[path].mtime_ns, marks[path].inode) for path in paths if path in marks]
    return blake2b(repr(there).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def expanded(host: Host, candidate: str) -> str:
    """Expand a variable of the host at the beginning of a path; "" if it is not set."""
    if not candidate.startswith("$"):
        return candidate
    name, slash, rest = candidate[1:].partition("/")
    value = host.env.get(name)
    return f"{value}{slash}{rest}" if value else ""


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
