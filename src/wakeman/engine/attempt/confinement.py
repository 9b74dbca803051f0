"""Confined attempts: what one may write to, which files of the user's client it gets, and which plans are refused."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from wakeman.core.errors import StorageError, WakemanError
from wakeman.core.model import Deployment, Host, Plan, Share, UnitState, WorkerState
from wakeman.core.plan import confinement as rules
from wakeman.core.plan.shares import worker_names
from wakeman.core.plan.template import render
from wakeman.core.policy.staging import staging_of
from wakeman.engine import layout
from wakeman.engine.attempt.secrets import expanded
from wakeman.engine.workspace import workspace
from wakeman.ports import Command, Reach, Task, World

OPEN_MODE = 0o777
"""Mode of a directory for outputs, less the umask: the same as by a worker's own `mkdir`."""


def output_directories(d: Deployment, worker: WorkerState) -> list[str]:
    """List the directories that an attempt needs for its outputs and claims, absolute.

    Shape: a cleanup worker gets those of the worker that had the units first. Cost: visits each worker.
    """
    root = workspace(d, worker).root()
    first = _original_worker(d, worker)
    family = [other for other in d.workers.values() if _original_worker(d, other) == first]
    known = [name for other in family for name in other.units]
    return [*([root] if root else []), *rules.tops(_directories(d, worker.units), _directories(d, known))]


def _original_worker(d: Deployment, worker: WorkerState) -> str:
    while worker.origin:
        worker = d.workers[worker.origin]
    return worker.name


def _directories(d: Deployment, units: Sequence[str]) -> list[str]:
    return [
        layout.absolute(d.host, place)
        for name in units
        for place in rules.unit_directories(d.units[name].unit, staged=_staged(d, d.units[name]))
    ]


def _staged(d: Deployment, unit: UnitState) -> bool:
    return not staging_of(d, d.workers[unit.worker]).direct


def writable_paths(d: Deployment, worker: WorkerState, *, stream: bool) -> list[str]:
    """List everything that an attempt may write to: directories with all below, and with `stream` what it prints into.

    Shape: absolute. Boundary: not the rest of its own directory: those files are written by Wakeman.
    """
    host = d.host
    own = [layout.scratch(host, worker), layout.report_directory(host, worker), layout.client(host, worker)]
    if stream:
        own.append(layout.print_pipe(host, worker))  # it has it open, and may open it again as /dev/stdout
    share = Share(worker.name, worker.key, ())
    return [*output_directories(d, worker), *own, *also(d.plan, host.root, d.name, share)]


def also(plan: Plan, root: str, deployment: str, share: Share) -> list[str]:
    """List the directories of `workers.confine_also` for one worker, absolute."""
    names = worker_names(deployment, msgspec.structs.replace(share, units=()), "", "")
    return [posixpath.normpath(posixpath.join(root, render(path, names))) for path in plan.workers.confine_also]


def words(world: World, host: Host, worker: WorkerState) -> tuple[str, ...]:
    """Return the arguments before the program's own; none if workers are not confined."""
    if host.confinement is None:
        return ()
    return world.confiner().words(host.confinement, host.directory, layout.rules(host, worker))


def write_confiner_files(world: World, host: Host) -> None:
    """Write what confines into the deployment's directory, where it is not there, or is an earlier version's.

    Repeatable: yes.
    """
    if host.confinement is None:
        return
    for name, data in world.confiner().kit(host.confinement).items():
        file = layout.inside(host, name)
        if not world.files.marks([file]) or world.files.read(file) != data:
            world.files.write(file, data, durable=True)


def prepare_confinement(world: World, d: Deployment, worker: WorkerState, command: Command) -> None:
    """Make what an attempt may write to, and word its rules; nothing where workers are not confined."""
    host, files = d.host, world.files
    if host.confinement is None:
        return
    for place in output_directories(d, worker):
        files.make(place, mode=OPEN_MODE)
    writes = writable_paths(d, worker, stream=command.to_file)
    there = files.marks(writes)
    for place in writes:
        if place not in there and place != layout.print_pipe(host, worker):
            files.make(place)
    workers = d.plan_of(worker).workers
    if "hook" in world.harness(workers.harness).reads and workers.mode == "interactive":
        files.pipe(layout.push(host, worker))
    reads = _readable_paths(host, worker, command)
    known = files.resolve([*writes, *reads, world.state])
    reach = Reach([known[each] for each in writes], [known[each] for each in reads], [known[world.state]])
    files.write(layout.rules(host, worker), world.confiner().rules(host.confinement, reach))


