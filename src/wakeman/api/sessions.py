"""A plan of sessions that somebody else has started: the units and workers that their names give."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from wakeman.core.errors import ProgramError, UsageError
from wakeman.core.model import Plan, UnitsSpec, WorkersSpec
from wakeman.core.names import is_lone, safe
from wakeman.core.plan.validation import DEPLOYMENT_NAME
from wakeman.ports import SessionInfo, World

SESSIONS_LISTED_MAX = 8
"""Sessions of a server that an error names."""
CLIENT_DEFAULT = "claude"
"""Whose screens the sessions are taken to show, unless told: the playbook's workers are Claude's."""


class SessionsToWatch(Struct, frozen=True):
    """What a person says of the sessions that are to be watched.

    Shape: without `units` each session is one unit, `by` and `units` as in a plan; `socket` "" is the server that plain
    `tmux` asks here; `name` "" is made of the prefix; `own` lets Wakeman nudge and end them; `tell` are sessions that
    are told.
    """

    prefix: str
    output: tuple[str, ...] = ()
    units: str = ""
    by: str = ""
    client: str = CLIENT_DEFAULT
    socket: str = ""
    name: str = ""
    every: str | float | None = None
    own: bool = False
    tell: tuple[str, ...] = ()


def socket_here(environ: Mapping[str, str]) -> str:
    """Return the socket of the server that plain `tmux` asks in this environment: the one that it is inside of."""
    return environ.get("TMUX", "").rpartition(",")[0].rpartition(",")[0] or "default"


def plan_of_sessions(world: World, told: SessionsToWatch) -> dict[str, Any]:
    """Return the plan of the sessions whose names begin with a prefix, as keys of a plan file.

    Raises: UsageError when there is none, or a name cannot be a worker's; ProgramError when tmux does not answer.
    """
    if not told.prefix:
        raise UsageError("watch-sessions: found an empty prefix; expected the beginning of the sessions' names")
    name = told.name or _name_of(told.prefix)
    socket = told.socket or socket_here(world.machine.environ())
    found = _sessions(world, name, socket, told.prefix)
    made: dict[str, Any] = {
        "name": name,
        "units": {**_units_of(told, found), **({"output": [*told.output]} if told.output else {})},
        "workers": {
            "by": told.by or ("{{ parent_name }}" if told.units else "{{ unit }}"),
            "name": f"{told.prefix}{{{{ group.name }}}}",
            "harness": told.client,
            "mode": "print" if all(is_lone(one.mark) for one in found) else "interactive",
            "sessions": "own" if told.own else "watch",
            "socket": socket,
            "stagger": 0,
        },
        "stuck": {"limited": ["wait"] if told.own else ["wait", "ask"]},
        "verify": {"fresh": "exists"},
        "cleanup": {"rounds": 0},
    }
    if told.every is not None:
        made["wake"] = {"every": told.every}
    if told.tell:
        made.setdefault("wake", {})["to"] = [{"tmux": f"{socket}:{each}"} for each in told.tell]
    return made


def _name_of(prefix: str) -> str:
    """Return the name of a deployment, made of a prefix. Raises: UsageError where none can be."""
    name = re.sub(r"[^a-z0-9_-]", "_", prefix.lower()).strip("_-")
    if not re.fullmatch(DEPLOYMENT_NAME, name):
        raise UsageError(f"watch-sessions: found no name for a deployment in {prefix!r}", "add --name NAME")
    return name


def _sessions(world: World, name: str, socket: str, prefix: str) -> list[SessionInfo]:
    """List the sessions of a server that begin with a prefix, those that run."""
    probe = Plan(name=name, units=UnitsSpec(items=(name,)), workers=WorkersSpec(socket=socket))
    host = world.host(probe, "/", posixpath.join(world.state, name))
    listing = world.executor(host).poll()
    if listing.state == "unknown":
        raise ProgramError(listing.why, "wakeman doctor")
    running = sorted((one for one in listing.seen if not one.over), key=lambda one: one.session)
    found = [one for one in running if one.session.startswith(prefix) and one.session != prefix]
    if found:
        return found
    there = [one.session for one in running]
    more = f" and {len(there) - SESSIONS_LISTED_MAX} more" if len(there) > SESSIONS_LISTED_MAX else ""
    known = ", ".join(there[:SESSIONS_LISTED_MAX]) + more if there else "no session at all"
    where = world.executor(host).address
    raise UsageError(
        f"watch-sessions: found no session that begins with {prefix!r} and goes on, among {known} of {where}",
        "tmux list-sessions, or --socket for another server",
    )


def _units_of(told: SessionsToWatch, found: Sequence[SessionInfo]) -> dict[str, Any]:
    """Return the keys of `[units]`: files by a pattern, or one unit for each session."""
    if told.units:
        return {"glob": told.units}
    names = [one.session.removeprefix(told.prefix) for one in found]
    odd = next((each for each in names if safe(told.prefix + each) != told.prefix + each or safe(each) != each), "")
    if odd:
        raise UsageError(
            f"watch-sessions: found a session named {told.prefix + odd!r}; expected letters, digits, '_' and '-'",
            f"tmux rename-session -t '={told.prefix}{odd}' NAME",
        )
    return {"items": names}
