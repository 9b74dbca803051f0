"""The facts by subject; each carries how it is applied and how it reads in a line. FACTS is the one list of all."""

from wakeman.core.log.facts import deployment, effect, log_file, observation, worker
from wakeman.core.log.facts.fact import Fact

FACTS: dict[str, type[Fact]] = {
    fact.__name__.lower(): fact
    for fact in (
        deployment.Planned,
        deployment.Listed,
        worker.Enrolled,
        deployment.Armed,
        deployment.Disarmed,
        observation.Looked,
        observation.Unsynced,
        deployment.Lifted,
        observation.Progressed,
        observation.Conflicted,
        effect.Decided,
        effect.Intended,
        effect.Effected,
        effect.Confirmed,
        worker.Marked,
        worker.Launched,
        worker.Started,
        worker.Stalled,
        worker.Recovered,
        worker.Exited,
        worker.Relaunched,
        worker.Verified,
        worker.Captured,
        deployment.Requested,
        deployment.Amended,
        deployment.Adopted,
        deployment.Sampled,
        deployment.Reviewed,
        log_file.Repaired,
        log_file.Sealed,
        log_file.Filled,
        log_file.Freed,
        log_file.Noted,
        deployment.Closed,
    )
}
"""`type` in the log -> struct. The names never change."""
