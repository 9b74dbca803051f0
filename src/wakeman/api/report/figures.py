"""The numbers of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta

from wakeman.api.answer import Value
from wakeman.api.chronicle import Chronicle
from wakeman.api.status import Status, Tokens
from wakeman.core.model import Deployment
from wakeman.core.policy import review


class ReportFigures(Value, frozen=True, kw_only=True):
    """The numbers of a deployment."""

    workers: Annotated[int, Meta(description="Workers, including cleanup workers and reviewers.")]
    cleanup: Annotated[int, Meta(description="Of these, cleanup workers.")]
    reviewers: Annotated[int, Meta(description="Of these, reviewers.")]
    seconds: Annotated[float | None, Meta(description="From its start to its end, or to the last line.")]
    files: Annotated[int, Meta(description="Files that were judged, of units that are done.")]
    size: Annotated[int, Meta(description="Their bytes.")]
    input: Annotated[int | None, Meta(description="Bytes of the inputs of these units; null if not recorded.")]
    ratio: Annotated[float | None, Meta(description="`size` as a part of `input`, of units with both; null for none.")]
    attempts: Annotated[int, Meta(description="Attempts of all workers.")]
    repeated: Annotated[int, Meta(description="Of these, further attempts of the same worker.")]
    decisions: Annotated[int, Meta(description="Decisions.")]
    rows: Annotated[Mapping[str, int], Meta(description="How often each row was taken.")]
    checks: Annotated[int, Meta(description="Checks that looked.")]
    alarms: Annotated[int, Meta(description="Alarms that were set.")]
    tokens: Annotated[Tokens | None, Meta(description="Tokens; null if no client reports them.")]
    cost: Annotated[float | None, Meta(description="US dollars; null if no client reports them.")]


def reported_figures(d: Deployment, told: Chronicle, status: Status) -> ReportFigures:
    workers = d.workers.values()
    verdicts = [unit.verdict for unit in review.tasks(d).values() if unit.done and unit.verdict is not None]
    marks = [mark for verdict in verdicts for mark in verdict.marks]
    measured = [verdict for verdict in verdicts if verdict.input]
    source = sum(verdict.input for verdict in measured)
    condensed = sum(mark.size for verdict in measured for mark in verdict.marks)
    attempts = sum(worker.attempt for worker in workers)
    return ReportFigures(
        workers=len(workers),
        cleanup=sum(bool(worker.origin) for worker in workers),
        reviewers=sum(bool(worker.review) for worker in workers),
        seconds=wall_seconds(d),
        files=len(marks),
        size=sum(mark.size for mark in marks),
        input=source or None,
        ratio=round(condensed / source, 6) if source else None,
        attempts=attempts,
        repeated=sum(max(0, worker.attempt - 1) for worker in workers),
        decisions=told.decided,
        rows=told.rows,
        checks=len(told.checks),
        alarms=len(told.alarms),
        tokens=status.tokens if status.tokens is not UNSET else None,
        cost=status.cost if status.cost is not UNSET else None,
    )


def wall_seconds(d: Deployment) -> float | None:
    end = d.ended or d.at
    return round((end - d.started).total_seconds(), 3) if end is not None and d.started is not None else None
