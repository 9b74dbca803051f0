"""What a plan comes to: how much of it is there already, how it is shared out, what differs from its last run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Value
from wakeman.api.deeds import Change, plan_changes
from wakeman.core.errors import WakemanError
from wakeman.core.model import Deployment, Plan, Unit
from wakeman.engine.runs import latest
from wakeman.engine.start.prepare import PreparedPlan
from wakeman.ports import World

SHARES_NAMED_MAX = 6
"""Workers without anything to do that are named."""


class ShareSize(Value, frozen=True, kw_only=True):
    """How many workers get how many units."""

    units: Annotated[int, Meta(description="Units of each.")]
    workers: Annotated[int, Meta(description="Workers with that many.")]


class LastRun(Value, frozen=True, kw_only=True):
    """The last deployment of the plan's name, and what differs."""

    deployment: Annotated[str, Meta(description="Its name.")]
    outcome: Annotated[str, Meta(description="`open`, or how it was closed.")]
    changes: Annotated[tuple[Change, ...], Meta(description="Keys and units that are another now.")]


class Outlook(Value, frozen=True, kw_only=True):
    """What a plan comes to."""

    source: Annotated[str, Meta(description="Where the units come from: key and value.")]
    present: Annotated[tuple[str, ...], Meta(description="Units whose outputs all exist already.")]
    counted: Annotated[
        tuple[str, ...],
        Meta(description="Those of them that `verify.fresh` lets count; they are judged at the first check."),
    ]
    idle: Annotated[tuple[str, ...], Meta(description="Workers of whose units all count already, the first 6.")]
    shares: Annotated[tuple[ShareSize, ...], Meta(description="Sizes of the shares, the largest first.")]
    fresh: Annotated[str, Meta(description="`verify.fresh`: which files may count.")]
    starts: Annotated[float, Meta(description="Seconds from the first launch to the last, if none waits for a slot.")]
    give_up: Annotated[float, Meta(description="Seconds after which it ends as partial.")]
    last: Annotated[LastRun | None, Meta(description="The last deployment of that name; null without one.")]


def outlook(world: World, prepared: PreparedPlan) -> Outlook:
    """Return what a plan comes to. Nothing is run, and no output is judged."""
    plan = prepared.plan
    present = _present(prepared)
    counted = tuple(unit.name for unit in prepared.units if unit.name in present and _may_count(world, prepared, unit))
    done = set(counted)
    idle = [share.name for share in prepared.shares if all(unit.name in done for unit in share.units)]
    sizes = Counter(len(share.units) for share in prepared.shares)
    return Outlook(
        source=_source_text(plan),
        present=tuple(present),
        counted=counted,
        idle=tuple(idle[:SHARES_NAMED_MAX]),
        shares=tuple(ShareSize(units=size, workers=sizes[size]) for size in sorted(sizes, reverse=True)),
        fresh=plan.verify.fresh,
        starts=plan.workers.stagger * max(0, len(prepared.shares) - 1),
        give_up=plan.limits.give_up,
        last=_last_run(world, prepared),
    )


def _present(prepared: PreparedPlan) -> dict[str, None]:
    there = {mark.path for mark in prepared.existing}
    return {unit.name: None for unit in prepared.units if there.issuperset(unit.outputs)}


def _may_count(world: World, prepared: PreparedPlan, unit: Unit) -> bool:
    """Return whether what is there may count: by its age and its size alone."""
    marks = {mark.path: mark for mark in prepared.existing}
    own = [marks[path] for path in unit.outputs]
    verify = prepared.plan.verify
    if verify.fresh == "changed" or any(mark.size < verify.min_bytes for mark in own):
        return False
    if verify.fresh == "exists" or unit.input is None:
        return True
    file = f"{prepared.root}/{unit.input}"
    source = world.files.marks([file]).get(file)
    return source is None or all(mark.mtime_ns >= source.mtime_ns for mark in own)


def _source_text(plan: Plan) -> str:
    spec = plan.units
    if spec.glob is not None:
        return " ".join([spec.glob] if isinstance(spec.glob, str) else spec.glob)
    if spec.file is not None:
        return "stdin" if spec.file == "-" else spec.file
    if spec.command is not None:
        return " ".join(spec.command)
    return "units.matrix" if spec.matrix is not None else "units.items"


def _last_run(world: World, prepared: PreparedPlan) -> LastRun | None:
    try:
        name, d = latest(world, prepared.plan.name)
    except WakemanError:
        return None
    if d is None:
        return None
    return LastRun(
        deployment=name,
        outcome=d.outcome,
        changes=(*plan_changes(d.plan, _as_run(d, prepared)), *_unit_differences(d, prepared.units)),
    )


def _as_run(d: Deployment, prepared: PreparedPlan) -> Plan:
    """Return the plan in the form in which a log has it: with what this machine adds."""
    from wakeman.engine.start.deploy import logged_plan

    return logged_plan(prepared, d.host)


def _unit_differences(d: Deployment, units: Sequence[Unit]) -> list[Change]:
    from wakeman.api.deeds import unit_changes

    now = [unit.name for unit in units]
    before = [name for name in d.units if name not in d.reviews]
    return unit_changes(before, now, "new", "no longer there")
