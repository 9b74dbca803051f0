"""The repository of the work trees: checks before `up`, merging, removal of trees."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from wakeman.core.errors import UnknownRevisionError, UsageError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Plan, Repository, Unit
from wakeman.core.names import branch, mergeable, merged
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.live import hold, require
from wakeman.engine.runs import latest, next_name

if TYPE_CHECKING:
    from wakeman.ports import MergeResult, World

FAULTS_LISTED_MAX = 20
"""Faults of one kind that are listed; the rest are counted."""


# --- before it begins -------------------------------------------------------------------------------------------


def survey(
    world: World, plan: Plan, root: str, units: Sequence[Unit]
) -> tuple[Repository | None, list[str], tuple[str, ...]]:
    """Find the repository of a plan; return it, its faults, and remarks.

    Boundary: if the plan's deployment is open, only the repository is searched: its workers have their trees.
    """
    git = world.git()
    try:
        found = git.survey(root, plan.workers.base)
    except WakemanError as fault:
        key = "base" if isinstance(fault, UnknownRevisionError) else "isolate"
        return None, [f"workers.{key}: {fault}" + (f"; try: {fault.hint}" if fault.hint else "")], ()
    if world.harness(plan.workers.harness).adopts:
        return found, ["workers.isolate: found with a launcher of your own; expected a harness that Wakeman starts"], ()
    name, there = latest(world, plan.name)
    if there is not None and there.outcome == "open":
        return found, [], ()
    wanted = next_name(name) if there is not None else name
    name = free_name(world, found, wanted)
    faults = [
        *_outputs_outside(found, root, units),
        *_unfit(world, found, root, units),
        *_ignored(world, found, root, units),
        *_branches_above(world, found, name),
    ]
    if unfilled := git.unfilled(found):
        faults.append(f"workers.isolate: the commit {found.base[:12]} has files of git LFS, and {unfilled}")
    notes = []
    if taken := _branch_in_the_way(world, found, wanted):
        notes.append(
            f"this run is {name}, as branch {taken!r} is there; to free the name {wanted}: git branch -m it away"
        )
    if modules := git.modules(found):
        notes.append(f"submodules stay empty in a work tree, unless workers.setup fills them: {', '.join(modules)}")
    return found, faults, tuple(notes)


def free_name(world: World, repository: Repository, name: str) -> str:
    """Return the next name of a run of which no branch exists: those of one that was cleaned away are kept."""
    while _branch_in_the_way(world, repository, name):
        name = next_name(name)
    return name


def _branch_in_the_way(world: World, repository: Repository, name: str) -> str:
    """Return a branch that is in the way of those of a run, "" for none: one of them, or one below any of them.

    Shape: git keeps a branch as a file or a directory, never as both. Names of cleanup workers are not known yet, so
    all that is below the run's name counts.
    """
    into = merged(name)
    known = sorted(world.git().branches(repository))
    return next((each for each in known if each == into or each.startswith((branch(name, ""), f"{into}/"))), "")


def _path_in_repository(repository: Repository, root: str, path: str) -> str | None:
    return layout.relative_within(posixpath.normpath(posixpath.join(root, path)), repository.top)


def _outputs_outside(repository: Repository, root: str, units: Sequence[Unit]) -> list[str]:
    found = [
        (unit.name, path)
        for unit in units
        for path in unit.outputs
        if _path_in_repository(repository, root, path) is None
    ]
    return _shortened(
        f"units.output: unit {unit!r}: found {path!r}, outside the repository {repository.top}; expected it within"
        for unit, path in found
    )


def _unfit(world: World, repository: Repository, root: str, units: Sequence[Unit]) -> list[str]:
    inputs = {
        inside: unit.name
        for unit in units
        if unit.input is not None and (inside := _path_in_repository(repository, root, unit.input)) is not None
    }
    unfit = world.git().unfit(repository, inputs)
    return _shortened(
        f"units: unit {inputs[path]!r}: its input {path!r} {why}; commit it, or choose another workers.base"
        for path, why in unfit.items()
    )


def _ignored(world: World, repository: Repository, root: str, units: Sequence[Unit]) -> list[str]:
    outputs = {
        inside: unit.name
        for unit in units
        for path in unit.outputs
        if (inside := _path_in_repository(repository, root, path)) is not None
    }
    ignored = world.git().ignored(repository, outputs)
    return _shortened(
        f"units.output: unit {outputs[path]!r}: git ignores {path!r}; expected a path that can be committed"
        for path in sorted(ignored)
    )


def _branches_above(world: World, repository: Repository, name: str) -> list[str]:
    known = world.git().branches(repository)
    return [
        f"workers.isolate: branch {each!r} already exists; choose another name, or: git branch -m {each} NEW"
        for each in ("wakeman", f"wakeman/{name}")
        if each in known
    ]


def _shortened(faults: Iterable[str]) -> list[str]:
    every = list(faults)
    more = len(every) - FAULTS_LISTED_MAX
    return (
        [*every[:FAULTS_LISTED_MAX], f"{every[FAULTS_LISTED_MAX].partition(':')[0]}: and {more} more of these"]
        if more > 0
        else every
    )


# --- afterwards -------------------------------------------------------------------------------------------------


def merge(world: World, name: str, into: str = "", *, dry: bool = False) -> MergeResult:
    """Merge the branches of workers whose share is done into one branch; record the outcome.

    Shape: into `wakeman/NAME.merged`, unless a branch is named.
    Raises: UsageError when the deployment has no trees, or that branch is checked out.
    """
    d = world.logs.read(name)
    require(world, name, d)
    repository = _repository(d)
    result = world.git().merge(repository, mergeable(d), into or merged(d.name), dry=dry)
    done = [each.branch for each in result.branches if each.state == "merged"]
    if done and not dry:
        text = f"merged {', '.join(done)} into {result.into}, {result.commit[:12]}"
        with hold(world, name) as log:
            log.append([e.Draft(e.Noted(text=sanitise(text, 1000)))], world.clock.now())
    return result


def loose(world: World, d: Deployment) -> dict[str, tuple[str, ...]]:
    """Return, by worker whose attempt is over, the files in its tree that are not committed: outside its claims."""
    repository = d.host.repository
    if repository is None:
        return {}
    over = [worker for worker in d.workers.values() if worker.attempt and worker.ended]
    found = {worker.name: world.git().loose(repository, layout.tree(d.host, worker)) for worker in over}
    return {name: tuple(files) for name, files in found.items() if files}


def clear(world: World, d: Deployment) -> dict[str, str]:
    """Remove the trees whose contents are fully merged; return the others, by path, each with the reason.

    Boundary: none if workers have no trees.
    """
    repository = d.host.repository
    if repository is None:
        return {}
    into = [merged(d.name), repository.branch.removeprefix("refs/heads/")]
    left = {}
    for worker in d.workers.values():
        tree = layout.tree(d.host, worker)
        if worker.attempt and (why := world.git().uproot(repository, tree, branch(d.name, worker.name), into)):
            left[tree] = why
    return left


def drop_merged(world: World, d: Deployment) -> dict[str, str]:
    """Delete the branches of a deployment whose commits are all in another; return the others, each with the reason.

    Boundary: that into which they were merged goes only if the branch at which the trees began has it.
    """
    repository = d.host.repository
    if repository is None:
        return {}
    base, into = repository.branch.removeprefix("refs/heads/"), merged(d.name)
    own = {branch(d.name, worker.name): [into, base] for worker in d.workers.values() if worker.attempt}
    stay = {name: world.git().drop(repository, name, among) for name, among in {**own, into: [base]}.items()}
    return {name: why for name, why in stay.items() if why}


def repair_links(world: World, d: Deployment, trees: Sequence[str]) -> None:
    """Repair the repository's links to trees of a deployment whose directory was moved."""
    if d.host.repository is not None:
        world.git().follow(d.host.repository, trees)


def branches(d: Deployment) -> tuple[Repository, list[str], list[str]]:
    """Return the repository, the branches of workers that were launched, and those that can be merged.

    Raises: UsageError without trees.
    """
    launched = [branch(d.name, worker.name) for worker in d.workers.values() if worker.attempt]
    return _repository(d), launched, mergeable(d)


def _repository(d: Deployment) -> Repository:
    if d.host.repository is None:
        raise UsageError(f"{d.name}: its workers have no work trees", 'workers.isolate = "worktree" gives them such')
    return d.host.repository
