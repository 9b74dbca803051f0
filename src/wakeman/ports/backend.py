"""A kind of place where workers run, as other packages bring one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from wakeman.core.model import Host, Plan
from wakeman.ports.executor import Executor
from wakeman.ports.timer import Timer


class Backend(Protocol):
    """A kind of place, by its name in `workers.executor`."""

    def found(self, environ: Mapping[str, str]) -> str:
        """Return what runs workers here, with its version, for `doctor`. Raises: ProgramError with what installs it."""

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Resolve what an executor needs for ever, as the log keeps it: once, at `up`.

        Shape: `directory` is the deployment's own; `environ` is that of `up`.
        Raises: UsageError for a plan that it cannot serve; ProgramError for what is missing here.
        """

    def executor(self, host: Host) -> Executor:
        """Return the executor of a deployment, by `host.place`; nothing runs yet."""

    def stand_in(self, host: Host, server: str) -> Timer | None:
        """Return the place's own timer, which ends with `server`; None where what is due in seconds has to wait."""
