"""What Wakeman needs of hosts: asked once, at `up`, of all at the same time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from wakeman.adapters.asking import ask
from wakeman.adapters.tmux.away import require_started
from wakeman.core.errors import ProgramError

if TYPE_CHECKING:
    from wakeman.core.model import Plan

SSH_INSTALL = "apt-get install openssh-client"
VERSION_S = 10.0
"""Seconds that `ssh -V` may take."""


def resolved_hosts(plan: Plan, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what an executor needs for a whole deployment, as texts. Raises: UsageError; ProgramError for a host that
    does not answer, or has no tmux.
    """
    from wakeman.adapters.ssh import all_at_once
    from wakeman.adapters.ssh.connection import Connection

    require_started(plan)
    config = os.path.abspath(os.path.expanduser(plan.ssh.config)) if plan.ssh.config else ""
    place = {
        "ssh": ssh_program(environ),
        "config": config,
        "socket": plan.workers.socket,
        "hosts": msgspec.json.encode(plan.ssh.hosts).decode(),
    }

    def fault(host: str) -> ProgramError | None:
        try:
            told = Connection(place["ssh"], config, host, environ).call("tmux", "-V")
        except ProgramError as error:
            return error
        return ProgramError(f"ssh: {host}: tmux: not found there", f"install tmux on {host}") if told.code else None

    for error in all_at_once(plan.ssh.hosts, fault):
        if error is not None:
            raise error
    return place


def ssh_described(environ: Mapping[str, str]) -> str:
    """Return the version of ssh. Raises: ProgramError."""
    program = ssh_program(environ)
    try:
        told = ask((program, "-V"), environ, VERSION_S)
    except (OSError, TimeoutError) as error:
        raise ProgramError(f"ssh: {program} gave no answer: {error!r}", SSH_INSTALL) from error
    return f"{told.err.decode(errors='replace').strip()} at {program}"


def ssh_program(environ: Mapping[str, str]) -> str:
    """Find ssh. Raises: ProgramError with the command that installs it."""
    path = environ.get("PATH") or os.defpath
    found = shutil.which("ssh", path=path)
    if found is None:
        raise ProgramError(f"ssh: not found on {path}", SSH_INSTALL)
    return os.path.abspath(found)
