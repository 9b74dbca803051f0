"""Requests of people and scripts: recorded as `requested`, then carried out by a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from wakeman.core.errors import NeedsPersonError, NotLiveError, ProgramError, UnknownNameError, UsageError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, WakeTarget, WorkerState
from wakeman.core.plan.template import nearest
from wakeman.core.policy.prompt_delivery import ENTER_AGAIN_S
from wakeman.core.text import sanitise
from wakeman.engine import alarm
from wakeman.engine.attempt import prompt_delivery, secrets
from wakeman.engine.check import check
from wakeman.engine.directories import identified
from wakeman.engine.effects.text import Type
from wakeman.engine.effects.text import send as send_text
from wakeman.engine.live import elsewhere, hold, require
from wakeman.engine.protocol import requests as protocol
from wakeman.engine.protocol.steps import drive
from wakeman.engine.runs import readable
from wakeman.engine.terminals import screen_now
from wakeman.ports import HostedExecutor

if TYPE_CHECKING:
    from wakeman.ports import World

FATE_POLL_S = 0.25
"""Seconds between two observations of typed text."""


def find_worker(world: World, name: str) -> tuple[str, str]:
    """Find a worker by `DEPLOYMENT/WORKER`, or by its bare name if that is unique among open deployments.

    Shape: (deployment, worker). Raises: UnknownNameError; UsageError when the bare name is not unique.
    """
    if "/" in name:
        deployment, _, worker = name.rpartition("/")
        known: Iterable[str] = world.logs.read(deployment).workers
        if worker not in known:
            raise UnknownNameError(f"no worker '{worker}' in {deployment}{nearest(worker, known)}", "wakeman status")
        return deployment, worker
    everything = readable(world)
    having = [found for found, d in everything.items() if name in d.workers]
    live = [found for found in having if everything[found].outcome == "open"] or having[-1:]
    if not live:
        known = {worker for d in everything.values() for worker in d.workers}
        raise UnknownNameError(f"no worker '{name}' in {world.state}{nearest(name, known)}", "wakeman status")
    if len(live) > 1:
        raise UsageError(f"worker '{name}' is in {' and '.join(live)}", f"name it {live[0]}/{name}")
    return live[0], name


def stop(world: World, deployment: str, names: Sequence[str], *, keep: bool = False) -> Deployment:
    """End workers; their undone units go to a cleanup worker, or with `keep` to nobody, and none is retried.

    Raises: UsageError when one of them has ended already: then none is ended.
    """
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        for name in names:
            worker = d.workers[name]
            if worker.ended and not worker.intent:
                hint = f"wakeman retry {deployment}/{name}, or wakeman status {deployment}"
                raise UsageError(f"{deployment}/{name} is {worker.state} already: nothing to end", hint)
        for name in names:
            drive(world, log, protocol.stop(d.workers[name], keep=keep), world.clock.now())
    return check(world, deployment)


def retry(world: World, deployment: str, names: Sequence[str], units: tuple[str, ...], note: str) -> Deployment:
    """Start another attempt of workers for what is missing; a live one is ended first.

    Raises: UsageError when one of them waits for its first launch, or has nothing missing; then none is retried.
    """
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        _require_units(d, units)
        for name in names:
            require_retriable(d, d.workers[name], units)
        for name in names:
            drive(world, log, protocol.retry(d, d.workers[name], units, note), world.clock.now())
    return check(world, deployment)


def require_retriable(d: Deployment, worker: WorkerState, units: tuple[str, ...] = ()) -> None:
    """Raise UsageError if another attempt of a worker makes no sense."""
    target = f"{d.name}/{worker.name}"
    mine = [unit for unit in worker.units if not d.units[unit].done and (unit in units or not units)]
    if worker.state == "verified" or not mine:
        where = f"wakeman reject UNIT --why WHY reopens one of {d.name}"
        raise UsageError(f"{target} has nothing left to do ({worker.state})", where)
    if worker.state == "pending" and not worker.intent:
        raise UsageError(f"{target} is pending: it has not been launched yet", f"wakeman check {d.name}")


def judge(world: World, deployment: str, verb: e.Verb, units: tuple[str, ...], why: str) -> Deployment:
    """Waive or reject units: a person's decision overrides the checks'."""
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        _require_units(d, units)
        verdicts = [name for name in units if name in d.reviews]
        if verb == "reject" and verdicts:
            hint = f"wakeman reject one of the units that it reviewed, or wakeman retry {d.name}/{verdicts[0]}"
            raise UsageError(f"{verdicts[0]} is a review, expected a unit of the plan", hint)
        drive(world, log, protocol.judge(verb, units, why), world.clock.now())
    return check(world, deployment)


def request(world: World, deployment: str, verb: e.Verb, text: str = "") -> Deployment:
    """Record a request about the whole deployment (accept, pause, unpause, down), then check.

    Raises: UsageError when it is not possible now.
    """
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        refusal = {
            "accept": "" if d.held else "no row is held",
            "pause": "paused already" if d.paused_at else "",
            "unpause": "" if d.paused_at or d.failed_launches or d.barred else "not paused",
        }.get(verb, "")
        if refusal:
            raise UsageError(f"{deployment}: {refusal}", f"wakeman status {deployment}")
        if verb == "unpause" and d.barred:
            from wakeman.engine.attempt.secrets import renew_keys

            renew_keys(world, d)
        now = world.clock.now()
        drive(world, log, protocol.request(d, verb, text, now), now)
    return check(world, deployment)


def take_for_lost(world: World, deployment: str, host: str) -> tuple[Deployment, tuple[str, ...]]:
    """Take a host for lost that does not answer, and its workers with it: they are started again on others.

    Shape: the deployment after a check, and the workers that were on that host.
    Raises: UsageError for a host that answers, or where hosts have no names; UnknownNameError for none of its hosts.
    """
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        executor = world.executor(d.host)
        if not isinstance(executor, HostedExecutor):
            hint = f"wakeman status {deployment}"
            raise UsageError(f"{deployment}: its workers run by {d.host.executor}, which has no hosts by name", hint)
        if host not in executor.hosts:
            known = ", ".join(executor.hosts)
            raise UnknownNameError(f"{deployment}: no host '{host}'{nearest(host, executor.hosts)}", f"one of {known}")
        if not executor.silence(host):
            hint = f"wakeman stop {deployment}/WORKER ends one"
            raise UsageError(f"{deployment}: {host} answers: its workers are not lost", hint)
        drive(world, log, protocol.request(d, "lost", host, world.clock.now()), world.clock.now())
        sessions = executor.lose(host)
    names = tuple(name for name, worker in d.workers.items() if worker.session in sessions and worker.live)
    return check(world, deployment), names


def adopt(world: World, name: str) -> Deployment:
    """Make a deployment live here that was restored, or whose container or registry is another now.

    Shape: one whose checks are jobs stays live where it was, so a job tries whether a lock holds between them.
    Raises: UsageError when it is live here already; NotLiveError for a copy, whose log names the original's files and
    sessions, where others could change it, and where a lock does not hold.
    """
    d, directory = world.logs.read(name), f"{world.state}/{name}"
    why = elsewhere(world, name, d)
    if not why:
        raise UsageError(f"{name} is live here already", f"wakeman status {name}")
    if (unsafe := world.registry.unsafe(directory)) or world.files.resolve([directory]) != world.files.resolve(
        [d.host.directory]
    ):
        raise NotLiveError(
            f"{name}: {unsafe or why}: it cannot be adopted",
            f"move it to {d.host.directory}, or begin again with wakeman up",
        )
    world.registry.enrol(directory, d.host)
    world.registry.look(directory)  # from here on it is known, and so are its programs
    if d.host.anywhere and (found := world.common(d.host).try_node(False)).why:
        world.registry.forget(directory)
        raise NotLiveError(f"{name}: cannot be adopted: {found.why}", found.mend)
    with hold(world, name, adopting=True) as log:
        root_id = identified(world, d.host.root)
        drive(world, log, protocol.adopt(log.deployment, world.registry.identity(), root_id), world.clock.now())
    return check(world, name)


def send(
    world: World, deployment: str, name: str, text: str, *, submit: bool, force: bool = False, raw: bool = False
) -> None:
    """Type text into a worker's session; recorded as an intent, so that it is never typed twice.

    Shape: `raw` adds no pad, so that the client may take it for a command. Effects: if it is submitted, a check soon
    shows whether it arrived; see `wait_until_confirmed`. Raises: NeedsPersonError when it was not typed, because the
    worker is not idle or earlier text is not confirmed; UsageError when the worker is not live.
    """
    with hold(world, deployment) as log:
        d = require_open(log.deployment)
        worker = d.workers[name]
        if not worker.live:
            raise UsageError(f"{deployment}/{name} is {worker.state}: there is no session to type into")
        if worker.prompt:
            why = f"what was typed in line {worker.prompt} is not confirmed yet"
            raise NeedsPersonError(f"{deployment}/{name}: {why}", f"wakeman check {deployment}, then send again")
        known = prompt_delivery.reported_prompts(world, d, worker) if submit else ""
        fact = e.Intended(
            action="send",
            target=worker.session,
            text=sanitise(secrets.redactor(world, d)(text), 500),
            confirm=submit,
            before=known,
        )
        typing = Type(name, text, submit=submit, force=force, raw=raw)
        failed = drive(world, log, send_text(worker, fact, typing), world.clock.now())
        if submit and not failed:
            alarm.soon(world, log.deployment, ENTER_AGAIN_S, "timer")
    if failed:
        hint = f"wakeman attach {deployment}/{name}" if force else "add --force to type anyway"
        raise NeedsPersonError(f"{deployment}/{name}: {failed}", hint)


def wait_until_confirmed(world: World, deployment: str, name: str, pause: Callable[[float], None]) -> str:
    """Wait until it is known whether the text typed last has arrived; return "" if it has, else what is known.

    Effects: a check once there is something to record, and regularly until then; the lock is free meanwhile. Cost:
    until the text counts as unconfirmed, two readings of the screen a second.
    """
    d = world.logs.read(deployment)
    prompt = d.workers[name].prompt
    while prompt and (worker := d.workers[name]).prompt == prompt:
        for _ in range(round(ENTER_AGAIN_S / FATE_POLL_S)):
            if prompt_delivery.prompt_fate(world, d, worker, screen_now(world, d.host)) in ("heard", "taken"):
                break
            pause(FATE_POLL_S)
        d = check(world, deployment)
    confirmed = [
        event.data
        for event in world.logs.events(deployment, prompt or d.seq)
        if isinstance(event.data, e.Confirmed) and event.data.intent == prompt
    ]
    return "" if not confirmed or confirmed[-1].ok else confirmed[-1].why


def deliver_text(world: World, target: WakeTarget, text: str, deployment: str) -> None:
    """Type text into a session that is no worker's, in the same way as a notice. Raises: ProgramError."""
    why = world.deliver(target, text, Deployment(name=deployment)).why
    if why:
        raise ProgramError(why)


