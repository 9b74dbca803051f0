"""One observation: the phase and activity of each attempt, and verdicts on outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from wakeman.core.errors import StorageError
from wakeman.core.log import events as e
from wakeman.core.model import (
    BARRING,
    Deployment,
    Observation,
    UnitState,
    Verdict,
    WorkerState,
)
from wakeman.core.policy.freshness import awaits_launch
from wakeman.engine import layout
from wakeman.engine.live import clock_of
from wakeman.engine.observe import calm
from wakeman.engine.observe.containment import (
    Mishaps,
    without_unjudged,
)
from wakeman.engine.observe.judgement import ENDED, Basis, Findings, Waiting, judge_all, judge_shared
from wakeman.engine.workspace import OutputLocation, Workspace, workspace
from wakeman.ports import Executor, Listing, World

if TYPE_CHECKING:
    from wakeman.engine.observe.recall import Touched


PLACED_UNITS_MAX = 10_000
"""Units at most whose places are known at once, where all are judged."""


def observe(world: World, d: Deployment, findings: Findings, mishaps: Mishaps) -> tuple[e.Looked, list[Waiting]]:
    """Observe once; return what changed since the last time, and the units that wait for their files to be parsed,
    or for the verify command.

    Shape: `mishaps` gets unexpected errors; the workers concerned are unknown.
    Cost: one listing of sessions (none while no worker is alive), a stat per file in question, a read per file
    that changed.
    """
    live = [worker for worker in d.begun if worker.live]
    executor = world.executor(d.host)
    listing = (
        executor.poll({worker.session_id: d.server for worker in live})
        if live
        else Listing(state="down", why="not looked: no worker is alive")
    )
    recall = findings.recall
    touched = recall.touched(world, d, live, listing) if recall is not None else None
    if touched is not None:
        live = [worker for worker in live if worker.name not in touched.unchanged]
    units = _watched_units(d, touched)
    listed = _listed_attempts(world, d, executor) if live else ()
    begun = frozenset(listed)
    follows = bool(live) and recall is None and calm.follows(world, d)
    placed = () if follows else _with_locations(d, units)
    paths = _final_paths(d, units) if follows else _paths_to_stat(placed)
    clock = clock_of(world, d)
    boot = clock.boot()
    marks = findings.marks = world.files.marks([*_reports(world, d, live, listing, begun), *paths])
    saw = calm.sight_fingerprint(d, boot, listing, listed, marks) if follows else ""
    mono = clock.mono()
    if saw and saw == calm.recalled(world, d):
        findings.calm = saw
        return _looked(world, d, listing, boot, mono, ()), []
    from wakeman.engine.observe.evidence import Gathered, Screens
    from wakeman.engine.observe.workers import sightings

    watched = placed or _with_locations(d, units)
    view = Gathered(
        d=d,
        listing=listing,
        begun=begun,
        marks=marks,
        boot=boot,
        mono=mono,
        screens=Screens(executor),
        recall=recall,
    )
    observations = _without_keys(world, d, sightings(world, executor, view, live, mishaps))
    over = {s.worker for s in observations if s.session in ENDED}
    basis = Basis(world, d, view.marks, {seen.worker: seen for seen in observations}, findings)
    if not d.pending and all(worker.ended or worker.name in over for worker in d.begun):
        # A unit cannot become done if it was missing in the last observation.
        verdicts, waiting = _judge_everything(basis, mishaps)
    else:
        verdicts, waiting = judge_all([each for each in watched if not each[1].staged], basis, mishaps)
    staged, more = judge_all([each for each in watched if each[1].staged], basis, mishaps)
    verdicts += judge_shared(basis, verdicts, mishaps)
    observations = without_unjudged(d, observations, mishaps.unjudged)
    if recall is not None:
        recall.keep([*verdicts, *staged], [*waiting, *more])
    findings.calm = saw if not basis.judged and calm.rests(d, live, observations) else ""
    looked = _looked(world, d, listing, boot, mono, observations)
    return msgspec.structs.replace(looked, verdicts=verdicts, staged=staged), [*waiting, *more]


def _judge_everything(basis: Basis, mishaps: Mishaps) -> tuple[tuple[Verdict, ...], list[Waiting]]:
    """Judge all units where their outputs are final, some at a time: places and marks of all take as much memory as
    all else that is known of them."""
    d, known = basis.d, basis.marks
    units = _to_judge(d, d.units.values())
    verdicts: list[Verdict] = []
    waiting: list[Waiting] = []
    for at in range(0, len(units), PLACED_UNITS_MAX):
        placed = [each for each in _with_locations(d, units[at : at + PLACED_UNITS_MAX]) if not each[1].staged]
        rest = set(_paths_to_stat(placed)) - known.keys()
        basis.marks = {**known, **basis.world.files.marks(rest)}
        news, some = judge_all(placed, basis, mishaps)
        verdicts += news
        waiting += some
    basis.marks = known
    return tuple(verdicts), waiting


def _looked(
    world: World, d: Deployment, listing: Listing, boot: str, mono: float, observations: Iterable[Observation]
) -> e.Looked:
    """Return a look without verdicts: what has changed of some workers, and what does not depend on them."""
    validators = None
    if d.plan.cleanup.sweep and listing.state == "up":
        from wakeman.engine.observe.side_sessions import found

        validators = found(world, d, listing.seen)
    return e.Looked(
        mono=mono,
        boot=boot,
        observations=tuple(s for s in observations if s != d.workers[s.worker].observation),
        memory=world.machine.free_memory(),
        validators=validators if validators != d.validators else None,
        server=listing.server,
        keys=_fingerprint_of_keys(world, d) if _refused_keys(d, observations) else "",
    )


def _refused_keys(d: Deployment, observations: Iterable[Observation]) -> bool:
    return bool(d.barred) or any(seen.fault in BARRING for seen in observations)


def _fingerprint_of_keys(world: World, d: Deployment) -> str:
    from wakeman.engine.attempt.secrets import keys_fingerprint

    return keys_fingerprint(world, d)


def _without_keys(world: World, d: Deployment, observations: Iterable[Observation]) -> list[Observation]:
    """Remove keys from all that was read. Cost: the file of keys is read only if there is any text."""
    seen = list(observations)
    if not any(each.why or each.shown or each.said or each.dialog for each in seen):
        return seen
    from wakeman.engine.attempt.secrets import redactor

    redact = redactor(world, d)
    return [_redacted_observation(each, redact) for each in seen]


def _redacted_observation(observation: Observation, redact: Callable[[str], str]) -> Observation:
    """Remove keys from text of screens, streams and hooks."""
    why, shown, said = redact(observation.why), redact(observation.shown), redact(observation.said)
    dialog = observation.dialog
    if dialog is not None:
        choices = tuple(msgspec.structs.replace(each, label=redact(each.label)) for each in dialog.choices)
        dialog = msgspec.structs.replace(dialog, asks=redact(dialog.asks), choices=choices)
    if (why, shown, said, dialog) == (observation.why, observation.shown, observation.said, observation.dialog):
        return observation
    return msgspec.structs.replace(observation, why=why, shown=shown, said=said, dialog=dialog)


def _listed_attempts(world: World, d: Deployment, executor: Executor) -> Sequence[str]:
    """Return the attempts that have begun and have no exit file yet, as far as that is known. Cost: one listing.

    Boundary: of an attempt that an earlier version's wrapper runs nothing is known. Nor is it where a session outlives
    this machine, and so is elsewhere: what another host has removed may still be listed here.
    """
    if executor.outlives_boot:
        return ()
    with suppress(StorageError):
        return world.files.names(layout.inside(d.host, layout.BEGUN))
    return ()


def _reports(
    world: World, d: Deployment, live: Iterable[WorkerState], listing: Listing, begun: AbstractSet[str]
) -> Iterator[str]:
    """Yield the files that report on attempts in progress.

    Boundary: no exit file is looked for of an attempt that is listed as begun while its session runs; whatever else
    may have become of both, the file itself is asked.
    """
    host, silent = d.host, calm.is_silent(world)
    runs = {seen.session_id for seen in listing.seen if seen.phase == "running"}
    for worker in live:
        plan = d.plan_of(worker).workers
        mute, known = silent and plan.harness == calm.MUTE, layout.attempt_name(worker) in begun
        if not known or worker.session_id not in runs:
            yield layout.exit_file(host, worker)
        if not (known and mute):
            yield layout.claim(host, worker)
        yield layout.stream(host, worker)
        if not mute:
            yield layout.denied(host, worker)
        if plan.mode == "interactive":
            yield layout.hook(host, worker)
            yield layout.trail(host, worker)


def _with_locations(d: Deployment, units: Iterable[UnitState]) -> list[tuple[UnitState, OutputLocation]]:
    spaces: dict[str, Workspace] = {}
    placed = []
    for unit in units:
        space = spaces.get(unit.worker)
        if space is None:
            space = spaces[unit.worker] = workspace(d, d.workers[unit.worker])
        placed += [(unit, place) for place in space.places(unit)]
    return placed


def _final_paths(d: Deployment, units: Iterable[UnitState]) -> Iterator[str]:
    """Yield the files of units whose outputs are made in place."""
    for state in units:
        for path in state.unit.outputs:
            yield layout.absolute(d.host, path)
        if state.unit.input is not None:
            yield layout.absolute(d.host, state.unit.input)


def _paths_to_stat(placed: Iterable[tuple[UnitState, OutputLocation]]) -> Iterator[str]:
    for _, place in placed:
        yield from place.outputs.values()
        if place.input is not None:
            yield place.input


def _watched_units(d: Deployment, touched: Touched | None) -> list[UnitState]:
    """Return the units to stat in every observation: of workers that have begun and are not verified, and those being
    judged or reviewed; in the order of enrolment."""
    workers, partly = d.begun, touched.partly if touched is not None else {}
    if touched is not None:
        workers = [worker for worker in workers if worker.name not in touched.unchanged]
    if d.in_question is None or d.scattered:
        names = {worker.name for worker in workers}
        units = [state for state in d.units.values() if state.worker in names]
        if partly:
            units = [s for s in units if s.worker not in partly or s.unit.name in partly[s.worker]]
    else:
        units = [d.units[name] for worker in workers for name in _in_order(worker, partly.get(worker.name))]
    return [state for state in _to_judge(d, units) if _is_watched(d, d.workers[state.worker], state)]


def _in_order(worker: WorkerState, some: AbstractSet[str] | None) -> Iterable[str]:
    """Return a worker's units, or some of them, in the order of its share."""
    if some is None:
        return worker.units
    return some if len(some) == 1 else [name for name in worker.units if name in some]


def _is_watched(d: Deployment, worker: WorkerState, state: UnitState) -> bool:
    match worker.state:
        case "pending":
            return not awaits_launch(d, state)  # until then nothing at its outputs counts
        case "verified":
            return any(verdict is not None and verdict.waits for verdict in (state.verdict, state.staged))
        case _:
            return True


def _to_judge(d: Deployment, units: Iterable[UnitState]) -> list[UnitState]:
    mute = {name for name in d.reviews if _mute(d, name)}
    return [state for state in units if not (state.waived or state.unit.name in mute)]


def _mute(d: Deployment, name: str) -> bool:
    """Return whether a unit is a verdict that was applied, or whose reviewer has not begun."""
    return d.reviews[name].heard or not d.workers[name].attempt
