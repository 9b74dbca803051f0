"""A kind of place where workers run, which another package can add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct

from wakeman.core.model import Host, Plan
from wakeman.ports.executor import Executor
from wakeman.ports.timer import Timer


class Backend(Protocol):
    """A kind of place, by its name in `workers.executor`."""

    def found(self, environ: Mapping[str, str]) -> str:
        """Return what runs workers here, with its version, for `doctor`. Raises: ProgramError with what installs it."""

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Resolve, once at `up`, what an executor needs for the whole deployment; the log keeps it.

        Shape: `directory` is the deployment's own; `environ` is that of `up`. Raises: PlanError, each fault as
        `key: what`, or UsageError for a plan that it cannot run; ProgramError for a missing program.
        """

    def executor(self, host: Host) -> Executor:
        """Return the executor of a deployment, by `host.place`; nothing runs yet."""


@runtime_checkable
class KeyedBackend(Backend, Protocol):
    """A kind of place of another package with keys of its own, in the plan's table `[executor]`.

    `place` finds them in `plan.executor`, as `msgspec.convert(plan.executor, keys)` has them: names and types are
    checked before, with durations and sizes as numbers.
    """

    keys: type[Struct]


@runtime_checkable
class InspectedBackend(Backend, Protocol):
    """A kind of place of which `doctor` can tell what is weak."""

    def weaknesses(self, plan: Plan, workers: int, environ: Mapping[str, str]) -> Sequence[tuple[str, str]]:
        """Return what of the place could lose a worker of a plan, or its end, each with who mends it and how.

        Shape: `workers` is their number, 0 if it is not known. Raises: ProgramError when it does not answer.
        """


class NodeTrial(Struct, frozen=True):
    """What a job found on a node that was to run a check there: `why` it cannot, "" if it can, and what mends it.

    Units: `waited_s` is the time from the request to the beginning of the job.
    """

    node: str = ""
    waited_s: float = 0.0
    why: str = ""
    mend: str = ""


@runtime_checkable
class TimingBackend(Backend, Protocol):
    """A kind of place that can run checks later, on any of its machines."""

    def timer(self, host: Host) -> Timer | None:
        """Return the timer of a deployment whose checks it runs; None for one whose checks run where `up` ran."""

    def try_node(self, host: Host, token: str) -> NodeTrial:
        """Have a job try what a check on a node needs: the log's lock, held between there and here; the recorded
        programs; the file `token`, which is in the registry of this user, unless that is "".

        Effects: a job is run and ends; files are made in `host.directory`.
        """
