"""A kind of place where workers run, which another package can add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from wakeman.core.model import Host, Plan
from wakeman.ports.executor import Executor


class Backend(Protocol):
    """A kind of place, by its name in `workers.executor`."""

    def found(self, environ: Mapping[str, str]) -> str:
        """Return what runs workers here, with its version, for `doctor`. Raises: ProgramError with what installs it."""

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Resolve, once at `up`, what an executor needs for the whole deployment; the log keeps it.

        Shape: `directory` is the deployment's own; `environ` is that of `up`. Raises: UsageError for a plan that it
        cannot run; ProgramError for a missing program.
        """

    def executor(self, host: Host) -> Executor:
        """Return the executor of a deployment, by `host.place`; nothing runs yet."""


@runtime_checkable
class InspectedBackend(Backend, Protocol):
    """A kind of place of which `doctor` can tell what is weak."""

    def weaknesses(self, environ: Mapping[str, str]) -> Sequence[tuple[str, str]]:
        """Return what of the place could lose a worker, or its end, each with who mends it and how.

        Raises: ProgramError when it does not answer.
        """
