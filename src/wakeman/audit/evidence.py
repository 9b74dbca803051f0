"""Verdicts compared with their own evidence: the fingerprints of the outputs, and of the files before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from wakeman.core.log import events as e
from wakeman.core.log.hash_chain import Divergence
from wakeman.core.model import INTERNAL_ERROR, Deployment, FileFingerprint, Verdict, VerifySpec
from wakeman.core.plan.shares import profile_digest
from wakeman.core.policy import staging
from wakeman.core.policy.freshness import ended_alone, freshness_facts
from wakeman.core.policy.quality import judge_unit


class BesideFiles(NamedTuple):
    """What is known of a unit beside its files: those that were installed, and that its session has ended."""

    installed: Mapping[str, FileFingerprint] | None = None
    over: bool = False


def passed_over(d: Deployment, event: e.Event) -> Iterator[Divergence]:
    """Yield a divergence for each verdict that contradicts its fingerprints, and each profile that does its digest."""
    data = event.data
    if isinstance(data, e.Planned | e.Amended):
        yield from _other_profiles(event, data)
    if not isinstance(data, e.Looked):
        return
    seen = {each.worker: each for each in data.observations}
    for verdict in data.verdicts:
        unit = d.units[verdict.unit]
        worker = d.workers[unit.worker]
        over = ended_alone(d, worker, seen.get(worker.name, worker.observation))
        found = BesideFiles(staging.installed(d, unit), over)
        yield from _passed_over(d, event, verdict, d.plan_of(worker).verify, found)
    for verdict in data.staged:
        yield from _passed_over(d, event, verdict, d.plan.verify, BesideFiles())


def _other_profiles(event: e.Event, data: e.Planned | e.Amended) -> Iterator[Divergence]:
    for profile in data.profiles:
        agent = data.plan.agents.get(profile.name)
        found = profile_digest(agent) if agent is not None else "none"
        if found != profile.digest:
            yield Divergence(event.seq, "evidence", f"the profile {profile.name!r} with digest {found}", profile.digest)


def _passed_over(
    d: Deployment,
    event: e.Event,
    verdict: Verdict,
    verify: VerifySpec,
    found: BesideFiles,
) -> Iterator[Divergence]:
    if any(problem.startswith(INTERNAL_ERROR) for problem in verdict.problems):
        return  # its evidence was not looked at, and it says so
    state = d.units[verdict.unit]
    known = freshness_facts(d, state, {mark.path: mark for mark in verdict.marks})
    facts = msgspec.structs.replace(known, installed=found.installed, over=found.over)
    hidden = [problem for problem in judge_unit(state.unit, verify, facts).problems if problem not in verdict.problems]
    if hidden:
        says = "; ".join(verdict.problems) or "passes"
        yield Divergence(event.seq, "evidence", f"{verdict.unit}: {says}", "; ".join(hidden))
