"""Staged outputs: made in a private workspace, and promoted once they pass. The table describes how the kinds of
workspaces differ.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from msgspec import Struct

from wakeman.core.gate import file_time
from wakeman.core.log import events as e
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    PromotedFile,
    UnitState,
    WorkerState,
    WorkspaceKind,
)

STAGED_REST_S = 1.0
"""Seconds between two observations of the same files after which a running worker is assumed to have finished them."""


class Staging(Struct, frozen=True):
    """Properties of one kind of workspace.

    Shape: `promotion` is the action that promotes what passes, None if outputs are made in place; `at_work`: also while
    the worker runs; `direct`: the worker writes to the final paths itself.
    """

    promotion: e.Action | None = None
    at_work: bool = False
    direct: bool = True


STAGING: Mapping[WorkspaceKind, Staging] = {
    "in place": Staging(),
    "staged": Staging(promotion="install", at_work=True, direct=False),
    "worktree": Staging(promotion="commit"),
}


def staging(d: Deployment) -> Staging:
    """Return the properties for workers that make units."""
    return STAGING[d.plan.workers.workspace]


def staging_of(d: Deployment, worker: WorkerState) -> Staging:
    """Return the properties for a worker: a reviewer writes its verdict in place."""
    return STAGING[d.plan_of(worker).workers.workspace]


def leaves_branches(d: Deployment) -> bool:
    """Return whether outputs are promoted to branches, which a person merges."""
    return staging(d).promotion == "commit"


def installed(d: Deployment, unit: UnitState) -> Mapping[str, FileFingerprint] | None:
    """Return what was promoted to a unit's targets; None if its worker writes there itself."""
    return None if staging_of(d, d.workers[unit.worker]).direct else unit.installed


def foreign(d: Deployment, unit: UnitState, there: Iterable[FileFingerprint]) -> tuple[FileFingerprint, ...]:
    """Return the files at a unit's targets that neither existed at first nor were promoted."""
    return tuple(mark for mark in there if mark != unit.installed.get(mark.path, d.before.get(mark.path)))


def attempt_over(worker: WorkerState) -> bool:
    """Return whether the last observation found no process of a worker's last attempt."""
    seen = worker.observation
    over = worker.ended or (seen is not None and seen.session in ("exited", "killed", "lost"))
    return over and not worker.processes and not worker.intent


# --- what may be promoted -------------------------------------------------------------------------------------


def ready_to_promote(d: Deployment) -> list[str]:
    """Return the units to promote now: they pass, their targets are unchanged, and their files no longer change.

    Boundary: the tree of a running worker is not touched, and its stage only after two equal observations.
    """
    kind = staging(d)
    if kind.promotion is None:
        return []
    under_way = {promotion.target for promotion in d.promoting.values()}
    return [name for name, unit in d.units.items() if name not in under_way and _ready(d, unit, kind)]


def _ready(d: Deployment, unit: UnitState, kind: Staging) -> bool:
    if not _waits(d, unit):
        return False
    return attempt_over(d.workers[unit.worker]) or (kind.at_work and d.mono - unit.staged_mono >= STAGED_REST_S)


def _waits(d: Deployment, unit: UnitState) -> bool:
    """Return whether a unit passes in its workspace and may be promoted, which was not done yet."""
    made = unit.staged
    if made is None or unit.waived:
        return False
    return made.passed and made.marks != unit.promoted and not blocked(d, unit)


def blocked(d: Deployment, unit: UnitState) -> bool:
    """Return whether a unit passes and cannot be promoted because a file created outside Wakeman is at its target."""
    made = unit.staged
    return bool(made and made.passed and made.foreign) and d.plan.watch.conflicts != "ignore" and not unit.done


def held_up(d: Deployment, names: Iterable[str]) -> list[str]:
    """List those of some units that pass and cannot be promoted yet: doing them again would not help."""
    if staging(d).promotion is None:
        return []
    under_way = {promotion.target for promotion in d.promoting.values()}
    return [name for name in names if name in under_way or blocked(d, d.units[name])]


def unrested(d: Deployment) -> bool:
    """Return whether a unit only waits for an observation that finds its files unchanged."""
    return staging(d).at_work and any(_waits(d, unit) and _at_work(d, unit) for unit in d.units.values())


def _at_work(d: Deployment, unit: UnitState) -> bool:
    worker = d.workers[unit.worker]
    return worker.live and not attempt_over(worker)


# --- the facts that are written -------------------------------------------------------------------------------


def promotions(d: Deployment) -> list[e.Draft]:
    """Return the intents to promote what is ready."""
    action = staging(d).promotion
    return [] if action is None else [_promotion(d, action, d.units[name]) for name in ready_to_promote(d)]


def _promotion(d: Deployment, action: e.Action, unit: UnitState) -> e.Draft:
    worker = d.workers[unit.worker]
    fact = e.Intended(
        action=action, target=unit.unit.name, files=_promoted_files(d, unit), keep=not attempt_over(worker)
    )
    return e.Draft(fact, worker=worker.name, attempt=worker.attempt)


def _promoted_files(d: Deployment, unit: UnitState) -> tuple[PromotedFile, ...]:
    made = unit.staged.marks if unit.staged is not None else ()
    over = {mark.path: mark for mark in unit.staged.foreign} if unit.staged is not None else {}
    known = {**d.before, **unit.installed, **over}
    return tuple(PromotedFile(path=mark.path, mark=mark, over=known.get(mark.path)) for mark in made)


def trespasses(d: Deployment) -> list[e.Draft]:
    """Return the conflicts that the last observation found at the targets of staged outputs."""
    if staging(d).promotion is None or d.plan.watch.conflicts == "ignore":
        return []
    return [
        e.Draft(fact)
        for name, unit in d.units.items()
        if unit.staged is not None
        for mark in unit.staged.foreign
        if (fact := _trespass(d, name, mark)).written != d.trespassed.get(fact.path)
    ]


def _trespass(d: Deployment, name: str, mark: FileFingerprint) -> e.Conflicted:
    path = posixpath.normpath(posixpath.join(d.host.root, mark.path))
    written = file_time(mark.mtime_ns)
    return e.Conflicted(path=path, written=written, unit=name, owner=d.units[name].worker, mark=mark)
