"""This machine as a world: the only module that knows every real adapter and the state directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from wakeman.adapters.at import At
from wakeman.adapters.clock import SharedClock, SystemClock
from wakeman.adapters.disk import Disk
from wakeman.adapters.eventlog import EventLogs
from wakeman.adapters.executors import find, resolve_place
from wakeman.adapters.machine import LocalMachine
from wakeman.adapters.registry import LocalRegistry
from wakeman.adapters.sleep import Sleep
from wakeman.core.errors import NotLiveError, StorageError, UnknownNameError, UsageError, WakemanError
from wakeman.core.model import Confinement, Deployment, Host, Network, Plan, WakeTarget
from wakeman.core.policy.ownership import digest, refusal
from wakeman.engine.live import IS_COPY
from wakeman.ports import Common, World

if TYPE_CHECKING:
    from wakeman.ports import (
        ClientVersion,
        Confiner,
        Delivery,
        DialogReader,
        Executor,
        Files,
        FoundProfiles,
        Git,
        Harness,
        Heard,
        Machine,
        NodeTrial,
        Parser,
        Pressing,
        Terminal,
        Timer,
        Watcher,
    )

if TYPE_CHECKING:
    from wakeman.adapters.profiles import ProfileFiles

ENVIRONMENT_KEPT = (
    "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "TMUX_TMPDIR", "SLURM_CONF",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "CLAUDE_CONFIG_DIR",
)  # fmt: skip
"""Variables of `up`'s environment that workers and checks get, in addition to PATH and those that the plan names."""
UNATTENDED = ("at", "exit", "hook", "timer")
"""Authors of checks for which nobody waits: they load no library to act through."""
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
SETTINGS_BYTES_MAX = 16 * 2**20
"""Bytes of a client's own settings that are read."""
CHECK_START_S = 0.1
"""Seconds from a timer's end to the look of its check: the script, Python, and what it loads."""


def world(state: str | None, by: str) -> World:
    """Compose the real world. `by` is the author of log lines (`up`, `at`, ...); the process id is added."""
    machine, files = LocalMachine(), Disk()
    directory = state_directory(state)
    environment = clean_environment(machine.environ(), machine.home())
    executors: dict[tuple[str, ...], Executor] = {}
    clock = SystemClock()
    registry = LocalRegistry(registry_directory(), clock.boot())

    def executor(host: Host) -> Executor:
        _admit(registry, directory, host)
        key = (host.executor, host.directory, *host.place.values())
        if key not in executors:
            executors[key] = find(host.executor, attended=by not in UNATTENDED).executor(host)
        return executors[key]

    def deliver(target: WakeTarget, message: str, deployment: Deployment) -> Delivery:
        from wakeman.adapters import orchestrator
        from wakeman.core.policy import notice

        host = deployment.host
        if host.python:
            _admit(registry, directory, host)
        if target.leaves_machine:
            from wakeman.adapters.push.telling import tell

            return tell(target, message, deployment, clock.now())
        env = host.env if host.python else environment
        if target.desktop:
            from wakeman.adapters.desktop import show_on_desktop

            return show_on_desktop(machine, env, deployment.name, message, target.timeout)
        return orchestrator.deliver(
            target,
            message,
            machine=machine,
            terminal=_receiver(target, host, environment),
            env={**env, "WAKEMAN_SAID": notice.last_words(deployment)},
            cwd=host.root if os.path.isdir(host.root) else host.directory,  # told of a project that was moved, too
            names={"deployment": deployment.name},
            whole=not host.python,  # of no deployment: the text that a person types
        )

    def git() -> Git:
        from wakeman.adapters.git import LocalGit

        return LocalGit(machine, environment)

    @cache
    def profile_files() -> ProfileFiles:
        from wakeman.adapters.profiles import ProfileFiles

        return ProfileFiles(machine.home(), files, machine.environ().get("CLAUDE_CONFIG_DIR", ""))

    def agents(plan: Plan, root: str) -> FoundProfiles:
        return profile_files().of(plan, root)

    @cache
    def confinement(network: Network) -> Confinement:
        return _confiner(machine).choose(environment, network)

    clients = _client_versions(machine, files, environment)

    def host(plan: Plan, root: str, place: str) -> Host:
        confined = confinement(plan.workers.confine_network) if plan.workers.confine == "units" else None
        versions = {one.harness: one.version for one in clients(plan)}
        found = msgspec.structs.replace(_host(plan, root, place, environment, confined), versions=versions)
        _admitted.add(_programs(found))
        return found

    return World(
        clock=clock,
        logs=EventLogs(directory),
        logs_in=EventLogs,
        registry=registry,
        timer=At(environment),
        stand_in=Sleep(environment),
        common=lambda host: _common(registry, directory, host),
        files=files,
        machine=machine,
        executor=executor,
        harness=_harness,
        watcher=_watcher,
        confiner=lambda: _confiner(machine),
        parser=_parser,
        git=git,
        host=host,
        agents=agents,
        clients=clients,
        wrapper=lambda: _script("wrapper.sh"),
        keeper=lambda: _script("keep.sh"),
        hook=lambda: _script("hook.sh"),
        guard=lambda: _script("guard.sh"),
        checker=lambda: _script("check.sh"),
        deliver=deliver,
        hear=_hear,
        other=lambda tmux: _other_session(tmux, environment),
        reaches=lambda target, host: _reaches(target, host, environment),
        type_text=_type_into,
        press=_press,
        state=directory,
        by=f"{by}:{machine.pid()}",
        start_s=CHECK_START_S,
    )


