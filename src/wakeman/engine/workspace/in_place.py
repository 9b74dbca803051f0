"""No private workspace: a worker makes its outputs at their final paths."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.model import Deployment, Unit, UnitState, WorkerState
from wakeman.engine import layout
from wakeman.engine.workspace import OutputLocation, Promoted

if TYPE_CHECKING:
    from wakeman.ports import Start, Task, World


class InPlace(Struct, frozen=True, gc=False):
    """The plan's own directory. Nothing is prepared or promoted."""

    d: Deployment
    worker: WorkerState

    def home(self) -> str:
        """Return the plan's directory."""
        return self.d.host.root

    def root(self) -> str:
        """Return "": its outputs have no common directory."""
        return ""

    def source(self, path: str) -> str:
        """Return the path, absolute."""
        return layout.absolute(self.d.host, path)

    def output(self, path: str) -> str:
        """Return the path, absolute."""
        return layout.absolute(self.d.host, path)

    def for_worker(self, unit: Unit) -> Unit:
        """Return the unit unchanged."""
        return unit

    def places(self, state: UnitState) -> tuple[OutputLocation]:
        """Return the one location of a unit's files."""
        return (final_place(self.d, state),)

    def prepare(self, world: World, task: Task, start: Start) -> None:
        """Do nothing."""

    def batch(self, seq: int) -> Hashable:
        """Return the intent itself: there are no batches."""
        return seq

    def promote(self, world: World, seqs: Sequence[int]) -> dict[int, Promoted]:
        """Promote nothing."""
        del world, seqs
        return {}


def final_place(d: Deployment, state: UnitState) -> OutputLocation:
    """Return the final paths of a unit's files."""
    unit = state.unit
    return OutputLocation(
        outputs={path: layout.absolute(d.host, path) for path in unit.outputs},
        input=None if unit.input is None else layout.absolute(d.host, unit.input),
        cwd=d.host.root,
        first_output=unit.outputs[0] if unit.outputs else "",
        known=state.verdict,
    )
