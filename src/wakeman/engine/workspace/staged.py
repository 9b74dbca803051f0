"""A stage: a private directory of each attempt, from which outputs that pass are installed at their targets."""

from __future__ import annotations

import posixpath
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.model import Deployment, OpenIntent, Unit, UnitState, WorkerState
from wakeman.engine import layout
from wakeman.engine.workspace import OutputLocation, Promoted
from wakeman.engine.workspace.in_place import final_place

if TYPE_CHECKING:
    from wakeman.ports import Start, Task, World


class Staged(Struct, frozen=True, gc=False):
    """The stage of a worker's present attempt. The worker reads inputs in the plan's own directory."""

    d: Deployment
    worker: WorkerState

    def home(self) -> str:
        """Return the plan's directory."""
        return self.d.host.root

    def root(self) -> str:
        """Return the stage."""
        return layout.stage(self.d.host, self.worker.name, self.worker.attempt)

    def source(self, path: str) -> str:
        """Return the path, absolute."""
        return layout.absolute(self.d.host, path)

    def output(self, path: str) -> str:
        """Return the output's path in the stage."""
        return posixpath.join(self.root(), layout.staged(self.d.host, path))

    def for_worker(self, unit: Unit) -> Unit:
        """Return the unit with its outputs in the stage, by absolute paths."""
        return msgspec.structs.replace(unit, outputs=tuple(self.output(path) for path in unit.outputs))

    def places(self, state: UnitState) -> tuple[OutputLocation, OutputLocation]:
        """Return a unit's targets and its paths in the stage. A file at a target counts if it was installed.

        Boundary: an empty stage gives no verdict.
        """
        final = final_place(self.d, state)
        outputs = {path: self.output(path) for path in final.outputs}
        staged = OutputLocation(
            outputs=outputs,
            input=final.input,
            cwd=self.home(),
            first_output=next(iter(outputs.values()), ""),
            known=state.staged,
            staged=True,
            root=self.root(),
            targets=final.outputs,
            empty="never",
        )
        return final, staged

    def prepare(self, world: World, task: Task, start: Start) -> None:
        """Make the directories of its outputs, so that the worker need not."""
        del start
        for directory in {posixpath.dirname(path) for path in task.outputs}:
            world.files.make(directory)

    def batch(self, seq: int) -> Hashable:
        """Return the intent itself: each unit is installed alone."""
        return seq

    def promote(self, world: World, seqs: Sequence[int]) -> dict[int, Promoted]:
        """Install each output of a unit at its target."""
        return {seq: _install_unit(world, self.d, self.d.intents[seq]) for seq in seqs}


def _install_unit(world: World, d: Deployment, promotion: OpenIntent) -> Promoted:
    """Install a unit's outputs. Boundary: stops at the first one that changed since it was judged."""
    marks = []
    stage = layout.stage(d.host, promotion.worker, promotion.attempt)
    for file in promotion.files:
        target, inside = layout.absolute(d.host, file.path), layout.staged(d.host, file.path)
        put = world.files.install(stage, inside, target, file.mark, file.over, keep=promotion.keep)
        if put.mark is None:
            return Promoted(why=f"{file.path}: {put.why}")
        marks.append(msgspec.structs.replace(put.mark, path=file.path))
    return Promoted(marks=tuple(marks))
