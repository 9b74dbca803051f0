"""Work trees: what a plan needs of its repository, a tree for each worker, its branch, merging, clearing away."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from shlex import join, quote

from wakeman.core.errors import UsageError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Plan, Promotion, Repository, Share, Unit, WorkerState
from wakeman.core.names import branch, mergeable, merged
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.registry import latest, next_name
from wakeman.ports import Merged, World

FAULTS_LISTED_MAX = 20
"""Faults of one kind that are told one by one."""


# --- before it begins -------------------------------------------------------------------------------------------


def survey(
    world: World, plan: Plan, root: str, units: Sequence[Unit], shares: Sequence[Share]
) -> tuple[Repository | None, list[str], tuple[str, ...]]:
    """Find the repository of a plan; give it, what is wrong with it, and what is worth knowing.

    Boundary: of a plan whose deployment is open only the repository is looked for: its workers have their trees.
    """
    git = world.git()
    try:
        found = git.survey(root, plan.workers.base)
    except WakemanError as fault:
        key = "base" if "no commit" in str(fault) else "isolate"
        return None, [f"workers.{key}: {fault}" + (f"; try: {fault.hint}" if fault.hint else "")], ()
    if world.harness(plan.workers.harness).adopts:
        return found, ["workers.isolate: found with a launcher of your own; expected a harness that Wakeman starts"], ()
    name, there = latest(world, plan.name)
    if there is not None and there.outcome == "open":
        return found, [], ()
    if there is not None:
        name = next_name(name)
    faults = [
        *_outside(found, root, units),
        *_unfit(world, found, root, units),
        *_ignored(world, found, root, units),
        *_taken(world, found, name, shares),
    ]
    modules = git.modules(found)
    notes = (f"submodules stay empty in a work tree, unless workers.setup fills them: {', '.join(modules)}",)
    return found, faults, notes if modules else ()


def _inside(repository: Repository, root: str, path: str) -> str | None:
    return layout.within(posixpath.normpath(posixpath.join(root, path)), repository.top)


def _outside(repository: Repository, root: str, units: Sequence[Unit]) -> list[str]:
    found = [(unit.name, path) for unit in units for path in unit.outputs if _inside(repository, root, path) is None]
    return _told(
        f"units.output: unit {unit!r}: found {path!r}, outside the repository {repository.top}; expected it within"
        for unit, path in found
    )


def _unfit(world: World, repository: Repository, root: str, units: Sequence[Unit]) -> list[str]:
    inputs = {
        inside: unit.name
        for unit in units
        if unit.input is not None and (inside := _inside(repository, root, unit.input)) is not None
    }
    unfit = world.git().unfit(repository, inputs)
    return _told(
        f"units: unit {inputs[path]!r}: its input {path!r} {why}; commit it, or choose another workers.base"
        for path, why in unfit.items()
    )


def _ignored(world: World, repository: Repository, root: str, units: Sequence[Unit]) -> list[str]:
    outputs = {
        inside: unit.name
        for unit in units
        for path in unit.outputs
        if (inside := _inside(repository, root, path)) is not None
    }
    ignored = world.git().ignored(repository, outputs)
    return _told(
        f"units.output: unit {outputs[path]!r}: git ignores {path!r}; expected a path that can be committed"
        for path in sorted(ignored)
    )


def _taken(world: World, repository: Repository, name: str, shares: Sequence[Share]) -> list[str]:
    known = world.git().branches(repository)
    wanted = [branch(name, share.name) for share in shares]
    above = [each for each in ("wakeman", f"wakeman/{name}") if each in known]
    return _told(
        f"workers.isolate: branch {each!r} is there already; choose another name, or: git branch -m {each} NEW"
        for each in [*above, *(each for each in [*wanted, merged(name)] if each in known)]
    )


def _told(faults: Iterable[str]) -> list[str]:
    every = list(faults)
    more = len(every) - FAULTS_LISTED_MAX
    return (
        [*every[:FAULTS_LISTED_MAX], f"{every[FAULTS_LISTED_MAX].partition(':')[0]}: and {more} more of these"]
        if more > 0
        else every
    )


# --- while it runs ----------------------------------------------------------------------------------------------


def plant(world: World, d: Deployment, worker: WorkerState, repository: Repository) -> str:
    """Make a worker's tree, and give the script that fills it and sets it up; "" where that was done.

    Shape: the worker's own session runs it ahead of the program, as a checkout and dependencies may take minutes.
    """
    from wakeman.core.plan.template import render
    from wakeman.engine.act.launch import names

    tree, ready = layout.tree(d.host, worker), layout.planted(d.host, worker)
    fill = world.git().plant(repository, tree, branch(d.name, worker.name))
    if world.files.marks([ready]):
        return ""
    values = names(d, worker)
    setup = [join(render(word, values) for word in command) for command in d.plan.workers.setup]
    steps = [join(fill), f"cd {quote(layout.home(d, worker))}", *setup, f": >{quote(ready)}"]
    return "set -e\n" + "\n".join(steps) + "\n"


def commit(
    world: World, d: Deployment, repository: Repository, worker: str, takings: Sequence[Promotion]
) -> dict[str, str]:
    """Put the units that a worker has made onto its branch in one commit; give why one is not taken, by unit.

    Boundary: without `workers.commit` what it has not committed itself is not taken.
    """
    state = d.workers[worker]
    tree = layout.tree(d.host, state)
    paths = {taking.unit: [_in_tree(d, state, placing.path) for placing in taking.files] for taking in takings}
    claims = [_in_tree(d, state, each) for taking in takings for each in d.units[taking.unit].unit.writes]
    kept = world.git().keep(
        repository,
        tree,
        branch(d.name, worker),
        [path for each in paths.values() for path in each],
        claims,
        worker,
        _message(d, worker, list(paths)) if d.plan.workers.commit else "",
    )
    why = {}
    fresh = d.plan.verify.fresh == "changed"
    for unit, each in paths.items():
        same = [path for path in each if path in kept.unchanged]
        loose = [path for path in each if path in kept.loose]
        if fresh and same:
            why[unit] = f"{same[0]}: as in the base commit, expected it to be changed"
        elif loose:
            why[unit] = f"{loose[0]}: passes, and is not committed on {branch(d.name, worker)}"
    return why


def _in_tree(d: Deployment, worker: WorkerState, path: str) -> str:
    place = layout.read(d, worker, path)
    return layout.within(place, layout.tree(d.host, worker)) or place


def _message(d: Deployment, worker: str, units: Sequence[str]) -> str:
    lines = "\n".join(f"- {sanitise(unit, 200)}" for unit in units)
    return f"{d.name}: {len(units)} unit{'' if len(units) == 1 else 's'} by {worker}\n\n{lines}\n"


# --- afterwards -------------------------------------------------------------------------------------------------


def merge(world: World, name: str, into: str = "", *, dry: bool = False) -> Merged:
    """Merge the branches of workers whose share is done into one branch; record what came of it.

    Shape: into `wakeman/NAME.merged`, unless a branch is named.
    Raises: UsageError when the deployment has no trees, or that branch is checked out.
    """
    d = world.logs.read(name)
    repository = _repository(d)
    result = world.git().merge(repository, mergeable(d), into or merged(d.name), dry=dry)
    said = [each.branch for each in result.branches if each.state == "merged"]
    if said and not dry:
        text = f"merged {', '.join(said)} into {result.into}, {result.commit[:12]}"
        with world.logs.hold(name, world.by) as log:
            log.append([e.Draft(e.Noted(text=sanitise(text, 1000)))], world.clock.now())
    return result


def remove_merged(world: World, d: Deployment) -> dict[str, str]:
    """Remove the trees that hold nothing that is not merged; give the others, by path, and why each is left."""
    repository = _repository(d)
    into = [merged(d.name), repository.branch.removeprefix("refs/heads/")]
    left = {}
    for worker in d.workers.values():
        tree = layout.tree(d.host, worker)
        if worker.attempt and (why := world.git().uproot(repository, tree, branch(d.name, worker.name), into)):
            left[tree] = why
    return left


def _repository(d: Deployment) -> Repository:
    if d.host.repository is None:
        raise UsageError(f"{d.name}: its workers have no work trees", 'workers.isolate = "worktree" gives them such')
    return d.host.repository
