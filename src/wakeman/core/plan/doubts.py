"""What prevents nothing in a plan and is probably a mistake, beside its prompts: one function for each, in DOUBTS."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from wakeman.core.model import PACES, Plan, Share
from wakeman.core.plan.template import names_used

RATIO_PLAUSIBLE_MAX = 10.0
"""Times the size of its input that an output may plausibly have."""


def plan_doubts(plan: Plan, shares: Sequence[Share]) -> list[str]:
    """List the doubts about a plan that is valid, by key."""
    return [doubt for rule in DOUBTS for doubt in rule(plan, shares)]


def _ratio(plan: Plan, _: Sequence[Share]) -> Iterator[str]:
    ratio = plan.verify.max_ratio
    if ratio is not None and ratio > RATIO_PLAUSIBLE_MAX:
        yield (
            f"verify.max_ratio: {ratio:g} lets outputs be {ratio:g} times as large as their input;"
            f" {ratio:g} % of it is {ratio / 100:g}"
        )


def _overwritten(plan: Plan, shares: Sequence[Share]) -> Iterator[str]:
    units = [unit for share in shares for unit in share.units]
    same = [u.name for u in units if u.input and posixpath.normpath(u.input) in map(posixpath.normpath, u.outputs)]
    if same and plan.workers.isolate == "none":
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        yield f"units.output: {same[0]!r}{more} would be overwritten by what is made of it: the input is an output"


def _silence(plan: Plan, _: Sequence[Share]) -> Iterator[str]:
    pace = plan.wake.every
    every = PACES[pace][0] if isinstance(pace, str) else pace
    if plan.stuck.after < every:
        yield (
            f"stuck.after: {plan.stuck.after:g} s is less than wake.every, {every:g} s: only a check notices silence;"
            " two intervals or more are sensible"
        )


def _launcher(plan: Plan, shares: Sequence[Share]) -> Iterator[str]:
    words = {name for word in (*plan.workers.command, *plan.workers.args) for name in names_used(word)}
    if plan.workers.harness == "external" and not plan.workers.found and len(shares) > 1 and "worker" not in words:
        yield "workers.command: names no {{ worker }}: a launcher is not told which session it is to make"


def _far_receivers(plan: Plan, _: Sequence[Share]) -> Iterator[str]:
    if plan.slurm.alarm == "job" and any(not each.run and not each.leaves_machine for each in plan.wake.to):
        yield (
            "wake.to: names a session or a desktop of this machine, and checks run on nodes (slurm.alarm): it is told"
            " by the next verb here; run, url, ntfy or apprise reach you from there"
        )


DOUBTS = (_ratio, _overwritten, _silence, _launcher, _far_receivers)
"""Every doubt, as a function from a plan and its shares to what is told."""
