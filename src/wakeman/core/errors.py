"""Every error that a person can meet, each with the exit code it ends in."""

from __future__ import annotations

from collections.abc import Sequence


class WakemanError(Exception):
    """Base of all errors that faces show.

    Shape: `str(error)` is `where: what was found, what was expected`; `hint` is the next command or ""; `proposals`
    are commands that may be meant instead, each with what it does.
    """

    code = 1

    def __init__(self, message: str, hint: str = "", proposals: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.proposals = tuple(proposals)


WRITE = "; write: "
"""Stands in a problem of a plan between what was found and what to write instead; faces begin a new line there."""


class PlanError(WakemanError):
    """A plan cannot be used; `problems` holds every fault found, one line each, in file order."""

    code = 2

    def __init__(self, problems: tuple[str, ...], hint: str = "") -> None:
        super().__init__("\n".join(problems), hint)
        self.problems = problems


class UsageError(WakemanError):
    """The call itself is wrong: a bad name, a bad option, an open deployment with another plan."""

    code = 2


class UnknownRevisionError(UsageError):
    """A repository has no commit that goes by this name."""


class UnknownNameError(WakemanError):
    """No deployment, worker or unit of that name."""

    code = 3


class NeedsPersonError(WakemanError):
    """Only a person can make it continue; the hint says how."""

    code = 5


class NotLiveError(NeedsPersonError):
    """The deployment is not this user's on this machine: its log can be read, and nothing is done by it."""


class LogDamagedError(WakemanError):
    """The event log is damaged at the place that the message names."""

    code = 6


class BusyError(WakemanError):
    """Another process holds the deployment's lock and did not free it in time."""


class TransitionError(WakemanError):
    """A worker cannot take this trigger in its state; nothing was written."""


class StorageError(WakemanError):
    """The disk refused: full, read-only, not permitted. Nothing is half-written."""


class DiskError(StorageError):
    """The disk refuses every write: it is full, read-only, or failing. The cause is not one particular file."""


class ProgramError(WakemanError):
    """An outside program (a timer, a launcher) is missing, failed or did not answer in time."""
