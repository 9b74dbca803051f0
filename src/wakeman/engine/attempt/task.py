"""An attempt's task: the rest of its share, the names of its templates, the path of a verdict."""

from __future__ import annotations

from collections.abc import Mapping

from wakeman.core.model import Deployment, Share, WorkerState
from wakeman.core.plan.shares import worker_names
from wakeman.core.policy import review
from wakeman.core.policy.attempts import missing
from wakeman.engine import layout
from wakeman.engine.workspace import workspace


def template_names(d: Deployment, worker: WorkerState) -> Mapping[str, str]:
    """Return the template names of a worker's present attempt. A reviewer's include the units that it reviews."""
    host = d.host
    files = layout.prompt_file(host, worker), layout.units_file(host, worker)
    if not worker.review:
        return worker_names(d.name, share(d, worker), *files)
    given = Share(name=worker.name, key=worker.key, units=review.subjects(d, worker))
    return worker_names(d.name, given, *files) | review.review_template_names(
        d.plan, d.reviews[worker.name], verdict_file(d, worker)
    )


def verdict_file(d: Deployment, worker: WorkerState) -> str:
    """Return the path of a reviewer's verdict; "" for other workers."""
    return d.units[worker.units[0]].unit.outputs[0] if worker.review else ""


def share(d: Deployment, worker: WorkerState) -> Share:
    """Return the rest of a worker's share, with the paths that its next attempt uses."""
    space = workspace(d, worker)
    units = tuple(space.for_worker(d.units[name].unit) for name in missing(d, worker))
    return Share(name=worker.name, key=worker.key, units=units)