def _readable_paths(host: Host, worker: WorkerState, command: Command) -> list[str]:
    """List what an attempt reads of what Wakeman keeps, besides what it may write to.

    Shape: file by file. The rest of the state directory is hidden: who may open a file can lock it.
    """
    scripts = [layout.inside(host, name) for name in (layout.HOOK, layout.GUARD)]
    own = [layout.units_file(host, worker), layout.prompt_file(host, worker), layout.outputs_list(host, worker)]
    guarded = [layout.may(host, worker)] if command.guarded else []
    home, place = layout.client(host, worker), layout.attempt_directory(host, worker)
    given = [file for file in command.files if layout.relative_within(file, home) is None]
    given += [command.stdin] if command.stdin else []
    inside = [file for file in given if layout.relative_within(file, place)]
    return list(dict.fromkeys([*scripts, *own, *guarded, *inside]))


def borrowed(world: World, host: Host, task: Task, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, bytes]:
    """Read the user's files that a worker's client gets: of each the newer one, the user's or the worker's own copy."""
    found = {}
    for name, candidates in wanted.items():
        theirs = [place for place in (expanded(host, candidate) for candidate in candidates) if place]
        own = posixpath.join(task.home, name)
        marks = world.files.marks([own, *theirs])
        there = [place for place in theirs if place in marks][:1] + ([own] if own in marks else [])
        for place in sorted(there, key=lambda place: marks[place].mtime_ns):
            with suppress(*([StorageError] if place == own else [])):  # it may be a link, or have become anything
                found[name] = world.files.read(place, within=task.home if place == own else "")
    return found


# --- at plan time ---------------------------------------------------------------------------------------------


def confinement_faults(world: World, plan: Plan, root: str, where: str, shares: Sequence[Share]) -> list[str]:
    """List the reasons why a plan's workers cannot be confined here. Shape: `where` is the plan file's name."""
    if plan.workers.confine == "off":
        return []
    reach = _reach(world, plan, root, shares)
    folds = world.files.folds_case(root)
    return [
        *_unable(world, plan),
        *(rules.overlaps(reach, fold_case=folds) or rules.nested(reach, fold_case=folds)),
        *rules.exposures(reach, *_wards(world, root, where, reach)),
    ]


def share_overlaps(world: World, d: Deployment, kept: Iterable[WorkerState], new: Iterable[Share]) -> list[str]:
    """List new shares that could write to directories of existing workers; none if workers are not confined.

    Shape: a cleanup worker counts as the worker that had its units first.
    """
    if d.host.confinement is None:
        return []
    there = [
        Share(_original_worker(d, worker), worker.key, tuple(d.units[name].unit for name in worker.units))
        for worker in kept
    ]
    reach = _reach(world, d.plan, d.host.root, [*there, *new])
    return rules.overlaps(reach, fold_case=world.files.folds_case(d.host.root))


def _reach(world: World, plan: Plan, root: str, shares: Sequence[Share]) -> list[rules.WritableDirectory]:
    more = {share.name: also(plan, root, plan.name, share) for share in shares}
    staged = plan.workers.stage
    declared = {
        place for share in shares for unit in share.units for place in rules.unit_directories(unit, staged=staged)
    }
    absolute = {place: posixpath.join(root, place) for place in declared.union(*more.values())}
    resolved = world.files.resolve(absolute.values())
    known = {place: resolved[whole] for place, whole in absolute.items()}
    return rules.writable_directories(shares, more, known, staged=staged)


def _unable(world: World, plan: Plan) -> list[str]:
    workers = plan.workers
    try:
        if world.harness(workers.harness).adopts:
            found = f"found 'units' with harness {workers.harness!r}, whose launcher starts the session itself"
            return [f"workers.confine: {found}; expected 'off'"]
        world.confiner().choose(world.machine.environ(), workers.confine_network)
    except WakemanError as fault:
        return [f"workers.confine: {fault}{f'; {fault.hint}' if fault.hint else ''}"]
    return []


def _wards(
    world: World, root: str, where: str, reach: Sequence[rules.WritableDirectory]
) -> tuple[dict[str, str], list[str]]:
    """Return the paths that no worker may replace, and those of them that no worker may write inside."""
    file = posixpath.join(root, posixpath.basename(where))
    state = world.files.resolve([world.state])[world.state]
    wards = {world.machine.home(): "your home directory", state: "the state directory"}
    if world.files.marks([file]):
        wards[world.files.resolve([file])[file]] = "the plan file"
    for place in {place.path for place in reach}:
        if ".git" in world.files.names(place):
            wards[posixpath.join(place, ".git")] = "a .git directory"
    return wards, [state]
