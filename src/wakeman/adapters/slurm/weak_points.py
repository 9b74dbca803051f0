"""What of a Slurm site could lose a worker, its end or its output, each with who mends it and how: for `doctor`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING

from wakeman.adapters.slurm.calls import call_slurm
from wakeman.adapters.slurm.site import TOLD_AT, configuration, site_programs
from wakeman.core.model.plan import PACES
from wakeman.ports import Lack

if TYPE_CHECKING:
    from wakeman.adapters.slurm.batches import KeptTask
    from wakeman.adapters.slurm.queue import Row
    from wakeman.core.model import Plan

KILL_WAIT_MIN_S = 10
"""Seconds between TERM and KILL below which a worker may lose its last words; Slurm's default is 30."""
SKEW_MAX_S = 30.0
"""Seconds by which the clocks of two machines may differ."""
ONE_TIME = "ask the administrator of the cluster for one time on all machines (NTP)"
OUTPUT_SIGNAL, UNSHARED_STATUS = 53, 126
"""How a job ends whose output Slurm cannot make, and one whose script does not find its batch: see `job.sh`."""
TMUX_MIN = "3.2"
_ADMINISTRATOR = "ask the administrator of the cluster for"


def site_weaknesses(plan: Plan, workers: int, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what of a site could lose a worker or its end, each with the words for who runs it.

    Raises: ProgramError.
    """
    programs = site_programs(environ)
    before = time.time()
    site = configuration(programs["scontrol"], environ)
    yield from _configured_weaknesses(site)
    yield from age_weakness(site, plan)
    yield from skew_weakness("the controller", told_span(site[TOLD_AT]), (before, time.time()))
    told = call_slurm((programs["squeue"], "--noheader", "--array", "--states=all", "--format=%i"), environ)
    if not told.code:
        yield from room_weakness(site, len(told.out.splitlines()), plan, workers)


def _configured_weaknesses(site: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if site.get("ProctrackType", "") != "proctrack/cgroup":
        found = f"ProctrackType={site.get('ProctrackType', '')}: what a worker starts can outlive its job"
        yield found, f"{_ADMINISTRATOR} ProctrackType=proctrack/cgroup"
    if site.get("SelectType", "") == "select/linear":
        yield "SelectType=select/linear: each worker takes a whole node", "use a partition of another kind"
    wait = _leading(site.get("KillWait", ""))
    if wait is not None and wait < KILL_WAIT_MIN_S:
        found = f"KillWait={wait}: a worker that is cancelled may be killed before its end is kept"
        yield found, f"{_ADMINISTRATOR} KillWait={KILL_WAIT_MIN_S} or more"


def age_weakness(site: Mapping[str, str], plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield that a job may be listed no longer when the next alarm looks. Boundary: 0 is for ever, as Slurm has it."""
    age, every = _leading(site.get("MinJobAge", "")), plan.wake.every
    wait = max(PACES[every]) if isinstance(every, str) else every
    if age and age < wait:
        found = f"MinJobAge={age}: Slurm forgets a job {age} s after its end, and alarms are up to {wait:g} s apart"
        lost = "who is ended without a word, as by a node or for memory, is then lost, and no attempt is counted"
        yield f"{found}: {lost}", f'{_ADMINISTRATOR} MinJobAge={ceil(wait)} or more, or set wake.every = "{age}s"'


def room_weakness(site: Mapping[str, str], listed: int, plan: Plan, workers: int) -> Iterator[tuple[str, str]]:
    """Yield that the controller may not hold all jobs of a plan beside those that are `listed`.

    Shape: it counts each task of an array, and those that are over until they are `MinJobAge` old; it takes one less
    than `MaxJobCount`. What is held for `reserve` is one job, in which as many workers are steps.
    """
    most, held = _leading(site.get("MaxJobCount", "")), plan.slurm.reserve
    jobs = max(0, workers - held) + bool(held)
    again = max(0, workers - held) * (plan.stuck.attempts - 1)
    room = max(0, (most or 0) - 1 - listed)
    if most is None or room >= jobs + again:
        return
    hidden = ", of which this user does not see all" if "jobs" in site.get("PrivateData", "") else ""
    found = f"MaxJobCount={most}: with {listed} jobs listed{hidden} there is room for {room} more"
    wanted = f"the plan has {workers} workers with up to {plan.stuck.attempts} attempts each"
    late = "those beyond it are submitted when there is room again"
    yield f"{found}, and {wanted}: {late}", f"{_ADMINISTRATOR} MaxJobCount={listed + jobs + again + 1} or more"


def told_span(text: str) -> tuple[tuple[float, float], ...]:
    """Return when a machine said its local time, to the second, as epochs from and to; two in the hour that clocks have
    twice. Boundary: none for what is no time.
    """
    try:
        said = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - in the zone of this process, as Slurm prints
    except ValueError:
        return ()
    epochs = {said.replace(fold=fold).timestamp() for fold in (0, 1)}
    return tuple((at, at + 1) for at in sorted(epochs))


def skew_weakness(
    whose: str, spans: tuple[tuple[float, float], ...], here: tuple[float, float]
) -> Iterator[tuple[str, str]]:
    """Yield that a clock differs from this machine's, which went from one to the other time meanwhile: by at least so
    much, whenever between the two it was read.
    """
    least = min((max(0.0, here[0] - end, start - here[1]) for start, end in spans), default=0.0)
    if least > SKEW_MAX_S:
        found = f"the clock of {whose} differs from this machine's by {least:.0f} s or more"
        yield f"{found}: how old a file, a job or an output is cannot be told", ONE_TIME


def node_lack(task: KeptTask, row: Row | None, directory: str) -> Lack | None:
    """Return what the node of a session lacks for any; None for nothing that is known.

    Shape: a job whose output file cannot be made there ends as if by a signal of that number, before its script begins.
    """
    if task.refused.startswith("tmux: "):
        mend = f"{_ADMINISTRATOR} tmux {TMUX_MIN} or newer on each node, or put its directory on PATH before `up`"
        return Lack("slurm's tmux", task.refused, mend)
    if not task.began and row is not None and row.code in (-OUTPUT_SIGNAL, UNSHARED_STATUS):
        mend = "choose a state directory that the nodes share: --state DIR, or WAKEMAN_STATE"
        return Lack("slurm's files", f"node {row.nodes} does not have {directory}, or cannot write to it", mend)
    return None


def _leading(text: str) -> int | None:
    """Return the number that a setting begins with."""
    found = re.match(r"\d+", text)
    return int(found[0]) if found else None
