"""Whether outputs are regular files of their own: no link to elsewhere, and no other name of somebody else's file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wakeman.core.model import Deployment, Unit, UnitState
from wakeman.core.plan.conflicts import claimed
from wakeman.core.plan.links import follow_links
from wakeman.core.policy.quality import HARD_LINK
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.workspace import OutputLocation, workspace

if TYPE_CHECKING:
    from wakeman.ports import PathEntry, World

NAME_CHARS_SHOWN = 200
"""Characters of a path or a unit that a reason repeats."""


class Ownership:
    """Asked of the outputs that are judged at one look.

    Shape: `shared` are the units of which an output was found to be another unit's, too. Cost: a stat for each output
    that is judged, and for its directories; a stat for every output and input only if a file has several names.
    """

    def __init__(self, world: World, d: Deployment) -> None:
        self._world, self._d = world, d
        self._names: dict[int, list[tuple[str, Unit, str]]] | None = None
        self.shared: set[str] = set()

    def faults(self, unit: Unit, place: OutputLocation) -> dict[str, str]:
        """Return what is wrong with outputs as files, by the unit's own paths."""
        entries = self._world.files.entries(place.outputs.values())
        lying = {path: whole for path, whole in place.outputs.items() if whole in entries}
        found = {path: self._fault(unit, whole, entries[whole]) for path, whole in lying.items()}
        for path, real in self._led_away(unit, place, [path for path in lying if not found[path]]):
            found[path] = f"reached by a symbolic link, in {sanitise(real, NAME_CHARS_SHOWN)}; expected it in its place"
        return {path: why for path, why in found.items() if why}

    def _fault(self, unit: Unit, whole: str, entry: PathEntry) -> str:
        if entry.kind != "file":
            return f"a {entry.kind}, expected a file"
        other = self._other_name(unit, whole, entry) if entry.names > 1 else ""
        return f"{HARD_LINK} {other}, expected a file of its own" if other else ""

    def _led_away(self, unit: Unit, place: OutputLocation, paths: list[str]) -> Iterator[tuple[str, str]]:
        """Yield the outputs whose directory is not where it is to be, and where it is."""
        directories = {path: posixpath.dirname(place.outputs[path]) for path in paths}
        root = place.root or self._d.host.directory
        real = self._world.files.resolve([root, *directories.values()])
        for path, directory in directories.items():
            inside = layout.relative_within(directory, root)
            if inside is not None:
                allowed = [posixpath.normpath(posixpath.join(real[root], inside))]
            elif place.root or self._d.links is None:
                continue
            else:
                allowed = [posixpath.normpath(follow_links(posixpath.normpath(directory), self._d.links))]
            if real[directory] not in allowed and not self._claims(unit, real[directory]):
                yield path, real[directory]

    def _claims(self, unit: Unit, real: str) -> bool:
        """Return whether a directory lies within what the unit may write."""
        claims = (layout.absolute(self._d.host, claimed(pattern)) for pattern in unit.writes)
        return any(
            layout.relative_within(real, follow_links(claim, self._d.links or {})) is not None for claim in claims
        )

    def _other_name(self, unit: Unit, whole: str, entry: PathEntry) -> str:
        """Return by which other name of the deployment a file is known, in words; "" for none."""
        if self._names is None:
            self._names = self._all_names()
        others = [each for each in self._names.get(entry.inode, ()) if each[0] != whole]
        others.sort(key=lambda each: each[1].name != unit.name)
        entries = self._world.files.entries(each[0] for each in others)
        real = self._world.files.resolve([whole, *entries])
        for other, owner, path in others:
            same = other in entries and (entries[other].device, entries[other].inode) == (entry.device, entry.inode)
            if same and real[other] != real[whole]:
                if path in owner.outputs and owner.name != unit.name:
                    self.shared.add(owner.name)
                kind = "" if path in owner.outputs else "the input "
                whose = "" if owner.name == unit.name else f" of {sanitise(owner.name, NAME_CHARS_SHOWN)}"
                return f"{kind}{sanitise(path, NAME_CHARS_SHOWN)}{whose}"
        return ""

    def _all_names(self) -> dict[int, list[tuple[str, Unit, str]]]:
        """Return every output and input of the deployment by its inode: where it lies, whose it is, what that calls
        it."""
        names = [name for state in self._d.units.values() for name in self._names_of(state)]
        marks = self._world.files.marks({whole for whole, _, _ in names})
        found: dict[int, list[tuple[str, Unit, str]]] = {}
        for name in names:
            if name[0] in marks:
                found.setdefault(marks[name[0]].inode, []).append(name)
        return found

    def _names_of(self, state: UnitState) -> Iterator[tuple[str, Unit, str]]:
        for place in workspace(self._d, self._d.workers[state.worker]).places(state):
            yield from ((whole, state.unit, path) for path, whole in place.outputs.items())
            if place.input is not None:
                yield place.input, state.unit, state.unit.input or ""
