"""Which unit owns a path, and whether a file found there was written out of place."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from wakeman.core.log import events as e
from wakeman.core.model import Deployment, FileFingerprint, Unit, WorkerState
from wakeman.core.plan.conflicts import claimed
from wakeman.core.policy.staging import staging_of


class Claims:
    """The paths of units, absolute and without symlinks. `resolved` maps each of `claimed_paths(units)` to its own."""

    def __init__(self, units: Iterable[Unit], resolved: Mapping[str, str]) -> None:
        self.resolved = resolved
        self._files: dict[str, tuple[str, str]] = {}
        self._trees: dict[str, str] = {}
        for unit in units:
            self._files.update((resolved[path], (unit.name, path)) for path in unit.outputs)
            self._trees.update((resolved[claimed(pattern)], unit.name) for pattern in unit.writes)

    def output(self, path: str) -> tuple[str, str] | None:
        """Return the unit of which a path is an output, and the path as the unit names it."""
        return self._files.get(path)

    def tree(self, path: str) -> str | None:
        """Return the unit that claims a path, or a directory above it, beside its outputs."""
        while self._trees:
            if path in self._trees:
                return self._trees[path]
            path, below = posixpath.dirname(path), path
            if path == below:
                break
        return None

    def roots(self, more: Iterable[str] = ()) -> list[str]:
        """List the directories in which claims lie, and `more`, none within another."""
        places = {posixpath.dirname(path) for path in self._files} | set(self._trees) | set(more)
        kept: list[str] = []
        for place in sorted(places, key=lambda place: place.rstrip("/") + "/"):
            if not kept or not f"{place}/".startswith(kept[-1].rstrip("/") + "/"):
                kept.append(place)
        return kept


def claimed_paths(units: Iterable[Unit]) -> list[str]:
    """List the paths that the caller resolves on the disk for `Claims`."""
    return [path for unit in units for path in (*unit.outputs, *map(claimed, unit.writes))]


def at_work(worker: WorkerState) -> bool:
    """Return whether an attempt of the worker may be writing now."""
    return worker.live or bool(worker.intent) or worker.processes > 0


def trespass(
    d: Deployment, claims: Claims, path: str, mark: FileFingerprint, written: datetime, writer: str = ""
) -> tuple[str | None, e.Conflicted] | None:
    """Judge a file that was written: None if it is in place, else the writer, as far as known, and the fact.

    Shape: `mark` has the path as the unit names it, if it is an output; `writer` is who is reported to have written it.
    Without a report, every running worker may write its own outputs, and only one that is not confined is suspected of
    anything else; what no running worker owns must be unchanged since it was verified. Boundary: a hidden file, or one
    in a hidden directory, is ignored unless it is claimed.
    """
    if d.trespassed.get(path) == written:
        return None
    unit = owner = ""
    if (claim := claims.output(path)) is not None:
        unit = claim[0]
        owner = d.units[unit].worker
        # only a check promotes what is staged
        working = at_work(d.workers[owner]) and staging_of(d, d.workers[owner]).direct
        if _own(d, owner, writer) if writer else working or _is_recorded(d, unit, mark):
            return None
    elif (tree := claims.tree(path)) is not None:
        unit = tree
        owner = d.units[unit].worker
        since = d.workers[owner].since or d.started
        if _own(d, owner, writer) if writer else at_work(d.workers[owner]) or since is None or written <= since:
            return None
    elif _overlooked(d, path) or d.started is None or written < d.started:
        return None
    # It was no confined worker: the kernel blocks writes outside its own directories.
    free = [] if d.host.confinement is not None else [one.name for one in d.workers.values() if at_work(one)]
    busy = [writer] if writer else free
    fact = e.Conflicted(
        path=path, written=written, unit=unit, owner=owner, mark=mark if claim else None, inferred=not writer
    )
    return busy[0] if len(busy) == 1 else None, fact


def _own(d: Deployment, owner: str, writer: str) -> bool:
    """Return whether a worker wrote to its own path, or to one that a cleanup worker took over from it."""
    return writer in (owner, d.workers[owner].origin)


def _is_recorded(d: Deployment, unit: str, mark: FileFingerprint) -> bool:
    """Return whether an output of a worker that is not running matches the log, or is about to be verified."""
    state = d.units[unit]
    if state.waived or (state.verdict is not None and state.verdict.waits):
        return True
    judged = state.verdict.marks if state.verdict is not None else ()
    wrote = state.wrote.get(mark.path)
    return mark in judged or mark == d.before.get(mark.path) or (wrote is not None and wrote.mark == mark)


def _overlooked(d: Deployment, path: str) -> bool:
    relative = path.removeprefix(d.host.root.rstrip("/") + "/")
    hidden = any(part.startswith(".") for part in relative.split("/"))
    moved = any(
        path in (source, target, posixpath.join(target, posixpath.basename(source)))
        for source, target in d.moved.items()
    )
    return hidden or moved or any(fnmatchcase(relative, pattern) for pattern in d.plan.watch.ignore)