def sweep(world: World, deployment: str, pattern: str, older_than: float, *, act: bool) -> list[tuple[str, float]]:
    """List sessions of a pattern (fnmatch) and a minimum age, and end them if `act`: a person's own decision.

    Shape: (session, age in seconds). Boundary: never a live worker's session, nor one of another deployment. Sessions
    that a closed deployment left running are included: nothing else ends them.
    """
    from fnmatch import fnmatchcase

    from wakeman.engine.effects.sweep import SessionToEnd, end_session

    d = world.logs.read(deployment)
    require(world, deployment, d)
    live = [worker for worker in d.workers.values() if worker.live and d.outcome == "open"]
    mine = {key for worker in live for key in (worker.session_id, worker.session_mark)} - {""}
    now = world.clock.now().timestamp()
    found = [
        seen
        for seen in world.executor(d.host).poll().seen
        if fnmatchcase(seen.session, pattern)
        and now - seen.created >= older_than
        and not mine & {seen.session_id, seen.mark}
        and (seen.mark or world.machine.mark_of(seen.pid) or f"{deployment}/").startswith(f"{deployment}/")
    ]
    if act and found:
        with hold(world, deployment) as log:
            for seen in found:
                one = SessionToEnd(seen.session, seen.session_id, seen.mark)
                drive(world, log, end_session(d, one, "person"), world.clock.now())
    return [(seen.session, now - seen.created) for seen in found]


def require_open(d: Deployment) -> Deployment:
    """Return an open deployment. Raises: UsageError for a closed one."""
    if d.outcome != "open":
        raise UsageError(f"{d.name} is closed ({d.outcome})", f"wakeman status {d.name}")
    return d


def _require_units(d: Deployment, units: Iterable[str]) -> None:
    for name in units:
        if name not in d.units:
            raise UnknownNameError(f"no unit {name!r} in {d.name}{nearest(name, d.units)}", f"wakeman status {d.name}")
