"""Builds the world of a verb from its options, and reads those of the verbs that programs call most."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Mapping, Sequence

    from wakeman.ports import World


def reach(options: Namespace, by: str = "hand") -> World:
    """Return the world of a verb; with `--dry-run` one in which nothing is done."""
    from wakeman.adapters import local

    world = local.world(options.state, by)
    if not options.json and (other := local.foreign_state(options.state)):
        from wakeman.faces.cli.show import print_note

        print_note(f"note: {other} came with a repository, and nothing was begun in it here: --state {other} uses it")
    named_by = getattr(options, "named_by", "name")
    if getattr(options, "among", "") and getattr(options, named_by) in (None, []):
        _take_only(options, world, named_by)
    if not options.dry_run:
        return world
    from wakeman.adapters.dry import dry

    options.would = []
    return dry(world, options.would.append)


def plain_words(
    verb: str, words: Sequence[str], environ: Mapping[str, str], *, flags: Collection[str], valued: Collection[str]
) -> dict[str, object] | None:
    """Return what words give a verb, without argparse: its `name`, flags, and options with a value, in any order.

    Boundary: None for anything else or twice the same, and where a variable stands for an option: argparse reads that,
    and refuses it.
    """
    if any(
        key.startswith((f"WAKEMAN_{verb.upper()}_", "WAKEMAN_JSON", "WAKEMAN_DRY_RUN", "WAKEMAN_ON")) for key in environ
    ):
        return None
    found: dict[str, object] = {}
    rest = iter(words)
    for word in rest:
        key, value = ("name", word) if not word.startswith("-") else (word.removeprefix("--"), "")
        if word in valued:
            value = next(rest, "")
        if key in found or (word not in flags and value[:1] in ("", "-")):
            return None
        found[key] = value or True
    return found


def _take_only(options: Namespace, world: World, named_by: str) -> None:
    """Take the only deployment that is meant, where none is named; say which, if another may have been expected."""
    from wakeman.api.names import only_one, typed
    from wakeman.engine.runs import readable

    exact = only_one(world, options.verb_called, options.among)
    name = typed(exact, world.logs.names())
    setattr(options, named_by, name if getattr(options, named_by) is None else [name])
    found = readable(world).get(exact) if options.among == "last" and not options.json else None
    if found is not None and found.outcome != "open":
        from wakeman.faces.cli.show import print_note

        print_note(f"note: nothing is open; this is {name}, which closed last")