def state_directory(option: str | None) -> str:
    """Find the state directory: the option, `$WAKEMAN_STATE`, the nearest marked `state/` upwards, or XDG's.

    Shape: an absolute path, which need not exist. The search ends at a directory of another user, and passes over one
    that a repository has brought along (see `foreign_state`).
    """
    chosen = option or os.environ.get("WAKEMAN_STATE")
    if chosen:
        return os.path.abspath(chosen)
    found, known = _marked_state(os.getcwd())
    return found if known else f"{_state_home()}/wakeman"


def foreign_state(option: str | None) -> str:
    """Return the marked state directory that was not taken, as somebody else may have prepared what is in it."""
    if option or os.environ.get("WAKEMAN_STATE"):
        return ""
    found, known = _marked_state(os.getcwd())
    return "" if known else found


def _marked_state(here: str) -> tuple[str, bool]:
    """Return the nearest marked `state/` from a directory upwards, "" for none, and whether it is known to be ours.

    Shape: one that is not in a repository is; one that is in a repository, once a deployment was begun in it here.
    """
    from wakeman.ports import STATE_MARKER

    bordered = False
    while os.stat(here).st_uid in (0, os.geteuid()):
        bordered = bordered or os.path.exists(f"{here}/.git")
        found = os.path.join(here, "state")
        if os.path.exists(f"{found}/{STATE_MARKER}"):
            return found, not bordered or LocalRegistry(registry_directory(), SystemClock().boot()).knows(found)
        if here == "/":
            break
        here = os.path.dirname(here)
    return "", False


def registry_directory() -> str:
    """Return where live deployments are registered: of this user on this machine, outside every state directory."""
    return f"{_state_home()}/wakeman/registry"


def _state_home() -> str:
    return os.environ.get("XDG_STATE_HOME") or f"{LocalMachine().home()}/.local/state"


_admitted: set[str] = set()
"""Digests of hosts whose programs this process may run: its own, before a log names them, and those of live logs."""


def _programs(host: Host) -> str:
    """Return what a host names that is run, wherever its deployment's directory will be."""
    return digest(msgspec.structs.replace(host, directory="", root="", repository=None))


def _admit(registry: LocalRegistry, state: str, host: Host) -> None:
    """Refuse to run what a log names that is not known to be of a live deployment of this state directory."""
    if _programs(host) in _admitted or (named := digest(host)) in _admitted:
        return
    known, site = registry.latest.get(host.directory) or registry.look(host.directory)
    why = refusal(known, site, host)
    if not why and os.path.realpath(os.path.dirname(host.directory)) != os.path.realpath(state):
        why = f"{IS_COPY} {host.directory}"
    if why:
        name = os.path.basename(host.directory)
        raise NotLiveError(f"{name}: {why}: what its log names is not run", f"wakeman adopt {name}")
    _admitted.add(named)


def clean_environment(environ: Mapping[str, str], home: str) -> dict[str, str]:
    """Return the environment of checks and workers, independent of the caller's; an empty one gets defaults."""
    env = {key: environ[key] for key in ENVIRONMENT_KEPT if environ.get(key)}
    return {"PATH": environ.get("PATH") or DEFAULT_PATH, "HOME": home, "LANG": "C.UTF-8", **env}


