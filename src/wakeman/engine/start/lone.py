"""Starts one session of a client that belongs to no deployment yet, as the playbook's launcher does.

It has the files of an attempt in a directory of its own, and a mark that a deployment may take over: `watch-sessions`.
"""

from __future__ import annotations

import posixpath
import re
import uuid
from collections.abc import Mapping
from shlex import quote

import msgspec
from msgspec import Struct

from wakeman.core.errors import ProgramError, UnknownNameError, UsageError
from wakeman.core.model import Deployment, Host, Plan, UnitsSpec, WatchSpec, WorkersSpec, WorkerState
from wakeman.core.names import LONE, safe
from wakeman.core.plan.template import nearest
from wakeman.engine import layout
from wakeman.engine.attempt import compose
from wakeman.engine.attempt.secrets import exports
from wakeman.engine.attempt.takeover import LONE_SESSIONS
from wakeman.ports import STATE_MARKER, Made, Start, World

LONE_VARIABLES = re.compile(
    r"(?:ANTHROPIC|AWS|CLAUDE_CODE|GOOGLE|VERTEX|NODE_EXTRA)_\w+|(?i:\w*_proxy)|CLOUD_ML_REGION"
)
"""Variables of the caller that a client needs to reach its model; they go into a private file."""
LONE_VIEWER = r"""
tail --pid=1 -n 0 /dev/null >/dev/null 2>&1 || exit 0
tail -n +1 -F --pid="$PPID" STREAM 2>/dev/null | while IFS= read -r line; do
    case $line in
        *'"type":"text","text":"'*) line=${line#*'"type":"text","text":"'} && printf '%s\n' "${line%%\"\}*}" ;;
        *'"type":"tool_use"'*) line=${line#*'"name":"'} && printf '[%s]\n' "${line%%\"*}" ;;
    esac
done &
"""
"""Shows on its terminal words and tools of a client's stream, in the spelling of JSON, without control signs, until
the client ends. Boundary: nothing where `tail` cannot wait for that."""


class LoneSession(Struct, frozen=True):
    """What a person says of a session: `agent` "" is none, `socket` the server that it is to be on."""

    name: str
    prompt: str
    root: str
    agent: str = ""
    approve: bool = False
    socket: str = "default"
    harness: str = "claude"
    args: tuple[str, ...] = ()


def start_lone(world: World, wanted: LoneSession, *, detached: bool = True) -> Start:
    """Write its files and start it, unless it is not to be `detached`: then the caller runs what is returned.

    Raises: UsageError; UnknownNameError; ProgramError.
    """
    if not wanted.prompt.strip():
        raise UsageError("found no prompt; expected what the agent is to do, as the last word")
    if not wanted.approve:
        raise UsageError(
            "found no -a; expected it: nobody is there to approve",
            "a plan with workers.mode = 'interactive' asks: wakeman init",
        )
    if safe(wanted.name) != wanted.name:
        raise UsageError(f"-s: found {wanted.name!r}; expected letters, digits, '_' and '-'")
    plan = _plan_of_one(world, wanted)
    directory = posixpath.join(world.state, LONE_SESSIONS, f"{wanted.name}.{uuid.uuid4().hex[:8]}")
    host = world.host(plan, wanted.root, directory)
    executor = world.executor(host)
    listing = executor.poll()
    if detached and listing.state == "unknown":
        raise ProgramError(listing.why, "wakeman doctor")
    if detached and any(seen.session == wanted.name for seen in listing.seen):
        raise UsageError(f"-s: a session {wanted.name!r} is there already; expected another name, or its end first")
    d = Deployment(name=LONE, plan=plan, host=host, started=world.clock.now())
    worker = WorkerState(name=wanted.name, session=wanted.name, key=wanted.prompt, attempt=1)
    worker.boot, worker.agent_session = world.clock.boot(), str(uuid.uuid4())
    d.workers[worker.name] = worker
    _furnish(world, plan, host)
    start = msgspec.structs.replace(compose.prepare_attempt(world, d, worker).start, lingers=False)
    stream = layout.stream(host, worker)
    shown = f"{LONE_VIEWER.strip()}\n".replace("STREAM", quote(stream)).encode("utf-8", "surrogateescape")
    world.files.write(stream, b"")
    world.files.write(posixpath.join(layout.attempt_directory(host, worker), "setup"), shown)
    made = executor.submit([start])[0] if detached else Made()
    if made.error:
        raise ProgramError(f"{wanted.name}: {made.error}", made.mend)
    return start


def _plan_of_one(world: World, wanted: LoneSession) -> Plan:
    """Return a plan for one worker without units. Raises: as `start_lone`."""
    named = tuple(name for name in world.machine.environ() if LONE_VARIABLES.fullmatch(name))
    workers = WorkersSpec(
        harness=wanted.harness,
        agent=wanted.agent or None,
        auto_approve="all",
        args=wanted.args,
        prompt="{{ group.key }}",
        socket=wanted.socket,
        env_from=named,
    )
    # It has no units, so there is nothing that is not its own.
    plan = Plan(name="session", units=UnitsSpec(), workers=workers, watch=WatchSpec(conflicts="ignore"))
    if faults := world.harness(wanted.harness).problems(plan):
        raise UsageError(faults[0])
    if not world.machine.runs(wanted.harness, wanted.root, world.machine.environ().get("PATH", "")):
        raise ProgramError(f"found no program {wanted.harness!r} on PATH", "wakeman doctor")
    if not wanted.agent:
        return plan
    found = world.agents(plan, wanted.root)
    if fault := found.fault(wanted.agent):
        raise UsageError(f"-A: {fault}", "wakeman agents")
    if wanted.agent not in found.known:
        known = ", ".join(sorted(found.known)) or "(none known)"
        near = nearest(wanted.agent, found.known)
        raise UnknownNameError(f"-A: found {wanted.agent!r}; expected one of {known}{near}", "wakeman agents")
    return msgspec.structs.replace(plan, agents={wanted.agent: found.known[wanted.agent]})


def _furnish(world: World, plan: Plan, host: Host) -> None:
    """Write what the attempt's scripts need beside its own files."""
    world.files.write(posixpath.join(world.state, STATE_MARKER), b"", durable=True)
    compose.write_scripts(world, host)
    environ: Mapping[str, str] = world.machine.environ()
    if plan.workers.env_from:
        kept = exports({name: environ[name] for name in plan.workers.env_from})
        world.files.write(layout.inside(host, layout.SECRETS), kept, durable=True)
    world.files.make(layout.inside(host, "spool"))
