"""The trash of a state directory: where `clean` moves what is closed, and how it is emptied."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from shlex import quote
from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.core.errors import StorageError, UsageError
from wakeman.core.log.facts.fact import count
from wakeman.ports import STATE_MARKER, World

TRASH_NAME = ".trash"
STAMP = "%Y%m%dT%H%M%SZ"
"""How the time of its move is written in the name of what is in the trash."""
_MOVED = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}(\.[0-9]+)?-\d{8}T\d{6}Z")
NAMED_MAX = 5
"""Names at most that a question has."""


class EmptiedTrash(Value, frozen=True, kw_only=True):
    """What was deleted from the trash."""

    deleted: Annotated[tuple[str, ...], Meta(description="Absolute paths of the directories that were deleted.")]
    bytes: Annotated[int, Meta(description="Bytes of the files that are gone with them.")]
    kept: Annotated[Mapping[str, str], Meta(description="What stays in the trash, by absolute path, and why.")]


def place_for(world: World, name: str) -> str:
    """Return where in the trash a deployment is moved now."""
    return f"{world.state}/{TRASH_NAME}/{name}-{world.clock.now():{STAMP}}"


def contents(world: World) -> tuple[list[str], dict[str, str]]:
    """Return the directories in the trash that may be deleted, and what stays there, each with the reason.

    Shape: only what `clean` has moved there, or what is left of it, may go. No symlink is followed, and no log is read:
    what lies in a state directory may have come with a repository.
    """
    trash = posixpath.join(world.state, TRASH_NAME)
    if (there := world.files.entries([trash]).get(trash)) is None:
        return [], {}
    if there.kind != "directory":
        raise UsageError(f"{trash}: is a {there.kind}, expected the directory that `clean` made", f"ls -ld {trash}")
    whole, kept = [], {}
    for path in [posixpath.join(trash, name) for name in world.files.names(trash)]:
        if why := _foreign(world, path) or _worth_keeping(world, path):
            kept[path] = why
        else:
            whole.append(path)
    return whole, kept


def question(paths: list[str]) -> str:
    """Return what is asked before directories of the trash are deleted."""
    names = ", ".join(posixpath.basename(path) for path in paths[:NAMED_MAX])
    more = f" and {len(paths) - NAMED_MAX} more" if len(paths) > NAMED_MAX else ""
    return f"delete {count(len(paths), 'deployment')} from the trash, which nothing brings back: {names}{more}"


def empty(world: World, paths: list[str], kept: Mapping[str, str]) -> Answer[EmptiedTrash]:
    """Delete directories of the trash.

    Repeatable: yes; what a killed call left is deleted by the next. What the disk refuses stays, and is named.
    """
    freed, deleted, left = 0, [], dict(kept)
    for path in paths:
        try:
            freed += world.files.erase(path, within=world.state, last=STATE_MARKER)
            deleted.append(path)
        except StorageError as fault:
            left[path] = str(fault)
    notes = tuple(f"{path}: stays in the trash: {why}" for path, why in left.items())
    failed = len(deleted) < len(paths)
    data = EmptiedTrash(deleted=tuple(deleted), bytes=freed, kept=left)
    return Answer(data, ("wakeman status",), ok=not failed, code=1 if failed else 0, notes=notes)


def _foreign(world: World, path: str) -> str:
    """Return why it is nothing that was moved here; "" for a deployment, or what is left of one."""
    if not _MOVED.fullmatch(posixpath.basename(path)) or world.files.entries([path])[path].kind != "directory":
        return "no deployment that `clean` has moved here"
    names = world.files.names(path)
    return "" if not names or STATE_MARKER in names else f"holds no {STATE_MARKER}, as a deployment does"


def _worth_keeping(world: World, path: str) -> str:
    """Return why a deployment stays: it holds work trees that `clean` kept, with what may be nowhere else."""
    trees = posixpath.join(path, "trees")
    if trees in world.files.entries([trees]) and world.files.entries([trees])[trees].kind != "directory":
        return ""  # a symlink goes as one
    places = [posixpath.join(trees, name) for name in world.files.names(trees)]
    links = world.files.entries(posixpath.join(tree, ".git") for tree in places)
    if not links:
        return ""
    first = quote(posixpath.dirname(next(iter(links))))
    return (
        f"{count(len(links), 'work tree')} in it, kept as not merged or not committed; see: git -C {first} status; "
        f"and remove it by: git -C {first} worktree remove --force {first}"
    )
