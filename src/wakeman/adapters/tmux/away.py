"""The terminals of sessions on other machines: each is of a tmux server there, which is called from here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from msgspec import Struct

from wakeman.core.errors import ProgramError, UsageError

if TYPE_CHECKING:
    from wakeman.adapters.tmux import Tmux
    from wakeman.core.model import Plan
    from wakeman.ports import Listing


class AwaySession(Struct, frozen=True):
    """A session as its own server knows it."""

    server: Tmux
    session: str
    mark: str


class AwayTerminals(ABC):
    """What is the same wherever the servers are: typing, attaching, and that a session stays Wakeman's own."""

    kind: str
    """Name of the executor, at the beginning of messages."""

    @abstractmethod
    def _live(self, session: str, mark: str) -> AwaySession:
        """Return a session that runs. Raises: UnknownNameError; ProgramError for one that has no terminal now."""

    @abstractmethod
    def _listing(self) -> Listing:
        """Return all sessions."""

    def type(self, session: str, text: str, *, submit: bool, mark: str = "") -> None:
        found = self._live(session, mark)
        found.server.type(found.session, text, submit=submit, mark=found.mark)

    def press(self, session: str, keys: tuple[str, ...], *, mark: str = "") -> None:
        found = self._live(session, mark)
        found.server.press(found.session, keys, mark=found.mark)

    def attach(self, session: str, *, mark: str = "") -> tuple[str, ...]:
        found = self._live(session, mark)
        return found.server.attach(found.session, mark=found.mark)

    def switch(self, session: str, *, mark: str = "", here: str = "") -> tuple[str, ...]:
        """Return (): a terminal that a person sits at is none of another machine's server."""
        del session, mark, here
        return ()

    def adopt(self, session_id: str, mark: str, instead: str = "") -> None:
        """Do nothing for a session that has the mark. Raises: ProgramError for any other: marks stay."""
        del instead
        found = next((one for one in self._listing().seen if one.session_id == session_id), None)
        if found is None or found.mark != mark:
            why = "only sessions that Wakeman starts are watched there"
            raise ProgramError(f"{self.kind}: {session_id} cannot be marked {mark}: {why}")

    def release(self, session_id: str, mark: str) -> None:
        """Refuse: a session that Wakeman has started elsewhere is Wakeman's."""
        self._live(session_id, mark)
        raise ProgramError(f"{self.kind}: {session_id} cannot be let go: Wakeman has started it")


def require_started(plan: Plan) -> None:
    """Refuse what only a session on this machine can have: that somebody else starts it. Raises: UsageError."""
    if plan.workers.found or plan.workers.harness == "external":
        key, executor = "sessions" if plan.workers.found else "harness", plan.workers.executor
        value = getattr(plan.workers, key)
        raise UsageError(f"workers.{key}: found {value!r} beside workers.executor = {executor!r}; Wakeman starts those")
