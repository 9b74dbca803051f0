"""Containers in which sessions' programs run on their nodes: what runs them, and the script that does."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from wakeman.adapters.asking import ask
from wakeman.core.errors import ProgramError, UsageError
from wakeman.core.text import sanitise

if TYPE_CHECKING:
    from wakeman.core.model import Host, SlurmSpec

CONTAIN = os.path.join(os.path.dirname(__file__), "contain.sh")
RUNTIMES = ("apptainer", "singularity")
SRUN_HELP_S = 20.0
"""Seconds that `srun` may take to tell its options."""


def container_place(spec: SlurmSpec, srun: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what an executor needs to run containers; nothing without one. Raises: ProgramError when what runs them
    is not said, and none is found here.
    """
    if not spec.container:
        return {}
    return {
        "container": spec.container,
        "container_by": spec.container_by or _found_way(srun, environ),
        "container_mounts": shlex.join(spec.container_mounts),
        "container_options": shlex.join(spec.container_options),
        "container_home": "1" if spec.container_home else "",
    }


def _found_way(srun: str, environ: Mapping[str, str]) -> str:
    if any(shutil.which(name, path=environ.get("PATH") or os.defpath) for name in RUNTIMES):
        return "apptainer"
    if has_pyxis(srun, environ):
        return "pyxis"
    raise ProgramError(
        "slurm.container: found neither apptainer nor pyxis here",
        'say what the nodes have, as in container_by = "apptainer"; or ask the administrator of the cluster for one',
    )


def has_pyxis(srun: str, environ: Mapping[str, str]) -> bool:
    """Return whether `srun` has the options of pyxis. Raises: ProgramError when it does not answer."""
    try:
        told = ask((srun, "--help"), environ, SRUN_HELP_S)
    except (OSError, TimeoutError) as error:
        raise ProgramError(f"slurm: {srun} gave no answer: {error!r}", "sinfo") from error
    return b"--container-image" in told.out


def contain_script(place: Mapping[str, str], mounted: Sequence[str]) -> bytes:
    """Return the script that runs a program in the container: the values of the plan, then `contain.sh`.

    Shape: `mounted` are the directories without which no attempt can be, at the same paths.
    Raises: UsageError for a path that cannot be named as a mount.
    """
    if wrong := next((path for path in mounted if set(path) & set(":,\n")), None):
        raise UsageError(
            f"slurm.container: {sanitise(wrong, 200)}: a colon or a comma in a path that is to be mounted",
            "choose another directory",
        )
    own = shlex.split(place["container_mounts"])
    binds = [*(f"{path}:{path}" for path in mounted), *(each if ":" in each else f"{each}:{each}" for each in own)]
    values = {
        "by": place["container_by"],
        "image": place["container"],
        "binds": ",".join(dict.fromkeys(binds)),
        "sources": "\n".join([*mounted, *(each.partition(":")[0] for each in own)]),
        "home": place["container_home"],
        "options": "\n".join(shlex.split(place["container_options"])),
        "there": "",
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    with open(CONTAIN, encoding="utf-8") as file:
        return f"{head}{file.read()}".encode("utf-8", "surrogateescape")


def always_mounted(host: Host) -> tuple[str, ...]:
    """List the directories that each attempt needs: the plan's, the deployment's, those of its repository."""
    repository = host.repository
    wanted = [host.root, host.directory, *([repository.top, repository.common] if repository is not None else [])]
    return tuple(dict.fromkeys(path for path in wanted if re.fullmatch(r"/.+", path)))
