"""What Wakeman needs of hosts: asked once, at `up`, of all at the same time."""

from __future__ import annotations

import os
import re
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
RSYNC_INSTALL = "apt-get install rsync, or brew install rsync"
RSYNC_OLDEST_VERSION = (3, 1)
"""The first that leaves out missing files without a complaint."""
VERSION_S = 10.0
"""Seconds that a program may take to tell its version."""


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
    needed = {"tmux": "-V"}
    if plan.ssh.files == "copied":
        needed["rsync"] = "--version"
        place |= {"rsync": rsync_program(environ), "send": msgspec.json.encode(plan.ssh.send).decode()}

    def fault(host: str) -> ProgramError | None:
        connection = Connection(place["ssh"], config, host, environ)
        for program, word in needed.items():
            try:
                told = connection.call(program, word)
            except ProgramError as error:
                return error
            if told.code:
                return ProgramError(f"ssh: {host}: {program}: not found there", f"install {program} on {host}")
        return None

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


def rsync_program(environ: Mapping[str, str]) -> str:
    """Find rsync. Raises: ProgramError with what installs it, also for one that is too old."""
    path = environ.get("PATH") or os.defpath
    found = shutil.which("rsync", path=path)
    if found is None:
        raise ProgramError(f"rsync: not found on {path}, and ssh.files = 'copied' needs it", RSYNC_INSTALL)
    try:
        told = ask((os.path.abspath(found), "--version"), environ, VERSION_S)
    except (OSError, TimeoutError) as error:
        raise ProgramError(f"rsync: {found} gave no answer: {error!r}", RSYNC_INSTALL) from error
    first = told.out.decode(errors="replace").partition("\n")[0]
    version = re.match(r"rsync +version +v?(\d+)\.(\d+)", first)
    if version is None or (int(version[1]), int(version[2])) < RSYNC_OLDEST_VERSION:
        raise ProgramError(f"rsync: {found} is {first[:80]!r}; expected rsync 3.1 or newer", RSYNC_INSTALL)
    return os.path.abspath(found)
