"""What Wakeman needs of a Slurm site: its programs and its configuration, asked once, at `up`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wakeman.adapters.asking import ask
from wakeman.adapters.slurm.containers import container_place
from wakeman.adapters.tmux.away import require_started
from wakeman.core.errors import ProgramError
from wakeman.core.text import sanitise

if TYPE_CHECKING:
    from wakeman.core.model import Plan, SlurmSpec

SLURM_PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol", "srun")
SLURM_INSTALL = "apt-get install slurm-client, with the site's slurm.conf and munge key"
ASK_S = 20.0
"""Seconds that the controller may take to tell its configuration."""
WARNED_S = 60
"""Seconds before the end of an allocation's time at which its steps are ended, so that they keep their last words."""
WARNED_MIN_S = 600.0
"""Seconds that an allocation must have for that."""
CHECK_MEMORY_BYTES = 512 * 2**20
"""Memory of a job that runs a check, unless `slurm.alarm_options` says another number."""
CHECK_TIME_S = 1800
"""Seconds of such a job, likewise: it takes some of them, and the rest is for a cluster that takes no other alarm."""
TOLD_AT = "told at"
"""The controller's own time as it told its configuration: no setting of it."""
ARRAY_MAX = 1000
"""Sessions of one array at most, where the site allows more."""


def resolved(plan: Plan, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what an executor needs for a whole deployment, as texts. Raises: UsageError; ProgramError."""
    require_started(plan)
    programs = site_programs(environ)
    site = configuration(programs["scontrol"], environ)
    most = int(site.get("MaxArraySize") or 0) - 1
    if most < 1:
        raise ProgramError(
            "slurm: this site allows no arrays (MaxArraySize)",
            "ask the administrator of the cluster for MaxArraySize=1001",
        )
    if plan.slurm.reserve:
        _require_possible(programs["sbatch"], held_request(plan.slurm), environ)
    return {
        "cluster": site.get("ClusterName", "slurm"),
        "array_max": str(min(most, ARRAY_MAX)),
        "request": shlex.join(job_request(plan.slurm)),
        **(held_place(plan.slurm) if plan.slurm.reserve else {}),
        **({"alarm": shlex.join(alarm_request(plan.slurm))} if plan.slurm.alarm == "job" else {}),
        **container_place(plan.slurm, programs["srun"], environ),
        **({"conf": conf} if (conf := environ.get("SLURM_CONF", "")) else {}),
        **programs,
    }


def site_described(environ: Mapping[str, str]) -> str:
    """Return the version of Slurm and the cluster that answers. Raises: ProgramError."""
    site = configuration(site_programs(environ)["scontrol"], environ)
    return f"Slurm {site.get('SLURM_VERSION', '')}, cluster {site.get('ClusterName', '')}"


def configuration(scontrol: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Ask the controller for its configuration, and for its time, as `TOLD_AT`. Raises: ProgramError."""
    try:
        told = ask((scontrol, "show", "config"), {**environ, "SLURM_TIME_FORMAT": "standard"}, ASK_S)
    except (OSError, TimeoutError) as error:
        raise ProgramError(f"slurm: {scontrol} gave no answer: {error!r}", "sinfo") from error
    if told.code:
        said = sanitise(re.sub(r"^\w+: ", "", told.err.decode(errors="replace")), 300)
        raise ProgramError(f"slurm: {said}", "sinfo")
    head, *lines = told.out.decode(errors="replace").splitlines() or [""]
    rows = (line.partition("=") for line in lines)
    found = {key.strip(): value.strip() for key, sign, value in rows if sign}
    return {**found, TOLD_AT: head.rpartition(" ")[2]}


def job_request(spec: SlurmSpec) -> Iterator[str]:
    """Yield the arguments of `sbatch` that a plan asks for."""
    yield f"--cpus-per-task={spec.cpus}"
    for name in ("partition", "account", "qos"):
        if value := getattr(spec, name):
            yield f"--{name}={value}"
    if spec.memory:
        yield f"--mem={ceil(spec.memory / 2**20)}M"
    if spec.time:
        yield f"--time={ceil(spec.time / 60)}"
    if spec.licenses:
        yield "--licenses=" + ",".join(f"{name}:{count}" for name, count in spec.licenses.items())
    yield from spec.options


def alarm_request(spec: SlurmSpec) -> Iterator[str]:
    """Yield the arguments of `sbatch` that ask for a job which runs a check."""
    yield "--cpus-per-task=1"
    for name in ("partition", "account", "qos"):
        if value := getattr(spec, name):
            yield f"--{name}={value}"
    yield f"--mem={CHECK_MEMORY_BYTES // 2**20}M"
    yield f"--time={CHECK_TIME_S // 60}"
    yield from spec.alarm_options


def held_place(spec: SlurmSpec) -> dict[str, str]:
    """Return what an executor needs to hold an allocation: its size, how it is asked for, and each step in it."""
    step = [f"--cpus-per-task={spec.cpus}", *([f"--time={ceil(spec.time / 60)}"] if spec.time else [])]
    return {
        "reserve": str(spec.reserve),
        "hold": shlex.join(held_request(spec)),
        "step": shlex.join(step),
        "held_time": f"{spec.time:g}",
    }


def held_request(spec: SlurmSpec) -> list[str]:
    """Return the arguments of `sbatch` that ask for room for the workers of `reserve`.

    Shape: memory is asked for by processor: nobody knows how many workers a node will have.
    """
    whole = replace(
        spec,
        memory=0,
        time=spec.reserve_time,
        licenses={name: count * spec.reserve for name, count in spec.licenses.items()},
    )
    memory = [f"--mem-per-cpu={ceil(spec.memory / 2**20 / spec.cpus)}M"] if spec.memory else []
    warned = [f"--signal=B:USR1@{WARNED_S}"] if not spec.reserve_time or spec.reserve_time >= WARNED_MIN_S else []
    return [f"--ntasks={spec.reserve}", *memory, *warned, *job_request(whole)]


def _require_possible(sbatch: str, request: Sequence[str], environ: Mapping[str, str]) -> None:
    """Ask Slurm whether an allocation could ever be. Raises: ProgramError with its words."""
    try:
        told = ask((sbatch, "--test-only", "--chdir=/", *request, "--wrap=true"), environ, ASK_S)
    except (OSError, TimeoutError) as error:
        raise ProgramError(f"slurm: {sbatch} gave no answer: {error!r}", "sinfo") from error
    if told.code:
        said = sanitise(re.sub(r"(?m)^(\w+: )?(error: )?", "", told.err.decode(errors="replace")).strip(), 300)
        raise ProgramError(f"slurm.reserve: {said}", "change [slurm] in the plan, or ask the site")


def site_programs(environ: Mapping[str, str]) -> dict[str, str]:
    path = environ.get("PATH") or os.defpath
    found = {name: shutil.which(name, path=path) for name in SLURM_PROGRAMS}
    if missing := [name for name, program in found.items() if program is None]:
        raise ProgramError(f"slurm: {', '.join(missing)}: not found on {path}", SLURM_INSTALL)
    return {name: os.path.abspath(program) for name, program in found.items() if program is not None}
