"""What all workers are seen as, their processes included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from wakeman.core.model import (
    Deployment,
    Observation,
    WorkerState,
    attempt_id,
)
from wakeman.engine.observe.containment import (
    Mishap,
    Mishaps,
    ScreenUnreadError,
    Unheard,
    being_ended,
    loggable,
    unknown,
)
from wakeman.engine.observe.evidence import Gathered, claim_mark
from wakeman.engine.observe.sessions import sight, with_denials
from wakeman.ports import Executor, Reader, SessionInfo, World

TOOL_CLOCK_LAG_S = 1.0
"""Seconds by which a tool's process may seem older than its call, as two clocks are compared."""


def sightings(
    world: World, executor: Executor, view: Gathered, live: list[WorkerState], mishaps: Mishaps
) -> list[Observation]:
    """Return what the attempts in progress are seen as; after it, what lives on of those that are over.

    Cost: all screens that are needed are read at once; a pass over the processes, if one is quiet, idle or over.
    """
    find = view.listing.finder()
    calls: dict[str, float] = {}

    def look_at(worker: WorkerState) -> Observation:
        seen = find(worker.session_id, attempt_id(view.d, worker))
        return _contained(partial(_observed, world, executor, view, worker, seen, calls), view.d, worker, mishaps)

    looks: dict[str, Observation] = {}
    unread = []
    for worker in live:
        try:
            looks[worker.name] = look_at(worker)
        except ScreenUnreadError:
            unread.append(worker)
    if unread:
        view.screens.fetch()
        looks.update((worker.name, look_at(worker)) for worker in unread)
    found = [looks[worker.name] for worker in live]
    found = _working(world, view, found, calls)
    found = _in_background(world, view, found)
    left = [w for w in view.d.unsettled if w.state == "exited" and w.processes]
    over = {s.worker for s in found if s.session not in ("running", "queued", "unknown")}
    ended = [view.d.workers[name] for name in over] + left
    if not ended:
        return found
    alive = world.machine.marked(attempt_id(view.d, worker) for worker in ended)
    counts = {worker.name: len(alive.get(attempt_id(view.d, worker), ())) for worker in ended}
    left_sightings = [w.observation for w in left if w.observation is not None]
    return [
        _with_processes(s, counts.get(s.worker, 0), view.d.workers[s.worker], view.boot)
        for s in [*found, *left_sightings]
    ]


def _contained(
    look: Callable[[Reader | None], Observation], d: Deployment, worker: WorkerState, mishaps: Mishaps
) -> Observation:
    """Observe one worker; after an unexpected error it is unknown, unless its end was requested."""
    seen = mishaps.contain(worker.name, partial(look, None))
    if isinstance(seen, Mishap) and being_ended(d, worker):
        plain = mishaps.contain(worker.name, partial(look, Unheard()))
        seen = seen if isinstance(plain, Mishap) else plain
    return unknown(worker, seen) if isinstance(seen, Mishap) else seen


def _observed(
    world: World,
    executor: Executor,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo | None,
    calls: dict[str, float],
    reader: Reader | None,
) -> Observation:
    """Look at one worker; what its client says is read by `reader`, or by the harness of the plan."""
    calls.pop(worker.name, None)
    harness = reader or world.harness(view.d.plan_of(worker).workers.harness)
    observation = with_denials(world, view, worker, sight(world, executor, view, worker, seen, calls, harness))
    if worker.prompt and observation.session == "running":
        from wakeman.engine.attempt import prompt_delivery

        fate = prompt_delivery.prompt_fate(world, view.d, worker, view.screens.of)
        observation = msgspec.structs.replace(observation, prompt=fate)
    return observation if observation == worker.observation else loggable(observation)


def _working(world: World, view: Gathered, found: list[Observation], calls: Mapping[str, float]) -> list[Observation]:
    """Mark a quiet worker as busy while a tool it called is still running, or its client tries again by itself.

    Shape: `calls` has, by worker, since when a call has not returned. A process that was started together with the
    client, and runs as long, is no tool. Cost: one pass over the processes, if a worker is quiet.
    """
    quiet = [s for s in found if _quiet(view, view.d.workers[s.worker], s)]
    retrying = {s.worker for s in quiet if s.retries}
    found = [msgspec.structs.replace(s, working=view.mono) if s.worker in retrying else s for s in found]
    quiet = [s for s in quiet if s.worker in calls and s.worker not in retrying]
    if not quiet:
        return found
    from wakeman.engine.observe.background import CLIENT_START_S

    signs = {s.worker: attempt_id(view.d, view.d.workers[s.worker]) for s in quiet}
    alive = world.machine.marked(signs.values())
    born = world.machine.born({pid for pids in alive.values() for pid in pids})
    busy = set()
    for name, sign in signs.items():
        claimed = claim_mark(world, view, view.d.workers[name])
        since = (
            calls[name] - TOOL_CLOCK_LAG_S
            if calls[name]
            else (claimed.mtime_ns / 1e9 if claimed else 0.0) + CLIENT_START_S
        )
        if any(born.get(pid, 0.0) >= since for pid in alive.get(sign, ())):
            busy.add(name)
    return [msgspec.structs.replace(s, working=view.mono) if s.worker in busy else s for s in found]


def _in_background(world: World, view: Gathered, found: list[Observation]) -> list[Observation]:
    """Mark an idle worker as busy in the background while a process that it started is alive.

    Cost: one pass over the processes, if a worker is idle.
    """
    idle = {s.worker: attempt_id(view.d, view.d.workers[s.worker]) for s in found if s.activity == "idle"}
    if not idle:
        return found
    from wakeman.engine.observe.background import work_of

    alive = world.machine.marked(idle.values())
    known = world.machine.kin({pid for pids in alive.values() for pid in pids})
    now = world.clock.now().timestamp()
    works = {}
    for name, sign in idle.items():
        claimed = claim_mark(world, view, view.d.workers[name])
        own = {pid: known[pid] for pid in alive.get(sign, ()) if pid in known}
        if count := len(work_of(own, claimed.mtime_ns / 1e9 if claimed else 0.0, now)):
            works[name] = "a process that it started runs" if count == 1 else f"{count} processes that it started run"
    return [
        msgspec.structs.replace(s, activity="busy", background=True, why=works[s.worker], said="", means="")
        if s.worker in works
        else s
        for s in found
    ]


def _quiet(view: Gathered, worker: WorkerState, observation: Observation) -> bool:
    """Return whether a worker would count as silent by this observation."""
    if observation.session != "running" or observation.activity not in ("busy", "unknown") or view.boot != view.d.boot:
        return False
    known = worker.observation is not None and observation.life == worker.life
    return known and (worker.reason == "silent" or view.mono - worker.life_mono >= view.d.plan.stuck.after)


def _with_processes(observation: Observation, count: int, worker: WorkerState, boot: str) -> Observation:
    """Add processes that outlive the session. A session lost while its processes live is not the end: they continue.

    Boundary: after the last process the wrapper lives for a moment and writes the exit file: an observation that finds
    neither decides nothing.
    """
    before = worker.observation
    if observation.session == "lost" and observation.ended_by in ("", "machine"):
        if count:
            why = f"its session is gone, {count} of its processes live on"
            return msgspec.structs.replace(observation, session="running", activity="unknown", why=why, processes=count)
        if before is not None and before.session == "running" and before.processes and worker.boot == boot:
            why = "its last process has ended; no exit status yet"
            return msgspec.structs.replace(observation, session="unknown", why=why, ended_by="", life=worker.life)
    if observation.processes == count:
        return observation
    return msgspec.structs.replace(observation, processes=count)
