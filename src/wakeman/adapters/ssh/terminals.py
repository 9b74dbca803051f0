"""The terminals of sessions on hosts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from wakeman.adapters.tmux.away import AwaySession, AwayTerminals
from wakeman.core.errors import ProgramError, UnknownNameError

if TYPE_CHECKING:
    from wakeman.adapters.ssh import Ssh
    from wakeman.adapters.ssh.placements import Placement
    from wakeman.ports import Listing


class HostTerminals(AwayTerminals):
    """The terminals of an executor's sessions. One that has ended keeps its screen until it is cancelled."""

    kind = "ssh"

    def __init__(self, executor: Ssh) -> None:
        self._executor = executor

    def capture(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        one = self._found(session, mark)
        return self._executor.server(one.host).capture(one.session, lines, mark=one.mark)

    def painted(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        one = self._found(session, mark)
        return self._executor.server(one.host).painted(one.session, lines, mark=one.mark)

    def captures(
        self, sessions: Sequence[tuple[str, str]], lines: int = 50, *, painted: bool = False
    ) -> list[str | None]:
        """Return the screens of many sessions. Cost: a look, then as many calls of each host as its tmux takes here."""
        self._executor.refresh()
        hosts: dict[str, dict[tuple[str, str], str]] = {}
        for session, mark in sessions:
            with suppress(UnknownNameError):
                one, _ = self._executor.placed(session, mark)
                if own := self._executor.local_id(one):
                    hosts.setdefault(one.host, {})[session, mark] = own
        shown: dict[tuple[str, str], str | None] = {}
        for host, found in hosts.items():
            wanted = [(own, mark) for (_, mark), own in found.items()]
            shown |= zip(found, self._executor.server(host).captures(wanted, lines, painted=painted), strict=True)
        return [shown.get(each) for each in sessions]

    def remember(self, session_id: str, head: str, *, mark: str) -> None:
        """Store the log's head on the session. Failure is silent."""
        with suppress(ProgramError, UnknownNameError):
            one = self._found(session_id, mark)
            if own := self._executor.local_id(one):
                self._executor.server(one.host).remember(own, head, mark=one.mark)

    def recall(self) -> list[tuple[str, str]]:
        """Return the stored checkpoints of each host that answers."""
        self._executor.refresh()
        hosts = dict.fromkeys(one.host for one, info in self._executor.sessions() if info.phase != "unknown")
        return [kept for host in hosts for kept in self._executor.server(host).recall()]

    def _listing(self) -> Listing:
        return self._executor.poll()

    def _found(self, session: str, mark: str) -> Placement:
        """Find a session. Raises: UnknownNameError; ProgramError while its host does not answer."""
        self._executor.refresh()
        one, info = self._executor.placed(session, mark)
        if info.phase in ("unknown", "lost"):
            raise ProgramError(f"ssh: session {one.session}: {info.why}", "wakeman status")
        return one

    def _live(self, session: str, mark: str) -> AwaySession:
        one = self._found(session, mark)
        return AwaySession(self._executor.server(one.host), one.session, one.mark)
