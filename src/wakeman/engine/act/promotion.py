"""Take over what workers have made aside: from a stage into its place, or from a tree onto its branch."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wakeman.core.errors import DiskError, WakemanError
from wakeman.core.model import Deployment, Promotion
from wakeman.engine import layout
from wakeman.engine.effects.promote import Promoted
from wakeman.ports import World


def promote_open(world: World, d: Deployment) -> tuple[dict[int, Promoted], dict[int, str]]:
    """Promote what open intents speak of; return what became of each, and what was refused, with the reason.

    Repeatable: yes; what was promoted before a crash is found in its place. Raises: DiskError.
    """
    refused: dict[int, str] = {}
    done: dict[int, Promoted] = {}
    for seqs in _together(d):
        try:
            done |= (
                {seq: _install(world, d, d.placing[seq]) for seq in seqs}
                if d.plan.workers.stage
                else _commit(world, d, seqs)
            )
        except DiskError:
            raise  # no file is to blame; the next check, behind an alarm, tries again
        except WakemanError as fault:
            refused |= {seq: f"{d.placing[seq].unit}: {fault}" for seq in seqs}
    return done, refused


def _together(d: Deployment) -> list[list[int]]:
    """Give the intents, those of one worker together where they make one commit."""
    if d.plan.workers.stage:
        return [[seq] for seq in d.placing]
    groups: dict[tuple[str, int], list[int]] = {}
    for seq, taking in d.placing.items():
        groups.setdefault((taking.worker, taking.attempt), []).append(seq)
    return list(groups.values())


def _install(world: World, d: Deployment, taking: Promotion) -> Promoted:
    """Put each output of a unit in its place. Boundary: one that is not as it was judged leaves the rest behind it."""
    marks = []
    stage = layout.stage_of(d.host, taking.worker, taking.attempt)
    for placing in taking.files:
        target = layout.absolute(d.host, placing.path)
        inside = layout.staged(d.host, placing.path)
        put = world.files.install(stage, inside, target, placing.mark, placing.over, keep=taking.keep)
        if put.mark is None:
            return Promoted(why=f"{placing.path}: {put.why}")
        marks.append(msgspec.structs.replace(put.mark, path=placing.path))
    return Promoted(marks=tuple(marks))


def _commit(world: World, d: Deployment, seqs: Sequence[int]) -> dict[int, Promoted]:
    """Put a worker's units onto its branch, unless a file is not as it was judged any more."""
    from wakeman.engine.act.trees import commit

    worker, repository = d.workers[d.placing[seqs[0]].worker], d.host.repository
    assert repository is not None  # noqa: S101 - the plan that has commits has one
    results: dict[int, Promoted] = {}
    for seq in seqs:
        files = d.placing[seq].files
        places = {layout.made(d, worker, placing.path): placing for placing in files}
        now = world.files.marks(places)
        changed = [
            placing.path
            for place, placing in places.items()
            if place not in now or msgspec.structs.replace(now[place], path=placing.path) != placing.mark
        ]
        if changed:
            results[seq] = Promoted(why=f"{changed[0]}: not as it was judged any more")
        else:
            results[seq] = Promoted(marks=tuple(placing.mark for placing in files))
    taken = [d.placing[seq] for seq, result in results.items() if not result.why]
    why = commit(world, d, repository, worker.name, taken) if taken else {}
    return {
        seq: Promoted(why=why[d.placing[seq].unit]) if d.placing[seq].unit in why else result
        for seq, result in results.items()
    }
