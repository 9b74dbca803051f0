"""A whole deployment in one answer, from its log alone: what was asked, what came of it, and whether to trust it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.audit import Audited, Signatures, Tapes, audit
from wakeman.api.chronicle import (
    LISTED_MAX,
    Chronicle,
    ConflictSeen,
    CurvePoint,
    DecisionTaken,
    EvidenceKept,
    Moment,
    NoticeSent,
    QuestionAsked,
    RequestMade,
    WorkerCourse,
    chronicle,
    curve,
    moments,
)
from wakeman.api.needs import NeedStatus, Time
from wakeman.api.replay import Recording
from wakeman.api.report.before import RunCompared, run_before
from wakeman.api.report.figures import ReportFigures, reported_figures
from wakeman.api.report.screens import shown_screens
from wakeman.api.report.units import MissingUnit, OutputMade, WrittenPoint, missing_unit, outputs_made, written_points
from wakeman.api.report.words import PlanFact, criteria, lead, plan_facts, why_given_up
from wakeman.api.status import Status, following, shape, time
from wakeman.core.policy.deployment_rows import undone
from wakeman.ports import World

OUTPUTS_LISTED_MAX = 2000
"""Units whose outputs are listed; of more, the undone and the sampled ones come first."""
MISSING_TOLD_MAX = 200
"""Missing units that are told with all attempts on them."""
SCREENS_SHOWN_MAX = 40
"""Screens of which the text is shown."""


class Reported(Value, frozen=True, kw_only=True):
    """Everything that a report shows of one deployment."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    lead: Annotated[tuple[str, ...], Meta(description="What came of it, in one to three sentences.")]
    goal: Annotated[str, Meta(description='The plan\'s goal; "" for none.')]
    plan: Annotated[tuple[PlanFact, ...], Meta(description="The plan in short.")]
    checked: Annotated[tuple[str, ...], Meta(description="What was checked of each unit.")]
    limit: Annotated[
        float | None, Meta(description="The largest part of its input that a unit may have; null for any.")
    ]
    status: Annotated[Status, Meta(description="The state after the last line, with all workers.")]
    last: Annotated[Time, Meta(description="When the last line was written.")]
    figures: Annotated[ReportFigures, Meta(description="The numbers.")]
    missing: Annotated[tuple[MissingUnit, ...], Meta(description="Units that are not done, the first 200.")]
    given_up: Annotated[str, Meta(description='Why it was closed with units undone; "" if it was not.')]
    needs: Annotated[tuple[NeedStatus, ...], Meta(description="Why a person is needed.")]
    before: Annotated[RunCompared | None, Meta(description="The run before; null if there is none here.")]
    courses: Annotated[tuple[WorkerCourse, ...], Meta(description="What each worker went through.")]
    curve: Annotated[tuple[CurvePoint, ...], Meta(description="Units done and workers at once over time.")]
    written: Annotated[
        tuple[WrittenPoint, ...], Meta(description="Units written over time, by the times of their files.")
    ]
    checks: Annotated[tuple[Moment, ...], Meta(description="When checks looked.")]
    alarms: Annotated[tuple[Moment, ...], Meta(description="When alarms were set.")]
    decisions: Annotated[tuple[DecisionTaken, ...], Meta(description="Decisions; of very many, the telling ones.")]
    questions: Annotated[tuple[QuestionAsked, ...], Meta(description="Troubles of workers, and what came of them.")]
    requests: Annotated[tuple[RequestMade, ...], Meta(description="What people asked for.")]
    notices: Annotated[tuple[NoticeSent, ...], Meta(description="Notices to the orchestrator.")]
    conflicts: Annotated[tuple[ConflictSeen, ...], Meta(description="Files that were written out of place.")]
    outputs: Annotated[tuple[OutputMade, ...], Meta(description="Units and outputs, undone ones first.")]
    screens: Annotated[tuple[EvidenceKept, ...], Meta(description="Screens that were kept.")]
    audit: Annotated[Audited | None, Meta(description="The log audited; null if that was not asked for.")]
    left_out: Annotated[Mapping[str, int], Meta(description="How many entries of a field are left out.")]


def report(
    world: World,
    reading: Callable[[str], Recording],
    tapes: Tapes,
    signatures: Signatures,
    file: str,
    again: str,
    *,
    audited: bool = True,
) -> Answer[Reported]:
    """Report on a log, given by its live file; `again` is its name in commands. Raises: LogDamagedError.

    Cost: one pass over the log, and one more to audit it.
    """
    told = chronicle(file, reading)
    checked = audit(world, tapes, signatures, file, again).data if audited else None
    data = reported(world, told, file, checked)
    return Answer(data, following(data.status))


def reported(world: World, told: Chronicle, file: str, checked: Audited | None) -> Reported:
    """Return the report of what was collected of a log, given by its live file; `checked` is its audit."""
    d = told.d
    at = d.at or world.clock.now()
    status = shape(d, at, d.looked_at, stands=d.alarm is not None)
    missing, outputs = undone(d), list(outputs_made(d))
    decisions = told.telling_decisions()
    lists: dict[str, tuple[Sized, int]] = {
        "missing": (missing, MISSING_TOLD_MAX),
        "outputs": (outputs, OUTPUTS_LISTED_MAX),
        "questions": (told.questions, LISTED_MAX),
        "requests": (told.requests, LISTED_MAX),
        "notices": (told.notices, LISTED_MAX),
        "conflicts": (told.conflicts, LISTED_MAX),
        "screens": (told.screens, SCREENS_SHOWN_MAX),
    }
    left_out = {name: len(found) - most for name, (found, most) in lists.items() if len(found) > most}
    if hidden := len(told.decisions) - len(decisions):
        left_out["decisions"] = hidden
    needs = status.needs
    return Reported(
        deployment=d.name,
        lead=tuple(lead(d, told, needs)),
        goal=d.plan.goal,
        plan=tuple(PlanFact(what=what, says=says) for what, says in plan_facts(d.plan)),
        checked=tuple(criteria(d.plan)),
        limit=d.plan.verify.max_ratio,
        status=status,
        last=time(at) or "",
        figures=reported_figures(d, told, status),
        missing=tuple(missing_unit(d, told, name) for name in missing[:MISSING_TOLD_MAX]),
        given_up=why_given_up(d) if missing else "",
        needs=needs,
        before=run_before(world, d, file),
        courses=tuple(told.courses[name] for name in d.workers),
        curve=curve(told.curve),
        written=written_points(d),
        checks=moments(told.checks),
        alarms=moments(told.alarms),
        decisions=tuple(decisions),
        questions=tuple(told.questions[-LISTED_MAX:]),
        requests=tuple(told.requests[-LISTED_MAX:]),
        notices=tuple(told.notices.values())[-LISTED_MAX:],
        conflicts=tuple(told.conflicts[-LISTED_MAX:]),
        outputs=tuple(outputs[:OUTPUTS_LISTED_MAX]),
        screens=tuple(shown_screens(world, d, file, told.screens[-SCREENS_SHOWN_MAX:])),
        audit=checked,
        left_out=left_out,
    )
