"""Names that are safe for sessions and directories, and readable."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

from wakeman.core.model import Deployment

LONE = "+session"
"""In place of a deployment's name, which cannot be it, in the mark of a session that no deployment has yet."""
NAME_CHARS_MAX = 100
"""Characters of a name at most."""
THIS_HOST = "."
"""In place of a host: the machine itself, whatever the plan says."""
_HOST_AND_DIRECTORY = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.@%-]*)(?::([^\0\n]+))?")


def safe(text: str) -> str:
    """Make a name of letters, digits, `_` and `-` that does not begin with `-`.

    Shape: accents are dropped, other signs become `_`. If letters of another script were replaced, a hash of the whole
    text keeps different names different. Boundary: 1 to 100 characters; a longer one is cut and ends in a hash.
    """
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    plain = bare.encode("ascii", "ignore").decode()
    name = re.sub(r"^-|[^A-Za-z0-9_-]", "_", plain)
    if plain != bare or not name:
        name = f"{name}-{_hash(text)}".removeprefix("-")
    return name if len(name) <= NAME_CHARS_MAX else tailed(name, f"-{_hash(text)}")


def is_lone(mark: str) -> bool:
    """Return whether a mark is of a session that no deployment has yet."""
    return mark.startswith(f"{LONE}/")


def tailed(name: str, tail: str) -> str:
    """Append a suffix, such as `_2`; the name is cut so that both fit the limit."""
    return name[: NAME_CHARS_MAX - len(tail)] + tail


def unique(name: str, taken: Container[str], why: str) -> str:
    """Return `name`; if it is taken, add a hash of `why`, which distinguishes it.

    Shape: `taken` holds names in lower case, as a file system may not distinguish `A` from `a`.
    """
    found = name
    while found.lower() in taken:
        found = tailed(name, f"-{_hash(why)}")
        why += "!"
    return found


def branch(deployment: str, worker: str) -> str:
    """Return the name of the branch of a worker's tree. Boundary: `merged` is not a worker's, see `merged`."""
    return f"wakeman/{deployment}/{worker}"


def merged(deployment: str) -> str:
    """Return the name of the branch that a deployment's branches are merged into."""
    return f"wakeman/{deployment}.merged"


def mergeable(d: Deployment) -> list[str]:
    """List the branches of workers whose share is done, in the order of the workers."""
    return [branch(d.name, w.name) for w in d.workers.values() if w.state == "verified" and w.attempt]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:6]


def host_and_directory(text: str) -> tuple[str, str]:
    """Return the host of `HOST` or `HOST:DIR`, as scp has it, and the directory, "" where none is named.

    Boundary: two empty texts for what names no host, such as what ssh would take for an option.
    """
    found = _HOST_AND_DIRECTORY.fullmatch(text)
    return (found[1], found[2] or "") if found else ("", "")
