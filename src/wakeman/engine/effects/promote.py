"""Promote outputs: from a stage to their targets, or from a work tree to its branch. The intent is logged before, the
outcome after. The next check repeats what a crash or the disk prevented; no worker redoes a unit that only waits for
that.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.errors import DiskError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment
from wakeman.core.policy.staging import promotions
from wakeman.engine.effects.drafts import noted
from wakeman.engine.protocol.steps import Steps, Write, append, do
from wakeman.engine.workspace import Promoted, Workspace, workspace

if TYPE_CHECKING:
    from wakeman.ports import World


class Promote(Struct, frozen=True):
    """Promote the outputs of open intents."""

    def perform(self, world: World, d: Deployment) -> tuple[Mapping[int, Promoted], Mapping[int, str]]:
        """Return the outcome of each intent, by its line, and what disk or git refused: that stays open.

        Repeatable: yes; what was promoted before a crash is recognised. Raises: DiskError.
        """
        done: dict[int, Promoted] = {}
        refused: dict[int, str] = {}
        for space, seqs in _by_workspace(d):
            try:
                done |= space.promote(world, seqs)
            except DiskError:
                raise  # not one file's fault; the next check tries again
            except WakemanError as fault:
                refused |= {seq: f"{d.intents[seq].target}: {fault}" for seq in seqs}
        return done, refused

    def recorded(self, d: Deployment, write: Write) -> tuple[Mapping[int, Promoted], Mapping[int, str]]:
        """Read the outcomes: each output that was promoted has a mark."""
        found = {}
        for event in write:
            data = event.data
            if not isinstance(data, e.Effected) or (promotion := d.promoting.get(data.intent)) is None:
                continue
            judged = tuple(file.mark for file in promotion.files)
            same = [mark.path for mark in data.marks] == [mark.path for mark in judged]
            marks = data.marks if same or not data.ok else judged
            found[data.intent] = Promoted(marks, "" if data.ok else data.detail)
        return found, {}


def _by_workspace(d: Deployment) -> list[tuple[Workspace, list[int]]]:
    """Group the open intents by what their workspace promotes in one call."""
    found: dict[Hashable, tuple[Workspace, list[int]]] = {}
    for seq, promotion in d.promoting.items():
        space = workspace(d, d.workers[promotion.worker])
        found.setdefault(space.batch(seq), (space, []))[1].append(seq)
    return list(found.values())


def settle(d: Deployment) -> Steps[Mapping[int, str]]:
    """Promote the outputs of open intents; return what was refused, by the intent's line."""
    results, refused = yield from do(Promote())
    yield from append("outcome", [_outcome(d, seq, result) for seq, result in results.items()])
    return refused


def promote(d: Deployment) -> Steps[bool]:
    """Promote everything that is ready; return whether anything was."""
    drafts = promotions(d)
    intents = yield from append("action", drafts)
    if intents:
        refused = yield from settle(d)
        intended = {event.seq for event in intents}
        why = "; ".join(why for seq, why in refused.items() if seq in intended)
        yield from append("line", [noted(f"not taken over: {why}", 1000)] if why else [])
    return bool(intents)


def _outcome(d: Deployment, seq: int, result: Promoted) -> e.Draft:
    promotion = d.intents[seq]
    fact = e.Effected(intent=seq, ok=not result.why, detail=result.why, marks=result.marks)
    return e.Draft(fact, worker=promotion.worker, attempt=promotion.attempt)