def _host(
    plan: Plan, root: str, directory: str, environment: Mapping[str, str], confinement: Confinement | None
) -> Host:
    name = plan.workers.executor
    backend = find(name)
    host = Host(
        root=root,
        directory=directory,
        executor=name,
        place=resolve_place(plan, directory, environment),
        python=(sys.executable, *(("-X", "utf8") if sys.flags.utf8_mode else ()), "-P", "-m", "wakeman"),
        env=dict(environment),
        confinement=confinement,
    )
    runs = backend.executor(host)
    host = msgspec.structs.replace(host, anywhere=_timer_of_place(host) is not None, headless=runs.terminal is None)
    if plan.workers.found or runs.outlives_boot:
        return host  # what runs already, or elsewhere, takes none of this machine's memory
    return msgspec.structs.replace(host, memory_per_worker=_memory_per_worker(plan.workers.harness))


def _common(registry: LocalRegistry, state: str, host: Host) -> Common:
    """Return what the machines of a deployment have in common. Raises: NotLiveError for one that is not live here."""
    _admit(registry, state, host)
    timer = _timer_of_place(host) or At(host.env)
    return Common(SharedClock(), timer, lambda known: _try_node_with_registry(host, known=known))


def _timer_of_place(host: Host) -> Timer | None:
    """Return the timer of the place where a deployment's workers run, if that runs its checks, too."""
    backend = find(host.executor)
    timer = getattr(backend, "timer", None)  # a protocol of three methods costs more to compare
    return timer(host) if timer is not None else None


def _try_node_with_registry(host: Host, *, known: bool) -> NodeTrial:
    """Have the place where workers run try what a check there needs; `known`: among that, this registry."""
    from wakeman.ports import NodeTrial, TimingBackend

    backend = find(host.executor)
    if not isinstance(backend, TimingBackend):
        return NodeTrial()
    if not known:
        return backend.try_node(host, "")
    os.makedirs(registry_directory(), mode=0o700, exist_ok=True)
    token = f"{registry_directory()}/trial-{os.urandom(6).hex()}"
    try:
        with open(token, "x", encoding="ascii"):
            return backend.try_node(host, token)
    finally:
        with suppress(OSError):
            os.unlink(token)


def executor(name: str, environ: Mapping[str, str]) -> str:
    """Return what runs workers here, with its version. Raises: ProgramError; UnknownNameError."""
    return find(name).found(environ)


