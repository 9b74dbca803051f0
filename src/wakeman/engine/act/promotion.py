"""Take over what workers have made aside: from a stage into its place, or from a tree onto its branch.

An intent stands in the log before, its outcome after. What a crash leaves between is tried again by the next check,
and so is what the disk refuses: nobody makes a unit anew that only waits for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from wakeman.core.errors import DiskError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, FileFingerprint, Promotion
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.ports import World, Writer


class Result(Struct, frozen=True):
    """What became of one unit: the marks that count from now on, or `why` it cannot be taken over as it was judged."""

    marks: tuple[FileFingerprint, ...] = ()
    why: str = ""


def promote(world: World, log: Writer, drafts: Sequence[e.Draft], now: datetime) -> None:
    """Record the intents, take the outputs over, record what became of it.

    Boundary: what the disk or git refuses is noted, and stays an open intent.
    """
    intents = log.append(drafts, now)
    refused = settle(world, log, now)
    told = {event.seq for event in intents}
    why = "; ".join(why for seq, why in refused.items() if seq in told)
    log.append([e.Draft(e.Noted(text=sanitise(f"not taken over: {why}", 1000)))] if why else [], now)


def settle(world: World, log: Writer, now: datetime) -> dict[int, str]:
    """Take over what open intents speak of; give those that were refused, with the reason.

    Repeatable: yes; what was taken over before a crash is found in its place. Raises: DiskError.
    """
    d = log.deployment
    refused: dict[int, str] = {}
    done: dict[int, Result] = {}
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
    log.append([_outcome(d, seq, result) for seq, result in done.items()], now)
    return refused


def _together(d: Deployment) -> list[list[int]]:
    """Give the intents, those of one worker together where they make one commit."""
    if d.plan.workers.stage:
        return [[seq] for seq in d.placing]
    groups: dict[tuple[str, int], list[int]] = {}
    for seq, taking in d.placing.items():
        groups.setdefault((taking.worker, taking.attempt), []).append(seq)
    return list(groups.values())


def _outcome(d: Deployment, seq: int, result: Result) -> e.Draft:
    taking = d.placing[seq]
    fact = e.Effected(intent=seq, ok=not result.why, detail=result.why, marks=result.marks)
    return e.Draft(fact, worker=taking.worker, attempt=taking.attempt)


def _install(world: World, d: Deployment, taking: Promotion) -> Result:
    """Put each output of a unit in its place. Boundary: one that is not as it was judged leaves the rest behind it."""
    marks = []
    stage = layout.stage_of(d.host, taking.worker, taking.attempt)
    for placing in taking.files:
        target = layout.absolute(d.host, placing.path)
        inside = layout.staged(d.host, placing.path)
        put = world.files.install(stage, inside, target, placing.mark, placing.over, keep=taking.keep)
        if put.mark is None:
            return Result(why=f"{placing.path}: {put.why}")
        marks.append(msgspec.structs.replace(put.mark, path=placing.path))
    return Result(marks=tuple(marks))


def _commit(world: World, d: Deployment, seqs: Sequence[int]) -> dict[int, Result]:
    """Put a worker's units onto its branch, unless a file is not as it was judged any more."""
    from wakeman.engine.act.trees import commit

    worker, repository = d.workers[d.placing[seqs[0]].worker], d.host.repository
    assert repository is not None  # noqa: S101 - the plan that has commits has one
    results: dict[int, Result] = {}
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
            results[seq] = Result(why=f"{changed[0]}: not as it was judged any more")
        else:
            results[seq] = Result(marks=tuple(placing.mark for placing in files))
    taken = [d.placing[seq] for seq, result in results.items() if not result.why]
    why = commit(world, d, repository, worker.name, taken) if taken else {}
    return {
        seq: Result(why=why[d.placing[seq].unit]) if d.placing[seq].unit in why else result
        for seq, result in results.items()
    }
