"""Since when an output may count as made: since the first launch of a worker that has its unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wakeman.core.model import EDITION_LAUNCH_MIN, Deployment, FileFingerprint, Observation, UnitState, WorkerState

if TYPE_CHECKING:
    from wakeman.core.policy.quality import Facts


def must_change(d: Deployment, state: UnitState) -> bool:
    """Return whether a unit's outputs count only once they changed, in the place where others can write, too.

    Boundary: what is staged or in a tree of its own is compared when it is promoted.
    """
    plan = d.plan_of(d.workers[state.worker])
    in_place = plan.workers.workspace == "in place" and plan.verify.fresh == "changed"
    return in_place and bool(state.unit.outputs) and d.edition >= EDITION_LAUNCH_MIN


def awaits_launch(d: Deployment, state: UnitState) -> bool:
    """Return whether nobody was launched yet who could have made a unit's outputs.

    Boundary: a launch may have happened whose session was never seen, and that is left to a person.
    """
    worker = d.workers[state.worker]
    return not (worker.intent and worker.asked) and _never_begun(d, state)


def outputs_to_mark(d: Deployment, worker: WorkerState) -> list[str]:
    """Return the outputs that are to be looked at before a worker's launch: for their units it is the first."""
    return [path for name in worker.units if _never_begun(d, state := d.units[name]) for path in state.unit.outputs]


def _never_begun(d: Deployment, state: UnitState) -> bool:
    return not state.begun and must_change(d, state)


def freshness_facts(d: Deployment, state: UnitState, marks: Mapping[str, FileFingerprint]) -> Facts:
    """Return what a unit is judged by from its fingerprints and the log alone."""
    from wakeman.core.policy.quality import Facts

    before = {path: d.before[path] for path in state.unit.outputs if path in d.before}
    return Facts(marks=marks, before=before, begun=not awaits_launch(d, state))


def ended_alone(d: Deployment, worker: WorkerState, seen: Observation | None) -> bool:
    """Return whether a session that somebody else has started was seen to have ended by itself."""
    ended = seen is not None and (seen.session, seen.ended_by) == ("exited", "itself")
    return ended and d.plan_of(worker).workers.found