def weaknesses(plan: Plan, workers: int, environ: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return what of a plan's place is weak, each with what mends it; nothing where it cannot tell."""
    from wakeman.ports import InspectedBackend

    backend = find(plan.workers.executor)
    return backend.weaknesses(plan, workers, environ) if isinstance(backend, InspectedBackend) else ()


def _receiver(target: WakeTarget, host: Host, environment: Mapping[str, str]) -> Terminal | None:
    """Return the terminals of the orchestrator's tmux server, which need not be the workers' place."""
    if not target.tmux:
        return None
    from wakeman.adapters.orchestrator import address
    from wakeman.adapters.tmux import Tmux, socket_path, tmux_program

    name, _ = address(target.tmux)
    directory = host.directory or state_directory(None)
    tmux = host.place.get("tmux") or tmux_program(environment["PATH"])
    return Tmux(socket_path(name, os.environ), tmux, directory, environment)


def _other_session(tmux: str, environment: Mapping[str, str]) -> tuple[Terminal, str]:
    """Return the terminal and the session that `SESSION` or `SOCKET:SESSION` names. Raises: UsageError."""
    from shlex import quote

    from wakeman.adapters.orchestrator import address

    target, nowhere = WakeTarget(tmux=tmux), Deployment(name="").host
    why, terminal = _reaches(target, nowhere, environment), _receiver(target, nowhere, environment)
    if why or terminal is None:
        socket, _ = address(tmux)
        raise UsageError(why or "expected the name of a session", f"tmux -L {quote(socket)} list-sessions")
    return terminal, address(tmux)[1]


def _hear(target: WakeTarget, since: str, d: Deployment) -> Heard:
    from wakeman.adapters.push.answers import heard

    return heard(target, since, d)


def _reaches(target: WakeTarget, host: Host, environment: Mapping[str, str]) -> str:
    """Return why there is no session that a target names, or no conversation that its program is to go on with; ""
    where there is, or where it names none.
    """
    from glob import escape, glob

    from wakeman.adapters.orchestrator import address, resumed_conversation

    if target.leaves_machine:
        from wakeman.adapters.push.telling import untellable

        return untellable(target, host.root)
    if target.desktop:
        from wakeman.adapters.desktop import desktop_fault

        return desktop_fault(host.env)
    if target.run:
        wanted = resumed_conversation(target.run)
        kept = os.environ.get("CLAUDE_CONFIG_DIR") or f"{environment.get('HOME', '')}/.claude"
        if wanted and not glob(f"{escape(kept)}/projects/*/{wanted}.jsonl"):
            return f"found no conversation {wanted!r} below {kept}/projects"
        return ""
    socket, session = address(target.tmux)
    try:
        if (terminal := _receiver(target, host, environment)) is not None:
            terminal.capture(session, 1)
    except UnknownNameError:
        return f"found no session {session!r} on tmux socket {socket!r}"
    except WakemanError as fault:
        return str(fault)
    return ""


def _type_into(terminal: Terminal, session: str, mark: str, text: str, submit: bool, force: bool) -> str:
    from wakeman.adapters.orchestrator import type_when_idle

    return type_when_idle(terminal, session, text, mark=mark, submit=submit, force=force)


def _press(terminal: Terminal, session: str, mark: str, reader: DialogReader, pressing: Pressing) -> str:
    import time

    from wakeman.engine.attempt.answering import press_choices

    return press_choices(terminal, session, mark, reader, pressing, time.sleep)


def _harness(name: str) -> Harness:
    from wakeman.adapters.harness import find

    return find(name)


def _client_versions(
    machine: Machine, files: Files, environment: Mapping[str, str]
) -> Callable[[Plan], tuple[ClientVersion, ...]]:
    """Return what tells the versions of a plan's clients: each is asked once."""

    @cache
    def version(name: str) -> ClientVersion | None:
        asked = _client_program(name)
        if asked is None:
            return None
        from wakeman.adapters.versions import ProgramVersions
        from wakeman.ports import ClientVersion

        versions = ProgramVersions(machine, files, f"{_state_home()}/wakeman/versions.json")
        return ClientVersion(name, versions.of(asked[0], environment), asked[1])

    def clients(plan: Plan) -> tuple[ClientVersion, ...]:
        from wakeman.core.policy import review

        named = {plan.workers.harness, *([review.harness(plan)] if review.wanted(plan) else [])}
        found = (version(name) for name in sorted(named))
        return tuple(one for one in found if one is not None and one.version)

    return clients


def _client_program(name: str) -> tuple[str, str] | None:
    """Return a client's program and the newest version that is recorded of it; None for what is no client."""
    from wakeman.adapters.harness import CLIENTS, KNOWN

    if name in KNOWN and name not in CLIENTS:
        return None  # a launch of a plain program loads nothing of clients
    from wakeman.adapters.harness.client import Agentic

    try:
        harness = _harness(name)
    except WakemanError:
        return None  # an unknown harness is reported elsewhere
    if not isinstance(harness, Agentic):
        return None
    return harness.client.talks["print"].begin[0], harness.client.recorded[-1] if harness.client.recorded else ""


def _memory_per_worker(harness: str) -> int:
    """Return the free memory that one worker needs, if the plan sets neither a number of workers nor memory."""
    try:
        return _harness(harness).memory
    except WakemanError:
        return 0  # an unknown harness is reported elsewhere


def _watcher() -> Watcher:
    from wakeman.adapters.eventlog.network import network
    from wakeman.adapters.watch import DiskWatcher

    return DiskWatcher(network)


def _parser() -> Parser:
    from wakeman.adapters.parser import ChildParser

    return ChildParser()


def _confiner(machine: Machine) -> Confiner:
    from wakeman.adapters.confine import Confine

    return Confine(machine, hidden=(f"{_state_home()}/wakeman",))


def _script(name: str) -> bytes:
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


# --- for the doctor -----------------------------------------------------------------------------------------------


def clients() -> dict[str, str]:
    """Return the built-in clients, each with the command that installs it; "" for one that runs no agent."""
    from wakeman.adapters.harness import CLIENTS, find
    from wakeman.adapters.harness.client import Agentic

    found = {name: find(name) for name in CLIENTS}
    return {name: each.client.install if isinstance(each, Agentic) else "" for name, each in found.items()}


def lacks(
    world: World, plan: Plan, cwd: str, keys: Callable[[], frozenset[str]]
) -> tuple[str, list[tuple[str, str]]] | None:
    """Return a plan's client and the faults of the user's settings for it, each with the fix.

    Shape: workers start in `cwd` with the variables `keys`. Boundary: None for a client whose settings are not checked.
    """
    from wakeman.adapters.harness.client import Agentic
    from wakeman.adapters.harness.table import Own

    harness = _harness(plan.workers.harness)
    if not isinstance(harness, Agentic) or harness.client.lacks is None:
        return None

    def settings(path: str) -> bytes:
        try:
            return world.files.read(path, SETTINGS_BYTES_MAX)
        except StorageError:
            return b""

    own = Own(world.machine.home(), world.machine.environ(), cwd, settings, keys())
    return harness.name, list(harness.client.lacks(plan, own))
