"""Verdicts compared with their own evidence: the fingerprints of the outputs, and of the files before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from wakeman.core.log import events as e
from wakeman.core.log.hash_chain import Divergence
from wakeman.core.model import INTERNAL_ERROR, Deployment, FileFingerprint, Verdict, VerifySpec
from wakeman.core.plan.shares import profile_digest
from wakeman.core.policy import staging
from wakeman.core.policy.freshness import freshness_facts
from wakeman.core.policy.quality import judge_unit


def passed_over(d: Deployment, event: e.Event) -> Iterator[Divergence]:
    """Yield a divergence for each verdict that contradicts its fingerprints, and each profile that does its digest."""
    data = event.data
    if isinstance(data, e.Planned | e.Amended):
        yield from _other_profiles(event, data)
    if not isinstance(data, e.Looked):
        return
    for verdict in data.verdicts:
        unit = d.units[verdict.unit]
        own = d.plan_of(d.workers[unit.worker])
        yield from _passed_over(d, event, verdict, own.verify, staging.installed(d, unit))
    for verdict in data.staged:
        yield from _passed_over(d, event, verdict, d.plan.verify, None)


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
    installed: Mapping[str, FileFingerprint] | None,
) -> Iterator[Divergence]:
    if any(problem.startswith(INTERNAL_ERROR) for problem in verdict.problems):
        return  # its evidence was not looked at, and it says so
    state = d.units[verdict.unit]
    known = freshness_facts(d, state, {mark.path: mark for mark in verdict.marks})
    facts = msgspec.structs.replace(known, installed=installed)
    hidden = [problem for problem in judge_unit(state.unit, verify, facts).problems if problem not in verdict.problems]
    if hidden:
        found = "; ".join(verdict.problems) or "passes"
        yield Divergence(event.seq, "evidence", f"{verdict.unit}: {found}", "; ".join(hidden))
