"""Directories that must be the same ones later on: what tells one from another that takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wakeman.ports import World


def identified(world: World, directory: str) -> str:
    """Return what tells a directory from others, and on which boot; "" where there is none."""
    found = world.files.directory_id(directory)
    return f"{found}@{world.clock.boot()}" if found else ""


def is_the_same(world: World, directory: str, known: str) -> bool:
    """Return whether a directory is the one that was identified. Boundary: of "" that is not known, and taken to be so.

    Shape: devices may have other numbers after a restart of the machine; then the inode alone must be equal.
    """
    if not known:
        return True
    number, _, boot = known.partition("@")
    now = world.files.directory_id(directory)
    return now == number or (boot != world.clock.boot() and now.partition(":")[0] == number.partition(":")[0])
