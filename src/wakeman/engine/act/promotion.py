"""Promote what workers have staged: from a stage into its place, or from a work tree onto its branch.

An intent stands in the log before, its outcome after. What a crash leaves between is tried again by the next check,
and so is what the disk refuses: nobody makes a unit anew that only waits for that.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime

from wakeman.core.errors import DiskError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.core.text import sanitise
from wakeman.engine.workspace import Result, Workspace, workspace
from wakeman.ports import World, Writer


def promote(world: World, log: Writer, drafts: Sequence[e.Draft], now: datetime) -> None:
    """Record the intents, promote the outputs, record what became of it.

    Boundary: what the disk or git refuses is noted, and stays an open intent.
    """
    intents = log.append(drafts, now)
    refused = settle(world, log, now)
    told = {event.seq for event in intents}
    why = "; ".join(why for seq, why in refused.items() if seq in told)
    log.append([e.Draft(e.Noted(text=sanitise(f"not taken over: {why}", 1000)))] if why else [], now)


def settle(world: World, log: Writer, now: datetime) -> dict[int, str]:
    """Promote what open intents speak of; return those that were refused, with the reason.

    Repeatable: yes; what was promoted before a crash is found to be so. Raises: DiskError.
    """
    d = log.deployment
    refused: dict[int, str] = {}
    done: dict[int, Result] = {}
    for space, seqs in _batches(d):
        try:
            done |= space.promote(world, seqs)
        except DiskError:
            raise  # no file is to blame; the next check, behind an alarm, tries again
        except WakemanError as fault:
            refused |= {seq: f"{d.placing[seq].unit}: {fault}" for seq in seqs}
    log.append([_outcome(d, seq, result) for seq, result in done.items()], now)
    return refused


def _batches(d: Deployment) -> list[tuple[Workspace, list[int]]]:
    """Group the open intents by what their workspace promotes in one go."""
    found: dict[Hashable, tuple[Workspace, list[int]]] = {}
    for seq, promotion in d.placing.items():
        space = workspace(d, d.workers[promotion.worker])
        found.setdefault(space.batch(seq), (space, []))[1].append(seq)
    return list(found.values())


def _outcome(d: Deployment, seq: int, result: Result) -> e.Draft:
    promotion = d.placing[seq]
    fact = e.Effected(intent=seq, ok=not result.why, detail=result.why, marks=result.marks)
    return e.Draft(fact, worker=promotion.worker, attempt=promotion.attempt)
