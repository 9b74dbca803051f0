"""Promote what workers have made: from a stage into its place, or from a work tree onto its branch.

An intent stands in the log before, its outcome after. What a crash leaves between is tried again by the next check,
and so is what the disk refuses: nobody makes a unit anew that only waits for that.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from wakeman.core import actions
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, FileFingerprint
from wakeman.engine.effects.drafts import noted
from wakeman.engine.protocol.steps import Steps, Write, append, do
from wakeman.ports import World


class Promoted(Struct, frozen=True):
    """What became of one unit: the marks that count from now on, or `why` it cannot be promoted as it was judged."""

    marks: tuple[FileFingerprint, ...] = ()
    why: str = ""


class Promote(Struct, frozen=True):
    """Promote what open intents speak of."""

    def perform(self, world: World, d: Deployment) -> tuple[Mapping[int, Promoted], Mapping[int, str]]:
        """Return what became of each intent, by its line, and what disk or git refused: that stays open.

        Repeatable: yes; what was promoted before a crash is found in its place. Raises: DiskError.
        """
        from wakeman.engine.act.promotion import promote_open

        return promote_open(world, d)

    def recorded(self, d: Deployment, write: Write) -> tuple[Mapping[int, Promoted], Mapping[int, str]]:
        """Read the outcomes: each output that was promoted has a mark."""
        found = {}
        for event in write:
            data = event.data
            promotion = d.placing.get(data.intent) if isinstance(data, e.Effected) else None
            if promotion is None or not isinstance(data, e.Effected):
                continue
            judged = tuple(file.mark for file in promotion.files)
            same = [mark.path for mark in data.marks] == [mark.path for mark in judged]
            marks = data.marks if same or not data.ok else judged
            found[data.intent] = Promoted(marks, "" if data.ok else data.detail)
        return found, {}


def settle(d: Deployment) -> Steps[Mapping[int, str]]:
    """Promote what open intents speak of; return what was refused, by the intent's line."""
    if not d.placing:
        return {}
    results, refused = yield from do(Promote())
    yield from append("outcome", [_outcome(d, seq, result) for seq, result in results.items()])
    return refused


def promote(d: Deployment) -> Steps[bool]:
    """Promote all that is ready; return whether anything was."""
    drafts = actions.placings(d)
    intents = yield from append("action", drafts)
    if intents:
        refused = yield from settle(d)
        told = {event.seq for event in intents}
        why = "; ".join(why for seq, why in refused.items() if seq in told)
        yield from append("line", [noted(f"not taken over: {why}", 1000)] if why else [])
    return bool(intents)


def _outcome(d: Deployment, seq: int, result: Promoted) -> e.Draft:
    promotion = d.placing[seq]
    fact = e.Effected(intent=seq, ok=not result.why, detail=result.why, marks=result.marks)
    return e.Draft(fact, worker=promotion.worker, attempt=promotion.attempt)
