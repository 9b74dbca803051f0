"""The merge of workers' branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.names import named
from wakeman.core.names import merged
from wakeman.engine.workspace import repository
from wakeman.ports import World


class MergedBranch(Value, frozen=True, kw_only=True):
    """Result for one branch."""

    branch: Annotated[str, Meta(description="Its name.")]
    state: Annotated[
        Literal["merged", "contained", "conflict", "gone"],
        Meta(description="`merged`; `contained` already; left out for a `conflict`; or `gone`."),
    ]
    files: Annotated[tuple[str, ...], Meta(description="Files in conflict.")]


class Merged(Value, frozen=True, kw_only=True):
    """The branches of workers, merged into one."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    into: Annotated[str, Meta(description="Branch that they were merged into.")]
    commit: Annotated[str, Meta(description="Commit of that branch now.")]
    branches: Annotated[tuple[MergedBranch, ...], Meta(description="Branches, in the order of the merge.")]
    left: Annotated[tuple[str, ...], Meta(description="Workers that were skipped, as their share is not done.")]
    loose: Annotated[
        Mapping[str, tuple[str, ...]], Meta(description="By worker: files in its tree that are on no branch.")
    ] = {}


def merge(world: World, name: str, into: str, *, dry: bool) -> Answer[Merged]:
    """Merge the branches of workers whose share is done; `dry` moves no branch."""
    exact = named(world, name)
    result = repository.merge(world, exact, into, dry=dry)
    left = tuple(worker.name for worker in world.logs.read(exact).workers.values() if worker.state != "verified")
    conflicts = [each.branch for each in result.branches if each.state == "conflict"]
    own = (f"git merge {result.into}",) if result.into == merged(exact) else ()
    return Answer(
        Merged(
            deployment=exact,
            into=result.into,
            commit=result.commit,
            branches=tuple(
                MergedBranch(branch=each.branch, state=each.state, files=each.files) for each in result.branches
            ),
            left=left,
            loose=repository.loose(world, world.logs.read(exact)),
        ),
        (*own, *(f"git diff {result.into}...{branch}" for branch in conflicts)),
        ok=not conflicts,
        code=1 if any(each.state in ("conflict", "gone") for each in result.branches) else 0,
    )
