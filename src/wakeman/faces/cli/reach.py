"""Builds the world of a verb from its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from wakeman.ports import World


def reach(options: Namespace, by: str = "hand") -> World:
    """Return the world of a verb; with `--dry-run` one in which nothing is done."""
    from wakeman.adapters import local

    world = local.world(options.state, by)
    if not options.json and (other := local.foreign_state(options.state)):
        from wakeman.faces.cli.show import print_note

        print_note(f"note: {other} came with a repository, and nothing was begun in it here: --state {other} uses it")
    if getattr(options, "among", "") and options.name is None:
        from wakeman.api.names import only_one

        options.name = only_one(world, options.verb_called, options.among)
    if not options.dry_run:
        return world
    from wakeman.adapters.dry import dry

    options.would = []
    return dry(world, options.would.append)
